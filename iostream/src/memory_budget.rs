//! How much memory the streams of a loop may hold together in their buffers, and who may still
//! read when it is used up.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use squall_ioloop::{Handle, Ready, Token};

/// A bound on the bytes that the streams which share it hold, unread and unsent: back-pressure for
/// the whole of a loop. A clone is the same budget.
///
/// When they hold more than `bytes_max`, they stop reading, so that their peers feel it, until an
/// eighth of the budget is free again. Nothing is refused, and no write is held up. Two rules see
/// to it that nobody waits for ever:
///
/// - A stream that holds less than its **share** (`bytes_max` by the number of streams) reads on,
///   whatever the others hold. One that holds everything stops itself and its like, not the quiet
///   ones.
/// - Of those whose unread bytes are above it **one at a time** reads on, the first that asks,
///   until it is below its share or closed. Without that, many halves of messages could wait for
///   each other. That its peer is not too slow about it is for [`Guards`](crate::Guards) to see.
///
/// So what was read is at most twice the budget, one message, one read (256 KiB), and 4 KiB for
/// each stream; over TLS, 64 KiB more for each that has not read what was decrypted for it. What is
/// written is the application's: see
/// [`set_unsent_bytes_max`](crate::StreamHandle::set_unsent_bytes_max).
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{MemoryBudget, memory};
///
/// let ioloop = IoLoop::new()?;
/// let budget = MemoryBudget::new(&ioloop, 64 * 1024 * 1024);
/// let (ours, _theirs) = memory::pair(&ioloop, memory::Options::default());
/// ours.set_memory_budget(Some(&budget));
/// ours.write(b"not yet sent")?;
/// assert_eq!(budget.bytes_held(), 12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MemoryBudget(Rc<Ledger>);

struct Ledger {
    ioloop: Handle,
    bytes_max: usize,
    held: Cell<usize>,
    members: Cell<usize>,
    /// From above `bytes_max` until an eighth is free.
    is_exceeded: Cell<bool>,
    /// Readers that were told to wait, in the order in which they came.
    waiting: RefCell<Vec<Token>>,
    /// Counts how often all were woken.
    round: Cell<u64>,
    /// The one above its share that may read.
    pass: Cell<Option<Token>>,
}

impl MemoryBudget {
    /// A budget for streams of one loop.
    pub fn new(ioloop: &Handle, bytes_max: usize) -> Self {
        Self(Rc::new(Ledger {
            ioloop: ioloop.clone(),
            bytes_max,
            held: Cell::new(0),
            members: Cell::new(0),
            is_exceeded: Cell::new(false),
            waiting: RefCell::default(),
            round: Cell::new(0),
            pass: Cell::new(None),
        }))
    }

    /// What its streams hold now, in bytes.
    pub fn bytes_held(&self) -> usize {
        self.0.held.get()
    }

    /// Its bound, in bytes.
    pub fn bytes_max(&self) -> usize {
        self.0.bytes_max
    }

    /// Whether it is used up, and streams above their share wait.
    pub fn is_exceeded(&self) -> bool {
        self.0.is_exceeded.get()
    }

    /// Of how many streams it is.
    pub fn stream_count(&self) -> usize {
        self.0.members.get()
    }

    pub(crate) fn join(&self, ioloop: &Handle, token: Token) -> Member {
        assert!(
            self.0.ioloop.is_same_loop(ioloop),
            "a memory budget is for the streams of one loop"
        );
        self.0.members.set(self.0.members.get() + 1);
        Member {
            ledger: self.0.clone(),
            token,
            unread: 0,
            unsent: 0,
            queued_in: None,
        }
    }
}

impl Ledger {
    fn share(&self) -> usize {
        self.bytes_max / self.members.get().max(1)
    }

    fn change(&self, before: usize, after: usize) {
        let held = self.held.get() - before + after;
        self.held.set(held);
        if held > self.bytes_max {
            self.is_exceeded.set(true);
        } else if self.is_exceeded.get() && held <= self.bytes_max - self.bytes_max / 8 {
            self.is_exceeded.set(false);
            self.pass.set(None);
            self.wake_all();
        }
    }

    fn give_pass_back(&self, token: Token) {
        if self.pass.get() == Some(token) {
            self.pass.set(None);
            self.wake_all();
        }
    }

    /// In their order, and each looks again before it reads. All, and not the first only: that one
    /// may have given up, and then nobody would wake the others.
    fn wake_all(&self) {
        self.round.set(self.round.get() + 1);
        for token in self.waiting.take() {
            self.ioloop.ready_again(token, Ready::READABLE);
        }
    }
}

impl fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBudget")
            .field("bytes_held", &self.bytes_held())
            .field("bytes_max", &self.bytes_max())
            .field("stream_count", &self.stream_count())
            .finish()
    }
}

/// A share may be small, and a read is not worth its call for a few bytes.
const READ_BYTES_MIN: usize = 4096;

/// One stream's part in a budget. What it holds is given back when it is dropped.
pub(crate) struct Member {
    ledger: Rc<Ledger>,
    token: Token,
    unread: usize,
    unsent: usize,
    /// In which round it waits.
    queued_in: Option<u64>,
}

impl Member {
    pub(crate) fn budget(&self) -> MemoryBudget {
        MemoryBudget(self.ledger.clone())
    }

    pub(crate) fn set_unread(&mut self, unread: usize) {
        let before = std::mem::replace(&mut self.unread, unread);
        self.change(before, unread);
    }

    pub(crate) fn set_unsent(&mut self, unsent: usize) {
        let before = std::mem::replace(&mut self.unsent, unsent);
        self.change(before, unsent);
    }

    fn change(&self, before: usize, after: usize) {
        if before == after {
            return;
        }
        self.ledger.change(before, after);
        if self.is_below_its_share() || !self.is_helped_by_input() {
            self.ledger.give_pass_back(self.token);
        }
    }

    /// Whether the stream may read. If not, it will be told that it is readable again.
    pub(crate) fn may_read(&mut self) -> bool {
        let ledger = &self.ledger;
        if !ledger.is_exceeded.get() || self.is_below_its_share() {
            return true;
        }
        if self.is_helped_by_input() && ledger.pass.get().unwrap_or(self.token) == self.token {
            ledger.pass.set(Some(self.token));
            return true;
        }
        let round = ledger.round.get();
        if self.queued_in.replace(round) != Some(round) {
            ledger.waiting.borrow_mut().push(self.token);
        }
        false
    }

    /// How much one read may take: none makes its stream hold much more than its share.
    pub(crate) fn read_allowance(&self) -> usize {
        let ledger = &self.ledger;
        if !ledger.is_exceeded.get() || ledger.pass.get() == Some(self.token) {
            return usize::MAX;
        }
        let left = ledger.share().saturating_sub(self.unread + self.unsent);
        left.max(READ_BYTES_MIN)
    }

    /// One whose peer does not take its output is not.
    fn is_helped_by_input(&self) -> bool {
        self.unsent < self.ledger.share()
    }

    fn is_below_its_share(&self) -> bool {
        self.unread + self.unsent < self.ledger.share()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let ledger = &self.ledger;
        ledger.members.set(ledger.members.get() - 1);
        ledger.change(self.unread + self.unsent, 0);
        if ledger.pass.get() == Some(self.token) {
            ledger.pass.set(None);
        }
        // The shares of the others have grown.
        ledger.wake_all();
    }
}
