//! Voice activity of what is heard. Sound that does not come is silence, so that an utterance ends also when the peer
//! stops to send.

use super::Events;
use crate::media::params::MediaEvent;
use crate::media::vad::{Vad, VadConfig};
use crate::util::{Duration, Time};

/// Longer than any packet interval: what has not come by then is not merely late.
const GAP: Duration = Duration::from_millis(100);

pub struct Voice {
    vad: Vad,
    rate: u32,
    /// Something was heard since the last look, which was at `since`.
    fed: bool,
    since: Option<Time>,
}

impl Voice {
    pub fn new(config: VadConfig) -> Voice {
        let rate = 8000;
        Voice { vad: Vad::new(config, rate), rate, fed: false, since: None }
    }

    /// At the codec's rate, before any gain.
    pub fn heard(&mut self, frames: &[i16], rate: u32, events: &mut Events) {
        if rate != self.rate {
            self.rate = rate;
            self.vad.set_rate(rate);
        }
        self.fed = true;
        self.vad.heard(frames, &mut |change| events.push(MediaEvent::Voice(change)));
    }

    /// Time goes by.
    pub fn look(&mut self, now: Time, events: &mut Events) {
        let since = *self.since.get_or_insert(now);
        if core::mem::take(&mut self.fed) {
            self.since = Some(now);
        } else if now.since(since) >= GAP {
            self.since = Some(now);
            let ms = u32::try_from(now.since(since).as_millis()).unwrap_or(u32::MAX);
            self.vad.silence(ms, &mut |change| events.push(MediaEvent::Voice(change)));
        }
    }

    pub fn finish(&mut self, events: &mut Events) {
        self.vad.finish(&mut |change| events.push(MediaEvent::Voice(change)));
    }
}
