//! Every timer and every arrow of the four machines, in virtual time.

use super::*;
use crate::proto::sip::{HeaderName, Method, ResponseBuilder, Transport};
use crate::util::Duration;
use core::net::SocketAddr;

const UDP: Peer = Peer::udp(address(5060));
const TCP: Peer = Peer::new(Transport::Tcp, address(5060));

const fn address(port: u16) -> SocketAddr {
    SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 7)), port)
}

/// A layer with its clock and all that it said, each with its time in ms.
struct Bench {
    layer: Layer,
    now: Time,
    log: Vec<(u64, Effect)>,
}

impl Bench {
    fn new() -> Bench {
        Bench { layer: Layer::new(Timers::default(), 100), now: Time::from_secs(1), log: Vec::new() }
    }
    fn take(&mut self, effects: Vec<Effect>) {
        let at = self.now.as_millis() - 1000;
        self.log.extend(effects.into_iter().map(|e| (at, e)));
    }
    fn send(&mut self, to: Peer, request: &str) -> ClientKey {
        let mut out = Vec::new();
        let key = self.layer.send_request(self.now, to, request.into(), &mut out).expect("taken");
        self.take(out);
        key
    }
    fn receive(&mut self, from: Peer, message: &str) {
        let mut out = Vec::new();
        let message = Message::parse(message.as_bytes()).expect("parses");
        self.layer.receive(self.now, from, message, &mut out);
        self.take(out);
    }
    fn respond(&mut self, key: ServerKey, status: u16) -> bool {
        let mut out = Vec::new();
        let response = match self.layer.server_request(key) {
            Some((request, source)) => {
                ResponseBuilder::new(request, status, None, source.address).to_tag("us").build().unwrap()
            }
            None => format!("SIP/2.0 {status} Again\r\nContent-Length: 0\r\n\r\n").into_bytes(),
        };
        let taken = self.layer.respond(self.now, key, status, response, &mut out);
        self.take(out);
        taken
    }
    fn cancel(&mut self, key: ClientKey) -> bool {
        let mut out = Vec::new();
        let done = self.layer.cancel(self.now, key, &mut out);
        self.take(out);
        done
    }
    /// Lets all timers fire that are due within `ms`; says which.
    fn run(&mut self, ms: u64) -> Vec<TimerName> {
        let until = self.now + Duration::from_millis(ms);
        let mut fired = Vec::new();
        while let Some((at, name)) = self.layer.next_deadline() {
            if at > until {
                break;
            }
            fired.push(name);
            self.now = at;
            let mut out = Vec::new();
            self.layer.handle_timeout(at, &mut out);
            self.take(out);
        }
        self.now = until;
        fired
    }
    /// Empties the log into words: `0 INVITE`, `500 200`, `0 <180`, `32000 timeout B`.
    fn words(&mut self) -> Vec<String> {
        self.log.drain(..).map(|(at, e)| format!("{at} {}", word(&e))).collect()
    }
    fn request_key(&self) -> ServerKey {
        let mut keys = self.log.iter().filter_map(|(_, e)| match e {
            Effect::Request { key, .. } => Some(*key),
            _ => None,
        });
        keys.next_back().expect("a request came up")
    }
    fn sent(&self) -> Vec<(Peer, Message)> {
        let sent = self.log.iter().filter_map(|(_, e)| match e {
            Effect::Transmit { to, bytes } => Some((*to, Message::parse(bytes).unwrap())),
            _ => None,
        });
        sent.collect()
    }
    fn is_empty(&self) -> bool {
        let l = &self.layer;
        l.client_count() == 0 && l.server_count() == 0 && l.timer_count() == 0
    }
}

