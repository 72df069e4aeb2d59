//! Networks whose word is taken: for proxies in front of us.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::Address;

/// A list of networks in CIDR notation, and perhaps the peers of this machine that have no address
/// of the Internet. Empty by default: nobody is trusted.
///
/// ```
/// use squall_iostream::{Address, TrustedPeers};
/// let trusted = TrustedPeers::from_networks(["10.0.0.0/8", "2001:db8::1"])?;
/// let peer = |text: &str| Address::Inet(text.parse().unwrap());
/// assert!(trusted.contains(Some(&peer("10.1.2.3:5000"))));
/// assert!(trusted.contains(Some(&peer("[::ffff:10.1.2.3]:5000")))); // the same host
/// assert!(!trusted.contains(Some(&peer("192.0.2.1:5000"))));
/// assert!(TrustedPeers::from_networks(["10.0.0.0/33"]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedPeers {
    networks: Vec<IpNet>,
    has_local: bool,
}

/// A text that is neither a network in CIDR notation nor an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotANetwork {
    text: String,
}

impl TrustedPeers {
    /// The networks of a list; an address alone is a network of one.
    ///
    /// # Errors
    /// [`NotANetwork`], with the first text that is none.
    pub fn from_networks<'a>(
        networks: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, NotANetwork> {
        let networks = networks
            .into_iter()
            .map(parse_network)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            networks,
            has_local: false,
        })
    }

    /// Trusts peers without an address of the Internet too: those of Unix sockets, which file
    /// rights have let in, and of memory. Default off.
    #[must_use]
    pub fn local(mut self, on: bool) -> Self {
        self.has_local = on;
        self
    }

    /// Whether a peer is trusted. An IPv4 address that is written as an IPv6 one is the IPv4
    /// address. Linear in the number of networks.
    pub fn contains(&self, peer: Option<&Address>) -> bool {
        match peer.and_then(Address::ip) {
            Some(ip) => {
                let ip = ip.to_canonical();
                self.networks.iter().any(|network| network.contains(&ip))
            }
            None => self.has_local,
        }
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.has_local
    }
}

fn parse_network(text: &str) -> Result<IpNet, NotANetwork> {
    IpNet::from_str(text)
        .map(to_canonical)
        .or_else(|_| IpAddr::from_str(text).map(|ip| IpNet::from(ip.to_canonical())))
        .map_err(|_| NotANetwork {
            text: text.chars().take(80).collect(),
        })
}

/// A network of IPv4 addresses that are written as IPv6 ones is one of IPv4 addresses, as its
/// members are (RFC 4291, section 2.5.5.2). One that holds others too is left as it is, and holds
/// none of them: nobody who writes `::/0` means all of IPv4.
fn to_canonical(network: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let is_mapped = network.addr().to_canonical().is_ipv4() && network.addr().is_ipv6();
    let prefix = network.prefix_len().checked_sub(MAPPED_BITS);
    prefix
        .filter(|_| is_mapped)
        .and_then(|prefix| IpNet::new(network.addr().to_canonical(), prefix).ok())
        .unwrap_or(network)
}

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is neither an address nor a network such as 10.0.0.0/8",
            self.text
        )
    }
}

impl std::error::Error for NotANetwork {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnixAddress;

    fn check(networks: &[&str], peer: &str, expected: bool) {
        let trusted = TrustedPeers::from_networks(networks.iter().copied()).unwrap();
        let peer = Address::Inet(peer.parse().unwrap());
        assert_eq!(
            trusted.contains(Some(&peer)),
            expected,
            "{networks:?} {peer}"
        );
    }

    #[test]
    fn a_peer_is_trusted_if_any_network_holds_it() {
        check(&[], "127.0.0.1:1", false);
        check(&["0.0.0.0/0"], "192.0.2.1:1", true);
        check(&["0.0.0.0/0"], "[2001:db8::1]:1", false);
        check(&["10.0.0.0/8", "192.0.2.0/24"], "192.0.2.255:1", true);
        check(&["10.0.0.0/8", "192.0.2.0/24"], "192.0.3.0:1", false);
        check(&["192.0.2.7"], "192.0.2.7:1", true);
        check(&["192.0.2.7"], "192.0.2.8:1", false);
        check(&["2001:db8::/32"], "[2001:db8:ffff::1]:1", true);
        check(&["2001:db8::/32"], "[2001:db9::]:1", false);
        check(&["::ffff:192.0.2.7"], "192.0.2.7:1", true);
        check(&["::ffff:10.0.0.0/104"], "10.1.2.3:1", true);
        check(&["::ffff:10.0.0.0/104"], "[::ffff:10.1.2.3]:1", true);
        check(&["::ffff:10.0.0.0/104"], "11.0.0.1:1", false);
        check(&["::ffff:0:0/96"], "192.0.2.7:1", true);
        check(&["::ffff:192.0.2.7/128"], "192.0.2.7:1", true);
        check(&["::ffff:192.0.2.7/128"], "192.0.2.8:1", false);
        check(&["::/0"], "192.0.2.7:1", false);
        check(&["::ffff:0:0/95"], "192.0.2.7:1", false);
    }

    #[test]
    fn a_peer_without_an_address_is_trusted_only_if_all_local_ones_are() {
        let everywhere = TrustedPeers::from_networks(["0.0.0.0/0", "::/0"]).unwrap();
        let nobody = Address::Unix(UnixAddress::Unnamed);
        assert!(!everywhere.contains(Some(&nobody)));
        assert!(!everywhere.contains(None));
        let local = TrustedPeers::default().local(true);
        assert!(local.contains(Some(&nobody)) && local.contains(None));
        assert!(!local.is_empty() && TrustedPeers::default().is_empty());
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in ["", "10.0.0.0/33", "10.0.0", "host", "::/129", "10.0.0.0/8 "] {
            let error = TrustedPeers::from_networks(["::1", text]).unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
