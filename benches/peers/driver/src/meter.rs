//! What /proc tells of a server: processor time and memory.

use std::fs;
use std::io;

/// USER_HZ, which Linux has kept at 100 for programs to rely upon.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time since the process began, over all of its threads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Processor {
    /// Seconds running, user and kernel: exact, from the scheduler's own account.
    pub(crate) seconds: f64,
    /// Seconds that it could have run and something else did: exact likewise.
    pub(crate) waiting: f64,
    /// Ticks in user space and in the kernel: sampled, so they tell a share and not a time.
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
}

impl Processor {
    pub(crate) fn read(process: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        let mut times = stat_times(&stat).ok_or_else(|| io::Error::other("a strange stat"))?;
        if let Some((seconds, waiting)) = scheduled_seconds(process) {
            times.seconds = seconds;
            times.waiting = waiting;
        }
        Ok(times)
    }

    pub(crate) fn add(&mut self, more: &Self) {
        self.seconds += more.seconds;
        self.waiting += more.waiting;
        self.user_ticks += more.user_ticks;
        self.system_ticks += more.system_ticks;
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            seconds: self.seconds - before.seconds,
            waiting: self.waiting - before.waiting,
            user_ticks: self.user_ticks - before.user_ticks,
            system_ticks: self.system_ticks - before.system_ticks,
        }
    }
}

/// Fields 14 and 15 of proc_pid_stat(5), counted after the name, which may contain anything.
fn stat_times(stat: &str) -> Option<Processor> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user_ticks = fields.next()?.parse().ok()?;
    let system_ticks = fields.next()?.parse().ok()?;
    Some(Processor {
        seconds: (user_ticks + system_ticks) as f64 / TICKS_PER_SECOND,
        waiting: 0.0,
        user_ticks,
        system_ticks,
    })
}

/// The times running and waiting to the nanosecond, where the kernel keeps them: `schedstat`. In
/// `stat` they come in hundredths of a second.
fn scheduled_seconds(process: u32) -> Option<(f64, f64)> {
    let (mut running, mut waiting) = (0, 0);
    for thread in fs::read_dir(format!("/proc/{process}/task")).ok()? {
        let path = thread.ok()?.path().join("schedstat");
        let text = fs::read_to_string(path).ok()?;
        let mut nanoseconds = text.split_whitespace();
        running += nanoseconds.next()?.parse::<u64>().ok()?;
        waiting += nanoseconds.next()?.parse::<u64>().ok()?;
    }
    (running > 0).then_some((running as f64 / 1e9, waiting as f64 / 1e9))
}

/// Bytes of private anonymous memory: heap and stacks, not the program's text, not the kernel's.
pub(crate) fn anonymous_bytes(process: u32) -> io::Result<u64> {
    let kilobytes = |file: &str, name: &str| -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{process}/{file}"))?;
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.split_whitespace().next())
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| io::Error::other(format!("no {name} in {file}")))
    };
    let resident =
        kilobytes("smaps_rollup", "Anonymous:").or_else(|_| kilobytes("status", "RssAnon:"))?;
    let swapped = kilobytes("status", "VmSwap:").unwrap_or(0);
    Ok((resident + swapped) * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) (b) S 1 7 7 0 -1 4194304 99 0 0 0 12 34 0 0 20 0 1 0 5 6 7";
        let times = stat_times(stat).expect("times");
        assert_eq!((times.user_ticks, times.system_ticks), (12, 34));
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(Processor::read(std::process::id()).is_ok());
        assert!(anonymous_bytes(std::process::id()).expect("memory") > 0);
    }
}
