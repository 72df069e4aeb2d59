//! The one place for unsafe code of this crate: a borrow of the poller's descriptor, and a waker
//! that is a number.

#![allow(unsafe_code, reason = "this is the address")]

use std::os::fd::{BorrowedFd, RawFd};
use std::ptr;
use std::task::Waker;

use crate::{IoLoop, wakers};

/// The poller's descriptor, borrowed for as long as the loop is.
pub(crate) fn borrow_poll_fd(fd: RawFd, _owner: &IoLoop) -> BorrowedFd<'_> {
    // SAFETY: `fd` is the descriptor of the poller that `_owner` holds, never replaces, and closes
    // only when it is dropped itself; so it is open for as long as the borrow of `_owner` lasts.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// A waker of a task, by its number; see `wakers.rs`.
pub(crate) fn waker_of_number(number: usize) -> Waker {
    // SAFETY: the functions are safe ones. They take the pointer for the number that it is and
    // never follow it, keep nothing that a clone would have to own or a drop to give back, and may
    // be called from any thread: what they look up is behind a lock, or the thread's own.
    unsafe { Waker::new(ptr::without_provenance(number), &wakers::FUNCTIONS) }
}
