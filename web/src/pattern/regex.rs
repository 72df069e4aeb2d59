//! The regular-expression notation, Tornado's own: `/story/([0-9]+)`.
//!
//! The expression is compiled once to match whole paths, and looked at once through its syntax
//! tree to learn two things `regex` does not tell: the text every match begins with, which keeps
//! the expression from being run on paths it cannot match, and how to write a path back from
//! arguments. Called by `pattern.rs`.

use std::cell::RefCell;

use regex::bytes::{CaptureLocations, Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind, Look};

use super::{PatternFault, Step};
use crate::captures::Captures;

/// A compiled expression.
#[derive(Debug)]
pub(super) struct PathRegex {
    regex: Regex,
    /// Scratch space, so that a match allocates nothing.
    locations: RefCell<CaptureLocations>,
    /// Every match begins with this text.
    prefix: Box<str>,
    /// The texts around the groups, if the expression is nothing but text and groups.
    backward: Option<Box<[Box<str>]>>,
}

impl PathRegex {
    /// The compiled expression, and the names of its groups in order.
    pub(super) fn parse(source: &str) -> Result<(Self, Vec<Box<str>>), PatternFault> {
        let tree = ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .build()
            .parse(source);
        let tree = tree.map_err(|error| PatternFault::Regex {
            message: error.to_string(),
        })?;
        // Tornado matches at the start and appends `$`, which leaves either side of `/a|/b` open
        // at one end. The group makes both anchors hold for the whole expression.
        let anchored = format!("^(?:{source})$");
        let regex = RegexBuilder::new(&anchored).unicode(false).build();
        let regex = regex.map_err(|error| PatternFault::Regex {
            message: error.to_string(),
        })?;
        let names = regex.capture_names().skip(1).enumerate();
        let names = names.map(|(position, name)| match name {
            Some(name) => name.into(),
            None => position.to_string().into(),
        });
        let names = names.collect();
        let locations = RefCell::new(regex.capture_locations());
        let prefix = literal_prefix(&tree).into();
        Ok((
            Self {
                regex,
                locations,
                prefix,
                backward: texts_around_groups(&tree),
            },
            names,
        ))
    }

    pub(super) fn matches(&self, path: &[u8]) -> Option<Captures> {
        if !path.starts_with(self.prefix.as_bytes()) {
            return None;
        }
        let mut captures = Captures::EMPTY;
        let mut locations = self.locations.borrow_mut();
        self.regex.captures_read(&mut locations, path)?;
        for group in 1..locations.len() {
            let (start, end) = locations.get(group).unwrap_or((0, 0));
            captures.push(start, end);
        }
        Some(captures)
    }

    /// The segments every match begins with. What stands behind the last slash is left out: the
    /// segment may go on.
    pub(super) fn prefix_segments(&self) -> Vec<Step<'_>> {
        let mut segments: Vec<&str> = self.prefix.split('/').collect();
        segments.pop();
        match segments.split_first() {
            Some((&"", segments)) => segments.iter().map(|text| Step::Literal(text)).collect(),
            _ => Vec::new(),
        }
    }

    /// The texts around the groups: one more than there are groups. `None` when something else
    /// than text stands outside the groups.
    pub(super) fn backward(&self) -> Option<&[Box<str>]> {
        self.backward.as_deref()
    }
}

/// The parts of the expression that follow each other, without the anchors every path pattern has
/// anyway.
fn parts(tree: &Hir) -> impl Iterator<Item = &Hir> {
    let parts = match tree.kind() {
        HirKind::Concat(parts) => parts,
        _ => std::slice::from_ref(tree),
    };
    parts
        .iter()
        .filter(|part| !matches!(part.kind(), HirKind::Look(Look::Start | Look::End)))
}

fn literal_prefix(tree: &Hir) -> String {
    let mut prefix = Vec::new();
    for part in parts(tree) {
        let HirKind::Literal(literal) = part.kind() else {
            break;
        };
        prefix.extend_from_slice(&literal.0);
    }
    // Cut inside a character the prefix is of no use as text; then every path is tried.
    String::from_utf8(prefix).unwrap_or_default()
}

fn texts_around_groups(tree: &Hir) -> Option<Box<[Box<str>]>> {
    let mut texts = vec![String::new()];
    for part in parts(tree) {
        match part.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) => {
                texts
                    .last_mut()?
                    .push_str(std::str::from_utf8(&literal.0).ok()?);
            }
            // A group inside this one would be an argument of its own, within the other.
            HirKind::Capture(group) if group.sub.properties().explicit_captures_len() == 0 => {
                texts.push(String::new());
            }
            _ => return None,
        }
    }
    Some(texts.into_iter().map(String::into_boxed_str).collect())
}
