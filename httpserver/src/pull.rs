//! The request's content, pulled: whole, or piece by piece. Nothing is read before it is asked
//! for, and the `100 Continue` that a careful client waits for is sent at that moment.
//!
//! What is counted and remembered meanwhile is in `content.rs`.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use squall_http1::Framing;
use squall_iostream::IoStream;

use crate::{Error, Exchange};

impl Exchange {
    /// Bounds this request's content, in bytes, in place of the server's limit: smaller or larger.
    pub fn set_content_bytes_max(&self, bytes: u64) {
        self.incoming().set_content_bytes_max(bytes);
    }

    /// How long this request's content may keep us waiting, in place of the server's
    /// [`with_timeout_content`](crate::Config::with_timeout_content).
    pub fn set_timeout_content(&self, timeout: Duration) {
        self.incoming().set_timeout(timeout);
    }

    /// How long this request's content may take at all, in place of the server's
    /// [`with_timeout_content_total`](crate::Config::with_timeout_content_total), and from the next
    /// read on that has to wait.
    pub fn set_timeout_content_total(&self, timeout: Option<Duration>) {
        self.incoming().set_timeout_total(timeout);
    }

    /// The next piece of the content as it arrives, or `None` at its end.
    ///
    /// # Errors
    /// [`Error::Protocol`] for a broken frame or too much (413), [`Error::TimedOut`] (408),
    /// [`Error::Closed`] when the peer goes in the middle, [`Error::ContentTaken`]. After one of
    /// the first three every further read returns it again. If content is decompressed,
    /// [`Error::CodingUnsupported`] (415) and [`Error::CodingInvalid`] (400) are others of those.
    pub async fn chunk(&self) -> Result<Option<Bytes>, Error> {
        let mut chunk = None;
        self.pull(|piece| {
            chunk = Some(Bytes::copy_from_slice(piece));
            true
        })
        .await?;
        Ok(chunk)
    }

    /// The whole content; empty if there is none. A length above the limit is refused before a
    /// byte of it is read.
    ///
    /// # Errors
    /// As [`Self::chunk`].
    pub async fn content(&self) -> Result<Bytes, Error> {
        let declared = match self.incoming().framing() {
            Framing::Length(length) => length,
            _ => 0,
        };
        let mut content = Vec::new();
        self.pull(|piece| {
            make_room(&mut content, piece.len(), declared);
            content.extend_from_slice(piece);
            false
        })
        .await?;
        Ok(content.into())
    }

    /// The fields that came behind the content, once all of it has been read; `None` if there were
    /// none. They are never mixed with the head's (RFC 9110, section 6.5.1): a peer that sends
    /// `Host` or `Content-Length` there is refused.
    ///
    /// ```
    /// use squall_httpserver::{Error, Exchange};
    /// async fn upload(http: &Exchange) -> Result<(), Error> {
    ///     let content = http.content().await?;
    ///     let trailers = http.trailers().unwrap_or_default();
    ///     if let Some(digest) = trailers.get("content-digest") {
    ///         println!("{} bytes, said to be {digest:?}", content.len());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn trailers(&self) -> Option<HeaderMap> {
        self.incoming().trailers()
    }

    /// Reads until `take` has enough, or the content ends.
    async fn pull(&self, take: impl FnMut(&[u8]) -> bool) -> Result<(), Error> {
        #[cfg(feature = "compression")]
        if self.begin_decoding()? {
            return Box::pin(self.pull_decoded(take)).await;
        }
        self.pull_plain(take).await
    }

    /// As [`Self::pull`], of what is in the frame.
    pub(crate) async fn pull_plain(
        &self,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), Error> {
        let incoming = self.incoming();
        if incoming.is_over() {
            return Ok(());
        }
        let mut take = |piece: &[u8]| {
            self.seen().content_received(piece.len());
            take(piece)
        };
        if let Some(fault) = incoming.fault() {
            return Err(fault);
        }
        squall_http1::refuse_length(incoming.framing(), incoming.content_bytes_max())
            .inspect_err(|fault| self.note_fault(&(*fault).into()))?;
        let mut loan = Loan::take(self);
        let Some(reader) = &mut loan.reader else {
            return Err(Error::ContentTaken);
        };
        let result = match reader.decode_buffered(&mut |input| incoming.step(input, &mut take)) {
            // Mostly it is there already, and nobody need look at a clock.
            Ok(Some(())) => return Ok(()),
            Ok(None) => self.wait_for_content(reader, take).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            self.note_fault(error);
            incoming.set_fault(error.clone());
        }
        result
    }

    /// Goes on with what is still to arrive.
    async fn wait_for_content(
        &self,
        reader: &mut IoStream,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), Error> {
        let incoming = self.incoming();
        // RFC 9110, section 10.1.1: not needed where content has arrived, and too late where the
        // answer has begun.
        if incoming.take_awaited() && reader.unread_len() == 0 && !self.is_head_sent() {
            reader.write_with(|out| out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n"))?;
        }
        let stream = reader.handle();
        let mut since = stream.ioloop().now();
        stream.set_deadline(Some(incoming.deadline(since)));
        let result = reader.decode(|input| {
            let mut received = 0;
            let step = incoming.step(input, &mut |piece| {
                received += piece.len();
                take(piece)
            });
            let now = stream.ioloop().now();
            incoming.earn_patience(received, now - since);
            since = now;
            stream.set_deadline(Some(incoming.deadline(now)));
            step
        });
        result.await
    }
}

/// Makes room for a piece: for twice of what has come, as a `Vec` does itself, but for no more than
/// was declared. What is longer than that was in a coding.
fn make_room(content: &mut Vec<u8>, piece_length: usize, declared: u64) {
    let length = content.len() + piece_length;
    if length > content.capacity() && length as u64 <= declared {
        let declared = usize::try_from(declared).unwrap_or(usize::MAX);
        content.reserve_exact(length.saturating_mul(2).min(declared) - content.len());
    }
}

/// The reader, while someone reads. It goes back when the read is over, and also when it is
/// dropped half-way.
struct Loan<'a> {
    exchange: &'a Exchange,
    reader: Option<IoStream>,
}

impl<'a> Loan<'a> {
    fn take(exchange: &'a Exchange) -> Self {
        let reader = exchange.incoming().begin_reading();
        Self { exchange, reader }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.set_deadline(None);
            self.exchange.incoming().end_reading(reader);
            // The connection may be waiting for it.
            self.exchange.wake_connection();
        }
    }
}
