//! A connection, from the end of the opening handshake to the end of TCP: one async function.
//!
//! ```text
//!   open --> listen: decode one read, all its frames, in one go ---------> on_close --> linger
//!              ^  |                                           |
//!              |  +-- too many frames for one turn: yield     +-- Close, broken protocol,
//!              |  +-- too much unsent: wait until it is taken     end of stream, deadline
//!              |  +-- silence: ping
//!              +--+
//! ```
//!
//! Answers leave in one write when `decode` has to wait for input. Nothing is allocated for a
//! message that arrives whole, and nothing at all is kept while waiting but this future and the
//! socket's shared state. Who is told of it is a [`Listener`]: the handler, through
//! `conversation.rs`, or a task that asks for one message after the other, in `receiving.rs`.

use std::future::Future;
use std::rc::Rc;

use squall_ioloop::yield_now;
use squall_iostream::{IoStream, Step, StreamError};

use crate::conversation::Conversation;
#[cfg(feature = "deflate")]
use crate::deflate::DeflatePool;
use crate::handler::WebSocketHandler;
use crate::{CloseCode, CloseFrame, Config, Event, Opening, Protocol, Role, WebSocket};

/// Serves one WebSocket until it is over. Call it when the answer to the opening handshake was
/// written; frames that came glued to the request may already be in the stream.
///
/// Takes a [`Config`], or better an `Rc<Config>` for all connections. Dropping the future closes
/// TCP and ends the conversation; `on_close` is called then too.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::memory;
/// use squall_websocket::{Config, HandlerResult, Message, WebSocket, WebSocketHandler, serve};
///
/// struct Echo;
/// impl WebSocketHandler for Echo {
///     fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
///         Ok(ws.write_message(message)?)
///     }
/// }
///
/// let ioloop = IoLoop::new()?;
/// let (ours, mut theirs) = memory::pair(&ioloop, memory::Options::default());
/// ioloop.spawn_detached(serve(ours, Config::default(), Echo));
/// let answer = ioloop.run_until(async {
///     theirs.write(b"\x81\x82\x01\x02\x03\x04\x69\x6b")?; // a client masks: "hi"
///     theirs.read_bytes(4).await
/// })??;
/// assert_eq!(answer, b"\x81\x02hi");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn serve<C, H>(stream: IoStream, config: C, handler: H) -> impl Future<Output = ()>
where
    C: Into<Rc<Config>>,
    H: WebSocketHandler,
{
    serve_opened(stream, config, &Opening::new(Role::Server), handler)
}

/// As [`serve`], for either role, and with the extensions that the opening handshake has agreed on.
pub fn serve_opened<C, H>(
    stream: IoStream,
    config: C,
    opening: &Opening,
    handler: H,
) -> impl Future<Output = ()> + use<C, H>
where
    C: Into<Rc<Config>>,
    H: WebSocketHandler,
{
    let mut connection = Connection::new(stream, config.into(), opening, |ws| {
        Conversation::new(handler, ws)
    });
    // Borrowed here and not moved into a function, for a future would keep room for it twice; and
    // the loop is here, for each function between would keep its own.
    async move {
        connection.begin();
        let end = loop {
            if let Some(end) = connection.hear_more().await {
                break end;
            }
        };
        connection.note_end();
        if let End::Orderly = end {
            // Boxed, so that no connection keeps room for its end all its life.
            Box::pin(linger(connection.stream, connection.listener)).await;
        }
    }
}

