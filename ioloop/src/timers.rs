//! Deadlines in one indexed 4-ary heap: exact, cancelled in O(log n) without garbage, first come
//! first served among equals.
//!
//! A deadline that is pushed forward costs one store: the heap keeps the *old* time as the key,
//! which is a lower bound, and only when that key comes to the top is the true time looked at and
//! the entry re-keyed. A connection that pushes its idle deadline forward ten thousand times a
//! second touches the heap once per period (`docs/decisions/002-lazy-deadlines.md`).

use std::task::Waker;

use crate::Token;
use crate::clock::{NEVER, Nanos};

/// Names a deadline, as [`Handle::call_later`](crate::Handle::call_later) returns it. It may be
/// given to [`Handle::remove_timeout`](crate::Handle::remove_timeout) at any time: after the
/// deadline has fired it is simply unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timeout {
    slot: u32,
    generation: u32,
}

/// What happens at a deadline that is not a source's.
pub(crate) enum Action {
    Call(Box<dyn FnOnce()>),
    Wake(Waker),
}

/// What a deadline that has passed asks for.
pub(crate) enum Fired {
    Act(Action),
    /// Tell the source [`Ready::DEADLINE`](crate::Ready::DEADLINE).
    Notify(Token),
}

#[derive(Default)]
pub(crate) struct Timers {
    heap: Vec<Entry>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// The deadlines of sources, one for each, by their slots in the table of sources: a stream's
    /// needs neither a slot of its own nor a name.
    sources: Vec<Lead>,
    /// Order of scheduling, to tell equals apart. Of 64 bits, because an entry that is pushed
    /// forward keeps its number: 32 wrap around within one long connection.
    sequence: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    /// Never later than the true deadline of its owner.
    key: Nanos,
    sequence: u64,
    owner: Owner,
}

impl Entry {
    fn is_before(&self, other: &Self) -> bool {
        (self.key, self.sequence) < (other.key, other.sequence)
    }
}

/// Whose deadline an entry of the heap is: a slot of one of the two tables.
#[derive(Clone, Copy)]
struct Owner(u32);

impl Owner {
    const IS_SOURCE: u32 = 1 << 31;

    fn of_slot(slot: u32) -> Self {
        Self(slot)
    }

    fn of_source(token: Token) -> Self {
        let slot = u32::try_from(token.slot()).unwrap_or(u32::MAX);
        assert!(slot < Self::IS_SOURCE, "fewer than 2^31 sources");
        Self(slot | Self::IS_SOURCE)
    }

    fn source(self) -> Option<usize> {
        let is_source = self.0 & Self::IS_SOURCE != 0;
        is_source.then_some((self.0 & !Self::IS_SOURCE) as usize)
    }
}

struct Slot {
    lead: Lead,
    action: Option<Action>,
}

/// A true deadline, and the way to its entry.
struct Lead {
    deadline: Nanos,
    /// Where the heap has its entry, or `UNQUEUED`.
    position: u32,
    /// Of the slot's owner.
    generation: u32,
}

impl Lead {
    const ASLEEP: Self = Self {
        deadline: NEVER,
        position: UNQUEUED,
        generation: 0,
    };
}

const UNQUEUED: u32 = u32::MAX;
const ARITY: usize = 4;

impl Timeout {
    /// Names nothing: for deadlines of a loop that is closed.
    pub(crate) const NONE: Self = Self {
        slot: u32::MAX,
        generation: 0,
    };
}

