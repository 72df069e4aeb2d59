//! The access log: its lines to the octet, on virtual time; what peers try to forge; its levels.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use squall_httpserver::{
    AccessLog, Config, Exchange, Forwarded, LogFormat, LogWriter, RequestIds, RequestRecord,
};
use squall_ioloop::sleep;
use squall_iostream::{Address, TrustedPeers};
use support::lines::Lines;
use support::script::{self, Seen};
use support::{Crlf, World, logs};

/// `/status/404` answers with that, `/slow` after 1.5 s, `/part` streams and gives up; others say
/// hello.
async fn site(http: Exchange) {
    let target = http.head().target().to_owned();
    if let Some(status) = target.strip_prefix("/status/") {
        let status = StatusCode::from_bytes(status.as_bytes()).unwrap();
        http.set_status(status).unwrap();
    }
    match target.as_str() {
        "/slow" => sleep(Duration::from_millis(1500)).await,
        "/part" => {
            http.write("half").unwrap();
            http.flush().await.unwrap();
            return http.abort();
        }
        "/leave" => http.closed().await,
        _ => {}
    }
    let content = http.content().await;
    let _ = http.write(format!(
        "hello{}",
        content.map_or(0, |content| content.len())
    ));
    http.finish();
}

fn world(log: AccessLog) -> World {
    let ids = RequestIds::default().prefix("test").trust("x-request-id");
    let config = Config::default().with_access_log(log).with_request_ids(ids);
    World::with_config(config, site)
}

/// What is logged in a format when a peer says this and listens until the end.
fn logged(format: LogFormat, input: &str) -> String {
    let lines = Lines::default();
    let world = world(AccessLog::new(format, LogWriter::new(lines.clone())));
    world.talk(input.crlf());
    world.run(world.server.stop(Duration::ZERO));
    lines.timeless()
}

#[track_caller]
fn check(format: LogFormat, input: &str, expected: &str) {
    assert_eq!(logged(format, input), expected);
}

const CLOSE: &str = "host: a\nconnection: close\n\n";

#[test]
fn tornado_lines_have_level_time_status_method_target_peer_and_milliseconds() {
    let check = |request: &str, expected| {
        check(LogFormat::Tornado, &format!("{request}\n{CLOSE}"), expected);
    };
    check("GET / HTTP/1.1", "[I TIME] 200 GET / (-) 0.00ms\n");
    check(
        "GET /a?b=c HTTP/1.1",
        "[I TIME] 200 GET /a?b=c (-) 0.00ms\n",
    );
    check(
        "GET /slow HTTP/1.1",
        "[I TIME] 200 GET /slow (-) 1500.00ms\n",
    );
    check(
        "GET /status/304 HTTP/1.1",
        "[I TIME] 304 GET /status/304 (-) 0.00ms\n",
    );
    check(
        "GET /status/404 HTTP/1.1",
        "[W TIME] 404 GET /status/404 (-) 0.00ms\n",
    );
    check(
        "GET /status/503 HTTP/1.1",
        "[E TIME] 503 GET /status/503 (-) 0.00ms\n",
    );
    check("MADE-UP / HTTP/1.1", "[I TIME] 200 MADE-UP / (-) 0.00ms\n");
}

#[test]
fn combined_lines_are_those_of_apache() {
    check(
        LogFormat::Combined,
        &format!("GET / HTTP/1.1\nuser-agent: curl/8.5.0\nreferer: http://b/\n{CLOSE}"),
        "- - - [TIME] \"GET / HTTP/1.1\" 200 6 \"http://b/\" \"curl/8.5.0\"\n",
    );
    check(
        LogFormat::Combined,
        &format!("HEAD /h HTTP/1.1\nuser-agent:\n{CLOSE}"),
        "- - - [TIME] \"HEAD /h HTTP/1.1\" 200 - \"-\" \"-\"\n",
    );
    check(
        LogFormat::Combined,
        "GET /old HTTP/1.0\n\n",
        "- - - [TIME] \"GET /old HTTP/1.0\" 200 6 \"-\" \"-\"\n",
    );
    // As it was sent, though it is answered as 1.1.
    check(
        LogFormat::Combined,
        &format!("GET /a/target/of/more/than/32/octets HTTP/1.7\n{CLOSE}"),
        "- - - [TIME] \"GET /a/target/of/more/than/32/octets HTTP/1.7\" 200 6 \"-\" \"-\"\n",
    );
}

