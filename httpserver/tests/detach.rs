//! Streams that change hands: RFC 9110, sections 7.8 and 15.2.2.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use http::HeaderValue;
use http::header::{CONNECTION, UPGRADE};
use squall_httpserver::{Error, Exchange};
use squall_ioloop::Handle;
use squall_iostream::IoStream;
use support::{Crlf, World, logs, normal};

fn upgrade(http: &Exchange) -> Result<(), Error> {
    http.set_header(UPGRADE, HeaderValue::from_static("shout"))?;
    http.set_header(CONNECTION, HeaderValue::from_static("upgrade"))?;
    let guard = http.join_drain();
    http.detach(move |mut stream: IoStream| {
        Handle::current().spawn_detached(async move {
            while let Ok(line) = stream.read_until(b"\n", 100).await {
                stream.write(&line.to_ascii_uppercase()).unwrap();
            }
            drop(guard);
        });
    })
}

const ASK: &str = "GET / HTTP/1.1\nhost: a\nconnection: upgrade\nupgrade: shout\n\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\nupgrade: shout\nconnection: upgrade\n\n";

fn world() -> World {
    World::new(|http: Exchange| async move { upgrade(&http).unwrap() })
}

#[test]
fn rfc9110_7_8_the_stream_is_handed_over_with_what_was_sent_behind_the_request() {
    let world = world();
    let mut peer = world.connect();
    let (head, echoed) = world.run(async {
        peer.write(ASK.crlf().as_bytes()).unwrap();
        peer.write(b"early\n").unwrap();
        let head = peer.read_until(b"\r\n\r\n", 1000).await.unwrap();
        peer.write(b"late\n").unwrap();
        (head, peer.read_bytes(11).await.unwrap())
    });
    assert_eq!(normal(&head), SWITCH);
    assert_eq!(echoed, b"EARLY\nLATE\n");
    drop(peer);
    world.assert_well();
}

#[test]
fn answers_before_it_leave_before_it() {
    let world = world();
    let mut peer = world.connect();
    let get = "GET /well HTTP/1.1\nhost: a\n\n";
    let text = world.run(async {
        peer.write([get, ASK].concat().crlf().as_bytes()).unwrap();
        peer.write(b"x\n").unwrap();
        peer.read_until(b"X\n", 1000).await.unwrap()
    });
    let expected = format!("HTTP/1.1 200 OK\ncontent-length: 0\n\n{SWITCH}X\n");
    assert_eq!(normal(&text), expected);
}

#[test]
fn it_has_no_deadline_of_ours() {
    let world = world();
    let mut peer = world.connect();
    world.run(async {
        peer.write(ASK.crlf().as_bytes()).unwrap();
        peer.read_until(b"\r\n\r\n", 1000).await.unwrap();
        squall_ioloop::sleep(Duration::from_secs(100_000)).await;
        peer.write(b"still\n").unwrap();
        peer.read_until(b"STILL\n", 1000).await.unwrap();
    });
}

#[test]
fn content_must_have_been_read() {
    let world = World::new(|http: Exchange| async move {
        assert!(matches!(upgrade(&http), Err(Error::ContentUnread)));
        http.content().await.unwrap();
        upgrade(&http).unwrap();
    });
    let mut peer = world.connect();
    let request = ASK.replace("\n\n", "\ncontent-length: 2\n\nhi").crlf();
    let text = world.run(async {
        peer.write(request.as_bytes()).unwrap();
        peer.write(b"x\n").unwrap();
        peer.read_until(b"X\n", 1000).await.unwrap()
    });
    assert_eq!(normal(&text), format!("{SWITCH}X\n"));
}

#[test]
fn the_exchange_is_then_finished() {
    let world = World::new(|http: Exchange| async move {
        upgrade(&http).unwrap();
        assert!(http.is_finished());
        assert!(matches!(http.write("x"), Err(Error::Finished)));
        assert!(matches!(upgrade(&http), Err(Error::Finished)));
        // The other protocol does not wait for this.
        squall_ioloop::sleep(Duration::from_secs(1000)).await;
    });
    let mut peer = world.connect();
    let since = world.ioloop.now();
    world.run(async {
        peer.write(ASK.crlf().as_bytes()).unwrap();
        peer.write(b"x\n").unwrap();
        peer.read_until(b"X\n", 1000).await.unwrap();
    });
    assert_eq!(world.ioloop.now(), since);
}

#[test]
fn the_server_waits_for_it_when_it_has_joined_the_drain() {
    let world = world();
    let peer = world.connect();
    peer.write(ASK.crlf().as_bytes()).unwrap();
    world.settle();
    let peer = peer.handle();
    let since = world.ioloop.now();
    world
        .ioloop
        .call_later(Duration::from_secs(3), move || peer.close());
    let report = world.run(world.server.stop(Duration::from_secs(10)));
    assert_eq!((report.finished, report.cut), (1, 0));
    assert_eq!(world.ioloop.now() - since, Duration::from_secs(3));
}

#[test]
fn who_takes_the_stream_may_panic() {
    let world = World::new(|http: Exchange| async move {
        http.detach(|_| panic!("taken")).unwrap();
    });
    let heard = world.talk(ASK.crlf());
    assert_eq!(heard.text, "");
    assert_eq!(logs::take().len(), 1);
    world.assert_well();
}
