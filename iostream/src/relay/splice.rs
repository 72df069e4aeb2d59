//! The system moves bytes from descriptor to descriptor, through a pipe that never leaves it. Pipes
//! are few and belong to the loop; a direction has one only while something is in it.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use squall_ioloop::Handle;

use crate::Transport;
use crate::socket::retry_interrupted;

/// How many empty pipes a loop keeps, of two descriptors each.
const SPARES_MAX: usize = 16;

/// A pipe that holds bytes on their way.
pub(super) struct Conduit {
    reader: OwnedFd,
    writer: OwnedFd,
    held: usize,
}

impl Conduit {
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes up to `bytes_max` from a transport, or fewer if the pipe is full before. 0 is the end
    /// of the stream. To be called while it is empty: then what blocks is the transport.
    pub(super) fn fill<T: Transport + ?Sized>(
        &mut self,
        source: &T,
        bytes_max: usize,
    ) -> io::Result<usize> {
        debug_assert_eq!(
            self.held, 0,
            "a full pipe would look like a transport without input"
        );
        let mut result = Err(io::ErrorKind::Unsupported.into());
        source.with_source_fd(&mut |fd| {
            result = retry_interrupted(|| splice(fd, self.writer.as_fd(), bytes_max));
        });
        let count = result?;
        self.held += count;
        Ok(count)
    }

    /// Gives some of what it holds to a transport.
    pub(super) fn send<T: Transport + ?Sized>(&mut self, sink: &T) -> io::Result<usize> {
        let mut result = Err(io::ErrorKind::Unsupported.into());
        sink.with_sink_fd(&mut |fd| {
            result = retry_interrupted(|| splice(self.reader.as_fd(), fd, self.held));
        });
        let count = result?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.held -= count;
        Ok(count)
    }

    /// All that it holds, for a sink that turns out not to be for splicing.
    pub(super) fn take_back(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.held];
        let mut filled = 0;
        while filled < bytes.len() {
            match retry_interrupted(|| Ok(rustix::io::read(&self.reader, &mut bytes[filled..])?))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        self.held = 0;
        Ok(bytes)
    }
}

/// The pipes of a loop that nobody uses.
#[derive(Default)]
pub(super) struct Pipes {
    spares: RefCell<Vec<Conduit>>,
}

impl Pipes {
    pub(super) fn of(ioloop: &Handle) -> Rc<Self> {
        ioloop.local(Self::default)
    }

    pub(super) fn take(&self) -> io::Result<Conduit> {
        let spare = self.spares.borrow_mut().pop();
        spare.map_or_else(new_conduit, Ok)
    }

    /// One that still holds something is closed, and what it holds is gone.
    pub(super) fn give(&self, conduit: Conduit) {
        let mut spares = self.spares.borrow_mut();
        if conduit.held == 0 && spares.len() < SPARES_MAX {
            spares.push(conduit);
        }
    }
}

/// Whether both have descriptors that carry their bytes as they are.
pub(super) fn can_splice<T: Transport + ?Sized>(source: &T, sink: &T) -> bool {
    let (mut has_source, mut has_sink) = (false, false);
    source.with_source_fd(&mut |_| has_source = true);
    sink.with_sink_fd(&mut |_| has_sink = true);
    cfg!(target_os = "linux") && has_source && has_sink
}

/// Whether the system says that these descriptors are not for splicing, rather than that one of
/// them has failed.
pub(super) fn is_not_for_splicing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}

#[cfg(target_os = "linux")]
fn new_conduit() -> io::Result<Conduit> {
    use rustix::pipe::PipeFlags;

    let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
    let (reader, writer) = rustix::pipe::pipe_with(flags)?;
    Ok(Conduit {
        reader,
        writer,
        held: 0,
    })
}

#[cfg(target_os = "linux")]
fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, bytes_max: usize) -> io::Result<usize> {
    use rustix::pipe::SpliceFlags;

    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    Ok(rustix::pipe::splice(
        from, None, to, None, bytes_max, flags,
    )?)
}

