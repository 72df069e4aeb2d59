//! Squall's HTTP/1.1 codec: bytes to events and back, without I/O, clock or async.
//!
//! ```text
//!        bytes of the peer                                   bytes for the peer
//!               |                                                    ^
//!   decode      HeadDecoder            a line at a time              |
//!     start_line, target               its first line      encode_status_line, encode_request_line
//!     field_line                       each field                encode_field, encode_fields
//!     framing, host                    what they mean        AnswerFraming, encode_content_length
//!               |                                                    ^
//!        RequestHead / ResponseHead                           answer_framing
//!               | framing()                                          |
//!               v                                                    |
//!   content     ContentDecoder         data is lent         encode_chunk, encode_last_chunk
//!     chunk_size, trailers             from the input                ^
//!               |                                                    |
//!               +--------------------- the connection ---------------+
//! ```
//!
//! A decoder takes all that was received and not yet used; it tells how much of it was used and
//! what it was. An encoder appends to a `Vec`. The caller owns the buffers, the codec owns the
//! state, which is a few words between messages. Octets are looked at a bounded number of times
//! however they arrive, and heads reuse their memory.
//!
//! What a message *is* is decided strictly and in one place each: the length of a content in
//! `framing.rs`, the end of a line in `field_line.rs`. Where RFC 9112 lets a recipient repair a
//! message, this one refuses it, because two readers who repair differently see two messages.
//! `grammar.rs` has the rules for octets; `limits.rs` and `error.rs` the limits and the faults.
//!
//! # In scope
//! Messages of HTTP/1.0 and 1.1 in both directions: heads, framing, chunks, trailers (RFC 9112);
//! what a head says of its connection and its host (RFC 9110 §7, §10.1.1).
//!
//! # Out of scope
//! Sockets, time and tasks; who may send what when; what to do about keep-alive, expectations and
//! upgrades; content codings; cookies, dates, ranges, arguments; HTTP/2.
//!
//! # Example: one request, one response
//! ```
//! use squall_http1::{
//!     ContentDecoder, ContentEvent, HeadDecoder, Limits, RequestHead, answer_framing,
//!     encode_head_end, encode_status_line,
//! };
//!
//! # fn main() -> Result<(), squall_http1::Error> {
//! let limits = Limits::default();
//! let mut input = &b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"[..];
//!
//! let mut head = RequestHead::new();
//! if let Some(used) = HeadDecoder::new().decode(input, &mut head, &limits)? {
//!     input = &input[used..];
//! }
//! let mut content = Vec::new();
//! let mut decoder = ContentDecoder::new(head.framing());
//! while let (used, ContentEvent::Data(data)) = decoder.decode(input, &limits)? {
//!     content.extend_from_slice(data);
//!     input = &input[used..];
//! }
//!
//! let status = http::StatusCode::OK;
//! let length = Some(content.len() as u64);
//! let mut output = Vec::new();
//! encode_status_line(&mut output, status);
//! answer_framing(head.method(), head.version(), status, length).encode(&mut output);
//! encode_head_end(&mut output);
//! output.extend_from_slice(&content);
//! assert_eq!(output, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod answer;
mod block;
mod chunk_size;
mod content;
mod decode;
mod encode;
mod error;
mod field_line;
mod fields;
mod framing;
mod grammar;
mod host;
mod limits;
mod offender;
mod request;
mod response;
mod start_line;
mod status_line;
mod target;
mod trailers;
mod version;

pub use answer::{AnswerFraming, answer_framing};
pub use content::{ContentDecoder, ContentEvent};
pub use decode::HeadDecoder;
pub use encode::{
    CHUNK_END, encode_chunk, encode_chunk_head, encode_content_length, encode_field, encode_fields,
    encode_head_end, encode_last_chunk, encode_request_head, encode_request_line,
    encode_status_line, encode_status_line_with_reason, encode_transfer_encoding_chunked,
};
pub use error::{Error, LimitFault, LocalFault, PeerFault};
pub use framing::{Expectation, Framing, refuse_length};
pub use limits::Limits;
pub use offender::{FieldName, offending_field};
pub use request::RequestHead;
pub use response::ResponseHead;
pub use trailers::may_be_trailer;
pub use version::Version;
