//! What waits for a call in the executor. The threads are in `pool.rs`.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::Handle;
use crate::exception::{catch, panic_text};
use crate::pool::{Pool, Ticket, Work};
use crate::remote::HoldTime;

/// Waits for the result of [`Handle::run_in_executor`].
///
/// Dropping it cancels work that has not begun. It can be awaited on any loop, and sent to another
/// thread if its result can. When the work panics and the job was dropped before, the panic is
/// logged at level error.
#[must_use = "dropping the job cancels work that has not begun"]
pub struct Job<T> {
    outcome: Arc<Outcome<T>>,
    /// Where the work waits, if it was not refused.
    queued: Option<(Arc<Pool>, Ticket)>,
}

/// Why a job has no result.
#[non_exhaustive]
pub enum JobError {
    /// The work panicked; this is what it panicked with.
    Panicked(Box<dyn Any + Send>),
    /// As much work waits as may:
    /// [`ExecutorOptions::queued_max`](crate::ExecutorOptions::queued_max).
    QueueFull {
        /// The bound.
        queued_max: usize,
    },
    /// There is no thread, and the system has none to give.
    NoThread(io::Error),
}

struct Outcome<T>(Mutex<State<T>>);

enum State<T> {
    Pending(Option<Waker>),
    Ready(Result<T, JobError>),
    /// Taken, or nobody waits for it any more.
    Gone,
}

impl<T> Outcome<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // No code of others runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, state: State<T>) -> State<T> {
        std::mem::replace(&mut *self.state(), state)
    }

    /// Stores the result and says whom to wake, or hands it back when nobody waits for it.
    fn finish(&self, result: Result<T, JobError>) -> Result<Option<Waker>, Result<T, JobError>> {
        let mut state = self.state();
        if matches!(*state, State::Gone) {
            return Err(result);
        }
        match std::mem::replace(&mut *state, State::Ready(result)) {
            State::Pending(waker) => Ok(waker),
            State::Ready(_) | State::Gone => Ok(None),
        }
    }
}

/// Queues `work` and returns what waits for it.
pub(crate) fn start<T: Send + 'static>(
    pool: &Arc<Pool>,
    ioloop: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Job<T> {
    let outcome = Arc::new(Outcome(Mutex::new(State::Pending(None))));
    let queued = pool.push(Box::new(Task {
        work: Some(work),
        result: None,
        outcome: outcome.clone(),
        _time: HoldTime::of(ioloop),
    }));
    let queued = match queued {
        Ok(ticket) => Some((pool.clone(), ticket)),
        Err(error) => {
            outcome.replace(State::Ready(Err(error)));
            None
        }
    };
    Job { outcome, queued }
}

struct Task<F, T> {
    work: Option<F>,
    result: Option<Result<T, JobError>>,
    outcome: Arc<Outcome<T>>,
    /// Dropped with the task, when the waiter was woken.
    _time: Option<HoldTime>,
}

impl<T: Send, F: FnOnce() -> T + Send> Work for Task<F, T> {
    fn run(&mut self) {
        if let Some(work) = self.work.take() {
            self.result = Some(catch(work).map_err(JobError::Panicked));
        }
    }

    fn deliver(&mut self) -> Option<Waker> {
        match self.outcome.finish(self.result.take()?) {
            Ok(waker) => waker,
            Err(unwanted) => {
                log_panic(unwanted);
                None
            }
        }
    }
}

/// Drops a result that nobody waits for. A panic must not be lost.
fn log_panic<T>(result: Result<T, JobError>) {
    if let Err(JobError::Panicked(payload)) = &result {
        let text = panic_text(&**payload);
        tracing::error!(target: "squall::ioloop", "uncaught panic in the executor: {text}");
    }
}

impl<T> Job<T> {
    /// Whether there is a result, or was one.
    pub fn is_finished(&self) -> bool {
        !matches!(*self.outcome.state(), State::Pending(_))
    }
}

impl<T> Future for Job<T> {
    type Output = Result<T, JobError>;

    /// # Panics
    /// When polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut fresh = None;
        loop {
            let mut state = self.outcome.state();
            let State::Pending(known) = &mut *state else {
                break;
            };
            if known
                .as_ref()
                .is_some_and(|known| known.will_wake(cx.waker()))
            {
                return Poll::Pending;
            }
            if fresh.is_some() {
                std::mem::swap(known, &mut fresh);
                // Before the old waker, whose destructor may be anybody's code.
                drop(state);
                return Poll::Pending;
            }
            drop(state);
            fresh = Some(cx.waker().clone());
        }
        match self.outcome.replace(State::Gone) {
            State::Ready(result) => Poll::Ready(result),
            State::Pending(_) | State::Gone => panic!("Job polled after it was ready"),
        }
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        match self.outcome.replace(State::Gone) {
            State::Pending(_) => {
                if let Some((pool, ticket)) = self.queued.take() {
                    pool.cancel(ticket);
                }
            }
            State::Ready(result) => log_panic(result),
            State::Gone => {}
        }
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(payload) => {
                write!(f, "the work panicked: {}", panic_text(&**payload))
            }
            Self::QueueFull { queued_max } => {
                write!(f, "{queued_max} jobs wait for a thread already")
            }
            Self::NoThread(error) => write!(f, "no thread could be started: {error}"),
        }
    }
}

impl std::error::Error for JobError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoThread(error) => Some(error),
            Self::Panicked(_) | Self::QueueFull { .. } => None,
        }
    }
}

impl From<JobError> for io::Error {
    fn from(error: JobError) -> Self {
        let kind = match &error {
            JobError::NoThread(cause) => cause.kind(),
            JobError::QueueFull { .. } => io::ErrorKind::ResourceBusy,
            JobError::Panicked(_) => io::ErrorKind::Other,
        };
        Self::new(kind, error.to_string())
    }
}
