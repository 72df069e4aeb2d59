//! The same events come out however the input was cut: whole, byte by byte, at every position, and
//! at every pair of positions.

mod peer;

use peer::{FIN, Said, client, close_payload, listen, masked, server, unmasked};
use squall_websocket::Protocol;

/// A server hears `expected` in `wire` however it is cut.
fn check(wire: &[u8], expected: &[Said]) {
    check_with(server, wire, expected);
}

fn check_with(new: fn() -> Protocol, wire: &[u8], expected: &[Said]) {
    assert_eq!(listen(&mut new(), [wire]), expected, "whole");
    assert_eq!(listen(&mut new(), wire.chunks(1)), expected, "byte by byte");
    for first in 0..=wire.len() {
        let (one, rest) = wire.split_at(first);
        assert_eq!(listen(&mut new(), [one, rest]), expected, "cut at {first}");
        // Pairs of cuts cost the square of the length; short wires show all they can show.
        let step = if wire.len() < 100 {
            1
        } else {
            1 + rest.len() / 8
        };
        for second in (0..rest.len()).step_by(step) {
            let (two, three) = rest.split_at(second);
            let said = listen(&mut new(), [one, two, three]);
            assert_eq!(said, expected, "cut at {first} and {}", first + second);
        }
    }
}

#[test]
fn messages_of_every_kind_and_form_of_length() {
    check(
        &masked(FIN | 1, "héllo 🦀".as_bytes()),
        &[Said::text("héllo 🦀")],
    );
    check(
        &masked(FIN | 2, b"\x00\xff\xfe"),
        &[Said::Binary(vec![0x00, 0xff, 0xfe])],
    );
    check(&masked(FIN | 1, b""), &[Said::text("")]);
    check(&masked(FIN | 2, &[7; 300]), &[Said::Binary(vec![7; 300])]);
    check_with(client, &unmasked(FIN | 1, b"hello"), &[Said::text("hello")]);
}

#[test]
fn a_64_bit_length() {
    let payload: Vec<u8> = (0..70_000u32).map(|i| (i % 251) as u8).collect();
    let wire = masked(FIN | 2, &payload);
    let expected = [Said::Binary(payload)];
    for first in (0..20).chain(wire.len() - 5..wire.len()) {
        let (one, two) = wire.split_at(first);
        assert_eq!(
            listen(&mut server(), [one, two]),
            expected,
            "cut at {first}"
        );
    }
    for size in [1, 3, 4096, 65_536] {
        assert_eq!(
            listen(&mut server(), wire.chunks(size)),
            expected,
            "pieces of {size}"
        );
    }
}

#[test]
fn messages_one_after_the_other() {
    let wire = [
        masked(FIN | 1, b"one"),
        masked(FIN | 2, b"two"),
        masked(FIN | 1, b"three"),
    ];
    let expected = [
        Said::text("one"),
        Said::Binary(b"two".to_vec()),
        Said::text("three"),
    ];
    check(&wire.concat(), &expected);
}

#[test]
fn fragments_with_control_frames_between() {
    let wire = [
        masked(1, "κό".as_bytes()),
        masked(FIN | 9, b"are you there"),
        masked(0, &"σ".as_bytes()[..1]),
        masked(FIN | 10, b""),
        masked(FIN, &"σμε".as_bytes()[1..]),
        masked(FIN | 1, b"next"),
    ];
    let expected = [
        Said::Ping(b"are you there".to_vec()),
        Said::Pong(Vec::new()),
        Said::text("κόσμε"),
        Said::text("next"),
    ];
    check(&wire.concat(), &expected);
}

#[test]
fn a_close_and_what_is_not_heard_after_it() {
    let wire = [
        masked(FIN | 1, b"last"),
        masked(FIN | 8, &close_payload(1001, b"bye")),
        masked(FIN | 1, b"too late"),
    ];
    check(
        &wire.concat(),
        &[Said::text("last"), Said::close(1001, "bye")],
    );
    check(&masked(FIN | 8, b""), &[Said::Close(None)]);
}

#[test]
fn a_close_inside_a_fragmented_message() {
    let wire = [
        masked(1, b"never end"),
        masked(FIN | 8, b""),
        masked(FIN, b"ed"),
    ];
    check(&wire.concat(), &[Said::Close(None)]);
}

#[test]
fn failures() {
    let good = || masked(FIN | 1, b"good");
    for (bad, code) in [
        (masked(FIN | 0x20 | 1, b"rsv"), 1002),
        (masked(FIN | 5, b"opcode"), 1002),
        (unmasked(FIN | 1, b"unmasked"), 1002),
        (masked(FIN, b"orphan"), 1002),
        (masked(9, b"part"), 1002),
        (masked(FIN | 9, &[0; 126]), 1002),
        (vec![FIN | 2, 0xFE, 0, 125, 1, 2, 3, 4], 1002),
        (
            vec![FIN | 2, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 1, 2, 3, 4],
            1002,
        ),
        (
            vec![FIN | 2, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
            1002,
        ),
        (
            vec![FIN | 2, 0xFF, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4],
            1009,
        ),
        (masked(FIN | 8, b"x"), 1002),
        (masked(FIN | 8, &close_payload(1005, b"")), 1002),
        (masked(FIN | 8, &close_payload(1000, b"\xff")), 1007),
        (masked(FIN | 1, b"caf\xe9"), 1007),
        (masked(FIN | 1, b"\xed\xa0\x80"), 1007),
        (
            [masked(1, b"\xf0\x9f"), masked(FIN, b"\xa6")].concat(),
            1007,
        ),
        ([masked(1, b"a"), masked(FIN | 1, b"b")].concat(), 1002),
    ] {
        check(
            &[good(), bad].concat(),
            &[Said::text("good"), Said::Failed(code)],
        );
    }
}
