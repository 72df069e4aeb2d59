//! `Handle`: what everything inside a loop passes around, and the loop's state behind it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;

use crate::bulk::Bulk;
use crate::clock::{Clock, NEVER, Nanos};
use crate::local::Locals;
use crate::remote::Shared;
use crate::source::SourceTable;
use crate::task::{self, TaskKey, Tasks};
use crate::timers::{Action, Timers};
use crate::{
    Closed, Exception, Executor, Interest, JoinHandle, Ready, Remote, Source, Timeout, Token,
    current, join,
};

type Callback = Box<dyn FnOnce()>;
type ExceptionHandler = Rc<dyn Fn(&Handle, Exception)>;

/// A loop, as seen from inside: clone it, keep it, capture it. `!Send`.
///
/// It does not keep the loop open: when the [`IoLoop`](crate::IoLoop) is dropped, what is added
/// through a handle never runs.
#[derive(Clone)]
pub struct Handle {
    inner: Rc<Inner>,
}

/// Everything of a loop but the poller itself.
pub(crate) struct Inner {
    pub(crate) registry: mio::Registry,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Clock,
    pub(crate) sources: RefCell<SourceTable>,
    pub(crate) user_handlers: RefCell<HashMap<Token, Rc<crate::handlers::Handler>>>,
    /// Events that do not come from the kernel: the ready-again list.
    pub(crate) again: RefCell<Vec<(Token, Ready)>>,
    pub(crate) timers: RefCell<Timers>,
    pub(crate) callbacks: RefCell<VecDeque<Callback>>,
    pub(crate) bulk: Bulk,
    pub(crate) tasks: RefCell<Tasks>,
    pub(crate) ready_tasks: RefCell<VecDeque<TaskKey>>,
    pub(crate) turn_end: RefCell<Vec<Token>>,
    pub(crate) locals: Locals,
    pub(crate) turns: Cell<u64>,
    pub(crate) is_stopping: Cell<bool>,
    pub(crate) is_closed: Cell<bool>,
    pub(crate) exception_handler: RefCell<Option<ExceptionHandler>>,
    pub(crate) executor: Executor,
}

impl Handle {
    pub(crate) fn new(
        registry: mio::Registry,
        shared: Arc<Shared>,
        clock: Clock,
        executor: Executor,
    ) -> Self {
        let inner = Inner {
            registry,
            shared,
            clock,
            sources: RefCell::default(),
            user_handlers: RefCell::default(),
            again: RefCell::default(),
            timers: RefCell::default(),
            callbacks: RefCell::default(),
            bulk: Bulk::default(),
            tasks: RefCell::default(),
            ready_tasks: RefCell::default(),
            turn_end: RefCell::default(),
            locals: Locals::default(),
            turns: Cell::new(0),
            is_stopping: Cell::new(false),
            is_closed: Cell::new(false),
            exception_handler: RefCell::default(),
            executor,
        };
        Self {
            inner: Rc::new(inner),
        }
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(crate) fn registry(&self) -> &mio::Registry {
        &self.inner.registry
    }

    /// The loop that this thread is turning.
    ///
    /// # Panics
    /// Outside of a turn: pass a handle there instead.
    pub fn current() -> Self {
        Self::try_current()
            .expect("no loop is turning on this thread: pass a squall Handle instead")
    }

    /// The loop that this thread is turning, if any.
    pub fn try_current() -> Option<Self> {
        current::with_current(Self::clone)
    }

    /// Whether both are handles of one loop.
    pub fn is_same_loop(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.inner, &other.inner)
    }

    // ---- callbacks and tasks

    /// Runs `callback` in the next turn, or in this one if its callbacks have not begun; in the
    /// order of adding. From other threads: [`Remote::add_callback`].
    pub fn add_callback(&self, callback: impl FnOnce() + 'static) {
        if !self.warn_if_closed("callback") {
            self.inner
                .callbacks
                .borrow_mut()
                .push_back(Box::new(callback));
        }
    }

