//! Whether the connection goes on after an answer: RFC 9112, section 9.3, and what it costs to
//! stay or to go.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::rc::Rc;
use std::time::Duration;

use http::HeaderValue;
use http::header::CONNECTION;
use squall_httpserver::{Config, Exchange};
use support::{AT_ONCE, Crlf, IDLE, World, normal, tell_target};

/// Sends a request with this version and these fields, and expects this Connection of the answer.
#[track_caller]
fn check(version: &str, fields: &str, expected: Option<&str>, stays: bool) {
    let world = World::new(tell_target);
    let heard = world.talk(format!("GET / HTTP/{version}\nhost: a\n{fields}\n").crlf());
    let connection = heard
        .text
        .lines()
        .find_map(|line| line.strip_prefix("connection: "));
    assert_eq!(connection, expected, "{heard:?}");
    assert_eq!(heard.after, if stays { IDLE } else { AT_ONCE });
    world.assert_well();
}

#[test]
fn rfc9112_9_3_a_request_of_1_1_keeps_the_connection() {
    check("1.1", "", None, true);
    check("1.1", "connection: keep-alive\n", None, true);
}

#[test]
fn rfc9112_9_3_close_ends_it_wherever_it_stands_in_the_list() {
    check("1.1", "connection: close\n", Some("close"), false);
    check("1.1", "connection: foo, Close\n", Some("close"), false);
    check(
        "1.1",
        "connection: keep-alive, close\n",
        Some("close"),
        false,
    );
    check(
        "1.1",
        "connection: a\nconnection: close\n",
        Some("close"),
        false,
    );
    check(
        "1.0",
        "connection: keep-alive, close\n",
        Some("close"),
        false,
    );
}

#[test]
fn rfc9112_9_3_a_request_of_1_0_must_ask_for_it_and_is_told() {
    check("1.0", "", Some("close"), false);
    check("1.0", "connection: Keep-Alive\n", Some("keep-alive"), true);
}

#[test]
fn rfc9112_9_6_the_service_can_end_it() {
    let world = World::new(|http: Exchange| async move {
        let value = HeaderValue::from_static("foo, close");
        http.set_header(CONNECTION, value).unwrap();
        http.finish();
    });
    let heard = world.talk("GET / HTTP/1.1\nhost: a\n\n".crlf());
    assert!(heard.text.contains("connection: close\n"), "{heard:?}");
    assert_eq!(heard.after, AT_ONCE);
}

#[test]
fn rfc9110_7_8_the_options_of_the_service_itself_are_kept() {
    let world = World::new(|http: Exchange| async move {
        http.set_header(CONNECTION, HeaderValue::from_static("upgrade"))
            .unwrap();
        http.finish();
    });
    let heard = world.talk("GET / HTTP/1.1\nhost: a\n\n".crlf());
    assert!(heard.text.contains("connection: upgrade\n"), "{heard:?}");
}

#[test]
fn rfc9110_9_3_6_what_follows_a_successful_connect_is_no_request() {
    let world = World::new(tell_target);
    let heard = world.talk("CONNECT a:1 HTTP/1.1\nhost: a\n\nGET / HTTP/1.1\nhost: a\n\n".crlf());
    assert_eq!(support::statuses(&heard.text), ["200"]);
    world.assert_well();
}

#[test]
fn rfc9112_2_2_an_empty_line_behind_a_request_is_not_another_one() {
    let world = World::new(support::echo);
    let twice = "POST / HTTP/1.0\nhost: a\nconnection: keep-alive\ncontent-length: 1\n\nx\n".crlf();
    let heard = world.talk(twice.repeat(2));
    assert_eq!(support::statuses(&heard.text), ["200", "200"]);
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let world = World::with_config(
        Config::default().with_timeout_idle(Duration::from_secs(7)),
        tell_target,
    );
    let heard = world.talk("GET /a HTTP/1.1\nhost: a\n\n".crlf());
    assert_eq!(heard.text, "HTTP/1.1 200 OK\ncontent-length: 2\n\n/a");
    assert_eq!(heard.after, Duration::from_secs(7));
    world.assert_well();
}

