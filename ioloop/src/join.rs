//! `spawn` and what it returns: the end of a task, seen from outside.
//!
//! The task itself is an ordinary one of [`task`]; its result waits in a cell that it shares with
//! the [`JoinHandle`].

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::task::{self, TaskKey};
use crate::{Exception, Handle, JoinError, Origin, exception};

/// Waits for a task's result, or ends the task.
///
/// Dropping the handle lets the task go on. A panic that no join handle tells of goes to the
/// loop's exception handler.
///
/// ```
/// use squall_ioloop::{IoLoop, JoinError};
///
/// let ioloop = IoLoop::new()?;
/// let task = ioloop.spawn(async { 6 * 7 });
/// let never = ioloop.spawn(std::future::pending::<()>());
/// never.abort();
/// ioloop.run_until(async {
///     assert_eq!(task.await.unwrap(), 42);
///     assert!(matches!(never.await, Err(JoinError::Aborted)));
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[must_use = "dropping the handle detaches the task; use `spawn_detached` to say so"]
pub struct JoinHandle<T> {
    key: TaskKey,
    handle: Handle,
    join: Rc<RefCell<Join<T>>>,
}

enum Join<T> {
    Running(Option<Waker>),
    Finished(Result<T, JoinError>),
    Taken,
}

impl<T> Join<T> {
    fn finish(join: &RefCell<Self>, result: Result<T, JoinError>) {
        let before = join.replace(Self::Finished(result));
        if let Self::Running(Some(waker)) = before {
            waker.wake();
        }
    }
}

/// Lives inside the task. Dropped before the task has finished, it says so.
struct Finisher<T> {
    join: Rc<RefCell<Join<T>>>,
}

impl<T> Drop for Finisher<T> {
    fn drop(&mut self) {
        let is_running = matches!(*self.join.borrow(), Join::Running(_));
        if is_running {
            Join::finish(&self.join, Err(JoinError::Aborted));
        }
    }
}

pub(crate) fn spawn<T: 'static>(
    handle: &Handle,
    future: impl Future<Output = T> + 'static,
) -> JoinHandle<T> {
    let join = Rc::new(RefCell::new(Join::Running(None)));
    let finisher = Finisher { join: join.clone() };
    let reporter = handle.clone();
    let key = task::spawn_boxed(
        handle,
        Box::pin(async move {
            let finisher = finisher;
            match catch_in_poll(future).await {
                Ok(value) => Join::finish(&finisher.join, Ok(value)),
                // Nobody waits: the panic must not be lost.
                Err(payload) if Rc::strong_count(&finisher.join) == 1 => {
                    reporter.report(Exception {
                        origin: Origin::Task,
                        payload,
                    });
                }
                Err(payload) => Join::finish(&finisher.join, Err(JoinError::Panicked(payload))),
            }
        }),
    );
    JoinHandle {
        key,
        handle: handle.clone(),
        join,
    }
}

async fn catch_in_poll<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    std::future::poll_fn(
        move |cx| match exception::catch(|| future.as_mut().poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(payload) => Poll::Ready(Err(payload)),
        },
    )
    .await
}

impl<T> JoinHandle<T> {
    /// Ends the task: its future is dropped now, or, if the task calls this on itself, when it
    /// next waits. A task that has finished keeps its result.
    pub fn abort(&self) {
        task::abort(&self.handle, self.key);
    }

    /// Whether there is a result, or was one.
    pub fn is_finished(&self) -> bool {
        !matches!(*self.join.borrow(), Join::Running(_))
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    /// When polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Nothing is borrowed while wakers are cloned and dropped, or while this panics.
        match self.join.replace(Join::Taken) {
            Join::Running(known) => {
                let waker = match known {
                    Some(known) if known.will_wake(cx.waker()) => known,
                    _ => cx.waker().clone(),
                };
                self.join.replace(Join::Running(Some(waker)));
                Poll::Pending
            }
            Join::Finished(result) => Poll::Ready(result),
            Join::Taken => panic!("JoinHandle polled after it was ready"),
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let is_panic = |join: &Join<T>| matches!(join, Join::Finished(Err(JoinError::Panicked(_))));
        if !is_panic(&self.join.borrow()) {
            return;
        }
        if let Join::Finished(Err(JoinError::Panicked(payload))) = self.join.replace(Join::Taken) {
            let origin = Origin::Task;
            self.handle.report(Exception { origin, payload });
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("task", &self.key)
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
