//! Which field it was, when a head is beyond its limits: for the log, after the fact.
//!
//! Found in the input once it has been refused, so that no head pays for it. The name is the
//! peer's: it is shown escaped and cut, and never sent back.

use std::fmt::{self, Write};

use crate::error::{Error, LimitFault};
use crate::limits::Limits;

/// A field name as a peer has sent it, which may be any octets: shown in at most 256 characters of
/// ASCII, without controls.
///
/// ```
/// use squall_http1::{Error, LimitFault, Limits, offending_field};
///
/// let input = b"GET / HTTP/1.1\r\nHost: a\r\nX-\x1b[2J: b\r\n";
/// let error = Error::from(LimitFault::Fields);
/// let field = offending_field(input, error, &Limits::default().with_fields_max(1));
/// assert_eq!(field.unwrap().to_string(), r"X-\x1b[2J");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldName<'a>(&'a [u8]);

impl fmt::Display for FieldName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Four characters each at most, and three for what is missing.
        const OCTETS_MAX: usize = 63;
        let shown = &self.0[..self.0.len().min(OCTETS_MAX)];
        for character in shown.escape_ascii() {
            f.write_char(char::from(character))?;
        }
        if shown.len() < self.0.len() {
            f.write_str("...")?;
        }
        Ok(())
    }
}

/// The field for which a head was refused as too large: the first of too many, or the largest one.
/// `None` if the error is another one, or no field has begun.
///
/// `input` is what [`HeadDecoder::decode`](crate::HeadDecoder::decode) has refused, from the same
/// octet on.
#[must_use]
pub fn offending_field<'a>(
    input: &'a [u8],
    error: Error,
    limits: &Limits,
) -> Option<FieldName<'a>> {
    let head = &input[..input.len().min(limits.head_bytes_max)];
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    let mut fields = head.split(|byte| *byte == b'\n').skip(1);
    let line = match error {
        Error::Limit(LimitFault::Fields) => fields.nth(limits.fields_max),
        Error::Limit(LimitFault::HeadBytes) => fields.max_by_key(|line| line.len()),
        _ => None,
    };
    let name = line?.split(|byte| *byte == b':').next()?;
    (!name.is_empty()).then_some(FieldName(name))
}
