//! The only unsafe code of this workspace: what a child does between `fork` and `exec`.

#![allow(unsafe_code)] // `pre_exec` and the system calls it makes; nothing else lives here.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Pins the child to one core, raises its descriptor limit to the hard one, and has the kernel
/// kill it when the driver dies, however that happens.
pub(crate) fn prepare_child(command: &mut Command, core: usize) {
    let pin_raise_bind = move || {
        pin(core)?;
        raise_descriptor_limit()?;
        die_with_parent()
    };
    // SAFETY: the closure runs between fork and exec, and makes only system calls, which are
    // async-signal-safe; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(pin_raise_bind) };
}

/// Gives the child's core to any other process that wants it, at once (`SCHED_IDLE`).
pub(crate) fn yield_to_others(command: &mut Command) {
    let lower = || {
        let parameter = libc::sched_param { sched_priority: 0 };
        // SAFETY: the kernel reads one live sched_param; 0 is the calling process.
        check(unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameter) })
    };
    // SAFETY: as above: one system call.
    unsafe { command.pre_exec(lower) };
}

/// Asks a process to end as Ctrl-C would, which makes strace and perf print their sums.
pub(crate) fn interrupt(process: u32) -> io::Result<()> {
    // SAFETY: kill takes two integers; the process is a child that has not been waited for, so
    // its number cannot have been given to another.
    check(unsafe { libc::kill(process.cast_signed(), libc::SIGINT) })
}

fn pin(core: usize) -> io::Result<()> {
    // SAFETY: a zeroed cpu_set_t is the empty set; CPU_SET writes inside it for any index below
    // its size, which libc checks; the kernel only reads it.
    check(unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    })
}

fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls get a pointer to a live rlimit of the right type.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })
}

fn die_with_parent() -> io::Result<()> {
    // SAFETY: this option of prctl takes one integer.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
