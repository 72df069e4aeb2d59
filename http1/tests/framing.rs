//! RFC 9112 §6: where a content ends, and every way to be unsure of it. What Tornado learned from
//! advisories (`+1`, `1_0`, NBSP, lists, doubled fields) is among the cases.

mod reader;

use http::{Method, StatusCode};
use reader::{Said, fault, head, hear_responses, with_field};
use squall_http1::{Error, Framing, PeerFault, Version, answer_framing};

fn check(lines: impl AsRef<[u8]>, expected: Result<Framing, PeerFault>) {
    check_in("1.1", lines, expected);
}

/// A request of this version with these field lines is framed like this.
fn check_in(version: &str, lines: impl AsRef<[u8]>, expected: Result<Framing, PeerFault>) {
    let lines = lines.as_ref();
    let first = format!("POST / HTTP/{version}\r\nHost: a\r\n");
    let wire = [first.as_bytes(), lines, b"\r\n\r\n"].concat();
    let shown = String::from_utf8_lossy(&wire).into_owned();
    match expected {
        Ok(framing) => assert_eq!(head(&wire).framing(), framing, "{shown:?}"),
        Err(expected) => assert_eq!(fault(&wire), Some(Error::Peer(expected)), "{shown:?}"),
    }
}

#[test]
fn rfc9112_6_3_without_either_field_there_is_no_content() {
    check("A: b", Ok(Framing::None));
    check_in("1.0", "A: b", Ok(Framing::None));
}

#[test]
fn rfc9112_6_2_content_length() {
    check("Content-Length: 5", Ok(Framing::Length(5)));
    check("content-LENGTH:\t5 ", Ok(Framing::Length(5)));
    check("Content-Length: 0", Ok(Framing::Length(0)));
    check("Content-Length: 0005", Ok(Framing::Length(5)));
    check(
        "Content-Length: 18446744073709551615",
        Ok(Framing::Length(u64::MAX)),
    );
    check_in("1.0", "Content-Length: 5", Ok(Framing::Length(5)));
    check(
        format!("Content-Length: {}7", "0".repeat(5000)),
        Ok(Framing::Length(7)),
    );
}

#[test]
fn rfc9112_6_3_rejects_content_length_that_is_not_digits() {
    for value in [
        "",
        "+1",
        "-1",
        "1_0",
        "foo",
        "0x5",
        "5.0",
        "1e3",
        "1 2",
        "5;",
        "\"5\"",
        ",",
        "5,",
        ",5",
        "5,,5",
        "18446744073709551616",
        "99999999999999999999999",
        "٥",
        "5\u{a0}",
    ] {
        check(
            format!("Content-Length: {value}"),
            Err(PeerFault::ContentLengthInvalid),
        );
    }
    check(
        b"Content-Length: 2\xa0",
        Err(PeerFault::ContentLengthInvalid),
    );
    check(b"Content-Length: \x0b2", Err(PeerFault::FieldValueInvalid));
    check(
        format!("Content-Length: {}", "9".repeat(4999)),
        Err(PeerFault::ContentLengthInvalid),
    );
}

#[test]
fn rfc9112_6_3_rejects_conflicting_content_lengths() {
    let conflict = Err(PeerFault::ConflictingContentLength);
    check("Content-Length: 2\r\nContent-Length: 3", conflict);
    check("Content-Length: 2, 3", conflict);
    check("Content-Length: 2\r\ncontent-length: 0", conflict);
    check(
        "Content-Length: 2\r\nContent-Length: 2\r\nContent-Length: 3",
        conflict,
    );
}

#[test]
fn rfc9112_6_3_rejects_repeated_content_lengths_in_requests() {
    let repeated = Err(PeerFault::ContentLengthRepeated);
    check("Content-Length: 2\r\nContent-Length: 2", repeated);
    check("Content-Length: 2, 2", repeated);
    check("Content-Length: 2,2", repeated);
}

#[test]
fn rfc9112_6_1_chunked() {
    check("Transfer-Encoding: chunked", Ok(Framing::Chunked));
    check("transfer-encoding:\tCHUNKED \t", Ok(Framing::Chunked));
}

