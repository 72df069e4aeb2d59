//! `HttpServer`: listeners, the connections that are open, and the drain.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use slab::Slab;
use squall_ioloop::{Handle, with_timeout};
use squall_iostream::{IoStream, ListenerOptions, Listening, StreamHandle, TcpListener};

use crate::connection;
use crate::date::Preamble;
use crate::pool::Pool;
use crate::{Config, Service};

/// An HTTP/1.1 server on one loop: Tornado's `HTTPServer`.
///
/// This is a handle. Listening goes on until [`Self::stop`], or the loop's end.
#[derive(Clone)]
pub struct HttpServer {
    ioloop: Handle,
    shared: Rc<Shared>,
}

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) service: Box<dyn Service>,
    pub(crate) preamble: Preamble,
    pub(crate) pool: Rc<Pool>,
    listeners: RefCell<Vec<Listening>>,
    entries: RefCell<Slab<Entry>>,
    is_draining: Cell<bool>,
    /// Waits for the last connection to end.
    drain: Cell<Option<Waker>>,
}

/// Who keeps the server from being done.
enum Entry {
    Connection { stream: StreamHandle, is_idle: bool },
    Joined { on_drain: Option<Notice> },
}

/// Told once when the server stops.
type Notice = Box<dyn FnOnce()>;

impl HttpServer {
    /// A server with the default settings.
    pub fn new(ioloop: &Handle, service: impl Service) -> Self {
        Self::with_config(ioloop, Config::default(), service)
    }

    /// A server with other settings.
    pub fn with_config(ioloop: &Handle, config: Config, service: impl Service) -> Self {
        let shared = Shared {
            preamble: Preamble::new(config.server_name.clone()),
            config,
            service: Box::new(service),
            pool: Pool::of(ioloop),
            listeners: RefCell::default(),
            entries: RefCell::default(),
            is_draining: Cell::new(false),
            drain: Cell::new(None),
        };
        Self {
            ioloop: ioloop.clone(),
            shared: Rc::new(shared),
        }
    }

    /// Listens on an address, and returns it: with port 0, the port that the system chose. Call it
    /// again for more addresses.
    ///
    /// # Errors
    /// What the system says: in use, not allowed, not ours.
    pub fn listen(&self, address: impl ToSocketAddrs) -> io::Result<SocketAddr> {
        let options = ListenerOptions::default()
            .backlog(self.shared.config.backlog)
            .reuse_port(self.shared.config.has_reuse_port);
        self.add_listener(TcpListener::bind(address, &options)?)
    }

    /// Listens on a socket that is bound already.
    ///
    /// # Errors
    /// What the poller says.
    pub fn add_listener(&self, listener: TcpListener) -> io::Result<SocketAddr> {
        let server = self.clone();
        let listening =
            listener.accept_with(&self.ioloop, move |stream, _| server.serve_stream(stream))?;
        let address = listening.local_addr();
        self.shared.listeners.borrow_mut().push(listening);
        Ok(address)
    }

    /// Serves a stream that came from elsewhere: accepted by others, or in memory.
    pub fn serve_stream(&self, stream: IoStream) {
        self.ioloop
            .spawn_detached(connection::serve(stream, self.shared.clone()));
    }

    /// How many connections are open, and things that joined the drain.
    pub fn connection_count(&self) -> usize {
        self.shared.entries.borrow().len()
    }

    /// Stops gracefully: accepts nobody, closes idle connections now, lets requests that are being
    /// answered finish (their connections then close), tells what has joined the drain. What is
    /// left when `deadline` has passed is cut, and counted.
    pub async fn stop(&self, deadline: Duration) -> DrainReport {
        self.shared.listeners.take();
        self.shared.is_draining.set(true);
        let (idle, notices) = self.shared.begin_drain();
        let mut report = DrainReport {
            idle: idle.len(),
            ..DrainReport::default()
        };
        for stream in idle {
            stream.close();
        }
        for notice in notices {
            notice();
        }
        let waiting = self.connection_count().saturating_sub(report.idle);
        let is_in_time = with_timeout(deadline, self.shared.emptied()).await.is_ok();
        if !is_in_time {
            report.cut = self.shared.cut();
        }
        report.finished = waiting.saturating_sub(report.cut);
        report
    }
}

/// How a server's connections ended when it stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Closed at once: between requests.
    pub idle: usize,
    /// Finished what they were doing.
    pub finished: usize,
    /// Cut at the deadline.
    pub cut: usize,
}

impl Shared {
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    pub(crate) fn register(self: &Rc<Self>, stream: StreamHandle) -> Guest {
        self.admit(Entry::Connection {
            stream,
            is_idle: false,
        })
    }

    pub(crate) fn join(self: &Rc<Self>, on_drain: Notice) -> DrainGuard {
        DrainGuard {
            _guest: self.admit(Entry::Joined {
                on_drain: Some(on_drain),
            }),
        }
    }

    fn admit(self: &Rc<Self>, entry: Entry) -> Guest {
        let key = self.entries.borrow_mut().insert(entry);
        Guest {
            server: self.clone(),
            key,
        }
    }

    fn begin_drain(&self) -> (Vec<StreamHandle>, Vec<Notice>) {
        let mut idle = Vec::new();
        let mut notices = Vec::new();
        for (_, entry) in self.entries.borrow_mut().iter_mut() {
            match entry {
                Entry::Connection {
                    stream,
                    is_idle: true,
                } => idle.push(stream.clone()),
                Entry::Connection { .. } => {}
                Entry::Joined { on_drain } => notices.extend(on_drain.take()),
            }
        }
        (idle, notices)
    }

    async fn emptied(&self) {
        poll_fn(|cx| {
            if self.entries.borrow().is_empty() {
                return Poll::Ready(());
            }
            self.drain.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    fn cut(&self) -> usize {
        let streams: Vec<_> = self
            .entries
            .borrow()
            .iter()
            .filter_map(|(_, entry)| match entry {
                Entry::Connection { stream, .. } => Some(stream.clone()),
                Entry::Joined { .. } => None,
            })
            .collect();
        let count = self.entries.borrow().len();
        for stream in streams {
            stream.close();
        }
        count
    }
}

/// A place in the server's list, given back when dropped.
pub(crate) struct Guest {
    server: Rc<Shared>,
    key: usize,
}

impl Guest {
    /// Idle connections are closed at once when the server stops.
    pub(crate) fn set_idle(&self, now: bool) {
        if let Some(Entry::Connection { is_idle, .. }) =
            self.server.entries.borrow_mut().get_mut(self.key)
        {
            *is_idle = now;
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let entry = self.server.entries.borrow_mut().try_remove(self.key);
        drop(entry);
        if self.server.entries.borrow().is_empty() {
            if let Some(waker) = self.server.drain.take() {
                waker.wake();
            }
        }
    }
}

/// Keeps a stopping server waiting, see [`Exchange::join_drain`](crate::Exchange::join_drain).
#[must_use = "dropping the guard leaves the drain"]
pub struct DrainGuard {
    _guest: Guest,
}

impl fmt::Debug for DrainGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainGuard").finish_non_exhaustive()
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("connections", &self.connection_count())
            .field("is_draining", &self.shared.is_draining())
            .finish_non_exhaustive()
    }
}
