//! Several listeners of one server, on real sockets: each with its own settings.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use squall_httpserver::{Config, Exchange, Forwarded, HttpServer, ListenerConfig};
use squall_ioloop::IoLoop;
use squall_iostream::{AdmissionLimits, Listener, ProxyProtocol, TrustedPeers};
use support::{Crlf, normal};

/// A socket's file in the temporary directory, removed at the end.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new(name: &str) -> Self {
        let name = format!("squall-http-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn tell_client(http: Exchange) {
    let (peer, client) = (http.remote_addr(), http.client_ip());
    let _ = http.write(format!("{} {client:?}", peer.is_some()));
    http.finish();
}

fn run<T: Send + 'static>(ioloop: &IoLoop, client: impl FnOnce() -> T + Send + 'static) -> T {
    let remote = ioloop.remote();
    let client = thread::spawn(move || {
        let result = client();
        remote.add_callback(|ioloop| ioloop.stop()).unwrap();
        result
    });
    ioloop.run().unwrap();
    client.join().unwrap()
}

fn ask(mut socket: impl Read + Write, before: &str) -> String {
    let request = format!("{before}GET / HTTP/1.0\nx-forwarded-for: 192.0.2.7\n\n").crlf();
    // A peer that was refused may be gone by now.
    let _ = socket.write_all(request.as_bytes());
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    let text = normal(&bytes);
    text.split_once("\n\n")
        .map_or("", |(_, content)| content)
        .to_owned()
}

