//! `WebSocket`: the handle that writes to a connection and closes it.
//!
//! Here is all that a connection shares with the rest of the program: its write side, its place in
//! the closing handshake, its memberships. Whatever arrives is `connection.rs`'s matter; who else
//! is in a topic is known to `topics.rs`.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use squall_ioloop::Handle;
use squall_iostream::{StreamError, StreamHandle};

#[cfg(feature = "deflate")]
use crate::deflate::{DeflatePool, Deflater};
use crate::encode::{
    encode_close, encode_message, encode_message_header, encode_ping, encode_pong,
};
use crate::topics::{Membership, Topics};
use crate::waiters::Waiters;
use crate::{
    CloseCode, CloseFrame, Closing, Config, Error, LocalFault, MaskingKey, Message, MessageKind,
    Opening, Prepared, Role, keys,
};

/// A handle of an open WebSocket: clone it, keep it, write to it from anywhere on its loop.
///
/// What is written in one turn leaves in one vectored write, when the turn ends or when the
/// connection waits for input. Two handles are equal if they are of the same connection.
///
/// # The backlog
/// What a peer does not take is kept for it, up to a limit. Above
/// [`Config::backlog_bytes_pause`], nothing more is read from that peer. A message that finds more
/// than [`Config::backlog_bytes_max`] before it is not queued: the peer is too slow, and is closed
/// with 1013. Await [`Self::send`] or [`Self::drained`] to write at the peer's pace instead.
///
/// ```
/// use squall_websocket::{CloseCode, HandlerResult, Message, WebSocket, WebSocketHandler};
/// use std::time::Duration;
///
/// /// Answers later, from outside of the handler.
/// struct Later;
///
/// impl WebSocketHandler for Later {
///     fn on_message(&mut self, ws: &WebSocket, _: Message<'_>) -> HandlerResult {
///         let clone = ws.clone();
///         ws.ioloop().call_later(Duration::from_secs(1), move || {
///             if clone.write_message("a second has passed").is_ok() {
///                 clone.close(CloseCode::NORMAL, "done");
///             }
///         });
///         Ok(())
///     }
/// }
/// ```
#[derive(Clone)]
pub struct WebSocket {
    shared: Rc<Shared>,
}

struct Shared {
    stream: StreamHandle,
    config: Rc<Config>,
    closing: Cell<Closing>,
    /// Whether the connection is handling input: then it will flush by itself, before it waits.
    is_corked: Cell<bool>,
    /// Whether the handler is to be told that the server stops.
    is_draining: Cell<bool>,
    /// Whether all have been told that it is over.
    is_over: Cell<bool>,
    role: Role,
    waiters: OnceCell<Box<Waiters>>,
    memberships: RefCell<Vec<Membership>>,
    #[cfg(feature = "deflate")]
    deflater: Option<Box<RefCell<Deflater>>>,
}

impl WebSocket {
    pub(crate) fn new(stream: StreamHandle, config: Rc<Config>, opening: &Opening) -> Self {
        Self {
            shared: Rc::new(Shared {
                #[cfg(feature = "deflate")]
                deflater: deflater(&stream, &config, opening),
                role: opening.role(),
                stream,
                config,
                closing: Cell::new(Closing::Open),
                is_corked: Cell::new(false),
                is_draining: Cell::new(false),
                is_over: Cell::new(false),
                waiters: OnceCell::new(),
                memberships: RefCell::default(),
            }),
        }
    }

    // ---- writing

