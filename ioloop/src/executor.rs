//! The pool of threads behind [`Handle::run_in_executor`]: for calls that block, such as
//! `getaddrinfo` and files. What waits for one of them is in `job.rs`.
//!
//! ```text
//!   loop: run ---> queue, by ticket ---> a thread: run the work, count it, deliver ---> waker
//!           \          ^
//!            Job ------+ dropped: its ticket leaves the queue
//! ```
//!
//! A thread is started when work comes and none is idle, up to a maximum; it ends when it has been
//! idle for a while, or when the executor is gone and the queue is empty. So whatever is queued has
//! a thread that will come for it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::exception::catch;
use crate::job::{self, Job, JobError};
use crate::{Handle, exception};

/// Settings of an [`Executor`].
#[derive(Clone, Debug)]
pub struct ExecutorOptions {
    threads_max: usize,
    queued_max: usize,
    idle_time: Duration,
    stack_bytes: Option<usize>,
}

impl Default for ExecutorOptions {
    fn default() -> Self {
        Self {
            threads_max: threads_max_default(),
            queued_max: 65_536,
            idle_time: Duration::from_secs(10),
            stack_bytes: None,
        }
    }
}

/// What blocks mostly waits and does not compute, so more threads than processors pay; but not so
/// many that a small machine is all stacks. Python's `ThreadPoolExecutor`, which is Tornado's
/// default, has the same rule.
fn threads_max_default() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        (processors + 4).min(32)
    })
}

impl ExecutorOptions {
    /// How many threads there are at most. Default: processors + 4, but at most 32. Zero counts as
    /// one.
    #[must_use]
    pub fn threads_max(mut self, threads: usize) -> Self {
        self.threads_max = threads.max(1);
        self
    }

    /// How much work may wait for a thread; more is refused with [`JobError::QueueFull`]. Default
    /// 65,536, which bounds memory (some hundred bytes each, and what the work owns) and not time:
    /// for that there is [`with_timeout`](crate::with_timeout), which takes work off the queue.
    #[must_use]
    pub fn queued_max(mut self, jobs: usize) -> Self {
        self.queued_max = jobs;
        self
    }

    /// How long a thread stays without work before it ends. Default ten seconds: longer than the
    /// pauses of a busy server, and short enough that a burst's threads do not stay.
    #[must_use]
    pub fn idle_time(mut self, time: Duration) -> Self {
        self.idle_time = time;
        self
    }

    /// How large the stack of a thread is, in bytes: for work that recurses deeply, or for many
    /// threads where addresses are scarce. Default: the standard library's, 2 MiB, of which only
    /// what is used costs memory.
    #[must_use]
    pub fn stack_bytes(mut self, bytes: usize) -> Self {
        self.stack_bytes = Some(bytes);
        self
    }
}

/// A pool of threads for calls that block.
///
/// Each loop has one of its own; [`Builder::executor`](crate::Builder::executor) gives it another,
/// which several loops may share, on any thread, as those of
/// [`run_on_threads`](crate::run_on_threads) do. An executor owns no thread until it has work.
///
/// When the last clone is dropped, and the last loop that has it, idle threads end at once, and
/// those that work when they are done. Nobody waits for them: a call that blocks for ever holds its
/// thread, and nothing else, until the process ends.
///
/// ```
/// use squall_ioloop::{Executor, ExecutorOptions, IoLoop};
///
/// let executor = Executor::new(ExecutorOptions::default().threads_max(2));
/// let ioloop = IoLoop::builder().executor(&executor).build()?;
/// let size = ioloop.run_until(ioloop.run_in_executor(|| std::fs::metadata("/")))??;
/// assert!(size?.is_dir());
/// assert_eq!(executor.metrics().finished, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Executor {
    owner: Arc<Owner>,
}

/// What clones of an executor share, and its threads do not: with it, the pool closes.
struct Owner {
    pool: Arc<Pool>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.pool.state().is_closed = true;
        self.pool.bell.notify_all();
    }
}

impl Default for Executor {
    fn default() -> Self {
        Self::new(ExecutorOptions::default())
    }
}

impl Executor {
    /// An executor without threads yet.
    pub fn new(options: ExecutorOptions) -> Self {
        let pool = Arc::new(Pool {
            options,
            state: Mutex::default(),
            bell: Condvar::new(),
        });
        Self {
            owner: Arc::new(Owner { pool }),
        }
    }

