//! A request's head: what was decoded, as the layers above read it.
//!
//! Filled by `decode.rs`, line by line, through [`crate::decode::DecodeHead`]; its bytes and
//! fields are in `fields.rs`. No content, and no meaning beyond the message: cookies, arguments
//! and conditions are the business of `web`.

use std::fmt;

use http::{HeaderMap, Method};

use crate::decode::DecodeHead;
use crate::error::{Error, PeerFault};
use crate::field_line::Field;
use crate::fields::{Fields, Span};
use crate::framing::{Expectation, Facts, Framing, Message};
use crate::grammar::is_name;
use crate::host::is_authority;
use crate::limits::Limits;
use crate::start_line::{read_request_line, request_line_bytes_max};
use crate::target::{self, Target};
use crate::version::Version;

/// The head of a request: one copy of its bytes, and offsets into it.
///
/// Decoding into it again reuses its memory. It is whole after [`HeadDecoder::decode`] has
/// returned `Some`, and says nothing of use before.
///
/// ```
/// use squall_http1::{HeadDecoder, Limits, RequestHead, Version};
///
/// let input = b"GET /chat?room=7 HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n";
/// let mut head = RequestHead::new();
/// let used = HeadDecoder::new().decode(input, &mut head, &Limits::default())?;
/// assert_eq!(used, Some(input.len()));
/// assert_eq!(head.method(), http::Method::GET);
/// assert_eq!((head.path(), head.query()), ("/chat", Some("room=7")));
/// assert_eq!(head.version(), Version::Http11);
/// assert_eq!(head.host(), Some("example.com"));
/// assert_eq!(head.field("accept"), Some(&b"*/*"[..]));
/// assert!(head.keep_alive());
/// # Ok::<(), squall_http1::Error>(())
/// ```
///
/// [`HeadDecoder::decode`]: crate::HeadDecoder::decode
#[derive(Clone, Default)]
pub struct RequestHead {
    fields: Fields,
    method: Method,
    target: Target,
    version: Version,
    facts: Facts,
    framing: Framing,
    host: Option<Span>,
}

impl RequestHead {
    /// An empty head, which has no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the request, keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.fields.clear();
        self.method = Method::GET;
        self.target = Target::default();
        self.version = Version::default();
        self.facts = Facts::default();
        self.framing = Framing::None;
        self.host = None;
    }

    /// The method; any token is one (RFC 9110 §9.1).
    #[inline]
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The request-target as it was sent.
    #[must_use]
    pub fn target(&self) -> &str {
        self.target.whole.text(self.as_bytes())
    }

    /// The path, not decoded: `/` if an absolute-form has none, `*` in asterisk-form, empty for
    /// CONNECT.
    #[inline]
    #[must_use]
    pub fn path(&self) -> &str {
        if self.target.path.is_empty() {
            return self.path_of_empty();
        }
        self.target.path.text(self.as_bytes())
    }

    /// The path as [`Self::path`] has it, for who compares octets.
    #[inline]
    #[must_use]
    pub fn path_bytes(&self) -> &[u8] {
        if self.target.path.is_empty() {
            return self.path_of_empty().as_bytes();
        }
        self.target.path.of(self.as_bytes())
    }

    /// A method is made where it differs from the last one; on most connections none does.
    #[inline(always)]
    fn set_method(&mut self, name: &[u8]) -> Result<(), PeerFault> {
        if name != b"GET" {
            self.method = Method::from_bytes(name).map_err(|_| PeerFault::MethodInvalid)?;
        } else if !matches!(self.method, Method::GET) {
            self.method = Method::GET;
        }
        Ok(())
    }

    /// RFC 9112 §3.2.1: an empty path is sent as `/`; §3.2.4: OPTIONS of an authority without
    /// path and query is what `*` asks for.
    fn path_of_empty(&self) -> &'static str {
        match self.method {
            Method::CONNECT => "",
            Method::OPTIONS if self.target.query.is_none() => "*",
            _ => "/",
        }
    }

    /// What follows the first `?` of the target, not decoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        let query = self.target.query?;
        Some(query.text(self.as_bytes()))
    }

    /// The version that was sent, or 1.1 for a higher minor one.
    #[inline]
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
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

    /// Host and port the request is for: the target's if it has them (RFC 9112 §3.2.2), else
    /// Host's. `None` for a request of HTTP/1.0 that says neither; empty if Host is.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let host = self.target.authority.or(self.host)?;
        Some(host.text(self.as_bytes()))
    }

    /// How the end of the content is found; never [`Framing::UntilClose`].
    #[inline]
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the client lets the connection go on after this exchange (RFC 9112 §9.3).
    #[inline]
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.facts.keep_alive(self.version)
    }

    /// What the client waits for before it sends the content.
    #[inline]
    #[must_use]
    pub fn expectation(&self) -> Expectation {
        self.facts.expectation(self.version)
    }

    /// Whether Connection has this option, such as `upgrade`.
    #[must_use]
    pub fn connection_has(&self, option: &str) -> bool {
        self.fields.list_has("connection", option)
    }

    /// The head as it was sent, without the empty line that may have come before it.
    #[inline]
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

/// The request-line and how many fields there are. Fields hold credentials, logs are read by many.
impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("target", &self.target())
            .field("version", &self.version)
            .field("fields", &self.fields.len())
            .finish()
    }
}

impl DecodeHead for RequestHead {
    fn start_line_bytes_max(limits: &Limits) -> usize {
        request_line_bytes_max(limits.target_bytes_max)
    }

    /// What is not reset here is set by the request-line, or by the end of the head.
    #[inline(always)]
    fn begin(&mut self) {
        self.fields.clear();
        self.facts = Facts::default();
        self.host = None;
    }

    #[inline(always)]
    fn read_start_line(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
        let Some(line) = read_request_line(input, limits.target_bytes_max)? else {
            return Ok(None);
        };
        self.version = line.version;
        let method = line.method.of(input);
        self.set_method(method)?;
        self.target = target::read(
            method,
            input,
            line.target_start,
            line.query_mark,
            line.target_end,
        )?;
        Ok(Some(line.next))
    }

    /// RFC 9112 §3.2: 400 to "any request message that contains more than one Host header field
    /// line or a Host header field with an invalid field value", of any version. An empty one is
    /// sent by clients of URIs without authority.
    #[inline(always)]
    fn note_field(&mut self, field: &Field<'_>) -> Result<(), PeerFault> {
        if !is_name(field.name, b"host") {
            return self.facts.note(field.name, field.value);
        }
        if self.host.replace(field.span.value).is_some() {
            return Err(PeerFault::HostRepeated);
        }
        if !field.value.is_empty() && !is_authority(field.value) {
            return Err(PeerFault::HostInvalid);
        }
        Ok(())
    }

    #[inline(always)]
    fn clear(&mut self) {
        self.clear();
    }

    #[inline(always)]
    fn finish(&mut self, bytes: &[u8]) -> Result<(), PeerFault> {
        // RFC 9112 §3.2: "any HTTP/1.1 request message that lacks a Host header field".
        if self.host.is_none() && self.version == Version::Http11 {
            return Err(PeerFault::HostMissing);
        }
        self.framing = self.facts.framing(Message::Request, self.version)?;
        self.fields.set_bytes(bytes);
        Ok(())
    }

    #[inline]
    fn fields(&mut self) -> &mut Fields {
        &mut self.fields
    }
}
