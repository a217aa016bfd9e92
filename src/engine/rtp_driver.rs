//! The driver of RTP sessions: it owns a pair of sockets and the streams on them, and runs these by absolute
//! deadlines. One stream has the sockets to itself; many share them and are told apart by [`Demux`].
//!
//! A thread of the library calls `turn`, or the host's loop does: the driver has one descriptor that is readable
//! when there is something to do. Per packet nothing here allocates, logs, or waits for the host.

use super::clock::{self, Stamps};
use super::epoll::{Epoll, Ready};
use super::error::{Error, Result};
use super::fd::{TimerFd, Wake};
use super::receiver::Receiver;
use super::rtp_shared::SessionShared;
use super::thread;
use super::udp;
use crate::media::{Channel, RtpStream};
use crate::proto::rtcp::NtpTime;
use crate::proto::rtp::{classify, sender_ssrc, Demux, PacketKind, Route};
use crate::util::Time;
use crossbeam_channel as channel;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// Datagrams that one read of one socket takes, and reads of one turn.
const BATCH: usize = 16;
const MAX_READS: usize = 16;
/// Larger than any audio packet; what is longer is cut and then refused by the parser.
const DATAGRAM_BYTES: usize = 2048;
/// Commands that one turn takes.
const COMMANDS: usize = 256;

const WAKE: u64 = 1;
const TIMER: u64 = 2;
const RTP: u64 = 3;
const RTCP: u64 = 4;

/// From the host's threads.
pub(super) enum Command {
    Open(Box<Opening>),
    Remote { id: u64, remote: Option<SocketAddr>, rtcp: Option<SocketAddr> },
    Direction { id: u64, sending: bool, receiving: bool },
    Keys { id: u64, digits: Box<str>, duration: Duration, gap: Duration },
    Flush { id: u64 },
    Close { id: u64 },
    Quit,
}

pub(super) struct Opening {
    pub id: u64,
    pub stream: RtpStream,
    pub shared: Arc<SessionShared>,
    pub remote: Option<SocketAddr>,
    pub remote_ssrc: Option<u32>,
}

/// Gets what is neither RTP nor RTCP, on the driver's thread.
pub type OtherSink = Box<dyn Fn(PacketKind, SocketAddr, &[u8]) + Send + Sync>;

/// Datagrams of a mux, by what became of them.
#[derive(Default)]
pub(super) struct MuxCounters {
    pub routed: AtomicU64,
    pub learned: AtomicU64,
    pub unrouted: AtomicU64,
    pub stun: AtomicU64,
    pub dtls: AtomicU64,
    pub other: AtomicU64,
    pub refused_sessions: AtomicU64,
}

/// How datagrams find their stream.
pub(super) enum Routes {
    /// All are the only stream's.
    Sole,
    Many {
        table: Box<Demux>,
        counters: Arc<MuxCounters>,
        other: Option<OtherSink>,
    },
}

pub(super) struct Sockets {
    pub rtp: UdpSocket,
    pub rtcp: Option<UdpSocket>,
    pub ipv6: bool,
}

struct Running {
    stream: RtpStream,
    shared: Arc<SessionShared>,
    due: Option<Time>,
}

pub(super) struct Driver {
    epoll: Arc<Epoll>,
    ready: Ready,
    timer: TimerFd,
    wake: Arc<Wake>,
    commands: channel::Receiver<Command>,
    receiver: Receiver,
    sockets: Sockets,
    routes: Routes,
    streams: HashMap<u64, Running>,
    heap: BinaryHeap<Reverse<(Time, u64)>>,
    quit: bool,
}

impl Driver {
    pub fn new(
        sockets: Sockets,
        routes: Routes,
        wake: Arc<Wake>,
        commands: channel::Receiver<Command>,
    ) -> Result<Driver> {
        let epoll = Epoll::new()?;
        let timer = TimerFd::new()?;
        let rtcp = sockets.rtcp.as_ref().map(|s| (s.as_raw_fd(), RTCP));
        let fixed = [(wake.as_raw_fd(), WAKE), (timer.as_raw_fd(), TIMER), (sockets.rtp.as_raw_fd(), RTP)];
        for (fd, token) in fixed.into_iter().chain(rtcp) {
            epoll.add(fd, token).map_err(|e| Error::system("epoll", &e))?;
        }
        std::iter::once(&sockets.rtp).chain(&sockets.rtcp).for_each(|s| udp::stamp_arrivals(s.as_raw_fd()));
        Ok(Driver {
            epoll: Arc::new(epoll),
            ready: Ready::new(8),
            timer,
            wake,
            commands,
            receiver: Receiver::new(BATCH, DATAGRAM_BYTES),
            sockets,
            routes,
            streams: HashMap::new(),
            heap: BinaryHeap::new(),
            quit: false,
        })
    }

