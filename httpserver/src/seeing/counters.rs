//! The counts of one server on one loop, as they grow: cells, without locks. What others see of
//! them is made in `metrics.rs`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use http::StatusCode;

use super::histogram::Latencies;

/// Causes of rejects that are told apart. They are variants of the codec's errors, of which there
/// are fewer; the bound makes sure of it.
const CAUSES_MAX: usize = 96;

#[derive(Default)]
pub(super) struct Counters {
    pub(super) accepted: Cell<u64>,
    pub(super) in_flight: Cell<u64>,
    pub(super) incomplete: Cell<u64>,
    /// By the first digit of the status; what has another than 1 to 5 is with the last.
    pub(super) classes: [Cell<u64>; 5],
    pub(super) bytes_received: Cell<u64>,
    pub(super) bytes_sent: Cell<u64>,
    pub(super) latencies: Latencies,
    rejects: RefCell<BTreeMap<Box<str>, u64>>,
}

pub(super) fn add(cell: &Cell<u64>, count: u64) {
    cell.set(cell.get().wrapping_add(count));
}

pub(super) fn subtract(cell: &Cell<u64>, count: u64) {
    debug_assert!(cell.get() >= count, "what ends has begun");
    cell.set(cell.get().wrapping_sub(count));
}

impl Counters {
    #[inline]
    pub(super) fn note_status(&self, status: StatusCode) {
        // Without a division: comparisons, of which the first mostly holds.
        let class = match status.as_u16() {
            200..=299 => 1,
            300..=399 => 2,
            400..=499 => 3,
            100..=199 => 0,
            _ => 4,
        };
        add(&self.classes[class], 1);
    }

    pub(super) fn reject(&self, cause: &str) {
        let mut rejects = self.rejects.borrow_mut();
        if let Some(count) = rejects.get_mut(cause) {
            *count += 1;
            return;
        }
        let cause = if rejects.len() < CAUSES_MAX {
            cause
        } else {
            "other"
        };
        *rejects.entry(cause.into()).or_default() += 1;
    }

    pub(super) fn rejects(&self) -> BTreeMap<String, u64> {
        let rejects = self.rejects.borrow();
        let owned = rejects
            .iter()
            .map(|(cause, count)| (String::from(&**cause), *count));
        owned.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_bounded_in_number_and_none_is_lost() {
        let counters = Counters::default();
        for index in 0..1000 {
            counters.reject(&format!("cause_{index}"));
        }
        counters.reject("cause_0");
        let rejects = counters.rejects();
        assert_eq!(rejects.len(), CAUSES_MAX + 1);
        assert_eq!(rejects["cause_0"], 2);
        assert_eq!(rejects["other"], 1000 - CAUSES_MAX as u64);
    }

    #[test]
    fn a_status_is_counted_by_its_first_digit() {
        let counters = Counters::default();
        for status in [101, 200, 206, 304, 404, 503, 999] {
            counters.note_status(StatusCode::from_u16(status).expect("a status"));
        }
        assert_eq!(counters.classes.each_ref().map(Cell::get), [1, 2, 1, 1, 2]);
    }
}
