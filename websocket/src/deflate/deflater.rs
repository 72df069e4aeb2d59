//! Messages of ours, deflated whole (RFC 7692 §7.2.1).
//!
//! Which messages are worth it, with whose memory, and what a broadcast does to a history: that is
//! decided here. Called by `websocket.rs` for each message of a connection that has agreed on
//! compression, and by whoever drives a [`Protocol`](crate::Protocol) by hand.

use std::fmt;

use bytes::Bytes;
use flate2::{Compress, FlushCompress};

use super::TAIL;
use super::agreement::DeflateAgreement;
use super::pool::{DeflatePool, new_compressor};
use super::settings::Deflate;
use crate::encode::{encode_deflated, encode_message};
use crate::{MaskingKey, Message, Prepared, Role};

/// What two compressors have to have in common for one to do the other's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flavour {
    pub(super) level: u8,
    pub(super) window_bits: u8,
}

/// The deflating side of a connection: [`encode_message`](crate::encode_message) with compression.
///
/// ```
/// use http::HeaderMap;
/// use squall_websocket::{
///     Deflate, DeflatePool, Deflater, Event, Limits, Message, Protocol, Role,
/// };
///
/// let settings = Deflate::default();
/// let mut fields = HeaderMap::new();
/// fields.insert("sec-websocket-extensions", "permessage-deflate".parse()?);
/// let agreement = settings.accept(&fields).expect("acceptable");
///
/// let pool = DeflatePool::default();
/// let mut deflater = Deflater::new(Role::Server, &agreement, &settings, &pool);
/// let text = "hello ".repeat(1000);
/// let mut wire = Vec::new();
/// deflater.encode_message(&mut wire, Message::Text(&text), None);
/// assert!(wire.len() < 100);
///
/// let mut client = Protocol::new(Role::Client, Limits::default()).with_deflate(&agreement, &pool);
/// assert_eq!(client.receive(&mut wire)?.1, Some(Event::Text(&text)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Deflater {
    pool: DeflatePool,
    flavour: Flavour,
    threshold_bytes: usize,
    history: History,
}

/// What our compressor may refer to.
enum History {
    /// Nothing before the message.
    None,
    /// All messages that it has compressed: it is this connection's own, once there was one.
    Kept(Option<Box<Compress>>),
}

impl Deflater {
    /// For the messages that this end sends.
    #[must_use]
    pub fn new(
        role: Role,
        agreement: &DeflateAgreement,
        settings: &Deflate,
        pool: &DeflatePool,
    ) -> Self {
        // Not to remember is always allowed.
        let keeps_context = agreement.keeps_context(role) && settings.context_takeover;
        Self {
            pool: pool.clone(),
            flavour: Flavour {
                level: settings.level.clamp(1, 9),
                window_bits: agreement.window_bits(role).min(settings.window_bits),
            },
            threshold_bytes: settings.threshold_bytes,
            history: if keeps_context {
                History::Kept(None)
            } else {
                History::None
            },
        }
    }

    /// Appends a message in one frame, compressed if that is worth it.
    pub fn encode_message(
        &mut self,
        out: &mut Vec<u8>,
        message: Message<'_>,
        key: Option<MaskingKey>,
    ) {
        if !self.wants(message) {
            return encode_message(out, message, key);
        }
        let Self {
            pool,
            flavour,
            history,
            ..
        } = self;
        match history {
            History::None => encode_alone(out, message, key, *flavour, pool),
            History::Kept(own) => pool.with_deflated(|deflated| {
                let own = own.get_or_insert_with(|| Box::new(new_compressor(*flavour)));
                deflate(own, message.as_bytes(), deflated);
                // Also if it has grown: it is a part of the history now.
                encode_deflated(out, message.kind(), deflated, key);
            }),
        }
    }

    /// Whether the message is long enough to be compressed.
    fn wants(&self, message: Message<'_>) -> bool {
        message.as_bytes().len() >= self.threshold_bytes
    }

    /// The frame of a message that is for many: one for all of our flavour.
    pub(crate) fn frame_of(&mut self, message: &Prepared<'_>) -> Bytes {
        if !self.wants(message.message()) {
            return message.plain();
        }
        // It was compressed without a history. The peer will have it in its window and our own
        // compressor has not: distances would be wrong, so it begins afresh.
        if let History::Kept(Some(own)) = &mut self.history {
            own.reset();
        }
        message.deflated(self.flavour, &self.pool)
    }
}

/// A server's frame for all connections of a flavour; compressed, if that makes it shorter.
pub(crate) fn deflated_frame(message: Message<'_>, flavour: Flavour, pool: &DeflatePool) -> Bytes {
    let mut out = Vec::new();
    encode_alone(&mut out, message, None, flavour, pool);
    out.into()
}

/// A message without history, compressed if that makes it shorter.
fn encode_alone(
    out: &mut Vec<u8>,
    message: Message<'_>,
    key: Option<MaskingKey>,
    flavour: Flavour,
    pool: &DeflatePool,
) {
    pool.with_deflated(|deflated| {
        pool.with_compressor(flavour, |compressor| {
            deflate(compressor, message.as_bytes(), deflated);
        });
        // §6: each message is compressed or not, as the sender likes.
        if deflated.len() < message.as_bytes().len() {
            encode_deflated(out, message.kind(), deflated, key);
        } else {
            encode_message(out, message, key);
        }
    });
}

/// Appends a payload as §7.2.1 has it: flushed, and without the tail that all flushes have.
fn deflate(compressor: &mut Compress, mut payload: &[u8], out: &mut Vec<u8>) {
    /// Appended to at once; a flush of nothing takes five bytes.
    const ROOM_BYTES: usize = 64;
    if payload.is_empty() {
        // §7.2.3.6: an empty block. The compressor itself would not flush twice for nothing.
        out.push(0);
        return;
    }
    out.reserve(payload.len() / 2 + ROOM_BYTES);
    loop {
        let before = compressor.total_in();
        // Fails in none of the states that a compressor can be in here: no input is wrong to it.
        let status = compressor.compress_vec(payload, out, FlushCompress::Sync);
        debug_assert!(status.is_ok());
        payload = &payload[(compressor.total_in() - before) as usize..];
        // The flush is complete when the compressor had room left that it did not need.
        if payload.is_empty() && out.len() < out.capacity() {
            break;
        }
        out.reserve(ROOM_BYTES + payload.len() / 2);
    }
    debug_assert!(out.ends_with(&TAIL));
    out.truncate(out.len() - TAIL.len());
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("flavour", &self.flavour)
            .field("threshold_bytes", &self.threshold_bytes)
            .finish_non_exhaustive()
    }
}
