//! The machine: bytes of a peer in, events out (RFC 6455 §5.4-§5.6, §6.2, §7).
//!
//! Here frames become messages: which may follow which, how large they may become, what is lent
//! from the input and what must be assembled, and how far the closing handshake has come. Headers
//! are read in `frame.rs`, pieces are joined in `message.rs`, frames are written in `encode.rs`.
//! Called by the connection, which reads and writes; it answers Pings and decides when to close.
//!
//! ```text
//!                  +----------------- Header <-----------------+
//!    whole frame   |                    | frame cut by the     | payload complete
//!    in the input: |                    | input, or one of     |
//!    lent as it is v                    v several              |
//!                Event               Payload ------------------+--> Event, if it was the last
//! ```
//!
//! # permessage-deflate (RFC 7692)
//! It stands between unmasking and the assembly. Where it was negotiated, `frame.rs` lets RSV1
//! through on the first frame of a message; such a message is never lent from the input: each piece
//! is inflated into the assembly, which stops at the limit. Control frames never pass there.

use std::ops::Range;

use crate::close::CloseFrame;
use crate::config::Limits;
#[cfg(feature = "deflate")]
use crate::deflate::{DeflateAgreement, DeflatePool, Inflater};
use crate::encode::encode_close;
use crate::error::{Error, LimitFault, PeerFault};
use crate::frame::{FrameHeader, Opcode, Role};
use crate::mask::{MaskingKey, mask};
use crate::message::{Assembly, MessageKind};

/// What a peer said. Everything is lent: from the input, or from the assembly if it came in pieces.
///
/// ```
/// use squall_websocket::{Event, Message};
///
/// fn echo<'a>(event: &Event<'a>) -> Option<Message<'a>> {
///     match event {
///         Event::Text(text) => Some(Message::Text(text)),
///         Event::Binary(bytes) => Some(Message::Binary(bytes)),
///         Event::Ping(_) | Event::Pong(_) | Event::Close(_) => None,
///     }
/// }
/// assert_eq!(echo(&Event::Text("hi")), Some(Message::Text("hi")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// To be answered with a Pong of the same payload, unless a Close was sent (§5.5.2).
    Ping(&'a [u8]),
    /// An answer to a Ping, or a heartbeat.
    Pong(&'a [u8]),
    /// The peer sends nothing more. To be answered with a Close, unless one was sent (§5.5.1).
    Close(Option<CloseFrame<'a>>),
}

/// How far the closing handshake has come (§7.1).
///
/// ```
/// use squall_websocket::{CloseCode, Closing, Limits, Protocol, Role};
///
/// let mut server = Protocol::new(Role::Server, Limits::default());
/// let mut out = Vec::new();
/// server.close(&mut out, Some(CloseCode::NORMAL.into()), None);
/// assert_eq!(server.closing(), Closing::Sent);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Messages go both ways.
    Open,
    /// Our Close is out. Messages of the peer still come, until its own Close.
    Sent,
    /// The peer's side is over: its Close came, or it broke the protocol. Our Close is due.
    Received,
    /// Both sides are over. TCP may be closed, by the server first (§7.1.1).
    Complete,
}

impl Closing {
    /// After a Close of ours.
    pub(crate) fn after_sent(self) -> Self {
        match self {
            Self::Open | Self::Sent => Self::Sent,
            Self::Received | Self::Complete => Self::Complete,
        }
    }

    /// After the peer's Close, or its failure.
    pub(crate) fn after_received(self) -> Self {
        match self {
            Self::Open | Self::Received => Self::Received,
            Self::Sent | Self::Complete => Self::Complete,
        }
    }
}

/// One end of a WebSocket, without its socket.
///
/// ```
/// use squall_websocket::{CloseCode, CloseFrame, Event, Limits, Protocol, Role};
///
/// # fn main() -> Result<(), squall_websocket::Error> {
/// let mut server = Protocol::new(Role::Server, Limits::default());
/// let mut client = Protocol::new(Role::Client, Limits::default());
/// let mut wire = Vec::new();
///
/// server.close(&mut wire, Some(CloseFrame::new(CloseCode::GOING_AWAY, "restart")?), None);
/// let (used, event) = client.receive(&mut wire)?;
/// let Some(Event::Close(Some(frame))) = event else { panic!("not a Close") };
/// assert_eq!((used, frame.code(), frame.reason()), (11, CloseCode::GOING_AWAY, "restart"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Protocol {
    role: Role,
    closing: Closing,
    /// Data frames that have begun of the message being assembled.
    fragments: u32,
    limits: Limits,
    /// The data frame we are inside of; `None` before a header.
    payload: Option<Payload>,
    assembly: Assembly,
    #[cfg(feature = "deflate")]
    inflater: Option<Box<Inflater>>,
}

