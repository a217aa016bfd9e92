//! A media worker: it owns its streams and their sockets and runs them by absolute deadlines.
//!
//! One wake-up takes commands, reads what came, runs every session that is due and sends. In steady state nothing
//! here allocates, logs, or takes a lock that a host could hold.

use super::call::Call;
use super::clock;
use super::counters::Counters;
use super::error::{Error, Result};
use super::fd::{TimerFd, Wake};
use super::link::Link;
use super::ports::PortLease;
use super::thread;
use super::udp::{self, Receiver};
use crate::media::{MediaEvent, MediaStats, PlaySource, RecordTap, Session, StreamParams, TapFn};
use crate::ua::CallId;
use crate::util::{Key, Slab, Time};
use crossbeam_channel as channel;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

/// Datagrams that one read of one socket takes.
const BATCH: usize = 16;
/// Larger than any audio packet; what is longer is cut and then refused by the parser.
const DATAGRAM_BYTES: usize = 2048;
/// Commands that one wake-up takes.
const COMMANDS: usize = 256;

/// To a worker, from the control thread only.
pub enum ToWorker {
    Open(Box<Opening>),
    Configure { call: CallId, params: Box<StreamParams> },
    Op { call: CallId, op: MediaOp },
    Close { call: CallId },
    Quit,
}

pub struct Opening {
    pub call: Call,
    pub session: Session,
    pub socket: UdpSocket,
    pub lease: PortLease,
}

/// What a host wants of a stream.
pub enum MediaOp {
    Play { source: PlaySource, id: u64 },
    PlayStop,
    Keys { digits: Box<str>, duration: Duration, gap: Duration, id: u64 },
    Record(RecordTap),
    RecordStop,
    Tap(Option<TapFn>),
    Mute(bool),
    Gain { receive: u32, send: u32 },
    StatsEvery(Duration),
}

/// From a worker to the control thread.
pub enum Report {
    Event {
        call: CallId,
        event: MediaEvent,
    },
    Stats {
        call: CallId,
        stats: MediaStats,
    },
    /// The session failed; the call should end.
    Failed {
        call: CallId,
    },
    /// The last one of the stream.
    Closed {
        call: CallId,
    },
}

/// The control thread's hold on a worker.
pub struct WorkerHandle {
    sender: channel::Sender<ToWorker>,
    wake: Arc<Wake>,
    join: Option<std::thread::JoinHandle<()>>,
}

impl WorkerHandle {
    /// The worker never waits for the control thread, so waiting for room here ends.
    pub fn send(&self, message: ToWorker) {
        if self.sender.send_timeout(message, Duration::from_secs(1)).is_err() {
            log::error!(target: "voip::engine", "a media worker takes no commands");
        }
        self.wake.wake();
    }
    pub fn join(&mut self) {
        if let Some(join) = self.join.take() {
            let _ = join.join();
        }
    }
}

/// However the control thread ends, its workers end too.
impl Drop for WorkerHandle {
    fn drop(&mut self) {
        if self.join.is_some() {
            self.send(ToWorker::Quit);
            self.join();
        }
    }
}

/// Sends reports to the control thread. Room for one `Closed` a stream is kept.
#[derive(Clone)]
pub struct Reports {
    sender: channel::Sender<Report>,
    /// Reports that may be lost are, beyond this.
    soft: usize,
}

impl Reports {
    pub fn new(max_calls: usize) -> (Reports, channel::Receiver<Report>) {
        let soft = 1024 + max_calls * 4;
        let (sender, receiver) = channel::bounded(soft + max_calls * 2 + 64);
        (Reports { sender, soft }, receiver)
    }
}

pub fn start(
    index: usize,
    max_calls: usize,
    link: Arc<Link>,
    reports: Reports,
    hook: Option<super::config::ThreadHook>,
) -> Result<WorkerHandle> {
    let (sender, commands) = channel::bounded(1024 + max_calls * 4);
    let wake = Arc::new(Wake::new()?);
    let worker = Worker::new(link, reports, commands, wake.clone())?;
    let join = thread::spawn(&format!("voip-med-{index}"), hook, move || worker.run())?;
    Ok(WorkerHandle { sender, wake, join: Some(join) })
}

