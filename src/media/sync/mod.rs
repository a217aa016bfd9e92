//! Several RTP streams on one clock: what was captured at the same instant is heard at the same instant, however long each
//! stream was under way (RFC 3550 sections 5.1 and 6.4.1).
//!
//! The group has a time of its own, in nanoseconds: it runs like the senders' wall clock and begins where the first packets
//! arrived. A sender report says which RTP timestamp belongs to which instant of the wall clock; from several of them each
//! stream's drift is known. Before the first report a stream is placed by the arrival of its fastest packets. The playout
//! instant is as far behind as the slowest stream needs, within a bound.
//!
//! Driven by whoever has the packets: no clock, no I/O; memory is what the streams were made with.

mod line;
mod sound;
mod stream;
mod transit;

use crate::proto::rtcp::NtpTime;
use crate::proto::rtp::Timestamp;
use crate::util::{Duration, Time};
use line::{Pair, Verdict, FAR_NS};
use stream::Stream;
use transit::Transit;

pub use stream::StreamCounts;

/// Streams of a group, unless set otherwise, and at most.
pub const STREAMS: usize = 32;
pub const MAX_STREAMS: usize = 256;
/// How far the slowest stream may be behind the fastest, unless set otherwise, and at most.
pub const MAX_DELAY: Duration = Duration::from_secs(1);
pub const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// Bytes of sound of one stream.
pub const MAX_SOUND_BYTES: usize = 64 << 20;
/// Sound is kept for so much longer than the bound.
const SPARE: Duration = Duration::from_millis(500);
/// Frames of so much time are read at a time until a longer read is seen.
const BLOCK_NS: i64 = 20_000_000;
/// The playout instant is so far behind what the slowest packets need.
const MARGIN_NS: i64 = 5_000_000;
/// Delay is taken back by so much of the time that passes.
const SHRINK: i64 = 100;
/// Two reports of a group's clock that are further apart than this beyond the bound are of different clocks.
const ANOTHER_CLOCK_NS: i64 = 10_000_000_000;
/// A stream that has been silent for so long holds nobody up.
const SILENT_NS: i64 = 16_000_000_000;
/// How often the senders' wall clock may have been set and streams still be on the way to its new time.
const SETTINGS: usize = 4;
/// RFC 3550 section 6.5.1: an item has at most 255 bytes.
const MAX_CNAME: usize = 255;

/// What a group does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncOptions {
    /// How far behind the fastest stream the playout instant may be.
    pub max_delay: Duration,
    pub max_streams: usize,
    /// Streams of another clock are taken in, marked, and placed by their arrival; else they are refused.
    pub take_others: bool,
}

impl Default for SyncOptions {
    fn default() -> SyncOptions {
        SyncOptions { max_delay: MAX_DELAY, max_streams: STREAMS, take_others: false }
    }
}

/// A stream to be added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamOptions<'a> {
    /// Ticks of the RTP timestamp a second.
    pub clock_rate: u32,
    /// Frames of sound a second; 0: no sound, the stream's instants are all that is wanted (video).
    pub audio_rate: u32,
    pub channels: u8,
    /// Whose clock it is (RFC 3550 section 6.5.1); empty: not known yet, and believed to be the group's.
    pub cname: &'a str,
}

/// A stream of the group. Numbers are not used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StreamId(pub u32);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SyncError {
    /// No such stream.
    Unknown(StreamId),
    /// As many as there may be.
    Full(usize),
    /// A rate or a size is out of range.
    Range(&'static str),
    /// Another CNAME: another clock.
    OtherName { group: String, stream: String },
    /// The same CNAME, but reports so far apart that they can't be of one clock.
    OtherClock { apart: Duration },
    /// The sender has no wall clock: its report says 0 (RFC 3550 section 6.4.1).
    NoClock,
    /// The stream was added without sound.
    Silent,
}

/// Frames of one write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Placed {
    pub taken: u64,
    /// Their instant had passed.
    pub late: u64,
}

/// How far a stream is from the others, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Skew {
    /// By arrival: how much longer than the fastest stream's its fastest packets take. What a player without a common
    /// clock would play late.
    pub before: i64,
    /// What is left: as the last sender report showed the line that was played by.
    pub after: i64,
    /// `after` means something: a report has come.
    pub aligned: bool,
}

