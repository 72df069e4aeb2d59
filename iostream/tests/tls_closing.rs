//! The end of a stream of TLS: said by both ends, and never taken for one where it was cut.

#![cfg(any(feature = "tls", feature = "tls-ring"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::io;

use ends::tls::{client_config, server_config, shake, shake_over, tls_pair};
use ends::{kind_of, pair, pattern, poll_once, settle, virtual_loop};
use squall_ioloop::IoLoop;
use squall_iostream::memory::Options;
use squall_iostream::tls::{PeerFault, TlsError, TlsFault, TlsPhase, TlsVersion};
use squall_iostream::{IoStream, StreamError};

/// A server's stream, a client's, and the carrier between them, to be cut.
fn carried(ioloop: &IoLoop) -> (IoStream, IoStream, IoStream) {
    let acceptor = server_config().build().unwrap();
    let connector = client_config().build().unwrap();
    let (client, near) = pair(ioloop);
    let (mut far, server) = pair(ioloop);
    let near_handle = near.handle();
    let far_handle = far.handle();
    // There for as long as the client lives, back until it is cut.
    let mut near = near;
    ioloop.spawn_detached(async move {
        while let Ok(bytes) = near.read_some(100_000).await {
            let _ = far_handle.write(&bytes);
        }
    });
    let (stop, mut stopped) = pair(ioloop);
    ioloop.spawn_detached(async move {
        loop {
            let bytes = far.read_some(100_000);
            let mut bytes = std::pin::pin!(bytes);
            let found = std::future::poll_fn(|cx| {
                use std::task::Poll;
                if let Poll::Ready(bytes) = bytes.as_mut().poll(cx) {
                    return Poll::Ready(bytes.ok());
                }
                let mut stop = std::pin::pin!(stopped.read_some(1));
                stop.as_mut().poll(cx).map(|_| None)
            });
            match found.await {
                Some(bytes) => drop(near_handle.write(&bytes)),
                None => {
                    let _ = near_handle.shutdown_write().await;
                    return;
                }
            }
        }
    });
    let (server, client) = shake_over(ioloop, (client, server), &acceptor, &connector, "localhost");
    (server.unwrap(), client.unwrap(), stop)
}

fn assert_truncated(error: StreamError) {
    let StreamError::Closed(closed) = error else {
        panic!("{error}");
    };
    assert_eq!(kind_of(&closed), Some(io::ErrorKind::UnexpectedEof));
    let error = TlsError::of(&closed).unwrap();
    assert_eq!(error.phase(), TlsPhase::Traffic);
    assert!(matches!(
        error.fault(),
        TlsFault::Peer(PeerFault::Truncated)
    ));
}

#[test]
fn rfc8446_6_1_an_end_without_close_notify_is_not_the_end_of_what_was_said() {
    let ioloop = virtual_loop();
    let (server, mut client, stop) = carried(&ioloop);
    server.write(b"half of it").unwrap();
    server.flush();
    settle(&ioloop);
    drop(stop);
    let read = ioloop.run_until(client.read_until_close(100)).unwrap();
    assert_truncated(read.unwrap_err());
    // What came is there, for who wants it all the same.
    assert_eq!(client.unread_len(), 10);
}

#[test]
fn closing_says_the_end_if_all_was_sent() {
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let ioloop = virtual_loop();
        let acceptor = server_config().build().unwrap();
        let connector = client_config().max_version(version).build().unwrap();
        let ends = shake(
            &ioloop,
            Options::default(),
            &acceptor,
            &connector,
            "localhost",
        );
        let (server, mut client) = (ends.0.unwrap(), ends.1.unwrap());
        server.write(b"all").unwrap();
        ioloop.run_until(server.drained(0)).unwrap().unwrap();
        drop(server);
        let read = ioloop.run_until(client.read_until_close(100)).unwrap();
        assert_eq!(read.unwrap(), b"all");
    }
}

#[test]
fn closing_with_bytes_unsent_does_not_say_that_all_was_said() {
    let ioloop = virtual_loop();
    let (server, mut client) = tls_pair(&ioloop, Options::default());
    server.write(b"first").unwrap();
    server.flush();
    server.write(b"second").unwrap();
    server.close();
    let read = ioloop.run_until(client.read_until_close(100)).unwrap();
    assert_truncated(read.unwrap_err());
}

