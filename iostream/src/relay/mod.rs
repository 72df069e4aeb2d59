//! A relay: what one stream receives, another one sends, both ways, until both have ended. The
//! heart of a proxy. One direction is in `direction.rs`, the system's `splice` in `splice.rs`.

mod direction;
mod splice;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use squall_ioloop::{Handle, Sleep, sleep};

use crate::{IoStream, StreamError};
use direction::Direction;

/// Settings of [`relay`].
///
/// ```
/// use squall_iostream::RelayOptions;
/// use std::time::Duration;
/// let options = RelayOptions::default().idle_timeout(Some(Duration::from_secs(3600)));
/// ```
#[derive(Clone, Debug)]
pub struct RelayOptions {
    idle_timeout: Option<Duration>,
    may_splice: bool,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            idle_timeout: Some(Duration::from_secs(300)),
            may_splice: true,
        }
    }
}

impl RelayOptions {
    /// How long no byte may move, in either direction, before the relay ends. Default five
    /// minutes: long enough for a keep-alive of the protocol inside, and an end for peers that
    /// have vanished without a word. `None` waits for ever.
    #[must_use]
    pub fn idle_timeout(mut self, after: Option<Duration>) -> Self {
        self.idle_timeout = after;
        self
    }

    /// Whether the system may move bytes by itself (`splice`, on Linux, between plain sockets and
    /// pipes) where many come at once. Default on; the outcome is the same either way.
    #[must_use]
    pub fn splice(mut self, on: bool) -> Self {
        self.may_splice = on;
        self
    }
}

/// How many bytes a relay has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// From the first stream to the second.
    pub a_to_b: u64,
    /// From the second stream to the first.
    pub b_to_a: u64,
}

/// One of a relay's two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// A relay that has ended before both of its streams had.
#[derive(Clone, Debug)]
pub struct RelayError {
    /// What was moved until then.
    pub relayed: Relayed,
    /// What has ended it.
    pub fault: RelayFault,
}

/// What ended a relay before its time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RelayFault {
    /// Nothing has moved for [`RelayOptions::idle_timeout`].
    Idle,
    /// One of the streams could not be read: reset by its peer, or its deadline has passed.
    Reading(Side, StreamError),
    /// One of the streams could not be written to.
    Writing(Side, StreamError),
}

