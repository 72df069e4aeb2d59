//! UDP: datagrams whole and truncated, one by one and in batches; refusals, floods and groups.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use ends::{pattern, settle};
use futures_util::future::join;
use squall_ioloop::{IoLoop, with_timeout};
use squall_iostream::{DatagramBatch, UdpOptions, UdpSocket};

const V4: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const V6: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::LOCALHOST), 0);

fn two(ioloop: &IoLoop, address: SocketAddr) -> (UdpSocket, UdpSocket) {
    let bind = || UdpSocket::bind(ioloop, address).unwrap();
    (bind(), bind())
}

/// A port that nobody is at.
fn nobody() -> SocketAddr {
    std::net::UdpSocket::bind(V4).unwrap().local_addr().unwrap()
}

#[test]
fn datagrams_go_there_and_back_whole_and_empty() {
    for address in [V4, V6] {
        let ioloop = IoLoop::new().unwrap();
        let (mut ours, mut theirs) = two(&ioloop, address);
        let to = theirs.local_addr().unwrap();
        let mut buffer = vec![0; 70_000];
        let task = async {
            for len in [0, 1, 1_400, 65_000] {
                ours.send_to(&pattern(len), to).await.unwrap();
                let received = theirs.recv_from(&mut buffer).await.unwrap();
                assert_eq!((received.len, received.is_truncated), (len, false));
                assert_eq!(received.from, ours.local_addr().unwrap());
                assert!(buffer[..len] == pattern(len));
                theirs.send_to(b"thanks", received.from).await.unwrap();
                assert_eq!(ours.recv_from(&mut buffer).await.unwrap().len, 6);
            }
        };
        ioloop.run_until(task).unwrap();
    }
}

#[test]
fn what_is_too_long_for_the_buffer_is_reported() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, mut theirs) = two(&ioloop, V4);
    let to = theirs.local_addr().unwrap();
    let task = async {
        let mut buffer = [0; 5];
        for (text, len, is_truncated) in [("12345", 5, false), ("123456", 5, true)] {
            ours.send_to(text.as_bytes(), to).await.unwrap();
            let received = theirs.recv_from(&mut buffer).await.unwrap();
            assert_eq!((received.len, received.is_truncated), (len, is_truncated));
        }
        // The next one is whole.
        ours.send_to(b"1", to).await.unwrap();
        assert_eq!(theirs.recv_from(&mut buffer).await.unwrap().len, 1);
    };
    ioloop.run_until(task).unwrap();
}

#[test]
fn many_tasks_send_while_one_receives() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, mut theirs) = two(&ioloop, V4);
    ours.connect(theirs.local_addr().unwrap()).unwrap();
    for task in 0..20_u8 {
        let handle = ours.handle();
        ioloop.spawn_detached(async move {
            for _ in 0..5 {
                handle.send(&[task]).await.unwrap();
            }
        });
    }
    let task = async {
        let mut counts = [0; 20];
        let mut buffer = [0; 10];
        while counts.iter().sum::<i32>() < 100 {
            theirs.recv_from(&mut buffer).await.unwrap();
            counts[usize::from(buffer[0])] += 1;
        }
        assert_eq!(counts, [5; 20]);
    };
    ioloop.run_until(task).unwrap();
}

#[test]
fn a_connected_socket_hears_its_peer_alone() {
    let ioloop = IoLoop::new().unwrap();
    let (mut ours, theirs) = two(&ioloop, V4);
    let stranger = UdpSocket::bind(&ioloop, V4).unwrap();
    let to = ours.local_addr().unwrap();
    ours.connect(theirs.local_addr().unwrap()).unwrap();
    assert_eq!(ours.peer_addr().unwrap(), theirs.local_addr().unwrap());
    assert_eq!(
        theirs.peer_addr().unwrap_err().kind(),
        io::ErrorKind::NotConnected
    );
    let task = async {
        stranger.send_to(b"psst", to).await.unwrap();
        theirs.send_to(b"hello", to).await.unwrap();
        let mut buffer = [0; 10];
        assert_eq!(ours.recv(&mut buffer).await.unwrap().len, 5);
    };
    ioloop.run_until(task).unwrap();
}

