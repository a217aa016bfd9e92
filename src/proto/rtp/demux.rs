//! Whose datagram is it: many streams on one socket, told apart by where a datagram comes from and by the SSRC of
//! its sender (RFC 3550 section 8.2, RFC 7983 in front of it).
//!
//! The rules, in their order:
//! 1. The address and the SSRC are those of one entry.
//! 2. An entry without an address announced this SSRC: it learns the address (a peer behind a NAT).
//! 3. One entry has this address: it is that one's, and a new SSRC is learned. Several have it: the one of them that
//!    knows no SSRC yet learns this one, if it is the only such entry.
//! 4. Nobody has this address, one entry has this SSRC: its peer moved (a NAT gave it a new port).
//! 5. The oldest entry with neither address nor SSRC learns both.
//!
//! What is ambiguous is nobody's. Without an SSRC only an address that one entry has decides, and nothing is learned.
//! A known datagram costs one look-up and allocates nothing; the tables hold at most `limit` entries and forget all
//! of an entry when it goes. Strangers choose addresses and SSRCs, so the hash is keyed with what the caller's
//! random source gave ([`Keyed`]).

use super::classify::{classify, PacketKind};
use super::keyed::Keyed;
use crate::util::{IdMap, Rng};
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, SocketAddr};
use std::collections::{BTreeMap, HashMap};

/// Whose datagram it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// Of this entry, as before.
    Known(u64),
    /// Of this entry, whose address or SSRC is a new one from now on.
    Learned(u64),
    /// Nobody's.
    Unknown,
}

