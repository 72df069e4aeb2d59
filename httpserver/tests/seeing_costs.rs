//! What it costs to be seen: in allocations, none.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::ready;
use std::io;

use allocation_counter::measure;
use squall_httpserver::{AccessLog, Config, Exchange, HttpServer, LogFormat, LogWriter};
use squall_ioloop::IoLoop;
use squall_iostream::{IoStream, memory};

const REQUESTS: u64 = 1000;
const REQUEST: &[u8] = b"GET /?a=b HTTP/1.1\r\nhost: a\r\nuser-agent: \"x\"\r\nreferer: y\r\n\r\n";

async fn ask(stream: &mut IoStream) {
    for _ in 0..REQUESTS {
        stream.write(REQUEST).unwrap();
        stream.read_until(b"hello", 1024).await.unwrap();
    }
}

/// How often is allocated for [`REQUESTS`] requests, both their ends included.
fn allocations(config: Config) -> u64 {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let server = HttpServer::with_config(&ioloop, config, |http: Exchange| {
        http.write("hello").unwrap();
        http.finish();
        ready(())
    });
    let (mut ours, theirs) = memory::pair(&ioloop, memory::Options::default());
    server.serve_stream(theirs);
    // Until all that is kept for the next request is there, and the log's buffer with it.
    ioloop.run_until(ask(&mut ours)).unwrap();
    ioloop.run_until(ask(&mut ours)).unwrap();
    let counted = measure(|| ioloop.run_until(ask(&mut ours)).unwrap());
    counted.count_total
}

/// With room for all lines, so that what is counted is the requests and not the thread that
/// writes.
fn logging(format: LogFormat) -> Config {
    let writer = LogWriter::new(io::sink()).with_buffer_bytes(10 << 20);
    let writer = writer.with_waiting_bytes_max(10 << 20);
    Config::default().with_access_log(AccessLog::new(format, writer))
}

#[test]
fn a_line_allocates_nothing_but_the_growth_of_its_buffer() {
    let least = allocations(Config::default());
    assert!(least >= REQUESTS, "the box of each request was not counted");
    // A buffer that doubles has grown in a few steps.
    const STEPS: u64 = 3;
    for format in [LogFormat::Tornado, LogFormat::Combined, LogFormat::Json] {
        let counted = allocations(logging(format));
        assert!(counted <= least + STEPS, "{format:?}: {counted}, {least}");
    }
}

#[test]
fn events_that_nobody_wants_allocate_nothing() {
    let least = allocations(Config::default());
    let unwanted = Config::default().with_access_log(AccessLog::tracing());
    assert_eq!(allocations(unwanted), least);
}
