//! Counters that the engine's threads add to and anyone may read.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    pub fn at_least(&self, n: u64) {
        self.0.fetch_max(n, Ordering::Relaxed);
    }
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub struct Counters {
    pub commands_refused: Count,
    pub control_wakeups: Count,
    pub control_batch_max: Count,
    pub sip_in: Count,
    pub sip_out: Count,
    pub sip_send_errors: Count,
    pub no_ports: Count,
    pub media_wakeups: Count,
    pub media_batch_max: Count,
    pub media_batches: Count,
    /// Datagrams of shared sockets that were nobody's.
    pub media_unrouted: Count,
    pub media_packets_in: Count,
    pub media_packets_out: Count,
    pub media_bytes_in: Count,
    pub media_bytes_out: Count,
    pub media_send_errors: Count,
    pub media_reports_dropped: Count,
    pub media_late: Lateness,
}

/// A histogram of microseconds: four buckets an octave, so that a quantile is off by a fifth at most.
#[derive(Debug)]
pub struct Lateness {
    buckets: [AtomicU64; BUCKETS],
    worst: Count,
}

const BUCKETS: usize = 128;

impl Default for Lateness {
    fn default() -> Lateness {
        Lateness { buckets: [const { AtomicU64::new(0) }; BUCKETS], worst: Count::default() }
    }
}

fn bucket(us: u64) -> usize {
    if us < 4 {
        return us as usize;
    }
    let octave = 63 - us.leading_zeros();
    let quarter = (us >> (octave - 2)) & 3;
    ((octave as usize - 1) * 4 + quarter as usize).min(BUCKETS - 1)
}

/// The largest value that falls into a bucket.
fn upper(index: usize) -> u64 {
    if index < 4 {
        return index as u64;
    }
    let (octave, quarter) = (index / 4 + 1, index % 4);
    ((5 + quarter as u64) << (octave - 2)) - 1
}

impl Lateness {
    /// So many were so late.
    pub fn note(&self, us: u64, times: u64) {
        if let Some(count) = self.buckets.get(bucket(us)) {
            count.fetch_add(times, Ordering::Relaxed);
        }
        self.worst.at_least(us);
    }
    pub fn worst(&self) -> u32 {
        u32::try_from(self.worst.get()).unwrap_or(u32::MAX)
    }
    /// The value that `percent` of all do not exceed.
    pub fn quantile(&self, percent: u64) -> u32 {
        let counts: Vec<u64> = self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect();
        let wanted = (counts.iter().sum::<u64>() * percent).div_ceil(100);
        let mut seen = 0;
        for (index, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && wanted > 0 {
                return u32::try_from(upper(index)).unwrap_or(u32::MAX).min(self.worst());
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for us in 0..100_000u64 {
            let index = bucket(us);
            assert!(us <= upper(index), "{us}");
            assert!(index == 0 || us > upper(index - 1), "{us}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_of_a_ramp_are_where_they_belong() {
        let meter = Lateness::default();
        assert_eq!(meter.quantile(50), 0);
        for us in 1..=1000 {
            meter.note(us, 1);
        }
        assert!((500..=620).contains(&meter.quantile(50)));
        assert!((990..=1000).contains(&meter.quantile(99)));
        assert_eq!(meter.worst(), 1000);
    }
}
