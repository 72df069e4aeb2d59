//! Peers that do by TLS what ours never does: change keys, cut messages into many records, send
//! half of one and then wait.

#![cfg(any(feature = "tls", feature = "tls-ring"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::sync::Arc;

use ends::tls::{accepting, client_config, known, server_config};
use ends::{pair, pattern, settle, virtual_loop};
#[cfg(feature = "tls")]
use rustls::crypto::aws_lc_rs::default_provider;
#[cfg(not(feature = "tls"))]
use rustls::crypto::ring::default_provider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use squall_ioloop::IoLoop;
use squall_iostream::IoStream;
use squall_iostream::memory::{self, Options};

/// rustls' own connection, with its buffers, over a plain stream.
struct Peer {
    connection: rustls::Connection,
    stream: IoStream,
}

/// The least that rustls makes of a record.
const FRAGMENT: usize = 32;

impl Peer {
    fn client(stream: IoStream, fragment: Option<usize>) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let authority = known().0.der();
        roots.add(authority.into()).unwrap();
        let mut config = rustls::ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.max_fragment_size = fragment;
        let name = "localhost".try_into().unwrap();
        let client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        Self {
            connection: client.into(),
            stream,
        }
    }

    fn server(stream: IoStream, fragment: Option<usize>) -> Self {
        Self::server_with(stream, |config| config.max_fragment_size = fragment)
    }

    fn server_with(stream: IoStream, change: impl FnOnce(&mut rustls::ServerConfig)) -> Self {
        let own = &known().1;
        let chain = vec![CertificateDer::from_pem_slice(own.chain.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
        let mut config = rustls::ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        change(&mut config);
        let server = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        Self {
            connection: server.into(),
            stream,
        }
    }

    /// What it has to say, as records.
    fn records(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut records).unwrap();
        }
        records
    }

    fn send(&mut self) {
        let records = self.records();
        self.stream.write(&records).unwrap();
        self.stream.flush();
    }

    async fn receive(&mut self) {
        let bytes = self.stream.read_some(usize::MAX).await.unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            self.connection.read_tls(&mut rest).unwrap();
            self.connection.process_new_packets().unwrap();
        }
    }

    /// To the end of the handshake. What a server has to say after it is still unsaid.
    async fn shake(&mut self) {
        while self.connection.is_handshaking() {
            self.send();
            self.receive().await;
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        use std::io::Write;
        self.connection.writer().write_all(bytes).unwrap();
        self.send();
    }

    async fn hear(&mut self, count: usize) -> Vec<u8> {
        use std::io::Read;
        let mut heard = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            match self.connection.reader().read(&mut buffer) {
                Ok(read) => heard.extend(&buffer[..read]),
                Err(_) if heard.len() < count => self.receive().await,
                Err(_) => return heard,
            }
        }
    }
}

/// A client of rustls' and our server.
fn with_client(ioloop: &IoLoop, fragment: Option<usize>) -> (Peer, IoStream) {
    let acceptor = server_config().build().unwrap();
    let (ours, theirs) = pair(ioloop);
    let accepting = accepting(ioloop, &acceptor, theirs);
    let mut peer = Peer::client(ours, fragment);
    ioloop.run_until(peer.shake()).unwrap();
    peer.send();
    let server = ioloop.run_until(accepting).unwrap().unwrap().unwrap();
    (peer, server)
}

/// A server of rustls' and our client.
fn with_server(ioloop: &IoLoop, fragment: Option<usize>) -> (Peer, IoStream) {
    let connector = client_config().build().unwrap();
    let (ours, theirs) = pair(ioloop);
    let connecting = ioloop.spawn(async move { connector.connect(ours, "localhost").await });
    let mut peer = Peer::server(theirs, fragment);
    ioloop.run_until(peer.shake()).unwrap();
    let client = ioloop.run_until(connecting).unwrap().unwrap().unwrap();
    (peer, client)
}

#[test]
fn messages_in_the_smallest_records_are_put_together() {
    let ioloop = virtual_loop();
    let (mut peer, mut server) = with_client(&ioloop, Some(FRAGMENT));
    peer.say(&pattern(10_000));
    let heard = ioloop.run_until(server.read_bytes(10_000)).unwrap();
    assert!(heard.unwrap() == pattern(10_000));

    let (mut peer, mut client) = with_server(&ioloop, Some(FRAGMENT));
    peer.say(&pattern(10_000));
    let heard = ioloop.run_until(client.read_bytes(10_000)).unwrap();
    assert!(heard.unwrap() == pattern(10_000));
}

