//! Reading: one primitive, `decode`, and Tornado's reads as closures for it.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::task::{Context, Poll};

use memchr::memmem;

use crate::read_buffer::{ReadBuffer, USED_TOO_MUCH};
use crate::shared::Shared;
use crate::stream::IoStream;
use crate::{StreamClosed, StreamError};

/// What a closure of [`IoStream::decode`] says about the bytes it was given.
///
/// ```
/// use squall_iostream::Step;
/// /// A message of one length byte and that many others.
/// fn step(unread: &[u8]) -> Step<Vec<u8>> {
///     match unread.split_first() {
///         Some((&length, rest)) if rest.len() >= length.into() => {
///             let length = usize::from(length);
///             Step::Done(1 + length, rest[..length].to_vec())
///         }
///         _ => Step::More(0),
///     }
/// }
/// assert!(matches!(step(b"\x02a"), Step::More(0)));
/// assert!(matches!(step(b"\x02abc"), Step::Done(3, message) if message == b"ab"));
/// ```
#[derive(Debug)]
pub enum Step<T> {
    /// It has what it wanted, and used this many bytes for it.
    Done(usize, T),
    /// It used this many bytes, and needs more than are left.
    More(usize),
}

/// A step that leaves as much as this unused is not going to be satisfied. Reads that name a bound
/// of their own have that one instead.
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
    /// Dropping the future loses nothing: used bytes are used, all others stay. So it is when
    /// `step` fails or panics: what it was given last then counts as unused.
    ///
    /// ```
    /// # use squall_ioloop::IoLoop;
    /// use squall_iostream::{Step, StreamError, memory};
    /// # let ioloop = IoLoop::new()?;
    /// # let (ours, mut stream) = memory::pair(&ioloop, memory::Options::default());
    /// # ioloop.run_until(async {
    /// # ours.write(b"12 34 ")?;
    /// let number = stream.decode(|unread| {
    ///     let Some(end) = unread.iter().position(|byte| *byte == b' ') else {
    ///         return Ok::<_, StreamError>(Step::More(0));
    ///     };
    ///     let digits = String::from_utf8_lossy(&unread[..end]);
    ///     Ok(Step::Done(end + 1, digits.parse::<u32>()))
    /// });
    /// assert_eq!(number.await?, Ok(12));
    /// assert_eq!(stream.unread_len(), 3);
    /// # Ok::<_, StreamError>(()) })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What `step` returns; [`StreamError::Closed`] at the end of the stream, with
    /// [`Self::unread_len`] telling whether it came in the middle; [`StreamError::TimedOut`];
    /// [`StreamError::LimitExceeded`] when `step` leaves 64 MiB unused.
    ///
    /// # Panics
    /// When `step` says that it used more than it was given.
    pub fn decode<T, E: From<StreamError>>(
        &mut self,
        step: impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
    ) -> impl Future<Output = Result<T, E>> {
        self.decode_within(UNREAD_BYTES_MAX, step)
    }

    /// As [`Self::decode`], but only of what is unread now: `None` instead of waiting.
    ///
    /// # Errors
    /// What `step` returns.
    ///
    /// # Panics
    /// As [`Self::decode`].
    pub fn decode_buffered<T, E>(
        &mut self,
        step: &mut impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
    ) -> Result<Option<T>, E> {
        let Self { handle, buffer } = self;
        step_on(buffer, &handle.core().shared, step)
    }

    async fn decode_within<T, E: From<StreamError>>(
        &mut self,
        unread_bytes_max: usize,
        mut step: impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
    ) -> Result<T, E> {
        if let Some(found) = self.decode_buffered(&mut step)? {
            return Ok(found);
        }
        poll_fn(|cx| self.poll_decode(cx, unread_bytes_max, &mut step)).await
    }

    /// Goes on where `decode_buffered` has found too little.
    pub(crate) fn poll_decode<T, E: From<StreamError>>(
        &mut self,
        cx: &Context<'_>,
        unread_bytes_max: usize,
        step: &mut impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
    ) -> Poll<Result<T, E>> {
        loop {
            self.check_open().map_err(StreamError::from)?;
            if self.buffer.len() >= unread_bytes_max {
                let bytes_max = unread_bytes_max;
                return Poll::Ready(Err(StreamError::LimitExceeded { bytes_max }.into()));
            }
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
        let Self { handle, buffer } = self;
        let core = handle.core();
        core.shared.with_receive_buffer(|receive| {
            let count = match core.read(receive) {
                Ok(0) => return Err(StreamError::Closed(StreamClosed::ORDERLY).into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => {
                    let closed = StreamClosed::because(error);
                    core.close(closed.clone());
                    return Err(StreamError::Closed(closed).into());
                }
            };
            let input = &mut receive[..count];
            if buffer.is_empty() {
                let shared = &core.shared;
                let loan = Loan {
                    input,
                    used: 0,
                    buffer,
                    shared,
                };
                return loan.step(step);
            }
            buffer.append(input, &core.shared);
            step_on(buffer, &core.shared, step)
        })
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
        self.decode_within(usize::MAX, |unread| {
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
    /// As [`Self::decode`]. When the stream ends before, what has come stays unread.
    pub async fn read_bytes(&mut self, count: usize) -> Result<Vec<u8>, StreamError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        self.decode_within(usize::MAX, |unread| {
            Ok(match unread.get(..count) {
                Some(bytes) => Step::Done(count, bytes.to_vec()),
                None => Step::More(0),
            })
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

    /// Reads everything to the end of the stream, or until it is closed on our side.
    ///
    /// # Errors
    /// [`StreamError::LimitExceeded`] when there are more than `bytes_max`; as [`Self::decode`]
    /// when the stream fails before its end. A reset by the peer is such a failure, since nobody
    /// can know what it has cut off (Tornado takes it for the end). In any case what has come
    /// stays unread.
    pub async fn read_until_close(&mut self, bytes_max: usize) -> Result<Vec<u8>, StreamError> {
        let end: Result<Infallible, _> = self
            .decode_within(usize::MAX, |unread| {
                if unread.len() > bytes_max {
                    return Err(StreamError::LimitExceeded { bytes_max });
                }
                Ok(Step::More(0))
            })
            .await;
        let error = match end {
            Err(error) => error,
            Ok(never) => match never {},
        };
        match error {
            StreamError::Closed(closed) if closed.cause().is_none() => Ok(self.buffer.take()),
            error => Err(error),
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

/// One step on bytes that are the stream's own.
fn step_on<T, E>(
    buffer: &mut ReadBuffer,
    shared: &Shared,
    step: &mut impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
) -> Result<Option<T>, E> {
    if buffer.is_empty() {
        return Ok(None);
    }
    let (used, found) = step(buffer.unread())?.into_parts();
    buffer.consume(used, shared);
    Ok(found)
}

/// Bytes of the receive buffer, lent to a step. What it has not used when it is over goes to the
/// stream's own buffer, even if it ends in a panic.
struct Loan<'a> {
    input: &'a mut [u8],
    used: usize,
    buffer: &'a mut ReadBuffer,
    shared: &'a Shared,
}

impl Loan<'_> {
    fn step<T, E>(
        mut self,
        step: &mut impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
    ) -> Result<Option<T>, E> {
        let (used, found) = step(self.input)?.into_parts();
        assert!(used <= self.input.len(), "{USED_TOO_MUCH}");
        self.used = used;
        Ok(found)
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.buffer.append(&self.input[self.used..], self.shared);
    }
}

impl<T> Step<T> {
    fn into_parts(self) -> (usize, Option<T>) {
        match self {
            Self::Done(used, found) => (used, Some(found)),
            Self::More(used) => (used, None),
        }
    }
}
