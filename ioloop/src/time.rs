//! Waiting for time to pass: `sleep` and `with_timeout`.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::timers::Action;
use crate::{Handle, TimedOut, Timeout};

/// Waits for `duration` on the loop that polls it. Zero waits for the next turn.
///
/// # Panics
/// When polled where no loop is turning.
pub fn sleep(duration: Duration) -> Sleep {
    Sleep {
        state: State::New(When::After(duration)),
    }
}

/// Runs `future` for at most `duration`, then drops it. The future is polled first: one that is
/// ready at once is never too late.
///
/// # Errors
/// [`TimedOut`].
///
/// # Panics
/// When polled where no loop is turning.
pub async fn with_timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, TimedOut> {
    let mut future = pin!(future);
    let mut sleep = pin!(sleep(duration));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        sleep.as_mut().poll(cx).map(|()| Err(TimedOut))
    })
    .await
}

/// The future of [`sleep`]. Dropping it takes its timer off the loop.
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    state: State,
}

enum When {
    After(Duration),
    At(Instant),
}

enum State {
    New(When),
    Waiting(Handle, Timeout),
    Over,
}

impl Sleep {
    /// A sleep that ends at `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self {
            state: State::New(When::At(deadline)),
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &self.state {
            State::New(when) => {
                let handle = Handle::current();
                let clock = &handle.inner().clock;
                let deadline = match *when {
                    When::After(duration) => clock.deadline_after(duration),
                    When::At(instant) => clock.deadline_at(instant),
                };
                let action = Action::Wake(cx.waker().clone());
                let timeout = handle.add_timer(deadline, action);
                self.state = State::Waiting(handle, timeout);
                Poll::Pending
            }
            State::Waiting(handle, timeout) => {
                if keep_waiting(handle, *timeout, cx.waker()) {
                    return Poll::Pending;
                }
                self.state = State::Over;
                Poll::Ready(())
            }
            State::Over => Poll::Ready(()),
        }
    }
}

/// Whether the timer has still to fire. If so, it will wake `waker`.
fn keep_waiting(handle: &Handle, timeout: Timeout, waker: &Waker) -> bool {
    let timers = &handle.inner().timers;
    match timers.borrow_mut().waker(timeout) {
        None => return false,
        Some(known) if known.will_wake(waker) => return true,
        Some(_) => {}
    }
    // Wakers of other executors run code of theirs when cloned and dropped: nothing is borrowed
    // meanwhile.
    let mut waker = waker.clone();
    if let Some(known) = timers.borrow_mut().waker(timeout) {
        std::mem::swap(known, &mut waker);
    }
    drop(waker);
    true
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let State::Waiting(handle, timeout) = &self.state {
            handle.remove_timeout(*timeout);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("is_over", &matches!(self.state, State::Over))
            .finish()
    }
}
