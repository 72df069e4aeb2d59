//! The order of things: for each scenario its rounds, in each round every server once, the floor
//! first and the others rotated, so that no one always follows the same neighbour.

use std::io;

use crate::arguments::Arguments;
use crate::measure::measure;
use crate::results::Results;
use crate::scenarios::{Measures, Scenario};
use crate::servers::Server;
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
        for round in 0..rounds(arguments, scenario) {
            eprintln!("{}, round {}", scenario.name, round + 1);
            for server in in_turn(servers, round) {
                let Some(binary) = server.binary(scenario.needs) else {
                    continue;
                };
                if results.has_failed(scenario.name, server.name) {
                    continue;
                }
                match measure(arguments, tracer, scenario, binary) {
                    Ok(sample) => results.add(scenario.name, server.name, round, sample),
                    Err(error) => {
                        println!("failed: {} in {}: {error}", server.name, scenario.name);
                        results.add_failure(scenario.name, server.name);
                    }
                }
            }
        }
    }
    Ok(results)
}

/// Memory and system calls hardly vary: once is enough.
fn rounds(arguments: &Arguments, scenario: &Scenario) -> u32 {
    match scenario.measures {
        Measures::Speed => arguments.rounds,
        Measures::SystemCalls | Measures::Memory => 1,
    }
}

fn in_turn(servers: &[Server], round: u32) -> impl Iterator<Item = &Server> {
    let (floor, others) = servers.split_at(servers.len().min(1));
    let start = round as usize % others.len().max(1);
    floor.iter().chain(&others[start..]).chain(&others[..start])
}
