//! A connection while it is open: messages, batches, fairness, handlers that fail, pings.

mod peer;
mod wire;

use peer::{FIN, masked, unmasked};
use squall_iostream::memory;
use squall_websocket::{Config, Message, frame_bytes};
use std::time::Duration;
use wire::{Script, Served, config, ioloop, pass, turns};

#[test]
fn a_message_is_echoed() {
    let ioloop = ioloop();
    let mut peer = Served::new(&ioloop, config());
    peer.say("hi");
    peer.expect(&ioloop, b"\x81\x02hi");
    peer.send(&masked(FIN | 2, &[1, 2, 3]));
    peer.expect(&ioloop, b"\x82\x03\x01\x02\x03");
    peer.say("");
    peer.expect(&ioloop, b"\x81\x00");
}

#[test]
fn the_answers_to_one_read_leave_in_one_write() {
    let ioloop = ioloop();
    let (script, _, _) = Script::serve(&ioloop, config());
    let batch = masked(FIN | 1, &[b'x'; 64]).repeat(16);
    for round in 1..=10 {
        script.arrive(batch.clone());
        turns(&ioloop, 3);
        assert_eq!(script.writes.get(), round);
    }
    assert_eq!(
        *script.written.borrow(),
        unmasked(FIN | 1, &[b'x'; 64]).repeat(160)
    );
}

#[test]
fn writes_from_elsewhere_in_one_turn_leave_in_one_write() {
    let ioloop = ioloop();
    let (script, _, ws) = Script::serve(&ioloop, config());
    ioloop.add_callback(move || {
        ws.write_message("one").unwrap();
        ws.write_message(&[2]).unwrap();
        ws.write_prepared(frame_bytes(Message::Text("three")))
            .unwrap();
        ws.ping(b"four").unwrap();
    });
    turns(&ioloop, 1);
    assert_eq!(script.writes.get(), 1);
    assert_eq!(
        *script.written.borrow(),
        b"\x81\x03one\x82\x01\x02\x81\x05three\x89\x04four"
    );
}

#[test]
fn shared_bytes_are_a_message_of_any_length() {
    let ioloop = ioloop();
    let (script, _, ws) = Script::serve(&ioloop, config());
    let mut expected = Vec::new();
    for length in [0, 1, 125, 126, 65_535, 65_536, 200_000] {
        let payload = vec![7; length];
        expected.extend(unmasked(FIN | 2, &payload));
        ws.write_bytes(payload.into()).unwrap();
        turns(&ioloop, 2);
    }
    assert!(*script.written.borrow() == expected);
}

#[test]
fn bytes_may_come_one_by_one() {
    let ioloop = ioloop();
    let options = memory::Options {
        read_bytes_max: 1,
        ..memory::Options::default()
    };
    let mut peer = Served::with(&ioloop, config(), options);
    for _ in 0..3 {
        peer.say("one by one");
        peer.send(&masked(FIN | 9, b"p"));
    }
    for _ in 0..3 {
        peer.expect(&ioloop, b"\x81\x0aone by one\x8a\x01p");
    }
    peer.log.expect(&["open", "ping p", "ping p", "ping p"]);
}

#[test]
fn a_ping_between_fragments_is_answered_at_once() {
    let ioloop = ioloop();
    let mut peer = Served::new(&ioloop, config());
    peer.send(&masked(1, b"hel"));
    peer.send(&masked(FIN | 9, b"p"));
    peer.expect(&ioloop, b"\x8a\x01p");
    peer.send(&masked(FIN, b"lo"));
    peer.expect(&ioloop, b"\x81\x05hello");
    peer.send(&masked(FIN | 10, b"unasked"));
    turns(&ioloop, 3);
    peer.log.expect(&["open", "ping p", "pong unasked"]);
}

#[test]
fn a_message_larger_than_any_buffer_is_echoed() {
    let ioloop = ioloop();
    let mut peer = Served::new(&ioloop, config());
    let large = vec![b'x'; 3 << 20];
    let writer = peer.stream.handle();
    writer.write(&masked(FIN | 1, &large)).unwrap();
    peer.expect(&ioloop, &unmasked(FIN | 1, &large));
    peer.say("hi");
    peer.expect(&ioloop, b"\x81\x02hi");
}

#[test]
fn a_flood_of_tiny_frames_starves_nobody() {
    let ioloop = ioloop();
    let (script, _, _) = Script::serve(&ioloop, config());
    let (other, _, _) = Script::serve(&ioloop, config());
    let frames = 5_000;
    script.arrive(masked(FIN | 1, b"x").repeat(frames));
    other.arrive(masked(FIN | 1, b"hi"));
    let mut turn = 0;
    let answered = |script: &Script| script.written.borrow().len() / 3;
    while answered(&script) < frames {
        let before = answered(&script);
        turns(&ioloop, 1);
        turn += 1;
        assert!(answered(&script) - before <= 256);
        assert!(turn < 3 || *other.written.borrow() == b"\x81\x02hi"[..]);
    }
    assert_eq!(script.writes.get(), frames.div_ceil(256));
}

