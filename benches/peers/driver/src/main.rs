//! The driver: runs the servers in turn under one load and prints what each of them costs.
//!
//! ```text
//!   arguments ─> material (certificate, files, nginx's settings)
//!                servers (which are built) ─> campaign: scenarios x rounds x servers
//!                                                │
//!                                             measure: one server, one load, one window
//!                                              ├ quiet    one server, calm and disturbed
//!                                              ├ process  children: pinned, awaited, killed
//!                                              ├ meter    /proc: processor time, memory
//!                                              └ tracer   perf or strace: system calls
//!                                                │ samples
//!                                             results: medians, ratios inside a round
//!                                              ├ tables   Markdown
//!                                              ├ bars     PASS or FAIL for each goal
//!                                              └ record   JSON, machine, files
//! ```

mod arguments;
mod bars;
mod build;
mod campaign;
mod material;
mod measure;
mod meter;
mod nginx;
mod process;
mod quiet;
mod record;
mod results;
mod scenarios;
mod servers;
mod sys;
mod tables;
mod tracer;

use std::error::Error;
use std::process::ExitCode;

use arguments::Arguments;
use bars::Verdict;
use material::Material;
use record::Machine;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("driver: {message}\n\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(all_bars_hold) if all_bars_hold || !arguments.strict => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("driver: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers whether no bar failed.
fn run(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    build::build(arguments)?;
    let servers = servers::available(arguments, Material::make()?)?;
    let scenarios = scenarios::chosen(arguments)?;
    let results = campaign::run(arguments, &scenarios, &servers)?;

    let mut report = String::new();
    for scenario in &scenarios {
        report.push_str(&tables::table(scenario, &results));
    }
    let bars = bars::judge(&results);
    report.push_str(&bars::list(&bars));
    println!("\n{report}");

    let machine = Machine::read();
    if let Some(path) = &arguments.json {
        std::fs::write(path, record::json(&machine, arguments, &results, &bars))?;
        println!("written: {}", path.display());
    }
    if arguments.record {
        for path in record::save(&machine, arguments, &report, &results, &bars)? {
            println!("written: {}", path.display());
        }
    }
    Ok(bars.iter().all(|bar| bar.verdict != Verdict::Fail))
}
