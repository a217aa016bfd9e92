//! WAV files as bytes: a view that reads the forms people have, and the header of one that is written.
//!
//! Reads PCM of 8 to 32 bit, float of 32 and 64 bit, A-law and µ-law, plain and extensible, with any number of
//! channels. Sizes that lie (streamed files say 0 or 2^32 - 1, cut files say too much) are taken as what is there.
//! Files are opened by the engine; nothing here does I/O.

use super::codec::g711;

/// Bytes of the header that [`Format::header`] writes at most.
pub const MAX_HEADER_BYTES: usize = 58;
/// Chunks to walk before `data`: a bound for files that are nothing but chunks.
const MAX_CHUNKS: usize = 256;
const MAX_CHANNELS: u16 = 64;

/// Why bytes are no WAV file that can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WavError {
    /// Byte offset in the file.
    pub offset: usize,
    pub expected: &'static str,
}

impl core::fmt::Display for WavError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.offset)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Integers; 8 bit unsigned, more bits signed little endian.
    Pcm,
    Float,
    Alaw,
    Ulaw,
}

impl Encoding {
    /// WAVE_FORMAT_*.
    const fn tag(self) -> u16 {
        match self {
            Encoding::Pcm => 1,
            Encoding::Float => 3,
            Encoding::Alaw => 6,
            Encoding::Ulaw => 7,
        }
    }
    const fn of_tag(tag: u16) -> Option<Encoding> {
        match tag {
            1 => Some(Encoding::Pcm),
            3 => Some(Encoding::Float),
            6 => Some(Encoding::Alaw),
            7 => Some(Encoding::Ulaw),
            _ => None,
        }
    }
}

/// How samples stand in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    pub encoding: Encoding,
    pub channels: u16,
    pub rate: u32,
    /// Of the container: 8, 16, 24, 32 or 64.
    pub bits: u16,
}

impl Format {
    /// 16 bit PCM.
    pub const fn pcm16(rate: u32, channels: u16) -> Format {
        Format { encoding: Encoding::Pcm, channels, rate, bits: 16 }
    }

    pub const fn frame_bytes(&self) -> usize {
        self.channels as usize * (self.bits / 8) as usize
    }

    fn is_readable(&self) -> bool {
        let bits = match self.encoding {
            Encoding::Pcm => matches!(self.bits, 8 | 16 | 24 | 32),
            Encoding::Float => matches!(self.bits, 32 | 64),
            Encoding::Alaw | Encoding::Ulaw => self.bits == 8,
        };
        bits && (1..=MAX_CHANNELS).contains(&self.channels) && (1..=768_000).contains(&self.rate)
    }

    /// The bytes before the samples for `data_bytes` of them; other formats than PCM have a `fact` chunk.
    /// A file that outgrows 2^32 bytes keeps the largest size that can be said.
    pub fn header(&self, data_bytes: u64) -> Vec<u8> {
        let data = u32::try_from(data_bytes).unwrap_or(u32::MAX - 64);
        let extra: u32 = if self.encoding == Encoding::Pcm { 0 } else { 14 };
        let frame = self.frame_bytes() as u32;
        let mut out = Vec::with_capacity(MAX_HEADER_BYTES);
        out.extend(b"RIFF");
        out.extend((36 + extra + data + (data & 1)).to_le_bytes());
        out.extend(b"WAVEfmt ");
        out.extend(if extra > 0 { 18u32 } else { 16 }.to_le_bytes());
        out.extend(self.encoding.tag().to_le_bytes());
        out.extend(self.channels.to_le_bytes());
        out.extend(self.rate.to_le_bytes());
        out.extend(self.rate.saturating_mul(frame).to_le_bytes());
        out.extend((frame as u16).to_le_bytes());
        out.extend(self.bits.to_le_bytes());
        if extra > 0 {
            out.extend([0, 0]);
            out.extend(b"fact");
            out.extend(4u32.to_le_bytes());
            out.extend((data / frame.max(1)).to_le_bytes());
        }
        out.extend(b"data");
        out.extend(data.to_le_bytes());
        out
    }
}

/// A WAV file in memory: its format and its samples.
#[derive(Clone, Copy, Debug)]
pub struct WavView<'a> {
    pub format: Format,
    data: &'a [u8],
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

