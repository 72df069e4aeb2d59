//! Frames going out: each function appends one frame to a `Vec` of the caller.
//!
//! Frames are always written whole and their payload copied once, so that the answers of a turn lie
//! in one buffer and leave in one write. These functions keep no state: whether something may still
//! be sent is the closing handshake's matter (`protocol.rs`), and where keys come from the
//! caller's. Called by connections, by topics (`frame_bytes`) and by `Protocol::close`.
//!
//! Clients pass a masking key, fresh for each frame; servers pass `None` (§5.1).

use bytes::Bytes;

use crate::close::CloseFrame;
use crate::error::{Error, LocalFault};
use crate::frame::{CONTROL_BYTES_MAX, FirstByte, Opcode};
use crate::mask::{MaskingKey, mask};
use crate::message::{Message, MessageKind};

/// Appends a message in one frame.
///
/// ```
/// use squall_websocket::{Message, encode_message};
///
/// let mut out = Vec::new();
/// encode_message(&mut out, Message::Text("Hello"), Some([0x37, 0xfa, 0x21, 0x3d]));
/// assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"); // RFC 6455 §5.7
/// ```
pub fn encode_message(out: &mut Vec<u8>, message: Message<'_>, key: Option<MaskingKey>) {
    let first = FirstByte::new(true, false, opcode(message.kind()));
    encode_frame(out, first, message.as_bytes(), key);
}

/// Appends the header of a server's message in one frame; the payload follows it.
pub(crate) fn encode_message_header(out: &mut Vec<u8>, kind: MessageKind, length: usize) {
    let first = FirstByte::new(true, false, opcode(kind));
    first.encode_header(out, length as u64, None);
}

/// Appends a message in one frame whose payload was deflated already.
#[cfg(feature = "deflate")]
pub(crate) fn encode_deflated(
    out: &mut Vec<u8>,
    kind: MessageKind,
    deflated: &[u8],
    key: Option<MaskingKey>,
) {
    let first = FirstByte::new(true, true, opcode(kind));
    encode_frame(out, first, deflated, key);
}

/// A message's frame as shared bytes: for a broadcast, framed once and queued many times.
///
/// Only servers can: a client's frames differ by their masking keys.
///
/// ```
/// use squall_websocket::{Message, frame_bytes};
///
/// let frame = frame_bytes(Message::Text("news"));
/// assert_eq!(frame, &b"\x81\x04news"[..]);
/// let same_memory = frame.clone();
/// assert_eq!(same_memory.as_ptr(), frame.as_ptr());
/// ```
#[must_use]
pub fn frame_bytes(message: Message<'_>) -> Bytes {
    let mut out = Vec::new();
    encode_message(&mut out, message, None);
    out.into()
}

/// Where a fragment stands in its message (§5.4).
///
/// ```
/// use squall_websocket::{Fragment, MessageKind, encode_fragment};
///
/// let mut out = Vec::new();
/// encode_fragment(&mut out, Fragment::First(MessageKind::Text), b"Hel", None);
/// encode_fragment(&mut out, Fragment::Last, b"lo", None);
/// assert_eq!(out, b"\x01\x03Hel\x80\x02lo"); // RFC 6455 §5.7
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// Begins a message of this kind.
    First(MessageKind),
    /// Continues it.
    Middle,
    /// Ends it.
    Last,
}

/// Appends one piece of a message, for content that is not all there yet.
///
/// The caller keeps the order: a first, any number of middles, a last, and no other message among
/// them. Text may be cut anywhere, also inside a character, but must be UTF-8 as a whole.
pub fn encode_fragment(
    out: &mut Vec<u8>,
    fragment: Fragment,
    payload: &[u8],
    key: Option<MaskingKey>,
) {
    let (fin, opcode) = match fragment {
        Fragment::First(kind) => (false, opcode(kind)),
        Fragment::Middle => (false, Opcode::Continuation),
        Fragment::Last => (true, Opcode::Continuation),
    };
    encode_frame(out, FirstByte::new(fin, false, opcode), payload, key);
}

/// Appends a Ping of at most 125 bytes.
///
/// ```
/// let mut out = Vec::new();
/// squall_websocket::encode_ping(&mut out, b"1", None)?;
/// assert_eq!(out, b"\x89\x011");
/// # Ok::<(), squall_websocket::Error>(())
/// ```
pub fn encode_ping(
    out: &mut Vec<u8>,
    payload: &[u8],
    key: Option<MaskingKey>,
) -> Result<(), Error> {
    encode_control(out, Opcode::Ping, payload, key)
}

/// Appends a Pong, which repeats the payload of the Ping it answers (§5.5.3).
///
/// ```
/// let mut out = Vec::new();
/// squall_websocket::encode_pong(&mut out, b"1", None)?;
/// assert_eq!(out, b"\x8a\x011");
/// # Ok::<(), squall_websocket::Error>(())
/// ```
pub fn encode_pong(
    out: &mut Vec<u8>,
    payload: &[u8],
    key: Option<MaskingKey>,
) -> Result<(), Error> {
    encode_control(out, Opcode::Pong, payload, key)
}

/// Appends a Close. Connections use [`Protocol::close`](crate::Protocol::close), which sends one
/// only; this is for what never becomes a connection.
///
/// ```
/// use squall_websocket::{CloseCode, encode_close};
///
/// let mut out = Vec::new();
/// encode_close(&mut out, Some(CloseCode::GOING_AWAY.into()), None);
/// assert_eq!(out, b"\x88\x02\x03\xe9");
/// ```
pub fn encode_close(out: &mut Vec<u8>, frame: Option<CloseFrame<'_>>, key: Option<MaskingKey>) {
    let mut payload = [0; CONTROL_BYTES_MAX];
    let mut length = 0;
    if let Some(frame) = frame {
        length = 2 + frame.reason().len();
        payload[..2].copy_from_slice(&frame.code().get().to_be_bytes());
        payload[2..length].copy_from_slice(frame.reason().as_bytes());
    }
    let first = FirstByte::new(true, false, Opcode::Close);
    encode_frame(out, first, &payload[..length], key);
}

fn encode_control(
    out: &mut Vec<u8>,
    opcode: Opcode,
    payload: &[u8],
    key: Option<MaskingKey>,
) -> Result<(), Error> {
    if payload.len() > CONTROL_BYTES_MAX {
        return Err(LocalFault::ControlTooLong.into());
    }
    encode_frame(out, FirstByte::new(true, false, opcode), payload, key);
    Ok(())
}

fn encode_frame(out: &mut Vec<u8>, first: FirstByte, payload: &[u8], key: Option<MaskingKey>) {
    /// The longest header: two bytes, a 64-bit length, a key.
    const HEADER_BYTES_MAX: usize = 14;
    out.reserve(HEADER_BYTES_MAX + payload.len());
    first.encode_header(out, payload.len() as u64, key);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        mask(&mut out[start..], key, 0);
    }
}

fn opcode(kind: MessageKind) -> Opcode {
    match kind {
        MessageKind::Text => Opcode::Text,
        MessageKind::Binary => Opcode::Binary,
    }
}