/// A stream as it stands.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct StreamState {
    pub counts: StreamCounts,
    pub skew: Skew,
    /// Another clock than the group's: placed by arrival.
    pub foreign: bool,
    /// Its packets take longer than the bound allows to wait: it is not heard.
    pub too_slow: bool,
    /// How much faster than the sender's wall clock its RTP clock runs, in millionths.
    pub drift_ppm: f64,
    /// How long its fastest packets wait.
    pub waits: Duration,
}

pub struct SyncGroup {
    options: SyncOptions,
    streams: Vec<(StreamId, Stream)>,
    next: u32,
    cname: String,
    /// The wall clock of the first report, from which the others count.
    origin: Option<NtpTime>,
    /// What wall clock time (since the origin) has to be added to be group time: the newest first. There is more than one
    /// after the senders' clock was set.
    settings: [i64; SETTINGS],
    set: usize,
    /// Group time is the host's clock minus this.
    behind: Option<i64>,
    /// The host's clock and group time when it was asked for last.
    asked: Option<(i64, i64)>,
    /// The longest read: what is read must be there when it begins.
    block: i64,
}

impl SyncGroup {
    pub fn new(options: SyncOptions) -> SyncGroup {
        let options = SyncOptions {
            max_delay: options.max_delay.clamp(Duration::from_millis(10), LONGEST_DELAY),
            max_streams: options.max_streams.clamp(1, MAX_STREAMS),
            ..options
        };
        SyncGroup {
            options,
            streams: Vec::with_capacity(options.max_streams.min(8)),
            next: 1,
            cname: String::new(),
            origin: None,
            settings: [0; SETTINGS],
            set: 0,
            behind: None,
            asked: None,
            block: BLOCK_NS,
        }
    }

    pub fn set_take_others(&mut self, yes: bool) {
        self.options.take_others = yes;
    }
    pub fn max_delay(&self) -> Duration {
        self.options.max_delay
    }
    pub fn len(&self) -> usize {
        self.streams.len()
    }
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
    /// Whose clock it is; empty before any stream has said it.
    pub fn cname(&self) -> &str {
        &self.cname
    }

    pub fn add(&mut self, options: &StreamOptions<'_>) -> Result<StreamId, SyncError> {
        if self.streams.len() >= self.options.max_streams {
            return Err(SyncError::Full(self.options.max_streams));
        }
        let capacity = self.check(options)?;
        let foreign = self.judge_name(options.cname)?;
        let mut stream = Stream::new(options, capacity);
        stream.foreign = foreign;
        let id = StreamId(self.next);
        self.next += 1;
        self.streams.push((id, stream));
        Ok(id)
    }

    /// Frames of sound to be kept.
    fn check(&self, options: &StreamOptions<'_>) -> Result<usize, SyncError> {
        if !(1000..=1_000_000).contains(&options.clock_rate) {
            return Err(SyncError::Range("clock rate"));
        }
        if options.audio_rate == 0 {
            return Ok(0);
        }
        if !(1000..=384_000).contains(&options.audio_rate) {
            return Err(SyncError::Range("audio rate"));
        }
        if !(1..=8).contains(&options.channels) {
            return Err(SyncError::Range("channels"));
        }
        let kept = (self.options.max_delay + SPARE).as_millis() as u64;
        let frames = (kept * u64::from(options.audio_rate) / 1000) as usize;
        let bytes = frames * usize::from(options.channels) * size_of::<i16>();
        if bytes > MAX_SOUND_BYTES {
            Err(SyncError::Range("audio rate"))
        } else {
            Ok(frames)
        }
    }

    /// Whether that name is another clock's; the first name is the group's.
    fn judge_name(&mut self, cname: &str) -> Result<bool, SyncError> {
        if cname.len() > MAX_CNAME {
            return Err(SyncError::Range("CNAME"));
        }
        if cname.is_empty() || cname == self.cname {
            return Ok(false);
        }
        if self.cname.is_empty() {
            self.cname = cname.to_owned();
            return Ok(false);
        }
        if self.options.take_others {
            return Ok(true);
        }
        Err(SyncError::OtherName { group: self.cname.clone(), stream: cname.to_owned() })
    }

