//! One measurement: one server, one load, one window.
//!
//! The clocks are read while nothing is in flight: after the generator's `ready`, and after its
//! results, which it prints when the last answer is in. So what lies between belongs to exactly
//! the answers counted.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::meter::{Core, Processor, anonymous_bytes};
use crate::process::{Load, Server};
use crate::scenarios::{IDLE_CONNECTIONS, Measures, Scenario};
use crate::tracer::Tracer;

/// Opening 10,000 connections, one after the other, takes a second or two.
const OPEN_MAX: Duration = Duration::from_secs(60);
/// Beyond the window, for the last answers.
const FINISH_MAX: Duration = Duration::from_secs(15);
/// After the last connection, for a server to come to rest.
const REST: Duration = Duration::from_millis(300);

const ATTEMPTS: u32 = 3;
/// Share of a window; on a quiet machine it stays below.
const DISTURBED_MAX: f64 = 0.05;

/// What one window told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sample {
    /// Of a speed scenario.
    Speed(Speed),
    /// System calls per answer.
    SystemCalls(f64),
    /// Bytes per idle connection.
    Memory(f64),
}

impl Sample {
    /// Calls and bytes are counted, and do not mind who else is running.
    fn disturbed(&self) -> f64 {
        match self {
            Self::Speed(speed) => speed.disturbed,
            Self::SystemCalls(_) | Self::Memory(_) => 0.0,
        }
    }
}

/// Throughput and its price.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speed {
    pub(crate) answers: f64,
    pub(crate) seconds: f64,
    /// Of the server.
    pub(crate) processor: Processor,
    /// Of the generator: near 1 beside a server below 1, the generator was the bottleneck.
    pub(crate) load_busy: f64,
    /// Share of the window that other processes took from either side.
    pub(crate) disturbed: f64,
}

impl Speed {
    pub(crate) fn per_second(&self) -> f64 {
        self.answers / self.seconds
    }

    /// Processor time of the server, user and kernel, in microseconds.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.processor.seconds / self.answers * 1e6
    }

    pub(crate) fn server_busy(&self) -> f64 {
        self.processor.seconds / self.seconds
    }
}

/// Measures, and again if other processes took more than a small share of the window: of a few
/// attempts the least disturbed counts.
pub(crate) fn measure(
    arguments: &Arguments,
    tracer: Option<Tracer>,
    scenario: &Scenario,
    binary: &Path,
) -> io::Result<Sample> {
    let mut best = attempt(arguments, tracer, scenario, binary)?;
    for _ in 1..ATTEMPTS {
        if best.disturbed() <= DISTURBED_MAX {
            break;
        }
        let again = attempt(arguments, tracer, scenario, binary)?;
        if again.disturbed() < best.disturbed() {
            best = again;
        }
    }
    Ok(best)
}

/// Runs one server under one load. The server lives no longer than this.
fn attempt(
    arguments: &Arguments,
    tracer: Option<Tracer>,
    scenario: &Scenario,
    binary: &Path,
) -> io::Result<Sample> {
    let server = Server::start(binary, arguments.core_server)?;
    server.greet()?;
    let memory_before = anonymous_bytes(server.id())?;
    let mut load = start_load(arguments, scenario, server.port)?;
    load.line(OPEN_MAX + arguments.warmup)?;
    match scenario.measures {
        Measures::Speed => speed(arguments, &server, &mut load).map(Sample::Speed),
        Measures::SystemCalls => {
            let tracer = tracer.ok_or_else(|| io::Error::other("no perf and no strace here"))?;
            let attached = tracer.attach(server.id(), arguments.core_load)?;
            let answers = window(arguments, &mut load)?.answers;
            let calls = attached.finish()?;
            Ok(Sample::SystemCalls(calls as f64 / answers))
        }
        Measures::Memory => {
            thread::sleep(REST);
            let grown = anonymous_bytes(server.id())?.saturating_sub(memory_before);
            Ok(Sample::Memory(grown as f64 / IDLE_CONNECTIONS as f64))
        }
    }
}

fn start_load(arguments: &Arguments, scenario: &Scenario, port: u16) -> io::Result<Load> {
    let folder = std::env::current_exe()?;
    let binary = folder.with_file_name("load");
    let mut words = vec![port.to_string()];
    words.extend(scenario.load.split_whitespace().map(str::to_owned));
    let times = [
        ("--warmup", arguments.warmup),
        ("--seconds", arguments.window),
    ];
    for (name, time) in times {
        words.extend([name.to_owned(), time.as_secs_f64().to_string()]);
    }
    Load::start(&binary, arguments.core_load, &words)
}

fn speed(arguments: &Arguments, server: &Server, load: &mut Load) -> io::Result<Speed> {
    let core_before = Core::read(arguments.core_server)?;
    let before = Processor::read(server.id())?;
    let window = window(arguments, load)?;
    let processor = Processor::read(server.id())?.since(&before);
    let core = Core::read(arguments.core_server)?;
    let others = core.taken_by_others(&core_before, processor.seconds);
    Ok(Speed {
        answers: window.answers,
        seconds: window.seconds,
        processor,
        load_busy: window.load_cpu / window.seconds,
        disturbed: others + window.load_wait / window.seconds,
    })
}

/// What the generator tells of a window.
struct Window {
    answers: f64,
    seconds: f64,
    load_cpu: f64,
    load_wait: f64,
}

/// Lets the generator run.
fn window(arguments: &Arguments, load: &mut Load) -> io::Result<Window> {
    load.go()?;
    let line = load.line(arguments.window + FINISH_MAX)?;
    let value = |name: &str| -> io::Result<f64> {
        line.split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("no {name} in {line:?}")))
    };
    let window = Window {
        answers: value("answers")?,
        seconds: value("seconds")?,
        load_cpu: value("load_cpu_seconds")?,
        load_wait: value("load_wait_seconds")?,
    };
    match window.answers > 0.0 {
        true => Ok(window),
        false => Err(io::Error::other("a window without an answer")),
    }
}
