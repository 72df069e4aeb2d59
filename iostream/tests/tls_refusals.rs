//! Peers of TLS that do not speak it, or not well, or fall silent: each gets its typed error, and
//! nobody waits for ever.

#![cfg(any(feature = "tls", feature = "tls-ring"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::time::Duration;

use ends::tls::{Outcome, accepting, client_config, fault, server_config, shake_over};
use ends::{TICK, cuts, pair, virtual_loop};
use squall_ioloop::{Handle, IoLoop, sleep};
use squall_iostream::tls::{LocalFault, PeerFault, TlsError, TlsFault, TlsPhase};
use squall_iostream::{IoStream, StreamError};

#[track_caller]
fn assert_peer_fault(outcome: Outcome, expected: &PeerFault) {
    match fault(outcome) {
        TlsFault::Peer(fault) => assert_eq!(fault, *expected),
        other => panic!("{other}"),
    }
}

/// Writes the parts one by one. Whoever does not like the first need not hear the last.
async fn send_parts(stream: IoStream, parts: Vec<Vec<u8>>) -> IoStream {
    for part in parts {
        let _ = stream.write(&part);
        sleep(TICK).await;
    }
    stream
}

/// A server that is sent `parts`: what it says of them, and what it has answered.
fn send(parts: Vec<Vec<u8>>) -> (Outcome, Vec<u8>) {
    let ioloop = virtual_loop();
    let acceptor = server_config().build().unwrap();
    let (ours, theirs) = pair(&ioloop);
    let accepting = accepting(&ioloop, &acceptor, theirs);
    let answer = ioloop.run_until(async {
        let mut ours = send_parts(ours, parts).await;
        let _ = ours.shutdown_write().await;
        ours.read_until_close(10_000).await.unwrap()
    });
    (
        ioloop.run_until(accepting).unwrap().unwrap(),
        answer.unwrap(),
    )
}

// ---- not TLS

#[test]
fn plain_http_is_answered_with_a_readable_400_however_it_arrives() {
    for request in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"POST /form HTTP/1.0\r\nContent-Length: 3\r\n\r\na=b",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        for parts in cuts(request).into_iter().step_by(5) {
            let (outcome, answer) = send(parts);
            assert_eq!(outcome.as_ref().unwrap_err().phase(), TlsPhase::Start);
            assert_peer_fault(outcome, &PeerFault::PlainHttp);
            let answer = String::from_utf8(answer).unwrap();
            assert!(
                answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
                "{answer}"
            );
            assert!(answer.contains("This port speaks TLS"), "{answer}");
        }
    }
}

#[test]
fn a_client_of_plain_http_that_stays_is_not_waited_for_long() {
    let ioloop = virtual_loop();
    let acceptor = server_config().build().unwrap();
    let (mut ours, theirs) = pair(&ioloop);
    let accepting = accepting(&ioloop, &acceptor, theirs);
    ours.write(b"GET / HTTP/1.1\r\n").unwrap();
    let start = ioloop.now();
    let outcome = ioloop.run_until(accepting).unwrap().unwrap();
    assert_peer_fault(outcome, &PeerFault::PlainHttp);
    assert_eq!(ioloop.now() - start, Duration::from_secs(2));
    let answer = ioloop
        .run_until(ours.read_until_close(10_000))
        .unwrap()
        .unwrap();
    assert!(answer.ends_with(b"https://...\n"));
}

#[test]
fn garbage_instead_of_a_client_hello_is_refused_with_an_alert() {
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        &[0; 64],
        &[0xff; 64],
        b"\x80\x2e\x01\x03\x01\x00\x15", // the hello of SSL 2
        b"\x16\x03\x01\xff\xff\x01",     // a record longer than any
        b"\x15\x09\x01\x00\x02",
    ] {
        // In the header, which is what tells.
        for at in 0..5 {
            let (outcome, answer) = send(vec![garbage[..at].to_vec(), garbage[at..].to_vec()]);
            assert_eq!(outcome.as_ref().unwrap_err().phase(), TlsPhase::Handshake);
            assert_peer_fault(outcome, &PeerFault::NotTls);
            // An alert, fatal: decode_error.
            assert_eq!(answer, [21, 3, 3, 0, 2, 2, 50]);
        }
    }
}

