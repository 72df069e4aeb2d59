//! What was set on a stream, on its way to the next one over the same transport.

use std::rc::Rc;
use std::time::Instant;

use crate::MemoryBudget;
use crate::core::Core;
use crate::error::Interruption;
use crate::extras::Watermarks;
use crate::guards::Watch;
use crate::rate_limit::Throttle;

/// Its deadline, and what is in its extras if it has any.
pub(crate) struct Settings {
    deadline: Option<Instant>,
    rare: Option<Rare>,
}

/// Moved and not copied: a guard goes on where it was, and so does a rate.
pub(crate) struct Rare {
    pub(crate) watermarks: Watermarks,
    pub(crate) unsent_bytes_max: usize,
    pub(crate) watch: Option<Watch>,
    pub(crate) reading: Throttle,
    pub(crate) writing: Throttle,
    pub(crate) budget: Option<MemoryBudget>,
}

impl Core {
    /// For a stream that is about to be taken apart.
    pub(crate) fn take_settings(&self) -> Settings {
        let has_passed = self.is_interrupted_by(Interruption::Deadline);
        let deadline = if has_passed {
            Some(self.ioloop.now())
        } else {
            self.token().and_then(|token| self.ioloop.deadline(token))
        };
        Settings {
            deadline,
            rare: self.take_rare(),
        }
    }

    /// For its successor, which has so many bytes unread.
    pub(crate) fn put_settings(self: &Rc<Self>, settings: Settings, unread: usize) {
        if let Some(deadline) = settings.deadline {
            self.set_deadline(Some(deadline.saturating_duration_since(self.ioloop.now())));
        }
        if let Some(rare) = settings.rare {
            self.put_rare(rare, unread);
        }
    }
}
