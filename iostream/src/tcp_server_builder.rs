//! The settings of a `TcpServer`.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use squall_ioloop::Handle;

use crate::tcp_server::{Shared, State};
use crate::{
    Admission, AdmissionLimits, HandleStream, IoStream, ListenerOptions, ProxyProtocol, TcpServer,
};

pub(crate) type Prepare = Box<dyn Fn(IoStream) -> PrepareFuture>;
pub(crate) type Configure = Box<dyn Fn(&IoStream)>;
type PrepareFuture = Pin<Box<dyn Future<Output = Result<IoStream, Box<dyn Error>>>>>;

/// Settings of a [`TcpServer`].
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{AdmissionLimits, IoStream, ProxyProtocol, TcpServer, TrustedPeers};
///
/// let ioloop = IoLoop::new()?;
/// let proxies = TrustedPeers::from_networks(["10.0.0.0/8"])?;
/// let server = TcpServer::builder()
///     .admission(AdmissionLimits::default().connections_max(10_000))
///     .proxy_protocol(ProxyProtocol::trusting(proxies))
///     .build(&ioloop, |stream: IoStream, peer| async move {
///         stream.write(format!("you are {peer}\n").as_bytes())?;
///         stream.drained(0).await
///     });
/// server.listen(0, None)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TcpServerBuilder {
    options: ListenerOptions,
    limits: AdmissionLimits,
    proxy_protocol: Option<ProxyProtocol>,
    prepare: Option<Prepare>,
    prepare_timeout: Duration,
    configure: Option<Configure>,
}

impl Default for TcpServerBuilder {
    fn default() -> Self {
        Self {
            options: ListenerOptions::default(),
            limits: AdmissionLimits::default(),
            proxy_protocol: None,
            prepare: None,
            prepare_timeout: Duration::from_secs(10),
            configure: None,
        }
    }
}

impl TcpServerBuilder {
    /// How sockets are bound that the server binds itself.
    #[must_use]
    pub fn listener_options(mut self, options: ListenerOptions) -> Self {
        self.options = options;
        self
    }

    /// Who is let in, over all listeners of the server. Default: as [`AdmissionLimits`] has it.
    #[must_use]
    pub fn admission(mut self, limits: AdmissionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Reads a header of the PROXY protocol from those who may send one. The handler is given the
    /// address that it tells, and so is the maximum of connections per peer. A handler that wants
    /// more of the header calls [`ProxyProtocol::accept`] itself instead. Default: no header is
    /// looked for.
    #[must_use]
    pub fn proxy_protocol(mut self, policy: ProxyProtocol) -> Self {
        self.proxy_protocol = Some(policy);
        self
    }

    /// Makes another stream of each before the handler has it: a TLS handshake. It has
    /// [`Self::prepare_timeout`] for that; an error closes the stream. Default: nothing.
    ///
    /// ```
    /// # use squall_ioloop::IoLoop;
    /// # use squall_iostream::{IoStream, TcpServer};
    /// # let ioloop = IoLoop::new()?;
    /// let server = TcpServer::builder()
    ///     .prepare(|mut stream| async move {
    ///         let hello = stream.read_until(b"\n", 64).await?;
    ///         if hello == b"hello\n" { Ok(stream) } else { Err("not a hello".into()) }
    ///     })
    ///     .build(&ioloop, |stream: IoStream, _peer| async move { stream.write(b"welcome") });
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn prepare<R>(mut self, prepare: impl Fn(IoStream) -> R + 'static) -> Self
    where
        R: Future<Output = Result<IoStream, Box<dyn Error>>> + 'static,
    {
        self.prepare = Some(Box::new(move |stream| Box::pin(prepare(stream))));
        self
    }

    /// Speaks TLS: the handshake is the preparation of each stream, in place of another. It has the
    /// shorter of [`Self::prepare_timeout`] and the time that the acceptor's settings give it.
    /// Keep a clone of the acceptor to reload its certificates.
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    #[must_use]
    pub fn tls(self, acceptor: crate::tls::TlsAcceptor) -> Self {
        self.prepare(move |stream| {
            let acceptor = acceptor.clone();
            async move { Ok(acceptor.accept(stream).await?) }
        })
    }

    /// How long a preparation may take, so that silence holds no connection. Default 10 seconds,
    /// twice what a handshake over a bad line takes.
    #[must_use]
    pub fn prepare_timeout(mut self, duration: Duration) -> Self {
        self.prepare_timeout = duration;
        self
    }

    /// Called with each stream before the handler has it: to set its limits and deadlines, the same
    /// for all. Default: nothing.
    #[must_use]
    pub fn configure(mut self, configure: impl Fn(&IoStream) + 'static) -> Self {
        self.configure = Some(Box::new(configure));
        self
    }

    /// A server that listens nowhere yet.
    pub fn build(self, ioloop: &Handle, handler: impl HandleStream) -> TcpServer {
        let proxies = self.proxy_protocol.as_ref().map(|policy| &policy.trusted);
        let proxies = proxies.cloned().unwrap_or_default();
        TcpServer::from_shared(Shared {
            ioloop: ioloop.clone(),
            handler: Box::new(handler),
            options: self.options,
            admission: Admission::behind(ioloop, self.limits, proxies),
            proxy_protocol: self.proxy_protocol,
            prepare: self.prepare,
            prepare_timeout: self.prepare_timeout,
            configure: self.configure,
            state: State::default(),
        })
    }
}

impl fmt::Debug for TcpServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpServerBuilder")
            .field("options", &self.options)
            .field("limits", &self.limits)
            .field("proxy_protocol", &self.proxy_protocol)
            .field("prepares", &self.prepare.is_some())
            .field("prepare_timeout", &self.prepare_timeout)
            .finish_non_exhaustive()
    }
}
