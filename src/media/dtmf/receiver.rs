//! Receiver of telephone-events (RFC 4733 section 2.5.2).
//!
//! An event is known by its timestamp, never by the marker, so that a lost first packet loses no key. Its
//! end is the packet that says so, or else a later event, audio from after it, or a time without a word.

use crate::proto::rtp::{TelephoneEvent, Timestamp};
use crate::util::{Duration, Time};

/// What a packet or the passing of time means for the keypad.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyEvent {
    pub key: char,
    pub duration_ms: u32,
    pub end: bool,
}

/// Silence after which an event is over: some senders report every 50 ms, and two reports may be lost.
const LOST_AFTER: Duration = Duration::from_millis(200);
/// Audio this much after the last report proves that the event is over.
const AUDIO_SLACK_MS: u32 = 60;

#[derive(Clone, Copy, Debug)]
struct Active {
    event: u8,
    /// Of the current segment.
    timestamp: Timestamp,
    /// Ticks of the segments before this one.
    earlier: u32,
    duration: u16,
    last_seen: Time,
}

impl Active {
    fn end(&self) -> Timestamp {
        self.timestamp.add(u32::from(self.duration))
    }
}

/// At most two things happen at once: one key ends and the next begins (and ends).
pub type KeyEvents = [Option<KeyEvent>; 3];

#[derive(Clone, Debug)]
pub struct EventReceiver {
    clock_rate: u32,
    active: Option<Active>,
    /// The last segment that ended: its repetitions, and whatever is older, are no news.
    finished: Option<Timestamp>,
}

impl EventReceiver {
    pub fn new(clock_rate: u32) -> EventReceiver {
        EventReceiver { clock_rate: clock_rate.max(1), active: None, finished: None }
    }

    fn ms(&self, ticks: u32) -> u32 {
        (u64::from(ticks) * 1000 / u64::from(self.clock_rate)) as u32
    }

    fn report(&self, a: &Active, end: bool) -> Option<KeyEvent> {
        let key = TelephoneEvent::key(a.event)?;
        let ticks = a.earlier.saturating_add(u32::from(a.duration));
        Some(KeyEvent { key, duration_ms: self.ms(ticks), end })
    }

    /// A packet with an event. Events that are no key (above 16) are followed and not reported.
    pub fn packet(&mut self, now: Time, timestamp: Timestamp, e: TelephoneEvent) -> KeyEvents {
        let mut out = [None; 3];
        if let Some(active) = &mut self.active {
            let age = timestamp.distance(active.timestamp);
            if age < 0 {
                return out;
            }
            if age == 0 && e.event == active.event {
                active.duration = active.duration.max(e.duration);
                active.last_seen = now;
            } else if e.event == active.event && age as u32 == TelephoneEvent::MAX_DURATION {
                // RFC 4733 section 2.5.1.3: the next segment of a long event.
                active.earlier = active.earlier.saturating_add(TelephoneEvent::MAX_DURATION);
                active.timestamp = timestamp;
                active.duration = e.duration;
                active.last_seen = now;
            } else if age == 0 {
                // Another event at the same instant: not a keypad's. The first one stays.
                return out;
            } else {
                out[0] = self.finish();
            }
        }
        if self.active.is_none() {
            if self.finished.is_some_and(|f| timestamp.distance(f) <= 0) {
                return out;
            }
            let active =
                Active { event: e.event, timestamp, earlier: 0, duration: e.duration, last_seen: now };
            out[1] = self.report(&active, false);
            self.active = Some(active);
        }
        if e.end {
            out[2] = self.finish();
        }
        out
    }

    fn finish(&mut self) -> Option<KeyEvent> {
        let active = self.active.take()?;
        self.finished = Some(active.timestamp);
        self.report(&active, true)
    }

    /// Audio with this timestamp arrived.
    pub fn audio(&mut self, timestamp: Timestamp) -> Option<KeyEvent> {
        let active = self.active?;
        let slack = (self.clock_rate / 1000 * AUDIO_SLACK_MS) as i32;
        if timestamp.distance(active.end()) > slack {
            self.finish()
        } else {
            None
        }
    }

