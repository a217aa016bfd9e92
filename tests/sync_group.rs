//! Groups of streams in a simulated world: one sender, whose streams have clocks that drift, take their time, lose packets
//! and reports; one receiver, whose clock drifts as well. The sound says when it was captured.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::time::Duration;
use voip::media::sync::{StreamId, StreamOptions, SyncError, SyncGroup, SyncOptions};
use voip::proto::rtcp::NtpTime;
use voip::proto::rtp::Timestamp;
use voip::util::Time;

/// The captured instant goes round in so many seconds: the angle of both channels says where it is.
const ROUND: f64 = 4.0;
const TICK: f64 = 0.02;
/// The sender's wall clock when the world begins: its NTP seconds wrap after 20 s.
const WALL: f64 = 4_294_967_276.0;

struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
}

/// One stream of the sender.
#[derive(Clone, Debug)]
struct Source {
    clock_rate: u32,
    audio_rate: u32,
    /// Its RTP clock is so much too fast.
    ppm: f64,
    first: u32,
    delay: f64,
    jitter: f64,
    loss: f64,
    report_loss: f64,
    starts: f64,
    frames_sent: u64,
    next_report: f64,
}

impl Source {
    fn rate(&self) -> f64 {
        f64::from(self.audio_rate) * (1.0 + self.ppm * 1e-6)
    }
    fn captured(&self, frame: f64) -> f64 {
        self.starts + frame / self.rate()
    }
    fn timestamp(&self, wall: f64) -> u32 {
        let ticks = (wall - self.starts) * f64::from(self.clock_rate) * (1.0 + self.ppm * 1e-6);
        self.first.wrapping_add(ticks.round() as i64 as u32)
    }
}

enum Parcel {
    Sound(usize, u32, Vec<i16>),
    Report(usize, NtpTime, u32),
}

struct World {
    random: Random,
    sources: Vec<Source>,
    ids: Vec<Option<StreamId>>,
    group: SyncGroup,
    /// By arrival in nanoseconds and number.
    way: BTreeMap<(u64, u64), Parcel>,
    sent: u64,
    /// The receiver's clock is so much too fast.
    local_ppm: f64,
    /// Added to the wall clock in reports from that instant on.
    step: (f64, f64),
}

/// What was heard of each stream in one tick: the instant at which its first frame was captured.
type Heard = Vec<Option<f64>>;

impl World {
    fn new(seed: u64, max_delay_ms: u64, sources: Vec<Source>) -> World {
        let options =
            SyncOptions { max_delay: Duration::from_millis(max_delay_ms), ..SyncOptions::default() };
        World {
            random: Random(seed),
            ids: vec![None; sources.len()],
            sources,
            group: SyncGroup::new(options),
            way: BTreeMap::new(),
            sent: 0,
            local_ppm: 80.0,
            step: (f64::MAX, 0.0),
        }
    }

    fn local(&self, real: f64) -> Time {
        Time::from_nanos(((100.0 + real) * (1.0 + self.local_ppm * 1e-6) * 1e9) as u64)
    }

    fn ntp(&self, real: f64) -> NtpTime {
        let stepped = if real >= self.step.0 { self.step.1 } else { 0.0 };
        let wall = WALL + real + stepped;
        let seconds = wall.floor();
        NtpTime::from_parts(seconds as i64 as u32, ((wall - seconds) * 4_294_967_296.0) as u32)
    }

    fn post(&mut self, at: f64, parcel: Parcel) {
        self.sent += 1;
        let arrival = self.local(at).as_nanos();
        self.way.insert((arrival, self.sent), parcel);
    }

    /// What every source sends up to `real`.
    fn send(&mut self, real: f64) {
        for i in 0..self.sources.len() {
            loop {
                let s = self.sources[i].clone();
                let frames = u64::from(s.audio_rate) / 50;
                let done = s.captured((s.frames_sent + frames) as f64);
                if done > real {
                    break;
                }
                self.sources[i].frames_sent += frames;
                if self.random.unit() >= s.loss {
                    let pcm =
                        (0..frames).flat_map(|f| angle(s.captured((s.frames_sent + f) as f64))).collect();
                    let ticks = s.frames_sent * u64::from(s.clock_rate) / u64::from(s.audio_rate);
                    let at = done + s.delay + self.random.between(0.0, s.jitter);
                    self.post(at, Parcel::Sound(i, s.first.wrapping_add(ticks as u32), pcm));
                }
            }
            let s = self.sources[i].clone();
            if real >= s.starts + s.next_report {
                self.sources[i].next_report += 5.0 * self.random.between(0.5, 1.5) / 1.21828;
                if self.random.unit() >= s.report_loss {
                    let at = real + s.delay + self.random.between(0.0, s.jitter);
                    let report = Parcel::Report(i, self.ntp(real), s.timestamp(real));
                    self.post(at, report);
                }
            }
        }
    }

