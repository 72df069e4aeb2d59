//! What can go wrong between two ends of TLS: whose fault it was, and in which phase.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::tls::alert::TlsAlert;
use crate::{StreamClosed, StreamError};

/// Why TLS was not begun, not agreed upon, or ended.
///
/// The two ways in, [`TlsAcceptor::accept`](crate::tls::TlsAcceptor::accept) and
/// [`TlsConnector::connect`](crate::tls::TlsConnector::connect), return it. On a stream that is
/// established it is the cause of its end, and [`Self::of`] finds it there.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::memory;
/// use squall_iostream::tls::{ClientConfig, TlsFault, TlsPhase};
///
/// let ioloop = IoLoop::builder().virtual_clock().build()?;
/// let (ours, theirs) = memory::pair(&ioloop, memory::Options::default());
/// theirs.write(b"220 mail.example ESMTP\r\n")?; // it speaks something else
/// let connector = ClientConfig::new().danger_accept_any_certificate().build()?;
/// let error = ioloop.run_until(connector.connect(ours, "mail.example"))?.unwrap_err();
/// assert_eq!(error.phase(), TlsPhase::Handshake);
/// assert!(matches!(error.fault(), TlsFault::Peer(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TlsError {
    phase: TlsPhase,
    fault: TlsFault,
}

/// How far TLS had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPhase {
    /// Not begun: nothing of TLS was sent.
    Start,
    /// In the handshake: nothing of the application was sent.
    Handshake,
    /// Established: the application's bytes were under way.
    Traffic,
}

/// Whose fault it was, and what.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TlsFault {
    /// The peer's: what it has sent.
    Peer(PeerFault),
    /// Of the certificate that the peer has shown.
    Certificate(CertificateFault),
    /// The handshake was not over in time.
    TimedOut,
    /// Ours: what the caller has asked for.
    Local(LocalFault),
    /// Of what carries the bytes: a reset, mostly.
    Transport(Arc<io::Error>),
}

/// What the peer has sent that it should not have, or not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerFault {
    /// A request of HTTP without TLS. It was answered with a 400 that says so.
    PlainHttp,
    /// The first bytes were no TLS at all.
    NotTls,
    /// It ended the connection without saying so in TLS (`close_notify`): in the handshake, or as
    /// an attacker would who cuts a message short (RFC 8446, section 6.1).
    Truncated,
    /// It gave up, for this reason.
    Alert(TlsAlert),
    /// No version, cipher suite or signature that both have; the text says which.
    Incompatible(String),
    /// It offers application protocols (ALPN), and none of ours.
    NoCommonProtocol,
    /// A record that could not be decrypted: changed on its way, or encrypted with other keys.
    Undecryptable,
    /// It broke the protocol; the text says how.
    Malformed(String),
}

/// Why the peer's certificate was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// It has shown none.
    Missing,
    /// Nobody whom we trust has signed it.
    UnknownAuthority,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is for other names than the one that was asked for.
    WrongName,
    /// Its authority has taken it back.
    Revoked,
    /// It is for something else: a server's where a client's is due, say.
    WrongPurpose,
    /// Its signature does not match, or it cannot be read; the text says more.
    Bad(String),
}

/// What the caller has asked for and cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalFault {
    /// The peer has sent this many bytes before TLS began. Whoever is between the two ends may have
    /// put them there, to be taken for what came through TLS (the injection of STARTTLS,
    /// CVE-2011-0411), so they are not read and not thrown away.
    UnreadBytes(usize),
    /// The stream is closed.
    Closed,
    /// The stream's transport cannot be moved into TLS
    /// ([`Transport::detach`](crate::Transport::detach)).
    NotMovable,
    /// The name to connect to is neither a host's name nor an address.
    InvalidServerName(String),
    /// The library of cryptography has failed; the text says how.
    Library(String),
}

impl TlsError {
    pub(super) fn new(phase: TlsPhase, fault: impl Into<TlsFault>) -> Self {
        let fault = fault.into();
        Self { phase, fault }
    }

    /// How far TLS had come.
    pub fn phase(&self) -> TlsPhase {
        self.phase
    }

    /// Whose fault it was, and what.
    pub fn fault(&self) -> &TlsFault {
        &self.fault
    }

    /// The failure of TLS that has closed a stream, if it was one.
    pub fn of(closed: &StreamClosed) -> Option<&Self> {
        closed.cause()?.get_ref()?.downcast_ref()
    }

