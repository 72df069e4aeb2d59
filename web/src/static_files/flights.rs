//! One look at the disk for all who wait for the same name.
//!
//! A look is a task of its own, so that a client that leaves does not take it away from the others.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The looks under way, by name.
pub(super) struct Flights<T> {
    flights: RefCell<HashMap<Rc<str>, Rc<Flight<T>>>>,
}

/// One of them, and who waits for it.
pub(super) struct Flight<T> {
    state: RefCell<State<T>>,
}

enum State<T> {
    Waiting(Vec<Waker>),
    Done(T),
}

impl<T: Clone> Flights<T> {
    pub(super) fn new() -> Self {
        Self {
            flights: RefCell::default(),
        }
    }

    /// The look for `name`, and whether the caller has to begin it.
    pub(super) fn join(&self, name: &str) -> (Rc<Flight<T>>, bool) {
        let mut flights = self.flights.borrow_mut();
        if let Some(flight) = flights.get(name) {
            return (flight.clone(), false);
        }
        let flight = Rc::new(Flight {
            state: RefCell::new(State::Waiting(Vec::new())),
        });
        flights.insert(name.into(), flight.clone());
        (flight, true)
    }

    /// Tells all who wait; who comes later begins anew.
    pub(super) fn finish(&self, name: &str, result: T) {
        let flight = self.flights.borrow_mut().remove(name);
        if let Some(flight) = flight {
            let before = flight.state.replace(State::Done(result));
            if let State::Waiting(wakers) = before {
                wakers.into_iter().for_each(Waker::wake);
            }
        }
    }
}

impl<T: Clone> Flight<T> {
    pub(super) async fn result(&self) -> T {
        let mut place = None;
        poll_fn(|cx| self.poll(cx, &mut place)).await
    }

    /// Each who waits has a place, however often it is polled.
    fn poll(&self, cx: &Context<'_>, place: &mut Option<usize>) -> Poll<T> {
        match &mut *self.state.borrow_mut() {
            State::Done(result) => Poll::Ready(result.clone()),
            State::Waiting(wakers) => {
                match place.and_then(|place| wakers.get_mut(place)) {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => {
                        *place = Some(wakers.len());
                        wakers.push(cx.waker().clone());
                    }
                }
                Poll::Pending
            }
        }
    }
}
