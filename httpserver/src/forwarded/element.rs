//! The field of RFC 7239, one line of it.
//!
//! ```text
//! Forwarded         = 1#forwarded-element                  ; section 4
//! forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )
//! forwarded-pair    = token "=" ( token / quoted-string )
//! ```
//! Spaces are allowed beside a comma, as in all lists, and nowhere else. Text with a backslash in
//! it is kept as it is: no address and no host has one, so it will be none of these.

use std::collections::VecDeque;

/// What one proxy has told. Values as they stand there, without their quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Element<'a> {
    /// `for`: whom it was asked by.
    pub(super) node: Option<&'a [u8]>,
    pub(super) proto: Option<&'a [u8]>,
    pub(super) host: Option<&'a [u8]>,
}

/// The last elements of a line, so many at most; `None` if any of it is malformed. A long line may
/// have thousands, and nobody wants more memory for them than for the line.
pub(super) fn parse_line(line: &[u8], most: usize) -> Option<VecDeque<Element<'_>>> {
    let mut elements = VecDeque::new();
    let mut rest = line.trim_ascii();
    while !rest.is_empty() {
        // RFC 9110, section 5.6.1.2: empty members count for nothing.
        if rest[0] == b',' {
            rest = rest[1..].trim_ascii_start();
            continue;
        }
        let (element, after) = parse_element(rest)?;
        if elements.len() == most {
            elements.pop_front();
        }
        elements.push_back(element);
        rest = match after.trim_ascii_start() {
            [] => &[],
            [b',', next @ ..] => next.trim_ascii_start(),
            _ => return None,
        };
    }
    Some(elements)
}

fn parse_element(input: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let mut element = Element::default();
    let mut rest = input;
    loop {
        match rest {
            [] | [b',' | b' ' | b'\t', ..] => return Some((element, rest)),
            [b';', next @ ..] => {
                rest = next;
                continue;
            }
            _ => {}
        }
        let (name, after) = split_token(rest)?;
        let (value, after) = parse_value(after.strip_prefix(b"=")?)?;
        let place = match name {
            _ if name.eq_ignore_ascii_case(b"for") => Some(&mut element.node),
            _ if name.eq_ignore_ascii_case(b"proto") => Some(&mut element.proto),
            _ if name.eq_ignore_ascii_case(b"host") => Some(&mut element.host),
            _ => None,
        };
        // Section 4: "Each parameter MUST NOT occur more than once per field-value" element.
        if place.is_some_and(|place| place.replace(value).is_some()) {
            return None;
        }
        if !matches!(after, [] | [b',' | b';' | b' ' | b'\t', ..]) {
            return None;
        }
        rest = after;
    }
}

fn parse_value(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(quoted) = input.strip_prefix(b"\"") else {
        return split_token(input);
    };
    let mut at = 0;
    loop {
        match quoted.get(at)? {
            b'"' => return Some((&quoted[..at], &quoted[at + 1..])),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// A token (RFC 9110, section 5.6.2), and what follows.
fn split_token(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = input.iter().position(|byte| !is_tchar(byte));
    let end = end.unwrap_or(input.len());
    (end > 0).then(|| input.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<&[[&str; 3]]>) {
        let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap_or(b"-").to_vec());
        let found = parse_line(line.as_bytes(), 3).map(|elements| {
            let told = |element: &Element<'_>| {
                [element.node, element.proto, element.host].map(|value| text(value).unwrap())
            };
            elements.iter().map(told).collect::<Vec<_>>()
        });
        let expected = expected.map(|elements| {
            let owned = |element: &[&str; 3]| element.map(str::to_owned);
            elements.iter().map(owned).collect::<Vec<_>>()
        });
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn rfc7239_4_elements_have_their_parameters_in_any_order_and_case() {
        check(
            "for=192.0.2.60;proto=http;by=203.0.113.43",
            Some(&[["192.0.2.60", "http", "-"]]),
        );
        check(
            "For=\"[2001:db8:cafe::17]:4711\"",
            Some(&[["[2001:db8:cafe::17]:4711", "-", "-"]]),
        );
        check(
            "for=192.0.2.43, for=198.51.100.17",
            Some(&[["192.0.2.43", "-", "-"], ["198.51.100.17", "-", "-"]]),
        );
        check(
            "hOsT=a.example;secret=x;PROTO=https;;FOR=_hidden;",
            Some(&[["_hidden", "https", "a.example"]]),
        );
        check("", Some(&[]));
        check(
            " , for=a ,, for=b,",
            Some(&[["a", "-", "-"], ["b", "-", "-"]]),
        );
        check(
            "for=a, for=b, for=c, for=d",
            Some(&[["b", "-", "-"], ["c", "-", "-"], ["d", "-", "-"]]),
        );
        check("for=\"a, b\\\", c\"", Some(&[["a, b\\\", c", "-", "-"]]));
    }

    #[test]
    fn what_is_malformed_is_so_as_a_whole() {
        for line in [
            "for",
            "for=",
            "=a",
            "for =a",
            "for= a",
            "for=a; proto=b",
            "for=a;for=b",
            "for=[::1]",
            "for=a:1",
            "for=\"a",
            "for=\"a\\",
            "for=\"a\"b",
            "for=a b",
            "for=a, for",
            "for=\u{e4}",
        ] {
            check(line, None);
        }
    }

    /// What a client sends cannot swallow what a proxy adds behind it, and stay well-formed.
    #[test]
    fn a_quote_that_is_left_open_breaks_the_line() {
        let added = [
            "for=192.0.2.7",
            "for=\"[2001:db8::1]:80\";proto=https",
            "proto=\"https\";for=\"[2001:db8::1]\"",
        ];
        for sent in ["for=\"", "for=9.9.9.9;x=\"", "for=\"\\", "x=\"\\\\\";y=\""] {
            for added in added {
                check(&format!("{sent}, {added}"), None);
            }
        }
    }
}
