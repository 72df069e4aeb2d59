//! Panics, wherever they may come from: the loop tells of them and lives on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorder;

use std::cell::Cell;
use std::future::pending;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::panic::panic_any;
use std::rc::Rc;
use std::time::Duration;

use recorder::{Log, PanicOnDrop, exceptions};
use squall_ioloop::{Handle, Interest, IoLoop, Ready, Source, Token};

/// Adds what panics, turns the loop three times, and expects to be told of exactly `expected`, with
/// everything else alive.
fn check(expected: &[&str], add: impl FnOnce(&IoLoop)) {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let heard = exceptions(&ioloop);
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    add(&ioloop);
    let inner = log.clone();
    ioloop
        .add_handler(&ours, Interest::Read, move |_, _| inner.push("descriptor"))
        .unwrap();
    theirs.write_all(b"x").unwrap();
    ioloop.call_later(Duration::ZERO, log.pushing("timer"));
    ioloop.add_callback(log.pushing("callback"));
    ioloop.spawn_detached(log.pushing_future("task"));
    for _ in 0..3 {
        ioloop.run_once(Some(Duration::ZERO)).unwrap();
    }
    assert_eq!(*heard.borrow(), expected);
    let mut others = log.take();
    others.sort_unstable();
    others.dedup();
    assert_eq!(others, ["callback", "descriptor", "task", "timer"]);
}

struct Panics;

thread_local! {
    static TOKEN: Cell<Option<Token>> = const { Cell::new(None) };
}

impl Source for Panics {
    fn on_ready(&self, _: &Handle, _: Ready) {
        panic!("a source");
    }
    fn on_turn_end(&self, _: &Handle) {
        panic!("a turn end");
    }
}

fn panicking_source(ioloop: &IoLoop) -> Token {
    ioloop
        .register(Rc::new(Panics), None, Interest::Read)
        .unwrap()
}

#[test]
fn of_a_callback() {
    check(&["Callback: a callback"], |ioloop| {
        ioloop.add_callback(|| panic!("a callback"));
    });
}

#[test]
fn of_bulk_work() {
    // It would not run in the turn of the others.
    let ioloop = IoLoop::new().unwrap();
    let heard = exceptions(&ioloop);
    ioloop.add_bulk_callback(|| panic!("a piece of bulk work"));
    ioloop.run_once(None).unwrap();
    assert_eq!(*heard.borrow(), ["Callback: a piece of bulk work"]);
}

#[test]
fn of_a_timer() {
    check(&["Callback: a timer"], |ioloop| {
        ioloop.call_later(Duration::ZERO, || panic!("a timer"));
    });
}

#[test]
fn of_a_post_of_another_thread() {
    check(&["Callback: a post"], |ioloop| {
        let remote = ioloop.remote();
        remote.add_callback(|_| panic!("a post")).unwrap();
        remote.add_callback(|_| ()).unwrap();
    });
}

#[test]
fn of_a_task() {
    check(&["Task: a task"], |ioloop| {
        ioloop.spawn_detached(async { panic!("a task") });
    });
}

#[test]
fn of_a_source_and_of_its_turn_end() {
    check(&["Source: a source", "TurnEnd: a turn end"], |ioloop| {
        let token = panicking_source(ioloop);
        ioloop.ready_again(token, Ready::READABLE);
        ioloop.at_turn_end(token);
    });
}

#[test]
fn of_a_source_at_its_deadline() {
    check(&["Source: a source"], |ioloop| {
        let token = panicking_source(ioloop);
        ioloop.set_deadline(token, Some(Duration::ZERO));
    });
}

#[test]
fn of_a_handler_which_is_removed_then() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    check(&["Source: a handler"], |ioloop| {
        ioloop
            .add_handler(&ours, Interest::Read, |_, _| panic!("a handler"))
            .unwrap();
    });
    let ioloop = IoLoop::new().unwrap();
    let _heard = exceptions(&ioloop);
    let id = ioloop
        .add_handler(&ours, Interest::Read, |_, _| panic!("a handler"))
        .unwrap();
    ioloop.run_once(None).unwrap();
    let gone = ioloop.update_handler(id, Interest::Read).unwrap_err();
    assert_eq!(gone.kind(), std::io::ErrorKind::NotFound);
    ioloop
        .add_handler(&ours, Interest::Read, |_, _| ())
        .expect("the descriptor is free again");
}

#[test]
fn of_a_destructor_of_what_a_callback_owned() {
    check(&["Callback: a destructor"], |ioloop| {
        let owned = PanicOnDrop;
        ioloop.add_callback(move || drop(owned));
    });
}

