//! What a stream has read of records, and what it has decrypted and not yet handed on.
//!
//! Both own memory only while there is something: the beginning of a record whose rest has not
//! come, or plaintext that a reader's buffer had no room for.

use crate::shared::Shared;
use crate::tls::records;
use crate::tls::scratch::{Output, RECORD_PLAINTEXT_BYTES};
use crate::tls::session::{Processed, Session};

#[derive(Default)]
pub(super) struct Input {
    /// Records that are not whole, or belong to a message that is not.
    bytes: Vec<u8>,
    /// How much of them was whole and has been processed: decrypted in place, and still in use.
    whole: usize,
    /// How many bytes are in the scratch, to be processed there.
    loaded: usize,
    plaintext: Vec<u8>,
    /// How much of the plaintext is used.
    taken: usize,
}

/// What may be held of a message that is not whole, once established: those are short, but for
/// the record that they come in.
const ESTABLISHED_BYTES_MAX: usize = 2 * records::RECORD_BYTES_MAX;

impl Input {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    /// What is held of records, for a session that has to see it again.
    pub(super) fn partial(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(super) fn has_whole_record(&self) -> bool {
        records::end_of_whole(&self.bytes, self.whole) > self.whole
    }

    pub(super) fn has_plaintext(&self) -> bool {
        !self.plaintext.is_empty()
    }

    /// Hands plaintext on that had no room before.
    pub(super) fn take_plaintext(&mut self, buffer: &mut [u8], shared: &Shared) -> usize {
        let rest = &self.plaintext[self.taken..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.taken += count;
        if self.taken == self.plaintext.len() {
            self.taken = 0;
            shared.give_spare(std::mem::take(&mut self.plaintext));
        }
        count
    }

    /// Where in the scratch to read more to: behind the place of what is held. No room means that
    /// too much is held of one message.
    pub(super) fn room<'a>(&self, scratch: &'a mut [u8], is_established: bool) -> &'a mut [u8] {
        let held = self.bytes.len();
        if is_established && held >= ESTABLISHED_BYTES_MAX {
            return &mut [];
        }
        scratch.get_mut(held..).unwrap_or_default()
    }

    /// `count` bytes were read into the room. If a record is whole by them, all is loaded; if not,
    /// they are held. So each byte is copied to and fro once a record, and not once a read, however
    /// small the reads are.
    pub(super) fn received(&mut self, count: usize, scratch: &mut [u8], shared: &Shared) {
        let held = self.bytes.len();
        let new = &scratch[held..held + count];
        if !records::is_whole(&self.bytes[self.whole..], new) {
            return self.hold(new, shared);
        }
        scratch[..held].copy_from_slice(&self.bytes);
        shared.give_spare(std::mem::take(&mut self.bytes));
        self.loaded = held + count;
    }

    /// Whether there is something in the scratch to be processed.
    pub(super) fn is_loaded(&self) -> bool {
        self.loaded > 0
    }

    /// Decrypts what is loaded, or else what is held: into `buffer`, and what has no room there is
    /// kept. Returns how much of the buffer is filled.
    pub(super) fn process(
        &mut self,
        session: &mut Session,
        scratch: &mut [u8],
        buffer: &mut [u8],
        output: &mut Output,
        shared: &Shared,
    ) -> (usize, Processed) {
        let mut own = std::mem::take(&mut self.bytes);
        let loaded = std::mem::take(&mut self.loaded);
        let bytes = if loaded > 0 {
            &mut scratch[..loaded]
        } else {
            &mut own[..]
        };
        // Now, since headers are written over when a message of several records is put together.
        let whole = records::end_of_whole(bytes, self.whole);
        let mut filled = 0;
        let kept = &mut self.plaintext;
        let mut deliver = |plaintext: &[u8]| {
            let count = plaintext.len().min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&plaintext[..count]);
            filled += count;
            if count < plaintext.len() {
                if kept.capacity() == 0 {
                    *kept = shared.take_spare();
                }
                kept.extend_from_slice(&plaintext[count..]);
            }
        };
        let processed = session.process(bytes, &mut deliver, output);
        self.whole = whole.saturating_sub(processed.used);
        let is_over = processed.has_ended || processed.result.is_err();
        if is_over {
            // What follows the end is not looked at.
            self.whole = 0;
        } else if loaded > 0 {
            self.hold(&scratch[processed.used..loaded], shared);
        } else {
            own.drain(..processed.used);
            self.bytes = std::mem::take(&mut own);
        }
        if self.bytes.is_empty() {
            shared.give_spare(std::mem::take(&mut self.bytes));
        }
        (filled, processed)
    }

    fn hold(&mut self, bytes: &[u8], shared: &Shared) {
        if bytes.is_empty() {
            return;
        }
        if self.bytes.capacity() == 0 {
            self.bytes = shared.take_spare();
        }
        // Room for a full record at once, instead of growing to it and past it.
        let is_growing = self.bytes.len() + bytes.len() > self.bytes.capacity();
        if is_growing && bytes.len() > 1024 && self.bytes.len() < RECORD_PLAINTEXT_BYTES {
            let full = RECORD_PLAINTEXT_BYTES.max(self.bytes.len() + bytes.len());
            self.bytes.reserve_exact(full - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Gives all memory back.
    pub(super) fn release(&mut self, shared: &Shared) {
        shared.give_spare(std::mem::take(&mut self.bytes));
        shared.give_spare(std::mem::take(&mut self.plaintext));
        *self = Self::default();
    }
}
