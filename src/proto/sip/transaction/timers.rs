//! Timers A to M: their lengths, and one ordered queue of all that are running.

use crate::util::{Duration, Key, Time};
use std::collections::BTreeSet;

/// RFC 3261 table 4.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    pub t1: Duration,
    pub t2: Duration,
    pub t4: Duration,
    /// Timer C of a UAC that waits for a final response after a provisional one.
    pub c: Duration,
    /// Timer D, time that a client INVITE transaction stays after a non-2xx (unreliable transport).
    pub d: Duration,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            // RFC 3261 section 16.6: larger than three minutes.
            c: Duration::from_secs(185),
            // RFC 3261 section 17.1.1.2: at least 32 s.
            d: Duration::from_secs(32),
        }
    }
}

impl Timers {
    /// Timers B, F, H, J, L and M.
    pub fn t1_64(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

/// Which timer of the RFC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TimerName {
    A,
    B,
    C,
    D,
    E,
    F,
    G,
    H,
    I,
    J,
    K,
    L,
    M,
}

/// Whose timer it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Owner {
    Client(Key),
    Server(Key),
}

impl Owner {
    pub fn key(self) -> Key {
        match self {
            Owner::Client(key) | Owner::Server(key) => key,
        }
    }
}

/// The running timers of one transaction: at most one of each kind.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Alarms {
    /// A, E, G.
    pub retransmit: Option<(Time, TimerName)>,
    /// All others.
    pub end: Option<(Time, TimerName)>,
}

/// Every running timer in the order of its deadline. Stopped timers leave at once, so the size is
/// bounded by twice the number of transactions.
#[derive(Default, Debug)]
pub(super) struct TimerQueue(BTreeSet<(Time, Owner, TimerName)>);

impl TimerQueue {
    pub fn arm(&mut self, owner: Owner, slot: &mut Option<(Time, TimerName)>, at: Time, name: TimerName) {
        self.disarm(owner, slot);
        *slot = Some((at, name));
        self.0.insert((at, owner, name));
    }
    pub fn disarm(&mut self, owner: Owner, slot: &mut Option<(Time, TimerName)>) {
        if let Some((at, name)) = slot.take() {
            self.0.remove(&(at, owner, name));
        }
    }
    pub fn first(&self) -> Option<(Time, TimerName)> {
        self.0.first().map(|&(at, _, name)| (at, name))
    }
    /// Takes the earliest timer that is due. The owner's slot still holds it.
    pub fn pop_due(&mut self, now: Time) -> Option<(Owner, TimerName)> {
        let &(at, owner, name) = self.0.first()?;
        if at > now {
            return None;
        }
        self.0.pop_first();
        Some((owner, name))
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
