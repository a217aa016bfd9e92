//! Two sessions on a simulated line, in virtual time.

use std::net::SocketAddr;
use voip::media::{
    HostAudio, MediaError, MediaEvent, PlaySource, Session, SessionConfig, StreamParams, TURNAROUND,
};
use voip::proto::rtp::{PayloadFormat, RtpPacket};
use voip::util::{Duration, Rng, SeededRng, Time};

pub fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

pub fn params(remote: u16) -> StreamParams {
    let pcmu = PayloadFormat::static_format(0).expect("static");
    let pcma = PayloadFormat::static_format(8).expect("static");
    StreamParams {
        remote: Some(addr(remote)),
        codec: pcmu.clone(),
        receive: vec![pcmu, pcma, PayloadFormat::telephone_event(101, 8000)],
        telephone_event: Some(101),
        telephone_event_receive: Some(101),
        ptime_ms: 20,
        sending: true,
        receiving: true,
        srtp: None,
        rtcp_mux: false,
    }
}

/// A line's misfortunes.
#[derive(Clone, Copy, Default)]
struct Line {
    delay_us: u64,
    jitter_us: u64,
    loss_percent: u64,
    duplicate_percent: u64,
}

struct End {
    session: Session,
    host: HostAudio,
    port: u16,
    events: Vec<MediaEvent>,
    sent: Vec<(Time, Vec<u8>)>,
    /// How often something was due.
    turns: usize,
}

struct World {
    now: Time,
    ends: [End; 2],
    wire: Vec<(Time, usize, SocketAddr, Vec<u8>)>,
    line: Line,
    rng: SeededRng,
}

impl World {
    fn new(seed: u64, config: SessionConfig, line: Line) -> World {
        let mut rng = SeededRng::new(seed);
        let mut end = |port| {
            let (session, host) = Session::new(config.clone(), &mut rng, Time::ZERO);
            End { session, host, port, events: Vec::new(), sent: Vec::new(), turns: 0 }
        };
        let ends = [end(1000), end(2000)];
        World { now: Time::from_secs(5), ends, wire: Vec::new(), line, rng }
    }

    fn configured(seed: u64, config: SessionConfig, line: Line) -> World {
        let mut w = World::new(seed, config, line);
        let now = w.now;
        w.ends[0].session.configure(now, &params(2000)).expect("G.711");
        w.run(now + Duration::from_micros(7_300), &mut |_, _| {});
        let now = w.now;
        w.ends[1].session.configure(now, &params(1000)).expect("G.711");
        w
    }

    fn next(&self) -> Time {
        let wire = self.wire.iter().map(|(t, ..)| *t);
        let ends = self.ends.iter().filter_map(|e| e.session.next_deadline());
        wire.chain(ends).min().unwrap_or(Time::MAX)
    }

    /// Runs to `until`, calling `host` after each step with the time and the ends.
    fn run(&mut self, until: Time, host: &mut dyn FnMut(Time, &mut [End; 2])) {
        while self.next() <= until {
            self.now = self.next().max(self.now);
            let now = self.now;
            self.wire.sort_by_key(|(t, ..)| *t);
            while self.wire.first().is_some_and(|(t, ..)| *t <= now) {
                let (_, to, from, mut bytes) = self.wire.remove(0);
                self.ends[to].session.handle_packet(now, from, &mut bytes);
            }
            for i in 0..2 {
                let mut out = Vec::new();
                let due = self.ends[i].session.next_deadline().is_some_and(|at| at <= now);
                self.ends[i].turns += usize::from(due);
                self.ends[i].session.handle_deadline(now, &mut |to, b| out.push((to, b.to_vec())));
                for (to, bytes) in out {
                    self.ends[i].sent.push((now, bytes.clone()));
                    self.transmit(i, to, bytes);
                }
                let end = &mut self.ends[i];
                while let Some(e) = end.session.poll_event() {
                    end.events.push(e);
                }
            }
            host(now, &mut self.ends);
        }
        self.now = until;
    }

