//! Which octets may stand where: the byte tables and the scans over them, each under its ABNF.
//!
//! Nothing here knows what a message is. A scan returns what follows the octets that belong to
//! its rule; its caller decides what the octet there means. Used by every decoder. Most scans take
//! sixteen octets at a time (`block.rs`), since most of a head goes by under them.

use crate::block;

/// A set of octets as a table.
type ByteSet = [bool; 256];

const fn byte_set(members: &[u8]) -> ByteSet {
    let mut set = [false; 256];
    let mut i = 0;
    while i < members.len() {
        set[members[i] as usize] = true;
        i += 1;
    }
    set
}

/// ```text
/// token = 1*tchar                                                    ; RFC 9110 §5.6.2
/// tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." /
///         "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA
/// ```
static TCHAR: ByteSet =
    byte_set(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

/// ```text
/// reg-name    = *( unreserved / pct-encoded / sub-delims )           ; RFC 3986 §3.2.2
/// unreserved  = ALPHA / DIGIT / "-" / "." / "_" / "~"
/// sub-delims  = "!" / "$" / "&" / "'" / "(" / ")" / "*" / "+" / "," / ";" / "="
/// ```
/// Without `,`: it is what a merged pair of Host fields would have between them (RFC 9110 §5.3),
/// and no host has one. `%` is looked at apart, for the digits that must follow it.
static REG_NAME: ByteSet =
    byte_set(b"-._~!$&'()*+;=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

/// What follows the leading tchars.
pub(crate) fn after_token(bytes: &[u8]) -> &[u8] {
    let stop = |byte: &u8| !TCHAR[usize::from(*byte)];
    let len = bytes.iter().position(stop).unwrap_or(bytes.len());
    counted(bytes, &bytes[len..])
}

/// What follows the leading letters and `-`: nearly always, what follows a field name.
#[inline(always)]
pub(crate) fn after_letters(bytes: &[u8]) -> &[u8] {
    counted(bytes, block::from_first(bytes, block::not_letters))
}

/// Whether this is a token.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && after_token(bytes).is_empty()
}

/// Whether a token is this name, which is written in small letters and `-`, whatever its case
/// (RFC 9110 §5.1). No octet of a token but the large letter differs from these in this one bit.
#[inline(always)]
pub(crate) fn is_name<const N: usize>(token: &[u8], name: &[u8; N]) -> bool {
    let Ok(token) = <&[u8; N]>::try_from(token) else {
        return false;
    };
    let differs = |bits: u8, (a, b): (&u8, &u8)| bits | ((a | 0x20) ^ b);
    token.iter().zip(name).fold(0, differs) == 0
}

/// Whether this octet may be in a reg-name without being percent-encoded.
pub(crate) fn is_reg_name(byte: u8) -> bool {
    REG_NAME[usize::from(byte)]
}

/// What follows the leading octets that may be in a field value or a reason phrase.
///
/// ```text
/// field-content = field-vchar [ 1*( SP / HTAB / field-vchar ) field-vchar ]   ; RFC 9110 §5.5
/// field-vchar   = VCHAR / obs-text
/// obs-text      = %x80-FF
/// ```
pub(crate) fn after_text(bytes: &[u8]) -> &[u8] {
    let mut rest = after_plain_text(bytes);
    // HTAB is the one control that is text.
    while let [b'\t', after @ ..] = rest {
        rest = after_plain_text(after);
    }
    rest
}

/// The same, or what begins with the first HTAB, which hardly any value has.
#[inline(always)]
pub(crate) fn after_plain_text(bytes: &[u8]) -> &[u8] {
    counted(bytes, block::from_first(bytes, block::controls))
}

/// What follows the leading visible ASCII, `VCHAR = %x21-7E` (RFC 5234 B.1): the only octets that a
/// request-target may have (RFC 9112 §3.2, RFC 3986 §2).
pub(crate) fn after_visible(bytes: &[u8]) -> &[u8] {
    counted(bytes, block::from_first(bytes, block::not_visible))
}

/// The same, or what begins with the first `?`: what follows a path.
#[inline(always)]
pub(crate) fn after_path(bytes: &[u8]) -> &[u8] {
    counted(bytes, block::from_first(bytes, block::not_path))
}

/// Whether a line can end here.
#[inline]
pub(crate) fn has_lf(bytes: &[u8]) -> bool {
    let at = memchr::memchr(b'\n', bytes);
    !counted(bytes, &bytes[at.unwrap_or(bytes.len())..]).is_empty()
}

/// `OWS = *( SP / HTAB )` (RFC 9110 §5.6.3), and nothing else: no VT, no NBSP.
#[inline]
pub(crate) fn is_ows(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// What follows the leading whitespace.
pub(crate) fn after_ows(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', after @ ..] = bytes {
        bytes = after;
    }
    bytes
}

/// The value without the whitespace around it.
#[inline]
pub(crate) fn trim_ows(value: &[u8]) -> &[u8] {
    trim_ows_end(after_ows(value))
}

/// The value without the whitespace behind it.
#[inline(always)]
pub(crate) fn trim_ows_end(mut value: &[u8]) -> &[u8] {
    while let [before @ .., b' ' | b'\t'] = value {
        value = before;
    }
    value
}

/// The members of a comma-separated list, empty ones left out (RFC 9110 §5.6.1.2). No quoted
/// strings: for lists of tokens and numbers.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(trim_ows)
        .filter(|member| !member.is_empty())
}

