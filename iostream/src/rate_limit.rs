//! Token buckets: how fast a stream, or a group of them, may read or send.
//!
//! A bucket hands out *grants*: so many bytes, from then on. One that is asked for more than it has
//! promises the bytes for later, in the order of asking. So nobody has to be woken to look again,
//! and streams that share a bucket take turns: none has more than one grant at a time.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A rate in bytes per second, for one stream or for all that share it: a token bucket.
///
/// Give it to [`set_read_rate`](crate::StreamHandle::set_read_rate) or
/// [`set_write_rate`](crate::StreamHandle::set_write_rate); a clone is the same bucket, from which
/// all streams of a group take. In any time `t`, at most `burst + t * bytes_per_second` bytes go,
/// and of streams that always want more each has an equal share. A stream that has to wait does so
/// on a timer of its loop.
///
/// The streams that share one have to be on one loop.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{RateLimit, memory};
/// use std::time::Duration;
///
/// let ioloop = IoLoop::builder().virtual_clock().build()?;
/// let (mut ours, theirs) = memory::pair(&ioloop, memory::Options::default());
/// let everybody = RateLimit::new(1_000_000);
/// let slow = RateLimit::new(1_000).with_burst(1_000).within(&everybody);
/// ours.set_read_rate(Some(slow));
/// theirs.write(&[b'x'; 5_000])?;
/// let began_at = ioloop.now();
/// ioloop.run_until(ours.read_bytes(5_000))??;
/// assert_eq!(ioloop.now() - began_at, Duration::from_secs(4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RateLimit(Rc<Bucket>);

struct Bucket {
    bytes_per_second: u64,
    burst: u64,
    parent: Option<RateLimit>,
    /// When its count began: with the first that asked.
    began_at: Cell<Option<Instant>>,
    /// Up to which byte all is promised, of those that have flowed in since then.
    promised: Cell<u64>,
}

/// A grant is at least this part of a second's bytes, so that a slow stream does not wake for each
/// byte.
const GRANTS_PER_SECOND: u64 = 20;

impl RateLimit {
    /// A rate with a burst of a tenth of a second's bytes.
    ///
    /// # Panics
    /// When the rate is 0.
    pub fn new(bytes_per_second: u64) -> Self {
        assert!(bytes_per_second > 0, "a rate of nothing never ends");
        Self(Rc::new(Bucket {
            bytes_per_second,
            burst: (bytes_per_second / 10).max(1),
            parent: None,
            began_at: Cell::new(None),
            promised: Cell::new(0),
        }))
    }

    /// A fresh bucket as this one, which holds `bytes` when it is full: what may go at once after
    /// a rest, and at the beginning. At least 1.
    #[must_use]
    pub fn with_burst(self, bytes: u64) -> Self {
        self.with(|bucket| bucket.burst = bytes.max(1))
    }

    /// A fresh bucket as this one, whose bytes are taken from `group` too: a stream's share
    /// within a group's.
    #[must_use]
    pub fn within(self, group: &Self) -> Self {
        self.with(|bucket| bucket.parent = Some(group.clone()))
    }

    fn with(self, change: impl FnOnce(&mut Bucket)) -> Self {
        let mut bucket = Bucket {
            bytes_per_second: self.0.bytes_per_second,
            burst: self.0.burst,
            parent: self.0.parent.clone(),
            began_at: Cell::new(None),
            promised: Cell::new(0),
        };
        change(&mut bucket);
        Self(Rc::new(bucket))
    }

    /// The rate.
    pub fn bytes_per_second(&self) -> u64 {
        self.0.bytes_per_second
    }

    /// Promises some bytes, at most `wanted`, at least one.
    fn reserve(&self, now: Instant, wanted: usize) -> Grant {
        let free = |limit: &Self| limit.0.free(now);
        let least = self.chain().map(free).min().unwrap_or(u64::MAX);
        let bytes = least.min(wanted.max(1) as u64);
        let ready_at = self.chain().map(|limit| limit.0.promise(now, bytes)).max();
        Grant {
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            ready_at: ready_at.unwrap_or(now),
        }
    }

