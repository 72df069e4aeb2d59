//! Where two parts of the crate meet, and each relies upon the other's word: relays and TLS, guards
//! and deadlines, budgets and polled reads, a failed write and the end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::io::{self, Write};
use std::time::Duration;

use ends::{pair, pattern, tcp_pair, virtual_loop};
use futures_util::io::{AsyncBufReadExt, AsyncReadExt};
use squall_ioloop::{IoLoop, sleep, with_timeout};
use squall_iostream::memory::{self, Options};
use squall_iostream::{Guards, IoStream, MemoryBudget, RelayOptions, Relayed, StreamError, relay};

const SECOND: Duration = Duration::from_secs(1);

// ---- relays

#[test]
fn a_relay_heeds_the_cap_of_its_sink_and_loses_nothing() {
    let ioloop = virtual_loop();
    let ((ours, a), (b, mut theirs)) = (pair(&ioloop), pair(&ioloop));
    b.set_unsent_bytes_max(1_000);
    ours.write(&pattern(5_000)).unwrap();
    let relaying = ioloop.spawn(async move { relay(a, b, &RelayOptions::default()).await });
    let received = ioloop.run_until(async {
        ours.shutdown_write().await.unwrap();
        theirs.read_until_close(100_000).await.unwrap()
    });
    assert!(received.unwrap() == pattern(5_000));
    drop((ours, theirs));
    let relayed = ioloop.run_until(relaying).unwrap().unwrap().unwrap();
    assert_eq!(
        relayed,
        Relayed {
            a_to_b: 5_000,
            b_to_a: 0
        }
    );
}

#[test]
fn a_relay_passes_a_reset_on() {
    let ioloop = IoLoop::new().unwrap();
    let ((ours, a), (b, mut theirs)) = (tcp_pair(&ioloop), tcp_pair(&ioloop));
    ours.write(b"half").unwrap();
    let relaying = ioloop.spawn(async move { relay(a, b, &RelayOptions::default()).await });
    let half = ioloop.run_until(theirs.read_bytes(4)).unwrap();
    assert_eq!(half.unwrap(), b"half");
    ours.abort();
    assert!(ioloop.run_until(relaying).unwrap().unwrap().is_err());
    let rest = ioloop.run_until(theirs.read_until_close(100)).unwrap();
    assert!(rest.is_err(), "a reset was passed on as an end");
}

#[test]
fn a_relay_that_is_dropped_is_no_end_to_its_peers() {
    let ioloop = virtual_loop();
    let ((ours, a), (b, mut theirs)) = (pair(&ioloop), pair(&ioloop));
    ours.write(b"half").unwrap();
    let relaying = ioloop.spawn(async move { relay(a, b, &RelayOptions::default()).await });
    let half = ioloop.run_until(theirs.read_bytes(4)).unwrap();
    assert_eq!(half.unwrap(), b"half");
    relaying.abort();
    let rest = ioloop.run_until(theirs.read_until_close(100)).unwrap();
    assert!(rest.is_err(), "{rest:?}");
}

#[cfg(any(feature = "tls", feature = "tls-ring"))]
mod over_tls {
    use super::*;
    use ends::settle;
    use ends::tls::{client_config, server_config, shake, tls_pair};

    #[test]
    fn a_relay_passes_a_truncation_on() {
        let ioloop = virtual_loop();
        let (a, ours) = tls_pair(&ioloop, Options::default());
        let (b, mut theirs) = tls_pair(&ioloop, Options::default());
        ours.write(b"half").unwrap();
        let relaying = ioloop.spawn(async move { relay(a, b, &RelayOptions::default()).await });
        settle(&ioloop);
        ours.write(b"dropped, so that no end is said").unwrap();
        ours.close();
        assert!(ioloop.run_until(relaying).unwrap().unwrap().is_err());
        let got = ioloop.run_until(theirs.read_until_close(100)).unwrap();
        assert!(got.is_err(), "a truncation was passed on as an end");
    }

