//! Why an operation on an exchange failed.

use std::fmt;

use http::StatusCode;
use squall_iostream::{StreamClosed, StreamError};

/// What can go wrong between a service and its peer.
///
/// ```
/// use squall_httpserver::{Error, Exchange};
/// async fn echo(http: Exchange) {
///     match http.content().await {
///         Ok(content) => drop(http.write(content)), // fails only if the peer is gone
///         Err(Error::Closed(_)) => return,
///         Err(error) => drop(http.set_status(error.status())),
///     }
///     http.finish();
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer is gone. Nothing can be answered.
    Closed(StreamClosed),
    /// The peer's content came too slowly: 408.
    TimedOut,
    /// The peer broke the protocol, or a limit of it: 400, 413 and others.
    Protocol(squall_http1::Error),
    /// The stream has a cap on unsent bytes, and what was to be sent would pass it.
    BufferFull {
        /// The cap, in bytes.
        bytes_max: usize,
    },
    /// The answer is complete: nothing can be added (Tornado: "Cannot write() after finish()").
    Finished,
    /// The answer's head has left: its status and fields cannot be changed.
    HeadSent,
    /// The answer has more or less content than its `Content-Length` says, or that is no number.
    WrongContentLength,
    /// The content is being read elsewhere, or was handed over with the stream.
    ContentTaken,
    /// The stream cannot change hands while the request's content is not read.
    ContentUnread,
    /// A status of 1xx is not an answer; or one that is, where only 1xx may be sent; or 1xx to a
    /// client that does not know it.
    InformationalStatus,
    /// A field that must not come behind the content.
    TrailerForbidden,
    /// The content is in a coding that is not decoded here, or in more than one: 415.
    CodingUnsupported,
    /// The content is not what its coding says: 400.
    CodingInvalid,
}

impl Error {
    /// The status that tells the peer, where it is the peer's fault; 500 where it is ours.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Protocol(error) => error.status(),
            Self::Closed(_) | Self::CodingInvalid => StatusCode::BAD_REQUEST,
            Self::CodingUnsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BufferFull { .. }
            | Self::Finished
            | Self::HeadSent
            | Self::WrongContentLength
            | Self::ContentTaken
            | Self::ContentUnread
            | Self::InformationalStatus
            | Self::TrailerForbidden => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(closed) => closed.fmt(f),
            Self::TimedOut => f.write_str("the peer was too slow"),
            Self::Protocol(error) => error.fmt(f),
            Self::BufferFull { bytes_max } => {
                write!(
                    f,
                    "the peer has not taken what was sent: {bytes_max} bytes and no more"
                )
            }
            Self::Finished => f.write_str("the answer is finished"),
            Self::HeadSent => f.write_str("the answer's head has left"),
            Self::WrongContentLength => {
                f.write_str("the content does not have the length of its Content-Length")
            }
            Self::ContentTaken => f.write_str("the content is being read elsewhere"),
            Self::ContentUnread => f.write_str("the content was not read"),
            Self::InformationalStatus => f.write_str("a status of 1xx is not an answer"),
            Self::TrailerForbidden => f.write_str("a field that must not be a trailer"),
            Self::CodingUnsupported => f.write_str("the content's coding is not supported"),
            Self::CodingInvalid => f.write_str("the content is not what its coding says"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Closed(closed) => Some(closed),
            Self::Protocol(error) => Some(error),
            _ => None,
        }
    }
}

impl From<StreamClosed> for Error {
    fn from(closed: StreamClosed) -> Self {
        Self::Closed(closed)
    }
}

impl From<StreamError> for Error {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Closed(closed) => Self::Closed(closed),
            StreamError::TimedOut
            | StreamError::Idle
            | StreamError::Expired
            | StreamError::TooSlow => Self::TimedOut,
            StreamError::BufferFull { bytes_max } => Self::BufferFull { bytes_max },
            // The codec's own limits are far below the stream's.
            _ => Self::Protocol(squall_http1::Error::from(
                squall_http1::LimitFault::HeadBytes,
            )),
        }
    }
}

impl From<squall_http1::Error> for Error {
    fn from(error: squall_http1::Error) -> Self {
        Self::Protocol(error)
    }
}
