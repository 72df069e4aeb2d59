//! The stream as its users see it: one reader that owns it, and handles that write to it and close
//! it. What they do is done in `core.rs`; the reads are in `read.rs`.

use std::fmt;
use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use squall_ioloop::Handle;

use crate::core::Core;
use crate::file_range::FileRange;
use crate::read_buffer::ReadBuffer;
use crate::settings::Settings;
use crate::waiter::{Awaited, Place, Told, UNNUMBERED};
use crate::{
    Address, Guards, MemoryBudget, RateLimit, SocketTransport, StreamClosed, StreamError, Transport,
};

/// A buffered, non-blocking stream of bytes: Tornado's `IOStream`.
///
/// This is the reading end, and there is one: reads take `&mut self`, so that two reads at once
/// are a type error (Tornado: "Already reading"). Everything else is on [`StreamHandle`], which it
/// derefs to and which [`Self::handle`] clones. Dropping the `IoStream` closes the stream, and
/// drops what is unsent: await [`drained(0)`](StreamHandle::drained) before, or
/// [`linger`](Self::linger).
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::IoStream;
/// use std::io::{Read, Write};
///
/// let ioloop = IoLoop::new()?;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let peer = std::thread::spawn(move || -> std::io::Result<()> {
///     let (mut socket, _) = listener.accept()?;
///     let mut request = [0; 5];
///     socket.read_exact(&mut request)?;
///     assert_eq!(&request, b"ping\n");
///     socket.write_all(b"pong\n")
/// });
/// let line = ioloop.run_until(async {
///     let mut stream = IoStream::connect(&ioloop, address).await?;
///     stream.write(b"ping\n").map_err(std::io::Error::from)?;
///     // The reader sends what is unsent before it waits.
///     stream.read_until(b"\n", 1024).await.map_err(std::io::Error::from)
/// })??;
/// assert_eq!(line, b"pong\n");
/// # peer.join().unwrap()?;
/// # std::io::Result::Ok(())
/// ```
pub struct IoStream {
    pub(crate) handle: StreamHandle,
    pub(crate) buffer: ReadBuffer,
}

/// A handle of a stream: to write, to flush, to close it, to learn that it was closed.
///
/// Written bytes are buffered. They leave, all of them in one vectored write, when the turn ends,
/// or before that on [`Self::flush`] or when the reader has to wait for input: a stream is corked
/// for the turn without being asked. Only [`Self::write_with`] leaves it to its caller to say
/// when. By itself a stream sends at most 1 MiB in a turn, so that others have theirs, and goes on
/// in the next.
///
/// The buffer has no bound of its own. A writer that produces more than its peer takes waits for
/// [`Self::drained`] or [`Self::writable`]; one that cannot wait sets
/// [`Self::set_unsent_bytes_max`].
///
/// A handle does not keep the stream open: when the [`IoStream`] is dropped, writes fail with
/// [`StreamClosed`].
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::memory;
///
/// let ioloop = IoLoop::new()?;
/// let (ours, mut theirs) = memory::pair(&ioloop, memory::Options::default());
/// let handle = ours.handle();
/// // Written from a callback, while somebody else owns the reading end.
/// ioloop.add_callback(move || handle.write(b"news").expect("the stream is open"));
/// assert_eq!(ioloop.run_until(theirs.read_bytes(4))??, b"news");
/// # drop(ours);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct StreamHandle {
    core: Rc<Core>,
}

impl IoStream {
    /// A stream over any transport.
    ///
    /// # Errors
    /// What the poller or the transport says.
    pub fn new(ioloop: &Handle, transport: impl Transport) -> io::Result<Self> {
        Ok(Self {
            handle: StreamHandle {
                core: Core::register(ioloop, transport)?,
            },
            buffer: ReadBuffer::default(),
        })
    }

    /// A stream over a connected socket of the standard library. Its options are left as they are:
    /// for answers without delay, set `TCP_NODELAY`.
    ///
    /// # Errors
    /// What the system says when the socket is made non-blocking or put on the loop.
    pub fn from_tcp(ioloop: &Handle, socket: std::net::TcpStream) -> io::Result<Self> {
        Self::new(ioloop, SocketTransport::try_from(socket)?)
    }

    /// A handle to write to this stream from elsewhere.
    pub fn handle(&self) -> StreamHandle {
        self.handle.clone()
    }

    /// How many bytes were read and not yet used.
    pub fn unread_len(&self) -> usize {
        self.buffer.len()
    }

