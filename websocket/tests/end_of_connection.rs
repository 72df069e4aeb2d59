//! How a connection ends: the closing handshake both ways (RFC 6455 §7), its deadline, broken
//! protocols, peers that vanish. Whatever happens, `on_close` is called once.

#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod peer;
mod wire;

use peer::{FIN, close_payload, header, masked, unmasked};
use squall_iostream::memory;
use squall_websocket::{CloseCode, Limits};
use std::io;
use wire::{Served, config, ioloop, pass, turns};

#[test]
fn rfc6455_5_5_1_the_code_of_the_peer_s_close_is_repeated_and_tcp_closed() {
    for (payload, answer, noted) in [
        (vec![], &b"\x88\x00"[..], "close"),
        (close_payload(1000, b""), b"\x88\x02\x03\xe8", "close 1000 "),
        (
            close_payload(4999, b"bye"),
            b"\x88\x02\x13\x87",
            "close 4999 bye",
        ),
    ] {
        let ioloop = ioloop();
        let mut peer = Served::new(&ioloop, config());
        peer.say("hi");
        peer.send(&masked(FIN | 8, &payload));
        peer.say("note after the end");
        peer.expect_last(&ioloop, &[b"\x81\x02hi", answer].concat());
        peer.log.expect(&["open", noted]);
    }
}

#[test]
fn our_close_is_sent_once_and_answered() {
    let ioloop = ioloop();
    let mut peer = Served::new(&ioloop, config());
    peer.ws.write_message("last").unwrap();
    peer.ws.close(CloseCode::NORMAL, "enough");
    peer.ws.close(CloseCode::GOING_AWAY, "never sent");
    assert!(peer.ws.is_closing() && !peer.ws.is_closed());
    assert!(peer.ws.write_message("too late").is_err());
    assert!(peer.ws.ping(b"").is_err());
    peer.expect(&ioloop, b"\x81\x04last\x88\x08\x03\xe8enough");
    peer.log.expect(&["open"]);
    peer.close(1000, "enough");
    peer.expect_last(&ioloop, b"");
    peer.log.expect(&["open", "close 1000 enough"]);
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let ioloop = ioloop();
    let mut peer = Served::new(&ioloop, config());
    peer.ws.close(CloseCode::NORMAL, &"€".repeat(100));
    let reason = "€".repeat(41);
    peer.expect(
        &ioloop,
        &unmasked(FIN | 8, &close_payload(1000, reason.as_bytes())),
    );
}

#[test]
fn both_may_close_at_once() {
    let ioloop = ioloop();
    let mut peer = Served::new(&ioloop, config());
    peer.close(1001, "");
    peer.ws.close(CloseCode::NORMAL, "");
    peer.expect_last(&ioloop, b"\x88\x02\x03\xe8");
    peer.log.expect(&["open", "close 1001 "]);
}

#[test]
fn who_does_not_answer_a_close_is_cut_off_after_five_seconds() {
    let ioloop = ioloop();
    let mut peer = Served::new(&ioloop, config());
    let start = ioloop.now();
    peer.ws.go_away();
    peer.expect(&ioloop, b"\x88\x02\x03\xe9");
    // Neither frames nor parts of frames buy time.
    for _ in 0..4 {
        pass(&ioloop, 1);
        peer.say("note heard");
        turns(&ioloop, 3);
    }
    peer.expect_last(&ioloop, b"");
    assert_eq!((ioloop.now() - start).as_secs(), 5);
    turns(&ioloop, 2);
    peer.log
        .expect(&["open", "heard", "heard", "heard", "heard", "close"]);
    assert!(peer.is_done());
}

#[test]
fn who_does_not_close_tcp_after_the_handshake_is_cut_off_after_five_seconds() {
    let ioloop = ioloop();
    let peer = Served::new(&ioloop, config());
    peer.close(1000, "");
    pass(&ioloop, 4);
    peer.log.expect(&["open", "close 1000 "]);
    assert!(!peer.is_done());
    pass(&ioloop, 2);
    assert!(peer.is_done());
}

#[test]
fn a_server_that_goes_down_says_1001() {
    let ioloop = ioloop();
    let mut peer = Served::new(&ioloop, config());
    peer.ws.go_away();
    peer.ws.go_away();
    peer.expect(&ioloop, b"\x88\x02\x03\xe9");
    peer.close(1001, "");
    peer.expect_last(&ioloop, b"");
}

