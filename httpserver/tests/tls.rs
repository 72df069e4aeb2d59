//! HTTP over TLS: what is agreed upon, what a service can know of it, and who is not served.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use squall_httpserver::{DrainDeadlines, Exchange, ListenerConfig, Scheme, tls_config};
use squall_ioloop::sleep;
use squall_iostream::tls::{ClientConfig, Pem, ServerConfig, TlsVersion};
use squall_iostream::{IoStream, ProxyProtocol, TrustedPeers, memory};
use support::{AT_ONCE, Crlf, World, normal, statuses, tell_target};

const SECOND: Duration = Duration::from_secs(1);
const GET: &str = "GET /a HTTP/1.1\nhost: localhost\nconnection: close\n\n";

struct Own {
    chain: Pem,
    key: Pem,
}

fn own(name: &str) -> Own {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    Own {
        chain: Pem::bytes(made.cert.pem()),
        key: Pem::bytes(made.signing_key.serialize_pem()),
    }
}

/// A world whose streams come in by a listener with TLS.
struct Secure {
    world: World,
    listener: ListenerConfig,
    client: ClientConfig,
}

fn secure(service: impl squall_httpserver::Service) -> Secure {
    secure_with(service, tls_config())
}

fn secure_with(service: impl squall_httpserver::Service, config: ServerConfig) -> Secure {
    let own = own("localhost");
    let acceptor = config
        .certificate(own.chain.clone(), own.key)
        .build()
        .unwrap();
    Secure {
        world: World::new(service),
        listener: ListenerConfig::default().with_tls(acceptor),
        client: ClientConfig::new().root_certificates(own.chain),
    }
}

impl Secure {
    fn connect_plain(&self) -> IoStream {
        let (ours, theirs) = memory::pair(&self.world.ioloop, memory::Options::default());
        self.world.server.serve_stream_with(theirs, &self.listener);
        ours
    }

    async fn connect(&self, config: ClientConfig) -> Option<IoStream> {
        let connector = config.build().unwrap();
        connector
            .connect(self.connect_plain(), "localhost")
            .await
            .ok()
    }

    fn talk(&self, config: ClientConfig, input: &str) -> Option<String> {
        self.world.run(async {
            let mut stream = self.connect(config).await?;
            stream.write(input.crlf().as_bytes()).unwrap();
            let bytes = stream.read_until_close(usize::MAX).await.ok()?;
            Some(normal(&bytes))
        })
    }
}

async fn tell_facts(http: Exchange) {
    let tls = http.tls().unwrap();
    assert_eq!(http.scheme(), Scheme::Https);
    let alpn = tls.alpn.map(|name| String::from_utf8(name).unwrap());
    let _ = http.write(format!(
        "{} {alpn:?} {:?} {}",
        tls.version,
        tls.server_name,
        tls.peer_certificates.len()
    ));
    http.finish();
}

#[test]
fn a_service_can_know_what_was_agreed_upon() {
    let secure = secure(tell_facts);
    let told = |config| secure.talk(config, GET).unwrap();
    let plain = told(secure.client.clone());
    assert!(
        plain.ends_with("\n\nTLS 1.3 None Some(\"localhost\") 0"),
        "{plain}"
    );
    let with_alpn = told(secure.client.clone().alpn(["h2", "http/1.1"]));
    assert!(
        with_alpn.contains("TLS 1.3 Some(\"http/1.1\")"),
        "{with_alpn}"
    );
    let old = told(secure.client.clone().max_version(TlsVersion::V1_2));
    assert!(old.contains("TLS 1.2 None"), "{old}");
    secure.world.assert_well();
}

#[test]
fn a_client_s_certificate_is_told() {
    let client = own("a client");
    let config = tls_config().require_client_certificate(client.chain.clone());
    let secure = secure_with(tell_facts, config);
    let known = secure.client.clone().certificate(client.chain, client.key);
    let text = secure.talk(known, GET).unwrap();
    assert!(text.ends_with(" 1"), "{text}");
    assert_eq!(secure.talk(secure.client.clone(), GET), None);
    secure.world.assert_well();
}

/// Its first bytes would be taken for a bad request, after all that work.
#[test]
fn rfc7301_3_2_a_client_that_speaks_http2_only_is_refused_in_the_handshake() {
    let secure = secure(tell_target);
    let http2 = secure.client.clone().alpn(["h2"]);
    let refused = secure.world.run(secure.connect(http2));
    assert!(refused.is_none());
    secure.world.assert_well();
}

#[test]
fn a_protocol_that_was_agreed_upon_by_mistake_is_not_spoken() {
    let secure = secure_with(tell_target, ServerConfig::new().alpn(["h2", "http/1.1"]));
    let http2 = secure.client.clone().alpn(["h2"]);
    let heard = secure.talk(http2, "PRI * HTTP/2.0\n\nSM\n\n");
    assert_eq!(heard.unwrap_or_default(), "");
    let http1 = secure.client.clone().alpn(["http/1.1"]);
    assert_eq!(statuses(&secure.talk(http1, GET).unwrap()), ["200"]);
    secure.world.assert_well();
}

