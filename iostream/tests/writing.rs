//! Writes: everything arrives, in order, in as few calls as there can be, and no faster than the
//! peer reads.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ends::{Call, LineRate, Script, kind_of, pair, pattern, poll_once, settle, virtual_loop};
use squall_ioloop::{IoLoop, Ready};
use squall_iostream::memory::{self, Options};
use squall_iostream::{IoStream, StreamClosed, StreamError, StreamHandle};

/// Writes pieces of all kinds and sizes, in an order that looks like chance. Returns them all.
fn write_mixed(handle: &StreamHandle, count: usize, mut seed: u32) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..count {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        let size = match seed % 7 {
            0 => 0,
            1 => 5_000,
            _ => seed as usize / 7 % 40,
        };
        let piece = pattern(size + 3)[3..].to_vec();
        match seed / 16 % 3 {
            0 => handle.write(&piece).unwrap(),
            1 => handle.write_bytes(Bytes::from(piece.clone())).unwrap(),
            _ => handle
                .write_with(|buffer| buffer.extend_from_slice(&piece))
                .unwrap(),
        }
        all.extend_from_slice(&piece);
    }
    handle.flush_at_turn_end();
    all
}

#[test]
fn pieces_of_all_kinds_arrive_in_order_however_short_the_writes_are() {
    for (write_bytes_max, capacity) in [
        (1, 65_536),
        (2, 65_536),
        (3, 7),
        (17, 100),
        (2_047, 4_096),
        (usize::MAX, 1),
    ] {
        for seed in 1..6 {
            let ioloop = virtual_loop();
            let options = Options {
                write_bytes_max,
                capacity,
                ..Options::default()
            };
            let (ours, mut theirs) = memory::pair(&ioloop, options);
            let sent = write_mixed(&ours, 30, seed * 7_919);
            let read = ioloop
                .run_until(theirs.read_bytes(sent.len()))
                .unwrap()
                .unwrap();
            assert!(read == sent, "{write_bytes_max} {capacity} {seed}");
            assert_eq!(ours.unsent_len(), 0);
        }
    }
}

#[test]
fn pieces_arrive_in_order_when_a_vectored_write_is_cut_anywhere() {
    let pieces = [3, 2_500, 1, 2_049, 4];
    let total: usize = pieces.iter().sum();
    for cut in (1..20)
        .chain((20..total).step_by(97))
        .chain(total - 8..total)
    {
        let ioloop = virtual_loop();
        let (script, stream) = Script::stream(&ioloop, cut);
        let sent = pattern(total);
        let mut at = 0;
        for size in pieces {
            let piece = Bytes::copy_from_slice(&sent[at..at + size]);
            stream.write_bytes(piece).unwrap();
            at += size;
        }
        settle(&ioloop);
        assert_eq!(stream.unsent_len(), total - cut);
        script.make_room(usize::MAX / 2);
        settle(&ioloop);
        assert!(script.output() == sent, "cut at {cut}");
    }
}

#[test]
fn writes_of_one_turn_leave_in_one_call() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, usize::MAX);
    for _ in 0..100 {
        stream.write(b"small").unwrap();
        stream.write_bytes(Bytes::from_static(b"shared")).unwrap();
    }
    assert_eq!(script.calls(), []);
    settle(&ioloop);
    assert_eq!(script.calls(), [Call::Write]);
    let large = Bytes::from(pattern(5_000));
    for _ in 0..5 {
        stream.write(b"head").unwrap();
        stream.write_bytes(large.clone()).unwrap();
    }
    settle(&ioloop);
    assert_eq!(script.calls(), [Call::WriteVectored(10)]);
}

#[test]
fn a_shared_message_alone_is_not_copied_into_a_buffer() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 0);
    let message = Bytes::from(b"news".to_vec());
    stream.write_bytes(message.clone()).unwrap();
    assert!(!message.is_unique());
    script.make_room(100);
    settle(&ioloop);
    assert!(message.is_unique());
    assert_eq!(script.calls(), [Call::Write, Call::Write][..1]);
}