#[test]
fn rfc9112_6_1_rejects_transfer_encoding_that_is_not_exactly_chunked() {
    let invalid = Err(PeerFault::TransferEncodingInvalid);
    for value in [
        "",
        "identity",
        "xchunked",
        "chunkedx",
        "chunked;q=1",
        ",chunked",
        "chunked,",
        "chunked, chunked",
        "chunked, gzip",
        "chunked, identity",
        "\"chunked\"",
        "'chunked'",
        "chunk",
        "chun ked",
        "gzip",
        "gzip; x, chunked",
        "identity, chunked, identity, chunked",
        "\u{a0}chunked",
        "chunked\u{85}",
    ] {
        check(format!("Transfer-Encoding: {value}"), invalid);
    }
    check(b"Transfer-Encoding: \xa0chunked", invalid);
    check(b"Transfer-Encoding: chunked\xa0", invalid);
    check(
        b"Transfer-Encoding: \x0bchunked",
        Err(PeerFault::FieldValueInvalid),
    );
    check(
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        invalid,
    );
    check(
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        invalid,
    );
    check(
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        invalid,
    );
    check("Transfer-Encoding:\r\nTransfer-Encoding: chunked", invalid);
    check(
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        invalid,
    );
}

#[test]
fn rfc9112_6_1_other_codings_before_chunked_are_not_implemented() {
    let unsupported = PeerFault::TransferCodingUnsupported;
    check("Transfer-Encoding: gzip, chunked", Err(unsupported));
    check("Transfer-Encoding: x,gzip ,chunked", Err(unsupported));
    assert_eq!(
        Error::from(unsupported).status(),
        StatusCode::NOT_IMPLEMENTED
    );
}

#[test]
fn rfc9112_6_1_rejects_transfer_encoding_in_http_1_0() {
    let in_1_0 = Err(PeerFault::TransferEncodingInHttp10);
    check_in("1.0", "Transfer-Encoding: chunked", in_1_0);
    check_in(
        "1.0",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        in_1_0,
    );
    check_in("1.0", "Transfer-Encoding: identity", in_1_0);
    check_in("1.2", "Transfer-Encoding: chunked", Ok(Framing::Chunked));
}

#[test]
fn rfc9112_6_3_rejects_transfer_encoding_with_content_length() {
    let both = Err(PeerFault::TransferEncodingWithContentLength);
    check("Transfer-Encoding: chunked\r\nContent-Length: 5", both);
    check("Content-Length: 5\r\nTransfer-Encoding: chunked", both);
    check("Content-Length: 0\r\nTransfer-Encoding: chunked", both);
    check(
        "Content-Length: 5\r\nTransfer-Encoding: gzip, chunked",
        both,
    );
}

#[test]
fn rfc9112_6_3_names_that_look_like_transfer_encoding_are_not() {
    for line in [
        "Transfer_Encoding: chunked",
        "Transfer---Encoding: chunked",
        "X: X\tTransfer-Encoding: chunked",
        "Content-Encoding: chunked",
        "Transfer-Encodings: chunked",
    ] {
        check(
            format!("{line}\r\nContent-Length: 48"),
            Ok(Framing::Length(48)),
        );
    }
    for line in [
        &b"Transfer-Encoding : chunked"[..],
        b" Transfer-Encoding: chunked",
        b"Transfer-Encoding\xa0: chunked",
        b"\xffTransfer-Encoding: chunked",
        b"Transfer-Encoding:\nchunked",
        b"X: X\nTransfer-Encoding: chunked",
        b"X: X\rTransfer-Encoding: chunked",
        b"Transfer-Encoding\0: chunked",
        b"Transfer\tEncoding: chunked",
    ] {
        assert!(
            matches!(fault(with_field(line)), Some(Error::Peer(_))),
            "{line:?}"
        );
    }
}

/// A client that sent this method understands this of a response.
fn check_response(
    method: Method,
    status: u16,
    lines: &str,
    expected: Result<(Framing, &str), PeerFault>,
) {
    let wire = format!("HTTP/1.1 {status} x\r\n{lines}\r\nbody");
    let mut said = hear_responses([wire.as_bytes()], &method).into_iter();
    match (said.next(), expected) {
        (Some(Said::Refused(error)), Err(fault)) => assert_eq!(error, Error::Peer(fault), "{wire}"),
        (Some(Said::Head(_, _, framing)), Ok((expected, content))) => {
            assert_eq!(framing, expected, "{wire}");
            let content = Said::Content(content.as_bytes().to_vec(), Vec::new());
            assert_eq!(said.next(), Some(content), "{wire}");
        }
        other => panic!("{other:?}: {wire}"),
    }
}

