//! Who keeps a stopping server waiting, and how each of them ended.
//!
//! A connection is a guest while it is open; what outlives its exchange, as a WebSocket does, joins
//! as one. What a guest is doing is its class; each class has a deadline of its own:
//!
//! ```text
//!   Entering -> Fresh -> Head -> Request -> Download -> Idle -> Head ...
//!      (TLS)       \________________^                \_____________^
//!                                                   Joined (WebSocket, a service that goes on)
//! ```
//! What is asked and what is told are in `drain/report.rs`.

mod report;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;
use squall_ioloop::{Handle, JoinHandle, with_timeout};
use squall_iostream::StreamHandle;

use crate::server::Shared;

pub use report::{DrainCounts, DrainDeadlines, DrainReport};

/// An enormous deadline is one that never comes, and no sum that overflows: a century.
const FRESH_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Told once when the server stops.
type Notice = Box<dyn FnOnce()>;

/// The guests of a server, and how far its drain is.
#[derive(Default)]
pub(crate) struct Guests {
    entries: RefCell<Slab<Entry>>,
    stage: Cell<Stage>,
    /// Until when new connections may send their first byte, while the server drains.
    fresh_until: Cell<Option<Instant>>,
    report: Cell<DrainReport>,
    /// How many there are of each class.
    counts: [Cell<u32>; Class::COUNT],
    /// Of the entries, those that were cut, and are in the report.
    cut: Cell<usize>,
    /// Wait for the last guest to leave: one for each call of `drain`.
    waiting: RefCell<Vec<Waker>>,
}

/// Small, for each idle connection has one: what is rare is boxed.
enum Entry {
    Connection {
        stream: StreamHandle,
        class: Class,
        is_cut: bool,
    },
    /// At the entrance: a PROXY header, a handshake.
    Entering {
        task: Option<Box<JoinHandle<()>>>,
        is_cut: bool,
    },
    Joined {
        on_drain: Option<Notice>,
        is_cut: bool,
    },
}

/// What a guest is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// It is not a connection of HTTP yet.
    Entering,
    /// It has not sent a byte.
    Fresh,
    /// It has had an answer, and has not sent another byte.
    Idle,
    /// Its head has begun.
    Head,
    /// It is being answered.
    Request,
    /// It is answered, and takes its time to take it.
    Download,
    /// It is no connection of HTTP any more.
    Joined,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    Draining,
    /// Everybody has left, or the last deadline has passed.
    Over,
}

impl Guests {
    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// How many guests of this class there are.
    pub(crate) fn count(&self, class: Class) -> u64 {
        self.counts[class as usize].get().into()
    }

