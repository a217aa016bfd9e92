//! The control thread: it owns the agent, the SIP socket, the connections and the timers of a phone.
//!
//! One wake-up takes what came in bounded batches, lets the agent speak after each (its one rule), and sends all of
//! that at once. What follows for calls is in `control_calls`.

use super::clock;
use super::config::PhoneConfig;
use super::connections::{Connections, Limits, News, Turn, FIRST_TOKEN};
use super::control_calls::{Calls, Planned};
use super::control_capture::Captures;
use super::control_io::{Routes, SipIo, BATCHES};
use super::dns::Resolver;
use super::error::{Error, Result};
use super::event::{CaptureEnd, Event, EventKind};
use super::link::{Dial, ToControl};
use super::phone::{PhoneShared, PhoneStatus};
use super::thread;
use super::tls::Context;
use super::worker::{self, Report, Reports, WorkerHandle};
use crate::proto::sip::Peer;
use crate::ua::{self, Agent, AgentConfig, CallId, Command, EndCause, MessageId, Output};
use crate::util::Time;
use crossbeam_channel as channel;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Commands and reports that one wake-up takes.
const COMMANDS: usize = 512;
const REPORTS: usize = 2048;
/// Over this limit a request should not go over UDP (RFC 3261 section 18.1.1).
const MTU_LIMIT: usize = 1300;
/// What the agent gets beyond its deadline before it is ended by force.
const GRACE: Duration = Duration::from_millis(250);
/// Panics in a row while handling timers before the phone is given up.
const MAX_PANICS: u32 = 16;

const SOCKET: Token = Token(0);
const WAKE: Token = Token(1);

pub struct Control {
    pub(super) shared: Arc<PhoneShared>,
    pub(super) agent: Agent,
    pub(super) io: SipIo,
    pub(super) connections: Connections,
    pub(super) captures: Captures,
    pub(super) routes: Arc<Mutex<Routes>>,
    pub(super) calls: Calls,
    pub(super) rng: clock::OsRng,
    pub(super) workers: Vec<WorkerHandle>,
    reports: channel::Receiver<Report>,
    resolver: Resolver,
    poll: Poll,
    /// When the next poll ends by itself.
    next: Option<Time>,
    more: bool,
    told_accept: bool,
    told_accept_messages: bool,
    /// When a stop is over, whatever the agent says.
    force_at: Option<Time>,
    stopped: bool,
    panics_in_a_row: u32,
}

