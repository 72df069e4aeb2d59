//! Where lines go in the end: a file, a pipe, anything that takes bytes and may block. Only ever
//! written to by threads of the loop's executor, whole lines at a time (`log_buffer.rs`), so that
//! the workers of a server can share one.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// A destination of log lines, and how much may wait for it.
///
/// A request costs only the formatting of its line into a buffer. The buffer is written by a
/// thread of the loop's executor when it is full, once in an interval if anything is in it, and
/// when the server stops. While the destination stalls, lines wait up to a bound; behind that they
/// are dropped and counted. So are lines that a full disk does not take: whatever a log does, no
/// request waits for it. A process that is killed takes what waits with it.
///
/// Clones are the same destination, for several workers and for who has it reopened.
///
/// ```
/// use squall_httpserver::{AccessLog, Config, LogFormat, LogWriter};
/// # let path = std::env::temp_dir().join(format!("squall-log-writer-{}", std::process::id()));
/// let writer = LogWriter::file(&path)?;
/// let log = AccessLog::new(LogFormat::Combined, writer.clone());
/// let config = Config::default().with_access_log(log);
/// // Later, when the file was renamed, perhaps from the handler of SIGHUP:
/// writer.reopen();
/// assert_eq!(writer.lines_dropped(), 0);
/// # std::fs::remove_file(path)?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct LogWriter {
    destination: Arc<Destination>,
    pub(super) buffer_bytes: usize,
    pub(super) waiting_bytes_max: usize,
    pub(super) interval: Duration,
}

impl LogWriter {
    /// Appends to a file, which is made if there is none. Every write is of whole lines, and goes
    /// to the end that the file has then.
    ///
    /// # Errors
    /// What the system says when it is opened.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let file = append_to(&path)?;
        Ok(Self::with_output(Box::new(file), Some(path)))
    }

    /// Standard output: for containers, and for programs that supervise others.
    pub fn stdout() -> Self {
        Self::new(io::stdout())
    }

    /// Anything else that takes bytes. It is flushed after each write.
    pub fn new(output: impl Write + Send + 'static) -> Self {
        Self::with_output(Box::new(output), None)
    }

    fn with_output(output: Box<dyn Write + Send>, path: Option<PathBuf>) -> Self {
        let output = Output {
            writer: output,
            path,
            is_torn: false,
        };
        Self {
            destination: Arc::new(Destination {
                output: Mutex::new(output),
                is_to_be_reopened: AtomicBool::new(false),
                lines_dropped: AtomicU64::new(0),
            }),
            buffer_bytes: 64 * 1024,
            waiting_bytes_max: 1024 * 1024,
            interval: Duration::from_secs(1),
        }
    }

    /// How many bytes of lines are written at once. Default 64 KiB: some six hundred lines, so that
    /// a write and a change of threads cost little for each.
    #[must_use]
    pub fn with_buffer_bytes(mut self, bytes: usize) -> Self {
        self.buffer_bytes = bytes;
        self
    }

    /// How many bytes of lines may wait, for each server, while a write is under way; what comes
    /// then is dropped. Default 1 MiB: at ten thousand requests a second, a stall of a second.
    #[must_use]
    pub fn with_waiting_bytes_max(mut self, bytes: usize) -> Self {
        self.waiting_bytes_max = bytes;
        self
    }

    /// How long a line waits at most before it is on its way. Default 1 s: who follows a log sees
    /// it happen, and an idle server writes nothing.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Opens the file anew before the next write, for programs that rotate logs by renaming them.
    /// From any thread. If that fails, the old file is written to further, and a warning logged;
    /// without a file nothing happens.
    pub fn reopen(&self) {
        self.destination
            .is_to_be_reopened
            .store(true, Ordering::Release);
    }

    /// Lines that were not written, of all servers that share this destination: since more waited
    /// than may, or since the destination did not take them.
    pub fn lines_dropped(&self) -> u64 {
        self.destination.lines_dropped.load(Ordering::Relaxed)
    }

    /// Whether so many bytes are worth a write; or as many as may wait, before lines are dropped
    /// although nothing stalls.
    #[inline]
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        bytes >= self.buffer_bytes.min(self.waiting_bytes_max)
    }

    pub(super) fn count_dropped(&self, lines: u64) {
        self.destination
            .lines_dropped
            .fetch_add(lines, Ordering::Relaxed);
    }

    /// Writes what is in `chunk`, and empties it. It is taken only when its turn has come: until
    /// then it is still there for [`Self::write_now`].
    pub(super) fn write(&self, chunk: &Mutex<Vec<u8>>) {
        let mut output = self.destination.lock();
        self.write_to(&mut output, chunk);
    }

    /// The same, if others that write let it happen within `patience`.
    pub(super) fn write_now(&self, chunk: &Mutex<Vec<u8>>, patience: Duration) {
        const PAUSE: Duration = Duration::from_millis(1);
        let mut left = patience;
        loop {
            match self.destination.output.try_lock() {
                Ok(mut output) => return self.write_to(&mut output, chunk),
                Err(TryLockError::Poisoned(poisoned)) => {
                    return self.write_to(&mut poisoned.into_inner(), chunk);
                }
                Err(TryLockError::WouldBlock) if left.is_zero() => {
                    return self.count_dropped(lines_in(&take(chunk)));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
            left = left.saturating_sub(PAUSE);
        }
    }

    fn write_to(&self, output: &mut Output, chunk: &Mutex<Vec<u8>>) {
        if self
            .destination
            .is_to_be_reopened
            .swap(false, Ordering::Acquire)
        {
            output.reopen();
        }
        let mut lines = take(chunk);
        if let Err(Torn { written, error }) = output.write_lines(&lines) {
            let lost = lines_in(&lines[written..]);
            let before = self
                .destination
                .lines_dropped
                .fetch_add(lost, Ordering::Relaxed);
            // Once, not for each write to a disk that stays full.
            if before == 0 {
                tracing::warn!(target: "squall::access", %error, "the access log does not take lines");
            }
        }
        // Its memory is used again.
        lines.clear();
        *lock(chunk) = lines;
    }
}

struct Destination {
    output: Mutex<Output>,
    is_to_be_reopened: AtomicBool,
    lines_dropped: AtomicU64,
}

impl Destination {
    fn lock(&self) -> MutexGuard<'_, Output> {
        lock(&self.output)
    }
}

