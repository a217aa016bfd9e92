//! What the agent alone costs, without sockets and threads: calls as callee and as caller, registrations, parsing.
//!
//! `cargo bench --bench signalling -- [callee|caller|register|parse] [count]` prints `key value` lines. All that is ours
//! happens below `measured`, so that instructions are counted exactly and the same on every machine:
//! `valgrind --tool=callgrind --toggle-collect='*measured*' target/release/deps/signalling-… callee 2000`.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Instant;
use voip::proto::rtp::PayloadFormat;
use voip::proto::sdp::{SessionDescription, SrtpMode};
use voip::proto::sip::auth::{Credentials, Secret};
use voip::proto::sip::transaction::Timers;
use voip::proto::sip::{HeaderName, Message, Method, Peer, ResponseBuilder, Transport};
use voip::ua::{AccountConfig, AccountId, Agent, AgentConfig, CallId, Command, DialOptions, Event, Output};
use voip::util::{Duration, SeededRng, Time};

const INVITE: &[u8] = include_bytes!("data/invite.sip");
const OURS: &str = "192.0.2.1:5060";
const PEER: &str = "192.0.2.2:5060";
const SDP: &str = "v=0\r\no=- 7 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

fn main() {
    let mut args = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let what = args.next().unwrap_or_default();
    let count = args.next().and_then(|n| n.parse().ok());
    let all = what.is_empty();
    if all || what == "parse" {
        parse(count.unwrap_or(100_000));
    }
    for (name, run) in [("callee", callee as fn(&mut Rig, usize)), ("caller", caller), ("register", register)]
    {
        if all || what == name {
            row(name, run, count.unwrap_or(5000));
        }
    }
}

fn row(name: &str, run: fn(&mut Rig, usize), count: usize) {
    let mut rig = Rig::new(count);
    run(&mut rig, count);
    rig.run_out();
    assert_eq!(rig.done, count, "{name}: all must succeed");
    println!("signalling_{name}_count {count}");
    println!("signalling_{name}_us {:.2}", rig.spent.as_nanos() as f64 / 1000.0 / count as f64);
}

/// The agent and the time that was spent in it.
struct Rig {
    agent: Agent,
    now: Time,
    spent: Duration,
    done: usize,
    sent: Vec<Box<[u8]>>,
    ringing: Option<CallId>,
}

