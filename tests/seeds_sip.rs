//! Defects of the libraries before us that concern signalling, each shown not to be ours.

mod agents;

use agents::*;
use voip::proto::sip::auth::{Credentials, Secret};
use voip::proto::sip::{HeaderName, Message, Method, Transport};
use voip::ua::*;
use voip::util::Duration;

fn account(register: bool) -> AccountConfig {
    AccountConfig {
        server: "192.0.2.99".into(),
        port: 0,
        transport: Transport::Udp,
        user: "alice".into(),
        display_name: None,
        credentials: vec![Credentials {
            realm: None,
            user: "alice".into(),
            secret: Secret::Password(String::from("secret").into()),
        }],
        register,
        expires: 300,
        outbound_proxy: None,
        retry_min: Duration::from_secs(10),
        retry_max: Duration::from_secs(100),
        srtp: None,
    }
}

fn with_line(bytes: Vec<u8>, line: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes).unwrap();
    text.replacen("\r\nCSeq:", &format!("\r\n{line}\r\nCSeq:"), 1).into_bytes()
}

fn registered(bench: &mut Bench) -> Message {
    bench.command(0, Command::AddAccount { account: AccountId(1), config: account(true) });
    let register = bench.next_request(Method::Register);
    let contact = register.header(HeaderName::Contact).unwrap().to_owned();
    let ok = with_line(response(&register, 200, "r", None), &format!("Contact: {contact}"));
    bench.inject(&ok);
    register
}

fn status(bench: &Bench) -> Option<AccountStatus> {
    bench.parties[0].events.iter().rev().find_map(|e| match e {
        Event::AccountStatus { status, .. } => Some(*status),
        _ => None,
    })
}

#[test]
fn seed_12_without_a_media_port_the_caller_hears_503_and_the_host_nothing() {
    let mut bench = Bench::new(2);
    bench.parties[1].stream = Some(Err(503));
    bench.dial(0, "sip:bob@192.0.2.2");
    assert_eq!(bench.parties[0].end(), (EndCause::Rejected, EndedBy::Remote, 503));
    assert!(bench.parties[1].events.is_empty());
    bench.parties[0].events.clear();
    bench.parties[0].stream = Some(Err(503));
    bench.dial(0, "sip:bob@192.0.2.2");
    assert_eq!(bench.parties[0].end(), (EndCause::LocalError, EndedBy::Engine, 503));
    bench.parties[0].opened = 1;
    bench.assert_empty();
}

#[test]
fn seed_14_each_final_refusal_ends_the_call_with_its_cause() {
    for (code, cause) in [
        (486, EndCause::Busy),
        (600, EndCause::Busy),
        (487, EndCause::Cancelled),
        (603, EndCause::Rejected),
        (480, EndCause::NoAnswer),
        (408, EndCause::NoAnswer),
        (404, EndCause::NotFound),
        (410, EndCause::NotFound),
        (488, EndCause::NoCodec),
        (403, EndCause::Auth),
        (500, EndCause::Rejected),
    ] {
        let mut bench = Bench::new(1);
        bench.dial(0, &format!("sip:bob@{SCRIPT}"));
        let invite = bench.next_request(Method::Invite);
        bench.respond(&invite, 180, "x", None);
        bench.respond(&invite, code, "x", None);
        bench.next_request(Method::Ack);
        assert_eq!(bench.parties[0].end(), (cause, EndedBy::Remote, code));
        bench.assert_empty();
    }
}

#[test]
fn seed_15_a_call_that_rings_can_be_cancelled() {
    let mut bench = Bench::new(2);
    let call = bench.dial(0, "sip:bob@192.0.2.2");
    bench.command(0, Command::Hangup { call });
    assert_eq!(bench.parties[0].end(), (EndCause::Cancelled, EndedBy::Local, 487));
    assert_eq!(bench.parties[1].end(), (EndCause::Cancelled, EndedBy::Remote, 487));
    bench.assert_empty();
}

