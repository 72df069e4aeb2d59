//! The content of requests: RFC 9112, sections 6 and 7; RFC 9110, section 10.1.1.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use squall_http1::Limits;
use squall_httpserver::{Config, Error, Exchange, Service};
use squall_iostream::memory::Options;
use support::{AT_ONCE, Crlf, IDLE, World, echo, normal, statuses, tell_target};

/// Sends one request with these fields and this content, and expects this status, and that the
/// connection stays or does not.
#[track_caller]
fn check(service: impl Service, request: &str, status: &str, content: &str, stays: bool) {
    let config = Config::default().with_limits(Limits::default().with_content_bytes_max(20));
    let world = World::with_config(config, service);
    let next = "GET /next HTTP/1.1\nhost: a\n\n";
    let heard = world.talk(request.crlf() + &next.crlf());
    let text = &heard.text;
    let expected = if stays {
        vec![status, "200"]
    } else {
        vec![status]
    };
    assert_eq!(statuses(text), expected, "{text}");
    assert!(text.contains(&format!("\n\n{content}")), "{text}");
    assert_eq!(text.contains("connection: close\n"), !stays, "{text}");
    world.assert_well();
}

#[track_caller]
fn check_echo(fields_and_content: &str, status: &str, content: &str, stays: bool) {
    let request = format!("POST / HTTP/1.1\nhost: a\n{fields_and_content}");
    check(echo, &request, status, content, stays);
    check(echo_in_pieces, &request, status, content, stays);
}

async fn echo_in_pieces(http: Exchange) {
    let read = async {
        while let Some(chunk) = http.chunk().await? {
            assert!(!chunk.is_empty());
            http.write(chunk)?;
        }
        Ok::<_, Error>(())
    };
    if let Err(error) = read.await {
        http.reset_response().unwrap();
        http.set_status(error.status()).unwrap();
    }
    http.finish();
}

#[test]
fn rfc9112_6_2_content_of_a_length() {
    check_echo("content-length: 5\n\nhello", "200", "hello", true);
    check_echo("content-length: 0\n\n", "200", "", true);
    check_echo("\n", "200", "", true);
    check_echo(
        "content-length: 20\n\n01234567890123456789",
        "200",
        "0123456789",
        true,
    );
}

#[test]
fn rfc9112_7_1_content_in_chunks() {
    let fields = "transfer-encoding: Chunked\n\n";
    check_echo(
        &format!("{fields}4\nfoo=\n3;x=y\nbar\n0\nt: u\n\n"),
        "200",
        "foo=bar",
        true,
    );
    check_echo(&format!("{fields}0\n\n"), "200", "", true);
}

/// RFC 9110, section 15.5.14: refused from the head alone, or as soon as it is too much.
#[test]
fn rfc9110_15_5_14_too_much_content_is_413() {
    // Little enough to be thrown away, so that the connection stays.
    check_echo(
        "content-length: 21\n\n0123456789012345678901",
        "413",
        "",
        true,
    );
    let much = "x".repeat(70_000);
    check_echo(
        &format!("content-length: 70000\n\n{much}"),
        "413",
        "",
        false,
    );
    check_echo(
        "transfer-encoding: chunked\n\n15\n012345678901234567890\n0\n\n",
        "413",
        "",
        false,
    );
    check_echo(
        "transfer-encoding: chunked\n\na\n0123456789\nb\n",
        "413",
        "",
        false,
    );
}

#[test]
fn rfc9112_7_1_broken_chunks_are_400_and_the_end() {
    for chunks in [
        "1_a\n",
        "0x2\n",
        "+2\n",
        "3\nfooXX0\n\n",
        "ffffffffffffffff0\n",
        "1\nab\n",
    ] {
        let request = format!("transfer-encoding: chunked\n\n{chunks}");
        check_echo(&request, "400", "", false);
    }
}

#[test]
fn a_route_may_allow_more_or_less_than_the_server() {
    let allow = |bytes: u64, request: &str, status: &str, stays: bool| {
        let service = move |http: Exchange| {
            http.set_content_bytes_max(bytes);
            echo(http)
        };
        check(
            service,
            &format!("POST / HTTP/1.1\nhost: a\n{request}"),
            status,
            "",
            stays,
        );
    };
    let thirty = "x".repeat(30);
    allow(30, &format!("content-length: 30\n\n{thirty}"), "200", true);
    allow(
        30,
        &format!("transfer-encoding: chunked\n\n1e\n{thirty}\n0\n\n"),
        "200",
        true,
    );
    allow(5, "content-length: 6\n\nabcdef", "413", true);
    allow(
        5,
        "transfer-encoding: chunked\n\n6\nabcdef\n0\n\n",
        "413",
        false,
    );
}

