//! `Exchange`: one request and its response, as a handle.
//!
//! The service holds it, may clone it, may finish it in a later turn. The connection holds the
//! other reference, and takes the memory back when all clones are gone. What was asked is read
//! through `content.rs`, what is answered is collected in `response.rs`; here it becomes bytes on
//! the stream.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use squall_http1::{CHUNK_END, Framing, RequestHead, Version};
use squall_iostream::{IoStream, StreamHandle};

use crate::content::Incoming;
use crate::response::{Chunk, Response};
use crate::server::{DrainGuard, Shared};
use crate::{Config, Error};

/// One request and its response.
///
/// All methods take `&self`, so that an argument can be read while an answer is written, and so
/// that a callback can keep a clone and answer when it likes. `!Send`, as everything on a loop.
///
/// ```
/// use squall_httpserver::Exchange;
/// async fn greet(http: Exchange) {
///     let path = http.head().path().to_owned();
///     let _ = http.write(format!("You asked for {path}\n")); // fails only if the peer is gone
///     http.finish();
/// }
/// ```
pub struct Exchange {
    inner: Rc<Inner>,
}

/// The state behind the handle. Pooled: while nobody holds it, it keeps its memory.
#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) head: RequestHead,
    pub(crate) phase: Cell<Phase>,
    pub(crate) incoming: Incoming,
    response: RefCell<Response>,
    link: RefCell<Option<Link>>,
    /// The connection, while it waits for the answer to be finished.
    waiting: Cell<Option<Waker>>,
    upgrade: Cell<Option<Upgrade>>,
    slot: RefCell<Option<Box<dyn Any>>>,
    address: OnceCell<Option<SocketAddr>>,
}

type Upgrade = Box<dyn FnOnce(IoStream)>;

/// Where the answer goes.
struct Link {
    stream: StreamHandle,
    server: Rc<Shared>,
}

/// How far the answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing has left.
    #[default]
    Open,
    /// The head has left, content follows.
    Streaming { framing: Outgoing, stays: bool },
    /// All is on the stream; `stays` says whether the connection goes on.
    Finished { stays: bool },
    /// The answer cannot be completed: the connection must end so that the peer sees it.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// This many bytes are still due.
    Length(u64),
    Chunked,
    UntilClose,
    /// HEAD, 204, 304: what is written is counted for nothing.
    Nothing,
}

/// Unsent bytes above which `flush` waits for the peer.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

impl Exchange {
    pub(crate) fn begin(inner: &Rc<Inner>, stream: &StreamHandle, server: &Rc<Shared>) -> Self {
        inner.link.replace(Some(Link {
            stream: stream.clone(),
            server: server.clone(),
        }));
        Self {
            inner: inner.clone(),
        }
    }

    /// For the connection itself.
    pub(crate) fn resume(inner: &Rc<Inner>) -> Self {
        Self {
            inner: inner.clone(),
        }
    }

    // ---- what was asked

    /// The request's head: method, target, fields.
    pub fn head(&self) -> &RequestHead {
        &self.inner.head
    }

    /// The request's method.
    pub fn method(&self) -> &Method {
        self.inner.head.method()
    }

