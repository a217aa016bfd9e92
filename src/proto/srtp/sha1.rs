//! HMAC-SHA1 (RFC 2104) with its key blocks hashed beforehand, over SHA-1's compression function.
//!
//! The compression is that of the `sha1` crate where the processor has SHA instructions, or is no x86-64; elsewhere ours,
//! which computes the message schedule with vectors beside the scalar rounds. A voice packet is three blocks and a half of
//! its cost is here.

use zeroize::Zeroize;

const BLOCK: usize = 64;
const H0: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// The states after the inner and the outer key block. Wiped on drop.
pub(super) struct HmacSha1 {
    inner: [u32; 5],
    outer: [u32; 5],
    compress: Compress,
}

type Compress = fn(&mut [u32; 5], &[[u8; BLOCK]]);

impl Drop for HmacSha1 {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

impl HmacSha1 {
    pub fn new(key: &[u8; 20]) -> HmacSha1 {
        let compress = compression();
        let state = |pad: u8| {
            let mut block = [pad; BLOCK];
            block.iter_mut().zip(key).for_each(|(b, k)| *b ^= k);
            let mut state = H0;
            compress(&mut state, &[block]);
            block.zeroize();
            state
        };
        HmacSha1 { inner: state(0x36), outer: state(0x5c), compress }
    }

    /// The MAC of `data` followed by `tail`, of which there are at most four bytes.
    pub fn mac(&self, data: &[u8], tail: &[u8]) -> [u8; 20] {
        let mut state = self.inner;
        let (whole, rest) = blocks_of(data);
        (self.compress)(&mut state, whole);
        // What is left, the tail, 0x80, zeros and the length in bits: one block or two.
        let mut last = [[0; BLOCK]; 2];
        let flat = last.as_flattened_mut();
        let end = rest.len() + tail.len();
        flat[..rest.len()].copy_from_slice(rest);
        flat[rest.len()..end].copy_from_slice(tail);
        flat[end] = 0x80;
        let blocks = if end + 9 > BLOCK { 2 } else { 1 };
        let bits = 8 * (BLOCK + data.len() + tail.len()) as u64;
        flat[blocks * BLOCK - 8..blocks * BLOCK].copy_from_slice(&bits.to_be_bytes());
        (self.compress)(&mut state, &last[..blocks]);
        self.outer(&state)
    }

    fn outer(&self, inner: &[u32; 5]) -> [u8; 20] {
        let mut block = [0; BLOCK];
        block[..20].copy_from_slice(&to_bytes(inner));
        block[20] = 0x80;
        block[BLOCK - 8..].copy_from_slice(&(8 * (BLOCK as u64 + 20)).to_be_bytes());
        let mut state = self.outer;
        (self.compress)(&mut state, &[block]);
        to_bytes(&state)
    }
}

fn to_bytes(state: &[u32; 5]) -> [u8; 20] {
    let mut out = [0; 20];
    for (place, word) in out.chunks_exact_mut(4).zip(state) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    out
}

/// Whole blocks, and what is left behind them.
fn blocks_of(data: &[u8]) -> (&[[u8; BLOCK]], &[u8]) {
    let (whole, rest) = data.split_at(data.len() - data.len() % BLOCK);
    // SAFETY: an array of bytes has no alignment, and `whole` is a multiple of its size.
    (unsafe { core::slice::from_raw_parts(whole.as_ptr().cast(), whole.len() / BLOCK) }, rest)
}

/// The fastest that this processor has.
fn compression() -> Compress {
    #[cfg(target_arch = "x86_64")]
    if vectors::are_here() {
        // SAFETY: the processor has what the function is compiled for.
        return |state, blocks| unsafe { vectors::compress(state, blocks) };
    }
    sha1::block_api::compress
}

#[cfg(target_arch = "x86_64")]
mod vectors {
    use super::BLOCK;
    use core::arch::x86_64::*;

    /// No SHA instructions, which are faster, but AVX2 and BMI.
    pub fn are_here() -> bool {
        !is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
    }

    const K: [i32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc_u32 as i32, 0xca62_c1d6_u32 as i32];

