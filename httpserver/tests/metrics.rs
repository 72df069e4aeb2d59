//! What a server counts: after scripted conversations, in memory, on virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;
use squall_http1::Limits;
use squall_httpserver::{Config, Exchange, ServerMetrics};
use squall_ioloop::sleep;
use support::{Crlf, World, echo, logs, tell_target};

const CLOSE: &str = "host: a\nconnection: close\n\n";

/// `idle reading answering writing joined`
fn states(world: &World) -> [u64; 5] {
    let connections = world.server.metrics().connections;
    [
        connections.idle,
        connections.reading,
        connections.answering,
        connections.writing,
        connections.joined,
    ]
}

#[test]
fn a_connection_is_in_one_state_at_a_time() {
    let kept = Rc::new(RefCell::new(Vec::new()));
    let later = kept.clone();
    let world = World::new(move |http: Exchange| {
        later.borrow_mut().push(http);
        std::future::ready(())
    });
    let mut peer = world.connect();
    world.settle();
    assert_eq!(states(&world), [1, 0, 0, 0, 0]);
    peer.write(b"GET / HT").unwrap();
    world.settle();
    assert_eq!(states(&world), [0, 1, 0, 0, 0]);
    peer.write("TP/1.1\nhost: a\n\n".crlf().as_bytes()).unwrap();
    world.settle();
    assert_eq!(states(&world), [0, 0, 1, 0, 0]);
    kept.borrow_mut().pop().unwrap().finish();
    world.settle();
    assert_eq!(states(&world), [1, 0, 0, 0, 0]);
    // Pipelined, and the second is not whole.
    peer.write("GET / HTTP/1.1\nhost: a\n\nGET".crlf().as_bytes())
        .unwrap();
    world.settle();
    kept.borrow_mut().pop().unwrap().finish();
    world.settle();
    assert_eq!(states(&world), [0, 1, 0, 0, 0]);
    peer.write(format!(" / HTTP/1.1\n{CLOSE}").crlf().as_bytes())
        .unwrap();
    world.settle();
    let http = kept.borrow_mut().pop().unwrap();
    let guard = http.join_drain();
    // More than the peer takes at once.
    http.write(vec![b'x'; 10 << 20]).unwrap();
    http.finish();
    drop(http);
    world.settle();
    assert_eq!(states(&world), [0, 0, 0, 1, 1]);
    drop(guard);
    world.run(world.listen(&mut peer));
    world.settle();
    assert_eq!(states(&world), [0, 0, 0, 0, 0]);
    let connections = world.server.metrics().connections;
    assert_eq!((connections.accepted, connections.closed), (1, 1));
}

#[test]
fn requests_are_counted_by_class_with_their_bytes_and_their_time() {
    let world = World::new(|http: Exchange| async move {
        let path = http.head().path().to_owned();
        if let Some(status) = path.strip_prefix('/').filter(|path| !path.is_empty()) {
            let status = StatusCode::from_bytes(status.as_bytes()).unwrap();
            http.set_status(status).unwrap();
        }
        if path == "/299" {
            sleep(Duration::from_millis(3)).await;
        }
        http.write("hello").unwrap();
        http.finish();
    });
    let mut input = String::new();
    for path in ["/", "/204", "/299", "/301", "/404", "/499", "/503"] {
        input += &format!("GET {path} HTTP/1.1\nhost: a\n\n");
    }
    let input = (input + "BAD\n\n").crlf();
    let mut peer = world.connect();
    peer.write(input.as_bytes()).unwrap();
    let answer = world
        .run(async { peer.read_until_close(usize::MAX).await })
        .unwrap();
    let metrics = world.server.metrics();
    let requests = metrics.requests;
    assert_eq!(requests.informational, 0);
    assert_eq!(requests.successful, 3);
    assert_eq!(requests.redirected, 1);
    // The bad one is among them.
    assert_eq!(requests.client_errors, 3);
    assert_eq!(requests.server_errors, 1);
    assert_eq!(requests.total(), 8);
    assert_eq!((requests.in_flight, requests.incomplete), (0, 0));
    assert_eq!(metrics.bytes_sent, answer.len() as u64);
    assert_eq!(
        metrics.bytes_received,
        (input.len() - "BAD\r\n\r\n".len()) as u64
    );
    assert_eq!(metrics.latency.count(), 7);
    assert_eq!(metrics.latency.sum(), Duration::from_millis(3));
    assert_eq!(
        metrics.latency.quantile(0.5),
        Some(Duration::from_micros(16))
    );
    assert_eq!(
        metrics.latency.quantile(1.0),
        Some(Duration::from_micros(4096))
    );
}

