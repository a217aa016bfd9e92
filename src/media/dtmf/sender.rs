//! Sender of telephone-events (RFC 4733 section 2.5.1): a queue of keys, one step a packet interval.

use crate::media::params::MediaError;
use crate::proto::rtp::{TelephoneEvent, Timestamp};
use std::collections::VecDeque;

/// Keys waiting at most, over all requests.
pub const MAX_KEYS: usize = 256;
const MAX_REQUESTS: usize = 32;
/// 10 dB below 0 dBm0, as telephones send.
const VOLUME: u8 = 10;
/// RFC 4733 section 2.5.1.4: the final report is sent three times in all.
const FINAL_REPORTS: u8 = 3;

/// What to put on the wire in this interval.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyStep {
    /// An event packet in place of audio, with this timestamp.
    Event { timestamp: Timestamp, marker: bool, event: TelephoneEvent },
    /// Between two keys: audio packets with silence.
    Silence,
    /// Nothing to do with keys: ordinary audio.
    Audio,
}

#[derive(Clone, Copy, Debug)]
enum Item {
    Key(u8),
    /// Ticks of ordinary audio.
    Pause(u32),
    /// The end of a request.
    Done(u64),
}

#[derive(Clone, Copy, Debug)]
struct Request {
    duration: u32,
    gap: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Key {
        event: u8,
        /// Of the current segment.
        timestamp: Timestamp,
        /// Ticks of this segment reported so far, and ticks still to go.
        reported: u32,
        left: u32,
        gap: u32,
        first: bool,
    },
    /// The last report is repeated, then the gap runs out.
    After {
        timestamp: Timestamp,
        event: TelephoneEvent,
        repeats: u8,
        gap: u32,
    },
    Pause {
        left: u32,
    },
}

#[derive(Debug)]
pub struct KeySender {
    items: VecDeque<(Item, Request)>,
    state: State,
    clock_rate: u32,
}

impl KeySender {
    pub fn new(clock_rate: u32) -> KeySender {
        let items = VecDeque::with_capacity(MAX_KEYS + MAX_REQUESTS);
        KeySender { items, state: State::Idle, clock_rate }
    }

    fn ticks(&self, ms: u32) -> u32 {
        (u64::from(ms) * u64::from(self.clock_rate) / 1000).min(u64::from(u32::MAX / 2)) as u32
    }

    /// Queues the keys of one request: all or nothing. Zero durations are an error.
    pub fn queue(&mut self, digits: &str, duration_ms: u32, gap_ms: u32, id: u64) -> Result<(), MediaError> {
        if digits.is_empty() || duration_ms == 0 {
            return Err(MediaError::Range);
        }
        if let Some(bad) = digits.chars().find(|&c| self.item(c).is_none()) {
            return Err(MediaError::Digit(bad));
        }
        if self.items.len() + digits.chars().count() + 1 > MAX_KEYS + MAX_REQUESTS {
            return Err(MediaError::Full);
        }
        let request = Request { duration: self.ticks(duration_ms).max(1), gap: self.ticks(gap_ms) };
        let items: VecDeque<_> = digits.chars().filter_map(|c| self.item(c)).collect();
        self.items.extend(items.into_iter().map(|item| (item, request)));
        self.items.push_back((Item::Done(id), request));
        Ok(())
    }

    fn item(&self, c: char) -> Option<Item> {
        match c {
            'w' | 'W' => Some(Item::Pause(self.ticks(500))),
            ',' => Some(Item::Pause(self.ticks(2000))),
            _ => TelephoneEvent::from_key(c).map(Item::Key),
        }
    }

    pub fn is_idle(&self) -> bool {
        self.items.is_empty() && matches!(self.state, State::Idle)
    }

    /// One packet interval of `ticks` beginning at `timestamp`. `done` gets the requests that are over.
    pub fn step(&mut self, timestamp: Timestamp, ticks: u32, done: &mut dyn FnMut(u64)) -> KeyStep {
        self.next_item(timestamp, done);
        match self.state {
            State::Idle => KeyStep::Audio,
            State::Pause { left } => {
                self.state = match left.checked_sub(ticks).filter(|&l| l > 0) {
                    Some(left) => State::Pause { left },
                    None => State::Idle,
                };
                KeyStep::Audio
            }
            State::Key { .. } => self.report(ticks),
            State::After { timestamp, event, repeats, gap } => {
                let gap = gap.saturating_sub(ticks);
                let repeats_left = repeats.saturating_sub(1);
                self.state = if repeats_left == 0 && gap == 0 {
                    State::Idle
                } else {
                    State::After { timestamp, event, repeats: repeats_left, gap }
                };
                match repeats {
                    0 => KeyStep::Silence,
                    _ => KeyStep::Event { timestamp, marker: false, event },
                }
            }
        }
    }

    fn next_item(&mut self, timestamp: Timestamp, done: &mut dyn FnMut(u64)) {
        while let State::Idle = self.state {
            let Some((item, request)) = self.items.pop_front() else { return };
            match item {
                Item::Done(id) => done(id),
                Item::Pause(left) => self.state = State::Pause { left },
                Item::Key(event) => {
                    self.state = State::Key {
                        event,
                        timestamp,
                        reported: 0,
                        left: request.duration,
                        gap: request.gap,
                        first: true,
                    }
                }
            }
        }
    }

    fn report(&mut self, ticks: u32) -> KeyStep {
        let State::Key { event, timestamp, reported, left, gap, first } = self.state else {
            return KeyStep::Audio;
        };
        let now = ticks.min(left);
        let total = reported + now;
        let left = left - now;
        // RFC 4733 section 2.5.1.3: a segment that is full is closed without the end bit, the next one
        // begins where it stopped.
        if total > TelephoneEvent::MAX_DURATION {
            self.state = State::Key {
                event,
                timestamp: timestamp.add(TelephoneEvent::MAX_DURATION),
                reported: total - TelephoneEvent::MAX_DURATION,
                left,
                gap,
                first: false,
            };
            let event = TelephoneEvent { event, end: false, volume: VOLUME, duration: 0xffff };
            return KeyStep::Event { timestamp, marker: first, event };
        }
        let end = left == 0;
        let report = TelephoneEvent { event, end, volume: VOLUME, duration: total as u16 };
        self.state = if end {
            State::After { timestamp, event: report, repeats: FINAL_REPORTS - 1, gap }
        } else {
            State::Key { event, timestamp, reported: total, left, gap, first: false }
        };
        KeyStep::Event { timestamp, marker: first, event: report }
    }

    /// Forgets all keys; `done` gets the requests.
    pub fn clear(&mut self, done: &mut dyn FnMut(u64)) {
        self.state = State::Idle;
        while let Some((item, _)) = self.items.pop_front() {
            if let Item::Done(id) = item {
                done(id);
            }
        }
    }
}
