//! What an exchange answers, until it leaves: status, fields and content, and how they become
//! bytes.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::Error;
use crate::field_block::FieldBlock;
use crate::field_lines::FieldLines;

/// The response as the service has made it so far.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    fields: FieldLines,
    /// Of which kinds there may be fields: mostly none but `Content-Type`, and then nobody need
    /// look for others.
    known: Known,
    /// `Content-Type` unless the service sets one.
    default_type: Option<&'static HeaderValue>,
    pub(crate) content: Content,
}

/// What the server has to know of the fields that were set.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    has_type: bool,
    /// A field that the server says itself: of the message's frame, or its own.
    has_framing: bool,
}

impl Known {
    #[inline]
    pub(crate) fn note(&mut self, name: &HeaderName) {
        match Kind::of(name.as_str().as_bytes()) {
            Kind::ContentType => self.has_type = true,
            Kind::Connection | Kind::Framing => self.has_framing = true,
            Kind::Plain => {}
        }
    }
}

/// The kinds of a field that the server tells apart.
#[derive(PartialEq)]
enum Kind {
    ContentType,
    Connection,
    /// Others that are the server's to say.
    Framing,
    Plain,
}

impl Kind {
    /// By length first, which most names do not share with any of these.
    #[inline]
    fn of(name: &[u8]) -> Self {
        match name.len() {
            12 if name == b"content-type" => Self::ContentType,
            10 if name == b"connection" => Self::Connection,
            4 if name == b"date" => Self::Framing,
            6 if name == b"server" => Self::Framing,
            14 if name == b"content-length" => Self::Framing,
            17 if name == b"transfer-encoding" => Self::Framing,
            _ => Self::Plain,
        }
    }
}

/// Whether a field is about the message itself, or the connection: the server's to say.
pub(crate) fn is_framing(name: &HeaderName) -> bool {
    matches!(
        Kind::of(name.as_str().as_bytes()),
        Kind::Connection | Kind::Framing
    )
}

impl Default for Response {
    fn default() -> Self {
        Self {
            status: StatusCode::OK,
            fields: FieldLines::default(),
            known: Known::default(),
            default_type: None,
            content: Content::default(),
        }
    }
}

impl Response {
    pub(crate) fn clear(&mut self) {
        self.status = StatusCode::OK;
        self.fields.clear();
        self.known = Known::default();
        self.default_type = None;
        self.content.clear();
    }

    pub(crate) fn set_default_type(&mut self, value: &'static HeaderValue) {
        self.default_type = Some(value);
    }

    pub(crate) fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.note(name);
        self.fields.set(name, value);
    }

    pub(crate) fn set_block(&mut self, block: &FieldBlock) {
        let known = block.known();
        self.known.has_type |= known.has_type;
        self.known.has_framing |= known.has_framing;
        self.fields.set_all(block.lines());
    }

    pub(crate) fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.note(name);
        self.fields.add(name, value);
    }

    fn note(&mut self, name: &HeaderName) {
        self.known.note(name);
    }

    pub(crate) fn remove(&mut self, name: &HeaderName) {
        self.fields.remove(name);
        if *name == CONTENT_TYPE {
            self.known.has_type = false;
            self.default_type = None;
        }
    }

    pub(crate) fn get(&self, name: &HeaderName) -> Option<HeaderValue> {
        let set = self.fields.get(name);
        if set.is_none() && *name == CONTENT_TYPE {
            return self.default_type.cloned();
        }
        set
    }

    /// The length that the service has declared itself: 1*DIGIT (RFC 9110, section 8.6), so no
    /// sign, which Rust would parse.
    pub(crate) fn declared_length(&self) -> Result<Option<u64>, Error> {
        if !self.known.has_framing {
            return Ok(None);
        }
        let Some(value) = self.get(&CONTENT_LENGTH) else {
            return Ok(None);
        };
        let text = value.to_str().ok();
        let number = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let length = number.and_then(|number| number.parse().ok());
        length.map(Some).ok_or(Error::WrongContentLength)
    }

    /// The service's fields, but for those that are the server's to say. An answer that announces
    /// no content has no type of it either, unless the service says so.
    pub(crate) fn encode_fields(&self, out: &mut Vec<u8>, is_upgrade: bool, has_type: bool) {
        if let (true, false, Some(value)) = (has_type, self.known.has_type, self.default_type) {
            squall_http1::encode_field(out, &CONTENT_TYPE, value);
        }
        if !self.known.has_framing {
            out.extend_from_slice(self.fields.as_bytes());
            return;
        }
        for (name, value, line) in self.fields.iter() {
            let is_ours = match Kind::of(name) {
                Kind::Connection => !is_upgrade && is_about_persistence(value),
                kind => kind == Kind::Framing,
            };
            if !is_ours {
                out.extend_from_slice(line);
            }
        }
    }

    /// Whether the service asked for the connection to end with this answer.
    pub(crate) fn wants_close(&self) -> bool {
        let asks = |(name, value, _): (&[u8], &[u8], &[u8])| {
            Kind::of(name) == Kind::Connection && options(value).any(is_close)
        };
        self.known.has_framing && self.fields.iter().any(asks)
    }
}

