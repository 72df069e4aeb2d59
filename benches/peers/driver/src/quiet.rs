//! Whether one peer is felt by the others: how long answers take at a fixed rate, while nothing
//! else goes on and, in the same process a moment later, while something does.
//!
//! The second generator has the first one's core only while that does not want it, so that the
//! times are the server's and not those of waiting for the generator.

use std::io;
use std::thread;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::meter::Processor;
use crate::process::{Load, Place, Server};
use crate::scenarios::{Disturbance, Scenario};
use crate::servers::Program;

/// By how much the disturbance begins before, and ends after.
const MARGIN: Duration = Duration::from_millis(100);

/// How often a window is tried, if others took part of the machine, and how much they may take.
const ATTEMPTS: u32 = 3;
const DISTURBED_MAX: f64 = 0.01;

/// Calm, and beside something else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) calm: Quantiles,
    pub(crate) beside: Quantiles,
    /// What goes on beside, in answers per second.
    pub(crate) others: f64,
    /// Share of the worse window that server or generator could have run and something else did.
    pub(crate) disturbed: f64,
}

impl Latency {
    /// How many times as long the slowest hundredth takes.
    pub(crate) fn growth(&self) -> f64 {
        self.beside.p99_us / self.calm.p99_us
    }
}

/// In microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantiles {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
}

/// One round of one server.
pub(crate) fn time(
    arguments: &Arguments,
    scenario: &Scenario,
    disturbance: Disturbance,
    program: &Program,
) -> io::Result<Latency> {
    let server = Server::start(program, arguments.core_server)?;
    server.greet()?;
    let (core, window, warmup) = (arguments.core_load, arguments.window, arguments.warmup);
    let place = Place {
        core,
        yields: false,
    };
    let mut quiet = Load::ready(place, server.port, scenario.load, warmup, window)?;
    let mut calm = timed(&server, &mut quiet, window)?;
    for _ in 1..ATTEMPTS {
        if calm.disturbed > DISTURBED_MAX {
            calm = calm.or_calmer(timed(&server, &mut quiet, window)?);
        }
    }

    let place = Place { core, yields: true };
    let port = match disturbance {
        Disturbance::Flood => server.port,
        Disturbance::Handshakes => server.port_tls,
    };
    let longer = window + 2 * MARGIN;
    let mut other = Load::ready(place, port, disturbance.load(), warmup, longer)?;
    let (mut answers, mut seconds) = (0.0, 0.0);
    let mut beside: Option<Timed> = None;
    for _ in 0..ATTEMPTS {
        other.go()?;
        thread::sleep(MARGIN);
        let next = timed(&server, &mut quiet, window)?;
        beside = Some(beside.map_or(next, |before| before.or_calmer(next)));
        let report = other.report(longer)?;
        answers += report.value("answers")?;
        seconds += report.value("seconds")?;
        if beside.is_some_and(|beside| beside.disturbed <= DISTURBED_MAX) {
            break;
        }
    }
    let beside = beside.ok_or_else(|| io::Error::other("no window"))?;
    Ok(Latency {
        calm: calm.quantiles,
        beside: beside.quantiles,
        others: answers / seconds,
        disturbed: calm.disturbed.max(beside.disturbed),
    })
}

/// One window.
#[derive(Clone, Copy)]
struct Timed {
    quantiles: Quantiles,
    disturbed: f64,
}

impl Timed {
    fn or_calmer(self, other: Self) -> Self {
        match other.disturbed < self.disturbed {
            true => other,
            false => self,
        }
    }
}

fn timed(server: &Server, quiet: &mut Load, window: Duration) -> io::Result<Timed> {
    let before = Processor::read(server.id())?;
    quiet.go()?;
    let report = quiet.report(window)?;
    let processor = Processor::read(server.id())?.since(&before);
    let waiting = processor.waiting + report.value("load_wait_seconds")?;
    Ok(Timed {
        quantiles: Quantiles {
            p50_us: report.value("p50_us")?,
            p99_us: report.value("p99_us")?,
            p999_us: report.value("p999_us")?,
        },
        disturbed: waiting / report.value("seconds")?,
    })
}