    #[test]
    fn a_relay_that_gives_up_says_no_end() {
        let ioloop = virtual_loop();
        let (a, ours) = tls_pair(&ioloop, Options::default());
        let (b, mut theirs) = tls_pair(&ioloop, Options::default());
        ours.write(b"half").unwrap();
        let options = RelayOptions::default().idle_timeout(Some(SECOND));
        let relaying = ioloop.spawn(async move { relay(a, b, &options).await });
        assert!(ioloop.run_until(relaying).unwrap().unwrap().is_err());
        let got = ioloop.run_until(theirs.read_until_close(100)).unwrap();
        assert!(got.is_err(), "an idle cut was passed on as an end");
    }

    #[test]
    fn an_end_that_was_said_is_sent_before_the_stream_may_go() {
        let ioloop = virtual_loop();
        let options = Options {
            capacity: 1_000,
            read_bytes_max: 100,
            ..Options::default()
        };
        let acceptor = server_config()
            .tickets(false)
            .session_cache(0)
            .build()
            .unwrap();
        let connector = client_config().build().unwrap();
        let (server, client) = shake(&ioloop, options, &acceptor, &connector, "localhost");
        let (server, mut client) = (server.unwrap(), client.unwrap());
        // As much as leaves room for a part of the record that says the end.
        server.write(&pattern(978)).unwrap();
        ioloop.spawn_detached(async move {
            server.shutdown_write().await.unwrap();
        });
        let read = ioloop.run_until(client.read_until_close(10_000)).unwrap();
        assert!(read.unwrap() == pattern(978));
    }
}

// ---- the end after a failed write

#[test]
fn what_has_arrived_before_a_failed_write_ends_in_an_end_for_polled_reads_too() {
    let ioloop = IoLoop::new().unwrap();
    let failed = || {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let stream = IoStream::from_unix(&ioloop, ours).unwrap();
        theirs.write_all(b"answer").unwrap();
        drop(theirs);
        stream.write(b"question").unwrap();
        stream.flush();
        assert!(stream.is_closed());
        stream
    };
    let mut stream = failed();
    let own = ioloop.run_until(stream.read_until_close(100)).unwrap();
    assert_eq!(own.unwrap(), b"answer");
    let mut stream = failed();
    let polled = ioloop.run_until(async {
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await?;
        Ok::<_, io::Error>(read)
    });
    assert_eq!(polled.unwrap().unwrap(), b"answer");
}

// ---- writers

#[test]
fn who_waits_for_room_is_told_whoever_has_sent() {
    let ioloop = virtual_loop();
    let options = Options {
        capacity: 4_000_000,
        ..Options::default()
    };
    let (mut ours, _theirs) = memory::pair(&ioloop, options);
    // More than a turn's share.
    ours.write(&pattern(1_500_000)).unwrap();
    let handle = ours.handle();
    let waiting = ioloop.spawn(async move { handle.drained(0).await });
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    // The reader sends the rest before it waits.
    ioloop.spawn_detached(async move {
        let _ = ours.read_bytes(1).await;
    });
    ioloop.run_until(waiting).unwrap().unwrap().unwrap();
}

#[test]
fn a_writer_that_closes_its_stream_and_panics_stops_nobody() {
    let ioloop = virtual_loop();
    let (ours, _theirs) = pair(&ioloop);
    let handle = ours.handle();
    ours.write_with(|out| out.push(1)).unwrap();
    let panicking = std::panic::AssertUnwindSafe(|| {
        ours.write_with(|_| {
            handle.close();
            panic!("as announced");
        })
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
    ours.flush();
    assert!(ours.is_closed());
}

#[test]
fn a_file_that_cannot_be_read_is_no_end_to_the_peer() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, mut theirs) = tcp_pair(&ioloop);
    let folder = ends::folder::Folder::new();
    let file = std::fs::File::create(folder.path("written only")).unwrap();
    ours.write(b"head").unwrap();
    ours.send_file(file, 0, 100).unwrap();
    let read = ioloop.run_until(theirs.read_until_close(1_000)).unwrap();
    assert!(read.is_err(), "{read:?}");
}

// ---- guards

