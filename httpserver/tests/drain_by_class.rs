//! A server that stops has a deadline for each class of connections, and tells how many of each
//! made it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use squall_httpserver::{DrainCounts, DrainDeadlines, DrainReport, Exchange};
use squall_ioloop::sleep;
use squall_iostream::IoStream;
use squall_iostream::memory::Options;
use support::{Crlf, World, statuses, tell_target};

const SECOND: Duration = Duration::from_secs(1);
const SIZE: usize = 200_000;

/// `/n` takes n seconds; `/big` is more than a peer takes at once; `/joined/n` stays for n seconds
/// when it has answered.
async fn serve(http: Exchange) {
    let path = http.head().path().to_owned();
    if path == "/big" {
        let _ = http.write(vec![b'x'; SIZE]);
        http.finish();
    } else if let Some(seconds) = path.strip_prefix("/joined/") {
        let guard = http.join_drain();
        tell_target(http).await;
        sleep(seconds.parse().unwrap_or(0) * SECOND).await;
        drop(guard);
    } else {
        sleep(path[1..].parse().unwrap_or(0) * SECOND).await;
        tell_target(http).await;
    }
}

fn ask(world: &World, target: &str) -> IoStream {
    let peer = world.connect_with(Options {
        capacity: 10_000,
        ..Options::default()
    });
    let request = format!("GET {target} HTTP/1.1\nhost: a\n\n").crlf();
    peer.write(request.as_bytes()).unwrap();
    peer
}

fn deadlines() -> DrainDeadlines {
    DrainDeadlines::default()
        .with_fresh(2 * SECOND)
        .with_heads(4 * SECOND)
        .with_requests(6 * SECOND)
        .with_downloads(8 * SECOND)
        .with_joined(10 * SECOND)
}

/// Drains, and says how long that took.
fn drain(world: &World) -> (DrainReport, u64) {
    world.settle();
    let since = world.ioloop.now();
    let report = world.run(world.server.drain(deadlines()));
    (report, (world.ioloop.now() - since).as_secs())
}

fn both(counts: DrainCounts) -> [usize; 2] {
    [counts.finished, counts.cut]
}

#[test]
fn who_has_not_said_anything_may_for_a_moment() {
    let world = World::new(serve);
    let mut silent = world.connect();
    let mut late = world.connect();
    let writer = late.handle();
    world.ioloop.call_later(SECOND, move || {
        writer.write(b"GET /0 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    });
    let (report, seconds) = drain(&world);
    assert_eq!((report.idle, report.finished, report.cut), (1, 1, 0));
    assert_eq!(seconds, 2);
    assert_eq!(world.run(world.listen(&mut silent)).text, "");
    let heard = world.run(world.listen(&mut late));
    assert_eq!(statuses(&heard.text), ["200"]);
    assert!(heard.text.contains("connection: close\n"), "{heard:?}");
}

#[test]
fn who_connects_while_the_server_stops_has_what_is_left_of_that_moment() {
    let world = World::new(serve);
    let _busy = ask(&world, "/5");
    world.settle();
    let mut times = Vec::new();
    let server = world.server.clone();
    let stopping = world
        .ioloop
        .spawn(async move { server.drain(deadlines()).await });
    for wait in [1, 3] {
        world.run(sleep(SECOND * wait));
        let mut peer = world.connect();
        let heard = world.run(world.listen(&mut peer));
        assert_eq!(heard.text, "");
        times.push(heard.after.as_secs());
    }
    assert_eq!(times, [1, 0]);
    assert_eq!(world.run(stopping).unwrap().requests.finished, 1);
}

#[test]
fn a_head_that_has_begun_is_408_at_its_deadline() {
    let world = World::new(serve);
    let mut half = world.connect();
    half.write(b"GET / HTTP/1.1\r\nho").unwrap();
    let (report, seconds) = drain(&world);
    assert_eq!(both(report.heads), [0, 1]);
    assert_eq!((report.idle, report.finished, report.cut), (0, 0, 1));
    assert_eq!(seconds, 4 + 5, "and five seconds in which it may read that");
    let heard = world.run(world.listen(&mut half));
    assert_eq!(statuses(&heard.text), ["408"]);
}

#[test]
fn requests_have_their_deadline() {
    let world = World::new(serve);
    let mut quick = ask(&world, "/5");
    let mut slow = ask(&world, "/7");
    let (report, seconds) = drain(&world);
    assert_eq!(both(report.requests), [1, 1]);
    assert_eq!(seconds, 6);
    assert_eq!(statuses(&world.run(world.listen(&mut quick)).text), ["200"]);
    assert_eq!(world.run(world.listen(&mut slow)).text, "");
}

#[test]
fn downloads_have_theirs() {
    let world = World::new(serve);
    let mut taking = ask(&world, "/big");
    let _taking_nothing = ask(&world, "/big");
    let reading = world.ioloop.spawn(async move {
        sleep(7 * SECOND).await;
        taking.read_until_close(usize::MAX).await.unwrap().len()
    });
    let (report, seconds) = drain(&world);
    assert_eq!(both(report.downloads), [1, 1]);
    assert_eq!(seconds, 8);
    assert!(world.run(reading).unwrap() > SIZE);
}

#[test]
fn what_has_joined_has_its_own() {
    let world = World::new(serve);
    let _quick = ask(&world, "/joined/9");
    let _slow = ask(&world, "/joined/11");
    let (report, seconds) = drain(&world);
    // Each is there twice, with its guard and with the service that goes on; its connection idles.
    assert_eq!(both(report.joined), [2, 2]);
    assert_eq!(report.idle, 2);
    assert_eq!(seconds, 10);
}

#[test]
fn nobody_is_waited_for_who_is_not_there() {
    let world = World::new(serve);
    let (report, seconds) = drain(&world);
    assert_eq!(report, DrainReport::default());
    assert_eq!(seconds, 0);
}

/// Those that were cut are forgotten when their service ends, and nothing counts them again.
#[test]
fn a_second_drain_tells_the_same() {
    let world = World::new(serve);
    let _slow = [ask(&world, "/20"), ask(&world, "/5")];
    let (first, _) = drain(&world);
    assert_eq!(both(first.requests), [1, 1]);
    let (second, seconds) = drain(&world);
    assert_eq!((second, seconds), (first, 0));
    world.run(sleep(20 * SECOND));
    assert_eq!(world.server.connection_count(), 0);
    assert_eq!(drain(&world), (first, 0));
}

#[test]
fn an_enormous_deadline_never_comes_and_does_no_harm() {
    let enormous = [
        DrainDeadlines::all(Duration::MAX),
        DrainDeadlines::default().with_fresh(Duration::MAX),
        DrainDeadlines::default().with_joined(Duration::MAX),
    ];
    for deadlines in enormous {
        let world = World::new(serve);
        let _slow = ask(&world, "/3");
        world.settle();
        let report = world.run(world.server.drain(deadlines));
        assert_eq!((report.finished, report.cut), (1, 0));
    }
}

#[test]
fn an_idle_connection_that_is_closed_for_the_drain_is_no_reject() {
    let world = World::new(serve);
    let _idle = ask(&world, "/0");
    world.settle();
    let report = world.run(world.server.drain(deadlines()));
    assert_eq!(report.idle, 1);
    assert!(world.server.metrics().rejects.is_empty());
}
