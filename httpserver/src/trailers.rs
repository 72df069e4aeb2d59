//! Trailer fields of an answer: what is only known when its content is made, such as a digest.
//! (Those of a request are read in `pull.rs`.)

use http::header::TRAILER;
use http::{HeaderName, HeaderValue};

use crate::{Error, Exchange};

impl Exchange {
    /// Adds a field to be sent behind the content, where the answer is chunked: to a client of
    /// HTTP/1.1, when no `Content-Length` was declared, and not to a HEAD. Elsewhere there is no
    /// place for it, and it is dropped, as it may be by anybody on the way (RFC 9110, section
    /// 6.5.1): nothing that the client needs belongs here. That is also why the client need not
    /// have said `TE: trailers`; whether it did, [`takes_trailers`](Self::takes_trailers) tells.
    ///
    /// Those that are added before the head leaves are announced in its `Trailer` field, unless the
    /// service sets that itself, and make an answer chunked that would be sent whole. The others
    /// can be added until the answer is finished.
    ///
    /// ```
    /// use http::{HeaderName, HeaderValue, header::TRAILER};
    /// use squall_httpserver::{Error, Exchange};
    ///
    /// async fn export(http: Exchange) -> Result<(), Error> {
    ///     http.set_header(TRAILER, HeaderValue::from_static("x-rows"))?;
    ///     let mut rows = 0;
    ///     for row in ["a;b", "c;d"] {
    ///         http.write(row)?;
    ///         http.flush().await?;
    ///         rows += 1;
    ///     }
    ///     http.add_trailer(HeaderName::from_static("x-rows"), rows.into())?;
    ///     http.finish();
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::Finished`]; [`Error::TrailerForbidden`] for a field that frames, routes,
    /// authenticates or describes the content, which must not come late.
    pub fn add_trailer(&self, name: HeaderName, value: HeaderValue) -> Result<(), Error> {
        if self.is_finished() {
            return Err(Error::Finished);
        }
        if !squall_http1::may_be_trailer(&name) {
            return Err(Error::TrailerForbidden);
        }
        self.inner().with_extra(|extra| {
            // Fails for more names than a map holds, 32,768 of them.
            let added = extra.trailers.try_append(name, value);
            added.map(drop).map_err(|_| Error::TrailerForbidden)
        })
    }

    /// Whether the client has said that trailer fields are kept for it, here and on the way
    /// (`TE: trailers`; RFC 9110, section 10.1.4).
    pub fn takes_trailers(&self) -> bool {
        let members = self.head().field_all("te");
        members
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|member| member.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    }

    pub(crate) fn has_trailers(&self) -> bool {
        let has_some = self.inner().extra(|extra| !extra.trailers.is_empty());
        has_some == Some(true)
    }

    /// What would be sent whole is sent in chunks, if it may be.
    pub(crate) fn send_whole_with_trailers(&self) -> Result<(), Error> {
        let response = self.response().borrow();
        let declared = response.declared_length()?;
        let framing = self.frame(response.status, declared);
        drop(response);
        if framing.announced != squall_http1::Framing::Chunked {
            return self.send_whole();
        }
        self.begin_streaming(None)?;
        self.send_last()
    }

    /// Announces the trailer fields that are known, before the head leaves.
    pub(crate) fn announce_trailers(&self) {
        let names = self.inner().extra(|extra| {
            let names: Vec<&str> = extra.trailers.keys().map(HeaderName::as_str).collect();
            names.join(", ")
        });
        let mut response = self.response().borrow_mut();
        if let (Some(Ok(names)), None) = (
            names
                .filter(|names| !names.is_empty())
                .map(HeaderValue::try_from),
            response.get(&TRAILER),
        ) {
            response.add(&TRAILER, &names);
        }
    }

    pub(crate) fn send_last_chunk(&self) -> Result<(), Error> {
        let extra = self.inner().extra.borrow();
        let trailers = extra.as_deref().map(|extra| &extra.trailers);
        self.write_with(|out| squall_http1::encode_last_chunk(out, trailers))
    }
}
