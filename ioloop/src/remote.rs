//! The only part of a loop that other threads may touch: a queue and a doorbell; and, for virtual
//! time, a count of those whose work it waits for.
//!
//! A wake costs at most one write and never a read. The loop says when it goes to sleep, and only
//! a sleeping loop is rung; a thousand posts to a busy loop cost no system call at all.
//!
//! ```text
//!            poster: AWAKE|NOTIFIED -> NOTIFIED        no system call
//!            poster: ASLEEP         -> NOTIFIED        one write
//!   loop before it sleeps: AWAKE -> ASLEEP, or NOTIFIED: do not sleep
//!   loop after it slept:   any   -> AWAKE, and takes the queue if it was NOTIFIED
//! ```
//!
//! A loop that nobody has turned yet is asleep: its host may be watching the descriptor.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::wakers::WakeKey;
use crate::{Closed, Handle};

/// Posts to a loop from any thread.
///
/// ```
/// use squall_ioloop::IoLoop;
///
/// let ioloop = IoLoop::new()?;
/// let remote = ioloop.remote();
/// let handle = std::thread::spawn(move || {
///     remote.add_callback(|ioloop| ioloop.stop()).expect("the loop is there");
/// });
/// ioloop.run()?; // until the other thread stops it
/// # handle.join().unwrap();
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Remote {
    shared: Arc<Shared>,
}

impl Remote {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Runs `callback` on the loop, in a later turn, in the order of posting. Tornado's
    /// `add_callback`, as other threads may use it. The queue has no bound of its own.
    ///
    /// # Errors
    /// [`Closed`] when the loop was dropped; Tornado drops the callback silently there.
    pub fn add_callback(
        &self,
        callback: impl FnOnce(&Handle) + Send + 'static,
    ) -> Result<(), Closed> {
        self.shared.post(Post::Call(Box::new(callback)))
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

pub(crate) enum Post {
    Call(Box<dyn FnOnce(&Handle) + Send>),
    Wake(WakeKey),
}

pub(crate) struct Shared {
    /// The loop's, by which wakers find it.
    number: u16,
    state: AtomicU8,
    queue: Mutex<Queue>,
    bell: mio::Waker,
    /// How many hold virtual time: see [`HoldTime`].
    holders: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    posts: Vec<Post>,
    /// How many of the posts are wakes, and at how many those that say the same are thrown away.
    wakes: usize,
    wakes_max: usize,
    is_closed: bool,
}

/// A task that is woken again and again by another thread is in the queue more than once, but the
/// queue stays within this, or twice the number of tasks that are woken.
const WAKES_MAX: usize = 1024;

impl Queue {
    fn push(&mut self, post: Post) {
        if let Post::Wake(key) = post {
            if matches!(self.posts.last(), Some(Post::Wake(last)) if *last == key) {
                return;
            }
            self.wakes += 1;
            if self.wakes > self.wakes_max.max(WAKES_MAX) {
                self.forget_repeated_wakes();
            }
        }
        self.posts.push(post);
    }

    /// Each time there are twice as many, so that a post stays cheap.
    fn forget_repeated_wakes(&mut self) {
        let mut known = HashSet::new();
        self.posts.retain(|post| match post {
            Post::Wake(key) => known.insert(*key),
            Post::Call(_) => true,
        });
        self.wakes = known.len();
        self.wakes_max = 2 * known.len();
    }

    fn take_into(&mut self, posts: &mut Vec<Post>) {
        posts.append(&mut self.posts);
        self.wakes = 0;
        self.wakes_max = 0;
    }
}

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const NOTIFIED: u8 = 2;

impl Shared {
    pub(crate) fn new(number: u16, bell: mio::Waker) -> Self {
        Self {
            number,
            state: AtomicU8::new(ASLEEP),
            queue: Mutex::default(),
            bell,
            holders: AtomicUsize::new(0),
        }
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn post(&self, post: Post) -> Result<(), Closed> {
        {
            let mut queue = self.queue();
            if queue.is_closed {
                return Err(Closed);
            }
            queue.push(post);
        }
        self.notify();
        Ok(())
    }

    /// Rings if the loop sleeps; otherwise leaves word.
    pub(crate) fn notify(&self) {
        if self.state.swap(NOTIFIED, Ordering::SeqCst) == ASLEEP {
            // A full eventfd counter still wakes; any other failure means that the loop is gone.
            let _ = self.bell.wake();
        }
    }

    /// Whether the loop may block now. From here on a post rings the bell.
    pub(crate) fn fall_asleep(&self) -> bool {
        let state = self
            .state
            .compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst);
        state != Err(NOTIFIED)
    }

    /// Whether something was posted since the loop last looked.
    pub(crate) fn has_mail(&self) -> bool {
        self.state.load(Ordering::Relaxed) == NOTIFIED
    }

    /// Back from the poll: takes what was posted meanwhile into `posts`.
    pub(crate) fn wake_up(&self, posts: &mut Vec<Post>) {
        // Posts come before their notice, so without a notice there is nothing to look for, and
        // a busy loop takes neither the lock nor the cache line.
        if self.state.load(Ordering::Relaxed) == AWAKE {
            return;
        }
        if self.state.swap(AWAKE, Ordering::SeqCst) == NOTIFIED {
            self.queue().take_into(posts);
        }
    }

    /// Whether something of ours is under way on another thread that virtual time waits for.
    pub(crate) fn is_time_held(&self) -> bool {
        self.holders.load(Ordering::Acquire) > 0
    }

    /// Refuses posts from now on, and hands out those that wait.
    pub(crate) fn close(&self) -> Vec<Post> {
        let mut queue = self.queue();
        queue.is_closed = true;
        std::mem::take(&mut queue.posts)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code of others runs under the lock, so a poisoned queue is a whole queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a virtual clock from jumping to the next deadline while another thread works for the loop:
/// in virtual time, work takes none.
pub(crate) struct HoldTime(Arc<Shared>);

impl HoldTime {
    /// `None` on a real clock, which nobody can hold.
    pub(crate) fn of(ioloop: &Handle) -> Option<Self> {
        let inner = ioloop.inner();
        inner.clock.is_virtual().then(|| {
            inner.shared.holders.fetch_add(1, Ordering::AcqRel);
            Self(inner.shared.clone())
        })
    }
}

impl Drop for HoldTime {
    fn drop(&mut self) {
        self.0.holders.fetch_sub(1, Ordering::AcqRel);
        // The loop may be waiting for this and for nothing else.
        self.0.notify();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_send_sync<T: Send + Sync>() {}

    #[test]
    fn the_remote_handle_crosses_threads() {
        assert_send_sync::<Remote>();
    }

    #[test]
    fn wakes_that_say_the_same_do_not_fill_the_queue() {
        for tasks in [1, 2, 100, 5_000] {
            let mut queue = Queue::default();
            let mut longest = 0;
            for wake in 0..100_000 {
                queue.push(Post::Wake(WakeKey::new(0, wake % tasks, 0)));
                longest = longest.max(queue.posts.len());
            }
            assert!(
                longest <= (2 * tasks as usize).max(WAKES_MAX) + 1,
                "{longest}"
            );
            let mut slots: Vec<_> = std::mem::take(&mut queue.posts)
                .into_iter()
                .map(|post| match post {
                    Post::Wake(key) => key.slot(),
                    Post::Call(_) => unreachable!("only wakes were posted"),
                })
                .collect();
            slots.sort_unstable();
            slots.dedup();
            assert_eq!(slots.len(), tasks as usize, "no task is forgotten");
        }
    }
}
