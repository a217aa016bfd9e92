//! Unit tests of messages.
use super::*;

const INVITE: &str = "INVITE sip:bob@192.0.2.4 SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKx\r\n\
    f: \"A; <b>\" <sip:alice@a.example>;tag=at\r\nTo: <sip:bob@192.0.2.4>\r\nCALL-ID : abc\r\nCSeq: 7 INVITE\r\n\
    Subject: one\r\n  two\r\nl: 3\r\n\r\nv=0trailing";

#[test]
fn a_message_is_found_by_its_names() {
    let m = Message::parse(INVITE.as_bytes()).unwrap();
    assert!(m.is_request());
    assert_eq!(m.method(), &Method::Invite);
    assert_eq!(m.request_uri_text(), "sip:bob@192.0.2.4");
    assert_eq!(m.from_tag(), Some("at"));
    assert_eq!(m.to_tag(), None);
    assert_eq!(m.call_id(), "abc");
    assert_eq!(m.cseq(), 7);
    assert_eq!(m.branch(), Some("z9hG4bKx"));
    assert_eq!(m.header(HeaderName::Subject), Some("one two"));
    assert_eq!(m.header_named("SUBJECT", 0), Some("one two"));
    assert_eq!(m.body(), b"v=0");
    assert_eq!(m.validate(), Ok(()));
    assert_eq!(m.from().unwrap().display.as_deref(), Some("A; <b>"));
}

#[test]
fn a_response_copies_what_the_request_said() {
    let m = Message::parse(INVITE.as_bytes()).unwrap();
    let source = "192.0.2.9:4444".parse().unwrap();
    let bytes = ResponseBuilder::new(&m, 180, None, source).to_tag("mine").build().unwrap();
    let r = Message::parse(&bytes).unwrap();
    assert_eq!(r.status(), 180);
    assert_eq!(r.method(), &Method::Invite);
    assert_eq!(r.to_tag(), Some("mine"));
    let via = r.top_via().unwrap();
    assert_eq!(via.param("received"), Some("192.0.2.9"));
    assert_eq!(via.param("rport"), Some("4444"));
    assert_eq!(via.branch(), Some("z9hG4bKx"));
    assert_eq!(r.validate(), Ok(()));
}
