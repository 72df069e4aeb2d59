//! One turn: its order, and what waits for the next.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorder;

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use recorder::Log;
use squall_ioloop::{Handle, Interest, IoLoop, Ready, Source, Stopped, sleep, yield_now};

struct Witness {
    log: Log,
}

impl Source for Witness {
    fn on_ready(&self, _: &Handle, ready: Ready) {
        let what = if ready.contains(Ready::DEADLINE) {
            "deadline"
        } else {
            "source"
        };
        self.log.push(what);
    }

    fn on_turn_end(&self, _: &Handle) {
        self.log.push("turn end");
    }
}

fn one_turn(ioloop: &IoLoop) {
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_turn_runs_timers_then_sources_then_callbacks_then_tasks_then_the_turn_end() {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let log = Log::default();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let witness = Rc::new(Witness { log: log.clone() });
    let token = ioloop
        .register(witness, Some(ours.as_fd()), Interest::Read)
        .unwrap();
    // Added in the opposite order.
    ioloop.at_turn_end(token);
    ioloop.spawn_detached(log.pushing_future("task"));
    ioloop.add_callback(log.pushing("callback"));
    theirs.write_all(b"x").unwrap();
    ioloop.call_later(Duration::ZERO, log.pushing("timer"));
    one_turn(&ioloop);
    assert_eq!(
        log.take(),
        ["timer", "source", "callback", "task", "turn end"]
    );
}

#[test]
fn bulk_work_runs_last_and_one_piece_a_turn() {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let log = Log::default();
    for piece in ["first piece", "second piece"] {
        ioloop.add_bulk_callback(log.pushing(piece));
    }
    let witness = Rc::new(Witness { log: log.clone() });
    let token = ioloop.register(witness, None, Interest::Read).unwrap();
    ioloop.at_turn_end(token);
    ioloop.spawn_detached(log.pushing_future("task"));
    ioloop.add_callback(log.pushing("callback"));
    ioloop.call_later(Duration::ZERO, log.pushing("timer"));
    one_turn(&ioloop);
    assert_eq!(
        log.take(),
        ["timer", "callback", "task", "turn end", "first piece"]
    );
    one_turn(&ioloop);
    assert_eq!(log.take(), ["second piece"]);
    one_turn(&ioloop);
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn bulk_work_gives_way_in_a_turn_that_has_much_else_to_do() {
    const MUCH: usize = 17;
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let log = Log::default();
    ioloop.add_bulk_callback(log.pushing("piece"));
    let check = |add: &dyn Fn(), name: &'static str| {
        (0..MUCH).for_each(|_| add());
        one_turn(&ioloop);
        assert_eq!(log.take(), [name; MUCH]);
    };
    check(&|| ioloop.add_callback(log.pushing("callback")), "callback");
    check(
        &|| ioloop.spawn_detached(log.pushing_future("task")),
        "task",
    );
    let witness = Rc::new(Witness { log: log.clone() });
    let token = ioloop.register(witness, None, Interest::Read).unwrap();
    check(&|| ioloop.ready_again(token, Ready::READABLE), "source");
    let posts = || std::thread::spawn(log.remote(&ioloop, "post")).join();
    check(&|| posts().unwrap(), "post");
    one_turn(&ioloop);
    assert_eq!(log.take(), ["piece"]);
}

#[test]
fn bulk_work_that_such_a_turn_brings_itself_gives_way_too() {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let log = Log::default();
    let (handle, piece) = (ioloop.handle().clone(), log.pushing("piece"));
    ioloop.add_callback(move || handle.add_bulk_callback(piece));
    (0..16).for_each(|_| ioloop.add_callback(|| {}));
    one_turn(&ioloop);
    assert_eq!(log.take(), [""; 0]);
    one_turn(&ioloop);
    assert_eq!(log.take(), ["piece"]);
    // As many events.
    let pairs: Vec<_> = (0..17).map(|_| UnixStream::pair().unwrap()).collect();
    let mut handlers = Vec::new();
    for (ours, theirs) in &pairs {
        let log = log.clone();
        let add = move |ioloop: &Handle, _| ioloop.add_bulk_callback(log.pushing("piece"));
        handlers.push(ioloop.add_handler(ours, Interest::Read, add).unwrap());
        (&*theirs).write_all(b"x").unwrap();
    }
    one_turn(&ioloop);
    assert_eq!(log.take(), [""; 0]);
    // They are told again for as long as nobody reads.
    for handler in handlers {
        ioloop.remove_handler(handler);
    }
    one_turn(&ioloop);
    assert_eq!(log.take(), ["piece"]);
}

#[test]
fn a_guest_tells_its_host_of_bulk_work_that_waits() {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let log = Log::default();
    for _ in 0..2 {
        ioloop.add_bulk_callback(log.pushing("piece"));
    }
    assert_eq!(ioloop.next_deadline(), Some(ioloop.now()));
    ioloop.run_ready(1).unwrap();
    assert_eq!(log.take(), ["piece"]);
    assert_eq!(ioloop.next_deadline(), Some(ioloop.now()));
    ioloop.run_ready(9).unwrap();
    assert_eq!(log.take(), ["piece"]);
    assert_eq!(ioloop.next_deadline(), None);
}

#[test]
fn tasks_that_a_piece_of_bulk_work_wakes_and_what_they_say_are_part_of_it() {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let log = Log::default();
    let witness = Rc::new(Witness { log: log.clone() });
    let token = ioloop.register(witness, None, Interest::Read).unwrap();
    let (handle, inner) = (ioloop.handle().clone(), log.clone());
    ioloop.add_bulk_callback(move || {
        inner.push("piece");
        let corks = handle.clone();
        handle.spawn_detached(async move {
            inner.push("task");
            corks.at_turn_end(token);
            corks.add_callback(inner.pushing("callback"));
        });
    });
    one_turn(&ioloop);
    assert_eq!(log.take(), ["piece", "task", "turn end"]);
    one_turn(&ioloop);
    assert_eq!(log.take(), ["callback"]);
}

#[test]
fn a_loop_with_bulk_work_does_not_wait_and_virtual_time_does_not_pass() {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let log = Log::default();
    let start = ioloop.now();
    ioloop.call_later(Duration::from_secs(1), log.pushing("timer"));
    ioloop.add_bulk_callback(log.pushing("piece"));
    ioloop.turn(None).unwrap();
    assert_eq!(log.take(), ["piece"]);
    assert_eq!(ioloop.now(), start);
    ioloop.turn(None).unwrap();
    assert_eq!(log.take(), ["timer"]);
}

#[test]
fn posts_of_other_threads_run_before_the_callbacks_of_the_turn() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    ioloop.add_callback(log.pushing("callback"));
    let posted = log.remote(&ioloop, "post");
    std::thread::spawn(posted).join().unwrap();
    one_turn(&ioloop);
    assert_eq!(log.take(), ["post", "callback"]);
}

