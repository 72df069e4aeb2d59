//! Reads that are given up: at each point, by each read, and no byte is lost.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::pin::pin;

use ends::{Script, pattern, poll_once, settle, virtual_loop};
use squall_iostream::{IoStream, Pattern, Step, StreamError};

/// Has `length` bytes and no more arrive, in parts of `part`; gives `read`, which wants more, up
/// after each, and expects to find all of them.
fn check_parts<T>(length: usize, part: usize, read: &impl AsyncFn(&mut IoStream) -> T) {
    for parts_before in 0..=length.div_ceil(part) {
        let ioloop = virtual_loop();
        let (script, mut stream) = Script::stream(&ioloop, 0);
        let sent = pattern(length);
        let mut parts = sent.chunks(part);
        {
            let mut reading = pin!(read(&mut stream));
            assert!(poll_once(reading.as_mut()).is_pending());
            for arrived in parts.by_ref().take(parts_before) {
                script.arrive(arrived);
                // More than once: a turn has its share.
                for _ in 0..3 {
                    settle(&ioloop);
                    assert!(poll_once(reading.as_mut()).is_pending());
                }
            }
        }
        // And given up at once, with what it has to begin with.
        assert!(poll_once(pin!(read(&mut stream))).is_pending());
        parts.for_each(|part| script.arrive(part));
        let all = ioloop.run_until(stream.read_bytes(length)).unwrap();
        assert!(all.unwrap() == sent, "after {parts_before} parts of {part}");
        assert_eq!(stream.unread_len(), 0);
    }
}

fn check<T>(read: impl AsyncFn(&mut IoStream) -> T) {
    for (length, part) in [
        (20, 1),
        (20, 7),
        (20, 20),
        (300_000, 70_001),
        (300_000, 300_000),
    ] {
        check_parts(length, part, &read);
    }
}

#[test]
fn giving_read_until_up_loses_no_byte() {
    check(async |stream| stream.read_until(b"not in there", 1_000_000).await);
}

#[test]
fn giving_read_until_regex_up_loses_no_byte() {
    let pattern = Pattern::new("not in [tT]here").unwrap();
    check(async |stream| stream.read_until_regex(&pattern, 1_000_000).await);
}

#[test]
fn giving_read_bytes_up_loses_no_byte() {
    check(async |stream| stream.read_bytes(300_001).await);
}

#[test]
fn giving_read_into_up_loses_no_byte() {
    // With a long rest, with a short one, and with one that is only just missing.
    for length in [1_000_000, 330_000, 300_001] {
        check(async |stream| stream.read_into(&mut vec![0; length]).await);
    }
}

#[test]
fn giving_a_short_read_into_up_loses_no_byte() {
    check_parts(20, 1, &async |stream: &mut IoStream| {
        stream.read_into(&mut [0; 21]).await
    });
}

#[test]
fn giving_read_until_close_up_loses_no_byte() {
    check(async |stream| stream.read_until_close(1_000_000).await);
}

#[test]
fn giving_a_decode_up_loses_nothing_but_what_it_has_used() {
    check(async |stream| {
        let step = |_: &mut [u8]| Ok::<_, StreamError>(Step::<()>::More(0));
        stream.decode(step).await
    });
}

#[test]
fn a_partial_read_that_is_given_up_has_taken_nothing() {
    let ioloop = virtual_loop();
    for room in [1, 100_000] {
        let (script, mut stream) = Script::stream(&ioloop, 0);
        let mut memory = vec![0; room];
        assert!(poll_once(pin!(stream.read_some_into(&mut memory))).is_pending());
        assert!(poll_once(pin!(stream.read_some(room))).is_pending());
        script.arrive(b"abc");
        settle(&ioloop);
        let all = ioloop.run_until(stream.read_bytes(3)).unwrap();
        assert_eq!(all.unwrap(), b"abc");
    }
}
