//! Files as answers: framed as any content, sent without being read, never taken for whole when
//! they are not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::CONTENT_LENGTH;
use http::{HeaderValue, StatusCode};
use squall_httpserver::{Error, Exchange};
use squall_iostream::memory::Options;
use support::{AT_ONCE, Crlf, World, logs, normal};

static FILES: AtomicUsize = AtomicUsize::new(0);

/// A file without a name.
fn file_of(bytes: &[u8]) -> Arc<File> {
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let name = format!("squall-httpserver-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).unwrap();
    let file = File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    Arc::new(file)
}

#[derive(Clone, Copy)]
enum Before {
    Nothing,
    Written,
    Flushed,
    Declared,
}

async fn send(http: &Exchange, before: Before, range: Range<u64>) -> Result<(), Error> {
    let letters = file_of(b"abcdefghij");
    match before {
        Before::Nothing => {}
        Before::Written => http.write("<")?,
        Before::Flushed => {
            http.write("<")?;
            http.flush().await?;
        }
        Before::Declared => http.set_header(CONTENT_LENGTH, HeaderValue::from_static("8"))?,
    }
    http.send_file(letters.clone(), range.clone()).await?;
    if matches!(before, Before::Declared) {
        http.write("--")?;
        http.send_file(letters, range).await?;
    }
    Ok(())
}

/// What follows the status-line of the answer to `METHOD VERSION STATUS`.
#[track_caller]
fn check(request: &str, before: Before, range: Range<u64>, expected: &str) {
    let [method, version, status] = request.split(' ').collect::<Vec<_>>()[..] else {
        panic!("three words")
    };
    let status: StatusCode = status.parse().unwrap();
    let world = World::new(move |http: Exchange| {
        let range = range.clone();
        async move {
            http.set_status(status).unwrap();
            send(&http, before, range).await.unwrap();
            http.finish();
        }
    });
    let heard = world.talk(format!("{method} / {version}\nhost: a\nconnection: close\n\n").crlf());
    let (_, rest) = heard.text.split_once('\n').unwrap();
    assert_eq!(rest.replace("connection: close\n", ""), expected);
    assert_eq!(heard.after, AT_ONCE);
    world.assert_well();
}

#[test]
fn rfc9110_8_6_the_length_of_a_file_answer_is_that_of_what_was_written_and_of_the_range() {
    let get = "GET HTTP/1.1 200";
    check(get, Before::Nothing, 2..5, "content-length: 3\n\ncde");
    check(
        get,
        Before::Nothing,
        0..10,
        "content-length: 10\n\nabcdefghij",
    );
    check(get, Before::Written, 2..5, "content-length: 4\n\n<cde");
    check(get, Before::Declared, 2..5, "content-length: 8\n\ncde--cde");
    check(
        "GET HTTP/1.0 200",
        Before::Nothing,
        2..5,
        "content-length: 3\n\ncde",
    );
}

#[test]
fn rfc9112_7_1_behind_a_flush_the_file_is_one_chunk() {
    let chunks = "transfer-encoding: chunked\n\n1\n<\n3\ncde\n0\n\n";
    check("GET HTTP/1.1 200", Before::Flushed, 2..5, chunks);
    check("GET HTTP/1.0 200", Before::Flushed, 2..5, "\n<cde");
    let empty = "transfer-encoding: chunked\n\n1\n<\n0\n\n";
    check("GET HTTP/1.1 200", Before::Flushed, 5..5, empty);
}

#[test]
fn an_empty_range_is_an_empty_answer() {
    let get = "GET HTTP/1.1 200";
    check(get, Before::Nothing, 3..3, "content-length: 0\n\n");
    #[expect(
        clippy::reversed_empty_ranges,
        reason = "what a careless caller may pass"
    )]
    check(get, Before::Nothing, 5..3, "content-length: 0\n\n");
}

