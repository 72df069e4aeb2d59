//! Reads into the caller's memory, and long ones: whole, in order, without a needless call.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::pin::pin;

use ends::{Call, Script, cuts, pair, pattern, poll_once, send_parts, settle, virtual_loop};
use squall_iostream::memory::{self, Options};
use squall_iostream::{IoStream, StreamError};

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

#[test]
fn read_into_fills_what_it_is_given_and_leaves_what_follows() {
    check(b"abcdefg", &(*b"abc", *b"defg"), async |stream| {
        let (mut first, mut second) = ([0; 3], [0; 4]);
        stream.read_into(&mut first).await.unwrap();
        stream.read_into(&mut []).await.unwrap();
        stream.read_into(&mut second).await.unwrap();
        (first, second)
    });
}

#[test]
fn read_some_into_takes_what_there_is() {
    let ioloop = virtual_loop();
    for room in [2, 100_000] {
        let (peer, mut stream) = pair(&ioloop);
        let mut memory = vec![0; room];
        assert!(matches!(
            poll_once(pin!(stream.read_some_into(&mut []))),
            std::task::Poll::Ready(Ok(0))
        ));
        peer.write(b"abcde").unwrap();
        let mut all = Vec::new();
        while all.len() < 5 {
            let read = stream.read_some_into(&mut memory);
            let count = ioloop.run_until(read).unwrap().unwrap();
            assert!((1..=room).contains(&count));
            all.extend_from_slice(&memory[..count]);
        }
        assert_eq!(all, b"abcde");
        drop(peer);
        let end = ioloop
            .run_until(stream.read_some_into(&mut memory))
            .unwrap();
        assert!(matches!(end, Err(StreamError::Closed(_))));
    }
}

#[test]
fn reads_of_all_lengths_follow_each_other_without_a_gap() {
    let lengths = [
        1, 65_535, 65_536, 65_537, 7, 131_072, 400_000, 131_071, 3, 262_145,
    ];
    let total = lengths.iter().sum::<usize>();
    for read_bytes_max in [1_001, 65_536, usize::MAX] {
        for capacity in [65_536, 10_000_000] {
            let ioloop = virtual_loop();
            let options = Options {
                read_bytes_max,
                capacity,
                ..Options::default()
            };
            let (ours, mut theirs) = memory::pair(&ioloop, options);
            let sent = pattern(2 * total);
            ours.write(&sent).unwrap();
            let read = ioloop.run_until(async {
                let mut all = Vec::new();
                for (index, length) in lengths.into_iter().chain(lengths).enumerate() {
                    if index % 3 == 0 {
                        let bytes = theirs.read_bytes(length).await?;
                        assert!(bytes.capacity() <= 2 * length.max(65_536));
                        all.extend(bytes);
                    } else {
                        let mut memory = vec![0; length];
                        theirs.read_into(&mut memory).await?;
                        all.extend(memory);
                    }
                }
                Ok::<_, StreamError>(all)
            });
            assert!(
                read.unwrap().unwrap() == sent,
                "{read_bytes_max} {capacity}"
            );
            assert_eq!(theirs.unread_len(), 0);
        }
    }
}

#[test]
fn a_long_read_takes_few_calls_and_its_memory_is_its_own() {
    let ioloop = virtual_loop();
    let (script, mut stream) = Script::stream(&ioloop, 0);
    let sent = pattern(1_000_000);
    script.arrive(&sent);
    let read = ioloop.run_until(stream.read_bytes(1_000_000)).unwrap();
    let read = read.unwrap();
    assert!(read == sent);
    assert!(read.capacity() < 2_000_000);
    // 64 KiB, and then 256 at a time.
    assert!(script.calls().len() <= 9);

    script.arrive(&sent);
    let mut memory = vec![0; 1_000_000];
    ioloop
        .run_until(stream.read_into(&mut memory))
        .unwrap()
        .unwrap();
    assert!(memory == sent);
    let calls = script.calls();
    assert!(calls.len() <= 5 && calls.iter().all(|call| *call == Call::Read));
}

#[test]
fn memory_grows_with_what_has_come_and_not_with_what_is_asked_for() {
    let ioloop = virtual_loop();
    let (script, mut stream) = Script::stream(&ioloop, 0);
    script.arrive(&pattern(200_000));
    settle(&ioloop);
    for _ in 0..5 {
        // It would not fit this machine.
        assert!(poll_once(pin!(stream.read_bytes(1 << 46))).is_pending());
        settle(&ioloop);
    }
    assert_eq!(stream.unread_len(), 200_000);
}

#[test]
fn a_stream_that_ends_before_gives_nothing_up() {
    for length in [10, 300_000] {
        let ioloop = virtual_loop();
        let (peer, mut stream) = pair(&ioloop);
        let sent = pattern(length);
        let bytes = sent.clone();
        ioloop.spawn_detached(async move {
            peer.write(&bytes).unwrap();
            peer.drained(0).await.unwrap();
        });
        let mut memory = vec![0; length + 1];
        let end = ioloop.run_until(stream.read_into(&mut memory)).unwrap();
        assert!(matches!(end, Err(StreamError::Closed(_))));
        let end = ioloop.run_until(stream.read_bytes(length + 1)).unwrap();
        assert!(matches!(end, Err(StreamError::Closed(_))));
        let all = ioloop.run_until(stream.read_until_close(length)).unwrap();
        assert!(all.unwrap() == sent);
    }
}
