//! What a handler can fail with, and what the client hears of it.
//!
//! Three things end a request early: an answer with an error status ([`HttpError`]), the wish to
//! stop with what has been written ([`Error::Finish`]), and any other error, which is the
//! program's own business: the client gets 500 and not a word more, the log gets the whole chain.
//! How an error becomes a response is `exchange/response.rs`; what the page looks like is
//! `error_page.rs`.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::error_page::reason;

/// What handlers return: nothing, or the reason why the request went wrong.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Why a request ends early.
///
/// It is made by `?` from any error at all, and so, like `anyhow::Error`, does not implement
/// [`std::error::Error`] itself. An [`HttpError`] keeps its status on the way; everything else
/// means 500.
///
/// ```
/// use http::StatusCode;
/// use squall_web::{Error, HttpError, Result};
///
/// fn find(id: u64) -> Result<&'static str> {
///     match id {
///         1 => Ok("one"),
///         2 => Ok(std::str::from_utf8(b"\xff")?),
///         _ => Err(HttpError::new(StatusCode::NOT_FOUND))?,
///     }
/// }
///
/// assert_eq!(find(2).unwrap_err().status(), StatusCode::INTERNAL_SERVER_ERROR);
/// assert_eq!(find(3).unwrap_err().status(), StatusCode::NOT_FOUND);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// An answer with an error status (Tornado's `HTTPError`).
    Http(Box<HttpError>),
    /// No error: the response is finished with what has been written so far (Tornado's `Finish`).
    Finish,
    /// The client went away: there is nobody to answer.
    Closed,
    /// Anything else: 500 for the client, the details for the log.
    Other(Box<dyn StdError>),
}

impl Error {
    /// The status this error is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Http(error) => error.status(),
            Self::Finish => StatusCode::OK,
            Self::Closed | Self::Other(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the client may be told: the message of an [`HttpError`], else the reason phrase.
    #[must_use]
    pub fn public_message(&self) -> &str {
        match self {
            Self::Http(error) => error.message(),
            Self::Finish | Self::Closed | Self::Other(_) => reason(self.status()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => error.fmt(f),
            Self::Finish => f.write_str("finished early"),
            Self::Closed => f.write_str("the client went away"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

/// Errors of this crate and of the layer below are recognised for what they are; any other error
/// is kept as it is.
impl<E: StdError + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self::recognize(Box::new(error))
    }
}

impl Error {
    fn recognize(error: Box<dyn StdError>) -> Self {
        let error = match error.downcast::<HttpError>() {
            Ok(error) => return Self::Http(error),
            Err(error) => error,
        };
        let status = match error.downcast_ref() {
            Some(squall_httpserver::Error::Closed(_)) => return Self::Closed,
            Some(error) if error.status().is_client_error() => error.status(),
            _ => return Self::Other(error),
        };
        Self::Http(Box::new(HttpError::new(status).with_source(error)))
    }
}

/// An answer with an error status (Tornado's `HTTPError`).
///
/// What the client sees and what the log sees are two different messages, so that one never
/// slips into the other.
///
/// ```
/// use http::StatusCode;
/// use squall_web::HttpError;
///
/// let error = HttpError::new(StatusCode::FORBIDDEN).with_log_message("no session");
/// assert_eq!(error.to_string(), "HTTP 403: Forbidden (no session)");
/// assert_eq!(error.message(), "Forbidden");
/// ```
#[derive(Debug)]
pub struct HttpError {
    status: StatusCode,
    message: Option<Cow<'static, str>>,
    log_message: Option<Cow<'static, str>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    source: Option<Box<dyn StdError>>,
}

impl HttpError {
    /// An answer with this status and its reason phrase.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            message: None,
            log_message: None,
            headers: Vec::new(),
            source: None,
        }
    }

    /// Tells the client this instead of the reason phrase (Tornado's `reason`).
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Tells the log more; the client never sees it.
    #[must_use]
    pub fn with_log_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.log_message = Some(message.into());
        self
    }

    /// Adds a header field to the answer, such as `Retry-After` to a 503.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Keeps the error that led to this one, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What the client is told.
    #[must_use]
    pub fn message(&self) -> &str {
        self.message
            .as_deref()
            .unwrap_or_else(|| reason(self.status))
    }

    /// What only the log is told.
    #[must_use]
    pub fn log_message(&self) -> Option<&str> {
        self.log_message.as_deref()
    }

    /// The header fields of the answer.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// 400, because the request lacks this argument (Tornado's `MissingArgumentError`).
    #[must_use]
    pub fn missing_argument(name: &str) -> Self {
        Self::bad_request(format!("Missing argument {name}"))
    }

    pub(crate) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST).with_message(message)
    }
}

/// As Tornado writes it: `HTTP 403: Forbidden (no session)`.
impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}: {}", self.status.as_u16(), reason(self.status))?;
        match self.log_message.as_ref().or(self.message.as_ref()) {
            Some(message) => write!(f, " ({message})"),
            None => Ok(()),
        }
    }
}

impl StdError for HttpError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_becomes_a_500_that_tells_nothing() {
        let error = Error::from(std::io::Error::other("disk on fire"));
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(error.public_message(), "Internal Server Error");
        assert_eq!(error.to_string(), "disk on fire");
    }

    #[test]
    fn an_http_error_keeps_its_status_on_its_way_through_question_marks() {
        let fail = || -> Result { Err(HttpError::missing_argument("x"))? };
        let error = fail().unwrap_err();
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
        assert_eq!(error.public_message(), "Missing argument x");
        assert_eq!(
            error.to_string(),
            "HTTP 400: Bad Request (Missing argument x)"
        );
    }

    #[test]
    fn a_status_without_a_name_is_unknown() {
        let status = StatusCode::from_u16(499).unwrap();
        assert_eq!(HttpError::new(status).to_string(), "HTTP 499: Unknown");
    }
}
