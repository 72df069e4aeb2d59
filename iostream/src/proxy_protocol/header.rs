//! A header: which version, and for whom the proxy connects.

use std::net::SocketAddr;

use super::tlv::{self, Tlv, TlvKind, Tlvs};
use crate::Address;

/// What [`decode`](super::decode) has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A header, and how many bytes it has.
    Header(usize, Header),
    /// The beginning of one: more is needed.
    Partial,
}

/// Which form a header had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A line of text (section 2.1).
    V1,
    /// Binary (section 2.2).
    V2,
}

/// What a proxy tells of a connection.
///
/// Without addresses the connection is the proxy's own (`LOCAL`, for its health checks), or of a
/// kind that it cannot tell (`UNKNOWN`, `UNSPEC`): then the connection's real ends are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub(super) version: Version,
    pub(super) is_local: bool,
    pub(super) is_datagram: bool,
    pub(super) ends: Option<(Address, Address)>,
    /// As on the wire, checked to be whole.
    pub(super) tlvs: Vec<u8>,
}

impl Header {
    /// For a client at `source` that has connected to `destination`.
    pub fn proxied(source: impl Into<Address>, destination: impl Into<Address>) -> Self {
        Self {
            ends: Some((source.into(), destination.into())),
            is_local: false,
            ..Self::local()
        }
    }

    /// For a connection of the proxy's own.
    pub fn local() -> Self {
        Self {
            version: Version::V2,
            is_local: true,
            is_datagram: false,
            ends: None,
            tlvs: Vec::new(),
        }
    }

    /// For a connection of which the proxy cannot tell the ends.
    pub fn unknown() -> Self {
        Self {
            is_local: false,
            ..Self::local()
        }
    }

    /// Adds a TLV, which only version 2 has. One for a local or an unknown connection is not read
    /// by receivers.
    ///
    /// # Panics
    /// When `value` has more than 65,535 bytes, which no length tells.
    #[must_use]
    pub fn with_tlv(mut self, kind: TlvKind, value: &[u8]) -> Self {
        tlv::append(kind, value, &mut self.tlvs);
        self
    }

    /// Adds a checksum, which is computed when the header is encoded.
    #[must_use]
    pub fn with_checksum(self) -> Self {
        self.with_tlv(TlvKind::CRC32C, &[0; 4])
    }

    /// Which form it had. What is built is of version 2 until it is encoded as something else.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether the connection is the proxy's own.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Whether what is proxied are datagrams, which then stand in a stream here.
    pub fn is_datagram(&self) -> bool {
        self.is_datagram
    }

    /// Who has connected to the proxy.
    pub fn source(&self) -> Option<&Address> {
        self.ends.as_ref().map(|(source, _)| source)
    }

    /// Where they have connected to.
    pub fn destination(&self) -> Option<&Address> {
        self.ends.as_ref().map(|(_, destination)| destination)
    }

    /// What else the proxy tells; empty in version 1.
    pub fn tlvs(&self) -> Tlvs<'_> {
        Tlvs::new(&self.tlvs)
    }

    /// The first TLV of a kind.
    pub fn tlv(&self, kind: TlvKind) -> Option<&[u8]> {
        self.tlvs()
            .find(|tlv: &Tlv<'_>| tlv.kind == kind)
            .map(|tlv| tlv.value)
    }

    /// The protocol that was negotiated by ALPN between client and proxy: `h2`, `http/1.1`.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.tlv(TlvKind::ALPN)
    }

    /// The host name that the client has asked for, by SNI mostly. UTF-8, says the sender.
    pub fn authority(&self) -> Option<&[u8]> {
        self.tlv(TlvKind::AUTHORITY)
    }

    /// The proxy's own number of the connection: opaque, at most 128 bytes.
    pub fn unique_id(&self) -> Option<&[u8]> {
        self.tlv(TlvKind::UNIQUE_ID)
    }

    /// Both ends, if both are of the Internet.
    pub(super) fn inet_ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let (source, destination) = self.ends.as_ref()?;
        Some((source.inet()?, destination.inet()?))
    }
}

pub(super) const SIGNATURE_V1: &[u8] = b"PROXY ";
pub(super) const SIGNATURE_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What the first bytes of a connection say of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    /// There is none.
    None,
    /// What there is may become one.
    Partial,
    V1,
    V2,
}

impl Signature {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        for (signature, found) in [(SIGNATURE_V1, Self::V1), (SIGNATURE_V2, Self::V2)] {
            if bytes.starts_with(signature) {
                return found;
            }
            if signature.starts_with(bytes) {
                return Self::Partial;
            }
        }
        Self::None
    }
}
