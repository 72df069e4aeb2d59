//! Other threads: posts, wakers and the doorbell.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorder;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::hint::spin_loop;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use recorder::rings;
use recorder::{Log, OnDrop};
use squall_ioloop::{Closed, IoLoop, JoinHandle};

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
#[cfg(target_os = "linux")]
fn posts_to_a_loop_that_is_awake_cost_no_system_call() {
    let ioloop = IoLoop::new().unwrap();
    let remote = ioloop.remote();
    let posted = Rc::new(Cell::new(false));
    let inner = posted.clone();
    ioloop.add_callback(move || {
        let thread = thread::spawn(move || {
            for _ in 0..1_000 {
                remote.add_callback(|_| ()).unwrap();
            }
        });
        thread.join().unwrap();
        inner.set(true);
    });
    let before = rings(&ioloop);
    ioloop.turn(None).unwrap();
    assert!(posted.get());
    assert_eq!(rings(&ioloop) - before, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn posts_to_a_loop_that_sleeps_ring_once() {
    let ioloop = IoLoop::new().unwrap();
    ioloop.run_ready(1).unwrap();
    for round in 1..=3 {
        let remote = ioloop.remote();
        let before = rings(&ioloop);
        let thread = thread::spawn(move || {
            for _ in 0..1_000 {
                remote.add_callback(|_| ()).unwrap();
            }
        });
        thread.join().unwrap();
        assert_eq!(rings(&ioloop) - before, 1, "round {round}");
        ioloop.run_ready(2).unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn wakes_of_a_task_on_the_loops_own_thread_never_ring() {
    let ioloop = IoLoop::new().unwrap();
    let before = rings(&ioloop);
    ioloop
        .run_until(async {
            for _ in 0..10 {
                squall_ioloop::yield_now().await;
            }
            ioloop
                .spawn(squall_ioloop::sleep(Duration::from_micros(1)))
                .await
                .unwrap();
        })
        .unwrap();
    assert_eq!(rings(&ioloop) - before, 0);
}

#[test]
fn posts_of_one_thread_run_in_the_order_of_posting() {
    const POSTS: u32 = 10_000;
    let ioloop = IoLoop::new().unwrap();
    let ran: Rc<RefCell<Vec<u32>>> = ioloop.local(RefCell::default);
    let remote = ioloop.remote();
    let thread = thread::spawn(move || {
        for number in 0..POSTS {
            remote
                .add_callback(move |ioloop| {
                    let ran: Rc<RefCell<Vec<u32>>> = ioloop.local(RefCell::default);
                    ran.borrow_mut().push(number);
                    if number == POSTS - 1 {
                        ioloop.stop();
                    }
                })
                .unwrap();
        }
    });
    ioloop.run().unwrap();
    thread.join().unwrap();
    assert!(ran.borrow().iter().copied().eq(0..POSTS));
}

#[test]
fn a_post_to_a_dropped_loop_is_refused_and_dropped() {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let ioloop = IoLoop::new().unwrap();
    let remote = ioloop.remote();
    let (waiting, refused) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let (first, second) = (Flag(waiting.clone()), Flag(Arc::clone(&refused)));
    remote.add_callback(move |_| drop(first)).unwrap();
    drop(ioloop);
    assert!(waiting.load(Ordering::SeqCst), "dropped with the loop");
    assert_eq!(remote.add_callback(move |_| drop(second)), Err(Closed));
    assert!(refused.load(Ordering::SeqCst), "dropped by the poster");
}

/// Each side waits for the other, so each post finds the loop asleep or about to be.
#[test]
fn a_post_wakes_a_loop_that_sleeps_or_is_about_to() {
    const ROUNDS: u32 = 20_000;
    let ioloop = IoLoop::new().unwrap();
    let (sender, receiver) = mpsc::channel();
    let remote = ioloop.remote();
    let thread = thread::spawn(move || {
        for number in 1..=ROUNDS {
            let sender = sender.clone();
            remote
                .add_callback(move |_| sender.send(number).unwrap())
                .unwrap();
            for _ in 0..number % 512 {
                spin_loop();
            }
        }
    });
    let mut last = 0;
    while last < ROUNDS {
        let before = Instant::now();
        ioloop.run_once(Some(PATIENCE)).unwrap();
        assert!(before.elapsed() < PATIENCE, "a post was lost");
        last = receiver.try_iter().last().unwrap_or(last);
    }
    thread.join().unwrap();
}

#[test]
fn a_bounded_wait_waits_although_the_loop_was_a_guest_before() {
    let ioloop = IoLoop::new().unwrap();
    ioloop.run_ready(1).unwrap();
    let before = Instant::now();
    ioloop.run_once(Some(Duration::from_millis(2))).unwrap();
    assert!(before.elapsed() >= Duration::from_millis(2));
}

#[test]
fn the_future_of_run_until_is_woken_by_another_thread() {
    let ioloop = IoLoop::new().unwrap();
    for _ in 0..1_000 {
        let is_set = Arc::new(AtomicBool::new(false));
        let mut thread = None;
        ioloop
            .run_until(poll_fn(|cx| {
                if is_set.load(Ordering::Acquire) {
                    return Poll::Ready(());
                }
                let (is_set, waker) = (is_set.clone(), cx.waker().clone());
                thread.get_or_insert_with(|| {
                    thread::spawn(move || {
                        is_set.store(true, Ordering::Release);
                        waker.wake();
                    })
                });
                Poll::Pending
            }))
            .unwrap();
        thread.expect("polled").join().unwrap();
    }
}

#[test]
fn a_waker_outlives_its_task_and_its_loop_on_any_thread() {
    let log = Log::default();
    let ioloop = IoLoop::new().unwrap();
    let kept: Rc<Cell<Option<Waker>>> = Rc::default();
    let inner = kept.clone();
    let owned = OnDrop(log.clone(), "dropped");
    let task: JoinHandle<()> = ioloop.spawn(poll_fn(move |cx| {
        let _owned = &owned;
        inner.set(Some(cx.waker().clone()));
        Poll::Pending
    }));
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    task.abort();
    assert_eq!(log.take(), ["dropped"]);
    let waker = kept.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| waker.wake_by_ref());
    });
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    drop(ioloop);
    thread::spawn(move || waker.wake()).join().unwrap();
}

#[test]
fn stop_can_be_asked_for_by_another_thread() {
    let ioloop = IoLoop::new().unwrap();
    let remote = ioloop.remote();
    let thread = thread::spawn(move || remote.add_callback(|ioloop| ioloop.stop()));
    ioloop.run().unwrap();
    thread.join().unwrap().unwrap();
}

/// A wake that comes while the task is queued is not repeated, so the poll that follows has to
/// see what was stored before the wake: a matter of memory order, in a window of nanoseconds. The
/// loop does not sleep here, for that keeps the two threads close to each other. (A plain store
/// where the task lowers its flag loses about one wake in 500,000 rounds.)
#[test]
fn a_wake_from_a_thread_is_not_lost_when_the_task_is_queued_already() {
    const ROUNDS: u32 = 20_000;
    let ioloop = IoLoop::new().unwrap();
    let stored = Arc::new(AtomicU32::new(0));
    let seen = Arc::new(AtomicU32::new(0));
    let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
    ioloop.spawn_detached({
        let (stored, seen, waker) = (stored.clone(), seen.clone(), waker.clone());
        poll_fn(move |cx| {
            let number = stored.load(Ordering::Acquire);
            if number == 0 {
                *waker.lock().unwrap() = Some(cx.waker().clone());
            }
            seen.store(number, Ordering::Release);
            Poll::<()>::Pending
        })
    });
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    let waker = waker.lock().unwrap().take().unwrap();
    let watched = seen.clone();
    let thread = thread::spawn(move || {
        for number in 1..=ROUNDS {
            while watched.load(Ordering::Acquire) != number - 1 {
                // A machine with one processor must let the loop go on.
                thread::yield_now();
            }
            waker.wake_by_ref();
            for _ in 0..number % 100 {
                spin_loop();
            }
            stored.store(number, Ordering::Release);
            waker.wake_by_ref();
        }
    });
    let mut last = (0, Instant::now());
    while last.0 != ROUNDS {
        ioloop.run_once(Some(Duration::ZERO)).unwrap();
        let number = seen.load(Ordering::Acquire);
        if number != last.0 {
            last = (number, Instant::now());
        }
        assert!(last.1.elapsed() < PATIENCE, "a wake was lost");
    }
    thread.join().unwrap();
}
