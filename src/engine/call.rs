//! A call as the host holds it: shared state, audio, DTMF, commands. Any thread.

use super::error::Result;
use crate::media::MediaStats;
use crate::proto::sdp::Direction;
use crate::ua::{CallDirection, CallId, CallState, EndInfo};
use std::sync::Arc;
use std::time::Duration;

/// Shared by the host, the control thread and a media worker.
#[derive(Clone)]
pub struct Call(Arc<CallShared>);

pub struct CallShared {
    _private: (),
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

    pub fn stats(&self) -> MediaStats {
        todo!()
    }
    pub fn set_stats_interval(&self, _every: Duration) -> Result<()> {
        todo!()
    }
}