#[test]
fn rfc8446_4_6_3_new_keys_of_the_peer_are_taken_and_answered() {
    let ioloop = virtual_loop();
    let (mut peer, mut server) = with_client(&ioloop, None);
    for round in 0..5 {
        peer.connection.refresh_traffic_keys().unwrap();
        peer.say(&[b'a' + round; 3]);
        let heard = ioloop.run_until(server.read_bytes(3)).unwrap().unwrap();
        assert_eq!(heard, [b'a' + round; 3]);
        // Ours change with the next word, and the peer understands it.
        server.write(&[b'A' + round; 3]).unwrap();
        server.flush();
        let heard = ioloop.run_until(peer.hear(3)).unwrap();
        assert_eq!(heard, [b'A' + round; 3]);
    }
}

#[test]
fn words_are_said_while_half_a_message_of_the_peer_is_held() {
    for cut in [1, 30, 40, 60, 80, 100, 150, 200] {
        let ioloop = virtual_loop();
        let (mut peer, mut client) = with_server(&ioloop, Some(FRAGMENT));
        // The tickets, which are messages of a handshake that is over, in many records.
        let tickets = peer.records();
        assert!(tickets.len() > 200, "{}", tickets.len());
        peer.stream.write(&tickets[..cut]).unwrap();
        peer.stream.flush();
        let mut reading = Box::pin(client.read_bytes(3));
        let _ = ends::poll_once(reading.as_mut());
        settle(&ioloop);
        assert!(ends::poll_once(reading.as_mut()).is_pending());
        drop(reading);
        client.write(b"in between").unwrap();
        client.flush();
        assert_eq!(ioloop.run_until(peer.hear(10)).unwrap(), b"in between");
        peer.stream.write(&tickets[cut..]).unwrap();
        peer.say(b"yes");
        let heard = ioloop.run_until(client.read_bytes(3)).unwrap().unwrap();
        assert_eq!(heard, b"yes");
    }
}

/// A server that sends `tickets` of them, and what they are on the wire; and our client.
fn with_tickets(ioloop: &IoLoop, tickets: usize, fragment: usize) -> (Peer, Vec<u8>, IoStream) {
    let connector = client_config().build().unwrap();
    let options = Options {
        capacity: usize::MAX,
        ..Options::default()
    };
    let (ours, theirs) = memory::pair(ioloop, options);
    let connecting = ioloop.spawn(async move { connector.connect(ours, "localhost").await });
    let mut peer = Peer::server_with(theirs, |config| {
        config.send_tls13_tickets = tickets;
        config.max_fragment_size = Some(fragment);
    });
    ioloop.run_until(peer.shake()).unwrap();
    let client = ioloop.run_until(connecting).unwrap().unwrap().unwrap();
    let records = peer.records();
    (peer, records, client)
}

#[test]
fn a_peer_at_line_rate_that_says_nothing_does_not_keep_the_loop() {
    let ioloop = virtual_loop();
    // A header, one ticket, the type and the tag.
    let ticket = with_tickets(&ioloop, 1, 16_000).1.len() - 5 - 17;
    // Whole ones in each record: of others, rustls takes but a few.
    let (mut peer, tickets, mut client) = with_tickets(&ioloop, 20_000, 5 + 100 * ticket);
    assert!(tickets.len() > 1_000_000);
    peer.stream.write(&tickets).unwrap();
    peer.say(b"at last");
    let before = ioloop.turn_count();
    let heard = ioloop.run_until(client.read_bytes(7)).unwrap().unwrap();
    assert_eq!(heard, b"at last");
    // 256 KiB a turn, and what the last read has beyond.
    let turns = ioloop.turn_count() - before;
    assert!(turns >= tickets.len() as u64 / (320 * 1024), "{turns}");
}

#[test]
fn one_send_has_full_records() {
    let ioloop = virtual_loop();
    let (mut peer, server) = with_client(&ioloop, None);
    // Two pieces of which neither fills a record.
    server.write(&pattern(10)).unwrap();
    server.write_bytes(pattern(40_000).into()).unwrap();
    server.flush();
    let bytes = ioloop
        .run_until(peer.stream.read_some(usize::MAX))
        .unwrap()
        .unwrap();
    let mut lengths = Vec::new();
    let mut rest = &bytes[..];
    while let [23, 3, 3, high, low, ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        lengths.push(length);
        rest = &rest[5 + length..];
    }
    // The tickets came before; 17 bytes are the type and the tag.
    let records = lengths.split_off(lengths.len() - 3);
    assert_eq!(
        records,
        [16_384 + 17, 16_384 + 17, 40_010 - 2 * 16_384 + 17]
    );
    assert!(rest.is_empty());
}
