//! The handler and what it is told: every call of a handler's method is made here, under a guard.
//!
//! A conversation begins with `open` and ends with exactly one `on_close`, also when its task is
//! dropped in the middle of a wait. Frames come from `connection.rs`, its only caller.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::connection::Listener;
use crate::handler::{HandlerResult, WebSocketHandler};
use crate::{CloseCode, CloseFrame, Error, Event, LocalFault, Message, WebSocket};

/// A handler, and the socket that it is lent.
pub(crate) struct Conversation<H: WebSocketHandler> {
    handler: H,
    ws: WebSocket,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Listening,
    /// The handler failed: it hears nothing more but the end.
    Failed,
    Over,
}

impl<H: WebSocketHandler> Conversation<H> {
    pub(crate) fn new(handler: H, ws: WebSocket) -> Self {
        Self {
            handler,
            ws,
            state: State::Listening,
        }
    }

    fn message(&mut self, message: Message<'_>) {
        self.call("on_message", |handler, ws| handler.on_message(ws, message));
    }

    /// Calls a method of the handler. If that fails, the peer is told so, and the handler will hear
    /// of nothing more but the end.
    fn call(&mut self, name: &str, f: impl FnOnce(&mut H, &WebSocket) -> HandlerResult) {
        if self.state != State::Listening {
            return;
        }
        let (handler, ws) = (&mut self.handler, &self.ws);
        // What a panic leaves behind in the handler is seen by its `on_close` only.
        match catch_unwind(AssertUnwindSafe(|| f(handler, ws))) {
            Ok(Ok(())) => return,
            // It wrote to a peer that is going or gone.
            Ok(Err(error)) if is_closed(&*error) && ws.is_closing() => return,
            Ok(Err(error)) => {
                tracing::error!(target: "squall::websocket", "{name} failed: {error}");
            }
            Err(payload) => log_panic(name, &*payload),
        }
        self.state = State::Failed;
        self.ws.close(CloseCode::INTERNAL_ERROR, "");
    }
}

impl<H: WebSocketHandler> Listener for Conversation<H> {
    fn ws(&self) -> &WebSocket {
        &self.ws
    }

    fn open(&mut self) {
        self.call("open", |handler, ws| handler.open(ws));
    }

    /// Tells the handler what the peer said. A handler never has enough.
    fn tell(&mut self, event: Event<'_>) -> bool {
        match event {
            Event::Text(text) => self.message(Message::Text(text)),
            Event::Binary(bytes) => self.message(Message::Binary(bytes)),
            Event::Ping(payload) => {
                // §5.5.3: the answer has the same payload. Answered in order, each of them.
                self.ws.pong(payload);
                self.call("on_ping", |handler, ws| handler.on_ping(ws, payload));
            }
            Event::Pong(payload) => {
                self.call("on_pong", |handler, ws| handler.on_pong(ws, payload));
            }
            Event::Close(_) => {}
        }
        false
    }

    fn drain(&mut self) {
        self.call("on_drain", |handler, ws| handler.on_drain(ws));
    }

    /// Ends the conversation, the first time.
    fn end(&mut self, frame: Option<CloseFrame<'_>>) {
        if self.state == State::Over {
            return;
        }
        self.state = State::Over;
        self.ws.note_closed();
        let on_close = || self.handler.on_close(&self.ws, frame);
        if let Err(payload) = catch_unwind(AssertUnwindSafe(on_close)) {
            log_panic("on_close", &*payload);
        }
        self.ws.tell_waiters();
    }
}

/// A task may be dropped while it waits: its loop ended, or somebody has lost patience.
impl<H: WebSocketHandler> Drop for Conversation<H> {
    fn drop(&mut self) {
        self.end(None);
    }
}

fn is_closed(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref() == Some(&Error::Local(LocalFault::Closed))
}

fn log_panic(name: &str, payload: &(dyn Any + Send)) {
    let text = payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without text");
    tracing::error!(target: "squall::websocket", "{name} panicked: {text}");
}
