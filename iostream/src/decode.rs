//! The primitive of reading, `decode`. The reads that have a name are in `read.rs`, and those into
//! memory of the caller's in `read_into.rs`.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

use crate::StreamError;
use crate::budget::DIRECT_READ_BYTES_MAX;
use crate::read_buffer::{ReadBuffer, USED_TOO_MUCH};
use crate::shared::{RECEIVE_BYTES, Shared};
use crate::stream::IoStream;

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
        let found = step_on(buffer, &handle.core().shared, step)?;
        handle.core().note_unread(buffer.len());
        Ok(found)
    }

    /// Not an `async fn`, which would keep its arguments twice: an idle connection waits in here.
    pub(crate) fn decode_within<T, E: From<StreamError>>(
        &mut self,
        unread_bytes_max: usize,
        mut step: impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
    ) -> impl Future<Output = Result<T, E>> {
        let mut has_looked = false;
        poll_fn(move |cx| {
            if !std::mem::replace(&mut has_looked, true) {
                if let Some(found) = self.decode_buffered(&mut step)? {
                    return Poll::Ready(Ok(found));
                }
            }
            self.poll_decode(cx, unread_bytes_max, 0, &mut step)
        })
    }

    /// Goes on where `decode_buffered` has found too little. As long as less than `wanted` bytes
    /// are unread, there is no step that a long read could be for, and so it goes straight into the
    /// stream's own buffer.
    pub(crate) fn poll_decode<T, E: From<StreamError>>(
        &mut self,
        cx: &Context<'_>,
        unread_bytes_max: usize,
        wanted: usize,
        step: &mut impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
    ) -> Poll<Result<T, E>> {
        // A long read makes room for all that it may bring, and that is cleared first: worth it
        // where the last turn has brought its whole share. For a peer that drips it would be work
        // without end.
        let is_flowing =
            self.buffer.len() >= RECEIVE_BYTES && self.handle.core().budget.was_read_spent();
        loop {
            self.handle
                .core()
                .check_readable()
                .map_err(StreamError::from)?;
            if self.buffer.len() >= unread_bytes_max {
                let bytes_max = unread_bytes_max;
                return Poll::Ready(Err(StreamError::LimitExceeded { bytes_max }.into()));
            }
            if self.poll_readable(cx)?.is_pending() {
                return Poll::Pending;
            }
            let missing = wanted.saturating_sub(self.buffer.len());
            if is_flowing && missing >= RECEIVE_BYTES {
                self.read_into_buffer(wanted)?;
                if self.buffer.len() < wanted {
                    continue;
                }
                if let Some(found) = self.decode_buffered(step)? {
                    return Poll::Ready(Ok(found));
                }
            }
            if let Some(found) = self.read_and_step(step)? {
                return Poll::Ready(Ok(found));
            }
        }
    }

    /// Ready when a read is worth its call. Else the reader will be woken, and what is unsent is
    /// sent: the peer may be waiting for it before it says more.
    pub(crate) fn poll_readable(&self, cx: &Context<'_>) -> Poll<Result<(), StreamError>> {
        let core = self.handle.core();
        let is_ready = || core.is_readable() && !core.is_budget_spent() && !core.is_held_back();
        if is_ready() {
            return Poll::Ready(Ok(()));
        }
        core.flush();
        // If that has failed, nothing will wake us again, and what has arrived is to be read.
        if core.is_closed() {
            core.check_readable()?;
            if is_ready() {
                return Poll::Ready(Ok(()));
            }
        }
        if let Some(interruption) = core.take_interruption() {
            return Poll::Ready(Err(interruption));
        }
        if !core.is_readable() {
            core.note_wait_for_peer();
        }
        core.wait_for_input(cx);
        Poll::Pending
    }

    /// One read, and one step on all that is unread then.
    fn read_and_step<T, E: From<StreamError>>(
        &mut self,
        step: &mut impl FnMut(&mut [u8]) -> Result<Step<T>, E>,
    ) -> Result<Option<T>, E> {
        let Self { handle, buffer } = self;
        let core = handle.core();
        let stepped = core.shared.with_receive_buffer(|receive| {
            let Some(count) = core.read(receive)? else {
                return Ok(None);
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
        });
        core.note_unread(buffer.len());
        stepped
    }

    /// One read of what is missing of `wanted` unread bytes, or of as much as the stream may read
    /// in a turn.
    fn read_into_buffer(&mut self, wanted: usize) -> Result<(), StreamError> {
        let Self { handle, buffer } = self;
        let core = handle.core();
        let bytes_max = DIRECT_READ_BYTES_MAX.min(core.read_allowance());
        let read = buffer.fill(wanted, bytes_max, |room| core.read(room));
        core.note_unread(buffer.len());
        read.map(drop)
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
