//! The generator's side of the conversation with the driver, and what can go wrong.
//!
//! Controlled, it says `ready` once warm and quiet and waits for a line, so that the driver can
//! read the server's clocks with no request in flight; after the results it holds its connections
//! until the next line. A closed standard input counts as a line: nothing outlives its driver.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::time::Duration;

use crate::Count;
use crate::arguments::Arguments;

/// Why a run ended without results.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server said something else than it should, or too little.
    Server(String),
    /// The system refused.
    Io(io::Error),
}

impl Failure {
    /// The server's bytes are wrong; the first of them are shown.
    pub(crate) fn mismatch(what: &str, bytes: &[u8]) -> Self {
        let shown = &bytes[..bytes.len().min(300)];
        Self::Server(format!("{what}: {:?}", String::from_utf8_lossy(shown)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(what) => f.write_str(what),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The conversation; silent but for the results when not controlled.
pub(crate) struct Stage {
    controlled: bool,
    before: Schedule,
}

impl Stage {
    /// Warm-up, `ready`, window, results, in this order.
    pub(crate) fn perform(
        arguments: &Arguments,
        mut run: impl FnMut(Duration) -> Result<Count, Failure>,
    ) -> Result<(), Failure> {
        let mut stage = Self {
            controlled: arguments.controlled,
            before: Schedule::default(),
        };
        run(arguments.warmup)?;
        stage.ready()?;
        let count = run(arguments.window)?;
        stage.finish(count)
    }

    /// Every connection is open and quiet: the window may begin.
    fn ready(&mut self) -> Result<(), Failure> {
        if self.controlled {
            println!("ready");
            self.wait_for_line()?;
        }
        self.before = Schedule::read();
        Ok(())
    }

    /// Prints what the window did.
    fn finish(&self, count: Count) -> Result<(), Failure> {
        let now = Schedule::read();
        println!(
            "answers={} seconds={:.6} rate={:.0} load_cpu_seconds={:.6} load_wait_seconds={:.6}",
            count.answers,
            count.elapsed.as_secs_f64(),
            count.answers as f64 / count.elapsed.as_secs_f64().max(1e-9),
            now.running - self.before.running,
            now.waiting - self.before.waiting,
        );
        if self.controlled {
            self.wait_for_line()?;
        }
        Ok(())
    }

    fn wait_for_line(&self) -> Result<(), Failure> {
        io::stdout().flush()?;
        io::stdin().lock().read_line(&mut String::new())?;
        Ok(())
    }
}

/// Seconds this thread has spent on a processor and waiting for one; 0 where the kernel does not
/// tell.
#[derive(Default)]
struct Schedule {
    running: f64,
    waiting: f64,
}

impl Schedule {
    fn read() -> Self {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let mut nanoseconds = text
            .split_whitespace()
            .map_while(|word| word.parse::<u64>().ok());
        let mut next = || nanoseconds.next().unwrap_or(0) as f64 / 1e9;
        Self {
            running: next(),
            waiting: next(),
        }
    }
}
