//! Answers that are given in a later turn, by whoever holds the exchange: the way of callbacks and
//! of long polling.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use squall_httpserver::Exchange;
use squall_ioloop::{Handle, sleep};
use support::{AT_ONCE, Crlf, World, logs, statuses};

const GET: &str = "GET / HTTP/1.1\nhost: a\n\n";
const LAST: &str = "GET / HTTP/1.1\nhost: a\nconnection: close\n\n";

#[test]
fn a_callback_answers_in_a_later_turn() {
    let world = World::new(|http: Exchange| {
        Handle::current().call_later(Duration::from_secs(5), move || {
            let _ = http.write("later");
            http.finish();
        });
        std::future::ready(())
    });
    let heard = world.talk([GET, LAST].concat().crlf());
    assert_eq!(statuses(&heard.text), ["200", "200"]);
    assert_eq!(heard.text.matches("later").count(), 2);
    assert_eq!(heard.after, Duration::from_secs(10));
    world.assert_well();
}

#[test]
fn one_event_answers_many_that_wait() {
    let waiting: Rc<RefCell<Vec<Exchange>>> = Rc::default();
    let room = waiting.clone();
    let world = World::new(move |http: Exchange| {
        room.borrow_mut().push(http);
        std::future::ready(())
    });
    let mut peers: Vec<_> = (0..100).map(|_| world.connect()).collect();
    for round in 0..3 {
        for peer in &peers {
            peer.write(GET.crlf().as_bytes()).unwrap();
        }
        world.run(sleep(Duration::from_secs(1000)));
        assert_eq!(waiting.borrow().len(), 100);
        for http in waiting.take() {
            let _ = http.write(format!("event {round}"));
            http.finish();
        }
        world.run(async {
            let end = format!("event {round}");
            for peer in &mut peers {
                peer.read_until(end.as_bytes(), 1000).await.unwrap();
            }
        });
    }
    drop(peers);
    world.assert_well();
}

#[test]
fn what_is_streamed_by_callbacks_arrives_as_it_is_written() {
    let world = World::new(|http: Exchange| {
        Handle::current().spawn_detached(async move {
            for count in 0..3 {
                sleep(Duration::from_secs(1)).await;
                let _ = http.write(format!("{count}"));
                let _ = http.flush().await;
            }
            http.finish();
        });
        std::future::ready(())
    });
    let heard = world.talk(LAST.crlf());
    assert!(
        heard.text.ends_with("\n\n1\n0\n1\n1\n1\n2\n0\n\n"),
        "{heard:?}"
    );
    assert_eq!(heard.after, Duration::from_secs(3));
}

#[test]
fn an_exchange_that_nobody_holds_any_more_is_500() {
    check_dropped(AT_ONCE, |_| {});
    // A callback that had it has let it fall.
    check_dropped(Duration::from_secs(5), |http| {
        Handle::current().call_later(Duration::from_secs(5), move || drop(http));
    });
}

#[track_caller]
fn check_dropped(after: Duration, drop_it: impl Fn(Exchange) + 'static) {
    let world = World::new(move |http: Exchange| {
        drop_it(http);
        std::future::ready(())
    });
    let heard = world.talk(LAST.crlf());
    assert_eq!(statuses(&heard.text), ["500"]);
    assert_eq!(heard.after, after);
    assert_eq!(logs::take().len(), 1);
    world.assert_well();
}

#[test]
fn an_exchange_that_is_dropped_half_way_is_cut() {
    let world = World::new(|http: Exchange| async move {
        let _ = http.write("half");
        let _ = http.flush().await;
    });
    let heard = world.talk(GET.crlf());
    assert!(heard.text.ends_with("\n\n4\nhalf\n"), "{heard:?}");
    assert_eq!(heard.after, AT_ONCE);
    assert_eq!(logs::take().len(), 1);
    world.assert_well();
}

#[test]
fn clones_are_one_exchange() {
    let world = World::new(|http: Exchange| async move {
        let clones: Vec<_> = (0..10).map(|_| http.clone()).collect();
        for clone in &clones {
            let _ = clone.write("x");
        }
        drop(clones);
        http.finish();
    });
    let heard = world.talk(LAST.crlf());
    assert!(heard.text.ends_with("\n\nxxxxxxxxxx"), "{heard:?}");
}

/// The answer leaves when it is finished, the connection goes on, and the work beside it.
#[test]
fn a_service_may_finish_early_and_go_on_working() {
    let worked = Rc::new(Cell::new(0));
    let count = worked.clone();
    let world = World::new(move |http: Exchange| {
        let count = count.clone();
        async move {
            http.finish();
            sleep(Duration::from_secs(100)).await;
            count.set(count.get() + 1);
        }
    });
    let heard = world.talk([GET, GET, LAST].concat().crlf());
    assert_eq!(statuses(&heard.text), ["200"; 3]);
    assert_eq!(heard.after, AT_ONCE);
    assert_eq!(worked.get(), 0);
    // The server does not stop without it.
    let report = world.run(world.server.stop(Duration::from_secs(1000)));
    assert_eq!((worked.get(), report.finished, report.cut), (3, 3, 0));
}

#[test]
fn a_service_that_has_finished_early_may_read_what_is_left() {
    let read = Rc::new(RefCell::new(Vec::new()));
    let log = read.clone();
    let world = World::new(move |http: Exchange| {
        let log = log.clone();
        async move {
            http.finish();
            let content = http.content().await.unwrap();
            log.borrow_mut().push(content);
        }
    });
    let mut peer = world.connect();
    world.run(async {
        let post = "POST / HTTP/1.1\nhost: a\ncontent-length: 4\n\nab".crlf();
        peer.write(post.as_bytes()).unwrap();
        peer.read_until(b"\r\n\r\n", 1000).await.unwrap();
        peer.write(b"cd").unwrap();
        peer.write("GET /well HTTP/1.1\nhost: a\n\n".crlf().as_bytes())
            .unwrap();
        peer.read_until(b"\r\n\r\n", 1000).await.unwrap();
    });
    assert_eq!(*read.borrow(), ["abcd"]);
    drop(peer);
    world.assert_well();
}

#[test]
fn an_exchange_may_outlive_its_connection_and_its_server() {
    let kept: Rc<RefCell<Vec<Exchange>>> = Rc::default();
    let keep = kept.clone();
    let world = World::new(move |http: Exchange| {
        keep.borrow_mut().push(http);
        std::future::ready(())
    });
    let peer = world.connect();
    peer.write(GET.crlf().as_bytes()).unwrap();
    world.settle();
    drop(peer);
    world.settle();
    drop(world);
    for http in kept.take() {
        assert_eq!(http.head().path(), "/");
        // A closed stream or not: it does no harm.
        let _ = http.write("x");
        http.finish();
        assert!(http.is_finished());
    }
}

#[test]
fn the_slot_is_lent_to_the_layer_above() {
    let world = World::new(|http: Exchange| async move {
        http.with_slot(|count: &mut u32| *count += 1);
        let count = http.with_slot(|count: &mut u32| *count);
        // Another type takes its place.
        http.with_slot(|text: &mut String| text.push('x'));
        let _ = http.write(format!("{count}"));
        http.finish();
    });
    let heard = world.talk(LAST.crlf());
    assert!(heard.text.ends_with("\n\n1"), "{heard:?}");
}
