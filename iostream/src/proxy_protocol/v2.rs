//! Version 2: binary.
//!
//! ```text
//!   bytes  0..12   the signature
//!         12       version (high half, 2) and command (low half: 0 LOCAL, 1 PROXY)
//!         13       family (0 UNSPEC, 1 INET, 2 INET6, 3 UNIX) and protocol (0, 1 STREAM, 2 DGRAM)
//!         14..16   how many bytes follow
//!         16..     source and destination addresses, then source and destination ports; TLVs
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::checksum::crc32c;
use super::error::{EncodeError, HeaderError};
use super::header::{Decoded, Header, SIGNATURE_V2, Version};
use super::tlv::{self, TlvKind};
use crate::{Address, UnixAddress};

const PREFIX_BYTES: usize = 16;
const UNIX_BYTES: usize = 108;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// Decodes bytes that begin with the signature. The checks are in the order of the bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, HeaderError> {
    let Some(command) = bytes.get(12) else {
        return Ok(Decoded::Partial);
    };
    let is_local = match *command {
        LOCAL => true,
        PROXY => false,
        other if other >> 4 != 2 => return Err(HeaderError::BadVersion(other >> 4)),
        other => return Err(HeaderError::BadCommand(other & 0xf)),
    };
    let Some(kind) = bytes.get(13) else {
        return Ok(Decoded::Partial);
    };
    // Section 2.2: for LOCAL the receiver "must discard the protocol block including the family
    // which is ignored".
    let family = match is_local {
        true => Family::Unspecified,
        false => Family::of(*kind)?,
    };
    let Some(length) = bytes.get(14..PREFIX_BYTES) else {
        return Ok(Decoded::Partial);
    };
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > HeaderError::BYTES_MAX {
        return Err(HeaderError::TooLong(length));
    }
    if length < family.addresses_len() {
        return Err(HeaderError::TooShort(length));
    }
    let end = PREFIX_BYTES + length;
    let Some(block) = bytes.get(PREFIX_BYTES..end) else {
        return Ok(Decoded::Partial);
    };
    let mut header = match is_local {
        true => Header::local(),
        false => Header::unknown(),
    };
    header.is_datagram = kind & 0xf == 2 && !is_local;
    header.version = Version::V2;
    if let Some(ends) = family.parse_ends(block) {
        let tlvs = &block[family.addresses_len()..];
        tlv::check(tlvs)?;
        check_sum(&bytes[..end], end - tlvs.len())?;
        header.ends = Some(ends);
        header.tlvs = tlvs.to_vec();
    }
    Ok(Decoded::Header(end, header))
}

