//! NTP times, round trips, and how often reports are sent (RFC 3550 sections 4, 6.3.1 and 6.4.1).

use crate::util::Duration;

/// Seconds between 1900 and 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;

/// Wall clock in 1/2^32 s since 1900; wraps in 2036, which differences don't mind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    pub const fn from_parts(seconds: u32, fraction: u32) -> NtpTime {
        NtpTime((seconds as u64) << 32 | fraction as u64)
    }
    pub const fn seconds(self) -> u32 {
        (self.0 >> 32) as u32
    }
    pub const fn fraction(self) -> u32 {
        self.0 as u32
    }
    /// From the time since 1970.
    pub fn from_unix(since_epoch: Duration) -> NtpTime {
        let seconds = since_epoch.as_secs().wrapping_add(UNIX_EPOCH) as u32;
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 32) / 1_000_000_000;
        NtpTime::from_parts(seconds, fraction as u32)
    }
    /// The middle 32 bits: what LSR and LRR hold, in 1/65536 s.
    pub const fn compact(self) -> u32 {
        (self.0 >> 16) as u32
    }
    /// A duration in 1/2^32 s.
    pub fn units(duration: Duration) -> u64 {
        ((duration.as_nanos() << 32) / 1_000_000_000) as u64
    }
    /// So much earlier.
    #[must_use]
    pub fn before(self, ago: Duration) -> NtpTime {
        NtpTime(self.0.wrapping_sub(NtpTime::units(ago)))
    }
    /// How long after `earlier`, across the wrap; zero if it is not after it.
    pub fn since(self, earlier: NtpTime) -> Duration {
        let units = self.0.wrapping_sub(earlier.0) as i64;
        // At most 2^31 s * 10^9 in 2^63: the product needs 128 bits.
        let nanos = (u128::from(units.max(0) as u64) * 1_000_000_000) >> 32;
        Duration::from_nanos(nanos as u64)
    }
}

/// 1/65536 s as a duration.
pub fn from_compact(units: u32) -> Duration {
    Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16)
}

/// A duration in 1/65536 s; what is too long is the longest (18 hours).
pub fn to_compact(duration: Duration) -> u32 {
    u32::try_from((duration.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

/// The round trip that a report block tells: arrival - LSR - DLSR (section 6.4.1). None without a sender
/// report to count from, and when clocks make it negative.
pub fn round_trip(arrival: NtpTime, last_sr: u32, delay_since_last_sr: u32) -> Option<Duration> {
    if last_sr == 0 {
        return None;
    }
    let units = arrival.compact().wrapping_sub(last_sr).wrapping_sub(delay_since_last_sr);
    (units as i32 >= 0).then(|| from_compact(units))
}

/// What the interval of reports depends on (section 6.3.1).
#[derive(Clone, Copy, Debug)]
pub struct IntervalInput {
    /// Participants, ourselves included.
    pub members: u32,
    pub senders: u32,
    /// RTCP's share of the bandwidth, in bytes a second (5 % as a rule).
    pub rtcp_bandwidth: f64,
    /// We have sent since the report before last.
    pub we_sent: bool,
    /// Mean size of compound packets with IP and UDP headers, in bytes.
    pub average_bytes: f64,
    /// No report was sent yet.
    pub initial: bool,
    /// The least interval, 5 s as a rule; halved for the initial one.
    pub minimum: Duration,
}

impl IntervalInput {
    /// Td: the interval before it is randomised.
    pub fn deterministic(&self) -> Duration {
        let minimum = self.minimum.as_secs_f64() / if self.initial { 2.0 } else { 1.0 };
        let (members, senders) = (f64::from(self.members.max(1)), f64::from(self.senders));
        // Senders share a quarter of the bandwidth as long as they are no more than a quarter.
        let (share, among) = match (senders <= members * 0.25, self.we_sent) {
            (true, true) => (0.25, senders.max(1.0)),
            (true, false) => (0.75, (members - senders).max(1.0)),
            (false, _) => (1.0, members),
        };
        let bandwidth = (self.rtcp_bandwidth * share).max(1.0);
        let seconds = (self.average_bytes.max(0.0) * among / bandwidth).max(minimum);
        Duration::from_secs_f64(seconds.min(86_400.0))
    }

    /// T: between half and one and a half of Td, over e - 3/2, for timer reconsideration. `random` spreads
    /// over all of `u32`.
    pub fn randomised(&self, random: u32) -> Duration {
        let factor = f64::from(random) / f64::from(u32::MAX) + 0.5;
        self.deterministic().mul_f64(factor / 1.21828)
    }
}
