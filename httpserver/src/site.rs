//! What a stream goes through before its connection is served: the settings of its listener.
//!
//! ```text
//!   accept --> PROXY header --> TLS handshake --> settings of streams --> connection.rs
//!              \_____ the entrance, if any _____/
//! ```
//! Each step has a deadline of its own. A stream at the entrance is one of the server's guests, so
//! that a server that stops knows of it.

use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;

use squall_iostream::{
    Address, Admission, Guards, IoStream, MemoryBudget, ProxyProtocol, ProxyProtocolError,
};

use crate::drain::Guest;
use crate::seeing::Witness;
use crate::server::Shared;
use crate::{Config, Forwarded, ListenerConfig, Scheme, connection};

/// What the exchanges of a listener have to know of it.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) scheme: Option<Scheme>,
    pub(crate) forwarded: Option<Rc<Forwarded>>,
}

impl Door {
    pub(crate) fn new(listener: &ListenerConfig, server: &Config) -> Self {
        let forwarded = listener.forwarded.as_ref().or(server.forwarded.as_ref());
        let tls = listener.is_tls().then_some(Scheme::Https);
        Self {
            scheme: listener.scheme.or(tls),
            forwarded: forwarded.cloned().map(Rc::new),
        }
    }
}

/// Where streams come in: one for each listener, and one for those that come from elsewhere.
#[derive(Clone)]
pub(crate) struct Site {
    shared: Rc<Shared>,
    entrance: Option<Rc<Entrance>>,
}

/// What comes before HTTP.
struct Entrance {
    proxy_protocol: Option<ProxyProtocol>,
    /// Who counts the peers that a PROXY header tells.
    admission: Option<Admission>,
    /// Who counts those that do not come through.
    witness: Rc<Witness>,
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    tls: Option<squall_iostream::tls::TlsAcceptor>,
}

impl Site {
    pub(crate) fn new(
        server: &Shared,
        listener: &ListenerConfig,
        admission: Option<Admission>,
    ) -> Self {
        let own = listener.proxy_protocol.as_ref();
        let proxy_protocol = own.or(server.config.proxy_protocol.as_ref()).cloned();
        let has_entrance = proxy_protocol.is_some() || listener.is_tls();
        let entrance = has_entrance.then(|| {
            Rc::new(Entrance {
                proxy_protocol,
                admission,
                witness: server.witness.clone(),
                #[cfg(any(feature = "tls", feature = "tls-ring"))]
                tls: listener.tls.clone(),
            })
        });
        let shared = Shared {
            door: Door::new(listener, &server.config),
            ..server.clone()
        };
        Self {
            shared: Rc::new(shared),
            entrance,
        }
    }

    /// Serves a stream to its end, beside the caller.
    pub(crate) fn serve(&self, stream: IoStream, peer: Option<Address>) {
        match &self.entrance {
            None => begin(stream, &self.shared),
            Some(entrance) => {
                let (entrance, shared) = (entrance.clone(), self.shared.clone());
                let guest = self.shared.enter();
                let key = guest.key();
                let task = self.shared.ioloop.spawn(async move {
                    let guest: Guest = guest;
                    if let Some(stream) = entrance.pass(stream, peer.as_ref()).await {
                        begin(stream, &shared);
                    }
                    drop(guest);
                });
                self.shared.guests.set_task(key, task);
            }
        }
    }
}

fn begin(stream: IoStream, shared: &Rc<Shared>) {
    shared.streams.configure(&stream);
    let connection = connection::serve(stream, shared);
    shared.ioloop.spawn_detached(connection);
}

impl Entrance {
    /// `None` when the stream does not come through, which is logged.
    async fn pass(&self, stream: IoStream, peer: Option<&Address>) -> Option<IoStream> {
        let stream = match &self.proxy_protocol {
            None => stream,
            Some(policy) => match self.read_proxy_header(policy, stream, peer).await {
                Ok(stream) => stream,
                Err(error) => {
                    let has_left = matches!(error, ProxyProtocolError::Closed(_));
                    self.count_unless(has_left, "proxy_header");
                    return turn_away(peer, "PROXY header", &error);
                }
            },
        };
        self.shake_hands(stream, peer).await
    }

