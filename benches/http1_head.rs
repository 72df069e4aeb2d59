//! What a head costs: decode and encode, small and as a browser sends it; and what
//! the scan alone costs another parser.
//!
//! Run with `cargo bench --bench http1_head`.

use std::hint::black_box;
use std::mem::MaybeUninit;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use squall::http1::{
    ContentDecoder, ContentEvent, Framing, HeadDecoder, Limits, RequestHead, Version,
    answer_framing, encode_field, encode_head_end, encode_status_line,
};

/// What the generator of `benches/peers` sends for `plain`.
const PLAIN: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// What it sends for `browser`: ten fields, 700 bytes.
const BROWSER: &[u8] = b"GET / HTTP/1.1\r\n\
    Host: 127.0.0.1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8,fr;q=0.7\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Cache-Control: max-age=0\r\n\
    Cookie: session=2|1:0|10:1763600000|7:session|24:c29tZS1zaWduZWQtdmFsdWU=|9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08; theme=dark; consent=1.0.2.3; returning=yes\r\n\
    Referer: http://127.0.0.1/articles/2026/11/the-path-of-a-request\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Mode: navigate\r\n\r\n";

const HEADS: [(&str, &[u8]); 2] = [("plain", PLAIN), ("browser", BROWSER)];

/// Ours: with every check, what the fields mean for the message, and a copy of the head.
fn decode_heads(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode head");
    for (name, input) in HEADS {
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

/// httparse's: where names and values are, and nothing else.
fn scan_heads_with_httparse(c: &mut Criterion) {
    let mut group = c.benchmark_group("httparse");
    for (name, input) in HEADS {
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut fields = [const { MaybeUninit::uninit() }; 100];
                let mut request = httparse::Request::new(&mut []);
                let status = request
                    .parse_with_uninit_headers(black_box(input), &mut fields)
                    .expect("a good head");
                assert_eq!(status, httparse::Status::Complete(input.len()));
                black_box(request.path.map(str::len))
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

criterion_group!(
    benches,
    decode_heads,
    scan_heads_with_httparse,
    decode_chunks,
    encode_answer
);
criterion_main!(benches);
