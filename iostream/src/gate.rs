//! A maximum of open connections, and the listeners that wait until there are fewer.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use squall_ioloop::{Handle, Ready, Token};

/// Counts what is open. A listener that finds it full queues, and is called, first come first
/// served, when there is room. The place that it is called for is kept for it: else a listener
/// with many new connections, which hears of them before all that is called, would always be there
/// first.
#[derive(Default)]
pub(crate) struct Gate {
    connections_max: Cell<Option<usize>>,
    open: Cell<usize>,
    queue: RefCell<VecDeque<Token>>,
    /// Who was called and has not come yet.
    called: Cell<Option<Token>>,
}

impl Gate {
    pub(crate) fn new(connections_max: Option<usize>) -> Rc<Self> {
        Rc::new(Self {
            connections_max: Cell::new(connections_max),
            ..Self::default()
        })
    }

    pub(crate) fn of_loop(ioloop: &Handle) -> Rc<Self> {
        ioloop.local(|| OfLoop(Self::new(None))).0.clone()
    }

    pub(crate) fn open(&self) -> usize {
        self.open.get()
    }

    pub(crate) fn has_room(&self) -> bool {
        let kept = usize::from(self.called.get().is_some());
        self.connections_max
            .get()
            .is_none_or(|max| self.open.get() + kept < max)
    }

    /// Says that a listener has come, in case it was called.
    pub(crate) fn answer(&self, token: Token) {
        if self.called.get() == Some(token) {
            self.called.set(None);
        }
    }

    pub(crate) fn enter(&self) {
        self.open.set(self.open.get() + 1);
    }

    pub(crate) fn leave(&self, ioloop: &Handle) {
        self.open.set(self.open.get() - 1);
        self.call_next(ioloop);
    }

    pub(crate) fn set_max(&self, ioloop: &Handle, connections_max: Option<usize>) {
        self.connections_max.set(connections_max);
        self.call_next(ioloop);
    }

    pub(crate) fn queue(&self, token: Token) {
        let mut queue = self.queue.borrow_mut();
        if !queue.contains(&token) {
            queue.push_back(token);
        }
    }

    pub(crate) fn leave_queue(&self, token: Token) {
        self.answer(token);
        self.queue.borrow_mut().retain(|known| *known != token);
    }

    /// Calls the first of the queue if there is room. Whoever has come and leaves room has to call
    /// the next: it may have had nobody waiting, or have taken one place where two were free.
    pub(crate) fn call_next(&self, ioloop: &Handle) {
        if self.called.get().is_some() || !self.has_room() {
            return;
        }
        let next = self.queue.borrow_mut().pop_front();
        if let Some(token) = next {
            self.called.set(Some(token));
            ioloop.ready_again(token, Ready::READABLE);
        }
    }
}

/// The one that all listeners of a loop share.
struct OfLoop(Rc<Gate>);

/// The connections that all listeners of a loop have accepted and that are still open, and their
/// maximum.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::LoopConnections;
/// let ioloop = IoLoop::new()?;
/// LoopConnections::of(&ioloop).set_max(Some(10_000));
/// assert_eq!(LoopConnections::of(&ioloop).open(), 0);
/// # std::io::Result::Ok(())
/// ```
pub struct LoopConnections {
    ioloop: Handle,
    gate: Rc<Gate>,
}

impl LoopConnections {
    /// Those of a loop.
    pub fn of(ioloop: &Handle) -> Self {
        Self {
            ioloop: ioloop.clone(),
            gate: Gate::of_loop(ioloop),
        }
    }

    /// How many connections may be open on the loop. Beyond it its listeners accept nobody, and
    /// connections wait in their backlogs. Default: no maximum but the descriptors of the process.
    /// Lowering it closes nothing.
    pub fn set_max(&self, connections_max: Option<usize>) {
        self.gate.set_max(&self.ioloop, connections_max);
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.gate.open()
    }
}

impl fmt::Debug for LoopConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopConnections")
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}
