//! Slow peers, on virtual time: what a stream's guards find, when, and what they leave alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use ends::{Script, TICK, kind_of, pair, pattern, poll_once, send_parts, settle, virtual_loop};
use squall_ioloop::{Handle, IoLoop, Ready, Token, sleep, with_timeout};
use squall_iostream::memory::{self, Options};
use squall_iostream::{CutOff, Guards, IoStream, MinRate, RateLimit, StreamError, Transport};

const SECOND: Duration = Duration::from_secs(1);

fn pass(ioloop: &IoLoop, time: Duration) {
    ioloop.run_until(sleep(time)).unwrap();
}

fn idle_after(time: Duration) -> Guards {
    Guards {
        timeout_idle: Some(time),
        ..Guards::default()
    }
}

fn stalled_after(time: Duration) -> Guards {
    Guards {
        timeout_stall: Some(time),
        ..Guards::default()
    }
}

// ---- idle, and all together

#[test]
fn an_idle_stream_ends_its_reader_and_lives_on() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    stream.set_guards(&idle_after(SECOND * 10));
    for _ in 0..2 {
        let begun_at = ioloop.now();
        let read = ioloop.run_until(stream.read_bytes(1)).unwrap();
        assert!(matches!(read, Err(StreamError::Idle)), "{read:?}");
        assert_eq!(ioloop.now() - begun_at, SECOND * 10);
    }
    stream.write(b"408").unwrap();
    peer.write(b"x").unwrap();
    assert_eq!(
        ioloop.run_until(stream.read_bytes(1)).unwrap().unwrap(),
        b"x"
    );
}

#[test]
fn reading_and_sending_both_keep_a_stream_from_being_idle() {
    let ioloop = virtual_loop();
    let (script, mut stream) = Script::stream(&ioloop, usize::MAX);
    stream.set_guards(&idle_after(SECOND * 10));
    for is_read in [true, false, true, false] {
        {
            let mut reading = pin!(stream.read_bytes(1));
            assert!(poll_once(reading.as_mut()).is_pending());
            pass(&ioloop, SECOND * 9);
            assert!(poll_once(reading.as_mut()).is_pending(), "not yet idle");
        }
        if is_read {
            script.arrive(b"x");
            ioloop.run_until(stream.read_bytes(1)).unwrap().unwrap();
        } else {
            stream.write(b"x").unwrap();
            stream.flush();
        }
    }
    let begun_at = ioloop.now();
    let read = ioloop.run_until(stream.read_bytes(1)).unwrap();
    assert!(matches!(read, Err(StreamError::Idle)));
    assert_eq!(ioloop.now() - begun_at, SECOND * 10);
}

#[test]
fn an_answer_that_took_long_is_no_silence_of_the_peer() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    stream.set_guards(&idle_after(SECOND * 10));
    peer.write(b"?").unwrap();
    ioloop.run_until(stream.read_bytes(1)).unwrap().unwrap();
    pass(&ioloop, SECOND * 300);
    stream.write(b"!").unwrap();
    let begun_at = ioloop.now();
    let read = ioloop.run_until(stream.read_bytes(1)).unwrap();
    assert!(matches!(read, Err(StreamError::Idle)));
    assert_eq!(ioloop.now() - begun_at, SECOND * 10);
}

#[test]
fn all_together_takes_no_longer_than_its_time_and_is_told_once() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    let guards = Guards {
        timeout_total: Some(TICK * 100),
        ..idle_after(TICK * 50)
    };
    stream.set_guards(&guards);
    let begun_at = ioloop.now();
    let parts = pattern(1_000).chunks(1).map(<[u8]>::to_vec).collect();
    let dripping = ioloop.spawn(send_parts(peer, parts));
    let read = ioloop.run_until(stream.read_bytes(1_000)).unwrap();
    assert!(matches!(read, Err(StreamError::Expired)), "{read:?}");
    assert_eq!(ioloop.now() - begun_at, TICK * 100);
    ioloop.run_until(stream.read_bytes(1_000)).unwrap().unwrap();
    drop(dripping);
}

#[test]
fn guards_and_the_deadline_do_not_know_each_other() {
    let ioloop = virtual_loop();
    let (_peer, mut stream) = pair(&ioloop);
    stream.set_guards(&idle_after(TICK * 20));
    stream.set_deadline(Some(TICK * 10));
    let read = ioloop.run_until(stream.read_bytes(1)).unwrap();
    assert!(matches!(read, Err(StreamError::TimedOut)));
    stream.set_deadline(Some(TICK * 1_000));
    let read = ioloop.run_until(stream.read_bytes(1)).unwrap();
    assert!(matches!(read, Err(StreamError::Idle)));
    // Taken away in the middle of a wait.
    assert!(poll_once(pin!(stream.read_bytes(1))).is_pending());
    stream.set_guards(&Guards::default());
    let read = ioloop.run_until(stream.read_bytes(1)).unwrap();
    assert!(matches!(read, Err(StreamError::TimedOut)));
}

