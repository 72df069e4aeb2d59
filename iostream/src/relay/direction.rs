//! One direction of a relay: from the stream that is read to the stream that is written.

use std::io;
use std::task::{Context, Poll, ready};

use super::splice::{Conduit, Pipes, can_splice, is_not_for_splicing};
use super::{RelayFault, Side};
use crate::{IoStream, StreamClosed, StreamError, StreamHandle};

/// While more than this is unsent, nothing more is taken. One read may come on top of it.
const UNSENT_BYTES_MAX: usize = 64 * 1024;
/// One read takes at most this much.
const TAKE_BYTES_MAX: usize = 64 * 1024;
/// From here on the system moves bytes more cheaply than a copy does: see
/// `docs/decisions/015-when-splice-pays.md`.
const BULK_BYTES_MIN: usize = 16 * 1024;

pub(super) struct Direction {
    from: Side,
    to: Side,
    phase: Phase,
    may_splice: bool,
    /// Whether the last that came was much, so that what follows will be too.
    is_bulk: bool,
    /// Only while it holds something, or something is about to come.
    conduit: Option<Conduit>,
    taken: u64,
    /// Of what went through conduits, how much has left them.
    spliced: u64,
    /// Why the sink has not taken what was read for it.
    refused: Option<StreamError>,
}

enum Phase {
    Moving,
    /// No more will be taken; what was taken is still to be sent, and then the end.
    Ending,
    /// The same, but for a reason that is no end of the stream.
    Stopping(Option<RelayFault>),
    Done(Option<RelayFault>),
}

impl Direction {
    pub(super) fn new(from: Side, to: Side, may_splice: bool) -> Self {
        Self {
            from,
            to,
            phase: Phase::Moving,
            may_splice,
            is_bulk: false,
            conduit: None,
            taken: 0,
            spliced: 0,
            refused: None,
        }
    }

    /// How many bytes came from the source.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Changes whenever bytes have moved, except into the sink's own buffer.
    pub(super) fn progress(&self) -> u64 {
        self.taken + self.spliced
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(&self.phase, Phase::Stopping(Some(_)) | Phase::Done(Some(_)))
    }

    pub(super) fn into_fault(self) -> Option<RelayFault> {
        match self.phase {
            Phase::Stopping(fault) | Phase::Done(fault) => fault,
            Phase::Moving | Phase::Ending => None,
        }
    }

    /// Takes no more; the other direction has failed. Returns whether that is news.
    pub(super) fn stop(&mut self) -> bool {
        let is_news = matches!(self.phase, Phase::Moving | Phase::Ending);
        if is_news {
            self.phase = Phase::Stopping(None);
        }
        is_news
    }

    /// Ready when nothing is left to do.
    pub(super) fn poll(
        &mut self,
        cx: &Context<'_>,
        source: &mut IoStream,
        sink: &StreamHandle,
    ) -> Poll<()> {
        while !matches!(self.phase, Phase::Done(_)) {
            let unsent_max = match self.phase {
                Phase::Moving => UNSENT_BYTES_MAX.min(sink.core().unsent_bytes_max() / 2),
                _ => 0,
            };
            if let Err(error) = ready!(self.poll_sent(cx, sink, unsent_max)) {
                let fault = RelayFault::Writing(self.to, error);
                // What has failed before has caused this, mostly.
                self.phase = match std::mem::replace(&mut self.phase, Phase::Moving) {
                    Phase::Stopping(earlier) => Phase::Done(earlier),
                    _ => Phase::Done(Some(fault)),
                };
                self.conduit = None;
                break;
            }
            match &mut self.phase {
                Phase::Moving => match ready!(self.poll_taken(cx, source, sink)) {
                    Ok(0) => self.phase = Phase::Ending,
                    Ok(_) if self.refused.is_some() => {
                        let error = self.refused.take();
                        let fault = error.map(|error| RelayFault::Writing(self.to, error));
                        self.phase = Phase::Done(fault);
                    }
                    Ok(count) => {
                        self.taken += count as u64;
                        self.is_bulk = count >= BULK_BYTES_MIN;
                    }
                    Err(error) => {
                        let fault = RelayFault::Reading(self.from, error);
                        self.phase = Phase::Stopping(Some(fault));
                    }
                },
                Phase::Ending => {
                    // Fails when the peer has gone, which is what its reader is told.
                    let _ = sink.core().transport.shutdown_write();
                    self.phase = Phase::Done(None);
                }
                Phase::Stopping(fault) => self.phase = Phase::Done(fault.take()),
                Phase::Done(_) => {}
            }
        }
        Poll::Ready(())
    }

