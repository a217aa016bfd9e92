//! The 260 bits of a frame and their place in the 33 octets of RTP (RFC 3551 section 4.5.8.1): four bits of signature, then
//! every parameter with its most significant bit first.

/// Octets of a frame.
pub const BYTES: usize = 33;
/// What the upper half of the first octet says.
const SIGNATURE: u16 = 0xd;
/// Bits of the eight log area ratios.
const LAR_BITS: [u32; 8] = [6, 6, 5, 5, 4, 4, 3, 3];

/// What is said for a quarter of a frame: 40 samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quarter {
    /// How many samples back the pitch repeats: 40 to 120.
    pub lag: u16,
    /// And how strongly, as an index.
    pub gain: u16,
    /// Where the grid of pulses begins.
    pub grid: u16,
    /// The largest pulse, with three bits of exponent.
    pub block_max: u16,
    pub pulses: [u16; 13],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Frame {
    /// The filter's log area ratios as coded, none below 0.
    pub ratios: [u16; 8],
    pub quarters: [Quarter; 4],
}

impl Frame {
    /// None: the signature is not there.
    pub fn read(octets: &[u8; BYTES]) -> Option<Frame> {
        let mut bits = Reader { octets, at: 0 };
        if bits.take(4) != SIGNATURE {
            return None;
        }
        let mut frame = Frame { ratios: LAR_BITS.map(|n| bits.take(n)), ..Frame::default() };
        for quarter in &mut frame.quarters {
            *quarter = Quarter {
                lag: bits.take(7),
                gain: bits.take(2),
                grid: bits.take(2),
                block_max: bits.take(6),
                pulses: [(); 13].map(|()| bits.take(3)),
            };
        }
        Some(frame)
    }

    pub fn write(&self, octets: &mut [u8; BYTES]) {
        let mut bits = Writer { octets, at: 0, held: 0, held_bits: 0 };
        bits.put(SIGNATURE, 4);
        for (&ratio, count) in self.ratios.iter().zip(LAR_BITS) {
            bits.put(ratio, count);
        }
        for quarter in &self.quarters {
            bits.put(quarter.lag, 7);
            bits.put(quarter.gain, 2);
            bits.put(quarter.grid, 2);
            bits.put(quarter.block_max, 6);
            for &pulse in &quarter.pulses {
                bits.put(pulse, 3);
            }
        }
    }
}

struct Reader<'a> {
    octets: &'a [u8; BYTES],
    at: usize,
}

impl Reader<'_> {
    /// At most seven bits, so that two octets hold them all.
    fn take(&mut self, count: u32) -> u16 {
        let octet = |i: usize| u32::from(self.octets.get(i).copied().unwrap_or(0));
        let pair = octet(self.at / 8) << 8 | octet(self.at / 8 + 1);
        let value = pair >> (16 - self.at % 8 - count as usize);
        self.at += count as usize;
        (value & ((1 << count) - 1)) as u16
    }
}

struct Writer<'a> {
    octets: &'a mut [u8; BYTES],
    at: usize,
    held: u32,
    held_bits: u32,
}

impl Writer<'_> {
    fn put(&mut self, value: u16, count: u32) {
        self.held = self.held << count | u32::from(value) & ((1 << count) - 1);
        self.held_bits += count;
        while self.held_bits >= 8 {
            self.held_bits -= 8;
            if let Some(octet) = self.octets.get_mut(self.at) {
                *octet = (self.held >> self.held_bits) as u8;
            }
            self.at += 1;
        }
    }
}
