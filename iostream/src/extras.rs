//! What most streams do not ask for: watermarks and a cap, guards, rates, a share of a memory
//! budget. All of it is behind one pointer of the core, which is all that it costs a stream that
//! asks for none.
//!
//! The core asks here before it reads or sends, and tells here what it has read and sent. Whatever
//! has to happen later is done by one timer of the loop, the alarm: it is set for the earliest
//! thing to look at, and what is pushed forward meanwhile is found out when it fires. So neither a
//! read nor a write moves a timer, or allocates.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Instant;

use squall_ioloop::{Handle, Ready, Source, Token};

use crate::core::Core;
use crate::error::{CutOff, Interruption, StreamClosed};
use crate::guards::{Finding, Watch};
use crate::memory_budget::Member;
use crate::rate_limit::Throttle;
use crate::settings::Rare;
use crate::shared::RECEIVE_BYTES;
use crate::{Guards, MemoryBudget, RateLimit};

/// Of asyncio's transports, whose users have had them for ten years: a writer is stopped at 64 KiB
/// and goes on at a quarter of that.
const UNSENT_BYTES_HIGH: usize = 64 * 1024;
const UNSENT_BYTES_LOW: usize = UNSENT_BYTES_HIGH / 4;

/// Above the first a writer should wait until it is at most the second.
#[derive(Clone, Copy)]
pub(crate) struct Watermarks {
    pub(crate) high: usize,
    pub(crate) low: usize,
}

impl Default for Watermarks {
    fn default() -> Self {
        Self {
            high: UNSENT_BYTES_HIGH,
            low: UNSENT_BYTES_LOW,
        }
    }
}

pub(crate) struct Extras {
    watermarks: Cell<Watermarks>,
    unsent_bytes_max: Cell<usize>,
    watch: RefCell<Option<Watch>>,
    reading: RefCell<Throttle>,
    writing: RefCell<Throttle>,
    member: RefCell<Option<Member>>,
    alarm: OnceCell<Token>,
    /// When the alarm will fire, if it is set.
    alarm_at: Cell<Option<Instant>>,
}

impl Default for Extras {
    fn default() -> Self {
        Self {
            watermarks: Cell::default(),
            unsent_bytes_max: Cell::new(usize::MAX),
            watch: RefCell::default(),
            reading: RefCell::default(),
            writing: RefCell::default(),
            member: RefCell::default(),
            alarm: OnceCell::new(),
            alarm_at: Cell::new(None),
        }
    }
}

// ---- asking for it

impl Core {
    pub(crate) fn set_watermarks(&self, high: usize, low: usize) {
        self.extras().watermarks.set(Watermarks { high, low });
    }

    pub(crate) fn set_unsent_bytes_max(&self, bytes_max: usize) {
        self.extras().unsent_bytes_max.set(bytes_max);
    }

    pub(crate) fn set_guards(self: &Rc<Self>, guards: &Guards) {
        let watch = Watch::new(*guards, self.ioloop.now());
        let extras = self.extras_with_alarm();
        extras.watch.replace(Some(watch));
        self.note_sent(extras, 0);
        self.set_alarm(extras);
    }

    pub(crate) fn set_read_rate(self: &Rc<Self>, limit: Option<RateLimit>) {
        let replaced = self
            .extras_with_alarm()
            .reading
            .replace(Throttle::new(limit));
        drop(replaced);
        self.reader.wake();
    }

    pub(crate) fn set_write_rate(self: &Rc<Self>, limit: Option<RateLimit>) {
        let replaced = self
            .extras_with_alarm()
            .writing
            .replace(Throttle::new(limit));
        drop(replaced);
        self.flush_at_turn_end();
    }

    pub(crate) fn set_memory_budget(&self, budget: Option<&MemoryBudget>, unread: usize) {
        let member = self
            .token()
            .and_then(|token| Some(budget?.join(&self.ioloop, token)));
        let extras = self.extras();
        let replaced = extras.member.replace(member);
        drop(replaced);
        self.note_unread(unread);
        self.note_unsent(extras);
        self.reader.wake();
    }

