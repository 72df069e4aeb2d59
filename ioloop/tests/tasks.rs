//! Tasks: spawn, join, abort, wait.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorder;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use recorder::{Log, OnDrop, PanicOnDrop};
use squall_ioloop::{
    Handle, IoLoop, JoinError, JoinHandle, TimedOut, sleep, with_timeout, yield_now,
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn virtual_loop() -> IoLoop {
    IoLoop::builder().virtual_clock().build().unwrap()
}

fn one_turn(ioloop: &IoLoop) {
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_task_gives_its_result_to_its_join_handle_before_or_after_it_is_awaited() {
    let ioloop = virtual_loop();
    let early = ioloop.spawn(async { "early" });
    let late = ioloop.spawn(async {
        sleep(ms(5)).await;
        "late"
    });
    one_turn(&ioloop);
    assert!(early.is_finished());
    assert!(!late.is_finished());
    let results = ioloop
        .run_until(async { (late.await, early.await) })
        .unwrap();
    assert_eq!((results.0.unwrap(), results.1.unwrap()), ("late", "early"));
}

#[test]
fn tasks_need_not_be_send_and_results_need_not_be_clone() {
    struct Unique(Rc<Cell<u32>>);
    let ioloop = virtual_loop();
    let shared = Rc::new(Cell::new(1));
    let inner = shared.clone();
    let task = ioloop.spawn(async move {
        inner.set(2);
        Unique(inner)
    });
    let result = ioloop.run_until(task).unwrap().unwrap();
    assert_eq!(result.0.get(), 2);
    assert_eq!(Rc::strong_count(&shared), 2);
}

#[test]
fn the_future_of_run_until_may_borrow() {
    let ioloop = virtual_loop();
    let mut text = String::from("a");
    ioloop
        .run_until(async {
            yield_now().await;
            text.push('b');
        })
        .unwrap();
    assert_eq!(text, "ab");
}

#[test]
fn a_task_aborted_before_it_ran_is_dropped_and_never_polled() {
    let ioloop = virtual_loop();
    let log = Log::default();
    let owned = OnDrop(log.clone(), "dropped");
    let inner = log.clone();
    let task = ioloop.spawn(async move {
        let _owned = owned;
        inner.push("polled");
    });
    task.abort();
    assert_eq!(log.take(), ["dropped"]);
    one_turn(&ioloop);
    assert_eq!(log.take(), [""; 0]);
    assert!(task.is_finished());
    assert!(matches!(
        ioloop.run_until(task).unwrap(),
        Err(JoinError::Aborted)
    ));
}

#[test]
fn a_task_aborted_while_it_waits_is_dropped_at_once() {
    let ioloop = virtual_loop();
    let log = Log::default();
    let owned = OnDrop(log.clone(), "dropped");
    let task = ioloop.spawn(async move {
        let _owned = owned;
        sleep(ms(5)).await;
    });
    one_turn(&ioloop);
    task.abort();
    assert_eq!(log.take(), ["dropped"]);
    task.abort();
    assert!(matches!(
        ioloop.run_until(task).unwrap(),
        Err(JoinError::Aborted)
    ));
}

#[test]
fn a_task_that_aborts_itself_ends_when_it_next_waits() {
    let ioloop = virtual_loop();
    let log = Log::default();
    let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
    let (inner, own_handle) = (log.clone(), own.clone());
    let owned = OnDrop(log.clone(), "dropped");
    *own.borrow_mut() = Some(ioloop.spawn(async move {
        let _owned = owned;
        own_handle.borrow().as_ref().unwrap().abort();
        // The slot is free already; a new owner must not be harmed.
        Handle::current().spawn_detached(inner.pushing_future("heir"));
        inner.push("still here");
        yield_now().await;
        inner.push("never");
    }));
    one_turn(&ioloop);
    assert_eq!(log.take(), ["still here", "dropped"]);
    one_turn(&ioloop);
    assert_eq!(log.take(), ["heir"]);
    let task = own.take().unwrap();
    assert!(matches!(
        ioloop.run_until(task).unwrap(),
        Err(JoinError::Aborted)
    ));
}

#[test]
fn a_task_that_aborts_itself_and_finishes_keeps_its_result() {
    let ioloop = virtual_loop();
    let own: Rc<RefCell<Option<JoinHandle<u32>>>> = Rc::default();
    let own_handle = own.clone();
    *own.borrow_mut() = Some(ioloop.spawn(async move {
        own_handle.borrow().as_ref().unwrap().abort();
        7
    }));
    one_turn(&ioloop);
    let task = own.take().unwrap();
    assert_eq!(ioloop.run_until(task).unwrap().unwrap(), 7);
}

#[test]
fn aborting_a_finished_task_changes_nothing_not_even_for_the_next_owner_of_its_slot() {
    let ioloop = virtual_loop();
    let log = Log::default();
    let task = ioloop.spawn(ready(1));
    one_turn(&ioloop);
    ioloop.spawn_detached(log.pushing_future("heir"));
    task.abort();
    one_turn(&ioloop);
    assert_eq!(log.take(), ["heir"]);
    assert_eq!(ioloop.run_until(task).unwrap().unwrap(), 1);
}

#[test]
fn tasks_may_abort_each_other_whichever_runs_first() {
    let ioloop = virtual_loop();
    let log = Log::default();
    let tasks: Rc<RefCell<Vec<JoinHandle<()>>>> = Rc::default();
    for (own, name) in ["first", "second"].into_iter().enumerate() {
        let (all, inner) = (tasks.clone(), log.clone());
        let task = ioloop.spawn(async move {
            all.borrow()[1 - own].abort();
            inner.push(name);
        });
        tasks.borrow_mut().push(task);
    }
    one_turn(&ioloop);
    assert_eq!(log.take(), ["first"], "the second was in the queue already");
}

#[test]
fn a_late_waker_of_a_finished_task_does_not_poll_the_next_owner_of_its_slot() {
    let ioloop = virtual_loop();
    let kept: Rc<Cell<Option<Waker>>> = Rc::default();
    let inner = kept.clone();
    ioloop.spawn_detached(poll_fn(move |cx| {
        inner.set(Some(cx.waker().clone()));
        Poll::Ready(())
    }));
    one_turn(&ioloop);
    let polls = Rc::new(Cell::new(0));
    let inner = polls.clone();
    ioloop.spawn_detached(poll_fn(move |_| {
        inner.set(inner.get() + 1);
        Poll::<()>::Pending
    }));
    one_turn(&ioloop);
    kept.take().unwrap().wake();
    one_turn(&ioloop);
    assert_eq!(polls.get(), 1);
}

#[test]
fn wakes_before_a_poll_are_one_and_a_wake_within_a_poll_is_another() {
    let ioloop = virtual_loop();
    let polls = Rc::new(Cell::new(0));
    let kept: Rc<Cell<Option<Waker>>> = Rc::default();
    let (counter, slot) = (polls.clone(), kept.clone());
    ioloop.spawn_detached(poll_fn(move |cx| {
        counter.set(counter.get() + 1);
        if counter.get() == 2 {
            cx.waker().wake_by_ref();
            cx.waker().wake_by_ref();
        }
        slot.set(Some(cx.waker().clone()));
        Poll::<()>::Pending
    }));
    one_turn(&ioloop);
    let waker = kept.take().unwrap();
    for _ in 0..10 {
        waker.wake_by_ref();
    }
    one_turn(&ioloop);
    assert_eq!(polls.get(), 2);
    one_turn(&ioloop);
    assert_eq!(polls.get(), 3);
    one_turn(&ioloop);
    assert_eq!(polls.get(), 3);
}

#[test]
fn a_panic_of_a_task_reaches_its_join_handle() {
    let ioloop = virtual_loop();
    let heard = recorder::exceptions(&ioloop);
    let task = ioloop.spawn(async { panic!("a task") });
    let error = ioloop.run_until(task).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the task panicked: a task");
    assert_eq!(*heard.borrow(), [""; 0]);
}

#[test]
fn a_panic_that_no_join_handle_tells_of_reaches_the_exception_handler() {
    let ioloop = virtual_loop();
    let heard = recorder::exceptions(&ioloop);
    drop(ioloop.spawn(async { panic!("dropped before") }));
    let unread = ioloop.spawn(async { panic!("dropped after") });
    ioloop.spawn_detached(async { panic!("detached") });
    one_turn(&ioloop);
    drop(unread);
    assert_eq!(
        *heard.borrow(),
        [
            "Task: dropped before",
            "Task: detached",
            "Task: dropped after"
        ]
    );
}

#[test]
fn a_destructor_that_panics_does_not_reach_who_aborts() {
    let ioloop = virtual_loop();
    let heard = recorder::exceptions(&ioloop);
    let owned = PanicOnDrop;
    let task = ioloop.spawn(async move {
        let _owned = owned;
        pending::<()>().await;
    });
    one_turn(&ioloop);
    task.abort();
    assert_eq!(*heard.borrow(), ["Task: a destructor"]);
    assert!(matches!(
        ioloop.run_until(task).unwrap(),
        Err(JoinError::Aborted)
    ));
}

#[test]
fn a_task_spawned_by_a_destructor_of_a_task_runs() {
    struct SpawnsOnDrop(Log);
    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            Handle::current().spawn_detached(self.0.pushing_future("spawned"));
        }
    }
    let ioloop = virtual_loop();
    let log = Log::default();
    let owned = SpawnsOnDrop(log.clone());
    ioloop.spawn_detached(async move { drop(owned) });
    one_turn(&ioloop);
    one_turn(&ioloop);
    assert_eq!(log.take(), ["spawned"]);
}

