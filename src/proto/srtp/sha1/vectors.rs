//! SHA-1's compression for x86-64 without SHA instructions: the rounds with BMI2 in scalar registers, the message schedule
//! in vectors beside them, four words at a time and sixteen words ahead.
//!
//! The order of the instructions was found by measuring (Cascade Lake): what a round's result hangs on comes late and in one
//! piece, the schedule's steps lie between the rounds. A block has some 800 micro-operations, which fit into the decoded
//! instruction cache; two blocks with their schedules in one vector are fewer, and slower since they do not.

use super::{Compress, BLOCK};
use core::arch::asm;
use core::arch::x86_64::*;
use core::mem::MaybeUninit;

/// The faster one of those that this processor can run.
pub(super) fn best() -> Option<Compress> {
    let [avx512, avx] = all();
    avx512.or(avx)
}

/// With AVX-512's rotations and three-way XOR (on vectors of 128 bits, which do not slow the clock), and without.
pub(super) fn all() -> [Option<Compress>; 2] {
    let bmi = is_x86_feature_detected!("avx")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2");
    let avx512 = bmi && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
    // SAFETY: the processor has what the functions are compiled for.
    let functions: [Compress; 2] = unsafe {
        [|state, blocks| compress_avx512(state, blocks), |state, blocks| compress_avx(state, blocks)]
    };
    [avx512.then_some(functions[0]), bmi.then_some(functions[1])]
}

#[target_feature(enable = "avx,bmi1,bmi2")]
unsafe fn compress_avx512(state: &mut [u32; 5], blocks: &[[u8; BLOCK]]) {
    compress::<Avx512>(state, blocks);
}

#[target_feature(enable = "avx,bmi1,bmi2")]
unsafe fn compress_avx(state: &mut [u32; 5], blocks: &[[u8; BLOCK]]) {
    compress::<Avx>(state, blocks);
}

/// Four words each.
trait Words {
    unsafe fn xor(a: __m128i, b: __m128i, c: __m128i) -> __m128i;
    unsafe fn left1(x: __m128i) -> __m128i;
    unsafe fn left2(x: __m128i) -> __m128i;
}

struct Avx;

impl Words for Avx {
    #[inline(always)]
    unsafe fn xor(a: __m128i, b: __m128i, c: __m128i) -> __m128i {
        _mm_xor_si128(_mm_xor_si128(a, b), c)
    }
    #[inline(always)]
    unsafe fn left1(x: __m128i) -> __m128i {
        _mm_or_si128(_mm_add_epi32(x, x), _mm_srli_epi32::<31>(x))
    }
    #[inline(always)]
    unsafe fn left2(x: __m128i) -> __m128i {
        _mm_or_si128(_mm_slli_epi32::<2>(x), _mm_srli_epi32::<30>(x))
    }
}

struct Avx512;

/// `vprold`, whose intrinsic is younger than our oldest compiler.
macro_rules! rotated {
    ($x:ident, $by:literal) => {{
        let y: __m128i;
        asm!(
            "vprold {y}, {x}, {by}",
            y = lateout(xmm_reg) y,
            x = in(xmm_reg) $x,
            by = const $by,
            options(pure, nomem, nostack, preserves_flags)
        );
        y
    }};
}

impl Words for Avx512 {
    #[inline(always)]
    unsafe fn xor(mut a: __m128i, b: __m128i, c: __m128i) -> __m128i {
        asm!(
            "vpternlogd {a}, {b}, {c}, 0x96",
            a = inout(xmm_reg) a,
            b = in(xmm_reg) b,
            c = in(xmm_reg) c,
            options(pure, nomem, nostack, preserves_flags)
        );
        a
    }
    #[inline(always)]
    unsafe fn left1(x: __m128i) -> __m128i {
        rotated!(x, 1)
    }
    #[inline(always)]
    unsafe fn left2(x: __m128i) -> __m128i {
        rotated!(x, 2)
    }
}

#[repr(C, align(16))]
struct Constants([[u32; 4]; 4]);

/// Each round's constant, for four words.
static K: Constants = Constants([[0x5a82_7999; 4], [0x6ed9_eba1; 4], [0x8f1b_bcdc; 4], [0xca62_c1d6; 4]]);

/// The schedule's last 32 words, and all of them with the round constants added.
struct Schedule {
    w: [__m128i; 8],
    x: __m128i,
    y: __m128i,
    sums: *mut u32,
}

impl Schedule {
    #[inline(always)]
    unsafe fn load<const I: usize>(&mut self, block: &[u8; BLOCK]) {
        let swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
        self.w[I] = _mm_shuffle_epi8(_mm_loadu_si128(block.as_ptr().add(16 * I).cast()), swap);
        self.put::<I>();
    }

    #[inline(always)]
    unsafe fn put<const I: usize>(&mut self) {
        let constants = _mm_load_si128(K.0.as_ptr().add(I / 5).cast());
        _mm_storeu_si128(self.sums.add(4 * I).cast(), _mm_add_epi32(self.w[I % 8], constants));
    }

    /// The words so many groups of four before group `I`.
    #[inline(always)]
    fn back<const I: usize>(&self, groups: usize) -> __m128i {
        self.w[(I + 8 - groups) % 8]
    }