impl<'a> WavView<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<WavView<'a>, WavError> {
        let fail = |offset, expected| WavError { offset, expected };
        if !bytes.starts_with(b"RIFF") && !bytes.starts_with(b"RF64") {
            return Err(fail(0, "RIFF"));
        }
        if bytes.get(8..12) != Some(b"WAVE") {
            return Err(fail(8, "WAVE"));
        }
        let mut at = 12;
        let mut format = None;
        for _ in 0..MAX_CHUNKS {
            let (Some(id), Some(size)) = (bytes.get(at..at + 4), u32_at(bytes, at + 4)) else {
                return Err(fail(at, "a data chunk"));
            };
            let body = at + 8;
            // A size beyond the end is that of a cut or streamed file: what is there counts.
            let end = body.saturating_add(size as usize).min(bytes.len());
            match id {
                b"fmt " => format = Some(parse_format(&bytes[body..end]).map_err(|e| fail(body, e))?),
                b"data" => {
                    let format: Format = format.ok_or(fail(at, "a fmt chunk before the data"))?;
                    let end = if size == 0 { bytes.len() } else { end };
                    let whole = (end - body) / format.frame_bytes() * format.frame_bytes();
                    return Ok(WavView { format, data: &bytes[body..body + whole] });
                }
                _ => {}
            }
            // Chunks are padded to even sizes.
            at = body.saturating_add(size as usize).saturating_add(size as usize & 1);
        }
        Err(fail(at, "a data chunk among the first 256"))
    }

    pub fn frames(&self) -> usize {
        self.data.len() / self.format.frame_bytes()
    }
    /// The samples as they stand in the file.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Frames from `first` on, as 16 bit with all channels in each, as many as `out` holds whole; how many frames.
    pub fn read(&self, first: usize, out: &mut [i16]) -> usize {
        let channels = usize::from(self.format.channels);
        let count = (out.len() / channels).min(self.frames().saturating_sub(first));
        let step = usize::from(self.format.bits / 8);
        let from = first.min(self.frames()) * self.format.frame_bytes();
        let samples = self.data[from..].chunks_exact(step);
        for (o, sample) in out[..count * channels].iter_mut().zip(samples) {
            *o = decode_sample(self.format.encoding, sample);
        }
        count
    }

    /// All frames as one channel: the mean of theirs.
    pub fn to_mono(&self) -> Vec<i16> {
        let step = usize::from(self.format.bits / 8);
        let channels = i32::from(self.format.channels);
        let frames = self.data.chunks_exact(self.format.frame_bytes());
        let mean = |frame: &[u8]| {
            let sum: i32 =
                frame.chunks_exact(step).map(|s| i32::from(decode_sample(self.format.encoding, s))).sum();
            (sum / channels) as i16
        };
        frames.map(mean).collect()
    }
}

/// A whole file as one channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wav {
    pub rate: u32,
    pub samples: Vec<i16>,
}

pub fn decode(bytes: &[u8]) -> Result<Wav, WavError> {
    let view = WavView::parse(bytes)?;
    Ok(Wav { rate: view.format.rate, samples: view.to_mono() })
}

fn parse_format(body: &[u8]) -> Result<Format, &'static str> {
    let short = "a fmt chunk of at least 16 bytes";
    let mut tag = u16_at(body, 0).ok_or(short)?;
    if tag == 0xfffe {
        // WAVE_FORMAT_EXTENSIBLE: the format is the beginning of the sub-format's GUID.
        tag = u16_at(body, 24).ok_or("an extensible fmt chunk of 40 bytes")?;
    }
    let encoding = Encoding::of_tag(tag).ok_or("PCM, float, A-law or \u{b5}-law")?;
    let bits = u16_at(body, 14).ok_or(short)?;
    let channels = u16_at(body, 2).ok_or(short)?;
    let rate = u32_at(body, 4).ok_or(short)?;
    // 12 or 20 valid bits stand in containers of 16 and 24.
    let bits = match encoding {
        Encoding::Pcm => bits.checked_next_multiple_of(8).ok_or("8 to 32 bits a sample")?,
        _ => bits,
    };
    let format = Format { encoding, channels, rate, bits };
    if format.is_readable() {
        Ok(format)
    } else {
        Err("1 to 64 channels, a rate up to 768 kHz, 8 to 32 bits a sample")
    }
}