    /// Two blocks at a time: the schedules of both side by side in the halves of the vectors, beside the rounds of the first.
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    pub unsafe fn compress(state: &mut [u32; 5], blocks: &[[u8; BLOCK]]) {
        for pair in blocks.chunks(2) {
            match pair {
                [one, two] => compress_pair(state, one, two, true),
                [one] => compress_pair(state, one, one, false),
                _ => {}
            }
        }
    }

    /// FIPS 180-4 section 6.1.2. Four words of the schedule at a time: words 16 to 31 by the definition, whose last lane
    /// needs the first; from 32 on by W(t) = (W(t-6) ^ W(t-16) ^ W(t-28) ^ W(t-32)) <<< 2, which follows from it.
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    unsafe fn compress_pair(state: &mut [u32; 5], one: &[u8; BLOCK], two: &[u8; BLOCK], both: bool) {
        let swap =
            _mm256_broadcastsi128_si256(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
        let mut w = [_mm256_setzero_si256(); 20];
        // With the round constants added: four words of the first block, four of the second, and so on.
        let mut wk = [0u32; 160];
        let [mut a, mut b, mut c, mut d, mut e] = *state;

        macro_rules! schedule {
            ($i:literal) => {
                if $i < 4 {
                    let low = _mm_loadu_si128(one.as_ptr().add(16 * ($i & 3)).cast());
                    let high = _mm_loadu_si128(two.as_ptr().add(16 * ($i & 3)).cast());
                    w[$i] = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), swap);
                } else if $i < 8 {
                    let three = _mm256_srli_si256::<4>(w[($i + 19) % 20]);
                    let fourteen = _mm256_alignr_epi8::<8>(w[($i + 17) % 20], w[($i + 16) % 20]);
                    let x = xor4(three, w[($i + 18) % 20], fourteen, w[($i + 16) % 20]);
                    let first = _mm256_slli_si256::<12>(x);
                    w[$i] = _mm256_xor_si256(rotate::<1, 31>(x), rotate::<2, 30>(first));
                } else {
                    let six = _mm256_alignr_epi8::<8>(w[($i + 19) % 20], w[($i + 18) % 20]);
                    let x = xor4(six, w[($i + 16) % 20], w[($i + 13) % 20], w[($i + 12) % 20]);
                    w[$i] = rotate::<2, 30>(x);
                }
                let sum = _mm256_add_epi32(w[$i], _mm256_set1_epi32(K[$i / 5]));
                _mm256_storeu_si256(wk.as_mut_ptr().add(8 * $i).cast(), sum);
            };
        }
        // One round: e += W + K + f(b, c, d) + (a <<< 5), b <<<= 30. The unrotated b is needed no more and holds f's parts;
        // the newest word, a, comes in last: that is the chain that all rounds hang on.
        macro_rules! round {
            ($a:ident $b:ident $c:ident $d:ident $e:ident, $t:expr, $block:literal, $($f:literal)*) => {
                core::arch::asm!(
                    "rorx {r:e}, {b:e}, 2",
                    "add {e:e}, dword ptr [{wk} + {at}]",
                    $($f,)*
                    "rorx {t:e}, {a:e}, 27",
                    "add {e:e}, {b:e}",
                    "add {e:e}, {t:e}",
                    a = in(reg) $a,
                    b = inout(reg) $b => _,
                    c = in(reg) $c,
                    d = in(reg) $d,
                    e = inout(reg) $e,
                    r = out(reg) $b,
                    t = out(reg) _,
                    wk = in(reg) wk.as_ptr(),
                    at = const 4 * (8 * ($t / 4) + 4 * $block + $t % 4),
                    options(pure, readonly, nostack)
                );
            };
        }
        macro_rules! four {
            ($block:literal, $i:literal, $($f:literal)*) => {
                round!(a b c d e, 4 * $i, $block, $($f)*);
                round!(e a b c d, 4 * $i + 1, $block, $($f)*);
                round!(d e a b c, 4 * $i + 2, $block, $($f)*);
                round!(c d e a b, 4 * $i + 3, $block, $($f)*);
                (a, b, c, d, e) = (b, c, d, e, a);
            };
        }
        // (b and c) + (d and not b)
        macro_rules! choose {
            ($block:literal: $($i:literal $(then $ahead:literal)?),*) => { $(
                $(schedule!($ahead);)?
                four!($block, $i, "andn {t:e}, {b:e}, {d:e}" "and {b:e}, {c:e}" "add {e:e}, {t:e}");
            )* };
        }
        // b xor c xor d
        macro_rules! parity {
            ($block:literal: $($i:literal $(then $ahead:literal)?),*) => { $(
                $(schedule!($ahead);)?
                four!($block, $i, "xor {b:e}, {c:e}" "xor {b:e}, {d:e}");
            )* };
        }
        // (b and (c xor d)) + (c and d)
        macro_rules! majority {
            ($block:literal: $($i:literal $(then $ahead:literal)?),*) => { $(
                $(schedule!($ahead);)?
                four!($block, $i, "mov {t:e}, {c:e}" "xor {t:e}, {d:e}" "and {b:e}, {t:e}" "andn {t:e}, {t:e}, {c:e}"
                    "add {e:e}, {t:e}");
            )* };
        }
        macro_rules! finish {
            () => {
                for (word, new) in state.iter_mut().zip([a, b, c, d, e]) {
                    *word = word.wrapping_add(new);
                }
            };
        }
        schedule!(0);
        schedule!(1);
        schedule!(2);
        schedule!(3);
        choose!(0: 0 then 4, 1 then 5, 2 then 6, 3 then 7, 4 then 8);
        parity!(0: 5 then 9, 6 then 10, 7 then 11, 8 then 12, 9 then 13);
        majority!(0: 10 then 14, 11 then 15, 12 then 16, 13 then 17, 14 then 18);
        parity!(0: 15 then 19, 16, 17, 18, 19);
        finish!();
        if both {
            [a, b, c, d, e] = *state;
            choose!(1: 0, 1, 2, 3, 4);
            parity!(1: 5, 6, 7, 8, 9);
            majority!(1: 10, 11, 12, 13, 14);
            parity!(1: 15, 16, 17, 18, 19);
            finish!();
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn xor4(a: __m256i, b: __m256i, c: __m256i, d: __m256i) -> __m256i {
        _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(x: __m256i) -> __m256i {
        _mm256_or_si256(_mm256_slli_epi32::<LEFT>(x), _mm256_srli_epi32::<RIGHT>(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_compression_is_that_of_the_crate() {
        let mut bytes = [0u8; BLOCK * 3];
        let mut ours = H0;
        let mut theirs = H0;
        for round in 0..200u32 {
            for (n, b) in bytes.iter_mut().enumerate() {
                *b = b.wrapping_mul(31).wrapping_add((n as u32 * 7 + round) as u8);
            }
            let (blocks, _) = blocks_of(&bytes[..BLOCK * (round as usize % 4)]);
            compression()(&mut ours, blocks);
            sha1::block_api::compress(&mut theirs, blocks);
            assert_eq!(ours, theirs, "round {round}");
        }
    }

    /// RFC 2202 section 3 (its keys of 20 bytes), and every length across the borders of blocks against the `hmac` crate.
    #[test]
    fn macs_are_those_of_rfc_2202_and_of_the_hmac_crate() {
        let hex = |mac: [u8; 20]| mac.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(
            hex(HmacSha1::new(&[0x0b; 20]).mac(b"Hi There", b"")),
            "b617318655057264e28bc0b6fb378c8ef146be00"
        );
        assert_eq!(
            hex(HmacSha1::new(&[0xaa; 20]).mac(&[0xdd; 50], b"")),
            "125d7342b9ac11cd91a39af48aa17b4f63f175d3"
        );
        use hmac::{KeyInit, Mac};
        let data: Vec<u8> = (0..300u32).map(|n| (n * 13) as u8).collect();
        for len in 0..data.len() {
            for tail in [&b""[..], b"\0\0\0\x07"] {
                let mut theirs = hmac::Hmac::<sha1::Sha1>::new_from_slice(&[9; 20]).expect("a key");
                theirs.update(&data[..len]);
                theirs.update(tail);
                let theirs: [u8; 20] = theirs.finalize().into_bytes().into();
                assert_eq!(HmacSha1::new(&[9; 20]).mac(&data[..len], tail), theirs, "{len}");
            }
        }
    }
}
