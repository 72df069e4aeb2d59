//! How an answer becomes bytes on the stream: whole, when it is finished before it was flushed, or
//! streamed.
//!
//! ```text
//!   Open ---- finish ------------------------------------> Finished
//!    |                                                        ^
//!    '-- flush --> Streaming -- finish (the last chunk) ------'
//!                      |
//!                      '------- abort, a wrong length ---> Broken
//! ```
//! Called through the handle in `exchange.rs`; what the service has set so far is in `response.rs`,
//! which framing goes with it is decided in `squall-http1`.

use std::time::Duration;

use http::{Method, StatusCode};
use squall_http1::{AnswerFraming, CHUNK_END, Framing, RequestHead, Version};
use squall_ioloop::with_timeout;
use squall_iostream::{StreamError, StreamHandle};

use crate::response::Response;
use crate::state::Link;
use crate::{Error, Exchange};

/// How far the answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing has left.
    #[default]
    Open,
    /// The head has left, content follows.
    Streaming { framing: Outgoing, stays: bool },
    /// All is on the stream; `stays` says whether the connection goes on.
    Finished { stays: bool },
    /// The answer cannot be completed: the connection must end so that the peer sees it. Its
    /// content has no frame to show it where `is_unframed`.
    Broken { is_unframed: bool },
}

impl Phase {
    /// Whether nothing more will be answered.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Finished { .. } | Self::Broken { .. })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// This many bytes are still due.
    Length(u64),
    Chunked,
    UntilClose,
    /// HEAD, 204, 304: what is written is counted for nothing.
    Nothing,
}

impl Outgoing {
    /// Whether only the end of the connection is the end of the content.
    pub(crate) fn is_unframed(self) -> bool {
        self == Self::UntilClose
    }
}

impl Exchange {
    /// The common case: head and content in one go.
    pub(crate) fn send_whole(&self) -> Result<(), Error> {
        self.with_link(|link| self.echo_request_id(link));
        #[cfg(feature = "compression")]
        if self.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            self.tell_codings();
        }
        let mut response = self.response().borrow_mut();
        let written = response.content.len() as u64;
        let declared = response.declared_length()?;
        // RFC 9110, section 8.6: what a HEAD is told is GET's length or nothing, and who has
        // written nothing has not said which.
        let is_unknown = *self.method() == Method::HEAD && written == 0;
        let length = declared.or((!is_unknown).then_some(written));
        let framing = self.frame(response.status, length);
        if framing.has_content && length != Some(written) {
            return Err(Error::WrongContentLength);
        }
        let stays = self.stays(&response, &framing) && self.incoming().can_go_on();
        self.with_link(|link| {
            link.stream.write_with(|out| {
                let start = out.len();
                encode_head(out, self.head(), link, &response, framing, stays);
                self.seen().head_sent(out.len() - start);
                if framing.has_content {
                    response.content.take_small(out);
                }
            })
        })?;
        if framing.has_content {
            self.seen().content_sent(written);
        }
        if !framing.has_content {
            response.content.clear();
        } else if response.content.len() > 0 {
            // The head has left: what goes wrong from here on breaks the answer off.
            let framing = Outgoing::Length(written);
            self.set_phase(Phase::Streaming { framing, stays });
            self.send_plain(&mut response)?;
        }
        self.set_phase(Phase::Finished { stays });
        Ok(())
    }

    /// Sends the head, if it has not left: with the length that the service has declared, or else
    /// with that of what is known to follow.
    pub(crate) fn begin_streaming(&self, known_length: Option<u64>) -> Result<(), Error> {
        if self.phase() == Phase::Open {
            #[cfg(feature = "compression")]
            self.tell_codings();
            let response = self.response().borrow();
            let length = response.declared_length()?.or(known_length);
            let answer = self.frame(response.status, length);
            drop(response);
            if answer.announced == Framing::Chunked && self.has_trailers() {
                self.announce_trailers();
            }
            let (framing, stays) = self.send_head(answer)?;
            self.set_phase(Phase::Streaming { framing, stays });
        }
        Ok(())
    }

    pub(crate) fn send_last(&self) -> Result<(), Error> {
        self.send_content()?;
        let Phase::Streaming { framing, stays } = self.phase() else {
            return Ok(());
        };
        match framing {
            Outgoing::Length(due) if due > 0 => return Err(Error::WrongContentLength),
            Outgoing::Chunked => self.send_last_chunk()?,
            Outgoing::Length(_) | Outgoing::UntilClose | Outgoing::Nothing => {}
        }
        self.set_phase(Phase::Finished { stays });
        Ok(())
    }

    /// Sends what was written since the last flush. What the stream has taken in part has no frame
    /// that could be completed.
    pub(crate) fn send_content(&self) -> Result<(), Error> {
        let sent = self.send_framed();
        if let Err(Error::BufferFull { .. }) = sent {
            self.abort();
        }
        sent
    }

    fn send_framed(&self) -> Result<(), Error> {
        let Phase::Streaming { framing, stays } = self.phase() else {
            return Ok(());
        };
        let length = self.response().borrow().content.len();
        if length == 0 {
            return Ok(());
        }
        if framing != Outgoing::Nothing {
            self.seen().content_sent(length as u64);
        }
        match framing {
            Outgoing::Nothing => self.response().borrow_mut().content.clear(),
            Outgoing::UntilClose => self.send_plain(&mut self.response().borrow_mut())?,
            Outgoing::Length(due) => {
                let due = due
                    .checked_sub(length as u64)
                    .ok_or(Error::WrongContentLength)?;
                self.send_plain(&mut self.response().borrow_mut())?;
                self.set_phase(Phase::Streaming {
                    framing: Outgoing::Length(due),
                    stays,
                });
            }
            Outgoing::Chunked => {
                self.write_with(|out| squall_http1::encode_chunk_head(out, length))?;
                self.send_plain(&mut self.response().borrow_mut())?;
                self.write_with(|out| out.extend_from_slice(CHUNK_END))?;
            }
        }
        Ok(())
    }

    /// Sends the content without a frame.
    fn send_plain(&self, response: &mut Response) -> Result<(), Error> {
        self.with_link(|link| {
            response.content.drain(
                |part| link.stream.write_bytes(part),
                |tail| link.stream.write_with(|out| out.extend_from_slice(tail)),
            )
        })?;
        Ok(())
    }

    pub(crate) fn frame(&self, status: StatusCode, length: Option<u64>) -> AnswerFraming {
        let head = self.head();
        squall_http1::answer_framing(head.method(), head.version(), status, length)
    }

    /// Sends the head, and says what was decided in it.
    pub(crate) fn send_head(&self, framing: AnswerFraming) -> Result<(Outgoing, bool), Error> {
        self.with_link(|link| self.echo_request_id(link));
        let response = self.response().borrow();
        let stays = self.stays(&response, &framing) && self.incoming().may_go_on();
        self.with_link(|link| {
            link.stream.write_with(|out| {
                let start = out.len();
                encode_head(out, self.head(), link, &response, framing, stays);
                self.seen().head_sent(out.len() - start);
            })
        })?;
        let outgoing = match framing.announced {
            _ if !framing.has_content => Outgoing::Nothing,
            Framing::None => Outgoing::Nothing,
            Framing::Length(length) => Outgoing::Length(length),
            Framing::Chunked => Outgoing::Chunked,
            Framing::UntilClose => Outgoing::UntilClose,
        };
        Ok((outgoing, stays))
    }

    /// Whether the connection goes on after this answer (RFC 9112, section 9.3), if its request's
    /// content does not prevent it.
    fn stays(&self, response: &Response, framing: &AnswerFraming) -> bool {
        let head = self.head();
        !hands_over(head.method(), response.status)
            && head.keep_alive()
            && !framing.ends_connection()
            && !self.with_link(|link| link.is_last || link.server.guests.is_draining())
            && !response.wants_close()
    }

    pub(crate) fn write_with(&self, f: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        Ok(self.with_link(|link| link.stream.write_with(f))?)
    }
}

