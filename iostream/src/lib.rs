//! Buffered, non-blocking streams on the event loop, the listeners that accept them, and the client
//! that connects them by name.
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
//!                     TCP, Unix, pipes, in-memory, yours
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
//! # What carries a stream
//!
//! | over | use |
//! |---|---|
//! | TCP | [`IoStream::connect`], [`Listener`], [`IoStream::from_tcp`] |
//! | a Unix socket, by path or name | [`IoStream::connect_unix`], [`bind_unix_socket`] |
//! | pipes: a child's input and output | [`IoStream::from_pipes`], or one stream for each |
//! | this process's own input and output | [`IoStream::stdio`] |
//! | memory, for tests | [`memory::pair`] |
//! | anything else | [`IoStream::new`] with a [`Transport`] |
//!
//! What is written for the traits of `futures-io` runs over all of them, and with the feature
//! `tokio` what is written for tokio's. [`relay`](fn@relay) moves bytes between any two. Datagrams
//! have a [`UdpSocket`].
//!
//! # Who connects
//!
//! ```text
//!  TcpClient::connect(("example.org", 80))
//!      |  resolving    Resolver: the system (on the executor), a table, rules, a cache
//!      |  connecting   the addresses race, families in turn (RFC 8305)
//!      v
//!  IoStream            or a ConnectError: which phase, what was tried, what each said
//! ```
//!
//! # Who listens where
//!
//! | to listen | use |
//! |---|---|
//! | and hand each stream to an `async` closure | [`TcpServer`] |
//! | on a port of all addresses of a host | [`bind_sockets`] |
//! | on one address, or a socket that is there already | [`Listener`] |
//! | on a Unix socket | [`bind_unix_socket`] |
//! | on sockets that systemd has bound | [`inherited_listeners`] |
//! | on those of the process that we replace | [`handover`] |
//! | within maxima, at a pace | [`Admission`], [`LoopConnections`] |
//! | behind proxies that tell their clients' addresses | [`ProxyProtocol`] |
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
//! | its share of a turn | 64 KiB read, 1 MiB sent | it goes on in the next |
//!
//! A stream that asks for none of these pays one pointer for all of them.
//!
//! # What this is not
//!
//! No TLS yet; no protocol ever but the one of proxies, which comes before all others.

mod acceptor;
mod address;
mod admission;
mod admission_limits;
mod async_io;
mod bind;
mod budget;
mod carrier;
mod complaint;
mod connect;
mod core;
mod decode;
mod descriptors;
mod error;
mod extras;
mod file_range;
mod gate;
mod guards;
mod handle_stream;
pub mod handover;
mod happy_eyeballs;
mod inherited;
mod listener;
mod listening_socket;
pub mod memory;
mod memory_budget;
mod pacing;
mod pattern;
mod pipe;
mod polled;
mod proxied;
mod proxied_transport;
pub mod proxy_protocol;
#[cfg(test)]
mod random;
mod rate_limit;
mod read;
mod read_buffer;
mod read_into;
mod relay;
mod resolver;
mod sending;
mod settings;
mod shared;
mod socket;
mod spare;
mod stream;
mod sys;
mod tcp_client;
mod tcp_server;
mod tcp_server_builder;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
pub mod tls;
#[cfg(feature = "tokio")]
mod tokio_io;
mod transport;
mod trusted_peers;
mod udp;
mod unix;
mod unix_listener;
mod waiter;
mod write_buffer;

pub use address::{Address, UnixAddress};
pub use admission::Admission;
pub use admission_limits::{AdmissionCounters, AdmissionLimits};
pub use bind::{BindError, BindPhase, bind_sockets};
pub use decode::Step;
pub use error::{CutOff, StreamClosed, StreamError};
pub use gate::LoopConnections;
pub use guards::{Guards, MinRate};
pub use handle_stream::{HandleStream, Outcome, StreamFuture, callback};
pub use inherited::{InheritError, Inherited, NamedListener, inherited, inherited_listeners};
pub use listener::{Listener, ListenerOptions, Listening};
pub use listening_socket::NotAListener;
pub use memory_budget::MemoryBudget;
pub use pattern::{Pattern, PatternError};
pub use pipe::PipeTransport;
pub use proxied::{ProxyProtocol, ProxyProtocolError};
pub use rate_limit::RateLimit;
pub use relay::{RelayError, RelayFault, RelayOptions, Relayed, Side, relay};
pub use resolver::{
    CachingResolver, Endpoint, FixedResolver, InvalidName, OverrideResolver, ResolveError,
    Resolver, Resolving, SystemResolver,
};
pub use socket::SocketTransport;
pub use stream::{IoStream, StreamHandle};
pub use tcp_client::{ConnectError, ConnectEvent, Family, InvalidTarget, Phase, Target, TcpClient};
pub use tcp_server::{DrainReport, TcpServer, TcpServerCounters};
pub use tcp_server_builder::TcpServerBuilder;
pub use transport::Transport;
pub use trusted_peers::{NotANetwork, TrustedPeers};
pub use udp::{Datagram, DatagramBatch, Received, UdpHandle, UdpOptions, UdpSocket};
pub use unix_listener::bind_unix_socket;