#[test]
fn a_connection_that_is_used_stays() {
    let world = World::new(tell_target);
    let mut peer = world.connect();
    world.run(async {
        for _ in 0..10 {
            peer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
            peer.read_until(b"\r\n\r\n/", 1000).await.unwrap();
            squall_ioloop::sleep(IDLE - Duration::from_secs(1)).await;
        }
    });
    assert_eq!(world.server.connection_count(), 1);
    drop(peer);
    world.assert_well();
}

/// The peer says all it has to say, and that it will say no more, before it listens.
#[test]
fn rfc9112_9_6_a_peer_that_has_closed_its_half_still_gets_its_answers() {
    let world = World::new(tell_target);
    let mut peer = world.connect();
    let heard = world.run(async {
        peer.write(
            "GET /a HTTP/1.1\nhost: a\n\nGET /b HTTP/1.1\nhost: a\n\n"
                .crlf()
                .as_bytes(),
        )
        .unwrap();
        peer.shutdown_write().await.unwrap();
        world.listen(&mut peer).await
    });
    assert_eq!(
        heard.text,
        "HTTP/1.1 200 OK\ncontent-length: 2\n\n/aHTTP/1.1 200 OK\ncontent-length: 2\n\n/b"
    );
    assert_eq!(heard.after, AT_ONCE);
    world.assert_well();
}

/// A byte at a time, over a slow line, and answers that are taken a byte at a time.
#[test]
fn requests_may_arrive_in_any_pieces() {
    let request = "POST /a HTTP/1.1\nhost: a\ncontent-length: 3\n\nabc".crlf();
    let world = World::new(support::echo);
    for cut in 0..request.len() {
        let mut peer = world.connect();
        let heard = world.run(async {
            peer.write(&request.as_bytes()[..cut]).unwrap();
            squall_ioloop::sleep(Duration::from_secs(1)).await;
            peer.write(&request.as_bytes()[cut..]).unwrap();
            peer.read_until(b"\r\n\r\nabc", 1000).await.unwrap()
        });
        assert_eq!(normal(&heard), "HTTP/1.1 200 OK\ncontent-length: 3\n\nabc");
    }
    world.assert_well();
}

/// Exchanges are pooled: nothing of one may be seen in another, on this connection or the next.
#[test]
fn nothing_of_a_request_is_seen_in_another() {
    let kept = Rc::new(std::cell::RefCell::new(Vec::new()));
    let keep = kept.clone();
    let world = World::new(move |http: Exchange| {
        let keep = keep.clone();
        async move {
            assert_eq!(http.status(), 200);
            assert_eq!(http.response_header(&http::header::ETAG), None);
            let secret = http.head().field("x-secret").map(<[u8]>::to_vec);
            let expected = (http.head().path() == "/1").then(|| b"s3cret".to_vec());
            assert_eq!(secret, expected);
            assert_eq!(
                http.head().headers().contains_key("x-secret"),
                secret.is_some()
            );
            if secret.is_some() {
                http.set_status(http::StatusCode::ACCEPTED).unwrap();
                http.set_header(http::header::ETAG, HeaderValue::from_static("\"s3cret\""))
                    .unwrap();
                http.write("s3cret").unwrap();
                http.on_close(|| panic!("of another request"));
                keep.borrow_mut().push(http.clone());
            }
            http.finish();
        }
    });
    let secret = "POST /1 HTTP/1.1\nhost: a\nx-secret: s3cret\ncontent-length: 6\n\ns3cret".crlf();
    let public = "GET /2 HTTP/1.1\nhost: a\n\n".crlf();
    for _ in 0..3 {
        let heard = world.talk(secret.clone() + &public + &public);
        let (_, rest) = heard.text.split_once("s3cret\"").unwrap();
        let (_, rest) = rest.split_once("s3cret").unwrap();
        assert_eq!(rest, "HTTP/1.1 200 OK\ncontent-length: 0\n\n".repeat(2));
    }
    // Who has kept its exchange still sees its own request, and can change nothing.
    for http in kept.borrow().iter() {
        assert_eq!(http.head().path(), "/1");
        assert!(http.write("late").is_err());
        assert!(world.run(http.flush()).is_err());
    }
    drop(kept);
    world.assert_well();
}
