//! RFC 9112 §7.1: chunks, their extensions, and the trailer section.

mod reader;

use reader::{Said, fault, hear};
use squall_http1::{Error, LimitFault, PeerFault};

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
