//! The scenarios: a name, what the generator is told, which servers take part, what is measured.

use crate::arguments::Arguments;

/// Which of a server's routes a scenario needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The HTTP routes without content.
    Http,
    /// `/echo`.
    Content,
    /// `/ws`.
    WebSocket,
    /// `/broadcast`.
    Broadcast,
    /// Bytes that come back.
    Echo,
    /// The same, and HTTP through TLS on another port.
    EchoBesideTls,
    /// HTTP through TLS: `/`, `/echo` where it is not nginx, and `/letters/N`.
    HttpTls,
    /// Files, by plain HTTP, with no more around them than a stream.
    File,
    /// Files, by the server's own way to serve a folder.
    Static,
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
    /// How long answers take at a fixed rate, calm and while something else goes on.
    Latency(Disturbance),
}

/// What else a server has to do while the quiet peers' answers are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// One peer sends all it can, and reads what comes back.
    Flood,
    /// Peers connect to the TLS port, ask for one small answer and go.
    Handshakes,
}

impl Disturbance {
    /// For a second generator, words separated by spaces.
    pub(crate) fn load(self) -> &'static str {
        match self {
            Self::Flood => "--mode echo --bytes 65536 --depth 64 --connections 1",
            Self::Handshakes => "--mode close --tls --connections 16",
        }
    }
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

use Disturbance::{Flood, Handshakes};
use Measures::{Latency, Memory, Speed, SystemCalls};
use Needs::{Broadcast, Content, Echo, EchoBesideTls, File, Http, HttpTls, Static, WebSocket};

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
    row("echo-1k", Content, Speed, false,
        "POST of 1 KiB, given back", "--request echo --bytes 1024"),
    row("echo-64k", Content, Speed, false,
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
    row("tcp-64", Echo, Speed, true,
        "TCP echo of 64 B, 64 connections", "--mode echo --bytes 64"),
    row("tcp-64k", Echo, Speed, true,
        "TCP echo of 64 KiB, 64 connections", "--mode echo --bytes 65536"),
    row("file-1m", File, Speed, false,
        "a file of 1 MiB by a stream, 16 connections", "--request letters --bytes 1048576 --connections 16"),
    row("static-1k", Static, Speed, false,
        "a folder's file of 1 KiB, 64 connections", "--request letters --bytes 1024"),
    row("static-1m", Static, Speed, false,
        "a folder's file of 1 MiB, 16 connections",
        "--request letters --bytes 1048576 --connections 16"),
    row("tls-13", HttpTls, Speed, false,
        "TLS: 13 B, 64 connections", "--tls --connections 64"),
    row("tls-64k", HttpTls, Speed, false,
        "TLS: 64 KiB, 64 connections", "--tls --request letters --bytes 65536"),
    row("tls-1m", HttpTls, Speed, false,
        "TLS: 1 MiB, 16 connections",
        "--tls --request letters --bytes 1048576 --connections 16"),
    row("tls-full", HttpTls, Speed, false,
        "TLS: full handshakes, 13 B and a close after each", "--tls --mode close --connections 16"),
    row("tls-resumed", HttpTls, Speed, false,
        "TLS: resumed handshakes, 13 B and a close after each",
        "--tls --resume --mode close --connections 16"),
    row("quiet-flood", Echo, Latency(Flood), true,
        "latency of 64 B on 1,000 connections, 5,000 a second, beside one at line rate",
        "--mode echo --connections 1000 --rate 5000"),
    row("quiet-handshakes", EchoBesideTls, Latency(Handshakes), true,
        "latency of 64 B on 1,000 connections, 5,000 a second, beside TLS handshakes",
        "--mode echo --connections 1000 --rate 5000"),
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
    row("idle-tls", HttpTls, Memory, true,
        "memory of 10,000 idle keep-alive connections of TLS", "--tls --connections 0 --idle 10000"),
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