#[cfg(not(target_os = "linux"))]
fn new_conduit() -> io::Result<Conduit> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn splice(_: BorrowedFd<'_>, _: BorrowedFd<'_>, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;
    use std::os::unix::net::UnixStream;

    use squall_ioloop::IoLoop;

    use super::*;
    use crate::{IoStream, RelayOptions, SocketTransport, relay};

    /// Claims to be for splicing, and is not: the system refuses a file that is appended to.
    struct Appending(File);

    impl Transport for Appending {
        fn read(&self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn write(&self, bytes: &[u8]) -> io::Result<usize> {
            Ok(rustix::io::write(&self.0, bytes)?)
        }

        fn shutdown_write(&self) -> io::Result<()> {
            Ok(())
        }

        fn close(&self) {}

        fn with_sink_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
            f(self.0.as_fd());
        }
    }

    /// A file that nothing is in, where a test removes it.
    fn appending(name: &str) -> (std::path::PathBuf, Appending) {
        let path = std::env::temp_dir().join(format!("squall-{}-{name}", std::process::id()));
        let file = File::options().append(true).create(true).open(&path);
        (path, Appending(file.expect("a file")))
    }

    #[test]
    fn a_conduit_gives_back_what_its_sink_refuses() {
        let (path, sink) = appending("refusing");
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        io::Write::write_all(&mut ours, &[b'x'; 5_000]).unwrap();
        let mut conduit = Pipes::default().take().unwrap();
        let source = SocketTransport::try_from(theirs).unwrap();
        assert_eq!(conduit.fill(&source, 4_000).unwrap(), 4_000);
        let refused = conduit.send(&sink).unwrap_err();
        assert!(is_not_for_splicing(&refused), "{refused}");
        assert_eq!(conduit.take_back().unwrap(), [b'x'; 4_000]);
        assert_eq!(conduit.held(), 0);
        // The end is an end, and nothing a wait.
        assert_eq!(conduit.fill(&source, 4_000).unwrap(), 1_000);
        conduit.take_back().unwrap();
        let nothing = conduit.fill(&source, 4_000).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        drop(ours);
        assert_eq!(conduit.fill(&source, 4_000).unwrap(), 0);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_sink_that_refuses_is_copied_to() {
        let (path, sink) = appending("copied-to");
        let ioloop = IoLoop::new().unwrap();
        let (ours, a) = IoStream::unix_pair(&ioloop).unwrap();
        let b = IoStream::new(&ioloop, sink).unwrap();
        let bytes: Vec<u8> = (0..300_000).map(|at| (at / 7) as u8).collect();
        ours.write(&bytes).unwrap();
        ioloop.spawn_detached(async move {
            let _ = ours.shutdown_write().await;
            ours.closed().await;
        });
        let relaying = ioloop.spawn(async { relay(a, b, &RelayOptions::default()).await });
        while std::fs::metadata(&path).unwrap().len() < bytes.len() as u64 {
            ioloop.run_once(None).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == bytes);
        relaying.abort();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_relay_that_is_idle_has_given_its_pipe_back_and_what_is_small_needs_none() {
        let ioloop = IoLoop::new().unwrap();
        let (ours, a) = IoStream::unix_pair(&ioloop).unwrap();
        let (b, mut theirs) = IoStream::unix_pair(&ioloop).unwrap();
        let _relaying = ioloop.spawn(async { relay(a, b, &RelayOptions::default()).await });
        let pipes = Pipes::of(&ioloop);
        let mut send = |len: usize| {
            ours.write(&vec![b'x'; len]).unwrap();
            ioloop.run_until(theirs.read_bytes(len)).unwrap().unwrap();
            for _ in 0..10 {
                ioloop.run_once(Some(std::time::Duration::ZERO)).unwrap();
            }
            pipes.spares.borrow().len()
        };
        assert_eq!((0..50).map(|_| send(1_000)).max(), Some(0));
        assert_eq!(send(1_000_000), 1);
        assert_eq!(send(1_000_000), 1, "the same one");
    }
}
