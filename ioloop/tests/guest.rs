//! The loop as a guest inside a bare poll(2) loop.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host;
mod recorder;

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use host::poll_readable;
use recorder::Log;
use squall_ioloop::{Interest, IoLoop, yield_now};

const PATIENCE: Duration = Duration::from_secs(10);

fn is_readable(ioloop: &IoLoop) -> bool {
    poll_readable([ioloop], Some(Duration::ZERO)) == [true]
}

/// What a host does, until `is_over`. Panics when nothing happens for long.
fn run_as_guest(ioloop: &IoLoop, is_over: impl Fn() -> bool) {
    while !is_over() {
        let wait = ioloop
            .next_deadline()
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let [is_readable] = poll_readable([ioloop], Some(wait.unwrap_or(PATIENCE)));
        assert!(is_readable || wait.is_some(), "the host waits for ever");
        ioloop.run_ready(10).unwrap();
    }
}

#[test]
fn an_idle_loop_is_silent_and_has_no_deadline() {
    let ioloop = IoLoop::new().unwrap();
    ioloop.run_ready(10).unwrap();
    assert!(!is_readable(&ioloop));
    assert_eq!(ioloop.next_deadline(), None);
}

#[test]
fn its_descriptor_is_readable_when_one_of_its_descriptors_is() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (reader, inner) = (ours.try_clone().unwrap(), log.clone());
    ioloop
        .add_handler(&ours, Interest::Read, move |_, _| {
            (&reader).read_exact(&mut [0]).unwrap();
            inner.push("read");
        })
        .unwrap();
    ioloop.run_ready(10).unwrap();
    assert!(!is_readable(&ioloop));
    theirs.write_all(b"ab").unwrap();
    assert!(is_readable(&ioloop));
    // One turn reads one byte, and the rest is reported again.
    ioloop.run_ready(1).unwrap();
    assert!(is_readable(&ioloop));
    ioloop.run_ready(1).unwrap();
    ioloop.run_ready(1).unwrap();
    assert!(!is_readable(&ioloop));
    assert_eq!(log.take(), ["read", "read"]);
}

#[test]
fn a_post_of_another_thread_makes_the_descriptor_readable() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    ioloop.run_ready(10).unwrap();
    for _ in 0..3 {
        assert!(!is_readable(&ioloop));
        thread::spawn(log.remote(&ioloop, "post")).join().unwrap();
        assert!(is_readable(&ioloop));
        ioloop.run_ready(10).unwrap();
        assert_eq!(log.take(), ["post"]);
    }
}

/// The host may watch the descriptor before it has run the guest for the first time, or after the
/// guest was run in another way.
#[test]
fn a_post_rings_before_the_first_turn_and_after_run() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    thread::spawn(log.remote(&ioloop, "early")).join().unwrap();
    assert!(is_readable(&ioloop));
    ioloop.stop();
    ioloop.run().unwrap();
    assert_eq!(log.take(), ["early"]);

    assert_eq!(ioloop.next_deadline(), None);
    thread::spawn(log.remote(&ioloop, "late")).join().unwrap();
    assert!(is_readable(&ioloop));
    run_as_guest(&ioloop, || log.len() == 1);
}

#[test]
fn a_post_that_comes_before_the_host_sleeps_is_a_deadline_that_has_come() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let posted = log.remote(&ioloop, "post");
    // While the loop turns nobody rings.
    ioloop.add_callback(|| thread::spawn(posted).join().unwrap());
    ioloop.run_ready(1).unwrap();
    let deadline = ioloop.next_deadline().expect("there is work");
    assert!(deadline <= Instant::now());
    ioloop.run_ready(1).unwrap();
    assert_eq!(log.take(), ["post"]);
}

#[test]
fn what_the_host_adds_between_turns_shows_in_the_next_deadline() {
    let ioloop = IoLoop::new().unwrap();
    ioloop.run_ready(10).unwrap();
    assert_eq!(ioloop.next_deadline(), None);
    ioloop.add_callback(|| ());
    assert!(
        ioloop
            .next_deadline()
            .is_some_and(|at| at <= Instant::now())
    );
    ioloop.run_ready(10).unwrap();
    ioloop.spawn_detached(async {});
    assert!(
        ioloop
            .next_deadline()
            .is_some_and(|at| at <= Instant::now())
    );
    ioloop.run_ready(10).unwrap();
    let before = Instant::now();
    ioloop.call_later(Duration::from_secs(60), || ());
    let deadline = ioloop.next_deadline().unwrap();
    assert!(deadline >= before + Duration::from_secs(60));
    assert!(deadline <= Instant::now() + Duration::from_secs(60));
}

