//! When the next frame is played: a clock that follows the arrivals.
//!
//! The first packet starts it, the target delay later. From then on a tick is one packet's duration after
//! the last one. A packet that is not there at its tick is waited for a little, and the clock then stays
//! behind; when for some seconds every packet was there much earlier than needed, the clock is moved
//! forward in small steps, or a whole frame is left out. So the clock follows the peer's, and the delay
//! follows the jitter of the line between its bounds.

use crate::util::{Duration, Time};

/// Even on a perfect line a packet is to be there so much before its tick: the lateness of timers.
const SLACK_MIN: Duration = Duration::from_millis(2);
/// An empty buffer is given so long before a frame is made up (never more than a quarter of a frame).
const GRACE_MAX: Duration = Duration::from_millis(5);
/// Packets over which the slack is watched before the delay is reduced.
const WINDOW: u16 = 128;
/// The clock is moved forward by so much a tick at most.
const STEP: Duration = Duration::from_micros(200);
/// Slack beyond the target that is left alone.
const TOLERANCE: Duration = Duration::from_millis(1);
/// Ticks behind which the clock doesn't catch up but begins anew.
const BEHIND_MAX: u32 = 3;

#[derive(Clone, Debug)]
pub struct Playout {
    min: Duration,
    max: Duration,
    /// Delay on top, so that many clocks don't tick at once.
    extra: Duration,
    next: Option<Time>,
    /// The tick that found nothing, while it waits.
    waiting: Option<Time>,
    least_slack: Duration,
    watched: u16,
    to_shift: Duration,
    leave_out: bool,
}

impl Playout {
    pub fn new(min: Duration, max: Duration) -> Playout {
        Playout {
            min,
            max: max.max(min),
            extra: Duration::ZERO,
            next: None,
            waiting: None,
            least_slack: Duration::MAX,
            watched: 0,
            to_shift: Duration::ZERO,
            leave_out: false,
        }
    }

