//! A connection that a task reads: one message after the other, and nothing before it is asked for.
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod peer;
mod wire;

use std::time::Duration;

use peer::{FIN, close_payload, masked, unmasked};
use squall_ioloop::{IoLoop, sleep};
use squall_iostream::{IoStream, memory};
use squall_websocket::{CloseCode, Config, Limits, Opening, OwnedMessage, Role, WebSocketStream};
use wire::{config, ioloop, pass, turns};

fn pair(ioloop: &IoLoop, config: Config) -> (WebSocketStream, IoStream) {
    let (ours, theirs) = memory::pair(ioloop, memory::Options::default());
    let ws = WebSocketStream::new(ours, config, &Opening::new(Role::Server));
    (ws, theirs)
}

#[track_caller]
fn expect(ioloop: &IoLoop, peer: &mut IoStream, wire: &[u8]) {
    let came = ioloop.run_until(peer.read_bytes(wire.len())).unwrap();
    assert_eq!(
        came.unwrap().escape_ascii().to_string(),
        wire.escape_ascii().to_string()
    );
}

#[test]
fn messages_come_one_by_one_and_then_the_end() {
    let ioloop = ioloop();
    let (mut ws, mut peer) = pair(&ioloop, config());
    let wire = [
        masked(FIN | 1, b"one"),
        masked(FIN | 9, b"ping"),
        masked(2, b"t"),
        masked(FIN, b"wo"),
        masked(FIN | 8, &close_payload(4000, b"done")),
    ];
    peer.write(&wire.concat()).unwrap();
    let task = ioloop.spawn(async move {
        let mut said = Vec::new();
        while let Some(message) = ws.next().await {
            ws.write_message(&message).unwrap();
            said.push(message);
        }
        assert!(ws.is_closed());
        assert_eq!(ws.next().await, None, "also when asked again");
        let (code, reason) = ws.closed_by_peer().unwrap();
        (said, code.get(), reason.to_owned())
    });
    expect(
        &ioloop,
        &mut peer,
        b"\x81\x03one\x8a\x04ping\x82\x03two\x88\x02\x0f\xa0",
    );
    drop(peer);
    let (said, code, reason) = ioloop.run_until(task).unwrap().unwrap();
    assert_eq!(
        said,
        [
            OwnedMessage::Text("one".into()),
            OwnedMessage::Binary(b"two".to_vec())
        ]
    );
    assert_eq!((code, reason.as_str()), (4000, "done"));
}

#[test]
fn nothing_is_read_before_it_is_asked_for() {
    let ioloop = ioloop();
    let options = memory::Options {
        capacity: 1000,
        ..memory::Options::default()
    };
    let (ours, peer) = memory::pair(&ioloop, options);
    let mut ws = WebSocketStream::new(ours, config(), &Opening::new(Role::Server));
    peer.write(&masked(FIN | 2, &[7; 100]).repeat(100)).unwrap();
    turns(&ioloop, 10);
    let unsent = peer.unsent_len();
    assert!(unsent > 9_000, "{unsent} bytes wait at the peer");
    ioloop
        .run_until(async {
            for _ in 0..100 {
                assert_eq!(ws.next().await, Some(OwnedMessage::Binary(vec![7; 100])));
            }
        })
        .unwrap();
    assert_eq!(peer.unsent_len(), 0);
}

#[test]
fn a_wait_that_is_given_up_loses_nothing() {
    let ioloop = ioloop();
    let (mut ws, peer) = pair(&ioloop, config());
    peer.write(&masked(1, b"be")).unwrap();
    ioloop
        .run_until(async {
            let waited = squall_ioloop::with_timeout(Duration::from_secs(1), ws.next()).await;
            assert!(waited.is_err());
            peer.write(&masked(FIN, b"gun")).unwrap();
            assert_eq!(ws.next().await, Some(OwnedMessage::Text("begun".into())));
        })
        .unwrap();
}

#[test]
fn a_fault_of_the_peer_is_answered_and_ends_it() {
    let ioloop = ioloop();
    let (mut ws, mut peer) = pair(&ioloop, config());
    peer.write(&[masked(FIN | 1, b"good"), unmasked(FIN | 1, b"bad")].concat())
        .unwrap();
    let task = ioloop.spawn(async move {
        let first = ws.next().await;
        (first, ws.next().await, ws.closed_by_peer().is_some())
    });
    expect(
        &ioloop,
        &mut peer,
        b"\x88\x1f\x03\xeaclient sent an unmasked frame",
    );
    drop(peer);
    let said = ioloop.run_until(task).unwrap().unwrap();
    assert_eq!(said, (Some(OwnedMessage::Text("good".into())), None, false));
}

