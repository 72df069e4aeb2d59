//! TLS (RFC 8446 and 5246) over any transport, with rustls behind a seam of our own.
//!
//! ```text
//!   IoStream                IoStream: reads and writes as on any other
//!      |  accept, connect,      |
//!      |  start_tls         TlsTransport --- Session (rustls, no I/O)
//!      v                        |                \
//!  Transport  ------------> Transport         the loop's scratch: records are read
//!  TCP, Unix, memory        the same one      into it, decrypted in it, sent from it
//! ```
//!
//! A server has a [`TlsAcceptor`], made by [`ServerConfig`]; a client a [`TlsConnector`], made by
//! [`ClientConfig`]. Both take an [`IoStream`](crate::IoStream) and give one back, and everything
//! else is as before: the same reads, writes, deadlines. What was agreed upon is told by
//! [`StreamHandle::tls`](crate::StreamHandle::tls).
//!
//! # The end
//!
//! TLS has an end of its own, `close_notify`, which nobody between the two ends can forge.
//! [`shutdown_write`](crate::StreamHandle::shutdown_write) says it, and so does
//! [`close`](crate::StreamHandle::close) if nothing of what was written is dropped by it. A peer
//! that ends the connection without it has perhaps not ended it: reads fail then with
//! [`PeerFault::Truncated`], so that [`read_until_close`](crate::IoStream::read_until_close) never
//! takes a part for the whole.
//!
//! # Limits
//!
//! A handshake has ten seconds; a loop begins two in a turn that has little else to do, and the
//! rest wait in line; a stream holds one record that is not whole, and in the handshake one message
//! of at most 64 KiB; nothing more is encrypted while records are unsent. Versions before TLS 1.2,
//! renegotiation, compression and early data do not exist.
//!
//! # Features
//!
//! `tls` computes with aws-lc, `tls-ring` with ring.

mod acceptor;
mod alert;
mod any_certificate;
mod certificates;
mod client_config;
mod config_error;
mod connector;
mod error;
mod faults;
mod gate;
mod handshake;
mod hello;
mod info;
mod input;
mod output;
mod pem;
mod provider;
mod records;
mod scratch;
mod server_config;
mod session;
mod transport;

pub use acceptor::TlsAcceptor;
pub use alert::TlsAlert;
pub use client_config::ClientConfig;
pub use config_error::TlsConfigError;
pub use connector::TlsConnector;
pub use error::{CertificateFault, LocalFault, PeerFault, TlsError, TlsFault, TlsPhase};
pub use info::{TlsInfo, TlsVersion};
pub use pem::Pem;
pub use server_config::ServerConfig;
