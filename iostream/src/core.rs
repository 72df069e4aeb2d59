//! What is behind both ends of a stream: its state, its events, its write side and its close.
//!
//! The loop calls it through [`Source`], the handles of `stream.rs` and the reads of `read.rs`
//! through the rest. The buffers and the transport know nothing of it.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use squall_ioloop::{Handle, Interest, Ready, Source, Timeout, Token};

use crate::budget::Budget;
use crate::shared::Shared;
use crate::waiter::{Closer, Closers, Waiter, Waiters};
use crate::write_buffer::WriteBuffer;
use crate::{StreamClosed, Transport};

pub(crate) struct Core<T: Transport + ?Sized> {
    pub(crate) ioloop: Handle,
    pub(crate) shared: Rc<Shared>,
    state: RefCell<State>,
    token: Cell<Option<Token>>,
    deadline: Cell<Option<Timeout>>,
    /// What the transport is believed to be ready for; a short read or write takes it back.
    ready: Cell<Ready>,
    is_cut_short: Cell<bool>,
    is_flush_queued: Cell<bool>,
    reader: Waiter,
    writers: Waiters,
    pub(crate) closers: Closers,
    write_buffer: RefCell<WriteBuffer>,
    budget: Budget,
    pub(crate) transport: T,
}

enum State {
    Open,
    Closed(StreamClosed),
}

impl<T: Transport> Core<T> {
    /// Puts a transport on the loop.
    pub(crate) fn register(ioloop: &Handle, transport: T) -> io::Result<Rc<Self>> {
        let core = Rc::new(Self {
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
            writers: Waiters::default(),
            closers: Closers::default(),
            write_buffer: RefCell::default(),
            budget: Budget::default(),
            transport,
        });
        let mut registered = None;
        core.transport.with_fd(&mut |fd| {
            registered = Some(ioloop.register(core.clone(), Some(fd), Interest::Both));
        });
        let token =
            registered.unwrap_or_else(|| ioloop.register(core.clone(), None, Interest::Both))?;
        core.token.set(Some(token));
        if let Err(error) = core.transport.attach(ioloop, token) {
            core.close(StreamClosed::ORDERLY);
            return Err(error);
        }
        Ok(core)
    }
}

impl<T: Transport + ?Sized> Core<T> {
    // ---- reading

    /// Whether a read is worth its system call.
    pub(crate) fn is_readable(&self) -> bool {
        self.ready.get().contains(Ready::READABLE)
    }

    pub(crate) fn wait_for_input(&self, cx: &Context<'_>) {
        self.reader.wait(cx.waker());
    }

    /// Whether the stream has had its share of this turn. If so, it is told again in the next.
    pub(crate) fn is_budget_spent(&self) -> bool {
        let is_spent = self.budget.is_spent(self.ioloop.turn_count());
        if let (true, Some(token)) = (is_spent, self.token.get()) {
            self.ioloop.ready_again(token, Ready::READABLE);
        }
        is_spent
    }

    /// One read. A short one means that the transport is drained, so that no call is wasted to
    /// hear so; but once the peer has closed, no further event tells of the end, and the end has
    /// to be read.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.transport.read(buffer);
        match &result {
            // A transport without a descriptor may have no other way to say so.
            Ok(0) if !self.is_peer_gone() => {
                self.set_ready(Ready::READ_CLOSED);
                self.tell_closers();
            }
            Ok(0) => {}
            Ok(count) => {
                self.budget.spend(*count);
                if *count < buffer.len() && !self.is_peer_gone() && !self.transport.has_more() {
                    self.unset_ready(Ready::READABLE);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.unset_ready(Ready::READABLE | Ready::ERROR);
            }
            Err(_) => {}
        }
        result
    }

    // ---- writing

    pub(crate) fn write_with<R>(
        &self,
        append: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Result<R, StreamClosed> {
        self.check_open()?;
        let result = self
            .write_buffer
            .borrow_mut()
            .append_with(&self.shared, append);
        // It may have closed the stream, or dropped it, and nobody sends what it has appended.
        if self.is_closed() {
            drop(self.write_buffer.take());
        }
        Ok(result)
    }

    pub(crate) fn write_bytes(&self, bytes: Bytes) -> Result<(), StreamClosed> {
        self.check_open()?;
        self.write_buffer
            .borrow_mut()
            .push_shared(bytes, &self.shared);
        Ok(())
    }

    pub(crate) fn unsent_len(&self) -> usize {
        self.write_buffer.borrow().len() + self.transport.unsent_len()
    }

    /// Sends until all is sent or the transport takes no more.
    pub(crate) fn flush(&self) {
        if self.write_buffer.borrow().is_empty() {
            return;
        }
        while self.is_writable() {
            let mut buffer = self.write_buffer.borrow_mut();
            let sent = buffer.send(&self.transport, &self.shared);
            let is_empty = buffer.is_empty();
            drop(buffer);
            match sent {
                Ok(true) if is_empty => return,
                Ok(true) => {}
                Ok(false) => self.unset_ready(Ready::WRITABLE),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unset_ready(Ready::WRITABLE);
                }
                Err(error) => return self.close(StreamClosed::because(error)),
            }
        }
    }

