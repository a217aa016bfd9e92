//! What an RTP session by itself is told at its start.

use super::config::AudioFormat;
use super::error::{Error, ErrorKind, Result};
use crate::media::{MediaError, RtpStreamConfig, SessionConfig, StreamParams};
use crate::proto::rtcp::NtpTime;
use crate::proto::rtp::PayloadFormat;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct RtpSessionConfig {
    pub local: IpAddr,
    /// 0: any even one.
    pub rtp_port: u16,
    /// 0: the one above RTP's.
    pub rtcp_port: u16,
    pub remote: Option<SocketAddr>,
    pub remote_rtcp: Option<SocketAddr>,
    pub rtcp_mux: bool,
    pub sending: bool,
    pub receiving: bool,
    /// What may come; the first one that is audio is what is sent.
    pub payloads: Vec<PayloadFormat>,
    pub ptime_ms: u32,
    pub audio: AudioFormat,
    pub jitter: (Duration, Duration),
    pub buffer_ms: u32,
    pub ssrc: Option<u32>,
    /// The peer's, if it said it in advance (RFC 5576).
    pub remote_ssrc: Option<u32>,
    pub first_sequence: Option<u16>,
    pub first_timestamp: Option<u32>,
    pub cname: Box<str>,
    /// None: no reports are sent.
    pub report_interval: Option<Duration>,
    /// The host's loop drives it; else a thread of its own.
    pub driven: bool,
}

impl RtpSessionConfig {
    pub(super) fn stream(&self) -> Result<RtpStreamConfig> {
        let audio = self.payloads.iter().find(|f| !f.is("telephone-event") && !f.is("CN"));
        let none = || Error::new(ErrorKind::NoCodec, "the payload map has no audio to send");
        let keys = self.telephone_event();
        let ring = (self.audio.rate as usize) * self.buffer_ms as usize / 1000;
        Ok(RtpStreamConfig {
            session: SessionConfig {
                host_rate: self.audio.rate,
                jitter_min: self.jitter.0,
                jitter_max: self.jitter.1,
                read_ring_frames: ring,
                write_ring_frames: ring,
                rtp_timeout: Duration::ZERO,
                // The stream's own reporter is told the wall clock.
                epoch: NtpTime::default(),
            },
            params: StreamParams {
                remote: self.remote,
                codec: audio.cloned().ok_or_else(none)?,
                receive: self.payloads.clone(),
                telephone_event: keys,
                telephone_event_receive: keys,
                ptime_ms: self.ptime_ms,
                sending: self.sending,
                receiving: self.receiving,
                srtp: None,
                rtcp_mux: false,
            },
            ssrc: self.ssrc,
            first_sequence: self.first_sequence,
            first_timestamp: self.first_timestamp,
            rtcp_mux: self.rtcp_mux,
            remote_rtcp: self.remote_rtcp,
            report_interval: self.report_interval,
            cname: self.cname.clone(),
        })
    }

    pub(super) fn telephone_event(&self) -> Option<u8> {
        self.payloads.iter().find(|f| f.is("telephone-event")).map(|f| f.payload_type)
    }
}

impl From<MediaError> for Error {
    fn from(error: MediaError) -> Error {
        let kind = match error {
            MediaError::Codec(_) | MediaError::Srtp(_) => ErrorKind::NoCodec,
            MediaError::Range => ErrorKind::Range,
            MediaError::NotNegotiated => ErrorKind::NotSupported,
            MediaError::Digit(_) => ErrorKind::Argument,
            MediaError::Full => ErrorKind::Limit,
        };
        Error::new(kind, error.to_string())
    }
}