#[test]
fn json_lines_have_the_same_members_each() {
    check(
        LogFormat::Json,
        &format!("POST /j HTTP/1.1\nuser-agent: x\ncontent-length: 3\n{CLOSE}abc"),
        "{\"time\":\"TIME\",\"level\":\"info\",\"remote\":\"-\",\"method\":\"POST\",\
         \"target\":\"/j\",\"version\":\"1.1\",\"user_agent\":\"x\",\"id\":\"test-1\",\
         \"status\":200,\"received\":85,\"sent\":116,\"latency_us\":0}\n",
    );
    let line = logged(LogFormat::Json, &format!("GET /part HTTP/1.1\n{CLOSE}"));
    assert!(
        line.contains(",\"latency_us\":0,\"complete\":false}"),
        "{line}"
    );
}

#[test]
fn each_request_of_a_connection_has_its_line_in_order() {
    let two = format!(
        "GET /1 HTTP/1.1\nhost: a\n\nGET /slow HTTP/1.1\nhost: a\n\nGET /3 HTTP/1.1\n{CLOSE}"
    );
    check(
        LogFormat::Tornado,
        &two,
        "[I TIME] 200 GET /1 (-) 0.00ms\n[I TIME] 200 GET /slow (-) 1500.00ms\n\
         [I TIME] 200 GET /3 (-) 0.00ms\n",
    );
}

#[test]
fn a_refused_request_has_a_line_without_a_byte_of_it() {
    let bad = "GET /MARK HTTP/1.1\nMARK: \x01\n\n";
    check(LogFormat::Tornado, bad, "[W TIME] 400 - - (-) 0.00ms\n");
    check(
        LogFormat::Combined,
        bad,
        "- - - [TIME] \"-\" 400 - \"-\" \"-\"\n",
    );
    let line = logged(LogFormat::Json, bad);
    assert!(line.contains("\"status\":400,\"received\":0,"), "{line}");
    assert!(
        line.ends_with(",\"refusal\":\"control octet in a field value\"}\n"),
        "{line}"
    );
    // Not an error, for it is not ours.
    check(
        LogFormat::Tornado,
        "GET / HTTP/9.1\n\n",
        "[W TIME] 505 - - (-) 0.00ms\n",
    );
}

/// Sends a field or target that would be more than itself, in all formats.
#[track_caller]
fn check_forgery(request: &str, combined: &str) {
    let input = format!("{request}\n{CLOSE}");
    let line = logged(LogFormat::Combined, &input);
    assert_eq!(line, format!("- - - [TIME] {combined}\n"));
    for format in [LogFormat::Tornado, LogFormat::Combined, LogFormat::Json] {
        let line = logged(format, &input);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(
            line.trim_end()
                .bytes()
                .all(|byte| (0x20..0x7f).contains(&byte)),
            "{line}"
        );
    }
}

