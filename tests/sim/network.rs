//! The network between the nodes: what happens to a datagram on its way.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use voip::util::{Duration, Rng, SeededRng, Time};

/// One datagram under way.
#[derive(Clone, Debug)]
pub struct Packet {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

impl Packet {
    /// `INVITE`, `200 INVITE`: enough to aim a filter and to read a trace.
    pub fn word(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let mut words = text.split([' ', '\r']);
        match words.next().unwrap_or_default() {
            "SIP/2.0" => {
                let status = words.next().unwrap_or_default().to_owned();
                let cseq = text.split("CSeq: ").nth(1).and_then(|t| t.split("\r\n").next());
                let method = cseq.and_then(|t| t.split(' ').nth(1)).unwrap_or_default();
                format!("{status} {method}")
            }
            method => method.to_owned(),
        }
    }
}

/// What a filter does with a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Leave it to chance.
    Pass,
    Drop,
    /// Comes so much later.
    Delay(Duration),
}

type Filter = Box<dyn FnMut(Time, &Packet) -> Verdict>;

/// Chances are in thousandths.
#[derive(Default)]
pub struct Network {
    pub loss: u64,
    pub duplicate: u64,
    /// Chance of being overtaken: comes up to ten delays later.
    pub reorder: u64,
    /// Chance that some of its bytes become others.
    pub corrupt: u64,
    pub delay: Duration,
    pub jitter: Duration,
    /// Addresses that nothing reaches and nothing leaves.
    pub cut_off: BTreeSet<SocketAddr>,
    /// Asked first, for every datagram.
    pub filter: Option<Filter>,
    pub sent: u64,
    pub lost: u64,
}

impl Network {
    /// All copies that arrive, and when.
    pub fn carry(&mut self, now: Time, packet: Packet, rng: &mut SeededRng) -> Vec<(Duration, Packet)> {
        self.sent += 1;
        if self.cut_off.contains(&packet.from) || self.cut_off.contains(&packet.to) {
            self.lost += 1;
            return Vec::new();
        }
        let verdict = self.filter.as_mut().map_or(Verdict::Pass, |f| f(now, &packet));
        let extra = match verdict {
            Verdict::Drop => {
                self.lost += 1;
                return Vec::new();
            }
            Verdict::Delay(by) => by,
            Verdict::Pass => Duration::ZERO,
        };
        let copies = if rng.below(1000) < self.duplicate { 2 } else { 1 };
        let mut arrive = Vec::new();
        for _ in 0..copies {
            if verdict == Verdict::Pass && rng.below(1000) < self.loss {
                self.lost += 1;
                continue;
            }
            let mut copy = packet.clone();
            if rng.below(1000) < self.corrupt {
                corrupt(&mut copy.bytes, rng);
            }
            arrive.push((extra + self.one_delay(rng), copy));
        }
        arrive
    }

    fn one_delay(&self, rng: &mut SeededRng) -> Duration {
        let jitter = Duration::from_nanos(rng.below(self.jitter.as_nanos() as u64 + 1));
        let held_up = if rng.below(1000) < self.reorder {
            Duration::from_nanos(rng.below(10 * self.delay.as_nanos() as u64 + 1))
        } else {
            Duration::ZERO
        };
        self.delay + jitter + held_up
    }
}

/// Bytes that mean something to a parser.
const MARKS: &[u8] = b"\r\n\0 ,;:<>\"@=%0";

/// Overwrites, removes, repeats or cuts off a few bytes.
fn corrupt(bytes: &mut Vec<u8>, rng: &mut SeededRng) {
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len() as u64) as usize;
        let until = (at + 1 + rng.below(8) as usize).min(bytes.len());
        match rng.below(5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..until)),
            2 => {
                let again = bytes[at..until].to_vec();
                bytes.splice(at..at, again);
            }
            3 if at < until => bytes[at] = MARKS[rng.below(MARKS.len() as u64) as usize],
            _ if at < until => bytes[at] = rng.below(256) as u8,
            _ => {}
        }
    }
}