#[test]
fn a_hello_that_is_tls_outside_and_garbage_inside_breaks_the_protocol() {
    let mut hello = vec![22, 3, 1, 0, 44, 1, 0, 0, 40];
    hello.extend([0xaa; 40]);
    for parts in cuts(&hello).into_iter().step_by(4) {
        let (outcome, answer) = send(parts);
        assert!(matches!(
            fault(outcome),
            TlsFault::Peer(PeerFault::Malformed(_))
        ));
        assert_eq!(answer[..5], [21, 3, 3, 0, 2]);
    }
}

#[test]
fn a_message_that_says_it_is_longer_than_any_is_not_waited_for() {
    // Of 16 MiB, it says.
    let mut hello = vec![22, 3, 1, 0, 8, 1, 0xff, 0xff, 0xff];
    hello.extend([0; 4]);
    let (outcome, _) = send(vec![hello]);
    assert!(matches!(
        fault(outcome),
        TlsFault::Peer(PeerFault::Malformed(_))
    ));
}

#[test]
fn a_message_in_more_records_than_it_needs_is_held_up_to_a_bound() {
    // 60,000 bytes of a hello, two by two: the headers make it too long to hold.
    let mut records = vec![22, 3, 1, 0, 4, 1, 0, 0xea, 0x60];
    for _ in 0..15_000 {
        records.extend([22, 3, 1, 0, 2, 0, 0]);
    }
    let ioloop = virtual_loop();
    let acceptor = server_config().build().unwrap();
    let (ours, theirs) = pair(&ioloop);
    let accepting = accepting(&ioloop, &acceptor, theirs);
    ours.write(&records).unwrap();
    let outcome = ioloop.run_until(accepting).unwrap().unwrap();
    match fault(outcome) {
        TlsFault::Peer(PeerFault::Malformed(how)) => assert!(how.contains("too long"), "{how}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_server_that_speaks_plainly_is_told_apart_from_one_of_tls() {
    for greeting in [
        &b"220 mail.example ESMTP\r\n"[..],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ] {
        for parts in cuts(greeting).into_iter().step_by(7) {
            let ioloop = virtual_loop();
            let connector = client_config().build().unwrap();
            let (ours, mut theirs) = pair(&ioloop);
            let connecting =
                ioloop.spawn(async move { connector.connect(ours, "localhost").await });
            let sending = async {
                // Not before the client has begun: that would be another error.
                theirs.read_some(1).await.unwrap();
                send_parts(theirs, parts).await
            };
            let _theirs = ioloop.run_until(sending).unwrap();
            let outcome = ioloop.run_until(connecting).unwrap().unwrap();
            assert_peer_fault(outcome, &PeerFault::NotTls);
        }
    }
}

// ---- cut short

/// Carries bytes from one stream to the other, and ends after `bytes_max`.
async fn carry(
    mut from: IoStream,
    to: squall_iostream::StreamHandle,
    bytes_max: usize,
) -> IoStream {
    let mut left = bytes_max;
    while left > 0 {
        match from.read_some(left).await {
            Ok(bytes) => {
                left -= bytes.len();
                let _ = to.write(&bytes);
            }
            Err(_) => break,
        }
    }
    let _ = to.shutdown_write().await;
    from
}

/// A handshake through a carrier that ends after so many bytes, there or back.
fn cut(ioloop: &IoLoop, there_max: usize, back_max: usize) -> (Outcome, Outcome) {
    let acceptor = server_config().build().unwrap();
    let connector = client_config().build().unwrap();
    let (client, near) = pair(ioloop);
    let (far, server) = pair(ioloop);
    let (near_handle, far_handle) = (near.handle(), far.handle());
    let there = ioloop.spawn(carry(near, far_handle, there_max));
    let back = ioloop.spawn(carry(far, near_handle, back_max));
    let outcomes = shake_over(ioloop, (client, server), &acceptor, &connector, "localhost");
    drop((there, back));
    outcomes
}

#[test]
fn a_handshake_that_is_cut_anywhere_is_told_to_be_cut() {
    let (mut cut_there, mut cut_back) = (0, 0);
    let whole = usize::MAX;
    for at in 0..2_000 {
        let (server, client) = cut(&virtual_loop(), at, whole);
        // Once the handshake is over, the end comes with it.
        let error = server.err();
        if let Some(error) = error.filter(|error| error.phase() != TlsPhase::Traffic) {
            let phase = if at == 0 {
                TlsPhase::Start
            } else {
                TlsPhase::Handshake
            };
            assert_eq!(error.phase(), phase);
            assert_peer_fault(Err(error), &PeerFault::Truncated);
            cut_there += 1;
            // The client may have finished already, or else has heard that the server gave up.
            if let Err(error) = client {
                assert_ne!(error.phase(), TlsPhase::Start);
            }
        } else {
            break;
        }
    }
    for at in 0..5_000 {
        let (_, client) = cut(&virtual_loop(), whole, at);
        if client.is_ok() {
            break;
        }
        assert_peer_fault(client, &PeerFault::Truncated);
        cut_back += 1;
    }
    assert!(cut_there > 250 && cut_back > 500, "{cut_there}, {cut_back}");
}

#[test]
fn records_that_were_changed_on_their_way_end_the_stream_and_what_came_before_is_whole() {
    let ioloop = virtual_loop();
    let acceptor = server_config().build().unwrap();
    let connector = client_config().build().unwrap();
    let (client, mut near) = pair(&ioloop);
    let (far, server) = pair(&ioloop);
    let near_handle = near.handle();
    let far_handle = far.handle();
    let _back = ioloop.spawn(carry(far, near_handle, usize::MAX));
    let there = ioloop.spawn(async move {
        // The record of five bytes of plaintext: header, them, their type, the tag.
        loop {
            let mut bytes = near.read_some(100_000).await.unwrap();
            let is_the_record = bytes.len() == 5 + 5 + 1 + 16 && bytes[0] == 23;
            if is_the_record {
                bytes[7] ^= 1;
            }
            far_handle.write(&bytes).unwrap();
            if is_the_record {
                return near;
            }
        }
    });
    let ends = shake_over(
        &ioloop,
        (client, server),
        &acceptor,
        &connector,
        "localhost",
    );
    let (mut server, client) = (ends.0.unwrap(), ends.1.unwrap());
    client.write(b"before").unwrap();
    client.flush();
    assert_eq!(
        ioloop.run_until(server.read_bytes(6)).unwrap().unwrap(),
        b"before"
    );
    client.write(b"after").unwrap();
    client.flush();
    let error = ioloop.run_until(server.read_bytes(5)).unwrap().unwrap_err();
    let StreamError::Closed(closed) = error else {
        panic!("{error}");
    };
    let error = TlsError::of(&closed).unwrap();
    assert_eq!(error.phase(), TlsPhase::Traffic);
    assert!(matches!(
        error.fault(),
        TlsFault::Peer(PeerFault::Undecryptable)
    ));
    let _near = ioloop.run_until(there).unwrap();
}

// ---- silence

fn assert_times_out(ioloop: &IoLoop, accepting: squall_ioloop::JoinHandle<Outcome>) {
    let start = ioloop.now();
    let outcome = ioloop.run_until(accepting).unwrap().unwrap();
    assert!(matches!(fault(outcome), TlsFault::TimedOut));
    assert_eq!(ioloop.now() - start, Duration::from_secs(10));
}

#[test]
fn a_client_that_says_nothing_or_little_has_ten_seconds() {
    let ioloop = virtual_loop();
    let acceptor = server_config().build().unwrap();
    let (_silent, theirs) = pair(&ioloop);
    assert_times_out(&ioloop, accepting(&ioloop, &acceptor, theirs));

    let (slow, theirs) = pair(&ioloop);
    let accepting = accepting(&ioloop, &acceptor, theirs);
    let _slow = ioloop.spawn(async move {
        for byte in [22, 3, 1, 0, 200].into_iter().chain([1; 200]) {
            let _ = slow.write(&[byte]);
            sleep(Duration::from_millis(300)).await;
        }
    });
    assert_times_out(&ioloop, accepting);
}

#[test]
fn a_server_that_says_nothing_has_the_time_that_was_set() {
    let ioloop = virtual_loop();
    let timeout = Duration::from_secs(3);
    let connector = client_config().handshake_timeout(timeout).build().unwrap();
    let (ours, _silent) = pair(&ioloop);
    let start = ioloop.now();
    let outcome = ioloop
        .run_until(connector.connect(ours, "localhost"))
        .unwrap();
    assert!(matches!(fault(outcome), TlsFault::TimedOut));
    assert_eq!(ioloop.now() - start, timeout);
}

#[test]
fn who_gives_up_on_a_handshake_closes_the_stream() {
    let ioloop = virtual_loop();
    let acceptor = server_config().build().unwrap();
    let (mut ours, theirs) = pair(&ioloop);
    let accepting = accepting(&ioloop, &acceptor, theirs);
    ours.write(&[22, 3, 1]).unwrap();
    ends::settle(&ioloop);
    accepting.abort();
    assert_eq!(
        ioloop
            .run_until(ours.read_until_close(100))
            .unwrap()
            .unwrap(),
        b""
    );
}

// ---- our own mistakes

#[test]
fn what_came_before_tls_is_a_beginning_for_accept_and_refuses_start_tls() {
    let ioloop = virtual_loop();
    let acceptor = server_config().build().unwrap();
    let connector = client_config().build().unwrap();

    // A line in front, and the hello behind it in the same read.
    let (ours, mut theirs) = pair(&ioloop);
    ours.write(b"PROXY\r\n").unwrap();
    let connecting = {
        let connector = connector.clone();
        ioloop.spawn(async move { connector.connect(ours, "localhost").await })
    };
    let outcome = ioloop.run_until(async {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(theirs.read_until(b"\r\n", 100).await.unwrap(), b"PROXY\r\n");
        assert!(theirs.unread_len() > 100);
        acceptor.accept(theirs).await
    });
    let server = outcome.unwrap().unwrap();
    assert!(server.tls().is_some());
    ioloop.run_until(connecting).unwrap().unwrap().unwrap();

    // The same where it was agreed upon in plain words.
    let (ours, mut theirs) = pair(&ioloop);
    ours.write(b"STARTTLS\r\nMAIL FROM:<eve@example>\r\n")
        .unwrap();
    let outcome = ioloop.run_until(async {
        theirs.read_until(b"\r\n", 100).await.unwrap();
        theirs.accept_tls(&acceptor).await
    });
    let error = outcome.unwrap().unwrap_err();
    assert_eq!(error.phase(), TlsPhase::Start);
    assert!(matches!(
        error.fault(),
        TlsFault::Local(LocalFault::UnreadBytes(25))
    ));
}

#[test]
fn starttls_goes_on_in_tls_after_the_last_plain_word() {
    let ioloop = virtual_loop();
    let acceptor = server_config().build().unwrap();
    let connector = client_config().build().unwrap();
    let (mut client, mut server) = pair(&ioloop);
    let serving = ioloop.spawn(async move {
        server.read_until(b"\r\n", 100).await.unwrap();
        server.write(b"220 go ahead\r\n").unwrap();
        let mut server = server.accept_tls(&acceptor).await.unwrap();
        let line = server.read_until(b"\r\n", 100).await.unwrap();
        server.write(&line).unwrap();
        server.shutdown_write().await.unwrap();
    });
    let echo = ioloop.run_until(async {
        client.write(b"STARTTLS\r\n").unwrap();
        client.read_until(b"\r\n", 100).await.unwrap();
        let mut client = client.start_tls(&connector, "localhost").await.unwrap();
        client.write(b"secret\r\n").unwrap();
        client.read_until_close(100).await.unwrap()
    });
    assert_eq!(echo.unwrap(), b"secret\r\n");
    ioloop.run_until(serving).unwrap().unwrap();
}

#[test]
fn a_closed_stream_and_one_that_cannot_be_moved_are_refused() {
    let ioloop = virtual_loop();
    let connector = client_config().build().unwrap();
    let connect = |ioloop: &Handle, stream| {
        let connector = connector.clone();
        ioloop.spawn(async move { connector.connect(stream, "localhost").await })
    };
    let (closed, _theirs) = pair(&ioloop);
    closed.close();
    let outcome = ioloop.run_until(connect(&ioloop, closed)).unwrap().unwrap();
    assert!(matches!(
        fault(outcome),
        TlsFault::Local(LocalFault::Closed)
    ));
    let (_script, fixed) = ends::Script::stream(&ioloop, 1_000);
    let outcome = ioloop.run_until(connect(&ioloop, fixed)).unwrap().unwrap();
    assert!(matches!(
        fault(outcome),
        TlsFault::Local(LocalFault::NotMovable)
    ));
}

#[test]
fn a_name_that_is_none_is_refused_before_a_byte_is_sent() {
    for name in [
        "",
        "a b",
        "http://localhost",
        "localhost:443",
        "[::1]",
        "\u{e4}.example",
    ] {
        let ioloop = virtual_loop();
        let connector = client_config().build().unwrap();
        let (ours, mut theirs) = pair(&ioloop);
        let outcome = ioloop.run_until(connector.connect(ours, name)).unwrap();
        match fault(outcome) {
            TlsFault::Local(LocalFault::InvalidServerName(told)) => assert_eq!(told, name),
            other => panic!("{other}"),
        }
        let heard = ioloop
            .run_until(theirs.read_until_close(100))
            .unwrap()
            .unwrap();
        assert_eq!(heard, b"");
    }
}
