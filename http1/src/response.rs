//! A response's head, for clients: what was decoded, as they read it.
//!
//! The twin of `request.rs`. Filled by `decode.rs`; what differs is the first line, that there is
//! no Host, and that the framing depends on the request (RFC 9112 §6.3).

use std::fmt;

use http::{HeaderMap, Method, StatusCode};

use crate::decode::DecodeHead;
use crate::error::{Error, PeerFault};
use crate::field_line::Field;
use crate::fields::{Fields, Span};
use crate::framing::{Facts, Framing, Message};
use crate::limits::Limits;
use crate::start_line::read_status_line;
use crate::version::Version;

/// The head of a response: one copy of its bytes, and offsets into it.
///
/// ```
/// use squall_http1::{Framing, HeadDecoder, Limits, ResponseHead};
///
/// let input = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
/// let mut head = ResponseHead::new();
/// let used = HeadDecoder::new().decode_response(input, &mut head, &Limits::default())?;
/// assert_eq!(used, Some(input.len() - 2));
/// assert_eq!(head.status(), 200);
/// assert_eq!(head.framing(&http::Method::GET)?, Framing::Length(2));
/// assert_eq!(head.framing(&http::Method::HEAD)?, Framing::None);
/// # Ok::<(), squall_http1::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct ResponseHead {
    fields: Fields,
    version: Version,
    status: StatusCode,
    reason: Span,
    facts: Facts,
}

impl ResponseHead {
    /// An empty head, which has no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the response, keeps the memory.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.version = Version::default();
        self.status = StatusCode::default();
        self.reason = Span::default();
        self.facts = Facts::default();
    }

    /// The version that was sent, or 1.1 for a higher minor one.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The status code, 100 to 999.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The reason phrase, which may be empty or no UTF-8, and means nothing (RFC 9112 §4).
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        self.reason.of(self.as_bytes())
    }

    /// Names, as they were sent, and values, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter()
    }

    /// The first value of a field, whatever the case of its name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields.all(name).next()
    }

    /// All values of a field, in their order.
    pub fn field_all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields.all(name)
    }

    /// The fields as a map, built when first asked for and kept until the head is cleared.
    pub fn headers(&self) -> &HeaderMap {
        self.fields.map()
    }

    /// How the end of the content is found, given the method of the request this responds to.
    ///
    /// # Errors
    /// When the fields contradict each other, or announce content that this response must not
    /// have.
    pub fn framing(&self, request_method: &Method) -> Result<Framing, Error> {
        let message = Message::Response {
            to: request_method,
            status: self.status,
        };
        Ok(self.facts.framing(message, self.version)?)
    }

    /// Whether the server lets the connection go on after this exchange (RFC 9112 §9.3). Content
    /// that lasts until the connection ends says no as well.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.facts.keep_alive(self.version)
    }

    /// Whether Connection has this option, such as `upgrade`.
    #[must_use]
    pub fn connection_has(&self, option: &str) -> bool {
        self.fields.list_has("connection", option)
    }

    /// The head as it was sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.fields.bytes()
    }

    /// Bytes of memory this head keeps, for a pool that lets go of grown ones.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.fields.capacity()
    }
}

/// The status-line and how many fields there are, as for a request.
impl fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("version", &self.version)
            .field("status", &self.status)
            .field("fields", &self.fields.len())
            .finish()
    }
}

impl DecodeHead for ResponseHead {
    fn start_line_bytes_max(limits: &Limits) -> usize {
        limits.head_bytes_max
    }

    fn begin(&mut self) {
        self.clear();
    }

    fn clear(&mut self) {
        self.clear();
    }

    fn read_start_line(&mut self, input: &[u8], _: &Limits) -> Result<Option<usize>, Error> {
        let Some(line) = read_status_line(input)? else {
            return Ok(None);
        };
        self.version = line.version;
        self.status = line.status;
        self.reason = line.reason;
        Ok(Some(line.next))
    }

    fn note_field(&mut self, field: &Field<'_>) -> Result<(), PeerFault> {
        self.facts.note(field.name, field.value)
    }

    fn finish(&mut self, bytes: &[u8]) -> Result<(), PeerFault> {
        self.fields.set_bytes(bytes);
        Ok(())
    }

    fn fields(&mut self) -> &mut Fields {
        &mut self.fields
    }
}
