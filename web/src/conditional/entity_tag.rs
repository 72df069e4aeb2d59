//! Entity tags: what they are, and how two of them are compared (RFC 9110 §8.8.3).

use std::fmt;

use http::HeaderValue;

/// An opaque name of one version of a representation.
///
/// ```
/// use squall_web::EntityTag;
///
/// assert_eq!(EntityTag::strong("v1")?.to_string(), "\"v1\"");
/// assert_eq!(EntityTag::weak("v1")?.to_string(), "W/\"v1\"");
/// assert!(EntityTag::strong("no \"quotes\"").is_err());
/// # Ok::<(), squall_web::EntityTagInvalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag(HeaderValue);

/// A text that cannot be an entity tag: it has spaces, quotes or control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTagInvalid;

impl fmt::Display for EntityTagInvalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entity tag has no spaces, quotes or control characters")
    }
}

impl std::error::Error for EntityTagInvalid {}

impl EntityTag {
    /// A tag that changes with every octet of the content.
    ///
    /// # Errors
    /// When it has characters that a tag cannot have.
    pub fn strong(opaque: &str) -> Result<Self, EntityTagInvalid> {
        Self::new("\"", opaque)
    }

    /// A tag of contents that are as good as each other.
    ///
    /// # Errors
    /// When it has characters that a tag cannot have.
    pub fn weak(opaque: &str) -> Result<Self, EntityTagInvalid> {
        Self::new("W/\"", opaque)
    }

    fn new(prefix: &str, opaque: &str) -> Result<Self, EntityTagInvalid> {
        if !opaque.bytes().all(is_etagc) {
            return Err(EntityTagInvalid);
        }
        let value = HeaderValue::try_from(format!("{prefix}{opaque}\""));
        value.map(Self).map_err(|_| EntityTagInvalid)
    }

    /// As the field `ETag` has it.
    #[must_use]
    pub fn value(&self) -> &HeaderValue {
        &self.0
    }

    fn as_sent(&self) -> Sent<'_> {
        // What was written above is read here.
        read(self.0.as_bytes()).unwrap_or_default()
    }

    /// §8.8.3.2, strong comparison: equal, and neither is weak.
    pub(super) fn is_strongly(&self, other: Sent<'_>) -> bool {
        let own = self.as_sent();
        !own.is_weak && !other.is_weak && own.opaque == other.opaque
    }

    /// §8.8.3.2, weak comparison: equal, whether or not they are weak.
    pub(super) fn is_weakly(&self, other: Sent<'_>) -> bool {
        self.as_sent().opaque == other.opaque
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0.as_bytes()))
    }
}

/// A tag in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent<'a> {
    is_weak: bool,
    opaque: &'a [u8],
}

/// Whether a field says `*`: any version will do.
pub(super) fn is_any(value: &[u8]) -> bool {
    value.trim_ascii() == b"*"
}

/// Reads a field that is one tag.
pub(super) fn read(value: &[u8]) -> Option<Sent<'_>> {
    let (tag, rest) = read_first(value.trim_ascii())?;
    rest.is_empty().then_some(tag)
}

/// Reads a list of tags, up to the first thing that is none.
///
/// ```text
/// #entity-tag
/// entity-tag = [ weak ] opaque-tag
/// weak       = %s"W/"
/// opaque-tag = DQUOTE *etagc DQUOTE
/// ```
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = Sent<'_>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        // §5.6.1.2: empty elements are to be ignored.
        let start = rest.iter().position(|byte| !b", \t".contains(byte))?;
        let (tag, behind) = read_first(&rest[start..])?;
        let behind = behind.trim_ascii_start();
        // A list is over where no comma follows.
        rest = match behind.first() {
            None | Some(b',') => behind,
            Some(_) => return None,
        };
        Some(tag)
    })
}

/// The tag at the beginning, and what follows it.
fn read_first(text: &[u8]) -> Option<(Sent<'_>, &[u8])> {
    let (is_weak, text) = match text.strip_prefix(b"W/") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let text = text.strip_prefix(b"\"")?;
    let end = text.iter().position(|byte| !is_etagc(*byte))?;
    let (opaque, rest) = text.split_at(end);
    let rest = rest.strip_prefix(b"\"")?;
    Some((Sent { is_weak, opaque }, rest))
}

/// etagc = %x21 / %x23-7E / obs-text
fn is_etagc(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}
