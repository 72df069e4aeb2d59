//! Wakers of tasks, which are numbers: the loop's, the task's slot, and its generation.
//!
//! A waker so owns nothing. Cloning one, dropping one and asking whether two are the same touch no
//! memory, and a task that waits needs no allocation beside its future
//! (`docs/decisions/024-wakers-are-numbers.md`).
//!
//! ```text
//!    63        48        32                 0
//!    +---------+---------+------------------+      on the thread that turns the loop: the slot
//!    |  loop   | gener.  |      slot        | ---> from elsewhere: the loop's post, found by its
//!    +---------+---------+------------------+      number
//! ```
//!
//! A waker may outlive its task, and its loop. Sixteen bits of the generation tell the slot's next
//! owners apart but for one in 65,536, and numbers of loops come again: then a task is polled that
//! nothing has happened to, which the contract of futures allows. Nothing is ever lost.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::remote::{Post, Shared};
use crate::{current, sys, task};

/// What a waker is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WakeKey(u64);

impl WakeKey {
    pub(crate) fn new(loop_number: u16, slot: u32, generation: u32) -> Self {
        let loop_number = u64::from(loop_number) << 48;
        let generation = u64::from(generation & u32::from(u16::MAX)) << 32;
        Self(loop_number | generation | u64::from(slot))
    }

    pub(crate) fn slot(self) -> u32 {
        self.0 as u32
    }

    /// Whether this may be the owner of the slot that is meant.
    pub(crate) fn is_of(self, generation: u32) -> bool {
        (self.0 >> 32) as u16 == generation as u16
    }

    fn loop_number(self) -> u16 {
        (self.0 >> 48) as u16
    }

    pub(crate) fn waker(self) -> Waker {
        sys::waker_of_number(self.0 as usize)
    }

    fn wake(self) {
        let is_local = current::with_current(|handle| {
            let is_ours = handle.inner().shared.number() == self.loop_number();
            if is_ours {
                task::wake(handle, self);
            }
            is_ours
        });
        if is_local != Some(true) {
            if let Some(shared) = find(self.loop_number()) {
                // A loop that is closed has no tasks left to wake.
                let _ = shared.post(Post::Wake(self));
            }
        }
    }
}

/// The functions of all these wakers. They take any number, and are safe on any thread.
pub(crate) static FUNCTIONS: RawWakerVTable = RawWakerVTable::new(
    |number| RawWaker::new(number, &FUNCTIONS),
    |number| WakeKey(number.addr() as u64).wake(),
    |number| WakeKey(number.addr() as u64).wake(),
    |_| {},
);

// ---- the loops, by number

static LOOPS: RwLock<Vec<Option<Arc<Shared>>>> = RwLock::new(Vec::new());

/// Gives a loop its number, until [`strike_off`].
pub(crate) fn enrol(make: impl FnOnce(u16) -> Shared) -> io::Result<Arc<Shared>> {
    // No code of others runs under the lock, so a poisoned list is a whole list.
    let mut loops = LOOPS.write().unwrap_or_else(PoisonError::into_inner);
    let free = loops.iter().position(Option::is_none);
    let place = free.unwrap_or(loops.len());
    let number = u16::try_from(place).map_err(|_| io::Error::other("65,536 loops at once"))?;
    let shared = Arc::new(make(number));
    if place == loops.len() {
        loops.push(None);
    }
    loops[place] = Some(shared.clone());
    Ok(shared)
}

/// For a loop that closes.
pub(crate) fn strike_off(shared: &Shared) {
    let mut loops = LOOPS.write().unwrap_or_else(PoisonError::into_inner);
    let struck_off = loops[usize::from(shared.number())].take();
    drop(loops);
    drop(struck_off);
}

fn find(number: u16) -> Option<Arc<Shared>> {
    let loops = LOOPS.read().unwrap_or_else(PoisonError::into_inner);
    loops.get(usize::from(number)).cloned().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_it_was_made_of() {
        for (number, slot, generation) in [(0, 0, 0), (1, 2, 3), (u16::MAX, u32::MAX, u32::MAX)] {
            let key = WakeKey::new(number, slot, generation);
            assert_eq!((key.loop_number(), key.slot()), (number, slot));
            assert!(key.is_of(generation));
            assert!(!key.is_of(generation.wrapping_add(1)));
            assert!(key.waker().will_wake(&key.waker().clone()));
        }
    }
}