/// A data frame whose header was used up and whose payload is still coming.
#[derive(Clone, Copy, Debug)]
struct Payload {
    fin: bool,
    /// Turned, so that its first byte meets the next byte of the payload.
    key: Option<MaskingKey>,
    left: usize,
}

/// What one step found, without borrowing it: a step changes the machine, lending must not.
enum Found {
    Nothing,
    /// A whole frame, unmasked, at this place of the input.
    Frame(Opcode, Range<usize>),
    /// A whole message, in the assembly.
    Message,
}

impl Protocol {
    /// A connection just opened.
    #[must_use]
    pub fn new(role: Role, limits: Limits) -> Self {
        Self {
            role,
            closing: Closing::Open,
            fragments: 0,
            limits,
            payload: None,
            assembly: Assembly::default(),
            #[cfg(feature = "deflate")]
            inflater: None,
        }
    }

    /// With permessage-deflate, as the opening handshake has agreed on it: compressed messages are
    /// understood. Messages are compressed by a [`Deflater`](crate::Deflater).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, agreement: &DeflateAgreement, pool: &DeflatePool) -> Self {
        let inflater = Inflater::new(agreement.keeps_context(self.role.peer()), pool);
        self.inflater = Some(Box::new(inflater));
        self
    }

    /// How far the closing handshake has come.
    #[must_use]
    pub fn closing(&self) -> Closing {
        self.closing
    }

    /// Whether frames may still be sent: after a Close, none may (§5.5.1).
    #[must_use]
    pub fn may_send(&self) -> bool {
        matches!(self.closing, Closing::Open | Closing::Received)
    }

    /// Reads from the front of `input`, which it may unmask in place: the bytes used, and at most
    /// one event.
    ///
    /// Call it again with the rest as long as it makes progress, that is, until it gives
    /// `(0, None)`: then it needs more input, following what is left (at most 130 bytes: a header,
    /// or a control frame not yet whole), and all memory of messages delivered has been given back.
    ///
    /// After a Close or an error the peer is not listened to any more (§5.5.1, §7.1.7): input is
    /// used up and means nothing. An error is given once; answer it with
    /// [`close`](Self::close) and [`Error::close_code`].
    pub fn receive<'a>(
        &'a mut self,
        input: &'a mut [u8],
    ) -> Result<(usize, Option<Event<'a>>), Error> {
        if matches!(self.closing, Closing::Received | Closing::Complete) {
            return Ok((input.len(), None));
        }
        let step = match self.payload {
            None => self.header(input),
            Some(payload) => self.payload(payload, input),
        };
        let result = match step {
            Ok((used, Found::Nothing)) => return Ok((used, None)),
            Ok((used, Found::Message)) => return Ok((used, Some(self.assembly.event()))),
            Ok((used, Found::Frame(opcode, payload))) => {
                lend(opcode, &input[payload]).map(|event| (used, Some(event)))
            }
            Err(error) => Err(error),
        };
        if matches!(result, Err(_) | Ok((_, Some(Event::Close(_))))) {
            self.hang_up();
        }
        result
    }

    /// Appends a Close frame, the first time; says whether it did.
    ///
    /// To answer the peer's Close, repeat its code (§5.5.1); to answer an error, give the error's.
    pub fn close(
        &mut self,
        out: &mut Vec<u8>,
        frame: Option<CloseFrame<'_>>,
        key: Option<MaskingKey>,
    ) -> bool {
        if !self.may_send() {
            return false;
        }
        encode_close(out, frame, key);
        self.closing = self.closing.after_sent();
        true
    }

    /// Reads a header and, as far as it is here, its payload.
    fn header(&mut self, input: &mut [u8]) -> Result<(usize, Found), Error> {
        let decoded = FrameHeader::decode_extended(input, self.role, self.has_deflate())?;
        let Some((header, start)) = decoded else {
            self.assembly.release();
            return Ok((0, Found::Nothing));
        };
        let available = (input.len() - start) as u64;
        let is_here = header.length <= available;
        if header.opcode.is_control() {
            // At most 125 bytes: cheaper left to the caller's buffer than given one here.
            if !is_here {
                self.assembly.release();
                return Ok((0, Found::Nothing));
            }
        } else {
            self.check_sequence(header.opcode)?;
            self.check_limits(&header)?;
        }
        // No larger than the input, or than a limit: it fits.
        let length = header.length as usize;

        let is_message = header.fin && header.opcode != Opcode::Continuation;
        if is_message && is_here && !header.compressed {
            let payload = start..start + length;
            if let Some(key) = header.key {
                mask(&mut input[payload.clone()], key, 0);
            }
            return Ok((payload.end, Found::Frame(header.opcode, payload)));
        }

        match header.opcode {
            Opcode::Text => self.begin(MessageKind::Text, header.compressed),
            Opcode::Binary => self.begin(MessageKind::Binary, header.compressed),
            _ => self.count_fragment()?,
        }
        let payload = Payload {
            fin: header.fin,
            key: header.key,
            left: length,
        };
        let (used, found) = self.payload(payload, &mut input[start..])?;
        Ok((start + used, found))
    }

    /// Takes what is here of a data frame's payload into the assembly.
    fn payload(&mut self, mut payload: Payload, input: &mut [u8]) -> Result<(usize, Found), Error> {
        let used = payload.left.min(input.len());
        let piece = &mut input[..used];
        if let Some(key) = &mut payload.key {
            mask(piece, *key, 0);
            key.rotate_left(used % 4);
        }
        payload.left -= used;
        self.take(piece, &payload)?;

        if payload.left > 0 {
            self.payload = Some(payload);
            return Ok((used, Found::Nothing));
        }
        self.payload = None;
        if !payload.fin {
            return Ok((used, Found::Nothing));
        }
        self.assembly.finish()?;
        Ok((used, Found::Message))
    }

    fn begin(&mut self, kind: MessageKind, _compressed: bool) {
        self.fragments = 1;
        self.assembly.begin(kind);
        #[cfg(feature = "deflate")]
        if let Some(inflater) = &mut self.inflater {
            inflater.begin(_compressed);
        }
    }

    /// Takes in a piece of the message, unmasked; `payload` is what comes after it.
    fn take(&mut self, piece: &[u8], payload: &Payload) -> Result<(), Error> {
        #[cfg(feature = "deflate")]
        if let Some(inflater) = self.inflater.as_mut().filter(|inflater| inflater.is_open()) {
            let bytes_max = self.limits.message_bytes_max;
            inflater.push(piece, &mut self.assembly, bytes_max)?;
            if payload.fin && payload.left == 0 {
                inflater.finish(&mut self.assembly, bytes_max)?;
            }
            return Ok(());
        }
        let bytes_max = if payload.fin {
            self.assembly.len() + piece.len() + payload.left
        } else {
            self.limits.message_bytes_max
        };
        self.assembly.push(piece, bytes_max)
    }

    fn count_fragment(&mut self) -> Result<(), Error> {
        if self.fragments >= self.limits.message_fragments_max {
            return Err(LimitFault::MessageFragments.into());
        }
        self.fragments += 1;
        Ok(())
    }

    fn has_deflate(&self) -> bool {
        #[cfg(feature = "deflate")]
        let has_deflate = self.inflater.is_some();
        #[cfg(not(feature = "deflate"))]
        let has_deflate = false;
        has_deflate
    }

    /// §5.4: a continuation continues something; fragments of two messages do not mix.
    fn check_sequence(&self, opcode: Opcode) -> Result<(), Error> {
        match (opcode, self.assembly.is_open()) {
            (Opcode::Continuation, false) => Err(PeerFault::UnexpectedContinuation.into()),
            (Opcode::Text | Opcode::Binary, true) => Err(PeerFault::InterruptedMessage.into()),
            _ => Ok(()),
        }
    }

    /// §10.4: refuses a claim at once, before any of what it claims has come.
    fn check_limits(&self, header: &FrameHeader) -> Result<(), Error> {
        let length = header.length;
        if length > self.limits.frame_bytes_max as u64 {
            return Err(LimitFault::FrameBytes.into());
        }
        if length > self.room(header.compressed) as u64 {
            return Err(LimitFault::MessageBytes.into());
        }
        Ok(())
    }

    /// Bytes that may still be sent of the message that is open or begins.
    fn room(&self, _begins_compressed: bool) -> usize {
        let bytes_max = self.limits.message_bytes_max;
        #[cfg(feature = "deflate")]
        if let Some(inflater) = &self.inflater {
            if _begins_compressed || inflater.is_open() {
                return inflater.room(bytes_max);
            }
        }
        bytes_max.saturating_sub(self.assembly.len())
    }

    /// The peer's side is over: nothing of it will be used any more.
    fn hang_up(&mut self) {
        self.closing = self.closing.after_received();
        self.payload = None;
        self.assembly = Assembly::default();
        #[cfg(feature = "deflate")]
        {
            self.inflater = None;
        }
    }
}

