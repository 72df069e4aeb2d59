//! Another transport made difficult: a few bytes a call, pauses, and failures at a given call.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use squall_ioloop::{Handle, Ready, Token};
use squall_iostream::{IoStream, Transport};

use super::TICK;

/// How difficult.
#[derive(Clone, Copy)]
pub(crate) struct Unkindness {
    /// What one call moves at most.
    pub(crate) bytes_max: usize,
    /// After so many calls of a kind one is told to come back later.
    pub(crate) calls_until_pause: usize,
    /// This call of this kind fails, and all that follow.
    pub(crate) fault: Option<(Kind, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
}

impl Default for Unkindness {
    fn default() -> Self {
        Self {
            bytes_max: usize::MAX,
            calls_until_pause: usize::MAX,
            fault: None,
        }
    }
}

/// What a failing call says.
pub(crate) const FAULT: io::ErrorKind = io::ErrorKind::QuotaExceeded;

/// How many reads and writes there were.
#[derive(Clone, Default)]
pub(crate) struct Calls(Rc<[Cell<usize>; 2]>);

impl Calls {
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.0[kind as usize].get()
    }
}

/// The same stream, made difficult.
pub(crate) fn unkind(
    ioloop: &Handle,
    stream: IoStream,
    unkindness: Unkindness,
) -> (IoStream, Calls) {
    let (inner, unread) = stream.into_parts().unwrap();
    assert!(unread.is_empty());
    let calls = Calls::default();
    let transport = Unkind {
        inner,
        unkindness,
        calls: calls.clone(),
        place: RefCell::new(None),
    };
    (IoStream::new(ioloop, transport).unwrap(), calls)
}

struct Unkind {
    inner: Box<dyn Transport>,
    unkindness: Unkindness,
    calls: Calls,
    place: RefCell<Option<(Handle, Token)>>,
}

impl Unkind {
    fn call(&self, kind: Kind) -> io::Result<()> {
        let count = &self.calls.0[kind as usize];
        let number = count.get();
        count.set(number + 1);
        if let Some((failing, first)) = self.unkindness.fault {
            if failing == kind && number >= first {
                return Err(FAULT.into());
            }
        }
        if number % self.unkindness.calls_until_pause == self.unkindness.calls_until_pause - 1 {
            let (ioloop, token) = self.place.borrow().clone().unwrap();
            let ready = match kind {
                Kind::Read => Ready::READABLE,
                Kind::Write => Ready::WRITABLE,
            };
            let again = ioloop.clone();
            ioloop.call_later(TICK, move || again.ready_again(token, ready));
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }
}

impl Transport for Unkind {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(Kind::Read)?;
        let len = buffer.len().min(self.unkindness.bytes_max);
        self.inner.read(&mut buffer[..len])
    }

    fn has_more(&self) -> bool {
        // Short reads are ours, and say nothing.
        self.unkindness.bytes_max < usize::MAX || self.inner.has_more()
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.call(Kind::Write)?;
        let len = bytes.len().min(self.unkindness.bytes_max);
        let written = self.inner.write(&bytes[..len])?;
        if written == len && len < bytes.len() {
            // A short write promises that no more will go; more will.
            let place = self.place.borrow();
            let (ioloop, token) = place.as_ref().unwrap();
            ioloop.ready_again(*token, Ready::WRITABLE);
        }
        Ok(written)
    }

    fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.unkindness.bytes_max < usize::MAX {
            let first = pieces.iter().find(|piece| !piece.is_empty());
            let first: &[u8] = first.map_or(&[], |piece| piece);
            let written = self.write(first)?;
            if written == first.len() {
                let place = self.place.borrow();
                let (ioloop, token) = place.as_ref().unwrap();
                ioloop.ready_again(*token, Ready::WRITABLE);
            }
            return Ok(written);
        }
        self.call(Kind::Write)?;
        self.inner.write_vectored(pieces)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.inner.shutdown_write()
    }

    fn close(&self) {
        self.inner.close();
    }

    fn attach(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
        self.place.replace(Some((ioloop.clone(), token)));
        self.inner.attach(ioloop, token)
    }

    fn with_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        self.inner.with_fd(f);
    }

    fn take_error(&self) -> Option<io::Error> {
        self.inner.take_error()
    }
}
