//! The lines of one server on one loop that wait to be written.
//!
//! ```text
//!   a request --> waiting --- full, or the interval is over ---> in_flight --> a thread
//!                    |                                                            |
//!                    '--- beyond its bound: dropped, counted      written <-------'
//! ```
//! Two buffers change places, so that nothing is allocated once both have grown; at most one write
//! is under way. Where lines go is in `log_writer.rs`.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use squall_ioloop::{Handle, Timeout};

use super::log_writer::LogWriter;

/// How long a server that goes without having been stopped waits for a write that is under way.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

pub(super) struct LogBuffer {
    ioloop: Handle,
    pub(super) writer: LogWriter,
    waiting: RefCell<Vec<u8>>,
    in_flight: Arc<Mutex<Vec<u8>>>,
    is_writing: Cell<bool>,
    /// Fires when what waits has waited long enough.
    timer: Cell<Option<Timeout>>,
    flushers: RefCell<Vec<Waker>>,
}

impl LogBuffer {
    pub(super) fn new(ioloop: &Handle, writer: LogWriter) -> Rc<Self> {
        Rc::new(Self {
            ioloop: ioloop.clone(),
            writer,
            waiting: RefCell::default(),
            in_flight: Arc::default(),
            is_writing: Cell::new(false),
            timer: Cell::new(None),
            flushers: RefCell::default(),
        })
    }

    /// Lets `append` append one line.
    #[inline]
    pub(super) fn add(self: &Rc<Self>, append: impl FnOnce(&mut Vec<u8>)) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= self.writer.waiting_bytes_max {
            return self.writer.count_dropped(1);
        }
        append(&mut waiting);
        let is_full = self.writer.is_full(waiting.len());
        drop(waiting);
        if is_full || self.timer.get().is_none() {
            self.arrange(is_full);
        }
    }

    /// Sees to it that what waits will be written.
    fn arrange(self: &Rc<Self>, is_full: bool) {
        if is_full && !self.is_writing.get() {
            self.write();
        } else if self.timer.get().is_none() {
            let buffer = Rc::downgrade(self);
            let timer = self.ioloop.call_later(self.writer.interval, move || {
                if let Some(buffer) = buffer.upgrade() {
                    buffer.timer.set(None);
                    buffer.write();
                }
            });
            self.timer.set(Some(timer));
        }
    }

    /// Gives what waits to a thread, unless one is writing already.
    fn write(self: &Rc<Self>) {
        if self.is_writing.get() {
            return;
        }
        {
            // Not empty if no thread could be had for it before.
            let mut chunk = self
                .in_flight
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if chunk.is_empty() {
                std::mem::swap(&mut *chunk, &mut self.waiting.borrow_mut());
            }
            if chunk.is_empty() {
                return;
            }
        }
        self.is_writing.set(true);
        let (writer, chunk) = (self.writer.clone(), self.in_flight.clone());
        let job = self.ioloop.run_in_executor(move || writer.write(&chunk));
        let buffer = self.clone();
        self.ioloop.spawn_detached(async move {
            let result = job.await;
            buffer.is_writing.set(false);
            if let Err(error) = &result {
                tracing::debug!(target: "squall::access", ?error, "the access log has to wait");
            }
            let len = buffer.waiting.borrow().len();
            if len > 0 || result.is_err() {
                // Full again, and a thread can be had: at once. Else when the interval is over.
                buffer.arrange(result.is_ok() && buffer.writer.is_full(len));
            }
            for flusher in buffer.flushers.take() {
                flusher.wake();
            }
        });
    }

    /// Waits until all that waits now is written, or dropped.
    pub(super) async fn flush(self: &Rc<Self>) {
        poll_fn(|cx| {
            self.write();
            if !self.is_writing.get() {
                return Poll::Ready(());
            }
            self.flushers.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A server that goes writes what it has left, here and now: its loop may never turn again.
impl Drop for LogBuffer {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.ioloop.remove_timeout(timer);
        }
        self.writer.write_now(&self.in_flight, LAST_PATIENCE);
        let rest = Mutex::new(self.waiting.take());
        self.writer.write_now(&rest, LAST_PATIENCE);
    }
}
