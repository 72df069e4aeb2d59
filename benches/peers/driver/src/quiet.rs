//! Whether one peer is felt by the others: how long answers take at a fixed rate, while nothing else
//! goes on and, in the same process a moment later, while something does.
//!
//! The second generator has the first one's core only while that does not want it, so that the times
//! are the server's and not those of waiting for the generator.

use std::io;
use std::thread;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::process::{Load, Place, Report, Server};
use crate::scenarios::{Disturbance, Scenario};
use crate::servers::Program;

/// By how much the disturbance begins before, and ends after.
const MARGIN: Duration = Duration::from_millis(100);

/// Calm, and disturbed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) calm: Quantiles,
    pub(crate) disturbed: Quantiles,
    /// Answers per second to the disturber.
    pub(crate) disturbances: f64,
}

impl Latency {
    /// How many times as long the slowest hundredth takes.
    pub(crate) fn growth(&self) -> f64 {
        self.disturbed.p99_us / self.calm.p99_us
    }
}

/// In microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantiles {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
}

impl Quantiles {
    fn read(report: &Report) -> io::Result<Self> {
        Ok(Self {
            p50_us: report.value("p50_us")?,
            p99_us: report.value("p99_us")?,
            p999_us: report.value("p999_us")?,
        })
    }
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
    quiet.go()?;
    let calm = quiet.report(window)?;

    let place = Place { core, yields: true };
    let port = match disturbance {
        Disturbance::Flood => server.port,
        Disturbance::Handshakes => server.port_tls,
    };
    let longer = window + 2 * MARGIN;
    let mut disturber = Load::ready(place, port, disturbance.load(), warmup, longer)?;
    disturber.go()?;
    thread::sleep(MARGIN);
    quiet.go()?;
    let disturbed = quiet.report(window)?;
    let other = disturber.report(longer)?;
    Ok(Latency {
        calm: Quantiles::read(&calm)?,
        disturbed: Quantiles::read(&disturbed)?,
        disturbances: other.value("answers")? / other.value("seconds")?,
    })
}
