//! A table of names and nothing else: for tests, and for programs that know whom they talk to.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::name::Host;
use super::{ResolveError, Resolver, Resolving, at_once};

/// Knows the names that it was told and asks nobody. Names are compared without regard to case
/// (RFC 4343). It knows neither `localhost` nor any other name by itself; addresses it answers
/// with themselves.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{FixedResolver, ResolveError, Resolver};
///
/// let resolver = FixedResolver::default()
///     .host("db.example", ["2001:db8::1".parse()?, "192.0.2.1".parse()?]);
/// let ioloop = IoLoop::new()?;
/// let addresses = ioloop.run_until(resolver.resolve("db.example", 5432))??;
/// assert_eq!(addresses, ["[2001:db8::1]:5432".parse()?, "192.0.2.1:5432".parse()?]);
/// let unknown = ioloop.run_until(resolver.resolve("www.example", 80))?.unwrap_err();
/// assert!(matches!(unknown, ResolveError::Unresolvable { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FixedResolver {
    hosts: HashMap<String, Vec<IpAddr>>,
}

impl FixedResolver {
    /// Tells it the addresses of `host`, best first. The last word on a name is what counts;
    /// without an address, the name is known and [`ResolveError::NoAddresses`] is its answer.
    #[must_use]
    pub fn host(mut self, host: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let addresses = addresses.into_iter().collect();
        self.hosts.insert(host.to_ascii_lowercase(), addresses);
        self
    }

    fn answer(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        if let Some(addresses) = self.hosts.get(&host.to_ascii_lowercase()) {
            if addresses.is_empty() {
                return Err(ResolveError::no_addresses(host));
            }
            return Ok(addresses.iter().map(|ip| (*ip, port).into()).collect());
        }
        match Host::parse(host)? {
            Host::Address(address) => Ok(vec![(address, port).into()]),
            Host::Localhost | Host::Name(_) => Err(ResolveError::Unresolvable {
                host: host.to_owned(),
                cause: None,
            }),
        }
    }
}

impl Resolver for FixedResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        at_once(self.answer(host, port))
    }
}
