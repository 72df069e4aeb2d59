//! How answers are framed: RFC 9112, section 6; RFC 9110, sections 6.4.1, 8.6 and 15.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use http::header::{AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG};
use http::{HeaderValue, StatusCode};
use squall_httpserver::{Config, Error, Exchange, FieldBlock, Service};
use support::{AT_ONCE, Crlf, IDLE, World, logs, statuses};

/// What the service does.
#[derive(Clone, Copy)]
enum Way {
    /// Writes and finishes.
    Whole,
    /// Writes nothing and finishes.
    Empty,
    /// Flushes before and between two writes.
    Streamed,
    /// As streamed, with its length declared.
    Declared,
    /// Declares a length and writes nothing, as may be done for HEAD.
    Told,
}

async fn answer(http: Exchange, status: StatusCode, way: Way) -> Result<(), Error> {
    http.set_status(status)?;
    let declare = || http.set_header(CONTENT_LENGTH, HeaderValue::from_static("5"));
    match way {
        Way::Whole => http.write("hello")?,
        Way::Empty => {}
        Way::Told => declare()?,
        Way::Streamed | Way::Declared => {
            if matches!(way, Way::Declared) {
                declare()?;
            }
            http.flush().await?;
            http.write("hel")?;
            http.flush().await?;
            http.flush().await?;
            http.write("lo")?;
        }
    }
    http.finish();
    Ok(())
}

const CLOSE: &str = "connection: close\n";

/// `Method version status` and a way; what comes after the status-line, and whether the connection
/// stays.
#[track_caller]
fn check(request: &str, way: Way, expected: &str, stays: bool) {
    let [method, version, status] = request.split(' ').collect::<Vec<_>>()[..] else {
        panic!("three words")
    };
    let status: StatusCode = status.parse().unwrap();
    let world = World::new(move |http: Exchange| async move {
        answer(http, status, way).await.unwrap();
    });
    let keep_alive = "connection: keep-alive\n";
    let request = format!("{method} / HTTP/{version}\nhost: a\n{keep_alive}\n");
    let heard = world.talk(request.crlf());
    let (line, rest) = heard.text.split_once('\n').unwrap();
    assert_eq!(line, format!("HTTP/1.1 {status}"));
    let rest = rest.replace(keep_alive, "");
    assert_eq!(rest, expected);
    assert_eq!(heard.after, if stays { IDLE } else { AT_ONCE });
    world.assert_well();
}

#[test]
fn rfc9112_6_content_of_a_known_length_is_announced() {
    for version in ["1.1", "1.0"] {
        for status in ["200", "404", "500"] {
            let request = format!("GET {version} {status}");
            check(&request, Way::Whole, "content-length: 5\n\nhello", true);
            check(&request, Way::Empty, "content-length: 0\n\n", true);
            check(&request, Way::Declared, "content-length: 5\n\nhello", true);
        }
    }
}

#[test]
fn rfc9112_7_1_content_of_an_unknown_length_is_in_chunks() {
    let chunks = "transfer-encoding: chunked\n\n3\nhel\n2\nlo\n0\n\n";
    check("GET 1.1 200", Way::Streamed, chunks, true);
    check("POST 1.1 404", Way::Streamed, chunks, true);
}

#[test]
fn rfc9112_6_1_a_client_of_1_0_gets_no_chunks_but_the_end_of_the_connection() {
    check(
        "GET 1.0 200",
        Way::Streamed,
        &format!("{CLOSE}\nhello"),
        false,
    );
}

#[test]
fn rfc9110_9_3_2_head_is_told_what_get_would_be() {
    for version in ["1.1", "1.0"] {
        let request = format!("HEAD {version} 200");
        check(&request, Way::Whole, "content-length: 5\n\n", true);
        check(&request, Way::Declared, "content-length: 5\n\n", true);
        check(&request, Way::Told, "content-length: 5\n\n", true);
        check(&request, Way::Streamed, "\n", true);
        // Nobody has said how long GET's content is.
        check(&request, Way::Empty, "\n", true);
    }
}

#[test]
fn rfc9110_15_statuses_without_content() {
    for version in ["1.1", "1.0"] {
        for way in [
            Way::Whole,
            Way::Empty,
            Way::Streamed,
            Way::Declared,
            Way::Told,
        ] {
            check(&format!("GET {version} 204"), way, "\n", true);
            check(&format!("GET {version} 304"), way, "\n", true);
            check(
                &format!("GET {version} 205"),
                way,
                "content-length: 0\n\n",
                true,
            );
            check(&format!("HEAD {version} 304"), way, "\n", true);
        }
    }
}

