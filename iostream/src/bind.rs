//! Binding: a port on every address of a host, as Tornado's `bind_sockets`.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use socket2::{Domain, Protocol, Socket, Type};

use crate::listener::ListenerOptions;
use crate::listening_socket::{ListeningSocket, set_notsent_lowat};
use crate::{Address, Listener};

/// How often a port that the system chose for the first address may turn out to be taken on
/// another one, before we give up.
const PORT_ATTEMPTS: usize = 16;

/// Listens on a port of every address of `host`: its name, an address, or `None` (or an empty
/// text) for all addresses of the machine, IPv4 and IPv6, each with a socket of its own. For one
/// family only, name its unspecified address: `0.0.0.0` or `::`.
///
/// Port 0 lets the system choose; all sockets then have the same port. An address of a family
/// that the machine does not have is left out, as long as there is another. A name is resolved
/// by the system, which may block: call it before the loop runs. The order is IPv4 first.
/// Tornado's `bind_sockets(port, address)`.
///
/// ```
/// use squall_iostream::{ListenerOptions, bind_sockets};
/// let listeners = bind_sockets(0, Some("localhost"), &ListenerOptions::default())?;
/// let ports: Vec<_> = listeners
///     .iter()
///     .map(|listener| listener.local_addr().unwrap().inet().unwrap().port())
///     .collect();
/// assert!(ports.iter().all(|port| *port == ports[0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`BindError`]: no such name, or what the system says of the first address that fails. Then none
/// is left bound.
pub fn bind_sockets(
    port: u16,
    host: Option<&str>,
    options: &ListenerOptions,
) -> Result<Vec<Listener>, BindError> {
    let addresses = addresses_of(host.filter(|host| !host.is_empty()), port)?;
    for _ in 1..PORT_ATTEMPTS {
        match bind_all(&addresses, options) {
            Err(error) if port == 0 && error.is_in_use() => {}
            result => return result,
        }
    }
    bind_all(&addresses, options)
}

/// Sorted by family, each once.
fn addresses_of(host: Option<&str>, port: u16) -> Result<Vec<SocketAddr>, BindError> {
    let Some(host) = host else {
        let all: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        return Ok(all.map(|ip| SocketAddr::new(ip, port)).into());
    };
    let resolved = (host, port).to_socket_addrs();
    let mut addresses: Vec<_> = resolved
        .map_err(|source| BindError::resolve(host, source))?
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        let none = io::Error::new(io::ErrorKind::AddrNotAvailable, "it has no address");
        return Err(BindError::resolve(host, none));
    }
    Ok(addresses)
}