    /// Sends a message: `&str` is text, `&[u8]` is binary.
    ///
    /// # Errors
    /// [`LocalFault::Closed`]: the WebSocket is closing or closed, or is so from now on, because
    /// its backlog is full.
    pub fn write_message<'a>(&self, message: impl Into<Message<'a>>) -> Result<(), Error> {
        let message = message.into();
        self.check_room()?;
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &self.shared.deflater {
            let key = self.key();
            return self.append(|out| deflater.borrow_mut().encode_message(out, message, key));
        }
        // By far the most common, and cheaper without a key that may be there.
        if self.shared.role == Role::Server {
            return self.append(|out| encode_message(out, message, None));
        }
        let key = self.key();
        self.append(|out| encode_message(out, message, key))
    }

    /// Sends a binary message whose bytes are shared: a large one is not copied, unless it has to
    /// be masked or is compressed.
    ///
    /// # Errors
    /// As [`Self::write_message`].
    pub fn write_bytes(&self, payload: Bytes) -> Result<(), Error> {
        #[cfg(feature = "deflate")]
        let is_as_it_goes = self.shared.deflater.is_none() && self.shared.role == Role::Server;
        #[cfg(not(feature = "deflate"))]
        let is_as_it_goes = self.shared.role == Role::Server;
        if !is_as_it_goes {
            return self.write_message(&payload[..]);
        }
        self.check_room()?;
        self.append(|out| encode_message_header(out, MessageKind::Binary, payload.len()))?;
        self.queue(payload)
    }

    /// Sends a message that is for many sockets: those that speak alike share its frame, which is
    /// made, and compressed, once.
    ///
    /// # Errors
    /// As [`Self::write_message`].
    pub fn write_shared(&self, message: &Prepared<'_>) -> Result<(), Error> {
        self.check_room()?;
        self.queue(self.frame_of(message))
    }

    /// The frame of a shared message that this socket's peer understands.
    pub(crate) fn frame_of(&self, message: &Prepared<'_>) -> Bytes {
        if let Some(key) = self.key() {
            return message.masked(key);
        }
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &self.shared.deflater {
            return deflater.borrow_mut().frame_of(message);
        }
        message.plain()
    }

    /// Sends a frame that [`frame_bytes`](crate::frame_bytes) has made, without a copy if it is
    /// large: one frame for many sockets. The bytes go out as they are, also if they are none of a
    /// frame. For servers; [`Self::write_shared`] compresses, and serves clients as well.
    ///
    /// # Errors
    /// As [`Self::write_message`].
    pub fn write_prepared(&self, frame: Bytes) -> Result<(), Error> {
        self.check_room()?;
        self.queue(frame)
    }

    /// Sends a message, then waits as [`Self::drained`] does: for those who have more to say than
    /// a peer may be able to take.
    ///
    /// # Errors
    /// As [`Self::write_message`].
    pub async fn send<'a>(&self, message: impl Into<Message<'a>>) -> Result<(), Error> {
        self.write_message(message)?;
        self.drained().await
    }

    /// Sends a Ping, of at most 125 bytes. The peer's answer comes to
    /// [`on_pong`](crate::WebSocketHandler::on_pong).
    ///
    /// # Errors
    /// [`LocalFault::ControlTooLong`]; else as [`Self::write_message`].
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.check_room()?;
        let key = self.key();
        self.append(|out| encode_ping(out, payload, key))?
    }

    /// Answers a Ping. Bounded by the pause of reading, not by the backlog's limit.
    pub(crate) fn pong(&self, payload: &[u8]) {
        if !self.is_closing() {
            // Fails only when the stream is closed, which the connection will hear of.
            let key = self.key();
            let _ = self.append(|out| encode_pong(out, payload, key));
        }
    }

    /// Bytes written and not yet taken by the system.
    pub fn buffered_amount(&self) -> usize {
        self.shared.stream.unsent_len()
    }

    /// Waits until no more than [`Config::backlog_bytes_pause`] bytes wait to be sent. Any number
    /// of tasks may wait.
    ///
    /// # Errors
    /// [`LocalFault::Closed`] when the WebSocket closes first.
    pub async fn drained(&self) -> Result<(), Error> {
        loop {
            if self.is_closing() {
                return Err(LocalFault::Closed.into());
            }
            match self.drained_or_deadline().await {
                Ok(()) => return Ok(()),
                // The deadline is the connection's; it passed while we looked. Hand it back.
                Err(StreamError::TimedOut) => {
                    self.shared.stream.set_deadline(Some(Duration::ZERO));
                    squall_ioloop::yield_now().await;
                }
                Err(_) => return Err(LocalFault::Closed.into()),
            }
        }
    }

    /// As [`Self::drained`], but also to the end of a closing handshake, and to the deadline.
    pub(crate) async fn drained_or_deadline(&self) -> Result<(), StreamError> {
        let unsent_max = self.shared.config.backlog_bytes_pause;
        self.shared.stream.drained(unsent_max).await
    }

    // ---- closing

    /// Begins the closing handshake: sends a Close, after what was written before. The peer has
    /// [`Config::timeout_close`] to answer; then, or after that, `on_close` is called. The second
    /// close changes nothing.
    ///
    /// `reason` is for a log, and is cut to the 123 bytes that fit. The socket leaves its topics
    /// now.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.send_close(Some(CloseFrame::cut(code, reason)));
    }

    /// Closes with 1001, for a server that goes down: clients know that they should come back.
    pub fn go_away(&self) {
        self.close(CloseCode::GOING_AWAY, "");
    }

    /// Tells the handler that the server stops: [`on_drain`](crate::WebSocketHandler::on_drain) is
    /// called in a turn that comes soon.
    pub fn drain(&self) {
        if !self.is_closing() && !self.shared.is_draining.replace(true) {
            // The connection waits for its peer, or for its deadline.
            self.shared.stream.set_deadline(Some(Duration::ZERO));
        }
    }

    /// Whether the handler has to be told of a drain, once.
    pub(crate) fn take_drain(&self) -> bool {
        self.shared.is_draining.replace(false)
    }

    /// Closes TCP now, without a closing handshake; what is unsent is lost. `on_close` is called in
    /// this turn or the next, after the messages of the same read.
    pub fn abort(&self) {
        self.shared.stream.close();
    }

    /// Whether a Close was sent, or the peer is gone: nothing can be written any more.
    pub fn is_closing(&self) -> bool {
        self.shared.closing.get() != Closing::Open || self.shared.stream.is_closed()
    }

    /// Whether it is over: both have closed, or the peer is gone.
    pub fn is_closed(&self) -> bool {
        self.shared.closing.get() == Closing::Complete
    }

    /// Waits until it is over. Any number of tasks may wait.
    pub async fn closed(&self) {
        poll_fn(|cx| {
            if self.is_closed() {
                return Poll::Ready(());
            }
            self.shared
                .waiters
                .get_or_init(Box::default)
                .add(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Sends a Close unless one was sent, and gives the peer its time to go on with the handshake.
    pub(crate) fn send_close(&self, frame: Option<CloseFrame<'_>>) {
        let closing = self.shared.closing.get();
        if closing == closing.after_sent() {
            return;
        }
        // Fails only when the stream is closed, which the connection will hear of.
        let key = self.key();
        let _ = self.append(|out| encode_close(out, frame, key));
        self.shared.closing.set(closing.after_sent());
        let patience = self.shared.config.timeout_close;
        self.shared.stream.set_deadline(Some(patience));
        self.leave_topics();
    }

    /// The peer sends nothing more: its Close came, or it broke the protocol.
    pub(crate) fn note_received_close(&self) {
        let closing = self.shared.closing.get();
        self.shared.closing.set(closing.after_received());
    }

    /// It is over, however it came to that.
    pub(crate) fn note_closed(&self) {
        self.shared.closing.set(Closing::Complete);
        self.shared.is_over.set(true);
        self.leave_topics();
    }

    /// Whether [`Self::note_closed`] was called. A handshake that is complete is over, too, but
    /// nobody was told yet.
    pub(crate) fn is_over(&self) -> bool {
        self.shared.is_over.get()
    }

    /// Wakes all who wait for something of this socket.
    pub(crate) fn tell_waiters(&self) {
        if let Some(waiters) = self.shared.waiters.get() {
            waiters.wake_all();
        }
    }

    // ---- topics

    /// Enters a topic of this loop; `false` if the socket was in it already, or is closing.
    /// Messages published to it are written to this socket until it leaves or closes.
    pub fn subscribe(&self, topic: &str) -> bool {
        !self.is_closing() && self.topics().subscribe(self, topic)
    }

    /// Leaves a topic; `false` if the socket was not in it.
    pub fn unsubscribe(&self, topic: &str) -> bool {
        self.topics().unsubscribe(self, topic)
    }

    /// Sends a message to all sockets in a topic, this one too if it is among them; see
    /// [`Topics::publish`].
    pub fn publish<'a>(&self, topic: &str, message: impl Into<Message<'a>>) -> usize {
        self.topics().publish(topic, message)
    }

    /// Sends a message to all sockets in a topic but this one.
    pub fn publish_to_others<'a>(&self, topic: &str, message: impl Into<Message<'a>>) -> usize {
        self.topics().publish_except(topic, message, self)
    }

    fn topics(&self) -> Topics {
        Topics::of(self.ioloop())
    }

    fn leave_topics(&self) {
        let has_none = self.shared.memberships.borrow().is_empty();
        if !has_none {
            self.topics().leave_all(self);
        }
    }

    pub(crate) fn memberships(&self) -> &RefCell<Vec<Membership>> {
        &self.shared.memberships
    }

    // ---- the rest

    /// The loop of this connection: for tasks and timers.
    pub fn ioloop(&self) -> &Handle {
        self.shared.stream.ioloop()
    }

    /// The peer's address, if it has one of the Internet. A system call.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.shared.stream.peer_addr()?.inet()
    }

    pub(crate) fn role(&self) -> Role {
        self.shared.role
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    pub(crate) fn stream(&self) -> &StreamHandle {
        &self.shared.stream
    }

    /// While corked, writes are not flushed when the turn ends: who has corked will flush.
    pub(crate) fn cork(&self, on: bool) {
        self.shared.is_corked.set(on);
    }

    /// Whether another message may be queued without asking whether the peer takes any.
    pub(crate) fn has_room(&self) -> bool {
        self.buffered_amount() <= self.shared.config.backlog_bytes_max
    }

    /// Whether a message may be queued. That the stream is closed, the write itself will find.
    fn check_room(&self) -> Result<(), Error> {
        if !self.has_room() {
            self.make_room();
        }
        match self.shared.closing.get() {
            Closing::Open => Ok(()),
            _ => Err(LocalFault::Closed.into()),
        }
    }

    /// Closes a peer that is too slow, after a last try.
    #[cold]
    fn make_room(&self) {
        self.shared.stream.flush();
        if !self.has_room() {
            self.close(CloseCode::TRY_AGAIN_LATER, "too slow");
        }
    }

    /// Queues a frame; runs no code of others.
    pub(crate) fn queue(&self, frame: Bytes) -> Result<(), Error> {
        let queued = self.shared.stream.write_bytes(frame);
        self.uncork();
        queued.map_err(|_| LocalFault::Closed.into())
    }

    fn append<R>(&self, encode: impl FnOnce(&mut Vec<u8>) -> R) -> Result<R, Error> {
        let appended = self.shared.stream.write_with(encode);
        self.uncork();
        appended.map_err(|_| LocalFault::Closed.into())
    }

    fn uncork(&self) {
        if !self.shared.is_corked.get() {
            self.shared.stream.flush_at_turn_end();
        }
    }

    /// §5.3: a client masks each frame with a key that was never used.
    #[inline]
    fn key(&self) -> Option<MaskingKey> {
        match self.shared.role {
            Role::Server => None,
            Role::Client => Some(keys::draw(self.ioloop())),
        }
    }
}

#[cfg(feature = "deflate")]
fn deflater(
    stream: &StreamHandle,
    config: &Config,
    opening: &Opening,
) -> Option<Box<RefCell<Deflater>>> {
    let agreement = opening.deflate()?;
    let settings = config.deflate.unwrap_or_default();
    let pool = DeflatePool::of(stream.ioloop());
    let deflater = Deflater::new(opening.role(), agreement, &settings, &pool);
    Some(Box::new(RefCell::new(deflater)))
}

impl PartialEq for WebSocket {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for WebSocket {}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("closing", &self.shared.closing.get())
            .field("buffered_amount", &self.buffered_amount())
            .finish_non_exhaustive()
    }
}
