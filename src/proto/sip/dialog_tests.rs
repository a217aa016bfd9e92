use super::*;

fn parse(lines: &[&str]) -> Message {
    let text = format!("{}\r\nContent-Length: 0\r\n\r\n", lines.join("\r\n"));
    Message::parse(text.as_bytes()).expect("a well-formed message")
}

fn built(builder: RequestBuilder) -> Message {
    Message::parse(&builder.build().expect("no forbidden bytes")).expect("what we write parses")
}

fn invite() -> Message {
    parse(&[
        "INVITE sip:bob@example.org SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa",
        "From: \"A; tag=no\" <sip:alice@example.org>;tag=alice1;x=1",
        "To: <sip:bob@example.org>",
        "Call-ID: call-1",
        "CSeq: 7 INVITE",
        "Contact: <sip:alice@192.0.2.1:5060>",
        "Record-Route: <sip:p2.example.org;lr>, <sip:p1.example.org;lr>",
    ])
}

fn response(status: &str, tag: &str, more: &[&str]) -> Message {
    let first = format!("SIP/2.0 {status}");
    let to = format!("To: <sip:bob@example.org>{tag}");
    let mut lines = vec![
        first.as_str(),
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa",
        "From: \"A; tag=no\" <sip:alice@example.org>;tag=alice1;x=1",
        to.as_str(),
        "Call-ID: call-1",
        "CSeq: 7 INVITE",
    ];
    lines.extend_from_slice(more);
    parse(&lines)
}

fn routes(message: &Message) -> Vec<&str> {
    message.values(HeaderName::Route).collect()
}

#[test]
fn a_caller_reverses_the_record_routes_and_a_callee_keeps_them() {
    let answer = response(
        "200 OK",
        ";tag=bob1",
        &["Contact: <sip:bob@192.0.2.9>", "Record-Route: <sip:p2.example.org;lr>, <sip:p1.example.org;lr>"],
    );
    let mut caller = Dialog::from_response(&invite(), &answer).unwrap();
    let bye = built(caller.request(&Method::Bye, None));
    assert_eq!(bye.request_uri_text(), "sip:bob@192.0.2.9");
    assert_eq!(routes(&bye), ["<sip:p1.example.org;lr>", "<sip:p2.example.org;lr>"]);
    assert_eq!(bye.cseq(), 8);
    assert_eq!(bye.from_tag(), Some("alice1"));
    assert_eq!(bye.to_tag(), Some("bob1"));
    assert!(bye.header(HeaderName::From).unwrap().starts_with("\"A; tag=no\" <sip:alice@example.org>;x=1"));

    let mut callee = Dialog::from_request(&invite(), "bob1").unwrap();
    let bye = built(callee.request(&Method::Bye, None));
    assert_eq!(bye.request_uri_text(), "sip:alice@192.0.2.1:5060");
    assert_eq!(routes(&bye), ["<sip:p2.example.org;lr>", "<sip:p1.example.org;lr>"]);
    assert_eq!(bye.cseq(), 1);
    assert_eq!(bye.from_tag(), Some("bob1"));
    assert_eq!(bye.to_tag(), Some("alice1"));
}

#[test]
fn a_strict_router_stands_in_the_request_uri_and_the_target_in_the_last_route() {
    let answer = response(
        "200 OK",
        ";tag=bob1",
        &["Contact: <sip:bob@192.0.2.9>", "Record-Route: <sip:p2.example.org;lr>, <sip:p1.example.org>"],
    );
    let mut caller = Dialog::from_response(&invite(), &answer).unwrap();
    let bye = built(caller.request(&Method::Bye, None));
    assert_eq!(bye.request_uri_text(), "sip:p1.example.org");
    assert_eq!(routes(&bye), ["<sip:p2.example.org;lr>", "<sip:bob@192.0.2.9>"]);
    assert_eq!(caller.next_hop().unwrap().host, super::super::Host::Name("p1.example.org".into()));
}

