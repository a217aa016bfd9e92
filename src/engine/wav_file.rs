//! A WAV file that is read for the stand-alone tools: all of it in memory, then frame by frame.

use super::call_play::read_bounded;
use super::error::{Error, ErrorKind, Result};
use crate::media::wav::{Format, WavView};

/// A file and how far it was read.
pub struct WavSource {
    bytes: Vec<u8>,
    format: Format,
    frames: usize,
    next: usize,
}

impl WavSource {
    pub fn open(path: &str) -> Result<WavSource> {
        let bytes = read_bounded(path)?;
        let (format, frames) = match WavView::parse(&bytes) {
            Ok(view) => (view.format, view.frames()),
            Err(e) => return Err(Error::new(ErrorKind::Codec, format!("{path} is no WAV file: {e}"))),
        };
        Ok(WavSource { bytes, format, frames, next: 0 })
    }

    pub fn format(&self) -> Format {
        self.format
    }
    pub fn frames(&self) -> usize {
        self.frames
    }
    pub fn position(&self) -> usize {
        self.next
    }
    /// The next frame to read; beyond the end is the end.
    pub fn seek(&mut self, frame: usize) {
        self.next = frame.min(self.frames);
    }

    /// Frames with all channels in each; 0 at the end.
    pub fn read(&mut self, out: &mut [i16]) -> usize {
        // The header was parsed before: only its walk is done again, a few dozen bytes as a rule.
        let count = WavView::parse(&self.bytes).map_or(0, |view| view.read(self.next, out));
        self.next += count;
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_in_pieces_and_again_from_a_place() {
        let path = std::env::temp_dir().join(format!("libvoip-wav-source-{}.wav", std::process::id()));
        let data: Vec<u8> = [1i16, 2, 3, 4, 5, 6].iter().flat_map(|s| s.to_le_bytes()).collect();
        let header = Format::pcm16(8000, 2).header(data.len() as u64);
        std::fs::write(&path, [header, data].concat()).expect("a file");
        let mut wav = WavSource::open(path.to_str().expect("a path")).expect("a WAV file");
        std::fs::remove_file(&path).expect("removed");
        let mut out = [0; 4];
        assert_eq!((wav.read(&mut out), out), (2, [1, 2, 3, 4]));
        assert_eq!((wav.read(&mut out), wav.read(&mut out), wav.position()), (1, 0, 3));
        wav.seek(1);
        assert_eq!((wav.read(&mut out), out), (2, [3, 4, 5, 6]));
        assert!(WavSource::open("/nowhere/at/all.wav").is_err());
    }
}
