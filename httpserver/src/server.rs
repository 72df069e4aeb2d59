//! `HttpServer`: its listeners, and what all its connections share. Who they are is in `drain.rs`.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::time::Duration;

use squall_ioloop::{Handle, with_timeout};
use squall_iostream::{Address, IoStream, Listener, ListenerOptions, Listening};

use crate::connection;
use crate::date::Preamble;
use crate::drain::{DrainReport, Guests};
use crate::pool::Pool;
use crate::{Config, Service};

/// An HTTP/1.1 server on one loop: Tornado's `HTTPServer`.
///
/// This is a handle. Listening goes on until [`Self::stop`], or the loop's end.
///
/// ```
/// use squall_httpserver::{Config, Exchange, HttpServer};
/// use squall_ioloop::IoLoop;
///
/// let ioloop = IoLoop::new()?;
/// let config = Config::default().with_backlog(256);
/// let server = HttpServer::with_config(&ioloop, config, |http: Exchange| async move {
///     let _ = http.write("Hello!"); // fails only if the peer is gone
///     http.finish();
/// });
/// server.listen("127.0.0.1:0")?;
/// assert_eq!(server.connection_count(), 0);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct HttpServer {
    shared: Rc<Shared>,
}

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) ioloop: Handle,
    pub(crate) config: Config,
    pub(crate) service: Box<dyn Service>,
    pub(crate) preamble: Preamble,
    pub(crate) pool: Rc<Pool>,
    pub(crate) guests: Guests,
    listeners: RefCell<Vec<Listening>>,
}

impl HttpServer {
    /// A server with the default settings.
    pub fn new(ioloop: &Handle, service: impl Service) -> Self {
        Self::with_config(ioloop, Config::default(), service)
    }

    /// A server with other settings.
    pub fn with_config(ioloop: &Handle, config: Config, service: impl Service) -> Self {
        let shared = Shared {
            ioloop: ioloop.clone(),
            preamble: Preamble::new(config.server_name.clone()),
            config,
            service: Box::new(service),
            pool: Pool::of(ioloop),
            guests: Guests::default(),
            listeners: RefCell::default(),
        };
        Self {
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
        let address = self.add_listener(Listener::bind(address, &options)?)?;
        Ok(address.inet().expect("it was bound to one"))
    }

    /// Listens on a socket that is bound already, TCP or Unix.
    ///
    /// # Errors
    /// What the poller says.
    pub fn add_listener(&self, listener: Listener) -> io::Result<Address> {
        let server = self.clone();
        let listening = listener.accept_with(&self.shared.ioloop, move |stream, _| {
            server.serve_stream(stream)
        })?;
        let address = listening.local_addr().clone();
        self.shared.listeners.borrow_mut().push(listening);
        Ok(address)
    }

    /// Serves a stream that came from elsewhere: accepted by others, or in memory.
    pub fn serve_stream(&self, stream: IoStream) {
        self.shared
            .ioloop
            .spawn_detached(connection::serve(stream, &self.shared));
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Rc<Shared> {
        &self.shared
    }

    /// How many connections are open, and things that joined the drain.
    pub fn connection_count(&self) -> usize {
        self.shared.guests.len()
    }

    /// Stops gracefully: accepts nobody, closes idle connections, lets requests that are being
    /// answered finish (their connections then close), tells what has joined the drain. What is
    /// left when `deadline` has passed is cut. Returns how they ended.
    ///
    /// Calling it again, with a shorter deadline perhaps, is how a second signal hurries the first.
    pub async fn stop(&self, deadline: Duration) -> DrainReport {
        self.shared.listeners.take();
        let guests = &self.shared.guests;
        guests.begin_drain(&self.shared.ioloop);
        if with_timeout(deadline, guests.left()).await.is_err() {
            guests.cut();
        }
        guests.report()
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("connections", &self.connection_count())
            .field("is_draining", &self.shared.guests.is_draining())
            .finish_non_exhaustive()
    }
}
