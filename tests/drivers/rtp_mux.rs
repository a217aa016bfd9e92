//! Drives a demultiplexer and the streams behind it with anything, in virtual time: tables stay within their bound,
//! what is sent is RTP or RTCP, no deadline stays in the past. Shared by the fuzz target `rtp_mux` and by
//! `tests/mutations.rs`.
#![allow(dead_code)]

use crate::bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use voip::media::{Channel, HostAudio, RtpStream, RtpStreamConfig, SessionConfig, StreamParams};
use voip::proto::rtcp::{Compound, NtpTime, Rule};
use voip::proto::rtp::{sender_ssrc, Demux, PayloadFormat, Route, RtpBuilder, RtpHeader, RtpPacket};
use voip::util::{Duration, SeededRng, Time};

const LIMIT: usize = 4;

struct World {
    table: Demux,
    streams: BTreeMap<u64, (RtpStream, HostAudio)>,
    now: Time,
    seed: u64,
    sequence: u16,
    /// What the streams sent last, to be sent back to them.
    echo: Vec<u8>,
}

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n % 4], 4000 + u16::from(n % 3)))
}

fn wall(now: Time) -> NtpTime {
    NtpTime((3_900_000_000 << 32) + ((u128::from(now.as_nanos()) << 32) / 1_000_000_000) as u64)
}

fn config(n: u8) -> RtpStreamConfig {
    let pcmu = PayloadFormat::static_format(0).expect("a static format");
    RtpStreamConfig {
        session: SessionConfig::default(),
        params: StreamParams {
            remote: (n % 2 == 0).then(|| address(n)),
            codec: pcmu.clone(),
            receive: vec![pcmu, PayloadFormat::telephone_event(101, 8000)],
            telephone_event: Some(101),
            telephone_event_receive: Some(101),
            ptime_ms: 20,
            sending: true,
            receiving: true,
            srtp: None,
            rtcp_mux: false,
        },
        ssrc: None,
        first_sequence: None,
        first_timestamp: None,
        rtcp_mux: n % 3 != 0,
        remote_rtcp: None,
        report_interval: (n % 5 != 0).then_some(Duration::from_millis(200)),
        cname: "".into(),
    }
}

impl World {
    fn add(&mut self, key: u64, n: u8, ssrc: Option<u32>) {
        let remote = (n % 2 == 0).then(|| address(n));
        let room = self.streams.len() < LIMIT && !self.streams.contains_key(&key);
        assert_eq!(self.table.insert(key, remote, ssrc), room);
        if !room {
            return;
        }
        self.seed += 1;
        let made = RtpStream::new(self.now, config(n), Box::new(SeededRng::new(self.seed)));
        let (mut stream, host) = made.expect("a known codec");
        if n % 7 != 0 {
            stream.start(self.now).expect("a known codec");
        }
        self.streams.insert(key, (stream, host));
    }

    fn remove(&mut self, key: u64) {
        let known = self.streams.remove(&key);
        assert_eq!(self.table.remove(key), known.is_some());
        if let Some((mut stream, _)) = known {
            stream.close(self.now, wall(self.now), &mut |_, _, bytes| check(bytes));
            assert_eq!(stream.next_deadline().filter(|at| *at < self.now), None);
        }
    }

