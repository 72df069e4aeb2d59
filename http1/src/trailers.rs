//! The trailer section behind the last chunk: fields that were not known when the head was sent.
//!
//! ```text
//! trailer-section = *( field-line CRLF )                                  ; RFC 9112 §7.1.2
//! ```
//! Lines follow the rules of a head (`field_line.rs`) and are read once, when they are whole.
//! Used by `content.rs`.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, LimitFault, PeerFault};
use crate::field_line::{self, Field, FieldLine};
use crate::grammar;
use crate::limits::Limits;

/// Fields that must not come late: they frame, route, authenticate, or say what the content is
/// (RFC 9110 §6.5.1; RFC 7230 §4.1.2 has the longer list). To ignore them would be allowed. But
/// nobody sends them in good faith, and somebody on the way may have taken them for fields of the
/// head, so they are refused.
const FORBIDDEN: [&str; 23] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

/// Whether a field may come behind the content (RFC 9110 §6.5.1): no field may that frames, routes,
/// authenticates, or says what the content is.
///
/// ```
/// use http::header::{CONTENT_LENGTH, ETAG};
/// use squall_http1::may_be_trailer;
///
/// assert!(may_be_trailer(&ETAG) && !may_be_trailer(&CONTENT_LENGTH));
/// ```
#[must_use]
pub fn may_be_trailer(name: &HeaderName) -> bool {
    !FORBIDDEN.contains(&name.as_str())
}

/// The trailer fields so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trailers {
    fields: HeaderMap,
    /// Octets of the lines that were read.
    len: usize,
    /// Up to where the input, which begins with the next line, is known to have no LF.
    searched: usize,
}

impl Trailers {
    pub(crate) fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    /// Reads all lines that are whole: how many octets they are, and whether the empty line that
    /// ends the section was among them.
    pub(crate) fn read(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, bool), Error> {
        let left = limits.trailer_bytes_max.saturating_sub(self.len);
        let within = &input[..input.len().min(left)];
        let unsearched = &within[self.searched.min(within.len())..];
        let mut at = 0;
        if grammar::has_lf(unsearched) {
            loop {
                match field_line::read(within, at)? {
                    FieldLine::Field(field, next) => {
                        self.push(&field, limits)?;
                        at = next;
                    }
                    FieldLine::End(end) => return Ok((end, true)),
                    FieldLine::Partial => break,
                }
            }
        }
        if input.len() > left {
            return Err(LimitFault::TrailerBytes.into());
        }
        self.len += at;
        self.searched = within.len() - at;
        Ok((at, false))
    }

    fn push(&mut self, field: &Field<'_>, limits: &Limits) -> Result<(), Error> {
        if self.fields.len() >= limits.trailer_fields_max {
            return Err(LimitFault::TrailerFields.into());
        }
        let name = HeaderName::from_bytes(field.name).map_err(|_| PeerFault::FieldNameInvalid)?;
        let value =
            HeaderValue::from_bytes(field.value).map_err(|_| PeerFault::FieldValueInvalid)?;
        if !may_be_trailer(&name) {
            return Err(PeerFault::TrailerForbidden.into());
        }
        self.fields
            .try_append(name, value)
            .map_err(|_| LimitFault::TrailerFields)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::work;

    #[test]
    fn work_is_linear_however_trailers_arrive() {
        let limits = Limits::default()
            .with_trailer_bytes_max(usize::MAX)
            .with_trailer_fields_max(usize::MAX);
        let short_lines = "A: b\r\n".repeat(1_000) + "\r\n";
        let long_line = format!("A: {}\r\n\r\n", "b".repeat(8_000));
        for wire in [short_lines, long_line] {
            let mut trailers = Trailers::default();
            let mut start = 0;
            let octets = work::of(|| {
                for end in 1..=wire.len() {
                    let input = &wire.as_bytes()[start..end];
                    let (used, ended) = trailers.read(input, &limits).unwrap();
                    start += used;
                    assert_eq!(ended, end == wire.len());
                }
            });
            assert!(octets <= 3 * wire.len(), "{octets} octets");
        }
    }
}
