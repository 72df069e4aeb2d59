//! Rates and the memory budget: how fast, how much, and that all have their turn.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use ends::{LineRate, Script, pair, pattern, poll_once, settle, virtual_loop};
use squall_ioloop::{IoLoop, sleep};
use squall_iostream::{IoStream, MemoryBudget, RateLimit, Step, StreamError};

const SECOND: Duration = Duration::from_secs(1);

/// A task that takes all it can read, and counts it.
fn gulp(ioloop: &IoLoop, limit: RateLimit) -> Rc<Cell<usize>> {
    let mut stream = IoStream::new(ioloop, LineRate).unwrap();
    stream.set_read_rate(Some(limit));
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

// ---- rates

#[test]
fn a_stream_reads_at_its_rate_whatever_the_peer_sends() {
    let ioloop = virtual_loop();
    let count = gulp(&ioloop, RateLimit::new(100_000));
    for seconds in 1..=5 {
        ioloop.run_until(sleep(SECOND)).unwrap();
        let most = 10_000 + seconds * 100_000;
        assert!(
            (most - 5_000..=most).contains(&count.get()),
            "{}",
            count.get()
        );
    }
}

#[test]
fn a_stream_that_is_held_back_sleeps() {
    let ioloop = virtual_loop();
    let count = gulp(&ioloop, RateLimit::new(1_000));
    settle(&ioloop);
    let before = ioloop.turn_count();
    ioloop.run_until(sleep(SECOND * 10)).unwrap();
    let turns = ioloop.turn_count() - before;
    assert!(count.get() >= 10_000);
    // Twenty grants a second, and a turn to be told and one to go on for each.
    assert!(turns <= 10 * 20 * 3, "{turns} turns");
}

#[test]
fn a_group_shares_its_rate_equally() {
    let ioloop = virtual_loop();
    let group = RateLimit::new(100_000);
    let counts: Vec<_> = (0..5).map(|_| gulp(&ioloop, group.clone())).collect();
    ioloop.run_until(sleep(SECOND * 10)).unwrap();
    let all: usize = counts.iter().map(|count| count.get()).sum();
    assert!((990_000..=1_010_000).contains(&all), "{all}");
    for count in &counts {
        assert!((190_000..=215_000).contains(&count.get()), "{counts:?}");
    }
}

#[test]
fn a_stream_sends_at_its_rate_and_in_order() {
    let ioloop = virtual_loop();
    let (ours, mut theirs) = pair(&ioloop);
    ours.set_write_rate(Some(RateLimit::new(10_000).with_burst(20_000)));
    let begun_at = ioloop.now();
    ours.write(&pattern(30_000)).unwrap();
    ours.write_bytes(bytes::Bytes::from(pattern(30_000)))
        .unwrap();
    let read = ioloop.run_until(theirs.read_bytes(60_000)).unwrap();
    assert!(read.unwrap() == [pattern(30_000), pattern(30_000)].concat());
    assert_eq!(ioloop.now() - begun_at, SECOND * 4);
    // Without it, all goes at once.
    ours.set_write_rate(None);
    ours.write(&pattern(60_000)).unwrap();
    ioloop
        .run_until(theirs.read_bytes(60_000))
        .unwrap()
        .unwrap();
    assert_eq!(ioloop.now() - begun_at, SECOND * 4);
}

#[test]
fn a_drained_writer_waits_for_its_rate() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, usize::MAX);
    stream.set_write_rate(Some(RateLimit::new(1_000).with_burst(50)));
    let begun_at = ioloop.now();
    stream.write(&pattern(1_050)).unwrap();
    ioloop.run_until(stream.drained(500)).unwrap().unwrap();
    assert_eq!(ioloop.now() - begun_at, SECOND / 2);
    ioloop.run_until(stream.drained(0)).unwrap().unwrap();
    assert_eq!(ioloop.now() - begun_at, SECOND);
    assert!(script.output() == pattern(1_050));
}

#[test]
fn a_member_that_goes_gives_its_promise_to_the_others() {
    let ioloop = virtual_loop();
    let group = RateLimit::new(1_000).with_burst(1_000);
    for _ in 0..100 {
        let (script, mut stream) = Script::stream(&ioloop, 0);
        stream.set_read_rate(Some(group.clone()));
        script.arrive(&pattern(2_000));
        settle(&ioloop);
        // It reads the burst, or is promised something, and goes.
        let _ = poll_once(pin!(stream.read_bytes(2_000)));
    }
    let begun_at = ioloop.now();
    let (script, mut stream) = Script::stream(&ioloop, 0);
    stream.set_read_rate(Some(group));
    script.arrive(&pattern(100));
    ioloop.run_until(stream.read_bytes(100)).unwrap().unwrap();
    assert!(ioloop.now() - begun_at <= SECOND / 10);
}

// ---- memory

/// A member whose reader wants `wanted` bytes, of which all have arrived.
fn member(ioloop: &IoLoop, budget: &MemoryBudget, wanted: usize) -> Rc<Cell<bool>> {
    let (script, mut stream) = Script::stream(ioloop, 0);
    stream.set_memory_budget(Some(budget));
    script.arrive(&pattern(wanted));
    let is_done = Rc::new(Cell::new(false));
    let inner = is_done.clone();
    ioloop.spawn_detached(async move {
        stream.read_bytes(wanted).await.unwrap();
        inner.set(true);
        std::future::pending::<()>().await;
    });
    is_done
}

