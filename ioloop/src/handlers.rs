//! Tornado's `add_handler`: a user's descriptor and callback, level-triggered.
//!
//! The poller below is edge-triggered only (mio), so a handler is armed again after each call: one
//! `epoll_ctl` an event, which is the price of not having to drain. Streams do not come here.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::rc::Rc;

use mio::unix::SourceFd;

use crate::{Exception, Handle, Interest, Origin, Ready, Source, Token, exception};

/// Names a handler, as [`Handle::add_handler`] returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(Token);

type Callback = Box<dyn FnMut(&Handle, Ready)>;

pub(crate) struct Handler {
    /// Borrowed from the user, who promises to remove the handler before closing it.
    fd: RawFd,
    interest: Cell<Interest>,
    token: Cell<Option<Token>>,
    /// Taken out while it runs, so that it may remove or update itself.
    callback: RefCell<Option<Callback>>,
}

impl Source for Handler {
    fn on_ready(&self, ioloop: &Handle, ready: Ready) {
        let Some(mut callback) = self.callback.take() else {
            return;
        };
        if let Err(payload) = exception::catch(|| callback(ioloop, ready)) {
            let origin = Origin::Source;
            ioloop.report(Exception { origin, payload });
            self.remove(ioloop);
            return;
        }
        let Some(token) = self.token.get() else {
            return;
        };
        self.callback.replace(Some(callback));
        if let Err(error) = self.arm(ioloop, token) {
            tracing::error!(
                target: "squall::ioloop",
                fd = self.fd,
                %error,
                "handler removed: its descriptor cannot be polled"
            );
            self.remove(ioloop);
        }
    }
}

impl Handler {
    /// Asks for the next event; the poller reports at once what is ready already.
    fn arm(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
        ioloop.registry().reregister(
            &mut SourceFd(&self.fd),
            token.to_mio(),
            self.interest.get().to_mio(),
        )
    }

    fn remove(&self, ioloop: &Handle) {
        if let Some(token) = self.token.take() {
            let _ = ioloop.registry().deregister(&mut SourceFd(&self.fd));
            let source = ioloop.inner().sources.borrow_mut().remove(token);
            let handler = ioloop.inner().user_handlers.borrow_mut().remove(&token);
            drop((source, handler));
        }
    }
}

impl Handle {
    /// Calls `callback` in every turn in which `source` is ready, until the handler is removed.
    /// Level-triggered, as Tornado's: what the callback leaves unread is reported again.
    ///
    /// The descriptor is borrowed: it must stay open until [`Self::remove_handler`]. A callback
    /// that panics is removed: nobody knows what state it is in.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when the descriptor is on this loop already (Tornado:
    /// "fd N added twice"), [`Closed`](crate::Closed) when the loop was dropped, and what the
    /// poller says of descriptors that cannot be polled, a regular file for instance.
    ///
    /// ```
    /// use squall_ioloop::{Interest, IoLoop};
    /// use std::{io::{Read, Write}, os::unix::net::UnixStream, rc::Rc};
    ///
    /// let ioloop = IoLoop::new()?;
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// let ours = Rc::new(ours);
    /// let reader = ours.clone();
    /// theirs.write_all(b"hi")?;
    /// ioloop.add_handler(&*ours, Interest::Read, move |ioloop, _ready| {
    ///     let mut byte = [0];
    ///     (&*reader).read_exact(&mut byte).unwrap(); // one byte; the rest is reported again
    ///     if byte == *b"i" {
    ///         ioloop.stop();
    ///     }
    /// })?;
    /// ioloop.run()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn add_handler(
        &self,
        source: &impl AsFd,
        interest: Interest,
        callback: impl FnMut(&Self, Ready) + 'static,
    ) -> io::Result<HandlerId> {
        let fd = source.as_fd().as_raw_fd();
        let handler = Rc::new(Handler {
            fd,
            interest: Cell::new(interest),
            token: Cell::new(None),
            callback: RefCell::new(Some(Box::new(callback))),
        });
        let token = self.register(handler.clone(), Some(source.as_fd()), interest)?;
        handler.token.set(Some(token));
        self.inner()
            .user_handlers
            .borrow_mut()
            .insert(token, handler);
        Ok(HandlerId(token))
    }

    /// Changes what a handler waits for.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when the handler was removed.
    pub fn update_handler(&self, id: HandlerId, interest: Interest) -> io::Result<()> {
        let handler = self.inner().user_handlers.borrow().get(&id.0).cloned();
        let handler = handler.ok_or(io::ErrorKind::NotFound)?;
        handler.interest.set(interest);
        handler.arm(self, id.0)
    }

    /// Removes a handler; one that was removed before is ignored. Its callback is not called
    /// again, even if an event was on its way, and is dropped (after it returns, if it is what
    /// calls this).
    pub fn remove_handler(&self, id: HandlerId) {
        let handler = self.inner().user_handlers.borrow().get(&id.0).cloned();
        if let Some(handler) = handler {
            handler.remove(self);
        }
    }
}
