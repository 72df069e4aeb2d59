//! Who has asked, and how: through proxies whose word is taken, over TLS or not. Found out when it
//! is asked for, once for a request.

use std::fmt;
use std::net::IpAddr;

use squall_iostream::StreamHandle;

use crate::Exchange;
use crate::forwarded::{Origin, Peer};
use crate::state::{Inner, Link};

/// How a client speaks to the first server that it meets.
///
/// ```
/// use squall_httpserver::Scheme;
/// assert_eq!(Scheme::Https.to_string(), "https");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// As proxies write it; those who see a WebSocket in the request may say so.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let is = |name: &[u8]| value.eq_ignore_ascii_case(name);
        if is(b"https") || is(b"wss") {
            Some(Self::Https)
        } else if is(b"http") || is(b"ws") {
            Some(Self::Http)
        } else {
            None
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Exchange {
    /// The client's address: the peer's, or what proxies that are trusted tell of it, see
    /// [`Forwarded`](crate::Forwarded). An IPv4 address that is written as an IPv6 one is the IPv4
    /// address.
    ///
    /// `None` if nobody knows: a peer without an address of the Internet whose word is not taken,
    /// and a client whom a trusted proxy keeps hidden, or writes down so that it is no address. It
    /// is never the proxy's own address instead, which may have rights that the client has not.
    ///
    /// ```
    /// use squall_httpserver::Exchange;
    /// async fn greet(http: Exchange) {
    ///     let client = http.client_ip().map_or("somebody".to_owned(), |ip| ip.to_string());
    ///     let _ = http.write(format!("Hello, {client}!\n")); // fails only if the peer is gone
    ///     http.finish();
    /// }
    /// ```
    pub fn client_ip(&self) -> Option<IpAddr> {
        match self.inner().origin() {
            Some(origin) => origin.client_ip,
            None => self.remote_addr().map(|peer| peer.ip().to_canonical()),
        }
    }

    /// How the client speaks to the first server that it meets: what a proxy that is trusted
    /// tells, or else what the listener was [told](crate::ListenerConfig::with_scheme), or else
    /// what this connection is. With [`Self::host`] and the path, it makes the URL that the client
    /// has asked for.
    pub fn scheme(&self) -> Scheme {
        let told = self.inner().origin().and_then(|origin| origin.scheme);
        told.or_else(|| self.with_link(|link| link.server.door.scheme))
            .unwrap_or_else(|| self.with_link(|link| scheme_of(&link.stream)))
    }

    /// The host, with its port if it has one, that the client has asked for: what a proxy that is
    /// trusted tells, or else what the request says of it, in its target or in `Host`. Well-formed,
    /// but the client's word in either case: whether it is one of yours is for you to say.
    pub fn host(&self) -> Option<&str> {
        let told = self.inner().origin();
        let told = told.and_then(|origin| origin.host.as_deref());
        told.or_else(|| self.head().host())
    }

    /// What was agreed upon with the peer, if it speaks TLS: version, cipher suite, ALPN, the name
    /// it has asked for, its certificates. `None` without TLS, and once the peer is gone. Made
    /// anew for each call; behind a proxy that ends TLS, it is the proxy's.
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    pub fn tls(&self) -> Option<squall_iostream::tls::TlsInfo> {
        self.with_link(|link| link.stream.tls())
    }
}

impl Inner {
    /// `None` where no proxy is in front.
    pub(crate) fn origin(&self) -> Option<&Origin> {
        let link = self.link();
        let forwarded = link.server.door.forwarded.as_ref()?;
        let resolve = || forwarded.resolve(&self.head, peer_of(link));
        Some(self.origin.get_or_init(resolve))
    }
}

fn peer_of(link: &Link) -> Peer {
    match link.stream.peer_addr() {
        Some(address) => Peer::Known(address),
        // A socket knows its own end for as long as it is open, also when the other has reset it.
        None if link.stream.local_addr().is_some() || link.stream.is_closed() => Peer::Gone,
        None => Peer::Local,
    }
}

#[cfg(any(feature = "tls", feature = "tls-ring"))]
fn scheme_of(stream: &StreamHandle) -> Scheme {
    match stream.tls() {
        Some(_) => Scheme::Https,
        None => Scheme::Http,
    }
}

#[cfg(not(any(feature = "tls", feature = "tls-ring")))]
fn scheme_of(_: &StreamHandle) -> Scheme {
    Scheme::Http
}
