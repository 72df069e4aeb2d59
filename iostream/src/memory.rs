//! Two streams that talk to each other in memory: with latency, short reads and writes, and
//! faults, on the loop's clock. For the tests of every layer above: two ends, one thread, no
//! sockets, and on a virtual clock no waiting.
//!
//! Where it is not a socket's equal: a peer that has closed makes writes fail as soon as that is
//! known, where a socket takes one more and is reset; and what is under way when an end is closed
//! arrives, where a socket that is closed with unread input resets the connection.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use squall_ioloop::{Handle, Ready, Token};

use crate::{IoStream, Transport};

/// How the pair behaves, both ways alike.
///
/// ```
/// use squall_iostream::memory::Options;
/// use std::time::Duration;
/// let slow_and_small = Options {
///     latency: Duration::from_millis(20),
///     read_bytes_max: 1,
///     ..Options::default()
/// };
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// How long bytes, and the end of the stream, are under way. Default: none.
    pub latency: Duration,
    /// What one read gives at most. Default: no bound.
    pub read_bytes_max: usize,
    /// What one write takes at most; not 0, with which nothing ever goes. Default: no bound.
    pub write_bytes_max: usize,
    /// How many bytes may be under way or unread in one direction before writes block.
    /// Default 64 KiB.
    pub capacity: usize,
    /// After this many bytes were read by an end, its reads fail with an error of this kind.
    /// Default: never.
    pub read_fault: Option<(usize, io::ErrorKind)>,
    /// After this many bytes were written by an end, its writes fail with an error of this kind.
    /// Default: never.
    pub write_fault: Option<(usize, io::ErrorKind)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            read_bytes_max: usize::MAX,
            write_bytes_max: usize::MAX,
            capacity: 64 * 1024,
            read_fault: None,
            write_fault: None,
        }
    }
}

/// Two streams; what is written to one is read from the other.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::memory;
/// use std::time::Duration;
///
/// let ioloop = IoLoop::builder().virtual_clock().build()?;
/// let latency = Duration::from_secs(3600);
/// let options = memory::Options { latency, ..Default::default() };
/// let (ours, mut theirs) = memory::pair(&ioloop, options);
/// let sent_at = ioloop.now();
/// ours.write(b"hello")?;
/// assert_eq!(ioloop.run_until(theirs.read_bytes(5))??, b"hello");
/// assert_eq!(ioloop.now() - sent_at, latency);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// Never in practice: only a loop out of slots refuses a stream without a descriptor.
pub fn pair(ioloop: &Handle, options: Options) -> (IoStream, IoStream) {
    let there = Rc::new(Channel::default());
    let back = Rc::new(Channel::default());
    let ours = MemoryTransport::new(ioloop, options.clone(), back.clone(), there.clone());
    let theirs = MemoryTransport::new(ioloop, options, there, back);
    let stream = |transport| IoStream::new(ioloop, transport).expect("no descriptor is involved");
    (stream(ours), stream(theirs))
}

/// One direction.
#[derive(Default)]
struct Channel {
    /// Parcels with their times of arrival.
    under_way: RefCell<VecDeque<(Instant, Parcel)>>,
    arrived: RefCell<VecDeque<u8>>,
    /// Bytes under way and arrived.
    held: Cell<usize>,
    has_ended: Cell<bool>,
    is_sender_gone: Cell<bool>,
    is_reset: Cell<bool>,
    reader: Cell<Option<Token>>,
    writer: Cell<Option<Token>>,
    is_writer_blocked: Cell<bool>,
}

enum Parcel {
    Bytes(Vec<u8>),
    /// The sender writes no more.
    End,
    /// The sender writes no more and reads no more.
    Gone,
    /// So it is, and what it has written is not the whole.
    Reset,
}

impl Channel {
    /// Takes in what has had its latency, and tells the reader.
    fn deliver(&self, ioloop: &Handle) {
        let now = ioloop.now();
        let mut ready = Ready::NONE;
        let mut under_way = self.under_way.borrow_mut();
        while under_way
            .front()
            .is_some_and(|(arrival, _)| *arrival <= now)
        {
            match under_way.pop_front() {
                Some((_, Parcel::Bytes(bytes))) => {
                    self.arrived.borrow_mut().extend(bytes);
                    ready |= Ready::READABLE;
                }
                Some((_, Parcel::End)) => {
                    self.has_ended.set(true);
                    ready |= Ready::READABLE | Ready::READ_CLOSED;
                }
                Some((_, parcel @ (Parcel::Gone | Parcel::Reset))) => {
                    self.is_reset.set(matches!(parcel, Parcel::Reset));
                    self.has_ended.set(true);
                    self.is_sender_gone.set(true);
                    ready |= Ready::READABLE | Ready::READ_CLOSED;
                    ready |= Ready::WRITABLE | Ready::WRITE_CLOSED;
                }
                None => {}
            }
        }
        tell(ioloop, &self.reader, ready);
    }
}

fn tell(ioloop: &Handle, token: &Cell<Option<Token>>, ready: Ready) {
    if let Some(token) = token.get() {
        if ready != Ready::NONE {
            ioloop.ready_again(token, ready);
        }
    }
}

