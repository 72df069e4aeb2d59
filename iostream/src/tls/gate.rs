//! How many handshakes may compute in one turn of a loop. The rest wait in line.
//!
//! They are bulk work of the loop: steps run at the end of a turn that had little else to do, so
//! that established peers are looked at before each, and every ninth turn at the latest.
//!
//! A server's first step is the dear one: it agrees on keys and signs, a tenth of a millisecond.
//! Those that follow mostly check a sum. So there are two gates, a narrow one for the first step
//! and a wider one for the others; a client that makes a later one dear (by a second hello, or a
//! certificate) finds that one limited, too.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use squall_ioloop::Handle;

/// The gates of one loop, which all its acceptors share.
#[derive(Default)]
pub(super) struct Gates {
    first_steps: Gate,
    later_steps: Gate,
    is_called: Cell<bool>,
}

/// How many later steps a turn has room for where it has room for one handshake.
const LATER_STEPS: usize = 4;

impl Gates {
    pub(super) fn of(ioloop: &Handle) -> Rc<Self> {
        ioloop.local(Self::default)
    }

    /// Waits for the turn of a handshake's step: the `index`th, counted from 0.
    pub(super) async fn enter(
        self: &Rc<Self>,
        ioloop: &Handle,
        index: usize,
        handshakes_max: usize,
    ) {
        let mut waiting = None;
        poll_fn(|cx| {
            let waiting = waiting.get_or_insert_with(|| {
                self.call_when_quiet(ioloop);
                match index {
                    0 => self.first_steps.line_up(handshakes_max),
                    _ => {
                        let steps_max = handshakes_max.saturating_mul(LATER_STEPS);
                        self.later_steps.line_up(steps_max)
                    }
                }
            });
            if waiting.is_admitted.get() {
                return Poll::Ready(());
            }
            waiting.waker.borrow_mut().clone_from(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Tasks that a piece of bulk work wakes run behind it, so that who is called enters at once.
    fn call_when_quiet(self: &Rc<Self>, ioloop: &Handle) {
        if self.is_called.replace(true) {
            return;
        }
        let (gates, handle) = (self.clone(), ioloop.clone());
        ioloop.add_bulk_callback(move || {
            gates.is_called.set(false);
            // What has begun is to end before more begins.
            let is_left = gates.later_steps.call() | gates.first_steps.call();
            if is_left {
                gates.call_when_quiet(&handle);
            }
        });
    }
}

#[derive(Default)]
struct Gate {
    /// First come, first served. Those that have given up are skipped.
    line: RefCell<VecDeque<Weak<Waiting>>>,
}

struct Waiting {
    steps_max: usize,
    is_admitted: Cell<bool>,
    waker: RefCell<Waker>,
}

impl Gate {
    /// Lines up for a turn in which less than `steps_max` have entered.
    fn line_up(&self, steps_max: usize) -> Rc<Waiting> {
        let waiting = Rc::new(Waiting {
            steps_max,
            is_admitted: Cell::new(false),
            waker: RefCell::new(Waker::noop().clone()),
        });
        self.line.borrow_mut().push_back(Rc::downgrade(&waiting));
        waiting
    }

    /// Calls those whose turn it is. Whether others are left.
    fn call(&self) -> bool {
        let mut entered = 0;
        while let Some(next) = self.first_in_line() {
            if entered >= next.steps_max {
                return true;
            }
            self.line.borrow_mut().pop_front();
            entered += 1;
            next.is_admitted.set(true);
            let waker = next.waker.replace(Waker::noop().clone());
            waker.wake();
        }
        false
    }

    fn first_in_line(&self) -> Option<Rc<Waiting>> {
        let mut line = self.line.borrow_mut();
        while let Some(first) = line.front() {
            if let Some(first) = first.upgrade() {
                return Some(first);
            }
            line.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_ioloop::IoLoop;
    use std::time::Duration;

    /// Who entered in which turn, when `count` ask for it in one.
    fn turns(count: usize, steps_max: usize, giving_up: &[usize]) -> Vec<(usize, u64)> {
        let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
        let entered = Rc::new(RefCell::new(Vec::new()));
        let mut tasks = Vec::new();
        for at in 0..count {
            let (entered, handle) = (entered.clone(), ioloop.handle().clone());
            tasks.push(ioloop.spawn(async move {
                let gates = Gates::of(&handle);
                gates.enter(&handle, 0, steps_max).await;
                entered.borrow_mut().push((at, handle.turn_count()));
            }));
        }
        ioloop.run_once(Some(Duration::ZERO)).unwrap();
        for at in giving_up {
            tasks[*at].abort();
        }
        for _ in 0..count + 2 {
            ioloop.run_once(Some(Duration::ZERO)).unwrap();
        }
        entered.take()
    }

    #[test]
    fn no_turn_admits_more_than_the_bound_and_all_enter_in_the_order_in_which_they_came() {
        for (count, steps_max) in [(1, 1), (10, 1), (10, 3), (100, 4)] {
            let entered = turns(count, steps_max, &[]);
            let first = entered[0].1;
            for (at, (who, turn)) in entered.iter().enumerate() {
                assert_eq!((*who, *turn - first), (at, (at / steps_max) as u64));
            }
            assert_eq!(entered.len(), count);
        }
    }

    #[test]
    fn who_gives_up_costs_nobody_a_turn() {
        let entered = turns(10, 2, &[2, 3, 4, 7]);
        let first = entered[0].1;
        let order: Vec<_> = entered
            .iter()
            .map(|(who, turn)| (*who, turn - first))
            .collect();
        assert_eq!(order, [(0, 0), (1, 0), (5, 1), (6, 1), (8, 2), (9, 2)]);
    }
}