    fn deliver(&mut self, local: Time) {
        while let Some(entry) = self.way.first_entry().filter(|e| e.key().0 <= local.as_nanos()) {
            let ((arrival, _), parcel) = entry.remove_entry();
            let arrival = Time::from_nanos(arrival);
            match parcel {
                Parcel::Sound(i, timestamp, pcm) => {
                    let id = self.id(i);
                    self.group.write(id, Timestamp(timestamp), &pcm, arrival).expect("a stream with sound");
                }
                Parcel::Report(i, ntp, timestamp) => {
                    let id = self.id(i);
                    self.group.report(id, ntp, Timestamp(timestamp), arrival).expect("a report of the group");
                }
            }
        }
    }

    /// A stream is added when something of it comes.
    fn id(&mut self, i: usize) -> StreamId {
        let s = &self.sources[i];
        let options = StreamOptions {
            clock_rate: s.clock_rate,
            audio_rate: s.audio_rate,
            channels: 2,
            cname: "cam@host",
        };
        *self.ids[i].get_or_insert_with(|| self.group.add(&options).expect("a stream"))
    }

    /// One tick of everything.
    fn tick(&mut self, real: f64) -> Heard {
        self.send(real);
        let local = self.local(real);
        self.deliver(local);
        let time = self.group.now(local);
        let mut heard = Vec::new();
        for (i, source) in self.sources.iter().enumerate() {
            let Some(id) = self.ids[i] else {
                heard.push(None);
                continue;
            };
            let mut pcm = vec![0; 2 * source.audio_rate as usize / 50];
            let real = self.group.read(id, time, &mut pcm).expect("a stream with sound");
            // Beside a hole the interpolation is silence in part: nothing to measure there.
            let loud = f64::from(pcm[20]).hypot(f64::from(pcm[21]));
            let whole = real > 10 && (29_900.0..30_100.0).contains(&loud);
            heard.push(whole.then(|| instant(&pcm[20..22]) - 10.0 / source.rate()));
        }
        heard
    }

    fn fewest_reports(&self) -> u64 {
        let reports =
            |id: &Option<StreamId>| id.map_or(0, |id| self.group.state(id).expect("a state").counts.reports);
        self.ids.iter().map(reports).min().unwrap_or(0)
    }

    /// Runs from one instant to another; the largest distance of two streams in a tick, and ticks in which each was heard.
    fn run(&mut self, from: f64, to: f64) -> (f64, Vec<u32>) {
        let (mut worst, mut ticks) = (0f64, vec![0; self.sources.len()]);
        for tick in (from / TICK).round() as u32..(to / TICK).round() as u32 {
            let heard = self.tick(f64::from(tick) * TICK);
            for (i, a) in heard.iter().enumerate() {
                let Some(a) = a else { continue };
                ticks[i] += 1;
                for b in heard[..i].iter().flatten() {
                    worst = worst.max(distance(*a, *b).abs());
                }
            }
        }
        (worst, ticks)
    }
}

fn angle(captured: f64) -> [i16; 2] {
    let turn = captured / ROUND * TAU;
    [(turn.sin() * 30_000.0).round() as i16, (turn.cos() * 30_000.0).round() as i16]
}

fn instant(frame: &[i16]) -> f64 {
    f64::from(frame[0]).atan2(f64::from(frame[1])) / TAU * ROUND
}

fn distance(a: f64, b: f64) -> f64 {
    (a - b + ROUND * 1.5).rem_euclid(ROUND) - ROUND / 2.0
}

fn source(clock_rate: u32, audio_rate: u32, delay_ms: f64) -> Source {
    Source {
        clock_rate,
        audio_rate,
        ppm: 0.0,
        first: 0,
        delay: delay_ms / 1000.0,
        jitter: 0.0,
        loss: 0.0,
        report_loss: 0.0,
        starts: 0.0,
        frames_sent: 0,
        next_report: 2.5,
    }
}

