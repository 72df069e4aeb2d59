//! Ends: by us, by the peer, by the loop; who is told, and when.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use ends::{Call, Count, Script, TICK, kind_of, pair, pattern, poll_once, settle, virtual_loop};
use squall_ioloop::{IoLoop, Ready};
use squall_iostream::memory::{self, Options};
use squall_iostream::{IoStream, StreamError, StreamHandle};

/// Expects whoever waits for the end of the stream to be told by `end`, once, and not before.
fn check_told(end: impl FnOnce(&Script, &StreamHandle)) {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 0);
    let log: Rc<RefCell<Vec<&str>>> = Rc::default();
    let (inner, handle) = (log.clone(), stream.handle());
    ioloop.spawn_detached(async move {
        handle.closed().await;
        inner.borrow_mut().push("future");
    });
    let inner = log.clone();
    stream.on_close(move || inner.borrow_mut().push("callback"));
    settle(&ioloop);
    assert!(!stream.is_closing());
    assert!(log.borrow().is_empty());
    end(&script, &stream);
    settle(&ioloop);
    assert!(stream.is_closing());
    let mut told = log.take();
    told.sort_unstable();
    assert_eq!(told, ["callback", "future"]);
    // Too late to be told in time, but told.
    let inner = log.clone();
    stream.on_close(move || inner.borrow_mut().push("late"));
    assert!(log.borrow().is_empty(), "in a later turn");
    assert!(poll_once(pin!(stream.closed())).is_ready());
    stream.close();
    settle(&ioloop);
    assert_eq!(log.take(), ["late"]);
}

#[test]
fn who_waits_is_told_when_the_peer_sends_no_more() {
    check_told(|script, _| script.tell(Ready::READ_CLOSED));
}

#[test]
fn who_waits_is_told_of_a_failure() {
    check_told(|script, _| script.tell(Ready::ERROR));
}

#[test]
fn who_waits_is_told_when_we_close() {
    check_told(|_, stream| stream.close());
}

#[test]
fn who_waits_is_told_when_a_write_fails() {
    check_told(|script, stream| {
        script.fail(io::ErrorKind::BrokenPipe);
        stream.write(b"hello").unwrap();
    });
}

#[test]
fn who_waits_is_told_of_an_end_that_only_a_read_finds() {
    let ioloop = virtual_loop();
    let (script, mut stream) = Script::stream(&ioloop, 0);
    let is_told = Rc::new(Cell::new(false));
    let inner = is_told.clone();
    stream.on_close(move || inner.set(true));
    script.end_quietly();
    script.tell(Ready::READABLE);
    let end = ioloop.run_until(stream.read_bytes(1)).unwrap();
    assert!(matches!(end, Err(StreamError::Closed(_))));
    settle(&ioloop);
    assert!(is_told.get());
}

#[test]
fn a_wait_for_the_end_that_is_given_up_leaves_nothing_behind() {
    let ioloop = virtual_loop();
    let (_peer, stream) = pair(&ioloop);
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    {
        let mut stays = pin!(stream.closed());
        for _ in 0..10 {
            let mut gives_up = pin!(stream.closed());
            for _ in 0..2 {
                let mut context = Context::from_waker(&waker);
                assert!(stays.as_mut().poll(&mut context).is_pending());
                assert!(gives_up.as_mut().poll(&mut context).is_pending());
            }
        }
        assert_eq!(Arc::strong_count(&count), 3);
        stream.close();
        assert_eq!(count.wakes(), 1);
    }
    assert_eq!(Arc::strong_count(&count), 2);
}

// ---- the end of input

