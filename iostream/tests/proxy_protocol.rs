//! Headers of the PROXY protocol: vectors made by hand, every cut of them, and encoder against
//! decoder.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use squall_iostream::proxy_protocol::{
    Decoded, EncodeError, Header, HeaderError, TlvKind, Version, decode, encode_v1, encode_v2,
};
use squall_iostream::{Address, UnixAddress};

const REST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// What a decoder says of a header with other bytes behind it.
type Expected<'a> = Result<Option<(&'a str, &'a str)>, HeaderError>;

/// Decodes whole, with bytes behind it, and cut at every position: no cut may say anything else
/// than that more is needed, or what the whole says.
fn check(bytes: &[u8], expected: Expected<'_>) {
    let whole = [bytes, REST].concat();
    let decided = decode(&whole);
    match (&decided, &expected) {
        (Ok(Decoded::Header(used, header)), Ok(ends)) => {
            assert_eq!(*used, bytes.len(), "{}", bytes.escape_ascii());
            let found = header.source().map(|source| {
                let destination = header.destination().unwrap();
                (source.to_string(), destination.to_string())
            });
            let found = found
                .as_ref()
                .map(|(one, two)| (one.as_str(), two.as_str()));
            assert_eq!(found, *ends, "{}", bytes.escape_ascii());
        }
        (Err(error), Err(expected)) => assert_eq!(error, expected, "{}", bytes.escape_ascii()),
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
    let mut has_decided = false;
    for end in 0..=whole.len() {
        match decode(&whole[..end]) {
            Ok(Decoded::Partial) => {
                assert!(!has_decided, "undecided again at {end}");
                assert!(end < bytes.len() || decided.is_err());
            }
            cut => {
                has_decided = true;
                assert_eq!(cut, decided, "cut at {end} of {}", bytes.escape_ascii());
            }
        }
    }
    assert!(has_decided);
}

fn line(text: &str, expected: Expected<'_>) {
    check(format!("{text}\r\n").as_bytes(), expected);
}

#[test]
fn section_2_1_a_line_tells_both_ends() {
    line(
        "PROXY TCP4 192.0.2.7 198.51.100.1 51000 443",
        Ok(Some(("192.0.2.7:51000", "198.51.100.1:443"))),
    );
    line(
        "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535",
        Ok(Some(("255.255.255.255:65535", "255.255.255.255:65535"))),
    );
    line(
        "PROXY TCP4 0.0.0.0 0.0.0.0 0 0",
        Ok(Some(("0.0.0.0:0", "0.0.0.0:0"))),
    );
    line(
        "PROXY TCP6 2001:db8::7 ::1 51000 443",
        Ok(Some(("[2001:db8::7]:51000", "[::1]:443"))),
    );
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let end = format!("[{longest}]:65535");
    line(
        &format!("PROXY TCP6 {longest} {longest} 65535 65535"),
        Ok(Some((&end, &end))),
    );
}

#[test]
fn section_2_1_unknown_is_accepted_with_anything_behind_it() {
    line("PROXY UNKNOWN", Ok(None));
    line("PROXY UNKNOWN ", Ok(None));
    line("PROXY UNKNOWN \u{fffd} a b c d e f", Ok(None));
    check(b"PROXY UNKNOWN \xff\x00\r\n", Ok(None));
    // The longest line there is: 107 bytes.
    let longest = format!("PROXY UNKNOWN {}", "x".repeat(107 - 16));
    assert_eq!(longest.len() + 2, 107);
    line(&longest, Ok(None));
    line(&format!("{longest}x"), Err(HeaderError::BadLineEnd));
    line("PROXY UNKNOWNS", Err(HeaderError::BadFields));
}

#[test]
fn section_2_1_a_line_is_canonical_or_refused() {
    use HeaderError::{BadAddress, BadFields, BadLineEnd, BadPort};
    line("PROXY ", Err(BadFields));
    line("PROXY TCP4", Err(BadFields));
    line("PROXY TCP5 1.1.1.1 1.1.1.1 1 1", Err(BadFields));
    line("PROXY tcp4 1.1.1.1 1.1.1.1 1 1", Err(BadFields));
    line("PROXY TCP4 1.1.1.1 1.1.1.1 1", Err(BadFields));
    line("PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1", Err(BadFields));
    line("PROXY TCP4 1.1.1.1 1.1.1.1 1 1 ", Err(BadFields));
    line("PROXY TCP4  1.1.1.1 1.1.1.1 1 1", Err(BadFields));
    line("PROXY TCP4 1.1.1.1\t1.1.1.1 1 1", Err(BadFields));
    line("PROXY TCP4 1.1.1 1.1.1.1 1 1", Err(BadAddress));
    line("PROXY TCP4 01.1.1.1 1.1.1.1 1 1", Err(BadAddress));
    line("PROXY TCP4 1.1.1.256 1.1.1.1 1 1", Err(BadAddress));
    line("PROXY TCP4 ::1 ::1 1 1", Err(BadAddress));
    line("PROXY TCP6 1.1.1.1 1.1.1.1 1 1", Err(BadAddress));
    line("PROXY TCP6 fe80::1%lo ::1 1 1", Err(BadAddress));
    line("PROXY TCP4 1.1.1.1 1.1.1.1 65536 1", Err(BadPort));
    line("PROXY TCP4 1.1.1.1 1.1.1.1 01 1", Err(BadPort));
    line("PROXY TCP4 1.1.1.1 1.1.1.1 +1 1", Err(BadPort));
    line("PROXY TCP4 1.1.1.1 1.1.1.1 1 -1", Err(BadPort));
    check(b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n", Err(BadLineEnd));
    check(b"PROXY TCP4 1.1.1.1\n1.1.1.1 1 1\r\n", Err(BadLineEnd));
    check(
        &[b"PROXY ", &b"x".repeat(101)[..]].concat(),
        Err(BadLineEnd),
    );
}

#[test]
fn what_does_not_begin_as_a_header_is_none_at_its_first_other_byte() {
    for text in [
        "GET / HTTP/1.1",
        "P",
        "PROX",
        "PROXY\t",
        "proxy ",
        "\r\n\r\n\r\n",
        "\r\nx",
    ] {
        let bytes = [text.as_bytes(), b"!"].concat();
        check(&bytes, Err(HeaderError::NoSignature));
    }
    assert_eq!(decode(b""), Ok(Decoded::Partial));
}

const SIGNATURE: &[u8] = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a";

/// A header of version 2 with a length that is right.
fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

const INET: &[u8] = b"\xc0\x00\x02\x07\xc6\x33\x64\x01\xc7\x38\x01\xbb";

#[test]
fn section_2_2_each_family_tells_both_ends() {
    let ends = Ok(Some(("192.0.2.7:51000", "198.51.100.1:443")));
    check(&binary(0x21, 0x11, INET), ends.clone());
    check(&binary(0x21, 0x12, INET), ends);
    let inet6 = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\
                  \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xc7\x38\x01\xbb";
    let ends = Ok(Some(("[2001:db8::7]:51000", "[::1]:443")));
    check(&binary(0x21, 0x21, inet6), ends.clone());
    check(&binary(0x21, 0x22, inet6), ends);
    let unix = |source: &[u8], destination: &[u8]| {
        let mut block = source.to_vec();
        block.resize(108, 0);
        block.extend_from_slice(destination);
        block.resize(216, 0);
        block
    };
    let block = unix(b"/run/client", b"/run/server");
    check(
        &binary(0x21, 0x31, &block),
        Ok(Some(("unix:/run/client", "unix:/run/server"))),
    );
    let block = unix(b"", b"\0name");
    check(
        &binary(0x21, 0x32, &block),
        Ok(Some(("unix:", "unix:@name"))),
    );
    let full = unix(&[b'x'; 108], b"a\0b");
    let long = format!("unix:{}", "x".repeat(108));
    check(&binary(0x21, 0x31, &full), Ok(Some((&long, "unix:a"))));
}

#[test]
fn section_2_2_local_and_unspecified_mean_the_real_ends() {
    check(&binary(0x20, 0x00, b""), Ok(None));
    // Even with a family that would be refused, and bytes that mean nothing.
    check(&binary(0x20, 0xff, b"anything"), Ok(None));
    check(&binary(0x20, 0x11, INET), Ok(None));
    check(&binary(0x21, 0x00, b""), Ok(None));
    check(&binary(0x21, 0x00, b"\x04\0\xffcut"), Ok(None));
    let Ok(Decoded::Header(16, local)) = decode(&binary(0x20, 0, b"")) else {
        panic!("a header of 16 bytes");
    };
    assert!(local.is_local() && !local.is_datagram());
    assert_eq!(local.version(), Version::V2);
}

#[test]
fn section_2_2_what_is_not_assigned_is_refused_at_its_byte() {
    use HeaderError::{BadCommand, BadFamily, BadVersion, TooLong, TooShort};
    check(&binary(0x11, 0x11, INET), Err(BadVersion(1)));
    check(&binary(0x31, 0x11, INET), Err(BadVersion(3)));
    check(&binary(0x22, 0x11, INET), Err(BadCommand(2)));
    check(&binary(0x2f, 0x11, INET), Err(BadCommand(15)));
    for family in [0x01, 0x02, 0x10, 0x13, 0x20, 0x30, 0x33, 0x41, 0xff] {
        check(&binary(0x21, family, &[0; 300]), Err(BadFamily(family)));
    }
    check(&binary(0x21, 0x11, &INET[..11]), Err(TooShort(11)));
    check(&binary(0x21, 0x21, &[0; 35]), Err(TooShort(35)));
    check(&binary(0x21, 0x31, &[0; 215]), Err(TooShort(215)));
    check(&binary(0x21, 0x11, &[4; 4097]), Err(TooLong(4097)));
    check(&binary(0x20, 0x00, &[4; 65535]), Err(TooLong(65535)));
}

#[test]
fn section_2_2_2_tlvs_follow_the_addresses() {
    let tlvs = b"\x01\0\x02h2\x02\0\x0bexample.com\x05\0\x03\x00\x01\x02\x04\0\x00\xe0\0\x01!";
    let bytes = binary(0x21, 0x11, &[INET, tlvs].concat());
    check(&bytes, Ok(Some(("192.0.2.7:51000", "198.51.100.1:443"))));
    let Ok(Decoded::Header(_, header)) = decode(&bytes) else {
        panic!("a header");
    };
    assert_eq!(header.alpn(), Some(&b"h2"[..]));
    assert_eq!(header.authority(), Some(&b"example.com"[..]));
    assert_eq!(header.unique_id(), Some(&b"\x00\x01\x02"[..]));
    assert_eq!(header.tlv(TlvKind(0xe0)), Some(&b"!"[..]));
    assert_eq!(header.tlv(TlvKind::SSL), None);
    assert_eq!(header.tlvs().count(), 5);
}

#[test]
fn section_2_2_2_a_tlv_that_is_not_whole_is_refused() {
    for tlvs in [
        &b"\x01"[..],
        b"\x01\0",
        b"\x01\0\x01",
        b"\x01\0\x00\x04\xff\xffabc",
    ] {
        let bytes = binary(0x21, 0x11, &[INET, tlvs].concat());
        check(&bytes, Err(HeaderError::BadTlv));
    }
    let unique_id = |len: u8| [INET, &[5, 0, len], &vec![b'u'; len.into()]].concat();
    check(
        &binary(0x21, 0x11, &unique_id(128)),
        Ok(Some(("192.0.2.7:51000", "198.51.100.1:443"))),
    );
    check(
        &binary(0x21, 0x11, &unique_id(129)),
        Err(HeaderError::BadTlv),
    );
}

#[test]
fn section_2_2_3_a_checksum_is_checked() {
    let header = Header::proxied(inet("192.0.2.7:51000"), inet("198.51.100.1:443"))
        .with_tlv(TlvKind::ALPN, b"h2")
        .with_checksum()
        .with_tlv(TlvKind::NOOP, b"...");
    let mut bytes = Vec::new();
    encode_v2(&header, &mut bytes).unwrap();
    check(&bytes, Ok(Some(("192.0.2.7:51000", "198.51.100.1:443"))));
    // Every bit that changes is seen: as a wrong sum, or as something worse.
    for bit in 12 * 8..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let seen = decode(&changed);
        let is_local = changed[12] == 0x20;
        let has_no_sum_left = changed[13] == 0x00 || changed[33] != 0x03;
        let is_seen = matches!(seen, Err(_) | Ok(Decoded::Partial));
        assert!(
            is_seen || is_local || has_no_sum_left,
            "bit {bit}: {seen:?}"
        );
    }
    let short = binary(0x21, 0x11, &[INET, b"\x03\0\x03abc"].concat());
    check(&short, Err(HeaderError::BadTlv));
    let wrong = binary(0x21, 0x11, &[INET, b"\x03\0\x04abcd"].concat());
    check(&wrong, Err(HeaderError::BadChecksum));
}

// ---- encoder and decoder are each other's oracle

fn inet(text: &str) -> Address {
    Address::Inet(text.parse().unwrap())
}

/// Numbers without an end, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn bytes(&mut self, len_max: u64) -> Vec<u8> {
        (0..self.below(len_max))
            .map(|_| self.next() as u8)
            .collect()
    }

    fn v4(&mut self) -> Address {
        let ip = std::net::Ipv4Addr::from(self.next() as u32);
        Address::Inet((ip, self.next() as u16).into())
    }

    fn v6(&mut self) -> Address {
        let ip = u128::from(self.next()) << 64 | u128::from(self.next() >> self.below(64));
        Address::Inet((std::net::Ipv6Addr::from(ip), self.next() as u16).into())
    }

    fn unix(&mut self) -> Address {
        let name: Vec<u8> = self.bytes(100).into_iter().map(|byte| byte | 1).collect();
        let path = || String::from_utf8_lossy(&name[..name.len().min(30)]).into_owned();
        Address::Unix(match self.below(3) {
            0 if !name.is_empty() => UnixAddress::Path(path().into()),
            1 if !name.is_empty() => UnixAddress::Abstract(name),
            _ => UnixAddress::Unnamed,
        })
    }

    fn header(&mut self) -> Header {
        let header = match self.below(5) {
            0 => Header::proxied(self.v4(), self.v4()),
            1 => Header::proxied(self.v6(), self.v6()),
            2 => Header::proxied(self.unix(), self.unix()),
            3 => return Header::local(),
            _ => return Header::unknown(),
        };
        (0..self.below(5)).fold(header, |header, _| {
            let kind = TlvKind(0xe0 + self.below(8) as u8);
            header.with_tlv(kind, &self.bytes(300))
        })
    }
}

