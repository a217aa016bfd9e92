//! What meets on the way, comes late, comes twice, or never.

use super::calls::{address, answering, idle_script, ms};
use super::host::{config, Host};
use super::network::{Packet, Verdict};
use super::wire::{answer, sdp, Ask, Wire};
use super::world::{Shared, World};
use voip::proto::sip::{Message, Method};
use voip::ua::{CallId, CallState, Command, DialOptions, EndCause, EndedBy, Event};
use voip::util::{Duration, Time};

/// A host that dials a wire; the wire answers by `reflex`.
fn dialled(seed: u64, reflex: super::wire::Reflex) -> (World, Shared<Host>, Shared<Wire>, CallId) {
    let mut world = World::new(seed);
    let a = world.fork_seed();
    let host = world.add(Host::new(address(1), a, config(), idle_script()));
    let wire = world.add(Wire::new(address(2), reflex));
    let call = host.borrow_mut().dial(None, &format!("sip:wire@{}", address(2)));
    (world, host, wire, call)
}

/// A host that is called by a wire and answers after so many ms.
fn called(seed: u64, after: u64) -> (World, Shared<Host>, Shared<Wire>) {
    let mut world = World::new(seed);
    let a = world.fork_seed();
    let host = world.add(Host::new(address(1), a, config(), answering(after)));
    let wire = world.add(Wire::silent(address(2)));
    (world, host, wire)
}

fn ask<'a>(method: &'a Method, branch: &'a str, cseq: u32) -> Ask<'a> {
    let (from, to) = (address(2), address(1));
    Ask { method, from, to, branch, call_id: "wire-1", cseq, to_tag: "", sdp: None, extra: "" }
}

fn invite(branch: &str, offer: &str) -> String {
    Ask { sdp: Some(offer), ..ask(&Method::Invite, branch, 1) }.text()
}

fn offer() -> String {
    sdp(address(2), "sendrecv")
}

fn is(packet: &Packet, word: &str) -> bool {
    packet.word() == word
}

#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut asked: Option<Message> = None;
    let here = address(2);
    let reflex = move |message: &Message, _| match message.method() {
        Method::Invite if message.is_request() => {
            asked = Some(message.clone());
            vec![answer(message, 180, "w", here, false)]
        }
        Method::Cancel => {
            let invite = asked.take().expect("the INVITE came before");
            vec![answer(&invite, 200, "w", here, true), answer(message, 200, "w", here, false)]
        }
        Method::Bye => vec![answer(message, 200, "w", here, false)],
        _ => Vec::new(),
    };
    let (mut world, host, wire, call) = dialled(71, Box::new(reflex));
    world.run_for(ms(500));
    host.borrow_mut().command(Command::Hangup { call });
    world.run_idle(Duration::from_secs(200));
    let words = wire.borrow().words();
    assert_eq!(words, ["INVITE", "CANCEL", "ACK", "BYE"], "seed 71");
    let end = host.borrow().end_of(call).clone();
    assert_eq!((end.cause, end.by), (EndCause::Cancelled, EndedBy::Local), "seed 71");
    host.borrow().assert_nothing_left();
}

#[test]
fn hanging_up_before_any_response_cancels_as_soon_as_one_comes() {
    let here = address(2);
    let mut asked: Option<Message> = None;
    let reflex = move |message: &Message, _| match message.method() {
        Method::Invite if message.is_request() && asked.is_none() => {
            asked = Some(message.clone());
            Vec::new()
        }
        Method::Invite if message.is_request() => vec![answer(message, 180, "w", here, false)],
        Method::Cancel => {
            let invite = asked.as_ref().expect("the INVITE came before");
            vec![answer(message, 200, "w", here, false), answer(invite, 487, "w", here, false)]
        }
        _ => Vec::new(),
    };
    let (mut world, host, wire, call) = dialled(72, Box::new(reflex));
    world.run_for(ms(100));
    host.borrow_mut().command(Command::Hangup { call });
    world.run_for(ms(300));
    assert_eq!(wire.borrow().words(), ["INVITE"], "seed 72: no CANCEL before a response");
    world.run_idle(Duration::from_secs(200));
    assert_eq!(wire.borrow().words(), ["INVITE", "INVITE", "CANCEL", "ACK"], "seed 72");
    assert_eq!(host.borrow().end_of(call).cause, EndCause::Cancelled, "seed 72");
    host.borrow().assert_nothing_left();
}

