//! Listening sockets as their users see them: options, the socket that accepts nobody yet, and the
//! listener at work. Binding is in `bind.rs` and `unix_listener.rs`, accepting in `acceptor.rs`.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};

use squall_ioloop::Handle;

use crate::acceptor::Acceptor;
use crate::bind::{self, BindError, BindPhase};
use crate::listening_socket::{ListeningSocket, NotAListener};
use crate::unix_listener::SocketFile;
use crate::{Address, Admission, AdmissionCounters, AdmissionLimits, IoStream};

/// Settings of a listening socket.
///
/// ```
/// use squall_iostream::{Listener, ListenerOptions};
/// // Two threads share a port; each has a listener of its own.
/// let options = ListenerOptions::default().reuse_port(true).backlog(4096);
/// let first = Listener::bind("127.0.0.1:0", &options)?;
/// let address = first.local_addr()?.inet().expect("an address of the Internet");
/// let second = Listener::bind(address, &options)?;
/// assert_eq!(first.local_addr()?, second.local_addr()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ListenerOptions {
    pub(crate) backlog: i32,
    pub(crate) has_reuse_port: bool,
    pub(crate) unix_mode: u32,
    pub(crate) notsent_lowat: Option<u32>,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            backlog: 1024,
            has_reuse_port: false,
            unix_mode: 0o600,
            notsent_lowat: Some(NOTSENT_LOWAT),
        }
    }
}

/// See [`ListenerOptions::notsent_lowat`].
pub(crate) const NOTSENT_LOWAT: u32 = 128 * 1024;

impl ListenerOptions {
    /// How many connections may wait to be accepted while the loop is busy. Default 1024 (Tornado
    /// 128, with which a stall of a second refuses clients); the system may cap it.
    #[must_use]
    pub fn backlog(mut self, connections: i32) -> Self {
        self.backlog = connections;
        self
    }

    /// Lets several sockets listen on the same address, and the system spread connections among
    /// them (`SO_REUSEPORT`): one listener per thread. Default off, so that a second server on a
    /// port is an error. Not for Unix sockets.
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.has_reuse_port = on;
        self
    }

    /// The mode of a Unix socket's file: who may write to it may connect. Default 0600, the user
    /// of the server alone, as Tornado's. Bits beyond 0777 are ignored.
    #[must_use]
    pub fn unix_mode(mut self, mode: u32) -> Self {
        self.unix_mode = mode;
        self
    }

    /// How many bytes the system takes of each accepted connection, in bytes, beyond those that
    /// are on their way to the peer (`TCP_NOTSENT_LOWAT`). With `None` it takes what its send
    /// buffer holds, up to 4 MiB: a thousand peers that read slowly then fill the memory that it
    /// has for TCP (`net.ipv4.tcp_mem`), and everybody waits. What it does not take stays with the
    /// stream, which shares it where it can and has limits for it.
    ///
    /// Default 128 KiB: the system always has the next segments at hand, and a long answer costs
    /// about two calls for each 128 KiB. Of Linux, for TCP; elsewhere it changes nothing. A
    /// listener that others have bound gets the default, unless they have set it.
    #[must_use]
    pub fn notsent_lowat(mut self, bytes: Option<u32>) -> Self {
        self.notsent_lowat = bytes;
        self
    }
}

/// A socket that listens, TCP or Unix, and accepts nobody yet.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{IoStream, Listener, ListenerOptions};
///
/// let ioloop = IoLoop::new()?;
/// let listener = Listener::bind("127.0.0.1:0", &ListenerOptions::default())?;
/// let handle = ioloop.handle().clone();
/// let listening = listener.accept_with(&ioloop, move |stream, _peer| {
///     handle.spawn_detached(async move {
///         let _ = stream.write(b"welcome");
///         let _ = stream.drained(0).await;
///     });
/// })?;
/// let address = listening.local_addr().inet().expect("an address of the Internet");
/// let welcome = ioloop.run_until(async {
///     let mut stream = IoStream::connect(&ioloop, address).await?;
///     stream.read_until_close(100).await.map_err(std::io::Error::from)
/// })??;
/// assert_eq!(welcome, b"welcome");
/// assert_eq!(listening.counters().accepted, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Listener {
    socket: ListeningSocket,
}

impl Listener {
    pub(crate) fn from_socket(socket: ListeningSocket) -> Self {
        Self { socket }
    }

