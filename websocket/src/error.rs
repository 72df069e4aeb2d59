//! What can go wrong on an open WebSocket, grouped by whose fault it is.
//!
//! Each error knows the close code that answers it (RFC 6455 §7.4.1). A refused opening handshake
//! is answered in HTTP and has its own types in `handshake/`. Made by `frame.rs`, `close.rs`,
//! `message.rs` and `protocol.rs`; read by the connection, which sends the Close and logs.

use std::error;
use std::fmt;

use crate::close::CloseCode;

/// Why a WebSocket failed, or why a call was refused.
///
/// ```
/// use squall_websocket::{CloseCode, Error, PeerFault};
///
/// let error = Error::Peer(PeerFault::Unmasked);
/// assert_eq!(error.close_code(), CloseCode::PROTOCOL_ERROR);
/// assert_eq!(error.to_string(), "client sent an unmasked frame");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The peer broke the protocol.
    Peer(PeerFault),
    /// The peer asked for more than we allow.
    Limit(LimitFault),
    /// We asked for something that cannot be sent.
    Local(LocalFault),
}

impl Error {
    /// The code of the Close frame that answers this error.
    #[must_use]
    pub fn close_code(&self) -> CloseCode {
        match self {
            // §8.1: text that is not UTF-8 fails the connection; §7.4.1 gives it its own code.
            Self::Peer(PeerFault::InvalidUtf8 | PeerFault::InvalidDeflate) => {
                CloseCode::INVALID_PAYLOAD
            }
            Self::Peer(_) => CloseCode::PROTOCOL_ERROR,
            Self::Limit(_) => CloseCode::MESSAGE_TOO_BIG,
            Self::Local(_) => CloseCode::INTERNAL_ERROR,
        }
    }
}

/// The rules a peer can break.
///
/// ```
/// use squall_websocket::{Error, Limits, PeerFault, Protocol, Role};
///
/// let mut server = Protocol::new(Role::Server, Limits::default());
/// let error = server.receive(&mut [0x81, 0x02, b'h', b'i']).unwrap_err();
/// assert_eq!(error, Error::Peer(PeerFault::Unmasked));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerFault {
    /// A reserved bit is set and no extension gave it a meaning (§5.2).
    ReservedBits,
    /// The opcode is 3-7 or 11-15 (§5.2).
    ReservedOpcode,
    /// A length is not in its shortest form (§5.2).
    LengthNotMinimal,
    /// A 64-bit length has its most significant bit set (§5.2).
    LengthTopBit,
    /// A client did not mask (§5.1).
    Unmasked,
    /// A server masked (§5.1).
    Masked,
    /// A continuation frame, and nothing to continue (§5.4).
    UnexpectedContinuation,
    /// A new message began inside a fragmented one (§5.4).
    InterruptedMessage,
    /// A control frame without FIN (§5.5).
    FragmentedControl,
    /// A control frame of more than 125 bytes (§5.5).
    ControlTooLong,
    /// A Close frame of one byte: half a code (§5.5.1).
    CloseTruncated,
    /// A close code that must not be on the wire (§7.4).
    CloseCodeInvalid,
    /// A text message or a close reason that is not UTF-8 (§8.1).
    InvalidUtf8,
    /// A compressed message that cannot be inflated, or that ends in the middle (RFC 7692 §7.2.2).
    InvalidDeflate,
}

/// The limits a peer can exceed, named as in [`Limits`](crate::Limits).
///
/// ```
/// use squall_websocket::{CloseCode, Error, LimitFault};
///
/// assert_eq!(Error::Limit(LimitFault::MessageBytes).close_code(), CloseCode::MESSAGE_TOO_BIG);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitFault {
    /// More than `message_bytes_max`.
    MessageBytes,
    /// More than `frame_bytes_max`.
    FrameBytes,
    /// More than `message_fragments_max`.
    MessageFragments,
}

/// The calls that are refused because what they ask for cannot be on the wire.
///
/// ```
/// use squall_websocket::{Error, LocalFault, encode_ping};
///
/// let error = encode_ping(&mut Vec::new(), &[0; 126], None).unwrap_err();
/// assert_eq!(error, Error::Local(LocalFault::ControlTooLong));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalFault {
    /// A Ping or Pong of more than 125 bytes (§5.5).
    ControlTooLong,
    /// A close reason of more than 123 bytes (§5.5: 125 with the code).
    ReasonTooLong,
    /// A subprotocol's name is not a token (§4.1, RFC 9110 §5.6.2).
    SubprotocolNotToken,
    /// The WebSocket is closing or closed: after a Close nothing is sent (§5.5.1). Ordinary, since
    /// a peer may go at any time (Tornado's `WebSocketClosedError`).
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peer(fault) => match fault {
                PeerFault::ReservedBits => "reserved bits that no extension has defined",
                PeerFault::ReservedOpcode => "reserved opcode",
                PeerFault::LengthNotMinimal => "payload length not in its shortest form",
                PeerFault::LengthTopBit => "payload length with its top bit set",
                PeerFault::Unmasked => "client sent an unmasked frame",
                PeerFault::Masked => "server sent a masked frame",
                PeerFault::UnexpectedContinuation => "continuation without a message",
                PeerFault::InterruptedMessage => "new message inside a fragmented one",
                PeerFault::FragmentedControl => "fragmented control frame",
                PeerFault::ControlTooLong => "control frame of more than 125 bytes",
                PeerFault::CloseTruncated => "close frame of one byte",
                PeerFault::CloseCodeInvalid => "invalid close code",
                PeerFault::InvalidUtf8 => "invalid UTF-8",
                PeerFault::InvalidDeflate => "compressed message that cannot be inflated",
            },
            Self::Limit(LimitFault::MessageBytes) => "message too big",
            Self::Limit(LimitFault::FrameBytes) => "frame too big",
            Self::Limit(LimitFault::MessageFragments) => "message in too many fragments",
            Self::Local(fault) => match fault {
                LocalFault::ControlTooLong => "ping or pong of more than 125 bytes",
                LocalFault::ReasonTooLong => "close reason of more than 123 bytes",
                LocalFault::SubprotocolNotToken => "subprotocol is not a token",
                LocalFault::Closed => "the WebSocket is closed",
            },
        })
    }
}

impl error::Error for Error {}

impl From<PeerFault> for Error {
    fn from(fault: PeerFault) -> Self {
        Self::Peer(fault)
    }
}

impl From<LimitFault> for Error {
    fn from(fault: LimitFault) -> Self {
        Self::Limit(fault)
    }
}

impl From<LocalFault> for Error {
    fn from(fault: LocalFault) -> Self {
        Self::Local(fault)
    }
}
