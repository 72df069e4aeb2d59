//! Content in a coding: RFC 9110, sections 8.4 and 15.5.16. Each is decoded however it is cut,
//! ends where it says, and stops at the limit.

#![cfg(feature = "compression")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::StatusCode;
use squall_http1::Limits;
use squall_httpserver::{Config, Error, Exchange, Service};
use squall_ioloop::yield_now;
use support::{AT_ONCE, Crlf, World, echo, statuses};

const TEXT: &[u8] = b"hello, hello, hello, hello";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    zstd_safe::compress(&mut out, bytes, 3).unwrap();
    out
}

/// What Node makes of [`TEXT`], of 20 MiB of zeros, and of [`TEXT`] with a large window, which is
/// none of RFC 7932's.
const BR: &str = "1b1900f88d946ede44095286966c2c6f314f24b0e300";
const BR_BOMB: &str =
    "cbffff3ff82700e2b14020f7fe8fffff7ff04f00c4611180eefd5ffeffffe09f0088c30200ddfb1f";
const BR_LARGE: &str = "115a6400e03752ba79132548195ab2b1bcc53c91801d07";

fn from_hex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn post(coding: &str, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = format!(
        "POST / HTTP/1.1\nhost: a\nconnection: close\n{coding}content-length: {length}\n\n"
    );
    [head.crlf().as_bytes(), content].concat()
}

fn in_chunks(coding: &str, content: &[u8]) -> Vec<u8> {
    let head = "POST / HTTP/1.1\nhost: a\nconnection: close\ntransfer-encoding: chunked\n";
    let mut request = format!("{head}{coding}\n").crlf().into_bytes();
    for chunk in content.chunks(5) {
        squall_http1::encode_chunk(&mut request, chunk);
    }
    squall_http1::encode_last_chunk(&mut request, None);
    request
}

async fn echo_in_pieces(http: Exchange) {
    loop {
        match http.chunk().await {
            Ok(Some(piece)) => http.write(piece).unwrap(),
            Ok(None) => break,
            Err(error) => {
                http.reset_response().unwrap();
                http.set_status(error.status()).unwrap();
                break;
            }
        }
    }
    http.finish();
}

fn world(service: impl Service) -> World {
    World::with_config(Config::default().with_decompression(true), service)
}

/// Sends `content` in one go and in chunks, cut at every byte, and expects this status, and this
/// content if it is 200.
#[track_caller]
fn check(coding: &str, content: &[u8], status: &str, expected: &[u8]) {
    let coding = format!("content-encoding: {coding}\n");
    let is_short = content.len() < 200;
    for world in [world(echo), world(echo_in_pieces)] {
        for request in [post(&coding, content), in_chunks(&coding, content)] {
            // Whatever is refused is refused for the same reason wherever it is cut.
            let step = if status == "200" { 1 } else { 13 };
            let cuts = if is_short { 0..request.len() } else { 0..1 };
            for cut in cuts.step_by(step) {
                let mut peer = world.connect();
                peer.write(&request[..cut]).unwrap();
                world.settle();
                peer.write(&request[cut..]).unwrap();
                let heard = world.run(peer.read_until_close(usize::MAX)).unwrap();
                let at = heard.windows(4).position(|end| end == b"\r\n\r\n");
                let (head, body) = heard.split_at(at.unwrap() + 4);
                let head = String::from_utf8_lossy(head);
                assert_eq!(statuses(&head), [status], "cut at {cut}");
                if status == "200" {
                    assert!(body == expected, "cut at {cut}: {} bytes", body.len());
                }
            }
        }
        world.assert_well();
    }
}

fn varied(length: u32) -> Vec<u8> {
    (0..length)
        .map(|n| (n.wrapping_mul(n) / 7 + n) as u8)
        .collect()
}

#[test]
fn rfc9110_8_4_1_gzip_in_one_member_or_many() {
    check("gzip", &gzip(TEXT), "200", TEXT);
    check("X-Gzip", &gzip(TEXT), "200", TEXT);
    check("gzip", &gzip(b""), "200", b"");
    let two = [gzip(TEXT), gzip(b""), gzip(b"!")].concat();
    check("gzip", &two, "200", b"hello, hello, hello, hello!");
    let long = varied(300_000);
    check("gzip", &gzip(&long), "200", &long);
}

#[test]
fn rfc9110_8_4_1_deflate_is_zlibs_format() {
    check("deflate", &deflate(TEXT), "200", TEXT);
    let long = varied(300_000);
    check("deflate", &deflate(&long), "200", &long);
    // Without its frame it is not.
    let whole = deflate(TEXT);
    check("deflate", &whole[2..whole.len() - 4], "400", b"");
}