    pub(crate) fn flush_at_turn_end(&self) {
        if self.is_flush_queued.get() {
            return;
        }
        if let Some(token) = self.token.get() {
            self.is_flush_queued.set(true);
            self.ioloop.at_turn_end(token);
        }
    }

    /// Sends what the transport itself holds, which is before all that is written.
    fn flush_transport(&self) {
        if self.transport.unsent_len() == 0 {
            return;
        }
        match self.transport.flush() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.unset_ready(Ready::WRITABLE);
            }
            Err(error) => self.close(StreamClosed::because(error)),
        }
    }

    /// For a socket that is still connecting: it will say when it is writable.
    pub(crate) fn expect_writable_event(&self) {
        self.unset_ready(Ready::WRITABLE);
    }

    /// Whether there was an event for the writers since then.
    pub(crate) fn is_writable(&self) -> bool {
        self.ready.get().contains(Ready::WRITABLE)
    }

    pub(crate) fn wait_for_room(&self, cx: &Context<'_>) {
        self.writers.wait(cx.waker());
    }

    // ---- its deadline

    pub(crate) fn set_deadline(&self, after: Option<Duration>) {
        self.is_cut_short.set(false);
        let Some(token) = self.token.get() else {
            return;
        };
        let deadline = self.deadline.get().unwrap_or_else(|| {
            let deadline = self.ioloop.add_deadline(token);
            self.deadline.set(Some(deadline));
            deadline
        });
        self.ioloop.set_deadline(deadline, after);
    }

    pub(crate) fn take_deadline(&self) -> bool {
        self.is_cut_short.take()
    }

    // ---- closing

    pub(crate) fn is_closed(&self) -> bool {
        matches!(*self.state.borrow(), State::Closed(_))
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_peer_gone() || self.is_closed()
    }

    pub(crate) fn check_open(&self) -> Result<(), StreamClosed> {
        match &*self.state.borrow() {
            State::Open => Ok(()),
            State::Closed(closed) => Err(closed.clone()),
        }
    }

    pub(crate) fn close(&self, closed: StreamClosed) {
        if self.is_closed() {
            return;
        }
        let is_orderly = closed.cause().is_none();
        self.state.replace(State::Closed(closed));
        // Dropped when it is no longer borrowed: shared bytes may have an owner with a destructor.
        // A writer that closes its own stream cleans up itself.
        let unsent = self
            .write_buffer
            .try_borrow_mut()
            .map(|mut buffer| std::mem::take(&mut *buffer));
        let is_all_sent = unsent.as_ref().is_ok_and(WriteBuffer::is_empty);
        drop(unsent);
        if let Some(deadline) = self.deadline.take() {
            self.ioloop.remove_timeout(deadline);
        }
        if is_orderly && is_all_sent {
            self.transport.close();
        } else {
            self.transport.abort();
        }
        self.reader.wake();
        self.writers.wake();
        self.tell_closers();
        // Last: the loop's reference may be the last but one.
        if let Some(token) = self.token.take() {
            self.ioloop.deregister(token, None);
        }
    }

    /// Takes the transport off the loop and away from the stream, which is closed then.
    pub(crate) fn detach(&self) -> Option<Box<dyn Transport>> {
        let detached = self.transport.detach()?;
        if let Some(token) = self.token.take() {
            // The descriptor stays open, and so does not leave the poller by itself.
            let mut has_left = false;
            detached.with_fd(&mut |fd| {
                self.ioloop.deregister(token, Some(fd));
                has_left = true;
            });
            if !has_left {
                self.ioloop.deregister(token, None);
            }
        }
        self.close(StreamClosed::ORDERLY);
        Some(detached)
    }

    fn is_peer_gone(&self) -> bool {
        self.ready
            .get()
            .intersects(Ready::READ_CLOSED | Ready::ERROR)
    }

    fn tell_closers(&self) {
        for closer in self.closers.take() {
            match closer {
                Closer::Call(callback) => self.ioloop.add_callback(callback),
                Closer::Wake(waker) => waker.wake(),
            }
        }
    }

    fn set_ready(&self, ready: Ready) {
        self.ready.set(self.ready.get() | ready);
    }

    fn unset_ready(&self, ready: Ready) {
        self.ready.set(self.ready.get().without(ready));
    }
}

impl<T: Transport + ?Sized> Source for Core<T> {
    fn on_ready(&self, _: &Handle, mut ready: Ready) {
        if ready.contains(Ready::DEADLINE) {
            self.is_cut_short.set(true);
            self.reader.wake();
            self.writers.wake();
            return;
        }
        // An end or a failure is found by the next call, so that is worth making.
        if ready.intersects(Ready::READ_CLOSED | Ready::ERROR) {
            ready |= Ready::READABLE;
        }
        if ready.intersects(Ready::WRITE_CLOSED | Ready::ERROR) {
            ready |= Ready::WRITABLE;
        }
        self.set_ready(ready);
        if ready.contains(Ready::WRITABLE) {
            self.flush_transport();
            self.flush();
            self.writers.wake();
        }
        if ready.contains(Ready::READABLE) {
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
