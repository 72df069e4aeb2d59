//! What a server has counted, as a value: to be looked at, summed over workers, and written for a
//! collector (`openmetrics.rs`).

use std::collections::BTreeMap;
use std::iter::Sum;
use std::ops::AddAssign;

use super::counters::Counters;
use super::histogram::Histogram;
use crate::drain::{Class, Guests};

/// What an [`HttpServer`](crate::HttpServer) is doing, and has done since it was made.
///
/// Each server counts for itself, in cells of its loop. Its snapshot is `Send`: those of several
/// workers are summed up.
///
/// ```
/// use squall_httpserver::{Exchange, HttpServer, ServerMetrics};
/// use squall_ioloop::IoLoop;
///
/// let ioloop = IoLoop::new()?;
/// let hello = |http: Exchange| async move { http.finish() };
/// let servers = [HttpServer::new(&ioloop, hello), HttpServer::new(&ioloop, hello)];
/// let all: ServerMetrics = servers.iter().map(HttpServer::metrics).sum();
/// assert_eq!(all.requests.total(), 0);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerMetrics {
    /// Connections, by what they are doing.
    pub connections: ConnectionMetrics,
    /// Requests, by how they were answered.
    pub requests: RequestMetrics,
    /// Bytes of heads and content that requests had; without the frames of chunks, and without
    /// what a transport such as TLS adds.
    pub bytes_received: u64,
    /// Bytes of heads and content that were given to streams as answers, counted as those of
    /// requests. A peer that has left may not have taken them.
    pub bytes_sent: u64,
    /// From the turn in which a request's head was there to the end of its answer. Measured in
    /// turns of the loop: what was answered in the turn in which it came took no time, unless an
    /// access log asks for more exact times.
    pub latency: Histogram,
    /// What was refused or cut off, by cause: the name of the codec's fault (`bare_lf`,
    /// `head_bytes`), or `timeout_idle`, `timeout_header`, `timeout_content`, `timeout_write`,
    /// `shed`; `proxy_header` and `tls_handshake` for connections that did not become one of HTTP,
    /// unless the peer has left by itself.
    pub rejects: BTreeMap<String, u64>,
    /// Refused requests that had no log line, since there were too many of them.
    pub refusals_unlogged: u64,
    /// Lines of the access log that could not be written. A log that several servers share counts
    /// for all of them, and is counted once in their sum.
    pub log_lines_dropped: u64,
}

/// Connections of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionMetrics {
    /// Taken from listeners, or given to [`serve_stream`](crate::HttpServer::serve_stream), so
    /// far.
    pub accepted: u64,
    /// Gone so far, or handed over to another protocol.
    pub closed: u64,
    /// Between requests now, or before their first.
    pub idle: u64,
    /// In the midst of a request's head now.
    pub reading: u64,
    /// With a request that the service answers now.
    pub answering: u64,
    /// Sending the rest of an answer now, or waiting for the peer's last word.
    pub writing: u64,
    /// What has joined the drain now: WebSockets and other work that outlives its exchange.
    pub joined: u64,
}

/// Requests of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestMetrics {
    /// Being answered now.
    pub in_flight: u64,
    /// Answered with 1xx: handed over to another protocol.
    pub informational: u64,
    /// Answered with 2xx.
    pub successful: u64,
    /// Answered with 3xx.
    pub redirected: u64,
    /// Answered with 4xx, the refused ones included.
    pub client_errors: u64,
    /// Answered with 5xx.
    pub server_errors: u64,
    /// Of all of these, those whose answer did not end as it should: the peer has left, or it was
    /// given up.
    pub incomplete: u64,
}

impl RequestMetrics {
    /// All that were answered, however.
    pub fn total(&self) -> u64 {
        self.by_class().iter().map(|(_, count)| count).sum()
    }

    pub(super) fn by_class(&self) -> [(&'static str, u64); 5] {
        [
            ("1xx", self.informational),
            ("2xx", self.successful),
            ("3xx", self.redirected),
            ("4xx", self.client_errors),
            ("5xx", self.server_errors),
        ]
    }
}

impl ServerMetrics {
    pub(super) fn of(counters: &Counters, guests: &Guests) -> Self {
        let count = |class| guests.count(class);
        let idle = count(Class::Fresh) + count(Class::Idle);
        let (reading, answering) = (count(Class::Head), counters.in_flight.get());
        let open = idle + reading + count(Class::Request) + count(Class::Download);
        let [
            informational,
            successful,
            redirected,
            client_errors,
            server_errors,
        ] = std::array::from_fn(|class| counters.classes[class].get());
        Self {
            connections: ConnectionMetrics {
                accepted: counters.accepted.get(),
                closed: counters.accepted.get() - open,
                idle,
                reading,
                answering,
                // What is none of the others has something to send.
                writing: open.saturating_sub(idle + reading + answering),
                joined: count(Class::Joined),
            },
            requests: RequestMetrics {
                in_flight: answering,
                informational,
                successful,
                redirected,
                client_errors,
                server_errors,
                incomplete: counters.incomplete.get(),
            },
            bytes_received: counters.bytes_received.get(),
            bytes_sent: counters.bytes_sent.get(),
            latency: counters.latencies.snapshot(),
            rejects: counters.rejects(),
            refusals_unlogged: 0,
            log_lines_dropped: 0,
        }
    }
}

impl AddAssign for ServerMetrics {
    fn add_assign(&mut self, other: Self) {
        let (ours, theirs) = (&mut self.connections, other.connections);
        ours.accepted += theirs.accepted;
        ours.closed += theirs.closed;
        ours.idle += theirs.idle;
        ours.reading += theirs.reading;
        ours.answering += theirs.answering;
        ours.writing += theirs.writing;
        ours.joined += theirs.joined;
        let (ours, theirs) = (&mut self.requests, other.requests);
        ours.in_flight += theirs.in_flight;
        ours.informational += theirs.informational;
        ours.successful += theirs.successful;
        ours.redirected += theirs.redirected;
        ours.client_errors += theirs.client_errors;
        ours.server_errors += theirs.server_errors;
        ours.incomplete += theirs.incomplete;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.latency.add(&other.latency);
        for (cause, count) in other.rejects {
            *self.rejects.entry(cause).or_default() += count;
        }
        self.refusals_unlogged += other.refusals_unlogged;
        // Workers share their log.
        self.log_lines_dropped = self.log_lines_dropped.max(other.log_lines_dropped);
    }
}

impl Sum for ServerMetrics {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        let mut all = Self::default();
        for part in parts {
            all += part;
        }
        all
    }
}
