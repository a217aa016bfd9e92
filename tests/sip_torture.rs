//! RFC 4475 and RFC 5118 against parser and validation, then whatever else the vectors hold.
//!
//! A verdict is the sum of `Message::parse` and `Message::validate`. Codes that depend on what an agent can
//! do (405, 501 for methods it lacks, 406, 415, 416, 420) are the agent's, so a message that only earns one of
//! those has to pass here.

mod support;

use support::Json;
use voip::proto::sip::message::Draft;
use voip::proto::sip::{HeaderName, Message, NameAddr, Uri, Via};

const OF_THE_AGENT: [u16; 6] = [405, 406, 415, 416, 420, 501];

/// 0: to be dropped without an answer.
fn verdict(bytes: &[u8]) -> Result<Message, u16> {
    let message = Message::parse(bytes).map_err(|_| 0u16)?;
    match message.validate() {
        Ok(()) => Ok(message),
        Err(_) if !message.is_request() => Err(0),
        Err((status, _)) => Err(status),
    }
}

fn check_verdict(case: &Json, bytes: &[u8]) {
    let id = case.id();
    let due: Vec<u16> =
        case.get("uas_response").list().iter().filter_map(Json::number).map(|n| n as u16).collect();
    let discard = *case.get("discard") == Json::Bool(true);
    let found = verdict(bytes);
    let answer = match &found {
        Ok(_) => None,
        Err(status) => Some(*status),
    };
    match case.get("parse").text() {
        Some("must_accept" | "should_accept") => {
            assert!(Message::parse(bytes).is_ok(), "{id}: {:?}", Message::parse(bytes));
            match discard {
                true => assert_eq!(answer, Some(0), "{id}"),
                false => assert_eq!(answer, None, "{id}"),
            }
        }
        Some("must_reject") if discard => assert_eq!(answer, Some(0), "{id}"),
        Some("must_reject") => {
            let by_agent = due.iter().all(|status| OF_THE_AGENT.contains(status));
            match answer {
                Some(status) => assert!(due.contains(&status), "{id}: {status}, due {due:?}"),
                None => assert!(by_agent, "{id}: accepted, due {due:?}"),
            }
        }
        Some("may_reject") => {
            assert!(answer.is_none_or(|status| due.contains(&status)), "{id}: {answer:?}, due {due:?}");
        }
        other => panic!("{id}: unknown verdict {other:?}"),
    }
}

fn run_family(folder: &std::path::Path, family: &str) {
    let cases = support::cases(folder);
    assert!(cases.len() >= 8, "{family}: only {} cases", cases.len());
    for case in &cases {
        check_verdict(case, &case.file(folder));
    }
    println!("{family}: {} cases", cases.len());
}

#[test]
fn rfc_4475_verdicts_hold() {
    run_family(&support::data("rfc4475"), "rfc4475");
}

#[test]
fn rfc_5118_verdicts_hold() {
    run_family(&support::data("rfc5118"), "rfc5118");
}

#[test]
fn shared_torture_messages_have_the_same_verdicts() {
    let Some(vectors) = support::vectors() else {
        println!("no shared vectors here, 0 cases");
        return;
    };
    run_family(&vectors.join("01_sip/rfc4475"), "shared rfc4475");
    run_family(&vectors.join("01_sip/rfc5118"), "shared rfc5118");
}

