//! The limits of heads and contents: they hold to the octet, and before there is more to hold.
//! Those of chunk-size lines and trailers are in `chunks.rs`.

mod reader;

use reader::{Said, hear_with};
use squall_http1::{
    ContentDecoder, ContentEvent, Error, Framing, HeadDecoder, LimitFault, Limits, RequestHead,
    offending_field, refuse_length,
};

/// The last thing a server with these limits says.
fn verdict(wire: &str, limits: Limits) -> Option<Error> {
    match hear_with([wire.as_bytes()], &limits).pop() {
        Some(Said::Refused(error)) => Some(error),
        _ => None,
    }
}

#[test]
fn rfc9112_3_limits_of_a_head_hold_to_the_octet() {
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
fn rfc9112_3_limits_hold_while_a_head_is_incomplete() {
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
fn rfc9110_15_5_14_limits_of_a_content_hold_before_its_octets_are_here() {
    let mut decoder = ContentDecoder::new(Framing::Length(11));
    decoder.set_content_bytes_max(10);
    let too_large = Err(LimitFault::ContentBytes.into());
    assert_eq!(decoder.decode(b"", &Limits::default()), too_large);
    assert_eq!(
        refuse_length(Framing::Length(11), 10),
        Err(LimitFault::ContentBytes.into())
    );
    assert_eq!(refuse_length(Framing::Length(10), 10), Ok(()));

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

/// The name that a log would show for this head.
fn offender(wire: &str, limits: Limits) -> Option<String> {
    let mut head = RequestHead::new();
    let error = HeadDecoder::new().decode(wire.as_bytes(), &mut head, &limits);
    let error = error.expect_err("a head beyond its limits");
    offending_field(wire.as_bytes(), error, &limits).map(|name| name.to_string())
}

#[test]
fn rfc6585_5_the_field_that_is_too_much_is_named() {
    let wire = "\r\nGET / HTTP/1.1\r\nHost: a\r\nCookie: many\r\nB: c\r\n\r\n";
    let limits = Limits::default();
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(offender(wire, limits.with_fields_max(1)), name("Cookie"));
    assert_eq!(offender(wire, limits.with_fields_max(2)), name("B"));
    // The largest of all, not the one that was the last straw.
    assert_eq!(
        offender(wire, limits.with_head_bytes_max(44)),
        name("Cookie")
    );
    assert_eq!(offender(wire, limits.with_target_bytes_max(0)), None);
    assert_eq!(offender("GET /\0", limits), None);
    // One that has no end yet, nor a colon.
    let endless = format!("GET / HTTP/1.1\r\n{}", "A".repeat(70_000));
    assert_eq!(offender(&endless, limits), Some("A".repeat(63) + "..."));
}

#[test]
fn a_name_is_shown_bounded_and_without_controls() {
    for octet in 0..=255_u8 {
        let wire = [b"GET / HTTP/1.1\r\n".to_vec(), vec![octet; 200]].concat();
        let error = Error::from(LimitFault::HeadBytes);
        let Some(name) = offending_field(&wire, error, &Limits::default()) else {
            assert!(octet == b'\n' || octet == b':', "{octet:#x}");
            continue;
        };
        let shown = name.to_string();
        assert!(shown.len() <= 256 && !shown.is_empty(), "{shown}");
        assert!(
            shown.bytes().all(|byte| (b' '..0x7f).contains(&byte)),
            "{shown}"
        );
    }
}

/// What a server answers, fault by fault: the clauses that name a status.
#[test]
fn rfc9110_15_every_fault_knows_its_status() {
    let check = |wire: &str, status: u16| {
        let error = verdict(wire, Limits::default()).unwrap_or_else(|| panic!("{wire:?} is good"));
        assert_eq!(error.status().as_u16(), status, "{wire:?}: {error}");
    };
    let host = "\r\nHost: a\r\n";
    // RFC 9112 §3: "SHOULD respond with a 501", "MUST respond with a 414".
    check(&format!("{} / HTTP/1.1{host}\r\n", "A".repeat(65)), 501);
    check(
        &format!("GET /{} HTTP/1.1{host}\r\n", "a".repeat(8192)),
        414,
    );
    // RFC 9110 §15.6.6.
    check(&format!("GET / HTTP/2.0{host}\r\n"), 505);
    // RFC 9112 §6.1: "SHOULD respond with 501".
    check(
        &format!("GET / HTTP/1.1{host}Transfer-Encoding: gzip, chunked\r\n\r\n"),
        501,
    );
    // RFC 6585 §5.
    check(
        &format!("GET / HTTP/1.1{host}{}\r\n", "A: b\r\n".repeat(100)),
        431,
    );
    check(
        &format!("GET / HTTP/1.1{host}A: {}", "b".repeat(65_536)),
        431,
    );
    // RFC 9110 §15.5.14.
    check(
        &format!("PUT / HTTP/1.1{host}Content-Length: 10485761\r\n\r\n"),
        413,
    );
    // RFC 9112 §7.1.1: "an appropriate 4xx".
    let chunked = format!("PUT / HTTP/1.1{host}Transfer-Encoding: chunked\r\n\r\n");
    check(&format!("{chunked}1;{}", "e".repeat(1024)), 400);
    check(&format!("{chunked}0\r\n{}", "A: b\r\n".repeat(33)), 431);
    // RFC 9112 §2.2, §3.2, §5.1, §6.3 and all others.
    for wire in [
        "GET / HTTP/1.1\nHost: a\n\n".to_owned(),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1{host}A : b\r\n\r\n"),
        format!("GET / HTTP/1.1{host}Content-Length: +1\r\n\r\n"),
    ] {
        check(&wire, 400);
    }
}
