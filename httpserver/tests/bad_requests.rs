//! Heads that are refused: RFC 9112, sections 2 to 6, and Tornado's corpus. Each has its status,
//! ends its connection, and is not echoed: not to the peer, not to the log.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use squall_http1::Limits;
use squall_httpserver::Config;
use support::{AT_ONCE, Crlf, World, logs, tell_target};

/// Sends bytes, and expects this refusal.
#[track_caller]
fn check(input: impl AsRef<[u8]>, status: &str) {
    let limits = Limits::default()
        .with_head_bytes_max(2000)
        .with_target_bytes_max(1000)
        .with_fields_max(10);
    let world = World::with_config(Config::default().with_limits(limits), tell_target);
    let mut peer = world.connect();
    let heard = world.run(async {
        peer.write(input.as_ref()).unwrap();
        peer.shutdown_write().await.unwrap();
        world.listen(&mut peer).await
    });
    // RFC 9112, section 9.6: the close is announced.
    let (head, page) = heard.text.split_once("\n\n").expect("an answer");
    assert!(head.contains("\nconnection: close"), "{head}");
    assert!(
        head.contains(&format!("\ncontent-length: {}", page.len())),
        "{head}"
    );
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(page.starts_with(&format!("{status}: ")), "{page}");
    assert_eq!(heard.after, AT_ONCE);
    // Nothing of what was sent comes back: MARK stands in most of it.
    assert!(!heard.text.contains("MARK"), "{heard:?}");
    let logged = logs::take_all().concat();
    assert!(logged.contains(&format!("status={status}")), "{logged}");
    assert!(
        !logged.contains("MARK") && logged.bytes().all(|byte| byte >= b' '),
        "{logged}"
    );
    drop(peer);
    world.assert_well();
}

#[track_caller]
fn check_line(line: &str, status: &str) {
    check(format!("{line}\nhost: a\n\n").crlf(), status);
}

#[track_caller]
fn check_fields(fields: &str, status: &str) {
    check(format!("POST /MARK HTTP/1.1\n{fields}\n\n").crlf(), status);
}

#[test]
fn rfc9112_3_request_lines() {
    for line in [
        "MARK",
        "GET /MARK",
        "GET  /MARK HTTP/1.1",
        "GET\t/MARK HTTP/1.1",
        "GET /MARK HTTP/1.1 ",
        "GET /MA RK HTTP/1.1",
        "GET /MARK\x7f HTTP/1.1",
        "G@T /MARK HTTP/1.1",
        "MARK,MARK / HTTP/1.1",
        "GET MARK HTTP/1.1",
        "GET * HTTP/1.1",
        "CONNECT /MARK HTTP/1.1",
        "GET /MARK http/1.1",
        "GET /MARK HTTP/1.10",
        " GET /MARK HTTP/1.1",
        "GET /\x1b[31mMARK HTTP/1.1",
    ] {
        check_line(line, "400");
    }
    check("\r\n\r\nGET /MARK HTTP/1.1\r\nhost: a\r\n\r\n", "400");
    check("GET /MARK HTTP/1.1\nhost: a\n\n", "400");
    check(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03MARK", "400");
}

#[test]
fn rfc9110_15_6_6_versions_that_are_not_spoken() {
    check_line("GET /MARK HTTP/2.0", "505");
    check_line("GET /MARK HTTP/0.9", "505");
    check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505");
}

#[test]
fn rfc9112_3_2_hosts() {
    check_fields("x: MARK", "400");
    check_fields("host: MARK\nhost: MARK", "400");
    for host in ["MARK,b", "MARK/b", "MARK@b", "MARK b", "MARK:x"] {
        check_fields(&format!("host: {host}"), "400");
    }
}

#[test]
fn rfc9112_5_field_lines() {
    for field in [
        "MARK",
        "MARK : b",
        " MARK: b",
        ": MARK",
        "MA RK: b",
        "MARK: b\n folded",
        "MARK: a\x00b",
        "MARK: a\x1bb",
        "MARK: a\rb",
    ] {
        check_fields(&format!("host: a\n{field}"), "400");
    }
}

#[test]
fn rfc9112_6_3_lengths() {
    for length in [
        "MARK",
        "+10",
        "-1",
        "1_0",
        "",
        "0x1",
        "5 5",
        "18446744073709551616",
    ] {
        check_fields(&format!("host: a\ncontent-length: {length}"), "400");
    }
    check_fields("host: a\ncontent-length: 5\ncontent-length: 6", "400");
    check_fields("host: a\ncontent-length: 5, 6", "400");
    check_fields("host: a\ncontent-length: 5\ncontent-length: 5", "400");
}

#[test]
fn rfc9112_6_1_transfer_encodings() {
    let chunked = "host: a\ntransfer-encoding: chunked";
    check_fields(&format!("{chunked}\n{}", &chunked[8..]), "400");
    check_fields(&format!("{chunked}\ncontent-length: 5"), "400");
    for coding in ["identity", "chunked, MARK", ",chunked", "chunked;q=1", ""] {
        check_fields(&format!("host: a\ntransfer-encoding: {coding}"), "400");
    }
    check_fields("host: a\ntransfer-encoding: gzip, chunked", "501");
    check(format!("POST / HTTP/1.0\n{chunked}\n\n").crlf(), "400");
}

#[test]
fn rfc6585_5_heads_beyond_their_limits() {
    let long = "MARK".repeat(600);
    check_line(&format!("GET /{long} HTTP/1.1"), "414");
    check_fields(&format!("host: a\nx: {long}"), "431");
    check_fields(&format!("host: a{}", "\nx: MARK".repeat(10)), "431");
    // An endless head is refused when the limit has come, not when it ends.
    check(format!("GET / HTTP/1.1\nhost: a\nx: {long}").crlf(), "431");
    check(format!("GET /{long}"), "414");
    check_line(&format!("{long} / HTTP/1.1"), "501");
}

#[test]
fn rfc9110_10_1_1_expectations() {
    check_fields("host: a\nexpect: MARK", "417");
    check_fields("host: a\nexpect: 100-continue, MARK", "417");
}

/// Sends fields beyond the limits, and expects this name in the log's line.
#[track_caller]
fn check_offender(fields: &str, name: &str) {
    let limits = Limits::default()
        .with_head_bytes_max(1200)
        .with_target_bytes_max(1000)
        .with_fields_max(3);
    let world = World::with_config(Config::default().with_limits(limits), tell_target);
    let heard = world.talk(format!("GET / HTTP/1.1\nhost: a\n{fields}\n\n").crlf());
    assert!(heard.text.starts_with("HTTP/1.1 431 "), "{heard:?}");
    assert!(!heard.text.contains("MARK"), "{heard:?}");
    let logged = logs::take_all().concat();
    assert!(logged.contains(&format!("field={name} ")), "{logged}");
    assert!(!logged.contains("secret"), "{logged}");
    assert!(logged.len() < 500 && logged.bytes().all(|byte| byte >= b' '));
}

/// What an operator needs to raise a limit, or to find who sends it. Never its value, and nothing
/// of it to the peer.
#[test]
fn rfc6585_5_the_name_of_the_field_that_was_too_much_is_in_the_log_only() {
    let long = "secret".repeat(300);
    check_offender(&format!("a: b\nMARK: {long}"), "MARK");
    check_offender("a: b\nc: d\nMARK-4: secret\ne: f", "MARK-4");
    check_offender(&format!("MARK'|~: {long}"), r"MARK\'|~");
    let endless = "MARK".repeat(400);
    check_offender(&endless, &format!("{}...", &endless[..63]));
}
