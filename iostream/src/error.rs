//! What can go wrong on a stream. Being closed is ordinary, and says why.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// The stream is closed: by the peer, by us, or by a failure. Tornado's `StreamClosedError`.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::memory;
///
/// let ioloop = IoLoop::new()?;
/// let (ours, _theirs) = memory::pair(&ioloop, memory::Options::default());
/// ours.close();
/// let closed = ours.check_open().unwrap_err();
/// assert!(closed.cause().is_none()); // nothing failed: we have closed it
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct StreamClosed {
    cause: Option<Rc<io::Error>>,
}

impl StreamClosed {
    /// The end that a peer or we ourselves have asked for.
    pub(crate) const ORDERLY: Self = Self { cause: None };

    pub(crate) fn with_cause(cause: Option<Rc<io::Error>>) -> Self {
        Self { cause }
    }

    pub(crate) fn into_cause(self) -> Option<Rc<io::Error>> {
        self.cause
    }

    pub(crate) fn because(error: io::Error) -> Self {
        Self {
            cause: Some(Rc::new(error)),
        }
    }

    pub(crate) fn cut_off_by(cut_off: CutOff) -> Self {
        Self::because(io::Error::new(cut_off.kind(), cut_off))
    }

    /// The system's error, if it was one that ended the stream (Tornado: `real_error`), or a
    /// [`CutOff`].
    pub fn cause(&self) -> Option<&io::Error> {
        self.cause.as_deref()
    }

    /// Why the stream has ended itself, if it has.
    pub fn cut_off(&self) -> Option<CutOff> {
        let inner = self.cause.as_deref()?.get_ref()?;
        inner.downcast_ref().copied()
    }
}

impl fmt::Display for StreamClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            None => f.write_str("the stream is closed"),
            Some(cause) => write!(f, "the stream is closed: {cause}"),
        }
    }
}

impl std::error::Error for StreamClosed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<StreamClosed> for io::Error {
    fn from(closed: StreamClosed) -> Self {
        let kind = closed
            .cause
            .as_ref()
            .map_or(io::ErrorKind::BrokenPipe, |cause| cause.kind());
        Self::new(kind, closed.to_string())
    }
}

/// Why a stream has ended itself, where the system told of no failure. The peer is told by a
/// reset, where its transport knows one: what it has is not the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CutOff {
    /// The peer took nothing of what was unsent for this long
    /// ([`Guards::timeout_stall`](crate::Guards::timeout_stall)).
    WriteStalled {
        /// As the guard has it.
        timeout: Duration,
    },
    /// A file ended before all that [`send_file`](crate::StreamHandle::send_file) had promised.
    FileTruncated {
        /// How many bytes are missing.
        missing: u64,
    },
}

impl CutOff {
    fn kind(self) -> io::ErrorKind {
        match self {
            Self::WriteStalled { .. } => io::ErrorKind::TimedOut,
            Self::FileTruncated { .. } => io::ErrorKind::UnexpectedEof,
        }
    }
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteStalled { timeout } => {
                write!(f, "the peer has taken nothing for {timeout:?}")
            }
            Self::FileTruncated { missing } => {
                write!(f, "the file ended {missing} bytes before what was promised")
            }
        }
    }
}

impl std::error::Error for CutOff {}

/// Why a read, a write or a wait ended without what it was for.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{StreamError, memory};
///
/// let ioloop = IoLoop::new()?;
/// let (ours, mut theirs) = memory::pair(&ioloop, memory::Options::default());
/// ours.write(b"a line that never ends")?;
/// let error = ioloop.run_until(theirs.read_until(b"\n", 10))?.unwrap_err();
/// assert!(matches!(error, StreamError::LimitExceeded { bytes_max: 10 }));
/// theirs.write(b"too long\n")?; // the stream can still carry an answer
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StreamError {
    /// The stream is closed. What had arrived stays in the buffer.
    Closed(StreamClosed),
    /// The bound of the read was passed. The stream is still open, and can carry an answer.
    LimitExceeded {
        /// The bound, in bytes.
        bytes_max: usize,
    },
    /// The stream's deadline ([`StreamHandle::set_deadline`](crate::StreamHandle::set_deadline))
    /// has passed. The stream is still open.
    TimedOut,
    /// Nothing was read and nothing sent for
    /// [`Guards::timeout_idle`](crate::Guards::timeout_idle). The stream is still open.
    Idle,
    /// [`Guards::timeout_total`](crate::Guards::timeout_total) is over. The stream is still open.
    Expired,
    /// The peer sends less than [`Guards::rate_min`](crate::Guards::rate_min). The stream is still
    /// open, and can carry an answer.
    TooSlow,
    /// More would be unsent than
    /// [`set_unsent_bytes_max`](crate::StreamHandle::set_unsent_bytes_max) allows. Nothing of this
    /// write was taken, and the stream is still open (Tornado's `StreamBufferFullError`).
    BufferFull {
        /// The bound, in bytes.
        bytes_max: usize,
    },
}

/// What has ended a wait, to be told to the one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    Deadline,
    Idle,
    Expired,
    TooSlow,
}

impl From<Interruption> for StreamError {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Deadline => Self::TimedOut,
            Interruption::Idle => Self::Idle,
            Interruption::Expired => Self::Expired,
            Interruption::TooSlow => Self::TooSlow,
        }
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(closed) => closed.fmt(f),
            Self::LimitExceeded { bytes_max } => {
                write!(
                    f,
                    "more than {bytes_max} bytes came before the end of what was read"
                )
            }
            Self::TimedOut => f.write_str("the stream's deadline has passed"),
            Self::Idle => f.write_str("the stream has been idle for too long"),
            Self::Expired => f.write_str("the stream's whole time is over"),
            Self::TooSlow => f.write_str("the peer sends too slowly"),
            Self::BufferFull { bytes_max } => {
                write!(f, "more than {bytes_max} bytes would be unsent")
            }
        }
    }
}

impl std::error::Error for StreamError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Closed(closed) => closed.source(),
            _ => None,
        }
    }
}

impl From<StreamClosed> for StreamError {
    fn from(closed: StreamClosed) -> Self {
        Self::Closed(closed)
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match error {
            StreamError::Closed(closed) => return closed.into(),
            StreamError::LimitExceeded { .. } => io::ErrorKind::InvalidData,
            StreamError::BufferFull { .. } => io::ErrorKind::QuotaExceeded,
            StreamError::TimedOut
            | StreamError::Idle
            | StreamError::Expired
            | StreamError::TooSlow => io::ErrorKind::TimedOut,
        };
        Self::new(kind, error.to_string())
    }
}
