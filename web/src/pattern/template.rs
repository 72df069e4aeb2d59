//! The template notation: `/user/{id}`, `/image/{name}.png`, `/files/{path...}`.
//!
//! ```text
//! template = 1*( "/" segment )
//! segment  = *( text / argument )         two arguments never side by side
//!          / "{" name "...}"              the rest; only as the last segment
//! argument = "{" name "}"
//! text     = any characters but "/" "?" "#"; "{{" and "}}" stand for one brace
//! ```
//!
//! What a template means when a path comes is here: one walk, without backtracking. How it is read
//! is `template/parse.rs`, the way back `pattern/reverse.rs`. Called by `pattern.rs`.

mod parse;

use super::{Approach, PatternFault, Step};
use crate::captures::{Captures, PATH_ARGUMENTS_MAX};

/// A parsed template.
#[derive(Debug)]
pub(super) struct Template {
    parts: Box<[Part]>,
    /// The path with NUL, which no text contains, in the place of every argument.
    shape: Box<str>,
    ends_with_rest: bool,
}

/// What follows what in a matching path. Texts are percent-encoded, as there.
#[derive(Debug)]
pub(super) enum Part {
    /// Text with the slashes in it, never empty.
    Text(Box<str>),
    /// All that is left of the segment, but not nothing.
    Argument,
    /// The same shared by several arguments or ending in text: the text behind each of them.
    /// Only the last one may be empty.
    Mixed(Box<[Box<str>]>),
    /// All that is left of the path, perhaps nothing.
    Rest,
}

impl Template {
    /// The template, and the names of its arguments in order.
    pub(super) fn parse(source: &str) -> Result<(Self, Vec<Box<str>>), PatternFault> {
        let (parts, names) = parse::parse(source)?;
        let shape = write_shape(&parts, "").into();
        let ends_with_rest = matches!(parts.last(), Some(Part::Rest));
        Ok((
            Self {
                parts: parts.into(),
                shape,
                ends_with_rest,
            },
            names,
        ))
    }

    pub(super) fn matches(&self, path: &[u8]) -> Option<Captures> {
        let mut captures = Captures::EMPTY;
        let mut at = 0;
        for part in &self.parts {
            at = match part {
                Part::Text(text) if path[at..].starts_with(text.as_bytes()) => at + text.len(),
                Part::Text(_) => return None,
                Part::Argument => match_argument(path, at, &mut captures)?,
                Part::Mixed(texts) => match_mixed(texts, path, at, &mut captures)?,
                Part::Rest => {
                    captures.push(at, path.len());
                    path.len()
                }
            };
        }
        (at == path.len()).then_some(captures)
    }

    /// The one path this template answers, when it has no arguments.
    pub(super) fn literal(&self) -> Option<&str> {
        let has_no_arguments = !self.ends_with_rest && !self.shape.contains('\0');
        has_no_arguments.then_some(&*self.shape)
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// See [`super::Pattern::approach`].
    pub(super) fn approach(&self) -> Approach<'_> {
        if let Some(path) = self.literal() {
            return Approach::Exactly(path);
        }
        let segments = self.shape.split('/').skip(1);
        let mut steps: Vec<_> = segments
            .map(|text| {
                if text.contains('\0') {
                    Step::Any
                } else {
                    Step::Literal(text)
                }
            })
            .collect();
        if self.ends_with_rest {
            // The segment the rest begins in, empty in the shape.
            steps.pop();
            return Approach::Beyond(steps);
        }
        Approach::Through(steps)
    }

    /// See [`super::Pattern::covers`].
    ///
    /// The proof is by witness: if we match the other's shape, our arguments have taken in all of
    /// its arguments whole, and would take in any other values as well.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let covers_shape = self.matches(other.shape.as_bytes()).is_some();
        if !other.ends_with_rest {
            return covers_shape;
        }
        // A rest may be nothing or have slashes; only a rest of our own takes in both.
        let with_slash = write_shape(&other.parts, "\0/\0");
        covers_shape && self.ends_with_rest && self.matches(with_slash.as_bytes()).is_some()
    }
}

/// Where the segment that starts at `start` ends. Segments are short: a plain loop beats a search
/// that has to set itself up.
pub(crate) fn segment_end(path: &[u8], start: usize) -> usize {
    let length = path[start..].iter().position(|&byte| byte == b'/');
    length.map_or(path.len(), |length| start + length)
}

fn match_argument(path: &[u8], start: usize, captures: &mut Captures) -> Option<usize> {
    let end = segment_end(path, start);
    if start == end {
        return None;
    }
    captures.push(start, end);
    Some(end)
}

/// Matches what is left of the segment against arguments, each with its text behind it.
///
/// From right to left, each text at its last possible place. That leaves the most to the arguments
/// on the left, so if one of them is empty this way, it would be in every way: there is never a
/// reason to go back. (A greedy regular expression finds the same.)
fn match_mixed(
    texts: &[Box<str>],
    path: &[u8],
    start: usize,
    captures: &mut Captures,
) -> Option<usize> {
    let (tail, between) = texts.split_last()?;
    let end = segment_end(path, start);
    let mut rest = path[start..end].strip_suffix(tail.as_bytes())?;
    let mut ranges = [(0, 0); PATH_ARGUMENTS_MAX];
    for (position, text) in between.iter().enumerate().rev() {
        // At least one byte stays behind the text, for its argument.
        let searched = &rest[..rest.len().checked_sub(1)?];
        let text_at = searched
            .windows(text.len())
            .rposition(|found| found == text.as_bytes())?;
        ranges[position + 1] = (text_at + text.len(), rest.len());
        rest = &rest[..text_at];
    }
    if rest.is_empty() {
        return None;
    }
    ranges[0] = (0, rest.len());
    for (from, to) in &ranges[..texts.len()] {
        captures.push(start + from, start + to);
    }
    Some(end)
}

fn write_shape(parts: &[Part], rest: &str) -> String {
    let mut shape = String::new();
    for part in parts {
        match part {
            Part::Text(text) => shape.push_str(text),
            Part::Argument => shape.push('\0'),
            Part::Mixed(texts) => shape.extend(texts.iter().flat_map(|text| ["\0", text])),
            Part::Rest => shape.push_str(rest),
        }
    }
    shape
}
