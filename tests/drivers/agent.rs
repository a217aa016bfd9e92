//! Drives one whole agent with anything, in virtual time, and holds it to its contract after every step: at most one
//! end per call and nothing after it, tables within their bounds, every stream closed once, no deadline that stays
//! in the past. Shared by the fuzz target `agent` and by `tests/mutations.rs`.
#![allow(dead_code)]

use crate::agents::{addr, config, response, udp, Script, SCRIPT, SDP};
use crate::bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use voip::proto::sdp::Direction;
use voip::proto::sip::auth::{Credentials, Secret};
use voip::proto::sip::{Message, Method, Transport};
use voip::ua::*;
use voip::util::{Duration, SeededRng, Time};

const MAX_CALLS: usize = 6;
const MAX_TRANSACTIONS: usize = 48;
/// What one step may say or ask for at most; more is a storm.
const STORM: usize = 2000;
const LIVE_METHODS: [Method; 10] = [
    Method::Invite,
    Method::Bye,
    Method::Info,
    Method::Ack,
    Method::Cancel,
    Method::Update,
    Method::Options,
    Method::Notify,
    Method::Refer,
    Method::Prack,
];
const STATUSES: [u16; 16] = [100, 180, 183, 200, 200, 202, 302, 401, 407, 408, 423, 481, 486, 487, 491, 503];

#[derive(Default)]
struct Life {
    /// The host knows of it: it dialled, or was told of an incoming call.
    known: bool,
    ends: usize,
    opened: usize,
    closed: usize,
}

pub struct World {
    pub agent: Agent,
    now: Time,
    pub script: Script,
    lives: BTreeMap<CallId, Life>,
    stopped: usize,
    queries: VecDeque<QueryId>,
    /// Streams that were asked for and not answered yet.
    waiting: VecDeque<CallId>,
    /// The last messages of the agent.
    sent: VecDeque<Vec<u8>>,
    outgoing: u64,
    messages: u64,
}

