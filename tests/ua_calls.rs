//! Two agents back to back, and one against a script: calls from their first to their last message.

mod agents;

use agents::*;
use voip::proto::sdp::Direction;
use voip::proto::sip::{HeaderName, Message, Method};
use voip::ua::*;
use voip::util::Duration;

#[test]
fn a_call_is_dialled_rung_answered_and_hung_up() {
    let mut bench = Bench::new(2);
    let call = bench.dial(0, "sip:bob@192.0.2.2");
    assert_eq!(bench.parties[0].states(), [CallState::Dialing, CallState::Ringing]);
    let incoming = bench.parties[1].incoming();
    bench.command(1, Command::Answer { call: incoming });
    assert!(bench.parties[0].has_state(CallState::Answered));
    assert_eq!(bench.parties[1].states(), [CallState::Answered]);
    let (caller, callee) = (bench.parties[0].streams(), bench.parties[1].streams());
    assert_eq!(caller[0].remote, Some(addr("192.0.2.2:10002")));
    assert_eq!(callee[0].remote, Some(addr("192.0.2.1:10001")));
    assert_eq!(&*caller[0].codec.name, "PCMU");
    assert_eq!(caller[0].telephone_event, Some(101));
    bench.pass(Duration::from_secs(60));
    bench.command(0, Command::Hangup { call });
    assert_eq!(bench.parties[0].end(), (EndCause::Hangup, EndedBy::Local, 0));
    assert_eq!(bench.parties[1].end(), (EndCause::Hangup, EndedBy::Remote, 0));
    assert!(bench.parties[0].has_state(CallState::Terminating));
    assert!(matches!(bench.parties[0].events.last(), Some(Event::CallEnded { .. })));
    bench.assert_empty();
}

#[test]
fn the_callee_can_hang_up_as_well() {
    let mut bench = Bench::new(2);
    let (_, b) = bench.talk();
    bench.command(1, Command::Hangup { call: b });
    assert_eq!(bench.parties[1].end(), (EndCause::Hangup, EndedBy::Local, 0));
    assert_eq!(bench.parties[0].end(), (EndCause::Hangup, EndedBy::Remote, 0));
    bench.assert_empty();
}

#[test]
fn a_lost_ack_brings_the_200_again_and_the_same_ack_for_each() {
    let mut bench = Bench::new(2);
    let mut lost = 0;
    bench.lose = Box::new(move |bytes| {
        lost += u32::from(bytes.starts_with(b"ACK"));
        bytes.starts_with(b"ACK") && lost <= 3
    });
    bench.talk();
    bench.pass(Duration::from_secs(10));
    let acks: Vec<_> =
        bench.log.iter().filter(|(_, _, b)| b.starts_with(b"ACK")).map(|(_, _, b)| b).collect();
    assert_eq!(acks.len(), 4);
    assert!(acks.iter().all(|a| *a == acks[0]));
    bench.pass(Duration::from_secs(60));
    assert!(bench.parties[1].ends().is_empty());
}

#[test]
fn a_200_that_is_never_acknowledged_ends_the_call() {
    let mut bench = Bench::new(2);
    bench.lose = Box::new(|bytes| bytes.starts_with(b"ACK"));
    bench.talk();
    bench.pass(Duration::from_secs(33));
    assert_eq!(bench.parties[1].end(), (EndCause::NoAck, EndedBy::Engine, 0));
    assert_eq!(bench.parties[0].end(), (EndCause::Hangup, EndedBy::Remote, 0));
    bench.assert_empty();
}

#[test]
fn a_callee_that_hangs_up_before_the_ack_says_bye_after_it() {
    let mut bench = Bench::new(1);
    let mut script = Script::new();
    bench.inject(&script.invite());
    let call = bench.parties[0].incoming();
    bench.command(0, Command::Answer { call });
    bench.command(0, Command::Hangup { call });
    assert_eq!(bench.next_status(), 180);
    let ok = bench.next_response();
    assert!(bench.inbox.is_empty(), "no BYE before the ACK");
    script.learn(&ok);
    bench.inject(&script.plain(Method::Ack));
    let bye = bench.next_request(Method::Bye);
    bench.respond(&bye, 200, "x", None);
    assert_eq!(bench.parties[0].end(), (EndCause::Hangup, EndedBy::Local, 0));
    bench.assert_empty();
}

