//! The batch machine of a media worker: it owns its streams and their sockets and runs them by absolute deadlines.
//!
//! One wake-up takes commands, reads what came, runs every session that is due and sends. Deadlines fire in slots of
//! half a millisecond ([`crate::util::Wheel`]), in a throng two at once. A worker with few streams also wakes up for each
//! packet; with many it looks at its sockets once a slot, so that the cost of a wake-up is shared. In steady state nothing
//! here allocates, logs, or takes a lock that a host could hold.

use super::breath::Breath;
use super::clock::{self, Stamps};
use super::counters::Counters;
use super::epoll::{self, Epoll, Ready};
use super::error::{Error, Result};
use super::fd::Wake;
use super::link::Link;
use super::pending::Pending;
use super::receiver::Receiver;
use super::spread::{self, Spread, CROWD, THRONG};
use super::stream::{Sent, Stream};
use super::thread;
use super::trim;
use super::udp;
use super::worker::{Opening, Report, Reports, ToWorker};
use super::worker_due::Crew;
use super::worker_shared::SharedSockets;
use crate::media::MediaEvent;
use crate::ua::CallId;
use crate::util::pool::Pooled;
use crate::util::{Key, Slab, Time, Wheel, SLOT};
use crossbeam_channel as channel;
use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

/// Datagrams that one read of one socket takes.
pub(super) const BATCH: usize = 8;
/// Larger than any audio packet; what is longer is cut and then refused by the parser.
/// Not a power of two: rooms that begin one apart would push each other out of the cache.
pub(super) const DATAGRAM_BYTES: usize = 2048 + 3 * 64;
/// Commands that one wake-up takes.
const COMMANDS: usize = 256;
/// Sockets that one look finds ready.
const READY: usize = 1024;

/// The token of the descriptor that wakes us; those of shared sockets are below, and those of streams, which begin with
/// their generation, far below.
const WAKE: u64 = u64::MAX;

pub struct Worker {
    pub(super) link: Arc<Link>,
    reports: Reports,
    commands: channel::Receiver<ToWorker>,
    wake: Arc<Wake>,
    pub(super) epoll: Epoll,
    /// Only what wakes us, without the sockets: for a crowd, where somebody is always talking.
    bell: Epoll,
    receiver: Receiver,
    pub(super) shared: SharedSockets,
    pub(super) pending: Pending,
    pub(super) streams: Slab<Pooled<Stream>>,
    pub(super) keys: HashMap<CallId, Key>,
    pub(super) wheel: Wheel,
    spread: Spread,
    pub(super) crew: Crew,
    /// The clocks as this turn reads them.
    pub(super) stamps: Stamps,
    breath: Breath,
    /// Sockets that had more than one batch.
    pub(super) more: Vec<Key>,
    pub(super) tally: Tally,
    reported: bool,
    quit: bool,
}

/// What a turn adds to the phone's counters.
#[derive(Default)]
pub(super) struct Tally {
    pub packets_in: u64,
    pub bytes_in: u64,
    pub batches: u64,
    pub largest: u64,
    pub sent: Sent,
}

impl Tally {
    /// One read of a socket.
    pub fn received(&mut self, packets: usize, bytes: u64) {
        self.batches += 1;
        self.packets_in += packets as u64;
        self.bytes_in += bytes;
        self.largest = self.largest.max(packets as u64);
    }
}

impl Worker {
    pub fn new(
        link: Arc<Link>,
        reports: Reports,
        commands: channel::Receiver<ToWorker>,
        wake: Arc<Wake>,
    ) -> Result<Worker> {
        let epoll = Epoll::new()?;
        let bell = Epoll::new()?;
        for set in [&epoll, &bell] {
            set.add(wake.as_raw_fd(), WAKE).map_err(|e| Error::system("epoll", &e))?;
        }
        Ok(Worker {
            link,
            reports,
            commands,
            wake,
            epoll,
            bell,
            receiver: Receiver::new(BATCH, DATAGRAM_BYTES),
            shared: SharedSockets::default(),
            pending: Pending::default(),
            streams: Slab::new(),
            keys: HashMap::new(),
            wheel: Wheel::new(clock::now()),
            spread: Spread::default(),
            crew: Crew::new(),
            stamps: Stamps::take(),
            breath: Breath::default(),
            more: Vec::new(),
            tally: Tally::default(),
            reported: false,
            quit: false,
        })
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.link.counters
    }

    pub fn run(mut self) {
        epoll::exact_timeouts();
        let mut ready = Ready::new(READY);
        while !self.quit {
            let timeout = self.until_next();
            if self.breath.is_due(self.stamps.now(), timeout == Some(Duration::ZERO)) {
                std::thread::yield_now();
            }
            if let Err(error) = self.wait(&mut ready, timeout) {
                log::error!(target: "voip::engine", "epoll: {error}");
                break;
            }
            self.turn(&ready);
        }
        for key in self.streams.keys() {
            self.close(key);
        }
        self.tell_control();
    }

