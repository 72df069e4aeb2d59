//! What can go wrong on a stream. Being closed is ordinary, and says why.

use std::fmt;
use std::io;
use std::rc::Rc;

/// The stream is closed: by the peer, by us, or by a failure. Tornado's `StreamClosedError`.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::memory;
///
/// let ioloop = IoLoop::new()?;
/// let (ours, _theirs) = memory::pair(&ioloop, memory::Options::default());
/// ours.close();
/// let closed = ours.write(b"too late").unwrap_err();
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

    pub(crate) fn because(error: io::Error) -> Self {
        Self {
            cause: Some(Rc::new(error)),
        }
    }

    /// The system's error, if it was one that ended the stream (Tornado: `real_error`).
    pub fn cause(&self) -> Option<&io::Error> {
        self.cause.as_deref()
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

/// Why a read ended without what it was for.
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
        }
    }
}

impl std::error::Error for StreamError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Closed(closed) => closed.source(),
            Self::LimitExceeded { .. } | Self::TimedOut => None,
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
        match error {
            StreamError::Closed(closed) => closed.into(),
            StreamError::LimitExceeded { .. } => {
                Self::new(io::ErrorKind::InvalidData, error.to_string())
            }
            StreamError::TimedOut => Self::new(io::ErrorKind::TimedOut, error.to_string()),
        }
    }
}