#[test]
fn nobody_there_is_unreachable_after_timer_b() {
    let (mut world, host, wire, call) = dialled(73, Box::new(|_, _| Vec::new()));
    let begun = world.now;
    assert!(world.run_until(Duration::from_secs(60), |_| host.borrow().calls[&call].end.is_some()));
    assert_eq!(world.now.since(begun).as_secs(), 32, "seed 73");
    world.run_idle(Duration::from_secs(100));
    assert_eq!(host.borrow().end_of(call).cause, EndCause::Unreachable, "seed 73");
    assert_eq!(wire.borrow().count("INVITE"), 7, "seed 73");
    host.borrow().assert_nothing_left();
}

#[test]
fn a_200_is_sent_again_until_its_ack_comes() {
    let mut world = World::new(74);
    let alice = world.add(Host::new(address(1), 1, config(), idle_script()));
    let bob = world.add(Host::new(address(2), 2, config(), answering(100)));
    let mut lost = 0;
    world.network.filter = Some(Box::new(move |_, packet| {
        lost += u32::from(is(packet, "ACK"));
        if is(packet, "ACK") && lost <= 4 {
            Verdict::Drop
        } else {
            Verdict::Pass
        }
    }));
    let call = alice.borrow_mut().dial(None, &format!("sip:bob@{}", address(2)));
    world.run_for(Duration::from_secs(40));
    assert!(alice.borrow().calls[&call].end.is_none(), "seed 74");
    assert!(bob.borrow().only_call().1.end.is_none(), "seed 74: the fifth ACK came through");
    assert_eq!(world.network.lost, 4, "seed 74: one ACK for each 200");
    alice.borrow_mut().command(Command::Hangup { call });
    world.run_idle(Duration::from_secs(100));
    alice.borrow().assert_nothing_left();
    bob.borrow().assert_nothing_left();
}

#[test]
fn a_200_that_is_never_acknowledged_ends_the_call() {
    let (mut world, host, wire) = called(75, 100);
    wire.borrow_mut().send(address(1), invite("a", &offer()));
    world.run_for(Duration::from_secs(40));
    let words = wire.borrow().words();
    let of = |word: &str| words.iter().filter(|w| *w == word).count();
    assert_eq!(of("200 INVITE"), 11, "seed 75: T1 doubled up to T2 for 64*T1");
    assert!(of("BYE") >= 1, "seed 75: 13.3.1.4");
    world.run_idle(Duration::from_secs(100));
    let end = host.borrow().only_call().1.end.clone().expect("ended");
    assert_eq!((end.cause, end.by), (EndCause::NoAck, EndedBy::Engine), "seed 75");
    host.borrow().assert_nothing_left();
}

#[test]
fn an_invite_that_is_sent_again_and_again_is_one_call() {
    let (mut world, host, wire) = called(76, 2000);
    for _ in 0..10 {
        wire.borrow_mut().send(address(1), invite("a", &offer()));
        world.run_for(ms(300));
    }
    let tag = wire.borrow().last("200 INVITE").to_tag().expect("a tag").to_owned();
    wire.borrow_mut().send(address(1), Ask { to_tag: &tag, ..ask(&Method::Ack, "b", 1) }.text());
    world.run_for(ms(1000));
    assert_eq!(host.borrow().calls.len(), 1, "seed 76");
    assert_eq!(wire.borrow().count("BYE"), 0, "seed 76");
    let before = wire.borrow().inbox.len();
    wire.borrow_mut().send(address(1), invite("a", &offer()));
    world.run_for(ms(1000));
    assert_eq!(wire.borrow().inbox.len(), before, "seed 76: after the ACK an old INVITE is swallowed");
    wire.borrow_mut().send(address(1), Ask { to_tag: &tag, ..ask(&Method::Bye, "c", 2) }.text());
    wire.borrow_mut().send(address(1), Ask { to_tag: &tag, ..ask(&Method::Bye, "c", 2) }.text());
    world.run_idle(Duration::from_secs(100));
    assert_eq!(wire.borrow().count("200 BYE"), 2, "seed 76: the same answer to each copy");
    let end = host.borrow().only_call().1.end.clone().expect("ended");
    assert_eq!((end.cause, end.by), (EndCause::Hangup, EndedBy::Remote), "seed 76");
    host.borrow().assert_nothing_left();
}

#[test]
fn an_invite_over_two_paths_is_one_call_and_a_482() {
    let (mut world, host, wire) = called(77, 2000);
    wire.borrow_mut().send(address(1), invite("a", &offer()));
    wire.borrow_mut().send(address(1), invite("b", &offer()));
    world.run_for(ms(500));
    assert_eq!(host.borrow().calls.len(), 1, "seed 77");
    assert_eq!(wire.borrow().count("482 INVITE"), 1, "seed 77");
}