    /// How long there is nothing to do; None: until somebody says so.
    fn until_next(&self) -> Option<Duration> {
        if !self.more.is_empty() || !self.shared.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let next = self.wheel.next();
        next.map(|at| Wheel::fires_at(at, spread::slots_a_turn(self.streams.len())).since(clock::now()))
    }

    /// In a crowd somebody is always talking: sockets wait for the end of the slot.
    fn wait(&mut self, ready: &mut Ready, timeout: Option<Duration>) -> std::io::Result<()> {
        match timeout {
            Some(t) if self.streams.len() >= CROWD => {
                if !t.is_zero() {
                    let most = SLOT * spread::slots_a_turn(self.streams.len());
                    self.bell.wait(ready, Some(t.min(most)))?;
                }
                self.epoll.wait(ready, Some(Duration::ZERO))
            }
            other => self.epoll.wait(ready, other),
        }
    }

    fn turn(&mut self, ready: &Ready) {
        let mut again = std::mem::take(&mut self.more);
        self.stamps = Stamps::take();
        for token in ready.tokens() {
            if token == WAKE {
                self.take_commands();
                continue;
            }
            if self.shared.is_ready(token) {
                continue;
            }
            let key = Key::from_u64(token);
            if !again.contains(&key) {
                self.read(key);
            }
        }
        for key in again.drain(..) {
            self.read(key);
        }
        if self.more.is_empty() {
            self.more = again;
        }
        self.read_shared();
        self.run_due();
        self.flush_shared();
        self.tell_control();
        self.count(ready.len());
    }

    fn count(&mut self, ready: usize) {
        let tally = std::mem::take(&mut self.tally);
        let counters = self.counters();
        counters.media_wakeups.add(1);
        counters.media_batch_max.at_least(tally.largest.max(ready as u64));
        counters.media_batches.add(tally.batches);
        counters.media_packets_in.add(tally.packets_in);
        counters.media_bytes_in.add(tally.bytes_in);
        counters.media_packets_out.add(tally.sent.packets);
        counters.media_bytes_out.add(tally.sent.bytes);
        counters.media_send_errors.add(tally.sent.errors);
    }