    /// No event is going on.
    pub fn is_idle(&self) -> bool {
        self.active.is_none()
    }

    /// When `timeout` shall be called, if nothing comes.
    pub fn deadline(&self) -> Option<Time> {
        self.active.map(|a| a.last_seen + LOST_AFTER)
    }
    pub fn timeout(&mut self, now: Time) -> Option<KeyEvent> {
        if self.deadline()? <= now {
            self.finish()
        } else {
            None
        }
    }

    /// A new source with timestamps of its own: ends what is active, forgets the rest.
    pub fn reset(&mut self) -> Option<KeyEvent> {
        let ended = self.finish();
        self.finished = None;
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event: u8, end: bool, duration: u16) -> TelephoneEvent {
        TelephoneEvent { event, end, volume: 10, duration }
    }
    fn feed(r: &mut EventReceiver, ms: u64, ts: u32, e: TelephoneEvent) -> Vec<KeyEvent> {
        r.packet(Time::from_millis(ms), Timestamp(ts), e).into_iter().flatten().collect()
    }
    fn key(key: char, duration_ms: u32, end: bool) -> KeyEvent {
        KeyEvent { key, duration_ms, end }
    }

    #[test]
    fn a_key_begins_once_and_ends_once_whatever_is_repeated() {
        let mut r = EventReceiver::new(8000);
        assert_eq!(feed(&mut r, 0, 1000, event(5, false, 160)), [key('5', 20, false)]);
        assert_eq!(feed(&mut r, 20, 1000, event(5, false, 320)), []);
        assert_eq!(feed(&mut r, 40, 1000, event(5, true, 480)), [key('5', 60, true)]);
        for _ in 0..3 {
            assert_eq!(feed(&mut r, 60, 1000, event(5, true, 480)), []);
        }
    }

    #[test]
    fn the_end_alone_is_the_whole_key() {
        let mut r = EventReceiver::new(8000);
        let both = [key('1', 100, false), key('1', 100, true)];
        assert_eq!(feed(&mut r, 0, 1000, event(1, true, 800)), both);
    }

    #[test]
    fn a_lost_end_is_replaced_by_the_next_key_or_audio_or_time() {
        let mut r = EventReceiver::new(8000);
        feed(&mut r, 0, 1000, event(1, false, 160));
        let both = [key('1', 20, true), key('1', 20, false)];
        assert_eq!(feed(&mut r, 100, 1800, event(1, false, 160)), both);
        assert_eq!(r.audio(Timestamp(1960)), None);
        assert_eq!(r.audio(Timestamp(2600)), Some(key('1', 20, true)));
        feed(&mut r, 200, 4000, event(16, false, 160));
        assert_eq!(r.timeout(Time::from_millis(399)), None);
        assert_eq!(r.timeout(Time::from_millis(400)), Some(key('!', 20, true)));
        assert_eq!(r.deadline(), None);
    }

    #[test]
    fn segments_of_a_long_key_are_one_key() {
        let mut r = EventReceiver::new(8000);
        feed(&mut r, 0, 0, event(2, false, 0xffff));
        assert_eq!(feed(&mut r, 20, 0xffff, event(2, false, 160)), []);
        assert_eq!(feed(&mut r, 40, 0xffff, event(2, true, 320)), [key('2', 8231, true)]);
    }

    #[test]
    fn old_reports_after_the_next_key_change_nothing() {
        let mut r = EventReceiver::new(8000);
        feed(&mut r, 0, u32::MAX - 100, event(3, true, 160));
        assert_eq!(feed(&mut r, 50, 400, event(4, false, 160)), [key('4', 20, false)]);
        assert_eq!(feed(&mut r, 60, u32::MAX - 100, event(3, true, 160)), []);
        assert_eq!(feed(&mut r, 70, 400, event(4, true, 320)), [key('4', 40, true)]);
        assert_eq!(feed(&mut r, 80, u32::MAX - 100, event(3, true, 160)), []);
    }
}
