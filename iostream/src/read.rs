//! Reading: one primitive, `decode`, and Tornado's reads as closures for it.

use std::future::poll_fn;
use std::task::{Context, Poll};

use memchr::memmem;

use crate::stream::IoStream;
use crate::{StreamClosed, StreamError};

/// What a closure of [`IoStream::decode`] says about the bytes it was given.
#[derive(Debug)]
pub enum Step<T> {
    /// It has what it wanted, and used this many bytes for it.
    Done(usize, T),
    /// It used this many bytes, and needs more than are left.
    More(usize),
}

/// A message that is read whole is not longer than this unless the caller says so.
const UNREAD_BYTES_MAX: usize = 64 * 1024 * 1024;

impl IoStream {
    /// Reads one thing: `step` is given what is unread, whenever there is more of it, and says how
    /// much it has used and whether that was all of the thing. The bytes are lent, straight from
    /// the loop's receive buffer where possible, and may be changed in place (unmasked, say).
    ///
    /// What `step` leaves unused is given to it again, with more behind it, so `step` should
    /// remember how far it has looked. What it has not used when it is done is for the next read.
    /// Before it waits for input, the stream sends what is unsent.
    ///
    /// Dropping the future loses nothing: used bytes are used, all others stay.
    ///
    /// # Errors
    /// What `step` returns; [`StreamError::Closed`] at the end of the stream, with
    /// [`Self::unread_len`] telling whether it came in the middle; [`StreamError::TimedOut`];
    /// [`StreamError::LimitExceeded`] when `step` leaves 64 MiB unused.
    ///
    /// # Panics
    /// When `step` says that it used more than it was given.
    pub async fn decode<T, E: From<StreamError>>(
        &mut self,
        mut step: impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
    ) -> Result<T, E> {
        if let Some(found) = self.decode_buffered(&mut step)? {
            return Ok(found);
        }
        poll_fn(|cx| self.poll_decode(cx, &mut step)).await
    }

