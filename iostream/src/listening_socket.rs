//! A socket that listens, TCP or Unix: what it is made of, and how one that others have made is
//! checked.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use socket2::{SockRef, Socket, Type};

use crate::Address;
use crate::listener::NOTSENT_LOWAT;
use crate::unix_listener::SocketFile;

/// Bounds what the system takes of each connection that will be accepted here; they inherit it.
#[cfg(any(target_os = "android", target_os = "linux"))]
pub(crate) fn set_notsent_lowat(socket: &Socket, bytes: u32) -> io::Result<()> {
    socket.set_tcp_notsent_lowat(bytes)
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
#[expect(clippy::unnecessary_wraps, reason = "it is called as the other one is")]
pub(crate) fn set_notsent_lowat(_: &Socket, _: u32) -> io::Result<()> {
    Ok(())
}

/// Whether somebody has set it: 0 stands for the system's default.
#[cfg(any(target_os = "android", target_os = "linux"))]
fn has_notsent_lowat(socket: &Socket) -> io::Result<bool> {
    Ok(socket.tcp_notsent_lowat()? != 0)
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
#[expect(clippy::unnecessary_wraps, reason = "it is called as the other one is")]
fn has_notsent_lowat(_: &Socket) -> io::Result<bool> {
    Ok(true)
}

/// A non-blocking listening socket.
pub(crate) enum ListeningSocket {
    Tcp(mio::net::TcpListener),
    /// With its file, if removing that is ours. First, so that it goes while the socket is still
    /// open: then nobody takes the file for one that a dead server has left.
    Unix(Option<Rc<SocketFile>>, mio::net::UnixListener),
}

impl ListeningSocket {
    /// Takes over a descriptor that is said to listen.
    pub(crate) fn from_fd(fd: OwnedFd) -> Result<Self, NotAListener> {
        let socket = Socket::from(fd);
        let address = address_of(&socket)?;
        let prepare = || -> io::Result<()> {
            // Inherited ones lack it, and must not be inherited once more by accident.
            socket.set_cloexec(true)?;
            socket.set_nonblocking(true)?;
            if address.inet().is_some() {
                socket.set_tcp_nodelay(true)?;
                if !has_notsent_lowat(&socket)? {
                    set_notsent_lowat(&socket, NOTSENT_LOWAT)?;
                }
            }
            Ok(())
        };
        prepare().map_err(NotAListener::System)?;
        let fd = OwnedFd::from(socket);
        Ok(match address {
            Address::Inet(_) => Self::Tcp(mio::net::TcpListener::from_std(fd.into())),
            Address::Unix(_) => Self::Unix(None, mio::net::UnixListener::from_std(fd.into())),
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<Address> {
        Ok(SockRef::from(&self.as_fd()).local_addr()?.into())
    }

    pub(crate) fn accept(&self) -> io::Result<(OwnedFd, Address)> {
        match self {
            Self::Tcp(socket) => {
                let (socket, peer) = socket.accept()?;
                Ok((socket.into(), peer.into()))
            }
            Self::Unix(_, socket) => {
                let (socket, peer) = socket.accept()?;
                Ok((socket.into(), peer.into()))
            }
        }
    }

    pub(crate) fn put_file(&mut self, file: SocketFile) {
        if let Self::Unix(place, _) = self {
            *place = Some(Rc::new(file));
        }
    }

    pub(crate) fn file(&self) -> Option<&Rc<SocketFile>> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(file, _) => file.as_ref(),
        }
    }
}

/// The address of a stream socket that listens, or why it is none.
fn address_of(socket: &Socket) -> Result<Address, NotAListener> {
    let system = |error: io::Error| match error.raw_os_error() {
        Some(libc::ENOTSOCK) => NotAListener::NotASocket,
        _ => NotAListener::System(error),
    };
    if socket.r#type().map_err(system)? != Type::STREAM {
        return Err(NotAListener::NotAStream);
    }
    if !is_listening(socket).map_err(system)? {
        return Err(NotAListener::NotListening);
    }
    let address = socket.local_addr().map_err(system)?;
    if address.is_unix() || address.as_socket().is_some() {
        Ok(address.into())
    } else {
        Err(NotAListener::UnknownFamily)
    }
}

#[cfg(not(target_vendor = "apple"))]
fn is_listening(socket: &Socket) -> io::Result<bool> {
    Ok(rustix::net::sockopt::socket_acceptconn(socket)?)
}

/// Apple's systems know the question and not the answer; there the first `accept` tells.
#[cfg(target_vendor = "apple")]
fn is_listening(_: &Socket) -> io::Result<bool> {
    Ok(true)
}

impl AsFd for ListeningSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(_, socket) => socket.as_fd(),
        }
    }
}

/// Why a descriptor that others have made cannot be listened on.
#[derive(Debug)]
#[non_exhaustive]
pub enum NotAListener {
    /// It is not open.
    NotOpen,
    /// It was opened by this process, and so was not inherited.
    NotInherited,
    /// It is no socket.
    NotASocket,
    /// It is a socket for datagrams, or another that is no stream.
    NotAStream,
    /// It is a stream socket that does not listen: connected, or only bound.
    NotListening,
    /// It is of a family other than IPv4, IPv6 and Unix.
    UnknownFamily,
    /// The system refuses to answer, or to make it non-blocking.
    System(io::Error),
}

impl fmt::Display for NotAListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => f.write_str("it is not open"),
            Self::NotInherited => f.write_str("it was not inherited, but opened by this process"),
            Self::NotASocket => f.write_str("it is not a socket"),
            Self::NotAStream => f.write_str("it is not a stream socket"),
            Self::NotListening => f.write_str("it does not listen"),
            Self::UnknownFamily => f.write_str("it is neither TCP nor a Unix socket"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NotAListener {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System(error) => Some(error),
            _ => None,
        }
    }
}

impl From<NotAListener> for io::Error {
    fn from(error: NotAListener) -> Self {
        match error {
            NotAListener::System(error) => error,
            error => Self::new(io::ErrorKind::InvalidInput, error),
        }
    }
}
