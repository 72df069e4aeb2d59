//! Frame headers (RFC 6455 §5.2): two to fourteen bytes, both ways.
//!
//! Everything a header can get wrong by itself is refused here, as early as its first two bytes:
//! reserved bits and opcodes, masks, lengths, the shape of control frames. What depends on the
//! frames before it (fragmentation, limits, closing) is decided in `protocol.rs`. Called by
//! `protocol.rs` and `encode.rs`.
//!
//! ```text
//!   byte 0                     byte 1             then
//!  +---+-------+-----------+  +------+--------+  +-----------------+-----------+
//!  |FIN|RSV 1-3| opcode (4)|  | MASK | length |  | longer length   | key       |
//!  | 1 |  000  |           |  |   1  |   (7)  |  | 0, 2 or 8 bytes | 0 or 4    |
//!  +---+-------+-----------+  +------+--------+  +-----------------+-----------+
//! ```

use crate::error::{Error, PeerFault};
use crate::mask::MaskingKey;

/// §5.5: control frames carry at most 125 bytes, so their length always fits in byte 1.
pub(crate) const CONTROL_BYTES_MAX: usize = 125;

const FIN: u8 = 0x80;
/// RSV1-3.
const RESERVED_BITS: u8 = 0x70;
/// RFC 7692 §6: with permessage-deflate, RSV1 says that a message is compressed.
const COMPRESSED: u8 = 0x40;
const OPCODE: u8 = 0x0F;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7F;
const LENGTH_16_BIT: u8 = 126;
const LENGTH_64_BIT: u8 = 127;

/// Which end of the connection we are: servers are sent masked frames, clients unmasked (§5.1).
///
/// ```
/// use squall_websocket::{Event, Limits, Protocol, Role};
///
/// let mut client = Protocol::new(Role::Client, Limits::default());
/// let mut input = *b"\x81\x02hi";
/// assert_eq!(client.receive(&mut input), Ok((4, Some(Event::Text("hi")))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We accepted the opening handshake.
    Server,
    /// We asked for it.
    Client,
}

impl Role {
    /// The other end's.
    #[cfg(feature = "deflate")]
    pub(crate) fn peer(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

/// What a frame is (§5.2, §11.8).
///
/// ```
/// use squall_websocket::Opcode;
///
/// assert!(Opcode::Ping.is_control() && !Opcode::Text.is_control());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A further piece of the message that a text or binary frame began.
    Continuation = 0x0,
    /// A text message, or its first piece.
    Text = 0x1,
    /// A binary message, or its first piece.
    Binary = 0x2,
    /// The closing handshake.
    Close = 0x8,
    /// A question whether the peer is there.
    Ping = 0x9,
    /// The answer to it, or an unasked heartbeat.
    Pong = 0xA,
}

impl Opcode {
    /// Whether frames of this kind may stand between the fragments of a message (§5.5).
    #[must_use]
    pub fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }

    fn decode(byte: u8) -> Result<Self, Error> {
        Ok(match byte & OPCODE {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            // §5.2: an unknown opcode fails the connection.
            _ => return Err(PeerFault::ReservedOpcode.into()),
        })
    }
}

/// The header of a frame.
///
/// ```
/// use squall_websocket::{FrameHeader, Opcode, Role};
///
/// # fn main() -> Result<(), squall_websocket::Error> {
/// let header = FrameHeader {
///     fin: true,
///     compressed: false,
///     opcode: Opcode::Binary,
///     key: None,
///     length: 300,
/// };
/// let mut bytes = Vec::new();
/// header.encode(&mut bytes);
/// assert_eq!(bytes, [0x82, 126, 1, 44]);
/// assert_eq!(FrameHeader::decode(&bytes, Role::Client)?, Some((header, 4)));
/// assert_eq!(FrameHeader::decode(&bytes[..3], Role::Client)?, None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this frame ends its message.
    pub fin: bool,
    /// Whether this frame begins a message that is compressed (RSV1, RFC 7692 §6).
    pub compressed: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key, on frames from clients.
    pub key: Option<MaskingKey>,
    /// Bytes of payload that follow.
    pub length: u64,
}

impl FrameHeader {
    /// Reads the header at the front of `input`, sent to the given role: the header and its own
    /// length, or `None` while it is not all there. Without an extension: a frame that says it is
    /// compressed is refused.
    #[inline]
    pub fn decode(input: &[u8], role: Role) -> Result<Option<(Self, usize)>, Error> {
        Self::decode_extended(input, role, false)
    }

