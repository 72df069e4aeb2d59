//! Incremental UTF-8 against the standard library, at every cut and for every kind of sequence.

use squall_websocket::{Incremental, InvalidUtf8};

/// Decodes the pieces; the text, or nothing if some piece or the end was refused.
fn decode<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<String, InvalidUtf8> {
    let mut decoder = Incremental::default();
    let mut text = String::new();
    for piece in pieces {
        decoder.push(piece, &mut text)?;
        assert!(decoder.open_len() <= 3);
    }
    decoder.finish()?;
    Ok(text)
}

/// However cut, `bytes` decode as the standard library says, and fail at the first byte that
/// leaves no way to go on.
fn check(bytes: &[u8]) {
    let expected = std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| InvalidUtf8);
    assert_eq!(decode([bytes]), expected, "{bytes:x?} whole");
    assert_eq!(decode(bytes.chunks(1)), expected, "{bytes:x?} byte by byte");
    for cut in 0..=bytes.len() {
        let (one, two) = bytes.split_at(cut);
        assert_eq!(decode([one, two]), expected, "{bytes:x?} cut at {cut}");
        assert_eq!(
            decode([one, &[], two]),
            expected,
            "{bytes:x?} cut at {cut}, empty between"
        );
    }
    for end in 0..=bytes.len() {
        let refused = Incremental::default()
            .push(&bytes[..end], &mut String::new())
            .is_err();
        assert_eq!(refused, is_hopeless(&bytes[..end]), "{:x?}", &bytes[..end]);
    }
}

/// Whether nothing that could follow would make this UTF-8.
fn is_hopeless(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some())
}

#[test]
fn texts_of_every_width() {
    for text in [
        "",
        "plain",
        "héllo",
        "κόσμε",
        "漢字",
        "🦀🦀",
        "a\u{7ff}\u{800}\u{ffff}\u{10ffff}z",
    ] {
        check(text.as_bytes());
    }
    // Long enough for the bulk check to run over whole vectors, with a character at every phase.
    let long = "0123456789 κόσμε 漢字 🦀 ".repeat(9);
    for start in (0..20).filter(|&start| long.is_char_boundary(start)) {
        check(&long.as_bytes()[start..]);
    }
}

#[test]
fn sequences_that_are_no_characters() {
    for bytes in [
        &b"\x80"[..],            // a tail without a lead
        b"\xc0\x80",             // overlong NUL
        b"\xc1\xbf",             // overlong DEL
        b"\xe0\x80\xaf",         // overlong "/"
        b"\xe0\x9f\xbf",         // overlong U+07FF
        b"\xf0\x8f\xbf\xbf",     // overlong U+FFFF
        b"\xed\xa0\x80",         // U+D800, the first surrogate
        b"\xed\xbf\xbf",         // U+DFFF, the last
        b"\xf4\x90\x80\x80",     // U+110000
        b"\xf5\x80\x80\x80",     // beyond
        b"\xf8\x88\x80\x80\x80", // five bytes
        b"\xfe",
        b"\xff",
        b"\xc3",     // cut short
        b"\xe1\xbd", // cut short
        b"\xf0\x9f\xa6",
        b"\xc3\xc3",
        b"\xe1\xbd\xc3",
        b"\xf0\x9fa",
    ] {
        check(bytes);
        check(&[b"before ", bytes].concat());
        check(&[bytes, b" after"].concat());
        check(
            &[
                "long enough to be checked in bulk, with an é: "
                    .repeat(3)
                    .as_bytes(),
                bytes,
            ]
            .concat(),
        );
    }
}

#[test]
fn every_lead_byte_with_the_edges_of_every_tail() {
    const EDGES: [u8; 11] = [
        0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xFF,
    ];
    for lead in 0..=0xFF {
        check(&[lead]);
        for second in EDGES {
            check(&[lead, second]);
            // Longer sequences say nothing new behind a byte that begins and ends a character.
            if lead < 0xE0 {
                continue;
            }
            for third in EDGES {
                check(&[lead, second, third]);
                for fourth in [0x7F, 0x80, 0xBF, 0xC0] {
                    check(&[lead, second, third, fourth]);
                }
            }
        }
    }
}

#[test]
fn every_character_cut_after_every_byte() {
    for character in (0..=0x10_FFFF).filter_map(char::from_u32).step_by(7) {
        let expected = character.to_string();
        for cut in 1..=expected.len() {
            let (one, two) = expected.as_bytes().split_at(cut);
            assert_eq!(decode([one, two]).as_ref(), Ok(&expected));
        }
    }
}
