//! What a frame costs: decode with its mask, encode, and the mask alone.
//!
//! Run with `cargo bench --bench websocket_frames`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use squall::websocket::{Event, Limits, Message, Protocol, Role, encode_message, mask};

const KEY: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

fn masked(message: Message<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_message(&mut frame, message, Some(KEY));
    frame
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode frame");
    for size in [16, 64, 1024, 16 * 1024] {
        let text = "a".repeat(size);
        let frame = masked(Message::Text(&text));
        let mut protocol = Protocol::new(Role::Server, Limits::default());
        let mut input = frame.clone();
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::new("text", size), &frame, |b, frame| {
            b.iter(|| {
                // Unmasked in place, so it is copied anew: a memcpy is part of the figure.
                input.copy_from_slice(frame);
                let (used, event) = protocol
                    .receive(black_box(&mut input))
                    .expect("a good frame");
                assert!(matches!(event, Some(Event::Text(text)) if text.len() == size));
                black_box(used)
            });
        });
    }
    group.finish();
}

fn decode_batch(c: &mut Criterion) {
    let batch = masked(Message::Text(&"a".repeat(64))).repeat(16);
    let mut protocol = Protocol::new(Role::Server, Limits::default());
    let mut input = batch.clone();
    c.bench_function("decode 16 frames of 64 B", |b| {
        b.iter(|| {
            input.copy_from_slice(&batch);
            let mut rest = &mut input[..];
            let mut messages = 0;
            loop {
                let (used, event) = protocol.receive(rest).expect("good frames");
                messages += usize::from(event.is_some());
                if used == 0 {
                    break;
                }
                rest = &mut rest[used..];
            }
            assert_eq!(messages, 16);
        });
    });
}

fn encode(c: &mut Criterion) {
    let text = "a".repeat(64);
    let mut out = Vec::new();
    c.bench_function("encode 64 B", |b| {
        b.iter(|| {
            out.clear();
            encode_message(&mut out, Message::Text(black_box(&text)), None);
            black_box(out.len())
        });
    });
}

fn mask_alone(c: &mut Criterion) {
    let mut group = c.benchmark_group("mask");
    for size in [20, 125, 1024, 16 * 1024] {
        let mut payload = vec![0x5a; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| mask(black_box(&mut payload), KEY, 0));
        });
    }
    group.finish();
}

criterion_group!(benches, decode, decode_batch, encode, mask_alone);
criterion_main!(benches);