    fn transmit(&mut self, from: usize, to: SocketAddr, bytes: Vec<u8>) {
        let Some(end) = self.ends.iter().position(|e| addr(e.port) == to) else { return };
        if self.rng.below(100) < self.line.loss_percent {
            return;
        }
        let source = addr(self.ends[from].port);
        let copies = 1 + usize::from(self.rng.below(100) < self.line.duplicate_percent);
        for _ in 0..copies {
            let delay = self.line.delay_us + self.rng.below(self.line.jitter_us + 1);
            self.wire.push((self.now + Duration::from_micros(delay), end, source, bytes.clone()));
        }
    }
}

fn config() -> SessionConfig {
    SessionConfig::default()
}

fn read_all(host: &mut HostAudio, into: &mut Vec<i16>) {
    let mut buf = [0; 1024];
    loop {
        let n = host.reader.read(&mut buf);
        if n == 0 {
            return;
        }
        into.extend_from_slice(&buf[..n]);
    }
}

fn tone(n: usize, rate: u32) -> Vec<i16> {
    let w = std::f64::consts::TAU * 440.0 / f64::from(rate);
    (0..n).map(|i| ((i as f64 * w).sin() * 10_000.0) as i16).collect()
}

fn heard_after(w: &mut World, signal: &[i16], seconds: u64) -> Vec<i16> {
    let mut at = 0;
    let mut heard = Vec::new();
    let until = w.now + Duration::from_secs(seconds);
    w.run(until, &mut |_, ends| {
        at += ends[0].host.writer.write(&signal[at..]);
        read_all(&mut ends[1].host, &mut heard);
    });
    heard
}

/// Level of the difference against the best-fitting 440 Hz sine, in dB below it.
fn purity(frames: &[i16], rate: u32) -> f64 {
    let w = std::f64::consts::TAU * 440.0 / f64::from(rate);
    let (mut s, mut c, mut e) = (0.0, 0.0, 0.0);
    for (i, &f) in frames.iter().enumerate() {
        let f = f64::from(f);
        s += f * (i as f64 * w).sin();
        c += f * (i as f64 * w).cos();
        e += f * f;
    }
    let signal = 2.0 * (s * s + c * c) / frames.len() as f64;
    10.0 * (signal / (e - signal).max(1.0)).log10()
}

#[test]
fn on_a_clean_line_every_sample_written_is_heard_once_and_in_order() {
    let mut w = World::configured(1, config(), Line { delay_us: 500, ..Line::default() });
    let signal: Vec<i16> = tone(8000 * 3, 8000);
    let heard = heard_after(&mut w, &signal, 4);
    let mut want = vec![0u8; signal.len()];
    voip::media::codec::g711::ulaw_encode(&signal, &mut want);
    let mut exact = vec![0; signal.len()];
    voip::media::codec::g711::ulaw_decode(&want, &mut exact);
    let start = heard.windows(200).position(|p| p == &exact[..200]).expect("the tone begins");
    assert!(start <= 160, "the first packets were heard: {start}");
    assert_eq!(heard[start..start + exact.len()], exact[..]);
    let stats = w.ends[1].session.stats();
    assert_eq!((stats.rx_lost, stats.rx_late, stats.rx_concealed_frames), (0, 0, 0));
    assert_eq!(stats.rx_overrun_frames, 0);
}

#[test]
fn send_instants_are_twenty_milliseconds_apart_for_ever() {
    let mut w = World::configured(2, config(), Line { delay_us: 300, jitter_us: 400, ..Line::default() });
    let until = w.now + Duration::from_secs(60);
    w.run(until, &mut |_, _| {});
    for end in &w.ends {
        let gaps: Vec<i64> = end
            .sent
            .windows(2)
            .map(|p| p[1].0.as_nanos() as i64 - p[0].0.as_nanos() as i64 - 20_000_000)
            .collect();
        assert!(gaps.iter().all(|g| g.abs() <= 125_000), "never more than a sample's time off");
        let moved = gaps.iter().filter(|g| **g != 0).count();
        assert!(moved <= 200, "the grid rests after its alignment: {moved}");
        assert!(end.sent.len() >= 2998, "{}", end.sent.len());
    }
}

