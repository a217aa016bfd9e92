//! What the control thread knows of each call: the shared object, its stream, and an end that waits for its media.

use super::call::Call;
use super::clock;
use super::control::Control;
use super::error::Error;
use super::event::{CaptureEnd, Event, EventKind};
use super::ports::PortLease;
use super::stream::Stream;
use super::trim::{self, Trim};
use super::udp;
use super::worker::{MediaOp, Opening, Path, Report, ToWorker, WorkerHandle};
use crate::media::{MediaEvent, Session, SessionConfig, StreamParams};
use crate::proto::rtp::PayloadFormat;
use crate::ua::{
    self, CallId, CallState, Command, EndCause, EndInfo, EndedBy, MediaCommand, StreamConfig, StreamOpened,
};
use crate::util::{IdMap, Time};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::PoisonError;
use std::time::Duration;

/// Wishes of the host that wait for a stream to be opened.
const MAX_WAITING: usize = 256;
/// Keys by INFO that are planned, of all calls.
const MAX_PLANNED: usize = 65_536;
/// How long the end of a call waits for its last reports (a file that is being closed).
const LAST_REPORTS: Duration = Duration::from_secs(2);
const RTP_BUFFER_BYTES: usize = 64 << 10;
const SHARED_BUFFER_BYTES: usize = 4 << 20;

#[derive(Default)]
pub struct Calls {
    /// In boxes: the table is large as it is.
    entries: IdMap<CallId, Box<Entry>>,
    /// Keys by INFO, by time and then by order.
    planned: BTreeMap<(Time, u64), Planned>,
    planned_count: u64,
    next_worker: usize,
    trim: Trim,
    /// The shared sockets of each worker and local address.
    shared: HashMap<(usize, IpAddr), SharedGroup>,
    /// How many each worker has in all.
    shared_indices: HashMap<usize, usize>,
    /// Ends that wait for their last reports, by the instant when they are told at the latest.
    ends: BTreeSet<(Time, CallId)>,
}

#[derive(Default)]
struct SharedGroup {
    sockets: Vec<Shared>,
    turn: usize,
}

/// A socket that the worker has; its port is ours until the phone stops.
struct Shared {
    index: usize,
    lease: PortLease,
}

/// One key by INFO; without a digit: all keys of that `send_dtmf` were sent.
pub struct Planned {
    pub call: CallId,
    pub digit: Option<char>,
    pub duration_ms: u32,
    pub id: u64,
}

struct Entry {
    call: Call,
    /// Until the stream is opened.
    session: Option<Box<Session>>,
    /// The worker that has the stream, or will.
    worker: Option<usize>,
    /// The stream of an incoming call until it is wanted: nobody sends to it before our description, and many calls are
    /// refused.
    opening: Option<Box<Opening>>,
    closing: bool,
    /// The host has heard of it.
    announced: bool,
    waiting: Vec<MediaOp>,
    recordings: usize,
    key_down: bool,
    end: Option<EndInfo>,
    end_by: Time,
}

impl Calls {
    pub fn add(&mut self, call: Call, session: Session) {
        let entry = Entry {
            session: Some(Box::new(session)),
            worker: None,
            opening: None,
            closing: false,
            announced: call.id().is_outgoing(),
            waiting: Vec::new(),
            recordings: 0,
            key_down: false,
            end: None,
            end_by: Time::MAX,
            call,
        };
        self.entries.insert(entry.call.id(), Box::new(entry));
        self.trim.calls(clock::now(), self.entries.len());
    }
    pub fn ids(&self) -> Vec<CallId> {
        self.entries.keys().copied().collect()
    }

    /// Lays out the keys of a `send_dtmf` in time. What finds no room is not sent.
    pub fn plan_keys(&mut self, call: CallId, id: u64, digits: &str, duration: Duration, gap: Duration) {
        let mut at = clock::now();
        let duration_ms = u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        for c in digits.chars() {
            match c {
                'w' => at += Duration::from_millis(500),
                ',' => at += Duration::from_secs(2),
                digit => {
                    self.plan(at, Planned { call, digit: Some(digit), duration_ms, id });
                    at += duration + gap;
                }
            }
        }
        self.plan(at, Planned { call, digit: None, duration_ms, id });
    }
    fn plan(&mut self, at: Time, key: Planned) {
        if self.planned.len() < MAX_PLANNED {
            self.planned_count += 1;
            self.planned.insert((at, self.planned_count), key);
        }
    }
    /// What is due of the planned keys.
    pub fn key_due(&mut self, now: Time) -> Option<Planned> {
        let ((at, _), _) = self.planned.first_key_value()?;
        if *at > now {
            return None;
        }
        self.planned.pop_first().map(|(_, key)| key)
    }

