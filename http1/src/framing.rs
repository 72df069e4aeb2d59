//! What the fields say about the message itself: where its content ends, whether the connection
//! goes on after it, what its sender waits for.
//!
//! Every field the codec acts on is read by [`Facts::note`]; the length of a content is decided
//! by [`Facts::framing`] and nowhere else (RFC 9112 §6.3), whether to keep the connection by
//! [`Facts::keep_alive`] (§9.3). Called by `decode.rs` field by field, and by the heads. How *we*
//! frame what we send is in `answer.rs`.

use http::{Method, StatusCode};

use crate::error::{Error, LimitFault, PeerFault};
use crate::grammar::{self, is_name};
use crate::version::Version;

/// How the end of a content is found.
///
/// ```
/// use squall_http1::{Framing, HeadDecoder, Limits, RequestHead};
///
/// let input = b"PUT /note HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
/// let mut head = RequestHead::new();
/// HeadDecoder::new().decode(input, &mut head, &Limits::default())?;
/// assert_eq!(head.framing(), Framing::Length(5));
/// # Ok::<(), squall_http1::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is no content.
    #[default]
    None,
    /// So many octets.
    Length(u64),
    /// Chunks, then a last chunk and perhaps trailer fields.
    Chunked,
    /// Everything until the connection ends. Responses only.
    UntilClose,
}

impl Framing {
    /// Whether there may be octets to read: not for a message without content, nor for one whose
    /// content is announced to be empty.
    #[inline]
    #[must_use]
    pub fn has_content(self) -> bool {
        !matches!(self, Self::None | Self::Length(0))
    }
}

/// What a request's sender waits for before it sends the content (RFC 9110 §10.1.1).
///
/// ```
/// use squall_http1::{Expectation, HeadDecoder, Limits, RequestHead};
///
/// let input = b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
/// let mut head = RequestHead::new();
/// HeadDecoder::new().decode(input, &mut head, &Limits::default())?;
/// assert_eq!(head.expectation(), Expectation::Continue);
/// # Ok::<(), squall_http1::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    #[default]
    None,
    /// `100-continue`: a 100 response, or a final one.
    Continue,
    /// Something else, which may be answered with 417.
    Unknown,
}

/// Whose message it is, as far as framing depends on it.
#[derive(Clone, Copy)]
pub(crate) enum Message<'a> {
    Request,
    Response { to: &'a Method, status: StatusCode },
}

