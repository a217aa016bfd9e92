//! Page-mode messages (RFC 3428) between agents and a scripted peer, in virtual time.

mod agents;

use agents::*;
use voip::proto::sip::auth::{Credentials, Secret};
use voip::proto::sip::{HeaderName, Message, Method, Transport};
use voip::ua::*;
use voip::util::Duration;

const ALICE: AccountId = AccountId(1);

fn text(body: &str) -> Text {
    Text { content_type: "text/plain".into(), body: body.as_bytes().into() }
}

fn say(number: u64, account: Option<AccountId>, target: &str, body: &str) -> Command {
    Command::SendMessage { message: MessageId(number), account, target: target.into(), text: text(body) }
}

fn results(party: &Party) -> Vec<(u64, u16)> {
    party
        .events
        .iter()
        .filter_map(|e| match e {
            Event::MessageResult { message, sip_code, .. } => Some((message.0, *sip_code)),
            _ => None,
        })
        .collect()
}

fn heard(party: &Party) -> Vec<(String, String)> {
    party
        .events
        .iter()
        .filter_map(|e| match e {
            Event::Message { from_uri, body, .. } => {
                Some((from_uri.to_string(), String::from_utf8_lossy(body).into_owned()))
            }
            _ => None,
        })
        .collect()
}

fn with_account(server: &str) -> Bench {
    let mut bench = Bench::new(1);
    let password = Secret::Password(String::from("secret").into());
    let config = AccountConfig {
        server: server.into(),
        port: 0,
        transport: Transport::Udp,
        user: "alice".into(),
        display_name: None,
        credentials: vec![Credentials { realm: None, user: "alice".into(), secret: password }],
        register: false,
        expires: 300,
        outbound_proxy: None,
        retry_min: Duration::from_secs(10),
        retry_max: Duration::from_secs(100),
        srtp: None,
    };
    bench.command(0, Command::AddAccount { account: ALICE, config });
    bench
}

#[test]
fn a_message_reaches_who_listens_and_is_refused_by_who_does_not() {
    let mut bench = Bench::new(2);
    bench.command(0, say(1, None, "sip:bob@192.0.2.2", "hello"));
    assert_eq!(results(&bench.parties[0]), [(1, 405)]);
    bench.command(1, Command::AcceptMessages(true));
    bench.command(0, say(2, None, "sip:bob@192.0.2.2", "hello again"));
    assert_eq!(results(&bench.parties[0]), [(1, 405), (2, 200)]);
    let expected = ("sip:voip@192.0.2.1:5060".to_owned(), "hello again".to_owned());
    assert_eq!(heard(&bench.parties[1]), [expected]);
    bench.assert_empty();
}

#[test]
fn a_lost_answer_makes_no_second_message() {
    let mut bench = Bench::new(2);
    bench.command(1, Command::AcceptMessages(true));
    let mut lost = 0;
    bench.lose = Box::new(move |bytes| {
        let answer = bytes.starts_with(b"SIP/2.0 200");
        lost += usize::from(answer);
        answer && lost <= 2
    });
    bench.command(0, say(1, None, "sip:bob@192.0.2.2", "once"));
    bench.pass(Duration::from_secs(10));
    assert_eq!(results(&bench.parties[0]), [(1, 200)]);
    assert_eq!(heard(&bench.parties[1]).len(), 1);
    bench.assert_empty();
}

