//! One peer at line rate takes its share of each turn and no more: the others are served in
//! every turn, whatever it sends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ends::{LineRate, Script, pipe_pair, tcp_pair};
use squall_ioloop::{Handle, IoLoop};
use squall_iostream::{IoStream, Step, StreamError};

fn turn(ioloop: &IoLoop) {
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
}

/// A task that takes all it can read, and counts it.
fn gulp(ioloop: &IoLoop) -> Rc<Cell<usize>> {
    let mut stream = IoStream::new(ioloop, LineRate).unwrap();
    let count = Rc::new(Cell::new(0));
    let inner = count.clone();
    ioloop.spawn_detached(async move {
        let never: Result<(), StreamError> = stream
            .decode(|unread| {
                inner.set(inner.get() + unread.len());
                Ok(Step::More(unread.len()))
            })
            .await;
        never.unwrap();
    });
    count
}

#[test]
fn a_peer_at_line_rate_gets_a_quarter_mib_a_turn() {
    let ioloop = IoLoop::new().unwrap();
    let count = gulp(&ioloop);
    turn(&ioloop);
    for _ in 0..10 {
        let before = count.get();
        turn(&ioloop);
        assert_eq!(count.get() - before, 64 * 1024);
    }
}

#[test]
fn short_messages_at_line_rate_are_bounded_too() {
    let ioloop = IoLoop::new().unwrap();
    let mut stream = IoStream::new(&ioloop, LineRate).unwrap();
    let count = Rc::new(Cell::new(0));
    let inner = count.clone();
    ioloop.spawn_detached(async move {
        loop {
            stream.read_bytes(1_000).await.unwrap();
            inner.set(inner.get() + 1_000);
        }
    });
    turn(&ioloop);
    for _ in 0..10 {
        let before = count.get();
        turn(&ioloop);
        assert!((64_000..130_000).contains(&(count.get() - before)));
    }
}

#[test]
fn a_quiet_peer_is_answered_in_the_turn_its_question_comes() {
    let ioloop = IoLoop::new().unwrap();
    let counts: Vec<_> = (0..5).map(|_| gulp(&ioloop)).collect();
    let (script, mut stream) = Script::stream(&ioloop, usize::MAX);
    ioloop.spawn_detached(async move {
        loop {
            let question = stream.read_bytes(1).await.unwrap();
            stream.write(&question).unwrap();
        }
    });
    turn(&ioloop);
    turn(&ioloop);
    for round in 1..20 {
        script.arrive(b"?");
        turn(&ioloop);
        assert_eq!(script.output().len(), round);
    }
    let (least, most) = (counts.iter().min(), counts.iter().max());
    assert_eq!(least, most, "those at line rate have equal shares");
}

#[test]
fn what_was_not_read_in_one_turn_is_read_in_the_next_without_an_event() {
    let ioloop = IoLoop::new().unwrap();
    let (script, mut stream) = Script::stream(&ioloop, 0);
    script.arrive(&vec![b'x'; 1_000_000]);
    let read = ioloop
        .run_until(stream.read_bytes(1_000_000))
        .unwrap()
        .unwrap();
    assert_eq!(read.len(), 1_000_000);
}

/// Over what the system carries: one peer sends as fast as it can, and is read as fast as that; on
/// the same loop a quiet one asks and is answered. Counted in turns.
fn check_carrier(pair: impl Fn(&Handle) -> (IoStream, IoStream)) {
    /// A turn for each step: the question is sent, arrives, is answered, and the answer arrives;
    /// and one more for each of the two descriptors of a pair of pipes.
    const TURNS_MAX: usize = 8;

    let ioloop = IoLoop::new().unwrap();
    let (flood, mut flooded) = pair(&ioloop);
    let count = Rc::new(Cell::new(0));
    let inner = count.clone();
    ioloop.spawn_detached(async move {
        let never: Result<(), StreamError> = flooded
            .decode(|unread| {
                inner.set(inner.get() + unread.len());
                Ok(Step::More(unread.len()))
            })
            .await;
        never.unwrap();
    });
    let chunk = bytes::Bytes::from(vec![b'x'; 1_000_000]);
    let (mut ours, mut theirs) = pair(&ioloop);
    let answered = Rc::new(Cell::new(0));
    let inner = answered.clone();
    let asker = ours.handle();
    ioloop.spawn_detached(async move {
        loop {
            let question = theirs.read_bytes(1).await.unwrap();
            theirs.write(&question).unwrap();
        }
    });
    ioloop.spawn_detached(async move {
        loop {
            ours.read_bytes(1).await.unwrap();
            inner.set(inner.get() + 1);
        }
    });
    for round in 1..50 {
        asker.write(b"?").unwrap();
        let mut turns = 0;
        while answered.get() < round {
            if flood.unsent_len() < chunk.len() {
                flood.write_bytes(chunk.clone()).unwrap();
            }
            let before = count.get();
            turn(&ioloop);
            // The last read of a turn may go beyond its share.
            assert!(count.get() - before < (64 + 64) * 1024);
            turns += 1;
            assert!(turns <= TURNS_MAX, "the quiet one waits in round {round}");
        }
    }
    assert!(count.get() > 1_000_000, "there was a flood");
}

#[test]
fn a_flood_over_tcp_starves_nobody() {
    check_carrier(tcp_pair);
}

#[test]
fn a_flood_over_a_unix_socket_starves_nobody() {
    check_carrier(|ioloop| IoStream::unix_pair(ioloop).unwrap());
}

#[test]
fn a_flood_over_pipes_starves_nobody() {
    check_carrier(pipe_pair);
}

#[test]
fn a_thousand_quiet_peers_are_served_in_every_turn_beside_one_at_line_rate() {
    let ioloop = IoLoop::new().unwrap();
    let count = gulp(&ioloop);
    // It is sent a file without end, too, and reads it at line rate.
    let file = std::fs::File::open("/dev/zero").unwrap();
    let reader = IoStream::new(&ioloop, LineRate).unwrap();
    reader.send_file(file, 0, 1 << 40).unwrap();
    let quiet: Vec<_> = (0..1_000)
        .map(|_| {
            let (script, mut stream) = Script::stream(&ioloop, usize::MAX);
            ioloop.spawn_detached(async move {
                loop {
                    let question = stream.read_bytes(1).await.unwrap();
                    stream.write(&question).unwrap();
                }
            });
            script
        })
        .collect();
    turn(&ioloop);
    for round in 1..=5 {
        quiet.iter().for_each(|script| script.arrive(b"?"));
        let (read, unsent) = (count.get(), reader.unsent_len());
        turn(&ioloop);
        // All have their answer, and in between were no more than these bytes of others.
        assert!(quiet.iter().all(|script| script.output().len() == round));
        assert_eq!(count.get() - read, 64 * 1024);
        assert_eq!(unsent - reader.unsent_len(), 1024 * 1024);
    }
}
