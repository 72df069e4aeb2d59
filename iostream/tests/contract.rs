//! One dialogue, over everything that carries bytes: the pair in memory, TCP, Unix sockets and
//! pipes; kind and unkind, and with a failure at every step.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::time::Duration;

use ends::dialogue::{answer, ask};
use ends::unkind::{FAULT, Kind, Unkindness, unkind};
use ends::{TICK, TempPath, kind_of, pair, pipe_pair, tcp_pair, virtual_loop};
use futures_util::future::join;
use squall_ioloop::{Handle, IoLoop, with_timeout};
use squall_iostream::memory::{self, Options};
use squall_iostream::{IoStream, Listener, ListenerOptions, StreamError};

type Pair = fn(&Handle) -> (IoStream, IoStream);

/// Connected through a path, as a client and a server are.
fn unix_pair(ioloop: &Handle) -> (IoStream, IoStream) {
    let path = TempPath::new(&format!("contract-{:?}", std::thread::current().id()));
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let socket = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let ours = IoStream::from_unix(ioloop, socket).unwrap();
    let theirs = IoStream::from_unix(ioloop, listener.accept().unwrap().0).unwrap();
    (ours, theirs)
}

/// Both ends of the dialogue. Whoever waits for ever fails the test.
fn talk(ioloop: &IoLoop, ours: IoStream, theirs: IoStream) -> (Result, Result) {
    let patient = with_timeout(Duration::from_secs(60), join(ask(ours), answer(theirs)));
    ioloop.run_until(patient).unwrap().expect("an end")
}

type Result = std::result::Result<(), StreamError>;

// ---- as it should be

fn check(ioloop: &IoLoop, (ours, theirs): (IoStream, IoStream)) {
    let (asked, answered) = talk(ioloop, ours, theirs);
    asked.unwrap();
    answered.unwrap();
}

fn check_memory(options: Options) {
    let ioloop = virtual_loop();
    check(&ioloop, memory::pair(&ioloop, options));
}

#[test]
fn in_memory() {
    check_memory(Options::default());
}

#[test]
fn in_memory_with_latency() {
    check_memory(Options {
        latency: TICK * 20,
        ..Options::default()
    });
}

#[test]
fn in_memory_byte_by_byte() {
    check_memory(Options {
        read_bytes_max: 1,
        ..Options::default()
    });
    check_memory(Options {
        write_bytes_max: 1,
        ..Options::default()
    });
}

#[test]
fn in_memory_with_little_room_and_latency() {
    check_memory(Options {
        latency: TICK,
        read_bytes_max: 70,
        write_bytes_max: 90,
        capacity: 100,
        ..Options::default()
    });
}

#[test]
fn over_unix_sockets() {
    let ioloop = IoLoop::new().unwrap();
    check(&ioloop, unix_pair(&ioloop));
    check(&ioloop, IoStream::unix_pair(&ioloop).unwrap());
}

#[test]
fn over_pipes() {
    let ioloop = IoLoop::new().unwrap();
    check(&ioloop, pipe_pair(&ioloop));
}

#[test]
fn over_tcp() {
    let ioloop = IoLoop::new().unwrap();
    let listener = Listener::bind("127.0.0.1:0", &ListenerOptions::default()).unwrap();
    let address = listener.local_addr().unwrap().inet().unwrap();
    let handle = ioloop.handle().clone();
    let (sender, mut answered) = pair(&ioloop);
    let listening = listener.accept_with(&ioloop, move |stream, _| {
        let sender = sender.handle();
        handle.spawn_detached(async move {
            answer(stream).await.unwrap();
            sender.write(b".").unwrap();
        });
    });
    for _ in 0..3 {
        let asking = async {
            let stream = IoStream::connect(&ioloop, address).await.unwrap();
            assert_eq!(stream.peer_addr(), Some(address.into()));
            ask(stream).await.unwrap();
            answered.read_bytes(1).await.unwrap();
        };
        ioloop.run_until(asking).unwrap();
    }
    drop(listening);
}