    /// A guest of one class is now of another; `None` before it comes and when it has left.
    fn recount(&self, before: Option<Class>, now: Option<Class>) {
        if let Some(count) = before.map(|class| &self.counts[class as usize]) {
            count.set(count.get() - 1);
        }
        if let Some(count) = now.map(|class| &self.counts[class as usize]) {
            count.set(count.get() + 1);
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.stage.get() != Stage::Open
    }

    /// How long a guest of this class may keep a server waiting that drains, if it might keep
    /// another for `timeout`; `None` if it should leave.
    pub(crate) fn patience(
        &self,
        class: Class,
        timeout: Duration,
        now: Instant,
    ) -> Option<Duration> {
        match (self.stage.get(), class) {
            (Stage::Open, _) | (_, Class::Head) => Some(timeout),
            (Stage::Draining, Class::Fresh) => {
                let left = self.fresh_until.get()?.saturating_duration_since(now);
                (!left.is_zero()).then_some(left.min(timeout))
            }
            (Stage::Draining | Stage::Over, _) => None,
        }
    }

    /// Waits until all have left, and cuts each class at its deadline.
    pub(crate) async fn drain(&self, ioloop: &Handle, deadlines: &DrainDeadlines) -> DrainReport {
        let began = ioloop.now();
        self.begin_drain(ioloop, deadlines);
        let classes: [(Duration, &[Class]); 5] = [
            (deadlines.fresh, &[Class::Entering, Class::Fresh]),
            (deadlines.heads, &[Class::Head]),
            (deadlines.requests, &[Class::Request]),
            (deadlines.downloads, &[Class::Download]),
            (deadlines.joined, &[Class::Joined]),
        ];
        let longest = deadlines.longest();
        let mut phases: Vec<_> = classes.into_iter().filter(|one| one.0 < longest).collect();
        phases.sort_by_key(|phase| phase.0);
        for (after, classes) in phases {
            if self.left_by(ioloop, began, after).await {
                break;
            }
            self.cut(|class| classes.contains(&class), false);
        }
        if !self.left_by(ioloop, began, longest).await {
            self.cut(|_| true, true);
        }
        self.stage.set(Stage::Over);
        self.report.get()
    }

    /// Ends the patience of idle connections, and tells those who have joined, in the next turn.
    fn begin_drain(&self, ioloop: &Handle, deadlines: &DrainDeadlines) {
        let fresh_for = deadlines.fresh.min(FRESH_MAX);
        let fresh_until = ioloop.now() + fresh_for;
        let known = self.fresh_until.get().unwrap_or(fresh_until);
        self.fresh_until.set(Some(known.min(fresh_until)));
        if self.stage.get() == Stage::Open {
            self.stage.set(Stage::Draining);
        }
        for (_, entry) in self.entries.borrow_mut().iter_mut() {
            match entry {
                // Not closed: a request that has arrived and was not looked at is still answered.
                Entry::Connection {
                    stream,
                    class: Class::Idle,
                    ..
                } => stream.set_deadline(Some(Duration::ZERO)),
                Entry::Connection { .. } | Entry::Entering { .. } => {}
                Entry::Joined { on_drain, .. } => {
                    if let Some(notice) = on_drain.take() {
                        ioloop.add_callback(notice);
                    }
                }
            }
        }
    }

    /// Whether the last guest has left so long after the beginning.
    async fn left_by(&self, ioloop: &Handle, began: Instant, after: Duration) -> bool {
        let passed = ioloop.now().saturating_duration_since(began);
        let left = after.saturating_sub(passed);
        with_timeout(left, self.left()).await.is_ok()
    }

    /// Waits until the last guest has left that was not cut.
    async fn left(&self) {
        poll_fn(|cx| {
            if self.is_left() {
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

    fn is_left(&self) -> bool {
        self.entries.borrow().len() == self.cut.get()
    }

    /// Cuts those of some classes who are still here, and counts them. Those who can still be
    /// answered are, unless it is the `last` cut.
    fn cut(&self, is_meant: impl Fn(Class) -> bool, last: bool) {
        let mut report = self.report.get();
        let mut streams = Vec::new();
        let mut tasks = Vec::new();
        for (_, entry) in &mut *self.entries.borrow_mut() {
            let class = entry.class();
            if !is_meant(class) || std::mem::replace(entry.is_cut(), true) {
                continue;
            }
            match entry {
                Entry::Connection { stream, .. } if !last && class.ends_by_a_deadline() => {
                    stream.set_deadline(Some(Duration::ZERO));
                    *entry.is_cut() = false;
                    continue;
                }
                Entry::Connection { stream, .. } => streams.push(stream.clone()),
                Entry::Entering { task, .. } => tasks.extend(task.take()),
                Entry::Joined { .. } => {}
            }
            report.count_cut(class);
            self.cut.set(self.cut.get() + 1);
        }
        self.report.set(report);
        for stream in streams {
            stream.close();
        }
        for task in tasks {
            task.abort();
        }
        self.wake_if_left();
    }

    fn leave(&self, key: usize) {
        let mut entry = self.entries.borrow_mut().try_remove(key);
        if let Some(entry) = &mut entry {
            self.recount(Some(entry.class()), None);
            if *entry.is_cut() {
                self.cut.set(self.cut.get() - 1);
            } else if self.stage.get() == Stage::Draining {
                let mut report = self.report.get();
                report.count_left(entry.class());
                self.report.set(report);
            }
        }
        // A notice that was never given is the user's, and may do anything when it is dropped.
        drop(entry);
        self.wake_if_left();
    }

    fn wake_if_left(&self) {
        if self.is_left() {
            for waker in self.waiting.take() {
                waker.wake();
            }
        }
    }

    /// How what is at the entrance can be ended.
    pub(crate) fn set_task(&self, guest: u32, running: JoinHandle<()>) {
        if let Some(Entry::Entering { task, .. }) =
            self.entries.borrow_mut().get_mut(guest as usize)
        {
            *task = Some(Box::new(running));
        }
    }
}

impl Entry {
    fn class(&self) -> Class {
        match self {
            Self::Connection { class, .. } => *class,
            Self::Entering { .. } => Class::Entering,
            Self::Joined { .. } => Class::Joined,
        }
    }

    fn is_cut(&mut self) -> &mut bool {
        match self {
            Self::Connection { is_cut, .. }
            | Self::Entering { is_cut, .. }
            | Self::Joined { is_cut, .. } => is_cut,
        }
    }
}

impl Class {
    const COUNT: usize = 7;

    /// Whether the end of its deadline has a connection say what is to be said, and leave.
    fn ends_by_a_deadline(self) -> bool {
        matches!(self, Self::Fresh | Self::Idle | Self::Head)
    }
}

impl DrainReport {
    /// Idle connections are idle however the drain goes on, and what has passed the entrance is
    /// counted when it leaves.
    fn count_left(&mut self, class: Class) {
        let counts = match class {
            Class::Fresh | Class::Idle => return self.idle += 1,
            Class::Entering => return,
            Class::Head => return self.count_cut(class),
            Class::Request => &mut self.requests,
            Class::Download => &mut self.downloads,
            Class::Joined => &mut self.joined,
        };
        counts.finished += 1;
        self.finished += 1;
    }

    fn count_cut(&mut self, class: Class) {
        let counts = match class {
            Class::Fresh | Class::Idle => return self.idle += 1,
            Class::Entering | Class::Head => &mut self.heads,
            Class::Request => &mut self.requests,
            Class::Download => &mut self.downloads,
            Class::Joined => &mut self.joined,
        };
        counts.cut += 1;
        self.cut += 1;
    }
}

impl Shared {
    pub(crate) fn register(self: &Rc<Self>, stream: StreamHandle) -> Guest {
        let class = Class::Fresh;
        let entry = Entry::Connection {
            stream,
            class,
            is_cut: false,
        };
        let guest = self.admit(entry, class);
        self.witness.open(guest.key);
        guest
    }

    /// For what is not a connection yet.
    pub(crate) fn enter(self: &Rc<Self>) -> Guest {
        let entry = Entry::Entering {
            task: None,
            is_cut: false,
        };
        self.admit(entry, Class::Entering)
    }

    /// For what is to be finished and wants no notice.
    pub(crate) fn stay(self: &Rc<Self>) -> Guest {
        let entry = Entry::Joined {
            on_drain: None,
            is_cut: false,
        };
        self.admit(entry, Class::Joined)
    }

    pub(crate) fn join(self: &Rc<Self>) -> DrainGuard {
        DrainGuard { guest: self.stay() }
    }

    fn admit(self: &Rc<Self>, entry: Entry, class: Class) -> Guest {
        self.guests.recount(None, Some(class));
        let key = self.guests.entries.borrow_mut().insert(entry);
        Guest {
            server: self.clone(),
            key: u32::try_from(key).expect("fewer than 2^32 guests"),
            class,
        }
    }
}

/// A place among the guests, given back when dropped.
pub(crate) struct Guest {
    server: Rc<Shared>,
    key: u32,
    class: Class,
}

impl Guest {
    pub(crate) fn server(&self) -> &Rc<Shared> {
        &self.server
    }

    pub(crate) fn key(&self) -> u32 {
        self.key
    }

    pub(crate) fn class(&self) -> Class {
        self.class
    }

    /// Says what the connection is doing now.
    pub(crate) fn set_class(&mut self, now: Class) {
        self.server.guests.recount(Some(self.class), Some(now));
        self.class = now;
        let mut entries = self.server.guests.entries.borrow_mut();
        if let Some(Entry::Connection { class, .. }) = entries.get_mut(self.key as usize) {
            *class = now;
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
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
            is_cut: false,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten thousand idle connections are ten thousand of these.
    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 24);
    }
}