    /// Takes back what was granted and not used.
    fn give_back(&self, bytes: usize) {
        for limit in self.chain() {
            let promised = limit.0.promised.get();
            limit.0.promised.set(promised.saturating_sub(bytes as u64));
        }
    }

    /// This one and those it is within.
    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |limit| limit.0.parent.as_ref())
    }
}

impl Bucket {
    /// How many bytes have flowed in.
    fn flowed(&self, now: Instant) -> u64 {
        let began_at = self.began_at.get().unwrap_or(now);
        self.began_at.set(Some(began_at));
        let nanos = now.saturating_duration_since(began_at).as_nanos();
        let bytes = nanos.saturating_mul(self.bytes_per_second.into()) / 1_000_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// How many bytes it would grant: what is in it, or what is worth waiting for.
    fn free(&self, now: Instant) -> u64 {
        let flowed = self.flowed(now);
        // What nobody has taken flows over.
        self.promised.set(self.promised.get().max(flowed));
        let held = (flowed.saturating_add(self.burst)).saturating_sub(self.promised.get());
        held.max((self.bytes_per_second / GRANTS_PER_SECOND).clamp(1, self.burst))
    }

    /// Returns when the bytes will have flowed in.
    fn promise(&self, now: Instant, bytes: u64) -> Instant {
        let promised = self.promised.get().saturating_add(bytes);
        self.promised.set(promised);
        let due = u128::from(promised.saturating_sub(self.burst));
        let nanos = (due * 1_000_000_000).div_ceil(self.bytes_per_second.into());
        let after = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let began_at = self.began_at.get().unwrap_or(now);
        began_at.checked_add(after).map_or(now, |at| at.max(now))
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("bytes_per_second", &self.0.bytes_per_second)
            .field("burst", &self.0.burst)
            .field("within", &self.0.parent)
            .finish()
    }
}

/// So many bytes, from then on.
#[derive(Clone, Copy)]
struct Grant {
    bytes: usize,
    ready_at: Instant,
}

/// One direction of a stream: its limit, and the grant that it holds. What it holds when it is
/// dropped goes back to the bucket.
#[derive(Default)]
pub(crate) struct Throttle {
    limit: Option<RateLimit>,
    grant: Option<Grant>,
}

impl Throttle {
    pub(crate) fn new(limit: Option<RateLimit>) -> Self {
        let grant = None;
        Self { limit, grant }
    }

    /// How many bytes may go now; or when some may.
    pub(crate) fn allowed(&mut self, now: Instant, wanted: usize) -> Result<usize, Instant> {
        let Some(limit) = &self.limit else {
            return Ok(usize::MAX);
        };
        let grant = *self.grant.get_or_insert_with(|| limit.reserve(now, wanted));
        if grant.ready_at <= now {
            Ok(grant.bytes)
        } else {
            Err(grant.ready_at)
        }
    }

    /// How many bytes may go, after `allowed` has said that some may.
    pub(crate) fn granted(&self) -> usize {
        self.grant.map_or(usize::MAX, |grant| grant.bytes)
    }

    /// When it may go on, if it has been told to wait.
    pub(crate) fn ready_at(&self) -> Option<Instant> {
        self.grant.map(|grant| grant.ready_at)
    }

