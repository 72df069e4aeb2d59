//! What can be wrong with a message, grouped by whose fault it is.
//!
//! Each fault is a fact with a name, and each error knows the status that answers it. Made by
//! every decoder; read by the connection, which answers, logs and closes: after an error the
//! position in the input is no longer known (RFC 9112 §2.2, §6.3), so nothing more is decoded.

use std::error;
use std::fmt;

use http::StatusCode;

/// Why a message was refused, or why a call was.
///
/// ```
/// use squall_http1::{Error, HeadDecoder, Limits, PeerFault, RequestHead};
///
/// let input = b"GET / HTTP/1.1\r\nHost : example.com\r\n\r\n";
/// let mut head = RequestHead::new();
/// let error = HeadDecoder::new().decode(input, &mut head, &Limits::default()).unwrap_err();
/// assert_eq!(error, Error::Peer(PeerFault::SpaceBeforeColon));
/// assert_eq!(error.status(), 400);
/// assert_eq!(error.to_string(), "whitespace between field name and colon");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The peer broke the protocol, or asked for a part of it that is not spoken here.
    Peer(PeerFault),
    /// The peer sent more than a limit allows.
    Limit(LimitFault),
    /// We asked for something that cannot be sent.
    Local(LocalFault),
}

impl Error {
    /// The status of the response to a request with this error.
    ///
    /// An error in a response has nobody to answer to: a gateway says 502, a client tells its
    /// caller.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            // RFC 9110 §15.6.6: the major version is not supported.
            Self::Peer(PeerFault::VersionUnsupported) => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            // RFC 9112 §6.1: a transfer coding the server does not understand.
            Self::Peer(PeerFault::TransferCodingUnsupported) => StatusCode::NOT_IMPLEMENTED,
            // RFC 9110 §10.1.1: an expectation other than 100-continue.
            Self::Peer(PeerFault::ExpectationUnknown) => StatusCode::EXPECTATION_FAILED,
            Self::Peer(_) => StatusCode::BAD_REQUEST,
            // RFC 9112 §3: a method longer than any that is implemented; a target too long.
            Self::Limit(LimitFault::MethodBytes) => StatusCode::NOT_IMPLEMENTED,
            Self::Limit(LimitFault::TargetBytes) => StatusCode::URI_TOO_LONG,
            // RFC 6585 §5.
            Self::Limit(
                LimitFault::HeadBytes
                | LimitFault::Fields
                | LimitFault::TrailerBytes
                | LimitFault::TrailerFields,
            ) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Limit(LimitFault::ContentBytes) => StatusCode::PAYLOAD_TOO_LARGE,
            // RFC 9112 §7.1.1: "an appropriate 4xx". The content itself is not too large.
            Self::Limit(LimitFault::ChunkLineBytes | LimitFault::ChunkExtensionsBytes) => {
                StatusCode::BAD_REQUEST
            }
            Self::Local(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// The rules a peer can break. Clauses are of RFC 9112 unless they say otherwise.
///
/// ```
/// use squall_http1::{Error, PeerFault};
///
/// assert_eq!(Error::from(PeerFault::VersionUnsupported).status(), 505);
/// assert_eq!(PeerFault::BareLf.to_string(), "line ends in LF without CR");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerFault {
    /// A line ends in LF without CR (§2.2).
    BareLf,
    /// A CR that no LF follows (§2.2).
    BareCr,
    /// More than one empty line before a start-line (§2.2).
    EmptyLines,
    /// The method is not a token (§3.1).
    MethodInvalid,
    /// The request-target has a form that its method does not allow, or an octet that no form
    /// allows (§3.2).
    TargetInvalid,
    /// The version is not `HTTP/` DIGIT `.` DIGIT, or something follows it (§2.3).
    VersionInvalid,
    /// The major version is not 1 (RFC 9110 §2.5).
    VersionUnsupported,
    /// The status-line is not version, three digits, reason phrase (§4).
    StatusLineInvalid,
    /// A line begins with whitespace: a folded field, or one before the first (§2.2, §5.2).
    ObsFold,
    /// Whitespace between field name and colon (§5.1).
    SpaceBeforeColon,
    /// A field name that is not a token (RFC 9110 §5.1).
    FieldNameInvalid,
    /// A field line without a colon (§5).
    FieldWithoutColon,
    /// A control octet in a field value (RFC 9110 §5.5).
    FieldValueInvalid,
    /// An HTTP/1.1 request without Host (§3.2).
    HostMissing,
    /// More than one Host (§3.2).
    HostRepeated,
    /// Host is not uri-host and optional port (§3.2).
    HostInvalid,
    /// Content-Length is not a number, or not one that fits 64 bits (§6.3).
    ContentLengthInvalid,
    /// More than one Content-Length, all equal (§6.3; refused in requests).
    ContentLengthRepeated,
    /// More than one Content-Length, not all equal (§6.3).
    ConflictingContentLength,
    /// Transfer-Encoding is not exactly one `chunked` (§6.1, §6.3).
    TransferEncodingInvalid,
    /// A transfer coding before `chunked` that is not spoken here (§6.1).
    TransferCodingUnsupported,
    /// Transfer-Encoding in a message of HTTP/1.0 (§6.1).
    TransferEncodingInHttp10,
    /// Transfer-Encoding and Content-Length in one message (§6.3).
    TransferEncodingWithContentLength,
    /// A 1xx or 204 response that announces content (RFC 9110 §8.6).
    ContentForbidden,
    /// An expectation other than 100-continue (RFC 9110 §10.1.1). The decoder reports it as
    /// [`Expectation::Unknown`](crate::Expectation); whether it is an error is its caller's say.
    ExpectationUnknown,
    /// A chunk-size that is not hexadecimal digits (§7.1).
    ChunkSizeInvalid,
    /// A chunk-size that does not fit 64 bits (§7.1).
    ChunkSizeOverflow,
    /// Something other than extensions and CRLF after a chunk-size (§7.1.1).
    ChunkExtensionInvalid,
    /// Chunk-data that CRLF does not follow (§7.1).
    ChunkDataUnterminated,
    /// A trailer field that frames, routes or authenticates (RFC 9110 §6.5.1).
    TrailerForbidden,
    /// The connection ended inside a message (§8).
    Truncated,
}

/// The limits a peer can exceed, named as in [`Limits`](crate::Limits).
///
/// ```
/// use squall_http1::{Error, LimitFault};
///
/// assert_eq!(Error::from(LimitFault::ContentBytes).status(), 413);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitFault {
    /// A method longer than any registered one by far.
    MethodBytes,
    /// More than `target_bytes_max`.
    TargetBytes,
    /// More than `head_bytes_max`.
    HeadBytes,
    /// More than `fields_max`.
    Fields,
    /// More than `content_bytes_max`.
    ContentBytes,
    /// More than `chunk_line_bytes_max`.
    ChunkLineBytes,
    /// More than `chunk_extensions_bytes_max`.
    ChunkExtensionsBytes,
    /// More than `trailer_bytes_max`.
    TrailerBytes,
    /// More than `trailer_fields_max`.
    TrailerFields,
}

