//! What a session plays to the peer instead of, or mixed with, what the host writes.

use super::params::MediaError;
use super::resample::Resampler;
use super::tone::Tone;
use rtrb::{Consumer, Producer, RingBuffer};
use std::collections::VecDeque;
use std::sync::Arc;

/// Things that wait at most.
pub const MAX_QUEUE: usize = 32;
/// Source samples that are resampled at a time.
const BLOCK: usize = 256;

/// Something to play, mono.
#[derive(Debug)]
pub enum PlaySource {
    /// Samples that are all there.
    Pcm { samples: Arc<[i16]>, rate: u32 },
    /// Samples that a feeding thread brings piece by piece (a long file).
    Feed { ring: Consumer<i16>, rate: u32 },
    /// A sine of `hz`, `frames` long at the host's rate (`u64::MAX`: until stopped).
    Tone { hz: u32, level: i16, frames: u64 },
}

impl PlaySource {
    pub fn pcm(samples: Arc<[i16]>, rate: u32) -> PlaySource {
        PlaySource::Pcm { samples, rate }
    }

    /// A source and the end that feeds it. Dropping the feed says that the last sample was pushed; an empty
    /// ring before that is silence, not the end.
    pub fn feed(capacity_frames: usize, rate: u32) -> (PlayFeed, PlaySource) {
        let (producer, ring) = RingBuffer::new(capacity_frames.max(1));
        (PlayFeed { producer }, PlaySource::Feed { ring, rate })
    }
}

/// The feeding thread's end.
#[derive(Debug)]
pub struct PlayFeed {
    producer: Producer<i16>,
}

impl PlayFeed {
    /// How many samples were taken.
    pub fn push(&mut self, samples: &[i16]) -> usize {
        self.producer.push_partial_slice(samples).0.len()
    }
    pub fn space(&self) -> usize {
        self.producer.slots()
    }
    /// The session has stopped playing: no need to read on.
    pub fn is_closed(&self) -> bool {
        self.producer.is_abandoned()
    }
}

/// The queue of a session: one source plays, the others wait. Everything comes out at the codec's rate.
#[derive(Debug)]
pub struct Player {
    queue: VecDeque<Item>,
    rate: u32,
    host_rate: u32,
}

#[derive(Debug)]
struct Item {
    id: u64,
    source: Source,
    resampler: Option<Resampler>,
    /// Samples that came out, at the codec's rate.
    played: u64,
    /// Samples of silence that still push the end through the resampler; None while the source goes on.
    tail: Option<usize>,
}

#[derive(Debug)]
enum Source {
    Pcm { samples: Arc<[i16]>, at: usize, rate: u32 },
    Feed { ring: Consumer<i16>, rate: u32 },
    Tone { tone: Tone, left: u64 },
}

impl Player {
    pub fn new(rate: u32, host_rate: u32) -> Player {
        Player { queue: VecDeque::new(), rate, host_rate }
    }

    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// The rate that tones are counted at.
    pub fn set_host_rate(&mut self, rate: u32) {
        self.host_rate = rate;
    }

    /// The codec has changed.
    pub fn set_rate(&mut self, rate: u32) {
        if rate == self.rate {
            return;
        }
        self.rate = rate;
        for item in &mut self.queue {
            item.resampler = item.source.resampler(rate);
            if let Source::Tone { tone, .. } = &mut item.source {
                tone.set_rate(rate);
            }
        }
    }

    pub fn push(&mut self, source: PlaySource, id: u64) -> Result<(), MediaError> {
        if self.queue.len() >= MAX_QUEUE {
            return Err(MediaError::Full);
        }
        let source = match source {
            PlaySource::Pcm { samples, rate } => Source::Pcm { samples, at: 0, rate },
            PlaySource::Feed { ring, rate } => Source::Feed { ring, rate },
            PlaySource::Tone { hz, level, frames } => {
                let left = match frames {
                    u64::MAX => frames,
                    n => (u128::from(n) * u128::from(self.rate) / u128::from(self.host_rate)) as u64,
                };
                Source::Tone { tone: Tone::new(hz, level, self.rate), left }
            }
        };
        let resampler = source.resampler(self.rate);
        if resampler.is_none() && source.rate().is_some_and(|r| r != self.rate) {
            return Err(MediaError::Range);
        }
        self.queue.push_back(Item { id, source, resampler, played: 0, tail: None });
        Ok(())
    }

    /// Adds what is playing to `frames`. `finished` gets the sources that ended inside.
    pub fn mix(&mut self, frames: &mut [i16], finished: &mut dyn FnMut(u64)) {
        let mut at = 0;
        while let Some(item) = self.queue.front_mut() {
            let n = item.mix(&mut frames[at..]);
            item.played += n as u64;
            at += n;
            if !item.is_over() {
                return;
            }
            finished(item.id);
            self.queue.pop_front();
        }
    }

    /// What plays now: its number, the milliseconds of it that came out, and how many wait behind it.
    pub fn position(&self) -> Option<(u64, u64, usize)> {
        let item = self.queue.front()?;
        Some((item.id, item.played * 1000 / u64::from(self.rate.max(1)), self.queue.len() - 1))
    }
    pub fn clear(&mut self, stopped: &mut dyn FnMut(u64)) {
        while let Some(item) = self.queue.pop_front() {
            stopped(item.id);
        }
    }
}

