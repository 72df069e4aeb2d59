//! The stream: one reader that owns it, and handles that write to it and close it.
//!
//! Here are its states, its events and its write side. Reading is in `read.rs`; the buffers and
//! the transport know nothing of the loop.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use squall_ioloop::{Handle, Interest, Ready, Source, Timeout, Token};

use crate::buffer::{ReadBuffer, WriteBuffer};
use crate::shared::Shared;
use crate::{StreamClosed, TcpTransport, Transport};

/// A buffered, non-blocking stream of bytes: Tornado's `IOStream`.
///
/// This is the reading end, and there is one: reads take `&mut self`, so that two reads at once
/// are a type error (Tornado: "Already reading"). Everything else is on [`StreamHandle`], which it
/// derefs to and which [`Self::handle`] clones. Dropping the `IoStream` closes the stream.
pub struct IoStream {
    pub(crate) handle: StreamHandle,
    pub(crate) buffer: ReadBuffer,
}

/// A handle of a stream: to write, to flush, to close it, to learn that it was closed.
///
/// Written bytes are buffered. They leave, all of them in one vectored write, when the turn ends,
/// or before that on [`Self::flush`] or when the reader has to wait for input.
#[derive(Clone)]
pub struct StreamHandle {
    core: Rc<Core<dyn Transport>>,
}

pub(crate) struct Core<T: Transport + ?Sized> {
    ioloop: Handle,
    pub(crate) shared: Rc<Shared>,
    state: RefCell<State>,
    token: Cell<Option<Token>>,
    deadline: Cell<Option<Timeout>>,
    /// What the transport is believed to be ready for; a short read or write takes it back.
    ready: Cell<Ready>,
    is_cut_short: Cell<bool>,
    is_flush_queued: Cell<bool>,
    reader: Waiter,
    writer: Waiter,
    closers: Cell<Vec<Closer>>,
    write_buffer: RefCell<WriteBuffer>,
    pub(crate) budget: Budget,
    pub(crate) transport: T,
}

enum State {
    Open,
    Closed(StreamClosed),
}

/// The waker of a task that may wait. It is kept between waits: a task that waits again, and most
/// do, need not clone it again.
#[derive(Default)]
struct Waiter {
    waker: Cell<Option<Waker>>,
    is_waiting: Cell<bool>,
}

impl Waiter {
    fn wait(&self, waker: &Waker) {
        self.is_waiting.set(true);
        let known = self.waker.take().filter(|known| known.will_wake(waker));
        self.waker.set(Some(known.unwrap_or_else(|| waker.clone())));
    }

    fn wake(&self) {
        if self.is_waiting.replace(false) {
            let waker = self.waker.take();
            if let Some(waker) = &waker {
                waker.wake_by_ref();
            }
            self.waker.set(waker);
        }
    }
}

enum Closer {
    Call(Box<dyn FnOnce()>),
    Wake(Waker),
}

/// How much a stream has read in the present turn, so that a peer at line rate starves nobody.
#[derive(Default)]
pub(crate) struct Budget {
    turn: Cell<u64>,
    spent: Cell<usize>,
}

/// What a stream may read in one turn. Then it waits for its next one on the ready-again list.
const BYTES_PER_TURN: usize = 256 * 1024;

impl Budget {
    fn is_spent(&self, turn: u64) -> bool {
        if self.turn.replace(turn) != turn {
            self.spent.set(0);
        }
        self.spent.get() >= BYTES_PER_TURN
    }

    fn spend(&self, bytes: usize) {
        self.spent.set(self.spent.get() + bytes);
    }
}

impl IoStream {
    /// A stream over any transport.
    ///
    /// # Errors
    /// What the poller or the transport says.
    pub fn new(ioloop: &Handle, transport: impl Transport) -> io::Result<Self> {
        let core = Rc::new(Core {
            ioloop: ioloop.clone(),
            shared: Shared::of(ioloop),
            state: RefCell::new(State::Open),
            token: Cell::new(None),
            deadline: Cell::new(None),
            // A fresh transport takes bytes; if not, the first write says so.
            ready: Cell::new(Ready::WRITABLE),
            is_cut_short: Cell::new(false),
            is_flush_queued: Cell::new(false),
            reader: Waiter::default(),
            writer: Waiter::default(),
            closers: Cell::default(),
            write_buffer: RefCell::default(),
            budget: Budget::default(),
            transport,
        });
        let mut registered = Err(io::ErrorKind::Unsupported.into());
        let mut has_fd = false;
        core.transport.with_fd(&mut |fd| {
            has_fd = true;
            registered = ioloop.register(core.clone(), Some(fd), Interest::Both);
        });
        if !has_fd {
            registered = ioloop.register(core.clone(), None, Interest::Both);
        }
        let token = registered?;
        core.token.set(Some(token));
        let stream = Self {
            handle: StreamHandle { core },
            buffer: ReadBuffer::default(),
        };
        stream.core.transport.attach(ioloop, token)?;
        Ok(stream)
    }