#[test]
fn a_refusal_is_the_receiver_s_to_know_and_ends_nothing() {
    let ioloop = IoLoop::new().unwrap();
    let (mut ours, mut theirs) = two(&ioloop, V4);
    let mut buffer = [0; 10];
    let task = async {
        ours.connect(nobody()).unwrap();
        ours.send(b"anybody?").await.unwrap();
        let refused = ours.recv(&mut buffer).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        // Now a sender finds it first. It has sent what it wanted all the same.
        for _ in 0..3 {
            ours.send(b"still nobody?").await.unwrap();
        }
        let refused = ours.recv(&mut buffer).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        // Somebody at last.
        ours.connect(theirs.local_addr().unwrap()).unwrap();
        ours.send(b"hello").await.unwrap();
        let received = theirs.recv_from(&mut buffer).await.unwrap();
        assert_eq!(received.len, 5);
        theirs.send_to(b"hi", received.from).await.unwrap();
        loop {
            // A refusal of the third question may still come.
            match ours.recv(&mut buffer).await {
                Ok(received) => break assert_eq!(received.len, 2),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
            }
        }
    };
    ioloop.run_until(task).unwrap();
}

#[test]
fn batches_are_sent_and_received_in_order() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, mut theirs) = two(&ioloop, V4);
    let to = theirs.local_addr().unwrap();
    let blob = pattern(200);
    let datagrams: Vec<_> = (0..150).map(|at| (&blob[..at], to)).collect();
    let mut batch = DatagramBatch::new(40, 100);
    let task = async {
        let mut sent = 0;
        while sent < datagrams.len() {
            sent += ours.send_batch(&datagrams[sent..]).await.unwrap();
        }
        let mut at = 0;
        while at < datagrams.len() {
            theirs.recv_batch(&mut batch).await.unwrap();
            assert!(!batch.is_empty() && batch.len() <= 40);
            for datagram in batch.iter() {
                assert_eq!(datagram.bytes, &blob[..at.min(100)]);
                assert_eq!(datagram.is_truncated, at > 100);
                assert_eq!(datagram.from, ours.local_addr().unwrap());
                at += 1;
            }
        }
        assert_eq!(ours.send_batch(&[]).await.unwrap(), 0);
    };
    ioloop.run_until(task).unwrap();
}

#[test]
fn what_is_refused_in_a_batch_stops_it_there_and_says_why() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, theirs) = two(&ioloop, V4);
    let to = theirs.local_addr().unwrap();
    let too_long = vec![0; 70_000];
    let datagrams = [(&b"one"[..], to), (&too_long, to), (b"two", to)];
    let task = async {
        assert_eq!(ours.send_batch(&datagrams).await.unwrap(), 1);
        assert!(ours.send_batch(&datagrams[1..]).await.is_err());
        assert_eq!(ours.send_batch(&datagrams[2..]).await.unwrap(), 1);
        assert!(ours.send_to(&too_long, to).await.is_err());
        assert!(ours.try_send_to(b"three", to).is_ok());
    };
    ioloop.run_until(task).unwrap();
}

#[test]
fn a_flood_takes_its_share_of_a_turn_and_no_more() {
    let ioloop = IoLoop::new().unwrap();
    let options = UdpOptions::default().recv_buffer_bytes(4_000_000);
    let mut flooded = UdpSocket::bind_with(&ioloop, V4, &options).unwrap();
    let (flood, mut quiet) = two(&ioloop, V4);
    let (to, question) = (flooded.local_addr().unwrap(), quiet.local_addr().unwrap());
    let count = Rc::new(Cell::new(0));
    let inner = count.clone();
    ioloop.spawn_detached(async move {
        let mut buffer = [0; 10];
        while flooded.recv_from(&mut buffer).await.is_ok() {
            inner.set(inner.get() + 1);
        }
    });
    let answered = Rc::new(Cell::new(0));
    let inner = answered.clone();
    ioloop.spawn_detached(async move {
        while quiet.recv_from(&mut [0; 10]).await.is_ok() {
            inner.set(inner.get() + 1);
        }
    });
    settle(&ioloop);
    let mut received = 0;
    for round in 1..10 {
        // As much as a small receive buffer holds, if the system grants no larger one.
        while count.get() + 270 > received {
            if flood.try_send_to(b"x", to).is_err() {
                break;
            }
            received += 1;
        }
        let before = count.get();
        flood.try_send_to(b"?", question).unwrap();
        ioloop.run_once(Some(Duration::ZERO)).unwrap();
        assert!(count.get() - before <= 256, "{}", count.get() - before);
        assert_eq!(
            answered.get(),
            round,
            "the quiet one is served in the same turn"
        );
    }
    assert!(count.get() >= 256 * 5, "{}", count.get());
}