#[test]
fn what_is_encoded_in_binary_is_decoded_as_it_was() {
    let mut numbers = Numbers(0x5eed);
    for _ in 0..2000 {
        let header = numbers.header();
        let mut bytes = b"before".to_vec();
        encode_v2(&header, &mut bytes).unwrap();
        let bytes = &bytes[6..];
        assert_eq!(decode(bytes), Ok(Decoded::Header(bytes.len(), header)));
        let cut = numbers.below(bytes.len() as u64) as usize;
        assert_eq!(decode(&bytes[..cut]), Ok(Decoded::Partial));
    }
}

#[test]
fn what_is_encoded_as_a_line_is_decoded_as_it_was() {
    let mut numbers = Numbers(0x5eed);
    for _ in 0..2000 {
        let header = numbers.header();
        let mut bytes = Vec::new();
        encode_v1(&header, &mut bytes);
        let Ok(Decoded::Header(used, decoded)) = decode(&bytes) else {
            panic!("{}", bytes.escape_ascii());
        };
        assert_eq!(used, bytes.len());
        assert_eq!(decoded.version(), Version::V1);
        let is_inet = header.source().is_some_and(|source| source.ip().is_some());
        let expected = is_inet.then(|| (header.source(), header.destination()));
        let found = decoded
            .source()
            .map(|source| (Some(source), decoded.destination()));
        assert_eq!(found, expected);
    }
}