/// Four streams of four clocks with sound of few frames (a world takes less of our time), everything about them by chance.
fn four(random: &mut Random) -> Vec<Source> {
    [(8000, 1000), (16_000, 1000), (48_000, 2000), (90_000, 1000)]
        .map(|(clock, audio)| Source {
            ppm: random.between(-200.0, 200.0),
            // Near enough to 2^32 to wrap within the run.
            first: 0u32.wrapping_sub((random.between(1.0, 60.0) * f64::from(clock)) as u32),
            jitter: random.between(0.0, 0.06),
            loss: random.between(0.0, 0.1),
            report_loss: random.between(0.0, 0.4),
            starts: random.between(0.0, 0.5),
            next_report: random.between(0.5, 3.0),
            ..source(clock, audio, random.between(5.0, 400.0))
        })
        .to_vec()
}

#[test]
fn streams_are_heard_within_a_millisecond_of_each_other_whatever_their_delays_are() {
    let mut worst_of_all = 0f64;
    for seed in 1..=10 {
        let mut random = Random(seed);
        let mut world = World::new(seed, 1000, four(&mut random));
        // A clock's drift is known from a few reports on; some worlds lose 40 % of them.
        let mut from = 20.0;
        world.run(0.0, from);
        while world.fewest_reports() < 3 {
            world.run(from, from + 5.0);
            from += 5.0;
        }
        let (worst, ticks) = world.run(from, from + 40.0);
        assert!(worst < 0.001, "seed {seed}: {:.3} ms apart", worst * 1000.0);
        assert!(ticks.iter().all(|&t| t > 1500), "seed {seed}: heard {ticks:?} of 2000");
        for (i, id) in world.ids.iter().enumerate() {
            let state = world.group.state(id.expect("it was heard")).expect("a state");
            let drift = state.drift_ppm - world.sources[i].ppm;
            assert!(drift.abs() < 30.0, "seed {seed}, stream {i}: drift is off by {drift:.0} ppm");
            assert!(state.skew.aligned && state.skew.after.abs() < 1_000_000, "seed {seed}: {state:?}");
        }
        worst_of_all = worst_of_all.max(worst);
    }
    println!("10 worlds of 40 s: at most {:.3} ms apart", worst_of_all * 1000.0);
}

#[test]
fn sound_at_full_rates_is_read_without_a_seam() {
    let mut world = World::new(9, 1000, vec![source(8000, 8000, 20.0), source(48_000, 48_000, 90.0)]);
    (world.sources[0].ppm, world.sources[1].ppm) = (150.0, -150.0);
    world.sources.iter_mut().for_each(|s| s.next_report = 0.1);
    world.run(0.0, 1.0);
    let mut last: Option<Vec<i16>> = None;
    for tick in 50..150 {
        world.send(f64::from(tick) * TICK);
        let local = world.local(f64::from(tick) * TICK);
        world.deliver(local);
        let time = world.group.now(local);
        let mut pcm = vec![0; 2 * 960];
        assert_eq!(world.group.read(world.ids[1].expect("heard"), time, &mut pcm), Ok(960), "tick {tick}");
        let all: Vec<f64> =
            last.iter().flat_map(|l| l[1900..].chunks(2)).chain(pcm.chunks(2)).map(instant).collect();
        for pair in all.windows(2) {
            let apart = distance(pair[1], pair[0]) * 48_000.0;
            assert!((apart - 1.0).abs() < 4.0, "tick {tick}: {apart} frames from one to the next");
        }
        last = Some(pcm);
    }
}

#[test]
fn the_skew_before_is_the_difference_of_the_delays() {
    let sources = [5.0, 150.0, 80.0, 400.0].map(|delay| source(48_000, 1000, delay)).to_vec();
    let mut world = World::new(1, 1000, sources);
    world.run(0.0, 12.0);
    for (i, want) in [0.0, 145.0, 75.0, 395.0].iter().enumerate() {
        let skew = world.group.skew(world.ids[i].expect("heard")).expect("a skew");
        let before = skew.before as f64 / 1e6;
        assert!((before - want).abs() < 2.0, "stream {i}: {before} ms instead of {want}");
        assert!(skew.after.abs() < 100_000, "{skew:?}");
    }
}

#[test]
fn before_the_first_report_streams_are_aligned_by_arrival_and_moved_by_it() {
    let mut world = World::new(1, 1000, vec![source(8000, 1000, 10.0), source(8000, 1000, 210.0)]);
    world.run(0.0, 1.0);
    let (worst, _) = world.run(1.0, 2.0);
    assert!((worst - 0.2).abs() < 0.005, "by arrival they are {worst} s apart");
    world.run(2.0, 4.0);
    let (worst, ticks) = world.run(4.0, 8.0);
    assert!(worst < 0.001 && ticks == [200, 200], "{worst} s apart, {ticks:?} ticks");
}

