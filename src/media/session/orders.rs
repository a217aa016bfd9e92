//! What a host and its worker order of a session at any time: loudness, keys, plays, recordings, taps, places in time.

use super::filter::{Filter, FilterFn};
use super::gain::Gain;
use super::record::Recording;
use super::tap::{Tap, TapFn};
use super::voice::Voice;
use super::Session;
use crate::media::host_ring::SessionAudio;
use crate::media::params::{MediaError, MediaEvent};
use crate::media::player::{PlaySource, Player};
use crate::media::recorder::RecordTap;
use crate::media::resample::RATES;
use crate::media::vad::VadConfig;
use crate::util::{Duration, Time};

impl Session {
    /// In percent, 0..=800: what is heard, what is sent.
    pub fn set_gain(&mut self, receive: u32, send: u32) -> Result<(), MediaError> {
        let gains = (Gain::from_percent(receive)?, Gain::from_percent(send)?);
        (self.side.receive_gain, self.side.send_gain) = gains;
        Ok(())
    }
    /// How long after a frame is handed to the host the next one is sent, so that a host which writes back what it reads
    /// loses no packet interval ([`super::TURNAROUND`] as a rule). Zero does both at once, for a worker with very many sessions.
    /// A host that writes back what it reads has a frame less or more to be sent when this changes, so it is best said once.
    pub fn set_turnaround(&mut self, turnaround: Duration) {
        self.turnaround = turnaround;
        if let Some(stream) = &mut self.stream {
            stream.send.set_turnaround(turnaround);
        }
    }
    /// Where the grid of send ticks begins after the first description.
    pub fn set_send_phase(&mut self, phase: Duration) {
        self.send_phase = phase;
    }
    /// Plays everything so much later than the line needs: many sessions whose peers send at one instant are spread.
    pub fn set_extra_delay(&mut self, extra: Duration) {
        if let Some(stream) = &mut self.stream {
            stream.receive.playout.set_extra(extra);
        }
    }
    /// Sends silence instead of what is written and played.
    pub fn set_muted(&mut self, muted: bool) {
        self.side.muted = muted;
    }

    /// Queues keys; `MediaEvent::DtmfSent { id }` follows.
    pub fn send_dtmf(
        &mut self,
        digits: &str,
        duration: Duration,
        gap: Duration,
        id: u64,
    ) -> Result<(), MediaError> {
        let stream = self.stream.as_mut().ok_or(MediaError::NotNegotiated)?;
        self.side.drained = false;
        stream.send.queue_keys(digits, duration, gap, id)
    }

    /// Queues something to play; `MediaEvent::PlayFinished { id, .. }` follows.
    pub fn play(&mut self, source: PlaySource, id: u64) -> Result<(), MediaError> {
        let host_rate = self.side.config.host_rate;
        let rate = self.stream.as_ref().map_or(host_rate, |s| s.send.audio_rate());
        self.side.drained = false;
        let player = self.side.player.get_or_insert_with(|| Box::new(Player::new(rate, host_rate)));
        player.push(source, id)?;
        self.side.marks.get_or_insert_default().queued += 1;
        Ok(())
    }

    /// Stops and empties the queue; each gets its `PlayFinished` with `completed: false`.
    pub fn play_stop(&mut self) {
        let Some(mut player) = self.side.player.take() else { return };
        player.clear(&mut |id| self.side.events.push(MediaEvent::PlayFinished { id, completed: false }));
        self.plays_stopped();
        self.look_whether_drained();
    }

    /// Starts a recording (ends another). It begins now, and has silence where nothing is heard.
    pub fn record(&mut self, tap: RecordTap) {
        self.record_stop();
        let codec_rate = self.stream.as_ref().map_or(8000, |s| s.send.audio_rate());
        self.side.recording = Some(Box::new(Recording::new(tap, self.side.config.host_rate, codec_rate)));
    }
    pub fn record_stop(&mut self) {
        if let Some(mut recording) = self.side.recording.take() {
            recording.finish();
        }
    }

    /// Has a function called with all that is heard and sent from now on, or no longer; the one before is dropped.
    pub fn set_tap(&mut self, sink: Option<TapFn>) {
        let codec_rate = self.stream.as_ref().map_or(8000, |s| s.send.audio_rate());
        self.side.tap = sink.map(|sink| Box::new(Tap::new(sink, self.side.config.host_rate, codec_rate)));
    }

    /// Has a function see, change and drop the RTP packets that pass from now on, or no longer; the one before is dropped.
    pub fn set_filter(&mut self, sink: Option<FilterFn>) {
        self.side.filter = sink.map(|sink| Box::new(Filter::new(sink)));
    }

    /// Has `MediaEvent::Voice` tell who speaks, from now on or no longer.
    pub fn set_vad(&mut self, config: Option<VadConfig>) {
        if let Some(mut before) = self.side.voice.take() {
            before.finish(&mut self.side.events);
        }
        self.side.voice = config.map(|config| Box::new(Voice::new(config)));
    }

    /// A packet of the host's own making, to be sent at once. It is RTP: whoever made it has checked that.
    pub fn send_packet(&mut self, now: Time, packet: Box<[u8]>) {
        if self.stream.is_none() || !self.side.outbox.get_or_insert_default().put(now, packet) {
            self.side.stats.send_errors += 1;
        }
    }

    /// The host reads and writes at another rate, through other rings. A recording ends with the old ones.
    pub fn set_host(&mut self, rate: u32, audio: SessionAudio) {
        self.record_stop();
        self.side.audio = audio;
        self.side.config.host_rate = if RATES.contains(&rate) { rate } else { 8000 };
        let rate = self.side.config.host_rate;
        if let Some(stream) = &mut self.stream {
            stream.receive.set_host_rate(rate);
            stream.send.set_host_rate(rate);
        }
        if let Some(player) = &mut self.side.player {
            player.set_host_rate(rate);
        }
        if let Some(tap) = &mut self.side.tap {
            tap.set_host_rate(rate);
        }
    }

    /// Forgets received audio that was not delivered yet, and what is written and not sent. The host's
    /// reader forgets its own with `AudioReader::clear`.
    pub fn flush(&mut self) {
        self.side.audio.flush_to_send();
        if let Some(stream) = &mut self.stream {
            stream.receive.flush();
        }
        self.look_whether_drained();
    }
}