#[test]
fn sequence_numbers_and_timestamps_go_on_without_a_hole_and_the_marker_comes_first() {
    let mut w = World::configured(3, config(), Line::default());
    let until = w.now + Duration::from_secs(1500);
    w.run(until, &mut |_, _| {});
    let mut last = None;
    for (i, (_, bytes)) in w.ends[0].sent.iter().enumerate() {
        let p = RtpPacket::parse(bytes).expect("RTP");
        assert_eq!(p.marker(), i == 0);
        assert_eq!(bytes.len(), 172);
        if let Some((seq, ts)) = last {
            assert_eq!(p.sequence().distance(seq), 1);
            assert_eq!(p.timestamp().distance(ts), 160);
        }
        last = Some((p.sequence(), p.timestamp()));
    }
    // 75,000 packets: the sequence number has wrapped.
    assert!(w.ends[0].sent.len() > 70_000);
    assert_eq!(w.ends[1].session.stats().rx_lost, 0);
}

#[test]
fn a_host_that_reads_and_writes_back_at_once_waits_less_than_eleven_milliseconds() {
    let mut w = World::configured(4, config(), Line { delay_us: 50, jitter_us: 100, ..Line::default() });
    let mut arrivals = Vec::new();
    let until = w.now + Duration::from_secs(10);
    let mut last = 0;
    w.run(until, &mut |now, ends| {
        let n = ends[1].session.stats().rx_packets;
        if n > last {
            last = n;
            arrivals.push(now);
        }
        let mut buf = [0; 160];
        let n = ends[1].host.reader.read(&mut buf);
        ends[1].host.writer.write(&buf[..n]);
    });
    let sent: Vec<Time> = w.ends[1].sent.iter().map(|(t, _)| *t).collect();
    let mut delays: Vec<Duration> =
        arrivals[300..].iter().filter_map(|a| sent.iter().find(|s| *s > a).map(|s| s.since(*a))).collect();
    delays.sort();
    let median = delays[delays.len() / 2];
    assert!(median < Duration::from_millis(11), "{median:?}");
    assert_eq!(w.ends[1].host.writer.pending(), 0);
}

