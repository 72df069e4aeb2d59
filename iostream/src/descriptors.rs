//! A Unix socket that carries descriptors beside its bytes (`SCM_RIGHTS`, unix(7)).

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::{Address, Transport};

/// How many descriptors go with one message. The system's limit is 253.
pub(crate) const DESCRIPTORS_MAX: usize = 64;

/// A transport over a Unix socket. What is outgoing leaves with the next bytes that are written;
/// what arrives waits in `incoming`.
pub(crate) struct DescriptorTransport {
    inner: Box<dyn Transport>,
    outgoing: RefCell<Vec<OwnedFd>>,
    incoming: Rc<RefCell<Vec<OwnedFd>>>,
}

impl DescriptorTransport {
    pub(crate) fn new(inner: Box<dyn Transport>, outgoing: Vec<OwnedFd>) -> Self {
        Self {
            inner,
            outgoing: RefCell::new(outgoing),
            incoming: Rc::default(),
        }
    }

    /// Where descriptors arrive.
    pub(crate) fn incoming(&self) -> Rc<RefCell<Vec<OwnedFd>>> {
        self.incoming.clone()
    }

    fn on_socket<R>(&self, mut f: impl FnMut(BorrowedFd<'_>) -> io::Result<R>) -> io::Result<R> {
        let mut result = Err(io::ErrorKind::NotConnected.into());
        self.inner.with_fd(&mut |fd| result = f(fd));
        result
    }

    fn receive(&self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        // Elsewhere they are inherited by a child that is started in the same moment.
        #[cfg(target_os = "linux")]
        let flags = RecvFlags::CMSG_CLOEXEC;
        #[cfg(not(target_os = "linux"))]
        let flags = RecvFlags::empty();
        let message = loop {
            let mut pieces = [IoSliceMut::new(buffer)];
            match recvmsg(fd, &mut pieces, &mut ancillary, flags) {
                Err(rustix::io::Errno::INTR) => {}
                result => break result?,
            }
        };
        let mut incoming = self.incoming.borrow_mut();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                incoming.extend(descriptors);
            }
        }
        if message.flags.contains(ReturnFlags::CTRUNC) || incoming.len() > DESCRIPTORS_MAX {
            incoming.clear();
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "more descriptors than are taken",
            ));
        }
        Ok(message.bytes)
    }

    fn send(&self, fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        let outgoing = self.outgoing.borrow();
        let descriptors: Vec<_> = outgoing.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // Without it, a program that is not Rust's own may have SIGPIPE at its deadly default.
        #[cfg(not(target_vendor = "apple"))]
        let flags = SendFlags::NOSIGNAL;
        #[cfg(target_vendor = "apple")]
        let flags = SendFlags::empty();
        loop {
            match sendmsg(fd, &[IoSlice::new(bytes)], &mut ancillary, flags) {
                Err(rustix::io::Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }
}

impl Transport for DescriptorTransport {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.on_socket(|fd| self.receive(fd, buffer))
    }

    /// The system gives no more in one read than what came with one piece of descriptors, so a
    /// short read says nothing.
    fn has_more(&self) -> bool {
        true
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.outgoing.borrow().is_empty() {
            return self.inner.write(bytes);
        }
        let sent = self.on_socket(|fd| self.send(fd, bytes))?;
        // They go with the first byte; the peer has its own now.
        drop(self.outgoing.take());
        Ok(sent)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.inner.shutdown_write()
    }

    fn close(&self) {
        self.inner.close();
    }

    fn with_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        self.inner.with_fd(f);
    }

    fn take_error(&self) -> Option<io::Error> {
        self.inner.take_error()
    }

    fn peer_addr(&self) -> Option<Address> {
        self.inner.peer_addr()
    }

    fn local_addr(&self) -> Option<Address> {
        self.inner.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use squall_ioloop::{IoLoop, with_timeout};

    use super::*;
    use crate::{IoStream, SocketTransport};

    /// The system gives no more in one read than came with one set of descriptors, and tells of
    /// the rest no second time.
    #[test]
    fn what_comes_behind_a_set_of_descriptors_is_read_without_another_event() {
        let ioloop = IoLoop::new().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let descriptor = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let carry = |socket: UnixStream, descriptors: Vec<OwnedFd>| {
            let socket = SocketTransport::try_from(socket).unwrap();
            DescriptorTransport::new(Box::new(socket), descriptors)
        };
        let sender = carry(ours, vec![descriptor]);
        assert_eq!(sender.write(b"with one, ").unwrap(), 10);
        assert_eq!(sender.write(b"and without").unwrap(), 11);
        let receiver = carry(theirs, Vec::new());
        let incoming = receiver.incoming();
        let mut stream = IoStream::new(&ioloop, receiver).unwrap();
        // Only a failure waits so long.
        let patience = Duration::from_secs(10);
        let read = ioloop.run_until(with_timeout(patience, stream.read_bytes(21)));
        let read = read.unwrap().expect("the rest is there").unwrap();
        assert_eq!(read, b"with one, and without");
        assert_eq!(incoming.take().len(), 1);
    }
}
