//! Who has really asked, when proxies stand in front: whose word is taken, in which fields, and how
//! far back. How RFC 7239 writes it is in `forwarded/element.rs`; the exchange asks in `client.rs`.
//!
//! ```text
//!   client ------> proxy ------> balancer ------> us
//!   192.0.2.7      10.0.0.5      10.0.0.1 (the socket's peer: trusted, so we read on)
//!
//!   X-Forwarded-For: 203.0.113.9, 192.0.2.7, 10.0.0.5
//!                    \_ invented   \_ not     \_ trusted: its word
//!                       by the        trusted:   is taken too
//!                       client        the client
//! ```
//! Each proxy adds the address that it was asked from on the right. So the list is read from there,
//! and the first address that is not one of ours is the client's: whatever stands left of it was
//! in the request already when it came to us.

mod element;
mod node;

use std::net::{IpAddr, SocketAddr};

use squall_http1::RequestHead;
use squall_iostream::{Address, TrustedPeers};

use crate::Scheme;

/// Whose word is taken for who a client is, and in which fields it is written (Tornado's `xheaders`
/// and `trusted_downstream`).
///
/// A field that a proxy does not write goes through it as the client has sent it. So only one
/// family of fields is read: choose the one that *your* proxies write. None is read of a peer that
/// is not trusted.
///
/// What comes of it is [`Exchange::client_ip`](crate::Exchange::client_ip),
/// [`scheme`](crate::Exchange::scheme) and [`host`](crate::Exchange::host).
/// [`remote_addr`](crate::Exchange::remote_addr) stays the peer's.
///
/// ```
/// use squall_httpserver::{Config, Forwarded};
/// use squall_iostream::TrustedPeers;
/// let proxies = TrustedPeers::from_networks(["10.0.0.0/8", "2001:db8::/32"])?;
/// let config = Config::default().with_forwarded(Forwarded::x_forwarded(proxies));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Forwarded {
    trusted: TrustedPeers,
    dialect: Dialect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    XForwarded,
    XRealIp,
    Rfc7239,
}

/// More proxies than that stand before nobody, and a list that long is not one of ours.
const HOPS_MAX: usize = 32;
/// A name of 253 bytes (RFC 1035, section 2.3.4), a colon and a port.
const HOST_BYTES_MAX: usize = 259;

/// What is known of who has asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) client_ip: Option<IpAddr>,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) host: Option<Box<str>>,
}

