//! `Exchange`: one request and its response, as a handle.
//!
//! The service holds it, may clone it, may finish it in a later turn. The connection holds the
//! other reference, and takes the memory back when all clones are gone. What was asked is read
//! through `content.rs`, what is answered is collected in `response.rs` and becomes bytes in
//! `answer.rs`.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use squall_http1::{RequestHead, Version};
use squall_iostream::IoStream;

use crate::answer::{Phase, deliver};
use crate::content::Incoming;
use crate::drain::DrainGuard;
use crate::response::{Chunk, Response};
use crate::state::{Inner, Link};
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

/// Unsent bytes above which `flush` waits for the peer.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

impl Exchange {
    /// Another handle, for the service or the connection itself.
    pub(crate) fn of(inner: &Rc<Inner>) -> Self {
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

    /// The peer's address; `None` for streams that have none of the Internet. Behind a proxy it is
    /// the proxy's, unless that speaks the PROXY protocol: see [`Self::client_ip`].
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        *self
            .inner
            .address
            .get_or_init(|| self.with_link(|link| link.stream.peer_addr()?.inet()))
    }

    /// Waits until the peer is gone, or will send no more. An answer that nobody will read need not
    /// be made.
    pub async fn closed(&self) {
        let stream = self.with_link(|link| link.stream.clone());
        stream.closed().await;
    }

