//! Fairness: nothing that keeps itself busy keeps the rest from running.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorder;

use std::cell::Cell;
use std::future::poll_fn;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use recorder::Log;
use squall_ioloop::{Handle, Interest, IoLoop, Ready, Source, Token, yield_now};

/// Keeps the loop busy with `busy`, and expects everything else to have its turn within `TURNS`.
fn everything_else_runs_beside(busy: impl FnOnce(&IoLoop)) {
    const TURNS: usize = 3;
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    busy(&ioloop);
    ioloop.turn(Some(Duration::ZERO)).unwrap();

    theirs.write_all(b"x").unwrap();
    let inner = log.clone();
    let handler = ioloop
        .add_handler(&ours, Interest::Read, move |_, _| inner.push("descriptor"))
        .unwrap();
    ioloop.call_later(Duration::ZERO, log.pushing("timer"));
    ioloop.add_callback(log.pushing("callback"));
    ioloop.spawn_detached(log.pushing_future("task"));
    std::thread::spawn(log.remote(&ioloop, "post"))
        .join()
        .unwrap();
    for _ in 0..TURNS {
        ioloop.turn(None).unwrap();
    }
    let mut heard = log.take();
    heard.sort_unstable();
    heard.dedup();
    assert_eq!(heard, ["callback", "descriptor", "post", "task", "timer"]);
    ioloop.remove_handler(handler);
}

#[test]
fn a_callback_that_adds_itself_starves_nobody() {
    fn again(handle: &Handle) {
        let next = handle.clone();
        handle.add_callback(move || again(&next));
    }
    everything_else_runs_beside(|ioloop| again(ioloop.handle()));
}

#[test]
fn bulk_work_that_adds_itself_starves_nobody() {
    fn again(handle: &Handle) {
        let next = handle.clone();
        handle.add_bulk_callback(move || again(&next));
    }
    everything_else_runs_beside(|ioloop| again(ioloop.handle()));
}

#[test]
fn bulk_work_has_every_ninth_turn_of_a_loop_that_is_always_busy() {
    fn again(handle: &Handle) {
        let next = handle.clone();
        handle.add_callback(move || again(&next));
    }
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    for _ in 0..100 {
        again(ioloop.handle());
    }
    let log = Log::default();
    for _ in 0..3 {
        ioloop.add_bulk_callback(log.pushing("piece"));
    }
    let pieces: Vec<_> = (0..30)
        .map(|_| {
            ioloop.turn(None).unwrap();
            log.take().len()
        })
        .collect();
    let expected: Vec<_> = (1..=30)
        .map(|turn| usize::from(turn % 9 == 0 && turn <= 27))
        .collect();
    assert_eq!(pieces, expected);
}

#[test]
fn a_task_that_wakes_itself_starves_nobody() {
    everything_else_runs_beside(|ioloop| {
        ioloop.spawn_detached(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
    });
}

#[test]
fn a_task_that_yields_for_ever_starves_nobody() {
    everything_else_runs_beside(|ioloop| {
        ioloop.spawn_detached(async {
            loop {
                yield_now().await;
            }
        });
    });
}

#[test]
fn two_tasks_that_wake_each_other_starve_nobody() {
    everything_else_runs_beside(|ioloop| {
        let wakers: Rc<[Cell<Option<std::task::Waker>>; 2]> = Rc::default();
        for own in 0..2 {
            let wakers = wakers.clone();
            ioloop.spawn_detached(poll_fn(move |cx| {
                wakers[own].set(Some(cx.waker().clone()));
                if let Some(other) = wakers[1 - own].take() {
                    other.wake();
                }
                Poll::Pending
            }));
        }
    });
}

#[test]
fn a_timer_without_delay_that_sets_itself_again_starves_nobody() {
    fn again(handle: &Handle) {
        let next = handle.clone();
        handle.call_later(Duration::ZERO, move || again(&next));
    }
    everything_else_runs_beside(|ioloop| again(ioloop.handle()));
}

/// Its deadline is before all others, in every turn.
#[test]
fn a_timer_that_sets_itself_into_the_past_starves_nobody() {
    fn again(handle: &Handle, past: Instant) {
        let next = handle.clone();
        handle.call_at(past, move || again(&next, past));
    }
    let past = Instant::now();
    everything_else_runs_beside(|ioloop| again(ioloop.handle(), past));
}

#[test]
fn a_source_that_asks_again_in_every_turn_starves_nobody() {
    struct Again(Cell<Option<Token>>);
    impl Source for Again {
        fn on_ready(&self, ioloop: &Handle, ready: Ready) {
            let token = self.0.get().expect("set by the test");
            ioloop.ready_again(token, ready);
            ioloop.at_turn_end(token);
        }
        fn on_turn_end(&self, ioloop: &Handle) {
            ioloop.at_turn_end(self.0.get().expect("set by the test"));
        }
    }
    everything_else_runs_beside(|ioloop| {
        let source = Rc::new(Again(Cell::new(None)));
        let token = ioloop
            .register(source.clone(), None, Interest::Read)
            .unwrap();
        source.0.set(Some(token));
        ioloop.ready_again(token, Ready::READABLE);
    });
}

#[test]
fn a_deadline_that_is_set_to_now_whenever_it_passes_starves_nobody() {
    struct Now(Cell<Option<Token>>);
    impl Source for Now {
        fn on_ready(&self, ioloop: &Handle, _: Ready) {
            let token = self.0.get().expect("set by the test");
            ioloop.set_deadline(token, Some(Duration::ZERO));
        }
    }
    everything_else_runs_beside(|ioloop| {
        let source = Rc::new(Now(Cell::new(None)));
        let token = ioloop
            .register(source.clone(), None, Interest::Read)
            .unwrap();
        source.0.set(Some(token));
        ioloop.set_deadline(token, Some(Duration::ZERO));
    });
}

#[test]
fn a_descriptor_that_is_always_ready_starves_nobody() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    everything_else_runs_beside(|ioloop| {
        ioloop
            .add_handler(&ours, Interest::Write, |_, _| {})
            .unwrap();
    });
    drop(theirs);
}

#[test]
fn with_one_event_a_poll_every_descriptor_is_served_in_the_end() {
    let ioloop = IoLoop::builder().events_max(1).build().unwrap();
    let log = Log::default();
    let pairs: Vec<_> = (0..8).map(|_| UnixStream::pair().unwrap()).collect();
    let served = Rc::new(Cell::new(0_u32));
    for (number, (ours, theirs)) in pairs.iter().enumerate() {
        let (served, log) = (served.clone(), log.clone());
        ioloop
            .add_handler(ours, Interest::Read, move |_, _| {
                log.push("served");
                served.set(served.get() | 1 << number);
            })
            .unwrap();
        (&*theirs).write_all(b"x").unwrap();
    }
    for _ in 0..pairs.len() {
        ioloop.turn(None).unwrap();
    }
    assert_eq!(served.get(), 0xff);
    assert_eq!(log.len(), pairs.len(), "one event a turn");
}
