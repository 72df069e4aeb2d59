//! Which octets may stand where: the byte tables and the scans over them, each under its ABNF.
//!
//! Nothing here knows what a message is. A scan returns how many leading octets belong to its
//! rule; its caller decides what the octet after them means. Used by every decoder. The longer
//! scans take several octets at a time, since most of a head goes by under them.

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

/// How many leading octets are tchar.
#[inline]
pub(crate) fn token_len(bytes: &[u8]) -> usize {
    let stop = |byte: &u8| !TCHAR[usize::from(*byte)];
    counted(bytes.iter().position(stop).unwrap_or(bytes.len()))
}

/// Whether this is a token.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && token_len(bytes) == bytes.len()
}

/// Whether this octet may be in a reg-name without being percent-encoded.
pub(crate) fn is_reg_name(byte: u8) -> bool {
    REG_NAME[usize::from(byte)]
}

/// How many leading octets may be in a field value or a reason phrase.
///
/// ```text
/// field-content = field-vchar [ 1*( SP / HTAB / field-vchar ) field-vchar ]   ; RFC 9110 §5.5
/// field-vchar   = VCHAR / obs-text
/// obs-text      = %x80-FF
/// ```
#[inline]
pub(crate) fn text_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        // Most values are short, and blocks are for those that are not.
        const NEAR_BYTES: usize = 24;
        let near = &bytes[at..bytes.len().min(at + NEAR_BYTES)];
        let mut plain = first_octet(near, controls);
        if plain == NEAR_BYTES {
            plain += plain_blocks_len(&bytes[at + plain..]);
            plain += first_octet(&bytes[at + plain..], controls);
        }
        at += plain;
        // HTAB is the one control that is text.
        if bytes.get(at) != Some(&b'\t') {
            return counted(at);
        }
        at += 1;
    }
}

/// How many leading octets are in blocks of sixteen without a control. Most of a long value (a
/// cookie, a user agent) goes by here: the compiler makes vector instructions of it.
#[inline]
fn plain_blocks_len(bytes: &[u8]) -> usize {
    const BLOCK_BYTES: usize = 16;
    let mut rest = bytes;
    while let Some((block, after)) = rest.split_first_chunk::<BLOCK_BYTES>() {
        let control = |found: bool, byte: &u8| found | (*byte < 0x20) | (*byte == 0x7f);
        if block.iter().fold(false, control) {
            break;
        }
        rest = after;
    }
    bytes.len() - rest.len()
}

/// How many leading octets are visible ASCII, `VCHAR = %x21-7E` (RFC 5234 B.1): the only ones a
/// request-target may have (RFC 9112 §3.2, RFC 3986 §2).
#[inline]
pub(crate) fn visible_len(bytes: &[u8]) -> usize {
    counted(first_octet(bytes, not_visible))
}

/// Whether a line can end here.
#[inline]
pub(crate) fn has_lf(bytes: &[u8]) -> bool {
    let at = memchr::memchr(b'\n', bytes);
    counted(at.unwrap_or(bytes.len())) < bytes.len()
}

/// `OWS = *( SP / HTAB )` (RFC 9110 §5.6.3), and nothing else: no VT, no NBSP.
#[inline]
pub(crate) fn is_ows(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// The value without the whitespace around it.
#[inline]
pub(crate) fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value {
        if !is_ows(*first) {
            break;
        }
        value = rest;
    }
    while let [rest @ .., last] = value {
        if !is_ows(*last) {
            break;
        }
        value = rest;
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

const ONES: u64 = u64::MAX / 0xff;
const TOPS: u64 = ONES * 0x80;

/// Where the first octet is that `marks` marks, or how many octets there are.
///
/// `marks` looks at eight octets and sets the top bit of each that it means. Subtracting inside
/// the word may carry a mark into an octet *above* a marked one, never below, so that the lowest
/// mark is always true.
#[inline(always)]
fn first_octet(bytes: &[u8], marks: impl Fn(u64) -> u64) -> usize {
    let mut rest = bytes;
    while let Some((eight, after)) = rest.split_first_chunk::<8>() {
        let marked = marks(u64::from_le_bytes(*eight)) & TOPS;
        if marked != 0 {
            return bytes.len() - rest.len() + (marked.trailing_zeros() / 8) as usize;
        }
        rest = after;
    }
    let stop = |byte: &u8| marks(ONES * u64::from(*byte)) & 0x80 != 0;
    bytes.len() - rest.len() + rest.iter().position(stop).unwrap_or(rest.len())
}

/// Marks `CTL = %x00-1F / %x7F`.
#[inline(always)]
fn controls(eight: u64) -> u64 {
    let delete = eight ^ (ONES * 0x7f);
    (eight.wrapping_sub(ONES * 0x20) & !eight) | (delete.wrapping_sub(ONES) & !delete)
}

/// Marks everything but `%x21-7E`.
#[inline(always)]
fn not_visible(eight: u64) -> u64 {
    (eight.wrapping_sub(ONES * 0x21) & !eight) | eight.wrapping_add(ONES) | eight
}

/// The scans tell tests how many octets they have passed over: that the work is linear is proved
/// by counting, not by a clock.
#[inline(always)]
fn counted(len: usize) -> usize {
    #[cfg(test)]
    work::OCTETS.with(|octets| octets.set(octets.get() + len));
    len
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

    /// Every octet, at every place of a word and behind it, against the rule said plainly.
    #[test]
    fn scans_agree_with_their_grammar_octet_by_octet() {
        for byte in 0..=255_u8 {
            for len in 0..40 {
                for at in 0..len {
                    let mut bytes = vec![b'a'; len];
                    bytes[at] = byte;
                    let expect = |member: bool| if member { len } else { at };
                    let text = byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
                    assert_eq!(text_len(&bytes), expect(text), "text {byte:#x} at {at}");
                    let visible = (0x21..0x7f).contains(&byte);
                    assert_eq!(
                        visible_len(&bytes),
                        expect(visible),
                        "visible {byte:#x} at {at}"
                    );
                    let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
                    assert_eq!(token_len(&bytes), expect(token), "token {byte:#x} at {at}");
                }
            }
        }
    }

    /// The lowest mark is true whatever stands above it.
    #[test]
    fn scans_find_the_first_of_two() {
        for first in 0..=255_u8 {
            for second in 0..=255_u8 {
                let bytes = [b'a', first, second, b'b', first, second, b'c', b'd'];
                let text = |byte: &u8| *byte != b'\t' && (*byte < 0x20 || *byte == 0x7f);
                let expected = bytes.iter().position(text).unwrap_or(8);
                assert_eq!(text_len(&bytes), expected, "{bytes:x?}");
                let hidden = |byte: &u8| !(0x21..0x7f).contains(byte);
                let expected = bytes.iter().position(hidden).unwrap_or(8);
                assert_eq!(visible_len(&bytes), expected, "{bytes:x?}");
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