// ---- a minimum rate

#[test]
fn a_drip_is_too_slow_and_a_trickle_is_not() {
    let rate_min = Some(MinRate {
        bytes_per_second: 100,
        period: SECOND * 2,
        grace: SECOND * 3,
    });
    for (pause, expected) in [(9, None), (11, Some(SECOND * 5))] {
        let ioloop = virtual_loop();
        let (peer, mut stream) = pair(&ioloop);
        stream.set_guards(&Guards {
            rate_min,
            ..Guards::default()
        });
        let begun_at = ioloop.now();
        ioloop.spawn_detached(async move {
            for _ in 0..2_000 {
                peer.write(b"x").unwrap();
                sleep(TICK * pause).await;
            }
        });
        let read = ioloop.run_until(stream.read_bytes(2_000)).unwrap();
        match expected {
            None => assert_eq!(read.unwrap().len(), 2_000),
            Some(after) => {
                assert!(matches!(read, Err(StreamError::TooSlow)), "{read:?}");
                assert_eq!(ioloop.now() - begun_at, after);
                // What has come is there, and an answer goes.
                assert!(stream.unread_len() > 400);
                stream.write(b"408").unwrap();
            }
        }
    }
}

#[test]
fn a_peer_that_is_held_back_is_not_too_slow() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    peer.write(&pattern(10_000)).unwrap();
    stream.set_read_rate(Some(RateLimit::new(1_000)));
    stream.set_guards(&Guards {
        rate_min: Some(MinRate {
            bytes_per_second: 100_000,
            period: SECOND,
            grace: SECOND,
        }),
        ..Guards::default()
    });
    ioloop
        .run_until(stream.read_bytes(10_000))
        .unwrap()
        .unwrap();
}

#[test]
fn a_peer_whose_bytes_nobody_comes_for_is_not_too_slow() {
    let ioloop = virtual_loop();
    let (peer, mut stream) = pair(&ioloop);
    stream.set_guards(&Guards {
        rate_min: Some(MinRate {
            bytes_per_second: 10,
            period: SECOND,
            grace: SECOND,
        }),
        ..Guards::default()
    });
    // It waits, gives up, and does other things; meanwhile something comes.
    let waited = ioloop.run_until(with_timeout(TICK, stream.read_bytes(1)));
    assert!(waited.unwrap().is_err());
    peer.write(b"x").unwrap();
    pass(&ioloop, SECOND * 100);
    let read = ioloop.run_until(stream.read_bytes(1)).unwrap();
    assert_eq!(read.unwrap(), b"x");
    // The peer has as much time as it had left.
    let waited = ioloop.run_until(with_timeout(SECOND / 2, stream.read_bytes(1)));
    assert!(waited.unwrap().is_err(), "it is told of a slow peer");
}

// ---- writes that stall

/// Takes all that is written and keeps it, as TLS may, and fails when it is to send that.
#[derive(Clone, Default)]
struct Keeper(Rc<Kept>);

#[derive(Default)]
struct Kept {
    bytes: Cell<usize>,
    has_failed: Cell<bool>,
    is_read: Cell<bool>,
    place: RefCell<Option<(Handle, Token)>>,
}

impl Keeper {
    /// Its peer is gone, and that is heard of.
    fn fail(&self) {
        self.0.has_failed.set(true);
        let place = self.0.place.borrow();
        let (ioloop, token) = place.as_ref().unwrap();
        ioloop.ready_again(*token, Ready::WRITABLE);
    }
}

impl Transport for Keeper {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_read.replace(true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer[..5].copy_from_slice(b"early");
        Ok(5)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.bytes.set(self.0.bytes.get() + bytes.len());
        Ok(bytes.len())
    }

    fn unsent_len(&self) -> usize {
        self.0.bytes.get()
    }

    fn flush(&self) -> io::Result<()> {
        Err(match self.0.has_failed.get() {
            true => io::ErrorKind::ConnectionReset.into(),
            false => io::ErrorKind::WouldBlock.into(),
        })
    }

    fn shutdown_write(&self) -> io::Result<()> {
        Ok(())
    }

    fn close(&self) {}

    fn attach(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
        self.0.place.replace(Some((ioloop.clone(), token)));
        Ok(())
    }
}