#[test]
fn early_media_flows_before_the_answer() {
    let mut bench = Bench::new(2);
    bench.dial(0, "sip:bob@192.0.2.2");
    let call = bench.parties[1].incoming();
    bench.command(1, Command::Progress { call });
    assert!(bench.parties[0].has_state(CallState::Progress));
    assert_eq!((bench.parties[0].streams().len(), bench.parties[1].streams().len()), (1, 1));
    bench.command(1, Command::Answer { call });
    assert!(bench.parties[0].has_state(CallState::Answered));
    assert_eq!(bench.parties[0].streams().len(), 1, "the same answer configures nothing anew");
}

#[test]
fn an_invite_without_sdp_gets_our_offer_and_its_ack_brings_the_answer() {
    let mut bench = Bench::new(2);
    let options = DialOptions { delayed_offer: true, ..DialOptions::default() };
    bench.dial_with(0, "sip:bob@192.0.2.2", options);
    let call = bench.parties[1].incoming();
    bench.command(1, Command::Answer { call });
    assert_eq!(bench.parties[0].streams()[0].remote, Some(addr("192.0.2.2:10002")));
    assert_eq!(bench.parties[1].streams()[0].remote, Some(addr("192.0.2.1:10001")));
    bench.pass(Duration::from_secs(60));
    assert!(bench.parties[1].ends().is_empty());
}

#[test]
fn hold_and_resume_are_heard_on_both_sides() {
    let mut bench = Bench::new(2);
    let (a, _) = bench.talk();
    bench.command(0, Command::Hold { call: a });
    assert_eq!(bench.parties[0].streams().last().unwrap().direction, Direction::SendOnly);
    assert_eq!(bench.parties[1].streams().last().unwrap().direction, Direction::RecvOnly);
    let held =
        bench.parties[1].events.iter().any(|e| matches!(e, Event::CallMedia { held_by_peer: true, .. }));
    assert!(held);
    bench.command(0, Command::Resume { call: a });
    assert_eq!(bench.parties[1].streams().last().unwrap().direction, Direction::SendRecv);
    assert_eq!(bench.parties[0].streams().last().unwrap().direction, Direction::SendRecv);
    bench.command(0, Command::Hangup { call: a });
    bench.assert_empty();
}

#[test]
fn both_hold_at_once_and_the_491_is_tried_again() {
    let mut bench = Bench::new(2);
    let (a, b) = bench.talk();
    let now = bench.now;
    bench.parties[0].agent.handle_command(now, Command::Hold { call: a }).unwrap();
    bench.parties[1].agent.handle_command(now, Command::Hold { call: b }).unwrap();
    bench.settle();
    assert!(bench.log.iter().any(|(_, _, m)| m.starts_with(b"SIP/2.0 491")));
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.parties[0].streams().last().unwrap().direction, Direction::Inactive);
    assert_eq!(bench.parties[1].streams().last().unwrap().direction, Direction::Inactive);
}

#[test]
fn an_early_forks_ring_and_the_second_2xx_is_acknowledged_and_ended() {
    let mut bench = Bench::new(1);
    bench.dial(0, &format!("sip:bob@{SCRIPT}"));
    let invite = bench.next_request(Method::Invite);
    bench.respond(&invite, 180, "one", None);
    bench.respond(&invite, 183, "two", Some(SDP));
    bench.respond(&invite, 200, "one", Some(SDP));
    assert_eq!(bench.next_request(Method::Ack).to_tag(), Some("one"));
    bench.respond(&invite, 200, "two", Some(SDP));
    assert_eq!(bench.next_request(Method::Ack).to_tag(), Some("two"));
    assert_eq!(bench.next_request(Method::Bye).to_tag(), Some("two"));
    assert!(bench.parties[0].ends().is_empty());
}

