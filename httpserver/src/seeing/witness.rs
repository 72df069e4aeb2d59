//! `Witness`: what a server's connections tell, and who hears of it. The hooks of the connection.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{HeaderName, StatusCode};
use squall_ioloop::{Handle, with_timeout};
use squall_iostream::{StreamError, StreamHandle};

use super::access_log::Log;
use super::counters::{Counters, add, subtract};
use super::log_text::Plain;
use super::log_time::LogTime;
use super::metrics::ServerMetrics;
use super::peers::{PeerText, Peers};
use super::record::{RequestRecord, Subject};
use super::refusals::Refusals;
use super::request_id::Ids;
use super::settings::Settings;
use super::{Seen, span};
use crate::answer::Phase;
use crate::server::Shared;
use crate::state::{Inner, Link};
use crate::{Error, Exchange, HttpServer, RequestId};

/// How long a server that has stopped waits for the lines of its log.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

type LogFunction = Rc<dyn Fn(&RequestRecord<'_>)>;

/// One per server.
pub(crate) struct Witness {
    pub(super) ioloop: Handle,
    counters: Counters,
    pub(super) ids: Ids,
    pub(super) time: LogTime,
    peers: Peers,
    refusals: Refusals,
    log: Option<Log>,
    function: RefCell<Option<LogFunction>>,
    /// Who wants records of requests, and exact times in them.
    reads: Cell<Reads>,
}

#[derive(Clone, Copy, Default)]
struct Reads {
    records: bool,
    exact_time: bool,
    /// Whether code of the user's is called with them.
    users: bool,
}

impl Witness {
    pub(crate) fn new(ioloop: &Handle, settings: &Settings) -> Self {
        let log = settings
            .access_log
            .as_ref()
            .map(|log| Log::open(ioloop, log));
        let reads = Reads {
            records: log.is_some(),
            exact_time: log.as_ref().is_some_and(|log| log.is_exact),
            users: log.as_ref().is_some_and(Log::has_filter),
        };
        Self {
            ioloop: ioloop.clone(),
            counters: Counters::default(),
            ids: Ids::new(&settings.request_ids),
            time: LogTime::new(),
            peers: Peers::default(),
            refusals: Refusals::default(),
            log,
            function: RefCell::default(),
            reads: Cell::new(reads),
        }
    }

    // ---- connections

    /// A connection begins, with this number among the guests. What it does from then on is
    /// counted there, by its class.
    pub(crate) fn open(&self, connection: u32) {
        add(&self.counters.accepted, 1);
        self.peers.forget(connection);
    }

    // ---- requests

    /// A request is there, and its service about to be called.
    #[inline]
    pub(crate) fn begin(&self, exchange: &Inner) {
        add(&self.counters.in_flight, 1);
        if self.reads.get().exact_time {
            exchange.seen.wait(&self.ioloop);
        }
        if span::is_wanted() {
            span::begin(&exchange.seen, &exchange.head, self.request_id(exchange));
        }
    }

    /// The answer takes longer than this turn. A peer may have left when it is over, and a socket
    /// that was reset does not know any more whose it was: who reads records asks now.
    #[inline]
    pub(crate) fn wait(&self, exchange: &Inner) {
        exchange.seen.wait(&self.ioloop);
        if self.reads.get().records {
            self.remember_peer(exchange);
        }
    }

    #[inline(never)]
    fn remember_peer(&self, exchange: &Inner) {
        let known = exchange.seen.peer.get();
        if known.is_none() {
            let peer = self.look_at_peer(exchange, &exchange.link().stream);
            exchange.seen.peer.set(Some(peer));
        }
    }

    /// An answer is over, as well or as badly as it went.
    #[inline]
    pub(crate) fn end(&self, exchange: &Inner, stream: &StreamHandle) {
        let (seen, counters) = (&exchange.seen, &self.counters);
        let status = exchange.response.borrow().status;
        subtract(&counters.in_flight, 1);
        counters.note_status(status);
        let received = exchange.head.as_bytes().len() as u64 + seen.content_bytes_received();
        add(&counters.bytes_received, received);
        add(&counters.bytes_sent, seen.bytes_sent());
        if !is_complete(exchange) {
            add(&counters.incomplete, 1);
        }
        let latency = match seen.since() {
            None => {
                counters.latencies.note_none();
                Duration::ZERO
            }
            Some(since) => {
                let latency = self.until_now(since);
                counters.latencies.note(latency);
                latency
            }
        };
        seen.end_span(status);
        if self.reads.get().records {
            self.tell_answer(exchange, stream, latency);
        }
    }

    /// Not part of the above, which is to be short where nobody reads records.
    #[inline(never)]
    fn tell_answer(&self, exchange: &Inner, stream: &StreamHandle, latency: Duration) {
        let known = exchange.seen.peer.get();
        self.tell(&RequestRecord {
            witness: self,
            stream,
            subject: Subject::Exchange(exchange),
            status: exchange.response.borrow().status,
            latency,
            peer: known.unwrap_or_else(|| self.look_at_peer(exchange, stream)),
        });
    }

    fn until_now(&self, since: Instant) -> Duration {
        let now = if self.reads.get().exact_time {
            self.ioloop.read_clock()
        } else {
            self.ioloop.now()
        };
        now.saturating_duration_since(since)
    }

    /// Behind proxies whose word is taken, the client; else the peer. What the service was told,
    /// if it has asked: it may know better than the connection.
    fn look_at_peer(&self, exchange: &Inner, stream: &StreamHandle) -> PeerText {
        if let Some(origin) = exchange.origin() {
            return PeerText::new(origin.client_ip);
        }
        match exchange.address.get() {
            Some(address) => PeerText::new(address.map(|address| address.ip())),
            None => self.peers.text(exchange.link().connection, stream),
        }
    }

    /// Asked for the first time, it is chosen: what nobody asks for costs nothing.
    pub(super) fn request_id(&self, exchange: &Inner) -> RequestId {
        let seen = &exchange.seen;
        if let Some(id) = seen.rare_if_any().and_then(|rare| rare.id.get()) {
            return *id;
        }
        if seen.number.get() == 0 {
            if let Some(id) = self.ids.brought(&exchange.head) {
                return *seen.rare().id.get_or_init(|| id);
            }
            seen.number.set(self.ids.next());
        }
        self.ids.id(seen.number.get())
    }

    // ---- refusals

    /// A request is refused before it was one: counted and told. `Some` if it is to be logged as
    /// well, which is not done too often, with the number of those left out before it.
    pub(crate) fn refuse(
        &self,
        stream: &StreamHandle,
        error: &Error,
        bytes_sent: usize,
    ) -> Option<u64> {
        let status = error.status();
        self.reject(error, "timeout_header");
        self.counters.note_status(status);
        add(&self.counters.bytes_sent, bytes_sent as u64);
        if self.reads.get().records {
            self.tell_refusal(stream, error, status, bytes_sent);
        }
        self.refusals.due(self.ioloop.now())
    }

    /// `field` is the one that was too much, if it was one, as it may stand in a log.
    pub(crate) fn log_refusal(&self, error: &Error, field: Option<&str>, left_out: u64) {
        let status = error.status().as_u16();
        let error = Plain(error);
        let field = field.map(tracing::field::display);
        tracing::info!(
            target: "squall::httpserver",
            status,
            %error,
            field,
            left_out,
            "request refused"
        );
    }

    fn tell_refusal(
        &self,
        stream: &StreamHandle,
        error: &Error,
        status: StatusCode,
        bytes_sent: usize,
    ) {
        self.tell(&RequestRecord {
            witness: self,
            stream,
            subject: Subject::Refusal {
                error,
                bytes_sent: bytes_sent as u64,
                number: self.ids.next(),
            },
            status,
            latency: Duration::ZERO,
            peer: PeerText::new(stream.peer_addr().and_then(|address| address.ip())),
        });
    }

    /// Counts what a peer is refused or cut off for; `on_timeout` is the cause where it is time.
    pub(crate) fn reject(&self, error: &Error, on_timeout: &str) {
        match error {
            Error::Protocol(fault) => self.counters.reject(&cause_of(fault)),
            Error::TimedOut => self.counters.reject(on_timeout),
            _ => {}
        }
    }

    /// Output that a peer was waited for has left, or not.
    pub(crate) fn note_delivery(&self, delivered: &Result<(), StreamError>) {
        if matches!(delivered, Err(StreamError::TimedOut)) {
            self.count_reject("timeout_write");
        }
    }

    /// Counts what a peer is refused or cut off for where no error says it.
    pub(crate) fn count_reject(&self, cause: &'static str) {
        self.counters.reject(cause);
    }

    // ---- who hears of it

    #[inline]
    fn tell(&self, record: &RequestRecord<'_>) {
        match &self.log {
            Some(log) if !self.reads.get().users => log.add(record),
            _ => self.tell_users(record),
        }
    }

    /// A filter and a function are the user's code, and a panic of theirs costs a line.
    fn tell_users(&self, record: &RequestRecord<'_>) {
        let told = catch_unwind(AssertUnwindSafe(|| {
            if let Some(log) = &self.log {
                log.add(record);
            }
            let function = self.function.borrow().clone();
            if let Some(function) = function {
                function(record);
            }
        }));
        if told.is_err() {
            tracing::error!(target: "squall::httpserver", "a log function has panicked");
        }
    }

    pub(super) fn worker(&self) -> Option<u32> {
        self.log.as_ref().and_then(|log| log.worker)
    }

    /// Writes what is to be written of the log, as far as its destination lets it in time.
    pub(crate) async fn flush(&self) {
        if let Some(log) = &self.log {
            // What is left then is counted as dropped, when the server goes.
            let _ = with_timeout(FLUSH_TIMEOUT, log.flush()).await;
        }
    }
}

pub(super) fn is_complete(exchange: &Inner) -> bool {
    matches!(exchange.phase.get(), Phase::Finished { .. })
}

/// `Peer(BareLf)` is `bare_lf`. Made of the fault's name and nothing that may stand behind it.
fn cause_of(fault: &squall_http1::Error) -> String {
    use squall_http1::Error as Fault;
    let shown = match fault {
        Fault::Peer(fault) => format!("{fault:?}"),
        Fault::Limit(fault) => format!("{fault:?}"),
        Fault::Local(fault) => format!("{fault:?}"),
    };
    let mut cause = String::with_capacity(shown.len() + 8);
    for character in shown.chars().take_while(char::is_ascii_alphanumeric) {
        if character.is_ascii_uppercase() && !cause.is_empty() {
            cause.push('_');
        }
        cause.push(character.to_ascii_lowercase());
    }
    cause
}

impl HttpServer {
    /// What the server is doing and has done so far: connections by state, requests by class,
    /// bytes, latencies, rejects by cause.
    ///
    /// Those of several workers can be summed up.
    pub fn metrics(&self) -> ServerMetrics {
        metrics_of(self.shared())
    }

    /// Calls `log` for each request that was answered or refused, beside the access log if there
    /// is one (Tornado's `log_function`). It runs on the loop, which waits for it. It takes the
    /// place of one that was set before. Without an access log, which may want it otherwise, times
    /// are exact from here on.
    pub fn set_log_function(&self, log: impl Fn(&RequestRecord<'_>) + 'static) {
        let witness = &self.shared().witness;
        let before = witness.function.replace(Some(Rc::new(log)));
        let mut reads = witness.reads.get();
        reads.records = true;
        reads.users = true;
        reads.exact_time |= witness.log.is_none();
        witness.reads.set(reads);
        // Dropped while nothing is borrowed: it is the user's.
        drop(before);
    }
}

fn metrics_of(server: &Shared) -> ServerMetrics {
    let witness = &server.witness;
    let mut metrics = ServerMetrics::of(&witness.counters, &server.guests);
    metrics.refusals_unlogged = witness.refusals.unlogged();
    metrics.log_lines_dropped = witness.log.as_ref().map_or(0, Log::lines_dropped);
    metrics
}

impl Exchange {
    /// The metrics of the server that serves this, as [`HttpServer::metrics`]: for a route that
    /// shows them to a collector. Keep that from those who need not see it.
    ///
    /// ```
    /// use http::{HeaderValue, header::CONTENT_TYPE};
    /// use squall_httpserver::{Exchange, OPENMETRICS_TYPE};
    ///
    /// async fn show(http: Exchange) {
    ///     let page = http.server_metrics().to_openmetrics();
    ///     // Both fail only if the answer has begun, or the peer is gone.
    ///     let _ = http.set_header(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS_TYPE));
    ///     let _ = http.write(page);
    ///     http.finish();
    /// }
    /// ```
    pub fn server_metrics(&self) -> ServerMetrics {
        self.with_link(|link| metrics_of(&link.server))
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.inner().seen
    }

    /// What was wrong with the content is counted where it is found.
    pub(crate) fn note_fault(&self, error: &Error) {
        self.with_link(|link| link.server.witness.reject(error, "timeout_content"));
    }

    /// The request's id: what it has brought in the field that the server trusts, or one of the
    /// server's own, which is chosen when it is first asked for. See
    /// [`RequestIds`](crate::RequestIds).
    pub fn request_id(&self) -> RequestId {
        self.with_link(|link| link.server.witness.request_id(self.inner()))
    }

    /// Tells the peer the id, if the server is to.
    #[inline]
    pub(crate) fn echo_request_id(&self, link: &Link) {
        if let Some(field) = &link.server.witness.ids.echoed {
            self.echo_request_id_in(field);
        }
    }

    #[cold]
    fn echo_request_id_in(&self, field: &HeaderName) {
        let value = self.request_id().to_value();
        // Cannot fail: the head is about to leave.
        let _ = self.set_header(field.clone(), value);
    }
}
