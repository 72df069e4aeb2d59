//! Callbacks that change the loop which is calling them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorder;

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use recorder::{Log, OnDrop};
use squall_ioloop::{Handle, HandlerId, Interest, IoLoop, Ready, Source, Token};

fn one_turn(ioloop: &IoLoop) {
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
}

fn readable_pair() -> (UnixStream, UnixStream) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    (ours, theirs)
}

/// A source that does what it is told to do, and says when it is dropped.
struct Scripted<F: Fn(&Handle)> {
    log: Log,
    script: F,
}

impl<F: Fn(&Handle)> Source for Scripted<F> {
    fn on_ready(&self, ioloop: &Handle, _: Ready) {
        self.log.push("told");
        (self.script)(ioloop);
    }
}

impl<F: Fn(&Handle)> Drop for Scripted<F> {
    fn drop(&mut self) {
        self.log.push("dropped");
    }
}

#[test]
fn a_handler_can_remove_itself_and_is_dropped_when_it_returns() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let (ours, _theirs) = readable_pair();
    let id: Rc<Cell<Option<HandlerId>>> = Rc::default();
    let (inner, own_id) = (log.clone(), id.clone());
    let dropped = OnDrop(log.clone(), "dropped");
    let added = ioloop.add_handler(&ours, Interest::Read, move |ioloop, _| {
        let _owned = &dropped;
        ioloop.remove_handler(own_id.get().expect("set by the test"));
        ioloop.remove_handler(own_id.get().expect("set by the test"));
        inner.push("told");
    });
    id.set(Some(added.unwrap()));
    one_turn(&ioloop);
    assert_eq!(log.take(), ["told", "dropped"]);
    one_turn(&ioloop);
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn a_handler_can_close_its_descriptor_after_removing_itself() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let (ours, mut theirs) = readable_pair();
    let ours = Rc::new(RefCell::new(Some(ours)));
    let id: Rc<Cell<Option<HandlerId>>> = Rc::default();
    let (inner, own_id, own) = (log.clone(), id.clone(), ours.clone());
    let added = ioloop.add_handler(ours.borrow().as_ref().unwrap(), Interest::Read, {
        move |ioloop, _| {
            inner.push("told");
            ioloop.remove_handler(own_id.get().expect("set by the test"));
            own.borrow_mut().take();
        }
    });
    id.set(Some(added.unwrap()));
    one_turn(&ioloop);
    one_turn(&ioloop);
    assert_eq!(log.take(), ["told"]);
    assert!(theirs.write_all(b"y").is_err(), "closed");
}

#[test]
fn a_handler_can_add_another_whose_descriptor_is_ready() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let (first, _theirs) = readable_pair();
    let (second, _theirs) = readable_pair();
    let (inner, mut second_once) = (log.clone(), Some(second));
    ioloop
        .add_handler(&first, Interest::Read, move |ioloop, _| {
            if let Some(second) = second_once.take() {
                let innermost = inner.clone();
                ioloop
                    .add_handler(&second, Interest::Read, move |_, _| {
                        innermost.push("second")
                    })
                    .unwrap();
                // Leaked, so that it stays open.
                std::mem::forget(second);
            }
            inner.push("first");
        })
        .unwrap();
    one_turn(&ioloop);
    assert_eq!(log.take(), ["first"]);
    one_turn(&ioloop);
    let mut heard = log.take();
    heard.sort_unstable();
    assert_eq!(heard, ["first", "second"]);
}

#[test]
fn a_handler_removed_in_the_turn_in_which_its_event_is_queued_is_never_called() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let (first, _theirs_1) = readable_pair();
    let (second, _theirs_2) = readable_pair();
    let ids: Rc<RefCell<Vec<HandlerId>>> = Rc::default();
    for (name, other, stream) in [("first", 1, &first), ("second", 0, &second)] {
        let (inner, all) = (log.clone(), ids.clone());
        let id = ioloop
            .add_handler(stream, Interest::Read, move |ioloop, _| {
                inner.push(name);
                let other = all.borrow()[other];
                ioloop.remove_handler(other);
            })
            .unwrap();
        ids.borrow_mut().push(id);
    }
    for _ in 0..3 {
        one_turn(&ioloop);
    }
    // Whichever came first removed the other.
    let heard = log.take();
    assert_eq!(heard.len(), 3);
    assert!(heard.iter().all(|name| *name == heard[0]), "{heard:?}");
}

