//! Peers that go away while they are answered, and services that take too long: what becomes of
//! the work, by policy.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;
use squall_httpserver::{Config, Disconnect, Error, Exchange};
use squall_ioloop::{sleep, yield_now};
use squall_iostream::IoStream;
use squall_iostream::memory::Options;
use support::{AT_ONCE, Crlf, World, logs, statuses};

const SECOND: Duration = Duration::from_secs(1);

/// What happened in a service, in order.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Vec<&'static str>>>);

impl Notes {
    fn note(&self, what: &'static str) {
        self.0.borrow_mut().push(what);
    }

    fn take(&self) -> Vec<&'static str> {
        self.0.take()
    }
}

struct Fallen(Notes);

impl Drop for Fallen {
    fn drop(&mut self) {
        self.0.note("fallen");
    }
}

/// Works for ten seconds, and answers.
async fn work(http: Exchange, notes: Notes) -> Result<(), Error> {
    let _fallen = Fallen(notes.clone());
    let told = notes.clone();
    http.on_close(move || told.note("told"));
    sleep(10 * SECOND).await;
    notes.note("worked");
    http.set_status(StatusCode::CREATED)?;
    http.write("done")?;
    http.flush().await?;
    notes.note("flushed");
    http.write("and more")?;
    http.finish();
    notes.note("finished");
    Ok(())
}

/// How the peer goes.
#[derive(Clone, Copy, PartialEq)]
enum Going {
    /// It closes.
    Closes,
    /// It is reset.
    Breaks,
    /// It sends no more, and reads on.
    ShutsDown,
    /// It stays.
    Stays,
}

/// Sends `input`, goes away after a second, and expects the service to have noted this.
#[track_caller]
fn check(policy: Disconnect, input: &str, going: Going, expected: &[&str]) {
    let of_server = Config::default().with_disconnect(policy);
    // Of the server, or of the request: it is the same.
    for config in [of_server, Config::default()] {
        let notes = Notes::default();
        let noted = notes.clone();
        let world = World::with_config(config, move |http: Exchange| {
            http.set_disconnect(policy);
            let notes = notes.clone();
            async move {
                let _ = work(http, notes).await;
            }
        });
        let peer = world.connect();
        peer.write(input.crlf().as_bytes()).unwrap();
        world.run(sleep(SECOND));
        let rest: Option<IoStream> = match going {
            Going::Closes => {
                drop(peer);
                None
            }
            Going::Breaks => {
                peer.abort();
                None
            }
            Going::ShutsDown => {
                world.run(peer.shutdown_write()).unwrap();
                Some(peer)
            }
            Going::Stays => Some(peer),
        };
        world.run(sleep(20 * SECOND));
        assert_eq!(noted.take(), expected);
        if let Some(mut peer) = rest {
            let heard = world.run(world.listen(&mut peer));
            let answered = expected.contains(&"finished");
            assert_eq!(
                statuses(&heard.text),
                if answered { vec!["201"] } else { vec![] }
            );
        }
        assert!(logs::take().is_empty());
        world.assert_well();
    }
}

const GET: &str = "GET / HTTP/1.1\nhost: a\n\n";

#[test]
fn nobody_is_told_of_a_peer_that_stays() {
    for policy in [Disconnect::Cancel, Disconnect::Notify, Disconnect::Detach] {
        let all = ["worked", "flushed", "finished", "fallen"];
        check(policy, GET, Going::Stays, &all);
    }
}

#[test]
fn cancel_drops_the_work_when_the_peer_is_gone() {
    for going in [Going::Closes, Going::Breaks, Going::ShutsDown] {
        check(Disconnect::Cancel, GET, going, &["told", "fallen"]);
    }
}

#[test]
fn notify_tells_and_ends_the_work_at_its_first_write() {
    for going in [Going::Closes, Going::Breaks] {
        check(
            Disconnect::Notify,
            GET,
            going,
            &["told", "worked", "fallen"],
        );
    }
}

