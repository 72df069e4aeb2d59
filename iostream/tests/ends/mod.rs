//! What the suites share: loops on virtual time, pairs, and a transport that does as it is told
//! and counts its calls.

#![allow(dead_code, reason = "no suite needs all of it")]

pub(crate) mod dialogue;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
pub(crate) mod tls;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use squall_ioloop::{Handle, IoLoop, Ready, Token, sleep};
use squall_iostream::memory::{self, Options};
use squall_iostream::{IoStream, StreamClosed, Transport};

pub(crate) const TICK: Duration = Duration::from_millis(1);

/// A loop on which a wait costs no time, and one that nothing ends fails the test.
pub(crate) fn virtual_loop() -> IoLoop {
    IoLoop::builder().virtual_clock().build().unwrap()
}

pub(crate) fn pair(ioloop: &Handle) -> (IoStream, IoStream) {
    memory::pair(ioloop, Options::default())
}

/// As many turns as anything here takes that waits for no deadline.
pub(crate) fn settle(ioloop: &IoLoop) {
    for _ in 0..20 {
        ioloop.run_once(Some(Duration::ZERO)).unwrap();
    }
}

/// Writes the parts one by one, each after the one before it has arrived.
pub(crate) async fn send_parts(stream: IoStream, parts: Vec<Vec<u8>>) -> IoStream {
    for part in parts {
        stream.write(&part).unwrap();
        stream.drained(0).await.unwrap();
        sleep(TICK).await;
    }
    stream
}

/// The same bytes whole, byte by byte, and cut in two everywhere.
pub(crate) fn cuts(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut all = vec![
        vec![bytes.to_vec()],
        bytes.iter().map(|byte| vec![*byte]).collect(),
    ];
    all.extend((1..bytes.len()).map(|at| vec![bytes[..at].to_vec(), bytes[at..].to_vec()]));
    all
}

/// Bytes that tell where they come from.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// Polls once, with a waker that wakes nobody.
pub(crate) fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Counts its wakes.
#[derive(Default)]
pub(crate) struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    pub(crate) fn wakes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the stream asked of a [`Script`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    /// With this many pieces.
    WriteVectored(usize),
    Shutdown,
    Close,
}

/// A transport that is played from outside.
#[derive(Clone, Default)]
pub(crate) struct Script(Rc<Played>);

#[derive(Default)]
struct Played {
    loops: RefCell<Option<(Handle, Token)>>,
    input: RefCell<VecDeque<u8>>,
    has_ended: Cell<bool>,
    output: RefCell<Vec<u8>>,
    room: Cell<usize>,
    calls: RefCell<Vec<Call>>,
    fault: Cell<Option<io::ErrorKind>>,
}

impl Script {
    /// A stream over a script that takes `room` bytes.
    pub(crate) fn stream(ioloop: &Handle, room: usize) -> (Self, IoStream) {
        let script = Self::default();
        script.0.room.set(room);
        let stream = IoStream::new(ioloop, script.clone()).unwrap();
        (script, stream)
    }

    /// Input, with its event.
    pub(crate) fn arrive(&self, bytes: &[u8]) {
        self.arrive_quietly(bytes);
        self.tell(Ready::READABLE);
    }

    /// Input, whose event is still to come.
    pub(crate) fn arrive_quietly(&self, bytes: &[u8]) {
        self.0.input.borrow_mut().extend(bytes);
    }

    pub(crate) fn end_quietly(&self) {
        self.0.has_ended.set(true);
    }

    pub(crate) fn make_room(&self, bytes: usize) {
        self.0.room.set(self.0.room.get() + bytes);
        self.tell(Ready::WRITABLE);
    }

    /// All calls fail from now on.
    pub(crate) fn fail(&self, kind: io::ErrorKind) {
        self.0.fault.set(Some(kind));
    }

    pub(crate) fn tell(&self, ready: Ready) {
        if let Some((ioloop, token)) = &*self.0.loops.borrow() {
            ioloop.ready_again(*token, ready);
        }
    }

    pub(crate) fn output(&self) -> Vec<u8> {
        self.0.output.borrow().clone()
    }

    /// All calls since the last time this was asked.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.calls.take()
    }

    fn call(&self, call: Call) -> io::Result<()> {
        self.0.calls.borrow_mut().push(call);
        self.0.fault.get().map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn take(&self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.0.room.get());
        self.0.room.set(self.0.room.get() - count);
        self.0
            .output
            .borrow_mut()
            .extend_from_slice(&bytes[..count]);
        count
    }
}

impl Transport for Script {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(Call::Read)?;
        let mut input = self.0.input.borrow_mut();
        if input.is_empty() && !self.0.has_ended.get() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = input.len().min(buffer.len());
        for (byte, arrived) in buffer.iter_mut().zip(input.drain(..count)) {
            *byte = arrived;
        }
        Ok(count)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.call(Call::Write)?;
        match self.take(bytes) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.call(Call::WriteVectored(pieces.len()))?;
        match pieces.iter().map(|piece| self.take(piece)).sum() {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.call(Call::Shutdown)
    }

    fn close(&self) {
        let _ = self.call(Call::Close);
    }

    fn attach(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
        self.0.loops.replace(Some((ioloop.clone(), token)));
        Ok(())
    }
}

/// A transport with input without end, that takes all it is given.
pub(crate) struct LineRate;

impl Transport for LineRate {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(b'x');
        Ok(buffer.len())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn shutdown_write(&self) -> io::Result<()> {
        Ok(())
    }

    fn close(&self) {}

    fn attach(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
        ioloop.ready_again(token, Ready::READABLE);
        Ok(())
    }
}

pub(crate) fn kind_of(closed: &StreamClosed) -> Option<io::ErrorKind> {
    closed.cause().map(io::Error::kind)
}