#[test]
fn what_was_allowed_to_one_request_is_not_to_the_next() {
    let config = Config::default().with_limits(Limits::default().with_content_bytes_max(5));
    let world = World::with_config(config, |http: Exchange| {
        if http.head().path() == "/big" {
            http.set_content_bytes_max(10);
        }
        echo(http)
    });
    let post = |path| format!("POST {path} HTTP/1.1\nhost: a\ncontent-length: 6\n\nabcdef");
    let heard = world.talk((post("/big") + &post("/small")).crlf());
    assert_eq!(statuses(&heard.text), ["200", "413"]);
}

/// The last piece is here, so nobody waits for one more.
#[test]
fn content_in_pieces_ends_when_its_length_has_come() {
    let world = World::new(echo_in_pieces);
    let heard = world.talk("POST / HTTP/1.1\nhost: a\ncontent-length: 2\n\nhi".crlf());
    assert_eq!(heard.text, "HTTP/1.1 200 OK\ncontent-length: 2\n\nhi");
    assert_eq!(heard.after, IDLE);
}

#[test]
fn content_that_nobody_reads_is_thrown_away_if_it_is_little() {
    let service = |http: Exchange| async move { http.finish() };
    let ignored = |fields: &str, stays| {
        check(
            service,
            &format!("POST / HTTP/1.1\nhost: a\n{fields}"),
            "200",
            "",
            stays,
        );
    };
    ignored("content-length: 5\n\nhello", true);
    let chunks = "transfer-encoding: chunked\n\n5\nhello\n";
    ignored(&format!("{chunks}0\n\n"), true);
    ignored(&format!("{chunks}0\nx: y\n\n"), true);
    // How much is to come, nobody knows; what is wrong is no request.
    ignored(chunks, false);
    ignored(&format!("{chunks}0\nhost: b\n\n"), false);
    ignored(&format!("{chunks}x\n"), false);
    ignored(
        &format!("content-length: 65537\n\n{}", "x".repeat(65537)),
        false,
    );
}

#[test]
fn content_that_was_half_read_is_thrown_away_too() {
    let world = World::new(|http: Exchange| async move {
        let chunk = http.chunk().await.unwrap();
        let _ = http.write(chunk.unwrap_or_default());
        http.finish();
    });
    let mut peer = world.connect();
    let heard = world.run(async {
        let request = "POST / HTTP/1.1\nhost: a\ncontent-length: 6\n\nabc".crlf();
        peer.write(request.as_bytes()).unwrap();
        peer.read_until(b"\r\n\r\nabc", 1000).await.unwrap();
        peer.write(b"def").unwrap();
        peer.write("GET / HTTP/1.1\nhost: a\n\n".crlf().as_bytes())
            .unwrap();
        world.listen(&mut peer).await
    });
    assert_eq!(statuses(&heard.text), ["200"]);
}

// ---- Expect

const EXPECT: &str = "POST / HTTP/1.1\nhost: a\nexpect: 100-Continue\ncontent-length: 2\n\n";

