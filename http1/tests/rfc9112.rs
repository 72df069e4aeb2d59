//! RFC 9112, clause by clause, except §6.3, which has a file of its own (`framing.rs`).

mod reader;

use http::Method;
use reader::{Said, fault, head, hear, hear_responses, hear_with, with_field, with_line};
use squall_http1::{
    ContentDecoder, ContentEvent, Error, Framing, HeadDecoder, LimitFault, Limits, PeerFault,
    RequestHead, ResponseHead, Version,
};

fn check(wire: impl AsRef<[u8]>, expected: Result<(), PeerFault>) {
    let wire = wire.as_ref();
    let expected = expected.map_err(Error::Peer);
    let found = fault(wire).map_or(Ok(()), Err);
    assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(wire));
}

const GOOD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn rfc9112_2_2_lines_end_in_crlf() {
    check(GOOD, Ok(()));
    for at in (0..GOOD.len()).filter(|at| GOOD[*at] == b'\r') {
        let mut bare_lf = GOOD.to_vec();
        bare_lf.remove(at);
        check(&bare_lf, Err(PeerFault::BareLf));
    }
    for at in (0..GOOD.len()).filter(|at| GOOD[*at] == b'\n') {
        let mut bare_cr = GOOD.to_vec();
        bare_cr[at] = b'x';
        check(&bare_cr, Err(PeerFault::BareCr));
    }
}

#[test]
fn rfc9112_2_2_bare_cr_is_refused_in_every_element() {
    check(with_field(b"A: b\rc"), Err(PeerFault::BareCr));
    check(with_field(b"A: \r c"), Err(PeerFault::BareCr));
    check(with_field(b"A\r: c"), Err(PeerFault::FieldWithoutColon));
    check(
        with_line("GET /\r HTTP/1.1"),
        Err(PeerFault::VersionInvalid),
    );
    check(with_line("GE\rT / HTTP/1.1"), Err(PeerFault::MethodInvalid));
}

#[test]
fn rfc9112_2_2_one_empty_line_before_a_request_is_ignored() {
    let one = [b"\r\n", GOOD].concat();
    assert_eq!(hear([&one[..]]), hear([GOOD]));
    assert_eq!(head(&one).as_bytes(), GOOD);
    check([b"\r\n\r\n", GOOD].concat(), Err(PeerFault::EmptyLines));
    check([b"\n", GOOD].concat(), Err(PeerFault::BareLf));
    check([b"\r", GOOD].concat(), Err(PeerFault::BareCr));
    // Between two requests as well as before the first.
    let between = [GOOD, b"\r\n", GOOD].concat();
    assert_eq!(hear([&between[..]]).len(), 4);
}

#[test]
fn rfc9112_2_2_no_empty_line_before_a_response() {
    let said = hear_responses([&b"\r\nHTTP/1.1 200 OK\r\n\r\n"[..]], &Method::GET);
    assert_eq!(said, [Said::Refused(PeerFault::VersionInvalid.into())]);
}

#[test]
fn rfc9112_2_2_no_whitespace_before_the_first_field() {
    check(
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        Err(PeerFault::ObsFold),
    );
    check(
        "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n",
        Err(PeerFault::ObsFold),
    );
}

#[test]
fn rfc9112_2_3_versions() {
    let version = |line: &str| head(with_line(line)).version();
    assert_eq!(version("GET / HTTP/1.0"), Version::Http10);
    assert_eq!(version("GET / HTTP/1.1"), Version::Http11);
    // RFC 9110 §2.5: as the highest minor version we conform to.
    assert_eq!(version("GET / HTTP/1.2"), Version::Http11);
    assert_eq!(version("GET / HTTP/1.9"), Version::Http11);
    for line in [
        "GET / HTTP/2.0",
        "GET / HTTP/0.9",
        "GET / HTTP/9.9",
        "PRI * HTTP/2.0",
    ] {
        check(with_line(line), Err(PeerFault::VersionUnsupported));
    }
    for version in [
        "http/1.1",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/1.10",
        "HTTP/11.1",
        "HTTP/1,1",
        "HTTP 1.1",
        "HTTP/ 1.1",
        "HTTPS/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1\t",
        "HTTP/x.1",
        "HTTP/+1.1",
        "/1.1",
        "",
    ] {
        check(
            with_line(format!("GET / {version}")),
            Err(PeerFault::VersionInvalid),
        );
    }
    check(with_line("GET /"), Err(PeerFault::VersionInvalid));
}

