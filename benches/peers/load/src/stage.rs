//! The generator's side of the conversation with the driver, and what can go wrong.
//!
//! Controlled, it says `ready` once warm and quiet. For each line that it is sent it runs one
//! window and prints its results, and is quiet in between, so that the driver can read the server's
//! clocks with no request in flight. It ends with its standard input: nothing outlives its driver.

use std::fmt;
use std::io::{self, BufRead};
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

/// Warm-up and one window; or, controlled, `ready` and a window for each line.
pub(crate) fn perform(
    arguments: &Arguments,
    mut run: impl FnMut(Duration) -> Result<Count, Failure>,
) -> Result<(), Failure> {
    run(arguments.warmup)?;
    if !arguments.controlled {
        return window(arguments, &mut run);
    }
    println!("ready");
    for line in io::stdin().lock().lines() {
        line?;
        window(arguments, &mut run)?;
    }
    Ok(())
}

/// Runs one window and prints what it did.
fn window(
    arguments: &Arguments,
    run: &mut impl FnMut(Duration) -> Result<Count, Failure>,
) -> Result<(), Failure> {
    let before = Schedule::read();
    let count = run(arguments.window)?;
    let now = Schedule::read();
    let quantiles = count
        .quantiles
        .map_or(String::new(), |quantiles| format!("{quantiles} "));
    println!(
        "answers={} seconds={:.6} rate={:.0} {quantiles}load_cpu_seconds={:.6} \
         load_wait_seconds={:.6}",
        count.answers,
        count.elapsed.as_secs_f64(),
        count.answers as f64 / count.elapsed.as_secs_f64().max(1e-9),
        now.running - before.running,
        now.waiting - before.waiting,
    );
    Ok(())
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
