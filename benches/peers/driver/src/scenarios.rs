//! The scenarios: a name, what the generator is told, which servers take part, what is measured.

use crate::arguments::Arguments;

/// Which of a server's routes a scenario needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The HTTP routes.
    Http,
    /// `/ws`.
    WebSocket,
    /// `/broadcast`.
    Broadcast,
}

/// What a scenario is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measures {
    /// Answers per second and processor time per answer.
    Speed,
    /// System calls per answer.
    SystemCalls,
    /// User memory per idle connection.
    Memory,
}

/// One row of the table below.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) needs: Needs,
    pub(crate) measures: Measures,
    /// Part of the brief run, since a bar depends on it.
    pub(crate) brief: bool,
    /// For the generator, words separated by spaces.
    pub(crate) load: &'static str,
}

/// Idle connections of the memory scenarios.
pub(crate) const IDLE_CONNECTIONS: u64 = 10_000;

use Measures::{Memory, Speed, SystemCalls};
use Needs::{Broadcast, Http, WebSocket};

const fn row(
    name: &'static str,
    needs: Needs,
    measures: Measures,
    brief: bool,
    title: &'static str,
    load: &'static str,
) -> Scenario {
    Scenario {
        name,
        title,
        needs,
        measures,
        brief,
        load,
    }
}

#[rustfmt::skip] // A table is read by its columns.
const SCENARIOS: &[Scenario] = &[
    row("plain-64", Http, Speed, true, "plaintext, 64 connections", "--connections 64"),
    row("plain-256", Http, Speed, true, "plaintext, 256 connections", "--connections 256"),
    row("pipelined-16", Http, Speed, true,
        "plaintext, 64 connections, 16 pipelined", "--depth 16"),
    row("browser", Http, Speed, false, "a browser's head of ten fields", "--request browser"),
    row("json", Http, Speed, false, "JSON, serialised each time", "--request json"),
    row("user", Http, Speed, false, "/user/{id}", "--request user"),
    row("echo-1k", Http, Speed, false,
        "POST of 1 KiB, given back", "--request echo --bytes 1024"),
    row("echo-64k", Http, Speed, false,
        "POST of 64 KiB, given back", "--request echo --bytes 65536"),
    row("close", Http, Speed, false, "Connection: close", "--mode close"),
    row("crowd", Http, Speed, false,
        "plaintext, 64 connections beside 10,000 idle", "--idle 10000"),
    row("ws-64", WebSocket, Speed, true,
        "WebSocket echo of 64 B, 64 connections", "--mode ws-echo"),
    row("ws-1000", WebSocket, Speed, true,
        "WebSocket echo of 64 B, 1,000 connections", "--mode ws-echo --connections 1000"),
    row("ws-1k", WebSocket, Speed, false,
        "WebSocket echo of 1 KiB", "--mode ws-echo --bytes 1024"),
    row("ws-16", WebSocket, Speed, true,
        "WebSocket echo of 64 B, 16 frames in flight", "--mode ws-echo --depth 16"),
    row("broadcast", Broadcast, Speed, false,
        "one WebSocket message to 1,000, deliveries", "--mode ws-broadcast --connections 1000"),
    row("broadcast-16", Broadcast, Speed, false,
        "16 messages at once to 1,000, deliveries",
        "--mode ws-broadcast --connections 1000 --depth 16"),
    row("calls-plain", Http, SystemCalls, true,
        "system calls, plaintext, 64 connections", "--connections 64"),
    row("calls-pipelined", Http, SystemCalls, true,
        "system calls, 16 pipelined, 64 connections", "--depth 16"),
    row("calls-ws", WebSocket, SystemCalls, false,
        "system calls, WebSocket echo, 64 connections", "--mode ws-echo"),
    row("idle-http", Http, Memory, true,
        "memory of 10,000 idle keep-alive connections", "--connections 0 --idle 10000"),
    row("idle-ws", WebSocket, Memory, true,
        "memory of 10,000 idle WebSockets", "--mode ws-echo --connections 0 --idle 10000"),
];

/// The scenarios the command line asks for, in the table's order.
pub(crate) fn chosen(arguments: &Arguments) -> Result<Vec<Scenario>, String> {
    for name in &arguments.only {
        if !SCENARIOS
            .iter()
            .any(|scenario| scenario.name.starts_with(name))
        {
            let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            return Err(format!(
                "no scenario {name}; there are {}",
                names.join(", ")
            ));
        }
    }
    let asked = |scenario: &&Scenario| match arguments.only.as_slice() {
        [] => scenario.brief || !arguments.brief,
        names => names.iter().any(|name| scenario.name.starts_with(name)),
    };
    Ok(SCENARIOS.iter().filter(asked).copied().collect())
}
