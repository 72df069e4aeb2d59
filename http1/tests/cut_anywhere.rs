//! The same is understood however the input was cut: whole, octet by octet, at every position,
//! and at pairs of positions; and the work stays linear.

mod reader;

use http::Method;
use reader::{Said, hear, hear_responses};
use squall_http1::{
    ContentDecoder, ContentEvent, Error, Framing, HeadDecoder, Limits, PeerFault, RequestHead,
};

/// A listener hears `expected` in `wire` however it is cut.
fn check_heard(listener: impl Fn(Vec<&[u8]>) -> Vec<Said>, wire: &[u8], expected: &[Said]) {
    let shown = String::from_utf8_lossy(wire);
    assert_eq!(listener(vec![wire]), expected, "{shown}: whole");
    assert_eq!(
        listener(wire.chunks(1).collect()),
        expected,
        "{shown}: octet by octet"
    );
    for first in 0..=wire.len() {
        let (one, rest) = wire.split_at(first);
        assert_eq!(
            listener(vec![one, rest]),
            expected,
            "{shown}: cut at {first}"
        );
        for second in (0..rest.len()).step_by(1 + rest.len() / 16) {
            let (two, three) = rest.split_at(second);
            let heard = listener(vec![one, two, three]);
            assert_eq!(
                heard,
                expected,
                "{shown}: cut at {first} and {}",
                first + second
            );
        }
    }
}

/// A server hears this.
fn check(wire: impl AsRef<[u8]>, expected: &[Said]) {
    check_heard(|pieces| hear(pieces), wire.as_ref(), expected);
}

/// A client that sent GET hears this.
fn check_response(wire: impl AsRef<[u8]>, expected: &[Said]) {
    check_heard(
        |pieces| hear_responses(pieces, &Method::GET),
        wire.as_ref(),
        expected,
    );
}

fn head(line: &str, fields: &[(&str, &str)], framing: Framing) -> Said {
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.as_bytes().to_vec());
    Said::Head(line.to_owned(), fields.iter().map(owned).collect(), framing)
}

fn content(content: &str) -> Said {
    Said::Content(content.as_bytes().to_vec(), Vec::new())
}

fn refused(fault: PeerFault) -> Said {
    Said::Refused(fault.into())
}

#[test]
fn a_request_without_content() {
    let line = "GET /path?query HTTP/1.1";
    let fields = [("Host", "localhost"), ("Accept", "*/*"), ("Empty", "")];
    let expected = [head(line, &fields, Framing::None), content("")];
    check(
        format!("{line}\r\nHost: localhost\r\nAccept:  */* \r\nEmpty:\r\n\r\n"),
        &expected,
    );
    check(
        format!("\r\n{line}\r\nHost: localhost\r\nAccept:  */* \r\nEmpty:\r\n\r\n"),
        &expected,
    );
}

#[test]
fn a_request_of_http_1_0_without_fields() {
    let expected = [head("GET / HTTP/1.0", &[], Framing::None), content("")];
    check("GET / HTTP/1.0\r\n\r\n", &expected);
}

#[test]
fn requests_in_a_pipeline() {
    let host = ("Host", "a");
    check(
        "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
         PUT /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         3;x=y\r\nabc\r\n00a\r\n0123456789\r\n0\r\nDigest: d\r\nE:\r\n\r\n\
         \r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
        &[
            head(
                "PUT /1 HTTP/1.1",
                &[host, ("Content-Length", "5")],
                Framing::Length(5),
            ),
            content("hello"),
            head(
                "PUT /2 HTTP/1.1",
                &[host, ("Transfer-Encoding", "chunked")],
                Framing::Chunked,
            ),
            Said::Content(
                b"abc0123456789".to_vec(),
                vec![
                    ("digest".to_owned(), b"d".to_vec()),
                    ("e".to_owned(), Vec::new()),
                ],
            ),
            head("GET /3 HTTP/1.1", &[host], Framing::None),
            content(""),
        ],
    );
}

#[test]
fn a_request_that_is_refused() {
    check(
        "GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n",
        &[refused(PeerFault::BareLf)],
    );
    check(
        "GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n",
        &[refused(PeerFault::SpaceBeforeColon)],
    );
    check(
        "GET / HTTP/1.1\r\nHost: a\r\n B: c\r\n\r\n",
        &[refused(PeerFault::ObsFold)],
    );
    check(
        "GET / HTTP/1.1\r\nHost: a\r\nA\r\n\r\n",
        &[refused(PeerFault::FieldWithoutColon)],
    );
    check(
        "GET / HTTP/3.1\r\nHost: a\r\n\r\n",
        &[refused(PeerFault::VersionUnsupported)],
    );
    check(
        "GET / HTTP/1.1\r\nA: b\r\n\r\n",
        &[refused(PeerFault::HostMissing)],
    );
    check(
        "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        &[refused(PeerFault::EmptyLines)],
    );
    check("\n\nGET / HTTP/1.1\r\n\r\n", &[refused(PeerFault::BareLf)]);
}

