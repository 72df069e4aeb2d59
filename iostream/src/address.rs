//! Where an end of a stream is: on the Internet, or a Unix socket.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use socket2::SockAddr;

/// The address of one end of a stream or of a listener.
///
/// ```
/// use squall_iostream::Address;
/// let address = Address::Inet("[::1]:8888".parse()?);
/// assert_eq!(address.to_string(), "[::1]:8888");
/// assert_eq!(address.ip(), Some("::1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// Of the Internet: TCP or UDP.
    Inet(SocketAddr),
    /// Of a Unix socket.
    Unix(UnixAddress),
}

/// The name of a Unix socket. A client's has none, mostly.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UnixAddress {
    /// A file.
    Path(PathBuf),
    /// A name outside of the file system (Linux), without the NUL that it begins with.
    Abstract(Vec<u8>),
    /// None.
    Unnamed,
}

impl Address {
    /// The address of the Internet, if it is one.
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The address without its port, if it is one of the Internet.
    pub fn ip(&self) -> Option<IpAddr> {
        self.inet().map(|address| address.ip())
    }

    /// The file of a Unix socket, if it has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(UnixAddress::Path(path)) => Some(path),
            _ => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

/// Of another family, such as VSOCK, it is one without a name.
impl From<SockAddr> for Address {
    fn from(address: SockAddr) -> Self {
        if let Some(address) = address.as_socket() {
            return Self::Inet(address);
        }
        if let Some(path) = address.as_pathname() {
            return Self::Unix(UnixAddress::Path(path.to_owned()));
        }
        #[cfg(target_os = "linux")]
        if let Some(name) = address.as_abstract_namespace() {
            return Self::Unix(UnixAddress::Abstract(name.to_owned()));
        }
        Self::Unix(UnixAddress::Unnamed)
    }
}

impl From<std::os::unix::net::SocketAddr> for Address {
    fn from(address: std::os::unix::net::SocketAddr) -> Self {
        if let Some(path) = address.as_pathname() {
            return Self::Unix(UnixAddress::Path(path.to_owned()));
        }
        #[cfg(target_os = "linux")]
        {
            use std::os::linux::net::SocketAddrExt;
            if let Some(name) = address.as_abstract_name() {
                return Self::Unix(UnixAddress::Abstract(name.to_owned()));
            }
        }
        Self::Unix(UnixAddress::Unnamed)
    }
}

/// `127.0.0.1:80`, `unix:/run/app.socket`, `unix:@name` or `unix:`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(UnixAddress::Path(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(UnixAddress::Abstract(name)) => write!(f, "unix:@{}", name.escape_ascii()),
            Self::Unix(UnixAddress::Unnamed) => f.write_str("unix:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_its_spelling() {
        let check = |address: Address, expected: &str| assert_eq!(address.to_string(), expected);
        check(Address::Inet(([127, 0, 0, 1], 80).into()), "127.0.0.1:80");
        check(
            Address::Unix(UnixAddress::Path("/run/app.socket".into())),
            "unix:/run/app.socket",
        );
        check(
            Address::Unix(UnixAddress::Abstract(b"na\nme".to_vec())),
            "unix:@na\\nme",
        );
        check(Address::Unix(UnixAddress::Unnamed), "unix:");
    }

    #[test]
    fn the_system_s_form_becomes_ours() {
        let inet: SocketAddr = ([127, 0, 0, 1], 80).into();
        assert_eq!(Address::from(SockAddr::from(inet)).inet(), Some(inet));
        let unix = SockAddr::unix("/run/app.socket").unwrap();
        assert_eq!(
            Address::from(unix).path(),
            Some(Path::new("/run/app.socket"))
        );
        if cfg!(target_os = "linux") {
            let name = SockAddr::unix("\0name").unwrap();
            let expected = Address::Unix(UnixAddress::Abstract(b"name".to_vec()));
            assert_eq!(Address::from(name), expected);
        }
        let nobody = SockAddr::unix("").unwrap();
        assert_eq!(Address::from(nobody), Address::Unix(UnixAddress::Unnamed));
    }
}
