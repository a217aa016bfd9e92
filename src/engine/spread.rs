//! Spreads the work of many streams over the packet interval, so that a thousand calls are no burst.
//!
//! A stream plays when its peer's packets say so. Where too many play at one instant (their peers are one machine that
//! sends to all at once), the next one is held back a little, and stays so.

use crate::util::{Time, SLOT};
use std::time::Duration;

/// The usual packet interval; others are a half or a multiple of it.
const INTERVAL: Duration = Duration::from_millis(20);
const PLACES: usize = (INTERVAL.as_nanos() / SLOT.as_nanos()) as usize;
/// Nobody is held back for longer.
const REACH: usize = 20;
/// So many at one place are never too many.
const ENOUGH: u32 = 12;
/// The fractional part of the golden ratio, in 2^-32: each multiple falls into a largest gap of those before.
const GOLDEN: u32 = 0x9e37_79b9;

/// From so many streams on they are spread.
pub const CROWD: usize = 24;
/// From so many streams on a new one plays and sends at once: its memory is looked at once an interval, not twice. Those that
/// were there stay as they are: a host that writes back just in time what it reads would be late by a frame.
pub const THRONG: usize = 256;
/// From so many streams on there are enough in each slot.
const PLENTY: usize = 1536;

/// How many slots a wake-up takes together: for the few streams of one, a throng's worker would wake up too often, and its
/// processor would have forgotten what it needs for a stream each time.
pub fn slots_a_turn(streams: usize) -> u32 {
    if (THRONG..PLENTY).contains(&streams) {
        2
    } else {
        1
    }
}

#[derive(Debug)]
pub struct Spread {
    load: [u32; PLACES],
    streams: u32,
    opened: u32,
}

impl Default for Spread {
    fn default() -> Spread {
        Spread { load: [0; PLACES], streams: 0, opened: 0 }
    }
}

impl Spread {
    /// When the next stream begins to send, after its description.
    pub fn send_phase(&mut self) -> Duration {
        self.opened = self.opened.wrapping_add(1);
        let part = u64::from(self.opened.wrapping_mul(GOLDEN));
        Duration::from_nanos((INTERVAL.as_nanos() as u64 * part) >> 32)
    }

    /// A stream begins to play at `at`: its place, and how much later it should play.
    pub fn enter(&mut self, at: Time) -> (usize, Duration) {
        let natural = (at.as_nanos() / SLOT.as_nanos() as u64) as usize % PLACES;
        let limit = ENOUGH.max(2 * self.streams / PLACES as u32);
        let load = |ahead: usize| self.load.get((natural + ahead) % PLACES).copied().unwrap_or(0);
        let ahead = match load(0) < limit {
            true => 0,
            false => (0..=REACH).min_by_key(|&ahead| load(ahead)).unwrap_or(0),
        };
        let place = (natural + ahead) % PLACES;
        if let Some(load) = self.load.get_mut(place) {
            *load += 1;
        }
        self.streams += 1;
        (place, SLOT * ahead as u32)
    }

    pub fn leave(&mut self, place: usize) {
        if let Some(load) = self.load.get_mut(place) {
            *load = load.saturating_sub(1);
        }
        self.streams = self.streams.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throng_takes_two_slots_at_once_until_each_has_enough_streams() {
        assert_eq!([1, THRONG - 1, THRONG, PLENTY - 1, PLENTY, 5000].map(slots_a_turn), [1, 1, 2, 2, 1, 1]);
    }

    #[test]
    fn a_thousand_streams_of_one_instant_are_spread_over_half_the_interval() {
        let mut spread = Spread::default();
        let at = Time::from_secs(7);
        let mut most = Duration::ZERO;
        for _ in 0..1000 {
            most = most.max(spread.enter(at).1);
        }
        assert!(most <= INTERVAL / 2);
        assert!(*spread.load.iter().max().unwrap() <= 1000 / (PLACES as u32 / 2) + ENOUGH);
    }

    #[test]
    fn who_comes_at_a_quiet_instant_is_not_held_back() {
        let mut spread = Spread::default();
        for n in 0..400u64 {
            let (place, delay) = spread.enter(Time::from_nanos(n * 1_234_567_891));
            assert_eq!(delay, Duration::ZERO);
            assert_eq!(spread.load[place].min(1), 1);
        }
    }

    #[test]
    fn places_are_given_back() {
        let mut spread = Spread::default();
        let places: Vec<usize> = (0..100).map(|_| spread.enter(Time::ZERO).0).collect();
        places.into_iter().for_each(|place| spread.leave(place));
        assert_eq!((spread.load, spread.streams), ([0; PLACES], 0));
    }

    #[test]
    fn send_phases_leave_no_large_gap() {
        let mut spread = Spread::default();
        let mut phases: Vec<Duration> = (0..200).map(|_| spread.send_phase()).collect();
        phases.sort();
        assert!(phases.windows(2).all(|w| w[1] - w[0] < Duration::from_micros(300)));
    }
}
