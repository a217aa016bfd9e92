//! Sound placed by its RTP timestamp and read in order: a ring of frames addressed by the extended timestamp.
//!
//! Holes are silence, late data fills its hole, a jump back past a threshold starts over, the wrap of the timestamp at
//! 2^32 is nothing special, and memory is what it was made with. Driven by the stand-alone tools; no I/O, and after it was
//! made no allocation.

/// How far back a timestamp must jump to mean a new beginning, in frames, unless set otherwise.
pub const REWIND: u32 = 100_000;
/// Most bytes of one buffer.
pub const MAX_BYTES: usize = 64 << 20;
/// Where extended timestamps begin: far enough from 0 that nothing comes before it.
const ORIGIN: u64 = 1 << 33;

/// What happened to the frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PcmBufferStats {
    /// Taken in.
    pub written: u64,
    /// Of these, over others that were there.
    pub overwritten: u64,
    /// Not taken in: their place was read already.
    pub late: u64,
    /// Thrown away unread since newer ones needed the room.
    pub dropped: u64,
    /// Read, and real.
    pub read: u64,
    /// Silence read for holes between real ones.
    pub holes: u64,
    /// Silence read behind the last real one.
    pub padded: u64,
    /// How often a jump back started over.
    pub restarts: u64,
}

#[derive(Clone, Debug)]
pub struct PcmBuffer {
    /// Frame n stands at n modulo the capacity; what isn't filled is silence.
    data: Box<[u8]>,
    /// One bit a frame: it was written.
    filled: Box<[u64]>,
    frame_bytes: usize,
    capacity: usize,
    silence: u8,
    rewind: u32,
    /// Extended timestamps of the next frame to read and behind the last one written; None before the first write.
    place: Option<(u64, u64)>,
    /// Nothing was read since the first write: what comes before it may still move the beginning.
    fresh: bool,
    stats: PcmBufferStats,
}

impl PcmBuffer {
    /// None: a size of 0, or more than [`MAX_BYTES`].
    pub fn new(frame_bytes: usize, silence: u8, capacity: usize) -> Option<PcmBuffer> {
        let bytes = frame_bytes.checked_mul(capacity).filter(|b| (1..=MAX_BYTES).contains(b))?;
        Some(PcmBuffer {
            data: vec![silence; bytes].into(),
            filled: vec![0; capacity.div_ceil(64)].into(),
            frame_bytes,
            capacity,
            silence,
            rewind: REWIND,
            place: None,
            fresh: true,
            stats: PcmBufferStats::default(),
        })
    }

    /// Frames that a timestamp must jump back to start over; half the timestamps at most.
    pub fn set_rewind(&mut self, frames: u32) {
        self.rewind = frames.clamp(1, i32::MAX as u32);
    }
    pub fn stats(&self) -> PcmBufferStats {
        self.stats
    }
    /// Frames up to the last one written, holes included.
    pub fn available(&self) -> usize {
        self.place.map_or(0, |(read, end)| (end - read) as usize)
    }
    /// The timestamp that the next frame to read has.
    pub fn timestamp(&self) -> Option<u32> {
        self.place.map(|(read, _)| read as u32)
    }

    /// Forgets all frames; the next write is the first one.
    pub fn reset(&mut self) {
        self.data.fill(self.silence);
        self.filled.fill(0);
        self.place = None;
        self.fresh = true;
    }

    /// Puts whole frames at a timestamp (one tick a frame); how many were taken in.
    pub fn write(&mut self, timestamp: u32, bytes: &[u8]) -> usize {
        let frames = bytes.len() / self.frame_bytes;
        if frames == 0 {
            return 0;
        }
        let mut first = self.extend(timestamp);
        if self.place.is_some_and(|(read, _)| first + u64::from(self.rewind) <= read) {
            self.stats.restarts += 1;
            self.reset();
            first = ORIGIN + u64::from(timestamp);
        }
        let end = first + frames as u64;
        let (read, last) = self.place.unwrap_or((first, first));
        self.place = Some((read, last.max(end)));
        self.begin_earlier(first);
        self.make_room(end);
        let read = self.place.map_or(first, |(read, _)| read);
        let mut taken = 0;
        for (at, frame) in (first..end).zip(bytes.chunks_exact(self.frame_bytes)) {
            if at >= read {
                self.put(at, frame);
                taken += 1;
            }
        }
        self.stats.written += taken;
        self.stats.late += frames as u64 - taken;
        taken as usize
    }

