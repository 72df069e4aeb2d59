//! One turn, in the order of the drawing on the [crate's page](crate).
//!
//! All code of others is called here or from here, under a guard, and with nothing borrowed but the
//! poller itself.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::clock::Nanos;
use crate::ioloop::Poller;
use crate::remote::Post;
use crate::timers::{Action, Fired};
use crate::{IoLoop, Origin, Ready, Token, current, task};

/// How long a wait on a virtual clock that nothing can end lasts before it panics.
const VIRTUAL_PATIENCE: Duration = Duration::from_secs(1);

impl IoLoop {
    /// One turn: polls for at most `timeout` (not at all while there is work), then runs what is
    /// due, in the order of the drawing.
    ///
    /// # Errors
    /// A failure of the poller. An interruption by a signal is not one.
    pub fn turn(&self, timeout: Option<Duration>) -> io::Result<()> {
        let Ok(mut poller) = self.poller.try_borrow_mut() else {
            panic!("a loop cannot be turned from inside one of its turns");
        };
        let poller = &mut *poller;
        let _entered = current::enter(self.handle());
        let known = self.poll(poller, timeout)?;
        self.handle()
            .inner()
            .turns
            .set(self.handle().turn_count() + 1);
        self.run_due_timers();
        let others = known + self.tell_sources(&poller.events);
        self.run_callbacks(&mut poller.posts);
        self.run_tasks();
        self.end_turn();
        self.run_bulk(others);
        self.handle().inner().clock.release();
        Ok(())
    }

    /// Returns how many things the turn has to do beside its events, as far as bulk work asks.
    fn poll(&self, poller: &mut Poller, timeout: Option<Duration>) -> io::Result<usize> {
        let inner = self.handle().inner();
        let is_idle = !self.has_work();
        // Counted whether or not there is bulk work: an event of this turn may bring some.
        let known = if is_idle { 0 } else { self.count_work() };
        let wait = if is_idle {
            self.time_to_wait(timeout)
        } else {
            Some(Duration::ZERO)
        };
        // Only a loop that is about to block must be rung; and one that has mail must not block.
        let may_block = wait != Some(Duration::ZERO) && inner.shared.fall_asleep();
        let wait = if may_block {
            wait
        } else {
            Some(Duration::ZERO)
        };
        let polled = poller.poll.poll(&mut poller.events, wait);
        let has_polled = polled.is_ok();
        match polled {
            // What was posted stays in the queue, and the loop stays asleep or notified.
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            // mio leaves the events of an earlier poll in place when it is interrupted.
            Err(_) => poller.events.clear(),
            Ok(()) => {}
        }
        inner.shared.wake_up(&mut poller.posts);
        inner.clock.hold();
        let has_news = !poller.events.is_empty() || !poller.posts.is_empty();
        if inner.clock.is_virtual() && is_idle && !has_news {
            self.pass_virtual_time(timeout, may_block && has_polled);
        }
        Ok(known + poller.posts.len())
    }

    /// Until the next deadline, but not longer than `timeout`.
    fn time_to_wait(&self, timeout: Option<Duration>) -> Option<Duration> {
        let inner = self.handle().inner();
        let deadline = inner.timers.borrow().next_deadline();
        if inner.clock.is_virtual() {
            // Where nothing can be jumped to, another thread or a real descriptor may still have
            // something for us; and while the executor works for us, its thread surely will.
            let can_jump = deadline.is_some() || timeout.is_some();
            let may_wait = inner.shared.is_time_held() && timeout != Some(Duration::ZERO);
            return Some(if can_jump && !may_wait {
                Duration::ZERO
            } else {
                VIRTUAL_PATIENCE
            });
        }
        let until_deadline =
            deadline.map(|deadline| round_up_to_millis(deadline.saturating_sub(inner.clock.now())));
        match (timeout, until_deadline) {
            (Some(timeout), Some(deadline)) => Some(timeout.min(deadline)),
            (timeout, deadline) => timeout.or(deadline),
        }
    }

    /// Nothing was ready: jumps to the next deadline instead of waiting for it.
    fn pass_virtual_time(&self, timeout: Option<Duration>, has_waited: bool) {
        let inner = self.handle().inner();
        let deadline = inner.timers.borrow().next_deadline();
        let end = timeout.map(|timeout| inner.clock.deadline_after(timeout));
        match deadline.into_iter().chain(end).min() {
            Some(next) => inner.clock.advance_to(next),
            None => assert!(
                !has_waited || inner.shared.is_time_held(),
                "nothing is left that could happen on this loop's virtual clock: a future waits \
                 for ever"
            ),
        }
    }

