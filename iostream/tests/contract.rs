//! One dialogue, over everything that carries bytes: the pair in memory, slow and small and with
//! faults of time, and TCP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use ends::dialogue::{answer, ask};
use ends::{TICK, pair, virtual_loop};
use squall_ioloop::IoLoop;
use squall_iostream::memory::{self, Options};
use squall_iostream::{IoStream, ListenerOptions, TcpListener};

fn check_memory(options: Options) {
    let ioloop = virtual_loop();
    let (ours, theirs) = memory::pair(&ioloop, options);
    let answering = ioloop.spawn(answer(theirs));
    ioloop.run_until(ask(ours)).unwrap().unwrap();
    ioloop.run_until(answering).unwrap().unwrap().unwrap();
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
fn over_tcp() {
    let ioloop = IoLoop::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0", &ListenerOptions::default()).unwrap();
    let address = listener.local_addr().unwrap();
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