#[test]
fn content_is_counted_both_ways() {
    let world = World::new(echo);
    let head = format!("POST / HTTP/1.1\ntransfer-encoding: chunked\n{CLOSE}").crlf();
    let mut peer = world.connect();
    peer.write(head.as_bytes()).unwrap();
    peer.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").unwrap();
    let answer = world
        .run(async { peer.read_until_close(usize::MAX).await })
        .unwrap();
    let metrics = world.server.metrics();
    assert_eq!(metrics.bytes_received, head.len() as u64 + 5);
    assert_eq!(metrics.bytes_sent, answer.len() as u64);
}

#[test]
fn a_streamed_answer_is_counted_without_its_frames() {
    let world = World::new(|http: Exchange| async move {
        http.write("abc").unwrap();
        http.flush().await.unwrap();
        http.write("de").unwrap();
        http.finish();
    });
    let mut peer = world.connect();
    peer.write(format!("GET / HTTP/1.1\n{CLOSE}").crlf().as_bytes())
        .unwrap();
    let answer = world
        .run(async { peer.read_until_close(usize::MAX).await })
        .unwrap();
    let frames = b"3\r\n\r\n2\r\n\r\n0\r\n\r\n".len();
    let metrics = world.server.metrics();
    assert_eq!(metrics.bytes_sent, (answer.len() - frames) as u64);
}

/// Sends bytes, lets time pass until the server closes, and expects this one reject.
#[track_caller]
fn check_reject(input: impl AsRef<[u8]>, cause: &str) {
    let limits = Limits::default()
        .with_head_bytes_max(2000)
        .with_target_bytes_max(100)
        .with_fields_max(5)
        .with_content_bytes_max(10);
    let world = World::with_config(Config::default().with_limits(limits), echo);
    world.talk(input);
    let rejects = world.server.metrics().rejects;
    let expected = [(cause.to_owned(), 1)];
    assert_eq!(Vec::from_iter(rejects), expected);
}

#[test]
fn rejects_are_counted_by_cause() {
    let line = |line: &str| format!("{line}\nhost: a\n\n").crlf();
    let fields = |fields: &str| format!("POST / HTTP/1.1\nhost: a\n{fields}\n\n").crlf();
    check_reject("GET / HTTP/1.1\nhost: a\n\n", "bare_lf");
    check_reject(line("GET / HTTP/2.0"), "version_unsupported");
    check_reject(line("G@T / HTTP/1.1"), "method_invalid");
    check_reject("GET / HTTP/1.1\r\n\r\n", "host_missing");
    check_reject(fields("a : b"), "space_before_colon");
    check_reject(fields("content-length: +1"), "content_length_invalid");
    check_reject(
        fields("content-length: 1\ncontent-length: 2"),
        "conflicting_content_length",
    );
    check_reject(fields("expect: what"), "expectation_unknown");
    check_reject(
        line(&format!("GET /{} HTTP/1.1", "a".repeat(200))),
        "target_bytes",
    );
    check_reject(fields(&format!("a: {}", "a".repeat(2000))), "head_bytes");
    check_reject(fields("a: b\n".repeat(6).trim_end()), "fields");
}

#[test]
fn what_is_wrong_with_content_is_counted_as_well() {
    let post = |field: &str, content: &str| {
        format!("POST / HTTP/1.1\nhost: a\n{field}\n\n{content}").crlf()
    };
    check_reject(post("content-length: 11", ""), "content_bytes");
    check_reject(
        post("transfer-encoding: chunked", "x\n"),
        "chunk_size_invalid",
    );
    check_reject(post("content-length: 2", "a"), "timeout_content");
}

