//! Accepting: in bounded batches, with a rest when the process is out of descriptors. Called by the
//! loop; made and closed by `listener.rs`.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use squall_ioloop::{Handle, Interest, Ready, Source, Timeout, Token};

use crate::{Address, IoStream, SocketTransport};

pub(crate) struct Acceptor {
    /// `None` once closed.
    socket: RefCell<Option<mio::net::TcpListener>>,
    token: Cell<Option<Token>>,
    handle_stream: Box<dyn Fn(IoStream, Address)>,
    /// The end of the rest: one, however many connections come meanwhile.
    deadline: Cell<Option<Timeout>>,
    last_complaint: Cell<Option<Instant>>,
}

/// How many connections are accepted in one turn, so that those that are established get theirs.
const ACCEPTS_PER_TURN: usize = 128;
/// How long to rest when the process or the system is out of descriptors or memory. Connections
/// wait in the backlog meanwhile, and the loop serves those it has.
const REST: Duration = Duration::from_millis(100);
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

impl Source for Acceptor {
    fn on_ready(&self, ioloop: &Handle, _: Ready) {
        let again = Again {
            acceptor: self,
            ioloop,
        };
        for _ in 0..ACCEPTS_PER_TURN {
            match self.accept() {
                Ok(Some((socket, address))) => self.hand_over(ioloop, socket, address),
                Ok(None) => return again.cancel(),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    again.cancel();
                    return self.rest(ioloop, &error);
                }
            }
        }
    }
}

/// Another turn for the listener. The poller tells of a connection once, so whoever stops before
/// the backlog is empty has to come back: after a full batch, and also when `handle_stream` has
/// panicked in the middle of one.
struct Again<'a> {
    acceptor: &'a Acceptor,
    ioloop: &'a Handle,
}

impl Again<'_> {
    fn cancel(self) {
        std::mem::forget(self);
    }
}

impl Drop for Again<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.acceptor.token.get() {
            self.ioloop.ready_again(token, Ready::READABLE);
        }
    }
}

impl Acceptor {
    /// Puts a listening socket on the loop, which owns the acceptor from then on.
    pub(crate) fn register(
        ioloop: &Handle,
        socket: mio::net::TcpListener,
        handle_stream: Box<dyn Fn(IoStream, Address)>,
    ) -> io::Result<Rc<Self>> {
        let acceptor = Rc::new(Self {
            socket: RefCell::new(Some(socket)),
            token: Cell::new(None),
            handle_stream,
            deadline: Cell::new(None),
            last_complaint: Cell::new(None),
        });
        let socket = acceptor.socket.borrow();
        let fd = socket.as_ref().map(AsFd::as_fd);
        let token = ioloop.register(acceptor.clone(), fd, Interest::Read)?;
        drop(socket);
        acceptor.token.set(Some(token));
        Ok(acceptor)
    }

    pub(crate) fn close(&self, ioloop: &Handle) {
        let socket = self.socket.take();
        drop(socket);
        if let Some(deadline) = self.deadline.take() {
            ioloop.remove_timeout(deadline);
        }
        if let Some(token) = self.token.take() {
            ioloop.deregister(token, None);
        }
    }

    fn accept(&self) -> io::Result<Option<(mio::net::TcpStream, Address)>> {
        let socket = self.socket.borrow();
        let Some(socket) = &*socket else {
            return Ok(None);
        };
        match socket.accept() {
            Ok((socket, address)) => Ok(Some((socket, address.into()))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn hand_over(&self, ioloop: &Handle, socket: mio::net::TcpStream, address: Address) {
        if cfg!(not(target_os = "linux")) {
            // A connection without it is slower, and no worse.
            let _ = socket.set_nodelay(true);
        }
        match IoStream::new(ioloop, SocketTransport::from_nonblocking(socket)) {
            Ok(stream) => (self.handle_stream)(stream, address),
            Err(error) => self.complain(ioloop, &error),
        }
    }

    fn rest(&self, ioloop: &Handle, error: &io::Error) {
        self.complain(ioloop, error);
        let Some(token) = self.token.get() else {
            return;
        };
        let deadline = self.deadline.get().unwrap_or_else(|| {
            let deadline = ioloop.add_deadline(token);
            self.deadline.set(Some(deadline));
            deadline
        });
        ioloop.set_deadline(deadline, Some(REST));
    }

    /// At most one line a second, however many connections fail.
    fn complain(&self, ioloop: &Handle, error: &io::Error) {
        let now = ioloop.now();
        let is_due = self
            .last_complaint
            .get()
            .is_none_or(|last| now - last >= COMPLAINT_INTERVAL);
        if is_due {
            self.last_complaint.set(Some(now));
            tracing::warn!(target: "squall::iostream", %error, "cannot accept a connection");
        }
    }
}

/// Whether accept failed because of the connection it would have returned, and not of the
/// listener: the next one may be well (accept(2), "Error handling"; `EPERM` is a firewall's).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    let is_known = matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::Interrupted
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::TimedOut
            | Kind::PermissionDenied
    );
    let known_by_number = [libc::EPROTO, libc::ENOPROTOOPT, libc::EHOSTDOWN];
    is_known
        || known_by_number
            .iter()
            .any(|known| error.raw_os_error() == Some(*known))
}
