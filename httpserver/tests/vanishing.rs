//! Peers that go away, at every byte of a dialogue and on both sides of it: nothing leaks, nothing
//! is logged, and the next connection works.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::Cell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use squall_httpserver::{Error, Exchange};
use squall_ioloop::sleep;
use squall_iostream::memory::Options;
use support::{AT_ONCE, Crlf, World, echo, statuses};

/// Reads all, echoes in pieces, with `?` where the peer may be gone.
async fn stream_back(http: Exchange) -> Result<(), Error> {
    http.flush().await?;
    while let Some(chunk) = http.chunk().await? {
        http.write(chunk)?;
        http.flush().await?;
    }
    http.finish();
    Ok(())
}

fn dialogue() -> String {
    let get = "GET / HTTP/1.1\nhost: a\n\n";
    let post = "POST / HTTP/1.1\nhost: a\ncontent-length: 5\n\nhello";
    let chunks =
        "POST / HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n3;a\nabc\n2\nde\n0\nt: u\n\n";
    let awaited = "POST / HTTP/1.1\nhost: a\nexpect: 100-continue\ncontent-length: 2\n\nhi";
    [get, post, chunks, awaited, get].concat().crlf()
}

/// Runs the dialogue up to each of its bytes, and has the peer go as `go` says.
fn check(go: impl Fn(&World, &[u8])) {
    let input = dialogue();
    for is_streamed in [false, true] {
        let world = World::new(move |http: Exchange| async move {
            if is_streamed {
                // What it returns is that the peer has gone.
                let _ = stream_back(http).await;
            } else {
                echo(http).await;
            }
        });
        for cut in 0..=input.len() {
            go(&world, &input.as_bytes()[..cut]);
            world.settle();
            assert_eq!(world.server.connection_count(), 0, "cut at {cut}");
        }
        world.assert_well();
    }
}

#[test]
fn it_closes() {
    check(|world, input| {
        let peer = world.connect();
        peer.write(input).unwrap();
        world.settle();
    });
}

#[test]
fn it_closes_without_having_been_served() {
    check(|world, input| {
        let peer = world.connect();
        peer.write(input).unwrap();
        peer.flush();
    });
}

#[test]
fn it_closes_its_half() {
    check(|world, input| {
        let mut peer = world.connect();
        world.run(async {
            peer.write(input).unwrap();
            peer.shutdown_write().await.unwrap();
            peer.read_until_close(usize::MAX).await.unwrap();
        });
    });
}

#[test]
fn it_is_reset() {
    check(|world, input| {
        let fault = Some((input.len(), ErrorKind::ConnectionReset));
        let options = Options {
            read_fault: fault,
            ..Options::default()
        };
        let peer = world.connect_with(options);
        peer.write(input).unwrap();
        world.settle();
        peer.write(b"x").unwrap();
        world.settle();
    });
}

#[test]
fn it_takes_no_more() {
    check(|world, input| {
        let options = Options {
            write_fault: Some((
                dialogue().len().max(300) - input.len(),
                ErrorKind::BrokenPipe,
            )),
            ..Options::default()
        };
        let peer = world.connect_with(options);
        // It may not be able to say all of it either.
        let _ = peer.write(dialogue().as_bytes());
        world.settle();
    });
}

// ---- being told

#[test]
fn on_close_is_called_while_the_answer_is_due() {
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let world = World::new(move |http: Exchange| {
        let count = count.clone();
        let kept = http.clone();
        http.on_close(move || {
            count.set(count.get() + 1);
            // Tornado's test_finish_while_closed: that nobody hears it is no error.
            kept.finish();
        });
        std::future::ready(())
    });
    let peer = world.connect();
    peer.write("GET / HTTP/1.1\nhost: a\n\n".crlf().as_bytes())
        .unwrap();
    world.settle();
    assert_eq!(calls.get(), 0);
    assert_eq!(world.server.connection_count(), 1);
    drop(peer);
    world.assert_well();
    assert_eq!(calls.get(), 1);
}

