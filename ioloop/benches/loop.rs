//! What the loop costs: timers, tasks, posts and turns.
//!
//! `cargo bench -p squall-ioloop`. What is measured runs inside a turn where programs do it there:
//! between turns, each deadline reads the clock.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use squall_ioloop::{Handle, Interest, IoLoop, Ready, Source, Token};

const MINUTE: Duration = Duration::from_secs(60);

fn new_loop() -> IoLoop {
    IoLoop::new().expect("a poller")
}

fn one_turn(ioloop: &IoLoop) {
    let turned = ioloop.turn(Some(Duration::ZERO));
    turned.expect("the poller is well");
}

/// How long `work` takes when a callback does it.
fn inside_a_turn(ioloop: &IoLoop, work: impl FnOnce(&Handle) + 'static) -> Duration {
    let elapsed = Rc::new(Cell::new(Duration::ZERO));
    let (handle, inner) = (ioloop.handle().clone(), elapsed.clone());
    ioloop.add_callback(move || {
        let start = Instant::now();
        work(&handle);
        inner.set(start.elapsed());
    });
    one_turn(ioloop);
    elapsed.get()
}

/// Delays over an hour, in no order.
fn spread(number: u64) -> Duration {
    MINUTE + Duration::from_micros(number.wrapping_mul(2_654_435_761) % 3_600_000_000)
}

fn timers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timer");
    for live in [1, 1_000_000] {
        let ioloop = new_loop();
        for number in 0..live {
            ioloop.call_later(spread(number), || {});
        }
        let mut number = live;
        group.bench_function(format!("schedule and cancel, {live} live"), |bencher| {
            bencher.iter_custom(|iterations| {
                let first = number;
                number += iterations;
                inside_a_turn(&ioloop, move |ioloop| {
                    for number in first..first + iterations {
                        let timeout = ioloop.call_later(spread(number), || {});
                        ioloop.remove_timeout(timeout);
                    }
                })
            });
        });
    }

    // The turn in which they fire is part of it.
    let ioloop = new_loop();
    group.bench_function("schedule and fire, 1000 a turn", |bencher| {
        bencher.iter_custom(|iterations| {
            let start = Instant::now();
            for _ in 0..iterations.div_ceil(1_000) {
                inside_a_turn(&ioloop, |ioloop| {
                    for number in 0..1_000 {
                        ioloop.call_later(Duration::from_nanos(number * 7_919 % 1_009), || {});
                    }
                });
                one_turn(&ioloop);
            }
            start
                .elapsed()
                .mul_f64(iterations as f64 / (iterations.div_ceil(1_000) * 1_000) as f64)
        });
    });
}

struct Deaf;

impl Source for Deaf {
    fn on_ready(&self, _: &Handle, _: Ready) {}
}

fn deaf_source(ioloop: &IoLoop) -> Token {
    let token = ioloop.register(Rc::new(Deaf), None, Interest::Read);
    token.expect("a source without a descriptor")
}

fn deadlines(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deadline");
    for live in [1, 10_000, 1_000_000_u64] {
        let ioloop = new_loop();
        let all: Rc<[Token]> = (0..live).map(|_| deaf_source(&ioloop)).collect();
        for (number, token) in all.iter().enumerate() {
            ioloop.set_deadline(*token, Some(spread(number as u64)));
        }
        group.bench_function(format!("push forward, one of {live}"), |bencher| {
            bencher.iter_custom(|iterations| {
                let all = all.clone();
                inside_a_turn(&ioloop, move |ioloop| {
                    let mut next = 0;
                    for _ in 0..iterations {
                        ioloop.set_deadline(all[next], Some(MINUTE * 100));
                        next = if next + 1 == all.len() { 0 } else { next + 1 };
                    }
                })
            });
        });
    }
}

/// What the laziness costs in the end: all deadlines were pushed forward half a period ago, and
/// now their old time comes, all at once. Virtual time jumps there.
fn second_looks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deadline");
    for live in [1_000, 10_000, 1_000_000_u64] {
        let ioloop = IoLoop::builder().virtual_clock().build();
        let ioloop = ioloop.expect("a poller");
        let half_a_period = || {
            let turned = ioloop.run_once(Some(MINUTE / 2));
            turned.expect("the poller is well");
        };
        let all: Vec<Token> = (0..live).map(|_| deaf_source(&ioloop)).collect();
        let push_forward = || {
            for token in &all {
                ioloop.set_deadline(*token, Some(MINUTE));
            }
        };
        push_forward();
        half_a_period();
        group.bench_function(format!("the second look, at one of {live}"), |bencher| {
            bencher.iter_custom(|iterations| {
                let rounds = iterations.div_ceil(live);
                let mut elapsed = Duration::ZERO;
                for _ in 0..rounds {
                    push_forward();
                    let start = Instant::now();
                    half_a_period();
                    elapsed += start.elapsed();
                }
                elapsed.mul_f64(iterations as f64 / (rounds * live) as f64)
            });
        });
    }
}

