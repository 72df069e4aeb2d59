//! Tasks that wait for a stream: the one that reads, those that write, and who wants to know of
//! its end.

use std::cell::Cell;
use std::task::Waker;

use crate::shared::Shared;

/// The waker of the one task that may wait.
#[derive(Default)]
pub(crate) struct Waiter {
    waker: Cell<Option<Waker>>,
}

impl Waiter {
    pub(crate) fn wait(&self, waker: &Waker) {
        // Nothing is allocated for it: wakers of the loop's tasks are numbers.
        let before = self.waker.replace(Some(waker.clone()));
        drop(before);
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
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

/// Who waits for a stream beside its reader. Mostly nobody does, and then this is a null pointer.
///
/// A stream may live long, and a task may wait for the same thing many times and in vain, so each
/// place can be given back.
#[derive(Default)]
pub(crate) struct Waits {
    #[expect(
        clippy::box_collection,
        reason = "of a stream that idles, each word counts"
    )]
    places: Cell<Option<Box<Vec<Waiting>>>>,
}

pub(crate) struct Waiting {
    number: u64,
    awaited: Awaited,
    pub(crate) told: Told,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// That something of what is unsent goes.
    Room,
    /// That the peer has gone, or the stream is closed.
    End,
}

/// How it is told, once.
pub(crate) enum Told {
    Call(Box<dyn FnOnce()>),
    Wake(Waker),
}

impl Waits {
    pub(crate) fn add(&self, number: u64, awaited: Awaited, told: Told) {
        let mut places = self.places.take().unwrap_or_default();
        places.push(Waiting {
            number,
            awaited,
            told,
        });
        self.places.set(Some(places));
    }

    /// For who has no place to give back: a task that polls again and again has one all the same.
    pub(crate) fn wait(&self, awaited: Awaited, waker: &Waker) {
        let places = self.places.take();
        let is_same = |known: &Waiting| {
            let is_its = matches!(&known.told, Told::Wake(known) if known.will_wake(waker));
            known.number == UNNUMBERED && known.awaited == awaited && is_its
        };
        let is_known = places
            .as_ref()
            .is_some_and(|places| places.iter().any(is_same));
        self.places.set(places);
        if !is_known {
            self.add(UNNUMBERED, awaited, Told::Wake(waker.clone()));
        }
    }

    fn remove(&self, number: u64) {
        let Some(mut places) = self.places.take() else {
            return;
        };
        let at = places.iter().position(|known| known.number == number);
        let removed = at.map(|at| places.remove(at));
        self.places.set((!places.is_empty()).then_some(places));
        // Last: a waker's destructor may be anybody's code.
        drop(removed);
    }

    /// Those that are to be told, in the order in which they came. Asked several times in each
    /// answer, so it is one look where nobody waits.
    #[inline]
    pub(crate) fn take(&self, awaited: Awaited) -> Option<Vec<Waiting>> {
        let places = self.places.take()?;
        self.take_from(places, awaited)
    }

    #[cold]
    #[expect(
        clippy::box_collection,
        reason = "it is put back as it was, if it is not meant"
    )]
    fn take_from(&self, places: Box<Vec<Waiting>>, awaited: Awaited) -> Option<Vec<Waiting>> {
        let is_told = |known: &Waiting| known.awaited == awaited;
        // Who waits for the end does so for long, and hears of all that goes meanwhile here.
        if !places.iter().any(is_told) {
            self.places.set(Some(places));
            return None;
        }
        let (told, others): (Vec<_>, Vec<_>) = places.into_iter().partition(is_told);
        self.places
            .set((!others.is_empty()).then(|| Box::new(others)));
        Some(told)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let places = self.places.take();
        let len = places.as_ref().map_or(0, |places| places.len());
        self.places.set(places);
        len
    }
}

/// The number of places that nobody gives back.
pub(crate) const UNNUMBERED: u64 = 0;

/// A place that is given back when dropped: for a future that waits.
pub(crate) struct Place<'a> {
    waits: &'a Waits,
    awaited: Awaited,
    /// `UNNUMBERED` while it has none.
    number: u64,
}

impl<'a> Place<'a> {
    pub(crate) fn new(waits: &'a Waits, awaited: Awaited) -> Self {
        Self {
            waits,
            awaited,
            number: UNNUMBERED,
        }
    }

    pub(crate) fn wait(&mut self, shared: &Shared, waker: &Waker) {
        self.leave();
        self.number = shared.next_number();
        let told = Told::Wake(waker.clone());
        self.waits.add(self.number, self.awaited, told);
    }

    fn leave(&mut self) {
        let number = std::mem::replace(&mut self.number, UNNUMBERED);
        if number != UNNUMBERED {
            self.waits.remove(number);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use squall_ioloop::{IoLoop, with_timeout};

    use crate::memory;

    #[test]
    fn who_gives_up_waiting_for_room_or_for_the_end_leaves_nothing_behind() {
        let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
        let (ours, _theirs) = memory::pair(&ioloop, memory::Options::default());
        ours.write(&[0; 4 * 1024 * 1024]).unwrap();
        for _ in 0..10 {
            let patience = Duration::from_millis(1);
            let drained = ioloop.run_until(with_timeout(patience, ours.drained(0)));
            assert!(drained.unwrap().is_err(), "nobody reads");
            let closed = ioloop.run_until(with_timeout(patience, ours.closed()));
            assert!(closed.unwrap().is_err(), "nobody closes");
            assert_eq!(ours.core().waits.len(), 0);
        }
    }

    #[test]
    fn who_gives_up_takes_no_place_of_others() {
        let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
        let (ours, theirs) = memory::pair(&ioloop, memory::Options::default());
        ours.write(&[0; 4 * 1024 * 1024]).unwrap();
        let (first, second) = (ours.handle(), ours.handle());
        let waits = ioloop.spawn(async move { first.drained(0).await });
        let gives_up = ioloop.spawn(async move { second.drained(0).await });
        ioloop.run_once(Some(Duration::ZERO)).unwrap();
        assert_eq!(ours.core().waits.len(), 2);
        gives_up.abort();
        assert_eq!(ours.core().waits.len(), 1);
        drop(theirs);
        let waited = ioloop.run_until(waits).unwrap().unwrap();
        assert!(waited.is_err(), "the peer has gone");
    }
}
