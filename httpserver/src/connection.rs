//! The connection: head, exchange, answer, again. This is the spine.
//!
//! The position in the protocol is the position in [`serve`]. While it waits for the next request
//! a connection owns no buffer and no exchange, only what is on these pages.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use squall_http1::{Framing, HeadDecoder};
use squall_ioloop::yield_now;
use squall_iostream::{IoStream, Step, StreamError, StreamHandle};

use crate::exchange::{Inner, Phase};
use crate::refusal::refuse;
use crate::server::{Guest, Shared};
use crate::service::ServiceFuture;
use crate::{Error, Exchange};

/// Requests that one connection may have answered in one go before the others get their turn,
/// however many it has pipelined.
const REQUESTS_PER_TURN: u32 = 64;
/// Unsent answers above which a connection reads no further request until the peer has read.
const UNSENT_BYTES_MAX: usize = 256 * 1024;
/// What is thrown away of a peer's input so that it can read our last answer, and for how long.
const LINGER_BYTES_MAX: usize = 1024 * 1024;
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// How a connection ends.
enum End {
    /// There is nothing more to say: the peer has gone or was idle.
    Quiet,
    /// The last answer is written; the peer is not sending.
    Said,
    /// The last answer is written; the peer may still be sending.
    SaidTooEarly,
    /// The peer is told what it did wrong.
    Refused(Error),
}

/// Serves one connection to its end.
pub(crate) async fn serve(mut stream: IoStream, server: Rc<Shared>) {
    let guest = server.register(stream.handle());
    let mut heads = Heads::default();
    let end = loop {
        let exchange = match heads.next(&mut stream, &server, &guest).await {
            Ok(exchange) => exchange,
            Err(end) => break end,
        };
        let has_content = exchange.head.framing() != Framing::None;
        if has_content {
            exchange
                .incoming
                .begin(&exchange.head, &server.config.limits);
            let writer = stream.handle();
            exchange.incoming.lend(stream);
            answer(&exchange, &writer, &server).await;
            // Only a clone of the exchange that is still reading could have it.
            let Some(reader) = exchange.incoming.take_back() else {
                return;
            };
            stream = reader;
        } else {
            answer(&exchange, &stream, &server).await;
        }
        match exchange.phase.get() {
            Phase::Finished { stays: true } => {}
            Phase::Finished { stays: false } => {
                if let Some(upgrade) = exchange.take_upgrade() {
                    return upgrade(stream);
                }
                let is_quiet = exchange.incoming.is_over() && stream.unread_len() == 0;
                break if is_quiet {
                    End::Said
                } else {
                    End::SaidTooEarly
                };
            }
            // Cut off, so that the peer sees that the answer is not whole.
            Phase::Open | Phase::Streaming { .. } | Phase::Broken => return,
        }
        if has_content && !exchange.incoming.is_over() {
            stream.set_deadline(Some(server.config.timeout_content));
            if exchange.incoming.discard(&mut stream).await.is_err() {
                break End::SaidTooEarly;
            }
        }
        server.pool.give(exchange);
        if heads.in_one_go >= REQUESTS_PER_TURN || stream.unsent_len() > UNSENT_BYTES_MAX {
            heads.in_one_go = 0;
            stream.set_deadline(Some(server.config.timeout_write));
            if stream.drained(UNSENT_BYTES_MAX).await.is_err() {
                return;
            }
            yield_now().await;
        }
    };
    // Boxed, and apart: how connections end must not make those that idle larger.
    match end {
        End::Quiet => {}
        End::Said => Box::pin(say_goodbye(stream, server)).await,
        End::SaidTooEarly => Box::pin(linger(stream)).await,
        End::Refused(error) => {
            Box::pin(async move {
                refuse(&stream, &server, &error);
                linger(stream).await;
            })
            .await
        }
    }
}

/// Sends the last answer before the stream is dropped.
async fn say_goodbye(stream: IoStream, server: Rc<Shared>) {
    stream.set_deadline(Some(server.config.timeout_write));
    // If it fails there is nobody to tell.
    let _ = stream.drained(0).await;
}

async fn linger(stream: IoStream) {
    stream.set_deadline(Some(LINGER_TIMEOUT));
    stream.linger(LINGER_BYTES_MAX).await;
}

/// Finds the next head in the stream.
#[derive(Default)]
struct Heads {
    decoder: HeadDecoder,
    /// A head that has begun: what is known of it so far.
    partial: Option<Rc<Inner>>,
    /// Whether the connection has had a request.
    is_used: bool,
    /// Requests found without having waited.
    in_one_go: u32,
}

impl Heads {
    async fn next(
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
        if server.is_draining() {
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
        guest.set_idle(false);
        self.is_used = true;
        found.map_err(|error| match error {
            Error::Closed(_) | Error::TimedOut => End::Quiet,
            error => End::Refused(error),
        })
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
            error => End::Refused(error),
        })
    }

    fn step(&mut self, input: &[u8], server: &Shared) -> Result<Step<Rc<Inner>>, Error> {
        let mut exchange = self.partial.take().unwrap_or_else(|| server.pool.take());
        let Some(inner) = Rc::get_mut(&mut exchange) else {
            unreachable!("an exchange of the pool, or one that has not begun, has one owner")
        };
        match self
            .decoder
            .decode(input, &mut inner.head, &server.config.limits)?
        {
            Some(used) => Ok(Step::Done(used, exchange)),
            None => {
                self.partial = Some(exchange);
                Ok(Step::More(0))
            }
        }
    }
}

/// Runs the service until it is done and the answer is finished, or given up.
async fn answer(exchange: &Rc<Inner>, writer: &StreamHandle, server: &Rc<Shared>) {
    let handle = Exchange::begin(exchange, writer, server);
    let mut service = guard(exchange, || server.service.serve(handle));
    poll_fn(|cx| poll_answer(exchange, writer, &mut service, cx)).await;
}

fn poll_answer(
    exchange: &Rc<Inner>,
    writer: &StreamHandle,
    service: &mut Option<ServiceFuture>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if let Some(future) = service {
        let polled = guard(exchange, || future.as_mut().poll(cx));
        if polled != Some(Poll::Pending) {
            // Its destructors are the user's code as well.
            guard(exchange, || *service = None);
        }
    }
    if service.is_none() {
        let is_finished = matches!(exchange.phase.get(), Phase::Finished { .. } | Phase::Broken);
        if !is_finished && Rc::strong_count(exchange) == 1 {
            tracing::error!(target: "squall::httpserver", "an exchange was dropped without an answer");
            Exchange::fail(exchange);
            return Poll::Ready(());
        }
        if is_finished {
            return Poll::Ready(());
        }
    }
    // The answer takes its time: those before it must not wait for it.
    writer.flush();
    exchange.wait(cx.waker());
    Poll::Pending
}

/// Runs code of the service. A panic costs this request: a 500 if nothing has left, else the
/// connection.
fn guard<R>(exchange: &Rc<Inner>, f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(value) => Some(value),
        Err(payload) => {
            let message = payload
                .downcast_ref::<&'static str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("a panic without text");
            tracing::error!(
                target: "squall::httpserver",
                method = %exchange.head.method(),
                target = exchange.head.target(),
                "a service has panicked: {message}"
            );
            Exchange::fail(exchange);
            None
        }
    }
}

impl From<StreamError> for End {
    fn from(error: StreamError) -> Self {
        Self::Refused(error.into())
    }
}
