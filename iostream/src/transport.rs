//! The seam between a stream and what carries its bytes. Sockets are in `socket.rs`, a pair in
//! memory in `memory.rs`.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

use squall_ioloop::{Handle, Token};

use crate::Address;

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
    /// promises that nothing is left until the transport is ready again, unless
    /// [`Self::has_more`] says otherwise.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing yet; any other error ends the stream.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether another read is worth its call though the last one was short: for a transport over
    /// another one, which turns what it reads into less.
    fn has_more(&self) -> bool {
        false
    }

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

    /// Sends some of a file without a copy through this process, from `offset` on, at most `count`
    /// bytes (not 0); 0 says that the file has no more. `None`, which is the default, from a
    /// transport that has no way to do so, or not with this file: then the stream reads the file
    /// and writes what it has read. It is called again after less than `count`, until it says
    /// `WouldBlock`.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn send_file(
        &self,
        file: BorrowedFd<'_>,
        offset: u64,
        count: usize,
    ) -> Option<io::Result<usize>> {
        let _ = (file, offset, count);
        None
    }

    /// How many bytes it holds that it took from a write and has not sent. They count as unsent
    /// of the stream.
    fn unsent_len(&self) -> usize {
        0
    }

    /// Sends what it holds, see [`Self::unsent_len`]. The stream calls it when the transport is
    /// writable again.
    ///
    /// # Errors
    /// `WouldBlock` when not all went; any other error ends the stream.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Says to the peer that no more will come.
    ///
    /// # Errors
    /// What the system says; the stream ignores it.
    fn shutdown_write(&self) -> io::Result<()>;

    /// Closes both directions and gives the descriptor back. Every later call fails.
    fn close(&self);

    /// Closes so that the peer can tell it from an end: it did not get all. The default is
    /// [`Self::close`], for a transport whose peers cannot be told.
    fn abort(&self) {
        self.close();
    }

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

    /// Who is at the other end, if it has an address.
    fn peer_addr(&self) -> Option<Address> {
        None
    }

    /// Our own end's address.
    fn local_addr(&self) -> Option<Address> {
        None
    }

    /// Moves what carries the bytes out, and leaves this one closed without closing that: to put
    /// TLS around it, or to take it to another loop. It is not on a poller then. `None` from a
    /// transport that cannot be moved, and from one that is closed.
    fn detach(&self) -> Option<Box<dyn Transport>> {
        None
    }

    /// What was agreed upon, if it is TLS and established.
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    fn tls(&self) -> Option<crate::tls::TlsInfo> {
        None
    }
}

impl Transport for Box<dyn Transport> {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).read(buffer)
    }

    fn has_more(&self) -> bool {
        (**self).has_more()
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (**self).write(bytes)
    }

    fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        (**self).write_vectored(pieces)
    }

    fn send_file(
        &self,
        file: BorrowedFd<'_>,
        offset: u64,
        count: usize,
    ) -> Option<io::Result<usize>> {
        (**self).send_file(file, offset, count)
    }

    fn unsent_len(&self) -> usize {
        (**self).unsent_len()
    }

    fn flush(&self) -> io::Result<()> {
        (**self).flush()
    }

    fn shutdown_write(&self) -> io::Result<()> {
        (**self).shutdown_write()
    }

    fn close(&self) {
        (**self).close();
    }

    fn abort(&self) {
        (**self).abort();
    }

    fn attach(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
        (**self).attach(ioloop, token)
    }

    fn with_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        (**self).with_fd(f);
    }

    fn take_error(&self) -> Option<io::Error> {
        (**self).take_error()
    }

    fn peer_addr(&self) -> Option<Address> {
        (**self).peer_addr()
    }

    fn local_addr(&self) -> Option<Address> {
        (**self).local_addr()
    }

    fn detach(&self) -> Option<Box<dyn Transport>> {
        (**self).detach()
    }

    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    fn tls(&self) -> Option<crate::tls::TlsInfo> {
        (**self).tls()
    }
}