#[test]
fn callbacks_run_in_the_order_of_adding_and_their_own_in_the_next_turn() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    for name in ["first", "second", "third"] {
        let (handle, log) = (ioloop.handle().clone(), log.clone());
        ioloop.add_callback(move || {
            log.push(name);
            handle.add_callback(log.pushing("again"));
        });
    }
    one_turn(&ioloop);
    assert_eq!(log.take(), ["first", "second", "third"]);
    one_turn(&ioloop);
    assert_eq!(log.take(), ["again"; 3]);
}

#[test]
fn a_task_that_a_callback_spawns_runs_in_the_same_turn_and_its_own_in_the_next() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let (handle, inner) = (ioloop.handle().clone(), log.clone());
    ioloop.add_callback(move || {
        let again = handle.clone();
        handle.spawn_detached(async move {
            inner.push("task");
            again.spawn_detached(inner.pushing_future("task of the task"));
        });
    });
    one_turn(&ioloop);
    assert_eq!(log.take(), ["task"]);
    one_turn(&ioloop);
    assert_eq!(log.take(), ["task of the task"]);
}

#[test]
fn what_a_turn_end_asks_for_waits_for_the_end_of_the_next_turn() {
    struct Corked(Log);
    impl Source for Corked {
        fn on_ready(&self, _: &Handle, _: Ready) {}
        fn on_turn_end(&self, ioloop: &Handle) {
            self.0.push("turn end");
            ioloop.add_callback(self.0.pushing("callback"));
        }
    }
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let token = ioloop
        .register(Rc::new(Corked(log.clone())), None, Interest::Read)
        .unwrap();
    ioloop.at_turn_end(token);
    ioloop.at_turn_end(token);
    one_turn(&ioloop);
    assert_eq!(log.take(), ["turn end", "turn end"], "asked twice, twice");
    one_turn(&ioloop);
    assert_eq!(log.take(), ["callback", "callback"]);
}

#[test]
fn a_source_that_asks_again_is_told_in_the_next_turn() {
    struct Again(Log);
    impl Source for Again {
        fn on_ready(&self, ioloop: &Handle, ready: Ready) {
            self.0.push(if ready == Ready::READABLE {
                "read"
            } else {
                "write"
            });
            if ready == Ready::READABLE {
                let token = *ioloop.local(|| unreachable!("set by the test"));
                ioloop.ready_again(token, Ready::WRITABLE);
            }
        }
    }
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let token = ioloop
        .register(Rc::new(Again(log.clone())), None, Interest::Read)
        .unwrap();
    let _kept = ioloop.local(|| token);
    ioloop.ready_again(token, Ready::READABLE);
    one_turn(&ioloop);
    assert_eq!(log.take(), ["read"]);
    one_turn(&ioloop);
    assert_eq!(log.take(), ["write"]);
}

