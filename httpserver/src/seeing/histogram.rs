//! Latencies in buckets whose bounds double: one increment for each request, and bounded memory
//! whatever the latencies are.

use std::cell::Cell;
use std::time::Duration;

/// The first bucket's bound.
const LEAST_MICROS: u64 = 16;
/// Buckets with a bound: the last one's is 134 s. Behind them is one without.
const BOUNDED: usize = 24;

/// How long requests took, in 25 buckets.
///
/// Their upper bounds are 16 us, 32 us and so on, twice the one before each, up to 134 s; the last
/// bucket has none. So a quantile is known to a factor of two, from a microsecond's answer to a
/// long poll.
///
/// ```
/// use squall_httpserver::Histogram;
/// let histogram = Histogram::default();
/// assert_eq!(histogram.count(), 0);
/// assert_eq!(histogram.quantile(0.99), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BOUNDED + 1],
    sum: Duration,
}

impl Histogram {
    /// How many requests there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of their latencies.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// Each bucket's upper bound, inclusive, and how many were in it and not in the one before;
    /// the last has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = (0..=BOUNDED).map(|index| (index < BOUNDED).then(|| bound(index)));
        bounds.zip(self.counts)
    }

    /// A latency that this part of all requests did not pass, as far as the buckets know: the
    /// bound of the one in which that request was. `None` where there was no request, and beyond
    /// the last bound.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let total = self.count();
        // At least one, so that the quantile 0 is the first bucket that holds any.
        let rank = ((total as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        for (bound, count) in self.buckets() {
            seen += count;
            if seen >= rank {
                return bound;
            }
        }
        None
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }
}

fn bound(index: usize) -> Duration {
    Duration::from_micros(LEAST_MICROS << index)
}

/// The same while it grows.
#[derive(Default)]
pub(super) struct Latencies {
    counts: [Cell<u64>; BOUNDED + 1],
    nanos: Cell<u64>,
}

impl Latencies {
    /// For a request that was answered at once.
    #[inline]
    pub(super) fn note_none(&self) {
        self.counts[0].set(self.counts[0].get() + 1);
    }

    pub(super) fn note(&self, latency: Duration) {
        let seconds = latency.as_secs();
        let rest = latency.subsec_nanos();
        let micros = seconds.saturating_mul(1_000_000);
        let count = &self.counts[index_of(micros.saturating_add(u64::from(rest.div_ceil(1000))))];
        count.set(count.get() + 1);
        let nanos = seconds.saturating_mul(1_000_000_000);
        let nanos = nanos.saturating_add(u64::from(rest));
        self.nanos.set(self.nanos.get().saturating_add(nanos));
    }

    pub(super) fn snapshot(&self) -> Histogram {
        Histogram {
            counts: std::array::from_fn(|index| self.counts[index].get()),
            sum: Duration::from_nanos(self.nanos.get()),
        }
    }
}

/// The bucket of a latency: of the first bound that it does not pass.
fn index_of(micros: u64) -> usize {
    let units = micros.div_ceil(LEAST_MICROS);
    // The number of doublings until one unit is as many.
    let doublings = u64::BITS - units.saturating_sub(1).leading_zeros();
    (doublings as usize).min(BOUNDED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(latency: Duration, expected: Option<Duration>) {
        let latencies = Latencies::default();
        latencies.note(latency);
        let histogram = latencies.snapshot();
        assert_eq!(histogram.quantile(1.0), expected, "{latency:?}");
        assert_eq!((histogram.count(), histogram.sum()), (1, latency));
    }

    #[test]
    fn a_latency_is_in_the_first_bucket_whose_bound_it_does_not_pass() {
        check(Duration::ZERO, Some(Duration::from_micros(16)));
        check(Duration::from_micros(16), Some(Duration::from_micros(16)));
        check(
            Duration::from_nanos(16_001),
            Some(Duration::from_micros(32)),
        );
        check(Duration::from_micros(32), Some(Duration::from_micros(32)));
        check(Duration::from_micros(33), Some(Duration::from_micros(64)));
        check(Duration::from_millis(1), Some(Duration::from_micros(1024)));
    }

    #[test]
    fn every_bound_belongs_to_its_bucket_and_what_is_behind_it_to_the_next() {
        for index in 0..BOUNDED {
            let micros = LEAST_MICROS << index;
            assert_eq!(index_of(micros), index);
            assert_eq!(index_of(micros + 1), index + 1);
        }
    }

    #[test]
    fn what_is_beyond_the_last_bound_is_counted_and_has_none() {
        check(Duration::from_secs(134), Some(bound(BOUNDED - 1)));
        check(Duration::from_secs(135), None);
        check(Duration::from_nanos(u64::MAX), None);
    }

    #[test]
    fn a_quantile_is_the_bound_of_the_bucket_in_which_it_lies() {
        let latencies = Latencies::default();
        for _ in 0..90 {
            latencies.note_none();
        }
        for _ in 0..10 {
            latencies.note(Duration::from_millis(3));
        }
        let histogram = latencies.snapshot();
        assert_eq!(histogram.quantile(0.0), Some(Duration::from_micros(16)));
        assert_eq!(histogram.quantile(0.9), Some(Duration::from_micros(16)));
        assert_eq!(histogram.quantile(0.91), Some(Duration::from_micros(4096)));
        let mut twice = histogram.clone();
        twice.add(&histogram);
        assert_eq!(twice.count(), 200);
        assert_eq!(twice.sum(), Duration::from_millis(60));
    }
}
