//! What Tornado has learned the hard way, as far as it is a codec's: every advisory and every fix
//! of its history that concerns how a message is read or written, by its number. Work is counted in
//! `src/decode.rs` and `src/content.rs`, where the counters are.

mod reader;

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reader::{Said, fault, head, hear};
use squall_http1::{
    Error, HeadDecoder, LimitFault, LocalFault, PeerFault, RequestHead, encode_field,
    encode_last_chunk, encode_request_head, encode_status_line_with_reason,
};

/// A request with these field lines and this content is refused for this.
fn check(lines: impl AsRef<[u8]>, content: &str, expected: impl Into<Error>) {
    let lines = lines.as_ref();
    let begin = b"POST / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n";
    let wire = [begin, lines, b"\r\n\r\n", content.as_bytes()].concat();
    let shown = String::from_utf8_lossy(lines);
    assert_eq!(fault(wire), Some(expected.into()), "{shown:?} {content:?}");
}

/// 2.2.1: CRLF in a field made two of it. A value that has one cannot exist.
#[test]
fn tornado_2_2_1_no_line_end_in_a_field_that_is_sent() {
    for octet in (0..0x20).chain([0x7f]).filter(|octet| *octet != b'\t') {
        let value = [b"a", &[octet][..], b"X-Injection: injected"].concat();
        assert!(HeaderValue::from_bytes(&value).is_err(), "{octet:#x}");
        assert!(HeaderName::from_bytes(&value).is_err(), "{octet:#x}");
    }
    let mut out = Vec::new();
    encode_field(&mut out, &SET_COOKIE, &HeaderValue::from_static("a\tb"));
    assert_eq!(out, b"set-cookie: a\tb\r\n");
}

/// 4.3: Transfer-Encoding and Content-Length in one message.
#[test]
fn tornado_4_3_transfer_encoding_with_content_length() {
    let both = PeerFault::TransferEncodingWithContentLength;
    check(
        "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "0\r\n\r\n",
        both,
    );
    check(
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "0\r\n\r\n",
        both,
    );
}

/// 6.3.3: numbers as a programming language reads them, in lengths and in sizes of chunks.
#[test]
fn ghsa_qppv_j76h_2rpx_lengths_and_chunk_sizes_are_digits() {
    for length in ["+1", "1_0", "foo", "-1", "0x1", "1 0", "\u{661}"] {
        let line = format!("Content-Length: {length}");
        check(line, "a", PeerFault::ContentLengthInvalid);
    }
    for size in ["1_a", "0x2", "+2", "-2", " 2"] {
        let content = format!("{size}\r\n{}\r\n0\r\n\r\n", "a".repeat(26));
        check(
            "Transfer-Encoding: chunked",
            &content,
            PeerFault::ChunkSizeInvalid,
        );
    }
}

/// 6.4.1: a list of codings that was taken for none, and whitespace that is none in HTTP.
#[test]
fn ghsa_753j_mpmx_qq6g_transfer_encodings_that_are_not_exactly_chunked() {
    let invalid = PeerFault::TransferEncodingInvalid;
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked";
    check(
        "Transfer-Encoding: gzip, chunked",
        "",
        PeerFault::TransferCodingUnsupported,
    );
    check(twice, "0\r\n\r\n", invalid);
    check(b"Transfer-Encoding: \xa0chunked", "0\r\n\r\n", invalid);
    check(b"Transfer-Encoding: chunked\x85", "0\r\n\r\n", invalid);
    check(
        b"Content-Length: 2\xa0",
        "ab",
        PeerFault::ContentLengthInvalid,
    );
}

/// 6.4.1: CRLF in what a client sends.
#[test]
fn ghsa_w235_7p84_xx57_no_line_end_in_a_request_that_is_sent() {
    for target in ["/a\r\nX: y", "/a b", "/\0", "/a\n", ""] {
        let mut out = Vec::new();
        let sent = encode_request_head(&mut out, &Method::GET, target, &HeaderMap::new());
        assert_eq!(
            sent,
            Err(Error::Local(LocalFault::TargetInvalid)),
            "{target:?}"
        );
        assert_eq!(out, b"", "{target:?}");
    }
    assert!(Method::from_bytes(b"GET / HTTP/1.1\r\nX:").is_err());
}

