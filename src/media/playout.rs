//! When the next frame is played: a clock that follows the arrivals.
//!
//! The first packet starts it, the target delay later. From then on a tick is one packet's duration after
//! the last one. A packet that is not there at its tick is waited for a little, and the clock then stays
//! behind; when for some seconds every packet was there much earlier than needed, the clock is moved
//! forward in small steps, or a whole frame is left out. So the clock follows the peer's, and the delay
//! follows the jitter of the line between its bounds.

use crate::util::{Duration, Time};

/// Even on a perfect line a packet is to be there so much before its tick: the lateness of timers.
const SLACK_MIN_NS: u64 = 2_000_000;
/// An empty buffer is given so long before a frame is made up (never more than a quarter of a frame).
const GRACE_MAX_NS: u64 = 5_000_000;
/// Packets over which the slack is watched before the delay is reduced.
const WINDOW: u16 = 128;
/// The clock is moved forward by so much a tick at most.
const STEP_NS: u64 = 200_000;
/// Slack beyond the target that is left alone.
const TOLERANCE_NS: u64 = 1_000_000;
/// Ticks behind which the clock doesn't catch up but begins anew.
const BEHIND_MAX: u64 = 3;

/// One cache line; spans are in nanoseconds, and `Time::MAX` is no instant.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Playout {
    next: Time,
    /// The tick that found nothing, while it waits.
    waiting: Time,
    least_slack_ns: u64,
    to_shift_ns: u64,
    min_ns: u64,
    max_ns: u64,
    /// Delay on top, so that many clocks don't tick at once.
    extra_ns: u64,
    watched: u16,
    leave_out: bool,
}

