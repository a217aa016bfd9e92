//! An agent with a host program around it: a script that reacts to events, ports, names, and a ledger
//! of its calls that holds the agent to its promises.

use super::network::Packet;
use super::world::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use voip::proto::rtp::PayloadFormat;
use voip::proto::sdp::SrtpMode;
use voip::proto::sip::transaction::Timers;
use voip::proto::sip::{Peer, Transport};
use voip::proto::srtp::Profile;
use voip::ua::{
    AccountId, AccountStatus, Agent, AgentConfig, CallId, CallState, Command, DialOptions, EndInfo, Event,
    MediaCommand, Output, QueryId, Reason, UaError,
};
use voip::util::{Duration, SeededRng, Time};

/// What the host does about an event, and how much later.
pub type Script = Box<dyn FnMut(&Event, &mut SeededRng) -> Vec<(Duration, Command)>>;

/// One call as the host saw it.
#[derive(Clone, Default, Debug)]
pub struct Record {
    pub incoming: bool,
    pub sip_call_id: String,
    pub states: Vec<CallState>,
    pub media_changes: u32,
    pub streams_opened: u32,
    pub streams_closed: u32,
    pub configured: u32,
    pub end: Option<EndInfo>,
}

enum Act {
    Command(Command),
    StreamOpened(CallId),
    Resolved(QueryId, Result<Vec<SocketAddr>, ()>),
    TransmitFailed(Peer),
    MediaTimeout(CallId),
}

pub struct Host {
    pub agent: Agent,
    pub address: SocketAddr,
    pub calls: BTreeMap<CallId, Record>,
    pub accounts: BTreeMap<AccountId, Vec<(Time, AccountStatus, u16)>>,
    /// All but those of calls that ran in bulk.
    pub events: Vec<(Time, Event)>,
    pub keep_events: bool,
    /// Commands that the agent refused.
    pub refused: Vec<(Time, UaError)>,
    pub names: BTreeMap<String, SocketAddr>,
    pub no_ports: bool,
    /// Sending there fails, as after an ICMP error.
    pub unreachable: BTreeSet<SocketAddr>,
    pub stopped: bool,
    /// Why the agent was woken.
    pub reasons: BTreeSet<String>,
    script: Script,
    todo: BTreeMap<(Time, u64), Act>,
    open_streams: BTreeSet<CallId>,
    made: u64,
    next_port: u16,
    rng: SeededRng,
    seed: u64,
}

pub fn config() -> AgentConfig {
    AgentConfig {
        public_address: None,
        local_networks: Vec::new(),
        user_agent: "sim".into(),
        codecs: vec![
            PayloadFormat::by_name("PCMU", 8000, 1).expect("static"),
            PayloadFormat::by_name("PCMA", 8000, 1).expect("static"),
        ],
        ptime_ms: 20,
        timers: Timers::default(),
        max_calls: 20_000,
        max_transactions: 100_000,
        unhandled_call: 486,
        accept_calls: true,
        ring_timeout: Duration::from_secs(60),
        answer_timeout: Duration::from_secs(90),
        hangup_on_media_timeout: false,
        transport: Transport::Udp,
        mtu_limit: 1300,
        srtp: SrtpMode::Off,
        srtp_suites: vec![Profile::AesCm128HmacSha1_80, Profile::AesCm128HmacSha1_32],
        rtcp_mux: false,
    }
}

impl Host {
    pub fn new(address: SocketAddr, seed: u64, config: AgentConfig, script: Script) -> Host {
        let route = Box::new(move |_: std::net::IpAddr| Some(address));
        Host {
            agent: Agent::new(config, Box::new(SeededRng::new(seed)), route),
            address,
            calls: BTreeMap::new(),
            accounts: BTreeMap::new(),
            events: Vec::new(),
            keep_events: true,
            refused: Vec::new(),
            names: BTreeMap::new(),
            no_ports: false,
            unreachable: BTreeSet::new(),
            stopped: false,
            reasons: BTreeSet::new(),
            script,
            todo: BTreeMap::new(),
            open_streams: BTreeSet::new(),
            made: 0,
            next_port: 10_000,
            rng: SeededRng::new(!seed),
            seed,
        }
    }

