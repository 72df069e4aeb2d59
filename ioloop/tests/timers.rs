//! Deadlines, on a virtual clock.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorder;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use recorder::{Log, OnDrop};
use squall_ioloop::{Handle, Interest, IoLoop, Ready, Sleep, Source, Token, sleep};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn virtual_loop() -> IoLoop {
    IoLoop::builder().virtual_clock().build().unwrap()
}

/// Notes when its deadline passes, in milliseconds since the start.
struct Idle {
    start: Instant,
    passed: RefCell<Vec<u128>>,
}

impl Source for Idle {
    fn on_ready(&self, ioloop: &Handle, ready: Ready) {
        assert_eq!(ready, Ready::DEADLINE);
        let since = ioloop.now() - self.start;
        self.passed.borrow_mut().push(since.as_millis());
    }
}

fn idle_source(ioloop: &IoLoop) -> (Rc<Idle>, Token) {
    let source = Rc::new(Idle {
        start: ioloop.now(),
        passed: RefCell::default(),
    });
    let token = ioloop
        .register(source.clone(), None, Interest::Read)
        .unwrap();
    (source, token)
}

#[test]
fn timers_fire_in_the_order_of_their_deadlines_at_their_time() {
    let ioloop = virtual_loop();
    let start = ioloop.now();
    let fired: Rc<RefCell<Vec<(u64, Duration)>>> = Rc::default();
    for delay in [30, 10, 20, 10, 0] {
        let (fired, handle) = (fired.clone(), ioloop.handle().clone());
        ioloop.call_later(ms(delay), move || {
            fired.borrow_mut().push((delay, handle.now() - start));
        });
    }
    ioloop.run_until(sleep(ms(40))).unwrap();
    let expected: Vec<_> = [0, 10, 10, 20, 30].map(|delay| (delay, ms(delay))).into();
    assert_eq!(*fired.borrow(), expected);
}

#[test]
fn equal_deadlines_fire_in_the_order_of_adding() {
    let ioloop = virtual_loop();
    let log = Log::default();
    let deadline = ioloop.now() + ms(5);
    ioloop.call_at(deadline, log.pushing("first"));
    ioloop.call_later(ms(5), log.pushing("second"));
    ioloop.call_at(deadline, log.pushing("third"));
    ioloop.run_until(sleep(ms(6))).unwrap();
    assert_eq!(log.take(), ["first", "second", "third"]);
}

#[test]
fn a_deadline_that_has_passed_fires_in_the_next_turn() {
    let ioloop = virtual_loop();
    let past = ioloop.now();
    ioloop.run_once(Some(ms(10))).unwrap();
    let log = Log::default();
    ioloop.call_at(past, log.pushing("past"));
    ioloop.call_later(Duration::ZERO, log.pushing("now"));
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    assert_eq!(log.take(), ["past", "now"]);
    ioloop.run_until(Sleep::until(past)).unwrap();
    assert_eq!(ioloop.now() - past, ms(10), "no time has passed");
}

#[test]
fn a_timer_without_delay_waits_for_the_next_turn() {
    let ioloop = virtual_loop();
    let log = Log::default();
    let (handle, inner) = (ioloop.handle().clone(), log.clone());
    ioloop.call_later(Duration::ZERO, move || {
        inner.push("outer");
        handle.call_later(Duration::ZERO, inner.pushing("inner"));
    });
    ioloop.turn(None).unwrap();
    assert_eq!(log.take(), ["outer"]);
    ioloop.turn(None).unwrap();
    assert_eq!(log.take(), ["inner"]);
}

#[test]
fn an_enormous_delay_never_comes_and_hurts_nobody() {
    let ioloop = virtual_loop();
    let log = Log::default();
    let never = ioloop.call_later(Duration::MAX, log.pushing("never"));
    let centuries = ioloop.call_later(Duration::from_secs(1 << 33), log.pushing("centuries"));
    ioloop
        .run_until(sleep(Duration::from_secs(1 << 32)))
        .unwrap();
    assert_eq!(log.take(), [""; 0]);
    assert!(ioloop.remove_timeout(never));
    assert!(ioloop.remove_timeout(centuries));
}

#[test]
fn a_timer_that_is_removed_never_fires_and_is_dropped_at_once() {
    let ioloop = virtual_loop();
    let log = Log::default();
    let owned = OnDrop(log.clone(), "dropped");
    let timeout = ioloop.call_later(ms(1), move || drop(owned));
    assert!(ioloop.remove_timeout(timeout));
    assert_eq!(log.take(), ["dropped"]);
    assert!(!ioloop.remove_timeout(timeout));
    ioloop.run_until(sleep(ms(2))).unwrap();
    // One that has fired is simply unknown, even if its slot has a new owner.
    let fired = ioloop.call_later(ms(1), || {});
    ioloop.run_until(sleep(ms(2))).unwrap();
    let next = ioloop.call_later(ms(1), log.pushing("next"));
    assert!(!ioloop.remove_timeout(fired));
    ioloop.run_until(sleep(ms(2))).unwrap();
    assert_eq!(log.take(), ["next"]);
    assert!(!ioloop.remove_timeout(next));
}

#[test]
fn a_timer_can_remove_itself_while_it_runs() {
    let ioloop = virtual_loop();
    let own = Rc::new(Cell::new(None));
    let (inner, handle) = (own.clone(), ioloop.handle().clone());
    own.set(Some(ioloop.call_later(ms(1), move || {
        assert!(!handle.remove_timeout(inner.take().expect("set by the test")));
    })));
    let heard = recorder::exceptions(&ioloop);
    ioloop.run_until(sleep(ms(2))).unwrap();
    assert_eq!(*heard.borrow(), [""; 0]);
}

