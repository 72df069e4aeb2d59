//! Accepting: in bounded batches, as admission allows, with a rest when the process is out of
//! descriptors. Called by the loop; made and closed by `listener.rs`.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use socket2::SockRef;
use squall_ioloop::{Handle, Interest, Ready, Source, Token};

use crate::complaint::Complaint;
use crate::listening_socket::ListeningSocket;
use crate::spare::Spare;
use crate::unix_listener::SocketFile;
use crate::{Address, Admission, IoStream, SocketTransport};

pub(crate) struct Acceptor {
    /// `None` once closed.
    socket: RefCell<Option<ListeningSocket>>,
    token: Cell<Option<Token>>,
    handle_stream: HandleStream,
    admission: Admission,
    /// The end of a rest, or of a pause for the sake of the pace: one, however many connections
    /// come meanwhile.
    /// Since when connections have been waiting that there are no descriptors for.
    short_since: Cell<Option<Instant>>,
    spare: Rc<Spare>,
    failures: Complaint,
    refusals: Complaint,
}

pub(crate) type HandleStream = Box<dyn Fn(IoStream, Address)>;

/// How many connections are accepted in one turn, so that those that are established get theirs.
const ACCEPTS_PER_TURN: usize = 128;
/// How long to rest when the process or the system is out of descriptors or memory. Connections
/// wait in the backlog meanwhile, and the loop serves those it has.
const REST: Duration = Duration::from_millis(100);

impl Source for Acceptor {
    fn on_ready(&self, ioloop: &Handle, _: Ready) {
        let round = Round {
            acceptor: self,
            ioloop,
        };
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.may_accept(ioloop) {
                return round.end();
            }
            match self.accept() {
                Ok(Some((socket, peer))) => {
                    self.short_since.set(None);
                    self.admit(ioloop, socket, peer);
                }
                Ok(None) => {
                    self.short_since.set(None);
                    return round.end();
                }
                Err(error) if is_of_one_connection(&error) => self.admission.count_failed(),
                Err(error) => {
                    self.run_short(ioloop, &error);
                    return round.end();
                }
            }
        }
    }
}

/// One call of the acceptor. The poller tells of a connection once, so whoever stops before the
/// backlog is empty, and waits for nothing else, has to come back: after a full batch, and also
/// when `handle_stream` has panicked in the middle of one.
struct Round<'a> {
    acceptor: &'a Acceptor,
    ioloop: &'a Handle,
}

impl Round<'_> {
    fn end(self) {
        self.acceptor.admission.call_next();
        std::mem::forget(self);
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.acceptor.admission.call_next();
        if let Some(token) = self.acceptor.token.get() {
            self.ioloop.ready_again(token, Ready::READABLE);
        }
    }
}

impl Acceptor {
    /// Puts a listening socket on the loop, which owns the acceptor from then on.
    pub(crate) fn register(
        ioloop: &Handle,
        socket: ListeningSocket,
        admission: Admission,
        handle_stream: HandleStream,
    ) -> io::Result<Rc<Self>> {
        let acceptor = Rc::new(Self {
            socket: RefCell::new(Some(socket)),
            token: Cell::new(None),
            handle_stream,
            admission,
            short_since: Cell::new(None),
            spare: Spare::of(ioloop),
            failures: Complaint::default(),
            refusals: Complaint::default(),
        });
        let socket = acceptor.socket.borrow();
        let fd = socket.as_ref().map(AsFd::as_fd);
        let token = ioloop.register(acceptor.clone(), fd, Interest::Read)?;
        drop(socket);
        acceptor.token.set(Some(token));
        Ok(acceptor)
    }

    pub(crate) fn close(&self, ioloop: &Handle) {
        let Some(socket) = self.socket.take() else {
            return;
        };
        if let Some(token) = self.token.take() {
            // Not left to the close: where another process holds the socket too, it stays open,
            // and would ring this loop for every connection of the other.
            ioloop.deregister(token, Some(socket.as_fd()));
            self.admission.leave_queue(token);
        }
    }

