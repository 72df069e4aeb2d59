//! The loop itself: one turn, and the ways to make it turn.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::remote::{Post, Shared};
use crate::{Builder, Handle, Origin, Stopped, Token, current, sys, wakers};

/// An event loop, owned. See the [crate's page](crate) for a drawing of a turn.
///
/// Dropping it closes it: tasks, callbacks, handlers and timers are dropped, posts from other
/// threads fail.
///
/// # Panics
/// All methods that turn the loop panic when called from inside one of its own turns.
pub struct IoLoop {
    handle: Handle,
    pub(crate) poller: RefCell<Poller>,
    poll_fd: RawFd,
}

pub(crate) struct Poller {
    pub(crate) poll: mio::Poll,
    pub(crate) events: mio::Events,
    /// Kept for its memory.
    pub(crate) posts: Vec<Post>,
}

impl IoLoop {
    /// A loop with the default settings.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Builder::default().build()
    }

    /// For a loop with other settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn with_settings(settings: &Builder) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let bell = mio::Waker::new(poll.registry(), Token::WAKE)?;
        let clock = Clock::new(settings.has_virtual_clock);
        let executor = settings.executor.clone().unwrap_or_default();
        let events = mio::Events::with_capacity(settings.events_max);
        let shared = wakers::enrol(|number| Shared::new(number, bell))?;
        let handle = Handle::new(registry, shared, clock, executor);
        let poll_fd = poll.as_raw_fd();
        Ok(Self {
            handle,
            poller: RefCell::new(Poller {
                poll,
                events,
                posts: Vec::new(),
            }),
            poll_fd,
        })
    }

    /// The handle to pass around.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    // ---- ways to turn it

    /// Turns until [`Handle::stop`].
    ///
    /// # Errors
    /// A failure of the poller, which leaves the loop usable.
    pub fn run(&self) -> io::Result<()> {
        while !self.take_stop_after(|| self.turn(None))? {}
        Ok(())
    }

    /// Turns until `future` is ready (Tornado's `run_sync`). The future need not be `'static`.
    ///
    /// # Errors
    /// [`Stopped`] inside an [`io::Error`] of kind `Interrupted` when [`Handle::stop`] comes
    /// first; otherwise a failure of the poller.
    pub fn run_until<T>(&self, future: impl Future<Output = T>) -> io::Result<T> {
        let mut future = pin!(future);
        let root = Arc::new(RootWaker {
            is_woken: AtomicBool::new(true),
            shared: self.handle.inner().shared.clone(),
        });
        let waker = Waker::from(root.clone());
        let mut is_stopped = false;
        loop {
            if root.is_woken.swap(false, Ordering::AcqRel) {
                let _entered = current::enter(&self.handle);
                if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return Ok(value);
                }
            }
            // Asked after the poll: what finished in the turn that was stopped is finished.
            if is_stopped {
                return Err(Stopped.into());
            }
            let is_woken = root.is_woken.load(Ordering::Acquire);
            let timeout = is_woken.then_some(Duration::ZERO);
            is_stopped = self.take_stop_after(|| self.turn(timeout))?;
        }
    }

    /// One turn that waits at most `timeout` for something to happen; `None` waits for ever.
    ///
    /// # Errors
    /// A failure of the poller.
    pub fn run_once(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.turn(timeout)
    }

    /// For a loop that is a guest: turns without waiting while there is something to do, at most
    /// `turns_max` times. Call it when the descriptor of [`AsFd`] is readable, and
    /// when [`Self::next_deadline`] has come.
    ///
    /// # Errors
    /// A failure of the poller.
    pub fn run_ready(&self, turns_max: usize) -> io::Result<()> {
        let mut turned = Ok(());
        for _ in 0..turns_max.max(1) {
            turned = self.turn(Some(Duration::ZERO));
            if turned.is_err() || !self.has_work() {
                break;
            }
        }
        // The host sleeps on our descriptor from here on: posts must ring. If one has come already,
        // `next_deadline` says so.
        self.handle.inner().shared.fall_asleep();
        turned
    }

    /// When a guest must be run next even if its descriptor stays silent: now if it has work left,
    /// else at its next timer; `None` if neither. A timer that was pushed forward may make this
    /// too early, never too late.
    ///
    /// Ask it last before the host sleeps: what the host itself adds to the loop shows here and
    /// not in the descriptor. From here on, posts of other threads make the descriptor readable.
    pub fn next_deadline(&self) -> Option<Instant> {
        let inner = self.handle.inner();
        // First: a post that comes after the look at the work must ring.
        inner.shared.fall_asleep();
        if self.has_work() {
            return Some(self.handle.now());
        }
        let deadline = inner.timers.borrow().next_deadline()?;
        Some(inner.clock.instant_at(deadline))
    }

    /// Turns, then says whether a stop was asked for, and forgets it.
    fn take_stop_after(&self, turn: impl FnOnce() -> io::Result<()>) -> io::Result<bool> {
        turn()?;
        Ok(self.handle.inner().is_stopping.take())
    }
}

/// Wakes the future of `run_until`, which is on the stack and not in a slot.
struct RootWaker {
    is_woken: AtomicBool,
    shared: Arc<Shared>,
}

impl Wake for RootWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::AcqRel) && !current::is_turning(&self.shared) {
            self.shared.notify();
        }
    }
}

impl Deref for IoLoop {
    type Target = Handle;
    fn deref(&self) -> &Handle {
        &self.handle
    }
}

/// The poller's descriptor: readable when the loop has events or posts. A host that polls it must
/// also mind [`IoLoop::next_deadline`].
impl AsFd for IoLoop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        sys::borrow_poll_fd(self.poll_fd, self)
    }
}

impl Drop for IoLoop {
    fn drop(&mut self) {
        let handle = &self.handle;
        let inner = handle.inner();
        // Nothing but locals can be added from here on.
        inner.is_closed.set(true);
        handle.drop_guarded(Origin::Callback, inner.shared.close());
        // In this order: tasks own streams, streams are sources, and all of them use locals.
        let tasks = inner.tasks.borrow_mut().take_all();
        handle.drop_guarded(Origin::Task, tasks);
        handle.drop_guarded(Origin::Callback, inner.callbacks.take());
        handle.drop_guarded(Origin::Callback, inner.bulk.take_all());
        let timers = inner.timers.borrow_mut().take_all();
        handle.drop_guarded(Origin::Callback, timers);
        handle.drop_guarded(Origin::Source, inner.user_handlers.take());
        let sources = inner.sources.borrow_mut().take_all();
        handle.drop_guarded(Origin::Source, sources);
        // Dropping one local may ask for another, for a few rounds; never for ever.
        for _ in 0..8 {
            handle.drop_guarded(Origin::Callback, inner.locals.take_all());
        }
        // Last, for it may own a handle, and thus itself.
        handle.drop_guarded(Origin::Callback, inner.exception_handler.take());
        wakers::strike_off(&inner.shared);
    }
}

impl fmt::Debug for IoLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoLoop").finish_non_exhaustive()
    }
}