    /// How many bytes its buffers hold in memory: unread, and unsent but for those of files.
    pub fn memory_len(&self) -> usize {
        self.buffer.len() + self.core().unsent_memory_len()
    }

    /// Makes the stream one of those that share a [`MemoryBudget`], or of none (the default).
    ///
    /// # Panics
    /// When the budget is for another loop.
    pub fn set_memory_budget(&self, budget: Option<&MemoryBudget>) {
        self.core().set_memory_budget(budget, self.buffer.len());
    }

    /// Takes the stream apart: its transport, off the loop, and what was read and not yet used.
    /// With both, [`Self::new`] makes a stream on another loop, or TLS one of its own. What was set
    /// on this stream (its deadline, guards, rates, budget, watermarks and cap) stays behind: set
    /// it on the new one.
    ///
    /// # Errors
    /// The stream itself when something is unsent (await [`drained(0)`](StreamHandle::drained)
    /// before), when it is closed, or when its transport cannot be moved.
    pub fn into_parts(mut self) -> Result<(Box<dyn Transport>, Vec<u8>), Self> {
        if self.unsent_len() > 0 || self.is_closed() {
            return Err(self);
        }
        match self.core().detach() {
            Some(transport) => Ok((transport, self.buffer.take())),
            None => Err(self),
        }
    }
}

impl Deref for IoStream {
    type Target = StreamHandle;
    fn deref(&self) -> &StreamHandle {
        &self.handle
    }
}

impl Drop for IoStream {
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl StreamHandle {
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    pub(crate) fn put_settings(&self, settings: Settings, unread: usize) {
        self.core.put_settings(settings, unread);
    }

    // ---- writing

    /// Buffers a copy of `bytes`, to be sent at the end of this turn at the latest.
    ///
    /// # Errors
    /// [`StreamError::Closed`], or [`StreamError::BufferFull`] with
    /// [`Self::set_unsent_bytes_max`].
    pub fn write(&self, bytes: &[u8]) -> Result<(), StreamError> {
        self.core
            .write_with(|buffer| buffer.extend_from_slice(bytes))?;
        self.core.flush_at_turn_end();
        Ok(())
    }

    /// As [`Self::write`], but without a copy unless they are few (up to 2 KiB, behind others).
    ///
    /// Should the bytes have an owner whose destructor is yours, it must not use this stream.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_bytes(&self, bytes: Bytes) -> Result<(), StreamError> {
        self.core.write_bytes(bytes)?;
        self.core.flush_at_turn_end();
        Ok(())
    }

    /// Lets `append` write at the end of what is buffered: an encoder's output needs no buffer of
    /// its own.
    ///
    /// For protocols, which know best when to send: nothing is sent at the end of the turn unless
    /// something else asks for it. Call [`Self::flush_at_turn_end`] or [`Self::flush`], or read:
    /// a reader that has to wait sends all before.
    ///
    /// # Errors
    /// As [`Self::write`]. When the stream is closed, `append` is not called; when it has appended
    /// too much, all of that is taken back.
    ///
    /// # Panics
    /// When `append` shortens the buffer, or writes to this stream or asks what is unsent. If
    /// `append` panics itself, what it has appended is taken back.
    pub fn write_with<R>(&self, append: impl FnOnce(&mut Vec<u8>) -> R) -> Result<R, StreamError> {
        self.core.write_with(append)
    }

    /// Sends `length` bytes of a file, from `offset` on, behind what was written before and before
    /// what is written after. They take no memory: on Linux the system copies them into a socket
    /// (`sendfile(2)`); for other transports and systems they go through the loop's receive buffer,
    /// up to 64 KiB at a time, as there is room.
    ///
    /// The file may be shared by any number of streams, and its own position does not matter. What
    /// is not in the system's cache is read from the disk while the loop waits, as in nginx: for
    /// files that are large, cold and on slow disks, read them in a thread instead. A process that
    /// is not Rust's own has to ignore `SIGPIPE`, since `sendfile(2)` cannot be told to.
    ///
    /// A file that ends before `length` bytes closes the stream with
    /// [`CutOff::FileTruncated`](crate::CutOff::FileTruncated), and one that cannot be read with
    /// the system's error; the peer is told by a reset.
    ///
    /// ```
    /// # use squall_ioloop::IoLoop;
    /// # use squall_iostream::memory;
    /// use std::{fs::File, sync::Arc};
    /// # let ioloop = IoLoop::new()?;
    /// # let (ours, mut theirs) = memory::pair(&ioloop, memory::Options::default());
    /// let file = Arc::new(File::open("Cargo.toml")?);
    /// ours.write(b"the first nine bytes: ")?;
    /// ours.send_file(file, 0, 9)?;
    /// let sent = ioloop.run_until(theirs.read_bytes(22 + 9))??;
    /// assert_eq!(sent, b"the first nine bytes: [package]");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StreamError::Closed`].
    ///
    /// # Panics
    /// When `length` does not fit a `usize`.
    pub fn send_file(
        &self,
        file: impl Into<Arc<File>>,
        offset: u64,
        length: u64,
    ) -> Result<(), StreamError> {
        let length = usize::try_from(length).expect("a length that fits in memory's addresses");
        self.core
            .send_file(FileRange::new(file.into(), offset, length))?;
        self.core.flush_at_turn_end();
        Ok(())
    }