#[test]
fn rfc9110_10_1_1_continue_is_sent_when_the_content_is_asked_for() {
    let world = World::new(echo);
    let mut peer = world.connect();
    world.run(async {
        peer.write(EXPECT.crlf().as_bytes()).unwrap();
        let interim = peer.read_until(b"\r\n\r\n", 1000).await.unwrap();
        assert_eq!(interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        peer.write(b"hi").unwrap();
        let answer = peer.read_until(b"hi", 1000).await.unwrap();
        assert_eq!(normal(&answer), "HTTP/1.1 200 OK\ncontent-length: 2\n\nhi");
    });
}

#[test]
fn rfc9110_10_1_1_continue_is_not_sent_if_the_content_is_here() {
    let world = World::new(echo);
    let heard = world.talk((EXPECT.to_owned() + "hi").crlf());
    assert_eq!(statuses(&heard.text), ["200"]);
}

#[test]
fn rfc9110_10_1_1_a_refusal_comes_instead_and_ends_the_connection() {
    let world = World::new(|http: Exchange| async move {
        http.set_status(http::StatusCode::FORBIDDEN).unwrap();
        http.finish();
    });
    let heard = world.talk(EXPECT.crlf());
    assert_eq!(
        heard.text,
        "HTTP/1.1 403 Forbidden\ncontent-length: 0\nconnection: close\n\n"
    );
    world.assert_well();
}

#[test]
fn rfc9110_10_1_1_too_much_is_refused_before_it_is_sent() {
    let config = Config::default().with_limits(Limits::default().with_content_bytes_max(1));
    let world = World::with_config(config, echo);
    let heard = world.talk(EXPECT.crlf());
    assert_eq!(statuses(&heard.text), ["413"]);
    world.assert_well();
}

#[test]
fn rfc9110_10_1_1_continue_is_not_sent_behind_the_answer() {
    let world = World::new(|http: Exchange| async move {
        http.flush().await.unwrap();
        let content = http.content().await.unwrap();
        let _ = http.write(content);
        http.finish();
    });
    let mut peer = world.connect();
    let heard = world.run(async {
        peer.write(EXPECT.crlf().as_bytes()).unwrap();
        peer.read_until(b"\r\n\r\n", 1000).await.unwrap();
        peer.write(b"hi").unwrap();
        world.listen(&mut peer).await
    });
    assert_eq!(heard.text, "2\nhi\n0\n\n");
}

#[test]
fn rfc9110_10_1_1_an_expectation_of_1_0_is_ignored() {
    let world = World::new(echo);
    let request = EXPECT.replace("1.1", "1.0");
    let mut peer = world.connect();
    let heard = world.run(async {
        peer.write(request.crlf().as_bytes()).unwrap();
        squall_ioloop::sleep(Duration::from_secs(1)).await;
        peer.write(b"hi").unwrap();
        world.listen(&mut peer).await
    });
    assert_eq!(statuses(&heard.text), ["200"]);
    let unknown = "GET / HTTP/1.0\nhost: a\nexpect: a miracle\n\n".crlf();
    assert_eq!(statuses(&world.talk(unknown).text), ["200"]);
}

#[test]
fn rfc9110_10_1_1_an_unknown_expectation_is_417() {
    let world = World::new(echo);
    let heard = world.talk("GET / HTTP/1.1\nhost: a\nexpect: a miracle\n\n".crlf());
    assert_eq!(statuses(&heard.text), ["417"]);
    assert!(heard.text.contains("connection: close\n"));
    world.assert_well();
}

// ---- who reads

#[test]
fn content_is_read_by_one_at_a_time() {
    let world = World::new(|http: Exchange| async move {
        let other = http.clone();
        let mut reading = Box::pin(async move { other.content().await });
        let first = squall_ioloop::with_timeout(Duration::from_secs(1), &mut reading);
        assert!(first.await.is_err());
        assert!(matches!(http.content().await, Err(Error::ContentTaken)));
        // Dropped half-way, it is free again, and what has come is not lost to the connection.
        drop(reading);
        let rest = http.content().await.unwrap();
        let _ = http.write(rest);
        http.finish();
    });
    let mut peer = world.connect();
    let heard = world.run(async {
        let request = "POST / HTTP/1.1\nhost: a\ncontent-length: 4\n\nab".crlf();
        peer.write(request.as_bytes()).unwrap();
        squall_ioloop::sleep(Duration::from_secs(2)).await;
        peer.write(b"cd").unwrap();
        peer.read_until(b"\r\n\r\ncd", 1000).await.unwrap()
    });
    assert_eq!(normal(&heard), "HTTP/1.1 200 OK\ncontent-length: 2\n\ncd");
    drop(peer);
    world.assert_well();
}

/// The one that answers does not wait for the one that reads; the connection does.
#[test]
fn an_answer_leaves_while_another_task_reads() {
    let world = World::new(|http: Exchange| async move {
        let reader = http.clone();
        squall_ioloop::Handle::current().spawn_detached(async move {
            assert_eq!(reader.content().await.unwrap(), "abcd");
        });
        squall_ioloop::sleep(Duration::from_secs(1)).await;
        let _ = http.write("early");
        http.finish();
    });
    let mut peer = world.connect();
    let heard = world.run(async {
        let request = "POST / HTTP/1.1\nhost: a\ncontent-length: 4\n\nab".crlf();
        peer.write(request.as_bytes()).unwrap();
        peer.read_until(b"early", 1000).await.unwrap();
        peer.write(b"cd").unwrap();
        peer.write("GET /well HTTP/1.1\nhost: a\n\n".crlf().as_bytes())
            .unwrap();
        world.listen(&mut peer).await
    });
    assert_eq!(statuses(&heard.text), ["200"]);
    world.assert_well();
}

#[test]
fn content_and_answer_may_cross() {
    let world = World::new(|http: Exchange| async move {
        while let Some(chunk) = http.chunk().await.unwrap() {
            http.write(chunk).unwrap();
            http.flush().await.unwrap();
        }
        http.finish();
    });
    let mut peer = world.connect_with(Options {
        latency: Duration::from_millis(10),
        ..Options::default()
    });
    let heard = world.run(async {
        let request = "POST / HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n".crlf();
        peer.write(request.as_bytes()).unwrap();
        for _ in 0..3 {
            peer.write(b"2\r\nhi\r\n").unwrap();
            peer.read_until(b"2\r\nhi\r\n", 1000).await.unwrap();
        }
        peer.write(b"0\r\n\r\n").unwrap();
        world.listen(&mut peer).await
    });
    assert_eq!(heard.text, "0\n\n");
}

#[test]
fn large_content_arrives_whole_and_leaves_whole() {
    let world = World::new(echo);
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
    let mut peer = world.connect_with(Options {
        write_bytes_max: 5000,
        ..Options::default()
    });
    let echoed = world.run(async {
        let head = format!(
            "POST / HTTP/1.1\nhost: a\ncontent-length: {}\n\n",
            content.len()
        );
        peer.write(head.crlf().as_bytes()).unwrap();
        peer.write_bytes(Bytes::from(content.clone())).unwrap();
        peer.read_until(b"\r\n\r\n", 1000).await.unwrap();
        peer.read_bytes(content.len()).await.unwrap()
    });
    assert_eq!(echoed, content);
}

#[test]
fn a_fault_stays_a_fault() {
    let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
    let log = seen.clone();
    let world = World::new(move |http: Exchange| {
        let log = log.clone();
        async move {
            for _ in 0..3 {
                let status = http.chunk().await.map_err(|error| error.status().as_u16());
                log.borrow_mut().push(status.map(Option::unwrap_or_default));
            }
            http.finish();
        }
    });
    let request = "POST / HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n2\nhi\nx\n0\n\n";
    let heard = world.talk(request.crlf());
    assert_eq!(*seen.borrow(), [Ok("hi".into()), Err(400), Err(400)]);
    assert!(heard.text.contains("connection: close"));
    assert!(heard.after <= AT_ONCE + Duration::from_secs(5));
}

/// One that comes while another one reads, and is turned away, is not the end of that reading.
#[test]
fn one_that_is_turned_away_leaves_the_reader_to_the_one_who_reads() {
    let world = World::new(|http: Exchange| async move {
        if http.head().path() == "/next" {
            return tell_target(http).await;
        }
        let reader = http.clone();
        squall_ioloop::Handle::current().spawn_detached(async move {
            assert_eq!(reader.content().await.unwrap(), "abcd");
        });
        squall_ioloop::sleep(Duration::from_secs(1)).await;
        assert!(matches!(http.content().await, Err(Error::ContentTaken)));
        http.finish();
    });
    let mut peer = world.connect();
    let heard = world.run(async {
        let request = "POST / HTTP/1.1\nhost: a\ncontent-length: 4\n\nab".crlf();
        peer.write(request.as_bytes()).unwrap();
        squall_ioloop::sleep(Duration::from_secs(2)).await;
        let next = "cdGET /next HTTP/1.0\n\n".crlf();
        peer.write(next.as_bytes()).unwrap();
        world.listen(&mut peer).await
    });
    assert_eq!(statuses(&heard.text), ["200", "200"]);
    world.settle();
    assert_eq!(world.server.metrics().requests.in_flight, 0);
    drop(peer);
    world.assert_well();
}

// ---- what it costs

/// Content that comes in several reads takes no more memory than it declares, and before it has
/// come no more than twice of what has.
#[test]
fn content_takes_as_much_memory_as_it_declares() {
    const LENGTH: usize = 64 * 1024;
    let world = World::new(|http: Exchange| async move {
        let content = http.content().await.unwrap();
        assert_eq!(content.len(), LENGTH);
        let content = content.try_into_mut().unwrap();
        let _ = http.write(content.capacity().to_string());
        http.finish();
    });
    // With the head, it does not fit in one read.
    let head = format!("POST / HTTP/1.1\nhost: a\nconnection: close\ncontent-length: {LENGTH}\n\n");
    let request = [head.crlf().as_bytes(), &[b'a'; LENGTH]].concat();
    for cut in [head.len() + 1000, 1000, request.len()] {
        let mut peer = world.connect_with(Options {
            capacity: 2 * LENGTH,
            ..Options::default()
        });
        let heard = world.run(async {
            peer.write(&request[..cut]).unwrap();
            squall_ioloop::sleep(Duration::from_secs(1)).await;
            peer.write(&request[cut..]).unwrap();
            world.listen(&mut peer).await
        });
        assert!(heard.text.ends_with("\n\n65536"), "{heard:?}");
    }
}