    /// Fills `out` with the next frames and silence behind them; how many frames are real. Frames that were never
    /// written are passed over as silence up to the last one written, and wait behind it.
    pub fn read(&mut self, out: &mut [u8]) -> usize {
        out.fill(self.silence);
        let wanted = out.len() / self.frame_bytes;
        let Some((read, end)) = self.place else {
            self.stats.padded += wanted as u64;
            return 0;
        };
        let count = wanted.min((end - read) as usize);
        let mut real = 0;
        for (at, frame) in (read..).zip(out.chunks_exact_mut(self.frame_bytes)).take(count) {
            real += u64::from(self.take(at, Some(frame)));
        }
        self.place = Some((read + count as u64, end));
        self.fresh &= count == 0;
        self.stats.read += real;
        self.stats.holes += count as u64 - real;
        self.stats.padded += (wanted - count) as u64;
        real as usize
    }

    /// The extended timestamp nearest to the last one written.
    fn extend(&self, timestamp: u32) -> u64 {
        let Some((_, end)) = self.place else { return ORIGIN + u64::from(timestamp) };
        let distance = timestamp.wrapping_sub(end as u32) as i32;
        end.saturating_add_signed(i64::from(distance))
    }

    /// The first packets came out of order: as long as nothing was read the beginning moves to the earliest that fits.
    fn begin_earlier(&mut self, first: u64) {
        if let Some((read, end)) = self.place {
            let fits = (end - first.min(end)) as usize <= self.capacity;
            if self.fresh && first < read && fits {
                self.place = Some((first, end));
            }
        }
    }

    /// Throws the oldest frames away until those up to `end` fit.
    fn make_room(&mut self, end: u64) {
        let Some((read, last)) = self.place else { return };
        let oldest = end.saturating_sub(self.capacity as u64);
        if oldest <= read {
            return;
        }
        // More than a ring's worth of steps finds nothing.
        for at in (read..oldest).take(self.capacity) {
            let real = self.take(at, None);
            self.stats.dropped += u64::from(real);
        }
        self.place = Some((oldest, last));
    }

    fn put(&mut self, at: u64, frame: &[u8]) {
        let slot = (at % self.capacity as u64) as usize;
        // invariant: a slot is below the capacity, for which data and bits were made.
        self.data[slot * self.frame_bytes..][..self.frame_bytes].copy_from_slice(frame);
        let bit = 1 << (slot % 64);
        self.stats.overwritten += u64::from(self.filled[slot / 64] & bit != 0);
        self.filled[slot / 64] |= bit;
    }

