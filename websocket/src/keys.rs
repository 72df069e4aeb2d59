//! Masking keys for the frames of clients (RFC 6455 §5.3): four bytes that nobody can guess.
//!
//! They come from the system's entropy, a thousand bytes at a time for all connections of a loop.
//! Used by `websocket.rs` and the client's opening handshake.

use std::cell::RefCell;

use squall_ioloop::Handle;

use crate::MaskingKey;

const BYTES: usize = 1024;

/// Entropy that was not used yet.
struct Keys {
    unused: RefCell<Vec<u8>>,
}

/// A key that was never used.
///
/// # Panics
/// When the system has no entropy: without it a client must not speak (§10.3).
pub(crate) fn draw(ioloop: &Handle) -> MaskingKey {
    let keys = ioloop.local(|| Keys {
        unused: RefCell::default(),
    });
    let mut unused = keys.unused.borrow_mut();
    if unused.is_empty() {
        unused.resize(BYTES, 0);
        fill(&mut unused);
    }
    let start = unused.len() - size_of::<MaskingKey>();
    let mut key = MaskingKey::default();
    key.copy_from_slice(&unused[start..]);
    unused.truncate(start);
    key
}

/// Fills memory with entropy.
///
/// # Panics
/// As [`draw`].
pub(crate) fn fill(memory: &mut [u8]) {
    getrandom::fill(memory).expect("the system has entropy");
}