struct Stream {
    id: CallId,
    call: Call,
    session: Session,
    socket: UdpSocket,
    ipv6: bool,
    /// What the heap has for it; other entries are stale.
    due: Option<Time>,
    stats_every: Duration,
    stats_due: Option<Time>,
    _lease: PortLease,
}

struct Worker {
    link: Arc<Link>,
    reports: Reports,
    commands: channel::Receiver<ToWorker>,
    wake: Arc<Wake>,
    poll: Poll,
    timer: TimerFd,
    receiver: Receiver,
    streams: Slab<Stream>,
    keys: HashMap<CallId, Key>,
    heap: BinaryHeap<Reverse<(Time, Key)>>,
    /// Sockets that had more than one batch.
    more: Vec<Key>,
    reported: bool,
    quit: bool,
}

const WAKE: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);

impl Worker {
    fn new(
        link: Arc<Link>,
        reports: Reports,
        commands: channel::Receiver<ToWorker>,
        wake: Arc<Wake>,
    ) -> Result<Worker> {
        let poll = Poll::new().map_err(|e| Error::system("epoll", &e))?;
        let timer = TimerFd::new()?;
        for (fd, token) in [(wake.as_raw_fd(), WAKE), (timer.as_raw_fd(), TIMER)] {
            let register = poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE);
            register.map_err(|e| Error::system("epoll", &e))?;
        }
        let receiver = Receiver::new(BATCH, DATAGRAM_BYTES);
        Ok(Worker {
            link,
            reports,
            commands,
            wake,
            poll,
            timer,
            receiver,
            streams: Slab::new(),
            keys: HashMap::new(),
            heap: BinaryHeap::new(),
            more: Vec::new(),
            reported: false,
            quit: false,
        })
    }

    fn counters(&self) -> &Counters {
        &self.link.counters
    }

    fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.quit {
            let timeout = if self.more.is_empty() { None } else { Some(Duration::ZERO) };
            if let Err(error) = self.poll.poll(&mut events, timeout) {
                if error.kind() != std::io::ErrorKind::Interrupted {
                    log::error!(target: "voip::engine", "epoll: {error}");
                    break;
                }
            }
            self.counters().media_wakeups.add(1);
            self.turn(&events);
        }
        for key in self.streams.keys() {
            self.close(key);
        }
        self.tell_control();
    }

    fn turn(&mut self, events: &Events) {
        let mut again = std::mem::take(&mut self.more);
        for event in events {
            match event.token() {
                WAKE => self.take_commands(),
                TIMER => self.timer.clear(),
                Token(key) => {
                    let key = Key::from_u64(key as u64);
                    if !again.contains(&key) {
                        self.read(key);
                    }
                }
            }
        }
        for key in again.drain(..) {
            self.read(key);
        }
        if self.more.is_empty() {
            self.more = again;
        }
        self.run_due();
        self.tell_control();
        self.arm();
    }

    fn tell_control(&mut self) {
        if std::mem::take(&mut self.reported) {
            self.link.wake.wake();
        }
    }

    fn arm(&mut self) {
        while let Some(Reverse((at, key))) = self.heap.peek() {
            if self.streams.get(*key).is_some_and(|s| s.due == Some(*at)) {
                break;
            }
            self.heap.pop();
        }
        self.timer.arm(self.heap.peek().map(|Reverse((at, _))| *at));
    }

    fn take_commands(&mut self) {
        self.wake.clear();
        for _ in 0..COMMANDS {
            let Ok(command) = self.commands.try_recv() else { return };
            self.command(command);
        }
        self.wake.wake();
    }

    fn command(&mut self, command: ToWorker) {
        match command {
            ToWorker::Open(opening) => self.open(*opening),
            ToWorker::Configure { call, params } => {
                self.with(call, |stream, now| {
                    if let Err(error) = stream.session.configure(now, &params) {
                        log::warn!(target: "voip::rtp", "a stream could not be set up: {error}");
                    }
                });
            }
            ToWorker::Op { call, op } => {
                let lost = self.with(call, |stream, now| stream.apply(now, op)).flatten();
                if let Some(event) = lost {
                    self.settle(call, &event);
                    self.report(Report::Event { call, event });
                }
            }
            ToWorker::Close { call } => match self.keys.get(&call) {
                Some(key) => self.close(*key),
                None => self.report_always(Report::Closed { call }),
            },
            ToWorker::Quit => self.quit = true,
        }
    }

    fn open(&mut self, opening: Opening) {
        let Opening { call, session, socket, lease } = opening;
        let id = call.id();
        let fd = socket.as_raw_fd();
        let ipv6 = socket.local_addr().is_ok_and(|a| a.is_ipv6());
        let key = self.streams.insert(Stream {
            id,
            call,
            session,
            socket,
            ipv6,
            due: None,
            stats_every: Duration::ZERO,
            stats_due: None,
            _lease: lease,
        });
        self.keys.insert(id, key);
        let token = Token(key.to_u64() as usize);
        if let Err(error) = self.poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE) {
            log::error!(target: "voip::engine", "epoll: {error}");
            self.fail(key);
        }
        self.settle_stream(key);
    }

    /// Runs `work` on a call's stream, then what follows from it.
    fn with<T>(&mut self, call: CallId, work: impl FnOnce(&mut Stream, Time) -> T) -> Option<T> {
        let key = *self.keys.get(&call)?;
        self.guarded(key, |stream| work(stream, clock::now()))
    }

    /// A panic in a session ends its call, nothing else.
    fn guarded<T>(&mut self, key: Key, work: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        let stream = self.streams.get_mut(key)?;
        match thread::caught(|| work(stream)) {
            Ok(value) => {
                self.settle_stream(key);
                Some(value)
            }
            Err(text) => {
                log::error!(target: "voip::engine", "a media session panicked: {text}");
                self.fail(key);
                None
            }
        }
    }

    fn fail(&mut self, key: Key) {
        if let Some(stream) = self.streams.get(key) {
            let call = stream.id;
            self.report_always(Report::Failed { call });
            self.close(key);
        }
    }

    fn read(&mut self, key: Key) {
        let Some(stream) = self.streams.get(key) else { return };
        let Ok(count) = self.receiver.receive(stream.socket.as_raw_fd()) else { return };
        if count == self.receiver.capacity() {
            self.more.push(key);
        }
        let mut receiver = std::mem::replace(&mut self.receiver, Receiver::empty());
        let bytes = self.guarded(key, |stream| {
            let now = clock::now();
            let mut bytes = 0;
            for index in 0..count {
                if let Some((datagram, from)) = receiver.datagram_mut(index) {
                    bytes += datagram.len() as u64;
                    stream.session.handle_packet(now, from, datagram);
                }
            }
            bytes
        });
        self.receiver = receiver;
        self.counters().media_packets_in.add(count as u64);
        self.counters().media_bytes_in.add(bytes.unwrap_or(0));
        self.counters().media_batch_max.at_least(count as u64);
    }

    fn run_due(&mut self) {
        let now = clock::now();
        while let Some(Reverse((at, key))) = self.heap.peek().copied() {
            if at > now {
                return;
            }
            self.heap.pop();
            let Some(stream) = self.streams.get_mut(key).filter(|s| s.due == Some(at)) else { continue };
            stream.due = None;
            self.counters().media_late.note(now.since(at).as_micros() as u64);
            self.run_stream(key, now);
        }
    }

    fn run_stream(&mut self, key: Key, now: Time) {
        let done = self.guarded(key, |stream| (stream.tick(now), stream.stats_report(now)));
        let Some((sent, stats)) = done else { return };
        let counters = self.counters();
        counters.media_packets_out.add(sent.packets);
        counters.media_bytes_out.add(sent.bytes);
        counters.media_send_errors.add(sent.errors);
        if let Some(report) = stats {
            self.report(report);
        }
    }

    /// After anything was done with a session: its events, its waiting hosts, its next deadline.
    fn settle_stream(&mut self, key: Key) {
        while let Some((call, event)) = self.next_event(key) {
            self.settle(call, &event);
            self.report(Report::Event { call, event });
        }
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.publish();
        let next = earlier(stream.session.next_deadline(), stream.stats_due);
        if next != stream.due {
            stream.due = next;
            if let Some(at) = next {
                self.heap.push(Reverse((at, key)));
            }
        }
    }

    fn next_event(&mut self, key: Key) -> Option<(CallId, MediaEvent)> {
        let stream = self.streams.get_mut(key)?;
        stream.session.poll_event().map(|event| (stream.id, event))
    }

    /// What was posted by the host and is over now.
    fn settle(&self, call: CallId, event: &MediaEvent) {
        if matches!(event, MediaEvent::PlayFinished { .. } | MediaEvent::DtmfSent { .. }) {
            if let Some(stream) = self.keys.get(&call).and_then(|k| self.streams.get(*k)) {
                stream.call.shared().job_done();
            }
        }
    }

    fn report(&mut self, report: Report) {
        let reports = &self.reports;
        if reports.sender.len() >= reports.soft || reports.sender.try_send(report).is_err() {
            self.counters().media_reports_dropped.add(1);
        }
        self.reported = true;
    }

    fn report_always(&mut self, report: Report) {
        if self.reports.sender.try_send(report).is_err() {
            self.counters().media_reports_dropped.add(1);
        }
        self.reported = true;
    }

    fn close(&mut self, key: Key) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let fd = stream.socket.as_raw_fd();
        let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        if let Err(text) = thread::caught(|| stream.session.close()) {
            log::error!(target: "voip::engine", "the end of a media session panicked: {text}");
        }
        while let Some((call, event)) = self.next_event(key) {
            self.settle(call, &event);
            self.report(Report::Event { call, event });
        }
        let Some(stream) = self.streams.remove(key) else { return };
        self.keys.remove(&stream.id);
        let Stream { id, call, session, socket, _lease, .. } = stream;
        call.shared().publish_final(session.stats());
        // Socket first, then the port: whoever takes the port next can bind it.
        drop((session, socket));
        drop(_lease);
        call.shared().media_closed();
        self.report_always(Report::Closed { call: id });
    }
}

