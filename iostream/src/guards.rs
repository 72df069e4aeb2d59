//! What a stream asks of its peer, and the watch that is kept over it. No clock is asked here, and
//! no timer set: times come in, and the time of the next look goes out.

use std::time::{Duration, Instant};

use crate::error::Interruption;

/// What a stream asks of its peer, for
/// [`StreamHandle::set_guards`](crate::StreamHandle::set_guards). The default asks nothing.
///
/// What a reader is told leaves the stream open, so that it can still answer; a peer that takes no
/// answers is cut off. They cost nothing per byte: what a read or a write does is to note the time
/// of its turn.
///
/// Over TLS a byte counts when its record is whole, 16 KiB at most: leave a slow peer the time for
/// one.
///
/// ```
/// use squall_iostream::{Guards, MinRate};
/// use std::time::Duration;
///
/// let upload = Guards {
///     timeout_stall: Some(Duration::from_secs(30)),
///     timeout_total: Some(Duration::from_secs(3600)),
///     rate_min: Some(MinRate { bytes_per_second: 1_000, ..MinRate::default() }),
///     ..Guards::default()
/// };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// How long nothing may be read and nothing sent, before the read or the wait that is pending,
    /// or else the next that has to wait, ends with
    /// [`StreamError::Idle`](crate::StreamError::Idle), unless something goes before anybody is
    /// told. Then it counts anew. Default: for ever, since only the application knows what its
    /// peers do.
    pub timeout_idle: Option<Duration>,
    /// How long all may take, from the setting of the guards on; then a read or a wait ends, in
    /// the same way, with [`StreamError::Expired`](crate::StreamError::Expired), once. Default: for
    /// ever.
    pub timeout_total: Option<Duration>,
    /// How long the peer may take nothing of what is unsent; then the stream is closed, with
    /// [`CutOff::WriteStalled`](crate::CutOff::WriteStalled). It does not count while the stream's
    /// own rate holds the bytes back. Default: for ever.
    pub timeout_stall: Option<Duration>,
    /// How fast the peer has to send while a reader waits for it; else the read ends with
    /// [`StreamError::TooSlow`](crate::StreamError::TooSlow). Default: as slowly as it likes.
    pub rate_min: Option<MinRate>,
}

/// A minimum rate of input. The time counts during which a reader waits for the peer, and no
/// other: a peer is not slow while the application is.
///
/// The defaults are those of Kestrel's `MinRequestBodyDataRate`: slower than any modem, and faster
/// than those who hold connections open for their own sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinRate {
    /// The rate, in bytes per second. Default 240.
    pub bytes_per_second: u64,
    /// Over how long it is measured, again and again. Default 5 seconds.
    pub period: Duration,
    /// How long it is not measured at first. Default 5 seconds.
    pub grace: Duration,
}

impl Default for MinRate {
    fn default() -> Self {
        Self {
            bytes_per_second: 240,
            period: Duration::from_secs(5),
            grace: Duration::from_secs(5),
        }
    }
}

/// The loop's timers count in milliseconds. A guard of less would fire in every turn.
const SHORTEST: Duration = Duration::from_millis(1);

/// What the watch has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// To be told to the one who waits.
    Interrupt(Interruption),
    /// The stream is to be closed.
    Stalled(Duration),
}

/// The watch over one stream.
pub(crate) struct Watch {
    guards: Guards,
    active_at: Instant,
    /// When all is over, unless it has been told.
    expires_at: Option<Instant>,
    /// Since when the peer could have taken something.
    stalled_since: Option<Instant>,
    period: Period,
}

/// The minimum rate's present period.
struct Period {
    is_grace: bool,
    /// Since when the reader has been waiting, if it is.
    waiting_since: Option<Instant>,
    /// How long it had been waiting before that.
    waited: Duration,
    came: u64,
}

impl Watch {
    pub(crate) fn new(guards: Guards, now: Instant) -> Self {
        let expires_at = guards
            .timeout_total
            .and_then(|total| now.checked_add(total));
        Self {
            guards,
            active_at: now,
            expires_at,
            stalled_since: None,
            period: Period::new(true, None),
        }
    }

    /// A reader waits for the peer.
    pub(crate) fn on_wait(&mut self, now: Instant) {
        self.period.waiting_since.get_or_insert(now);
    }

    /// The peer is not waited for any more: something of it is here.
    pub(crate) fn on_arrival(&mut self, now: Instant) {
        if let Some(since) = self.period.waiting_since.take() {
            self.period.waited += now.saturating_duration_since(since);
        }
    }

    pub(crate) fn on_read(&mut self, count: usize, now: Instant) {
        self.active_at = now;
        self.on_arrival(now);
        self.period.came += count as u64;
    }

    /// Some of what was unsent has gone, or none; and there is more for the peer to take, or not.
    pub(crate) fn on_sent(&mut self, count: usize, waits_for_peer: bool, now: Instant) {
        if count > 0 {
            self.active_at = now;
        }
        match waits_for_peer {
            false => self.stalled_since = None,
            true if count > 0 => self.stalled_since = Some(now),
            true => _ = self.stalled_since.get_or_insert(now),
        }
    }

