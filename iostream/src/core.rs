//! What is behind both ends of a stream: its state, its events, its reads and its close. How it
//! sends is in `sending.rs`, and what it asks of `Extras` in `extras.rs`.
//!
//! The loop calls it through [`Source`], the handles of `stream.rs` and the reads of `decode.rs`
//! through the rest. The buffers and the transport know nothing of it.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use squall_ioloop::{Handle, Interest, Ready, Source, Token};

use crate::budget::Budget;
use crate::carrier::Carrier;
use crate::error::Interruption;
use crate::extras::Extras;
use crate::shared::Shared;
use crate::waiter::{Awaited, Told, Waiter, Waiting, Waits};
use crate::write_buffer::WriteBuffer;
use crate::{StreamClosed, StreamError, Transport};

pub(crate) struct Core {
    pub(crate) ioloop: Handle,
    pub(crate) shared: Rc<Shared>,
    state: Cell<State>,
    /// Why it is not open any more, if something has failed.
    cause: OnceCell<Rc<io::Error>>,
    token: Cell<Option<Token>>,
    /// What the transport is believed to be ready for; a short read or write takes it back.
    ready: Cell<Ready>,
    /// What the next wait is to be ended with.
    interruption: Cell<Option<Interruption>>,
    pub(crate) is_flush_queued: Cell<bool>,
    pub(crate) reader: Waiter,
    pub(crate) waits: Waits,
    pub(crate) write_buffer: RefCell<WriteBuffer>,
    pub(crate) budget: Budget,
    pub(crate) extras: OnceCell<Box<Extras>>,
    pub(crate) transport: Carrier,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// A write has failed: nothing can be written any more, and what has arrived can still be read.
    /// A server that answers early and goes away makes a write fail of a peer that has not read the
    /// answer yet (`docs/decisions/008-half-failed.md`).
    Failed,
    Closed,
}