#[test]
fn a_cancel_ends_a_ringing_call_once() {
    let (mut world, host, wire) = called(78, 5000);
    wire.borrow_mut().send(address(1), invite("a", &offer()));
    world.run_for(ms(500));
    for _ in 0..3 {
        wire.borrow_mut().send(address(1), ask(&Method::Cancel, "a", 1).text());
    }
    world.run_for(ms(100));
    let wire_saw = wire.borrow();
    assert_eq!(wire_saw.count("200 CANCEL"), 3, "seed 78");
    assert_eq!(wire_saw.count("487 INVITE"), 1, "seed 78");
    drop(wire_saw);
    wire.borrow_mut().send(address(1), ask(&Method::Ack, "a", 1).text());
    world.run_idle(Duration::from_secs(100));
    assert_eq!(wire.borrow().count("487 INVITE"), 1, "seed 78");
    let end = host.borrow().only_call().1.end.clone().expect("ended");
    assert_eq!((end.cause, end.by), (EndCause::Cancelled, EndedBy::Remote), "seed 78");
    host.borrow().assert_nothing_left();
}

#[test]
fn a_late_cancel_doesnt_touch_an_answered_call() {
    let (mut world, host, wire) = called(79, 100);
    wire.borrow_mut().send(address(1), invite("a", &offer()));
    world.run_for(ms(200));
    wire.borrow_mut().send(address(1), ask(&Method::Cancel, "a", 1).text());
    let tag = wire.borrow().last("200 INVITE").to_tag().expect("a tag").to_owned();
    wire.borrow_mut().send(address(1), Ask { to_tag: &tag, ..ask(&Method::Ack, "b", 1) }.text());
    world.run_for(ms(1000));
    assert_eq!(wire.borrow().count("200 CANCEL"), 1, "seed 79");
    assert!(host.borrow().only_call().1.end.is_none(), "seed 79");
}

#[test]
fn requests_out_of_their_order_and_of_no_dialog_are_refused() {
    let (mut world, host, wire) = called(80, 100);
    wire.borrow_mut().send(address(1), invite("a", &offer()).replace("CSeq: 1 ", "CSeq: 10 "));
    world.run_for(ms(300));
    let tag = wire.borrow().last("200 INVITE").to_tag().expect("a tag").to_owned();
    wire.borrow_mut().send(address(1), Ask { to_tag: &tag, ..ask(&Method::Ack, "b", 10) }.text());
    wire.borrow_mut().send(address(1), Ask { to_tag: &tag, ..ask(&Method::Info, "c", 9) }.text());
    wire.borrow_mut().send(address(1), Ask { to_tag: "other", ..ask(&Method::Bye, "d", 11) }.text());
    world.run_for(ms(300));
    assert_eq!(wire.borrow().count("500 INFO"), 1, "seed 80: 12.2.2");
    assert_eq!(wire.borrow().count("481 BYE"), 1, "seed 80");
    assert!(host.borrow().only_call().1.end.is_none(), "seed 80");
}

#[test]
fn two_holds_at_once_are_491_and_both_come_through_in_the_end() {
    let mut world = World::new(81);
    let (a, b) = (world.fork_seed(), world.fork_seed());
    let alice = world.add(Host::new(address(1), a, config(), idle_script()));
    let bob = world.add(Host::new(address(2), b, config(), answering(100)));
    let saw_491 = std::rc::Rc::new(std::cell::Cell::new(0));
    let counter = saw_491.clone();
    world.network.filter = Some(Box::new(move |_, packet| {
        counter.set(counter.get() + u32::from(is(packet, "491 INVITE")));
        Verdict::Pass
    }));
    let call = alice.borrow_mut().dial(None, &format!("sip:bob@{}", address(2)));
    world.run_for(ms(2000));
    let other = bob.borrow().only_call().0;
    alice.borrow_mut().command(Command::Hold { call });
    bob.borrow_mut().command(Command::Hold { call: other });
    world.run_for(Duration::from_secs(20));
    assert!(saw_491.get() >= 1, "seed 81: 14.1");
    for host in [&alice, &bob] {
        let host = host.borrow();
        let held = host.events.iter().rev().find_map(|(_, e)| match e {
            Event::CallMedia { held_by_us, held_by_peer, .. } => Some((*held_by_us, *held_by_peer)),
            _ => None,
        });
        assert_eq!(held, Some((true, true)), "seed 81: {}", host.address);
    }
    alice.borrow_mut().command(Command::Hangup { call });
    world.run_idle(Duration::from_secs(200));
    alice.borrow().assert_nothing_left();
    bob.borrow().assert_nothing_left();
}