    /// When to look next, if ever.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        let times = [
            self.idle_at(),
            self.expires_at,
            self.stalled_at(),
            self.judged_at(),
        ];
        times.into_iter().flatten().min()
    }

    /// What there is to say now, one thing at a time; then the watch goes on from here.
    pub(crate) fn look(&mut self, now: Instant) -> Option<Finding> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if let (true, Some(timeout)) = (is_due(self.stalled_at()), self.guards.timeout_stall) {
            return Some(Finding::Stalled(timeout));
        }
        if is_due(self.expires_at) {
            self.expires_at = None;
            return Some(Finding::Interrupt(Interruption::Expired));
        }
        if is_due(self.idle_at()) {
            self.active_at = now;
            return Some(Finding::Interrupt(Interruption::Idle));
        }
        if is_due(self.judged_at()) && self.is_too_slow(now) {
            return Some(Finding::Interrupt(Interruption::TooSlow));
        }
        None
    }

    fn idle_at(&self) -> Option<Instant> {
        let timeout = self.guards.timeout_idle?.max(SHORTEST);
        self.active_at.checked_add(timeout)
    }

    fn stalled_at(&self) -> Option<Instant> {
        self.stalled_since?.checked_add(self.guards.timeout_stall?)
    }

    /// When the present period will be over if the reader waits until then.
    fn judged_at(&self) -> Option<Instant> {
        let rate = self.guards.rate_min?;
        let length = if self.period.is_grace {
            rate.grace
        } else {
            rate.period
        };
        let left = length.max(SHORTEST).saturating_sub(self.period.waited);
        self.period.waiting_since?.checked_add(left)
    }

    /// A period is over: whether too little came in it.
    fn is_too_slow(&mut self, now: Instant) -> bool {
        let Some(rate) = self.guards.rate_min else {
            return false;
        };
        let period = std::mem::replace(&mut self.period, Period::new(false, Some(now)));
        let since = period.waiting_since.unwrap_or(now);
        let waited = period.waited + now.saturating_duration_since(since);
        let due = waited
            .as_nanos()
            .saturating_mul(rate.bytes_per_second.into())
            / 1_000_000_000;
        !period.is_grace && u128::from(period.came) < due
    }
}

impl Period {
    fn new(is_grace: bool, waiting_since: Option<Instant>) -> Self {
        Self {
            is_grace,
            waiting_since,
            waited: Duration::ZERO,
            came: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn watch(guards: Guards) -> (Watch, Instant) {
        let now = Instant::now();
        (Watch::new(guards, now), now)
    }

    #[test]
    fn no_guards_look_never() {
        let (mut watch, now) = watch(Guards::default());
        watch.on_wait(now);
        watch.on_sent(0, true, now);
        assert_eq!(watch.next_look(), None);
        assert_eq!(watch.look(now + SECOND * 1_000_000), None);
    }

    #[test]
    fn a_peer_is_slow_only_while_somebody_waits_for_it() {
        let rate = MinRate {
            bytes_per_second: 10,
            period: SECOND * 4,
            grace: SECOND * 2,
        };
        let guards = Guards {
            rate_min: Some(rate),
            ..Guards::default()
        };
        let (mut watch, mut now) = watch(guards);
        // Two seconds of grace, in which nothing has to come.
        watch.on_wait(now);
        assert_eq!(watch.next_look(), Some(now + SECOND * 2));
        now += SECOND * 2;
        assert_eq!(watch.look(now), None);
        // Forty bytes in four seconds of waiting, and an hour in which nobody waits.
        for _ in 0..4 {
            now += SECOND;
            watch.on_read(10, now);
            assert_eq!(watch.next_look(), None);
            now += SECOND * 3600;
            watch.on_wait(now);
        }
        assert_eq!(watch.next_look(), Some(now));
        assert_eq!(watch.look(now), None);
        // One byte less.
        now += SECOND;
        watch.on_read(39, now);
        watch.on_wait(now);
        assert_eq!(watch.next_look(), Some(now + SECOND * 3));
        now += SECOND * 3;
        let slow = Some(Finding::Interrupt(Interruption::TooSlow));
        assert_eq!(watch.look(now), slow);
        // And again, if the reader goes on.
        assert_eq!(watch.look(now), None);
        assert_eq!(watch.look(now + SECOND * 4), slow);
    }

    #[test]
    fn what_has_a_name_for_nothing_and_for_ever_is_harmless() {
        let rate = MinRate {
            bytes_per_second: u64::MAX,
            period: Duration::ZERO,
            grace: Duration::ZERO,
        };
        let ever = Some(Duration::MAX);
        let guards = Guards {
            timeout_idle: ever,
            timeout_total: ever,
            timeout_stall: ever,
            rate_min: Some(rate),
        };
        let (mut watch, now) = watch(guards);
        watch.on_wait(now);
        watch.on_sent(0, true, now);
        assert_eq!(watch.look(now), None);
        assert_eq!(watch.look(now + SECOND), None);
        let slow = Some(Finding::Interrupt(Interruption::TooSlow));
        assert_eq!(watch.look(now + SECOND * 2), slow);
    }
}
