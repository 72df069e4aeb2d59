//! How a loop is made.

use std::io;

use crate::{Executor, IoLoop};

/// Settings of a loop that is to be made.
///
/// ```
/// use squall_ioloop::IoLoop;
/// let ioloop = IoLoop::builder().events_max(256).build()?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    pub(crate) events_max: usize,
    pub(crate) has_virtual_clock: bool,
    pub(crate) executor: Option<Executor>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            events_max: 1024,
            has_virtual_clock: false,
            executor: None,
        }
    }
}

impl Builder {
    /// How many events one poll takes from the kernel: what is more waits for the next turn.
    /// Default 1024 (12 KiB of memory). Zero counts as one.
    pub fn events_max(mut self, events: usize) -> Self {
        self.events_max = events.max(1);
        self
    }

    /// Time that stands still while there is work, and jumps to the next deadline when there is
    /// none: for tests without sleeping. Real descriptors still work, but nothing waits for them
    /// while a deadline can be jumped to.
    ///
    /// While the executor works for the loop, time stands still; see
    /// [`run_in_executor`](crate::Handle::run_in_executor).
    ///
    /// On such a loop a wait that nothing can end panics after a second of real time, so that a
    /// test that hangs says so.
    pub fn virtual_clock(mut self) -> Self {
        self.has_virtual_clock = true;
        self
    }

    /// The threads for [`run_in_executor`](crate::Handle::run_in_executor): with other settings, or
    /// shared with other loops. Default: an [`Executor`] of the loop's own with the default
    /// settings.
    pub fn executor(mut self, executor: &Executor) -> Self {
        self.executor = Some(executor.clone());
        self
    }

    /// Makes the loop.
    ///
    /// # Errors
    /// What the system says when there are no descriptors left for the poller and its waker.
    pub fn build(self) -> io::Result<IoLoop> {
        IoLoop::with_settings(&self)
    }
}
