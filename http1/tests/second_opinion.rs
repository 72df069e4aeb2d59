//! Another parser reads the same heads. It is laxer (it takes a bare LF, and octets beyond ASCII
//! in a target), so what we accept it must accept, and must see the same parts in it.

mod reader;

use reader::Random;
use squall_http1::{HeadDecoder, Limits, RequestHead};

/// If we accept this, both see the same.
fn check(wire: &[u8]) -> bool {
    let mut ours = RequestHead::new();
    let Ok(Some(used)) = HeadDecoder::new().decode(wire, &mut ours, &Limits::default()) else {
        return false;
    };
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut theirs = httparse::Request::new(&mut fields);
    let shown = String::from_utf8_lossy(wire);
    let their_used = theirs.parse(wire).map(|status| match status {
        httparse::Status::Complete(used) => Some(used),
        httparse::Status::Partial => None,
    });
    // It knows no minor version but 0 and 1; for the others see RFC 9110 §2.5.
    if their_used == Err(httparse::Error::Version) {
        return true;
    }
    assert_eq!(their_used, Ok(Some(used)), "{shown:?}");
    assert_eq!(theirs.method, Some(ours.method().as_str()), "{shown:?}");
    assert_eq!(theirs.path, Some(ours.target()), "{shown:?}");
    let their_fields = theirs.headers.iter().map(|field| (field.name, field.value));
    assert!(ours.fields().eq(their_fields), "{shown:?}");
    true
}

/// Good heads with a few octets changed, put in or taken out where it hurts.
#[test]
fn what_we_accept_another_parser_accepts_and_sees_the_same() {
    let heads: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\nPOST /x?y=z HTTP/1.1\r\nHost: a:80\r\nContent-Length: 0\r\nX-Y: \t z \r\n\r\n",
        b"OPTIONS * HTTP/1.0\r\nConnection: close\r\nEmpty:\r\n\r\n",
        b"GET http://[::1]/ HTTP/1.1\r\nhost:b\r\nTransfer-Encoding: chunked\r\n\r\n",
    ];
    let octets = b"\r\n \t:,/?*aZ09-_\0\x0b\x7f\x80\xa0\xff%@[]HT.";
    let mut random = Random::new(1);
    let mut accepted = 0;
    for _ in 0..40_000 {
        let mut wire = random.pick(&heads).to_vec();
        for _ in 0..random.below(4) {
            let at = random.below(wire.len());
            let octet = *random.pick(octets);
            match random.below(3) {
                0 => wire[at] = octet,
                1 => wire.insert(at, octet),
                _ => drop(wire.remove(at)),
            }
        }
        accepted += usize::from(check(&wire));
    }
    assert!(accepted > 8_000, "only {accepted} heads were good");
}