/// The members of a Connection field (RFC 9110, section 7.6.1).
fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn is_close(option: &[u8]) -> bool {
    option.eq_ignore_ascii_case(b"close")
}

/// Whether a Connection field says nothing but what the server decides. Others, such as `upgrade`,
/// name fields of this hop and belong to whoever has set those.
fn is_about_persistence(value: &[u8]) -> bool {
    options(value).all(|option| is_close(option) || option.eq_ignore_ascii_case(b"keep-alive"))
}

/// Content that has not left: small writes merged, large ones kept as they are.
#[derive(Default)]
pub(crate) struct Content {
    parts: Vec<Bytes>,
    tail: Vec<u8>,
    parts_len: usize,
}

/// From here on a chunk of content is passed on by reference.
const COPY_BYTES_MAX: usize = 4096;
/// A tail that has grown past this goes to the stream as it is, and is not kept for the next
/// request.
const KEEP_BYTES_MAX: usize = 16 * 1024;
/// Room for so many parts is kept as well.
const PARTS_KEPT: usize = 64;

impl Content {
    pub(crate) fn len(&self) -> usize {
        self.parts_len + self.tail.len()
    }

    /// Copies the content behind what is in `out`, if it is in one small piece.
    pub(crate) fn take_small(&mut self, out: &mut Vec<u8>) {
        if self.parts.is_empty() && self.tail.len() <= KEEP_BYTES_MAX {
            out.extend_from_slice(&self.tail);
            self.tail.clear();
        }
    }

    pub(crate) fn push(&mut self, chunk: Chunk<'_>) {
        match chunk {
            Chunk::Owned(bytes) if bytes.len() > COPY_BYTES_MAX => {
                self.close_tail();
                self.parts_len += bytes.len();
                self.parts.push(bytes);
            }
            Chunk::Owned(bytes) => self.tail.extend_from_slice(&bytes),
            Chunk::Borrowed(bytes) => self.tail.extend_from_slice(bytes),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.parts.clear();
        self.parts.shrink_to(PARTS_KEPT);
        self.parts_len = 0;
        self.tail.clear();
        if self.tail.capacity() > KEEP_BYTES_MAX {
            self.tail = Vec::new();
        }
    }

    /// Hands everything over, in order: large pieces to `share`, the rest to `copy`.
    pub(crate) fn drain<E>(
        &mut self,
        mut share: impl FnMut(Bytes) -> Result<(), E>,
        copy: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.tail.len() > KEEP_BYTES_MAX {
            self.close_tail();
        }
        if !self.parts.is_empty() {
            self.parts_len = 0;
            for part in self.parts.drain(..) {
                share(part)?;
            }
        }
        if !self.tail.is_empty() {
            copy(&self.tail)?;
            self.tail.clear();
        }
        Ok(())
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail = Bytes::from(std::mem::take(&mut self.tail));
            self.parts_len += tail.len();
            self.parts.push(tail);
        }
    }
}

/// Something that can be written to an answer: text and bytes, borrowed or owned.
///
/// ```
/// use squall_httpserver::Chunk;
/// assert!(matches!(Chunk::from("text"), Chunk::Borrowed(b"text")));
/// assert!(matches!(Chunk::from(vec![1, 2, 3]), Chunk::Owned(_)));
/// ```
pub enum Chunk<'a> {
    /// Copied.
    Borrowed(&'a [u8]),
    /// Passed on without a copy if it is large.
    Owned(Bytes),
}

impl<'a> From<&'a str> for Chunk<'a> {
    fn from(text: &'a str) -> Self {
        Self::Borrowed(text.as_bytes())
    }
}

impl<'a> From<&'a String> for Chunk<'a> {
    fn from(text: &'a String) -> Self {
        Self::Borrowed(text.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for Chunk<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Borrowed(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Chunk<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Borrowed(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Chunk<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Borrowed(bytes)
    }
}

impl From<String> for Chunk<'_> {
    fn from(text: String) -> Self {
        Self::Owned(Bytes::from(text))
    }
}

impl From<Vec<u8>> for Chunk<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Owned(Bytes::from(bytes))
    }
}

impl From<Bytes> for Chunk<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::Owned(bytes)
    }
}

impl<'a> From<std::borrow::Cow<'a, str>> for Chunk<'a> {
    fn from(text: std::borrow::Cow<'a, str>) -> Self {
        match text {
            std::borrow::Cow::Borrowed(text) => text.into(),
            std::borrow::Cow::Owned(text) => text.into(),
        }
    }
}
