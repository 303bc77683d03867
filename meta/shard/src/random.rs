//! A small deterministic generator, seeded with the leader's entropy: SplitMix64, as published by Steele, Lea and
//! Flood (OOPSLA 2014). Good enough to spread load; nothing secret depends on it.

/// The generator.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// Folds the seed.
    pub(crate) fn new(entropy: &[u8; 32]) -> Self {
        let mut random = Self { state: 0 };
        for word in entropy.chunks_exact(8) {
            let mut bytes = [0u8; 8];
            bytes.copy_from_slice(word);
            random.state ^= u64::from_le_bytes(bytes);
            random.state = random.next(); // so that equal words do not cancel out
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: u128) -> u128 {
        let wide = (u128::from(self.next()) << 64) | u128::from(self.next());
        wide % end
    }

    /// An index with a probability proportional to its weight; `None` if all weights are 0.
    pub(crate) fn pick(&mut self, weights: &[u128]) -> Option<usize> {
        let total: u128 = weights.iter().sum();
        if total == 0 {
            return None;
        }
        let mut at = self.below(total);
        weights.iter().position(|weight| {
            let found = at < *weight;
            at = at.saturating_sub(*weight);
            found
        })
    }

    /// Puts a list into random order.
    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            let other = self.below(end as u128 + 1) as usize;
            list.swap(end, other);
        }
    }
}
