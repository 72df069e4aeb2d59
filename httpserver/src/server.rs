//! `HttpServer`, and what all its connections share. Where it listens is in `listeners.rs`, what a
//! stream goes through first in `site.rs`, who its connections are in `drain.rs`.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use squall_ioloop::Handle;
use squall_iostream::IoStream;

use crate::date::Preamble;
use crate::drain::Guests;
use crate::listeners::Listeners;
use crate::load::Load;
use crate::pool::Pool;
use crate::seeing::Witness;
use crate::site::{Door, Site, StreamSettings};
use crate::{Config, ConfigError, DrainDeadlines, DrainReport, ListenerConfig, Service};

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
    inner: Rc<Inner>,
}

struct Inner {
    shared: Rc<Shared>,
    /// For streams that no listener of ours has accepted.
    site: Site,
    listeners: Listeners,
}

/// What all connections of a listener share: all of the server but for the door.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) ioloop: Handle,
    pub(crate) config: Config,
    pub(crate) service: Rc<dyn Service>,
    pub(crate) preamble: Rc<Preamble>,
    pub(crate) pool: Rc<Pool>,
    pub(crate) guests: Rc<Guests>,
    pub(crate) streams: Rc<StreamSettings>,
    pub(crate) load: Option<Rc<Load>>,
    pub(crate) door: Door,
    pub(crate) witness: Rc<Witness>,
}

impl HttpServer {
    /// A server with the default settings.
    pub fn new(ioloop: &Handle, service: impl Service) -> Self {
        Self::with_config(ioloop, Config::default(), service)
    }

    /// A server with other settings.
    ///
    /// # Panics
    /// When the settings make no sense: they are part of the program, and a program with such
    /// settings should not start. For settings that come from elsewhere there is
    /// [`Self::try_with_config`].
    #[track_caller]
    pub fn with_config(ioloop: &Handle, config: Config, service: impl Service) -> Self {
        match Self::try_with_config(ioloop, config, service) {
            Ok(server) => server,
            // Not `expect`: the message is for people, without quotes and field names.
            Err(error) => panic!("{error}"),
        }
    }

    /// A server with settings that may make no sense.
    ///
    /// ```
    /// use squall_httpserver::{Config, Exchange, HttpServer};
    /// use squall_http1::Limits;
    /// use squall_ioloop::IoLoop;
    ///
    /// let ioloop = IoLoop::new()?;
    /// let config = Config::default().with_limits(Limits::default().with_head_bytes_max(1000));
    /// let service = |http: Exchange| async move { http.finish() };
    /// let error = HttpServer::try_with_config(&ioloop, config, service).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "limits.head_bytes_max is 1000, which is less than limits.target_bytes_max (8192)"
    /// );
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] names the setting.
    pub fn try_with_config(
        ioloop: &Handle,
        config: Config,
        service: impl Service,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let load = |requests_max| Rc::new(Load::new(requests_max, config.retry_after));
        let listener = ListenerConfig::default();
        let shared = Shared {
            ioloop: ioloop.clone(),
            preamble: Rc::new(Preamble::new(config.server_name.clone())),
            service: Rc::new(service),
            pool: Pool::of(ioloop),
            guests: Rc::default(),
            witness: Rc::new(Witness::new(ioloop, &config.seeing)),
            streams: Rc::new(StreamSettings::new(ioloop, &config)),
            load: config.requests_max.map(load),
            door: Door::new(&listener, &config),
            config,
        };
        let inner = Inner {
            site: Site::new(&shared, &listener, None),
            listeners: Listeners::new(&shared),
            shared: Rc::new(shared),
        };
        Ok(Self {
            inner: Rc::new(inner),
        })
    }

    /// Calls `configure` with each stream before its connection is served, in place of one that
    /// was given before: for what [`Config`] has no setting for, such as rates that several
    /// connections share. Over TLS and behind a PROXY header it is the stream within.
    ///
    /// ```
    /// use squall_httpserver::{Exchange, HttpServer};
    /// use squall_ioloop::IoLoop;
    /// use squall_iostream::RateLimit;
    ///
    /// let ioloop = IoLoop::new()?;
    /// let server = HttpServer::new(&ioloop, |http: Exchange| async move { http.finish() });
    /// let everybody = RateLimit::new(10_000_000);
    /// server.configure_streams(move |stream| stream.set_write_rate(Some(everybody.clone())));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn configure_streams(&self, configure: impl Fn(&IoStream) + 'static) {
        self.shared().streams.set_others(Rc::new(configure));
    }

    /// Serves a stream that came from elsewhere: accepted by others, or in memory. Where the
    /// server's [`Config`] asks for a PROXY header, it begins with one.
    pub fn serve_stream(&self, stream: IoStream) {
        self.inner.site.serve(stream, None);
    }

    /// As [`Self::serve_stream`], as if it came in by a listener with these settings, but for what
    /// they say of admission.
    pub fn serve_stream_with(&self, stream: IoStream, config: &ListenerConfig) {
        Site::new(self.shared(), config, None).serve(stream, None);
    }

    pub(crate) fn shared(&self) -> &Rc<Shared> {
        &self.inner.shared
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.inner.listeners
    }

    /// How many requests were answered with 503 because as many as may be were being answered.
    pub fn shed_count(&self) -> u64 {
        let load = self.shared().load.as_ref();
        load.map_or(0, |load| load.shed_count())
    }

    /// How many connections are open, and things that joined the drain.
    pub fn connection_count(&self) -> usize {
        self.shared().guests.len()
    }

    /// Stops accepting. Connections stay, and are served as before; [`Self::drain`] ends them.
    pub fn stop_listening(&self) {
        self.listeners().close();
    }

    /// Stops gracefully: accepts nobody, closes idle connections, lets requests that are being
    /// answered finish (their connections then close), tells what has joined the drain. What is
    /// left when `deadline` has passed is cut. Returns how they ended.
    ///
    /// Calling it again, with a shorter deadline perhaps, is how a second signal hurries the first.
    pub async fn stop(&self, deadline: Duration) -> DrainReport {
        self.drain(DrainDeadlines::all(deadline)).await
    }

    /// As [`Self::stop`], with a deadline for each class of connections.
    pub async fn drain(&self, deadlines: DrainDeadlines) -> DrainReport {
        self.stop_listening();
        let shared = self.shared();
        let report = shared.guests.drain(&shared.ioloop, &deadlines).await;
        shared.witness.flush().await;
        report
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("connections", &self.connection_count())
            .field("is_draining", &self.shared().guests.is_draining())
            .finish_non_exhaustive()
    }
}
