//! The server: handlers, what comes before them, maxima behind a proxy, and the end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::future::pending;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use ends::folder::Folder;
use ends::turns::turn_until;
use ends::{pair, settle, virtual_loop};
use squall_ioloop::{Handle, IoLoop, sleep};
use squall_iostream::{
    Address, AdmissionLimits, IoStream, Listener, ListenerOptions, ProxyProtocol, StreamError,
    TcpServer, TrustedPeers, UnixAddress, callback,
};

async fn echo(mut stream: IoStream, _: Address) -> Result<(), StreamError> {
    loop {
        let line = stream.read_until(b"\n", 1024).await?;
        stream.write(&line)?;
        stream.drained(0).await?;
    }
}

fn nobody() -> Address {
    Address::Unix(UnixAddress::Unnamed)
}

/// The peer's end of a stream that the server serves, in memory.
fn connect(ioloop: &Handle, server: &TcpServer) -> IoStream {
    let (ours, theirs) = pair(ioloop);
    server.serve_stream(theirs, nobody());
    ours
}

fn inet(address: &Address) -> SocketAddr {
    address.inet().unwrap()
}

#[test]
fn streams_are_served_on_every_listener() {
    let folder = Folder::new();
    let ioloop = IoLoop::new().unwrap();
    let server = TcpServer::new(&ioloop, echo);
    let addresses = server.listen(0, None).unwrap();
    let port = inet(&addresses[0]).port();
    server.listen_unix(folder.path("socket")).unwrap();
    let other = Listener::bind("127.0.0.1:0", &ListenerOptions::default()).unwrap();
    let added = server.add_listener(other).unwrap();
    let said = Rc::new(Cell::new(0));
    let client = |mut socket: Box<dyn ReadWrite>, said: Rc<Cell<usize>>| {
        socket.write_all(b"hello\n").unwrap();
        turn_until(&ioloop, || {
            let mut line = [0; 6];
            let has_come = socket.peek_line(&mut line);
            said.set(said.get() + usize::from(has_come));
            has_come
        });
    };
    client(Box::new(tcp(("127.0.0.1", port))), said.clone());
    client(Box::new(tcp(inet(&added))), said.clone());
    let unix = UnixStream::connect(folder.path("socket")).unwrap();
    unix.set_nonblocking(true).unwrap();
    client(Box::new(unix), said.clone());
    assert_eq!(said.get(), 3);
    assert_eq!(server.counters().admission.accepted, 3);
    server.stop();
    server.stop();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!folder.path("socket").exists());
}

fn tcp(address: impl std::net::ToSocketAddrs) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

trait ReadWrite: Read + Write {
    /// Whether a line of six bytes has come.
    fn peek_line(&mut self, line: &mut [u8; 6]) -> bool {
        match self.read(line) {
            Ok(count) => {
                assert_eq!(&line[..count], b"hello\n");
                true
            }
            Err(_) => false,
        }
    }
}

impl<T: Read + Write> ReadWrite for T {}

#[test]
fn a_panic_costs_the_stream_and_an_error_is_no_more() {
    let ioloop = virtual_loop();
    let panics = Rc::new(Cell::new(0));
    let inner = panics.clone();
    ioloop.set_exception_handler(move |_, exception| {
        assert_eq!(exception.message(), "handle_stream");
        inner.set(inner.get() + 1);
    });
    let server = TcpServer::new(&ioloop, |mut stream: IoStream, _peer| async move {
        let line = stream.read_until(b"\n", 100).await?;
        assert!(line != b"panic\n", "handle_stream");
        stream.write(&line)?;
        stream.drained(0).await?;
        Err::<(), Box<dyn Error>>("an error of the handler".into())
    });
    let at_once = callback(|_, _| panic!("handle_stream"));
    let callbacks = TcpServer::new(&ioloop, at_once);
    let mut streams: Vec<_> = (0..3).map(|_| connect(&ioloop, &server)).collect();
    streams.push(connect(&ioloop, &callbacks));
    ioloop
        .run_until(async {
            for (stream, (line, answer)) in streams.iter_mut().zip([
                (&b"panic\n"[..], &b""[..]),
                (b"fine\n", b"fine\n"),
                (b"panic\n", b""),
                (b"any\n", b""),
            ]) {
                let _ = stream.write(line);
                assert_eq!(stream.read_until_close(100).await.unwrap(), answer);
            }
        })
        .unwrap();
    assert_eq!(panics.get(), 3);
    assert_eq!(server.counters().served_now, 0);
}