impl Core {
    /// Puts a transport on the loop.
    pub(crate) fn register(ioloop: &Handle, transport: impl Transport) -> io::Result<Rc<Self>> {
        let core = Rc::new(Self {
            ioloop: ioloop.clone(),
            shared: Shared::of(ioloop),
            state: Cell::new(State::Open),
            cause: OnceCell::new(),
            token: Cell::new(None),
            // A fresh transport takes bytes; if not, the first write says so.
            ready: Cell::new(Ready::WRITABLE),
            interruption: Cell::new(None),
            is_flush_queued: Cell::new(false),
            reader: Waiter::default(),
            waits: Waits::default(),
            write_buffer: RefCell::default(),
            budget: Budget::default(),
            extras: OnceCell::new(),
            transport: Carrier::new(transport),
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

impl Core {
    // ---- reading

    /// Whether a read is worth its system call.
    pub(crate) fn is_readable(&self) -> bool {
        self.is_ready(Ready::READABLE)
    }

    pub(crate) fn wait_for_input(&self, cx: &Context<'_>) {
        self.reader.wait(cx.waker());
    }

    /// Whether the stream has had its share of this turn. If so, it is told again in the next.
    pub(crate) fn is_budget_spent(&self) -> bool {
        let is_spent = self.budget.is_read_spent(self.ioloop.turn_count());
        if let (true, Some(token)) = (is_spent, self.token.get()) {
            self.ioloop.ready_again(token, Ready::READABLE);
        }
        is_spent
    }

    /// One read; `None` if there is nothing yet. A short one means that the transport is drained,
    /// so that no call is wasted to hear so; but once the peer has closed, no further event tells
    /// of the end, and the end has to be read.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<Option<usize>, StreamError> {
        let allowed = buffer.len().min(self.read_allowance());
        let count = self.settle_read(self.transport.read(&mut buffer[..allowed]))?;
        let is_short = count.is_some_and(|count| count < allowed);
        let is_end_known = self.is_peer_gone() || self.is_closed();
        if is_short && !is_end_known && !self.transport.has_more() {
            self.unset_ready(Ready::READABLE);
        }
        Ok(count)
    }

    /// What a read has brought, by the transport or by other means; of the latter, that it was
    /// short says nothing.
    pub(crate) fn settle_read(
        &self,
        result: io::Result<usize>,
    ) -> Result<Option<usize>, StreamError> {
        self.note_read(*result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => {
                self.on_end();
                Err(StreamClosed::ORDERLY.into())
            }
            Ok(count) => {
                self.budget.spend_read(count);
                Ok(Some(count))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.unset_ready(Ready::READABLE | Ready::ERROR);
                self.on_drained();
                Ok(None)
            }
            Err(error) => {
                let closed = StreamClosed::because(error);
                self.close(closed.clone());
                Err(closed.into())
            }
        }
    }

    /// The peer sends no more.
    fn on_end(&self) {
        // A transport without a descriptor may have no other way to say so.
        if !self.is_peer_gone() {
            self.set_ready(Ready::READ_CLOSED);
            self.tell_closers();
        }
        if self.is_closed() {
            self.close(StreamClosed::ORDERLY);
        }
    }

    /// Nothing more has arrived, and after a failed write nothing will: a reset is the last that
    /// comes, and after other failures nobody could say what it is waited for.
    fn on_drained(&self) {
        if self.is_closed() {
            self.close(StreamClosed::ORDERLY);
        }
    }

    // ---- its deadline

    pub(crate) fn set_deadline(&self, after: Option<Duration>) {
        self.forget(Interruption::Deadline);
        if let Some(token) = self.token.get() {
            self.ioloop.set_deadline(token, after);
        }
    }

    /// What the wait that is about to begin is to be ended with at once.
    pub(crate) fn take_interruption(&self) -> Option<StreamError> {
        self.interruption.take().map(StreamError::from)
    }

    pub(crate) fn is_interrupted_by(&self, interruption: Interruption) -> bool {
        self.interruption.get() == Some(interruption)
    }

    /// Takes back what nobody was told of yet.
    pub(crate) fn forget(&self, interruption: Interruption) {
        if self.is_interrupted_by(interruption) {
            self.interruption.set(None);
        }
    }

    /// Ends the wait that is pending, or else the next. Of two that come together one is told: the
    /// first, unless the stream's whole time is over, which nothing takes back.
    pub(crate) fn interrupt(&self, interruption: Interruption) {
        let told = match (self.interruption.get(), interruption) {
            (Some(first), Interruption::Idle | Interruption::TooSlow | Interruption::Deadline) => {
                first
            }
            (_, interruption) => interruption,
        };
        self.interruption.set(Some(told));
        self.reader.wake();
        self.wake_writers();
    }

    // ---- closing

    /// Whether nothing can be written any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.get() != State::Open
    }

    /// Whether nothing can be read any more, either.
    pub(crate) fn is_over(&self) -> bool {
        self.state.get() == State::Closed
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_peer_gone() || self.is_closed()
    }

    pub(crate) fn check_open(&self) -> Result<(), StreamClosed> {
        if self.is_closed() {
            return Err(self.closed());
        }
        Ok(())
    }

    pub(crate) fn check_readable(&self) -> Result<(), StreamClosed> {
        if self.is_over() {
            return Err(self.closed());
        }
        Ok(())
    }

    #[cold]
    fn closed(&self) -> StreamClosed {
        StreamClosed::with_cause(self.cause.get().cloned())
    }

    pub(crate) fn token(&self) -> Option<Token> {
        self.token.get()
    }

    /// A write has failed, which closes the stream for writers. A reader may still find what had
    /// arrived before, and then the end.
    pub(crate) fn fail_writes(&self, error: io::Error) {
        if self.is_closed() {
            return;
        }
        self.state.set(State::Failed);
        let _ = self.cause.set(Rc::new(error));
        drop(self.take_unsent());
        if let Some(extras) = self.extras.get() {
            // Nobody waits for the peer to take anything any more.
            self.note_sent(extras, 0);
        }
        // There may be no further event.
        self.set_ready(Ready::READABLE);
        self.reader.wake();
        self.wake_writers();
        self.tell_closers();
    }

    pub(crate) fn close(&self, closed: StreamClosed) {
        let is_orderly = closed.cause().is_none();
        self.close_with(closed, |transport, is_all_sent| {
            if is_orderly && is_all_sent {
                transport.close();
            } else {
                transport.abort();
            }
        });
    }

    /// Closes so that the peer knows that it has not got all.
    pub(crate) fn reset(&self, closed: StreamClosed) {
        self.close_with(closed, |transport, _| transport.reset());
    }

    fn close_with(&self, closed: StreamClosed, close: impl FnOnce(&dyn Transport, bool)) {
        let has_failed = match self.state.replace(State::Closed) {
            State::Open => false,
            State::Failed => true,
            State::Closed => return,
        };
        if let (false, Some(cause)) = (has_failed, closed.into_cause()) {
            let _ = self.cause.set(cause);
        }
        let unsent = self.take_unsent();
        let is_all_sent = !has_failed && unsent.as_ref().is_some_and(WriteBuffer::is_empty);
        drop(unsent);
        self.release_extras();
        close(&*self.transport, is_all_sent);
        self.reader.wake();
        self.wake_writers();
        self.tell_closers();
        // Last: the loop's reference may be the last but one.
        if let Some(token) = self.token.take() {
            self.ioloop.deregister(token, None);
        }
    }

    /// Taken out, to be dropped when it is no longer borrowed: shared bytes may have an owner with
    /// a destructor. `None` for a writer that closes its own stream: it cleans up itself.
    fn take_unsent(&self) -> Option<WriteBuffer> {
        let buffer = self.write_buffer.try_borrow_mut();
        buffer.map(|mut buffer| std::mem::take(&mut *buffer)).ok()
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

    pub(crate) fn is_ready(&self, ready: Ready) -> bool {
        self.ready.get().contains(ready)
    }

    fn is_peer_gone(&self) -> bool {
        self.ready
            .get()
            .intersects(Ready::READ_CLOSED | Ready::ERROR)
    }

    fn tell_closers(&self) {
        self.tell(Awaited::End);
    }

    pub(crate) fn wake_writers(&self) {
        self.tell(Awaited::Room);
    }

    #[inline]
    fn tell(&self, awaited: Awaited) {
        if let Some(waiting) = self.waits.take(awaited) {
            self.tell_all(waiting);
        }
    }

    #[cold]
    fn tell_all(&self, waiting: Vec<Waiting>) {
        for waiting in waiting {
            match waiting.told {
                Told::Call(callback) => self.ioloop.add_callback(callback),
                Told::Wake(waker) => waker.wake(),
            }
        }
    }

    pub(crate) fn set_ready(&self, ready: Ready) {
        self.ready.set(self.ready.get() | ready);
    }

    pub(crate) fn unset_ready(&self, ready: Ready) {
        self.ready.set(self.ready.get().without(ready));
    }
}

impl Source for Core {
    fn on_ready(&self, _: &Handle, mut ready: Ready) {
        if ready.contains(Ready::DEADLINE) {
            return self.interrupt(Interruption::Deadline);
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
            self.wake_writers();
        }
        if ready.contains(Ready::READABLE) {
            self.note_arrival();
            self.reader.wake();
        }
        if ready.intersects(Ready::READ_CLOSED | Ready::ERROR) {
            self.tell_closers();
        }
    }

    fn on_turn_end(&self, _: &Handle) {
        self.is_flush_queued.set(false);
        // One that had spent its share of the turn goes on here, without an event.
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_is_small() {
        // One of them is what an idle stream costs; what few streams need is behind `extras`.
        let size = size_of::<Core>();
        assert!(size <= 128, "{size} bytes");
    }
}