#[test]
fn a_200_without_a_usable_answer_is_acknowledged_and_ended() {
    for (sdp, cause) in [
        (None, EndCause::Protocol),
        (Some("rubbish"), EndCause::Protocol),
        (Some("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\nc=IN IP4 192.0.2.9\r\nm=audio 0 RTP/AVP 0\r\n"),
            EndCause::NoCodec),
    ] {
        let mut bench = Bench::new(1);
        bench.dial(0, &format!("sip:bob@{SCRIPT}"));
        let invite = bench.next_request(Method::Invite);
        bench.respond(&invite, 200, "x", sdp);
        bench.next_request(Method::Ack);
        let bye = bench.next_request(Method::Bye);
        bench.respond(&bye, 200, "x", None);
        assert_eq!(bench.parties[0].end().0, cause);
        assert!(!bench.parties[0].has_state(CallState::Answered));
        bench.assert_empty();
    }
}

#[test]
fn an_offer_without_a_common_codec_is_488_before_the_host_hears_of_it() {
    let mut bench = Bench::new(1);
    let mut script = Script::new();
    let sdp = SDP.replace("RTP/AVP 0 101", "RTP/AVP 18");
    let invite = script.start(Method::Invite).body("application/sdp", sdp.as_bytes()).build().unwrap();
    bench.inject(&invite);
    assert_eq!(bench.next_status(), 488);
    assert!(bench.parties[0].events.is_empty());
}

#[test]
fn requests_that_cannot_be_served_get_the_status_that_is_due() {
    type Case = (u16, Box<dyn Fn(&mut Script) -> Vec<u8>>);
    let cases: Vec<Case> = vec![
        (
            420,
            Box::new(|s| s.start(Method::Invite).header(HeaderName::Require, "100rel, x").build().unwrap()),
        ),
        (415, Box::new(|s| s.start(Method::Invite).body("text/plain", b"hi").build().unwrap())),
        (405, Box::new(|s| s.start(Method::Other("DANCE".into())).build().unwrap())),
        (405, Box::new(|s| s.start(Method::Register).build().unwrap())),
        (405, Box::new(|s| s.start(Method::Message).build().unwrap())),
        (481, Box::new(|s| s.start(Method::Bye).build().unwrap())),
        (
            481,
            Box::new(|s| {
                s.to_tag = Some("unknown".into());
                s.start(Method::Invite).build().unwrap()
            }),
        ),
        (
            416,
            Box::new(|s| {
                let text = String::from_utf8(s.start(Method::Options).build().unwrap()).unwrap();
                text.replacen("OPTIONS sip:alice@192.0.2.1", "OPTIONS soap:alice", 1).into_bytes()
            }),
        ),
        (
            505,
            Box::new(|s| {
                let text = String::from_utf8(s.start(Method::Options).build().unwrap()).unwrap();
                text.replacen("SIP/2.0\r\n", "SIP/7.0\r\n", 1).into_bytes()
            }),
        ),
        (
            400,
            Box::new(|s| {
                let text = String::from_utf8(s.start(Method::Options).build().unwrap()).unwrap();
                text.replacen("From:", "X-From:", 1).into_bytes()
            }),
        ),
    ];
    for (status, make) in cases {
        let mut bench = Bench::new(1);
        let request = make(&mut Script::new());
        bench.inject(&request);
        let response = bench.next_response();
        assert_eq!(response.status(), status, "{}", String::from_utf8_lossy(&request));
        assert!(bench.parties[0].events.is_empty());
        match status {
            405 => assert!(response.header(HeaderName::Allow).is_some()),
            420 => assert_eq!(response.header(HeaderName::Unsupported), Some("100rel, x")),
            415 => assert_eq!(response.header(HeaderName::Accept), Some("application/sdp")),
            _ => {}
        }
    }
}

