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

/// Entries in a block: with the rest 512 bytes.
const BLOCK: usize = 31;
const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub struct Wheel {
    slots: Box<[Slot]>,
    /// Room of a fixed size, for the slots that need it: a bad while gathers very many entries now in this slot, now in
    /// that, and room that grew with each of them would stay.
    blocks: Vec<Block>,
    /// The first block that no slot has; the others follow it.
    free: u32,
    /// The slot that fires next, counted from the origin of time. Everything before has fired.
    cursor: u64,
    /// Entries in the slots.
    near: usize,
    far: BinaryHeap<Reverse<(Time, Key)>>,
}

/// A chain of blocks, of which all but the last are full.
#[derive(Clone, Copy, Debug)]
struct Slot {
    first: u32,
    last: u32,
}

#[derive(Debug)]
struct Block {
    entries: [(Time, Key); BLOCK],
    len: u32,
    next: u32,
}

impl Slot {
    const EMPTY: Slot = Slot { first: NONE, last: NONE };

    fn is_empty(&self) -> bool {
        self.first == NONE
    }
}

impl Block {
    const EMPTY: Block = Block { entries: [(Time::ZERO, Key::from_u64(0)); BLOCK], len: 0, next: NONE };
}

/// The slot at whose end an instant has come.
fn slot_of(at: Time) -> u64 {
    at.as_nanos().div_ceil(SLOT_NS)
}

impl Wheel {
    pub fn new(now: Time) -> Wheel {
        let (slots, blocks) = (vec![Slot::EMPTY; SLOTS].into(), Vec::new());
        Wheel { slots, blocks, free: NONE, cursor: slot_of(now), near: 0, far: BinaryHeap::new() }
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
        self.append(slot as usize % SLOTS, (at, key));
        self.near += 1;
    }

    fn append(&mut self, slot: usize, entry: (Time, Key)) {
        let last = self.slots[slot].last;
        let last = match self.blocks.get(last as usize) {
            Some(block) if (block.len as usize) < BLOCK => last,
            _ => self.append_block(slot),
        };
        let block = &mut self.blocks[last as usize];
        block.entries[block.len as usize] = entry;
        block.len += 1;
    }

    fn append_block(&mut self, slot: usize) -> u32 {
        let new = match self.blocks.get(self.free as usize) {
            Some(block) => core::mem::replace(&mut self.free, block.next),
            None => {
                self.blocks.push(Block::EMPTY);
                (self.blocks.len() - 1) as u32
            }
        };
        self.blocks[new as usize].next = NONE;
        let before = core::mem::replace(&mut self.slots[slot].last, new);
        match self.blocks.get_mut(before as usize) {
            Some(block) => block.next = new,
            None => self.slots[slot].first = new,
        }
        new
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
        let mut block = self.blocks.get(self.slots[self.cursor as usize % SLOTS].first as usize)?;
        for _ in 0..n / BLOCK {
            block = self.blocks.get(block.next as usize)?;
        }
        block.entries[..block.len as usize].get(n % BLOCK).map(|(_, key)| *key)
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
            let mut next = core::mem::replace(&mut self.slots[slot as usize % SLOTS], Slot::EMPTY).first;
            while let Some(block) = self.blocks.get_mut(next as usize) {
                let len = core::mem::take(&mut block.len) as usize;
                self.near -= len;
                out.extend_from_slice(&block.entries[..len]);
                let after = core::mem::replace(&mut block.next, self.free);
                self.free = core::mem::replace(&mut next, after);
            }
            slot += 1;
        }
        self.cursor = self.cursor.max(reached.saturating_add(1));
        while let Some(Reverse((at, key))) = self.far.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.far.pop();
            out.push((at, key));
        }
    }

    /// Gives back the room that a crowd needed.
    pub fn shrink(&mut self) {
        self.far.shrink_to_fit();
        let blocks = core::mem::take(&mut self.blocks);
        self.free = NONE;
        for slot in 0..SLOTS {
            let mut next = core::mem::replace(&mut self.slots[slot], Slot::EMPTY).first;
            while let Some(block) = blocks.get(next as usize) {
                block.entries[..block.len as usize].iter().for_each(|entry| self.append(slot, *entry));
                next = block.next;
            }
        }
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
        assert!(wheel.blocks.len() <= 42, "{}", wheel.blocks.len());
    }

    #[test]
    fn many_in_one_slot_after_the_other_take_no_more_room_than_once() {
        let (mut wheel, mut out) = (Wheel::new(us(0)), Vec::new());
        for turn in 0..600u64 {
            (0..1000).for_each(|n| wheel.insert(us(turn * 500), key(n)));
            assert_eq!(wheel.upcoming(999), Some(key(999)));
            assert_eq!(wheel.upcoming(1000), None);
            wheel.due(us(turn * 500), &mut out);
            assert!(out.drain(..).map(|(_, key)| key).eq((0..1000).map(key)));
        }
        assert_eq!(wheel.blocks.len(), 1000usize.div_ceil(BLOCK));
    }

    #[test]
    fn a_wheel_that_shrank_keeps_what_waits() {
        let mut wheel = Wheel::new(us(0));
        for n in 0..4000 {
            wheel.insert(us(u64::from(n % 2) * 100_000 + 1000), key(n));
        }
        wheel.insert(us(900_000), key(4000));
        assert_eq!(due(&mut wheel, us(50_000)).len(), 2000);
        wheel.shrink();
        assert_eq!(wheel.blocks.len(), 2000usize.div_ceil(BLOCK));
        let rest = (2000..4000).map(|n| 2 * (n - 2000) + 1).collect::<Vec<usize>>();
        assert_eq!((due(&mut wheel, us(200_000)), wheel.len()), (rest, 1));
        wheel.shrink();
        assert!(wheel.blocks.is_empty());
        wheel.insert(us(400_000), key(5000));
        assert_eq!(due(&mut wheel, us(900_000)), [5000, 4000]);
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
