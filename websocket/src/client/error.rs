//! Why a WebSocket was not opened.

use std::fmt;

use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use squall_iostream::{ConnectError, StreamError};

use super::UrlFault;
use crate::handshake::AnswerFault;

/// Why [`Client::connect`](super::Client::connect) has failed.
///
/// ```
/// use squall_websocket::OpenError;
///
/// /// What a program may want to do about it.
/// fn advice(error: &OpenError) -> String {
///     match error {
///         OpenError::Refused(answer) if answer.status() == 401 => "log in first".into(),
///         OpenError::Refused(answer) => match answer.location() {
///             Some(elsewhere) => format!("try {elsewhere}"),
///             None => format!("refused with {}", answer.status()),
///         },
///         error => error.to_string(),
///     }
/// }
/// assert_eq!(advice(&OpenError::TimedOut), "the server took too long to answer");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is none of a WebSocket.
    Url(UrlFault),
    /// There is no connection: no address, nobody there, no TLS.
    Connect(ConnectError),
    /// TLS cannot be set up: no authorities.
    #[cfg(feature = "tls")]
    Tls(squall_iostream::tls::TlsConfigError),
    /// The connection broke before the answer was there.
    Stream(StreamError),
    /// The server took longer than [`Client::timeout_opening`](super::Client::timeout_opening).
    TimedOut,
    /// The request cannot be sent, or the answer is no HTTP.
    Http(squall_http1::Error),
    /// The server's answer is not 101: a redirect, a challenge, an error.
    Refused(Box<Answer>),
    /// The answer is 101, and does not open the WebSocket that was asked for.
    Answer(AnswerFault),
}

/// A server's answer that opens nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(super) status: StatusCode,
    pub(super) fields: HeaderMap,
    pub(super) content: Vec<u8>,
}

impl Answer {
    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    /// Its content, of which no more than 64 KiB are kept, and only what came in time.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Where a redirect points; it is not followed.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        if !self.status.is_redirection() {
            return None;
        }
        self.fields.get(LOCATION)?.to_str().ok()
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(fault) => write!(f, "not the URL of a WebSocket: {fault}"),
            Self::Connect(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.fmt(f),
            Self::Stream(error) => write!(f, "the connection broke: {error}"),
            Self::TimedOut => f.write_str("the server took too long to answer"),
            Self::Http(error) => error.fmt(f),
            Self::Refused(answer) => write!(f, "the server refused with {}", answer.status),
            Self::Answer(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Url(fault) => Some(fault),
            Self::Connect(error) => Some(error),
            #[cfg(feature = "tls")]
            Self::Tls(error) => Some(error),
            Self::Stream(error) => Some(error),
            Self::Http(error) => Some(error),
            Self::Answer(fault) => Some(fault),
            Self::TimedOut | Self::Refused(_) => None,
        }
    }
}

impl From<UrlFault> for OpenError {
    fn from(fault: UrlFault) -> Self {
        Self::Url(fault)
    }
}

impl From<ConnectError> for OpenError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<StreamError> for OpenError {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

impl From<squall_http1::Error> for OpenError {
    fn from(error: squall_http1::Error) -> Self {
        Self::Http(error)
    }
}

impl From<AnswerFault> for OpenError {
    fn from(fault: AnswerFault) -> Self {
        Self::Answer(fault)
    }
}
