//! One loop per thread: workers that share nothing.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::{Executor, IoLoop, Remote};

/// Runs `setup` on each of `count` threads, with a loop of its own and the worker's number, then
/// turns the loops until each is stopped. What `setup` returns is kept until its loop ends. The
/// calling thread is worker 0, so a count of one starts no thread; zero counts as the number of
/// processors (Tornado's `fork_processes` has the same rule).
///
/// The loops share one [`Executor`]: however many there are, the threads for calls that block are
/// those of one process.
///
/// A worker whose setup fails, or whose loop fails, stops all others.
///
/// ```
/// use squall_ioloop::run_on_threads;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// let started = AtomicUsize::new(0);
/// run_on_threads(2, |ioloop, _worker| {
///     started.fetch_add(1, Ordering::Relaxed);
///     ioloop.stop();
///     Ok(())
/// })?;
/// assert_eq!(started.into_inner(), 2);
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// The first failure of a setup or of a loop.
///
/// # Panics
/// When a setup panics; the other workers are stopped first.
pub fn run_on_threads<T>(
    count: usize,
    setup: impl Fn(&IoLoop, usize) -> io::Result<T> + Sync,
) -> io::Result<()> {
    let count = if count == 0 { processors() } else { count };
    let crew = Crew::default();
    thread::scope(|scope| {
        let work = |worker| crew.work(worker, &setup);
        let others: io::Result<Vec<_>> = (1..count)
            .map(|worker| {
                let builder = thread::Builder::new().name(format!("squall-worker-{worker}"));
                builder.spawn_scoped(scope, move || work(worker))
            })
            .collect();
        let mut result = match &others {
            Ok(_) => work(0),
            Err(_) => Ok(()),
        };
        match others {
            Ok(threads) => {
                for thread in threads {
                    let ended = thread
                        .join()
                        .unwrap_or_else(|payload| std::panic::resume_unwind(payload));
                    result = result.and(ended);
                }
            }
            Err(error) => {
                crew.stop();
                result = Err(error);
            }
        }
        result
    })
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Who works, so that all can be stopped.
#[derive(Default)]
struct Crew {
    roll: Mutex<Roll>,
    executor: Executor,
}

#[derive(Default)]
struct Roll {
    remotes: Vec<Remote>,
    is_stopped: bool,
}

impl Crew {
    fn work<T>(
        &self,
        worker: usize,
        setup: &(impl Fn(&IoLoop, usize) -> io::Result<T> + Sync),
    ) -> io::Result<()> {
        // Also when `setup` panics: the others must not run on while nobody can join them.
        let on_failure = StopOnDrop {
            crew: self,
            is_armed: true,
        };
        let ioloop = IoLoop::builder().executor(&self.executor).build()?;
        if !self.enrol(ioloop.remote()) {
            return Ok(());
        }
        let kept = setup(&ioloop, worker)?;
        ioloop.run()?;
        drop(kept);
        on_failure.disarm();
        Ok(())
    }

    /// `false` when the crew was stopped before this one came.
    fn enrol(&self, remote: Remote) -> bool {
        let mut roll = self.roll.lock().unwrap_or_else(PoisonError::into_inner);
        roll.remotes.push(remote);
        !roll.is_stopped
    }

    fn stop(&self) {
        let mut roll = self.roll.lock().unwrap_or_else(PoisonError::into_inner);
        roll.is_stopped = true;
        for remote in roll.remotes.drain(..) {
            // One that has ended by itself needs no stop.
            let _ = remote.add_callback(|ioloop| ioloop.stop());
        }
    }
}

struct StopOnDrop<'a> {
    crew: &'a Crew,
    is_armed: bool,
}

impl StopOnDrop<'_> {
    fn disarm(mut self) {
        self.is_armed = false;
    }
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if self.is_armed {
            self.crew.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_worker_that_fails_stops_the_others() {
        let started = AtomicUsize::new(0);
        let result = run_on_threads(4, |_, worker| {
            started.fetch_add(1, Ordering::Relaxed);
            if worker == 3 {
                Err(io::Error::other("no"))
            } else {
                Ok(())
            }
        });
        assert_eq!(result.unwrap_err().to_string(), "no");
        assert!(started.into_inner() >= 1);
    }

    #[test]
    fn a_setup_that_panics_stops_the_others_and_is_heard_of() {
        let result = std::panic::catch_unwind(|| {
            run_on_threads(3, |_, worker| {
                assert!(worker != 1, "worker one");
                Ok(())
            })
        });
        assert!(result.is_err());
    }
}