    /// A stream over a connected socket of the standard library.
    ///
    /// # Errors
    /// What the system says when the socket is made non-blocking or put on the loop.
    pub fn from_tcp(ioloop: &Handle, socket: std::net::TcpStream) -> io::Result<Self> {
        Self::new(ioloop, TcpTransport::try_from(socket)?)
    }

    /// A handle to write to this stream from elsewhere.
    pub fn handle(&self) -> StreamHandle {
        self.handle.clone()
    }

    /// How many bytes were read and not yet used.
    pub fn unread_len(&self) -> usize {
        self.buffer.len()
    }
}

impl Deref for IoStream {
    type Target = StreamHandle;
    fn deref(&self) -> &StreamHandle {
        &self.handle
    }
}

impl Drop for IoStream {
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl StreamHandle {
    pub(crate) fn core(&self) -> &Core<dyn Transport> {
        &self.core
    }

    // ---- writing

    /// Buffers a copy of `bytes`, to be sent at the end of this turn at the latest.
    ///
    /// # Errors
    /// [`StreamClosed`].
    pub fn write(&self, bytes: &[u8]) -> Result<(), StreamClosed> {
        self.write_with(|buffer| buffer.extend_from_slice(bytes))?;
        self.flush_at_turn_end();
        Ok(())
    }

    /// Buffers `bytes` without a copy, unless they are few.
    ///
    /// # Errors
    /// [`StreamClosed`].
    pub fn write_bytes(&self, bytes: Bytes) -> Result<(), StreamClosed> {
        self.check_open()?;
        self.core
            .write_buffer
            .borrow_mut()
            .push_shared(bytes, &self.core.shared);
        Ok(())
    }

    /// Lets `append` write at the end of what is buffered: an encoder's output needs no buffer of
    /// its own.
    ///
    /// # Errors
    /// [`StreamClosed`]; then `append` is not called.
    ///
    /// # Panics
    /// When `append` shortens the buffer, or uses this stream.
    pub fn write_with<R>(&self, append: impl FnOnce(&mut Vec<u8>) -> R) -> Result<R, StreamClosed> {
        self.check_open()?;
        Ok(self
            .core
            .write_buffer
            .borrow_mut()
            .append_with(&self.core.shared, append))
    }

    /// How many bytes are written and not yet sent.
    pub fn unsent_len(&self) -> usize {
        self.core.write_buffer.borrow().len()
    }

    /// Sends as much as goes without waiting.
    pub fn flush(&self) {
        self.core.flush();
    }

    /// Flushes when this turn ends, together with whatever is written until then. Asking again in
    /// the same turn changes nothing.
    pub fn flush_at_turn_end(&self) {
        if self.core.is_flush_queued.get() {
            return;
        }
        if let Some(token) = self.core.token.get() {
            self.core.is_flush_queued.set(true);
            self.core.ioloop.at_turn_end(token);
        }
    }

    /// Waits until at most `unsent_max` bytes are unsent; with 0, until all is with the system.
    /// This is how a writer feels that its peer is slow.
    ///
    /// # Errors
    /// [`StreamError::Closed`](crate::StreamError), or `TimedOut` when the deadline passes first.
    pub async fn drained(&self, unsent_max: usize) -> Result<(), crate::StreamError> {
        poll_fn(|cx| {
            self.core.flush();
            if self.unsent_len() <= unsent_max {
                return Poll::Ready(self.check_open().map_err(Into::into));
            }
            self.check_open()?;
            if self.core.take_deadline() {
                return Poll::Ready(Err(crate::StreamError::TimedOut));
            }
            self.core.writer.wait(cx.waker());
            Poll::Pending
        })
        .await
    }

    /// Sends what is unsent, then says to the peer that no more will come. Reading goes on.
    ///
    /// # Errors
    /// As [`Self::drained`].
    pub async fn shutdown_write(&self) -> Result<(), crate::StreamError> {
        self.drained(0).await?;
        // Fails when the peer has gone already, which is what the reader will be told.
        let _ = self.core.transport.shutdown_write();
        Ok(())
    }

    // ---- closing

    /// Closes the stream now: what is unsent is dropped, whoever waits is told. Closing a closed
    /// stream changes nothing.
    pub fn close(&self) {
        self.core.close(StreamClosed::ORDERLY);
    }

    /// Whether the stream is closed on our side.
    pub fn is_closed(&self) -> bool {
        matches!(*self.core.state.borrow(), State::Closed(_))
    }

    /// Whether the peer has said that it sends no more, or is gone, or the stream is closed.
    pub fn is_closing(&self) -> bool {
        self.core.is_closing()
    }

    /// Waits until the peer has gone (or will send no more), or the stream is closed: Tornado's
    /// `set_close_callback`, as a future. Input that came before may still be unread.
    pub async fn closed(&self) {
        poll_fn(|cx| {
            if self.core.is_closing() {
                return Poll::Ready(());
            }
            let mut closers = self.core.closers.take();
            closers.retain(
                |closer| !matches!(closer, Closer::Wake(waker) if waker.will_wake(cx.waker())),
            );
            closers.push(Closer::Wake(cx.waker().clone()));
            self.core.closers.set(closers);
            Poll::Pending
        })
        .await;
    }

    /// Calls `callback` when [`Self::closed`] would be ready; in a later turn if it is already.
    pub fn on_close(&self, callback: impl FnOnce() + 'static) {
        if self.core.is_closing() {
            self.core.ioloop.add_callback(callback);
        } else {
            let mut closers = self.core.closers.take();
            closers.push(Closer::Call(Box::new(callback)));
            self.core.closers.set(closers);
        }
    }

    // ---- the rest

    /// Sets the stream's deadline to `after` from now, or takes it away. When it passes, the read
    /// or the wait for [`Self::drained`] that is pending, or else the next that has to wait, ends
    /// with [`StreamError::TimedOut`](crate::StreamError). Moving it forward is one store.
    pub fn set_deadline(&self, after: Option<Duration>) {
        self.core.is_cut_short.set(false);
        let Some(token) = self.core.token.get() else {
            return;
        };
        let deadline = self.core.deadline.get().unwrap_or_else(|| {
            let deadline = self.core.ioloop.add_deadline(token);
            self.core.deadline.set(Some(deadline));
            deadline
        });
        self.core.ioloop.set_deadline(deadline, after);
    }

    /// The loop that the stream is on.
    pub fn ioloop(&self) -> &Handle {
        &self.core.ioloop
    }

    /// The peer's address, if it has one of the Internet. A system call.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.core.transport.peer_addr()
    }

