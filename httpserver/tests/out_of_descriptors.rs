//! A server whose process is out of descriptors: those it has are served, those who come are, too,
//! when there is room again. A process of its own, for the limit is for all threads of one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use squall_httpserver::HttpServer;
use squall_ioloop::{IoLoop, sleep};
use support::{Crlf, logs, tell_target};

const IN_CHILD: &str = "SQUALL_TEST_FEW_DESCRIPTORS";
const TEST: &str = "who_is_here_is_served_and_who_comes_waits_or_sees_an_end";

#[test]
fn who_is_here_is_served_and_who_comes_waits_or_sees_an_end() {
    if std::env::var_os(IN_CHILD).is_some() {
        return with_few_descriptors();
    }
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
        .env(IN_CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("1 passed"), "{said}{complaints}");
}

fn with_few_descriptors() {
    logs::begin();
    // The sockets are real, and the clock is not.
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let server = HttpServer::new(&ioloop, tell_target);
    let address = server.listen("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(address).unwrap();
    ask(&ioloop, &here);
    let come: Vec<_> = (0..3)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let hoard: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // They are not accepted, and it is served all the same, while the loop rests.
    let turns = ioloop.turn_count();
    ioloop.run_until(sleep(Duration::from_millis(500))).unwrap();
    assert!(ioloop.turn_count() - turns < 20, "it does not rest");
    assert_eq!(server.connection_count(), 1);
    ask(&ioloop, &here);
    // When it lasts, they see an end.
    ioloop.run_until(sleep(Duration::from_secs(1))).unwrap();
    for mut socket in &come {
        assert_eq!(socket.read(&mut [0]).unwrap(), 0);
    }
    let counters = server.admission_counters()[0];
    assert_eq!(counters.refused_out_of_descriptors, 3);
    drop(hoard);
    let next = TcpStream::connect(address).unwrap();
    ask(&ioloop, &next);
    assert!(logs::take().len() <= 2, "one line a second");
}

/// The answer is there when the loop has nothing to do any more.
fn ask(ioloop: &IoLoop, mut socket: &TcpStream) {
    let request = "GET /a HTTP/1.1\nhost: a\n\n".crlf();
    socket.write_all(request.as_bytes()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n/a") {
        ioloop.run_once(Some(Duration::ZERO)).unwrap();
        let mut some = [0; 1000];
        if let Ok(count) = socket.read(&mut some) {
            text.extend_from_slice(&some[..count]);
        }
    }
    socket.set_nonblocking(false).unwrap();
}
