//! Blocks of G.711 for processors with AVX2: sixteen samples at a time, by tables of sixteen bytes that a shuffle looks up,
//! and metered on the way.
//!
//! The segment of a value is the logarithm of its upper bits; a shift by it is a multiplication by a power of two.

use super::Law;
use crate::media::meter::Meter;
use core::arch::x86_64::*;

/// Samples that are coded at once.
pub const BLOCK: usize = 16;

/// What the table says of 0 to 15, in both halves of a vector.
#[target_feature(enable = "avx2")]
fn table(bytes: [u8; 16]) -> __m256i {
    let low = i128::from_le_bytes(bytes);
    _mm256_set_epi64x((low >> 64) as i64, low as i64, (low >> 64) as i64, low as i64)
}

/// Codes of whole blocks, of as many as both sides hold; how many samples.
#[target_feature(enable = "avx2")]
pub fn encode(law: Law, pcm: &[i16], out: &mut [u8], meter: &mut Meter) -> usize {
    match law {
        Law::Mu => encode_as::<true>(pcm, out, meter),
        Law::A => encode_as::<false>(pcm, out, meter),
    }
}

#[target_feature(enable = "avx2")]
pub fn decode(law: Law, codes: &[u8], out: &mut [i16], meter: &mut Meter) -> usize {
    match law {
        Law::Mu => decode_as::<true>(codes, out, meter),
        Law::A => decode_as::<false>(codes, out, meter),
    }
}

#[target_feature(enable = "avx2")]
fn encode_as<const MU: bool>(pcm: &[i16], out: &mut [u8], meter: &mut Meter) -> usize {
    let mut wide = Wide::new();
    let blocks = pcm.len().min(out.len()) / BLOCK;
    for (samples, codes) in pcm.chunks_exact(BLOCK).zip(out.chunks_exact_mut(BLOCK)) {
        // SAFETY: the block has the 32 bytes that are loaded.
        let x = unsafe { _mm256_loadu_si256(samples.as_ptr().cast()) };
        wide.add(x);
        let words = if MU { ulaw_codes(x) } else { alaw_codes(x) };
        let bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
        // SAFETY: the block has room for the 16 bytes that are stored.
        unsafe { _mm_storeu_si128(codes.as_mut_ptr().cast(), bytes) };
    }
    wide.tell(meter, blocks * BLOCK);
    blocks * BLOCK
}

#[target_feature(enable = "avx2")]
fn decode_as<const MU: bool>(codes: &[u8], out: &mut [i16], meter: &mut Meter) -> usize {
    let mut wide = Wide::new();
    let blocks = codes.len().min(out.len()) / BLOCK;
    for (codes, samples) in codes.chunks_exact(BLOCK).zip(out.chunks_exact_mut(BLOCK)) {
        // SAFETY: the block has the 16 bytes that are loaded.
        let bytes = unsafe { _mm_loadu_si128(codes.as_ptr().cast()) };
        let words = _mm256_cvtepu8_epi16(bytes);
        let x = if MU { ulaw_values(words) } else { alaw_values(words) };
        wide.add(x);
        // SAFETY: the block has room for the 32 bytes that are stored.
        unsafe { _mm256_storeu_si256(samples.as_mut_ptr().cast(), x) };
    }
    wide.tell(meter, blocks * BLOCK);
    blocks * BLOCK
}

/// Sign in bit 7 as the coded words have it (set: not negative), and the magnitude by one's complement.
#[target_feature(enable = "avx2")]
fn split(x: __m256i) -> (__m256i, __m256i) {
    let sign = _mm256_srai_epi16::<15>(x);
    (_mm256_and_si256(sign, _mm256_set1_epi16(0x80)), _mm256_xor_si256(x, sign))
}

/// What two tables say of the lower and the upper half of each word's lower byte, the larger of both.
#[target_feature(enable = "avx2")]
fn logarithm(n: __m256i, low: [u8; 16], high: [u8; 16]) -> __m256i {
    let low = _mm256_shuffle_epi8(table(low), _mm256_and_si256(n, _mm256_set1_epi16(15)));
    let high = _mm256_shuffle_epi8(table(high), _mm256_srli_epi16::<4>(n));
    _mm256_max_epu8(low, high)
}

/// Each word shifted to the right by 16 minus the exponent that the table has (as a power of two, in its upper byte).
#[target_feature(enable = "avx2")]
fn shifted(x: __m256i, segment: __m256i, powers: [u8; 16]) -> __m256i {
    // An index with bit 7 set gives 0: the lower bytes.
    let index = _mm256_or_si256(_mm256_slli_epi16::<8>(segment), _mm256_set1_epi16(0x80));
    _mm256_mulhi_epu16(x, _mm256_shuffle_epi8(table(powers), index))
}

