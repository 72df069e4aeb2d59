//! Unix sockets that listen: their rights, their stale files, and the end of their own.

use std::cell::Cell;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::Mode;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::bind::{BindError, BindPhase};
use crate::listener::ListenerOptions;
use crate::listening_socket::ListeningSocket;
use crate::{Address, Listener};

/// Listens on a Unix socket. `path` names a file; on Linux, one that begins with a NUL is a name
/// outside of the file system, which has no rights, and everybody on the machine may connect.
/// Tornado's `bind_unix_socket`.
///
/// The file gets the mode of [`ListenerOptions::unix_mode`], 0600 by default, and never a wider
/// one, not for a moment. It is removed when the listener closes, if it is still this one.
///
/// A socket at `path` that nobody listens on, as a crash leaves it, is replaced. One that somebody
/// listens on is in use (Tornado removes it, and so takes the port from under a running server).
/// Anything else is an error, and stays. Of two servers that find the same stale file in the same
/// moment, one may lose its file to the other: have them started by one manager.
///
/// ```
/// use squall_iostream::{ListenerOptions, bind_unix_socket};
/// let path = std::env::temp_dir().join(format!("squall-{}.socket", std::process::id()));
/// let listener = bind_unix_socket(&path, &ListenerOptions::default())?;
/// assert!(bind_unix_socket(&path, &ListenerOptions::default()).is_err()); // in use
/// drop(listener);
/// assert!(!path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`BindError`]: in use, not a socket, longer than the system's limit (107 bytes on Linux), or
/// what else the system says.
pub fn bind_unix_socket(
    path: impl AsRef<Path>,
    options: &ListenerOptions,
) -> Result<Listener, BindError> {
    let path = path.as_ref();
    let (address, sockaddr) = address_of(path)?;
    let at = |phase| {
        let address = address.clone();
        move |source| BindError::new(address, phase, source)
    };
    let open = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let socket = open().map_err(at(BindPhase::Open))?;
    let file = if address.path().is_some() {
        Some(bind_to_file(&socket, path, &sockaddr, options.unix_mode)?)
    } else {
        socket.bind(&sockaddr).map_err(at(BindPhase::Bind))?;
        None
    };
    socket
        .listen(options.backlog)
        .map_err(at(BindPhase::Listen))?;
    let socket = mio::net::UnixListener::from_std(socket.into());
    Ok(Listener::from_socket(ListeningSocket::Unix(
        file.map(Rc::new),
        socket,
    )))
}

fn address_of(path: &Path) -> Result<(Address, SockAddr), BindError> {
    // An empty path would make the system choose a name of its own.
    let named = match path.as_os_str().is_empty() {
        true => Err(io::Error::new(io::ErrorKind::InvalidInput, "an empty path")),
        false => SockAddr::unix(path),
    };
    match named {
        Ok(sockaddr) => Ok((Address::from(sockaddr.clone()), sockaddr)),
        Err(source) => Err(BindError::System {
            address: format!("unix:{}", path.as_os_str().as_bytes().escape_ascii()),
            phase: BindPhase::Bind,
            source,
        }),
    }
}

/// Between `bind` and `listen` the file is there, and a client that may write to it is refused.
/// So its mode can be set in between, and nobody has got in before: no umask has to be changed,
/// which all threads share, and no directory is needed to hide the file in.
fn bind_to_file(
    socket: &Socket,
    path: &Path,
    sockaddr: &SockAddr,
    mode: u32,
) -> Result<SocketFile, BindError> {
    let at = |phase| move |source| BindError::new(Address::from(sockaddr.clone()), phase, source);
    // Linux makes the file with the mode that the socket has, less the umask: with this, it is
    // never wider in the first place. Other systems ignore it or fail, and lose nothing.
    let _ = rustix::fs::fchmod(socket.as_fd(), Mode::from_raw_mode((mode & 0o777) as _));
    match socket.bind(sockaddr) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(path, sockaddr, error)?;
            socket.bind(sockaddr).map_err(at(BindPhase::Bind))?;
        }
        result => result.map_err(at(BindPhase::Bind))?,
    }
    // From here on the file goes with the value, also where what follows fails.
    let file = SocketFile::at(path).map_err(at(BindPhase::Bind))?;
    set_mode(path, mode & 0o777).map_err(at(BindPhase::SetMode))?;
    Ok(file)
}

