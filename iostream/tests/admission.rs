//! Who is let in: maxima of a listener, of a loop and of a peer, and the pace.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::RefCell;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use ends::turns::turn_until;
use ends::{settle, virtual_loop};
use squall_ioloop::{IoLoop, sleep};
use squall_iostream::{
    Admission, AdmissionLimits, IoStream, Listener, ListenerOptions, Listening, LoopConnections,
};

type Kept = Rc<RefCell<Vec<IoStream>>>;

/// A listener that keeps what it accepts.
fn listen(ioloop: &IoLoop, admission: &Admission) -> (Listening, Kept) {
    let kept = Kept::default();
    let inner = kept.clone();
    let listener = Listener::bind("127.0.0.1:0", &ListenerOptions::default()).unwrap();
    let listening = listener.accept_admitted(ioloop, admission, move |stream, _| {
        inner.borrow_mut().push(stream);
    });
    (listening.unwrap(), kept)
}

fn limited(ioloop: &IoLoop, limits: AdmissionLimits) -> (Listening, Kept) {
    listen(ioloop, &Admission::new(ioloop, limits))
}

fn connect(listening: &Listening, count: usize) -> Vec<TcpStream> {
    let address: SocketAddr = listening.local_addr().inet().unwrap();
    (0..count)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect()
}

/// Turns until as many are open, and then long enough for more to come if they could.
fn expect_open(ioloop: &IoLoop, kept: &Kept, count: usize) {
    turn_until(ioloop, || kept.borrow().len() == count);
    settle(ioloop);
    assert_eq!(kept.borrow().len(), count);
}

#[test]
fn beyond_the_maximum_connections_wait_and_are_accepted_as_others_close() {
    let ioloop = IoLoop::new().unwrap();
    let (listening, kept) = limited(&ioloop, AdmissionLimits::default().connections_max(3));
    let _clients = connect(&listening, 8);
    expect_open(&ioloop, &kept, 3);
    assert_eq!(listening.counters().open, 3);
    // Closed, though somebody holds the stream still.
    kept.borrow()[0].close();
    assert_eq!(listening.counters().open, 2);
    expect_open(&ioloop, &kept, 4);
    // Dropped, all of them.
    kept.borrow_mut().clear();
    expect_open(&ioloop, &kept, 3);
    kept.borrow_mut().clear();
    expect_open(&ioloop, &kept, 1);
    let counters = listening.counters();
    assert_eq!((counters.open, counters.accepted), (1, 8));
}

#[test]
fn a_connection_is_open_until_its_socket_is_wherever_that_has_gone() {
    let ioloop = IoLoop::new().unwrap();
    let (listening, kept) = limited(&ioloop, AdmissionLimits::default().connections_max(1));
    let _clients = connect(&listening, 2);
    expect_open(&ioloop, &kept, 1);
    let stream = kept.borrow_mut().remove(0);
    let (transport, _) = stream.into_parts().unwrap();
    assert_eq!(listening.counters().open, 1, "it has moved, and not closed");
    let elsewhere = IoLoop::new().unwrap();
    let stream = IoStream::new(&elsewhere, transport).unwrap();
    settle(&ioloop);
    assert_eq!(kept.borrow().len(), 0);
    let (transport, _) = stream.into_parts().unwrap();
    drop(transport);
    expect_open(&ioloop, &kept, 1);
}

#[test]
fn the_loop_s_maximum_is_shared_by_turns() {
    let ioloop = IoLoop::new().unwrap();
    LoopConnections::of(&ioloop).set_max(Some(2));
    let (one, of_one) = limited(&ioloop, AdmissionLimits::default());
    let (other, of_other) = limited(&ioloop, AdmissionLimits::default());
    let _clients = (connect(&one, 20), connect(&other, 20));
    // Both have many waiting. One place at a time becomes free, and neither gets all of them.
    for _ in 0..10 {
        settle(&ioloop);
        assert_eq!(LoopConnections::of(&ioloop).open(), 2);
        let is_of_other = of_one.borrow().is_empty();
        let open = if is_of_other { &of_other } else { &of_one };
        let first = open.borrow_mut().remove(0);
        drop(first);
    }
    settle(&ioloop);
    let accepted = [&one, &other].map(|listening| listening.counters().accepted);
    assert_eq!(accepted.iter().sum::<u64>(), 12);
    assert!(accepted.iter().all(|count| *count >= 4), "{accepted:?}");
    LoopConnections::of(&ioloop).set_max(None);
    turn_until(&ioloop, || LoopConnections::of(&ioloop).open() == 30);
}

