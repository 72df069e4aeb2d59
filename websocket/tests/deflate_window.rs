//! Our compressor stays within the window that was agreed on: a peer with 256 bytes of memory for
//! it finds all that is referred to (RFC 7692 §7.1.2).
#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod twin;

use http::HeaderMap;
use squall_websocket::{Deflate, DeflatePool, Deflater, Message, Role};

const RSV1_BINARY: u8 = 0xC2;

/// Bytes that repeat at all kinds of distances, and noise between.
fn material() -> Vec<u8> {
    let mut noise = 7u64;
    let mut next = || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise as usize
    };
    let mut bytes = Vec::new();
    while bytes.len() < 30_000 {
        if bytes.len() < 300 || next() % 3 == 0 {
            bytes.push(next() as u8);
            continue;
        }
        let reach = [20, 255, 257, 300, 520, 1_100, 40_000][next() % 7];
        let start = bytes.len() - 1 - next() % reach.min(bytes.len() - 1);
        let end = (start + 4 + next() % 270).min(bytes.len());
        bytes.extend_from_within(start..end);
    }
    bytes
}

/// Deflated in messages of different lengths, with a history; gives the payloads together, with
/// their tails.
fn deflated(material: &[u8], bits: u8, level: u8) -> Vec<u8> {
    let settings = Deflate::default()
        .with_level(level)
        .with_context_takeover(true)
        .with_threshold_bytes(1);
    let mut fields = HeaderMap::new();
    let offer = format!("permessage-deflate; server_max_window_bits={bits}");
    fields.insert("sec-websocket-extensions", offer.parse().unwrap());
    let agreement = settings.accept(&fields).unwrap();
    assert_eq!(agreement.window_bits(Role::Server), bits);

    let mut deflater = Deflater::new(Role::Server, &agreement, &settings, &DeflatePool::default());
    let mut stream = Vec::new();
    let mut rest = material;
    for len in [1, 2, 3, 100, 257, 511, 513, 5_000].into_iter().cycle() {
        let (message, after) = rest.split_at(len.min(rest.len()));
        rest = after;
        let mut frame = Vec::new();
        deflater.encode_message(&mut frame, Message::Binary(message), None);
        assert_eq!(frame[0], RSV1_BINARY);
        stream.extend_from_slice(&frame[if frame[1] == 126 { 4 } else { 2 }..]);
        stream.extend_from_slice(&[0x00, 0x00, 0xff, 0xff]);
        if rest.is_empty() {
            return stream;
        }
    }
    unreachable!("it ends with the material");
}

fn check(bits: u8) {
    let material = material();
    for level in [1, 2, 4, 6, 9] {
        let (made, distance_max) = twin::inflate(&deflated(&material, bits, level));
        assert!(made == material, "level {level}, {bits} bits");
        assert!(
            distance_max <= 1 << bits,
            "level {level}, {bits} bits: back by {distance_max}"
        );
        // Or the test would show nothing.
        assert!(
            distance_max > 1 << (bits - 2),
            "only back by {distance_max}"
        );
    }
}

#[test]
fn rfc7692_7_1_2_a_window_of_8_bits_is_kept() {
    check(8);
}

#[test]
fn rfc7692_7_1_2_larger_windows_are_kept() {
    for bits in [9, 12, 15] {
        check(bits);
    }
}