/// After a good message comes this, and is answered with a Close of this code; `on_close` is told
/// of no code.
#[track_caller]
fn check_broken(wire: &[u8], code: u16) {
    let ioloop = ioloop();
    let config = config().with_limits(Limits::default().with_message_bytes_max(1000));
    let mut peer = Served::new(&ioloop, config);
    let mut all = masked(FIN | 1, b"first");
    all.extend_from_slice(wire);
    all.extend_from_slice(&masked(FIN | 1, b"note after the end"));
    peer.send(&all);
    peer.expect(&ioloop, b"\x81\x05first\x88");
    let came = ioloop
        .run_until(peer.stream.read_until_close(1000))
        .unwrap();
    let came = came.unwrap();
    assert_eq!(came[1..3], code.to_be_bytes(), "{}", wire.escape_ascii());
    assert_eq!(
        usize::from(came[0]),
        came.len() - 1,
        "nothing follows the Close"
    );
    peer.log.expect(&["open", "close"]);
}

#[test]
fn rfc6455_7_1_7_a_broken_protocol_is_answered_with_its_code_behind_all_answers() {
    check_broken(&unmasked(FIN | 1, b"hi"), 1002);
    check_broken(&masked(FIN | 0x40 | 1, b"hi"), 1002);
    check_broken(&masked(FIN | 3, b""), 1002);
    check_broken(&masked(FIN | 11, b""), 1002);
    check_broken(&masked(9, b""), 1002);
    check_broken(&masked(FIN, b"continues nothing"), 1002);
    check_broken(&[masked(1, b"a"), masked(FIN | 1, b"b")].concat(), 1002);
    check_broken(&masked(FIN | 8, b"x"), 1002);
    check_broken(&masked(FIN | 8, &close_payload(1005, b"")), 1002);
    check_broken(&masked(FIN | 8, &close_payload(1000, b"\xff")), 1007);
    check_broken(&masked(FIN | 1, b"\xff"), 1007);
    check_broken(&masked(1, b"\xed\xa0"), 1007);
    check_broken(&header(FIN | 1, 0x80, 1001), 1009);
    check_broken(&masked(FIN | 1, &[b'x'; 1001]), 1009);
    check_broken(&[FIN | 9, 0x80 | 126, 0, 126], 1002);
    check_broken(&[FIN | 1, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002);
}

#[test]
fn a_peer_that_breaks_the_protocol_while_it_sends_a_lot_can_read_why() {
    let ioloop = ioloop();
    let config = config().with_limits(Limits::default().with_message_bytes_max(1000));
    let mut peer = Served::new(&ioloop, config);
    peer.send(&masked(FIN | 2, &vec![0; 900_000]));
    peer.expect_last(&ioloop, b"\x88\x11\x03\xf1message too big");
}

#[test]
fn a_peer_that_vanishes_in_the_middle_of_a_message_has_no_code() {
    let ioloop = ioloop();
    let mut peer = Served::new(&ioloop, config());
    peer.say("hi");
    peer.send(&masked(FIN | 1, b"cut off")[..8]);
    ioloop
        .run_until(peer.stream.shutdown_write())
        .unwrap()
        .unwrap();
    // Its side only: what was due is sent.
    peer.expect_last(&ioloop, b"\x81\x02hi");
    peer.log.expect(&["open", "close"]);
}

#[test]
fn a_reset_ends_the_conversation_once() {
    let ioloop = ioloop();
    let options = memory::Options {
        read_fault: Some((10, io::ErrorKind::ConnectionReset)),
        ..memory::Options::default()
    };
    let peer = Served::with(&ioloop, config(), options);
    peer.say("more than ten bytes");
    turns(&ioloop, 5);
    peer.log.expect(&["open", "close"]);
    assert!(peer.is_done() && peer.ws.is_closed());
}

#[test]
fn a_peer_whose_stream_fails_on_a_write_ends_the_conversation_once() {
    let ioloop = ioloop();
    let options = memory::Options {
        write_fault: Some((20, io::ErrorKind::BrokenPipe)),
        ..memory::Options::default()
    };
    let peer = Served::with(&ioloop, config(), options);
    for _ in 0..3 {
        if peer.ws.write_message("ten bytes.").is_ok() {
            turns(&ioloop, 3);
        }
    }
    peer.log.expect(&["open", "close"]);
    assert!(peer.is_done());
}

#[test]
fn an_abort_ends_the_conversation_at_once() {
    let ioloop = ioloop();
    let mut peer = Served::new(&ioloop, config());
    peer.say("abort");
    peer.say("never");
    peer.expect_last(&ioloop, b"");
    peer.log.expect(&["open", "close"]);
    assert!(peer.is_done());
}
