//! What can be wrong with certificates, keys and settings before any peer comes.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::tls::TlsVersion;

/// Why [`ServerConfig::build`](crate::tls::ServerConfig::build),
/// [`ClientConfig::build`](crate::tls::ClientConfig::build) or a reload failed.
///
/// ```
/// use squall_iostream::tls::{Pem, ServerConfig, TlsConfigError};
///
/// let config = ServerConfig::new()
///     .certificate(Pem::file("/nowhere/certificate.pem"), Pem::file("/nowhere/key.pem"));
/// let error = config.build().unwrap_err();
/// assert!(error.to_string().contains("/nowhere/certificate.pem"));
/// assert!(matches!(error, TlsConfigError::Unreadable { .. }));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file is not there, or may not be read, or is far too large to be what it should be.
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A source of certificates has none.
    NoCertificate {
        /// The file, or "the given bytes".
        origin: String,
    },
    /// A source of a private key has none (of PKCS #8, PKCS #1 or SEC 1).
    NoKey {
        /// The file, or "the given bytes".
        origin: String,
    },
    /// It is not PEM, or what is inside is not what it says.
    Malformed {
        /// The file, or "the given bytes".
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// The private key is of another certificate.
    KeyMismatch {
        /// The file of the certificate, or "the given bytes".
        certificate: String,
        /// The file of the key, or "the given bytes".
        key: String,
    },
    /// A server without a certificate.
    NothingToShow,
    /// No certificate of an authority to verify the peer's with: the system has none, or none that
    /// can be read.
    NoRoots {
        /// What the system's store says, if that was asked.
        reason: String,
    },
    /// No version lies between these two.
    NoVersion {
        /// The least that was asked for.
        min: TlsVersion,
        /// The greatest that was asked for.
        max: TlsVersion,
    },
    /// The library of cryptography refuses; the text says what.
    Library(String),
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => {
                write!(f, "cannot read {}: {error}", path.display())
            }
            Self::NoCertificate { origin } => write!(f, "there is no certificate in {origin}"),
            Self::NoKey { origin } => write!(f, "there is no private key in {origin}"),
            Self::Malformed { origin, reason } => write!(f, "cannot use {origin}: {reason}"),
            Self::KeyMismatch { certificate, key } => write!(
                f,
                "the private key in {key} does not belong to the certificate in {certificate}"
            ),
            Self::NothingToShow => f.write_str("a TLS server needs a certificate"),
            Self::NoRoots { reason } => {
                write!(f, "there is no authority to verify a peer with: {reason}")
            }
            Self::NoVersion { min, max } => {
                write!(f, "no version of TLS is at least {min} and at most {max}")
            }
            Self::Library(reason) => write!(f, "the TLS library refuses: {reason}"),
        }
    }
}

impl StdError for TlsConfigError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Unreadable { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<TlsConfigError> for io::Error {
    fn from(error: TlsConfigError) -> Self {
        let kind = match &error {
            TlsConfigError::Unreadable { error, .. } => error.kind(),
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
