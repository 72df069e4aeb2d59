//! RFC 7692, clause by clause: what is compressed, what a peer may send, and where inflating stops.
#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod peer;

use http::HeaderMap;
use peer::{FIN, Said, close_payload, listen, masked, unmasked};
use squall_websocket::{
    Deflate, DeflateAgreement, DeflatePool, Deflater, Error, LimitFault, Limits, Message,
    PeerFault, Protocol, Role,
};

const RSV1: u8 = 0x40;

fn agreement(answer: &str) -> DeflateAgreement {
    let mut fields = HeaderMap::new();
    fields.insert("sec-websocket-extensions", answer.parse().unwrap());
    let deflate = Deflate::default();
    deflate.check(&fields).unwrap().expect("an answer")
}

/// Both sides may remember what was said before.
fn takeover() -> DeflateAgreement {
    agreement("permessage-deflate")
}

fn no_takeover() -> DeflateAgreement {
    agreement("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
}

thread_local! {
    static POOL: DeflatePool = DeflatePool::default();
}

fn server_with(agreement: &DeflateAgreement, limits: Limits) -> Protocol {
    POOL.with(|pool| Protocol::new(Role::Server, limits).with_deflate(agreement, pool))
}

fn server() -> Protocol {
    server_with(&takeover(), Limits::default())
}

/// A server hears `expected`, whatever was agreed on, whole, byte by byte, and cut at every
/// position.
fn check(wire: &[u8], expected: &[Said]) {
    for agreement in [takeover(), no_takeover()] {
        let new = || server_with(&agreement, Limits::default());
        assert_eq!(listen(&mut new(), [wire]), expected, "whole");
        assert_eq!(listen(&mut new(), wire.chunks(1)), expected, "byte by byte");
        for cut in 0..=wire.len() {
            let (one, two) = wire.split_at(cut);
            assert_eq!(listen(&mut new(), [one, two]), expected, "cut at {cut}");
        }
    }
}

/// A masked frame of the first of a compressed message.
fn compressed(byte_0: u8, payload: &[u8]) -> Vec<u8> {
    masked(byte_0 | RSV1, payload)
}

/// What our own compressor makes of it: the payload of the only frame, without its header.
fn deflated(text: &str) -> Vec<u8> {
    let settings = Deflate::default().with_threshold_bytes(0);
    let pool = DeflatePool::default();
    let mut deflater = Deflater::new(Role::Server, &no_takeover(), &settings, &pool);
    let mut out = Vec::new();
    deflater.encode_message(&mut out, Message::Text(text), None);
    assert_eq!(out[0], FIN | RSV1 | 1, "it was worth it");
    let header = match out[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    out.split_off(header)
}

#[test]
fn rfc7692_6_1_rsv1_without_the_extension_fails_with_1002() {
    for opcode in [1, 2] {
        let result = peer::server()
            .receive(&mut compressed(FIN | opcode, b""))
            .map(|_| ());
        assert_eq!(result, Err(Error::Peer(PeerFault::ReservedBits)));
    }
}

#[test]
fn rfc7692_6_1_rsv1_on_a_control_frame_fails_with_1002() {
    for opcode in [8, 9, 10] {
        check(&compressed(FIN | opcode, b""), &[Said::Failed(1002)]);
    }
}

#[test]
fn rfc7692_6_1_rsv1_on_a_continuation_fails_with_1002() {
    let first = compressed(1, b"\xf2");
    for fin in [0, FIN] {
        let wire = [first.clone(), compressed(fin, b"\x48")].concat();
        check(&wire, &[Said::Failed(1002)]);
    }
    check(&compressed(FIN, b""), &[Said::Failed(1002)]);
}

#[test]
fn rfc7692_6_1_the_other_reserved_bits_stay_reserved() {
    for bits in [0x20, 0x10, 0x60, 0x50, 0x70] {
        check(&masked(FIN | bits | 1, b""), &[Said::Failed(1002)]);
    }
}

#[test]
fn rfc7692_6_2_messages_are_compressed_or_not_one_by_one() {
    let wire = [
        masked(FIN | 1, b"plain"),
        compressed(FIN | 1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
        masked(FIN | 2, b"\x00\x01"),
        compressed(FIN | 2, b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
    ];
    let expected = [
        Said::text("plain"),
        Said::text("Hello"),
        Said::Binary(vec![0, 1]),
        Said::Binary(b"Hello".to_vec()),
    ];
    check(&wire.concat(), &expected);
}

#[test]
fn rfc7692_7_2_3_1_a_message_in_one_block() {
    check(
        b"\xc1\x87\x00\x00\x00\x00\xf2\x48\xcd\xc9\xc9\x07\x00",
        &[Said::text("Hello")],
    );
    let wire = [
        compressed(1, b"\xf2\x48\xcd"),
        masked(FIN, b"\xc9\xc9\x07\x00"),
    ]
    .concat();
    check(&wire, &[Said::text("Hello")]);
}

#[test]
fn rfc7692_7_2_3_2_a_message_refers_to_the_one_before() {
    let first = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let again = b"\xf2\x00\x11\x00\x00";
    let wire = [compressed(FIN | 1, first), compressed(FIN | 1, again)].concat();
    assert_eq!(
        listen(&mut server(), [&wire[..]]),
        [Said::text("Hello"), Said::text("Hello")]
    );
    // Not if that was not agreed on.
    let mut forgetful = server_with(&no_takeover(), Limits::default());
    assert_eq!(
        listen(&mut forgetful, [&wire[..]]),
        [Said::text("Hello"), Said::Failed(1007)]
    );
}

#[test]
fn rfc7692_7_2_3_3_a_block_without_compression() {
    check(
        &compressed(FIN | 1, b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
        &[Said::text("Hello")],
    );
}

#[test]
fn rfc7692_7_2_3_4_a_final_block_with_and_without_the_empty_one_after_it() {
    let hello = b"\xf3\x48\xcd\xc9\xc9\x07\x00";
    let with = [&hello[..], b"\x00"].concat();
    let wire = [
        compressed(FIN | 1, &with),
        compressed(FIN | 1, hello),
        compressed(FIN | 1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
        compressed(1, &with[..7]),
        masked(0, b""),
        masked(FIN, b"\x00"),
    ];
    check(&wire.concat(), &[(); 4].map(|()| Said::text("Hello")));
}

#[test]
fn rfc7692_7_2_3_5_two_blocks_in_one_message() {
    check(
        &compressed(
            FIN | 1,
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        ),
        &[Said::text("Hello")],
    );
}

#[test]
fn rfc7692_7_2_3_6_an_empty_message_is_one_octet() {
    let wire = [
        compressed(FIN | 1, b"\x00"),
        compressed(2, b""),
        masked(0, b"\x00"),
        masked(FIN, b""),
        masked(FIN | 1, b""),
    ];
    let expected = [Said::text(""), Said::Binary(Vec::new()), Said::text("")];
    check(&wire.concat(), &expected);

    let settings = Deflate::default()
        .with_threshold_bytes(0)
        .with_context_takeover(true);
    let pool = DeflatePool::default();
    let mut deflater = Deflater::new(Role::Server, &takeover(), &settings, &pool);
    let mut out = Vec::new();
    deflater.encode_message(&mut out, Message::Text(""), None);
    assert_eq!(out, [FIN | RSV1 | 1, 1, 0]);
}

#[test]
fn control_frames_between_the_fragments_of_a_compressed_message_are_not_inflated() {
    let wire = [
        compressed(1, b"\xf2\x48"),
        masked(FIN | 9, b"\xf2\x48\xcd"),
        masked(0, b"\xcd\xc9"),
        masked(FIN | 10, b"pong"),
        masked(FIN, b"\xc9\x07\x00"),
        masked(FIN | 8, &close_payload(1000, b"bye")),
    ];
    let expected = [
        Said::Ping(b"\xf2\x48\xcd".to_vec()),
        Said::Pong(b"pong".to_vec()),
        Said::text("Hello"),
        Said::close(1000, "bye"),
    ];
    check(&wire.concat(), &expected);
}

#[test]
fn what_cannot_be_inflated_fails_with_1007() {
    for bad in [
        &b"\xff\xff\xff"[..],                // a block of no kind
        b"\x00\x05\x00\x05\x00",             // a length that its complement contradicts
        b"\xf2\x00\x11\x00\x00",             // back to before the beginning
        b"\x00\x05\x00\xfa\xff\x48\x65\x6c", // cut in a block without compression
        b"\xf2\x48\xcd",                     // cut in a block with it
    ] {
        check(&compressed(FIN | 1, bad), &[Said::Failed(1007)]);
    }
}

#[test]
fn inflated_text_that_is_not_utf_8_fails_with_1007_before_its_message_ends() {
    // A block without compression: 0xC0 is in no UTF-8.
    let bad = b"\x00\x02\x00\xfd\xff\x41\xc0";
    check(&compressed(1, bad), &[Said::Failed(1007)]);
    check(&compressed(FIN | 1, bad), &[Said::Failed(1007)]);
    let wire = compressed(FIN | 2, &[&bad[..], b"\x00"].concat());
    check(&wire, &[Said::Binary(vec![0x41, 0xc0])]);
}

#[test]
fn a_message_at_the_limit_passes_and_one_byte_more_fails_with_1009() {
    const BYTES_MAX: usize = 100_000;
    let limits = Limits::default().with_message_bytes_max(BYTES_MAX);
    for (bytes, passes) in [(BYTES_MAX, true), (BYTES_MAX + 1, false)] {
        let text = "a".repeat(bytes);
        let payload = deflated(&text);
        let whole = compressed(FIN | 1, &payload);
        let (one, two) = payload.split_at(payload.len() / 2);
        let fragments = [compressed(1, one), masked(FIN, two)].concat();
        for wire in [whole, fragments] {
            let expected = if passes {
                Said::text(&text)
            } else {
                Said::Failed(1009)
            };
            for agreement in [takeover(), no_takeover()] {
                let mut server = server_with(&agreement, limits);
                assert!(listen(&mut server, [&wire[..]]) == [expected.clone()]);
                let mut server = server_with(&agreement, limits);
                assert!(listen(&mut server, wire.chunks(7)) == [expected.clone()]);
            }
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    // 16 MiB of zeros are some 16 KiB deflated.
    let bomb = deflated(&"\0".repeat(16 << 20));
    assert!(bomb.len() < 20_000);
    let limits = Limits::default().with_message_bytes_max(1 << 20);
    let result = server_with(&takeover(), limits)
        .receive(&mut compressed(FIN | 1, &bomb))
        .map(|_| ());
    assert_eq!(result, Err(Error::Limit(LimitFault::MessageBytes)));
}

#[test]
fn bytes_that_inflate_to_nothing_have_to_end_too() {
    const BYTES_MAX: usize = 10_000;
    let limits = Limits::default().with_message_bytes_max(BYTES_MAX);
    let nothing = b"\x00\x00\x00\xff\xff".repeat(1000);
    let mut server = server_with(&takeover(), limits);
    assert_eq!(
        listen(&mut server, [&compressed(2, &nothing)[..]]),
        [],
        "so far it is allowed"
    );
    let rest = [masked(0, &nothing), masked(0, &nothing)].concat();
    assert_eq!(listen(&mut server, [&rest[..]]), [Said::Failed(1009)]);
}

#[test]
fn incompressible_messages_at_the_limit_pass() {
    const BYTES_MAX: usize = 100_000;
    let mut noise = 1u64;
    let bytes: Vec<u8> = (0..BYTES_MAX)
        .map(|_| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise as u8
        })
        .collect();
    let settings = Deflate::default().with_context_takeover(true);
    let pool = DeflatePool::default();
    let mut deflater = Deflater::new(Role::Client, &takeover(), &settings, &pool);
    let mut wire = Vec::new();
    deflater.encode_message(&mut wire, Message::Binary(&bytes), Some(peer::KEY));
    assert_eq!(
        wire[0],
        FIN | RSV1 | 2,
        "a part of the history, so it is deflated"
    );
    assert!(wire.len() > BYTES_MAX);
    let limits = Limits::default().with_message_bytes_max(BYTES_MAX);
    let mut server = server_with(&takeover(), limits);
    assert!(listen(&mut server, [&wire[..]]) == [Said::Binary(bytes)]);
}

#[test]
fn what_does_not_shrink_or_is_short_is_sent_as_it_is() {
    let settings = Deflate::default().with_threshold_bytes(10);
    let pool = DeflatePool::default();
    let mut deflater = Deflater::new(Role::Server, &no_takeover(), &settings, &pool);
    for text in ["aaaaaaaaa", "0123456789"] {
        let mut out = Vec::new();
        deflater.encode_message(&mut out, Message::Text(text), None);
        assert_eq!(out, unmasked(FIN | 1, text.as_bytes()));
    }
    let mut out = Vec::new();
    deflater.encode_message(&mut out, Message::Text("aaaaaaaaaa"), None);
    assert_eq!(out[0], FIN | RSV1 | 1);
}

#[test]
fn both_ends_understand_each_other_in_every_mode() {
    let texts: Vec<String> = (0..20)
        .map(|i| format!("{{\"number\": {i}, \"text\": \"hello hello\"}}").repeat(i % 7 * 40))
        .collect();
    for keeps in [false, true] {
        for bits in [8, 9, 12, 15] {
            for level in [1, 6, 9] {
                let settings = Deflate::default()
                    .with_level(level)
                    .with_threshold_bytes(0)
                    .with_window_bits(bits)
                    .with_context_takeover(keeps);
                let agreement = if keeps { takeover() } else { no_takeover() };
                let pool = DeflatePool::default();
                let mut deflater = Deflater::new(Role::Client, &agreement, &settings, &pool);
                let mut wire = Vec::new();
                for text in &texts {
                    deflater.encode_message(&mut wire, Message::Text(text), Some(peer::KEY));
                }
                let mut server = server_with(&agreement, Limits::default());
                let said = listen(&mut server, wire.chunks(1000));
                let expected: Vec<_> = texts.iter().map(|text| Said::text(text)).collect();
                assert!(said == expected, "level {level}, {bits} bits");
            }
        }
    }
}
