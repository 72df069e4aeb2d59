//! What the example `conformance` promises to suites of others: requests as they are sent, answers
//! as they come, over a real socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic;
use std::thread;
use std::time::Duration;

use squall::httpserver::HttpServer;
use squall::ioloop::{IoLoop, Remote};

#[allow(dead_code, reason = "its `main` is for those who run it")]
#[path = "../examples/conformance.rs"]
mod conformance;

const PATIENCE: Duration = Duration::from_secs(10);

/// Asks on a connection of its own, whose server closes it. The answer is compared from its status
/// to its end; fields are looked for by line.
fn check(request: &str, status: &str, fields: &[&str], content: &str) {
    let answer = ask_text(request);
    let (head, rest) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    for field in fields {
        let is_there = head.lines().any(|line| line.eq_ignore_ascii_case(field));
        assert!(is_there, "{field} in {answer}");
    }
    assert_eq!(rest, content, "{request}");
}

/// A request without content.
fn get(target: &str, status: &str, content: &str) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    check(&request, status, &[], content);
}

#[test]
fn any_method_and_path_gives_200() {
    for target in [
        "/",
        "/anything",
        "/a/b%20c?d=e",
        "/%00%ff",
        "//",
        "/echo/no",
    ] {
        get(target, "200 OK", "OK");
    }
    for line in [
        "DELETE / HTTP/1.1",
        "POST /form HTTP/1.1",
        "BREW /tea HTTP/1.1",
        "OPTIONS / HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET http://a/x HTTP/1.1",
    ] {
        let request = format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\n");
        check(&request, "200 OK", &["Connection: close"], "OK");
    }
    let head = "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    check(head, "200 OK", &["Content-Length: 2"], "");
}

#[test]
fn content_comes_back() {
    check(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        "200 OK",
        &["Content-Length: 5"],
        "hello",
    );
    check(
        "PURGE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\n\r\n",
        "200 OK",
        &[],
        "hi",
    );
}

#[test]
fn what_was_sent_can_be_seen() {
    check(
        "GET /echo HTTP/1.1\r\nhOST: a\r\nX:  two  words \r\nConnection: close\r\n\r\n",
        "200 OK",
        &[],
        "hOST: a\nX:  two  words \nConnection: close\n",
    );
    let head = b"GET /echo HTTP/1.0\r\nX: caf\xe9 \xff\xc3\xa9\r\nY:\r\n\r\n";
    let answer = ask(head);
    let lines = b"\r\n\r\nX: caf\xe9 \xff\xc3\xa9\nY:\n";
    assert!(answer.ends_with(lines), "{answer:?}");
    get("/uri?a=%41&b", "200 OK", "/uri?a=%41&b");
    check(
        "GET http://a/uri?x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "200 OK",
        &[],
        "http://a/uri?x",
    );
    check(
        "GET /cookie HTTP/1.1\r\nHost: a\r\nCookie: a=b; c=\"d\\073e\"; f; a=g\r\n\
         Connection: close\r\n\r\n",
        "200 OK",
        &[],
        "a=g\nc=d;e\n=f\n",
    );
}

#[test]
fn statuses_without_content_have_none() {
    get("/204", "204 No Content", "");
    get("/304", "304 Not Modified", "");
    check(
        "POST /204 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        "204 No Content",
        &[],
        "",
    );
}

#[test]
fn the_letters_have_ranges_and_conditions() {
    let letters = "abcdefghijklmnopqrstuvwxyz";
    get("/alpha.txt", "200 OK", letters);
    let ask = |fields: &str, status: &str, expected: &[&str], content: &str| {
        let head = "GET /alpha.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
        check(
            &format!("{head}{fields}\r\n\r\n"),
            status,
            expected,
            content,
        );
    };
    ask(
        "Range: bytes=0-2",
        "206 Partial Content",
        &["Content-Range: bytes 0-2/26", "Content-Length: 3"],
        "abc",
    );
    ask(
        "Range: bytes=26-",
        "416 Range Not Satisfiable",
        &["Content-Range: bytes */26"],
        "<html><title>416: Range Not Satisfiable</title>\
         <body>416: Range Not Satisfiable</body></html>",
    );
    ask("Range: bytes=-1\r\nIf-Range: \"alpha\"", "206", &[], "z");
    ask("Range: bytes=-1\r\nIf-Range: \"beta\"", "200", &[], letters);
    ask(
        "If-None-Match: W/\"alpha\"",
        "304",
        &["ETag: \"alpha\""],
        "",
    );
    ask(
        "If-Match: \"beta\"",
        "412 Precondition Failed",
        &[],
        "<html><title>412: Precondition Failed</title>\
         <body>412: Precondition Failed</body></html>",
    );
}

#[test]
fn slow_and_big_are_as_asked_for() {
    get("/slow?ms=1", "200 OK", "OK");
    get("/big?bytes=0", "200 OK", "");
    let request = "GET /big?bytes=100000 HTTP/1.0\r\n\r\n";
    check(request, "200 OK", &[], &"x".repeat(100_000));
    let head =
        "HEAD /big?bytes=18446744073709551615 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    check(head, "200 OK", &[], "");
    for target in [
        "/big",
        "/big?bytes=x",
        "/big?bytes=-1",
        "/slow?ms=-1",
        "/slow",
    ] {
        let answer = ask_text(&format!("GET {target} HTTP/1.0\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{target}: {answer}");
    }
}

#[test]
fn a_panic_is_a_500() {
    get("/panic", "500", "500: Internal Server Error\n");
}

fn ask_text(request: &str) -> String {
    String::from_utf8(ask(request.as_bytes())).expect("text")
}

fn ask(request: &[u8]) -> Vec<u8> {
    let request = request.to_owned();
    serve(move |address| {
        let mut stream = TcpStream::connect(address).expect("a server");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(&request).expect("a peer that reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an orderly end");
        answer
    })
}

/// Serves the example on this thread until `client` returns on another one; then drains.
fn serve<T: Send + 'static>(client: impl FnOnce(SocketAddr) -> T + Send + 'static) -> T {
    let ioloop = IoLoop::new().expect("a loop");
    let server = HttpServer::new(&ioloop, conformance::application().into_service());
    let address = server.listen("127.0.0.1:0").expect("a free port");
    let stop = StopAtEnd(ioloop.remote());
    let client = thread::spawn(move || {
        let _stop = stop;
        client(address)
    });
    ioloop.run().expect("a loop that runs");
    let stopped = ioloop.run_until(server.stop(PATIENCE));
    stopped.expect("a loop that drains");
    match client.join() {
        Ok(result) => result,
        Err(panic) => panic::resume_unwind(panic),
    }
}

/// Stops the loop when the client is done, also if it has failed.
struct StopAtEnd(Remote);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        // The loop outlives this thread, so the post arrives.
        let _ = self.0.add_callback(|ioloop| ioloop.stop());
    }
}
