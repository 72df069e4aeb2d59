//! Tasks that wait for the end of one socket, any number of them. The list is made when the first
//! task waits; an idle socket has none. Used by `websocket.rs`.

use std::cell::Cell;
use std::task::Waker;

#[derive(Default)]
pub(crate) struct Waiters {
    wakers: Cell<Vec<Waker>>,
}

impl Waiters {
    /// Wakes `waker` at the end; a task that asks twice is woken once.
    pub(crate) fn add(&self, waker: &Waker) {
        let mut wakers = self.wakers.take();
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
        self.wakers.set(wakers);
    }

    /// Wakes all. Who still waits adds itself again.
    pub(crate) fn wake_all(&self) {
        for waker in self.wakers.take() {
            waker.wake();
        }
    }
}
