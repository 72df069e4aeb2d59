//! A server to test HTTP with, for anyone's suite: everything is answered, and everything that was
//! sent can be seen. Settings and limits are the defaults.
//!
//! Run `cargo run --release --example conformance -- PORT`.
//!
//! | path | answer |
//! |---|---|
//! | `/` and any other | 200, with the content that was sent, or else `OK`; whatever the method |
//! | `/echo` | the header lines, as they were sent |
//! | `/uri` | the request-target |
//! | `/cookie` | the cookies, one `name=value` a line |
//! | `/204`, `/304` | these statuses |
//! | `/alpha.txt` | the 26 letters; ranges and conditions are honoured |
//! | `/slow?ms=N` | `OK` after N milliseconds |
//! | `/big?bytes=N` | so many bytes, written as they are taken |
//! | `/panic` | 500, for the handler panics |

use std::io;
use std::rc::Rc;
use std::time::Duration;

use squall::ioloop::{IoLoop, sleep};
use squall::web::{
    Application, EntityTag, Exchange, HeaderValue, Method, Pattern, Representation, Result,
    StatusCode, header::CONTENT_TYPE,
};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");

/// Built here for `main`, and for `tests/conformance.rs`.
pub(crate) fn application() -> Application {
    let alpha = EntityTag::strong("alpha").expect("a word is a tag");
    let alpha = Representation::new("abcdefghijklmnopqrstuvwxyz")
        .with_content_type(TEXT)
        .with_entity_tag(alpha);
    let alpha = Rc::new(alpha);
    Application::new()
        .route_async("/echo", echo)
        .route_async("/uri", async |http| text(http, http.head().target()))
        .route_async("/cookie", cookie)
        .route_async("/204", async |http| http.set_status(StatusCode::NO_CONTENT))
        .route_async("/304", async |http| {
            http.set_status(StatusCode::NOT_MODIFIED)
        })
        .route_async("/alpha.txt", async move |http| {
            http.serve_content(&alpha).await
        })
        .route_async("/slow", slow)
        .route_async("/big", big)
        .route_async("/panic", async |_| panic!("as it was asked to"))
        // `*` and a CONNECT's target are no paths, and what a template matches is one.
        .route_async(Pattern::regex("(?s).*"), content)
}

/// The content that was sent. It has been read when this runs, here as everywhere above: content
/// that is broken gets its 400 on any path.
async fn content(http: &Exchange) -> Result {
    let content = http.content().await?;
    http.set_header(CONTENT_TYPE, TEXT)?;
    if content.is_empty() {
        http.write("OK")
    } else {
        http.write(content)
    }
}

/// Octets, for a value may have others than ASCII's. A head has no bare CR and no bare LF.
async fn echo(http: &Exchange) -> Result {
    let head = http.head().as_bytes();
    let lines = head.split(|octet| *octet == b'\n').skip(1);
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    http.set_header(CONTENT_TYPE, TEXT)?;
    for line in lines.filter(|line| !line.is_empty()) {
        http.write(line)?;
        http.write("\n")?;
    }
    Ok(())
}

async fn cookie(http: &Exchange) -> Result {
    let cookies = http.cookies();
    let lines: String = cookies
        .iter()
        .flat_map(|(name, value)| [name, "=", value, "\n"])
        .collect();
    text(http, &lines)
}

async fn slow(http: &Exchange) -> Result {
    let ms = http.argument_as("ms")?;
    sleep(Duration::from_millis(ms)).await;
    text(http, "OK")
}

/// What a client is slow to take is not written yet, so it costs a chunk of memory and no more.
async fn big(http: &Exchange) -> Result {
    const CHUNK: [u8; 16 * 1024] = [b'x'; 16 * 1024];
    let mut left: u64 = http.argument_as("bytes")?;
    http.set_header(CONTENT_TYPE, TEXT)?;
    if *http.method() == Method::HEAD {
        return Ok(()); // nothing is sent, so nothing would ever make this wait
    }
    while left > 0 {
        let piece = left.min(CHUNK.len() as u64);
        http.write(&CHUNK[..piece as usize])?;
        http.flush().await?;
        left -= piece;
    }
    Ok(())
}

fn text(http: &Exchange, text: &str) -> Result {
    http.set_header(CONTENT_TYPE, TEXT)?;
    http.write(text)
}

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let Some(port): Option<u16> = port else {
        eprintln!("usage: conformance PORT");
        std::process::exit(2);
    };
    let ioloop = IoLoop::new()?;
    application().listen(&ioloop, ("127.0.0.1", port))?;
    ioloop.run()
}
