//! The PROXY protocol on streams: who may send a header, who must, and how long it may take.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::time::Duration;

use ends::{Script, TICK, cuts, pair, virtual_loop};
use squall_ioloop::{IoLoop, sleep};
use squall_iostream::memory::{self, Options};
use squall_iostream::proxy_protocol::{Header, HeaderError, TlvKind, encode_v2};
use squall_iostream::{
    Guards, IoStream, MemoryBudget, ProxyProtocol, ProxyProtocolError, StreamError, TrustedPeers,
};

const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n";

/// Streams in memory have no address; they are trusted if all local peers are.
fn trusting() -> ProxyProtocol {
    ProxyProtocol::trusting(TrustedPeers::default().local(true))
}

fn distrusting() -> ProxyProtocol {
    ProxyProtocol::trusting(TrustedPeers::default())
}

type Accepted = Result<(IoStream, Option<Header>), ProxyProtocolError>;

/// What a policy makes of a stream whose peer sends `parts` and then is silent. The peer's end is
/// kept open.
fn accept(ioloop: &IoLoop, policy: &ProxyProtocol, parts: Vec<Vec<u8>>) -> (Accepted, IoStream) {
    let (peer, stream) = pair(ioloop);
    let sent = ioloop.spawn(send_while_open(peer, parts));
    let accepted = ioloop.run_until(policy.accept(stream)).unwrap();
    (accepted, ioloop.run_until(sent).unwrap().unwrap())
}

/// Writes the parts one by one, until the other side closes.
async fn send_while_open(stream: IoStream, parts: Vec<Vec<u8>>) -> IoStream {
    for part in parts {
        if stream.write(&part).is_err() || stream.drained(0).await.is_err() {
            break;
        }
        sleep(TICK).await;
    }
    stream
}

fn refusal(policy: &ProxyProtocol, bytes: &[u8]) -> ProxyProtocolError {
    let ioloop = virtual_loop();
    let (accepted, mut peer) = accept(&ioloop, policy, vec![bytes.to_vec()]);
    let error = accepted.expect_err("it is refused");
    // Its peer sees the end.
    let end = ioloop.run_until(peer.read_until_close(1)).unwrap();
    assert_eq!(end.unwrap(), b"");
    error
}

#[test]
fn the_ends_of_the_header_are_the_stream_s_however_it_arrives() {
    let mut binary = Vec::new();
    let ends = ("192.0.2.7:51000", "198.51.100.1:443");
    let parse = |text: &str| text.parse::<std::net::SocketAddr>().unwrap();
    let header = Header::proxied(parse(ends.0), parse(ends.1))
        .with_tlv(TlvKind::AUTHORITY, b"example.com")
        .with_checksum();
    encode_v2(&header, &mut binary).unwrap();
    for header in [LINE, &binary] {
        for parts in cuts(&[header, b"hello"].concat()) {
            let ioloop = virtual_loop();
            let (accepted, mut peer) = accept(&ioloop, &trusting(), parts);
            let (mut stream, header) = accepted.unwrap();
            assert_eq!(stream.peer_addr().unwrap().to_string(), ends.0);
            assert_eq!(stream.local_addr().unwrap().to_string(), ends.1);
            let header = header.unwrap();
            let is_binary = header.tlvs().count() > 0;
            assert_eq!(header.authority().is_some(), is_binary);
            // What came behind the header is there, and what is still to come comes.
            ioloop
                .run_until(async {
                    assert_eq!(stream.read_bytes(5).await.unwrap(), b"hello");
                    peer.write(b"more").unwrap();
                    assert_eq!(stream.read_bytes(4).await.unwrap(), b"more");
                    stream.write(b"answer").unwrap();
                    assert_eq!(peer.read_bytes(6).await.unwrap(), b"answer");
                })
                .unwrap();
        }
    }
}

#[test]
fn the_told_ends_stay_when_the_stream_is_taken_apart() {
    let ioloop = virtual_loop();
    let parts = vec![[LINE, b"unread"].concat()];
    let (accepted, _peer) = accept(&ioloop, &trusting(), parts);
    let (stream, _) = accepted.unwrap();
    let (transport, unread) = stream.into_parts().unwrap();
    assert_eq!(unread, b"unread");
    let stream = IoStream::new(&ioloop, transport).unwrap();
    assert_eq!(stream.peer_addr().unwrap().to_string(), "192.0.2.7:51000");
}

