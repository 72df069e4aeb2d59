//! How much a stream may read and send in one turn, so that a peer at line rate starves nobody.

use std::cell::Cell;

/// What a stream may read in one turn: one read that fills the receive buffer. Then it waits for
/// its next turn on the ready-again list. With four times as much, a peer at line rate doubled the
/// p99 of a thousand quiet ones, and itself gained nothing (`quiet-flood` and `tcp-64k` in
/// `benches/peers`).
const READ_BYTES_PER_TURN: u32 = 64 * 1024;
/// A read that goes straight to where its bytes are wanted may take this much, in one call: the
/// reader has nothing to do with them before all have come.
pub(crate) const DIRECT_READ_BYTES_MAX: usize = 256 * 1024;
/// What it may send in one turn: a file of a gigabyte is not sent to a fast peer while all others
/// wait. More than is read, since sending is the cheaper of the two and has no reader's work
/// behind it: some hundred microseconds.
const WRITTEN_BYTES_PER_TURN: u32 = 1024 * 1024;

/// What a stream has read and sent in the present turn.
#[derive(Default)]
pub(crate) struct Budget {
    /// The low half of its number: one that seems to be the present one, four thousand million
    /// turns later, costs the stream a turn.
    turn: Cell<u32>,
    read: Cell<u32>,
    written: Cell<u32>,
}

impl Budget {
    /// Whether nothing more may be read.
    pub(crate) fn is_read_spent(&self, turn: u64) -> bool {
        self.begin(turn);
        self.read.get() >= READ_BYTES_PER_TURN
    }

    /// Whether its whole share was read in the turn in which it last was: a peer that sends as much
    /// will go on, and one that sends a little at a time will not.
    pub(crate) fn was_read_spent(&self) -> bool {
        self.read.get() >= READ_BYTES_PER_TURN
    }

    /// How much may still be sent.
    pub(crate) fn left_to_write(&self, turn: u64) -> usize {
        self.begin(turn);
        WRITTEN_BYTES_PER_TURN.saturating_sub(self.written.get()) as usize
    }

    pub(crate) fn spend_read(&self, bytes: usize) {
        spend(&self.read, bytes);
    }

    pub(crate) fn spend_written(&self, bytes: usize) {
        spend(&self.written, bytes);
    }

    fn begin(&self, turn: u64) {
        let turn = turn as u32;
        if self.turn.replace(turn) != turn {
            self.read.set(0);
            self.written.set(0);
        }
    }
}

fn spend(spent: &Cell<u32>, bytes: usize) {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    spent.set(spent.get().saturating_add(bytes));
}