    /// The name came later, in a source description. A refused one changes nothing.
    pub fn set_cname(&mut self, id: StreamId, cname: &str) -> Result<(), SyncError> {
        self.stream(id)?;
        let foreign = self.judge_name(cname)?;
        let stream = self.stream(id)?;
        if foreign && !stream.foreign {
            stream.forget_reports();
        }
        stream.foreign = foreign;
        stream.cname = cname.to_owned();
        Ok(())
    }

    pub fn remove(&mut self, id: StreamId) -> Result<(), SyncError> {
        let at = self.streams.iter().position(|(i, _)| *i == id).ok_or(SyncError::Unknown(id))?;
        self.streams.remove(at);
        Ok(())
    }

    /// A sender report of a stream: this RTP timestamp is that instant of the sender's wall clock. Whether it was used; one
    /// that is far off is not, until a second one says the same.
    pub fn report(
        &mut self,
        id: StreamId,
        ntp: NtpTime,
        timestamp: Timestamp,
        arrival: Time,
    ) -> Result<bool, SyncError> {
        if ntp.0 == 0 {
            return Err(SyncError::NoClock);
        }
        if self.stream(id)?.foreign {
            return Ok(false);
        }
        let wall = self.wall(ntp);
        if self.set == 0 {
            self.begin(id, wall, timestamp, arrival)?;
        }
        let ticks = self.stream(id)?.extend(timestamp);
        let first = self.stream(id)?.reports.is_empty();
        let pair =
            if first { self.first_pair(id, wall, ticks)? } else { self.nearest_pair(id, wall, ticks)? };
        let Some(pair) = pair else { return self.refuse(id) };
        let stream = self.stream(id)?;
        match stream.reports.add(pair) {
            Verdict::First => stream.moved(),
            Verdict::Good { error_ns } => stream.report_error = error_ns,
            Verdict::Stale => return Ok(false),
            Verdict::Suspect => {
                stream.counts.reports_refused += 1;
                return Ok(false);
            }
            Verdict::Jump { by_ns } => self.jump(id, wall, pair, by_ns)?,
        }
        let stream = self.stream(id)?;
        stream.counts.reports += 1;
        stream.realign(ticks);
        Ok(true)
    }

    /// Nanoseconds since the first report of all.
    fn wall(&mut self, ntp: NtpTime) -> i64 {
        let origin = self.origin.get_or_insert(ntp);
        let units = ntp.0.wrapping_sub(origin.0) as i64;
        (((i128::from(units) * 1_000_000_000) >> 32) as i64).clamp(-FAR_NS, FAR_NS)
    }

    /// The first report of all: group time goes on from where this stream stands by arrival.
    fn begin(
        &mut self,
        id: StreamId,
        wall: i64,
        timestamp: Timestamp,
        arrival: Time,
    ) -> Result<(), SyncError> {
        let stream = self.stream(id)?;
        let now = stream.ns_at(stream.extend(timestamp)).unwrap_or(nanos(arrival));
        self.settings[0] = (now - wall).clamp(-FAR_NS, FAR_NS);
        self.set = 1;
        Ok(())
    }

    /// A stream's first report: by the newest setting of the wall clock that makes sense beside the other streams.
    fn first_pair(&mut self, id: StreamId, wall: i64, ticks: i64) -> Result<Option<Pair>, SyncError> {
        let limit = self.limit() + ANOTHER_CLOCK_NS;
        let mut nearest = i64::MAX;
        for i in 0..self.set {
            let ns = (wall + self.settings[i]).clamp(-FAR_NS, FAR_NS);
            let apart = self.apart(id, ns, ticks);
            if apart <= limit {
                return Ok(Some(Pair { ticks, ns }));
            }
            nearest = nearest.min(apart);
        }
        if self.options.take_others {
            self.stream(id)?.foreign = true;
            return Ok(None);
        }
        Err(SyncError::OtherClock { apart: Duration::from_nanos(nearest.unsigned_abs()) })
    }