    /// Refuses writes, whole, that would make more than `bytes_max` bytes unsent, with
    /// [`StreamError::BufferFull`] (Tornado's `max_write_buffer_size`). For a writer that cannot
    /// wait, such as a broadcast to peers of which one is slow. Bytes of files do not count: they
    /// take no memory. Default: `usize::MAX`, no bound, as in Tornado: a single answer may be
    /// large, and is in memory already.
    pub fn set_unsent_bytes_max(&self, bytes_max: usize) {
        self.core.set_unsent_bytes_max(bytes_max);
    }

    /// How many bytes are written and not yet sent, those of files included.
    pub fn unsent_len(&self) -> usize {
        self.core.unsent_len()
    }

    /// Sends as much as goes without waiting; of files up to the stream's share of the turn.
    pub fn flush(&self) {
        self.core.flush_all();
    }

    /// Flushes when this turn ends, together with whatever is written until then. Asking again in
    /// the same turn changes nothing.
    pub fn flush_at_turn_end(&self) {
        self.core.flush_at_turn_end();
    }

    /// Sets what [`Self::writable`] waits for. Default 64 KiB and 16 KiB, as asyncio has it: a
    /// writer is stopped before it has filled much memory, and goes on while there is still
    /// something to send.
    ///
    /// # Panics
    /// When `low` is more than `high`.
    pub fn set_watermarks(&self, high: usize, low: usize) {
        assert!(low <= high, "the low watermark is above the high one");
        self.core.set_watermarks(high, low);
    }

    /// Returns at once unless more is unsent than the high watermark; else waits until it is no
    /// more than the low one: asyncio's `drain`, for a writer that calls it after each write. Any
    /// number of tasks may wait.
    ///
    /// # Errors
    /// As [`Self::drained`].
    pub async fn writable(&self) -> Result<(), StreamError> {
        let watermarks = self.core.watermarks();
        if self.unsent_len() <= watermarks.high {
            return Ok(self.check_open()?);
        }
        self.drained(watermarks.low).await
    }

    /// Waits until at most `unsent_max` bytes are unsent; with 0, until all is with the system.
    /// This is how a writer feels that its peer is slow. Any number of tasks may wait.
    ///
    /// # Errors
    /// [`StreamError::Closed`], or [`StreamError::TimedOut`] when the deadline passes first; the
    /// like for the [`Guards`].
    pub async fn drained(&self, unsent_max: usize) -> Result<(), StreamError> {
        let mut place = Place::new(&self.core.waits, Awaited::Room);
        poll_fn(|cx| {
            let drained = self.poll_is_drained(unsent_max);
            if drained.is_pending() {
                place.wait(&self.core.shared, cx.waker());
            }
            drained
        })
        .await
    }

    /// Sends what is unsent, then says to the peer that no more will come. Reading goes on. A later
    /// write closes the stream with an error, as the system has it.
    ///
    /// # Errors
    /// As [`Self::drained`].
    pub async fn shutdown_write(&self) -> Result<(), StreamError> {
        self.drained(0).await?;
        // Fails when the peer has gone already, which is what the reader will be told.
        let _ = self.core.transport.shutdown_write();
        // In TLS the end is a record of its own, and not with the system yet.
        self.drained(0).await
    }

    // ---- closing

    /// Closes the stream now: what is unsent is dropped, whoever waits is told. Closing a closed
    /// stream changes nothing.
    pub fn close(&self) {
        self.core.close(StreamClosed::ORDERLY);
    }

