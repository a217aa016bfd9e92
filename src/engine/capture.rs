//! A call on its way into a pcapng file: what the media worker and the control thread see goes to the file thread,
//! which puts it in order of time and writes it.
//!
//! The worker's end is a ring of bytes: a packet costs it one copy, no allocation and no lock. What finds no room is
//! lost and counted.

use super::clock;
use super::error::{Error, Result};
use super::link::{Link, ToControl};
use super::recorder::Job;
use crate::proto::sip::{Peer, Transport};
use crate::ua::CallId;
use crate::util::{pcapng, Time};
use crossbeam_channel::{bounded, Receiver, Sender, TryRecvError};
use rtrb::{Consumer, Producer, RingBuffer};
use std::fs::File;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Ten seconds of a call with 50 packets a second each way, or a second of a bad disk with a burst.
const RING_BYTES: usize = 256 << 10;
/// Longer datagrams are none of a call's.
const MAX_PACKET: usize = 2048;
/// SIP messages on their way.
const MESSAGES: usize = 1024;
/// What comes from two threads is put in order within this time.
const HOLD: Duration = Duration::from_secs(1);

/// In the ring: length, sent, address, port, instant; the packet follows.
const HEAD: usize = 2 + 1 + 16 + 2 + 8;

#[derive(Debug, Default)]
struct Shared {
    lost: AtomicU64,
    /// Our media address, once the stream has one.
    local: OnceLock<SocketAddr>,
}

/// The worker's end; dropping it ends the media of the capture.
#[derive(Debug)]
pub struct MediaTap {
    ring: Producer<u8>,
    shared: Arc<Shared>,
}

impl MediaTap {
    pub fn begin(&self, local: SocketAddr) {
        let _ = self.shared.local.set(local);
    }

