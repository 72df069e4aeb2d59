//! The knobs of one request and its connection: what becomes of it when it takes too long, when
//! its peer goes away, when it waits to be told to go on. The others are in `config.rs`.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use squall_http1::RequestHead;

use crate::expectation::ContinueHook;
use crate::{Config, Disconnect};

#[derive(Clone, Debug)]
pub(crate) struct RequestConfig {
    pub(crate) disconnect: Disconnect,
    pub(crate) timeout_request: Option<Duration>,
    pub(crate) timeout_content_total: Option<Duration>,
    pub(crate) connection_requests_max: u32,
    pub(crate) connection_age_max: Option<Duration>,
    pub(crate) continue_hook: Option<ContinueHook>,
    #[cfg(feature = "compression")]
    pub(crate) decompresses: bool,
}

impl Default for RequestConfig {
    fn default() -> Self {
        Self {
            disconnect: Disconnect::default(),
            timeout_request: None,
            timeout_content_total: None,
            connection_requests_max: u32::MAX,
            connection_age_max: None,
            continue_hook: None,
            #[cfg(feature = "compression")]
            decompresses: false,
        }
    }
}

impl Config {
    /// What becomes of a request whose peer goes away while it is being answered; a request may
    /// have [another](crate::Exchange::set_disconnect). Default [`Disconnect::Notify`], as in
    /// Tornado: work is not cut in the middle unless somebody has said that it may be.
    pub fn with_disconnect(mut self, policy: Disconnect) -> Self {
        self.request.disconnect = policy;
        self
    }

    /// How long a request may take, from its head to the end of its answer. Past it the service's
    /// future is dropped, and the answer is 503 if its head has not left; else it breaks off, and
    /// the peer sees that. A request may have [another](crate::Exchange::set_timeout_request).
    ///
    /// Default none: how long an answer takes is the service's affair, and a long poll, a stream of
    /// events or a download may take for ever. What a peer can prolong has timeouts of its own.
    /// Behind a proxy that gives up after a minute, a little less than that is a good value.
    pub fn with_timeout_request(mut self, timeout: Option<Duration>) -> Self {
        self.request.timeout_request = timeout;
        self
    }

    /// How long a request's content may take, however steadily it comes, from the first wait for
    /// it. Past it the read fails, and the answer should be 408. A request may have
    /// [another](crate::Exchange::set_timeout_content_total).
    ///
    /// Default none: the limit of its length and the least rate (see
    /// [`Self::with_timeout_content`]) bound it as well.
    pub fn with_timeout_content_total(mut self, timeout: Option<Duration>) -> Self {
        self.request.timeout_content_total = timeout;
        self
    }

    /// How many requests a connection may have answered, at least 1; the last answer says
    /// `Connection: close`.
    ///
    /// Default none (`u32::MAX`): nothing here grows with a connection's age, and each that is
    /// closed costs its client a handshake, and a request that it had under way. A number is for
    /// spreading connections over workers and machines anew, as nginx does after 1000 requests.
    pub fn with_connection_requests_max(mut self, requests: u32) -> Self {
        self.request.connection_requests_max = requests.max(1);
        self
    }

    /// How old a connection may be and still go on after an answer; the first answer past it says
    /// `Connection: close`. One that idles is closed by [`Self::with_timeout_idle`]. What was
    /// detached is not meant.
    ///
    /// Default none, for the reason of [`Self::with_connection_requests_max`]; nginx has an hour.
    pub fn with_connection_age_max(mut self, age: Option<Duration>) -> Self {
        self.request.connection_age_max = age;
        self
    }

    /// Looks at each request with `Expect: 100-continue` before the service does, and before its
    /// content is sent: with an error, that status is the answer, and the connection ends. What is
    /// to be looked at further, the service can refuse as well, as long as it has read nothing.
    /// It must not block. Default none: whatever the service reads is welcome.
    ///
    /// ```
    /// use http::StatusCode;
    /// use squall_httpserver::Config;
    ///
    /// let config = Config::default().with_continue_hook(|head| {
    ///     match head.field("authorization") {
    ///         Some(_) => Ok(()),
    ///         None => Err(StatusCode::UNAUTHORIZED),
    ///     }
    /// });
    /// ```
    pub fn with_continue_hook(
        mut self,
        hook: impl Fn(&RequestHead) -> Result<(), StatusCode> + Send + Sync + 'static,
    ) -> Self {
        self.request.continue_hook = Some(ContinueHook(Arc::new(hook)));
        self
    }
}