struct Sent {
    packets: u64,
    bytes: u64,
    errors: u64,
}

impl Stream {
    fn tick(&mut self, now: Time) -> Sent {
        let mut sent = Sent { packets: 0, bytes: 0, errors: 0 };
        let (socket, ipv6) = (&self.socket, self.ipv6);
        if self.session.next_deadline().is_some_and(|at| at <= now) {
            self.session.handle_deadline(now, &mut |to: SocketAddr, packet: &[u8]| match socket
                .send_to(packet, udp::for_family(to, ipv6))
            {
                Ok(_) => {
                    sent.packets += 1;
                    sent.bytes += packet.len() as u64;
                }
                Err(_) => sent.errors += 1,
            });
        }
        for _ in 0..sent.errors {
            self.session.count_send_error();
        }
        sent
    }

    fn stats_report(&mut self, now: Time) -> Option<Report> {
        let due = self.stats_due.filter(|at| *at <= now)?;
        self.stats_due = Some((due + self.stats_every).max(now));
        Some(Report::Stats { call: self.id, stats: self.session.stats() })
    }

    /// Lets the host see levels and counters, and wakes who waits.
    fn publish(&mut self) {
        let wake = self.session.take_wake();
        let drained = self.session.is_drained();
        let shared = self.call.shared();
        let changed = shared.publish(drained, || (self.session.stats(), self.session.levels()));
        if wake.readable || wake.writable || wake.drained || changed {
            shared.signal.notify();
        }
    }

