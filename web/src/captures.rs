//! What a pattern cut out of a path: positions, not text.
//!
//! Every request gets one of these, so it is a small fixed array and costs no allocation.
//! The text is decoded only when a handler asks for an argument (`exchange/request.rs`); which
//! argument has which name is the pattern's knowledge (`pattern.rs`).

use std::ops::Range;

/// The most arguments one pattern may have.
///
/// Eight is more than any address a person reads; a ninth is refused when the pattern is built,
/// so that no request ever has to allocate for its captures.
pub const PATH_ARGUMENTS_MAX: usize = 8;

/// Where in the path each argument of the matching pattern lies, in the pattern's order.
///
/// ```
/// use squall_web::Pattern;
///
/// let pattern = Pattern::new("/user/{id}/posts/{post}")?;
/// let captures = pattern.matches("/user/42/posts/7").unwrap();
/// assert_eq!(captures.len(), 2);
/// assert_eq!(captures.range(0), Some(6..8));
/// assert_eq!(captures.range(2), None);
/// # Ok::<(), squall_web::PatternError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captures {
    ranges: [(u32, u32); PATH_ARGUMENTS_MAX],
    len: u8,
}

impl Captures {
    /// The captures of a pattern without arguments.
    pub(crate) const EMPTY: Self = Self {
        ranges: [(0, 0); PATH_ARGUMENTS_MAX],
        len: 0,
    };

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// How many arguments the pattern has.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether the pattern has no arguments.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of the path, still percent-encoded, that make up the argument at `position`.
    ///
    /// `None` when the pattern has no such argument. An optional group of a regular expression
    /// that took no part in the match is the empty range `0..0`.
    #[must_use]
    pub fn range(&self, position: usize) -> Option<Range<usize>> {
        let (start, end) = *self.ranges[..self.len()].get(position)?;
        Some(start as usize..end as usize)
    }

    /// Records the next argument. Patterns check both limits before they match anything:
    /// the number of arguments when they are built, the length of a path when it comes.
    pub(crate) fn push(&mut self, start: usize, end: usize) {
        self.ranges[self.len()] = (start as u32, end as u32);
        self.len += 1;
    }
}
