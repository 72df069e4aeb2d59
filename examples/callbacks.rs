//! Long polling with callbacks: requests that are answered in a later turn.
//!
//! Run `cargo run --release --example callbacks`, then, in two terminals:
//!
//! ```console
//! $ curl http://127.0.0.1:8888/wait          # waits; start as many as you like
//! $ curl -d "Hello" http://127.0.0.1:8888/say
//! ```
//!
//! Look at what is *not* there: no thread, no task, no future per waiting client. A callback gets
//! the exchange, keeps it in a list, and somebody else's request finishes it. One that nobody
//! answers gets 204 after half a minute, and one whose client has gone leaves the list.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use squall::ioloop::IoLoop;
use squall::web::{Application, Exchange, StatusCode};

const PATIENCE: Duration = Duration::from_secs(30);

/// Those who wait, with numbers to find them by.
#[derive(Default)]
struct Waiting {
    exchanges: Vec<(u64, Exchange)>,
    next: u64,
}

fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .nth(1)
        .map_or(8888, |port| port.parse().expect("a port"));
    let ioloop = IoLoop::new()?;
    let handle = ioloop.handle().clone();
    let waiting = Rc::new(RefCell::new(Waiting::default()));
    let listeners = waiting.clone();

    let application = Application::new()
        .route_callback("/wait", move |http| {
            let number = listeners.borrow().next;
            leave_when_gone(&http, number, &listeners);
            answer_after_a_while(&handle, number, &listeners);
            let mut listeners = listeners.borrow_mut();
            listeners.next += 1;
            listeners.exchanges.push((number, http));
        })
        .post("/say", async move |http| {
            let message = http.content().await?;
            let listeners = std::mem::take(&mut waiting.borrow_mut().exchanges);
            for (_, listener) in &listeners {
                // Fails only for a client that has just gone, and then there is nobody to tell.
                let _ = listener.write(message.clone());
                listener.finish();
            }
            http.write(format!("{} heard it\n", listeners.len()))
        });
    application.listen(&ioloop, ("127.0.0.1", port))?;
    ioloop.run()
}

fn leave_when_gone(http: &Exchange, number: u64, waiting: &Rc<RefCell<Waiting>>) {
    let waiting = waiting.clone();
    http.on_close(move || drop(take(&waiting, number)));
}

fn answer_after_a_while(
    ioloop: &squall::ioloop::Handle,
    number: u64,
    waiting: &Rc<RefCell<Waiting>>,
) {
    let waiting = waiting.clone();
    ioloop.call_later(PATIENCE, move || {
        if let Some(http) = take(&waiting, number) {
            // Fails only if the client has gone.
            let _ = http.set_status(StatusCode::NO_CONTENT);
            http.finish();
        }
    });
}

fn take(waiting: &RefCell<Waiting>, number: u64) -> Option<Exchange> {
    let exchanges = &mut waiting.borrow_mut().exchanges;
    let index = exchanges.iter().position(|(known, _)| *known == number)?;
    Some(exchanges.swap_remove(index).1)
}