#[test]
fn seed_15_cancel_waits_for_a_provisional_response_and_a_faster_200_gets_ack_and_bye() {
    let mut bench = Bench::new(1);
    let call = bench.dial(0, &format!("sip:bob@{SCRIPT}"));
    let invite = bench.next_request(Method::Invite);
    bench.command(0, Command::Hangup { call });
    assert!(bench.inbox.is_empty(), "no CANCEL before a provisional response");
    bench.respond(&invite, 180, "x", None);
    bench.next_request(Method::Cancel);
    bench.respond(&invite, 200, "x", Some(SDP));
    bench.next_request(Method::Ack);
    let bye = bench.next_request(Method::Bye);
    assert!(bench.parties[0].ends().is_empty());
    bench.respond(&bye, 200, "x", None);
    let (cause, by, _) = bench.parties[0].end();
    assert_eq!((cause, by), (EndCause::Cancelled, EndedBy::Local));
    assert!(!bench.parties[0].has_state(CallState::Answered));
    bench.assert_empty();
}

#[test]
fn seed_16_the_callers_cancel_ends_the_incoming_call_with_its_reason() {
    let mut bench = Bench::new(1);
    let mut script = Script::new();
    bench.inject(&script.invite());
    assert_eq!(bench.next_status(), 180);
    let cancel = script.start_on(Method::Cancel, "z9hG4bKscript1");
    bench.inject(&cancel.header(HeaderName::Reason, "SIP;cause=200;text=\"elsewhere\"").build().unwrap());
    let mut codes = vec![(bench.next_status()), (bench.next_status())];
    codes.sort_unstable();
    assert_eq!(codes, [200, 487]);
    let ends = bench.parties[0].ends();
    assert_eq!((ends[0].cause, ends[0].by), (EndCause::Cancelled, EndedBy::Remote));
    assert_eq!(ends[0].reason_header.as_deref(), Some("SIP;cause=200;text=\"elsewhere\""));
    bench.assert_empty();
}

#[test]
fn seed_16_a_cancel_after_the_answer_changes_nothing() {
    let mut bench = Bench::new(1);
    let mut script = Script::new();
    bench.inject(&script.invite());
    let call = bench.parties[0].incoming();
    bench.command(0, Command::Answer { call });
    bench.inject(&script.start_on(Method::Cancel, "z9hG4bKscript1").build().unwrap());
    assert!(bench.parties[0].ends().is_empty());
}

#[test]
fn seed_18_the_digest_names_the_request_uri_and_uses_qop() {
    let mut bench = Bench::new(1);
    bench.command(0, Command::AddAccount { account: AccountId(1), config: account(false) });
    let options = DialOptions::default();
    let call = CallId(CallId::OUTGOING | 1);
    bench.command(0, Command::Dial { call, account: Some(AccountId(1)), target: "*97".into(), options });
    let invite = bench.next_request(Method::Invite);
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\", algorithm=MD5";
    bench.inject(&with_line(response(&invite, 401, "x", None), challenge));
    bench.next_request(Method::Ack);
    let again = bench.next_request(Method::Invite);
    let value = again.header(HeaderName::Authorization).unwrap();
    assert!(value.contains("uri=\"sip:*97@192.0.2.99\""), "{value}");
    assert!(value.contains("nc=00000001") && value.contains("cnonce="), "{value}");
    assert!(value.contains("qop=auth"), "{value}");
}

