//! Answers before the answer: 103 Early Hints, 102 Processing, and others of 1xx that leave the
//! final one to come. (100 is sent by the one who reads the content, in `pull.rs`; 101 by
//! `detach`.)

use http::header::LINK;
use http::{HeaderName, HeaderValue, StatusCode};
use squall_http1::Version;

use crate::response::is_framing;
use crate::{Error, Exchange};

impl Exchange {
    /// Sends 103 with these `Link` fields, at once: what the client will need, while the answer is
    /// still made (RFC 8297).
    ///
    /// ```
    /// use http::HeaderValue;
    /// use squall_httpserver::{Error, Exchange};
    ///
    /// async fn page(http: Exchange) -> Result<(), Error> {
    ///     let style = HeaderValue::from_static("</style.css>; rel=preload; as=style");
    ///     http.send_early_hints([style])?;
    ///     // ... the database is asked ...
    ///     http.write("<!doctype html>...")?;
    ///     http.finish();
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Self::send_informational`].
    pub fn send_early_hints(
        &self,
        links: impl IntoIterator<Item = HeaderValue>,
    ) -> Result<(), Error> {
        let fields = links.into_iter().map(|link| (LINK, link));
        self.send_informational(StatusCode::EARLY_HINTS, fields)
    }

    /// Sends an informational answer with these fields, at once and before the final one; any
    /// number of them may be sent. Fields of the frame and of the connection are left out: it has
    /// no content, and the connection goes on.
    ///
    /// A client of HTTP/1.0 knows no such answers and gets none (RFC 9110, section 15.2). Some of
    /// HTTP/1.1 are said to take them for the final one: send them to those that you know, or that
    /// ask, as browsers do with `Sec-Fetch-Mode: navigate`.
    ///
    /// # Errors
    /// [`Error::HeadSent`], [`Error::Finished`], [`Error::Closed`]; [`Error::InformationalStatus`]
    /// for a status that is not of 1xx, and for 100 and 101, which change what comes next: reading
    /// the content sends the one, [`Self::detach`] the other.
    pub fn send_informational(
        &self,
        status: StatusCode,
        fields: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Result<(), Error> {
        let is_ours = [StatusCode::CONTINUE, StatusCode::SWITCHING_PROTOCOLS].contains(&status);
        if !status.is_informational() || is_ours {
            return Err(Error::InformationalStatus);
        }
        self.check_head_open()?;
        if !self.has_reader()? || self.head().version() == Version::Http10 {
            return Ok(());
        }
        // First, for it may be the user's code.
        let mut encoded = Vec::new();
        for (name, value) in fields {
            if !is_framing(&name) {
                squall_http1::encode_field(&mut encoded, &name, &value);
            }
        }
        self.write_with(|out| {
            squall_http1::encode_status_line(out, status);
            out.extend_from_slice(&encoded);
            squall_http1::encode_head_end(out);
        })?;
        self.with_link(|link| link.stream.flush());
        Ok(())
    }
}