    /// Our end's address, if it has one of the Internet. A system call.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.core.transport.local_addr()
    }

    /// An error if the stream is closed on our side.
    ///
    /// # Errors
    /// [`StreamClosed`], with its cause.
    pub fn check_open(&self) -> Result<(), StreamClosed> {
        match &*self.core.state.borrow() {
            State::Open => Ok(()),
            State::Closed(closed) => Err(closed.clone()),
        }
    }
}

impl<T: Transport + ?Sized> Core<T> {
    pub(crate) fn wait_for_input(&self, cx: &Context<'_>) {
        self.reader.wait(cx.waker());
    }

    /// Whether a read is worth its system call.
    pub(crate) fn is_readable(&self) -> bool {
        self.ready
            .get()
            .intersects(Ready::READABLE | Ready::READ_CLOSED | Ready::ERROR)
    }

    /// Whether the stream has had its share of this turn. If so, it is told again in the next.
    pub(crate) fn is_budget_spent(&self) -> bool {
        let is_spent = self.budget.is_spent(self.ioloop.turn_count());
        if is_spent {
            self.read_again();
        }
        is_spent
    }

    /// Puts the stream on the ready-again list.
    pub(crate) fn read_again(&self) {
        if let Some(token) = self.token.get() {
            self.ioloop.ready_again(token, Ready::READABLE);
        }
    }

