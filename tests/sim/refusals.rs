//! What an agent says to requests that it can't or needn't serve, and to challenges.

use super::calls::{address, answering, idle_script, ms};
use super::host::{config, Host};
use super::registrations::account;
use super::wire::{answer, sdp, Ask, Wire};
use super::world::{Shared, World};
use voip::proto::sip::{HeaderName, Message, Method, ResponseBuilder};
use voip::ua::{AccountConfig, AccountId, AgentConfig, CallState, Command, EndCause};
use voip::util::Duration;

fn called(seed: u64) -> (World, Shared<Host>, Shared<Wire>) {
    let mut world = World::new(seed);
    let s = world.fork_seed();
    let host = world.add(Host::new(address(1), s, config(), answering(50)));
    let wire = world.add(Wire::silent(address(2)));
    (world, host, wire)
}

fn ask<'a>(method: &'a Method, branch: &'a str, sdp: Option<&'a str>) -> Ask<'a> {
    let (from, to) = (address(2), address(1));
    Ask { method, from, to, branch, call_id: branch, cseq: 1, to_tag: "", sdp, extra: "" }
}

/// The final response to one request that stands alone.
fn said_to(seed: u64, request: &str) -> Message {
    let (mut world, _host, wire) = called(seed);
    wire.borrow_mut().send(address(1), request);
    world.run_for(ms(400));
    let wire = wire.borrow();
    let last = wire.inbox.iter().map(|(_, m)| m).find(|m| m.status() >= 200);
    last.unwrap_or_else(|| panic!("no final response to\n{request}")).clone()
}

#[test]
fn every_refusal_has_the_code_that_is_due() {
    let offer = sdp(address(2), "sendrecv");
    let strange = Method::from_token("STRANGE");
    let invite = ask(&Method::Invite, "x", Some(&offer)).text();
    let bye = ask(&Method::Bye, "x", None);
    let no_codec = offer.replace("AVP 0 8", "AVP 9").replace("a=rtpmap:0 PCMU/8000\r\n", "");
    let cases = [
        (200, ask(&Method::Options, "x", None).text()),
        (405, ask(&strange, "x", None).text()),
        (405, ask(&Method::Publish, "x", None).text()),
        (420, invite.replace("Max-Forwards", "Require: 100rel, nonsense\r\nMax-Forwards")),
        (416, invite.replace("INVITE sip:host@10.0.0.1:5060", "INVITE nonsense:whatever")),
        (505, invite.replace("5060 SIP/2.0\r\n", "5060 SIP/3.0\r\n")),
        (415, invite.replace("application/sdp", "application/nonsense")),
        (400, invite.replace("CSeq: 1 INVITE", "CSeq: 1 BYE")),
        (400, invite.replace("Call-ID: x\r\n", "")),
        (481, Ask { to_tag: "gone", ..bye }.text()),
        (488, ask(&Method::Invite, "x", Some(&no_codec)).text()),
    ];
    for (i, (status, request)) in cases.iter().enumerate() {
        let response = said_to(130 + i as u64, request);
        // 501 is as right as 405 for a method that nobody knows.
        let status = if *status == 405 && response.status() == 501 { 501 } else { *status };
        assert_eq!(response.status(), status, "{request}");
        match response.status() {
            405 => assert!(response.header(HeaderName::Allow).is_some_and(|a| a.contains("INVITE"))),
            415 => {
                assert!(response.header(HeaderName::Accept).is_some_and(|a| a.contains("application/sdp")))
            }
            420 => assert!(response.header(HeaderName::Unsupported).is_some_and(|u| u.contains("nonsense"))),
            200 => assert!(response.header(HeaderName::Allow).is_some()),
            _ => {}
        }
        assert!(response.to_tag().is_some(), "8.2.6.2: {request}");
    }
}

#[test]
fn a_phone_that_takes_no_calls_or_no_more_is_busy() {
    for (seed, settings) in [
        (150, AgentConfig { accept_calls: false, ..config() }),
        (151, AgentConfig { max_calls: 0, ..config() }),
    ] {
        let mut world = World::new(seed);
        let alice = world.add(Host::new(address(1), 1, config(), idle_script()));
        let bob = world.add(Host::new(address(2), 2, settings, answering(50)));
        let call = alice.borrow_mut().dial(None, &format!("sip:bob@{}", address(2)));
        world.run_idle(Duration::from_secs(100));
        let end = alice.borrow().end_of(call).clone();
        assert!(matches!(end.sip_code, 486 | 503), "seed {seed}: {end:?}");
        assert!(bob.borrow().calls.is_empty(), "seed {seed}");
        alice.borrow().assert_nothing_left();
        bob.borrow().assert_nothing_left();
    }
}

