//! Scanning for line ends: lines are short, and what a general search pays before it starts is most of its cost there.

/// Where the first CR or LF is.
#[inline]
pub fn find_line_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = line_ends(block);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += BLOCK;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let place = rest.iter().position(|b| is_line_end(*b))?;
    Some(at + place)
}

const BLOCK: usize = 16;

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// A bit for each that is one.
#[cfg(target_arch = "x86_64")]
#[inline]
fn line_ends(block: &[u8; BLOCK]) -> u32 {
    use core::arch::x86_64::*;
    // SAFETY: SSE2 is part of the architecture; the load takes the 16 bytes of the block at any alignment.
    unsafe {
        let bytes = _mm_loadu_si128(block.as_ptr().cast());
        let returns = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\r' as i8));
        let feeds = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\n' as i8));
        _mm_movemask_epi8(_mm_or_si128(returns, feeds)) as u32
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn line_ends(block: &[u8; BLOCK]) -> u32 {
    block.iter().rev().fold(0, |bits, b| bits << 1 | u32::from(is_line_end(*b)))
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
                }
            }
        }
    }
}
