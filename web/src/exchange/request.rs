//! What a handler may ask of the request: arguments of three kinds, and the content.
//!
//! Arguments of the path are what the route's pattern captured; arguments of the query and of a
//! form are parsed by `arguments.rs`. A failure is the client's, and says which argument it is
//! about.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use bytes::Bytes;
use http::StatusCode;
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;

use super::Exchange;
use crate::error::{Error, HttpError, Result};

/// Arguments of the path.
impl Exchange {
    /// The argument `name` of the route's pattern, decoded. The groups of a regular expression
    /// that have no name are called `"0"`, `"1"`, ….
    ///
    /// # Errors
    ///
    /// 400 when it is not UTF-8; 500 when the pattern has no such argument.
    pub fn path_argument(&self, name: &str) -> Result<Cow<'_, str>> {
        let Some(range) = self.state(|state| state.path_range(&self.application, name)) else {
            let message = format!("the route's pattern has no argument `{name}`");
            let error = HttpError::new(StatusCode::INTERNAL_SERVER_ERROR);
            return Err(error.with_log_message(message).into());
        };
        let encoded = self.head().path().as_bytes().get(range).unwrap_or_default();
        percent_decode(encoded).decode_utf8().map_err(|_| {
            HttpError::bad_request(format!("Path argument {name} is not UTF-8")).into()
        })
    }

    /// The argument `name` as it was sent, if the pattern has it.
    pub(crate) fn encoded_path_argument(&self, name: &str) -> Option<&str> {
        let range = self.state(|state| state.path_range(&self.application, name))?;
        self.head().path().get(range)
    }

    /// The same as a number, or whatever else text can be read as.
    ///
    /// ```
    /// # use squall_web::{Application, Exchange, Result};
    /// async fn story(http: &Exchange) -> Result {
    ///     let id: u64 = http.path_argument_as("id")?;
    ///     http.write(format!("Story number {id}"))
    /// }
    /// Application::new().get("/story/{id}", story);
    /// ```
    ///
    /// # Errors
    ///
    /// 404 when it cannot be read so: where addresses have numbers, `/story/abc` is the address of
    /// nothing. Else as [`path_argument`](Self::path_argument).
    pub fn path_argument_as<T: FromStr>(&self, name: &str) -> Result<T> {
        let argument = self.path_argument(name)?;
        argument
            .parse()
            .map_err(|_| HttpError::new(StatusCode::NOT_FOUND).into())
    }
}

/// Arguments of the query, and of the content when that is a form.
impl Exchange {
    /// The argument `name`, from the form or else from the query; the last value if there are
    /// several (Tornado's `get_argument`). Spaces around it are dropped, control characters
    /// become spaces.
    ///
    /// # Errors
    ///
    /// 400 when there is none, when it is not UTF-8, or when there are too many arguments.
    pub fn argument(&self, name: &str) -> Result<String> {
        self.optional_argument(name)?
            .ok_or_else(|| HttpError::missing_argument(name).into())
    }

    /// The argument `name`, or `default` when there is none.
    ///
    /// # Errors
    ///
    /// As [`argument`](Self::argument), but for the missing one.
    pub fn argument_or(&self, name: &str, default: &str) -> Result<String> {
        Ok(self
            .optional_argument(name)?
            .unwrap_or_else(|| default.to_owned()))
    }

    /// The argument `name`, if there is one.
    ///
    /// # Errors
    ///
    /// As [`argument`](Self::argument), but for the missing one.
    pub fn optional_argument(&self, name: &str) -> Result<Option<String>> {
        self.with_arguments(|query, form| {
            let last = form
                .last(name)?
                .map_or_else(|| query.last(name), |value| Ok(Some(value)));
            Ok(last?.map(Cow::into_owned))
        })
    }

    /// The argument `name` as a number, or whatever else text can be read as.
    ///
    /// ```
    /// # use squall_web::{Application, Exchange, Result};
    /// async fn double(http: &Exchange) -> Result {
    ///     let number: u32 = http.argument_as("number")?;
    ///     http.write((number * 2).to_string())
    /// }
    /// Application::new().get("/double", double);
    /// ```
    ///
    /// # Errors
    ///
    /// 400 that names the argument when it cannot be read so; else as
    /// [`argument`](Self::argument).
    pub fn argument_as<T: FromStr>(&self, name: &str) -> Result<T, Error>
    where
        T::Err: Display,
    {
        let argument = self.argument(name)?;
        argument.parse().map_err(|error| {
            HttpError::bad_request(format!("Argument {name} is not valid: {error}")).into()
        })
    }

