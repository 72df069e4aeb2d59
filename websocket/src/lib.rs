//! Squall's WebSocket (RFC 6455): a pure protocol core under connections and topics.
//!
//! ```text
//!        bytes of the peer                                  bytes for the peer
//!               |                                                   ^
//!   frame   FrameHeader::decode   opcode, length, key      FrameHeader::encode
//!   mask    mask()                one XOR, both ways                mask()
//!           - - - - - - -  permessage-deflate belongs here  - - - - - - - -
//!   utf8    Incremental           text checked as it comes          |
//!   message Assembly              fragments -> one message          |
//!               |                                                   |
//!   protocol Protocol::receive -> Event        encode_message, _ping, _pong, Protocol::close
//!               |                                                   ^
//!               +--------------------- the connection --------------+
//! ```
//!
//! The core takes a slice and tells how much of it was used and what it meant; it takes a message
//! and appends bytes to a `Vec`. The caller owns the buffers and the entropy (masking keys and
//! handshake nonces are arguments); [`Protocol`] owns the state: under 128 bytes for an idle peer,
//! and nothing on the heap.
//!
//! # In scope
//! Framing (§5.2), masking (§5.3), fragmentation (§5.4), control frames (§5.5), the closing
//! handshake (§7), UTF-8 (§8.1), and the opening handshake as functions on heads (§4, module
//! [`handshake`]).
//!
//! # Out of scope
//! Sockets, clocks and tasks; when to answer a Ping (the caller sees the Ping and appends a Pong);
//! when to close TCP; HTTP parsing; redirects and authentication of clients; WebSockets over
//! HTTP/2 (RFC 8441).
//!
//! # Example: one turn of a server
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
#![forbid(unsafe_code)]

mod close;
mod config;
mod connection;
mod conversation;
mod encode;
mod error;
mod frame;
mod handler;
pub mod handshake;
mod mask;
mod message;
mod protocol;
mod topics;
mod utf8;
mod waiters;
mod websocket;

pub use close::{CloseCode, CloseFrame};
pub use config::{Config, Limits};
pub use connection::serve;
pub use encode::{
    Fragment, encode_close, encode_fragment, encode_message, encode_ping, encode_pong, frame_bytes,
};
pub use error::{Error, LimitFault, LocalFault, PeerFault};
pub use frame::{FrameHeader, Opcode, Role};
pub use handler::{HandlerResult, WebSocketHandler};
pub use mask::{MaskingKey, mask};
pub use message::{Message, MessageKind};
pub use protocol::{Closing, Event, Protocol};
pub use topics::Topics;
pub use utf8::{Incremental, InvalidUtf8};
pub use websocket::WebSocket;
