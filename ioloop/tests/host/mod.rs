//! A host that knows nothing but poll(2).

#![allow(unsafe_code, reason = "poll(2) is a system call")]

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// Waits until one of the descriptors is readable, or for `timeout`; says which are.
pub(crate) fn poll_readable<const N: usize>(
    descriptors: [&dyn AsFd; N],
    timeout: Option<Duration>,
) -> [bool; N] {
    let mut fds = descriptors.map(|descriptor| libc::pollfd {
        fd: descriptor.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    let millis = timeout.map_or(-1, |timeout| {
        i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
    });
    // SAFETY: `fds` is an array of `N` valid pollfd structures, and outlives the call.
    let count = unsafe { libc::poll(fds.as_mut_ptr(), N as libc::nfds_t, millis) };
    assert!(count >= 0, "poll: {}", std::io::Error::last_os_error());
    fds.map(|fd| fd.revents & libc::POLLIN != 0)
}
