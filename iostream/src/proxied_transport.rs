//! A transport over another one that tells other ends than its own: those for whom a proxy has
//! connected. All else is the other's.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use squall_ioloop::{Handle, Token};

use crate::admission::Row;
use crate::{Address, Transport};

/// A transport with the ends that its proxy tells.
pub(crate) struct ProxiedTransport {
    pub(crate) inner: Box<dyn Transport>,
    pub(crate) peer: Address,
    pub(crate) local: Address,
    /// Its place among the connections of the peer that was told.
    pub(crate) row: Cell<Option<Rc<Row>>>,
}

impl Transport for ProxiedTransport {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }

    fn has_more(&self) -> bool {
        self.inner.has_more()
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.write_vectored(pieces)
    }

    fn unsent_len(&self) -> usize {
        self.inner.unsent_len()
    }

    fn flush(&self) -> io::Result<()> {
        self.inner.flush()
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.inner.shutdown_write()
    }

    fn close(&self) {
        self.inner.close();
        drop(self.row.take());
    }

    fn abort(&self) {
        self.inner.abort();
        drop(self.row.take());
    }

    fn reset(&self) {
        self.inner.reset();
        drop(self.row.take());
    }

    fn send_file(
        &self,
        file: BorrowedFd<'_>,
        offset: u64,
        count: usize,
    ) -> Option<io::Result<usize>> {
        self.inner.send_file(file, offset, count)
    }

    fn attach(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
        self.inner.attach(ioloop, token)
    }

    fn with_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        self.inner.with_fd(f);
    }

    fn with_source_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        self.inner.with_source_fd(f);
    }

    fn with_sink_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        self.inner.with_sink_fd(f);
    }

    fn take_error(&self) -> Option<io::Error> {
        self.inner.take_error()
    }

    fn peer_addr(&self) -> Option<Address> {
        Some(self.peer.clone())
    }

    fn local_addr(&self) -> Option<Address> {
        Some(self.local.clone())
    }

    fn detach(&self) -> Option<Box<dyn Transport>> {
        Some(Box::new(Self {
            inner: self.inner.detach()?,
            peer: self.peer.clone(),
            local: self.local.clone(),
            row: Cell::new(self.row.take()),
        }))
    }
}
