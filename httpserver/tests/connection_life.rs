//! How long a connection lives and how it ends: its number of requests, its age, answers that break
//! off, tunnels, content that nobody has read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use squall_httpserver::{Config, Error, Exchange};
use squall_ioloop::sleep;
use support::{AT_ONCE, Crlf, IDLE, World, logs, normal, statuses, tell_target};

const SECOND: Duration = Duration::from_secs(1);
const GET: &str = "GET / HTTP/1.1\nhost: a\n\n";

#[test]
fn rfc9112_9_6_the_last_of_its_requests_closes_a_connection() {
    for (requests, expected) in [(1, 1), (2, 2), (3, 3), (0, 1)] {
        let config = Config::default().with_connection_requests_max(requests);
        let world = World::with_config(config, tell_target);
        let heard = world.talk(GET.repeat(5).crlf());
        assert_eq!(statuses(&heard.text).len(), expected);
        assert_eq!(heard.text.matches("connection: close").count(), 1);
        assert!(heard.text.ends_with("connection: close\n\n/"), "{heard:?}");
        world.assert_well();
    }
}

#[test]
fn rfc9112_9_6_an_old_connection_ends_with_its_next_answer() {
    let config = Config::default().with_connection_age_max(Some(10 * SECOND));
    let world = World::with_config(config, tell_target);
    let mut peer = world.connect();
    for _ in 0..4 {
        peer.write(GET.crlf().as_bytes()).unwrap();
        let answer = world.run(peer.read_until(b"\r\n\r\n/", 1000)).unwrap();
        assert!(!normal(&answer).contains("connection"));
        world.run(sleep(3 * SECOND));
    }
    peer.write(GET.repeat(2).crlf().as_bytes()).unwrap();
    let heard = world.run(world.listen(&mut peer));
    assert_eq!(statuses(&heard.text), ["200"]);
    assert!(heard.text.contains("connection: close"));
    drop(peer);
    world.assert_well();
}

// ---- answers that break off

async fn begin_and_break(http: Exchange) {
    http.write("some").unwrap();
    http.flush().await.unwrap();
    match http.head().path() {
        "/abort" => http.abort(),
        "/panic" => panic!("in its midst"),
        _ => drop(http),
    }
}

/// RFC 9112, section 8: a message is incomplete without its last chunk. One that is ended by the
/// connection looks whole, unless that is reset.
#[test]
fn rfc9112_8_an_answer_that_breaks_off_cannot_be_taken_for_whole() {
    for path in ["/abort", "/panic", "/drop"] {
        let world = World::new(begin_and_break);
        let heard = world.talk(format!("GET {path} HTTP/1.1\nhost: a\n\n").crlf());
        assert!(heard.text.ends_with("\n\n4\nsome\n"), "{heard:?}");
        assert_eq!(heard.after, AT_ONCE);
        let mut peer = world.connect();
        let request = format!("GET {path} HTTP/1.0\n\n").crlf();
        peer.write(request.as_bytes()).unwrap();
        let end = world.run(peer.read_until_close(usize::MAX));
        assert!(end.is_err(), "{path}: {end:?}");
        logs::take();
        world.settle();
        world.assert_well();
    }
}

#[test]
fn rfc9112_8_an_answer_of_1_0_that_is_whole_ends_in_order() {
    let world = World::new(|http: Exchange| async move {
        http.write("some").unwrap();
        http.flush().await.unwrap();
        http.finish();
    });
    let heard = world.talk("GET / HTTP/1.0\n\n".crlf());
    assert!(
        heard.text.ends_with("connection: close\n\nsome"),
        "{heard:?}"
    );
}

// ---- tunnels and other protocols

#[test]
fn rfc9110_9_3_6_connect_becomes_a_tunnel_by_detach() {
    let world = World::new(|http: Exchange| async move {
        assert_eq!(
            (http.head().host(), http.head().path()),
            (Some("b:443"), "")
        );
        http.detach(|mut stream| {
            let ioloop = stream.ioloop().clone();
            ioloop.spawn_detached(async move {
                let said = stream.read_bytes(4).await.unwrap();
                stream.write(&said).unwrap();
                stream.drained(0).await.unwrap();
            });
        })
        .unwrap();
    });
    // What has come behind the request is the tunnel's.
    let heard = world.talk("CONNECT b:443 HTTP/1.1\nhost: b:443\n\nping".crlf());
    assert_eq!(heard.text, "HTTP/1.1 200 OK\n\nping");
    world.assert_well();
}

