//! Counting a server's system calls, with `perf stat` where the kernel lets it, else `strace -c`.
//!
//! perf counts the tracepoint `raw_syscalls:sys_enter` and disturbs little. strace stops the
//! server at each call, so that it finds more sockets ready per wait than it would by itself; its
//! figure flatters a little, by the share of `epoll_wait`.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys;

const ATTACH_MAX: Duration = Duration::from_secs(5);

/// A tool that works on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracer {
    /// `perf stat`.
    Perf,
    /// `strace -c -f`.
    Strace,
}

impl Tracer {
    /// The wished one, or the first that can count the calls of `true`.
    pub(crate) fn find(wish: Option<&str>) -> Option<Self> {
        let all = [(Self::Perf, "perf"), (Self::Strace, "strace")];
        let wished = all
            .into_iter()
            .filter(|(_, name)| wish.is_none_or(|wish| wish == *name));
        wished
            .map(|(tracer, _)| tracer)
            .find(|tracer| tracer.works())
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Perf => "perf",
            Self::Strace => "strace",
        }
    }

    fn command(self) -> Command {
        let (program, words): (_, &[&str]) = match self {
            Self::Perf => ("perf", &["stat", "-x,", "-e", "raw_syscalls:sys_enter"]),
            Self::Strace => ("strace", &["-c", "-f", "-q"]),
        };
        let mut command = Command::new(program);
        command
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    fn works(self) -> bool {
        let output = self.command().arg("true").output();
        output.is_ok_and(|output| {
            self.calls(&String::from_utf8_lossy(&output.stderr))
                .is_some()
        })
    }

    /// Attaches to a process that is quiet, and returns once calls are being counted.
    pub(crate) fn attach(self, process: u32, core: usize) -> io::Result<Attached> {
        let mut command = self.command();
        command.args(["-p", &process.to_string()]);
        sys::prepare_child(&mut command, core);
        let attached = Attached {
            tracer: self,
            child: command.spawn()?,
        };
        let deadline = Instant::now() + ATTACH_MAX;
        while !attached.counts(process) {
            if Instant::now() > deadline {
                let message = format!("{} did not attach", self.name());
                return Err(io::Error::new(ErrorKind::TimedOut, message));
            }
            thread::sleep(Duration::from_millis(10));
        }
        // From its open files to their enabling perf needs another moment.
        thread::sleep(Duration::from_millis(100));
        Ok(attached)
    }

    /// The sum in what the tool prints at its end.
    fn calls(self, printed: &str) -> Option<u64> {
        printed.lines().rev().find_map(|line| match self {
            // `12345,,raw_syscalls:sys_enter,...`
            Self::Perf if line.contains("sys_enter") => line.split(',').next()?.parse().ok(),
            // `100.00    0.012    3    12345    67 total`; the errors may be blank.
            Self::Strace if line.ends_with(" total") => {
                line.split_whitespace().nth(3)?.parse().ok()
            }
            _ => None,
        })
    }
}

/// A tool at work; killed when dropped.
pub(crate) struct Attached {
    tracer: Tracer,
    child: Child,
}

impl Attached {
    /// Ends the tool and returns the calls it counted.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        sys::interrupt(self.child.id())?;
        let mut printed = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            stderr.read_to_string(&mut printed)?;
        }
        let calls = self.tracer.calls(&printed);
        calls.ok_or_else(|| io::Error::other(format!("no sum in {printed:?}")))
    }

    fn counts(&self, process: u32) -> bool {
        match self.tracer {
            Tracer::Perf => links_to(self.child.id(), "perf_event"),
            Tracer::Strace => every_thread_is_traced(process),
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process has a descriptor of this kind open.
fn links_to(process: u32, kind: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fd")) else {
        return false;
    };
    let mut targets = descriptors
        .flatten()
        .flat_map(|entry| fs::read_link(entry.path()));
    targets.any(|target| target.to_string_lossy().contains(kind))
}

fn every_thread_is_traced(process: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return false;
    };
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        !status.contains("TracerPid:\t0\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_found_with_and_without_errors() {
        let plain = "% time  seconds\n100.00    0.000100    3    4321           total\n";
        let errors = "100.00    0.000100    3    4321    7 total\n";
        assert_eq!(Tracer::Strace.calls(plain), Some(4321));
        assert_eq!(Tracer::Strace.calls(errors), Some(4321));
        let perf = "99,,raw_syscalls:sys_enter,1715000,100.00,,\n";
        assert_eq!(Tracer::Perf.calls(perf), Some(99));
    }
}
