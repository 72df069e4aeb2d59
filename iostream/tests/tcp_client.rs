//! Connecting by name: real sockets on this machine, and the deadlines on virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::RefCell;
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use ends::virtual_loop;
use squall_ioloop::IoLoop;
use squall_iostream::{
    Address, ConnectError, ConnectEvent, Family, FixedResolver, IoStream, Phase, ResolveError,
    Resolver, Resolving, SystemResolver, Target, TcpClient,
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn listen(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A port that is held and not listened on, so that whoever connects is refused.
struct Nobody {
    address: SocketAddr,
    _held: Vec<socket2::Socket>,
}

impl Nobody {
    /// On all of `hosts` the same port: that of `port`, or one that is free on all of them.
    fn at(hosts: &[&str], port: u16) -> Option<Self> {
        let mut address = SocketAddr::new(ip(hosts[0]), port);
        let mut held = Vec::new();
        for host in hosts {
            address.set_ip(ip(host));
            let domain = socket2::Domain::for_address(address);
            let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.bind(&address.into()).ok()?;
            address = socket.local_addr().unwrap().as_socket().unwrap();
            held.push(socket);
        }
        address.set_ip(ip(hosts[0]));
        let _held = held;
        Some(Self { address, _held })
    }

    fn new() -> Self {
        Self::at(&["127.0.0.1"], 0).unwrap()
    }
}

/// A listener at `host`, and nobody on the same port at `other`.
fn listen_alone(host: &str, other: &str) -> (TcpListener, SocketAddr, Nobody) {
    loop {
        let (listener, address) = listen(host);
        if let Some(nobody) = Nobody::at(&[other], address.port()) {
            return (listener, address, nobody);
        }
    }
}

fn connect(
    ioloop: &IoLoop,
    client: &TcpClient,
    target: impl Into<Target>,
) -> Result<IoStream, ConnectError> {
    ioloop.run_until(client.connect(target)).unwrap()
}

/// What happens, in words.
fn recorded(client: TcpClient) -> (TcpClient, Rc<RefCell<Vec<String>>>) {
    let lines: Rc<RefCell<Vec<String>>> = Rc::default();
    let inner = lines.clone();
    let client = client.on_event(move |event| {
        inner.borrow_mut().push(match event {
            ConnectEvent::Resolved { addresses } => format!("resolved {addresses:?}"),
            ConnectEvent::Trying { address } => format!("trying {address}"),
            ConnectEvent::Failed { address, error } => format!("{address}: {:?}", error.kind()),
            ConnectEvent::Connected { address } => format!("connected {address}"),
            other => format!("{other:?}"),
        });
    });
    (client, lines)
}

#[test]
fn an_address_is_connected_to_and_bytes_go_both_ways() {
    let ioloop = IoLoop::new().unwrap();
    for address in ["127.0.0.1", "::1"] {
        let (listener, address) = listen(address);
        let mut ours = connect(&ioloop, &TcpClient::new(&ioloop), address).unwrap();
        assert_eq!(ours.peer_addr(), Some(Address::Inet(address)));
        let (theirs, peer) = listener.accept().unwrap();
        assert_eq!(ours.local_addr(), Some(Address::Inet(peer)));
        let theirs = IoStream::from_tcp(&ioloop, theirs).unwrap();
        theirs.write(b"hello").unwrap();
        let hello = ioloop.run_until(ours.read_bytes(5)).unwrap().unwrap();
        assert_eq!(hello, b"hello");
    }
}

#[test]
fn localhost_is_connected_to_whichever_family_listens() {
    let ioloop = IoLoop::new().unwrap();
    let client = TcpClient::new(&ioloop);
    for (host, other) in [("127.0.0.1", "::1"), ("::1", "127.0.0.1")] {
        let (_listener, address, _nobody) = listen_alone(host, other);
        let stream = connect(&ioloop, &client, ("localhost", address.port())).unwrap();
        assert_eq!(stream.peer_addr(), Some(Address::Inet(address)));
    }
}

#[test]
fn a_refused_address_makes_the_next_be_tried_at_once() {
    let ioloop = IoLoop::new().unwrap();
    let (_listener, good, _nobody) = listen_alone("127.0.0.2", "127.0.0.1");
    let resolver = FixedResolver::default().host("app", [ip("127.0.0.1"), good.ip()]);
    let client = TcpClient::new(&ioloop).resolver(resolver);
    let (client, lines) = recorded(client);
    let stream = connect(&ioloop, &client, ("app", good.port())).unwrap();
    assert_eq!(stream.peer_addr(), Some(Address::Inet(good)));
    let port = good.port();
    assert_eq!(
        *lines.borrow(),
        [
            format!("resolved [127.0.0.1:{port}, 127.0.0.2:{port}]"),
            format!("trying 127.0.0.1:{port}"),
            format!("127.0.0.1:{port}: ConnectionRefused"),
            format!("trying 127.0.0.2:{port}"),
            format!("connected 127.0.0.2:{port}"),
        ]
    );
}

#[test]
fn when_all_addresses_refuse_each_is_named_with_its_error() {
    let ioloop = IoLoop::new().unwrap();
    let nobody = loop {
        if let Some(nobody) = Nobody::at(&["127.0.0.1", "::1"], 0) {
            break nobody;
        }
    };
    let port = nobody.address.port();
    let resolver = FixedResolver::default().host("app", [ip("127.0.0.1"), ip("::1")]);
    let client = TcpClient::new(&ioloop).resolver(resolver);
    let error = connect(&ioloop, &client, ("app", port)).unwrap_err();
    assert_eq!(error.phase(), Phase::Connecting);
    assert!(!error.is_timeout());
    assert_eq!(error.target(), &Target::from(("app", port)));
    let tried: Vec<_> = error
        .attempts()
        .iter()
        .map(|(address, _)| address.to_string())
        .collect();
    assert_eq!(
        tried,
        [format!("127.0.0.1:{port}"), format!("[::1]:{port}")]
    );
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot connect to app:{port}: 127.0.0.1:"))
    );
    assert_eq!(
        io::Error::from(error).kind(),
        io::ErrorKind::ConnectionRefused
    );
}

#[test]
fn an_error_of_one_address_says_it_once() {
    let ioloop = IoLoop::new().unwrap();
    let nobody = Nobody::new();
    let address = nobody.address;
    let error = connect(&ioloop, &TcpClient::new(&ioloop), address).unwrap_err();
    let system = TcpStream::connect(address).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot connect to {address}: {system}")
    );
}