#[test]
fn a_stream_whose_write_has_failed_waits_for_nobody_to_take_anything() {
    let ioloop = virtual_loop();
    let keeper = Keeper::default();
    let mut stream = IoStream::new(&ioloop, keeper.clone()).unwrap();
    stream.set_guards(&stalled_after(SECOND));
    stream.write(b"question").unwrap();
    settle(&ioloop);
    assert_eq!(stream.unsent_len(), 8);
    keeper.fail();
    settle(&ioloop);
    assert!(stream.is_closed() && stream.unsent_len() == 0);
    pass(&ioloop, SECOND * 10);
    let read = ioloop.run_until(stream.read_bytes(5)).unwrap();
    assert_eq!(read.unwrap(), b"early");
}

#[test]
fn a_peer_that_takes_nothing_is_cut_off() {
    let ioloop = virtual_loop();
    let options = Options {
        capacity: 10,
        ..Options::default()
    };
    let (ours, mut theirs) = memory::pair(&ioloop, options);
    ours.set_guards(&stalled_after(SECOND * 30));
    ours.write(&pattern(100)).unwrap();
    let begun_at = ioloop.now();
    let drained = ioloop.run_until(ours.drained(0)).unwrap();
    assert_eq!(ioloop.now() - begun_at, SECOND * 30);
    let Err(StreamError::Closed(closed)) = drained else {
        panic!("it is closed: {drained:?}")
    };
    let timeout = SECOND * 30;
    assert_eq!(closed.cut_off(), Some(CutOff::WriteStalled { timeout }));
    assert_eq!(kind_of(&closed), Some(io::ErrorKind::TimedOut));
    // The peer can tell that it has not got all.
    let read = ioloop.run_until(theirs.read_until_close(100)).unwrap();
    assert!(matches!(read, Err(StreamError::Closed(closed))
            if kind_of(&closed) == Some(io::ErrorKind::ConnectionReset)));
}

#[test]
fn a_peer_that_takes_a_little_is_not_cut_off_and_neither_is_one_with_nothing_to_take() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 0);
    stream.set_guards(&stalled_after(SECOND * 10));
    for _ in 0..2 {
        stream.write(&pattern(5)).unwrap();
        for _ in 0..5 {
            pass(&ioloop, SECOND * 9);
            script.make_room(1);
            settle(&ioloop);
        }
        assert_eq!(stream.unsent_len(), 0);
        pass(&ioloop, SECOND * 1_000);
    }
    assert!(!stream.is_closed());
    // The clock begins with the first that is not taken.
    stream.write(b"x").unwrap();
    pass(&ioloop, SECOND * 9);
    stream.write(b"y").unwrap();
    assert!(!stream.is_closed());
    pass(&ioloop, SECOND * 2);
    assert!(stream.is_closed());
}

#[test]
fn a_stream_that_holds_itself_back_does_not_stall() {
    let ioloop = virtual_loop();
    let (ours, mut theirs) = pair(&ioloop);
    ours.set_write_rate(Some(RateLimit::new(10).with_burst(100)));
    ours.set_guards(&stalled_after(TICK * 10));
    ours.write(&pattern(200)).unwrap();
    ioloop.run_until(theirs.read_bytes(200)).unwrap().unwrap();
    assert!(!ours.is_closed());
}

#[test]
fn what_was_unsent_before_the_guards_is_watched_too() {
    let ioloop = virtual_loop();
    let (_script, stream) = Script::stream(&ioloop, 0);
    stream.write(b"x").unwrap();
    settle(&ioloop);
    stream.set_guards(&stalled_after(SECOND));
    pass(&ioloop, SECOND * 2);
    assert!(stream.is_closed());
}

#[test]
fn a_guarded_stream_that_is_dropped_leaves_nothing_on_the_loop() {
    let ioloop = virtual_loop();
    let (_peer, stream) = pair(&ioloop);
    stream.set_guards(&stalled_after(SECOND));
    let handle = stream.handle();
    drop(stream);
    handle.set_guards(&idle_after(SECOND));
    handle.set_write_rate(Some(RateLimit::new(1)));
    // A timer would be jumped to.
    let begun_at = ioloop.now();
    settle(&ioloop);
    ioloop.run_once(Some(SECOND * 100)).unwrap();
    assert_eq!(ioloop.now() - begun_at, SECOND * 100);
}

#[test]
fn guards_of_a_stream_whose_loop_is_gone_are_harmless() {
    let ioloop = virtual_loop();
    let (_script, stream) = Script::stream(&ioloop, 0);
    drop(ioloop);
    stream.set_guards(&idle_after(SECOND));
    stream.set_read_rate(Some(RateLimit::new(1)));
    stream.write(b"x").unwrap();
    stream.flush();
    drop::<IoStream>(stream);
}