#[test]
fn more_pieces_than_one_call_takes_need_another() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, usize::MAX);
    let large = Bytes::from(pattern(3_000));
    for _ in 0..100 {
        stream.write_bytes(large.clone()).unwrap();
    }
    settle(&ioloop);
    assert_eq!(
        script.calls(),
        [Call::WriteVectored(64), Call::WriteVectored(36)]
    );
    assert!(script.output() == large.repeat(100));
}

#[test]
fn what_write_with_appends_waits_for_a_flush_or_the_reader() {
    let ioloop = virtual_loop();
    let (script, mut stream) = Script::stream(&ioloop, usize::MAX);
    let append = |text: &[u8]| {
        stream
            .write_with(|out| out.extend_from_slice(text))
            .unwrap()
    };
    append(b"a");
    settle(&ioloop);
    assert_eq!(script.output(), b"");
    stream.flush();
    assert_eq!(script.output(), b"a");
    append(b"b");
    stream.flush_at_turn_end();
    append(b"c");
    settle(&ioloop);
    append(b"d");
    assert!(poll_once(pin!(stream.read_bytes(1))).is_pending());
    assert_eq!(script.output(), b"abcd");
    assert_eq!(script.calls(), [Call::Write; 3]);
}

#[test]
fn a_write_that_would_block_goes_on_when_there_is_room() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 0);
    stream.write(b"hello").unwrap();
    settle(&ioloop);
    stream.flush();
    settle(&ioloop);
    assert_eq!(
        script.calls(),
        [Call::Write],
        "one call is enough to hear that nothing goes"
    );
    script.make_room(2);
    settle(&ioloop);
    assert_eq!((script.output(), stream.unsent_len()), (b"he".to_vec(), 3));
    script.make_room(3);
    settle(&ioloop);
    assert_eq!(script.output(), b"hello");
}

// ---- back-pressure

#[test]
fn drained_waits_until_the_peer_has_taken_enough() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 0);
    stream.write(&pattern(100)).unwrap();
    let mut drained = pin!(stream.drained(40));
    for _ in 0..5 {
        assert!(poll_once(drained.as_mut()).is_pending());
        script.make_room(10);
        settle(&ioloop);
    }
    assert!(poll_once(drained.as_mut()).is_pending());
    script.make_room(10);
    assert!(ioloop.run_until(drained).unwrap().is_ok());
    assert_eq!(stream.unsent_len(), 40);
}

#[test]
fn drained_of_little_does_not_wait_and_flushes() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 10);
    stream.write(b"hello").unwrap();
    assert!(poll_once(pin!(stream.drained(0))).is_ready());
    assert_eq!(script.output(), b"hello");
}

#[test]
fn any_number_of_tasks_may_wait_for_room() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 0);
    stream.write(&pattern(100)).unwrap();
    let log = Rc::new(RefCell::new(Vec::new()));
    for unsent_max in [50, 0, 90, 0] {
        let (stream, log) = (stream.handle(), log.clone());
        ioloop.spawn_detached(async move {
            stream.drained(unsent_max).await.unwrap();
            log.borrow_mut().push(unsent_max);
        });
    }
    let expected: [(usize, &[usize]); 4] = [(5, &[]), (10, &[90]), (60, &[50]), (25, &[0, 0])];
    for (room, woken) in expected {
        script.make_room(room);
        settle(&ioloop);
        assert_eq!(log.take(), woken);
    }
}