fn peer(text: &str) -> Peer {
    Peer::new(Transport::Udp, address(text))
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// The one door to the agent.
#[inline(never)]
fn measured(agent: &mut Agent, out: &mut Vec<Output>, work: impl FnOnce(&mut Agent)) {
    work(agent);
    while let Some(output) = agent.poll_output() {
        if let Output::OpenStream { call, .. } = output {
            agent.handle_stream_opened(Time::from_secs(100), call, Ok(address("192.0.2.1:10000").into()));
        } else {
            out.push(output);
        }
    }
    black_box(agent.poll_timeout());
}

impl Rig {
    fn new(count: usize) -> Rig {
        let config = AgentConfig {
            public_address: None,
            user_agent: "libvoip-bench".into(),
            codecs: vec![PayloadFormat::new(0, "PCMU", 8000, 1), PayloadFormat::new(8, "PCMA", 8000, 1)],
            ptime_ms: 20,
            timers: Timers::default(),
            max_calls: count,
            max_transactions: count * 8,
            unhandled_call: 486,
            accept_calls: true,
            ring_timeout: Duration::from_secs(120),
            answer_timeout: Duration::ZERO,
            hangup_on_media_timeout: false,
            mtu_limit: 1300,
            local_networks: Vec::new(),
            srtp: SrtpMode::Off,
            transport: Transport::Udp,
            srtp_suites: Vec::new(),
            rtcp_mux: true,
        };
        let route = |_| Some(address(OURS));
        Rig {
            agent: Agent::new(config, Box::new(SeededRng::new(1)), Box::new(route)),
            now: Time::from_secs(100),
            spent: Duration::ZERO,
            done: 0,
            sent: Vec::new(),
            ringing: None,
        }
    }

    fn tell(&mut self, work: impl FnOnce(&mut Agent, Time)) {
        let now = self.now;
        let mut out = Vec::with_capacity(16);
        let begun = Instant::now();
        measured(&mut self.agent, &mut out, |agent| work(agent, now));
        self.spent += begun.elapsed();
        for output in out {
            match output {
                Output::Transmit { bytes, .. } => self.sent.push(bytes[..].into()),
                Output::Event(Event::IncomingCall { call, .. }) => self.ringing = Some(call),
                Output::Event(Event::CallEnded { end, .. }) => self.done += usize::from(end.sip_code == 0),
                Output::Event(Event::AccountStatus { sip_code: 200, .. }) => self.done += 1,
                _ => {}
            }
        }
    }
    fn receive(&mut self, bytes: &[u8]) {
        self.tell(|agent, now| agent.handle_datagram(now, peer(PEER), bytes));
    }
    fn last(&mut self) -> Message {
        let bytes = self.sent.pop().expect("something was sent");
        self.sent.clear();
        Message::parse(&bytes).expect("it parses")
    }
    /// Lets all timers of finished transactions fire.
    fn run_out(&mut self) {
        let end = self.now + Duration::from_secs(40);
        while let Some((at, _)) = self.agent.poll_timeout().filter(|(at, _)| *at < end) {
            self.now = self.now.max(at);
            self.tell(|agent, now| agent.handle_timeout(now));
        }
    }
}

/// INVITE, 100, 180, 200, ACK, BYE, 200.
fn callee(rig: &mut Rig, count: usize) {
    for n in 0..count {
        rig.now += Duration::from_millis(1);
        rig.receive(request("INVITE", n, "", 1, SDP).as_bytes());
        let call = rig.ringing.take().expect("it rings");
        rig.tell(|agent, now| agent.handle_command(now, Command::Answer { call }).expect("it is answered"));
        let answer = rig.last();
        let to_tag = format!(";tag={}", answer.to_tag().expect("a tag"));
        rig.receive(request("ACK", n, &to_tag, 1, "").as_bytes());
        rig.receive(request("BYE", n, &to_tag, 2, "").as_bytes());
        rig.sent.clear();
    }
}

/// INVITE, 180, 200, ACK, BYE, 200.
fn caller(rig: &mut Rig, count: usize) {
    for n in 0..count {
        rig.now += Duration::from_millis(1);
        let call = CallId(CallId::OUTGOING | (n as u64 + 1));
        let target = format!("sip:bob@{PEER}");
        let options = DialOptions::default();
        let dial = Command::Dial { call, account: None, target, options };
        rig.tell(|agent, now| agent.handle_command(now, dial).expect("it is dialled"));
        let invite = rig.last();
        for (status, sdp) in [(100, ""), (180, ""), (200, SDP)] {
            rig.receive(&response(&invite, status, sdp));
        }
        rig.sent.clear();
        rig.tell(|agent, now| agent.handle_command(now, Command::Hangup { call }).expect("it is ended"));
        let bye = rig.last();
        rig.receive(&response(&bye, 200, ""));
    }
}

/// REGISTER, 401, REGISTER with credentials, 200.
fn register(rig: &mut Rig, count: usize) {
    for n in 0..count {
        rig.now += Duration::from_millis(1);
        let (account, config) = (AccountId(n as u64 + 1), account(n));
        let add = Command::AddAccount { account, config };
        rig.tell(|agent, now| agent.handle_command(now, add).expect("it is added"));
        let first = rig.last();
        rig.receive(&challenge(&first));
        let second = rig.last();
        rig.receive(&granted(&second));
    }
}

fn request(method: &str, n: usize, to_tag: &str, cseq: u32, sdp: &str) -> String {
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:bob@{OURS} SIP/2.0\r\nVia: SIP/2.0/UDP {PEER};branch=z9hG4bK{method}{n:08};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Alice Q\" <sip:alice@{PEER}>;tag=alice{n:08}\r\nTo: <sip:bob@{OURS}>{to_tag}\r\n\
         Call-ID: a84b4c76e66710{n:08}@192.0.2.2\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@{PEER}>\r\n\
         Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, UPDATE\r\n\
         Supported: replaces, timer\r\nUser-Agent: load/1.0\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

fn response(request: &Message, status: u16, sdp: &str) -> Vec<u8> {
    let mut builder = ResponseBuilder::new(request, status, None, address(OURS));
    if status > 100 {
        builder = builder.to_tag("theirs");
    }
    if *request.method() == Method::Invite && status > 100 {
        builder = builder.header(HeaderName::Contact, &format!("<sip:bob@{PEER}>"));
    }
    if !sdp.is_empty() {
        builder = builder.body("application/sdp", sdp.as_bytes());
    }
    builder.build().expect("a response")
}

fn account(n: usize) -> AccountConfig {
    AccountConfig {
        server: "192.0.2.2".into(),
        port: 5060,
        transport: Transport::Udp,
        user: format!("user{n}"),
        display_name: None,
        credentials: vec![Credentials {
            realm: Some("bench".into()),
            user: format!("user{n}").into(),
            secret: Secret::Password("secret".to_owned().into()),
        }],
        register: true,
        expires: 3600,
        outbound_proxy: None,
        retry_min: Duration::from_secs(2),
        retry_max: Duration::from_secs(60),
        srtp: None,
    }
}

fn challenge(request: &Message) -> Vec<u8> {
    let value = "Digest realm=\"bench\", nonce=\"5f6fbd3c0a1e9f31\", algorithm=MD5, qop=\"auth\"";
    let builder = ResponseBuilder::new(request, 401, None, address(OURS)).to_tag("registrar");
    builder.header(HeaderName::WwwAuthenticate, value).build().expect("a response")
}

fn granted(request: &Message) -> Vec<u8> {
    let contact = request.header(HeaderName::Contact).expect("a contact");
    let builder = ResponseBuilder::new(request, 200, None, address(OURS)).to_tag("registrar");
    builder.header(HeaderName::Contact, &format!("{contact};expires=3600")).build().expect("a response")
}

/// An INVITE of 1,069 bytes with SDP, both parsed and the message checked.
fn parse(count: usize) {
    let text = String::from_utf8_lossy(INVITE).replace("\r\n", "\n").replace('\n', "\r\n");
    let begun = Instant::now();
    for _ in 0..count {
        parse_measured(black_box(text.as_bytes()));
    }
    println!("parse_bytes {}", text.len());
    println!("parse_ns {:.0}", begun.elapsed().as_nanos() as f64 / count as f64);
}

#[inline(never)]
fn parse_measured(bytes: &[u8]) {
    let message = Message::parse(bytes).expect("an INVITE");
    message.validate().expect("a good one");
    black_box(SessionDescription::parse(message.body()).expect("a description"));
}