    /// The peer's address; `None` for streams that have none of the Internet.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        *self
            .inner
            .address
            .get_or_init(|| self.with_link(|link| link.stream.peer_addr()).flatten())
    }

    /// Waits until the peer is gone. An answer that nobody will read need not be made.
    pub async fn closed(&self) {
        let stream = self.with_link(|link| link.stream.clone());
        if let Some(stream) = stream {
            stream.closed().await;
        }
    }

    /// Calls `callback` when the peer is gone (Tornado's `on_connection_close`).
    pub fn on_close(&self, callback: impl FnOnce() + 'static) {
        let stream = self.with_link(|link| link.stream.clone());
        if let Some(stream) = stream {
            stream.on_close(callback);
        }
    }

    // ---- what is answered

    /// The answer's status so far; 200 to begin with.
    pub fn status(&self) -> StatusCode {
        self.inner.response.borrow().status
    }

    /// Sets the answer's status.
    ///
    /// # Errors
    /// [`Error::HeadSent`], [`Error::Finished`]. An informational status (1xx) is no answer:
    /// use [`Self::detach`] for 101.
    pub fn set_status(&self, status: StatusCode) -> Result<(), Error> {
        self.check_head_open()?;
        self.inner.response.borrow_mut().status = status;
        Ok(())
    }

    /// Sets a field of the answer, in place of any of that name. `Content-Length` declares the
    /// length of a streamed answer; `Connection: close` ends the connection; `Date`, `Server` and
    /// `Transfer-Encoding` are the server's and are left out.
    ///
    /// # Errors
    /// [`Error::HeadSent`], [`Error::Finished`].
    pub fn set_header(&self, name: HeaderName, value: HeaderValue) -> Result<(), Error> {
        self.check_head_open()?;
        self.inner.response.borrow_mut().set(name, value);
        Ok(())
    }

    /// Adds a field of the answer, beside any of that name.
    ///
    /// # Errors
    /// [`Error::HeadSent`], [`Error::Finished`].
    pub fn add_header(&self, name: HeaderName, value: HeaderValue) -> Result<(), Error> {
        self.check_head_open()?;
        self.inner.response.borrow_mut().fields.push((name, value));
        Ok(())
    }

    /// Takes a field out of the answer.
    ///
    /// # Errors
    /// [`Error::HeadSent`], [`Error::Finished`].
    pub fn clear_header(&self, name: &HeaderName) -> Result<(), Error> {
        self.check_head_open()?;
        self.inner.response.borrow_mut().remove(name);
        Ok(())
    }

    /// The first value of a field of the answer, as it is so far.
    pub fn response_header(&self, name: &HeaderName) -> Option<HeaderValue> {
        self.inner.response.borrow().get(name).cloned()
    }

    /// Forgets status, fields and content, before the head has left (Tornado's `clear`).
    ///
    /// # Errors
    /// [`Error::HeadSent`], [`Error::Finished`].
    pub fn reset_response(&self) -> Result<(), Error> {
        self.check_head_open()?;
        self.inner.response.borrow_mut().clear();
        Ok(())
    }

    /// Adds content. It is kept until [`Self::flush`] or [`Self::finish`].
    ///
    /// # Errors
    /// [`Error::Closed`] when the peer is gone, so that `?` ends the work for it;
    /// [`Error::Finished`].
    pub fn write<'a>(&self, chunk: impl Into<Chunk<'a>>) -> Result<(), Error> {
        match self.inner.phase.get() {
            Phase::Finished { .. } | Phase::Broken => return Err(self.over()),
            Phase::Open | Phase::Streaming { .. } => {}
        }
        self.check_stream()?;
        self.inner.response.borrow_mut().content.push(chunk.into());
        Ok(())
    }

    /// Sends what was written, the head first, and waits while the peer is slow. From here on the
    /// answer is streamed: chunked, unless the service has declared its `Content-Length`.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Finished`]; [`Error::TimedOut`] when the peer takes nothing for
    /// the write timeout; [`Error::WrongContentLength`].
    pub async fn flush(&self) -> Result<(), Error> {
        if matches!(
            self.inner.phase.get(),
            Phase::Finished { .. } | Phase::Broken
        ) {
            return Err(self.over());
        }
        self.check_stream()?;
        self.begin_streaming()?;
        self.send_content()?;
        let Some((stream, timeout)) =
            self.with_link(|link| (link.stream.clone(), link.server.config.timeout_write))
        else {
            return Err(Error::Finished);
        };
        stream.flush();
        // As long as the peer takes something, it is not stalled.
        while stream.unsent_len() > UNSENT_BYTES_MAX {
            stream.set_deadline(Some(timeout));
            let target = stream.unsent_len() - 1;
            let drained = stream.drained(target.max(UNSENT_BYTES_MAX)).await;
            stream.set_deadline(None);
            drained?;
        }
        Ok(())
    }

    /// Completes the answer. Before the head has left, the length is known and said; else the last
    /// chunk is sent. Finishing twice changes nothing (Tornado raises there).
    ///
    /// A streamed answer that has not the length it declared breaks the connection, so that the
    /// peer can see that it is not whole.
    pub fn finish(&self) {
        let sent = match self.inner.phase.get() {
            Phase::Open => self.send_whole(),
            Phase::Streaming { .. } => self.send_last(),
            Phase::Finished { .. } | Phase::Broken => return,
        };
        if let Err(error) = sent {
            tracing::debug!(target: "squall::httpserver", %error, "an answer could not be finished");
            self.inner.phase.set(Phase::Broken);
        }
        self.inner.wake();
    }

    /// Gives the answer up after its head has left: the connection ends at once, and the peer sees
    /// that the answer is not whole. Before that, answer with an error instead.
    pub fn abort(&self) {
        if !self.is_finished() {
            self.inner.phase.set(Phase::Broken);
            self.inner.wake();
        }
    }

    /// Whether the answer is complete, or was given up.
    pub fn is_finished(&self) -> bool {
        matches!(
            self.inner.phase.get(),
            Phase::Finished { .. } | Phase::Broken
        )
    }

    /// Whether status and fields have left.
    pub fn is_head_sent(&self) -> bool {
        self.inner.phase.get() != Phase::Open
    }

    /// Answers 101 with the fields set so far, and hands the stream to `upgrade`, with whatever the
    /// peer has already sent behind its request. The exchange is then finished.
    ///
    /// # Errors
    /// [`Error::HeadSent`], [`Error::Finished`], [`Error::Closed`].
    pub fn detach(&self, upgrade: impl FnOnce(IoStream) + 'static) -> Result<(), Error> {
        self.check_head_open()?;
        self.check_stream()?;
        self.set_status(StatusCode::SWITCHING_PROTOCOLS)?;
        self.send_head(None)?;
        self.inner.upgrade.set(Some(Box::new(upgrade)));
        self.inner.phase.set(Phase::Finished { stays: false });
        self.inner.wake();
        Ok(())
    }

    /// Calls `on_drain` once when the server stops gracefully, and keeps it waiting until the guard
    /// is dropped or its deadline has come: for what outlives the exchange, as a WebSocket does.
    /// `None` when the exchange is over.
    pub fn join_drain(&self, on_drain: impl FnOnce() + 'static) -> Option<DrainGuard> {
        self.with_link(|link| link.server.join(Box::new(on_drain)))
    }

    // ---- for the layer above

    /// The server's settings.
    ///
    /// # Panics
    /// After the exchange is over and its connection has gone on.
    pub fn config(&self) -> Config {
        self.with_link(|link| link.server.config.clone())
            .expect("the exchange is not over")
    }

    /// Lends a value of the layer above that stays with the exchange, and with its memory from one
    /// request to the next: what `f` finds may be from another request.
    ///
    /// # Panics
    /// When `f` asks for the slot again.
    pub fn with_slot<T: Default + 'static, R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let mut slot = self.inner.slot.borrow_mut();
        let value = match &mut *slot {
            Some(value) if value.is::<T>() => value,
            other => other.insert(Box::<T>::default()),
        };
        f(value
            .downcast_mut()
            .expect("the line above has made it one"))
    }

    // ---- how it becomes bytes

    pub(crate) fn incoming(&self) -> &Incoming {
        &self.inner.incoming
    }

    pub(crate) fn timeout_content(&self) -> std::time::Duration {
        self.with_link(|link| link.server.config.timeout_content)
            .unwrap_or_default()
    }

    pub(crate) fn with_stream<R>(&self, f: impl FnOnce(&StreamHandle) -> R) -> Option<R> {
        self.with_link(|link| f(&link.stream))
    }

    fn with_link<R>(&self, f: impl FnOnce(&Link) -> R) -> Option<R> {
        self.inner.link.borrow().as_ref().map(f)
    }

    fn over(&self) -> Error {
        self.check_stream().err().unwrap_or(Error::Finished)
    }

    fn check_head_open(&self) -> Result<(), Error> {
        match self.inner.phase.get() {
            Phase::Open => Ok(()),
            Phase::Streaming { .. } => Err(Error::HeadSent),
            Phase::Finished { .. } | Phase::Broken => Err(Error::Finished),
        }
    }

    fn check_stream(&self) -> Result<(), Error> {
        self.with_link(|link| link.stream.check_open())
            .unwrap_or(Ok(()))
            .map_err(Error::Closed)
    }

    /// The common case: head and content in one go.
    fn send_whole(&self) -> Result<(), Error> {
        let response = self.inner.response.borrow();
        let written = response.content.len() as u64;
        // What HEAD and 304 would have carried may be said without being there.
        let length = if written == 0 && !self.carries_content(response.status) {
            response.declared_length().unwrap_or(written)
        } else {
            written
        };
        let is_as_declared = response
            .declared_length()
            .is_none_or(|declared| declared == length);
        drop(response);
        if !is_as_declared {
            return Err(Error::WrongContentLength);
        }
        let (framing, stays) = self.send_head(Some(length))?;
        if framing == Outgoing::Nothing {
            self.inner.response.borrow_mut().content.clear();
        } else {
            self.send_plain()?;
        }
        self.inner.phase.set(Phase::Finished { stays });
        Ok(())
    }

    fn begin_streaming(&self) -> Result<(), Error> {
        if self.inner.phase.get() == Phase::Open {
            let declared = self.inner.response.borrow().declared_length();
            let (framing, stays) = self.send_head(declared)?;
            self.inner.phase.set(Phase::Streaming { framing, stays });
        }
        Ok(())
    }

    fn send_last(&self) -> Result<(), Error> {
        self.send_content()?;
        let Phase::Streaming { framing, stays } = self.inner.phase.get() else {
            return Ok(());
        };
        match framing {
            Outgoing::Length(due) if due > 0 => return Err(Error::WrongContentLength),
            Outgoing::Chunked => {
                self.write_with(|out| squall_http1::encode_last_chunk(out, None))?;
            }
            Outgoing::Length(_) | Outgoing::UntilClose | Outgoing::Nothing => {}
        }
        let stays = stays && framing != Outgoing::UntilClose;
        self.inner.phase.set(Phase::Finished { stays });
        Ok(())
    }

    /// Sends what was written since the last flush.
    fn send_content(&self) -> Result<(), Error> {
        let Phase::Streaming { framing, stays } = self.inner.phase.get() else {
            return Ok(());
        };
        let length = self.inner.response.borrow().content.len();
        if length == 0 {
            return Ok(());
        }
        match framing {
            Outgoing::Nothing => self.inner.response.borrow_mut().content.clear(),
            Outgoing::UntilClose => self.send_plain()?,
            Outgoing::Length(due) => {
                let due = due
                    .checked_sub(length as u64)
                    .ok_or(Error::WrongContentLength)?;
                self.send_plain()?;
                self.inner.phase.set(Phase::Streaming {
                    framing: Outgoing::Length(due),
                    stays,
                });
            }
            Outgoing::Chunked => {
                self.write_with(|out| squall_http1::encode_chunk_head(out, length))?;
                self.send_plain()?;
                self.write_with(|out| out.extend_from_slice(CHUNK_END))?;
            }
        }
        Ok(())
    }

    /// Sends the content without a frame.
    fn send_plain(&self) -> Result<(), Error> {
        let link = self.inner.link.borrow();
        let Some(link) = &*link else {
            return Err(Error::Finished);
        };
        let mut response = self.inner.response.borrow_mut();
        response.content.drain(
            |part| link.stream.write_bytes(part),
            |tail| link.stream.write_with(|out| out.extend_from_slice(tail)),
        )?;
        Ok(())
    }

    /// Encodes the head, and says what was decided in it.
    fn send_head(&self, length: Option<u64>) -> Result<(Outgoing, bool), Error> {
        let head = &self.inner.head;
        let response = self.inner.response.borrow();
        let link = self.inner.link.borrow();
        let Some(link) = &*link else {
            return Err(Error::Finished);
        };
        let is_upgrade = response.status == StatusCode::SWITCHING_PROTOCOLS;
        let framing =
            squall_http1::answer_framing(head.method(), head.version(), response.status, length);
        let stays = !is_upgrade
            && head.keep_alive()
            && !framing.ends_connection()
            && !link.server.is_draining()
            && !response.wants_close()
            && self.inner.incoming.can_go_on();
        link.stream.write_with(|out| {
            squall_http1::encode_status_line(out, response.status);
            link.server.preamble.append_to(out, link.stream.ioloop());
            response.encode_fields(out, is_upgrade);
            framing.encode(out);
            if !stays && !is_upgrade {
                out.extend_from_slice(b"connection: close\r\n");
            } else if stays && head.version() == Version::Http10 {
                out.extend_from_slice(b"connection: keep-alive\r\n");
            }
            squall_http1::encode_head_end(out);
        })?;
        let outgoing = match framing.announced {
            _ if !framing.has_content => Outgoing::Nothing,
            Framing::None => Outgoing::Nothing,
            Framing::Length(length) => Outgoing::Length(length),
            Framing::Chunked => Outgoing::Chunked,
            Framing::UntilClose => Outgoing::UntilClose,
        };
        Ok((outgoing, stays))
    }

    fn carries_content(&self, status: StatusCode) -> bool {
        *self.method() != Method::HEAD
            && status != StatusCode::NO_CONTENT
            && status != StatusCode::NOT_MODIFIED
    }

    fn write_with(&self, f: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        self.with_link(|link| link.stream.write_with(f))
            .ok_or(Error::Finished)?
            .map_err(Error::Closed)
    }
}

