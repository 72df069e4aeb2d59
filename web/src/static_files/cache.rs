//! What a loop keeps of files: small ones whole, large ones open; bounded, and believed for a time.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::entry::Entry;
use super::folder::Bounds;
use super::load::Proof;

/// Files by name. Second chance: when there is no room, the oldest that was not asked for since it
/// was last looked at goes.
pub(super) struct Cache {
    slots: HashMap<Rc<str>, Slot>,
    /// Each name once, the oldest first.
    order: VecDeque<Rc<str>>,
    memory_bytes: usize,
    open_files: usize,
    bounds: Bounds,
}

struct Slot {
    entry: Rc<Entry>,
    proof: Arc<Proof>,
    fresh_until: Instant,
    is_used: bool,
    memory_bytes: usize,
    open_files: usize,
}

/// What is known of a name.
pub(super) enum Known {
    /// Lately looked at.
    Fresh(Rc<Entry>),
    /// It is the same still if this holds.
    Stale(Rc<Entry>, Arc<Proof>),
    Nothing,
}

/// What an entry takes beside its content: its fields, its name, its place in the maps.
const ENTRY_BYTES: usize = 2048;

impl Cache {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            slots: HashMap::new(),
            order: VecDeque::new(),
            memory_bytes: 0,
            open_files: 0,
            bounds,
        }
    }

    pub(super) fn get(&mut self, name: &str, now: Instant) -> Known {
        match self.slots.get_mut(name) {
            None => Known::Nothing,
            Some(slot) => {
                slot.is_used = true;
                if now < slot.fresh_until {
                    Known::Fresh(slot.entry.clone())
                } else {
                    Known::Stale(slot.entry.clone(), slot.proof.clone())
                }
            }
        }
    }

    /// Believes an entry again, and keeps it again if it had made room for others meanwhile.
    pub(super) fn confirm(
        &mut self,
        name: &str,
        entry: &Rc<Entry>,
        proof: Arc<Proof>,
        now: Instant,
    ) {
        match self.slots.get_mut(name) {
            Some(slot) => slot.fresh_until = now + self.bounds.revalidate_after,
            None => self.insert(name, entry, proof, now),
        }
    }

    /// Keeps an entry, in place of what was known by this name, if there can be room for it.
    pub(super) fn insert(
        &mut self,
        name: &str,
        entry: &Rc<Entry>,
        proof: Arc<Proof>,
        now: Instant,
    ) {
        self.remove(name);
        let (mut memory_bytes, mut open_files) = (ENTRY_BYTES + 2 * name.len(), 0);
        for representation in entry.representations() {
            if representation.is_in_memory() {
                // Small, or it would not be in memory.
                memory_bytes += representation.length() as usize;
            } else {
                open_files += 1;
            }
        }
        let bounds = &self.bounds;
        if memory_bytes > bounds.memory_bytes_max || open_files > bounds.open_files_max {
            return;
        }
        let (memory_left, files_left) = (
            bounds.memory_bytes_max - memory_bytes,
            bounds.open_files_max - open_files,
        );
        while self.memory_bytes > memory_left || self.open_files > files_left {
            self.evict();
        }
        let name: Rc<str> = name.into();
        self.order.push_back(name.clone());
        self.memory_bytes += memory_bytes;
        self.open_files += open_files;
        let slot = Slot {
            entry: entry.clone(),
            proof,
            fresh_until: now + self.bounds.revalidate_after,
            is_used: false,
            memory_bytes,
            open_files,
        };
        self.slots.insert(name, slot);
    }

    /// Forgets what is known by this name.
    pub(super) fn remove(&mut self, name: &str) {
        if self.forget(name) {
            // Rare: a file has changed, or is gone.
            self.order.retain(|known| **known != *name);
        }
    }

    fn forget(&mut self, name: &str) -> bool {
        let Some(slot) = self.slots.remove(name) else {
            return false;
        };
        self.memory_bytes -= slot.memory_bytes;
        self.open_files -= slot.open_files;
        true
    }

    fn evict(&mut self) {
        while let Some(name) = self.order.pop_front() {
            match self.slots.get_mut(&name) {
                Some(slot) if slot.is_used => {
                    slot.is_used = false;
                    self.order.push_back(name);
                }
                _ => {
                    self.forget(&name);
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::representation::Representation;
    use crate::static_files::folder::Fields;

    fn cache(memory_bytes_max: usize) -> Cache {
        Cache::new(Bounds {
            memory_bytes_max,
            ..Bounds::default()
        })
    }

    fn insert(cache: &mut Cache, name: &str, length: usize, now: Instant) {
        let representation = Representation::new(vec![0; length]);
        let entry = Rc::new(Entry::new(
            representation,
            None,
            Vec::new(),
            &Fields::default(),
        ));
        cache.insert(name, &entry, Arc::new(Proof::for_tests()), now);
        let bytes: usize = cache.slots.values().map(|slot| slot.memory_bytes).sum();
        assert_eq!(bytes, cache.memory_bytes);
        assert!(bytes <= cache.bounds.memory_bytes_max);
        assert_eq!(cache.order.len(), cache.slots.len());
    }

    fn is_fresh(cache: &mut Cache, name: &str, now: Instant) -> bool {
        matches!(cache.get(name, now), Known::Fresh(_))
    }

    #[test]
    fn an_entry_is_believed_for_its_time_and_again_when_it_was_confirmed() {
        let (mut cache, now) = (cache(1 << 20), Instant::now());
        insert(&mut cache, "a", 10, now);
        let soon = now + Duration::from_millis(999);
        assert!(is_fresh(&mut cache, "a", soon));
        let later = now + Duration::from_secs(1);
        let Known::Stale(entry, proof) = cache.get("a", later) else {
            panic!("it is believed for too long");
        };
        cache.confirm("a", &entry, proof.clone(), later);
        assert!(is_fresh(&mut cache, "a", later));
        assert!(matches!(cache.get("b", later), Known::Nothing));
        cache.remove("a");
        cache.confirm("a", &entry, proof, later);
        assert!(is_fresh(&mut cache, "a", later));
    }

    #[test]
    fn what_nobody_asks_for_makes_room() {
        let (mut cache, now) = (cache(4 * 4096), Instant::now());
        for name in ["a", "b", "c"] {
            insert(&mut cache, name, 2048, now);
        }
        assert!(is_fresh(&mut cache, "a", now));
        insert(&mut cache, "d", 2048, now);
        assert!(is_fresh(&mut cache, "a", now));
        assert!(matches!(cache.get("b", now), Known::Nothing));
        for name in ["c", "d"] {
            assert!(is_fresh(&mut cache, name, now), "{name}");
        }
    }

    #[test]
    fn what_is_larger_than_all_room_is_not_kept_and_costs_nobody() {
        let (mut cache, now) = (cache(4096), Instant::now());
        insert(&mut cache, "a", 10, now);
        insert(&mut cache, "b", 5000, now);
        assert!(is_fresh(&mut cache, "a", now));
        assert!(matches!(cache.get("b", now), Known::Nothing));
    }

    #[test]
    fn what_has_changed_takes_the_place_of_what_it_was() {
        let (mut cache, now) = (cache(1 << 20), Instant::now());
        insert(&mut cache, "a", 10, now);
        insert(&mut cache, "a", 100, now);
        assert_eq!(cache.slots.len(), 1);
        cache.remove("a");
        assert_eq!((cache.memory_bytes, cache.order.len()), (0, 0));
    }
}