#[test]
fn that_the_whole_time_is_over_is_told_though_a_deadline_came_first() {
    let ioloop = virtual_loop();
    let (mut ours, _theirs) = pair(&ioloop);
    ours.set_guards(&Guards {
        timeout_total: Some(SECOND * 3 / 2),
        ..Guards::default()
    });
    ours.set_deadline(Some(SECOND));
    let told = ioloop.run_until(async {
        // Busy with something else.
        sleep(SECOND * 2).await;
        ours.set_deadline(Some(SECOND * 100));
        with_timeout(SECOND * 50, ours.read_some(10)).await.unwrap()
    });
    assert!(matches!(told.unwrap(), Err(StreamError::Expired)));
}

#[test]
fn that_the_whole_time_is_over_is_told_though_the_peer_was_idle_before() {
    let ioloop = virtual_loop();
    let (mut ours, theirs) = pair(&ioloop);
    ours.set_guards(&Guards {
        timeout_idle: Some(SECOND),
        timeout_total: Some(SECOND * 3 / 2),
        ..Guards::default()
    });
    let told = ioloop.run_until(async {
        sleep(SECOND * 2).await;
        for _ in 0..20 {
            theirs.write(b"x").unwrap();
            if let Err(error) = ours.read_some(10).await {
                return error;
            }
        }
        panic!("a stream whose time is over reads on");
    });
    assert!(matches!(told.unwrap(), StreamError::Expired));
}

// ---- budgets

#[test]
fn a_budget_is_told_what_a_buffered_reader_has_consumed() {
    let ioloop = virtual_loop();
    let (mut ours, theirs) = pair(&ioloop);
    let budget = MemoryBudget::new(&ioloop, 100_000);
    ours.set_memory_budget(Some(&budget));
    theirs.write(&pattern(10_000)).unwrap();
    let consuming = async {
        let count = ours.fill_buf().await.unwrap().len();
        assert_eq!(count, 10_000);
        ours.consume_unpin(count);
    };
    ioloop.run_until(consuming).unwrap();
    assert_eq!(budget.bytes_held(), 0);
}

#[test]
fn a_budget_is_told_what_has_gone_into_memory_of_the_callers() {
    let ioloop = virtual_loop();
    let options = Options {
        capacity: 1_000_000,
        ..Options::default()
    };
    let (mut ours, theirs) = memory::pair(&ioloop, options);
    let budget = MemoryBudget::new(&ioloop, 1_000_000);
    ours.set_memory_budget(Some(&budget));
    theirs.write(&pattern(200_000)).unwrap();
    let reading = async {
        let _ = with_timeout(SECOND, ours.read_until(b"no such thing", 150_000)).await;
        ours.read_into(&mut [0; 70_000]).await.unwrap();
    };
    ioloop.run_until(reading).unwrap();
    assert!(ours.unread_len() > 0);
    assert_eq!(budget.bytes_held(), ours.unread_len());
}

#[test]
fn who_may_not_read_on_gives_the_pass_to_those_who_may() {
    let ioloop = virtual_loop();
    let budget = MemoryBudget::new(&ioloop, 1_000);
    let ((mut a, to_a), (mut b, to_b)) = (pair(&ioloop), pair(&ioloop));
    a.set_memory_budget(Some(&budget));
    b.set_memory_budget(Some(&budget));
    // Both hold more than their share.
    for (ours, theirs) in [(&mut b, &to_b), (&mut a, &to_a)] {
        theirs.write(&[b'x'; 600]).unwrap();
        let given_up = with_timeout(SECOND, ours.read_until(b"\n", 100_000));
        assert!(ioloop.run_until(given_up).unwrap().is_err());
    }
    to_a.write(&[b'x'; 600]).unwrap();
    let handle = a.handle();
    ioloop.spawn_detached(async move {
        let _ = a.read_until(b"\n", 100_000).await;
    });
    ends::settle(&ioloop);
    // Its peer does not take its output, so that it is not to read on.
    handle.write(&[b'y'; 200_000]).unwrap();
    to_b.write(b"\n").unwrap();
    let line = with_timeout(SECOND * 3600, b.read_until(b"\n", 10_000));
    assert_eq!(ioloop.run_until(line).unwrap().unwrap().unwrap().len(), 601);
}
