//! The seam to the layer above.

use std::future::Future;
use std::pin::Pin;

use crate::Exchange;

/// What a service returns: the one allocation of a plain request.
pub type ServiceFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Answers exchanges. A closure `|http: Exchange| async move { … }` is one.
///
/// The answer is complete when [`Exchange::finish`] was called, not when the future is: a service
/// may keep a clone of the exchange and finish it in a later turn. If the last clone is dropped
/// unfinished, the peer gets a 500.
///
/// ```
/// use squall_httpserver::{Exchange, Service, ServiceFuture};
///
/// struct Hello;
/// impl Service for Hello {
///     fn serve(&self, http: Exchange) -> ServiceFuture {
///         let _ = http.write("Hello!"); // fails only if the peer is gone
///         http.finish();
///         Box::pin(std::future::ready(()))
///     }
/// }
/// ```
pub trait Service: 'static {
    /// Begins to answer. Called when the head is there; the content is pulled by the service.
    fn serve(&self, http: Exchange) -> ServiceFuture;
}

impl<F, R> Service for F
where
    F: Fn(Exchange) -> R + 'static,
    R: Future<Output = ()> + 'static,
{
    fn serve(&self, http: Exchange) -> ServiceFuture {
        Box::pin(self(http))
    }
}
