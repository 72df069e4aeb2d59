//! Connecting to whatever has a name: resolve, then race its addresses, each phase with a deadline.
//! The order and the pace of the race are in `happy_eyeballs.rs`, one attempt is in `connect.rs`.

mod error;
mod target;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use squall_ioloop::{Handle, TimedOut, with_timeout};

use crate::connect::{SocketOptions, connect_tcp};
use crate::happy_eyeballs::{Pace, order, race};
#[cfg(any(feature = "tls", feature = "tls-ring"))]
use crate::tls::TlsConnector;
use crate::{Address, IoStream, ResolveError, Resolver, SystemResolver};

pub use error::{ConnectError, Phase};
pub use target::{InvalidTarget, Target};

/// Connects streams by name: Tornado's `TCPClient`, with happy eyeballs as RFC 8305 has them.
///
/// A name's addresses are tried in turn, families alternating. Each gets a short time for itself,
/// then the next is tried beside it; one that fails makes the next begin at once. The first that
/// connects is the stream, all others are closed.
///
/// A client is a bundle of settings: make one and clone it, or share it.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{FixedResolver, TcpClient};
/// use std::time::Duration;
///
/// let ioloop = IoLoop::new()?;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let port = listener.local_addr()?.port();
///
/// let resolver = FixedResolver::default()
///     .host("app.example", ["::1".parse()?, "127.0.0.1".parse()?]);
/// let client = TcpClient::new(&ioloop)
///     .resolver(resolver)
///     .timeout_connect(Duration::from_secs(5));
/// let stream = ioloop.run_until(client.connect(("app.example", port)))??;
/// assert_eq!(stream.peer_addr().unwrap().inet(), Some(listener.local_addr()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TcpClient {
    ioloop: Handle,
    resolver: Rc<dyn Resolver>,
    family: Family,
    first_family_count: usize,
    socket: SocketOptions,
    pace: Pace,
    timeout_resolve: Duration,
    timeout_attempt: Duration,
    on_event: Option<Rc<OnEvent>>,
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    tls: Option<Tls>,
}

/// How to speak TLS over the winner.
#[cfg(any(feature = "tls", feature = "tls-ring"))]
#[derive(Clone)]
struct Tls {
    connector: TlsConnector,
    server_name: Option<Rc<str>>,
}

type OnEvent = dyn Fn(ConnectEvent<'_>);

/// Which family of addresses is tried, and which first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both, beginning with the family of the resolver's first address.
    #[default]
    Any,
    /// Both, beginning with IPv4.
    V4First,
    /// Both, beginning with IPv6.
    V6First,
    /// IPv4 and no other (Tornado: `af=AF_INET`).
    V4Only,
    /// IPv6 and no other (Tornado: `af=AF_INET6`).
    V6Only,
}

impl Family {
    pub(crate) fn allows(self, address: SocketAddr) -> bool {
        match self {
            Self::Any | Self::V4First | Self::V6First => true,
            Self::V4Only => address.is_ipv4(),
            Self::V6Only => address.is_ipv6(),
        }
    }

    pub(crate) fn first_is_v6(self) -> Option<bool> {
        match self {
            Self::Any => None,
            Self::V4First | Self::V4Only => Some(false),
            Self::V6First | Self::V6Only => Some(true),
        }
    }
}

/// What [`TcpClient::on_event`] is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectEvent<'a> {
    /// The name has these addresses; they will be tried in this order. Not told of a target that is
    /// an address.
    Resolved {
        /// In order, without those of a family that is not asked for.
        addresses: &'a [SocketAddr],
    },
    /// An attempt begins.
    Trying {
        /// The address.
        address: &'a Address,
    },
    /// An attempt has failed.
    Failed {
        /// The address.
        address: &'a Address,
        /// Why.
        error: &'a io::Error,
    },
    /// An attempt has succeeded: all others are given up.
    Connected {
        /// The address.
        address: &'a Address,
    },
}

impl TcpClient {
    /// A client that asks the system for names.
    pub fn new(ioloop: &Handle) -> Self {
        Self {
            ioloop: ioloop.clone(),
            resolver: Rc::new(SystemResolver::new(ioloop)),
            family: Family::default(),
            first_family_count: 1,
            socket: SocketOptions::default(),
            pace: Pace {
                delay: Duration::from_millis(250),
                attempts_max: 8,
                timeout: Duration::from_secs(20),
            },
            timeout_resolve: Duration::from_secs(20),
            timeout_attempt: Duration::from_secs(10),
            on_event: None,
            #[cfg(any(feature = "tls", feature = "tls-ring"))]
            tls: None,
        }
    }

