//! Socket activation: a process that is started with its sockets, as systemd would.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output, Stdio};

use ends::folder::Folder;
use ends::turns::turn_until;
use squall_ioloop::IoLoop;
use squall_iostream::{InheritError, NotAListener, inherited, inherited_listeners};

const IN_CHILD: &str = "SQUALL_TEST_INHERITED";

/// Runs `test` of this file in a process whose descriptor 3 is `fd` and, if `has_two`, 4 as well.
/// `LISTEN_PID` is its own number where `pid` says `$$`.
fn start(test: &str, fd: OwnedFd, variables: &str) -> Output {
    let script = format!("exec 3<&0 4<&0 </dev/null; export {variables}; exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(IN_CHILD, "1")
        .stdin(Stdio::from(fd))
        .output()
        .unwrap()
}

/// Runs `body` in a child, with these variables and this descriptor.
fn in_child(test: &str, fd: impl Into<OwnedFd>, variables: &str, body: fn()) {
    if std::env::var_os(IN_CHILD).is_some() {
        return body();
    }
    let output = start(test, fd.into(), variables);
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("1 passed"), "{said}{complaints}");
}

fn tcp() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn sockets_that_were_passed_on_are_listened_on() {
    in_child(
        "sockets_that_were_passed_on_are_listened_on",
        tcp(),
        "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:admin",
        || {
            let listeners = inherited_listeners().unwrap();
            let names: Vec<_> = listeners.iter().map(|named| &*named.name).collect();
            assert_eq!(names, ["web", "admin"]);
            // Children inherit none of them, and are not the process that is named.
            for named in &listeners {
                let flags = rustix::io::fcntl_getfd(&named.listener).unwrap();
                assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
            }
            let ioloop = IoLoop::new().unwrap();
            let listener = listeners.into_iter().next().unwrap().listener;
            let listening = listener.accept_with(&ioloop, |_, _| ()).unwrap();
            let _client = TcpStream::connect(listening.local_addr().inet().unwrap()).unwrap();
            turn_until(&ioloop, || listening.counters().accepted == 1);
            // What has an owner is not given away twice.
            let again = inherited_listeners().unwrap_err();
            assert!(matches!(again, InheritError::AlreadyTaken));
        },
    );
}

#[test]
fn a_unix_socket_that_was_passed_on_keeps_its_file() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let socket = UnixListener::bind(&path).unwrap();
    in_child(
        "a_unix_socket_that_was_passed_on_keeps_its_file",
        socket,
        "LISTEN_PID=$$ LISTEN_FDS=1",
        || {
            let mut listeners = inherited_listeners().unwrap();
            let named = listeners.pop().unwrap();
            assert_eq!(named.name, "unknown");
            let address = named.listener.local_addr().unwrap();
            let path = address.path().unwrap().to_owned();
            drop(named);
            assert!(path.exists());
        },
    );
    assert!(std::env::var_os(IN_CHILD).is_some() || path.exists());
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    in_child(
        "sockets_for_another_process_are_left_alone",
        tcp(),
        "LISTEN_PID=1 LISTEN_FDS=1",
        || assert!(inherited_listeners().unwrap().is_empty()),
    );
}

#[test]
fn without_variables_nothing_is_inherited() {
    in_child(
        "without_variables_nothing_is_inherited",
        tcp(),
        "OTHER=1",
        || assert!(inherited_listeners().unwrap().is_empty()),
    );
}

#[test]
fn what_does_not_listen_is_an_error_with_its_number() {
    in_child(
        "what_does_not_listen_is_an_error_with_its_number",
        UdpSocket::bind("127.0.0.1:0").unwrap(),
        "LISTEN_PID=$$ LISTEN_FDS=1",
        || {
            let error = inherited_listeners().unwrap_err();
            assert!(matches!(
                error,
                InheritError::Descriptor {
                    number: 3,
                    source: NotAListener::NotAStream
                }
            ));
        },
    );
}

#[test]
fn other_descriptors_can_be_had_as_they_are() {
    in_child(
        "other_descriptors_can_be_had_as_they_are",
        UdpSocket::bind("127.0.0.1:0").unwrap(),
        "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=datagrams",
        || {
            let found = inherited().unwrap().pop().unwrap();
            assert_eq!(found.name, "datagrams");
            assert!(UdpSocket::from(found.fd).local_addr().unwrap().port() > 0);
        },
    );
}

#[test]
fn a_number_that_names_nothing_is_an_error() {
    in_child(
        "a_number_that_names_nothing_is_an_error",
        tcp(),
        "LISTEN_PID=$$ LISTEN_FDS=60",
        || {
            // 3 and 4 are there. What follows is not open, or is the test runner's own.
            let error = inherited_listeners().unwrap_err();
            assert!(matches!(
                error,
                InheritError::Descriptor {
                    number: 5..,
                    source: NotAListener::NotOpen | NotAListener::NotInherited
                }
            ));
        },
    );
}

#[test]
fn variables_that_make_no_sense_are_named() {
    in_child(
        "variables_that_make_no_sense_are_named",
        tcp(),
        "LISTEN_PID=$$ LISTEN_FDS=many",
        || {
            let error = inherited_listeners().unwrap_err();
            assert_eq!(error.to_string(), "LISTEN_FDS makes no sense: \"many\"");
        },
    );
}
