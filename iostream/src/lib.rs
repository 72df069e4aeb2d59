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
//! | up to and with a delimiter | [`IoStream::read_until`], [`IoStream::read_until_regex`] |
//! | exactly `n` bytes | [`IoStream::read_bytes`], [`IoStream::read_into`] |
//! | whatever comes first | [`IoStream::read_some`], [`IoStream::read_some_into`] |
//! | all to the end | [`IoStream::read_until_close`] |
//! | messages of a protocol, without a copy | [`IoStream::decode`] |
//!
//! All of them are the last one with a different closure. Every read names its bound; going past
//! it is a typed error that leaves the stream usable for an answer (Tornado closes there).
//!
//! # What bounds a peer
//!
//! | what | by | then |
//! |---|---|---|
//! | one wait | [`StreamHandle::set_deadline`] | a typed error, the stream stays open |
//! | silence, slowness, the whole | [`Guards`] | a typed error; who takes nothing is cut off |
//! | bytes per second, of one or a group | [`RateLimit`] | it waits on a timer |
//! | unsent bytes | [`StreamHandle::writable`], [`StreamHandle::drained`] | the writer waits |
//! | the same, without waiting | [`StreamHandle::set_unsent_bytes_max`] | the write is refused |
//! | what all streams hold together | [`MemoryBudget`] | they stop reading |
//! | its share of a turn | 256 KiB read, 1 MiB sent | it goes on in the next |
//!
//! A stream that asks for none of these pays one pointer for all of them.
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
mod decode;
mod error;
mod extras;
mod file_range;
mod guards;
mod listener;
pub mod memory;
mod memory_budget;
mod pattern;
#[cfg(test)]
mod random;
mod rate_limit;
mod read;
mod read_buffer;
mod read_into;
mod sending;
mod shared;
mod socket;
mod stream;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
pub mod tls;
mod transport;
mod waiter;
mod write_buffer;

pub use address::{Address, UnixAddress};
pub use decode::Step;
pub use error::{CutOff, StreamClosed, StreamError};
pub use guards::{Guards, MinRate};
pub use listener::{ListenerOptions, Listening, TcpListener};
pub use memory_budget::MemoryBudget;
pub use pattern::{Pattern, PatternError};
pub use rate_limit::RateLimit;
pub use socket::SocketTransport;
pub use stream::{IoStream, StreamHandle};
pub use transport::Transport;
