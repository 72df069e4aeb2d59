//! WebSockets on a route: from the request that asks for one to the connection that serves it.
//!
//! The opening handshake is decided here, by the functions of `squall-websocket`; then the stream
//! leaves httpserver, and a task of its own serves it. Nothing here touches a frame.

use std::rc::Rc;

use http::{HeaderValue, Method, StatusCode, header};
use squall_httpserver::DrainGuard;
use squall_websocket::handshake::{self, Refusal};
use squall_websocket::{
    CloseCode, CloseFrame, Config, HandlerResult, Message, Opening, Role, WebSocket,
    WebSocketHandler, WebSocketStream, serve_opened,
};

use crate::error::{HttpError, Result};
use crate::exchange::Exchange;
use crate::target::{Serving, Target};

/// Answers a request with a WebSocket, whose handler `make` makes.
pub(crate) struct WebSocketTarget<M> {
    pub(crate) make: M,
    pub(crate) config: Rc<Config>,
}

impl<M, H> Target for WebSocketTarget<M>
where
    M: Fn(&Exchange) -> Result<H>,
    H: WebSocketHandler,
{
    fn serve(&self, http: Exchange, _: bool) -> Serving {
        let accepted = check(&http).and_then(|key| {
            let mut handler = (self.make)(&http)?;
            check_origin(handler.check_origin(http.head().headers()))?;
            let subprotocol = subprotocol(&http, |offered| handler.select_subprotocol(offered))?;
            let opening = answer(&http, &key, subprotocol, &self.config)?;
            let config = Rc::clone(&self.config);
            let guard = Some(http.join_drain());
            let handler = Drained { handler, guard };
            http.detach(move |stream| {
                let ioloop = stream.ioloop().clone();
                ioloop.spawn_detached(serve_opened(stream, config, &opening, handler));
            })?;
            Ok(())
        });
        if let Err(error) = accepted {
            http.send_error(error);
        }
        Box::pin(std::future::ready(()))
    }

    fn methods(&self) -> Option<Vec<Method>> {
        Some(vec![Method::GET])
    }
}

/// Answers a request with a WebSocket that an async function reads, which `make` makes.
pub(crate) struct AsyncWebSocketTarget<M> {
    pub(crate) make: M,
    pub(crate) config: Rc<Config>,
}

impl<M, F> Target for AsyncWebSocketTarget<M>
where
    M: Fn(&Exchange) -> Result<F>,
    F: AsyncFnOnce(&mut WebSocketStream) -> HandlerResult + 'static,
{
    fn serve(&self, http: Exchange, _: bool) -> Serving {
        let accepted = check(&http).and_then(|key| {
            check_origin(handshake::is_same_origin(http.head().headers()))?;
            let function = (self.make)(&http)?;
            let opening = answer(&http, &key, None, &self.config)?;
            let config = Rc::clone(&self.config);
            let guard = http.join_drain();
            http.detach(move |stream| {
                let ioloop = stream.ioloop().clone();
                let ws = WebSocketStream::new(stream, config, &opening);
                ioloop.spawn_detached(run(function, ws, guard));
            })?;
            Ok(())
        });
        if let Err(error) = accepted {
            http.send_error(error);
        }
        Box::pin(std::future::ready(()))
    }

    fn methods(&self) -> Option<Vec<Method>> {
        Some(vec![Method::GET])
    }
}

/// Runs the function; the server that stops waits for it, and the peer is told 1001.
async fn run<F>(function: F, mut ws: WebSocketStream, guard: DrainGuard)
where
    F: AsyncFnOnce(&mut WebSocketStream) -> HandlerResult,
{
    let socket = WebSocket::clone(&ws);
    let _guard = guard.on_drain(move || socket.go_away());
    if let Err(error) = function(&mut ws).await {
        // To write to a peer that is going or gone is ordinary.
        if !ws.is_closing() {
            tracing::error!(target: "squall::web", "a WebSocket's function failed: {error}");
        }
        ws.close(CloseCode::INTERNAL_ERROR, "");
    }
    ws.close(CloseCode::NORMAL, "");
    // Whatever the function has left unread: the server waits for the end of the connection.
    while ws.next().await.is_some() {}
}

/// RFC 6455, section 4.2.1. Returns the key.
fn check(http: &Exchange) -> Result<String> {
    let head = http.head();
    let fields = head.headers();
    let version = match head.version() {
        squall_http1::Version::Http10 => http::Version::HTTP_10,
        squall_http1::Version::Http11 => http::Version::HTTP_11,
    };
    let key = handshake::check_request(head.method(), version, fields).map_err(refused)?;
    // It would be taken for the first frames.
    if head.framing().has_content() {
        return Err(HttpError::bad_request("A handshake has no content").into());
    }
    Ok(key.to_owned())
}

