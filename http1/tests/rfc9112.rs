//! RFC 9112, clause by clause, except what has a file of its own: §6 (`framing.rs`) and §7
//! (`chunks.rs`).

mod reader;

use http::Method;
use reader::{Said, fault, head, hear, hear_responses, with_field, with_line};
use squall_http1::{
    ContentDecoder, ContentEvent, Error, Framing, HeadDecoder, LimitFault, Limits, PeerFault,
    ResponseHead, Version,
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
        "http://b#c",
        "http://evil\\@b/",
        "http://evil#@b/",
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
                POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                1\r\nd\r\n0\r\n\r\n\
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
