//! Media without I/O: codecs, jitter buffer, concealment, tones, WAV, and one [`Session`] per stream.
//!
//! Per packet nothing here allocates, locks or logs.

pub mod codec;
pub mod conceal;
pub mod dtmf;
pub mod host_ring;
pub mod jitter;
pub mod latch;
pub mod meter;
pub mod params;
pub mod pcm_buffer;
pub mod player;
pub mod playout;
pub mod recorder;
pub mod reporter;
pub mod resample;
pub mod ring;
mod ring_memory;
pub mod rtp_stream;
pub mod session;
pub mod stamps;
pub mod sync;
pub mod tone;
pub mod vad;
pub mod wav;

pub use host_ring::{AudioReader, AudioWriter, HostAudio};
pub use meter::Level;
pub use params::{Levels, MediaError, MediaEvent, MediaStats, SessionConfig, StreamParams, Wake};
pub use player::{PlayFeed, PlaySource};
pub use recorder::{record_tap, RecordDrain, RecordTap};
pub use reporter::{Heard, Reporter, ReporterConfig, RtcpStats, Said, SyncPoint};
pub use rtp_stream::{Channel, RtpStream, RtpStreamConfig};
pub use session::{FilterFn, Session, TapFn, FILTER_ROOM, TURNAROUND};
pub use vad::{VadConfig, VoiceChange};
