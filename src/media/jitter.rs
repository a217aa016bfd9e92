//! The receive buffer: orders packets, drops duplicates and what comes too late, says what is lost.
//!
//! Two verbs: `insert` on arrival, `next` on each playout tick; time is counted in ticks of the RTP clock.
//! When the ticks come is the business of [`super::playout`]. The adaptive buffer takes this place.
//! Storage is one block of equal slots, a few cache lines each, with the payloads of the usual codecs; larger payloads have a
//! block of their own, which grows when a larger packet comes than was foreseen.

use crate::proto::rtp::{ExtendedSequence, Timestamp};
use crate::util::pool::Row;
use crate::util::{prefetch, Time};

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inserted {
    Stored,
    Duplicate,
    /// Its place was played or given up already.
    Late,
}

/// What a playout tick shall do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Play the packet in this slot, then `release` it.
    Packet(usize),
    /// Lost, and a later packet waits: conceal one frame.
    Lost,
    /// The sender was silent here by its own timestamps: nothing for one frame.
    Hold,
    /// Nothing is waiting.
    Empty,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    sequence: u64,
    arrival: Time,
    timestamp: Timestamp,
    len: u16,
    payload_type: u8,
    state: SlotState,
}

/// A slot and its payload, if that is no larger.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Place {
    slot: Slot,
    payload: [u8; SMALL],
}

/// Three cache lines in all.
const SMALL: usize = 3 * 64 - size_of::<Slot>();

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SlotState {
    Free,
    Audio,
    /// A number that carries no audio (an event, comfort noise): takes no time.
    Skip,
}

/// The largest payload kept: a whole Ethernet frame's.
pub const MAX_PAYLOAD: usize = 1500;
const MIN_SLOTS: usize = 8;
const MAX_SLOTS: usize = 128;

#[derive(Debug)]
#[repr(C)]
pub struct JitterBuffer {
    // What every packet needs comes first, in one cache line.
    /// A power of two of them.
    places: Row<Place>,
    next_sequence: u64,
    highest: u64,
    /// Bit n: sequence `next_sequence - 1 - n` was played.
    played: u64,
    /// Packets with audio that wait.
    waiting: usize,
    next_timestamp: Timestamp,
    /// A silence by timestamps longer than this is a jump of the sender's clock.
    max_hold: u32,
    started: bool,
    /// Anything played since the start: before, an earlier packet may still move the start.
    played_any: bool,
    /// Nothing below this is welcome, even when the buffer begins anew.
    floor: u64,
    given_up: u64,
    /// Payloads that are too large for their places, so many bytes each.
    large: Box<[u8]>,
    large_bytes: usize,
}

impl JitterBuffer {
    /// Room for `slots` packets of `payload_bytes`; `max_hold` in ticks.
    pub fn new(slots: usize, payload_bytes: usize, max_hold: u32) -> JitterBuffer {
        let count = slots.clamp(MIN_SLOTS, MAX_SLOTS).next_power_of_two();
        let free = Slot {
            sequence: 0,
            arrival: Time::ZERO,
            timestamp: Timestamp(0),
            len: 0,
            payload_type: 0,
            state: SlotState::Free,
        };
        let large_bytes = if payload_bytes > SMALL { payload_bytes.min(MAX_PAYLOAD) } else { 0 };
        JitterBuffer {
            places: Row::of(Place { slot: free, payload: [0; SMALL] }, count),
            large: vec![0; count * large_bytes].into(),
            large_bytes,
            waiting: 0,
            started: false,
            played_any: false,
            next_sequence: 0,
            next_timestamp: Timestamp(0),
            highest: 0,
            played: 0,
            floor: 0,
            max_hold,
            given_up: 0,
        }
    }

    /// Empty, and any sequence may begin: another source.
    pub fn reset(&mut self) {
        self.pause();
        self.floor = 0;
    }