#[test]
fn rfc9112_3_single_spaces_in_the_request_line() {
    check(with_line("GET  / HTTP/1.1"), Err(PeerFault::TargetInvalid));
    check(with_line("GET /  HTTP/1.1"), Err(PeerFault::VersionInvalid));
    check(with_line(" GET / HTTP/1.1"), Err(PeerFault::MethodInvalid));
    check(with_line("GET\t/ HTTP/1.1"), Err(PeerFault::MethodInvalid));
    check(with_line("GET /\tHTTP/1.1"), Err(PeerFault::TargetInvalid));
    check(
        with_line("GET / x HTTP/1.1"),
        Err(PeerFault::VersionInvalid),
    );
}

#[test]
fn rfc9112_3_1_any_token_is_a_method() {
    for method in [
        "GET",
        "POST",
        "PATCH",
        "get",
        "PROPFIND",
        "M-SEARCH",
        "!#$%&'*+-.^_`|~9aZ",
    ] {
        let wire = with_line(format!("{method} / HTTP/1.1"));
        assert_eq!(head(wire).method().as_str(), method);
    }
    for method in [
        "G@T", "G:T", "G\"T", "GÉT", "GET,", "(GET)", "G\0T", "G\u{7f}T",
    ] {
        check(
            with_line(format!("{method} / HTTP/1.1")),
            Err(PeerFault::MethodInvalid),
        );
    }
    let long = "A".repeat(65);
    let limit = fault(with_line(format!("{long} / HTTP/1.1")));
    assert_eq!(limit, Some(LimitFault::MethodBytes.into()));
}

#[test]
fn rfc9112_3_2_host_is_required_in_1_1() {
    check("GET / HTTP/1.1\r\n\r\n", Err(PeerFault::HostMissing));
    check(
        "GET http://a/ HTTP/1.1\r\n\r\n",
        Err(PeerFault::HostMissing),
    );
    check("GET / HTTP/1.0\r\n\r\n", Ok(()));
    assert_eq!(head("GET / HTTP/1.0\r\n\r\n").host(), None);
}

#[test]
fn rfc9112_3_2_host_is_there_once_in_any_version() {
    for version in ["1.0", "1.1"] {
        let wire = format!("GET / HTTP/{version}\r\nHost: a\r\nhost: a\r\n\r\n");
        check(wire, Err(PeerFault::HostRepeated));
    }
    let wire = "GET / HTTP/1.1\r\nHost:\r\nHost: a\r\n\r\n";
    check(wire, Err(PeerFault::HostRepeated));
}

#[test]
fn rfc9112_3_2_host_is_uri_host_and_port() {
    for host in [
        "",
        "a",
        "example.com",
        "example.com:80",
        "example.com:",
        "1.2.3.4:8080",
        "[::1]",
        "[::1]:8080",
        "[1:2:3:4:5:6:7:8]",
        "[::ffff:1.2.3.4]",
        "[v1.a:b]",
        "foo_bar",
        "0.0.0.0=5000",
        "xn--bcher-kva",
        "b%C3%BCcher",
        "a:65535",
    ] {
        let wire = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(head(wire).host(), Some(host));
    }
    for host in [
        "a b",
        "a,b",
        "a/b",
        "a\\b",
        "u@b",
        "a?b",
        "a#b",
        "http://a",
        "a:b",
        "a:80:90",
        ":80",
        "a:65536",
        "a:-1",
        "a: 80",
        "::1",
        "[::1",
        "::1]",
        "[]",
        "[::1]x",
        "[::1%25eth0]",
        "[1.2.3.4]",
        "[v.a]",
        "[v1.]",
        "a%",
        "a%2",
        "a%zz",
        "é",
        "a\"b",
        "<a>",
        "a|b",
        "a^b",
        "{a}",
    ] {
        let wire = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        check(wire, Err(PeerFault::HostInvalid));
        let wire = format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n");
        check(wire, Err(PeerFault::HostInvalid));
    }
}

