//! Happy eyeballs (RFC 8305): in which order addresses are tried, and when the next one is.
//!
//! ```text
//!   time   0      delay    2 delays
//!   [v6-1] +================== refused, too late to matter
//!   [v4-1]        +======= connected: all others are dropped
//!   [v6-2]               +====
//!   [v4-2]                      (never begun)
//! ```
//!
//! One that fails makes the next begin at once. What an attempt is, is the caller's: here are no
//! sockets. Called by `tcp_client.rs`.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use squall_ioloop::{Sleep, TimedOut, sleep};

use crate::Family;

/// No honest name has more addresses; those beyond it are not tried.
const ADDRESSES_MAX: usize = 100;

/// The order in which addresses are tried (RFC 8305, section 4): families in turn, beginning with
/// `first_count` of the one that comes first. Within a family, the order stays.
pub(crate) fn order(
    mut addresses: Vec<SocketAddr>,
    family: Family,
    first_count: usize,
) -> Vec<SocketAddr> {
    let mut seen = HashSet::new();
    addresses.retain(|address| family.allows(*address) && seen.insert(*address));
    let is_first_v6 = family
        .first_is_v6()
        .or(addresses.first().map(SocketAddr::is_ipv6));
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| Some(address.is_ipv6()) == is_first_v6);
    let mut first = first.into_iter();
    let mut second = second.into_iter();
    let mut ordered: Vec<_> = first.by_ref().take(first_count.max(1)).collect();
    loop {
        let before = ordered.len();
        ordered.extend(second.next());
        ordered.extend(first.next());
        if ordered.len() == before {
            ordered.truncate(ADDRESSES_MAX);
            return ordered;
        }
    }
}

/// When attempts are begun and given up.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// After this, the next is begun beside those that are under way.
    pub(crate) delay: Duration,
    /// But no more than this at once. At least one.
    pub(crate) attempts_max: usize,
    /// After this, the race is over.
    pub(crate) timeout: Duration,
}

/// Nobody has won.
#[derive(Debug)]
pub(crate) struct Lost<A> {
    /// All that were begun, in the order in which they failed; those that were still under way when
    /// the time was over are the last, and timed out.
    pub(crate) attempts: Vec<(A, io::Error)>,
    pub(crate) is_timed_out: bool,
}

/// Runs `attempt` with each of `addresses`, at the pace that is given, until one succeeds. All
/// others are dropped then, as they are with the future itself.
pub(crate) async fn race<A: Clone, T, F: Future<Output = io::Result<T>>>(
    addresses: Vec<A>,
    pace: &Pace,
    attempt: impl FnMut(A) -> F,
) -> Result<T, Lost<A>> {
    let mut race = Race {
        waiting: addresses.into_iter(),
        attempt,
        attempts_max: pace.attempts_max.max(1),
        delay: pace.delay,
        running: Vec::new(),
        failed: Vec::new(),
        until_next: sleep(pace.delay),
    };
    let mut until_end = sleep(pace.timeout);
    let won = poll_fn(|cx| match race.poll(cx) {
        Poll::Ready(result) => Poll::Ready(Ok(result)),
        Poll::Pending => Pin::new(&mut until_end).poll(cx).map(|()| Err(TimedOut)),
    })
    .await;
    match won {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(race.lost(false)),
        Err(TimedOut) => Err(race.lost(true)),
    }
}

struct Race<A, F, B> {
    waiting: std::vec::IntoIter<A>,
    attempt: B,
    attempts_max: usize,
    delay: Duration,
    /// Few, so that all are polled whichever has woken us.
    running: Vec<(A, Pin<Box<F>>)>,
    failed: Vec<(A, io::Error)>,
    until_next: Sleep,
}

