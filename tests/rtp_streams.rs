//! Many RTP streams behind one address, in virtual time: a mux of streams and a demultiplexer on one side, peers behind
//! a NAT on the other, and a line that loses, delays and reorders.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use voip::media::{Channel, HostAudio, RtpStream, RtpStreamConfig, SessionConfig, StreamParams};
use voip::proto::rtcp::NtpTime;
use voip::proto::rtp::{sender_ssrc, Demux, PayloadFormat, Route};
use voip::util::{Duration, Rng, SeededRng, Time};

const EPOCH: u64 = 3_900_000_000 << 32;
const HOST_TICK: Duration = Duration::from_millis(20);

fn mux_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000))
}
/// What the NAT makes of peer `n` for the `turn`th time.
fn public(n: usize, turn: u16) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], 10_000 + turn * 1000 + n as u16))
}
/// Each peer has its own level, and its own wall clock.
fn level(n: usize) -> i16 {
    1000 + 600 * n as i16
}
fn wall(now: Time, n: usize) -> NtpTime {
    let units = ((u128::from(now.as_nanos()) << 32) / 1_000_000_000) as u64;
    NtpTime(EPOCH + units + ((n as u64 * 1000) << 32))
}

#[derive(Clone, Copy, Default)]
struct Line {
    delay: Duration,
    jitter: Duration,
    loss_percent: u64,
}

struct End {
    stream: RtpStream,
    host: HostAudio,
}

struct World {
    now: Time,
    next_host: Time,
    line: Line,
    rng: SeededRng,
    table: Demux,
    inner: BTreeMap<u64, End>,
    outer: Vec<End>,
    nat: Vec<SocketAddr>,
    /// When, in which order, whether to the mux, from, to, what.
    wire: BTreeSet<(Time, u64, SocketAddr, SocketAddr, Vec<u8>)>,
    sent: u64,
    unrouted: u64,
    /// Frames heard by each stream of the mux: of its own peer's level, of another's.
    right: Vec<u64>,
    wrong: Vec<u64>,
    /// How old what was heard is, by the peer's clock.
    lag: Vec<Option<Duration>>,
}

fn end(seed: u64, remote: Option<SocketAddr>, ssrc: u32) -> End {
    let l16 = PayloadFormat::new(96, "L16", 8000, 1);
    let config = RtpStreamConfig {
        session: SessionConfig::default(),
        params: StreamParams {
            remote,
            codec: l16.clone(),
            receive: vec![l16],
            telephone_event: None,
            telephone_event_receive: None,
            ptime_ms: 20,
            sending: true,
            receiving: true,
            srtp: None,
            rtcp_mux: false,
        },
        ssrc: Some(ssrc),
        first_sequence: None,
        first_timestamp: None,
        rtcp_mux: true,
        remote_rtcp: None,
        report_interval: Some(Duration::from_secs(1)),
        cname: "".into(),
    };
    let (stream, host) =
        RtpStream::new(Time::ZERO, config, Box::new(SeededRng::new(seed))).expect("a stream");
    End { stream, host }
}

fn peer_ssrc(n: usize) -> u32 {
    0xA000_0000 + n as u32
}

impl World {
    /// Every third stream is known by its peer's address, every third by the SSRC that was announced, and the rest by
    /// both. `wildcard`: one more that knows nothing.
    fn new(seed: u64, count: usize, wildcard: bool, line: Line) -> World {
        let mut rng = SeededRng::new(seed);
        let mut world = World {
            now: Time::from_secs(1),
            next_host: Time::from_secs(1),
            line,
            table: Demux::new(count, &mut rng),
            rng,
            inner: BTreeMap::new(),
            outer: Vec::new(),
            nat: (0..count).map(|n| public(n, 0)).collect(),
            wire: BTreeSet::new(),
            sent: 0,
            unrouted: 0,
            right: vec![0; count],
            wrong: vec![0; count],
            lag: vec![None; count],
        };
        for n in 0..count {
            let (mut remote, mut ssrc) = (Some(public(n, 0)), Some(peer_ssrc(n)));
            match n % 3 {
                0 => ssrc = None,
                1 => remote = None,
                _ => {}
            }
            if wildcard && n + 1 == count {
                (remote, ssrc) = (None, None);
            }
            let mut outer = end(seed * 1000 + n as u64, Some(mux_address()), peer_ssrc(n));
            let mut inner = end(seed * 2000 + n as u64, remote, 0xB000_0000 + n as u32);
            assert!(world.table.insert(n as u64, remote, ssrc));
            outer.stream.start(world.now).expect("configured");
            inner.stream.start(world.now).expect("configured");
            world.outer.push(outer);
            world.inner.insert(n as u64, inner);
        }
        world
    }