    pub(crate) fn take_rare(&self) -> Option<Rare> {
        let extras = self.extras.get()?;
        let member = extras.member.take();
        Some(Rare {
            watermarks: extras.watermarks.get(),
            unsent_bytes_max: extras.unsent_bytes_max.get(),
            watch: extras.watch.take(),
            reading: extras.reading.take(),
            writing: extras.writing.take(),
            budget: member.as_ref().map(Member::budget),
        })
    }

    pub(crate) fn put_rare(self: &Rc<Self>, rare: Rare, unread: usize) {
        let extras = self.extras_with_alarm();
        extras.watermarks.set(rare.watermarks);
        extras.unsent_bytes_max.set(rare.unsent_bytes_max);
        extras.watch.replace(rare.watch);
        extras.reading.replace(rare.reading);
        extras.writing.replace(rare.writing);
        self.set_memory_budget(rare.budget.as_ref(), unread);
        self.set_alarm(extras);
    }

    fn extras(&self) -> &Extras {
        self.extras.get_or_init(Box::default)
    }

    /// With the alarm on the loop. A loop that is closed has none, and waits for nothing.
    fn extras_with_alarm(self: &Rc<Self>) -> &Extras {
        let extras = self.extras();
        if extras.alarm.get().is_none() && self.token().is_some() {
            let alarm = Rc::new(Alarm(Rc::downgrade(self)));
            if let Ok(token) = self
                .ioloop
                .register(alarm, None, squall_ioloop::Interest::Both)
            {
                let _ = extras.alarm.set(token);
            }
        }
        extras
    }
}

// ---- what the core asks and tells

impl Core {
    /// Whether the stream has asked for nothing of this.
    pub(crate) fn is_plain(&self) -> bool {
        self.extras.get().is_none()
    }

    pub(crate) fn watermarks(&self) -> Watermarks {
        let extras = self.extras.get();
        extras
            .map(|extras| extras.watermarks.get())
            .unwrap_or_default()
    }

    pub(crate) fn unsent_bytes_max(&self) -> usize {
        let extras = self.extras.get();
        extras.map_or(usize::MAX, |extras| extras.unsent_bytes_max.get())
    }

    /// Whether the stream's own rate or budget keeps it from reading. Then that will wake the
    /// reader, too.
    pub(crate) fn is_held_back(&self) -> bool {
        let Some(extras) = self.extras.get() else {
            return false;
        };
        if let Some(member) = &mut *extras.member.borrow_mut() {
            if !member.may_read() {
                return true;
            }
        }
        let now = self.ioloop.now();
        let allowed = extras.reading.borrow_mut().allowed(now, RECEIVE_BYTES);
        if let Err(ready_at) = allowed {
            self.alarm_by(extras, ready_at);
        }
        allowed.is_err()
    }

    /// How much one read may take.
    pub(crate) fn read_allowance(&self) -> usize {
        let Some(extras) = self.extras.get() else {
            return usize::MAX;
        };
        let member = extras.member.borrow();
        let share = member.as_ref().map_or(usize::MAX, Member::read_allowance);
        share.min(extras.reading.borrow().granted())
    }

    pub(crate) fn note_read(&self, count: usize) {
        let Some(extras) = self.extras.get() else {
            return;
        };
        extras.reading.borrow_mut().settle(count);
        if count > 0 {
            if let Some(watch) = &mut *extras.watch.borrow_mut() {
                watch.on_read(count, self.ioloop.now());
                self.forget(Interruption::Idle);
            }
        }
    }

    /// Something has come, and when it is read is our affair.
    pub(crate) fn note_arrival(&self) {
        if let Some(extras) = self.extras.get() {
            if let Some(watch) = &mut *extras.watch.borrow_mut() {
                watch.on_arrival(self.ioloop.now());
            }
        }
    }

    /// The reader waits, and not for anything of ours.
    pub(crate) fn note_wait_for_peer(&self) {
        let Some(extras) = self.extras.get() else {
            return;
        };
        if let Some(watch) = &mut *extras.watch.borrow_mut() {
            watch.on_wait(self.ioloop.now());
        }
        self.set_alarm(extras);
    }

    /// How much is now unread.
    pub(crate) fn note_unread(&self, unread: usize) {
        if let Some(extras) = self.extras.get() {
            if let Some(member) = &mut *extras.member.borrow_mut() {
                member.set_unread(unread);
            }
        }
    }

