//! Tasks that wait for something of one socket: for room in its backlog, or for its end.
//!
//! A stream wakes one writer. Any number of tasks may wait for the same socket, so what the stream
//! is given as its writer is this list, which passes the wake on to all. It is made when the first
//! task waits; an idle socket has none. Used by `websocket.rs`.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// A waker that wakes many. A `Mutex`, since wakers may cross threads; it is never contended.
#[derive(Default)]
pub(crate) struct Waiters {
    wakers: Mutex<Vec<Waker>>,
}

impl Waiters {
    /// Wakes `waker` the next time; a task that asks twice is woken once.
    pub(crate) fn add(&self, waker: &Waker) {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    /// Wakes all, outside of the lock. Who still waits adds itself again.
    pub(crate) fn wake_all(&self) {
        let wakers =
            std::mem::take(&mut *self.wakers.lock().unwrap_or_else(PoisonError::into_inner));
        for waker in wakers {
            waker.wake();
        }
    }
}

impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}