#[test]
fn a_listener_that_closes_while_it_waits_makes_way() {
    let ioloop = IoLoop::new().unwrap();
    LoopConnections::of(&ioloop).set_max(Some(1));
    let (one, of_one) = limited(&ioloop, AdmissionLimits::default());
    let (other, of_other) = limited(&ioloop, AdmissionLimits::default());
    let _clients = (connect(&one, 2), connect(&other, 1));
    settle(&ioloop);
    let is_first = !of_one.borrow().is_empty();
    if !is_first {
        of_other.borrow_mut().clear();
        turn_until(&ioloop, || !of_one.borrow().is_empty());
        return;
    }
    one.close();
    of_one.borrow_mut().clear();
    turn_until(&ioloop, || of_other.borrow().len() == 1);
}

#[test]
fn a_peer_beyond_its_maximum_is_told_and_closed_at_once() {
    let ioloop = IoLoop::new().unwrap();
    let limits = AdmissionLimits::default()
        .connections_per_peer_max(2)
        .refusal("too many\n");
    let (listening, kept) = limited(&ioloop, limits);
    let mut clients = connect(&listening, 5);
    turn_until(&ioloop, || listening.counters().refused_per_peer == 3);
    assert_eq!(kept.borrow().len(), 2);
    for client in &mut clients[2..] {
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        assert_eq!(said, "too many\n");
    }
    // Those it has go on, and one that closes makes room.
    kept.borrow_mut().remove(0);
    let _next = connect(&listening, 1);
    expect_open(&ioloop, &kept, 2);
    let counters = listening.counters();
    assert_eq!((counters.open, counters.accepted), (2, 3));
}

#[test]
fn beyond_the_pace_connections_wait() {
    let ioloop = virtual_loop();
    let hour = Duration::from_secs(3600);
    // The bucket has three, and the fourth takes its time; what others wait for meanwhile goes on.
    let limits = AdmissionLimits::default().accepts_per_second(1, 3);
    let (listening, kept) = limited(&ioloop, limits);
    let begun_at = ioloop.now();
    let _clients = connect(&listening, 5);
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    assert_eq!(kept.borrow().len(), 3);
    turn_until(&ioloop, || kept.borrow().len() == 5);
    let taken = ioloop.now() - begun_at;
    assert!(taken >= Duration::from_secs(2), "{taken:?}");
    // However long nobody came, there is no more than the bucket holds.
    ioloop.run_until(sleep(hour)).unwrap();
    let _more = connect(&listening, 4);
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    assert_eq!(kept.borrow().len(), 8);
    assert_eq!(listening.counters().refused_per_peer, 0);
}

#[test]
fn a_listener_that_is_flooded_takes_nobody_s_place() {
    let ioloop = IoLoop::new().unwrap();
    LoopConnections::of(&ioloop).set_max(Some(1));
    let (busy, of_busy) = limited(&ioloop, AdmissionLimits::default());
    let mut clients = connect(&busy, 1);
    expect_open(&ioloop, &of_busy, 1);
    clients.extend(connect(&busy, 1));
    settle(&ioloop);
    // Behind the busy one in the queue, which has a new connection for every place that is free.
    let (quiet, of_quiet) = limited(&ioloop, AdmissionLimits::default());
    clients.extend(connect(&quiet, 1));
    settle(&ioloop);
    let mut rounds = 0;
    while of_quiet.borrow().is_empty() {
        rounds += 1;
        assert!(rounds <= 3, "the quiet one is never accepted from");
        clients.extend(connect(&busy, 1));
        of_busy.borrow_mut().clear();
        for _ in 0..5 {
            clients.extend(connect(&busy, 1));
            ioloop.run_once(Some(Duration::ZERO)).unwrap();
        }
    }
}