impl<A: Clone, T, F: Future<Output = io::Result<T>>, B: FnMut(A) -> F> Race<A, F, B> {
    /// Who has won, or `None` when all have failed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            let failed_before = self.failed.len();
            if let Some(value) = self.poll_running(cx) {
                return Poll::Ready(Some(value));
            }
            let is_due = self.failed.len() > failed_before
                || self.running.is_empty()
                || Pin::new(&mut self.until_next).poll(cx).is_ready();
            if !is_due || self.running.len() >= self.attempts_max {
                return Poll::Pending;
            }
            let Some(address) = self.waiting.next() else {
                break;
            };
            let attempt = Box::pin((self.attempt)(address.clone()));
            self.running.push((address, attempt));
            self.until_next = sleep(self.delay);
        }
        if self.running.is_empty() {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    }

    fn poll_running(&mut self, cx: &mut Context<'_>) -> Option<T> {
        let mut at = 0;
        while let Some((_, attempt)) = self.running.get_mut(at) {
            match attempt.as_mut().poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(Ok(value)) => return Some(value),
                Poll::Ready(Err(error)) => {
                    let (address, attempt) = self.running.remove(at);
                    drop(attempt);
                    self.failed.push((address, error));
                }
            }
        }
        None
    }

    fn lost(self, is_timed_out: bool) -> Lost<A> {
        let mut attempts = self.failed;
        let late = |(address, _)| (address, TimedOut.into());
        attempts.extend(self.running.into_iter().map(late));
        Lost {
            attempts,
            is_timed_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;
    use std::time::Instant;

    use squall_ioloop::IoLoop;

    use super::*;
    use crate::random::XorShift;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const PACE: Pace = Pace {
        delay: ms(250),
        attempts_max: 8,
        timeout: ms(20_000),
    };

    /// What becomes of an attempt, and after how many milliseconds.
    #[derive(Clone, Copy, Debug)]
    enum Fate {
        Connects(u64),
        Fails(u64),
        Dead,
    }
    use Fate::{Connects, Dead, Fails};

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Event {
        Begin,
        Won,
        Fail,
        Drop,
    }
    use Event::{Begin, Fail, Won};

    /// When, what, and which.
    type Line = (u64, Event, usize);

    #[derive(Clone)]
    struct Log {
        ioloop: squall_ioloop::Handle,
        begun_at: Instant,
        lines: Rc<RefCell<Vec<Line>>>,
    }

    impl Log {
        fn push(&self, event: Event, at: usize) {
            let time = self.ioloop.now() - self.begun_at;
            let line = (u64::try_from(time.as_millis()).unwrap(), event, at);
            self.lines.borrow_mut().push(line);
        }
    }

    /// Tells when an attempt is dropped before it is over.
    struct Running {
        log: Log,
        at: usize,
        is_over: Cell<bool>,
    }

    impl Running {
        fn over(&self, event: Event) {
            self.log.push(event, self.at);
            self.is_over.set(true);
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            if !self.is_over.get() {
                self.log.push(Event::Drop, self.at);
            }
        }
    }

    async fn live(at: usize, fate: Fate, log: Log) -> io::Result<usize> {
        log.push(Begin, at);
        let is_over = Cell::new(false);
        let running = Running { log, at, is_over };
        match fate {
            Connects(time) => {
                sleep(ms(time)).await;
                running.over(Won);
                Ok(at)
            }
            Fails(time) => {
                if time > 0 {
                    sleep(ms(time)).await;
                }
                running.over(Fail);
                Err(io::ErrorKind::ConnectionRefused.into())
            }
            Dead => std::future::pending().await,
        }
    }

    /// Runs a race for at most `patience` of virtual time.
    fn run(
        fates: &[Fate],
        pace: &Pace,
        patience: Duration,
    ) -> (Option<Result<usize, Lost<usize>>>, Vec<Line>) {
        let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
        let log = Log {
            ioloop: ioloop.handle().clone(),
            begun_at: ioloop.now(),
            lines: Rc::default(),
        };
        let attempt = |at: usize| live(at, fates[at], log.clone());
        let race = race((0..fates.len()).collect(), pace, attempt);
        let result = ioloop
            .run_until(squall_ioloop::with_timeout(patience, race))
            .unwrap();
        (result.ok(), log.lines.take())
    }

    fn check(fates: &[Fate], expected: &[Line]) -> Option<Result<usize, Lost<usize>>> {
        let (result, lines) = run(fates, &PACE, Duration::MAX);
        assert_eq!(lines, expected, "{fates:?}");
        result
    }

    #[test]
    fn one_address_is_tried_and_wins() {
        let result = check(&[Connects(30)], &[(0, Begin, 0), (30, Won, 0)]);
        assert_eq!(result.unwrap().unwrap(), 0);
    }

    #[test]
    fn rfc8305_5_the_next_begins_beside_one_that_takes_its_time() {
        check(
            &[Dead, Connects(40), Connects(1)],
            &[
                (0, Begin, 0),
                (250, Begin, 1),
                (290, Won, 1),
                (290, Event::Drop, 0),
            ],
        );
        // And the first may win all the same.
        check(
            &[Connects(300), Connects(500)],
            &[
                (0, Begin, 0),
                (250, Begin, 1),
                (300, Won, 0),
                (300, Event::Drop, 1),
            ],
        );
    }

    #[test]
    fn rfc8305_5_one_that_fails_makes_the_next_begin_at_once() {
        check(
            &[Fails(100), Connects(40)],
            &[
                (0, Begin, 0),
                (100, Fail, 0),
                (100, Begin, 1),
                (140, Won, 1),
            ],
        );
        // Also when it fails before it has waited for anything.
        check(
            &[Fails(0), Fails(0), Connects(7)],
            &[
                (0, Begin, 0),
                (0, Fail, 0),
                (0, Begin, 1),
                (0, Fail, 1),
                (0, Begin, 2),
                (7, Won, 2),
            ],
        );
    }

    #[test]
    fn a_failure_begins_the_delay_anew() {
        check(
            &[Dead, Fails(50), Dead, Connects(1)],
            &[
                (0, Begin, 0),
                (250, Begin, 1),
                (300, Fail, 1),
                (300, Begin, 2),
                (550, Begin, 3),
                (551, Won, 3),
                (551, Event::Drop, 0),
                (551, Event::Drop, 2),
            ],
        );
    }

    #[test]
    fn when_all_fail_all_errors_are_told_in_the_order_of_failing() {
        let result = check(
            &[Fails(300), Fails(10)],
            &[
                (0, Begin, 0),
                (250, Begin, 1),
                (260, Fail, 1),
                (300, Fail, 0),
            ],
        );
        let lost = result.unwrap().unwrap_err();
        assert!(!lost.is_timed_out);
        let order: Vec<_> = lost.attempts.iter().map(|(at, _)| *at).collect();
        assert_eq!(order, [1, 0]);
    }

    #[test]
    fn nobody_to_try_is_a_loss() {
        let lost = check(&[], &[]).unwrap().unwrap_err();
        assert!(lost.attempts.is_empty() && !lost.is_timed_out);
    }

    #[test]
    fn the_timeout_ends_all_and_names_those_that_were_under_way() {
        let pace = Pace {
            timeout: ms(600),
            ..PACE
        };
        let (result, lines) = run(&[Dead, Fails(10), Dead, Dead], &pace, Duration::MAX);
        let lost = result.unwrap().unwrap_err();
        assert!(lost.is_timed_out);
        let errors: Vec<_> = lost
            .attempts
            .iter()
            .map(|(at, error)| (*at, error.kind()))
            .collect();
        assert_eq!(
            errors,
            [
                (1, io::ErrorKind::ConnectionRefused),
                (0, io::ErrorKind::TimedOut),
                (2, io::ErrorKind::TimedOut),
                (3, io::ErrorKind::TimedOut)
            ]
        );
        assert_eq!(lines.last(), Some(&(600, Event::Drop, 3)));
    }

    #[test]
    fn a_hundred_dead_addresses_are_not_tried_all_at_once() {
        let (result, lines) = run(&[Dead; 100], &PACE, Duration::MAX);
        assert_eq!(result.unwrap().unwrap_err().attempts.len(), 8);
        let begun: Vec<_> = lines.iter().filter(|line| line.1 == Begin).collect();
        assert_eq!(begun.len(), 8);
        assert_eq!(begun[7], &(1_750, Begin, 7));
        // A place that is free is taken at once, by one that has waited longer than the delay.
        let fates = [[Fails(5_000); 9].as_slice(), &[Connects(1)]].concat();
        let (result, lines) = run(&fates, &PACE, Duration::MAX);
        assert_eq!(result.unwrap().unwrap(), 9);
        assert!(lines.contains(&(5_000, Begin, 8)));
        assert!(lines.contains(&(5_250, Begin, 9)));
    }

    #[test]
    fn a_race_that_is_dropped_drops_all_runners() {
        let (result, lines) = run(&[Dead, Dead, Connects(900)], &PACE, ms(600));
        assert!(result.is_none());
        let dropped = |at| (600, Event::Drop, at);
        assert_eq!(lines[3..], [dropped(0), dropped(1), dropped(2)]);
    }

    #[test]
    fn whatever_becomes_of_them_attempts_keep_to_the_pace() {
        for seed in 1..300 {
            let mut random = XorShift(seed);
            let count = random.below(14);
            let fates: Vec<_> = (0..count)
                .map(|_| match random.below(4) {
                    0 => Connects(random.below(3_000) as u64),
                    1 => Dead,
                    _ => Fails(random.below(1_000) as u64),
                })
                .collect();
            let pace = Pace {
                delay: ms(1 + random.below(400) as u64),
                attempts_max: 1 + random.below(5),
                timeout: ms(5_000),
            };
            let (result, lines) = run(&fates, &pace, Duration::MAX);
            keep_to_the_pace(&pace, &lines);
            let has_won = lines.iter().any(|line| line.1 == Won);
            assert_eq!(result.unwrap().is_ok(), has_won, "seed {seed}");
        }
    }

    fn keep_to_the_pace(pace: &Pace, lines: &[Line]) {
        let delay = u64::try_from(pace.delay.as_millis()).unwrap();
        let (mut begun, mut running, mut won) = (0, 0, 0);
        let mut last_begin = None;
        let mut last_fail = None;
        for (time, event, at) in lines {
            match event {
                Begin => {
                    assert_eq!(*at, begun, "in their order");
                    let is_due = last_begin.is_none_or(|last| *time >= last + delay);
                    assert!(is_due || last_fail == Some(*time), "{lines:?}");
                    assert_eq!(won, 0);
                    last_begin = Some(*time);
                    begun += 1;
                    running += 1;
                    assert!(running <= pace.attempts_max, "{lines:?}");
                }
                Fail => {
                    last_fail = Some(*time);
                    running -= 1;
                }
                Won => {
                    won += 1;
                    running -= 1;
                }
                Event::Drop => running -= 1,
            }
        }
        assert_eq!(running, 0, "each ends once: {lines:?}");
        assert!(won <= 1);
    }

    #[test]
    fn rfc8305_4_families_alternate_and_keep_their_order() {
        let check = |input: &str, family, first_count, expected: &str| {
            // `6a` is an IPv6 address, `4a` an IPv4 one.
            let parse = |name: &str| -> SocketAddr {
                let last = name.as_bytes()[1];
                if name.starts_with('6') {
                    ([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)], 80).into()
                } else {
                    ([10, 0, 0, last], 80).into()
                }
            };
            let addresses = input.split_whitespace().map(parse).collect();
            let expected: Vec<_> = expected.split_whitespace().map(parse).collect();
            assert_eq!(order(addresses, family, first_count), expected, "{input}");
        };
        check("6a 6b 4a 4b", Family::Any, 1, "6a 4a 6b 4b");
        check("4a 6a 6b 6c", Family::Any, 1, "4a 6a 6b 6c");
        check("4a 4b 4c 6a", Family::Any, 1, "4a 6a 4b 4c");
        check("6a 6b 6c 4a 4b", Family::Any, 2, "6a 6b 4a 6c 4b");
        check("6a 6b", Family::Any, 5, "6a 6b");
        check("6a 4a", Family::Any, 0, "6a 4a");
        check("6a 4a 6b", Family::V4First, 1, "4a 6a 6b");
        check("4a 6a 6b", Family::V6First, 1, "6a 4a 6b");
        check("6a 6b", Family::V4First, 1, "6a 6b");
        check("6a 4a 6b 4b", Family::V4Only, 1, "4a 4b");
        check("6a 4a 6b 4b", Family::V6Only, 1, "6a 6b");
        check("6a 6a 4a 6a 4a", Family::Any, 1, "6a 4a");
        check("", Family::Any, 1, "");
    }

    #[test]
    fn no_more_addresses_are_tried_than_an_honest_name_has() {
        let many = |count: u16| {
            (0..count)
                .map(|port| ([10, 0, 0, 1], port).into())
                .collect()
        };
        assert_eq!(order(many(5_000), Family::Any, 1).len(), 100);
        assert_eq!(order(many(5_000), Family::Any, 5_000).len(), 100);
        assert_eq!(order(many(100), Family::Any, 1).len(), 100);
    }
}