#[test]
fn a_contact_loses_what_no_request_uri_may_have() {
    let answer =
        response("200 OK", ";tag=b", &["Contact: <sip:a;b@192.0.2.9;method=INVITE;ob?Subject=hi;method=x>"]);
    let dialog = Dialog::from_response(&invite(), &answer).unwrap();
    assert_eq!(&*dialog.remote_target, "sip:a;b@192.0.2.9;ob");
}

#[test]
fn each_fork_has_a_dialog_of_its_own() {
    let one = response("180 Ringing", ";tag=one", &["Contact: <sip:bob@192.0.2.9>"]);
    let two = response("200 OK", ";tag=two", &["Contact: <sip:bob@192.0.2.10>"]);
    let first = Dialog::from_response(&invite(), &one).unwrap();
    let second = Dialog::from_response(&invite(), &two).unwrap();
    assert!(first.early && !second.early);
    assert!(first.matches(&one) && !first.matches(&two));
    assert!(second.matches(&two) && !second.matches(&one));
}

#[test]
fn no_early_dialog_comes_of_100_or_of_a_provisional_without_tag() {
    assert!(Dialog::from_response(&invite(), &response("100 Trying", ";tag=x", &[])).is_none());
    assert!(Dialog::from_response(&invite(), &response("180 Ringing", "", &[])).is_none());
    assert!(Dialog::from_response(&invite(), &response("486 Busy Here", ";tag=x", &[])).is_none());
}

#[test]
fn a_peer_without_tags_has_the_null_tag() {
    let answer = response("200 OK", "", &["Contact: <sip:bob@192.0.2.9>"]);
    let mut dialog = Dialog::from_response(&invite(), &answer).unwrap();
    assert!(dialog.matches(&answer));
    let bye = built(dialog.request(&Method::Bye, None));
    assert_eq!(bye.to_tag(), None);
}

#[test]
fn the_2xx_sets_target_and_routes_anew() {
    let ringing = response("180 Ringing", ";tag=b", &["Contact: <sip:bob@192.0.2.9>"]);
    let answer = response(
        "200 OK",
        ";tag=b",
        &["Contact: <sip:bob@192.0.2.20>", "Record-Route: <sip:p1.example.org;lr>"],
    );
    let mut dialog = Dialog::from_response(&invite(), &ringing).unwrap();
    assert!(dialog.route_set.is_empty());
    dialog.confirm(&answer);
    assert!(!dialog.early);
    assert_eq!(&*dialog.remote_target, "sip:bob@192.0.2.20");
    let ack = built(dialog.request(&Method::Ack, Some(7)));
    assert_eq!(ack.cseq(), 7);
    assert_eq!(routes(&ack), ["<sip:p1.example.org;lr>"]);
    let bye = built(dialog.request(&Method::Bye, None));
    assert_eq!(bye.cseq(), 8, "an ACK takes no number");
}

#[test]
fn a_target_refresh_without_contact_changes_nothing() {
    let mut dialog = Dialog::from_request(&invite(), "b").unwrap();
    dialog.refresh_target(&response("200 OK", ";tag=b", &[]));
    assert_eq!(&*dialog.remote_target, "sip:alice@192.0.2.1:5060");
}

#[test]
fn sequence_numbers_of_the_peer_only_rise() {
    let mut dialog = Dialog::from_request(&invite(), "b").unwrap();
    assert!(!dialog.accept_cseq(6));
    assert!(!dialog.accept_cseq(7));
    assert!(dialog.accept_cseq(8));
    assert!(dialog.accept_cseq(100));
    assert!(!dialog.accept_cseq(99));

    let answer = response("200 OK", ";tag=b", &["Contact: <sip:bob@192.0.2.9>"]);
    let mut caller = Dialog::from_response(&invite(), &answer).unwrap();
    assert!(caller.accept_cseq(0), "the first one of the peer is free");
}

#[test]
fn a_route_set_beyond_all_reason_is_refused() {
    let many = vec!["<sip:p.example.org;lr>"; MAX_ROUTES + 1].join(", ");
    let line = format!("Record-Route: {many}");
    let answer = response("200 OK", ";tag=b", &["Contact: <sip:bob@192.0.2.9>", &line]);
    assert!(Dialog::from_response(&invite(), &answer).is_none());
}