#[test]
fn byes_that_cross_end_the_call_once_on_each_side() {
    let mut world = World::new(82);
    let alice = world.add(Host::new(address(1), 1, config(), idle_script()));
    let bob = world.add(Host::new(address(2), 2, config(), answering(100)));
    let call = alice.borrow_mut().dial(None, &format!("sip:bob@{}", address(2)));
    world.run_for(ms(2000));
    let other = bob.borrow().only_call().0;
    alice.borrow_mut().command(Command::Hangup { call });
    bob.borrow_mut().command(Command::Hangup { call: other });
    world.run_idle(Duration::from_secs(200));
    for host in [&alice, &bob] {
        let host = host.borrow();
        assert_eq!(host.only_call().1.end.as_ref().map(|e| e.cause), Some(EndCause::Hangup), "seed 82");
        host.assert_nothing_left();
    }
}

#[test]
fn early_media_flow_before_the_answer_and_the_answer_keeps_them() {
    let here = address(2);
    let mut asked = None;
    let reflex = move |message: &Message, _| match message.method() {
        Method::Invite if message.is_request() => {
            asked.get_or_insert_with(|| message.clone());
            vec![answer(message, 183, "w", here, true)]
        }
        Method::Bye => vec![answer(message, 200, "w", here, false)],
        // The test's own signal to pick up.
        Method::Info => asked.iter().map(|invite| answer(invite, 200, "w", here, false)).collect(),
        _ => Vec::new(),
    };
    let (mut world, host, wire, call) = dialled(83, Box::new(reflex));
    world.run_for(ms(500));
    let record = host.borrow().calls[&call].clone();
    assert_eq!(record.states.last(), Some(&CallState::Progress), "seed 83");
    assert_eq!((record.streams_opened, record.configured), (1, 1), "seed 83");
    let ok = answer(&wire.borrow().last("INVITE").clone(), 200, "w", here, false);
    wire.borrow_mut().send(address(1), ok);
    world.run_for(ms(500));
    let record = host.borrow().calls[&call].clone();
    assert_eq!(record.states.last(), Some(&CallState::Answered), "seed 83: the answer came with the 183");
    assert_eq!(wire.borrow().count("ACK"), 1, "seed 83");
    host.borrow_mut().command(Command::Hangup { call });
    world.run_idle(Duration::from_secs(100));
    host.borrow().assert_nothing_left();
}

#[test]
fn early_media_are_offered_to_a_caller_too() {
    let mut world = World::new(84);
    let alice = world.add(Host::new(address(1), 1, config(), idle_script()));
    let script = Box::new(|event: &Event, _: &mut _| match event {
        Event::IncomingCall { call, .. } => {
            vec![(ms(50), Command::Progress { call: *call }), (ms(2000), Command::Answer { call: *call })]
        }
        _ => Vec::new(),
    });
    let bob = world.add(Host::new(address(2), 2, config(), script));
    let call = alice.borrow_mut().dial(None, &format!("sip:bob@{}", address(2)));
    world.run_for(ms(1000));
    assert_eq!(alice.borrow().calls[&call].states.last(), Some(&CallState::Progress), "seed 84");
    assert_eq!(alice.borrow().calls[&call].configured, 1, "seed 84");
    assert_eq!(bob.borrow().only_call().1.configured, 1, "seed 84");
    world.run_for(ms(2000));
    assert_eq!(alice.borrow().calls[&call].states.last(), Some(&CallState::Answered), "seed 84");
    assert!(bob.borrow().refused.is_empty(), "seed 84");
}

#[test]
fn a_call_without_an_offer_gets_one_in_the_200_and_the_answer_in_the_ack() {
    let mut world = World::new(85);
    let alice = world.add(Host::new(address(1), 1, config(), idle_script()));
    let bob = world.add(Host::new(address(2), 2, config(), answering(100)));
    let call = CallId(CallId::OUTGOING | 77);
    let options = DialOptions { delayed_offer: true, ..DialOptions::default() };
    let target = format!("sip:bob@{}", address(2));
    alice.borrow_mut().command(Command::Dial { call, account: None, target, options });
    world.run_for(ms(2000));
    assert_eq!(alice.borrow().calls[&call].states.last(), Some(&CallState::Answered), "seed 85");
    assert_eq!(alice.borrow().calls[&call].configured, 1, "seed 85");
    assert_eq!(bob.borrow().only_call().1.configured, 1, "seed 85");
    alice.borrow_mut().command(Command::Hangup { call });
    world.run_idle(Duration::from_secs(100));
    alice.borrow().assert_nothing_left();
    bob.borrow().assert_nothing_left();
}

