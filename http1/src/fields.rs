//! The fields of one head: a copy of its bytes, and where in it each name and value is.
//!
//! Both heads hold one of these, so that a head costs one copy and no allocation once its memory
//! has grown; the `HeaderMap` of the `http` crate is built when somebody asks for it. How a field
//! line is read is in `field_line.rs`; what fields mean for the message is in `framing.rs`.

use std::cell::OnceCell;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::grammar;

/// A range of the head's bytes. A head is far smaller than 4 GiB (`Limits::head_bytes_max` is
/// cut there), and half the size of a `Range<usize>` is worth it a hundred times a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The bytes in this range; none if the head is not whole, and so has none yet.
    #[inline]
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        let range = self.start as usize..self.end as usize;
        bytes.get(range).unwrap_or_default()
    }

    /// The same as text. What spans are made of is ASCII where text is asked for (tokens, targets,
    /// hosts: see `grammar.rs`), so nothing is lost; it costs a check of a few octets to say so
    /// without `unsafe`.
    #[inline]
    pub(crate) fn text(self, bytes: &[u8]) -> &str {
        std::str::from_utf8(self.of(bytes)).unwrap_or_default()
    }
}

/// Where one field is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FieldSpan {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

/// Names and values in their order, and the head they are in.
#[derive(Clone, Default)]
pub(crate) struct Fields {
    bytes: Vec<u8>,
    spans: Vec<FieldSpan>,
    map: OnceCell<HeaderMap>,
    /// Up to where the head is read while it is not whole; the decoder compares it with its own
    /// note, so that another head, or this one cleared, is not mistaken for the one it began.
    pub(crate) read_up_to: u32,
}

impl Fields {
    /// Forgets the fields, keeps the memory.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
        self.read_up_to = 0;
        if self.map.get().is_some() {
            self.map = OnceCell::new();
        }
    }

    /// Notes where a field will be, once `set_bytes` has brought the bytes.
    #[inline]
    pub(crate) fn push(&mut self, span: FieldSpan) {
        self.spans.push(span);
    }

    /// Copies the head that the spans are ranges of.
    #[inline]
    pub(crate) fn set_bytes(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<FieldSpan>()
    }

    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let field = |span: &FieldSpan| (span.name.text(&self.bytes), span.value.of(&self.bytes));
        self.spans.iter().map(field)
    }

    /// The values of one field, in order. Field names are case-insensitive (RFC 9110 §5.1).
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = move |span: &&FieldSpan| {
            span.name
                .of(&self.bytes)
                .eq_ignore_ascii_case(name.as_bytes())
        };
        let value = |span: &FieldSpan| span.value.of(&self.bytes);
        self.spans.iter().filter(named).map(value)
    }

    /// Whether a token is in a list that may be spread over several fields (RFC 9110 §5.3).
    pub(crate) fn list_has(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(grammar::list)
            .any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
    }

    pub(crate) fn map(&self) -> &HeaderMap {
        self.map.get_or_init(|| self.build_map())
    }

    /// One allocation holds all values; each `HeaderValue` is a slice of it.
    fn build_map(&self) -> HeaderMap {
        let shared = Bytes::copy_from_slice(&self.bytes);
        let mut map = HeaderMap::with_capacity(self.spans.len());
        for span in &self.spans {
            let name = HeaderName::from_bytes(span.name.of(&self.bytes));
            let value = HeaderValue::from_maybe_shared(shared.slice_ref(span.value.of(&shared)));
            // Every field has passed a grammar that is at least as strict as that crate's, and a
            // head of the size that its map refuses is beyond any `head_bytes_max` in use.
            if let (Ok(name), Ok(value)) = (name, value) {
                let _ = map.try_append(name, value);
            }
        }
        map
    }
}
