//! DVI4: IMA ADPCM in packets of RFC 3551 section 4.5.1, four bits a sample.
//!
//! Each packet begins with the coder's state (predicted value in network byte order, index of the step,
//! a reserved octet), so that a lost one costs no more than itself. The first sample of each octet is in
//! its upper half.

/// Octets of the header.
pub const HEADER_BYTES: usize = 4;

const LAST_STEP: u8 = 88;
const INDEX_MOVES: [i8; 8] = [-1, -1, -1, -1, 2, 4, 6, 8];
const STEPS: [i32; LAST_STEP as usize + 1] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88,
    97, 107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658,
    724, 796, 876, 963, 1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660,
    4026, 4428, 4871, 5358, 5894, 6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818,
    18500, 20350, 22385, 24623, 27086, 29794, 32767,
];

/// Both directions' state: what was last reconstructed, and the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    predict: i16,
    index: u8,
}

impl State {
    /// An index beyond the table counts as its last.
    pub fn new(predict: i16, index: u8) -> State {
        State { predict, index: index.min(LAST_STEP) }
    }
    pub fn predict(&self) -> i16 {
        self.predict
    }
    pub fn index(&self) -> u8 {
        self.index
    }

    /// One packet: the header and two samples an octet, as many as both sides hold. After an odd number
    /// of samples the last one is said twice, since the format has only pairs. Octets written.
    pub fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        let Some((header, body)) = out.split_first_chunk_mut::<HEADER_BYTES>() else { return 0 };
        let [high, low] = self.predict.to_be_bytes();
        *header = [high, low, self.index, 0];
        HEADER_BYTES + self.encode_body(pcm, body)
    }

    /// The nibbles without a header: octets written.
    pub fn encode_body(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        for (pair, octet) in pcm.chunks(2).zip(out.iter_mut()) {
            let first = self.encode_sample(pair[0]);
            let second = self.encode_sample(*pair.last().unwrap_or(&pair[0]));
            *octet = first << 4 | second;
        }
        pcm.len().div_ceil(2).min(out.len())
    }

    /// One packet, from the state that its header says; samples written. A payload shorter than the header
    /// gives none.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        let Some((&[high, low, index, _], body)) = payload.split_first_chunk::<HEADER_BYTES>() else {
            return 0;
        };
        *self = State::new(i16::from_be_bytes([high, low]), index);
        self.decode_body(body, out)
    }

    /// Nibbles without a header: samples written.
    pub fn decode_body(&mut self, data: &[u8], out: &mut [i16]) -> usize {
        for (pair, &octet) in out.chunks_mut(2).zip(data) {
            pair[0] = self.decode_sample(octet >> 4);
            if let Some(second) = pair.get_mut(1) {
                *second = self.decode_sample(octet & 15);
            }
        }
        (2 * data.len()).min(out.len())
    }

    #[inline]
    fn encode_sample(&mut self, sample: i16) -> u8 {
        let step = STEPS[usize::from(self.index)];
        let mut left = i32::from(sample) - i32::from(self.predict);
        let mut code = 0;
        if left < 0 {
            code = 8;
            left = -left;
        }
        for (bit, part) in [(4, step), (2, step >> 1), (1, step >> 2)] {
            if left >= part {
                code |= bit;
                left -= part;
            }
        }
        self.decode_sample(code);
        code
    }

    #[inline]
    fn decode_sample(&mut self, code: u8) -> i16 {
        let step = STEPS[usize::from(self.index)];
        let part = |bit: u8, value: i32| if code & bit != 0 { value } else { 0 };
        let difference = (step >> 3) + part(4, step) + part(2, step >> 1) + part(1, step >> 2);
        let signed = if code & 8 != 0 { -difference } else { difference };
        self.predict = (i32::from(self.predict) + signed).clamp(-32_768, 32_767) as i16;
        self.index = self.index.saturating_add_signed(INDEX_MOVES[usize::from(code & 7)]).min(LAST_STEP);
        self.predict
    }
}