#[test]
fn dropping_a_join_handle_lets_the_task_go_on() {
    let ioloop = virtual_loop();
    let log = Log::default();
    drop(ioloop.spawn(log.pushing_future("ran")));
    one_turn(&ioloop);
    assert_eq!(log.take(), ["ran"]);
}

#[test]
fn dropping_the_loop_aborts_its_tasks() {
    let ioloop = virtual_loop();
    let task = ioloop.spawn(pending::<()>());
    drop(ioloop);
    assert!(task.is_finished());
    let other = virtual_loop();
    assert!(matches!(
        other.run_until(task).unwrap(),
        Err(JoinError::Aborted)
    ));
}

#[test]
fn add_future_gives_the_result_to_a_callback() {
    let ioloop = virtual_loop();
    let given = Rc::new(Cell::new(0));
    let inner = given.clone();
    ioloop.add_future(
        async {
            sleep(ms(5)).await;
            42
        },
        move |number| inner.set(number),
    );
    ioloop.run_until(sleep(ms(6))).unwrap();
    assert_eq!(given.get(), 42);
}

#[test]
fn with_timeout_gives_the_result_or_drops_the_future_when_time_is_up() {
    let ioloop = virtual_loop();
    let log = Log::default();
    let start = ioloop.now();
    let in_time = with_timeout(ms(10), async {
        sleep(ms(9)).await;
        1
    });
    assert_eq!(ioloop.run_until(in_time).unwrap(), Ok(1));
    let owned = OnDrop(log.clone(), "dropped");
    let late = with_timeout(ms(10), async move {
        let _owned = owned;
        pending::<()>().await;
    });
    assert_eq!(ioloop.run_until(late).unwrap(), Err(TimedOut));
    assert_eq!(log.take(), ["dropped"]);
    assert_eq!(ioloop.now() - start, ms(19));
    // Ready at once is never too late, and at the same time is in time.
    assert_eq!(
        ioloop.run_until(with_timeout(ms(0), ready(2))).unwrap(),
        Ok(2)
    );
    let tie = with_timeout(ms(5), sleep(ms(5)));
    assert_eq!(ioloop.run_until(tie).unwrap(), Ok(()));
    assert!(ioloop.next_deadline().is_none(), "no timer is left behind");
}

