//! When a server is to end: what it waits for, and how a second order hurries the first.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use squall_ioloop::Handle;

use crate::{DrainDeadlines, DrainReport, HttpServer, TerminationSignals};

/// The second order.
pub(crate) fn at_once() -> DrainDeadlines {
    DrainDeadlines::all(Duration::ZERO)
}

impl HttpServer {
    /// Serves until the process is asked to end, by `SIGTERM` or `SIGINT`, then stops gracefully,
    /// see [`Self::drain`]. A second signal cuts who is left; one after this has returned ends the
    /// process, as without a handler.
    ///
    /// ```no_run
    /// use squall_httpserver::{DrainDeadlines, Exchange, HttpServer};
    /// use squall_ioloop::IoLoop;
    ///
    /// let ioloop = IoLoop::new()?;
    /// let server = HttpServer::new(&ioloop, |http: Exchange| async move { http.finish() });
    /// server.listen("127.0.0.1:8888")?;
    /// let report = ioloop.run_until(server.run_until_signal(DrainDeadlines::default()))??;
    /// println!("{} requests were cut", report.cut);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`TerminationSignals::of_process`].
    pub async fn run_until_signal(&self, deadlines: DrainDeadlines) -> io::Result<DrainReport> {
        let mut signals = TerminationSignals::of_process(&self.shared().ioloop)?;
        signals.next().await?;
        let report = self.drain_in_order(deadlines, async || match signals.next().await {
            Ok(()) => at_once(),
            // Nobody can hurry it any more.
            Err(_) => std::future::pending().await,
        });
        Ok(report.await)
    }

    /// Drains, and begins anew with each further order that comes.
    pub(crate) async fn drain_in_order(
        &self,
        mut deadlines: DrainDeadlines,
        mut next: impl AsyncFnMut() -> DrainDeadlines,
    ) -> DrainReport {
        loop {
            let mut drained = pin!(self.drain(deadlines));
            let mut ordered = pin!(next());
            let either = poll_fn(|cx| {
                if let Poll::Ready(report) = drained.as_mut().poll(cx) {
                    return Poll::Ready(Ok(report));
                }
                ordered.as_mut().poll(cx).map(Err)
            });
            match either.await {
                Ok(report) => return report,
                Err(order) => deadlines = order,
            }
        }
    }
}

/// Orders for a loop, which come from other threads: put there by a callback of theirs.
pub(crate) struct Mailbox<T> {
    letters: RefCell<VecDeque<T>>,
    reader: Cell<Option<Waker>>,
}

impl<T: 'static> Mailbox<T> {
    pub(crate) fn of(ioloop: &Handle) -> Rc<Self> {
        ioloop.local(|| Self {
            letters: RefCell::default(),
            reader: Cell::new(None),
        })
    }

    pub(crate) fn put(&self, letter: T) {
        self.letters.borrow_mut().push_back(letter);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    pub(crate) async fn next(&self) -> T {
        poll_fn(|cx| match self.letters.borrow_mut().pop_front() {
            Some(letter) => Poll::Ready(letter),
            None => {
                self.reader.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}
