//! A hash for keys that strangers choose, cheaper than the standard library's.
//!
//! The words of a key are the coefficients of a polynomial over the integers modulo 2^61 - 1, whose value at a secret place
//! is the hash (Carter and Wegman, "Universal classes of hash functions", 1979). Two different keys of n words, chosen
//! without knowing the place, meet with a probability of at most (n + 1) / 2^61, and share their low bits hardly more often than
//! by chance: whoever wants many in one place of a table has to guess.

use crate::util::Rng;
use core::hash::{BuildHasher, Hasher};

const PRIME: u64 = (1 << 61) - 1;

/// Hashes with one secret.
#[derive(Clone, Copy)]
pub struct Keyed {
    place: u64,
}

impl Keyed {
    pub fn new(rng: &mut dyn Rng) -> Keyed {
        // Not the few places at which all that is not long is small.
        Keyed { place: rng.next_u64() % (PRIME - (1 << 32)) + (1 << 32) }
    }
}

impl BuildHasher for Keyed {
    type Hasher = Polynomial;
    fn build_hasher(&self) -> Polynomial {
        Polynomial { place: self.place, value: 1 }
    }
}

#[derive(Clone, Copy)]
pub struct Polynomial {
    place: u64,
    /// Below 2^61 + 8; congruent to the value.
    value: u64,
}

impl Polynomial {
    /// The next coefficient, of less than 2^57. The last one is multiplied, too: keys that count must not lie in a row.
    #[inline]
    fn add(&mut self, word: u64) {
        let product = u128::from(self.value + word) * u128::from(self.place);
        // 2^61 is 1 modulo the prime, here and in the sum.
        let sum = (product as u64 & PRIME) + (product >> 61) as u64;
        self.value = (sum & PRIME) + (sum >> 61);
    }
}

impl Hasher for Polynomial {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.add(u64::from(*b)));
    }
    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.add(u64::from(number));
    }
    /// A large number takes two words: keys of the same shape have the same sizes in the same places, or differ in size there.
    #[inline]
    fn write_u64(&mut self, number: u64) {
        if number >> 56 == 0 {
            return self.add(number);
        }
        self.add(1 << 56 | number >> 32);
        self.add(number & 0xffff_ffff);
    }
    /// A map takes the low bits for the place and the highest seven to compare.
    #[inline]
    fn finish(&self) -> u64 {
        let value = if self.value >= PRIME { self.value - PRIME } else { self.value };
        value << 3 | value >> 58
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::SeededRng;
    use std::collections::HashSet;

    fn hash(keyed: Keyed, words: &[u64]) -> u64 {
        let mut state = keyed.build_hasher();
        words.iter().for_each(|word| state.write_u64(*word));
        state.finish()
    }

    #[test]
    fn it_is_the_value_of_the_polynomial() {
        let mut rng = SeededRng::new(1);
        for _ in 0..2000 {
            let keyed = Keyed::new(&mut rng);
            let words: Vec<u64> = (0..rng.below(8)).map(|_| rng.next_u64() >> (8 + rng.below(56))).collect();
            let value = words.iter().fold(1u128, |value, word| {
                (value + u128::from(*word)) * u128::from(keyed.place) % u128::from(PRIME)
            }) as u64;
            assert_eq!(hash(keyed, &words), value << 3 | value >> 58);
        }
        let largest = Keyed { place: PRIME - 1 };
        let value = PRIME - (1 << 56);
        assert_eq!(hash(largest, &[(1 << 56) - 1]), value << 3 | value >> 58);
    }

    #[test]
    fn keys_like_those_of_peers_lie_apart_under_any_secret() {
        let mut rng = SeededRng::new(2);
        for shape in 0..3u64 {
            let keyed = Keyed::new(&mut rng);
            let keys: Vec<u64> = (0..4096u64)
                .map(|n| match shape {
                    // Ports of one host, hosts with one port, and an SSRC that counts.
                    0 => hash(keyed, &[1 << 48 | 0x7f00_0001 << 16 | n, 7]),
                    1 => hash(keyed, &[1 << 48 | n << 16 | 4000, 7]),
                    _ => hash(keyed, &[1 << 48 | 0x7f00_0001 << 16 | 4000, n]),
                })
                .collect();
            let low: HashSet<u64> = keys.iter().map(|key| key & 4095).collect();
            let high: HashSet<u64> = keys.iter().map(|key| key >> 57).collect();
            // By chance it would be 63 %.
            assert!(low.len() > 2000 && high.len() > 32, "{shape}: {} and {}", low.len(), high.len());
        }
    }

    #[test]
    fn another_secret_is_another_hash_and_the_number_of_words_matters() {
        let mut rng = SeededRng::new(3);
        let (one, other) = (Keyed::new(&mut rng), Keyed::new(&mut rng));
        assert_ne!(hash(one, &[5]), hash(other, &[5]));
        assert_ne!(hash(one, &[0]), hash(one, &[0, 0]));
        assert_ne!(hash(one, &[u64::MAX]), hash(one, &[u64::MAX - 1]));
    }
}
