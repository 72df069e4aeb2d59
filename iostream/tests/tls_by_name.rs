//! A server and a client that speak TLS: the server prepares its streams, the client goes through
//! all of its phases, and an error says which of them it was.

#![cfg(any(feature = "tls", feature = "tls-ring"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ends::folder::Folder;
use ends::tls::{client_config, server_config};
use squall_ioloop::IoLoop;
use squall_iostream::tls::{PeerFault, TlsFault, TlsVersion};
use squall_iostream::{FixedResolver, IoStream, Phase, StreamError, TcpClient, TcpServer};

/// Says the name it was asked for, and the client's line after it.
fn server(ioloop: &IoLoop) -> TcpServer {
    let acceptor = server_config().build().unwrap();
    TcpServer::builder()
        .tls(acceptor)
        .build(ioloop, |mut stream: IoStream, _| async move {
            let name = stream.tls().and_then(|tls| tls.server_name);
            let line = stream.read_until(b"\n", 100).await?;
            stream.write(name.as_deref().unwrap_or("nobody").as_bytes())?;
            stream.write(b" ")?;
            stream.write(&line)?;
            stream.shutdown_write().await
        })
}

fn listen(server: &TcpServer) -> SocketAddr {
    let addresses = server.listen(0, Some("127.0.0.1")).unwrap();
    addresses[0].inet().unwrap()
}

/// A client that knows where one name leads.
fn client(ioloop: &IoLoop, name: &str) -> TcpClient {
    let resolver = FixedResolver::default().host(name, [Ipv4Addr::LOCALHOST.into()]);
    TcpClient::new(ioloop)
        .resolver(resolver)
        .tls(client_config().build().unwrap())
}

async fn ask(mut stream: IoStream) -> Result<String, StreamError> {
    stream.write(b"hello\n")?;
    let answer = stream.read_until_close(100).await?;
    Ok(String::from_utf8(answer).unwrap())
}

#[test]
fn a_name_is_resolved_connected_to_and_held_against_the_certificate() {
    let ioloop = IoLoop::new().unwrap();
    let server = server(&ioloop);
    let port = listen(&server).port();
    let answer = ioloop.run_until(async {
        let client = client(&ioloop, "localhost");
        let stream = client.connect(("localhost", port)).await.unwrap();
        assert_eq!(stream.tls().unwrap().version, TlsVersion::V1_3);
        ask(stream).await.unwrap()
    });
    assert_eq!(answer.unwrap(), "localhost hello\n");
}

#[test]
fn a_certificate_for_another_name_ends_the_phase_of_tls() {
    let ioloop = IoLoop::new().unwrap();
    let server = server(&ioloop);
    let port = listen(&server).port();
    let connecting = client(&ioloop, "other.example")
        .connect(("other.example", port))
        .await_on(&ioloop);
    let error = connecting.unwrap_err();
    assert_eq!(error.phase(), Phase::Tls);
    assert!(!error.is_timeout());
    let fault = error.tls_error().unwrap().fault();
    assert!(matches!(fault, TlsFault::Certificate(_)), "{fault:?}");
    assert!(
        error
            .to_string()
            .starts_with("cannot speak TLS with other.example:")
    );
}

#[test]
fn the_name_on_the_certificate_may_be_another_than_the_one_that_is_connected_to() {
    let ioloop = IoLoop::new().unwrap();
    let server = server(&ioloop);
    let port = listen(&server).port();
    let client = client(&ioloop, "backend").server_name("localhost");
    let answer = ioloop.run_until(async {
        let stream = client.connect(("backend", port)).await.unwrap();
        ask(stream).await.unwrap()
    });
    assert_eq!(answer.unwrap(), "localhost hello\n");
}

#[test]
fn tls_goes_over_a_unix_socket_under_a_name_that_is_given() {
    let ioloop = IoLoop::new().unwrap();
    let server = server(&ioloop);
    let folder = Folder::new();
    let path = folder.path("tls.socket");
    server.listen_unix(&path).unwrap();
    let client = TcpClient::new(&ioloop).tls(client_config().build().unwrap());
    // Its path is no name that a certificate could have.
    let unnamed = client.connect(&*path).await_on(&ioloop).unwrap_err();
    assert_eq!(unnamed.phase(), Phase::Tls);
    let client = client.server_name("localhost");
    let answer = ioloop.run_until(async {
        let stream = client.connect(&*path).await.unwrap();
        ask(stream).await.unwrap()
    });
    assert_eq!(answer.unwrap(), "localhost hello\n");
}

#[test]
fn a_server_that_falls_silent_in_the_handshake_is_given_up() {
    let ioloop = IoLoop::new().unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = client_config().handshake_timeout(Duration::from_millis(1));
    let client = TcpClient::new(&ioloop).tls(config.build().unwrap());
    let error = client
        .connect(silent.local_addr().unwrap())
        .await_on(&ioloop)
        .unwrap_err();
    assert_eq!(error.phase(), Phase::Tls);
    assert!(error.is_timeout(), "{error}");
}

#[test]
fn a_server_that_does_not_speak_it_is_told_from_one_that_fails() {
    let ioloop = IoLoop::new().unwrap();
    let plain = TcpServer::new(&ioloop, |stream: IoStream, _| async move {
        stream.write(b"220 welcome\r\n")?;
        stream.drained(0).await
    });
    let error = TcpClient::new(&ioloop)
        .tls(client_config().build().unwrap())
        .connect(listen(&plain))
        .await_on(&ioloop)
        .unwrap_err();
    assert_eq!(error.phase(), Phase::Tls);
    let fault = error.tls_error().unwrap().fault();
    assert!(
        matches!(
            fault,
            TlsFault::Peer(PeerFault::NotTls | PeerFault::Truncated)
        ),
        "{fault:?}"
    );
}

/// So that a test reads from left to right.
trait AwaitOn: Future + Sized {
    fn await_on(self, ioloop: &IoLoop) -> Self::Output {
        ioloop.run_until(self).unwrap()
    }
}

impl<F: Future> AwaitOn for F {}
