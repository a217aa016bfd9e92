//! Agents wired back to back in virtual time, and a scripted peer made of the message builders.

#![allow(dead_code)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use voip::proto::rtp::PayloadFormat;
use voip::proto::sdp::SrtpMode;
use voip::proto::sip::transaction::Timers;
use voip::proto::sip::{HeaderName, Message, Method, Peer, RequestBuilder, ResponseBuilder, Transport};
use voip::proto::srtp::Profile;
use voip::ua::*;
use voip::util::{Duration, SeededRng, Time};

pub const SCRIPT: &str = "192.0.2.99:5060";
pub const SDP: &str = "v=0\r\no=- 7 1 IN IP4 192.0.2.99\r\ns=-\r\nc=IN IP4 192.0.2.99\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

pub struct Party {
    pub agent: Agent,
    pub address: SocketAddr,
    pub events: Vec<Event>,
    pub media: Vec<MediaCommand>,
    pub queries: Vec<(QueryId, String)>,
    /// What handle_stream_opened is answered with.
    pub stream: Option<Result<SocketAddr, u16>>,
    pub opened: usize,
}

impl Party {
    pub fn states(&self) -> Vec<CallState> {
        self.events
            .iter()
            .filter_map(|e| match e {
                Event::CallState { state, .. } => Some(*state),
                _ => None,
            })
            .collect()
    }
    pub fn incoming(&self) -> CallId {
        self.try_incoming().expect("an incoming call")
    }
    pub fn try_incoming(&self) -> Option<CallId> {
        self.events.iter().rev().find_map(|e| match e {
            Event::IncomingCall { call, .. } => Some(*call),
            _ => None,
        })
    }
    pub fn ends(&self) -> Vec<EndInfo> {
        self.events
            .iter()
            .filter_map(|e| match e {
                Event::CallEnded { end, .. } => Some(end.clone()),
                _ => None,
            })
            .collect()
    }
    pub fn end(&self) -> (EndCause, EndedBy, u16) {
        let ends = self.ends();
        assert_eq!(ends.len(), 1, "one end: {:?}", self.events);
        (ends[0].cause, ends[0].by, ends[0].sip_code)
    }
    pub fn has_state(&self, state: CallState) -> bool {
        self.states().contains(&state)
    }
    pub fn closed(&self) -> usize {
        self.media.iter().filter(|m| matches!(m, MediaCommand::Close { .. })).count()
    }
    pub fn streams(&self) -> Vec<StreamConfig> {
        self.media
            .iter()
            .filter_map(|m| match m {
                MediaCommand::Configure { stream, .. } => Some(stream.clone()),
                _ => None,
            })
            .collect()
    }
}

/// From, to, bytes.
type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

type Loss = Box<dyn FnMut(&[u8]) -> bool>;

pub struct Bench {
    pub now: Time,
    pub parties: Vec<Party>,
    wire: VecDeque<(Transport, Datagram)>,
    /// What was sent to nobody here: the scripted peer's inbox.
    pub inbox: VecDeque<(SocketAddr, Message)>,
    /// Everything sent.
    pub log: Vec<Datagram>,
    /// Where each of them went.
    pub peers: Vec<Peer>,
    /// Says which datagrams get lost.
    pub lose: Loss,
}

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
pub fn udp(address: SocketAddr) -> Peer {
    Peer::udp(address)
}

pub fn config() -> AgentConfig {
    AgentConfig {
        public_address: None,
        local_networks: Vec::new(),
        user_agent: "libvoip-test".into(),
        codecs: vec![PayloadFormat::new(0, "PCMU", 8000, 1), PayloadFormat::new(8, "PCMA", 8000, 1)],
        ptime_ms: 20,
        timers: Timers::default(),
        max_calls: 100,
        max_transactions: 1000,
        unhandled_call: 486,
        accept_calls: true,
        ring_timeout: Duration::from_secs(120),
        answer_timeout: Duration::ZERO,
        hangup_on_media_timeout: false,
        transport: Transport::Udp,
        mtu_limit: 1300,
        srtp: SrtpMode::Off,
        srtp_suites: vec![Profile::AesCm128HmacSha1_80, Profile::AesCm128HmacSha1_32],
        rtcp_mux: false,
    }
}

