//! A server that stops: nobody is left, everybody is counted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use squall_httpserver::{DrainReport, Exchange};
use squall_ioloop::{sleep, with_timeout};
use squall_iostream::IoStream;
use support::{AT_ONCE, Crlf, World, statuses, tell_target};

const SECOND: Duration = Duration::from_secs(1);

/// `/n` takes n seconds.
async fn take_seconds(http: Exchange) {
    let seconds = http.head().path()[1..].parse().unwrap_or(0);
    sleep(seconds * SECOND).await;
    tell_target(http).await;
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\nhost: a\n\n").crlf()
}

fn ask(world: &World, target: &str) -> IoStream {
    let peer = world.connect();
    peer.write(get(target).as_bytes()).unwrap();
    peer
}

fn counts(report: DrainReport) -> [usize; 3] {
    [report.idle, report.finished, report.cut]
}

#[test]
fn idle_connections_are_closed_at_once() {
    let world = World::new(take_seconds);
    let mut used = [ask(&world, "/0"), ask(&world, "/0")];
    for peer in &mut used {
        world.run(peer.read_until(b"\r\n\r\n/0", 1000)).unwrap();
    }
    world.settle();
    let since = world.ioloop.now();
    let report = world.run(world.server.stop(10 * SECOND));
    assert_eq!(counts(report), [2, 0, 0]);
    assert_eq!(world.ioloop.now(), since);
    world.run(async {
        for mut peer in used {
            assert!(peer.read_until_close(10).await.unwrap().is_empty());
        }
    });
    assert_eq!(world.server.connection_count(), 0);
}

#[test]
fn requests_under_way_are_finished_and_told_that_they_are_the_last() {
    let world = World::new(take_seconds);
    let mut slow = ask(&world, "/5");
    let mut half = world.connect();
    half.write(b"GET /2 HTTP/1.1\r\n").unwrap();
    let _idle = world.connect();
    world.settle();
    world.ioloop.call_later(SECOND, {
        let half = half.handle();
        move || half.write(b"host: a\r\n\r\n").unwrap()
    });
    let report = world.run(world.server.stop(10 * SECOND));
    assert_eq!(counts(report), [1, 2, 0]);
    for (peer, content) in [(&mut slow, "/5"), (&mut half, "/2")] {
        let heard = world.run(world.listen(peer));
        assert!(heard.text.contains("connection: close\n"), "{heard:?}");
        assert!(heard.text.ends_with(content), "{heard:?}");
    }
}

/// It was on its way when the server began to stop.
#[test]
fn a_request_that_has_arrived_is_not_lost() {
    let world = World::new(take_seconds);
    let mut peer = world.connect();
    world.settle();
    peer.write(get("/1").as_bytes()).unwrap();
    peer.flush();
    let report = world.run(world.server.stop(10 * SECOND));
    assert_eq!(counts(report), [0, 1, 0]);
    let heard = world.run(world.listen(&mut peer));
    assert_eq!(statuses(&heard.text), ["200"]);
    assert!(heard.text.contains("connection: close\n"));
}

#[test]
fn who_is_left_at_the_deadline_is_cut() {
    let world = World::new(take_seconds);
    let mut quick = ask(&world, "/3");
    let mut slow = ask(&world, "/30");
    world.settle();
    let since = world.ioloop.now();
    let report = world.run(world.server.stop(10 * SECOND));
    assert_eq!(counts(report), [0, 1, 1]);
    assert_eq!(world.ioloop.now() - since, 10 * SECOND);
    assert_eq!(statuses(&world.run(world.listen(&mut quick)).text), ["200"]);
    assert_eq!(world.run(world.listen(&mut slow)).text, "");
    // The service goes on, and its connection is forgotten with it.
    world.run(sleep(30 * SECOND));
    assert_eq!(world.server.connection_count(), 0);
}

#[test]
fn without_patience_everybody_is_counted_once() {
    let world = World::new(take_seconds);
    let _idle = [world.connect(), world.connect()];
    let _slow = [ask(&world, "/5"), ask(&world, "/5"), ask(&world, "/5")];
    world.settle();
    let report = world.run(world.server.stop(AT_ONCE));
    assert_eq!(counts(report), [2, 0, 3]);
}

