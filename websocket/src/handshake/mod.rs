//! The opening handshake (RFC 6455 §1.3, §4): an HTTP/1.1 exchange, as functions on its heads.
//!
//! The server's side is in `server.rs` and `origin.rs`, the client's in `client.rs`; here is what
//! both compute. Heads come as the `http` crate's types, read and written by others: nothing here
//! parses or sends HTTP. Frames that were glued to a head belong to the first call of
//! [`Protocol::receive`](crate::Protocol::receive).
//!
//! ```text
//!   client                                        server
//!   ClientHandshake::fields  -- GET, Upgrade -->  check_request, is_same_origin
//!   ClientHandshake::check   <-- 101, Accept ---  answer_fields, or a Refusal
//! ```

mod client;
mod origin;
mod server;

pub(crate) use client::check_subprotocol;
pub use client::{AnswerFault, ClientHandshake};
pub use origin::{is_same_origin, is_trusted_origin};
pub use server::{Refusal, answer_fields, check_request, subprotocols};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AsHeaderName, HeaderMap, HeaderValue};
use sha1::{Digest, Sha1};

/// §1.3: "concatenate this with the Globally Unique Identifier".
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// §4.1: the version of the protocol this is.
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// What proves to a client that its key was read: base64 of SHA-1 of the key and the GUID (§4.2.2).
///
/// ```
/// use squall_websocket::handshake::accept_key;
///
/// assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// Whether the field's comma-separated list, over all its lines, names this token in any case.
fn has_token(fields: &HeaderMap, name: impl AsHeaderName, token: &str) -> bool {
    list(fields, name).any(|member| member.eq_ignore_ascii_case(token))
}

/// The members of a comma-separated list, over all lines of the field (RFC 9110 §5.6.1). A line
/// that is not visible ASCII has no members.
fn list(fields: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = &str> {
    fields
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
}

/// The value of a field that is there exactly once.
fn single(fields: &HeaderMap, name: impl AsHeaderName) -> Option<&HeaderValue> {
    let mut lines = fields.get_all(name).into_iter();
    match (lines.next(), lines.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}