/// RFC 9112, section 9.6: a client may close its half when it has asked.
#[test]
fn rfc9112_9_6_a_peer_that_only_sends_no_more_is_still_answered() {
    let all = ["told", "worked", "flushed", "finished", "fallen"];
    check(Disconnect::Notify, GET, Going::ShutsDown, &all);
    check(Disconnect::Detach, GET, Going::ShutsDown, &all);
}

#[test]
fn detach_lets_the_work_go_to_its_end() {
    let all = ["told", "worked", "flushed", "finished", "fallen"];
    for going in [Going::Closes, Going::Breaks] {
        check(Disconnect::Detach, GET, going, &all);
    }
}

/// What is unread hides no end: neither requests that wait behind, nor content that nobody reads.
#[test]
fn a_peer_that_goes_behind_unread_bytes_is_seen_to_go() {
    let pipelined = GET.repeat(3);
    let content = "POST / HTTP/1.1\nhost: a\ncontent-length: 9\n\nhello";
    for input in [&pipelined, content] {
        check(
            Disconnect::Cancel,
            input,
            Going::Closes,
            &["told", "fallen"],
        );
    }
}

/// While a service works, what its peer sends stays with the peer.
#[test]
fn what_a_pipelining_peer_sends_meanwhile_is_bounded() {
    let world = World::new(|http: Exchange| async move {
        http.closed().await;
        http.finish();
    });
    let peer = world.connect_with(Options {
        capacity: 10_000,
        ..Options::default()
    });
    peer.write(GET.crlf().as_bytes()).unwrap();
    world.settle();
    let flood = GET.crlf().repeat(100_000);
    peer.write(flood.as_bytes()).unwrap();
    world.run(sleep(SECOND));
    // One read, and what the transport holds.
    assert!(peer.unsent_len() >= flood.len() - 64 * 1024 - 10_000);
    drop(peer);
    world.settle();
    world.assert_well();
}

/// A clone that somebody keeps is not cancelled with the future, but has nothing to answer.
#[test]
fn what_is_kept_elsewhere_of_a_cancelled_request_is_finished() {
    let kept: Rc<RefCell<Option<Exchange>>> = Rc::default();
    let keeper = kept.clone();
    let config = Config::default().with_disconnect(Disconnect::Cancel);
    let world = World::with_config(config, move |http: Exchange| {
        keeper.replace(Some(http));
        std::future::ready(())
    });
    let peer = world.connect();
    peer.write(GET.crlf().as_bytes()).unwrap();
    world.settle();
    drop(peer);
    world.settle();
    let http = kept.take().unwrap();
    assert!(http.is_finished());
    assert!(http.write("late").is_err());
    drop(http);
    world.assert_well();
}

#[test]
fn a_panic_in_what_is_dropped_costs_one_request() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let config = Config::default().with_disconnect(Disconnect::Cancel);
    let world = World::with_config(config, |_http: Exchange| async move {
        let _bomb = Bomb;
        std::future::pending::<()>().await;
    });
    let peer = world.connect();
    peer.write(GET.crlf().as_bytes()).unwrap();
    world.settle();
    drop(peer);
    world.settle();
    assert_eq!(logs::take().len(), 1);
    world.assert_well();
}

// ---- the time of a request

#[test]
fn a_service_that_never_answers_is_503_in_its_time() {
    let config = Config::default().with_timeout_request(Some(5 * SECOND));
    let world = World::with_config(config, |_http: Exchange| async move {
        std::future::pending::<()>().await;
    });
    let heard =
        world.talk((GET.to_owned() + "GET /well HTTP/1.1\nhost: a\nconnection: close\n\n").crlf());
    assert_eq!(statuses(&heard.text), ["503", "200"]);
    assert_eq!(heard.after, 5 * SECOND);
    assert_eq!(logs::take().len(), 1);
    world.assert_well();
}

/// The service holds it in a callback's place, and there is no future to drop.
#[test]
fn an_exchange_that_is_kept_for_ever_is_503_in_its_time() {
    let kept: Rc<RefCell<Vec<Exchange>>> = Rc::default();
    let keeper = kept.clone();
    let world = World::new(move |http: Exchange| {
        http.set_timeout_request(Some(5 * SECOND));
        keeper.borrow_mut().push(http);
        std::future::ready(())
    });
    let heard = world.talk("GET / HTTP/1.1\nhost: a\nconnection: close\n\n".crlf());
    assert_eq!(statuses(&heard.text), ["503"]);
    assert_eq!(heard.after, 5 * SECOND);
    assert!(kept.take().iter().all(Exchange::is_finished));
    logs::take();
    world.assert_well();
}

