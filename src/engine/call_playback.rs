//! What is on its way to the peer, as one queue: clearing it, marks in it, how far it is.

use super::call::Call;
use super::error::Result;
use super::worker::MediaOp;

/// How far the playback is.
#[derive(Clone, Copy, Default, Debug)]
pub struct Playback {
    /// What plays (0: nothing), how much of it was sent, and how much waits behind it.
    pub play_id: u64,
    pub play_ms: u64,
    pub waiting: u32,
    /// Frames that were written since the start, and of these those that were sent.
    pub written: u64,
    pub sent: u64,
}

impl Call {
    /// Stops what plays and forgets what was queued and written. What is heard stays.
    pub fn clear_playback(&self) -> Result<()> {
        self.require_live()?;
        self.shared().audio.writer.lock().flush();
        self.media(MediaOp::Session(Box::new(|session, _| session.clear_playback())))
    }

    /// `MediaEvent::PlayMark` with this number follows when what was queued and written before was sent.
    pub fn play_mark(&self, mark: u64) -> Result<()> {
        self.require_live()?;
        let written = self.shared().audio.writer.lock().written();
        self.media(MediaOp::Session(Box::new(move |session, _| session.mark(mark, written))))
    }

    pub fn playback(&self) -> Playback {
        let stats = self.stats();
        let written = self.shared().audio.writer.lock().written();
        Playback {
            play_id: stats.play_id,
            play_ms: stats.play_ms,
            waiting: stats.play_waiting,
            written,
            sent: stats.tx_written_frames,
        }
    }
}