#[test]
fn a_guest_that_has_work_left_says_so_and_runs_no_more_turns_than_allowed() {
    let ioloop = IoLoop::new().unwrap();
    ioloop.spawn_detached(async {
        loop {
            yield_now().await;
        }
    });
    let before = ioloop.turn_count();
    ioloop.run_ready(5).unwrap();
    assert_eq!(ioloop.turn_count() - before, 5);
    assert!(
        ioloop
            .next_deadline()
            .is_some_and(|at| at <= Instant::now())
    );
    ioloop.run_ready(0).unwrap();
    assert_eq!(ioloop.turn_count() - before, 6, "zero counts as one");
}

#[test]
fn timers_fire_when_the_host_honours_the_next_deadline() {
    let ioloop = IoLoop::new().unwrap();
    let fired = Rc::new(Cell::new(0));
    let start = ioloop.now();
    for delay in [5, 1, 3] {
        let (fired, handle) = (fired.clone(), ioloop.handle().clone());
        ioloop.call_later(Duration::from_millis(delay), move || {
            assert!(handle.now() - start >= Duration::from_millis(delay));
            fired.set(fired.get() + 1);
        });
    }
    run_as_guest(&ioloop, || fired.get() == 3);
    assert_eq!(ioloop.next_deadline(), None);
}

#[test]
fn a_waker_called_by_the_host_between_turns_makes_the_descriptor_readable() {
    let ioloop = IoLoop::new().unwrap();
    let (sender, receiver) = mpsc::channel();
    let polls = Rc::new(Cell::new(0));
    let inner = polls.clone();
    ioloop.spawn_detached(std::future::poll_fn(move |cx| {
        inner.set(inner.get() + 1);
        sender.send(cx.waker().clone()).unwrap();
        std::task::Poll::<()>::Pending
    }));
    ioloop.run_ready(10).unwrap();
    assert!(!is_readable(&ioloop));
    receiver.recv().unwrap().wake();
    assert!(is_readable(&ioloop));
    ioloop.run_ready(10).unwrap();
    assert_eq!(polls.get(), 2);
}

#[test]
fn nothing_is_lost_in_a_flood_of_posts_timers_and_bytes() {
    const THREADS: u32 = 3;
    const POSTS: u32 = 5_000;
    let ioloop = IoLoop::new().unwrap();
    let posts: Rc<Cell<u32>> = ioloop.local(Cell::default);
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let bytes = Rc::new(Cell::new(0));
    let (reader, count) = (ours.try_clone().unwrap(), bytes.clone());
    ioloop
        .add_handler(&ours, Interest::Read, move |_, _| {
            count.set(count.get() + (&reader).read(&mut [0; 64]).unwrap());
        })
        .unwrap();
    let fired = Rc::new(Cell::new(0));
    for delay in 0..50_u64 {
        let fired = fired.clone();
        ioloop.call_later(Duration::from_millis(delay % 10), move || {
            fired.set(fired.get() + 1);
        });
    }
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let remote = ioloop.remote();
            thread::spawn(move || {
                for _ in 0..POSTS {
                    remote
                        .add_callback(|ioloop| {
                            let posts: Rc<Cell<u32>> = ioloop.local(Cell::default);
                            posts.set(posts.get() + 1);
                        })
                        .unwrap();
                }
            })
        })
        .collect();
    let writer = thread::spawn(move || {
        for _ in 0..POSTS {
            theirs.write_all(b"x").unwrap();
        }
        theirs
    });
    run_as_guest(&ioloop, || {
        posts.get() == THREADS * POSTS && bytes.get() == POSTS as usize && fired.get() == 50
    });
    for thread in threads {
        thread.join().unwrap();
    }
    writer.join().unwrap();
}
