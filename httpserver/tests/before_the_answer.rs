//! What is said before the answer: informational answers, RFC 9110, section 15.2, and whether a
//! request's content is wanted, section 10.1.1.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, LINK};
use http::{HeaderValue, StatusCode};
use squall_httpserver::{Config, Error, Exchange};
use squall_ioloop::sleep;
use support::{Crlf, IDLE, World, echo, logs, normal, statuses};

const STYLE: HeaderValue = HeaderValue::from_static("</style.css>; rel=preload");

#[test]
fn rfc8297_2_early_hints_leave_at_once() {
    let world = World::new(|http: Exchange| async move {
        http.send_early_hints([STYLE, HeaderValue::from_static("</a.js>")])
            .unwrap();
        sleep(Duration::from_secs(1)).await;
        http.set_header(LINK, STYLE).unwrap();
        http.finish();
    });
    let mut peer = world.connect();
    let request = "GET / HTTP/1.1\nhost: a\nconnection: close\n\n".crlf();
    peer.write(request.as_bytes()).unwrap();
    world.settle();
    let hints = world.run(peer.read_until(b"\r\n\r\n", 1000)).unwrap();
    assert_eq!(
        normal(&hints),
        "HTTP/1.1 103 Early Hints\nlink: </style.css>; rel=preload\nlink: </a.js>\n\n"
    );
    let heard = world.run(world.listen(&mut peer));
    assert_eq!(
        heard.text,
        "HTTP/1.1 200 OK\nlink: </style.css>; rel=preload\ncontent-length: 0\nconnection: close\n\n"
    );
    assert_eq!(heard.after, Duration::from_secs(1));
}

#[test]
fn rfc9110_15_2_an_informational_answer_has_no_frame_and_does_not_go_to_1_0() {
    let world = World::new(|http: Exchange| async move {
        let fields = [
            (CONTENT_LENGTH, HeaderValue::from_static("5")),
            (CONNECTION, HeaderValue::from_static("close")),
            (LINK, STYLE),
        ];
        http.send_informational(StatusCode::PROCESSING, fields)
            .unwrap();
        http.finish();
    });
    let heard = world.talk("GET / HTTP/1.1\nhost: a\n\n".crlf());
    assert_eq!(
        heard.text,
        "HTTP/1.1 102 Processing\nlink: </style.css>; rel=preload\n\n\
         HTTP/1.1 200 OK\ncontent-length: 0\n\n"
    );
    let heard = world.talk("GET / HTTP/1.0\n\n".crlf());
    assert_eq!(statuses(&heard.text), ["200"]);
}

#[test]
fn only_what_is_informational_is_sent_before_the_answer_and_nothing_behind_its_head() {
    let world = World::new(|http: Exchange| async move {
        for status in [100_u16, 101, 200, 404] {
            let status = StatusCode::from_u16(status).unwrap();
            let refused = http.send_informational(status, []);
            assert!(matches!(refused, Err(Error::InformationalStatus)));
        }
        http.flush().await.unwrap();
        assert!(matches!(
            http.send_early_hints([STYLE]),
            Err(Error::HeadSent)
        ));
        http.finish();
        assert!(matches!(
            http.send_early_hints([STYLE]),
            Err(Error::Finished)
        ));
    });
    let heard = world.talk("GET / HTTP/1.1\nhost: a\n\n".crlf());
    assert_eq!(statuses(&heard.text), ["200"]);
}

// ---- Expect

fn guarded() -> Config {
    Config::default().with_continue_hook(|head| match head.path() {
        "/" => Ok(()),
        "/panic" => panic!("in the hook"),
        "/wrong" => Err(StatusCode::CONTINUE),
        _ => Err(StatusCode::FORBIDDEN),
    })
}

fn put(path: &str, expect: &str) -> String {
    format!("PUT {path} HTTP/1.1\nhost: a\n{expect}content-length: 2\n\n").crlf()
}

const EXPECT: &str = "expect: 100-continue\n";

#[test]
fn rfc9110_10_1_1_the_hook_refuses_content_before_it_is_sent() {
    for (path, status) in [("/no", "403"), ("/wrong", "417"), ("/panic", "500")] {
        let world = World::with_config(guarded(), |_: Exchange| async move {
            unreachable!("the service is not asked")
        });
        // What comes nevertheless is no request.
        let heard = world.talk(put(path, EXPECT) + &"GET / HTTP/1.1\nhost: a\n\n".crlf());
        assert_eq!(statuses(&heard.text), [status]);
        assert!(heard.text.contains("connection: close\n"), "{heard:?}");
        assert_eq!(logs::take().len(), usize::from(path == "/panic"));
        world.assert_well();
    }
}

#[test]
fn rfc9110_10_1_1_the_hook_is_asked_of_those_who_wait() {
    let world = World::with_config(guarded(), echo);
    let heard = world.talk(put("/no", "") + "hi");
    assert_eq!(statuses(&heard.text), ["200"]);
    assert_eq!(heard.after, IDLE);
    // One that is welcome is told so.
    let heard = world.talk(put("/", EXPECT));
    assert_eq!(statuses(&heard.text), ["100", "408"]);
    // Nor does one of 1.0 wait, nor one without content.
    let heard =
        world.talk("PUT /no HTTP/1.0\nexpect: 100-continue\ncontent-length: 2\n\nhi".crlf());
    assert_eq!(statuses(&heard.text), ["200"]);
    let heard = world.talk("GET /no HTTP/1.1\nhost: a\nexpect: 100-continue\n\n".crlf());
    assert_eq!(statuses(&heard.text), ["200"]);
    world.assert_well();
}
