//! One descriptor of a pipe transport, and how it is called so that it never blocks.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use mio::unix::SourceFd;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, OFlags};
use rustix::net::RecvFlags;
use socket2::SockRef;

use crate::socket::retry_interrupted;

pub(crate) struct End {
    fd: OwnedFd,
    manner: Manner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// A pipe, non-blocking.
    Pipe,
    /// A terminal, or anything else that can be polled, non-blocking.
    Device,
    /// A socket. Each call says that it must not wait, so its flags stay as they are.
    Socket,
    /// A file, or a device such as `/dev/null`: it cannot be polled, is always ready, and waits
    /// for nobody but the disk.
    File,
    /// Others would notice if it were made non-blocking, so each call is preceded by a question.
    Asking,
}

/// What an end is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
}

/// A write of this much does not block a pipe or a terminal that is writable, and more may: at
/// least a page of Linux, and what POSIX guarantees elsewhere.
const ASKING_BYTES_MAX: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// A program that is not Rust's own may have SIGPIPE at its deadly default.
const AT_ONCE: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

impl End {
    /// Takes a descriptor over that is nobody else's: it is made non-blocking.
    pub(crate) fn own(fd: OwnedFd, purpose: Use) -> io::Result<Self> {
        check_access(&fd, purpose)?;
        let manner = manner_of(&fd)?;
        if matches!(manner, Manner::Pipe | Manner::Device) {
            let flags = rustix::fs::fcntl_getfl(&fd)?;
            rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
        }
        Ok(Self { fd, manner })
    }

    /// A second descriptor for something that other processes use as well. `O_NONBLOCK` would be
    /// theirs too: it belongs to the open file, which a shell shares with all it starts. So what
    /// can be opened anew is opened anew.
    pub(crate) fn share(fd: BorrowedFd<'_>, purpose: Use) -> io::Result<Self> {
        check_access(&fd, purpose)?;
        let manner = manner_of(&fd)?;
        if matches!(manner, Manner::Pipe | Manner::Device) {
            return match reopen(fd, purpose) {
                Ok(fd) => Ok(Self { fd, manner }),
                // Somebody else's terminal (after `su`), or no `/proc`.
                Err(_) => Ok(Self {
                    fd: fd.try_clone_to_owned()?,
                    manner: Manner::Asking,
                }),
            };
        }
        let fd = fd.try_clone_to_owned()?;
        Ok(Self { fd, manner })
    }

    /// Whether the poller takes it.
    pub(crate) fn can_be_polled(&self) -> bool {
        self.manner != Manner::File
    }

    /// Whether the system may move its bytes to another descriptor. Not so a socket here, whose
    /// calls must say that they do not wait: `splice` has no flag for it.
    pub(crate) fn can_be_spliced(&self) -> bool {
        self.manner == Manner::Pipe
    }

    /// Whether something may be left after a short read: a terminal gives one line at a time,
    /// however many there are, and so does a pipe with packets if it was made for them, which its
    /// reader cannot see.
    pub(crate) fn has_more(&self) -> bool {
        self.manner != Manner::Socket
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.manner == Manner::Asking && !self.is_ready(PollFlags::IN)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        retry_interrupted(|| match self.manner {
            Manner::Socket => {
                let (count, _) = rustix::net::recv(&self.fd, &mut *buffer, RecvFlags::DONTWAIT)?;
                Ok(count)
            }
            _ => Ok(rustix::io::read(&self.fd, &mut *buffer)?),
        })
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.manner {
            Manner::Socket => retry_interrupted(|| self.socket().send_with_flags(bytes, AT_ONCE)),
            Manner::Asking => self.write_asking(bytes),
            _ => retry_interrupted(|| Ok(rustix::io::write(&self.fd, bytes)?)),
        }
    }

