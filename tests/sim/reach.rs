//! Names, ports that nobody listens on, and media that stop.

use super::calls::{address, answering, idle_script, ms};
use super::host::{config, Host};
use super::world::{Shared, World};
use voip::ua::{AgentConfig, CallId, CallState, EndCause, EndedBy};
use voip::util::Duration;

fn pair(seed: u64, settings: AgentConfig) -> (World, Shared<Host>, Shared<Host>) {
    let mut world = World::new(seed);
    let alice = world.add(Host::new(address(1), seed, settings, idle_script()));
    let bob = world.add(Host::new(address(2), !seed, config(), answering(50)));
    (world, alice, bob)
}

fn ended(world: &mut World, host: &Shared<Host>, call: CallId) -> Duration {
    let begun = world.now;
    assert!(world.run_until(Duration::from_secs(100), |_| host.borrow().calls[&call].end.is_some()));
    world.now.since(begun)
}

#[test]
fn a_name_is_looked_up_and_the_call_goes_there() {
    let (mut world, alice, bob) = pair(161, config());
    alice.borrow_mut().names.insert("bob.example".into(), address(2));
    let call = alice.borrow_mut().dial(None, "sip:bob@bob.example");
    world.run_for(ms(1000));
    assert_eq!(alice.borrow().calls[&call].states.last(), Some(&CallState::Answered), "seed 161");
    let call = bob.borrow().only_call().0;
    bob.borrow_mut().command(voip::ua::Command::Hangup { call });
    world.run_idle(Duration::from_secs(100));
    alice.borrow().assert_nothing_left();
    bob.borrow().assert_nothing_left();
}

#[test]
fn a_name_that_nobody_knows_is_unreachable_at_once() {
    let (mut world, alice, _bob) = pair(162, config());
    let call = alice.borrow_mut().dial(None, "sip:bob@nowhere.example");
    assert!(ended(&mut world, &alice, call) < ms(100), "seed 162");
    assert_eq!(alice.borrow().end_of(call).cause, EndCause::Unreachable, "seed 162");
    world.run_idle(Duration::from_secs(100));
    alice.borrow().assert_nothing_left();
}

#[test]
fn an_icmp_error_is_unreachable_at_once() {
    let (mut world, alice, _bob) = pair(163, config());
    alice.borrow_mut().unreachable.insert(address(2));
    let call = alice.borrow_mut().dial(None, &format!("sip:bob@{}", address(2)));
    assert!(ended(&mut world, &alice, call) < ms(100), "seed 163");
    assert_eq!(alice.borrow().end_of(call).cause, EndCause::Unreachable, "seed 163");
    world.run_idle(Duration::from_secs(100));
    alice.borrow().assert_nothing_left();
}

#[test]
fn media_that_stop_end_the_call_only_when_the_host_asked_for_it() {
    for (seed, asked) in [(164, true), (165, false)] {
        let settings = AgentConfig { hangup_on_media_timeout: asked, ..config() };
        let (mut world, alice, bob) = pair(seed, settings);
        let call = alice.borrow_mut().dial(None, &format!("sip:bob@{}", address(2)));
        world.run_for(ms(1000));
        alice.borrow_mut().time_out_media(call);
        world.run_for(ms(1000));
        let end = alice.borrow().calls[&call].end.clone();
        assert_eq!(end.is_some(), asked, "seed {seed}");
        if let Some(end) = end {
            assert_eq!((end.cause, end.by), (EndCause::MediaTimeout, EndedBy::Engine), "seed {seed}");
            let bob = bob.borrow();
            assert_eq!(bob.only_call().1.end.as_ref().map(|e| e.by), Some(EndedBy::Remote), "seed {seed}");
        }
    }
}
