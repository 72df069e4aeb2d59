//! The stream as a poller of futures sees it: what the traits of `futures-io` and of tokio have in
//! common. They are in `async_io.rs` and `tokio_io.rs`.

use std::io::IoSlice;
use std::task::{Context, Poll, ready};

use crate::{IoStream, Step, StreamError, StreamHandle};

impl IoStream {
    /// Gives `take` what there is, at least one byte and at most `bytes_max`, lent from the loop's
    /// receive buffer where possible. 0 is the end of the stream.
    pub(crate) fn poll_take(
        &mut self,
        cx: &Context<'_>,
        bytes_max: usize,
        mut take: impl FnMut(&[u8]),
    ) -> Poll<Result<usize, StreamError>> {
        if bytes_max == 0 {
            return Poll::Ready(Ok(0));
        }
        self.poll_step(cx, |unread| {
            let count = unread.len().min(bytes_max);
            take(&unread[..count]);
            count
        })
    }

    /// Waits until something is unread, and says how much. 0 is the end of the stream.
    pub(crate) fn poll_unread(&mut self, cx: &Context<'_>) -> Poll<Result<usize, StreamError>> {
        if self.unread_len() == 0 {
            ready!(self.poll_step(cx, |_| 0))?;
        }
        Poll::Ready(Ok(self.unread_len()))
    }

    /// One step on what there is; it says how much it has used.
    fn poll_step(
        &mut self,
        cx: &Context<'_>,
        mut step: impl FnMut(&[u8]) -> usize,
    ) -> Poll<Result<usize, StreamError>> {
        let mut step = |unread: &mut [u8]| {
            let used = step(unread);
            Ok(Step::Done(used, used))
        };
        let taken = match self.decode_buffered(&mut step) {
            Ok(None) => ready!(self.poll_decode(cx, usize::MAX, 0, &mut step)),
            Ok(Some(used)) => Ok(used),
            Err(error) => Err(error),
        };
        Poll::Ready(taken.or_else(|error| self.end_as_zero(error)))
    }

    /// The end that the peer has asked for is no error here, and that we have closed it is one.
    /// After a failed write the stream is closed for that reason, and the peer's end is still an
    /// end.
    pub(crate) fn end_as_zero(&self, error: StreamError) -> Result<usize, StreamError> {
        let is_closed_by_us = matches!(self.check_open(), Err(own) if own.cause().is_none());
        match error {
            StreamError::Closed(closed) if closed.cause().is_none() && !is_closed_by_us => Ok(0),
            error => Err(error),
        }
    }
}

impl StreamHandle {
    /// Takes some of `pieces` into the write buffer, or waits until that is below its high
    /// watermark: whoever polls has none of its own, and a peer that reads slowly must be felt.
    pub(crate) fn poll_accept(
        &self,
        cx: &Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize, StreamError>> {
        self.check_open()?;
        if pieces.iter().all(|piece| piece.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        let core = self.core();
        let unsent_max = core.watermarks().high.min(core.unsent_bytes_max()).max(1);
        if self.unsent_len() >= unsent_max {
            ready!(self.poll_drained(cx, unsent_max - 1))?;
        }
        let room = unsent_max - self.unsent_len();
        let accepted = self.write_with(|out| {
            let mut left = room;
            for piece in pieces {
                let count = piece.len().min(left);
                out.extend_from_slice(&piece[..count]);
                left -= count;
            }
            room - left
        })?;
        self.flush_at_turn_end();
        Poll::Ready(Ok(accepted))
    }

    /// [`Self::drained`], polled: for a future of one's own. A task that gives up is woken once all
    /// the same, when there is room; the future of [`Self::drained`] takes its place back.
    ///
    /// # Errors
    /// As [`Self::drained`].
    pub fn poll_drained(
        &self,
        cx: &Context<'_>,
        unsent_max: usize,
    ) -> Poll<Result<(), StreamError>> {
        let drained = self.poll_is_drained(unsent_max);
        if drained.is_pending() {
            self.core().wait_for_room(cx);
        }
        drained
    }

    /// The same for a caller that has a place of its own among those that wait for room.
    pub(crate) fn poll_is_drained(&self, unsent_max: usize) -> Poll<Result<(), StreamError>> {
        let core = self.core();
        core.flush();
        if self.unsent_len() <= unsent_max {
            return Poll::Ready(self.check_open().map_err(StreamError::from));
        }
        match core.take_interruption() {
            Some(interruption) => Poll::Ready(Err(interruption)),
            None => Poll::Pending,
        }
    }

    /// [`Self::shutdown_write`], polled. What was closed before without a failure is shut down.
    pub(crate) fn poll_shut_down(&self, cx: &Context<'_>) -> Poll<Result<(), StreamError>> {
        match self.check_open() {
            Err(closed) if closed.cause().is_none() => return Poll::Ready(Ok(())),
            _ => ready!(self.poll_drained(cx, 0))?,
        }
        // Fails when the peer has gone already, which is what the reader will be told.
        let _ = self.core().transport.shutdown_write();
        self.poll_drained(cx, 0)
    }
}
