//! Runs the service for one exchange, and catches what falls: panics, and exchanges that nobody
//! answers.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Poll};

use squall_iostream::StreamHandle;

use crate::Exchange;
use crate::server::Shared;
use crate::service::ServiceFuture;
use crate::state::Inner;

/// Runs the service until the answer is finished, or given up. It begins at once, and keeps what it
/// is given once only, as an `async fn` does not: a connection has room for this while it idles.
pub(crate) fn answer<'a>(
    exchange: &'a Rc<Inner>,
    writer: &'a StreamHandle,
    server: &'a Rc<Shared>,
) -> impl Future<Output = ()> + 'a {
    let handle = Exchange::begin(exchange, writer, server);
    let mut service = guard(exchange, || server.service.serve(handle));
    let mut gone = None;
    poll_fn(move |cx| {
        let polled = poll_answer(exchange, writer, server, &mut service, cx);
        if polled.is_pending() && exchange.has_closers() {
            poll_closers(exchange, writer, &mut gone, cx);
        }
        polled
    })
}

fn poll_answer(
    exchange: &Rc<Inner>,
    writer: &StreamHandle,
    server: &Rc<Shared>,
    service: &mut Option<ServiceFuture>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    exchange.stop_waiting();
    if service.is_some() {
        // Its destructors are the user's code as well.
        let polled = guard(exchange, || {
            let is_over = |future: &mut ServiceFuture| future.as_mut().poll(cx).is_ready();
            if service.as_mut().is_some_and(is_over) {
                *service = None;
            }
        });
        if polled.is_none() {
            guard(exchange, || *service = None);
        }
    }
    let is_abandoned = service.is_none() && Rc::strong_count(exchange) == 1;
    if is_abandoned && !exchange.phase.get().is_over() {
        // A service that ends because its peer has gone is as it should be.
        if !writer.is_closing() {
            tracing::error!(target: "squall::httpserver", "an exchange was dropped without an answer");
        }
        Exchange::resume(exchange).fail();
    }
    if exchange.phase.get().is_over() && !exchange.incoming.is_reading() {
        if exchange.has_closers() {
            guard(exchange, || drop(exchange.take_closers()));
        }
        if let Some(rest) = service.take() {
            go_on(rest, exchange, writer, server);
        }
        return Poll::Ready(());
    }
    // The answer takes its time: those before it must not wait for it.
    writer.flush();
    exchange.wait(cx.waker());
    Poll::Pending
}

/// Calls those who want to know when the peer is gone. `gone` is when that is: made here, since few
/// ask.
fn poll_closers(
    exchange: &Rc<Inner>,
    writer: &StreamHandle,
    gone: &mut Option<ServiceFuture>,
    cx: &mut Context<'_>,
) {
    let future = gone.get_or_insert_with(|| {
        let stream = writer.clone();
        Box::pin(async move { stream.closed().await })
    });
    if future.as_mut().poll(cx).is_ready() {
        *gone = None;
        for closer in exchange.take_closers() {
            guard(exchange, closer);
        }
    }
}

/// A service that has finished its answer and has more to do goes on beside the connection. The
/// server does not stop without it.
fn go_on(
    mut rest: ServiceFuture,
    exchange: &Rc<Inner>,
    writer: &StreamHandle,
    server: &Rc<Shared>,
) {
    let exchange = exchange.clone();
    let guest = server.stay();
    writer.ioloop().spawn_detached(async move {
        let polled = |cx: &mut Context<'_>| {
            guard(&exchange, || rest.as_mut().poll(cx)).unwrap_or(Poll::Ready(()))
        };
        poll_fn(polled).await;
        guard(&exchange, || drop(rest));
        drop(guest);
    });
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
            // Quoted: it may be made of what the peer has sent.
            tracing::error!(
                target: "squall::httpserver",
                method = %exchange.head.method(),
                target = exchange.head.target(),
                "a service has panicked: {message:?}"
            );
            Exchange::resume(exchange).fail();
            None
        }
    }
}