fn word(effect: &Effect) -> String {
    match effect {
        Effect::Transmit { bytes, .. } => {
            let text = core::str::from_utf8(bytes).unwrap();
            let mut words = text.split(' ');
            match words.next().unwrap() {
                "SIP/2.0" => words.next().unwrap().into(),
                method => method.into(),
            }
        }
        Effect::Response { message, .. } => format!("<{}", message.status()),
        Effect::Timeout { timer, .. } => format!("timeout {timer:?}"),
        Effect::TransportError { .. } => "transport".into(),
        Effect::ClientEnded { .. } | Effect::ServerEnded { .. } => "ended".into(),
        Effect::Request { message, .. } => format!("<{}", message.method().as_str()),
        Effect::Cancelled { .. } => "cancelled".into(),
        Effect::Ack { .. } => "<ACK".into(),
        Effect::StrayResponse { message, .. } => format!("stray {}", message.status()),
        Effect::AckTimeout { .. } => "no ack".into(),
    }
}

fn request(method: &str, branch: &str, extra: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.7 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch={branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@example.org>;tag=aa\r\nTo: <sip:bob@example.org>\r\n\
         Call-ID: c1\r\nCSeq: 3 {method}\r\n{extra}Content-Length: 0\r\n\r\n"
    )
}

