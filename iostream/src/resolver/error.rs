//! Why a name has no addresses.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Why a name was not resolved, and which.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ResolveError {
    /// It is no name; nobody was asked.
    InvalidName {
        /// What was to be resolved; its beginning, if it is long.
        host: String,
        /// What is wrong with it.
        reason: InvalidName,
    },
    /// Who was asked does not know it, or could not find out. The system does not say which of
    /// both.
    Unresolvable {
        /// What was to be resolved.
        host: String,
        /// What the system says, if it was asked. Shared, for many may have waited for it.
        cause: Option<Arc<io::Error>>,
    },
    /// It is known, but has no address, or none of the family that was asked for.
    NoAddresses {
        /// What was to be resolved.
        host: String,
    },
    /// Nobody could be asked: there was no thread to do so, or too much waits for one
    /// ([`squall_ioloop::JobError`]).
    NotAsked {
        /// What was to be resolved.
        host: String,
        /// Why not.
        cause: Arc<io::Error>,
    },
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidName {
    /// It is empty. (Some systems take that for this machine, others for all of its addresses.)
    Empty,
    /// It has a NUL, which would end it early for the system.
    Nul,
    /// It has more than 253 bytes (RFC 1035, section 2.3.4), not counting a dot at the end.
    TooLong,
    /// It has an empty label, or one of more than 63 bytes (RFC 1035, section 2.3.4).
    Label,
    /// It is a number where an address is written otherwise: `1`, `127.1`, `0x7f000001`. The system
    /// would take it for an address, and so get around whoever has looked for addresses before
    /// (RFC 6943, section 3.1.1).
    Number,
}

/// Of a name that is too long, an error shows as much as of one that is not.
const SHOWN_BYTES_MAX: usize = 253;

impl ResolveError {
    pub(super) fn invalid(host: &str, reason: InvalidName) -> Self {
        let mut end = host.len().min(SHOWN_BYTES_MAX);
        while !host.is_char_boundary(end) {
            end -= 1;
        }
        let host = host[..end].to_owned();
        Self::InvalidName { host, reason }
    }

    pub(crate) fn no_addresses(host: &str) -> Self {
        let host = host.to_owned();
        Self::NoAddresses { host }
    }

    /// What was to be resolved.
    pub fn host(&self) -> &str {
        match self {
            Self::InvalidName { host, .. }
            | Self::Unresolvable { host, .. }
            | Self::NoAddresses { host }
            | Self::NotAsked { host, .. } => host,
        }
    }

    pub(crate) fn kind(&self) -> io::ErrorKind {
        match self {
            Self::InvalidName { .. } => io::ErrorKind::InvalidInput,
            Self::Unresolvable { .. } | Self::NoAddresses { .. } => io::ErrorKind::NotFound,
            Self::NotAsked { cause, .. } => cause.kind(),
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may come from anywhere: nothing of it reaches a terminal unescaped.
        let host = self.host().escape_debug();
        match self {
            Self::InvalidName { reason, .. } => write!(f, "\"{host}\" is no host name: {reason}"),
            Self::Unresolvable { cause: None, .. } => write!(f, "\"{host}\" is not known"),
            Self::Unresolvable {
                cause: Some(cause), ..
            } => {
                write!(f, "\"{host}\" cannot be resolved: {cause}")
            }
            Self::NoAddresses { .. } => write!(f, "\"{host}\" has no usable address"),
            Self::NotAsked { cause, .. } => write!(f, "\"{host}\" was not looked up: {cause}"),
        }
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::Nul => "it has a NUL",
            Self::TooLong => "it has more than 253 bytes",
            Self::Label => "a part of it is empty or has more than 63 bytes",
            Self::Number => "it is a number and not an address as such are written",
        })
    }
}

impl std::error::Error for ResolveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unresolvable {
                cause: Some(cause), ..
            }
            | Self::NotAsked { cause, .. } => Some(&**cause),
            _ => None,
        }
    }
}

impl std::error::Error for InvalidName {}

impl From<ResolveError> for io::Error {
    fn from(error: ResolveError) -> Self {
        Self::new(error.kind(), error)
    }
}
