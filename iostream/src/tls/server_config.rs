//! A server's settings, and what rustls makes of them.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};

use crate::tls::certificates::Certificates;
use crate::tls::provider;
use crate::tls::{Pem, TlsAcceptor, TlsConfigError, TlsVersion};

/// Settings of TLS for a server. [`Self::build`] makes a [`TlsAcceptor`] of them.
///
/// Tornado's `ssl_options` (`certfile`, `keyfile`, `ca_certs`, `cert_reqs`). Wrong ones are an
/// error when they are built, not when the first client comes.
///
/// ```
/// use squall_iostream::tls::{Pem, ServerConfig};
/// # let dir = std::env::temp_dir().join(format!("squall-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// # let one = rcgen::generate_simple_self_signed(["example.org".to_string()])?;
/// # std::fs::write(dir.join("cert.pem"), one.cert.pem())?;
/// # std::fs::write(dir.join("key.pem"), one.signing_key.serialize_pem())?;
/// # let at = |name: &str| dir.join(name);
/// let acceptor = ServerConfig::new()
///     .certificate(Pem::file(at("cert.pem")), Pem::file(at("key.pem")))
///     .alpn(["http/1.1"])
///     .build()?;
/// // Later, when the files have changed; every clone on every thread uses the new ones.
/// acceptor.reload()?;
/// # std::fs::remove_dir_all(dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until they are built"]
pub struct ServerConfig {
    certificates: Vec<(Pem, Pem)>,
    client_roots: Vec<Pem>,
    client_certificates: ClientCertificates,
    alpn: Vec<Vec<u8>>,
    version_min: TlsVersion,
    version_max: TlsVersion,
    has_tickets: bool,
    sessions_max: usize,
    pub(super) timeout_handshake: Duration,
    pub(super) handshakes_per_turn: usize,
}

#[derive(Clone, Copy, Debug)]
enum ClientCertificates {
    Ignored,
    Optional,
    Required,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            client_roots: Vec::new(),
            client_certificates: ClientCertificates::Ignored,
            alpn: Vec::new(),
            version_min: TlsVersion::V1_2,
            version_max: TlsVersion::V1_3,
            has_tickets: true,
            sessions_max: 1024,
            timeout_handshake: Duration::from_secs(10),
            handshakes_per_turn: 2,
        }
    }
}

impl ServerConfig {
    /// The defaults, which want a certificate still.
    pub fn new() -> Self {
        Self::default()
    }

    /// A certificate with its chain, the server's own first, and its private key. Which names it is
    /// for stands in it, with wildcards. Called several times, clients get the one for the name
    /// that they ask for (SNI), where an exact name goes before a wildcard, and among several for
    /// one name the first whose kind of key they can use. The first of all is for clients that ask
    /// for no name, or for one that no certificate has.
    pub fn certificate(mut self, chain: Pem, key: Pem) -> Self {
        self.certificates.push((chain, key));
        self
    }

    /// Asks clients for a certificate of one of these authorities, and refuses those without
    /// (mutual TLS; `cert_reqs=CERT_REQUIRED`). Called several times, all of them are taken.
    /// Default: clients are not asked.
    pub fn require_client_certificate(mut self, authorities: Pem) -> Self {
        self.client_roots.push(authorities);
        self.client_certificates = ClientCertificates::Required;
        self
    }

    /// As [`Self::require_client_certificate`], but clients may have none (`CERT_OPTIONAL`). A
    /// certificate that is shown and is not valid ends the handshake all the same.
    pub fn accept_client_certificate(mut self, authorities: Pem) -> Self {
        self.client_roots.push(authorities);
        self.client_certificates = ClientCertificates::Optional;
        self
    }

    /// The application protocols (ALPN), the best first. A client that offers others only is
    /// refused, one that offers none is not (RFC 7301, section 3.2). Default: none.
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