    /// Empty; what comes next of the same source begins anew, but nothing is played twice.
    pub fn pause(&mut self) {
        if self.played_any {
            self.floor = self.next_sequence;
        }
        for place in self.places.iter_mut() {
            place.slot.state = SlotState::Free;
        }
        self.waiting = 0;
        self.started = false;
        self.played_any = false;
        self.played = 0;
    }

    pub fn capacity(&self) -> usize {
        self.places.len()
    }
    /// Packets with audio that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }
    /// Packets that had to go unheard since the buffer was full.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }
    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        core::mem::size_of_val(&*self.places) + self.large.len()
    }

    fn at(&self, sequence: u64) -> usize {
        sequence as usize & (self.places.len() - 1)
    }
    fn slot(&self, sequence: u64) -> &Slot {
        &self.places[self.at(sequence)].slot
    }

    pub fn insert(
        &mut self,
        sequence: ExtendedSequence,
        timestamp: Timestamp,
        payload_type: u8,
        payload: &[u8],
        arrival: Time,
    ) -> Inserted {
        if self.append(sequence, timestamp, payload_type, payload, arrival) {
            return Inserted::Stored;
        }
        let len = payload.len().min(MAX_PAYLOAD);
        let i = match self.place(sequence.0, timestamp) {
            Ok(i) => i,
            Err(why) => return why,
        };
        self.places[i].slot = Slot {
            sequence: sequence.0,
            arrival,
            timestamp,
            len: len as u16,
            payload_type,
            state: SlotState::Audio,
        };
        if len > SMALL {
            self.grow(len);
            let from = i * self.large_bytes;
            self.large[from..from + len].copy_from_slice(&payload[..len]);
        } else {
            self.places[i].payload[..len].copy_from_slice(&payload[..len]);
        }
        self.waiting += 1;
        Inserted::Stored
    }

    /// `insert` in the usual case: the number behind all that came, a payload of the usual size, and room; false: it is not
    /// that, and nothing was done.
    pub fn append(
        &mut self,
        sequence: ExtendedSequence,
        timestamp: Timestamp,
        payload_type: u8,
        payload: &[u8],
        arrival: Time,
    ) -> bool {
        let (sequence, i) = (sequence.0, self.at(sequence.0));
        let room = self.next_sequence..self.next_sequence + self.places.len() as u64;
        let place = &mut self.places[i];
        let usual = self.started && sequence == self.highest + 1 && room.contains(&sequence);
        if !usual || place.slot.state != SlotState::Free || sequence < self.floor {
            return false;
        }
        let Some(to) = place.payload.get_mut(..payload.len()) else { return false };
        to.copy_from_slice(payload);
        let (len, state) = (payload.len() as u16, SlotState::Audio);
        place.slot = Slot { sequence, arrival, timestamp, len, payload_type, state };
        self.highest = sequence;
        self.waiting += 1;
        true
    }

    /// Notes a sequence number that carries no audio, so that it is not taken for a loss.
    pub fn skip(&mut self, sequence: ExtendedSequence) {
        if !self.started {
            return;
        }
        if let Ok(i) = self.place(sequence.0, self.next_timestamp) {
            let slot = &mut self.places[i].slot;
            (slot.sequence, slot.state) = (sequence.0, SlotState::Skip);
        }
    }

    /// The slot for a new sequence number, if it is welcome.
    fn place(&mut self, sequence: u64, timestamp: Timestamp) -> Result<usize, Inserted> {
        if sequence < self.floor {
            return Err(Inserted::Late);
        }
        if !self.started {
            self.started = true;
            self.next_sequence = sequence;
            self.next_timestamp = timestamp;
            self.highest = sequence;
        }
        if sequence < self.next_sequence {
            let behind = self.next_sequence - sequence;
            if self.played_any || self.highest - sequence >= self.places.len() as u64 {
                let heard = behind <= 64 && self.played >> (behind - 1) & 1 == 1;
                return Err(if heard { Inserted::Duplicate } else { Inserted::Late });
            }
            self.next_sequence = sequence;
            self.next_timestamp = timestamp;
        }
        let i = self.at(sequence);
        let slot = &self.places[i].slot;
        if slot.state != SlotState::Free && slot.sequence == sequence {
            return Err(Inserted::Duplicate);
        }
        if sequence >= self.next_sequence + self.places.len() as u64 {
            self.give_up_below(sequence + 1 - self.places.len() as u64);
        }
        self.highest = self.highest.max(sequence);
        Ok(i)
    }

    /// Makes room: everything below `sequence` goes unheard, and the oldest that is left plays next.
    fn give_up_below(&mut self, sequence: u64) {
        let mut dropped = 0;
        for Place { slot, .. } in self.places.iter_mut() {
            if slot.state != SlotState::Free && slot.sequence < sequence {
                dropped += u64::from(slot.state == SlotState::Audio);
                slot.state = SlotState::Free;
            }
        }
        self.waiting -= dropped as usize;
        self.given_up += dropped;
        self.advance_to(sequence);
        if let Some(i) = self.oldest() {
            self.next_timestamp = self.places[i].slot.timestamp;
        }
    }

    fn grow(&mut self, payload_bytes: usize) {
        if payload_bytes <= self.large_bytes {
            return;
        }
        let mut large = vec![0; self.places.len() * payload_bytes];
        for (new, old) in large.chunks_mut(payload_bytes).zip(self.large.chunks(self.large_bytes.max(1))) {
            new[..old.len()].copy_from_slice(old);
        }
        self.large = large.into();
        self.large_bytes = payload_bytes;
    }

    fn advance_to(&mut self, sequence: u64) {
        let n = sequence - self.next_sequence;
        self.played = if n >= 64 { 0 } else { self.played << n };
        self.next_sequence = sequence;
        self.played_any = true;
    }

    /// Has what is played next at hand, and the room of what came `ahead` packets later.
    pub fn prefetch(&self, ahead: u64) {
        prefetch(&self.places[self.at(self.next_sequence)]);
        prefetch(&self.places[self.at(self.next_sequence + ahead)]);
    }

    /// The number that comes next waits.
    pub fn has_next(&self) -> bool {
        let slot = self.slot(self.next_sequence);
        self.waiting > 0 && slot.state == SlotState::Audio && slot.sequence == self.next_sequence
    }

    /// The waiting audio packet with the lowest sequence number.
    fn oldest(&self) -> Option<usize> {
        if self.waiting == 0 {
            return None;
        }
        let span = (self.highest + 1).saturating_sub(self.next_sequence).min(self.places.len() as u64);
        (self.next_sequence..self.next_sequence + span).map(|s| self.at(s)).find(|&i| {
            let slot = &self.places[i].slot;
            slot.state == SlotState::Audio && slot.sequence >= self.next_sequence
        })
    }

    /// Steps over the numbers without audio that come next.
    fn step_over_skips(&mut self) {
        while self.started && self.next_sequence <= self.highest {
            let i = self.at(self.next_sequence);
            let slot = &mut self.places[i].slot;
            if slot.state != SlotState::Skip || slot.sequence != self.next_sequence {
                return;
            }
            slot.state = SlotState::Free;
            self.advance_to(self.next_sequence + 1);
        }
    }

    /// One playout tick of `frame` ticks.
    pub fn next(&mut self, frame: u32) -> Next {
        let first = self.at(self.next_sequence);
        if self.has_next() && self.places[first].slot.timestamp == self.next_timestamp {
            return Next::Packet(first);
        }
        self.step_over_skips();
        let Some(i) = self.oldest() else {
            self.next_timestamp = self.next_timestamp.add(frame);
            return Next::Empty;
        };
        let slot = self.places[i].slot;
        let lead = slot.timestamp.distance(self.next_timestamp);
        let due = lead <= (frame / 2) as i32 || lead > self.max_hold as i32;
        if due {
            return Next::Packet(i);
        }
        self.next_timestamp = self.next_timestamp.add(frame);
        if slot.sequence == self.next_sequence {
            return Next::Hold;
        }
        self.advance_to(self.next_sequence + 1);
        Next::Lost
    }

    /// The packet that was played `before` numbers before the next one, while nothing has come into its place.
    pub fn played(&self, before: u64) -> Option<usize> {
        let played = (1..=64).contains(&before) && self.played >> (before - 1) & 1 == 1;
        let sequence = self.next_sequence.checked_sub(before).filter(|_| played)?;
        let slot = self.slot(sequence);
        (slot.sequence == sequence && slot.state == SlotState::Free).then(|| self.at(sequence))
    }
    pub fn payload(&self, slot: usize) -> &[u8] {
        let (place, from) = (&self.places[slot], slot * self.large_bytes);
        let len = usize::from(place.slot.len);
        if len > SMALL {
            &self.large[from..from + len]
        } else {
            &place.payload[..len]
        }
    }
    pub fn payload_type(&self, slot: usize) -> u8 {
        self.places[slot].slot.payload_type
    }
    pub fn timestamp(&self, slot: usize) -> Timestamp {
        self.places[slot].slot.timestamp
    }
    pub fn arrival(&self, slot: usize) -> Time {
        self.places[slot].slot.arrival
    }

    /// The packet of this slot was played and took `ticks`.
    pub fn release(&mut self, slot: usize, ticks: u32) {
        let s = &mut self.places[slot].slot;
        s.state = SlotState::Free;
        let (next, timestamp) = (s.sequence + 1, s.timestamp.add(ticks));
        self.waiting -= 1;
        self.advance_to(next);
        self.played |= 1;
        self.next_timestamp = timestamp;
    }

    /// Throws away the packet that would be played next, to shorten the delay; true if there was one.
    pub fn drop_next(&mut self, frame: u32) -> bool {
        let Some(i) = self.oldest() else { return false };
        self.release(i, frame);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u32 = 160;

    fn put(b: &mut JitterBuffer, n: u64) -> Inserted {
        let ts = Timestamp((n as u32).wrapping_mul(FRAME));
        b.insert(ExtendedSequence(n), ts, 0, &[n as u8; 160], Time::ZERO)
    }
    fn play(b: &mut JitterBuffer) -> Option<u8> {
        match b.next(FRAME) {
            Next::Packet(i) => {
                let first = b.payload(i)[0];
                b.release(i, FRAME);
                Some(first)
            }
            _ => None,
        }
    }
    fn buffer() -> JitterBuffer {
        JitterBuffer::new(16, 160, 1600)
    }

    #[test]
    fn packets_leave_in_order_however_they_came() {
        let mut b = buffer();
        for n in [1001, 1000, 1003, 1002] {
            assert_eq!(put(&mut b, n), Inserted::Stored);
        }
        for n in 1000..1004u64 {
            assert_eq!(play(&mut b), Some(n as u8));
        }
        assert_eq!(b.next(FRAME), Next::Empty);
    }

    #[test]
    fn a_packet_is_played_once_and_a_late_one_is_told_from_a_duplicate() {
        let mut b = buffer();
        put(&mut b, 10);
        put(&mut b, 12);
        assert_eq!(put(&mut b, 12), Inserted::Duplicate);
        assert_eq!(play(&mut b), Some(10));
        assert_eq!(b.next(FRAME), Next::Lost);
        assert_eq!(play(&mut b), Some(12));
        assert_eq!(put(&mut b, 11), Inserted::Late);
        assert_eq!(put(&mut b, 12), Inserted::Duplicate);
        assert_eq!(put(&mut b, 10), Inserted::Duplicate);
    }

    #[test]
    fn a_packet_that_comes_after_its_tick_found_the_buffer_empty_is_still_played() {
        let mut b = buffer();
        put(&mut b, 10);
        assert_eq!(play(&mut b), Some(10));
        assert_eq!(b.next(FRAME), Next::Empty);
        assert_eq!(put(&mut b, 11), Inserted::Stored);
        assert_eq!(play(&mut b), Some(11));
    }

    #[test]
    fn numbers_without_audio_are_no_losses() {
        let mut b = buffer();
        put(&mut b, 10);
        b.skip(ExtendedSequence(11));
        b.skip(ExtendedSequence(12));
        let ts = Timestamp(11 * FRAME);
        b.insert(ExtendedSequence(13), ts, 0, &[13], Time::ZERO);
        assert_eq!(play(&mut b), Some(10));
        assert_eq!(play(&mut b), Some(13));
    }

    #[test]
    fn a_silence_by_timestamps_is_held_and_a_jump_of_the_clock_is_not() {
        let mut b = buffer();
        put(&mut b, 10);
        assert_eq!(play(&mut b), Some(10));
        b.insert(ExtendedSequence(11), Timestamp(13 * FRAME), 0, &[11], Time::ZERO);
        assert_eq!(b.next(FRAME), Next::Hold);
        assert_eq!(b.next(FRAME), Next::Hold);
        assert_eq!(play(&mut b), Some(11));
        b.insert(ExtendedSequence(12), Timestamp(9_000_000), 0, &[12], Time::ZERO);
        assert_eq!(play(&mut b), Some(12));
    }

    #[test]
    fn after_a_pause_nothing_is_heard_twice() {
        let mut b = buffer();
        put(&mut b, 10);
        assert_eq!(play(&mut b), Some(10));
        b.pause();
        assert_eq!(put(&mut b, 10), Inserted::Late);
        assert_eq!(put(&mut b, 30), Inserted::Stored);
        assert_eq!(play(&mut b), Some(30));
        b.reset();
        assert_eq!(put(&mut b, 5), Inserted::Stored);
    }

    #[test]
    fn the_buffer_is_bounded_and_the_newest_stay() {
        let mut b = buffer();
        for n in 0..1000 {
            put(&mut b, n);
        }
        assert_eq!(b.waiting(), 16);
        assert_eq!(b.given_up(), 984);
        assert_eq!(play(&mut b), Some(984u64 as u8));
    }

    #[test]
    fn a_larger_packet_makes_the_slots_grow_and_keeps_what_waits() {
        let mut b = buffer();
        put(&mut b, 1);
        b.insert(ExtendedSequence(2), Timestamp(2 * FRAME), 0, &[2; 480], Time::ZERO);
        assert_eq!(play(&mut b), Some(1));
        let Next::Packet(i) = b.next(FRAME) else { panic!("packet 2 waits") };
        assert_eq!(b.payload(i), [2; 480]);
    }

    #[test]
    fn any_order_of_arrivals_plays_each_number_at_most_once_and_upwards() {
        use crate::util::{Rng, SeededRng};
        for seed in 0..200 {
            let mut rng = SeededRng::new(seed);
            let mut b = buffer();
            let mut last = None;
            for step in 0..400u64 {
                let n = 100 + (step + rng.below(40)).saturating_sub(20);
                put(&mut b, n);
                if rng.below(3) > 0 {
                    if let Next::Packet(i) = b.next(FRAME) {
                        let seq = b.places[i].slot.sequence;
                        assert!(last < Some(seq), "seed {seed}");
                        last = Some(seq);
                        b.release(i, FRAME);
                    }
                }
                assert!(b.waiting() <= b.capacity(), "seed {seed}");
                let real = b.places.iter().filter(|p| p.slot.state == SlotState::Audio).count();
                assert_eq!(real, b.waiting(), "seed {seed}");
            }
        }
    }
}
