//! Settings of a phone. Ranges are checked where a value is set (`ffi::config`) and once more by `Phone::new`.

use crate::proto::sip::transaction::Timers;
use crate::proto::sip::Transport;
use crate::ua::AccountConfig;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SampleFormat {
    /// Signed 16 bit, native endian. Silence is 0.
    S16,
    /// Unsigned 8 bit linear. Silence is 0x80.
    U8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AudioFormat {
    pub sample: SampleFormat,
    /// 8000, 16000, 24000, 32000, 44100 or 48000 Hz.
    pub rate: u32,
    /// 1 (2 is reserved).
    pub channels: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventMode {
    /// The library's dispatcher thread calls the callbacks.
    Thread,
    /// The host calls `process_events`.
    Host,
}

/// Called at the start and the end of every library thread, with its name.
pub type ThreadHook = std::sync::Arc<dyn Fn(&str, bool) + Send + Sync>;

#[derive(Clone)]
pub struct PhoneConfig {
    /// Default 0.0.0.0:5060; port 0 picks a free one. IPv6: `[::]`.
    pub bind: SocketAddr,
    pub public_address: Option<IpAddr>,
    pub transport: Transport,
    /// The default account, if a server was set.
    pub account: Option<AccountConfig>,
    pub user_agent: String,
    /// RTP ports, even ones are used. Default 10000 to 20000.
    pub rtp_ports: (u16, u16),
    /// Names by preference. Default PCMU, PCMA.
    pub codecs: Vec<String>,
    pub ptime_ms: u32,
    pub audio: AudioFormat,
    pub jitter: (Duration, Duration),
    /// Capacity of the audio rings per call, in ms.
    pub read_buffer_ms: u32,
    pub write_buffer_ms: u32,
    pub max_calls: usize,
    pub media_threads: usize,
    pub event_mode: EventMode,
    /// Bound of the event queue for events that may be dropped.
    pub max_events: usize,
    /// Code for calls that nobody listens for (486).
    pub unhandled_call: u16,
    pub timers: Timers,
    pub ring_timeout: Duration,
    pub answer_timeout: Duration,
    /// 0: never.
    pub rtp_timeout: Duration,
    pub hangup_on_rtp_timeout: bool,
    pub thread_hook: Option<ThreadHook>,
}
