//! Why there is no connection: in which phase, and what was tried.

use std::fmt;
use std::io;

use crate::happy_eyeballs::Lost;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
use crate::tls::{TlsError, TlsFault};
use crate::{Address, ResolveError, Target};

/// Why [`TcpClient::connect`](crate::TcpClient::connect) did not.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{Phase, TcpClient};
///
/// let ioloop = IoLoop::new()?;
/// // A port on which nobody listens any more.
/// let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
/// let error = ioloop.run_until(TcpClient::new(&ioloop).connect(address))?.unwrap_err();
/// assert_eq!(error.phase(), Phase::Connecting);
/// assert!(!error.is_timeout());
/// let (tried, why) = &error.attempts()[0];
/// assert_eq!(tried.inet(), Some(address));
/// assert_eq!(why.kind(), std::io::ErrorKind::ConnectionRefused);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct ConnectError {
    target: Target,
    cause: Cause,
}

/// What a client was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// It was asking for the addresses of a name.
    Resolving,
    /// It was connecting to one or several of them.
    Connecting,
    /// It was connected to one of them, and agreeing on keys with it.
    Tls,
}

#[derive(Debug)]
enum Cause {
    Resolve(ResolveError),
    ResolveTimedOut,
    Connect(Lost<Address>),
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    Tls(TlsError),
}

/// How many attempts a message shows.
const SHOWN_MAX: usize = 8;

impl ConnectError {
    pub(super) fn resolve(target: &Target, error: ResolveError) -> Self {
        Self::new(target, Cause::Resolve(error))
    }

    pub(super) fn resolve_timed_out(target: &Target) -> Self {
        Self::new(target, Cause::ResolveTimedOut)
    }

    pub(super) fn connect(target: &Target, lost: Lost<Address>) -> Self {
        Self::new(target, Cause::Connect(lost))
    }

    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    pub(super) fn tls(target: &Target, error: TlsError) -> Self {
        Self::new(target, Cause::Tls(error))
    }

    fn new(target: &Target, cause: Cause) -> Self {
        let target = target.clone();
        Self { target, cause }
    }

    /// What it was about to connect to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What it was doing.
    pub fn phase(&self) -> Phase {
        match &self.cause {
            Cause::Resolve(_) | Cause::ResolveTimedOut => Phase::Resolving,
            Cause::Connect(_) => Phase::Connecting,
            #[cfg(any(feature = "tls", feature = "tls-ring"))]
            Cause::Tls(_) => Phase::Tls,
        }
    }

    /// Whether it took too long: the phase as a whole, or each of the attempts.
    pub fn is_timeout(&self) -> bool {
        match &self.cause {
            Cause::Resolve(_) => false,
            Cause::ResolveTimedOut => true,
            Cause::Connect(lost) => {
                let is_late = |(_, error): &(_, io::Error)| error.kind() == io::ErrorKind::TimedOut;
                lost.is_timed_out || lost.attempts.iter().all(is_late)
            }
            #[cfg(any(feature = "tls", feature = "tls-ring"))]
            Cause::Tls(error) => matches!(error.fault(), TlsFault::TimedOut),
        }
    }

    /// Why the name was not resolved, if that is what failed.
    pub fn resolve_error(&self) -> Option<&ResolveError> {
        match &self.cause {
            Cause::Resolve(error) => Some(error),
            _ => None,
        }
    }

    /// Why there is no TLS, if that is what failed.
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    pub fn tls_error(&self) -> Option<&TlsError> {
        match &self.cause {
            Cause::Tls(error) => Some(error),
            _ => None,
        }
    }

    /// Each address that was tried with its error, in the order in which they failed. When the time
    /// of the phase was over, those that were still under way are the last, with errors of the
    /// kind `TimedOut`.
    pub fn attempts(&self) -> &[(Address, io::Error)] {
        match &self.cause {
            Cause::Connect(lost) => &lost.attempts,
            _ => &[],
        }
    }

    fn kind(&self) -> io::ErrorKind {
        match &self.cause {
            _ if self.is_timeout() => io::ErrorKind::TimedOut,
            Cause::Resolve(error) => error.kind(),
            #[cfg(any(feature = "tls", feature = "tls-ring"))]
            Cause::Tls(error) => error.kind(),
            _ => self
                .attempts()
                .last()
                .map_or(io::ErrorKind::Other, |(_, error)| error.kind()),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = &self.target;
        match &self.cause {
            Cause::Resolve(error) => error.fmt(f),
            Cause::ResolveTimedOut => write!(f, "timed out while resolving {target}"),
            Cause::Connect(lost) if lost.is_timed_out => {
                write!(f, "timed out while connecting to {target}")?;
                self.list_attempts(f)
            }
            Cause::Connect(_) => {
                write!(f, "cannot connect to {target}")?;
                self.list_attempts(f)
            }
            #[cfg(any(feature = "tls", feature = "tls-ring"))]
            Cause::Tls(error) => write!(f, "cannot speak TLS with {target}: {error}"),
        }
    }
}

impl ConnectError {
    /// One that was told by its address says no more than the error; several say all.
    fn list_attempts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempts = self.attempts();
        if let ([(address, error)], Target::Address(target)) = (attempts, &self.target) {
            if address == target {
                return write!(f, ": {error}");
            }
        }
        let mut separator = ": ";
        for (address, error) in attempts.iter().take(SHOWN_MAX) {
            write!(f, "{separator}{address}: {error}")?;
            separator = "; ";
        }
        match attempts.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// What the resolver says, or the system of the attempt that failed last.
impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Resolve(error) => error.source(),
            Cause::ResolveTimedOut => None,
            Cause::Connect(lost) => lost.attempts.last().map(|(_, error)| error as _),
            #[cfg(any(feature = "tls", feature = "tls-ring"))]
            Cause::Tls(error) => error.source(),
        }
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        Self::new(error.kind(), error)
    }
}
