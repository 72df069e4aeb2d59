//! The reads that have a name, Tornado's mostly, as closures for `decode`.

use std::convert::Infallible;
use std::future::poll_fn;
use std::time::Duration;

use memchr::memmem;
use squall_ioloop::with_timeout;

use crate::shared::RECEIVE_BYTES;
use crate::stream::IoStream;
use crate::{Pattern, Step, StreamError};

/// From here on a read is worth memory of its own. What is shorter comes with its neighbours.
const LONG_READ_BYTES: usize = 2 * RECEIVE_BYTES;

impl IoStream {
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

    /// Reads up to the end of the first match of `pattern`, and with it. The search is linear,
    /// however the bytes arrive, and so is what it finds the same: see [`Pattern`].
    ///
    /// ```
    /// # use squall_ioloop::IoLoop;
    /// use squall_iostream::{Pattern, memory};
    /// # let ioloop = IoLoop::new()?;
    /// # let (ours, mut stream) = memory::pair(&ioloop, memory::Options::default());
    /// let blank_line = Pattern::new(r"\r?\n\r?\n")?;
    /// ours.write(b"a: 1\nb: 2\n\nbody")?;
    /// let head = ioloop.run_until(stream.read_until_regex(&blank_line, 8192))??;
    /// assert_eq!(head, b"a: 1\nb: 2\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StreamError::LimitExceeded`] when `bytes_max` bytes have come without a whole match; else
    /// as [`Self::decode`].
    pub async fn read_until_regex(
        &mut self,
        pattern: &Pattern,
        bytes_max: usize,
    ) -> Result<Vec<u8>, StreamError> {
        let mut search = pattern.search();
        self.decode_within(usize::MAX, |unread| {
            let within = unread.len().min(bytes_max);
            match search.find_end(&unread[..within]) {
                Some(end) => Ok(Step::Done(end, unread[..end].to_vec())),
                None if unread.len() >= bytes_max => Err(StreamError::LimitExceeded { bytes_max }),
                None => Ok(Step::More(0)),
            }
        })
        .await
    }

    /// Reads exactly `count` bytes. Memory grows with what has come, not with `count`. Many bytes
    /// that come in a stream are read straight into the memory that is returned.
    ///
    /// # Errors
    /// As [`Self::decode`]. When the stream ends before, what has come stays unread.
    pub async fn read_bytes(&mut self, count: usize) -> Result<Vec<u8>, StreamError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        if count >= LONG_READ_BYTES {
            return self.read_long(count).await;
        }
        self.decode_within(usize::MAX, |unread| {
            Ok(match unread.get(..count) {
                Some(bytes) => Step::Done(count, bytes.to_vec()),
                None => Step::More(0),
            })
        })
        .await
    }

    async fn read_long(&mut self, count: usize) -> Result<Vec<u8>, StreamError> {
        let mut step = |unread: &mut [u8]| {
            Ok::<_, StreamError>(if unread.len() >= count {
                Step::Done(0, ())
            } else {
                Step::More(0)
            })
        };
        if self.decode_buffered(&mut step)?.is_none() {
            poll_fn(|cx| self.poll_decode(cx, usize::MAX, count, &mut step)).await?;
        }
        let bytes = self.buffer.take_front(count);
        self.handle.core().note_unread(self.buffer.len());
        Ok(bytes)
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
        let mut step = |unread: &mut [u8]| {
            if unread.len() > bytes_max {
                return Err(StreamError::LimitExceeded { bytes_max });
            }
            Ok(Step::<Infallible>::More(0))
        };
        let end = match self.decode_buffered(&mut step) {
            Err(error) => Err(error),
            Ok(_) => {
                let wanted = bytes_max.saturating_add(1);
                poll_fn(|cx| self.poll_decode(cx, usize::MAX, wanted, &mut step)).await
            }
        };
        let error = match end {
            Err(error) => error,
            Ok(never) => match never {},
        };
        match error {
            StreamError::Closed(closed) if closed.cause().is_none() => {
                let bytes = self.buffer.take();
                self.handle.core().note_unread(0);
                Ok(bytes)
            }
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

    /// As [`Self::linger`], for at most `time_max`, whatever the stream's deadline is.
    ///
    /// # Panics
    /// When polled where no loop is turning.
    pub async fn linger_for(self, bytes_max: usize, time_max: Duration) {
        // Dropping what lingers closes it.
        let _ = with_timeout(time_max, self.linger(bytes_max)).await;
    }
}