#[test]
fn a_sleep_that_moves_to_another_task_wakes_that_one() {
    let ioloop = virtual_loop();
    let mut nap = Box::pin(sleep(ms(5)));
    let first_poll = poll_fn(|cx| {
        assert!(nap.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    });
    ioloop.run_until(first_poll).unwrap();
    let task = ioloop.spawn(nap);
    ioloop.run_until(task).unwrap().unwrap();
}

/// Wakers of other executors own what they like, and drop it when they are dropped.
#[test]
fn a_foreign_waker_may_use_the_loop_in_its_destructor() {
    struct Foreign;
    thread_local! {
        static LOOP: RefCell<Option<Handle>> = const { RefCell::new(None) };
        static DROPPED: Cell<u32> = const { Cell::new(0) };
    }
    impl std::task::Wake for Foreign {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("a foreign waker");
        }
    }
    impl Drop for Foreign {
        fn drop(&mut self) {
            DROPPED.set(DROPPED.get() + 1);
            LOOP.with_borrow(|handle| {
                let handle = handle.as_ref().unwrap();
                let timeout = handle.call_later(ms(1), || {});
                assert!(handle.remove_timeout(timeout));
                handle.add_callback(|| {});
            });
        }
    }
    let foreign = || Waker::from(std::sync::Arc::new(Foreign));
    let ioloop = virtual_loop();
    let heard = recorder::exceptions(&ioloop);
    LOOP.set(Some(ioloop.handle().clone()));
    let mut nap = Box::pin(sleep(ms(5)));
    let mut task = Box::pin(ioloop.spawn(pending::<()>()));
    let mut poll_with_foreign_waker = || {
        let waker = foreign();
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(nap.as_mut().poll(&mut cx).is_pending());
        assert!(task.as_mut().poll(&mut cx).is_pending());
        drop(waker);
    };
    ioloop
        .run_until(poll_fn(|_| {
            poll_with_foreign_waker();
            poll_with_foreign_waker();
            Poll::Ready(())
        }))
        .unwrap();
    assert_eq!(DROPPED.get(), 1, "replaced by the second");
    ioloop.run_until(sleep(ms(6))).unwrap();
    assert_eq!(*heard.borrow(), ["Task: a foreign waker"]);
    LOOP.with_borrow(|handle| assert!(handle.is_some()));
    task.abort();
    assert_eq!(heard.borrow().len(), 2, "woken by the end of the task");
    drop((nap, task));
    LOOP.set(None);
}

