//! The two protocol versions this codec speaks.
//!
//! How a version is read from a start-line is in `start_line.rs`.

use std::fmt;

/// HTTP/1.0 or HTTP/1.1.
///
/// A higher minor version is taken as 1.1, the highest this codec conforms to (RFC 9110 §2.5).
///
/// ```
/// use squall_http1::Version;
///
/// assert!(Version::Http10 < Version::Http11);
/// assert_eq!(Version::Http11.to_string(), "HTTP/1.1");
/// assert_eq!(http::Version::from(Version::Http11), http::Version::HTTP_11);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// One request a connection, unless both ends ask for more; no chunks.
    Http10,
    /// Persistent connections and chunks.
    #[default]
    Http11,
}

impl Version {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Version> for http::Version {
    fn from(version: Version) -> Self {
        match version {
            Version::Http10 => Self::HTTP_10,
            Version::Http11 => Self::HTTP_11,
        }
    }
}