    async fn read_proxy_header(
        &self,
        policy: &ProxyProtocol,
        stream: IoStream,
        peer: Option<&Address>,
    ) -> Result<IoStream, ProxyProtocolError> {
        let accepted = match (peer, &self.admission) {
            (Some(peer), Some(admission)) => policy.accept_admitted(stream, peer, admission).await,
            _ => policy.accept(stream).await,
        };
        accepted.map(|(stream, _)| stream)
    }

    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    async fn shake_hands(&self, stream: IoStream, peer: Option<&Address>) -> Option<IoStream> {
        let Some(acceptor) = &self.tls else {
            return Some(stream);
        };
        let stream = match acceptor.accept(stream).await {
            Ok(stream) => stream,
            Err(error) => {
                self.count_unless(has_left(&error), "tls_handshake");
                return turn_away(peer, "TLS handshake", &error);
            }
        };
        // RFC 7301, section 3.2: what was agreed upon is what is spoken.
        let agreed = stream.tls().and_then(|tls| tls.alpn);
        match agreed.as_deref() {
            None | Some(b"http/1.1" | b"http/1.0") => Some(stream),
            Some(_) => {
                self.count_unless(false, "tls_handshake");
                turn_away(peer, "TLS handshake", &WrongProtocol)
            }
        }
    }

    /// A peer that leaves by itself, as one does that only looks whether the port is open, is no
    /// reject.
    fn count_unless(&self, has_left: bool, cause: &'static str) {
        if !has_left {
            self.witness.count_reject(cause);
        }
    }

    #[cfg(not(any(feature = "tls", feature = "tls-ring")))]
    #[expect(clippy::unused_async, reason = "it is called as the other one is")]
    async fn shake_hands(&self, stream: IoStream, _: Option<&Address>) -> Option<IoStream> {
        Some(stream)
    }
}

/// Closes a connection that has not become one of HTTP: by dropping it. Peers that leave in the
/// middle are many and nobody's fault, so this is for those who look closely.
fn turn_away<T>(peer: Option<&Address>, phase: &str, error: &dyn Error) -> Option<T> {
    let peer = peer.map(tracing::field::display);
    tracing::debug!(
        target: "squall::httpserver",
        peer,
        phase,
        %error,
        "a connection was closed before it was served"
    );
    None
}

#[cfg(any(feature = "tls", feature = "tls-ring"))]
fn has_left(error: &squall_iostream::tls::TlsError) -> bool {
    use squall_iostream::tls::{PeerFault, TlsFault};
    matches!(
        error.fault(),
        TlsFault::Transport(_) | TlsFault::Peer(PeerFault::Truncated)
    )
}

#[cfg(any(feature = "tls", feature = "tls-ring"))]
#[derive(Debug)]
struct WrongProtocol;

#[cfg(any(feature = "tls", feature = "tls-ring"))]
impl std::fmt::Display for WrongProtocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a protocol other than HTTP/1 was agreed upon (ALPN)")
    }
}

#[cfg(any(feature = "tls", feature = "tls-ring"))]
impl Error for WrongProtocol {}

/// The settings of TLS for a server of HTTP/1.1: iostream's defaults, and the protocol's name by
/// ALPN, so that a client that speaks HTTP/2 only is told at once. A certificate is wanted still.
///
/// ```no_run
/// use squall_httpserver::tls_config;
/// use squall_iostream::tls::Pem;
/// let acceptor = tls_config()
///     .certificate(Pem::file("/etc/hello/chain.pem"), Pem::file("/etc/hello/key.pem"))
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(any(feature = "tls", feature = "tls-ring"))]
pub fn tls_config() -> squall_iostream::tls::ServerConfig {
    squall_iostream::tls::ServerConfig::new().alpn(["http/1.1"])
}

/// What each stream is set to. Most servers set nothing, and their streams own nothing for it.
#[derive(Default)]
pub(crate) struct StreamSettings {
    guards: Option<Guards>,
    unsent_bytes_max: Option<usize>,
    budget: Option<MemoryBudget>,
    others: RefCell<Option<ConfigureStream>>,
}

/// What the application sets each stream to.
pub(crate) type ConfigureStream = Rc<dyn Fn(&IoStream)>;

impl StreamSettings {
    pub(crate) fn new(ioloop: &squall_ioloop::Handle, config: &Config) -> Self {
        let budget = |bytes| MemoryBudget::new(ioloop, bytes);
        Self {
            guards: config.guards,
            unsent_bytes_max: config.unsent_bytes_max,
            budget: config.memory_bytes_max.map(budget),
            others: RefCell::default(),
        }
    }

    pub(crate) fn set_others(&self, configure: ConfigureStream) {
        let replaced = self.others.replace(Some(configure));
        drop(replaced);
    }

    fn configure(&self, stream: &IoStream) {
        if let Some(guards) = &self.guards {
            stream.set_guards(guards);
        }
        if let Some(bytes_max) = self.unsent_bytes_max {
            stream.set_unsent_bytes_max(bytes_max);
        }
        if let Some(budget) = &self.budget {
            stream.set_memory_budget(Some(budget));
        }
        let others = self.others.borrow().clone();
        if let Some(configure) = others {
            configure(stream);
        }
    }
}