    fn put(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.sent += 1;
        if self.rng.below(100) < self.line.loss_percent {
            return;
        }
        let jitter = Duration::from_nanos(self.rng.below(self.line.jitter.as_nanos() as u64 + 1));
        // Whole milliseconds: what comes at one instant is one step of the world.
        let at = Time::from_millis((self.now + self.line.delay + jitter).as_millis() + 1);
        self.wire.insert((at, self.sent, from, to, bytes.to_vec()));
    }

    fn arrive(&mut self, from: SocketAddr, to: SocketAddr, mut bytes: Vec<u8>) {
        let now = self.now;
        if to == mux_address() {
            let id = match self.table.route(from, sender_ssrc(&bytes)) {
                Route::Known(id) | Route::Learned(id) => id,
                Route::Unknown => return self.unrouted += 1,
            };
            let inner = self.inner.get_mut(&id).expect("a stream");
            assert_eq!(inner.stream.handle_datagram(now, wall(now, 0), from, &mut bytes), None);
        } else if let Some(n) = self.nat.iter().position(|a| *a == to) {
            // An old binding of the NAT leads nowhere.
            self.outer[n].stream.handle_datagram(now, wall(now, n), from, &mut bytes);
        }
    }

    fn run_due(&mut self) {
        let now = self.now;
        let mut out = Vec::new();
        for end in self.inner.values_mut() {
            if end.stream.next_deadline().is_some_and(|at| at <= now) {
                let send = &mut |channel, to, bytes: &[u8]| {
                    assert_eq!(channel, Channel::Rtp, "rtcp is on the port of rtp");
                    out.push((mux_address(), to, bytes.to_vec()));
                };
                end.stream.handle_deadline(now, wall(now, 0), send);
            }
        }
        for (n, end) in self.outer.iter_mut().enumerate() {
            if end.stream.next_deadline().is_some_and(|at| at <= now) {
                let from = self.nat[n];
                let send = &mut |_, to, bytes: &[u8]| out.push((from, to, bytes.to_vec()));
                end.stream.handle_deadline(now, wall(now, n), send);
            }
        }
        out.into_iter().for_each(|(from, to, bytes)| self.put(from, to, &bytes));
    }

    fn hosts(&mut self) {
        for (n, end) in self.outer.iter_mut().enumerate() {
            end.host.writer.write(&[level(n); 160]);
            let mut pcm = [0; 1600];
            end.host.reader.read(&mut pcm);
        }
        for (n, end) in self.inner.values_mut().enumerate() {
            end.host.writer.write(&[7; 160]);
            let mut pcm = [0; 1600];
            let (got, timestamp) = end.host.reader.read_timed(&mut pcm);
            for sample in &pcm[..got] {
                let off = i32::from(*sample) - i32::from(level(n));
                self.right[n] += u64::from(off.abs() < 150);
                self.wrong[n] += u64::from(off > 300);
            }
            if let (Some(timestamp), Some(sync)) = (timestamp, end.stream.sync()) {
                self.lag[n] = Some(wall(self.now, n).since(sync.ntp_of(timestamp, 8000)));
            }
        }
    }

    fn run_until(&mut self, until: Time) {
        while self.now < until {
            self.run_due();
            while let Some((_, _, from, to, bytes)) = self.wire.first().filter(|p| p.0 <= self.now).cloned() {
                self.wire.pop_first();
                self.arrive(from, to, bytes);
            }
            if self.next_host <= self.now {
                self.hosts();
                self.next_host += HOST_TICK;
            }
            let streams = self.inner.values().chain(&self.outer).filter_map(|e| e.stream.next_deadline());
            let next = streams.chain(self.wire.first().map(|p| p.0)).chain([self.next_host, until]).min();
            self.now = next.expect("there is always a next instant").max(self.now);
        }
    }

    fn everybody_hears_their_own(&self, seconds: u64, share: u64) {
        for (n, end) in self.inner.values().enumerate() {
            let (stats, _) = end.stream.stats();
            assert_eq!(stats.remote_ssrc, peer_ssrc(n), "stream {n} has another's source");
            let least = seconds * 8000 * share / 100;
            assert!(
                self.right[n] >= least,
                "stream {n} heard {} of its own, {least} expected",
                self.right[n]
            );
            assert!(self.wrong[n] * 50 < self.right[n], "stream {n} heard {} of others", self.wrong[n]);
        }
        for (n, end) in self.outer.iter().enumerate() {
            let (stats, _) = end.stream.stats();
            assert_eq!(stats.remote_ssrc, 0xB000_0000 + n as u32, "peer {n}");
            assert!(stats.rx_packets > seconds * 50 * share / 100, "peer {n} got {}", stats.rx_packets);
        }
    }
}

#[test]
fn each_of_forty_streams_hears_its_own_peer_on_a_clean_line() {
    let line = Line { delay: Duration::from_millis(20), ..Line::default() };
    let mut world = World::new(1, 40, true, line);
    world.run_until(Time::from_secs(6));
    world.everybody_hears_their_own(5, 95);
    assert_eq!(world.unrouted, 0);
    assert!(world.wrong.iter().all(|n| *n == 0), "{:?}", world.wrong);
}

