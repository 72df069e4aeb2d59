//! Numbers that look like chance, the same in each run: for the tests of the buffers.

pub(crate) struct XorShift(pub(crate) u64);

impl XorShift {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }

    /// Mostly few, sometimes many: around the bounds of pieces.
    pub(crate) fn len(&mut self) -> usize {
        let bound = [1, 10, 100, 2_050, 65_538][self.below(5)];
        self.below(bound)
    }
}