#[test]
fn an_answer_that_takes_too_long_in_its_midst_is_broken_off() {
    let config = Config::default().with_timeout_request(Some(5 * SECOND));
    let world = World::with_config(config, |http: Exchange| async move {
        loop {
            http.write("x").unwrap();
            http.flush().await.unwrap();
            sleep(2 * SECOND).await;
        }
    });
    let heard = world.talk(GET.crlf());
    assert!(heard.text.ends_with("1\nx\n1\nx\n1\nx\n"), "{heard:?}");
    assert_eq!(heard.after, 5 * SECOND);
    logs::take();
    world.assert_well();
}

#[test]
fn the_time_of_a_request_may_change_while_it_runs() {
    let config = Config::default().with_timeout_request(Some(5 * SECOND));
    let world = World::with_config(config, |http: Exchange| async move {
        sleep(SECOND).await;
        let long = http.head().path() == "/long";
        http.set_timeout_request(if long { None } else { Some(2 * SECOND) });
        sleep(30 * SECOND).await;
        http.finish();
    });
    for (path, seconds, status) in [("/long", 31, "200"), ("/short", 2, "503")] {
        let heard =
            world.talk(format!("GET {path} HTTP/1.1\nhost: a\nconnection: close\n\n").crlf());
        assert_eq!(
            (statuses(&heard.text), heard.after),
            (vec![status], seconds * SECOND)
        );
    }
    logs::take();
    world.assert_well();
}

/// A service that has let its exchange go, and goes on, is not polled for nothing.
#[test]
fn a_watch_does_not_wake_itself() {
    let polls = Rc::new(Cell::new(0));
    let counter = polls.clone();
    let config = Config::default().with_timeout_request(Some(3600 * SECOND));
    let world = World::with_config(config, move |http: Exchange| {
        drop(http);
        let counter = counter.clone();
        let mut rest = Box::pin(sleep(10 * SECOND));
        std::future::poll_fn(move |cx| {
            counter.set(counter.get() + 1);
            rest.as_mut().poll(cx)
        })
    });
    let heard = world.talk("GET / HTTP/1.1\nhost: a\nconnection: close\n\n".crlf());
    assert_eq!(statuses(&heard.text), ["500"]);
    assert!(polls.get() <= 4, "{} polls", polls.get());
    assert_ne!(heard.after, AT_ONCE);
    logs::take();
    world.assert_well();
}

/// Its time ends with its answer, and so does what becomes of it without its peer.
#[test]
fn an_answer_that_is_over_is_not_too_late_while_its_content_is_read() {
    for policy in [Disconnect::Notify, Disconnect::Cancel] {
        let config = Config::default()
            .with_disconnect(policy)
            .with_timeout_request(Some(Duration::from_secs(5)));
        let world = World::with_config(config, |http: Exchange| async move {
            let reader = http.clone();
            squall_ioloop::Handle::current().spawn_detached(async move {
                let _ = reader.content().await;
                sleep(Duration::from_secs(1)).await;
            });
            yield_now().await;
            http.finish();
        });
        let mut peer = world.connect();
        let heard = world.run(async {
            let head = "POST / HTTP/1.1\nhost: a\ncontent-length: 3\n\n".crlf();
            peer.write(head.as_bytes()).unwrap();
            for byte in [b"a", b"b"] {
                sleep(Duration::from_secs(10)).await;
                peer.write(byte).unwrap();
            }
            peer.shutdown_write().await.unwrap();
            world.listen(&mut peer).await
        });
        assert!(heard.text.starts_with("HTTP/1.1 200"), "{heard:?}");
        drop(peer);
        assert_eq!(world.server.metrics().requests.incomplete, 0);
        world.assert_well();
    }
}