/// A writer of the user's that has panicked may be used again: what is in it is its own affair.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(chunk: &Mutex<Vec<u8>>) -> Vec<u8> {
    std::mem::take(&mut *lock(chunk))
}

pub(super) fn lines_in(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

struct Output {
    writer: Box<dyn Write + Send>,
    path: Option<PathBuf>,
    /// Whether the last write ended within a line. The next one ends that first: otherwise two
    /// requests would be one line.
    is_torn: bool,
}

/// A write has failed after so many bytes.
struct Torn {
    written: usize,
    error: io::Error,
}

impl Output {
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Torn> {
        if self.is_torn {
            let ended = self.writer.write_all(b"\n");
            ended.map_err(|error| Torn { written: 0, error })?;
            self.is_torn = false;
        }
        let mut written = 0;
        while written < lines.len() {
            let failed = match self.writer.write(&lines[written..]) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    written += count.min(lines.len() - written);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            self.is_torn = written > 0 && lines[written - 1] != b'\n';
            return Err(Torn {
                written,
                error: failed,
            });
        }
        let flushed = self.writer.flush();
        flushed.map_err(|error| Torn { written, error })
    }

    fn reopen(&mut self) {
        let Some(path) = &self.path else {
            return;
        };
        match append_to(path) {
            Ok(file) => {
                // Unless it was renamed, it is the same file, which still ends within a line.
                self.is_torn &= file.metadata().is_ok_and(|found| found.len() > 0);
                self.writer = Box::new(file);
            }
            Err(error) => {
                tracing::warn!(target: "squall::access", %error, "the access log cannot be reopened");
            }
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogWriter")
            .field("lines_dropped", &self.lines_dropped())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at a time, and then none.
    struct Disk {
        room: usize,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room).min(7);
            if count == 0 {
                // As it is after somebody has made room.
                self.room = usize::MAX;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.taken
                .lock()
                .unwrap()
                .extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Writes two chunks to a disk that is full once, and says what is on it, and what is lost.
    #[track_caller]
    fn check(room: usize, on_disk: &str, lost: u64) {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let writer = LogWriter::new(Disk {
            room,
            taken: taken.clone(),
        });
        for lines in ["one\ntwo\n", "three\n"] {
            writer.write(&Mutex::new(lines.into()));
        }
        assert_eq!(String::from_utf8_lossy(&taken.lock().unwrap()), on_disk);
        assert_eq!(writer.lines_dropped(), lost);
    }

    #[test]
    fn a_line_that_was_torn_by_a_full_disk_is_ended_before_the_next() {
        check(100, "one\ntwo\nthree\n", 0);
        check(6, "one\ntw\nthree\n", 1);
        check(5, "one\nt\nthree\n", 1);
        check(4, "one\nthree\n", 1);
        check(2, "on\nthree\n", 2);
        check(0, "three\n", 2);
    }

    #[test]
    fn a_torn_line_is_ended_also_in_a_file_that_is_opened_anew() {
        let name = format!("squall-log-torn-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        for (is_renamed, expected) in [(false, "on\nthree\n"), (true, "three\n")] {
            let taken = Arc::default();
            let disk = Disk { room: 2, taken };
            let writer = LogWriter::with_output(Box::new(disk), Some(path.clone()));
            std::fs::write(&path, "on").unwrap();
            writer.write(&Mutex::new("one\n".into()));
            if is_renamed {
                std::fs::remove_file(&path).unwrap();
            }
            writer.reopen();
            writer.write(&Mutex::new("three\n".into()));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_writer_that_is_busy_for_too_long_loses_lines_and_not_the_program() {
        let writer = LogWriter::new(io::sink());
        let chunk = Mutex::new(b"one\ntwo\n".to_vec());
        let busy = writer.destination.lock();
        writer.write_now(&chunk, Duration::from_millis(2));
        assert_eq!(writer.lines_dropped(), 2);
        drop(busy);
        chunk.lock().unwrap().extend_from_slice(b"three\n");
        writer.write_now(&chunk, Duration::ZERO);
        assert_eq!(writer.lines_dropped(), 2);
        assert!(chunk.lock().unwrap().is_empty());
    }
}
