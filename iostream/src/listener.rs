//! Listening: accepts in bounded batches, rests when the process is out of descriptors.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use squall_ioloop::{Handle, Interest, Ready, Source, Timeout, Token};

use crate::{IoStream, TcpTransport};

/// Settings of a listening socket.
///
/// ```
/// use squall_iostream::{ListenerOptions, TcpListener};
/// // Two threads share a port; each has a listener of its own.
/// let options = ListenerOptions::default().reuse_port(true).backlog(4096);
/// let first = TcpListener::bind("127.0.0.1:0", &options)?;
/// let second = TcpListener::bind(first.local_addr()?, &options)?;
/// assert_eq!(first.local_addr()?, second.local_addr()?);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct ListenerOptions {
    backlog: i32,
    has_reuse_port: bool,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            backlog: 1024,
            has_reuse_port: false,
        }
    }
}

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
    /// port is an error.
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.has_reuse_port = on;
        self
    }
}

/// A socket that listens, and accepts nobody yet.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{IoStream, ListenerOptions, TcpListener};
///
/// let ioloop = IoLoop::new()?;
/// let listener = TcpListener::bind("127.0.0.1:0", &ListenerOptions::default())?;
/// let handle = ioloop.handle().clone();
/// let listening = listener.accept_with(&ioloop, move |stream, _peer| {
///     handle.spawn_detached(async move {
///         let _ = stream.write(b"welcome");
///         let _ = stream.drained(0).await;
///     });
/// })?;
/// let address = listening.local_addr();
/// let welcome = ioloop.run_until(async {
///     let mut stream = IoStream::connect(&ioloop, address).await?;
///     stream.read_until_close(100).await.map_err(std::io::Error::from)
/// })??;
/// assert_eq!(welcome, b"welcome");
/// # std::io::Result::Ok(())
/// ```
pub struct TcpListener {
    socket: mio::net::TcpListener,
}

impl TcpListener {
    /// Binds to the first address that works and listens there.
    ///
    /// # Errors
    /// What the system says of the last address: in use, not allowed, not ours.
    pub fn bind(address: impl ToSocketAddrs, options: &ListenerOptions) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on");
        for address in address.to_socket_addrs()? {
            match listen(address, options) {
                Ok(socket) => return Ok(Self { socket }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Takes a socket over that listens already: inherited, or bound by other means. What it
    /// accepts sends without delay (`TCP_NODELAY`), as with [`Self::bind`].
    ///
    /// # Errors
    /// When its options cannot be set.
    pub fn from_std(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        SockRef::from(&socket).set_tcp_nodelay(true)?;
        Ok(Self {
            socket: mio::net::TcpListener::from_std(socket),
        })
    }

    /// Where it listens: with port 0, the port that the system chose.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
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
        handle_stream: impl Fn(IoStream, SocketAddr) + 'static,
    ) -> io::Result<Listening> {
        let address = self.local_addr()?;
        let acceptor = Rc::new(Acceptor {
            socket: RefCell::new(Some(self.socket)),
            token: Cell::new(None),
            handle_stream: Box::new(handle_stream),
            deadline: Cell::new(None),
            is_resting: Cell::new(false),
            last_complaint: Cell::new(None),
        });
        let socket = acceptor.socket.borrow();
        let fd = socket.as_ref().map(AsFd::as_fd);
        let token = ioloop.register(acceptor.clone(), fd, Interest::Read)?;
        drop(socket);
        acceptor.token.set(Some(token));
        Ok(Listening {
            ioloop: ioloop.clone(),
            acceptor: Rc::downgrade(&acceptor),
            address,
        })
    }
}

fn listen(address: SocketAddr, options: &ListenerOptions) -> io::Result<mio::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A server that restarts must not wait for the connections of the one before it.
    socket.set_reuse_address(true)?;
    if options.has_reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Accepted sockets inherit it on Linux: one call here instead of one a connection.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(options.backlog)?;
    Ok(mio::net::TcpListener::from_std(socket.into()))
}

/// A listener at work. Dropping it closes the socket. See [`TcpListener`] for an example.
#[must_use = "dropping it stops listening"]
pub struct Listening {
    ioloop: Handle,
    /// The loop owns it: what it calls may own this `Listening`.
    acceptor: Weak<Acceptor>,
    address: SocketAddr,
}

impl Listening {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, as dropping does.
    pub fn close(&self) {
        let Some(acceptor) = self.acceptor.upgrade() else {
            return;
        };
        let socket = acceptor.socket.take();
        drop(socket);
        if let Some(deadline) = acceptor.deadline.take() {
            self.ioloop.remove_timeout(deadline);
        }
        if let Some(token) = acceptor.token.take() {
            self.ioloop.deregister(token, None);
        }
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
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

struct Acceptor {
    /// `None` once closed.
    socket: RefCell<Option<mio::net::TcpListener>>,
    token: Cell<Option<Token>>,
    handle_stream: Box<dyn Fn(IoStream, SocketAddr)>,
    /// The end of the rest.
    deadline: Cell<Option<Timeout>>,
    is_resting: Cell<bool>,
    last_complaint: Cell<Option<Instant>>,
}

/// How many connections are accepted in one turn, so that those that are established get theirs.
const ACCEPTS_PER_TURN: usize = 128;
/// How long to rest when the process or the system is out of descriptors or memory. Connections
/// wait in the backlog meanwhile, and the loop serves those it has.
const REST: Duration = Duration::from_millis(100);
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

impl Source for Acceptor {
    fn on_ready(&self, ioloop: &Handle, ready: Ready) {
        if self.is_resting.get() && !ready.contains(Ready::DEADLINE) {
            return;
        }
        self.is_resting.set(false);
        let again = Again {
            acceptor: self,
            ioloop,
        };
        for _ in 0..ACCEPTS_PER_TURN {
            match self.accept() {
                Ok(Some((socket, address))) => self.hand_over(ioloop, socket, address),
                Ok(None) => return again.cancel(),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    again.cancel();
                    return self.rest(ioloop, &error);
                }
            }
        }
    }
}

/// Another turn for the listener. The poller tells of a connection once, so whoever stops before
/// the backlog is empty has to come back: after a full batch, and also when `handle_stream` has
/// panicked in the middle of one.
struct Again<'a> {
    acceptor: &'a Acceptor,
    ioloop: &'a Handle,
}

impl Again<'_> {
    fn cancel(self) {
        std::mem::forget(self);
    }
}

