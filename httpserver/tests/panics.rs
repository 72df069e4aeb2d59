//! Services that panic: it costs one request, or one connection, and is logged once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use squall_httpserver::{Exchange, Service, ServiceFuture};
use squall_ioloop::yield_now;
use support::{Crlf, World, logs, normal};

const PAGE: &str = "HTTP/1.1 500 Internal Server Error\n\
    content-type: text/plain; charset=UTF-8\ncontent-length: 27\n\n\
    500: Internal Server Error\n";
const NEXT: &str = "HTTP/1.1 200 OK\ncontent-length: 0\n\n";

/// Asks for `/` and, behind it, for something that works; expects this, and this many errors.
#[track_caller]
fn check(service: impl Service, expected: &str, errors: &[&str]) {
    let world = World::new(service);
    let input = "GET / HTTP/1.1\nhost: a\n\nGET /well HTTP/1.1\nhost: a\n\n".crlf();
    assert_eq!(world.talk(input).text, expected);
    let logged = logs::take();
    assert_eq!(logged.len(), errors.len(), "{logged:?}");
    for (line, expected) in logged.iter().zip(errors) {
        assert!(line.contains(expected), "{line}");
    }
    world.assert_well();
}

struct Constructor;

impl Service for Constructor {
    fn serve(&self, _: Exchange) -> ServiceFuture {
        panic!("constructor")
    }
}

#[test]
fn before_there_is_a_future() {
    check(Constructor, &(PAGE.to_owned() + NEXT), &["constructor"]);
}

#[test]
fn in_the_first_poll_and_in_a_later_one() {
    let first = |http: Exchange| async move {
        let _ = http.write("forgotten");
        panic!("first")
    };
    check(first, &(PAGE.to_owned() + NEXT), &["first"]);
    let later = |_: Exchange| async move {
        yield_now().await;
        panic!("later")
    };
    check(later, &(PAGE.to_owned() + NEXT), &["later"]);
}

#[test]
fn after_the_head_has_left_the_connection_ends_in_the_middle() {
    let service = |http: Exchange| async move {
        let _ = http.write("half");
        let _ = http.flush().await;
        let _ = http.write("forgotten");
        panic!("half-way")
    };
    let half = "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n4\nhalf\n";
    check(service, half, &["half-way"]);
}

#[test]
fn after_the_answer_is_finished_it_stands() {
    let service = |http: Exchange| async move {
        http.finish();
        panic!("late")
    };
    check(service, &NEXT.repeat(2), &["late"]);
    let much_later = |http: Exchange| async move {
        http.finish();
        yield_now().await;
        panic!("much later")
    };
    check(much_later, &NEXT.repeat(2), &["much later"]);
}

/// Ready at once, and panics when it is dropped.
struct PanicsWhenDropped(Option<Exchange>);

impl Future for PanicsWhenDropped {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if let Some(http) = &self.0 {
            http.finish();
        }
        Poll::Ready(())
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("dropped")
    }
}

#[test]
fn in_a_destructor() {
    check(
        |http| PanicsWhenDropped(Some(http)),
        &NEXT.repeat(2),
        &["dropped"],
    );
    // The exchange falls before the panic, and the panic is what is told.
    check(
        |_| PanicsWhenDropped(None),
        &(PAGE.to_owned() + NEXT),
        &["dropped"],
    );
}

#[test]
fn in_a_callback_that_has_the_exchange() {
    let service = |http: Exchange| {
        let ioloop = squall_ioloop::Handle::current();
        ioloop.add_callback(move || {
            let _ = http.write("forgotten");
            panic!("callback")
        });
        std::future::ready(())
    };
    let errors = ["callback", "dropped without an answer"];
    check(service, &(PAGE.to_owned() + NEXT), &errors);
}

#[test]
fn in_on_close() {
    let world = World::new(|http: Exchange| {
        let kept = http.clone();
        http.on_close(move || {
            drop(kept);
            panic!("on_close")
        });
        std::future::ready(())
    });
    let peer = world.connect();
    peer.write("GET / HTTP/1.1\nhost: a\n\n".crlf().as_bytes())
        .unwrap();
    world.settle();
    drop(peer);
    world.settle();
    assert_eq!(logs::take().len(), 1);
    world.assert_well();
}

#[test]
fn with_content_that_is_unread() {
    let world = World::new(|http: Exchange| async move {
        http.chunk().await.unwrap();
        panic!("in the middle")
    });
    let mut peer = world.connect();
    let heard = world.run(async {
        let post = "POST / HTTP/1.1\nhost: a\ncontent-length: 4\n\nab".crlf();
        peer.write(post.as_bytes()).unwrap();
        peer.read_until(b"Error\n", 1000).await.unwrap();
        peer.write("cdGET /well HTTP/1.1\nhost: a\n\n".crlf().as_bytes())
            .unwrap();
        peer.read_until(b"\r\n\r\n", 1000).await.unwrap()
    });
    assert_eq!(normal(&heard), NEXT);
    assert_eq!(logs::take().len(), 1);
}

/// A panic's text may be made of what the peer has sent.
#[test]
fn what_the_peer_has_sent_cannot_forge_a_line_of_the_log() {
    let world = World::new(|http: Exchange| async move {
        let content = http.content().await.unwrap();
        panic!("bad content: {}", String::from_utf8_lossy(&content));
    });
    let evil = "\nERROR root logged in\x1b[2J";
    let length = evil.len();
    let head = format!("POST /?a=\"b HTTP/1.1\nhost: a\ncontent-length: {length}\n\n").crlf();
    world.talk(head + evil);
    let lines = logs::take().concat();
    assert!(lines.contains("root logged in"), "{lines}");
    assert!(lines.bytes().all(|byte| byte >= b' '), "{lines:?}");
}