    /// Some(event): the operation came to nothing, and this is what its host waits for.
    fn apply(&mut self, now: Time, op: MediaOp) -> Option<MediaEvent> {
        match op {
            MediaOp::Play { source, id } => {
                if let Err(error) = self.session.play(source, id) {
                    log::warn!(target: "voip::rtp", "nothing is played: {error}");
                    return Some(MediaEvent::PlayFinished { id, completed: false });
                }
            }
            MediaOp::Keys { digits, duration, gap, id } => {
                if let Err(error) = self.session.send_dtmf(&digits, duration, gap, id) {
                    log::warn!(target: "voip::rtp", "no keys are sent: {error}");
                    return Some(MediaEvent::DtmfSent { id });
                }
            }
            MediaOp::PlayStop => self.session.play_stop(),
            MediaOp::Record(tap) => self.session.record(tap),
            MediaOp::RecordStop => self.session.record_stop(),
            MediaOp::Tap(tap) => self.session.set_tap(tap),
            MediaOp::Mute(muted) => self.session.set_muted(muted),
            MediaOp::Gain { receive, send } => {
                // Checked by the host's thread already.
                let _ = self.session.set_gain(receive, send);
            }
            MediaOp::StatsEvery(every) => {
                self.stats_every = every;
                self.stats_due = (!every.is_zero()).then(|| now + every);
            }
        }
        None
    }
}

fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
