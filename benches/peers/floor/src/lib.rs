//! The floor: what a request costs when nothing is done that could be left out.
//!
//! ```text
//!   floor-echo ─┐                 ┌─ echo: nothing at all
//!   floor-http ─┼─ server::run ───┼─ http: find the end of the head, one fixed answer
//!   floor-ws ───┘  (mio, edges)   └─ websocket: handshake, minimal frames
//! ```
//!
//! No checks, no limits, no timeouts: this is a ruler, not a server. Do not run it on a network.

pub mod echo;
pub mod http;
pub mod server;
pub mod websocket;
