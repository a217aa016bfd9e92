//! When a thread that does not come to rest should let others run.

use crate::util::Time;
use std::time::Duration;

/// From a thread of a real-time class that never waits no other one of its core gets a turn, and the hosts whose audio it
/// carries may be among them. Each time it was busy for so long, it gives them one.
const LONG: Duration = Duration::from_millis(5);

#[derive(Debug, Default)]
pub struct Breath {
    /// When it last waited or let others run.
    taken: Time,
}

impl Breath {
    /// Asked before each wait; `is_behind`: there is more to do already, and the wait will be none.
    pub fn is_due(&mut self, now: Time, is_behind: bool) -> bool {
        let due = is_behind && now.since(self.taken) >= LONG;
        if due || !is_behind {
            self.taken = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_behind_lets_others_run_every_five_milliseconds_and_who_waits_never_needs_to() {
        let mut breath = Breath::default();
        let mut given = Vec::new();
        // Busy for 20 ms, then with a pause in every millisecond, then busy for 7 ms.
        for ms in 1..=60u64 {
            let now = Time::from_nanos(ms * 1_000_000);
            if breath.is_due(now, ms <= 20 || ms > 53) {
                given.push(ms);
            }
        }
        assert_eq!(given, [5, 10, 15, 20, 58]);
    }
}