    /// A file more has to be closed before the call's end is told. None: it is over.
    pub fn capture_begun(&mut self, id: CallId) -> Option<Call> {
        let entry = self.entries.get_mut(&id).filter(|e| e.end.is_none())?;
        entry.recordings += 1;
        Some(entry.call.clone())
    }
    pub fn has_sip_id(&self, id: CallId, sip_id: &str) -> bool {
        self.entries.get(&id).is_some_and(|e| e.call.has_sip_id(sip_id))
    }
    /// It has ended, and so has its stream.
    pub fn is_silent(&self, id: CallId) -> bool {
        self.entries.get(&id).is_none_or(|e| e.end.is_some() && e.worker.is_none())
    }

    pub fn next_deadline(&self) -> Option<Time> {
        let key = self.planned.first_key_value().map(|((at, _), _)| *at);
        let end = self.ends.first().map(|(at, _)| *at);
        [key, end, self.trim.next_deadline()].into_iter().flatten().min()
    }
}

impl Entry {
    /// Gives the stream to its worker, if that doesn't have it.
    fn hand_over(&mut self, worker: &WorkerHandle) {
        if let Some(opening) = self.opening.take() {
            worker.send(ToWorker::Open(opening));
        }
    }
    /// Nothing more will be reported about it.
    fn is_quiet(&self) -> bool {
        self.worker.is_none() && self.recordings == 0
    }
}

/// ua and media don't know each other: this is where one's words become the other's.
fn stream_params(stream: StreamConfig) -> StreamParams {
    StreamParams {
        remote: stream.remote,
        codec: stream.codec,
        receive: stream.receive,
        telephone_event: stream.telephone_event,
        telephone_event_receive: stream.telephone_event_receive,
        ptime_ms: stream.ptime_ms,
        sending: stream.direction.sends(),
        receiving: stream.direction.receives(),
        srtp: stream.srtp,
        rtcp_mux: stream.rtcp_mux,
    }
}

/// The payload types of a stream: those that may come, and those that go if they are others.
fn payloads(stream: &StreamConfig) -> Vec<PayloadFormat> {
    let clock = stream.codec.clock_rate;
    let keys = [stream.telephone_event_receive, stream.telephone_event].into_iter().flatten();
    let mut all = stream.receive.clone();
    let others = std::iter::once(stream.codec.clone());
    for format in others.chain(keys.map(|pt| PayloadFormat::telephone_event(pt, clock))) {
        if !all.iter().any(|known| known.payload_type == format.payload_type) {
            all.push(format);
        }
    }
    all
}

pub fn session_config(config: &super::config::PhoneConfig, rate: u32) -> SessionConfig {
    let frames = |ms: u32| (u64::from(rate) * u64::from(ms) / 1000) as usize;
    SessionConfig {
        host_rate: rate,
        jitter_min: config.jitter.0,
        jitter_max: config.jitter.1,
        read_ring_frames: frames(config.read_buffer_ms),
        write_ring_frames: frames(config.write_buffer_ms),
        rtp_timeout: config.rtp_timeout,
        epoch: clock::wall().before(clock::now().since(Time::ZERO)),
    }
}

impl Control {
    /// Opens the RTP socket of a call and gives it to a worker. The code on failure goes to the caller.
    pub(super) fn open_stream(&mut self, id: CallId, hint: Option<IpAddr>) -> Result<StreamOpened, u16> {
        let opened = self.try_open_stream(id, hint);
        if opened.is_err() && self.calls.entries.get(&id).is_some_and(|e| !e.announced) {
            // The agent refuses it, and nobody will hear of it.
            self.calls.entries.remove(&id);
        }
        opened
    }

