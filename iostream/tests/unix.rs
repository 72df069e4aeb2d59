//! Unix sockets: connected by path and by name, and the errors of both.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::io;
use std::os::unix::net::UnixListener;
use std::path::Path;

use ends::{TICK, TempPath, pattern};
use socket2::{Domain, SockAddr, Socket, Type};
use squall_ioloop::{IoLoop, sleep, with_timeout};
use squall_iostream::{Address, IoStream, UnixAddress};

#[test]
fn a_path_is_connected_to() {
    let ioloop = IoLoop::new().unwrap();
    let path = TempPath::new("connect");
    let listener = UnixListener::bind(&path).unwrap();
    let task = async {
        let mut ours = IoStream::connect_unix(&ioloop, &*path).await.unwrap();
        let theirs = IoStream::from_unix(&ioloop, listener.accept().unwrap().0).unwrap();
        let expected = Address::Unix(UnixAddress::Path(path.to_path_buf()));
        assert_eq!(ours.peer_addr(), Some(expected));
        assert_eq!(
            theirs.peer_addr(),
            Some(Address::Unix(UnixAddress::Unnamed))
        );
        theirs.write(&pattern(100_000)).unwrap();
        assert_eq!(ours.read_bytes(100_000).await.unwrap(), pattern(100_000));
    };
    ioloop.run_until(task).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_outside_of_the_file_system_is_connected_to() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let ioloop = IoLoop::new().unwrap();
    let name = format!("squall-test-{}\0!", std::process::id()).into_bytes();
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let address = UnixAddress::Abstract(name);
    let stream = ioloop
        .run_until(IoStream::connect_unix(&ioloop, address.clone()))
        .unwrap()
        .unwrap();
    assert_eq!(stream.peer_addr(), Some(Address::Unix(address)));
}

#[test]
fn what_cannot_be_connected_to_says_why() {
    let ioloop = IoLoop::new().unwrap();
    let check = |address: UnixAddress, expected: io::ErrorKind| {
        let result = ioloop.run_until(IoStream::connect_unix(&ioloop, address.clone()));
        assert_eq!(result.unwrap().unwrap_err().kind(), expected, "{address:?}");
    };
    let invalid = io::ErrorKind::InvalidInput;
    check(UnixAddress::Unnamed, invalid);
    check("".into(), invalid);
    check("/tmp/with\0nul".into(), invalid);
    check("x".repeat(200).as_str().into(), invalid);
    check(UnixAddress::Abstract(vec![b'x'; 200]), invalid);

    let path = TempPath::new("dead");
    check((*path).into(), io::ErrorKind::NotFound);
    drop(UnixListener::bind(&path).unwrap());
    check((*path).into(), io::ErrorKind::ConnectionRefused);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"not a socket").unwrap();
    check((*path).into(), io::ErrorKind::ConnectionRefused);
}

/// A listener with room for one connection, and that one taken.
#[cfg(target_os = "linux")]
fn full(path: &Path) -> (Socket, Socket) {
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    let address = SockAddr::unix(path).unwrap();
    listener.bind(&address).unwrap();
    listener.listen(0).unwrap();
    let first = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    first.connect(&address).unwrap();
    (listener, first)
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_backlog_is_waited_for() {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let path = TempPath::new("backlog");
    let (listener, _first) = full(&path);
    let task = async {
        let connecting = ioloop.spawn({
            let (ioloop, path) = (ioloop.handle().clone(), path.to_path_buf());
            async move { IoStream::connect_unix(&ioloop, path).await }
        });
        sleep(TICK * 500).await;
        assert!(!connecting.is_finished());
        listener.accept().unwrap();
        connecting.await.unwrap().unwrap();
        listener.accept().unwrap();
    };
    ioloop.run_until(task).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_backlog_that_stays_full_ends_the_wait_and_so_does_giving_up() {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let path = TempPath::new("full");
    let _full = full(&path);
    let begun = ioloop.now();
    let result = ioloop
        .run_until(IoStream::connect_unix(&ioloop, &*path))
        .unwrap();
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!((ioloop.now() - begun).as_secs(), 30);
    let patient = with_timeout(TICK * 50, IoStream::connect_unix(&ioloop, &*path));
    assert!(ioloop.run_until(patient).unwrap().is_err());
}
