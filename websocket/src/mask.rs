//! Masking (RFC 6455 §5.3): the XOR between a client's payload and what is on the wire.
//!
//! One function for both directions, since masking twice is not masking. It works eight bytes at a
//! time in safe code; the byte-by-byte twin it is compared with lives in `tests/mask.rs`. Which
//! frames are masked is decided in `frame.rs`; where keys come from, by the caller. Called by
//! `protocol.rs` (unmask) and `encode.rs` (mask).

/// The four bytes a client draws anew for each frame, unpredictably (§5.3, §10.3).
pub type MaskingKey = [u8; 4];

/// Masks or unmasks `payload` in place.
///
/// `offset` is the number of payload bytes of the same frame that came before this slice: byte *i*
/// of a frame meets byte *i mod 4* of the key, wherever the frame was cut.
///
/// ```
/// use squall_websocket::mask;
///
/// let mut payload = *b"Hello";
/// mask(&mut payload, [0x37, 0xfa, 0x21, 0x3d], 0);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]); // the example of §5.7
///
/// mask(&mut payload[..2], [0x37, 0xfa, 0x21, 0x3d], 0);
/// mask(&mut payload[2..], [0x37, 0xfa, 0x21, 0x3d], 2);
/// assert_eq!(&payload, b"Hello");
/// ```
#[inline]
pub fn mask(payload: &mut [u8], key: MaskingKey, offset: usize) {
    // Turned so that its first byte meets the first byte of this slice, and written twice to fill
    // a word; eight is a multiple of four, so every word meets it the same way.
    let mut turned = key;
    turned.rotate_left(offset % 4);
    let half = u64::from(u32::from_ne_bytes(turned));
    let word_key = half << 32 | half;

    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        // The copy into an array is how safe code says "this chunk is a word"; it costs nothing.
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        word.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ word_key).to_ne_bytes());
    }
    for (byte, key) in words
        .into_remainder()
        .iter_mut()
        .zip(word_key.to_ne_bytes())
    {
        *byte ^= key;
    }
}
