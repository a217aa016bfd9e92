//! Deadlines in O(1): a wheel of slots for what is due soon, a heap for what is far away.
//!
//! What is due within one slot fires together, at the end of the slot: that is how deadlines become batches. Nothing
//! is ever removed; an owner whose deadline has moved enters it again and ignores the old one when it fires.

use super::{Key, Time};
use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BinaryHeap;

/// A slot's width: what is late by less is on time.
pub const SLOT: Duration = Duration::from_micros(500);
const SLOT_NS: u64 = SLOT.as_nanos() as u64;
/// 256 ms of slots; a power of two.
const SLOTS: usize = 512;

#[derive(Debug)]
pub struct Wheel {
    slots: Box<[Vec<(Time, Key)>]>,
    /// The room of slots that have fired, for the next ones that are needed: there is as much as is needed at once.
    spare: Vec<Vec<(Time, Key)>>,
    /// The slot that fires next, counted from the origin of time. Everything before has fired.
    cursor: u64,
    /// Entries in the slots.
    near: usize,
    far: BinaryHeap<Reverse<(Time, Key)>>,
}

/// The slot at whose end an instant has come.
fn slot_of(at: Time) -> u64 {
    at.as_nanos().div_ceil(SLOT_NS)
}

impl Wheel {
    pub fn new(now: Time) -> Wheel {
        let slots = (0..SLOTS).map(|_| Vec::new()).collect();
        Wheel { slots, spare: Vec::new(), cursor: slot_of(now), near: 0, far: BinaryHeap::new() }
    }

    /// When a deadline fires: at the end of its slot, or of so many slots that are taken together.
    pub fn fires_at(at: Time, together: u32) -> Time {
        let span = SLOT_NS * u64::from(together.max(1));
        Time::from_nanos(at.as_nanos().div_ceil(span).saturating_mul(span))
    }

    pub fn insert(&mut self, at: Time, key: Key) {
        let slot = slot_of(at).max(self.cursor);
        if slot - self.cursor >= SLOTS as u64 {
            self.far.push(Reverse((at, key)));
            return;
        }
        let entries = &mut self.slots[slot as usize % SLOTS];
        if entries.capacity() == 0 {
            *entries = self.spare.pop().unwrap_or_default();
        }
        entries.push((at, key));
        self.near += 1;
    }

    /// When something fires next; the end of its slot.
    pub fn next(&self) -> Option<Time> {
        let near = self.next_slot().map(|slot| Time::from_nanos(slot * SLOT_NS));
        let far = self.far.peek().map(|Reverse((at, _))| *at);
        match (near, far) {
            (Some(near), Some(far)) => Some(near.min(far)),
            (near, far) => near.or(far),
        }
    }

    /// The `n`th of those that fire with the next slot, as far as they are known.
    pub fn upcoming(&self, n: usize) -> Option<Key> {
        let slot = self.slots.get(self.cursor as usize % SLOTS)?;
        slot.get(n).map(|(_, key)| *key)
    }

    fn next_slot(&self) -> Option<u64> {
        if self.near == 0 {
            return None;
        }
        let upcoming = self.cursor..self.cursor + SLOTS as u64;
        upcoming.into_iter().find(|slot| !self.slots[*slot as usize % SLOTS].is_empty())
    }

