//! Nodes, the datagrams between them, and the clock that jumps from one event to the next.

use super::network::{Network, Packet};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use voip::util::{Duration, SeededRng, Time};

/// Datagrams that a failure shows.
const TRACE: usize = 60;
/// So many events at one instant, and the world stands still.
const STANDSTILL: u32 = 500_000;

/// Somebody on the network. `out` takes what it sends.
pub trait Node {
    fn address(&self) -> SocketAddr;
    fn receive(&mut self, now: Time, from: SocketAddr, bytes: &[u8], out: &mut Vec<Packet>);
    /// A time in the past counts as now.
    fn deadline(&mut self) -> Option<Time>;
    fn wake(&mut self, now: Time, out: &mut Vec<Packet>);
}

pub type Shared<T> = Rc<RefCell<T>>;

pub struct World {
    pub now: Time,
    pub seed: u64,
    pub network: Network,
    rng: SeededRng,
    nodes: Vec<Rc<RefCell<dyn Node>>>,
    addresses: BTreeMap<SocketAddr, usize>,
    under_way: BTreeMap<(Time, u64), Packet>,
    sent: u64,
    /// FNV-1a over every instant, address and byte that was sent.
    fingerprint: u64,
    trace: VecDeque<String>,
    steps_now: u32,
}

impl World {
    /// A perfect network with 10 ms of delay.
    pub fn new(seed: u64) -> World {
        World {
            now: Time::from_secs(1000),
            seed,
            network: Network { delay: Duration::from_millis(10), ..Network::default() },
            rng: SeededRng::new(seed),
            nodes: Vec::new(),
            addresses: BTreeMap::new(),
            under_way: BTreeMap::new(),
            sent: 0,
            fingerprint: 0xcbf2_9ce4_8422_2325,
            trace: VecDeque::new(),
            steps_now: 0,
        }
    }

    pub fn add<T: Node + 'static>(&mut self, node: T) -> Shared<T> {
        let address = node.address();
        let node = Rc::new(RefCell::new(node));
        assert!(self.addresses.insert(address, self.nodes.len()).is_none(), "{address} is taken");
        self.nodes.push(node.clone());
        node
    }

    /// A seed of its own for a node.
    pub fn fork_seed(&mut self) -> u64 {
        voip::util::Rng::next_u64(&mut self.rng)
    }

    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        self.run_to(until, |_| false);
        self.now = until;
    }

    /// Until it holds; false when that took longer than `limit`.
    pub fn run_until(&mut self, limit: Duration, holds: impl FnMut(&World) -> bool) -> bool {
        let until = self.now + limit;
        self.run_to(until, holds)
    }

    /// Until nothing is under way and nobody waits for anything.
    pub fn run_idle(&mut self, limit: Duration) {
        let until = self.now + limit;
        while self.step(until) {}
        assert!(self.next_event().is_none(), "seed {}: still busy after {limit:?}", self.seed);
    }

    fn run_to(&mut self, until: Time, mut holds: impl FnMut(&World) -> bool) -> bool {
        loop {
            if holds(self) {
                return true;
            }
            if !self.step(until) {
                return false;
            }
        }
    }

    fn next_event(&self) -> Option<(Time, Option<usize>)> {
        let packet = self.under_way.keys().next().map(|&(at, _)| (at, None));
        let wakes = self.nodes.iter().enumerate();
        let wake = wakes.filter_map(|(i, n)| Some((n.borrow_mut().deadline()?, Some(i)))).min();
        // Arrivals first: None sorts before Some.
        packet.into_iter().chain(wake).min()
    }

    /// The next event, if it is due until then.
    fn step(&mut self, until: Time) -> bool {
        let Some((at, who)) = self.next_event() else { return false };
        if at > until {
            return false;
        }
        self.steps_now = if at > self.now { 0 } else { self.steps_now + 1 };
        assert!(self.steps_now < STANDSTILL, "seed {}: the world stands still at {at:?}", self.seed);
        self.now = self.now.max(at);
        let mut out = Vec::new();
        match who {
            Some(node) => self.nodes[node].clone().borrow_mut().wake(self.now, &mut out),
            None => self.deliver(&mut out),
        }
        for packet in out {
            self.send(packet);
        }
        true
    }

    fn deliver(&mut self, out: &mut Vec<Packet>) {
        let Some((_, packet)) = self.under_way.pop_first() else { return };
        if let Some(&node) = self.addresses.get(&packet.to) {
            let node = self.nodes[node].clone();
            node.borrow_mut().receive(self.now, packet.from, &packet.bytes, out);
        }
    }

    fn send(&mut self, packet: Packet) {
        let to = packet.to.to_string();
        let at = self.now.as_nanos().to_le_bytes();
        for byte in at.iter().chain(to.as_bytes()).chain(&packet.bytes) {
            self.fingerprint = (self.fingerprint ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let line = format!("{} -> {} {}", packet.from, packet.to, packet.word());
        let arrivals = self.network.carry(self.now, packet, &mut self.rng);
        if self.trace.len() == TRACE {
            self.trace.pop_front();
        }
        let fate = if arrivals.is_empty() { " lost" } else { "" };
        self.trace.push_back(format!("{} {line}{fate}", self.now.as_millis()));
        for (delay, packet) in arrivals {
            self.sent += 1;
            self.under_way.insert((self.now + delay, self.sent), packet);
        }
    }
}

/// A failing assertion shows how to have it again.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- the world of seed {} at {} ms; its last datagrams:",
                self.seed,
                self.now.as_millis()
            );
            for line in &self.trace {
                eprintln!("{line}");
            }
        }
    }
}
