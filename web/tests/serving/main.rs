//! What a client sees of an application: bytes in, bytes out, over real sockets.
#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod arguments;
mod callbacks;
mod errors;
mod knobs;
mod life;
mod methods;
mod responses;
mod server;
mod table;
mod websocket;