impl Forwarded {
    /// Takes these peers' word in `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    pub fn x_forwarded(trusted: TrustedPeers) -> Self {
        Self {
            trusted,
            dialect: Dialect::XForwarded,
        }
    }

    /// Takes these peers' word in `X-Real-IP`, which is one address and not a list, and in
    /// `X-Forwarded-Proto` and `X-Forwarded-Host`.
    pub fn x_real_ip(trusted: TrustedPeers) -> Self {
        Self {
            trusted,
            dialect: Dialect::XRealIp,
        }
    }

    /// Takes these peers' word in `Forwarded` (RFC 7239).
    pub fn rfc7239(trusted: TrustedPeers) -> Self {
        Self {
            trusted,
            dialect: Dialect::Rfc7239,
        }
    }

    /// Who has asked, by a request that came from `peer`.
    pub(crate) fn resolve(&self, head: &RequestHead, peer: Peer) -> Origin {
        let client_ip = peer.ip();
        if !self.trusts(&peer) {
            return Origin {
                client_ip,
                ..Origin::default()
            };
        }
        match self.dialect {
            Dialect::XForwarded => self.read_x_forwarded(head, client_ip),
            Dialect::XRealIp => {
                let mut values = head.field_all("x-real-ip");
                let client_ip = match (values.next(), values.next()) {
                    (None, _) => client_ip,
                    (Some(value), None) => node::ip_of(value),
                    (Some(_), Some(_)) => None,
                };
                x_origin(head, client_ip, 1)
            }
            Dialect::Rfc7239 => self.read_forwarded(head, client_ip),
        }
    }

    fn read_x_forwarded(&self, head: &RequestHead, peer: Option<IpAddr>) -> Origin {
        let mut client_ip = peer;
        let mut hops = 0;
        for entry in from_the_right(head, "x-forwarded-for") {
            hops += 1;
            client_ip = node::ip_of(entry).filter(|_| hops <= HOPS_MAX);
            if !client_ip.is_some_and(|ip| self.trusts_ip(ip)) {
                break;
            }
        }
        x_origin(head, client_ip, hops)
    }

    fn read_forwarded(&self, head: &RequestHead, peer: Option<IpAddr>) -> Origin {
        let mut origin = Origin {
            client_ip: peer,
            ..Origin::default()
        };
        let lines: Vec<_> = head.field_all("forwarded").collect();
        let mut hops = 0;
        for line in lines.into_iter().rev() {
            // One that is broken may be so because its left end, a client's, has swallowed what a
            // proxy has added. Then nothing in it is to be believed.
            let Some(elements) = element::parse_line(line, HOPS_MAX + 1) else {
                return Origin::default();
            };
            for element in elements.into_iter().rev() {
                hops += 1;
                let ip = element.node.and_then(node::ip_of_rfc7239);
                origin = Origin {
                    client_ip: ip.filter(|_| hops <= HOPS_MAX),
                    scheme: element.proto.and_then(Scheme::parse),
                    host: element.host.and_then(host_of),
                };
                if !origin.client_ip.is_some_and(|ip| self.trusts_ip(ip)) {
                    return origin;
                }
            }
        }
        origin
    }

    fn trusts(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Known(address) => self.trusted.contains(Some(address)),
            Peer::Local => self.trusted.contains(None),
            Peer::Gone => false,
        }
    }

    fn trusts_ip(&self, ip: IpAddr) -> bool {
        let address = Address::Inet(SocketAddr::new(ip, 0));
        self.trusted.contains(Some(&address))
    }
}

/// The other end of the stream.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    Known(Address),
    /// It has no address, as in memory.
    Local,
    /// It had one, and nobody can say any more which: a socket that was reset forgets it. It must
    /// not pass for one that has none.
    Gone,
}

impl Peer {
    fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Known(address) => address.ip().map(|ip| ip.to_canonical()),
            Self::Local | Self::Gone => None,
        }
    }
}

/// With scheme and host as they were told at the hop at which the client's address was: by the same
/// proxy, if each adds its own to a list; else by the one that has replaced what was there.
fn x_origin(head: &RequestHead, client_ip: Option<IpAddr>, hops: usize) -> Origin {
    let told = |name| from_the_right(head, name).take(hops.max(1)).last();
    Origin {
        client_ip,
        scheme: told("x-forwarded-proto").and_then(Scheme::parse),
        host: told("x-forwarded-host").and_then(host_of),
    }
}

/// The members of a list that may be spread over several field lines (RFC 9110, section 5.3), the
/// last first. Empty ones count for nothing (section 5.6.1.2).
fn from_the_right<'a>(head: &'a RequestHead, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let lines: Vec<_> = named(head, name).collect();
    lines
        .into_iter()
        .rev()
        .flat_map(|line| line.rsplit(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// A host that can be one, for others will build links of it.
fn host_of(value: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(value).ok()?;
    let is_short = text.len() <= HOST_BYTES_MAX;
    let authority: http::uri::Authority = is_short.then(|| text.parse().ok())??;
    let has_user = text.contains('@');
    (!has_user && !authority.host().is_empty()).then(|| text.into())
}

/// As [`RequestHead::field_all`], which keeps the name for as long as the values.
fn named<'a>(head: &'a RequestHead, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let is_named = move |field: &(&str, &[u8])| field.0.eq_ignore_ascii_case(name);
    head.fields().filter(is_named).map(|(_, value)| value)
}