#[test]
fn groups_are_joined_and_left() {
    let ioloop = IoLoop::new().unwrap();
    let group = Ipv4Addr::new(239, 1, 2, 3);
    let options = UdpOptions::default().reuse_address(true);
    let mut member = UdpSocket::bind_with(&ioloop, ([0, 0, 0, 0], 0).into(), &options).unwrap();
    let port = member.local_addr().unwrap().port();
    member
        .join_multicast_v4(group, Ipv4Addr::LOCALHOST)
        .unwrap();
    let twice = member.join_multicast_v4(group, Ipv4Addr::LOCALHOST);
    assert_eq!(twice.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    let sender = UdpSocket::bind(&ioloop, V4).unwrap();
    sender
        .set_multicast_interface_v4(Ipv4Addr::LOCALHOST)
        .unwrap();
    sender.set_multicast_loop(true).unwrap();
    sender.set_multicast_ttl(1).unwrap();
    let task = async {
        sender.send_to(b"all", (group, port).into()).await.unwrap();
        assert_eq!(member.recv_from(&mut [0; 10]).await.unwrap().len, 3);
        member
            .leave_multicast_v4(group, Ipv4Addr::LOCALHOST)
            .unwrap();
        sender.send_to(b"gone", (group, port).into()).await.unwrap();
        sender
            .send_to(b"you", (Ipv4Addr::LOCALHOST, port).into())
            .await
            .unwrap();
        assert_eq!(member.recv_from(&mut [0; 10]).await.unwrap().len, 3);
    };
    ioloop.run_until(task).unwrap();
    assert!(
        member
            .leave_multicast_v4(group, Ipv4Addr::LOCALHOST)
            .is_err()
    );
}

#[test]
fn options_are_the_socket_s() {
    let ioloop = IoLoop::new().unwrap();
    let (four, six) = two_families(&ioloop);
    for socket in [&four, &six] {
        socket.set_ttl(3).unwrap();
        assert!(socket.set_ttl(256).is_err());
        socket.set_multicast_ttl(2).unwrap();
        socket.set_multicast_loop(false).unwrap();
    }
    six.set_multicast_interface_v6(0).unwrap();
    let broadcast = (Ipv4Addr::BROADCAST, 9).into();
    let denied = four.try_send_to(b"all", broadcast).unwrap_err();
    assert_eq!(denied.kind(), io::ErrorKind::PermissionDenied);
    four.set_broadcast(true).unwrap();
    let taken = UdpSocket::bind(&ioloop, four.local_addr().unwrap()).unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
}

fn two_families(ioloop: &IoLoop) -> (UdpSocket, UdpSocket) {
    let bind = |address| UdpSocket::bind(ioloop, address).unwrap();
    (bind(V4), bind(V6))
}

#[test]
fn one_socket_serves_both_families_if_asked_to() {
    let ioloop = IoLoop::new().unwrap();
    let options = UdpOptions::default().dual_stack(true);
    let any = (Ipv6Addr::UNSPECIFIED, 0).into();
    let mut both = UdpSocket::bind_with(&ioloop, any, &options).unwrap();
    let to = (Ipv4Addr::LOCALHOST, both.local_addr().unwrap().port()).into();
    let (four, _) = two_families(&ioloop);
    let task = async {
        four.send_to(b"4", to).await.unwrap();
        let from = both.recv_from(&mut [0; 10]).await.unwrap().from;
        assert_eq!(from.ip().to_canonical(), Ipv4Addr::LOCALHOST);
    };
    ioloop.run_until(task).unwrap();
}

#[test]
fn closing_ends_the_wait_and_giving_up_loses_nothing() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, mut theirs) = two(&ioloop, V4);
    let (to, handle) = (theirs.local_addr().unwrap(), theirs.handle());
    let task = async {
        let mut buffer = [0; 10];
        let patient = with_timeout(Duration::from_millis(1), theirs.recv_from(&mut buffer));
        assert!(patient.await.is_err());
        ours.send_to(b"late", to).await.unwrap();
        assert_eq!(theirs.recv_from(&mut buffer).await.unwrap().len, 4);
        let (received, ()) = join(theirs.recv_from(&mut buffer), async { handle.close() }).await;
        assert_eq!(received.unwrap_err().kind(), io::ErrorKind::NotConnected);
        let sent = handle.send_to(b"x", to).await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::NotConnected);
        assert!(theirs.is_closed() && handle.local_addr().is_err());
    };
    ioloop.run_until(task).unwrap();
    let handle = ours.handle();
    drop(ours);
    assert!(handle.is_closed());
}

#[test]
fn a_socket_of_the_standard_library_is_taken_over() {
    let ioloop = IoLoop::new().unwrap();
    let socket = std::net::UdpSocket::bind(V4).unwrap();
    let to = socket.local_addr().unwrap();
    let mut socket = UdpSocket::from_std(&ioloop, socket).unwrap();
    let (ours, _) = two(&ioloop, V4);
    let task = async {
        ours.send_to(b"hello", to).await.unwrap();
        assert_eq!(socket.recv_from(&mut [0; 10]).await.unwrap().len, 5);
    };
    ioloop.run_until(task).unwrap();
}
