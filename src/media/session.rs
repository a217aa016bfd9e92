//! One audio stream: packets in, PCM out; PCM in, packets out. Driven by a media worker.
//!
//! The worker calls `handle_packet` for every datagram of the stream's socket, `handle_deadline` when
//! `next_deadline` has come, and after either drains `poll_event` and looks at `take_wake`. Commands may
//! come in between at any time. The host's threads touch nothing of this but their ends of the rings.

use super::host_ring::{host_rings, HostAudio, SessionAudio};
use super::params::{Levels, MediaError, MediaEvent, MediaStats, SessionConfig, StreamParams, Wake};
use super::player::PlaySource;
use super::recorder::RecordTap;
use crate::util::{Duration, Rng, Time};
use core::net::SocketAddr;

pub struct Session {
    config: SessionConfig,
    audio: SessionAudio,
}

impl Session {
    /// A session that waits for `configure`. Audio that the host writes meanwhile is kept in the ring.
    pub fn new(config: SessionConfig, _rng: &mut dyn Rng, _now: Time) -> (Session, HostAudio) {
        let (audio, host) = host_rings(config.read_ring_frames, config.write_ring_frames);
        (Session { config, audio }, host)
    }

    /// First description, or a new one. On error everything stays as it was.
    pub fn configure(&mut self, _now: Time, _params: &StreamParams) -> Result<(), MediaError> {
        todo!()
    }
    /// One datagram from the stream's socket. Anything may come; it may be changed in place (SRTP later).
    pub fn handle_packet(&mut self, _now: Time, _source: SocketAddr, _datagram: &mut [u8]) {
        todo!()
    }
    /// When to call `handle_deadline`; None while there is nothing to do.
    pub fn next_deadline(&self) -> Option<Time> {
        todo!()
    }
    /// Plays and sends what is due. `send` is called for each packet, with its destination.
    pub fn handle_deadline(&mut self, _now: Time, _send: &mut dyn FnMut(SocketAddr, &[u8])) {
        todo!()
    }
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        todo!()
    }
    /// What changed for waiting host threads since the last call.
    pub fn take_wake(&mut self) -> Wake {
        todo!()
    }
    /// `send` failed (the socket said no).
    pub fn count_send_error(&mut self) {
        todo!()
    }

    /// In percent, 0..=800: what is heard, what is sent.
    pub fn set_gain(&mut self, _receive: u32, _send: u32) -> Result<(), MediaError> {
        todo!()
    }
    /// Sends silence instead of what is written and played.
    pub fn set_muted(&mut self, _muted: bool) {
        todo!()
    }
    /// Queues keys; `MediaEvent::DtmfSent { id }` follows.
    pub fn send_dtmf(
        &mut self,
        _digits: &str,
        _duration: Duration,
        _gap: Duration,
        _id: u64,
    ) -> Result<(), MediaError> {
        todo!()
    }
    /// Queues something to play; `MediaEvent::PlayFinished { id, .. }` follows.
    pub fn play(&mut self, _source: PlaySource, _id: u64) -> Result<(), MediaError> {
        todo!()
    }
    /// Stops and empties the queue; each gets its `PlayFinished` with `completed: false`.
    pub fn play_stop(&mut self) {
        todo!()
    }
    /// Starts a recording (ends another). It begins now, and has silence where nothing is heard.
    pub fn record(&mut self, _tap: RecordTap) {
        todo!()
    }
    pub fn record_stop(&mut self) {
        todo!()
    }
    /// Forgets received audio that was not delivered yet, and what is written and not sent. The host's
    /// reader forgets its own with `AudioReader::clear`.
    pub fn flush(&mut self) {
        self.audio.flush_to_send();
    }
    /// Nothing written, played or keyed is waiting to be sent.
    pub fn is_drained(&mut self) -> bool {
        self.audio.pending() == 0
    }
    pub fn levels(&self) -> Levels {
        todo!()
    }
    pub fn stats(&self) -> MediaStats {
        todo!()
    }
    pub fn host_rate(&self) -> u32 {
        self.config.host_rate
    }
    /// The stream is over: finishes keys, plays and recordings (their events can be polled afterwards).
    pub fn close(&mut self) {
        todo!()
    }
}