#[test]
fn a_callback_keeps_what_it_likes() {
    let ioloop = IoLoop::new().unwrap();
    let kept = Rc::new(RefCell::new(Vec::new()));
    let inner = kept.clone();
    let server = TcpServer::new(
        &ioloop,
        callback(move |stream, peer| inner.borrow_mut().push((stream, peer))),
    );
    let address = inet(&server.listen(0, Some("127.0.0.1")).unwrap()[0]);
    let client = tcp(address);
    turn_until(&ioloop, || kept.borrow().len() == 1);
    let expected = client.local_addr().unwrap();
    assert_eq!(kept.borrow()[0].1.inet(), Some(expected));
    // It is open, and the server neither owns nor cuts it.
    assert_eq!(server.counters().admission.open, 1);
    assert_eq!(server.counters().served_now, 0);
    let report = ioloop.run_until(server.drain(Duration::ZERO)).unwrap();
    assert_eq!((report.cut, report.left), (0, 1));
    assert!(!kept.borrow()[0].0.is_closed());
}

#[test]
fn a_drain_waits_for_those_who_finish_and_cuts_those_who_do_not() {
    let ioloop = virtual_loop();
    let seconds = Rc::new(Cell::new(0));
    let inner = seconds.clone();
    let server = TcpServer::new(&ioloop, move |stream: IoStream, _peer| {
        inner.set(inner.get() + 1);
        let seconds = inner.get();
        async move {
            sleep(Duration::from_secs(seconds)).await;
            stream.write(b"done").unwrap();
            stream.drained(0).await
        }
    });
    let mut streams: Vec<_> = (0..5).map(|_| connect(&ioloop, &server)).collect();
    let begun_at = ioloop.now();
    let patient = Duration::from_millis(3500);
    let report = ioloop.run_until(server.drain(patient)).unwrap();
    assert_eq!(ioloop.now() - begun_at, patient);
    assert_eq!((report.cut, report.left), (2, 0));
    ioloop
        .run_until(async {
            for (stream, answer) in streams.iter_mut().zip(["done", "done", "done", "", ""]) {
                let all = stream.read_until_close(100).await.unwrap();
                assert_eq!(all, answer.as_bytes());
            }
        })
        .unwrap();
    // With nobody left it is over at once.
    let report = ioloop.run_until(server.drain(patient)).unwrap();
    assert_eq!((report.cut, report.left), (0, 0));
}

#[test]
fn a_drain_ends_as_soon_as_the_last_stream_does() {
    let ioloop = virtual_loop();
    let server = TcpServer::new(&ioloop, echo);
    let stream = connect(&ioloop, &server);
    let handle = stream.handle();
    ioloop.call_later(Duration::from_secs(2), move || handle.close());
    let begun_at = ioloop.now();
    let report = ioloop.run_until(server.drain(Duration::from_secs(60)));
    assert_eq!(report.unwrap().cut, 0);
    assert_eq!(ioloop.now() - begun_at, Duration::from_secs(2));
}

#[test]
fn streams_are_prepared_and_configured_before_their_handler_has_them() {
    let ioloop = virtual_loop();
    let server = TcpServer::builder()
        .prepare(|mut stream| async move {
            match stream.read_until(b"\n", 10).await?.as_slice() {
                b"never\n" => pending().await,
                b"hello\n" => Ok(stream),
                _ => Err("not a hello".into()),
            }
        })
        .prepare_timeout(Duration::from_secs(7))
        .configure(|stream| stream.set_deadline(Some(Duration::from_secs(3))))
        .build(&ioloop, |mut stream: IoStream, _peer| async move {
            let end = stream.read_bytes(1).await.unwrap_err();
            assert!(matches!(end, StreamError::TimedOut));
            stream.write(b"configured")?;
            stream.drained(0).await
        });
    let check = |line: &[u8], answer: &[u8], seconds: u64| {
        let begun_at = ioloop.now();
        let mut stream = connect(&ioloop, &server);
        stream.write(line).unwrap();
        let all = ioloop.run_until(stream.read_until_close(100)).unwrap();
        assert_eq!(all.unwrap(), answer);
        assert_eq!(ioloop.now() - begun_at, Duration::from_secs(seconds));
    };
    check(b"hello\n", b"configured", 3);
    check(b"goodbye\n", b"", 0);
    check(b"never\n", b"", 7);
    check(b"", b"", 7);
    let counters = server.counters();
    assert_eq!((counters.failed_preparations, counters.served_now), (3, 0));
}

