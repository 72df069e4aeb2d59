//! What a host is before anybody is asked: an address, this machine, or a name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{InvalidName, ResolveError};

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Host<'a> {
    Address(IpAddr),
    Localhost,
    /// To be looked up.
    Name(&'a str),
}

/// RFC 1035, section 2.3.4: 255 bytes as they are sent, which is two more than as written.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

impl<'a> Host<'a> {
    pub(crate) fn parse(host: &'a str) -> Result<Self, ResolveError> {
        if let Ok(address) = host.parse() {
            return Ok(Self::Address(address));
        }
        if host.contains('\0') {
            return Err(ResolveError::invalid(host, InvalidName::Nul));
        }
        if host.strip_suffix('.').unwrap_or(host).len() > NAME_BYTES_MAX {
            return Err(ResolveError::invalid(host, InvalidName::TooLong));
        }
        // Only an IPv6 address has colons, and a URL puts it into brackets (RFC 3986, section
        // 3.2.2). One with a zone, as in `fe80::1%eth0`, the system must look at.
        if host.contains(':') {
            let bare = host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'));
            let bare = bare.unwrap_or(host);
            return Ok(bare.parse().map_or(Self::Name(bare), Self::Address));
        }
        match fault_of_labels(host) {
            Some(reason) => Err(ResolveError::invalid(host, reason)),
            None if is_localhost(host) => Ok(Self::Localhost),
            None => Ok(Self::Name(host)),
        }
    }

    /// The addresses, where nobody has to be asked for them.
    pub(crate) fn known(&self, port: u16) -> Option<Vec<SocketAddr>> {
        match self {
            Self::Address(address) => Some(vec![(*address, port).into()]),
            // In the order of RFC 6724, section 2.1. Where the machine has no IPv6, connecting to
            // the first fails at once.
            Self::Localhost => Some(vec![
                (Ipv6Addr::LOCALHOST, port).into(),
                (Ipv4Addr::LOCALHOST, port).into(),
            ]),
            Self::Name(_) => None,
        }
    }
}

fn fault_of_labels(host: &str) -> Option<InvalidName> {
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.is_empty() {
        return Some(InvalidName::Empty);
    }
    let is_wrong = |label: &str| label.is_empty() || label.len() > LABEL_BYTES_MAX;
    if name.split('.').any(is_wrong) {
        return Some(InvalidName::Label);
    }
    name.split('.')
        .all(is_number)
        .then_some(InvalidName::Number)
}

/// As C writes them, for `inet_aton` takes them so: decimal, octal, hexadecimal.
fn is_number(label: &str) -> bool {
    match label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"))
    {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// RFC 6761, section 6.3: `localhost` and all names that end in it are this machine, and nobody is
/// to be asked for them.
fn is_localhost(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next();
    last.is_some_and(|label| label.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, expected: Result<Host<'_>, InvalidName>) {
        let found = Host::parse(host).map_err(|error| match error {
            ResolveError::InvalidName { reason, .. } => reason,
            other => unreachable!("{other}"),
        });
        assert_eq!(found, expected, "{host:?}");
    }

    #[test]
    fn an_address_is_what_the_standard_forms_say_and_no_other() {
        let v4 = |text: &str| Ok(Host::Address(text.parse().unwrap()));
        check("127.0.0.1", v4("127.0.0.1"));
        check("::1", v4("::1"));
        check("[::1]", v4("::1"));
        check("[::ffff:1.2.3.4]", v4("::ffff:1.2.3.4"));
        check("fe80::1%eth0", Ok(Host::Name("fe80::1%eth0")));
        check("[fe80::1%eth0]", Ok(Host::Name("fe80::1%eth0")));
        for text in [
            "1",
            "127.1",
            "0x7f000001",
            "0X7f.1",
            "017700000001",
            "127.0.0.1.",
            "256.0.0.1",
            "1.2.3.4.5",
            "0x",
        ] {
            check(text, Err(InvalidName::Number));
        }
    }

    #[test]
    fn rfc6761_6_3_localhost_and_what_is_below_it_is_this_machine() {
        for host in ["localhost", "LocalHost.", "app.localhost", "a.b.localhost."] {
            check(host, Ok(Host::Localhost));
        }
        for host in ["localhost.example", "mylocalhost", "localhos"] {
            check(host, Ok(Host::Name(host)));
        }
    }

    #[test]
    fn rfc1035_2_3_4_names_and_labels_have_a_length() {
        let longest = [
            &["a".repeat(63), "b".repeat(63), "c".repeat(63)].join("."),
            ".",
        ]
        .concat()
            + &"d".repeat(61);
        assert_eq!(longest.len(), 253);
        check(&longest, Ok(Host::Name(&longest)));
        let rooted = format!("{longest}.");
        check(&rooted, Ok(Host::Name(&rooted)));
        check(&format!("{longest}d"), Err(InvalidName::TooLong));
        check(&"a".repeat(63), Ok(Host::Name(&"a".repeat(63))));
        check(&"a".repeat(64), Err(InvalidName::Label));
        for long in ["a.", "a:", "[::"] {
            check(&long.repeat(1_000_000), Err(InvalidName::TooLong));
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        check("", Err(InvalidName::Empty));
        check(".", Err(InvalidName::Empty));
        check("a\0.example", Err(InvalidName::Nul));
        check("\0", Err(InvalidName::Nul));
        check("::1\0", Err(InvalidName::Nul));
        check("a..example", Err(InvalidName::Label));
        check(".example", Err(InvalidName::Label));
        check("example..", Err(InvalidName::Label));
        check("db.1", Ok(Host::Name("db.1")));
        check("under_score.example", Ok(Host::Name("under_score.example")));
        check("bücher.example", Ok(Host::Name("bücher.example")));
    }

    #[test]
    fn an_error_shows_no_more_of_a_name_than_a_name_may_have() {
        let error = Host::parse(&"ü".repeat(1_000)).unwrap_err();
        assert_eq!(error.host().len(), 252);
        let error = Host::parse("a\0\x1b[2J").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""a\0\u{1b}[2J" is no host name: it has a NUL"#
        );
    }
}
