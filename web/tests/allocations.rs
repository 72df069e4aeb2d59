//! What a request costs in allocations: one box, and that is httpserver's as well.
#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::future;

use allocation_counter::measure;
use squall_httpserver::{Exchange, HttpServer, Service};
use squall_ioloop::IoLoop;
use squall_iostream::{IoStream, memory};
use squall_web::{
    Application, Asset, Exchange as WebExchange, RequestHandler, Result, StaticFiles,
};

const REQUESTS: u64 = 100;
const REQUEST: &[u8] = b"GET /user/42?name=Ann HTTP/1.1\r\nHost: test\r\n\r\n";

/// How often is allocated for [`REQUESTS`] requests of one connection, both its ends and the bare
/// service's box included.
fn allocations(service: impl Service) -> u64 {
    // On virtual time, since the text of a new second's date is allocated.
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let server = HttpServer::new(&ioloop, service);
    let (mut ours, theirs) = memory::pair(&ioloop, memory::Options::default());
    server.serve_stream(theirs);
    // Until all that is kept for the next request is there.
    ioloop.run_until(ask(&mut ours)).unwrap();
    let counted = measure(|| ioloop.run_until(ask(&mut ours)).unwrap());
    counted.count_total
}

async fn ask(stream: &mut IoStream) {
    for _ in 0..REQUESTS {
        stream.write(REQUEST).unwrap();
        let answer = stream.read_until(b"hello", 1024).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
}

/// Answers as little as a service can, with the one box it must return.
fn bare() -> impl Service {
    |http: Exchange| {
        http.write("hello").unwrap();
        http.finish();
        future::ready(())
    }
}

struct Hello;

impl RequestHandler for Hello {
    async fn get(&mut self, http: &WebExchange) -> Result {
        http.write("hello")
    }
}

#[test]
fn a_plain_request_costs_one_box() {
    let least = allocations(bare());
    assert!(least >= REQUESTS, "the box of each request was not counted");
    let handler = Application::new().route("/user/{id}", || Hello);
    assert_eq!(allocations(handler.into_service()), least);
    let function = Application::new().get("/user/{id}", async |http| http.write("hello"));
    assert_eq!(allocations(function.into_service()), least);
    let callback = Application::new().route_callback("/user/{id}", |http| {
        http.write("hello").unwrap();
        http.finish();
    });
    assert_eq!(allocations(callback.into_service()), least);
}

#[test]
fn an_argument_costs_its_text_and_nothing_more() {
    let least = allocations(bare());
    let borrowed = Application::new().get("/user/{id}", async |http| {
        assert_eq!(http.path_argument("id")?, "42");
        http.write("hello")
    });
    assert_eq!(allocations(borrowed.into_service()), least);
    let owned = Application::new().get("/user/{id}", async |http| {
        assert_eq!(http.argument("name")?, "Ann");
        http.write("hello")
    });
    assert_eq!(allocations(owned.into_service()), least + REQUESTS);
}

#[test]
fn a_file_in_memory_costs_no_more_than_a_word() {
    let least = allocations(bare());
    let files = StaticFiles::embedded([Asset::new("42", b"hello")]);
    let application = Application::new().static_files("/user/", files);
    assert_eq!(allocations(application.into_service()), least);
}

/// How many bytes stay with a connection that waits for its next request, when its last had a MiB
/// of content.
fn bytes_kept(application: Application) -> i64 {
    static CONTENT: [u8; 1 << 20] = [b'x'; 1 << 20];
    let ioloop = IoLoop::new().unwrap();
    let server = HttpServer::new(&ioloop, application.into_service());
    let counted = measure(|| {
        let (mut ours, theirs) = memory::pair(&ioloop, memory::Options::default());
        server.serve_stream(theirs);
        let answered = ioloop.run_until(async {
            let length = CONTENT.len();
            let head = format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n");
            ours.write(head.as_bytes()).unwrap();
            ours.write(&CONTENT).unwrap();
            ours.read_until(b"\r\n\r\n", 1024).await.unwrap();
        });
        answered.unwrap();
    });
    counted.bytes_current
}

#[test]
fn no_content_waits_for_the_next_request_whatever_ended_the_last() {
    const LITTLE: i64 = 512 * 1024;
    let answered = || Application::new().post("/", async |http| http.write("done"));
    let forgotten = || Application::new().route_callback("/", drop);
    let panicked = || Application::new().post("/", async |_| panic!("a bug"));
    // A first panic may load the names for its backtrace.
    bytes_kept(panicked());
    for application in [answered(), forgotten(), panicked()] {
        let kept = bytes_kept(application);
        assert!(kept < LITTLE, "{kept} B");
    }
}