#[test]
fn the_end_is_found_together_with_input_or_after_it() {
    for is_announced in [false, true] {
        let ioloop = virtual_loop();
        let (script, mut stream) = Script::stream(&ioloop, 0);
        script.arrive_quietly(b"last");
        script.end_quietly();
        script.tell(Ready::READABLE);
        if is_announced {
            script.tell(Ready::READ_CLOSED);
        }
        assert_eq!(
            ioloop.run_until(stream.read_bytes(4)).unwrap().unwrap(),
            b"last"
        );
        if !is_announced {
            // A short read has drained it; the end is news, as a socket's would be.
            script.tell(Ready::READABLE | Ready::READ_CLOSED);
        }
        for _ in 0..3 {
            let end = ioloop.run_until(stream.read_bytes(1)).unwrap();
            assert!(
                matches!(end, Err(StreamError::Closed(_))),
                "again and again"
            );
        }
    }
}

#[test]
fn a_transport_that_has_announced_an_end_and_then_blocks_is_waited_for() {
    let ioloop = virtual_loop();
    let (script, mut stream) = Script::stream(&ioloop, 0);
    script.tell(Ready::READ_CLOSED);
    settle(&ioloop);
    assert!(poll_once(pin!(stream.read_bytes(1))).is_pending());
    assert_eq!(script.calls(), [Call::Read]);
    script.end_quietly();
    script.tell(Ready::READABLE);
    assert!(ioloop.run_until(stream.read_bytes(1)).unwrap().is_err());
}

#[test]
fn after_the_peers_end_we_can_still_answer() {
    let ioloop = virtual_loop();
    let (mut ours, mut theirs) = pair(&ioloop);
    let answer = ioloop.run_until(async {
        theirs.write(b"question")?;
        theirs.shutdown_write().await?;
        let question = ours.read_until_close(100).await?;
        ours.closed().await;
        assert!(ours.is_closing() && !ours.is_closed());
        ours.write(&question)?;
        ours.shutdown_write().await?;
        theirs.read_until_close(100).await
    });
    assert_eq!(answer.unwrap().unwrap(), b"question");
}

#[test]
fn what_arrived_before_we_closed_can_still_be_read() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    peer.write(b"abcd").unwrap();
    assert_eq!(
        ioloop.run_until(stream.read_bytes(1)).unwrap().unwrap(),
        b"a"
    );
    stream.close();
    assert_eq!(
        ioloop.run_until(stream.read_bytes(1)).unwrap().unwrap(),
        b"b"
    );
    assert_eq!(
        ioloop
            .run_until(stream.read_until_close(9))
            .unwrap()
            .unwrap(),
        b"cd"
    );
    let end = ioloop.run_until(stream.read_bytes(1)).unwrap();
    assert!(matches!(end, Err(StreamError::Closed(closed)) if closed.cause().is_none()));
}

#[test]
fn a_peer_can_tell_an_abort_from_an_end() {
    let ioloop = virtual_loop();
    let (ours, mut theirs) = pair(&ioloop);
    ours.write(b"half an answer").unwrap();
    ours.flush();
    ours.abort();
    assert!(ours.is_closed());
    let end = ioloop.run_until(theirs.read_until_close(100)).unwrap();
    let Err(StreamError::Closed(closed)) = end else {
        panic!("it is no end: {end:?}")
    };
    assert_eq!(kind_of(&closed), Some(io::ErrorKind::ConnectionReset));
    assert_eq!(theirs.unread_len(), 14);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut theirs = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let ours = IoStream::from_tcp(&ioloop, listener.accept().unwrap().0).unwrap();
    ours.abort();
    let end = theirs.read(&mut [0; 1]).unwrap_err();
    assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
}

// ---- closing while others wait

#[test]
fn closing_ends_the_reader_and_all_writers_that_wait() {
    let ioloop = virtual_loop();
    let (_script, mut stream) = Script::stream(&ioloop, 0);
    let handle = stream.handle();
    handle.write(b"unsent").unwrap();
    let ends = Rc::new(Cell::new(0));
    for _ in 0..2 {
        let (handle, ends) = (stream.handle(), ends.clone());
        ioloop.spawn_detached(async move {
            assert!(matches!(
                handle.drained(0).await,
                Err(StreamError::Closed(_))
            ));
            ends.set(ends.get() + 1);
        });
    }
    let inner = ends.clone();
    ioloop.spawn_detached(async move {
        let read = stream.read_bytes(1).await;
        assert!(matches!(read, Err(StreamError::Closed(_))));
        inner.set(inner.get() + 1);
    });
    settle(&ioloop);
    assert_eq!(ends.get(), 0);
    handle.close();
    settle(&ioloop);
    assert_eq!(ends.get(), 3);
}

