//! The RTCP of one stream (RFC 3550 section 6): when reports go out, what is in them, what the peer's say.
//!
//! Sans-I/O: whoever drives it calls `handle_deadline` when `next_deadline` has come, `handle_packet` for each datagram
//! of RTCP, and `bye` at the end. Beside the time of the engine it is told the wall clock, which is what reports carry.
//! What was sent and heard comes as [`Said`] and [`Heard`] from the stream's session. Nothing here allocates.

use crate::proto::rtcp::time::{round_trip, to_compact, IntervalInput};
use crate::proto::rtcp::{Compound, NtpTime, Packet, ReportBlock, RtcpWriter, Rule, SenderInfo, WriteError};
use crate::util::{Duration, Rng, Time};

/// Sources beside ours that are told apart; a stranger that invents more pushes out the one heard longest ago.
const MAX_MEMBERS: usize = 16;
/// IP and UDP headers count to the bandwidth (section 6.2).
const HEADERS: f64 = 28.0;
/// A source that is silent for so many intervals is gone (section 6.3.5).
const TIMEOUT_INTERVALS: u32 = 5;
/// Longest compound that is written: one block, a CNAME, a BYE with a reason.
pub const MAX_REPORT: usize = 640;
/// RTCP's share of the bandwidth (section 6.2), and ours for audio that says nothing else: 5 % of 64 kbit/s.
const SHARE: f64 = 0.05;

#[derive(Clone, Debug)]
pub struct ReporterConfig {
    pub ssrc: u32,
    /// At most 255 bytes.
    pub cname: Box<str>,
    /// Of the session, both ways, in bits a second.
    pub bandwidth: u32,
    /// Least interval between reports: 5 s, or less as section 6.2 allows.
    pub minimum: Duration,
}

/// What this side has sent, at the instant of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Said {
    pub packets: u32,
    /// Of payload.
    pub octets: u32,
    /// What the stream's clock shows now.
    pub rtp_timestamp: u32,
}

/// What was heard of the peer's stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    pub ssrc: u32,
    /// Cycles and highest sequence number.
    pub highest: u32,
    pub expected: u64,
    pub received: u64,
    /// In ticks of the clock.
    pub jitter: u32,
    pub clock_rate: u32,
}

/// One instant on two clocks: the wall clock of the sender and the clock of its stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncPoint {
    pub ssrc: u32,
    pub ntp: NtpTime,
    pub rtp_timestamp: u32,
    /// When the report came, on our clocks.
    pub arrival: Time,
    pub arrival_ntp: NtpTime,
}

