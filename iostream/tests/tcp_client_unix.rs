//! Connecting to Unix sockets, by path and by abstract name.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ends::virtual_loop;
use squall_ioloop::IoLoop;
use squall_iostream::{Address, ConnectError, IoStream, Phase, Target, TcpClient, UnixAddress};

fn connect(
    ioloop: &IoLoop,
    client: &TcpClient,
    target: impl Into<Target>,
) -> Result<IoStream, ConnectError> {
    ioloop.run_until(client.connect(target)).unwrap()
}

/// A path of its own for each test, which is removed at the end.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("squall-tcp-client-{}-{number}.socket", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_unix_socket_is_connected_to_by_its_path() {
    let ioloop = IoLoop::new().unwrap();
    let path = SocketPath::new();
    let listener = UnixListener::bind(&path.0).unwrap();
    let client = TcpClient::new(&ioloop);
    let mut ours = connect(&ioloop, &client, path.0.as_path()).unwrap();
    let theirs = listener.accept().unwrap().0;
    io::Write::write_all(&mut &theirs, b"hello").unwrap();
    let hello = ioloop.run_until(ours.read_bytes(5)).unwrap().unwrap();
    assert_eq!(hello, b"hello");
}

#[test]
fn what_cannot_be_connected_to_says_why() {
    let ioloop = IoLoop::new().unwrap();
    let client = TcpClient::new(&ioloop);
    let check = |target: Target, expected: io::ErrorKind| {
        let error = connect(&ioloop, &client, target.clone()).unwrap_err();
        assert_eq!(error.phase(), Phase::Connecting);
        assert_eq!(error.attempts()[0].1.kind(), expected, "{target}");
    };
    let path = SocketPath::new();
    drop(UnixListener::bind(&path.0).unwrap());
    check(path.0.as_path().into(), io::ErrorKind::ConnectionRefused);
    check(
        Path::new("/nonexistent/socket").into(),
        io::ErrorKind::NotFound,
    );
    for path in ["", "\0app", "/tmp/a\0b", &"x".repeat(1_000)] {
        check(Path::new(path).into(), io::ErrorKind::InvalidInput);
    }
    check(UnixAddress::Unnamed.into(), io::ErrorKind::InvalidInput);
}

#[test]
#[cfg(target_os = "linux")]
fn a_unix_socket_is_connected_to_by_its_abstract_name() {
    use std::os::linux::net::SocketAddrExt;
    let ioloop = IoLoop::new().unwrap();
    let name = format!("squall-tcp-client-{}", std::process::id()).into_bytes();
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    let target = UnixAddress::Abstract(name.clone());
    let stream = connect(&ioloop, &TcpClient::new(&ioloop), target.clone()).unwrap();
    assert_eq!(stream.peer_addr(), Some(Address::Unix(target)));
    listener.accept().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn a_unix_listener_whose_queue_is_full_is_waited_for() {
    let ioloop = virtual_loop();
    let path = SocketPath::new();
    let listener =
        socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    listener
        .bind(&socket2::SockAddr::unix(&path.0).unwrap())
        .unwrap();
    listener.listen(0).unwrap();
    let client = TcpClient::new(&ioloop);
    let _queued = connect(&ioloop, &client, path.0.as_path()).unwrap();
    let begun_at = ioloop.now();
    let error = connect(&ioloop, &client, path.0.as_path()).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(ioloop.now() - begun_at, Duration::from_secs(10));

    let listener = Rc::new(listener);
    let inner = listener.clone();
    ioloop.call_later(Duration::from_secs(1), move || {
        inner.accept().unwrap();
    });
    connect(&ioloop, &client, path.0.as_path()).unwrap();
}
