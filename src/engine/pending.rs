//! Datagrams of shared sockets that wait for their stream's turn.
//!
//! A stream that plays steadily is run once or twice a packet interval. What comes for it meanwhile is put down here, so that
//! its own memory is fetched once, when it runs, and not for each packet too.

use crate::util::{prefetch, Key, Time};
use std::net::SocketAddr;

/// Datagrams that wait for one stream; with more it is run at once.
const MOST: u8 = 8;
/// Larger ones don't wait: the usual audio packets are smaller.
const SMALL: usize = 256 - 46;
const NONE: u32 = u32::MAX;
/// Room for so many is always there, and stays.
const FEW: usize = 16;

#[derive(Default)]
pub struct Pending {
    /// By the index of the stream's key.
    inboxes: Vec<Inbox>,
    /// At most one for each stream that holds: a worker that was kept from its work finds many, and they would stay.
    slots: Vec<Slot>,
    /// The first free slot; the others follow it.
    free: Option<u32>,
    /// Streams whose datagrams wait.
    holding: usize,
}

#[derive(Clone, Copy)]
struct Inbox {
    /// Whose it is, while that stream's datagrams wait.
    owner: Option<Key>,
    first: u32,
    last: u32,
    count: u8,
}

#[repr(C, align(64))]
struct Slot {
    at: Time,
    from: SocketAddr,
    next: u32,
    len: u16,
    bytes: [u8; SMALL],
}

impl Pending {
    /// From now on this stream's datagrams wait, or no longer. What waits already is taken by the next `take`.
    pub fn hold(&mut self, key: Key, hold: bool) {
        if hold && self.inboxes.len() <= key.index() {
            let empty = Inbox { owner: None, first: NONE, last: NONE, count: 0 };
            self.inboxes.resize(key.index() + 1, empty);
        }
        if let Some(inbox) = self.inboxes.get_mut(key.index()) {
            let before = std::mem::replace(&mut inbox.owner, hold.then_some(key));
            self.holding = (self.holding + usize::from(hold)).saturating_sub(usize::from(before.is_some()));
        }
    }