#[test]
fn a_deadline_of_a_source_sleeps_until_it_is_set() {
    let ioloop = virtual_loop();
    let (source, token) = idle_source(&ioloop);
    ioloop.run_until(sleep(ms(50))).unwrap();
    assert!(source.passed.borrow().is_empty());
    ioloop.set_deadline(token, Some(ms(10)));
    ioloop.run_until(sleep(ms(50))).unwrap();
    assert_eq!(*source.passed.borrow(), [60]);
    // It stays, disarmed.
    ioloop.set_deadline(token, Some(ms(5)));
    ioloop.run_until(sleep(ms(50))).unwrap();
    assert_eq!(*source.passed.borrow(), [60, 105]);
}

#[test]
fn a_deadline_that_is_pushed_forward_passes_once_and_at_its_last_time() {
    let ioloop = virtual_loop();
    let (source, token) = idle_source(&ioloop);
    for _ in 0..100 {
        ioloop.set_deadline(token, Some(ms(10)));
        ioloop.run_until(sleep(ms(3))).unwrap();
    }
    assert!(source.passed.borrow().is_empty());
    ioloop.run_until(sleep(ms(100))).unwrap();
    assert_eq!(*source.passed.borrow(), [307]);
}

#[test]
fn a_deadline_that_is_pulled_back_passes_at_the_earlier_time() {
    let ioloop = virtual_loop();
    let (source, token) = idle_source(&ioloop);
    ioloop.set_deadline(token, Some(ms(100)));
    ioloop.set_deadline(token, Some(ms(200)));
    ioloop.set_deadline(token, Some(ms(20)));
    ioloop.run_until(sleep(ms(300))).unwrap();
    assert_eq!(*source.passed.borrow(), [20]);
}

#[test]
fn a_deadline_that_is_put_to_sleep_does_not_pass() {
    let ioloop = virtual_loop();
    let (source, token) = idle_source(&ioloop);
    ioloop.set_deadline(token, Some(ms(10)));
    ioloop.set_deadline(token, None);
    ioloop.run_until(sleep(ms(50))).unwrap();
    assert!(source.passed.borrow().is_empty());
    ioloop.set_deadline(token, Some(ms(10)));
    ioloop.run_until(sleep(ms(50))).unwrap();
    assert_eq!(*source.passed.borrow(), [60]);
    ioloop.set_deadline(token, Some(ms(10)));
    ioloop.deregister(token, None);
    ioloop.set_deadline(token, Some(ms(10)));
    ioloop.run_until(sleep(ms(50))).unwrap();
    assert_eq!(*source.passed.borrow(), [60], "removed");
}

#[test]
fn a_callback_can_be_pushed_forward_as_well() {
    let ioloop = virtual_loop();
    let log = Log::default();
    let start = ioloop.now();
    let timeout = ioloop.call_later(ms(10), log.pushing("fired"));
    ioloop.move_timeout(timeout, ms(30));
    ioloop.run_until(Sleep::until(start + ms(29))).unwrap();
    assert_eq!(log.take(), [""; 0]);
    ioloop.run_until(Sleep::until(start + ms(30))).unwrap();
    assert_eq!(log.take(), ["fired"]);
}

#[test]
fn thousands_of_lazy_deadlines_pass_in_order_each_at_its_time() {
    let ioloop = virtual_loop();
    let idle: Vec<_> = (0..1_000).map(|_| idle_source(&ioloop)).collect();
    let mut seed = 12_345_u64;
    let mut expected = vec![0; idle.len()];
    for now in 0..50 {
        for (number, (_, token)) in idle.iter().enumerate() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if now == 0 || seed >> 62 == 0 {
                let after = 50 + (seed >> 40) % 50;
                ioloop.set_deadline(*token, Some(ms(after)));
                expected[number] = u128::from(now + after);
            }
        }
        ioloop.run_until(sleep(ms(1))).unwrap();
    }
    ioloop.run_until(sleep(ms(200))).unwrap();
    for ((source, ..), expected) in idle.iter().zip(expected) {
        assert_eq!(*source.passed.borrow(), [expected]);
    }
}

#[test]
fn a_storm_of_timers_loses_none_and_a_storm_of_cancels_leaves_none() {
    const COUNT: u64 = 100_000;
    let ioloop = virtual_loop();
    let fired = Rc::new(Cell::new(0));
    let timeouts: Vec<_> = (0..COUNT)
        .map(|number| {
            let fired = fired.clone();
            ioloop.call_later(ms(number * 7_919 % 1_009), move || {
                fired.set(fired.get() + 1)
            })
        })
        .collect();
    let cancelled = timeouts
        .iter()
        .step_by(2)
        .filter(|timeout| ioloop.remove_timeout(**timeout))
        .count();
    assert_eq!(cancelled as u64, COUNT / 2);
    ioloop.run_until(sleep(ms(2_000))).unwrap();
    assert_eq!(fired.get(), COUNT / 2);
    assert!(ioloop.next_deadline().is_none());
}

#[test]
fn a_delay_counts_from_when_it_is_asked_for_and_not_from_the_last_turn() {
    let ioloop = IoLoop::new().unwrap();
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    let before = Instant::now();
    while before.elapsed() < ms(3) {}
    let log = Log::default();
    ioloop.call_later(ms(2), log.pushing("too early"));
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn a_sleep_that_is_dropped_takes_its_timer_along() {
    let ioloop = virtual_loop();
    let task = ioloop.spawn(sleep(ms(10)));
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    assert!(ioloop.next_deadline().is_some());
    task.abort();
    assert!(ioloop.next_deadline().is_none());
}
