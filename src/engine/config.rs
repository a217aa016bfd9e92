//! Settings of a phone. Ranges are checked where a value is set (`ffi::config`) and once more by `Phone::new`.

use super::error::{Error, ErrorKind, Result};
use super::tls::TlsSettings;
use crate::proto::sdp::SrtpMode;
use crate::proto::sip::transaction::Timers;
use crate::proto::sip::Transport;
use crate::proto::srtp::Profile;
use crate::ua::{AccountConfig, Network};
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
    /// Peers in these are told our own address instead.
    pub local_networks: Vec<Network>,
    /// Of the default account, and of calls without one where the target names none.
    pub transport: Transport,
    /// Connections over TCP and TLS, ours and those of others.
    pub max_connections: usize,
    /// How long a connection may be silent before it is closed, or kept alive if it is needed.
    pub connection_idle: Duration,
    pub tls: TlsSettings,
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
    /// Sockets that the streams of a media thread share; 0: one socket a stream.
    pub media_sockets: usize,
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
    pub srtp: SrtpMode,
    /// Offered and taken in calls, by preference.
    pub srtp_suites: Vec<Profile>,
    /// RTCP where the peer takes it on the port of RTP; none otherwise.
    pub rtcp_mux: bool,
    pub thread_hook: Option<ThreadHook>,
}

impl AudioFormat {
    pub const RATES: [u32; 6] = [8000, 16000, 24000, 32000, 44100, 48000];

    pub fn check(&self) -> Result<()> {
        let (rate, channels) = (self.rate, self.channels);
        if !AudioFormat::RATES.contains(&rate) {
            return Err(Error::new(ErrorKind::Range, format!("audio rate {rate} Hz is not supported")));
        }
        if channels != 1 {
            let message = format!("{channels} audio channels, only 1 is supported");
            return Err(Error::new(ErrorKind::Range, message));
        }
        Ok(())
    }
    pub const fn bytes_per_frame(&self) -> usize {
        match self.sample {
            SampleFormat::S16 => 2 * self.channels as usize,
            SampleFormat::U8 => self.channels as usize,
        }
    }
    /// The byte that silence consists of.
    pub const fn silence_byte(&self) -> u8 {
        match self.sample {
            SampleFormat::S16 => 0,
            SampleFormat::U8 => 0x80,
        }
    }
}

impl Default for AudioFormat {
    fn default() -> AudioFormat {
        AudioFormat { sample: SampleFormat::S16, rate: 8000, channels: 1 }
    }
}

impl Default for PhoneConfig {
    fn default() -> PhoneConfig {
        PhoneConfig {
            bind: SocketAddr::from(([0, 0, 0, 0], 5060)),
            public_address: None,
            local_networks: Vec::new(),
            transport: Transport::Udp,
            max_connections: 1024,
            connection_idle: Duration::from_secs(120),
            tls: TlsSettings::default(),
            account: None,
            user_agent: concat!("libvoip/", env!("CARGO_PKG_VERSION")).to_owned(),
            rtp_ports: (10_000, 20_000),
            codecs: vec!["PCMU".to_owned(), "PCMA".to_owned()],
            ptime_ms: 20,
            audio: AudioFormat::default(),
            jitter: (Duration::from_millis(40), Duration::from_millis(200)),
            read_buffer_ms: 2000,
            write_buffer_ms: 2000,
            max_calls: 64,
            media_threads: 1,
            media_sockets: 0,
            event_mode: EventMode::Thread,
            max_events: 4096,
            unhandled_call: 486,
            timers: Timers {
                t1: Duration::from_millis(500),
                t2: Duration::from_secs(4),
                t4: Duration::from_secs(5),
                c: Duration::from_secs(180),
                d: Duration::from_secs(32),
            },
            ring_timeout: Duration::from_secs(120),
            answer_timeout: Duration::ZERO,
            rtp_timeout: Duration::from_secs(30),
            hangup_on_rtp_timeout: false,
            srtp: SrtpMode::Off,
            // What every phone has first; more lines would make an INVITE too long for UDP.
            srtp_suites: vec![
                Profile::AesCm128HmacSha1_80,
                Profile::AesCm256HmacSha1_80,
                Profile::AesCm128HmacSha1_32,
            ],
            rtcp_mux: true,
            thread_hook: None,
        }
    }
}

/// Shared sockets of one media thread.
pub const MAX_MEDIA_SOCKETS: usize = 64;

impl PhoneConfig {
    /// The first setting that is out of its range, as an error that names it.
    pub fn check(&self) -> Result<()> {
        let range = |message: String| Err(Error::new(ErrorKind::Range, message));
        let (low, high) = self.rtp_ports;
        if low > high {
            return range(format!("rtp ports {low} to {high}: the first is above the last"));
        }
        if low == 0 || (low == high && low % 2 == 1) {
            return range(format!("rtp ports {low} to {high} hold no even port"));
        }
        self.audio.check()?;
        if !(10..=200).contains(&self.ptime_ms) || self.ptime_ms % 10 != 0 {
            return range(format!("ptime {} ms is not one of 10, 20 … 200", self.ptime_ms));
        }
        if self.jitter.0 > self.jitter.1 || self.jitter.1 > Duration::from_secs(10) {
            return range(format!("jitter buffer {:?} to {:?}", self.jitter.0, self.jitter.1));
        }
        for (name, ms) in [("read", self.read_buffer_ms), ("write", self.write_buffer_ms)] {
            if !(20..=60_000).contains(&ms) {
                return range(format!("{name} buffer of {ms} ms is not within 20 to 60000"));
            }
        }
        for (name, value, most) in [
            ("calls", self.max_calls, 1_000_000),
            ("media threads", self.media_threads, 64),
            ("events", self.max_events, 10_000_000),
            ("connections", self.max_connections, 1_000_000),
        ] {
            if value == 0 || value > most {
                return range(format!("{value} {name}, not within 1 to {most}"));
            }
        }
        if self.media_sockets > MAX_MEDIA_SOCKETS {
            return range(format!(
                "{} media sockets, not within 0 to {MAX_MEDIA_SOCKETS}",
                self.media_sockets
            ));
        }
        if !(400..=699).contains(&self.unhandled_call) {
            return range(format!(
                "code {} for unhandled calls is not within 400 to 699",
                self.unhandled_call
            ));
        }
        if self.srtp_suites.is_empty() || self.srtp_suites.iter().any(|suite| !suite.encrypts()) {
            return range(format!(
                "crypto suites {:?}: none, or one that encrypts nothing",
                self.srtp_suites
            ));
        }
        let known = match self.transport {
            Transport::Udp | Transport::Tcp => true,
            Transport::Tls => cfg!(feature = "tls"),
            Transport::Ws | Transport::Wss => false,
        };
        if !known {
            let message = format!("transport {}", self.transport.as_str());
            return Err(Error::new(ErrorKind::NotSupported, message));
        }
        Ok(())
    }
}
