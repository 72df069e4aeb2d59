//! Handlers: a value with a method for each HTTP method, made anew for each request.
//!
//! [`execute`] is the life of a request in the web layer, read from top to bottom; it is what
//! `RequestHandler._execute` is in Tornado. Which handler a request gets is `application.rs`.

use std::any::type_name;
use std::future::{self, Future};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Method, StatusCode};

use crate::error::{Error, HttpError, Result};
use crate::exchange::Exchange;

/// What answers the requests of a route (Tornado's `RequestHandler`).
///
/// Implement the methods the route is to answer, as `async fn`; the others are answered 405, and
/// `Allow` says which there are. HEAD is answered by `get` and OPTIONS by itself, unless they are
/// implemented.
///
/// A route makes a handler for each request, so its fields are the state of one request. What
/// requests share is captured by the closure that makes it: `Rc` within a loop, `Arc` between
/// threads.
///
/// ```
/// use squall_web::{Application, Exchange, RequestHandler, Result};
///
/// struct Greeting {
///     text: &'static str,
/// }
///
/// impl RequestHandler for Greeting {
///     async fn get(&mut self, http: &Exchange) -> Result {
///         http.write(self.text)
///     }
/// }
///
/// Application::new().route("/", || Greeting { text: "Hello" });
/// ```
pub trait RequestHandler: 'static {
    /// Whether the content is given to [`data_received`](Self::data_received) as it comes, instead
    /// of being collected before [`prepare`](Self::prepare) (Tornado's `@stream_request_body`).
    const STREAM_REQUEST_BODY: bool = false;

    /// Runs before the method of the request. If it finishes the response, that does not run.
    fn prepare(&mut self, http: &Exchange) -> impl Future<Output = Result> {
        let _ = http;
        future::ready(Ok(()))
    }

    /// Takes the next piece of the content. The next but one is not read before this is done. If it
    /// finishes the response, nothing more is received, and the method of the request does not run.
    fn data_received(&mut self, http: &Exchange, chunk: &[u8]) -> impl Future<Output = Result> {
        let _ = (http, chunk);
        let error = HttpError::new(StatusCode::INTERNAL_SERVER_ERROR);
        let message = "STREAM_REQUEST_BODY is set but data_received is not implemented";
        future::ready(Err(error.with_log_message(message).into()))
    }

    /// Answers GET, and HEAD if [`head`](Self::head) is not implemented.
    fn get(&mut self, http: &Exchange) -> impl Future<Output = Result> {
        let _ = http;
        NotImplemented
    }

    /// Answers HEAD.
    fn head(&mut self, http: &Exchange) -> impl Future<Output = Result> {
        let _ = http;
        NotImplemented
    }

    /// Answers POST.
    fn post(&mut self, http: &Exchange) -> impl Future<Output = Result> {
        let _ = http;
        NotImplemented
    }

    /// Answers PUT.
    fn put(&mut self, http: &Exchange) -> impl Future<Output = Result> {
        let _ = http;
        NotImplemented
    }

    /// Answers PATCH.
    fn patch(&mut self, http: &Exchange) -> impl Future<Output = Result> {
        let _ = http;
        NotImplemented
    }

    /// Answers DELETE.
    fn delete(&mut self, http: &Exchange) -> impl Future<Output = Result> {
        let _ = http;
        NotImplemented
    }

    /// Answers OPTIONS.
    fn options(&mut self, http: &Exchange) -> impl Future<Output = Result> {
        let _ = http;
        NotImplemented
    }

    /// Writes the page for an error; status and header fields are set already. Unless implemented,
    /// it is the application's page.
    fn write_error(&mut self, http: &Exchange, error: &Error) {
        http.write_error(error);
    }

    /// Runs after the response has been given to the connection; nothing can be written any more.
    fn on_finish(&mut self, http: &Exchange) {
        let _ = http;
    }
}

/// The life of a request.
pub(crate) async fn execute<H: RequestHandler>(mut handler: H, http: Exchange) {
    if let Err(error) = run(&mut handler, &http).await {
        http.answer_error(error, |error| handler.write_error(&http, error));
    }
    http.finish();
    handler.on_finish(&http);
}

async fn run<H: RequestHandler>(handler: &mut H, http: &Exchange) -> Result {
    // Content is received in boxes of its own: most requests have none, and their future is to be
    // small, for it is moved once.
    if !H::STREAM_REQUEST_BODY && http.has_content() {
        Box::pin(http.content()).await?;
    }
    handler.prepare(http).await?;
    if http.is_finished() {
        return Ok(());
    }
    if H::STREAM_REQUEST_BODY {
        Box::pin(receive(handler, http)).await?;
        if http.is_finished() {
            return Ok(());
        }
    }
    match *http.method() {
        Method::HEAD if is_implemented(H::head) => handler.head(http).await,
        Method::GET | Method::HEAD => handler.get(http).await,
        Method::POST => handler.post(http).await,
        Method::PUT => handler.put(http).await,
        Method::PATCH => handler.patch(http).await,
        Method::DELETE => handler.delete(http).await,
        Method::OPTIONS => handler.options(http).await,
        // Such a method is in no `Allow`, so the request was refused before it came here.
        _ => NotImplemented.await,
    }
}

/// The content, piece by piece, until the handler has answered.
async fn receive<H: RequestHandler>(handler: &mut H, http: &Exchange) -> Result {
    while !http.is_finished() {
        let Some(chunk) = http.chunk().await? else {
            break;
        };
        handler.data_received(http, &chunk).await?;
    }
    Ok(())
}

/// The methods `H` implements, in the order in which `Allow` will name them.
pub(crate) fn implemented_methods<H: RequestHandler>() -> Vec<Method> {
    let all = [
        (Method::GET, is_implemented(H::get)),
        (Method::HEAD, is_implemented(H::head)),
        (Method::POST, is_implemented(H::post)),
        (Method::PUT, is_implemented(H::put)),
        (Method::PATCH, is_implemented(H::patch)),
        (Method::DELETE, is_implemented(H::delete)),
        (Method::OPTIONS, is_implemented(H::options)),
    ];
    all.into_iter()
        .filter(|(_, is_implemented)| *is_implemented)
        .map(|(method, _)| method)
        .collect()
}

/// Whether a method of a handler is its own, and not the trait's.
///
/// The trait's methods return a future with a name; an `async fn` returns one without. Since the
/// future's type is part of the method's, it can be asked without calling anything.
fn is_implemented<'a, H, F>(_: fn(&'a mut H, &'a Exchange) -> F) -> bool
where
    H: 'a,
    F: Future<Output = Result>,
{
    type_name::<F>() != type_name::<NotImplemented>()
}

/// What the trait's own methods return.
struct NotImplemented;

impl Future for NotImplemented {
    type Output = Result;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result> {
        Poll::Ready(Err(HttpError::new(StatusCode::METHOD_NOT_ALLOWED).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;
    impl RequestHandler for Nothing {}

    struct Some;
    impl RequestHandler for Some {
        async fn post(&mut self, _: &Exchange) -> Result {
            Ok(())
        }
        async fn get(&mut self, _: &Exchange) -> Result {
            Ok(())
        }
        fn options(&mut self, _: &Exchange) -> impl Future<Output = Result> {
            future::ready(Ok(()))
        }
    }

    #[test]
    fn implemented_methods_are_known_without_a_handler() {
        assert!(implemented_methods::<Nothing>().is_empty());
        assert_eq!(
            implemented_methods::<Some>(),
            [Method::GET, Method::POST, Method::OPTIONS]
        );
    }
}
