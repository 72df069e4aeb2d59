//! What the encoder says the decoder understands, and the other way round.

mod reader;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reader::{Random, Said, hear, hear_responses};
use squall_http1::{
    CHUNK_END, Framing, Version, answer_framing, encode_chunk, encode_chunk_head,
    encode_content_length, encode_field, encode_fields, encode_head_end, encode_last_chunk,
    encode_request_head, encode_request_line, encode_status_line, encode_status_line_with_reason,
    encode_transfer_encoding_chunked,
};

const NAME: &[u8] = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";

/// A field with a name nobody gives a meaning to.
fn any_field(random: &mut Random) -> (HeaderName, HeaderValue) {
    let len = 1 + random.below(20);
    let name = [b"x-", &random.octets(NAME, len)[..]].concat();
    let text: Vec<u8> = (0x20..0x7f).chain(0x80..=0xff).chain([b'\t']).collect();
    let len = random.below(80);
    let value = random.octets(&text, len);
    let name = HeaderName::from_bytes(&name).expect("octets of a name");
    let value = HeaderValue::from_bytes(value.trim_ascii()).expect("octets of a value");
    (name, value)
}

fn any_fields(random: &mut Random) -> Vec<(HeaderName, HeaderValue)> {
    (0..random.below(12)).map(|_| any_field(random)).collect()
}

fn as_heard(fields: &[(HeaderName, HeaderValue)]) -> Vec<(String, Vec<u8>)> {
    let owned =
        |(name, value): &(HeaderName, HeaderValue)| (name.to_string(), value.as_bytes().to_vec());
    fields.iter().map(owned).collect()
}

/// Any content, in the pieces it is written in.
fn any_content(random: &mut Random) -> Vec<Vec<u8>> {
    let all: Vec<u8> = (0..=255).collect();
    let lens = [0, 1, 2, 15, 16, 17, 255, 256, 4095, 4096];
    (0..random.below(6))
        .map(|_| {
            let len = *random.pick(&lens);
            random.octets(&all, len)
        })
        .collect()
}

fn encode_chunks(out: &mut Vec<u8>, pieces: &[Vec<u8>]) {
    for (i, piece) in pieces.iter().enumerate() {
        if i % 2 == 0 || piece.is_empty() {
            encode_chunk(out, piece);
        } else {
            // As a vectored write would.
            encode_chunk_head(out, piece.len());
            out.extend_from_slice(piece);
            out.extend_from_slice(CHUNK_END);
        }
    }
}

/// Somewhere in the wire the input is cut.
fn cut<'a>(random: &mut Random, wire: &'a [u8]) -> [&'a [u8]; 2] {
    let (one, two) = wire.split_at(random.below(wire.len()));
    [one, two]
}