#[test]
fn a_thousand_pings_get_a_thousand_pongs_in_order() {
    let ioloop = ioloop();
    let mut peer = Served::new(&ioloop, config());
    let number = |i: u32| i.to_be_bytes();
    let pings: Vec<u8> = (0..1000)
        .flat_map(|i| masked(FIN | 9, &number(i)))
        .collect();
    let pongs: Vec<u8> = (0..1000)
        .flat_map(|i| unmasked(FIN | 10, &number(i)))
        .collect();
    peer.send(&pings);
    peer.expect(&ioloop, &pongs);
}

#[test]
fn a_handler_that_panics_or_fails_costs_its_own_connection() {
    for order in ["panic", "fail"] {
        let ioloop = ioloop();
        let mut peer = Served::new(&ioloop, config());
        let mut other = Served::new(&ioloop, config());
        peer.say("before");
        peer.say(order);
        peer.say("note never");
        peer.expect(&ioloop, b"\x81\x06before\x88\x02\x03\xf3");
        peer.close(1011, "");
        peer.expect_last(&ioloop, b"");
        peer.log.expect(&["open", "close 1011 "]);
        other.say("hi");
        other.expect(&ioloop, b"\x81\x02hi");
    }
}

#[test]
fn a_write_that_comes_too_late_is_no_failure_of_the_handler() {
    let ioloop = ioloop();
    let mut peer = Served::new(&ioloop, config());
    peer.say("close");
    peer.say("this echo cannot be sent");
    peer.say("note still heard");
    peer.expect(&ioloop, b"\x88\x02\x0f\xa0");
    peer.close(4000, "");
    peer.expect_last(&ioloop, b"");
    peer.log.expect(&["open", "still heard", "close 4000 "]);
}

#[test]
fn silence_is_pinged_and_any_sign_of_life_will_do() {
    let ioloop = ioloop();
    let config = Config::default()
        .with_ping_interval(Some(Duration::from_secs(10)))
        .with_ping_timeout(Duration::from_secs(4));
    let mut peer = Served::new(&ioloop, config);
    let start = ioloop.now();
    let elapsed = |ioloop: &squall_ioloop::IoLoop| (ioloop.now() - start).as_secs();
    peer.expect(&ioloop, b"\x89\x00");
    assert_eq!(elapsed(&ioloop), 10);
    peer.say("hi");
    peer.expect(&ioloop, b"\x81\x02hi\x89\x00");
    assert_eq!(elapsed(&ioloop), 20);
    // Nothing is answered any more.
    peer.expect(&ioloop, b"\x88\x10\x03\xf3ping timed out");
    assert_eq!(elapsed(&ioloop), 24);
    peer.expect_last(&ioloop, b"");
    assert_eq!(elapsed(&ioloop), 29);
    peer.log.expect(&["open", "close"]);
}

#[test]
fn a_dropped_connection_ends_its_conversation() {
    let ioloop = ioloop();
    let peer = Served::new(&ioloop, config());
    drop(ioloop);
    peer.log.expect(&["open", "close"]);
    assert!(peer.ws.is_closed());
}

#[test]
fn any_number_of_tasks_may_wait_for_the_end() {
    let ioloop = ioloop();
    let peer = Served::new(&ioloop, config());
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let ws = peer.ws.clone();
            ioloop.spawn(async move { ws.closed().await })
        })
        .collect();
    turns(&ioloop, 2);
    assert!(waiting.iter().all(|task| !task.is_finished()));
    peer.close(1000, "");
    pass(&ioloop, 1);
    assert!(waiting.iter().all(|task| task.is_finished()));
}

#[test]
fn a_drain_that_comes_while_a_ping_waits_does_not_give_the_peer_more_time() {
    let ioloop = ioloop();
    let config = Config::default()
        .with_ping_interval(Some(Duration::from_secs(10)))
        .with_ping_timeout(Duration::from_secs(4));
    let mut peer = Served::new(&ioloop, config);
    let start = ioloop.now();
    peer.expect(&ioloop, b"\x89\x00");
    peer.ws.drain();
    peer.ws.drain();
    peer.expect_last(&ioloop, b"\x88\x02\x03\xe9");
    // The time of a closing handshake, and that of the end of TCP.
    assert!((ioloop.now() - start).as_secs() <= 20);
    peer.log.expect(&["open", "close"]);
}

#[test]
fn a_drain_reaches_a_peer_that_does_not_take_its_answers() {
    let ioloop = ioloop();
    let (script, log, ws) = Script::serve(&ioloop, config());
    script.take(0);
    script.arrive(masked(FIN | 1, b"flood 500000"));
    turns(&ioloop, 3);
    ws.drain();
    turns(&ioloop, 3);
    assert!(ws.is_closing() && !ws.is_closed());
    script.take(usize::MAX);
    turns(&ioloop, 3);
    assert!(script.written.borrow().ends_with(b"\x88\x02\x03\xe9"));
    script.arrive(masked(FIN | 8, b"\x03\xe9"));
    turns(&ioloop, 3);
    log.expect(&["open", "close 1001 "]);
}