#[test]
fn an_event_that_is_queued_never_reaches_the_next_owner_of_slot_and_descriptor() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let pairs = [readable_pair(), readable_pair()];
    // Both are ready. The first to be told replaces the other: the same slot, the same descriptor.
    let tokens: Rc<RefCell<Vec<Token>>> = Rc::default();
    let is_replaced = Rc::new(Cell::new(false));
    for (own, (ours, _)) in pairs.iter().enumerate() {
        let other = pairs[1 - own].0.try_clone().unwrap();
        let (tokens_inner, inner, is_replaced) = (tokens.clone(), log.clone(), is_replaced.clone());
        let script = move |ioloop: &Handle| {
            if is_replaced.replace(true) {
                return;
            }
            let token = tokens_inner.borrow()[1 - own];
            ioloop.deregister(token, None);
            let heir = Scripted {
                log: inner.clone(),
                script: |_: &Handle| unreachable!("not in this turn"),
            };
            let next = ioloop
                .register(Rc::new(heir), None, Interest::Read)
                .unwrap();
            assert_ne!(next, token);
            let _ = &other;
        };
        let source = Rc::new(Scripted {
            log: log.clone(),
            script,
        });
        let token = ioloop
            .register(source, Some(ours.as_fd()), Interest::Read)
            .unwrap();
        tokens.borrow_mut().push(token);
    }
    one_turn(&ioloop);
    assert_eq!(log.take(), ["told", "dropped"]);
}

#[test]
fn ready_again_and_turn_end_do_not_reach_the_next_owner_of_a_slot() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let source = || {
        Rc::new(Scripted {
            log: log.clone(),
            script: |_: &Handle| {},
        })
    };
    let old = ioloop.register(source(), None, Interest::Read).unwrap();
    ioloop.ready_again(old, Ready::READABLE);
    ioloop.at_turn_end(old);
    ioloop.set_deadline(old, Some(Duration::ZERO));
    ioloop.deregister(old, None);
    let new = ioloop.register(source(), None, Interest::Read).unwrap();
    assert_eq!(log.take(), ["dropped"]);
    one_turn(&ioloop);
    assert_eq!(log.take(), [""; 0]);
    ioloop.deregister(old, None);
    ioloop.ready_again(new, Ready::READABLE);
    one_turn(&ioloop);
    assert_eq!(log.take(), ["told"]);
}

#[test]
fn a_source_that_removes_itself_is_dropped_after_it_was_told() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let token: Rc<Cell<Option<Token>>> = Rc::default();
    let (inner, own) = (log.clone(), token.clone());
    let script = move |ioloop: &Handle| {
        ioloop.deregister(own.get().expect("set by the test"), None);
        inner.push("removed");
    };
    let source = Scripted {
        log: log.clone(),
        script,
    };
    token.set(Some(
        ioloop
            .register(Rc::new(source), None, Interest::Read)
            .unwrap(),
    ));
    ioloop.ready_again(token.get().unwrap(), Ready::READABLE);
    one_turn(&ioloop);
    assert_eq!(log.take(), ["told", "removed", "dropped"]);
}

#[test]
fn a_timer_can_cancel_one_that_is_due_in_the_same_turn() {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let log = Log::default();
    let later = Duration::from_millis(1);
    let victim = Rc::new(Cell::new(None));
    let (handle, inner, other) = (ioloop.handle().clone(), log.clone(), victim.clone());
    ioloop.call_later(later, move || {
        inner.push("first");
        assert!(handle.remove_timeout(other.take().expect("set by the test")));
    });
    victim.set(Some(ioloop.call_later(later, log.pushing("second"))));
    ioloop.call_later(later, log.pushing("third"));
    ioloop.turn(None).unwrap();
    assert_eq!(log.take(), ["first", "third"]);
}

#[test]
#[should_panic = "a loop cannot be turned from inside one of its turns"]
fn a_loop_cannot_be_turned_from_inside() {
    let ioloop = Rc::new(IoLoop::new().unwrap());
    let inside = ioloop.clone();
    let heard: Rc<Cell<Option<String>>> = Rc::default();
    let inner = heard.clone();
    ioloop.set_exception_handler(move |_, exception| {
        inner.set(Some(exception.message().to_owned()));
    });
    ioloop.add_callback(move || inside.run_once(None).unwrap());
    one_turn(&ioloop);
    panic!("{}", heard.take().unwrap());
}

#[test]
fn another_loop_can_be_turned_from_inside() {
    let outer = IoLoop::new().unwrap();
    let inner = IoLoop::new().unwrap();
    let log = Log::default();
    let (outer_handle, outer_log) = (outer.handle().clone(), log.clone());
    inner.add_callback(log.pushing("inner"));
    outer.add_callback(move || {
        assert!(Handle::current().is_same_loop(&outer_handle));
        inner.run_once(Some(Duration::ZERO)).unwrap();
        assert!(Handle::current().is_same_loop(&outer_handle));
        outer_log.push("outer");
    });
    one_turn(&outer);
    assert!(Handle::try_current().is_none());
    assert_eq!(log.take(), ["inner", "outer"]);
}