    /// What ended a read or a wait before TLS was established.
    pub(super) fn from_stream(phase: TlsPhase, error: &StreamError) -> Self {
        match error {
            StreamError::Closed(closed) => match (Self::of(closed), closed.cause()) {
                (Some(error), _) => error.clone(),
                // Kept by its kind and text: the stream's own is shared within one thread.
                (None, Some(cause)) => Self::new(phase, again(cause)),
                (None, None) => Self::new(phase, PeerFault::Truncated),
            },
            StreamError::TimedOut => Self::new(phase, TlsFault::TimedOut),
            error => Self::new(phase, LocalFault::Library(error.to_string())),
        }
    }

    /// What the transport of a handshake has said.
    pub(super) fn from_io(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(error) => Self::clone(error),
            None => Self::new(TlsPhase::Handshake, error),
        }
    }

    fn kind(&self) -> io::ErrorKind {
        match &self.fault {
            TlsFault::Peer(PeerFault::Truncated) => io::ErrorKind::UnexpectedEof,
            TlsFault::Peer(_) | TlsFault::Certificate(_) => io::ErrorKind::InvalidData,
            TlsFault::TimedOut => io::ErrorKind::TimedOut,
            TlsFault::Local(LocalFault::Closed) => io::ErrorKind::NotConnected,
            TlsFault::Local(LocalFault::Library(_)) => io::ErrorKind::Other,
            TlsFault::Local(_) => io::ErrorKind::InvalidInput,
            TlsFault::Transport(error) => error.kind(),
        }
    }
}

/// The same error once more: `io::Error` cannot be cloned.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            TlsPhase::Start => "TLS was not begun",
            TlsPhase::Handshake => "the TLS handshake failed",
            TlsPhase::Traffic => "TLS failed",
        };
        write!(f, "{phase}: {}", self.fault)
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(fault) => fault.fmt(f),
            Self::Certificate(fault) => fault.fmt(f),
            Self::TimedOut => f.write_str("it was not over in time"),
            Self::Local(fault) => fault.fmt(f),
            Self::Transport(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlainHttp => f.write_str("the peer has sent a request of HTTP without TLS"),
            Self::NotTls => f.write_str("what the peer has sent is not TLS"),
            Self::Truncated => {
                f.write_str("the peer has ended the connection without close_notify")
            }
            Self::Alert(alert) => write!(f, "the peer has given up with the alert {alert}"),
            Self::Incompatible(what) => write!(f, "the peers have too little in common: {what}"),
            Self::NoCommonProtocol => f.write_str("the peer offers no protocol of ours (ALPN)"),
            Self::Undecryptable => f.write_str("a record of the peer cannot be decrypted"),
            Self::Malformed(how) => write!(f, "the peer has broken the protocol: {how}"),
        }
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the peer has shown no certificate",
            Self::UnknownAuthority => "the peer's certificate is from an unknown authority",
            Self::Expired => "the peer's certificate has expired",
            Self::NotYetValid => "the peer's certificate is not valid yet",
            Self::WrongName => "the peer's certificate is for another name",
            Self::Revoked => "the peer's certificate was revoked",
            Self::WrongPurpose => "the peer's certificate is for another purpose",
            Self::Bad(how) => return write!(f, "the peer's certificate is bad: {how}"),
        })
    }
}

impl fmt::Display for LocalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnreadBytes(count) => {
                write!(
                    f,
                    "{count} bytes of the peer came before TLS, and are unread"
                )
            }
            Self::Closed => f.write_str("the stream is closed"),
            Self::NotMovable => f.write_str("the stream's transport cannot be moved into TLS"),
            Self::InvalidServerName(name) => {
                write!(f, "{name:?} is neither a host's name nor an address")
            }
            Self::Library(how) => write!(f, "the TLS library failed: {how}"),
        }
    }
}

impl StdError for TlsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.fault {
            TlsFault::Transport(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<PeerFault> for TlsFault {
    fn from(fault: PeerFault) -> Self {
        Self::Peer(fault)
    }
}

impl From<CertificateFault> for TlsFault {
    fn from(fault: CertificateFault) -> Self {
        Self::Certificate(fault)
    }
}

impl From<LocalFault> for TlsFault {
    fn from(fault: LocalFault) -> Self {
        Self::Local(fault)
    }
}

impl From<io::Error> for TlsFault {
    fn from(error: io::Error) -> Self {
        Self::Transport(Arc::new(error))
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(error.kind(), error)
    }
}
