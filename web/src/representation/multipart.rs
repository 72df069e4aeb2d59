//! Several ranges in one answer: `multipart/byteranges` (RFC 9110 §14.6).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use super::Representation;

/// What surrounds the ranges. Its length is known before anything is sent.
pub(super) struct Parts<'a> {
    representation: &'a Representation,
    boundary: String,
    length: u64,
}

impl<'a> Parts<'a> {
    pub(super) fn new(representation: &'a Representation, ranges: &[Range<u64>]) -> Self {
        let mut parts = Self {
            representation,
            boundary: boundary(),
            length: 0,
        };
        let part = |range: &Range<u64>| parts.head(range).len() as u64 + range.end - range.start;
        parts.length = ranges.iter().map(part).sum::<u64>() + parts.tail().len() as u64;
        parts
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// How long the content is, with all parts.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// What comes before a range. The line end before a boundary belongs to it, and ends nothing
    /// before the first one.
    pub(super) fn head(&self, range: &Range<u64>) -> Vec<u8> {
        let mut head = format!("\r\n--{}\r\ncontent-type: ", self.boundary).into_bytes();
        head.extend_from_slice(self.representation.content_type.as_bytes());
        let range = content_range(range, self.representation.length());
        head.extend_from_slice(format!("\r\ncontent-range: {range}\r\n\r\n").as_bytes());
        head
    }

    pub(super) fn tail(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }
}

/// content-range of a range that there is.
pub(super) fn content_range(range: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start, range.end - 1)
}

/// A line that is nowhere in the content: who writes the content cannot know these 128 bits, which
/// the standard library draws from the system's entropy for its maps.
fn boundary() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}
