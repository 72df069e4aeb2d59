//! A connection as one task sees it: one message after the other, for code that waits.
//!
//! Nothing is read before it is asked for, so who is slow slows its peer down and nobody keeps a
//! queue. The reading is `connection.rs`'s, with this file's inbox for a listener.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::rc::Rc;

use squall_ioloop::yield_now;
use squall_iostream::IoStream;

use crate::connection::{Connection, End, Listener};
use crate::message::OwnedMessage;
use crate::{CloseCode, CloseFrame, Config, Event, Opening, WebSocket};

/// An open WebSocket that is read by one task: `while let Some(message) = ws.next().await`.
///
/// It is also the [`WebSocket`] to write with, by `Deref`; clone that for others to write.
///
/// While nobody awaits [`Self::next`], nothing is read: pings wait for their answers, and silence
/// is not noticed. Dropping it closes with 1000, or with 1011 in a panic, and the loop goes on with
/// the closing handshake.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::memory;
/// use squall_websocket::{Config, Opening, OwnedMessage, Role, WebSocketStream};
///
/// async fn echo(mut ws: WebSocketStream) -> Result<(), squall_websocket::Error> {
///     while let Some(message) = ws.next().await {
///         ws.send(&message).await?; // as fast as the peer takes it
///     }
///     Ok(())
/// }
///
/// let ioloop = IoLoop::new()?;
/// let (ours, theirs) = memory::pair(&ioloop, memory::Options::default());
/// let server = WebSocketStream::new(ours, Config::default(), &Opening::new(Role::Server));
/// ioloop.spawn_detached(async { echo(server).await.expect("the client stays") });
/// ioloop.run_until(async {
///     let opening = Opening::new(Role::Client);
///     let mut client = WebSocketStream::new(theirs, Config::default(), &opening);
///     client.write_message("hi")?;
///     assert_eq!(client.next().await, Some(OwnedMessage::Text("hi".into())));
///     client.close(squall_websocket::CloseCode::NORMAL, "done");
///     assert_eq!(client.next().await, None);
///     Ok::<_, squall_websocket::Error>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it closes the WebSocket"]
pub struct WebSocketStream {
    /// `None` when it is over.
    connection: Option<Box<Connection<Inbox>>>,
    ws: WebSocket,
    closed_by_peer: Option<(CloseCode, String)>,
    subprotocol: Option<String>,
    /// Given out since the last that came with a turn of its own.
    messages: usize,
}

impl WebSocketStream {
    /// Begins to serve a stream whose opening handshake is done.
    pub fn new(stream: IoStream, config: impl Into<Rc<Config>>, opening: &Opening) -> Self {
        let mut connection = Connection::new(stream, config.into(), opening, Inbox::new);
        connection.begin();
        Self {
            ws: connection.listener.ws.clone(),
            connection: Some(Box::new(connection)),
            closed_by_peer: None,
            subprotocol: None,
            messages: 0,
        }
    }

    pub(crate) fn with_subprotocol(mut self, chosen: Option<String>) -> Self {
        self.subprotocol = chosen;
        self
    }

    /// The subprotocol that the server has chosen among those that this client has offered.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The next message; `None` when the connection is over, and TCP is closed.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<OwnedMessage> {
        loop {
            let connection = self.connection.as_mut()?;
            if connection.listener.message.is_some() {
                self.be_fair().await;
                // Taken last: whoever gives up the wait has lost nothing.
                return self.connection.as_mut()?.listener.message.take();
            }
            let Some(end) = connection.hear_more().await else {
                continue;
            };
            connection.note_end();
            let mut connection = self.connection.take()?;
            self.closed_by_peer = connection.listener.closed_by_peer.take();
            if let End::Orderly = end {
                connection.linger().await;
            }
        }
    }

    /// What the peer's Close said, when [`Self::next`] has given `None`: nothing if it was empty,
    /// or if none came.
    pub fn closed_by_peer(&self) -> Option<(CloseCode, &str)> {
        let (code, reason) = self.closed_by_peer.as_ref()?;
        Some((*code, reason))
    }

    /// A task that never has to wait would keep the loop from all others: after as many messages as
    /// a handler is told in a turn, the next turn begins.
    async fn be_fair(&mut self) {
        self.messages += 1;
        if self.messages >= self.ws.config().frames_per_turn {
            self.messages = 0;
            yield_now().await;
        }
    }

    /// Reads what the peer still sends, without anybody who listens, to the end of TCP.
    fn finish(mut connection: Box<Connection<Inbox>>) -> impl Future<Output = ()> {
        connection.listener.is_abandoned = true;
        async move {
            let end = loop {
                if let Some(end) = connection.hear_more().await {
                    break end;
                }
            };
            connection.note_end();
            if let End::Orderly = end {
                connection.linger().await;
            }
        }
    }
}

/// The handle that writes.
impl Deref for WebSocketStream {
    type Target = WebSocket;

    fn deref(&self) -> &WebSocket {
        &self.ws
    }
}

impl Drop for WebSocketStream {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if self.ws.is_closed() || self.ws.stream().is_closed() {
            return;
        }
        let code = if std::thread::panicking() {
            CloseCode::INTERNAL_ERROR
        } else {
            CloseCode::NORMAL
        };
        self.ws.close(code, "");
        self.ws.ioloop().spawn_detached(Self::finish(connection));
    }
}

impl fmt::Debug for WebSocketStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketStream")
            .field("ws", &self.ws)
            .finish_non_exhaustive()
    }
}

/// Where a message waits for the task that asked for it: one at a time.
struct Inbox {
    ws: WebSocket,
    message: Option<OwnedMessage>,
    closed_by_peer: Option<(CloseCode, String)>,
    is_abandoned: bool,
}

impl Inbox {
    fn new(ws: WebSocket) -> Self {
        Self {
            ws,
            message: None,
            closed_by_peer: None,
            is_abandoned: false,
        }
    }

    fn keep(&mut self, message: impl Into<OwnedMessage>) -> bool {
        if self.is_abandoned {
            return false;
        }
        self.message = Some(message.into());
        true
    }
}

impl Listener for Inbox {
    fn ws(&self) -> &WebSocket {
        &self.ws
    }

    fn tell(&mut self, event: Event<'_>) -> bool {
        match event {
            Event::Text(text) => self.keep(text),
            Event::Binary(bytes) => self.keep(bytes),
            Event::Ping(payload) => {
                self.ws.pong(payload);
                false
            }
            Event::Pong(_) | Event::Close(_) => false,
        }
    }

    fn open(&mut self) {}

    fn drain(&mut self) {
        self.ws.go_away();
    }

    fn end(&mut self, frame: Option<CloseFrame<'_>>) {
        if self.ws.is_over() {
            return;
        }
        self.closed_by_peer = frame.map(|frame| (frame.code(), frame.reason().to_owned()));
        self.ws.note_closed();
        self.ws.tell_waiters();
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.end(None);
    }
}