/// The turns in ten seconds of a session whose peer sends at its own pace, `phase` after the description. The turnaround is said
/// before the description, as a worker does, and may be another one some seconds later. Twice the peer goes on so much
/// later.
fn turns_in_ten_seconds(turnaround: Duration, later: Duration, phase: Duration, jump: Duration) -> usize {
    let (start, mut rng) = (Time::from_secs(5), SeededRng::new(6));
    let (mut session, _host) = Session::new(config(), &mut rng, start);
    session.set_turnaround(turnaround);
    session.configure(start, &params(2000)).expect("G.711");
    let (mut turns, mut sent, mut phase) = (0, Vec::new(), phase);
    for n in 0..1200u32 {
        if n == 250 {
            session.set_turnaround(later);
        }
        if n == 125 || n == 250 {
            phase += jump;
        }
        let at = start + phase + Duration::from_millis(20) * n + Duration::from_micros(rng.below(100));
        while let Some(due) = session.next_deadline().filter(|due| *due < at) {
            turns += usize::from(n > 700);
            session.handle_deadline(due, &mut |_, _| sent.push(due));
        }
        let mut packet = [0xff; 172];
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[2..4].copy_from_slice(&(n as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(n * 160).to_be_bytes());
        session.handle_packet(at, addr(2000), &mut packet);
    }
    let first = sent.partition_point(|at| *at < start + Duration::from_secs(2));
    let off = sent[first..].windows(2).map(|p| p[1].since(p[0]).abs_diff(Duration::from_millis(20)));
    // Steps of a sample; a packet that is taken together with what is played is a little early.
    let far_off: Vec<Duration> = off.filter(|off| *off > Duration::from_micros(250)).collect();
    assert!(
        far_off.len() <= 4 && far_off.iter().all(|off| *off <= Duration::from_micros(1625)),
        "{far_off:?}"
    );
    assert_eq!((session.stats().rx_lost, session.stats().rx_late), (0, 0));
    turns
}

#[test]
fn a_session_plays_and_sends_in_one_turn_where_that_was_asked_for() {
    for phase in (1..40).step_by(3).map(Duration::from_millis) {
        for (first, later, turns) in [
            (TURNAROUND, TURNAROUND, 1000),
            (Duration::ZERO, Duration::ZERO, 500),
            (TURNAROUND, Duration::ZERO, 500),
            (Duration::ZERO, TURNAROUND, 1000),
        ] {
            let had = turns_in_ten_seconds(first, later, phase, Duration::ZERO);
            assert!(had.abs_diff(turns) <= 10, "{phase:?}, {first:?}, then {later:?}: {had}");
        }
    }
}

#[test]
fn a_session_that_plays_and_sends_in_one_turn_does_so_again_after_its_peer_was_late() {
    for jump in (1..60).step_by(2).map(Duration::from_millis) {
        let had = turns_in_ten_seconds(Duration::ZERO, Duration::ZERO, Duration::from_millis(3), jump);
        assert!(had.abs_diff(500) <= 10, "{jump:?}: {had}");
    }
}

/// Two sessions that hear each other, each with this time between what it plays and what it sends. For each: the packets that
/// were sent in 100 seconds beyond 5,000, when they have had 50 seconds to find their pace; and how often anything was due.
fn at_pace(turnaround: [Duration; 2]) -> [(i64, usize); 2] {
    let config = SessionConfig { jitter_min: Duration::from_millis(40), ..config() };
    let mut w = World::new(6, config, Line { delay_us: 50, jitter_us: 100, ..Line::default() });
    for (end, remote) in [(0, 2000), (1, 1000)] {
        w.ends[end].session.set_turnaround(turnaround[end]);
        let now = w.now;
        w.ends[end].session.configure(now, &params(remote)).expect("G.711");
        w.run(now + Duration::from_micros(7_300), &mut |_, _| {});
    }
    let until = w.now + Duration::from_secs(50);
    w.run(until, &mut |_, _| {});
    let before = [0, 1].map(|end| (w.ends[end].sent.len(), w.ends[end].turns));
    let until = w.now + Duration::from_secs(100);
    w.run(until, &mut |_, _| {});
    [0, 1].map(|end| {
        let (sent, turns) = before[end];
        ((w.ends[end].sent.len() - sent) as i64 - 5_000, w.ends[end].turns - turns)
    })
}

#[test]
fn two_sessions_that_follow_each_other_are_never_faster_than_two_hundred_millionths() {
    let at_once = Duration::ZERO;
    for turnaround in [[TURNAROUND, TURNAROUND], [at_once, TURNAROUND], [TURNAROUND, at_once]] {
        let had = at_pace(turnaround);
        assert!(had.iter().all(|(more, _)| more.abs() <= 1), "{turnaround:?}: {had:?}");
    }
    // These rest, and stay together.
    let had = at_pace([at_once, at_once]);
    assert!(had.iter().all(|(more, turns)| *more == 0 && turns.abs_diff(5_000) <= 10), "{had:?}");
}

#[test]
fn single_losses_are_hidden_and_counted() {
    let mut w = World::configured(5, config(), Line { delay_us: 500, loss_percent: 3, ..Line::default() });
    let heard = heard_after(&mut w, &tone(8000 * 20, 8000), 20);
    let stats = w.ends[1].session.stats();
    assert!(stats.rx_lost > 10 && stats.rx_concealed_frames >= 100 * stats.rx_lost, "{stats:?}");
    assert!(heard.len() + 1600 > 8000 * 20, "{}", heard.len());
    // Windows of 40 ms with silence in them: a loss that was not hidden.
    let loud = heard[1600..150_000].chunks(320).filter(|c| c.iter().any(|s| s.unsigned_abs() > 5000)).count();
    assert!(loud >= 460, "{loud} of 464");
}

#[test]
fn jitter_reordering_and_duplicates_are_smoothed_once_the_delay_has_grown() {
    let line = Line { delay_us: 20_000, jitter_us: 45_000, duplicate_percent: 5, ..Line::default() };
    let mut w = World::configured(6, config(), line);
    heard_after(&mut w, &tone(8000 * 30, 8000), 30);
    let stats = w.ends[1].session.stats();
    assert_eq!(stats.rx_lost, 0);
    assert!(stats.rx_duplicate > 20 && stats.rx_reordered > 20, "{stats:?}");
    let all = 30 * 8000;
    assert!(stats.rx_concealed_frames < all / 25, "{stats:?}");
    assert!(stats.rx_late < 60, "{stats:?}");
}

#[test]
fn other_host_rates_hear_the_same_tone() {
    for rate in [16_000, 44_100, 48_000, 11_025] {
        let ring = rate as usize / 5;
        let config = SessionConfig {
            host_rate: rate,
            read_ring_frames: ring,
            write_ring_frames: ring,
            ..SessionConfig::default()
        };
        let mut w = World::configured(7, config, Line { delay_us: 500, ..Line::default() });
        let heard = heard_after(&mut w, &tone(rate as usize * 3, rate), 3);
        let frames = heard.len() as u64;
        assert!(frames.abs_diff(u64::from(rate) * 3) < u64::from(rate) / 10, "{rate}: {frames}");
        let middle = &heard[rate as usize..rate as usize * 2];
        let snr = purity(middle, rate);
        assert!(snr > 33.0, "{rate} Hz: {snr} dB");
    }
}

#[test]
fn keys_arrive_with_their_durations_and_the_request_is_told_when_they_are_out() {
    let mut w = World::configured(8, config(), Line { delay_us: 500, loss_percent: 20, ..Line::default() });
    let now = w.now;
    w.run(now + Duration::from_millis(500), &mut |_, _| {});
    let (tone, gap) = (Duration::from_millis(160), Duration::from_millis(100));
    w.ends[0].session.send_dtmf("159#w*0", tone, gap, 42).expect("negotiated");
    assert!(!w.ends[0].session.is_drained());
    let until = w.now + Duration::from_secs(5);
    w.run(until, &mut |_, ends| read_all(&mut ends[1].host, &mut Vec::new()));
    let keys: Vec<(char, u32)> = w.ends[1]
        .events
        .iter()
        .filter_map(|e| match e {
            MediaEvent::Dtmf { digit, duration_ms, end: true } => Some((*digit, *duration_ms)),
            _ => None,
        })
        .collect();
    let digits: String = keys.iter().map(|k| k.0).collect();
    assert_eq!(digits, "159#*0");
    assert!(keys.iter().all(|k| (100..=160).contains(&k.1)), "{keys:?}");
    assert!(w.ends[0].events.contains(&MediaEvent::DtmfSent { id: 42 }));
    assert!(w.ends[0].session.is_drained());
    let bad = w.ends[0].session.send_dtmf("12x", tone, gap, 43);
    assert_eq!(bad, Err(MediaError::Digit('x')));
}

#[test]
fn a_play_is_heard_and_told_and_a_stopped_one_is_told_too() {
    let mut w = World::configured(9, config(), Line { delay_us: 500, ..Line::default() });
    w.ends[0].session.play(PlaySource::pcm(tone(8000, 8000).into(), 8000), 1).expect("room");
    w.ends[0].session.play(PlaySource::pcm(tone(80_000, 8000).into(), 8000), 2).expect("room");
    let heard = heard_after(&mut w, &[], 2);
    assert!(purity(&heard[1600..6400], 8000) > 33.0);
    let finished =
        |end: &End, id, completed| end.events.contains(&MediaEvent::PlayFinished { id, completed });
    assert!(finished(&w.ends[0], 1, true));
    assert!(!finished(&w.ends[0], 2, true));
    w.ends[0].session.play_stop();
    heard_after(&mut w, &[], 1);
    assert!(finished(&w.ends[0], 2, false));
}

#[test]
fn a_recording_has_what_was_heard_and_what_was_said_side_by_side() {
    let mut w = World::configured(10, config(), Line { delay_us: 500, ..Line::default() });
    let (tap, mut drain) = voip::media::record_tap(8000 * 4, 2);
    w.ends[1].session.record(tap);
    let signal = tone(8000 * 2, 8000);
    let mut at = [0; 2];
    let half: Vec<i16> = signal.iter().map(|s| s / 2).collect();
    let until = w.now + Duration::from_secs(2);
    w.run(until, &mut |_, ends| {
        at[0] += ends[0].host.writer.write(&signal[at[0]..]);
        at[1] += ends[1].host.writer.write(&half[at[1]..]);
        read_all(&mut ends[1].host, &mut Vec::new());
    });
    w.ends[1].session.record_stop();
    let mut recorded = vec![0; 8000 * 8];
    let n = drain.read(&mut recorded);
    assert!(drain.is_finished() && drain.lost_frames() == 0);
    assert!((8000 * 4 - 640..=8000 * 4 + 1280).contains(&n), "{n}");
    let left: Vec<i16> = recorded[4000..28_000].iter().step_by(2).copied().collect();
    let right: Vec<i16> = recorded[4001..28_000].iter().step_by(2).copied().collect();
    assert!(purity(&left, 8000) > 33.0 && purity(&right, 8000) > 33.0);
    let peak = |c: &[i16]| c.iter().max().copied().unwrap_or(0);
    assert!(peak(&left) > 9500 && (4700..5300).contains(&peak(&right)));
}

#[test]
fn a_silent_peer_is_a_timeout_and_its_return_is_told() {
    let config = SessionConfig { rtp_timeout: Duration::from_secs(3), ..config() };
    let mut w = World::configured(11, config, Line::default());
    let until = w.now + Duration::from_secs(1);
    w.run(until, &mut |_, _| {});
    w.line.loss_percent = 100;
    let until = w.now + Duration::from_secs(10);
    w.run(until, &mut |_, _| {});
    w.line.loss_percent = 0;
    let until = w.now + Duration::from_secs(1);
    w.run(until, &mut |_, _| {});
    let told: Vec<_> =
        w.ends[0].events.iter().filter(|e| matches!(e, MediaEvent::Timeout | MediaEvent::Resumed)).collect();
    assert_eq!(told, [&MediaEvent::Timeout, &MediaEvent::Resumed]);
}

#[test]
fn directions_are_respected() {
    let mut w = World::configured(12, config(), Line::default());
    let now = w.now;
    let quiet = StreamParams { sending: false, ..params(2000) };
    w.ends[0].session.configure(now, &quiet).expect("G.711");
    let deaf = StreamParams { receiving: false, ..params(1000) };
    w.ends[1].session.configure(now, &deaf).expect("G.711");
    let before = w.ends[0].sent.len();
    let heard = heard_after(&mut w, &tone(16_000, 8000), 2);
    assert_eq!(heard, []);
    assert_eq!(w.ends[0].sent.len(), before);
    assert!(w.ends[1].sent.len() >= 98);
    // What the host wrote meanwhile went by: it is not kept for later.
    assert!(w.ends[0].host.writer.pending() <= 1600);
}

#[test]
fn gain_mute_and_levels() {
    let mut w = World::configured(13, config(), Line::default());
    w.ends[0].session.set_gain(100, 50).expect("in range");
    assert_eq!(w.ends[0].session.set_gain(100, 900), Err(MediaError::Range));
    heard_after(&mut w, &tone(16_000, 8000), 1);
    let level = w.ends[1].session.levels().received;
    assert!((4700..5300).contains(&level.peak) && (3300..3700).contains(&level.rms), "{level:?}");
    assert!((4900..5100).contains(&w.ends[0].session.levels().sent.peak));
    w.ends[0].session.set_muted(true);
    heard_after(&mut w, &tone(16_000, 8000), 1);
    assert_eq!(w.ends[1].session.levels().received.peak, 0);
}

#[test]
fn after_a_long_stall_there_is_no_burst_and_no_delay_left() {
    let mut w = World::configured(14, config(), Line::default());
    let until = w.now + Duration::from_secs(1);
    w.run(until, &mut |_, _| {});
    let late = w.now + Duration::from_millis(1_003);
    let mut burst = 0;
    w.ends[0].session.handle_deadline(late, &mut |_, _| burst += 1);
    assert!((1..=3).contains(&burst), "{burst}");
    assert!(w.ends[0].session.next_deadline() > Some(late));
    assert!(w.ends[0].session.stats().tx_late_max_us > 900_000);
}

#[test]
fn any_bytes_at_all_are_counted_and_change_nothing() {
    let mut w = World::configured(15, config(), Line::default());
    let until = w.now + Duration::from_secs(1);
    w.run(until, &mut |_, _| {});
    let template = w.ends[0].sent[20].1.clone();
    let mut rng = SeededRng::new(99);
    for round in 0..20_000u64 {
        let mut bytes = template.clone();
        for _ in 0..1 + rng.below(6) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.next_u32() as u8;
        }
        bytes.truncate(rng.below(200) as usize);
        let from = addr(1000 + (round % 3) as u16);
        let now = w.now + Duration::from_micros(round * 50);
        w.ends[1].session.handle_packet(now, from, &mut bytes);
        w.ends[1].session.handle_deadline(now, &mut |_, _| {});
        while w.ends[1].session.poll_event().is_some() {}
    }
    let stats = w.ends[1].session.stats();
    assert!(stats.rx_discarded > 5_000, "{stats:?}");
    assert!(w.ends[1].session.memory() < 40_000);
}