#[test]
fn rfc9110_9_3_6_connect_that_is_refused_is_an_answer_like_others() {
    let world = World::new(|http: Exchange| async move {
        http.set_status(StatusCode::NOT_IMPLEMENTED).unwrap();
        http.finish();
    });
    let heard = world.talk(("CONNECT b:443 HTTP/1.1\nhost: b:443\n\n".to_owned() + GET).crlf());
    assert_eq!(statuses(&heard.text), ["501", "501"]);
    assert_eq!(heard.after, IDLE);
}

#[test]
fn rfc9110_7_8_a_client_of_1_0_is_not_switched() {
    let world = World::new(|http: Exchange| async move {
        let detached = http.detach(|_| unreachable!("it knows no 101"));
        assert!(matches!(detached, Err(Error::InformationalStatus)));
        http.finish();
    });
    let heard = world.talk("GET / HTTP/1.0\nupgrade: chat\nconnection: upgrade\n\n".crlf());
    assert_eq!(statuses(&heard.text), ["200"]);
}

#[test]
fn rfc9110_7_8_any_protocol_may_follow_an_upgrade() {
    let world = World::new(|http: Exchange| async move {
        http.set_header(header::UPGRADE, HeaderValue::from_static("chat/1"))
            .unwrap();
        http.set_header(header::CONNECTION, HeaderValue::from_static("upgrade"))
            .unwrap();
        http.detach(|stream| {
            let ioloop = stream.ioloop().clone();
            ioloop.spawn_detached(async move {
                stream.write(b"hello").unwrap();
                stream.drained(0).await.unwrap();
            });
        })
        .unwrap();
    });
    let heard =
        world.talk("GET / HTTP/1.1\nhost: a\nconnection: upgrade\nupgrade: chat/1\n\n".crlf());
    let head = "HTTP/1.1 101 Switching Protocols\nupgrade: chat/1\nconnection: upgrade\n\n";
    assert_eq!(heard.text, format!("{head}hello"));
}

// ---- targets, as a service sees them

#[test]
fn rfc9112_3_2_2_the_authority_of_an_absolute_target_is_the_host() {
    let world = World::new(|http: Exchange| async move {
        let head = http.head();
        let told = format!("{:?} {}", head.host().unwrap_or("none"), head.path());
        let _ = http.write(told);
        http.finish();
    });
    for (request, expected) in [
        (
            "GET http://b.example:81/x?y HTTP/1.1\nhost: a\n\n",
            "\"b.example:81\" /x",
        ),
        (
            "GET http://user@b.example HTTP/1.1\nhost: a\n\n",
            "\"b.example\" /",
        ),
        ("GET /x HTTP/1.1\nhost: a:80\n\n", "\"a:80\" /x"),
        ("GET /x HTTP/1.0\n\n", "\"none\" /x"),
        ("OPTIONS * HTTP/1.1\nhost: a\n\n", "\"a\" *"),
        (
            "OPTIONS http://b.example HTTP/1.1\nhost: a\n\n",
            "\"b.example\" *",
        ),
    ] {
        let heard = world.talk(request.crlf());
        assert!(heard.text.ends_with(expected), "{request:?}: {heard:?}");
    }
}

// ---- content that nobody has read is never a request

/// Every way to refuse without reading, with every frame of a content that looks like a request.
#[test]
fn rfc9112_9_3_unread_content_is_never_taken_for_a_request() {
    let inner = GET.crlf();
    let long = inner.repeat(3_000);
    let chunk = |content: &str| format!("{:x}\r\n{content}\r\n", content.len());
    let length = |content: &str| format!("content-length: {}\r\n\r\n{content}", content.len());
    let chunked = |rest: &str| format!("transfer-encoding: chunked\r\n\r\n{rest}");
    let expect = "expect: 100-continue\r\n";
    // And how many answers there are, with the one to what really follows.
    let frames = [
        (length(&inner), 2),
        (length(&long), 1),
        (chunked(&(chunk(&inner) + "0\r\n\r\n")), 2),
        (chunked(&(chunk(&long) + "0\r\n\r\n")), 1),
        (chunked(&(chunk(&inner) + "0\r\nx: y\r\n\r\n")), 2),
        (chunked(&(chunk(&inner) + "zz\r\n")), 1),
        (expect.to_owned() + &length(&inner), 1),
        (
            expect.to_owned() + &chunked(&(chunk(&inner) + "0\r\n\r\n")),
            1,
        ),
    ];
    for status in [
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::PAYLOAD_TOO_LARGE,
    ] {
        let world = World::new(move |http: Exchange| async move {
            http.set_status(status).unwrap();
            http.finish();
        });
        for (frame, answers) in &frames {
            let next = "PUT /next HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
            let input = format!("POST / HTTP/1.1\r\nhost: a\r\n{frame}{next}");
            let heard = world.talk(&input);
            let expected = vec![status.as_str(); *answers];
            assert_eq!(statuses(&heard.text), expected, "{frame:.80?}");
            let closes = heard.text.contains("connection: close");
            assert_eq!(closes, *answers == 1, "{frame:.80?}");
        }
        world.assert_well();
    }
}

