//! Panics of callbacks, tasks and sources: caught, reported, and the loop lives on.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::Handle;

/// What was running when it panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A callback of `add_callback`, `call_later`, `call_at` or of another thread.
    Callback,
    /// A task of `spawn_detached`, or of `spawn` if nobody waits for its end; or a destructor of
    /// what a task owned.
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

impl Handle {
    /// Replaces what happens with a panic that the loop has caught. The default logs it at level
    /// error, target `squall::ioloop`. The handler may call [`Self::stop`]; if it panics itself,
    /// that is logged and nothing more.
    pub fn set_exception_handler(&self, handler: impl Fn(&Self, Exception) + 'static) {
        self.inner()
            .exception_handler
            .replace(Some(Rc::new(handler)));
    }

    /// Runs code of others. A panic costs what panicked and nothing else.
    pub(crate) fn guard(&self, origin: Origin, f: impl FnOnce()) {
        if let Err(payload) = catch(f) {
            self.report(Exception { origin, payload });
        }
    }

    /// Drops what others own, one at a time: the destructors are code of others too.
    pub(crate) fn drop_guarded<T>(&self, origin: Origin, values: impl IntoIterator<Item = T>) {
        for value in values {
            self.guard(origin, move || drop(value));
        }
    }

    pub(crate) fn report(&self, exception: Exception) {
        let handler = self.inner().exception_handler.borrow().clone();
        let reported = catch(move || match handler {
            Some(handler) => handler(self, exception),
            None => tracing::error!(
                target: "squall::ioloop",
                origin = ?exception.origin,
                "uncaught panic: {}",
                exception.message()
            ),
        });
        if let Err(payload) = reported {
            tracing::error!(
                target: "squall::ioloop",
                "the exception handler panicked: {}",
                panic_text(&*payload)
            );
            // A payload whose destructor panics must not end the loop at last.
            std::mem::forget(payload);
        }
    }
}
