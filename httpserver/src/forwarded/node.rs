//! An address as proxies write it.
//!
//! ```text
//! node     = nodename [ ":" node-port ]                    ; RFC 7239, section 6
//! nodename = IPv4address / "[" IPv6address "]" / "unknown" / obfnode
//! obfnode  = "_" 1*( ALPHA / DIGIT / "." / "_" / "-" )
//! ```
//! `X-Forwarded-For` has no grammar. It is written as above, and with IPv6 addresses as they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv6 address of 45 bytes in brackets, and a port.
const NODE_BYTES_MAX: usize = 53;

/// The address in a member of `X-Forwarded-For`, if it has one.
pub(super) fn ip_of(node: &[u8]) -> Option<IpAddr> {
    let text = text_of(node)?;
    let bare = text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    bare.map(|ip| ip.to_canonical()).or_else(|| strict(text))
}

/// The address in a node of RFC 7239: `None` of one that is hidden, and of one that is none.
pub(super) fn ip_of_rfc7239(node: &[u8]) -> Option<IpAddr> {
    strict(text_of(node)?)
}

fn text_of(node: &[u8]) -> Option<&str> {
    let is_short = node.len() <= NODE_BYTES_MAX;
    is_short.then(|| std::str::from_utf8(node).ok())?
}

fn strict(text: &str) -> Option<IpAddr> {
    let (ip, port) = match text.strip_prefix('[') {
        Some(literal) => {
            let (ip, rest) = literal.split_once(']')?;
            (IpAddr::V6(ip.parse::<Ipv6Addr>().ok()?), rest)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let (ip, rest) = text.split_at(end);
            (IpAddr::V4(ip.parse::<Ipv4Addr>().ok()?), rest)
        }
    };
    is_port(port).then(|| ip.to_canonical())
}

/// Nothing, or a colon and a port, which may be hidden too.
fn is_port(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let Some(port) = text.strip_prefix(':') else {
        return false;
    };
    match port.strip_prefix('_') {
        Some(hidden) => {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !hidden.is_empty() && hidden.bytes().all(is_allowed)
        }
        None => !port.starts_with('+') && port.parse::<u16>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(node: &str, lax: Option<&str>, strict: Option<&str>) {
        let told = |ip: Option<IpAddr>| ip.map(|ip| ip.to_string());
        assert_eq!(told(ip_of(node.as_bytes())).as_deref(), lax, "{node}");
        assert_eq!(
            told(ip_of_rfc7239(node.as_bytes())).as_deref(),
            strict,
            "{node}"
        );
    }

    #[test]
    fn rfc7239_6_a_node_is_an_address_and_perhaps_a_port() {
        let same = |node, ip| check(node, Some(ip), Some(ip));
        same("192.0.2.7", "192.0.2.7");
        same("192.0.2.7:65535", "192.0.2.7");
        same("192.0.2.7:_gazonk", "192.0.2.7");
        same("[2001:db8::17]", "2001:db8::17");
        same("[2001:db8::17]:4711", "2001:db8::17");
        same("[::ffff:192.0.2.7]", "192.0.2.7");
    }

    #[test]
    fn an_address_without_brackets_is_one_only_where_nobody_has_written_the_rules() {
        check("2001:db8::17", Some("2001:db8::17"), None);
        check("::1", Some("::1"), None);
        check("::ffff:192.0.2.7", Some("192.0.2.7"), None);
    }

    #[test]
    fn what_is_hidden_or_broken_is_no_address() {
        let hidden = [
            "unknown",
            "_hidden",
            "_SEVKISEK",
            "",
            "localhost",
            "192.0.2",
            "192.0.2.256",
            "192.0.02.7",
            "192.0.2.7.1",
            "192.0.2.7:",
            "192.0.2.7:65536",
            "192.0.2.7:+1",
            "192.0.2.7:1:2",
            "192.0.2.7:_",
            "192.0.2.7:_a/b",
            "192.0.2.7 ",
            "[192.0.2.7]",
            "[2001:db8::17",
            "[2001:db8::17]x",
            "[2001:db8::17]4711",
            "[fe80::1%eth0]",
            "fe80::1%eth0",
            "0x7f000001",
            "2130706433",
            "\u{661}92.0.2.7",
        ];
        for node in hidden {
            check(node, None, None);
        }
        check(&"1".repeat(10_000), None, None);
        assert_eq!(ip_of(b"\xff"), None);
    }
}
