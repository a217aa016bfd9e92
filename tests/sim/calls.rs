//! Calls in bulk over a bad network: each ends on both sides, for the same reason, and leaves nothing.

use super::host::{config, Host, Record, Script};
use super::world::{Shared, World};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use voip::ua::{CallState, Command, EndCause, EndInfo, EndedBy, Event};
use voip::util::{Duration, Rng, SeededRng};

pub fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 5060))
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn idle_script() -> Script {
    Box::new(|_, _| Vec::new())
}

/// Answers after so many ms.
pub fn answering(after: u64) -> Script {
    Box::new(move |event, _| match event {
        Event::IncomingCall { call, .. } => vec![(ms(after), Command::Answer { call: *call })],
        _ => Vec::new(),
    })
}

/// A host that does anything a host may do, at any moment.
pub fn erratic() -> Script {
    Box::new(|event, rng: &mut SeededRng| {
        let soon = |rng: &mut SeededRng, below: u64| ms(rng.below(below));
        match event {
            Event::IncomingCall { call, .. } => on_incoming(*call, rng),
            Event::OutgoingCall { call, .. } if rng.below(5) == 0 => {
                vec![(soon(rng, 5000), Command::Hangup { call: *call })]
            }
            Event::CallState { call, state: CallState::Answered, .. } => talk(*call, rng),
            _ => Vec::new(),
        }
    })
}

/// Holds, sends keys, and hangs up, in whatever order.
fn talk(call: voip::ua::CallId, rng: &mut SeededRng) -> Vec<(Duration, Command)> {
    let mut acts = vec![(ms(rng.below(8000)), Command::Hangup { call })];
    if rng.below(4) == 0 {
        acts.push((ms(rng.below(4000)), Command::Hold { call }));
        acts.push((ms(rng.below(6000)), Command::Resume { call }));
    }
    if rng.below(8) == 0 {
        acts.push((ms(rng.below(4000)), Command::SendInfoDtmf { call, digit: '5', duration_ms: 100 }));
    }
    acts
}

fn on_incoming(call: voip::ua::CallId, rng: &mut SeededRng) -> Vec<(Duration, Command)> {
    let wait = ms(rng.below(4000));
    match rng.below(10) {
        0 => vec![(wait, Command::Reject { call, code: 486, reason: None })],
        1 => vec![(wait, Command::Reject { call, code: 603, reason: None })],
        // Nobody is at home.
        2 => vec![(wait, Command::Ring { call })],
        3 => vec![(ms(0), Command::Progress { call }), (wait, Command::Answer { call })],
        4 => vec![(ms(0), Command::Answer { call }), (ms(rng.below(100)), Command::Hangup { call })],
        5 => vec![(wait, Command::Hangup { call })],
        _ => vec![(ms(0), Command::Ring { call }), (wait, Command::Answer { call })],
    }
}

pub fn bad_world(seed: u64) -> World {
    let mut world = World::new(seed);
    world.network.loss = 200;
    world.network.duplicate = 50;
    world.network.reorder = 100;
    world.network.jitter = ms(30);
    world
}

/// `count` calls between two erratic hosts, one every 30 ms, to their ends.
fn many_calls(seed: u64, count: u32) -> (World, Shared<Host>, Shared<Host>) {
    let mut world = bad_world(seed);
    let (a, b) = (world.fork_seed(), world.fork_seed());
    let alice = world.add(Host::new(address(1), a, config(), erratic()));
    let bob = world.add(Host::new(address(2), b, config(), erratic()));
    alice.borrow_mut().keep_events = false;
    bob.borrow_mut().keep_events = false;
    for i in 0..count {
        let (from, to) = if i % 2 == 0 { (&alice, address(2)) } else { (&bob, address(1)) };
        from.borrow_mut().dial(None, &format!("sip:x@{to}"));
        world.run_for(ms(30));
    }
    world.run_idle(Duration::from_secs(600));
    (world, alice, bob)
}

/// The two sides of each call; the called one may not have heard of it.
fn pairs<'a>(alice: &'a Host, bob: &'a Host) -> Vec<(&'a Record, Option<&'a Record>)> {
    let all = || alice.calls.values().chain(bob.calls.values());
    let mut callees: BTreeMap<&str, &Record> = BTreeMap::new();
    for record in all().filter(|r| r.incoming) {
        let before = callees.insert(&record.sip_call_id, record);
        assert!(before.is_none(), "seed: the same call came up twice");
    }
    all().filter(|r| !r.incoming).map(|r| (r, callees.get(r.sip_call_id.as_str()).copied())).collect()
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Verdict {
    /// Both say the same.
    Agree,
    /// Both did something before they heard of each other.
    Crossed,
    /// One side heard nothing any more.
    Lost,
}

