//! What a head costs: decode and encode, small and as a browser sends it.
//!
//! Run with `cargo bench --bench http1_head`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use squall::http1::{
    ContentDecoder, ContentEvent, Framing, HeadDecoder, Limits, RequestHead, Version,
    answer_framing, encode_field, encode_head_end, encode_status_line,
};

const SMALL: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8888\r\n\r\n";

const BROWSER: &[u8] = b"GET /user/42?from=search HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://www.example.com/search?q=squall\r\n\
    Cookie: session=2f9d1c0b7a6e5d4c3b2a190807060504; theme=dark\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Connection: keep-alive\r\n\r\n";

fn decode_heads(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode head");
    for (name, input) in [("small", SMALL), ("browser", BROWSER)] {
        let limits = Limits::default();
        let mut decoder = HeadDecoder::new();
        let mut head = RequestHead::new();
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let used = decoder
                    .decode(black_box(input), &mut head, &limits)
                    .expect("a good head");
                assert_eq!(used, Some(input.len()));
                black_box(head.path().len())
            });
        });
    }
    group.finish();
}

fn decode_chunks(c: &mut Criterion) {
    let mut input = Vec::new();
    for _ in 0..16 {
        squall::http1::encode_chunk(&mut input, &[b'x'; 1024]);
    }
    squall::http1::encode_last_chunk(&mut input, None);
    let limits = Limits::default();
    c.bench_function("decode 16 chunks of 1 KiB", |b| {
        b.iter(|| {
            let mut decoder = ContentDecoder::new(Framing::Chunked);
            let mut at = 0;
            let mut total = 0;
            loop {
                let (used, event) = decoder
                    .decode(black_box(&input[at..]), &limits)
                    .expect("good chunks");
                at += used;
                match event {
                    ContentEvent::Data(data) => total += data.len(),
                    ContentEvent::End => break,
                    ContentEvent::Partial => unreachable!("all of it is there"),
                }
            }
            assert_eq!(total, 16 * 1024);
        });
    });
}

fn encode_answer(c: &mut Criterion) {
    let text = HeaderValue::from_static("text/plain");
    let mut out = Vec::new();
    c.bench_function("encode an answer's head", |b| {
        b.iter(|| {
            out.clear();
            encode_status_line(&mut out, black_box(StatusCode::OK));
            encode_field(&mut out, &CONTENT_TYPE, &text);
            answer_framing(&Method::GET, Version::Http11, StatusCode::OK, Some(13))
                .encode(&mut out);
            encode_head_end(&mut out);
            black_box(out.len())
        });
    });
}

criterion_group!(benches, decode_heads, decode_chunks, encode_answer);
criterion_main!(benches);
