//! The access log: a line for each request that was answered or refused.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use squall_ioloop::Handle;
use tracing::Level;

use super::log_buffer::LogBuffer;
use super::log_format::{push_combined, push_json_line, push_tornado, push_tornado_message};
use super::log_writer::LogWriter;
use super::record::RequestRecord;

/// How the lines of an [`AccessLog`] look. None of them lets a peer forge one: what it has sent is
/// escaped, to printable ASCII, and cut (targets at 1024 octets, fields at 512, with `...` behind
/// them).
///
/// Times are of the request's arrival, in UTC. The address is the peer's, or the client's where
/// proxies tell it ([`RequestRecord::remote_ip`]).
///
/// ```
/// use squall_httpserver::LogFormat;
/// assert_eq!(LogFormat::default(), LogFormat::Tornado);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// Tornado's, with the letter of its level (`I`, `W`, `E`) and the time, as its formatter puts
    /// them: `[I 261124 18:08:16] 200 GET /path (127.0.0.1) 1.23ms`.
    #[default]
    Tornado,
    /// NCSA's combined format, as Apache and nginx write it and all tools read it:
    /// `127.0.0.1 - - [24/Nov/2026:18:08:16 +0000] "GET / HTTP/1.1" 200 13 "-" "curl/8.5.0"`. The
    /// number is the content's length.
    Combined,
    /// A JSON object a line, with the members `time`, `level`, `remote`, `method`, `target`,
    /// `version`, `referer` and `user_agent` if there were any, `id`, `status`, `received` and
    /// `sent` (in bytes, heads included), `latency_us`, `complete` if it is not, `worker` if it
    /// has a number, and `refusal` in place of what a refused request has not.
    Json,
}

/// A log of requests, see [`Config::with_access_log`](crate::Config::with_access_log).
///
/// Lines go to a [`LogWriter`], in one of the [formats](LogFormat), or to `tracing`.
///
/// ```
/// use squall_httpserver::{AccessLog, Config, LogFormat, LogWriter};
/// let log = AccessLog::new(LogFormat::Json, LogWriter::stdout())
///     .with_filter(|record| record.target() != Some("/health"));
/// let config = Config::default().with_access_log(log);
/// ```
#[derive(Clone)]
#[must_use]
pub struct AccessLog {
    sink: Sink,
    is_exact: bool,
    worker: Option<u32>,
    filter: Option<Filter>,
}

type Filter = Arc<dyn Fn(&RequestRecord<'_>) -> bool + Send + Sync>;

#[derive(Clone)]
enum Sink {
    Tracing,
    Writer(LogFormat, LogWriter),
}

impl AccessLog {
    /// Writes lines of this format.
    pub fn new(format: LogFormat, writer: LogWriter) -> Self {
        Self {
            // The combined format does not tell how long it took.
            is_exact: format != LogFormat::Combined,
            sink: Sink::Writer(format, writer),
            worker: None,
            filter: None,
        }
    }

    /// Makes an event of each request: target `squall::access`, the message that Tornado's
    /// `log_request` makes (`200 GET /path (127.0.0.1) 1.23ms`), its level (below 400 info, below
    /// 500 a warning, else an error), and the fields `id`, `sent` and `latency_us`.
    pub fn tracing() -> Self {
        Self {
            sink: Sink::Tracing,
            is_exact: true,
            worker: None,
            filter: None,
        }
    }

    /// Whether the clock is asked when an answer is finished, which costs some 20 ns a request.
    /// Otherwise time goes on from turn to turn of the loop, and what is answered in the turn in
    /// which it came takes none, even if its handler has computed for a second. Default: as the
    /// format needs it, so only [`LogFormat::Combined`] goes without.
    pub fn with_exact_time(mut self, on: bool) -> Self {
        self.is_exact = on;
        self
    }

    /// The number of this worker, for lines of JSON. Default: none.
    pub fn with_worker(mut self, number: u32) -> Self {
        self.worker = Some(number);
        self
    }

    /// Logs only requests for which `filter` returns `true`: without those of a load balancer
    /// that looks whether the server is there, or only slow ones. Default: all.
    pub fn with_filter(
        mut self,
        filter: impl Fn(&RequestRecord<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.filter = Some(Arc::new(filter));
        self
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match &self.sink {
            Sink::Tracing => None,
            Sink::Writer(format, _) => Some(format),
        };
        f.debug_struct("AccessLog")
            .field("format", &format)
            .field("is_exact", &self.is_exact)
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}

/// The access log of one server, on its loop.
pub(super) struct Log {
    out: Out,
    pub(super) is_exact: bool,
    pub(super) worker: Option<u32>,
    filter: Option<Filter>,
}

enum Out {
    Tracing,
    Lines(LogFormat, Rc<LogBuffer>),
}

impl Log {
    pub(super) fn open(ioloop: &Handle, log: &AccessLog) -> Self {
        Self {
            out: match &log.sink {
                Sink::Tracing => Out::Tracing,
                Sink::Writer(format, writer) => {
                    Out::Lines(*format, LogBuffer::new(ioloop, writer.clone()))
                }
            },
            is_exact: log.is_exact,
            worker: log.worker,
            filter: log.filter.clone(),
        }
    }

    pub(super) fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    #[inline]
    pub(super) fn add(&self, record: &RequestRecord<'_>) {
        if self.filter.as_ref().is_some_and(|filter| !filter(record)) {
            return;
        }
        match &self.out {
            Out::Tracing => trace(record),
            Out::Lines(LogFormat::Tornado, lines) => lines.add(|out| push_tornado(out, record)),
            Out::Lines(LogFormat::Combined, lines) => lines.add(|out| push_combined(out, record)),
            Out::Lines(LogFormat::Json, lines) => lines.add(|out| push_json_line(out, record)),
        }
    }

    /// Waits until all lines are written.
    pub(super) async fn flush(&self) {
        if let Out::Lines(_, lines) = &self.out {
            lines.flush().await;
        }
    }

    pub(super) fn lines_dropped(&self) -> u64 {
        match &self.out {
            Out::Tracing => 0,
            Out::Lines(_, lines) => lines.writer.lines_dropped(),
        }
    }
}

/// An event has its level at compile time: three of them.
fn trace(record: &RequestRecord<'_>) {
    macro_rules! event {
        ($level:expr) => {
            if tracing::event_enabled!(target: "squall::access", $level) {
                let mut message = Vec::with_capacity(128);
                push_tornado_message(&mut message, record);
                tracing::event!(
                    target: "squall::access",
                    $level,
                    id = %record.request_id(),
                    sent = record.bytes_sent(),
                    latency_us = u64::try_from(record.latency().as_micros()).unwrap_or(u64::MAX),
                    "{}",
                    // It is ASCII.
                    String::from_utf8_lossy(&message)
                );
            }
        };
    }
    match record.level() {
        Level::ERROR => event!(Level::ERROR),
        Level::WARN => event!(Level::WARN),
        _ => event!(Level::INFO),
    }
}