    /// Empties a slot into `out`; whether it was real.
    fn take(&mut self, at: u64, out: Option<&mut [u8]>) -> bool {
        let slot = (at % self.capacity as u64) as usize;
        let bit = 1 << (slot % 64);
        // invariant: as in `put`.
        if self.filled[slot / 64] & bit == 0 {
            return false;
        }
        self.filled[slot / 64] &= !bit;
        let place = &mut self.data[slot * self.frame_bytes..][..self.frame_bytes];
        if let Some(out) = out {
            out.copy_from_slice(place);
        }
        place.fill(self.silence);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn buffer(capacity: usize) -> PcmBuffer {
        PcmBuffer::new(1, 0x80, capacity).expect("a buffer")
    }

    fn read(buffer: &mut PcmBuffer, frames: usize) -> (Vec<u8>, usize) {
        let mut out = vec![0; frames];
        let real = buffer.read(&mut out);
        (out, real)
    }

    #[test]
    fn a_hole_is_silence_until_late_data_fills_it() {
        let mut b = buffer(100);
        b.write(10, b"ab");
        b.write(14, b"ef");
        let mut other = b.clone();
        assert_eq!(read(&mut b, 8), (b"ab\x80\x80ef\x80\x80".to_vec(), 4));
        assert_eq!(other.write(12, b"cd"), 2);
        assert_eq!(read(&mut other, 6), (b"abcdef".to_vec(), 6));
        assert_eq!((b.stats().holes, b.stats().padded), (2, 2));
    }

    #[test]
    fn what_was_read_past_is_late_and_only_its_rest_is_taken() {
        let mut b = buffer(100);
        b.write(0, b"abcd");
        read(&mut b, 3);
        assert_eq!(b.write(1, b"xyzu"), 2);
        assert_eq!(read(&mut b, 2), (b"zu".to_vec(), 2));
        assert_eq!((b.stats().late, b.stats().overwritten), (2, 1));
    }

    #[test]
    fn reading_past_the_end_does_not_lose_what_comes_next() {
        let mut b = buffer(100);
        assert_eq!(read(&mut b, 2), (vec![0x80; 2], 0));
        b.write(5, b"a");
        read(&mut b, 50);
        b.write(6, b"b");
        assert_eq!(read(&mut b, 1), (b"b".to_vec(), 1));
    }

    #[test]
    fn packets_before_the_first_one_count_while_nothing_was_read() {
        let mut b = buffer(10);
        b.write(4, b"cd");
        b.write(2, b"ab");
        assert_eq!(read(&mut b, 4), (b"abcd".to_vec(), 4));
    }

    #[test]
    fn a_jump_back_past_the_threshold_starts_over_and_a_shorter_one_is_late() {
        let mut b = buffer(100);
        b.write(1_000_000, b"old");
        read(&mut b, 3);
        assert_eq!(b.write(1_000_003 - 99_999, b"x"), 0);
        assert_eq!(b.write(1_000_003 - 100_000, b"new"), 3);
        assert_eq!(read(&mut b, 3), (b"new".to_vec(), 3));
        assert_eq!(b.stats().restarts, 1);
        b.set_rewind(2);
        assert_eq!(b.write(900_004, b"again"), 5);
    }

    #[test]
    fn the_wrap_of_the_timestamp_is_nothing_special() {
        let mut b = buffer(100);
        b.write(u32::MAX - 1, b"ab");
        b.write(2, b"ef");
        b.write(0, b"cd");
        assert_eq!(b.timestamp(), Some(u32::MAX - 1));
        assert_eq!(read(&mut b, 6), (b"abcdef".to_vec(), 6));
        assert_eq!((b.timestamp(), b.stats().restarts), (Some(4), 0));
    }

    #[test]
    fn newer_frames_push_the_oldest_out_and_a_block_beyond_the_ring_keeps_its_end() {
        let mut b = buffer(4);
        b.write(0, b"abcd");
        b.write(4, b"ef");
        assert_eq!((b.available(), b.stats().dropped), (4, 2));
        b.write(6, b"0123456789");
        assert_eq!(read(&mut b, 4), (b"6789".to_vec(), 4));
        b.write(2_000_000_000, b"z");
        assert_eq!(read(&mut b, 4), (b"\x80\x80\x80z".to_vec(), 1));
    }

    #[test]
    fn frames_of_several_bytes_stay_whole_and_sizes_are_bounded() {
        let mut b = PcmBuffer::new(4, 0, 3).expect("a buffer");
        assert_eq!(b.write(7, &[1, 2, 3, 4, 5, 6, 7, 8, 9]), 2);
        assert_eq!(read(&mut b, 12), (vec![1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0], 2));
        assert!(PcmBuffer::new(0, 0, 3).is_none() && PcmBuffer::new(1, 0, 0).is_none());
        assert!(PcmBuffer::new(16, 0, MAX_BYTES).is_none());
    }

    proptest! {
        /// Against a map from timestamps to bytes, with one writer that never jumps far.
        #[test]
        fn it_reads_what_a_map_would_read(
            start in any::<u32>(),
            steps in proptest::collection::vec((0i64..60, 1usize..20, 0usize..30), 1..60),
        ) {
            let mut b = buffer(512);
            let mut map = std::collections::BTreeMap::new();
            let (mut next, mut end, mut value) = (0i64, 0i64, 0u8);
            b.write(start, &[0]);
            map.insert(0i64, 0u8);
            end += 1;
            for (back, len, wanted) in steps {
                let at = (end + 30 - back).max(0);
                let bytes: Vec<u8> = (0..len).map(|i| value.wrapping_add(i as u8) & 0x7f).collect();
                value = value.wrapping_add(31);
                b.write(start.wrapping_add(at as u32), &bytes);
                for (i, byte) in bytes.iter().enumerate().filter(|(i, _)| at + *i as i64 >= next) {
                    map.insert(at + i as i64, *byte);
                }
                end = end.max(at + len as i64);
                next = next.max(end - 512);
                let (out, _) = read(&mut b, wanted);
                for byte in out {
                    let expected = if next < end { map.get(&next).copied().unwrap_or(0x80) } else { 0x80 };
                    prop_assert_eq!(byte, expected);
                    next += i64::from(next < end);
                }
            }
        }
    }
}