    /// To be given to the agent then; `Time::ZERO` is as soon as the world goes on.
    pub fn at(&mut self, at: Time, command: Command) {
        self.made += 1;
        self.todo.insert((at, self.made), Act::Command(command));
    }

    pub fn command(&mut self, command: Command) {
        self.at(Time::ZERO, command);
    }

    /// The worker has heard no RTP for long.
    pub fn time_out_media(&mut self, call: CallId) {
        self.made += 1;
        self.todo.insert((Time::ZERO, self.made), Act::MediaTimeout(call));
    }

    pub fn dial(&mut self, account: Option<AccountId>, target: &str) -> CallId {
        self.made += 1;
        let call = CallId(CallId::OUTGOING | self.made);
        self.calls.insert(call, Record::default());
        let options = DialOptions::default();
        self.command(Command::Dial { call, account, target: target.into(), options });
        call
    }

    /// Nothing is left of any call, neither in the agent nor at the host.
    pub fn assert_nothing_left(&self) {
        let (stats, seed, who) = (self.agent.stats(), self.seed, self.address);
        let left = (stats.calls, stats.client_transactions, stats.server_transactions);
        assert_eq!(left, (0, 0, 0), "seed {seed}, {who}: calls, client and server transactions left");
        assert!(self.open_streams.is_empty(), "seed {seed}, {who}: open {:?}", self.open_streams);
        for (call, record) in &self.calls {
            assert!(record.end.is_some(), "seed {seed}, {who}: no end of {call:?} {record:?}");
            assert_eq!(record.streams_opened, record.streams_closed, "seed {seed}, {who}: {record:?}");
        }
    }

    pub fn end_of(&self, call: CallId) -> &EndInfo {
        self.calls[&call].end.as_ref().expect("the call has ended")
    }

    pub fn only_call(&self) -> (CallId, &Record) {
        assert_eq!(self.calls.len(), 1, "seed {}, {}: {:?}", self.seed, self.address, self.calls);
        self.calls.iter().next().map(|(id, r)| (*id, r)).expect("one call")
    }

    pub fn status(&self, account: AccountId) -> Option<AccountStatus> {
        self.accounts.get(&account)?.last().map(|(_, status, _)| *status)
    }

    fn drain(&mut self, now: Time, out: &mut Vec<Packet>) {
        while let Some(output) = self.agent.poll_output() {
            self.made += 1;
            match output {
                Output::Transmit { to, .. } if self.unreachable.contains(&to.address) => {
                    let soon = now + Duration::from_micros(500);
                    self.todo.insert((soon, self.made), Act::TransmitFailed(to));
                }
                Output::Transmit { to, bytes } => {
                    out.push(Packet { from: self.address, to: to.address, bytes: bytes.to_vec() });
                }
                Output::OpenStream { call, .. } => {
                    let soon = now + Duration::from_micros(200);
                    self.todo.insert((soon, self.made), Act::StreamOpened(call));
                }
                Output::Resolve { query, host, port } => {
                    let found = self.names.get(&*host).map(|a| {
                        let port = if port == 0 { a.port() } else { port };
                        vec![SocketAddr::new(a.ip(), port)]
                    });
                    let later = now + Duration::from_millis(5);
                    self.todo.insert((later, self.made), Act::Resolved(query, found.ok_or(())));
                }
                Output::Media(command) => self.on_media(command),
                Output::Event(event) => self.on_event(now, event),
            }
        }
    }