#[test]
fn the_source_address_is_ours() {
    let ioloop = IoLoop::new().unwrap();
    let (listener, address) = listen("127.0.0.1");
    let client = TcpClient::new(&ioloop).source_address(([127, 0, 0, 2], 0).into());
    let stream = connect(&ioloop, &client, address).unwrap();
    let local = stream.local_addr().unwrap();
    assert_eq!(local.ip(), Some(ip("127.0.0.2")));
    assert_eq!(listener.accept().unwrap().1, local.inet().unwrap());
    // With a port, which is free again when the connection is gone.
    let held = Nobody::at(&["127.0.0.3"], 0).unwrap();
    let client = client.source_address(held.address);
    for _ in 0..2 {
        let stream = connect(&ioloop, &client, address).unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer, held.address);
        drop(stream);
    }
}

#[test]
fn a_source_address_of_another_family_or_of_another_machine_fails_the_attempt() {
    let ioloop = IoLoop::new().unwrap();
    let (_v4, address) = listen("127.0.0.1");
    let resolver = FixedResolver::default().host("app", [ip("::1"), ip("127.0.0.1")]);
    let client = TcpClient::new(&ioloop)
        .resolver(resolver)
        .source_address(([127, 0, 0, 1], 0).into());
    let (client, lines) = recorded(client);
    let stream = connect(&ioloop, &client, ("app", address.port())).unwrap();
    assert_eq!(stream.peer_addr(), Some(Address::Inet(address)));
    assert!(lines.borrow()[2].ends_with("InvalidInput"));

    let client = client.source_address(([192, 0, 2, 1], 0).into());
    let error = connect(&ioloop, &client, address).unwrap_err();
    assert_eq!(
        error.attempts()[0].1.kind(),
        io::ErrorKind::AddrNotAvailable
    );
}

#[test]
fn families_are_chosen() {
    let ioloop = IoLoop::new().unwrap();
    let (_v4, address) = listen("127.0.0.1");
    let port = address.port();
    let resolver = FixedResolver::default()
        .host("app", [ip("::1"), ip("127.0.0.1")])
        .host("old", [ip("127.0.0.1")]);
    let client = TcpClient::new(&ioloop).resolver(resolver);
    let (client, lines) = recorded(client.family(Family::V4Only));
    connect(&ioloop, &client, ("app", port)).unwrap();
    assert_eq!(lines.borrow()[0], format!("resolved [127.0.0.1:{port}]"));
    lines.take();
    let client = client.family(Family::V4First);
    connect(&ioloop, &client, ("app", port)).unwrap();
    assert_eq!(
        lines.borrow()[0],
        format!("resolved [127.0.0.1:{port}, [::1]:{port}]")
    );
    let client = client.family(Family::V6Only);
    let error = connect(&ioloop, &client, ("old", port)).unwrap_err();
    assert_eq!(error.phase(), Phase::Resolving);
    assert!(matches!(
        error.resolve_error(),
        Some(ResolveError::NoAddresses { .. })
    ));
}

