//! Streams over Unix sockets: connected ones, and pairs.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use squall_ioloop::{Handle, sleep};

use crate::{IoStream, SocketTransport, UnixAddress};

/// How long to wait for a place in a listener's backlog. The system has no limit of its own.
const BACKLOG_WAIT_MAX: Duration = Duration::from_secs(30);
/// The first pause between two attempts; each is twice as long as the one before it.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(100);

impl IoStream {
    /// Connects to a Unix socket: a path, or a [`UnixAddress`] for a name outside of the file
    /// system. There is no handshake, so this waits for one thing only: a place in the listener's
    /// backlog, when that is full. The system tells nobody when there is one, so this asks again,
    /// after one millisecond and then ever more rarely, ten times a second at last, for at most
    /// 30 s. Dropping the future closes the socket.
    ///
    /// ```
    /// use squall_ioloop::IoLoop;
    /// use squall_iostream::IoStream;
    /// # use std::io::Write;
    /// # let path = std::env::temp_dir().join(format!("squall-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// let listener = std::os::unix::net::UnixListener::bind(&path)?;
    /// let ioloop = IoLoop::new()?;
    /// let mut stream = ioloop.run_until(IoStream::connect_unix(&ioloop, &*path))??;
    /// listener.accept()?.0.write_all(b"hello")?;
    /// assert_eq!(ioloop.run_until(stream.read_bytes(5))??, b"hello");
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for an address that is none: unnamed, too long (107 bytes
    /// on Linux), or with a NUL in its path. [`io::ErrorKind::TimedOut`] when the backlog stays
    /// full. Else what the system says: no such file, refused (nobody listens on a file that a
    /// dead server has left), not allowed, no descriptors left.
    ///
    /// # Panics
    /// When it has to wait where no loop is turning.
    pub async fn connect_unix(
        ioloop: &Handle,
        address: impl Into<UnixAddress>,
    ) -> io::Result<Self> {
        let address = address.into().to_system()?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        let begun = ioloop.now();
        let mut pause = PAUSE_MIN;
        while let Err(error) = socket.connect(&address) {
            if error.kind() != io::ErrorKind::WouldBlock {
                return Err(error);
            }
            if ioloop.now() - begun >= BACKLOG_WAIT_MAX {
                let text = "connecting: the listener's backlog was full for 30 s";
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            sleep(pause).await;
            pause = PAUSE_MAX.min(pause * 2);
        }
        Self::new(ioloop, SocketTransport::from_nonblocking(socket))
    }

    /// A stream over a connected socket of the standard library.
    ///
    /// # Errors
    /// What the system says when the socket is made non-blocking or put on the loop.
    pub fn from_unix(ioloop: &Handle, socket: std::os::unix::net::UnixStream) -> io::Result<Self> {
        Self::new(ioloop, SocketTransport::try_from(socket)?)
    }

    /// Two streams over a pair of sockets without a name (`socketpair`): what is written to one is
    /// read from the other. For a child that inherits the other end, or for a test that wants
    /// the system's buffers; for one that does not, see [`memory::pair`](crate::memory::pair).
    ///
    /// ```
    /// use squall_ioloop::IoLoop;
    /// use squall_iostream::IoStream;
    /// let ioloop = IoLoop::new()?;
    /// let (ours, mut theirs) = IoStream::unix_pair(&ioloop)?;
    /// ours.write(b"hello")?;
    /// assert_eq!(ioloop.run_until(theirs.read_bytes(5))??, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What the system says: no descriptors left.
    pub fn unix_pair(ioloop: &Handle) -> io::Result<(Self, Self)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        Ok((
            Self::from_unix(ioloop, ours)?,
            Self::from_unix(ioloop, theirs)?,
        ))
    }
}

impl UnixAddress {
    fn to_system(&self) -> io::Result<SockAddr> {
        let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        match self {
            // The system would take either for a name of another kind.
            Self::Path(path) if path.as_os_str().is_empty() => {
                invalid("the socket's path is empty")
            }
            Self::Path(path) if path.as_os_str().as_encoded_bytes().contains(&0) => {
                invalid("the socket's path has a NUL in it")
            }
            Self::Path(path) => SockAddr::unix(path),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::Abstract(name) => {
                use std::os::unix::ffi::OsStrExt;
                let name = [b"\0", &name[..]].concat();
                SockAddr::unix(Path::new(std::ffi::OsStr::from_bytes(&name)))
            }
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            Self::Abstract(_) => invalid("only Linux has Unix sockets outside of the file system"),
            Self::Unnamed => invalid("a Unix socket without a name cannot be connected to"),
        }
    }
}

impl From<PathBuf> for UnixAddress {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&Path> for UnixAddress {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

/// A path; `@` means nothing special.
impl From<&str> for UnixAddress {
    fn from(path: &str) -> Self {
        Self::Path(path.into())
    }
}
