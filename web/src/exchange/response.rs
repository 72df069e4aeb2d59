//! What a handler may do to the response, beyond what httpserver offers: text and JSON, header
//! fields by name, redirects, links to named routes, error pages.

use std::fmt::{self, Display, Write};

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use squall_httpserver::Chunk;

use super::Exchange;
use crate::error::{Error, HttpError, Result};
use crate::escape::json_encode;

static HTML: HeaderValue = HeaderValue::from_static("text/html; charset=UTF-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");

/// Where errors are logged.
const LOG: &str = "squall::web";

/// What no URI contains (RFC 3986 §2). `%` stays: the address may be encoded already.
const URI_ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

impl Exchange {
    /// Appends to the response (Tornado's `write`). It leaves when the handler is done, or with
    /// [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the client went away; another one after `finish()`.
    pub fn write<'a>(&self, content: impl Into<Chunk<'a>>) -> Result {
        Ok(self.inner.write(content)?)
    }

    /// Appends `value` as JSON and says so in `Content-Type`.
    ///
    /// # Errors
    ///
    /// When the value cannot be JSON; else as [`write`](Self::write).
    pub fn write_json<T: Serialize + ?Sized>(&self, value: &T) -> Result {
        let json = json_encode(value)?;
        self.inner.set_header(header::CONTENT_TYPE, JSON)?;
        self.write(json)
    }

    /// Sends what has been written so far, and waits while the client is slow to take it
    /// (Tornado's `flush`). Status and header fields cannot be changed afterwards.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn flush(&self) -> Result {
        Ok(self.inner.flush().await?)
    }

    /// Completes the response and sends it (Tornado's `finish`). A handler that returns has
    /// finished; a callback says so.
    pub fn finish(&self) {
        // RFC 9110 §15.3.5, §15.4.5: no content, so no type of it. When the head has left, it is
        // too late for that, and as well.
        if matches!(
            self.status(),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        ) {
            let _ = self.inner.clear_header(&header::CONTENT_TYPE);
        }
        self.inner.finish();
    }

    /// Sets the status, which is 200 otherwise (Tornado's `set_status`).
    ///
    /// # Errors
    ///
    /// When the head of the response has been sent.
    pub fn set_status(&self, status: StatusCode) -> Result {
        Ok(self.inner.set_status(status)?)
    }

    /// Sets a header field, in place of all of this name (Tornado's `set_header`).
    ///
    /// # Errors
    ///
    /// When the name or the value contains what a field must not, such as a line break, or when
    /// the head of the response has been sent.
    pub fn set_header<N, V>(&self, name: N, value: V) -> Result
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let (name, value) = field(name, value)?;
        Ok(self.inner.set_header(name, value)?)
    }

    /// Adds a header field beside those of the same name (Tornado's `add_header`).
    ///
    /// # Errors
    ///
    /// As [`set_header`](Self::set_header).
    pub fn add_header<N, V>(&self, name: N, value: V) -> Result
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let (name, value) = field(name, value)?;
        Ok(self.inner.add_header(name, value)?)
    }

    /// Takes back status, header fields and content (Tornado's `clear`).
    ///
    /// # Errors
    ///
    /// When the head of the response has been sent.
    pub fn clear(&self) -> Result {
        self.inner.reset_response()?;
        self.set_default_headers()
    }

    pub(crate) fn set_default_headers(&self) -> Result {
        Ok(self.inner.set_default_content_type(&HTML)?)
    }

    /// Answers with 302 and this address, which may be relative (Tornado's `redirect`).
    ///
    /// An address that comes from the client may lead anywhere: `//evil.example` is relative too.
    ///
    /// # Errors
    ///
    /// When the head of the response has been sent already.
    pub fn redirect(&self, location: &str) -> Result {
        self.redirect_with(StatusCode::FOUND, location)
    }

    /// The same with 301: clients will not ask here again.
    ///
    /// # Errors
    ///
    /// As [`redirect`](Self::redirect).
    pub fn redirect_permanently(&self, location: &str) -> Result {
        self.redirect_with(StatusCode::MOVED_PERMANENTLY, location)
    }

    /// The same with another status, such as 303 See Other.
    ///
    /// # Errors
    ///
    /// When the status is not one of 3xx; else as [`redirect`](Self::redirect).
    pub fn redirect_with(&self, status: StatusCode, location: &str) -> Result {
        if !status.is_redirection() {
            let message = format!("{status} is no redirect");
            let error = HttpError::new(StatusCode::INTERNAL_SERVER_ERROR);
            return Err(error.with_log_message(message).into());
        }
        // Line breaks are encoded with everything else that is no part of an address.
        let location = utf8_percent_encode(location, URI_ENCODED).to_string();
        self.set_header(header::LOCATION, location)?;
        self.set_status(status)?;
        self.finish();
        Ok(())
    }

    /// The path of the route called `name` (Tornado's `reverse_url`).
    ///
    /// # Errors
    ///
    /// When no route has the name or the arguments do not fit it.
    pub fn reverse_url(&self, name: &str, arguments: &[&dyn Display]) -> Result<String> {
        Ok(self.application().reverse_url(name, arguments)?)
    }

    /// Answers with the error page of `error` (Tornado's `send_error`). Handlers just return the
    /// error; this is for callbacks.
    pub fn send_error(&self, error: impl Into<Error>) {
        self.answer_error(error.into(), |error| self.write_error(error));
    }

    /// Writes the application's page for `error`.
    pub(crate) fn write_error(&self, error: &Error) {
        self.application().write_error_page(self, error);
    }

    /// Turns an error into a response, or, when that has begun to leave, into an aborted
    /// connection: the client must not take half an answer for a whole one.
    pub(crate) fn answer_error(&self, error: Error, write_error: impl FnOnce(&Error)) {
        let error = self.complete(error);
        self.log_error(&error);
        match error {
            Error::Finish => self.finish(),
            Error::Closed => {}
            Error::Http(_) | Error::Other(_) => match self.begin_error(&error) {
                Ok(()) => {
                    write_error(&error);
                    self.finish();
                }
                // The head has left, so the answer cannot become another.
                Err(_) => self.abort(),
            },
        }
    }

    /// What an error lacks to be an answer, where only the request knows it.
    fn complete(&self, error: Error) -> Error {
        match error {
            // Met while answering other requests: our own client waits, and must not take what was
            // written so far for an answer.
            Error::Closed if !self.is_client_gone() => Error::Other("another client left".into()),
            Error::Http(error) if error.status().is_informational() => {
                let no_answer = HttpError::new(StatusCode::INTERNAL_SERVER_ERROR);
                no_answer.with_source(error).into()
            }
            Error::Http(error) if error.status() == StatusCode::METHOD_NOT_ALLOWED => {
                self.with_allow(*error).into()
            }
            error => error,
        }
    }

    /// RFC 9110 §15.5.6: a 405 names the methods there are. Where there is no route there is
    /// nothing to ask, whatever the method.
    fn with_allow(&self, error: HttpError) -> HttpError {
        if error
            .headers()
            .iter()
            .any(|(name, _)| name == header::ALLOW)
        {
            return error;
        }
        match self.endpoint() {
            None => HttpError::new(StatusCode::NOT_FOUND).with_source(error),
            Some(endpoint) => match endpoint.allow() {
                Some(allow) => error.with_header(header::ALLOW, allow.clone()),
                None => error,
            },
        }
    }

    fn begin_error(&self, error: &Error) -> Result {
        self.clear()?;
        self.set_status(error.status())?;
        if let Error::Http(error) = error {
            for (name, value) in error.headers() {
                self.inner.add_header(name.clone(), value.clone())?;
            }
        }
        Ok(())
    }

    /// Tornado's `log_exception`: what the client did is a warning at most, what we did an error.
    fn log_error(&self, error: &Error) {
        let head = self.head();
        let (method, path) = (head.method(), head.path());
        match error {
            Error::Finish => {}
            Error::Closed => tracing::debug!(target: LOG, %method, path, "the client went away"),
            Error::Http(error) if error.status().is_server_error() => {
                tracing::error!(target: LOG, %method, path, error = %Chain(&**error), "the request failed");
            }
            Error::Http(error) if error.log_message().is_some() => {
                tracing::warn!(target: LOG, %method, path, error = %Chain(&**error), "the request was refused");
            }
            Error::Http(_) => {}
            Error::Other(error) => {
                tracing::error!(target: LOG, %method, path, error = %Chain(&**error), "the request failed");
            }
        }
    }

    /// The answer to a method the route does not have: 405, or for OPTIONS 204 (RFC 9110 §9.3.7);
    /// 501 for one that is none of HTTP's own (§9.1): no other route would know it either.
    pub(crate) fn answer_other_method(&self, allow: &HeaderValue) {
        let answer = || -> Result {
            if *self.method() == Method::OPTIONS {
                self.inner.set_header(header::ALLOW, allow.clone())?;
                return self.set_status(StatusCode::NO_CONTENT);
            }
            if !is_of_http(self.method()) {
                Err(HttpError::new(StatusCode::NOT_IMPLEMENTED))?;
            }
            let error = HttpError::new(StatusCode::METHOD_NOT_ALLOWED);
            Err(error.with_header(header::ALLOW, allow.clone()))?
        };
        match answer() {
            Ok(()) => self.finish(),
            Err(error) => self.send_error(error),
        }
    }
}

