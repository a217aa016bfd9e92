//! RTCP of a call on the port of its RTP (RFC 3550 section 6, RFC 5761): a reporter that acts at send ticks.
//!
//! A report that is due waits for the next send tick, at most one packet interval: no wake-up is spent on it.

use super::protection::ROOM;
use super::{HostSide, Stream};
use crate::media::params::{MediaStats, SessionConfig};
use crate::media::reporter::{Reporter, ReporterConfig, MAX_REPORT};
use crate::proto::rtcp::NtpTime;
use crate::util::{Duration, Rng, SeededRng, Time};
use core::net::SocketAddr;

/// RFC 3550 section 6.2: the least interval; the real ones are spread around it.
const INTERVAL: Duration = Duration::from_secs(5);
/// Of telephone speech, both ways: beside it the least interval is what counts.
const BANDWIDTH: u32 = 128_000;

pub struct Reports {
    reporter: Reporter,
    ssrc: u32,
    /// Spreads the instants; nothing secret comes of it.
    rng: SeededRng,
    epoch: NtpTime,
    discarded: u64,
}

impl Reports {
    pub fn new(now: Time, config: &SessionConfig, seed: u64, ssrc: u32) -> Reports {
        let mut rng = SeededRng::new(seed);
        // RFC 7022 section 4.2: 96 random bits name nobody.
        let cname = rng.token(20).into();
        let reporting = ReporterConfig { ssrc, cname, bandwidth: BANDWIDTH, minimum: INTERVAL };
        let reporter = Reporter::new(now, reporting, &mut rng);
        Reports { reporter, ssrc, rng, epoch: config.epoch, discarded: 0 }
    }

    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// A datagram of RTCP; `peer` is where the stream goes to, and nobody else may tell about it.
    pub fn take(&mut self, now: Time, from: SocketAddr, peer: Option<SocketAddr>, datagram: &[u8]) {
        if peer.is_some_and(|peer| peer.ip() == from.ip()) {
            let wall = self.wall(now);
            self.reporter.handle_packet(now, wall, datagram, &mut self.rng);
        } else {
            self.discarded += 1;
        }
    }

    pub fn next_deadline(&self) -> Time {
        self.reporter.next_deadline()
    }

    /// Sends the report that is due.
    pub fn run(
        &mut self,
        side: &HostSide,
        stream: &mut Stream,
        now: Time,
        out: &mut dyn FnMut(SocketAddr, &[u8]),
    ) {
        let Some(to) = stream.receive.destination() else { return };
        let (said, heard) = (side.said_by(stream, now), stream.receive.heard());
        let mut report = [0; MAX_REPORT + ROOM];
        let wall = self.wall(now);
        let room = &mut report[..MAX_REPORT];
        let written = self.reporter.handle_deadline(now, wall, said, heard, &mut self.rng, room);
        if let Some(bytes) = written.and_then(|len| stream.send.protected_rtcp(&mut report, len)) {
            out(to, bytes);
        }
    }

    pub fn fill_stats(&self, stats: &mut MediaStats, clock_rate: u32) {
        let told = self.reporter.stats();
        stats.rtcp_sent = told.sent;
        stats.rtcp_received = told.received;
        stats.rx_discarded += told.discarded + self.discarded;
        stats.rtt_us = told.round_trip.map_or(0, |trip| trip.as_micros().max(1) as u32);
        stats.remote_lost = u64::try_from(told.cumulative_lost).unwrap_or(0);
        stats.remote_loss_permille = u32::from(told.fraction_lost) * 1000 / 256;
        let us = u64::from(told.jitter) * 1_000_000 / u64::from(clock_rate.max(1));
        stats.remote_jitter_us = u32::try_from(us).unwrap_or(u32::MAX);
    }

    fn wall(&self, now: Time) -> NtpTime {
        NtpTime(self.epoch.0.wrapping_add(NtpTime::units(now.since(Time::ZERO))))
    }
}
