//! Trailer sections, both ways: RFC 9110, sections 6.5 and 6.6.2, RFC 9112, section 7.1.2.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use http::header::{CONTENT_LENGTH, TRAILER};
use http::{HeaderName, HeaderValue};
use squall_httpserver::{Error, Exchange};
use support::{Crlf, World, logs, statuses};

const ROWS: HeaderName = HeaderName::from_static("x-rows");
const SUM: HeaderName = HeaderName::from_static("x-sum");

fn number(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}

#[derive(Clone, Copy)]
enum Way {
    /// Two fields, then the content, all at once.
    Whole,
    /// One field before the head leaves, and one behind the content.
    Streamed,
    /// As `Streamed`, and the service announces both.
    Announced,
    /// As `Whole`, with a length declared.
    Declared,
    /// As `Whole`, without content.
    Empty,
}

async fn answer(http: Exchange, way: Way) -> Result<(), Error> {
    match way {
        Way::Announced => http.set_header(TRAILER, number("x-rows, x-sum"))?,
        Way::Declared => http.set_header(CONTENT_LENGTH, number("2"))?,
        Way::Whole | Way::Streamed | Way::Empty => {}
    }
    http.add_trailer(ROWS, number("3"))?;
    if matches!(way, Way::Streamed | Way::Announced) {
        http.flush().await?;
    }
    if !matches!(way, Way::Empty) {
        http.write("hi")?;
    }
    http.add_trailer(SUM, number("7"))?;
    http.finish();
    Ok(())
}

/// What follows the status-line of the answer.
#[track_caller]
fn check(request: &str, way: Way, expected: &str) {
    let world = World::new(move |http: Exchange| async move { answer(http, way).await.unwrap() });
    let heard = world.talk(format!("{request}\nhost: a\nconnection: close\n\n").crlf());
    let (_, rest) = heard.text.split_once('\n').unwrap();
    assert_eq!(rest.replace("connection: close\n", ""), expected);
    world.assert_well();
}

#[test]
fn rfc9112_7_1_2_trailers_follow_the_last_chunk() {
    let get = "GET / HTTP/1.1";
    let chunked = "transfer-encoding: chunked\n\n2\nhi\n0\nx-rows: 3\nx-sum: 7\n\n";
    check(
        get,
        Way::Whole,
        &format!("trailer: x-rows, x-sum\n{chunked}"),
    );
    check(get, Way::Streamed, &format!("trailer: x-rows\n{chunked}"));
    check(
        get,
        Way::Announced,
        &format!("trailer: x-rows, x-sum\n{chunked}"),
    );
    let empty = "transfer-encoding: chunked\n\n0\nx-rows: 3\nx-sum: 7\n\n";
    check(get, Way::Empty, &format!("trailer: x-rows, x-sum\n{empty}"));
}

#[test]
fn rfc9110_6_5_1_where_there_is_no_place_for_them_they_are_dropped() {
    let length = "content-length: 2\n\nhi";
    check("GET / HTTP/1.1", Way::Declared, length);
    check("GET / HTTP/1.0", Way::Whole, length);
    check("GET / HTTP/1.0", Way::Streamed, "\nhi");
    check("HEAD / HTTP/1.1", Way::Whole, "content-length: 2\n\n");
    check("HEAD / HTTP/1.1", Way::Streamed, "\n");
}

#[test]
fn rfc9110_6_5_1_what_frames_or_describes_the_content_is_no_trailer() {
    let world = World::new(|http: Exchange| async move {
        for name in [
            "content-length",
            "transfer-encoding",
            "content-type",
            "set-cookie",
            "trailer",
        ] {
            let added = http.add_trailer(HeaderName::from_static(name), number("1"));
            assert!(matches!(added, Err(Error::TrailerForbidden)), "{name}");
        }
        http.finish();
        assert!(matches!(
            http.add_trailer(ROWS, number("3")),
            Err(Error::Finished)
        ));
    });
    let heard = world.talk("GET / HTTP/1.1\nhost: a\n\n".crlf());
    assert_eq!(heard.text, "HTTP/1.1 200 OK\ncontent-length: 0\n\n");
}

#[test]
fn rfc9110_10_1_4_a_client_says_whether_trailers_are_kept_for_it() {
    let world = World::new(|http: Exchange| async move {
        let _ = http.write(http.takes_trailers().to_string());
        http.finish();
    });
    for (fields, expected) in [
        ("te: trailers\n", "true"),
        ("te: gzip;q=0.5, Trailers\n", "true"),
        ("te: gzip\nte: trailers\n", "true"),
        ("te: trailersx\n", "false"),
        ("te: \n", "false"),
        ("", "false"),
    ] {
        let heard = world.talk(format!("GET / HTTP/1.1\nhost: a\n{fields}\n").crlf());
        assert!(heard.text.ends_with(expected), "{fields:?}: {heard:?}");
    }
}

/// A service that answers with the trailers it has read, in pieces or whole.
async fn tell_trailers(http: Exchange) {
    if http.head().path() == "/pieces" {
        while let Ok(Some(_)) = http.chunk().await {}
    } else if let Err(error) = http.content().await {
        let _ = http.set_status(error.status());
    }
    let trailers = http.trailers();
    let _ = http.write(match &trailers {
        None => "none".to_owned(),
        Some(trailers) => format!("{:?}", trailers["x-sum"]),
    });
    http.finish();
}

#[test]
fn rfc9110_6_5_the_trailers_of_a_request_are_there_when_its_content_is_read() {
    let chunks = "transfer-encoding: chunked\n\n2\nhi\n0\n";
    for path in ["/", "/pieces"] {
        let post = format!("POST {path} HTTP/1.1\nhost: a\nconnection: close\n");
        for (rest, expected) in [
            (format!("{chunks}X-Sum: 7\n\n"), "\"7\""),
            (format!("{chunks}\n"), "none"),
            ("content-length: 2\n\nhi".to_owned(), "none"),
            ("\n".to_owned(), "none"),
        ] {
            let input = format!("{post}{rest}").crlf();
            // In one go, and cut at every byte.
            let world = World::new(tell_trailers);
            let whole = world.talk(&input).text;
            assert!(whole.ends_with(expected), "{whole}");
            for cut in 0..input.len() {
                let mut peer = world.connect();
                peer.write(&input.as_bytes()[..cut]).unwrap();
                world.settle();
                peer.write(&input.as_bytes()[cut..]).unwrap();
                assert_eq!(
                    world.run(world.listen(&mut peer)).text,
                    whole,
                    "cut at {cut}"
                );
            }
        }
    }
}

#[test]
fn the_trailers_of_one_request_are_not_those_of_the_next() {
    let world = World::new(tell_trailers);
    let first = "POST / HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n0\nx-sum: 7\n\n";
    let heard = world.talk((first.to_owned() + "GET / HTTP/1.1\nhost: a\n\n").crlf());
    assert!(heard.text.contains("\"7\""), "{heard:?}");
    assert!(heard.text.ends_with("none"), "{heard:?}");
}

#[test]
fn rfc9110_6_5_1_a_forbidden_trailer_of_a_request_is_400_and_the_end() {
    let world = World::new(tell_trailers);
    let post = "POST / HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n0\nhost: b\n\n";
    let heard = world.talk((post.to_owned() + "GET / HTTP/1.1\nhost: a\n\n").crlf());
    assert_eq!(statuses(&heard.text), ["400"]);
    logs::take();
    world.assert_well();
}
