//! What a peer has sent, as it may stand in a log: printable ASCII, bounded, and unable to end a
//! line, a quoted field, or a terminal's patience.
//!
//! The octets that are escaped in all formats are those below 0x20 (so CR, LF, TAB, ESC), DEL, all
//! above it (so whatever is, or looks like, UTF-8), the quote and the backslash. The search for
//! them is all that plain text costs, and goes by many octets at a time.

use std::fmt::{self, Write};

/// Octets of a request-target that a line has. Behind them, as behind all that is cut, stands
/// `...`.
pub(super) const TARGET_MAX: usize = 1024;
/// Of any other text of a peer's: a method, a field's value.
pub(super) const FIELD_MAX: usize = 512;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends text as in the logs of Apache and nginx: `\"`, `\\`, and `\xhh` for what is not
/// printable.
pub(super) fn push_escaped(out: &mut Vec<u8>, text: &[u8], bytes_max: usize) {
    push(out, text, bytes_max, |out, rest| {
        let byte = rest[0];
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            _ => out.extend_from_slice(&[b'\\', b'x', hex(byte >> 4), hex(byte & 15)]),
        }
        1
    });
}

/// Appends text as part of a string of JSON (RFC 8259, section 7), in ASCII. Octets that are not
/// UTF-8 become U+FFFD.
pub(super) fn push_json(out: &mut Vec<u8>, text: &[u8], bytes_max: usize) {
    push(out, text, bytes_max, |out, rest| {
        let byte = rest[0];
        if matches!(byte, b'"' | b'\\') {
            out.extend_from_slice(&[b'\\', byte]);
            return 1;
        }
        let (character, len) = first_character(rest);
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            let [high, low] = unit.to_be_bytes();
            let digits = [hex(high >> 4), hex(high & 15), hex(low >> 4), hex(low & 15)];
            out.extend_from_slice(b"\\u");
            out.extend_from_slice(&digits);
        }
        len
    });
}

/// Appends runs of plain text as they are, and lets `escape` append what is between them; it says
/// how many octets those were.
#[inline]
fn push(
    out: &mut Vec<u8>,
    text: &[u8],
    bytes_max: usize,
    escape: impl Fn(&mut Vec<u8>, &[u8]) -> usize,
) {
    let kept = &text[..text.len().min(bytes_max)];
    if is_plain(kept) {
        out.extend_from_slice(kept);
    } else {
        let mut rest = kept;
        while !rest.is_empty() {
            let plain = rest.iter().position(|byte| is_odd(*byte));
            let (run, odd) = rest.split_at(plain.unwrap_or(rest.len()));
            out.extend_from_slice(run);
            rest = if odd.is_empty() {
                odd
            } else {
                &odd[escape(out, odd)..]
            };
        }
    }
    if kept.len() < text.len() {
        out.extend_from_slice(b"...");
    }
}

/// Whether an octet cannot stand for itself.
#[inline]
fn is_odd(byte: u8) -> bool {
    byte.wrapping_sub(0x20) >= 0x5f || byte == b'"' || byte == b'\\'
}

/// Whether all octets can stand for themselves.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    const LANES: usize = 16;
    // A fold that ends nowhere early is one that the compiler does in all lanes at once.
    let all_plain =
        |lanes: &[u8; LANES]| !lanes.iter().fold(false, |odd, byte| odd | is_odd(*byte));
    let (Some(last), mut rest) = (text.last_chunk::<LANES>(), text) else {
        return !text.iter().any(|byte| is_odd(*byte));
    };
    while let Some((lanes, behind)) = rest.split_first_chunk::<LANES>() {
        if !all_plain(lanes) {
            return false;
        }
        rest = behind;
    }
    // What is left is fewer than that: the last lanes overlap with those before.
    all_plain(last)
}

fn hex(digit: u8) -> u8 {
    HEX[digit as usize]
}

/// The character that octets begin with, and its length.
fn first_character(text: &[u8]) -> (char, usize) {
    let head = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    match valid.chars().next() {
        Some(character) => (character, character.len_utf8()),
        None => (char::REPLACEMENT_CHARACTER, 1),
    }
}

