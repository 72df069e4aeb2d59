//! A client's settings, and what rustls makes of them.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::{Resumption, WebPkiServerVerifier};

use crate::tls::any_certificate::AnyCertificate;
use crate::tls::provider;
use crate::tls::{Pem, TlsConfigError, TlsConnector, TlsVersion};

/// Settings of TLS for a client. [`Self::build`] makes a [`TlsConnector`] of them.
///
/// The server's certificate is verified, with its name, by the system's authorities unless others
/// are given.
///
/// ```
/// use squall_iostream::tls::{ClientConfig, TlsVersion};
/// let connector = ClientConfig::new()
///     .alpn(["http/1.1"])
///     .min_version(TlsVersion::V1_3)
/// #   .danger_accept_any_certificate() // a machine that builds may have no authorities
///     .build()?;
/// # Ok::<(), squall_iostream::tls::TlsConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until they are built"]
pub struct ClientConfig {
    roots: Vec<Pem>,
    has_system_roots: bool,
    accepts_any_certificate: bool,
    certificate: Option<(Pem, Pem)>,
    alpn: Vec<Vec<u8>>,
    version_min: TlsVersion,
    version_max: TlsVersion,
    has_sni: bool,
    sessions_max: usize,
    pub(super) timeout_handshake: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            has_system_roots: true,
            accepts_any_certificate: false,
            certificate: None,
            alpn: Vec::new(),
            version_min: TlsVersion::V1_2,
            version_max: TlsVersion::V1_3,
            has_sni: true,
            sessions_max: 256,
            timeout_handshake: Duration::from_secs(10),
        }
    }
}

impl ClientConfig {
    /// The defaults: the system's authorities, TLS 1.2 and 1.3.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these authorities and no longer those of the system (`ca_certs`). Called several
    /// times, all of them are trusted.
    pub fn root_certificates(mut self, authorities: Pem) -> Self {
        self.roots.push(authorities);
        self.has_system_roots = false;
        self
    }

    /// Trusts these authorities as well as those that are trusted already.
    pub fn add_root_certificates(mut self, authorities: Pem) -> Self {
        self.roots.push(authorities);
        self
    }

    /// Verifies **nothing**: not who has signed the server's certificate, not its name, not its
    /// time. Whoever is between the two ends can read and change everything. For tests, and for
    /// those who compare [`TlsInfo::peer_certificates`](crate::tls::TlsInfo::peer_certificates)
    /// with what they know before they say a word. A line in the log says that it is on.
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.accepts_any_certificate = true;
        self
    }

    /// What to show to servers that ask who we are (mutual TLS): a chain, our own certificate
    /// first, and its private key. Default: nothing.
    pub fn certificate(mut self, chain: Pem, key: Pem) -> Self {
        self.certificate = Some((chain, key));
        self
    }

    /// The application protocols to offer (ALPN), the best first. Default: none. Whether one was
    /// agreed upon stands in [`TlsInfo::alpn`](crate::tls::TlsInfo::alpn): an old server may have
    /// ignored them.
    pub fn alpn(mut self, protocols: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        self.alpn = protocols
            .into_iter()
            .map(|protocol| protocol.as_ref().to_vec())
            .collect();
        self
    }

    /// The least version. Default TLS 1.2; there is none before it (RFC 8996).
    pub fn min_version(mut self, version: TlsVersion) -> Self {
        self.version_min = version;
        self
    }

    /// The greatest version. Default TLS 1.3.
    pub fn max_version(mut self, version: TlsVersion) -> Self {
        self.version_max = version;
        self
    }

    /// Whether the server is told which host is asked for (SNI, RFC 6066). Default on; the name
    /// goes unencrypted. Addresses are never told.
    pub fn sni(mut self, on: bool) -> Self {
        self.has_sni = on;
        self
    }

    /// How many servers' sessions are remembered, to resume them without a full handshake. 0 turns
    /// it off. Default 256, shared by the connector's clones.
    pub fn session_cache(mut self, servers: usize) -> Self {
        self.sessions_max = servers;
        self
    }

    /// How long a handshake may take. Default 10 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.timeout_handshake = timeout;
        self
    }

    /// Reads the files, and the system's store unless other authorities were given, and makes a
    /// connector. Blocking, as files are: build it once, and clone it.
    ///
    /// # Errors
    /// [`TlsConfigError`]: a file that cannot be read, a key of another certificate, no authority
    /// at all, no version left.
    pub fn build(self) -> Result<TlsConnector, TlsConfigError> {
        TlsConnector::from_config(&self)
    }

    pub(super) fn to_rustls(&self) -> Result<rustls::ClientConfig, TlsConfigError> {
        let library = |error: rustls::Error| TlsConfigError::Library(error.to_string());
        let provider = provider::provider();
        let versions = provider::versions(self.version_min, self.version_max)?;
        let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)
            .map_err(library)?
            .dangerous();
        let builder = if self.accepts_any_certificate {
            tracing::warn!(
                target: "squall::iostream",
                "a TLS client that accepts any certificate was made"
            );
            builder.with_custom_certificate_verifier(Arc::new(AnyCertificate::new(&provider)))
        } else {
            let roots = Arc::new(self.roots()?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                .build()
                .map_err(|error| TlsConfigError::Library(error.to_string()))?;
            builder.with_custom_certificate_verifier(verifier)
        };
        let mut config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let key = Pem::certified_key(chain, key, &provider)?;
                let resolver = rustls::sign::SingleCertAndKey::from(key);
                builder.with_client_cert_resolver(Arc::new(resolver))
            }
        };
        config.alpn_protocols.clone_from(&self.alpn);
        config.enable_sni = self.has_sni;
        config.resumption = match self.sessions_max {
            0 => Resumption::disabled(),
            servers => Resumption::in_memory_sessions(servers),
        };
        Ok(config)
    }

    fn roots(&self) -> Result<RootCertStore, TlsConfigError> {
        let mut roots = RootCertStore::empty();
        let mut reason = "none was given".to_owned();
        if self.has_system_roots {
            let found = rustls_native_certs::load_native_certs();
            // A store may have certificates that are none; the others are as good as before.
            roots.add_parsable_certificates(found.certs);
            reason = match found.errors.first() {
                Some(error) => format!("the system's store: {error}"),
                None => "the system's store is empty".to_owned(),
            };
        }
        for authorities in &self.roots {
            authorities.add_to(&mut roots)?;
        }
        if roots.is_empty() {
            return Err(TlsConfigError::NoRoots { reason });
        }
        Ok(roots)
    }
}