/// The SSRC of who sent a datagram of RTP or RTCP; None: it is something else, or too short to say.
pub fn sender_ssrc(datagram: &[u8]) -> Option<u32> {
    let at = match classify(datagram) {
        PacketKind::Rtp => 8,
        PacketKind::Rtcp => 4,
        _ => return None,
    };
    let bytes = datagram.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

pub struct Demux {
    limit: usize,
    entries: IdMap<u64, Entry>,
    by_pair: HashMap<(Place, u32), Sole, Keyed>,
    by_address: HashMap<Place, Group, Keyed>,
    by_ssrc: HashMap<u32, Group, Keyed>,
    /// Entries that know nothing of their peer, the oldest first.
    wildcards: BTreeMap<u64, u64>,
    next_age: u64,
}

/// Where a peer is, in the one spelling.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place(SocketAddr);

impl Hash for Place {
    /// In words below 2^56; what the first one is tells how many come.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0 {
            SocketAddr::V4(v4) => {
                let ip = u64::from(u32::from(*v4.ip()));
                state.write_u64(1 << 48 | ip << 16 | u64::from(v4.port()));
            }
            SocketAddr::V6(v6) => {
                let ip = u128::from(*v6.ip());
                state.write_u64(u64::from(v6.scope_id()) << 16 | u64::from(v6.port()));
                [96, 64, 32, 0].into_iter().for_each(|shift| state.write_u32((ip >> shift) as u32));
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Entry {
    remote: Option<SocketAddr>,
    ssrc: Option<u32>,
    age: u64,
}

impl Demux {
    /// A table of at most `limit` entries, its hash keyed by `rng`.
    pub fn new(limit: usize, rng: &mut dyn Rng) -> Demux {
        let keyed = Keyed::new(rng);
        Demux {
            limit,
            entries: IdMap::default(),
            by_pair: HashMap::with_hasher(keyed),
            by_address: HashMap::with_hasher(keyed),
            by_ssrc: HashMap::with_hasher(keyed),
            wildcards: BTreeMap::new(),
            next_age: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is known of an entry's peer.
    pub fn get(&self, key: u64) -> Option<(Option<SocketAddr>, Option<u32>)> {
        self.entries.get(&key).map(|e| (e.remote, e.ssrc))
    }

    /// A new entry; `ssrc` is the one that its peer sends with. False when the table is full or has the key.
    pub fn insert(&mut self, key: u64, remote: Option<SocketAddr>, ssrc: Option<u32>) -> bool {
        if self.entries.len() >= self.limit || self.entries.contains_key(&key) {
            return false;
        }
        let entry = Entry { remote: remote.map(canonical), ssrc, age: self.next_age };
        self.next_age += 1;
        self.put(key, entry);
        true
    }

    pub fn set_remote(&mut self, key: u64, remote: Option<SocketAddr>) {
        self.change(key, |entry| entry.remote = remote.map(canonical));
    }

    pub fn set_ssrc(&mut self, key: u64, ssrc: Option<u32>) {
        self.change(key, |entry| entry.ssrc = ssrc);
    }

    /// Forgets an entry; false when there is none.
    pub fn remove(&mut self, key: u64) -> bool {
        self.take(key).is_some()
    }

    /// Gives back the room that many entries needed.
    pub fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.by_pair.shrink_to_fit();
        self.by_address.shrink_to_fit();
        self.by_ssrc.shrink_to_fit();
    }

    /// Whose datagram from `from` with the sender's `ssrc` it is; learns what is new.
    pub fn route(&mut self, from: SocketAddr, ssrc: Option<u32>) -> Route {
        let from = canonical(from);
        let Some(ssrc) = ssrc else { return self.route_by_address(from) };
        if let Some(pair) = self.by_pair.get(&(Place(from), ssrc)) {
            return pair.key().map_or(Route::Unknown, Route::Known);
        }
        let Some(key) = self.learner(from, ssrc) else { return Route::Unknown };
        self.change(key, |entry| (entry.remote, entry.ssrc) = (Some(from), Some(ssrc)));
        Route::Learned(key)
    }

    fn route_by_address(&self, from: SocketAddr) -> Route {
        let sole = self.by_address.get(&Place(from)).and_then(|g| g.all.key());
        sole.map_or(Route::Unknown, Route::Known)
    }

    /// The entry that an unknown pair of address and SSRC belongs to.
    fn learner(&self, from: SocketAddr, ssrc: u32) -> Option<u64> {
        let same_ssrc = self.by_ssrc.get(&ssrc);
        if let Some(key) = same_ssrc.and_then(|g| g.open.key()) {
            return Some(key);
        }
        if let Some(group) = self.by_address.get(&Place(from)) {
            return group.all.key().or(group.open.key());
        }
        match same_ssrc {
            Some(group) => group.all.key(),
            None => self.wildcards.first_key_value().map(|(_, key)| *key),
        }
    }

    fn change(&mut self, key: u64, edit: impl FnOnce(&mut Entry)) {
        if let Some(mut entry) = self.take(key) {
            edit(&mut entry);
            self.put(key, entry);
        }
    }

    fn put(&mut self, key: u64, entry: Entry) {
        let Entry { remote, ssrc, age } = entry;
        if let Some(remote) = remote {
            self.by_address.entry(Place(remote)).or_default().add(key, ssrc.is_none());
        }
        if let Some(ssrc) = ssrc {
            self.by_ssrc.entry(ssrc).or_default().add(key, remote.is_none());
        }
        match (remote, ssrc) {
            (Some(remote), Some(ssrc)) => self.by_pair.entry((Place(remote), ssrc)).or_default().add(key),
            (None, None) => drop(self.wildcards.insert(age, key)),
            _ => {}
        }
        self.entries.insert(key, entry);
    }

    fn take(&mut self, key: u64) -> Option<Entry> {
        let entry = self.entries.remove(&key)?;
        let Entry { remote, ssrc, age } = entry;
        if let Some(remote) = remote {
            edit_or_forget(&mut self.by_address, Place(remote), |g| g.leave(key, ssrc.is_none()));
        }
        if let Some(ssrc) = ssrc {
            edit_or_forget(&mut self.by_ssrc, ssrc, |g| g.leave(key, remote.is_none()));
        }
        match (remote, ssrc) {
            (Some(remote), Some(ssrc)) => {
                edit_or_forget(&mut self.by_pair, (Place(remote), ssrc), |s| s.leave(key))
            }
            (None, None) => drop(self.wildcards.remove(&age)),
            _ => {}
        }
        Some(entry)
    }
}

/// Lets something leave a set; what is empty then goes out of the map.
fn edit_or_forget<K: Hash + Eq, V>(
    map: &mut HashMap<K, V, Keyed>,
    at: K,
    leave: impl FnOnce(&mut V) -> bool,
) {
    if let Some(value) = map.get_mut(&at) {
        if leave(value) {
            map.remove(&at);
        }
    }
}

/// A set of keys that tells its member when it has exactly one: their number, and all of them XORed.
#[derive(Clone, Copy, Default)]
struct Sole {
    count: usize,
    keys: u64,
}

impl Sole {
    fn add(&mut self, key: u64) {
        self.count += 1;
        self.keys ^= key;
    }
    /// True when the set is empty now.
    fn leave(&mut self, key: u64) -> bool {
        self.count -= 1;
        self.keys ^= key;
        self.count == 0
    }
    fn key(self) -> Option<u64> {
        (self.count == 1).then_some(self.keys)
    }
}

/// The entries of one address or of one SSRC; `open` are those that don't know the other half.
#[derive(Clone, Copy, Default)]
struct Group {
    all: Sole,
    open: Sole,
}

impl Group {
    fn add(&mut self, key: u64, open: bool) {
        self.all.add(key);
        if open {
            self.open.add(key);
        }
    }
    fn leave(&mut self, key: u64, open: bool) -> bool {
        if open {
            self.open.leave(key);
        }
        self.all.leave(key)
    }
}

/// One spelling for each peer: no IPv4 in IPv6, no flow label.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(mut v6) => match v6.ip().to_canonical() {
            IpAddr::V4(v4) => SocketAddr::from((v4, v6.port())),
            IpAddr::V6(_) => {
                v6.set_flowinfo(0);
                SocketAddr::V6(v6)
            }
        },
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::Route::{Known, Learned, Unknown};
    use super::*;
    use crate::util::SeededRng;
    use proptest::prelude::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }
    fn table(limit: usize) -> Demux {
        Demux::new(limit, &mut SeededRng::new(1))
    }

    #[test]
    fn address_and_ssrc_together_find_their_stream_among_many() {
        let mut d = table(8);
        d.insert(1, Some(at(10)), Some(100));
        d.insert(2, Some(at(10)), Some(200));
        d.insert(3, Some(at(20)), Some(100));
        assert_eq!(d.route(at(10), Some(100)), Known(1));
        assert_eq!(d.route(at(10), Some(200)), Known(2));
        assert_eq!(d.route(at(20), Some(100)), Known(3));
        assert_eq!(d.route(at(10), Some(300)), Unknown, "two of this address, and both have another ssrc");
        assert_eq!(d.route(at(30), Some(100)), Unknown, "two have this ssrc");
    }

    #[test]
    fn a_peer_alone_at_its_address_may_change_its_ssrc() {
        let mut d = table(8);
        d.insert(1, Some(at(10)), None);
        assert_eq!(d.route(at(10), None), Known(1));
        assert_eq!(d.route(at(10), Some(5)), Learned(1));
        assert_eq!(d.route(at(10), Some(5)), Known(1));
        assert_eq!(d.route(at(10), Some(6)), Learned(1));
        assert_eq!(d.route(at(11), Some(5)), Unknown, "the old ssrc is forgotten");
    }

    #[test]
    fn of_several_at_one_address_only_the_sole_one_without_an_ssrc_learns() {
        let mut d = table(8);
        d.insert(1, Some(at(10)), Some(1));
        d.insert(2, Some(at(10)), None);
        d.insert(3, Some(at(10)), None);
        assert_eq!(d.route(at(10), Some(9)), Unknown);
        assert_eq!(d.route(at(10), None), Unknown);
        d.remove(3);
        assert_eq!(d.route(at(10), Some(9)), Learned(2));
        assert_eq!(d.route(at(10), Some(1)), Known(1));
    }

    #[test]
    fn an_announced_ssrc_finds_its_peer_behind_a_nat_and_follows_it() {
        let mut d = table(8);
        d.insert(1, None, Some(77));
        d.insert(2, Some(at(10)), Some(1));
        assert_eq!(d.route(at(40), Some(77)), Learned(1));
        assert_eq!(d.route(at(40), Some(77)), Known(1));
        assert_eq!(d.route(at(41), Some(77)), Learned(1), "a new port of the same peer");
        assert_eq!(d.get(1), Some((Some(at(41)), Some(77))));
        assert_eq!(d.route(at(40), Some(78)), Unknown);
    }

    #[test]
    fn an_announced_ssrc_goes_before_a_neighbour_at_the_same_address() {
        let mut d = table(8);
        d.insert(1, Some(at(10)), Some(1));
        d.insert(2, None, Some(2));
        assert_eq!(d.route(at(10), Some(2)), Learned(2));
        assert_eq!(d.route(at(10), Some(1)), Known(1));
    }

    #[test]
    fn the_oldest_wildcard_learns_the_first_comer_and_a_datagram_without_ssrc_teaches_nothing() {
        let mut d = table(8);
        d.insert(7, None, None);
        d.insert(3, None, None);
        assert_eq!(d.route(at(10), None), Unknown);
        assert_eq!(d.route(at(10), Some(1)), Learned(7));
        assert_eq!(d.route(at(20), Some(1)), Learned(7), "the same ssrc is the same peer");
        assert_eq!(d.route(at(30), Some(2)), Learned(3));
        assert_eq!(d.route(at(40), Some(3)), Unknown);
    }

    #[test]
    fn an_ipv4_peer_is_the_same_through_an_ipv6_socket() {
        let mut d = table(8);
        d.insert(1, Some(at(10)), Some(1));
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:10".parse().unwrap();
        assert_eq!(d.route(mapped, Some(1)), Known(1));
    }

    #[test]
    fn the_table_is_bounded_and_a_removed_entry_leaves_nothing_behind() {
        let mut d = table(2);
        assert!(d.insert(1, Some(at(10)), Some(1)));
        assert!(!d.insert(1, None, None), "the key is taken");
        assert!(d.insert(2, None, None));
        assert!(!d.insert(3, None, None), "full");
        assert!(d.remove(1) && d.remove(2) && !d.remove(2));
        assert!(d.is_empty() && d.by_pair.is_empty() && d.by_address.is_empty());
        assert!(d.by_ssrc.is_empty() && d.wildcards.is_empty());
        d.set_remote(1, Some(at(10)));
        assert_eq!(d.route(at(10), Some(1)), Unknown);
    }

    #[test]
    fn a_table_that_many_have_left_shrinks_around_those_that_stay() {
        let mut d = table(5000);
        (0..5000u16).for_each(|n| assert!(d.insert(u64::from(n), Some(at(n)), Some(u32::from(n)))));
        (1..5000).for_each(|key| assert!(d.remove(key)));
        d.shrink();
        assert!(d.entries.capacity() < 8 && d.by_pair.capacity() < 8);
        assert!(d.by_address.capacity() < 8 && d.by_ssrc.capacity() < 8);
        assert_eq!(d.route(at(0), Some(0)), Known(0));
    }

    /// The rules read off a list.
    #[derive(Default)]
    struct Naive(Vec<(u64, Option<SocketAddr>, Option<u32>)>);

    impl Naive {
        fn sole(&self, which: impl Fn(Option<SocketAddr>, Option<u32>) -> bool) -> Option<usize> {
            let mut found = (0..self.0.len()).filter(|i| which(self.0[*i].1, self.0[*i].2));
            found.next().filter(|_| found.next().is_none())
        }
        fn any(&self, which: impl Fn(Option<SocketAddr>, Option<u32>) -> bool) -> bool {
            self.0.iter().any(|e| which(e.1, e.2))
        }
        fn route(&mut self, from: SocketAddr, ssrc: Option<u32>) -> Route {
            let here = |a: Option<SocketAddr>| a == Some(from);
            if ssrc.is_none() {
                return self.sole(|a, _| here(a)).map_or(Unknown, |i| Known(self.0[i].0));
            }
            if self.any(|a, s| here(a) && s == ssrc) {
                return self.sole(|a, s| here(a) && s == ssrc).map_or(Unknown, |i| Known(self.0[i].0));
            }
            let learner = if let Some(i) = self.sole(|a, s| a.is_none() && s == ssrc) {
                Some(i)
            } else if self.any(|a, _| here(a)) {
                self.sole(|a, _| here(a)).or(self.sole(|a, s| here(a) && s.is_none()))
            } else if self.any(|_, s| s == ssrc) {
                self.sole(|_, s| s == ssrc)
            } else {
                self.0.iter().position(|e| e.1.is_none() && e.2.is_none())
            };
            let Some(i) = learner else { return Unknown };
            (self.0[i].1, self.0[i].2) = (Some(from), ssrc);
            Learned(self.0[i].0)
        }
        fn find(&mut self, key: u64) -> Option<&mut (u64, Option<SocketAddr>, Option<u32>)> {
            self.0.iter_mut().find(|e| e.0 == key)
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64, Option<SocketAddr>, Option<u32>),
        Remote(u64, Option<SocketAddr>),
        Ssrc(u64, Option<u32>),
        Remove(u64),
        Route(SocketAddr, Option<u32>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let key = || 0u64..8;
        let address = || (0u16..4).prop_map(at);
        let ssrc = || proptest::option::of(0u32..5);
        let step = prop_oneof![
            (key(), proptest::option::of(address()), ssrc()).prop_map(|(k, a, s)| Step::Insert(k, a, s)),
            (key(), proptest::option::of(address())).prop_map(|(k, a)| Step::Remote(k, a)),
            (key(), ssrc()).prop_map(|(k, s)| Step::Ssrc(k, s)),
            key().prop_map(Step::Remove),
            (address(), ssrc()).prop_map(|(a, s)| Step::Route(a, s)),
            (address(), ssrc()).prop_map(|(a, s)| Step::Route(a, s)),
        ];
        proptest::collection::vec(step, 0..80)
    }

    proptest! {
        #[test]
        fn the_table_does_what_a_list_of_its_entries_would(steps in steps()) {
            let (mut table, mut list) = (table(6), Naive::default());
            for step in steps {
                match step {
                    Step::Insert(key, remote, ssrc) => {
                        let room = list.0.len() < 6 && list.find(key).is_none();
                        prop_assert_eq!(table.insert(key, remote, ssrc), room);
                        if room {
                            list.0.push((key, remote, ssrc));
                        }
                    }
                    Step::Remote(key, remote) => {
                        table.set_remote(key, remote);
                        list.find(key).into_iter().for_each(|e| e.1 = remote);
                    }
                    Step::Ssrc(key, ssrc) => {
                        table.set_ssrc(key, ssrc);
                        list.find(key).into_iter().for_each(|e| e.2 = ssrc);
                    }
                    Step::Remove(key) => {
                        prop_assert_eq!(table.remove(key), list.find(key).is_some());
                        list.0.retain(|e| e.0 != key);
                    }
                    Step::Route(from, ssrc) => prop_assert_eq!(table.route(from, ssrc), list.route(from, ssrc)),
                }
                for (key, remote, ssrc) in &list.0 {
                    prop_assert_eq!(table.get(*key), Some((*remote, *ssrc)));
                }
            }
            for key in 0..8 {
                table.remove(key);
            }
            prop_assert!(table.by_pair.is_empty() && table.by_address.is_empty());
            prop_assert!(table.by_ssrc.is_empty() && table.wildcards.is_empty());
        }
    }
}