#[test]
fn rfc7932_br() {
    check("br", &from_hex(BR), "200", TEXT);
    check("br", &from_hex(BR_LARGE), "400", b"");
}

#[test]
fn rfc8878_zstd_in_one_frame_or_many() {
    check("zstd", &zstd(TEXT), "200", TEXT);
    let two = [zstd(TEXT), zstd(b""), zstd(b"!")].concat();
    check("zstd", &two, "200", b"hello, hello, hello, hello!");
    let long = varied(300_000);
    check("zstd", &zstd(&long), "200", &long);
}

/// RFC 9659: a window of more than 8 MiB is refused before there is memory for it.
#[test]
fn rfc9659_a_zstd_window_has_its_limit() {
    // Magic, no content size, a window of 2 to the 10 + `exponent`, an empty last block.
    let frame = |exponent: u8| [0x28, 0xb5, 0x2f, 0xfd, 0x00, exponent << 3, 0x01, 0, 0];
    check("zstd", &frame(13), "200", b"");
    check("zstd", &frame(14), "400", b"");
    check("zstd", &frame(21), "400", b"");
}

#[test]
fn what_is_cut_off_or_followed_by_something_else_or_broken_is_400() {
    for (coding, whole) in [
        ("gzip", gzip(TEXT)),
        ("deflate", deflate(TEXT)),
        ("br", from_hex(BR)),
        ("zstd", zstd(TEXT)),
    ] {
        check(coding, &whole[..whole.len() - 1], "400", b"");
        check(coding, &whole[..1], "400", b"");
        check(coding, &[&whole[..], b"garbage"].concat(), "400", b"");
        check(coding, &[&whole[..], b"\0"].concat(), "400", b"");
        check(coding, b"hello, this is plain text", "400", b"");
    }
    for (coding, mut broken) in [("gzip", gzip(TEXT)), ("deflate", deflate(TEXT))] {
        // The checksum.
        let at = broken.len() - if coding == "gzip" { 8 } else { 4 };
        broken[at] ^= 1;
        check(coding, &broken, "400", b"");
    }
}

/// Each costs the sender 20 bytes, and us a decompressor.
#[test]
fn members_without_content_have_a_limit() {
    check("gzip", &gzip(b"").repeat(16), "200", b"");
    check("gzip", &gzip(b"").repeat(17), "400", b"");
}

#[test]
fn rfc9110_15_5_14_a_bomb_ends_at_the_limit_of_the_content() {
    let zeros = vec![0; 11 * 1024 * 1024];
    for (coding, bomb) in [
        ("gzip", gzip(&zeros)),
        ("deflate", deflate(&zeros)),
        ("zstd", zstd(&zeros)),
        ("br", from_hex(BR_BOMB)),
    ] {
        // Ten megabytes are what may be read, at most a piece more is inflated.
        let seen = Rc::new(Cell::new(0));
        let counter = seen.clone();
        let world = world(move |http: Exchange| {
            let counter = counter.clone();
            async move {
                let end = loop {
                    match http.chunk().await {
                        Ok(Some(piece)) => counter.set(counter.get() + piece.len()),
                        Ok(None) => unreachable!("it is a bomb"),
                        Err(error) => break error,
                    }
                };
                // And it stays so.
                assert!(matches!(http.content().await, Err(Error::Protocol(_))));
                http.set_status(end.status()).unwrap();
                http.finish();
            }
        });
        let heard = world.talk(post(&format!("content-encoding: {coding}\n"), &bomb));
        assert_eq!(statuses(&heard.text), ["413"], "{coding}");
        let limit = 10 * 1024 * 1024;
        assert!(
            (limit - 16 * 1024..=limit).contains(&seen.get()),
            "{coding}"
        );
        world.assert_well();
    }
}

#[test]
fn rfc9110_15_5_16_an_unknown_coding_is_415_and_told_which_would_do() {
    for coding in ["compress", "gzip, br", "gzip, gzip", "snappy"] {
        let world = world(echo);
        let request = post(&format!("content-encoding: {coding}\n"), b"hello");
        let heard = world.talk(request);
        assert_eq!(
            heard.text,
            "HTTP/1.1 415 Unsupported Media Type\naccept-encoding: gzip, deflate, br, zstd\n\
             content-length: 0\nconnection: close\n\n",
            "{coding}"
        );
    }
    // Another 415 is the service's own.
    let world = world(|http: Exchange| async move {
        http.set_status(StatusCode::UNSUPPORTED_MEDIA_TYPE).unwrap();
        http.finish();
    });
    let heard = world.talk(post("content-encoding: gzip\n", &gzip(TEXT)));
    assert!(!heard.text.contains("accept-encoding"), "{heard:?}");
}