#[test]
fn the_same_invite_over_two_paths_is_482_the_second_time() {
    let mut bench = Bench::new(1);
    let mut script = Script::new();
    bench.inject(&script.invite());
    assert_eq!(bench.next_status(), 180);
    bench.inject(&script.invite());
    assert_eq!(bench.next_status(), 482);
    assert_eq!(bench.parties[0].agent.stats().calls, 1);
}

#[test]
fn a_second_invite_before_the_answer_is_500_with_retry_after() {
    let mut bench = Bench::new(1);
    let mut script = Script::new();
    bench.inject(&script.invite());
    let ringing = bench.next_response();
    script.learn(&ringing);
    script.cseq += 1;
    bench.inject(&script.invite());
    let response = bench.next_response();
    assert_eq!(response.status(), 500);
    assert!(response.header(HeaderName::RetryAfter).is_some());
}

fn answered(bench: &mut Bench, script: &mut Script) -> CallId {
    bench.inject(&script.invite());
    let call = bench.parties[0].incoming();
    bench.command(0, Command::Answer { call });
    bench.next_status();
    let ok = bench.next_response();
    assert_eq!(ok.status(), 200);
    script.learn(&ok);
    bench.inject(&script.plain(Method::Ack));
    call
}

#[test]
fn a_request_out_of_order_is_500() {
    let mut bench = Bench::new(1);
    let mut script = Script::new();
    answered(&mut bench, &mut script);
    script.cseq = 0;
    bench.inject(&script.plain(Method::Info));
    assert_eq!(bench.next_status(), 500);
}

#[test]
fn keys_by_info_reach_the_host() {
    let mut bench = Bench::new(2);
    let (a, _) = bench.talk();
    bench.command(0, Command::SendInfoDtmf { call: a, digit: '#', duration_ms: 120 });
    let heard =
        bench.parties[1].events.iter().any(|e| matches!(e, Event::Dtmf { digit: '#', duration_ms: 120, .. }));
    assert!(heard);
    let refused = bench.try_command(0, Command::SendInfoDtmf { call: a, digit: 'x', duration_ms: 1 });
    assert_eq!(refused, Err(UaError::Range));
}

#[test]
fn a_session_refresh_is_answered_with_what_holds() {
    let mut bench = Bench::new(1);
    let mut script = Script::new();
    answered(&mut bench, &mut script);
    let before = bench.parties[0].streams().len();
    script.cseq += 1;
    bench.inject(&script.invite());
    let ok = bench.next_response();
    assert_eq!(ok.status(), 200);
    bench.inject(&script.plain(Method::Ack));
    let update = Message::parse(&script.plain(Method::Update)).unwrap();
    bench.inject(update.raw());
    assert_eq!(bench.next_status(), 200);
    assert_eq!(bench.parties[0].streams().len(), before);
    bench.pass(Duration::from_secs(100));
    assert!(bench.parties[0].ends().is_empty());
}