impl Control {
    /// Opens what can fail, so that `Phone::start` can say so.
    pub fn new(shared: Arc<PhoneShared>) -> Result<Control> {
        let config = &shared.config;
        let io = SipIo::open(config.bind)?;
        let routes = Arc::new(Mutex::new(Routes::new(io.local())));
        let poll = Poll::new().map_err(|e| Error::system("epoll", &e))?;
        for (fd, token) in [(io.as_raw_fd(), SOCKET), (shared.link.wake.as_raw_fd(), WAKE)] {
            let register = poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE);
            register.map_err(|e| Error::system("epoll", &e))?;
        }
        let connections = open_connections(config, &poll, io.local())?;
        // What was posted to an earlier life of the phone concerns nobody any more.
        while shared.link.receiver.try_recv().is_ok() {}
        let (sender, reports) = Reports::new(config.max_calls);
        let mut workers = Vec::new();
        for index in 0..config.media_threads {
            let hook = config.thread_hook.clone();
            match worker::start(index, config.max_calls, shared.link.clone(), sender.clone(), hook) {
                Ok(handle) => workers.push(handle),
                Err(error) => {
                    end_workers(&mut workers);
                    return Err(error);
                }
            }
        }
        let agent = new_agent(&shared, &io, routes.clone());
        let resolver = new_resolver(&shared);
        Ok(Control {
            told_accept: shared.accepts(),
            told_accept_messages: false,
            shared,
            agent,
            io,
            connections,
            captures: Captures::default(),
            routes,
            calls: Calls::default(),
            rng: clock::OsRng::new(),
            workers,
            reports,
            resolver,
            poll,
            next: None,
            more: false,
            force_at: None,
            stopped: false,
            panics_in_a_row: 0,
        })
    }

    pub fn local(&self) -> SocketAddr {
        self.io.local()
    }

    pub fn run(mut self) {
        let mut events = Events::with_capacity(8);
        while !self.stopped {
            if let Err(error) = self.poll.poll(&mut events, self.patience()) {
                if error.kind() != std::io::ErrorKind::Interrupted {
                    log::error!(target: "voip::engine", "epoll: {error}");
                    break;
                }
            }
            self.shared.link.counters.control_wakeups.add(1);
            self.turn(&events);
        }
        self.finish();
    }

    /// The poll counts in whole milliseconds and rounds up, which also gathers the deadlines of one millisecond: no
    /// timer of SIP is finer.
    fn patience(&self) -> Option<Duration> {
        if self.more || self.connections.has_more() {
            return Some(Duration::ZERO);
        }
        self.next.map(|at| at.since(clock::now()))
    }

    fn turn(&mut self, events: &Events) {
        let (mut readable, mut errors) = (self.more, false);
        for event in events {
            match event.token() {
                SOCKET => {
                    readable = true;
                    errors |= event.is_error();
                }
                Token(FIRST_TOKEN..) => self.connections.on_event(event),
                _ => self.shared.link.wake.clear(),
            }
        }
        self.tell_accept();
        if errors {
            self.take_errors();
        }
        self.more = readable && self.take_datagrams();
        self.take_connections();
        self.take_commands();
        self.take_reports();
        self.take_timers();
        self.end_captures();
        self.send();
        self.shared.link.dispatcher.announce_queued();
        self.shared.publish_agent_stats(self.agent.stats());
        self.arm();
    }

    /// Calls and messages are refused while nobody listens, and while nobody takes the events about them.
    fn tell_accept(&mut self) {
        let room = !self.shared.link.dispatcher.is_full();
        let messages = self.shared.accepts_messages() && room;
        if messages != self.told_accept_messages {
            self.told_accept_messages = messages;
            self.command(Command::AcceptMessages(messages));
        }
        let accept = self.shared.accepts() && room;
        if accept != self.told_accept {
            self.told_accept = accept;
            self.command(Command::AcceptCalls(accept));
        }
    }

    /// One panic guard around each thing that the agent is told. None: it panicked.
    fn tell<T>(&mut self, what: impl FnOnce(&mut Agent, Time) -> T) -> Option<T> {
        let now = clock::now();
        match thread::caught(|| what(&mut self.agent, now)) {
            Ok(value) => {
                self.drain();
                Some(value)
            }
            Err(text) => {
                log::error!(target: "voip::engine", "the agent panicked: {text}");
                None
            }
        }
    }

    fn drain(&mut self) {
        loop {
            match thread::caught(|| self.agent.poll_output()) {
                Ok(Some(output)) => self.output(output),
                Ok(None) => return,
                Err(text) => {
                    log::error!(target: "voip::engine", "the agent panicked: {text}");
                    return;
                }
            }
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Transmit { to, bytes } if to.transport.is_reliable() => {
                let name = self.agent.server_name(to);
                self.connections.send(clock::now(), to, name.as_deref(), bytes.clone());
                self.note_message(true, to, &bytes);
                self.shared.link.counters.sip_out.add(1);
            }
            Output::Transmit { to, bytes } => {
                self.note_message(true, to, &bytes);
                self.io.queue(to.address, bytes);
            }
            Output::OpenStream { call, remote_hint } => {
                let local = self.open_stream(call, remote_hint);
                // Not through `tell`: the outputs that follow are drained by the loop that we are in.
                let now = clock::now();
                if let Err(text) = thread::caught(|| self.agent.handle_stream_opened(now, call, local)) {
                    log::error!(target: "voip::engine", "the agent panicked: {text}");
                }
            }
            Output::Resolve { query, host, port } => {
                if !self.resolver.ask(query, host, port) {
                    let _ = self.shared.link.post(ToControl::Resolved { query, addresses: Err(()) });
                }
            }
            Output::Media(command) => self.media_command(command),
            Output::Event(ua::Event::Stopped) => self.stopped = true,
            Output::Event(event) => self.event(event),
        }
    }

    fn take_errors(&mut self) {
        for address in self.io.unreachable() {
            log::debug!(target: "voip::sip", "nobody listens at {address}");
            self.tell(|agent, now| agent.handle_transmit_failed(now, udp(address)));
        }
    }

    /// True if more is left.
    fn take_datagrams(&mut self) -> bool {
        let mut total = 0;
        let mut more = true;
        for _ in 0..BATCHES {
            let (count, left) = self.io.receive();
            for index in 0..count {
                if let Some((bytes, from)) = self.io.datagram(index) {
                    self.note_message(false, udp(from), &bytes);
                    self.tell(|agent, now| agent.handle_datagram(now, udp(from), &bytes));
                }
            }
            total += count as u64;
            more = left;
            if !left {
                break;
            }
        }
        self.shared.link.counters.sip_in.add(total);
        self.shared.link.counters.control_batch_max.at_least(total);
        more
    }

    fn take_connections(&mut self) {
        let mut turn = Turn::default();
        while let Some(news) = self.connections.take(clock::now(), &mut turn) {
            match news {
                News::Message(peer, bytes) => {
                    self.shared.link.counters.sip_in.add(1);
                    self.note_message(false, peer, &bytes);
                    self.tell(|agent, now| agent.handle_datagram(now, peer, &bytes));
                }
                News::Failed(peer) => {
                    self.tell(|agent, now| agent.handle_transmit_failed(now, peer));
                }
                News::Lost(peer) => {
                    self.tell(|agent, now| agent.handle_connection_lost(now, peer));
                }
            }
        }
    }

    fn take_commands(&mut self) {
        for _ in 0..COMMANDS {
            let Ok(message) = self.shared.link.receiver.try_recv() else { return };
            match message {
                ToControl::Command(Command::Stop { deadline }) => self.stop(deadline),
                ToControl::Command(command) => self.command(command),
                ToControl::Dial(dial) => self.dial(*dial),
                ToControl::Media { call, op } => self.media_op(call, op),
                ToControl::InfoKeys { call, id, digits, duration, gap } => {
                    self.calls.plan_keys(call, id, &digits, duration, gap);
                }
                ToControl::Resolved { query, addresses } => {
                    self.tell(|agent, now| agent.handle_resolved(now, query, addresses));
                }
                ToControl::RecordFinished { call, id, frames, ok } => {
                    self.record_finished(call, id, frames, ok);
                }
                ToControl::Capture(start) => self.capture_start(*start),
                ToControl::CaptureStop { call } => self.capture_stop(call),
                ToControl::CaptureFinished { call, id, packets, lost, ok } => {
                    self.capture_finished(call, CaptureEnd { id, packets, lost, ok });
                }
                ToControl::Look => {}
            }
        }
        self.shared.link.wake.wake();
    }

    pub(super) fn command(&mut self, command: Command) {
        let (call, message) = (call_of(&command), message_of(&command));
        match self.tell(|agent, now| agent.handle_command(now, command)) {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                log::debug!(target: "voip::engine", "a command came too late: {error:?}");
                if let Some(message) = message {
                    self.message_failed(message, &Error::from(error).message);
                }
            }
            None => {
                if let Some(call) = call {
                    self.end_by_force(call, EndCause::LocalError, "internal error");
                }
                if let Some(message) = message {
                    self.message_failed(message, "internal error");
                }
            }
        }
    }
    fn message_failed(&mut self, message: MessageId, reason: &str) {
        self.event(ua::Event::MessageResult { message, sip_code: 0, reason: reason.into() });
    }

    fn dial(&mut self, dial: Dial) {
        let Dial { call, session, account, target, options } = dial;
        let id = call.id();
        self.calls.add(call, session);
        let command = Command::Dial { call: id, account, target, options };
        match self.tell(|agent, now| agent.handle_command(now, command)) {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                let reason = Error::from(error).message;
                self.end_by_force(id, EndCause::LocalError, &reason);
            }
            None => self.end_by_force(id, EndCause::LocalError, "internal error"),
        }
    }

    fn stop(&mut self, deadline: Time) {
        let at = deadline + GRACE;
        self.force_at = Some(self.force_at.map_or(at, |f| f.min(at)));
        self.command(Command::Stop { deadline });
    }

    pub(super) fn media_timeout(&mut self, call: CallId) {
        self.tell(|agent, now| agent.handle_media_timeout(now, call));
    }

    fn take_reports(&mut self) {
        for _ in 0..REPORTS {
            let Ok(report) = self.reports.try_recv() else { return };
            self.report(report);
        }
        self.shared.link.wake.wake();
    }

    fn take_timers(&mut self) {
        if self.agent.poll_timeout().is_some_and(|(at, _)| at <= clock::now()) {
            match self.tell(|agent, now| agent.handle_timeout(now)) {
                Some(()) => self.panics_in_a_row = 0,
                None => self.panics_in_a_row += 1,
            }
            self.stopped |= self.panics_in_a_row > MAX_PANICS;
        }
        let now = clock::now();
        if self.connections.next_deadline().is_some_and(|at| at <= now) {
            self.connections.on_time(now, |peer| self.agent.uses(peer));
        }
        while let Some(Planned { call, digit, duration_ms, id }) = self.calls.key_due(now) {
            match digit {
                Some(digit) => self.command(Command::SendInfoDtmf { call, digit, duration_ms }),
                None => self.keys_sent(call, id),
            }
        }
        self.finish_late_ends(now);
        self.stopped |= self.force_at.is_some_and(|at| at <= now);
    }

    fn send(&mut self) {
        self.connections.flush(clock::now());
        // What fails makes the agent speak again; a bound keeps a broken network from holding us here.
        for _ in 0..4 {
            let failed = self.io.flush(&self.shared.link.counters);
            if failed.is_empty() {
                return;
            }
            for address in failed {
                self.tell(|agent, now| agent.handle_transmit_failed(now, udp(address)));
            }
        }
    }

    fn arm(&mut self) {
        let agent = self.agent.poll_timeout().map(|(at, _)| at);
        // After a panic the same deadline is still there: not at once again.
        let agent = match self.panics_in_a_row {
            0 => agent,
            _ => agent.map(|at| at.max(clock::now() + Duration::from_millis(100))),
        };
        let connections = self.connections.next_deadline();
        // No Option is looked into before it is known to be one: valgrind takes what the optimiser makes of `flatten`
        // for a use of memory that nobody wrote.
        let all = [agent, self.calls.next_deadline(), self.force_at, connections];
        let next = all.into_iter().map(|at| at.unwrap_or(Time::MAX)).fold(Time::MAX, Time::min);
        self.next = (next < Time::MAX).then_some(next);
    }

    /// Everything ends: calls that are left, streams, workers, files; then the phone is stopped.
    fn finish(mut self) {
        self.send();
        for id in self.calls.ids() {
            self.end_by_force(id, EndCause::Shutdown, "the phone was stopped");
        }
        self.captures = Captures::default();
        end_workers(&mut self.workers);
        self.take_reports();
        self.shared.link.recorder.stop(Duration::from_secs(2));
        while let Ok(message) = self.shared.link.receiver.try_recv() {
            match message {
                ToControl::RecordFinished { call, id, frames, ok } => {
                    self.record_finished(call, id, frames, ok);
                }
                ToControl::CaptureFinished { call, id, packets, lost, ok } => {
                    self.capture_finished(call, CaptureEnd { id, packets, lost, ok });
                }
                ToControl::Dial(dial) => {
                    self.calls.add(dial.call.clone(), dial.session);
                    self.end_by_force(dial.call.id(), EndCause::Shutdown, "the phone was stopped");
                }
                ToControl::Command(Command::SendMessage { message, .. }) => {
                    self.message_failed(message, "the phone was stopped");
                }
                _ => {}
            }
        }
        self.finish_late_ends(Time::MAX);
        self.resolver.stop();
        drop(self.shared.close_registry());
        let given_up = self.panics_in_a_row > MAX_PANICS;
        let status = if given_up { PhoneStatus::Failed } else { PhoneStatus::Stopped };
        let Control { shared, io, connections, poll, .. } = self;
        drop((io, connections, poll));
        shared.accounts_stopped();
        shared.link.dispatcher.push(Event { call: None, kind: EventKind::Phone(status) });
        shared.set_status(status);
    }
}

