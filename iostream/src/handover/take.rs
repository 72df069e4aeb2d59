//! The new process' side.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use squall_ioloop::Handle;

use super::HandoverError;
use super::wire::{
    DONE, LINE_BYTES_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, READY, TAKE, check_user, read_numbers,
};
use crate::descriptors::{DESCRIPTORS_MAX, DescriptorTransport};
use crate::unix_listener::{Adoption, SocketFile};
use crate::{IoStream, Listener, NamedListener, SocketTransport};

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
            let path = PathBuf::from(OsString::from_vec(path));
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
    /// [`HandoverError`]; [`HandoverError::FileGone`] when all is ours, but a socket's file was
    /// removed meanwhile. When the old process ends without an answer, it may have been asked too
    /// late, or have crashed: this one has the sockets in any case, and can go on.
    pub async fn confirm(mut self) -> Result<(), HandoverError> {
        self.stream.set_deadline(Some(self.timeout));
        self.stream.write(READY)?;
        let answer = self.stream.read_until(b"\n", LINE_BYTES_MAX).await?;
        if answer != DONE {
            return Err(HandoverError::Protocol("an unknown end"));
        }
        // All of them, before one that fails is told of.
        let completed: Vec<_> = self.adoptions.into_iter().map(Adoption::complete).collect();
        let completed: Result<(), PathBuf> = completed.into_iter().collect();
        completed.map_err(HandoverError::FileGone)
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

impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmation").finish_non_exhaustive()
    }
}
