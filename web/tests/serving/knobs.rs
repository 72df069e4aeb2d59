//! What a route says in place of the server: how much, how long, for whom.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use squall_ioloop::sleep;
use squall_web::{Application, Disconnect, Exchange, Method, Result, Route};

use crate::server::{check, check_page, connect, eventually, get, post, raw};

const SHORT: Duration = Duration::from_millis(20);

async fn never(_: &Exchange) -> Result {
    std::future::pending().await
}

async fn echo(http: &Exchange) -> Result {
    http.write(http.content().await?)
}

fn application() -> Application {
    Application::new()
        .add_route(Route::async_fn("/never", never).timeout(Some(SHORT)))
        .add_route(Route::async_fn("/small", echo).content_bytes_max(2))
        .add_route(Route::async_fn("/fast", echo).timeout_content(SHORT))
        .add_route(Route::async_fn("/soon", echo).timeout_content_total(SHORT))
        .route_async("/", echo)
}

#[test]
fn a_handler_that_never_answers_is_503() {
    let answer = get(application, "/never");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[test]
fn rfc9110_15_5_14_the_limit_of_a_route() {
    let text = "text/plain";
    check(
        &post(application, "/small", text, "hi"),
        "200 OK",
        &[],
        "hi",
    );
    let answer = post(application, "/small", text, "hi!");
    check_page(&answer, "413", "413: Payload Too Large");
    check(&post(application, "/", text, "hi!"), "200 OK", &[], "hi!");
}

#[test]
fn rfc9110_15_5_9_the_times_of_a_route() {
    for path in ["/fast", "/soon"] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\n");
        let answer = raw(application, &(head + "x"));
        check_page(&answer, "408", "408: Request Timeout");
    }
}

static CANCELLED: AtomicUsize = AtomicUsize::new(0);
static WORKED: AtomicUsize = AtomicUsize::new(0);

struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        CANCELLED.fetch_add(1, Ordering::Relaxed);
    }
}

fn policies() -> Application {
    let cancel = Route::async_fn("/cancel", async |http| {
        let _dropped = Dropped;
        http.write("begun")?;
        http.flush().await?;
        std::future::pending().await
    });
    let detach = Route::async_fn("/detach", async |http| {
        http.write("begun")?;
        http.flush().await?;
        http.closed().await;
        for _ in 0..20 {
            // Sooner or later the system says that nobody is there.
            http.write("more")?;
            http.flush().await?;
            sleep(Duration::from_millis(1)).await;
        }
        WORKED.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    Application::new()
        .add_route(cancel.methods([Method::GET]).disconnect(Disconnect::Cancel))
        .add_route(detach.disconnect(Disconnect::Detach))
}

/// Over sockets, since what is known of a peer is what the system says.
#[test]
fn the_policy_of_a_route_when_its_client_goes_away() {
    for (path, counter) in [("/cancel", &CANCELLED), ("/detach", &WORKED)] {
        let mut client = connect(policies);
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        // What waits behind it hides nothing.
        client.write_all(request.repeat(3).as_bytes()).unwrap();
        let mut begun = [0; 1];
        client.read_exact(&mut begun).unwrap();
        assert_eq!(counter.load(Ordering::Relaxed), 0);
        drop(client);
        eventually(|| counter.load(Ordering::Relaxed) == 1);
    }
}

#[cfg(feature = "compression")]
#[test]
fn rfc9110_8_4_1_a_route_may_decompress() {
    use crate::server::connect as open;

    fn decoding() -> Application {
        Application::new()
            .add_route(Route::async_fn("/", echo).decompression(true))
            .route_async("/raw", echo)
    }
    // A stored block of `hi`, in zlib's frame.
    let packed = [
        0x78, 0x01, 0x01, 2, 0, 0xfd, 0xff, b'h', b'i', 0x01, 0x3b, 0x00, 0xd2,
    ];
    for (path, expected) in [("/", &b"hi"[..]), ("/raw", &packed[..])] {
        let mut client = open(decoding);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             Content-Encoding: deflate\r\nContent-Length: {}\r\n\r\n",
            packed.len()
        );
        client.write_all(head.as_bytes()).unwrap();
        client.write_all(&packed).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert!(answer.ends_with(expected), "{path}: {answer:?}");
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{path}: {answer:?}");
    }
    let request = "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
                   Content-Encoding: compress\r\nContent-Length: 1\r\n\r\nx";
    let answer = raw(decoding, request);
    check(
        &answer,
        "415",
        &["accept-encoding: gzip, deflate, br, zstd"],
        "<html><title>415: Unsupported Media Type</title><body>415: Unsupported Media Type</body></html>",
    );
}
