//! Tasks: `!Send` futures, polled when woken.
//!
//! A waker is a number (`wakers.rs`). On the loop's own thread it puts the task onto the ready
//! queue; from elsewhere it posts through [`Shared`](crate::remote::Shared). A task is taken out of
//! its slot while it is polled, so it may spawn, wake or abort anything, itself included.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::wakers::WakeKey;
use crate::{Exception, Handle, Origin, exception};

pub(crate) type BoxedFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Names a task: a slot and its generation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskKey {
    slot: u32,
    generation: u32,
}

impl TaskKey {
    /// Names nothing: for tasks of a loop that is closed.
    const NONE: Self = Self {
        slot: u32::MAX,
        generation: 0,
    };
}

impl fmt::Debug for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.slot)
    }
}

/// Slots with generations, as for the sources.
#[derive(Default)]
pub(crate) struct Tasks {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

struct Slot {
    generation: u32,
    /// Whether the task is in the ready queue.
    is_queued: bool,
    /// `None` in a slot that is free, and while the task is polled: then it is on the stack of
    /// [`run`].
    future: Option<BoxedFuture>,
}

impl Tasks {
    fn insert(&mut self, future: BoxedFuture) -> TaskKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                is_queued: false,
                future: None,
            });
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 tasks")
        });
        let entry = &mut self.slots[slot as usize];
        entry.is_queued = true;
        entry.future = Some(future);
        TaskKey {
            slot,
            generation: entry.generation,
        }
    }

    /// The task that is meant, if it has still to be put into the ready queue.
    fn queue(&mut self, key: WakeKey) -> Option<TaskKey> {
        let slot = self.slots.get_mut(key.slot() as usize)?;
        let is_new = key.is_of(slot.generation) && !slot.is_queued;
        slot.is_queued |= is_new;
        is_new.then_some(TaskKey {
            slot: key.slot(),
            generation: slot.generation,
        })
    }

    /// Takes a task off the ready queue and out of its slot, to be polled.
    fn take(&mut self, key: TaskKey) -> Option<BoxedFuture> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        // Lowered before the poll: a wake during it must queue the task again.
        slot.is_queued = false;
        slot.future.take()
    }

    /// Back into the slot, unless the task was aborted while it ran: then it is handed back, to be
    /// dropped when nothing is borrowed.
    fn put_back(&mut self, key: TaskKey, future: BoxedFuture) -> Option<BoxedFuture> {
        let slot = &mut self.slots[key.slot as usize];
        if slot.generation != key.generation {
            return Some(future);
        }
        slot.future = Some(future);
        None
    }

    /// Ends a task. What waited in the slot is handed out, to be dropped when nothing is borrowed.
    fn remove(&mut self, key: TaskKey) -> Option<BoxedFuture> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.slot);
        slot.future.take()
    }

    /// Empties the table, for a loop that closes.
    pub(crate) fn take_all(&mut self) -> Vec<BoxedFuture> {
        let slots = self.slots.iter().enumerate();
        let keys: Vec<_> = slots
            .filter(|(_, slot)| slot.future.is_some())
            .map(|(slot, entry)| TaskKey {
                slot: slot as u32,
                generation: entry.generation,
            })
            .collect();
        keys.into_iter()
            .filter_map(|key| self.remove(key))
            .collect()
    }
}

/// Puts a future on the loop, to be polled first in the next step for tasks. A closed loop drops
/// it: nothing else ever would.
pub(crate) fn spawn_boxed(handle: &Handle, future: BoxedFuture) -> TaskKey {
    if handle.warn_if_closed("task") {
        handle.drop_guarded(Origin::Task, Some(future));
        return TaskKey::NONE;
    }
    let inner = handle.inner();
    let key = inner.tasks.borrow_mut().insert(future);
    inner.ready_tasks.borrow_mut().push_back(key);
    key
}

/// Ends a task that waits: its future is dropped now. One that runs ends when it next waits.
pub(crate) fn abort(handle: &Handle, key: TaskKey) {
    let aborted = handle.inner().tasks.borrow_mut().remove(key);
    handle.drop_guarded(Origin::Task, aborted);
}

/// Puts a task into the ready queue, unless it is there or over.
pub(crate) fn wake(handle: &Handle, key: WakeKey) {
    let inner = handle.inner();
    let queued = inner.tasks.borrow_mut().queue(key);
    if let Some(key) = queued {
        inner.ready_tasks.borrow_mut().push_back(key);
    }
}

/// Polls one task.
pub(crate) fn run(handle: &Handle, key: TaskKey) {
    let inner = handle.inner();
    let taken = inner.tasks.borrow_mut().take(key);
    let Some(mut future) = taken else { return };
    let wake_key = WakeKey::new(inner.shared.number(), key.slot, key.generation);
    let poll = || {
        let waker = wake_key.waker();
        future.as_mut().poll(&mut Context::from_waker(&waker))
    };
    let polled = exception::catch(poll);
    let over = if let Ok(Poll::Pending) = polled {
        inner.tasks.borrow_mut().put_back(key, future)
    } else {
        inner.tasks.borrow_mut().remove(key);
        Some(future)
    };
    if let Err(payload) = polled {
        let origin = Origin::Task;
        handle.report(Exception { origin, payload });
    }
    handle.drop_guarded(Origin::Task, over);
}

/// Lets everything else of this turn, and the next turn's descriptors, go first.
pub async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|cx| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_task_costs_beside_its_future() {
        assert_eq!(size_of::<Slot>(), 24);
    }
}