#[test]
fn nobody_is_served_after() {
    let world = World::new(take_seconds);
    assert_eq!(counts(world.run(world.server.stop(SECOND))), [0, 0, 0]);
    let heard = world.talk(get("/0"));
    assert_eq!(heard.text, "");
    assert_eq!(heard.after, AT_ONCE);
    assert_eq!(world.server.connection_count(), 0);
}

#[test]
fn an_answer_that_the_peer_is_still_taking_is_not_idle() {
    let world = World::new(|http: Exchange| async move {
        let _ = http.write(vec![b'x'; 200_000]);
        http.finish();
    });
    let mut peer = ask(&world, "/");
    world.settle();
    let mut stop = Box::pin(world.server.stop(100 * SECOND));
    assert!(world.run(with_timeout(SECOND, &mut stop)).is_err());
    let bytes = world.run(peer.read_until_close(usize::MAX)).unwrap();
    assert!(bytes.len() > 200_000);
    assert_eq!(counts(world.run(stop)), [0, 1, 0]);
}

// ---- who has joined

#[test]
fn who_has_joined_is_told_and_waited_for() {
    let told = Rc::new(Cell::new(0));
    let note = told.clone();
    let world = World::new(move |http: Exchange| {
        let note = note.clone();
        let guard = http.join_drain().on_drain(move || note.set(note.get() + 1));
        http.finish();
        squall_ioloop::Handle::current().call_later(5 * SECOND, move || drop(guard));
        std::future::ready(())
    });
    let peer = ask(&world, "/");
    world.settle();
    drop(peer);
    world.settle();
    assert_eq!(world.server.connection_count(), 1);
    let since = world.ioloop.now();
    let report = world.run(world.server.stop(10 * SECOND));
    assert_eq!(counts(report), [0, 1, 0]);
    assert_eq!(world.ioloop.now() - since, 5 * SECOND);
    assert_eq!(told.get(), 1);
}

#[test]
fn who_joins_while_the_server_stops_is_told_too() {
    let told = Rc::new(Cell::new(false));
    let note = told.clone();
    let world = World::new(move |http: Exchange| {
        let note = note.clone();
        async move {
            sleep(3 * SECOND).await;
            let guard = http.join_drain().on_drain(move || note.set(true));
            http.finish();
            sleep(SECOND).await;
            drop(guard);
        }
    });
    let _peer = ask(&world, "/");
    world.settle();
    let report = world.run(world.server.stop(10 * SECOND));
    assert!(told.get());
    assert_eq!(report.cut, 0);
}

#[test]
fn a_notice_that_panics_is_caught() {
    let world = World::new(|http: Exchange| async move {
        let guard = http.join_drain().on_drain(|| panic!("notice"));
        http.finish();
        sleep(SECOND).await;
        drop(guard);
    });
    let _peer = ask(&world, "/");
    world.settle();
    let report = world.run(world.server.stop(10 * SECOND));
    assert_eq!(report.cut, 0);
    assert_eq!(support::logs::take().len(), 1);
}

// ---- twice

#[test]
fn a_second_call_may_be_more_urgent() {
    let world = World::new(take_seconds);
    let _slow = ask(&world, "/50");
    world.settle();
    let since = world.ioloop.now();
    let server = world.server.clone();
    let hurry = world.ioloop.spawn(async move {
        sleep(2 * SECOND).await;
        server.stop(SECOND).await
    });
    let report = world.run(async {
        let (patient, urgent) = (world.server.stop(100 * SECOND), hurry);
        let report = urgent.await.unwrap();
        drop(patient);
        report
    });
    assert_eq!(counts(report), [0, 0, 1]);
    assert_eq!(world.ioloop.now() - since, 3 * SECOND);
}

#[test]
fn two_calls_both_end_with_the_last_connection() {
    let world = World::new(take_seconds);
    let _slow = ask(&world, "/5");
    world.settle();
    let since = world.ioloop.now();
    let server = world.server.clone();
    let other = world
        .ioloop
        .spawn(async move { server.stop(100 * SECOND).await });
    let ours = world.run(world.server.stop(100 * SECOND));
    let theirs = world.run(other).unwrap();
    assert_eq!((counts(ours), counts(theirs)), ([0, 1, 0], [0, 1, 0]));
    assert_eq!(world.ioloop.now() - since, 5 * SECOND);
}
