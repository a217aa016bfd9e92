//! Any writes and reads of a buffer placed by timestamps: every frame is counted once, and memory has a bound.

use super::bytes::Bytes;
use voip::media::pcm_buffer::PcmBuffer;

const SILENCE: u8 = 0x7e;

pub fn run(input: &[u8]) {
    let mut input = Bytes(input);
    let (frame_bytes, capacity) = (usize::from(input.byte()) % 5 + 1, usize::from(input.word()) % 3000 + 1);
    let mut buffer = PcmBuffer::new(frame_bytes, SILENCE, capacity).expect("a buffer");
    let mut told = Told { frame_bytes, capacity, ..Told::default() };
    let mut timestamp = u32::from(input.word()) << 16 | 0xff00;
    for _ in 0..400 {
        if input.is_empty() {
            return;
        }
        match input.byte() % 8 {
            0..=3 => told.write(&mut buffer, timestamp, input.piece()),
            4 | 5 => told.read(&mut buffer, usize::from(input.word()) % 4000),
            6 => match input.byte() {
                0 => buffer.reset(),
                n => buffer.set_rewind(u32::from(n) << (n % 25)),
            },
            // A step either way, small or as large as there is.
            _ => {
                let (step, shift) = (input.byte() as i8, u32::from(input.byte()) % 25);
                timestamp = timestamp.wrapping_add_signed(i32::from(step) << shift);
            }
        }
        told.check(&buffer);
    }
}

/// What was asked of the buffer.
#[derive(Default)]
struct Told {
    frame_bytes: usize,
    capacity: usize,
    given: u64,
    asked: u64,
    taken: u64,
    real: u64,
}

impl Told {
    fn write(&mut self, buffer: &mut PcmBuffer, timestamp: u32, bytes: &[u8]) {
        let frames = bytes.len() / self.frame_bytes;
        let taken = buffer.write(timestamp, bytes);
        assert!(taken <= frames);
        self.given += frames as u64;
        self.taken += taken as u64;
    }

    fn read(&mut self, buffer: &mut PcmBuffer, frames: usize) {
        let mut out = vec![0; frames * self.frame_bytes];
        let (there, at) = (buffer.available(), buffer.timestamp());
        let real = buffer.read(&mut out);
        let passed = frames.min(there);
        assert!(real <= passed);
        assert_eq!(buffer.available(), there - passed);
        assert_eq!(buffer.timestamp(), at.map(|at| at.wrapping_add(passed as u32)));
        assert!(out[passed * self.frame_bytes..].iter().all(|b| *b == SILENCE));
        self.asked += frames as u64;
        self.real += real as u64;
    }

    fn check(&self, buffer: &PcmBuffer) {
        let stats = buffer.stats();
        assert!(buffer.available() <= self.capacity);
        assert_eq!((stats.written, stats.read), (self.taken, self.real));
        assert_eq!(stats.written + stats.late, self.given);
        assert_eq!(stats.read + stats.holes + stats.padded, self.asked);
        // What is gone was there before.
        assert!(stats.overwritten + stats.dropped + stats.read <= stats.written);
    }
}
