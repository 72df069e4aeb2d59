//! The fields that every answer carries, made once a second: `Server` and `Date`.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderValue, StatusCode};
use squall_ioloop::Handle;

/// `Server: …\r\nDate: …\r\n`, fresh.
pub(crate) struct Preamble {
    server_name: Option<HeaderValue>,
    /// Behind the status line that most answers have.
    lines: RefCell<Vec<u8>>,
    fields_start: Cell<usize>,
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
            fields_start: Cell::new(0),
            until: Cell::new(None),
            turn: Cell::new(u64::MAX),
        }
    }

    /// Appends the status line and the server's own fields.
    pub(crate) fn append_to(&self, out: &mut Vec<u8>, status: StatusCode, ioloop: &Handle) {
        if self.turn.replace(ioloop.turn_count()) != ioloop.turn_count() {
            self.refresh(ioloop.now());
        }
        let lines = self.lines.borrow();
        if status == StatusCode::OK {
            out.extend_from_slice(&lines);
        } else {
            squall_http1::encode_status_line(out, status);
            out.extend_from_slice(&lines[self.fields_start.get()..]);
        }
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
        squall_http1::encode_status_line(&mut lines, StatusCode::OK);
        self.fields_start.set(lines.len());
        if let Some(name) = &self.server_name {
            squall_http1::encode_field(&mut lines, &http::header::SERVER, name);
        }
        lines.extend_from_slice(b"date: ");
        lines.extend_from_slice(httpdate::fmt_http_date(time).as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
}