    /// All values of the argument `name`, those of the query first (Tornado's `get_arguments`).
    ///
    /// # Errors
    ///
    /// 400 when one is not UTF-8, or when there are too many arguments.
    pub fn arguments(&self, name: &str) -> Result<Vec<String>> {
        self.with_arguments(|query, form| {
            let all = query.all(name)?.into_iter().chain(form.all(name)?);
            Ok(all.map(Cow::into_owned).collect())
        })
    }

    /// The argument `name` of the query alone (Tornado's `get_query_argument`).
    ///
    /// # Errors
    ///
    /// As [`argument`](Self::argument).
    pub fn query_argument(&self, name: &str) -> Result<String> {
        let argument = self.with_arguments(|query, _| Ok(query.last(name)?.map(Cow::into_owned)));
        argument?.ok_or_else(|| HttpError::missing_argument(name).into())
    }

    /// The argument `name` of the form alone (Tornado's `get_body_argument`).
    ///
    /// # Errors
    ///
    /// As [`argument`](Self::argument).
    pub fn body_argument(&self, name: &str) -> Result<String> {
        let argument = self.with_arguments(|_, form| Ok(form.last(name)?.map(Cow::into_owned)));
        argument?.ok_or_else(|| HttpError::missing_argument(name).into())
    }

    /// The argument `name` with every byte the client meant: for passwords that may begin with a
    /// space, and for what is no text at all.
    ///
    /// # Errors
    ///
    /// 400 when there is none, or when there are too many arguments.
    pub fn raw_argument(&self, name: &str) -> Result<Vec<u8>> {
        let argument = self.with_arguments(|query, form| {
            Ok(form
                .last_raw(name)
                .or_else(|| query.last_raw(name))
                .map(<[u8]>::to_vec))
        });
        argument?.ok_or_else(|| HttpError::missing_argument(name).into())
    }
}

/// The content.
impl Exchange {
    /// Whether the request announces content. Most do not, and need not be asked for it.
    pub(crate) fn has_content(&self) -> bool {
        self.head().framing().has_content()
    }

    /// The whole content of the request.
    ///
    /// It has been read before the handler runs, so that this returns at once, unless the route
    /// streams its content.
    ///
    /// # Errors
    ///
    /// 413 when it is too long; 400 when it ends too early; [`Error::Closed`] when the client went
    /// away.
    pub async fn content(&self) -> Result<Bytes> {
        if !self.has_content() {
            return Ok(Bytes::new());
        }
        if let Some(content) = self.state(|state| state.content.clone()) {
            return Ok(content);
        }
        let content = self.inner.content().await;
        let content = content.map_err(|error| self.content_error(error))?;
        self.state(|state| state.content = Some(content.clone()));
        Ok(content)
    }

    /// The next piece of the content, as it comes; `None` at its end. Only for routes that stream
    /// their content.
    ///
    /// # Errors
    ///
    /// As [`content`](Self::content).
    pub async fn chunk(&self) -> Result<Option<Bytes>> {
        let chunk = self.inner.chunk().await;
        chunk.map_err(|error| self.content_error(error))
    }

    /// RFC 9112 §8: a client that sends no more, but still listens, is told that its content was
    /// not whole.
    fn content_error(&self, error: squall_httpserver::Error) -> Error {
        match error {
            squall_httpserver::Error::Closed(_) if !self.is_client_gone() => {
                HttpError::bad_request("Incomplete content").into()
            }
            error => error.into(),
        }
    }

    /// The content, read as JSON, whatever `Content-Type` says.
    ///
    /// # Errors
    ///
    /// 400 that says where the content is not JSON or not a `T`; 415 when it is in a coding that
    /// is not decoded; else as [`content`](Self::content).
    pub async fn json<T: DeserializeOwned>(&self) -> Result<T> {
        super::refuse_coded(&self.inner)?;
        let content = self.content().await?;
        serde_json::from_slice(&content)
            .map_err(|error| HttpError::bad_request(format!("Invalid JSON: {error}")).into())
    }
}