fn account() -> AccountConfig {
    let secret = Secret::Password(String::from("p").into());
    AccountConfig {
        server: "192.0.2.99".into(),
        port: 0,
        transport: Transport::Udp,
        user: "alice".into(),
        display_name: None,
        credentials: vec![Credentials { realm: None, user: "alice".into(), secret }],
        register: true,
        expires: 300,
        outbound_proxy: None,
        retry_min: Duration::from_secs(1),
        retry_max: Duration::from_secs(60),
        srtp: None,
    }
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut config = config();
        (config.max_calls, config.max_transactions) = (MAX_CALLS, MAX_TRANSACTIONS);
        config.hangup_on_media_timeout = true;
        config.answer_timeout = Duration::from_secs(60);
        let route = Box::new(|_| Some(addr("192.0.2.1:5060")));
        World {
            agent: Agent::new(config, Box::new(SeededRng::new(seed)), route),
            now: Time::from_secs(100),
            script: Script::new(),
            lives: BTreeMap::new(),
            stopped: 0,
            queries: VecDeque::new(),
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            outgoing: 0,
            messages: 0,
        }
    }

    /// A world with a registration, a call that was dialled and one that came in, all alive.
    pub fn alive(seed: u64) -> World {
        let mut world = World::new(seed);
        world.command(Command::AddAccount { account: AccountId(1), config: account() });
        world.answer_last("REGISTER", 200);
        world.dial(&format!("sip:bob@{SCRIPT}"));
        world.open_streams(true);
        world.answer_last("INVITE", 180);
        world.answer_last("INVITE", 200);
        let invite = world.script.invite();
        world.datagram(&invite);
        world.open_streams(true);
        let call = *world.lives.keys().next().expect("the incoming call");
        world.command(Command::Answer { call });
        let ok =
            world.sent.iter().rev().find(|m| m.starts_with(b"SIP/2.0 200")).expect("a 200 to the INVITE");
        world.script.learn(&Message::parse(ok).expect("our own 200"));
        let ack = world.script.plain(Method::Ack);
        world.datagram(&ack);
        let stats = world.agent.stats();
        assert_eq!((stats.calls, stats.accounts, stats.unparsable), (2, 1, 0));
        world
    }

    // What can be done to it.

    pub fn datagram(&mut self, bytes: &[u8]) {
        self.agent.handle_datagram(self.now, udp(addr(SCRIPT)), bytes);
        self.settle();
    }
    pub fn datagram_from_a_stranger(&mut self, bytes: &[u8]) {
        self.agent.handle_datagram(self.now, udp(addr("198.51.100.7:7")), bytes);
        self.settle();
    }
    pub fn command(&mut self, command: Command) {
        let _ = self.agent.handle_command(self.now, command);
        self.settle();
    }
    fn dial(&mut self, target: &str) {
        self.outgoing += 1;
        let call = CallId(CallId::OUTGOING | self.outgoing);
        let options = DialOptions { delayed_offer: self.outgoing % 4 == 3, ..DialOptions::default() };
        let command = Command::Dial { call, account: None, target: target.into(), options };
        if self.agent.handle_command(self.now, command).is_ok() {
            self.lives.insert(call, Life { known: true, ..Life::default() });
        }
        self.settle();
    }
    pub fn some_command(&mut self, kind: u8, which: u8) {
        let account = AccountId(1 + u64::from(which % 3));
        let nth = usize::from(which) % self.lives.len().max(1);
        let call = self.lives.keys().nth(nth).copied().unwrap_or(CallId(u64::from(which)));
        let target = format!("sip:carol@{SCRIPT}");
        self.messages += 1;
        self.command(match kind % 24 {
            0 => return self.dial(&target),
            1 => return self.dial("sip:carol@a.name.example"),
            2 => Command::Answer { call },
            3 => Command::Ring { call },
            4 => Command::Progress { call },
            5 => Command::Reject { call, code: 300 + u16::from(which) * 2, reason: None },
            6 => Command::Redirect { call, target },
            7 => Command::Hangup { call },
            8 => Command::Hold { call },
            9 => Command::Resume { call },
            10 => Command::SetDirection { call, direction: Direction::RecvOnly },
            11 => Command::SendInfoDtmf { call, digit: '5', duration_ms: 100 },
            12 => Command::Transfer { call, target },
            13 => Command::AddAccount { account, config: account_named(which) },
            14 => Command::RemoveAccount { account },
            15 => Command::Register { account },
            16 => Command::Unregister { account },
            17 => Command::AcceptCalls(which % 4 != 0),
            18 => {
                let other = self.lives.keys().next().copied().unwrap_or(call);
                Command::TransferTo { call, other }
            }
            19 => Command::AcceptMessages(which % 4 != 0),
            20 => {
                let message = MessageId(self.messages);
                let text = Text { content_type: "text/plain".into(), body: b"hello".as_slice().into() };
                Command::SendMessage { message, account: None, target, text }
            }
            // Answered often, so that there is something to break.
            _ => Command::Answer { call },
        });
    }
    pub fn open_streams(&mut self, well: bool) {
        while let Some(call) = self.waiting.pop_front() {
            let local = if well { Ok(addr("192.0.2.1:10000")) } else { Err(503) };
            if well {
                self.lives.entry(call).or_default().opened += 1;
            }
            self.agent.handle_stream_opened(self.now, call, local.map(Into::into));
            self.settle();
        }
    }
    pub fn resolve(&mut self, well: bool) {
        let Some(query) = self.queries.pop_front() else { return };
        let found = if well { Ok(vec![addr(SCRIPT), addr("198.51.100.8:5060")]) } else { Err(()) };
        self.agent.handle_resolved(self.now, query, found);
        self.settle();
    }
    pub fn fail_transmission(&mut self) {
        self.agent.handle_transmit_failed(self.now, udp(addr(SCRIPT)));
        self.settle();
    }
    pub fn media_timeout(&mut self, which: u8) {
        let nth = usize::from(which) % self.lives.len().max(1);
        if let Some(call) = self.lives.keys().nth(nth).copied() {
            self.agent.handle_media_timeout(self.now, call);
            self.settle();
        }
    }
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.agent.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.ring();
        }
        self.now = end;
    }
    pub fn pass_to_next(&mut self) {
        if let Some((at, _)) = self.agent.poll_timeout() {
            self.now = self.now.max(at);
            self.ring();
        }
    }

    // Messages that fit the moment.

    /// A request inside the incoming call, or one outside of any dialog.
    pub fn live_request(&mut self, kind: u8) -> Vec<u8> {
        let method = LIVE_METHODS[usize::from(kind) % LIVE_METHODS.len()].clone();
        if kind >= 0xc0 {
            let mut other = Script::new();
            other.call_id = format!("{kind}@y");
            return if method == Method::Invite { other.invite() } else { other.plain(method) };
        }
        match method {
            Method::Invite => {
                self.script.cseq += 1;
                self.script.invite()
            }
            method => self.script.plain(method),
        }
    }
    /// A response to one of the agent's last requests.
    pub fn live_response(&mut self, which: u8, status: u8) -> Option<Vec<u8>> {
        let requests: Vec<_> = self.sent.iter().rev().filter(|m| !m.starts_with(b"SIP/")).collect();
        let request = requests.get(usize::from(which) % requests.len().max(1))?;
        let request = Message::parse(request).ok()?;
        let status = STATUSES[usize::from(status) % STATUSES.len()];
        Some(response_to(&request, status))
    }
    /// What the agent sent comes back.
    pub fn echo(&self, which: u8) -> Option<Vec<u8>> {
        let nth = usize::from(which) % self.sent.len().max(1);
        self.sent.iter().rev().nth(nth).cloned()
    }
    fn answer_last(&mut self, method: &str, status: u16) {
        let request = self.sent.iter().rev().find(|m| m.starts_with(method.as_bytes())).expect("a request");
        let request = Message::parse(request).expect("our own request");
        self.datagram(&response_to(&request, status));
    }

    // The contract.

    fn ring(&mut self) {
        self.agent.handle_timeout(self.now);
        self.settle();
    }
    /// Takes all that it says, and sees that time goes on.
    fn settle(&mut self) {
        let mut said = 0;
        while let Some(output) = self.agent.poll_output() {
            said += 1;
            assert!(said < STORM, "a storm of outputs");
            self.take(output);
        }
        let stats = self.agent.stats();
        assert!(stats.calls <= MAX_CALLS, "{stats:?}");
        assert!(stats.client_transactions <= MAX_TRANSACTIONS, "{stats:?}");
        assert!(stats.server_transactions <= MAX_TRANSACTIONS, "{stats:?}");
        let mut rung = 0;
        while self.agent.poll_timeout().is_some_and(|(at, _)| at < self.now) {
            rung += 1;
            assert!(rung < STORM, "a deadline stays in the past");
            self.agent.handle_timeout(self.now);
            while let Some(output) = self.agent.poll_output() {
                self.take(output);
            }
        }
    }
    fn take(&mut self, output: Output) {
        match output {
            Output::Transmit { bytes, .. } => {
                let message = Message::parse(&bytes).expect("we send what can be read");
                // A refusal mirrors what was wrong.
                assert!(!message.is_request() || message.validate().is_ok(), "a valid request of ours");
                self.sent.push_back(bytes.to_vec());
                if self.sent.len() > 32 {
                    self.sent.pop_front();
                }
            }
            Output::OpenStream { call, .. } => self.waiting.push_back(call),
            Output::Resolve { query, .. } => self.queries.push_back(query),
            Output::Media(MediaCommand::Configure { call, .. }) => {
                let life = &self.lives[&call];
                assert!(life.opened > life.closed, "{call:?} configured without a stream");
            }
            Output::Media(MediaCommand::Close { call }) => {
                let life = self.lives.entry(call).or_default();
                life.closed += 1;
                assert!(life.closed <= life.opened, "{call:?} closed twice");
            }
            Output::Event(event) => self.event(event),
        }
    }
    fn event(&mut self, event: Event) {
        let call = match event {
            Event::Stopped => {
                self.stopped += 1;
                return;
            }
            Event::AccountStatus { .. }
            | Event::AccountRemoved { .. }
            | Event::Message { .. }
            | Event::MessageResult { .. }
            | Event::PublicAddress { .. } => return,
            Event::IncomingCall { call, .. } => {
                let life = self.lives.entry(call).or_default();
                assert!(!life.known, "{call:?} is not new");
                life.known = true;
                return;
            }
            Event::CallEnded { call, .. } => {
                let life = self.lives.entry(call).or_default();
                assert!(life.known, "{call:?} ended and never was");
                assert_eq!(life.ends, 0, "{call:?} ended twice");
                life.ends += 1;
                return;
            }
            Event::OutgoingCall { call, .. }
            | Event::CallState { call, .. }
            | Event::CallMedia { call, .. }
            | Event::Dtmf { call, .. }
            | Event::Transfer { call, .. } => call,
        };
        let alive = self.lives.get(&call).is_some_and(|life| life.known && life.ends == 0);
        assert!(alive, "an event before the beginning or after the end of {call:?}");
        assert_eq!(self.stopped, 0, "an event after Stopped");
    }

    /// Stops it, lets every timer run out, and looks for what is left. What it had counted.
    pub fn finish(mut self) -> AgentStats {
        let before = self.agent.stats();
        self.command(Command::Stop { deadline: self.now + Duration::from_secs(5) });
        self.open_streams(true);
        self.pass(Duration::from_secs(400));
        let stats = self.agent.stats();
        assert_eq!((stats.calls, stats.client_transactions, stats.server_transactions), (0, 0, 0));
        assert_eq!(self.agent.poll_timeout(), None);
        assert_eq!(self.stopped, 1, "Stopped is said once");
        for (call, life) in &self.lives {
            let open = life.opened - life.closed;
            assert_eq!((life.ends, open), (usize::from(life.known), 0), "{call:?}: ends, open streams");
        }
        before
    }
}