    /// A later report: by the setting that fits its line best.
    fn nearest_pair(&mut self, id: StreamId, wall: i64, ticks: i64) -> Result<Option<Pair>, SyncError> {
        let settings = self.settings;
        let set = self.set;
        let stream = self.stream(id)?;
        let pairs =
            settings[..set].iter().map(|setting| Pair { ticks, ns: (wall + setting).clamp(-FAR_NS, FAR_NS) });
        Ok(pairs.min_by_key(|&pair| stream.reports.error(pair).map_or(0, i64::abs)))
    }

    /// If `ticks` were captured at `ns`: how far this stream would be from the nearest end of the others' transit times.
    fn apart(&self, id: StreamId, ns: i64, ticks: i64) -> i64 {
        let Some((_, stream)) = self.streams.iter().find(|(i, _)| *i == id) else { return 0 };
        let (Some(least), Some(now)) = (stream.transit.least(), stream.ns_at(ticks)) else { return 0 };
        let would = least - (ns - now);
        let others = self.streams.iter().filter(|(i, s)| *i != id && s.is_aligned());
        others.filter_map(|(_, s)| s.transit.least()).map(|l| (l - would).abs()).min().unwrap_or(0)
    }

    fn refuse(&mut self, id: StreamId) -> Result<bool, SyncError> {
        self.stream(id)?.counts.reports_refused += 1;
        Ok(false)
    }

    /// Twice the same surprise. If the stream is within the bound with it, its reports before were wrong; else the wall clock
    /// was set, which the other streams' reports will say as well, and group time does not mind.
    fn jump(&mut self, id: StreamId, wall: i64, pair: Pair, by_ns: i64) -> Result<(), SyncError> {
        let alone = !self.streams.iter().any(|(i, s)| *i != id && s.is_aligned());
        let clock_was_set = alone || self.apart(id, pair.ns, pair.ticks) > self.limit();
        let mut pair = pair;
        if clock_was_set {
            pair.ns = (pair.ns - by_ns).clamp(-FAR_NS, FAR_NS);
            self.settings.rotate_right(1);
            self.settings[0] = (pair.ns - wall).clamp(-FAR_NS, FAR_NS);
            self.set = (self.set + 1).min(SETTINGS);
        }
        let stream = self.stream(id)?;
        stream.reports.start_over(pair);
        stream.moved();
        stream.report_error = if clock_was_set { 0 } else { -by_ns };
        Ok(())
    }

    /// A packet came: for streams whose sound the host keeps itself. False: it can't be one of this stream.
    pub fn packet(&mut self, id: StreamId, timestamp: Timestamp, arrival: Time) -> Result<bool, SyncError> {
        let limit = self.limit();
        Ok(self.stream(id)?.packet(timestamp, nanos(arrival), limit).is_some())
    }

    /// A packet came, and this is its sound.
    pub fn write(
        &mut self,
        id: StreamId,
        timestamp: Timestamp,
        pcm: &[i16],
        arrival: Time,
    ) -> Result<Placed, SyncError> {
        let limit = self.limit();
        let stream = self.stream(id)?;
        if !stream.has_sound() {
            return Err(SyncError::Silent);
        }
        let Some(ticks) = stream.packet(timestamp, nanos(arrival), limit) else {
            return Ok(Placed::default());
        };
        Ok(stream.write(ticks, pcm))
    }

    /// Fills `out` with a stream's frames from an instant of group time on; how many are real, the others are silence.
    /// Consecutive reads join without a seam; nothing is given twice.
    pub fn read(&mut self, id: StreamId, at: Time, out: &mut [i16]) -> Result<usize, SyncError> {
        let stream = self.stream(id)?;
        if !stream.has_sound() {
            return Err(SyncError::Silent);
        }
        let block = stream.duration_ns(out.len());
        let real = stream.read(nanos(at), out);
        self.block = self.block.max(block.min(self.limit()));
        Ok(real)
    }

    /// The instant of group time that is to be played when the host's clock shows `local`. It never goes back: when the
    /// delay grows it stands still for so long.
    pub fn now(&mut self, local: Time) -> Time {
        let local = nanos(local);
        self.adapt(local);
        let time = local - self.behind.unwrap_or(0);
        let time = self.asked.map_or(time, |(_, before)| time.max(before));
        self.asked = Some((local, time));
        Time::from_nanos(time.max(0) as u64)
    }

