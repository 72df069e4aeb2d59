//! Version 1: a line of text.
//!
//! ```text
//!   PROXY TCP4 192.0.2.7 198.51.100.1 51000 443 CRLF
//!   PROXY TCP6 2001:db8::7 2001:db8::1 51000 443 CRLF
//!   PROXY UNKNOWN anything CRLF
//! ```

use std::fmt::Display;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::error::HeaderError;
use super::header::{Decoded, Header, SIGNATURE_V1, Version};
use crate::Address;

/// Section 2.1: what the longest line has, CRLF included.
const LINE_BYTES_MAX: usize = 107;

/// Decodes bytes that begin with the signature.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, HeaderError> {
    let window = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(line_feed) = memchr::memchr(b'\n', window) else {
        return match window.len() {
            LINE_BYTES_MAX => Err(HeaderError::BadLineEnd),
            _ => Ok(Decoded::Partial),
        };
    };
    let Some(line) = window[..line_feed].strip_suffix(b"\r") else {
        return Err(HeaderError::BadLineEnd);
    };
    let header = Header {
        version: Version::V1,
        ends: parse_ends(&line[SIGNATURE_V1.len()..])?,
        ..Header::unknown()
    };
    Ok(Decoded::Header(line_feed + 1, header))
}

/// What stands between `PROXY ` and CRLF.
fn parse_ends(fields: &[u8]) -> Result<Option<(Address, Address)>, HeaderError> {
    // Section 2.1: "the receiver must ignore anything presented before the CRLF".
    if fields == b"UNKNOWN" || fields.starts_with(b"UNKNOWN ") {
        return Ok(None);
    }
    let fields = std::str::from_utf8(fields).map_err(|_| HeaderError::BadFields)?;
    let mut fields = fields.split(' ');
    let (source, destination) = match fields.next() {
        Some("TCP4") => parse_four::<Ipv4Addr>(fields)?,
        Some("TCP6") => parse_four::<Ipv6Addr>(fields)?,
        _ => return Err(HeaderError::BadFields),
    };
    Ok(Some((source.into(), destination.into())))
}

fn parse_four<'a, Ip: FromStr + Into<IpAddr>>(
    mut fields: impl Iterator<Item = &'a str>,
) -> Result<(SocketAddr, SocketAddr), HeaderError> {
    let mut next = || fields.next().ok_or(HeaderError::BadFields);
    let four = [next()?, next()?, next()?, next()?];
    if fields.next().is_some() {
        return Err(HeaderError::BadFields);
    }
    // The standard library refuses leading zeros in IPv4 addresses, as section 2.1 does.
    let ip = |text: &str| Ip::from_str(text).map_err(|_| HeaderError::BadAddress);
    let (source, destination) = (ip(four[0])?, ip(four[1])?);
    let (source_port, destination_port) = (parse_port(four[2])?, parse_port(four[3])?);
    Ok((
        SocketAddr::new(source.into(), source_port),
        SocketAddr::new(destination.into(), destination_port),
    ))
}

/// Section 2.1: decimal, 0 to 65535, and "heading zeroes are not permitted".
fn parse_port(text: &str) -> Result<u16, HeaderError> {
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    match text.parse() {
        Ok(port) if is_plain => Ok(port),
        _ => Err(HeaderError::BadPort),
    }
}

/// Appends a header as a line of text. Ends that are not both IPv4 or both IPv6 are `UNKNOWN`, and
/// so is a local connection, for which version 1 has no word. TLVs are left out.
pub fn encode_v1(header: &Header, out: &mut Vec<u8>) {
    match header.inet_ends() {
        Some((SocketAddr::V4(source), SocketAddr::V4(destination))) => {
            let ports = (source.port(), destination.port());
            append("TCP4", source.ip(), destination.ip(), ports, out);
        }
        Some((SocketAddr::V6(source), SocketAddr::V6(destination))) => {
            let ports = (source.port(), destination.port());
            append("TCP6", source.ip(), destination.ip(), ports, out);
        }
        _ => out.extend_from_slice(b"PROXY UNKNOWN\r\n"),
    }
}

fn append(
    protocol: &str,
    source: impl Display,
    destination: impl Display,
    (source_port, destination_port): (u16, u16),
    out: &mut Vec<u8>,
) {
    write!(
        out,
        "PROXY {protocol} {source} {destination} {source_port} {destination_port}\r\n"
    )
    .expect("a Vec takes all");
}
