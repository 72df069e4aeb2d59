//! What a server does with a stream: a trait, and closures that are one.

use std::error::Error;
use std::future::{Future, ready};
use std::pin::Pin;

use crate::{Address, IoStream};

/// What a handler returns: a future that ends when the stream has been served.
pub type StreamFuture = Pin<Box<dyn Future<Output = Result<(), Box<dyn Error>>>>>;

/// Serves streams: Tornado's `TCPServer.handle_stream`.
///
/// An `async` closure of a stream and its peer's address is one, whether it returns nothing or a
/// `Result`; a plain closure becomes one by [`callback`].
///
/// ```
/// use squall_iostream::{Address, HandleStream, IoStream, StreamFuture};
/// struct Greeter { greeting: &'static [u8] }
/// impl HandleStream for Greeter {
///     fn handle_stream(&self, stream: IoStream, _peer: Address) -> StreamFuture {
///         let greeting = self.greeting;
///         Box::pin(async move {
///             stream.write(greeting)?;
///             Ok(stream.drained(0).await?)
///         })
///     }
/// }
/// ```
pub trait HandleStream: 'static {
    /// Begins to serve. Called within the stream's own task: a panic costs this stream.
    fn handle_stream(&self, stream: IoStream, peer: Address) -> StreamFuture;
}

impl<F, R> HandleStream for F
where
    F: Fn(IoStream, Address) -> R + 'static,
    R: Future<Output: Outcome> + 'static,
{
    fn handle_stream(&self, stream: IoStream, peer: Address) -> StreamFuture {
        let served = self(stream, peer);
        Box::pin(async move { served.await.into_result() })
    }
}

/// What serving a stream may end with: nothing, or a `Result` whose error is logged.
pub trait Outcome {
    /// The same as a result.
    ///
    /// # Errors
    /// What the handler has returned.
    fn into_result(self) -> Result<(), Box<dyn Error>>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), Box<dyn Error>> {
        Ok(())
    }
}

impl<E: Into<Box<dyn Error>>> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), Box<dyn Error>> {
        self.map_err(Into::into)
    }
}

/// A handler that is done with a stream when it returns: it has kept it, or dropped it, which
/// closes it. What it keeps, the server does not cut when it drains.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{TcpServer, callback};
/// use std::{cell::RefCell, rc::Rc};
///
/// let ioloop = IoLoop::new()?;
/// let waiting = Rc::new(RefCell::new(Vec::new()));
/// let inner = waiting.clone();
/// let server = TcpServer::new(&ioloop, callback(move |stream, _peer| {
///     inner.borrow_mut().push(stream);
/// }));
/// server.listen(0, Some("localhost"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn callback(handle_stream: impl Fn(IoStream, Address) + 'static) -> impl HandleStream {
    move |stream: IoStream, peer: Address| {
        handle_stream(stream, peer);
        ready(())
    }
}
