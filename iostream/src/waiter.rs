//! Tasks that wait for a stream: the one that reads, those that write, and who wants to know of
//! its end.

use std::cell::Cell;
use std::task::Waker;

/// The waker of the one task that may wait. It is kept between waits: a task that waits again, and
/// most do, need not clone it again.
#[derive(Default)]
pub(crate) struct Waiter {
    waker: Cell<Option<Waker>>,
    is_waiting: Cell<bool>,
}

impl Waiter {
    pub(crate) fn wait(&self, waker: &Waker) {
        self.is_waiting.set(true);
        let known = self.waker.take().filter(|known| known.will_wake(waker));
        self.waker.set(Some(known.unwrap_or_else(|| waker.clone())));
    }

    pub(crate) fn wake(&self) {
        if self.is_waiting.replace(false) {
            let waker = self.waker.take();
            if let Some(waker) = &waker {
                waker.wake_by_ref();
            }
            // A waker that polls at once may have brought another.
            let newer = self.waker.take();
            self.waker.set(newer.or(waker));
        }
    }
}

/// Tasks that wait for the same thing, any number of them: all are woken, and who has to wait on
/// asks again.
#[derive(Default)]
pub(crate) struct Waiters {
    wakers: Cell<Vec<Waker>>,
}

impl Waiters {
    pub(crate) fn wait(&self, waker: &Waker) {
        let mut wakers = self.wakers.take();
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
        self.wakers.set(wakers);
    }

    pub(crate) fn wake(&self) {
        for waker in self.wakers.take() {
            waker.wake();
        }
    }
}

/// Who is to be told, once, that the peer has gone or the stream is closed. A stream may live
/// long, and a task may wait for its end many times and in vain, so each place can be given back.
#[derive(Default)]
pub(crate) struct Closers {
    places: Cell<Vec<(u64, Closer)>>,
    next_id: Cell<u64>,
}

pub(crate) enum Closer {
    Call(Box<dyn FnOnce()>),
    Wake(Waker),
}

impl Closers {
    /// Returns the number of the place, for [`Self::remove`].
    pub(crate) fn add(&self, closer: Closer) -> u64 {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        let mut places = self.places.take();
        places.push((id, closer));
        self.places.set(places);
        id
    }

    pub(crate) fn remove(&self, id: u64) {
        let mut places = self.places.take();
        let at = places.iter().position(|(known, _)| *known == id);
        let removed = at.map(|at| places.remove(at));
        self.places.set(places);
        // Last: a waker's destructor may be anybody's code.
        drop(removed);
    }

    pub(crate) fn take(&self) -> impl Iterator<Item = Closer> + use<> {
        self.places.take().into_iter().map(|(_, closer)| closer)
    }
}

/// A place among the closers that is given back when dropped: for a future that waits.
pub(crate) struct Place<'a> {
    closers: &'a Closers,
    id: Option<u64>,
}

impl<'a> Place<'a> {
    pub(crate) fn new(closers: &'a Closers) -> Self {
        Self { closers, id: None }
    }

    pub(crate) fn wait(&mut self, waker: &Waker) {
        self.leave();
        self.id = Some(self.closers.add(Closer::Wake(waker.clone())));
    }

    fn leave(&mut self) {
        if let Some(id) = self.id.take() {
            self.closers.remove(id);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