    /// A datagram as it is on the wire.
    pub fn packet(&mut self, at: Time, sent: bool, peer: SocketAddr, bytes: &[u8]) {
        if bytes.len() > MAX_PACKET {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let ip = match peer.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        // Put together first: the file thread never sees half a record.
        let mut record = [0u8; HEAD + MAX_PACKET];
        let head: [&[u8]; 5] = [
            &(bytes.len() as u16).to_le_bytes(),
            &[u8::from(sent)],
            &ip,
            &peer.port().to_le_bytes(),
            &at.as_nanos().to_le_bytes(),
        ];
        let mut rest = &mut record[..];
        for part in head.into_iter().chain([bytes]) {
            let Some((place, behind)) = rest.split_at_mut_checked(part.len()) else { return };
            place.copy_from_slice(part);
            rest = behind;
        }
        let record = record.get(..HEAD + bytes.len()).unwrap_or_default();
        if self.ring.push_entire_slice(record).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The control thread's end; dropping it ends the signalling of the capture.
#[derive(Debug)]
pub struct SipTap {
    sender: Sender<Message>,
    shared: Arc<Shared>,
}

/// One SIP message.
#[derive(Debug)]
pub struct Message {
    pub at: Time,
    pub sent: bool,
    pub local: SocketAddr,
    pub peer: Peer,
    pub bytes: Arc<[u8]>,
    /// Where it comes from, if not from the wire.
    pub note: &'static str,
}

impl SipTap {
    /// Never waits.
    pub fn message(&self, message: Message) {
        if self.sender.try_send(message).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A capture on its way to the control thread.
pub struct Start {
    pub call: CallId,
    /// Nothing in the file is older.
    pub at: Time,
    pub sip: SipTap,
    pub media: Option<MediaTap>,
}

/// The file's end: work for the file thread.
pub struct Capture {
    call: CallId,
    id: u64,
    ring: Consumer<u8>,
    messages: Receiver<Message>,
    shared: Arc<Shared>,
    /// What waits to be put in order.
    waiting: Vec<Packet>,
    wall: Wall,
    file: io::BufWriter<File>,
    scratch: Vec<u8>,
    packets: u64,
    failed: bool,
}

struct Packet {
    at: Time,
    sent: bool,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
    note: String,
}

/// The wall clock at one instant of ours.
#[derive(Clone, Copy)]
struct Wall {
    at: Time,
    unix: Duration,
}

impl Wall {
    fn now() -> Wall {
        Wall { at: clock::now(), unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }
    fn nanos(self, at: Time) -> u64 {
        let unix = match at >= self.at {
            true => self.unix + at.since(self.at),
            false => self.unix.saturating_sub(self.at.since(at)),
        };
        u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Makes the file, with its beginning written. `media` false: only signalling.
pub fn create(path: &str, call: CallId, id: u64, media: bool) -> Result<(Start, Capture)> {
    let file = File::create(path).map_err(|e| Error::system(&format!("creating {path}"), &e))?;
    let shared = Arc::new(Shared::default());
    let (ring, drain) = RingBuffer::new(if media { RING_BYTES } else { 1 });
    let (sender, messages) = bounded(MESSAGES);
    let media = media.then(|| MediaTap { ring, shared: shared.clone() });
    let wall = Wall::now();
    let start = Start { call, at: wall.at, sip: SipTap { sender, shared: shared.clone() }, media };
    let mut capture = Capture {
        call,
        id,
        ring: drain,
        messages,
        shared,
        waiting: Vec::new(),
        wall,
        file: io::BufWriter::with_capacity(1 << 16, file),
        scratch: Vec::new(),
        packets: 0,
        failed: false,
    };
    pcapng::begin(&mut capture.scratch, concat!("libvoip ", env!("CARGO_PKG_VERSION")));
    let begun = capture.file.write_all(&capture.scratch).and_then(|()| capture.file.flush());
    begun.map_err(|e| Error::system(&format!("writing {path}"), &e))?;
    Ok((start, capture))
}

impl Job for Capture {
    fn work(&mut self) -> bool {
        let until = clock::now() - HOLD;
        // In this order: what came before an end is seen after it.
        let media_over = self.ring.is_abandoned();
        self.take_packets();
        let sip_over = self.take_messages();
        let over = media_over && sip_over;
        self.write(if over { Time::MAX } else { until });
        over
    }

    fn finish(&mut self, link: &Weak<Link>) {
        self.write(Time::MAX);
        let lost = self.shared.lost.load(Ordering::Relaxed);
        self.scratch.clear();
        let at = self.wall.nanos(clock::now());
        pcapng::end(&mut self.scratch, at, self.packets + lost, lost);
        self.failed |= self.file.write_all(&self.scratch).and_then(|()| self.file.flush()).is_err();
        if self.failed {
            log::error!(target: "voip::engine", "a capture could not be written to its end");
        }
        if lost > 0 {
            log::warn!(target: "voip::engine", "a capture lost {lost} packets: the disk was too slow");
        }
        if let Some(link) = link.upgrade() {
            let (packets, ok) = (self.packets, !self.failed);
            let _ = link.post(ToControl::CaptureFinished { call: self.call, id: self.id, packets, lost, ok });
        }
    }
}

impl Capture {
    fn take_packets(&mut self) {
        let mut head = [0u8; HEAD];
        loop {
            if self.ring.pop_entire_slice(&mut head).is_err() {
                return;
            }
            let Some((len, sent, peer, at)) = read_head(&head) else { return };
            let mut bytes = vec![0; len];
            if self.ring.pop_entire_slice(&mut bytes).is_err() {
                return;
            }
            // It waited in the socket when the capture began.
            if at <= self.wall.at {
                continue;
            }
            let local = self.shared.local.get().copied().unwrap_or_else(|| unknown(peer));
            let (from, to) = if sent { (local, peer) } else { (peer, local) };
            self.waiting.push(Packet { at, sent, from, to, bytes, note: String::new() });
        }
    }

    /// True when no more will come.
    fn take_messages(&mut self) -> bool {
        loop {
            match self.messages.try_recv() {
                Ok(message) => self.waiting.push(message.into()),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
    }

    /// What is not newer than that, in order.
    fn write(&mut self, until: Time) {
        self.waiting.sort_by_key(|packet| packet.at);
        let count = self.waiting.partition_point(|packet| packet.at <= until);
        for Packet { at, sent, from, to, bytes, note } in self.waiting.drain(..count) {
            self.scratch.clear();
            let at = self.wall.nanos(at);
            let datagram = pcapng::Datagram { at, sent, from, to, payload: &bytes, comment: &note };
            if pcapng::datagram(&mut self.scratch, &datagram) {
                self.failed |= self.file.write_all(&self.scratch).is_err();
                self.packets += 1;
            } else {
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl From<Message> for Packet {
    fn from(message: Message) -> Packet {
        let Message { at, sent, local, peer, bytes, note } = message;
        let remote = peer.address;
        let (from, to) = if sent { (local, remote) } else { (remote, local) };
        let note = match peer.transport {
            Transport::Udp => note.to_owned(),
            other if note.is_empty() => format!("over {}", other.as_str()),
            other => format!("{note}, over {}", other.as_str()),
        };
        Packet { at, sent, from, to, bytes: bytes.to_vec(), note }
    }
}

fn read_head(head: &[u8; HEAD]) -> Option<(usize, bool, SocketAddr, Time)> {
    let (len, rest) = head.split_first_chunk::<2>()?;
    let (sent, rest) = rest.split_first()?;
    let (ip, rest) = rest.split_first_chunk::<16>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let at = Time::from_nanos(u64::from_le_bytes(*rest.first_chunk::<8>()?));
    let ip = IpAddr::V6(Ipv6Addr::from(*ip)).to_canonical();
    let peer = SocketAddr::new(ip, u16::from_le_bytes(*port));
    Some((usize::from(u16::from_le_bytes(*len)), *sent != 0, peer, at))
}

/// Of the other's family.
fn unknown(peer: SocketAddr) -> SocketAddr {
    match peer.is_ipv4() {
        true => SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
        false => SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
    }
}
