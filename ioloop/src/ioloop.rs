//! The loop itself: one turn, and the ways to make it turn.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::clock::{Clock, Nanos};
use crate::remote::{Post, Shared};
use crate::timers::Fired;
use crate::{
    Builder, Exception, Handle, Origin, Ready, Stopped, Token, current, exception, sys, task,
};

/// An event loop, owned. See the [crate's page](crate) for a drawing of a turn.
///
/// Dropping it closes it: tasks, callbacks, handlers and timers are dropped, posts from other
/// threads fail.
///
/// # Panics
/// All methods that turn the loop panic when called from inside one of its own turns.
pub struct IoLoop {
    handle: Handle,
    poller: RefCell<Poller>,
    poll_fd: RawFd,
}

struct Poller {
    poll: mio::Poll,
    events: mio::Events,
    /// Kept for its memory.
    posts: Vec<Post>,
}

/// How long a wait on a virtual clock that nothing can end lasts before it panics.
const VIRTUAL_PATIENCE: Duration = Duration::from_secs(1);

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
        let handle = Handle::new(registry, Arc::new(Shared::new(bell)), clock);
        let events = mio::Events::with_capacity(settings.events_max);
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
        loop {
            if root.is_woken.swap(false, Ordering::AcqRel) {
                let _entered = current::enter(&self.handle);
                if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return Ok(value);
                }
            }
            let timeout = root
                .is_woken
                .load(Ordering::Acquire)
                .then_some(Duration::ZERO);
            if self.take_stop_after(|| self.turn(timeout))? {
                return Err(Stopped.into());
            }
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
        for _ in 0..turns_max.max(1) {
            self.turn(Some(Duration::ZERO))?;
            if !self.has_work() {
                break;
            }
        }
        // The host sleeps on our descriptor from here on: posts must ring. If one has come already,
        // `next_deadline` says so.
        self.handle.inner().shared.fall_asleep();
        Ok(())
    }

    /// When a guest must be run next even if its descriptor stays silent: now if it has work left,
    /// else at its next timer; `None` if neither. A timer that was pushed forward may make this
    /// too early, never too late.
    pub fn next_deadline(&self) -> Option<Instant> {
        let inner = self.handle.inner();
        if self.has_work() {
            inner.clock.refresh();
            return Some(self.handle.now());
        }
        let deadline = inner.timers.borrow().next_deadline()?;
        Some(inner.clock.instant_at(deadline))
    }

    // ---- one turn

    /// One turn: polls for at most `timeout` (not at all while there is work), then runs what is
    /// due, in the order of the drawing.
    ///
    /// # Errors
    /// A failure of the poller. An interruption by a signal is not one.
    pub fn turn(&self, timeout: Option<Duration>) -> io::Result<()> {
        let Ok(mut poller) = self.poller.try_borrow_mut() else {
            panic!("a loop cannot be turned from inside one of its turns");
        };
        let poller = &mut *poller;
        let _entered = current::enter(&self.handle);
        self.poll(poller, timeout)?;
        self.handle.inner().turns.set(self.handle.turn_count() + 1);
        self.run_due_timers();
        self.tell_sources(&poller.events);
        self.run_callbacks(&mut poller.posts);
        self.run_tasks();
        self.end_turn();
        Ok(())
    }

    fn poll(&self, poller: &mut Poller, timeout: Option<Duration>) -> io::Result<()> {
        let inner = self.handle.inner();
        let timeout = self.time_to_wait(timeout);
        // Only a loop that is about to block must be rung; and one that has mail must not block.
        let may_block = timeout != Some(Duration::ZERO) && inner.shared.fall_asleep();
        let timeout = if may_block {
            timeout
        } else {
            Some(Duration::ZERO)
        };
        let polled = poller.poll.poll(&mut poller.events, timeout);
        inner.shared.wake_up(&mut poller.posts);
        inner.clock.refresh();
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            // mio leaves the events of an earlier poll in place when it is interrupted.
            Err(_) => {
                poller.events.clear();
                Ok(())
            }
            Ok(()) => {
                if may_block && inner.clock.is_virtual() && timeout == Some(VIRTUAL_PATIENCE) {
                    self.check_virtual_patience(poller);
                }
                Ok(())
            }
        }
    }

    /// Zero while there is work; else until the next deadline, but not longer than `timeout`.
    fn time_to_wait(&self, timeout: Option<Duration>) -> Option<Duration> {
        if self.has_work() {
            return Some(Duration::ZERO);
        }
        let inner = self.handle.inner();
        let deadline = inner.timers.borrow().next_deadline();
        if inner.clock.is_virtual() {
            return Some(self.virtual_wait(timeout, deadline));
        }
        let until_deadline = deadline.map(|deadline| {
            // The clock was read when the last turn began, and its work took time.
            inner.clock.refresh();
            round_up_to_millis(deadline.saturating_sub(inner.clock.now()))
        });
        match (timeout, until_deadline) {
            (Some(timeout), Some(deadline)) => Some(timeout.min(deadline)),
            (timeout, deadline) => timeout.or(deadline),
        }
    }

    /// Jumps to the next deadline instead of waiting for it.
    fn virtual_wait(&self, timeout: Option<Duration>, deadline: Option<Nanos>) -> Duration {
        let clock = &self.handle.inner().clock;
        let end = timeout.map(|timeout| clock.deadline_after(timeout));
        match deadline.into_iter().chain(end).min() {
            Some(next) => {
                clock.advance_to(next);
                Duration::ZERO
            }
            // Another thread or a real descriptor may still have something for us.
            None => VIRTUAL_PATIENCE,
        }
    }

    fn check_virtual_patience(&self, poller: &Poller) {
        assert!(
            !poller.events.is_empty() || !poller.posts.is_empty() || self.has_work(),
            "nothing is left that could happen on this loop's virtual clock: a future waits for ever"
        );
    }

    /// Whether the next turn has something to do at once.
    fn has_work(&self) -> bool {
        let inner = self.handle.inner();
        !(inner.ready_tasks.borrow().is_empty()
            && inner.callbacks.borrow().is_empty()
            && inner.again.borrow().is_empty()
            && inner.turn_end.borrow().is_empty()
            && !inner.shared.has_mail())
    }

    fn run_due_timers(&self) {
        let inner = self.handle.inner();
        let now = inner.clock.now();
        let mark = inner.timers.borrow().turn_mark();
        loop {
            let fired = inner.timers.borrow_mut().pop_due(now, mark);
            match fired {
                None => return,
                Some(Fired::Call(callback)) => self.guard(Origin::Callback, callback),
                Some(Fired::Wake(waker)) => waker.wake(),
                Some(Fired::Notify(token)) => self.tell(token, Ready::DEADLINE),
            }
        }
    }

    fn tell_sources(&self, events: &mio::Events) {
        // Taken before the first source is told: what asks for another turn now, gets another.
        let again = self.handle.inner().again.take();
        for event in events {
            if event.token() != Token::WAKE {
                self.tell(Token::from_mio(event.token()), Ready::from_mio(event));
            }
        }
        for (token, ready) in again {
            self.tell(token, ready);
        }
    }

    fn tell(&self, token: Token, ready: Ready) {
        let source = self
            .handle
            .inner()
            .sources
            .borrow()
            .get(token)
            .map(Rc::clone);
        if let Some(source) = source {
            self.guard(Origin::Source, || source.on_ready(&self.handle, ready));
        }
    }

    fn run_callbacks(&self, posts: &mut Vec<Post>) {
        let inner = self.handle.inner();
        for post in posts.drain(..) {
            match post {
                Post::Call(callback) => self.guard(Origin::Callback, || callback(&self.handle)),
                Post::Wake(key) => inner.ready_tasks.borrow_mut().push_back(key),
            }
        }
        // Callbacks that callbacks add are for the next turn.
        let count = inner.callbacks.borrow().len();
        for _ in 0..count {
            let callback = inner.callbacks.borrow_mut().pop_front();
            if let Some(callback) = callback {
                self.guard(Origin::Callback, callback);
            }
        }
    }

    fn run_tasks(&self) {
        let inner = self.handle.inner();
        let count = inner.ready_tasks.borrow().len();
        for _ in 0..count {
            let key = inner.ready_tasks.borrow_mut().pop_front();
            if let Some(key) = key {
                task::run(&self.handle, key);
            }
        }
    }

    fn end_turn(&self) {
        let inner = self.handle.inner();
        if inner.turn_end.borrow().is_empty() {
            return;
        }
        let mut tokens = inner.turn_end.take();
        for token in tokens.drain(..) {
            let source = inner.sources.borrow().get(token).map(Rc::clone);
            if let Some(source) = source {
                self.guard(Origin::TurnEnd, || source.on_turn_end(&self.handle));
            }
        }
        // Its memory is kept, behind what the sources may have added.
        let mut added = inner.turn_end.borrow_mut();
        tokens.append(&mut added);
        *added = tokens;
    }

    /// Runs code of others. A panic costs what panicked and nothing else.
    fn guard(&self, origin: Origin, f: impl FnOnce()) {
        if let Err(payload) = exception::catch(f) {
            self.handle.report(Exception { origin, payload });
        }
    }

    /// Turns, then says whether a stop was asked for, and forgets it.
    fn take_stop_after(&self, turn: impl FnOnce() -> io::Result<()>) -> io::Result<bool> {
        turn()?;
        Ok(self.handle.inner().is_stopping.take())
    }
}

/// The poller counts in milliseconds; a loop that wakes a fraction too early would spin.
fn round_up_to_millis(nanos: Nanos) -> Duration {
    Duration::from_millis(nanos.div_ceil(1_000_000))
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
        if !self.is_woken.swap(true, Ordering::AcqRel) {
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
        let inner = self.handle.inner();
        inner.is_closed.set(true);
        inner.shared.close();
        // Dropping one thing may add another, for a few rounds; never for ever.
        for _ in 0..8 {
            let tasks = inner.tasks.borrow_mut().take_all();
            let callbacks = inner.callbacks.take();
            let timers = inner.timers.borrow_mut().take_all();
            let handlers = inner.user_handlers.take();
            let sources = inner.sources.borrow_mut().take_all();
            let locals = inner.locals.take_all();
            let is_done = tasks.is_empty()
                && callbacks.is_empty()
                && timers.is_empty()
                && sources.is_empty()
                && locals.is_empty();
            // In this order: tasks own streams, streams are sources, and both use locals.
            drop((tasks, callbacks, timers, handlers, sources, locals));
            if is_done {
                break;
            }
        }
    }
}

impl fmt::Debug for IoLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoLoop").finish_non_exhaustive()
    }
}
