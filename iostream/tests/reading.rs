//! Reads: what they take, what they leave, and that neither a cut nor a limit nor giving up loses
//! a byte.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use ends::{
    Call, LineRate, Script, cuts, pair, pattern, poll_once, send_parts, settle, virtual_loop,
};
use squall_ioloop::IoLoop;
use squall_iostream::memory::{self, Options};
use squall_iostream::{IoStream, Pattern, Step, StreamError};

/// Has `input` arrive in every way, and expects `read` to make the same of it each time.
fn check<T: PartialEq + std::fmt::Debug>(
    input: &[u8],
    expected: &T,
    read: impl AsyncFn(&mut IoStream) -> T,
) {
    for parts in cuts(input) {
        let ioloop = virtual_loop();
        let (peer, mut stream) = pair(&ioloop);
        let sender = ioloop.spawn(send_parts(peer, parts.clone()));
        let found = ioloop.run_until(read(&mut stream)).unwrap();
        assert_eq!(found, *expected, "of {parts:?}");
        drop(sender);
    }
}

fn text(bytes: Result<Vec<u8>, StreamError>) -> String {
    match bytes {
        Ok(bytes) => String::from_utf8(bytes).unwrap(),
        Err(error) => format!("{error:?}"),
    }
}

// ---- read_until

#[test]
fn read_until_takes_the_first_delimiter_and_leaves_what_follows() {
    check(
        b"a\r\n\r\nb\r\n\r\nc",
        &["a\r\n\r\n", "b\r\n\r\n", "c"].map(String::from),
        async |stream| {
            let first = text(stream.read_until(b"\r\n\r\n", 100).await);
            let second = text(stream.read_until(b"\r\n\r\n", 100).await);
            [first, second, text(stream.read_bytes(1).await)]
        },
    );
}

#[test]
fn read_until_is_not_misled_by_what_begins_like_the_delimiter() {
    check(
        b"aaaaab--\n-\n--\r\n",
        &["aaaaab", "--\n-\n--\r\n"].map(String::from),
        async |stream| {
            let first = text(stream.read_until(b"aab", 100).await);
            [first, text(stream.read_until(b"\n--\r\n", 100).await)]
        },
    );
}

#[test]
fn read_until_counts_the_delimiter_but_not_what_comes_after_it() {
    check(
        b"abc\r\nmore and more",
        &"abc\r\n".to_owned(),
        async |stream| text(stream.read_until(b"\r\n", 5).await),
    );
}

#[test]
fn read_until_beyond_its_limit_fails_and_leaves_the_stream_usable() {
    let limit = "LimitExceeded { bytes_max: 4 }";
    check(
        b"abc\r\nrest",
        &[limit, limit, "abc\r\n", "rest"].map(String::from),
        async |stream| {
            let first = text(stream.read_until(b"\r\n", 4).await);
            let second = text(stream.read_until(b"\r\n", 4).await);
            stream.write(b"431").unwrap();
            let line = text(stream.read_until(b"\r\n", 5).await);
            [first, second, line, text(stream.read_bytes(4).await)]
        },
    );
}

#[test]
fn read_until_without_a_delimiter_ends_with_the_stream() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    peer.write(b"half a line").unwrap();
    let (end, _) = ioloop
        .run_until(async {
            let end = peer.shutdown_write().await;
            (stream.read_until(b"\n", 100).await, end)
        })
        .unwrap();
    assert!(matches!(end, Err(StreamError::Closed(closed)) if closed.cause().is_none()));
    assert_eq!(stream.unread_len(), 11);
}

#[test]
#[should_panic(expected = "an empty delimiter is everywhere")]
fn read_until_refuses_an_empty_delimiter() {
    let ioloop = virtual_loop();
    let (_peer, mut stream) = pair(&ioloop);
    let _ = ioloop.run_until(stream.read_until(b"", 100));
}

// ---- read_until_regex

