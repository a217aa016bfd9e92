//! Stopping with calls in every state and a registration alive, with and without anybody to hear it.

use super::calls::{address, answering, idle_script, ms};
use super::host::{config, Host};
use super::registrar::Registrar;
use super::registrations::account;
use super::world::{Shared, World};
use voip::ua::{AccountId, Command, EndCause};
use voip::util::Duration;

struct Busy {
    world: World,
    host: Shared<Host>,
    peers: Vec<Shared<Host>>,
    registrar: Shared<Registrar>,
}

/// Dialling into nothing, ringing out, ringing in, talking both ways, and registered.
fn busy(seed: u64) -> Busy {
    let mut world = World::new(seed);
    let s = world.fork_seed();
    let host = world.add(Host::new(address(1), s, config(), idle_script()));
    let mut peers = Vec::new();
    for (i, script) in [answering(100), idle_script(), idle_script()].into_iter().enumerate() {
        let s = world.fork_seed();
        peers.push(world.add(Host::new(address(2 + i as u8), s, config(), script)));
    }
    let s = world.fork_seed();
    let registrar = world.add(Registrar::new(address(9), s, "right"));
    let config = account(9, "alice", "right", 120);
    host.borrow_mut().command(Command::AddAccount { account: AccountId(1), config });
    host.borrow_mut().command(Command::Register { account: AccountId(1) });
    for to in [address(2), address(3), address(99)] {
        host.borrow_mut().dial(None, &format!("sip:x@{to}"));
    }
    peers[2].borrow_mut().dial(None, &format!("sip:x@{}", address(1)));
    world.run_for(ms(2000));
    assert!(registrar.borrow().is_bound(world.now, "alice"), "seed {seed}");
    assert_eq!(host.borrow().calls.len(), 4, "seed {seed}");
    Busy { world, host, peers, registrar }
}

#[test]
fn stopping_ends_calls_and_registrations_and_tells_everybody() {
    let Busy { mut world, host, peers, registrar } = busy(91);
    let deadline = world.now + Duration::from_secs(5);
    host.borrow_mut().command(Command::Stop { deadline });
    let stopped = world.run_until(Duration::from_secs(6), |_| host.borrow().stopped);
    assert!(stopped, "seed 91");
    assert!(world.now <= deadline, "seed 91: stopped at {:?}", world.now);
    world.run_idle(Duration::from_secs(300));
    assert!(!registrar.borrow().is_bound(world.now, "alice"), "seed 91");
    let host = host.borrow();
    assert!(host.calls.values().all(|r| r.end.is_some()), "seed 91");
    let shutdown =
        host.calls.values().filter_map(|r| r.end.as_ref()).filter(|e| e.cause == EndCause::Shutdown);
    assert_eq!(shutdown.count(), 4, "seed 91");
    host.assert_nothing_left();
    for peer in &peers {
        peer.borrow().assert_nothing_left();
    }
}

#[test]
fn stopping_keeps_its_deadline_when_nobody_listens() {
    let Busy { mut world, host, .. } = busy(92);
    world.network.cut_off.insert(address(1));
    let deadline = world.now + Duration::from_secs(3);
    host.borrow_mut().command(Command::Stop { deadline });
    assert!(world.run_until(Duration::from_secs(10), |_| host.borrow().stopped), "seed 92");
    assert!(world.now <= deadline + ms(1), "seed 92: stopped at {:?}", world.now);
    let host = host.borrow();
    assert!(host.calls.values().all(|r| r.end.is_some()), "seed 92");
    host.assert_nothing_left();
}

#[test]
fn stopping_with_nothing_to_do_is_at_once() {
    let mut world = World::new(93);
    let host = world.add(Host::new(address(1), 1, config(), idle_script()));
    let begun = world.now;
    host.borrow_mut().command(Command::Stop { deadline: begun + Duration::from_secs(5) });
    assert!(world.run_until(Duration::from_secs(10), |_| host.borrow().stopped), "seed 93");
    assert_eq!(world.now, begun, "seed 93");
}
