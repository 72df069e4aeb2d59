//! The two buffers of a stream. Both own no memory while they are empty.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;

use crate::Transport;
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

    /// All that is unread, with its memory.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.bytes.drain(..self.start);
        self.start = 0;
        std::mem::take(&mut self.bytes)
    }
}

/// What a step is told that says so.
pub(crate) const USED_TOO_MUCH: &str = "a reader used more bytes than it was given";

/// What was written and not yet sent, in order: small writes merged, large ones and shared ones
/// kept as they are, all of it sent with one vectored write.
#[derive(Default)]
pub(crate) struct WriteBuffer {
    /// The first piece is inline: one answer, or one frame of a broadcast, needs no queue.
    first: Option<Piece>,
    rest: Option<Box<Rest>>,
    /// How much of the first piece has been sent.
    sent: usize,
    len: usize,
}

struct Rest(VecDeque<Piece>);

enum Piece {
    Own(Vec<u8>),
    Shared(Bytes),
}

impl Piece {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// A shared piece up to this size is copied behind the piece before it: cheaper than an entry of
/// its own in the vectored write (Tornado's limit too).
const MERGE_BYTES_MAX: usize = 2048;
/// Own pieces end here, so that a long queue does not become one huge allocation.
const PIECE_BYTES_MAX: usize = 64 * 1024;
/// How many pieces one vectored write takes.
const PIECES_PER_WRITE: usize = 64;

impl WriteBuffer {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Lets `f` append to the last piece.
    pub(crate) fn append_with<R>(
        &mut self,
        shared: &Shared,
        f: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> R {
        let has_room =
            matches!(self.last(), Some(Piece::Own(bytes)) if bytes.len() < PIECE_BYTES_MAX);
        if !has_room {
            self.push(Piece::Own(shared.take_spare()));
        }
        let before = self.last_own().len();
        let undo = Undo {
            buffer: self,
            before,
        };
        let result = f(undo.buffer.last_own());
        let after = undo.buffer.last_own().len();
        assert!(after >= before, "a writer only appends");
        undo.buffer.len += after - before;
        std::mem::forget(undo);
        if after == 0 {
            self.pop_empty(shared);
        }
        result
    }

    /// Queues `bytes` without a copy, unless they are few and follow bytes of our own.
    pub(crate) fn push_shared(&mut self, bytes: Bytes, shared: &Shared) {
        let is_small = bytes.len() <= MERGE_BYTES_MAX;
        if bytes.is_empty() {
        } else if is_small && matches!(self.last(), Some(Piece::Own(_))) {
            self.append_with(shared, |own| own.extend_from_slice(&bytes));
        } else if is_small && self.first.is_some() {
            // A second small one: from here on they are merged.
            self.push(Piece::Own(shared.take_spare()));
            self.append_with(shared, |own| own.extend_from_slice(&bytes));
        } else {
            self.len += bytes.len();
            self.push(Piece::Shared(bytes));
        }
    }

    /// One write of as much as the transport takes. Returns whether it took all that was offered.
    pub(crate) fn send<T: Transport + ?Sized>(
        &mut self,
        transport: &T,
        shared: &Shared,
    ) -> io::Result<bool> {
        let Some(first) = &self.first else {
            return Ok(true);
        };
        let first = &first.as_slice()[self.sent..];
        let (offered, written) = match &self.rest {
            None => (first.len(), transport.write(first)?),
            Some(rest) => {
                let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE];
                let pieces = std::iter::once(first).chain(rest.0.iter().map(Piece::as_slice));
                let mut count = 0;
                let mut offered = 0;
                for (slice, piece) in slices.iter_mut().zip(pieces) {
                    *slice = IoSlice::new(piece);
                    count += 1;
                    offered += piece.len();
                }
                (offered, transport.write_vectored(&slices[..count])?)
            }
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.advance(written, shared);
        Ok(written == offered)
    }

    fn advance(&mut self, written: usize, shared: &Shared) {
        self.len -= written;
        self.sent += written;
        while let Some(first) = &self.first {
            let size = first.as_slice().len();
            if self.sent < size {
                return;
            }
            self.sent -= size;
            let next = self.rest.as_mut().and_then(|rest| rest.0.pop_front());
            if self.rest.as_ref().is_some_and(|rest| rest.0.is_empty()) {
                self.rest = None;
            }
            if let Some(Piece::Own(bytes)) = std::mem::replace(&mut self.first, next) {
                shared.give_spare(bytes);
            }
        }
    }

    fn last(&mut self) -> Option<&mut Piece> {
        match &mut self.rest {
            Some(rest) => rest.0.back_mut(),
            None => self.first.as_mut(),
        }
    }

    fn last_own(&mut self) -> &mut Vec<u8> {
        match self.last() {
            Some(Piece::Own(bytes)) => bytes,
            _ => unreachable!("a piece of our own was pushed before"),
        }
    }

    /// Takes the last piece back, to which nothing was appended.
    fn pop_empty(&mut self, shared: &Shared) {
        let piece = match &mut self.rest {
            Some(rest) => rest.0.pop_back(),
            None => self.first.take(),
        };
        if self.rest.as_ref().is_some_and(|rest| rest.0.is_empty()) {
            self.rest = None;
        }
        if let Some(Piece::Own(bytes)) = piece {
            shared.give_spare(bytes);
        }
    }

    fn push(&mut self, piece: Piece) {
        if self.first.is_none() {
            self.first = Some(piece);
        } else {
            self.rest
                .get_or_insert_with(|| Box::new(Rest(VecDeque::new())))
                .0
                .push_back(piece);
        }
    }
}

/// Takes back what a writer that panicked has appended.
struct Undo<'a> {
    buffer: &'a mut WriteBuffer,
    before: usize,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let bytes = self.buffer.last_own();
        if bytes.len() >= self.before {
            bytes.truncate(self.before);
        } else {
            // It took away what is not its own; nothing of that can be sent.
            *self.buffer = WriteBuffer::default();
        }
    }
}
