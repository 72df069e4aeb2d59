//! Names into addresses: the seam, and what all resolvers have in common. Each kind of resolver is
//! in a file of its own below `resolver/`; who asks them is `tcp_client.rs`.

mod caching;
mod error;
mod fixed;
mod name;
mod overriding;
mod system;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

pub use caching::CachingResolver;
pub use error::{InvalidName, ResolveError};
pub use fixed::FixedResolver;
pub use overriding::{Endpoint, OverrideResolver};
pub use system::SystemResolver;

/// Turns names into addresses: Tornado's `Resolver`.
///
/// | to ask | use |
/// |---|---|
/// | the system: files, DNS, whatever it is configured for | [`SystemResolver`] |
/// | a table, and nobody else | [`FixedResolver`] |
/// | another resolver, but for some names | [`OverrideResolver`] |
/// | another resolver, seldom | [`CachingResolver`] |
///
/// An address written as text is a host too. A resolver answers it at once with itself; to ask
/// whether a text is one, parse it as [`std::net::IpAddr`] (Tornado: `is_valid_ip`, which also
/// takes `1` and `0x7f000001` for addresses; here they are [`InvalidName::Number`]).
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{Resolver, Resolving};
///
/// /// Everybody lives here.
/// struct Here;
///
/// impl Resolver for Here {
///     fn resolve<'a>(&'a self, _host: &'a str, port: u16) -> Resolving<'a> {
///         Box::pin(async move { Ok(vec![([127, 0, 0, 1], port).into()]) })
///     }
/// }
///
/// let ioloop = IoLoop::new()?;
/// let addresses = ioloop.run_until(Here.resolve("example.org", 80))??;
/// assert_eq!(addresses, ["127.0.0.1:80".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Resolver {
    /// The addresses of `host`, best first, each with `port`. The order is kept by who connects,
    /// but for the change of families (RFC 8305, section 4).
    ///
    /// It may take as long as it likes: who waits bounds it, and dropping the future gives up.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// What [`Resolver::resolve`] returns: a future in a box, so that resolvers can be exchanged.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = Result<Vec<SocketAddr>, ResolveError>> + 'a>>;

impl<R: Resolver + ?Sized> Resolver for Rc<R> {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        (**self).resolve(host, port)
    }
}

impl<R: Resolver + ?Sized> Resolver for Box<R> {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        (**self).resolve(host, port)
    }
}

/// An answer that is there already.
fn at_once<'a>(answer: Result<Vec<SocketAddr>, ResolveError>) -> Resolving<'a> {
    Box::pin(std::future::ready(answer))
}
