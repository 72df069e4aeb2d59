//! Memory that all TLS streams of a loop use in turn, so that none of them owns any at rest.

use std::cell::Cell;
use std::rc::Rc;

use squall_ioloop::Handle;

/// What one read takes in at most, and what an unfinished message of a handshake may have: such a
/// message is shorter than 2^16 (the library sees to that).
pub(super) const INPUT_BYTES: usize = 64 * 1024;
/// How much plaintext is encrypted for one send: four full records.
pub(super) const BATCH_BYTES: usize = 64 * 1024;
/// The plaintext of a full record (RFC 8446, section 5.1).
pub(super) const RECORD_PLAINTEXT_BYTES: usize = 16 * 1024;

pub(super) struct Scratch {
    /// Records as they come, decrypted in place.
    pub(super) input: Box<[u8]>,
    /// Small pieces, gathered into one record.
    pub(super) plaintext: Vec<u8>,
    /// Records as they go.
    pub(super) output: Output,
}

/// The scratch of one loop.
#[derive(Default)]
pub(super) struct Pool(Cell<Option<Box<Scratch>>>);

impl Pool {
    pub(super) fn of(ioloop: &Handle) -> Rc<Self> {
        ioloop.local(Self::default)
    }

    /// Lends it. TLS within TLS gets a fresh one for the inner one.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Scratch) -> R) -> R {
        let mut scratch = self.0.take().unwrap_or_default();
        scratch.output.clear();
        let result = f(&mut scratch);
        self.0.set(Some(scratch));
        result
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            input: vec![0; INPUT_BYTES].into(),
            plaintext: Vec::with_capacity(RECORD_PLAINTEXT_BYTES),
            output: Output::default(),
        }
    }
}

/// Bytes behind one another, in memory that is filled with zeros once and not for each use.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    len: usize,
}

impl Output {
    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// At least `size` bytes behind those that are filled.
    pub(super) fn room(&mut self, size: usize) -> &mut [u8] {
        if self.bytes.len() < self.len + size {
            self.bytes.resize(self.len + size, 0);
        }
        &mut self.bytes[self.len..]
    }

    /// That `count` bytes of the room were filled.
    pub(super) fn advance(&mut self, count: usize) {
        self.len += count;
    }
}
