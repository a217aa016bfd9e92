//! The agent over reliable transports: what isn't sent twice, what is never sent in the clear, and what follows when a
//! connection breaks.

mod agents;

use agents::*;
use voip::proto::sip::auth::{Credentials, Secret};
use voip::proto::sip::{Flow, HeaderName, Message, Method, Peer, Transport};
use voip::ua::*;
use voip::util::{Duration, Time};

const ALICE: AccountId = AccountId(1);
const TLS: bool = cfg!(feature = "tls");

fn script() -> Peer {
    Peer::new(Transport::Tcp, addr(SCRIPT))
}

fn account(transport: Transport, server: &str) -> AccountConfig {
    let password = Secret::Password(String::from("secret").into());
    AccountConfig {
        server: server.into(),
        port: 0,
        transport,
        user: "alice".into(),
        display_name: None,
        credentials: vec![Credentials { realm: None, user: "alice".into(), secret: password }],
        register: false,
        expires: 300,
        outbound_proxy: None,
        retry_min: Duration::from_secs(2),
        retry_max: Duration::from_secs(100),
        srtp: None,
    }
}

fn with_account(config: AccountConfig) -> Bench {
    let mut bench = Bench::new(1);
    bench.command(0, Command::AddAccount { account: ALICE, config });
    bench
}

fn dial_as_alice(bench: &mut Bench, target: &str) -> Result<(), UaError> {
    let (target, options) = (target.to_owned(), DialOptions::default());
    let call = CallId(CallId::OUTGOING | 77);
    bench.try_command(0, Command::Dial { call, account: Some(ALICE), target, options })
}

fn header(message: &Message, name: HeaderName) -> &str {
    message.header(name).unwrap_or_default()
}

#[test]
fn over_tcp_nothing_is_repeated_and_nothing_lingers() {
    let mut bench = Bench::with(2, |c| c.transport = Transport::Tcp);
    let (a, _) = bench.talk();
    bench.pass(Duration::from_secs(60));
    bench.command(0, Command::Hangup { call: a });
    bench.pass(Duration::from_secs(1));
    for party in &bench.parties {
        let stats = party.agent.stats();
        assert_eq!((stats.calls, stats.client_transactions, stats.server_transactions), (0, 0, 0));
    }
    assert!(bench.peers.iter().all(|to| to.transport == Transport::Tcp), "{:?}", bench.peers);
    let requests = bench.log.iter().filter(|(_, _, b)| !b.starts_with(b"SIP/2.0"));
    assert_eq!(requests.count(), 3, "INVITE, ACK, BYE");
}

#[test]
fn an_invite_over_tcp_is_sent_once_and_given_up_after_64_t1() {
    let mut bench = Bench::new(1);
    bench.dial(0, &format!("sip:bob@{SCRIPT};transport=tcp"));
    bench.pass(Duration::from_secs(31));
    let invite = bench.next_request(Method::Invite);
    assert!(bench.inbox.is_empty());
    assert!(header(&invite, HeaderName::Via).starts_with("SIP/2.0/TCP 192.0.2.1:5060;"));
    assert!(header(&invite, HeaderName::Via).contains(";alias"));
    assert_eq!(header(&invite, HeaderName::Contact), "<sip:voip@192.0.2.1:5060;transport=tcp>");
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.parties[0].end().0, EndCause::Unreachable);
}

#[test]
fn a_large_request_goes_over_tcp_and_over_udp_with_its_timers_when_that_fails() {
    let mut bench = Bench::with(1, |c| c.mtu_limit = 400);
    bench.dial(0, &format!("sip:bob@{SCRIPT}"));
    let first = bench.next_request(Method::Invite);
    assert_eq!(bench.peers, [script()]);
    assert!(header(&first, HeaderName::Via).starts_with("SIP/2.0/TCP "));
    let now = bench.now;
    bench.parties[0].agent.handle_transmit_failed(now, script());
    bench.settle();
    let second = bench.next_request(Method::Invite);
    assert!(header(&second, HeaderName::Via).starts_with("SIP/2.0/UDP "));
    assert_eq!(first.branch(), second.branch());
    bench.pass(Duration::from_secs(4));
    assert_eq!(bench.inbox.len(), 3, "after 0.5, 1.5 and 3.5 s");
    bench.inbox.clear();
    bench.respond(&second, 200, "callee", Some(SDP));
    bench.next_request(Method::Ack);
    assert!(bench.parties[0].has_state(CallState::Answered));
}

