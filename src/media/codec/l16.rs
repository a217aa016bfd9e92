//! L16: samples of 16 bits in network byte order (RFC 3551 section 4.5.11), channels interleaved, left
//! first.

/// As many samples as both sides hold; octets written.
pub fn encode(pcm: &[i16], out: &mut [u8]) -> usize {
    for (octets, sample) in out.chunks_exact_mut(2).zip(pcm) {
        octets.copy_from_slice(&sample.to_be_bytes());
    }
    2 * pcm.len().min(out.len() / 2)
}

/// As many whole samples as both sides hold; samples written. A last odd octet is left away.
pub fn decode(data: &[u8], out: &mut [i16]) -> usize {
    for (sample, octets) in out.iter_mut().zip(data.chunks_exact(2)) {
        *sample = i16::from_be_bytes([octets[0], octets[1]]);
    }
    (data.len() / 2).min(out.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_upper_octet_goes_first() {
        let mut wire = [0; 4];
        assert_eq!(encode(&[0x1234, -2], &mut wire), 4);
        assert_eq!(wire, [0x12, 0x34, 0xff, 0xfe]);
    }

    #[test]
    fn half_a_sample_is_left_away() {
        let mut pcm = [7; 2];
        assert_eq!(decode(&[1, 2, 3], &mut pcm), 1);
        assert_eq!(pcm, [0x0102, 7]);
        assert_eq!(encode(&[1, 2], &mut [0; 3]), 2);
    }

    proptest! {
        #[test]
        fn what_is_decoded_is_what_was_encoded(pcm in proptest::collection::vec(any::<i16>(), 0..300)) {
            let mut wire = vec![0; 2 * pcm.len()];
            prop_assert_eq!(encode(&pcm, &mut wire), wire.len());
            let mut back = vec![0; pcm.len()];
            prop_assert_eq!(decode(&wire, &mut back), pcm.len());
            prop_assert_eq!(back, pcm);
        }
    }
}