    /// As [`Handle::run_in_executor`], on this executor in place of the loop's: for work that must
    /// not wait behind other work.
    pub fn run<T: Send + 'static>(
        &self,
        ioloop: &Handle,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Job<T> {
        job::start(&self.owner.pool, ioloop, work)
    }

    /// What it is doing now, and has done so far.
    pub fn metrics(&self) -> ExecutorMetrics {
        let state = self.owner.pool.state();
        ExecutorMetrics {
            queued: state.queue.len(),
            ..state.metrics
        }
    }
}

/// What an [`Executor`] is doing, and has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecutorMetrics {
    /// Threads that there are, working or idle.
    pub threads: usize,
    /// Work that a thread is doing now.
    pub running: usize,
    /// Work that waits for a thread.
    pub queued: usize,
    /// Work that was done, whether or not it panicked.
    pub finished: u64,
    /// Work that was never begun, since its [`Job`] was dropped.
    pub cancelled: u64,
    /// Work that was refused: the queue was full, or there was no thread.
    pub refused: u64,
}

impl Handle {
    /// Runs `work` on a thread of the loop's [`Executor`], for calls that block, and gives its
    /// result to whoever awaits the [`Job`]. Tornado's `run_in_executor`.
    ///
    /// The work is queued now, whether or not the job is polled. Dropping the job cancels work that
    /// has not begun; work that has begun is finished, and its result dropped.
    ///
    /// On a virtual clock, time stands still while work is under way, but for no more than a second
    /// of real time in one wait.
    ///
    /// ```
    /// use squall_ioloop::{IoLoop, JobError};
    ///
    /// let ioloop = IoLoop::new()?;
    /// ioloop.run_until(async {
    ///     let hosts = ioloop.run_in_executor(|| std::fs::read("/etc/hosts")).await;
    ///     assert!(hosts.is_ok());
    ///     let bug = ioloop.run_in_executor(|| panic!("a bug")).await;
    ///     assert!(matches!(bug, Err::<(), _>(JobError::Panicked(_))));
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn run_in_executor<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Job<T> {
        self.executor().run(self, work)
    }

    /// The executor of the loop: for its metrics, or for another loop.
    pub fn executor(&self) -> &Executor {
        &self.inner().executor
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("options", &self.owner.pool.options)
            .field("metrics", &self.metrics())
            .finish()
    }
}

/// A piece of work and the place for its result.
pub(crate) trait Work: Send {
    /// Does the work. Does not panic.
    fn run(&mut self);

    /// Gives the result to who awaits it. May panic: wakers and results have code of others.
    fn deliver(self: Box<Self>);
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
    /// Queues `work`, and sees to it that a thread comes.
    pub(crate) fn push(self: &Arc<Self>, work: Box<dyn Work>) -> Result<Ticket, JobError> {
        let mut state = self.state();
        if state.queue.len() >= self.options.queued_max {
            state.metrics.refused += 1;
            let queued_max = self.options.queued_max;
            drop(state);
            drop(work);
            return Err(JobError::QueueFull { queued_max });
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.queue.insert(ticket, work);
        // Those that are not running come for work before they wait, and before they end.
        let free = state.metrics.threads - state.metrics.running;
        if free >= state.queue.len() {
            self.bell.notify_one();
        } else if state.metrics.threads < self.options.threads_max {
            // Under the lock: work that another loop queues meanwhile must not count on a thread
            // that cannot be started.
            match self.start_thread() {
                Ok(()) => {
                    state.metrics.threads += 1;
                    state.has_complained = false;
                }
                Err(error) if state.metrics.threads == 0 => {
                    state.metrics.refused += 1;
                    let refused = state.queue.remove(&ticket);
                    drop(state);
                    drop(refused);
                    return Err(JobError::NoThread(error));
                }
                // The others will come for it, later. One line says so, however much is queued.
                Err(error) if !state.has_complained => {
                    state.has_complained = true;
                    tracing::warn!(
                        target: "squall::ioloop",
                        %error,
                        threads = state.metrics.threads,
                        "cannot start another thread for the executor"
                    );
                }
                Err(_) => {}
            }
        }
        Ok(ticket)
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
        let mut state = self.state();
        state.metrics.running -= 1;
        state.metrics.finished += 1;
        drop(state);
        if let Err(payload) = catch(|| work.deliver()) {
            tracing::error!(
                target: "squall::ioloop",
                "delivering a job's result panicked: {}",
                exception::panic_text(&*payload)
            );
            // A payload whose destructor panics must not end the thread at last.
            std::mem::forget(payload);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code of others runs under the lock, so a poisoned state is a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