fn refused(refusal: Refusal) -> HttpError {
    let error = HttpError::new(refusal.status()).with_message(refusal.to_string());
    let error = match refusal.field() {
        Some((name, value)) => error.with_header(name, value),
        None => error,
    };
    if refusal.status() != StatusCode::UPGRADE_REQUIRED {
        return error;
    }
    // RFC 9110 §15.5.22 and §7.8: a 426 says what to upgrade to, and that this is for one hop.
    error
        .with_header(header::UPGRADE, HeaderValue::from_static("websocket"))
        .with_header(header::CONNECTION, HeaderValue::from_static("Upgrade"))
}

/// Keeps other sites' pages out (RFC 6455, section 10.2; Tornado's `check_origin`).
fn check_origin(is_welcome: bool) -> Result {
    if is_welcome {
        return Ok(());
    }
    Err(refused(Refusal::CrossOrigin).into())
}

/// The subprotocol that the application chooses among those offered.
fn subprotocol(
    http: &Exchange,
    choose: impl for<'a> FnOnce(&[&'a str]) -> Option<&'a str>,
) -> Result<Option<HeaderValue>> {
    let offered: Vec<_> = handshake::subprotocols(http.head().headers()).collect();
    let chosen = choose(&offered);
    // §4.2.2 5: a client fails the connection over a subprotocol that it has not offered.
    if chosen.is_some_and(|chosen| !offered.contains(&chosen)) {
        let error = HttpError::new(StatusCode::INTERNAL_SERVER_ERROR);
        Err(error.with_log_message("a subprotocol was chosen that was not offered"))?;
    }
    let chosen = chosen.map(HeaderValue::from_str).transpose();
    Ok(chosen
        .map_err(|error| HttpError::new(StatusCode::INTERNAL_SERVER_ERROR).with_source(error))?)
}

/// RFC 6455, section 4.2.2: the fields of the 101, with which the stream becomes a WebSocket.
#[cfg_attr(
    not(feature = "deflate"),
    expect(unused_variables, reason = "compression")
)]
fn answer(
    http: &Exchange,
    key: &str,
    subprotocol: Option<HeaderValue>,
    config: &Config,
) -> Result<Opening> {
    for (name, value) in handshake::answer_fields(key, subprotocol) {
        if let Some(name) = name {
            http.set_header(name, value)?;
        }
    }
    let opening = Opening::new(Role::Server);
    #[cfg(feature = "deflate")]
    let opening = opening.with_deflate(deflate(http, config)?);
    // What follows is no content, and has no type.
    http.clear_header(&header::CONTENT_TYPE)?;
    Ok(opening)
}

/// RFC 7692, section 7.1: whether both want compression, and how.
#[cfg(feature = "deflate")]
fn deflate(http: &Exchange, config: &Config) -> Result<Option<squall_websocket::DeflateAgreement>> {
    let fields = http.head().headers();
    let agreement = config.deflate.and_then(|deflate| deflate.accept(fields));
    if let Some(agreement) = agreement {
        let value = HeaderValue::try_from(agreement.to_string());
        let value = value.map_err(|error| {
            HttpError::new(StatusCode::INTERNAL_SERVER_ERROR).with_source(error)
        })?;
        http.set_header(header::SEC_WEBSOCKET_EXTENSIONS, value)?;
    }
    Ok(agreement)
}

/// A handler that is told when the server stops, and keeps it waiting until its connection ends.
struct Drained<H> {
    handler: H,
    guard: Option<DrainGuard>,
}

impl<H: WebSocketHandler> WebSocketHandler for Drained<H> {
    fn open(&mut self, ws: &WebSocket) -> HandlerResult {
        let socket = ws.clone();
        let guard = self.guard.take();
        self.guard = guard.map(|guard| guard.on_drain(move || socket.drain()));
        self.handler.open(ws)
    }

    fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
        self.handler.on_message(ws, message)
    }

    fn on_ping(&mut self, ws: &WebSocket, payload: &[u8]) -> HandlerResult {
        self.handler.on_ping(ws, payload)
    }

    fn on_pong(&mut self, ws: &WebSocket, payload: &[u8]) -> HandlerResult {
        self.handler.on_pong(ws, payload)
    }

    fn on_drain(&mut self, ws: &WebSocket) -> HandlerResult {
        self.handler.on_drain(ws)
    }

    fn on_close(&mut self, ws: &WebSocket, frame: Option<CloseFrame<'_>>) {
        self.handler.on_close(ws, frame);
    }
}
