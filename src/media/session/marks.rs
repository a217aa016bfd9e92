//! Marks in the playback: each tells when all that was queued before it, written or played, was sent.

use super::{Events, Session};
use crate::media::params::MediaEvent;
use std::collections::VecDeque;

/// Marks that wait at most.
const MAX_MARKS: usize = 64;

#[derive(Default)]
pub struct Marks {
    /// In order: neither count of a later one is smaller.
    waiting: VecDeque<Mark>,
    /// Things to play that were queued, and that are over, since the start.
    pub queued: u64,
    pub over: u64,
}

struct Mark {
    id: u64,
    /// Frames that were written, and things that were queued to be played, before it.
    written: u64,
    plays: u64,
}

impl Marks {
    /// Tells those that were reached.
    fn look(&mut self, taken: u64, events: &mut Events) {
        while let Some(mark) = self.waiting.front() {
            if mark.written > taken || mark.plays > self.over {
                return;
            }
            events.push(MediaEvent::PlayMark { mark: mark.id, reached: true });
            self.waiting.pop_front();
        }
    }

    fn lose(&mut self, events: &mut Events, lost: impl Fn(&Mark) -> bool) {
        self.waiting.retain(|mark| {
            let lost = lost(mark);
            if lost {
                events.push(MediaEvent::PlayMark { mark: mark.id, reached: false });
            }
            !lost
        });
    }
}

impl Session {
    /// `written`: how many frames the host had written by then. `MediaEvent::PlayMark` with this number follows.
    pub fn mark(&mut self, id: u64, written: u64) {
        if self.side.marks.is_none() {
            // Of before the first mark.
            self.side.audio.take_cut();
        }
        let marks = self.side.marks.get_or_insert_default();
        let plays = marks.queued;
        if marks.waiting.len() == MAX_MARKS {
            return self.side.events.push(MediaEvent::PlayMark { mark: id, reached: false });
        }
        marks.waiting.push_back(Mark { id, written, plays });
        self.look_at_marks();
    }

    /// Stops what plays, and tells the marks of what the host has cleared with `AudioWriter::flush`.
    pub fn clear_playback(&mut self) {
        self.play_stop();
        // Forgets it.
        self.side.audio.pending();
        self.look_at_marks();
        self.look_whether_drained();
    }

    pub(super) fn look_at_marks(&mut self) {
        let Some(marks) = &mut self.side.marks else { return };
        if let Some((from, to)) = self.side.audio.take_cut() {
            marks.lose(&mut self.side.events, |mark| mark.written > from && mark.written <= to);
        }
        marks.look(self.side.audio.taken(), &mut self.side.events);
    }

    /// Things to play were stopped: marks behind them will not be reached.
    pub(super) fn plays_stopped(&mut self) {
        let Some(marks) = &mut self.side.marks else { return };
        let over = core::mem::replace(&mut marks.over, marks.queued);
        marks.lose(&mut self.side.events, |mark| mark.plays > over);
    }

    pub(super) fn lose_marks(&mut self) {
        if let Some(marks) = &mut self.side.marks {
            marks.lose(&mut self.side.events, |_| true);
        }
    }
}
