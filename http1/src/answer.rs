//! How we frame what we send: the counterpart of `framing.rs`, for the server's side.
//!
//! Tells which field to announce the content with, and whether content may follow at all. Called
//! by the exchange when the head of a response is about to be written.

use http::{Method, StatusCode};

use crate::encode::{encode_content_length, encode_transfer_encoding_chunked};
use crate::framing::Framing;
use crate::version::Version;

/// What a response announces, and whether its content is sent.
///
/// The two differ for HEAD: its response announces what GET's would have and sends nothing.
///
/// ```
/// use http::{Method, StatusCode};
/// use squall_http1::{Framing, Version, answer_framing};
///
/// let answer = answer_framing(&Method::GET, Version::Http11, StatusCode::OK, None);
/// assert_eq!((answer.announced, answer.has_content), (Framing::Chunked, true));
/// let answer = answer_framing(&Method::HEAD, Version::Http11, StatusCode::OK, Some(7));
/// assert_eq!((answer.announced, answer.has_content), (Framing::Length(7), false));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnswerFraming {
    /// Content-Length, Transfer-Encoding, or neither.
    pub announced: Framing,
    /// Whether content follows the head, framed as announced.
    pub has_content: bool,
}

impl AnswerFraming {
    /// Appends the field that announces the content, if there is one.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self.announced {
            Framing::None | Framing::UntilClose => {}
            Framing::Length(length) => encode_content_length(out, length),
            Framing::Chunked => encode_transfer_encoding_chunked(out),
        }
    }

    /// Whether the connection must end with this response, since nothing else ends its content.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        self.announced == Framing::UntilClose
    }
}

/// Decides how to frame the response to a request: RFC 9112 §6, RFC 9110 §6.4.1 and §8.6.
///
/// `known_length` is how long the content is (for HEAD: how long GET's would be), or `None` if
/// that is not known when the head is sent.
#[must_use]
#[inline]
pub fn answer_framing(
    request_method: &Method,
    request_version: Version,
    status: StatusCode,
    known_length: Option<u64>,
) -> AnswerFraming {
    let framed = |announced, has_content| AnswerFraming {
        announced,
        has_content,
    };
    // RFC 9110 §8.6 and RFC 9112 §6.1: 1xx, 204 and a tunnel announce nothing. A 304 may announce
    // what 200 would have, but its `known_length` is that of nothing.
    let tunnel = *request_method == Method::CONNECT && status.is_success();
    let has_none = status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    if has_none || tunnel {
        return framed(Framing::None, false);
    }
    // RFC 9110 §15.3.6: 205 has no content, which a 1.1 client must still be told.
    if status == StatusCode::RESET_CONTENT {
        return framed(Framing::Length(0), false);
    }
    let is_head = *request_method == Method::HEAD;
    match (known_length, request_version) {
        (Some(length), _) => framed(Framing::Length(length), !is_head),
        // §9.3.2: HEAD's response may omit fields that are only known from the content.
        (None, _) if is_head => framed(Framing::None, false),
        (None, Version::Http11) => framed(Framing::Chunked, true),
        // RFC 9112 §6.1: no chunks to a client of HTTP/1.0.
        (None, Version::Http10) => framed(Framing::UntilClose, true),
    }
}