    /// False: it can't wait.
    pub fn keep(&mut self, key: Key, at: Time, from: SocketAddr, datagram: &[u8]) -> bool {
        let Some(inbox) = self.inboxes.get_mut(key.index()) else { return false };
        if inbox.owner != Some(key) || inbox.count >= MOST || datagram.len() > SMALL {
            return false;
        }
        let index = match self.free.and_then(|index| Some((index, self.slots.get(index as usize)?.next))) {
            Some((index, next)) => {
                self.free = (next != NONE).then_some(next);
                index
            }
            None if self.slots.len() >= self.holding.max(FEW) => return false,
            None => {
                self.slots.push(Slot { at, from, next: NONE, len: 0, bytes: [0; SMALL] });
                (self.slots.len() - 1) as u32
            }
        };
        let Some(slot) = self.slots.get_mut(index as usize) else { return false };
        (slot.at, slot.from, slot.next, slot.len) = (at, from, NONE, datagram.len() as u16);
        if let Some(room) = slot.bytes.get_mut(..datagram.len()) {
            room.copy_from_slice(datagram);
        }
        inbox.count += 1;
        let before = std::mem::replace(&mut inbox.last, index);
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.next = index,
            None => inbox.first = index,
        }
        true
    }

    /// Has what waits for a stream at hand.
    pub fn prefetch(&self, key: Key) {
        let first = self.inboxes.get(key.index()).and_then(|inbox| self.slots.get(inbox.first as usize));
        if let Some(slot) = first {
            prefetch(slot);
        }
    }

    /// Hands over what waits, the oldest first.
    pub fn take(&mut self, key: Key, mut each: impl FnMut(Time, SocketAddr, &mut [u8])) {
        let Some(inbox) = self.inboxes.get_mut(key.index()).filter(|inbox| inbox.count > 0) else { return };
        let mut next = std::mem::replace(&mut inbox.first, NONE);
        (inbox.last, inbox.count) = (NONE, 0);
        while let Some(slot) = self.slots.get_mut(next as usize) {
            if let Some(bytes) = slot.bytes.get_mut(..usize::from(slot.len)) {
                each(slot.at, slot.from, bytes);
            }
            let after = std::mem::replace(&mut slot.next, self.free.unwrap_or(NONE));
            self.free = Some(next);
            next = after;
        }
    }

    /// The stream is gone, and so is what waited for it.
    pub fn forget(&mut self, key: Key) {
        self.take(key, |_, _, _| {});
        self.hold(key, false);
    }

    /// Nobody is left: gives back the room that many needed.
    pub fn shrink(&mut self) {
        self.inboxes = Vec::new();
        self.slots.clear();
        self.slots.shrink_to(FEW);
        (self.free, self.holding) = (None, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::Slab;

    fn from() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 4000))
    }
    fn all(pending: &mut Pending, key: Key) -> Vec<Vec<u8>> {
        let mut got = Vec::new();
        pending.take(key, |_, _, bytes| got.push(bytes.to_vec()));
        got
    }

    #[test]
    fn each_stream_gets_its_own_in_their_order_and_room_is_used_again() {
        let (mut slab, mut pending) = (Slab::new(), Pending::default());
        let keys: Vec<Key> = (0..3).map(|n| slab.insert(n)).collect();
        keys.iter().for_each(|key| pending.hold(*key, true));
        for round in 0..50u8 {
            for n in 0..3 {
                for (at, key) in keys.iter().enumerate() {
                    assert!(pending.keep(*key, Time::ZERO, from(), &[round, n, at as u8]));
                }
            }
            for (at, key) in keys.iter().enumerate().rev() {
                let wanted: Vec<Vec<u8>> = (0..3).map(|n| vec![round, n, at as u8]).collect();
                assert_eq!(all(&mut pending, *key), wanted);
                assert!(all(&mut pending, *key).is_empty());
            }
        }
        assert_eq!(pending.slots.len(), 9);
    }

    #[test]
    fn nothing_waits_for_who_does_not_wait_nor_too_much_nor_what_is_large() {
        let (mut slab, mut pending) = (Slab::new(), Pending::default());
        let key = slab.insert(());
        assert!(!pending.keep(key, Time::ZERO, from(), &[1]));
        pending.hold(key, true);
        assert!(!pending.keep(key, Time::ZERO, from(), &[1; SMALL + 1]));
        for n in 0..MOST {
            assert!(pending.keep(key, Time::ZERO, from(), &[n; SMALL]));
        }
        assert!(!pending.keep(key, Time::ZERO, from(), &[1]));
        pending.hold(key, false);
        assert_eq!(all(&mut pending, key).len(), usize::from(MOST));
        assert!(!pending.keep(key, Time::ZERO, from(), &[1]));
    }

    #[test]
    fn a_backlog_of_a_crowd_takes_no_more_room_than_a_datagram_each() {
        let (mut slab, mut pending) = (Slab::new(), Pending::default());
        let keys: Vec<Key> = (0..100).map(|n| slab.insert(n)).collect();
        keys.iter().for_each(|key| pending.hold(*key, true));
        let mut kept = 0;
        for _ in 0..MOST {
            kept += keys.iter().filter(|key| pending.keep(**key, Time::ZERO, from(), &[1])).count();
        }
        assert_eq!((kept, pending.slots.len()), (100, 100));
        keys[..90].iter().for_each(|key| pending.forget(*key));
        keys[90..].iter().for_each(|key| pending.hold(*key, true)); // said twice
        assert_eq!(pending.holding, 10);
        assert!(pending.keep(keys[99], Time::ZERO, from(), &[2]));
        assert_eq!(all(&mut pending, keys[99]), [[1], [2]]);
    }

    #[test]
    fn a_stream_in_the_place_of_one_that_is_gone_gets_nothing_of_it() {
        let (mut slab, mut pending) = (Slab::new(), Pending::default());
        let key = slab.insert(());
        pending.hold(key, true);
        assert!(pending.keep(key, Time::ZERO, from(), &[1]));
        slab.remove(key);
        pending.forget(key);
        let other = slab.insert(());
        assert_eq!(other.index(), key.index());
        assert!(!pending.keep(other, Time::ZERO, from(), &[2]) && all(&mut pending, other).is_empty());
        pending.shrink();
        pending.hold(other, true);
        assert!(pending.keep(other, Time::ZERO, from(), &[3]));
        assert!(!pending.keep(key, Time::ZERO, from(), &[4]));
        assert_eq!(all(&mut pending, other), [[3]]);
    }
}