fn parts(line: &str) -> (String, Option<String>, Option<String>) {
    let head = head(with_line(line));
    let owned = |text: Option<&str>| text.map(str::to_owned);
    (
        head.path().to_owned(),
        owned(head.query()),
        owned(head.host()),
    )
}

fn parts_of(
    path: &str,
    query: Option<&str>,
    host: &str,
) -> (String, Option<String>, Option<String>) {
    (
        path.to_owned(),
        query.map(str::to_owned),
        Some(host.to_owned()),
    )
}

#[test]
fn rfc9112_3_2_1_origin_form() {
    assert_eq!(parts("GET / HTTP/1.1"), parts_of("/", None, "a"));
    assert_eq!(
        parts("GET /x/y?q=1 HTTP/1.1"),
        parts_of("/x/y", Some("q=1"), "a")
    );
    assert_eq!(parts("GET /x? HTTP/1.1"), parts_of("/x", Some(""), "a"));
    assert_eq!(
        parts("GET /x?a?b HTTP/1.1"),
        parts_of("/x", Some("a?b"), "a")
    );
    assert_eq!(parts("GET //x//y HTTP/1.1"), parts_of("//x//y", None, "a"));
    assert_eq!(
        parts("GET /%00%2F.. HTTP/1.1"),
        parts_of("/%00%2F..", None, "a")
    );
    assert_eq!(parts("GET /x#y HTTP/1.1"), parts_of("/x#y", None, "a"));
    assert_eq!(
        parts("GET /\"<>[]^`{|}\\ HTTP/1.1"),
        parts_of("/\"<>[]^`{|}\\", None, "a")
    );
}

#[test]
fn rfc9112_3_2_2_absolute_form_wins_over_host() {
    assert_eq!(
        parts("GET http://b/x?q HTTP/1.1"),
        parts_of("/x", Some("q"), "b")
    );
    assert_eq!(
        parts("GET https://b:8443/ HTTP/1.1"),
        parts_of("/", None, "b:8443")
    );
    assert_eq!(parts("GET HTTP://B HTTP/1.1"), parts_of("/", None, "B"));
    assert_eq!(
        parts("GET http://b?q HTTP/1.1"),
        parts_of("/", Some("q"), "b")
    );
    assert_eq!(
        parts("GET http://[::1]:80/x HTTP/1.1"),
        parts_of("/x", None, "[::1]:80")
    );
    // RFC 9110 §4.2.4: userinfo is no part of the host.
    assert_eq!(
        parts("GET http://u:p@b/x HTTP/1.1"),
        parts_of("/x", None, "b")
    );
    // §3.2.4: what a proxy was asked with `*`.
    assert_eq!(parts("OPTIONS http://b HTTP/1.1"), parts_of("*", None, "b"));
    assert_eq!(
        parts("OPTIONS http://b/ HTTP/1.1"),
        parts_of("/", None, "b")
    );
    for target in [
        "http://",
        "http:///x",
        "http:/x",
        "http:x",
        "ftp://b/",
        "ws://b/",
        "httpx://b/",
        "http://u@p@b/",
        "http://u@/",
        "http://b:x/",
        "http://b\\c/",
        "http://b,c/",
    ] {
        let wire = with_line(format!("GET {target} HTTP/1.1"));
        check(wire, Err(PeerFault::TargetInvalid));
    }
}

#[test]
fn rfc9112_3_2_3_authority_form_is_for_connect() {
    let connect = head(with_line("CONNECT b:443 HTTP/1.1"));
    assert_eq!((connect.target(), connect.path()), ("b:443", ""));
    assert_eq!(connect.host(), Some("b:443"));
    for target in [
        "b",
        "b:",
        "/",
        "*",
        "http://b:443/",
        "u@b:443",
        "b:x",
        ":443",
        "b:443/",
    ] {
        check(
            with_line(format!("CONNECT {target} HTTP/1.1")),
            Err(PeerFault::TargetInvalid),
        );
    }
    check(
        with_line("GET b:443 HTTP/1.1"),
        Err(PeerFault::TargetInvalid),
    );
}

