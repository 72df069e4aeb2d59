//! The signals that ask a process to end: first nicely, then again.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use squall_ioloop::Handle;
use squall_iostream::{IoStream, SocketTransport};

/// `SIGTERM`, which managers of services send, and `SIGINT`, which a terminal sends for Ctrl-C, as
/// events of a loop. While this exists they do not end the process; once it is dropped, they do
/// again, so that a program that does not come to its end can still be told.
///
/// ```no_run
/// use squall_httpserver::TerminationSignals;
/// use squall_ioloop::IoLoop;
///
/// let ioloop = IoLoop::new()?;
/// let mut signals = TerminationSignals::of_process(&ioloop)?;
/// ioloop.run_until(async {
///     signals.next().await?;
///     println!("will end soon; again to hurry");
///     signals.next().await
/// })??;
/// # std::io::Result::Ok(())
/// ```
///
/// For a server there is [`HttpServer::run_until_signal`](crate::HttpServer::run_until_signal).
pub struct TerminationSignals {
    stream: IoStream,
    /// Received, and not told.
    unread: usize,
    pipes: Vec<SigId>,
    is_over: Arc<AtomicBool>,
}

/// What ends the process again, of those that are no more.
static DEFAULTS: Mutex<Vec<SigId>> = Mutex::new(Vec::new());

impl TerminationSignals {
    /// The signals of this process, from now on.
    ///
    /// # Errors
    /// When there is no descriptor for it, or the system refuses the handler.
    pub fn of_process(ioloop: &Handle) -> io::Result<Self> {
        let (ours, handlers) = UnixStream::pair()?;
        let transport = SocketTransport::try_from(ours)?;
        let mut signals = Self {
            stream: IoStream::new(ioloop, transport)?,
            unread: 0,
            pipes: Vec::new(),
            is_over: Arc::default(),
        };
        let mut defaults = DEFAULTS.lock().unwrap_or_else(PoisonError::into_inner);
        for before in defaults.drain(..) {
            low_level::unregister(before);
        }
        for signal in [SIGTERM, SIGINT] {
            let is_over = signals.is_over.clone();
            defaults.push(flag::register_conditional_default(signal, is_over)?);
            let pipe = low_level::pipe::register(signal, handlers.try_clone()?)?;
            signals.pipes.push(pipe);
        }
        drop(defaults);
        Ok(signals)
    }

    /// Waits for the next of them. None is lost in between, but many at once may count for fewer.
    ///
    /// # Errors
    /// When the system fails.
    pub async fn next(&mut self) -> io::Result<()> {
        if self.unread == 0 {
            self.unread = self.stream.read_some(64).await?.len();
        }
        self.unread = self.unread.saturating_sub(1);
        Ok(())
    }
}

impl Drop for TerminationSignals {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        for pipe in self.pipes.drain(..) {
            low_level::unregister(pipe);
        }
    }
}

impl fmt::Debug for TerminationSignals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminationSignals").finish_non_exhaustive()
    }
}
