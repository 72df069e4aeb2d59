//! Compression on connections: what is agreed on holds for all that is sent and heard.
#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod peer;
mod wire;

use http::HeaderMap;
use peer::{FIN, KEY, Said, listen, masked, unmasked};
use squall_ioloop::IoLoop;
use squall_iostream::{IoStream, memory};
use squall_websocket::{
    Config, Deflate, DeflateAgreement, DeflatePool, Limits, Message, Opening, OwnedMessage,
    Prepared, Protocol, Role, Topics, WebSocket, WebSocketStream,
};
use wire::{config, ioloop, turns};

const RSV1: u8 = 0x40;
const TEXT: &str = "one and the same text, one and the same text, one and the same text";

fn settings(takeover: bool) -> Deflate {
    Deflate::default()
        .with_threshold_bytes(20)
        .with_context_takeover(takeover)
        .with_peer_context_takeover(takeover)
}

fn agreement(deflate: &Deflate, offer: &str) -> DeflateAgreement {
    let mut fields = HeaderMap::new();
    fields.insert("sec-websocket-extensions", offer.parse().unwrap());
    deflate.accept(&fields).unwrap()
}

/// A server's end, and its peer's stream with a protocol of its own.
struct Pair {
    ws: WebSocketStream,
    peer: IoStream,
    protocol: Protocol,
}

impl Pair {
    fn new(ioloop: &IoLoop, deflate: Deflate, offer: &str) -> Self {
        let (ours, peer) = memory::pair(ioloop, memory::Options::default());
        let agreement = agreement(&deflate, offer);
        let opening = Opening::new(Role::Server).with_deflate(Some(agreement));
        let config = config().with_deflate(Some(deflate));
        Self {
            ws: WebSocketStream::new(ours, config, &opening),
            peer,
            protocol: Protocol::new(Role::Client, Limits::default())
                .with_deflate(&agreement, &DeflatePool::default()),
        }
    }

    fn socket(&self) -> WebSocket {
        WebSocket::clone(&self.ws)
    }

    /// What has arrived at the peer: as bytes, and as it understands them.
    fn heard(&mut self, ioloop: &IoLoop) -> (Vec<u8>, Vec<Said>) {
        turns(ioloop, 2);
        let bytes = ioloop
            .run_until(self.peer.read_some(1 << 20))
            .unwrap()
            .unwrap();
        let said = listen(&mut self.protocol, [&bytes[..]]);
        (bytes, said)
    }
}

#[test]
fn long_messages_are_compressed_and_short_ones_are_not() {
    let ioloop = ioloop();
    for takeover in [false, true] {
        let mut pair = Pair::new(&ioloop, settings(takeover), "permessage-deflate");
        pair.ws.write_message(TEXT).unwrap();
        pair.ws.write_message("short").unwrap();
        let (bytes, said) = pair.heard(&ioloop);
        assert_eq!(bytes[0], FIN | RSV1 | 1);
        assert!(bytes.ends_with(b"\x81\x05short"));
        assert_eq!(said, [Said::text(TEXT), Said::text("short")]);
    }
}

#[test]
fn with_a_history_the_same_again_is_a_few_bytes() {
    let ioloop = ioloop();
    let lengths = |takeover| {
        let mut pair = Pair::new(&ioloop, settings(takeover), "permessage-deflate");
        [(); 3].map(|()| {
            pair.ws.write_message(TEXT).unwrap();
            let (bytes, said) = pair.heard(&ioloop);
            assert_eq!(said, [Said::text(TEXT)]);
            bytes.len()
        })
    };
    let [first, again, third] = lengths(true);
    assert!(
        again < first / 2 && third <= again,
        "{first}, {again}, {third}"
    );
    let [first, again, third] = lengths(false);
    assert!(first == again && again == third);
}

#[test]
fn the_peer_may_ask_for_no_history() {
    let ioloop = ioloop();
    let offer = "permessage-deflate; server_no_context_takeover";
    let mut pair = Pair::new(&ioloop, settings(true), offer);
    let lengths = [(); 2].map(|()| {
        pair.ws.write_message(TEXT).unwrap();
        pair.heard(&ioloop).0.len()
    });
    assert_eq!(lengths[0], lengths[1]);
}

