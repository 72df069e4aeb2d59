//! Masking against its naive twin and against Tornado's vectors.

use squall_websocket::mask;

/// RFC 6455 §5.3, word for word: "transformed-octet-i = original-octet-i XOR
/// masking-key-octet-(i MOD 4)".
fn naive(payload: &mut [u8], key: [u8; 4], offset: usize) {
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= key[(i + offset) % 4];
    }
}

#[test]
fn the_vectors_of_tornado_hold() {
    for (key, payload, expected) in [
        (b"abcd", &b"b"[..], &b"\x03"[..]),
        (b"abcd", b"54321", b"TVPVP"),
        (b"ZXCV", b"98765432", b"c`t`olpd"),
        (
            b"\x00\x01\x02\x03",
            b"\xff\xfb\xfd\xfc\xfe\xfa",
            b"\xff\xfa\xff\xff\xfe\xfb",
        ),
        (
            b"\xff\xfb\xfd\xfc",
            b"\x00\x01\x02\x03\x04\x05",
            b"\xff\xfa\xff\xff\xfb\xfe",
        ),
    ] {
        let mut bytes = payload.to_vec();
        mask(&mut bytes, *key, 0);
        assert_eq!(bytes, expected);
    }
}

#[test]
fn every_length_offset_and_alignment_equals_the_naive_twin() {
    let key = [0x12, 0x94, 0xAF, 0x7D];
    let bytes: Vec<u8> = (0..120u8).map(|i| i.wrapping_mul(37)).collect();
    for start in 0..9 {
        for end in start..bytes.len() {
            for offset in (0..9).chain([usize::MAX - 3, usize::MAX]) {
                let mut ours = bytes.clone();
                let mut twin = bytes.clone();
                mask(&mut ours[start..end], key, offset);
                naive(&mut twin[start..end], key, offset % 4);
                assert_eq!(ours, twin, "{start}..{end} at {offset}");
            }
        }
    }
}

#[test]
fn a_payload_masked_in_two_pieces_equals_one_masked_at_once() {
    let key = [1, 20, 30, 140];
    let bytes: Vec<u8> = (0..70u8).collect();
    let mut whole = bytes.clone();
    mask(&mut whole, key, 0);
    for cut in 0..=bytes.len() {
        let mut pieces = bytes.clone();
        mask(&mut pieces[..cut], key, 0);
        mask(&mut pieces[cut..], key, cut);
        assert_eq!(pieces, whole);
        mask(&mut pieces, key, 0);
        assert_eq!(pieces, bytes, "masking twice is not masking");
    }
}
