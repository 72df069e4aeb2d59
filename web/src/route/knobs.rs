//! What a route may set in place of the server: how much, how long, and for whom.

use std::time::Duration;

use squall_httpserver::Disconnect;

use super::Route;
use crate::exchange::Exchange;

/// A route's own settings. Most have none.
#[derive(Default)]
pub(crate) struct Knobs {
    content_bytes_max: Option<u64>,
    timeout_content: Option<Duration>,
    timeout_content_total: Option<Duration>,
    timeout_request: Option<Option<Duration>>,
    disconnect: Option<Disconnect>,
    #[cfg(feature = "compression")]
    decompresses: Option<bool>,
}

impl Knobs {
    /// Tells the server, before anything of the request is read or answered.
    pub(crate) fn apply(&self, http: &Exchange) {
        if let Some(bytes) = self.content_bytes_max {
            http.set_content_bytes_max(bytes);
        }
        if let Some(timeout) = self.timeout_content {
            http.set_timeout_content(timeout);
        }
        if let Some(timeout) = self.timeout_content_total {
            http.set_timeout_content_total(Some(timeout));
        }
        if let Some(timeout) = self.timeout_request {
            http.set_timeout_request(timeout);
        }
        if let Some(policy) = self.disconnect {
            http.set_disconnect(policy);
        }
        #[cfg(feature = "compression")]
        if let Some(on) = self.decompresses {
            http.set_decompression(on);
        }
    }
}

/// What is particular about the requests of one route. Where it says nothing, the server's
/// [`Config`](squall_httpserver::Config) holds.
///
/// ```
/// use squall_web::{Application, Disconnect, Method, Route};
/// use std::time::Duration;
///
/// let application = Application::new().add_route(
///     Route::async_fn("/import", async |http| http.write("imported"))
///         .methods([Method::POST])
///         .content_bytes_max(1 << 30)
///         .timeout_content_total(Duration::from_secs(3600))
///         .timeout(Some(Duration::from_secs(4000)))
///         .disconnect(Disconnect::Detach),
/// );
/// # let _ = application;
/// ```
impl Route {
    /// Takes at most so many bytes of content, in place of the server's limit: smaller or larger.
    /// Beyond: 413.
    pub fn content_bytes_max(mut self, bytes: u64) -> Self {
        self.knobs().content_bytes_max = Some(bytes);
        self
    }

    /// How long the content may keep the route waiting: see
    /// [`with_timeout_content`](squall_httpserver::Config::with_timeout_content). Beyond: 408.
    pub fn timeout_content(mut self, timeout: Duration) -> Self {
        self.knobs().timeout_content = Some(timeout);
        self
    }

    /// How long the content may take, however steadily it comes. Beyond: 408.
    pub fn timeout_content_total(mut self, timeout: Duration) -> Self {
        self.knobs().timeout_content_total = Some(timeout);
        self
    }

    /// How long a request may take, from its head to the end of its answer; `None` for as long as
    /// it likes. Beyond, the handler's future is dropped: 503, or an answer that breaks off. See
    /// [`with_timeout_request`](squall_httpserver::Config::with_timeout_request).
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.knobs().timeout_request = Some(timeout);
        self
    }

    /// What becomes of the handler when its client goes away.
    pub fn disconnect(mut self, policy: Disconnect) -> Self {
        self.knobs().disconnect = Some(policy);
        self
    }

    /// Whether content in gzip, deflate, br or zstd is decompressed: see
    /// [`with_decompression`](squall_httpserver::Config::with_decompression). With the feature
    /// `compression`.
    #[cfg(feature = "compression")]
    pub fn decompression(mut self, on: bool) -> Self {
        self.knobs().decompresses = Some(on);
        self
    }

    fn knobs(&mut self) -> &mut Knobs {
        self.answer.knobs.get_or_insert_default()
    }
}
