//! Heads and content to bytes: each function appends one part of a message to a `Vec<u8>`.
//!
//! In the order of the wire: a start-line, fields, the empty line, and content, as it is or in
//! chunks. Nothing here can put a line break where none belongs: methods, statuses, names and
//! values are types of the `http` crate that cannot hold one, lengths are numbers, and a target is
//! checked. Which framing to use is decided in `answer.rs`. Called by the connections, and by the
//! WebSocket handshake.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::error::{Error, LocalFault};
use crate::grammar::after_visible;
use crate::status_line::status_line;
use crate::trailers::may_be_trailer;

const CRLF: &[u8] = b"\r\n";

/// Appends the status-line of a response with the status's usual reason phrase.
///
/// It says HTTP/1.1 to every client: a server sends "the highest version to which the server is
/// conformant" of the request's major version (RFC 9110 §2.5).
///
/// ```
/// let mut out = Vec::new();
/// squall_http1::encode_status_line(&mut out, http::StatusCode::NOT_FOUND);
/// assert_eq!(out, b"HTTP/1.1 404 Not Found\r\n");
/// ```
#[inline]
pub fn encode_status_line(out: &mut Vec<u8>, status: StatusCode) {
    match status_line(status) {
        Some(line) => out.extend_from_slice(line),
        None => encode_reason(
            out,
            status,
            status.canonical_reason().unwrap_or("").as_bytes(),
        ),
    }
}

/// Appends the status-line of a response with another reason phrase.
///
/// The phrase is a [`HeaderValue`] because both have the same grammar (RFC 9112 §4).
pub fn encode_status_line_with_reason(out: &mut Vec<u8>, status: StatusCode, reason: &HeaderValue) {
    encode_reason(out, status, reason.as_bytes());
}

fn encode_reason(out: &mut Vec<u8>, status: StatusCode, reason: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    // RFC 9112 §4: the space is there even if no reason follows.
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(CRLF);
}

/// Appends a request-line. The target is in whichever form the request needs (RFC 9112 §3.2).
///
/// # Errors
/// [`LocalFault::TargetInvalid`] if the target is empty or has an octet that is not visible
/// ASCII; nothing is appended then.
///
/// ```
/// let mut out = Vec::new();
/// squall_http1::encode_request_line(&mut out, &http::Method::GET, "/chat?room=7")?;
/// assert_eq!(out, b"GET /chat?room=7 HTTP/1.1\r\n");
/// # Ok::<(), squall_http1::Error>(())
/// ```
pub fn encode_request_line(out: &mut Vec<u8>, method: &Method, target: &str) -> Result<(), Error> {
    if target.is_empty() || !after_visible(target.as_bytes()).is_empty() {
        return Err(LocalFault::TargetInvalid.into());
    }
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    Ok(())
}

/// Appends a whole request head: request-line, fields, empty line.
///
/// # Errors
/// As [`encode_request_line`].
pub fn encode_request_head(
    out: &mut Vec<u8>,
    method: &Method,
    target: &str,
    fields: &HeaderMap,
) -> Result<(), Error> {
    encode_request_line(out, method, target)?;
    encode_fields(out, fields);
    encode_head_end(out);
    Ok(())
}

/// Appends one field line.
#[inline]
pub fn encode_field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
    out.reserve(name.len() + 2 + value.len() + CRLF.len());
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(CRLF);
}

/// Appends a field line for each field of a map. Fields of one name stay in their order and apart:
/// Set-Cookie must not be joined (RFC 9110 §5.3).
pub fn encode_fields(out: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        encode_field(out, name, value);
    }
}

/// Appends a Content-Length field.
///
/// ```
/// let mut out = Vec::new();
/// squall_http1::encode_content_length(&mut out, 42);
/// assert_eq!(out, b"content-length: 42\r\n");
/// ```
#[inline]
pub fn encode_content_length(out: &mut Vec<u8>, length: u64) {
    const NAME: &[u8; 16] = b"content-length: ";
    const DIGITS_MAX: usize = 20;
    // Put together from its end and appended once: this is on the way of every answer.
    let mut line = [b'0'; NAME.len() + DIGITS_MAX + CRLF.len()];
    let (before, end) = line.split_at_mut(NAME.len() + DIGITS_MAX);
    end.copy_from_slice(CRLF);
    let mut start = before.len();
    let mut rest = length;
    loop {
        start -= 1;
        before[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    before[start - NAME.len()..start].copy_from_slice(NAME);
    out.extend_from_slice(&line[start - NAME.len()..]);
}

/// Appends the field that announces chunks.
pub fn encode_transfer_encoding_chunked(out: &mut Vec<u8>) {
    out.extend_from_slice(b"transfer-encoding: chunked\r\n");
}

/// Appends the empty line that ends a head.
#[inline]
pub fn encode_head_end(out: &mut Vec<u8>) {
    out.extend_from_slice(CRLF);
}

/// Appends data as one chunk. Of no data it appends nothing, because an empty chunk is the last.
///
/// ```
/// let mut out = Vec::new();
/// squall_http1::encode_chunk(&mut out, b"hello");
/// squall_http1::encode_last_chunk(&mut out, None);
/// assert_eq!(out, b"5\r\nhello\r\n0\r\n\r\n");
/// ```
pub fn encode_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    encode_chunk_head(out, data.len());
    out.extend_from_slice(data);
    out.extend_from_slice(CHUNK_END);
}

/// Appends the chunk-size line of a chunk whose data is written from elsewhere; [`CHUNK_END`]
/// follows the data. `len` is not zero: that would be the last chunk.
pub fn encode_chunk_head(out: &mut Vec<u8>, len: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    const LINE_BYTES: usize = 16 + 2;
    debug_assert!(len > 0, "a chunk without data is the last one");
    let mut line = *b"0000000000000000\r\n";
    let mut start = LINE_BYTES - 2;
    let mut rest = len;
    loop {
        start -= 1;
        line[start] = DIGITS[rest & 0xf];
        rest >>= 4;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&line[start..]);
}

/// What follows the data of a chunk.
pub const CHUNK_END: &[u8] = CRLF;

/// Appends the last chunk, trailer fields if there are any, and the end of the message.
///
/// A field that must not be a trailer (RFC 9110 §6.5.1) is left out: what it says would come too
/// late, or be believed by somebody on the way. Who wants to know asks [`may_be_trailer`] first.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
///
/// let mut trailers = HeaderMap::new();
/// trailers.insert("digest", HeaderValue::from_static("x"));
/// trailers.insert("content-length", HeaderValue::from_static("5"));
/// let mut out = Vec::new();
/// squall_http1::encode_last_chunk(&mut out, Some(&trailers));
/// assert_eq!(out, b"0\r\ndigest: x\r\n\r\n");
/// ```
pub fn encode_last_chunk(out: &mut Vec<u8>, trailers: Option<&HeaderMap>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        if may_be_trailer(name) {
            encode_field(out, name, value);
        }
    }
    out.extend_from_slice(CRLF);
}
