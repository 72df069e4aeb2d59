//! Buffered, non-blocking streams on the event loop, and the listener that accepts them.
//!
//! ```text
//!  read side: one owner (&mut)              write side: any number of handles (&)
//!
//!   read_until  read_bytes  decode           write  write_bytes  write_with
//!        \          |        /                  \        |        /
//!         ReadBuffer: what is left             WriteBuffer: what is not yet sent
//!            of a partial message                 (pieces; one vectored write)
//!                   |                                    |
//!      the loop's ONE receive buffer            flushed before the reader waits,
//!        lent to the reader's closure              and at the end of the turn
//!                   |                                    |
//!                   +------------- Transport ------------+
//!                        TCP, Unix, in-memory, yours
//! ```
//!
//! A stream that is idle owns no buffer: input is read into a buffer that belongs to the loop, and
//! only what a reader leaves unread is copied out of it.
//!
//! ```
//! use squall_ioloop::IoLoop;
//! use squall_iostream::memory;
//!
//! let ioloop = IoLoop::new()?;
//! let (mut ours, mut theirs) = memory::pair(&ioloop, memory::Options::default());
//! ioloop.run_until(async {
//!     ours.write(b"hello\r\n")?;
//!     assert_eq!(theirs.read_until(b"\r\n", 1024).await?, b"hello\r\n");
//!     theirs.write(b"bye")?;
//!     assert_eq!(ours.read_bytes(3).await?, b"bye");
//!     Ok::<_, squall_iostream::StreamError>(())
//! })??;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which read is which
//!
//! | to read | use |
//! |---|---|
//! | up to and with a delimiter | [`IoStream::read_until`] |
//! | exactly `n` bytes | [`IoStream::read_bytes`] |
//! | whatever comes first | [`IoStream::read_some`] |
//! | all to the end | [`IoStream::read_until_close`] |
//! | messages of a protocol, without a copy | [`IoStream::decode`] |
//!
//! All of them are the last one with a different closure. Every read names its bound; going past
//! it is a typed error that leaves the stream usable for an answer (Tornado closes there).
//!
//! # What this is not
//!
//! No TLS, no names, no Unix sockets yet; no protocol ever.

#![forbid(unsafe_code)]

mod acceptor;
mod address;
mod budget;
mod connect;
mod core;
mod error;
mod listener;
pub mod memory;
#[cfg(test)]
mod random;
mod read;
mod read_buffer;
mod shared;
mod socket;
mod stream;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
pub mod tls;
mod transport;
mod waiter;
mod write_buffer;

pub use address::{Address, UnixAddress};
pub use error::{StreamClosed, StreamError};
pub use listener::{ListenerOptions, Listening, TcpListener};
pub use read::Step;
pub use socket::SocketTransport;
pub use stream::{IoStream, StreamHandle};
pub use transport::Transport;
