//! One stream of a group: its clock, its transit times, its sound.

use super::line::{Line, Reports, FAR_NS};
use super::sound::Sound;
use super::transit::Transit;
use super::{Placed, StreamOptions};
use crate::proto::rtp::Timestamp;

/// Where extended timestamps begin: no packet comes before 0.
const ORIGIN: i64 = 1 << 33;
/// Packets in a row that are in no relation to the ones before: the sender has begun anew.
const STRANGE: u8 = 3;
/// So much further off than the group's bound is such a packet.
const STRANGE_NS: i64 = 10_000_000_000;
/// The reader's place may be this far from where it should be and go there by and by; else it jumps.
const SLACK_NS: f64 = 5e6;
/// The most by which reading is faster or slower than nominal.
const MOST_STRETCH: f64 = 0.02;

/// What happened to a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StreamCounts {
    pub packets: u64,
    /// Sender reports that were used; that were far off and not believed; and those that moved the stream.
    pub reports: u64,
    pub reports_refused: u64,
    pub moves: u64,
    /// How often the sender began anew.
    pub restarts: u64,
    /// Frames taken in; not taken in since their instant had passed; pushed out unread.
    pub written: u64,
    pub late: u64,
    pub dropped: u64,
    /// Frames read that are real, and silence for those that are not there.
    pub read: u64,
    pub missing: u64,
}

#[derive(Clone, Debug)]
pub struct Stream {
    pub cname: String,
    pub clock_rate: u32,
    audio_rate: u32,
    /// Frames of sound in a tick.
    frames_per_tick: f64,
    /// From timestamps to the group's time.
    line: Option<Line>,
    pub reports: Reports,
    /// Aligned by arrival for ever: its sender's clock is not the group's.
    pub foreign: bool,
    pub transit: Transit,
    /// The extended timestamp of the first packet, from which frames are counted, and the last one.
    base: i64,
    ticks: i64,
    strange: u8,
    sound: Option<Sound>,
    channels: usize,
    /// The next frame that the reader gets.
    place: Option<f64>,
    /// How far the last report was off, and how far the reader's place is.
    pub report_error: i64,
    read_error: i64,
    pub counts: StreamCounts,
}

impl Stream {
    pub fn new(options: &StreamOptions<'_>, capacity: usize) -> Stream {
        let channels = usize::from(options.channels.max(1));
        Stream {
            cname: options.cname.to_owned(),
            clock_rate: options.clock_rate,
            audio_rate: options.audio_rate,
            frames_per_tick: f64::from(options.audio_rate) / f64::from(options.clock_rate.max(1)),
            line: None,
            reports: Reports::new(options.clock_rate),
            foreign: false,
            transit: Transit::default(),
            base: ORIGIN,
            ticks: ORIGIN,
            strange: 0,
            sound: (capacity > 0).then(|| Sound::new(channels, capacity)),
            channels,
            place: None,
            report_error: 0,
            read_error: 0,
            counts: StreamCounts::default(),
        }
    }

    /// Its sender's clock tells the place of its packets.
    pub fn is_aligned(&self) -> bool {
        !self.foreign && !self.reports.is_empty()
    }
    pub fn has_sound(&self) -> bool {
        self.sound.is_some()
    }
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// How long so many samples last.
    pub fn duration_ns(&self, samples: usize) -> i64 {
        let frames = (samples / self.channels) as f64;
        (frames * 1e9 / f64::from(self.audio_rate.max(1))) as i64
    }

    /// The extended timestamp nearest to the last one.
    pub fn extend(&self, timestamp: Timestamp) -> i64 {
        if self.line.is_none() {
            return ORIGIN + i64::from(timestamp.0);
        }
        self.ticks + i64::from(timestamp.distance(Timestamp(self.ticks as u32)))
    }

    pub fn ns_at(&self, ticks: i64) -> Option<i64> {
        self.line.map(|line| line.ns_at(ticks))
    }
    pub fn ticks_at(&self, ns: i64) -> Option<f64> {
        self.line.map(|line| line.ticks_at(ns))
    }

    /// A packet; its extended timestamp, or None when it can't be one of this stream.
    pub fn packet(&mut self, timestamp: Timestamp, arrival: i64, limit: i64) -> Option<i64> {
        let ticks = self.extend(timestamp);
        let line = *self.line.get_or_insert(Line::nominal(ticks, arrival, self.clock_rate));
        if self.transit.last().is_none() {
            self.base = ticks;
        }
        let transit = arrival - line.ns_at(ticks);
        let least = self.transit.least().unwrap_or(transit);
        if (transit - least).abs() > limit + STRANGE_NS {
            self.strange += 1;
            if self.strange < STRANGE {
                return None;
            }
            return Some(self.restart(timestamp, arrival, limit));
        }
        self.strange = 0;
        self.counts.packets += 1;
        self.ticks = self.ticks.max(ticks);
        let finished = self.transit.add(arrival, transit, limit);
        if !self.is_aligned() {
            self.follow_arrivals(transit, finished);
        }
        Some(ticks)
    }