#[test]
fn a_header_without_ends_leaves_the_real_ones() {
    for bytes in [
        &b"PROXY UNKNOWN\r\n!"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0!",
    ] {
        let ioloop = virtual_loop();
        let (accepted, _peer) = accept(&ioloop, &trusting(), vec![bytes.to_vec()]);
        let (mut stream, header) = accepted.unwrap();
        assert!(header.is_some());
        assert_eq!(stream.peer_addr(), None);
        let rest = ioloop.run_until(stream.read_bytes(1)).unwrap();
        assert_eq!(rest.unwrap(), b"!");
    }
}

#[test]
fn a_trusted_peer_must_send_one_unless_it_is_optional() {
    let error = refusal(&trusting(), b"GET / HTTP/1.1\r\n");
    assert!(matches!(
        error,
        ProxyProtocolError::Malformed(HeaderError::NoSignature)
    ));
    for parts in cuts(b"PROXIMITY") {
        let ioloop = virtual_loop();
        let (accepted, _peer) = accept(&ioloop, &trusting().optional(true), parts);
        let (mut stream, header) = accepted.unwrap();
        assert!(header.is_none());
        let all = ioloop.run_until(stream.read_bytes(9)).unwrap();
        assert_eq!(all.unwrap(), b"PROXIMITY");
    }
}

#[test]
fn a_malformed_header_says_what_is_wrong() {
    for policy in [trusting(), trusting().optional(true)] {
        let error = refusal(&policy, b"PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n");
        assert_eq!(error.to_string(), "an invalid port in the PROXY header");
        let error = refusal(&policy, b"\r\n\r\n\0\r\nQUIT\n\x31");
        assert_eq!(error.to_string(), "version 3 of the PROXY header");
    }
}

#[test]
fn half_a_header_and_then_silence_is_cut_in_time() {
    for end in 0..LINE.len() {
        let ioloop = virtual_loop();
        let begun_at = ioloop.now();
        let (accepted, _peer) = accept(&ioloop, &trusting(), vec![LINE[..end].to_vec()]);
        assert!(
            matches!(accepted, Err(ProxyProtocolError::TimedOut { received }) if received == end)
        );
        assert_eq!(ioloop.now() - begun_at, Duration::from_secs(5));
    }
}

#[test]
fn a_header_that_drips_is_cut_in_the_same_time() {
    let ioloop = virtual_loop();
    let policy = trusting().timeout(Duration::from_millis(20));
    let drip = LINE.iter().map(|byte| vec![*byte]).collect();
    let begun_at = ioloop.now();
    let (peer, stream) = memory::pair(&ioloop, Options::default());
    let _sending = ioloop.spawn(async move {
        send_while_open(peer, drip).await;
    });
    let accepted = ioloop.run_until(policy.accept(stream)).unwrap();
    assert!(matches!(
        accepted,
        Err(ProxyProtocolError::TimedOut { received: 1.. })
    ));
    assert_eq!(ioloop.now() - begun_at, Duration::from_millis(20));
}

#[test]
fn the_deadline_is_the_header_s_alone() {
    let ioloop = virtual_loop();
    let (accepted, peer) = accept(&ioloop, &trusting(), vec![LINE.to_vec()]);
    let (mut stream, _) = accepted.unwrap();
    let late = async {
        sleep(Duration::from_secs(60)).await;
        peer.write(b"late").unwrap();
        peer
    };
    let reading = ioloop.spawn(async move { stream.read_bytes(4).await });
    let _peer = ioloop.run_until(late).unwrap();
    assert_eq!(
        ioloop.run_until(reading).unwrap().unwrap().unwrap(),
        b"late"
    );
}

#[test]
fn an_end_before_the_header_says_so() {
    let ioloop = virtual_loop();
    let (peer, stream) = pair(&ioloop);
    peer.write(&LINE[..20]).unwrap();
    ioloop.run_until(peer.shutdown_write()).unwrap().unwrap();
    let accepted = ioloop.run_until(trusting().accept(stream)).unwrap();
    assert!(matches!(accepted, Err(ProxyProtocolError::Closed(_))));
}