fn tasks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("task");
    let ioloop = new_loop();
    group.bench_function("spawn and run, 1000 a turn", |bencher| {
        bencher.iter_custom(|iterations| {
            let start = Instant::now();
            for done in (0..iterations).step_by(1_000) {
                for _ in 0..(iterations - done).min(1_000) {
                    drop(ioloop.spawn(async {}));
                }
                one_turn(&ioloop);
            }
            start.elapsed()
        });
    });
    group.bench_function("spawn detached and run, 1000 a turn", |bencher| {
        bencher.iter_custom(|iterations| {
            let start = Instant::now();
            for done in (0..iterations).step_by(1_000) {
                for _ in 0..(iterations - done).min(1_000) {
                    ioloop.spawn_detached(async {});
                }
                one_turn(&ioloop);
            }
            start.elapsed()
        });
    });

    // A thousand tasks that wake themselves in every turn.
    let busy = new_loop();
    for _ in 0..1_000 {
        busy.spawn_detached(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
    }
    group.bench_function("wake itself and be polled, 1000 a turn", |bencher| {
        bencher.iter_custom(|iterations| {
            let start = Instant::now();
            for _ in 0..iterations.div_ceil(1_000) {
                one_turn(&busy);
            }
            start
                .elapsed()
                .mul_f64(iterations as f64 / (iterations.div_ceil(1_000) * 1_000) as f64)
        });
    });
    group.bench_function("a callback, 1000 a turn", |bencher| {
        bencher.iter_custom(|iterations| {
            let start = Instant::now();
            for done in (0..iterations).step_by(1_000) {
                for _ in 0..(iterations - done).min(1_000) {
                    ioloop.add_callback(|| {});
                }
                one_turn(&ioloop);
            }
            start.elapsed()
        });
    });
}

fn posts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("remote");
    // A thread posts as fast as it can to a loop that runs what comes.
    group.bench_function("post from another thread and run, in a flood", |bencher| {
        bencher.iter_custom(|iterations| {
            let ioloop = new_loop();
            let remote = ioloop.remote();
            let start = Instant::now();
            let poster = thread::spawn(move || {
                for _ in 1..iterations {
                    remote.add_callback(|_| ()).expect("the loop is there");
                }
                let last = remote.add_callback(|ioloop| ioloop.stop());
                last.expect("the loop is there");
            });
            ioloop.run().expect("the poller is well");
            let elapsed = start.elapsed();
            poster.join().expect("a thread that only posts");
            elapsed
        });
    });
    group.bench_function("round trip to a loop that sleeps", |bencher| {
        let (sender, receiver) = mpsc::channel();
        let guest = thread::spawn(move || {
            let ioloop = new_loop();
            sender.send(ioloop.remote()).expect("somebody waits");
            ioloop.run().expect("the poller is well");
        });
        let remote = receiver.recv().expect("the other thread lives");
        let (answer, answers) = mpsc::channel();
        bencher.iter(|| {
            let answer = answer.clone();
            let posted = remote.add_callback(move |_| answer.send(()).expect("somebody waits"));
            posted.expect("the loop is there");
            answers.recv().expect("the other thread lives");
        });
        let stopped = remote.add_callback(|ioloop| ioloop.stop());
        stopped.expect("the loop is there");
        guest.join().expect("a thread that only turns its loop");
    });
}

fn turns(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("turn");
    let ioloop = new_loop();
    group.bench_function("empty", |bencher| bencher.iter(|| one_turn(&ioloop)));

    let token = ioloop.register(Rc::new(Deaf), None, Interest::Read);
    let token = token.expect("a source without a descriptor");
    group.bench_function("one source, ready again", |bencher| {
        bencher.iter(|| {
            ioloop.ready_again(token, Ready::READABLE);
            one_turn(&ioloop);
        });
    });

    // A write on a socket is what it takes to have an edge; it is part of it.
    let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    let (reader, _kept) = (ours.try_clone().expect("a duplicate"), &ours);
    struct Reads(UnixStream);
    impl Source for Reads {
        fn on_ready(&self, _: &Handle, _: Ready) {
            let read = std::io::Read::read(&mut &self.0, &mut [0; 16]);
            assert_eq!(read.expect("readable"), 1);
        }
    }
    let source = Rc::new(Reads(reader));
    let token = ioloop.register(source, Some(ours.as_fd()), Interest::Read);
    let token = token.expect("a socket can be polled");
    group.bench_function("one source, a byte written and read", |bencher| {
        bencher.iter(|| {
            theirs.write_all(b"x").expect("the other end reads");
            one_turn(&ioloop);
        });
    });
    ioloop.deregister(token, Some(ours.as_fd()));

    let ready = ioloop.add_handler(&theirs, Interest::Write, |_, _| {});
    ready.expect("a socket can be polled");
    group.bench_function("one handler, always ready", |bencher| {
        bencher.iter(|| one_turn(&ioloop));
    });
}

criterion_group!(
    benches,
    timers,
    deadlines,
    second_looks,
    tasks,
    posts,
    turns
);
criterion_main!(benches);