#[test]
fn a_socket_that_would_connect_to_itself_is_refused() {
    let ioloop = IoLoop::new().unwrap();
    let held = Nobody::new();
    let client = TcpClient::new(&ioloop).source_address(held.address);
    let error = connect(&ioloop, &client, held.address).unwrap_err();
    assert_eq!(
        error.attempts()[0].1.kind(),
        io::ErrorKind::ConnectionRefused
    );
}

#[test]
fn names_that_nobody_knows_fail_in_their_phase() {
    let ioloop = IoLoop::new().unwrap();
    let fixed = TcpClient::new(&ioloop).resolver(FixedResolver::default());
    // The system may take its time to find out.
    let system = TcpClient::new(&ioloop)
        .resolver(SystemResolver::new(&ioloop))
        .timeout_resolve(Duration::MAX);
    for client in [fixed, system] {
        let error = connect(&ioloop, &client, ("nonexistent.invalid", 80)).unwrap_err();
        assert_eq!(error.phase(), Phase::Resolving);
        assert!(!error.is_timeout());
        assert!(error.attempts().is_empty());
        assert_eq!(error.resolve_error().unwrap().host(), "nonexistent.invalid");
        assert!(error.to_string().contains("\"nonexistent.invalid\""));
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotFound);
    }
    let error = connect(&ioloop, &TcpClient::new(&ioloop), ("", 80)).unwrap_err();
    assert_eq!(error.phase(), Phase::Resolving);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidInput);
}

/// Never answers, or with no address at all.
struct Useless {
    has_answer: bool,
}

impl Resolver for Useless {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Resolving<'a> {
        let has_answer = self.has_answer;
        Box::pin(async move {
            if !has_answer {
                pending::<()>().await;
            }
            Ok(Vec::new())
        })
    }
}

#[test]
fn a_resolver_that_never_answers_is_given_up_in_time() {
    let ioloop = virtual_loop();
    let begun_at = ioloop.now();
    let client = TcpClient::new(&ioloop).resolver(Useless { has_answer: false });
    let error = connect(&ioloop, &client, ("app.example", 80)).unwrap_err();
    assert_eq!(
        (error.phase(), error.is_timeout()),
        (Phase::Resolving, true)
    );
    assert_eq!(
        error.to_string(),
        "timed out while resolving app.example:80"
    );
    assert_eq!(ioloop.now() - begun_at, Duration::from_secs(20));
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_resolver_that_answers_with_nothing_has_no_addresses() {
    let ioloop = virtual_loop();
    let client = TcpClient::new(&ioloop).resolver(Useless { has_answer: true });
    let error = connect(&ioloop, &client, ("app.example", 80)).unwrap_err();
    assert!(matches!(
        error.resolve_error(),
        Some(ResolveError::NoAddresses { .. })
    ));
}

/// A listener whose queue is full: on Linux a SYN to them is lost, so that who connects waits.
#[cfg(target_os = "linux")]
struct Full {
    address: SocketAddr,
    _listener: socket2::Socket,
    _clients: Vec<socket2::Socket>,
}

#[cfg(target_os = "linux")]
impl Full {
    fn new(address: [u8; 4], port: u16) -> Self {
        let new = || {
            let socket = socket2::Socket::new(
                socket2::Domain::IPV4,
                socket2::Type::STREAM,
                Some(socket2::Protocol::TCP),
            );
            socket.unwrap()
        };
        let listener = new();
        listener
            .bind(&SocketAddr::from((address, port)).into())
            .unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let clients = (0..4)
            .map(|_| {
                let client = new();
                client.set_nonblocking(true).unwrap();
                let _ = client.connect(&address);
                client
            })
            .collect();
        Self {
            address: address.as_socket().unwrap(),
            _listener: listener,
            _clients: clients,
        }
    }
}

/// How many sockets are connecting to `address`, one of 127.0.0.1 (proc(5), `/proc/net/tcp`).
#[cfg(target_os = "linux")]
fn connecting_to(address: SocketAddr) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let remote = format!("0100007F:{:04X} 02 ", address.port());
    table.lines().filter(|line| line.contains(&remote)).count()
}