#[test]
fn a_writer_that_heeds_drained_keeps_little() {
    let ioloop = virtual_loop();
    let options = Options {
        capacity: 1_000,
        ..Options::default()
    };
    let (ours, mut theirs) = memory::pair(&ioloop, options);
    let sent = pattern(100_000);
    let expected = sent.clone();
    let writer = ioloop.spawn(async move {
        let mut unsent_max = 0;
        for part in sent.chunks(100) {
            ours.write(part).unwrap();
            ours.drained(500).await.unwrap();
            unsent_max = unsent_max.max(ours.unsent_len());
        }
        ours.drained(0).await.unwrap();
        unsent_max
    });
    let read = ioloop
        .run_until(theirs.read_bytes(expected.len()))
        .unwrap()
        .unwrap();
    assert!(read == expected);
    assert_eq!(ioloop.run_until(writer).unwrap().unwrap(), 500);
}

#[test]
fn writable_waits_from_the_high_watermark_to_the_low_one() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 0);
    stream.set_watermarks(100, 40);
    stream.write(&pattern(100)).unwrap();
    assert!(poll_once(pin!(stream.writable())).is_ready());
    stream.write(b"x").unwrap();
    let mut writable = pin!(stream.writable());
    for _ in 0..6 {
        assert!(poll_once(writable.as_mut()).is_pending());
        script.make_room(10);
        settle(&ioloop);
    }
    assert_eq!(stream.unsent_len(), 41);
    assert!(poll_once(writable.as_mut()).is_pending());
    // Who asks now need not wait.
    assert!(poll_once(pin!(stream.writable())).is_ready());
    script.make_room(1);
    assert!(ioloop.run_until(writable).unwrap().is_ok());
}

#[test]
fn the_watermarks_are_64_and_16_kib_unless_they_are_set() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 0);
    stream.write(&pattern(64 * 1024 + 1)).unwrap();
    let mut writable = pin!(stream.writable());
    assert!(poll_once(writable.as_mut()).is_pending());
    script.make_room(48 * 1024);
    settle(&ioloop);
    assert!(poll_once(writable.as_mut()).is_pending());
    script.make_room(1);
    assert!(ioloop.run_until(writable).unwrap().is_ok());
}

#[test]
fn a_write_beyond_the_cap_is_refused_whole_and_the_stream_goes_on() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 0);
    stream.set_unsent_bytes_max(100);
    let full = |result: Result<(), StreamError>| {
        matches!(result, Err(StreamError::BufferFull { bytes_max: 100 }))
    };
    stream.write(&pattern(60)).unwrap();
    assert!(full(stream.write(&pattern(41))));
    assert!(full(stream.write_bytes(Bytes::from(pattern(41)))));
    assert!(full(stream.write_with(|out| {
        out.extend_from_slice(&[b'x'; 20]);
        out.extend_from_slice(&[b'y'; 21]);
    })));
    assert_eq!(stream.unsent_len(), 60);
    stream.write(&pattern(100)[60..]).unwrap();
    assert!(full(stream.write(b"x")));
    stream.write(b"").unwrap();
    script.make_room(1);
    settle(&ioloop);
    stream.write(b"!").unwrap();
    script.make_room(1_000);
    settle(&ioloop);
    assert!(script.output() == [&pattern(100)[..], b"!"].concat());
    // Empty as it is, it refuses what is too much by itself.
    assert!(full(stream.write(&pattern(101))));
    assert_eq!(stream.unsent_len(), 0);
}

#[test]
fn what_is_sent_by_itself_is_a_mib_a_turn_and_what_is_asked_for_is_all() {
    let ioloop = IoLoop::new().unwrap();
    let mib = 1024 * 1024;
    let stream = IoStream::new(&ioloop, LineRate).unwrap();
    stream.write(&vec![0; 4 * mib]).unwrap();
    for turn in 1..=2 {
        ioloop.run_once(Some(Duration::ZERO)).unwrap();
        assert_eq!(stream.unsent_len(), (4 - turn) * mib);
        assert!(poll_once(pin!(stream.drained(0))).is_pending());
        assert_eq!(stream.unsent_len(), (4 - turn) * mib);
    }
    stream.flush();
    assert_eq!(stream.unsent_len(), 0);
    // A writer that waits is told, though there is no event.
    stream.write(&vec![0; 4 * mib]).unwrap();
    ioloop.run_until(stream.drained(0)).unwrap().unwrap();
}