    /// Whether the next turn has something to do at once.
    pub(crate) fn has_work(&self) -> bool {
        let inner = self.handle().inner();
        !(inner.ready_tasks.borrow().is_empty()
            && inner.callbacks.borrow().is_empty()
            && inner.again.borrow().is_empty()
            && inner.turn_end.borrow().is_empty()
            && inner.bulk.is_empty()
            && !inner.shared.has_mail())
    }

    /// How many things wait for the next turn.
    fn count_work(&self) -> usize {
        let inner = self.handle().inner();
        inner.again.borrow().len()
            + inner.callbacks.borrow().len()
            + inner.ready_tasks.borrow().len()
    }

    fn run_due_timers(&self) {
        let inner = self.handle().inner();
        let now = inner.clock.now();
        let mark = inner.timers.borrow().turn_mark();
        loop {
            let fired = inner.timers.borrow_mut().pop_due(now, mark);
            match fired {
                None => return,
                Some(Fired::Act(Action::Call(callback))) => {
                    self.handle().guard(Origin::Callback, callback);
                }
                Some(Fired::Act(Action::Wake(waker))) => {
                    self.handle().guard(Origin::Task, || waker.wake());
                }
                Some(Fired::Notify(token)) => self.tell(token, Ready::DEADLINE),
            }
        }
    }

    /// Returns how many events there were.
    fn tell_sources(&self, events: &mio::Events) -> usize {
        // Taken before the first source is told: what asks for another turn now, gets another.
        let again = self.handle().inner().again.take();
        let mut count = 0;
        for event in events {
            count += 1;
            if event.token() != Token::WAKE {
                self.tell(Token::from_mio(event.token()), Ready::from_mio(event));
            }
        }
        for (token, ready) in again {
            self.tell(token, ready);
        }
        count
    }

    fn tell(&self, token: Token, ready: Ready) {
        let source = self
            .handle()
            .inner()
            .sources
            .borrow()
            .get(token)
            .map(Rc::clone);
        if let Some(source) = source {
            let handle = self.handle();
            handle.guard(Origin::Source, || source.on_ready(handle, ready));
            // It may have removed itself, and this may be the last of it.
            handle.drop_guarded(Origin::Source, Some(source));
        }
    }

    fn run_callbacks(&self, posts: &mut Vec<Post>) {
        let inner = self.handle().inner();
        for post in posts.drain(..) {
            match post {
                Post::Call(callback) => self
                    .handle()
                    .guard(Origin::Callback, || callback(self.handle())),
                Post::Wake(key) => task::wake(self.handle(), key),
            }
        }
        // Callbacks that callbacks add are for the next turn.
        let count = inner.callbacks.borrow().len();
        for _ in 0..count {
            let callback = inner.callbacks.borrow_mut().pop_front();
            if let Some(callback) = callback {
                self.handle().guard(Origin::Callback, callback);
            }
        }
    }

    fn run_tasks(&self) {
        let inner = self.handle().inner();
        let count = inner.ready_tasks.borrow().len();
        for _ in 0..count {
            let key = inner.ready_tasks.borrow_mut().pop_front();
            if let Some(key) = key {
                task::run(self.handle(), key);
            }
        }
    }

    fn run_bulk(&self, others: usize) {
        let inner = self.handle().inner();
        // Mostly there is none.
        if inner.bulk.is_empty() {
            return;
        }
        if let Some(piece) = inner.bulk.next(others) {
            self.handle().guard(Origin::Callback, piece);
            // It may have been the leave for a task, which is the piece then; and what that says is
            // not kept until the next turn ends.
            self.run_tasks();
            self.end_turn();
        }
    }

    fn end_turn(&self) {
        let inner = self.handle().inner();
        if inner.turn_end.borrow().is_empty() {
            return;
        }
        let mut tokens = inner.turn_end.take();
        for token in tokens.drain(..) {
            let source = inner.sources.borrow().get(token).map(Rc::clone);
            if let Some(source) = source {
                let handle = self.handle();
                handle.guard(Origin::TurnEnd, || source.on_turn_end(handle));
                handle.drop_guarded(Origin::TurnEnd, Some(source));
            }
        }
        // Its memory is kept, behind what the sources may have added.
        let mut added = inner.turn_end.borrow_mut();
        tokens.append(&mut added);
        *added = tokens;
    }
}

/// The poller counts in milliseconds; a loop that wakes a fraction too early would spin.
fn round_up_to_millis(nanos: Nanos) -> Duration {
    Duration::from_millis(nanos.div_ceil(1_000_000))
}
