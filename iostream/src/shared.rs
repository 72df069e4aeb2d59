//! What all streams of one loop share: the receive buffer, and spare buffers for partial messages
//! and unsent bytes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use squall_ioloop::Handle;

use crate::write_buffer::Pieces;

/// One read takes at most this much. 64 KiB is what a socket's default receive buffer holds.
pub(crate) const RECEIVE_BYTES: usize = 64 * 1024;

/// A spare buffer that has grown past this goes back to the allocator.
pub(crate) const SPARE_BYTES_MAX: usize = 16 * 1024;
/// So at most 1 MiB is kept of each kind.
const SPARES_MAX: usize = 64;

#[derive(Default)]
pub(crate) struct Shared {
    receive: Cell<Option<Box<[u8]>>>,
    spares: RefCell<Vec<Vec<u8>>>,
    /// Write buffers that were emptied, with the memory of one piece each.
    #[expect(clippy::vec_box, reason = "the boxes go from stream to stream")]
    spare_pieces: RefCell<Vec<Box<Pieces>>>,
    last_number: Cell<u64>,
}

impl Shared {
    pub(crate) fn of(ioloop: &Handle) -> Rc<Self> {
        ioloop.local(Self::default)
    }

    /// Lends the receive buffer. A reader inside the reader of another stream, rare as it is, gets
    /// a fresh one.
    pub(crate) fn with_receive_buffer<R>(&self, f: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut buffer = self
            .receive
            .take()
            .unwrap_or_else(|| vec![0; RECEIVE_BYTES].into_boxed_slice());
        let result = f(&mut buffer);
        self.receive.set(Some(buffer));
        result
    }

    /// An empty buffer, with memory from its last use if there is one to spare.
    pub(crate) fn take_spare(&self) -> Vec<u8> {
        self.spares.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_spare(&self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if capacity == 0 || capacity > SPARE_BYTES_MAX {
            return;
        }
        let mut spares = self.spares.borrow_mut();
        if spares.len() < SPARES_MAX {
            buffer.clear();
            spares.push(buffer);
        }
    }

    pub(crate) fn take_pieces(&self) -> Box<Pieces> {
        self.spare_pieces.borrow_mut().pop().unwrap_or_default()
    }

    /// Of pieces that are all sent.
    pub(crate) fn give_pieces(&self, pieces: Box<Pieces>) {
        let mut spares = self.spare_pieces.borrow_mut();
        if spares.len() < SPARES_MAX {
            spares.push(pieces);
        }
    }

    /// One that no place of any stream of the loop has had (`waiter.rs`).
    pub(crate) fn next_number(&self) -> u64 {
        self.last_number.set(self.last_number.get() + 1);
        self.last_number.get()
    }
}
