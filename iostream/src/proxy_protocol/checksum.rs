//! CRC32c, as the TLV of that name has it (section 2.2.3): the one of iSCSI, polynomial
//! 0x1EDC6F41, reflected (RFC 3720, section 12.1).

const REFLECTED_POLYNOMIAL: u32 = 0x82f6_3b78;

/// The remainder of each byte.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let is_odd = remainder & 1 == 1;
            remainder >>= 1;
            if is_odd {
                remainder ^= REFLECTED_POLYNOMIAL;
            }
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
};

/// The checksum of some pieces, one behind the other.
pub(super) fn crc32c(pieces: &[&[u8]]) -> u32 {
    let bytes = pieces.iter().copied().flatten();
    !bytes.fold(!0, |remainder, byte| {
        let index = (remainder ^ u32::from(*byte)) & 0xff;
        remainder >> 8 ^ TABLE[index as usize]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3720_b_4_has_these_examples() {
        let check = |bytes: &[u8], expected: u32| assert_eq!(crc32c(&[bytes]), expected);
        check(&[0; 32], 0x8a91_36aa);
        check(&[0xff; 32], 0x62a8_ab43);
        let ascending: Vec<u8> = (0..32).collect();
        check(&ascending, 0x46dd_794e);
        let descending: Vec<u8> = (0..32).rev().collect();
        check(&descending, 0x113f_db5c);
        check(b"123456789", 0xe306_9283);
        assert_eq!(crc32c(&[b"1234", b"", b"56789"]), 0xe306_9283);
    }
}
