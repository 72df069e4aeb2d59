//! Fields and what some of them mean (RFC 9110 §5, §7, §10.1.1), and how fields are looked up.

mod reader;

use reader::{Said, fault, head, hear, with_field};
use squall_http1::{Error, Expectation, HeadDecoder, Limits, PeerFault, RequestHead};

fn check(line: impl AsRef<[u8]>, expected: Result<&[u8], PeerFault>) {
    let wire = with_field(line.as_ref());
    let shown = String::from_utf8_lossy(&wire).into_owned();
    match expected {
        Ok(value) => {
            let head = head(&wire);
            let found = head.fields().last().map(|(_, value)| value);
            assert_eq!(found, Some(value), "{shown:?}");
        }
        Err(expected) => assert_eq!(fault(&wire), Some(Error::Peer(expected)), "{shown:?}"),
    }
}

#[test]
fn rfc9110_5_1_names_are_tokens() {
    for byte in 0..=255_u8 {
        let wire = with_field([b"A", &[byte][..], b"B: c"].concat());
        let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        // A colon ends the name, and the value is then `B: c`.
        assert_eq!(fault(wire).is_none(), token || byte == b':', "{byte:#x}");
    }
    check(": b", Err(PeerFault::FieldNameInvalid));
    check("A", Err(PeerFault::FieldWithoutColon));
    check("A b", Err(PeerFault::FieldNameInvalid));
}

#[test]
fn rfc9110_5_5_values_have_no_controls() {
    for byte in 0..=255_u8 {
        let wire = with_field([b"A: b", &[byte][..], b"c"].concat());
        let allowed = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        assert_eq!(fault(wire).is_none(), allowed, "{byte:#x}");
    }
    check("A: b\0", Err(PeerFault::FieldValueInvalid));
    check("A: \x0b", Err(PeerFault::FieldValueInvalid));
}

#[test]
fn rfc9110_5_5_whitespace_around_values_is_no_part_of_them() {
    check("A: b", Ok(b"b"));
    check("A:b", Ok(b"b"));
    check("A: \t b c \t ", Ok(b"b c"));
    check("A:", Ok(b""));
    check("A: \t ", Ok(b""));
    check(b"A: \xa0b\xff ", Ok(b"\xa0b\xff"));
}

#[test]
fn rfc9110_5_3_fields_keep_their_order_and_their_names() {
    let head = head("GET / HTTP/1.1\r\nHost: a\r\nX-a: 1\r\nB: 2\r\nx-A: 3\r\n\r\n");
    let fields: Vec<_> = head.fields().collect();
    let expected: [(&str, &[u8]); 4] = [("Host", b"a"), ("X-a", b"1"), ("B", b"2"), ("x-A", b"3")];
    assert_eq!(fields, expected);
    assert_eq!(head.field("X-A"), Some(&b"1"[..]));
    assert_eq!(head.field_all("x-a").collect::<Vec<_>>(), [b"1", b"3"]);
    assert_eq!(head.field("x"), None);
}

#[test]
fn rfc9110_5_1_names_that_differ_in_an_underscore_are_others() {
    let head =
        head("GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\nTransfer_Encoding: x\r\n\r\n");
    assert_eq!(head.framing(), squall_http1::Framing::None);
}

#[test]
fn rfc9110_6_5_1_fields_that_frame_or_route_are_no_trailers() {
    for name in [
        "Content-Length",
        "transfer-encoding",
        "Host",
        "Trailer",
        "Authorization",
        "Cookie",
    ] {
        let wire = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{name}: 1\r\n\r\n"
        );
        assert_eq!(
            fault(wire),
            Some(PeerFault::TrailerForbidden.into()),
            "{name}"
        );
    }
}

#[test]
fn rfc9110_7_6_1_connection_options_are_a_list_over_all_fields() {
    let head =
        head("GET / HTTP/1.1\r\nHost: a\r\nConnection: TE, ,Upgrade\r\nconnection: x\r\n\r\n");
    assert!(head.connection_has("upgrade"));
    assert!(head.connection_has("te"));
    assert!(head.connection_has("X"));
    assert!(!head.connection_has("up"));
    assert!(!head.connection_has(""));
}