#[test]
fn a_read_whose_flush_fails_ends() {
    let ioloop = virtual_loop();
    let (script, mut stream) = Script::stream(&ioloop, 0);
    stream.write_with(|out| out.push(b'x')).unwrap();
    script.fail(io::ErrorKind::BrokenPipe);
    let Err(StreamError::Closed(closed)) = ioloop.run_until(stream.read_bytes(1)).unwrap() else {
        panic!("it is closed")
    };
    assert_eq!(kind_of(&closed), Some(io::ErrorKind::BrokenPipe));
}

#[test]
fn dropping_the_stream_closes_it_for_its_handles() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 100);
    let handle = stream.handle();
    handle.set_deadline(Some(TICK));
    drop(stream);
    assert!(handle.is_closed());
    assert!(handle.write(b"late").is_err());
    handle.set_deadline(Some(TICK));
    handle.close();
    settle(&ioloop);
    assert_eq!(script.calls(), [Call::Close]);
}

#[test]
fn a_close_callback_may_use_its_stream() {
    let ioloop = virtual_loop();
    let (mut peer, stream) = pair(&ioloop);
    let (handle, is_told) = (stream.handle(), Rc::new(Cell::new(false)));
    let inner = is_told.clone();
    stream.on_close(move || {
        handle.write(b"bye").unwrap();
        handle.flush();
        let again = handle.clone();
        handle.on_close(move || inner.set(again.is_closed()));
        handle.close();
    });
    let bye = ioloop.run_until(async {
        peer.shutdown_write().await?;
        peer.read_until_close(100).await
    });
    assert_eq!(bye.unwrap().unwrap(), b"bye");
    settle(&ioloop);
    assert!(is_told.get());
}

#[test]
fn a_step_may_write_to_its_stream_and_close_it() {
    let ioloop = virtual_loop();
    let (mut peer, mut stream) = pair(&ioloop);
    peer.write(b"hello").unwrap();
    let handle = stream.handle();
    let read = ioloop.run_until(stream.decode(|unread| {
        handle.write(unread).unwrap();
        handle.flush();
        handle.close();
        Ok::<_, StreamError>(squall_iostream::Step::<()>::More(1))
    }));
    assert!(matches!(read.unwrap(), Err(StreamError::Closed(_))));
    assert_eq!(stream.unread_len(), 4);
    assert_eq!(
        ioloop.run_until(peer.read_until_close(9)).unwrap().unwrap(),
        b"hello"
    );
}

// ---- the loop's end

#[test]
fn streams_and_handles_that_outlive_their_loop_are_harmless() {
    let ioloop = virtual_loop();
    let (script, mut stream) = Script::stream(&ioloop, 100);
    let handle = stream.handle();
    let in_a_task = {
        let (_, stream) = Script::stream(&ioloop, 100);
        let handle = stream.handle();
        ioloop.spawn_detached(async move {
            stream.closed().await;
        });
        handle
    };
    settle(&ioloop);
    drop(ioloop);
    assert!(in_a_task.is_closed());
    handle.write(b"hello").unwrap();
    handle.flush();
    assert_eq!(script.output(), b"hello");
    assert!(poll_once(pin!(stream.read_bytes(1))).is_pending());
    assert!(poll_once(pin!(handle.closed())).is_pending());
    drop(stream);
    assert!(handle.is_closed());
    assert!(handle.write(b"late").is_err());
    let other = IoLoop::new().unwrap();
    let ioloop = other.handle().clone();
    drop(other);
    assert!(IoStream::new(&ioloop, Script::default()).is_err());
}

// ---- linger

