//! The seam between a stream and what carries its bytes.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::SockRef;
use squall_ioloop::{Handle, Token};

/// What carries a stream's bytes: non-blocking, edge-triggered.
///
/// All methods take `&self`: a transport is used by the reader and by any number of writers of one
/// thread. A call that cannot go on returns [`io::ErrorKind::WouldBlock`], and the loop (for a
/// transport with a descriptor) or the transport itself (through [`Handle::ready_again`]) tells
/// the stream when it can.
///
/// ```
/// use squall_ioloop::{Handle, IoLoop, Ready, Token};
/// use squall_iostream::{IoStream, Transport};
/// use std::{cell::Cell, io};
///
/// /// Says one thing, and then no more; hears nothing.
/// struct Motto(Cell<&'static [u8]>);
///
/// impl Transport for Motto {
///     fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
///         let text = self.0.get();
///         let count = text.len().min(buffer.len());
///         buffer[..count].copy_from_slice(&text[..count]);
///         self.0.set(&text[count..]);
///         Ok(count)
///     }
///     fn write(&self, bytes: &[u8]) -> io::Result<usize> {
///         Ok(bytes.len())
///     }
///     fn shutdown_write(&self) -> io::Result<()> {
///         Ok(())
///     }
///     fn close(&self) {}
///     fn attach(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
///         // There will be no event, so all is said now: that there is input, and its end.
///         ioloop.ready_again(token, Ready::READABLE | Ready::READ_CLOSED);
///         Ok(())
///     }
/// }
///
/// let ioloop = IoLoop::new()?;
/// let mut stream = IoStream::new(&ioloop, Motto(Cell::new(b"dum spiro spero")))?;
/// let motto = ioloop.run_until(stream.read_until_close(1024))??;
/// assert_eq!(motto, b"dum spiro spero");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Transport: 'static {
    /// Reads into `buffer`. 0 is the end of the stream. A read that does not fill the buffer
    /// promises that nothing is left until the transport is ready again.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing yet; any other error ends the stream.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes some of `bytes`. A write that takes less than all promises that no more will go
    /// until the transport is ready again.
    ///
    /// # Errors
    /// `WouldBlock` when nothing goes; any other error ends the stream.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Writes some of several pieces at once, in order. The same promise: less than all means that
    /// no more will go. The default writes one after the other.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut total = 0;
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            match self.write(piece) {
                Ok(written) => {
                    total += written;
                    if written < piece.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && total > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    /// Says to the peer that no more will come.
    ///
    /// # Errors
    /// What the system says; the stream ignores it.
    fn shutdown_write(&self) -> io::Result<()>;

    /// Closes both directions and gives the descriptor back. Every later call fails.
    fn close(&self);

    /// Called once, when the stream is on its loop.
    ///
    /// # Errors
    /// Any error is returned by what makes the stream.
    fn attach(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
        let _ = (ioloop, token);
        Ok(())
    }

    /// Runs `f` with the descriptor, if there is one and it is open.
    fn with_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        let _ = f;
    }

    /// The failure that an event has announced, if any.
    fn take_error(&self) -> Option<io::Error> {
        None
    }

    /// Who is at the other end, if that is an address of the Internet.
    fn peer_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// Our own end's address.
    fn local_addr(&self) -> Option<SocketAddr> {
        None
    }
}

/// A TCP connection.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{IoStream, TcpTransport};
///
/// let ioloop = IoLoop::new()?;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let socket = std::net::TcpStream::connect(listener.local_addr()?)?;
/// let stream = IoStream::new(&ioloop, TcpTransport::try_from(socket)?)?;
/// assert_eq!(stream.peer_addr(), Some(listener.local_addr()?));
/// # std::io::Result::Ok(())
/// ```
pub struct TcpTransport {
    /// `None` once closed.
    socket: RefCell<Option<mio::net::TcpStream>>,
}

impl TcpTransport {
    pub(crate) fn new(socket: mio::net::TcpStream) -> Self {
        Self {
            socket: RefCell::new(Some(socket)),
        }
    }

    fn with<R>(&self, mut f: impl FnMut(&mio::net::TcpStream) -> io::Result<R>) -> io::Result<R> {
        match &*self.socket.borrow() {
            Some(socket) => retry_interrupted(|| f(socket)),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// A blocking socket of the standard library, made non-blocking.
impl TryFrom<std::net::TcpStream> for TcpTransport {
    type Error = io::Error;

    fn try_from(socket: std::net::TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::new(mio::net::TcpStream::from_std(socket)))
    }
}

impl Transport for TcpTransport {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|mut socket| socket.read(buffer))
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|mut socket| socket.write(bytes))
    }

    fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        // Not `writev`: a program that is not Rust's own may have SIGPIPE at its deadly default.
        self.with(|socket| {
            SockRef::from(socket).send_vectored_with_flags(pieces, libc::MSG_NOSIGNAL)
        })
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.with(|socket| socket.shutdown(Shutdown::Write))
    }

    fn close(&self) {
        let socket = self.socket.take();
        drop(socket);
    }

    fn with_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        if let Some(socket) = &*self.socket.borrow() {
            f(socket.as_fd());
        }
    }

    fn take_error(&self) -> Option<io::Error> {
        self.with(mio::net::TcpStream::take_error).ok().flatten()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.with(mio::net::TcpStream::peer_addr).ok()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.with(mio::net::TcpStream::local_addr).ok()
    }
}

fn retry_interrupted<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
