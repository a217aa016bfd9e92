//! RTP timestamps beside the audio that goes to the host: a small ring of marks, each "frame n of all that was
//! delivered has this timestamp". A mark is made where the timestamps do not follow from the one before, and once a
//! second; between them the reader counts. One writer, one reader, nothing allocates after the start.

use rtrb::{Consumer, Producer, RingBuffer};

/// Marks between writer and reader. Without room the audio itself is refused: wrong times are worse than none.
const MARKS: usize = 256;
/// Timestamps that are off by less than 1/250 s are a rounding or a clock that drifts, no jump.
const JUMP_PER_SECOND: u32 = 250;

#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Count of the frames delivered before this one.
    frame: u64,
    timestamp: u32,
    clock_rate: u32,
}

impl Mark {
    /// The timestamp so many frames of the host later.
    fn after(&self, frames: u64, host_rate: u32) -> u32 {
        let ticks = u128::from(frames) * u128::from(self.clock_rate) / u128::from(host_rate.max(1));
        self.timestamp.wrapping_add(ticks as u32)
    }
    fn is_jump(&self, expected: u32) -> bool {
        let off = self.timestamp.wrapping_sub(expected) as i32;
        off.unsigned_abs() > self.clock_rate / JUMP_PER_SECOND
    }
}

pub fn stamps(host_rate: u32) -> (StampWriter, StampReader) {
    let (producer, consumer) = RingBuffer::new(MARKS);
    let writer = StampWriter { ring: producer, host_rate, delivered: 0, last: None, owed: None };
    (writer, StampReader { ring: consumer, host_rate, taken: 0, current: None })
}

#[derive(Debug)]
pub struct StampWriter {
    ring: Producer<Mark>,
    host_rate: u32,
    delivered: u64,
    /// What the reader has been told last.
    last: Option<Mark>,
    /// What it must be told before the next frame.
    owed: Option<Mark>,
}

impl StampWriter {
    /// The next frame has this timestamp.
    pub fn set(&mut self, timestamp: u32, clock_rate: u32) {
        let mark = Mark { frame: self.delivered, timestamp, clock_rate };
        let known = self.last.filter(|last| {
            let passed = self.delivered - last.frame;
            let same = last.clock_rate == clock_rate && last.after(passed, self.host_rate) == timestamp;
            same && passed < u64::from(self.host_rate)
        });
        self.owed = if known.is_some() { None } else { Some(mark) };
    }

    /// To be called before frames are delivered; false: they must not be.
    pub fn publish(&mut self) -> bool {
        let Some(mark) = self.owed else { return true };
        if self.ring.push(mark).is_err() {
            return false;
        }
        self.last = Some(mark);
        self.owed = None;
        true
    }

    /// Frames were delivered, or thrown away: those behind these then come later than the count says.
    pub fn passed(&mut self, frames: usize, delivered: bool) {
        if delivered {
            self.delivered += frames as u64;
            return;
        }
        let here = self.owed.or_else(|| {
            let last = self.last?;
            let timestamp = last.after(self.delivered - last.frame, self.host_rate);
            Some(Mark { frame: self.delivered, timestamp, ..last })
        });
        self.owed = here.map(|m| Mark { timestamp: m.after(frames as u64, self.host_rate), ..m });
    }
}

#[derive(Debug)]
pub struct StampReader {
    ring: Consumer<Mark>,
    host_rate: u32,
    taken: u64,
    current: Option<Mark>,
}

impl StampReader {
    /// The timestamp of the next frame, and how many frames follow it without a jump.
    pub fn now(&mut self) -> (Option<u32>, usize) {
        while let Some(mark) = self.ring.peek().ok().copied().filter(|m| m.frame <= self.taken) {
            self.current = Some(mark);
            let _ = self.ring.pop();
        }
        (self.timestamp(), self.follow())
    }

    fn follow(&mut self) -> usize {
        let (host_rate, taken) = (self.host_rate, self.taken);
        let mut before = self.current;
        let waiting = self.ring.slots();
        let Ok(marks) = self.ring.read_chunk(waiting) else { return usize::MAX };
        let (first, second) = marks.as_slices();
        for mark in first.iter().chain(second) {
            let expected = before.map(|b| b.after(mark.frame.saturating_sub(b.frame), host_rate));
            if expected.is_none_or(|e| mark.is_jump(e)) {
                return usize::try_from(mark.frame.saturating_sub(taken)).unwrap_or(usize::MAX);
            }
            before = Some(*mark);
        }
        usize::MAX
    }

    fn timestamp(&self) -> Option<u32> {
        self.current.map(|c| c.after(self.taken.saturating_sub(c.frame), self.host_rate))
    }

    pub fn passed(&mut self, frames: usize) {
        self.taken += frames as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::super::host_ring::{add_stamps, host_rings};

    #[test]
    fn a_read_ends_where_the_timestamps_jump() {
        let (mut session, mut host) = host_rings(8000, 1600, 160);
        add_stamps(&mut session, &mut host.reader, 8000);
        for (timestamp, value) in [(1000u32, 1), (1160, 2), (9000, 3), (9160, 4)] {
            session.stamp(timestamp, 8000);
            session.deliver(&[value; 160]);
        }
        let mut out = [0; 1000];
        assert_eq!(host.reader.read_timed(&mut out[..100]), (100, Some(1000)));
        assert_eq!(host.reader.read_timed(&mut out), (220, Some(1100)));
        assert_eq!(host.reader.read_timed(&mut out[..200]), (200, Some(9000)));
        assert_eq!(out[160], 4);
        assert_eq!(host.reader.read_timed(&mut out), (120, Some(9200)));
        assert_eq!(host.reader.read_timed(&mut out), (0, None));
    }

    #[test]
    fn frames_that_were_made_up_and_the_wrap_have_the_timestamps_that_follow() {
        let (mut session, mut host) = host_rings(16_000, 3200, 160);
        add_stamps(&mut session, &mut host.reader, 16_000);
        session.stamp(u32::MAX - 79, 8000);
        session.deliver(&[1; 320]);
        session.deliver(&[0; 320]);
        session.stamp(240, 8000);
        session.deliver(&[2; 320]);
        let mut out = [0; 960];
        assert_eq!(host.reader.read_timed(&mut out[..480]), (480, Some(u32::MAX - 79)));
        assert_eq!(host.reader.read_timed(&mut out), (480, Some(160)));
    }

    #[test]
    fn after_an_overrun_the_times_are_those_of_what_is_heard() {
        let (mut session, mut host) = host_rings(8000, 320, 160);
        add_stamps(&mut session, &mut host.reader, 8000);
        let mut timestamp = 0;
        for _ in 0..10 {
            session.stamp(timestamp, 8000);
            session.deliver(&[1; 160]);
            timestamp += 160;
        }
        let mut out = [0; 320];
        assert_eq!(host.reader.read_timed(&mut out).0, 0);
        session.stamp(timestamp, 8000);
        session.deliver(&[2; 160]);
        assert_eq!(host.reader.read_timed(&mut out), (160, Some(1600)));
    }
}