/// Declares a length and writes `content`, whole or streamed; returns what the peer heard.
#[track_caller]
fn declare(length: &'static str, content: &'static str, is_streamed: bool) -> String {
    let world = World::new(move |http: Exchange| async move {
        http.set_header(CONTENT_LENGTH, HeaderValue::from_static(length))
            .unwrap();
        http.set_header(ETAG, HeaderValue::from_static("\"x\""))
            .unwrap();
        if is_streamed {
            let _ = http.flush().await;
        }
        http.write(content).unwrap();
        http.finish();
        assert!(http.is_finished());
    });
    let heard = world.talk("GET / HTTP/1.1\nhost: a\n\n".crlf().repeat(2));
    let errors = logs::take();
    assert!(!errors.is_empty());
    assert!(errors[0].contains("Content-Length"), "{errors:?}");
    world.settle();
    assert_eq!(world.server.connection_count(), 0);
    heard.text
}

/// RFC 9110, section 8.6: the length must be right, and a number.
#[test]
fn rfc9110_8_6_a_length_that_is_not_so_is_500_while_nothing_has_left() {
    let page = "500: Internal Server Error\n";
    let head = "HTTP/1.1 500 Internal Server Error\ncontent-type: text/plain; charset=UTF-8\n";
    let expected = format!("{head}content-length: {}\n\n{page}", page.len()).repeat(2);
    for length in [
        "4",
        "6",
        "foo",
        "+5",
        "5_0",
        "",
        "-5",
        "99999999999999999999",
    ] {
        assert_eq!(declare(length, "hello", false), expected, "{length}");
    }
    // Where the length is no number, nothing was sent before the end.
    assert_eq!(declare("foo", "hello", true), expected);
}

#[test]
fn rfc9112_8_a_streamed_answer_of_the_wrong_length_breaks_the_connection() {
    let head = "HTTP/1.1 200 OK\netag: \"x\"\ncontent-length: ";
    assert_eq!(declare("4", "hello", true), format!("{head}4\n\n"));
    assert_eq!(declare("6", "hello", true), format!("{head}6\n\nhello"));
}

#[test]
fn rfc9110_15_2_an_informational_status_is_no_answer() {
    let world = World::new(|http: Exchange| async move {
        for status in [100, 101, 103, 199] {
            let status = StatusCode::from_u16(status).unwrap();
            let refused = http.set_status(status);
            assert!(matches!(refused, Err(Error::InformationalStatus)));
        }
        http.finish();
    });
    assert!(
        world
            .talk("GET / HTTP/1.1\nhost: a\nconnection: close\n\n".crlf())
            .text
            .contains("200")
    );
}

#[test]
fn the_fields_of_the_server_are_its_own() {
    use http::header::{CONNECTION, DATE, SERVER, TRANSFER_ENCODING};
    let world = World::new(|http: Exchange| async move {
        for name in [DATE, SERVER, TRANSFER_ENCODING, CONNECTION] {
            http.set_header(name, HeaderValue::from_static("keep-alive"))
                .unwrap();
        }
        http.finish();
    });
    let mut peer = world.connect();
    peer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let head = world.run(peer.read_until(b"\r\n\r\n", 1000)).unwrap();
    let head = String::from_utf8(head).unwrap();
    assert_eq!(head.matches("date: ").count(), 1);
    assert!(head.contains(" GMT\r\n"));
    assert!(head.contains("server: Squall\r\n"));
    assert!(!head.contains("keep-alive"));
}

#[test]
fn fields_are_set_added_and_taken_out() {
    let world = World::new(|http: Exchange| async move {
        use http::header::{ETAG, SET_COOKIE, VARY};
        let value = HeaderValue::from_static;
        http.add_header(SET_COOKIE, value("a=1")).unwrap();
        http.add_header(SET_COOKIE, value("b=2")).unwrap();
        http.add_header(VARY, value("x")).unwrap();
        http.add_header(VARY, value("y")).unwrap();
        http.set_header(VARY, value("z")).unwrap();
        http.set_header(ETAG, value("\"gone\"")).unwrap();
        http.clear_header(&ETAG).unwrap();
        http.finish();
    });
    let heard = world.talk("GET / HTTP/1.1\nhost: a\n\n".crlf());
    assert_eq!(
        heard.text,
        "HTTP/1.1 200 OK\nset-cookie: a=1\nset-cookie: b=2\nvary: z\ncontent-length: 0\n\n"
    );
}

#[test]
fn after_the_head_has_left_it_cannot_be_changed() {
    let world = World::new(|http: Exchange| async move {
        http.flush().await.unwrap();
        assert!(http.is_head_sent());
        assert!(matches!(
            http.set_status(StatusCode::OK),
            Err(Error::HeadSent)
        ));
        assert!(matches!(http.reset_response(), Err(Error::HeadSent)));
        http.finish();
        http.finish();
        assert!(matches!(
            http.set_status(StatusCode::OK),
            Err(Error::Finished)
        ));
        assert!(matches!(http.write("x"), Err(Error::Finished)));
        assert!(matches!(http.flush().await, Err(Error::Finished)));
        assert!(matches!(http.detach(drop), Err(Error::Finished)));
    });
    let heard = world.talk("GET / HTTP/1.1\nhost: a\n\n".crlf());
    assert_eq!(
        heard.text,
        "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n0\n\n"
    );
}

