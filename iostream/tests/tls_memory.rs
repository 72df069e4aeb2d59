//! What an idle stream of TLS costs, and that it owns no buffer.

#![cfg(any(feature = "tls", feature = "tls-ring"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use allocation_counter::measure;
use ends::tls::{client_config, server_config, shake};
use ends::{LineRate, virtual_loop};
use squall_ioloop::IoLoop;
use squall_iostream::IoStream;
use squall_iostream::memory::{self, Options};
use squall_iostream::tls::TlsVersion;

/// The bar: user memory of an idle stream of TLS, in bytes.
const IDLE_BYTES_MAX: u64 = 6 * 1024;
/// As many as make a table's growth small beside them.
const STREAMS: u64 = 64;

async fn exchange(asking: &mut IoStream, answering: &mut IoStream) {
    asking.write(&[b'x'; 20_000]).unwrap();
    asking.flush();
    answering.read_bytes(20_000).await.unwrap();
    answering.write(b"ok").unwrap();
    answering.flush();
    asking.read_bytes(2).await.unwrap();
}

/// Bytes of one pair at rest, each end after one exchange. The ends in memory are part of it.
fn idle_bytes(ioloop: &IoLoop, mut make: impl FnMut() -> (IoStream, IoStream)) -> u64 {
    let mut run = |kept: &mut Vec<(IoStream, IoStream)>| {
        for _ in 0..STREAMS {
            let (mut one, mut other) = make();
            ioloop.run_until(exchange(&mut one, &mut other)).unwrap();
            kept.push((one, other));
        }
    };
    // What a loop has once: scratch, spare buffers, tables.
    let mut kept = Vec::with_capacity(2 * STREAMS as usize);
    run(&mut kept);
    let counted = measure(|| run(&mut kept));
    u64::try_from(counted.bytes_current).unwrap() / STREAMS
}

/// Bytes of a stream without its transport.
fn stream_bytes(ioloop: &IoLoop) -> u64 {
    let mut kept = Vec::with_capacity(STREAMS as usize);
    let counted = measure(|| {
        for _ in 0..STREAMS {
            kept.push(IoStream::new(ioloop, LineRate).unwrap());
        }
    });
    u64::try_from(counted.bytes_current).unwrap() / STREAMS
}

fn check(version: TlsVersion) {
    let ioloop = virtual_loop();
    let plain = idle_bytes(&ioloop, || memory::pair(&ioloop, Options::default()));
    // Without what both remember of sessions, which has a bound of its own.
    let acceptor = server_config().session_cache(0).build().unwrap();
    let connector = client_config().session_cache(0).max_version(version);
    let connector = connector.build().unwrap();
    let tls = idle_bytes(&ioloop, || {
        let ends = shake(
            &ioloop,
            Options::default(),
            &acceptor,
            &connector,
            "localhost",
        );
        (ends.0.unwrap(), ends.1.unwrap())
    });
    let stream = stream_bytes(&ioloop);
    let idle = (tls - plain) / 2 + stream;
    println!("{version}: {idle} bytes, of which {stream} are the stream's");
    assert!(
        stream > 0 && tls > plain && idle <= IDLE_BYTES_MAX,
        "{idle} bytes"
    );
}

#[test]
fn an_idle_stream_of_tls_1_3_costs_less_than_six_kilobytes() {
    check(TlsVersion::V1_3);
}

#[test]
fn an_idle_stream_of_tls_1_2_costs_less_than_six_kilobytes() {
    check(TlsVersion::V1_2);
}
