//! Pipes as a transport: one to read from, one to write to, or both; and the process's own input
//! and output. How a single descriptor is called is in `end.rs`.

mod end;

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use squall_ioloop::{Handle, Interest, Ready, Source, Token};

use crate::{IoStream, Transport};
use end::{End, Use};

/// One descriptor to read from, one to write to, or both: pipes, terminals, files. Tornado's
/// `PipeIOStream`, in both directions.
///
/// - **Files**, and devices such as `/dev/null`, cannot be polled. They are read and written
///   when their turn comes, at most 256 KiB a turn, and each call may wait for the disk, though for
///   nobody else. That is what a program wants whose input is now a pipe and now a file; one that
///   serves files to others does not want it.
/// - **Shutting down** the writing side closes its descriptor, which is how a pipe says it. A write
///   fails with [`io::ErrorKind::Unsupported`] where there is nothing to write to, and a read
///   where there is nothing to read from is at its end.
/// - **A failed write ends the writing**, as on a socket; what had arrived by then can still be
///   read, and nothing that comes later. Who wants the last words of a child that no longer listens
///   makes two streams, one for each pipe.
/// - **SIGPIPE**: writing to a pipe that nobody reads raises it. Rust's programs ignore it from
///   their start and get the error instead; a host in another language that does not has to call
///   `signal(SIGPIPE, SIG_IGN)`, for there is no flag to prevent it as there is for sockets.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::IoStream;
/// use std::process::{Command, Stdio};
///
/// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
/// let ioloop = IoLoop::new()?;
/// let mut stream = IoStream::from_pipes(&ioloop, stdout, stdin)?;
/// let heard = ioloop.run_until(async {
///     stream.write(b"meow")?;
///     stream.shutdown_write().await?;
///     stream.read_until_close(1024).await
/// })??;
/// assert_eq!(heard, b"meow");
/// assert!(child.wait()?.success());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PipeTransport {
    reader: RefCell<Option<End>>,
    writer: RefCell<Option<End>>,
    place: RefCell<Option<Place>>,
}

/// Where it is on a loop.
struct Place {
    ioloop: Handle,
    stream: Token,
    /// The writing end's own registration, where the stream's is the reading end's.
    writer: Option<Token>,
}

impl PipeTransport {
    /// To read from `reader`: a child's output, a pipe's end, a file. It is made non-blocking, and
    /// with it all duplicates of the descriptor, in other processes too; for those that are
    /// shared there is [`Self::stdio`].
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a directory and for what is open for writing only; else
    /// what the system says.
    pub fn reader(reader: impl Into<OwnedFd>) -> io::Result<Self> {
        Ok(Self::of(Some(End::own(reader.into(), Use::Read)?), None))
    }

    /// To write to `writer`: a child's input, a pipe's end, a file. See [`Self::reader`].
    ///
    /// # Errors
    /// As [`Self::reader`], for what is open for reading only.
    pub fn writer(writer: impl Into<OwnedFd>) -> io::Result<Self> {
        Ok(Self::of(None, Some(End::own(writer.into(), Use::Write)?)))
    }

    /// Both, as for a child's output and input. See [`Self::reader`].
    ///
    /// # Errors
    /// As [`Self::reader`] and [`Self::writer`].
    pub fn duplex(reader: impl Into<OwnedFd>, writer: impl Into<OwnedFd>) -> io::Result<Self> {
        let reader = End::own(reader.into(), Use::Read)?;
        let writer = End::own(writer.into(), Use::Write)?;
        Ok(Self::of(Some(reader), Some(writer)))
    }

    /// This process's standard input and output; see [`IoStream::stdio`].
    ///
    /// # Errors
    /// What the system says; a descriptor that is closed is an error.
    pub fn stdio() -> io::Result<Self> {
        let reader = End::share(io::stdin().as_fd(), Use::Read)?;
        let writer = End::share(io::stdout().as_fd(), Use::Write)?;
        Ok(Self::of(Some(reader), Some(writer)))
    }

    fn of(reader: Option<End>, writer: Option<End>) -> Self {
        Self {
            reader: RefCell::new(reader),
            writer: RefCell::new(writer),
            place: RefCell::new(None),
        }
    }

    fn tell(&self, ready: Ready) {
        if let Some(place) = &*self.place.borrow() {
            place.ioloop.ready_again(place.stream, ready);
        }
    }

    /// Does `write`, and sees to it that an end which is always ready stays so.
    fn write_by(&self, len: usize, write: impl Fn(&End) -> io::Result<usize>) -> io::Result<usize> {
        let writer = self.writer.borrow();
        let Some(writer) = &*writer else {
            let text = "this end of a pipe cannot be written to";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        };
        let written = write(writer)?;
        if written < len && !writer.can_be_polled() {
            // What stopped it, a full disk say, is told by the next write, and by no event.
            self.tell(Ready::WRITABLE);
        }
        Ok(written)
    }

    /// Takes the writing end off its loop, so that its descriptor can be closed or move. A
    /// duplicate elsewhere would keep it on the poller.
    fn take_writer(&self) -> Option<End> {
        let writer = self.writer.take()?;
        let token = self.place.borrow_mut().as_mut().and_then(|place| {
            let token = place.writer.take()?;
            Some((place.ioloop.clone(), token))
        });
        if let Some((ioloop, token)) = token {
            ioloop.deregister(token, Some(writer.as_fd()));
        }
        Some(writer)
    }
}