    fn try_open_stream(&mut self, id: CallId, hint: Option<IpAddr>) -> Result<StreamOpened, u16> {
        if !self.calls.entries.contains_key(&id) {
            // An incoming call's stream comes before the call is announced.
            self.add_incoming(id);
        }
        let routed = self.routes.lock().unwrap_or_else(PoisonError::into_inner).for_stream(hint);
        let (bind, seen) = routed.ok_or(503u16)?;
        let index = self.calls.next_worker % self.workers.len().max(1);
        self.calls.next_worker = self.calls.next_worker.wrapping_add(1);
        let opened = match self.shared.config.media_sockets {
            0 => self.own_path(bind),
            count => self.shared_path(bind, index, count),
        };
        let (path, port) = opened.map_err(|error| {
            log::warn!(target: "voip::engine", "a call gets no stream: {error}");
            self.shared.link.counters.no_ports.add(1);
            503u16
        })?;
        let local = SocketAddr::new(seen, port);
        let entry = self.calls.entries.get_mut(&id).ok_or(500u16)?;
        let session = *entry.session.take().ok_or(500u16)?;
        let worker = self.workers.get(index).ok_or(500u16)?;
        entry.call.shared().set_media(|m| m.local = Some(local));
        let call = entry.call.clone();
        let ssrc = matches!(path, Path::Shared(_)).then(|| session.stats().local_ssrc);
        entry.worker = Some(index);
        entry.opening = Some(Box::new(Opening { call, session, path }));
        if id.is_outgoing() {
            entry.hand_over(worker);
        }
        for op in std::mem::take(&mut entry.waiting) {
            entry.hand_over(worker);
            worker.send(ToWorker::Op { call: id, op });
        }
        Ok(StreamOpened { local, ssrc })
    }

    fn own_path(&mut self, bind: IpAddr) -> Result<(Path, u16), Error> {
        let open = |port| udp::open((bind, port).into(), RTP_BUFFER_BYTES);
        let (socket, lease) = self.shared.ports.open(&mut self.rng, open)?;
        let port = lease.port();
        Ok((Path::Own { socket, lease, ipv6: bind.is_ipv6() }, port))
    }

    /// One of the worker's shared sockets, each in turn; they are opened when they are first needed.
    fn shared_path(&mut self, bind: IpAddr, worker: usize, count: usize) -> Result<(Path, u16), Error> {
        let calls = &mut self.calls;
        let group = calls.shared.entry((worker, bind)).or_default();
        let turn = group.turn % count.max(1);
        group.turn = group.turn.wrapping_add(1);
        if let Some(socket) = group.sockets.get(turn) {
            return Ok((Path::Shared(socket.index), socket.lease.port()));
        }
        let open = |port| udp::open((bind, port).into(), SHARED_BUFFER_BYTES);
        let (socket, lease) = self.shared.ports.open(&mut clock::OsRng::new(), open)?;
        let index = calls.shared_indices.entry(worker).or_default();
        let opened = Shared { index: *index, lease };
        *index += 1;
        let path = (Path::Shared(opened.index), opened.lease.port());
        group.sockets.push(opened);
        if let Some(worker) = self.workers.get(worker) {
            worker.send(ToWorker::Share(socket));
        }
        Ok(path)
    }

    fn add_incoming(&mut self, id: CallId) {
        let format = self.shared.config.audio;
        let config = session_config(&self.shared.config, format.rate);
        let (session, audio) = Session::new(config, &mut self.rng, clock::now());
        let call = Call::new(id, self.shared.link.clone(), format, audio);
        self.calls.add(call, session);
    }

    pub(super) fn media_op(&mut self, id: CallId, op: MediaOp) {
        let Some(entry) = self.calls.entries.get_mut(&id) else { return };
        if let MediaOp::Record(_) = op {
            entry.recordings += 1;
        }
        match entry.worker {
            Some(index) => {
                if let Some(worker) = self.workers.get(index) {
                    entry.hand_over(worker);
                    worker.send(ToWorker::Op { call: id, op });
                }
            }
            None if entry.session.is_some() && entry.waiting.len() < MAX_WAITING => entry.waiting.push(op),
            None => {
                log::warn!(target: "voip::engine", "a call that has no stream was asked to play or record")
            }
        }
    }