    /// One read. A short one means that the transport is drained, so that no call is wasted to
    /// hear so; but once the peer has closed, no further event tells of the end, and the end has
    /// to be read.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.transport.read(buffer);
        match &result {
            Ok(0) => self.ready.set(self.ready.get() | Ready::READ_CLOSED),
            Ok(count) => {
                self.budget.spend(*count);
                if *count < buffer.len() {
                    self.ready.set(self.ready.get().without(Ready::READABLE));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.ready
                    .set(self.ready.get().without(Ready::READABLE | Ready::ERROR));
            }
            Err(_) => {}
        }
        result
    }

    /// For a socket that is still connecting: it will say when it is writable.
    pub(crate) fn expect_writable_event(&self) {
        self.ready.set(self.ready.get().without(Ready::WRITABLE));
    }

    /// Whether there was an event for the writer, or a failure; if not, the task will be woken.
    pub(crate) fn wait_for_writable(&self, cx: &Context<'_>) -> bool {
        let is_there = self
            .ready
            .get()
            .intersects(Ready::WRITABLE | Ready::WRITE_CLOSED | Ready::ERROR);
        if !is_there {
            self.writer.wait(cx.waker());
        }
        is_there
    }

    pub(crate) fn take_deadline(&self) -> bool {
        self.is_cut_short.take()
    }

    /// Sends until all is sent or the transport takes no more.
    pub(crate) fn flush(&self) {
        if self.write_buffer.borrow().is_empty() {
            return;
        }
        while self.ready.get().contains(Ready::WRITABLE) {
            let mut buffer = self.write_buffer.borrow_mut();
            let sent = buffer.send(&self.transport, &self.shared);
            let is_empty = buffer.is_empty();
            drop(buffer);
            match sent {
                Ok(true) if is_empty => return,
                Ok(true) => {}
                Ok(false) => self.ready.set(self.ready.get().without(Ready::WRITABLE)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready.set(self.ready.get().without(Ready::WRITABLE));
                }
                Err(error) => return self.close(StreamClosed::because(error)),
            }
        }
    }

    fn is_closing(&self) -> bool {
        let is_peer_gone = self
            .ready
            .get()
            .intersects(Ready::READ_CLOSED | Ready::ERROR);
        is_peer_gone || matches!(*self.state.borrow(), State::Closed(_))
    }

    pub(crate) fn close(&self, closed: StreamClosed) {
        let was_open = matches!(*self.state.borrow(), State::Open);
        if !was_open {
            return;
        }
        self.state.replace(State::Closed(closed));
        self.write_buffer.borrow_mut().clear();
        if let Some(deadline) = self.deadline.take() {
            self.ioloop.remove_timeout(deadline);
        }
        self.transport.close();
        self.reader.wake();
        self.writer.wake();
        self.tell_closers();
        // Last: the loop's reference may be the last but one.
        if let Some(token) = self.token.take() {
            self.ioloop.deregister(token, None);
        }
    }

    fn tell_closers(&self) {
        for closer in self.closers.take() {
            match closer {
                Closer::Call(callback) => self.ioloop.add_callback(callback),
                Closer::Wake(waker) => waker.wake(),
            }
        }
    }
}

impl<T: Transport + ?Sized> Source for Core<T> {
    fn on_ready(&self, _: &Handle, ready: Ready) {
        self.ready
            .set(self.ready.get() | ready.without(Ready::DEADLINE));
        if ready.contains(Ready::DEADLINE) {
            self.is_cut_short.set(true);
            self.reader.wake();
            self.writer.wake();
            return;
        }
        if ready.intersects(Ready::WRITABLE | Ready::WRITE_CLOSED | Ready::ERROR) {
            self.flush();
            self.writer.wake();
        }
        if ready.intersects(Ready::READABLE | Ready::READ_CLOSED | Ready::ERROR) {
            self.reader.wake();
        }
        if ready.intersects(Ready::READ_CLOSED | Ready::ERROR) {
            self.tell_closers();
        }
    }

    fn on_turn_end(&self, _: &Handle) {
        self.is_flush_queued.set(false);
        self.flush();
    }
}

impl fmt::Debug for IoStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoStream")
            .field("unread", &self.unread_len())
            .field("unsent", &self.unsent_len())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

impl fmt::Debug for StreamHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamHandle")
            .field("unsent", &self.unsent_len())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