#[test]
#[cfg(target_os = "linux")]
fn addresses_that_do_not_answer_are_given_up_in_time_and_all_are_named() {
    let ioloop = virtual_loop();
    let first = Full::new([127, 0, 0, 1], 0);
    let second = Full::new([127, 0, 0, 2], first.address.port());
    let resolver = FixedResolver::default().host("app", [first.address.ip(), second.address.ip()]);
    let client = TcpClient::new(&ioloop)
        .resolver(resolver)
        .timeout_connect(Duration::from_secs(5));
    let begun_at = ioloop.now();
    let error = connect(&ioloop, &client, ("app", first.address.port())).unwrap_err();
    assert_eq!(
        (error.phase(), error.is_timeout()),
        (Phase::Connecting, true)
    );
    assert_eq!(ioloop.now() - begun_at, Duration::from_secs(5));
    let tried: Vec<_> = error
        .attempts()
        .iter()
        .map(|(address, _)| address.inet())
        .collect();
    assert_eq!(tried, [Some(first.address), Some(second.address)]);
    assert!(
        error
            .to_string()
            .starts_with("timed out while connecting to app:")
    );

    // One attempt has a shorter time, and when each has had it, that is a timeout too.
    let client = client.timeout_attempt(Duration::from_secs(2));
    let begun_at = ioloop.now();
    let error = connect(&ioloop, &client, ("app", first.address.port())).unwrap_err();
    assert_eq!(
        (error.phase(), error.is_timeout()),
        (Phase::Connecting, true)
    );
    assert_eq!(ioloop.now() - begun_at, Duration::from_millis(2_250));
}

#[test]
#[cfg(target_os = "linux")]
fn an_address_that_does_not_answer_is_overtaken_and_its_socket_closed() {
    let ioloop = IoLoop::new().unwrap();
    let dead = Full::new([127, 0, 0, 1], 0);
    let good = TcpListener::bind(("127.0.0.2", dead.address.port())).unwrap();
    let good = good.local_addr().map(|address| (good, address)).unwrap();
    let resolver = FixedResolver::default().host("app", [dead.address.ip(), good.1.ip()]);
    let client = TcpClient::new(&ioloop)
        .resolver(resolver)
        .attempt_delay(Duration::from_millis(10));
    let (client, lines) = recorded(client);
    let before = connecting_to(dead.address);
    let stream = connect(&ioloop, &client, ("app", good.1.port())).unwrap();
    assert_eq!(stream.peer_addr(), Some(Address::Inet(good.1)));
    assert!(lines.borrow().contains(&format!("trying {}", dead.address)));
    assert_eq!(connecting_to(dead.address), before);
}

#[test]
#[cfg(target_os = "linux")]
fn giving_up_closes_what_is_under_way() {
    let ioloop = virtual_loop();
    let dead = Full::new([127, 0, 0, 1], 0);
    let before = connecting_to(dead.address);
    let task = ioloop.spawn({
        let client = TcpClient::new(&ioloop);
        async move { client.connect(dead.address).await }
    });
    ends::settle(&ioloop);
    assert_eq!(connecting_to(dead.address), before + 1);
    task.abort();
    assert_eq!(connecting_to(dead.address), before);
}

#[test]
fn the_delay_keeps_to_what_rfc8305_5_allows() {
    let client = TcpClient::new(&virtual_loop());
    let check = |given, expected: &str| {
        let shown = format!("{:?}", client.clone().attempt_delay(given));
        assert!(shown.contains(&format!("delay: {expected},")), "{shown}");
    };
    check(Duration::ZERO, "10ms");
    check(Duration::from_millis(100), "100ms");
    check(Duration::MAX, "2s");
}

#[test]
fn errors_cross_threads_and_clients_are_bundles_of_settings() {
    fn assert_error<T: std::error::Error + Send + Sync + 'static>() {}
    fn assert_clone<T: Clone>() {}
    assert_error::<ConnectError>();
    assert_error::<ResolveError>();
    assert_clone::<TcpClient>();
}

#[test]
fn socket_options_are_set() {
    let ioloop = IoLoop::new().unwrap();
    let (listener, address) = listen("127.0.0.1");
    let options_of = |client: &TcpClient| {
        let stream = connect(&ioloop, client, address).unwrap();
        drop(listener.accept().unwrap());
        let (transport, _) = stream.into_parts().ok().unwrap();
        let mut found = None;
        transport.with_fd(&mut |fd| {
            let socket = socket2::SockRef::from(&fd);
            let is_kept = socket.keepalive().unwrap();
            let idle = is_kept.then(|| socket.tcp_keepalive_time().unwrap());
            found = Some((socket.tcp_nodelay().unwrap(), idle));
        });
        found.unwrap()
    };
    let client = TcpClient::new(&ioloop);
    assert_eq!(options_of(&client), (true, None));
    let minute = Some(Duration::from_secs(60));
    let client = client.nodelay(false).keepalive(minute);
    assert_eq!(options_of(&client), (false, minute));
}