#[test]
fn rfc9112_3_2_4_asterisk_form_is_for_options() {
    assert_eq!(parts("OPTIONS * HTTP/1.1"), parts_of("*", None, "a"));
    check(with_line("GET * HTTP/1.1"), Err(PeerFault::TargetInvalid));
    check(
        with_line("OPTIONS *x HTTP/1.1"),
        Err(PeerFault::TargetInvalid),
    );
}

#[test]
fn rfc9112_3_2_targets_are_visible_ascii() {
    for byte in (0..=0x20).chain(0x7f..=0xff_u8) {
        let wire = [b"GET /a", &[byte][..], b"b HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        assert!(matches!(fault(&wire), Some(Error::Peer(_))), "{byte:#x}");
    }
    for target in ["x", "?q", "#", "x/y", "\\x", "%2F"] {
        check(
            with_line(format!("GET {target} HTTP/1.1")),
            Err(PeerFault::TargetInvalid),
        );
    }
}

#[test]
fn rfc9112_4_status_lines() {
    let parse = |wire: &str| {
        let mut head = ResponseHead::new();
        let used =
            HeadDecoder::new().decode_response(wire.as_bytes(), &mut head, &Limits::default());
        used.map(|used| {
            assert_eq!(used, Some(wire.len()));
            (
                head.version(),
                head.status().as_u16(),
                head.reason().to_vec(),
            )
        })
    };
    let good = |version, status, reason: &str| Ok((version, status, reason.as_bytes().to_vec()));
    let v11 = Version::Http11;
    assert_eq!(parse("HTTP/1.1 200 OK\r\n\r\n"), good(v11, 200, "OK"));
    assert_eq!(
        parse("HTTP/1.0 404 Not  Found \r\n\r\n"),
        good(Version::Http10, 404, "Not  Found ")
    );
    assert_eq!(parse("HTTP/1.1 200 \r\n\r\n"), good(v11, 200, ""));
    assert_eq!(parse("HTTP/1.1 200\r\n\r\n"), good(v11, 200, ""));
    assert_eq!(
        parse("HTTP/1.1 999 Très\tbien\r\n\r\n"),
        good(v11, 999, "Très\tbien")
    );
    for line in [
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1 200\tOK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1 200OK",
    ] {
        let error = parse(&format!("{line}\r\n\r\n"));
        assert_eq!(error, Err(PeerFault::StatusLineInvalid.into()), "{line}");
    }
    assert_eq!(
        parse("HTTP/1.1 200 OK\n\r\n"),
        Err(PeerFault::BareLf.into())
    );
    assert_eq!(
        parse("HTTP/2.0 200 OK\r\n\r\n"),
        Err(PeerFault::VersionUnsupported.into())
    );
    assert_eq!(
        parse("ICY 200 OK\r\n\r\n"),
        Err(PeerFault::VersionInvalid.into())
    );
}

#[test]
fn rfc9112_5_1_no_whitespace_between_name_and_colon() {
    for line in ["A : b", "A\t: b", "A  : b", "Content-Length : 5", "A :"] {
        check(with_field(line), Err(PeerFault::SpaceBeforeColon));
    }
}

#[test]
fn rfc9112_5_2_obs_fold_is_refused() {
    check(with_field("A: b\r\n c"), Err(PeerFault::ObsFold));
    check(with_field("A: b\r\n\tc"), Err(PeerFault::ObsFold));
    check(with_field("A: b\r\n "), Err(PeerFault::ObsFold));
}

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A request with these chunks ends well, with this content, or has this fault.
fn check_chunks(chunks: impl AsRef<[u8]>, expected: Result<&str, Error>) {
    let chunks = chunks.as_ref();
    let wire = [CHUNKED.as_bytes(), chunks].concat();
    let found = match hear([&wire[..]]).pop() {
        Some(Said::Content(content, _)) => Ok(String::from_utf8_lossy(&content).into_owned()),
        Some(Said::Refused(error)) => Err(error),
        other => panic!("{other:?}"),
    };
    let shown = String::from_utf8_lossy(chunks);
    assert_eq!(found, expected.map(str::to_owned), "{shown:?}");
}

#[test]
fn rfc9112_7_1_chunks() {
    check_chunks("5\r\nhello\r\n0\r\n\r\n", Ok("hello"));
    check_chunks(
        "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
        Ok("01234567890123456789"),
    );
    check_chunks("0005\r\nhello\r\n000\r\n\r\n", Ok("hello"));
    check_chunks("0\r\n\r\n", Ok(""));
    check_chunks("2\r\n\r\n\r\n0\r\n\r\n", Ok("\r\n"));
}

#[test]
fn rfc9112_7_1_chunk_sizes_are_hexadecimal_digits() {
    for size in [
        "", " 5", "+5", "-5", "0x5", "5_0", "1 0", "g", "5,", "5\0", "é", "\"5\"",
    ] {
        let wire = format!("{CHUNKED}{size}\r\nhello\r\n0\r\n\r\n");
        assert!(matches!(fault(wire), Some(Error::Peer(_))), "{size}");
    }
    let invalid = |fault: PeerFault| Err(fault.into());
    check_chunks("\r\n", invalid(PeerFault::ChunkSizeInvalid));
    check_chunks("5 \r\nhello\r\n", invalid(PeerFault::ChunkExtensionInvalid));
    check_chunks("5\nhello\r\n", invalid(PeerFault::BareLf));
    check_chunks("5\rhello\r\n", invalid(PeerFault::BareCr));
}

#[test]
fn rfc9112_7_1_chunk_sizes_do_not_overflow() {
    let too_large = Err(LimitFault::ContentBytes.into());
    check_chunks("ffffffffffffffff\r\n", too_large);
    check_chunks("0000ffffffffffffffff\r\n", too_large);
    check_chunks("5\r\nhello\r\nffffffffffffffff\r\n", too_large);
    check_chunks(
        "10000000000000000\r\n",
        Err(PeerFault::ChunkSizeOverflow.into()),
    );
    check_chunks(
        "fffffffffffffffff\r\n",
        Err(PeerFault::ChunkSizeOverflow.into()),
    );
}

#[test]
fn rfc9112_7_1_chunk_data_ends_in_crlf() {
    let unterminated = Err(PeerFault::ChunkDataUnterminated.into());
    check_chunks("5\r\nhello0\r\n\r\n", unterminated);
    check_chunks("5\r\nhello\n0\r\n\r\n", unterminated);
    check_chunks("5\r\nhello\r0\r\n\r\n", unterminated);
    check_chunks("5\r\nhellox\r\n0\r\n\r\n", unterminated);
}

#[test]
fn rfc9112_7_1_1_chunk_extensions_are_ignored() {
    check_chunks("5;a\r\nhello\r\n0;b=c\r\n\r\n", Ok("hello"));
    check_chunks("5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n", Ok("hello"));
    check_chunks("5 ; a\t= b\r\nhello\r\n0\r\n\r\n", Ok("hello"));
    check_chunks("5;a\nhello\r\n0\r\n\r\n", Err(PeerFault::BareLf.into()));
    check_chunks("5;a\rb\r\nhello\r\n", Err(PeerFault::BareCr.into()));
    check_chunks(
        "5;a\0\r\nhello\r\n",
        Err(PeerFault::ChunkExtensionInvalid.into()),
    );
    check_chunks(
        "5 x\r\nhello\r\n",
        Err(PeerFault::ChunkExtensionInvalid.into()),
    );
}

#[test]
fn rfc9112_7_1_1_chunk_extensions_are_limited() {
    let line = |len: usize| format!("1;{}\r\nx\r\n", "e".repeat(len - 2));
    check_chunks(line(1024) + "0\r\n\r\n", Ok("x"));
    check_chunks(line(1025), Err(LimitFault::ChunkLineBytes.into()));
    check_chunks("0".repeat(1025), Err(LimitFault::ChunkLineBytes.into()));
    // Sixteen lines with 1,023 octets of extension, and those of the seventeenth.
    check_chunks(line(1024).repeat(16) + "0\r\n\r\n", Ok("xxxxxxxxxxxxxxxx"));
    check_chunks(
        line(1024).repeat(17),
        Err(LimitFault::ChunkExtensionsBytes.into()),
    );
}

#[test]
fn rfc9112_7_1_2_trailer_fields() {
    let wire = format!("{CHUNKED}0\r\nDigest: a\r\nX: \t b\r\ndigest: c\r\n\r\n");
    let trailers = ["digest", "digest", "x"].map(str::to_owned);
    let values = [&b"a"[..], b"c", b"b"].map(<[u8]>::to_vec);
    let expected = trailers.into_iter().zip(values).collect();
    assert_eq!(
        hear([wire.as_bytes()])[1],
        Said::Content(Vec::new(), expected)
    );
}

#[test]
fn rfc9112_7_1_2_trailer_fields_follow_the_rules_of_fields() {
    let refused = |fault: PeerFault| Err(fault.into());
    check_chunks("0\r\nA : b\r\n\r\n", refused(PeerFault::SpaceBeforeColon));
    check_chunks("0\r\n A: b\r\n\r\n", refused(PeerFault::ObsFold));
    check_chunks("0\r\nA: b\r\n c\r\n\r\n", refused(PeerFault::ObsFold));
    check_chunks("0\r\nA: b\n\r\n", refused(PeerFault::BareLf));
    check_chunks("0\r\nA: \0\r\n\r\n", refused(PeerFault::FieldValueInvalid));
    check_chunks("0\r\nA\r\n\r\n", refused(PeerFault::FieldWithoutColon));
    check_chunks("0\r\n: b\r\n\r\n", refused(PeerFault::FieldNameInvalid));
    check_chunks("0\r\n\n", refused(PeerFault::BareLf));
}

#[test]
fn rfc9112_7_1_2_trailer_sections_are_limited() {
    let field = |len: usize| format!("A:{}\r\n", "x".repeat(len - 4));
    // 8,192 octets with the empty line.
    check_chunks(format!("0\r\n{}\r\n", field(8190)), Ok(""));
    check_chunks(
        format!("0\r\n{}\r\n", field(8191)),
        Err(LimitFault::TrailerBytes.into()),
    );
    check_chunks(
        format!("0\r\nA:{}", "x".repeat(9000)),
        Err(LimitFault::TrailerBytes.into()),
    );
    check_chunks(format!("0\r\n{}\r\n", field(5).repeat(32)), Ok(""));
    check_chunks(
        format!("0\r\n{}\r\n", field(5).repeat(33)),
        Err(LimitFault::TrailerFields.into()),
    );
}

#[test]
fn rfc9112_8_incomplete_messages_are_known() {
    for (framing, input) in [
        (Framing::Length(5), &b"hell"[..]),
        (Framing::Chunked, b"5\r\nhello"),
        (Framing::Chunked, b"5\r\nhello\r\n"),
        (Framing::Chunked, b"0\r\n"),
    ] {
        let mut decoder = ContentDecoder::new(framing);
        let mut at = 0;
        while let (used, ContentEvent::Data(_)) =
            decoder.decode(&input[at..], &Limits::default()).unwrap()
        {
            at += used;
        }
        assert!(!decoder.is_complete());
        assert_eq!(decoder.end_of_input(), Err(PeerFault::Truncated.into()));
    }
    let mut decoder = ContentDecoder::new(Framing::UntilClose);
    assert_eq!(decoder.end_of_input(), Ok(()));
    assert!(decoder.is_complete());
}

#[test]
fn rfc9112_9_3_keep_alive() {
    let keeps = |version: &str, lines: &str| {
        head(format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n")).keep_alive()
    };
    assert!(keeps("1.1", ""));
    assert!(!keeps("1.0", ""));
    assert!(keeps("1.0", "Connection: keep-alive\r\n"));
    assert!(keeps("1.0", "Connection: foo , Keep-Alive\r\n"));
    for close in [
        "close",
        "Close",
        "foo, close",
        "close,foo",
        ",close",
        "\tclose\t",
        "keep-alive, close",
    ] {
        assert!(
            !keeps("1.1", &format!("Connection: {close}\r\n")),
            "{close}"
        );
        assert!(
            !keeps("1.0", &format!("Connection: {close}\r\n")),
            "{close}"
        );
    }
    assert!(!keeps("1.1", "Connection: foo\r\nConnection: close\r\n"));
    for other in ["closed", "not close", "\"close\"", "close;x", ""] {
        assert!(keeps("1.1", &format!("Connection: {other}\r\n")), "{other}");
    }
}

#[test]
fn rfc9112_9_3_2_pipelined_requests_are_read_in_order() {
    let wire = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
                POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nd\r\n0\r\n\r\n\
                GET /3 HTTP/1.1\r\nHost: a\r\n\r\n";
    let said = hear([wire.as_bytes()]);
    let lines: Vec<_> = said
        .iter()
        .filter_map(|said| match said {
            Said::Head(line, ..) => Some(line.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        lines,
        ["POST /1 HTTP/1.1", "POST /2 HTTP/1.1", "GET /3 HTTP/1.1"]
    );
    assert_eq!(said[1], Said::Content(b"abc".to_vec(), Vec::new()));
    assert_eq!(said[3], Said::Content(b"d".to_vec(), Vec::new()));
}

/// The last thing a server with these limits says.
fn verdict(wire: &str, limits: Limits) -> Option<Error> {
    match hear_with([wire.as_bytes()], &limits).pop() {
        Some(Said::Refused(error)) => Some(error),
        _ => None,
    }
}

#[test]
fn limits_of_a_head_hold_to_the_octet() {
    let wire = "GET /abc HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    let limits = Limits::default();
    assert_eq!(verdict(wire, limits.with_head_bytes_max(wire.len())), None);
    let head_bytes = Some(LimitFault::HeadBytes.into());
    assert_eq!(
        verdict(wire, limits.with_head_bytes_max(wire.len() - 1)),
        head_bytes
    );
    assert_eq!(verdict(wire, limits.with_target_bytes_max(4)), None);
    let target_bytes = Some(LimitFault::TargetBytes.into());
    assert_eq!(verdict(wire, limits.with_target_bytes_max(3)), target_bytes);
    assert_eq!(verdict(wire, limits.with_fields_max(2)), None);
    assert_eq!(
        verdict(wire, limits.with_fields_max(1)),
        Some(LimitFault::Fields.into())
    );
}

#[test]
fn limits_hold_while_a_head_is_incomplete() {
    let limits = Limits::default();
    let too_long = format!("GET /{}", "a".repeat(8192));
    assert_eq!(
        verdict(&too_long, limits),
        Some(LimitFault::TargetBytes.into())
    );
    let too_large = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(65_536));
    assert_eq!(
        verdict(&too_large, limits),
        Some(LimitFault::HeadBytes.into())
    );
    let too_many = format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(101));
    assert_eq!(verdict(&too_many, limits), Some(LimitFault::Fields.into()));
    // The same, octet by octet.
    for (wire, fault) in [
        (too_long, LimitFault::TargetBytes),
        (too_large, LimitFault::HeadBytes),
        (too_many, LimitFault::Fields),
    ] {
        let (mut decoder, mut head) = (HeadDecoder::new(), RequestHead::new());
        let wire = wire + &"a".repeat(100);
        let first_error = (0..wire.len()).find_map(|len| {
            decoder
                .decode(&wire.as_bytes()[..len], &mut head, &limits)
                .err()
        });
        assert_eq!(first_error, Some(fault.into()));
    }
}

#[test]
fn limits_of_a_content_hold_before_its_octets_are_here() {
    let mut decoder = ContentDecoder::new(Framing::Length(11));
    decoder.set_content_bytes_max(10);
    let too_large = Err(LimitFault::ContentBytes.into());
    assert_eq!(decoder.decode(b"", &Limits::default()), too_large);
    assert_eq!(
        squall_http1::refuse_length(Framing::Length(11), 10),
        Err(LimitFault::ContentBytes.into())
    );
    assert_eq!(squall_http1::refuse_length(Framing::Length(10), 10), Ok(()));

    let mut decoder = ContentDecoder::new(Framing::Chunked);
    decoder.set_content_bytes_max(10);
    let input = b"a\r\n0123456789\r\n1\r\n";
    let (used, event) = decoder.decode(input, &Limits::default()).unwrap();
    assert_eq!(event, ContentEvent::Data(b"0123456789"));
    assert_eq!(
        decoder.decode(&input[used..], &Limits::default()),
        too_large
    );

    let mut decoder = ContentDecoder::new(Framing::UntilClose);
    let limits = Limits::default().with_content_bytes_max(4);
    assert_eq!(
        decoder.decode(b"abcd", &limits),
        Ok((4, ContentEvent::Data(b"abcd")))
    );
    assert_eq!(decoder.decode(b"e", &limits), too_large);
}
