//! Squall's WebSocket (RFC 6455): connections and topics over streams, and a pure protocol core.
//!
//! ```text
//!   your handler                 anybody on the loop
//!     ^  open, on_message,         |  write_message, close        |  publish
//!     |  on_close                  v                              v
//!   conversation --------------> WebSocket <-------------------- Topics
//!     ^  every call guarded        |  one frame, corked             one frame, shared by all
//!     |                            v
//!   serve  IoStream::decode      StreamHandle: the write buffer, one write per turn
//!     |  all frames of a read                                      ^
//!  ---|------------------------- no I/O below this line -----------|---------------------
//!     v                                                            |
//!   protocol Protocol::receive -> Event        encode_message, _ping, _pong, _close
//!   message  Assembly              fragments -> one message        |
//!   utf8     Incremental           text checked as it comes        |
//!   deflate  Inflater              compressed pieces        Deflater (RFC 7692)
//!   mask     mask()                one XOR, both ways            mask()
//!   frame    FrameHeader::decode   opcode, length, key           FrameHeader::encode
//! ```
//!
//! # Connections
//! [`serve`] is a connection, from the answer to the opening handshake to the end of TCP. What
//! happens on it is told to a [`WebSocketHandler`], one value per connection; messages are lent
//! from the receive buffer. [`WebSocket`] is the handle to write with, from anywhere on the loop.
//! [`Topics`] carry a message to many. An idle connection owns one task and one small allocation.
//!
//! Memory is finite by default: a peer that does not read is not read from, and one that is too
//! slow for what is published to it is closed with 1013 ([`Config`]).
//!
//! ```
//! use squall_ioloop::IoLoop;
//! use squall_iostream::memory;
//! use squall_websocket::{Config, HandlerResult, Message, WebSocket, WebSocketHandler, serve};
//!
//! struct Chat;
//!
//! impl WebSocketHandler for Chat {
//!     fn open(&mut self, ws: &WebSocket) -> HandlerResult {
//!         ws.subscribe("room");
//!         Ok(())
//!     }
//!
//!     fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
//!         ws.publish("room", message);
//!         Ok(())
//!     }
//! }
//!
//! let ioloop = IoLoop::new()?;
//! let (alice, mut alice_s_peer) = memory::pair(&ioloop, memory::Options::default());
//! let (bob, mut bob_s_peer) = memory::pair(&ioloop, memory::Options::default());
//! ioloop.spawn_detached(serve(alice, Config::default(), Chat));
//! ioloop.spawn_detached(serve(bob, Config::default(), Chat));
//! ioloop.run_until(async {
//!     alice_s_peer.write(b"\x81\x82\x01\x02\x03\x04\x69\x6b")?; // "hi", masked
//!     assert_eq!(bob_s_peer.read_bytes(4).await?, b"\x81\x02hi");
//!     assert_eq!(alice_s_peer.read_bytes(4).await?, b"\x81\x02hi");
//!     Ok::<_, squall_iostream::StreamError>(())
//! })??;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The core
//! It takes a slice and tells how much of it was used and what it meant; it takes a message and
//! appends bytes to a `Vec`. The caller owns the buffers and the entropy (masking keys and
//! handshake nonces are arguments); [`Protocol`] owns the state: under 128 bytes for an idle peer,
//! and nothing on the heap.
//!
//! ```
//! use squall_websocket::{Event, Limits, Message, Protocol, Role, encode_message};
//!
//! # fn main() -> Result<(), squall_websocket::Error> {
//! let mut protocol = Protocol::new(Role::Server, Limits::default());
//! let mut input = *b"\x81\x82\x01\x02\x03\x04\x69\x6b"; // a masked text frame: "hi"
//! let mut output = Vec::new();
//! let mut start = 0;
//! loop {
//!     let (used, event) = protocol.receive(&mut input[start..])?;
//!     match event {
//!         Some(Event::Text(text)) => encode_message(&mut output, Message::Text(text), None),
//!         Some(_) => {}
//!         None if used == 0 => break, // more input is needed
//!         None => {}
//!     }
//!     start += used;
//! }
//! assert_eq!(output, b"\x81\x02hi");
//! # Ok(())
//! # }
//! ```
//!
//! # Tasks and clients
//! [`WebSocketStream`] is a connection for one task: `while let Some(message) = ws.next().await`.
//! [`Client`] opens one, in the other role. What an opening handshake has agreed on is an
//! [`Opening`], which [`serve_opened`] takes as well.
//!
//! # Compression
//! With the feature `deflate`, [`Config`] has settings for permessage-deflate (RFC 7692):
//! compressors are shared by the connections of a loop, unless one is to keep its history.
//!
//! # In scope
//! Framing (§5.2), masking (§5.3), fragmentation (§5.4), control frames (§5.5), the closing
//! handshake (§7), UTF-8 (§8.1), and the opening handshake as functions on heads (§4, module
//! [`handshake`]); permessage-deflate; connections in both roles.
//!
//! # What this is not
//! No HTTP for servers: parsing it, and writing the answer to the opening handshake, is for the
//! layer above, which then hands the stream over. No redirects, no authentication and no proxies
//! for clients: [`Client::connect_over`] takes a stream that somebody else has connected. No
//! WebSockets over HTTP/2 (RFC 8441).
#![forbid(unsafe_code)]

mod client;
mod close;
mod config;
mod connection;
mod conversation;
#[cfg(feature = "deflate")]
mod deflate;
mod encode;
mod error;
mod frame;
mod handler;
pub mod handshake;
mod keys;
mod mask;
mod message;
mod opening;
mod prepared;
mod protocol;
mod receiving;
mod topics;
mod utf8;
mod waiters;
mod websocket;

pub use client::{Answer, Client, OpenError, UrlFault, connect};
pub use close::{CloseCode, CloseFrame};
pub use config::{Config, Limits};
pub use connection::{serve, serve_opened};
#[cfg(feature = "deflate")]
pub use deflate::{Deflate, DeflateAgreement, DeflatePool, Deflater};
pub use encode::{
    Fragment, encode_close, encode_fragment, encode_message, encode_ping, encode_pong, frame_bytes,
};
pub use error::{Error, LimitFault, LocalFault, PeerFault};
pub use frame::{FrameHeader, Opcode, Role};
pub use handler::{HandlerResult, WebSocketHandler};
pub use mask::{MaskingKey, mask};
pub use message::{Message, MessageKind, OwnedMessage};
pub use opening::Opening;
pub use prepared::Prepared;
pub use protocol::{Closing, Event, Protocol};
pub use receiving::WebSocketStream;
pub use topics::Topics;
pub use utf8::{Incremental, InvalidUtf8};
pub use websocket::WebSocket;
