//! What the server answers. Right on `httpserver`, without a router in between: what a peer sends
//! is seen as the protocol lets it through.
//!
//! `cargo run --release --example trials -- 8888` serves it.

use std::cell::Cell;
use std::fmt::Write;
use std::rc::Rc;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::Serialize;
use squall::httpserver::{Error, Exchange, Service, ServiceFuture};
use squall::ioloop::sleep;

/// The service, and what it counts.
#[derive(Clone, Default)]
pub(crate) struct Routes {
    counts: Rc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Services that are at work.
    at_work: Cell<usize>,
    /// Peers that were gone before they had their answer.
    gone: Cell<usize>,
}

/// What `/counts` answers.
#[derive(Serialize)]
struct Told {
    at_work: usize,
    gone: usize,
}

/// What the application has seen of a request: method, target and, in hexadecimal, content. A
/// field, so that HEAD has it too.
const SEEN: HeaderName = HeaderName::from_static("x-seen");
const PIECE_BYTES: usize = 16 * 1024;

impl Service for Routes {
    fn serve(&self, http: Exchange) -> ServiceFuture {
        let routes = self.clone();
        Box::pin(async move {
            let _at_work = AtWork::begin(&routes.counts);
            let answered = routes.answer(&http).await;
            if let Err(error) = answered {
                refuse(&http, &error);
            }
            http.finish();
        })
    }
}

impl Routes {
    async fn answer(&self, http: &Exchange) -> Result<(), Error> {
        match http.head().path() {
            "/counts" => self.counts(http),
            // Content comes back piece by piece, is counted so, or whole.
            "/echo" => echo(http).await,
            "/sink" => sink(http).await,
            "/collect" => http.write(http.content().await?.len().to_string()),
            // An answer of so many bytes: flushed piece by piece, or written at once.
            "/big" => stream_bytes(http, number(http, "bytes")).await,
            "/whole" => http.write(vec![b'x'; number(http, "bytes")]),
            // An answer that lets its peer wait, or all peers.
            "/slow" => {
                sleep(milliseconds(http)).await;
                http.write("slow")
            }
            "/block" => {
                thread::sleep(milliseconds(http));
                http.write("blocked")
            }
            // Peers that go: while their answer is due, or while it is sent.
            "/never" => self.wait_for_end(http).await,
            "/drip" => self.drip(http).await,
            "/panic" => panic!("as it was asked for"),
            _ => tell_what_is_seen(http).await,
        }
    }

    fn counts(&self, http: &Exchange) -> Result<(), Error> {
        let told = Told {
            at_work: self.counts.at_work.get(),
            gone: self.counts.gone.get(),
        };
        http.write(json(&told))
    }

    async fn wait_for_end(&self, http: &Exchange) -> Result<(), Error> {
        http.closed().await;
        self.counts.gone.set(self.counts.gone.get() + 1);
        Ok(())
    }

    async fn drip(&self, http: &Exchange) -> Result<(), Error> {
        loop {
            let written = http.write(".");
            if let Err(error) = written.and(http.flush().await) {
                self.counts.gone.set(self.counts.gone.get() + 1);
                return Err(error);
            }
            sleep(milliseconds(http)).await;
        }
    }
}

/// Counts a service in, and out however it ends.
struct AtWork {
    counts: Rc<Counts>,
}

impl AtWork {
    fn begin(counts: &Rc<Counts>) -> Self {
        counts.at_work.set(counts.at_work.get() + 1);
        Self {
            counts: counts.clone(),
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.counts.at_work.set(self.counts.at_work.get() - 1);
    }
}

async fn echo(http: &Exchange) -> Result<(), Error> {
    while let Some(piece) = http.chunk().await? {
        http.write(piece)?;
        http.flush().await?;
    }
    Ok(())
}

async fn sink(http: &Exchange) -> Result<(), Error> {
    let mut count = 0;
    while let Some(piece) = http.chunk().await? {
        count += piece.len();
    }
    http.write(count.to_string())
}

async fn stream_bytes(http: &Exchange, mut bytes: usize) -> Result<(), Error> {
    let piece = vec![b'x'; PIECE_BYTES];
    while bytes > 0 {
        let count = bytes.min(PIECE_BYTES);
        http.write(&piece[..count])?;
        http.flush().await?;
        bytes -= count;
    }
    Ok(())
}

async fn tell_what_is_seen(http: &Exchange) -> Result<(), Error> {
    let content = http.content().await?;
    let mut seen = format!("{} {} ", http.method(), http.head().target());
    for byte in content {
        write!(seen, "{byte:02x}").expect("a string takes everything");
    }
    let seen = HeaderValue::from_str(&seen).expect("a head has visible ASCII");
    http.set_header(SEEN, seen)?;
    http.write("seen")
}

/// Says what was wrong with the content, where that can be said.
fn refuse(http: &Exchange, error: &Error) {
    if http.is_head_sent() {
        http.abort();
    } else {
        // Fails only if the peer is gone.
        let _ = http
            .reset_response()
            .and_then(|()| http.set_status(error.status()));
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain structs of numbers and text")
}

/// The number `name` of the query; 0 if there is none.
fn number<T: FromStr + Default>(http: &Exchange, name: &str) -> T {
    http.head()
        .query()
        .and_then(|query| query.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        .unwrap_or_default()
}

fn milliseconds(http: &Exchange) -> Duration {
    Duration::from_millis(number(http, "ms"))
}