    /// Whether clients get tickets to resume their sessions with, which cost the server no memory
    /// (RFC 5077; RFC 8446, section 4.6.1). Their key is the acceptor's own: it is replaced every
    /// six hours, and by a reload. Default on.
    pub fn tickets(mut self, on: bool) -> Self {
        self.has_tickets = on;
        self
    }

    /// How many sessions are remembered for clients to resume, where tickets are off or a client
    /// of TLS 1.2 has none. The oldest go first; each costs some hundred bytes, and the client's
    /// certificates. 0 turns it off. Default 1024, for all threads together.
    pub fn session_cache(mut self, sessions: usize) -> Self {
        self.sessions_max = sessions;
        self
    }

    /// How long a handshake may take, from the first byte that is waited for to the last, with the
    /// wait for its turn under [`Self::handshakes_per_turn`]. Default 10 s: a handshake is two or
    /// three round trips, and a peer that says nothing holds a socket (in Tornado for ever).
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.timeout_handshake = timeout;
        self
    }

    /// How many handshakes a loop begins in one turn, of all its acceptors together. The first step
    /// of one takes some tenths of a millisecond; the others wait, first come, first served. Of the
    /// steps that follow, which are cheaper, a turn has four times as many. They are
    /// [bulk work](squall_ioloop::Handle::add_bulk_callback): a turn in which established peers are
    /// ready has none of them, but for each ninth, so that a flood of handshakes starves nobody and
    /// is not starved. At least 1. Default 2: more make turns longer, and nothing faster.
    pub fn handshakes_per_turn(mut self, handshakes: usize) -> Self {
        self.handshakes_per_turn = handshakes.max(1);
        self
    }

    /// Reads the files and makes an acceptor. Blocking, as files are.
    ///
    /// # Errors
    /// [`TlsConfigError`]: a file that cannot be read, a key of another certificate, nothing to
    /// show, no version left.
    pub fn build(self) -> Result<TlsAcceptor, TlsConfigError> {
        TlsAcceptor::from_config(self)
    }

    pub(super) fn to_rustls(&self) -> Result<rustls::ServerConfig, TlsConfigError> {
        let library = |error: rustls::Error| TlsConfigError::Library(error.to_string());
        let versions = provider::versions(self.version_min, self.version_max)?;
        let builder = rustls::ServerConfig::builder_with_provider(provider::provider())
            .with_protocol_versions(&versions)
            .map_err(library)?;
        let builder = match self.client_certificates {
            ClientCertificates::Ignored => builder.with_no_client_auth(),
            ClientCertificates::Optional => {
                builder.with_client_cert_verifier(self.client_verifier(true)?)
            }
            ClientCertificates::Required => {
                builder.with_client_cert_verifier(self.client_verifier(false)?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(self.certificates()?));
        config.alpn_protocols.clone_from(&self.alpn);
        if self.has_tickets {
            config.ticketer = provider::ticketer()?;
        }
        config.session_storage = match self.sessions_max {
            0 => provider::no_sessions(),
            sessions => ServerSessionMemoryCache::new(sessions),
        };
        if !self.has_tickets && self.sessions_max == 0 {
            // Each would be a promise that nobody keeps.
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }

    fn certificates(&self) -> Result<Certificates, TlsConfigError> {
        let mut certificates = Certificates::default();
        for (chain, key) in &self.certificates {
            certificates.add(Pem::certified_key(chain, key, &provider::provider())?)?;
        }
        if certificates.is_empty() {
            return Err(TlsConfigError::NothingToShow);
        }
        Ok(certificates)
    }

    fn client_verifier(
        &self,
        is_optional: bool,
    ) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsConfigError> {
        let mut roots = RootCertStore::empty();
        for authorities in &self.client_roots {
            authorities.add_to(&mut roots)?;
        }
        let builder =
            WebPkiClientVerifier::builder_with_provider(roots.into(), provider::provider());
        let builder = if is_optional {
            builder.allow_unauthenticated()
        } else {
            builder
        };
        builder
            .build()
            .map_err(|error| TlsConfigError::Library(error.to_string()))
    }
}