#[test]
fn a_stream_that_joins_late_is_aligned_from_its_second_report_on() {
    let late = Source { starts: 30.0, ppm: -150.0, ..source(16_000, 1000, 300.0) };
    let mut world = World::new(3, 1000, vec![source(8000, 1000, 20.0), late]);
    world.run(0.0, 42.0);
    let (worst, ticks) = world.run(42.0, 60.0);
    assert!(worst < 0.001, "{worst} s apart");
    assert!(ticks.iter().all(|&t| t == 900), "{ticks:?}");
}

#[test]
fn the_delay_is_what_the_slowest_stream_needs_and_never_more_than_the_bound() {
    let mut world = World::new(1, 200, [10.0, 150.0, 600.0].map(|d| source(8000, 1000, d)).to_vec());
    world.run(0.0, 20.0);
    let (worst, ticks) = world.run(20.0, 30.0);
    assert!(worst < 0.001 && ticks == [500, 500, 0], "{worst} s apart, heard {ticks:?}");
    let state = |i: usize| world.group.state(world.ids[i].expect("known")).expect("a state");
    assert!(state(2).too_slow && !state(1).too_slow);
    let waits = state(0).waits.as_millis();
    assert!((140..=200).contains(&waits), "the fastest waits {waits} ms");
    assert!(state(2).counts.late > 20_000, "{:?}", state(2));
}

#[test]
fn delay_that_is_no_longer_needed_is_taken_back_by_and_by() {
    let mut world = World::new(1, 1000, vec![source(8000, 1000, 10.0), source(8000, 1000, 310.0)]);
    world.run(0.0, 20.0);
    world.sources[1].delay = 0.03;
    let (worst, _) = world.run(20.0, 70.0);
    let waits = world.group.state(world.ids[0].expect("known")).expect("a state").waits;
    assert!(waits < Duration::from_millis(60) && worst < 0.001, "waits {waits:?}, {worst} s apart");
}

#[test]
fn one_wild_report_changes_nothing_and_a_clock_that_was_set_is_followed() {
    let mut world = World::new(5, 1000, vec![source(8000, 1000, 10.0), source(48_000, 1000, 110.0)]);
    world.run(0.0, 20.0);
    let id = world.ids[1].expect("known");
    let (ntp, ts, local) = (world.ntp(19.0), world.sources[1].timestamp(20.0), world.local(20.0));
    assert_eq!(world.group.report(id, ntp, Timestamp(ts), local), Ok(false));
    let (worst, _) = world.run(20.0, 30.0);
    assert!(worst < 0.001, "{worst} s apart after a wild report");
    world.step = (30.0, 3600.0);
    let (worst, ticks) = world.run(30.0, 90.0);
    assert!(worst < 0.001, "{worst} s apart after the wall clock was set");
    assert!(ticks.iter().all(|&t| t > 2990), "{ticks:?}");
}

#[test]
fn a_first_report_that_was_wrong_is_corrected_by_the_next_two() {
    let mut world = World::new(5, 1000, vec![source(8000, 1000, 10.0), source(8000, 1000, 10.0)]);
    world.run(0.0, 1.0);
    let id = world.id(1);
    let (ntp, ts, local) = (world.ntp(0.0), world.sources[0].timestamp(0.3), world.local(1.0));
    let other = world.id(0);
    let (ntp_other, ts_other) = (world.ntp(0.9), world.sources[0].timestamp(0.9));
    world.group.report(other, ntp_other, Timestamp(ts_other), local).expect("a report");
    assert_eq!(world.group.report(id, ntp, Timestamp(ts), local), Ok(true));
    let (worst, _) = world.run(1.0, 2.0);
    assert!((worst - 0.3).abs() < 0.001, "{worst} s apart by a wrong report");
    world.run(2.0, 15.0);
    let (worst, ticks) = world.run(15.0, 20.0);
    assert!(worst < 0.001 && ticks == [250, 250], "{worst} s apart, {ticks:?}");
}

#[test]
fn a_sender_that_begins_anew_is_found_again() {
    let mut world = World::new(5, 1000, vec![source(8000, 1000, 10.0), source(8000, 1000, 60.0)]);
    world.run(0.0, 20.0);
    world.sources[1].first = world.sources[1].first.wrapping_add(2_000_000_000);
    world.run(20.0, 32.0);
    let (worst, ticks) = world.run(32.0, 40.0);
    assert!(worst < 0.001 && ticks == [400, 400], "{worst} s apart, {ticks:?}");
    assert_eq!(world.group.state(world.ids[1].expect("known")).expect("a state").counts.restarts, 1);
}