    fn on_media(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::Configure { call, .. } => {
                assert!(self.open_streams.contains(&call), "seed {}: {call:?} has no stream", self.seed);
                self.calls.entry(call).or_default().configured += 1;
            }
            MediaCommand::Close { call } => {
                if self.open_streams.remove(&call) {
                    self.calls.entry(call).or_default().streams_closed += 1;
                }
            }
        }
    }

    fn on_event(&mut self, now: Time, event: Event) {
        if let Some(call) = call_of(&event) {
            let record = self.calls.entry(call).or_default();
            let seed = self.seed;
            assert!(record.end.is_none(), "seed {seed}: {event:?} after the end of {record:?}");
            note(record, &event);
        }
        match &event {
            Event::AccountStatus { account, status, sip_code, .. } => {
                self.accounts.entry(*account).or_default().push((now, *status, *sip_code));
            }
            Event::Stopped => self.stopped = true,
            _ => {}
        }
        for (wait, command) in (self.script)(&event, &mut self.rng) {
            self.at(now + wait, command);
        }
        if self.keep_events {
            self.events.push((now, event));
        }
    }

    fn act(&mut self, now: Time, act: Act) {
        match act {
            Act::Command(command) => {
                let dialled = match &command {
                    Command::Dial { call, .. } => Some(*call),
                    _ => None,
                };
                if let Err(error) = self.agent.handle_command(now, command) {
                    self.refused.push((now, error));
                    // An error means that nothing happened and no event follows.
                    dialled.map(|call| self.calls.remove(&call));
                }
            }
            Act::StreamOpened(call) => self.open_stream(now, call),
            Act::Resolved(query, result) => self.agent.handle_resolved(now, query, result),
            Act::TransmitFailed(to) => self.agent.handle_transmit_failed(now, to),
            Act::MediaTimeout(call) => self.agent.handle_media_timeout(now, call),
        }
    }

    fn open_stream(&mut self, now: Time, call: CallId) {
        if self.no_ports {
            return self.agent.handle_stream_opened(now, call, Err(503));
        }
        // The call may be over meanwhile: then the agent closes what it gets.
        self.next_port = if self.next_port >= 60_000 { 10_000 } else { self.next_port + 2 };
        self.open_streams.insert(call);
        self.calls.entry(call).or_default().streams_opened += 1;
        let local = SocketAddr::new(self.address.ip(), self.next_port);
        self.agent.handle_stream_opened(now, call, Ok(local.into()));
    }
}

fn note(record: &mut Record, event: &Event) {
    match event {
        Event::IncomingCall { info, .. } => {
            record.incoming = true;
            record.sip_call_id = info.sip_call_id.to_string();
        }
        Event::OutgoingCall { info, .. } => record.sip_call_id = info.sip_call_id.to_string(),
        Event::CallState { state, .. } => record.states.push(*state),
        Event::CallMedia { .. } => record.media_changes += 1,
        Event::CallEnded { end, .. } => record.end = Some(end.clone()),
        _ => {}
    }
}

pub fn call_of(event: &Event) -> Option<CallId> {
    match event {
        Event::IncomingCall { call, .. }
        | Event::OutgoingCall { call, .. }
        | Event::CallState { call, .. }
        | Event::CallMedia { call, .. }
        | Event::CallEnded { call, .. }
        | Event::Dtmf { call, .. }
        | Event::Transfer { call, .. } => Some(*call),
        _ => None,
    }
}

impl Node for Host {
    fn address(&self) -> SocketAddr {
        self.address
    }
    fn receive(&mut self, now: Time, from: SocketAddr, bytes: &[u8], out: &mut Vec<Packet>) {
        self.agent.handle_datagram(now, Peer::udp(from), bytes);
        self.drain(now, out);
    }
    fn deadline(&mut self) -> Option<Time> {
        let act = self.todo.keys().next().map(|&(at, _)| at);
        act.into_iter().chain(self.agent.poll_timeout().map(|(at, _)| at)).min()
    }
    fn wake(&mut self, now: Time, out: &mut Vec<Packet>) {
        while self.todo.keys().next().is_some_and(|&(at, _)| at <= now) {
            let Some((_, act)) = self.todo.pop_first() else { break };
            self.act(now, act);
            self.drain(now, out);
        }
        if let Some((at, reason)) = self.agent.poll_timeout() {
            if at <= now {
                self.reasons.insert(match reason {
                    Reason::Transaction(timer) => format!("{timer:?}"),
                    other => format!("{other:?}"),
                });
                self.agent.handle_timeout(now);
                self.drain(now, out);
            }
        }
    }
}
