//! Which loop this thread is turning: what a waker asks, and what `Handle::current` answers.

use std::cell::RefCell;
use std::sync::Arc;

use crate::Handle;
use crate::remote::Shared;

thread_local! {
    static CURRENT: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Makes a loop current until dropped. Loops may nest: one can be a guest in another.
pub(crate) struct Entered {
    outer: Option<Handle>,
}

pub(crate) fn enter(handle: &Handle) -> Entered {
    Entered {
        outer: CURRENT.replace(Some(handle.clone())),
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let inner = CURRENT.replace(self.outer.take());
        drop(inner);
    }
}

/// Whether this thread is turning the loop of `shared`.
pub(crate) fn is_turning(shared: &Arc<Shared>) -> bool {
    with_current(|handle| Arc::ptr_eq(&handle.inner().shared, shared)) == Some(true)
}

/// Runs `f` with the loop that this thread is turning. `None` outside of a turn, and while the
/// thread is ending.
pub(crate) fn with_current<R>(f: impl FnOnce(&Handle) -> R) -> Option<R> {
    CURRENT
        .try_with(|current| current.borrow().as_ref().map(f))
        .ok()
        .flatten()
}
