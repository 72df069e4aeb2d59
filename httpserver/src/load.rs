//! How many requests are being answered, and the answer to one too many.
//!
//! A server that takes in more than it can do gets slower for everybody, until clients give up and
//! ask again, which makes more of it. One that refuses what is too much, and cheaply, does for the
//! others what it can.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use crate::Exchange;
use crate::refusal::{TEXT, page};

/// The requests that are being answered.
pub(crate) struct Load {
    requests_max: usize,
    retry_after: HeaderValue,
    requests: Cell<usize>,
    shed: Cell<u64>,
    /// When it was last logged, and how many had been refused by then.
    logged: Cell<Option<(Instant, u64)>>,
}

/// A place among the requests that are being answered, given back when dropped.
pub(crate) struct Place(Rc<Load>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.requests.set(self.0.requests.get() - 1);
    }
}

impl Load {
    pub(crate) fn new(requests_max: usize, retry_after: Duration) -> Self {
        let is_begun = u64::from(retry_after.subsec_nanos() > 0);
        let seconds = retry_after.as_secs().saturating_add(is_begun);
        Self {
            requests_max,
            retry_after: HeaderValue::from(seconds),
            requests: Cell::new(0),
            shed: Cell::new(0),
            logged: Cell::new(None),
        }
    }

    pub(crate) fn shed_count(&self) -> u64 {
        self.shed.get()
    }

    /// A place for one more, if there is room.
    pub(crate) fn enter(self: &Rc<Self>) -> Option<Place> {
        let requests = self.requests.get();
        (requests < self.requests_max).then(|| {
            self.requests.set(requests + 1);
            Place(self.clone())
        })
    }

    /// Answers a request for which there is no room. Its connection goes on, unless it brings
    /// content that is not worth reading.
    pub(crate) fn shed(&self, http: &Exchange) {
        self.shed.set(self.shed.get() + 1);
        http.with_link(|link| {
            link.server.witness.count_reject("shed");
            self.log(link.server.ioloop.now());
        });
        let status = StatusCode::SERVICE_UNAVAILABLE;
        // Nothing has left, so this fails only if the peer is gone.
        let _ = http
            .set_status(status)
            .and_then(|()| http.set_header(RETRY_AFTER, self.retry_after.clone()))
            .and_then(|()| http.set_header(CONTENT_TYPE, TEXT))
            .and_then(|()| http.write(page(status)));
        http.finish();
    }

    /// At most one line a second.
    fn log(&self, now: Instant) {
        const PAUSE: Duration = Duration::from_secs(1);
        let logged = self.logged.get();
        if logged.is_some_and(|(at, _)| now.saturating_duration_since(at) < PAUSE) {
            return;
        }
        let before = logged.map_or(0, |(_, count)| count);
        self.logged.set(Some((now, self.shed.get())));
        tracing::warn!(
            target: "squall::httpserver",
            requests_max = self.requests_max,
            refused = self.shed.get() - before,
            "refused requests: as many as may be are being answered"
        );
    }
}