/// Lends a frame that was whole in the input.
fn lend(opcode: Opcode, payload: &[u8]) -> Result<Event<'_>, Error> {
    Ok(match opcode {
        Opcode::Text => {
            // §8.1: text that is not UTF-8 fails the connection.
            Event::Text(simdutf8::basic::from_utf8(payload).map_err(|_| PeerFault::InvalidUtf8)?)
        }
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
        Opcode::Close => Event::Close(CloseFrame::decode(payload)?),
        // A continuation is never whole by itself; `header` sends it to the assembly.
        Opcode::Binary | Opcode::Continuation => Event::Binary(payload),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_messages_nothing_is_on_the_heap() {
        let mut protocol = Protocol::new(Role::Client, Limits::default());
        let mut wire = *b"\x02\x01a\x80\x01b\x81";
        assert_eq!(protocol.receive(&mut wire), Ok((3, None)));
        assert_eq!(
            protocol.receive(&mut wire[3..]),
            Ok((3, Some(Event::Binary(b"ab"))))
        );
        assert!(protocol.assembly.capacity() > 0, "it is lent");
        assert_eq!(protocol.receive(&mut wire[6..]), Ok((0, None)));
        assert_eq!(protocol.assembly.capacity(), 0);
    }

    #[test]
    fn a_message_cut_by_the_input_takes_no_more_than_its_length() {
        let mut protocol = Protocol::new(Role::Client, Limits::default());
        let mut wire = [7; 4 + 1000];
        wire[..4].copy_from_slice(&[0x82, 126, 0x03, 0xe8]);
        for piece in wire.chunks_mut(300) {
            assert!(protocol.receive(piece).is_ok());
            assert!(protocol.assembly.capacity() <= 1000);
        }
        assert_eq!(protocol.receive(&mut []), Ok((0, None)));
    }

    #[test]
    fn a_peer_that_closes_or_fails_leaves_nothing_on_the_heap() {
        for mut last in [*b"\x88\x00", *b"\x83\x00"] {
            let mut protocol = Protocol::new(Role::Client, Limits::default());
            assert_eq!(protocol.receive(&mut [0x02, 1, 7]), Ok((3, None)));
            assert!(protocol.assembly.capacity() > 0);
            let _ = protocol.receive(&mut last);
            assert_eq!(protocol.assembly.capacity(), 0);
        }
    }
}