/// 6.5.3: a reason phrase that carried a field, or a script.
#[test]
fn cve_2025_67724_no_line_end_in_a_reason() {
    assert!(HeaderValue::from_bytes(b"OK\r\nX-Injection:injected").is_err());
    let mut out = Vec::new();
    let reason = HeaderValue::from_static("All right");
    encode_status_line_with_reason(&mut out, StatusCode::OK, &reason);
    assert_eq!(out, b"HTTP/1.1 200 All right\r\n");
}

/// 6.5.3: a field repeated cost the square of how often. That each line is read once is counted in
/// `decode.rs`; here, that no more lines than a hundred are looked at.
#[test]
fn cve_2025_67725_repeated_fields_are_bounded() {
    let line = "X: a\r\n";
    for times in [99, 10_000, 100_000] {
        check(line.repeat(times), "", LimitFault::Fields);
    }
    let wire = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", line.repeat(99));
    let head = head(wire);
    assert_eq!(head.field_all("x").count(), 99);
    assert_eq!(head.headers().get_all("x").iter().count(), 99);
}

/// 6.5.9: an HTTP/1.0 content without bounds. Without Content-Length a request has none.
#[test]
fn tornado_6_5_9_contents_of_http_1_0_have_a_length_or_are_empty() {
    let said = hear([&b"POST / HTTP/1.0\r\n\r\nabc"[..]]);
    assert_eq!(said[1], Said::Content(Vec::new(), Vec::new()));
    let too_long = "POST / HTTP/1.0\r\nContent-Length: 104857601\r\n\r\n";
    assert_eq!(fault(too_long), Some(LimitFault::ContentBytes.into()));
}

/// 6.6.0: folded fields, whose parts were joined one by one.
#[test]
fn tornado_6_6_0_folded_fields_are_refused_at_the_first() {
    check(
        format!("A: b{}", "\r\n c".repeat(10_000)),
        "",
        PeerFault::ObsFold,
    );
}

/// 6.6.0: tiny chunks, each with a price. What is around the data is bounded here; the server takes
/// turns.
#[test]
fn tornado_6_6_0_what_surrounds_chunks_is_bounded() {
    let mut content = String::new();
    for _ in 0..1_000 {
        content += &format!("1;{}\r\na\r\n", "e".repeat(30));
    }
    check(
        "Transfer-Encoding: chunked",
        &content,
        LimitFault::ChunkExtensionsBytes,
    );
}

/// 4.4.2: two readers of one Cookie. The codec hands its value on as it was sent.
#[test]
fn tornado_4_4_2_values_are_handed_on_as_they_were_sent() {
    let head = head("GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b]_xsrf=injected\r\n\r\n");
    assert_eq!(head.field("cookie"), Some(&b"a=b]_xsrf=injected"[..]));
    assert_eq!(head.headers()[COOKIE], "a=b]_xsrf=injected");
}

/// What is refused as a trailer is not sent as one.
#[test]
fn no_trailer_frames_routes_or_authenticates_that_is_sent() {
    let mut trailers = HeaderMap::new();
    for name in [
        "content-length",
        "transfer-encoding",
        "host",
        "cookie",
        "authorization",
    ] {
        trailers.insert(name, HeaderValue::from_static("1"));
    }
    trailers.insert("x-checksum", HeaderValue::from_static("2"));
    let mut out = Vec::new();
    encode_last_chunk(&mut out, Some(&trailers));
    assert_eq!(out, b"0\r\nx-checksum: 2\r\n\r\n");
}

/// A head that is refused is refused for good.
#[test]
fn a_refused_head_leaves_nothing_behind() {
    let mut request = RequestHead::new();
    let limits = squall_http1::Limits::default();
    let bad = b"PUT /secret HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n";
    assert!(
        HeadDecoder::new()
            .decode(bad, &mut request, &limits)
            .is_err()
    );
    assert_eq!((request.method(), request.target()), (&Method::GET, ""));
    assert_eq!(request.fields().count(), 0);
    assert_eq!(request.host(), None);
}