impl Drop for Again<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.acceptor.token.get() {
            self.ioloop.ready_again(token, Ready::READABLE);
        }
    }
}

impl Acceptor {
    fn accept(&self) -> io::Result<Option<(mio::net::TcpStream, SocketAddr)>> {
        let socket = self.socket.borrow();
        let Some(socket) = &*socket else {
            return Ok(None);
        };
        match socket.accept() {
            Ok(accepted) => Ok(Some(accepted)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn hand_over(&self, ioloop: &Handle, socket: mio::net::TcpStream, address: SocketAddr) {
        if cfg!(not(target_os = "linux")) {
            // A connection without it is slower, and no worse.
            let _ = socket.set_nodelay(true);
        }
        match IoStream::new(ioloop, TcpTransport::new(socket)) {
            Ok(stream) => (self.handle_stream)(stream, address),
            Err(error) => self.complain(ioloop, &error),
        }
    }

    fn rest(&self, ioloop: &Handle, error: &io::Error) {
        self.complain(ioloop, error);
        let Some(token) = self.token.get() else {
            return;
        };
        let deadline = self.deadline.get().unwrap_or_else(|| {
            let deadline = ioloop.add_deadline(token);
            self.deadline.set(Some(deadline));
            deadline
        });
        self.is_resting.set(true);
        ioloop.set_deadline(deadline, Some(REST));
    }

    /// At most one line a second, however many connections fail.
    fn complain(&self, ioloop: &Handle, error: &io::Error) {
        let now = ioloop.now();
        let is_due = self
            .last_complaint
            .get()
            .is_none_or(|last| now - last >= COMPLAINT_INTERVAL);
        if is_due {
            self.last_complaint.set(Some(now));
            tracing::warn!(target: "squall::iostream", %error, "cannot accept a connection");
        }
    }
}

/// Whether accept failed because of the connection it would have returned, and not of the
/// listener: the next one may be well (accept(2), "Error handling"; `EPERM` is a firewall's).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    let is_known = matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::Interrupted
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::TimedOut
            | Kind::PermissionDenied
    );
    let known_by_number = [libc::EPROTO, libc::ENOPROTOOPT, libc::EHOSTDOWN];
    is_known
        || known_by_number
            .iter()
            .any(|known| error.raw_os_error() == Some(*known))
}
