//! Which library does the cryptography, and what depends on that.

use std::sync::{Arc, OnceLock};

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ProducesTickets};

#[cfg(feature = "tls")]
use rustls::crypto::aws_lc_rs as library;
#[cfg(not(feature = "tls"))]
use rustls::crypto::ring as library;

use crate::tls::{TlsConfigError, TlsVersion};

/// One for all: it is a table. It is not the one that a process may install for rustls, so that
/// nobody else's choice changes ours.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER
        .get_or_init(|| Arc::new(library::default_provider()))
        .clone()
}

/// Keys for tickets that change every six hours, and are forgotten after twelve.
pub(super) fn ticketer() -> Result<Arc<dyn ProducesTickets>, TlsConfigError> {
    library::Ticketer::new().map_err(|error| TlsConfigError::Library(error.to_string()))
}

/// For a server that remembers no sessions.
pub(super) fn no_sessions() -> Arc<NoServerSessionStorage> {
    Arc::new(NoServerSessionStorage {})
}

/// The versions from `min` to `max`.
pub(super) fn versions(
    min: TlsVersion,
    max: TlsVersion,
) -> Result<Vec<&'static SupportedProtocolVersion>, TlsConfigError> {
    let versions: Vec<_> = [
        (TlsVersion::V1_3, &rustls::version::TLS13),
        (TlsVersion::V1_2, &rustls::version::TLS12),
    ]
    .into_iter()
    .filter(|(version, _)| (min..=max).contains(version))
    .map(|(_, version)| version)
    .collect();
    if versions.is_empty() {
        return Err(TlsConfigError::NoVersion { min, max });
    }
    Ok(versions)
}