/// A number that is DIGITs only, or `None`; also `None` if it does not fit (RFC 9110 §8.6:
/// "a recipient MUST anticipate potentially large decimal numerals and prevent parsing errors").
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The scans tell tests how many octets they have passed over: that the work is linear is proved
/// by counting, not by a clock.
#[inline(always)]
fn counted<'a>(bytes: &[u8], rest: &'a [u8]) -> &'a [u8] {
    #[cfg(test)]
    work::OCTETS.with(|octets| octets.set(octets.get() + bytes.len() - rest.len()));
    let _ = bytes;
    rest
}

#[cfg(test)]
pub(crate) mod work {
    use std::cell::Cell;

    thread_local! {
        /// Octets passed over by the scans of this thread.
        pub(super) static OCTETS: Cell<usize> = const { Cell::new(0) };
    }

    /// The octets `task` makes the scans pass over.
    pub(crate) fn of(task: impl FnOnce()) -> usize {
        let before = OCTETS.get();
        task();
        OCTETS.get() - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A scan, and the rule that it follows said plainly.
    type Scan = (fn(&[u8]) -> &[u8], fn(u8) -> bool);

    const SCANS: [Scan; 6] = [
        (after_text, |byte| {
            byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
        }),
        (after_visible, |byte| (0x21..0x7f).contains(&byte)),
        (after_path, |byte| {
            (0x21..0x7f).contains(&byte) && byte != b'?'
        }),
        (after_plain_text, |byte| byte >= 0x20 && byte != 0x7f),
        (after_letters, |byte| {
            byte.is_ascii_alphabetic() || byte == b'-'
        }),
        (after_token, |byte| {
            byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
        }),
    ];

    fn check(bytes: &[u8]) {
        for (index, (scan, rule)) in SCANS.into_iter().enumerate() {
            let stop = bytes.iter().position(|byte| !rule(*byte));
            let expected = &bytes[stop.unwrap_or(bytes.len())..];
            assert_eq!(scan(bytes), expected, "scan {index} of {bytes:x?}");
        }
    }

    /// Every octet, at every place of a block and behind it.
    #[test]
    fn scans_agree_with_their_grammar_octet_by_octet() {
        for byte in 0..=255_u8 {
            for len in [1, 7, 15, 16, 17, 31, 32, 33, 39] {
                for at in 0..len {
                    let mut bytes = vec![b'a'; len];
                    bytes[at] = byte;
                    check(&bytes);
                }
            }
        }
    }

    /// What stands behind the first octet that stops a scan does not matter.
    #[test]
    fn scans_find_the_first_of_two() {
        for first in 0..=255_u8 {
            for second in (0..=255_u8).step_by(7) {
                let mut bytes = *b"abcdefghijklmnopqrstuvw";
                (bytes[3], bytes[4], bytes[19]) = (first, second, second);
                check(&bytes);
                check(&bytes[..7]);
            }
        }
    }

    #[test]
    fn decimal_is_digits_that_fit() {
        assert_eq!(decimal(b"0042"), Some(42));
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for wrong in [
            &b""[..],
            b"18446744073709551616",
            b"+1",
            b"-1",
            b"1_0",
            b" 1",
            b"0x1",
        ] {
            assert_eq!(decimal(wrong), None, "{wrong:?}");
        }
    }
}
