//! Every knob of the server, of the streams and of the codec below it. What one listener has of its
//! own is in `config/listener.rs`, what goes together and what does not in `config/check.rs`.

mod check;
mod listener;

use std::time::Duration;

use http::HeaderValue;
use squall_http1::Limits;
use squall_iostream::{AdmissionLimits, Guards, ListenerOptions, ProxyProtocol};

use crate::Forwarded;

pub use check::ConfigError;
pub use listener::ListenerConfig;

use crate::request_config::RequestConfig;

use crate::seeing::Settings;

/// Settings of an [`HttpServer`](crate::HttpServer). The defaults are safe on the open Internet.
///
/// What is set here is for all listeners of the server; one that differs has a [`ListenerConfig`].
/// A setting that makes no sense, alone or with another, is refused when a server is made of them:
/// see [`ConfigError`].
///
/// ```
/// use squall_httpserver::Config;
/// use std::time::Duration;
/// let config = Config::default().with_timeout_idle(Duration::from_secs(20));
/// assert!(config.check().is_ok());
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
    pub(crate) listener_options: ListenerOptions,
    pub(crate) admission: AdmissionLimits,
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    pub(crate) forwarded: Option<Forwarded>,
    pub(crate) requests_max: Option<usize>,
    pub(crate) retry_after: Duration,
    pub(crate) guards: Option<Guards>,
    pub(crate) memory_bytes_max: Option<usize>,
    pub(crate) unsent_bytes_max: Option<usize>,
    pub(crate) request: RequestConfig,
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
            listener_options: ListenerOptions::default(),
            admission: AdmissionLimits::default(),
            proxy_protocol: None,
            forwarded: None,
            requests_max: None,
            retry_after: Duration::from_secs(1),
            guards: None,
            memory_bytes_max: None,
            unsent_bytes_max: None,
            request: RequestConfig::default(),
            seeing: Settings::default(),
        }
    }
}

/// What one message, and one peer, may take.
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

    /// What each connection asks of its peer beyond the timeouts above: how long it may last in
    /// all, a minimum rate of its own. It counts for the whole connection, from its first request
    /// to its last, and ends whatever is being read or written then. Default: nothing, since the
    /// timeouts above are about single messages, and know which of them is slow.
    ///
    /// It costs each connection some 300 bytes of memory.
    pub fn with_guards(mut self, guards: Guards) -> Self {
        self.guards = Some(guards);
        self
    }

    /// How many bytes one connection may hold unsent, of heads and of content that was written and
    /// not flushed; files do not count. An answer that would pass it fails with
    /// [`Error::BufferFull`](crate::Error::BufferFull). Default: no bound, since a service that
    /// writes a large answer has it in memory already, and one that streams waits in `flush`. At
    /// least 16 KiB.
    ///
    /// It costs each connection some 300 bytes of memory.
    pub fn with_unsent_bytes_max(mut self, bytes: usize) -> Self {
        self.unsent_bytes_max = Some(bytes);
        self
    }
}

/// What all peers may take together.
impl Config {
    /// How many bytes all connections of the server may hold in their buffers, unread and unsent.
    /// Beyond it those that hold most stop reading, until others have let go: see
    /// [`MemoryBudget`](squall_iostream::MemoryBudget). Default: no bound. At least two heads of
    /// the size that [`Limits`] allow, so that one can be read while another is.
    ///
    /// It costs each connection some 300 bytes of memory.
    pub fn with_memory_bytes_max(mut self, bytes: usize) -> Self {
        self.memory_bytes_max = Some(bytes);
        self
    }

    /// Who is let in: how many connections in all, how many of one address, at what pace. Shared
    /// by all listeners that have no limits of their own. Default: as [`AdmissionLimits`] has it,
    /// no maximum but the descriptors of the process; those who come when it is out of them wait
    /// for a second, and are then closed.
    pub fn with_admission(mut self, limits: AdmissionLimits) -> Self {
        self.admission = limits;
        self
    }

    /// How many requests may be answered at the same time, on all connections of the server. One
    /// more is answered at once with 503 and a `Retry-After`, and never reaches the service: so a
    /// server that gets more than it can do still does what it can, and says so to the rest.
    /// Default: no maximum. Handlers that wait for long, as long polling does, count as well.
    pub fn with_requests_max(mut self, requests: usize) -> Self {
        self.requests_max = Some(requests);
        self
    }

    /// What `Retry-After` says when [`Self::with_requests_max`] is reached, in whole seconds, a
    /// part of one counting as one. Default 1 s.
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = after;
        self
    }
}

/// Where it listens, and who stands in front of it.
impl Config {
    /// How sockets are bound: backlog, `SO_REUSEPORT`, the mode of a Unix socket's file.
    pub fn with_listener_options(mut self, options: ListenerOptions) -> Self {
        self.listener_options = options;
        self
    }

    /// How many connections may wait to be accepted. Default 1024, so that a stall of a second
    /// refuses nobody; Tornado has 128. The system may cap it.
    pub fn with_backlog(mut self, connections: i32) -> Self {
        self.listener_options = self.listener_options.backlog(connections);
        self
    }

    /// Lets each worker listen on the same address with a socket of its own (`SO_REUSEPORT`).
    /// Default off, so that a second server on a port is an error.
    pub fn with_reuse_port(mut self, on: bool) -> Self {
        self.listener_options = self.listener_options.reuse_port(on);
        self
    }

    /// Reads the header of the PROXY protocol from those who may send one; then the address that
    /// it tells is [`remote_addr`](crate::Exchange::remote_addr), as if there were no proxy.
    /// Default: no header is looked for.
    pub fn with_proxy_protocol(mut self, policy: ProxyProtocol) -> Self {
        self.proxy_protocol = Some(policy);
        self
    }

    /// Whose word is taken for who the client is, and in which fields: see [`Forwarded`]. Default:
    /// nobody's.
    pub fn with_forwarded(mut self, forwarded: Forwarded) -> Self {
        self.forwarded = Some(forwarded);
        self
    }

    /// The `Server` field; `None` sends none. Default `Squall`: the name without a version, which
    /// is nobody's business.
    pub fn with_server_name(mut self, name: Option<HeaderValue>) -> Self {
        self.server_name = name;
        self
    }
}