/// The methods of RFC 9110, section 9, and of RFC 5789.
fn is_of_http(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::CONNECT,
        Method::OPTIONS,
        Method::TRACE,
        Method::PATCH,
    ]
    .contains(method)
}

fn field<N, V>(name: N, value: V) -> Result<(HeaderName, HeaderValue)>
where
    N: TryInto<HeaderName, Error: Into<http::Error>>,
    V: TryInto<HeaderValue, Error: Into<http::Error>>,
{
    let name = name.try_into().map_err(Into::<http::Error>::into)?;
    let value = value.try_into().map_err(Into::<http::Error>::into)?;
    Ok((name, value))
}

/// An error and what led to it, on one line. Control characters are escaped: the text may be made
/// of what the client has sent, and must not begin a line of its own.
struct Chain<'a>(&'a dyn std::error::Error);

impl Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(OneLine(f), "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(OneLine(f), ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

struct OneLine<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(char::is_control) {
            match piece.char_indices().next_back() {
                Some((at, last)) if last.is_control() => {
                    write!(self.0, "{}{}", &piece[..at], last.escape_default())?;
                }
                _ => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_error_is_one_line_whatever_the_client_sent() {
        let source = std::io::Error::other("no file \"x\r\n\u{1b}[2J\u{85}é\"");
        let error = HttpError::new(StatusCode::NOT_FOUND)
            .with_log_message("a\nb")
            .with_source(source);
        let expected = r#"HTTP 404: Not Found (a\nb): no file "x\r\n\u{1b}[2J\u{85}é""#;
        assert_eq!(Chain(&error).to_string(), expected);
    }
}