#[test]
fn tcp_unix_abstract_and_inherited_sockets_are_of_one_server() {
    let ioloop = IoLoop::new().unwrap();
    let server = HttpServer::new(&ioloop, tell_client);
    let trusting = ListenerConfig::default()
        .with_forwarded(Forwarded::x_forwarded(TrustedPeers::default().local(true)));
    let proxied = ListenerConfig::default().with_proxy_protocol(ProxyProtocol::trusting(
        TrustedPeers::from_networks(["127.0.0.1"]).unwrap(),
    ));
    let path = SocketPath::new("several");
    let tcp = server.listen("127.0.0.1:0").unwrap();
    server.listen_unix(&path.0).unwrap();
    let behind_unix = SocketPath::new("trusted");
    server.listen_unix_with(&behind_unix.0, &trusting).unwrap();
    let behind_proxy = server.listen_with("127.0.0.1:0", &proxied).unwrap();
    let inherited = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bound = inherited.local_addr().unwrap();
    server
        .add_listener(Listener::from_std(inherited).unwrap())
        .unwrap();
    assert_eq!(server.local_addrs().len(), 5);

    let (path, behind_unix) = (path.0.clone(), behind_unix.0.clone());
    let told = run(&ioloop, move || {
        let connect = |address| TcpStream::connect(address).unwrap();
        let unix = |path| UnixStream::connect(path).unwrap();
        [
            ask(connect(tcp), ""),
            ask(unix(path), ""),
            ask(unix(behind_unix), ""),
            ask(
                connect(behind_proxy),
                "PROXY TCP4 198.51.100.9 198.51.100.1 51000 443\n",
            ),
            ask(connect(bound), ""),
        ]
    });
    assert_eq!(
        told,
        [
            "true Some(127.0.0.1)",
            "false None",
            "false Some(192.0.2.7)",
            "true Some(198.51.100.9)",
            "true Some(127.0.0.1)",
        ]
    );
    server.stop_listening();
    assert!(server.local_addrs().is_empty());
    assert!(TcpStream::connect(tcp).is_err());
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_outside_of_the_file_system_will_do() {
    use std::os::linux::net::SocketAddrExt;
    let ioloop = IoLoop::new().unwrap();
    let server = HttpServer::new(&ioloop, tell_client);
    let name = format!("squall-http-{}", std::process::id());
    let address = server.listen_unix(format!("\0{name}")).unwrap();
    assert_eq!(address.to_string(), format!("unix:@{name}"));
    let told = run(&ioloop, move || {
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        ask(UnixStream::connect_addr(&address).unwrap(), "")
    });
    assert_eq!(told, "false None");
}

/// `Application::listen` gives a server back that few keep.
#[test]
fn a_server_listens_on_when_nobody_has_a_handle_of_it() {
    let ioloop = IoLoop::new().unwrap();
    let address = HttpServer::new(&ioloop, tell_client)
        .listen("127.0.0.1:0")
        .unwrap();
    let told = run(&ioloop, move || {
        ask(TcpStream::connect(address).unwrap(), "")
    });
    assert_eq!(told, "true Some(127.0.0.1)");
}

/// Those beyond a maximum wait, those beyond a peer's maximum are closed; and a listener with
/// limits of its own counts for itself.
#[test]
fn connections_have_their_maxima() {
    let ioloop = IoLoop::new().unwrap();
    let one_each = AdmissionLimits::default().connections_per_peer_max(1);
    let config = Config::default().with_admission(one_each);
    let server = HttpServer::with_config(&ioloop, config, tell_client);
    let shared = [
        server.listen("127.0.0.1:0").unwrap(),
        server.listen("127.0.0.1:0").unwrap(),
    ];
    let two = AdmissionLimits::default().connections_max(2);
    let apart = ListenerConfig::default().with_admission(two);
    let apart = server.listen_with("127.0.0.1:0", &apart).unwrap();
    let told = run(&ioloop, move || {
        let first = TcpStream::connect(shared[0]).unwrap();
        // It has its seat once it is answered.
        let keep = "GET / HTTP/1.1\nhost: a\n\n".crlf();
        (&first).write_all(keep.as_bytes()).unwrap();
        let mut byte = [0];
        (&first).read_exact(&mut byte).unwrap();
        let refused = ask(TcpStream::connect(shared[1]).unwrap(), "");
        let others: Vec<_> = (0..2).map(|_| TcpStream::connect(apart).unwrap()).collect();
        let waiting = TcpStream::connect(apart).unwrap();
        for mut other in others {
            other.write_all(keep.as_bytes()).unwrap();
            other.read_exact(&mut byte).unwrap();
        }
        (refused, ask(waiting, ""))
    });
    assert_eq!(told, (String::new(), "true Some(127.0.0.1)".to_owned()));
    let counters = server.admission_counters();
    assert_eq!(counters.len(), 3);
    assert_eq!((counters[0].accepted, counters[0].refused_per_peer), (1, 1));
    assert_eq!((counters[2].accepted, counters[2].refused_per_peer), (3, 0));
}

/// The proxy's own connections are not counted, but those of the clients that it tells.
#[test]
fn clients_behind_a_proxy_have_their_maximum() {
    let ioloop = IoLoop::new().unwrap();
    let one_each = AdmissionLimits::default().connections_per_peer_max(1);
    let proxies = TrustedPeers::from_networks(["127.0.0.1"]).unwrap();
    let config = Config::default()
        .with_admission(one_each)
        .with_proxy_protocol(ProxyProtocol::trusting(proxies));
    let server = HttpServer::with_config(&ioloop, config, tell_client);
    let address = server.listen("127.0.0.1:0").unwrap();
    let told = run(&ioloop, move || {
        let header = |last| format!("PROXY TCP4 192.0.2.{last} 198.51.100.1 51000 443\n");
        let mut first = TcpStream::connect(address).unwrap();
        let keep = format!("{}GET / HTTP/1.1\nhost: a\n\n", header(7)).crlf();
        first.write_all(keep.as_bytes()).unwrap();
        first.read_exact(&mut [0]).unwrap();
        [7, 8].map(|last| ask(TcpStream::connect(address).unwrap(), &header(last)))
    });
    assert_eq!(told, ["", "true Some(192.0.2.8)"]);
}

#[test]
fn settings_of_a_listener_that_make_no_sense_are_refused() {
    let ioloop = IoLoop::new().unwrap();
    let server = HttpServer::new(&ioloop, tell_client);
    let nobody = AdmissionLimits::default().connections_max(0);
    let config = ListenerConfig::default().with_admission(nobody);
    let error = server.listen_with("127.0.0.1:0", &config).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(
        error.to_string(),
        "admission is 0, which lets nothing through"
    );
    assert!(server.local_addrs().is_empty());
}

#[test]
fn what_streams_are_set_to_is_asked_of_each() {
    let world = support::World::with_config(
        Config::default()
            .with_memory_bytes_max(1024 * 1024)
            .with_unsent_bytes_max(16 * 1024)
            .with_guards(squall_iostream::Guards {
                timeout_total: Some(Duration::from_secs(100)),
                ..squall_iostream::Guards::default()
            }),
        |http: Exchange| async move {
            let _ = http.write(vec![b'x'; 100_000]);
            let error = http.flush().await.unwrap_err();
            assert!(
                matches!(
                    error,
                    squall_httpserver::Error::BufferFull { bytes_max: 16_384 }
                ),
                "{error:?}"
            );
            http.abort();
        },
    );
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let counted = count.clone();
    world
        .server
        .configure_streams(move |_| counted.set(counted.get() + 1));
    world.talk("GET / HTTP/1.1\nHost: a\n\n".crlf());
    assert_eq!(count.get(), 1);
    // Nothing is said, and the header's timeout has been before that of the whole.
    let mut silent = world.connect();
    assert_eq!(
        world.run(world.listen(&mut silent)).after,
        Duration::from_secs(30)
    );
    assert_eq!(count.get(), 2);
}
