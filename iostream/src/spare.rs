//! One descriptor in reserve, for the time when there are no more: with it a connection that
//! nobody can serve can still be accepted, and closed, so that its client sees an end.

use std::cell::RefCell;
use std::fs::File;
use std::rc::Rc;

use squall_ioloop::Handle;

/// The loop's reserve. Threads of one process share its limit, and another may snatch the
/// descriptor in the moment that it is free; then nothing is lost but the trick.
pub(crate) struct Spare {
    held: RefCell<Option<File>>,
}

impl Spare {
    pub(crate) fn of(ioloop: &Handle) -> Rc<Self> {
        ioloop.local(|| Self {
            held: RefCell::new(open()),
        })
    }

    /// Runs `f` with one descriptor more to have. `None` if there was none in reserve.
    pub(crate) fn lend<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        let held = self.held.take().or_else(open)?;
        drop(held);
        let result = f();
        self.held.replace(open());
        Some(result)
    }
}

fn open() -> Option<File> {
    File::open("/dev/null").ok()
}