    /// A descriptor of the socket for another process, and its file if that goes with it. `None`
    /// when it is closed.
    pub(crate) fn share(&self) -> io::Result<Option<(OwnedFd, Option<Rc<SocketFile>>)>> {
        let socket = self.socket.borrow();
        let Some(socket) = &*socket else {
            return Ok(None);
        };
        let file = socket.file().cloned();
        Ok(Some((socket.as_fd().try_clone_to_owned()?, file)))
    }

    fn may_accept(&self, ioloop: &Handle) -> bool {
        let Some(token) = self.token.get() else {
            return false;
        };
        if !self.admission.has_room_or_queue(token) {
            return false;
        }
        match self.admission.pause() {
            None => true,
            Some(pause) => {
                self.come_back_after(ioloop, pause);
                false
            }
        }
    }

    fn accept(&self) -> io::Result<Option<(OwnedFd, Address)>> {
        let socket = self.socket.borrow();
        let Some(socket) = &*socket else {
            return Ok(None);
        };
        match socket.accept() {
            Ok(accepted) => Ok(Some(accepted)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn admit(&self, ioloop: &Handle, socket: OwnedFd, peer: Address) {
        let Some(seat) = self.admission.seat(&peer) else {
            return self.refuse(ioloop, &socket, &peer);
        };
        if cfg!(not(target_os = "linux")) && peer.ip().is_some() {
            // A connection without it is slower, and no worse.
            let _ = SockRef::from(&socket).set_tcp_nodelay(true);
        }
        match IoStream::new(ioloop, SocketTransport::seated(socket, seat)) {
            Ok(stream) => (self.handle_stream)(stream, peer),
            Err(error) => self.complain(ioloop, &error),
        }
    }

    /// Closes a connection that has no seat, with a word if one is configured.
    fn refuse(&self, ioloop: &Handle, socket: &OwnedFd, peer: &Address) {
        let refusal = self.admission.refusal();
        if !refusal.is_empty() {
            // It fits in an empty buffer, or the peer hears less.
            let _ = SockRef::from(socket).send_with_flags(refusal, libc::MSG_NOSIGNAL);
        }
        if let Some(others) = self.refusals.due(ioloop.now()) {
            tracing::info!(
                target: "squall::iostream",
                %peer,
                others,
                "refused a connection: its peer has as many as it may"
            );
        }
    }

    // ---- out of descriptors, or of memory

    /// Rests, and when that has not helped for long enough, lets those who wait know.
    fn run_short(&self, ioloop: &Handle, error: &io::Error) {
        self.complain(ioloop, error);
        let since = self.short_since.get().unwrap_or_else(|| {
            self.short_since.set(Some(ioloop.now()));
            ioloop.now()
        });
        let waited = ioloop.now().saturating_duration_since(since);
        let can_refuse = [libc::EMFILE, libc::ENFILE]
            .iter()
            .any(|number| error.raw_os_error() == Some(*number));
        let is_patient = waited < self.admission.limits().patience;
        if is_patient || !can_refuse || !self.turn_away() {
            self.come_back_after(ioloop, REST);
        }
    }

    /// Accepts connections with the spare descriptor and closes them. Whether nobody is left.
    fn turn_away(&self) -> bool {
        for _ in 0..ACCEPTS_PER_TURN {
            // Closed within the loan: the spare needs its place again.
            let accepted = self
                .spare
                .lend(|| self.accept().map(|found| found.is_some()));
            match accepted {
                Some(Ok(true)) => self.admission.count_out_of_descriptors(),
                Some(Ok(false)) => {
                    self.short_since.set(None);
                    return true;
                }
                Some(Err(error)) if is_of_one_connection(&error) => self.admission.count_failed(),
                Some(Err(_)) | None => return false,
            }
        }
        false
    }

    fn come_back_after(&self, ioloop: &Handle, pause: Duration) {
        if let Some(token) = self.token.get() {
            ioloop.set_deadline(token, Some(pause));
        }
    }

    /// At most one line a second, however many connections fail.
    fn complain(&self, ioloop: &Handle, error: &io::Error) {
        if let Some(others) = self.failures.due(ioloop.now()) {
            tracing::warn!(
                target: "squall::iostream",
                %error,
                others,
                "cannot accept a connection"
            );
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
