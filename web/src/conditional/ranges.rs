//! Ranges of bytes: what `Range` asks for (RFC 9110 §14.1), and what of it there is.

use std::ops::Range;

/// How many ranges a request may ask for. With more of them, `Range` is ignored (§14.2, §17.15):
/// each costs the client ten bytes to ask for and us a head of a hundred to answer. Programs that
/// read documents in pieces ask for a few at once.
pub const RANGES_MAX: usize = 32;

/// What is between two ranges is sent along if it is shorter than what a part begins with
/// (§15.3.7.2): one range then costs less than two.
const GAP_BYTES: u64 = 80;

/// What was asked for, and is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Requested {
    /// The field is no `Range` that we understand, or asks for too much of it.
    Nothing,
    /// None of the ranges is within the length, or one of them ends before it begins.
    Unsatisfiable,
    One(Range<u64>),
    Several(Vec<Range<u64>>),
}

/// Reads the field `Range` for a content of this length.
///
/// ```text
/// ranges-specifier = range-unit "=" range-set
/// range-set        = 1#range-spec
/// range-spec       = int-range / suffix-range / other-range
/// int-range        = first-pos "-" [ last-pos ]
/// suffix-range     = "-" suffix-length
/// ```
///
/// §14.2 leaves it to the server what to do with what is not of this form: it is ignored. A range
/// that ends before it begins is of the form, and cannot be had: 416, as in Tornado.
pub(super) fn resolve(value: &[u8], length: u64) -> Requested {
    let Some(set) = range_set(value) else {
        return Requested::Nothing;
    };
    let mut found = Vec::new();
    let mut count = 0;
    for element in set.split(|byte| *byte == b',') {
        // RFC 9110 §5.6.1.2: empty elements are to be ignored.
        let element = element.trim_ascii();
        if element.is_empty() {
            continue;
        }
        count += 1;
        let Some(spec) = Spec::parse(element) else {
            return Requested::Nothing;
        };
        if count > RANGES_MAX {
            return Requested::Nothing;
        }
        match spec.within(length) {
            Ok(range) => found.extend(range),
            Err(Backwards) => return Requested::Unsatisfiable,
        }
    }
    match found.len() {
        0 if count == 0 => Requested::Nothing,
        0 => Requested::Unsatisfiable,
        // The last bytes of nothing are nothing: no `Content-Range` could say which.
        _ if length == 0 => Requested::Nothing,
        1 => Requested::One(found.swap_remove(0)),
        _ => join(found),
    }
}

/// What follows `bytes=`. §14.1: names of units are case-insensitive.
fn range_set(value: &[u8]) -> Option<&[u8]> {
    let (unit, set) = value.split_at_checked(b"bytes=".len())?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(set)
}

/// One range as it was asked for. Numbers too large for us are larger than any content.
enum Spec {
    From(u64),
    FromTo(u64, u64),
    Last(u64),
}

struct Backwards;

impl Spec {
    fn parse(element: &[u8]) -> Option<Self> {
        let dash = element.iter().position(|byte| *byte == b'-')?;
        let (first, last) = (&element[..dash], &element[dash + 1..]);
        match (first, last) {
            ([], last) => Some(Self::Last(number(last)?)),
            (first, []) => Some(Self::From(number(first)?)),
            (first, last) => Some(Self::FromTo(number(first)?, number(last)?)),
        }
    }

    /// The bytes there are of it; `None` if there are none (§14.1.2).
    fn within(&self, length: u64) -> Result<Option<Range<u64>>, Backwards> {
        let (start, end) = match *self {
            Self::FromTo(first, last) if last < first => return Err(Backwards),
            Self::FromTo(first, last) => (first, last.saturating_add(1).min(length)),
            Self::From(first) => (first, length),
            Self::Last(0) => return Ok(None),
            // The one range of an empty content that is satisfiable.
            Self::Last(_) if length == 0 => return Ok(Some(0..0)),
            Self::Last(count) => (length.saturating_sub(count), length),
        };
        Ok((start < end).then_some(start..end))
    }
}

/// 1*DIGIT
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |number: u64, digit: &u8| {
        let digit = u64::from(digit - b'0');
        number.saturating_mul(10).saturating_add(digit)
    };
    Some(digits.iter().fold(0, add))
}

/// Ranges that overlap or nearly touch become one, and then all are sent in the order of the
/// content; else they are sent in the order in which they were asked for (§15.3.7.2).
fn join(ranges: Vec<Range<u64>>) -> Requested {
    let mut sorted = ranges.clone();
    sorted.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match joined.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(GAP_BYTES) => {
                last.end = last.end.max(range.end);
            }
            _ => joined.push(range),
        }
    }
    match joined.len() {
        1 => Requested::One(joined.swap_remove(0)),
        count if count < ranges.len() => Requested::Several(joined),
        _ => Requested::Several(ranges),
    }
}