#[target_feature(enable = "avx2")]
fn ulaw_codes(x: __m256i) -> __m256i {
    let (sign, magnitude) = split(x);
    let magnitude = _mm256_add_epi16(_mm256_srli_epi16::<2>(magnitude), _mm256_set1_epi16(33));
    let magnitude = _mm256_min_epi16(magnitude, _mm256_set1_epi16(0x1fff));
    let segment = logarithm(
        _mm256_srli_epi16::<5>(magnitude),
        [0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3],
        [0, 4, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7],
    );
    // By the segment and one more: 16 to 31 is left.
    let mantissa = shifted(magnitude, segment, [128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    let code = _mm256_add_epi16(_mm256_slli_epi16::<4>(segment), mantissa);
    let code = _mm256_sub_epi16(code, _mm256_set1_epi16(16));
    _mm256_xor_si256(_mm256_xor_si256(code, _mm256_set1_epi16(0xff)), sign)
}

#[target_feature(enable = "avx2")]
fn alaw_codes(x: __m256i) -> __m256i {
    let (sign, magnitude) = split(x);
    let magnitude = _mm256_srli_epi16::<4>(magnitude);
    let segment = logarithm(
        _mm256_srli_epi16::<4>(magnitude),
        [0, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4],
        [0, 5, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
    );
    // By the segment less one, but in segment 0, after a shift to the left by one.
    let twice = _mm256_add_epi16(magnitude, magnitude);
    let mantissa = shifted(twice, segment, [128, 128, 64, 32, 16, 8, 4, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mantissa = _mm256_and_si256(mantissa, _mm256_set1_epi16(15));
    let code = _mm256_add_epi16(_mm256_slli_epi16::<4>(segment), mantissa);
    _mm256_xor_si256(_mm256_xor_si256(code, _mm256_set1_epi16(0xd5)), sign)
}

/// Bits 4 to 6.
#[target_feature(enable = "avx2")]
fn segment_of(code: __m256i) -> __m256i {
    _mm256_and_si256(_mm256_srli_epi16::<4>(code), _mm256_set1_epi16(7))
}
#[target_feature(enable = "avx2")]
fn mantissa_of(code: __m256i) -> __m256i {
    _mm256_and_si256(code, _mm256_set1_epi16(15))
}
/// The magnitude, negative where bit 7 of `sign` is set.
#[target_feature(enable = "avx2")]
fn signed(magnitude: __m256i, sign: __m256i) -> __m256i {
    _mm256_sign_epi16(magnitude, _mm256_or_si256(_mm256_slli_epi16::<8>(sign), _mm256_set1_epi16(1)))
}

#[target_feature(enable = "avx2")]
fn ulaw_values(code: __m256i) -> __m256i {
    let code = _mm256_xor_si256(code, _mm256_set1_epi16(0xff));
    let powers = table([1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0]);
    let index = _mm256_or_si256(segment_of(code), _mm256_set1_epi16(0x8000_u16 as i16));
    let bias = _mm256_set1_epi16(132);
    let step = _mm256_add_epi16(_mm256_slli_epi16::<3>(mantissa_of(code)), bias);
    let value = _mm256_mullo_epi16(step, _mm256_shuffle_epi8(powers, index));
    signed(_mm256_sub_epi16(value, bias), code)
}

#[target_feature(enable = "avx2")]
fn alaw_values(code: __m256i) -> __m256i {
    let code = _mm256_xor_si256(code, _mm256_set1_epi16(0x55));
    // Below the powers, and from 8 on whether there is the bit above the mantissa.
    let tables = table([1, 1, 2, 4, 8, 16, 32, 64, 0, 1, 1, 1, 1, 1, 1, 1]);
    let segment = segment_of(code);
    let index = _mm256_or_si256(_mm256_slli_epi16::<8>(segment), segment);
    let found = _mm256_shuffle_epi8(tables, _mm256_or_si256(index, _mm256_set1_epi16(0x800)));
    let bias = _mm256_and_si256(found, _mm256_set1_epi16(0x100));
    let low = _mm256_or_si256(_mm256_slli_epi16::<4>(mantissa_of(code)), _mm256_set1_epi16(8));
    let power = _mm256_and_si256(found, _mm256_set1_epi16(0xff));
    let value = _mm256_mullo_epi16(_mm256_add_epi16(low, bias), power);
    signed(value, _mm256_xor_si256(code, _mm256_set1_epi16(0x80)))
}

/// The meter of sixteen samples at a time.
struct Wide {
    peaks: __m256i,
    sums: __m256i,
}

impl Wide {
    #[target_feature(enable = "avx2")]
    fn new() -> Wide {
        Wide { peaks: _mm256_setzero_si256(), sums: _mm256_setzero_si256() }
    }

    #[target_feature(enable = "avx2")]
    fn add(&mut self, x: __m256i) {
        // Of -32768 as of 32768, which it is as an unsigned number.
        self.peaks = _mm256_max_epu16(self.peaks, _mm256_abs_epi16(x));
        // Two squares together reach 2^31: right as unsigned numbers.
        let squares = _mm256_madd_epi16(x, x);
        let low = _mm256_blend_epi32::<0b1010_1010>(squares, _mm256_setzero_si256());
        let high = _mm256_srli_epi64::<32>(squares);
        self.sums = _mm256_add_epi64(self.sums, _mm256_add_epi64(low, high));
    }

    #[target_feature(enable = "avx2")]
    fn tell(&self, meter: &mut Meter, samples: usize) {
        let halves = (_mm256_castsi256_si128(self.peaks), _mm256_extracti128_si256::<1>(self.peaks));
        let ones = _mm_set1_epi16(-1);
        let least = _mm_minpos_epu16(_mm_xor_si128(_mm_max_epu16(halves.0, halves.1), ones));
        let sums = _mm_add_epi64(_mm256_castsi256_si128(self.sums), _mm256_extracti128_si256::<1>(self.sums));
        let energy = (_mm_cvtsi128_si64(sums) as u64).wrapping_add(_mm_extract_epi64::<1>(sums) as u64);
        meter.add(!(_mm_cvtsi128_si32(least) as u16), energy, samples);
    }
}
