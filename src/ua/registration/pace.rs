//! How many registrations a phone begins at a time: many accounts that start together must not arrive together.
//!
//! Only those without a binding wait for their turn; refreshes are spread by themselves and never late for it.

use crate::util::{Duration, Rng, Time};

/// So many may begin at the same instant; a phone of few accounts never waits.
const AT_ONCE: u32 = 100;
/// Between two of those that come after: 1,000 a second.
const GAP: Duration = Duration::from_millis(1);
/// No turn is further away than this.
const FURTHEST: Duration = Duration::from_secs(60);
/// From so many accounts on, first refreshes are spread over the whole lifetime of a binding.
const CROWD: usize = 32;

/// The turns of all accounts of a phone.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the next turn would be if there were no `AT_ONCE`.
    next: Time,
    accounts: usize,
}

impl Pace {
    pub fn set_accounts(&mut self, accounts: usize) {
        self.accounts = accounts;
    }
    pub fn is_crowded(&self) -> bool {
        self.accounts >= CROWD
    }
    /// When whoever asks may begin; that turn is theirs.
    pub fn turn(&mut self, now: Time, rng: &mut dyn Rng) -> Time {
        let next = self.next.max(now);
        let at = (next - GAP * AT_ONCE).max(now);
        if at.since(now) > FURTHEST {
            let within = u64::try_from(FURTHEST.as_nanos()).unwrap_or(u64::MAX);
            return now + Duration::from_nanos(rng.below(within));
        }
        self.next = next + GAP;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::SeededRng;

    #[test]
    fn a_crowd_is_let_in_by_turns_and_a_lone_account_at_once() {
        let (mut pace, mut rng) = (Pace::default(), SeededRng::new(1));
        let now = Time::from_secs(50);
        let turns: Vec<Time> = (0..5000).map(|_| pace.turn(now, &mut rng)).collect();
        assert!(turns[..=100].iter().all(|at| *at == now));
        assert!(turns.is_sorted());
        assert_eq!(turns[4999].since(now), GAP * 4899);
        let later = now + Duration::from_secs(10);
        assert_eq!(pace.turn(later, &mut rng), later);
    }

    #[test]
    fn no_turn_is_further_away_than_a_minute() {
        let (mut pace, mut rng) = (Pace::default(), SeededRng::new(2));
        let now = Time::from_secs(50);
        let furthest = (0..200_000).map(|_| pace.turn(now, &mut rng).since(now)).max();
        assert!(furthest.is_some_and(|at| at <= FURTHEST));
    }
}
