//! Binding: a port on all addresses of a host, Unix sockets and their files, sockets that others
//! have bound.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;

use ends::folder::Folder;
use squall_ioloop::IoLoop;
use squall_iostream::{
    Address, BindError, BindPhase, IoStream, Listener, ListenerOptions, NotAListener, UnixAddress,
    bind_sockets, bind_unix_socket,
};

fn options() -> ListenerOptions {
    ListenerOptions::default()
}

fn addresses(listeners: &[Listener]) -> Vec<SocketAddr> {
    listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap().inet().unwrap())
        .collect()
}

fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

// ---- bind_sockets

#[test]
fn all_addresses_of_the_machine_share_one_port() {
    for host in [None, Some("")] {
        let bound = addresses(&bind_sockets(0, host, &options()).unwrap());
        let ports: HashSet<_> = bound.iter().map(SocketAddr::port).collect();
        assert_eq!(ports.len(), 1, "{bound:?}");
        assert!(bound[0].is_ipv4(), "IPv4 comes first: {bound:?}");
        assert_eq!(bound.len(), if has_ipv6() { 2 } else { 1 });
        assert!(bound.iter().all(|address| address.ip().is_unspecified()));
    }
}

#[test]
fn each_family_is_reached_and_an_ipv6_socket_takes_no_ipv4() {
    let ioloop = IoLoop::new().unwrap();
    let listening: Vec<_> = bind_sockets(0, None, &options())
        .unwrap()
        .into_iter()
        .map(|listener| {
            listener.accept_with(&ioloop, |stream: IoStream, peer| {
                let local = stream.local_addr().unwrap();
                let is_v4 = |address: &Address| address.ip().unwrap().is_ipv4();
                assert_eq!(is_v4(&local), is_v4(&peer), "{local} {peer}");
            })
        })
        .collect::<Result<_, _>>()
        .unwrap();
    let port = listening[0].local_addr().inet().unwrap().port();
    for (host, listening) in ["127.0.0.1", "::1"].into_iter().zip(&listening) {
        let _client = TcpStream::connect((host, port)).unwrap();
        while listening.counters().accepted == 0 {
            ioloop.run_once(None).unwrap();
        }
        assert_eq!(listening.counters().accepted, 1);
    }
}

#[test]
fn a_host_s_addresses_are_bound_once_each() {
    let bound = addresses(&bind_sockets(0, Some("localhost"), &options()).unwrap());
    let distinct: HashSet<_> = bound.iter().collect();
    assert_eq!(distinct.len(), bound.len());
    assert!(bound.iter().all(|address| address.ip().is_loopback()));
    let one = addresses(&bind_sockets(0, Some("127.0.0.1"), &options()).unwrap());
    assert_eq!(one.len(), 1);
}

#[test]
fn what_fails_says_what_and_in_which_phase() {
    let check = |port: u16, host: &str, expected: BindPhase| {
        let error = bind_sockets(port, Some(host), &options()).unwrap_err();
        match &error {
            BindError::System { phase, address, .. } => {
                assert_eq!(*phase, expected, "{error}");
                assert!(address.contains(host), "{error}");
            }
            other => panic!("{other}"),
        }
        error
    };
    check(0, "name.invalid", BindPhase::Resolve);
    check(0, "not a name", BindPhase::Resolve);
    check(0, "192.0.2.1", BindPhase::Bind);
    let used = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = used.local_addr().unwrap().port();
    let error = check(port, "127.0.0.1", BindPhase::Bind);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn where_one_address_fails_none_is_left_bound() {
    if !has_ipv6() {
        return;
    }
    let used = TcpListener::bind("[::]:0").unwrap();
    let port = used.local_addr().unwrap().port();
    // `::` of the standard library takes IPv4 too on some systems: then the first fails.
    assert!(bind_sockets(port, None, &options()).is_err());
    drop(used);
    assert!(bind_sockets(port, None, &options()).is_ok());
}

// ---- Unix sockets

fn mode_of(path: &PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_unix_socket_has_the_mode_that_was_asked_for_and_goes_with_its_listener() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let check = |options: &ListenerOptions, mode: u32| {
        let listener = bind_unix_socket(&path, options).unwrap();
        assert_eq!(mode_of(&path), mode);
        let address = listener.local_addr().unwrap();
        assert_eq!(address, Address::Unix(UnixAddress::Path(path.clone())));
        UnixStream::connect(&path).unwrap();
        drop(listener);
        assert!(!path.exists());
    };
    check(&options(), 0o600);
    check(&options().unix_mode(0o666), 0o666);
    check(&options().unix_mode(0o7660), 0o660);
    check(&options().unix_mode(0o200), 0o200);
}

#[test]
fn a_socket_that_nobody_listens_on_is_replaced() {
    let folder = Folder::new();
    let path = folder.path("socket");
    // The standard library leaves the file behind, as a crash does.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let listener = bind_unix_socket(&path, &options()).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    UnixStream::connect(&path).unwrap();
    drop(listener);
}

#[test]
fn a_socket_that_somebody_listens_on_is_in_use_and_stays() {
    let folder = Folder::new();
    let check = |path: &PathBuf| {
        let error = bind_unix_socket(path, &options()).unwrap_err();
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists());
    };
    let path = folder.path("stream");
    let first = bind_unix_socket(&path, &options()).unwrap();
    check(&path);
    UnixStream::connect(&path).unwrap();
    drop(first);
    // One for datagrams is none of ours, used or not.
    let path = folder.path("datagram");
    let _datagram = UnixDatagram::bind(&path).unwrap();
    check(&path);
    // With a backlog that is full it is in use all the more.
    let path = folder.path("full");
    let full = bind_unix_socket(&path, &options().backlog(0)).unwrap();
    let _waiting: Vec<_> = (0..2)
        .map_while(|_| {
            let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
            let socket = socket.unwrap();
            socket.set_nonblocking(true).unwrap();
            let address = socket2::SockAddr::unix(&path).unwrap();
            socket.connect(&address).ok().map(|()| socket)
        })
        .collect();
    check(&path);
    drop(full);
}

