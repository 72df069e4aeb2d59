//! Squall's HTTP/1.1 codec: bytes to events and back, without I/O, clock or async.
#![forbid(unsafe_code)]

mod answer;
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
pub use request::RequestHead;
pub use response::ResponseHead;
pub use version::Version;