impl Bench {
    pub fn new(parties: usize) -> Bench {
        Bench::with(parties, |_| {})
    }
    pub fn with(parties: usize, change: impl Fn(&mut AgentConfig)) -> Bench {
        let parties = (1..=parties)
            .map(|n| {
                let mut config = config();
                change(&mut config);
                let address = addr(&format!("192.0.2.{n}:5060"));
                let rng = Box::new(SeededRng::new(n as u64));
                Party {
                    agent: Agent::new(config, rng, Box::new(move |_| Some(address))),
                    address,
                    events: Vec::new(),
                    media: Vec::new(),
                    queries: Vec::new(),
                    stream: Some(Ok(addr(&format!("192.0.2.{n}:1000{n}")))),
                    opened: 0,
                }
            })
            .collect();
        Bench {
            now: Time::from_secs(100),
            parties,
            wire: VecDeque::new(),
            inbox: VecDeque::new(),
            log: Vec::new(),
            peers: Vec::new(),
            lose: Box::new(|_| false),
        }
    }

    pub fn try_command(&mut self, party: usize, command: Command) -> Result<(), UaError> {
        let result = self.parties[party].agent.handle_command(self.now, command);
        self.settle();
        result
    }
    pub fn command(&mut self, party: usize, command: Command) {
        self.try_command(party, command).expect("the command is taken");
    }
    pub fn dial(&mut self, party: usize, target: &str) -> CallId {
        self.dial_with(party, target, DialOptions::default())
    }
    pub fn dial_with(&mut self, party: usize, target: &str, options: DialOptions) -> CallId {
        let call = CallId(CallId::OUTGOING | (1 + self.parties[party].events.len() as u64));
        self.command(party, Command::Dial { call, account: None, target: target.into(), options });
        call
    }
    /// Calls from 0 to 1 and answers.
    pub fn talk(&mut self) -> (CallId, CallId) {
        let a = self.dial(0, "sip:bob@192.0.2.2");
        let b = self.parties[1].incoming();
        self.command(1, Command::Answer { call: b });
        (a, b)
    }

    /// Delivers everything until nobody has anything to say.
    pub fn settle(&mut self) {
        loop {
            for n in 0..self.parties.len() {
                self.drain(n);
            }
            let Some((by, (from, to, bytes))) = self.wire.pop_front() else { return };
            match self.parties.iter().position(|p| p.address == to) {
                Some(n) => self.parties[n].agent.handle_datagram(self.now, Peer::new(by, from), &bytes),
                None => self.inbox.push_back((to, Message::parse(&bytes).expect("we send what can be read"))),
            }
        }
    }
    fn drain(&mut self, n: usize) {
        while let Some(output) = self.parties[n].agent.poll_output() {
            let party = &mut self.parties[n];
            match output {
                Output::Transmit { to, bytes } => {
                    self.log.push((party.address, to.address, bytes.to_vec()));
                    self.peers.push(to);
                    if !(self.lose)(&bytes) {
                        self.wire.push_back((to.transport, (party.address, to.address, bytes.to_vec())));
                    }
                }
                Output::OpenStream { call, .. } => {
                    party.opened += usize::from(matches!(party.stream, Some(Ok(_))));
                    if let Some(local) = party.stream {
                        party.agent.handle_stream_opened(self.now, call, local.map(Into::into));
                    }
                }
                Output::Resolve { query, host, .. } => party.queries.push((query, host.into())),
                Output::Media(command) => party.media.push(command),
                Output::Event(event) => party.events.push(event),
            }
        }
    }
    /// Lets time pass, from deadline to deadline.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0;
        loop {
            let next = self.parties.iter_mut().filter_map(|p| p.agent.poll_timeout()).map(|(at, _)| at).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            for party in &mut self.parties {
                party.agent.handle_timeout(self.now);
            }
            self.settle();
            steps += 1;
            assert!(steps < 100_000, "time stands still");
        }
        self.now = end;
    }
    /// Nothing may be left after every timer has run out.
    pub fn assert_empty(&mut self) {
        self.pass(Duration::from_secs(400));
        for party in &mut self.parties {
            let stats = party.agent.stats();
            assert_eq!((stats.calls, stats.client_transactions, stats.server_transactions), (0, 0, 0));
            assert_eq!(party.agent.poll_timeout(), None);
            assert_eq!(party.closed(), party.opened, "each stream is closed once");
        }
    }

    // The scripted peer.

    pub fn inject(&mut self, bytes: &[u8]) {
        self.inject_from(SCRIPT, bytes);
    }
    pub fn inject_from(&mut self, from: &str, bytes: &[u8]) {
        self.parties[0].agent.handle_datagram(self.now, udp(addr(from)), bytes);
        self.settle();
    }
    /// The next message to the scripted peer.
    pub fn next(&mut self) -> Message {
        self.inbox.pop_front().expect("a message for the scripted peer").1
    }
    pub fn next_request(&mut self, method: Method) -> Message {
        let message = self.next();
        assert!(
            message.is_request() && *message.method() == method,
            "{method:?} expected:\n{}",
            text(&message)
        );
        message
    }
    pub fn next_status(&mut self) -> u16 {
        self.next_response().status()
    }
    /// The next response but 100.
    pub fn next_response(&mut self) -> Message {
        loop {
            let message = self.next();
            assert!(!message.is_request(), "response expected:\n{}", text(&message));
            if message.status() != 100 {
                return message;
            }
        }
    }
    pub fn respond(&mut self, request: &Message, status: u16, tag: &str, sdp: Option<&str>) {
        let bytes = response(request, status, tag, sdp);
        self.inject(&bytes);
    }
}

