//! Calls at a rate that lasts: far more in 32 s than transactions may be kept.

use super::calls::{address, answering, ms};
use super::host::{config, Host};
use super::wire::{sdp, Ask, Wire};
use super::world::{Shared, World};
use voip::proto::sip::{Message, Method};
use voip::ua::{AgentConfig, EndCause};
use voip::util::Duration;

const UNDER_WAY: usize = 40;
/// Finished transactions that are kept for each that may be under way.
const KEPT: usize = 8;
const CALLS: u64 = 2000;

fn branch_of(call: u64, method: &Method) -> String {
    format!("{call}-{method}")
}

fn request(method: &Method, call: u64, to_tag: &str) -> String {
    let (from, to) = (address(2), address(1));
    let (call_id, offer) = (format!("rush-{call}"), sdp(from, "sendrecv"));
    let sdp = (*method == Method::Invite).then_some(&*offer);
    let cseq = if *method == Method::Bye { 2 } else { 1 };
    // An ACK of a 2xx has a branch of its own.
    let branch = &branch_of(call, method);
    Ask { method, from, to, branch, call_id: &call_id, cseq, to_tag, sdp, extra: "" }.text()
}

/// Acknowledges and hangs up as soon as it is answered.
fn caller() -> Wire {
    Wire::new(
        address(2),
        Box::new(|message, _| {
            if (message.status(), message.method()) != (200, &Method::Invite) {
                return Vec::new();
            }
            let call = message.call_id().trim_start_matches("rush-").parse().expect("ours");
            let tag = message.to_tag().expect("a tag of the callee");
            [Method::Ack, Method::Bye].iter().map(|m| request(m, call, tag).into_bytes()).collect()
        }),
    )
}

fn responses<'a>(wire: &'a Wire, call: u64, method: &'a Method) -> impl Iterator<Item = &'a Message> {
    let branch = format!("z9hG4bK{}", branch_of(call, method));
    wire.inbox.iter().map(|(_, m)| m).filter(move |m| m.branch() == Some(&branch))
}

fn rush(seed: u64) -> (World, Shared<Host>, Shared<Wire>) {
    let mut world = World::new(seed);
    let s = world.fork_seed();
    let limits = AgentConfig { max_calls: UNDER_WAY / 4, max_transactions: UNDER_WAY, ..config() };
    let host = world.add(Host::new(address(1), s, limits, answering(20)));
    let wire = world.add(caller());
    host.borrow_mut().keep_events = false;
    for call in 0..CALLS {
        wire.borrow_mut().send(address(1), request(&Method::Invite, call, ""));
        world.run_for(ms(20));
        let stats = host.borrow().agent.stats();
        let (servers, most) = (stats.server_transactions, UNDER_WAY * (KEPT + 1));
        assert!(servers <= most, "seed {seed}: {servers} transactions after {call} calls");
    }
    (world, host, wire)
}

#[test]
fn fifty_calls_a_second_for_forty_seconds_are_all_taken_and_answer_their_copies() {
    let (mut world, host, wire) = rush(51);
    world.run_for(ms(100));
    {
        let wire = wire.borrow();
        assert_eq!(wire.count("200 INVITE") as u64, CALLS, "seed 51");
        assert_eq!(wire.count("200 BYE") as u64, CALLS, "seed 51");
        assert_eq!(wire.count("503 INVITE"), 0, "seed 51");
    }
    // A copy of one of the last: its transaction answers, and no call comes of it.
    let late = CALLS - 20;
    let tag = tag_of(&wire.borrow(), late);
    wire.borrow_mut().send(address(1), request(&Method::Bye, late, &tag));
    world.run_for(ms(100));
    let said: Vec<u16> = responses(&wire.borrow(), late, &Method::Bye).map(|m| m.status()).collect();
    assert_eq!(said, [200, 200], "seed 51: the copy of a BYE");
    wire.borrow_mut().send(address(1), request(&Method::Invite, late, ""));
    world.run_for(ms(100));
    assert_eq!(host.borrow().agent.stats().calls, 0, "seed 51: the copy of an INVITE is no call");
    assert_eq!(host.borrow().calls.len() as u64, CALLS, "seed 51");
    let causes =
        host.borrow().calls.values().all(|c| c.end.as_ref().is_some_and(|e| e.cause == EndCause::Hangup));
    assert!(causes, "seed 51");
    world.run_idle(Duration::from_secs(60));
    host.borrow().assert_nothing_left();
}

fn tag_of(wire: &Wire, call: u64) -> String {
    let tag = responses(wire, call, &Method::Invite).find(|m| m.status() == 200).and_then(|m| m.to_tag());
    tag.expect("it was answered").to_owned()
}
