//! How much a stream may read in one turn, so that a peer at line rate starves nobody.

use std::cell::Cell;

/// What a stream may read in one turn. Then it waits for its next one on the ready-again list.
const BYTES_PER_TURN: usize = 256 * 1024;

/// What a stream has read in the present turn.
#[derive(Default)]
pub(crate) struct Budget {
    turn: Cell<u64>,
    spent: Cell<usize>,
}

impl Budget {
    pub(crate) fn is_spent(&self, turn: u64) -> bool {
        if self.turn.replace(turn) != turn {
            self.spent.set(0);
        }
        self.spent.get() >= BYTES_PER_TURN
    }

    pub(crate) fn spend(&self, bytes: usize) {
        self.spent.set(self.spent.get() + bytes);
    }
}