#[test]
fn linger_throws_input_away_until_the_peer_closes() {
    let ioloop = virtual_loop();
    let (mut peer, stream) = pair(&ioloop);
    stream.write(b"413").unwrap();
    let linger = ioloop.spawn(stream.linger(1_000_000));
    let answer = ioloop.run_until(async {
        peer.write(&pattern(200_000))?;
        peer.drained(0).await?;
        peer.read_until_close(100).await
    });
    assert_eq!(answer.unwrap().unwrap(), b"413");
    assert!(!linger.is_finished());
    drop(peer);
    ioloop.run_until(linger).unwrap().unwrap();
}

#[test]
fn linger_ends_at_its_bound_and_at_the_deadline() {
    let ioloop = virtual_loop();
    let (peer, stream) = pair(&ioloop);
    let linger = ioloop.spawn(stream.linger(1_000));
    peer.write(&pattern(999)).unwrap();
    settle(&ioloop);
    assert!(!linger.is_finished());
    peer.write(b"x").unwrap();
    settle(&ioloop);
    assert!(linger.is_finished());

    let (_peer, stream) = pair(&ioloop);
    let begun_at = ioloop.now();
    stream.set_deadline(Some(TICK * 50));
    ioloop.run_until(stream.linger(1_000)).unwrap();
    assert_eq!(ioloop.now() - begun_at, TICK * 50);
}

#[test]
fn linger_for_ends_at_its_time_whoever_else_waits() {
    let ioloop = virtual_loop();
    let (_peer, stream) = pair(&ioloop);
    let begun_at = ioloop.now();
    let handle = stream.handle();
    stream.set_deadline(Some(TICK * 5_000));
    ioloop
        .run_until(stream.linger_for(1_000, TICK * 50))
        .unwrap();
    assert_eq!(ioloop.now() - begun_at, TICK * 50);
    assert!(handle.is_closed());
    // And at its bytes.
    let (peer, stream) = pair(&ioloop);
    let linger = ioloop.spawn(stream.linger_for(1_000, TICK * 50));
    peer.write(&pattern(1_000)).unwrap();
    settle(&ioloop);
    assert!(linger.is_finished());
}

#[test]
fn linger_saves_the_answer_to_a_peer_that_is_still_sending() {
    let ioloop = IoLoop::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.write_all(&pattern(500_000)).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).map(|_| answer)
    });
    let (socket, _) = listener.accept().unwrap();
    let mut stream = IoStream::from_tcp(&ioloop, socket).unwrap();
    ioloop
        .run_until(async {
            stream.read_bytes(10).await.unwrap();
            stream.write(b"413").unwrap();
            stream.set_deadline(Some(Duration::from_secs(30)));
            stream.linger(1_000_000).await;
        })
        .unwrap();
    assert_eq!(peer.join().unwrap().unwrap(), b"413");
}

// ---- a pair's own manners

#[test]
fn the_end_of_a_pair_travels_with_the_latency_of_its_bytes() {
    let ioloop = virtual_loop();
    let options = Options {
        latency: TICK * 20,
        ..Options::default()
    };
    let (ours, mut theirs) = memory::pair(&ioloop, options);
    let begun_at = ioloop.now();
    ours.write(b"bye").unwrap();
    settle_at_once(&ioloop);
    drop(ours);
    theirs.write(b"are you there?").unwrap();
    settle_at_once(&ioloop);
    assert!(!theirs.is_closing(), "nobody can know that yet");
    assert_eq!(theirs.unsent_len(), 0);
    assert_eq!(
        ioloop.run_until(theirs.read_bytes(3)).unwrap().unwrap(),
        b"bye"
    );
    assert_eq!(ioloop.now() - begun_at, TICK * 20);
    assert!(theirs.is_closing());
    theirs.write(b"hello?").unwrap();
    settle_at_once(&ioloop);
    let closed = theirs.check_open().unwrap_err();
    assert_eq!(kind_of(&closed), Some(io::ErrorKind::BrokenPipe));
}

/// On virtual time a poll that may not wait lets none pass.
fn settle_at_once(ioloop: &IoLoop) {
    let now = ioloop.now();
    settle(ioloop);
    assert_eq!(ioloop.now(), now);
}