    /// Waits until at most `unsent_max` bytes are unsent, and the conduit is empty.
    fn poll_sent(
        &mut self,
        cx: &Context<'_>,
        sink: &StreamHandle,
        unsent_max: usize,
    ) -> Poll<Result<(), StreamError>> {
        let Some(conduit) = &mut self.conduit else {
            return sink.poll_drained(cx, unsent_max);
        };
        while conduit.held() > 0 {
            // What is in the sink's own buffer came before.
            ready!(sink.poll_drained(cx, 0))?;
            let core = sink.core();
            if !core.is_writable() {
                if let Some(interruption) = core.take_interruption() {
                    return Poll::Ready(Err(interruption));
                }
                core.wait_for_room(cx);
                return Poll::Pending;
            }
            match conduit.send(&*core.transport) {
                Ok(count) => self.spliced += count as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    core.expect_writable_event();
                }
                Err(error) if is_not_for_splicing(&error) => {
                    self.may_splice = false;
                    let held = conduit.take_back().map_err(StreamClosed::because)?;
                    sink.write(&held)?;
                }
                Err(error) => {
                    core.fail_writes(error);
                    return Poll::Ready(core.check_open().map_err(StreamError::from));
                }
            }
        }
        sink.poll_drained(cx, unsent_max)
    }

    /// Takes what the source has, by copy or by the system, and says how much; 0 is its end.
    fn poll_taken(
        &mut self,
        cx: &Context<'_>,
        source: &mut IoStream,
        sink: &StreamHandle,
    ) -> Poll<Result<usize, StreamError>> {
        // A stream with guards, rates or a budget sees each of its bytes.
        let is_plain = source.core().is_plain() && sink.core().is_plain();
        if self.may_splice && is_plain && self.is_bulk && source.unread_len() == 0 {
            if let Some(spliced) = self.poll_spliced(cx, source, sink) {
                return spliced;
            }
            self.may_splice = false;
        }
        self.give_conduit_back(source);
        // A cap of the sink's is heeded; one that lets nothing through refuses the write.
        let bytes_max = sink.core().room().clamp(1, TAKE_BYTES_MAX);
        let mut refused = None;
        let taken = source.poll_take(cx, bytes_max, |bytes| {
            refused = sink.write_with(|out| out.extend_from_slice(bytes)).err();
        });
        self.refused = refused;
        taken
    }

    /// The same by `splice`; `None` where that does not go, and then nothing was taken.
    fn poll_spliced(
        &mut self,
        cx: &Context<'_>,
        source: &IoStream,
        sink: &StreamHandle,
    ) -> Option<Poll<Result<usize, StreamError>>> {
        let core = source.core();
        loop {
            match source.poll_readable(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Some(Poll::Ready(Err(error))),
                Poll::Pending => {
                    self.give_conduit_back(source);
                    return Some(Poll::Pending);
                }
            }
            let conduit = match self.conduit.take() {
                Some(conduit) => conduit,
                None if can_splice(&*core.transport, &*sink.core().transport) => {
                    Pipes::of(source.ioloop()).take().ok()?
                }
                None => return None,
            };
            let conduit = self.conduit.insert(conduit);
            let filled = conduit.fill(&*core.transport, TAKE_BYTES_MAX);
            // That is no failure of the stream, which can still be copied from.
            if matches!(&filled, Err(error) if is_not_for_splicing(error)) {
                return None;
            }
            match core.settle_read(filled) {
                Ok(None) => {}
                Ok(Some(count)) => return Some(Poll::Ready(Ok(count))),
                Err(error) => return Some(Poll::Ready(source.end_as_zero(error))),
            }
        }
    }

    /// A direction that waits for input holds nothing.
    fn give_conduit_back(&mut self, source: &IoStream) {
        if let Some(conduit) = self.conduit.take() {
            Pipes::of(source.ioloop()).give(conduit);
        }
    }
}