/// Whether what follows this answer is another protocol's: after 101, and in a tunnel (RFC 9110,
/// section 9.3.6), where no requests are.
fn hands_over(method: &Method, status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || (*method == Method::CONNECT && status.is_success())
}

/// The head of an answer: what the server says, what the service says, and the frame.
fn encode_head(
    out: &mut Vec<u8>,
    request: &RequestHead,
    link: &Link,
    response: &Response,
    framing: AnswerFraming,
    stays: bool,
) {
    // It says nothing of persistence, for nothing of HTTP goes on.
    let is_upgrade = !stays && hands_over(request.method(), response.status);
    let ioloop = link.stream.ioloop();
    link.server.preamble.append_to(out, response.status, ioloop);
    response.encode_fields(out, is_upgrade, framing.announced != Framing::None);
    framing.encode(out);
    if !stays && !is_upgrade {
        out.extend_from_slice(b"connection: close\r\n");
    } else if stays && request.version() == Version::Http10 {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    squall_http1::encode_head_end(out);
}

/// Waits until at most `unsent_max` bytes are unsent, for as long as the peer takes any: one that
/// takes nothing for `timeout` is cut off. By a reset: else the system would keep what it has not
/// taken, megabytes for each, as long as it likes.
pub(crate) async fn deliver(
    stream: &StreamHandle,
    unsent_max: usize,
    timeout: Duration,
) -> Result<(), StreamError> {
    stream.flush();
    loop {
        let unsent = stream.unsent_len();
        if unsent <= unsent_max {
            return Ok(stream.check_open()?);
        }
        // Not the stream's deadline: that is for who reads, and may be at the same time.
        let some = stream.drained(unsent_max.max(unsent - 1));
        match with_timeout(timeout, some).await {
            Ok(drained) => drained?,
            Err(_) => {
                stream.abort();
                return Err(StreamError::TimedOut);
            }
        }
    }
}
