//! Finds the next head in the stream, and waits for it as long as the settings say.
//!
//! ```text
//!   pipelined? ----- yes ------------------------------------------> head
//!      | no                                                           ^
//!      v                                                              |
//!   send all answers --> idle ---- until a byte comes ---> begun -----'
//!                          timeout_idle: quiet close       timeout_header: 408
//! ```

use std::rc::Rc;
use std::time::Instant;

use squall_http1::{Expectation, HeadDecoder, PeerFault, Version};
use squall_iostream::{IoStream, Step, StreamHandle};

use crate::Error;
use crate::answer::deliver;
use crate::connection::End;
use crate::drain::{Class, Guest};
use crate::server::Shared;
use crate::state::Inner;

/// The heads of one connection.
pub(crate) struct Heads {
    guest: Guest,
    decoder: HeadDecoder,
    /// A head that has begun: what is known of it so far.
    partial: Option<Rc<Inner>>,
    /// The exchange of the last request, for a next one that is here already.
    spare: Option<Rc<Inner>>,
    /// Requests that the connection has had.
    count: u32,
    /// Of these, found without having waited.
    in_one_go: u32,
    /// When the connection began, if its age has a limit.
    began: Option<Box<Instant>>,
}

impl Heads {
    pub(crate) fn new(guest: Guest) -> Self {
        let server = guest.server();
        let has_age = server.config.request.connection_age_max.is_some();
        Self {
            began: has_age.then(|| Box::new(server.ioloop.now())),
            guest,
            decoder: HeadDecoder::new(),
            partial: None,
            spare: None,
            count: 0,
            in_one_go: 0,
        }
    }

    /// Whether the request that was found is the last of its connection: it has had its number of
    /// them, or its time.
    pub(crate) fn is_last(&self) -> bool {
        let server = self.guest.server();
        let config = &server.config.request;
        let is_old = |began: &Instant| {
            let age_max = config.connection_age_max;
            age_max.is_some_and(|age_max| server.ioloop.now() - *began >= age_max)
        };
        self.count >= config.connection_requests_max || self.began.as_deref().is_some_and(is_old)
    }

    /// All is answered, and the peer has to take it.
    pub(crate) fn begin_to_deliver(&mut self) {
        self.guest.set_class(Class::Download);
    }

    /// The connection's number among the guests.
    pub(crate) fn connection(&self) -> u32 {
        self.guest.key()
    }

    pub(crate) fn server(&self) -> &Rc<Shared> {
        self.guest.server()
    }

    pub(crate) fn in_one_go(&self) -> u32 {
        self.in_one_go
    }

    /// Others have had their turn.
    pub(crate) fn rest(&mut self) {
        self.in_one_go = 0;
    }

    /// Takes an exchange back that is over, unless somebody has kept a clone.
    pub(crate) fn reuse(&mut self, mut exchange: Rc<Inner>) {
        if let Some(inner) = Rc::get_mut(&mut exchange) {
            inner.reset();
            self.spare = Some(exchange);
        }
    }

    /// One function, and one read in it: each that were nested would make those that idle larger.
    pub(crate) async fn next(&mut self, stream: &mut IoStream) -> Result<Rc<Inner>, End> {
        // Pipelined: no clock is looked at, nobody is told.
        let buffered = stream.decode_buffered(&mut |input| self.step(input));
        if let Some(found) = buffered.map_err(End::Refused)? {
            self.in_one_go += 1;
            if self.guest.class() != Class::Request {
                self.guest.set_class(Class::Request);
            }
            return Ok(found);
        }
        self.in_one_go = 0;
        if let Some(spare) = self.spare.take() {
            self.guest.server().pool.give(spare);
        }
        // Before we look whether the peer has gone: it may have closed its half only, and a
        // connection that has something to send is not idle.
        stream.flush();
        if stream.unsent_len() > 0 {
            self.begin_to_deliver();
            let timeout = self.guest.server().config.timeout_write;
            let delivered = Box::pin(deliver(stream, 0, timeout)).await;
            self.guest.server().witness.note_delivery(&delivered);
            delivered.map_err(|_| End::Quiet)?;
        }
        let handle = stream.handle();
        self.begin_to_wait(&handle)?;
        let found = stream
            .decode(|input| {
                let step = self.step(input);
                if self.guest.class() != Class::Request {
                    self.stop_idling(&handle);
                }
                step
            })
            .await;
        stream.set_deadline(None);
        found.map_err(|error| self.end_after(error, stream))
    }

    fn begin_to_wait(&mut self, stream: &StreamHandle) -> Result<(), End> {
        let server = self.guest.server();
        let (class, mut timeout) = match (&self.partial, self.count > 0) {
            (Some(_), _) => (Class::Head, server.config.timeout_header),
            (None, true) => (Class::Idle, server.config.timeout_idle),
            (None, false) => (Class::Fresh, server.config.timeout_header),
        };
        if server.guests.is_draining() {
            let patience = server.guests.patience(class, timeout, server.ioloop.now());
            timeout = patience.ok_or(End::Said)?;
        }
        stream.set_deadline(Some(timeout));
        self.guest.set_class(class);
        Ok(())
    }

    /// The first bytes of a head are here: mostly all of them; if not, its time counts from now.
    fn stop_idling(&mut self, stream: &StreamHandle) {
        if self.partial.is_none() {
            self.guest.set_class(Class::Request);
        } else if self.guest.class() != Class::Head {
            self.guest.set_class(Class::Head);
            stream.set_deadline(Some(self.guest.server().config.timeout_header));
        }
    }

    fn end_after(&self, error: Error, stream: &mut IoStream) -> End {
        match error {
            Error::Closed(_) => End::Quiet,
            Error::TimedOut if self.partial.is_none() || is_empty_line(stream) => {
                let server = self.guest.server();
                // One that makes room for the server's end has done nothing wrong.
                if !server.guests.is_draining() {
                    server.witness.reject(&error, "timeout_idle");
                }
                End::Quiet
            }
            error => End::Refused(error),
        }
    }

    fn step(&mut self, input: &[u8]) -> Result<Step<Rc<Inner>>, Error> {
        let server = self.guest.server();
        let known = self.partial.take().or_else(|| self.spare.take());
        let mut exchange = known.unwrap_or_else(|| server.pool.take());
        let Some(inner) = Rc::get_mut(&mut exchange) else {
            unreachable!("an exchange of the pool, or one that has not begun, has one owner")
        };
        let head = &mut inner.head;
        match self.decoder.decode(input, head, &server.config.limits)? {
            // RFC 9110, section 10.1.1.
            Some(_)
                if head.expectation() == Expectation::Unknown
                    && head.version() == Version::Http11 =>
            {
                Err(squall_http1::Error::from(PeerFault::ExpectationUnknown).into())
            }
            Some(used) => {
                self.count = self.count.saturating_add(1);
                Ok(Step::Done(used, exchange))
            }
            None => {
                self.partial = Some(exchange);
                Ok(Step::More(0))
            }
        }
    }
}

/// Whether what has come is no more than the empty line that some clients send behind a request,
/// which is not another one.
fn is_empty_line(stream: &mut IoStream) -> bool {
    let is_empty = |input: &mut [u8]| b"\r\n".starts_with(input);
    let looked =
        stream.decode_buffered(&mut |input| Ok::<_, Error>(Step::Done(0, is_empty(input))));
    matches!(looked, Ok(Some(true)))
}
