//! Some names are asked for by others: as `/etc/hosts` does it, but for one program.

use std::collections::HashMap;

use super::{Resolver, Resolving};

/// Asks another resolver, but for other hosts or ports where it was told so: Tornado's
/// `OverrideResolver`. What stands for a host and a port comes before what stands for a host;
/// what comes out is not looked at again, so rules make no circles. Names are compared without
/// regard to case. An address as text is a host, too.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{OverrideResolver, Resolver, SystemResolver};
///
/// let ioloop = IoLoop::new()?;
/// let resolver = OverrideResolver::new(SystemResolver::new(&ioloop))
///     .map("www.example", "127.0.0.1")
///     .map(("db.example", 5432), ("127.0.0.2", 15432));
/// let www = ioloop.run_until(resolver.resolve("www.example", 80))??;
/// assert_eq!(www, ["127.0.0.1:80".parse()?]);
/// let db = ioloop.run_until(resolver.resolve("db.example", 5432))??;
/// assert_eq!(db, ["127.0.0.2:15432".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct OverrideResolver<R> {
    inner: R,
    rules: HashMap<Endpoint, Endpoint>,
}

/// A host, with a port or for any: one side of a rule of an [`OverrideResolver`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: Option<u16>,
}

/// For any port, which stays as it is.
impl From<&str> for Endpoint {
    fn from(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: None,
        }
    }
}

impl From<(&str, u16)> for Endpoint {
    fn from((host, port): (&str, u16)) -> Self {
        Self {
            host: host.to_owned(),
            port: Some(port),
        }
    }
}

impl<R: Resolver> OverrideResolver<R> {
    /// Overrides nothing yet.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            rules: HashMap::new(),
        }
    }

    /// Asks for `to` where `from` is asked for. The last rule for the same `from` is what counts.
    #[must_use]
    pub fn map(mut self, from: impl Into<Endpoint>, to: impl Into<Endpoint>) -> Self {
        let mut from = from.into();
        from.host.make_ascii_lowercase();
        self.rules.insert(from, to.into());
        self
    }

    fn rule_for(&self, host: &str, port: u16) -> Option<&Endpoint> {
        let mut asked = Endpoint {
            host: host.to_ascii_lowercase(),
            port: Some(port),
        };
        self.rules.get(&asked).or_else(|| {
            asked.port = None;
            self.rules.get(&asked)
        })
    }
}

impl<R: Resolver> Resolver for OverrideResolver<R> {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        match self.rule_for(host, port) {
            Some(to) => self.inner.resolve(&to.host, to.port.unwrap_or(port)),
            None => self.inner.resolve(host, port),
        }
    }
}
