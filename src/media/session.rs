//! One audio stream: packets in, PCM out; PCM in, packets out. Driven by a media worker.

use crate::util::{Duration, Rng, Time};
use core::net::SocketAddr;

/// What the session's host end wants: format and bounds.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Rate of the host's PCM in Hz.
    pub host_rate: u32,
    /// Bounds of the receive buffer.
    pub jitter_min: Duration,
    pub jitter_max: Duration,
    /// Capacity of the rings to and from the host, in frames of the host's rate.
    pub read_ring_frames: usize,
    pub write_ring_frames: usize,
    /// No RTP for so long: `MediaEvent::Timeout` (0: never).
    pub rtp_timeout: Duration,
}

/// What a session has to say. Bounded; state of the stream, never audio.
#[derive(Clone, PartialEq, Debug)]
pub enum MediaEvent {
    /// A key by RFC 4733. `end` false: begins; true: over, the duration is final.
    Dtmf {
        digit: char,
        duration_ms: u32,
        end: bool,
    },
    /// First RTP packet accepted, from there.
    Started {
        from: SocketAddr,
    },
    /// The source moved (latching).
    SourceChanged {
        from: SocketAddr,
    },
    Timeout,
    Resumed,
    /// A file or PCM given to the player was heard to its end (or stopped).
    PlayFinished {
        id: u64,
        completed: bool,
    },
    /// All keys of a send_dtmf were sent.
    DtmfSent {
        id: u64,
    },
    RecordFinished {
        id: u64,
        frames: u64,
        ok: bool,
    },
}

/// Counters since the start of the stream.
#[derive(Clone, Copy, Default, Debug)]
pub struct MediaStats {
    pub rx_packets: u64,
    pub rx_bytes: u64,
    pub rx_lost: u64,
    pub rx_late: u64,
    pub rx_duplicate: u64,
    pub rx_reordered: u64,
    /// Not RTP, wrong source, unknown payload type.
    pub rx_discarded: u64,
    pub rx_concealed_frames: u64,
    /// Frames (samples) thrown away since the host did not read.
    pub rx_overrun_frames: u64,
    /// RFC 3550 interarrival jitter, in microseconds.
    pub rx_jitter_us: u32,
    pub rx_buffer_ms: u32,
    pub tx_packets: u64,
    pub tx_bytes: u64,
    /// Frames of silence sent since the host had written nothing.
    pub tx_underrun_frames: u64,
    /// Worst lateness of a send instant.
    pub tx_late_max_us: u32,
    pub remote_ssrc: u32,
    pub local_ssrc: u32,
    pub send_errors: u64,
}

pub struct Session {
    _private: (),
}

impl Session {
    pub fn new(_config: SessionConfig, _rng: &mut dyn Rng, _now: Time) -> Session {
        todo!()
    }
}