fn account_named(which: u8) -> AccountConfig {
    let server = if which % 2 == 0 { "192.0.2.99" } else { "a.name.example" };
    AccountConfig { server: server.into(), user: format!("u{which}"), ..account() }
}

fn response_to(request: &Message, status: u16) -> Vec<u8> {
    let answers = *request.method() == Method::Invite && (183..300).contains(&status);
    let bytes = response(request, status, "theirs", answers.then_some(SDP));
    let more = match status {
        401 => "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n".into(),
        407 => "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n".into(),
        423 => "Min-Expires: 900\r\n".into(),
        302 => format!("Contact: <sip:dave@{SCRIPT}>\r\n"),
        200 if *request.method() == Method::Register => {
            let text = String::from_utf8_lossy(request.raw()).into_owned();
            text.lines().find(|l| l.starts_with("Contact")).map_or(String::new(), |l| format!("{l}\r\n"))
        }
        _ => return bytes,
    };
    let line = bytes.windows(2).position(|w| w == b"\r\n").map_or(0, |at| at + 2);
    [&bytes[..line], more.as_bytes(), &bytes[line..]].concat()
}

/// Bytes cut into datagrams, commands and time.
pub fn run(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let mut world = if bytes.byte() % 4 == 0 { World::new(1) } else { World::alive(1) };
    for _ in 0..200 {
        if bytes.is_empty() {
            break;
        }
        step(&mut world, &mut bytes);
    }
    world.finish();
}

