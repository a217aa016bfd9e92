//! Finished transactions that only wait for their last timer: how many there may be, and whose turn to go it is.
//!
//! They answer retransmissions and hold nobody up, so they are counted apart from those under way. Where more finish
//! than are kept, the oldest goes before its timer.

use super::timers::Owner;
use std::collections::VecDeque;

/// Finished transactions that are kept for each that may be under way.
const FOR_EACH: usize = 8;

pub(super) struct Lingering {
    most: usize,
    /// In the order in which they finished; some are gone already.
    queue: VecDeque<Owner>,
    pub clients: usize,
    pub servers: usize,
}

impl Lingering {
    pub fn new(max_transactions: usize) -> Lingering {
        let most = max_transactions.saturating_mul(FOR_EACH);
        Lingering { most, queue: VecDeque::new(), clients: 0, servers: 0 }
    }

    pub fn begun(&mut self, owner: Owner) {
        *self.count(owner) += 1;
        self.queue.push_back(owner);
    }
    /// One of them is gone.
    pub fn ended(&mut self, owner: Owner) {
        let count = self.count(owner);
        *count = count.saturating_sub(1);
    }
    fn count(&mut self, owner: Owner) -> &mut usize {
        match owner {
            Owner::Client(_) => &mut self.clients,
            Owner::Server(_) => &mut self.servers,
        }
    }

    pub fn shrink(&mut self, lives: impl Fn(Owner) -> bool) {
        self.queue.retain(|owner| lives(*owner));
        self.queue.shrink_to_fit();
    }

    /// Who has to go now. `lives` tells which entries still mean somebody.
    pub fn surplus(&mut self, lives: impl Fn(Owner) -> bool) -> Option<Owner> {
        while self.queue.front().is_some_and(|first| !lives(*first)) {
            self.queue.pop_front();
        }
        let here = self.clients + self.servers;
        // Short timers leave holes behind long ones.
        if self.queue.len() > 2 * here + 1024 {
            self.queue.retain(|owner| lives(*owner));
        }
        (here > self.most).then(|| self.queue.pop_front()).flatten()
    }
}
