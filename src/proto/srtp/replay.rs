//! The sliding window against replays (RFC 3711 section 3.3.2).

/// The last 128 indices: twice what the RFC asks for at least.
const WINDOW: u64 = 128;

#[derive(Clone, Debug, Default)]
pub(super) struct ReplayWindow {
    /// Highest index taken, plus one; 0 before the first.
    top: u64,
    /// Bit n: index `top - 1 - n` was taken.
    seen: u128,
}

impl ReplayWindow {
    /// The highest index taken so far.
    pub fn highest(&self) -> Option<u64> {
        self.top.checked_sub(1)
    }

    pub fn is_new(&self, index: u64) -> bool {
        if index >= self.top {
            return true;
        }
        let age = self.top - 1 - index;
        age < WINDOW && self.seen & (1 << age) == 0
    }

    /// Marks an index that was authenticated.
    pub fn take(&mut self, index: u64) {
        if index < self.top {
            let age = self.top - 1 - index;
            if age < WINDOW {
                self.seen |= 1 << age;
            }
            return;
        }
        let step = index + 1 - self.top;
        self.seen = if step == 1 {
            // As a rule; this shift costs nothing.
            self.seen << 1
        } else if step >= WINDOW {
            0
        } else {
            self.seen << step
        };
        self.seen |= 1;
        self.top = index + 1;
    }
}
