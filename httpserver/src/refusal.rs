//! The server's own answers: to requests that never became an exchange, and for services that
//! failed. Short, and never with a byte of the peer's in them.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use squall_iostream::{IoStream, Step};

use crate::answer::Phase;
use crate::server::Shared;
use crate::{Error, Exchange};

pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");

/// Tells the peer what it did wrong. The connection then ends, since nobody knows where its next
/// request would begin (RFC 9112, section 9.3).
pub(crate) fn refuse(stream: &mut IoStream, server: &Shared, error: &Error) {
    let status = error.status();
    let text = page(status);
    // Fails only if the peer is gone.
    let written = stream.write_with(|out| {
        let start = out.len();
        server.preamble.append_to(out, status, stream.ioloop());
        squall_http1::encode_field(out, &CONTENT_TYPE, &TEXT);
        squall_http1::encode_content_length(out, text.len() as u64);
        out.extend_from_slice(b"connection: close\r\n");
        squall_http1::encode_head_end(out);
        out.extend_from_slice(text.as_bytes());
        out.len() - start
    });
    let written = written.unwrap_or(0);
    let witness = &server.witness;
    if let Some(left_out) = witness.refuse(stream, error, written) {
        let field = offending_field(stream, server, error);
        witness.log_refusal(error, field.as_deref(), left_out);
    }
}

/// The name of the field for which a head was too large, escaped and cut: for the log only. What
/// was refused is still unread.
fn offending_field(stream: &mut IoStream, server: &Shared, error: &Error) -> Option<String> {
    let Error::Protocol(fault) = error else {
        return None;
    };
    let limits = &server.config.limits;
    let looked = stream.decode_buffered(&mut |input| {
        let name = squall_http1::offending_field(input, *fault, limits);
        Ok::<_, Error>(Step::Done(0, name.map(|name| name.to_string())))
    });
    looked.ok().flatten().flatten()
}

impl Exchange {
    /// For a service that panicked, let its exchange fall, or declared a wrong length.
    pub(crate) fn fail(&self) {
        self.fail_with(StatusCode::INTERNAL_SERVER_ERROR);
    }

    /// Ends an answer in the server's words: with this status if nothing has left, else it breaks
    /// off.
    pub(crate) fn fail_with(&self, status: StatusCode) {
        if self.phase() == Phase::Open {
            let answered = self
                .reset_response()
                .and_then(|()| self.set_status(status))
                .and_then(|()| self.set_header(CONTENT_TYPE, TEXT))
                .and_then(|()| self.write(page(status)))
                .and_then(|()| self.send_whole());
            // Fails only if the peer is gone.
            if answered.is_err() {
                self.break_off();
            }
        } else if !self.is_finished() {
            self.break_off();
        }
    }
}

pub(crate) fn page(status: StatusCode) -> String {
    format!(
        "{}: {}\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Unknown")
    )
}
