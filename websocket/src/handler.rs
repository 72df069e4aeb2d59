//! What an application writes: one value per connection, called for everything that happens on it.
//!
//! The calls are made by `connection.rs`, one at a time, each under a guard: an error or a panic
//! costs this connection and no other. There is nothing async here; a handler that has to wait for
//! something clones its [`WebSocket`] into a task of `ws.ioloop()`.

use std::error::Error;

use http::HeaderMap;

use crate::handshake::is_same_origin;
use crate::{CloseFrame, Message, WebSocket};

/// What a handler's methods return. Any error closes the WebSocket with 1011 and is logged; only
/// [`LocalFault::Closed`](crate::LocalFault::Closed), a write that came too late, is ordinary.
pub type HandlerResult = Result<(), Box<dyn Error>>;

/// The application's side of one WebSocket: Tornado's `WebSocketHandler`.
///
/// Everything has a default but [`Self::on_message`]. The methods are called in the order of the
/// wire, never two at once; a panic in one of them closes the connection with 1011 as an error
/// does, and the loop and all other connections go on.
///
/// ```
/// use squall_websocket::{HandlerResult, Message, WebSocket, WebSocketHandler};
///
/// struct Echo {
///     messages: usize,
/// }
///
/// impl WebSocketHandler for Echo {
///     fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
///         self.messages += 1;
///         ws.write_message(message)?;
///         Ok(())
///     }
/// }
/// ```
pub trait WebSocketHandler: 'static {
    /// Chooses among the subprotocols that the client offers, in its order of preference. Called
    /// once, during the opening handshake, also when there is no offer; the default chooses none.
    fn select_subprotocol<'a>(&mut self, offered: &[&'a str]) -> Option<&'a str> {
        let _ = offered;
        None
    }

    /// Whether a page may connect, by the fields of its request; if not, the answer is 403. The
    /// default lets in the pages of the very host that is asked, and what is no browser; see
    /// [`is_same_origin`] and [`is_trusted_origin`](crate::handshake::is_trusted_origin).
    fn check_origin(&mut self, fields: &HeaderMap) -> bool {
        is_same_origin(fields)
    }

    /// The connection is open. Comes before any message.
    fn open(&mut self, ws: &WebSocket) -> HandlerResult {
        let _ = ws;
        Ok(())
    }

    /// A whole message has come. It is lent: copy what has to stay.
    ///
    /// Messages still come after a [`WebSocket::close`] of ours, until the peer has answered it;
    /// none come after an error.
    fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult;

    /// The peer has sent a Ping. It has been answered already.
    fn on_ping(&mut self, ws: &WebSocket, payload: &[u8]) -> HandlerResult {
        let _ = (ws, payload);
        Ok(())
    }

    /// The peer has answered a Ping, or sent a Pong unasked.
    fn on_pong(&mut self, ws: &WebSocket, payload: &[u8]) -> HandlerResult {
        let _ = (ws, payload);
        Ok(())
    }

    /// The server stops, and waits for this connection until its patience ends. The default closes
    /// with 1001; a handler that overrides it may say more, or finish something first.
    fn on_drain(&mut self, ws: &WebSocket) -> HandlerResult {
        ws.go_away();
        Ok(())
    }

    /// The connection is over: nothing comes after this, nothing can be written, and the socket
    /// has left all its topics. Called exactly once, whatever happened.
    ///
    /// `frame` is what the peer's Close said: `None` if that was empty, or if none came, because
    /// the peer vanished, broke the protocol, or did not answer our own Close in time.
    fn on_close(&mut self, ws: &WebSocket, frame: Option<CloseFrame<'_>>) {
        let _ = (ws, frame);
    }
}

/// For handlers of which only the trait is known, as a table of routes makes them.
impl<H: WebSocketHandler + ?Sized> WebSocketHandler for Box<H> {
    fn select_subprotocol<'a>(&mut self, offered: &[&'a str]) -> Option<&'a str> {
        (**self).select_subprotocol(offered)
    }

    fn check_origin(&mut self, fields: &HeaderMap) -> bool {
        (**self).check_origin(fields)
    }

    fn open(&mut self, ws: &WebSocket) -> HandlerResult {
        (**self).open(ws)
    }

    fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
        (**self).on_message(ws, message)
    }

    fn on_ping(&mut self, ws: &WebSocket, payload: &[u8]) -> HandlerResult {
        (**self).on_ping(ws, payload)
    }

    fn on_pong(&mut self, ws: &WebSocket, payload: &[u8]) -> HandlerResult {
        (**self).on_pong(ws, payload)
    }

    fn on_drain(&mut self, ws: &WebSocket) -> HandlerResult {
        (**self).on_drain(ws)
    }

    fn on_close(&mut self, ws: &WebSocket, frame: Option<CloseFrame<'_>>) {
        (**self).on_close(ws, frame);
    }
}
