//! Peers that do not read: what is kept for them is bounded, and nobody else feels it.

mod peer;
mod wire;

use std::time::Duration;

use peer::{FIN, masked, unmasked};
use squall_websocket::{CloseCode, Config, Message, Topics, frame_bytes};
use wire::{Script, config, ioloop, pass, turns};

const KIB: usize = 1024;

#[test]
fn who_does_not_take_answers_is_not_read_from() {
    let ioloop = ioloop();
    let (script, log, ws) = Script::serve(&ioloop, config());
    script.take(0);
    for _ in 0..100 {
        script.arrive(masked(FIN | 1, &[b'x'; 32 * KIB]));
    }
    turns(&ioloop, 200);
    assert!(ws.buffered_amount() > 64 * KIB && ws.buffered_amount() < 128 * KIB);
    for _ in 0..100 {
        script.take(KIB);
        turns(&ioloop, 5);
        assert!(ws.buffered_amount() > 63 * KIB && ws.buffered_amount() < 128 * KIB);
    }
    script.take(usize::MAX);
    turns(&ioloop, 200);
    assert_eq!(ws.buffered_amount(), 0);
    let echo = unmasked(FIN | 1, &[b'x'; 32 * KIB]);
    assert!(*script.written.borrow() == echo.repeat(100));
    log.expect(&["open"]);
}

#[test]
fn a_thousand_pings_of_a_peer_that_does_not_read_are_not_all_answered() {
    let ioloop = ioloop();
    let (script, _, ws) = Script::serve(&ioloop, config());
    script.take(0);
    for _ in 0..100 {
        script.arrive(masked(FIN | 9, &[b'p'; 125]).repeat(100));
    }
    turns(&ioloop, 500);
    assert!(ws.buffered_amount() < 65 * KIB);
}

#[test]
fn a_reader_that_is_too_slow_is_closed_with_1013_and_cut_off() {
    let ioloop = ioloop();
    let (script, log, ws) = Script::serve(&ioloop, config());
    script.take(0);
    let message = vec![7; 64 * KIB];
    let mut accepted = 0;
    while ws.write_message(&message).is_ok() {
        accepted += 1;
    }
    assert_eq!(
        accepted, 16,
        "1 MiB with the headers, and not a message more"
    );
    let held = ws.buffered_amount();
    assert!(ws.is_closing() && ws.write_message(&message).is_err());
    assert_eq!(ws.buffered_amount(), held);
    pass(&ioloop, 6);
    log.expect(&["open", "close"]);
    assert_eq!(ws.buffered_amount(), 0);
    assert!(script.written.borrow().is_empty());
}

#[test]
fn a_reader_that_is_only_late_gets_its_backlog_and_then_the_close() {
    let ioloop = ioloop();
    let (script, _, ws) = Script::serve(&ioloop, config());
    script.take(0);
    let message = vec![7; 600 * KIB];
    assert!(ws.write_message(&message).is_ok());
    assert!(ws.write_message(&message).is_ok());
    assert!(ws.write_message(&message).is_err());
    script.take(usize::MAX);
    turns(&ioloop, 5);
    let mut expected = unmasked(FIN | 2, &message).repeat(2);
    expected.extend_from_slice(b"\x88\x0a\x03\xf5too slow");
    assert!(*script.written.borrow() == expected);
    script.arrive(masked(FIN | 8, &1013_u16.to_be_bytes()));
    turns(&ioloop, 3);
    assert!(ws.is_closed());
}

#[test]
fn who_takes_what_is_written_may_get_more_than_the_limit_in_one_turn() {
    let ioloop = ioloop();
    let (script, _, ws) = Script::serve(&ioloop, config());
    for _ in 0..10 {
        ws.write_message(&vec![7; KIB * KIB]).unwrap();
    }
    turns(&ioloop, 2);
    assert!(script.written.borrow().len() > 10 * KIB * KIB);
}

#[test]
fn a_slow_subscriber_is_closed_and_leaves_the_topic_and_the_others_get_all() {
    let ioloop = ioloop();
    let (fast, _, fast_ws) = Script::serve(&ioloop, config());
    let (slow, _, slow_ws) = Script::serve(&ioloop, config());
    slow.take(0);
    for ws in [&fast_ws, &slow_ws] {
        assert!(ws.subscribe("news"));
    }
    let topics = Topics::of(&ioloop);
    let message = vec![7; 100 * KIB];
    for _ in 0..30 {
        topics.publish("news", &message);
        turns(&ioloop, 1);
    }
    assert!(slow_ws.is_closing() && !fast_ws.is_closing());
    assert!(slow_ws.buffered_amount() < 1100 * KIB + 200);
    assert_eq!(topics.subscriber_count("news"), 1);
    let frame = frame_bytes(Message::from(&message));
    assert!(*fast.written.borrow() == frame.repeat(30));
}

#[test]
fn a_writer_goes_at_its_peer_s_pace_if_it_waits() {
    let ioloop = ioloop();
    let (script, _, ws) = Script::serve(&ioloop, config());
    script.take(0);
    let writers: Vec<_> = (0..3)
        .map(|_| {
            let ws = ws.clone();
            ioloop.spawn(async move {
                for _ in 0..100 {
                    ws.send(&[7; 32 * KIB]).await.unwrap();
                    assert!(ws.buffered_amount() <= 64 * KIB);
                }
            })
        })
        .collect();
    let mut turn = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        script.take(10 * KIB);
        turns(&ioloop, 1);
        assert!(ws.buffered_amount() < 200 * KIB);
        turn += 1;
        assert!(turn < 5_000, "nobody waits for ever");
    }
}

#[test]
fn who_waits_for_a_peer_that_closes_is_told() {
    let ioloop = ioloop();
    let (script, _, ws) = Script::serve(&ioloop, config());
    script.take(0);
    let waiting = ioloop.spawn({
        let ws = ws.clone();
        async move { ws.send(&[7; 100 * KIB]).await }
    });
    turns(&ioloop, 2);
    assert!(!waiting.is_finished());
    ws.close(CloseCode::NORMAL, "");
    script.take(10);
    let result = ioloop.run_until(waiting).unwrap().unwrap();
    assert!(result.is_err());
}

#[test]
fn a_paused_peer_that_takes_nothing_between_two_deadlines_is_gone() {
    let ioloop = ioloop();
    let interval = Duration::from_secs(10);
    let config = Config::default().with_ping_interval(Some(interval));
    let (script, log, ws) = Script::serve(&ioloop, config);
    script.take(0);
    script.arrive(masked(FIN | 1, b"flood 500000"));
    for _ in 0..5 {
        pass(&ioloop, 9);
        script.take(10 * KIB);
    }
    log.expect(&["open"]);
    pass(&ioloop, 20);
    log.expect(&["open", "close"]);
    assert!(ws.is_closed());
}
