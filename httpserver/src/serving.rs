//! Runs the service for one exchange, and catches what falls: panics, and exchanges that nobody
//! answers.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Poll};

use squall_iostream::StreamHandle;

use crate::Exchange;
use crate::load::Place;
use crate::seeing::Plain;
use crate::server::Shared;
use crate::service::ServiceFuture;
use crate::state::Inner;
use crate::watch::{Verdict, Watch};

/// Runs the service until the answer is finished, or given up. It keeps what it is given once only,
/// as an `async fn` does not: a connection has room for this while it idles.
pub(crate) fn answer<'a>(
    exchange: &'a Rc<Inner>,
    writer: &'a StreamHandle,
    server: &'a Rc<Shared>,
) -> impl Future<Output = ()> + 'a {
    let mut service = Serving::DUE;
    let mut watch = None;
    poll_fn(move |cx| {
        let polled = poll_answer(exchange, writer, server, &mut service, cx);
        // An answer that is over may still wait for one who reads, and neither is late nor lost.
        let is_over = polled.is_ready() || exchange.phase.get().is_over();
        if is_over || !Watch::is_wanted(exchange, server) {
            return polled;
        }
        let watch = watch.get_or_insert_with(|| Watch::new(writer));
        if let Verdict::Over = watch.poll(exchange, cx) {
            guard(exchange, || service.stop());
            return poll_answer(exchange, writer, server, &mut service, cx);
        }
        Poll::Pending
    })
}

/// How far the service is with an exchange. Two fields and no enum: to write a state over another
/// runs the other's destructor, on the way of every request.
struct Serving {
    /// Whether it has not been called; then nothing is running.
    is_due: bool,
    running: Option<ServiceFuture>,
    /// Where places are counted.
    place: Option<Place>,
}

impl Serving {
    const DUE: Self = Self {
        is_due: true,
        running: None,
        place: None,
    };

    /// Calls the service, or goes on with it.
    fn poll(&mut self, exchange: &Rc<Inner>, server: &Shared, cx: &mut Context<'_>) {
        // A service that panics when it is called is over.
        if std::mem::take(&mut self.is_due) {
            if let Some(load) = &server.load {
                self.place = load.enter();
                if self.place.is_none() {
                    return load.shed(&Exchange::of(exchange));
                }
            }
            self.running = Some(server.service.serve(Exchange::of(exchange)));
        }
        if let Some(future) = &mut self.running {
            if future.as_mut().poll(cx).is_ready() {
                self.running = None;
            }
        }
    }

    fn is_over(&self) -> bool {
        !self.is_due && self.running.is_none()
    }

    fn stop(&mut self) {
        self.is_due = false;
        self.running = None;
    }
}

fn poll_answer(
    exchange: &Rc<Inner>,
    writer: &StreamHandle,
    server: &Rc<Shared>,
    service: &mut Serving,
    cx: &mut Context<'_>,
) -> Poll<()> {
    exchange.stop_waiting();
    // One guard around all that is the user's: the call, the future, and its destructor.
    if !service.is_over() && guard(exchange, || service.poll(exchange, server, cx)).is_none() {
        guard(exchange, || service.stop());
    }
    let is_abandoned = service.is_over() && Rc::strong_count(exchange) == 1;
    if is_abandoned && !exchange.phase.get().is_over() {
        // A service that ends because its peer has gone is as it should be.
        if !writer.is_closing() {
            tracing::error!(target: "squall::httpserver", "an exchange was dropped without an answer");
        }
        Exchange::of(exchange).fail();
    }
    if exchange.phase.get().is_over() && !exchange.incoming.is_reading() {
        if exchange.has_closers() {
            guard(exchange, || drop(exchange.take_closers()));
        }
        service.place = None;
        if let Some(rest) = service.running.take() {
            go_on(rest, exchange, writer, server);
        }
        return Poll::Ready(());
    }
    // The answer takes its time: those before it must not wait for it.
    writer.flush();
    server.witness.wait(exchange);
    exchange.wait(cx.waker());
    Poll::Pending
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
pub(crate) fn guard<R>(exchange: &Rc<Inner>, f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(|| exchange.seen.within(f))) {
        Ok(value) => Some(value),
        Err(payload) => {
            let message = payload
                .downcast_ref::<&'static str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("a panic without text");
            // Quoted: it may be made of what the peer has sent.
            exchange.seen.within(|| {
                tracing::error!(
                    target: "squall::httpserver",
                    method = %exchange.head.method(),
                    target = %Plain(exchange.head.target()),
                    "a service has panicked: {message:?}"
                );
            });
            Exchange::of(exchange).fail();
            None
        }
    }
}