/// Where the file has the mode already, which on Linux is so unless the umask forbids it, nothing
/// is done by name: in a directory that others may write to, the name could be another file's.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.file_type().is_socket() && found.permissions().mode() & 0o777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Removes a socket that refuses connections: its listener is gone. `in_use` is what is said of
/// one that does not.
fn remove_stale(path: &Path, sockaddr: &SockAddr, in_use: io::Error) -> Result<(), BindError> {
    let at = |phase| move |source| BindError::new(Address::from(sockaddr.clone()), phase, source);
    let found = fs::symlink_metadata(path).map_err(at(BindPhase::ReplaceStale))?;
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket { path: path.into() });
    }
    let probe = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // A full backlog is an answer too, and not worth waiting for.
        socket.set_nonblocking(true)?;
        socket.connect(sockaddr)
    };
    match probe() {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        _ => return Err(at(BindPhase::Bind)(in_use)),
    }
    // Perhaps another server was faster, and this is its file now.
    let is_same = fs::symlink_metadata(path).is_ok_and(|now| identity(&now) == identity(&found));
    if !is_same {
        return Err(at(BindPhase::Bind)(in_use));
    }
    fs::remove_file(path).map_err(at(BindPhase::ReplaceStale))
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// The file of a listening Unix socket: removed when dropped, if it is still the same. Shared with
/// an exchange in which the socket is handed over: the file stays until that has ended.
pub(crate) struct SocketFile {
    /// Absolute, for the process may change its directory.
    path: PathBuf,
    /// `None` while it is in another's charge.
    identity: Rc<Cell<Option<(u64, u64)>>>,
}

/// A file that is still in the charge of the process that its socket comes from.
pub(crate) struct Adoption {
    path: PathBuf,
    found: Option<(u64, u64)>,
    identity: Rc<Cell<Option<(u64, u64)>>>,
}

impl SocketFile {
    /// Takes charge of a file that is there.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let found = identity(&fs::symlink_metadata(path)?);
        Ok(Self {
            path: std::path::absolute(path)?,
            identity: Rc::new(Cell::new(Some(found))),
        })
    }

    /// A file that is to be ours when its present owner says so.
    pub(crate) fn to_adopt(path: PathBuf) -> (Self, Adoption) {
        let identity: Rc<Cell<Option<_>>> = Rc::default();
        let found = fs::symlink_metadata(&path).ok();
        let adoption = Adoption {
            path: path.clone(),
            found: found.as_ref().map(self::identity),
            identity: identity.clone(),
        };
        (Self { path, identity }, adoption)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the file to another owner.
    pub(crate) fn leave(&self) {
        self.identity.set(None);
    }
}

impl Adoption {
    /// Takes charge. Fails, with the path, where the file is not that of the socket any more: then
    /// nobody can connect.
    pub(crate) fn complete(self) -> Result<(), PathBuf> {
        self.identity.set(self.found);
        let present = fs::symlink_metadata(&self.path).ok();
        match present.as_ref().map(identity) {
            Some(present) if Some(present) == self.found => Ok(()),
            _ => Err(self.path),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = self.identity.get().is_some_and(|ours| {
            fs::symlink_metadata(&self.path)
                .is_ok_and(|found| found.file_type().is_socket() && identity(&found) == ours)
        });
        if is_ours {
            // Fails when the directory is no longer ours to write; the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn on_linux_the_file_has_the_socket_s_mode_from_its_first_moment() {
        let name = format!("squall-mode-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        for mode in [0o600, 0o200, 0o000] {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            rustix::fs::fchmod(socket.as_fd(), Mode::from_raw_mode(mode)).unwrap();
            socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
            let _file = SocketFile::at(&path).unwrap();
            let found = fs::symlink_metadata(&path).unwrap().permissions().mode();
            assert_eq!(found & 0o777 & !mode, 0, "{found:o}");
            // And before it listens, nobody gets in.
            let refused = std::os::unix::net::UnixStream::connect(&path).unwrap_err();
            let is_root = rustix::process::geteuid().is_root();
            let is_allowed = is_root || mode & 0o200 != 0;
            assert!(!is_allowed || refused.kind() == io::ErrorKind::ConnectionRefused);
        }
        assert!(!path.exists());
    }
}
