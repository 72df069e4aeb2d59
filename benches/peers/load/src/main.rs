//! `load PORT [OPTIONS]`: load against one server on the loopback address.
//!
//! ```text
//!   arguments ─> plan: what is sent, what must come back
//!                  │
//!                open: each connection, one at a time; its first answer checked in full
//!                  │
//!        ┌─────────┴──────────┬──────────────────────┐
//!   closed_loop            one_shot              open_loop       count answers, compare bytes,
//!   (keep-alive, pipelined,  (Connection: close,   (a fixed      stop at the deadline
//!    WebSocket, broadcast,    handshakes)           rate;
//!    echo)                                          latency)
//!        └─────────┬──────────┴──────────────────────┘
//!                stage: "ready"; for each "go" a line of results
//! ```
//!
//! All three use `stream`: a socket, and `tls` over it if that is asked for.
//!
//! A wrong status, a byte that differs or a server that falls silent ends the run with status 1.
//! Everything is bounded: connections, seconds, the wait for each answer.

mod answer;
mod arguments;
mod closed_loop;
mod latency;
mod one_shot;
mod open;
mod open_loop;
mod plan;
mod stage;
mod stream;
mod ticker;
mod tickets;
mod tls;
mod tls_client;

use std::process::ExitCode;
use std::time::Duration;

use arguments::{Arguments, Mode};
use closed_loop::ClosedLoop;
use latency::Quantiles;
use one_shot::OneShot;
use open_loop::OpenLoop;
use plan::Plan;
use stage::Failure;
use tls_client::TlsClient;

/// What one window did.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Whole answers received; for a broadcast, deliveries.
    answers: u64,
    /// From the first byte sent to the last answer.
    elapsed: Duration,
    /// Of an open loop.
    quantiles: Option<Quantiles>,
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
    let tickets = arguments.resume.then_some(arguments.connections);
    let tls = match arguments.tls {
        true => Some(TlsClient::new(tickets)?),
        false => None,
    };
    let tls = tls.as_ref();
    if let Some(rate) = arguments.rate {
        let mut load = OpenLoop::new(arguments, rate, &plan, tls)?;
        stage::perform(arguments, |window| load.run(window))
    } else if arguments.mode == Mode::Close {
        let mut load = OneShot::new(arguments, &plan, tls)?;
        stage::perform(arguments, |window| load.run(window))
    } else {
        let mut load = ClosedLoop::new(arguments, &plan, tls)?;
        stage::perform(arguments, |window| load.run(window))
    }
}
