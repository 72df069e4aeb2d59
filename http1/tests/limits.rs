//! The limits of heads and contents: they hold to the octet, and before there is more to hold.
//! Those of chunk-size lines and trailers are in `chunks.rs`.

mod reader;

use reader::{Said, hear_with};
use squall_http1::{
    ContentDecoder, ContentEvent, Error, Framing, HeadDecoder, LimitFault, Limits, RequestHead,
    refuse_length,
};

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
