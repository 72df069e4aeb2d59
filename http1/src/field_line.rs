//! One field line: where its name and its value are, or which rule it breaks.
//!
//! ```text
//! field-line = field-name ":" OWS field-value OWS CRLF             ; RFC 9112 §5
//! ```
//! Strict: CRLF and nothing else ends a line, nothing stands between name and colon, no line
//! continues another. Used by `decode.rs` for heads and by `trailers.rs`.

use crate::error::PeerFault;
use crate::fields::{FieldSpan, Span};
use crate::grammar::{
    after_letters, after_ows, after_plain_text, after_text, after_token, is_ows, trim_ows_end,
};

/// What stands at the beginning of a line.
pub(crate) enum FieldLine<'a> {
    /// A field, and where the next line begins.
    Field(Field<'a>, usize),
    /// The empty line that ends a section, and where the rest begins.
    End(usize),
    /// The input ends first.
    Partial,
}

/// A field as it was sent. The name is a token.
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Where both are.
    pub(crate) span: FieldSpan,
}

/// Reads the line that begins at `start`. Spans are ranges of `input`.
///
/// Written for the line that nearly all are: a name of letters and `-`, a colon, one space, a value
/// without HTAB that begins and ends with neither space. Whatever else it is costs a second look.
#[inline(always)]
pub(crate) fn read(input: &[u8], start: usize) -> Result<FieldLine<'_>, PeerFault> {
    let line = &input[start..];
    // Every head ends so.
    if line.starts_with(b"\r\n") {
        return Ok(FieldLine::End(start + 2));
    }
    let mut after_name = after_letters(line);
    if !after_name.starts_with(b":") {
        after_name = after_token(after_name);
    }
    let mut value = match after_name {
        [b':', after @ ..] if after_name.len() < line.len() => after,
        _ => return read_without_name(line, after_name, start),
    };
    value = match value {
        [b' ', first, ..] if !is_ows(*first) => &value[1..],
        _ => after_ows(value),
    };
    let mut end = after_plain_text(value);
    if !end.starts_with(b"\r\n") {
        end = after_text(end);
        if read_crlf(end, 0, PeerFault::FieldValueInvalid)?.is_none() {
            return Ok(FieldLine::Partial);
        }
    }
    let (colon, value_start) = (input.len() - after_name.len(), input.len() - value.len());
    let next = input.len() - end.len() + 2;
    value = trim_ows_end(&value[..value.len() - end.len()]);
    let field = Field {
        name: &line[..line.len() - after_name.len()],
        value,
        span: FieldSpan {
            name: Span::new(start, colon),
            value: Span::new(value_start, value_start + value.len()),
        },
    };
    Ok(FieldLine::Field(field, next))
}

/// Reads the end of a line at `at`: where the next line begins, or `None` if the input ends
/// first. Any other octet is `otherwise`.
///
/// RFC 9112 §2.2 lets a recipient take a bare LF for a line's end. Two recipients in a row that
/// differ in this see two different messages, so this one does not.
#[inline(never)]
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

/// The line does not begin with a name and a colon: the empty line, or a fault with a name. `rest`
/// begins with the first octet that is no tchar.
#[cold]
fn read_without_name<'a>(
    line: &'a [u8],
    rest: &'a [u8],
    start: usize,
) -> Result<FieldLine<'a>, PeerFault> {
    let Some(stop) = rest.first() else {
        return Ok(FieldLine::Partial);
    };
    if rest.len() < line.len() {
        return match (stop, after_ows(rest).first()) {
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
    if is_ows(*stop) {
        return Err(PeerFault::ObsFold);
    }
    let end = read_crlf(line, 0, PeerFault::FieldNameInvalid)?;
    Ok(end.map_or(FieldLine::Partial, |end| FieldLine::End(start + end)))
}
