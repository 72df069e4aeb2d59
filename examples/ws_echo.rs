//! A WebSocket server that says what it hears, compressed if the client likes that: what
//! conformance suites talk to (`tests/clients/autobahn.py`).
//!
//! Run `cargo run --release --features deflate --example ws_echo 8888`, and connect to
//! ws://127.0.0.1:8888/. With a second argument, `takeover`, both ends remember what was said
//! before.

use squall::ioloop::IoLoop;
use squall::web::{
    Application, Deflate, HandlerResult, Message, Route, WebSocket, WebSocketConfig,
    WebSocketHandler,
};
use squall::websocket::Limits;

/// What suites ask for: messages to 16 MiB.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

struct Echo;

impl WebSocketHandler for Echo {
    fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
        Ok(ws.write_message(message)?)
    }
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments
        .next()
        .map_or(8888, |port| port.parse().expect("a port"));
    let takeover = arguments.next().is_some_and(|word| word == "takeover");

    let ioloop = IoLoop::new()?;
    let deflate = Deflate::default()
        .with_context_takeover(takeover)
        .with_peer_context_takeover(takeover);
    let config = WebSocketConfig::default()
        .with_limits(
            Limits::default()
                .with_message_bytes_max(MESSAGE_BYTES_MAX)
                .with_frame_bytes_max(MESSAGE_BYTES_MAX),
        )
        .with_deflate(Some(deflate));
    Application::new()
        .add_route(Route::websocket_with("/", config, |_| Ok(Echo)))
        .listen(&ioloop, ("127.0.0.1", port))?;
    println!("ws://127.0.0.1:{port}/");
    ioloop.run()
}