/// Moves what `a` receives to `b` and what `b` receives to `a`, until both have ended.
///
/// - **Ends are passed on**: where one stream has ended, the other's writing side is shut down once
///   all before it is sent, and the other direction goes on. Both streams are closed when the relay
///   is done, or dropped.
/// - **Back-pressure**: a peer that reads slowly makes the relay read slowly. At most 128 KiB are
///   held for each direction, and a direction that is idle holds nothing.
/// - **After a failure** what was already taken from a stream is still sent, then both are aborted,
///   so that neither peer takes a part for the whole, and the error tells of which. So they are
///   when the relay is dropped before its end.
/// - **No copy in bulk**: on Linux, where both streams are plain sockets or pipes and 16 KiB or
///   more come at once, the system moves them without showing them to the process. What is small
///   is copied, which is cheaper then. A program in which SIGPIPE is deadly, as only those of
///   other languages are, has to ignore it or turn that off: `splice` has no flag for it.
///
/// What others write to the streams meanwhile, through handles, is mixed in between.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{Relayed, RelayOptions, memory, relay};
///
/// let ioloop = IoLoop::new()?;
/// let (mut client, front) = memory::pair(&ioloop, memory::Options::default());
/// let (back, mut server) = memory::pair(&ioloop, memory::Options::default());
/// let relaying = ioloop.spawn(async { relay(front, back, &RelayOptions::default()).await });
/// ioloop.run_until(async {
///     client.write(b"ping")?;
///     assert_eq!(server.read_bytes(4).await?, b"ping");
///     server.write(b"hello")?;
///     server.shutdown_write().await?;
///     assert_eq!(client.read_until_close(100).await?, b"hello");
///     Ok::<_, squall_iostream::StreamError>(())
/// })??;
/// drop(client);
/// let relayed = ioloop.run_until(relaying)???;
/// assert_eq!(relayed, Relayed { a_to_b: 4, b_to_a: 5 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RelayError`], which also says how much was moved.
///
/// # Panics
/// When the streams are on different loops.
pub async fn relay(
    a: IoStream,
    b: IoStream,
    options: &RelayOptions,
) -> Result<Relayed, RelayError> {
    assert!(
        a.ioloop().is_same_loop(b.ioloop()),
        "a relay is between two streams of one loop"
    );
    let may_splice = options.may_splice;
    let mut there = Direction::new(Side::A, Side::B, may_splice);
    let mut back = Direction::new(Side::B, Side::A, may_splice);
    let mut idle = Idle::new(a.ioloop(), options.idle_timeout);
    let mut ends = Ends {
        a,
        b,
        is_whole: false,
    };
    let end = poll_fn(|cx| {
        let Ends { a, b, .. } = &mut ends;
        loop {
            let is_there = there.poll(cx, a, b).is_ready();
            let is_back = back.poll(cx, b, a).is_ready();
            // A failure of one stops the other, which may have to send what it holds.
            let has_stopped_one =
                there.has_failed() && back.stop() || back.has_failed() && there.stop();
            if is_there && is_back {
                return Poll::Ready(Ok(()));
            }
            if !has_stopped_one {
                break;
            }
        }
        let progress = [there.progress(), back.progress()];
        let unsent = [a.unsent_len(), b.unsent_len()];
        idle.poll(cx, (progress, unsent))
            .map(|()| Err(RelayFault::Idle))
    })
    .await;
    let relayed = Relayed {
        a_to_b: there.taken(),
        b_to_a: back.taken(),
    };
    let fault = end.err().or(there.into_fault()).or(back.into_fault());
    match fault {
        None => {
            ends.is_whole = true;
            Ok(relayed)
        }
        Some(fault) => Err(RelayError { relayed, fault }),
    }
}

/// The streams of a relay. Peers that have not been told all are told so.
struct Ends {
    a: IoStream,
    b: IoStream,
    is_whole: bool,
}

impl Drop for Ends {
    fn drop(&mut self) {
        if !self.is_whole {
            self.a.abort();
            self.b.abort();
        }
    }
}

/// What changes whenever a byte has moved.
type Progress = ([u64; 2], [usize; 2]);

/// Watches for progress. One timer, set anew when it fires and not when something moves.
struct Idle {
    ioloop: Handle,
    after: Option<Duration>,
    last: Instant,
    progress: Progress,
    sleep: Option<Sleep>,
}

impl Idle {
    fn new(ioloop: &Handle, after: Option<Duration>) -> Self {
        Self {
            ioloop: ioloop.clone(),
            after,
            last: ioloop.now(),
            progress: Progress::default(),
            sleep: after.map(sleep),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, progress: Progress) -> Poll<()> {
        if self.progress != progress {
            self.progress = progress;
            self.last = self.ioloop.now();
        }
        let (Some(sleeping), Some(after)) = (&mut self.sleep, self.after) else {
            return Poll::Pending;
        };
        while Pin::new(&mut *sleeping).poll(cx).is_ready() {
            let idle = self.ioloop.now() - self.last;
            if idle >= after {
                return Poll::Ready(());
            }
            *sleeping = sleep(after - idle);
        }
        Poll::Pending
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "first",
            Self::B => "second",
        })
    }
}

impl fmt::Display for RelayFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("nothing has moved for too long"),
            Self::Reading(side, error) => write!(f, "reading from the {side} stream: {error}"),
            Self::Writing(side, error) => write!(f, "writing to the {side} stream: {error}"),
        }
    }
}

impl fmt::Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Relayed { a_to_b, b_to_a } = self.relayed;
        write!(
            f,
            "{} (after {a_to_b} bytes there and {b_to_a} back)",
            self.fault
        )
    }
}

impl std::error::Error for RelayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            RelayFault::Idle => None,
            RelayFault::Reading(_, error) | RelayFault::Writing(_, error) => Some(error),
        }
    }
}
