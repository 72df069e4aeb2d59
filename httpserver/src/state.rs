//! The state behind an exchange's handles: what the connection and they share.
//!
//! Pooled by `pool.rs`: while nobody holds it, it keeps its memory, and nothing else of its last
//! request but the slot of the layer above.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;

use squall_http1::RequestHead;
use squall_iostream::{IoStream, StreamHandle};

use crate::answer::Phase;
use crate::content::Incoming;
use crate::extra::Extra;
use crate::forwarded::Origin;
use crate::response::Response;
use crate::seeing::Seen;
use crate::server::Shared;

/// The state behind the handle. Pooled: while nobody holds it, it keeps its memory.
#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) head: RequestHead,
    pub(crate) phase: Cell<Phase>,
    pub(crate) incoming: Incoming,
    pub(crate) response: RefCell<Response>,
    /// Set before the first handle is made, and from then on as it is: a connection that goes on
    /// with the same exchange is the same connection.
    pub(crate) link: Option<Link>,
    /// The connection, while it waits for the answer to be finished.
    pub(crate) waiting: Cell<Option<Waker>>,
    pub(crate) closers: RefCell<Vec<Closer>>,
    pub(crate) upgrade: Cell<Option<Upgrade>>,
    /// What most requests do not have.
    pub(crate) extra: RefCell<Option<Box<Extra>>>,
    pub(crate) slot: RefCell<Option<Box<dyn Any>>>,
    pub(crate) address: OnceCell<Option<SocketAddr>>,
    /// Who has asked, if proxies tell and somebody wants to know.
    pub(crate) origin: OnceCell<Origin>,
    pub(crate) seen: Seen,
}

type Upgrade = Box<dyn FnOnce(IoStream)>;
/// Told when the peer is gone.
pub(crate) type Closer = Box<dyn FnOnce()>;

/// Where the answer goes.
pub(crate) struct Link {
    pub(crate) stream: StreamHandle,
    pub(crate) server: Rc<Shared>,
    /// Whether the connection has had its requests, or its time, and ends with this answer.
    pub(crate) is_last: bool,
    /// The connection's number among the guests.
    pub(crate) connection: u32,
}

impl Inner {
    /// Back to how a new one is, but with memory. For the pool, when nobody else holds it.
    pub(crate) fn reset(&mut self) {
        self.phase.set(Phase::Open);
        if self.has_content() {
            self.incoming.reset();
        }
        self.response.get_mut().clear();
        self.waiting.set(None);
        self.closers.take();
        self.upgrade.set(None);
        self.extra.get_mut().take();
        self.address.take();
        if self.origin.get().is_some() {
            self.origin.take();
        }
        self.seen.reset();
    }

    /// Forgets the head, which the next decoding would do as well, and the connection, before a
    /// wait in the pool.
    pub(crate) fn forget_connection(&mut self) {
        const HEAD_BYTES_KEPT: usize = 16 * 1024;
        if self.head.capacity() > HEAD_BYTES_KEPT {
            self.head = RequestHead::new();
        }
        self.head.clear();
        self.link = None;
    }

    /// Says where the answer goes, which may be known from the request before on this connection.
    pub(crate) fn begin(
        exchange: &mut Rc<Self>,
        stream: &StreamHandle,
        server: &Rc<Shared>,
        connection: u32,
        is_last: bool,
    ) {
        let Some(inner) = Rc::get_mut(exchange) else {
            unreachable!("nobody has a handle of an exchange that has not begun")
        };
        let link = inner.link.get_or_insert_with(|| Link {
            stream: stream.clone(),
            server: server.clone(),
            is_last,
            connection,
        });
        link.is_last = is_last;
    }

    /// Where the answer goes, which is known as long as there is a handle.
    #[inline]
    pub(crate) fn link(&self) -> &Link {
        self.link
            .as_ref()
            .expect("an exchange begins with its link")
    }

    /// Whether the request has content to be read.
    pub(crate) fn has_content(&self) -> bool {
        self.head.framing().has_content()
    }

    /// Looks at what most requests do not have, if this one has it.
    pub(crate) fn extra<R>(&self, f: impl FnOnce(&Extra) -> R) -> Option<R> {
        self.extra.borrow().as_deref().map(f)
    }

    /// As [`Self::extra`], and from now on this one has it.
    pub(crate) fn with_extra<R>(&self, f: impl FnOnce(&mut Extra) -> R) -> R {
        f(self.extra.borrow_mut().get_or_insert_default())
    }

    pub(crate) fn add_closer(&self, closer: Closer) {
        self.closers.borrow_mut().push(closer);
    }

    pub(crate) fn has_closers(&self) -> bool {
        !self.closers.borrow().is_empty()
    }

    pub(crate) fn take_closers(&self) -> Vec<Closer> {
        self.closers.take()
    }

    pub(crate) fn take_upgrade(&self) -> Option<Upgrade> {
        self.upgrade.take()
    }

    pub(crate) fn wait(&self, waker: &Waker) {
        self.waiting.set(Some(waker.clone()));
    }

    /// The connection is awake: it need not be woken.
    pub(crate) fn stop_waiting(&self) {
        self.waiting.take();
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// Called while `holders` includes the handle that is being dropped, and the connection.
    pub(crate) fn wake_if_abandoned(&self, holders: usize) {
        if holders <= 2 {
            self.wake();
        }
    }
}