/// What has been noted of a head's fields so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    content_length: ContentLength,
    transfer_encoding: TransferEncoding,
    expectation: Expectation,
    close: bool,
    keep_alive: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum ContentLength {
    #[default]
    Absent,
    Once(u64),
    /// Several times, as fields or as a list, and always the same number.
    Repeated(u64),
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum TransferEncoding {
    #[default]
    Absent,
    Chunked,
    /// Codings of which `chunked` is the last, so that the end would be known but not the content.
    Unsupported,
    Invalid,
}

impl Facts {
    /// Reads a field if it is about the message itself. The names are told apart by length first,
    /// so that nearly all others cost one comparison.
    #[inline]
    pub(crate) fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), PeerFault> {
        match name.len() {
            6 if is_name(name, b"expect") => self.note_expect(value),
            10 if is_name(name, b"connection") => self.note_connection(value),
            14 if is_name(name, b"content-length") => {
                return self.note_content_length(value);
            }
            17 if is_name(name, b"transfer-encoding") => {
                self.note_transfer_encoding(value);
            }
            _ => {}
        }
        Ok(())
    }

    /// RFC 9110 §8.6: `Content-Length = 1*DIGIT`, and what may look like a list because somebody
    /// merged repeated fields.
    fn note_content_length(&mut self, value: &[u8]) -> Result<(), PeerFault> {
        for member in value.split(|byte| *byte == b',') {
            let number = grammar::decimal(grammar::trim_ows(member))
                .ok_or(PeerFault::ContentLengthInvalid)?;
            self.content_length = match self.content_length {
                ContentLength::Absent => ContentLength::Once(number),
                ContentLength::Once(same) | ContentLength::Repeated(same) if same == number => {
                    ContentLength::Repeated(same)
                }
                _ => return Err(PeerFault::ConflictingContentLength),
            };
        }
        Ok(())
    }

    /// RFC 9112 §6.1. The one transfer coding spoken here is `chunked`, applied once, in one
    /// field. A second field makes a list of both (RFC 9110 §5.3), whose order a careless reader
    /// may see differently, so that it is invalid whatever it says.
    fn note_transfer_encoding(&mut self, value: &[u8]) {
        let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        self.transfer_encoding = match self.transfer_encoding {
            TransferEncoding::Absent if is_chunked(value) => TransferEncoding::Chunked,
            TransferEncoding::Absent => {
                let mut codings = value.rsplit(|byte| *byte == b',').map(grammar::trim_ows);
                let last_is_chunked = codings.next().is_some_and(is_chunked);
                let others_are_not = codings.all(|c| grammar::is_token(c) && !is_chunked(c));
                if last_is_chunked && others_are_not {
                    TransferEncoding::Unsupported
                } else {
                    TransferEncoding::Invalid
                }
            }
            _ => TransferEncoding::Invalid,
        };
    }

    fn note_connection(&mut self, value: &[u8]) {
        for option in grammar::list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn note_expect(&mut self, value: &[u8]) {
        for expectation in grammar::list(value) {
            self.expectation = match self.expectation {
                Expectation::Unknown => Expectation::Unknown,
                _ if expectation.eq_ignore_ascii_case(b"100-continue") => Expectation::Continue,
                _ => Expectation::Unknown,
            };
        }
    }

    /// The length of the content: RFC 9112 §6.3, item by item. Where the RFC lets a recipient
    /// repair a message, this one refuses it: what is ambiguous here was read differently by
    /// somebody on the way.
    pub(crate) fn framing(
        &self,
        message: Message<'_>,
        version: Version,
    ) -> Result<Framing, PeerFault> {
        // §6.1: Transfer-Encoding in HTTP/1.0 is faulty framing, and the Content-Length beside
        // it does not help. Items 3 and 4, strictly.
        match self.transfer_encoding {
            TransferEncoding::Absent => {}
            _ if version == Version::Http10 => return Err(PeerFault::TransferEncodingInHttp10),
            TransferEncoding::Invalid => return Err(PeerFault::TransferEncodingInvalid),
            _ if !matches!(self.content_length, ContentLength::Absent) => {
                return Err(PeerFault::TransferEncodingWithContentLength);
            }
            TransferEncoding::Unsupported => return Err(PeerFault::TransferCodingUnsupported),
            TransferEncoding::Chunked => {}
        }
        let chunked = self.transfer_encoding == TransferEncoding::Chunked;
        if let Message::Response { to, status } = message {
            // Items 1 and 2: responses that have no content, whatever their fields say.
            if status.is_informational() || status == StatusCode::NO_CONTENT {
                // RFC 9110 §8.6 and RFC 9112 §6.1 forbid to announce content here. If some
                // follows anyway, it would be read as the next response.
                return match self.content_length {
                    ContentLength::Absent | ContentLength::Once(0) if !chunked => Ok(Framing::None),
                    _ => Err(PeerFault::ContentForbidden),
                };
            }
            let tunnel = *to == Method::CONNECT && status.is_success();
            if *to == Method::HEAD || status == StatusCode::NOT_MODIFIED || tunnel {
                return Ok(Framing::None);
            }
        }
        if chunked {
            return Ok(Framing::Chunked);
        }
        match (self.content_length, message) {
            (ContentLength::Once(length), _) => Ok(Framing::Length(length)),
            // Item 5 lets equal values count as one. For a request that is needless: clients
            // send one, and what repeats them is a sign of two readers. Servers that repeat
            // exist, and their responses are read in order by one reader.
            (ContentLength::Repeated(_), Message::Request) => Err(PeerFault::ContentLengthRepeated),
            (ContentLength::Repeated(length), _) => Ok(Framing::Length(length)),
            // Items 7 and 8.
            (ContentLength::Absent, Message::Request) => Ok(Framing::None),
            (ContentLength::Absent, Message::Response { .. }) => Ok(Framing::UntilClose),
        }
    }

    /// Whether the connection goes on after this message, as far as its sender says (RFC 9112
    /// §9.3). Connection is a list of tokens over all its fields, and `close` wins.
    pub(crate) fn keep_alive(&self, version: Version) -> bool {
        match version {
            _ if self.close => false,
            Version::Http11 => true,
            Version::Http10 => self.keep_alive,
        }
    }

    /// RFC 9110 §10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0
    /// request MUST ignore that expectation."
    pub(crate) fn expectation(&self, version: Version) -> Expectation {
        match (version, self.expectation) {
            (Version::Http10, Expectation::Continue) => Expectation::None,
            (_, expectation) => expectation,
        }
    }
}

/// Refuses a content whose announced length is beyond `content_bytes_max`, before any of it is
/// read: the moment for 413, while its sender may still wait for 100 (RFC 9110 §15.5.14).
///
/// # Errors
/// [`LimitFault::ContentBytes`].
pub fn refuse_length(framing: Framing, content_bytes_max: u64) -> Result<(), Error> {
    match framing {
        Framing::Length(length) if length > content_bytes_max => {
            Err(LimitFault::ContentBytes.into())
        }
        _ => Ok(()),
    }
}