#[test]
fn a_transfer_tells_its_progress_until_it_is_over() {
    let mut bench = Bench::new(1);
    let mut script = Script::new();
    let call = answered(&mut bench, &mut script);
    bench.command(0, Command::Transfer { call, target: "sip:carol@192.0.2.7".into() });
    let refer = bench.next_request(Method::Refer);
    assert_eq!(refer.header(HeaderName::ReferTo), Some("<sip:carol@192.0.2.7>"));
    bench.respond(&refer, 202, "x", None);
    for (line, state) in
        [("SIP/2.0 180 Ringing", "active"), ("SIP/2.0 200 OK", "terminated;reason=noresource")]
    {
        script.cseq += 1;
        let notify = script
            .start(Method::Notify)
            .header(HeaderName::Event, "refer")
            .header(HeaderName::SubscriptionState, state)
            .body("message/sipfrag;version=2.0", line.as_bytes());
        bench.inject(&notify.build().unwrap());
        assert_eq!(bench.next_status(), 200);
    }
    let told: Vec<(u16, bool)> = bench.parties[0]
        .events
        .iter()
        .filter_map(|e| match e {
            Event::Transfer { sip_code, finished, .. } => Some((*sip_code, *finished)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(202, false), (180, false), (200, true)]);
}

#[test]
fn an_attended_transfer_names_the_other_dialog_as_its_peer_knows_it() {
    let mut bench = Bench::new(2);
    let mut script = Script::new();
    let call = answered(&mut bench, &mut script);
    let other = bench.dial(0, "sip:bob@192.0.2.2");
    let to_early = bench.try_command(0, Command::TransferTo { call, other });
    assert_eq!(to_early, Err(UaError::State), "the other one still rings");
    assert_eq!(bench.try_command(0, Command::TransferTo { call, other: call }), Err(UaError::State));
    let unknown = CallId(77);
    assert_eq!(bench.try_command(0, Command::TransferTo { call, other: unknown }), Err(UaError::Unknown));
    let at_bob = bench.parties[1].incoming();
    bench.command(1, Command::Answer { call: at_bob });
    bench.command(0, Command::TransferTo { call, other });
    let refer = bench.next_request(Method::Refer);

    let parsed: Vec<Message> = bench.log.iter().filter_map(|(_, _, b)| Message::parse(b).ok()).collect();
    let ok = parsed.iter().find(|m| {
        !m.is_request()
            && m.status() == 200
            && *m.method() == Method::Invite
            && m.to().unwrap().uri_text.contains("bob")
    });
    let ok = ok.expect("bob's answer");
    let (to_tag, from_tag) = (ok.to_tag().unwrap(), ok.from_tag().unwrap());
    let contact = ok.contacts().remove(0).uri_text;
    let id = ok.call_id();
    let expected = format!("<{contact}?Replaces={id}%3Bto-tag%3D{to_tag}%3Bfrom-tag%3D{from_tag}>");
    assert_eq!(refer.header(HeaderName::ReferTo), Some(&*expected));
    bench.respond(&refer, 202, "x", None);
    let told = bench.parties[0].events.iter().any(
        |e| matches!(e, Event::Transfer { call: of, sip_code: 202, finished: false, .. } if *of == call),
    );
    assert!(told, "{:?}", bench.parties[0].events);
}

#[test]
fn a_redirect_is_followed_but_not_in_circles() {
    let mut bench = Bench::new(1);
    bench.dial(0, &format!("sip:bob@{SCRIPT}"));
    let invite = bench.next_request(Method::Invite);
    let moved = |invite: &Message, contact: &str| {
        let text = String::from_utf8(response(invite, 302, "m", None)).unwrap();
        text.replacen("CSeq:", &format!("Contact: {contact}\r\nCSeq:"), 1).into_bytes()
    };
    bench.inject(&moved(&invite, "<sip:bob2@192.0.2.98>"));
    bench.next_request(Method::Ack);
    let second = bench.next_request(Method::Invite);
    assert_eq!(second.request_uri_text(), "sip:bob2@192.0.2.98");
    bench.inject(&moved(&second, &format!("<sip:bob@{SCRIPT}>")));
    bench.next_request(Method::Ack);
    assert_eq!(bench.parties[0].end(), (EndCause::Rejected, EndedBy::Remote, 302));
    bench.assert_empty();
}

#[test]
fn each_address_of_a_name_is_tried_in_order() {
    let mut bench = Bench::new(1);
    bench.dial(0, "sip:bob@example.com");
    let (query, host) = bench.parties[0].queries.remove(0);
    assert_eq!(host, "example.com");
    let now = bench.now;
    let both = Ok(vec![addr("192.0.2.50:5060"), addr("192.0.2.51:5060")]);
    bench.parties[0].agent.handle_resolved(now, query, both);
    bench.settle();
    assert_eq!(bench.inbox[0].0, addr("192.0.2.50:5060"));
    bench.pass(Duration::from_secs(33));
    assert!(bench.inbox.iter().any(|(to, _)| *to == addr("192.0.2.51:5060")));
    bench.parties[0].agent.handle_transmit_failed(bench.now, udp(addr("192.0.2.51:5060")));
    bench.settle();
    assert_eq!(bench.parties[0].end(), (EndCause::Unreachable, EndedBy::Engine, 0));
    bench.assert_empty();
}

#[test]
fn a_name_that_is_not_found_is_unreachable() {
    let mut bench = Bench::new(1);
    bench.dial(0, "sip:bob@nowhere.invalid");
    let (query, _) = bench.parties[0].queries.remove(0);
    bench.parties[0].agent.handle_resolved(bench.now, query, Err(()));
    bench.settle();
    assert_eq!(bench.parties[0].end().0, EndCause::Unreachable);
    bench.assert_empty();
}

#[test]
fn a_challenged_call_is_tried_again_with_credentials_and_refused_ones_are_final() {
    for accepted in [true, false] {
        let mut bench = Bench::new(1);
        let account = AccountId(1);
        let config = account_config();
        bench.command(0, Command::AddAccount { account, config });
        let call = CallId(CallId::OUTGOING | 1);
        let options = DialOptions::default();
        bench.command(0, Command::Dial { call, account: Some(account), target: "200".into(), options });
        let challenge = |invite: &Message| {
            let text = String::from_utf8(response(invite, 407, "p", None)).unwrap();
            let value = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\nCSeq:";
            text.replacen("CSeq:", value, 1).into_bytes()
        };
        let invite = bench.next_request(Method::Invite);
        assert!(invite.header(HeaderName::ProxyAuthorization).is_none());
        bench.inject(&challenge(&invite));
        bench.next_request(Method::Ack);
        let second = bench.next_request(Method::Invite);
        assert!(second.header(HeaderName::ProxyAuthorization).unwrap().contains("username=\"alice\""));
        assert_eq!(second.cseq(), invite.cseq() + 1);
        if accepted {
            bench.respond(&second, 200, "x", Some(SDP));
            assert!(bench.parties[0].has_state(CallState::Answered));
        } else {
            bench.inject(&challenge(&second));
            assert_eq!(bench.parties[0].end(), (EndCause::Auth, EndedBy::Remote, 407));
            bench.assert_empty();
        }
    }
}

fn account_config() -> AccountConfig {
    AccountConfig {
        server: "192.0.2.99".into(),
        port: 0,
        transport: voip::proto::sip::Transport::Udp,
        user: "alice".into(),
        display_name: None,
        credentials: vec![voip::proto::sip::auth::Credentials {
            realm: None,
            user: "alice".into(),
            secret: voip::proto::sip::auth::Secret::Password(String::from("secret").into()),
        }],
        register: false,
        expires: 300,
        outbound_proxy: None,
        retry_min: Duration::from_secs(10),
        retry_max: Duration::from_secs(100),
        srtp: None,
    }
}

#[test]
fn stop_ends_everything_and_says_so_once() {
    let mut bench = Bench::new(2);
    bench.talk();
    bench.dial(0, &format!("sip:bob@{SCRIPT}"));
    let deadline = bench.now + Duration::from_secs(2);
    bench.command(0, Command::Stop { deadline });
    bench.pass(Duration::from_secs(5));
    let stopped = bench.parties[0].events.iter().filter(|e| matches!(e, Event::Stopped)).count();
    assert_eq!(stopped, 1);
    assert!(matches!(bench.parties[0].events.last(), Some(Event::Stopped)));
    assert_eq!(bench.parties[0].ends().len(), 2);
    assert!(bench.parties[0].ends().iter().all(|e| e.cause == EndCause::Shutdown));
    bench.assert_empty();
}

#[test]
fn ringing_ends_after_the_time_that_was_set() {
    let mut bench = Bench::with(2, |c| c.ring_timeout = Duration::from_secs(20));
    bench.dial(0, "sip:bob@192.0.2.2");
    bench.pass(Duration::from_secs(21));
    assert_eq!(bench.parties[1].end(), (EndCause::NoAnswer, EndedBy::Engine, 480));
    assert_eq!(bench.parties[0].end(), (EndCause::NoAnswer, EndedBy::Remote, 480));
    bench.assert_empty();
}

#[test]
fn a_caller_gives_up_after_its_answer_timeout() {
    let mut bench = Bench::with(2, |c| c.answer_timeout = Duration::from_secs(15));
    bench.dial(0, "sip:bob@192.0.2.2");
    bench.pass(Duration::from_secs(16));
    assert_eq!(bench.parties[0].end(), (EndCause::NoAnswer, EndedBy::Engine, 487));
    assert_eq!(bench.parties[1].end(), (EndCause::Cancelled, EndedBy::Remote, 487));
    bench.assert_empty();
}

#[test]
fn no_listener_no_room_and_a_wrong_command_change_nothing() {
    let mut bench = Bench::with(2, |c| {
        c.max_calls = 1;
        c.accept_calls = false;
    });
    bench.dial(0, "sip:bob@192.0.2.2");
    assert_eq!(bench.parties[0].end(), (EndCause::Busy, EndedBy::Remote, 486));
    assert!(bench.parties[1].events.is_empty());
    bench.command(1, Command::AcceptCalls(true));
    let call = bench.dial(0, "sip:bob@192.0.2.2");
    let options = DialOptions::default();
    let more =
        Command::Dial { call: CallId(u64::MAX), account: None, target: "sip:x@192.0.2.2".into(), options };
    assert_eq!(bench.try_command(0, more), Err(UaError::Limit));
    assert_eq!(bench.try_command(0, Command::Answer { call }), Err(UaError::State));
    let incoming = bench.parties[1].incoming();
    let reject = Command::Reject { call: incoming, code: 200, reason: None };
    assert_eq!(bench.try_command(1, reject), Err(UaError::Range));
    assert_eq!(bench.try_command(1, Command::Hold { call: incoming }), Err(UaError::State));
    assert!(bench.parties[1].ends().is_empty());
}

#[test]
fn a_message_above_the_limit_is_counted() {
    let mut bench = Bench::with(1, |c| c.mtu_limit = 400);
    bench.dial(0, &format!("sip:bob@{SCRIPT};transport=udp"));
    assert_eq!(bench.parties[0].agent.stats().oversize, 1);
}

#[test]
fn a_late_2xx_for_a_call_that_is_over_is_ended_and_a_strangers_is_ignored() {
    let mut bench = Bench::new(1);
    bench.dial(0, &format!("sip:bob@{SCRIPT}"));
    let invite = bench.next_request(Method::Invite);
    bench.pass(Duration::from_secs(40));
    assert_eq!(bench.parties[0].end().0, EndCause::Unreachable);
    bench.inbox.clear();
    let late = response(&invite, 200, "x", Some(SDP));
    bench.inject(&late);
    bench.next_request(Method::Ack);
    bench.next_request(Method::Bye);
    let forged = String::from_utf8(late).unwrap().replace(invite.from_tag().unwrap(), "forged");
    bench.inject(forged.as_bytes());
    assert!(bench.inbox.is_empty());
}

#[test]
fn an_answer_to_a_re_invite_that_comes_after_the_bye_opens_no_media_again() {
    let mut bench = Bench::new(1);
    let mut script = Script::new();
    bench.inject(&script.invite());
    let call = bench.parties[0].incoming();
    bench.command(0, Command::Answer { call });
    assert_eq!(bench.next_status(), 180);
    let ok = bench.next_response();
    script.learn(&ok);
    bench.inject(&script.plain(Method::Ack));
    bench.command(0, Command::Hold { call });
    let hold = bench.next_request(Method::Invite);
    bench.command(0, Command::Hangup { call });
    let bye = bench.next_request(Method::Bye);
    bench.respond(&hold, 200, &script.tag, Some(SDP));
    assert!(matches!(bench.parties[0].media.last(), Some(MediaCommand::Close { .. })));
    bench.next_request(Method::Ack);
    bench.respond(&bye, 200, &script.tag, None);
    assert_eq!(bench.parties[0].end(), (EndCause::Hangup, EndedBy::Local, 0));
    bench.assert_empty();
}