#[test]
fn a_request_is_sent_once_more_when_its_connection_breaks_and_then_no_more() {
    let mut bench = Bench::new(1);
    bench.dial(0, &format!("sip:bob@{SCRIPT};transport=tcp"));
    let first = bench.next_request(Method::Invite);
    let now = bench.now;
    bench.parties[0].agent.handle_connection_lost(now, script());
    bench.settle();
    let second = bench.next_request(Method::Invite);
    assert_eq!(first.raw(), second.raw());
    bench.parties[0].agent.handle_connection_lost(now, script());
    bench.settle();
    assert!(bench.inbox.is_empty());
    assert_eq!(bench.parties[0].end().0, EndCause::Unreachable);
    bench.assert_empty();
}

#[test]
fn a_response_whose_connection_is_gone_goes_to_where_the_via_says() {
    let mut bench = Bench::new(1);
    let accepted = Peer { flow: Flow::Accepted, ..Peer::new(Transport::Tcp, addr("192.0.2.99:40000")) };
    let mut peer = Script::new();
    let now = bench.now;
    let invite = peer.start(Method::Invite).body("application/sdp", SDP.as_bytes()).build().unwrap();
    bench.parties[0].agent.handle_datagram(now, accepted, &invite);
    bench.settle();
    assert!(bench.peers.iter().all(|to| *to == accepted));
    bench.parties[0].agent.handle_connection_lost(now, accepted);
    let call = bench.parties[0].incoming();
    bench.command(0, Command::Answer { call });
    assert_eq!(bench.peers.last(), Some(&script()));
}

#[test]
fn a_caller_without_a_proxy_is_answered_and_ended_on_its_own_connection() {
    let mut bench = Bench::new(1);
    let accepted = Peer { flow: Flow::Accepted, ..Peer::new(Transport::Tcp, addr("192.0.2.99:40000")) };
    let mut peer = Script::new();
    let now = bench.now;
    let invite = peer.invite();
    bench.parties[0].agent.handle_datagram(now, accepted, &invite);
    bench.settle();
    let call = bench.parties[0].incoming();
    bench.command(0, Command::Answer { call });
    let (_, _, ok) = bench.log.last().cloned().expect("a 200");
    peer.learn(&Message::parse(&ok).expect("a response"));
    let ack = peer.plain(Method::Ack);
    bench.parties[0].agent.handle_datagram(now, accepted, &ack);
    assert!(bench.parties[0].agent.uses(accepted));
    bench.command(0, Command::Hangup { call });
    assert_eq!(bench.peers.last(), Some(&accepted));
    assert!(bench.log.last().is_some_and(|(_, _, bytes)| bytes.starts_with(b"BYE ")));
}

#[test]
fn after_its_connection_a_call_goes_on_to_the_contact() {
    let mut bench = Bench::new(1);
    let accepted = Peer { flow: Flow::Accepted, ..Peer::new(Transport::Tcp, addr("192.0.2.99:40000")) };
    let mut peer = Script::new();
    let now = bench.now;
    let invite = peer.invite();
    bench.parties[0].agent.handle_datagram(now, accepted, &invite);
    bench.settle();
    let call = bench.parties[0].incoming();
    bench.command(0, Command::Answer { call });
    let (_, _, ok) = bench.log.last().cloned().expect("a 200");
    peer.learn(&Message::parse(&ok).expect("a response"));
    let ack = peer.plain(Method::Ack);
    bench.parties[0].agent.handle_datagram(now, accepted, &ack);
    bench.parties[0].agent.handle_connection_lost(now, accepted);
    bench.command(0, Command::Hangup { call });
    assert_eq!(bench.peers.last(), Some(&script()));
}

fn registered(bench: &mut Bench) -> Message {
    bench.command(0, Command::Register { account: ALICE });
    let register = bench.next_request(Method::Register);
    let contact = header(&register, HeaderName::Contact).to_owned();
    let answer = voip::proto::sip::ResponseBuilder::new(&register, 200, None, addr(SCRIPT)).to_tag("r");
    bench.inject(&answer.header(HeaderName::Contact, &contact).build().unwrap());
    register
}

#[test]
fn a_registration_is_made_again_soon_after_its_connection_broke() {
    let mut bench = with_account(AccountConfig { port: 5060, ..account(Transport::Tcp, "192.0.2.99") });
    let register = registered(&mut bench);
    assert!(header(&register, HeaderName::Contact).starts_with("<sip:alice@192.0.2.1:5060;transport=tcp>"));
    let now = bench.now;
    assert!(bench.parties[0].agent.uses(script()));
    bench.parties[0].agent.handle_connection_lost(now, script());
    bench.pass(Duration::from_millis(900));
    assert!(bench.inbox.is_empty(), "not at once: every client of the server comes back");
    bench.pass(Duration::from_millis(1200));
    bench.next_request(Method::Register);
    // Another connection is none of its business.
    let other = Peer::new(Transport::Tcp, addr("192.0.2.98:5060"));
    let now: Time = bench.now;
    bench.parties[0].agent.handle_connection_lost(now, other);
    bench.pass(Duration::from_secs(5));
    assert!(bench.inbox.is_empty());
}

