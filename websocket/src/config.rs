//! The settings of a connection: what a peer may make us hold, and how long we wait for it, each
//! with its unit, its default and its reason.
//!
//! Only limits a user may want to move are here. Those the RFC fixes (125 bytes of a control
//! frame, 123 of a reason) stand beside their checks in `frame.rs` and `close.rs`. [`Limits`] is
//! read by `protocol.rs`, the rest of [`Config`] by the I/O half.

use std::time::Duration;

#[cfg(feature = "deflate")]
use crate::deflate::Deflate;

/// The settings of a connection; one value, behind an `Rc`, serves any number of them.
///
/// ```
/// use squall_websocket::{Config, Limits};
/// use std::time::Duration;
///
/// let config = Config::default()
///     .with_limits(Limits::default().with_message_bytes_max(64 * 1024))
///     .with_ping_interval(Some(Duration::from_secs(10)));
/// assert_eq!(config.timeout_close, Duration::from_secs(5));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What one peer may send. Default: [`Limits::default`].
    pub limits: Limits,
    /// Bytes that may wait to be sent before we stop reading from the same peer: who does not take
    /// answers gets to ask no more. Default: 64 KiB, a socket's usual buffer.
    pub backlog_bytes_pause: usize,
    /// Bytes that may wait to be sent before the peer is given up: the next message finds it too
    /// slow and closes it with 1013, *try again later*. Default: 1 MiB; times 10,000 peers that is
    /// already 10 GiB. One message may be larger, since what counts is what waits before it.
    pub backlog_bytes_max: usize,
    /// Frames handled in one turn before others have theirs. Default: 256, which takes some 10 us
    /// with a light handler; 0 counts as 1. Bytes per turn are bounded by the stream.
    pub frames_per_turn: usize,
    /// How long a peer has to answer our Close, and again to close TCP after that. Default: 5 s,
    /// as Tornado.
    pub timeout_close: Duration,
    /// A Ping is sent after this long without a byte from the peer; `None` sends none. Default:
    /// 30 s, so that a peer that vanished is noticed, and no proxy takes silence for death
    /// (Tornado: off).
    pub ping_interval: Option<Duration>,
    /// How long a peer has to send anything at all after that Ping. Default: 30 s.
    pub ping_timeout: Duration,
    /// Whether and how messages are compressed, if the peer wants that too. Default: they are not.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Deflate>,
}

impl Config {
    /// Sets what one peer may send.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the bytes that may wait to be sent before reading pauses.
    #[must_use]
    pub fn with_backlog_bytes_pause(mut self, bytes: usize) -> Self {
        self.backlog_bytes_pause = bytes;
        self
    }

    /// Sets the bytes that may wait to be sent before the peer is closed with 1013.
    #[must_use]
    pub fn with_backlog_bytes_max(mut self, bytes: usize) -> Self {
        self.backlog_bytes_max = bytes;
        self
    }

    /// Sets the frames handled in one turn.
    #[must_use]
    pub fn with_frames_per_turn(mut self, frames: usize) -> Self {
        self.frames_per_turn = frames;
        self
    }

    /// Sets how long a peer has to answer our Close.
    #[must_use]
    pub fn with_timeout_close(mut self, timeout: Duration) -> Self {
        self.timeout_close = timeout;
        self
    }

    /// Sets after which silence a Ping is sent; `None` for never.
    #[must_use]
    pub fn with_ping_interval(mut self, interval: Option<Duration>) -> Self {
        self.ping_interval = interval;
        self
    }

    /// Sets whether and how messages are compressed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, deflate: Option<Deflate>) -> Self {
        self.deflate = deflate;
        self
    }

    /// Sets how long a peer has to answer a Ping.
    #[must_use]
    pub fn with_ping_timeout(mut self, timeout: Duration) -> Self {
        self.ping_timeout = timeout;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            backlog_bytes_pause: 64 * 1024,
            backlog_bytes_max: 1024 * 1024,
            frames_per_turn: 256,
            timeout_close: Duration::from_secs(5),
            ping_interval: Some(Duration::from_secs(30)),
            ping_timeout: Duration::from_secs(30),
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }
}

/// How much one peer may send.
///
/// Nothing is allocated for a length that was only claimed, yet a claim above a limit is refused as
/// soon as its header is here (close code 1009). Where messages are compressed, what they inflate
/// to is limited, and inflating stops at the limit.
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
    /// Bytes of one message, summed over its fragments, and after inflation. Default: 10 MiB,
    /// Tornado's `max_message_size`; large for a chat, but what its users have built on.
    pub message_bytes_max: usize,
    /// Bytes of one frame's payload. Default: 10 MiB, so that by default only the message counts;
    /// lower it to make peers fragment, which lets control frames pass between the pieces.
    pub frame_bytes_max: usize,
    /// Fragments of one message. Default: 1,048,576, which no peer needs: bytes are what costs
    /// memory. But fragments may be empty, and so a message could go on for ever.
    pub message_fragments_max: u32,
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

    /// Sets the fragments one message may have; 0 counts as 1.
    #[must_use]
    pub fn with_message_fragments_max(mut self, fragments: u32) -> Self {
        self.message_fragments_max = fragments;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            message_bytes_max: 10 * MIB,
            frame_bytes_max: 10 * MIB,
            message_fragments_max: 1024 * 1024,
        }
    }
}