    /// Who knows addresses. Default: [`SystemResolver`].
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolver + 'static) -> Self {
        self.resolver = Rc::new(resolver);
        self
    }

    /// Which family is tried, and which first. Default: both, as the resolver has them.
    #[must_use]
    pub fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// How many addresses of the first family are tried before one of the other (RFC 8305, section
    /// 4, "First Address Family Count"). Default 1; zero counts as one.
    #[must_use]
    pub fn first_family_count(mut self, addresses: usize) -> Self {
        self.first_family_count = addresses;
        self
    }

    /// How long an attempt goes on alone before the next begins beside it (RFC 8305, section 5,
    /// "Connection Attempt Delay"). Default 250 ms; at least 10 ms and at most 2 s, as it says
    /// there.
    #[must_use]
    pub fn attempt_delay(mut self, delay: Duration) -> Self {
        self.pace.delay = delay.clamp(Duration::from_millis(10), Duration::from_secs(2));
        self
    }

    /// How many attempts go on at once. Default 8: with the default delay, the ninth would begin
    /// two seconds after the first, and a host on which eight addresses are dead has no ninth.
    /// Zero counts as one.
    #[must_use]
    pub fn attempts_max(mut self, attempts: usize) -> Self {
        self.pace.attempts_max = attempts;
        self
    }

    /// Our end's address: for a host with several, or with a rule for one of them (Tornado:
    /// `source_ip`, `source_port`). Port 0 lets the system choose. Attempts with an address of the
    /// other family fail. Default: the system chooses.
    ///
    /// The port is chosen before it is known to whom the socket connects, so there are only as many
    /// connections from one such address as the system has ports to choose from, some 28,000.
    #[must_use]
    pub fn source_address(mut self, address: SocketAddr) -> Self {
        self.socket.source = Some(address);
        self
    }

    /// Whether small writes leave at once (`TCP_NODELAY`). Default on: a stream gathers what
    /// belongs together by itself.
    #[must_use]
    pub fn nodelay(mut self, on: bool) -> Self {
        self.socket.has_nodelay = on;
        self
    }

    /// After how long without traffic the system asks whether the peer is still there, and how long
    /// it waits before it asks again; after nine times without an answer (Linux) the stream ends.
    /// Whole seconds. Default `None`: never.
    #[must_use]
    pub fn keepalive(mut self, idle: Option<Duration>) -> Self {
        self.socket.keepalive = idle;
        self
    }

    /// How long the resolver may take. Default 20 s: the system's own patience with its first
    /// server of names is 5 or 10.
    #[must_use]
    pub fn timeout_resolve(mut self, time: Duration) -> Self {
        self.timeout_resolve = time;
        self
    }

    /// How long connecting may take, over all attempts. Default 20 s (as the `connect_timeout` of
    /// Tornado's HTTP client).
    #[must_use]
    pub fn timeout_connect(mut self, time: Duration) -> Self {
        self.pace.timeout = time;
        self
    }

    /// How long one attempt may take. Default 10 s: time for three SYNs, and for one more address
    /// when [`Self::attempts_max`] are dead.
    #[must_use]
    pub fn timeout_attempt(mut self, time: Duration) -> Self {
        self.timeout_attempt = time;
        self
    }

    /// Is told what happens while connecting: to log it, to count it. It must not panic.
    #[must_use]
    pub fn on_event(mut self, callback: impl Fn(ConnectEvent<'_>) + 'static) -> Self {
        self.on_event = Some(Rc::new(callback));
        self
    }

    /// Speaks TLS over whichever address wins: connecting is over when the handshake is, for which
    /// the connector's settings have a time of their own. The certificate has to be for the name or
    /// address that is connected to, or for [`Self::server_name`]. Default: no TLS. Tornado's
    /// `ssl_options`.
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    #[must_use]
    pub fn tls(mut self, connector: TlsConnector) -> Self {
        let server_name = self.tls.and_then(|tls| tls.server_name);
        self.tls = Some(Tls {
            connector,
            server_name,
        });
        self
    }

    /// The name that the certificate has to be for, in place of the target's; a Unix socket has
    /// none of its own. Needs [`Self::tls`] before it, and changes nothing otherwise.
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    #[must_use]
    pub fn server_name(mut self, name: &str) -> Self {
        if let Some(tls) = &mut self.tls {
            tls.server_name = Some(name.into());
        }
        self
    }

    /// Connects to `target`: a host and a port, an address, a Unix socket. Dropping the future
    /// gives up, and closes what was under way.
    ///
    /// # Errors
    /// [`ConnectError`] says in which phase it failed, and what was tried.
    ///
    /// # Panics
    /// When polled where no loop is turning.
    pub async fn connect(&self, target: impl Into<Target>) -> Result<IoStream, ConnectError> {
        let target = target.into();
        let addresses = self.addresses(&target).await?;
        let stream = self.race(&target, addresses).await?;
        #[cfg(any(feature = "tls", feature = "tls-ring"))]
        let stream = self.speak_tls(&target, stream).await?;
        Ok(stream)
    }

    // ---- the phases

    async fn addresses(&self, target: &Target) -> Result<Vec<Address>, ConnectError> {
        match target {
            Target::Host { host, port } => self.resolve(target, host, *port).await,
            Target::Address(address) => Ok(vec![address.clone()]),
        }
    }

    async fn resolve(
        &self,
        target: &Target,
        host: &str,
        port: u16,
    ) -> Result<Vec<Address>, ConnectError> {
        let resolving = self.resolver.resolve(host, port);
        let addresses = match with_timeout(self.timeout_resolve, resolving).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return Err(ConnectError::resolve(target, error)),
            Err(TimedOut) => return Err(ConnectError::resolve_timed_out(target)),
        };
        let addresses = order(addresses, self.family, self.first_family_count);
        if addresses.is_empty() {
            let error = ResolveError::no_addresses(host);
            return Err(ConnectError::resolve(target, error));
        }
        self.tell(ConnectEvent::Resolved {
            addresses: &addresses,
        });
        Ok(addresses.into_iter().map(Address::Inet).collect())
    }

    async fn race(
        &self,
        target: &Target,
        addresses: Vec<Address>,
    ) -> Result<IoStream, ConnectError> {
        let attempt = |address| self.attempt(address);
        let won = race(addresses, &self.pace, attempt).await;
        won.map_err(|lost| ConnectError::connect(target, lost))
    }

    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    async fn speak_tls(&self, target: &Target, stream: IoStream) -> Result<IoStream, ConnectError> {
        let Some(tls) = &self.tls else {
            return Ok(stream);
        };
        let of_target = match target {
            Target::Host { host, .. } => host.to_string(),
            Target::Address(Address::Inet(address)) => address.ip().to_string(),
            Target::Address(address) => address.to_string(),
        };
        let name = tls.server_name.as_deref().unwrap_or(&of_target);
        let secured = tls.connector.connect(stream, name).await;
        secured.map_err(|error| ConnectError::tls(target, error))
    }

    async fn attempt(&self, address: Address) -> io::Result<IoStream> {
        let address = &address;
        self.tell(ConnectEvent::Trying { address });
        let connecting = async {
            match address {
                Address::Inet(address) => connect_tcp(&self.ioloop, *address, &self.socket).await,
                Address::Unix(address) => {
                    IoStream::connect_unix(&self.ioloop, address.clone()).await
                }
            }
        };
        let result = with_timeout(self.timeout_attempt, connecting).await;
        let result = result.unwrap_or_else(|timed_out| Err(timed_out.into()));
        match &result {
            Ok(_) => self.tell(ConnectEvent::Connected { address }),
            Err(error) => self.tell(ConnectEvent::Failed { address, error }),
        }
        result
    }

    fn tell(&self, event: ConnectEvent<'_>) {
        tracing::trace!(target: "squall::iostream", ?event);
        if let Some(on_event) = &self.on_event {
            on_event(event);
        }
    }
}

impl fmt::Debug for TcpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpClient")
            .field("family", &self.family)
            .field("socket", &self.socket)
            .field("pace", &self.pace)
            .field("timeout_resolve", &self.timeout_resolve)
            .field("timeout_attempt", &self.timeout_attempt)
            .finish_non_exhaustive()
    }
}