impl SyncPoint {
    /// The sender's wall clock when its stream's clock showed `timestamp`; within 2^31 ticks to either side.
    pub fn ntp_of(&self, timestamp: u32, clock_rate: u32) -> NtpTime {
        let ticks = i128::from(timestamp.wrapping_sub(self.rtp_timestamp) as i32);
        let units = (ticks << 32) / i128::from(clock_rate.max(1));
        NtpTime(self.ntp.0.wrapping_add(units as u64))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RtcpStats {
    /// Compound packets.
    pub sent: u64,
    pub received: u64,
    /// Not RTCP, or broken.
    pub discarded: u64,
    pub sender_reports: u64,
    pub byes: u64,
    /// Reports of the peer about our stream.
    pub reports_about_us: u64,
    /// What the last of these told.
    pub round_trip: Option<Duration>,
    /// In 1/256, since its report before.
    pub fraction_lost: u8,
    pub cumulative_lost: i32,
    /// In ticks of our clock.
    pub jitter: u32,
    pub highest_sequence: u32,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    ssrc: u32,
    heard: Time,
    /// Of its last sender report.
    sync: Option<SyncPoint>,
    sends: bool,
}

pub struct Reporter {
    config: ReporterConfig,
    members: [Option<Member>; MAX_MEMBERS],
    /// The source whose stream we hear: it is never pushed out.
    stream: Option<u32>,
    stats: RtcpStats,
    average_bytes: f64,
    /// tp and tn of section 6.3: when the last report was sent, when the next is due.
    last: Time,
    next: Time,
    /// Packets sent before the last report, and before the one before: who has sent since is a sender.
    said: [u32; 2],
    prior: Prior,
}

/// Counts of the last report, from which the fraction is taken (RFC 3550 A.3).
#[derive(Clone, Copy, Default, Debug)]
struct Prior {
    ssrc: u32,
    expected: u64,
    received: u64,
}

impl Reporter {
    pub fn new(now: Time, config: ReporterConfig, rng: &mut dyn Rng) -> Reporter {
        let mut this = Reporter {
            config,
            members: [None; MAX_MEMBERS],
            stream: None,
            stats: RtcpStats::default(),
            // RFC 3550 section 6.3.2: the probable size of the first report.
            average_bytes: 100.0 + HEADERS,
            last: now,
            next: now,
            said: [0; 2],
            prior: Prior::default(),
        };
        this.next = now + this.interval(rng);
        this
    }

    /// The stream begins now.
    pub fn restart(&mut self, now: Time, rng: &mut dyn Rng) {
        self.last = now;
        self.next = now + self.interval(rng);
    }

    pub fn next_deadline(&self) -> Time {
        self.next
    }
    pub fn stats(&self) -> &RtcpStats {
        &self.stats
    }

    /// The latest sender report of a source; of the stream that is heard if none is named.
    pub fn sync(&self, ssrc: Option<u32>) -> Option<SyncPoint> {
        let wanted = ssrc.or(self.stream);
        let reports = self.members.iter().flatten().filter_map(|m| m.sync);
        reports.filter(|s| wanted.is_none_or(|w| w == s.ssrc)).max_by_key(|s| s.arrival)
    }

    fn input(&self) -> IntervalInput {
        let sends = u32::from(self.we_sent());
        let members = self.members.iter().flatten().count() as u32;
        let senders = self.members.iter().flatten().filter(|m| m.sends).count() as u32;
        IntervalInput {
            members: members + 1,
            senders: senders + sends,
            rtcp_bandwidth: f64::from(self.config.bandwidth) / 8.0 * SHARE,
            we_sent: self.we_sent(),
            average_bytes: self.average_bytes,
            initial: self.stats.sent == 0,
            minimum: self.config.minimum,
        }
    }
    fn we_sent(&self) -> bool {
        self.said[0] != self.said[1]
    }
    fn interval(&self, rng: &mut dyn Rng) -> Duration {
        self.input().randomised(rng.next_u32())
    }

    /// Writes the report that is due into `out` (at least `MAX_REPORT` bytes); how long it is. None: not yet, by
    /// reconsideration (section 6.3.6).
    pub fn handle_deadline(
        &mut self,
        now: Time,
        wall: NtpTime,
        said: Option<Said>,
        heard: Option<Heard>,
        rng: &mut dyn Rng,
        out: &mut [u8],
    ) -> Option<usize> {
        if now < self.next {
            return None;
        }
        self.note(now, said, heard);
        self.forget_silent(now);
        let due = self.last + self.interval(rng);
        if due > now {
            self.next = due;
            return None;
        }
        let written = self.write(now, wall, said, heard, None, out);
        self.last = now;
        self.said[1] = self.said[0];
        let length = written.ok();
        if let Some(length) = length {
            self.stats.sent += 1;
            self.average(length);
        }
        self.next = now + self.interval(rng);
        length
    }

    /// The last packet: a report with a BYE. None when nothing was ever sent: who was never there need not leave
    /// (section 6.3.7).
    pub fn bye(
        &mut self,
        now: Time,
        wall: NtpTime,
        said: Option<Said>,
        heard: Option<Heard>,
        reason: Option<&str>,
        out: &mut [u8],
    ) -> Option<usize> {
        if self.stats.sent == 0 && said.is_none() {
            return None;
        }
        self.note(now, said, heard);
        let length = self.write(now, wall, said, heard, Some(reason), out).ok()?;
        self.stats.sent += 1;
        Some(length)
    }

    /// What happened since the last time.
    fn note(&mut self, now: Time, said: Option<Said>, heard: Option<Heard>) {
        self.said[0] = said.map_or(0, |s| s.packets);
        self.stream = heard.map(|h| h.ssrc);
        if let Some(heard) = heard {
            let sends = heard.ssrc != self.prior.ssrc || heard.received != self.prior.received;
            if let Some(member) = self.member(now, heard.ssrc, false) {
                member.sends = sends;
                if sends {
                    member.heard = now;
                }
            }
        }
    }

    fn write(
        &mut self,
        now: Time,
        wall: NtpTime,
        said: Option<Said>,
        heard: Option<Heard>,
        bye: Option<Option<&str>>,
        out: &mut [u8],
    ) -> Result<usize, WriteError> {
        let ssrc = self.config.ssrc;
        let blocks = heard.map(|h| self.block(now, &h));
        let blocks = blocks.as_slice();
        let mut writer = RtcpWriter::new(out);
        match said.filter(|_| self.we_sent() || bye.is_some()) {
            Some(Said { packets, octets, rtp_timestamp }) => {
                let sender = SenderInfo { ssrc, ntp: wall, rtp_timestamp, packets, octets };
                writer.sender_report(&sender, blocks)?;
            }
            None => writer.receiver_report(ssrc, blocks)?,
        }
        writer.cname(ssrc, self.config.cname.as_bytes())?;
        if let Some(reason) = bye {
            writer.bye(&[ssrc], reason.map(str::as_bytes))?;
        }
        Ok(writer.len())
    }

    /// RFC 3550 section 6.4.1 and appendix A.3.
    fn block(&mut self, now: Time, heard: &Heard) -> ReportBlock {
        let before = if self.prior.ssrc == heard.ssrc { self.prior } else { Prior::default() };
        let expected = heard.expected.saturating_sub(before.expected);
        let received = heard.received.saturating_sub(before.received);
        let lost = expected.saturating_sub(received);
        let fraction = (lost << 8).checked_div(expected).unwrap_or(0).min(255) as u8;
        self.prior = Prior { ssrc: heard.ssrc, expected: heard.expected, received: heard.received };
        let total = heard.expected as i64 - heard.received as i64;
        let sync = self.sync(Some(heard.ssrc));
        ReportBlock {
            ssrc: heard.ssrc,
            fraction_lost: fraction,
            cumulative_lost: total.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence: heard.highest,
            jitter: heard.jitter,
            last_sr: sync.map_or(0, |s| s.ntp.compact()),
            delay_since_last_sr: sync.map_or(0, |s| to_compact(now.since(s.arrival))),
        }
    }

    /// A datagram of RTCP; false if it is none.
    pub fn handle_packet(&mut self, now: Time, wall: NtpTime, datagram: &[u8], rng: &mut dyn Rng) -> bool {
        // RFC 5506: a peer may leave the report away.
        let Ok(compound) = Compound::parse(datagram, Rule::ReducedSize) else {
            self.stats.discarded += 1;
            return false;
        };
        self.stats.received += 1;
        self.average(datagram.len());
        for packet in compound.packets() {
            match packet {
                Packet::SenderReport(report) => {
                    self.stats.sender_reports += 1;
                    self.sender_report(now, wall, &report.sender);
                    report.blocks().for_each(|block| self.about_us(wall, &block));
                }
                Packet::ReceiverReport(report) => {
                    self.member(now, report.ssrc, true);
                    report.blocks().for_each(|block| self.about_us(wall, &block));
                }
                Packet::Bye(bye) => {
                    self.stats.byes += 1;
                    bye.sources().for_each(|ssrc| self.leave(ssrc));
                    self.reconsider(now, rng);
                }
                _ => {}
            }
        }
        true
    }

    fn sender_report(&mut self, now: Time, wall: NtpTime, sender: &SenderInfo) {
        let SenderInfo { ssrc, ntp, rtp_timestamp, .. } = *sender;
        if let Some(member) = self.member(now, ssrc, true) {
            member.sends = true;
            // Section 6.4.1: a sender without a wall clock says 0, and can't be placed.
            if ntp.0 != 0 {
                member.sync = Some(SyncPoint { ssrc, ntp, rtp_timestamp, arrival: now, arrival_ntp: wall });
            }
        }
    }

    fn about_us(&mut self, wall: NtpTime, block: &ReportBlock) {
        if block.ssrc != self.config.ssrc {
            return;
        }
        let stats = &mut self.stats;
        stats.reports_about_us += 1;
        stats.fraction_lost = block.fraction_lost;
        stats.cumulative_lost = block.cumulative_lost;
        stats.jitter = block.jitter;
        stats.highest_sequence = block.highest_sequence;
        if let Some(trip) = round_trip(wall, block.last_sr, block.delay_since_last_sr) {
            stats.round_trip = Some(trip);
        }
    }

    /// The entry of a source, made if need be; its life is renewed when it was `heard`.
    fn member(&mut self, now: Time, ssrc: u32, heard: bool) -> Option<&mut Member> {
        if ssrc == self.config.ssrc {
            return None;
        }
        let known = self.members.iter().position(|m| m.is_some_and(|m| m.ssrc == ssrc));
        let place = known.or_else(|| self.members.iter().position(Option::is_none));
        let place = place.unwrap_or_else(|| self.longest_silent());
        let fresh = Member { ssrc, heard: now, sync: None, sends: false };
        let entry = self.members.get_mut(place)?;
        if entry.is_none_or(|m| m.ssrc != ssrc) {
            *entry = Some(fresh);
        }
        let member = entry.as_mut()?;
        if heard {
            member.heard = now;
        }
        Some(member)
    }

    fn longest_silent(&self) -> usize {
        let keys = self.members.iter().enumerate();
        let key = |(_, m): &(usize, &Option<Member>)| {
            m.map_or(Time::ZERO, |m| if Some(m.ssrc) == self.stream { Time::MAX } else { m.heard })
        };
        keys.min_by_key(key).map_or(0, |(place, _)| place)
    }

    fn leave(&mut self, ssrc: u32) {
        for member in &mut self.members {
            if member.is_some_and(|m| m.ssrc == ssrc) {
                *member = None;
            }
        }
    }

    /// Section 6.3.4: with fewer members reports come more often.
    fn reconsider(&mut self, now: Time, rng: &mut dyn Rng) {
        let sooner = self.last + self.interval(rng);
        self.next = self.next.min(sooner.max(now));
    }

    fn forget_silent(&mut self, now: Time) {
        let longest = self.input().deterministic() * TIMEOUT_INTERVALS;
        for member in &mut self.members {
            if member.is_some_and(|m| now.since(m.heard) > longest) {
                *member = None;
            }
        }
    }

    /// Section 6.3.3.
    fn average(&mut self, bytes: usize) {
        self.average_bytes = (bytes as f64 + HEADERS) / 16.0 + self.average_bytes * 15.0 / 16.0;
    }
}

#[cfg(test)]
mod tests;