    /// Binds to the first address that works and listens there. For all addresses of a host there
    /// is [`bind_sockets`](crate::bind_sockets), for a Unix socket
    /// [`bind_unix_socket`](crate::bind_unix_socket).
    ///
    /// # Errors
    /// What the system says of the last address: in use, not allowed, not ours.
    pub fn bind(address: impl ToSocketAddrs, options: &ListenerOptions) -> Result<Self, BindError> {
        let resolving = |source| BindError::System {
            address: "the address".to_owned(),
            phase: BindPhase::Resolve,
            source,
        };
        let addresses = address.to_socket_addrs().map_err(resolving)?;
        let mut last = None;
        for address in addresses {
            match bind::listen(address, options) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            resolving(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no address to listen on",
            ))
        }))
    }

    /// Takes a socket over that listens already, bound by other means. What it accepts sends
    /// without delay (`TCP_NODELAY`), as with [`Self::bind`].
    ///
    /// # Errors
    /// When its options cannot be set.
    pub fn from_std(socket: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self::from_fd(socket.into())?)
    }

    /// Takes a Unix socket over that listens already. Its file is not removed.
    ///
    /// # Errors
    /// When its options cannot be set.
    pub fn from_std_unix(socket: std::os::unix::net::UnixListener) -> io::Result<Self> {
        Ok(Self::from_fd(socket.into())?)
    }

    /// Takes a descriptor over that listens already, TCP or Unix; which, and whether it does, is
    /// asked of the system. It is made non-blocking and is not inherited by children.
    ///
    /// # Errors
    /// [`NotAListener`] says what it is instead. It is closed then.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, NotAListener> {
        ListeningSocket::from_fd(fd).map(Self::from_socket)
    }

    /// Where it listens: with port 0, the port that the system chose.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<Address> {
        self.socket.local_addr()
    }

    pub(crate) fn put_file(&mut self, file: SocketFile) {
        self.socket.put_file(file);
    }

    /// Accepts from now on: `handle_stream` (Tornado's name) gets each new stream and its peer's
    /// address. Ends when the [`Listening`] is dropped or closed; streams stay. A `handle_stream`
    /// that panics costs its own stream; the loop's exception handler is told.
    ///
    /// # Errors
    /// What the poller says.
    pub fn accept_with(
        self,
        ioloop: &Handle,
        handle_stream: impl Fn(IoStream, Address) + 'static,
    ) -> io::Result<Listening> {
        let admission = Admission::new(ioloop, AdmissionLimits::default());
        self.accept_admitted(ioloop, &admission, handle_stream)
    }

    /// As [`Self::accept_with`], within limits.
    ///
    /// # Errors
    /// What the poller says.
    ///
    /// # Panics
    /// When `admission` is of another loop.
    pub fn accept_admitted(
        self,
        ioloop: &Handle,
        admission: &Admission,
        handle_stream: impl Fn(IoStream, Address) + 'static,
    ) -> io::Result<Listening> {
        assert!(admission.is_of(ioloop), "an admission is of one loop");
        let address = self.local_addr()?;
        let acceptor = Acceptor::register(
            ioloop,
            self.socket,
            admission.clone(),
            Box::new(handle_stream),
        )?;
        Ok(Listening {
            ioloop: ioloop.clone(),
            acceptor: Rc::downgrade(&acceptor),
            admission: admission.clone(),
            address,
        })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A listener at work. Dropping it closes the socket. See [`Listener`] for an example.
#[must_use = "dropping it stops listening"]
pub struct Listening {
    ioloop: Handle,
    /// The loop owns it: what it calls may own this `Listening`.
    acceptor: Weak<Acceptor>,
    admission: Admission,
    address: Address,
}

impl Listening {
    /// Where it listens.
    pub fn local_addr(&self) -> &Address {
        &self.address
    }

    /// What it has let in and what not; with listeners that share its [`Admission`], in sum.
    pub fn counters(&self) -> AdmissionCounters {
        self.admission.counters()
    }

    /// Stops listening, as dropping does. Connections that wait in the backlog are reset, unless
    /// another process holds the socket too.
    pub fn close(&self) {
        if let Some(acceptor) = self.acceptor.upgrade() {
            acceptor.close(&self.ioloop);
        }
    }

    pub(crate) fn acceptor(&self) -> &Weak<Acceptor> {
        &self.acceptor
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening")
            .field("address", &self.address)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.local_addr().ok())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;
    use squall_ioloop::IoLoop;
    use std::cell::Cell;

    fn is_nodelay(stream: &IoStream) -> bool {
        let mut is_set = false;
        stream.handle.core().transport.with_fd(&mut |fd| {
            is_set = SockRef::from(&fd).tcp_nodelay().unwrap();
        });
        is_set
    }

    #[test]
    fn accepted_sockets_send_without_delay_however_their_listener_was_bound() {
        let any = "127.0.0.1:0";
        let inherited = std::net::TcpListener::bind(any).unwrap();
        let bound = Listener::bind(any, &ListenerOptions::default()).unwrap();
        for listener in [bound, Listener::from_std(inherited).unwrap()] {
            let ioloop = IoLoop::new().unwrap();
            let found = Rc::new(Cell::new(None));
            let inner = found.clone();
            let listening = listener
                .accept_with(&ioloop, move |stream, _| {
                    inner.set(Some(is_nodelay(&stream)))
                })
                .unwrap();
            let address = listening.local_addr().inet().unwrap();
            let _client = std::net::TcpStream::connect(address).unwrap();
            while found.get().is_none() {
                ioloop.run_once(None).unwrap();
            }
            assert_eq!(found.get(), Some(true));
        }
    }
}
