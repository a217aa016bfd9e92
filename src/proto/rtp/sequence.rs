//! Serial arithmetic on sequence numbers and timestamps, and the sequence rules of a receiver
//! (RFC 3550 appendix A.1).

/// A sequence number on the wire; compared modulo 2^16.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    #[must_use]
    pub const fn next(self) -> SequenceNumber {
        SequenceNumber(self.0.wrapping_add(1))
    }
    #[must_use]
    pub const fn add(self, n: u16) -> SequenceNumber {
        SequenceNumber(self.0.wrapping_add(n))
    }
    /// How far `self` is ahead of `other`; negative when it is behind.
    pub const fn distance(self, other: SequenceNumber) -> i16 {
        self.0.wrapping_sub(other.0) as i16
    }
    pub const fn is_after(self, other: SequenceNumber) -> bool {
        self.distance(other) > 0
    }
}

/// An RTP timestamp; compared modulo 2^32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Timestamp(pub u32);

impl Timestamp {
    #[must_use]
    pub const fn add(self, ticks: u32) -> Timestamp {
        Timestamp(self.0.wrapping_add(ticks))
    }
    #[must_use]
    pub const fn sub(self, ticks: u32) -> Timestamp {
        Timestamp(self.0.wrapping_sub(ticks))
    }
    /// How far `self` is ahead of `other` in ticks; negative when it is behind.
    pub const fn distance(self, other: Timestamp) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
    pub const fn is_after(self, other: Timestamp) -> bool {
        self.distance(other) > 0
    }
}

/// A sequence number with the count of its roll-overs: never wraps in the life of a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExtendedSequence(pub u64);

impl ExtendedSequence {
    /// The one nearest to `self` whose lower 16 bits are `sequence`.
    #[must_use]
    pub const fn nearest(self, sequence: SequenceNumber) -> ExtendedSequence {
        let ahead = sequence.distance(SequenceNumber(self.0 as u16));
        ExtendedSequence(self.0.wrapping_add(ahead as i64 as u64))
    }
    pub const fn sequence(self) -> SequenceNumber {
        SequenceNumber(self.0 as u16)
    }
}

/// RFC 3550 A.1: a gap of up to 3000 is loss.
pub const MAX_DROPOUT: u16 = 3000;
/// RFC 3550 A.1: up to 100 behind is reordering.
pub const MAX_MISORDER: u16 = 100;
/// RFC 3550 A.1: packets in sequence before a new source is believed.
pub const MIN_SEQUENTIAL: u8 = 2;

/// What [`SequenceTracker::update`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Part of the stream.
    Valid(ExtendedSequence),
    /// The source has not yet shown enough packets in order.
    Probation,
    /// Far away from the stream; the next one in order after it makes a restart.
    Jump,
    /// Two in order after a jump: the source has begun anew; counts were reset.
    Restart(ExtendedSequence),
}

/// The receiver's side of one source's sequence numbers: extension to 64 bits, probation, counts of what
/// was expected and received.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct SequenceTracker {
    // What every packet changes comes last.
    /// Where the counts begin.
    base: u64,
    expected_prior: u64,
    received_prior: u64,
    /// Highest seen. Starts at one cycle so that reordering at the start has room below.
    max: u64,
    received: u64,
    /// The sequence number after a jump that would prove a restart.
    bad: Option<SequenceNumber>,
    started: bool,
    probation: u8,
}

const FIRST_CYCLE: u64 = 1 << 16;

impl SequenceTracker {
    /// `min_sequential`: packets in order before the source is valid; 0 or 1 believes the first one, as is
    /// right where the source's address is known from signalling.
    pub fn new(min_sequential: u8) -> SequenceTracker {
        SequenceTracker {
            started: false,
            probation: min_sequential.max(1),
            base: 0,
            max: 0,
            bad: None,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
        }
    }

    fn restart(&mut self, at: u64) {
        self.base = at;
        self.max = at;
        self.bad = None;
        self.received = 0;
        self.expected_prior = 0;
        self.received_prior = 0;
    }

    pub fn update(&mut self, sequence: SequenceNumber) -> Verdict {
        if !self.started {
            self.started = true;
            self.restart(FIRST_CYCLE + u64::from(sequence.0));
            self.probation -= 1;
            return self.admit_first();
        }
        let max = ExtendedSequence(self.max);
        if self.probation > 0 {
            let expected = max.sequence().next();
            self.probation = if sequence == expected { self.probation - 1 } else { MIN_SEQUENTIAL - 1 };
            self.restart(max.nearest(sequence).0);
            return self.admit_first();
        }
        let ahead = sequence.distance(max.sequence());
        let extended = max.nearest(sequence);
        if ahead > -(MAX_MISORDER as i16) && ahead < MAX_DROPOUT as i16 {
            self.max = self.max.max(extended.0);
            self.bad = None;
            self.received += 1;
            return Verdict::Valid(extended);
        }
        if self.bad == Some(sequence) {
            // Continue above everything handed out so far: an extended number never comes twice.
            let at = (self.max | 0xffff) + 1 + u64::from(sequence.0);
            self.restart(at);
            self.received = 1;
            return Verdict::Restart(ExtendedSequence(at));
        }
        self.bad = Some(sequence.next());
        Verdict::Jump
    }

