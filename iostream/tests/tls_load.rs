//! Many handshakes at once: no turn computes more than a few, peers that are established go on, and
//! certificates are replaced meanwhile with nothing lost.

#![cfg(any(feature = "tls", feature = "tls-ring"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::RefCell;
use std::rc::Rc;

use ends::tls::{accepting, client_config, known, server_config, shake};
use ends::{pair, virtual_loop};
use squall_ioloop::{IoLoop, JoinHandle};
use squall_iostream::IoStream;
use squall_iostream::memory::Options;
use squall_iostream::tls::{ServerConfig, TlsAcceptor, TlsConnector};

const FLOOD: usize = 200;

async fn echo(mut stream: IoStream) {
    while let Ok(bytes) = stream.read_some(100).await {
        if stream.write(&bytes).is_err() {
            return;
        }
    }
}

/// How many turns a word takes there and back.
fn turns_of_an_echo(ioloop: &IoLoop, stream: &mut IoStream) -> u64 {
    let before = ioloop.turn_count();
    stream.write(b"still there?").unwrap();
    let back = ioloop.run_until(stream.read_bytes(12)).unwrap().unwrap();
    assert_eq!(back, b"still there?");
    ioloop.turn_count() - before
}

/// Clients that connect all at once, and in which turns the server was done with them.
fn flood(
    ioloop: &IoLoop,
    acceptor: &TlsAcceptor,
    connector: &TlsConnector,
) -> (Vec<JoinHandle<()>>, Rc<RefCell<Vec<u64>>>) {
    let turns = Rc::new(RefCell::new(Vec::new()));
    let mut tasks = Vec::new();
    for _ in 0..FLOOD {
        let (ours, theirs) = pair(ioloop);
        let (connector, turns, handle) =
            (connector.clone(), turns.clone(), ioloop.handle().clone());
        tasks.push(ioloop.spawn(async move {
            let mut stream = connector.connect(ours, "localhost").await.unwrap();
            stream.read_until_close(10).await.unwrap();
        }));
        let accepting = accepting(ioloop, acceptor, theirs);
        tasks.push(ioloop.spawn(async move {
            let _stream = accepting.await.unwrap().unwrap();
            turns.borrow_mut().push(handle.turn_count());
        }));
    }
    (tasks, turns)
}

fn established(ioloop: &IoLoop, acceptor: &TlsAcceptor, connector: &TlsConnector) -> IoStream {
    let ends = shake(ioloop, Options::default(), acceptor, connector, "localhost");
    ioloop.spawn_detached(echo(ends.0.unwrap()));
    ends.1.unwrap()
}

#[test]
fn a_flood_of_handshakes_leaves_an_established_peer_its_turns() {
    for steps in [1, 4, 16] {
        let ioloop = virtual_loop();
        let acceptor = server_config().handshakes_per_turn(steps).build().unwrap();
        let connector = client_config().build().unwrap();
        let mut peer = established(&ioloop, &acceptor, &connector);
        let quiet = turns_of_an_echo(&ioloop, &mut peer);

        let (tasks, done) = flood(&ioloop, &acceptor, &connector);
        while done.borrow().len() < FLOOD {
            let busy = turns_of_an_echo(&ioloop, &mut peer);
            assert!(busy <= quiet + 1, "{busy} turns instead of {quiet}");
        }
        for task in tasks {
            ioloop.run_until(task).unwrap().unwrap();
        }
        // A second step ends a handshake, and of those a turn has four times as many as of first
        // ones. And the gate was not shut for good in between: each ninth turn of a loop that is
        // busy has a piece of bulk work.
        let turns = done.borrow();
        let mut each = turns.clone();
        each.dedup();
        let most = each
            .iter()
            .map(|turn| turns.iter().filter(|other| *other == turn).count());
        assert!(most.max().unwrap() <= 4 * steps);
        let span = (turns[FLOOD - 1] - turns[0]) as usize;
        assert!(
            span <= 9 * (2 * FLOOD / steps + 10),
            "{span} turns with {steps} steps in each"
        );
    }
}

#[test]
fn certificates_are_replaced_under_load_and_nothing_is_lost() {
    let ioloop = virtual_loop();
    let (authority, first) = known();
    let second = authority.server(&["localhost"]);
    let acceptor = server_config().build().unwrap();
    let connector = client_config().build().unwrap();
    let mut peer = established(&ioloop, &acceptor, &connector);

    let (tasks, done) = flood(&ioloop, &acceptor, &connector);
    while done.borrow().len() < FLOOD / 2 {
        turns_of_an_echo(&ioloop, &mut peer);
    }
    let config = ServerConfig::new().certificate(second.chain(), second.key());
    acceptor.replace(config).unwrap();
    let (more, _) = flood(&ioloop, &acceptor, &connector);
    // All of them: those that had ended, those that were in the middle, those that came then.
    for task in tasks.into_iter().chain(more) {
        ioloop.run_until(task).unwrap().unwrap();
    }
    turns_of_an_echo(&ioloop, &mut peer);
    assert_eq!(peer.tls().unwrap().peer_certificates, [&first.der[..]]);
    let fresh = established(&ioloop, &acceptor, &connector);
    assert_eq!(fresh.tls().unwrap().peer_certificates, [second.der]);
}
