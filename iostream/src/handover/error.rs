//! What can go wrong between the two processes.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::wire::NAME_BYTES_MAX;
use crate::descriptors::DESCRIPTORS_MAX;
use crate::{NotAListener, StreamClosed, StreamError};

/// Why sockets were not handed over.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandoverError {
    /// The other side is a process of another user, of this number.
    OtherUser(u32),
    /// The other side says something else than it should.
    Protocol(&'static str),
    /// The other side is too slow.
    TimedOut,
    /// The other side has gone.
    Closed(StreamClosed),
    /// More than 64 sockets.
    TooMany,
    /// A name of more than 255 bytes.
    NameTooLong,
    /// What came under this name is not a listening socket.
    NotAListener {
        /// The name.
        name: String,
        /// What it is instead.
        source: NotAListener,
    },
    /// The file of a Unix socket is not there any more, or another's: nobody can connect to the
    /// socket. Bind it anew.
    FileGone(PathBuf),
    /// What the system says.
    System(io::Error),
}

impl From<StreamError> for HandoverError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Closed(closed) => Self::Closed(closed),
            StreamError::TimedOut => Self::TimedOut,
            _ => Self::Protocol("a line that is too long"),
        }
    }
}

impl From<StreamClosed> for HandoverError {
    fn from(closed: StreamClosed) -> Self {
        Self::Closed(closed)
    }
}

impl fmt::Display for HandoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherUser(uid) => write!(f, "hand-over with another user, number {uid}"),
            Self::Protocol(what) => write!(f, "hand-over: {what}"),
            Self::TimedOut => f.write_str("the hand-over took too long"),
            Self::Closed(closed) => write!(f, "hand-over: {closed}"),
            Self::TooMany => write!(f, "more than {DESCRIPTORS_MAX} sockets to hand over"),
            Self::NameTooLong => write!(f, "a name of more than {NAME_BYTES_MAX} bytes"),
            Self::NotAListener { name, source } => write!(f, "hand-over of {name:?}: {source}"),
            Self::FileGone(path) => {
                write!(f, "hand-over: the socket's file {path:?} has gone")
            }
            Self::System(error) => write!(f, "hand-over: {error}"),
        }
    }
}

impl std::error::Error for HandoverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Closed(closed) => Some(closed),
            Self::NotAListener { source, .. } => Some(source),
            Self::System(error) => Some(error),
            _ => None,
        }
    }
}