#[test]
fn what_is_written_again_means_the_same() {
    let mut count = 0;
    for family in ["rfc4475", "rfc5118"] {
        let folder = support::data(family);
        for case in support::cases(&folder) {
            let Ok(message) = Message::parse(&case.file(&folder)) else { continue };
            // NUL is read in a quoted pair (RFC 3261 section 25.1), and never written.
            if message.all_headers().any(|(_, _, value)| value.contains('\0')) {
                assert!(Draft::of(&message).write().is_err(), "{}", case.id());
                continue;
            }
            let written = Draft::of(&message).write().unwrap_or_else(|e| panic!("{}: {e}", case.id()));
            let again = Message::parse(&written).unwrap_or_else(|e| panic!("{}: {e}", case.id()));
            let said = |m: &Message| {
                let others = m.all_headers().filter(|(known, ..)| *known != HeaderName::ContentLength);
                others.map(|(_, name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
            };
            assert_eq!(said(&again), said(&message), "{}", case.id());
            assert_eq!(again.body(), message.body(), "{}", case.id());
            assert_eq!(again.is_request(), message.is_request(), "{}", case.id());
            assert_eq!(again.method().as_str(), message.method().as_str(), "{}", case.id());
            match message.is_request() {
                true => assert_eq!(again.request_uri_text(), message.request_uri_text(), "{}", case.id()),
                false => assert_eq!(again.status(), message.status(), "{}", case.id()),
            }
            count += 1;
        }
    }
    println!("{count} messages written again");
    assert!(count > 30);
}

fn torture(name: &str) -> Message {
    let path = support::data("").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
    Message::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn wsinv_is_an_ordinary_invite_once_unfolded() {
    let m = torture("rfc4475/wsinv.dat");
    assert_eq!(m.header(HeaderName::MaxForwards).and_then(|v| v.parse().ok()), Some(68u32));
    assert_eq!((m.cseq(), m.method().as_str()), (9, "INVITE"));
    assert_eq!(m.header(HeaderName::Subject), Some(""));
    let vias: Vec<Via> = m.values(HeaderName::Via).map(|v| Via::parse(v).expect(v)).collect();
    let transports: Vec<&str> = vias.iter().map(|v| &*v.transport).collect();
    assert_eq!(transports, ["UDP", "TCP", "UDP"]);
    assert_eq!(m.branch(), Some("390skdjuw"));
    assert_eq!(vias[2].branch(), Some("z9hG4bK30239"));
    assert_eq!((m.to_tag(), m.from_tag()), (Some("1918181833n"), Some("98asjd8")));
    assert_eq!(m.from().expect("From").display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(m.header_named("newfangledheader", 0), Some("newfangled value continued newfangled value"));
    let contact = &m.contacts()[0];
    assert_eq!(contact.display.as_deref(), Some("Quoted string \"\""));
    assert_eq!((contact.param("newparam"), contact.param("q")), (Some("newvalue"), Some("0.33")));
    assert!(contact.has_param("secondparam"));
    assert_eq!(m.body().len(), 150);
}

#[test]
fn escapes_are_resolved_once_and_only_where_they_are_escapes() {
    let m = torture("rfc4475/esc01.dat");
    let uri = m.request_uri().expect("URI");
    assert_eq!(uri.user_unescaped().as_deref(), Some("sips:user@example.com"));
    assert_eq!(uri.host.to_string(), "example.net");
    let m = torture("rfc4475/esc02.dat");
    assert_eq!(m.method().as_str(), "RE%47IST%45R");
    assert_eq!(m.to().expect("To").display.as_deref(), Some("%Z%45"));
    assert_eq!(m.contacts().len(), 2);
    let m = torture("rfc4475/escnull.dat");
    let users: Vec<String> = m.contacts().iter().filter_map(|c| c.uri.user_unescaped()).collect();
    assert_eq!(users, ["\0", "\0\0"]);
    assert!(!m.contacts()[0].uri.equivalent(&m.contacts()[1].uri));
    assert_eq!(torture("rfc4475/intmeth.dat").to().expect("To").tag(), None);
    let m = torture("rfc4475/regescrt.dat");
    assert_eq!(m.contacts()[0].uri.headers.as_deref(), Some("Route=%3Csip:sip.example.com%3E"));
}

#[test]
fn parameters_belong_to_whom_they_stand_with() {
    let m = torture("rfc4475/cparam01.dat");
    assert!(m.contacts()[0].has_param("unknownparam"));
    assert!(!m.contacts()[0].uri.has_param("unknownparam"));
    let inside = NameAddr::parse("<sip:+19725552222@gw1.example.net;unknownparam>").expect("cparam02");
    assert!(inside.uri.has_param("unknownparam") && !inside.has_param("unknownparam"));
    let user = Uri::parse("sip:user;par=u%40example.net@example.com").expect("semiuri");
    assert_eq!(user.user_unescaped().as_deref(), Some("user;par=u@example.net"));
    assert_eq!(user.host.to_string(), "example.com");
}

#[test]
fn bodies_are_cut_as_content_length_says() {
    assert_eq!(torture("rfc4475/dblreq.dat").body(), b"");
    assert_eq!(torture("rfc4475/mpart01.dat").body().len(), 553);
    assert_eq!(torture("rfc4475/inv2543.dat").body().len(), 105);
    assert_eq!(torture("rfc4475/noreason.dat").reason(), "");
}

#[test]
fn ipv6_addresses_have_brackets_and_ports_behind_them() {
    let uri = |name: &str| torture(name).request_uri().expect(name);
    let ambiguous = uri("rfc5118/port-ambiguous.dat");
    assert_eq!((ambiguous.host.to_string().as_str(), ambiguous.port), ("[2001:db8::10:5070]", None));
    let plain = uri("rfc5118/port-unambiguous.dat");
    assert_eq!((plain.host.to_string().as_str(), plain.port), ("[2001:db8::10]", Some(5070)));
    for name in ["rfc5118/via-received-param-with-delim.dat", "rfc5118/via-received-param-no-delim.dat"] {
        let via = torture(name).top_via().expect(name);
        assert_eq!(via.received(), "2001:db8::9:255".parse().ok(), "{name}");
    }
}

/// The cases of RFC 4475 that the archive above lacks, in our own words: (what is wrong, message, verdict).
#[test]
fn the_rest_of_rfc_4475_has_its_verdicts() {
    let head = "Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw\r\nMax-Forwards: 70\r\nFrom: <sip:c@example.net>;tag=1\r\n\
        To: <sip:j@example.com>\r\nCall-ID: x.1\r\n";
    let options = |extra: &str| {
        format!("OPTIONS sip:u@example.com SIP/2.0\r\n{head}CSeq: 8 OPTIONS\r\n{extra}l: 0\r\n\r\n")
    };
    let swap = |from: &str, to: &str| options("").replace(from, to);
    let cases = [
        ("badinv01 via", swap("UDP 192.0.2.15;", "UDP 192.0.2.15;;,;,,"), Some(400)),
        ("badinv01 contact", options("Contact: \"Joe\" <sip:joe@example.org>;;;;\r\n"), Some(400)),
        ("quotbal", swap("To: <sip:j@example.com>", "To: \"Mr. J. User <sip:j@example.com>"), Some(400)),
        ("lwsruri", swap("sip:u@example.com SIP", "sip:u@example.com; lr SIP"), Some(400)),
        ("baddate", options("Date: Fri, 01 Jan 2010 16:00:00 EST\r\n"), Some(400)),
        ("regbadct", options("Contact: sip:u@example.com?Route=%3Csip:sip.example.com%3E\r\n"), Some(400)),
        ("baddn", swap("From: <", "From: Bell, Alexander <"), None),
        ("badvers", swap("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), Some(505)),
        ("insuf call-id", swap("Call-ID: x.1\r\n", ""), Some(400)),
        ("insuf from", swap("From: <sip:c@example.net>;tag=1\r\n", ""), Some(400)),
        ("insuf to", swap("To: <sip:j@example.com>\r\n", ""), Some(400)),
        ("insuf cseq", swap("CSeq: 8 OPTIONS\r\n", ""), Some(400)),
        ("novelsc", swap("sip:u@example.com SIP", "soap.beep://192.0.2.103:3002 SIP"), None),
        ("unksm2", swap("<sip:c@example.net>", "<http://www.example.com>"), None),
        ("multi01 from", options("From: <sip:d@example.net>;tag=2\r\n"), Some(400)),
        ("multi01 to", options("t: <sip:d@example.net>\r\n"), Some(400)),
        ("multi01 call-id", options("i: x.2\r\n"), Some(400)),
        ("multi01 cseq", options("CSeq: 9 OPTIONS\r\n"), Some(400)),
        ("multi01 max-forwards", options("Max-Forwards: 5\r\n"), Some(400)),
        ("mcl01", options("Content-Length: 5\r\n"), Some(400)),
        ("zeromf", swap("Max-Forwards: 70", "Max-Forwards: 0"), None),
        ("sdp01", options("Accept: text/nobodyKnowsThis\r\n"), None),
        ("scalar02 cseq", swap("CSeq: 8 O", "CSeq: 36893488147419103232 O"), Some(400)),
        ("cseq 2^31", swap("CSeq: 8 O", "CSeq: 2147483648 O"), Some(400)),
        ("cseq 2^31-1", swap("CSeq: 8 O", "CSeq: 2147483647 O"), None),
        ("semiuri", swap("sip:u@example", "sip:user;par=u%40example.net@example"), None),
        ("transports", swap("SIP/2.0/UDP", "SIP/2.0/UNKNOWN"), None),
        ("three colons", swap("sip:u@example.com SIP", "sip:u@[2001:db8:::192.0.2.1] SIP"), None),
        ("as it is", options(""), None),
    ];
    for (name, text, due) in cases {
        assert_eq!(verdict(text.as_bytes()).err(), due, "{name}: {text}");
    }
    let unreason =
        "SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\r\n".to_owned() + head + "CSeq: 1 INVITE\r\n\r\n";
    assert_eq!(
        verdict(unreason.as_bytes()).expect("unreason").reason(),
        "= 2**3 * 5**2 \u{43d}\u{43e} \u{441}"
    );
}
