//! What an application wants of compression, for either role: read by `negotiate.rs` and
//! `deflater.rs`.

/// The bounds of a window, as base-2 logarithms of bytes (RFC 7692 §7.1.2).
pub(super) const WINDOW_BITS_MIN: u8 = 8;
pub(super) const WINDOW_BITS_MAX: u8 = 15;

/// Whether and how messages are compressed; a part of [`Config`](crate::Config).
///
/// The settings are those of one end: *ours* is what we send, *the peer's* what we receive.
///
/// ```
/// use squall_websocket::{Config, Deflate};
///
/// // Few connections that say much of the same: worth a third of a megabyte each.
/// let history = Deflate::default()
///     .with_context_takeover(true)
///     .with_peer_context_takeover(true)
///     .with_threshold_bytes(32);
/// let config = Config::default().with_deflate(Some(history));
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deflate {
    /// How hard to try, from 1 (fast) to 9 (small). Default: 2, which for messages of some
    /// kilobytes saves as much as the 6 of zlib and Tornado. 1 takes half of the time, and what it
    /// makes is a third longer.
    pub level: u8,
    /// Messages with fewer bytes are sent as they are. Default: 256: below it, a message by itself
    /// hardly shrinks, and clearing a compressor's memory costs more than the bytes.
    pub threshold_bytes: usize,
    /// Whether our compressor remembers the messages before, unless the peer asks it not to.
    /// Default: no, for then a connection owns a compressor, of 245 KiB with a window of 9 bits and
    /// of 371 KiB with one of 15.
    pub context_takeover: bool,
    /// The base-2 logarithm of our window, from 8 to 15; less if the peer asks for less. Default:
    /// 15, which is 32 KiB.
    pub window_bits: u8,
    /// Whether the peer's compressor may remember. Default: no, for then a connection owns an
    /// inflater of 47 KiB. A server's word is law; a client can only ask, and takes the answer.
    pub peer_context_takeover: bool,
    /// The base-2 logarithm of the peer's window, from 8 to 15, if the peer can be told. Default:
    /// 15.
    pub peer_window_bits: u8,
}

impl Deflate {
    /// Sets how hard to try; what is outside of 1 to 9 is moved there.
    #[must_use]
    pub fn with_level(mut self, level: u8) -> Self {
        self.level = level.clamp(1, 9);
        self
    }

    /// Sets the bytes below which messages are sent as they are.
    #[must_use]
    pub fn with_threshold_bytes(mut self, bytes: usize) -> Self {
        self.threshold_bytes = bytes;
        self
    }

    /// Sets whether our compressor remembers the messages before.
    #[must_use]
    pub fn with_context_takeover(mut self, on: bool) -> Self {
        self.context_takeover = on;
        self
    }

    /// Sets our window; what is outside of 8 to 15 is moved there.
    #[must_use]
    pub fn with_window_bits(mut self, bits: u8) -> Self {
        self.window_bits = bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX);
        self
    }

    /// Sets whether the peer's compressor may remember the messages before.
    #[must_use]
    pub fn with_peer_context_takeover(mut self, on: bool) -> Self {
        self.peer_context_takeover = on;
        self
    }

    /// Sets the peer's window; what is outside of 8 to 15 is moved there.
    #[must_use]
    pub fn with_peer_window_bits(mut self, bits: u8) -> Self {
        self.peer_window_bits = bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX);
        self
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self {
            level: 2,
            threshold_bytes: 256,
            context_takeover: false,
            window_bits: WINDOW_BITS_MAX,
            peer_context_takeover: false,
            peer_window_bits: WINDOW_BITS_MAX,
        }
    }
}
