//! Reads into memory of the caller's: what comes in a stream goes there from the system, with no
//! copy in between.

use std::future::poll_fn;
use std::task::{Context, Poll};

use crate::budget::DIRECT_READ_BYTES_MAX;
use crate::shared::RECEIVE_BYTES;
use crate::stream::IoStream;
use crate::{Step, StreamError};

impl IoStream {
    /// Fills `memory`: exactly as many bytes as it has. With none it does not wait.
    ///
    /// Giving the future up loses no byte: what is in `memory` by then goes back to the stream, to
    /// be read again. (Forgetting the future, with [`std::mem::forget`], does lose it.)
    ///
    /// ```
    /// # use squall_ioloop::IoLoop;
    /// # use squall_iostream::memory;
    /// # let ioloop = IoLoop::new()?;
    /// # let (ours, mut stream) = memory::pair(&ioloop, memory::Options::default());
    /// let mut header = [0; 4];
    /// ours.write(b"\x00\x01\x02\x03and so on")?;
    /// ioloop.run_until(stream.read_into(&mut header))??;
    /// assert_eq!(header, [0, 1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::decode`]. When the stream ends before, what has come stays unread, and is in
    /// `memory` in part.
    pub async fn read_into(&mut self, memory: &mut [u8]) -> Result<(), StreamError> {
        let mut filling = Filling {
            stream: self,
            memory,
            filled: 0,
        };
        filling.take_unread();
        while filling.missing().len() >= RECEIVE_BYTES {
            let count = poll_fn(|cx| filling.poll_read(cx)).await?;
            filling.filled += count;
        }
        filling.fill_rest().await?;
        // It is the caller's now.
        filling.filled = 0;
        Ok(())
    }

    /// Reads what there is into `memory`, at least one byte unless there is no room (Tornado's
    /// `read_into(partial=True)`). Returns how many bytes it is.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub async fn read_some_into(&mut self, memory: &mut [u8]) -> Result<usize, StreamError> {
        poll_fn(|cx| self.poll_read_some_into(cx, memory)).await
    }

    /// As [`Self::read_some_into`], as a poll: for adapters to other traits of reading.
    pub(crate) fn poll_read_some_into(
        &mut self,
        cx: &Context<'_>,
        memory: &mut [u8],
    ) -> Poll<Result<usize, StreamError>> {
        if memory.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.buffer.is_empty() && memory.len() >= RECEIVE_BYTES {
            return self.poll_read_directly(cx, memory);
        }
        let mut step = |unread: &mut [u8]| {
            let count = unread.len().min(memory.len());
            memory[..count].copy_from_slice(&unread[..count]);
            Ok::<_, StreamError>(Step::Done(count, count))
        };
        match self.decode_buffered(&mut step)? {
            Some(count) => Poll::Ready(Ok(count)),
            None => self.poll_decode(cx, usize::MAX, 0, &mut step),
        }
    }

    /// One read that succeeds, past the stream's buffer, which is empty.
    fn poll_read_directly(
        &self,
        cx: &Context<'_>,
        memory: &mut [u8],
    ) -> Poll<Result<usize, StreamError>> {
        let core = self.handle.core();
        loop {
            core.check_readable()?;
            if self.poll_readable(cx)?.is_pending() {
                return Poll::Pending;
            }
            let bytes_max = DIRECT_READ_BYTES_MAX.min(memory.len());
            if let Some(count) = core.read(&mut memory[..bytes_max])? {
                return Poll::Ready(Ok(count));
            }
        }
    }
}

/// Memory that is being filled. If that ends before it is full, the stream gets its bytes back.
struct Filling<'a> {
    stream: &'a mut IoStream,
    memory: &'a mut [u8],
    filled: usize,
}

impl Filling<'_> {
    fn missing(&self) -> &[u8] {
        &self.memory[self.filled..]
    }

    fn take_unread(&mut self) {
        let Self { stream, memory, .. } = self;
        if memory.len() >= RECEIVE_BYTES {
            let buffer = &mut stream.buffer;
            let count = buffer.len().min(memory.len());
            memory[..count].copy_from_slice(&buffer.unread()[..count]);
            buffer.consume(count, &stream.handle.core().shared);
            stream.handle.core().note_unread(buffer.len());
            self.filled = count;
        }
    }

    fn poll_read(&mut self, cx: &Context<'_>) -> Poll<Result<usize, StreamError>> {
        let missing = &mut self.memory[self.filled..];
        self.stream.poll_read_directly(cx, missing)
    }

    /// Few bytes: they come with what follows them, and stay with the stream until all are there.
    async fn fill_rest(&mut self) -> Result<(), StreamError> {
        let missing = &mut self.memory[self.filled..];
        if missing.is_empty() {
            return Ok(());
        }
        let step = |unread: &mut [u8]| {
            Ok(match unread.get(..missing.len()) {
                Some(bytes) => {
                    missing.copy_from_slice(bytes);
                    Step::Done(bytes.len(), ())
                }
                None => Step::More(0),
            })
        };
        self.stream.decode_within(usize::MAX, step).await
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        if self.filled > 0 {
            let buffer = &mut self.stream.buffer;
            buffer.put_back(&self.memory[..self.filled]);
            self.stream.handle.core().note_unread(buffer.len());
        }
    }
}