#[test]
fn seed_19_ack_and_bye_follow_the_route_set_and_the_contact() {
    let mut bench = Bench::new(1);
    let call = bench.dial(0, &format!("sip:bob@{SCRIPT}"));
    let invite = bench.next_request(Method::Invite);
    let ok = String::from_utf8(response(&invite, 200, "x", Some(SDP))).unwrap();
    let ok = ok.replace(&format!("<sip:x@{SCRIPT}>"), "<sip:desk@192.0.2.77:5070>");
    let routes = "Record-Route: <sip:192.0.2.61;lr>, <sip:192.0.2.60;lr>";
    bench.inject(&with_line(ok.into_bytes(), routes));
    for method in [Method::Ack, Method::Bye] {
        if method == Method::Bye {
            bench.command(0, Command::Hangup { call });
        }
        assert_eq!(bench.inbox[0].0, addr("192.0.2.60:5060"));
        let request = bench.next_request(method);
        assert_eq!(request.request_uri_text(), "sip:desk@192.0.2.77:5070");
        let routes: Vec<&str> = request.values(HeaderName::Route).collect();
        assert_eq!(routes, ["<sip:192.0.2.60;lr>", "<sip:192.0.2.61;lr>"]);
    }
}

fn origin(message: &[u8]) -> Option<(String, u64)> {
    let text = std::str::from_utf8(message).ok()?;
    let line = text.lines().find(|l| l.starts_with("o="))?;
    let words: Vec<&str> = line.split(' ').collect();
    Some((words[1].to_owned(), words[2].parse().ok()?))
}

#[test]
fn seed_20_the_sdp_version_counts_changes_and_nothing_else() {
    let mut bench = Bench::new(2);
    let (a, _) = bench.talk();
    let ours = |bench: &Bench| -> Vec<(String, u64)> {
        let from = addr("192.0.2.1:5060");
        bench.log.iter().filter(|(f, _, _)| *f == from).filter_map(|(_, _, m)| origin(m)).collect()
    };
    let first = ours(&bench)[0].clone();
    bench.command(0, Command::SetDirection { call: a, direction: voip::proto::sdp::Direction::SendRecv });
    assert_eq!(ours(&bench).len(), 1, "no change, no offer");
    bench.command(0, Command::Hold { call: a });
    bench.command(0, Command::Resume { call: a });
    let said = ours(&bench);
    assert!(said.iter().all(|(id, _)| *id == first.0));
    let versions: Vec<u64> = said.iter().map(|(_, v)| *v - first.1).collect();
    assert_eq!(versions, [0, 1, 2]);
}

#[test]
fn seed_21_keep_alives_and_blank_lines_at_the_end_do_no_harm() {
    let mut bench = Bench::new(1);
    for noise in [&b"\r\n\r\n"[..], b"\r\n", b"", b"\0\0\0\0"] {
        bench.inject(noise);
    }
    assert!(bench.inbox.is_empty());
    assert_eq!(bench.parties[0].agent.stats().unparsable, 0);
    let mut script = Script::new();
    let mut invite = b"\r\n".to_vec();
    invite.extend(script.invite());
    invite.extend(b"\r\n\r\n");
    bench.inject(&invite);
    assert_eq!(bench.next_status(), 180);
    assert!(bench.parties[0].try_incoming().is_some());
}

#[test]
fn seed_22_video_beside_audio_is_refused_with_port_0_and_the_call_goes_on() {
    let mut bench = Bench::new(1);
    let mut script = Script::new();
    let sdp = format!("{SDP}m=video 40002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n");
    let invite = script.start(Method::Invite).body("application/sdp", sdp.as_bytes()).build().unwrap();
    bench.inject(&invite);
    let call = bench.parties[0].incoming();
    bench.command(0, Command::Answer { call });
    bench.next_status();
    let ok = text(&bench.next_response());
    assert!(ok.contains("m=video 0 RTP/AVP 96"), "{ok}");
    assert!(ok.contains("m=audio 10001 RTP/AVP 0 101"), "{ok}");
}

#[test]
fn seed_23_a_lost_binding_is_not_registered_any_more() {
    let mut bench = Bench::new(1);
    registered(&mut bench);
    assert_eq!(status(&bench), Some(AccountStatus::Registered));
    bench.pass(Duration::from_secs(400));
    assert_ne!(status(&bench), Some(AccountStatus::Registered), "nobody answered the refresh");
    assert!(bench.inbox.iter().any(|(_, m)| *m.method() == Method::Register));
}