#[test]
fn what_is_not_a_socket_is_never_removed() {
    let folder = Folder::new();
    let (file, directory, link) = (folder.path("file"), folder.path("dir"), folder.path("link"));
    fs::write(&file, "precious").unwrap();
    fs::create_dir(&directory).unwrap();
    let target = folder.path("target");
    drop(UnixListener::bind(&target).unwrap());
    std::os::unix::fs::symlink(&target, &link).unwrap();
    for path in [&file, &directory, &link] {
        let error = bind_unix_socket(path, &options()).unwrap_err();
        assert!(matches!(&error, BindError::NotASocket { path: found } if found == path));
        assert!(error.to_string().ends_with("exists and is not a socket"));
        assert!(fs::symlink_metadata(path).is_ok());
    }
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    assert!(fs::metadata(&target).unwrap().file_type().is_socket());
}

#[test]
fn a_file_that_took_the_socket_s_place_is_not_removed() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let listener = bind_unix_socket(&path, &options()).unwrap();
    fs::remove_file(&path).unwrap();
    let successor = bind_unix_socket(&path, &options()).unwrap();
    drop(listener);
    UnixStream::connect(&path).unwrap();
    drop(successor);
    assert!(!path.exists());
}

#[test]
fn a_path_that_cannot_be_bound_says_so() {
    let folder = Folder::new();
    let check = |path: PathBuf| {
        let error = bind_unix_socket(path, &options()).unwrap_err();
        assert!(
            matches!(
                error,
                BindError::System {
                    phase: BindPhase::Bind,
                    ..
                }
            ),
            "{error}"
        );
    };
    check(folder.path(&"x".repeat(200)));
    check(folder.path("missing/socket"));
    check(PathBuf::new());
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_name_has_no_file() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("squall-test-{}", std::process::id());
    let listener = bind_unix_socket(format!("\0{name}"), &options()).unwrap();
    let expected = UnixAddress::Abstract(name.clone().into_bytes());
    assert_eq!(listener.local_addr().unwrap(), Address::Unix(expected));
    let in_use = bind_unix_socket(format!("\0{name}"), &options()).unwrap_err();
    assert_eq!(io::Error::from(in_use).kind(), io::ErrorKind::AddrInUse);
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    UnixStream::connect_addr(&address).unwrap();
}

#[test]
fn a_unix_listener_accepts_streams() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let ioloop = IoLoop::new().unwrap();
    let listener = bind_unix_socket(&path, &options()).unwrap();
    let listening = listener
        .accept_with(&ioloop, |stream, peer| {
            assert_eq!(peer, Address::Unix(UnixAddress::Unnamed));
            stream.write(b"hello").unwrap();
            stream.flush();
        })
        .unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    while listening.counters().accepted == 0 {
        ioloop.run_once(None).unwrap();
    }
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    drop(listening);
    assert!(!path.exists());
}

// ---- sockets that others have bound

#[test]
fn a_descriptor_is_asked_what_it_is() {
    let folder = Folder::new();
    let check = |fd: OwnedFd, is_expected: fn(&NotAListener) -> bool| {
        let error = Listener::from_fd(fd).unwrap_err();
        assert!(is_expected(&error), "{error}");
    };
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (one, _other) = UnixStream::pair().unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    check(connected.into(), |error| {
        matches!(error, NotAListener::NotListening)
    });
    check(one.into(), |error| {
        matches!(error, NotAListener::NotListening)
    });
    check(udp.into(), |error| {
        matches!(error, NotAListener::NotAStream)
    });
    check(file.into(), |error| {
        matches!(error, NotAListener::NotASocket)
    });

    let expected = tcp.local_addr().unwrap();
    let listener = Listener::from_fd(tcp.into()).unwrap();
    assert_eq!(listener.local_addr().unwrap().inet(), Some(expected));
    let path = folder.path("socket");
    let unix = Listener::from_std_unix(UnixListener::bind(&path).unwrap()).unwrap();
    assert_eq!(unix.local_addr().unwrap().path(), Some(path.as_path()));
    drop(unix);
    assert!(path.exists(), "who has made the file removes it");
}
