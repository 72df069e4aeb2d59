//! Requests that arrive together: RFC 9112, section 9.3.2. They are answered in order, in as few
//! writes as they came in reads, and not at the cost of other connections.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use squall_httpserver::Exchange;
use squall_ioloop::sleep;
use support::{Crlf, IDLE, World, script, statuses, tell_target};

fn get(target: usize) -> String {
    format!("GET /{target} HTTP/1.1\nhost: a\n\n").crlf()
}

fn gets(count: usize) -> String {
    (0..count).map(get).collect()
}

fn answers(count: usize) -> String {
    let answer = |target: usize| {
        let content = format!("/{target}");
        let length = content.len();
        format!("HTTP/1.1 200 OK\ncontent-length: {length}\n\n{content}")
    };
    (0..count).map(answer).collect()
}

#[test]
fn rfc9112_9_3_2_answers_come_in_the_order_of_their_requests() {
    let world = World::new(tell_target);
    assert_eq!(world.talk(gets(200)).text, answers(200));
}

#[test]
fn an_answer_that_takes_its_time_holds_back_those_behind_it_and_not_those_before() {
    let world = World::new(|http: Exchange| async move {
        if http.head().path() == "/1" {
            sleep(Duration::from_secs(10)).await;
        }
        tell_target(http).await;
    });
    let mut peer = world.connect();
    peer.write(gets(3).as_bytes()).unwrap();
    let since = world.ioloop.now();
    world.run(async {
        peer.read_until(b"\r\n\r\n/0", 1000).await.unwrap();
        assert_eq!(world.ioloop.now(), since);
        peer.read_until(b"\r\n\r\n/2", 1000).await.unwrap();
    });
    assert_eq!(world.ioloop.now() - since, Duration::from_secs(10));
}

#[test]
fn answers_to_one_read_leave_in_one_write() {
    let world = World::new(tell_target);
    let (stream, seen) = script::stream(&world.ioloop, gets(50).as_bytes());
    world.server.serve_stream(stream);
    world.settle();
    assert_eq!(seen.reads.get(), 1, "a short read is the last");
    let writes = seen.writes.take();
    assert_eq!(writes.len(), 1);
    assert_eq!(support::normal(&writes[0]), answers(50));
}

#[test]
fn requests_with_content_are_batched_as_well() {
    let world = World::new(support::echo);
    let post = "POST / HTTP/1.1\nhost: a\ncontent-length: 2\n\nhi".crlf();
    let (stream, seen) = script::stream(&world.ioloop, post.repeat(50).as_bytes());
    world.server.serve_stream(stream);
    world.settle();
    assert_eq!(seen.writes.borrow().len(), 1);
}

#[test]
fn a_thousand_requests_do_not_starve_another_connection() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let log = order.clone();
    let world = World::new(move |http: Exchange| {
        log.borrow_mut().push(http.head().target().to_owned());
        tell_target(http)
    });
    let (greedy, _) = script::stream(&world.ioloop, gets(1000).as_bytes());
    let (modest, _) = script::stream(&world.ioloop, b"GET /me HTTP/1.1\r\nhost: a\r\n\r\n");
    world.server.serve_stream(greedy);
    world.server.serve_stream(modest);
    world.settle();
    let order = order.borrow();
    assert_eq!(order.len(), 1001);
    let place = order.iter().position(|target| target == "/me").unwrap();
    assert!(place < 200, "served as number {place}");
}

#[test]
fn what_follows_a_last_request_is_not_answered() {
    let world = World::new(tell_target);
    let input = "GET /0 HTTP/1.1\nhost: a\nconnection: close\n\n".crlf() + &get(1);
    let heard = world.talk(input);
    assert_eq!(statuses(&heard.text), ["200"]);
    world.assert_well();
}

#[test]
fn good_requests_before_a_bad_one_are_answered() {
    let world = World::new(tell_target);
    let heard = world.talk(get(0) + "BAD\r\n\r\n" + &get(1));
    assert_eq!(statuses(&heard.text), ["200", "400"]);
    world.assert_well();
}

/// Two megabytes of answers wait, so no further request is read; and the memory for them is the
/// server's, so it is bounded.
#[test]
fn a_peer_that_reads_nothing_is_not_served_on() {
    let served = Rc::new(std::cell::Cell::new(0));
    let count = served.clone();
    let world = World::new(move |http: Exchange| {
        count.set(count.get() + 1);
        async move {
            let _ = http.write(vec![b'x'; 32 * 1024]);
            http.finish();
        }
    });
    let mut peer = world.connect();
    peer.write(gets(1000).as_bytes()).unwrap();
    world.settle();
    assert!(served.get() < 20, "{} answers are in memory", served.get());
    // As soon as it reads, it is.
    let heard = world.run(world.listen(&mut peer));
    assert_eq!(statuses(&heard.text).len(), 1000);
    assert_eq!(heard.after, IDLE);
    world.assert_well();
}
