//! The one place for unsafe code of this crate: a borrow of the poller's descriptor.

#![allow(unsafe_code, reason = "this is the address")]

use std::os::fd::{BorrowedFd, RawFd};

use crate::IoLoop;

/// The poller's descriptor, borrowed for as long as the loop is.
pub(crate) fn borrow_poll_fd(fd: RawFd, _owner: &IoLoop) -> BorrowedFd<'_> {
    // SAFETY: `fd` is the descriptor of the poller that `_owner` holds, never replaces, and closes
    // only when it is dropped itself; so it is open for as long as the borrow of `_owner` lasts.
    unsafe { BorrowedFd::borrow_raw(fd) }
}