#[test]
fn requests_are_heard_as_they_were_sent() {
    let visible: Vec<u8> = (0x21..0x7f).collect();
    let methods = [
        Method::GET,
        Method::PUT,
        Method::DELETE,
        Method::from_bytes(b"M-X!").unwrap(),
    ];
    for seed in 0..500 {
        let mut random = Random::new(seed);
        let (mut wire, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..1 + random.below(4) {
            let len = random.below(60);
            let target = [b"/", &random.octets(&visible, len)[..]].concat();
            let target = String::from_utf8(target).unwrap();
            let method = random.pick(&methods).clone();
            let mut fields = vec![(
                http::header::HOST,
                HeaderValue::from_static("example.com:80"),
            )];
            fields.extend(any_fields(&mut random));
            let pieces = any_content(&mut random);
            let content = pieces.concat();
            encode_request_line(&mut wire, &method, &target).unwrap();
            for (name, value) in &fields {
                encode_field(&mut wire, name, value);
            }
            let mut heard = as_heard(&fields);
            let mut trailers = Vec::new();
            let framing = *random.pick(&[
                Framing::None,
                Framing::Length(content.len() as u64),
                Framing::Chunked,
            ]);
            match framing {
                Framing::Length(length) => {
                    encode_content_length(&mut wire, length);
                    heard.push(("content-length".into(), length.to_string().into_bytes()));
                    encode_head_end(&mut wire);
                    wire.extend_from_slice(&content);
                }
                Framing::Chunked => {
                    encode_transfer_encoding_chunked(&mut wire);
                    heard.push(("transfer-encoding".into(), b"chunked".to_vec()));
                    encode_head_end(&mut wire);
                    encode_chunks(&mut wire, &pieces);
                    let (name, value) = any_field(&mut random);
                    trailers = as_heard(&[(name.clone(), value.clone())]);
                    encode_last_chunk(&mut wire, Some(&HeaderMap::from_iter([(name, value)])));
                }
                _ => encode_head_end(&mut wire),
            }
            let content = if framing == Framing::None {
                Vec::new()
            } else {
                content
            };
            expected.push(Said::Head(
                format!("{method} {target} HTTP/1.1"),
                heard,
                framing,
            ));
            expected.push(Said::Content(content, trailers));
        }
        assert_eq!(hear(cut(&mut random, &wire)), expected, "seed {seed}");
    }
}

#[test]
fn responses_are_heard_as_they_were_answered() {
    let statuses = [
        100, 103, 200, 201, 204, 205, 206, 304, 404, 418, 500, 599, 799,
    ];
    for seed in 0..500 {
        let mut random = Random::new(seed);
        let method = random
            .pick(&[Method::GET, Method::HEAD, Method::POST, Method::CONNECT])
            .clone();
        let version = *random.pick(&[Version::Http10, Version::Http11]);
        let status = StatusCode::from_u16(*random.pick(&statuses)).unwrap();
        let fields = any_fields(&mut random);
        let pieces = any_content(&mut random);
        let content = pieces.concat();
        let known = (random.below(2) == 0).then_some(content.len() as u64);
        let answer = answer_framing(&method, version, status, known);

        let mut wire = Vec::new();
        let mut reason = status.canonical_reason().unwrap_or("").to_owned();
        if random.below(2) == 0 {
            encode_status_line(&mut wire, status);
        } else {
            reason = "Très bien".to_owned();
            let reason = HeaderValue::from_bytes(reason.as_bytes()).unwrap();
            encode_status_line_with_reason(&mut wire, status, &reason);
        }
        for (name, value) in &fields {
            encode_field(&mut wire, name, value);
        }
        answer.encode(&mut wire);
        encode_head_end(&mut wire);
        match (answer.has_content, answer.announced) {
            (false, _) => {}
            (true, Framing::Chunked) => {
                encode_chunks(&mut wire, &pieces);
                encode_last_chunk(&mut wire, None);
            }
            (true, _) => wire.extend_from_slice(&content),
        }

        let heard = hear_responses(cut(&mut random, &wire), &method);
        let [
            Said::Head(line, found_fields, framing),
            Said::Content(found, _),
        ] = &heard[..]
        else {
            panic!("seed {seed}: {heard:?}");
        };
        assert_eq!(
            *line,
            format!("HTTP/1.1 {} {reason}", status.as_str()),
            "seed {seed}"
        );
        assert_eq!(
            found_fields[..fields.len()],
            as_heard(&fields),
            "seed {seed}"
        );
        let expected = if answer.has_content {
            &content[..]
        } else {
            b""
        };
        assert_eq!(found, expected, "seed {seed}");
        if answer.has_content {
            assert_eq!(*framing, answer.announced, "seed {seed}");
        }
    }
}

#[test]
fn a_whole_request_head() {
    let mut fields = HeaderMap::new();
    fields.insert("host", HeaderValue::from_static("a"));
    fields.append("x", HeaderValue::from_static("1"));
    fields.append("x", HeaderValue::from_static("2"));
    let mut wire = Vec::new();
    encode_request_head(&mut wire, &Method::GET, "http://a/b", &fields).unwrap();
    assert_eq!(
        wire,
        b"GET http://a/b HTTP/1.1\r\nhost: a\r\nx: 1\r\nx: 2\r\n\r\n"
    );
}

#[test]
fn rfc9112_3_2_targets_that_would_break_the_line_are_not_sent() {
    let mut wire = b"before".to_vec();
    for target in [
        "", " ", "/a b", "/\r\n", "/\n", "/\t", "/é", "/\0", "/\u{7f}",
    ] {
        let refused = encode_request_line(&mut wire, &Method::GET, target);
        assert!(refused.is_err(), "{target:?}");
    }
    assert_eq!(wire, b"before");
}

#[test]
fn rfc9112_7_1_chunk_sizes_of_every_width() {
    let mut out = Vec::new();
    for shift in 0..usize::BITS {
        for len in [1 << shift, usize::MAX >> shift] {
            out.clear();
            encode_chunk_head(&mut out, len);
            assert_eq!(out, format!("{len:x}\r\n").into_bytes());
        }
    }
}

#[test]
fn rfc9110_5_3_fields_of_one_name_stay_apart_and_in_order() {
    let mut fields = HeaderMap::new();
    for cookie in ["a=1", "b=2", "c=3"] {
        fields.append(http::header::SET_COOKIE, HeaderValue::from_static(cookie));
    }
    let mut out = Vec::new();
    encode_fields(&mut out, &fields);
    assert_eq!(
        out,
        b"set-cookie: a=1\r\nset-cookie: b=2\r\nset-cookie: c=3\r\n"
    );
}