/// What had not arrived when the answer was made closes the connection if it is in chunks.
#[test]
fn rfc9112_9_3_unread_chunks_that_are_still_to_come_close_the_connection() {
    let world = World::new(|http: Exchange| async move { http.finish() });
    let mut peer = world.connect();
    let heard = world.run(async {
        peer.write(
            "POST / HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n"
                .crlf()
                .as_bytes(),
        )
        .unwrap();
        let head = peer.read_until(b"\r\n\r\n", 1000).await.unwrap();
        assert!(normal(&head).contains("connection: close\n"));
        peer.write(
            ("16\n".to_owned() + GET + "\n0\n\n" + GET)
                .crlf()
                .as_bytes(),
        )
        .unwrap();
        world.listen(&mut peer).await
    });
    assert_eq!(heard.text, "");
    drop(peer);
    world.assert_well();
}

/// An answer that has begun while its request's content still comes keeps the connection, if all
/// of that is read, or what is left is little.
#[test]
fn rfc9112_9_3_an_answer_that_crosses_its_content_keeps_the_connection() {
    let world = World::new(|http: Exchange| async move {
        http.flush().await.unwrap();
        let is_read = http.head().path() == "/read";
        while is_read && http.chunk().await.unwrap().is_some() {}
        http.finish();
    });
    let post = |path: &str, rest: &str| {
        format!("POST {path} HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n").crlf() + rest
    };
    let long = format!("20000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x20000));
    let short = "5\r\nhello\r\n0\r\n\r\n";
    for (path, rest, answers) in [
        ("/read", short, 2),
        ("/read", &long, 2),
        ("/unread", short, 2),
        ("/unread", &long, 1),
    ] {
        let heard = world.talk(post(path, rest) + &GET.crlf());
        assert_eq!(statuses(&heard.text).len(), answers, "{path} {rest:.20}");
    }
    world.assert_well();
}

// ---- lingering

/// Refuses at once, and counts how long the connection is kept and how much of `input` it takes.
#[track_caller]
fn check_linger(piece: usize, every: Duration, expected: Duration, taken: usize) {
    let world = World::new(|http: Exchange| async move {
        http.set_status(StatusCode::PAYLOAD_TOO_LARGE).unwrap();
        http.finish();
    });
    let mut peer = world.connect();
    let head = "POST / HTTP/1.1\nhost: a\ncontent-length: 1000000000\n\n".crlf();
    peer.write(head.as_bytes()).unwrap();
    let heard = world.run(world.listen(&mut peer));
    assert_eq!((statuses(&heard.text), heard.after), (vec!["413"], AT_ONCE));
    let since = world.ioloop.now();
    let mut sent = 0;
    let piece = vec![b'x'; piece];
    world.run(async {
        while peer.write(&piece).is_ok() && peer.drained(0).await.is_ok() {
            sent += piece.len();
            sleep(every).await;
        }
    });
    assert_eq!(world.ioloop.now() - since, expected);
    assert!((taken..taken + 200_000).contains(&sent), "{sent} bytes");
    drop(peer);
    world.settle();
    world.assert_well();
}

/// RFC 9112, section 9.6: who is still sending has time to read why it need not, and no more.
#[test]
fn rfc9112_9_6_a_peer_that_is_still_sending_can_read_its_refusal() {
    // It stalls; it drips; it floods.
    check_linger(1, 60 * SECOND, 60 * SECOND, 1);
    check_linger(1, SECOND, 30 * SECOND, 30);
    check_linger(64 * 1024, AT_ONCE, AT_ONCE, 32 * 1024 * 1024);
}