    /// More delay at once, less by and by.
    fn adapt(&mut self, local: i64) {
        let Some(needed) = self.needed(local) else { return };
        let Some(behind) = self.behind else {
            self.behind = Some(needed);
            return;
        };
        let passed = self.asked.map_or(0, |(before, _)| (local - before).max(0));
        self.behind = Some(needed.max(behind - passed / SHRINK));
    }

    /// What the slowest stream needs that is within the bound with most of the others.
    fn needed(&self, local: i64) -> Option<i64> {
        let limit = self.limit();
        let live = || {
            let heard = self.streams.iter().map(|(_, s)| &s.transit);
            heard.filter(|t| t.last().is_some_and(|last| local - last <= SILENT_NS))
        };
        let within = |base: i64| {
            live().filter_map(Transit::least).filter(|l| (0..=limit).contains(&(l - base))).count()
        };
        let bases = live().filter_map(Transit::least);
        // The first of those with the most company.
        let base = bases.fold(None, |best: Option<(usize, i64)>, base| {
            let company = within(base);
            if best.is_some_and(|(most, _)| most >= company) {
                best
            } else {
                Some((company, base))
            }
        });
        let (_, base) = base?;
        let kept = live().filter(|t| t.least().is_some_and(|l| (0..=limit).contains(&(l - base))));
        let most = kept.filter_map(Transit::most).max().unwrap_or(base);
        Some((most + self.block + MARGIN_NS).min(base + limit))
    }

    /// When a timestamp of a stream was captured, in group time; None before its first packet.
    pub fn time_of(&self, id: StreamId, timestamp: Timestamp) -> Result<Option<Time>, SyncError> {
        let stream = self.look(id)?;
        Ok(stream.ns_at(stream.extend(timestamp)).map(|ns| Time::from_nanos(ns.max(0) as u64)))
    }

    /// The timestamp of a stream at an instant of group time; None before its first packet.
    pub fn timestamp_at(&self, id: StreamId, time: Time) -> Result<Option<Timestamp>, SyncError> {
        let ticks = self.look(id)?.ticks_at(nanos(time));
        Ok(ticks.map(|ticks| Timestamp(ticks.round() as i64 as u32)))
    }

    /// When the host's clock will show that an instant of group time is to be played.
    pub fn local_of(&self, time: Time) -> Time {
        Time::from_nanos((nanos(time) + self.behind.unwrap_or(0)).max(0) as u64)
    }

    pub fn skew(&self, id: StreamId) -> Result<Skew, SyncError> {
        let stream = self.look(id)?;
        let fastest = self.streams.iter().filter_map(|(_, s)| s.transit.least()).min().unwrap_or(0);
        let before = stream.transit.least().map_or(0, |least| least - fastest);
        let aligned = stream.is_aligned();
        Ok(Skew { before, after: if aligned { stream.skew_after() } else { 0 }, aligned })
    }

    pub fn state(&self, id: StreamId) -> Result<StreamState, SyncError> {
        let stream = self.look(id)?;
        let waits = self.behind.zip(stream.transit.least()).map(|(behind, least)| behind - least);
        Ok(StreamState {
            counts: stream.counts,
            skew: self.skew(id)?,
            foreign: stream.foreign,
            too_slow: waits.is_some_and(|w| w < 0),
            drift_ppm: stream.reports.drift_ppm(),
            waits: Duration::from_nanos(waits.unwrap_or(0).max(0) as u64),
        })
    }

    /// Samples of a frame of that stream.
    pub fn channels(&self, id: StreamId) -> Result<usize, SyncError> {
        self.look(id).map(Stream::channels)
    }

    fn limit(&self) -> i64 {
        i64::try_from(self.options.max_delay.as_nanos()).unwrap_or(i64::MAX)
    }
    fn look(&self, id: StreamId) -> Result<&Stream, SyncError> {
        self.streams.iter().find(|(i, _)| *i == id).map(|(_, s)| s).ok_or(SyncError::Unknown(id))
    }
    fn stream(&mut self, id: StreamId) -> Result<&mut Stream, SyncError> {
        self.streams.iter_mut().find(|(i, _)| *i == id).map(|(_, s)| s).ok_or(SyncError::Unknown(id))
    }
}

fn nanos(time: Time) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(FAR_NS).min(FAR_NS)
}
