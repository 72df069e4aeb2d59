//! The order of things: for each scenario its rounds; in each round all servers are up and take
//! short turns, many of them and in changing order, so that what the machine does to one it does to
//! all.

use std::io;

use crate::arguments::Arguments;
use crate::measure::{Runner, Sample, count, slices};
use crate::quiet;
use crate::results::Results;
use crate::scenarios::{Measures, Scenario};
use crate::servers::{Program, Server};
use crate::tracer::Tracer;

/// Runs everything. A server that fails a scenario is said so and left out of it; the others go on.
pub(crate) fn run(
    arguments: &Arguments,
    scenarios: &[Scenario],
    servers: &[Server],
) -> io::Result<Results> {
    let mut results = Results::default();
    let counts_calls = |scenario: &Scenario| scenario.measures == Measures::SystemCalls;
    let tracer = match scenarios.iter().any(counts_calls) {
        true => Tracer::find(arguments.tracer.as_deref()),
        false => None,
    };
    results.tracer = tracer.map(Tracer::name);
    for scenario in scenarios {
        if counts_calls(scenario) && tracer.is_none() {
            println!(
                "skipped: {}: neither perf nor strace works here",
                scenario.name
            );
            continue;
        }
        match scenario.measures {
            Measures::Speed => race(arguments, scenario, servers, &mut results)?,
            // Calls and bytes are counted, and hardly vary: once is enough, one after the other.
            Measures::SystemCalls | Measures::Memory => {
                eprintln!("{}", scenario.name);
                for (server, program) in starters(servers, scenario) {
                    let sample = count(arguments, tracer, scenario, program);
                    note(&mut results, scenario, server, 0, sample);
                }
            }
            Measures::Latency(disturbance) => {
                for round in 0..arguments.rounds {
                    eprintln!("{}, round {}", scenario.name, round + 1);
                    for (server, program) in starters(servers, scenario) {
                        let sample = quiet::time(arguments, scenario, disturbance, program);
                        let sample = sample.map(Sample::Latency);
                        note(&mut results, scenario, server, round, sample);
                    }
                }
            }
        }
    }
    Ok(results)
}

/// The rounds of one speed scenario. A server that failed in one is left out of the next.
fn race(
    arguments: &Arguments,
    scenario: &Scenario,
    servers: &[Server],
    results: &mut Results,
) -> io::Result<()> {
    for round in 0..arguments.rounds {
        eprintln!("{}, round {}", scenario.name, round + 1);
        let mut runners = Vec::new();
        for (server, program) in starters(servers, scenario) {
            if results.has_failed(scenario.name, server) {
                continue;
            }
            match Runner::start(arguments, scenario, program) {
                Ok(runner) => runners.push((server, runner)),
                Err(error) => note(results, scenario, server, round, Err(error)),
            }
        }
        for _ in 0..slices(arguments) {
            // There and back again, so that a drift of the machine is the same for all.
            runners.reverse();
            runners.retain_mut(|(server, runner)| match runner.run() {
                Ok(()) => true,
                Err(error) => {
                    note(results, scenario, server, round, Err(error));
                    false
                }
            });
        }
        for (server, runner) in runners {
            let sample = Sample::Speed(runner.finish());
            note(results, scenario, server, round, Ok(sample));
        }
    }
    Ok(())
}

/// The servers that can take part, with their programs.
fn starters<'a>(
    servers: &'a [Server],
    scenario: &'a Scenario,
) -> impl Iterator<Item = (&'static str, &'a Program)> {
    let can = |server: &'a Server| Some((server.name, server.program(scenario.needs)?));
    servers.iter().filter_map(can)
}

fn note(
    results: &mut Results,
    scenario: &Scenario,
    server: &'static str,
    round: u32,
    sample: io::Result<Sample>,
) {
    match sample {
        Ok(sample) => results.add(scenario.name, server, round, sample),
        Err(error) => {
            println!("failed: {server} in {}: {error}", scenario.name);
            results.add_failure(scenario.name, server);
        }
    }
}
