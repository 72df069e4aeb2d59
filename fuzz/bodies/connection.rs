//! A server and a peer that does anything: writes any octets, in any pieces, waits, stops writing,
//! hangs up. In memory, on virtual time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use squall::http1::{ContentDecoder, ContentEvent, HeadDecoder, Limits, ResponseHead};
use squall::httpserver::{Config, Exchange, HttpServer};
use squall::ioloop::{IoLoop, sleep};
use squall::iostream::{StreamHandle, memory};

/// A peer's operations, each an octet; those that write have their octets behind them.
const WRITE_MAX: u8 = 200;
const WAIT_MAX: u8 = 240;
const SHUT: u8 = 240;
const CLOSE: u8 = 241;
const ABORT: u8 = 242;

/// A request as one write, or several, of operations.
#[allow(dead_code, reason = "for seeds")]
pub(crate) fn as_operations(wire: &[u8]) -> Vec<u8> {
    let mut operations = vec![0, 0];
    for piece in wire.chunks(usize::from(WRITE_MAX)) {
        operations.push(piece.len() as u8 - 1);
        operations.extend_from_slice(piece);
    }
    operations.push(SHUT);
    operations
}

/// The first octet says what the service does, the second how the network cuts; operations follow.
pub(crate) fn check(data: &[u8]) {
    let [habit, cut, operations @ ..] = data else {
        return;
    };
    let ioloop = IoLoop::builder().virtual_clock().build().expect("a loop");
    let served = Rc::new(Cell::new(0_u32));
    let server = serve(&ioloop, *habit, served.clone());
    let options = memory::Options {
        read_bytes_max: if *cut < 128 {
            usize::MAX
        } else {
            usize::from(*cut - 127)
        },
        write_bytes_max: if *cut % 2 == 0 { usize::MAX } else { 7 },
        capacity: 4096,
        ..memory::Options::default()
    };
    let (mut peer, other) = memory::pair(&ioloop, options);
    server.serve_stream(other);
    let writer = peer.handle();
    let answers = Rc::new(RefCell::new(Vec::new()));
    let reader = ioloop.spawn({
        let answers = answers.clone();
        async move {
            while let Ok(bytes) = peer.read_some(4096).await {
                answers.borrow_mut().extend_from_slice(&bytes);
            }
        }
    });
    let said = act(&ioloop, &writer, operations);
    let _ = ioloop.run_until(reader).expect("the loop runs");
    ioloop
        .run_until(sleep(Duration::from_secs(3600)))
        .expect("the loop runs");
    assert_eq!(server.connection_count(), 0, "a connection stays for ever");
    read_answers(&answers.borrow(), served.get(), said);
}

/// A service with one of four habits, which numbers what it answers.
fn serve(ioloop: &IoLoop, habit: u8, served: Rc<Cell<u32>>) -> HttpServer {
    let limits = Limits::default().with_content_bytes_max(10_000);
    let config = Config::default().with_limits(limits);
    HttpServer::with_config(ioloop, config, move |http: Exchange| {
        let number = served.get() + 1;
        served.set(number);
        async move {
            let _ = answer(&http, number, habit % 4).await;
            http.finish();
        }
    })
}

async fn answer(http: &Exchange, number: u32, habit: u8) -> Result<(), squall::httpserver::Error> {
    let method = HeaderValue::from_str(http.method().as_str()).expect("a token");
    http.set_header(
        HeaderName::from_static("x-number"),
        HeaderValue::from(number),
    )?;
    http.set_header(HeaderName::from_static("x-method"), method)?;
    match habit {
        0 => match http.content().await {
            Ok(content) => http.write(content),
            Err(error) => http.set_status(error.status()),
        },
        1 => http.write("without having read"),
        2 => {
            http.flush().await?;
            while let Some(piece) = http.chunk().await? {
                http.write(piece)?;
                http.flush().await?;
            }
            Ok(())
        }
        _ => {
            sleep(Duration::from_secs(1)).await;
            http.write("late")
        }
    }
}

/// Does what the operations say; returns how much was written.
fn act(ioloop: &IoLoop, writer: &StreamHandle, mut operations: &[u8]) -> usize {
    let mut said = 0;
    while let [operation, rest @ ..] = operations {
        operations = rest;
        match *operation {
            ..WRITE_MAX => {
                let len = (usize::from(*operation) + 1).min(operations.len());
                let (piece, rest) = operations.split_at(len);
                operations = rest;
                // Fails only if the server has closed.
                if writer.write(piece).is_ok() {
                    said += len;
                }
                writer.flush();
            }
            WRITE_MAX..WAIT_MAX => {
                let seconds = u64::from(*operation - WRITE_MAX) * 3;
                ioloop
                    .run_until(sleep(Duration::from_secs(seconds)))
                    .expect("the loop runs");
            }
            SHUT => {
                let writer = writer.clone();
                ioloop.spawn_detached(async move { drop(writer.shutdown_write().await) });
            }
            CLOSE => writer.close(),
            ABORT => writer.abort(),
            _ => {}
        }
        ioloop.run_ready(20).expect("the loop runs");
    }
    said
}

/// The peer takes the answers apart as a client does that believes nothing.
fn read_answers(mut input: &[u8], served: u32, said: usize) {
    let (mut last, mut is_refused, mut content_bytes) = (0, false, 0);
    let mut head = ResponseHead::new();
    let limits = Limits::default();
    while !input.is_empty() {
        assert!(!is_refused, "an answer behind the one that closes");
        let used = HeadDecoder::new().decode_response(input, &mut head, &limits);
        // An answer that was broken off by the peer's own doing.
        let Some(used) = used.expect("what a server says is HTTP") else {
            return;
        };
        input = &input[used..];
        if head.status().is_informational() {
            continue;
        }
        let method = match head.field("x-number") {
            Some(number) => {
                let number: u32 = std::str::from_utf8(number)
                    .expect("digits")
                    .parse()
                    .expect("digits");
                assert!(
                    number > last && number <= served,
                    "answer {number} behind {last} of {served}"
                );
                last = number;
                Method::from_bytes(head.field("x-method").expect("both")).expect("a method")
            }
            // The server's own: to what was no request, or to one whose service has failed.
            None => {
                is_refused = !head.keep_alive();
                assert!(head.status().as_u16() >= 400, "{}", head.status());
                Method::GET
            }
        };
        let framing = head.framing(&method).expect("an answer whose end is known");
        let mut decoder = ContentDecoder::new(framing);
        loop {
            let step = decoder.decode(input, &limits);
            let (used, event) = step.expect("content as announced");
            input = &input[used..];
            match event {
                ContentEvent::Data(data) => content_bytes += data.len(),
                ContentEvent::End => break,
                // Broken off, or ended by the end of the connection: nothing may follow.
                ContentEvent::Partial => {
                    assert!(input.is_empty(), "half a content, and more");
                    break;
                }
            }
        }
    }
    // An echo, or a sentence for each request.
    assert!(
        content_bytes <= said + 64 * (served as usize + 1),
        "more than was said"
    );
}