// ---- slow peers

/// Both ends get and give little at a time, and have to pause.
fn check_unkind(ioloop: &IoLoop, pair: Pair, unkindness: Unkindness) {
    let (ours, theirs) = pair(ioloop);
    let (ours, _) = unkind(ioloop, ours, unkindness);
    let (theirs, _) = unkind(ioloop, theirs, unkindness);
    check(ioloop, (ours, theirs));
}

/// Everything that carries bytes, with a loop that suits it.
fn carriers() -> Vec<(Pair, IoLoop)> {
    let real = || IoLoop::new().unwrap();
    vec![
        (pair, virtual_loop()),
        (tcp_pair, real()),
        (unix_pair, real()),
        (pipe_pair, real()),
    ]
}

#[test]
fn a_few_bytes_at_a_time() {
    // In memory there is one at a time above. Of the others each read is a turn, and clears all the
    // room that there is for what is still missing: without optimisation that takes its time.
    for (bytes_max, (pair, ioloop)) in [7, 7, 1, 7].into_iter().zip(carriers()) {
        let unkindness = Unkindness {
            bytes_max,
            ..Unkindness::default()
        };
        check_unkind(&ioloop, pair, unkindness);
    }
}

#[test]
fn with_a_pause_after_every_other_call() {
    for (pair, ioloop) in carriers() {
        let unkindness = Unkindness {
            bytes_max: 9_000,
            calls_until_pause: 2,
            ..Unkindness::default()
        };
        check_unkind(&ioloop, pair, unkindness);
    }
}

// ---- a failure at every step

/// Each read and each write of either end fails once. Nobody is left waiting, what had come before
/// was right (the dialogue looks), the end that failed is told why, and the other one learns that
/// it is over, unless it was.
fn check_faults(ioloop: &IoLoop, pair: Pair) {
    for kind in [Kind::Read, Kind::Write] {
        for is_ours in [true, false] {
            let mut at = 0;
            loop {
                let unkindness = Unkindness {
                    // So that there are many steps, and not too many.
                    bytes_max: 10_000,
                    fault: Some((kind, at)),
                    ..Unkindness::default()
                };
                let (ours, theirs) = pair(ioloop);
                let (failing, calls, other) = if is_ours {
                    let (ours, calls) = unkind(ioloop, ours, unkindness);
                    let (asked, answered) = talk(ioloop, ours, theirs);
                    (asked, calls, answered)
                } else {
                    let (theirs, calls) = unkind(ioloop, theirs, unkindness);
                    let (asked, answered) = talk(ioloop, ours, theirs);
                    (answered, calls, asked)
                };
                if calls.count(kind) <= at {
                    // All went well, for there was no such step.
                    failing.unwrap();
                    other.unwrap();
                    break;
                }
                let Err(StreamError::Closed(closed)) = failing else {
                    panic!("{kind:?} {at}: {failing:?}");
                };
                assert_eq!(kind_of(&closed), Some(FAULT), "{kind:?} {at}");
                assert!(
                    other.is_ok() || matches!(other, Err(StreamError::Closed(_))),
                    "{kind:?} {at}: {other:?}"
                );
                at += 1;
            }
            assert!(at > 15, "{at} steps are few");
        }
    }
}

#[test]
fn in_memory_each_step_may_fail() {
    check_faults(&virtual_loop(), pair);
}

#[test]
fn over_tcp_each_step_may_fail() {
    check_faults(&IoLoop::new().unwrap(), tcp_pair);
}

#[test]
fn over_unix_sockets_each_step_may_fail() {
    check_faults(&IoLoop::new().unwrap(), unix_pair);
}

#[test]
fn over_pipes_each_step_may_fail() {
    check_faults(&IoLoop::new().unwrap(), pipe_pair);
}
