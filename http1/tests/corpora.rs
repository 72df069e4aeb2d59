//! Collections of requests, good and hostile: each is understood in the same way however it is cut,
//! and as its collection says.
//!
//! Ours is `corpus/requests.txt`. Mutations of a request that announces its content twice are made
//! here. Public collections (`smuggler`, `http-garden`, `llhttp` and others) have licences of their
//! own, and are not in this repository: `SQUALL_CORPORA=file.json cargo test -p squall-http1 --test
//! corpora` reads them from a JSON array of `{"source", "id", "raw", "expect"}`, `raw` being
//! Latin-1, `expect` one of `accept`, `reject` and `te-mutation` (framed by Content-Length).

mod corpus;
mod reader;

use std::fs;

use reader::{Said, hear};
use squall_http1::{Error, Framing, PeerFault};

/// What is heard in a request, which is the same whole, octet by octet, and cut at every position.
fn hear_however_cut(wire: &[u8]) -> Vec<Said> {
    let whole = hear([wire]);
    let shown = String::from_utf8_lossy(wire);
    assert_eq!(hear(wire.chunks(1)), whole, "{shown:?}: octet by octet");
    for at in 1..wire.len() {
        let (one, two) = wire.split_at(at);
        assert_eq!(hear([one, two]), whole, "{shown:?}: cut at {at}");
    }
    whole
}

fn fault_of(said: &[Said]) -> Option<Error> {
    match said.last() {
        Some(Said::Refused(error)) => Some(*error),
        _ => None,
    }
}

#[test]
fn requests_of_our_own_corpus_are_understood_as_it_says() {
    let requests = corpus::requests();
    assert!(requests.len() > 150, "only {} requests", requests.len());
    for corpus::Request {
        expected,
        text,
        wire,
    } in requests
    {
        let said = hear_however_cut(&wire);
        let found = match fault_of(&said) {
            Some(Error::Peer(fault)) => format!("{fault:?}"),
            Some(Error::Limit(fault)) => format!("{fault:?}"),
            Some(Error::Local(fault)) => panic!("{text}: {fault:?} is none of the peer's"),
            None => "accept".to_owned(),
        };
        assert_eq!(found, expected, "{text}");
        assert_ne!(said.last(), Some(&Said::Waiting), "{text} is whole");
    }
}

/// Where an octet is put into `Transfer-Encoding: chunked`, beside a Content-Length.
const PLACES: [(&str, &str); 6] = [
    ("", "Transfer-Encoding: chunked"),
    ("Transfer-", "Encoding: chunked"),
    ("Transfer-Encoding", ": chunked"),
    ("Transfer-Encoding:", " chunked"),
    ("Transfer-Encoding: chun", "ked"),
    ("Transfer-Encoding: chunked", ""),
];

/// A request that announces its content twice is refused, or it has one Transfer-Encoding less than
/// it seems to: then it is as long as Content-Length says, and what stands in its content is not
/// another request.
fn check_doubly_framed(line: &[u8]) {
    let content = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let wire = [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n",
        line,
        b"\r\n\r\n",
        content,
    ]
    .concat();
    let shown = String::from_utf8_lossy(line);
    let said = hear([&wire[..]]);
    assert_eq!(hear(wire.chunks(1)), said, "{shown:?}");
    match &said[..] {
        [Said::Refused(_)] => {}
        [Said::Head(_, fields, framing), Said::Content(found, _)] => {
            let is_te = |name: &str| name.eq_ignore_ascii_case("transfer-encoding");
            assert!(!fields.iter().any(|(name, _)| is_te(name)), "{shown:?}");
            assert_eq!(*framing, Framing::Length(40), "{shown:?}");
            assert_eq!(found, content, "{shown:?}");
        }
        other => panic!("{shown:?}: {other:?}"),
    }
}

#[test]
fn rfc9112_6_1_no_octet_hides_a_transfer_encoding_from_one_reader() {
    for (before, after) in PLACES {
        check_doubly_framed([before, after].concat().as_bytes());
        for octet in 0..=255 {
            check_doubly_framed(&[before.as_bytes(), &[octet], after.as_bytes()].concat());
            // CRLF is none of these: it ends the head, for every reader.
            for second in [0, b'\t', b'\n', 0x0b, b'\r', b' ', b',', b':', 0x7f, 0xa0] {
                if [octet, second] != *b"\r\n" {
                    let line = [before.as_bytes(), &[octet, second], after.as_bytes()].concat();
                    check_doubly_framed(&line);
                }
            }
        }
    }
}

/// What is asked of a request of a public collection.
struct Vector {
    name: String,
    wire: Vec<u8>,
    expected: String,
}

fn public_vectors(path: &str) -> Vec<Vector> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let entries: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().expect(key).to_owned();
    let vector = |entry| Vector {
        name: format!("{}/{}", text(entry, "source"), text(entry, "id")),
        wire: text(entry, "raw")
            .chars()
            .map(|octet| octet as u8)
            .collect(),
        expected: text(entry, "expect"),
    };
    entries
        .as_array()
        .expect("an array")
        .iter()
        .map(vector)
        .collect()
}

/// The same with a Host, for collections of parsers that do not ask for one.
fn with_host(wire: &[u8]) -> Vec<u8> {
    let at = wire
        .windows(2)
        .position(|two| two == b"\r\n")
        .expect("a line")
        + 2;
    [&wire[..at], b"Host: a\r\n", &wire[at..]].concat()
}

#[test]
fn public_collections_are_understood_as_they_say() {
    let Ok(path) = std::env::var("SQUALL_CORPORA") else {
        return;
    };
    let (mut counts, mut wrong) = ([0; 3], Vec::new());
    for Vector {
        name,
        wire,
        expected,
    } in public_vectors(&path)
    {
        let mut said = hear_however_cut(&wire);
        let mut fault = fault_of(&said);
        if expected == "accept" && fault == Some(PeerFault::HostMissing.into()) {
            // RFC 9112 §3.2: 400 to any request of HTTP/1.1 without Host; the rest of it is good.
            said = hear_however_cut(&with_host(&wire));
            fault = fault_of(&said);
        }
        let is_by_length = matches!(said[0], Said::Head(_, _, Framing::Length(_)));
        let (index, is_right) = match expected.as_str() {
            "reject" => (0, fault.is_some()),
            // An IPv6 address without its brackets (RFC 3986 §3.2.2).
            "accept" if name == "httpd-strict/strict-69" => {
                (1, fault == Some(PeerFault::HostInvalid.into()))
            }
            "accept" => (1, fault.is_none()),
            "te-mutation" => (2, fault.is_none() && is_by_length),
            other => panic!("{name}: {other} is no expectation"),
        };
        counts[index] += 1;
        if !is_right {
            wrong.push(format!("{name} ({expected}): {said:?}"));
        }
    }
    println!("rejected, accepted, framed by length: {counts:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