    /// As [`Self::decode`]; `has_deflate` says whether permessage-deflate was negotiated.
    #[inline]
    pub(crate) fn decode_extended(
        input: &[u8],
        role: Role,
        has_deflate: bool,
    ) -> Result<Option<(Self, usize)>, Error> {
        let Some((&[byte_0, byte_1], rest)) = input.split_first_chunk::<2>() else {
            return Ok(None);
        };
        if byte_0 & RESERVED_BITS != 0 {
            check_reserved(byte_0, has_deflate)?;
        }
        let fin = byte_0 & FIN != 0;
        let opcode = Opcode::decode(byte_0)?;
        if opcode.is_control() {
            check_control(fin, byte_1)?;
        }
        check_masked(byte_1 & MASK != 0, role)?;

        let Some((length, rest)) = decode_length(byte_1 & LENGTH, rest)? else {
            return Ok(None);
        };
        let (key, rest) = match role {
            Role::Client => (None, rest),
            Role::Server => match rest.split_first_chunk::<4>() {
                Some((key, rest)) => (Some(*key), rest),
                None => return Ok(None),
            },
        };
        Ok(Some((
            Self {
                fin,
                compressed: byte_0 & COMPRESSED != 0,
                opcode,
                key,
                length,
            },
            input.len() - rest.len(),
        )))
    }

    /// Appends the header, its length in the shortest form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let first = FirstByte::new(self.fin, self.compressed, self.opcode);
        first.encode_header(out, self.length, self.key);
    }
}

/// The first byte of a header: what a frame is. Mostly it is a constant where a frame is written.
#[derive(Clone, Copy)]
pub(crate) struct FirstByte(u8);

impl FirstByte {
    #[inline]
    pub(crate) const fn new(fin: bool, compressed: bool, opcode: Opcode) -> Self {
        let fin = if fin { FIN } else { 0 };
        let compressed = if compressed { COMPRESSED } else { 0 };
        Self(fin | compressed | opcode as u8)
    }

    /// Appends the whole header. In pieces whose sizes are constants: those are stores, where a
    /// piece of any size is a call.
    #[inline]
    pub(crate) fn encode_header(self, out: &mut Vec<u8>, length: u64, key: Option<MaskingKey>) {
        let masked = if key.is_some() { MASK } else { 0 };
        if length <= CONTROL_BYTES_MAX as u64 {
            out.extend_from_slice(&[self.0, masked | length as u8]);
        } else if let Ok(length) = u16::try_from(length) {
            let [high, low] = length.to_be_bytes();
            out.extend_from_slice(&[self.0, masked | LENGTH_16_BIT, high, low]);
        } else {
            out.extend_from_slice(&[self.0, masked | LENGTH_64_BIT]);
            out.extend_from_slice(&length.to_be_bytes());
        }
        if let Some(key) = key {
            out.extend_from_slice(&key);
        }
    }
}

/// §5.2: reserved bits are zero unless an extension defines them. RFC 7692 §6 defines RSV1 for the
/// first frame of a data message, and for no other: §6.1 forbids it on control frames, §6.2 on
/// continuations.
#[cold]
fn check_reserved(byte_0: u8, has_deflate: bool) -> Result<(), Error> {
    let begins_message = matches!(byte_0 & OPCODE, 0x1 | 0x2);
    if has_deflate && begins_message && byte_0 & RESERVED_BITS == COMPRESSED {
        return Ok(());
    }
    Err(PeerFault::ReservedBits.into())
}

/// §5.5: control frames are not fragmented and have at most 125 bytes.
fn check_control(fin: bool, byte_1: u8) -> Result<(), Error> {
    if !fin {
        return Err(PeerFault::FragmentedControl.into());
    }
    if usize::from(byte_1 & LENGTH) > CONTROL_BYTES_MAX {
        return Err(PeerFault::ControlTooLong.into());
    }
    Ok(())
}

/// §5.1: a server closes on an unmasked frame, a client on a masked one.
fn check_masked(masked: bool, role: Role) -> Result<(), Error> {
    match (role, masked) {
        (Role::Server, true) | (Role::Client, false) => Ok(()),
        (Role::Server, false) => Err(PeerFault::Unmasked.into()),
        (Role::Client, true) => Err(PeerFault::Masked.into()),
    }
}

/// Reads the length: seven bits, or two or eight further bytes. `None` while they are not there.
fn decode_length(seven_bits: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Error> {
    let (length, least, rest) = match seven_bits {
        LENGTH_16_BIT => match rest.split_first_chunk::<2>() {
            Some((bytes, rest)) => (u64::from(u16::from_be_bytes(*bytes)), 126, rest),
            None => return Ok(None),
        },
        LENGTH_64_BIT => match rest.split_first_chunk::<8>() {
            Some((bytes, rest)) => (u64::from_be_bytes(*bytes), 0x1_0000, rest),
            None => return Ok(None),
        },
        short => (u64::from(short), 0, rest),
    };
    // §5.2: "the most significant bit MUST be 0".
    if length >> 63 != 0 {
        return Err(PeerFault::LengthTopBit.into());
    }
    // §5.2: "the minimal number of bytes MUST be used to encode the length".
    if length < least {
        return Err(PeerFault::LengthNotMinimal.into());
    }
    Ok(Some((length, rest)))
}
