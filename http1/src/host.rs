//! `uri-host [ ":" port ]`: what Host says, and what a target in absolute-form or authority-form
//! says instead.
//!
//! ```text
//! Host       = uri-host [ ":" port ]                       ; RFC 9110 §7.2
//! uri-host   = IP-literal / IPv4address / reg-name          ; RFC 3986 §3.2.2
//! IP-literal = "[" ( IPv6address / IPvFuture  ) "]"
//! IPvFuture  = "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )
//! port       = *DIGIT
//! ```
//! Whether the host is one of ours is for the application. Used by `request.rs` and `target.rs`.

use std::net::Ipv6Addr;

use crate::grammar::{decimal, is_reg_name};

/// Whether this is a host with or without a port. The host is not empty.
#[inline]
pub(crate) fn is_authority(bytes: &[u8]) -> bool {
    is_plain_name(bytes) || split(bytes).is_some()
}

/// Whether this is a name or an address of four numbers without more, as most hosts are. No
/// octet ends the loop, which makes it a short one.
#[inline]
fn is_plain_name(bytes: &[u8]) -> bool {
    let all = |all: bool, byte: &u8| all & is_reg_name(*byte);
    !bytes.is_empty() && bytes.iter().fold(true, all)
}

/// Whether this is a host with a port: what CONNECT asks for (RFC 9112 §3.2.3).
pub(crate) fn is_authority_with_port(bytes: &[u8]) -> bool {
    split(bytes).is_some_and(|(_, port)| !port.is_empty())
}

/// `userinfo = *( unreserved / pct-encoded / sub-delims / ":" )` (RFC 3986 §3.2.1). It is dropped,
/// so that the digits behind `%` do not matter.
pub(crate) fn is_userinfo(bytes: &[u8]) -> bool {
    let allowed = |byte: &u8| is_reg_name(*byte) || b":%,".contains(byte);
    bytes.iter().all(allowed)
}

/// Host and port, the latter empty if there is none.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let host_len = match bytes.first()? {
        b'[' => ip_literal_len(bytes)?,
        _ => reg_name_len(bytes)?,
    };
    let (host, rest) = bytes.split_at(host_len);
    match rest {
        [] => Some((host, b"")),
        [b':', port @ ..] if is_port(port) => Some((host, port)),
        _ => None,
    }
}

/// How many leading octets are a reg-name (an IPv4 address is one to the eye), if any are.
#[inline]
fn reg_name_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let plain = rest.iter().position(|byte| !is_reg_name(*byte));
        at += plain.unwrap_or(rest.len());
        if bytes.get(at) != Some(&b'%') {
            return (at > 0).then_some(at);
        }
        let digits = bytes.get(at + 1..at + 3)?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
        at += 3;
    }
}

/// How many leading octets are an IP literal in its brackets.
fn ip_literal_len(bytes: &[u8]) -> Option<usize> {
    let close = memchr::memchr(b']', bytes)?;
    let inner = &bytes[1..close];
    let is_literal = match inner {
        [b'v' | b'V', future @ ..] => is_ip_future(future),
        _ => std::str::from_utf8(inner).is_ok_and(|ip| ip.parse::<Ipv6Addr>().is_ok()),
    };
    is_literal.then_some(close + 1)
}

fn is_ip_future(after_v: &[u8]) -> bool {
    let Some(dot) = memchr::memchr(b'.', after_v) else {
        return false;
    };
    let (version, address) = (&after_v[..dot], &after_v[dot + 1..]);
    !version.is_empty()
        && version.iter().all(u8::is_ascii_hexdigit)
        && !address.is_empty()
        && address
            .iter()
            .all(|byte| is_reg_name(*byte) || *byte == b':')
}

/// An empty port is the default one (RFC 3986 §3.2.3); one that TCP does not have is a mistake.
fn is_port(digits: &[u8]) -> bool {
    digits.is_empty() || decimal(digits).is_some_and(|port| port <= u64::from(u16::MAX))
}