#[test]
fn rfc9110_9_3_2_head_tells_the_length_and_sends_no_file() {
    check(
        "HEAD HTTP/1.1 200",
        Before::Nothing,
        2..5,
        "content-length: 3\n\n",
    );
    check(
        "HEAD HTTP/1.1 200",
        Before::Declared,
        2..5,
        "content-length: 8\n\n",
    );
    check("GET HTTP/1.1 304", Before::Nothing, 2..5, "\n");
    check("GET HTTP/1.1 204", Before::Nothing, 2..5, "\n");
}

#[test]
fn a_range_beyond_the_declared_length_is_refused_before_it_is_sent() {
    let world = World::new(|http: Exchange| async move {
        http.set_header(CONTENT_LENGTH, HeaderValue::from_static("2"))
            .unwrap();
        let sent = http.send_file(file_of(b"abc"), 0..3).await;
        assert!(matches!(sent, Err(Error::WrongContentLength)), "{sent:?}");
        http.finish();
    });
    let heard = world.talk("GET / HTTP/1.1\nhost: a\n\n".crlf());
    assert_eq!(heard.text, "HTTP/1.1 200 OK\ncontent-length: 2\n\n");
    assert_eq!(logs::take().len(), 1);
    world.assert_well();
}

#[test]
fn a_file_that_is_shorter_than_its_range_resets_the_connection() {
    for length in [0, 4, 70_000] {
        let world = World::new(move |http: Exchange| async move {
            let file = file_of(&vec![b'x'; length]);
            // Fails only if all of it was to leave at once.
            let _ = http.send_file(file, 0..100_000).await;
            http.finish();
        });
        let mut peer = world.connect();
        peer.write("GET / HTTP/1.1\nhost: a\n\n".crlf().as_bytes())
            .unwrap();
        let end = world.run(peer.read_until_close(usize::MAX));
        assert!(end.is_err(), "{length}: {end:?}");
        world.settle();
        logs::take();
        world.assert_well();
    }
}

#[test]
fn a_long_file_is_sent_as_the_peer_reads_and_the_next_answer_follows() {
    const LENGTH: usize = 3_000_000;
    let world = World::new(move |http: Exchange| async move {
        let bytes: Vec<u8> = (0..LENGTH).map(|n| b'a' + (n % 23) as u8).collect();
        http.send_file(file_of(&bytes), 0..LENGTH as u64)
            .await
            .unwrap();
        http.finish();
    });
    let mut peer = world.connect_with(Options {
        write_bytes_max: 9_000,
        ..Options::default()
    });
    let requests = "GET / HTTP/1.1\nhost: a\n\nHEAD / HTTP/1.1\nhost: a\nconnection: close\n\n";
    peer.write(requests.crlf().as_bytes()).unwrap();
    let heard = world.run(peer.read_until_close(usize::MAX)).unwrap();
    let text = normal(&heard);
    let (first, last) = text.split_at("HTTP/1.1 200 OK\ncontent-length: 3000000\n\n".len());
    assert_eq!(first, "HTTP/1.1 200 OK\ncontent-length: 3000000\n\n");
    let (content, next) = last.split_at(LENGTH);
    let is_right = |(n, byte): (usize, u8)| byte == b'a' + (n % 23) as u8;
    assert!(content.bytes().enumerate().all(is_right));
    assert_eq!(
        next,
        "HTTP/1.1 200 OK\ncontent-length: 3000000\nconnection: close\n\n"
    );
}

#[test]
fn a_peer_that_takes_nothing_of_a_file_is_cut_off() {
    let world = World::new(|http: Exchange| async move {
        let sent = http.send_file(file_of(&[b'x'; 500_000]), 0..500_000).await;
        assert!(matches!(sent, Err(Error::TimedOut)), "{sent:?}");
    });
    let peer = world.connect();
    peer.write("GET / HTTP/1.1\nhost: a\n\n".crlf().as_bytes())
        .unwrap();
    let since = world.ioloop.now();
    world.run(peer.closed());
    assert_eq!(
        world.ioloop.now() - since,
        std::time::Duration::from_secs(60)
    );
    world.assert_well();
}