    fn arrive(&mut self, from: SocketAddr, bytes: &mut [u8]) {
        let (first, again) = {
            let ssrc = sender_ssrc(bytes);
            let first = self.table.route(from, ssrc);
            (first, self.table.route(from, ssrc))
        };
        let (Route::Known(key) | Route::Learned(key)) = first else {
            return assert_eq!(again, Route::Unknown);
        };
        assert_eq!(again, Route::Known(key), "what was learned is known");
        let (stream, _) = self.streams.get_mut(&key).expect("only entries are found");
        stream.handle_datagram(self.now, wall(self.now), from, bytes);
        while stream.poll_event().is_some() {}
        let (_, rtcp) = stream.stats();
        assert!(rtcp.round_trip.is_none_or(|t| t < Duration::from_secs(65_536)));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for (stream, host) in self.streams.values_mut() {
            for _ in 0..64 {
                if stream.next_deadline().is_none_or(|at| at > self.now) {
                    break;
                }
                stream.handle_deadline(self.now, wall(self.now), &mut |channel, to, bytes| {
                    check(bytes);
                    assert!(to.port() != 0 || channel == Channel::Rtcp);
                    self.echo = bytes.to_vec();
                });
            }
            assert!(stream.next_deadline().is_none_or(|at| at > self.now), "a deadline stays in the past");
            let mut pcm = [0; 480];
            let (n, timestamp) = host.reader.read_timed(&mut pcm);
            assert!(n == 0 || timestamp.is_some(), "frames without a time");
            while stream.poll_event().is_some() {}
        }
    }
}

fn check(bytes: &[u8]) {
    let ok = RtpPacket::parse(bytes).is_ok() || Compound::parse(bytes, Rule::Compound).is_ok();
    assert!(ok, "sent: {bytes:02x?}");
}

pub fn run(input: &[u8]) {
    let mut bytes = Bytes(input);
    let table = Demux::new(LIMIT, &mut SeededRng::new(7));
    let now = Time::from_secs(9);
    let mut world = World { table, streams: BTreeMap::new(), now, seed: 0, sequence: 0, echo: Vec::new() };
    world.add(0, 1, None);
    while !bytes.is_empty() {
        step(&mut world, &mut bytes);
        assert_eq!(world.table.len(), world.streams.len());
    }
    for key in 0..8 {
        world.remove(key);
    }
    assert!(world.table.is_empty());
}

fn step(world: &mut World, bytes: &mut Bytes<'_>) {
    let (what, n) = (bytes.byte(), bytes.byte());
    let (key, from) = (u64::from(n % 8), address(n));
    let ssrc = u32::from(bytes.byte() % 6);
    match what % 16 {
        0 => world.add(key, n, (ssrc != 0).then_some(ssrc)),
        1 => world.remove(key),
        2 => {
            let remote = (ssrc != 0).then(|| address(ssrc as u8));
            world.table.set_remote(key, remote);
            if let Some((stream, _)) = world.streams.get_mut(&key) {
                stream.set_remote(world.now, remote, None).expect("a known codec");
            }
        }
        3 => world.table.set_ssrc(key, (ssrc != 0).then_some(ssrc)),
        4 => {
            let mut echo = world.echo.clone();
            bytes.patch(&mut echo);
            world.arrive(from, &mut echo);
        }
        5 => {
            let mut piece = bytes.piece().to_vec();
            world.arrive(from, &mut piece);
        }
        6 => {
            let mut piece = bytes.piece().to_vec();
            piece.splice(0..0, [0x81, 200 + (n % 8), 0, 12, 0, 0, 0, ssrc as u8]);
            world.arrive(from, &mut piece);
        }
        7..=8 => world.pass(Duration::from_millis(u64::from(n))),
        9 => {
            if let Some((stream, _)) = world.streams.get_mut(&key) {
                let _ = stream.send_dtmf("1", Duration::from_millis(60), Duration::from_millis(60));
                let _ = stream.set_direction(world.now, n & 8 != 0, n & 16 != 0);
            }
        }
        _ => {
            world.sequence = world.sequence.wrapping_add(1 + u16::from(what == 15));
            let sequence = world.sequence;
            let timestamp = u32::from(sequence) * 160;
            let header = RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc };
            let mut packet = vec![0; 172];
            RtpBuilder::new(header, &[0x55; 160]).write(&mut packet).expect("room");
            world.arrive(from, &mut packet);
            world.pass(Duration::from_millis(u64::from(what % 3) * 10));
        }
    }
}
