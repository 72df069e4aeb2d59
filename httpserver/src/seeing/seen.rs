//! What is noted of one request while it is answered. Its exchange holds it, so that it is reused
//! with that, and a connection between requests has none.

use std::cell::{Cell, OnceCell};
use std::time::Instant;

use squall_ioloop::Handle;
use tracing::Span;

use super::peers::PeerText;
use super::request_id::RequestId;

#[derive(Default)]
pub(crate) struct Seen {
    /// The turn in which the request was there, if it was not answered in it, or if times are to
    /// be exact: then nobody need look at the clock for a plain request.
    since: Cell<Option<Instant>>,
    head_sent: Cell<u64>,
    content_sent: Cell<u64>,
    content_received: Cell<u64>,
    /// Of the id: numbers begin with 1.
    pub(super) number: Cell<u64>,
    /// Who has asked, if it was to be known before the peer could leave.
    pub(super) peer: Cell<Option<PeerText>>,
    /// What few requests have, as few as have asked for it.
    rare: OnceCell<Box<Rare>>,
}

#[derive(Default)]
pub(super) struct Rare {
    pub(super) span: OnceCell<Span>,
    /// The id that the request has brought.
    pub(super) id: OnceCell<RequestId>,
}

impl Seen {
    pub(crate) fn reset(&mut self) {
        self.since.set(None);
        self.head_sent.set(0);
        self.content_sent.set(0);
        self.content_received.set(0);
        self.number.set(0);
        self.peer.set(None);
        self.rare.take();
    }

    /// The answer takes longer than this turn.
    pub(crate) fn wait(&self, ioloop: &Handle) {
        if self.since.get().is_none() {
            self.since.set(Some(ioloop.now()));
        }
    }

    pub(super) fn since(&self) -> Option<Instant> {
        self.since.get()
    }

    /// So many bytes of an answer's head were given to the stream.
    #[inline]
    pub(crate) fn head_sent(&self, bytes: usize) {
        self.head_sent.set(self.head_sent.get() + bytes as u64);
    }

    /// So many bytes of an answer's content were given to the stream.
    #[inline]
    pub(crate) fn content_sent(&self, bytes: u64) {
        self.content_sent.set(self.content_sent.get() + bytes);
    }

    /// So many bytes of the request's content were read.
    #[inline]
    pub(crate) fn content_received(&self, bytes: usize) {
        let received = self.content_received.get() + bytes as u64;
        self.content_received.set(received);
    }

    pub(super) fn bytes_sent(&self) -> u64 {
        self.head_sent.get() + self.content_sent.get()
    }

    pub(super) fn content_bytes_sent(&self) -> u64 {
        self.content_sent.get()
    }

    pub(super) fn content_bytes_received(&self) -> u64 {
        self.content_received.get()
    }

    pub(super) fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    pub(super) fn rare_if_any(&self) -> Option<&Rare> {
        self.rare.get().map(|rare| &**rare)
    }
}
