//! Where a server listens: on how many sockets it likes, each with settings of its own.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use squall_iostream::handover::{HandoverError, Offer};
use squall_iostream::{
    Address, Admission, AdmissionCounters, AdmissionLimits, Listener, Listening, TrustedPeers,
    bind_unix_socket,
};

use crate::server::Shared;
use crate::site::Site;
use crate::{ConfigError, HttpServer, ListenerConfig};

/// The listeners of a server.
pub(crate) struct Listeners {
    open: RefCell<Vec<Named>>,
    /// Of all those that count for nobody else.
    admission: Admission,
}

struct Named {
    name: String,
    listening: Listening,
}

impl Listeners {
    pub(crate) fn new(server: &Shared) -> Self {
        let limits = &server.config.admission;
        let proxies = server.config.proxy_protocol.as_ref();
        let proxies = proxies.map(|policy| policy.trusted().clone());
        Self {
            open: RefCell::default(),
            admission: Admission::behind(
                &server.ioloop,
                limits.clone(),
                proxies.unwrap_or_default(),
            ),
        }
    }

    pub(crate) fn close(&self) {
        let open = self.open.take();
        drop(open);
    }
}

/// Listening. All of these may be called any number of times, before and while the loop turns.
impl HttpServer {
    /// Listens on an address, and returns it: with port 0, the port that the system chose. Call it
    /// again for more addresses.
    ///
    /// # Errors
    /// What the system says: in use, not allowed, not ours.
    pub fn listen(&self, address: impl ToSocketAddrs) -> io::Result<SocketAddr> {
        self.listen_with(address, &ListenerConfig::default())
    }

    /// As [`Self::listen`], with settings of its own.
    ///
    /// # Errors
    /// As [`Self::listen`]; [`ConfigError`] in an [`io::Error`].
    pub fn listen_with(
        &self,
        address: impl ToSocketAddrs,
        config: &ListenerConfig,
    ) -> io::Result<SocketAddr> {
        let listener = Listener::bind(address, config.options(&self.shared().config))?;
        let address = self.add_listener_with(listener, config)?;
        Ok(address.inet().expect("it was bound to one"))
    }

    /// Listens on an address, and speaks TLS there.
    ///
    /// ```
    /// use squall_httpserver::{Exchange, HttpServer, tls_config};
    /// use squall_ioloop::IoLoop;
    /// use squall_iostream::tls::Pem;
    ///
    /// let own = rcgen::generate_simple_self_signed(["localhost".to_string()])?;
    /// let chain = Pem::bytes(own.cert.pem());
    /// let key = Pem::bytes(own.signing_key.serialize_pem());
    /// let acceptor = tls_config().certificate(chain, key).build()?;
    ///
    /// let ioloop = IoLoop::new()?;
    /// let server = HttpServer::new(&ioloop, |http: Exchange| async move {
    ///     let version = http.tls().map(|tls| tls.version.to_string());
    ///     let _ = http.write(version.unwrap_or_default()); // fails only if the peer is gone
    ///     http.finish();
    /// });
    /// server.listen_tls("127.0.0.1:0", acceptor.clone())?;
    /// acceptor.reload()?; // later, when the files have changed
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::listen`].
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    pub fn listen_tls(
        &self,
        address: impl ToSocketAddrs,
        acceptor: squall_iostream::tls::TlsAcceptor,
    ) -> io::Result<SocketAddr> {
        self.listen_with(address, &ListenerConfig::default().with_tls(acceptor))
    }

    /// Listens on a Unix socket: a file, or on Linux a name outside of the file system, which
    /// begins with a NUL. See [`bind_unix_socket`] for the file's rights and its end.
    ///
    /// # Errors
    /// In use, not a socket, a path that is too long, or what else the system says.
    pub fn listen_unix(&self, path: impl AsRef<Path>) -> io::Result<Address> {
        self.listen_unix_with(path, &ListenerConfig::default())
    }

    /// As [`Self::listen_unix`], with settings of its own.
    ///
    /// # Errors
    /// As [`Self::listen_unix`]; [`ConfigError`] in an [`io::Error`].
    pub fn listen_unix_with(
        &self,
        path: impl AsRef<Path>,
        config: &ListenerConfig,
    ) -> io::Result<Address> {
        let listener = bind_unix_socket(path, config.options(&self.shared().config))?;
        self.add_listener_with(listener, config)
    }

    /// Listens on a socket that is bound already, TCP or Unix: inherited from the service manager,
    /// taken over from another process, shared by several workers.
    ///
    /// ```no_run
    /// use squall_httpserver::{Exchange, HttpServer};
    /// use squall_ioloop::IoLoop;
    /// use squall_iostream::inherited_listeners;
    ///
    /// let ioloop = IoLoop::new()?;
    /// let server = HttpServer::new(&ioloop, |http: Exchange| async move { http.finish() });
    /// // From systemd, if it has started us; else for ourselves.
    /// let inherited = inherited_listeners()?;
    /// if inherited.is_empty() {
    ///     server.listen("127.0.0.1:8888")?;
    /// }
    /// for named in inherited {
    ///     server.add_listener(named.listener)?;
    /// }
    /// ioloop.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What the poller says.
    pub fn add_listener(&self, listener: Listener) -> io::Result<Address> {
        self.add_listener_with(listener, &ListenerConfig::default())
    }