impl Source {
    fn rate(&self) -> Option<u32> {
        match self {
            Source::Pcm { rate, .. } | Source::Feed { rate, .. } => Some(*rate),
            Source::Tone { .. } => None,
        }
    }
    fn resampler(&self, to: u32) -> Option<Resampler> {
        self.rate().filter(|&r| r != to).and_then(|r| Resampler::new(r, to))
    }
    fn is_over(&self) -> bool {
        match self {
            Source::Pcm { samples, at, .. } => *at >= samples.len(),
            // In this order: what was pushed before the end is seen after it.
            Source::Feed { ring, .. } => ring.is_abandoned() && ring.is_empty(),
            Source::Tone { left, .. } => *left == 0,
        }
    }
    fn take(&mut self, out: &mut [i16]) -> usize {
        match self {
            Source::Pcm { samples, at, .. } => {
                let n = out.len().min(samples.len() - *at);
                out[..n].copy_from_slice(&samples[*at..*at + n]);
                *at += n;
                n
            }
            Source::Feed { ring, .. } => ring.pop_partial_slice(out).0.len(),
            Source::Tone { tone, left } => {
                let n = out.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                tone.fill(&mut out[..n]);
                if *left != u64::MAX {
                    *left -= n as u64;
                }
                n
            }
        }
    }
}

impl Item {
    fn is_over(&self) -> bool {
        match (&self.resampler, self.tail) {
            (None, _) => self.source.is_over(),
            (Some(_), tail) => tail == Some(0),
        }
    }

    /// How many of `frames` the source filled; fewer when it ended or the feed is behind.
    fn mix(&mut self, frames: &mut [i16]) -> usize {
        let mut done = 0;
        while done < frames.len() {
            let mut block = [0; BLOCK];
            let n = self.take(&mut block, frames.len() - done);
            if n == 0 {
                break;
            }
            for (f, s) in frames[done..done + n].iter_mut().zip(&block) {
                *f = f.saturating_add(*s);
            }
            done += n;
        }
        done
    }

    fn take(&mut self, out: &mut [i16; BLOCK], wanted: usize) -> usize {
        let wanted = wanted.min(BLOCK);
        let Some(resampler) = &mut self.resampler else { return self.source.take(&mut out[..wanted]) };
        let mut input = [0; BLOCK * 6 + 8];
        // The largest piece whose input fits: a rate goes down by 12 at most.
        let wanted =
            (1..=wanted).rev().step_by(32).find(|&w| resampler.input_for(w) <= input.len()).unwrap_or(1);
        let needed = resampler.input_for(wanted).min(input.len());
        let n = self.source.take(&mut input[..needed]);
        let end = if n < needed && self.source.is_over() {
            let tail = self.tail.get_or_insert(resampler.delay());
            let pad = (*tail).min(needed - n);
            *tail -= pad;
            n + pad
        } else {
            n
        };
        resampler.process(&input[..end], &mut out[..wanted])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(p: &mut Player, frames: usize) -> (Vec<i16>, Vec<u64>) {
        let mut out = vec![0; frames];
        let mut ids = Vec::new();
        for chunk in out.chunks_mut(160) {
            p.mix(chunk, &mut |id| ids.push(id));
        }
        (out, ids)
    }

    #[test]
    fn what_waits_follows_without_a_gap() {
        let mut p = Player::new(8000, 8000);
        p.push(PlaySource::pcm(vec![1; 100].into(), 8000), 7).expect("room");
        p.push(PlaySource::pcm(vec![2; 100].into(), 8000), 8).expect("room");
        let (out, ids) = played(&mut p, 320);
        assert!(out[..100].iter().all(|&s| s == 1) && out[100..200].iter().all(|&s| s == 2));
        assert_eq!(out[200..], [0; 120]);
        assert_eq!(ids, [7, 8]);
        assert!(p.is_idle());
    }

    #[test]
    fn a_file_of_another_rate_comes_out_whole() {
        for (rate, seconds) in [(44_100u32, 2), (48_000, 2), (16_000, 1), (11_025, 1)] {
            let mut p = Player::new(8000, 8000);
            let n = (rate * seconds) as usize;
            p.push(PlaySource::pcm(vec![1000; n].into(), rate), 1).expect("room");
            let (out, ids) = played(&mut p, (8000 * seconds) as usize + 320);
            assert_eq!(ids, [1], "{rate}");
            let loud = out.iter().filter(|&&s| s > 900).count();
            assert!(loud.abs_diff((8000 * seconds) as usize) < 20, "{rate}: {loud}");
        }
    }

    #[test]
    fn a_feed_that_is_behind_is_silent_and_not_over() {
        let mut p = Player::new(8000, 8000);
        let (mut feed, source) = PlaySource::feed(400, 8000);
        p.push(source, 3).expect("room");
        assert_eq!(feed.push(&[5; 80]), 80);
        assert_eq!(played(&mut p, 160), ([[5; 80], [0; 80]].concat(), vec![]));
        feed.push(&[6; 160]);
        drop(feed);
        assert_eq!(played(&mut p, 320).1, [3]);
    }

    #[test]
    fn the_queue_is_bounded_and_stopping_names_everything() {
        let mut p = Player::new(8000, 8000);
        for id in 0..MAX_QUEUE as u64 {
            p.push(PlaySource::Tone { hz: 440, level: 1000, frames: u64::MAX }, id).expect("room");
        }
        let more = PlaySource::Tone { hz: 440, level: 1000, frames: 1 };
        assert_eq!(p.push(more, 99), Err(MediaError::Full));
        let mut n = 0;
        p.clear(&mut |_| n += 1);
        assert_eq!(n, MAX_QUEUE);
        let odd = PlaySource::pcm(vec![0].into(), 7919);
        assert_eq!(p.push(odd, 1), Err(MediaError::Range));
    }
}
