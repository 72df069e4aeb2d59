//! Deadlines, on virtual time: whom they end, and whom they leave alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use ends::{Script, TICK, pair, pattern, poll_once, settle, virtual_loop};
use squall_ioloop::{IoLoop, sleep};
use squall_iostream::{IoStream, StreamError};

fn assert_timed_out<T: std::fmt::Debug>(result: Result<T, StreamError>) {
    assert!(matches!(result, Err(StreamError::TimedOut)), "{result:?}");
}

/// Lets virtual time pass.
fn pass(ioloop: &IoLoop, time: Duration) {
    ioloop.run_until(sleep(time)).unwrap();
}

#[test]
fn a_read_that_waits_ends_at_the_deadline_and_the_stream_lives_on() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    peer.write(b"half").unwrap();
    let begun_at = ioloop.now();
    stream.set_deadline(Some(TICK * 30));
    assert_timed_out(ioloop.run_until(stream.read_bytes(8)).unwrap());
    assert_eq!(ioloop.now() - begun_at, TICK * 30);
    peer.write(b" and").unwrap();
    assert_eq!(
        ioloop.run_until(stream.read_bytes(8)).unwrap().unwrap(),
        b"half and"
    );
    stream.write(b"408").unwrap();
    ioloop.run_until(stream.drained(0)).unwrap().unwrap();
}

#[test]
fn a_wait_for_room_ends_at_the_deadline() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 0);
    stream.write(b"hello").unwrap();
    stream.set_deadline(Some(TICK));
    assert_timed_out(ioloop.run_until(stream.drained(0)).unwrap());
    stream.set_deadline(Some(TICK));
    assert_timed_out(ioloop.run_until(stream.shutdown_write()).unwrap());
    script.make_room(5);
    ioloop.run_until(stream.drained(0)).unwrap().unwrap();
}

#[test]
fn the_deadline_is_pushed_forward_and_taken_away() {
    let ioloop = virtual_loop();
    let (_peer, mut stream) = pair(&ioloop);
    stream.set_deadline(Some(TICK * 10));
    for _ in 0..5 {
        pass(&ioloop, TICK * 9);
        stream.set_deadline(Some(TICK * 10));
        assert!(poll_once(pin!(stream.read_bytes(1))).is_pending());
    }
    stream.set_deadline(None);
    pass(&ioloop, TICK * 1000);
    assert!(poll_once(pin!(stream.read_bytes(1))).is_pending());
    stream.set_deadline(Some(TICK * 10));
    stream.set_deadline(Some(TICK * 3));
    let begun_at = ioloop.now();
    assert_timed_out(ioloop.run_until(stream.read_bytes(1)).unwrap());
    assert_eq!(ioloop.now() - begun_at, TICK * 3);
}

#[test]
fn a_deadline_that_passes_while_nobody_waits_ends_the_next_wait_and_only_that() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    peer.write(b"abc").unwrap();
    stream.set_deadline(Some(TICK));
    pass(&ioloop, TICK * 2);
    // What is there is read, late as it is.
    assert_eq!(
        ioloop.run_until(stream.read_bytes(3)).unwrap().unwrap(),
        b"abc"
    );
    assert_timed_out(ioloop.run_until(stream.read_bytes(1)).unwrap());
    assert!(poll_once(pin!(stream.read_bytes(1))).is_pending());
}

#[test]
fn a_new_deadline_forgets_one_that_has_passed() {
    for next in [None, Some(TICK * 1000)] {
        let ioloop = virtual_loop();
        let (_peer, mut stream) = pair(&ioloop);
        stream.set_deadline(Some(TICK));
        pass(&ioloop, TICK * 2);
        stream.set_deadline(next);
        assert!(poll_once(pin!(stream.read_bytes(1))).is_pending());
    }
}

#[test]
fn input_that_comes_with_the_deadline_is_read() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    ioloop.call_later(TICK * 5, move || {
        peer.write(b"just in time").unwrap();
        std::mem::forget(peer);
    });
    let mut reading = pin!(stream.read_bytes(12));
    assert!(poll_once(reading.as_mut()).is_pending());
    pass(&ioloop, TICK * 5);
    settle(&ioloop);
    assert!(matches!(poll_once(reading), Poll::Ready(Ok(_))));
}

#[test]
fn a_deadline_of_nothing_passes_in_the_next_turn() {
    let ioloop = virtual_loop();
    let (_peer, mut stream) = pair(&ioloop);
    let begun_at = ioloop.now();
    stream.set_deadline(Some(Duration::ZERO));
    assert_timed_out(ioloop.run_until(stream.read_bytes(1)).unwrap());
    assert_eq!(ioloop.now(), begun_at);
}

#[test]
fn an_enormous_deadline_never_comes() {
    let ioloop = virtual_loop();
    let (_peer, mut stream) = pair(&ioloop);
    stream.set_deadline(Some(Duration::MAX));
    pass(&ioloop, Duration::from_secs(1_000_000_000));
    assert!(poll_once(pin!(stream.read_bytes(1))).is_pending());
}

#[test]
fn of_a_reader_and_a_writer_that_wait_the_deadline_ends_one() {
    let ioloop = virtual_loop();
    let (_script, mut stream) = Script::stream(&ioloop, 0);
    stream.write(b"unsent").unwrap();
    let handle = stream.handle();
    let ended = Rc::new(RefCell::new(Vec::new()));
    let (inner, writer) = (ended.clone(), stream.handle());
    ioloop.spawn_detached(async move {
        assert_timed_out(writer.drained(0).await);
        inner.borrow_mut().push("writer");
    });
    let inner = ended.clone();
    ioloop.spawn_detached(async move {
        assert_timed_out(stream.read_bytes(1).await);
        inner.borrow_mut().push("reader");
        std::future::pending::<()>().await; // the stream stays open
    });
    handle.set_deadline(Some(TICK));
    pass(&ioloop, TICK * 10);
    assert_eq!(ended.borrow().len(), 1);
    handle.set_deadline(Some(TICK));
    pass(&ioloop, TICK * 10);
    ended.borrow_mut().sort_unstable();
    assert_eq!(*ended.borrow(), ["reader", "writer"]);
}

#[test]
fn a_peer_that_drips_does_not_move_the_deadline() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    let dripping = ioloop.spawn(ends::send_parts(
        peer,
        pattern(1_000).chunks(1).map(<[u8]>::to_vec).collect(),
    ));
    let begun_at = ioloop.now();
    stream.set_deadline(Some(TICK * 100));
    assert_timed_out(
        ioloop
            .run_until(stream.read_until(b"never", 10_000))
            .unwrap(),
    );
    assert_eq!(ioloop.now() - begun_at, TICK * 100);
    assert!(stream.unread_len() >= 99);
    drop(dripping);
}

#[test]
fn giving_a_connect_up_closes_its_socket() {
    let ioloop = IoLoop::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    {
        let mut connecting = pin!(IoStream::connect(&ioloop, address));
        assert!(poll_once(connecting.as_mut()).is_pending());
    }
    let (mut accepted, _) = listener.accept().unwrap();
    let mut buffer = [0; 1];
    assert_eq!(std::io::Read::read(&mut accepted, &mut buffer).unwrap(), 0);
}
