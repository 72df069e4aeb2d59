//! Finds the next head in the stream, and waits for it as long as the settings say.
//!
//! ```text
//!   pipelined? ----- yes ------------------------------------------> head
//!      | no                                                           ^
//!      v                                                              |
//!   send all answers --> begin: idle, until a byte comes --> complete-'
//!                          timeout_idle: quiet close       timeout_header: 408
//! ```

use std::rc::Rc;

use squall_http1::{Expectation, HeadDecoder, PeerFault, Version};
use squall_iostream::{IoStream, Step};

use crate::Error;
use crate::answer::deliver;
use crate::connection::End;
use crate::drain::Guest;
use crate::server::Shared;
use crate::state::Inner;

/// The heads of one connection.
#[derive(Default)]
pub(crate) struct Heads {
    decoder: HeadDecoder,
    /// A head that has begun: what is known of it so far.
    partial: Option<Rc<Inner>>,
    /// Whether the connection has had a request.
    is_used: bool,
    /// Requests found without having waited.
    in_one_go: u32,
}

impl Heads {
    pub(crate) fn in_one_go(&self) -> u32 {
        self.in_one_go
    }

    /// Others have had their turn.
    pub(crate) fn rest(&mut self) {
        self.in_one_go = 0;
    }

    pub(crate) async fn next(
        &mut self,
        stream: &mut IoStream,
        server: &Rc<Shared>,
        guest: &Guest,
    ) -> Result<Rc<Inner>, End> {
        // Pipelined: no clock is looked at, nobody is told.
        let buffered = stream.decode_buffered(&mut |input| self.step(input, server));
        if let Some(found) = buffered.map_err(End::Refused)? {
            self.in_one_go += 1;
            return Ok(found);
        }
        self.in_one_go = 0;
        // Before we look whether the peer has gone: it may have closed its half only, and a
        // connection that has something to send is not idle.
        stream.flush();
        if stream.unsent_len() > 0 {
            let delivered = Box::pin(deliver(stream, 0, server.config.timeout_write)).await;
            delivered.map_err(|_| End::Quiet)?;
        }
        if self.partial.is_none() {
            if let Some(found) = self.begin(stream, server, guest).await? {
                return Ok(found);
            }
        }
        self.complete(stream, server).await
    }

    /// Waits for the first bytes of a head, which mostly are all of it.
    async fn begin(
        &mut self,
        stream: &mut IoStream,
        server: &Rc<Shared>,
        guest: &Guest,
    ) -> Result<Option<Rc<Inner>>, End> {
        if server.guests.is_draining() {
            return Err(End::Said);
        }
        let config = &server.config;
        let patience = if self.is_used {
            config.timeout_idle
        } else {
            config.timeout_header
        };
        stream.set_deadline(Some(patience));
        guest.set_idle(true);
        let found = stream
            .decode(|input| match self.step(input, server)? {
                Step::Done(used, found) => Ok(Step::Done(used, Some(found))),
                Step::More(used) => Ok(Step::Done(used, None)),
            })
            .await;
        stream.set_deadline(None);
        let found = found.map_err(|error| match error {
            Error::Closed(_) | Error::TimedOut => End::Quiet,
            error => End::Refused(error),
        });
        // Who ends here, ends idle.
        if !matches!(found, Err(End::Quiet)) {
            guest.set_idle(false);
        }
        self.is_used = true;
        found
    }

    /// Waits for the rest of a head. Its time counts from its first bytes.
    async fn complete(
        &mut self,
        stream: &mut IoStream,
        server: &Rc<Shared>,
    ) -> Result<Rc<Inner>, End> {
        stream.set_deadline(Some(server.config.timeout_header));
        let found = stream.decode(|input| self.step(input, server)).await;
        stream.set_deadline(None);
        found.map_err(|error| match error {
            Error::Closed(_) => End::Quiet,
            Error::TimedOut if is_empty_line(stream) => End::Quiet,
            error => End::Refused(error),
        })
    }

    fn step(&mut self, input: &[u8], server: &Shared) -> Result<Step<Rc<Inner>>, Error> {
        let mut exchange = self.partial.take().unwrap_or_else(|| server.pool.take());
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
            Some(used) => Ok(Step::Done(used, exchange)),
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
