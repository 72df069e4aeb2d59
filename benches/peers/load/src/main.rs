//! `load PORT [OPTIONS]`: closed-loop load against one server on the loopback address.
//!
//! ```text
//!   arguments ─> plan: what is sent, what must come back
//!                  │
//!                open: each connection, one at a time; its first answer checked in full
//!                  │
//!        ┌─────────┴──────────┐
//!   closed_loop            one_shot          count answers, compare bytes, stop at the deadline
//!   (keep-alive, pipelined,  (Connection:
//!    WebSocket, broadcast)    close)
//!        └─────────┬──────────┘
//!                stage: "ready"; for each "go" a line of results
//! ```
//!
//! A wrong status, a byte that differs or a server that falls silent ends the run with status 1.
//! Everything is bounded: connections, seconds, the wait for each answer.

mod answer;
mod arguments;
mod closed_loop;
mod one_shot;
mod open;
mod plan;
mod stage;

use std::process::ExitCode;
use std::time::Duration;

use arguments::{Arguments, Mode};
use closed_loop::ClosedLoop;
use one_shot::OneShot;
use plan::Plan;
use stage::Failure;

/// What one window did.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Whole answers received; for a broadcast, deliveries.
    answers: u64,
    /// From the first byte sent to the last answer.
    elapsed: Duration,
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("load: {message}\n\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("load: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let plan = Plan::new(arguments);
    if arguments.mode == Mode::Close {
        let mut load = OneShot::new(arguments, &plan)?;
        stage::perform(arguments, |window| load.run(window))
    } else {
        let mut load = ClosedLoop::new(arguments, &plan)?;
        stage::perform(arguments, |window| load.run(window))
    }
}
