//! HMAC-SHA1 (RFC 2104) with its key blocks hashed beforehand, over SHA-1's compression function.
//!
//! The compression is that of the `sha1` crate where the processor has SHA instructions, or is no x86-64; elsewhere ours
//! (see `vectors`), since the crate's takes 410 cycles a block there and ours 235. A voice packet is four blocks, and four
//! fifths of its cost are here.

#[cfg(target_arch = "x86_64")]
mod vectors;

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
        let (whole, rest) = blocks_of(data);
        // What is left, the tail, 0x80, zeros and the length in bits: one block or two. Made before the others are hashed: the
        // vectors that read it would wait for these small stores.
        let mut last = [[0; BLOCK]; 2];
        let flat = last.as_flattened_mut();
        let end = rest.len() + tail.len();
        copy(rest, flat);
        copy(tail, &mut flat[rest.len()..]);
        flat[end] = 0x80;
        let blocks = if end + 9 > BLOCK { 2 } else { 1 };
        let bits = 8 * (BLOCK + data.len() + tail.len()) as u64;
        flat[blocks * BLOCK - 8..blocks * BLOCK].copy_from_slice(&bits.to_be_bytes());
        let mut state = self.inner;
        (self.compress)(&mut state, whole);
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

/// In words, without a call: it is less than a block.
#[inline(always)]
fn copy(from: &[u8], to: &mut [u8]) {
    let (eights, rest) = from.split_at(from.len() & !7);
    let (to, end) = to.split_at_mut(eights.len());
    to.chunks_exact_mut(8).zip(eights.chunks_exact(8)).for_each(|(to, word)| to.copy_from_slice(word));
    match (rest.split_first_chunk::<4>(), end.split_first_chunk_mut::<4>()) {
        (Some((word, rest)), Some((to, end))) => {
            *to = *word;
            end.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
        }
        _ => end.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte),
    }
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
    if !is_x86_feature_detected!("sha") {
        return vectors::best().unwrap_or(sha1::block_api::compress);
    }
    sha1::block_api::compress
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_compression_is_that_of_the_crate() {
        let mut bytes = [0u8; BLOCK * 3];
        let mut theirs = H0;
        for round in 0..200u32 {
            for (n, b) in bytes.iter_mut().enumerate() {
                *b = b.wrapping_mul(31).wrapping_add((n as u32 * 7 + round) as u8);
            }
            let (blocks, _) = blocks_of(&bytes[..BLOCK * (round as usize % 4)]);
            let before = theirs;
            sha1::block_api::compress(&mut theirs, blocks);
            // Also those that would not be chosen here.
            for ours in compressions() {
                let mut state = before;
                ours(&mut state, blocks);
                assert_eq!(state, theirs, "round {round}");
            }
        }
    }

    fn compressions() -> impl Iterator<Item = Compress> {
        #[cfg(target_arch = "x86_64")]
        let more = vectors::all();
        #[cfg(not(target_arch = "x86_64"))]
        let more = [];
        more.into_iter().flatten().chain([compression()])
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
