//! Calls through proxies that record-route, loosely and strictly, and fork.

use super::calls::{address, answering, idle_script, ms};
use super::host::{config, Host};
use super::proxy::Proxy;
use super::world::{Shared, World};
use voip::ua::{CallId, CallState, Command, EndCause, EndedBy};
use voip::util::Duration;

struct Through {
    world: World,
    alice: Shared<Host>,
    bobs: Vec<Shared<Host>>,
    proxies: Vec<Shared<Proxy>>,
    call: CallId,
}

/// Alice calls bob through a chain of proxies, each strict or not; the last one forks to hosts that answer
/// after so many ms.
fn through(seed: u64, strict: &[bool], answers: &[u64], cancel_others: bool) -> Through {
    let mut world = World::new(seed);
    let a = world.fork_seed();
    let alice = world.add(Host::new(address(1), a, config(), idle_script()));
    let mut bobs = Vec::new();
    for (i, &after) in answers.iter().enumerate() {
        let (seed, at) = (world.fork_seed(), address(10 + i as u8));
        bobs.push(world.add(Host::new(at, seed, config(), answering(after))));
    }
    let mut proxies = Vec::new();
    for (i, &is_strict) in strict.iter().enumerate() {
        let mut proxy = Proxy::new(address(50 + i as u8), world.fork_seed());
        proxy.strict = is_strict;
        proxy.cancel_others = cancel_others;
        let next = match i + 1 < strict.len() {
            true => vec![address(51 + i as u8)],
            false => bobs.iter().map(|b| b.borrow().address).collect(),
        };
        proxy.users.insert("bob".into(), next);
        proxies.push(world.add(proxy));
    }
    let call = alice.borrow_mut().dial(None, &format!("sip:bob@{}", address(50)));
    Through { world, alice, bobs, proxies, call }
}

fn through_and_back(seed: u64, strict: &[bool], caller_ends: bool) {
    let mut t = through(seed, strict, &[500], true);
    t.world.run_for(ms(3000));
    assert_eq!(t.alice.borrow().calls[&t.call].states.last(), Some(&CallState::Answered), "seed {seed}");
    let bob_call = t.bobs[0].borrow().only_call().0;
    assert_eq!(t.bobs[0].borrow().calls[&bob_call].states.last(), Some(&CallState::Answered), "seed {seed}");
    // Our 2xx was acknowledged through the proxies: it isn't sent again.
    t.world.run_for(Duration::from_secs(40));
    let (ender, call) = if caller_ends { (&t.alice, t.call) } else { (&t.bobs[0], bob_call) };
    ender.borrow_mut().command(Command::Hangup { call });
    t.world.run_idle(Duration::from_secs(200));
    let (alice, bob) = (t.alice.borrow(), t.bobs[0].borrow());
    let (a, b) = (alice.end_of(t.call), bob.end_of(bob_call));
    assert_eq!((a.cause, b.cause), (EndCause::Hangup, EndCause::Hangup), "seed {seed}");
    assert_eq!(a.by == EndedBy::Local, caller_ends, "seed {seed}");
    assert_eq!(b.by == EndedBy::Local, !caller_ends, "seed {seed}");
    for proxy in &t.proxies {
        let forwarded = &proxy.borrow().forwarded;
        let of = |method| forwarded.get(method).copied();
        assert_eq!(
            (of("INVITE"), of("ACK"), of("BYE")),
            (Some(1), Some(1), Some(1)),
            "seed {seed}: {forwarded:?}"
        );
    }
    alice.assert_nothing_left();
    bob.assert_nothing_left();
}

#[test]
fn a_loose_proxy_sees_ack_and_bye_from_either_side() {
    through_and_back(51, &[false], true);
    through_and_back(52, &[false], false);
}

#[test]
fn a_strict_proxy_sees_ack_and_bye_from_either_side() {
    through_and_back(53, &[true], true);
    through_and_back(54, &[true], false);
}

#[test]
fn chains_of_loose_and_strict_proxies_are_passed_in_both_directions() {
    for (i, chain) in [[false, false], [false, true], [true, false], [true, true]].iter().enumerate() {
        through_and_back(55 + 2 * i as u64, chain, true);
        through_and_back(56 + 2 * i as u64, chain, false);
    }
}

#[test]
fn the_second_2xx_of_a_fork_is_acknowledged_and_ended() {
    let mut t = through(65, &[false], &[300, 305], false);
    t.world.run_for(ms(5000));
    let answered = t.bobs.iter().filter(|b| b.borrow().only_call().1.end.is_none()).count();
    assert_eq!(answered, 1, "seed 65: one of the two is still there");
    let proxy = t.proxies[0].borrow().forwarded.clone();
    assert_eq!((proxy["ACK"], proxy["BYE"]), (2, 1), "seed 65");
    let ended = t.bobs.iter().find_map(|b| b.borrow().only_call().1.end.clone());
    let ended = ended.expect("one has ended");
    assert_eq!((ended.cause, ended.by), (EndCause::Hangup, EndedBy::Remote), "seed 65");
    assert_eq!(t.alice.borrow().calls.len(), 1, "seed 65: to the host it is one call");
    t.alice.borrow_mut().command(Command::Hangup { call: t.call });
    t.world.run_idle(Duration::from_secs(200));
    for host in t.bobs.iter().chain([&t.alice]) {
        host.borrow().assert_nothing_left();
    }
}

#[test]
fn a_fork_that_loses_the_race_is_cancelled() {
    let mut t = through(66, &[false], &[300, 20_000, 20_000], true);
    t.world.run_for(ms(5000));
    let causes: Vec<_> =
        t.bobs.iter().map(|b| b.borrow().only_call().1.end.clone().map(|e| e.cause)).collect();
    assert_eq!(causes, [None, Some(EndCause::Cancelled), Some(EndCause::Cancelled)], "seed 66");
    t.alice.borrow_mut().command(Command::Hangup { call: t.call });
    t.world.run_idle(Duration::from_secs(200));
    for host in t.bobs.iter().chain([&t.alice]) {
        host.borrow().assert_nothing_left();
    }
}

#[test]
fn hanging_up_while_forks_ring_cancels_them_all() {
    let mut t = through(67, &[false], &[20_000, 20_000], true);
    t.world.run_for(ms(1000));
    t.alice.borrow_mut().command(Command::Hangup { call: t.call });
    t.world.run_idle(Duration::from_secs(200));
    assert_eq!(t.alice.borrow().end_of(t.call).cause, EndCause::Cancelled, "seed 67");
    for bob in &t.bobs {
        let bob = bob.borrow();
        assert_eq!(bob.only_call().1.end.as_ref().map(|e| e.cause), Some(EndCause::Cancelled), "seed 67");
        bob.assert_nothing_left();
    }
    t.alice.borrow().assert_nothing_left();
}

#[test]
fn a_user_that_the_proxy_doesnt_know_is_not_found() {
    let mut t = through(68, &[false], &[], true);
    t.world.run_idle(Duration::from_secs(200));
    let end = t.alice.borrow().end_of(t.call).clone();
    assert_eq!((end.cause, end.sip_code, end.by), (EndCause::NotFound, 404, EndedBy::Remote), "seed 68");
    t.alice.borrow().assert_nothing_left();
}
