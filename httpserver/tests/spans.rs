//! A `tracing` span around each request: what is in it, and what is inside it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::fmt::{Debug, Write};
use std::time::Duration;

use squall_httpserver::{Config, Exchange, HttpServer, RequestIds};
use squall_ioloop::{Handle, IoLoop, sleep};
use squall_iostream::memory;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    static SEEN: RefCell<Seen> = RefCell::default();
}

#[derive(Default)]
struct Seen {
    /// Names and fields of spans, by their ids, which begin with 1.
    spans: Vec<String>,
    entered: Vec<u64>,
    /// Each event's message, with the number of the span that it was in.
    events: Vec<(u64, String)>,
}

struct Recorder;

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "squall::request" || metadata.is_event()
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(String::new());
        span.record(&mut fields);
        SEEN.with_borrow_mut(|seen| {
            seen.spans
                .push(format!("{}: {}", span.metadata().name(), fields.0));
            Id::from_u64(seen.spans.len() as u64)
        })
    }

    fn record(&self, id: &Id, record: &Record<'_>) {
        let mut fields = Fields(String::new());
        record.record(&mut fields);
        SEEN.with_borrow_mut(|seen| seen.spans[id.into_u64() as usize - 1].push_str(&fields.0));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        SEEN.with_borrow_mut(|seen| {
            let span = seen.entered.last().copied().unwrap_or(0);
            seen.events.push((span, fields.0));
        });
    }

    fn enter(&self, id: &Id) {
        SEEN.with_borrow_mut(|seen| seen.entered.push(id.into_u64()));
    }

    fn exit(&self, id: &Id) {
        SEEN.with_borrow_mut(|seen| assert_eq!(seen.entered.pop(), Some(id.into_u64())));
    }
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name()); // a string takes everything
    }
}

/// Serves these bytes with a subscriber that wants all, and says what that has seen.
fn watch<R: Future<Output = ()> + 'static>(
    input: &[u8],
    service: impl Fn(Exchange) -> R + 'static,
) -> Seen {
    SEEN.take();
    tracing::subscriber::with_default(Recorder, || {
        let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
        let ids = RequestIds::default().prefix("test");
        let config = Config::default().with_request_ids(ids);
        let server = HttpServer::with_config(&ioloop, config, service);
        let (mut ours, theirs) = memory::pair(&ioloop, memory::Options::default());
        server.serve_stream(theirs);
        ours.write(input).unwrap();
        ioloop
            .run_until(ours.read_until_close(usize::MAX))
            .unwrap()
            .unwrap();
    });
    let seen = SEEN.take();
    assert!(seen.entered.is_empty());
    seen
}

fn said(text: &str) -> String {
    format!("message={text} ")
}

#[test]
fn a_span_has_id_method_target_and_status() {
    let input = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\nDELETE /b HTTP/1.0\r\n\r\n";
    let seen = watch(input, |http: Exchange| async move {
        if http.head().path() == "/b" {
            http.set_status(http::StatusCode::NOT_FOUND).unwrap();
        }
        http.finish();
    });
    let expected = [
        "request: id=test-1 method=GET target=/a status=200 ",
        "request: id=test-2 method=DELETE target=/b status=404 ",
    ];
    assert_eq!(seen.spans, expected);
}

#[test]
fn what_a_peer_has_sent_is_escaped_and_cut() {
    let long = "a".repeat(2000);
    let input = format!("GET /\"\\{long} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let seen = watch(
        input.as_bytes(),
        |http: Exchange| async move { http.finish() },
    );
    let target = format!(r#"target=/\"\\{}... "#, &long[..509]);
    assert!(seen.spans[0].contains(&target), "{}", seen.spans[0]);
}

#[test]
fn events_of_a_service_are_inside_its_span_in_every_turn() {
    let input = b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let seen = watch(input, |http: Exchange| {
        tracing::info!("called");
        async move {
            tracing::info!("begun");
            sleep(Duration::from_millis(1)).await;
            tracing::info!("woken");
            http.finish();
            tracing::info!("over");
        }
    });
    let of = |span| ["called", "begun", "woken", "over"].map(|text| (span, said(text)));
    assert_eq!(seen.events, [of(1), of(2)].concat());
}

#[test]
fn what_a_callback_says_later_can_be_inside() {
    let input = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let seen = watch(input, |http: Exchange| {
        Handle::current().call_later(Duration::from_secs(1), move || {
            tracing::info!("outside");
            http.in_span(|| tracing::info!("inside"));
            http.finish();
        });
        std::future::ready(())
    });
    assert_eq!(seen.events, [(0, said("outside")), (1, said("inside"))]);
}

#[test]
fn a_panic_leaves_its_span() {
    let input = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let seen = watch(input, |_: Exchange| async move { panic!("a bug") });
    assert!(seen.spans[0].ends_with("status=500 "), "{:?}", seen.spans);
    assert!(matches!(&seen.events[..], [(1, line)] if line.contains("has panicked")));
}