/// Shows a value for a log line: escaped as [`push_escaped`] does, and bounded.
pub(crate) struct Plain<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escaping = Escaping {
            out: f,
            left: FIELD_MAX,
        };
        // It fails where the bound is reached, which is no failure, or where `f` does.
        let shown = write!(escaping, "{}", self.0);
        match (shown, escaping.left) {
            (Err(_), 0) => f.write_str("..."),
            (shown, _) => shown,
        }
    }
}

impl<T: fmt::Display> fmt::Debug for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Escaping<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    left: usize,
}

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.left == 0 {
                return Err(fmt::Error);
            }
            self.left -= 1;
            match byte {
                b'"' | b'\\' => write!(self.out, "\\{}", char::from(byte))?,
                0x20..0x7f => self.out.write_char(char::from(byte))?,
                _ => write!(self.out, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], escaped: &str, json: &str) {
        let (mut line, mut member) = (Vec::new(), Vec::new());
        push_escaped(&mut line, text, FIELD_MAX);
        push_json(&mut member, text, FIELD_MAX);
        assert_eq!(String::from_utf8_lossy(&line), escaped);
        assert_eq!(String::from_utf8_lossy(&member), json);
        assert!(
            line.iter()
                .chain(&member)
                .all(|byte| (0x20..0x7f).contains(byte))
        );
    }

    #[test]
    fn plain_text_stands_for_itself() {
        check(b"", "", "");
        check(
            b"curl/8.5.0 (x; y)",
            "curl/8.5.0 (x; y)",
            "curl/8.5.0 (x; y)",
        );
        let long = "a".repeat(300);
        check(long.as_bytes(), &long, &long);
    }

    #[test]
    fn nothing_can_end_a_line_or_a_quoted_field() {
        check(b"a\r\nb", r"a\x0d\x0ab", r"a\u000d\u000ab");
        check(b"\" 200 13 \"", r#"\" 200 13 \""#, r#"\" 200 13 \""#);
        check(br#"\"#, r"\\", r"\\");
        check(
            b"\x1b[2J\x07\x7f\0\t",
            r"\x1b[2J\x07\x7f\x00\x09",
            r"\u001b[2J\u0007\u007f\u0000\u0009",
        );
    }

    #[test]
    fn characters_beyond_ascii_are_told_and_not_shown() {
        check("é".as_bytes(), r"\xc3\xa9", r"\u00e9");
        // A line separator, and a mark that turns the order of what follows.
        check(
            "\u{2028}\u{202e}".as_bytes(),
            r"\xe2\x80\xa8\xe2\x80\xae",
            r"\u2028\u202e",
        );
        check("🦀".as_bytes(), r"\xf0\x9f\xa6\x80", r"\ud83e\udd80");
        check(b"\x85\xff", r"\x85\xff", r"\ufffd\ufffd");
        check(b"\xe2\x80a", r"\xe2\x80a", r"\ufffd\ufffda");
    }

    #[test]
    fn an_odd_octet_is_found_wherever_it_stands() {
        for len in 0..70 {
            for at in 0..len {
                let mut text = vec![b'a'; len];
                assert!(is_plain(&text));
                for odd in [b'"', b'\\', 0x1f, 0x7f, 0x80, 0xff] {
                    text[at] = odd;
                    assert!(!is_plain(&text), "{odd:#x} at {at} of {len}");
                }
            }
        }
        let odd: Vec<u8> = (0..=255).filter(|byte| is_odd(*byte)).collect();
        assert_eq!(odd.len(), 256 - (0x7f - 0x20) + 2);
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let mut line = Vec::new();
        push_escaped(&mut line, b"abcdef", 4);
        assert_eq!(line, b"abcd...");
        line.clear();
        push_escaped(&mut line, b"abcd", 4);
        assert_eq!(line, b"abcd");
        line.clear();
        push_json(&mut line, b"\n\n\n", 2);
        assert_eq!(line, br"\u000a\u000a...");
    }

    #[test]
    fn a_value_is_shown_escaped_and_bounded() {
        assert_eq!(
            Plain("a\r\n\"b\"é").to_string(),
            r#"a\x0d\x0a\"b\"\xc3\xa9"#
        );
        let long = Plain("a".repeat(5000)).to_string();
        assert_eq!(long, format!("{}...", "a".repeat(FIELD_MAX)));
        let fits = "a".repeat(FIELD_MAX);
        assert_eq!(Plain(&fits).to_string(), fits);
    }
}
