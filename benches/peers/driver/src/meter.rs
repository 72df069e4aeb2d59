//! What /proc tells of a server: processor time and memory.

use std::fs;
use std::io;
use std::time::Instant;

/// USER_HZ, which Linux has kept at 100 for programs to rely upon.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time since the process began, over all of its threads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Processor {
    /// Seconds running, user and kernel: exact, from the scheduler's own account.
    pub(crate) seconds: f64,
    /// Ticks in user space and in the kernel: sampled, so they tell a share and not a time.
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
}

impl Processor {
    pub(crate) fn read(process: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        let mut times = stat_times(&stat).ok_or_else(|| io::Error::other("a strange stat"))?;
        if let Some(seconds) = scheduled_seconds(process) {
            times.seconds = seconds;
        }
        Ok(times)
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            seconds: self.seconds - before.seconds,
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
        user_ticks,
        system_ticks,
    })
}

/// The same time to the nanosecond, where the kernel keeps it: `schedstat`. In `stat` it comes in
/// hundredths of a second.
fn scheduled_seconds(process: u32) -> Option<f64> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task")).ok()? {
        let path = thread.ok()?.path().join("schedstat");
        let text = fs::read_to_string(path).ok()?;
        let running: u64 = text.split_whitespace().next()?.parse().ok()?;
        nanoseconds += running;
    }
    (nanoseconds > 0).then_some(nanoseconds as f64 / 1e9)
}

/// The idle time of one core, at some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Core {
    at: Instant,
    idle: f64,
}

impl Core {
    pub(crate) fn read(core: usize) -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let at = Instant::now();
        let idle = idle_seconds(&stat, core);
        idle.map(|idle| Self { at, idle })
            .ok_or_else(|| io::Error::other(format!("no core {core}")))
    }

    /// The share of the time since `before` that went neither to idling nor to a process that
    /// took `seconds` of it: what others took. A tick is too coarse for less than a few percent.
    pub(crate) fn taken_by_others(&self, before: &Self, seconds: f64) -> f64 {
        let elapsed = (self.at - before.at).as_secs_f64();
        let others = elapsed - (self.idle - before.idle) - seconds;
        (others / elapsed).max(0.0)
    }
}

/// The columns `idle` and `iowait` of proc_stat(5).
fn idle_seconds(stat: &str, core: usize) -> Option<f64> {
    let name = format!("cpu{core} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name))?;
    let mut columns = line.split_whitespace().map(str::parse::<f64>).skip(3);
    let ticks = columns.next()?.ok()? + columns.next()?.ok()?;
    Some(ticks / TICKS_PER_SECOND)
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
    fn a_core_is_found_by_its_number() {
        let stat = "cpu 9 9 9 9 9\ncpu0 1 1 1 200 100 0\ncpu1 1 1 1 50 0 0\n";
        assert_eq!(idle_seconds(stat, 0), Some(3.0));
        assert_eq!(idle_seconds(stat, 1), Some(0.5));
        assert_eq!(idle_seconds(stat, 2), None);
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(Processor::read(std::process::id()).is_ok());
        assert!(anonymous_bytes(std::process::id()).expect("memory") > 0);
    }
}