// ---- closed streams

#[test]
fn nothing_is_written_after_close() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 100);
    stream.write(b"dropped").unwrap();
    stream.close();
    assert!(stream.write(b"a").is_err());
    assert!(stream.write_bytes(Bytes::from_static(b"a")).is_err());
    assert!(stream.write_with(|_| unreachable!("not called")).is_err());
    stream.flush();
    stream.flush_at_turn_end();
    settle(&ioloop);
    assert!(matches!(
        poll_once(pin!(stream.drained(0))),
        std::task::Poll::Ready(Err(_))
    ));
    assert_eq!(stream.unsent_len(), 0);
    assert_eq!(script.calls(), [Call::Close]);
}

#[test]
fn a_failed_write_closes_the_stream_and_says_why() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 0);
    stream.write(b"hello").unwrap();
    settle(&ioloop);
    script.fail(io::ErrorKind::ConnectionReset);
    // A failure alone, without a word of being writable, is reason enough to try.
    script.tell(Ready::ERROR);
    let Err(StreamError::Closed(closed)) = ioloop.run_until(stream.drained(0)).unwrap() else {
        panic!("it is closed")
    };
    assert_eq!(kind_of(&closed), Some(io::ErrorKind::ConnectionReset));
    assert_eq!(closed.to_string(), "the stream is closed: connection reset");
    assert_eq!(
        io::Error::from(closed).kind(),
        io::ErrorKind::ConnectionReset
    );
}

#[test]
fn a_transport_that_takes_nothing_at_all_is_a_failure() {
    struct Wall;
    impl squall_iostream::Transport for Wall {
        fn read(&self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
        fn write(&self, _: &[u8]) -> io::Result<usize> {
            Ok(0)
        }
        fn shutdown_write(&self) -> io::Result<()> {
            Ok(())
        }
        fn close(&self) {}
    }
    let ioloop = virtual_loop();
    let stream = IoStream::new(&ioloop, Wall).unwrap();
    stream.write(b"hello").unwrap();
    settle(&ioloop);
    let closed: StreamClosed = stream.check_open().unwrap_err();
    assert_eq!(kind_of(&closed), Some(io::ErrorKind::WriteZero));
}

// ---- writers that misbehave

#[test]
fn what_a_panicking_writer_has_appended_is_taken_back() {
    let ioloop = virtual_loop();
    for before in [&b""[..], b"before "] {
        let (ours, mut theirs) = pair(&ioloop);
        ours.write(before).unwrap();
        let write = || {
            ours.write_with(|out| {
                out.extend_from_slice(b"half a mess");
                panic!("a writer");
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(write)).is_err());
        assert_eq!(ours.unsent_len(), before.len());
        ours.write(b"after").unwrap();
        let expected = [before, b"after"].concat();
        let read = ioloop
            .run_until(theirs.read_bytes(expected.len()))
            .unwrap()
            .unwrap();
        assert_eq!(read, expected);
    }
}

#[test]
fn a_writer_that_shortens_the_buffer_panics_and_leaves_it_sane() {
    let ioloop = virtual_loop();
    let (ours, mut theirs) = pair(&ioloop);
    ours.write(b"lost").unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| ours.write_with(Vec::clear))).is_err());
    assert_eq!(ours.unsent_len(), 0);
    ours.write(b"after").unwrap();
    assert_eq!(
        ioloop.run_until(theirs.read_bytes(5)).unwrap().unwrap(),
        b"after"
    );
}

#[test]
fn a_writer_may_close_and_drop_its_own_stream() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 100);
    let handle = stream.handle();
    let written = handle.write_with(move |out| {
        out.extend_from_slice(b"my last words");
        drop(stream);
    });
    assert!(written.is_ok());
    assert!(handle.is_closed());
    assert_eq!(handle.unsent_len(), 0);
    settle(&ioloop);
    assert_eq!(script.output(), b"");
}