    /// Closes the stream now, as [`Self::close`], and so that the peer can tell it from an end
    /// (TCP: by a reset): for an answer that breaks off, and for a peer that is not worth the
    /// system's memory. What the system has not delivered yet is lost, that of earlier writes too.
    pub fn abort(&self) {
        self.core.reset(StreamClosed::ORDERLY);
    }

    /// Whether the stream is closed on our side: nothing can be written any more.
    ///
    /// So it is, too, when a write has failed. What had arrived by then can still be read, from the
    /// system too: the answer of a server, say, that has stopped listening to the question.
    pub fn is_closed(&self) -> bool {
        self.core.is_closed()
    }

    /// Whether the peer has said that it sends no more, or is gone, or the stream is closed.
    pub fn is_closing(&self) -> bool {
        self.core.is_closing()
    }

    /// Waits until the peer has gone (or will send no more), or the stream is closed: Tornado's
    /// `set_close_callback`, as a future. Input that came before may still be unread. Any number
    /// of tasks may wait, and those that give up leave nothing behind.
    pub async fn closed(&self) {
        let mut place = Place::new(&self.core.waits, Awaited::End);
        poll_fn(|cx| {
            if self.core.is_closing() {
                return Poll::Ready(());
            }
            place.wait(&self.core.shared, cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Calls `callback` once, when [`Self::closed`] would be ready; in a later turn if it is
    /// already. It is kept until then.
    pub fn on_close(&self, callback: impl FnOnce() + 'static) {
        if self.core.is_closing() {
            self.core.ioloop.add_callback(callback);
        } else {
            let told = Told::Call(Box::new(callback));
            self.core.waits.add(UNNUMBERED, Awaited::End, told);
        }
    }

    // ---- what is asked of the peer

    /// Sets what the stream asks of its peer, from now on, in place of what it had asked; see
    /// [`Guards`]. Default: nothing. They are independent of [`Self::set_deadline`].
    ///
    /// ```
    /// # use squall_ioloop::IoLoop;
    /// use squall_iostream::{Guards, StreamError, memory};
    /// use std::time::Duration;
    /// # let ioloop = IoLoop::builder().virtual_clock().build()?;
    /// # let (mut stream, _peer) = memory::pair(&ioloop, memory::Options::default());
    /// let timeout_idle = Some(Duration::from_secs(60));
    /// stream.set_guards(&Guards { timeout_idle, ..Guards::default() });
    /// let read = ioloop.run_until(stream.read_bytes(1))?;
    /// assert!(matches!(read, Err(StreamError::Idle)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_guards(&self, guards: &Guards) {
        self.core.set_guards(guards);
    }

    /// Bounds how fast the stream reads, or no longer (the default). Its peer feels it as
    /// back-pressure.
    pub fn set_read_rate(&self, limit: Option<RateLimit>) {
        self.core.set_read_rate(limit);
    }

    /// Bounds how fast the stream sends, or no longer (the default). What is written meanwhile is
    /// buffered.
    pub fn set_write_rate(&self, limit: Option<RateLimit>) {
        self.core.set_write_rate(limit);
    }

    // ---- the rest

    /// Sets the stream's deadline to `after` from now, or takes it away (the default). When it
    /// passes, the read or the wait for [`Self::drained`] that is pending, or else the next that
    /// has to wait, ends with [`StreamError::TimedOut`]: one of them, and the next deadline has to
    /// be set again. Moving it forward is one store.
    pub fn set_deadline(&self, after: Option<Duration>) {
        self.core.set_deadline(after);
    }

    /// The loop that the stream is on.
    pub fn ioloop(&self) -> &Handle {
        &self.core.ioloop
    }

    /// The peer's address, if it has one. A system call.
    pub fn peer_addr(&self) -> Option<Address> {
        self.core.transport.peer_addr()
    }

    /// Our end's address, if it has one. A system call.
    pub fn local_addr(&self) -> Option<Address> {
        self.core.transport.local_addr()
    }

    /// An error if the stream is closed on our side.
    ///
    /// # Errors
    /// [`StreamClosed`], with its cause.
    pub fn check_open(&self) -> Result<(), StreamClosed> {
        self.core.check_open()
    }
}

impl fmt::Debug for IoStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoStream")
            .field("unread", &self.unread_len())
            .field("unsent", &self.unsent_len())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

impl fmt::Debug for StreamHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamHandle")
            .field("unsent", &self.unsent_len())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
