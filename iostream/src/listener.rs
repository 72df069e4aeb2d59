//! Listening sockets: how they are bound, and when they are closed. Accepting is in `acceptor.rs`.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::{Rc, Weak};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use squall_ioloop::Handle;

use crate::acceptor::Acceptor;
use crate::{Address, IoStream};

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
        handle_stream: impl Fn(IoStream, Address) + 'static,
    ) -> io::Result<Listening> {
        let address = self.local_addr()?;
        let acceptor = Acceptor::register(ioloop, self.socket, Box::new(handle_stream))?;
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
        if let Some(acceptor) = self.acceptor.upgrade() {
            acceptor.close(&self.ioloop);
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

#[cfg(test)]
mod tests {
    use super::*;
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
        let bound = TcpListener::bind(any, &ListenerOptions::default()).unwrap();
        for listener in [bound, TcpListener::from_std(inherited).unwrap()] {
            let ioloop = IoLoop::new().unwrap();
            let found = Rc::new(Cell::new(None));
            let inner = found.clone();
            let listening = listener
                .accept_with(&ioloop, move |stream, _| {
                    inner.set(Some(is_nodelay(&stream)))
                })
                .unwrap();
            let _client = std::net::TcpStream::connect(listening.local_addr()).unwrap();
            while found.get().is_none() {
                ioloop.run_once(None).unwrap();
            }
            assert_eq!(found.get(), Some(true));
        }
    }
}