#[test]
fn chunks_that_are_refused() {
    let begin = "PUT / HTTP/1.0\r\nHost: a\r\n";
    let in_1_0 = format!("{begin}Transfer-Encoding: chunked\r\n\r\n");
    check(in_1_0, &[refused(PeerFault::TransferEncodingInHttp10)]);
    let begin = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n";
    let fields = [("Transfer-Encoding", "chunked"), ("Host", "a")];
    let first = head("PUT / HTTP/1.1", &fields, Framing::Chunked);
    for (chunks, fault) in [
        ("x\r\n", PeerFault::ChunkSizeInvalid),
        ("3\r\nabcd\r\n", PeerFault::ChunkDataUnterminated),
        ("3;\nabc\r\n", PeerFault::BareLf),
        ("0\r\nA: b\nC: d\r\n\r\n", PeerFault::BareLf),
        ("0\r\nHost: b\r\n\r\n", PeerFault::TrailerForbidden),
        ("11111111111111111\r\n", PeerFault::ChunkSizeOverflow),
    ] {
        check(format!("{begin}{chunks}"), &[first.clone(), refused(fault)]);
    }
}

#[test]
fn a_message_that_stops() {
    check("GET / HTTP/1.1\r\nHost: a\r\n", &[Said::Waiting]);
    let fields = [("Host", "a"), ("Content-Length", "5")];
    let first = head("PUT / HTTP/1.1", &fields, Framing::Length(5));
    let wire = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell";
    check(wire, &[first, Said::Waiting]);
}

#[test]
fn responses() {
    check_response(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\
         HTTP/1.0 404\r\nServer: x\r\n\r\nuntil the end",
        &[
            head("HTTP/1.1 100 Continue", &[], Framing::None),
            content(""),
            head(
                "HTTP/1.1 200 OK",
                &[("Content-Length", "2")],
                Framing::Length(2),
            ),
            content("hi"),
            head("HTTP/1.0 404 ", &[("Server", "x")], Framing::UntilClose),
            content("until the end"),
        ],
    );
    check_response(
        "HTTP/1.1 2x0 OK\r\n\r\n",
        &[refused(PeerFault::StatusLineInvalid)],
    );
    check_response(
        "HTTP/1.1 200 OK\nA: b\r\n\r\n",
        &[refused(PeerFault::BareLf)],
    );
}

#[test]
fn a_decoder_is_as_new_after_an_error() {
    let (mut decoder, mut head) = (HeadDecoder::new(), RequestHead::new());
    let limits = Limits::default();
    let good = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for bad in [
        &b"\r\nGET / HTTP/1.1\r\nHost: a\nB: c"[..],
        b"GET / HTTP/1.1\r\nHost: a\r\n c\r\n",
    ] {
        let error = bad
            .iter()
            .enumerate()
            .find_map(|(len, _)| decoder.decode(&bad[..=len], &mut head, &limits).err());
        assert!(matches!(error, Some(Error::Peer(_))));
        assert_eq!(
            decoder.decode(good, &mut head, &limits),
            Ok(Some(good.len()))
        );
    }
}

/// A content of one-octet chunks costs one step for each chunk, however many there are, and no step
/// uses nothing but the last of an input.
#[test]
fn chunks_of_one_octet_cost_one_step_each() {
    const CHUNKS: usize = 10_000;
    let wire = b"1\r\nx\r\n".repeat(CHUNKS);
    for piece_len in [1, 2, 3, 7, 64, wire.len()] {
        let mut decoder = ContentDecoder::new(Framing::Chunked);
        let (mut steps, mut data_len) = (0, 0);
        for piece in wire.chunks(piece_len) {
            let mut at = 0;
            loop {
                let (used, event) = decoder.decode(&piece[at..], &Limits::default()).unwrap();
                at += used;
                steps += 1;
                match event {
                    ContentEvent::Data(data) => data_len += data.len(),
                    ContentEvent::Partial => break,
                    ContentEvent::End => panic!("no last chunk was sent"),
                }
            }
            assert_eq!(at, piece.len(), "everything is used");
        }
        assert_eq!(data_len, CHUNKS);
        assert_eq!(steps, CHUNKS + wire.len().div_ceil(piece_len));
    }
}
