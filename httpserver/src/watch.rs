//! What is watched while a service takes its time: whether its peer goes away, and whether its own
//! time is over. Nothing of this exists for a request that is answered at once.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::time::{Duration, Instant};

use http::StatusCode;
use squall_ioloop::Sleep;
use squall_iostream::StreamHandle;

use crate::server::Shared;
use crate::serving::guard;
use crate::state::Inner;
use crate::{Disconnect, Exchange};

/// Made for a service that has not answered at once, if somebody wants to know one of these.
pub(crate) struct Watch {
    began: Instant,
    /// Ready when the peer is gone; `None` from then on.
    gone: Option<Pin<Box<dyn Future<Output = ()>>>>,
    timer: Option<(Duration, Sleep)>,
}

/// What the service is to be told.
pub(crate) enum Verdict {
    GoesOn,
    /// The service is not needed any more: with whatever it has answered, this is over.
    Over,
}

impl Watch {
    /// Whether there is anything to watch for this request.
    pub(crate) fn is_wanted(exchange: &Inner, server: &Shared) -> bool {
        let config = &server.config.request;
        exchange.has_closers()
            || exchange.extra(|_| ()).is_some()
            || config.disconnect == Disconnect::Cancel
            || config.timeout_request.is_some()
    }

    pub(crate) fn new(writer: &StreamHandle) -> Box<Self> {
        let stream = writer.clone();
        Box::new(Self {
            began: writer.ioloop().now(),
            gone: Some(Box::pin(async move { stream.closed().await })),
            timer: None,
        })
    }

    pub(crate) fn poll(&mut self, exchange: &Rc<Inner>, cx: &mut Context<'_>) -> Verdict {
        let cancels = exchange.disconnect() == Disconnect::Cancel;
        if (cancels || exchange.has_closers()) && self.is_peer_gone(cx) {
            for closer in exchange.take_closers() {
                guard(exchange, closer);
            }
            if cancels {
                tracing::debug!(target: "squall::httpserver", "a peer has gone, and its request with it");
                Exchange::of(exchange).break_off();
                return Verdict::Over;
            }
        }
        match exchange.timeout_request() {
            Some(timeout) if self.is_time_over(timeout, cx) => {
                // The service's fault, or its limits': an operator should know.
                tracing::warn!(target: "squall::httpserver", ?timeout, "a request has taken too long");
                Exchange::of(exchange).fail_with(StatusCode::SERVICE_UNAVAILABLE);
                Verdict::Over
            }
            _ => Verdict::GoesOn,
        }
    }

    fn is_peer_gone(&mut self, cx: &mut Context<'_>) -> bool {
        let is_gone = match &mut self.gone {
            Some(gone) => gone.as_mut().poll(cx).is_ready(),
            None => true,
        };
        if is_gone {
            self.gone = None;
        }
        is_gone
    }

    fn is_time_over(&mut self, timeout: Duration, cx: &mut Context<'_>) -> bool {
        let is_known = self
            .timer
            .as_ref()
            .is_some_and(|(known, _)| *known == timeout);
        if !is_known {
            // One that cannot be told is never over.
            let Some(over_at) = self.began.checked_add(timeout) else {
                return false;
            };
            self.timer = Some((timeout, Sleep::until(over_at)));
        }
        let timer = self.timer.as_mut();
        timer.is_some_and(|(_, sleep)| Pin::new(sleep).poll(cx).is_ready())
    }
}