#[test]
fn ends_of_two_families_are_told_as_far_as_they_can() {
    let mixed = Header::proxied(inet("192.0.2.7:1"), inet("[2001:db8::1]:2"));
    let mut bytes = Vec::new();
    encode_v1(&mixed, &mut bytes);
    assert_eq!(bytes, b"PROXY UNKNOWN\r\n");
    bytes.clear();
    encode_v2(&mixed, &mut bytes).unwrap();
    check(
        &bytes,
        Ok(Some(("[::ffff:192.0.2.7]:1", "[2001:db8::1]:2"))),
    );
    bytes.clear();
    let unix = Address::Unix(UnixAddress::Unnamed);
    encode_v2(&Header::proxied(inet("192.0.2.7:1"), unix), &mut bytes).unwrap();
    check(&bytes, Ok(None));
}

#[test]
fn what_would_not_be_accepted_is_not_encoded() {
    let check = |header: Header, expected: EncodeError| {
        let mut bytes = b"before".to_vec();
        assert_eq!(encode_v2(&header, &mut bytes), Err(expected));
        assert_eq!(bytes, b"before");
    };
    let long = Address::Unix(UnixAddress::Path("x".repeat(109).into()));
    check(
        Header::proxied(long.clone(), long),
        EncodeError::PathTooLong(109),
    );
    let header = Header::proxied(inet("192.0.2.7:1"), inet("192.0.2.7:2"));
    check(
        header.with_tlv(TlvKind::NOOP, &[0; 4096]),
        EncodeError::TooLong(12 + 3 + 4096),
    );
}

#[test]
fn bytes_that_mean_nothing_are_never_a_panic() {
    let mut numbers = Numbers(0xbad);
    for _ in 0..20_000 {
        let prefix = [&b""[..], b"PROXY ", b"PROXY TCP4 ", SIGNATURE][numbers.below(4) as usize];
        let mut bytes = prefix.to_vec();
        if prefix == SIGNATURE {
            bytes.extend([0x20 + numbers.below(2) as u8, numbers.next() as u8 & 0x33]);
        }
        bytes.extend(numbers.bytes(400));
        if let Ok(Decoded::Header(used, header)) = decode(&bytes) {
            assert!(used <= bytes.len());
            assert!(header.tlvs().all(|tlv| tlv.value.len() < used));
        }
    }
}
