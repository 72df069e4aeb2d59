//! Handing listening sockets to another process: a restart without a lost connection.
//!
//! A socket is not moved but shared: both processes hold it, with one backlog, and no connection
//! falls between them. The old process listens on a Unix socket, and whoever connects, and is the
//! same user, is sent descriptors of its listening sockets (`SCM_RIGHTS`).
//!
//! ```text
//!   old process                                   new process
//!   offers on a path                              is started, by whomever
//!                          <------ take --------  take(path)
//!   accepts                ------ sockets ----->  puts them on its loop, reads its files,
//!   accepts                                       accepts
//!                          <----- ready --------  confirm()
//!   gives up the path      ------ done -------->  offers on the path, for its own successor
//!   stops accepting, drains, exits
//! ```
//!
//! Until `ready` nothing is final: if the new process fails, it closes its descriptors, and the
//! old one has noticed nothing.
//!
//! # A restart, step by step
//!
//! 1. Begin with [`take`]. It gives `None` where nobody offers: then bind the sockets.
//! 2. Put the sockets on servers, and do all else that may fail.
//! 3. [`Confirmation::confirm`]. From here on the old process accepts nobody.
//! 4. [`Offer::bind`] on the same path, add what listens, and wait for [`Offer::taken`] beside the
//!    work. When it is ready, there is a successor: drain, and exit.
//! 5. To restart, start the new program.
//!
//! ```no_run
//! use std::time::Duration;
//! use squall_ioloop::{Handle, IoLoop};
//! use squall_iostream::{IoStream, TcpServer, handover};
//!
//! const PATH: &str = "/run/echo/handover";
//!
//! async fn run(ioloop: &Handle) -> Result<(), Box<dyn std::error::Error>> {
//!     let server = TcpServer::new(ioloop, |mut stream: IoStream, _peer| async move {
//!         let line = stream.read_until(b"\n", 1024).await?;
//!         stream.write(&line)?;
//!         stream.drained(0).await
//!     });
//!     if let Some(taken) = handover::take(ioloop, PATH, Duration::from_secs(10)).await? {
//!         for named in taken.listeners {
//!             server.add_listener(named.listener)?;
//!         }
//!         taken.confirmation.confirm().await?;
//!     } else {
//!         server.listen(8888, None)?;
//!     }
//!     let offer = handover::Offer::bind(ioloop, PATH)?;
//!     server.offer_to(&offer, "echo")?;
//!     offer.taken().await;
//!     server.drain(Duration::from_secs(30)).await;
//!     Ok(())
//! }
//!
//! let ioloop = IoLoop::new()?;
//! ioloop.run_until(run(&ioloop))?
//! # ; Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With sockets that have `SO_REUSEPORT` the system gives each its own connections, so all of them
//! must be added.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use squall_ioloop::Handle;

use crate::acceptor::Acceptor;
use crate::descriptors::{DESCRIPTORS_MAX, DescriptorTransport};
use crate::unix_listener::{Adoption, SocketFile};
use crate::waiter::Waiters;
use crate::{
    Admission, AdmissionLimits, BindError, IoStream, Listener, ListenerOptions, Listening,
    NamedListener, NotAListener, SocketTransport, StreamClosed, StreamError, bind_unix_socket,
};

const TAKE: &[u8] = b"squall handover 1: take\n";
const READY: &[u8] = b"ready\n";
const DONE: &[u8] = b"done\n";

/// A line is one of the above, or the beginning of an answer with numbers.
const LINE_BYTES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 255;
const PATH_BYTES_MAX: usize = 4096;
/// How long the other side may take for what it has only to read and write.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// An offer of listening sockets on a Unix path. Dropping it withdraws it.
///
/// One process at a time may take; others wait. See the [module](self) for its use.
pub struct Offer {
    inner: Rc<Inner>,
}

struct Inner {
    offered: RefCell<Vec<(String, Weak<Acceptor>)>>,
    timeout: Cell<Duration>,
    state: Cell<OfferState>,
    taken: Waiters,
    /// Until it is taken or withdrawn.
    listening: RefCell<Option<Listening>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OfferState {
    Open,
    Taken,
    Withdrawn,
}

impl Offer {
    /// Offers on a path, where only the same user can connect. As [`bind_unix_socket`] does, it
    /// replaces what a crashed process has left there, and removes the file in the end.
    ///
    /// # Errors
    /// [`BindError`]: for one, another process offers there.
    pub fn bind(ioloop: &Handle, path: impl AsRef<Path>) -> Result<Self, BindError> {
        let listener = bind_unix_socket(path, &ListenerOptions::default())?;
        let inner = Rc::new(Inner {
            offered: RefCell::default(),
            timeout: Cell::new(Duration::from_secs(60)),
            state: Cell::new(OfferState::Open),
            taken: Waiters::default(),
            listening: RefCell::default(),
        });
        let one = Admission::new(ioloop, AdmissionLimits::default().connections_max(1));
        let (weak, handle) = (Rc::downgrade(&inner), ioloop.clone());
        let listening = listener.accept_admitted(ioloop, &one, move |stream, _| {
            if let Some(inner) = weak.upgrade() {
                handle.spawn_detached(serve(inner, stream));
            }
        });
        inner
            .listening
            .replace(Some(listening.map_err(BindError::on_loop)?));
        Ok(Self { inner })
    }

