//! `RequestRecord`: what is known of a request when its answer is over, for whoever logs it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use http::{Method, StatusCode};
use squall_http1::{RequestHead, Version};
use squall_iostream::StreamHandle;
use tracing::Level;

use super::log_time::Second;
use super::peers::PeerText;
use super::witness::{Witness, is_complete};
use crate::state::Inner;
use crate::{Error, RequestId};

/// A request that was answered or refused.
///
/// What it lends is the peer's own, neither escaped nor bounded by more than the codec's limits.
///
/// ```
/// use squall_httpserver::{Exchange, HttpServer, RequestRecord};
/// use squall_ioloop::IoLoop;
/// use std::time::Duration;
///
/// let ioloop = IoLoop::new()?;
/// let server = HttpServer::new(&ioloop, |http: Exchange| async move { http.finish() });
/// server.set_log_function(|record: &RequestRecord<'_>| {
///     if record.latency() > Duration::from_secs(1) {
///         println!("slow: {}", record.request_id());
///     }
/// });
/// # std::io::Result::Ok(())
/// ```
pub struct RequestRecord<'a> {
    pub(super) witness: &'a Witness,
    pub(super) stream: &'a StreamHandle,
    pub(super) subject: Subject<'a>,
    pub(super) status: StatusCode,
    pub(super) latency: Duration,
    pub(super) peer: PeerText,
}

/// What the line is about.
pub(super) enum Subject<'a> {
    Exchange(&'a Inner),
    Refusal {
        error: &'a Error,
        bytes_sent: u64,
        number: u64,
    },
}

impl RequestRecord<'_> {
    /// The request's head; `None` if it was refused, since a head that is not whole or not valid
    /// says nothing that could be relied on.
    pub fn head(&self) -> Option<&RequestHead> {
        match self.subject {
            Subject::Exchange(inner) => Some(&inner.head),
            Subject::Refusal { .. } => None,
        }
    }

    /// Why it was refused before it was a request.
    pub fn refusal(&self) -> Option<&Error> {
        match self.subject {
            Subject::Exchange(_) => None,
            Subject::Refusal { error, .. } => Some(error),
        }
    }

    /// The request's method.
    pub fn method(&self) -> Option<&Method> {
        self.head().map(RequestHead::method)
    }

    /// The request-target as it was sent: visible ASCII.
    pub fn target(&self) -> Option<&str> {
        self.head().map(RequestHead::target)
    }

    /// The request's version.
    pub fn version(&self) -> Option<Version> {
        self.head().map(RequestHead::version)
    }

    /// The first value of a field of the request.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.head()?.field(name)
    }

    /// The answer's status, as the service or the server has set it.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether the answer ended as it should, as far as the server knows: it was not given up, and
    /// the peer had not left when it was finished.
    pub fn is_complete(&self) -> bool {
        match self.subject {
            Subject::Exchange(inner) => is_complete(inner),
            Subject::Refusal { .. } => true,
        }
    }

    /// The level of Tornado's `log_request`: information below 400, a warning below 500, else an
    /// error. A refused request is never more than a warning.
    pub fn level(&self) -> Level {
        match self.status.as_u16() {
            ..400 => Level::INFO,
            400..500 => Level::WARN,
            _ if self.refusal().is_some() => Level::WARN,
            _ => Level::ERROR,
        }
    }

    /// Bytes of the request: its head, and what was read of its content. None for one that was
    /// refused.
    pub fn bytes_received(&self) -> u64 {
        match self.subject {
            Subject::Exchange(inner) => {
                inner.head.as_bytes().len() as u64 + inner.seen.content_bytes_received()
            }
            Subject::Refusal { .. } => 0,
        }
    }

    /// Bytes of the answer that were given to the stream: its head and its content.
    pub fn bytes_sent(&self) -> u64 {
        match self.subject {
            Subject::Exchange(inner) => inner.seen.bytes_sent(),
            Subject::Refusal { bytes_sent, .. } => bytes_sent,
        }
    }

    /// Bytes of the answer's content that were given to the stream. None for one that was refused.
    pub fn content_bytes_sent(&self) -> u64 {
        match self.subject {
            Subject::Exchange(inner) => inner.seen.content_bytes_sent(),
            Subject::Refusal { .. } => 0,
        }
    }

    /// From the turn of the loop in which the request's head was there to the end of its answer;
    /// whether that is a turn too, see [`AccessLog::with_exact_time`](crate::AccessLog). Zero for
    /// one that was refused.
    pub fn latency(&self) -> Duration {
        self.latency
    }

    /// The time of day when the request's head was there.
    pub fn arrived_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.arrived_since_epoch()
    }

    pub(super) fn arrived_since_epoch(&self) -> Duration {
        let ioloop = &self.witness.ioloop;
        let since = self.since().unwrap_or_else(|| ioloop.now());
        self.witness.time.at(ioloop, since)
    }

    /// The turn in which the head was there, if that was not this one.
    #[inline]
    fn since(&self) -> Option<Instant> {
        match self.subject {
            Subject::Exchange(inner) => inner.seen.since(),
            Subject::Refusal { .. } => None,
        }
    }

    #[inline]
    pub(super) fn with_second<R>(&self, f: impl FnOnce(&Second) -> R) -> R {
        let witness = self.witness;
        witness.time.with_second(&witness.ioloop, self.since(), f)
    }

    /// The peer's address, if it has one of the Internet. Where the server is told whose word to
    /// take ([`Forwarded`](crate::Forwarded)), the client's, as
    /// [`Exchange::client_ip`](crate::Exchange::client_ip) has it; of a refused request, whose
    /// fields were not read, the peer's.
    pub fn remote_ip(&self) -> Option<IpAddr> {
        self.peer.as_str().parse().ok()
    }

    /// The peer's address and port, also behind a proxy. A system call, unless the service has
    /// asked before; `None` once the peer has reset the connection.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        let known = match self.subject {
            Subject::Exchange(inner) => inner.address.get().copied().flatten(),
            Subject::Refusal { .. } => None,
        };
        known.or_else(|| self.stream.peer_addr()?.inet())
    }

    /// The request's id: the one that the service has had, or told the peer.
    pub fn request_id(&self) -> RequestId {
        match self.subject {
            Subject::Exchange(inner) => self.witness.request_id(inner),
            Subject::Refusal { number, .. } => self.witness.ids.id(number),
        }
    }

    /// The number of the worker, if the log was given one.
    pub fn worker(&self) -> Option<u32> {
        self.witness.worker()
    }
}

impl std::fmt::Debug for RequestRecord<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestRecord")
            .field("status", &self.status)
            .field("method", &self.method())
            .field("target", &self.target())
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}
