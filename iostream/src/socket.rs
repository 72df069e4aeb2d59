//! The socket as a transport: TCP and Unix alike, for the calls are the same.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use socket2::Socket;

use crate::admission::Seat;
use crate::{Address, Transport};

/// A connected stream socket: TCP or Unix.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{Address, IoStream, SocketTransport};
///
/// let ioloop = IoLoop::new()?;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let socket = std::net::TcpStream::connect(listener.local_addr()?)?;
/// let stream = IoStream::new(&ioloop, SocketTransport::try_from(socket)?)?;
/// assert_eq!(stream.peer_addr(), Some(Address::Inet(listener.local_addr()?)));
///
/// let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
/// let stream = IoStream::new(&ioloop, SocketTransport::try_from(ours)?)?;
/// assert!(matches!(stream.peer_addr(), Some(Address::Unix(_))));
/// # std::io::Result::Ok(())
/// ```
pub struct SocketTransport {
    /// `None` once closed.
    socket: RefCell<Option<Socket>>,
    /// Its place among the connections of its listener, if it was accepted. Given back when the
    /// socket is closed, after it.
    seat: Cell<Option<Seat>>,
}

impl SocketTransport {
    /// Takes a socket over that is non-blocking already, connected or connecting.
    pub(crate) fn from_nonblocking(socket: impl Into<OwnedFd>) -> Self {
        Self {
            socket: RefCell::new(Some(Socket::from(socket.into()))),
            seat: Cell::new(None),
        }
    }

    /// A socket that was accepted.
    pub(crate) fn seated(socket: impl Into<OwnedFd>, seat: Seat) -> Self {
        let transport = Self::from_nonblocking(socket);
        transport.seat.set(Some(seat));
        transport
    }

    #[inline]
    fn with<R>(&self, mut f: impl FnMut(&Socket) -> io::Result<R>) -> io::Result<R> {
        match &*self.socket.borrow() {
            Some(socket) => retry_interrupted(|| f(socket)),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// A blocking socket of the standard library, made non-blocking.
impl TryFrom<std::net::TcpStream> for SocketTransport {
    type Error = io::Error;

    fn try_from(socket: std::net::TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::from_nonblocking(socket))
    }
}

/// A blocking socket of the standard library, made non-blocking.
impl TryFrom<std::os::unix::net::UnixStream> for SocketTransport {
    type Error = io::Error;

    fn try_from(socket: std::os::unix::net::UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::from_nonblocking(socket))
    }
}

impl Transport for SocketTransport {
    #[inline]
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|mut socket| socket.read(buffer))
    }

    #[inline]
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        // Not `write`: a program that is not Rust's own may have SIGPIPE at its deadly default.
        self.with(|socket| socket.send_with_flags(bytes, libc::MSG_NOSIGNAL))
    }

    fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.with(|socket| socket.send_vectored_with_flags(pieces, libc::MSG_NOSIGNAL))
    }

    /// Linux only: elsewhere the call reports how much it has sent in a way that socket2 does not
    /// pass on when the socket is full.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn send_file(
        &self,
        file: BorrowedFd<'_>,
        offset: u64,
        count: usize,
    ) -> Option<io::Result<usize>> {
        let offset = usize::try_from(offset).ok()?;
        let count = std::num::NonZeroUsize::new(count);
        match self.with(|socket| socket.sendfile(&file, offset, count)) {
            // What is not a file like others (a pipe, a device) can still be read, perhaps.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => None,
            result => Some(result),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.with(|socket| socket.shutdown(Shutdown::Write))
    }

    fn close(&self) {
        let socket = self.socket.take();
        drop(socket);
        drop(self.seat.take());
    }

    fn reset(&self) {
        // With this set, TCP says by a reset that what it has sent is not the whole.
        let _ = self.with(|socket| socket.set_linger(Some(Duration::ZERO)));
        self.close();
    }

    fn with_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        if let Some(socket) = &*self.socket.borrow() {
            f(socket.as_fd());
        }
    }

    fn with_source_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        self.with_fd(f);
    }

    fn with_sink_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        self.with_fd(f);
    }

    fn take_error(&self) -> Option<io::Error> {
        self.with(Socket::take_error).ok().flatten()
    }

    fn peer_addr(&self) -> Option<Address> {
        self.with(Socket::peer_addr).ok().map(Address::from)
    }

    fn local_addr(&self) -> Option<Address> {
        self.with(Socket::local_addr).ok().map(Address::from)
    }

    fn detach(&self) -> Option<Box<dyn Transport>> {
        let detached = Self::from_nonblocking(self.socket.take()?);
        detached.seat.set(self.seat.take());
        Some(Box::new(detached))
    }
}

#[inline]
pub(crate) fn retry_interrupted<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
