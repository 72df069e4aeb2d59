//! What a drain is asked for, and what it tells: deadlines and counts by class.

use std::time::Duration;

/// How long connections have when a server stops, by what they are doing: the time from the
/// beginning of the drain, after which those that are in a class are cut.
///
/// Connections between two requests have none: they are closed at once, as every client of
/// HTTP/1.1 has to expect (RFC 9112, section 9.3.1).
///
/// ```
/// use squall_httpserver::DrainDeadlines;
/// use std::time::Duration;
/// // Downloads may take a while, all else as usual.
/// let deadlines = DrainDeadlines::default().with_downloads(Duration::from_secs(600));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct DrainDeadlines {
    pub(super) fresh: Duration,
    pub(super) heads: Duration,
    pub(super) requests: Duration,
    pub(super) downloads: Duration,
    pub(super) joined: Duration,
}

const FRESH: Duration = Duration::from_secs(1);

/// Five seconds less than what Kubernetes gives a process between its first signal and its last.
const ALL: Duration = Duration::from_secs(25);

impl Default for DrainDeadlines {
    fn default() -> Self {
        Self {
            heads: Duration::from_secs(5),
            ..Self::all(ALL)
        }
    }
}

impl DrainDeadlines {
    /// The same for all, but at most a second for connections that have not said anything yet.
    pub fn all(deadline: Duration) -> Self {
        Self {
            fresh: FRESH.min(deadline),
            heads: deadline,
            requests: deadline,
            downloads: deadline,
            joined: deadline,
        }
    }

    /// For connections that were accepted and have not sent a byte, and for handshakes of TLS:
    /// their first request is perhaps on its way, and unlike one on a kept connection its client
    /// does not expect to have to send it again. Then they are closed. Default 1 s, more than a
    /// way around the world and back.
    pub fn with_fresh(mut self, deadline: Duration) -> Self {
        self.fresh = deadline;
        self
    }

    /// For heads that have begun. Then they are answered with 408. Default 5 s.
    pub fn with_heads(mut self, deadline: Duration) -> Self {
        self.heads = deadline;
        self
    }

    /// For requests that are being answered. Default 25 s, five less than what Kubernetes gives.
    pub fn with_requests(mut self, deadline: Duration) -> Self {
        self.requests = deadline;
        self
    }

    /// For answers that are complete and that their peers are still taking. Default 25 s.
    pub fn with_downloads(mut self, deadline: Duration) -> Self {
        self.downloads = deadline;
        self
    }

    /// For what has [joined the drain](crate::Exchange::join_drain): WebSockets, streams of
    /// events. They are told when it begins, and close themselves; after this, nobody waits for
    /// them any more. Default 25 s.
    pub fn with_joined(mut self, deadline: Duration) -> Self {
        self.joined = deadline;
        self
    }

    pub(super) fn longest(&self) -> Duration {
        let all = [
            self.fresh,
            self.heads,
            self.requests,
            self.downloads,
            self.joined,
        ];
        all.into_iter().max().unwrap_or_default()
    }
}

/// How a server's connections ended when it stopped.
///
/// ```
/// use squall_httpserver::{Exchange, HttpServer};
/// use squall_ioloop::IoLoop;
/// use std::time::Duration;
///
/// let ioloop = IoLoop::new()?;
/// let server = HttpServer::new(&ioloop, |http: Exchange| async move { http.finish() });
/// let report = ioloop.run_until(server.stop(Duration::from_secs(1)))?;
/// assert_eq!((report.cut, report.downloads.cut), (0, 0));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Closed between requests, or before the first.
    pub idle: usize,
    /// Finished what they were doing, in all classes.
    pub finished: usize,
    /// Cut at their deadline, in all classes.
    pub cut: usize,
    /// Those whose head, or whose handshake, did not become whole.
    pub heads: DrainCounts,
    /// Those whose request was being answered.
    pub requests: DrainCounts,
    /// Those that were taking the end of an answer.
    pub downloads: DrainCounts,
    /// What had joined the drain.
    pub joined: DrainCounts,
}

impl DrainReport {
    /// Adds what another server has told.
    pub fn add(&mut self, other: &Self) {
        self.idle += other.idle;
        self.finished += other.finished;
        self.cut += other.cut;
        let classes = [
            (&mut self.heads, other.heads),
            (&mut self.requests, other.requests),
            (&mut self.downloads, other.downloads),
            (&mut self.joined, other.joined),
        ];
        for (sum, counts) in classes {
            sum.finished += counts.finished;
            sum.cut += counts.cut;
        }
    }
}

/// How those of one class ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainCounts {
    /// By themselves.
    pub finished: usize,
    /// At the deadline.
    pub cut: usize,
}