/// Section 2.2.3: the sum is over the whole header, with its own four bytes as zeros.
fn check_sum(header: &[u8], tlvs_at: usize) -> Result<(), HeaderError> {
    let mut at = tlvs_at;
    for tlv in tlv::Tlvs::new(&header[tlvs_at..]) {
        let value_at = at + 3;
        at = value_at + tlv.value.len();
        if tlv.kind != TlvKind::CRC32C {
            continue;
        }
        let Ok(sum) = <[u8; 4]>::try_from(tlv.value) else {
            return Err(HeaderError::BadTlv);
        };
        let pieces = [&header[..value_at], &[0; 4], &header[at..]];
        if crc32c(&pieces) != u32::from_be_bytes(sum) {
            return Err(HeaderError::BadChecksum);
        }
        // A second one could not be right with the first as zeros and the first as it is.
        break;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Family {
    Unspecified,
    Inet,
    Inet6,
    Unix,
}

impl Family {
    /// Section 2.2: "other values are unspecified and must not be emitted in version 2 of this
    /// protocol and must be rejected as invalid by receivers".
    fn of(kind: u8) -> Result<Self, HeaderError> {
        match kind {
            0x00 => Ok(Self::Unspecified),
            0x11 | 0x12 => Ok(Self::Inet),
            0x21 | 0x22 => Ok(Self::Inet6),
            0x31 | 0x32 => Ok(Self::Unix),
            other => Err(HeaderError::BadFamily(other)),
        }
    }

    fn addresses_len(self) -> usize {
        match self {
            Self::Unspecified => 0,
            Self::Inet => 2 * 4 + 2 * 2,
            Self::Inet6 => 2 * 16 + 2 * 2,
            Self::Unix => 2 * UNIX_BYTES,
        }
    }

    /// The ends, at the beginning of a block that is long enough for them.
    fn parse_ends(self, block: &[u8]) -> Option<(Address, Address)> {
        match self {
            Self::Unspecified => None,
            Self::Inet => parse_inet::<4, Ipv4Addr>(block),
            Self::Inet6 => parse_inet::<16, Ipv6Addr>(block),
            Self::Unix => {
                let (source, rest) = block.split_at_checked(UNIX_BYTES)?;
                let destination = rest.get(..UNIX_BYTES)?;
                Some((parse_unix(source), parse_unix(destination)))
            }
        }
    }
}

fn parse_inet<const N: usize, Ip: From<[u8; N]> + Into<IpAddr>>(
    block: &[u8],
) -> Option<(Address, Address)> {
    let (source, rest) = block.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (source_port, rest) = rest.split_first_chunk()?;
    let (destination_port, _) = rest.split_first_chunk()?;
    let address = |ip: [u8; N], port: [u8; 2]| {
        let ip = Ip::from(ip).into();
        Address::Inet(SocketAddr::new(ip, u16::from_be_bytes(port)))
    };
    Some((
        address(*source, *source_port),
        address(*destination, *destination_port),
    ))
}

/// A `sun_path`: a path up to its first NUL, or a NUL and a name outside of the file system, whose
/// length is not told, so that NULs at its end are taken for padding.
fn parse_unix(bytes: &[u8]) -> Address {
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    Address::Unix(match &bytes[..end] {
        [] => UnixAddress::Unnamed,
        [0, name @ ..] => UnixAddress::Abstract(name.to_vec()),
        path => {
            let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
            UnixAddress::Path(std::ffi::OsString::from_vec(path.to_vec()).into())
        }
    })
}

/// Appends a header in binary. Of two ends of different families of the Internet, the IPv4 one is
/// written as an IPv6 one; ends of which only one is a Unix socket cannot be told.
///
/// # Errors
/// [`EncodeError`]; then nothing was appended.
pub fn encode_v2(header: &Header, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut block = Vec::new();
    let mut kind = match &header.ends {
        _ if header.is_local => 0,
        Some(ends) => append_ends(ends, &mut block)?,
        None => 0,
    };
    if kind != 0 {
        kind |= if header.is_datagram { 2 } else { 1 };
        block.extend_from_slice(&header.tlvs);
    }
    let length = match u16::try_from(block.len()) {
        Ok(length) if block.len() <= HeaderError::BYTES_MAX => length,
        _ => return Err(EncodeError::TooLong(block.len())),
    };
    let begin = out.len();
    out.extend_from_slice(SIGNATURE_V2);
    out.push(if header.is_local { LOCAL } else { PROXY });
    out.push(kind);
    out.extend_from_slice(&length.to_be_bytes());
    let tlvs_at = PREFIX_BYTES + block.len() - if kind == 0 { 0 } else { header.tlvs.len() };
    out.extend_from_slice(&block);
    write_sum(&mut out[begin..], tlvs_at);
    Ok(())
}

/// Appends addresses and ports; returns the family's half of the byte.
fn append_ends(
    (source, destination): &(Address, Address),
    out: &mut Vec<u8>,
) -> Result<u8, EncodeError> {
    match (source, destination) {
        (Address::Inet(source), Address::Inet(destination)) => {
            let family = match (source.ip(), destination.ip()) {
                (IpAddr::V4(source), IpAddr::V4(destination)) => {
                    out.extend_from_slice(&source.octets());
                    out.extend_from_slice(&destination.octets());
                    0x10
                }
                (source, destination) => {
                    out.extend_from_slice(&to_v6(source).octets());
                    out.extend_from_slice(&to_v6(destination).octets());
                    0x20
                }
            };
            out.extend_from_slice(&source.port().to_be_bytes());
            out.extend_from_slice(&destination.port().to_be_bytes());
            Ok(family)
        }
        (Address::Unix(source), Address::Unix(destination)) => {
            append_unix(source, out)?;
            append_unix(destination, out)?;
            Ok(0x30)
        }
        _ => Ok(0),
    }
}

fn to_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

fn append_unix(address: &UnixAddress, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let (lead, name): (&[u8], &[u8]) = match address {
        UnixAddress::Path(path) => (b"", path.as_os_str().as_bytes()),
        UnixAddress::Abstract(name) => (b"\0", name),
        UnixAddress::Unnamed => (b"", b""),
    };
    let len = lead.len() + name.len();
    if len > UNIX_BYTES {
        return Err(EncodeError::PathTooLong(len));
    }
    out.extend_from_slice(lead);
    out.extend_from_slice(name);
    out.resize(out.len() + UNIX_BYTES - len, 0);
    Ok(())
}

/// Writes the checksum into the first TLV that is for it, if there is one of the right size.
fn write_sum(header: &mut [u8], tlvs_at: usize) {
    let mut at = tlvs_at;
    let mut place = None;
    for tlv in tlv::Tlvs::new(&header[tlvs_at..]) {
        let value_at = at + 3;
        at = value_at + tlv.value.len();
        if tlv.kind == TlvKind::CRC32C && tlv.value.len() == 4 {
            place = Some(value_at);
            break;
        }
    }
    if let Some(at) = place {
        header[at..at + 4].fill(0);
        let sum = crc32c(&[header]);
        header[at..at + 4].copy_from_slice(&sum.to_be_bytes());
    }
}
