//! The log lines of refused requests: some in each second, however many are refused, so that a
//! flood of bad requests fills no disk. All of them are counted.

use std::cell::Cell;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(1);
/// Lines in one interval: enough to see what comes from whom, and some MiB an hour.
const LINES_MAX: u32 = 5;

#[derive(Default)]
pub(super) struct Refusals {
    /// When the interval began, and how many lines it has had.
    interval: Cell<(Option<Instant>, u32)>,
    /// Since the last line.
    left_out: Cell<u64>,
    unlogged: Cell<u64>,
}

impl Refusals {
    /// `Some` when a line may be written, with the number of those left out before it.
    pub(super) fn due(&self, now: Instant) -> Option<u64> {
        let (began, lines) = self.interval.get();
        let is_over = began.is_none_or(|began| now.saturating_duration_since(began) >= INTERVAL);
        if is_over {
            self.interval.set((Some(now), 1));
        } else if lines < LINES_MAX {
            self.interval.set((began, lines + 1));
        } else {
            self.left_out.set(self.left_out.get() + 1);
            self.unlogged.set(self.unlogged.get() + 1);
            return None;
        }
        Some(self.left_out.take())
    }

    /// How many had no line so far.
    pub(super) fn unlogged(&self) -> u64 {
        self.unlogged.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_five_lines_and_the_next_says_how_many_were_left_out() {
        let refusals = Refusals::default();
        let begin = Instant::now();
        for _ in 0..5 {
            assert_eq!(refusals.due(begin), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(refusals.due(begin + Duration::from_millis(999)), None);
        }
        assert_eq!(refusals.due(begin + INTERVAL), Some(1000));
        assert_eq!(refusals.due(begin + INTERVAL), Some(0));
        assert_eq!(refusals.due(begin + INTERVAL * 9), Some(0));
        assert_eq!(refusals.unlogged(), 1000);
    }
}
