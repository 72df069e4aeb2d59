//! A map from paths, or pieces of them, to numbers: built once, asked on every request.
//!
//! One multiplication a word, one comparison, no allocation. The hash need not withstand attackers:
//! the keys are the program's own routes, and looking up a hostile path adds nothing to the map.

/// Open addressing, at most half full, so that a search ends soon at an empty slot.
#[derive(Debug, Default)]
pub(super) struct PathMap {
    /// None, or a power of two.
    slots: Vec<Option<(Box<[u8]>, usize)>>,
    len: usize,
}

impl PathMap {
    #[inline]
    pub(super) fn get(&self, path: &[u8]) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let slot = self.slots[self.slot_of(path)].as_ref();
        slot.map(|(_, number)| *number)
    }

    /// The number of `path`, which is `number` if it had none.
    pub(super) fn get_or_insert(&mut self, path: &[u8], number: usize) -> usize {
        if self.slots.len() < 2 * (self.len + 1) {
            self.grow();
        }
        let slot = self.slot_of(path);
        match &self.slots[slot] {
            Some((_, known)) => *known,
            None => {
                self.slots[slot] = Some((path.into(), number));
                self.len += 1;
                number
            }
        }
    }

    fn grow(&mut self) {
        let slots_count = (self.slots.len() * 2).max(4);
        let before = std::mem::take(&mut self.slots);
        self.slots.resize(slots_count, None);
        for entry in before.into_iter().flatten() {
            let slot = self.slot_of(&entry.0);
            self.slots[slot] = Some(entry);
        }
    }

    /// Where `path` is, or would be.
    #[inline]
    fn slot_of(&self, path: &[u8]) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash(path) & mask;
        while let Some((known, _)) = &self.slots[slot] {
            if **known == *path {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }
}

#[inline]
fn hash(path: &[u8]) -> usize {
    let mut state = path.len() as u64;
    let mut rest = path;
    while let Some((word, after)) = rest.split_first_chunk() {
        state = mix(state, u64::from_le_bytes(*word));
        rest = after;
    }
    let last = rest
        .iter()
        .fold(0, |word, byte| word << 8 | u64::from(*byte));
    mix(state, last) as usize
}

/// The high half of a product depends on all bits of both factors.
#[inline]
fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_found_and_no_other() {
        let mut map = PathMap::default();
        assert_eq!(map.get(b"/"), None);
        let path = |number: usize| "/".repeat(number % 7) + &number.to_string();
        for number in 0..1_000 {
            assert_eq!(map.get(path(number).as_bytes()), None);
            assert_eq!(map.get_or_insert(path(number).as_bytes(), number), number);
        }
        for number in 0..1_000 {
            assert_eq!(map.get(path(number).as_bytes()), Some(number));
            assert_eq!(map.get_or_insert(path(number).as_bytes(), 7_777), number);
        }
        assert_eq!(map.get(b""), None);
        assert_eq!(map.get(b"/1000"), None);
    }

    /// Routes are alike; their slots are not.
    #[test]
    fn a_search_is_short_in_a_table_of_a_thousand() {
        for stem in [
            "/api/v1/resource/",
            "/",
            "/some/rather/long/path/of/segments/",
        ] {
            let mut map = PathMap::default();
            for number in 0..1_000 {
                map.get_or_insert(format!("{stem}{number}").as_bytes(), number);
            }
            let away = |number: usize| {
                let path = format!("{stem}{number}");
                let mask = map.slots.len() - 1;
                map.slot_of(path.as_bytes())
                    .wrapping_sub(hash(path.as_bytes()))
                    & mask
            };
            let steps: usize = (0..1_000).map(away).sum();
            assert!(
                steps < 1_000,
                "{steps} steps of a thousand searches below {stem}"
            );
        }
    }
}
