//! The seven slow shapes against the defaults: each is cut in its time, with 408 where a request
//! had begun. What the timeouts are one by one is in `timeouts.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use squall_httpserver::{Exchange, Service};
use squall_ioloop::sleep;
use support::{Crlf, World, echo, statuses, tell_target};

/// Sends `head`, then `drip` every other second for ever if there is one, and expects to be cut
/// so many seconds after the accept.
#[track_caller]
fn check(service: impl Service, head: &str, drip: &'static str, seconds: u64, expected: &[&str]) {
    let world = World::new(service);
    let mut peer = world.connect();
    let writer = peer.handle();
    if !head.is_empty() {
        writer.write(head.crlf().as_bytes()).unwrap();
    }
    if !drip.is_empty() {
        world.ioloop.spawn_detached(async move {
            loop {
                sleep(Duration::from_secs(2)).await;
                if writer.write(drip.crlf().as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
    let heard = world.run(world.listen(&mut peer));
    assert_eq!(statuses(&heard.text), expected);
    let is_refused = expected == ["408"];
    assert_eq!(heard.text.contains("connection: close\n"), is_refused);
    assert_eq!(heard.after.as_secs(), seconds);
    drop(peer);
    world.assert_well();
}

const POST: &str = "POST / HTTP/1.1\nhost: a\ncontent-length: 100000\n\n";
const CHUNKED: &str = "POST / HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n";

#[test]
fn no_bytes() {
    check(echo, "", "", 30, &[]);
}

#[test]
fn half_a_header() {
    check(echo, "GET / HTTP/1.1\nhost: a\nx", "", 30, &["408"]);
}

#[test]
fn a_header_that_drips() {
    check(echo, "GET / HTTP/1.1\nhost: a\n", "x: y\n", 30, &["408"]);
}

#[test]
fn a_body_that_is_silent() {
    check(echo, POST, "", 60, &["408"]);
}

#[test]
fn a_body_that_drips() {
    check(echo, POST, "x", 60, &["408"]);
}

#[test]
fn chunks_that_drip() {
    check(echo, CHUNKED, "1\nx\n", 60, &["408"]);
    check(echo, CHUNKED, "1;x=y\nx\n", 60, &["408"]);
    // A size line that never ends.
    check(echo, CHUNKED, "0", 60, &["408"]);
    // And a trailer section that does not.
    check(echo, &format!("{CHUNKED}0\n"), "x: y\n", 60, &["408"]);
}

/// Content that the service did not ask for is thrown away within the same time, and the peer has
/// had its answer.
#[test]
fn content_that_nobody_reads() {
    let head = "POST / HTTP/1.1\nhost: a\ncontent-length: 1000\n\n";
    check(tell_target, head, "x", 60, &["200"]);
}

#[test]
fn a_connection_that_idles() {
    check(echo, "GET / HTTP/1.1\nhost: a\n\n", "", 75, &["200"]);
}

/// An empty line now and then is what some clients send behind a request, and no request.
#[test]
fn a_connection_that_is_kept_alive_by_empty_lines() {
    let world = World::new(|http: Exchange| tell_target(http));
    let mut peer = world.connect();
    let writer = peer.handle();
    world.ioloop.spawn_detached(async move {
        while writer.write(b"\r\n").is_ok() {
            sleep(Duration::from_secs(10)).await;
        }
    });
    let heard = world.run(world.listen(&mut peer));
    assert!(heard.after <= Duration::from_secs(30), "{heard:?}");
}

/// An answer that nobody takes: the write timeout, and no status, for there is one already.
#[test]
fn an_answer_that_is_not_taken() {
    let world = World::new(|http: Exchange| async move {
        let _ = http.write(vec![b'x'; 1_000_000]);
        http.finish();
    });
    let peer = world.connect_with(squall_iostream::memory::Options {
        capacity: 10_000,
        ..squall_iostream::memory::Options::default()
    });
    peer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    world.settle();
    let since = world.ioloop.now();
    world.run(async {
        while world.server.connection_count() > 0 {
            sleep(Duration::from_secs(1)).await;
        }
    });
    assert_eq!((world.ioloop.now() - since).as_secs(), 60);
}