    /// As [`Self::add_listener`], with settings of its own.
    ///
    /// # Errors
    /// What the poller says; [`ConfigError`] in an [`io::Error`].
    pub fn add_listener_with(
        &self,
        listener: Listener,
        config: &ListenerConfig,
    ) -> io::Result<Address> {
        let shared = self.shared();
        let admission = match config.own_admission(&shared.config) {
            None => self.listeners().admission.clone(),
            Some(limits) => own_admission(shared, config, limits)?,
        };
        let site = Site::new(shared, config, Some(admission.clone()));
        // A server that listens lives on when nobody has a handle any more.
        let server = self.clone();
        let accept = move |stream, peer| {
            let _ = &server;
            site.serve(stream, Some(peer));
        };
        let listening = listener.accept_admitted(&shared.ioloop, &admission, accept)?;
        let address = listening.local_addr().clone();
        let name = config.name().to_owned();
        let named = Named { name, listening };
        self.listeners().open.borrow_mut().push(named);
        Ok(address)
    }

    /// Where it listens, in the order in which that began.
    pub fn local_addrs(&self) -> Vec<Address> {
        let open = self.listeners().open.borrow();
        let address = |named: &Named| named.listening.local_addr().clone();
        open.iter().map(address).collect()
    }

    /// What each listener has let in and what not, in the same order. Those that share the limits
    /// of the server share their counts too.
    pub fn admission_counters(&self) -> Vec<AdmissionCounters> {
        let open = self.listeners().open.borrow();
        open.iter()
            .map(|named| named.listening.counters())
            .collect()
    }

    /// Offers all its sockets to a successor, each under the name that its [`ListenerConfig`] has
    /// given it: for a restart that loses no request. Nobody is refused in between, for the
    /// sockets are shared and never closed; who was being served is served to the end.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use squall_httpserver::{DrainDeadlines, Exchange, HttpServer};
    /// use squall_ioloop::{Handle, IoLoop};
    /// use squall_iostream::handover;
    ///
    /// const PATH: &str = "/run/hello/handover";
    ///
    /// async fn run(ioloop: &Handle) -> Result<(), Box<dyn std::error::Error>> {
    ///     let server = HttpServer::new(ioloop, |http: Exchange| async move { http.finish() });
    ///     match handover::take(ioloop, PATH, Duration::from_secs(10)).await? {
    ///         None => drop(server.listen("0.0.0.0:8888")?),
    ///         Some(taken) => {
    ///             for named in taken.listeners {
    ///                 server.add_listener(named.listener)?; // by `named.name`, if they differ
    ///             }
    ///             // From here on the old process accepts nobody.
    ///             taken.confirmation.confirm().await?;
    ///         }
    ///     }
    ///     let offer = handover::Offer::bind(ioloop, PATH)?;
    ///     server.offer_to(&offer)?;
    ///     offer.taken().await;
    ///     let report = server.drain(DrainDeadlines::default()).await;
    ///     println!("{report:?}");
    ///     Ok(())
    /// }
    ///
    /// let ioloop = IoLoop::new()?;
    /// ioloop.run_until(run(&ioloop))?
    /// # ; Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Offer::add`].
    pub fn offer_to(&self, offer: &Offer) -> Result<(), HandoverError> {
        let open = self.listeners().open.borrow();
        let add = |named: &Named| offer.add(&named.name, &named.listening);
        open.iter().try_for_each(add)
    }
}

fn own_admission(
    server: &Shared,
    config: &ListenerConfig,
    limits: &AdmissionLimits,
) -> io::Result<Admission> {
    if limits.admits_nobody() {
        let setting = "admission";
        return Err(ConfigError::Zero { setting }.into());
    }
    let policy = config.proxy_protocol.as_ref();
    let policy = policy.or(server.config.proxy_protocol.as_ref());
    let proxies = policy.map_or_else(TrustedPeers::default, |policy| policy.trusted().clone());
    Ok(Admission::behind(&server.ioloop, limits.clone(), proxies))
}
