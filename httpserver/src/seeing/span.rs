//! A `tracing` span for each request, if somebody wants them: else it costs one comparison.

use http::StatusCode;
use squall_http1::RequestHead;
use tracing::field::Empty;
use tracing::{Level, Span};

use super::Seen;
use super::log_text::Plain;
use crate::{Exchange, RequestId};

/// Whether any subscriber wants spans of requests.
#[inline]
pub(super) fn is_wanted() -> bool {
    tracing::span_enabled!(target: "squall::request", Level::INFO, "request")
}

/// Method and target are shown escaped and cut, whatever formats them.
#[cold]
pub(super) fn begin(seen: &Seen, head: &RequestHead, id: RequestId) {
    let span = tracing::info_span!(
        target: "squall::request",
        "request",
        id = %id,
        method = %Plain(head.method()),
        target = %Plain(head.target()),
        status = Empty,
    );
    // It is asked once, when the request begins.
    let _ = seen.rare().span.set(span);
}

impl Seen {
    fn span(&self) -> Option<&Span> {
        self.rare_if_any()?.span.get()
    }

    /// Runs the service's code inside the request's span.
    #[inline]
    pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = self.span().map(Span::enter);
        f()
    }

    pub(super) fn end_span(&self, status: StatusCode) {
        if let Some(span) = self.span() {
            span.record("status", status.as_u16());
        }
    }
}

impl Exchange {
    /// Runs `f` inside the request's `tracing` span, if somebody subscribes to those (target
    /// `squall::request`, level info, with the fields `id`, `method`, `target` and, at the end,
    /// `status`). A service runs inside it anyway; this is for a callback that answers later, and
    /// for tasks.
    ///
    /// ```
    /// use squall_httpserver::Exchange;
    /// fn answer_later(http: Exchange) {
    ///     http.in_span(|| { /* events of here belong to the request */ });
    ///     http.finish();
    /// }
    /// ```
    pub fn in_span<R>(&self, f: impl FnOnce() -> R) -> R {
        self.seen().within(f)
    }
}
