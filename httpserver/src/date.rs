//! The fields that every answer carries, made once a second: `Server` and `Date`.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime};

use http::HeaderValue;
use squall_ioloop::Handle;

/// `Server: …\r\nDate: …\r\n`, fresh.
pub(crate) struct Preamble {
    server_name: Option<HeaderValue>,
    lines: RefCell<Vec<u8>>,
    /// When the second that the lines tell is over, by the loop's clock.
    until: Cell<Option<Instant>>,
    /// The turn in which that was last looked at: time stands still in a turn.
    turn: Cell<u64>,
}

impl Preamble {
    pub(crate) fn new(server_name: Option<HeaderValue>) -> Self {
        Self {
            server_name,
            lines: RefCell::default(),
            until: Cell::new(None),
            turn: Cell::new(u64::MAX),
        }
    }

    pub(crate) fn append_to(&self, out: &mut Vec<u8>, ioloop: &Handle) {
        if self.turn.replace(ioloop.turn_count()) != ioloop.turn_count() {
            self.refresh(ioloop.now());
        }
        out.extend_from_slice(&self.lines.borrow());
    }

    fn refresh(&self, now: Instant) {
        if self.until.get().is_some_and(|until| now < until) {
            return;
        }
        let time = SystemTime::now();
        let since_epoch = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let rest =
            Duration::from_secs(1) - Duration::from_nanos(u64::from(since_epoch.subsec_nanos()));
        self.until.set(Some(now + rest));
        let mut lines = self.lines.borrow_mut();
        lines.clear();
        if let Some(name) = &self.server_name {
            squall_http1::encode_field(&mut lines, &http::header::SERVER, name);
        }
        lines.extend_from_slice(b"date: ");
        lines.extend_from_slice(httpdate::fmt_http_date(time).as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
}
