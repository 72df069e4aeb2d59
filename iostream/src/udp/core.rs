//! What is behind a UDP socket and its handles: its events, and what it may read in one turn.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Poll};

use socket2::Socket;
use squall_ioloop::{Handle, Interest, Ready, Source, Token};

use crate::socket::retry_interrupted;
use crate::waiter::{Waiter, Waiters};

/// What a socket may receive in one turn, so that a flood starves nobody. A datagram counts as
/// [`DATAGRAM_COST_MIN`] at least: so this is 256 of the common ones.
const BYTES_PER_TURN: usize = 256 * 1024;
const DATAGRAM_COST_MIN: usize = 1024;

pub(super) struct Core {
    pub(super) ioloop: Handle,
    /// `None` once closed.
    socket: RefCell<Option<Socket>>,
    token: Cell<Option<Token>>,
    /// What the socket is believed to be ready for, until a call says otherwise.
    ready: Cell<Ready>,
    reader: Waiter,
    writers: Waiters,
    turn: Cell<u64>,
    spent: Cell<usize>,
    /// What a sender was told that is the receiver's to know; the last of its kind.
    refusal: Cell<Option<io::Error>>,
}

impl Core {
    /// Puts a socket on the loop, which is non-blocking already.
    pub(super) fn register(ioloop: &Handle, socket: Socket) -> io::Result<Rc<Self>> {
        let core = Rc::new(Self {
            ioloop: ioloop.clone(),
            socket: RefCell::new(Some(socket)),
            token: Cell::new(None),
            // The poller tells of input that is there already.
            ready: Cell::new(Ready::WRITABLE),
            reader: Waiter::default(),
            writers: Waiters::default(),
            turn: Cell::new(0),
            spent: Cell::new(0),
            refusal: Cell::new(None),
        });
        let socket = core.socket.borrow();
        let fd = socket.as_ref().map(AsFd::as_fd);
        let token = ioloop.register(core.clone(), fd, Interest::Both)?;
        drop(socket);
        core.token.set(Some(token));
        Ok(core)
    }

    pub(super) fn with<R>(&self, f: impl Fn(&Socket) -> io::Result<R>) -> io::Result<R> {
        match &*self.socket.borrow() {
            Some(socket) => retry_interrupted(|| f(socket)),
            None => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the socket is closed",
            )),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.socket.borrow().is_none()
    }

    pub(super) fn close(&self) {
        let socket = self.socket.take();
        self.reader.wake();
        self.writers.wake();
        if let Some(token) = self.token.take() {
            // A duplicate would keep it on the poller.
            self.ioloop
                .deregister(token, socket.as_ref().map(AsFd::as_fd));
        }
    }

    /// Receives by `receive`, which says how many datagrams and bytes came, or waits.
    pub(super) fn poll_receive<R>(
        &self,
        cx: &Context<'_>,
        mut receive: impl FnMut(&Socket) -> io::Result<R>,
        size_of: impl Fn(&R) -> (usize, usize),
    ) -> Poll<io::Result<R>> {
        loop {
            if let Some(refusal) = self.refusal.take() {
                return Poll::Ready(Err(refusal));
            }
            self.with(|_| Ok(()))?;
            if !self.ready.get().contains(Ready::READABLE) || self.is_budget_spent() {
                self.reader.wait(cx.waker());
                return Poll::Pending;
            }
            let received = match &*self.socket.borrow() {
                Some(socket) => retry_interrupted(|| receive(socket)),
                None => continue,
            };
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unset_ready(Ready::READABLE);
                }
                Err(error) => return Poll::Ready(Err(error)),
                Ok(received) => {
                    let (datagrams, bytes) = size_of(&received);
                    let cost = bytes.max(datagrams * DATAGRAM_COST_MIN);
                    self.spent.set(self.spent.get() + cost);
                    return Poll::Ready(Ok(received));
                }
            }
        }
    }

    /// Sends by `send`, or waits for room.
    pub(super) fn poll_send<R>(
        &self,
        cx: &Context<'_>,
        send: impl Fn(&Socket) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            if !self.ready.get().contains(Ready::WRITABLE) {
                self.with(|_| Ok(()))?;
                self.writers.wait(cx.waker());
                return Poll::Pending;
            }
            match self.try_send(&send) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    /// Sends by `send`, now or not at all.
    ///
    /// On a connected socket the system reports that nobody received an earlier datagram to
    /// whoever calls next, and then does nothing else (RFC 1122, section 4.1.3.3, has it reported
    /// to the application). That is the receiver's to know, and what was to be sent now is sent.
    pub(super) fn try_send<R>(&self, send: impl Fn(&Socket) -> io::Result<R>) -> io::Result<R> {
        let mut sent = self.with(&send);
        if let Err(refused) = &sent {
            if refused.kind() == io::ErrorKind::ConnectionRefused {
                let again = self.with(&send);
                if let Err(refusal) = std::mem::replace(&mut sent, again) {
                    self.refusal.set(Some(refusal));
                    self.reader.wake();
                }
            }
        }
        if matches!(&sent, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.unset_ready(Ready::WRITABLE);
        }
        sent
    }

    /// Whether the socket has had its share of this turn. If so, it is told again in the next.
    fn is_budget_spent(&self) -> bool {
        let turn = self.ioloop.turn_count();
        if self.turn.replace(turn) != turn {
            self.spent.set(0);
        }
        let is_spent = self.spent.get() >= BYTES_PER_TURN;
        if let (true, Some(token)) = (is_spent, self.token.get()) {
            self.ioloop.ready_again(token, Ready::READABLE);
        }
        is_spent
    }

    fn unset_ready(&self, ready: Ready) {
        self.ready.set(self.ready.get().without(ready));
    }
}

impl Source for Core {
    fn on_ready(&self, _: &Handle, ready: Ready) {
        // A failure is found by the next call, of either kind.
        if ready.intersects(Ready::READABLE | Ready::READ_CLOSED | Ready::ERROR) {
            self.ready.set(self.ready.get() | Ready::READABLE);
            self.reader.wake();
        }
        if ready.intersects(Ready::WRITABLE | Ready::WRITE_CLOSED | Ready::ERROR) {
            self.ready.set(self.ready.get() | Ready::WRITABLE);
            self.writers.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use socket2::{Domain, Type};
    use squall_ioloop::IoLoop;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_sender_without_room_waits_for_its_event() {
        let ioloop = IoLoop::new().unwrap();
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        let core = Core::register(&ioloop, socket).unwrap();
        let wakes = Arc::new(Count::default());
        let waker = Waker::from(wakes.clone());
        let cx = Context::from_waker(&waker);
        let is_full = Cell::new(true);
        let send = |_: &Socket| match is_full.get() {
            true => Err(io::Error::from(io::ErrorKind::WouldBlock)),
            false => Ok(7),
        };
        assert!(core.poll_send(&cx, send).is_pending());
        is_full.set(false);
        // Without an event nothing is tried.
        assert!(core.poll_send(&cx, send).is_pending());
        core.on_ready(&ioloop, Ready::WRITABLE);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert!(matches!(core.poll_send(&cx, send), Poll::Ready(Ok(7))));
        core.close();
        assert!(matches!(core.poll_send(&cx, send), Poll::Ready(Err(_))));
    }
}
