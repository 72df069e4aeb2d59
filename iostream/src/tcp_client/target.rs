//! What a client connects to.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::{Address, UnixAddress};

/// What [`TcpClient::connect`](crate::TcpClient::connect) connects to: a host and a port, or an
/// address of any kind.
///
/// ```
/// use squall_iostream::{Address, Target};
///
/// let by_name = Target::from(("example.org", 80));
/// assert_eq!(by_name, "example.org:80".parse()?);
/// let by_address = Target::from(std::net::SocketAddr::from(([127, 0, 0, 1], 80)));
/// assert_eq!(by_address, "127.0.0.1:80".parse()?);
/// let unix = Target::from(std::path::Path::new("/run/app.socket"));
/// assert_eq!(unix, "unix:/run/app.socket".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// A host, to be resolved: a name, or an address as text.
    Host {
        /// Without a port; an IPv6 address may have brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// An address; nobody is asked.
    Address(Address),
}

impl From<(&str, u16)> for Target {
    fn from((host, port): (&str, u16)) -> Self {
        Self::from((host.to_owned(), port))
    }
}

impl From<(String, u16)> for Target {
    fn from((host, port): (String, u16)) -> Self {
        Self::Host { host, port }
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address.into())
    }
}

impl From<(IpAddr, u16)> for Target {
    fn from(address: (IpAddr, u16)) -> Self {
        SocketAddr::from(address).into()
    }
}

impl From<Address> for Target {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl From<UnixAddress> for Target {
    fn from(address: UnixAddress) -> Self {
        Self::Address(Address::Unix(address))
    }
}

/// A Unix socket.
impl From<&Path> for Target {
    fn from(path: &Path) -> Self {
        path.to_owned().into()
    }
}

/// A Unix socket.
impl From<PathBuf> for Target {
    fn from(path: PathBuf) -> Self {
        UnixAddress::Path(path).into()
    }
}

/// As [`Target`]'s `FromStr` takes it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Host { host, port } if host.parse::<Ipv6Addr>().is_ok() => {
                write!(f, "[{host}]:{port}")
            }
            // It may come from anywhere: nothing of it reaches a terminal unescaped.
            Self::Host { host, port } => write!(f, "{}:{port}", host.escape_debug()),
        }
    }
}

/// `host:port`, `127.0.0.1:port`, `[::1]:port`, `unix:/path` or `unix:@name` (an abstract one).
impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        if let Some(name) = text.strip_prefix("unix:") {
            return match name.strip_prefix('@') {
                _ if name.is_empty() || name == "@" => Err(InvalidTarget::NoName),
                Some(name) => Ok(UnixAddress::Abstract(name.into()).into()),
                None => Ok(Path::new(name).into()),
            };
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let (host, port) = text.rsplit_once(':').ok_or(InvalidTarget::NoPort)?;
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_number);
        let port = port.ok_or(InvalidTarget::InvalidPort)?;
        if host.is_empty() {
            return Err(InvalidTarget::NoName);
        }
        // Which colon is before the port, `::1:80` does not say.
        if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
            return Err(InvalidTarget::NoBrackets);
        }
        Ok((host, port).into())
    }
}

/// Why a text is no [`Target`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidTarget {
    /// There is no host, or no name of a Unix socket.
    NoName,
    /// There is no port behind the host.
    NoPort,
    /// What is behind the last colon is no number from 0 to 65535.
    InvalidPort,
    /// An IPv6 address needs brackets before a port (RFC 3986, section 3.2.2).
    NoBrackets,
}

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoName => "there is no host to connect to",
            Self::NoPort => "there is no port behind the host",
            Self::InvalidPort => "the port is no number from 0 to 65535",
            Self::NoBrackets => "an IPv6 address needs brackets before a port",
        })
    }
}

impl std::error::Error for InvalidTarget {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::XorShift;

    fn check(text: &str, expected: Result<Target, InvalidTarget>) {
        let parsed: Result<Target, _> = text.parse();
        assert_eq!(parsed, expected, "{text:?}");
        if let Ok(target) = parsed {
            assert_eq!(target.to_string(), text, "shown as it is parsed");
        }
    }

    #[test]
    fn a_target_is_written_as_it_is_shown() {
        check("example.org:80", Ok(("example.org", 80).into()));
        check(
            "127.0.0.1:1",
            Ok(SocketAddr::from(([127, 0, 0, 1], 1)).into()),
        );
        check(
            "[::1]:65535",
            Ok((IpAddr::from(Ipv6Addr::LOCALHOST), 65535).into()),
        );
        check("[fe80::1%lo]:80", Ok(("[fe80::1%lo]", 80).into()));
        check(
            "unix:/run/app.socket",
            Ok(Path::new("/run/app.socket").into()),
        );
        check(
            "unix:@app",
            Ok(UnixAddress::Abstract(b"app".to_vec()).into()),
        );
    }

    #[test]
    fn what_is_no_target_says_why() {
        check("", Err(InvalidTarget::NoPort));
        check("example.org", Err(InvalidTarget::NoPort));
        check(":80", Err(InvalidTarget::NoName));
        check("example.org:", Err(InvalidTarget::InvalidPort));
        check("example.org:http", Err(InvalidTarget::InvalidPort));
        check("example.org:65536", Err(InvalidTarget::InvalidPort));
        check("example.org:+80", Err(InvalidTarget::InvalidPort));
        check("::1:80", Err(InvalidTarget::NoBrackets));
        check("[::1]80", Err(InvalidTarget::InvalidPort));
        check("unix:", Err(InvalidTarget::NoName));
        check("unix:@", Err(InvalidTarget::NoName));
    }

    #[test]
    fn whatever_is_parsed_is_shown_as_what_parses_to_the_same() {
        let pieces = [
            "a", "1", ":", "[", "]", "::1", ".", "80", "unix:", "/", "@", "%", "\0", "ü",
        ];
        let mut random = XorShift(1);
        let mut targets = 0;
        for _ in 0..20_000 {
            let count = random.below(7);
            let text: String = (0..count)
                .map(|_| pieces[random.below(pieces.len())])
                .collect();
            // Escapes, which keep a terminal whole, do not parse to what they stand for.
            if let Ok(target) = text.parse::<Target>() {
                let shown = target.to_string();
                let is_escaped = shown.contains('\\') || text.contains('\0');
                assert!(is_escaped || shown.parse() == Ok(target), "{text:?}");
                targets += 1;
            }
        }
        assert!(targets > 100, "{targets}");
    }

    #[test]
    fn a_host_that_is_an_ipv6_address_is_shown_with_brackets() {
        assert_eq!(Target::from(("::1", 80)).to_string(), "[::1]:80");
        assert_eq!(Target::from(("a\nb", 80)).to_string(), "a\\nb:80");
    }
}