#[test]
fn silence_is_pinged_while_it_is_waited_for() {
    let ioloop = ioloop();
    let config = Config::default()
        .with_ping_interval(Some(Duration::from_secs(10)))
        .with_ping_timeout(Duration::from_secs(4));
    let (mut ws, mut peer) = pair(&ioloop, config);
    let task = ioloop.spawn(async move { ws.next().await });
    expect(&ioloop, &mut peer, b"\x89\x00");
    expect(&ioloop, &mut peer, b"\x88\x10\x03\xf3ping timed out");
    assert_eq!(ioloop.run_until(task).unwrap().unwrap(), None);
}

#[test]
fn dropped_it_closes_and_hears_the_peer_out() {
    let ioloop = ioloop();
    let (ws, mut peer) = pair(&ioloop, config());
    let handle = squall_websocket::WebSocket::clone(&ws);
    drop(ws);
    expect(&ioloop, &mut peer, b"\x88\x02\x03\xe8");
    assert!(handle.is_closing() && !handle.is_closed());
    peer.write(&masked(FIN | 1, b"nobody listens")).unwrap();
    peer.write(&masked(FIN | 8, b"\x03\xe8")).unwrap();
    let rest = ioloop.run_until(peer.read_until_close(100)).unwrap();
    assert_eq!(rest.unwrap(), b"");
    assert!(handle.is_closed());
}

#[test]
fn dropped_it_does_not_wait_for_ever() {
    let ioloop = ioloop();
    let (ws, peer) = pair(&ioloop, config());
    let handle = squall_websocket::WebSocket::clone(&ws);
    drop(ws);
    pass(&ioloop, 6);
    assert!(handle.is_closed());
    drop(peer);
}

#[test]
fn a_panic_of_its_task_closes_with_1011() {
    let ioloop = ioloop();
    let (mut ws, mut peer) = pair(&ioloop, config());
    peer.write(&masked(FIN | 1, b"hi")).unwrap();
    let task = ioloop.spawn(async move {
        let _ = ws.next().await;
        panic!("as intended");
    });
    expect(&ioloop, &mut peer, b"\x88\x02\x03\xf3");
    assert!(ioloop.run_until(task).unwrap().is_err());
}

#[test]
fn two_ends_talk_in_both_roles() {
    let ioloop = ioloop();
    let (ours, theirs) = memory::pair(&ioloop, memory::Options::default());
    let large = "x".repeat(3 << 20);
    let limits = Limits::default();
    let config = config().with_limits(limits);
    let mut server = WebSocketStream::new(ours, config.clone(), &Opening::new(Role::Server));
    let mut client = WebSocketStream::new(theirs, config, &Opening::new(Role::Client));
    ioloop.spawn_detached(async move {
        while let Some(message) = server.next().await {
            server.send(&message).await.unwrap();
        }
    });
    ioloop
        .run_until(async {
            for text in ["", "hi", &large] {
                client.send(text).await.unwrap();
                assert!(client.next().await == Some(OwnedMessage::from(text)));
            }
            client.close(CloseCode::NORMAL, "");
            assert_eq!(client.next().await, None);
            sleep(Duration::from_secs(1)).await;
        })
        .unwrap();
}

#[test]
fn a_drain_closes_with_1001() {
    let ioloop = ioloop();
    let (mut ws, mut peer) = pair(&ioloop, config());
    let handle = squall_websocket::WebSocket::clone(&ws);
    ioloop.spawn_detached(async move { while ws.next().await.is_some() {} });
    turns(&ioloop, 2);
    handle.drain();
    expect(&ioloop, &mut peer, b"\x88\x02\x03\xe9");
}

#[test]
fn a_flood_of_tiny_messages_starves_nobody() {
    let ioloop = ioloop();
    let (mut ws, peer) = pair(&ioloop, config());
    peer.write(&masked(FIN | 1, b"x").repeat(2_000)).unwrap();
    let heard = std::rc::Rc::new(std::cell::Cell::new(0));
    ioloop.spawn_detached({
        let heard = heard.clone();
        async move {
            while ws.next().await.is_some() {
                heard.set(heard.get() + 1);
            }
        }
    });
    let mut most = 0;
    while heard.get() < 2_000 {
        let before = heard.get();
        turns(&ioloop, 1);
        most = most.max(heard.get() - before);
    }
    assert_eq!(most, 256);
}
