//! What an open loop found: how long each answer took.

use std::fmt;
use std::time::Duration;

/// Times of a window, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    nanoseconds: Vec<u64>,
}

impl Latencies {
    pub(crate) fn add(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.push(nanoseconds);
    }

    pub(crate) fn quantiles(mut self) -> Quantiles {
        self.nanoseconds.sort_unstable();
        let at = |share: f64| -> f64 {
            let rank = (self.nanoseconds.len() as f64 * share).ceil() as usize;
            let time = self.nanoseconds.get(rank.saturating_sub(1));
            time.map_or(0.0, |nanoseconds| *nanoseconds as f64 / 1e3)
        };
        Quantiles {
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
        }
    }
}

/// Times that half, 99% and 99.9% of all answers did not exceed, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantiles {
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            p50_us,
            p99_us,
            p999_us,
        } = self;
        write!(
            f,
            "p50_us={p50_us:.1} p99_us={p99_us:.1} p999_us={p999_us:.1}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_time_that_so_many_did_not_exceed() {
        let mut latencies = Latencies::default();
        for us in (1..=1000).rev() {
            latencies.add(Duration::from_micros(us));
        }
        let expected = Quantiles {
            p50_us: 500.0,
            p99_us: 990.0,
            p999_us: 999.0,
        };
        assert_eq!(latencies.quantiles(), expected);
    }

    #[test]
    fn no_answers_have_no_latency() {
        assert_eq!(Latencies::default().quantiles().p99_us, 0.0);
    }
}
