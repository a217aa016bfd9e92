//! What goes into a session and what it says: configuration, stream parameters, events, counters.

use super::meter::Level;
use super::vad::VoiceChange;
use crate::proto::rtcp::NtpTime;
use crate::proto::rtp::PayloadFormat;
use crate::proto::srtp::{SrtpError, StreamKeys};
use crate::util::Duration;
use core::fmt;
use core::net::SocketAddr;

/// What the session's host end wants: format and bounds.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Rate of the host's PCM in Hz: 8000, 11025, 16000, 22050, 24000, 32000, 44100 or 48000.
    pub host_rate: u32,
    /// Bounds of the receive buffer's delay. The minimum is also where a stream starts.
    pub jitter_min: Duration,
    pub jitter_max: Duration,
    /// Capacity of the rings to and from the host, in frames of the host's rate.
    pub read_ring_frames: usize,
    pub write_ring_frames: usize,
    /// No RTP for so long: `MediaEvent::Timeout` (0: never).
    pub rtp_timeout: Duration,
    /// What the wall clock shows at `Time::ZERO`, for sender reports.
    pub epoch: NtpTime,
}

impl Default for SessionConfig {
    /// G.711 telephony: 8000 Hz, 200 ms to either side.
    fn default() -> SessionConfig {
        SessionConfig {
            host_rate: 8000,
            jitter_min: Duration::ZERO,
            jitter_max: Duration::from_millis(200),
            read_ring_frames: 1600,
            write_ring_frames: 1600,
            rtp_timeout: Duration::from_secs(30),
            epoch: NtpTime::default(),
        }
    }
}

/// One negotiated audio stream, as signalling describes it.
#[derive(Clone, PartialEq, Debug)]
pub struct StreamParams {
    /// Where the peer said it listens; None or a zero port: nowhere yet.
    pub remote: Option<SocketAddr>,
    /// What we send.
    pub codec: PayloadFormat,
    /// All that may arrive, by the payload types that we announced.
    pub receive: Vec<PayloadFormat>,
    /// Payload type for keys that we send; None: the peer takes none.
    pub telephone_event: Option<u8>,
    /// Payload type of keys that arrive.
    pub telephone_event_receive: Option<u8>,
    pub ptime_ms: u32,
    /// The direction, seen from us: may audio be sent, is audio received.
    pub sending: bool,
    pub receiving: bool,
    /// The stream is SRTP with these keys (RFC 3711), or plain RTP; never both.
    pub srtp: Option<Box<StreamKeys>>,
    /// RTCP shares the port of RTP (RFC 5761): reports are sent and read.
    pub rtcp_mux: bool,
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
    /// What was queued before a mark was sent; not `reached`: it was cleared.
    PlayMark {
        mark: u64,
        reached: bool,
    },
    /// Somebody began or ceased to speak.
    Voice(VoiceChange),
    /// All keys of a send_dtmf were sent.
    DtmfSent {
        id: u64,
    },
    /// Said by whoever writes the file, never by the session: only it knows whether the file is whole.
    RecordFinished {
        id: u64,
        frames: u64,
        ok: bool,
    },
}

/// Counters since the start of the stream. Those that every packet changes come first.
#[derive(Clone, Copy, Default, Debug)]
#[repr(C)]
pub struct MediaStats {
    pub rx_packets: u64,
    pub rx_bytes: u64,
    pub tx_packets: u64,
    pub tx_bytes: u64,
    /// Worst lateness of a send instant.
    pub tx_late_max_us: u32,
    pub remote_ssrc: u32,
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
    /// Frames of silence sent since the host had written nothing.
    pub tx_underrun_frames: u64,
    pub local_ssrc: u32,
    pub send_errors: u64,
    /// Frames of the host's, of those that it wrote, that were taken to be sent.
    pub tx_written_frames: u64,
    /// What plays now (0: nothing), how much of it was sent, and how much waits behind it.
    pub play_id: u64,
    pub play_ms: u64,
    pub play_waiting: u32,
    /// Packets whose authentication failed: forged, under another key, or plain in a protected stream.
    pub rx_srtp_auth: u64,
    /// Protected packets that were seen before or are older than the replay window.
    pub rx_srtp_replay: u64,
    /// Compound RTCP packets.
    pub rtcp_sent: u64,
    pub rtcp_received: u64,
    /// What the peer's last report told of our stream: lost in all, lost of the last interval, jitter.
    pub remote_lost: u64,
    pub remote_loss_permille: u32,
    pub remote_jitter_us: u32,
    /// Of the last report that tells it; 0: not known.
    pub rtt_us: u32,
}

impl MediaStats {
    /// So much of them, from the beginning, every packet changes.
    pub const HOT_BYTES: usize = core::mem::offset_of!(MediaStats, rx_lost);
}

/// Levels of the last frame each way.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Levels {
    pub received: Level,
    pub sent: Level,
}

impl Levels {
    /// All four values in one word, which can be handed over without a lock.
    pub fn to_u64(self) -> u64 {
        let half = |level: Level| u64::from(level.peak) << 16 | u64::from(level.rms);
        half(self.received) << 32 | half(self.sent)
    }
    pub fn from_u64(word: u64) -> Levels {
        let half = |word: u64| Level { peak: (word >> 16) as u16, rms: word as u16 };
        Levels { received: half(word >> 32), sent: half(word) }
    }
}

/// Whom to wake after a `handle_*`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Wake {
    /// The host's reader has new frames.
    pub readable: bool,
    /// The host's writer has new space.
    pub writable: bool,
    /// Everything written, played and keyed has gone out.
    pub drained: bool,
}

/// Why a session refuses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaError {
    /// No implementation of this format.
    Codec(Box<str>),
    /// A rate, duration or level beyond its limits.
    Range,
    /// The peer takes no telephone-events, or the stream is not configured yet.
    NotNegotiated,
    /// Not a key: 0-9 * # A-D, `!` flash, `w` half a second, `,` two seconds.
    Digit(char),
    /// The queue (of keys or of things to play) is full.
    Full,
    /// The keys can't be used.
    Srtp(SrtpError),
}

impl fmt::Display for MediaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MediaError::Codec(name) => write!(f, "no codec for {name}"),
            MediaError::Range => f.write_str("a value is beyond its limits"),
            MediaError::NotNegotiated => f.write_str("the peer takes no telephone-event"),
            MediaError::Digit(c) => write!(f, "{c:?} is no key"),
            MediaError::Srtp(error) => write!(f, "SRTP: {error}"),
            MediaError::Full => f.write_str("the queue is full"),
        }
    }
}

impl core::error::Error for MediaError {}