impl Inner {
    /// Back to how a new one is, but with memory. For the pool, when nobody else holds it.
    pub(crate) fn reset(&mut self) {
        const HEAD_BYTES_KEPT: usize = 16 * 1024;
        if self.head.capacity() > HEAD_BYTES_KEPT {
            self.head = RequestHead::new();
        }
        self.head.clear();
        self.phase.set(Phase::Open);
        self.incoming.reset();
        self.response.get_mut().clear();
        self.link.get_mut().take();
        self.waiting.set(None);
        self.upgrade.set(None);
        self.address.take();
    }

    pub(crate) fn take_upgrade(&self) -> Option<Upgrade> {
        self.upgrade.take()
    }

    pub(crate) fn wait(&self, waker: &Waker) {
        self.waiting.set(Some(waker.clone()));
    }

    fn wake(&self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }
}

impl Clone for Exchange {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

/// The connection must learn when the last handle goes, finished or not.
impl Drop for Exchange {
    fn drop(&mut self) {
        self.inner.wake_if_abandoned(Rc::strong_count(&self.inner));
    }
}

impl Inner {
    /// Called while `holders` includes the handle that is being dropped, and the connection.
    fn wake_if_abandoned(&self, holders: usize) {
        if holders <= 2 {
            self.wake();
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("method", self.method())
            .field("target", &self.head().target())
            .field("phase", &self.inner.phase.get())
            .finish_non_exhaustive()
    }
}