fn step(world: &mut World, bytes: &mut Bytes<'_>) {
    match bytes.byte() % 16 {
        0..=2 => {
            let datagram = bytes.piece();
            world.datagram(datagram);
        }
        3 => {
            let datagram = bytes.piece();
            world.datagram_from_a_stranger(datagram);
        }
        4..=6 => {
            let mut message = world.live_request(bytes.byte());
            bytes.patch(&mut message);
            world.datagram(&message);
        }
        7..=8 => {
            if let Some(mut message) = world.live_response(bytes.byte(), bytes.byte()) {
                bytes.patch(&mut message);
                world.datagram(&message);
            }
        }
        9 => {
            if let Some(mut message) = world.echo(bytes.byte()) {
                bytes.patch(&mut message);
                world.datagram(&message);
            }
        }
        10 => world.some_command(bytes.byte(), bytes.byte()),
        11 => world.open_streams(bytes.byte() % 8 != 0),
        12 => world.resolve(bytes.byte() % 4 != 0),
        13 => world.pass(Duration::from_millis(u64::from(bytes.byte()) * 200)),
        14 => world.pass_to_next(),
        _ => match bytes.byte() % 2 {
            0 => world.fail_transmission(),
            _ => world.media_timeout(bytes.byte()),
        },
    }
}