#[test]
fn on_close_can_be_asked_for_later_and_by_several() {
    let calls = Rc::new(Cell::new(0));
    let kept = Rc::new(Cell::new(None));
    let keep = kept.clone();
    let world = World::new(move |http: Exchange| {
        keep.set(Some(http));
        std::future::ready(())
    });
    let peer = world.connect();
    peer.write("GET / HTTP/1.1\nhost: a\n\n".crlf().as_bytes())
        .unwrap();
    world.settle();
    let http = kept.take().unwrap();
    for _ in 0..2 {
        let calls = calls.clone();
        http.on_close(move || calls.set(calls.get() + 1));
    }
    world.settle();
    drop(peer);
    world.settle();
    assert_eq!(calls.get(), 2);
    // Too late is told as well.
    let calls_after = calls.clone();
    http.on_close(move || calls_after.set(10));
    world.settle();
    assert_eq!(calls.get(), 10);
    drop(http);
    world.assert_well();
}

#[test]
fn on_close_is_not_called_for_an_answer_that_is_finished() {
    let world = World::new(|http: Exchange| async move {
        http.on_close(|| panic!("the answer is finished"));
        http.finish();
        http.on_close(|| panic!("the answer was finished"));
    });
    let get = "GET / HTTP/1.1\nhost: a\n\n".crlf();
    let peer = world.connect();
    peer.write(get.repeat(3).as_bytes()).unwrap();
    world.settle();
    drop(peer);
    world.assert_well();
}

#[test]
fn closed_ends_a_race() {
    let ended = Rc::new(Cell::new(None));
    let end = ended.clone();
    let world = World::new(move |http: Exchange| {
        let end = end.clone();
        async move {
            http.closed().await;
            end.set(Some(squall_ioloop::Handle::current().now()));
        }
    });
    let peer = world.connect();
    peer.write("GET / HTTP/1.1\nhost: a\n\n".crlf().as_bytes())
        .unwrap();
    world.run(sleep(Duration::from_secs(3)));
    let now = world.ioloop.now();
    drop(peer);
    world.assert_well();
    assert_eq!(ended.get(), Some(now));
}

/// The default: the service is told, and may go on.
#[test]
fn a_service_is_not_ended_because_its_peer_has_gone() {
    let done = Rc::new(Cell::new(false));
    let note = done.clone();
    let world = World::new(move |http: Exchange| {
        let note = note.clone();
        async move {
            sleep(Duration::from_secs(10)).await;
            let _ = http.write("to nobody");
            http.finish();
            note.set(true);
        }
    });
    let peer = world.connect();
    peer.write("GET / HTTP/1.1\nhost: a\n\n".crlf().as_bytes())
        .unwrap();
    world.settle();
    drop(peer);
    world.run(sleep(Duration::from_secs(11)));
    assert!(done.get());
    world.assert_well();
}

/// Answers that are under way when the peer goes do not keep it from being told.
#[test]
fn a_peer_that_goes_while_it_is_sent_to_is_gone_for_the_writer() {
    let seen = Rc::new(Cell::new(0));
    let log = seen.clone();
    let world = World::new(move |http: Exchange| {
        let log = log.clone();
        async move {
            let mut sent = 0;
            while http.write(vec![b'x'; 10_000]).is_ok() && http.flush().await.is_ok() {
                sent += 10_000;
            }
            log.set(sent);
        }
    });
    let mut peer = world.connect();
    peer.write("GET / HTTP/1.1\nhost: a\n\n".crlf().as_bytes())
        .unwrap();
    world.run(peer.read_bytes(100_000)).unwrap();
    drop(peer);
    world.assert_well();
    assert!((100_000..1_000_000).contains(&seen.get()), "{}", seen.get());
}

#[test]
fn a_slow_line_changes_nothing() {
    let world = World::new(echo);
    let options = Options {
        latency: Duration::from_millis(500),
        read_bytes_max: 7,
        write_bytes_max: 5,
        ..Options::default()
    };
    let mut peer = world.connect_with(options);
    peer.write(dialogue().as_bytes()).unwrap();
    let heard = world.run(world.listen(&mut peer));
    let expected = ["200"; 5];
    let found: Vec<_> = statuses(&heard.text)
        .into_iter()
        .filter(|status| *status != "100")
        .collect();
    assert_eq!(found, expected);
    assert!(heard.after > AT_ONCE);
    drop(peer);
    world.assert_well();
}