    pub(super) fn media_command(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::Configure { call, stream } => {
                let Some(entry) = self.calls.entries.get_mut(&call) else { return };
                let keys = stream.telephone_event.is_some();
                entry.call.shared().set_payloads(payloads(&stream));
                entry.call.shared().keys_negotiated.store(keys, std::sync::atomic::Ordering::Release);
                let Some(worker) = entry.worker.and_then(|w| self.workers.get(w)) else { return };
                entry.hand_over(worker);
                let ssrc = stream.remote_ssrc;
                let params = Box::new(stream_params(stream));
                worker.send(ToWorker::Configure { call, params, ssrc });
            }
            MediaCommand::Close { call } => self.close_stream(call),
        }
    }

    fn close_stream(&mut self, id: CallId) {
        let Some(entry) = self.calls.entries.get_mut(&id) else { return };
        if let Some(opening) = entry.opening.take() {
            // No worker has heard of it.
            Stream::new(*opening).finish();
            entry.worker = None;
            entry.closing = true;
        }
        let Some(worker) = entry.worker.and_then(|w| self.workers.get(w)) else {
            return self.settle(id);
        };
        if !entry.closing {
            entry.closing = true;
            worker.send(ToWorker::Close { call: id });
        }
    }

    pub(super) fn event(&mut self, event: ua::Event) {
        use ua::Event as Ua;
        match event {
            Ua::IncomingCall { call, info } => self.incoming(call, info),
            Ua::CallEnded { call, end } => self.ended(call, end),
            Ua::AccountStatus { .. } | Ua::AccountRemoved { .. } => {
                self.shared.account_event(&event);
                self.push(None, EventKind::Ua(event));
            }
            Ua::Message { .. } | Ua::MessageResult { .. } | Ua::PublicAddress { .. } => {
                self.push(None, EventKind::Ua(event))
            }
            Ua::Stopped => {}
            event => self.call_event(event),
        }
    }

    fn push(&self, call: Option<Call>, kind: EventKind) {
        self.shared.link.dispatcher.queue(Event { call, kind });
    }

    fn incoming(&mut self, id: CallId, info: ua::CallInfo) {
        if !self.calls.entries.contains_key(&id) {
            self.add_incoming(id);
        }
        let Some(entry) = self.calls.entries.get_mut(&id) else { return };
        entry.announced = true;
        let call = entry.call.clone();
        call.shared().set_info(info.clone());
        self.shared.register_incoming(&call);
        self.push(Some(call), EventKind::Ua(ua::Event::IncomingCall { call: id, info }));
    }

    /// Events between the first and the last of a call.
    fn call_event(&mut self, event: ua::Event) {
        use ua::Event as Ua;
        let id = match &event {
            Ua::OutgoingCall { call, .. }
            | Ua::CallState { call, .. }
            | Ua::CallMedia { call, .. }
            | Ua::Dtmf { call, .. }
            | Ua::Transfer { call, .. } => *call,
            _ => return,
        };
        let Some(entry) = self.calls.entries.get(&id).filter(|e| e.end.is_none()) else { return };
        let call = entry.call.clone();
        let shared = call.shared();
        match &event {
            Ua::OutgoingCall { info, .. } => shared.set_info(info.clone()),
            // The end is told by CallEnded alone.
            Ua::CallState { state: CallState::Ended, .. } => return,
            Ua::CallState { state, sip_code, .. } => shared.set_state(*state, *sip_code),
            Ua::CallMedia {
                direction, held_by_peer, held_by_us, codec, srtp, remote, sdp, own_sdp, ..
            } => {
                shared.set_media(|m| {
                    (m.direction, m.held_by_peer, m.held_by_us) = (*direction, *held_by_peer, *held_by_us);
                    (m.codec, m.srtp, m.remote) = (codec.clone(), *srtp, *remote);
                });
                shared.set_remote_sdp(sdp.clone());
                shared.set_local_sdp(own_sdp.clone());
            }
            Ua::Dtmf { digit, .. } => call.key_received(*digit),
            _ => {}
        }
        self.push(Some(call), EventKind::Ua(event));
    }

    pub(super) fn ended(&mut self, id: CallId, end: EndInfo) {
        let Some(entry) = self.calls.entries.get_mut(&id).filter(|e| e.end.is_none()) else { return };
        entry.end = Some(end);
        entry.end_by = clock::now() + LAST_REPORTS;
        self.calls.ends.insert((entry.end_by, id));
        entry.waiting.clear();
        self.close_stream(id);
    }

    /// For a call that the agent doesn't know (any more).
    pub(super) fn end_by_force(&mut self, id: CallId, cause: EndCause, reason: &str) {
        let reason = reason.into();
        let end = EndInfo { cause, by: EndedBy::Engine, sip_code: 0, reason, reason_header: None };
        self.ended(id, end);
    }

    /// Tells the end of a call once nothing more can come about it.
    fn settle(&mut self, id: CallId) {
        let Some(entry) = self.calls.entries.get_mut(&id).filter(|e| e.is_quiet()) else { return };
        let unannounced = !entry.announced && entry.closing;
        let Some(end) = entry.end.take() else {
            if unannounced {
                self.calls.entries.remove(&id);
            }
            return;
        };
        self.tell_end(id, end);
    }

    fn tell_end(&mut self, id: CallId, end: EndInfo) {
        let Some(entry) = self.calls.entries.remove(&id) else { return };
        self.calls.ends.remove(&(entry.end_by, id));
        self.calls.trim.calls(clock::now(), self.calls.entries.len());
        let call = entry.call;
        self.shared.unregister(id);
        call.shared().set_ended(end.clone());
        if entry.announced {
            self.push(Some(call), EventKind::Ua(ua::Event::CallEnded { call: id, end }));
        }
    }

    /// Ends that have waited long enough for their media or files.
    pub(super) fn finish_late_ends(&mut self, now: Time) {
        if self.calls.trim.is_due(now) {
            self.agent.shrink();
            self.calls.entries.shrink_to_fit();
            self.shared.shrink();
            self.io.shrink();
            self.workers.iter().for_each(|worker| worker.send(ToWorker::Trim));
            trim::give_back(self.shared.link.hook.clone());
        }
        while let Some((at, id)) = self.calls.ends.first().copied().filter(|(at, _)| *at <= now) {
            self.calls.ends.remove(&(at, id));
            if let Some(end) = self.calls.entries.get_mut(&id).and_then(|e| e.end.take()) {
                self.tell_end(id, end);
            }
        }
    }

    pub(super) fn report(&mut self, report: Report) {
        match report {
            Report::Event { call, event } => self.media_event(call, event),
            Report::Stats { call, stats } => {
                if let Some(entry) = self.calls.entries.get(&call) {
                    self.push(Some(entry.call.clone()), EventKind::CallStats(stats));
                }
            }
            Report::Failed { call } => self.command(Command::Hangup { call }),
            Report::Closed { call } => {
                if let Some(entry) = self.calls.entries.get_mut(&call) {
                    entry.worker = None;
                    entry.closing = true;
                }
                self.settle(call);
            }
        }
    }

    fn media_event(&mut self, id: CallId, event: MediaEvent) {
        let Some(entry) = self.calls.entries.get_mut(&id) else { return };
        if let MediaEvent::Dtmf { digit, end, .. } = &event {
            // A key whose beginning was lost counts at its end.
            if !end || !entry.key_down {
                entry.call.key_received(*digit);
            }
            entry.key_down = !end;
        }
        let (call, timeout) = (entry.call.clone(), event == MediaEvent::Timeout);
        if entry.announced {
            self.push(Some(call), EventKind::Media(event));
        }
        if timeout {
            self.media_timeout(id);
        }
    }

    pub(super) fn keys_sent(&mut self, id: CallId, number: u64) {
        let Some(entry) = self.calls.entries.get(&id) else { return };
        entry.call.shared().job_done();
        let event = MediaEvent::DtmfSent { id: number };
        self.push(Some(entry.call.clone()), EventKind::Media(event));
    }

    pub(super) fn capture_finished(&mut self, id: CallId, end: CaptureEnd) {
        let Some(entry) = self.calls.entries.get_mut(&id) else { return };
        entry.recordings = entry.recordings.saturating_sub(1);
        let host = entry.call.clone();
        self.push(Some(host), EventKind::Capture(end));
        self.settle(id);
    }

    pub(super) fn record_finished(&mut self, call: CallId, id: u64, frames: u64, ok: bool) {
        let Some(entry) = self.calls.entries.get_mut(&call) else { return };
        entry.recordings = entry.recordings.saturating_sub(1);
        let host = entry.call.clone();
        self.push(Some(host), EventKind::Media(MediaEvent::RecordFinished { id, frames, ok }));
        self.settle(call);
    }
}
