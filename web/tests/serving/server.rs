//! An application on a port of its own, asked over a plain socket: what a test sees is what a
//! client would see, byte by byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use squall_httpserver::HttpServer;
use squall_ioloop::IoLoop;
use squall_web::Application;

/// Sends a request of this line and gives back all that comes.
pub(crate) fn ask(application: fn() -> Application, request_line: &str) -> String {
    raw(
        application,
        &format!("{request_line}\r\nHost: test\r\nConnection: close\r\n\r\n"),
    )
}

pub(crate) fn get(application: fn() -> Application, target: &str) -> String {
    ask(application, &format!("GET {target} HTTP/1.1"))
}

pub(crate) fn post(
    application: fn() -> Application,
    target: &str,
    content_type: &str,
    content: &str,
) -> String {
    let length = content.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
         Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    raw(application, &(head + content))
}

/// Sends these bytes and gives back all that comes.
pub(crate) fn raw(application: fn() -> Application, request: &str) -> String {
    let mut client = connect(application);
    client.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // An answer that was broken off may end in a reset; what came before it counts.
    let _ = client.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// A connection to the application, which runs on a thread and a loop of its own until the test
/// process ends.
pub(crate) fn connect(application: fn() -> Application) -> TcpStream {
    client_of(serve(application))
}

/// Asks until the answer is yes: for what another thread will have done soon.
#[track_caller]
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "not even after ten seconds"
        );
    }
}

/// Two connections to the same application.
pub(crate) fn connect_twice(application: fn() -> Application) -> (TcpStream, TcpStream) {
    let address = serve(application);
    (client_of(address), client_of(address))
}

fn serve(application: fn() -> Application) -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let ioloop = IoLoop::new().unwrap();
        let server = HttpServer::new(&ioloop, application().into_service());
        sender.send(server.listen("127.0.0.1:0").unwrap()).unwrap();
        ioloop.run().unwrap();
    });
    receiver.recv().unwrap()
}

fn client_of(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    client
}

/// One answer with a length, from a connection that goes on.
pub(crate) fn read_answer(client: &mut TcpStream) -> String {
    let mut answer = read_until(client, b"\r\n\r\n");
    let head = String::from_utf8_lossy(&answer).to_lowercase();
    let length = head
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut content = vec![0; length.expect(&head).parse().unwrap()];
    client.read_exact(&mut content).unwrap();
    answer.extend(content);
    String::from_utf8(answer).unwrap()
}

/// Everything up to and with `end`.
pub(crate) fn read_until(client: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(end) {
        client.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
    read
}

/// An answer begins with this status, has these lines in its head and this content.
#[track_caller]
pub(crate) fn check(answer: &str, status: &str, lines: &[&str], content: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").expect(answer);
    assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    for line in lines {
        assert!(
            head.split("\r\n")
                .any(|found| found.eq_ignore_ascii_case(line)),
            "{answer}"
        );
    }
    assert_eq!(body, content, "{answer}");
}

/// The status, and the default page that goes with it.
#[track_caller]
pub(crate) fn check_page(answer: &str, status: &str, text: &str) {
    let page = format!("<html><title>{text}</title><body>{text}</body></html>");
    check(
        answer,
        status,
        &["Content-Type: text/html; charset=UTF-8"],
        &page,
    );
}
