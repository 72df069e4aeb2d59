//! One measurement: one server, one load, windows of time or a count.
//!
//! The clocks are read while nothing is in flight: after the generator's `ready`, and after its
//! results, which it prints when the last answer is in. So what lies between belongs to exactly
//! the answers counted.

use std::io;
use std::thread;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::meter::{Processor, anonymous_bytes};
use crate::process::{Load, Place, Server};
use crate::quiet::Latency;
use crate::scenarios::{IDLE_CONNECTIONS, Measures, Scenario};
use crate::servers::Program;
use crate::tracer::Tracer;

/// After the last connection, for a server to come to rest.
const REST: Duration = Duration::from_millis(300);

/// The turn of one server in a round: short, so that what disturbs the machine for a second does
/// not fall on one server alone; long beside the moment that caches take to fill.
pub(crate) const SLICE: Duration = Duration::from_millis(100);

/// How often a slice is tried, if it was disturbed.
const ATTEMPTS: u32 = 3;
/// Share of a slice; on a quiet machine it stays below.
const DISTURBED_MAX: f64 = 0.05;

/// How many turns each server has in a round.
pub(crate) fn slices(arguments: &Arguments) -> u32 {
    (arguments.window.as_secs_f64() / SLICE.as_secs_f64())
        .ceil()
        .max(1.0) as u32
}

/// What one window told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sample {
    /// Of a speed scenario.
    Speed(Speed),
    /// System calls per answer.
    SystemCalls(f64),
    /// Bytes per idle connection.
    Memory(f64),
    /// Of answers at a fixed rate.
    Latency(Latency),
}

/// Throughput and its price.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Speed {
    pub(crate) answers: f64,
    pub(crate) seconds: f64,
    /// Of the server.
    pub(crate) processor: Processor,
    /// Of the generator: near 1 beside a server below 1, the generator was the bottleneck.
    pub(crate) load_busy: f64,
    /// Share of the window that either side could have run and something else did.
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

    pub(crate) fn per_cpu_second(&self) -> f64 {
        self.answers / self.processor.seconds
    }

    pub(crate) fn server_busy(&self) -> f64 {
        self.processor.seconds / self.seconds
    }
}

/// A server and its load, both warm, which run when it is their turn. They live no longer than
/// this.
pub(crate) struct Runner {
    load: Load,
    server: Server,
    slices: Vec<Speed>,
}

impl Runner {
    /// Starts both, and waits until the generator has warmed up.
    pub(crate) fn start(
        arguments: &Arguments,
        scenario: &Scenario,
        program: &Program,
    ) -> io::Result<Self> {
        let server = Server::start(program, arguments.core_server)?;
        server.greet()?;
        let load = start_load(arguments, scenario, server.port)?;
        Ok(Self {
            load,
            server,
            slices: Vec::new(),
        })
    }

    /// One turn; again if other processes took more than a small share of it, and of a few the
    /// least disturbed counts.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        let mut best = self.slice()?;
        for _ in 1..ATTEMPTS {
            if best.disturbed <= DISTURBED_MAX {
                break;
            }
            let again = self.slice()?;
            if again.disturbed < best.disturbed {
                best = again;
            }
        }
        self.slices.push(best);
        Ok(())
    }

    /// All turns together.
    pub(crate) fn finish(self) -> Speed {
        let mut all = Speed::default();
        for slice in &self.slices {
            all.answers += slice.answers;
            all.seconds += slice.seconds;
            all.processor.add(&slice.processor);
            all.load_busy += slice.load_busy * slice.seconds;
            all.disturbed += slice.disturbed * slice.seconds;
        }
        all.load_busy /= all.seconds;
        all.disturbed /= all.seconds;
        all
    }

    fn slice(&mut self) -> io::Result<Speed> {
        let before = Processor::read(self.server.id())?;
        let window = window(&mut self.load)?;
        let processor = Processor::read(self.server.id())?.since(&before);
        Ok(Speed {
            answers: window.answers,
            seconds: window.seconds,
            processor,
            load_busy: window.load_cpu / window.seconds,
            disturbed: (processor.waiting + window.load_wait) / window.seconds,
        })
    }
}

/// Counts system calls or bytes of one server under one load.
pub(crate) fn count(
    arguments: &Arguments,
    tracer: Option<Tracer>,
    scenario: &Scenario,
    program: &Program,
) -> io::Result<Sample> {
    let server = Server::start(program, arguments.core_server)?;
    server.greet()?;
    let memory_before = anonymous_bytes(server.id())?;
    let mut load = start_load(arguments, scenario, server.port)?;
    if scenario.measures == Measures::Memory {
        thread::sleep(REST);
        let grown = anonymous_bytes(server.id())?.saturating_sub(memory_before);
        return Ok(Sample::Memory(grown as f64 / IDLE_CONNECTIONS as f64));
    }
    let tracer = tracer.ok_or_else(|| io::Error::other("no perf and no strace here"))?;
    let attached = tracer.attach(server.id(), arguments.core_load)?;
    let mut answers = 0.0;
    for _ in 0..slices(arguments) {
        answers += window(&mut load)?.answers;
    }
    let calls = attached.finish()?;
    Ok(Sample::SystemCalls(calls as f64 / answers))
}

fn start_load(arguments: &Arguments, scenario: &Scenario, port: u16) -> io::Result<Load> {
    let place = Place {
        core: arguments.core_load,
        yields: false,
    };
    Load::ready(place, port, scenario.load, arguments.warmup, SLICE)
}

/// What the generator tells of a window.
struct Window {
    answers: f64,
    seconds: f64,
    load_cpu: f64,
    load_wait: f64,
}

/// Lets the generator run.
fn window(load: &mut Load) -> io::Result<Window> {
    load.go()?;
    let report = load.report(SLICE)?;
    let window = Window {
        answers: report.value("answers")?,
        seconds: report.value("seconds")?,
        load_cpu: report.value("load_cpu_seconds")?,
        load_wait: report.value("load_wait_seconds")?,
    };
    match window.answers > 0.0 {
        true => Ok(window),
        false => Err(io::Error::other("a window without an answer")),
    }
}
