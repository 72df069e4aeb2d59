//! The request's content, pulled: whole, or piece by piece. Nothing is read before it is asked
//! for, and the `100 Continue` that a careful client waits for is sent at that moment.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use bytes::Bytes;
use squall_http1::{ContentDecoder, ContentEvent, Expectation, Framing, Limits, RequestHead};
use squall_iostream::{IoStream, Step, StreamError};

use crate::{Config, Error, Exchange};

/// What is still to come of a request.
#[derive(Default)]
pub(crate) struct Incoming {
    /// Lent by the connection while the exchange is on.
    reader: Cell<Option<IoStream>>,
    /// Whether someone has taken the reader, to read.
    is_reading: Cell<bool>,
    decoder: RefCell<Option<ContentDecoder>>,
    limits: Cell<Limits>,
    framing: Cell<Framing>,
    /// The peer waits for `100 Continue` before it sends its content.
    is_awaited: Cell<bool>,
    /// How long it may still keep us waiting.
    patience: Cell<Duration>,
    /// What was wrong. Whatever follows is not content, and not a request either.
    fault: RefCell<Option<Error>>,
}

/// Content up to this length is thrown away to keep the connection, when an answer came without
/// having read it. More than that costs more than a new connection.
const DISCARD_BYTES_MAX: u64 = 64 * 1024;
/// What each byte of content gives back of the time that was waited for it: at 500 bytes a second,
/// Apache's `MinRate`, a slow upload may take as long as it needs, and a dripping one may not.
const PATIENCE_PER_BYTE: Duration = Duration::from_millis(2);

impl Incoming {
    /// For a request that has content.
    pub(crate) fn begin(&self, head: &RequestHead, config: &Config) {
        let framing = head.framing();
        self.framing.set(framing);
        self.is_awaited
            .set(head.expectation() == Expectation::Continue);
        self.limits.set(config.limits);
        self.patience.set(config.timeout_content);
        self.decoder.replace(Some(ContentDecoder::new(framing)));
    }

    pub(crate) fn reset(&mut self) {
        drop(self.reader.take());
        self.decoder.get_mut().take();
        self.fault.get_mut().take();
    }

    pub(crate) fn lend(&self, reader: IoStream) {
        self.reader.set(Some(reader));
    }

    /// The connection's stream, if it was lent and nobody is reading.
    pub(crate) fn take_back(&self) -> Option<IoStream> {
        self.reader.take()
    }

    pub(crate) fn is_reading(&self) -> bool {
        self.is_reading.get()
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
        is_little && !self.is_awaited.get() && self.fault.borrow().is_none()
    }
}

impl Exchange {
    /// Bounds this request's content, in bytes, in place of the server's limit: smaller or larger.
    pub fn set_content_bytes_max(&self, bytes: u64) {
        let mut limits = self.incoming().limits.get();
        limits.content_bytes_max = bytes;
        self.incoming().limits.set(limits);
    }

    /// The next piece of the content as it arrives, or `None` at its end.
    ///
    /// # Errors
    /// [`Error::Protocol`] for a broken frame or too much (413), [`Error::TimedOut`] (408),
    /// [`Error::Closed`] when the peer goes in the middle, [`Error::ContentTaken`]. After one of
    /// the first three every further read returns it again.
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
        let mut take = |piece: &[u8]| {
            self.seen().content_received(piece.len());
            take(piece)
        };
        if let Some(fault) = &*incoming.fault.borrow() {
            return Err(fault.clone());
        }
        let limits = incoming.limits.get();
        squall_http1::refuse_length(incoming.framing.get(), limits.content_bytes_max)
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
            incoming.fault.replace(Some(error.clone()));
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
        if incoming.is_awaited.take() && reader.unread_len() == 0 && !self.is_head_sent() {
            reader.write_with(|out| out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n"))?;
        }
        let stream = reader.handle();
        let timeout = self.timeout_content();
        let mut since = stream.ioloop().now();
        stream.set_deadline(Some(incoming.patience.get()));
        let result = reader.decode(|input| {
            let mut received = 0;
            let step = incoming.step(input, &mut |piece| {
                received += piece.len();
                take(piece)
            });
            let now = stream.ioloop().now();
            incoming.earn_patience(received, now - since, timeout);
            since = now;
            stream.set_deadline(Some(incoming.patience.get()));
            step
        });
        result.await
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
        let reader = exchange.incoming().reader.take();
        if reader.is_some() {
            exchange.incoming().is_reading.set(true);
        }
        Self { exchange, reader }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.set_deadline(None);
            self.exchange.incoming().is_reading.set(false);
            self.exchange.incoming().lend(reader);
            // The connection may be waiting for it.
            self.exchange.wake_connection();
        }
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
                    let is_enough = take(piece);
                    // Nothing more may come, and nobody must wait for it.
                    if running.is_complete() {
                        *decoder = None;
                    }
                    if is_enough {
                        return Ok(Step::Done(used, ()));
                    }
                }
                ContentEvent::End => *decoder = None,
                ContentEvent::Partial => return Ok(Step::More(used)),
            }
        }
        Ok(Step::Done(used, ()))
    }

    fn earn_patience(&self, bytes: usize, waited: Duration, most: Duration) {
        let earned = PATIENCE_PER_BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        let left = self.patience.get().saturating_sub(waited);
        self.patience.set(left.saturating_add(earned).min(most));
    }

    /// Throws the rest of the content away.
    pub(crate) async fn discard(&self, reader: &mut IoStream) -> Result<(), Error> {
        if let Some(fault) = &*self.fault.borrow() {
            return Err(fault.clone());
        }
        // It is bounded here, not by what the service has asked for.
        self.limits
            .set(Limits::default().with_content_bytes_max(u64::MAX));
        let mut left = DISCARD_BYTES_MAX;
        let mut enough = |piece: &[u8]| {
            left = left.saturating_sub(piece.len() as u64);
            left == 0
        };
        reader.decode(|input| self.step(input, &mut enough)).await?;
        if self.is_over() {
            Ok(())
        } else {
            Err(StreamError::TimedOut.into())
        }
    }
}
