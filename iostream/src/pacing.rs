//! How fast connections are accepted: a token bucket, kept as one instant.

use std::time::{Duration, Instant};

/// A bucket of tokens that fills at a steady rate. Instead of counting tokens it remembers when
/// the bucket will be full again (the generic cell rate algorithm): one subtraction, no drift.
#[derive(Debug)]
pub(crate) struct Pacing {
    /// What one token takes to come back.
    interval: Duration,
    /// What the whole bucket takes.
    depth: Duration,
    full_at: Option<Instant>,
}

impl Pacing {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self {
            interval,
            depth: interval * burst.max(1),
            full_at: None,
        }
    }

    /// How long until there is a token; zero if there is one.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        let filled_at = self.full_at.map_or(now, |full_at| full_at.max(now)) + self.interval;
        filled_at
            .saturating_duration_since(now)
            .saturating_sub(self.depth)
    }

    pub(crate) fn take(&mut self, now: Instant) {
        self.full_at = Some(self.full_at.map_or(now, |full_at| full_at.max(now)) + self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let begin = Instant::now();
        let mut pacing = Pacing::new(10, 3);
        for _ in 0..3 {
            assert_eq!(pacing.wait(begin), Duration::ZERO);
            pacing.take(begin);
        }
        assert_eq!(pacing.wait(begin), Duration::from_millis(100));
        let next = begin + Duration::from_millis(100);
        assert_eq!(pacing.wait(next), Duration::ZERO);
        pacing.take(next);
        assert_eq!(pacing.wait(next), Duration::from_millis(100));
        // However long it was unused, no more than a burst has gathered.
        let later = begin + Duration::from_secs(3600);
        for _ in 0..3 {
            assert_eq!(pacing.wait(later), Duration::ZERO);
            pacing.take(later);
        }
        assert!(pacing.wait(later) > Duration::ZERO);
    }
}