#[test]
fn read_until_regex_takes_the_first_match_and_leaves_what_follows() {
    let blank_line = Pattern::new(r"\r?\n\r?\n").unwrap();
    check(
        b"a\r\n\r\nb\n\nc",
        &["a\r\n\r\n", "b\n\n", "c"].map(String::from),
        async |stream| {
            let first = text(stream.read_until_regex(&blank_line, 100).await);
            let second = text(stream.read_until_regex(&blank_line, 100).await);
            [first, second, text(stream.read_bytes(1).await)]
        },
    );
}

#[test]
fn read_until_regex_ends_with_the_first_byte_that_is_enough() {
    let digits = Pattern::new(r"\d+").unwrap();
    check(
        b"a123",
        &["a1", "2", "3"].map(String::from),
        async |stream| {
            let first = text(stream.read_until_regex(&digits, 100).await);
            let second = text(stream.read_until_regex(&digits, 100).await);
            [first, second, text(stream.read_bytes(1).await)]
        },
    );
}

#[test]
fn read_until_regex_beyond_its_limit_fails_and_leaves_the_stream_usable() {
    let end = Pattern::new("c+d").unwrap();
    let limit = "LimitExceeded { bytes_max: 4 }";
    check(
        b"abccd.",
        &[limit, limit, "abccd", "."].map(String::from),
        async |stream| {
            let first = text(stream.read_until_regex(&end, 4).await);
            let second = text(stream.read_until_regex(&end, 4).await);
            stream.write(b"431").unwrap();
            let found = text(stream.read_until_regex(&end, 5).await);
            [first, second, found, text(stream.read_bytes(1).await)]
        },
    );
}

// ---- read_bytes, read_some, read_until_close

#[test]
fn read_bytes_takes_exactly_as_many() {
    check(
        b"abcdefg",
        &["abc", "", "defg"].map(String::from),
        async |stream| {
            let first = text(stream.read_bytes(3).await);
            let none = text(stream.read_bytes(0).await);
            [first, none, text(stream.read_bytes(4).await)]
        },
    );
}

#[test]
fn read_bytes_of_nothing_does_not_wait() {
    let ioloop = virtual_loop();
    let (_peer, mut stream) = pair(&ioloop);
    assert_eq!(
        ioloop.run_until(stream.read_bytes(0)).unwrap().unwrap(),
        b""
    );
}

#[test]
fn read_bytes_leaves_what_came_when_the_stream_ends_before() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    peer.write(b"abc").unwrap();
    ioloop.run_until(peer.drained(0)).unwrap().unwrap();
    drop(peer);
    let end = ioloop.run_until(stream.read_bytes(4)).unwrap();
    assert!(matches!(end, Err(StreamError::Closed(_))));
    assert_eq!(
        ioloop.run_until(stream.read_bytes(3)).unwrap().unwrap(),
        b"abc"
    );
}

#[test]
fn long_reads_are_whole() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    let sent = pattern(1_000_003);
    peer.write(&sent).unwrap();
    peer.write(b"!").unwrap();
    let read = ioloop
        .run_until(stream.read_bytes(sent.len()))
        .unwrap()
        .unwrap();
    assert!(read == sent);
    assert_eq!(
        ioloop.run_until(stream.read_bytes(1)).unwrap().unwrap(),
        b"!"
    );
}

#[test]
fn read_some_takes_what_there_is_up_to_its_bound() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    peer.write(b"abcde").unwrap();
    for expected in [&b"ab"[..], b"cd", b"e"] {
        assert_eq!(
            ioloop.run_until(stream.read_some(2)).unwrap().unwrap(),
            expected
        );
    }
    peer.write(b"f").unwrap();
    assert_eq!(
        ioloop.run_until(stream.read_some(2)).unwrap().unwrap(),
        b"f"
    );
}

#[test]
fn read_until_close_takes_everything() {
    for sent in [pattern(0), pattern(1), pattern(300_000)] {
        let ioloop = virtual_loop();
        let (peer, mut stream) = pair(&ioloop);
        let bytes = sent.clone();
        ioloop.spawn_detached(async move {
            peer.write(&bytes).unwrap();
            peer.drained(0).await.unwrap();
        });
        let read = ioloop
            .run_until(stream.read_until_close(300_000))
            .unwrap()
            .unwrap();
        assert!(read == sent);
    }
}