#[test]
fn rfc9110_8_4_identity_and_no_content_need_no_decoding() {
    check("identity", TEXT, "200", TEXT);
    check("Identity, gzip", &gzip(TEXT), "200", TEXT);
    check("gzip", b"", "200", b"");
}

#[test]
fn content_stays_as_it_is_unless_somebody_asks() {
    let world = World::new(|http: Exchange| async move {
        http.set_decompression(http.head().path() == "/decoded");
        let length = http.content().await.unwrap().len();
        let _ = http.write(format!("{length} {}", http.decompresses_content()));
        http.finish();
    });
    let packed = gzip(TEXT);
    let request = post("content-encoding: gzip\n", &packed);
    let heard = world.talk(&request);
    assert!(
        heard.text.ends_with(&format!("\n\n{} false", packed.len())),
        "{heard:?}"
    );
    let decoded = [b"POST /decoded", &request["POST /".len()..]].concat();
    let heard = world.talk(decoded);
    assert!(
        heard.text.ends_with(&format!("\n\n{} true", TEXT.len())),
        "{heard:?}"
    );
}

/// The limit holds for what is sent, too, before any of it is read.
#[test]
fn a_length_above_the_limit_is_refused_before_it_is_read() {
    let config = Config::default()
        .with_decompression(true)
        .with_limits(Limits::default().with_content_bytes_max(100));
    let world = World::with_config(config, echo);
    let head = "POST / HTTP/1.1\nhost: a\ncontent-encoding: gzip\ncontent-length: 101\n\n";
    let heard = world.talk(head.crlf());
    assert_eq!(statuses(&heard.text), ["413"]);
    assert_ne!(heard.after, AT_ONCE); // It is little, and might have come.
}

#[test]
fn what_is_inflated_does_not_hold_the_loop() {
    const LENGTH: usize = 8 * 1024 * 1024;
    let config = Config::default().with_decompression(true);
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    let world = World::with_config(config, move |http: Exchange| {
        let flag = flag.clone();
        async move {
            assert_eq!(http.content().await.unwrap().len(), LENGTH);
            flag.set(true);
            http.finish();
        }
    });
    // All of it comes in one read.
    let bomb = gzip(&vec![0; LENGTH]);
    let request = post("content-encoding: gzip\n", &bomb);
    let peer = world.connect_with(squall_iostream::memory::Options {
        capacity: 1024 * 1024,
        ..squall_iostream::memory::Options::default()
    });
    peer.write(&request).unwrap();
    let turns = world.run(async {
        let mut turns = 0;
        while !done.get() {
            turns += 1;
            yield_now().await;
        }
        turns
    });
    assert!(turns >= LENGTH / (256 * 1024), "{turns} turns");
}

#[test]
fn the_next_request_is_read_as_it_is() {
    let world = world(echo);
    let packed = gzip(TEXT);
    let fields = format!(
        "content-encoding: gzip\ncontent-length: {}\n\n",
        packed.len()
    );
    let first = format!("POST / HTTP/1.1\nhost: a\n{fields}").crlf();
    let next = "POST / HTTP/1.1\nhost: a\ncontent-length: 2\n\nhi".crlf();
    let heard = world.talk([first.as_bytes(), &packed, next.as_bytes()].concat());
    assert_eq!(statuses(&heard.text), ["200", "200"]);
    assert!(heard.text.ends_with("\n\nhi"), "{heard:?}");
}

/// What is decoded has pauses, in which nobody else gets a part of it, and the connection waits.
#[test]
fn content_is_decoded_for_one_at_a_time() {
    const LENGTH: usize = 4 * 1024 * 1024;
    let read = Rc::new(Cell::new(0));
    let count = read.clone();
    let world = world(move |http: Exchange| {
        let count = count.clone();
        async move {
            let reader = http.clone();
            squall_ioloop::Handle::current().spawn_detached(async move {
                count.set(reader.content().await.unwrap().len());
            });
            yield_now().await;
            assert!(matches!(http.content().await, Err(Error::ContentTaken)));
            assert!(matches!(http.chunk().await, Err(Error::ContentTaken)));
            http.finish();
        }
    });
    let packed = gzip(&vec![0; LENGTH]);
    let head = format!(
        "POST / HTTP/1.1\nhost: a\ncontent-encoding: gzip\ncontent-length: {}\n\n",
        packed.len()
    );
    let next = "GET /well HTTP/1.0\n\n".crlf();
    let heard = world.talk([head.crlf().as_bytes(), &packed, next.as_bytes()].concat());
    assert_eq!(statuses(&heard.text), ["200", "200"]);
    assert_eq!(read.get(), LENGTH);
    world.assert_well();
}