#[test]
fn an_answer_that_is_given_up_is_seen_to_be_cut_and_those_before_it_are_whole() {
    let world = World::new(|http: Exchange| async move {
        if http.head().path() == "/cut" {
            http.write("half").unwrap();
            http.flush().await.unwrap();
            http.abort();
        }
        http.finish();
    });
    let get = |path| format!("GET {path} HTTP/1.1\nhost: a\n\n").crlf();
    let heard = world.talk(get("/") + &get("/cut") + &get("/"));
    assert_eq!(
        heard.text,
        "HTTP/1.1 200 OK\ncontent-length: 0\n\n\
         HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n4\nhalf\n"
    );
    world.assert_well();
}

#[test]
fn small_and_large_writes_keep_their_order() {
    let world = World::new(|http: Exchange| async move {
        for round in 0..4_u8 {
            http.write("<").unwrap();
            http.write(vec![b'a' + round; 5000]).unwrap();
            http.write(">").unwrap();
            if round == 1 {
                http.flush().await.unwrap();
            }
        }
        http.finish();
    });
    let heard = world.talk("GET / HTTP/1.0\n\n".crlf());
    let (_, content) = heard.text.split_once("\n\n").unwrap();
    let piece = |letter: &str| format!("<{}>", letter.repeat(5000));
    assert_eq!(content, ["a", "b", "c", "d"].map(piece).concat());
}

#[test]
fn a_block_of_fields_takes_the_place_of_those_of_its_names() {
    let mut block = FieldBlock::new();
    block.set(CONTENT_TYPE, HeaderValue::from_static("a/b"));
    block.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    block.set(DATE, HeaderValue::from_static("never"));
    let world = World::new(move |http: Exchange| {
        static DEFAULT: HeaderValue = HeaderValue::from_static("text/html");
        http.set_default_content_type(&DEFAULT).unwrap();
        if http.head().path() == "/after" {
            http.set_header(CACHE_CONTROL, HeaderValue::from_static("old"))
                .unwrap();
            http.set_header(AGE, HeaderValue::from_static("1")).unwrap();
        }
        http.set_headers(&block).unwrap();
        assert_eq!(http.response_header(&CACHE_CONTROL).unwrap(), "no-store");
        http.set_header(CONTENT_TYPE, HeaderValue::from_static("c/d"))
            .unwrap();
        http.finish();
        assert!(matches!(http.set_headers(&block), Err(Error::Finished)));
        std::future::ready(())
    });
    for (path, age) in [("/", ""), ("/after", "age: 1\n")] {
        let request = format!("GET {path} HTTP/1.1\nhost: a\nconnection: close\n\n");
        let expected = format!(
            "HTTP/1.1 200 OK\n{age}content-type: c/d\ncache-control: no-store\n\
             content-length: 0\nconnection: close\n\n"
        );
        assert_eq!(world.talk(request.crlf()).text, expected);
    }
}

// ---- what the stream does not take

/// Asks for one answer of 28 KiB and one after it, of a server whose streams take 16 KiB.
#[track_caller]
fn check_full(service: impl Service) {
    let config = Config::default().with_unsent_bytes_max(16 * 1024);
    let world = World::with_config(config, service);
    let request = "GET /big HTTP/1.1\nhost: a\n\nGET /well HTTP/1.1\nhost: a\n\n";
    let heard = world.talk(request.crlf());
    // Whatever a reader takes for the first one's content, it is not another answer.
    assert_eq!(statuses(&heard.text), ["200"], "{}", heard.text.len());
    assert!(heard.text.len() < 28 * 1024);
    assert!(!heard.text.contains("\n0\n\n"));
    logs::take();
    world.assert_well();
}

fn part(length: usize) -> Vec<u8> {
    vec![b'a'; length]
}

#[test]
fn rfc9112_8_an_answer_that_is_taken_in_part_ends_the_connection() {
    check_full(|http: Exchange| async move {
        http.write(part(8 * 1024)).unwrap();
        http.write(part(20 * 1024)).unwrap();
        http.finish();
    });
    check_full(|http: Exchange| async move {
        http.flush().await.unwrap();
        http.write(part(8 * 1024)).unwrap();
        http.write(part(20 * 1024)).unwrap();
        let full = http.flush().await;
        assert!(matches!(full, Err(Error::BufferFull { .. })));
        http.finish();
    });
    check_full(|http: Exchange| async move {
        http.set_header(CONTENT_LENGTH, HeaderValue::from(28 * 1024))
            .unwrap();
        http.write(part(8 * 1024)).unwrap();
        http.write(part(20 * 1024)).unwrap();
        let full = http.flush().await;
        assert!(matches!(full, Err(Error::BufferFull { .. })));
        // What is left is not known, so that it cannot be sent again.
        let _ = http.write(part(28 * 1024));
        http.finish();
    });
}