#[test]
fn rfc9112_6_3_responses() {
    let none = Ok((Framing::None, ""));
    let until_close = Ok((Framing::UntilClose, "body"));
    check_response(
        Method::GET,
        200,
        "Content-Length: 4\r\n",
        Ok((Framing::Length(4), "body")),
    );
    check_response(Method::GET, 200, "", until_close);
    check_response(Method::GET, 404, "Connection: close\r\n", until_close);
    // Item 1.
    check_response(Method::HEAD, 200, "Content-Length: 4\r\n", none);
    check_response(Method::HEAD, 200, "Transfer-Encoding: chunked\r\n", none);
    check_response(Method::GET, 304, "Content-Length: 4\r\n", none);
    check_response(Method::GET, 204, "", none);
    check_response(Method::GET, 204, "Content-Length: 0\r\n", none);
    check_response(Method::GET, 100, "", none);
    check_response(Method::GET, 101, "Upgrade: websocket\r\n", none);
    // Item 2.
    check_response(Method::CONNECT, 200, "Content-Length: 4\r\n", none);
    check_response(
        Method::CONNECT,
        403,
        "Content-Length: 4\r\n",
        Ok((Framing::Length(4), "body")),
    );
    // Item 5: a server's repetition is harmless if it is one.
    let length = Ok((Framing::Length(4), "body"));
    check_response(
        Method::GET,
        200,
        "Content-Length: 4\r\nContent-Length: 4\r\n",
        length,
    );
    check_response(Method::GET, 200, "Content-Length: 4, 4\r\n", length);
}

#[test]
fn rfc9112_6_3_rejects_responses_without_a_certain_end() {
    let refused = |lines: &str, fault| check_response(Method::GET, 200, lines, Err(fault));
    refused(
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        PeerFault::ConflictingContentLength,
    );
    refused("Content-Length: x\r\n", PeerFault::ContentLengthInvalid);
    let both = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n";
    refused(both, PeerFault::TransferEncodingWithContentLength);
    refused(
        "Transfer-Encoding: gzip\r\n",
        PeerFault::TransferEncodingInvalid,
    );
    refused(
        "Transfer-Encoding: gzip, chunked\r\n",
        PeerFault::TransferCodingUnsupported,
    );
    for status in [100, 101, 204] {
        let forbidden = Err(PeerFault::ContentForbidden);
        check_response(Method::GET, status, "Content-Length: 4\r\n", forbidden);
        check_response(
            Method::GET,
            status,
            "Transfer-Encoding: chunked\r\n",
            forbidden,
        );
    }
}

/// A response is announced like this, and has content or not.
fn check_answer(
    method: &Method,
    version: Version,
    status: u16,
    known_length: Option<u64>,
    expected: (Framing, bool),
) {
    let status = StatusCode::from_u16(status).expect("three digits");
    let answer = answer_framing(method, version, status, known_length);
    let found = (answer.announced, answer.has_content);
    assert_eq!(
        found, expected,
        "{method} {version} {status} {known_length:?}"
    );
}

#[test]
fn rfc9112_6_3_our_responses_say_where_they_end() {
    use Version::{Http10, Http11};
    let (get, head) = (&Method::GET, &Method::HEAD);
    check_answer(get, Http11, 200, Some(5), (Framing::Length(5), true));
    check_answer(get, Http11, 200, Some(0), (Framing::Length(0), true));
    check_answer(get, Http11, 200, None, (Framing::Chunked, true));
    check_answer(get, Http10, 200, Some(5), (Framing::Length(5), true));
    check_answer(get, Http10, 200, None, (Framing::UntilClose, true));
    check_answer(head, Http11, 200, Some(5), (Framing::Length(5), false));
    check_answer(head, Http11, 200, None, (Framing::None, false));
    check_answer(head, Http10, 200, None, (Framing::None, false));
    for status in [100, 101, 103, 204, 304] {
        for version in [Http10, Http11] {
            check_answer(get, version, status, Some(5), (Framing::None, false));
            check_answer(get, version, status, None, (Framing::None, false));
        }
    }
    check_answer(get, Http11, 205, None, (Framing::Length(0), false));
    check_answer(
        &Method::CONNECT,
        Http11,
        200,
        Some(5),
        (Framing::None, false),
    );
    check_answer(
        &Method::CONNECT,
        Http11,
        403,
        Some(5),
        (Framing::Length(5), true),
    );
    check_answer(&Method::POST, Http11, 500, None, (Framing::Chunked, true));
}

#[test]
fn rfc9112_6_3_only_a_content_without_end_ends_the_connection() {
    let ends =
        |version| answer_framing(&Method::GET, version, StatusCode::OK, None).ends_connection();
    assert!(ends(Version::Http10));
    assert!(!ends(Version::Http11));
}
