//! Every knob of the server, and of the codec below it.

use std::time::Duration;

use http::HeaderValue;
use squall_http1::Limits;

use crate::seeing::Settings;

/// Settings of an [`HttpServer`](crate::HttpServer). The defaults are safe on the open Internet.
///
/// ```
/// use squall_httpserver::Config;
/// use std::time::Duration;
/// let config = Config::default().with_timeout_idle(Duration::from_secs(20));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Config {
    pub(crate) limits: Limits,
    pub(crate) timeout_header: Duration,
    pub(crate) timeout_idle: Duration,
    pub(crate) timeout_content: Duration,
    pub(crate) timeout_write: Duration,
    pub(crate) server_name: Option<HeaderValue>,
    pub(crate) backlog: i32,
    pub(crate) has_reuse_port: bool,
    pub(crate) seeing: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            timeout_header: Duration::from_secs(30),
            timeout_idle: Duration::from_secs(75),
            timeout_content: Duration::from_secs(60),
            timeout_write: Duration::from_secs(60),
            server_name: Some(HeaderValue::from_static("Squall")),
            backlog: 1024,
            has_reuse_port: false,
            seeing: Settings::default(),
        }
    }
}

impl Config {
    /// The codec's limits: sizes of heads, fields, content, chunk lines and trailers.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How long a head may take, from its first byte (or, on a new connection, from the accept)
    /// to its last. Past it the answer is 408, if a byte has come. Default 30 s, as hyper's; nginx
    /// has 60 s, Tornado an hour.
    pub fn with_timeout_header(mut self, timeout: Duration) -> Self {
        self.timeout_header = timeout;
        self
    }

    /// How long a connection may idle between requests. Default 75 s, as nginx's.
    pub fn with_timeout_idle(mut self, timeout: Duration) -> Self {
        self.timeout_idle = timeout;
        self
    }

    /// How long a request's content may keep us waiting. Each byte that arrives gives 2 ms of it
    /// back, so that an upload of 500 bytes a second may take as long as it needs, and one that
    /// stalls or drips may not. Past it the read fails, and the answer should be 408. Default 60 s,
    /// as nginx's; the rate is Apache's.
    pub fn with_timeout_content(mut self, timeout: Duration) -> Self {
        self.timeout_content = timeout;
        self
    }

    /// How long a peer may take nothing while an answer waits for it. Then the connection is cut.
    /// Default 60 s, as nginx's.
    pub fn with_timeout_write(mut self, timeout: Duration) -> Self {
        self.timeout_write = timeout;
        self
    }

    /// The `Server` field; `None` sends none. Default `Squall`: the name without a version, which
    /// is nobody's business.
    pub fn with_server_name(mut self, name: Option<HeaderValue>) -> Self {
        self.server_name = name;
        self
    }

    /// How many connections may wait to be accepted. Default 1024, so that a stall of a second
    /// refuses nobody; Tornado has 128. The system may cap it.
    pub fn with_backlog(mut self, connections: i32) -> Self {
        self.backlog = connections;
        self
    }

    /// Lets each worker listen on the same address with a socket of its own (`SO_REUSEPORT`).
    /// Default off, so that a second server on a port is an error.
    pub fn with_reuse_port(mut self, on: bool) -> Self {
        self.has_reuse_port = on;
        self
    }
}