    /// How long a successor may take from getting the sockets to being ready. Default 60 seconds.
    /// Beyond it the next may try.
    #[must_use]
    pub fn timeout(self, duration: Duration) -> Self {
        self.inner.timeout.set(duration);
        self
    }

    /// Offers a socket under a name. Several may have the same.
    ///
    /// # Errors
    /// [`HandoverError::TooMany`] beyond 64 sockets, [`HandoverError::NameTooLong`] beyond 255
    /// bytes.
    pub fn add(&self, name: &str, listening: &Listening) -> Result<(), HandoverError> {
        let mut offered = self.inner.offered.borrow_mut();
        if name.len() > NAME_BYTES_MAX {
            return Err(HandoverError::NameTooLong);
        }
        if offered.len() >= DESCRIPTORS_MAX {
            return Err(HandoverError::TooMany);
        }
        offered.push((name.to_owned(), listening.acceptor().clone()));
        Ok(())
    }

    /// Waits until a successor has taken the sockets and is ready. Then the path is free, the
    /// files of Unix sockets are the successor's, and it is time to
    /// [drain](crate::TcpServer::drain).
    pub async fn taken(&self) {
        poll_fn(|cx| {
            if self.inner.state.get() == OfferState::Taken {
                return Poll::Ready(());
            }
            self.inner.taken.wait(cx.waker());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        if self.inner.state.get() == OfferState::Open {
            self.inner.state.set(OfferState::Withdrawn);
        }
        let listening = self.inner.listening.take();
        drop(listening);
    }
}

async fn serve(inner: Rc<Inner>, stream: IoStream) {
    match inner.hand_over(stream).await {
        Ok(()) => tracing::info!(target: "squall::iostream", "the listening sockets were taken"),
        Err(error) => tracing::warn!(
            target: "squall::iostream",
            %error,
            "a process has not taken the listening sockets that it asked for"
        ),
    }
}

impl Inner {
    async fn hand_over(&self, mut stream: IoStream) -> Result<(), HandoverError> {
        check_user(&stream)?;
        stream.set_deadline(Some(ANSWER_TIMEOUT));
        if stream.read_until(b"\n", LINE_BYTES_MAX).await? != TAKE {
            return Err(HandoverError::Protocol("an unknown request"));
        }
        let (message, descriptors) = self.sockets()?;
        let mut stream = carry(stream, descriptors)?;
        stream.set_deadline(Some(ANSWER_TIMEOUT));
        stream.write(&message)?;
        stream.drained(0).await?;
        stream.set_deadline(Some(self.timeout.get()));
        if stream.read_until(b"\n", LINE_BYTES_MAX).await? != READY {
            return Err(HandoverError::Protocol("an unknown confirmation"));
        }
        self.give_up()?;
        stream.set_deadline(Some(ANSWER_TIMEOUT));
        // The successor is ready. Should it not hear of our end, nothing changes.
        stream.write(DONE)?;
        stream.drained(0).await?;
        Ok(())
    }

    /// What is sent: how many there are; of each the length of its name and of its file's path,
    /// and both; and the descriptors beside it.
    fn sockets(&self) -> Result<(Vec<u8>, Vec<OwnedFd>), HandoverError> {
        let mut body = Vec::new();
        let mut descriptors = Vec::new();
        for (name, acceptor) in &*self.offered.borrow() {
            let Some(acceptor) = acceptor.upgrade() else {
                continue;
            };
            let Some((fd, path)) = acceptor.share().map_err(HandoverError::System)? else {
                continue;
            };
            let path = path.unwrap_or_default().into_os_string().into_vec();
            let lengths = format!("{} {}\n", name.len(), path.len());
            for piece in [lengths.as_bytes(), name.as_bytes(), &path] {
                body.extend_from_slice(piece);
            }
            descriptors.push(fd);
        }
        let mut message = format!("{}\n", descriptors.len()).into_bytes();
        message.extend_from_slice(&body);
        Ok((message, descriptors))
    }

    /// Everything is the successor's now.
    fn give_up(&self) -> Result<(), HandoverError> {
        if self.state.get() != OfferState::Open {
            return Err(HandoverError::Protocol("the offer was withdrawn"));
        }
        self.state.set(OfferState::Taken);
        for (_, acceptor) in &*self.offered.borrow() {
            if let Some(acceptor) = acceptor.upgrade() {
                acceptor.leave_file();
            }
        }
        let listening = self.listening.take();
        drop(listening);
        self.taken.wake();
        Ok(())
    }
}

/// What [`take`] has found.
#[derive(Debug)]
pub struct Taken {
    /// The listening sockets, in the order in which they were added.
    pub listeners: Vec<NamedListener>,
    /// For when they are accepted from.
    pub confirmation: Confirmation,
}

/// Ends the old process' accepting. Dropping it, or the process, leaves all to the old one.
pub struct Confirmation {
    stream: IoStream,
    adoptions: Vec<Adoption>,
    timeout: Duration,
}

/// Takes the listening sockets that another process offers at `path`; `None` where nobody does.
/// They are shared with it until [`Confirmation::confirm`]. `timeout` bounds all of it.
///
/// # Errors
/// [`HandoverError`]: the one who offers is another user, or does not answer as it should, or in
/// time.
pub async fn take(
    ioloop: &Handle,
    path: impl AsRef<Path>,
    timeout: Duration,
) -> Result<Option<Taken>, HandoverError> {
    let Some(socket) = connect(path.as_ref()).map_err(HandoverError::System)? else {
        return Ok(None);
    };
    let transport = SocketTransport::from_nonblocking(socket);
    let transport = DescriptorTransport::new(Box::new(transport), Vec::new());
    let incoming = transport.incoming();
    let mut stream = IoStream::new(ioloop, transport).map_err(HandoverError::System)?;
    check_user(&stream)?;
    stream.set_deadline(Some(timeout));
    stream.write(TAKE)?;
    let [count] = read_numbers(&mut stream, [DESCRIPTORS_MAX]).await?;
    let mut labels = Vec::with_capacity(count);
    for _ in 0..count {
        let maxima = [NAME_BYTES_MAX, PATH_BYTES_MAX];
        let [name_len, path_len] = read_numbers(&mut stream, maxima).await?;
        let name = String::from_utf8(stream.read_bytes(name_len).await?)
            .map_err(|_| HandoverError::Protocol("a name that is not UTF-8"))?;
        labels.push((name, stream.read_bytes(path_len).await?));
    }
    stream.set_deadline(None);
    let descriptors = incoming.take();
    if descriptors.len() != count {
        return Err(HandoverError::Protocol("not as many descriptors as names"));
    }
    let mut taken = Taken {
        listeners: Vec::with_capacity(count),
        confirmation: Confirmation {
            stream,
            adoptions: Vec::new(),
            timeout,
        },
    };
    for ((name, path), fd) in labels.into_iter().zip(descriptors) {
        let mut listener = match Listener::from_fd(fd) {
            Ok(listener) => listener,
            Err(source) => return Err(HandoverError::NotAListener { name, source }),
        };
        if !path.is_empty() {
            let path = PathBuf::from(std::ffi::OsString::from_vec(path));
            let (file, adoption) = SocketFile::to_adopt(path);
            listener.put_file(file);
            taken.confirmation.adoptions.push(adoption);
        }
        taken.listeners.push(NamedListener { name, listener });
    }
    Ok(Some(taken))
}

impl Confirmation {
    /// Tells the old process that this one accepts, and waits until it has given up its path: from
    /// then on it accepts nobody, and the files of Unix sockets are removed by us.
    ///
    /// # Errors
    /// [`HandoverError`]. When the old process ends without an answer, it may have been asked too
    /// late, or have crashed: this one has the sockets in any case, and can go on.
    pub async fn confirm(mut self) -> Result<(), HandoverError> {
        self.stream.set_deadline(Some(self.timeout));
        self.stream.write(READY)?;
        let answer = self.stream.read_until(b"\n", LINE_BYTES_MAX).await?;
        if answer != DONE {
            return Err(HandoverError::Protocol("an unknown end"));
        }
        self.adoptions.into_iter().for_each(Adoption::complete);
        Ok(())
    }
}

/// Connects, which on a Unix socket never has to wait: it is refused when the backlog is full.
fn connect(path: &Path) -> io::Result<Option<Socket>> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(Some(socket)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(None),
        Err(error) => Err(error),
    }
}

/// Moves the stream onto a transport that sends descriptors with its next bytes.
fn carry(stream: IoStream, descriptors: Vec<OwnedFd>) -> Result<IoStream, HandoverError> {
    let ioloop = stream.ioloop().clone();
    let (inner, unread) = stream
        .into_parts()
        .map_err(|_| HandoverError::System(io::ErrorKind::NotConnected.into()))?;
    if !unread.is_empty() {
        return Err(HandoverError::Protocol("more than a request"));
    }
    let transport = DescriptorTransport::new(inner, descriptors);
    IoStream::new(&ioloop, transport).map_err(HandoverError::System)
}

/// A line of numbers, none beyond its maximum.
async fn read_numbers<const N: usize>(
    stream: &mut IoStream,
    maxima: [usize; N],
) -> Result<[usize; N], HandoverError> {
    let line = stream.read_until(b"\n", LINE_BYTES_MAX).await?;
    let text = std::str::from_utf8(&line).unwrap_or_default();
    let mut words = text.trim_end_matches('\n').split(' ');
    let mut numbers = [0; N];
    for (number, max) in numbers.iter_mut().zip(maxima) {
        let word = words.next().unwrap_or_default();
        *number = match word.parse() {
            Ok(number) if number <= max => number,
            _ => return Err(HandoverError::Protocol("a number that makes no sense")),
        };
    }
    match words.next() {
        None => Ok(numbers),
        Some(_) => Err(HandoverError::Protocol("too many numbers")),
    }
}

/// The other side has to be the same user, or root, who could be any. The mode of the file has
/// seen to it on one side; on the other, anybody may have put a socket there.
fn check_user(stream: &IoStream) -> Result<(), HandoverError> {
    let mut checked = Err(HandoverError::System(io::ErrorKind::NotConnected.into()));
    stream.handle.core().transport.with_fd(&mut |fd| {
        checked = check_user_of(fd);
    });
    checked
}

#[cfg(target_os = "linux")]
fn check_user_of(fd: BorrowedFd<'_>) -> Result<(), HandoverError> {
    let credentials = rustix::net::sockopt::socket_peercred(fd)
        .map_err(|error| HandoverError::System(error.into()))?;
    let is_trusted = credentials.uid == rustix::process::geteuid() || credentials.uid.is_root();
    match is_trusted {
        true => Ok(()),
        false => Err(HandoverError::OtherUser(credentials.uid.as_raw())),
    }
}

/// Where the system does not tell, the mode of the file and of its directory decide.
#[cfg(not(target_os = "linux"))]
fn check_user_of(_: BorrowedFd<'_>) -> Result<(), HandoverError> {
    Ok(())
}

/// Why sockets were not handed over.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandoverError {
    /// The other side is a process of another user, of this number.
    OtherUser(u32),
    /// The other side says something else than it should.
    Protocol(&'static str),
    /// The other side is too slow.
    TimedOut,
    /// The other side has gone.
    Closed(StreamClosed),
    /// More than 64 sockets.
    TooMany,
    /// A name of more than 255 bytes.
    NameTooLong,
    /// What came under this name is not a listening socket.
    NotAListener {
        /// The name.
        name: String,
        /// What it is instead.
        source: NotAListener,
    },
    /// What the system says.
    System(io::Error),
}

impl From<StreamError> for HandoverError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Closed(closed) => Self::Closed(closed),
            StreamError::TimedOut => Self::TimedOut,
            _ => Self::Protocol("a line that is too long"),
        }
    }
}

impl From<StreamClosed> for HandoverError {
    fn from(closed: StreamClosed) -> Self {
        Self::Closed(closed)
    }
}

impl fmt::Display for HandoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherUser(uid) => write!(f, "hand-over with another user, number {uid}"),
            Self::Protocol(what) => write!(f, "hand-over: {what}"),
            Self::TimedOut => f.write_str("the hand-over took too long"),
            Self::Closed(closed) => write!(f, "hand-over: {closed}"),
            Self::TooMany => write!(f, "more than {DESCRIPTORS_MAX} sockets to hand over"),
            Self::NameTooLong => write!(f, "a name of more than {NAME_BYTES_MAX} bytes"),
            Self::NotAListener { name, source } => write!(f, "hand-over of {name:?}: {source}"),
            Self::System(error) => write!(f, "hand-over: {error}"),
        }
    }
}

impl std::error::Error for HandoverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Closed(closed) => Some(closed),
            Self::NotAListener { source, .. } => Some(source),
            Self::System(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("sockets", &self.inner.offered.borrow().len())
            .field("is_taken", &(self.inner.state.get() == OfferState::Taken))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmation").finish_non_exhaustive()
    }
}
