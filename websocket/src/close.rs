//! Close frames (RFC 6455 §5.5.1, §7.4): the code and the reason, valid by construction.
//!
//! What a Close frame *says* is here; when one is sent and what follows it is the closing handshake
//! in `protocol.rs`. A received payload is read by `protocol.rs`, an outgoing one is written by
//! `encode.rs`.

use std::fmt;

use crate::error::{Error, LocalFault, PeerFault};

/// §5.5 gives a control frame 125 bytes; the code takes two.
const REASON_BYTES_MAX: usize = 123;

/// A close code that may be on the wire.
///
/// Codes such as 1005 and 1006 say "no code came" inside an API and are refused here: absence is
/// `None`, not a number.
///
/// ```
/// use squall_websocket::CloseCode;
///
/// assert_eq!(CloseCode::new(1001), Some(CloseCode::GOING_AWAY));
/// assert_eq!(CloseCode::new(4000).map(CloseCode::get), Some(4000));
/// assert_eq!(CloseCode::new(1006), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server goes down, or a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that is not accepted here, such as binary.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: data that contradicts its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a policy was violated, and no better code fits.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: a client needed an extension that the server did not negotiate.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: a server met something unexpected.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts (IANA registry).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: try again later (IANA registry).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid answer (IANA registry).
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code, if a peer may send it.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            // §7.4.2: 0-999 are not used. §7.4.1: 1004 is reserved; 1005, 1006 and 1015 must not
            // be set in a frame. 1012-1014 were registered later; 1016-2999 are for the future of
            // the protocol, 3000-3999 for the registry, 4000-4999 for private use.
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a Close frame says: a code and a reason, which may be empty.
///
/// ```
/// use squall_websocket::{CloseCode, CloseFrame};
///
/// # fn main() -> Result<(), squall_websocket::Error> {
/// let goodbye = CloseFrame::new(CloseCode::GOING_AWAY, "goodbye")?;
/// assert_eq!((goodbye.code().get(), goodbye.reason()), (1001, "goodbye"));
/// assert!(CloseFrame::new(CloseCode::NORMAL, &"x".repeat(124)).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    code: CloseCode,
    reason: &'a str,
}

impl<'a> CloseFrame<'a> {
    /// A Close frame's content; refused if the reason has more than 123 bytes.
    pub fn new(code: CloseCode, reason: &'a str) -> Result<Self, Error> {
        if reason.len() > REASON_BYTES_MAX {
            return Err(LocalFault::ReasonTooLong.into());
        }
        Ok(Self { code, reason })
    }

    /// A Close frame's content, the reason cut after the last character that fits.
    pub(crate) fn cut(code: CloseCode, reason: &'a str) -> Self {
        let mut end = reason.len().min(REASON_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            code,
            reason: &reason[..end],
        }
    }

    /// Why the peer closes, as a number.
    #[must_use]
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// Why the peer closes, in words for a log; not for the eyes of a user (§5.5.1).
    #[must_use]
    pub fn reason(&self) -> &'a str {
        self.reason
    }

    /// Reads the payload of a Close frame; an empty one says nothing.
    pub(crate) fn decode(payload: &'a [u8]) -> Result<Option<Self>, Error> {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            // §5.5.1: if there is a body, its first two bytes are a code.
            return if payload.is_empty() {
                Ok(None)
            } else {
                Err(PeerFault::CloseTruncated.into())
            };
        };
        let code = CloseCode::new(u16::from_be_bytes(*code)).ok_or(PeerFault::CloseCodeInvalid)?;
        // The reason is UTF-8 (§5.5.1) and fits, since `frame.rs` bounds a control frame.
        let reason = std::str::from_utf8(reason).map_err(|_| PeerFault::InvalidUtf8)?;
        Ok(Some(Self { code, reason }))
    }
}

impl From<CloseCode> for CloseFrame<'_> {
    fn from(code: CloseCode) -> Self {
        Self { code, reason: "" }
    }
}