    /// How much may be sent now, of `wanted`; 0 when the rate has to be waited for.
    pub(crate) fn write_allowance(&self, wanted: usize) -> usize {
        let Some(extras) = self.extras.get() else {
            return usize::MAX;
        };
        let now = self.ioloop.now();
        let allowed = extras.writing.borrow_mut().allowed(now, wanted);
        allowed.unwrap_or_else(|ready_at| {
            self.alarm_by(extras, ready_at);
            0
        })
    }

    /// One write has taken so many bytes.
    pub(crate) fn settle_write(&self, count: usize) {
        if let Some(extras) = self.extras.get() {
            extras.writing.borrow_mut().settle(count);
        }
    }

    /// All that goes has gone, so many bytes.
    pub(crate) fn note_sent(&self, extras: &Extras, count: usize) {
        self.note_unsent(extras);
        if count > 0 {
            self.forget(Interruption::Idle);
        }
        let now = self.ioloop.now();
        if let Some(watch) = &mut *extras.watch.borrow_mut() {
            let ready_at = extras.writing.borrow().ready_at();
            let is_ours = ready_at.is_some_and(|at| at > now);
            watch.on_sent(count, self.unsent_len() > 0 && !is_ours, now);
        }
        self.set_alarm(extras);
    }

    /// What is unsent takes memory of a budget.
    pub(crate) fn note_unsent(&self, extras: &Extras) {
        if let Some(member) = &mut *extras.member.borrow_mut() {
            member.set_unsent(self.unsent_memory_len());
        }
    }

    /// For a stream that closes: its part of what it shared is for the others now.
    pub(crate) fn release_extras(&self) {
        let Some(extras) = self.extras.get() else {
            return;
        };
        drop(extras.member.take());
        drop(extras.reading.take());
        drop(extras.writing.take());
        extras.watch.replace(None);
        if let Some(token) = extras.alarm.get() {
            self.ioloop.deregister(*token, None);
        }
    }

    // ---- the alarm

    fn on_alarm(&self, extras: &Extras) {
        extras.alarm_at.set(None);
        let now = self.ioloop.now();
        let is_due = |throttle: &RefCell<Throttle>| {
            let ready_at = throttle.borrow().ready_at();
            ready_at.is_some_and(|at| at <= now)
        };
        if is_due(&extras.reading) {
            self.reader.wake();
        }
        if is_due(&extras.writing) {
            self.flush();
            self.wake_writers();
        }
        let look = || extras.watch.borrow_mut().as_mut()?.look(now);
        match look() {
            Some(Finding::Interrupt(interruption)) => self.interrupt(interruption),
            Some(Finding::Stalled(timeout)) => {
                let cut_off = CutOff::WriteStalled { timeout };
                return self.reset(StreamClosed::cut_off_by(cut_off));
            }
            None => {}
        }
        self.set_alarm(extras);
    }

    /// Sets the alarm for the earliest thing to look at.
    fn set_alarm(&self, extras: &Extras) {
        let now = self.ioloop.now();
        // A grant that is ready and not taken needs no timer.
        let waits = |throttle: &RefCell<Throttle>| {
            let ready_at = throttle.borrow().ready_at();
            ready_at.filter(|at| *at > now)
        };
        let look = extras.watch.borrow().as_ref().and_then(Watch::next_look);
        let times = [look, waits(&extras.reading), waits(&extras.writing)];
        if let Some(at) = times.into_iter().flatten().min() {
            self.alarm_by(extras, at);
        }
    }

    /// Moves the alarm if it would be later. One that is early finds out when it fires.
    fn alarm_by(&self, extras: &Extras, at: Instant) {
        let (Some(token), false) = (extras.alarm.get(), self.is_over()) else {
            return;
        };
        if extras.alarm_at.get().is_none_or(|set| at < set) {
            extras.alarm_at.set(Some(at));
            let after = at.saturating_duration_since(self.ioloop.now());
            self.ioloop.set_deadline(*token, Some(after));
        }
    }
}

/// The source that a stream's alarm tells: the stream's own deadline is the application's.
struct Alarm(Weak<Core>);

impl Source for Alarm {
    fn on_ready(&self, _: &Handle, ready: Ready) {
        if let (true, Some(core)) = (ready.contains(Ready::DEADLINE), self.0.upgrade()) {
            if let Some(extras) = core.extras.get() {
                core.on_alarm(extras);
            }
        }
    }
}