    /// A quarter of the work for words 4 I to 4 I + 3 (FIPS 180-4 section 6.1.2). Words 16 to 31 by the definition, whose
    /// last lane needs the first; from 32 on by W(t) = (W(t-6) ^ W(t-16) ^ W(t-28) ^ W(t-32)) <<< 2, which follows from it.
    #[inline(always)]
    unsafe fn step<W: Words, const I: usize>(&mut self, part: usize) {
        match (I, part) {
            (20.., _) => {}
            (..8, 0) => {
                let three = _mm_srli_si128::<4>(self.back::<I>(1));
                let fourteen = _mm_alignr_epi8::<8>(self.back::<I>(3), self.back::<I>(4));
                self.x = W::xor(three, self.back::<I>(2), fourteen);
            }
            (..8, 1) => {
                self.x = _mm_xor_si128(self.x, self.back::<I>(4));
                self.y = _mm_slli_si128::<12>(self.x);
            }
            (..8, 2) => (self.x, self.y) = (W::left1(self.x), W::left2(self.y)),
            (..8, _) => {
                self.w[I % 8] = _mm_xor_si128(self.x, self.y);
                self.put::<I>();
            }
            (_, 0) => {
                self.x = _mm_alignr_epi8::<8>(self.back::<I>(1), self.back::<I>(2));
                self.y = _mm_xor_si128(self.back::<I>(7), self.back::<I>(8));
            }
            (_, 1) => self.x = W::xor(self.x, self.y, self.back::<I>(4)),
            (_, 2) => self.w[I % 8] = W::left2(self.x),
            _ => self.put::<I>(),
        }
    }
}

#[inline(always)]
unsafe fn compress<W: Words>(state: &mut [u32; 5], blocks: &[[u8; BLOCK]]) {
    for block in blocks {
        compress_one::<W>(state, block);
    }
}

#[inline(always)]
unsafe fn compress_one<W: Words>(state: &mut [u32; 5], block: &[u8; BLOCK]) {
    let mut sums = MaybeUninit::<[u32; 80]>::uninit();
    let zero = _mm_setzero_si128();
    let mut schedule = Schedule { w: [zero; 8], x: zero, y: zero, sums: sums.as_mut_ptr().cast() };
    let sums = schedule.sums;
    let [mut a, mut b, mut c, mut d, mut e] = *state;

    // One round: e += W + K + f(b, c, d) + (a <<< 5), b <<<= 30. The unrotated b is needed no more and holds f's parts; the
    // newest word, a, comes in last: that is the chain that all rounds hang on.
    macro_rules! round {
        ($a:ident $b:ident $c:ident $d:ident $e:ident, $t:expr, $($f:literal)*) => {
            asm!(
                $($f,)*
                a = in(reg) $a,
                b = inout(reg) $b => _,
                c = in(reg) $c,
                d = in(reg) $d,
                e = inout(reg) $e,
                r = out(reg) $b,
                t = out(reg) _,
                u = out(reg) _,
                wk = in(reg) sums,
                at = const 4 * $t,
                options(pure, readonly, nostack)
            );
        };
    }
    macro_rules! four {
        ($i:literal, $($f:literal)*) => {
            schedule.step::<W, { $i + 4 }>(0);
            round!(a b c d e, 4 * $i, $($f)*);
            schedule.step::<W, { $i + 4 }>(1);
            round!(e a b c d, 4 * $i + 1, $($f)*);
            schedule.step::<W, { $i + 4 }>(2);
            round!(d e a b c, 4 * $i + 2, $($f)*);
            schedule.step::<W, { $i + 4 }>(3);
            round!(c d e a b, 4 * $i + 3, $($f)*);
            (a, b, c, d, e) = (b, c, d, e, a);
        };
    }
    // (b and c) + (d and not b)
    macro_rules! choose {
        ($($i:literal)*) => { $(
            four!($i, "add {e:e}, dword ptr [{wk} + {at}]" "andn {t:e}, {b:e}, {d:e}" "rorx {r:e}, {b:e}, 2" "add {e:e}, {t:e}"
                "rorx {u:e}, {a:e}, 27" "and {b:e}, {c:e}" "add {e:e}, {b:e}" "add {e:e}, {u:e}");
        )* };
    }
    // b xor (c xor d)
    macro_rules! parity {
        ($($i:literal)*) => { $(
            four!($i, "mov {t:e}, {c:e}" "rorx {r:e}, {b:e}, 2" "xor {t:e}, {d:e}" "add {e:e}, dword ptr [{wk} + {at}]"
                "xor {b:e}, {t:e}" "add {e:e}, {b:e}" "rorx {u:e}, {a:e}, 27" "add {e:e}, {u:e}");
        )* };
    }
    // (b and (c xor d)) + (c and d)
    macro_rules! majority {
        ($($i:literal)*) => { $(
            four!($i, "mov {t:e}, {c:e}" "xor {t:e}, {d:e}" "rorx {r:e}, {b:e}, 2" "and {b:e}, {t:e}" "andn {t:e}, {t:e}, {c:e}"
                "add {e:e}, dword ptr [{wk} + {at}]" "rorx {u:e}, {a:e}, 27" "add {e:e}, {b:e}" "add {e:e}, {t:e}"
                "add {e:e}, {u:e}");
        )* };
    }
    schedule.load::<0>(block);
    schedule.load::<1>(block);
    schedule.load::<2>(block);
    schedule.load::<3>(block);
    choose!(0 1 2 3 4);
    parity!(5 6 7 8 9);
    majority!(10 11 12 13 14);
    parity!(15 16 17 18 19);
    for (word, new) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(new);
    }
}
