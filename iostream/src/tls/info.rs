//! What two ends of TLS have agreed upon.

use crate::StreamHandle;

/// A version of the protocol. Older ones are not spoken (RFC 8996).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

impl std::fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V1_2 => "TLS 1.2",
            Self::V1_3 => "TLS 1.3",
        })
    }
}

/// What was agreed upon in the handshake: [`StreamHandle::tls`](crate::StreamHandle::tls). Made
/// when it is asked for; the stream keeps none of it twice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The version.
    pub version: TlsVersion,
    /// The cipher suite by its registered name, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher_suite: String,
    /// The application protocol (ALPN, RFC 7301), if one was agreed upon.
    pub alpn: Option<Vec<u8>>,
    /// The host that the client has asked for (SNI, RFC 6066), in small letters. A client itself
    /// finds here what it has asked for, unless that was an address.
    pub server_name: Option<String>,
    /// The peer's certificates as DER, its own first. Empty for a client that has shown none. They
    /// were verified, unless verification was turned off.
    pub peer_certificates: Vec<Vec<u8>>,
    /// Whether an earlier session was taken up again.
    pub is_resumed: bool,
}

impl StreamHandle {
    /// What the handshake has agreed upon, on a stream of TLS that is open; `None` on any other.
    pub fn tls(&self) -> Option<TlsInfo> {
        self.core().transport.tls()
    }
}