#[test]
fn loss_and_reordering_mix_no_streams_up() {
    for seed in 1..3 {
        let line =
            Line { delay: Duration::from_millis(15), jitter: Duration::from_millis(50), loss_percent: 5 };
        let mut world = World::new(seed, 12, false, line);
        world.run_until(Time::from_secs(7));
        world.everybody_hears_their_own(6, 75);
        assert_eq!(world.unrouted, 0, "seed {seed}");
    }
}

#[test]
fn a_nat_that_gives_all_peers_new_ports_is_followed_by_the_next_packet() {
    let line = Line { delay: Duration::from_millis(20), ..Line::default() };
    let mut world = World::new(3, 12, true, line);
    world.run_until(Time::from_secs(4));
    for turn in 1..4 {
        world.nat = (0..12).map(|n| public(n, turn)).collect();
        let before: Vec<u64> = world.outer.iter().map(|e| e.stream.stats().0.rx_packets).collect();
        world.run_until(Time::from_secs(4 + 2 * u64::from(turn)));
        for (n, end) in world.inner.values().enumerate() {
            assert_eq!(end.stream.destination(), Some(public(n, turn)), "stream {n}");
            assert_eq!(world.table.get(n as u64), Some((Some(public(n, turn)), Some(peer_ssrc(n)))));
        }
        for (end, before) in world.outer.iter().zip(before) {
            // Two seconds are 100 packets; what was under way to the old port is lost.
            assert!(end.stream.stats().0.rx_packets - before > 93);
        }
    }
    world.everybody_hears_their_own(9, 95);
}

#[test]
fn strangers_find_no_stream_and_take_nothing_away() {
    let line = Line { delay: Duration::from_millis(5), ..Line::default() };
    let mut world = World::new(4, 6, false, line);
    world.run_until(Time::from_secs(2));
    let before = world.unrouted;
    for turn in 0..200u64 {
        for _ in 0..20 {
            let from =
                SocketAddr::from(([203, 0, 113, world.rng.below(250) as u8], world.rng.next_u32() as u16));
            let mut bytes = vec![0x80, if world.rng.below(4) == 0 { 200 } else { 96 }];
            bytes.extend((0..30).map(|_| world.rng.next_u32() as u8));
            world.put(from, mux_address(), &bytes);
        }
        world.run_until(Time::from_secs(2) + Duration::from_millis(20) * (turn as u32 + 1));
    }
    assert!(world.unrouted - before > 3900, "{}", world.unrouted);
    assert_eq!(world.table.len(), 6);
    world.everybody_hears_their_own(5, 90);
}

#[test]
fn reports_tell_the_round_trip_and_place_what_is_heard_on_the_peers_clock() {
    let line = Line { delay: Duration::from_millis(40), ..Line::default() };
    let mut world = World::new(5, 6, false, line);
    world.run_until(Time::from_secs(20));
    for (n, end) in world.inner.values().enumerate() {
        let (_, rtcp) = end.stream.stats();
        let trip = rtcp.round_trip.expect("a round trip");
        assert!(trip.abs_diff(Duration::from_millis(81)) <= Duration::from_millis(1), "stream {n}: {trip:?}");
        assert!(rtcp.sent > 8 && rtcp.reports_about_us > 8 && rtcp.cumulative_lost == 0, "{rtcp:?}");
        // Line, receive buffer and two beats of 20 ms at most.
        let lag = world.lag[n].expect("a mapping");
        assert!(lag > Duration::from_millis(40) && lag < Duration::from_millis(110), "stream {n}: {lag:?}");
    }
}

#[test]
fn a_stream_that_ends_tells_its_peer() {
    let line = Line { delay: Duration::from_millis(5), ..Line::default() };
    let mut world = World::new(6, 3, false, line);
    world.run_until(Time::from_secs(3));
    let now = world.now;
    let mut inner = world.inner.remove(&1).expect("a stream");
    let mut last = Vec::new();
    inner.stream.close(now, wall(now, 0), &mut |_, to, bytes| last.push((to, bytes.to_vec())));
    assert!(world.table.remove(1));
    for (to, bytes) in last {
        world.put(mux_address(), to, &bytes);
    }
    world
        .outer
        .iter_mut()
        .enumerate()
        .filter(|(n, _)| *n != 1)
        .for_each(|(_, e)| assert_eq!(e.stream.stats().1.byes, 0));
    let (_, _, from, to, bytes) =
        world.wire.iter().rev().find(|p| p.3 == public(1, 0)).cloned().expect("a goodbye");
    world.now = now + Duration::from_millis(6);
    world.arrive(from, to, bytes);
    assert_eq!(world.outer[1].stream.stats().1.byes, 1);
}