/// Who is told what a peer says.
pub(crate) trait Listener {
    fn ws(&self) -> &WebSocket;
    /// Not a Close: that ends it. `true` if it wants to hear no more for now.
    fn tell(&mut self, event: Event<'_>) -> bool;
    /// The connection is open.
    fn open(&mut self);
    /// The server stops.
    fn drain(&mut self);
    /// The end, which may be told twice; with what the peer's Close said.
    fn end(&mut self, frame: Option<CloseFrame<'_>>);
}

pub(crate) struct Connection<L> {
    stream: IoStream,
    protocol: Protocol,
    pub(crate) listener: L,
    /// Whether a Ping of ours was the last that happened.
    is_pinged: bool,
}

/// How TCP is to be closed.
pub(crate) enum End {
    /// With all that is unsent, and so that the peer can read it.
    Orderly,
    /// At once: nobody is there, or the peer has had its time.
    Abrupt,
}

/// Why reading stops: for a moment, or for good.
enum Pause {
    /// The listener has heard enough.
    Heard,
    /// Enough frames for one turn.
    Turn,
    /// The peer does not take its answers.
    Backlog,
    /// The deadline has passed.
    Silence,
    /// The peer's side is over.
    Over,
}

/// Discarded at the end at most, unless messages may be larger: what a peer may have had under way
/// when we stopped listening.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

impl<L: Listener> Connection<L> {
    pub(crate) fn new(
        stream: IoStream,
        config: Rc<Config>,
        opening: &Opening,
        listener: impl FnOnce(WebSocket) -> L,
    ) -> Self {
        let ws = WebSocket::new(stream.handle(), config, opening);
        let protocol = Protocol::new(opening.role(), ws.config().limits);
        #[cfg(feature = "deflate")]
        let protocol = match opening.deflate() {
            Some(agreement) => protocol.with_deflate(agreement, &DeflatePool::of(stream.ioloop())),
            None => protocol,
        };
        Self {
            stream,
            protocol,
            listener: listener(ws),
            is_pinged: false,
        }
    }

    pub(crate) fn begin(&mut self) {
        // Whatever deadline the opening handshake has left is none of ours.
        self.stream.set_deadline(None);
        expect_life(self.listener.ws());
        // The stream is flushed before it waits for input; so it is, too, while frames are heard.
        self.listener.ws().cork(true);
        self.listener.open();
        self.listener.ws().cork(false);
    }

    /// It is over, and TCP is to be closed.
    pub(crate) fn note_end(&mut self) {
        // Unless the peer's Close has done so.
        self.listener.end(None);
        // The server closes TCP first (§7.1.1), and the peer has as long again to follow.
        let patience = self.listener.ws().config().timeout_close;
        self.stream.set_deadline(Some(patience));
    }

    /// Closes TCP so that the peer can still read what was sent.
    pub(crate) async fn linger(self) {
        linger(self.stream, self.listener).await;
    }

    /// Reads until there is a reason to stop, and deals with that; gives the end, if it has come.
    pub(crate) async fn hear_more(&mut self) -> Option<End> {
        let pause = match self.hear().await {
            Ok(pause) => pause,
            Err(StreamError::TimedOut) => Pause::Silence,
            // The peer may have closed its side only, and still take answers.
            Err(_) => Pause::Over,
        };
        match pause {
            // Nobody says when there will be a wait for input, which flushes.
            Pause::Heard => self.stream.flush_at_turn_end(),
            Pause::Turn => {
                self.stream.flush_at_turn_end();
                yield_now().await;
            }
            Pause::Backlog => {
                // Boxed, so that no connection keeps room for this wait all its life.
                if !Box::pin(self.is_taken()).await {
                    return Some(End::Abrupt);
                }
            }
            Pause::Silence => {
                if !self.bear_silence() {
                    return Some(End::Abrupt);
                }
            }
            Pause::Over => return Some(End::Orderly),
        }
        None
    }

    /// Reads, and handles all frames that a read brings, until there is a reason to stop.
    fn hear(&mut self) -> impl Future<Output = Result<Pause, StreamError>> {
        let Self {
            stream,
            protocol,
            listener,
            is_pinged,
        } = self;
        stream.decode(move |input| {
            *is_pinged = false;
            Ok(hear_input(protocol, listener, input))
        })
    }

    /// Waits until the peer has taken most of what is unsent; `false` if it does not. As long as it
    /// takes some between two deadlines, it is only slow.
    async fn is_taken(&mut self) -> bool {
        let mut unsent = self.stream.unsent_len();
        loop {
            let taken = self.listener.ws().drained_or_deadline().await;
            if taken.is_err() && self.is_draining() {
                continue;
            }
            let ws = self.listener.ws();
            match taken {
                Ok(()) => return true,
                Err(StreamError::TimedOut)
                    if !ws.is_closing() && self.stream.unsent_len() < unsent =>
                {
                    unsent = self.stream.unsent_len();
                    expect_life(ws);
                }
                Err(_) => return false,
            }
        }
    }

    /// The deadline has passed: whether to go on listening.
    fn bear_silence(&mut self) -> bool {
        if self.is_draining() {
            return true;
        }
        let ws = self.listener.ws();
        if ws.is_closing() {
            return false;
        }
        if self.is_pinged {
            // In case it only lost its way: it has the time of a closing handshake to answer.
            ws.close(CloseCode::INTERNAL_ERROR, "ping timed out");
        } else if ws.ping(b"").is_ok() {
            self.is_pinged = true;
            let patience = ws.config().ping_timeout;
            self.stream.set_deadline(Some(patience));
        }
        true
    }

    /// Whether it was for a drain that the deadline has passed: then the listener is told, and the
    /// peer has its time again.
    fn is_draining(&mut self) -> bool {
        if !self.listener.ws().take_drain() {
            return false;
        }
        self.listener.drain();
        let ws = self.listener.ws();
        if self.is_pinged && !ws.is_closing() {
            self.stream.set_deadline(Some(ws.config().ping_timeout));
        } else {
            expect_life(ws);
        }
        true
    }
}

async fn linger(mut stream: IoStream, listener: impl Listener) {
    let ws = listener.ws();
    if ws.role() == Role::Client {
        // §7.1.1: the server closes TCP first, and is given its time.
        let nothing_more =
            stream.decode(|input| Ok::<_, StreamError>(Step::<()>::More(input.len())));
        let _ = nothing_more.await;
    }
    let limits = &ws.config().limits;
    let bytes_max = limits.message_bytes_max.max(LINGER_BYTES_MAX);
    stream.linger(bytes_max).await;
}

/// Handles what one read has brought.
fn hear_input<L: Listener>(
    protocol: &mut Protocol,
    listener: &mut L,
    input: &mut [u8],
) -> Step<Pause> {
    expect_life(listener.ws());
    listener.ws().cork(true);
    let step = hear_frames(protocol, listener, input);
    listener.ws().cork(false);
    step
}

/// Frame by frame, to the last, unless there is a reason to stop.
fn hear_frames<L: Listener>(
    protocol: &mut Protocol,
    listener: &mut L,
    input: &mut [u8],
) -> Step<Pause> {
    let config = listener.ws().config();
    let (frames_per_turn, backlog_bytes_pause) =
        (config.frames_per_turn.max(1), config.backlog_bytes_pause);
    let mut used = 0;
    for _ in 0..frames_per_turn {
        match protocol.receive(&mut input[used..]) {
            Ok((0, None)) => return Step::More(used),
            Ok((count, None)) => used += count,
            Ok((count, Some(Event::Close(frame)))) => {
                let ws = listener.ws();
                ws.note_received_close();
                // §5.5.1: answered with its own code, unless we closed first.
                ws.send_close(frame.map(|frame| frame.code().into()));
                listener.end(frame);
                return Step::Done(used + count, Pause::Over);
            }
            Ok((count, Some(event))) => {
                used += count;
                if listener.tell(event) {
                    return Step::Done(used, Pause::Heard);
                }
            }
            Err(error) => {
                tracing::debug!(target: "squall::websocket", "the peer is cut off: {error}");
                // §7.1.7: with a Close, behind all answers that are due. Its reason helps whoever
                // wrote the peer.
                let ws = listener.ws();
                ws.note_received_close();
                let reason = error.to_string();
                ws.send_close(Some(CloseFrame::cut(error.close_code(), &reason)));
                return Step::Done(input.len(), Pause::Over);
            }
        }
        if listener.ws().buffered_amount() > backlog_bytes_pause {
            // Mostly the system takes it all, and there is nothing to wait for.
            listener.ws().stream().flush();
            if listener.ws().buffered_amount() > backlog_bytes_pause {
                return Step::Done(used, Pause::Backlog);
            }
        }
    }
    Step::Done(used, Pause::Turn)
}

/// The peer has given a sign of life, and has until the next Ping to give another. In the closing
/// handshake nothing it says buys it time.
fn expect_life(ws: &WebSocket) {
    if let Some(interval) = ws.config().ping_interval {
        if !ws.is_closing() {
            ws.stream().set_deadline(Some(interval));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HandlerResult, Message};
    use squall_ioloop::IoLoop;
    use squall_iostream::memory;

    struct Silent;
    impl WebSocketHandler for Silent {
        fn on_message(&mut self, _: &WebSocket, _: Message<'_>) -> HandlerResult {
            Ok(())
        }
    }

    #[test]
    fn an_idle_connection_is_small() {
        let ioloop = IoLoop::new().unwrap();
        let (ours, _theirs) = memory::pair(&ioloop, memory::Options::default());
        let future = serve(ours, Config::default(), Silent);
        let bytes = size_of_val(&future);
        // 288 with rustc 1.95, and 8 more where messages can be compressed.
        assert!(bytes <= 296, "{bytes} bytes");
    }
}
