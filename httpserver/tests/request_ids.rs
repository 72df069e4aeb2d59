//! Request ids: who chooses them, who is told, and what is not believed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use squall_httpserver::{Config, Exchange, RequestIds};
use support::{Crlf, World};

fn world(ids: RequestIds) -> World {
    let config = Config::default().with_request_ids(ids);
    World::with_config(config, |http: Exchange| async move {
        let id = http.request_id();
        assert_eq!(http.clone().request_id(), id, "it does not change");
        let _ = http.write(&*id);
        http.finish();
    })
}

/// The ids of requests with these fields, one after the other, on one connection.
#[track_caller]
fn check(ids: RequestIds, requests: &[&str], expected: &[&str]) {
    let world = world(ids);
    let mut input = String::new();
    for fields in requests {
        input += &format!("GET / HTTP/1.1\nhost: a\n{fields}\n");
    }
    let heard = world.talk((input + "GET /well HTTP/1.1\nhost: a\nconnection: close\n\n").crlf());
    let answers = heard.text.split("HTTP/1.1 200 OK\n").skip(1);
    let ids: Vec<_> = answers
        .map(|answer| answer.split_once("\n\n").unwrap().1)
        .filter(|id| !id.is_empty())
        .collect();
    assert_eq!(ids, expected);
}

#[test]
fn the_servers_own_are_numbered() {
    let ids = RequestIds::default().prefix("web-1");
    check(ids, &["", "", ""], &["web-1-1", "web-1-2", "web-1-3"]);
}

#[test]
fn without_a_prefix_it_is_chance() {
    let world = world(RequestIds::default());
    let heard = world.talk("GET / HTTP/1.1\nhost: a\nconnection: close\n\n".crlf());
    let id = heard.text.split_once("\n\n").unwrap().1;
    let (prefix, number) = id.split_once('-').unwrap();
    assert_eq!((prefix.len(), number), (12, "1"), "{id}");
    assert!(prefix.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
}

#[test]
fn what_a_peer_brings_is_not_believed_unless_asked_for() {
    let ids = RequestIds::default().prefix("own");
    check(ids, &["x-request-id: theirs\n"], &["own-1"]);
}

#[test]
fn a_trusted_field_is_taken_if_it_is_well_formed_and_there_once() {
    let trusting = || RequestIds::default().prefix("own").trust("x-request-id");
    let check = |fields: &str, expected: &str| check(trusting(), &[fields], &[expected]);
    check("X-Request-Id: 550e8400-e29b-41d4\n", "550e8400-e29b-41d4");
    check("", "own-1");
    check("x-request-id:\n", "own-1");
    check("x-request-id: a b\n", "own-1");
    check("x-request-id: a\"b\n", "own-1");
    check("x-request-id: é\n", "own-1");
    check("x-request-id: one\nx-request-id: two\n", "own-1");
    let longest = "a".repeat(64);
    check(&format!("x-request-id: {longest}\n"), &longest);
    check(&format!("x-request-id: {longest}a\n"), "own-1");
}

#[test]
fn a_number_is_taken_when_somebody_asks_and_not_before() {
    let ids = RequestIds::default().prefix("own");
    let config = Config::default().with_request_ids(ids);
    let world = World::with_config(config, |http: Exchange| async move {
        if http.head().path() == "/ask" {
            let _ = http.write(&*http.request_id());
        }
        http.finish();
    });
    let quiet = "GET / HTTP/1.1\nhost: a\n\n".repeat(5);
    let heard = world.talk((quiet + "GET /ask HTTP/1.1\nhost: a\nconnection: close\n\n").crlf());
    assert!(heard.text.ends_with("\n\nown-1"), "{heard:?}");
}

#[test]
fn the_peer_is_told_if_the_server_is_to_whatever_the_answer_is() {
    let ids = RequestIds::default()
        .prefix("own")
        .trust("x-request-id")
        .echo("x-request-id");
    let config = Config::default().with_request_ids(ids);
    let world = World::with_config(config, |http: Exchange| async move {
        match http.head().path() {
            "/streamed" => {
                http.write("a").unwrap();
                http.flush().await.unwrap();
            }
            "/panic" => panic!("a bug"),
            "/forged" => {
                let name = http::HeaderName::from_static("x-request-id");
                let value = http::HeaderValue::from_static("another");
                http.set_header(name, value).unwrap();
            }
            _ => {}
        }
        http.finish();
    });
    let check = |request: &str, id: &str| {
        let heard = world.talk(format!("{request}\nhost: a\nconnection: close\n\n").crlf());
        let told: Vec<_> = heard
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("x-request-id: "))
            .collect();
        assert_eq!(told, [id], "{heard:?}");
    };
    check("GET / HTTP/1.1", "own-1");
    check("GET / HTTP/1.1\nx-request-id: theirs", "theirs");
    check("GET /streamed HTTP/1.1", "own-2");
    check("HEAD / HTTP/1.1", "own-3");
    check("GET /forged HTTP/1.1", "own-4");
    check("GET /panic HTTP/1.1", "own-5");
    assert_eq!(support::logs::take().len(), 1);
}