fn verdict(caller: &EndInfo, callee: Option<&EndInfo>) -> Option<Verdict> {
    use EndCause::{Cancelled, Hangup, NoAck, NoAnswer, Unreachable};
    let Some(callee) = callee else {
        return matches!(caller.cause, Cancelled | NoAnswer | Unreachable).then_some(Verdict::Lost);
    };
    let verdict = match (caller.cause, callee.cause) {
        (Hangup, Hangup) if caller.by == EndedBy::Local && callee.by == EndedBy::Local => Verdict::Crossed,
        (Hangup, Hangup) if caller.by != callee.by => Verdict::Agree,
        (Cancelled, Cancelled) if caller.by == EndedBy::Local => Verdict::Agree,
        // 200 or a refusal and the CANCEL met on the way.
        (Cancelled, Hangup | NoAck) => Verdict::Crossed,
        (Cancelled, _) if callee.by != EndedBy::Remote => Verdict::Crossed,
        (_, NoAck) => Verdict::Lost,
        (NoAnswer | Unreachable, _) if caller.sip_code != callee.sip_code => Verdict::Lost,
        (a, b) if a == b && caller.sip_code == callee.sip_code => Verdict::Agree,
        _ => return None,
    };
    Some(verdict)
}

fn end(record: &Record) -> &EndInfo {
    record.end.as_ref().expect("checked before")
}

#[test]
fn ten_thousand_calls_at_a_fifth_lost_end_on_both_sides_with_causes_that_agree() {
    let seed = 20;
    let (world, alice, bob) = many_calls(seed, 10_000);
    let (alice, bob) = (alice.borrow(), bob.borrow());
    alice.assert_nothing_left();
    bob.assert_nothing_left();
    let mut tally: BTreeMap<Verdict, u32> = BTreeMap::new();
    let mut causes: BTreeMap<EndCause, u32> = BTreeMap::new();
    let pairs = pairs(&alice, &bob);
    assert_eq!(pairs.len(), 10_000, "seed {seed}");
    for (caller, callee) in pairs {
        let (from, to) = (end(caller), callee.map(end));
        let Some(verdict) = verdict(from, to) else {
            panic!("seed {seed}: the causes differ: {caller:?}\n{callee:?}");
        };
        *tally.entry(verdict).or_default() += 1;
        *causes.entry(from.cause).or_default() += 1;
    }
    for reason in ["A", "D", "E", "G", "I", "J", "K", "L", "M", "AckWait", "RingTimeout"] {
        assert!(alice.reasons.contains(reason), "seed {seed}: {reason} never fired in {:?}", alice.reasons);
    }
    println!("{tally:?} {causes:?}, {} of {} lost", world.network.lost, world.network.sent);
    let of = |v| tally.get(&v).copied().unwrap_or(0);
    assert!(of(Verdict::Agree) > 9300, "seed {seed}: {tally:?}");
    assert!(of(Verdict::Lost) < 30, "seed {seed}: {tally:?}");
    assert!(causes.len() >= 5, "seed {seed}: {causes:?}");
}

#[test]
fn the_same_seed_gives_the_same_world_byte_by_byte() {
    let print = |seed| {
        let (world, alice, bob) = many_calls(seed, 200);
        let ends = format!("{:?}{:?}", alice.borrow().calls, bob.borrow().calls);
        (world.fingerprint(), ends)
    };
    assert_eq!(print(21), print(21));
    assert_ne!(print(21).0, print(22).0);
}

#[test]
fn a_call_on_a_perfect_network_goes_through_all_its_states() {
    let mut world = World::new(1);
    let alice = world.add(Host::new(address(1), 1, config(), idle_script()));
    let bob = world.add(Host::new(address(2), 2, config(), answering(1000)));
    let call = alice.borrow_mut().dial(None, &format!("sip:bob@{}", address(2)));
    world.run_for(ms(5000));
    assert_eq!(alice.borrow().calls[&call].states.last(), Some(&CallState::Answered));
    assert_eq!(bob.borrow().only_call().1.states.last(), Some(&CallState::Answered));
    alice.borrow_mut().command(Command::Hangup { call });
    world.run_idle(Duration::from_secs(100));
    let (alice, bob) = (alice.borrow(), bob.borrow());
    assert_eq!((alice.end_of(call).cause, alice.end_of(call).by), (EndCause::Hangup, EndedBy::Local));
    let end = end(bob.only_call().1);
    assert_eq!((end.cause, end.by), (EndCause::Hangup, EndedBy::Remote));
    for host in [&alice, &bob] {
        host.assert_nothing_left();
        let record = host.only_call().1;
        assert_eq!(record.streams_opened, 1);
        assert!(record.configured >= 1);
        assert!(host.refused.is_empty());
    }
}