    /// Calls `callback` when the peer is gone, or will send no more, before the answer is finished
    /// (Tornado's `on_connection_close`). Once it is finished, the callback is dropped.
    pub fn on_close(&self, callback: impl FnOnce() + 'static) {
        if !self.is_finished() {
            self.inner.add_closer(Box::new(callback));
            self.wake_connection();
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
    /// [`Error::HeadSent`], [`Error::Finished`]; [`Error::InformationalStatus`], since 1xx is no
    /// answer: use [`Self::detach`] for 101.
    pub fn set_status(&self, status: StatusCode) -> Result<(), Error> {
        self.check_head_open()?;
        if status.is_informational() {
            return Err(Error::InformationalStatus);
        }
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
        self.inner.response.borrow_mut().set(&name, &value);
        Ok(())
    }

    /// Sets the `Content-Type` that the answer has unless another is set, or there is nothing to
    /// have a type. [`Self::clear_header`] and [`Self::reset_response`] take it away.
    ///
    /// # Errors
    /// [`Error::HeadSent`], [`Error::Finished`].
    pub fn set_default_content_type(&self, value: &'static HeaderValue) -> Result<(), Error> {
        self.check_head_open()?;
        self.inner.response.borrow_mut().set_default_type(value);
        Ok(())
    }

    /// Adds a field of the answer, beside any of that name.
    ///
    /// # Errors
    /// [`Error::HeadSent`], [`Error::Finished`].
    pub fn add_header(&self, name: HeaderName, value: HeaderValue) -> Result<(), Error> {
        self.check_head_open()?;
        self.inner.response.borrow_mut().add(&name, &value);
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
        self.inner.response.borrow().get(name)
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
    /// [`Error::Closed`] when the peer is gone, so that `?` ends the work for it (with
    /// [`Disconnect::Detach`](crate::Disconnect) it does not); [`Error::Finished`].
    pub fn write<'a>(&self, chunk: impl Into<Chunk<'a>>) -> Result<(), Error> {
        // First, for it may be the user's code.
        let chunk = chunk.into();
        if self.has_reader()? {
            self.inner.response.borrow_mut().content.push(chunk);
        }
        Ok(())
    }

    /// Sends what was written, the head first, and waits while the peer is slow. From here on the
    /// answer is streamed: chunked, unless the service has declared its `Content-Length`.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Finished`]; [`Error::TimedOut`] when the peer has taken nothing
    /// for the write timeout and was cut off; [`Error::WrongContentLength`].
    pub async fn flush(&self) -> Result<(), Error> {
        if !self.has_reader()? {
            return Ok(());
        }
        self.begin_streaming(None)?;
        self.send_content()?;
        self.delivered().await
    }

    /// Completes the answer. Before the head has left, the length is known and said; else the last
    /// chunk is sent. Finishing twice changes nothing (Tornado raises there).
    ///
    /// The connection then goes on with its next request. A service that goes on working does so
    /// beside it, and keeps a stopping server waiting until it is done.
    ///
    /// An answer that has not the length it declared becomes a 500; if it was streamed, it breaks
    /// the connection, so that the peer can see that it is not whole.
    pub fn finish(&self) {
        let sent = match self.inner.phase.get() {
            Phase::Open if self.has_trailers() => self.send_whole_with_trailers(),
            Phase::Open => self.send_whole(),
            Phase::Streaming { .. } => self.send_last(),
            Phase::Finished { .. } | Phase::Broken { .. } => return,
        };
        match sent {
            Ok(()) => {}
            Err(Error::Closed(_)) => self.break_off(),
            Err(error) => {
                tracing::error!(target: "squall::httpserver", %error, "an answer could not be finished");
                self.fail();
            }
        }
        self.wake_connection();
    }

    /// Gives the answer up after its head has left: the connection ends with what was flushed, and
    /// the peer sees that the answer is not whole, by what is missing or (HTTP/1.0, where nothing
    /// tells the length) by a reset. Before that, answer with an error instead.
    pub fn abort(&self) {
        if !self.is_finished() {
            self.break_off();
            self.wake_connection();
        }
    }

    /// Whether the answer is complete, or was given up.
    pub fn is_finished(&self) -> bool {
        self.inner.phase.get().is_over()
    }

    /// Whether status and fields have left.
    pub fn is_head_sent(&self) -> bool {
        self.inner.phase.get() != Phase::Open
    }

    /// Answers 101 with the fields set so far, or 200 to a CONNECT, and hands the stream to
    /// `upgrade`, with whatever the peer has already sent behind its request. The exchange is then
    /// finished. Any protocol may follow: the fields that name it (`Upgrade`, and `Connection`
    /// with that option) are the service's to set.
    ///
    /// # Errors
    /// [`Error::HeadSent`], [`Error::Finished`], [`Error::Closed`]; [`Error::ContentUnread`] when
    /// the request has content that was not read: it would be taken for the other protocol;
    /// [`Error::InformationalStatus`] to a client of HTTP/1.0, which knows no 101 (RFC 9110,
    /// section 7.8).
    pub fn detach(&self, upgrade: impl FnOnce(IoStream) + 'static) -> Result<(), Error> {
        self.check_head_open()?;
        self.with_link(|link| link.stream.check_open())?;
        if !self.inner.incoming.is_over() {
            return Err(Error::ContentUnread);
        }
        let status = match (self.method(), self.head().version()) {
            (&Method::CONNECT, _) => StatusCode::OK,
            (_, Version::Http11) => StatusCode::SWITCHING_PROTOCOLS,
            (_, Version::Http10) => return Err(Error::InformationalStatus),
        };
        self.inner.response.borrow_mut().status = status;
        self.send_head(self.frame(status, None))?;
        self.inner.upgrade.set(Some(Box::new(upgrade)));
        self.inner.phase.set(Phase::Finished { stays: false });
        self.wake_connection();
        Ok(())
    }

    /// Keeps a server that stops gracefully waiting until the guard is dropped, or its deadline
    /// has come: for what outlives the exchange, as a WebSocket does. The guard can be told of it.
    pub fn join_drain(&self) -> DrainGuard {
        self.with_link(|link| link.server.join())
    }

    // ---- for the layer above

    /// The server's settings.
    pub fn config(&self) -> Config {
        self.with_link(|link| link.server.config.clone())
    }

    /// Lends a value of the layer above that stays with the exchange, and with its memory from one
    /// request to the next: what `f` finds may be from another request.
    ///
    /// There is one slot, and it is the service's own: behind `squall-web` it holds that layer's
    /// state, and a handler that puts something else there takes it away.
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

    // ---- for the other files

    pub(crate) fn incoming(&self) -> &Incoming {
        &self.inner.incoming
    }

    pub(crate) fn response(&self) -> &RefCell<Response> {
        &self.inner.response
    }

    pub(crate) fn phase(&self) -> Phase {
        self.inner.phase.get()
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.inner.phase.set(phase);
    }

    pub(crate) fn wake_connection(&self) {
        self.inner.wake();
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// What is answered to, which is known as long as there is a handle.
    pub(crate) fn with_link<R>(&self, f: impl FnOnce(&Link) -> R) -> R {
        f(self.inner.link())
    }

    /// Sends what is on the stream, and waits while the peer is slow to take it.
    pub(crate) async fn delivered(&self) -> Result<(), Error> {
        let (stream, timeout) =
            self.with_link(|link| (link.stream.clone(), link.server.config.timeout_write));
        let delivered = deliver(&stream, UNSENT_BYTES_MAX, timeout).await;
        self.with_link(|link| link.server.witness.note_delivery(&delivered));
        match delivered {
            Ok(()) => Ok(()),
            Err(error) => self.ignore_loss(error.into()).map(drop),
        }
    }

    pub(crate) fn check_head_open(&self) -> Result<(), Error> {
        match self.inner.phase.get() {
            Phase::Open => Ok(()),
            Phase::Streaming { .. } => Err(Error::HeadSent),
            Phase::Finished { .. } | Phase::Broken { .. } => Err(Error::Finished),
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

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("method", self.method())
            .field("target", &self.head().target())
            .field("phase", &self.inner.phase.get())
            .finish_non_exhaustive()
    }
}