/// One sample of the container's size.
fn decode_sample(encoding: Encoding, sample: &[u8]) -> i16 {
    match (encoding, sample) {
        (Encoding::Pcm, [b]) => (i16::from(*b) - 128) << 8,
        // Little endian: the two last bytes are the upper ones.
        (Encoding::Pcm, [.., low, high]) => i16::from_le_bytes([*low, *high]),
        (Encoding::Float, [a, b, c, d]) => from_float(f64::from(f32::from_le_bytes([*a, *b, *c, *d]))),
        (Encoding::Float, [a, b, c, d, e, f, g, h]) => {
            from_float(f64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
        }
        (Encoding::Alaw, [b]) => expand(g711::alaw_decode, *b),
        (Encoding::Ulaw, [b]) => expand(g711::ulaw_decode, *b),
        _ => 0,
    }
}

fn expand(decode: fn(&[u8], &mut [i16]) -> usize, code: u8) -> i16 {
    let mut out = [0];
    decode(&[code], &mut out);
    out[0]
}

/// Full scale is 1.0; NaN is silence.
fn from_float(value: f64) -> i16 {
    (value * 32768.0).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(format: Format, data: &[u8]) -> Vec<u8> {
        [&format.header(data.len() as u64)[..], data].concat()
    }

    fn samples(bytes: &[u8]) -> Vec<i16> {
        WavView::parse(bytes).unwrap().to_mono()
    }

    #[test]
    fn every_encoding_comes_out_as_16_bit() {
        let format = |encoding, bits| Format { encoding, channels: 1, rate: 8000, bits };
        assert_eq!(samples(&file(format(Encoding::Pcm, 8), &[0, 128, 255])), [-32768, 0, 32512]);
        assert_eq!(samples(&file(format(Encoding::Pcm, 16), &[0x34, 0x12, 0xff, 0xff])), [0x1234, -1]);
        assert_eq!(samples(&file(format(Encoding::Pcm, 24), &[9, 0x34, 0x12])), [0x1234]);
        assert_eq!(samples(&file(format(Encoding::Pcm, 32), &[9, 9, 0x34, 0x12])), [0x1234]);
        let floats: Vec<u8> = [0.5f32, -1.0, 2.0, f32::NAN].iter().flat_map(|f| f.to_le_bytes()).collect();
        assert_eq!(samples(&file(format(Encoding::Float, 32), &floats)), [16384, -32768, 32767, 0]);
        assert_eq!(samples(&file(format(Encoding::Float, 64), &0.25f64.to_le_bytes())), [8192]);
        assert_eq!(samples(&file(format(Encoding::Ulaw, 8), &[0xff, 0x00])), [0, -32124]);
        assert_eq!(samples(&file(format(Encoding::Alaw, 8), &[0xd5, 0x55])), [8, -8]);
    }

    #[test]
    fn two_channels_are_read_apart_or_as_their_mean() {
        let bytes = file(Format::pcm16(8000, 2), &[100, 0, 200, 0, 50, 0, 0, 0]);
        let wav = WavView::parse(&bytes).unwrap();
        assert_eq!((wav.frames(), wav.to_mono()), (2, vec![150, 25]));
        let mut out = [0; 3];
        assert_eq!((wav.read(1, &mut out), out), (1, [50, 0, 0]));
        assert_eq!(wav.read(9, &mut out), 0);
    }

    #[test]
    fn sizes_that_lie_give_what_is_there() {
        let honest = file(Format::pcm16(8000, 1), &[1, 0, 2, 0, 3]);
        for size in [0u32, 5, 1000, u32::MAX] {
            let mut bytes = honest.clone();
            bytes[40..44].copy_from_slice(&size.to_le_bytes());
            bytes[4..8].copy_from_slice(&size.to_le_bytes());
            assert_eq!(samples(&bytes), [1, 2], "data size {size}");
        }
    }

    #[test]
    fn chunks_before_the_data_and_an_extensible_format_are_passed() {
        let plain = file(Format::pcm16(16000, 1), &[7, 0]);
        let mut bytes = plain[..12].to_vec();
        bytes.extend(b"LIST\x03\0\0\0abc\0fmt \x28\0\0\0");
        let mut extensible = vec![0; 40];
        extensible[..16].copy_from_slice(&plain[20..36]);
        extensible[..2].copy_from_slice(&0xfffeu16.to_le_bytes());
        extensible[24] = 1;
        bytes.extend(extensible);
        bytes.extend(&plain[36..]);
        assert_eq!(samples(&bytes), [7]);
        assert_eq!(WavView::parse(&bytes).unwrap().format.rate, 16000);
    }

    #[test]
    fn what_is_no_wav_is_refused_with_its_place() {
        assert_eq!(WavView::parse(b"").unwrap_err().expected, "RIFF");
        assert_eq!(WavView::parse(b"RIFF\0\0\0\0AVI ").unwrap_err().offset, 8);
        assert_eq!(WavView::parse(b"RIFF\0\0\0\0WAVEdata\0\0\0\0").unwrap_err().offset, 12);
        let mut bytes = file(Format::pcm16(8000, 1), &[]);
        bytes[20] = 2;
        assert!(WavView::parse(&bytes).unwrap_err().expected.starts_with("PCM"));
        bytes[20] = 1;
        bytes[22] = 0;
        assert!(WavView::parse(&bytes).is_err(), "no channel");
    }

    proptest! {
        #[test]
        fn any_bytes_and_any_header_are_read_without_a_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200), fmt in any::<[u8; 16]>(),
        ) {
            let _ = WavView::parse(&bytes);
            let mut head = b"RIFF....WAVEfmt \x10\0\0\0".to_vec();
            head.extend(fmt);
            head.extend(b"data....");
            head.append(&mut bytes);
            if let Ok(wav) = WavView::parse(&head) {
                prop_assert_eq!(wav.to_mono().len(), wav.frames());
            }
        }
    }
}
