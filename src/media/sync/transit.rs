//! How long a stream's packets take: the least and the most of the last seconds.

use super::line::FAR_NS;

/// A slot's length, and how many there are.
const SLOT_NS: i64 = 1_000_000_000;
const SLOTS: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Slot {
    least: i64,
    most: i64,
}

const EMPTY: Slot = Slot { least: i64::MAX, most: i64::MIN };

/// Arrival minus the instant of capture on the group's clock, over the last eight seconds with packets.
#[derive(Clone, Debug)]
pub struct Transit {
    slots: [Slot; SLOTS],
    at: usize,
    /// When the slot in work began.
    began: i64,
    last: Option<i64>,
}

impl Default for Transit {
    fn default() -> Transit {
        Transit { slots: [EMPTY; SLOTS], at: 0, began: 0, last: None }
    }
}

impl Transit {
    /// One packet. What takes longer than `limit` more than the fastest does not count as the most: nobody waits for it.
    /// Whether a slot was finished by it.
    pub fn add(&mut self, arrival: i64, transit: i64, limit: i64) -> bool {
        let rotated = self.rotate(arrival);
        self.last = Some(arrival);
        let fastest = self.least().unwrap_or(transit).min(transit);
        let slot = &mut self.slots[self.at];
        slot.least = slot.least.min(transit);
        if transit - fastest <= limit {
            slot.most = slot.most.max(transit);
        }
        rotated
    }

    fn rotate(&mut self, arrival: i64) -> bool {
        if self.last.is_none() {
            self.began = arrival;
        }
        let gone = (arrival - self.began) / SLOT_NS;
        if gone <= 0 {
            return false;
        }
        // A pause doesn't age what was measured: one slot is enough.
        self.began = arrival;
        self.at = (self.at + 1) % SLOTS;
        self.slots[self.at] = EMPTY;
        true
    }

    /// The group's clock as this stream sees it was moved forward by so much.
    pub fn shift(&mut self, by: i64) {
        for slot in self.slots.iter_mut().filter(|s| s.least != i64::MAX) {
            slot.least = slot.least.saturating_sub(by).clamp(-2 * FAR_NS, 2 * FAR_NS);
            if slot.most != i64::MIN {
                slot.most = slot.most.saturating_sub(by).clamp(-2 * FAR_NS, 2 * FAR_NS);
            }
        }
    }

    pub fn least(&self) -> Option<i64> {
        self.slots.iter().map(|s| s.least).min().filter(|&least| least != i64::MAX)
    }
    pub fn most(&self) -> Option<i64> {
        self.slots.iter().map(|s| s.most).max().filter(|&most| most != i64::MIN)
    }
    /// When the last packet came.
    pub fn last(&self) -> Option<i64> {
        self.last
    }
}