#[test]
fn what_streams_hold_is_counted_and_given_back() {
    let ioloop = virtual_loop();
    let budget = MemoryBudget::new(&ioloop, 1_000_000);
    let (peer, mut stream) = pair(&ioloop);
    stream.set_memory_budget(Some(&budget));
    peer.write(b"abcdef").unwrap();
    ioloop.run_until(stream.read_bytes(2)).unwrap().unwrap();
    assert_eq!((budget.bytes_held(), stream.memory_len()), (4, 4));
    stream.write(b"xyz").unwrap();
    assert_eq!((budget.bytes_held(), stream.memory_len()), (7, 7));
    stream.flush();
    assert_eq!(budget.bytes_held(), 4);
    let mut memory = [0; 3];
    ioloop
        .run_until(stream.read_into(&mut memory))
        .unwrap()
        .unwrap();
    assert_eq!(budget.bytes_held(), 1);
    // To another, with all it holds, and back.
    let other = MemoryBudget::new(&ioloop, 10);
    stream.set_memory_budget(Some(&other));
    assert_eq!((budget.bytes_held(), other.bytes_held()), (0, 1));
    assert_eq!((budget.stream_count(), other.stream_count()), (0, 1));
    drop(stream);
    assert_eq!((other.bytes_held(), other.stream_count()), (0, 0));
}

#[test]
fn what_is_dropped_by_a_failed_write_is_given_back() {
    let ioloop = virtual_loop();
    let budget = MemoryBudget::new(&ioloop, 1_000);
    let (script, stream) = Script::stream(&ioloop, 0);
    stream.set_memory_budget(Some(&budget));
    stream.write(&pattern(2_000)).unwrap();
    assert!(budget.is_exceeded());
    script.fail(std::io::ErrorKind::ConnectionReset);
    stream.flush();
    assert_eq!(budget.bytes_held(), 0);
    assert!(!budget.is_exceeded() && stream.is_closed());
}

#[test]
fn a_stream_that_holds_everything_stops_itself_and_not_the_quiet_ones() {
    let ioloop = virtual_loop();
    let budget = MemoryBudget::new(&ioloop, 100_000);
    let (script, mut big) = Script::stream(&ioloop, 0);
    big.set_memory_budget(Some(&budget));
    big.write(&pattern(200_000)).unwrap();
    assert!(budget.is_exceeded());
    // It reads no more, though there is input,
    script.arrive(b"more");
    settle(&ioloop);
    let mut reading = pin!(big.read_bytes(4));
    assert!(poll_once(reading.as_mut()).is_pending());
    settle(&ioloop);
    assert!(poll_once(reading.as_mut()).is_pending());
    // but others do,
    for _ in 0..3 {
        assert!(!member(&ioloop, &budget, 1_000).get());
        let is_done = member(&ioloop, &budget, 1_000);
        settle(&ioloop);
        assert!(is_done.get());
    }
    // and so does it, when its peer has taken enough.
    script.make_room(150_000);
    settle(&ioloop);
    assert!(!budget.is_exceeded());
    assert!(poll_once(reading).is_ready());
}

#[test]
fn halves_of_messages_do_not_wait_for_each_other() {
    let ioloop = virtual_loop();
    let budget = MemoryBudget::new(&ioloop, 300_000);
    let all: Vec<_> = (0..20)
        .map(|_| member(&ioloop, &budget, 1_000_000))
        .collect();
    let mut most = 0;
    for _ in 0..2_000 {
        ioloop.run_once(Some(Duration::ZERO)).unwrap();
        most = most.max(budget.bytes_held());
    }
    assert!(
        all.iter().all(|is_done| is_done.get()),
        "all are served in the end"
    );
    // Twice the budget, one message, one read, and a little for each.
    let bound = 2 * 300_000 + 1_000_000 + 256 * 1024 + 20 * 4096;
    assert!(most <= bound, "{most} of {bound}");
    assert!(most > 300_000, "it was used up");
    assert_eq!(budget.bytes_held(), 0);
}

#[test]
fn those_that_wait_go_on_when_the_one_before_them_goes() {
    let ioloop = virtual_loop();
    let budget = MemoryBudget::new(&ioloop, 100_000);
    // One that will never be satisfied has the right to go on,
    let (script, mut first) = Script::stream(&ioloop, 0);
    first.set_memory_budget(Some(&budget));
    script.arrive(&pattern(150_000));
    settle(&ioloop);
    for _ in 0..4 {
        assert!(poll_once(pin!(first.read_bytes(200_000))).is_pending());
        settle(&ioloop);
    }
    script.arrive(&pattern(10_000));
    settle(&ioloop);
    assert!(poll_once(pin!(first.read_bytes(200_000))).is_pending());
    assert!(budget.is_exceeded());
    assert_eq!(first.unread_len(), 160_000);
    let second = member(&ioloop, &budget, 500_000);
    settle(&ioloop);
    assert!(!second.get());
    // until it is closed.
    drop(first);
    settle(&ioloop);
    assert!(second.get());
}

#[test]
#[should_panic(expected = "a memory budget is for the streams of one loop")]
fn a_budget_of_another_loop_is_refused() {
    let (ioloop, other) = (virtual_loop(), virtual_loop());
    let budget = MemoryBudget::new(&other, 1_000);
    let (stream, _peer) = pair(&ioloop);
    stream.set_memory_budget(Some(&budget));
}
