//! The threads of an executor, and the queue before them.
//!
//! ```text
//!   loop: run ---> queue, by ticket ---> a thread: run the work, count it, deliver ---> waker
//!           \          ^
//!            Job ------+ dropped: its ticket leaves the queue
//! ```
//!
//! A thread is started when work comes and none is free, up to a maximum; it ends when it has been
//! idle for a while, or when the executor is gone and the queue is empty. So whatever is queued has
//! a thread that will come for it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;

use crate::exception::{catch, panic_text};
use crate::{ExecutorMetrics, ExecutorOptions, JobError};

/// A piece of work and the place for its result.
pub(crate) trait Work: Send {
    /// Does the work. Does not panic.
    fn run(&mut self);

    /// Gives the result to who awaits it, and returns whom to wake; drops it if nobody does. May
    /// panic and may take its time: destructors are code of others.
    fn deliver(&mut self) -> Option<Waker>;
}

/// Names a piece of work in the queue.
pub(crate) type Ticket = u64;

pub(crate) struct Pool {
    options: ExecutorOptions,
    state: Mutex<State>,
    /// Rung for threads that are idle.
    bell: Condvar,
}

#[derive(Default)]
struct State {
    /// In the order of tickets, which is that of coming. A map, for work leaves it from the middle.
    queue: BTreeMap<Ticket, Box<dyn Work>>,
    next_ticket: Ticket,
    is_closed: bool,
    /// That no thread could be started, since the last that was.
    has_complained: bool,
    /// Without `queued`, which is the queue's length.
    metrics: ExecutorMetrics,
}

impl Pool {
    pub(crate) fn new(options: ExecutorOptions) -> Self {
        Self {
            options,
            state: Mutex::default(),
            bell: Condvar::new(),
        }
    }

    pub(crate) fn options(&self) -> &ExecutorOptions {
        &self.options
    }

    pub(crate) fn metrics(&self) -> ExecutorMetrics {
        let state = self.state();
        ExecutorMetrics {
            queued: state.queue.len(),
            ..state.metrics
        }
    }

    /// Its threads end when they have nothing to do.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.bell.notify_all();
    }

    /// Queues `work`, and sees to it that a thread comes.
    pub(crate) fn push(self: &Arc<Self>, work: Box<dyn Work>) -> Result<Ticket, JobError> {
        let mut state = self.state();
        // What a thread is free for, or can be started for, does not wait.
        let in_flight = state.queue.len() + state.metrics.running;
        let in_flight_max = self
            .options
            .queued_max
            .saturating_add(self.options.threads_max);
        if in_flight >= in_flight_max {
            state.metrics.refused += 1;
            let queued_max = self.options.queued_max;
            drop(state);
            drop(work);
            return Err(JobError::QueueFull { queued_max });
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.queue.insert(ticket, work);
        match self.call_thread(&mut state) {
            Ok(()) => Ok(ticket),
            Err(error) if state.metrics.threads == 0 => {
                state.metrics.refused += 1;
                let refused = state.queue.remove(&ticket);
                drop(state);
                drop(refused);
                Err(JobError::NoThread(error))
            }
            Err(error) => {
                // The others will come for it, later. One line says so, however much is queued.
                let threads = state.metrics.threads;
                let has_complained = std::mem::replace(&mut state.has_complained, true);
                drop(state);
                if !has_complained {
                    tracing::warn!(
                        target: "squall::ioloop",
                        %error,
                        threads,
                        "cannot start another thread for the executor"
                    );
                }
                Ok(ticket)
            }
        }
    }

    /// Wakes a thread for what was queued, or starts one. Under the lock: work that another loop
    /// queues meanwhile must not count on a thread that cannot be started.
    fn call_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        // Those that are not running come for work before they wait, and before they end.
        let free = state.metrics.threads - state.metrics.running;
        if free >= state.queue.len() {
            self.bell.notify_one();
        } else if state.metrics.threads < self.options.threads_max {
            self.start_thread()?;
            state.metrics.threads += 1;
            state.has_complained = false;
        }
        Ok(())
    }

    /// Takes work off the queue that no thread has begun.
    pub(crate) fn cancel(&self, ticket: Ticket) {
        let mut state = self.state();
        let cancelled = state.queue.remove(&ticket);
        state.metrics.cancelled += u64::from(cancelled.is_some());
        drop(state);
        // Its destructors are code of others.
        drop(cancelled);
    }

    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        let pool = self.clone();
        let mut builder = thread::Builder::new().name("squall-executor".into());
        if let Some(bytes) = self.options.stack_bytes {
            builder = builder.stack_size(bytes);
        }
        builder.spawn(move || pool.work()).map(drop)
    }

    /// The life of a thread.
    fn work(&self) {
        let mut state = self.state();
        loop {
            if let Some((_, work)) = state.queue.pop_first() {
                state.metrics.running += 1;
                drop(state);
                self.do_one(work);
                state = self.state();
            } else if state.is_closed {
                break;
            } else {
                let waited = self.bell.wait_timeout(state, self.options.idle_time);
                let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = woken;
                if timeout.timed_out() && state.queue.is_empty() {
                    break;
                }
            }
        }
        state.metrics.threads -= 1;
    }

    fn do_one(&self, mut work: Box<dyn Work>) {
        work.run();
        // Before the result is delivered: who has it finds it counted.
        self.state().metrics.finished += 1;
        let waker = catch_and_log(|| work.deliver()).flatten();
        // Not before it is delivered, or dropped: that may take as long as work does, and nothing
        // should wait for it. And not after the waking: who is woken finds a thread that is free.
        self.state().metrics.running -= 1;
        catch_and_log(|| {
            if let Some(waker) = waker {
                waker.wake();
            }
            drop(work);
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code of others runs under the lock, so a poisoned state is a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn catch_and_log<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch(f) {
        Ok(result) => Some(result),
        Err(payload) => {
            tracing::error!(
                target: "squall::ioloop",
                "delivering a job's result panicked: {}",
                panic_text(&*payload)
            );
            // A payload whose destructor panics must not end the thread at last.
            std::mem::forget(payload);
            None
        }
    }
}