#[test]
fn yield_now_lets_the_rest_of_the_turn_and_the_next_descriptors_go_first() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let witness = Rc::new(Witness { log: log.clone() });
    ioloop
        .register(witness, Some(ours.as_fd()), Interest::Read)
        .unwrap();
    let inner = log.clone();
    ioloop.spawn_detached(async move {
        inner.push("before");
        theirs.write_all(b"x").unwrap();
        yield_now().await;
        inner.push("after");
        drop(theirs);
    });
    ioloop.spawn_detached(log.pushing_future("other"));
    one_turn(&ioloop);
    assert_eq!(log.take(), ["before", "other"]);
    one_turn(&ioloop);
    assert_eq!(log.take()[..2], ["source", "after"]);
}

#[test]
fn time_stands_still_within_a_turn_and_is_read_anew_between_turns() {
    let ioloop = IoLoop::new().unwrap();
    let handle = ioloop.handle().clone();
    ioloop.add_callback(move || {
        let before = handle.now();
        while before.elapsed() < Duration::from_millis(2) {}
        assert_eq!(handle.now(), before);
    });
    one_turn(&ioloop);
    let before = ioloop.now();
    while before.elapsed() < Duration::from_millis(2) {}
    assert!(ioloop.now() >= before + Duration::from_millis(2));
}

#[test]
fn turns_are_counted() {
    let ioloop = IoLoop::new().unwrap();
    let before = ioloop.turn_count();
    one_turn(&ioloop);
    one_turn(&ioloop);
    assert_eq!(ioloop.turn_count(), before + 2);
}

#[test]
fn a_stop_ends_run_after_the_turn_and_is_then_forgotten() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let handle = ioloop.handle().clone();
    ioloop.add_callback(move || handle.stop());
    ioloop.add_callback(log.pushing("the same turn"));
    ioloop.run().unwrap();
    assert_eq!(log.take(), ["the same turn"]);
    // Stopped before it runs, it makes one turn.
    ioloop.stop();
    ioloop.add_callback(log.pushing("one turn"));
    ioloop.run().unwrap();
    assert_eq!(log.take(), ["one turn"]);
    assert_eq!(ioloop.run_until(async { 1 }).unwrap(), 1);
}

#[test]
fn a_stopped_run_until_says_so_unless_its_future_finished_in_that_turn() {
    let ioloop = IoLoop::new().unwrap();
    let handle = ioloop.handle().clone();
    ioloop.add_callback(move || handle.stop());
    let stopped = ioloop.run_until(std::future::pending::<()>()).unwrap_err();
    assert_eq!(stopped.kind(), std::io::ErrorKind::Interrupted);
    assert!(stopped.get_ref().is_some_and(|error| error.is::<Stopped>()));

    let handle = ioloop.handle().clone();
    let task = ioloop.spawn(async move { handle.stop() });
    ioloop.run_until(task).unwrap().unwrap();
}

#[test]
#[should_panic = "nothing is left that could happen"]
fn a_wait_that_nothing_can_end_panics_on_a_virtual_clock() {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let _ = ioloop.run_until(std::future::pending::<()>());
}

#[test]
fn virtual_time_does_not_pass_while_a_descriptor_is_ready() {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let log = Log::default();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let witness = Rc::new(Witness { log: log.clone() });
    ioloop
        .register(witness, Some(ours.as_fd()), Interest::Read)
        .unwrap();
    theirs.write_all(b"x").unwrap();
    ioloop.call_later(Duration::from_secs(5), log.pushing("timer"));
    let start = ioloop.now();
    ioloop.turn(None).unwrap();
    assert_eq!(log.take(), ["source"]);
    assert_eq!(ioloop.now(), start);
    ioloop.turn(None).unwrap();
    assert_eq!(log.take(), ["timer"]);
    assert_eq!(ioloop.now(), start + Duration::from_secs(5));
}

#[test]
fn virtual_time_jumps_to_the_end_of_a_bounded_wait() {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let start = ioloop.now();
    ioloop.run_once(Some(Duration::from_secs(3))).unwrap();
    assert_eq!(ioloop.now() - start, Duration::from_secs(3));
    ioloop.run_until(sleep(Duration::from_secs(4))).unwrap();
    assert_eq!(ioloop.now() - start, Duration::from_secs(7));
}
