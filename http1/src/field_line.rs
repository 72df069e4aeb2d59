//! One field line: where its name and its value are, or which rule it breaks.
//!
//! ```text
//! field-line = field-name ":" OWS field-value OWS CRLF             ; RFC 9112 §5
//! ```
//! Strict: CRLF and nothing else ends a line, nothing stands between name and colon, no line
//! continues another. Used by `decode.rs` for heads and by `trailers.rs`.

use crate::error::PeerFault;
use crate::fields::{FieldSpan, Span};
use crate::grammar::{is_ows, text_len, token_len};

/// What stands at the beginning of a line.
pub(crate) enum FieldLine {
    /// A field, and where the next line begins.
    Field(FieldSpan, usize),
    /// The empty line that ends a section, and where the rest begins.
    End(usize),
    /// The input ends first.
    Partial,
}

/// Reads the line that begins at `start`. Spans are ranges of `input`.
#[inline]
pub(crate) fn read(input: &[u8], start: usize) -> Result<FieldLine, PeerFault> {
    // Every head ends so.
    if input[start..].starts_with(b"\r\n") {
        return Ok(FieldLine::End(start + 2));
    }
    let colon = start + token_len(&input[start..]);
    match input.get(colon) {
        None => return Ok(FieldLine::Partial),
        Some(b':') if colon > start => {}
        Some(_) => return read_without_name(input, start, colon),
    }
    let mut value = colon + 1;
    while input.get(value).copied().is_some_and(is_ows) {
        value += 1;
    }
    let line_end = value + text_len(&input[value..]);
    let Some(next) = read_crlf(input, line_end, PeerFault::FieldValueInvalid)? else {
        return Ok(FieldLine::Partial);
    };
    let mut value_end = line_end;
    while value_end > value && is_ows(input[value_end - 1]) {
        value_end -= 1;
    }
    let span = FieldSpan {
        name: Span::new(start, colon),
        value: Span::new(value, value_end),
    };
    Ok(FieldLine::Field(span, next))
}

/// Reads the end of a line at `at`: where the next line begins, or `None` if the input ends
/// first. Any other octet is `otherwise`.
///
/// RFC 9112 §2.2 lets a recipient take a bare LF for a line's end. Two recipients in a row that
/// differ in this see two different messages, so this one does not.
#[inline]
pub(crate) fn read_crlf(
    input: &[u8],
    at: usize,
    otherwise: PeerFault,
) -> Result<Option<usize>, PeerFault> {
    match (input.get(at), input.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Ok(Some(at + 2)),
        (None, _) | (Some(b'\r'), None) => Ok(None),
        (Some(b'\r'), Some(_)) => Err(PeerFault::BareCr),
        (Some(b'\n'), _) => Err(PeerFault::BareLf),
        (Some(_), _) => Err(otherwise),
    }
}

/// The line does not begin with a name and a colon: the empty line, or a fault with a name. `at`
/// is the first octet that is no tchar.
fn read_without_name(input: &[u8], start: usize, at: usize) -> Result<FieldLine, PeerFault> {
    let after_ows = input[at..].iter().copied().find(|byte| !is_ows(*byte));
    if at > start {
        return match (input[at], after_ows) {
            // RFC 9112 §5.1: "No whitespace is allowed between the field name and colon. [...] A
            // server MUST reject".
            (b' ' | b'\t', Some(b':')) => Err(PeerFault::SpaceBeforeColon),
            (_, Some(b'\r' | b'\n')) => Err(PeerFault::FieldWithoutColon),
            (_, None) => Ok(FieldLine::Partial),
            _ => Err(PeerFault::FieldNameInvalid),
        };
    }
    // RFC 9112 §5.2: obs-fold is for message/http alone; §2.2: nothing but a field may follow the
    // start-line.
    if is_ows(input[at]) {
        return Err(PeerFault::ObsFold);
    }
    let end = read_crlf(input, at, PeerFault::FieldNameInvalid)?;
    Ok(end.map_or(FieldLine::Partial, FieldLine::End))
}
