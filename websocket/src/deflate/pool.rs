//! Compressors that wait for a message: those of a loop, shared by its connections.
//!
//! A compressor takes some hundred kilobytes, an idle connection some hundred bytes. So connections
//! borrow: to deflate, for the time of a call, and so one for each level and window is enough; to
//! inflate, from the first piece of a message to its last. Used by `inflater.rs` and `deflater.rs`.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use flate2::{Compress, Compression, Decompress};
use squall_ioloop::Handle;

use super::deflater::Flavour;

/// Spares that are kept: as many messages are under way at once on a busy loop.
const INFLATERS_MAX: usize = 8;
/// Levels and windows that peers ask for: seldom more than two.
const COMPRESSORS_MAX: usize = 4;
/// What is inflated in one step, and so by how much a message can miss its limit.
pub(super) const STEP_BYTES: usize = 16 * 1024;

/// The compressors of one loop, or of whoever drives a [`Protocol`](crate::Protocol) by hand.
///
/// ```
/// use squall_websocket::DeflatePool;
///
/// let pool = DeflatePool::default();
/// let same = pool.clone();
/// # let _ = same;
/// ```
#[derive(Clone, Default)]
pub struct DeflatePool {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    #[allow(
        clippy::vec_box,
        reason = "connections hold them, and idle ones should stay small"
    )]
    inflaters: RefCell<Vec<Box<Decompress>>>,
    compressors: RefCell<Vec<(Flavour, Compress)>>,
    /// What a step of inflating has made.
    step: RefCell<Vec<u8>>,
    /// What deflating a message has made.
    deflated: RefCell<Vec<u8>>,
}

impl DeflatePool {
    /// The pool of this loop.
    pub fn of(ioloop: &Handle) -> Self {
        let shared = ioloop.local(Self::default);
        (*shared).clone()
    }

    /// Borrows an inflater, without history.
    pub(super) fn take_inflater(&self) -> Box<Decompress> {
        let spare = self.shared.inflaters.borrow_mut().pop();
        spare.unwrap_or_else(|| Box::new(Decompress::new(false)))
    }

    /// Gives it back, when its message is over.
    pub(super) fn give_inflater(&self, mut inflater: Box<Decompress>) {
        let mut spares = self.shared.inflaters.borrow_mut();
        if spares.len() < INFLATERS_MAX {
            inflater.reset(false);
            spares.push(inflater);
        }
    }

    /// Lends a compressor without history.
    pub(super) fn with_compressor<R>(
        &self,
        flavour: Flavour,
        f: impl FnOnce(&mut Compress) -> R,
    ) -> R {
        let mut compressors = self.shared.compressors.borrow_mut();
        let known = compressors.iter().position(|(known, _)| *known == flavour);
        match known {
            Some(index) => {
                let compressor = &mut compressors[index].1;
                compressor.reset();
                f(compressor)
            }
            None => {
                compressors.truncate(COMPRESSORS_MAX - 1);
                compressors.insert(0, (flavour, new_compressor(flavour)));
                f(&mut compressors[0].1)
            }
        }
    }

    /// Lends the memory for a step of inflating.
    pub(super) fn with_step<R>(&self, f: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut step = self.shared.step.borrow_mut();
        step.resize(STEP_BYTES, 0);
        f(&mut step)
    }

    /// Lends empty memory for a deflated message.
    pub(super) fn with_deflated<R>(&self, f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        /// More than this is not kept for the next message.
        const SPARE_BYTES_MAX: usize = 256 * 1024;
        let mut deflated = self.shared.deflated.borrow_mut();
        let result = f(&mut deflated);
        deflated.clear();
        deflated.shrink_to(SPARE_BYTES_MAX);
        result
    }
}

pub(super) fn new_compressor(flavour: Flavour) -> Compress {
    // zlib has no window of 8 bits. One of 9 will do for it: of its 512 bytes, the last 262 are
    // kept for what comes, so that nothing is referred to that is more than 250 bytes back
    // (`tests/deflate_window.rs` looks).
    const BITS_MIN: u8 = 9;
    let level = Compression::new(flavour.level.into());
    Compress::new_with_window_bits(level, false, flavour.window_bits.max(BITS_MIN))
}

impl fmt::Debug for DeflatePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeflatePool").finish_non_exhaustive()
    }
}
