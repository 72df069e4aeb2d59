//! The connection: head, exchange, answer, again. This is the spine.
//!
//! The position in the protocol is the position in [`serve`]. While it waits for the next request
//! a connection owns no buffer and no exchange, only what is on this page. How a head is waited
//! for is in `heads.rs`, how the service is run in `serving.rs`.

use std::rc::Rc;
use std::time::Duration;

use squall_ioloop::yield_now;
use squall_iostream::{Guards, IoStream};

use crate::Error;
use crate::answer::{Phase, deliver};
use crate::expectation::is_refused;
use crate::heads::Heads;
use crate::refusal::refuse;
use crate::server::Shared;
use crate::serving::answer;
use crate::state::Inner;

/// Requests that one connection may have answered in one go before the others get their turn,
/// however many it has pipelined.
const REQUESTS_PER_TURN: u32 = 64;
/// Unsent answers above which a connection reads no further request until the peer has read.
const UNSENT_BYTES_MAX: usize = 256 * 1024;
/// What is thrown away of a peer's input so that it can read our last answer: a few times what may
/// be sent by default, since who is refused in the midst of an upload mostly sends it to its end.
/// For how long, and how long the peer may say nothing: nginx's `lingering_time` and
/// `lingering_timeout`.
const LINGER_BYTES_MAX: usize = 32 * 1024 * 1024;
const LINGER_TIME_MAX: Duration = Duration::from_secs(30);
const LINGER_TIMEOUT_IDLE: Duration = Duration::from_secs(5);

/// How a connection ends.
pub(crate) enum End {
    /// There is nothing more to say: the peer has gone, was idle, or takes nothing.
    Quiet,
    /// The last answer is written; the peer is not sending.
    Said,
    /// The last answer is written as far as it goes, and only a reset tells that it is not whole.
    Torn,
    /// The last answer is written; the peer may still be sending.
    SaidTooEarly,
    /// The peer is told what it did wrong.
    Refused(Error),
}

/// Serves one connection to its end. Not an `async fn`, which would keep its arguments twice, for
/// each idle connection.
pub(crate) fn serve(mut stream: IoStream, server: &Rc<Shared>) -> impl Future<Output = ()> + use<> {
    // From now on, and not from when it is first polled, it is one of the server's guests.
    let mut heads = Heads::new(server.register(stream.handle()));
    async move {
        let end = loop {
            let mut exchange = match heads.next(&mut stream).await {
                Ok(exchange) => exchange,
                Err(end) => break end,
            };
            let (server, number) = (heads.server(), heads.connection());
            Inner::begin(&mut exchange, &stream, server, number, heads.is_last());
            heads.server().witness.begin(&exchange);
            if exchange.has_content() {
                exchange
                    .incoming
                    .begin(&exchange.head, &heads.server().config);
                let writer = stream.handle();
                exchange.incoming.lend(stream);
                if !is_refused(&exchange) {
                    answer(&exchange, &writer, heads.server()).await;
                }
                // Nobody is reading any more, so it is there.
                let Some(reader) = exchange.incoming.take_back() else {
                    return;
                };
                stream = reader;
            } else {
                answer(&exchange, &stream, heads.server()).await;
            }
            let witness = &heads.server().witness;
            witness.end(&exchange, &stream);
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
                // The peer sees that this answer is not whole. Those before it are.
                Phase::Broken { is_unframed: true } => break End::Torn,
                Phase::Open | Phase::Streaming { .. } | Phase::Broken { .. } => break End::Said,
            }
            if !exchange.incoming.is_over() {
                // Boxed, as all that is rare is here: it must not make those that idle larger.
                if Box::pin(discard(&exchange, &mut stream, heads.server()))
                    .await
                    .is_err()
                {
                    break End::SaidTooEarly;
                }
            }
            heads.reuse(exchange);
            if heads.in_one_go() >= REQUESTS_PER_TURN || stream.unsent_len() > UNSENT_BYTES_MAX {
                heads.rest();
                if Box::pin(step_aside(&stream, heads.server())).await.is_err() {
                    return;
                }
            }
        };
        stream.flush();
        if stream.unsent_len() > 0 {
            heads.begin_to_deliver();
        }
        let server = heads.server().clone();
        Box::pin(close(stream, server, end)).await;
    }
}

/// Throws away what an answer did not wait for.
async fn discard(exchange: &Inner, stream: &mut IoStream, server: &Shared) -> Result<(), Error> {
    stream.set_deadline(Some(server.config.timeout_content));
    let discarded = exchange.incoming.discard(stream).await;
    stream.set_deadline(None);
    discarded
}

/// Lets the peer read its answers, and other connections have their turn.
async fn step_aside(stream: &IoStream, server: &Shared) -> Result<(), Error> {
    let delivered = deliver(stream, UNSENT_BYTES_MAX, server.config.timeout_write).await;
    server.witness.note_delivery(&delivered);
    delivered?;
    yield_now().await;
    Ok(())
}

/// Sends what is to be sent before the stream is dropped.
async fn close(mut stream: IoStream, server: Rc<Shared>, end: End) {
    if let End::Refused(error) = &end {
        refuse(&mut stream, &server, error);
    }
    if let End::Quiet = end {
        return;
    }
    let delivered = deliver(&stream, 0, server.config.timeout_write).await;
    server.witness.note_delivery(&delivered);
    if delivered.is_err() {
        return;
    }
    match end {
        End::Quiet | End::Said => {}
        End::Torn => stream.abort(),
        End::SaidTooEarly | End::Refused(_) => {
            stream.set_deadline(None);
            stream.set_guards(&Guards {
                timeout_idle: Some(LINGER_TIMEOUT_IDLE),
                ..Guards::default()
            });
            stream.linger_for(LINGER_BYTES_MAX, LINGER_TIME_MAX).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use squall_ioloop::IoLoop;
    use squall_iostream::memory;

    use super::*;
    use crate::{Exchange, HttpServer};

    /// Ten thousand idle connections are ten thousand of these.
    #[test]
    fn the_future_of_a_connection_is_small() {
        let ioloop = IoLoop::new().unwrap();
        let server = HttpServer::new(&ioloop, |http: Exchange| async move { http.finish() });
        let (stream, _) = memory::pair(&ioloop, memory::Options::default());
        let size = size_of_val(&serve(stream, server.shared()));
        assert!(size <= 216, "{size} B");
    }
}
