//! [`Handle::run_in_executor`], for calls that block, such as `getaddrinfo` and files: the executor
//! and its settings. The threads are in `pool.rs`, what waits for them is in `job.rs`.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crate::Handle;
use crate::job::{self, Job};
use crate::pool::Pool;

/// Settings of an [`Executor`].
#[derive(Clone, Debug)]
pub struct ExecutorOptions {
    pub(crate) threads_max: usize,
    pub(crate) queued_max: usize,
    pub(crate) idle_time: Duration,
    pub(crate) stack_bytes: Option<usize>,
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

    /// How much work may wait for a thread; more is refused with
    /// [`JobError::QueueFull`](crate::JobError::QueueFull). Zero refuses what no thread is free for
    /// and none can be started for. Default 65,536, which bounds memory
    /// (some hundred bytes each, and what the work owns) and not time: for that there is
    /// [`with_timeout`](crate::with_timeout), which takes work off the queue.
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
        self.pool.close();
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
        let pool = Arc::new(Pool::new(options));
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
        self.owner.pool.metrics()
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
            .field("options", self.owner.pool.options())
            .field("metrics", &self.metrics())
            .finish()
    }
}