    pub(crate) fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.manner {
            Manner::Socket => {
                retry_interrupted(|| self.socket().send_vectored_with_flags(pieces, AT_ONCE))
            }
            Manner::Asking => {
                let pieces: Vec<&[u8]> = pieces.iter().map(|piece| &**piece).collect();
                self.write_asking(&pieces.concat())
            }
            _ => retry_interrupted(|| Ok(rustix::io::writev(&self.fd, pieces)?)),
        }
    }

    /// Small writes, each after a question, until all has gone or the answer is no.
    fn write_asking(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() && self.is_ready(PollFlags::OUT)? {
            let end = bytes.len().min(written + ASKING_BYTES_MAX);
            let piece = &bytes[written..end];
            match retry_interrupted(|| Ok(rustix::io::write(&self.fd, piece)?)) {
                Ok(count) => written += count,
                Err(error) if written == 0 => return Err(error),
                Err(_) => break,
            }
        }
        match written {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            written => Ok(written),
        }
    }

    fn is_ready(&self, flags: PollFlags) -> io::Result<bool> {
        let mut asked = [PollFd::new(&self.fd, flags)];
        let at_once = Timespec::default();
        let count = retry_interrupted(|| Ok(rustix::event::poll(&mut asked, Some(&at_once))?))?;
        Ok(count > 0)
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.fd)
    }

    /// No more will be written. What has no such call hears it when the descriptor is closed.
    pub(crate) fn shut_down(&self) {
        if self.manner == Manner::Socket {
            // Fails when the peer has gone already.
            let _ = self.socket().shutdown(Shutdown::Write);
        }
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A descriptor that is open for the other direction only would fail at its first use, and far from
/// the mistake.
fn check_access(fd: &impl AsFd, purpose: Use) -> io::Result<()> {
    let access = rustix::fs::fcntl_getfl(fd)? & OFlags::ACCMODE;
    let (wrong, text) = match purpose {
        Use::Read => (
            OFlags::WRONLY,
            "the descriptor to read from is open for writing only",
        ),
        Use::Write => (
            OFlags::RDONLY,
            "the descriptor to write to is open for reading only",
        ),
    };
    if access == wrong {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}

fn manner_of(fd: &impl AsFd) -> io::Result<Manner> {
    let mode = rustix::fs::fstat(fd)?.st_mode;
    Ok(match FileType::from_raw_mode(mode) {
        FileType::Directory => {
            let text = "a directory is not a stream of bytes";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        FileType::RegularFile | FileType::BlockDevice => Manner::File,
        FileType::Socket => Manner::Socket,
        FileType::Fifo => Manner::Pipe,
        _ if does_poll(fd)? => Manner::Device,
        _ => Manner::File,
    })
}

/// Terminals can be polled and `/dev/null` cannot; nobody knows but the poller.
fn does_poll(fd: &impl AsFd) -> io::Result<bool> {
    let poll = mio::Poll::new()?;
    let raw = fd.as_fd().as_raw_fd();
    let registered =
        poll.registry()
            .register(&mut SourceFd(&raw), mio::Token(0), mio::Interest::READABLE);
    match registered {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens anew what the descriptor has open, for this process alone.
#[cfg(target_os = "linux")]
fn reopen(fd: BorrowedFd<'_>, purpose: Use) -> io::Result<OwnedFd> {
    let access = match purpose {
        Use::Read => OFlags::RDONLY,
        Use::Write => OFlags::WRONLY,
    };
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?)
}

/// Elsewhere `/dev/fd` gives a duplicate, which shares its flags; a terminal has a name.
#[cfg(not(target_os = "linux"))]
fn reopen(fd: BorrowedFd<'_>, purpose: Use) -> io::Result<OwnedFd> {
    let access = match purpose {
        Use::Read => OFlags::RDONLY,
        Use::Write => OFlags::WRONLY,
    };
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let path = rustix::termios::ttyname(fd, Vec::new())?;
    Ok(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::pipe::{PipeFlags, pipe_with};
    use squall_ioloop::IoLoop;

    use super::*;
    use crate::IoStream;

    fn asking(fd: OwnedFd) -> End {
        let manner = Manner::Asking;
        End { fd, manner }
    }

    #[test]
    fn an_end_that_asks_first_neither_blocks_nor_changes_what_it_was_given() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (reader, writer) = (asking(reader), asking(writer));
        let would_block = |result: io::Result<usize>| {
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        };
        would_block(reader.read(&mut [0; 10]));
        // Until it is full: a call more would block for ever.
        let blob: Vec<u8> = (0..200_000).map(|at| (at / 3) as u8).collect();
        let (first, second) = blob.split_at(5_000);
        let pieces = [IoSlice::new(first), IoSlice::new(second)];
        let written = writer.write_vectored(&pieces).unwrap();
        assert!((ASKING_BYTES_MAX..blob.len()).contains(&written));
        would_block(writer.write(&blob));
        let mut received = vec![0; blob.len()];
        let mut filled = 0;
        while filled < written {
            filled += reader.read(&mut received[filled..]).unwrap();
        }
        assert!(received[..filled] == blob[..written]);
        would_block(reader.read(&mut [0; 10]));
        for end in [&reader, &writer] {
            let flags = rustix::fs::fcntl_getfl(end).unwrap();
            assert!(!flags.contains(OFlags::NONBLOCK));
        }
        drop(writer);
        assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0);
    }

    #[test]
    fn an_end_nobody_reads_says_so_when_asked() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        drop(reader);
        let error = asking(writer).write(b"anybody?").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn packets_are_read_one_by_one_and_all_of_them() {
        let ioloop = IoLoop::new().unwrap();
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::DIRECT).unwrap();
        let writer = End::own(writer, Use::Write).unwrap();
        for packet in [&b"one "[..], b"two ", b"three"] {
            writer.write(packet).unwrap();
        }
        let mut stream = IoStream::from_pipe_reader(&ioloop, reader).unwrap();
        let read = ioloop.run_until(stream.read_bytes(13)).unwrap().unwrap();
        assert_eq!(read, b"one two three");
    }
}