#[test]
fn another_clock_is_refused_with_the_reason_or_marked() {
    let of = |cname| StreamOptions { clock_rate: 8000, audio_rate: 8000, channels: 1, cname };
    let mut group = SyncGroup::new(SyncOptions { max_streams: 4, ..SyncOptions::default() });
    let unnamed = group.add(&of("")).expect("a name may come later");
    group.add(&of("a@x")).expect("the first name");
    assert_eq!(
        group.add(&of("b@y")),
        Err(SyncError::OtherName { group: "a@x".into(), stream: "b@y".into() })
    );
    assert!(matches!(group.set_cname(unnamed, "b@y"), Err(SyncError::OtherName { .. })));
    group.set_cname(unnamed, "a@x").expect("the group's name");
    group.set_take_others(true);
    let other = group.add(&of("b@y")).expect("marked");
    assert!(group.state(other).expect("a state").foreign);
    let now = Time::from_secs(5);
    assert_eq!(group.report(other, NtpTime(1 << 40), Timestamp(0), now), Ok(false));
    assert_eq!(group.report(unnamed, NtpTime(0), Timestamp(0), now), Err(SyncError::NoClock));
    group.add(&of("a@x")).expect("the fourth");
    assert_eq!(group.add(&of("a@x")), Err(SyncError::Full(4)));
    group.remove(other).expect("it is there");
    assert_eq!(group.remove(other), Err(SyncError::Unknown(other)));
    let bad = StreamOptions { clock_rate: 0, ..of("a@x") };
    assert_eq!(group.add(&bad), Err(SyncError::Range("clock rate")));
}

#[test]
fn the_same_name_with_clocks_minutes_apart_is_another_clock() {
    let of = StreamOptions { clock_rate: 8000, audio_rate: 0, channels: 1, cname: "a@x" };
    let mut group = SyncGroup::new(SyncOptions::default());
    let (a, b) = (group.add(&of).expect("a"), group.add(&of).expect("b"));
    let now = Time::from_secs(50);
    for id in [a, b] {
        group.packet(id, Timestamp(1000), now).expect("a packet");
    }
    assert_eq!(group.report(a, NtpTime::from_parts(1000, 0), Timestamp(1000), now), Ok(true));
    let far = group.report(b, NtpTime::from_parts(1600, 0), Timestamp(1000), now);
    assert!(
        matches!(far, Err(SyncError::OtherClock { apart }) if apart == Duration::from_secs(600)),
        "{far:?}"
    );
    group.set_take_others(true);
    assert_eq!(group.report(b, NtpTime::from_parts(1600, 0), Timestamp(1000), now), Ok(false));
    assert!(group.state(b).expect("a state").foreign);
    assert_eq!(group.read(b, now, &mut [0; 4]), Err(SyncError::Silent));
    assert_eq!(group.time_of(b, Timestamp(9000)).expect("b"), Some(Time::from_secs(51)));
    assert_eq!(group.timestamp_at(b, Time::from_secs(51)).expect("b"), Some(Timestamp(9000)));
}

/// Whatever comes, it neither panics nor grows, and time never goes back.
#[test]
fn anything_in_any_order_does_no_harm() {
    for seed in 1..=20 {
        let mut random = Random(seed);
        let mut group = SyncGroup::new(SyncOptions { take_others: seed % 2 == 0, ..SyncOptions::default() });
        let of = StreamOptions { clock_rate: 8000, audio_rate: 8000, channels: 1, cname: "a@x" };
        let ids: Vec<_> = (0..3).map(|_| group.add(&of).expect("a stream")).collect();
        let mut last = Time::ZERO;
        for _ in 0..5000 {
            let id = ids[(random.unit() * 3.0) as usize];
            let wild = |r: &mut Random| (r.unit() * 2f64.powf(r.between(0.0, 64.0))) as u64;
            let (time, ts) = (Time::from_nanos(wild(&mut random)), Timestamp(wild(&mut random) as u32));
            let mut pcm = [7; 300];
            match (random.unit() * 5.0) as u32 {
                0 => drop(group.report(id, NtpTime(wild(&mut random)), ts, time)),
                1 => drop(group.write(id, ts, &pcm[..(random.unit() * 300.0) as usize], time)),
                2 => drop(group.read(id, time, &mut pcm[..(random.unit() * 300.0) as usize])),
                3 => drop(group.packet(id, ts, time)),
                _ => {
                    let now = group.now(time);
                    assert!(now >= last, "seed {seed}");
                    last = now;
                }
            }
            drop((group.state(id), group.time_of(id, ts), group.timestamp_at(id, time)));
        }
    }
}
