//! What becomes of a request whose peer goes away while it is being answered. How that is noticed
//! is in `watch.rs`; why it is so is in `docs/decisions/017-a-peer-that-goes-away.md`.

use std::time::Duration;

use crate::answer::Phase;
use crate::request_config::RequestConfig;
use crate::state::Inner;
use crate::{Error, Exchange};

/// What happens to the service's work when the peer goes away before it is answered: per server
/// ([`Config::with_disconnect`](crate::Config::with_disconnect)), or per request
/// ([`Exchange::set_disconnect`]).
///
/// A peer has gone when its connection is closed or broken, and also when it has only said that it
/// sends no more: the two look alike until something is written.
///
/// ```
/// use squall_httpserver::{Config, Disconnect, Exchange};
///
/// let config = Config::default().with_disconnect(Disconnect::Cancel);
///
/// async fn order(http: Exchange) {
///     // Half an order is worse than none: this one goes to its end.
///     http.set_disconnect(Disconnect::Detach);
/// #   http.finish();
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disconnect {
    /// The service's future is dropped where it waits. For work that is only for the answer, and
    /// whose every `await` may be its last: a search, a page. A peer that closes its sending half
    /// before it has read the answer does not get one.
    Cancel,
    /// The default, and Tornado's: the service is told, if it has asked
    /// ([`Exchange::on_close`], [`Exchange::closed`]), and goes on. When nothing can reach the peer
    /// any more, writes fail with [`Error::Closed`], so that `?` ends the work.
    #[default]
    Notify,
    /// As `Notify`, but writes succeed and lead nowhere: the service is not disturbed. For work
    /// that has to be finished once it was begun.
    Detach,
}

impl Exchange {
    /// What becomes of this request when its peer goes away, in place of the server's
    /// [`with_disconnect`](crate::Config::with_disconnect).
    pub fn set_disconnect(&self, policy: Disconnect) {
        self.inner()
            .with_extra(|extra| extra.disconnect = Some(policy));
        // It may be watched from now on.
        self.wake_connection();
    }

    /// How long this request may take, from its head to the end of its answer, in place of the
    /// server's [`with_timeout_request`](crate::Config::with_timeout_request).
    pub fn set_timeout_request(&self, timeout: Option<Duration>) {
        self.inner()
            .with_extra(|extra| extra.timeout_request = Some(timeout));
        self.wake_connection();
    }

    /// Whether there is nobody to write to and the service need not know.
    ///
    /// # Errors
    /// The one it has to know.
    #[cold]
    pub(crate) fn ignore_loss(&self, error: Error) -> Result<bool, Error> {
        match error {
            Error::Closed(_) | Error::TimedOut
                if self.inner().disconnect() == Disconnect::Detach =>
            {
                Ok(true)
            }
            error => Err(error),
        }
    }

    /// Whether there is somebody to write to; else what is written is thrown away.
    ///
    /// # Errors
    /// Nothing can be written any more.
    pub(crate) fn has_reader(&self) -> Result<bool, Error> {
        let open = self.with_link(|link| link.stream.check_open());
        let is_lost = match open {
            Ok(()) => false,
            Err(closed) => self.ignore_loss(closed.into())?,
        };
        if self.is_finished() {
            return Err(Error::Finished);
        }
        Ok(!is_lost)
    }

    /// Gives up an answer that cannot be completed, so that its peer sees it: a chunk or a byte is
    /// missing. Where only the end of the connection would end the content (HTTP/1.0), nothing is
    /// missing to the eye, and only a reset can tell.
    pub(crate) fn break_off(&self) {
        let framing = match self.phase() {
            Phase::Streaming { framing, .. } => Some(framing),
            Phase::Open | Phase::Finished { .. } | Phase::Broken { .. } => None,
        };
        let is_unframed = framing.is_some_and(|framing| framing.is_unframed());
        self.set_phase(Phase::Broken { is_unframed });
    }
}

impl Inner {
    pub(crate) fn disconnect(&self) -> Disconnect {
        let own = self.extra(|extra| extra.disconnect).flatten();
        own.unwrap_or_else(|| self.config(|config| config.disconnect))
    }

    pub(crate) fn timeout_request(&self) -> Option<Duration> {
        let own = self.extra(|extra| extra.timeout_request).flatten();
        own.unwrap_or_else(|| self.config(|config| config.timeout_request))
    }

    fn config<R>(&self, f: impl FnOnce(&RequestConfig) -> R) -> R {
        f(&self.link().server.config.request)
    }
}