#[test]
fn a_secure_target_needs_a_secure_account() {
    let mut bench = with_account(account(Transport::Udp, "192.0.2.99"));
    assert_eq!(dial_as_alice(&mut bench, "sips:bob@example.com"), Err(UaError::NotSupported));
    let config = account(Transport::Tcp, "192.0.2.99");
    bench.command(0, Command::AddAccount { account: AccountId(2), config });
    assert!(bench.log.is_empty());
}

#[test]
fn an_account_over_tls_takes_no_proxy_without_it() {
    let mut bench = Bench::new(1);
    for proxy in ["sip:192.0.2.98;transport=udp;lr", "sip:192.0.2.98;transport=tcp;lr"] {
        let config =
            AccountConfig { outbound_proxy: Some(proxy.into()), ..account(Transport::Tls, "192.0.2.99") };
        let added = bench.try_command(0, Command::AddAccount { account: ALICE, config });
        assert_eq!(added, Err(UaError::NotSupported));
    }
    let added = bench.try_command(
        0,
        Command::AddAccount { account: ALICE, config: account(Transport::Tls, "192.0.2.99") },
    );
    assert_eq!(added.is_ok(), TLS);
}

#[test]
fn a_call_over_tls_is_not_led_off_it_by_a_contact_a_route_or_a_redirection() {
    if !TLS {
        return;
    }
    let mut bench = with_account(account(Transport::Tls, "192.0.2.99"));
    dial_as_alice(&mut bench, "sips:bob@example.com").unwrap();
    let server = Peer::new(Transport::Tls, addr("192.0.2.99:5061"));
    let invite = bench.inbox.pop_front().expect("an INVITE").1;
    assert_eq!(invite.request_uri_text(), "sips:bob@example.com");
    assert!(header(&invite, HeaderName::Via).starts_with("SIP/2.0/TLS "));
    assert_eq!(header(&invite, HeaderName::Contact), "<sips:alice@192.0.2.1:5060>");
    let ok = response(&invite, 200, "callee", Some(SDP));
    let ok =
        String::from_utf8(ok).unwrap().replace(&format!("{SCRIPT}>"), &format!("{SCRIPT};transport=udp>"));
    bench.inject(ok.as_bytes());
    let call = CallId(CallId::OUTGOING | 77);
    bench.command(0, Command::Hangup { call });
    assert_eq!(bench.peers.len(), 3, "INVITE, ACK, BYE");
    assert!(bench.peers.iter().all(|to| *to == server), "{:?}", bench.peers);
}

#[test]
fn a_secure_call_is_not_redirected_to_where_it_is_not() {
    if !TLS {
        return;
    }
    let mut bench = Bench::new(1);
    bench.dial(0, "sips:bob@192.0.2.99");
    let invite = bench.inbox.pop_front().expect("an INVITE").1;
    let moved = voip::proto::sip::ResponseBuilder::new(&invite, 302, None, addr(SCRIPT)).to_tag("x");
    let contact = "<sip:bob@192.0.2.98;transport=udp>, <sip:bob@192.0.2.98;transport=tcp>";
    bench.inject(&moved.header(HeaderName::Contact, contact).build().unwrap());
    assert_eq!(bench.parties[0].end(), (EndCause::Rejected, EndedBy::Remote, 302));
    assert!(bench.peers.iter().all(|to| to.transport == Transport::Tls));
}

#[test]
fn a_name_looked_up_for_tls_is_the_name_to_be_proved() {
    if !TLS {
        return;
    }
    let mut bench = with_account(account(Transport::Tls, "pbx.example.com"));
    dial_as_alice(&mut bench, "bob").unwrap();
    let (query, name) = bench.parties[0].queries.pop().expect("a look-up");
    assert_eq!(name, "pbx.example.com");
    let now = bench.now;
    bench.parties[0].agent.handle_resolved(now, query, Ok(vec![addr("192.0.2.99:5061")]));
    bench.settle();
    let to = *bench.peers.last().expect("an INVITE");
    assert_eq!((to.transport, to.address), (Transport::Tls, addr("192.0.2.99:5061")));
    assert_eq!(bench.parties[0].agent.server_name(to).as_deref(), Some("pbx.example.com"));
    // A route with the server's address is the same connection, whose name has been proved.
    let invite = bench.inbox.pop_front().expect("an INVITE").1;
    let ok = String::from_utf8(response(&invite, 200, "callee", Some(SDP))).unwrap();
    let ok = ok.replacen(
        "\r\nContact:",
        "\r\nRecord-Route: <sip:192.0.2.99:5061;transport=tls;lr>\r\nContact:",
        1,
    );
    bench.inject(ok.as_bytes());
    assert_eq!(bench.peers.len(), 2);
    assert!(bench.peers.iter().all(|peer| *peer == to), "{:?}", bench.peers);
}