#[test]
fn no_port_left_is_503_to_the_caller() {
    let mut world = World::new(86);
    let alice = world.add(Host::new(address(1), 1, config(), idle_script()));
    let bob = world.add(Host::new(address(2), 2, config(), answering(100)));
    bob.borrow_mut().no_ports = true;
    let call = alice.borrow_mut().dial(None, &format!("sip:bob@{}", address(2)));
    world.run_idle(Duration::from_secs(200));
    assert_eq!(alice.borrow().end_of(call).sip_code, 503, "seed 86");
    assert!(bob.borrow().calls.is_empty(), "seed 86: a call that can't be had isn't announced");
    alice.borrow().assert_nothing_left();
    bob.borrow().assert_nothing_left();
}

#[test]
fn a_call_that_nobody_answers_ends_by_the_callers_patience() {
    let mut world = World::new(87);
    let alice = world.add(Host::new(address(1), 1, config(), idle_script()));
    let patient = voip::ua::AgentConfig { ring_timeout: Duration::ZERO, ..config() };
    let bob = world.add(Host::new(address(2), 2, patient, idle_script()));
    let call = alice.borrow_mut().dial(None, &format!("sip:bob@{}", address(2)));
    let begun: Time = world.now;
    assert!(world.run_until(Duration::from_secs(200), |_| alice.borrow().calls[&call].end.is_some()));
    assert!((89..95).contains(&world.now.since(begun).as_secs()), "seed 87");
    world.run_idle(Duration::from_secs(100));
    assert_eq!(alice.borrow().end_of(call).cause, EndCause::NoAnswer, "seed 87");
    assert_eq!(
        bob.borrow().only_call().1.end.as_ref().map(|e| e.cause),
        Some(EndCause::Cancelled),
        "seed 87"
    );
    alice.borrow().assert_nothing_left();
    bob.borrow().assert_nothing_left();
}

#[test]
fn a_call_that_the_callee_lets_ring_ends_by_480() {
    let mut world = World::new(88);
    let alice = world.add(Host::new(address(1), 1, config(), idle_script()));
    let bob = world.add(Host::new(address(2), 2, config(), idle_script()));
    let call = alice.borrow_mut().dial(None, &format!("sip:bob@{}", address(2)));
    world.run_idle(Duration::from_secs(200));
    let end = alice.borrow().end_of(call).clone();
    assert_eq!((end.cause, end.sip_code), (EndCause::NoAnswer, 480), "seed 88");
    assert_eq!(bob.borrow().only_call().1.end.as_ref().map(|e| e.cause), Some(EndCause::NoAnswer), "seed 88");
    assert!(bob.borrow().reasons.contains("RingTimeout"), "seed 88");
    alice.borrow().assert_nothing_left();
    bob.borrow().assert_nothing_left();
}

/// A call on hold is hung up before the peer has answered the re-INVITE; then it answers it like that.
fn late_answer_to_hold(seed: u64, status: u16) {
    let here = address(2);
    let mut hold = None;
    let reflex = move |message: &Message, _| match message.method() {
        Method::Invite if message.is_request() && message.to_tag().is_none() => {
            vec![answer(message, 200, "w", here, true)]
        }
        Method::Invite if message.is_request() => {
            hold = Some(message.clone());
            vec![answer(message, 100, "w", here, false)]
        }
        Method::Bye => {
            let late = hold.iter().map(|invite| answer(invite, status, "w", here, status == 200));
            late.chain([answer(message, 200, "w", here, false)]).collect()
        }
        _ => Vec::new(),
    };
    let (mut world, host, wire, call) = dialled(seed, Box::new(reflex));
    world.run_for(ms(500));
    host.borrow_mut().command(Command::Hold { call });
    world.run_for(ms(500));
    host.borrow_mut().command(Command::Hangup { call });
    world.run_idle(Duration::from_secs(100));
    let end = host.borrow().end_of(call).clone();
    assert_eq!((end.cause, end.by), (EndCause::Hangup, EndedBy::Local), "seed {seed}");
    assert_eq!(wire.borrow().count("ACK"), 2, "seed {seed}");
    assert_eq!(host.borrow().calls[&call].configured, 1, "seed {seed}: nothing after the stream was closed");
    host.borrow().assert_nothing_left();
}

#[test]
fn an_answer_that_comes_after_our_bye_opens_no_media_again() {
    late_answer_to_hold(89, 200);
}

#[test]
fn a_481_for_something_else_doesnt_make_our_bye_the_peers() {
    late_answer_to_hold(90, 481);
}