#[test]
#[should_panic = "no loop is turning on this thread"]
fn a_sleep_outside_of_a_loop_says_what_is_wrong() {
    let mut nap = std::pin::pin!(sleep(ms(1)));
    let mut cx = std::task::Context::from_waker(Waker::noop());
    let _ = Future::poll(nap.as_mut(), &mut cx);
}

#[test]
fn a_hundred_thousand_tasks_come_and_go() {
    let ioloop = virtual_loop();
    let done = Rc::new(Cell::new(0_u32));
    for number in 0..100_000 {
        let done = done.clone();
        ioloop.spawn_detached(async move {
            sleep(ms(number % 97)).await;
            yield_now().await;
            done.set(done.get() + 1);
        });
    }
    ioloop.run_until(sleep(ms(100))).unwrap();
    assert_eq!(done.get(), 100_000);
}

#[test]
fn a_waker_outlives_its_loop_and_wakes_nobody_else_for_long() {
    let kept: Rc<Cell<Option<Waker>>> = Rc::default();
    let inner = kept.clone();
    let ioloop = IoLoop::new().unwrap();
    ioloop.spawn_detached(poll_fn(move |cx| {
        inner.set(Some(cx.waker().clone()));
        Poll::Pending
    }));
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    drop(ioloop);
    let late = kept.take().expect("the task has run");
    late.wake_by_ref();
    // The next loop may have its number, and the task its slot: it is polled once more at most.
    let polls = Rc::new(Cell::new(0));
    let counted = polls.clone();
    let next = IoLoop::new().unwrap();
    next.spawn_detached(poll_fn(move |_| {
        counted.set(counted.get() + 1);
        Poll::<()>::Pending
    }));
    for _ in 0..3 {
        next.run_once(Some(Duration::ZERO)).unwrap();
    }
    late.wake();
    for _ in 0..3 {
        next.run_once(Some(Duration::ZERO)).unwrap();
    }
    assert!(polls.get() <= 2, "{}", polls.get());
}
