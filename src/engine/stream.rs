//! One call's stream as its media worker holds it: the session, its socket, what its host waits for.

use super::call::Call;
use super::calm::Calm;
use super::capture::MediaTap;
use super::clock::{self, Stamps};
use super::receiver::Receiver;
use super::send_batch::Flushed;
use super::udp;
use super::worker::{MediaOp, Opening, Path, Report};
use crate::media::{MediaEvent, Session};
use crate::ua::CallId;
use crate::util::{prefetch_bytes, Time};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// The host sees counters that are at most so old.
const STATS_EVERY: Duration = Duration::from_millis(100);
/// Every so many reads by ticks take all that came.
const THOROUGH: u32 = 16;
/// Every IPv4 path carries so much whole (RFC 791: 576 octets with headers).
const NEVER_FRAGMENTED: usize = 512;

#[repr(C)]
pub struct Stream {
    // What every tick looks at comes first, see `prefetch`.
    /// What the wheel has for it; other entries are stale.
    pub due: Option<Time>,
    pub call: Call,
    /// How often its socket was read by ticks.
    looks: u32,
    /// The socket is read when the session plays, and not watched.
    pub by_tick: bool,
    ipv6: bool,
    path: Path,
    pub calm: Calm,
    capture: Option<Box<MediaTap>>,
    stats_due: Option<Time>,
    /// When the host may see the counters next.
    stats_publish: Time,
    pub session: Session,
    /// Where in the packet interval it plays, while it is read by ticks.
    pub place: Option<usize>,
    stats_every: Duration,
    pub id: CallId,
}

#[derive(Default)]
pub struct Sent {
    pub packets: u64,
    pub bytes: u64,
    pub errors: u64,
}

impl Sent {
    pub fn count(&mut self, flushed: Flushed) {
        self.packets += flushed.packets;
        self.bytes += flushed.bytes;
        self.errors += flushed.errors;
    }
}

impl Stream {
    pub fn new(opening: Opening) -> Stream {
        let Opening { call, session, path } = opening;
        let ipv6 = match &path {
            Path::Own { ipv6, .. } => *ipv6,
            Path::Shared(_) => false,
        };
        Stream {
            id: call.id(),
            call,
            session,
            path,
            capture: None,
            ipv6,
            calm: Calm::default(),
            by_tick: false,
            looks: 0,
            place: None,
            due: None,
            stats_publish: Time::ZERO,
            stats_every: Duration::ZERO,
            stats_due: None,
        }
    }

    /// Its own socket, if it has one.
    pub fn own_socket(&self) -> Option<RawFd> {
        match &self.path {
            Path::Own { socket, .. } => Some(socket.as_raw_fd()),
            Path::Shared(_) => None,
        }
    }
    pub fn is_ipv6(&self) -> bool {
        self.ipv6
    }
    /// The number of the socket that it shares.
    pub fn shared_socket(&self) -> Option<usize> {
        match &self.path {
            Path::Own { .. } => None,
            Path::Shared(index) => Some(*index),
        }
    }
    /// For a stream whose turn is soon: has its memory at hand. Each step needs what the ones before have fetched.
    #[inline]
    pub fn prefetch(&self, step: u8) {
        match step {
            0 => prefetch_bytes(std::ptr::from_ref(self).cast(), std::mem::offset_of!(Stream, session)),
            1 => self.call.shared().prefetch(),
            _ => {}
        }
        self.session.prefetch(step);
    }
    /// Whether the socket should be read before the session runs: for all that came, or for one packet, which is what
    /// comes in an interval. One more may stay in the socket until it is missed or until the next thorough look.
    pub fn packets_wanted(&mut self, now: Time) -> Option<bool> {
        if !self.by_tick || !self.session.wants_packets(now) {
            return None;
        }
        self.looks = self.looks.wrapping_add(1);
        Some(self.looks % THOROUGH == 0 || !self.session.has_next_packet())
    }
    /// Takes some datagrams of a batch; how many bytes.
    pub fn hear(&mut self, receiver: &mut Receiver, which: Range<usize>, stamps: Stamps) -> u64 {
        let mut bytes = 0;
        for index in which {
            let Some(datagram) = receiver.datagram(index) else { continue };
            bytes += datagram.bytes.len() as u64;
            self.arrived(stamps.arrival(datagram.stamp), datagram.from, datagram.bytes);
            self.calm.heard(stamps.now(), datagram.from, || self.session.destination());
        }
        bytes
    }

