//! WebSockets on a route: from the request that asks for one to the connection that serves it.
//!
//! The opening handshake is decided here, by the functions of `squall-websocket`; then the stream
//! leaves httpserver, and a task of its own serves it. Nothing here touches a frame.

use std::rc::Rc;

use http::{HeaderValue, Method, StatusCode, header};
use squall_httpserver::DrainGuard;
use squall_websocket::handshake::{self, Refusal};
use squall_websocket::{
    CloseFrame, Config, HandlerResult, Message, WebSocket, WebSocketHandler, serve,
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
            let handler = (self.make)(&http)?;
            accept(&http, &key, handler, self.config.clone())
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

/// RFC 6455, section 4.2.1, and the same-origin check that keeps other sites' pages out
/// (Tornado's `check_origin`). Returns the key.
fn check(http: &Exchange) -> Result<String> {
    let head = http.head();
    let fields = head.headers();
    let version = match head.version() {
        squall_http1::Version::Http10 => http::Version::HTTP_10,
        squall_http1::Version::Http11 => http::Version::HTTP_11,
    };
    let key = handshake::check_request(head.method(), version, fields).map_err(refused)?;
    if !handshake::is_same_origin(fields) {
        return Err(refused(Refusal::CrossOrigin).into());
    }
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

/// RFC 6455, section 4.2.2: 101, then the stream is a WebSocket.
fn accept<H: WebSocketHandler>(
    http: &Exchange,
    key: &str,
    mut handler: H,
    config: Rc<Config>,
) -> Result {
    let offered: Vec<_> = handshake::subprotocols(http.head().headers()).collect();
    let chosen = handler.select_subprotocol(&offered);
    // §4.2.2 5: a client fails the connection over a subprotocol that it has not offered.
    if chosen.is_some_and(|chosen| !offered.contains(&chosen)) {
        let error = HttpError::new(StatusCode::INTERNAL_SERVER_ERROR);
        Err(error.with_log_message("a subprotocol was chosen that was not offered"))?;
    }
    let subprotocol = chosen
        .map(HeaderValue::from_str)
        .transpose()
        .map_err(|error| HttpError::new(StatusCode::INTERNAL_SERVER_ERROR).with_source(error))?;
    for (name, value) in handshake::answer_fields(key, subprotocol) {
        if let Some(name) = name {
            http.set_header(name, value)?;
        }
    }
    // What follows is no content, and has no type.
    http.clear_header(&header::CONTENT_TYPE)?;
    let handler = Drained {
        handler,
        guard: Some(http.join_drain()),
    };
    http.detach(move |stream| {
        let ioloop = stream.ioloop().clone();
        ioloop.spawn_detached(serve(stream, config, handler));
    })?;
    Ok(())
}

/// A handler whose WebSocket gets 1001 when the server stops, and keeps it waiting until then.
struct Drained<H> {
    handler: H,
    guard: Option<DrainGuard>,
}

impl<H: WebSocketHandler> WebSocketHandler for Drained<H> {
    fn open(&mut self, ws: &WebSocket) -> HandlerResult {
        let socket = ws.clone();
        let guard = self.guard.take();
        self.guard = guard.map(|guard| guard.on_drain(move || socket.go_away()));
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

    fn on_close(&mut self, ws: &WebSocket, frame: Option<CloseFrame<'_>>) {
        self.handler.on_close(ws, frame);
    }
}