#[test]
fn read_until_close_beyond_its_limit_leaves_all_unread() {
    check(
        b"abcdef",
        &["LimitExceeded { bytes_max: 5 }", "abcdef"].map(String::from),
        async |stream| {
            let first = text(stream.read_until_close(5).await);
            [first, text(stream.read_bytes(6).await)]
        },
    );
}

#[test]
fn read_until_close_takes_a_reset_for_a_failure() {
    let ioloop = virtual_loop();
    let options = Options {
        read_fault: Some((3, io::ErrorKind::ConnectionReset)),
        ..Options::default()
    };
    let (peer, mut stream) = memory::pair(&ioloop, options);
    peer.write(b"abcdef").unwrap();
    let end = ioloop.run_until(stream.read_until_close(100)).unwrap();
    let Err(StreamError::Closed(closed)) = end else {
        panic!("{end:?}")
    };
    assert_eq!(ends::kind_of(&closed), Some(io::ErrorKind::ConnectionReset));
    assert_eq!(stream.unread_len(), 3);
}

// ---- decode

#[test]
fn decode_gives_what_is_unused_again_with_more_behind_it() {
    let ioloop = virtual_loop();
    let (script, mut stream) = Script::stream(&ioloop, 0);
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let found = {
        let mut decoding = pin!(stream.decode(|unread| {
            seen.push(unread.to_vec());
            Ok::<_, StreamError>(match &*unread {
                b"ab" => Step::More(1),
                b"bcd" => Step::Done(2, "done"),
                _ => Step::More(0),
            })
        }));
        for part in [&b"a"[..], b"b", b"c", b"d"] {
            assert!(poll_once(decoding.as_mut()).is_pending());
            script.arrive(part);
            settle(&ioloop);
        }
        poll_once(decoding)
    };
    assert!(matches!(found, Poll::Ready(Ok("done"))));
    assert_eq!(seen, [&b"a"[..], b"ab", b"bc", b"bcd"]);
    assert_eq!(
        ioloop.run_until(stream.read_some(9)).unwrap().unwrap(),
        b"d"
    );
}

#[test]
fn decode_keeps_changes_made_in_place() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    peer.write(b"abc").unwrap();
    let mut is_first = true;
    let found = ioloop.run_until(stream.decode(|unread| {
        unread[0] = b'z';
        if std::mem::take(&mut is_first) {
            peer.write(b"d").unwrap();
            return Ok(Step::More(0));
        }
        Ok::<_, StreamError>(Step::Done(unread.len(), unread.to_vec()))
    }));
    assert_eq!(found.unwrap().unwrap(), b"zbcd");
}

#[test]
fn decode_buffered_never_reads() {
    let ioloop = virtual_loop();
    let (script, mut stream) = Script::stream(&ioloop, 0);
    script.arrive(b"ab");
    settle(&ioloop);
    let mut step = |unread: &mut [u8]| Ok::<_, StreamError>(Step::Done(1, unread[0]));
    assert!(stream.decode_buffered(&mut step).unwrap().is_none());
    assert_eq!(
        ioloop.run_until(stream.decode(&mut step)).unwrap().unwrap(),
        b'a'
    );
    assert_eq!(stream.decode_buffered(&mut step).unwrap(), Some(b'b'));
    assert!(stream.decode_buffered(&mut step).unwrap().is_none());
    assert_eq!(script.calls(), [Call::Read]);
}

