//! A transport that says what it was told to, and counts what it is asked.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use squall_ioloop::{Handle, Ready, Token};
use squall_iostream::{Address, IoStream, Transport};

/// What a scripted peer has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) reads: Cell<usize>,
    pub(crate) writes: RefCell<Vec<Vec<u8>>>,
    pub(crate) address_asked: Cell<usize>,
    /// As of a socket that was reset.
    pub(crate) is_address_forgotten: Cell<bool>,
}

struct Script {
    input: RefCell<Vec<u8>>,
    seen: Rc<Seen>,
    address: Option<Address>,
}

/// A stream whose peer has said `input`, and takes whatever is written.
pub(crate) fn stream(ioloop: &Handle, input: &[u8]) -> (IoStream, Rc<Seen>) {
    stream_from(ioloop, input, None)
}

/// The same with the address of the peer.
pub(crate) fn stream_from(
    ioloop: &Handle,
    input: &[u8],
    address: Option<Address>,
) -> (IoStream, Rc<Seen>) {
    let seen = Rc::new(Seen::default());
    let script = Script {
        input: RefCell::new(input.to_vec()),
        seen: seen.clone(),
        address,
    };
    (IoStream::new(ioloop, script).unwrap(), seen)
}

impl Transport for Script {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.seen.reads.set(self.seen.reads.get() + 1);
        let mut input = self.input.borrow_mut();
        if input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = input.len().min(buffer.len());
        buffer[..count].copy_from_slice(&input[..count]);
        input.drain(..count);
        Ok(count)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.seen.writes.borrow_mut().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn write_vectored(&self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
        self.write(&bytes)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        Ok(())
    }

    fn close(&self) {}

    fn peer_addr(&self) -> Option<Address> {
        self.seen
            .address_asked
            .set(self.seen.address_asked.get() + 1);
        let is_forgotten = self.seen.is_address_forgotten.get();
        self.address.clone().filter(|_| !is_forgotten)
    }

    fn attach(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
        ioloop.ready_again(token, Ready::READABLE);
        Ok(())
    }
}