#[test]
fn those_that_are_too_slow_are_counted_by_what_they_were_slow_with() {
    check_reject("", "timeout_idle");
    check_reject("GET / HT", "timeout_header");
    let world = World::new(|http: Exchange| async move {
        let _ = http.write(vec![b'x'; 10 << 20]);
        http.finish();
    });
    let peer = world.connect();
    peer.write(format!("GET / HTTP/1.1\n{CLOSE}").crlf().as_bytes())
        .unwrap();
    world.run(sleep(Duration::from_secs(61)));
    world.settle();
    let rejects = world.server.metrics().rejects;
    assert_eq!(Vec::from_iter(rejects), [("timeout_write".to_owned(), 1)]);
}

#[test]
fn a_flood_of_bad_requests_has_a_few_lines_and_all_are_counted() {
    let world = World::new(tell_target);
    logs::take_all();
    for _ in 0..200 {
        world.talk("BAD\r\n\r\n");
    }
    let refused = || {
        let lines = logs::take_all().into_iter();
        lines
            .filter(|line| line.contains("request refused"))
            .collect::<Vec<_>>()
    };
    let lines = refused();
    assert_eq!(lines.len(), 5, "{lines:?}");
    world.run(sleep(Duration::from_secs(1)));
    world.talk("BAD\r\n\r\n");
    let lines = refused();
    assert!(lines[0].contains("left_out=195 "), "{lines:?}");
    let metrics = world.server.metrics();
    assert_eq!(metrics.rejects["method_invalid"], 201);
    assert_eq!(metrics.refusals_unlogged, 195);
}

#[test]
fn workers_are_summed_up() {
    let snapshots = std::thread::scope(|scope| {
        let workers = [1, 2, 3].map(|requests| {
            scope.spawn(move || {
                let world = World::new(tell_target);
                for _ in 0..requests {
                    world.talk(format!("GET / HTTP/1.1\n{CLOSE}").crlf());
                    world.talk("BAD\r\n\r\n");
                }
                world.server.metrics()
            })
        });
        workers.map(|worker| worker.join().unwrap())
    });
    let all: ServerMetrics = snapshots.into_iter().sum();
    assert_eq!(all.requests.successful, 6);
    assert_eq!(all.latency.count(), 6);
    assert_eq!(all.rejects["method_invalid"], 6);
    assert_eq!(all.connections.accepted, 12);
}

#[test]
fn the_page_for_collectors_is_whole() {
    let world = World::new(|http: Exchange| async move {
        http.write(http.server_metrics().to_openmetrics()).unwrap();
        http.finish();
    });
    world.talk("BAD\r\n\r\n");
    world.settle();
    let heard = world.talk(format!("GET /metrics HTTP/1.1\n{CLOSE}").crlf());
    let (_, page) = heard.text.split_once("\n\n").unwrap();
    let mut families = Vec::new();
    for line in page.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            families.push(family.split(' ').next().unwrap());
        } else if !line.starts_with('#') {
            // Samples stand with their family, and have a number.
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(families.last().unwrap()), "{line}");
            value.parse::<f64>().unwrap();
        }
    }
    assert_eq!(families.len(), 12, "{families:?}");
    for line in [
        "squall_connections{state=\"answering\"} 1",
        "squall_connections_accepted_total 2",
        "squall_connections_closed_total 1",
        "squall_requests_total{class=\"4xx\"} 1",
        "squall_requests_in_flight 1",
        "squall_rejects_total{cause=\"method_invalid\"} 1",
        "squall_request_duration_seconds_bucket{le=\"0.000016\"} 0",
        "squall_request_duration_seconds_bucket{le=\"134.217728\"} 0",
        "squall_request_duration_seconds_bucket{le=\"+Inf\"} 0",
        "squall_request_duration_seconds_count 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    assert!(page.ends_with("\n# EOF\n"));
}
