//! Bulk work: what takes long for each piece, and gives way to everything else.
//!
//! ```text
//!   a turn has little else to do (`OTHERS_MAX`) --> one piece at its end, and what it has woken
//!   a turn has more to do ------------------------> none: the next turn's poll, which does not
//!                                                   wait, looks who else has become ready
//!   so it went `DEFERRALS_MAX` times in a row ----> one piece all the same
//! ```
//!
//! Thus whoever becomes ready waits for one piece at most, and no crowd of others starves the bulk.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::Handle;

/// How many things a turn may have to do before it is too long to end with a piece of bulk work:
/// those that became ready meanwhile have waited for all of them. So few are done while a piece
/// runs once, and one poll a piece is all that the looking costs.
const OTHERS_MAX: usize = 16;
/// How many turns in a row bulk work gives way to others. With 64 busy connections a turn takes
/// half a millisecond, and so long a piece in each ninth of them a tenth of the time.
const DEFERRALS_MAX: u32 = 8;

type Callback = Box<dyn FnOnce()>;

#[derive(Default)]
pub(crate) struct Bulk {
    queue: RefCell<VecDeque<Callback>>,
    /// Turns in a row that had too much else to do.
    deferrals: Cell<u32>,
}

impl Bulk {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// The piece of a turn that had so many other things to do, if it is to have one.
    pub(crate) fn next(&self, others: usize) -> Option<Callback> {
        if others > OTHERS_MAX && self.deferrals.get() < DEFERRALS_MAX {
            self.deferrals.set(self.deferrals.get() + 1);
            return None;
        }
        self.deferrals.set(0);
        self.queue.borrow_mut().pop_front()
    }

    /// For a loop that closes.
    pub(crate) fn take_all(&self) -> VecDeque<Callback> {
        self.queue.take()
    }
}

impl Handle {
    /// Runs `callback` as bulk work: after everything else of a turn, one piece a turn, and only in
    /// a turn that had little else to do (at most 16 events, callbacks and tasks). After eight
    /// turns in a row that had more, one piece runs in any case. Tasks that a piece wakes run
    /// behind it, in the same turn. In the order of adding.
    ///
    /// For work that computes for long, tenths of a millisecond a piece, and can wait: the steps of
    /// TLS handshakes are bulk, so that a flood of them delays no established peer by more than one
    /// piece. What computes for much longer belongs to [`run_in_executor`](Self::run_in_executor).
    ///
    /// ```
    /// use squall_ioloop::IoLoop;
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// let ioloop = IoLoop::new()?;
    /// let log = Rc::new(RefCell::new(Vec::new()));
    /// let (bulk, handle) = (log.clone(), ioloop.handle().clone());
    /// ioloop.add_bulk_callback(move || {
    ///     bulk.borrow_mut().push("bulk");
    ///     handle.stop();
    /// });
    /// let normal = log.clone();
    /// ioloop.add_callback(move || normal.borrow_mut().push("normal"));
    /// ioloop.run()?;
    /// assert_eq!(*log.borrow(), ["normal", "bulk"]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn add_bulk_callback(&self, callback: impl FnOnce() + 'static) {
        if !self.warn_if_closed("bulk callback") {
            self.inner()
                .bulk
                .queue
                .borrow_mut()
                .push_back(Box::new(callback));
        }
    }
}