#[test]
fn rfc9110_10_1_1_expectations() {
    let expects = |version: &str, line: &str| {
        head(format!(
            "PUT / HTTP/{version}\r\nHost: a\r\n{line}Content-Length: 1\r\n\r\n"
        ))
        .expectation()
    };
    assert_eq!(expects("1.1", ""), Expectation::None);
    assert_eq!(
        expects("1.1", "Expect: 100-continue\r\n"),
        Expectation::Continue
    );
    assert_eq!(
        expects("1.1", "expect: 100-Continue\r\n"),
        Expectation::Continue
    );
    assert_eq!(expects("1.1", "Expect: foo\r\n"), Expectation::Unknown);
    assert_eq!(
        expects("1.1", "Expect: foo, 100-continue\r\n"),
        Expectation::Unknown
    );
    assert_eq!(
        expects("1.1", "Expect: 100-continue\r\nExpect: foo\r\n"),
        Expectation::Unknown
    );
    // "MUST ignore that expectation".
    assert_eq!(
        expects("1.0", "Expect: 100-continue\r\n"),
        Expectation::None
    );
}

#[test]
fn rfc9110_5_3_headers_are_the_fields_as_a_map() {
    let mut decoder = HeadDecoder::new();
    let mut head = RequestHead::new();
    let wire = with_field(b"A: 1\r\nb: \xff\r\na: 2");
    decoder
        .decode(&wire, &mut head, &Limits::default())
        .unwrap();
    let headers = head.headers();
    assert_eq!(headers.len(), 4);
    assert_eq!(headers.get_all("a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(headers["b"].as_bytes(), b"\xff");
    // The map is of this head, not of the one before it.
    decoder
        .decode(&with_field(b"C: 3"), &mut head, &Limits::default())
        .unwrap();
    assert_eq!(head.headers().len(), 2);
    assert_eq!(head.headers()["c"], "3");
}

#[test]
fn a_head_that_is_not_whole_says_nothing_and_does_not_panic() {
    let mut decoder = HeadDecoder::new();
    let mut head = RequestHead::new();
    let limits = Limits::default();
    decoder
        .decode(&with_field(b"A: 1"), &mut head, &limits)
        .unwrap();
    for partial in [&b"POST /x?y HTTP/1.1\r\nHost: b\r\nC: d\r\n"[..], b"bad\0"] {
        let _ = decoder.decode(partial, &mut head, &limits);
        let _ = (
            head.target(),
            head.path(),
            head.query(),
            head.host(),
            head.headers().len(),
        );
        assert_eq!(head.field("a"), None);
        assert_eq!(head.as_bytes(), b"");
    }
}

#[test]
fn a_head_that_is_not_the_one_begun_is_begun_again() {
    let wire = b"GET /x HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n";
    let limits = Limits::default();
    let mut decoder = HeadDecoder::new();
    let (mut begun, mut other) = (RequestHead::new(), RequestHead::new());
    decoder.decode(&wire[..30], &mut begun, &limits).unwrap();
    assert_eq!(
        decoder.decode(wire, &mut other, &limits),
        Ok(Some(wire.len()))
    );
    assert_eq!(other.target(), "/x");
    assert_eq!(other.fields().count(), 2);
    // The same head, cleared meanwhile.
    decoder.decode(&wire[..30], &mut begun, &limits).unwrap();
    begun.clear();
    assert_eq!(
        decoder.decode(wire, &mut begun, &limits),
        Ok(Some(wire.len()))
    );
    assert_eq!(begun.fields().count(), 2);
}

#[test]
fn heads_reuse_their_memory() {
    let wire = with_field(b"A: 1\r\nB: 2");
    let said = hear([&wire[..]]);
    assert!(matches!(said[0], Said::Head(..)));
    let (mut decoder, mut head) = (HeadDecoder::new(), RequestHead::new());
    decoder
        .decode(&wire, &mut head, &Limits::default())
        .unwrap();
    let capacity = head.capacity();
    assert!(capacity >= wire.len());
    for _ in 0..100 {
        decoder
            .decode(&wire, &mut head, &Limits::default())
            .unwrap();
        assert_eq!(head.capacity(), capacity);
    }
}