#[test]
fn of_a_destructor_of_a_finished_future() {
    struct Finished(#[allow(dead_code, reason = "for its destructor")] PanicOnDrop);
    impl Future for Finished {
        type Output = ();
        fn poll(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<()> {
            std::task::Poll::Ready(())
        }
    }
    check(&["Task: a destructor"], |ioloop| {
        ioloop.spawn_detached(Finished(PanicOnDrop));
    });
    check(&["Task: a destructor"], |ioloop| {
        drop(ioloop.spawn(Finished(PanicOnDrop)));
    });
}

#[test]
fn of_a_destructor_of_a_source_that_removed_itself() {
    struct RemovesItself(#[allow(dead_code, reason = "for its destructor")] PanicOnDrop);
    impl Source for RemovesItself {
        fn on_ready(&self, ioloop: &Handle, _: Ready) {
            ioloop.deregister(TOKEN.take().expect("set by the test"), None);
        }
        fn on_turn_end(&self, ioloop: &Handle) {
            ioloop.deregister(TOKEN.take().expect("set by the test"), None);
        }
    }
    check(&["Source: a destructor"], |ioloop| {
        let source = Rc::new(RemovesItself(PanicOnDrop));
        let token = ioloop.register(source, None, Interest::Read).unwrap();
        TOKEN.set(Some(token));
        ioloop.ready_again(token, Ready::READABLE);
    });
    check(&["TurnEnd: a destructor"], |ioloop| {
        let source = Rc::new(RemovesItself(PanicOnDrop));
        let token = ioloop.register(source, None, Interest::Read).unwrap();
        TOKEN.set(Some(token));
        ioloop.at_turn_end(token);
    });
}

#[test]
fn of_the_exception_handler_itself_which_loses_no_posts() {
    let ioloop = IoLoop::new().unwrap();
    let count = Rc::new(Cell::new(0));
    let inner = count.clone();
    ioloop.set_exception_handler(move |_, _| {
        inner.set(inner.get() + 1);
        panic!("the handler of panics");
    });
    let log = Log::default();
    let posted = log.remote(&ioloop, "after");
    ioloop.remote().add_callback(|_| panic!("a post")).unwrap();
    posted();
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    assert_eq!(count.get(), 1);
    assert_eq!(log.take(), ["after"]);
}

#[test]
fn of_a_payload_whose_destructor_panics() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    ioloop.set_exception_handler(|_, exception| drop(exception));
    ioloop.add_callback(|| panic_any(PanicOnDrop));
    ioloop.add_callback(log.pushing("after"));
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    assert_eq!(log.take(), ["after"]);
}

#[test]
fn of_everything_that_a_dropped_loop_owned() {
    struct Owner(#[allow(dead_code, reason = "for its destructor")] PanicOnDrop);
    impl Source for Owner {
        fn on_ready(&self, _: &Handle, _: Ready) {}
    }
    let ioloop = IoLoop::new().unwrap();
    let heard = exceptions(&ioloop);
    let (ours, _theirs) = UnixStream::pair().unwrap();
    for _ in 0..2 {
        let (a, b, c) = (PanicOnDrop, PanicOnDrop, PanicOnDrop);
        ioloop.add_callback(move || drop(a));
        ioloop.call_later(Duration::from_secs(1), move || drop(b));
        ioloop.spawn_detached(async move {
            let _owned = c;
            pending::<()>().await;
        });
        let (d, e) = (PanicOnDrop, PanicOnDrop);
        ioloop.remote().add_callback(move |_| drop(d)).unwrap();
        ioloop
            .register(Rc::new(Owner(e)), None, Interest::Read)
            .unwrap();
    }
    let f = PanicOnDrop;
    ioloop
        .add_handler(&ours, Interest::Read, move |_, _| {
            let _owned = &f;
        })
        .unwrap();
    ioloop.local(|| Owner(PanicOnDrop));
    drop(ioloop);
    let heard = heard.take();
    let count = |origin| heard.iter().filter(|line| line.starts_with(origin)).count();
    assert_eq!(
        (count("Task"), count("Callback"), count("Source")),
        (2, 7, 3)
    );
}

#[test]
fn a_panic_of_the_future_of_run_until_goes_up_and_leaves_the_loop_whole() {
    let ioloop = IoLoop::new().unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = ioloop.run_until(async { panic!("the root") });
    }));
    assert!(panicked.is_err());
    assert!(Handle::try_current().is_none());
    assert_eq!(ioloop.run_until(async { 1 }).unwrap(), 1);
}

#[test]
fn without_a_handler_panics_are_logged_and_the_loop_lives() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    ioloop.add_callback(|| panic_any(17));
    ioloop.add_callback(log.pushing("after"));
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    assert_eq!(log.take(), ["after"]);
}

#[test]
fn the_exception_handler_may_stop_the_loop_and_replace_itself() {
    let ioloop = IoLoop::new().unwrap();
    ioloop.set_exception_handler(|ioloop, _| {
        ioloop.set_exception_handler(|_, _| ());
        ioloop.stop();
    });
    ioloop.add_callback(|| panic!("a callback"));
    ioloop.run().unwrap();
}