/// A peer that asks for credentials, so many times, before it answers.
fn challenging(mut times: u32) -> Wire {
    let here = address(2);
    let reflex = move |message: &Message, from| match message.method() {
        Method::Invite if message.is_request() && times > 0 => {
            times -= 1;
            let value = format!("Digest realm=\"sim\", nonce=\"n{times}\", qop=\"auth\", algorithm=SHA-256");
            let refusal = ResponseBuilder::new(message, 407, None, from).to_tag("w");
            vec![refusal.header(HeaderName::ProxyAuthenticate, &value).build().expect("nothing forbidden")]
        }
        Method::Invite if message.is_request() => vec![answer(message, 200, "w", here, true)],
        Method::Bye => vec![answer(message, 200, "w", here, false)],
        _ => Vec::new(),
    };
    Wire::new(here, Box::new(reflex))
}

fn dial_a_challenger(seed: u64, times: u32) -> (World, Shared<Host>, Shared<Wire>, voip::ua::CallId) {
    let mut world = World::new(seed);
    let host = world.add(Host::new(address(1), seed, config(), idle_script()));
    let wire = world.add(challenging(times));
    let config = AccountConfig { register: false, ..account(2, "alice", "right", 60) };
    host.borrow_mut().command(Command::AddAccount { account: AccountId(1), config });
    let call = host.borrow_mut().dial(Some(AccountId(1)), &format!("sip:wire@{}", address(2)));
    world.run_for(ms(1000));
    (world, host, wire, call)
}

#[test]
fn an_invite_that_is_challenged_goes_out_again_with_credentials() {
    let (mut world, host, wire, call) = dial_a_challenger(152, 1);
    assert_eq!(wire.borrow().words(), ["INVITE", "ACK", "INVITE", "ACK"], "seed 152");
    let seen = wire.borrow().inbox.clone();
    let (first, second) = (&seen[0].1, &seen[2].1);
    assert_eq!(second.cseq(), first.cseq() + 1, "22.2");
    assert_eq!(second.call_id(), first.call_id(), "22.2");
    assert_eq!(second.from_tag(), first.from_tag());
    let credentials = second.header(HeaderName::ProxyAuthorization).expect("credentials");
    assert!(
        credentials.contains("algorithm=SHA-256") && credentials.contains("nc=00000001"),
        "{credentials}"
    );
    assert_eq!(host.borrow().calls[&call].states.last(), Some(&CallState::Answered), "seed 152");
    host.borrow_mut().command(Command::Hangup { call });
    world.run_idle(Duration::from_secs(100));
    host.borrow().assert_nothing_left();
}

#[test]
fn the_same_credentials_are_not_offered_for_ever() {
    let (mut world, host, wire, call) = dial_a_challenger(153, 100);
    world.run_idle(Duration::from_secs(100));
    assert!(wire.borrow().count("INVITE") <= 3, "seed 153: {:?}", wire.borrow().words());
    assert_eq!(host.borrow().end_of(call).cause, EndCause::Auth, "seed 153");
    host.borrow().assert_nothing_left();
}

#[test]
fn a_reinvite_moves_the_target_of_what_follows() {
    let (mut world, host, wire) = called(154);
    let offer = sdp(address(2), "sendrecv");
    let second = offer.replace("o=- 1 1", "o=- 1 2");
    let ask = |method, branch, cseq, to_tag, sdp| {
        let (from, to) = (address(2), address(1));
        Ask { method, from, to, branch, call_id: "moved", cseq, to_tag, sdp, extra: "" }.text()
    };
    wire.borrow_mut().send(address(1), ask(&Method::Invite, "a", 1, "", Some(&offer)));
    world.run_for(ms(300));
    let tag = wire.borrow().last("200 INVITE").to_tag().expect("a tag").to_owned();
    wire.borrow_mut().send(address(1), ask(&Method::Ack, "b", 1, &tag, None));
    world.run_for(ms(100));
    let moved = wire.borrow_mut().address;
    let elsewhere = world.add(Wire::silent(address(3)));
    let again = ask(&Method::Invite, "c", 2, &tag, Some(&second));
    let contact = format!("Contact: <sip:wire@{moved}>");
    let again = again.replace(&contact, &format!("Contact: <sip:wire@{}>", address(3)));
    wire.borrow_mut().send(address(1), again);
    world.run_for(ms(300));
    assert_eq!(wire.borrow().last("200 INVITE").cseq(), 2, "seed 154");
    wire.borrow_mut().send(address(1), ask(&Method::Ack, "d", 2, &tag, None));
    world.run_for(ms(100));
    let call = host.borrow().only_call().0;
    host.borrow_mut().command(Command::Hangup { call });
    world.run_for(ms(300));
    assert!(elsewhere.borrow().count("BYE") >= 1, "seed 154: 12.2.1.1, target refresh");
    assert_eq!(elsewhere.borrow().last("BYE").request_uri_text(), format!("sip:wire@{}", address(3)));
    assert_eq!(wire.borrow().count("BYE"), 0, "seed 154");
    world.run_idle(Duration::from_secs(100));
    host.borrow().assert_nothing_left();
}