#[test]
fn an_error_or_a_panic_of_a_step_loses_no_byte() {
    for unread_before in [&b""[..], b"a"] {
        let ioloop = virtual_loop();
        let (peer, mut stream) = pair(&ioloop);
        if !unread_before.is_empty() {
            peer.write(b"_a").unwrap();
            ioloop.run_until(stream.read_bytes(1)).unwrap().unwrap();
        }
        peer.write(b"bc").unwrap();
        let mut calls = 0;
        let mut step = |unread: &mut [u8]| {
            if !unread.ends_with(b"c") {
                return Ok(Step::<()>::More(0));
            }
            calls += 1;
            assert!(calls != 2, "a step");
            Err(StreamError::TimedOut)
        };
        assert!(ioloop.run_until(stream.decode(&mut step)).unwrap().is_err());
        let read = AssertUnwindSafe(|| ioloop.run_until(stream.decode(&mut step)));
        assert!(catch_unwind(read).is_err());
        peer.write(b"d").unwrap();
        let expected = [unread_before, b"bcd"].concat();
        let read = ioloop
            .run_until(stream.read_bytes(expected.len()))
            .unwrap()
            .unwrap();
        assert_eq!(read, expected);
    }
}

#[test]
fn a_panic_on_lent_bytes_loses_none_of_them() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    peer.write(b"abc").unwrap();
    let read = || ioloop.run_until(stream.decode::<(), StreamError>(|_| panic!("a step")));
    assert!(catch_unwind(AssertUnwindSafe(read)).is_err());
    assert_eq!(
        ioloop.run_until(stream.read_bytes(3)).unwrap().unwrap(),
        b"abc"
    );
}

#[test]
fn a_step_that_uses_more_than_it_was_given_panics_and_changes_nothing() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    peer.write(b"abc").unwrap();
    for _ in 0..2 {
        let step = |unread: &mut [u8]| Ok::<_, StreamError>(Step::Done(unread.len() + 1, ()));
        let read = AssertUnwindSafe(|| ioloop.run_until(stream.decode(step)));
        assert!(catch_unwind(read).is_err());
    }
    assert_eq!(
        ioloop.run_until(stream.read_bytes(3)).unwrap().unwrap(),
        b"abc"
    );
}

#[test]
fn a_stream_can_be_read_inside_the_step_of_another() {
    let ioloop = virtual_loop();
    let (outer_peer, mut outer) = pair(&ioloop);
    let (inner_peer, mut inner) = pair(&ioloop);
    outer_peer.write(b"outer").unwrap();
    inner_peer.write(b"inner").unwrap();
    settle(&ioloop);
    let found = ioloop.run_until(outer.decode(|unread| {
        let Poll::Ready(Ok(inner)) = poll_once(pin!(inner.read_bytes(5))) else {
            panic!("the bytes are there")
        };
        Ok::<_, StreamError>(Step::Done(unread.len(), [&*unread, &inner].concat()))
    }));
    assert_eq!(found.unwrap().unwrap(), b"outerinner");
}

#[test]
fn a_step_that_is_never_satisfied_is_given_64_mib() {
    let ioloop = IoLoop::new().unwrap();
    let mut stream = IoStream::new(&ioloop, LineRate).unwrap();
    let mut given = 0;
    let end: Result<(), _> = ioloop
        .run_until(stream.decode(|unread| {
            given = unread.len();
            Ok(Step::More(0))
        }))
        .unwrap();
    let bytes_max = 64 * 1024 * 1024;
    assert!(matches!(end, Err(StreamError::LimitExceeded { bytes_max: max }) if max == bytes_max));
    assert!((bytes_max..bytes_max + 128 * 1024).contains(&given));
    // A read that names its own bound may have more.
    let read = ioloop
        .run_until(stream.read_bytes(bytes_max + 1_000_000))
        .unwrap()
        .unwrap();
    assert_eq!(read.len(), bytes_max + 1_000_000);
}

// ---- cost

#[test]
fn a_message_and_its_answer_cost_one_read_and_one_write() {
    let ioloop = virtual_loop();
    let (script, mut stream) = Script::stream(&ioloop, usize::MAX);
    ioloop.spawn_detached(async move {
        while let Ok(line) = stream.read_until(b"\n", 100).await {
            stream.write(&line).unwrap();
        }
    });
    for _ in 0..3 {
        script.arrive(b"hello\n");
        settle(&ioloop);
        assert_eq!(script.calls(), [Call::Read, Call::Write]);
    }
    script.arrive(b"a\nb\nc\n");
    settle(&ioloop);
    assert_eq!(script.calls(), [Call::Read, Call::Write]);
}