#[test]
fn a_header_of_a_peer_that_is_not_trusted_is_refused() {
    for bytes in [LINE, b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n", b"PROXY garbage"] {
        let error = refusal(&distrusting(), bytes);
        assert!(matches!(error, ProxyProtocolError::HeaderFromUntrusted));
    }
    for parts in cuts(LINE) {
        let ioloop = virtual_loop();
        let (accepted, _peer) = accept(&ioloop, &distrusting(), parts);
        assert!(matches!(
            accepted,
            Err(ProxyProtocolError::HeaderFromUntrusted)
        ));
    }
}

#[test]
fn others_are_served_as_they_are_or_refused_at_once() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"P",
        b"PRO",
        b"\r\n",
        b"",
        b"PROXYING",
    ] {
        let ioloop = virtual_loop();
        let (accepted, _peer) = accept(&ioloop, &distrusting(), vec![bytes.to_vec()]);
        let (mut stream, header) = accepted.unwrap();
        assert!(header.is_none());
        let same = ioloop.run_until(stream.read_bytes(bytes.len())).unwrap();
        assert_eq!(same.unwrap(), bytes);
    }
    let policy = distrusting().refuse_others(true);
    let error = refusal(&policy, b"");
    assert!(matches!(error, ProxyProtocolError::Untrusted));
}

#[test]
fn a_transport_that_cannot_move_cannot_tell_other_ends() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 100);
    script.arrive(LINE);
    let accepted = ioloop.run_until(trusting().accept(stream)).unwrap();
    assert!(matches!(accepted, Err(ProxyProtocolError::System(_))));
}

#[test]
fn what_was_set_on_the_stream_is_set_on_the_one_that_comes_back() {
    let ioloop = virtual_loop();
    let (peer, stream) = pair(&ioloop);
    let budget = MemoryBudget::new(&ioloop, 1024 * 1024);
    let start = ioloop.now();
    stream.set_deadline(Some(TICK * 100));
    stream.set_unsent_bytes_max(10);
    stream.set_memory_budget(Some(&budget));
    stream.set_guards(&Guards {
        timeout_idle: Some(TICK * 30),
        ..Guards::default()
    });
    peer.write(&[LINE, b"hello"].concat()).unwrap();
    let accepted = ioloop.run_until(trusting().accept(stream)).unwrap();
    let (mut stream, _) = accepted.unwrap();
    assert_eq!(budget.bytes_held(), 5, "what came behind the header");
    assert!(matches!(
        stream.write(&[0; 11]),
        Err(StreamError::BufferFull { bytes_max: 10 })
    ));
    let read = ioloop.run_until(stream.read_bytes(6)).unwrap();
    assert!(matches!(read, Err(StreamError::Idle)), "{read:?}");
    stream.set_guards(&Guards::default());
    let read = ioloop.run_until(stream.read_bytes(6)).unwrap();
    assert!(matches!(read, Err(StreamError::TimedOut)), "{read:?}");
    assert_eq!(ioloop.now() - start, TICK * 100);
}

#[test]
fn the_stream_s_own_deadline_holds_while_its_header_is_awaited_and_no_other_is_left_on_it() {
    for policy in [trusting(), distrusting()] {
        let ioloop = virtual_loop();
        let (peer, stream) = pair(&ioloop);
        let start = ioloop.now();
        stream.set_deadline(Some(TICK * 3));
        let accepted = ioloop.run_until(policy.accept(stream)).unwrap();
        let refused = accepted.unwrap_err();
        assert!(matches!(
            refused,
            ProxyProtocolError::TimedOut { received: 0 }
        ));
        assert_eq!(ioloop.now() - start, TICK * 3);
        drop(peer);
    }
    // A peer that is not trusted, and silent for as long as a header may take, is itself.
    let ioloop = virtual_loop();
    let (peer, stream) = pair(&ioloop);
    let policy = distrusting().timeout(TICK);
    let (mut stream, _) = ioloop.run_until(policy.accept(stream)).unwrap().unwrap();
    let late = ioloop.spawn(async move {
        sleep(TICK * 1000).await;
        peer.write(b"late").unwrap();
        peer
    });
    let read = ioloop.run_until(stream.read_bytes(4)).unwrap();
    assert_eq!(read.unwrap(), b"late");
    drop(ioloop.run_until(late));
}
