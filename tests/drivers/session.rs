//! Drives one media session with anything, in virtual time, and holds it to its contract: whatever arrives is counted,
//! whatever it sends is RTP, no deadline stays in the past, its memory has a bound. Shared by the fuzz target
//! `session` and by `tests/mutations.rs`.
#![allow(dead_code)]

use crate::bytes::Bytes;
use std::net::SocketAddr;
use voip::media::host_ring::host_rings;
use voip::media::{
    record_tap, FilterFn, HostAudio, PlaySource, RecordDrain, Session, SessionConfig, StreamParams, VadConfig,
};
use voip::proto::rtp::{classify, PacketKind, PayloadFormat, RtpBuilder, RtpHeader, RtpPacket};
use voip::util::{Duration, SeededRng, Time};

/// Measured at 100 KB for the largest formats; what grows without a bound passes this soon.
const MAX_MEMORY: usize = 1 << 20;
const MAX_DATAGRAM: usize = 2048;

pub struct World {
    pub session: Session,
    host: HostAudio,
    drain: Option<RecordDrain>,
    now: Time,
    pub header: RtpHeader,
    pub sent: u64,
    pub heard: u64,
    described: bool,
    /// Datagrams before the description that must be counted by its time.
    early: u64,
}

pub fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 9], 4000))
}
fn stranger(n: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, n], 4000 + u16::from(n)))
}

const RATES: [u32; 4] = [8000, 16_000, 44_100, 48_000];

pub fn params(codec: u8, ptime_ms: u32) -> StreamParams {
    let own = [0, 8, 9, 5, 6, 11];
    let codec = own[usize::from(codec) % own.len()];
    let formats = own.iter().filter_map(|pt| PayloadFormat::static_format(*pt).ok());
    StreamParams {
        remote: Some(peer()),
        codec: PayloadFormat::static_format(codec).expect("a static format"),
        receive: formats.chain([PayloadFormat::telephone_event(101, 8000)]).collect(),
        telephone_event: Some(101),
        telephone_event_receive: Some(101),
        ptime_ms,
        sending: true,
        receiving: true,
        srtp: None,
        rtcp_mux: false,
    }
}

impl World {
    pub fn new(seed: u64, rate: u8) -> World {
        let rate = RATES[usize::from(rate) % RATES.len()];
        let ring = rate as usize / 5;
        let config = SessionConfig {
            host_rate: rate,
            read_ring_frames: ring,
            write_ring_frames: ring,
            rtp_timeout: Duration::from_secs(5),
            ..SessionConfig::default()
        };
        let now = Time::from_secs(5);
        let (session, host) = Session::new(config, &mut SeededRng::new(seed), now);
        let header = RtpHeader {
            payload_type: 0,
            marker: false,
            sequence: 65_500,
            timestamp: u32::MAX - 4000,
            ssrc: 7,
        };
        World { session, host, drain: None, now, header, sent: 0, heard: 0, described: false, early: 0 }
    }