    /// Appends all that is due at `now` to `out`, slot by slot; within a slot in the order of entry.
    pub fn due(&mut self, now: Time, out: &mut Vec<(Time, Key)>) {
        let reached = now.as_nanos() / SLOT_NS;
        // After a long stall each slot is looked at once.
        let last = reached.min(self.cursor.saturating_add(SLOTS as u64 - 1));
        let mut slot = self.cursor;
        while slot <= last && self.near > 0 {
            let entries = &mut self.slots[slot as usize % SLOTS];
            if !entries.is_empty() {
                self.near -= entries.len();
                out.append(entries);
                self.spare.push(core::mem::take(entries));
            }
            slot += 1;
        }
        self.cursor = self.cursor.max(reached.saturating_add(1));
        while let Some(Reverse((at, key))) = self.far.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.far.pop();
            out.push((at, key));
        }
    }

    /// Gives back the room that a crowd needed. Blocks made small would hold the pages where they were large.
    pub fn shrink(&mut self) {
        self.spare = Vec::new();
        self.far.shrink_to_fit();
        self.slots.iter_mut().filter(|slot| slot.is_empty()).for_each(|slot| *slot = Vec::new());
    }

    pub fn len(&self) -> usize {
        self.near + self.far.len()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Rng, SeededRng};
    use super::*;

    fn key(n: u32) -> Key {
        Key::from_u64(1 << 32 | u64::from(n))
    }
    fn us(us: u64) -> Time {
        Time::from_nanos(us * 1000)
    }
    fn due(wheel: &mut Wheel, now: Time) -> Vec<usize> {
        let mut out = Vec::new();
        wheel.due(now, &mut out);
        out.into_iter().map(|(_, key)| key.index()).collect()
    }

    #[test]
    fn deadlines_of_one_slot_fire_together_at_its_end() {
        let mut wheel = Wheel::new(us(10_000));
        wheel.insert(us(10_600), key(1));
        wheel.insert(us(10_900), key(2));
        wheel.insert(us(11_100), key(3));
        assert_eq!(wheel.next(), Some(us(11_000)));
        assert_eq!(due(&mut wheel, us(10_999)), []);
        assert_eq!(due(&mut wheel, us(11_000)), [1, 2]);
        assert_eq!(wheel.next(), Some(us(11_500)));
        assert_eq!(due(&mut wheel, us(20_000)), [3]);
        assert_eq!((wheel.next(), wheel.len()), (None, 0));
    }

    #[test]
    fn slots_that_are_taken_together_end_together() {
        assert_eq!(Wheel::fires_at(us(10_600), 1), us(11_000));
        assert_eq!([10_001, 10_500, 10_501, 11_000].map(|at| Wheel::fires_at(us(at), 2)), [us(11_000); 4]);
        assert_eq!(Wheel::fires_at(us(11_001), 2), us(12_000));
    }

    #[test]
    fn what_is_over_already_fires_with_the_next_slot() {
        let mut wheel = Wheel::new(us(10_000));
        assert_eq!(due(&mut wheel, us(12_000)), []);
        wheel.insert(us(3_000), key(1));
        assert!(wheel.next().expect("it is in") <= us(12_500));
        assert_eq!(due(&mut wheel, us(12_500)), [1]);
    }

    #[test]
    fn far_deadlines_wait_beside_the_wheel() {
        let mut wheel = Wheel::new(us(0));
        wheel.insert(us(30_000_000), key(1));
        wheel.insert(us(300_000), key(2));
        assert_eq!(wheel.next(), Some(us(300_000)));
        assert_eq!(due(&mut wheel, us(299_999)), []);
        assert_eq!(due(&mut wheel, us(300_000)), [2]);
        assert_eq!(due(&mut wheel, us(40_000_000)), [1]);
    }

    #[test]
    fn every_deadline_fires_once_and_never_early_or_a_slot_late() {
        for seed in 0..50 {
            let mut rng = SeededRng::new(seed);
            let (mut wheel, mut now) = (Wheel::new(us(7)), us(7));
            let (mut entered, mut waiting) = (0, std::collections::BTreeMap::new());
            let mut out = Vec::new();
            for _ in 0..2000 {
                if rng.below(2) == 0 {
                    let at = now + Duration::from_nanos(rng.below(400_000_000));
                    wheel.insert(at, key(entered));
                    waiting.insert(key(entered), at);
                    entered += 1;
                }
                now += Duration::from_nanos(rng.below(3_000_000));
                out.clear();
                wheel.due(now, &mut out);
                for (at, key) in out.drain(..) {
                    assert!(at <= now, "seed {seed}");
                    assert_eq!(waiting.remove(&key), Some(at), "seed {seed}");
                }
                assert!(waiting.values().all(|at| *at + SLOT > now), "seed {seed}: one is late");
                assert_eq!(wheel.len(), waiting.len(), "seed {seed}");
            }
        }
    }

    #[test]
    fn a_rhythm_takes_room_for_the_slots_that_are_full_at_once_and_for_no_more() {
        let (mut wheel, mut out) = (Wheel::new(us(0)), Vec::new());
        (0..400).for_each(|n| wheel.insert(us(u64::from(n % 40) * 500), key(n)));
        for turn in 1..4000u64 {
            wheel.due(us(turn * 500), &mut out);
            out.drain(..).for_each(|(at, key)| wheel.insert(at + Duration::from_millis(20), key));
        }
        let rooms = wheel.spare.iter().chain(&*wheel.slots).filter(|slot| slot.capacity() > 0).count();
        assert!(rooms <= 42, "{rooms}");
    }

    #[test]
    fn a_wheel_that_shrank_keeps_what_waits() {
        let mut wheel = Wheel::new(us(0));
        for n in 0..4000 {
            wheel.insert(us(u64::from(n % 2) * 100_000 + 1000), key(n));
        }
        assert_eq!(due(&mut wheel, us(50_000)).len(), 2000);
        wheel.shrink();
        assert_eq!((due(&mut wheel, us(200_000)).len(), wheel.is_empty()), (2000, true));
    }

    #[test]
    fn a_stall_longer_than_the_wheel_loses_nothing() {
        let mut wheel = Wheel::new(us(0));
        for n in 0..400 {
            wheel.insert(us(u64::from(n) * 600), key(n));
        }
        assert_eq!(due(&mut wheel, us(90_000_000)).len(), 400);
        assert_eq!(wheel.next(), None);
    }
}
