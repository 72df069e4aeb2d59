//! Conditional requests and ranges: what of a representation a request is to get (RFC 9110 §13,
//! §14).
//!
//! Pure: fields in, a decision out. [`select`] has the order of §13.2.2, from top to bottom;
//! `entity_tag.rs` and `ranges.rs` have the grammar of what the fields say. `representation.rs`
//! does what was decided.

mod entity_tag;
mod ranges;

use std::ops::Range;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method};
use squall_http1::RequestHead;

pub use entity_tag::{EntityTag, EntityTagInvalid};
pub use ranges::RANGES_MAX;
use ranges::Requested;

/// What tells one version of a representation from another (RFC 9110 §8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    entity_tag: Option<EntityTag>,
    last_modified: Option<HttpDate>,
}

impl Validators {
    /// No validators: conditions on them are never met.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With an entity tag.
    #[must_use]
    pub fn with_entity_tag(mut self, entity_tag: EntityTag) -> Self {
        self.entity_tag = Some(entity_tag);
        self
    }

    /// With the time of the last modification, of which HTTP tells whole seconds. It is taken for
    /// a strong validator (§8.8.2.2): do not give one while that second may not be over. A time
    /// before 1970 or after 9999 is none.
    #[must_use]
    pub fn with_last_modified(mut self, time: SystemTime) -> Self {
        self.last_modified = HttpDate::new(time);
        self
    }

    /// The entity tag.
    #[must_use]
    pub fn entity_tag(&self) -> Option<&EntityTag> {
        self.entity_tag.as_ref()
    }

    /// The time of the last modification, in whole seconds.
    #[must_use]
    pub fn last_modified(&self) -> Option<SystemTime> {
        Some(self.last_modified.as_ref()?.time)
    }

    pub(crate) fn last_modified_value(&self) -> Option<&HeaderValue> {
        Some(&self.last_modified.as_ref()?.value)
    }
}

/// A time in whole seconds, and how HTTP writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HttpDate {
    time: SystemTime,
    value: HeaderValue,
}

/// The first second of the year 10000, which HTTP cannot write.
const YEAR_10000: u64 = 253_402_300_800;

impl HttpDate {
    fn new(time: SystemTime) -> Option<Self> {
        let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        if since_1970 >= YEAR_10000 {
            return None;
        }
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(since_1970);
        let value = HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()?;
        Some(Self { time, value })
    }
}

/// What a request for a representation is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// All of it: 200.
    Whole,
    /// These bytes: 206 with `Content-Range`. The range is never empty, and within the length.
    Part(Range<u64>),
    /// These bytes: 206 with `multipart/byteranges`. Two ranges or more, at most [`RANGES_MAX`],
    /// none of them empty, no two overlapping; in the order in which they were asked for.
    Parts(Vec<Range<u64>>),
    /// Nothing, since the client has it: 304.
    NotModified,
    /// Nothing, since the client wants another version: 412.
    PreconditionFailed,
    /// Nothing, since there are no such bytes: 416, with the length in `Content-Range`.
    RangeNotSatisfiable,
}

/// Decides what a request for a representation with these validators, `length` bytes long, is to
/// get. The representation exists, and without conditions the answer would be a 200 (§13.2.1).
///
/// ```
/// use squall_http1::{HeadDecoder, Limits, RequestHead};
/// use squall_web::{EntityTag, Selection, Validators, select};
///
/// let mut head = RequestHead::new();
/// let input = b"GET / HTTP/1.1\r\nHost: a\r\nIf-Range: \"v1\"\r\nRange: bytes=-3\r\n\r\n";
/// HeadDecoder::new().decode(input, &mut head, &Limits::default())?;
///
/// let first = Validators::new().with_entity_tag(EntityTag::strong("v1")?);
/// let second = Validators::new().with_entity_tag(EntityTag::strong("v2")?);
/// assert_eq!(select(&head, &first, 10), Selection::Part(7..10));
/// assert_eq!(select(&head, &second, 12), Selection::Whole);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn select(head: &RequestHead, validators: &Validators, length: u64) -> Selection {
    let is_read = matches!(*head.method(), Method::GET | Method::HEAD);
    // Step 1, else step 2.
    if head.field("if-match").is_some() {
        if !if_match(head, validators) {
            return Selection::PreconditionFailed;
        }
    } else if if_unmodified_since(head, validators) == Some(false) {
        return Selection::PreconditionFailed;
    }
    // Step 3, else step 4.
    if head.field("if-none-match").is_some() {
        match if_none_match(head, validators) {
            true => {}
            false if is_read => return Selection::NotModified,
            false => return Selection::PreconditionFailed,
        }
    } else if is_read && if_modified_since(head, validators) == Some(false) {
        return Selection::NotModified;
    }
    // Step 5. §14.2: with any method but GET there are no ranges.
    if *head.method() != Method::GET {
        return Selection::Whole;
    }
    let Some(range) = single(head, "range") else {
        return Selection::Whole;
    };
    if head.field("if-range").is_some() && !if_range(head, validators) {
        return Selection::Whole;
    }
    match ranges::resolve(range, length) {
        Requested::Nothing => Selection::Whole,
        Requested::Unsatisfiable => Selection::RangeNotSatisfiable,
        Requested::One(range) => Selection::Part(range),
        Requested::Several(ranges) => Selection::Parts(ranges),
    }
}

/// §13.1.1: strong comparison, for the client is about to build on what it has.
fn if_match(head: &RequestHead, validators: &Validators) -> bool {
    let current = validators.entity_tag.as_ref();
    head.field_all("if-match").any(|list| {
        entity_tag::is_any(list)
            || entity_tag::list(list).any(|tag| current.is_some_and(|own| own.is_strongly(tag)))
    })
}

/// §13.1.2: weak comparison, for the client only wants to know whether what it has will do. True
/// when none matches.
fn if_none_match(head: &RequestHead, validators: &Validators) -> bool {
    let current = validators.entity_tag.as_ref();
    !head.field_all("if-none-match").any(|list| {
        entity_tag::is_any(list)
            || entity_tag::list(list).any(|tag| current.is_some_and(|own| own.is_weakly(tag)))
    })
}

/// §13.1.3; `None` when it is to be ignored, since one of the two dates is none.
fn if_modified_since(head: &RequestHead, validators: &Validators) -> Option<bool> {
    let since = date(single(head, "if-modified-since")?)?;
    Some(validators.last_modified()? > since)
}

/// §13.1.4; `None` likewise.
fn if_unmodified_since(head: &RequestHead, validators: &Validators) -> Option<bool> {
    let since = date(single(head, "if-unmodified-since")?)?;
    Some(validators.last_modified()? <= since)
}

/// §13.1.5: an entity tag by strong comparison, a date by equality.
fn if_range(head: &RequestHead, validators: &Validators) -> bool {
    let Some(validator) = single(head, "if-range") else {
        return false;
    };
    if let Some(tag) = entity_tag::read(validator) {
        let current = validators.entity_tag.as_ref();
        return current.is_some_and(|own| own.is_strongly(tag));
    }
    let since = date(validator);
    since.is_some() && since == validators.last_modified()
}

/// The value of a field that is no list. Who sends two of them has said nothing.
fn single<'a>(head: &'a RequestHead, name: &str) -> Option<&'a [u8]> {
    let mut values = head.field_all(name);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

fn date(value: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(value).ok()?;
    httpdate::parse_http_date(text).ok()
}
