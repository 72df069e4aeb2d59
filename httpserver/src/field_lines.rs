//! The fields of an answer as they will be sent: lines of text, and where each begins.
//!
//! A field that is set becomes its line at once, so that an answer's head is copied in one piece
//! when it leaves. Names and values are types of the `http` crate, which cannot hold a line break.
//! What an answer's fields mean is in `response.rs`.

use std::ops::Range;

use http::{HeaderName, HeaderValue};

/// Room for so many bytes is kept for the next request.
const BYTES_KEPT: usize = 4 * 1024;
/// And for so many fields.
const FIELDS_KEPT: usize = 64;

/// Field lines, in the order of setting. A handful: searching them beats hashing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldLines {
    text: Vec<u8>,
    lines: Vec<Line>,
}

/// Where in the text a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    start: usize,
    name_len: usize,
    end: usize,
}

impl FieldLines {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
        if self.text.capacity() > BYTES_KEPT || self.lines.capacity() > FIELDS_KEPT {
            *self = Self::default();
        }
    }

    /// All lines, each with its CRLF.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// A field in place of all of its name.
    pub(crate) fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        match self.position(name) {
            None => self.add(name, value),
            Some(first) => {
                let mut line = Self::default();
                line.add(name, value);
                let replaced = self.lines[first];
                self.splice(replaced.start..replaced.end, &line.text);
                self.lines[first].end = replaced.start + line.text.len();
                self.remove_from(first + 1, name.as_str().as_bytes());
            }
        }
    }

    /// A field beside those of its name.
    pub(crate) fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        let start = self.text.len();
        squall_http1::encode_field(&mut self.text, name, value);
        self.lines.push(Line {
            start,
            name_len: name.as_str().len(),
            end: self.text.len(),
        });
    }

    pub(crate) fn remove(&mut self, name: &HeaderName) {
        self.remove_from(0, name.as_str().as_bytes());
    }

    /// All of `others`, each in place of all of its name.
    pub(crate) fn set_all(&mut self, others: &Self) {
        if !self.lines.is_empty() {
            for (name, ..) in others.iter() {
                self.remove_from(0, name);
            }
        }
        let base = self.text.len();
        self.text.extend_from_slice(&others.text);
        self.lines.extend(others.lines.iter().map(|line| Line {
            start: base + line.start,
            name_len: line.name_len,
            end: base + line.end,
        }));
    }

    /// The first value of a name.
    pub(crate) fn get(&self, name: &HeaderName) -> Option<HeaderValue> {
        let line = self.lines[self.position(name)?];
        let (_, value, _) = self.parts(line);
        // It was one when it was set.
        HeaderValue::from_bytes(value).ok()
    }

    /// Name, value and whole line of each field.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
        self.lines.iter().map(|line| self.parts(*line))
    }

    fn parts(&self, line: Line) -> (&[u8], &[u8], &[u8]) {
        let whole = &self.text[line.start..line.end];
        // `name: value CRLF`.
        let value = &whole[line.name_len + 2..whole.len() - 2];
        (&whole[..line.name_len], value, whole)
    }

    fn position(&self, name: &HeaderName) -> Option<usize> {
        let is_named = |line: &Line| self.is_named(*line, name.as_str().as_bytes());
        self.lines.iter().position(is_named)
    }

    /// Names are lower-case, all of them.
    fn is_named(&self, line: Line, name: &[u8]) -> bool {
        self.text[line.start..line.start + line.name_len] == *name
    }

    fn remove_from(&mut self, first: usize, name: &[u8]) {
        let mut at = first;
        while at < self.lines.len() {
            let line = self.lines[at];
            if self.is_named(line, name) {
                self.lines.remove(at);
                self.splice(line.start..line.end, b"");
            } else {
                at += 1;
            }
        }
    }

    /// Replaces text, and moves the lines behind it.
    fn splice(&mut self, range: Range<usize>, text: &[u8]) {
        let (before, after) = (range.len(), text.len());
        let end = range.end;
        self.text.splice(range, text.iter().copied());
        for line in self.lines.iter_mut().filter(|line| line.start >= end) {
            line.start = line.start - before + after;
            line.end = line.end - before + after;
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, AGE, ALLOW};

    use super::*;

    fn check(fields: &FieldLines, expected: &str) {
        assert_eq!(std::str::from_utf8(fields.as_bytes()).unwrap(), expected);
        let lines: Vec<u8> = fields
            .iter()
            .flat_map(|(name, value, line)| {
                assert_eq!(line, [name, b": ", value, b"\r\n"].concat());
                line.to_vec()
            })
            .collect();
        assert_eq!(lines, fields.as_bytes());
    }

    #[test]
    fn lines_are_set_added_replaced_and_removed_in_their_places() {
        let value = HeaderValue::from_static;
        let mut fields = FieldLines::default();
        fields.add(&ACCEPT, &value("a"));
        fields.add(&AGE, &value("1"));
        fields.add(&ACCEPT, &value("b"));
        fields.add(&ALLOW, &value(""));
        check(&fields, "accept: a\r\nage: 1\r\naccept: b\r\nallow: \r\n");
        fields.set(&ACCEPT, &value("longer"));
        check(&fields, "accept: longer\r\nage: 1\r\nallow: \r\n");
        assert_eq!(fields.get(&ACCEPT), Some(value("longer")));
        assert_eq!(fields.get(&ALLOW), Some(value("")));
        fields.set(&ACCEPT, &value("x"));
        fields.remove(&AGE);
        check(&fields, "accept: x\r\nallow: \r\n");
        fields.remove(&ACCEPT);
        check(&fields, "allow: \r\n");
        assert_eq!(fields.get(&ACCEPT), None);
        fields.add(&AGE, &value("1"));
        fields.add(&ACCEPT, &value("a"));
        let mut others = FieldLines::default();
        others.set_all(&fields);
        check(&others, "allow: \r\nage: 1\r\naccept: a\r\n");
        others.set(&AGE, &value("22"));
        others.remove(&ALLOW);
        fields.set_all(&others);
        check(&fields, "allow: \r\nage: 22\r\naccept: a\r\n");
        assert_eq!(fields.get(&ACCEPT), Some(value("a")));
        fields.clear();
        check(&fields, "");
    }
}
