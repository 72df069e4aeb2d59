//! The PROXY protocol, versions 1 and 2: a header in front of a connection's bytes, in which a
//! proxy tells for whom it connects. Pure: slices in, headers out; and the other way round, for
//! those who are the proxy. Who may send one, and reading it from a stream, is in
//! [`ProxyProtocol`](crate::ProxyProtocol).
//!
//! After "The PROXY protocol, Versions 1 & 2" of HAProxy (`doc/proxy-protocol.txt`, 2020/03/05),
//! whose sections are named where they decide.
//!
//! ```
//! use squall_iostream::proxy_protocol::{Decoded, Header, decode, encode_v1};
//! use std::net::SocketAddr;
//! let client: SocketAddr = "192.0.2.7:51000".parse()?;
//! let server: SocketAddr = "198.51.100.1:443".parse()?;
//! let mut bytes = Vec::new();
//! encode_v1(&Header::proxied(client, server), &mut bytes);
//! assert_eq!(bytes, b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n");
//! bytes.extend_from_slice(b"GET / HTTP/1.1\r\n");
//! let Decoded::Header(used, header) = decode(&bytes)? else { panic!("it is whole") };
//! assert_eq!(header.source(), Some(&client.into()));
//! assert_eq!(&bytes[used..], b"GET / HTTP/1.1\r\n");
//! assert!(matches!(decode(b"PROXY TCP4 192.0."), Ok(Decoded::Partial)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checksum;
mod error;
mod header;
mod tlv;
mod v1;
mod v2;

pub use error::{EncodeError, HeaderError};
pub use header::{Decoded, Header, Version};
pub use tlv::{Tlv, TlvKind, Tlvs};
pub use v1::encode_v1;
pub use v2::encode_v2;

pub(crate) use header::Signature;

/// Decodes a header at the beginning of `bytes`. What is decided is decided at the first byte
/// that decides it, so the answer is the same however the bytes arrive, and at most 107 bytes (a
/// line of version 1) or 4 KiB and 16 bytes (version 2) are needed.
///
/// # Errors
/// [`HeaderError`]: no header, or one that is malformed.
pub fn decode(bytes: &[u8]) -> Result<Decoded, HeaderError> {
    match Signature::of(bytes) {
        Signature::None => Err(HeaderError::NoSignature),
        Signature::Partial => Ok(Decoded::Partial),
        Signature::V1 => v1::decode(bytes),
        Signature::V2 => v2::decode(bytes),
    }
}