#[test]
fn who_speaks_without_tls_is_told_so() {
    let secure = secure(tell_target);
    let mut peer = secure.connect_plain();
    peer.write(GET.crlf().as_bytes()).unwrap();
    let heard = secure.world.run(secure.world.listen(&mut peer));
    assert_eq!(heard.text.get(9..12), Some("400"), "{heard:?}");
    assert_eq!(heard.after, AT_ONCE);
    drop(peer);
    secure.world.assert_well();
}

#[test]
fn a_handshake_that_does_not_come_is_cut_in_its_time() {
    let secure = secure(tell_target);
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut peer = secure.connect_plain();
        peer.write(begun).unwrap();
        let heard = secure.world.run(secure.world.listen(&mut peer));
        assert_eq!(heard.after, 10 * SECOND);
    }
    secure.world.assert_well();
}

#[test]
fn a_connection_is_kept_and_carries_content() {
    let secure = secure(support::echo);
    let content = "x".repeat(100_000);
    let post = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{content}",
        content.len()
    );
    secure.world.run(async {
        let mut stream = secure.connect(secure.client.clone()).await.unwrap();
        for _ in 0..3 {
            stream.write(post.as_bytes()).unwrap();
            let head = stream.read_until(b"\r\n\r\n", 1000).await.unwrap();
            assert!(head.starts_with(b"HTTP/1.1 200"));
            let echoed = stream.read_bytes(content.len()).await.unwrap();
            assert_eq!(echoed, content.as_bytes());
        }
    });
    secure.world.assert_well();
}

#[test]
fn a_header_of_the_proxy_protocol_comes_before_the_handshake() {
    let mut secure = secure(|http: Exchange| async move {
        let _ = http.write(http.remote_addr().unwrap().to_string());
        http.finish();
    });
    let proxies = TrustedPeers::default().local(true);
    secure.listener = secure
        .listener
        .with_proxy_protocol(ProxyProtocol::trusting(proxies));
    let text = secure.world.run(async {
        let plain = secure.connect_plain();
        plain
            .write(b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n")
            .unwrap();
        let connector = secure.client.clone().build().unwrap();
        let mut stream = connector.connect(plain, "localhost").await.unwrap();
        stream.write(GET.crlf().as_bytes()).unwrap();
        normal(&stream.read_until_close(usize::MAX).await.unwrap())
    });
    assert!(text.ends_with("\n\n192.0.2.7:51000"), "{text}");
    secure.world.assert_well();
}

/// A server that stops waits a moment for handshakes, and for the request behind one.
#[test]
fn a_handshake_under_way_is_not_lost_when_the_server_stops() {
    let secure = secure(tell_target);
    let plain = secure.connect_plain();
    let silent = secure.connect_plain();
    secure.world.settle();
    let server = secure.world.server.clone();
    let stopping = secure
        .world
        .ioloop
        .spawn(async move { server.drain(DrainDeadlines::default()).await });
    let text = secure.world.run(async {
        sleep(SECOND / 2).await;
        let connector = secure.client.clone().build().unwrap();
        let mut stream = connector.connect(plain, "localhost").await.unwrap();
        stream.write(GET.crlf().as_bytes()).unwrap();
        normal(&stream.read_until_close(usize::MAX).await.unwrap())
    });
    assert_eq!(statuses(&text), ["200"]);
    let report = secure.world.run(stopping).unwrap();
    assert_eq!((report.finished, report.heads.cut), (1, 1), "{report:?}");
    drop(silent);
}

#[test]
fn what_fails_before_http_is_counted_and_who_only_looks_is_not() {
    let Secure {
        world, listener, ..
    } = secure(tell_target);
    let trusting = ProxyProtocol::trusting(TrustedPeers::default().local(true));
    let proxied = ListenerConfig::default().with_proxy_protocol(trusting);
    let say = |listener: &ListenerConfig, input: &str| {
        let (mut ours, theirs) = memory::pair(&world.ioloop, memory::Options::default());
        world.server.serve_stream_with(theirs, listener);
        ours.write(input.as_bytes()).unwrap();
        world.run(ours.read_until_close(usize::MAX)).unwrap();
        // It is waited for, so that it reads what it was told.
        drop(ours);
        world.settle();
    };
    let leave = |listener: &ListenerConfig, input: &str| {
        let (ours, theirs) = memory::pair(&world.ioloop, memory::Options::default());
        world.server.serve_stream_with(theirs, listener);
        ours.write(input.as_bytes()).unwrap();
        world.settle();
        drop(ours);
        world.settle();
    };
    let rejects = |cause: &str| world.server.metrics().rejects.get(cause).copied();
    for listener in [&proxied, &listener] {
        leave(listener, "");
    }
    leave(&proxied, "PROXY TCP");
    leave(&listener, "\x16\x03\x01");
    assert_eq!(world.server.metrics().rejects.len(), 0);
    say(&proxied, "PROXY nonsense\r\n");
    assert_eq!(rejects("proxy_header"), Some(1));
    say(&listener, "GET / HTTP/1.1\r\n\r\n");
    assert_eq!(rejects("tls_handshake"), Some(1));
    assert_eq!(world.server.metrics().rejects.len(), 2);
    assert_eq!(world.server.connection_count(), 0);
}
