//! What compression costs in memory, counted: next to nothing for a connection that idles, unless
//! it keeps a history.
#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod peer;

use http::HeaderMap;
use peer::{FIN, masked};
use squall_ioloop::IoLoop;
use squall_iostream::{IoStream, memory};
use squall_websocket::{
    Config, Deflate, HandlerResult, Message, Opening, Role, WebSocket, WebSocketHandler,
    serve_opened,
};

const KIB: i64 = 1024;
const COUNT: i64 = 50;
/// "Hello", deflated (RFC 7692 §7.2.3.1), and again with a history.
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

/// Answers with what cannot be compressed, so that it takes the same room in all buffers.
struct Noise;
impl WebSocketHandler for Noise {
    fn on_message(&mut self, ws: &WebSocket, _: Message<'_>) -> HandlerResult {
        let mut noise = 1u64;
        let bytes: Vec<u8> = std::iter::from_fn(|| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            Some(noise as u8)
        })
        .take(900)
        .collect();
        Ok(ws.write_message(&bytes)?)
    }
}

/// Bytes that each of many connections still holds after it has heard and said a message; what the
/// loop holds for all of them does not count.
fn bytes_of_idle(deflate: Option<Deflate>) -> i64 {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let first = connected(&ioloop, deflate);
    let mut all = Vec::with_capacity(COUNT as usize);
    let counted = allocation_counter::measure(|| {
        all.extend((0..COUNT).map(|_| connected(&ioloop, deflate)));
    });
    drop((first, all));
    counted.bytes_current / COUNT
}

fn connected(ioloop: &IoLoop, deflate: Option<Deflate>) -> IoStream {
    let (ours, mut theirs) = memory::pair(ioloop, memory::Options::default());
    let mut fields = HeaderMap::new();
    fields.insert(
        "sec-websocket-extensions",
        "permessage-deflate".parse().unwrap(),
    );
    let agreement = deflate.and_then(|deflate| deflate.accept(&fields));
    let opening = Opening::new(Role::Server).with_deflate(agreement);
    let config = Config::default()
        .with_deflate(deflate)
        .with_ping_interval(None);
    ioloop.spawn_detached(serve_opened(ours, config, &opening, Noise));
    let hello = match agreement {
        Some(_) => masked(FIN | 0x40 | 1, HELLO),
        None => masked(FIN | 1, b"Hello"),
    };
    theirs.write(&hello).unwrap();
    let answer = ioloop.run_until(theirs.read_some(10_000)).unwrap();
    assert!(answer.unwrap().len() > 900);
    theirs
}

#[test]
fn a_connection_that_shares_compressors_is_hardly_larger_than_one_without() {
    let more = bytes_of_idle(Some(Deflate::default())) - bytes_of_idle(None);
    assert!((0..=128).contains(&more), "{more} bytes more");
}

#[test]
fn a_history_costs_what_the_documentation_says() {
    let without = bytes_of_idle(None);
    let sides = |ours, peers| {
        Deflate::default()
            .with_context_takeover(ours)
            .with_peer_context_takeover(peers)
    };
    let inflating = bytes_of_idle(Some(sides(false, true))) - without;
    assert!((46 * KIB..48 * KIB).contains(&inflating), "{inflating}");
    let deflating = bytes_of_idle(Some(sides(true, false))) - without;
    assert!((360 * KIB..372 * KIB).contains(&deflating), "{deflating}");
    let small = bytes_of_idle(Some(sides(true, false).with_window_bits(9))) - without;
    assert!((240 * KIB..250 * KIB).contains(&small), "{small}");
}
