//! Panics of callbacks, tasks and sources: caught, reported, and the loop lives on.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What was running when it panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A callback of `add_callback`, `call_later`, `call_at` or of another thread.
    Callback,
    /// A task of `spawn`, whose join handle was dropped, or of `spawn_detached`.
    Task,
    /// A handler of `add_handler`, or another source.
    Source,
    /// A source at the end of a turn.
    TurnEnd,
}

/// A panic that the loop has caught; see
/// [`Handle::set_exception_handler`](crate::Handle::set_exception_handler).
pub struct Exception {
    /// What was running.
    pub origin: Origin,
    /// What it panicked with.
    pub payload: Box<dyn Any + Send>,
}

impl Exception {
    /// The panic's message, if it was text.
    pub fn message(&self) -> &str {
        panic_text(&*self.payload)
    }
}

impl fmt::Debug for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exception")
            .field("origin", &self.origin)
            .field("message", &self.message())
            .finish()
    }
}

pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without text"
    }
}

/// Runs `f`. Whatever it owned when it panicked is dropped with it, so nothing half-changed is
/// looked at again by the loop; cells of the user are the user's.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f))
}
