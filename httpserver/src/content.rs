//! What is still to come of a request: its content, how long that may take and how much it may be,
//! and what becomes of it when nobody reads it. The reads are in `pull.rs`.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use http::HeaderMap;
use squall_http1::{ContentDecoder, ContentEvent, Expectation, Framing, Limits, RequestHead};
use squall_iostream::{IoStream, Step, StreamError};

use crate::{Config, Error};

/// What is still to come of a request.
#[derive(Default)]
pub(crate) struct Incoming {
    /// Lent by the connection while the exchange is on.
    reader: Cell<Option<IoStream>>,
    /// Whether someone has taken the reader, to read.
    is_reading: Cell<bool>,
    /// Whether someone takes a coding off, with pauses in which the reader is not taken.
    #[cfg(feature = "compression")]
    is_decoding: Cell<bool>,
    /// Made for a request that has content, and kept when it is over, for its trailers.
    decoder: RefCell<Option<ContentDecoder>>,
    limits: Cell<Limits>,
    framing: Cell<Framing>,
    /// The peer waits for `100 Continue` before it sends its content.
    is_awaited: Cell<bool>,
    /// How long the peer may keep us waiting, and how long it still may.
    timeout: Cell<Duration>,
    patience: Cell<Duration>,
    /// How long the content may take, whatever its rate, and when that will be over: known when
    /// somebody first has to wait.
    timeout_total: Cell<Option<Duration>>,
    over_at: Cell<Option<Instant>>,
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
        self.set_timeout(config.timeout_content);
        self.timeout_total.set(config.request.timeout_content_total);
        self.over_at.set(None);
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
        #[cfg(feature = "compression")]
        if self.is_decoding.get() {
            return true;
        }
        self.is_reading.get()
    }

    /// Says whether someone takes a coding off, and returns whether someone did.
    #[cfg(feature = "compression")]
    pub(crate) fn set_decoding(&self, is_decoding: bool) -> bool {
        self.is_decoding.replace(is_decoding)
    }

    /// Whether nothing is left to read.
    pub(crate) fn is_over(&self) -> bool {
        let decoder = self.decoder.borrow();
        decoder.as_ref().is_none_or(ContentDecoder::is_complete)
    }

    /// Whether the peer waits for word before it sends its content.
    pub(crate) fn is_awaited(&self) -> bool {
        self.is_awaited.get()
    }

    /// As [`Self::is_awaited`], and from now on not.
    pub(crate) fn take_awaited(&self) -> bool {
        self.is_awaited.take()
    }

    pub(crate) fn framing(&self) -> Framing {
        self.framing.get()
    }

    pub(crate) fn content_bytes_max(&self) -> u64 {
        self.limits.get().content_bytes_max
    }

    pub(crate) fn set_content_bytes_max(&self, bytes: u64) {
        let limits = self.limits.get();
        self.limits.set(limits.with_content_bytes_max(bytes));
    }

    pub(crate) fn set_timeout(&self, timeout: Duration) {
        self.timeout.set(timeout);
        self.patience.set(timeout);
    }

    pub(crate) fn set_timeout_total(&self, timeout: Option<Duration>) {
        self.timeout_total.set(timeout);
        self.over_at.set(None);
    }

    pub(crate) fn fault(&self) -> Option<Error> {
        self.fault.borrow().clone()
    }

    pub(crate) fn set_fault(&self, error: Error) {
        self.fault.replace(Some(error));
    }

    /// The trailer fields, when all content has been read and there were any.
    pub(crate) fn trailers(&self) -> Option<HeaderMap> {
        let decoder = self.decoder.borrow();
        let complete = decoder.as_ref().filter(|decoder| decoder.is_complete())?;
        complete.trailers().cloned()
    }

    /// Takes the reader to read from it, if it is there. Who comes while another one reads does not
    /// end that.
    pub(crate) fn begin_reading(&self) -> Option<IoStream> {
        let reader = self.reader.take()?;
        self.is_reading.set(true);
        Some(reader)
    }

    pub(crate) fn end_reading(&self, reader: IoStream) {
        self.is_reading.set(false);
        self.lend(reader);
    }

    /// How long the peer may still keep us waiting, if the time is now `now`.
    pub(crate) fn deadline(&self, now: Instant) -> Duration {
        let patience = self.patience.get();
        let Some(total) = self.timeout_total.get() else {
            return patience;
        };
        // A time that cannot be told is never over.
        let over_at = self.over_at.get().or_else(|| now.checked_add(total));
        self.over_at.set(over_at);
        over_at.map_or(patience, |over_at| patience.min(over_at - now))
    }

    /// Notes that the peer has kept us waiting, and what has come of it.
    pub(crate) fn earn_patience(&self, bytes: usize, waited: Duration) {
        let earned = PATIENCE_PER_BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        let left = self.patience.get().saturating_sub(waited);
        let most = self.timeout.get();
        self.patience.set(left.saturating_add(earned).min(most));
    }

    /// Whether the connection can carry another request after this one, whose answer begins now
    /// and may end later. Content that is under way may still be read by then: what is left of it
    /// is looked at in the end. One that the peer was not told to send may never come.
    pub(crate) fn may_go_on(&self) -> bool {
        self.is_over() || (!self.is_awaited.get() && self.fault.borrow().is_none())
    }

    /// As [`Self::may_go_on`], for an answer that is complete, so that nobody will read what is
    /// left: whether that is little, or here already.
    pub(crate) fn can_go_on(&self) -> bool {
        if self.is_over() {
            return true;
        }
        if !self.may_go_on() {
            return false;
        }
        match self.framing.get() {
            Framing::Length(length) if length <= DISCARD_BYTES_MAX => true,
            _ => self.is_rest_here(),
        }
    }

    /// Throws away what has arrived of the content. Returns whether that was all of it: how much
    /// is to come of chunks, nobody knows.
    fn is_rest_here(&self) -> bool {
        let Some(mut reader) = self.reader.take() else {
            return false;
        };
        if let Err(error) = reader.decode_buffered(&mut self.discarding()) {
            self.set_fault(error);
        }
        self.lend(reader);
        self.is_over()
    }

    /// Throws the rest of the content away, as far as it is little.
    pub(crate) async fn discard(&self, reader: &mut IoStream) -> Result<(), Error> {
        if let Some(fault) = self.fault() {
            return Err(fault);
        }
        reader.decode(self.discarding()).await?;
        if self.is_over() {
            Ok(())
        } else {
            Err(StreamError::TimedOut.into())
        }
    }

    /// Steps that throw content away, to its end or until it is too much.
    fn discarding(&self) -> impl FnMut(&mut [u8]) -> Result<Step<()>, Error> {
        // It is bounded here, not by what the service has asked for.
        self.set_content_bytes_max(u64::MAX);
        let mut left = DISCARD_BYTES_MAX;
        move |input| {
            self.step(input, &mut |piece| {
                left = left.saturating_sub(piece.len() as u64);
                left == 0
            })
        }
    }

    /// Takes content out of its frame, until `take` has enough or all of it has come.
    pub(crate) fn step(
        &self,
        input: &[u8],
        take: &mut impl FnMut(&[u8]) -> bool,
    ) -> Result<Step<()>, Error> {
        let mut decoder = self.decoder.borrow_mut();
        let limits = self.limits.get();
        let mut used = 0;
        while let Some(running) = &mut *decoder {
            let (count, event) = running.decode(&input[used..], &limits)?;
            used += count;
            match event {
                ContentEvent::Data(piece) => {
                    if take(piece) {
                        break;
                    }
                }
                ContentEvent::End => break,
                ContentEvent::Partial => return Ok(Step::More(used)),
            }
        }
        Ok(Step::Done(used, ()))
    }
}
