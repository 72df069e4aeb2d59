//! The traits of `futures-io`, so that whatever is written for them runs over a stream.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use crate::{IoStream, StreamHandle};

/// Reads what there is, as [`IoStream::read_some`] does; the end of the stream is 0 bytes. The
/// stream's deadline holds here too: [`io::ErrorKind::TimedOut`].
///
/// To split a stream, keep it to read from and write to its [`handle`](Self::handle): that is
/// an [`AsyncWrite`] of its own.
///
/// ```
/// use futures_util::io::{AsyncReadExt, AsyncWriteExt};
/// use squall_ioloop::IoLoop;
/// use squall_iostream::memory;
///
/// let ioloop = IoLoop::new()?;
/// let (ours, mut theirs) = memory::pair(&ioloop, memory::Options::default());
/// ioloop.run_until(async {
///     let mut writer = ours.handle();
///     writer.write_all(b"hello").await?;
///     AsyncWriteExt::close(&mut writer).await?; // the writing side: `ours` can still read
///     let mut text = String::new();
///     theirs.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     Ok::<_, std::io::Error>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl AsyncRead for IoStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(self.poll_read_some_into(cx, buffer));
        Poll::Ready(Ok(read.or_else(|error| self.end_as_zero(error))?))
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [io::IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = buffers.iter().map(|buffer| buffer.len()).sum();
        self.poll_take(cx, len, |mut bytes| {
            for buffer in &mut *buffers {
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                bytes = &bytes[count..];
            }
        })
        .map_err(io::Error::from)
    }
}

/// Here the stream has a buffer of its own while something is unread. Consuming more than there is
/// panics.
impl AsyncBufRead for IoStream {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let stream = self.get_mut();
        ready!(stream.poll_unread(cx))?;
        Poll::Ready(Ok(stream.buffer.unread()))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        let Self { handle, buffer } = self.get_mut();
        buffer.consume(count, &handle.core().shared);
        handle.core().note_unread(buffer.len());
    }
}

/// As for [`StreamHandle`]. Where the extension traits are imported, `stream.write(…)` is theirs,
/// and a future; ours is `stream.handle().write(…)`.
impl AsyncWrite for IoStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_accept(cx, &[IoSlice::new(bytes)])
            .map_err(io::Error::from)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_accept(cx, pieces).map_err(io::Error::from)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drained(cx, 0).map_err(io::Error::from)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_shut_down(cx).map_err(io::Error::from)
    }
}

/// Writes are buffered and leave at the end of the turn, as [`StreamHandle::write`]'s do, but wait
/// when 64 KiB are unsent. A flush waits until all is with the system. Closing flushes and shuts
/// the writing side down; the stream stays open to be read.
///
/// A handle has methods of its own that are called `flush` and `close`, and do not wait; the
/// compiler takes those. The trait's are `AsyncWriteExt::close(&mut handle)`, or come with generic
/// code.
impl AsyncWrite for StreamHandle {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_accept(cx, &[IoSlice::new(bytes)])
            .map_err(io::Error::from)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_accept(cx, pieces).map_err(io::Error::from)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drained(cx, 0).map_err(io::Error::from)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_shut_down(cx).map_err(io::Error::from)
    }
}
