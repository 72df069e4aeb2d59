//! The old process' side.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;

use squall_ioloop::Handle;

use super::HandoverError;
use super::wire::{ANSWER_TIMEOUT, DONE, LINE_BYTES_MAX, NAME_BYTES_MAX, READY, TAKE, check_user};
use crate::acceptor::Acceptor;
use crate::descriptors::{DESCRIPTORS_MAX, DescriptorTransport};
use crate::unix_listener::SocketFile;
use crate::waiter::Waiters;
use crate::{
    Admission, AdmissionLimits, BindError, IoStream, ListenerOptions, Listening, bind_unix_socket,
};

/// An offer of listening sockets on a Unix path. Dropping it withdraws it.
///
/// One process at a time may take; others wait. See the [module](super) for its use.
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
        let Sockets {
            message,
            descriptors,
            files,
        } = self.sockets()?;
        let mut stream = carry(stream, descriptors)?;
        stream.set_deadline(Some(ANSWER_TIMEOUT));
        stream.write(&message)?;
        stream.drained(0).await?;
        stream.set_deadline(Some(self.timeout.get()));
        if stream.read_until(b"\n", LINE_BYTES_MAX).await? != READY {
            return Err(HandoverError::Protocol("an unknown confirmation"));
        }
        self.give_up(&files)?;
        stream.set_deadline(Some(ANSWER_TIMEOUT));
        // The successor is ready. Should it not hear of our end, nothing changes.
        stream.write(DONE)?;
        stream.drained(0).await?;
        Ok(())
    }

    fn sockets(&self) -> Result<Sockets, HandoverError> {
        let mut body = Vec::new();
        let mut descriptors = Vec::new();
        let mut files = Vec::new();
        for (name, acceptor) in &*self.offered.borrow() {
            let Some(acceptor) = acceptor.upgrade() else {
                continue;
            };
            let Some((fd, file)) = acceptor.share().map_err(HandoverError::System)? else {
                continue;
            };
            let path = file
                .as_ref()
                .map_or(&[][..], |file| file.path().as_os_str().as_bytes());
            let lengths = format!("{} {}\n", name.len(), path.len());
            for piece in [lengths.as_bytes(), name.as_bytes(), path] {
                body.extend_from_slice(piece);
            }
            descriptors.push(fd);
            files.extend(file);
        }
        let mut message = format!("{}\n", descriptors.len()).into_bytes();
        message.extend_from_slice(&body);
        Ok(Sockets {
            message,
            descriptors,
            files,
        })
    }

    /// Everything that was sent is the successor's now.
    fn give_up(&self, files: &[Rc<SocketFile>]) -> Result<(), HandoverError> {
        if self.state.get() != OfferState::Open {
            return Err(HandoverError::Protocol("the offer was withdrawn"));
        }
        self.state.set(OfferState::Taken);
        files.iter().for_each(|file| file.leave());
        let listening = self.listening.take();
        drop(listening);
        self.taken.wake();
        Ok(())
    }
}

/// What is sent to a successor.
struct Sockets {
    /// How many there are; of each the length of its name and of its file's path, and both.
    message: Vec<u8>,
    /// Beside it.
    descriptors: Vec<OwnedFd>,
    /// Held until the exchange is over: a server that stops meanwhile must not remove what may be
    /// the successor's.
    files: Vec<Rc<SocketFile>>,
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

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("sockets", &self.inner.offered.borrow().len())
            .field("is_taken", &(self.inner.state.get() == OfferState::Taken))
            .finish_non_exhaustive()
    }
}