    pub fn next(&self) -> Option<Time> {
        self.next
    }
    /// It runs, and no tick waits for a packet.
    pub fn is_steady(&self) -> bool {
        self.next.is_some() && self.waiting.is_none()
    }
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The delay to aim at, with the line's jitter (RFC 3550's, a mean) as it is.
    fn target(&self, jitter: Duration) -> Duration {
        (jitter * 3 + SLACK_MIN).max(self.min).min(self.max.max(SLACK_MIN)) + self.extra
    }

    /// A packet went into the buffer.
    pub fn arrived(&mut self, now: Time, jitter: Duration) {
        if self.next.is_none() {
            self.next = Some(now + self.target(jitter));
            self.begin_window();
        } else if self.waiting.take().is_some() {
            self.next = Some(now);
            self.begin_window();
            self.to_shift = Duration::ZERO;
        }
    }

    /// Plays everything so much later than the line needs.
    pub fn set_extra(&mut self, extra: Duration) {
        let before = core::mem::replace(&mut self.extra, extra);
        if let Some(next) = &mut self.next {
            *next += extra.saturating_sub(before);
        }
        self.begin_window();
    }

    fn begin_window(&mut self) {
        self.least_slack = Duration::MAX;
        self.watched = 0;
    }

    pub fn stop(&mut self) {
        self.next = None;
        self.waiting = None;
        self.to_shift = Duration::ZERO;
        self.leave_out = false;
    }

    /// The tick that is due, on the clock's grid; far behind, the grid begins anew at `now`.
    pub fn due(&mut self, now: Time, frame: Duration) -> Option<Time> {
        let next = self.next.filter(|&t| t <= now)?;
        if now.since(next) > frame * BEHIND_MAX {
            self.next = Some(now);
            return Some(now);
        }
        Some(next)
    }

    /// The buffer is empty at `tick`: true, wait a little; false, make a frame up.
    pub fn wait(&mut self, tick: Time, frame: Duration) -> bool {
        if let Some(begin) = self.waiting.take() {
            self.next = Some(begin);
            return false;
        }
        self.waiting = Some(tick);
        self.next = Some(tick + GRACE_MAX.min(frame / 4));
        true
    }

    /// Something of this duration was played, made up or left silent at the clock's tick.
    pub fn advance(&mut self, duration: Duration) {
        if let Some(next) = self.next {
            let step = self.to_shift.min(STEP);
            self.to_shift -= step;
            self.next = Some(next + duration - step.min(duration / 2));
        }
    }

    /// A packet that arrived at `arrival` is played at `tick`.
    pub fn played(&mut self, tick: Time, arrival: Time, jitter: Duration, frame: Duration) {
        self.least_slack = self.least_slack.min(tick.since(arrival));
        self.watched += 1;
        if self.watched < WINDOW {
            return;
        }
        let excess = self.least_slack.saturating_sub(self.target(jitter));
        if excess >= frame + TOLERANCE {
            self.leave_out = true;
        } else if excess > TOLERANCE {
            self.to_shift = excess - TOLERANCE / 2;
        }
        self.begin_window();
    }

    /// A whole frame is to be left out to shorten the delay.
    pub fn take_leave_out(&mut self) -> bool {
        core::mem::take(&mut self.leave_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    fn ms(ms: u64) -> Time {
        Time::from_millis(ms)
    }
    fn clock() -> Playout {
        Playout::new(Duration::ZERO, Duration::from_millis(200))
    }

    #[test]
    fn the_first_packet_starts_the_clock_a_little_later() {
        let mut p = clock();
        p.arrived(ms(100), Duration::ZERO);
        assert_eq!(p.next(), Some(ms(102)));
        assert_eq!(p.due(ms(101), FRAME), None);
        assert_eq!(p.due(ms(102), FRAME), Some(ms(102)));
        p.advance(FRAME);
        assert_eq!(p.next(), Some(ms(122)));
    }

    #[test]
    fn a_packet_that_comes_during_the_wait_moves_the_clock() {
        let mut p = clock();
        p.arrived(ms(100), Duration::ZERO);
        assert!(p.wait(ms(102), FRAME));
        assert_eq!(p.next(), Some(ms(107)));
        p.arrived(ms(104), Duration::ZERO);
        assert_eq!(p.next(), Some(ms(104)));
    }

    #[test]
    fn a_wait_in_vain_leaves_the_clock_on_its_grid() {
        let mut p = clock();
        p.arrived(ms(100), Duration::ZERO);
        assert!(p.wait(ms(102), FRAME));
        assert!(!p.wait(ms(107), FRAME));
        p.advance(FRAME);
        assert_eq!(p.next(), Some(ms(122)));
    }

    #[test]
    fn delay_that_nobody_needs_is_taken_back_slowly() {
        let mut p = clock();
        p.arrived(ms(0), Duration::ZERO);
        p.next = Some(ms(12));
        for n in 0..400u64 {
            let tick = p.next().expect("the clock runs");
            p.played(tick, ms(n * 20), Duration::ZERO, FRAME);
            p.advance(FRAME);
        }
        let delay = p.next().expect("the clock runs").since(ms(400 * 20));
        assert!(delay >= SLACK_MIN && delay < Duration::from_millis(4), "{delay:?}");
    }

    #[test]
    fn delay_that_was_asked_for_stays() {
        let mut p = clock();
        p.arrived(ms(0), Duration::ZERO);
        p.set_extra(Duration::from_millis(7));
        assert_eq!(p.next(), Some(ms(9)));
        for n in 0..400u64 {
            let tick = p.next().expect("the clock runs");
            p.played(tick, ms(n * 20), Duration::ZERO, FRAME);
            p.advance(FRAME);
        }
        assert_eq!(p.next(), Some(ms(400 * 20 + 9)));
    }

    #[test]
    fn a_whole_frame_too_much_is_left_out() {
        let mut p = clock();
        p.arrived(ms(0), Duration::ZERO);
        p.next = Some(ms(45));
        for n in 0..u64::from(WINDOW) {
            let tick = p.next().expect("the clock runs");
            p.played(tick, ms(n * 20), Duration::ZERO, FRAME);
            p.advance(FRAME);
        }
        assert!(p.take_leave_out());
        assert!(!p.take_leave_out());
    }
}