fn udp(address: SocketAddr) -> Peer {
    Peer::udp(address)
}

fn end_workers(workers: &mut [WorkerHandle]) {
    for worker in workers.iter() {
        worker.send(worker::ToWorker::Quit);
    }
    for worker in workers {
        worker.join();
    }
}

fn open_connections(config: &PhoneConfig, poll: &Poll, local: SocketAddr) -> Result<Connections> {
    let registry = poll.registry().try_clone().map_err(|e| Error::system("epoll", &e))?;
    let limits = Limits { connections: config.max_connections, idle: config.connection_idle };
    Ok(Connections::open(registry, local, limits, Context::new(&config.tls)))
}

fn new_agent(shared: &Arc<PhoneShared>, io: &SipIo, routes: Arc<Mutex<Routes>>) -> Agent {
    let config = &shared.config;
    let agent = AgentConfig {
        public_address: shared.public_address(),
        local_networks: config.local_networks.clone(),
        user_agent: config.user_agent.clone(),
        codecs: shared.codecs.clone(),
        ptime_ms: config.ptime_ms,
        timers: config.timers,
        max_calls: config.max_calls,
        max_transactions: config.max_calls.saturating_mul(8).max(1024),
        unhandled_call: config.unhandled_call,
        accept_calls: shared.accepts(),
        ring_timeout: config.ring_timeout,
        answer_timeout: config.answer_timeout,
        hangup_on_media_timeout: config.hangup_on_rtp_timeout,
        transport: config.transport,
        mtu_limit: MTU_LIMIT,
        srtp: config.srtp,
        srtp_suites: config.srtp_suites.clone(),
        rtcp_mux: config.rtcp_mux,
    };
    let port = io.local().port();
    let route = move |peer: std::net::IpAddr| {
        let mut routes = routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.towards(peer.to_canonical()).map(|ip| (ip, port).into())
    };
    Agent::new(agent, Box::new(clock::OsRng::new()), Box::new(route))
}

fn new_resolver(shared: &Arc<PhoneShared>) -> Resolver {
    let link = shared.link.clone();
    let answer = move |query, addresses| {
        if link.post(ToControl::Resolved { query, addresses }).is_err() {
            log::warn!(target: "voip::engine", "the answer of a name look-up was lost");
        }
    };
    Resolver::new(shared.config.thread_hook.clone(), Box::new(answer))
}

fn call_of(command: &Command) -> Option<CallId> {
    match command {
        Command::Dial { call, .. }
        | Command::Ring { call }
        | Command::Progress { call }
        | Command::Answer { call }
        | Command::Reject { call, .. }
        | Command::Redirect { call, .. }
        | Command::Hangup { call }
        | Command::Hold { call }
        | Command::Resume { call }
        | Command::SetDirection { call, .. }
        | Command::SendInfoDtmf { call, .. }
        | Command::Transfer { call, .. }
        | Command::TransferTo { call, .. } => Some(*call),
        _ => None,
    }
}

fn message_of(command: &Command) -> Option<MessageId> {
    match command {
        Command::SendMessage { message, .. } => Some(*message),
        _ => None,
    }
}
