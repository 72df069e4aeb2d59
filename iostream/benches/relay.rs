//! What a relay costs, by copy and by `splice`: processor time of its thread, user and system, for
//! each GiB that it moves over TCP, at several sizes of chunk. Both ways in turn, in one run.
//!
//! cargo bench -p squall-iostream --bench relay [-- [copy|splice] [KIB]]
//!
//! One way and one size of chunk alone are for `strace -f`, which counts the calls.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use squall_ioloop::IoLoop;
use squall_iostream::{IoStream, RelayOptions, relay};

const ROUNDS: usize = 7;
const BYTES: usize = 512 * 1024 * 1024;

/// How chunks follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// As fast as they go.
    Stream,
    /// Each when the one before it has arrived.
    OneByOne,
}

fn main() {
    let only = std::env::args().find(|arg| arg == "copy" || arg == "splice");
    let only_kib: Option<usize> = std::env::args().find_map(|arg| arg.parse().ok());
    println!("ms of processor time per GiB; the ratio is splice to copy, medians of {ROUNDS}");
    for pace in [Pace::OneByOne, Pace::Stream] {
        for kib in [1, 4, 8, 16, 32, 64, 256] {
            if only_kib.is_some_and(|only| only != kib) {
                continue;
            }
            let chunk = kib * 1024;
            let bytes = BYTES.min(chunk * 8 * 1024);
            let cost = |may_splice| {
                let wanted = if may_splice { "splice" } else { "copy" };
                match &only {
                    Some(only) if only != wanted => f64::NAN,
                    _ => run(pace, chunk, bytes, may_splice),
                }
            };
            let rounds: Vec<_> = (0..ROUNDS).map(|_| (cost(false), cost(true))).collect();
            let copy = median(rounds.iter().map(|round| round.0));
            let splice = median(rounds.iter().map(|round| round.1));
            let ratio = median(rounds.iter().map(|round| round.1 / round.0));
            println!("{pace:>9?} {kib:>4} KiB: copy {copy:>6.0} splice {splice:>6.0} {ratio:>6.2}");
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The processor time in ms that the relay's thread takes for a GiB.
fn run(pace: Pace, chunk: usize, bytes: usize, may_splice: bool) -> f64 {
    let (mut sender, a) = connection();
    let (b, mut receiver) = connection();
    let (arrived, next) = mpsc::channel();
    let receiving = std::thread::spawn(move || {
        let mut buffer = vec![0; chunk];
        for _ in 0..bytes / chunk {
            receiver.read_exact(&mut buffer).unwrap();
            // A sender that does not wait has left, mostly.
            let _ = arrived.send(());
        }
    });
    let sending = std::thread::spawn(move || {
        let buffer = vec![b'x'; chunk];
        for _ in 0..bytes / chunk {
            sender.write_all(&buffer).unwrap();
            if pace == Pace::OneByOne {
                next.recv().unwrap();
            }
        }
    });
    let ioloop = IoLoop::new().unwrap();
    let stream = |socket| IoStream::from_tcp(&ioloop, socket).unwrap();
    let options = RelayOptions::default().splice(may_splice);
    let before = thread_time();
    let relayed = ioloop
        .run_until(relay(stream(a), stream(b), &options))
        .unwrap();
    let spent = thread_time() - before;
    assert_eq!(relayed.unwrap().a_to_b, bytes as u64);
    sending.join().unwrap();
    receiving.join().unwrap();
    spent.as_secs_f64() * 1000.0 * (1024.0 * 1024.0 * 1024.0) / bytes as f64
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    ours.set_nodelay(true).unwrap();
    theirs.set_nodelay(true).unwrap();
    (ours, theirs)
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