#[test]
fn seed_24_stop_ends_at_its_deadline_whoever_is_silent() {
    let mut bench = Bench::new(1);
    registered(&mut bench);
    bench.dial(0, &format!("sip:bob@{SCRIPT}"));
    let deadline = bench.now + Duration::from_secs(2);
    bench.command(0, Command::Stop { deadline });
    assert!(!bench.parties[0].events.iter().any(|e| matches!(e, Event::Stopped)));
    bench.pass(Duration::from_secs(2));
    assert!(matches!(bench.parties[0].events.last(), Some(Event::Stopped)));
    assert_eq!(bench.parties[0].end().0, EndCause::Shutdown);
}

#[test]
fn seed_24_stop_is_quick_when_all_answer() {
    let mut bench = Bench::new(1);
    registered(&mut bench);
    let deadline = bench.now + Duration::from_secs(30);
    bench.command(0, Command::Stop { deadline });
    let register = bench.next_request(Method::Register);
    assert!(text(&register).contains("expires=0") || register.expires() == Some(0), "{}", text(&register));
    bench.respond(&register, 200, "r", None);
    assert!(matches!(bench.parties[0].events.last(), Some(Event::Stopped)));
    assert_eq!(status(&bench), Some(AccountStatus::Inactive));
}

#[test]
fn seed_25_options_notify_and_others_are_answered_politely() {
    let mut bench = Bench::new(1);
    for (method, event, expected) in [
        (Method::Options, None, 200),
        (Method::Notify, Some("message-summary"), 200),
        (Method::Notify, Some("presence"), 481),
        (Method::Subscribe, Some("dialog"), 489),
        (Method::Message, None, 405),
        (Method::Publish, None, 405),
        (Method::Other("BENOTIFY".into()), None, 405),
    ] {
        let mut script = Script::new();
        script.call_id = format!("{method:?}{event:?}").replace(['"', '(', ')'], "");
        let request = script.start_on(method.clone(), &format!("z9hG4bK{}", script.call_id));
        let request = match event {
            Some(package) => request.header(HeaderName::Event, package),
            None => request,
        };
        bench.inject(&request.build().unwrap());
        let response = bench.next_response();
        assert_eq!(response.status(), expected, "{method:?} {event:?}");
        if method == Method::Options {
            assert!(response.header(HeaderName::Allow).unwrap().contains("INVITE"));
            assert!(response.header(HeaderName::Accept).unwrap().contains("application/sdp"));
            assert!(response.header(HeaderName::Supported).is_some());
        }
    }
    assert!(bench.parties[0].events.is_empty());
}

#[test]
fn seed_26_tags_branches_and_call_ids_never_come_twice() {
    let mut bench = Bench::new(1);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..50 {
        bench.dial(0, &format!("sip:bob@{SCRIPT}"));
        let invite = bench.next_request(Method::Invite);
        let branch = invite.top_via().unwrap().branch().unwrap().to_owned();
        for id in [branch, invite.from_tag().unwrap().to_owned(), invite.call_id().to_owned()] {
            assert!(id.trim_start_matches("z9hG4bK").len() >= 16, "80 bits at least: {id}");
            assert!(seen.insert(id));
        }
    }
}

#[test]
fn seed_28_quotes_in_a_name_and_a_missing_user_are_no_trouble() {
    let mut bench = Bench::new(1);
    let mut script = Script::new();
    bench.inject(&script.invite());
    let info = bench.parties[0].events.iter().find_map(|e| match e {
        Event::IncomingCall { info, .. } => Some(info.clone()),
        _ => None,
    });
    assert_eq!(&*info.unwrap().remote_name, "Bob \"B\"");
    let mut bench = Bench::new(1);
    let invite = String::from_utf8(Script::new().invite()).unwrap();
    bench.inject(invite.replace("<sip:alice@192.0.2.1>", "sip:192.0.2.1").as_bytes());
    assert!(bench.parties[0].try_incoming().is_some());
}
