//! The relay, over everything that carries bytes, by copy and by `splice`: the same tests.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::io;
use std::time::Duration;

use ends::dialogue::{answer, ask};
use ends::{TICK, kind_of, pair, pattern, pipe_pair, settle, tcp_pair, virtual_loop};
use futures_util::future::{join, join3};
use squall_ioloop::{Handle, IoLoop, sleep};
use squall_iostream::memory::{self, Options};
use squall_iostream::{
    IoStream, RelayError, RelayFault, RelayOptions, Relayed, Side, StreamError, relay,
};

type Pair = fn(&Handle) -> (IoStream, IoStream);

fn unix_pair(ioloop: &Handle) -> (IoStream, IoStream) {
    IoStream::unix_pair(ioloop).unwrap()
}

/// Each kind of stream beside itself and beside another one, spliced and not.
fn check(test: impl Fn(&IoLoop, Pair, Pair, &RelayOptions)) {
    check_with(&[pair, tcp_pair, unix_pair, pipe_pair], test);
}

fn check_with(pairs: &[Pair], test: impl Fn(&IoLoop, Pair, Pair, &RelayOptions)) {
    for (at, front) in pairs.iter().enumerate() {
        for back in [front, &pairs[(at + 1) % pairs.len()]] {
            for may_splice in [true, false] {
                let options = RelayOptions::default().splice(may_splice);
                test(&IoLoop::new().unwrap(), *front, *back, &options);
            }
        }
    }
}

#[test]
fn a_dialogue_goes_through() {
    check(|ioloop, front, back, options| {
        let ((ours, a), (b, theirs)) = (front(ioloop), back(ioloop));
        let all = join3(ask(ours), answer(theirs), relay(a, b, options));
        let (asked, answered, relayed) = ioloop.run_until(all).unwrap();
        asked.unwrap();
        answered.unwrap();
        let Relayed { a_to_b, b_to_a } = relayed.unwrap();
        assert!(a_to_b > 150_000 && b_to_a > 150_000);
    });
}

#[test]
fn much_goes_through_both_ways_at_once_and_each_end_is_passed_on() {
    const THERE: usize = 1_000_000;
    const BACK: usize = 400_000;
    check(|ioloop, front, back, options| {
        let ((mut ours, a), (b, mut theirs)) = (front(ioloop), back(ioloop));
        let talk = async |stream: &mut IoStream, send: usize, expect: usize| {
            let writer = stream.handle();
            let sending = async {
                for chunk in pattern(send).chunks(100_000) {
                    writer.write(chunk).unwrap();
                    writer.drained(50_000).await.unwrap();
                }
                writer.shutdown_write().await.unwrap();
            };
            let ((), received) = join(sending, stream.read_until_close(expect)).await;
            assert!(received.unwrap() == pattern(expect));
        };
        let talking = join(talk(&mut ours, THERE, BACK), talk(&mut theirs, BACK, THERE));
        let (_, relayed) = ioloop
            .run_until(join(talking, relay(a, b, options)))
            .unwrap();
        let (a_to_b, b_to_a) = (THERE as u64, BACK as u64);
        assert_eq!(relayed.unwrap(), Relayed { a_to_b, b_to_a });
    });
}

#[test]
fn one_direction_goes_on_when_the_other_has_ended() {
    check(|ioloop, front, back, options| {
        let ((mut ours, a), (b, mut theirs)) = (front(ioloop), back(ioloop));
        let relaying = async { relay(a, b, options).await.unwrap() };
        let talk = async {
            ours.write(b"a question, and no more of them").unwrap();
            ours.shutdown_write().await.unwrap();
            theirs.read_until_close(100).await.unwrap();
            for part in pattern(200_000).chunks(50_000) {
                theirs.write(part).unwrap();
                assert!(ours.read_bytes(part.len()).await.unwrap() == part);
            }
            theirs.shutdown_write().await.unwrap();
            assert_eq!(ours.read_until_close(0).await.unwrap(), b"");
        };
        let (relayed, ()) = ioloop.run_until(join(relaying, talk)).unwrap();
        let expected = Relayed {
            a_to_b: 31,
            b_to_a: 200_000,
        };
        assert_eq!(relayed, expected);
    });
}

#[test]
fn what_was_read_before_the_relay_goes_first() {
    check(|ioloop, front, back, options| {
        let ((ours, mut a), (b, mut theirs)) = (front(ioloop), back(ioloop));
        let talk = async {
            b.write(b"greeting ").unwrap();
            ours.write(b"header\n").unwrap();
            ours.write(&pattern(100_000)).unwrap();
            let header = a.read_until(b"\n", 100).await.unwrap();
            assert_eq!(header, b"header\n");
            let relaying = relay(a, b, options);
            let talking = async {
                ours.shutdown_write().await.unwrap();
                assert_eq!(theirs.read_bytes(9).await.unwrap(), b"greeting ");
                assert!(theirs.read_until_close(100_000).await.unwrap() == pattern(100_000));
                theirs.close();
            };
            join(relaying, talking).await.0.unwrap()
        };
        assert_eq!(ioloop.run_until(talk).unwrap().a_to_b, 100_000);
    });
}