    fn tell_control(&mut self) {
        if std::mem::take(&mut self.reported) {
            self.link.wake.wake();
        }
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
            ToWorker::Configure { call, params, ssrc } => {
                let remote = params.remote;
                self.with(call, |stream, now| match stream.session.configure(now, &params) {
                    Ok(()) => stream.described(),
                    Err(error) => {
                        log::warn!(target: "voip::rtp", "a stream could not be set up: {error}");
                    }
                });
                self.set_peer(call, remote, ssrc);
            }
            ToWorker::Share(socket) => self.share(socket),
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
            ToWorker::Trim => self.give_back(),
            ToWorker::Quit => self.quit = true,
        }
    }

    fn open(&mut self, opening: Opening) {
        let mut stream = Pooled::new(Stream::new(opening));
        if self.streams.len() >= CROWD {
            stream.session.set_send_phase(self.spread.send_phase());
        }
        if self.streams.len() >= THRONG {
            stream.session.set_turnaround(Duration::ZERO);
        }
        let (id, own) = (stream.id, stream.own_socket());
        let key = self.streams.insert(stream);
        self.keys.insert(id, key);
        if let Some(fd) = own {
            udp::stamp_arrivals(fd);
            if let Err(error) = self.epoll.add(fd, key.to_u64()) {
                log::error!(target: "voip::engine", "epoll: {error}");
                self.fail(key);
            }
        }
        self.settle_stream(key, true);
    }

    /// Runs `work` on a call's stream, then what follows from it.
    fn with<T>(&mut self, call: CallId, work: impl FnOnce(&mut Stream, Time) -> T) -> Option<T> {
        let key = *self.keys.get(&call)?;
        let done = self.guarded(key, |stream| {
            stream.publish_soon();
            work(stream, clock::now())
        });
        self.settle_stream(key, true);
        done
    }

    /// A panic in a session ends its call, nothing else.
    pub(super) fn guarded<T>(&mut self, key: Key, work: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        let stream = self.streams.get_mut(key)?;
        match thread::caught(|| work(stream)) {
            Ok(value) => Some(value),
            Err(text) => {
                self.failed(key, &text);
                None
            }
        }
    }
    pub(super) fn failed(&mut self, key: Key, text: &str) {
        log::error!(target: "voip::engine", "a media session panicked: {text}");
        self.fail(key);
    }

    fn fail(&mut self, key: Key) {
        if let Some(stream) = self.streams.get(key) {
            let call = stream.id;
            self.report_always(Report::Failed { call });
            self.close(key);
        }
    }

    fn read(&mut self, key: Key) {
        self.take_datagrams(key);
        self.settle_stream(key, false);
    }

    fn take_datagrams(&mut self, key: Key) {
        let Some(fd) = self.streams.get(key).and_then(|s| s.own_socket()) else { return };
        let count = match self.receiver.receive(fd) {
            Ok(count) => count,
            Err(error) => {
                let now = self.stamps.now();
                self.streams.get_mut(key).into_iter().for_each(|s| s.heard_nothing(now, &error));
                return;
            }
        };
        if count == self.receiver.capacity() {
            self.more.push(key);
        }
        let (stamps, mut receiver) = (self.stamps, std::mem::take(&mut self.receiver));
        let bytes = self.guarded(key, |stream| stream.hear(&mut receiver, 0..count, stamps));
        self.receiver = receiver;
        self.tally.received(count, bytes.unwrap_or(0));
    }

    /// While a stream plays, its socket is read at its ticks, with the kernel's word on when each packet came; otherwise
    /// the first packet is waited for.
    fn watch(&mut self, key: Key) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let by_tick = stream.session.is_playing();
        if by_tick == stream.by_tick {
            return;
        }
        stream.by_tick = by_tick;
        if stream.session.plays_next().is_none() {
            stream.look_around();
        }
        match stream.own_socket() {
            Some(fd) => {
                let done = match by_tick {
                    true => self.epoll.remove(fd),
                    false => self.epoll.add(fd, key.to_u64()),
                };
                if let Err(error) = done {
                    log::error!(target: "voip::engine", "epoll: {error}");
                    return self.fail(key);
                }
            }
            None => self.pending.hold(key, by_tick),
        }
        if by_tick && stream.place.is_none() && self.streams.len() >= CROWD {
            self.take_place(key);
        }
    }

    /// In a crowd a stream that begins to play gets its place in the packet interval, and keeps it.
    fn take_place(&mut self, key: Key) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let Some(at) = stream.session.plays_next() else { return };
        let (place, later) = self.spread.enter(at);
        stream.place = Some(place);
        if !later.is_zero() {
            stream.session.set_extra_delay(later);
            self.schedule(key);
        }
    }

    /// After anything was done with a session: its events, its next deadline and, if asked, its waiting hosts.
    pub(super) fn settle_stream(&mut self, key: Key, publish: bool) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let news = stream.session.has_events();
        if publish || news {
            // Whoever hears of an event finds the counters as they are then.
            stream.publish(self.stamps.now(), news);
        }
        while let Some((call, event)) = self.next_event(key) {
            self.settle(call, &event);
            self.report(Report::Event { call, event });
        }
        self.schedule(key);
        self.watch(key);
    }

    fn schedule(&mut self, key: Key) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let next = stream.next_deadline();
        if next != stream.due {
            stream.due = next;
            if let Some(at) = next {
                self.wheel.insert(at, key);
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

    pub(super) fn report(&mut self, report: Report) {
        let told = self.reports.push(report);
        self.note_report(told);
    }

    fn report_always(&mut self, report: Report) {
        let told = self.reports.push_always(report);
        self.note_report(told);
    }

    fn note_report(&mut self, told: bool) {
        self.reported = true;
        if !told {
            self.counters().media_reports_dropped.add(1);
        }
    }

    fn close(&mut self, key: Key) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if let Err(text) = thread::caught(|| stream.session.close()) {
            log::error!(target: "voip::engine", "the end of a media session panicked: {text}");
        }
        while let Some((call, event)) = self.next_event(key) {
            self.settle(call, &event);
            self.report(Report::Event { call, event });
        }
        let Some(stream) = self.streams.remove(key) else { return };
        let call = stream.id;
        self.keys.remove(&call);
        if let Some(socket) = stream.shared_socket().and_then(|index| self.shared.get_mut(index)) {
            socket.remove(key);
            self.pending.forget(key);
        }
        if let Some(place) = stream.place {
            self.spread.leave(place);
        }
        // Closing its socket takes it out of the epoll set: nobody else holds the descriptor.
        stream.into_inner().finish();
        self.report_always(Report::Closed { call });
        if self.streams.is_empty() {
            self.shrink();
        }
    }

    /// A crowd has gone, and with it most of what this thread needs.
    fn give_back(&mut self) {
        if self.streams.is_empty() {
            self.receiver.shrink();
            self.shared.shrink();
            self.crew.shrink();
        }
        trim::give_back(self.link.hook.clone());
    }

    /// Gives back the room that many streams needed.
    fn shrink(&mut self) {
        self.streams.shrink();
        self.keys.shrink_to_fit();
        self.wheel.shrink();
        self.pending.shrink();
    }
}