    /// As [`Self::decode`], but only of what is unread now: `None` instead of waiting.
    ///
    /// # Errors
    /// What `step` returns.
    pub fn decode_buffered<T, E>(
        &mut self,
        step: &mut impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
    ) -> Result<Option<T>, E> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let (used, found) = match step(self.buffer.unread())? {
            Step::Done(used, found) => (used, Some(found)),
            Step::More(used) => (used, None),
        };
        self.buffer.consume(used, &self.handle.core().shared);
        Ok(found)
    }

    /// Goes on where `decode_buffered` has found too little.
    fn poll_decode<T, E: From<StreamError>>(
        &mut self,
        cx: &Context<'_>,
        step: &mut impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
    ) -> Poll<Result<T, E>> {
        loop {
            self.check_open().map_err(StreamError::from)?;
            let core = self.handle.core();
            if !core.is_readable() || core.is_budget_spent() {
                // The peer may be waiting for what is unsent before it says more. If that fails,
                // nothing will wake us again.
                core.flush();
                self.check_open().map_err(StreamError::from)?;
                if core.take_deadline() {
                    return Poll::Ready(Err(StreamError::TimedOut.into()));
                }
                core.wait_for_input(cx);
                return Poll::Pending;
            }
            match self.read_and_step(step) {
                Ok(Some(found)) => return Poll::Ready(Ok(found)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// One read, and one step on all that is unread then.
    fn read_and_step<T, E: From<StreamError>>(
        &mut self,
        step: &mut impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
    ) -> Result<Option<T>, E> {
        let shared = self.handle.core().shared.clone();
        let was_empty = self.buffer.is_empty();
        shared.with_receive_buffer(|receive| {
            let count = match self.handle.core().read(receive) {
                Ok(0) => return Err(StreamError::Closed(StreamClosed::ORDERLY).into()),
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => {
                    let closed = StreamClosed::because(error);
                    self.handle.core().close(closed.clone());
                    return Err(StreamError::Closed(closed).into());
                }
            };
            let input = &mut receive[..count];
            if !was_empty {
                self.buffer.append(input, &shared);
                return self.step_bounded(step);
            }
            let (used, result) = match step(input) {
                Ok(Step::Done(used, found)) => (used, Ok(Some(found))),
                Ok(Step::More(used)) => (used, Ok(None)),
                // Nothing was used: an answer may still want to know how much there was.
                Err(error) => (0, Err(error)),
            };
            self.buffer.append(&input[used..], &shared);
            result
        })
    }

    fn step_bounded<T, E: From<StreamError>>(
        &mut self,
        step: &mut impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
    ) -> Result<Option<T>, E> {
        let found = self.decode_buffered(step)?;
        if found.is_none() && self.buffer.len() >= UNREAD_BYTES_MAX {
            return Err(StreamError::LimitExceeded {
                bytes_max: UNREAD_BYTES_MAX,
            }
            .into());
        }
        Ok(found)
    }

    /// Reads up to the first `delimiter` and with it. The search is linear, however the bytes
    /// arrive.
    ///
    /// # Errors
    /// [`StreamError::LimitExceeded`] when `bytes_max` bytes have come without a whole delimiter,
    /// or it ends beyond them; else as [`Self::decode`].
    ///
    /// # Panics
    /// When `delimiter` is empty.
    pub async fn read_until(
        &mut self,
        delimiter: &[u8],
        bytes_max: usize,
    ) -> Result<Vec<u8>, StreamError> {
        assert!(!delimiter.is_empty(), "an empty delimiter is everywhere");
        let finder = memmem::Finder::new(delimiter);
        let mut searched = 0;
        self.decode(|unread| {
            let from = searched;
            if let Some(at) = finder.find(&unread[from..]) {
                let end = from + at + delimiter.len();
                if end <= bytes_max {
                    return Ok(Step::Done(end, unread[..end].to_vec()));
                }
            }
            if unread.len() >= bytes_max {
                return Err(StreamError::LimitExceeded { bytes_max });
            }
            // The delimiter may have begun.
            searched = unread.len().saturating_sub(delimiter.len() - 1);
            Ok(Step::More(0))
        })
        .await
    }

    /// Reads exactly `count` bytes. Memory grows with what has come, not with `count`.
    ///
    /// # Errors
    /// As [`Self::decode`]; bytes that came before the end of the stream are lost with it.
    pub async fn read_bytes(&mut self, count: usize) -> Result<Vec<u8>, StreamError> {
        let mut bytes = Vec::new();
        if count == 0 {
            return Ok(bytes);
        }
        self.decode(|unread| {
            let used = unread.len().min(count - bytes.len());
            bytes.extend_from_slice(&unread[..used]);
            if bytes.len() == count {
                return Ok(Step::Done(used, std::mem::take(&mut bytes)));
            }
            Ok(Step::More(used))
        })
        .await
    }

    /// Reads what there is, at least one byte and at most `bytes_max` (Tornado's `partial=True`).
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub async fn read_some(&mut self, bytes_max: usize) -> Result<Vec<u8>, StreamError> {
        self.decode(|unread| {
            let used = unread.len().min(bytes_max);
            Ok(Step::Done(used, unread[..used].to_vec()))
        })
        .await
    }

    /// Reads everything to the end of the stream.
    ///
    /// # Errors
    /// [`StreamError::LimitExceeded`] when there are more than `bytes_max`; as [`Self::decode`]
    /// when the stream fails before its end. A reset by the peer is such a failure, since nobody
    /// can know what it has cut off (Tornado takes it for the end).
    pub async fn read_until_close(&mut self, bytes_max: usize) -> Result<Vec<u8>, StreamError> {
        let mut bytes = Vec::new();
        let end: Result<(), _> = self
            .decode(|unread| {
                if unread.len() > bytes_max - bytes.len() {
                    return Err(StreamError::LimitExceeded { bytes_max });
                }
                bytes.extend_from_slice(unread);
                Ok(Step::More(unread.len()))
            })
            .await;
        match end {
            Err(StreamError::Closed(closed)) if closed.cause().is_none() => Ok(bytes),
            Err(error) => Err(error),
            Ok(()) => unreachable!("the step above is never done"),
        }
    }

    /// Closes so that the peer can still read what was sent: says that no more will come, then
    /// throws away what arrives, until the peer closes too, `bytes_max` bytes have come, or the
    /// stream's deadline passes. Closing a socket with unread input at once would make the system
    /// send a reset, which may destroy the answer in the peer's hands (RFC 9112, section 9.6).
    pub async fn linger(mut self, bytes_max: usize) {
        let mut left = bytes_max;
        // However these end, the stream is then closed, which is what the caller wants.
        if self.shutdown_write().await.is_ok() {
            let _: Result<(), StreamError> = self
                .decode(|unread| {
                    left = left.saturating_sub(unread.len());
                    let used = unread.len();
                    Ok(if left == 0 {
                        Step::Done(used, ())
                    } else {
                        Step::More(used)
                    })
                })
                .await;
        }
    }
}