    pub fn configure(&mut self, params: &StreamParams) {
        let described = self.session.configure(self.now, params).is_ok();
        if described && self.early > 0 {
            // What waited for the description was heard or given up, each counted.
            assert!(self.counted() >= self.early, "{} of {} counted", self.counted(), self.early);
            self.early = 0;
        }
        self.described |= described;
        self.check();
    }
    fn counted(&self) -> u64 {
        let stats = self.session.stats();
        stats.rx_packets + stats.rx_discarded
    }
    pub fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        let before = self.counted();
        self.session.handle_packet(self.now, from, &mut bytes.to_vec());
        if classify(bytes) != PacketKind::Rtcp {
            self.early += u64::from(!self.described);
            assert!(!self.described || self.counted() > before, "not counted: {bytes:02x?}");
        }
        self.check();
    }
    /// The next packet of a stream that is in order, as bytes.
    pub fn next_packet(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; MAX_DATAGRAM];
        let length = RtpBuilder::new(self.header, payload).write(&mut bytes).expect("room");
        bytes.truncate(length);
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(160);
        bytes
    }
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.session.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.tick();
        }
        self.now = end;
    }
    /// Everything that was due comes late, at once.
    pub fn oversleep(&mut self, time: Duration) {
        self.now += time;
        self.tick();
    }
    fn tick(&mut self) {
        for _ in 0..1000 {
            let now = self.now;
            let mut sent = 0;
            self.session.handle_deadline(now, &mut |_, bytes| {
                RtpPacket::parse(bytes).expect("we send RTP");
                assert!(bytes.len() <= MAX_DATAGRAM);
                sent += 1;
            });
            self.sent += sent;
            self.check();
            if self.session.next_deadline().is_none_or(|at| at > now) {
                return;
            }
        }
        panic!("a deadline stays in the past");
    }
    fn check(&mut self) {
        let mut events = 0;
        while self.session.poll_event().is_some() {
            events += 1;
            assert!(events <= 64, "more events than the queue holds");
        }
        let _ = (self.session.take_wake(), self.session.levels(), self.session.is_drained());
        let memory = self.session.memory();
        assert!(memory < MAX_MEMORY, "{memory} bytes");
    }

    pub fn host_reads(&mut self) {
        let mut pcm = [0; 960];
        let frames = self.host.reader.read(&mut pcm);
        assert!(frames <= self.host.reader.capacity());
        self.heard += frames as u64;
        if let Some(drain) = &mut self.drain {
            drain.read(&mut pcm);
        }
    }
    pub fn host_writes(&mut self, frames: usize) {
        let pcm = [1234; 4096];
        let taken = self.host.writer.write(&pcm[..frames.min(pcm.len())]);
        assert!(taken <= frames && self.host.writer.pending() <= self.host.writer.capacity());
    }
    pub fn some_command(&mut self, kind: u8, value: u8) {
        let ms = |n: u8| Duration::from_millis(u64::from(n) * 10);
        let session = &mut self.session;
        match kind % 18 {
            0 => drop(session.send_dtmf("1#!w,A", ms(value), ms(value), 1)),
            1 => drop(session.send_dtmf(if value % 2 == 0 { "" } else { "x" }, ms(1), ms(1), 2)),
            2 => drop(
                session.play(PlaySource::Tone { hz: u32::from(value) * 40, level: i16::MAX, frames: 800 }, 3),
            ),
            3 => {
                let source = PlaySource::pcm(vec![9; usize::from(value)].into(), u32::from(value) * 300);
                drop(session.play(source, 4));
            }
            4 => session.play_stop(),
            5 => {
                let (tap, drain) = record_tap(500, value);
                session.record(tap);
                self.drain = Some(drain);
            }
            6 => session.record_stop(),
            7 => session.flush(),
            8 => session.set_muted(value % 2 == 0),
            9 => drop(session.set_gain(u32::from(value) * 4, u32::from(value))),
            10 => self.host.writer.flush(),
            11 => {
                let config = VadConfig { begin_ms: u32::from(value), ..VadConfig::default() };
                session.set_vad(Some(config).filter(|_| value % 4 != 0));
            }
            12 => session.mark(u64::from(value), self.host.writer.written()),
            13 => {
                self.host.writer.flush();
                session.clear_playback();
            }
            14 => {
                // One that lets pass, changes and spoils; what it would drop nobody counts.
                let mut n = value;
                let change: FilterFn = Box::new(move |_, room, len| {
                    n = n.wrapping_mul(5).wrapping_add(1);
                    room[usize::from(n) % room.len()] ^= 1 << (n % 8);
                    Some(if n % 16 == 0 { usize::from(n) * 16 } else { len })
                });
                session.set_filter(Some(change).filter(|_| value % 2 == 0));
            }
            15 => {
                let header = RtpHeader { ssrc: 9, ..self.header };
                let mut own = vec![0; 12 + usize::from(value)];
                RtpBuilder::new(header, &vec![value; usize::from(value)]).write(&mut own).expect("room");
                session.send_packet(self.now, own.into());
            }
            16 => {
                let rate = RATES[usize::from(value) % RATES.len()];
                let (ends, host) = host_rings(rate, rate as usize / 5, rate as usize / 5);
                session.set_host(rate, ends);
                self.host = host;
            }
            _ => drop(self.host.reader.clear()),
        }
        self.check();
    }
    /// Closes it; nothing may be waiting afterwards.
    pub fn finish(mut self) -> voip::media::MediaStats {
        let stats = self.session.stats();
        self.session.close();
        while self.session.poll_event().is_some() {}
        assert_eq!(self.session.next_deadline(), None);
        stats
    }
}

/// Bytes cut into packets, deadlines, and what a host does.
pub fn run(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let mut world = World::new(1, bytes.byte());
    if bytes.byte() % 8 != 0 {
        world.configure(&params(bytes.byte(), u32::from(bytes.byte())));
    }
    for _ in 0..500 {
        if bytes.is_empty() {
            break;
        }
        step(&mut world, &mut bytes);
    }
    world.finish();
}

fn step(world: &mut World, bytes: &mut Bytes<'_>) {
    match bytes.byte() % 12 {
        0 => {
            let datagram = bytes.piece();
            world.datagram(peer(), datagram);
        }
        1 => {
            let from = stranger(bytes.byte() % 4);
            let datagram = bytes.piece();
            world.datagram(from, datagram);
        }
        2..=4 => {
            world.header.payload_type = [0, 8, 9, 5, 6, 11, 101, 13][usize::from(bytes.byte() % 8)];
            world.header.marker = bytes.byte() % 8 == 0;
            let payload = bytes.piece();
            let mut packet = world.next_packet(payload.get(..1400).unwrap_or(payload));
            bytes.patch(&mut packet);
            world.datagram(peer(), &packet);
        }
        5 => match bytes.byte() % 3 {
            0 => world.header.ssrc = world.header.ssrc.wrapping_add(1),
            1 => world.header.sequence = bytes.word(),
            _ => world.header.timestamp = u32::from(bytes.word()) << 16,
        },
        6..=7 => world.pass(Duration::from_millis(u64::from(bytes.byte()))),
        8 => world.oversleep(Duration::from_millis(u64::from(bytes.byte()) * 20)),
        9 => {
            world.host_writes(usize::from(bytes.word()));
            world.host_reads();
        }
        10 => world.some_command(bytes.byte(), bytes.byte()),
        _ => {
            let mut changed = params(bytes.byte(), u32::from(bytes.byte()));
            let how = bytes.byte();
            (changed.sending, changed.receiving) = (how & 1 == 0, how & 2 == 0);
            changed.remote = Some(peer()).filter(|_| how & 4 == 0);
            world.configure(&changed);
        }
    }
}
