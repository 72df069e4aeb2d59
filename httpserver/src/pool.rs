//! Exchanges of this loop that wait for their next request, with the memory of their last.

use std::cell::RefCell;
use std::rc::Rc;

use squall_ioloop::Handle;

use crate::state::Inner;

/// A spare keeps a KiB or two. One that has grown gives what is beyond 16 KiB of head, 16 KiB of
/// content and 64 fields back first, so that whatever peers send, not more than 5 MiB are kept.
const SPARES_MAX: usize = 128;

#[derive(Default)]
pub(crate) struct Pool {
    spares: RefCell<Vec<Rc<Inner>>>,
}

impl Pool {
    pub(crate) fn of(ioloop: &Handle) -> Rc<Self> {
        ioloop.local(Self::default)
    }

    /// An exchange that nobody else holds.
    pub(crate) fn take(&self) -> Rc<Inner> {
        self.spares.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes back an exchange that nobody else holds, and that has been reset.
    pub(crate) fn give(&self, mut exchange: Rc<Inner>) {
        if let Some(inner) = Rc::get_mut(&mut exchange) {
            inner.forget_connection();
        }
        let mut spares = self.spares.borrow_mut();
        if spares.len() < SPARES_MAX {
            spares.push(exchange);
        }
    }
}
