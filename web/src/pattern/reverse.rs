//! The way back: from arguments to the path that carries them.
//!
//! A path is only given out if it leads back to the very same arguments. Called by `pattern.rs`;
//! the lookup by name is `routing.rs`.

use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use super::{Matcher, Part, Pattern, ReverseError};

/// RFC 3986 §2.3: everything but the unreserved characters.
const SEGMENT_ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same where slashes may stay.
const REST_ENCODED: &AsciiSet = &SEGMENT_ENCODED.remove(b'/');

pub(super) fn reverse(
    pattern: &Pattern,
    arguments: &[&dyn Display],
) -> Result<String, ReverseError> {
    if arguments.len() != pattern.names.len() {
        let (expected, given) = (pattern.names.len(), arguments.len());
        return Err(ReverseError::ArgumentCount { expected, given });
    }
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let path = match &pattern.matcher {
        Matcher::Template(template) => {
            let path = write_template(template.parts(), &arguments);
            check_reads_back(pattern, &path, &arguments)?;
            path
        }
        Matcher::Regex(regex) => {
            let texts = regex.backward().ok_or(ReverseError::Irreversible)?;
            write_regex(texts, &arguments)
        }
    };
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(ReverseError::DotSegment);
    }
    Ok(path)
}

fn write_template(parts: &[Part], arguments: &[String]) -> String {
    let mut arguments = arguments.iter().map(String::as_str);
    let mut path = String::new();
    for part in parts {
        match part {
            Part::Text(text) => path.push_str(text),
            Part::Argument => push_encoded(&mut path, arguments.next(), SEGMENT_ENCODED),
            Part::Mixed(texts) => {
                for text in texts {
                    push_encoded(&mut path, arguments.next(), SEGMENT_ENCODED);
                    path.push_str(text);
                }
            }
            Part::Rest => push_encoded(&mut path, arguments.next(), REST_ENCODED),
        }
    }
    path
}

/// `texts` are one more than the arguments: one before each, one behind the last.
fn write_regex(texts: &[Box<str>], arguments: &[String]) -> String {
    let mut path = String::new();
    for (position, text) in texts.iter().enumerate() {
        path.push_str(text);
        push_encoded(
            &mut path,
            arguments.get(position).map(String::as_str),
            REST_ENCODED,
        );
    }
    path
}

/// The number of arguments was checked at the top; `None` is only the place behind the last text.
fn push_encoded(path: &mut String, argument: Option<&str>, encoded: &'static AsciiSet) {
    path.extend(utf8_percent_encode(argument.unwrap_or_default(), encoded));
}

/// Expressions are spared this check: Tornado reverses `(\w+)` for any text, and links that work
/// there should work here.
fn check_reads_back(
    pattern: &Pattern,
    path: &str,
    arguments: &[String],
) -> Result<(), ReverseError> {
    let Some(captures) = pattern.matches(path) else {
        // The texts are the pattern's own, so only an empty argument can be the reason.
        let empty = arguments.iter().position(String::is_empty);
        let name = empty.map(|position| pattern.names[position].to_string());
        return Err(name.map_or(ReverseError::Ambiguous, |name| {
            ReverseError::EmptyArgument { name }
        }));
    };
    for (position, argument) in arguments.iter().enumerate() {
        let read = path
            .as_bytes()
            .get(captures.range(position).unwrap_or_default());
        if !read.is_some_and(|read| percent_decode(read).eq(argument.bytes())) {
            return Err(ReverseError::Ambiguous);
        }
    }
    Ok(())
}
