//! What one listener has of its own.

use squall_iostream::{AdmissionLimits, ListenerOptions, ProxyProtocol};

use super::Config;
use crate::{Forwarded, Scheme};

/// Settings of one listener of an [`HttpServer`](crate::HttpServer). What is not set is as the
/// server's [`Config`] has it.
///
/// ```
/// use squall_httpserver::{Config, Exchange, Forwarded, HttpServer, ListenerConfig};
/// use squall_ioloop::IoLoop;
/// use squall_iostream::TrustedPeers;
///
/// let ioloop = IoLoop::new()?;
/// let server = HttpServer::new(&ioloop, |http: Exchange| async move { http.finish() });
/// // For everybody, and for the proxy on this machine, which says for whom it asks.
/// server.listen("127.0.0.1:0")?;
/// let behind_proxy = ListenerConfig::default()
///     .with_forwarded(Forwarded::x_forwarded(TrustedPeers::default().local(true)));
/// let path = std::env::temp_dir().join(format!("squall-proxy-{}", std::process::id()));
/// server.listen_unix_with(&path, &behind_proxy)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ListenerConfig {
    pub(crate) name: Option<String>,
    pub(crate) options: Option<ListenerOptions>,
    pub(crate) admission: Option<AdmissionLimits>,
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    pub(crate) forwarded: Option<Forwarded>,
    pub(crate) scheme: Option<Scheme>,
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    pub(crate) tls: Option<squall_iostream::tls::TlsAcceptor>,
}

impl ListenerConfig {
    /// What the listener is called when it is handed to a successor, so that this one knows which
    /// settings it had. Default `http`, or `https` with TLS.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How its socket is bound, if the server binds it.
    pub fn with_options(mut self, options: ListenerOptions) -> Self {
        self.options = Some(options);
        self
    }

    /// Who is let in here. Such a listener counts for itself: its connections are not among those
    /// of the server's own limits.
    pub fn with_admission(mut self, limits: AdmissionLimits) -> Self {
        self.admission = Some(limits);
        self
    }

    /// Who may send a header of the PROXY protocol here. It comes before TLS. A listener with this
    /// counts its connections for itself, as with [`Self::with_admission`].
    pub fn with_proxy_protocol(mut self, policy: ProxyProtocol) -> Self {
        self.proxy_protocol = Some(policy);
        self
    }

    /// Whose word is taken here for who the client is.
    pub fn with_forwarded(mut self, forwarded: Forwarded) -> Self {
        self.forwarded = Some(forwarded);
        self
    }

    /// What [`Exchange::scheme`](crate::Exchange::scheme) says of requests that come in here and
    /// of which nobody who is trusted says otherwise: `https` behind something that ends TLS and
    /// tells nothing of it (Tornado's `protocol`). Default: what the connection is.
    pub fn with_scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = Some(scheme);
        self
    }

    /// Speaks TLS here. Have the acceptor offer `http/1.1` and nothing else by ALPN, as
    /// [`tls_config`](crate::tls_config) does: a connection that has agreed upon another protocol
    /// is closed. Keep a clone of the acceptor to reload its certificates.
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    pub fn with_tls(mut self, acceptor: squall_iostream::tls::TlsAcceptor) -> Self {
        self.tls = Some(acceptor);
        self
    }

    pub(crate) fn is_tls(&self) -> bool {
        #[cfg(any(feature = "tls", feature = "tls-ring"))]
        return self.tls.is_some();
        #[cfg(not(any(feature = "tls", feature = "tls-ring")))]
        false
    }

    pub(crate) fn name(&self) -> &str {
        match &self.name {
            Some(name) => name,
            None if self.is_tls() => "https",
            None => "http",
        }
    }

    pub(crate) fn options<'a>(&'a self, server: &'a Config) -> &'a ListenerOptions {
        self.options.as_ref().unwrap_or(&server.listener_options)
    }

    /// Limits that are not shared with other listeners, if it has such.
    pub(crate) fn own_admission<'a>(&'a self, server: &'a Config) -> Option<&'a AdmissionLimits> {
        let is_counted_apart = self.admission.is_some() || self.proxy_protocol.is_some();
        is_counted_apart.then(|| self.admission.as_ref().unwrap_or(&server.admission))
    }
}
