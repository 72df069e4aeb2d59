//! A server and its peers in memory, on virtual time: a dialogue is text in and text out, and how
//! long it took.

#![allow(dead_code, reason = "each suite uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod lines;
pub(crate) mod logs;
pub(crate) mod script;

use std::future::Future;
use std::time::Duration;

use squall_httpserver::{Config, Exchange, HttpServer, Service, ServiceFuture};
use squall_ioloop::IoLoop;
use squall_iostream::IoStream;
use squall_iostream::memory::{self, Options};

/// A loop on virtual time, and a server on it.
pub(crate) struct World {
    pub(crate) server: HttpServer,
    pub(crate) ioloop: IoLoop,
}

/// What a peer has read until the server closed, and when that was. `Date` and `Server` are left
/// out, and line ends are LF, so that what is expected can be written down.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) after: Duration,
}

impl World {
    pub(crate) fn new(service: impl Service) -> Self {
        Self::with_config(Config::default(), service)
    }

    pub(crate) fn with_config(config: Config, service: impl Service) -> Self {
        logs::begin();
        let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
        let server = HttpServer::with_config(&ioloop, config, Well(service));
        Self { server, ioloop }
    }

    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.ioloop.run_until(future).unwrap()
    }

    pub(crate) fn connect(&self) -> IoStream {
        self.connect_with(Options::default())
    }

    /// A peer whose server has the other end.
    pub(crate) fn connect_with(&self, options: Options) -> IoStream {
        let (ours, theirs) = memory::pair(&self.ioloop, options);
        self.server.serve_stream(theirs);
        ours
    }

    /// Says all of `input`, then listens until the server closes.
    pub(crate) fn talk(&self, input: impl AsRef<[u8]>) -> Heard {
        let mut peer = self.connect();
        peer.write(input.as_ref()).unwrap();
        self.run(self.listen(&mut peer))
    }

    pub(crate) async fn listen(&self, peer: &mut IoStream) -> Heard {
        let since = self.ioloop.now();
        let bytes = peer.read_until_close(usize::MAX).await.unwrap();
        Heard {
            text: normal(&bytes),
            after: self.ioloop.now() - since,
        }
    }

    /// Waits until nothing can happen any more without time passing.
    pub(crate) fn settle(&self) {
        for _ in 0..50 {
            self.ioloop.run_once(Some(Duration::ZERO)).unwrap();
        }
    }

    /// Asserts that all connections are gone, and their requests with them; then serves a new one.
    pub(crate) fn assert_well(&self) {
        self.settle();
        assert_eq!(self.server.connection_count(), 0, "a connection has leaked");
        let in_flight = self.server.metrics().requests.in_flight;
        assert_eq!(in_flight, 0, "a request has not come to its end");
        let heard = self.talk("GET /well HTTP/1.1\nhost: a\nconnection: close\n\n".crlf());
        assert!(heard.text.starts_with("HTTP/1.1 200"), "{heard:?}");
        self.settle();
        assert_eq!(self.server.connection_count(), 0);
    }
}

/// Answers to `/well` itself, see [`World::assert_well`].
struct Well<S>(S);

impl<S: Service> Service for Well<S> {
    fn serve(&self, http: Exchange) -> ServiceFuture {
        if http.head().path() == "/well" {
            http.finish();
            return Box::pin(std::future::ready(()));
        }
        self.0.serve(http)
    }
}

/// A test that logs a warning it did not announce fails.
impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let unannounced = logs::take();
            assert!(unannounced.is_empty(), "{unannounced:?}");
        }
    }
}

/// LF to CRLF, so that requests can be written down.
pub(crate) trait Crlf {
    fn crlf(&self) -> String;
}

impl Crlf for str {
    fn crlf(&self) -> String {
        self.replace('\n', "\r\n")
    }
}

/// What a peer has read, comparable.
pub(crate) fn normal(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let is_told = |line: &&str| !line.starts_with("date: ") && *line != "server: Squall\n";
    text.split_inclusive('\n').filter(is_told).collect()
}

/// The status-lines in what a peer has read.
pub(crate) fn statuses(text: &str) -> Vec<&str> {
    let codes = text.match_indices("HTTP/1.1 ");
    codes
        .map(|(at, prefix)| &text[at + prefix.len()..][..3])
        .collect()
}

/// Answers with the target, whatever is asked.
pub(crate) async fn tell_target(http: Exchange) {
    let _ = http.write(http.head().target());
    http.finish();
}

/// Answers with the content, or with the status of what was wrong with it.
pub(crate) async fn echo(http: Exchange) {
    match http.content().await {
        Ok(content) => drop(http.write(content)),
        Err(error) => drop(http.set_status(error.status())),
    }
    http.finish();
}

pub(crate) const IDLE: Duration = Duration::from_secs(75);
pub(crate) const AT_ONCE: Duration = Duration::ZERO;
