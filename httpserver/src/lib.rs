//! An HTTP/1.1 server on Squall's streams: connections in, exchanges out.
//!
//! ```text
//!   listeners.rs     listeners, each with a site (site.rs): PROXY header, TLS
//!                 | a stream
//!                 v
//!   connection.rs   head -> exchange -> answer, again      one async fn: the spine
//!       |    ^      (heads.rs: waits for a head; serving.rs: runs the service)
//!       |    |  finish()
//!       v    |
//!   exchange.rs     one request and its response, a handle the service may keep
//!       |           (content.rs: what it asks; response.rs, answer.rs: what it answers)
//!       v
//!   service.rs      your code, or `web`
//!
//!   seeing.rs       what all of them tell: access log, request ids, spans, counts
//! ```
//!
//! ```
//! use squall_httpserver::{Exchange, HttpServer};
//! use squall_ioloop::IoLoop;
//!
//! let ioloop = IoLoop::new()?;
//! let server = HttpServer::new(&ioloop, |http: Exchange| async move {
//!     let _ = http.write("Hello, World!");
//!     http.finish();
//! });
//! let address = server.listen("127.0.0.1:0")?;
//! println!("http://{address}");
//! ioloop.run_until(server.stop(std::time::Duration::from_secs(1)))?;
//! # std::io::Result::Ok(())
//! ```
//!
//! # Where it listens, and how it ends
//!
//! | to serve | use |
//! |---|---|
//! | an address, or more of them | [`HttpServer::listen`] |
//! | a Unix socket | [`HttpServer::listen_unix`] |
//! | what systemd has bound, or a process before us | [`HttpServer::add_listener`] |
//! | each of these in a way of its own, with TLS for one | [`ListenerConfig`] |
//! | on several threads | [`Workers`] |
//! | streams that others have accepted, or in memory | [`HttpServer::serve_stream`] |
//! | until a signal comes | [`HttpServer::run_until_signal`] |
//! | to the end of what is begun | [`HttpServer::drain`] |
//! | and have the next process go on | [`HttpServer::offer_to`] |
//!
//! What bounds a peer is in [`Config`], each limit with its reason; whose word is taken for who the
//! client is, behind proxies, is in [`Forwarded`].
//!
//! # What this is not
//!
//! No routing, no cookies, no forms (see `squall-web`); no parsing of its own (see
//! `squall-http1`).

#![forbid(unsafe_code)]

mod answer;
mod client;
mod config;
mod connection;
mod content;
mod date;
#[cfg(feature = "compression")]
mod decoding;
mod disconnect;
mod drain;
mod error;
mod exchange;
mod expectation;
mod extra;
mod field_block;
mod field_lines;
mod file_answer;
mod forwarded;
mod heads;
#[cfg(feature = "compression")]
mod inflate;
mod informational;
mod listeners;
mod load;
mod orders;
mod pool;
mod pull;
mod refusal;
mod request_config;
mod response;
mod seeing;
mod server;
mod service;
mod serving;
mod signals;
mod site;
mod state;
mod trailers;
mod watch;
mod workers;

pub use client::Scheme;
pub use config::{Config, ConfigError, ListenerConfig};
pub use disconnect::Disconnect;
pub use drain::{DrainCounts, DrainDeadlines, DrainGuard, DrainReport};
pub use error::Error;
pub use exchange::Exchange;
pub use field_block::FieldBlock;
pub use forwarded::Forwarded;
pub use response::Chunk;
pub use seeing::{
    AccessLog, ConnectionMetrics, Histogram, LogFormat, LogWriter, OPENMETRICS_TYPE, RequestId,
    RequestIds, RequestMetrics, RequestRecord, ServerMetrics,
};
pub use server::HttpServer;
pub use service::{Service, ServiceFuture};
pub use signals::TerminationSignals;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
pub use site::tls_config;
pub use workers::{Workers, WorkersHandle};