#[test]
fn a_g711_session_with_default_rings_stays_below_fourteen_kibibytes() {
    let mut w = World::configured(16, config(), Line::default());
    let until = w.now + Duration::from_secs(1);
    w.run(until, &mut |_, _| {});
    let memory = w.ends[0].session.memory();
    println!("a G.711 session takes {memory} bytes");
    assert!(memory < 14 * 1024, "{memory}");
}

#[test]
fn peers_with_other_packet_times_are_understood() {
    for ptime in [10, 30, 40, 60] {
        let mut w = World::configured(17, config(), Line { delay_us: 500, ..Line::default() });
        let now = w.now;
        let other = StreamParams { ptime_ms: ptime, ..params(2000) };
        w.ends[0].session.configure(now, &other).expect("G.711");
        let heard = heard_after(&mut w, &tone(8000 * 4, 8000), 4);
        assert!(heard.len() > 8000 * 4 - 1600, "{ptime} ms: {}", heard.len());
        let snr = purity(&heard[8000..16_000], 8000);
        assert!(snr > 33.0, "{ptime} ms: {snr} dB");
        assert_eq!(w.ends[1].session.stats().rx_concealed_frames, 0, "{ptime} ms");
    }
}

#[test]
fn packets_that_overtake_the_answer_are_heard_but_not_those_of_long_ago() {
    let mut rng = SeededRng::new(21);
    let (mut session, mut host) = Session::new(SessionConfig::default(), &mut rng, Time::ZERO);
    let mut now = Time::from_secs(1);
    let packet = |sequence: u16| {
        let mut bytes = vec![0x80, 0, 0, sequence as u8];
        bytes.extend((u32::from(sequence) * 160).to_be_bytes());
        bytes.extend([0, 0, 0, 9]);
        // Loud: the sign bit changes from sample to sample.
        bytes.extend([0x90, 0x10].repeat(80));
        bytes
    };
    session.handle_packet(now, addr(2000), &mut packet(0));
    now += Duration::from_millis(500);
    for sequence in 1..=3 {
        session.handle_packet(now, addr(2000), &mut packet(sequence));
        now += Duration::from_millis(20);
    }
    session.configure(now, &params(2000)).unwrap();
    let stats = session.stats();
    assert_eq!((stats.rx_packets, stats.rx_discarded, stats.rx_lost), (3, 1, 0), "{stats:?}");
    let mut heard = Vec::new();
    while let Some(at) = session.next_deadline().filter(|at| *at < now + Duration::from_millis(60)) {
        session.handle_deadline(at, &mut |_, _| {});
        let mut pcm = [0; 480];
        let got = host.reader.read(&mut pcm);
        heard.extend_from_slice(&pcm[..got]);
    }
    assert!(heard.len() >= 3 * 160 && heard[..160].iter().all(|s| s.abs() > 1000), "{} frames", heard.len());
}