#[test]
fn closing_behind_half_a_record_does_not_say_so_either() {
    let ioloop = virtual_loop();
    let options = Options {
        capacity: 30_000,
        ..Options::default()
    };
    let (server, mut client) = tls_pair(&ioloop, options);
    server.write(&pattern(40_000)).unwrap();
    server.flush();
    assert!(server.unsent_len() > 0);
    server.close();
    let read = ioloop.run_until(client.read_until_close(100_000)).unwrap();
    assert_truncated(read.unwrap_err());
}

#[test]
fn a_reader_that_fails_does_not_say_that_all_was_said() {
    let ioloop = virtual_loop();
    let (server, client, stop) = carried(&ioloop);
    let mut client = client;
    drop(stop);
    let failed = ioloop.run_until(client.read_some(10)).unwrap();
    assert_truncated(failed.unwrap_err());
    let mut server = server;
    let read = ioloop.run_until(server.read_until_close(10)).unwrap();
    assert_truncated(read.unwrap_err());
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    let ioloop = virtual_loop();
    let (mut server, mut client) = tls_pair(&ioloop, Options::default());
    let answering = ioloop.spawn(async move {
        let question = server.read_until_close(100).await.unwrap();
        server.closed().await;
        assert!(!server.is_closed());
        server.write(&pattern(100_000)).unwrap();
        server.shutdown_write().await.unwrap();
        question
    });
    let answer = ioloop.run_until(async {
        client.write(b"question").unwrap();
        client.shutdown_write().await.unwrap();
        client.read_until_close(200_000).await.unwrap()
    });
    assert!(answer.unwrap() == pattern(100_000));
    assert_eq!(ioloop.run_until(answering).unwrap().unwrap(), b"question");
}

#[test]
fn nothing_is_written_behind_the_end() {
    let ioloop = virtual_loop();
    let (server, _client) = tls_pair(&ioloop, Options::default());
    ioloop.run_until(server.shutdown_write()).unwrap().unwrap();
    // Once more is no error, and says nothing.
    ioloop.run_until(server.shutdown_write()).unwrap().unwrap();
    server.write(b"late").unwrap();
    server.flush();
    let refused = io::Error::from(server.write(b"later").unwrap_err());
    assert_eq!(refused.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn an_end_that_does_not_go_at_once_goes_later_and_the_one_below_follows_it() {
    let ioloop = virtual_loop();
    let options = Options {
        capacity: 1_000,
        read_bytes_max: 100,
        ..Options::default()
    };
    // Without tickets, which nobody has read yet.
    let acceptor = server_config()
        .tickets(false)
        .session_cache(0)
        .build()
        .unwrap();
    let connector = client_config().build().unwrap();
    let ends = shake(&ioloop, options, &acceptor, &connector, "localhost");
    let (server, mut client) = (ends.0.unwrap(), ends.1.unwrap());
    // 1,000 bytes fill what may be under way: 978 and 22 of the record.
    server.write(&pattern(978)).unwrap();
    server.flush();
    assert_eq!(server.unsent_len(), 0);
    let handle = server.handle();
    let ending = ioloop.spawn(async move { handle.shutdown_write().await });
    settle(&ioloop);
    assert!(server.unsent_len() > 0 && !ending.is_finished());
    let read = ioloop.run_until(client.read_until_close(10_000)).unwrap();
    assert!(read.unwrap() == pattern(978));
    ioloop.run_until(ending).unwrap().unwrap().unwrap();
    assert_eq!(server.unsent_len(), 0);
}

#[test]
fn lingering_throws_away_what_comes_and_ends_with_the_peer() {
    let ioloop = virtual_loop();
    let (server, mut client) = tls_pair(&ioloop, Options::default());
    server.write(b"answer").unwrap();
    let lingering = ioloop.spawn(async move { server.linger(100_000).await });
    client.write(&pattern(20_000)).unwrap();
    let read = ioloop.run_until(client.read_until_close(100)).unwrap();
    assert_eq!(read.unwrap(), b"answer");
    let mut lingering = std::pin::pin!(lingering);
    assert!(poll_once(lingering.as_mut()).is_pending());
    drop(client);
    ioloop.run_until(lingering).unwrap().unwrap();
}
