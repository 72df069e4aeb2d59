//! More requests than may be answered at once: 503 before the service hears of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;
use squall_httpserver::{Config, Exchange};
use squall_ioloop::sleep;
use support::{AT_ONCE, Crlf, World, logs, statuses, tell_target};

const SECOND: Duration = Duration::from_secs(1);

fn world(requests_max: usize) -> (World, Rc<Cell<usize>>) {
    let served = Rc::new(Cell::new(0));
    let count = served.clone();
    let config = Config::default()
        .with_requests_max(requests_max)
        .with_retry_after(Duration::from_millis(1500));
    let world = World::with_config(config, move |http: Exchange| {
        count.set(count.get() + 1);
        async move {
            if http.head().path() == "/panic" {
                panic!("a service that panics");
            }
            sleep(10 * SECOND).await;
            tell_target(http).await;
        }
    });
    (world, served)
}

const GET: &str = "GET /a HTTP/1.1\nhost: a\n\n";

#[test]
fn one_too_many_is_503_at_once_and_says_when_to_come_again() {
    let (world, served) = world(2);
    let _busy: Vec<_> = (0..2)
        .map(|_| {
            let peer = world.connect();
            peer.write(GET.crlf().as_bytes()).unwrap();
            peer
        })
        .collect();
    world.settle();
    let since = world.ioloop.now();
    let heard = world.talk("GET /b HTTP/1.1\nhost: a\nconnection: close\n\n".crlf());
    assert_eq!(
        heard.text,
        "HTTP/1.1 503 Service Unavailable\nretry-after: 2\n\
         content-type: text/plain; charset=UTF-8\ncontent-length: 25\n\
         connection: close\n\n503: Service Unavailable\n"
    );
    assert_eq!((heard.after, world.ioloop.now()), (AT_ONCE, since));
    assert_eq!((served.get(), world.server.shed_count()), (2, 1));
    assert_eq!(logs::take().len(), 1);
}

/// A client that has a connection need not pay for another one to try again.
#[test]
fn the_connection_goes_on_and_has_its_answer_when_there_is_room() {
    let (world, served) = world(1);
    let busy = world.connect();
    busy.write(GET.crlf().as_bytes()).unwrap();
    world.settle();
    let mut peer = world.connect();
    let text = world.run(async {
        peer.write(GET.crlf().as_bytes()).unwrap();
        let refused = peer.read_until(b"Unavailable\n", 1000).await.unwrap();
        assert!(refused.starts_with(b"HTTP/1.1 503"));
        sleep(11 * SECOND).await;
        peer.write(GET.crlf().as_bytes()).unwrap();
        peer.read_until(b"\r\n\r\n/a", 1000).await.unwrap()
    });
    assert!(text.starts_with(b"HTTP/1.1 200"));
    assert_eq!(served.get(), 2);
    assert_eq!(logs::take().len(), 1);
}

/// Content that nobody reads is not worth the wait; but the answer arrives.
#[test]
fn a_big_upload_is_refused_without_reading_it() {
    let (world, _) = world(1);
    let busy = world.connect();
    busy.write(GET.crlf().as_bytes()).unwrap();
    world.settle();
    for field in ["content-length: 100000000", "transfer-encoding: chunked"] {
        let heard = world.talk(format!("POST / HTTP/1.1\nhost: a\n{field}\n\n").crlf());
        assert_eq!(statuses(&heard.text), ["503"]);
        assert!(heard.text.contains("connection: close\n"));
    }
    // RFC 9110, section 10.1.1: who waits for `100 Continue` hears the answer instead.
    let expecting = "POST / HTTP/1.1\nhost: a\ncontent-length: 5\nexpect: 100-continue\n\n";
    assert_eq!(statuses(&world.talk(expecting.crlf()).text), ["503"]);
    assert_eq!(logs::take().len(), 1, "one a second");
}

#[test]
fn requests_that_are_pipelined_are_one_after_the_other() {
    let (world, served) = world(1);
    let mut peer = world.connect();
    peer.write(GET.repeat(3).crlf().as_bytes()).unwrap();
    peer.write(b"GET /a HTTP/1.0\r\n\r\n").unwrap();
    let heard = world.run(world.listen(&mut peer));
    assert_eq!(statuses(&heard.text), ["200"; 4]);
    assert_eq!((served.get(), world.server.shed_count()), (4, 0));
}

/// Whatever ends a request makes room for the next.
#[test]
fn a_place_is_given_back_however_a_request_ends() {
    let (world, _) = world(1);
    for _ in 0..3 {
        let heard = world.talk("GET /panic HTTP/1.0\n\n".crlf());
        assert_eq!(statuses(&heard.text), ["500"]);
    }
    let gone = world.connect();
    gone.write(GET.crlf().as_bytes()).unwrap();
    world.settle();
    drop(gone);
    world.run(sleep(11 * SECOND));
    let heard = world.talk("GET / HTTP/1.0\n\n".crlf());
    assert_eq!(statuses(&heard.text), ["200"]);
    assert_eq!(world.server.shed_count(), 0);
    assert_eq!(logs::take().len(), 3);
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a destructor that panics");
    }
}

/// One place, and each way for a request to leave it, twice: the next one finds it free.
#[test]
fn the_one_place_is_free_again_whatever_became_of_the_one_before() {
    let config = Config::default()
        .with_requests_max(1)
        .with_timeout_request(Some(SECOND))
        .with_continue_hook(|_| Err(StatusCode::UNAUTHORIZED));
    let world = World::with_config(config, |http: Exchange| {
        assert_ne!(http.head().path(), "/constructor");
        async move {
            match http.head().path() {
                "/destructor" => {
                    let _bomb = Bomb;
                    http.finish();
                }
                "/upgrade" => http.detach(|stream| stream.flush()).unwrap(),
                "/slow" => sleep(10 * SECOND).await,
                "/rest" => {
                    http.finish();
                    sleep(SECOND).await;
                }
                "/half" => {
                    http.write("half").unwrap();
                    http.flush().await.unwrap();
                    http.abort();
                }
                "/dropped" => {}
                _ => drop(http.content().await),
            }
        }
    });
    let get = |path: &str| format!("GET {path} HTTP/1.1\nhost: a\nconnection: close\n\n").crlf();
    let expecting = "POST / HTTP/1.1\nhost: a\ncontent-length: 5\nexpect: 100-continue\n\n";
    for _ in 0..2 {
        for (path, status) in [
            ("/constructor", "500"),
            ("/destructor", "200"),
            ("/upgrade", "101"),
            ("/slow", "503"),
            ("/rest", "200"),
            ("/half", "200"),
            ("/dropped", "500"),
        ] {
            assert_eq!(statuses(&world.talk(get(path)).text), [status], "{path}");
        }
        assert_eq!(statuses(&world.talk(expecting.crlf()).text), ["401"]);
        // Broken content, and content that ends in the middle.
        let broken = "POST / HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\nx\n";
        assert_eq!(statuses(&world.talk(broken.crlf()).text), ["500"]);
        let half = world.connect();
        let whole = broken.crlf();
        half.write(&whole.as_bytes()[..whole.len() - 3]).unwrap();
        world.settle();
        drop(half);
        world.settle();
    }
    logs::take();
    assert_eq!(world.server.shed_count(), 0);
    world.run(sleep(5 * SECOND));
    world.assert_well();
    logs::take();
}
