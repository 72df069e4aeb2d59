//! What a stream has written and not yet sent. It owns no memory while it is empty.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;

use crate::Transport;
use crate::shared::Shared;

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

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::random::XorShift;

    /// Takes some of what it is given, in one piece or several.
    struct Taker {
        random: RefCell<XorShift>,
        taken: RefCell<Vec<u8>>,
        pieces_max: Cell<usize>,
    }

    impl Taker {
        fn new(seed: u64) -> Self {
            Self {
                random: RefCell::new(XorShift(seed)),
                taken: RefCell::default(),
                pieces_max: Cell::new(0),
            }
        }
    }

    impl Transport for Taker {
        fn read(&self, _: &mut [u8]) -> io::Result<usize> {
            unreachable!("nobody reads")
        }

        fn write(&self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            self.pieces_max.set(self.pieces_max.get().max(pieces.len()));
            let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
            let mut random = self.random.borrow_mut();
            let count = match random.below(4) {
                0 => return Err(io::ErrorKind::WouldBlock.into()),
                1 => all.len(),
                _ => random.below(all.len()) + 1,
            };
            self.taken.borrow_mut().extend_from_slice(&all[..count]);
            Ok(count)
        }

        fn shutdown_write(&self) -> io::Result<()> {
            Ok(())
        }

        fn close(&self) {}
    }

    #[test]
    fn a_write_buffer_is_a_plain_queue_of_bytes_whatever_the_transport_takes() {
        for seed in 1..12 {
            let shared = Shared::default();
            let mut random = XorShift(seed);
            let taker = Taker::new(seed + 1_000);
            let mut buffer = WriteBuffer::default();
            let mut model = Vec::new();
            for _ in 0..200 {
                let len = random.len();
                let bytes = random.bytes(len);
                match random.below(4) {
                    0 => buffer.append_with(&shared, |out| out.extend_from_slice(&bytes)),
                    1 => buffer.push_shared(Bytes::from(bytes.clone()), &shared),
                    _ => {
                        let offered_all = buffer.send(&taker, &shared).ok();
                        assert!(offered_all != Some(true) || buffer.len() < model.len().max(1));
                        assert_eq!(buffer.len(), model.len() - taker.taken.borrow().len());
                        continue;
                    }
                }
                model.extend_from_slice(&bytes);
            }
            while !buffer.is_empty() {
                let _ = buffer.send(&taker, &shared);
            }
            assert!(*taker.taken.borrow() == model, "seed {seed}");
            assert!(buffer.first.is_none() && buffer.rest.is_none() && buffer.sent == 0);
            assert!(taker.pieces_max.get() <= PIECES_PER_WRITE);
        }
    }

    #[test]
    fn an_empty_buffer_owns_no_memory() {
        let shared = Shared::default();
        let mut buffer = WriteBuffer::default();
        for size in [1, 100, 100_000] {
            let bytes = vec![b'x'; size];
            buffer.append_with(&shared, |_| ());
            assert!(buffer.first.is_none(), "nothing was appended");
            buffer.append_with(&shared, |out| out.extend_from_slice(&bytes));
            buffer.push_shared(Bytes::from(bytes), &shared);
            buffer.append_with(&shared, |_| ());
            let taker = Taker::new(1);
            while !buffer.is_empty() {
                let _ = buffer.send(&taker, &shared);
            }
            assert!(buffer.first.is_none() && buffer.rest.is_none());
        }
    }
}
