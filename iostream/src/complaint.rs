//! Log lines that peers can cause: at most one a second, however many of them there are.

use std::cell::Cell;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(1);

/// When the last line of one kind was written, and how many were left out since.
#[derive(Default)]
pub(crate) struct Complaint {
    last: Cell<Option<Instant>>,
    left_out: Cell<u64>,
}

impl Complaint {
    /// `Some` when a line is due, with the number of those left out before it.
    pub(crate) fn due(&self, now: Instant) -> Option<u64> {
        let last = self.last.get();
        if last.is_some_and(|last| now.saturating_duration_since(last) < INTERVAL) {
            self.left_out.set(self.left_out.get() + 1);
            return None;
        }
        self.last.set(Some(now));
        Some(self.left_out.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_one_line_and_the_next_says_how_many_it_stands_for() {
        let complaint = Complaint::default();
        let begin = Instant::now();
        assert_eq!(complaint.due(begin), Some(0));
        for _ in 0..1000 {
            assert_eq!(complaint.due(begin + Duration::from_millis(999)), None);
        }
        assert_eq!(complaint.due(begin + INTERVAL), Some(1000));
        assert_eq!(complaint.due(begin + INTERVAL * 5), Some(0));
    }
}