    /// For a stream of a crowd that is about to be read: its socket is connected once nobody else is heard.
    pub fn calm_down(&mut self, now: Time) {
        if let (true, Some(fd)) = (self.calm.is_ready(self.session.has_reports()), self.own_socket()) {
            if let Some(peer) = self.session.destination() {
                self.calm.connect(now, fd, peer, self.ipv6);
            }
        }
    }
    /// Whoever was connected listens to everybody again.
    pub fn look_around(&mut self) {
        if let Some(fd) = self.own_socket() {
            self.calm.let_go(fd);
        }
    }
    /// Nothing could be read.
    pub fn heard_nothing(&mut self, now: Time, error: &std::io::Error) {
        if error.kind() != std::io::ErrorKind::WouldBlock || self.calm.is_silent(now) {
            self.look_around();
        }
    }
    /// One datagram, as it is on the wire.
    pub fn arrived(&mut self, at: Time, from: SocketAddr, bytes: &mut [u8]) {
        if let Some(capture) = &mut self.capture {
            capture.packet(at, false, from, bytes);
        }
        self.session.handle_packet(at, from, bytes);
    }
    pub fn next_deadline(&self) -> Option<Time> {
        earlier(self.session.next_deadline(), self.stats_due)
    }

    /// Plays what is due, and hands out what is due to be sent. False: nothing was.
    pub fn tick(&mut self, now: Time, send: &mut dyn FnMut(SocketAddr, &[u8])) -> bool {
        if self.session.next_deadline().is_none_or(|at| at > now) {
            return false;
        }
        match &mut self.capture {
            None => self.session.handle_deadline(now, send),
            Some(capture) => self.session.handle_deadline(now, &mut |to, packet| {
                capture.packet(clock::now(), true, to, packet);
                send(to, packet);
            }),
        }
        true
    }

    /// After a tick, the usual end of a turn: the host sees what is new, and `due` is when it goes on. False: there is more to
    /// be done, and nothing was.
    pub fn rest(&mut self, now: Time) -> bool {
        let told = self.stats_due.is_none_or(|at| at > now);
        if !told || self.session.has_events() || self.session.is_playing() != self.by_tick {
            return false;
        }
        self.show(now, self.session.was_drained(), false);
        self.due = self.next_deadline();
        true
    }

    pub fn stats_report(&mut self, now: Time) -> Option<Report> {
        let due = self.stats_due.filter(|at| *at <= now)?;
        self.stats_due = Some((due + self.stats_every).max(now));
        Some(Report::Stats { call: self.id, stats: self.session.stats() })
    }

    /// Lets the host see levels at once and counters now and then, and wakes who waits.
    pub fn publish(&mut self, now: Time, at_once: bool) {
        let drained = self.session.is_drained();
        self.show(now, drained, at_once);
    }
    fn show(&mut self, now: Time, drained: bool, at_once: bool) {
        let wake = self.session.take_wake();
        let shared = self.call.shared();
        let changed = shared.publish(drained, self.session.levels());
        let due = at_once || now >= self.stats_publish || self.session.is_player_busy();
        if due && shared.publish_stats(|| self.session.stats()) {
            self.stats_publish = now + STATS_EVERY;
        }
        if wake.readable || wake.writable || wake.drained || changed {
            shared.signal().notify();
        }
    }
    /// Whatever is published next includes the counters.
    pub fn publish_soon(&mut self) {
        self.stats_publish = Time::ZERO;
    }

    /// Its packets are so large that not every path carries them whole.
    pub fn may_need_fragments(&self) -> bool {
        self.session.packet_bytes().is_some_and(|n| n > NEVER_FRAGMENTED)
    }
    /// After a description: small packets need no room for fragmentation.
    pub fn described(&mut self) {
        self.look_around();
        match self.own_socket() {
            Some(fd) if !self.ipv6 && self.may_need_fragments() => udp::fragment_again(fd),
            Some(fd) if !self.ipv6 => udp::never_fragment(fd),
            _ => {}
        }
    }

    /// Some(event): the operation came to nothing, and this is what its host waits for.
    pub fn apply(&mut self, now: Time, op: MediaOp) -> Option<MediaEvent> {
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
            MediaOp::Capture(tap) => {
                if let (Some(tap), Some(local)) = (&tap, self.call.media_info().local) {
                    tap.begin(local);
                }
                self.capture = tap.map(Box::new);
            }
            MediaOp::Tap(tap) => self.session.set_tap(tap),
            MediaOp::Session(work) => work(&mut self.session, now),
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

impl Stream {
    /// The last words: nothing of it is left afterwards.
    pub fn finish(self) {
        let Stream { call, session, path, .. } = self;
        call.shared().publish_final(session.stats());
        drop(session);
        if let Path::Own { socket, lease, .. } = path {
            // Socket first, then the port: whoever takes the port next can bind it.
            drop(socket);
            drop(lease);
        }
        call.shared().media_closed();
    }
}

fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