/// The calls that are refused because what they ask for cannot be on the wire.
///
/// ```
/// use squall_http1::{Error, LocalFault, encode_request_line};
///
/// let error = encode_request_line(&mut Vec::new(), &http::Method::GET, "/a b").unwrap_err();
/// assert_eq!(error, Error::Local(LocalFault::TargetInvalid));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalFault {
    /// A request-target that is empty or has an octet other than visible ASCII (§3.2).
    TargetInvalid,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(fault) => fault.fmt(f),
            Self::Limit(fault) => fault.fmt(f),
            Self::Local(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BareLf => "line ends in LF without CR",
            Self::BareCr => "CR without LF",
            Self::EmptyLines => "more than one empty line before the start-line",
            Self::MethodInvalid => "method is not a token",
            Self::TargetInvalid => "invalid request-target",
            Self::VersionInvalid => "invalid protocol version",
            Self::VersionUnsupported => "unsupported major version",
            Self::StatusLineInvalid => "invalid status-line",
            Self::ObsFold => "line begins with whitespace",
            Self::SpaceBeforeColon => "whitespace between field name and colon",
            Self::FieldNameInvalid => "field name is not a token",
            Self::FieldWithoutColon => "field line without colon",
            Self::FieldValueInvalid => "control octet in a field value",
            Self::HostMissing => "no Host in an HTTP/1.1 request",
            Self::HostRepeated => "more than one Host",
            Self::HostInvalid => "invalid Host",
            Self::ContentLengthInvalid => "invalid Content-Length",
            Self::ContentLengthRepeated => "repeated Content-Length",
            Self::ConflictingContentLength => "conflicting Content-Length values",
            Self::TransferEncodingInvalid => "Transfer-Encoding is not exactly chunked",
            Self::TransferCodingUnsupported => "unsupported transfer coding",
            Self::TransferEncodingInHttp10 => "Transfer-Encoding in HTTP/1.0",
            Self::TransferEncodingWithContentLength => "Transfer-Encoding with Content-Length",
            Self::ContentForbidden => "content announced where none is allowed",
            Self::ExpectationUnknown => "unknown expectation",
            Self::ChunkSizeInvalid => "invalid chunk-size",
            Self::ChunkSizeOverflow => "chunk-size of more than 64 bits",
            Self::ChunkExtensionInvalid => "invalid chunk extension",
            Self::ChunkDataUnterminated => "chunk-data without CRLF",
            Self::TrailerForbidden => "field not allowed in a trailer section",
            Self::Truncated => "connection ended inside a message",
        })
    }
}

impl fmt::Display for LimitFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MethodBytes => "method too long",
            Self::TargetBytes => "request-target too long",
            Self::HeadBytes => "head too large",
            Self::Fields => "too many fields",
            Self::ContentBytes => "content too large",
            Self::ChunkLineBytes => "chunk-size line too long",
            Self::ChunkExtensionsBytes => "too many octets of chunk extensions",
            Self::TrailerBytes => "trailer section too large",
            Self::TrailerFields => "too many trailer fields",
        })
    }
}

impl fmt::Display for LocalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TargetInvalid => "request-target that cannot be sent",
        })
    }
}

impl error::Error for Error {}

impl From<PeerFault> for Error {
    fn from(fault: PeerFault) -> Self {
        Self::Peer(fault)
    }
}

impl From<LimitFault> for Error {
    fn from(fault: LimitFault) -> Self {
        Self::Limit(fault)
    }
}

impl From<LocalFault> for Error {
    fn from(fault: LocalFault) -> Self {
        Self::Local(fault)
    }
}
