//! The client: from a URL to an open WebSocket (RFC 6455 §4.1).
//!
//! ```text
//!   url       ws://host:port/target       what is asked, and of whom
//!   iostream  TcpClient                   TCP, and TLS for wss
//!   opening   request -> answer           the handshake on the stream, within its time
//!   error     OpenError                   why not, with the server's answer if it gave one
//! ```
//!
//! Here is the way from one to the next. Redirects are not followed and nobody is authenticated:
//! an answer that is no 101 is an error that has all of it, for the caller to decide (§4.1 allows
//! both, and neither is the business of a socket).

mod error;
mod opening;
mod url;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use squall_ioloop::{Handle, TimedOut, with_timeout};
use squall_iostream::{IoStream, Target, TcpClient};

pub use error::{Answer, OpenError};
use opening::Opened;
use url::Url;
pub use url::UrlFault;

use crate::{Config, WebSocketHandler, WebSocketStream, serve_opened};

/// Opens a WebSocket with the defaults of [`Client`].
///
/// ```no_run
/// # async fn f(ioloop: &squall_ioloop::Handle) -> Result<(), Box<dyn std::error::Error>> {
/// let mut ws = squall_websocket::connect(ioloop, "ws://127.0.0.1:8888/chat").await?;
/// ws.write_message("hello")?;
/// while let Some(message) = ws.next().await {
///     println!("{message:?}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Client::connect`].
pub async fn connect(ioloop: &Handle, url: &str) -> Result<WebSocketStream, OpenError> {
    Client::new(ioloop).connect(url).await
}

/// A client and its settings; one value opens any number of WebSockets (Tornado's
/// `websocket_connect`).
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_websocket::{Client, OpenError, UrlFault};
///
/// let ioloop = IoLoop::new()?;
/// let client = Client::new(&ioloop).subprotocol("chat")?;
/// let opened = ioloop.run_until(client.connect("http://127.0.0.1/"))?;
/// assert!(matches!(opened, Err(OpenError::Url(UrlFault::Scheme))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client {
    ioloop: Handle,
    tcp: TcpClient,
    #[cfg(feature = "tls")]
    tls: Option<squall_iostream::tls::TlsConnector>,
    unix_socket: Option<PathBuf>,
    config: Rc<Config>,
    fields: HeaderMap,
    subprotocols: Vec<String>,
    timeout_opening: Duration,
}

impl Client {
    /// A client with the defaults.
    #[must_use]
    pub fn new(ioloop: &Handle) -> Self {
        Self {
            ioloop: ioloop.clone(),
            tcp: TcpClient::new(ioloop),
            #[cfg(feature = "tls")]
            tls: None,
            unix_socket: None,
            config: Rc::default(),
            fields: HeaderMap::new(),
            subprotocols: Vec::new(),
            timeout_opening: Duration::from_secs(20),
        }
    }

    /// Limits, pings and timeouts of the connections. Default: [`Config::default`].
    #[must_use]
    pub fn config(mut self, config: impl Into<Rc<Config>>) -> Self {
        self.config = config.into();
        self
    }

    /// How TCP is connected: names, addresses, attempts and their time. Default: that of
    /// [`TcpClient::new`].
    #[must_use]
    pub fn tcp(mut self, tcp: TcpClient) -> Self {
        self.tcp = tcp;
        self
    }

    /// How TLS is spoken with servers of `wss`. Default: with the system's authorities, which are
    /// read when the first connection needs them.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, connector: squall_iostream::tls::TlsConnector) -> Self {
        self.tls = Some(connector);
        self
    }

    /// Connects to a Unix socket, whatever the URL's host: that is only told to the server.
    #[must_use]
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.unix_socket = Some(path.into());
        self
    }

    /// Adds a field to the request: a cookie, an authorization, an origin. Those of the handshake
    /// itself are ours, whatever is given here.
    #[must_use]
    pub fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.append(name, value);
        self
    }

    /// Offers a subprotocol, less dear than those before.
    ///
    /// # Errors
    /// [`LocalFault::SubprotocolNotToken`](crate::LocalFault::SubprotocolNotToken), or one that was
    /// offered already.
    pub fn subprotocol(mut self, name: &str) -> Result<Self, crate::Error> {
        crate::handshake::check_subprotocol(name)?;
        if !self.subprotocols.iter().any(|known| known == name) {
            self.subprotocols.push(name.to_owned());
        }
        Ok(self)
    }

    /// How long the server may take for its answer, once there is a connection. Default: 20 s, as
    /// Tornado's `request_timeout`.
    #[must_use]
    pub fn timeout_opening(mut self, timeout: Duration) -> Self {
        self.timeout_opening = timeout;
        self
    }

    /// Opens a WebSocket that is read by one task.
    ///
    /// # Errors
    /// [`OpenError`] says how far it came.
    pub async fn connect(&self, url: &str) -> Result<WebSocketStream, OpenError> {
        let opened = self.open(url).await?;
        let ws = WebSocketStream::new(opened.stream, self.config.clone(), &opened.opening);
        Ok(ws.with_subprotocol(opened.subprotocol))
    }

    /// Opens a WebSocket and serves it with a handler, in a task of its own.
    ///
    /// # Errors
    /// [`OpenError`] says how far it came. The handler is dropped then, and was told nothing.
    pub async fn connect_handler(
        &self,
        url: &str,
        handler: impl WebSocketHandler,
    ) -> Result<(), OpenError> {
        let opened = self.open(url).await?;
        let config = self.config.clone();
        let connection = serve_opened(opened.stream, config, &opened.opening, handler);
        self.ioloop.spawn_detached(connection);
        Ok(())
    }

    /// As [`Self::connect`], over a stream that is there already: through a proxy, or in memory.
    /// The URL's scheme and port do not matter.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn connect_over(
        &self,
        stream: IoStream,
        url: &str,
    ) -> Result<WebSocketStream, OpenError> {
        let opened = self.shake_hands(stream, &Url::parse(url)?).await?;
        let ws = WebSocketStream::new(opened.stream, self.config.clone(), &opened.opening);
        Ok(ws.with_subprotocol(opened.subprotocol))
    }

    async fn open(&self, url: &str) -> Result<Opened, OpenError> {
        let url = Url::parse(url)?;
        let target = match &self.unix_socket {
            Some(path) => Target::from(path.as_path()),
            None => Target::from((url.host.as_str(), url.port)),
        };
        let stream = self.transport(&url)?.connect(target).await?;
        self.shake_hands(stream, &url).await
    }

    /// Who connects, with TLS if the URL asks for it.
    fn transport(&self, url: &Url) -> Result<TcpClient, OpenError> {
        let tcp = self.tcp.clone();
        if !url.is_secure {
            return Ok(tcp);
        }
        #[cfg(feature = "tls")]
        {
            let connector = match &self.tls {
                Some(connector) => connector.clone(),
                None => squall_iostream::tls::ClientConfig::new()
                    .build()
                    .map_err(OpenError::Tls)?,
            };
            Ok(tcp.tls(connector).server_name(url.host_name()))
        }
        #[cfg(not(feature = "tls"))]
        Err(OpenError::Url(UrlFault::NoTls))
    }

    async fn shake_hands(&self, stream: IoStream, url: &Url) -> Result<Opened, OpenError> {
        let opening = opening::open(self, stream, url);
        match with_timeout(self.timeout_opening, opening).await {
            Ok(opened) => opened,
            Err(TimedOut) => Err(OpenError::TimedOut),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("subprotocols", &self.subprotocols)
            .finish_non_exhaustive()
    }
}
