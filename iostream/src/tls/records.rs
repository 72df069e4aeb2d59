//! Where the records of TLS end, as their plain headers tell.
//!
//! ```text
//! TLSPlaintext = type (20-24) version (3, any) length (2 bytes) fragment     RFC 8446, section 5.1
//! ```

/// What precedes each record.
pub(super) const HEADER_BYTES: usize = 5;
/// The longest record: 2^14 bytes, and 2048 for encryption in TLS 1.2 (RFC 5246, section 6.2.3).
pub(super) const RECORD_BYTES_MAX: usize = HEADER_BYTES + 16 * 1024 + 2048;

/// Where the last record ends that has come whole, when the first begins at `at`. A header that no
/// record has counts as a whole one: there is nothing to wait for.
pub(super) fn end_of_whole(bytes: &[u8], mut at: usize) -> usize {
    while let Some(header) = bytes.get(at..at + HEADER_BYTES) {
        if !is_header(header) {
            return bytes.len();
        }
        let end = at + HEADER_BYTES + usize::from(u16::from_be_bytes([header[3], header[4]]));
        if end > bytes.len() {
            break;
        }
        at = end;
    }
    at
}

/// Whether a record that begins in `held` is whole by what is `new` behind it; as with
/// [`end_of_whole`], also if it is none.
pub(super) fn is_whole(held: &[u8], new: &[u8]) -> bool {
    let mut header = [0; HEADER_BYTES];
    let have = held.len() + new.len();
    if have < HEADER_BYTES {
        return false;
    }
    for (byte, known) in header.iter_mut().zip(held.iter().chain(new)) {
        *byte = *known;
    }
    let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
    !is_header(&header) || have >= HEADER_BYTES + length
}

fn is_header(header: &[u8]) -> bool {
    let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
    (20..=24).contains(&header[0]) && header[1] == 3 && HEADER_BYTES + length <= RECORD_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_record_is_found_wherever_the_bytes_are_cut() {
        let lengths = [0, 1, 300, 16_384 + 2048];
        let mut bytes = Vec::new();
        let mut ends = vec![0];
        for length in lengths {
            bytes.extend([23, 3, 3]);
            bytes.extend((length as u16).to_be_bytes());
            bytes.extend(vec![b'x'; length]);
            ends.push(bytes.len());
        }
        for cut in 0..=bytes.len() {
            let expected = *ends.iter().rfind(|end| **end <= cut).unwrap_or(&0);
            assert_eq!(end_of_whole(&bytes[..cut], 0), expected);
            // From wherever one has stopped before.
            assert_eq!(end_of_whole(&bytes[..cut], expected), expected);
        }
    }

    #[test]
    fn what_is_no_header_is_not_waited_for() {
        let check = |bytes: &[u8]| assert_eq!(end_of_whole(bytes, 0), bytes.len());
        check(b"GET / HTTP/1.1\r\n");
        check(&[22, 2, 0, 0, 1]); // SSL 2
        check(&[25, 3, 3, 0, 1]); // no such type
        check(&[22, 3, 3, 0x48, 1]); // too long
        check(&[23, 3, 3, 0, 0, b'x', b'x', b'x', b'x', b'x']); // after a whole one
    }
}