    /// The number that follows on the highest one of a source that is believed. `update` finds it valid.
    pub fn upcoming(&self) -> Option<ExtendedSequence> {
        (self.started && self.probation == 0).then(|| ExtendedSequence(self.max + 1))
    }

    fn admit_first(&mut self) -> Verdict {
        if self.probation > 0 {
            return Verdict::Probation;
        }
        self.received = 1;
        Verdict::Valid(ExtendedSequence(self.max))
    }

    /// Extended highest sequence number as a receiver report carries it.
    pub fn highest(&self) -> u32 {
        self.max.wrapping_sub(FIRST_CYCLE) as u32
    }
    pub fn received(&self) -> u64 {
        self.received
    }
    pub fn expected(&self) -> u64 {
        if self.started && self.probation == 0 {
            self.max - self.base + 1
        } else {
            0
        }
    }
    /// Never below zero here, though duplicates can hide loss (RFC 3550 section 6.4.1).
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }
    /// The fraction lost since the last call, in 1/256 (RFC 3550 A.3).
    pub fn take_fraction_lost(&mut self) -> u8 {
        let expected = self.expected();
        let interval = expected - self.expected_prior.min(expected);
        let received = self.received - self.received_prior.min(self.received);
        self.expected_prior = expected;
        self.received_prior = self.received;
        let lost = interval.saturating_sub(received);
        (lost << 8).checked_div(interval).unwrap_or(0).min(255) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_right_across_the_wrap() {
        assert_eq!(SequenceNumber(2).distance(SequenceNumber(65534)), 4);
        assert_eq!(SequenceNumber(65534).distance(SequenceNumber(2)), -4);
        assert!(SequenceNumber(0).is_after(SequenceNumber(65535)));
        assert_eq!(Timestamp(5).distance(Timestamp(u32::MAX)), 6);
        assert!(!Timestamp(u32::MAX).is_after(Timestamp(5)));
    }

    #[test]
    fn a_stream_extends_over_the_wrap_and_counts_what_was_lost() {
        let mut t = SequenceTracker::new(1);
        let Verdict::Valid(first) = t.update(SequenceNumber(65530)) else { panic!("believed at once") };
        for i in 1..100u16 {
            if i == 3 || i == 50 {
                continue;
            }
            let v = t.update(SequenceNumber(65530).add(i));
            assert_eq!(v, Verdict::Valid(ExtendedSequence(first.0 + u64::from(i))));
        }
        assert_eq!(t.expected(), 100);
        assert_eq!(t.lost(), 2);
        assert_eq!(t.take_fraction_lost(), 5);
        assert_eq!(t.take_fraction_lost(), 0);
    }

    #[test]
    fn reordering_right_at_the_start_does_not_underflow() {
        let mut t = SequenceTracker::new(1);
        t.update(SequenceNumber(1));
        assert_eq!(t.update(SequenceNumber(65535)), Verdict::Valid(ExtendedSequence(FIRST_CYCLE - 1)));
    }

    #[test]
    fn probation_wants_packets_in_order() {
        let mut t = SequenceTracker::new(MIN_SEQUENTIAL);
        assert_eq!(t.update(SequenceNumber(10)), Verdict::Probation);
        assert_eq!(t.update(SequenceNumber(500)), Verdict::Probation);
        assert!(matches!(t.update(SequenceNumber(501)), Verdict::Valid(_)));
        assert_eq!(t.received(), 1);
    }

    #[test]
    fn one_wild_packet_changes_nothing_and_two_in_order_restart() {
        let mut t = SequenceTracker::new(1);
        for s in 100..110 {
            t.update(SequenceNumber(s));
        }
        assert_eq!(t.update(SequenceNumber(40_000)), Verdict::Jump);
        assert!(matches!(t.update(SequenceNumber(110)), Verdict::Valid(_)));
        assert_eq!(t.update(SequenceNumber(50_000)), Verdict::Jump);
        let before = t.highest();
        assert!(matches!(t.update(SequenceNumber(50_001)), Verdict::Restart(e) if e.0 > u64::from(before)));
        assert_eq!(t.lost(), 0);
    }
}