#[test]
fn a_challenged_message_is_sent_again_with_credentials_and_refused_ones_are_final() {
    for accepted in [true, false] {
        let mut bench = with_account("192.0.2.99");
        let challenge = |request: &Message| {
            let plain = String::from_utf8(response(request, 407, "p", None)).unwrap();
            let value = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\nCSeq:";
            plain.replacen("CSeq:", value, 1).into_bytes()
        };
        bench.command(0, say(7, Some(ALICE), "200", "hi"));
        let first = bench.next_request(Method::Message);
        assert_eq!(first.request_uri_text(), "sip:200@192.0.2.99");
        assert_eq!(first.header(HeaderName::ContentType), Some("text/plain"));
        assert!(first.header(HeaderName::Contact).is_none(), "RFC 3428 section 4");
        assert!(first.header(HeaderName::ProxyAuthorization).is_none());
        bench.inject(&challenge(&first));
        let second = bench.next_request(Method::Message);
        assert!(second.header(HeaderName::ProxyAuthorization).unwrap().contains("username=\"alice\""));
        assert_eq!((second.cseq(), second.body()), (first.cseq() + 1, &b"hi"[..]));
        if accepted {
            bench.respond(&second, 202, "x", None);
            assert_eq!(results(&bench.parties[0]), [(7, 202)]);
        } else {
            bench.inject(&challenge(&second));
            assert_eq!(results(&bench.parties[0]), [(7, 407)]);
        }
        bench.assert_empty();
    }
}

#[test]
fn each_address_of_a_name_is_tried_and_silence_is_told() {
    let mut bench = with_account("pbx.example.com");
    bench.command(0, say(1, Some(ALICE), "200", "hi"));
    let (query, host) = bench.parties[0].queries.remove(0);
    assert_eq!(host, "pbx.example.com");
    let addresses = vec![addr(SCRIPT), addr("192.0.2.98:5060")];
    bench.parties[0].agent.handle_resolved(bench.now, query, Ok(addresses));
    bench.settle();
    let first = bench.next_request(Method::Message);
    bench.respond(&first, 503, "x", None);
    assert!(results(&bench.parties[0]).is_empty());
    assert_eq!(bench.inbox.front().map(|(to, _)| *to), Some(addr("192.0.2.98:5060")));
    bench.pass(Duration::from_secs(40));
    assert_eq!(results(&bench.parties[0]), [(1, 408)]);
}

#[test]
fn a_name_that_is_not_found_and_a_stop_end_a_message() {
    let mut bench = with_account("pbx.example.com");
    bench.command(0, say(1, Some(ALICE), "200", "hi"));
    let (query, _) = bench.parties[0].queries.remove(0);
    bench.parties[0].agent.handle_resolved(bench.now, query, Err(()));
    bench.settle();
    assert_eq!(results(&bench.parties[0]), [(1, 0)]);
    bench.command(0, say(2, Some(ALICE), "200", "hi"));
    bench.command(0, Command::Stop { deadline: bench.now + Duration::from_secs(1) });
    assert_eq!(results(&bench.parties[0]).len(), 1, "it may still be sent");
    bench.pass(Duration::from_secs(2));
    assert_eq!(results(&bench.parties[0]), [(1, 0), (2, 0)]);
    assert!(matches!(bench.parties[0].events.last(), Some(Event::Stopped)));
}

#[test]
fn a_message_too_large_for_udp_is_not_sent() {
    let mut bench = Bench::new(2);
    bench.command(1, Command::AcceptMessages(true));
    bench.command(0, say(1, None, "sip:bob@192.0.2.2;transport=udp", &"x".repeat(1250)));
    assert_eq!(results(&bench.parties[0]), [(1, 513)]);
    assert!(bench.log.is_empty());
    bench.command(0, say(2, None, "sip:bob@192.0.2.2", &"x".repeat(1250)));
    assert_eq!(results(&bench.parties[0]), [(1, 513), (2, 200)]);
    assert!(bench.peers.iter().all(|to| to.transport == Transport::Tcp));
}

#[test]
fn what_cannot_be_read_is_415() {
    let mut bench = Bench::new(2);
    bench.command(1, Command::AcceptMessages(true));
    let image = Text { content_type: "image/png".into(), body: (*b"x").into() };
    let target = "sip:bob@192.0.2.2".to_owned();
    bench.command(0, Command::SendMessage { message: MessageId(1), account: None, target, text: image });
    assert_eq!(results(&bench.parties[0]), [(1, 415)]);
    assert!(heard(&bench.parties[1]).is_empty());
}