    /// So many bytes went. The rest of the grant goes back.
    pub(crate) fn settle(&mut self, used: usize) {
        if let (Some(limit), Some(grant)) = (&self.limit, self.grant.take()) {
            limit.give_back(grant.bytes.saturating_sub(used));
        }
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        self.settle(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::XorShift;

    const SECOND: Duration = Duration::from_secs(1);

    /// Streams that take whatever they may, for ten seconds; returns what each has taken.
    fn run(throttles: &mut [Throttle], wants: usize) -> Vec<usize> {
        let start = Instant::now();
        let mut taken = vec![0; throttles.len()];
        let mut due = vec![start; throttles.len()];
        while let Some((index, now)) = due.iter().copied().enumerate().min_by_key(|(_, at)| *at) {
            if now >= start + SECOND * 10 {
                return taken;
            }
            match throttles[index].allowed(now, wants) {
                Ok(bytes) => {
                    throttles[index].settle(bytes);
                    taken[index] += bytes;
                }
                Err(at) => {
                    assert!(at > now);
                    due[index] = at;
                }
            }
        }
        taken
    }

    #[test]
    fn a_stream_takes_its_burst_and_then_its_rate() {
        for rate in [1, 7, 1_000, 123_456_789, 20_000_000_000] {
            for burst in [1, 100, 1_000_000, 100_000_000] {
                if burst * 1_000 < rate {
                    continue; // a thousand grants a second are tested enough
                }
                let limit = RateLimit::new(rate).with_burst(burst);
                let taken = run(&mut [Throttle::new(Some(limit))], usize::MAX)[0] as u64;
                let most = burst + 10 * rate;
                let grant = (rate / GRANTS_PER_SECOND).clamp(1, burst);
                assert!(taken <= most, "{taken} of {most}");
                assert!(taken + grant >= most, "{taken} of {most}");
            }
        }
    }

    #[test]
    fn a_group_shares_equally_whoever_asks_first() {
        let group = RateLimit::new(10_000);
        let mut throttles: Vec<_> = (0..7).map(|_| Throttle::new(Some(group.clone()))).collect();
        let taken = run(&mut throttles, 65_536);
        let (least, most) = (taken.iter().min(), taken.iter().max());
        // One of them has had the burst.
        assert!(
            most.zip(least)
                .is_some_and(|(most, least)| most - least <= 1_500),
            "{taken:?}"
        );
        assert!(taken.iter().sum::<usize>() <= 101_000);
        assert!(taken.iter().sum::<usize>() >= 97_000);
    }

    #[test]
    fn a_limit_within_another_heeds_both() {
        let group = RateLimit::new(1_000).with_burst(1);
        let slow = RateLimit::new(100).with_burst(1).within(&group);
        let mut throttles = [
            Throttle::new(Some(slow)),
            Throttle::new(Some(group.clone())),
        ];
        let taken = run(&mut throttles, 65_536);
        assert!((980..=1_002).contains(&taken[0]), "{taken:?}");
        assert!((8_900..=9_022).contains(&taken[1]), "{taken:?}");
    }

    #[test]
    fn what_is_not_used_goes_back() {
        let limit = RateLimit::new(1_000).with_burst(500);
        let now = Instant::now();
        let mut random = XorShift(3);
        let mut used = 0;
        let mut throttle = Throttle::new(Some(limit.clone()));
        while let Ok(bytes) = throttle.allowed(now, 100) {
            let part = random.below(bytes + 1);
            throttle.settle(part);
            used += part;
        }
        assert!((450..=500).contains(&used), "{used}");
        // It waits with a grant in its hands, and goes.
        drop(throttle);
        let mut next = Throttle::new(Some(limit));
        let missing = 50 - (500 - used) as u64;
        let ready_at = next.allowed(now, 1_000).err();
        assert_eq!(ready_at, Some(now + Duration::from_millis(missing)));
    }

    #[test]
    fn a_rest_fills_the_bucket_and_no_more() {
        let limit = RateLimit::new(1_000).with_burst(500);
        let now = Instant::now();
        let mut throttle = Throttle::new(Some(limit));
        for later in [0, 1, 1_000_000] {
            let now = now + SECOND * later;
            let mut taken = 0;
            while let Ok(bytes) = throttle.allowed(now, 70) {
                throttle.settle(bytes);
                taken += bytes;
            }
            throttle.settle(0);
            // The last ten are worth waiting for others.
            assert_eq!(taken, 490);
        }
    }
}
