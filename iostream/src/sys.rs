//! The one place for unsafe code of this crate: descriptors that this process was born with, of
//! which it knows nothing but the number.

#![allow(unsafe_code, reason = "this is the address")]

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

use crate::NotAListener;

/// Takes over a descriptor that was inherited. Its number comes from the environment, and may be
/// wrong: so it is asked whether it is open, and whether it has outlived an `exec`, which none has
/// that is closed by it. All that Rust's standard library opens is.
pub(crate) fn inherit(number: RawFd) -> Result<OwnedFd, NotAListener> {
    if number < 0 {
        return Err(NotAListener::NotOpen);
    }
    // SAFETY: an owned descriptor must be open and owned by nobody else. Both are checked below
    // before anything else is done with it, and where they do not hold, the value is given up
    // without a close. The caller takes each number once in the life of the process
    // (`inherited.rs`), and what was inherited had no owner before.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    let problem = match fcntl_getfd(&fd) {
        Err(_) => NotAListener::NotOpen,
        Ok(flags) if flags.contains(FdFlags::CLOEXEC) => NotAListener::NotInherited,
        // From here on children do not inherit it.
        Ok(flags) => match fcntl_setfd(&fd, flags | FdFlags::CLOEXEC) {
            Ok(()) => return Ok(fd),
            Err(error) => NotAListener::System(error.into()),
        },
    };
    let _ = fd.into_raw_fd();
    Err(problem)
}
