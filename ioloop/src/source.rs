//! Sources of readiness, and the table that leads from a token of the poller to one of them.
//!
//! A [`Source`] is anything that is told when its descriptor may be read or written: a stream, a
//! listener, a user's handler. The table's slots carry generations, so that an event which was
//! already queued when its source was removed never reaches the next owner of the slot.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::{BitOr, BitOrAssign};
use std::rc::Rc;

use crate::Handle;

/// What a source wants to be told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Readable, or closed by the peer.
    Read,
    /// Writable, or no longer writable.
    Write,
    /// Both.
    Both,
}

impl Interest {
    pub(crate) fn to_mio(self) -> mio::Interest {
        match self {
            Self::Read => mio::Interest::READABLE,
            Self::Write => mio::Interest::WRITABLE,
            Self::Both => mio::Interest::READABLE | mio::Interest::WRITABLE,
        }
    }
}

/// What has become ready: a set of flags.
///
/// ```
/// use squall_ioloop::Ready;
/// let ready = Ready::READABLE | Ready::READ_CLOSED;
/// assert!(ready.contains(Ready::READABLE));
/// assert!(!ready.intersects(Ready::WRITABLE | Ready::ERROR));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready(u8);

impl Ready {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// A read will not block.
    pub const READABLE: Self = Self(1);
    /// A write will not block.
    pub const WRITABLE: Self = Self(1 << 1);
    /// The peer sends no more: what is left can be read, then the end of the stream.
    pub const READ_CLOSED: Self = Self(1 << 2);
    /// The peer receives no more.
    pub const WRITE_CLOSED: Self = Self(1 << 3);
    /// The descriptor has failed; the next call on it says how.
    pub const ERROR: Self = Self(1 << 4);
    /// The source's deadline has passed ([`Handle::set_deadline`]).
    pub const DEADLINE: Self = Self(1 << 5);

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any flag of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The same flags without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn from_mio(event: &mio::event::Event) -> Self {
        let mut ready = Self::NONE;
        for (is_set, flag) in [
            (event.is_readable(), Self::READABLE),
            (event.is_writable(), Self::WRITABLE),
            (event.is_read_closed(), Self::READ_CLOSED),
            (event.is_write_closed(), Self::WRITE_CLOSED),
            (event.is_error(), Self::ERROR),
        ] {
            if is_set {
                ready |= flag;
            }
        }
        ready
    }
}

impl BitOr for Ready {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Ready {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            "READABLE",
            "WRITABLE",
            "READ_CLOSED",
            "WRITE_CLOSED",
            "ERROR",
            "DEADLINE",
        ];
        let set = (0..names.len())
            .filter(|bit| self.0 & (1 << bit) != 0)
            .map(|bit| names[bit]);
        f.debug_set().entries(set).finish()
    }
}

/// Something that is told when it is ready. Edge-triggered: told once per change, so it must use
/// what it was told about up, or ask for another turn with [`Handle::ready_again`].
///
/// This is the seam for streams and listeners; users with a descriptor of their own want
/// [`Handle::add_handler`], which is level-triggered.
pub trait Source {
    /// Called by the loop, at most once per turn and event. The table is not borrowed meanwhile:
    /// the source may remove itself or any other.
    fn on_ready(&self, ioloop: &Handle, ready: Ready);

    /// Called at the end of a turn in which [`Handle::at_turn_end`] asked for it: where output that
    /// was corked for the turn leaves.
    fn on_turn_end(&self, ioloop: &Handle) {
        let _ = ioloop;
    }
}

/// Names one registration: a slot of the table and its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The slot and 1, so that an `Option<Token>` is no larger than a token: a stream has one.
    number: NonZeroU32,
    generation: u32,
}

impl Token {
    /// The token of the wake-up descriptor: no slot has this number.
    pub(crate) const WAKE: mio::Token = mio::Token(usize::MAX);

    pub(crate) fn new(slot: usize, generation: u32) -> Self {
        let number = u32::try_from(slot + 1).ok().and_then(NonZeroU32::new);
        Self {
            number: number.expect("fewer than 2^32 sources"),
            generation,
        }
    }

    pub(crate) fn slot(self) -> usize {
        self.number.get() as usize - 1
    }

    pub(crate) fn generation(self) -> u32 {
        self.generation
    }

    pub(crate) fn to_mio(self) -> mio::Token {
        mio::Token((self.generation as usize) << 32 | self.slot())
    }

    pub(crate) fn from_mio(token: mio::Token) -> Self {
        Self::new(token.0 & u32::MAX as usize, (token.0 >> 32) as u32)
    }
}

/// Slots with generations. A generation counts the owners that a slot has had.
#[derive(Default)]
pub(crate) struct SourceTable {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

struct Slot {
    generation: u32,
    source: Option<Rc<dyn Source>>,
}

impl SourceTable {
    pub(crate) fn insert(&mut self, source: Rc<dyn Source>) -> Token {
        let slot = self
            .free
            .pop()
            .map_or(self.slots.len(), |slot| slot as usize);
        if slot == self.slots.len() {
            self.slots.push(Slot {
                generation: 0,
                source: None,
            });
        }
        let entry = &mut self.slots[slot];
        entry.source = Some(source);
        Token::new(slot, entry.generation)
    }

    /// The source, unless `token` is from an earlier owner of the slot.
    pub(crate) fn get(&self, token: Token) -> Option<&Rc<dyn Source>> {
        let slot = self.slots.get(token.slot())?;
        if slot.generation == token.generation {
            slot.source.as_ref()
        } else {
            None
        }
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<Rc<dyn Source>> {
        let slot = self.slots.get_mut(token.slot())?;
        if slot.generation != token.generation {
            return None;
        }
        let source = slot.source.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(token.number.get() - 1);
        Some(source)
    }

    /// Empties the table, for a loop that closes.
    pub(crate) fn take_all(&mut self) -> Vec<Rc<dyn Source>> {
        let slots = self.slots.iter().enumerate();
        let tokens: Vec<_> = slots
            .map(|(slot, entry)| Token::new(slot, entry.generation))
            .collect();
        tokens
            .into_iter()
            .filter_map(|token| self.remove(token))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;
    impl Source for Nothing {
        fn on_ready(&self, _: &Handle, _: Ready) {}
    }

    #[test]
    fn a_late_token_never_reaches_the_next_owner_of_its_slot() {
        let mut table = SourceTable::default();
        let first = table.insert(Rc::new(Nothing));
        assert!(table.remove(first).is_some());
        let second = table.insert(Rc::new(Nothing));
        assert_eq!(second.slot(), first.slot());
        assert!(table.get(first).is_none());
        assert!(table.remove(first).is_none());
        assert!(table.get(second).is_some());
        assert_eq!(Token::from_mio(second.to_mio()), second);
    }

    #[test]
    fn what_an_idle_source_costs() {
        assert_eq!(size_of::<Slot>(), 24);
        assert_eq!(size_of::<Option<Token>>(), 8);
    }
}
