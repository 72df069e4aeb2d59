//! Reading a template: text to parts, once, when a route is added.
//!
//! The grammar stands in `pattern/template.rs`. Every way to get it wrong has its own
//! [`PatternFault`], with the place or the name a reader needs to find it.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Part;
use crate::pattern::PatternFault;

/// What stands between two slashes.
enum Segment {
    /// Texts with an argument between each and the next; only the first and the last may be empty.
    Texts(Vec<Box<str>>),
    Rest,
}

type Names = Vec<Box<str>>;

pub(super) fn parse(source: &str) -> Result<(Vec<Part>, Names), PatternFault> {
    if let Some(found) = source.chars().find(|found| matches!(found, '?' | '#')) {
        return Err(PatternFault::NotInAPath { found });
    }
    let Some(segments) = source.strip_prefix('/') else {
        return Err(PatternFault::NoLeadingSlash);
    };
    let mut names = Names::new();
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut at = 1;
    for segment in segments.split('/') {
        if let (Some(Part::Rest), Some(name)) = (parts.last(), names.last()) {
            return Err(PatternFault::RestNotLast {
                name: name.to_string(),
            });
        }
        text.push('/');
        match parse_segment(segment, at, &mut names)? {
            Segment::Texts(mut texts) => {
                text.push_str(&texts.remove(0));
                if !texts.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text).into()));
                    parts.push(arguments(texts));
                }
            }
            Segment::Rest => {
                parts.push(Part::Text(std::mem::take(&mut text).into()));
                parts.push(Part::Rest);
            }
        }
        at += segment.len() + 1;
    }
    if !text.is_empty() {
        parts.push(Part::Text(text.into()));
    }
    Ok((parts, names))
}

/// The part for arguments with these texts behind them.
fn arguments(texts: Vec<Box<str>>) -> Part {
    match &*texts {
        [only] if only.is_empty() => Part::Argument,
        _ => Part::Mixed(texts.into()),
    }
}

/// Reads what stands between two slashes; `at` is its place in the template, for the errors.
fn parse_segment(segment: &str, at: usize, names: &mut Names) -> Result<Segment, PatternFault> {
    let mut texts = Vec::new();
    let mut text = String::new();
    let mut remaining = segment;
    while let Some(position) = remaining.find(['{', '}']) {
        let brace_at = at + segment.len() - remaining.len() + position;
        text.push_str(&remaining[..position]);
        let (brace, behind) = remaining[position..].split_at(1);
        if let Some(behind_double) = behind.strip_prefix(brace) {
            text.push_str(brace);
            remaining = behind_double;
            continue;
        }
        if brace == "}" {
            return Err(PatternFault::UnopenedBrace { at: brace_at });
        }
        let Some((name, behind_argument)) = behind.split_once('}') else {
            return Err(PatternFault::UnclosedBrace { at: brace_at });
        };
        if let Some(rest) = name.strip_suffix("...").filter(|rest| is_name(rest)) {
            names.push(rest.into());
            let is_whole_segment = segment.len() == name.len() + "{}".len();
            return if is_whole_segment {
                Ok(Segment::Rest)
            } else {
                Err(PatternFault::RestNotLast {
                    name: rest.to_owned(),
                })
            };
        }
        if !is_name(name) {
            return Err(PatternFault::BadName {
                name: name.to_owned(),
            });
        }
        if text.is_empty() && !texts.is_empty() {
            return Err(PatternFault::AdjacentArguments {
                name: name.to_owned(),
            });
        }
        names.push(name.into());
        texts.push(encode(&text));
        text.clear();
        remaining = behind_argument;
    }
    text.push_str(remaining);
    texts.push(encode(&text));
    Ok(Segment::Texts(texts))
}

/// Names are Rust's and Python's: `{0}` is left to the unnamed groups of regular expressions.
fn is_name(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_word)
        && name
            .bytes()
            .next()
            .is_some_and(|byte| !byte.is_ascii_digit())
}

/// What browsers encode in a path (the WHATWG path percent-encode set, less `?` and `#`, which
/// never get here). `%` is not in it: text may be written encoded already.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'}');

fn encode(text: &str) -> Box<str> {
    utf8_percent_encode(text, ENCODED).to_string().into()
}