fn ns(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
fn after(at: Time, ns: u64) -> Time {
    Time::from_nanos(at.as_nanos().saturating_add(ns))
}
fn between(from: Time, to: Time) -> u64 {
    to.as_nanos().saturating_sub(from.as_nanos())
}

impl Playout {
    pub fn new(min: Duration, max: Duration) -> Playout {
        Playout {
            min_ns: ns(min),
            max_ns: ns(max.max(min)),
            extra_ns: 0,
            next: Time::MAX,
            waiting: Time::MAX,
            least_slack_ns: u64::MAX,
            watched: 0,
            to_shift_ns: 0,
            leave_out: false,
        }
    }

    pub fn next(&self) -> Option<Time> {
        Some(self.next).filter(|_| self.runs())
    }
    /// As `next`, with `Time::MAX` for never.
    pub fn deadline(&self) -> Time {
        self.next
    }
    fn runs(&self) -> bool {
        self.next != Time::MAX
    }
    /// It runs, and no tick waits for a packet.
    pub fn is_steady(&self) -> bool {
        self.runs() && self.waiting == Time::MAX
    }
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The delay to aim at, with the line's jitter (RFC 3550's, a mean) as it is.
    fn target_ns(&self, jitter_ns: u64) -> u64 {
        let wanted = jitter_ns.saturating_mul(3).saturating_add(SLACK_MIN_NS);
        wanted.max(self.min_ns).min(self.max_ns.max(SLACK_MIN_NS)).saturating_add(self.extra_ns)
    }

    /// A packet went into the buffer.
    pub fn arrived(&mut self, now: Time, jitter_ns: impl FnOnce() -> u64) {
        if !self.runs() {
            self.next = after(now, self.target_ns(jitter_ns()));
            self.begin_window();
        } else if self.waiting != Time::MAX {
            self.waiting = Time::MAX;
            self.next = now;
            self.begin_window();
            self.to_shift_ns = 0;
        }
    }

    /// Plays everything so much later than the line needs.
    pub fn set_extra(&mut self, extra: Duration) {
        let before = core::mem::replace(&mut self.extra_ns, ns(extra));
        if self.runs() {
            self.next = after(self.next, self.extra_ns.saturating_sub(before));
        }
        self.begin_window();
    }

    fn begin_window(&mut self) {
        self.least_slack_ns = u64::MAX;
        self.watched = 0;
    }

    pub fn stop(&mut self) {
        self.next = Time::MAX;
        self.waiting = Time::MAX;
        self.to_shift_ns = 0;
        self.leave_out = false;
    }

    /// The tick that is due, on the clock's grid; far behind, the grid begins anew at `now`.
    pub fn due(&mut self, now: Time, frame_ns: u64) -> Option<Time> {
        if self.next > now || !self.runs() {
            return None;
        }
        if between(self.next, now) > frame_ns * BEHIND_MAX {
            self.next = now;
        }
        Some(self.next)
    }

    /// The buffer is empty at `tick`: true, wait a little; false, make a frame up.
    pub fn wait(&mut self, tick: Time, frame_ns: u64) -> bool {
        if self.waiting != Time::MAX {
            self.next = core::mem::replace(&mut self.waiting, Time::MAX);
            return false;
        }
        self.waiting = tick;
        self.next = after(tick, GRACE_MAX_NS.min(frame_ns / 4));
        true
    }

    /// Something of this duration was played, made up or left silent at the clock's tick.
    pub fn advance(&mut self, duration_ns: u64) {
        if self.runs() {
            let step = self.to_shift_ns.min(STEP_NS);
            self.to_shift_ns -= step;
            self.next = after(self.next, duration_ns - step.min(duration_ns / 2));
        }
    }

    /// A packet that arrived at `arrival` is played at `tick`.
    pub fn played(&mut self, tick: Time, arrival: Time, jitter_ns: impl FnOnce() -> u64, frame_ns: u64) {
        self.least_slack_ns = self.least_slack_ns.min(between(arrival, tick));
        self.watched += 1;
        if self.watched < WINDOW {
            return;
        }
        let excess = self.least_slack_ns.saturating_sub(self.target_ns(jitter_ns()));
        if excess >= frame_ns + TOLERANCE_NS {
            self.leave_out = true;
        } else if excess > TOLERANCE_NS {
            self.to_shift_ns = excess - TOLERANCE_NS / 2;
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

    const FRAME: u64 = 20_000_000;

    fn ms(ms: u64) -> Time {
        Time::from_millis(ms)
    }
    fn clock() -> Playout {
        Playout::new(Duration::ZERO, Duration::from_millis(200))
    }

    #[test]
    fn the_first_packet_starts_the_clock_a_little_later() {
        let mut p = clock();
        p.arrived(ms(100), || 0);
        assert_eq!(p.next(), Some(ms(102)));
        assert_eq!(p.due(ms(101), FRAME), None);
        assert_eq!(p.due(ms(102), FRAME), Some(ms(102)));
        p.advance(FRAME);
        assert_eq!(p.next(), Some(ms(122)));
    }

    #[test]
    fn a_packet_that_comes_during_the_wait_moves_the_clock() {
        let mut p = clock();
        p.arrived(ms(100), || 0);
        assert!(p.wait(ms(102), FRAME));
        assert_eq!(p.next(), Some(ms(107)));
        p.arrived(ms(104), || 0);
        assert_eq!(p.next(), Some(ms(104)));
    }

    #[test]
    fn a_wait_in_vain_leaves_the_clock_on_its_grid() {
        let mut p = clock();
        p.arrived(ms(100), || 0);
        assert!(p.wait(ms(102), FRAME));
        assert!(!p.wait(ms(107), FRAME));
        p.advance(FRAME);
        assert_eq!(p.next(), Some(ms(122)));
    }

    #[test]
    fn delay_that_nobody_needs_is_taken_back_slowly() {
        let mut p = clock();
        p.arrived(ms(0), || 0);
        p.next = ms(12);
        for n in 0..400u64 {
            let tick = p.next().expect("the clock runs");
            p.played(tick, ms(n * 20), || 0, FRAME);
            p.advance(FRAME);
        }
        let delay = p.next().expect("the clock runs").since(ms(400 * 20));
        assert!(delay >= Duration::from_nanos(SLACK_MIN_NS) && delay < Duration::from_millis(4), "{delay:?}");
    }

    #[test]
    fn delay_that_was_asked_for_stays() {
        let mut p = clock();
        p.arrived(ms(0), || 0);
        p.set_extra(Duration::from_millis(7));
        assert_eq!(p.next(), Some(ms(9)));
        for n in 0..400u64 {
            let tick = p.next().expect("the clock runs");
            p.played(tick, ms(n * 20), || 0, FRAME);
            p.advance(FRAME);
        }
        assert_eq!(p.next(), Some(ms(400 * 20 + 9)));
    }

    #[test]
    fn a_whole_frame_too_much_is_left_out() {
        let mut p = clock();
        p.arrived(ms(0), || 0);
        p.next = ms(45);
        for n in 0..u64::from(WINDOW) {
            let tick = p.next().expect("the clock runs");
            p.played(tick, ms(n * 20), || 0, FRAME);
            p.advance(FRAME);
        }
        assert!(p.take_leave_out());
        assert!(!p.take_leave_out());
    }
}