impl Transport for PipeTransport {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &*self.reader.borrow() {
            Some(reader) => reader.read(buffer),
            None => Ok(0),
        }
    }

    fn has_more(&self) -> bool {
        self.reader.borrow().as_ref().is_some_and(End::has_more)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.write_by(bytes.len(), |writer| writer.write(bytes))
    }

    fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        self.write_by(len, |writer| writer.write_vectored(pieces))
    }

    fn shutdown_write(&self) -> io::Result<()> {
        if let Some(writer) = self.take_writer() {
            writer.shut_down();
        }
        Ok(())
    }

    fn close(&self) {
        let writer = self.take_writer();
        let place = self.place.take();
        if let Some(place) = place {
            // The stream's own registration. Of what is closed with the last of its duplicates
            // the poller would let go by itself; but who knows.
            let reader = self.reader.borrow();
            let is_polled = |end: &&End| end.can_be_polled();
            let polled = reader.as_ref().filter(is_polled);
            if let Some(end) = polled.or(writer.as_ref().filter(is_polled)) {
                place.ioloop.deregister(place.stream, Some(end.as_fd()));
            }
        }
        drop(self.reader.take());
    }

    fn attach(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
        let reader = self.reader.borrow();
        let is_reader_polled = reader.as_ref().is_some_and(End::can_be_polled);
        if !is_reader_polled {
            // There will be no event. A file can be read now; where there is nothing to read from,
            // the end can.
            ioloop.ready_again(token, Ready::READABLE);
        }
        let mut own = None;
        if let (true, Some(writer)) = (is_reader_polled, &*self.writer.borrow()) {
            if writer.can_be_polled() {
                let forward = Rc::new(Forward { stream: token });
                own = Some(ioloop.register(forward, Some(writer.as_fd()), Interest::Write)?);
            }
        }
        self.place.replace(Some(Place {
            ioloop: ioloop.clone(),
            stream: token,
            writer: own,
        }));
        Ok(())
    }

    fn with_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        for end in [&self.reader, &self.writer] {
            match &*end.borrow() {
                Some(end) if end.can_be_polled() => return f(end.as_fd()),
                _ => {}
            }
        }
    }

    fn with_source_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        match &*self.reader.borrow() {
            Some(end) if end.can_be_spliced() => f(end.as_fd()),
            _ => {}
        }
    }

    fn with_sink_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        match &*self.writer.borrow() {
            Some(end) if end.can_be_spliced() => f(end.as_fd()),
            _ => {}
        }
    }

    fn detach(&self) -> Option<Box<dyn Transport>> {
        let (reader, writer) = (self.reader.take(), self.take_writer());
        self.place.take();
        if reader.is_none() && writer.is_none() {
            return None;
        }
        Some(Box::new(Self::of(reader, writer)))
    }
}

/// Where the writing end's events arrive. They go on to the stream in the next turn, and only what
/// they say of writing: that nobody reads any more what we write is no end of what we read.
struct Forward {
    stream: Token,
}

impl Source for Forward {
    fn on_ready(&self, ioloop: &Handle, ready: Ready) {
        let mut told = Ready::WRITABLE;
        if ready.intersects(Ready::WRITE_CLOSED | Ready::ERROR) {
            told |= Ready::WRITE_CLOSED;
        }
        ioloop.ready_again(self.stream, told);
    }
}

impl IoStream {
    /// A stream that reads from a pipe, a child's output for instance. See
    /// [`PipeTransport::reader`].
    ///
    /// # Errors
    /// As [`PipeTransport::reader`], and what the poller says.
    pub fn from_pipe_reader(ioloop: &Handle, reader: impl Into<OwnedFd>) -> io::Result<Self> {
        Self::new(ioloop, PipeTransport::reader(reader)?)
    }

    /// A stream that writes to a pipe, a child's input for instance. Its
    /// [`closed`](crate::StreamHandle::closed) tells that nobody reads the pipe any more. See
    /// [`PipeTransport::writer`].
    ///
    /// # Errors
    /// As [`PipeTransport::writer`], and what the poller says.
    pub fn from_pipe_writer(ioloop: &Handle, writer: impl Into<OwnedFd>) -> io::Result<Self> {
        Self::new(ioloop, PipeTransport::writer(writer)?)
    }

    /// A stream that reads from one pipe and writes to another. See [`PipeTransport`].
    ///
    /// # Errors
    /// As [`PipeTransport::duplex`], and what the poller says.
    pub fn from_pipes(
        ioloop: &Handle,
        reader: impl Into<OwnedFd>,
        writer: impl Into<OwnedFd>,
    ) -> io::Result<Self> {
        Self::new(ioloop, PipeTransport::duplex(reader, writer)?)
    }

    /// A stream over this process's standard input and output. Make one, and leave
    /// [`std::io::stdin`] alone meanwhile: what that has buffered is not seen here.
    ///
    /// Whether a descriptor blocks is a property of the open file, which a shell shares with all
    /// programs on its terminal: to make it non-blocking would break the others, and after us the
    /// shell. So nothing is changed on what we were given. On Linux a pipe or a terminal is opened
    /// anew, through `/proc/self/fd`, for this process alone; elsewhere a terminal is, by its name.
    /// Where that does not go (a terminal of another user, after `su`), each call is preceded by
    /// a `poll(2)`, in small pieces, and can still block when another process is quicker to take
    /// the input or a user has stopped the output. A socket, as from `inetd`, is told not to wait
    /// call by call, and files need nothing.
    ///
    /// Descriptors 0 and 1 stay open and as they were. So who reads our output sees its end when
    /// the process ends, and not before.
    ///
    /// # Errors
    /// What the system says; a standard descriptor that is closed or a directory is an error.
    pub fn stdio(ioloop: &Handle) -> io::Result<Self> {
        Self::new(ioloop, PipeTransport::stdio()?)
    }
}

impl fmt::Debug for PipeTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeTransport")
            .field("reads", &self.reader.borrow().is_some())
            .field("writes", &self.writer.borrow().is_some())
            .finish()
    }
}
