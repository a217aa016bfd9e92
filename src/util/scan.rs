//! Scanning short lines: what a general search pays before it starts is most of its cost there.

/// Where the first CR or LF is.
#[inline]
pub fn find_line_end(bytes: &[u8]) -> Option<usize> {
    find(bytes, line_ends, is_line_end)
}

/// Where that byte is first.
#[inline]
pub fn find_byte(bytes: &[u8], wanted: u8) -> Option<usize> {
    find(bytes, |block| equal(block, wanted), |byte| byte == wanted)
}

/// Where one of the three is first.
#[inline]
pub fn find_of_three(bytes: &[u8], wanted: [u8; 3]) -> Option<usize> {
    let [a, b, c] = wanted;
    find(bytes, |block| equal(block, a) | equal(block, b) | equal(block, c), |byte| wanted.contains(&byte))
}

/// By blocks, which answer with a bit for each hit; what is left by bytes.
#[inline]
fn find(bytes: &[u8], hits: impl Fn(&[u8; BLOCK]) -> u32, hit: impl Fn(u8) -> bool) -> Option<usize> {
    let mut at = 0;
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = hits(block);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += BLOCK;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let place = rest.iter().position(|b| hit(*b))?;
    Some(at + place)
}

const BLOCK: usize = 16;

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// A bit for each byte that ends a line.
#[inline]
fn line_ends(block: &[u8; BLOCK]) -> u32 {
    equal(block, b'\r') | equal(block, b'\n')
}

/// A bit for each byte that is `wanted`.
#[cfg(target_arch = "x86_64")]
#[inline]
fn equal(block: &[u8; BLOCK], wanted: u8) -> u32 {
    use core::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};
    // SAFETY: SSE2 is part of the architecture; the load takes the 16 bytes of the block at any alignment.
    unsafe {
        let bytes = _mm_loadu_si128(block.as_ptr().cast());
        _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted as i8))) as u32
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn equal(block: &[u8; BLOCK], wanted: u8) -> u32 {
    block.iter().rev().fold(0, |bits, byte| bits << 1 | u32::from(*byte == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_end_is_found_wherever_it_is() {
        for len in 0..70 {
            for at in 0..=len {
                for end in [b'\r', b'\n'] {
                    let mut text = vec![b'a'; len];
                    text.extend_from_slice(if at % 2 == 0 { b"\r\n" } else { b"" });
                    let mut expected = (at % 2 == 0).then_some(len);
                    if at < len {
                        text[at] = end;
                        expected = Some(at);
                    }
                    assert_eq!(find_line_end(&text), expected, "{text:?}");
                    assert_eq!(find_of_three(&text, [b'-', b'\n', b'\r']), expected, "{text:?}");
                    assert_eq!(find_byte(&text, end), text.iter().position(|b| *b == end), "{text:?}");
                }
            }
        }
    }
}
