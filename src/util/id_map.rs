//! Maps by numbers that we count ourselves: nobody outside can choose them, so hashing them needs no secret.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Never for keys that come from the network.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

#[derive(Clone, Copy, Default, Debug)]
pub struct IdHasher(u64);

/// 2^64 divided by the golden ratio (Knuth, section 6.4): neighbours land far apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }
    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(26) ^ number).wrapping_mul(SPREAD);
    }
    fn finish(&self) -> u64 {
        // A map takes the low bits for the place; the high ones are the better mixed.
        self.0 ^ self.0 >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::{BuildHasher, Hash};

    #[derive(Hash)]
    struct Pair(u32, u32);

    #[test]
    fn neighbours_share_neither_the_low_nor_the_high_bits() {
        let hash = |key: &Pair| BuildHasherDefault::<IdHasher>::default().hash_one(key);
        for shift in [0, 57] {
            let seen: HashSet<u64> = (0..128).map(|n| hash(&Pair(n, 1)) >> shift & 127).collect();
            assert!(seen.len() > 64, "{} of 128 at bit {shift}", seen.len());
        }
    }
}
