//! The write side of a stream's core: what is written is buffered here, and sent.

use std::io;
use std::task::Context;

use bytes::Bytes;
use squall_ioloop::Ready;

use crate::carrier::Carrier;
use crate::core::Core;
use crate::error::CutOff;
use crate::file_range::FileRange;
use crate::waiter::Awaited;
use crate::write_buffer::{Full, SendError};
use crate::{StreamClosed, StreamError};

impl Core {
    pub(crate) fn write_with<R>(
        &self,
        append: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Result<R, StreamError> {
        self.check_open()?;
        let room = self.room();
        let result = self
            .write_buffer
            .borrow_mut()
            .append_with(room, &self.shared, append);
        // It may have closed the stream, or dropped it, and nobody sends what it has appended.
        if self.is_closed() {
            drop(self.write_buffer.take());
        }
        self.note_write();
        result.map_err(|Full| self.buffer_full())
    }

    pub(crate) fn write_bytes(&self, bytes: Bytes) -> Result<(), StreamError> {
        self.check_open()?;
        if bytes.len() > self.room() {
            return Err(self.buffer_full());
        }
        self.write_buffer
            .borrow_mut()
            .push_shared(bytes, &self.shared);
        self.note_write();
        Ok(())
    }

    pub(crate) fn send_file(&self, range: FileRange) -> Result<(), StreamError> {
        self.check_open()?;
        self.write_buffer
            .borrow_mut()
            .push_file(range, &self.shared);
        Ok(())
    }

    /// How much more may be written.
    pub(crate) fn room(&self) -> usize {
        match self.unsent_bytes_max() {
            usize::MAX => usize::MAX,
            bytes_max => bytes_max.saturating_sub(self.unsent_memory_len()),
        }
    }

    fn buffer_full(&self) -> StreamError {
        StreamError::BufferFull {
            bytes_max: self.unsent_bytes_max(),
        }
    }

    /// What is unsent has changed, and nothing of it was sent.
    pub(crate) fn note_write(&self) {
        if let Some(extras) = self.extras.get() {
            self.note_unsent(extras);
        }
    }

    pub(crate) fn unsent_len(&self) -> usize {
        self.write_buffer.borrow().len() + self.held_len()
    }

    /// As [`Self::unsent_len`], without that of files.
    pub(crate) fn unsent_memory_len(&self) -> usize {
        self.write_buffer.borrow().memory_len() + self.held_len()
    }

    /// What the transport holds, and what is still going to be sent of it: nothing when a write has
    /// failed.
    fn held_len(&self) -> usize {
        match self.transport.unsent_len() {
            0 => 0,
            _ if self.is_closed() => 0,
            held => held,
        }
    }

    /// Sends until all is sent, the transport takes no more, or the stream has had its share of
    /// this turn. Returns how much went.
    #[inline]
    pub(crate) fn flush(&self) -> usize {
        // Mostly there is nothing, and that is known at once.
        if self.write_buffer.borrow().is_empty() {
            return 0;
        }
        self.flush_beyond_share(false)
    }

    /// As [`Self::flush`], and what is in memory whatever the stream's share is: who asks for it
    /// may want to know whether the peer takes it.
    pub(crate) fn flush_all(&self) {
        self.flush_beyond_share(true);
    }

    fn flush_beyond_share(&self, is_asked_for: bool) -> usize {
        if self.write_buffer.borrow().is_empty() {
            return 0;
        }
        let sent = self.send(is_asked_for);
        if let Some(extras) = self.extras.get() {
            self.note_sent(extras, sent);
        }
        if sent > 0 {
            // Of what has gone here, no event will tell those who wait for it.
            self.wake_writers();
        }
        sent
    }

    fn send(&self, is_asked_for: bool) -> usize {
        let mut total = 0;
        while self.is_writable() && !self.is_closed() {
            let mut buffer = self.write_buffer.borrow_mut();
            let before = buffer.len();
            if before == 0 {
                break;
            }
            let heeds_share = !is_asked_for || buffer.begins_with_file();
            let bytes_max = self.send_allowance(before, heeds_share);
            if bytes_max == 0 {
                break;
            }
            let sent = match &self.transport {
                Carrier::Socket(socket) => buffer.send(socket, bytes_max, &self.shared),
                Carrier::Other(other) => buffer.send(&**other, bytes_max, &self.shared),
            };
            let count = before - buffer.len();
            drop(buffer);
            total += count;
            self.budget.spend_written(count);
            self.settle_write(count);
            match sent {
                Ok(true) => {}
                Ok(false) => self.unset_ready(Ready::WRITABLE),
                Err(SendError::Transport(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unset_ready(Ready::WRITABLE);
                }
                Err(SendError::Transport(error)) => self.fail_writes(error),
                Err(SendError::FileTruncated(missing)) => {
                    self.reset(StreamClosed::cut_off_by(CutOff::FileTruncated { missing }));
                }
                Err(SendError::File(error)) => self.reset(StreamClosed::because(error)),
            }
        }
        total
    }

    /// How much of `wanted` one write may offer; 0 when the stream has to wait, and will go on by
    /// itself.
    fn send_allowance(&self, wanted: usize, heeds_share: bool) -> usize {
        let left = if heeds_share {
            self.budget.left_to_write(self.ioloop.turn_count())
        } else {
            usize::MAX
        };
        if left == 0 {
            // This turn's end finds the same, and then it is the next turn's.
            self.flush_at_turn_end();
            return 0;
        }
        left.min(self.write_allowance(wanted))
    }

    pub(crate) fn flush_at_turn_end(&self) {
        if self.is_flush_queued.get() {
            return;
        }
        if let Some(token) = self.token() {
            self.is_flush_queued.set(true);
            self.ioloop.at_turn_end(token);
        }
    }

    /// Sends what the transport itself holds, which is before all that is written.
    pub(crate) fn flush_transport(&self) {
        let before = self.transport.unsent_len();
        if before == 0 {
            return;
        }
        let flushed = self.transport.flush();
        if let Some(extras) = self.extras.get() {
            self.note_sent(extras, before.saturating_sub(self.transport.unsent_len()));
        }
        match flushed {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.unset_ready(Ready::WRITABLE);
            }
            Err(error) => self.fail_writes(error),
        }
    }

    /// For a socket that is still connecting, or that has taken no more by other means than
    /// [`Self::flush`]: it will say when it is writable.
    pub(crate) fn expect_writable_event(&self) {
        self.unset_ready(Ready::WRITABLE);
    }

    /// Whether there was an event for the writers since then.
    pub(crate) fn is_writable(&self) -> bool {
        self.is_ready(Ready::WRITABLE)
    }

    pub(crate) fn wait_for_room(&self, cx: &Context<'_>) {
        self.waits.wait(Awaited::Room, cx.waker());
    }
}
