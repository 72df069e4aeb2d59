//! What a stream has read and not yet used. It owns no memory while it is empty.

use crate::shared::{SPARE_BYTES_MAX, Shared};

/// What was read and not yet used: the beginning of a message whose rest has not come.
#[derive(Default)]
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    /// Bytes before this were used.
    start: usize,
}

impl ReadBuffer {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn unread(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    pub(crate) fn append(&mut self, input: &[u8], shared: &Shared) {
        if input.is_empty() {
            return;
        }
        if self.bytes.capacity() == 0 {
            self.bytes = shared.take_spare();
        } else if self.start >= self.len() && self.bytes.len() + input.len() > self.bytes.capacity()
        {
            // Used bytes make room before the allocator is asked, where they are at least as many
            // as have to move: so appending stays linear.
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(input);
    }

    /// Lets `read` fill memory behind what is unread: at most `bytes_max` bytes, and not more than
    /// are missing of `wanted` in all. The memory has to be written once before (that is the price
    /// of having no unsafe code), so this is for reads that will fill it.
    pub(crate) fn fill<E>(
        &mut self,
        wanted: usize,
        bytes_max: usize,
        read: impl FnOnce(&mut [u8]) -> Result<Option<usize>, E>,
    ) -> Result<Option<usize>, E> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let before = self.bytes.len();
        let room = wanted.saturating_sub(before).min(bytes_max);
        if before + room > self.bytes.capacity() {
            // Twice as much each time, so that it stays linear; and in the end exactly enough.
            let capacity = (before + room).max((2 * before).min(wanted));
            self.bytes.reserve_exact(capacity - before);
        }
        self.bytes.resize(before + room, 0);
        let result = read(&mut self.bytes[before..]);
        let count = *result.as_ref().unwrap_or(&None);
        self.bytes.truncate(before + count.unwrap_or(0));
        result
    }

    pub(crate) fn consume(&mut self, used: usize, shared: &Shared) {
        assert!(used <= self.len(), "{USED_TOO_MUCH}");
        self.start += used;
        let is_mostly_used =
            self.bytes.capacity() > SPARE_BYTES_MAX && self.len() <= self.bytes.capacity() / 16;
        if self.is_empty() {
            self.start = 0;
            shared.give_spare(std::mem::take(&mut self.bytes));
        } else if is_mostly_used {
            // The beginning of a message does not hold the memory of a long one before it.
            let mut rest = shared.take_spare();
            rest.extend_from_slice(self.unread());
            self.bytes = rest;
            self.start = 0;
        }
    }

    /// The first `count` unread bytes, with the buffer's memory if nothing of it is needed for
    /// others.
    pub(crate) fn take_front(&mut self, count: usize) -> Vec<u8> {
        let mut front = self.take();
        if front.len() > count {
            self.bytes = front.split_off(count);
        }
        front
    }

    /// Puts bytes back that were taken, before all that is unread.
    pub(crate) fn put_back(&mut self, bytes: &[u8]) {
        let mut all = Vec::with_capacity(bytes.len() + self.len());
        all.extend_from_slice(bytes);
        all.extend_from_slice(self.unread());
        self.bytes = all;
        self.start = 0;
    }

    /// All that is unread, with its memory.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.bytes.drain(..self.start);
        self.start = 0;
        std::mem::take(&mut self.bytes)
    }
}

/// What a step is told that says so.
pub(crate) const USED_TOO_MUCH: &str = "a reader used more bytes than it was given";

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::random::XorShift;

    #[test]
    fn a_read_buffer_is_a_plain_queue_of_bytes() {
        for seed in 1..12 {
            let shared = Shared::default();
            let mut random = XorShift(seed);
            let mut buffer = ReadBuffer::default();
            let mut model = VecDeque::new();
            for _ in 0..300 {
                if random.below(2) == 0 {
                    let len = random.len();
                    let bytes = random.bytes(len);
                    buffer.append(&bytes, &shared);
                    model.extend(bytes);
                } else {
                    let used = random.below(model.len() + 1);
                    buffer.consume(used, &shared);
                    model.drain(..used);
                }
                assert!(model == buffer.unread());
            }
            assert!(model == buffer.take());
            assert_eq!(buffer.bytes.capacity(), 0);
        }
    }

    #[test]
    fn an_empty_buffer_owns_no_memory() {
        let shared = Shared::default();
        let mut buffer = ReadBuffer::default();
        for size in [1, 100, 100_000] {
            buffer.append(&vec![b'x'; size], &shared);
            buffer.consume(size, &shared);
            assert_eq!(buffer.bytes.capacity(), 0);
        }
    }

    #[test]
    fn memory_goes_from_buffer_to_buffer() {
        let shared = Shared::default();
        let mut first = ReadBuffer::default();
        first.append(&[b'x'; 1_000], &shared);
        let memory = first.bytes.as_ptr();
        first.consume(1_000, &shared);
        let mut second = ReadBuffer::default();
        second.append(b"y", &shared);
        assert_eq!(second.bytes.as_ptr(), memory);
    }

    #[test]
    fn the_beginning_of_a_message_does_not_hold_the_memory_of_a_long_one() {
        let shared = Shared::default();
        let mut buffer = ReadBuffer::default();
        buffer.append(&[b'x'; 1_000_000], &shared);
        buffer.append(b"yz", &shared);
        buffer.consume(1_000_000, &shared);
        assert_eq!(buffer.unread(), b"yz");
        assert!(buffer.bytes.capacity() <= SPARE_BYTES_MAX);
    }

    #[test]
    fn appending_moves_no_byte_more_than_a_few_times() {
        // One byte in, one byte out, behind a long tail: each step would move all of it.
        let shared = Shared::default();
        let mut buffer = ReadBuffer::default();
        let len = 1_000_000;
        buffer.append(&vec![b'x'; len], &shared);
        let (mut moves, mut at) = (0, buffer.bytes.as_ptr());
        let mut start = 0;
        for _ in 0..len {
            buffer.consume(1, &shared);
            buffer.append(b"y", &shared);
            if buffer.bytes.as_ptr() != at || buffer.start < start {
                moves += 1;
            }
            (at, start) = (buffer.bytes.as_ptr(), buffer.start);
        }
        assert!(moves <= 3, "moved {moves} times");
        assert!(buffer.bytes.capacity() <= 3 * len);
    }
}