    /// Without reports the fastest packet counts as one that took no time.
    fn follow_arrivals(&mut self, transit: i64, finished: bool) {
        let fastest = if finished { self.transit.least().unwrap_or(0) } else { transit.min(0) };
        if fastest != 0 {
            self.shift(fastest);
        }
    }

    /// Later on the group's time by so much.
    fn shift(&mut self, by: i64) {
        if let Some(line) = &mut self.line {
            line.ns = line.ns.saturating_add(by).clamp(-FAR_NS, FAR_NS);
        }
        self.transit.shift(by);
    }

    /// The sender's timestamps have begun anew: nothing of before counts.
    fn restart(&mut self, timestamp: Timestamp, arrival: i64, limit: i64) -> i64 {
        self.counts.restarts += 1;
        self.forget_reports();
        self.line = None;
        self.transit = Transit::default();
        self.strange = 0;
        self.place = None;
        if let Some(sound) = &mut self.sound {
            sound.clear();
        }
        self.packet(timestamp, arrival, limit).unwrap_or(ORIGIN)
    }

    pub fn forget_reports(&mut self) {
        self.reports = Reports::new(self.clock_rate);
    }

    /// Takes over the line of the reports.
    pub fn realign(&mut self, ticks: i64) {
        let Some(new) = self.reports.line() else { return };
        if let Some(old) = self.line {
            self.transit.shift(new.ns_at(self.ticks) - old.ns_at(self.ticks));
        } else {
            self.ticks = ticks;
        }
        self.line = Some(new);
    }

    /// Sound of a packet that [`Self::packet`] has placed.
    pub fn write(&mut self, ticks: i64, pcm: &[i16]) -> Placed {
        let Some(sound) = &mut self.sound else { return Placed::default() };
        let first = ((ticks - self.base) as f64 * self.frames_per_tick).round() as i64;
        let frames = (pcm.len() / self.channels) as i64;
        let unread = self.place.map(|p| p as i64);
        let late = unread.map_or(0, |u| (u - first).clamp(0, frames)) as u64;
        let dropped = sound.write(first, pcm, unread);
        self.counts.late += late;
        self.counts.written += frames as u64 - late;
        self.counts.dropped += dropped;
        Placed { taken: frames as u64 - late, late }
    }

    /// Frames from an instant of the group's time on; how many are real. What was read isn't given a second time.
    pub fn read(&mut self, ns: i64, out: &mut [i16]) -> usize {
        let frames = out.len() / self.channels;
        let line = self.line.filter(|_| frames > 0);
        let (Some(line), Some(sound)) = (line, &self.sound) else {
            out.fill(0);
            self.counts.missing += frames as u64;
            return 0;
        };
        let rate = f64::from(self.audio_rate);
        let place_at = |ns: i64| (line.ticks_at(ns) - self.base as f64) * self.frames_per_tick;
        let target = place_at(ns);
        let slack = SLACK_NS * rate / 1e9;
        let ahead = self.place.map_or(0.0, |place| place - target);
        let joins = self.place.is_some() && ahead.abs() <= slack;
        let begin = if joins { target + ahead } else { target };
        // Time stood still: what was given isn't given again. Further ahead than the ring is long it was another time.
        let given = ahead > slack && ahead < sound.capacity() as f64;
        let from = if given { target + ahead } else { begin };
        let long = (frames as f64 * 1e9 / rate).round() as i64;
        let end = place_at(ns + long);
        let step = ((end - begin) / frames as f64).clamp(1.0 - MOST_STRETCH, 1.0 + MOST_STRETCH);
        let real = sound.read(begin, step, from, out);
        let next = begin + frames as f64 * step;
        self.place = Some(if given { from.max(next) } else { next });
        self.read_error = ((next - end) * 1e9 / rate) as i64;
        self.counts.read += real as u64;
        self.counts.missing += (frames - real) as u64;
        real
    }

    /// The reader's place moves with a line that has jumped back: what was played too early comes again at its time.
    pub fn moved(&mut self) {
        self.place = None;
        self.counts.moves += 1;
    }

    /// How far what is read is from where it belongs, as far as the last report shows it.
    pub fn skew_after(&self) -> i64 {
        self.report_error + self.read_error
    }
}
