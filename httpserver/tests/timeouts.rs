//! The slow: each kind is cut by a deadline, or is not, because it gets on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::future::Future;
use std::time::Duration;

use http::StatusCode;
use squall_httpserver::{Config, Error, Exchange};
use squall_ioloop::{sleep, with_timeout};
use squall_iostream::IoStream;
use squall_iostream::memory::Options;
use support::{AT_ONCE, Crlf, Heard, World, echo, statuses, tell_target};

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    Config::default()
        .with_timeout_header(10 * SECOND)
        .with_timeout_idle(20 * SECOND)
        .with_timeout_content(30 * SECOND)
        .with_timeout_write(40 * SECOND)
}

/// Sends each of `pieces` a second after the one before it, for ever, and expects to be cut so many
/// seconds after the first, with this status.
#[track_caller]
fn check(pieces: impl Iterator<Item = String> + 'static, seconds: u64, expected: &[&str]) {
    check_with(config(), pieces, seconds, expected);
}

#[track_caller]
fn check_with(
    config: Config,
    pieces: impl Iterator<Item = String> + 'static,
    seconds: u64,
    expected: &[&str],
) {
    let world = World::with_config(config, echo);
    let mut peer = world.connect();
    let writer = peer.handle();
    world.ioloop.spawn_detached(async move {
        for piece in pieces {
            if writer.write(piece.crlf().as_bytes()).is_err() {
                return;
            }
            sleep(SECOND).await;
        }
    });
    let heard = world.run(world.listen(&mut peer));
    assert_eq!(statuses(&heard.text), expected);
    let is_announced = heard.text.contains("connection: close");
    assert_eq!(is_announced, expected == ["408"]);
    assert_eq!(heard.after.as_secs(), seconds);
    drop(peer);
    world.assert_well();
}

fn once(text: &str) -> std::iter::Once<String> {
    std::iter::once(text.to_owned())
}

#[test]
fn nothing_at_all_is_closed_without_a_word() {
    check(std::iter::empty(), 10, &[]);
}

#[test]
fn half_a_head_is_408() {
    check(once("G"), 10, &["408"]);
    check(once("GET / HTTP/1.1\nho"), 10, &["408"]);
}

#[test]
fn a_head_that_drips_is_408() {
    let drip = once("GET / HTTP/1.1\nhost: a\n").chain(std::iter::repeat("x: y\n".to_owned()));
    check(drip, 10, &["408"]);
}

#[test]
fn silence_after_an_answer_is_closed_without_a_word() {
    check(once("GET / HTTP/1.1\nhost: a\nx: y\n\n"), 20, &["200"]);
}

const POST: &str = "POST / HTTP/1.1\nhost: a\ncontent-length: 100000\n\n";

#[test]
fn content_that_does_not_come_is_408() {
    check(once(POST), 30, &["408"]);
}

#[test]
fn content_that_stalls_is_408() {
    check(once(&format!("{POST}x")), 30, &["408"]);
}

/// Each byte gives two milliseconds back.
#[test]
fn content_that_drips_is_408() {
    check(
        once(POST).chain(std::iter::repeat("x".to_owned())),
        30,
        &["408"],
    );
}

#[test]
fn chunks_that_drip_are_408() {
    let head = once("POST / HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n");
    check(
        head.chain(std::iter::repeat("1;x=y\nx\n".to_owned())),
        30,
        &["408"],
    );
}

/// A hundred seconds, of which none was wasted.
#[test]
fn content_that_takes_its_time_and_arrives_is_served() {
    let world = World::with_config(config(), |http: Exchange| async move {
        let content = http.content().await.unwrap();
        let _ = http.write(content.len().to_string());
        http.finish();
    });
    let heard = talk_slowly(&world, |mut peer, world| async move {
        peer.write(POST.crlf().as_bytes()).unwrap();
        for _ in 0..100 {
            sleep(SECOND).await;
            peer.write(&[b'x'; 1000]).unwrap();
        }
        world.listen(&mut peer).await
    });
    assert!(heard.text.ends_with("\n\n100000"), "{heard:?}");
}

