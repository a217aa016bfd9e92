//! A call as the host holds it: shared state, audio, DTMF, commands. Any thread.

use super::config::AudioFormat;
use super::error::Result;
use crate::media::MediaStats;
use crate::proto::sdp::Direction;
use crate::ua::{AccountId, CallDirection, CallId, CallState, EndInfo};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Shared by the host, the control thread and a media worker.
#[derive(Clone)]
pub struct Call(Arc<CallShared>);

pub struct CallShared {
    _private: (),
}

/// What was negotiated last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallMediaInfo {
    /// Seen from us.
    pub direction: Direction,
    pub held_by_peer: bool,
    pub held_by_us: bool,
    /// Empty before the first negotiation.
    pub codec: Box<str>,
    pub remote: Option<SocketAddr>,
    /// Our RTP address as bound.
    pub local: Option<SocketAddr>,
}

/// How `Call::gather_dtmf` collects keys.
#[derive(Clone, Copy, Debug)]
pub struct Gather<'a> {
    pub max: usize,
    /// Keys that end the input; the one that did is not part of the result.
    pub terminators: &'a [u8],
    /// How long the first key may take, and each later one. None: for ever.
    pub first: Timeout,
    pub between: Timeout,
    /// Stops what is being played when the first key comes.
    pub barge_in: bool,
}

/// None waits for ever, zero never blocks.
pub type Timeout = Option<Duration>;

impl Call {
    pub fn id(&self) -> CallId {
        let _ = &self.0;
        todo!()
    }
    pub fn state(&self) -> CallState {
        todo!()
    }
    pub fn direction(&self) -> CallDirection {
        todo!()
    }
    /// Waits until the state is `state` or later in life; Err(CallEnded) when it ended without getting there.
    pub fn wait_state(&self, _state: CallState, _timeout: Timeout) -> Result<()> {
        todo!()
    }
    pub fn end_info(&self) -> Option<EndInfo> {
        todo!()
    }

    // Commands: state is checked at once, then posted to the control thread. Never blocks.
    pub fn ring(&self) -> Result<()> {
        todo!()
    }
    pub fn progress(&self) -> Result<()> {
        todo!()
    }
    pub fn answer(&self) -> Result<()> {
        todo!()
    }
    pub fn reject(&self, _code: u16, _reason: Option<&str>) -> Result<()> {
        todo!()
    }
    pub fn redirect(&self, _target: &str) -> Result<()> {
        todo!()
    }
    pub fn hangup(&self) -> Result<()> {
        todo!()
    }
    pub fn hold(&self) -> Result<()> {
        todo!()
    }
    pub fn resume(&self) -> Result<()> {
        todo!()
    }
    pub fn set_media_direction(&self, _direction: Direction) -> Result<()> {
        todo!()
    }
    pub fn transfer(&self, _target: &str) -> Result<()> {
        todo!()
    }
    pub fn mute(&self, _muted: bool) -> Result<()> {
        todo!()
    }

    // What is known.
    pub fn remote_uri(&self) -> String {
        todo!()
    }
    pub fn remote_name(&self) -> String {
        todo!()
    }
    pub fn local_uri(&self) -> String {
        todo!()
    }
    pub fn sip_call_id(&self) -> String {
        todo!()
    }
    /// A header of the INVITE, by name without case.
    pub fn header(&self, _name: &str, _index: usize) -> Option<String> {
        todo!()
    }
    /// The peer's last SDP.
    pub fn remote_sdp(&self) -> Option<Vec<u8>> {
        todo!()
    }
    /// Account that the call belongs to.
    pub fn account(&self) -> Option<AccountId> {
        todo!()
    }
    pub fn media_info(&self) -> CallMediaInfo {
        todo!()
    }
    pub fn is_muted(&self) -> bool {
        todo!()
    }
    /// Last SIP status of the call's INVITE, 0 before any.
    pub fn last_sip_code(&self) -> u16 {
        todo!()
    }
    /// (since the call was created, since it was answered), both stop at the end.
    pub fn durations(&self) -> (Duration, Option<Duration>) {
        todo!()
    }
    pub fn audio_format(&self) -> AudioFormat {
        todo!()
    }
    /// The binding's handle of this call. `make` runs at most once, even if threads race; 0 is never stored.
    pub fn handle_or_init(&self, _make: impl FnOnce() -> u64) -> u64 {
        todo!()
    }
    /// 0 if none was attached (yet).
    pub fn handle(&self) -> u64 {
        todo!()
    }
    /// What the binding attached to the phone with `Phone::set_handle`.
    pub fn phone_handle(&self) -> u64 {
        todo!()
    }
    /// True on a thread that is delivering an event of this call's phone right now.
    pub fn in_callback(&self) -> bool {
        todo!()
    }
    pub fn user_data(&self) -> usize {
        todo!()
    }
    pub fn set_user_data(&self, _value: usize) {
        todo!()
    }

