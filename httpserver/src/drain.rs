//! Who keeps a stopping server waiting, and how each of them ended.
//!
//! A connection is a guest while it is open; what outlives its exchange, as a WebSocket does, joins
//! as one. `server.rs` begins the drain, waits for the last guest, and cuts those who stay.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use slab::Slab;
use squall_ioloop::Handle;
use squall_iostream::StreamHandle;

use crate::seeing::Doing;
use crate::server::Shared;

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
/// assert_eq!(report.cut, 0);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Closed at once: between requests.
    pub idle: usize,
    /// Finished what they were doing.
    pub finished: usize,
    /// Cut at the deadline.
    pub cut: usize,
}

/// Told once when the server stops.
type Notice = Box<dyn FnOnce()>;

/// The guests of a server, and how far its drain is.
#[derive(Default)]
pub(crate) struct Guests {
    entries: RefCell<Slab<Entry>>,
    stage: Cell<Stage>,
    report: Cell<DrainReport>,
    /// Wait for the last guest to leave: one for each call of `stop`.
    waiting: RefCell<Vec<Waker>>,
}

enum Entry {
    Connection { stream: StreamHandle, is_idle: bool },
    Joined { on_drain: Option<Notice> },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    Draining,
    /// The deadline has passed, and the report is made.
    Cut,
}

impl Guests {
    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.stage.get() != Stage::Open
    }

    pub(crate) fn report(&self) -> DrainReport {
        self.report.get()
    }

    /// Ends the patience of idle connections, and tells those who have joined, in the next turn.
    pub(crate) fn begin_drain(&self, ioloop: &Handle) {
        if self.stage.get() == Stage::Open {
            self.stage.set(Stage::Draining);
        }
        for (_, entry) in self.entries.borrow_mut().iter_mut() {
            match entry {
                // Not closed: a request that has arrived and was not looked at is still answered.
                Entry::Connection {
                    stream,
                    is_idle: true,
                } => stream.set_deadline(Some(Duration::ZERO)),
                Entry::Connection { .. } => {}
                Entry::Joined { on_drain } => {
                    if let Some(notice) = on_drain.take() {
                        ioloop.add_callback(notice);
                    }
                }
            }
        }
    }

    /// Waits until the last guest has left.
    pub(crate) async fn left(&self) {
        poll_fn(|cx| {
            if self.entries.borrow().is_empty() {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|known| known.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Closes the connections of those who are still here, and counts them.
    pub(crate) fn cut(&self) {
        self.stage.set(Stage::Cut);
        let mut report = self.report.get();
        let mut streams = Vec::new();
        for (_, entry) in self.entries.borrow().iter() {
            report.count(entry, |report| report.cut += 1);
            if let Entry::Connection { stream, .. } = entry {
                streams.push(stream.clone());
            }
        }
        self.report.set(report);
        for stream in streams {
            stream.close();
        }
    }

    fn leave(&self, key: usize) {
        let entry = self.entries.borrow_mut().try_remove(key);
        if let (Stage::Draining, Some(entry)) = (self.stage.get(), &entry) {
            let mut report = self.report.get();
            report.count(entry, |report| report.finished += 1);
            self.report.set(report);
        }
        // A notice that was never given is the user's, and may do anything when it is dropped.
        drop(entry);
        if self.entries.borrow().is_empty() {
            for waker in self.waiting.take() {
                waker.wake();
            }
        }
    }
}

impl DrainReport {
    /// Idle connections are idle however the drain goes on.
    fn count(&mut self, entry: &Entry, otherwise: impl FnOnce(&mut Self)) {
        match entry {
            Entry::Connection { is_idle: true, .. } => self.idle += 1,
            _ => otherwise(self),
        }
    }
}

impl Shared {
    pub(crate) fn register(self: &Rc<Self>, stream: StreamHandle) -> Guest {
        let mut guest = self.admit(Entry::Connection {
            stream,
            is_idle: false,
        });
        guest.doing = self.watch.open(guest.key);
        guest
    }

    /// For what is to be finished and wants no notice.
    pub(crate) fn stay(self: &Rc<Self>) -> Guest {
        self.admit(Entry::Joined { on_drain: None })
    }

    pub(crate) fn join(self: &Rc<Self>) -> DrainGuard {
        DrainGuard {
            guest: self.admit(Entry::Joined { on_drain: None }),
        }
    }

    fn admit(self: &Rc<Self>, entry: Entry) -> Guest {
        let key = self.guests.entries.borrow_mut().insert(entry);
        Guest {
            server: self.clone(),
            key: u32::try_from(key).expect("fewer than 2^32 guests"),
            is_idle: false,
            doing: Doing::default(),
        }
    }
}

/// A place among the guests, given back when dropped.
pub(crate) struct Guest {
    server: Rc<Shared>,
    key: u32,
    is_idle: bool,
    doing: Doing,
}

impl Guest {
    pub(crate) fn server(&self) -> &Rc<Shared> {
        &self.server
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// Its number, which no other guest has at the same time.
    pub(crate) fn key(&self) -> u32 {
        self.key
    }

    /// For the counts.
    pub(crate) fn set_reading(&mut self, now: bool) {
        let to = if now { Doing::Reading } else { Doing::Busy };
        if self.doing != to {
            self.server.watch.read(&mut self.doing, to);
        }
    }

    /// Idle connections are closed at once when the server stops.
    pub(crate) fn set_idle(&mut self, now: bool) {
        if self.is_idle != now {
            self.server.watch.idle(now);
        }
        self.is_idle = now;
        let mut entries = self.server.guests.entries.borrow_mut();
        if let Some(Entry::Connection { is_idle, .. }) = entries.get_mut(self.key as usize) {
            *is_idle = now;
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.server.watch.close(self.doing, self.is_idle);
        self.server.guests.leave(self.key as usize);
    }
}

/// Keeps a stopping server waiting, see [`Exchange::join_drain`](crate::Exchange::join_drain).
///
/// ```
/// use squall_httpserver::Exchange;
/// use squall_ioloop::{Handle, sleep};
/// use std::time::Duration;
///
/// async fn order(http: Exchange) {
///     let guard = http.join_drain().on_drain(|| println!("the server is stopping"));
///     http.finish();
///     Handle::current().spawn_detached(async move {
///         sleep(Duration::from_secs(3)).await; // the parcel is packed
///         drop(guard);
///     });
/// }
/// ```
#[must_use = "dropping the guard leaves the drain"]
pub struct DrainGuard {
    guest: Guest,
}

impl DrainGuard {
    /// Calls `callback` once, in a turn of its own, when the server stops gracefully; in the next
    /// turn if it is stopping already. It takes the place of one that was given before.
    pub fn on_drain(self, callback: impl FnOnce() + 'static) -> Self {
        let server = &self.guest.server;
        if server.guests.is_draining() {
            server.ioloop.add_callback(callback);
            return self;
        }
        let joined = Entry::Joined {
            on_drain: Some(Box::new(callback)),
        };
        let before = server
            .guests
            .entries
            .borrow_mut()
            .get_mut(self.guest.key as usize)
            .map(|entry| std::mem::replace(entry, joined));
        // Dropped while nothing is borrowed: it is the user's.
        drop(before);
        self
    }
}

impl fmt::Debug for DrainGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainGuard").finish_non_exhaustive()
    }
}
