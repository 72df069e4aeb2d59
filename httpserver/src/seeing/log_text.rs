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
    let mut rest = kept;
    loop {
        let (run, odd) = rest.split_at(plain_len(rest));
        out.extend_from_slice(run);
        if odd.is_empty() {
            break;
        }
        rest = &odd[escape(out, odd)..];
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

/// How many octets at the beginning can stand for themselves.
fn plain_len(text: &[u8]) -> usize {
    let mut len = 0;
    // A fold that ends nowhere early is one that the compiler does in all lanes at once.
    while let Some(lanes) = text[len..].first_chunk::<16>() {
        if lanes.iter().fold(false, |odd, byte| odd | is_odd(*byte)) {
            break;
        }
        len += 16;
    }
    len + plain_len_of_few(&text[len..])
}

/// The same where an odd octet is to be expected soon.
#[inline]
pub(super) fn plain_len_of_few(text: &[u8]) -> usize {
    let mut lanes = text.chunks_exact(8);
    let mut len = 0;
    for lane in &mut lanes {
        let lane: [u8; 8] = lane.try_into().unwrap_or_default();
        let odd = odd_lanes(u64::from_le_bytes(lane));
        if odd != 0 {
            return len + (odd.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    let odd = lanes.remainder().iter().position(|byte| is_odd(*byte));
    odd.map_or(text.len(), |at| len + at)
}

/// The high bit of each octet that is odd, and perhaps of others above the first of them, into
/// which a subtraction has borrowed.
#[inline]
fn odd_lanes(text: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let is_zero = |lanes: u64| lanes.wrapping_sub(ONES) & !lanes;
    let below = text.wrapping_sub(ONES * 0x20) & !text;
    let above = text.wrapping_add(ONES) | text;
    let quote = is_zero(text ^ (ONES * u64::from(b'"')));
    let backslash = is_zero(text ^ (ONES * u64::from(b'\\')));
    (below | above | quote | backslash) & HIGH
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
    fn an_odd_octet_is_found_wherever_it_stands_and_whatever_follows() {
        let odd: Vec<u8> = (0..=255).filter(|byte| is_odd(*byte)).collect();
        assert_eq!(odd.len(), 256 - (0x7f - 0x20) + 2);
        for len in 0..50 {
            for filling in [b' ', b'a', b'~', b'!', b'#', b'[', b']'] {
                let mut text = vec![filling; len];
                assert_eq!(plain_len(&text), len);
                assert_eq!(plain_len_of_few(&text), len);
                for at in (0..len).rev() {
                    for odd in &odd {
                        text[at] = *odd;
                        let found = (plain_len(&text), plain_len_of_few(&text));
                        assert_eq!(found, (at, at), "{odd:#x} of {len}");
                    }
                }
            }
        }
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