    /// Runs a future on the loop. It need not be `Send`.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
        join::spawn(self, future)
    }

    /// Runs a future whose end nobody waits for. Costs one allocation less than
    /// [`Self::spawn`]; a panic goes to the exception handler.
    pub fn spawn_detached(&self, future: impl Future<Output = ()> + 'static) {
        task::spawn_boxed(self, Box::pin(future));
    }

    /// Runs `future`, then `callback` with what it gave: Tornado's bridge from futures to
    /// callbacks.
    pub fn add_future<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
        callback: impl FnOnce(T) + 'static,
    ) {
        self.spawn_detached(async move { callback(future.await) });
    }

    /// Ends `run` after the present turn; before `run`, makes it return after one turn, as in
    /// Tornado. Stopping a stopped loop changes nothing.
    pub fn stop(&self) {
        self.inner.is_stopping.set(true);
        // For a stop between turns of a loop that is run as a guest.
        self.inner.shared.notify();
    }

    /// The handle that other threads may use.
    pub fn remote(&self) -> Remote {
        Remote::new(self.inner.shared.clone())
    }

    /// How many turns there have been: for budgets that are per turn.
    pub fn turn_count(&self) -> u64 {
        self.inner.turns.get()
    }

    // ---- time

    /// The time at the start of this turn: no system call, and the same for all that happens in
    /// one turn. Between turns it is read anew. Monotonic.
    pub fn now(&self) -> Instant {
        self.inner.clock.instant_at(self.inner.clock.now())
    }

    /// What the clock shows now, for measuring what happens within a turn, in which [`Self::now`]
    /// stands still. Costs some 20 ns. On a virtual clock both are the same.
    ///
    /// ```
    /// let ioloop = squall_ioloop::IoLoop::new()?;
    /// let turn = ioloop.now();
    /// assert!(ioloop.read_clock() >= turn);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn read_clock(&self) -> Instant {
        self.inner.clock.instant_at(self.inner.clock.read())
    }

    /// Runs `callback` once, when `delay` has passed since [`Self::now`]. Zero means the next turn.
    /// Resolution: one millisecond, rounded up. An enormous delay never comes.
    pub fn call_later(&self, delay: Duration, callback: impl FnOnce() + 'static) -> Timeout {
        let deadline = self.inner.clock.deadline_after(delay);
        self.add_timer(deadline, Action::Call(Box::new(callback)))
    }

    /// Runs `callback` once, at `deadline`; if that has passed, in the next turn.
    pub fn call_at(&self, deadline: Instant, callback: impl FnOnce() + 'static) -> Timeout {
        let deadline = self.inner.clock.deadline_at(deadline);
        self.add_timer(deadline, Action::Call(Box::new(callback)))
    }

    pub(crate) fn add_timer(&self, deadline: Nanos, action: Action) -> Timeout {
        if self.warn_if_closed("timer") {
            return Timeout::NONE;
        }
        self.inner.timers.borrow_mut().add(deadline, action)
    }

    /// Moves a callback to `after` from now, unless it has been called or was removed. Moving it to
    /// later is one store.
    pub fn move_timeout(&self, timeout: Timeout, after: Duration) {
        let deadline = self.inner.clock.deadline_after(after);
        self.inner.timers.borrow_mut().set(timeout, deadline);
    }

    /// Takes a callback's deadline off the loop. `false` when it has fired or was removed before.
    pub fn remove_timeout(&self, timeout: Timeout) -> bool {
        let removed = self.inner.timers.borrow_mut().remove(timeout);
        removed.is_some()
    }

    // ---- sources

    /// Puts a source on the loop, edge-triggered; without a descriptor it hears only of
    /// [`Self::ready_again`] and of deadlines. The descriptor must stay open until
    /// [`Self::deregister`].
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] for a descriptor that is on this loop already, [`Closed`]
    /// when the loop was dropped; otherwise what the poller says.
    pub fn register(
        &self,
        source: Rc<dyn Source>,
        fd: Option<BorrowedFd<'_>>,
        interest: Interest,
    ) -> io::Result<Token> {
        if self.warn_if_closed("source") {
            return Err(Closed.into());
        }
        let token = self.inner.sources.borrow_mut().insert(source);
        if let Some(fd) = fd {
            let registered = self.registry().register(
                &mut SourceFd(&fd.as_raw_fd()),
                token.to_mio(),
                interest.to_mio(),
            );
            if let Err(error) = registered {
                let source = self.inner.sources.borrow_mut().remove(token);
                drop(source);
                return Err(error);
            }
        }
        Ok(token)
    }

    /// Takes a source off the loop. Pass its descriptor if that stays open; one that is closed at
    /// once needs no system call of its own.
    pub fn deregister(&self, token: Token, fd: Option<BorrowedFd<'_>>) {
        if let Some(fd) = fd {
            // Fails only if the descriptor is not registered, which is what is wanted.
            let _ = self.registry().deregister(&mut SourceFd(&fd.as_raw_fd()));
        }
        self.inner.timers.borrow_mut().forget_source(token);
        let source = self.inner.sources.borrow_mut().remove(token);
        drop(source);
    }

    /// Tells a source in the next turn that it is `ready`, and keeps the loop from sleeping until
    /// then: for one that has used its share of this turn up, and for sources without a
    /// descriptor.
    pub fn ready_again(&self, token: Token, ready: Ready) {
        self.inner.again.borrow_mut().push((token, ready));
    }

    /// Sets a source's deadline to `after` from now, or to never, which it is at first. When it
    /// passes, the source is told [`Ready::DEADLINE`], once, and it is at never again. A source has
    /// one, and loses it when it leaves the loop. Pushing it forward is one store, however many
    /// deadlines there are.
    pub fn set_deadline(&self, token: Token, after: Option<Duration>) {
        if self.inner.sources.borrow().get(token).is_some() {
            let deadline = after.map_or(NEVER, |after| self.inner.clock.deadline_after(after));
            self.inner.timers.borrow_mut().set_source(token, deadline);
        }
    }

    /// When a source's deadline passes, if it is set.
    pub fn deadline(&self, token: Token) -> Option<Instant> {
        match self.inner.timers.borrow().source_deadline(token) {
            NEVER => None,
            deadline => Some(self.inner.clock.instant_at(deadline)),
        }
    }

    /// Calls the source's [`Source::on_turn_end`] when this turn ends; asked twice, twice.
    pub fn at_turn_end(&self, token: Token) {
        self.inner.turn_end.borrow_mut().push(token);
    }

    // ---- the rest

    /// The loop's own value of type `T`, made by `make` when first asked for. It lives as long as
    /// the loop or the last clone.
    pub fn local<T: 'static>(&self, make: impl FnOnce() -> T) -> Rc<T> {
        self.inner.locals.get_or_insert_with(make)
    }

    pub(crate) fn warn_if_closed(&self, what: &str) -> bool {
        let is_closed = self.inner.is_closed.get();
        if is_closed {
            tracing::warn!(
                target: "squall::ioloop",
                "a {what} was added to a closed loop and dropped"
            );
        }
        is_closed
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("is_closed", &self.inner.is_closed.get())
            .finish_non_exhaustive()
    }
}
