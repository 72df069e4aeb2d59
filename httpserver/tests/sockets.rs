//! Real sockets, and clients of the standard library in threads of their own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use squall_http1::Limits;
use squall_httpserver::{Config, HttpServer, Service};
use squall_ioloop::IoLoop;
use support::{Crlf, echo, normal, statuses, tell_target};

/// Runs a server until the client, in a thread of its own, is done; then stops it, and expects
/// that nobody had to be cut.
fn serve<T: Send + 'static>(
    config: Config,
    service: impl Service,
    client: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> T {
    let ioloop = IoLoop::new().unwrap();
    let server = HttpServer::with_config(&ioloop, config, service);
    let address = server.listen("127.0.0.1:0").unwrap();
    let remote = ioloop.remote();
    let client = thread::spawn(move || {
        let result = client(address);
        remote.add_callback(|ioloop| ioloop.stop()).unwrap();
        result
    });
    ioloop.run().unwrap();
    let report = ioloop
        .run_until(server.stop(Duration::from_secs(10)))
        .unwrap();
    assert_eq!(report.cut, 0);
    client.join().unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(20));
    socket.set_read_timeout(patience).unwrap();
    socket.set_write_timeout(patience).unwrap();
    socket
}

/// In one write: in several the second would wait for the first to be acknowledged.
fn get(socket: &mut TcpStream, target: usize) {
    let request = format!("GET /{target} HTTP/1.1\nhost: a\n\n").crlf();
    socket.write_all(request.as_bytes()).unwrap();
}

fn read_to(socket: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(end.as_bytes()) {
        socket.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    normal(&bytes)
}

#[test]
fn a_connection_is_kept() {
    serve(Config::default(), tell_target, |address| {
        let mut socket = connect(address);
        for round in 0..100 {
            get(&mut socket, round);
            let text = read_to(&mut socket, &format!("\r\n\r\n/{round}"));
            assert!(text.starts_with("HTTP/1.1 200 OK\n"), "{text}");
        }
    });
}

#[test]
fn fifty_connections_are_served_at_once() {
    serve(Config::default(), tell_target, |address| {
        let mut sockets: Vec<_> = (0..50).map(|_| connect(address)).collect();
        for _ in 0..10 {
            for (number, socket) in sockets.iter_mut().enumerate() {
                get(socket, number);
            }
            for (number, socket) in sockets.iter_mut().enumerate().rev() {
                read_to(socket, &format!("\r\n\r\n/{number}"));
            }
        }
    });
}

#[test]
fn a_peer_has_an_address() {
    let service = |http: squall_httpserver::Exchange| async move {
        let _ = http.write(http.remote_addr().unwrap().to_string());
        http.finish();
    };
    serve(Config::default(), service, |address| {
        let mut socket = connect(address);
        socket
            .write_all("GET / HTTP/1.0\n\n".crlf().as_bytes())
            .unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        let ours = socket.local_addr().unwrap().to_string();
        assert!(text.ends_with(&ours), "{text}");
    });
}

/// RFC 9112, section 9.6: a close with unread input would have the system send a reset, which may
/// destroy the answer before the client has read it.
#[test]
fn rfc9112_9_6_a_big_upload_is_refused_with_an_answer_that_can_be_read() {
    let config = Config::default().with_limits(Limits::default().with_content_bytes_max(1000));
    serve(config, echo, |address| {
        for _ in 0..20 {
            let mut socket = connect(address);
            let head = "POST / HTTP/1.1\nhost: a\ncontent-length: 1000000\n\n";
            socket.write_all(head.crlf().as_bytes()).unwrap();
            // All of it, as a client does that does not listen meanwhile.
            socket.write_all(&[b'x'; 1_000_000]).unwrap();
            let mut text = String::new();
            socket.read_to_string(&mut text).unwrap();
            assert_eq!(statuses(&text), ["413"]);
            assert!(text.contains("connection: close\r\n"));
        }
    });
}

#[test]
fn what_was_written_by_one_who_has_closed_his_half_is_answered() {
    serve(Config::default(), echo, |address| {
        let mut socket = connect(address);
        let post = "POST / HTTP/1.1\nhost: a\ncontent-length: 2\n\nhi".crlf();
        socket.write_all(post.repeat(3).as_bytes()).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        assert_eq!(statuses(&text), ["200"; 3]);
    });
}

#[test]
fn a_server_can_stop_and_another_take_its_place() {
    let ioloop = IoLoop::new().unwrap();
    let first = HttpServer::new(&ioloop, tell_target);
    let address = first.listen("127.0.0.1:0").unwrap();
    assert!(
        HttpServer::new(&ioloop, tell_target)
            .listen(address)
            .is_err()
    );
    ioloop.run_until(first.stop(Duration::ZERO)).unwrap();
    assert!(TcpStream::connect(address).is_err());
    let second = HttpServer::new(&ioloop, tell_target);
    assert_eq!(second.listen(address).unwrap(), address);
}

#[test]
fn workers_may_share_an_address() {
    let ioloop = IoLoop::new().unwrap();
    let config = || Config::default().with_reuse_port(true);
    let first = HttpServer::with_config(&ioloop, config(), tell_target);
    let address = first.listen("127.0.0.1:0").unwrap();
    let second = HttpServer::with_config(&ioloop, config(), tell_target);
    assert_eq!(second.listen(address).unwrap(), address);
}