pub fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.raw()).into_owned()
}

pub fn response(request: &Message, status: u16, tag: &str, sdp: Option<&str>) -> Vec<u8> {
    let mut b = ResponseBuilder::new(request, status, None, addr("192.0.2.1:5060")).to_tag(tag);
    if *request.method() == Method::Invite && (101..300).contains(&status) {
        b = b.header(HeaderName::Contact, &format!("<sip:{tag}@{SCRIPT}>"));
    }
    if let Some(sdp) = sdp {
        b = b.body("application/sdp", sdp.as_bytes());
    }
    b.build().unwrap()
}

/// A request of the scripted peer to the first agent. `more` adds to it.
pub struct Script {
    pub call_id: String,
    pub tag: String,
    pub to_tag: Option<String>,
    pub cseq: u32,
    pub branches: u32,
}

impl Script {
    pub fn new() -> Script {
        Script { call_id: "script@x".into(), tag: "their".into(), to_tag: None, cseq: 1, branches: 0 }
    }
    pub fn start(&mut self, method: Method) -> RequestBuilder {
        self.branches += 1;
        let branch = format!("z9hG4bKscript{}", self.branches);
        self.start_on(method, &branch)
    }
    pub fn start_on(&mut self, method: Method, branch: &str) -> RequestBuilder {
        let to = match &self.to_tag {
            Some(tag) => format!("<sip:alice@192.0.2.1>;tag={tag}"),
            None => "<sip:alice@192.0.2.1>".into(),
        };
        let name = match &method {
            Method::Other(name) => name.to_string(),
            known => format!("{known:?}").to_uppercase(),
        };
        RequestBuilder::new(&method, "sip:alice@192.0.2.1")
            .header(HeaderName::Via, &format!("SIP/2.0/UDP {SCRIPT};branch={branch};rport"))
            .header(HeaderName::MaxForwards, "70")
            .header(HeaderName::From, &format!("\"Bob \\\"B\\\"\" <sip:bob@{SCRIPT}>;tag={}", self.tag))
            .header(HeaderName::To, &to)
            .header(HeaderName::CallId, &self.call_id)
            .header(HeaderName::CSeq, &format!("{} {name}", self.cseq))
            .header(HeaderName::Contact, &format!("<sip:bob@{SCRIPT}>"))
    }
    pub fn invite(&mut self) -> Vec<u8> {
        self.start(Method::Invite).body("application/sdp", SDP.as_bytes()).build().unwrap()
    }
    pub fn plain(&mut self, method: Method) -> Vec<u8> {
        if !matches!(method, Method::Ack | Method::Cancel) {
            self.cseq += 1;
        }
        self.start(method).build().unwrap()
    }
    /// Takes the tag of a response into the dialog.
    pub fn learn(&mut self, response: &Message) {
        self.to_tag = response.to_tag().map(str::to_owned);
    }
}