    /// Readable when a turn would find something to do.
    pub fn epoll(&self) -> Arc<Epoll> {
        self.epoll.clone()
    }
    pub fn has_quit(&self) -> bool {
        self.quit
    }
    /// When the next stream is due.
    pub fn next_deadline(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Waits for something to do, at most so long (None: for ever), and does it.
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<()> {
        let mut ready = std::mem::replace(&mut self.ready, Ready::new(0));
        let waited = self.epoll.wait(&mut ready, timeout);
        for token in ready.tokens() {
            match token {
                WAKE => self.take_commands(),
                TIMER => self.timer.clear(),
                RTP => self.read(Channel::Rtp),
                RTCP => self.read(Channel::Rtcp),
                _ => {}
            }
        }
        self.ready = ready;
        self.run_due();
        self.arm();
        waited.map_err(|e| Error::system("epoll", &e))
    }

    pub fn take_commands(&mut self) {
        self.wake.clear();
        for _ in 0..COMMANDS {
            let Ok(command) = self.commands.try_recv() else { return };
            self.command(command);
        }
        self.wake.wake();
    }

    fn command(&mut self, command: Command) {
        let now = clock::now();
        let done = match command {
            Command::Open(opening) => return self.open(*opening),
            Command::Quit => return self.quit = true,
            Command::Close { id } => return self.close(id),
            Command::Remote { id, remote, rtcp } => {
                if let Routes::Many { table, .. } = &mut self.routes {
                    table.set_ssrc(id, None);
                    table.set_remote(id, remote);
                }
                self.guarded(id, |s| s.stream.set_remote(now, remote, rtcp))
            }
            Command::Direction { id, sending, receiving } => {
                self.guarded(id, |s| s.stream.set_direction(now, sending, receiving))
            }
            Command::Keys { id, digits, duration, gap } => {
                self.guarded(id, |s| s.stream.send_dtmf(&digits, duration, gap))
            }
            Command::Flush { id } => self.guarded(id, |s| {
                s.stream.flush();
                Ok(())
            }),
        };
        if let Some(Err(error)) = done {
            log::warn!(target: "voip::rtp", "an rtp session: {error}");
        }
    }

    fn open(&mut self, opening: Opening) {
        let Opening { id, mut stream, shared, remote, remote_ssrc } = opening;
        let room = match &mut self.routes {
            Routes::Sole => self.streams.is_empty(),
            Routes::Many { table, counters, .. } => {
                let room = table.insert(id, remote, remote_ssrc);
                counters.refused_sessions.fetch_add(u64::from(!room), Ordering::Relaxed);
                room
            }
        };
        let started =
            if room { stream.start(clock::now()).map_err(|e| e.to_string()) } else { Err("no room".into()) };
        if let Err(error) = started {
            log::error!(target: "voip::rtp", "an rtp session could not begin: {error}");
            self.forget_route(id);
            return shared.end();
        }
        self.streams.insert(id, Running { stream, shared, due: None });
        self.settle(id);
    }

    fn forget_route(&mut self, id: u64) {
        if let Routes::Many { table, .. } = &mut self.routes {
            table.remove(id);
        }
    }

    /// Works on a stream, then does what follows from it. A panic ends that stream, nothing else.
    fn guarded<T>(&mut self, id: u64, work: impl FnOnce(&mut Running) -> T) -> Option<T> {
        let running = self.streams.get_mut(&id)?;
        match thread::caught(|| work(running)) {
            Ok(value) => {
                self.settle(id);
                Some(value)
            }
            Err(text) => {
                log::error!(target: "voip::engine", "an rtp session panicked: {text}");
                self.close(id);
                None
            }
        }
    }

    /// Its events, its waiting hosts, its next deadline.
    fn settle(&mut self, id: u64) {
        let Some(running) = self.streams.get_mut(&id) else { return };
        while let Some(event) = running.stream.poll_event() {
            let shared = running.shared.clone();
            let _ = thread::caught(|| shared.event(&event));
        }
        running.shared.publish(&mut running.stream);
        let next = running.stream.next_deadline();
        if next != running.due {
            running.due = next;
            if let Some(at) = next {
                self.heap.push(Reverse((at, id)));
            }
        }
    }

    fn read(&mut self, channel: Channel) {
        for _ in 0..MAX_READS {
            let socket = match channel {
                Channel::Rtp => Some(&self.sockets.rtp),
                Channel::Rtcp => self.sockets.rtcp.as_ref(),
            };
            let Some(fd) = socket.map(|s| s.as_raw_fd()) else { return };
            let Ok(count) = self.receiver.receive(fd) else { return };
            let mut receiver = std::mem::take(&mut self.receiver);
            let (stamps, wall) = (Stamps::take(), clock::wall());
            for index in 0..count {
                if let Some(datagram) = receiver.datagram(index) {
                    let arrival = stamps.arrival(datagram.stamp);
                    let wall = wall.before(stamps.now().since(arrival));
                    self.datagram(arrival, wall, datagram.from, datagram.bytes);
                }
            }
            let all = count < receiver.capacity();
            self.receiver = receiver;
            if all {
                return;
            }
        }
        // Edges are told once: come back for the rest.
        let more = match channel {
            Channel::Rtp => Some((&self.sockets.rtp, RTP)),
            Channel::Rtcp => self.sockets.rtcp.as_ref().map(|s| (s, RTCP)),
        };
        if let Some((socket, token)) = more {
            let _ = self.epoll.look_again(socket.as_raw_fd(), token);
        }
    }

    fn datagram(&mut self, now: Time, wall: NtpTime, from: SocketAddr, datagram: &mut [u8]) {
        let id = match &mut self.routes {
            Routes::Sole => self.streams.keys().next().copied(),
            Routes::Many { table, counters, other } => route(table, counters, other.as_ref(), from, datagram),
        };
        if let Some(id) = id {
            self.guarded(id, |s| s.stream.handle_datagram(now, wall, from, datagram));
        }
    }

    fn run_due(&mut self) {
        let (now, wall) = (clock::now(), clock::wall());
        while let Some(Reverse((at, id))) = self.heap.peek().copied() {
            let Some(running) = self.streams.get_mut(&id).filter(|r| r.due == Some(at)) else {
                self.heap.pop();
                continue;
            };
            if at > now {
                return;
            }
            self.heap.pop();
            running.due = None;
            let sockets = Sockets::refer(&self.sockets);
            let errors = thread::caught(|| {
                let mut errors = 0;
                let send =
                    &mut |channel, to, packet: &[u8]| errors += u32::from(!sockets.send(channel, to, packet));
                running.stream.handle_deadline(now, wall, send);
                errors
            });
            match errors {
                Ok(errors) => {
                    (0..errors).for_each(|_| running.stream.count_send_error());
                    self.settle(id);
                }
                Err(text) => {
                    log::error!(target: "voip::engine", "an rtp session panicked: {text}");
                    self.close(id);
                }
            }
        }
    }

    fn arm(&mut self) {
        let next = self.next_deadline();
        self.timer.arm(next);
    }

    /// Says goodbye to the peer; nothing of the session is called any more.
    fn close(&mut self, id: u64) {
        self.forget_route(id);
        let Some(mut running) = self.streams.remove(&id) else { return };
        let sockets = Sockets::refer(&self.sockets);
        let ended = thread::caught(|| {
            let send = &mut |channel, to, packet: &[u8]| {
                sockets.send(channel, to, packet);
            };
            running.stream.close(clock::now(), clock::wall(), send);
        });
        if let Err(text) = ended {
            log::error!(target: "voip::engine", "the end of an rtp session panicked: {text}");
        }
        while let Some(event) = running.stream.poll_event() {
            let _ = thread::caught(|| running.shared.event(&event));
        }
        running.shared.publish_final(&running.stream);
        // The rings first, then the news: who is woken finds them closed.
        let shared = running.shared.clone();
        drop(running);
        shared.end();
    }

    pub fn close_all(&mut self) {
        // What was posted and not taken: sessions that never began are over, too.
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Open(opening) = command {
                opening.shared.end();
            }
        }
        let mut ids: Vec<u64> = self.streams.keys().copied().collect();
        ids.sort_unstable();
        ids.into_iter().for_each(|id| self.close(id));
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.close_all();
    }
}

