//! Type, length, value: what version 2 tells beyond addresses (section 2.2.2).
//!
//! ```text
//!   +------+--------+--------+------ - - - ------+
//!   | type |  length, 16 bits |  value           |
//!   +------+--------+--------+------ - - - ------+
//! ```

use std::fmt;

use super::HeaderError;

/// The type of a TLV.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TlvKind(pub u8);

impl TlvKind {
    /// The protocol negotiated by ALPN.
    pub const ALPN: Self = Self(0x01);
    /// The host name that the client has asked for.
    pub const AUTHORITY: Self = Self(0x02);
    /// The checksum of the header. Checked where it is decoded.
    pub const CRC32C: Self = Self(0x03);
    /// Padding.
    pub const NOOP: Self = Self(0x04);
    /// The proxy's own number of the connection.
    pub const UNIQUE_ID: Self = Self(0x05);
    /// What is known of the client's TLS: one byte of flags, four of verification, TLVs.
    pub const SSL: Self = Self(0x20);
    /// The name of the network namespace.
    pub const NETNS: Self = Self(0x30);
}

impl fmt::Debug for TlvKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::ALPN => "ALPN",
            Self::AUTHORITY => "AUTHORITY",
            Self::CRC32C => "CRC32C",
            Self::NOOP => "NOOP",
            Self::UNIQUE_ID => "UNIQUE_ID",
            Self::SSL => "SSL",
            Self::NETNS => "NETNS",
            Self(number) => return write!(f, "TlvKind({number:#04x})"),
        };
        f.write_str(name)
    }
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Its type.
    pub kind: TlvKind,
    /// Its value.
    pub value: &'a [u8],
}

/// The TLVs of a header, in their order.
#[derive(Clone, Debug)]
pub struct Tlvs<'a> {
    rest: &'a [u8],
}

impl<'a> Tlvs<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        let (tlv, rest) = split_first(self.rest)?;
        self.rest = rest;
        Some(tlv)
    }
}

const UNIQUE_ID_BYTES_MAX: usize = 128;

/// Whether bytes are nothing but whole TLVs.
pub(super) fn check(mut bytes: &[u8]) -> Result<(), HeaderError> {
    while !bytes.is_empty() {
        let (tlv, rest) = split_first(bytes).ok_or(HeaderError::BadTlv)?;
        // Section 2.2.4.
        if tlv.kind == TlvKind::UNIQUE_ID && tlv.value.len() > UNIQUE_ID_BYTES_MAX {
            return Err(HeaderError::BadTlv);
        }
        bytes = rest;
    }
    Ok(())
}

fn split_first(bytes: &[u8]) -> Option<(Tlv<'_>, &[u8])> {
    let ([kind, high, low], rest) = bytes.split_first_chunk()?;
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let (value, rest) = rest.split_at_checked(len)?;
    let kind = TlvKind(*kind);
    Some((Tlv { kind, value }, rest))
}

pub(super) fn append(kind: TlvKind, value: &[u8], out: &mut Vec<u8>) {
    let len = u16::try_from(value.len()).expect("a TLV has at most 65,535 bytes");
    out.push(kind.0);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(value);
}