fn talk_slowly<'a, F: Future<Output = Heard> + 'a>(
    world: &'a World,
    talk: impl FnOnce(IoStream, &'a World) -> F,
) -> Heard {
    world.run(talk(world.connect(), world))
}

/// A service that takes its time between two reads does not spend the peer's.
#[test]
fn the_time_of_the_service_is_not_the_peers() {
    let world = World::with_config(config(), |http: Exchange| async move {
        while let Some(chunk) = http.chunk().await.unwrap() {
            sleep(100 * SECOND).await;
            http.write(chunk).unwrap();
        }
        http.finish();
    });
    let heard = talk_slowly(&world, |mut peer, world| async move {
        let post = "POST / HTTP/1.1\nhost: a\ncontent-length: 4\n\na".crlf();
        peer.write(post.as_bytes()).unwrap();
        for byte in [b"b", b"c", b"d"] {
            sleep(50 * SECOND).await;
            peer.write(byte).unwrap();
        }
        world.listen(&mut peer).await
    });
    assert!(heard.text.ends_with("\n\nabcd"), "{heard:?}");
}

// ---- peers that do not read

/// A big answer to a peer that reads nothing, or so many bytes a second; when the server has cut
/// it, or what it has read.
fn read_slowly(way: &'static str, bytes_a_second: usize) -> (usize, Duration) {
    let world = World::with_config(config(), move |http: Exchange| async move {
        match way {
            "whole" => drop(http.write(vec![b'x'; SIZE])),
            _ => {
                for _ in 0..SIZE / 10_000 {
                    let _ = http.write(vec![b'x'; 10_000]);
                    if let Err(error) = http.flush().await {
                        assert!(matches!(error, Error::TimedOut));
                        assert!(http.write("x").is_err());
                        return;
                    }
                }
            }
        }
        http.finish();
    });
    let mut peer = world.connect_with(Options {
        capacity: 10_000,
        ..Options::default()
    });
    peer.write(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    world.settle();
    let since = world.ioloop.now();
    let mut count = 0;
    world.run(async {
        while world.server.connection_count() > 0 {
            sleep(SECOND).await;
            if bytes_a_second > 0 {
                match with_timeout(AT_ONCE, peer.read_some(bytes_a_second)).await {
                    Ok(Ok(bytes)) => count += bytes.len(),
                    _ => break,
                }
            }
        }
        // Who was cut is told by a reset, and has lost what it did not take.
        let rest = peer.read_until_close(usize::MAX).await;
        assert_eq!(rest.is_err(), bytes_a_second == 0);
        count += rest.map_or(0, |rest| rest.len());
    });
    let after = world.ioloop.now() - since;
    world.assert_well();
    (count, after)
}

const SIZE: usize = 300_000;

#[test]
fn a_peer_that_takes_nothing_is_cut() {
    for way in ["whole", "streamed"] {
        let (count, after) = read_slowly(way, 0);
        assert!(count <= 10_000, "{count}");
        assert_eq!(after, 40 * SECOND, "{way}");
    }
}

#[test]
fn a_peer_that_takes_its_time_gets_all_of_it() {
    for way in ["whole", "streamed"] {
        let (count, after) = read_slowly(way, 2000);
        assert!(count > SIZE, "{count}");
        assert!(after > 100 * SECOND, "{after:?}");
    }
}

/// Between requests an answer that is not taken counts as such, not as idleness.
#[test]
fn an_idle_deadline_does_not_cut_an_answer() {
    let world = World::with_config(config(), |http: Exchange| async move {
        let _ = http.write(vec![b'x'; SIZE]);
        http.finish();
    });
    let mut peer = world.connect_with(Options {
        capacity: 10_000,
        ..Options::default()
    });
    peer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let count = world.run(async {
        let mut count = 0;
        while count < SIZE {
            sleep(SECOND).await;
            count += peer.read_some(2000).await.unwrap().len();
        }
        count
    });
    assert!(count >= SIZE);
    drop(peer);
    world.assert_well();
}

// ---- services that take their time

#[test]
fn a_service_may_take_as_long_as_it_likes() {
    let world = World::with_config(config(), |http: Exchange| async move {
        sleep(1000 * SECOND).await;
        tell_target(http).await;
    });
    let heard = world.talk("GET / HTTP/1.1\nhost: a\nconnection: close\n\n".crlf());
    assert_eq!(statuses(&heard.text), ["200"]);
    assert_eq!(heard.after, 1000 * SECOND);
}

#[test]
fn a_read_can_be_given_up_and_taken_up_again() {
    let world = World::with_config(config(), |http: Exchange| async move {
        assert!(with_timeout(5 * SECOND, http.content()).await.is_err());
        // The deadline of that read is not of what follows.
        sleep(100 * SECOND).await;
        let status = match http.chunk().await {
            Ok(Some(_)) => StatusCode::OK,
            _ => StatusCode::IM_A_TEAPOT,
        };
        http.set_status(status).unwrap();
        http.finish();
    });
    let heard = talk_slowly(&world, |mut peer, world| async move {
        peer.write(
            "POST / HTTP/1.1\nhost: a\ncontent-length: 1\n\n"
                .crlf()
                .as_bytes(),
        )
        .unwrap();
        sleep(120 * SECOND).await;
        peer.write(b"x").unwrap();
        world.listen(&mut peer).await
    });
    assert_eq!(statuses(&heard.text), ["200"]);
}

// ---- the total time of a content

#[test]
fn content_that_comes_steadily_has_a_total_time_if_it_is_set() {
    let drip = || {
        let piece = "x".repeat(1_000);
        once(POST).chain(std::iter::repeat(piece))
    };
    let config = config().with_timeout_content_total(Some(45 * SECOND));
    check_with(config, drip(), 45, &["408"]);
}

#[test]
fn the_times_of_a_content_may_be_the_routes() {
    let world = World::with_config(config(), |http: Exchange| {
        let is_total = http.head().path() == "/total";
        http.set_timeout_content_total(is_total.then_some(5 * SECOND));
        http.set_timeout_content(if is_total { 9 * SECOND } else { 3 * SECOND });
        echo(http)
    });
    let heard = world.talk(POST.replace("/ ", "/total ").crlf());
    assert_eq!(
        (statuses(&heard.text), heard.after),
        (vec!["408"], 5 * SECOND)
    );
    let heard = world.talk(POST.crlf());
    assert_eq!(
        (statuses(&heard.text), heard.after),
        (vec!["408"], 3 * SECOND)
    );
    world.assert_well();
}