/// Whose datagram of a shared socket it is.
fn route(
    table: &mut Demux,
    counters: &MuxCounters,
    other: Option<&OtherSink>,
    from: SocketAddr,
    datagram: &[u8],
) -> Option<u64> {
    let count = |counter: &AtomicU64| {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    let kind = classify(datagram);
    if !matches!(kind, PacketKind::Rtp | PacketKind::Rtcp) {
        count(match kind {
            PacketKind::Stun => &counters.stun,
            PacketKind::Dtls => &counters.dtls,
            _ => &counters.other,
        });
        if let Some(sink) = other {
            let _ = thread::caught(|| sink(kind, from, datagram));
        }
        return None;
    }
    match table.route(from, sender_ssrc(datagram)) {
        Route::Known(id) => {
            count(&counters.routed);
            Some(id)
        }
        Route::Learned(id) => {
            count(&counters.routed);
            count(&counters.learned);
            Some(id)
        }
        Route::Unknown => {
            count(&counters.unrouted);
            None
        }
    }
}

impl Sockets {
    /// The sockets beside a stream that is borrowed.
    fn refer(&self) -> Out<'_> {
        Out { rtp: &self.rtp, rtcp: self.rtcp.as_ref(), ipv6: self.ipv6 }
    }
}

#[derive(Clone, Copy)]
struct Out<'a> {
    rtp: &'a UdpSocket,
    rtcp: Option<&'a UdpSocket>,
    ipv6: bool,
}

impl Out<'_> {
    fn send(&self, channel: Channel, to: SocketAddr, packet: &[u8]) -> bool {
        let socket = match channel {
            Channel::Rtp => self.rtp,
            Channel::Rtcp => self.rtcp.unwrap_or(self.rtp),
        };
        socket.send_to(packet, udp::for_family(to, self.ipv6)).is_ok()
    }
}