#[test]
fn a_peer_that_does_not_read_is_felt_by_the_one_that_writes() {
    let blob = pattern(4_000_000);
    // Not TCP, whose buffers grow as the system likes.
    check_with(
        &[pair, unix_pair, pipe_pair],
        |ioloop, front, back, options| {
            let ((ours, a), (b, mut theirs)) = (front(ioloop), back(ioloop));
            let options = options.clone();
            let relaying = ioloop.spawn(async move { relay(a, b, &options).await });
            ours.write(&blob).unwrap();
            for _ in 0..1_000 {
                ioloop.run_once(Some(Duration::ZERO)).unwrap();
            }
            assert!(ours.unsent_len() > blob.len() / 2);
            assert!(!relaying.is_finished());
            let received = ioloop.run_until(theirs.read_bytes(blob.len())).unwrap();
            assert!(received.unwrap() == blob);
        },
    );
}

// ---- ends before their time, on virtual time

fn run(options: &RelayOptions, front: Options, back: Options) -> Ends {
    let ioloop = virtual_loop();
    let (ours, a) = memory::pair(&ioloop, front);
    let (b, theirs) = memory::pair(&ioloop, back);
    let begun = ioloop.now();
    let end = async {
        let relayed = relay(a, b, options).await;
        (relayed, ioloop.now() - begun)
    };
    // One end writes without reading, the other one reads all that comes.
    let (mut theirs, writer) = (theirs, ours.handle());
    let write = async {
        for part in pattern(1_000).chunks(100) {
            if writer.write(part).is_err() || writer.drained(0).await.is_err() {
                break;
            }
            sleep(TICK).await;
        }
    };
    let read = async {
        let end = theirs.read_until_close(10_000).await;
        let received = match end {
            Ok(received) => received,
            Err(_) => theirs.read_some(10_000).await.unwrap_or_default(),
        };
        theirs.close();
        received
    };
    let ((relayed, took), (), received) = ioloop.run_until(join3(end, write, read)).unwrap();
    drop(ours);
    Ends {
        relayed,
        took,
        received,
    }
}

struct Ends {
    relayed: Result<Relayed, RelayError>,
    took: Duration,
    received: Vec<u8>,
}

#[test]
fn a_relay_that_moves_nothing_ends() {
    let minute = Duration::from_secs(60);
    let options = RelayOptions::default().idle_timeout(Some(minute));
    let ends = run(&options, Options::default(), Options::default());
    let error = ends.relayed.unwrap_err();
    assert!(matches!(error.fault, RelayFault::Idle), "{error}");
    assert_eq!(error.relayed.a_to_b, 1_000);
    assert!(ends.received == pattern(1_000));
    assert!((minute..minute + TICK * 20).contains(&ends.took));
}

#[test]
fn a_slow_peer_is_not_idle() {
    let second = Duration::from_secs(1);
    let options = RelayOptions::default().idle_timeout(Some(second * 2));
    let ioloop = virtual_loop();
    let little = Options {
        capacity: 10,
        ..Options::default()
    };
    let ((ours, a), (b, mut theirs)) = (pair(&ioloop), memory::pair(&ioloop, little));
    ours.write(&pattern(1_000)).unwrap();
    let slow_reader = async {
        let mut received = Vec::new();
        while received.len() < 1_000 {
            sleep(second).await;
            received.extend(theirs.read_some(10).await.unwrap());
        }
        theirs.close();
        ours.close();
        received
    };
    let relaying = relay(a, b, &options);
    let (relayed, received) = ioloop.run_until(join(relaying, slow_reader)).unwrap();
    assert!(received == pattern(1_000));
    assert_eq!(relayed.unwrap().a_to_b, 1_000);
}

#[test]
fn a_stream_that_fails_ends_the_relay_when_all_that_was_taken_is_sent() {
    let kind = io::ErrorKind::ConnectionReset;
    for after in 0..1_000 {
        let failing = Options {
            read_fault: Some((after, kind)),
            ..Options::default()
        };
        let ends = run(&RelayOptions::default(), failing, Options::default());
        let error = ends.relayed.unwrap_err();
        let RelayFault::Reading(Side::A, StreamError::Closed(closed)) = &error.fault else {
            panic!("{error}");
        };
        assert_eq!(kind_of(closed), Some(kind));
        assert_eq!(error.relayed.a_to_b, after as u64);
        assert!(ends.received == pattern(1_000)[..after], "after {after}");
        assert!(
            ends.took < Duration::from_secs(1),
            "it does not wait to be idle"
        );
    }
}

#[test]
fn a_stream_that_cannot_be_written_to_ends_the_relay() {
    let kind = io::ErrorKind::TimedOut;
    for after in 0..1_000 {
        let failing = Options {
            write_fault: Some((after, kind)),
            ..Options::default()
        };
        let ends = run(&RelayOptions::default(), Options::default(), failing);
        let error = ends.relayed.unwrap_err();
        let RelayFault::Writing(Side::B, StreamError::Closed(closed)) = &error.fault else {
            panic!("{error}");
        };
        assert_eq!(kind_of(closed), Some(kind));
        assert!(error.to_string().contains("writing to the second stream"));
        assert!(ends.received == pattern(1_000)[..after]);
    }
}

#[test]
fn a_relay_that_is_dropped_closes_both_streams() {
    let ioloop = virtual_loop();
    let ((ours, a), (b, theirs)) = (pair(&ioloop), pair(&ioloop));
    let relaying = ioloop.spawn(async move { relay(a, b, &RelayOptions::default()).await });
    settle(&ioloop);
    assert!(!ours.is_closing() && !theirs.is_closing());
    relaying.abort();
    settle(&ioloop);
    assert!(ours.is_closing() && theirs.is_closing());
}