    // Audio, in the host's format; `pcm` is interleaved frames of the phone's AudioFormat.
    /// Frames read. 0 with a time-out: Err(Timeout); after the end and when drained: Err(CallEnded).
    pub fn read_audio(&self, _pcm: &mut [u8], _timeout: Timeout) -> Result<usize> {
        todo!()
    }
    /// Always fills `pcm`; says how many frames were real. Never blocks.
    pub fn read_audio_padded(&self, _pcm: &mut [u8]) -> Result<usize> {
        todo!()
    }
    /// Frames taken. Waits for space up to the time-out; legal before the answer.
    pub fn write_audio(&self, _pcm: &[u8], _timeout: Timeout) -> Result<usize> {
        todo!()
    }
    /// Frames that can be read at once.
    pub fn read_available(&self) -> Result<usize> {
        todo!()
    }
    pub fn write_space(&self) -> Result<usize> {
        todo!()
    }
    /// Forgets what was received and not read, and written and not sent.
    pub fn flush_audio(&self) -> Result<()> {
        todo!()
    }
    /// Waits until everything written and played was sent. Err(CallEnded) when the call ends before.
    pub fn drain_audio(&self, _timeout: Timeout) -> Result<()> {
        todo!()
    }
    /// Peak and RMS of the last frames (received, sent), 0..=32767.
    pub fn audio_levels(&self) -> ((i32, i32), (i32, i32)) {
        todo!()
    }
    /// In percent, 0..=800: (what is heard, what is sent).
    pub fn set_gain(&self, _receive: u32, _send: u32) -> Result<()> {
        todo!()
    }

    // Player and recorder. Ids come back in MediaEvent.
    pub fn play_file(&self, _path: &str) -> Result<u64> {
        todo!()
    }
    pub fn play_pcm(&self, _pcm: &[u8]) -> Result<u64> {
        todo!()
    }
    pub fn play_tone(&self, _hz: u32, _ms: u32) -> Result<u64> {
        todo!()
    }
    pub fn play_stop(&self) -> Result<()> {
        todo!()
    }
    /// `channels` 1: what is heard; 2: left heard, right sent.
    pub fn record_start(&self, _path: &str, _channels: u8) -> Result<u64> {
        todo!()
    }
    pub fn record_stop(&self) -> Result<()> {
        todo!()
    }

    // DTMF
    /// Digits 0-9 * # A-D, `w` waits half a second, `,` two seconds. `info`: by SIP INFO instead of RFC 4733.
    pub fn send_dtmf(&self, _digits: &str, _duration_ms: u32, _gap_ms: u32, _info: bool) -> Result<u64> {
        todo!()
    }
    /// Takes at least one, up to `buf.len()` digits (ASCII). Err(Timeout), Err(CallEnded).
    pub fn read_dtmf(&self, _buf: &mut [u8], _timeout: Timeout) -> Result<usize> {
        todo!()
    }
    pub fn pending_dtmf(&self) -> usize {
        todo!()
    }
    pub fn clear_dtmf(&self) {
        todo!()
    }
    /// Collects keys into `buf` until enough, a terminator or a time-out: how many, and the terminator if one
    /// ended it. No key at all in time: Err(Timeout). Err(CallEnded) when the call ends with nothing collected.
    pub fn gather_dtmf(&self, _buf: &mut [u8], _how: &Gather<'_>) -> Result<(usize, Option<u8>)> {
        todo!()
    }

    pub fn stats(&self) -> MediaStats {
        todo!()
    }
    pub fn set_stats_interval(&self, _every: Duration) -> Result<()> {
        todo!()
    }
}
