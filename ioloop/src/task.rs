//! Tasks: `!Send` futures, polled when woken.
//!
//! A waker is an ordinary `Arc`, without unsafe code. On the loop's own thread it pushes onto the
//! ready queue; from elsewhere it posts through [`Shared`]. A task is taken out of its slot while
//! it is polled, so it may spawn, wake or abort anything, itself included.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::remote::{Post, Shared};
use crate::{Exception, Handle, Origin, current, exception};

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
    state: State,
}

enum State {
    Free,
    /// Being polled: the task is on the stack of [`run`].
    Running,
    Waiting(Task),
}

struct Task {
    future: BoxedFuture,
    waker: Waker,
    /// The same as `waker`, with its type: to lower the flag.
    flag: Arc<TaskWaker>,
}

impl Tasks {
    fn insert(&mut self, make: impl FnOnce(TaskKey) -> Task) -> TaskKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                state: State::Free,
            });
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 tasks")
        });
        let entry = &mut self.slots[slot as usize];
        let key = TaskKey {
            slot,
            generation: entry.generation,
        };
        entry.state = State::Waiting(make(key));
        key
    }

    fn take(&mut self, key: TaskKey) -> Option<Task> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation != key.generation || !matches!(slot.state, State::Waiting(_)) {
            return None;
        }
        match std::mem::replace(&mut slot.state, State::Running) {
            State::Waiting(task) => Some(task),
            State::Free | State::Running => None,
        }
    }

    /// Back into the slot, unless the task was aborted while it ran: then it is handed back, to be
    /// dropped when nothing is borrowed.
    fn put_back(&mut self, key: TaskKey, task: Task) -> Option<Task> {
        let slot = &mut self.slots[key.slot as usize];
        if slot.generation != key.generation {
            return Some(task);
        }
        slot.state = State::Waiting(task);
        None
    }

    /// Ends a task. What waited in the slot is handed out, to be dropped when nothing is borrowed.
    fn remove(&mut self, key: TaskKey) -> Option<Task> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.slot);
        match std::mem::replace(&mut slot.state, State::Free) {
            State::Waiting(task) => Some(task),
            State::Running | State::Free => None,
        }
    }

    /// Empties the table, for a loop that closes.
    pub(crate) fn take_all(&mut self) -> Vec<BoxedFuture> {
        let is_taken = |slot: &Slot| !matches!(slot.state, State::Free);
        let key = |(slot, entry): (usize, &Slot)| TaskKey {
            slot: slot as u32,
            generation: entry.generation,
        };
        let keys: Vec<_> = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| is_taken(slot))
            .map(key)
            .collect();
        keys.into_iter()
            .filter_map(|key| self.remove(key))
            .map(|task| task.future)
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
    let key = inner.tasks.borrow_mut().insert(|key| {
        let flag = Arc::new(TaskWaker {
            key,
            is_queued: AtomicBool::new(true),
            shared: inner.shared.clone(),
        });
        Task {
            future,
            waker: Waker::from(flag.clone()),
            flag,
        }
    });
    inner.ready_tasks.borrow_mut().push_back(key);
    key
}

/// Ends a task that waits: its future is dropped now. One that runs ends when it next waits.
pub(crate) fn abort(handle: &Handle, key: TaskKey) {
    let aborted = handle.inner().tasks.borrow_mut().remove(key);
    handle.drop_guarded(Origin::Task, aborted);
}

/// Polls one task.
pub(crate) fn run(handle: &Handle, key: TaskKey) {
    let inner = handle.inner();
    let taken = inner.tasks.borrow_mut().take(key);
    let Some(mut task) = taken else { return };
    // Lowered before the poll: a wake during it must queue the task again. A swap and not a store:
    // a waker that found the flag raised went away, relying on this poll to see what it had
    // stored before, and only a read of its swap gives that (a store may even be overtaken by the
    // loads of the poll).
    task.flag.is_queued.swap(false, Ordering::AcqRel);
    let poll = || {
        task.future
            .as_mut()
            .poll(&mut Context::from_waker(&task.waker))
    };
    let polled = exception::catch(poll);
    let over = if let Ok(Poll::Pending) = polled {
        inner.tasks.borrow_mut().put_back(key, task)
    } else {
        inner.tasks.borrow_mut().remove(key);
        Some(task)
    };
    if let Err(payload) = polled {
        let origin = Origin::Task;
        handle.report(Exception { origin, payload });
    }
    handle.drop_guarded(Origin::Task, over);
}

struct TaskWaker {
    key: TaskKey,
    /// Whether the task is in the ready queue, or on its way there.
    is_queued: AtomicBool,
    shared: Arc<Shared>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let is_local = current::with_current(|handle| {
            let is_ours = Arc::ptr_eq(&handle.inner().shared, &self.shared);
            if is_ours {
                handle.inner().ready_tasks.borrow_mut().push_back(self.key);
            }
            is_ours
        });
        if is_local != Some(true) {
            // A loop that is closed has no tasks left to wake.
            let _ = self.shared.post(Post::Wake(self.key));
        }
    }
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
