//! What a route leads to, whatever its kind: a handler, an async function or a callback.
//!
//! Each kind is its own type with its own futures. [`Target`] is where they become one: the whole
//! life of a request is one future, boxed once, so that a request costs one allocation however
//! many `async fn`s its handler has. `route.rs` makes targets, `application.rs` calls them.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use http::Method;

use crate::error::Result;
use crate::exchange::Exchange;
use crate::handler::{RequestHandler, execute, implemented_methods};

/// A request being served.
pub(crate) type Serving = Pin<Box<dyn Future<Output = ()>>>;

/// Something that answers requests.
pub(crate) trait Target {
    /// Answers a request. `streams_content` is the route's wish; handlers have their own.
    fn serve(&self, http: Exchange, streams_content: bool) -> Serving;

    /// The methods it answers; `None` for all.
    fn methods(&self) -> Option<Vec<Method>> {
        None
    }
}

/// Makes a handler for each request.
pub(crate) struct HandlerTarget<M>(pub(crate) M);

impl<M, H> Target for HandlerTarget<M>
where
    M: Fn() -> H,
    H: RequestHandler,
{
    fn serve(&self, http: Exchange, _: bool) -> Serving {
        let make = &self.0;
        Box::pin(execute(make(), http))
    }

    fn methods(&self) -> Option<Vec<Method>> {
        Some(implemented_methods::<H>())
    }
}

/// Calls an async function.
pub(crate) struct AsyncTarget<F>(pub(crate) Rc<F>);

impl<F: AsyncFn(&Exchange) -> Result + 'static> Target for AsyncTarget<F> {
    fn serve(&self, http: Exchange, streams_content: bool) -> Serving {
        let function = Rc::clone(&self.0);
        Box::pin(async move {
            let run = async {
                receive(&http, streams_content).await?;
                function(&http).await
            };
            if let Err(error) = run.await {
                http.send_error(error);
            }
            http.finish();
        })
    }
}

/// Hands the exchange to a callback, which finishes it when it likes.
pub(crate) struct CallbackTarget<F>(pub(crate) Rc<F>);

impl<F: Fn(Exchange) + 'static> Target for CallbackTarget<F> {
    fn serve(&self, http: Exchange, streams_content: bool) -> Serving {
        let callback = Rc::clone(&self.0);
        Box::pin(async move {
            match receive(&http, streams_content).await {
                Ok(()) => callback(http),
                Err(error) => http.send_error(error),
            }
        })
    }
}

/// Collects the content, so that functions find the arguments of a form without waiting.
async fn receive(http: &Exchange, streams_content: bool) -> Result {
    if !streams_content && http.has_content() {
        Box::pin(http.content()).await?;
    }
    Ok(())
}