#[test]
fn nothing_that_a_peer_sends_forges_a_line() {
    check_forgery("GET /\" HTTP/1.1", r#""GET /\" HTTP/1.1" 200 6 "-" "-""#);
    check_forgery(
        "GET /\"200\\ HTTP/1.1",
        r#""GET /\"200\\ HTTP/1.1" 200 6 "-" "-""#,
    );
    check_forgery(
        "GET / HTTP/1.1\nuser-agent: x\" 500 0 \"y",
        r#""GET / HTTP/1.1" 200 6 "-" "x\" 500 0 \"y""#,
    );
    check_forgery(
        "GET / HTTP/1.1\nuser-agent: ends in \\",
        r#""GET / HTTP/1.1" 200 6 "-" "ends in \\""#,
    );
    check_forgery(
        "GET / HTTP/1.1\nreferer: a\tb\u{85}\u{2028}\u{202e}é",
        r#""GET / HTTP/1.1" 200 6 "a\x09b\xc2\x85\xe2\x80\xa8\xe2\x80\xae\xc3\xa9" "-""#,
    );
}

#[test]
fn a_json_line_is_json_whatever_a_peer_sends() {
    let line = logged(
        LogFormat::Json,
        &format!("GET /\"}},{{\" HTTP/1.1\nuser-agent: \u{2028}\\\"\t🦀\n{CLOSE}"),
    );
    assert!(line.contains(r#""target":"/\"},{\"","#), "{line}");
    assert!(
        line.contains(r#""user_agent":"\u2028\\\"\u0009\ud83e\udd80","#),
        "{line}"
    );
}

#[test]
fn long_targets_and_fields_are_cut() {
    let long = "a".repeat(3000);
    let line = logged(
        LogFormat::Combined,
        &format!("GET /{long} HTTP/1.1\nuser-agent: {long}\nreferer: {long}\n{CLOSE}"),
    );
    let (target, field) = (&long[..1023], &long[..512]);
    let expected =
        format!("- - - [TIME] \"GET /{target}... HTTP/1.1\" 200 6 \"{field}...\" \"{field}...\"\n");
    assert_eq!(line, expected);
}

#[test]
fn the_time_is_that_of_the_arrival() {
    let lines = Lines::default();
    let log = AccessLog::new(LogFormat::Combined, LogWriter::new(lines.clone()));
    let world = world(log);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let kept = seen.clone();
    world
        .server
        .set_log_function(move |record: &RequestRecord<'_>| {
            kept.borrow_mut()
                .push((record.arrived_at(), record.latency()));
        });
    let before = SystemTime::now();
    world.talk(format!("GET /slow HTTP/1.1\n{CLOSE}").crlf());
    let after = SystemTime::now();
    world.run(world.server.stop(Duration::ZERO));
    let (arrived, latency) = seen.borrow()[0];
    assert_eq!(latency, Duration::from_millis(1500));
    // Virtual time has gone on, and the time of day has not: that is looked at once a second.
    assert!(arrived + latency >= before && arrived <= after);
    assert_eq!(lines.text().lines().count(), 1);
}

#[test]
fn an_answer_that_reaches_nobody_has_a_line_too() {
    let lines = Lines::default();
    let world = world(AccessLog::new(
        LogFormat::Json,
        LogWriter::new(lines.clone()),
    ));
    let peer = world.connect();
    let request = "GET /leave HTTP/1.1\nhost: a\n\n".crlf();
    peer.write(request.as_bytes()).unwrap();
    world.settle();
    // The server cuts the connection while the service waits.
    world.run(world.server.stop(Duration::ZERO));
    // What comes after the end of the server is written by the timer.
    world.run(sleep(Duration::from_secs(2)));
    let line = lines.timeless();
    assert!(line.contains("\"target\":\"/leave\""), "{line}");
    assert!(line.contains(",\"sent\":0,"), "{line}");
    assert!(line.contains(",\"complete\":false"), "{line}");
    assert_eq!(world.server.metrics().requests.incomplete, 1);
}

/// A connection from this address that asks once, and stays if it is to.
fn ask_from(world: &World, ip: [u8; 4], stays: bool) -> Rc<Seen> {
    let end = if stays { "\n" } else { "connection: close\n\n" };
    let input = format!("GET / HTTP/1.1\nhost: a\n{end}").crlf();
    let address = Address::Inet((ip, 50_000).into());
    let (stream, seen) = script::stream_from(&world.ioloop, input.as_bytes(), Some(address));
    world.server.serve_stream(stream);
    world.run(sleep(Duration::ZERO));
    seen
}

/// The peers in lines of Tornado's format.
fn peers(text: &str) -> Vec<String> {
    let peer = |line: &str| {
        let (_, rest) = line.split_once(" (").unwrap();
        rest.split_once(')').unwrap().0.to_owned()
    };
    text.lines().map(peer).collect()
}

#[test]
fn each_peer_has_its_own_address_however_many_there_are() {
    let lines = Lines::default();
    let world = world(AccessLog::new(
        LogFormat::Tornado,
        LogWriter::new(lines.clone()),
    ));
    let ip = |number: usize| [10, 0, (number / 256) as u8, (number % 256) as u8];
    let mut expected = Vec::new();
    // More than are remembered, all of them open.
    for number in 0..1200 {
        ask_from(&world, ip(number), true);
        expected.push(std::net::IpAddr::from(ip(number)).to_string());
    }
    // Those that go leave their places to others.
    for number in 2000..2010 {
        ask_from(&world, ip(number), false);
        world.settle();
        expected.push(std::net::IpAddr::from(ip(number)).to_string());
    }
    world.run(world.server.stop(Duration::ZERO));
    assert_eq!(peers(&lines.text()), expected);
}

#[test]
fn a_peer_that_leaves_before_its_answer_is_in_the_line_all_the_same() {
    for format in [LogFormat::Tornado, LogFormat::Combined] {
        let lines = Lines::default();
        let world = world(AccessLog::new(format, LogWriter::new(lines.clone())));
        let input = "GET /slow HTTP/1.1\nhost: a\nconnection: close\n\n".crlf();
        let address = Address::Inet(([192, 0, 2, 7], 50_000).into());
        let (stream, seen) = script::stream_from(&world.ioloop, input.as_bytes(), Some(address));
        world.server.serve_stream(stream);
        world.settle();
        seen.is_address_forgotten.set(true);
        world.run(sleep(Duration::from_secs(2)));
        world.run(world.server.stop(Duration::ZERO));
        assert!(lines.text().contains("192.0.2.7"), "{}", lines.text());
        assert_eq!(seen.address_asked.get(), 1);
    }
}

#[test]
fn behind_a_trusted_proxy_the_line_has_the_client() {
    let check = |target: &str, forwarded_for: &str, expected: &str| {
        let lines = Lines::default();
        let log = AccessLog::new(LogFormat::Tornado, LogWriter::new(lines.clone()));
        let proxies = TrustedPeers::from_networks(["10.0.0.0/8"]).unwrap();
        let config = Config::default()
            .with_access_log(log)
            .with_forwarded(Forwarded::x_forwarded(proxies));
        let world = World::with_config(config, site);
        let fields = format!("x-forwarded-for: {forwarded_for}\n{CLOSE}");
        let input = format!("GET {target} HTTP/1.1\n{fields}").crlf();
        let address = Address::Inet(([10, 0, 0, 1], 50_000).into());
        let (stream, seen) = script::stream_from(&world.ioloop, input.as_bytes(), Some(address));
        world.server.serve_stream(stream);
        world.settle();
        // Of the proxy, when it has left.
        seen.is_address_forgotten.set(true);
        world.run(sleep(Duration::from_secs(2)));
        world.run(world.server.stop(Duration::ZERO));
        assert_eq!(peers(&lines.text()), [expected]);
    };
    for target in ["/", "/slow"] {
        check(target, "203.0.113.9, 192.0.2.7", "192.0.2.7");
        check(target, "10.0.0.5", "10.0.0.5");
        // Whom nobody knows is not the proxy.
        check(target, "unknown", "-");
        check(target, "\" 200 1", "-");
    }
}

#[test]
fn an_address_is_asked_for_once_in_many_requests() {
    let lines = Lines::default();
    let world = world(AccessLog::new(
        LogFormat::Tornado,
        LogWriter::new(lines.clone()),
    ));
    let input = "GET / HTTP/1.1\nhost: a\n\n".crlf().repeat(50);
    let address = Address::Inet("[2001:db8::7]:443".parse().unwrap());
    let (stream, seen) = script::stream_from(&world.ioloop, input.as_bytes(), Some(address));
    world.server.serve_stream(stream);
    world.settle();
    world.run(world.server.stop(Duration::ZERO));
    assert_eq!(peers(&lines.text()), vec!["2001:db8::7"; 50]);
    assert_eq!(seen.address_asked.get(), 1);
}

#[test]
fn a_filter_leaves_requests_out() {
    let lines = Lines::default();
    let log = AccessLog::new(LogFormat::Tornado, LogWriter::new(lines.clone()))
        .with_filter(|record| record.target() != Some("/health"));
    let world = world(log);
    let health = "GET /health HTTP/1.1\nhost: a\n\n";
    world.talk(format!("{health}{health}GET / HTTP/1.1\n{CLOSE}").crlf());
    world.run(world.server.stop(Duration::ZERO));
    assert_eq!(lines.timeless(), "[I TIME] 200 GET / (-) 0.00ms\n");
}

#[test]
fn events_have_tornados_levels_and_message() {
    let world = world(AccessLog::tracing());
    let ask = |target: &str| {
        logs::take_all();
        world.talk(format!("GET {target} HTTP/1.1\n{CLOSE}").crlf());
        logs::take_levels()
            .into_iter()
            .filter(|(_, line)| line.contains("ms "))
            .collect::<Vec<_>>()
    };
    let check = |target: &str, level: &str, message: &str| {
        let events = ask(target);
        let [(found, line)] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(found, level);
        assert!(line.contains(&format!("message={message} ")), "{line}");
        assert!(
            line.contains("id=test-") && line.contains("sent="),
            "{line}"
        );
    };
    check("/", "INFO", "200 GET / (-) 0.00ms");
    check("/status/399", "INFO", "399 GET /status/399 (-) 0.00ms");
    check("/status/400", "WARN", "400 GET /status/400 (-) 0.00ms");
    check("/status/499", "WARN", "499 GET /status/499 (-) 0.00ms");
    check("/status/500", "ERROR", "500 GET /status/500 (-) 0.00ms");
}

#[test]
fn a_log_function_that_panics_costs_its_line() {
    let world = world(AccessLog::new(
        LogFormat::Json,
        LogWriter::new(Lines::default()),
    ));
    world
        .server
        .set_log_function(|_: &RequestRecord<'_>| panic!("a bug"));
    let heard = world.talk(format!("GET / HTTP/1.1\nhost: a\n\nGET / HTTP/1.1\n{CLOSE}").crlf());
    assert_eq!(support::statuses(&heard.text), ["200", "200"]);
    let logged = logs::take();
    assert_eq!(logged.len(), 2, "{logged:?}");
    assert!(
        logged[0].contains("a log function has panicked"),
        "{logged:?}"
    );
}

#[test]
fn a_record_tells_what_happened() {
    let world =
        world(AccessLog::new(LogFormat::Json, LogWriter::new(Lines::default())).with_worker(3));
    let seen = Rc::new(RefCell::new(String::new()));
    let kept = seen.clone();
    world
        .server
        .set_log_function(move |record: &RequestRecord<'_>| {
            let text = format!(
                "{} {} {} {} {:?} {} {} {} {:?} {:?} {:?}\n",
                record.status().as_u16(),
                record.method().unwrap(),
                record.target().unwrap(),
                record.request_id(),
                record.field("x-a").map(String::from_utf8_lossy),
                record.bytes_received(),
                record.bytes_sent(),
                record.content_bytes_sent(),
                record.worker(),
                record.remote_ip(),
                record.level(),
            );
            kept.borrow_mut().push_str(&text);
        });
    world.talk(format!("GET / HTTP/1.1\nx-a: b\nx-request-id: abc.1\n{CLOSE}").crlf());
    let expected = "200 GET / abc.1 Some(\"b\") 75 116 6 Some(3) None Level(Info)\n";
    assert_eq!(*seen.borrow(), expected);
}