fn response(status: u16, method: &str, branch: &str) -> String {
    format!(
        "SIP/2.0 {status} Text\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch={branch}\r\n\
         From: <sip:a@example.org>;tag=aa\r\nTo: <sip:bob@example.org>;tag=bb\r\n\
         Call-ID: c1\r\nCSeq: 3 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

const B: &str = "z9hG4bKone";

#[test]
fn timer_a_doubles_without_bound_until_timer_b_gives_up() {
    let mut b = Bench::new();
    b.send(UDP, &request("INVITE", B, ""));
    let fired = b.run(40_000);
    assert_eq!(fired, [[TimerName::A; 6].as_slice(), &[TimerName::B]].concat());
    let words = b.words();
    let expected = [
        "0 INVITE",
        "500 INVITE",
        "1500 INVITE",
        "3500 INVITE",
        "7500 INVITE",
        "15500 INVITE",
        "31500 INVITE",
        "32000 timeout B",
        "32000 ended",
    ];
    assert_eq!(words, expected);
    assert!(b.is_empty());
}

#[test]
fn over_a_reliable_transport_an_invite_is_sent_once() {
    let mut b = Bench::new();
    b.send(TCP, &request("INVITE", B, ""));
    b.run(40_000);
    assert_eq!(b.words(), ["0 INVITE", "32000 timeout B", "32000 ended"]);
}

#[test]
fn a_provisional_stops_timer_a_and_a_2xx_starts_timer_m() {
    let mut b = Bench::new();
    b.send(UDP, &request("INVITE", B, ""));
    b.receive(UDP, &response(180, "INVITE", B));
    assert_eq!(b.run(60_000), []);
    b.receive(UDP, &response(200, "INVITE", B));
    b.run(1000);
    b.receive(UDP, &response(200, "INVITE", B));
    assert_eq!(b.run(40_000), [TimerName::M]);
    assert_eq!(b.words(), ["0 INVITE", "0 <180", "60000 <200", "61000 <200", "92000 ended"]);
    b.receive(UDP, &response(200, "INVITE", B));
    assert_eq!(b.words(), ["101000 stray 200"]);
    assert!(b.is_empty());
}

#[test]
fn a_non_2xx_is_acknowledged_each_time_until_timer_d() {
    let mut b = Bench::new();
    let routes = "Route: <sip:p1.example.org;lr>\r\nRoute: <sip:p2.example.org;lr>\r\n";
    b.send(UDP, &request("INVITE", B, routes));
    b.receive(UDP, &response(486, "INVITE", B));
    let (to, ack) = b.sent().pop().unwrap();
    assert_eq!(to, UDP);
    assert_eq!(ack.method(), &Method::Ack);
    assert_eq!(ack.request_uri_text(), "sip:bob@192.0.2.7");
    assert_eq!(ack.top_via().unwrap().branch(), Some(B));
    assert_eq!((ack.cseq(), ack.call_id(), ack.to_tag()), (3, "c1", Some("bb")));
    let route: Vec<&str> = ack.values(HeaderName::Route).collect();
    assert_eq!(route, ["<sip:p1.example.org;lr>", "<sip:p2.example.org;lr>"]);
    b.run(500);
    b.receive(UDP, &response(486, "INVITE", B));
    assert_eq!(b.run(40_000), [TimerName::D]);
    assert_eq!(b.words(), ["0 INVITE", "0 ACK", "0 <486", "500 ACK", "32000 ended"]);
    assert!(b.is_empty());
}

#[test]
fn over_a_reliable_transport_timer_d_is_zero() {
    let mut b = Bench::new();
    b.send(TCP, &request("INVITE", B, ""));
    b.receive(TCP, &response(404, "INVITE", B));
    assert_eq!(b.words(), ["0 INVITE", "0 ACK", "0 <404", "0 ended"]);
    assert!(b.is_empty());
}

#[test]
fn a_2xx_after_a_non_2xx_is_a_stray_one() {
    let mut b = Bench::new();
    b.send(UDP, &request("INVITE", B, ""));
    b.receive(UDP, &response(486, "INVITE", B));
    b.receive(UDP, &response(200, "INVITE", B));
    assert_eq!(b.words(), ["0 INVITE", "0 ACK", "0 <486", "0 stray 200"]);
}

#[test]
fn timer_c_cancels_and_gives_up_when_even_that_brings_nothing() {
    let mut b = Bench::new();
    b.send(UDP, &request("INVITE", B, ""));
    b.receive(UDP, &response(183, "INVITE", B));
    b.run(100_000);
    b.receive(UDP, &response(180, "INVITE", B));
    let fired = b.run(184_999);
    assert_eq!(fired, [], "each provisional gives timer C its full length again");
    assert_eq!(b.run(1), [TimerName::C]);
    assert_eq!(b.sent().pop().unwrap().1.method(), &Method::Cancel);
    b.receive(UDP, &response(200, "CANCEL", B));
    b.words();
    let fired = b.run(40_000);
    assert_eq!(fired, [TimerName::K, TimerName::C]);
    assert_eq!(b.words(), ["317000 timeout C", "317000 ended"]);
    assert!(b.is_empty());
}

#[test]
fn cancel_waits_for_a_provisional_and_looks_like_the_invite() {
    let mut b = Bench::new();
    let key = b.send(UDP, &request("INVITE", B, "Route: <sip:p1.example.org;lr>\r\n"));
    assert!(b.cancel(key));
    assert_eq!(b.words(), ["0 INVITE"]);
    b.run(600);
    b.receive(UDP, &response(100, "INVITE", B));
    let (to, cancel) = b.sent().pop().unwrap();
    assert_eq!(to, UDP);
    assert_eq!(cancel.method(), &Method::Cancel);
    assert_eq!(cancel.header(HeaderName::CSeq), Some("3 CANCEL"));
    assert_eq!(cancel.top_via().unwrap().branch(), Some(B));
    assert_eq!(cancel.header(HeaderName::Route), Some("<sip:p1.example.org;lr>"));
    assert_eq!((cancel.call_id(), cancel.from_tag(), cancel.to_tag()), ("c1", Some("aa"), None));
    assert_eq!(cancel.request_uri_text(), "sip:bob@192.0.2.7");
    b.receive(UDP, &response(200, "CANCEL", B));
    b.receive(UDP, &response(487, "INVITE", B));
    assert_eq!(b.words(), ["500 INVITE", "600 <100", "600 CANCEL", "600 ACK", "600 <487"]);
    assert!(!b.cancel(key), "it has its final response");
    b.run(40_000);
    assert_eq!(b.words(), ["32600 ended"], "the layer's own CANCEL is nobody's business");
    assert!(b.is_empty());
}

#[test]
fn a_lost_cancel_is_sent_again() {
    let mut b = Bench::new();
    let key = b.send(UDP, &request("INVITE", B, ""));
    b.receive(UDP, &response(180, "INVITE", B));
    assert!(b.cancel(key));
    assert!(b.cancel(key), "harmless");
    b.run(1500);
    assert_eq!(b.words(), ["0 INVITE", "0 <180", "0 CANCEL", "500 CANCEL", "1500 CANCEL"]);
    b.run(40_000);
    assert!(b.words().ends_with(&["32000 timeout C".to_owned(), "32000 ended".to_owned()]));
    assert!(b.is_empty());
}

#[test]
fn a_2xx_that_beats_the_cancel_is_the_outcome() {
    let mut b = Bench::new();
    let key = b.send(UDP, &request("INVITE", B, ""));
    assert!(b.cancel(key));
    b.receive(UDP, &response(200, "INVITE", B));
    assert_eq!(b.words(), ["0 INVITE", "0 <200"], "no CANCEL after a final response");
}

#[test]
fn timer_e_doubles_up_to_t2_until_timer_f_gives_up() {
    let mut b = Bench::new();
    b.send(UDP, &request("OPTIONS", B, ""));
    let fired = b.run(40_000);
    assert_eq!(fired, [[TimerName::E; 10].as_slice(), &[TimerName::F]].concat());
    let times: Vec<String> = b.words();
    let expected = [
        "0 OPTIONS",
        "500 OPTIONS",
        "1500 OPTIONS",
        "3500 OPTIONS",
        "7500 OPTIONS",
        "11500 OPTIONS",
        "15500 OPTIONS",
        "19500 OPTIONS",
        "23500 OPTIONS",
        "27500 OPTIONS",
        "31500 OPTIONS",
        "32000 timeout F",
        "32000 ended",
    ];
    assert_eq!(times, expected);
    assert!(b.is_empty());
}

#[test]
fn a_provisional_sets_timer_e_to_t2_and_timer_k_ends() {
    let mut b = Bench::new();
    b.send(UDP, &request("REGISTER", B, ""));
    b.run(600);
    b.receive(UDP, &response(100, "REGISTER", B));
    b.run(8000);
    b.receive(UDP, &response(200, "REGISTER", B));
    b.receive(UDP, &response(200, "REGISTER", B));
    assert_eq!(b.run(5000), [TimerName::K]);
    let expected = [
        "0 REGISTER",
        "500 REGISTER",
        "600 <100",
        "4600 REGISTER",
        "8600 REGISTER",
        "8600 <200",
        "13600 ended",
    ];
    assert_eq!(b.words(), expected);
    assert!(b.is_empty());
}

#[test]
fn an_invite_is_answered_100_at_once_and_retransmissions_get_the_last_response() {
    let mut b = Bench::new();
    b.receive(UDP, &request("INVITE", B, ""));
    let key = b.request_key();
    b.receive(UDP, &request("INVITE", B, ""));
    assert_eq!(b.words(), ["0 100", "0 <INVITE", "0 100"]);
    assert!(b.respond(key, 180));
    b.receive(UDP, &request("INVITE", B, ""));
    assert_eq!(b.words(), ["0 180", "0 180"]);
    assert_eq!(b.layer.counters().retransmissions, 2);
    assert_eq!(b.layer.next_deadline(), None);
}

#[test]
fn timer_g_sends_a_non_2xx_again_until_timer_h() {
    let mut b = Bench::new();
    b.receive(UDP, &request("INVITE", B, ""));
    let key = b.request_key();
    b.words();
    assert!(b.respond(key, 486));
    assert!(!b.respond(key, 200), "one final response");
    let fired = b.run(40_000);
    assert_eq!(fired, [[TimerName::G; 10].as_slice(), &[TimerName::H]].concat());
    let words = b.words();
    assert_eq!(words[..5], ["0 486", "500 486", "1500 486", "3500 486", "7500 486"]);
    assert_eq!(words[5], "11500 486");
    assert_eq!(words[words.len() - 2..], ["32000 no ack", "32000 ended"]);
    assert!(b.is_empty());
}

#[test]
fn the_ack_of_a_non_2xx_is_swallowed_until_timer_i() {
    let mut b = Bench::new();
    b.receive(UDP, &request("INVITE", B, ""));
    let key = b.request_key();
    b.respond(key, 486);
    b.receive(UDP, &request("ACK", B, ""));
    b.run(1000);
    b.receive(UDP, &request("ACK", B, ""));
    b.receive(UDP, &request("INVITE", B, ""));
    assert_eq!(b.run(5000), [TimerName::I]);
    assert_eq!(b.words(), ["0 100", "0 <INVITE", "0 486", "5000 ended"]);
    assert!(b.is_empty());
}

#[test]
fn after_a_2xx_invites_are_absorbed_and_acks_go_up_until_timer_l() {
    let mut b = Bench::new();
    b.receive(UDP, &request("INVITE", B, ""));
    let key = b.request_key();
    b.respond(key, 200);
    b.run(500);
    b.receive(UDP, &request("INVITE", B, ""));
    assert!(b.respond(key, 200), "the user sends it again");
    assert!(!b.respond(key, 486));
    b.receive(UDP, &request("ACK", "z9hG4bKother", ""));
    b.receive(UDP, &request("ACK", B, ""));
    assert_eq!(b.run(40_000), [TimerName::L]);
    let expected = ["0 100", "0 <INVITE", "0 200", "500 200", "500 <ACK", "500 <ACK", "32000 ended"];
    assert_eq!(b.words(), expected);
    assert!(b.is_empty());
}

#[test]
fn a_non_invite_answer_is_repeated_until_timer_j() {
    let mut b = Bench::new();
    b.receive(UDP, &request("BYE", B, ""));
    let key = b.request_key();
    b.receive(UDP, &request("BYE", B, ""));
    assert!(b.respond(key, 200));
    assert!(!b.respond(key, 500));
    b.run(500);
    b.receive(UDP, &request("BYE", B, ""));
    assert_eq!(b.run(40_000), [TimerName::J]);
    assert_eq!(b.words(), ["0 <BYE", "0 200", "500 200", "32000 ended"]);
    assert!(b.is_empty());
}

#[test]
fn a_non_invite_request_that_nobody_answers_goes_by_itself() {
    let mut b = Bench::new();
    b.receive(UDP, &request("INFO", B, ""));
    let key = b.request_key();
    assert!(!b.respond(key, 180), "RFC 4320");
    assert!(!b.respond(key, 408), "RFC 4320");
    b.run(32_000);
    assert!(!b.respond(key, 200), "too late");
    assert_eq!(b.words(), ["0 <INFO", "32000 ended"]);
    assert!(b.is_empty());
}

#[test]
fn over_a_reliable_transport_timers_i_and_j_are_zero() {
    let mut b = Bench::new();
    b.receive(TCP, &request("BYE", B, ""));
    b.respond(b.request_key(), 200);
    b.receive(TCP, &request("INVITE", "z9hG4bKtwo", ""));
    b.respond(b.request_key(), 486);
    b.receive(TCP, &request("ACK", "z9hG4bKtwo", ""));
    let expected = ["0 <BYE", "0 200", "0 ended", "0 100", "0 <INVITE", "0 486", "0 ended"];
    assert_eq!(b.words(), expected);
    assert!(b.is_empty());
}

#[test]
fn a_cancel_is_answered_and_said_once() {
    let mut b = Bench::new();
    b.receive(UDP, &request("INVITE", B, ""));
    let key = b.request_key();
    b.respond(key, 180);
    b.words();
    b.receive(UDP, &request("CANCEL", B, ""));
    assert_eq!(b.sent().pop().unwrap().1.to_tag(), Some("us"), "9.2: the tag of the INVITE's response");
    b.receive(UDP, &request("CANCEL", B, ""));
    assert_eq!(b.words(), ["0 200", "0 cancelled", "0 200"]);
    b.respond(key, 487);
    b.receive(UDP, &request("ACK", B, ""));
    b.run(40_000);
    assert!(b.is_empty());
}

#[test]
fn a_cancel_after_the_final_response_changes_nothing() {
    let mut b = Bench::new();
    b.receive(UDP, &request("INVITE", B, ""));
    b.respond(b.request_key(), 200);
    b.words();
    b.receive(UDP, &request("CANCEL", B, ""));
    assert_eq!(b.words(), ["0 200"]);
}

#[test]
fn a_cancel_for_nothing_is_481_with_a_tag_of_its_own() {
    let mut b = Bench::new();
    b.receive(UDP, &request("CANCEL", B, ""));
    let (_, response) = b.sent().pop().unwrap();
    assert_eq!(response.status(), 481);
    assert!(response.to_tag().is_some());
    b.receive(UDP, &request("CANCEL", B, ""));
    assert_eq!(b.words(), ["0 481", "0 481"]);
    b.run(40_000);
    assert!(b.is_empty());
}

#[test]
fn the_same_branch_of_another_sender_is_another_request() {
    let mut b = Bench::new();
    b.receive(UDP, &request("OPTIONS", B, ""));
    b.receive(UDP, &request("OPTIONS", B, "").replace("192.0.2.1:5070", "192.0.2.2:5070"));
    assert_eq!(b.words(), ["0 <OPTIONS", "0 <OPTIONS"]);
    assert_eq!(b.layer.server_count(), 2);
}

#[test]
fn a_branch_of_rfc_2543_is_matched_by_the_whole_request() {
    let mut b = Bench::new();
    b.receive(UDP, &request("INVITE", "1", ""));
    let key = b.request_key();
    b.receive(UDP, &request("INVITE", "1", ""));
    assert_eq!(b.words(), ["0 100", "0 <INVITE", "0 100"]);
    b.receive(UDP, &request("INVITE", "1", "").replace("c1", "c2"));
    assert_eq!(b.words(), ["0 100", "0 <INVITE"], "another Call-ID, another transaction");
    b.receive(UDP, &request("CANCEL", "1", ""));
    b.respond(key, 487);
    assert_eq!(b.words(), ["0 200", "0 cancelled", "0 487"]);
    b.receive(UDP, &request("ACK", "1", "").replace("org>\r\nCall", "org>;tag=no\r\nCall"));
    assert_eq!(b.words(), ["0 <ACK"], "another To tag than that of the response");
    b.receive(UDP, &request("ACK", "1", "").replace("org>\r\nCall", "org>;tag=us\r\nCall"));
    assert_eq!(b.words(), Vec::<String>::new());
    b.run(400);
    assert_eq!(b.words(), Vec::<String>::new(), "487 isn't sent again");
}

#[test]
fn responses_go_to_the_sent_by_port_unless_rport_was_asked_for() {
    let from = Peer::udp(address(40_000));
    let mut b = Bench::new();
    b.receive(from, &request("INVITE", B, ""));
    assert_eq!(b.sent()[0].0.address, address(5070));
    b.log.clear();
    b.receive(from, &request("INVITE", "z9hG4bKtwo;rport", ""));
    assert_eq!(b.sent()[0].0.address, address(40_000));
}

#[test]
fn a_request_that_came_over_two_paths_is_merged() {
    let mut b = Bench::new();
    b.receive(UDP, &request("INVITE", B, ""));
    let first = b.request_key();
    b.receive(UDP, &request("INVITE", "z9hG4bKtwo", ""));
    let second = b.request_key();
    b.receive(UDP, &request("INVITE", "z9hG4bKthree", "").replace("CSeq: 3", "CSeq: 4"));
    let other = b.request_key();
    assert!(!b.layer.is_merged(first) && b.layer.is_merged(second) && !b.layer.is_merged(other));
}

#[test]
fn a_full_table_refuses_with_503_and_counts() {
    let mut b = Bench::new();
    b.layer = Layer::new(Timers::default(), 1);
    b.receive(UDP, &request("OPTIONS", B, ""));
    b.receive(UDP, &request("OPTIONS", "z9hG4bKtwo", ""));
    b.receive(UDP, &request("OPTIONS", "z9hG4bKtwo", ""));
    assert_eq!(b.words(), ["0 <OPTIONS", "0 503", "0 503"]);
    assert_eq!(b.layer.counters().refused, 2);
    assert_eq!(b.layer.server_count(), 1);
    b.send(UDP, &request("OPTIONS", B, ""));
    let mut out = Vec::new();
    let more = request("OPTIONS", "z9hG4bKtwo", "").into();
    assert!(b.layer.send_request(b.now, UDP, more, &mut out).is_none());
    assert!(out.is_empty());
}

#[test]
fn a_branch_in_use_and_what_is_no_request_are_refused() {
    let mut b = Bench::new();
    b.send(UDP, &request("OPTIONS", B, ""));
    let mut out = Vec::new();
    for text in
        [request("OPTIONS", B, ""), request("ACK", "z9hG4bKx", ""), response(200, "OPTIONS", "z9hG4bKy")]
    {
        assert!(b.layer.send_request(b.now, UDP, text.into(), &mut out).is_none());
    }
    assert!(out.is_empty());
}

#[test]
fn an_icmp_error_ends_what_was_being_sent_there() {
    let mut b = Bench::new();
    let other = Peer::udp(address(5061));
    b.send(UDP, &request("INVITE", "z9hG4bK1", ""));
    b.send(UDP, &request("OPTIONS", "z9hG4bK2", ""));
    b.send(other, &request("OPTIONS", "z9hG4bK3", ""));
    b.send(UDP, &request("INVITE", "z9hG4bK4", ""));
    b.receive(UDP, &response(180, "INVITE", "z9hG4bK4"));
    b.words();
    let mut out = Vec::new();
    b.layer.transport_failed(b.now, UDP, &mut out);
    b.take(out);
    assert_eq!(b.words(), ["0 transport", "0 ended", "0 transport", "0 ended"]);
    assert_eq!(b.layer.client_count(), 2, "another peer, and one that has an answer already");
}

#[test]
fn responses_of_nobody_and_with_two_vias_are_dropped_and_counted() {
    let mut b = Bench::new();
    b.receive(UDP, &response(200, "OPTIONS", B));
    b.send(UDP, &request("OPTIONS", B, ""));
    let two =
        response(200, "OPTIONS", B).replace("From:", "Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKx\r\nFrom:");
    b.receive(UDP, &two);
    assert_eq!(b.words(), ["0 OPTIONS"]);
    let counters = b.layer.counters();
    assert_eq!((counters.stray, counters.malformed), (1, 1));
}

#[test]
fn to_tags_of_the_layer_depend_on_the_secret_and_on_the_request() {
    let a = Message::parse(request("OPTIONS", B, "").as_bytes()).unwrap();
    let other = Message::parse(request("OPTIONS", "z9hG4bKx", "").as_bytes()).unwrap();
    let mut layer = Layer::new(Timers::default(), 1);
    let tag = layer.stateless_tag(&a);
    assert_eq!(tag, layer.stateless_tag(&a));
    assert_ne!(tag, layer.stateless_tag(&other));
    layer.set_secret([7; 32]);
    assert_ne!(tag, layer.stateless_tag(&a));
}

#[test]
fn finished_transactions_hold_up_no_new_ones_and_are_bounded_themselves() {
    const MOST: usize = 4;
    let mut b = Bench::new();
    b.layer = Layer::new(Timers::default(), MOST);
    for n in 0..100 {
        b.receive(UDP, &request("BYE", &format!("z9hG4bKbye{n}"), ""));
        let key = b.request_key();
        assert!(b.respond(key, 200));
        b.send(UDP, &request("OPTIONS", &format!("z9hG4bKoptions{n}"), ""));
        b.receive(UDP, &response(200, "OPTIONS", &format!("z9hG4bKoptions{n}")));
        assert!(b.layer.server_count() + b.layer.client_count() <= MOST * 8 + 1);
        assert!(b.layer.timer_count() <= MOST * 8 + 1);
    }
    assert_eq!(b.layer.counters().refused, 0);
    b.run(40_000);
    assert!(b.is_empty());
}
