//! The loop's clock: the machine's monotonic one, or a virtual one for tests.
//!
//! Deadlines are kept as nanoseconds since the loop was made: one word, compared in one
//! instruction.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Nanoseconds since the loop was made.
pub(crate) type Nanos = u64;

/// A deadline that never comes.
pub(crate) const NEVER: Nanos = u64::MAX;

pub(crate) struct Clock {
    base: Instant,
    now: Cell<Nanos>,
    /// Whether a turn is on: all that happens in one turn happens at the same time. Between turns
    /// the clock is read whenever it is asked; a turn may be long ago.
    is_held: Cell<bool>,
    is_virtual: bool,
}

impl Clock {
    pub(crate) fn new(is_virtual: bool) -> Self {
        Self {
            base: Instant::now(),
            now: Cell::new(0),
            is_held: Cell::new(false),
            is_virtual,
        }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.is_virtual
    }

    pub(crate) fn now(&self) -> Nanos {
        if !self.is_held.get() {
            self.refresh();
        }
        self.now.get()
    }

    /// What the clock shows, whatever the time of this turn is.
    pub(crate) fn read(&self) -> Nanos {
        if self.is_virtual {
            return self.now.get();
        }
        self.nanos_at(Instant::now())
    }

    /// Reads the clock, for the turn that begins.
    pub(crate) fn hold(&self) {
        self.refresh();
        self.is_held.set(true);
    }

    /// The turn is over.
    pub(crate) fn release(&self) {
        self.is_held.set(false);
    }

    /// Virtual time stands still until [`Self::advance_to`].
    fn refresh(&self) {
        if !self.is_virtual {
            self.now.set(self.nanos_at(Instant::now()));
        }
    }

    /// Moves virtual time forward. It never goes back.
    pub(crate) fn advance_to(&self, now: Nanos) {
        debug_assert!(self.is_virtual);
        self.now.set(now.max(self.now.get()));
    }

    fn nanos_at(&self, instant: Instant) -> Nanos {
        nanos_of(instant.saturating_duration_since(self.base))
    }

    pub(crate) fn instant_at(&self, nanos: Nanos) -> Instant {
        self.base + Duration::from_nanos(nanos)
    }

    /// The deadline that lies `after` from now. Enormous durations saturate to [`NEVER`].
    pub(crate) fn deadline_after(&self, after: Duration) -> Nanos {
        self.now().saturating_add(nanos_of(after))
    }

    /// The deadline that lies at `instant`, or now if that has passed: an earlier one would be in
    /// front of all others in every turn, and one that sets itself again would starve them.
    pub(crate) fn deadline_at(&self, instant: Instant) -> Nanos {
        self.nanos_at(instant).max(self.now())
    }
}

fn nanos_of(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}
