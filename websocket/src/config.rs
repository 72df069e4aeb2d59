//! The limits of a peer: what it may make us hold, each with its unit, its default and its reason.
//!
//! Only limits a user may want to move are here. Those the RFC fixes (125 bytes of a control
//! frame, 123 of a reason) stand beside their checks in `frame.rs` and `close.rs`. Read by
//! `protocol.rs`.

/// How much one peer may send, in bytes.
///
/// Bytes are limited, not fragments: a message of 65,536 fragments is as welcome as one of one
/// frame. Nothing is allocated for a length that was only claimed, yet a claim above a limit is
/// refused as soon as its header is here (close code 1009).
///
/// ```
/// use squall_websocket::Limits;
///
/// let limits = Limits::default().with_message_bytes_max(64 * 1024);
/// assert_eq!(limits.message_bytes_max, 64 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one message, summed over its fragments. Default: 10 MiB, Tornado's
    /// `max_message_size`; large for a chat, but what its users have built on.
    pub message_bytes_max: usize,
    /// Bytes of one frame's payload. Default: 10 MiB, so that by default only the message counts;
    /// lower it to make peers fragment, which lets control frames pass between the pieces.
    pub frame_bytes_max: usize,
}

impl Limits {
    /// Sets the bytes one message may have.
    #[must_use]
    pub fn with_message_bytes_max(mut self, bytes: usize) -> Self {
        self.message_bytes_max = bytes;
        self
    }

    /// Sets the bytes one frame's payload may have.
    #[must_use]
    pub fn with_frame_bytes_max(mut self, bytes: usize) -> Self {
        self.frame_bytes_max = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            message_bytes_max: 10 * MIB,
            frame_bytes_max: 10 * MIB,
        }
    }
}
