//! The short ways of a session against its long ones: whatever comes, both do the same.

use super::*;
use crate::media::vad::VadConfig;
use crate::proto::rtp::PayloadFormat;
use crate::proto::srtp::{MasterKey, Profile, Protector, StreamKeys};
use crate::util::SeededRng;
use core::cell::Cell;

/// Nothing is taken for ordinary, if `long`; how often it was asked.
#[derive(Default)]
pub struct Way {
    pub long: bool,
    asked: Cell<u64>,
}

impl Way {
    pub fn goes_the_long_one(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.long
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

/// A session and all that was seen of it.
struct End {
    session: Session,
    host: HostAudio,
    seen: Vec<String>,
}

/// The peer's side: what it sends next.
struct Peer {
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    port: u16,
    payload_type: u8,
    protector: Option<Protector>,
    held: Option<Vec<u8>>,
}

impl Peer {
    fn packet(&mut self, rng: &mut SeededRng, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let header = RtpHeader {
            payload_type,
            marker: rng.below(60) == 0,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = [&header.to_bytes()[..], payload].concat();
        let len = packet.len();
        match (&mut self.protector, rng.below(80)) {
            (Some(protector), _) => {
                packet.resize(len + ROOM, 0);
                let len = protector.protect_rtp(&mut packet, len).expect("it has room");
                packet.truncate(len);
            }
            (None, 0) => {
                // Padding of four bytes.
                packet[0] |= 0x20;
                packet.extend([0, 0, 0, 4]);
            }
            _ => {}
        }
        packet
    }

    /// What arrives in this interval.
    fn speak(&mut self, rng: &mut SeededRng, rough: bool) -> Vec<(u16, Vec<u8>)> {
        let mut out = Vec::new();
        let payload: Vec<u8> = (0..160).map(|_| rng.next_u32() as u8).collect();
        let len = if rough && rng.below(30) == 0 { 80 } else { 160 };
        let accident = if rough { rng.below(24) } else { 99 };
        let packet = match accident {
            0 => self.packet(rng, 101, &[5, 10, 0, 160]),
            1 => self.packet(rng, 101, &[5, 0x8a, 1, 64]),
            2 => self.packet(rng, 13, &[40]),
            3 => self.packet(rng, 77, &payload),
            4 => self.packet(rng, 8 - self.payload_type, &payload[..len]),
            _ => self.packet(rng, self.payload_type, &payload[..len]),
        };
        self.timestamp = self.timestamp.wrapping_add(len as u32);
        match accident {
            5 => {}
            6 => out.extend([(self.port, packet.clone()), (self.port, packet)]),
            7 => self.held = Some(packet),
            8 => out.extend([(self.port, packet), (self.port, vec![0x81, 201, 0, 1, 0, 0, 0, 1])]),
            9 => out.extend([(self.port + 2, packet.clone()), (self.port, packet)]),
            10 => out.extend([(self.port, packet[..11].to_vec()), (self.port, packet)]),
            _ => out.push((self.port, packet)),
        }
        if accident > 7 {
            out.extend(self.held.take().map(|late| (self.port, late)));
        }
        match if rough { rng.below(400) } else { 99 } {
            0 => self.ssrc = rng.next_u32(),
            1 if self.protector.is_none() => self.sequence = rng.next_u32() as u16,
            2 => self.timestamp = rng.next_u32(),
            3 => self.port += 4,
            4 => self.payload_type = 8 - self.payload_type,
            _ => {}
        }
        out
    }
}

impl End {
    fn new(seed: u64, long: bool, params: &StreamParams, now: Time) -> End {
        let mut rng = SeededRng::new(seed);
        let config = SessionConfig { rtp_timeout: Duration::from_secs(1), ..SessionConfig::default() };
        let (mut session, host) = Session::new(config, &mut rng, now);
        session.configure(now, params).expect("G.711");
        session.stream.as_mut().expect("configured").receive.way.long = long;
        End { session, host, seen: Vec::new() }
    }

    fn tick(&mut self, now: Time) {
        let seen = &mut self.seen;
        self.session.handle_deadline(now, &mut |to, packet| seen.push(format!("{to} {packet:?}")));
    }

    /// What the host does, out of this seed.
    fn host(&mut self, now: Time, seed: u64, rough: bool) {
        let mut rng = SeededRng::new(seed);
        let mut pcm = [0i16; 400];
        let n = self.host.reader.read(&mut pcm[..160]);
        self.seen.push(format!("{:?}", &pcm[..n]));
        pcm.fill_with(|| rng.next_u32() as i16);
        let n = if rough && rng.below(20) == 0 { rng.below(400) as usize } else { 160 };
        self.host.writer.write(&pcm[..n]);
        if !rough {
            return;
        }
        let session = &mut self.session;
        match rng.below(300) {
            0 => session.set_muted(rng.below(2) == 0),
            1 => session.set_gain(100, 50 + 50 * rng.below(2) as u32).expect("in range"),
            2 => session.set_gain(50 + 50 * rng.below(2) as u32, 100).expect("in range"),
            3 => session.set_vad((rng.below(2) == 0).then(VadConfig::default)),
            4 => session
                .send_dtmf("12", Duration::from_millis(60), Duration::from_millis(40), 7)
                .expect("keys"),
            5 => session.set_turnaround(Duration::from_millis(6 * rng.below(2))),
            6 => session.set_extra_delay(Duration::from_millis(rng.below(10))),
            7 => session.set_tap((rng.below(2) == 0).then(|| Box::new(|_: bool, _: &[i16]| {}) as TapFn)),
            8 => session.flush(),
            9 => session.send_packet(now, Box::new([0x80; 40])),
            10 => session.mark(rng.below(9), self.host.writer.written()),
            11 => self.host.writer.flush(),
            12 => session.set_filter((rng.below(2) == 0).then(|| {
                Box::new(|_: bool, room: &mut [u8], len: usize| (room[len - 1] > 9).then_some(len))
                    as FilterFn
            })),
            _ => {}
        }
    }

    fn look(&mut self) {
        let session = &mut self.session;
        let (wake, drained) = (session.take_wake(), session.is_drained());
        let now = format!("{:?} {:?} {wake:?} {drained}", session.stats(), session.levels());
        let next = session.next_deadline();
        self.seen.push(format!("{now} {next:?} {} {}", session.is_playing(), session.has_next_packet()));
        while let Some(event) = self.session.poll_event() {
            self.seen.push(format!("{event:?}"));
        }
    }
}

fn keys() -> StreamKeys {
    let key = |n| MasterKey::new(Profile::AesCm128HmacSha1_80, &[n; 16], &[n; 14], &[]).expect("its length");
    StreamKeys { send: key(1), receive: key(2) }
}

fn params(port: u16, payload_type: u8, srtp: bool) -> StreamParams {
    let format = |n| PayloadFormat::static_format(n).expect("static");
    StreamParams {
        remote: Some(at(port)),
        codec: format(payload_type),
        receive: vec![format(0), format(8), PayloadFormat::telephone_event(101, 8000)],
        telephone_event: Some(101),
        telephone_event_receive: Some(101),
        ptime_ms: 20,
        sending: true,
        receiving: true,
        srtp: srtp.then(|| Box::new(keys())),
        rtcp_mux: port % 2 == 0,
    }
}

/// Ten seconds of a line; how often a shorter way was thought of by the session that may take it.
fn compare(seed: u64, rough: bool) -> u64 {
    let mut rng = SeededRng::new(seed);
    let srtp = seed % 4 == 3;
    let mut now = Time::from_secs(rng.below(1 << 24)) + Duration::from_nanos(rng.below(1 << 30));
    let payload_type = 8 * (rng.below(2) as u8);
    let mut params = params(5000 + rng.below(2) as u16, payload_type, srtp);
    let mut ends = [false, true].map(|long| End::new(seed, long, &params, now));
    let protector = srtp.then(|| Protector::new(&keys().receive).expect("a key"));
    let (sequence, timestamp, ssrc) = (rng.next_u32() as u16, rng.next_u32(), rng.next_u32());
    let mut peer = Peer { sequence, timestamp, ssrc, port: 5000, payload_type, protector, held: None };
    for interval in 0..500 {
        let arrived = peer.speak(&mut rng, rough);
        let host = rng.next_u64();
        if rough && rng.below(200) == 0 {
            (params.sending, params.receiving) = (rng.below(4) > 0, rng.below(4) > 0);
            ends.iter_mut().for_each(|end| end.session.configure(now, &params).expect("as before"));
        }
        let late = Duration::from_nanos(rng.below(if rough { 9_000_000 } else { 500_000 }));
        let silent = rough && rng.below(300) == 0;
        for end in &mut ends {
            let mut now = now;
            for (port, packet) in &arrived {
                end.session.handle_packet(now, at(*port), &mut packet.clone());
            }
            end.host(now, host, rough);
            let until = now + Duration::from_millis(if silent { 1500 } else { 20 });
            while let Some(next) = end.session.next_deadline().filter(|next| *next <= until) {
                now = now.max(next) + late;
                end.tick(now);
                end.look();
            }
        }
        assert_eq!(ends[0].seen, ends[1].seen, "seed {seed}, interval {interval}");
        ends.iter_mut().for_each(|end| end.seen.clear());
        now +=
            Duration::from_millis(if silent { 1500 } else { 20 }) + Duration::from_nanos(rng.below(90_000));
    }
    let stream = ends[0].session.stream.as_ref().expect("configured");
    stream.receive.way.asked.get()
}

#[test]
fn a_calm_line_is_heard_alike_by_the_short_way_and_the_long_one() {
    for seed in 0..8 {
        assert!(compare(seed, false) >= 900, "seed {seed}");
    }
}

#[test]
fn whatever_happens_on_a_rough_line_happens_by_the_short_way_and_the_long_one() {
    for seed in 0..30 {
        compare(seed, true);
    }
}