struct MemoryTransport {
    ioloop: Handle,
    options: Options,
    input: Rc<Channel>,
    output: Rc<Channel>,
    read: Cell<usize>,
    written: Cell<usize>,
    has_shut_down: Cell<bool>,
    is_closed: Cell<bool>,
}

impl MemoryTransport {
    fn new(ioloop: &Handle, options: Options, input: Rc<Channel>, output: Rc<Channel>) -> Self {
        Self {
            ioloop: ioloop.clone(),
            options,
            input,
            output,
            read: Cell::new(0),
            written: Cell::new(0),
            has_shut_down: Cell::new(false),
            is_closed: Cell::new(false),
        }
    }

    fn send(&self, parcel: Parcel) {
        let arrival = self.ioloop.now() + self.options.latency;
        self.output
            .under_way
            .borrow_mut()
            .push_back((arrival, parcel));
        if self.options.latency.is_zero() {
            self.output.deliver(&self.ioloop);
        } else {
            let channel: Weak<Channel> = Rc::downgrade(&self.output);
            let ioloop = self.ioloop.clone();
            self.ioloop.call_at(arrival, move || {
                if let Some(channel) = channel.upgrade() {
                    channel.deliver(&ioloop);
                }
            });
        }
    }

    fn close_with(&self, parcel: Parcel) {
        if !self.is_closed.replace(true) {
            self.input.reader.set(None);
            self.output.writer.set(None);
            self.send(parcel);
        }
    }

    fn check(&self, fault: Option<(usize, io::ErrorKind)>, done: usize) -> io::Result<()> {
        if self.is_closed.get() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        match fault {
            Some((after, kind)) if done >= after => Err(kind.into()),
            _ => Ok(()),
        }
    }
}

impl Transport for MemoryTransport {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check(self.options.read_fault, self.read.get())?;
        let mut arrived = self.input.arrived.borrow_mut();
        if arrived.is_empty() {
            return if self.input.is_reset.get() {
                Err(io::ErrorKind::ConnectionReset.into())
            } else if self.input.has_ended.get() {
                Ok(0)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            };
        }
        let until_fault = self
            .options
            .read_fault
            .map_or(usize::MAX, |(after, _)| after - self.read.get());
        let count = arrived
            .len()
            .min(buffer.len())
            .min(self.options.read_bytes_max)
            .min(until_fault);
        for (byte, arrived) in buffer.iter_mut().zip(arrived.drain(..count)) {
            *byte = arrived;
        }
        self.read.set(self.read.get() + count);
        self.input.held.set(self.input.held.get() - count);
        // A short read promises that nothing is left; so where something is, it is news.
        if count < buffer.len() && !arrived.is_empty() {
            tell(&self.ioloop, &self.input.reader, Ready::READABLE);
        }
        if self.input.is_writer_blocked.take() {
            tell(&self.ioloop, &self.input.writer, Ready::WRITABLE);
        }
        Ok(count)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.check(self.options.write_fault, self.written.get())?;
        if self.input.is_sender_gone.get() || self.has_shut_down.get() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let until_fault = self
            .options
            .write_fault
            .map_or(usize::MAX, |(after, _)| after - self.written.get());
        let room = self.options.capacity.saturating_sub(self.output.held.get());
        let count = bytes
            .len()
            .min(room)
            .min(self.options.write_bytes_max)
            .min(until_fault);
        if count == 0 {
            self.output.is_writer_blocked.set(true);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.written.set(self.written.get() + count);
        self.output.held.set(self.output.held.get() + count);
        self.send(Parcel::Bytes(bytes[..count].to_vec()));
        if count < bytes.len() {
            if count == room {
                self.output.is_writer_blocked.set(true);
            } else {
                tell(&self.ioloop, &self.output.writer, Ready::WRITABLE);
            }
        }
        Ok(count)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        if !self.has_shut_down.replace(true) {
            self.send(Parcel::End);
        }
        Ok(())
    }

    fn close(&self) {
        self.close_with(Parcel::Gone);
    }

    fn abort(&self) {
        self.close_with(Parcel::Reset);
    }

    fn attach(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
        self.input.reader.set(Some(token));
        self.output.writer.set(Some(token));
        // There is input already if it was attached before.
        if self.input.is_sender_gone.get() || self.input.has_ended.get() {
            ioloop.ready_again(token, Ready::READABLE | Ready::READ_CLOSED);
        } else if !self.input.arrived.borrow().is_empty() {
            ioloop.ready_again(token, Ready::READABLE);
        }
        Ok(())
    }

    fn detach(&self) -> Option<Box<dyn Transport>> {
        if self.is_closed.replace(true) {
            return None;
        }
        self.input.reader.set(None);
        self.output.writer.set(None);
        Some(Box::new(Self {
            ioloop: self.ioloop.clone(),
            options: self.options.clone(),
            input: self.input.clone(),
            output: self.output.clone(),
            read: self.read.clone(),
            written: self.written.clone(),
            has_shut_down: self.has_shut_down.clone(),
            is_closed: Cell::new(false),
        }))
    }
}