#[test]
fn destructors_may_use_the_loop_wherever_they_run() {
    struct AddsOnDrop(Handle, Log);
    impl Drop for AddsOnDrop {
        fn drop(&mut self) {
            let log = self.1.clone();
            self.0.add_callback(log.pushing("callback"));
            let timeout = self.0.call_later(Duration::ZERO, log.pushing("timer"));
            self.0.remove_timeout(timeout);
            self.0.spawn_detached(log.pushing_future("task"));
            self.0.local(Cell::<u8>::default);
            let source = Scripted {
                log,
                script: |_: &Handle| {},
            };
            if let Ok(token) = self.0.register(Rc::new(source), None, Interest::Read) {
                self.0.deregister(token, None);
            }
        }
    }
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let heard = recorder::exceptions(&ioloop);
    let adds = || AddsOnDrop(ioloop.handle().clone(), log.clone());
    let (ours, _theirs) = readable_pair();

    let (in_callback, in_timer, in_task, in_handler) = (adds(), adds(), adds(), adds());
    ioloop.add_callback(move || drop(in_callback));
    let timeout = ioloop.call_later(Duration::from_secs(1), move || drop(in_timer));
    ioloop.remove_timeout(timeout);
    ioloop
        .spawn(async move {
            let _owned = in_task;
            std::future::pending::<()>().await;
        })
        .abort();
    let id = ioloop
        .add_handler(&ours, Interest::Read, move |_, _| {
            let _owned = &in_handler;
        })
        .unwrap();
    ioloop.remove_handler(id);
    for _ in 0..3 {
        one_turn(&ioloop);
    }
    let heard_so_far = log.take();
    let count = |name| heard_so_far.iter().filter(|known| **known == name).count();
    assert_eq!(
        (count("callback"), count("task")),
        (4, 4),
        "{heard_so_far:?}"
    );
    assert_eq!((count("timer"), count("dropped")), (0, 4));

    // And when the loop itself is dropped: nothing runs, nothing is kept.
    let (a, b, c, d) = (adds(), adds(), adds(), adds());
    ioloop.add_callback(move || drop(a));
    ioloop.call_later(Duration::from_secs(1), move || drop(b));
    ioloop.spawn_detached(async move {
        let _owned = c;
        std::future::pending::<()>().await;
    });
    ioloop
        .add_handler(&ours, Interest::Read, move |_, _| {
            let _owned = &d;
        })
        .unwrap();
    drop(ioloop);
    assert_eq!(
        log.take(),
        ["dropped"; 4],
        "the sources that a closed loop refused"
    );
    assert_eq!(*heard.borrow(), [""; 0]);
}

#[test]
fn what_is_added_to_a_closed_loop_is_dropped_at_once() {
    let ioloop = IoLoop::new().unwrap();
    let handle = ioloop.handle().clone();
    let log = Log::default();
    drop(ioloop);
    let owned = || OnDrop(log.clone(), "dropped");
    let (a, b, c, d) = (owned(), owned(), owned(), owned());
    handle.add_callback(move || drop(a));
    assert_eq!(log.take(), ["dropped"]);
    let timeout = handle.call_later(Duration::ZERO, move || drop(b));
    assert_eq!(log.take(), ["dropped"]);
    assert!(!handle.remove_timeout(timeout));
    let task = handle.spawn(async move { drop(c) });
    assert_eq!(log.take(), ["dropped"]);
    assert!(task.is_finished());
    let script = move |_: &Handle| {
        let _owned = &d;
    };
    let source = Rc::new(Scripted {
        log: Log::default(),
        script,
    });
    let refused = handle.register(source, None, Interest::Read).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::NotConnected);
    assert_eq!(log.take(), ["dropped"]);
}

#[test]
fn locals_outlive_what_uses_them_when_the_loop_is_dropped() {
    struct Pool(Cell<u32>);
    struct UsesPool(Handle, Rc<Cell<u32>>);
    impl Drop for UsesPool {
        fn drop(&mut self) {
            let pool = self.0.local(|| Pool(Cell::new(0)));
            self.1.set(pool.0.get());
        }
    }
    let ioloop = IoLoop::new().unwrap();
    ioloop.local(|| Pool(Cell::new(7)));
    let seen = Rc::new(Cell::new(0));
    let user = UsesPool(ioloop.handle().clone(), seen.clone());
    ioloop.spawn_detached(async move {
        let _owned = user;
        std::future::pending::<()>().await;
    });
    drop(ioloop);
    assert_eq!(seen.get(), 7);
}