fn bind_all(
    addresses: &[SocketAddr],
    options: &ListenerOptions,
) -> Result<Vec<Listener>, BindError> {
    let mut listeners = Vec::new();
    let mut shared_port = None;
    let mut skipped = None;
    for address in addresses {
        let mut address = *address;
        if let Some(port) = shared_port {
            address.set_port(port);
        }
        match listen(address, options) {
            Ok(listener) => {
                if address.port() == 0 {
                    let bound = listener.local_addr().ok().and_then(|bound| bound.inet());
                    shared_port = bound.map(|bound| bound.port());
                }
                listeners.push(listener);
            }
            Err(error) if error.is_of_missing_family(address) => {
                skipped.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match skipped {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

/// One socket on one address.
pub(crate) fn listen(
    address: SocketAddr,
    options: &ListenerOptions,
) -> Result<Listener, BindError> {
    let at = |phase| move |source| BindError::new(Address::Inet(address), phase, source);
    let open = || {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        // A server that restarts must not wait for the connections of the one before it.
        socket.set_reuse_address(true)?;
        if options.has_reuse_port {
            socket.set_reuse_port(true)?;
        }
        if address.is_ipv6() {
            // Else it would take the port on IPv4 too, and our own second socket would fail.
            socket.set_only_v6(true)?;
        }
        // Accepted sockets inherit it on Linux: one call here instead of one a connection.
        socket.set_tcp_nodelay(true)?;
        if let Some(bytes) = options.notsent_lowat {
            set_notsent_lowat(&socket, bytes)?;
        }
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let socket: Socket = open().map_err(at(BindPhase::Open))?;
    socket.bind(&address.into()).map_err(at(BindPhase::Bind))?;
    socket
        .listen(options.backlog)
        .map_err(at(BindPhase::Listen))?;
    let socket = mio::net::TcpListener::from_std(socket.into());
    Ok(Listener::from_socket(ListeningSocket::Tcp(socket)))
}

/// What was being done when binding failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindPhase {
    /// The name of the host was being resolved.
    Resolve,
    /// A socket was being made.
    Open,
    /// The path was being freed of a socket that nobody listens on any more.
    ReplaceStale,
    /// The address was being taken.
    Bind,
    /// The mode of the socket's file was being set.
    SetMode,
    /// The socket was being made to listen.
    Listen,
    /// The socket was being put on the loop.
    Register,
}

/// Why an address cannot be listened on, and in which phase that came out.
///
/// ```
/// use squall_iostream::{BindError, ListenerOptions, bind_unix_socket};
/// let error = bind_unix_socket("/dev/null", &ListenerOptions::default()).unwrap_err();
/// assert!(matches!(error, BindError::NotASocket { .. }));
/// assert_eq!(error.to_string(), "/dev/null exists and is not a socket");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// The system has refused.
    System {
        /// The address or the host, as text.
        address: String,
        /// What was being done.
        phase: BindPhase,
        /// What the system says.
        source: io::Error,
    },
    /// There is something other than a socket at the path. It is left alone.
    NotASocket {
        /// The path.
        path: PathBuf,
    },
}

impl BindError {
    pub(crate) fn new(address: Address, phase: BindPhase, source: io::Error) -> Self {
        Self::System {
            address: address.to_string(),
            phase,
            source,
        }
    }

    fn resolve(host: &str, source: io::Error) -> Self {
        Self::System {
            address: host.to_owned(),
            phase: BindPhase::Resolve,
            source,
        }
    }

    pub(crate) fn on_loop(source: io::Error) -> Self {
        Self::System {
            address: "a listener".to_owned(),
            phase: BindPhase::Register,
            source,
        }
    }

    fn is_in_use(&self) -> bool {
        io_kind(self) == io::ErrorKind::AddrInUse
    }

    /// Where IPv6 is switched off in one way or the other: the family is unknown, or it is known
    /// and even `::1` is not there, as in many containers.
    fn is_of_missing_family(&self, address: SocketAddr) -> bool {
        let Self::System { source, .. } = self else {
            return false;
        };
        match source.raw_os_error() {
            Some(libc::EAFNOSUPPORT) => true,
            Some(libc::EADDRNOTAVAIL) => {
                let ip = address.ip();
                ip.is_ipv6() && (ip.is_loopback() || ip.is_unspecified())
            }
            _ => false,
        }
    }
}

fn io_kind(error: &BindError) -> io::ErrorKind {
    match error {
        BindError::System { source, .. } => source.kind(),
        BindError::NotASocket { .. } => io::ErrorKind::AlreadyExists,
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System {
                address,
                phase,
                source,
            } => write!(f, "cannot {phase} {address}: {source}"),
            Self::NotASocket { path } => {
                write!(f, "{} exists and is not a socket", path.display())
            }
        }
    }
}

impl fmt::Display for BindPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolve",
            Self::Open => "open a socket for",
            Self::ReplaceStale => "replace the stale socket at",
            Self::Bind => "bind to",
            Self::SetMode => "set the mode of",
            Self::Listen => "listen on",
            Self::Register => "put on the loop",
        })
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            Self::NotASocket { .. } => None,
        }
    }
}

impl From<BindError> for io::Error {
    fn from(error: BindError) -> Self {
        Self::new(io_kind(&error), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_sorted_by_family_and_each_comes_once() {
        let all = addresses_of(None, 80).unwrap();
        assert_eq!(
            all,
            ["0.0.0.0:80".parse().unwrap(), "[::]:80".parse().unwrap()]
        );
        let one = addresses_of(Some("::1"), 1).unwrap();
        assert_eq!(one, ["[::1]:1".parse().unwrap()]);
        let local = addresses_of(Some("localhost"), 1).unwrap();
        assert!(local.windows(2).all(|two| two[0] < two[1]), "{local:?}");
    }

    #[test]
    fn only_a_missing_family_is_left_out() {
        let check = |address: &str, number: i32, expected: bool| {
            let address: SocketAddr = address.parse().unwrap();
            let source = io::Error::from_raw_os_error(number);
            let error = BindError::new(address.into(), BindPhase::Bind, source);
            assert_eq!(error.is_of_missing_family(address), expected, "{error}");
        };
        check("[::]:0", libc::EAFNOSUPPORT, true);
        check("[::1]:0", libc::EADDRNOTAVAIL, true);
        check("[::]:0", libc::EADDRNOTAVAIL, true);
        check("[2001:db8::1]:0", libc::EADDRNOTAVAIL, false);
        check("192.0.2.1:0", libc::EADDRNOTAVAIL, false);
        check("[::1]:0", libc::EADDRINUSE, false);
    }
}