#[test]
fn behind_a_proxy_the_told_peer_is_the_peer_and_has_the_maximum() {
    let ioloop = IoLoop::new().unwrap();
    let proxies = TrustedPeers::from_networks(["127.0.0.0/8"]).unwrap();
    let peers: Rc<RefCell<Vec<(String, IoStream)>>> = Rc::default();
    let inner = peers.clone();
    let server = TcpServer::builder()
        .admission(AdmissionLimits::default().connections_per_peer_max(2))
        .proxy_protocol(ProxyProtocol::trusting(proxies))
        .build(
            &ioloop,
            callback(move |stream, peer| {
                assert_eq!(stream.peer_addr().as_ref(), Some(&peer));
                inner.borrow_mut().push((peer.to_string(), stream));
            }),
        );
    let address = inet(&server.listen(0, Some("127.0.0.1")).unwrap()[0]);
    let connect = |peer: &str| {
        let mut socket = tcp(address);
        let line = format!("PROXY TCP4 {peer} 198.51.100.1 1 443\r\n");
        socket.write_all(line.as_bytes()).unwrap();
        socket
    };
    let mut clients: Vec<_> = (0..3).map(|_| connect("192.0.2.7")).collect();
    clients.push(connect("192.0.2.8"));
    turn_until(&ioloop, || server.counters().refused_by_proxy_protocol == 1);
    turn_until(&ioloop, || peers.borrow().len() == 3);
    let of = |ip: &str| {
        peers
            .borrow()
            .iter()
            .filter(|(peer, _)| peer.starts_with(ip))
            .count()
    };
    assert_eq!((of("192.0.2.7:"), of("192.0.2.8:")), (2, 1));
    assert_eq!(server.counters().admission.refused_per_peer, 1);
    assert_eq!(server.counters().admission.open, 3);
    // One that closes makes room for another of the same peer.
    peers
        .borrow_mut()
        .retain(|(peer, _)| peer.starts_with("192.0.2.8"));
    clients.extend([connect("192.0.2.7"), connect("192.0.2.7")]);
    turn_until(&ioloop, || peers.borrow().len() == 3);
    assert_eq!(server.counters().refused_by_proxy_protocol, 1);
}

#[test]
fn a_header_of_an_untrusted_peer_closes_its_connection_and_no_other() {
    let ioloop = IoLoop::new().unwrap();
    let proxies = TrustedPeers::from_networks(["192.0.2.0/24"]).unwrap();
    let server = TcpServer::builder()
        .proxy_protocol(ProxyProtocol::trusting(proxies))
        .build(&ioloop, echo);
    let address = inet(&server.listen(0, Some("127.0.0.1")).unwrap()[0]);
    let mut honest = tcp(address);
    let mut liar = tcp(address);
    liar.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 1 443\r\nhello\n")
        .unwrap();
    turn_until(&ioloop, || server.counters().refused_by_proxy_protocol == 1);
    liar.set_nonblocking(false).unwrap();
    assert!(!matches!(liar.read(&mut [0; 9]), Ok(1..)));
    honest.write_all(b"hello\n").unwrap();
    turn_until(&ioloop, || honest.peek_line(&mut [0; 6]));
}

#[test]
fn a_server_that_is_stopped_serves_whom_it_has() {
    let ioloop = IoLoop::new().unwrap();
    let server = TcpServer::new(&ioloop, echo);
    let address = inet(&server.listen(0, Some("127.0.0.1")).unwrap()[0]);
    let mut client = tcp(address);
    turn_until(&ioloop, || server.counters().served_now == 1);
    server.stop();
    settle(&ioloop);
    client.write_all(b"hello\n").unwrap();
    turn_until(&ioloop, || client.peek_line(&mut [0; 6]));
}

#[test]
fn an_address_in_use_leaves_the_server_as_it_was() {
    let ioloop = IoLoop::new().unwrap();
    let server = TcpServer::new(&ioloop, echo);
    let address = inet(&server.listen(0, Some("127.0.0.1")).unwrap()[0]);
    assert!(server.listen(address.port(), Some("127.0.0.1")).is_err());
    assert_eq!(server.local_addrs(), [Address::Inet(address)]);
}

/// A socket that was reset has no peer any more: it is not taken for one without an address.
#[test]
fn a_peer_that_resets_is_not_taken_for_a_local_one() {
    let ioloop = IoLoop::new().unwrap();
    let proxies = TrustedPeers::from_networks(["192.0.2.1"])
        .unwrap()
        .local(true);
    let served = Rc::new(Cell::new(0));
    let inner = served.clone();
    let server = TcpServer::builder()
        .proxy_protocol(ProxyProtocol::trusting(proxies).refuse_others(true))
        .build(&ioloop, move |_: IoStream, _| {
            inner.set(inner.get() + 1);
            async {}
        });
    let address = server.listen(0, Some("127.0.0.1")).unwrap()[0]
        .inet()
        .unwrap();
    let client = TcpStream::connect(address).unwrap();
    (&client)
        .write_all(b"PROXY TCP4 203.0.113.9 198.51.100.1 51000 443\r\nforged\n")
        .unwrap();
    socket2::SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(client);
    while server.counters().refused_by_proxy_protocol == 0 && served.get() == 0 {
        ioloop.run_once(None).unwrap();
    }
    assert_eq!(served.get(), 0);
}