impl Timers {
    /// Adds a deadline. With `NEVER` it is known but asleep, until [`Self::set`].
    pub(crate) fn add(&mut self, deadline: Nanos, action: Action) -> Timeout {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                lead: Lead::ASLEEP,
                action: None,
            });
            let slot = u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX);
            assert!(slot < Owner::IS_SOURCE, "fewer than 2^31 timers");
            slot
        });
        let entry = &mut self.slots[slot as usize];
        entry.action = Some(action);
        let timeout = Timeout {
            slot,
            generation: entry.lead.generation,
        };
        self.set_lead(Owner::of_slot(slot), deadline);
        timeout
    }

    /// Moves a deadline. Forward is one store; backward re-keys.
    pub(crate) fn set(&mut self, timeout: Timeout, deadline: Nanos) {
        if self.knows(timeout) {
            self.set_lead(Owner::of_slot(timeout.slot), deadline);
        }
    }

    /// The waker of a deadline that wakes and has not fired.
    pub(crate) fn waker(&mut self, timeout: Timeout) -> Option<&mut Waker> {
        let slot = self.slots.get_mut(timeout.slot as usize)?;
        match &mut slot.action {
            Some(Action::Wake(waker)) if slot.lead.generation == timeout.generation => Some(waker),
            _ => None,
        }
    }

    fn knows(&self, timeout: Timeout) -> bool {
        self.slots
            .get(timeout.slot as usize)
            .is_some_and(|slot| slot.lead.generation == timeout.generation && slot.action.is_some())
    }

    pub(crate) fn remove(&mut self, timeout: Timeout) -> Option<Action> {
        if !self.knows(timeout) {
            return None;
        }
        let position = self.slots[timeout.slot as usize].lead.position;
        if position != UNQUEUED {
            self.remove_at(position as usize);
        }
        self.release(timeout.slot)
    }

    // ---- of sources

    /// Moves the deadline of a source that is on the loop.
    pub(crate) fn set_source(&mut self, token: Token, deadline: Nanos) {
        let slot = token.slot();
        if slot >= self.sources.len() {
            if deadline == NEVER {
                return;
            }
            self.sources.resize_with(slot + 1, || Lead::ASLEEP);
        }
        self.sources[slot].generation = token.generation();
        self.set_lead(Owner::of_source(token), deadline);
    }

    pub(crate) fn source_deadline(&self, token: Token) -> Nanos {
        match self.sources.get(token.slot()) {
            Some(lead) if lead.generation == token.generation() => lead.deadline,
            _ => NEVER,
        }
    }

    /// For a source that leaves the loop, so that the next owner of its slot begins with none.
    pub(crate) fn forget_source(&mut self, token: Token) {
        match self.sources.get_mut(token.slot()) {
            Some(lead) if lead.generation == token.generation() => {
                lead.deadline = NEVER;
                let position = lead.position;
                if position != UNQUEUED {
                    self.remove_at(position as usize);
                }
            }
            _ => {}
        }
    }

    // ---- what is due

    /// A lower bound of the next deadline: waking at it may find that it was pushed forward.
    pub(crate) fn next_deadline(&self) -> Option<Nanos> {
        self.heap.first().map(|entry| entry.key)
    }

    /// Where the present turn's timers end: what is added from now on waits for the next turn.
    pub(crate) fn turn_mark(&self) -> u64 {
        self.sequence
    }

    /// Takes one deadline that has passed and was set before `mark`. What was set since is not
    /// earlier than `now`, so it stands behind all others that are due.
    pub(crate) fn pop_due(&mut self, now: Nanos, mark: u64) -> Option<Fired> {
        loop {
            let top = *self.heap.first()?;
            if top.key > now || top.sequence >= mark {
                return None;
            }
            let deadline = self.lead(top.owner).deadline;
            // Even if both have passed: another entry may lie between the two.
            if deadline > top.key {
                self.rekey_top(deadline);
                continue;
            }
            self.remove_at(0);
            let fired = match top.owner.source() {
                Some(slot) => Some(Fired::Notify(self.pass(slot))),
                None => self.release(top.owner.0).map(Fired::Act),
            };
            if fired.is_some() {
                return fired;
            }
        }
    }

    /// A source's deadline stays, asleep.
    fn pass(&mut self, slot: usize) -> Token {
        let lead = &mut self.sources[slot];
        lead.deadline = NEVER;
        Token::new(slot, lead.generation)
    }

    /// Empties the heap, for a loop that closes.
    pub(crate) fn take_all(&mut self) -> Vec<Action> {
        self.heap.clear();
        self.sources.clear();
        let slots = u32::try_from(self.slots.len()).unwrap_or(UNQUEUED);
        (0..slots).filter_map(|slot| self.release(slot)).collect()
    }

    // ---- the heap

    fn lead(&mut self, owner: Owner) -> &mut Lead {
        match owner.source() {
            Some(slot) => &mut self.sources[slot],
            None => &mut self.slots[owner.0 as usize].lead,
        }
    }

    fn set_lead(&mut self, owner: Owner, deadline: Nanos) {
        let lead = self.lead(owner);
        lead.deadline = deadline;
        let position = lead.position as usize;
        if lead.position != UNQUEUED {
            if deadline < self.heap[position].key {
                self.heap[position].key = deadline;
                self.sift_up(position);
            }
        } else if deadline != NEVER {
            let sequence = self.sequence;
            self.sequence += 1;
            self.heap.push(Entry {
                key: deadline,
                sequence,
                owner,
            });
            self.sift_up(self.heap.len() - 1);
        }
    }

    /// The top's key was a lower bound only: give it the true one, or let it sleep.
    fn rekey_top(&mut self, deadline: Nanos) {
        if deadline == NEVER {
            self.remove_at(0);
        } else {
            self.heap[0].key = deadline;
            self.sift_down(0);
        }
    }

    fn release(&mut self, slot: u32) -> Option<Action> {
        let entry = &mut self.slots[slot as usize];
        let action = entry.action.take()?;
        entry.lead.generation = entry.lead.generation.wrapping_add(1);
        entry.lead.position = UNQUEUED;
        self.free.push(slot);
        Some(action)
    }

    fn remove_at(&mut self, position: usize) {
        let removed = self.heap.swap_remove(position);
        self.lead(removed.owner).position = UNQUEUED;
        if position < self.heap.len() {
            // The entry that moved here comes from the bottom, perhaps of another branch.
            self.sift_up(position);
            let moved = self.heap[position].owner;
            let position = self.lead(moved).position as usize;
            self.sift_down(position);
        }
    }

    fn sift_up(&mut self, mut position: usize) {
        let entry = self.heap[position];
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if !entry.is_before(&self.heap[parent]) {
                break;
            }
            self.place(position, self.heap[parent]);
            position = parent;
        }
        self.place(position, entry);
    }

    fn sift_down(&mut self, mut position: usize) {
        let entry = self.heap[position];
        loop {
            let first = position * ARITY + 1;
            let last = (first + ARITY).min(self.heap.len());
            let Some(child) = (first..last).reduce(|best, child| {
                if self.heap[child].is_before(&self.heap[best]) {
                    child
                } else {
                    best
                }
            }) else {
                break;
            };
            if !self.heap[child].is_before(&entry) {
                break;
            }
            self.place(position, self.heap[child]);
            position = child;
        }
        self.place(position, entry);
    }

    fn place(&mut self, position: usize, entry: Entry) {
        self.heap[position] = entry;
        self.lead(entry.owner).position = position as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    fn call(log: &Rc<RefCell<Vec<u32>>>, number: u32) -> Action {
        let log = log.clone();
        Action::Call(Box::new(move || log.borrow_mut().push(number)))
    }

    fn fire(timers: &mut Timers, now: Nanos) {
        let mark = timers.turn_mark();
        while let Some(fired) = timers.pop_due(now, mark) {
            if let Fired::Act(Action::Call(callback)) = fired {
                callback();
            }
        }
    }

    #[test]
    fn equal_deadlines_fire_in_the_order_in_which_they_were_set() {
        let log = Rc::default();
        let mut timers = Timers::default();
        for number in 0..100 {
            timers.add(u64::from(number % 3), call(&log, number));
        }
        fire(&mut timers, 10);
        let expected: Vec<u32> = (0..3)
            .flat_map(|rest| (0..100).filter(move |number| number % 3 == rest))
            .collect();
        assert_eq!(*log.borrow(), expected);
    }

    #[test]
    fn a_deadline_that_is_pushed_forward_fires_once_at_its_last_time() {
        let log = Rc::default();
        let mut timers = Timers::default();
        let timeout = timers.add(10, call(&log, 1));
        for now in 1..50 {
            timers.set(timeout, now + 10);
            fire(&mut timers, now);
        }
        assert!(log.borrow().is_empty());
        fire(&mut timers, 58);
        assert!(log.borrow().is_empty());
        fire(&mut timers, 59);
        assert_eq!(*log.borrow(), [1]);
        assert!(!timers.knows(timeout));
    }

    #[test]
    fn an_old_deadline_is_due_however_many_were_added_since() {
        let log = Rc::default();
        let mut timers = Timers::default();
        let timeout = timers.add(10, call(&log, 1));
        timers.set(timeout, 20);
        for sequence in [1 << 31, 1 << 32, 1 << 33] {
            timers.sequence = sequence;
            timers.add(15, call(&log, 2));
        }
        fire(&mut timers, 20);
        assert_eq!(*log.borrow(), [2, 2, 2, 1]);
    }

    #[test]
    fn a_deadline_can_be_pulled_back() {
        let log = Rc::default();
        let mut timers = Timers::default();
        let timeout = timers.add(100, call(&log, 1));
        timers.add(50, call(&log, 2));
        timers.set(timeout, 20);
        assert_eq!(timers.next_deadline(), Some(20));
        fire(&mut timers, 20);
        assert_eq!(*log.borrow(), [1]);
    }

    #[test]
    fn what_is_cancelled_leaves_nothing_behind() {
        let mut timers = Timers::default();
        let timeouts: Vec<_> = (0..10_000)
            .map(|n| timers.add(n * 7919 % 10_007, Action::Call(Box::new(|| {}))))
            .collect();
        for timeout in &timeouts {
            assert!(timers.remove(*timeout).is_some());
            assert!(timers.remove(*timeout).is_none());
        }
        assert_eq!(timers.heap.len(), 0);
        assert_eq!(timers.free.len(), timers.slots.len());
        assert_eq!(timers.next_deadline(), None);
    }

    #[test]
    fn what_a_deadline_costs() {
        assert_eq!(size_of::<Entry>(), 24);
        assert_eq!(size_of::<Lead>(), 16, "of a source, beside its entry");
        assert_eq!(size_of::<Slot>(), 40);
    }

    #[test]
    fn the_next_owner_of_a_sources_slot_begins_without_a_deadline() {
        let mut timers = Timers::default();
        let (first, second) = (Token::new(3, 0), Token::new(3, 1));
        timers.set_source(first, 10);
        timers.forget_source(first);
        assert_eq!(timers.next_deadline(), None);
        timers.set_source(second, 20);
        timers.forget_source(first);
        let fired = timers.pop_due(20, timers.turn_mark());
        assert!(matches!(fired, Some(Fired::Notify(token)) if token == second));
        assert!(timers.pop_due(u64::MAX - 1, u64::MAX).is_none());
    }

    /// The naive twin: a sorted list.
    #[test]
    fn random_operations_agree_with_a_sorted_list() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        let log: Rc<RefCell<Vec<u32>>> = Rc::default();
        let mut timers = Timers::default();
        let mut twin: Vec<(Nanos, u32, Timeout)> = Vec::new();
        let mut expected = Vec::new();
        let mut now = 0;
        for number in 0..20_000 {
            match random(4) {
                0 | 1 => {
                    // Distinct deadlines: the order among equals has its own test.
                    let deadline = (now + 1 + random(500)) * 100_000 + u64::from(number);
                    twin.push((deadline, number, timers.add(deadline, call(&log, number))));
                }
                2 if !twin.is_empty() => {
                    let index = random(twin.len() as u64) as usize;
                    if random(2) == 0 {
                        let (_, _, timeout) = twin.swap_remove(index);
                        assert!(timers.remove(timeout).is_some());
                    } else {
                        let deadline = (now + 1 + random(500)) * 100_000 + u64::from(twin[index].1);
                        twin[index].0 = deadline;
                        timers.set(twin[index].2, deadline);
                    }
                }
                _ => {
                    now += random(20);
                    twin.sort_unstable_by_key(|entry| entry.0);
                    let due = twin
                        .iter()
                        .take_while(|entry| entry.0 <= now * 100_000)
                        .count();
                    expected.extend(twin.drain(..due).map(|entry| entry.1));
                    fire(&mut timers, now * 100_000);
                    assert_eq!(*log.borrow(), expected);
                }
            }
        }
        assert!(expected.len() > 1_000);
    }
}