#[test]
fn a_broadcast_is_compressed_once_for_each_way_of_compressing() {
    let ioloop = ioloop();
    let small = "permessage-deflate; server_max_window_bits=9";
    let mut pairs = [
        Pair::new(&ioloop, settings(false), "permessage-deflate"),
        Pair::new(&ioloop, settings(false), "permessage-deflate"),
        Pair::new(&ioloop, settings(false), small),
        Pair::new(&ioloop, settings(true), "permessage-deflate"),
    ];
    for pair in &pairs {
        pair.ws.subscribe("news");
    }
    // One that does not compress at all.
    let (script, _, plain) = wire::Script::serve(&ioloop, config());
    plain.subscribe("news");

    let large = "news ".repeat(2_000);
    assert_eq!(Topics::of(&ioloop).publish("news", large.as_str()), 5);
    for pair in &mut pairs {
        let (bytes, said) = pair.heard(&ioloop);
        assert!(bytes.len() < 200);
        assert_eq!(said, [Said::text(&large)]);
    }
    assert!(*script.written.borrow() == unmasked(FIN | 1, large.as_bytes()));
}

#[test]
fn sockets_that_speak_alike_share_memory() {
    let ioloop = ioloop();
    let pairs = [(); 2].map(|()| Pair::new(&ioloop, settings(false), "permessage-deflate"));
    // Half of it is noise, so that the compressed frame is too large to be copied.
    let mut noise = 1u32;
    let large: Vec<u8> = (0..40_000)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8 & 0x0F
        })
        .collect();
    let message = Prepared::new(Message::Binary(&large));
    for mut pair in pairs {
        pair.socket().write_shared(&message).unwrap();
        let (bytes, said) = pair.heard(&ioloop);
        assert_eq!(bytes[0], FIN | RSV1 | 2);
        assert!(bytes.len() < 30_000);
        assert!(said == [Said::Binary(large.clone())]);
    }
}

#[test]
fn a_broadcast_among_messages_with_a_history_is_understood() {
    let ioloop = ioloop();
    let mut pair = Pair::new(&ioloop, settings(true), "permessage-deflate");
    pair.ws.subscribe("news");
    for round in 0..5 {
        pair.ws.write_message(TEXT).unwrap();
        Topics::of(&ioloop).publish("news", TEXT);
        pair.ws.write_message(TEXT).unwrap();
        let (_, said) = pair.heard(&ioloop);
        assert!(said == [(); 3].map(|()| Said::text(TEXT)), "round {round}");
    }
}

#[test]
fn what_the_peer_compresses_is_heard() {
    let ioloop = ioloop();
    let mut pair = Pair::new(&ioloop, settings(false), "permessage-deflate");
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let wire = [
        masked(FIN | RSV1 | 1, hello),
        masked(RSV1 | 1, &hello[..3]),
        masked(FIN | 9, b"ping"),
        masked(FIN, &hello[3..]),
    ];
    pair.peer.write(&wire.concat()).unwrap();
    for _ in 0..2 {
        let message = ioloop.run_until(pair.ws.next()).unwrap();
        assert_eq!(message, Some(OwnedMessage::from("Hello")));
    }
    assert_eq!(pair.heard(&ioloop).1, [Said::Pong(b"ping".to_vec())]);
}

#[test]
fn a_bomb_is_answered_with_1009() {
    let ioloop = ioloop();
    let (ours, mut peer) = memory::pair(&ioloop, memory::Options::default());
    let deflate = settings(false);
    let agreement = agreement(&deflate, "permessage-deflate");
    let config = Config::default()
        .with_limits(Limits::default().with_message_bytes_max(1000))
        .with_deflate(Some(deflate));
    let opening = Opening::new(Role::Server).with_deflate(Some(agreement));
    let mut ws = WebSocketStream::new(ours, config, &opening);

    let mut deflater = squall_websocket::Deflater::new(
        Role::Client,
        &agreement,
        &deflate,
        &DeflatePool::default(),
    );
    let mut wire = Vec::new();
    let zeros = vec![0; 1 << 20];
    deflater.encode_message(&mut wire, Message::Binary(&zeros), Some(KEY));
    assert!(wire.len() < 2000);
    peer.write(&wire).unwrap();
    let task = ioloop.spawn(async move { ws.next().await });
    let answer = ioloop.run_until(peer.read_bytes(4)).unwrap().unwrap();
    assert_eq!(answer[2..], 1009_u16.to_be_bytes());
    drop(peer);
    assert_eq!(ioloop.run_until(task).unwrap().unwrap(), None);
}
