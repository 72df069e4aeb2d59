//! The request's content, pulled: whole, or piece by piece. Nothing is read before it is asked
//! for, and the `100 Continue` that a careful client waits for is sent at that moment.

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use squall_http1::{ContentDecoder, ContentEvent, Expectation, Framing, Limits, RequestHead};
use squall_iostream::{IoStream, Step, StreamError};

use crate::{Error, Exchange};

/// What is still to come of a request.
#[derive(Default)]
pub(crate) struct Incoming {
    /// Lent by the connection while the exchange is on.
    reader: Cell<Option<IoStream>>,
    decoder: RefCell<Option<ContentDecoder>>,
    limits: Cell<Limits>,
    framing: Cell<Framing>,
    bytes_max: Cell<u64>,
    /// The peer waits for `100 Continue` before it sends its content.
    is_awaited: Cell<bool>,
}

/// Content up to this length is thrown away to keep the connection, when an answer came without
/// having read it. More than that costs more than a new connection.
const DISCARD_BYTES_MAX: u64 = 64 * 1024;

impl Incoming {
    /// For a request that has content.
    pub(crate) fn begin(&self, head: &RequestHead, limits: &Limits) {
        let framing = head.framing();
        self.framing.set(framing);
        self.bytes_max.set(limits.content_bytes_max);
        self.is_awaited
            .set(head.expectation() == Expectation::Continue);
        self.limits.set(*limits);
        self.decoder.replace(Some(ContentDecoder::new(framing)));
    }

    pub(crate) fn reset(&mut self) {
        drop(self.reader.take());
        self.decoder.get_mut().take();
        self.framing.set(Framing::None);
        self.is_awaited.set(false);
    }

    pub(crate) fn lend(&self, reader: IoStream) {
        self.reader.set(Some(reader));
    }

    pub(crate) fn take_back(&self) -> Option<IoStream> {
        self.reader.take()
    }

    /// Whether nothing is left to read.
    pub(crate) fn is_over(&self) -> bool {
        self.decoder.borrow().is_none()
    }

    /// Whether the connection can carry another request after this one, if the answer begins now:
    /// all content is read, or what is left is on its way and little.
    pub(crate) fn can_go_on(&self) -> bool {
        if self.is_over() {
            return true;
        }
        let is_little =
            matches!(self.framing.get(), Framing::Length(length) if length <= DISCARD_BYTES_MAX);
        is_little && !self.is_awaited.get()
    }
}

/// The reader goes back when the read is over, and also when it is dropped half-way.
struct Loan<'a> {
    incoming: &'a Incoming,
    reader: Option<IoStream>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.incoming.reader.set(self.reader.take());
    }
}

impl Exchange {
    /// Bounds this request's content, in place of the server's limit: smaller or larger.
    pub fn set_content_bytes_max(&self, bytes: u64) {
        self.incoming().bytes_max.set(bytes);
    }

    /// The next piece of the content as it arrives, or `None` at its end.
    ///
    /// # Errors
    /// [`Error::Protocol`] for a broken frame or too much (413), [`Error::TimedOut`] (408),
    /// [`Error::Closed`] when the peer goes in the middle, [`Error::ContentTaken`].
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
        if self.incoming().is_over() {
            return Ok(Bytes::new());
        }
        let mut content = Vec::new();
        self.pull(|piece| {
            content.extend_from_slice(piece);
            false
        })
        .await?;
        Ok(content.into())
    }

    /// Reads until `take` has enough, or the content ends.
    async fn pull(&self, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), Error> {
        let incoming = self.incoming();
        if incoming.is_over() {
            return Ok(());
        }
        squall_http1::refuse_length(incoming.framing.get(), incoming.bytes_max.get())?;
        self.send_continue()?;
        let mut loan = Loan {
            incoming,
            reader: incoming.take_back(),
        };
        let Some(reader) = &mut loan.reader else {
            return Err(Error::ContentTaken);
        };
        reader.set_deadline(Some(self.timeout_content()));
        let result = reader.decode(|input| incoming.step(input, &mut take)).await;
        reader.set_deadline(None);
        if result.is_err() {
            // Whatever comes after a fault is not content, and not a request either.
            incoming.framing.set(Framing::UntilClose);
        }
        result
    }

    fn send_continue(&self) -> Result<(), Error> {
        if self.incoming().is_awaited.take() && !self.is_head_sent() {
            let sent = self.with_stream(|stream| stream.write(b"HTTP/1.1 100 Continue\r\n\r\n"));
            sent.transpose()?;
        }
        Ok(())
    }
}

impl Incoming {
    fn step(&self, input: &[u8], take: &mut impl FnMut(&[u8]) -> bool) -> Result<Step<()>, Error> {
        let mut decoder = self.decoder.borrow_mut();
        let limits = self.limits.get();
        let mut used = 0;
        while let Some(running) = &mut *decoder {
            let (count, event) = running.decode(&input[used..], &limits)?;
            used += count;
            match event {
                ContentEvent::Data(piece) => {
                    if take(piece) {
                        return Ok(Step::Done(used, ()));
                    }
                }
                ContentEvent::End => *decoder = None,
                ContentEvent::Partial => return Ok(Step::More(used)),
            }
        }
        Ok(Step::Done(used, ()))
    }

    /// Throws the rest of the content away.
    pub(crate) async fn discard(&self, reader: &mut IoStream) -> Result<(), Error> {
        if self.is_over() {
            return Ok(());
        }
        let mut left = DISCARD_BYTES_MAX;
        reader
            .decode(|input| {
                self.step(input, &mut |piece| {
                    left = left.saturating_sub(piece.len() as u64);
                    left == 0
                })
            })
            .await?;
        if self.is_over() {
            Ok(())
        } else {
            Err(StreamError::TimedOut.into())
        }
    }
}
