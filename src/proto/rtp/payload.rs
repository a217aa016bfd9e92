//! Payload types and formats (RFC 3551 tables 4 and 5, rtpmap of RFC 8866).

use core::fmt;

/// One payload format with the payload type that stands for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PayloadFormat {
    pub payload_type: u8,
    /// Encoding name, `PCMU`; compared without case.
    pub name: Box<str>,
    /// RTP clock rate in Hz (8000 for G722, RFC 3551 section 4.5.2).
    pub clock_rate: u32,
    pub channels: u8,
    /// The text of `a=fmtp`, if any.
    pub fmtp: Option<Box<str>>,
}

impl PayloadFormat {
    pub fn new(payload_type: u8, name: &str, clock_rate: u32, channels: u8) -> PayloadFormat {
        PayloadFormat { payload_type, name: name.into(), clock_rate, channels, fmtp: None }
    }

    /// The format of a static payload type.
    pub fn static_format(payload_type: u8) -> Result<PayloadFormat, PayloadError> {
        let row = StaticPayload::get(payload_type)?;
        Ok(PayloadFormat::new(row.payload_type, row.name, row.clock_rate, row.channels.max(1)))
    }

    /// The static format of that name, rate and number of channels (0: any of either).
    pub fn by_name(name: &str, clock_rate: u32, channels: u8) -> Option<PayloadFormat> {
        let row = StaticPayload::by_name(name, clock_rate, channels)?;
        PayloadFormat::static_format(row.payload_type).ok()
    }

    /// telephone-event on a dynamic type (RFC 4733), all keys and the flash hook.
    pub fn telephone_event(payload_type: u8, clock_rate: u32) -> PayloadFormat {
        PayloadFormat {
            fmtp: Some("0-16".into()),
            ..PayloadFormat::new(payload_type, "telephone-event", clock_rate, 1)
        }
    }

    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Same encoding, rate and channels, whatever the payload type.
    pub fn same_encoding(&self, other: &PayloadFormat) -> bool {
        self.is(&other.name) && self.clock_rate == other.clock_rate && self.channels == other.channels
    }

    /// Rate of the samples in Hz. G.722 samples twice a tick: RFC 3551 keeps an old error alive.
    pub fn audio_rate(&self) -> u32 {
        if self.is("G722") {
            16_000
        } else {
            self.clock_rate
        }
    }
}

/// Why a static look-up gave nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PayloadError {
    /// 96..=127: only the session's own map knows.
    Dynamic(u8),
    /// 72..=76, which would collide with RTCP.
    Reserved(u8),
    Unassigned(u8),
    /// Above 127.
    Range(u8),
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PayloadError::Dynamic(pt) => {
                write!(f, "payload type {pt} is dynamic: it has no clock but the one the session gave it")
            }
            PayloadError::Reserved(pt) => write!(f, "payload type {pt} is reserved against RTCP"),
            PayloadError::Unassigned(pt) => write!(f, "payload type {pt} is not assigned"),
            PayloadError::Range(pt) => write!(f, "payload type {pt} is beyond 127"),
        }
    }
}

impl core::error::Error for PayloadError {}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaKind {
    Audio,
    Video,
    /// MP2T carries both.
    AudioVideo,
}

/// One row of RFC 3551's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StaticPayload {
    pub payload_type: u8,
    pub name: &'static str,
    pub kind: MediaKind,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// Rate of the samples in Hz; 0 for video and where the payload says it (MPA).
    pub audio_rate: u32,
    /// 0 for video and where the payload says it (MPA).
    pub channels: u8,
}

const fn audio(payload_type: u8, name: &'static str, rate: u32, channels: u8) -> StaticPayload {
    StaticPayload { payload_type, name, kind: MediaKind::Audio, clock_rate: rate, audio_rate: rate, channels }
}
const fn video(payload_type: u8, name: &'static str) -> StaticPayload {
    StaticPayload {
        payload_type,
        name,
        kind: MediaKind::Video,
        clock_rate: 90_000,
        audio_rate: 0,
        channels: 0,
    }
}

/// RFC 3551 tables 4 and 5, in the order of their payload types.
const TABLE: [StaticPayload; 24] = [
    audio(0, "PCMU", 8000, 1),
    audio(3, "GSM", 8000, 1),
    audio(4, "G723", 8000, 1),
    audio(5, "DVI4", 8000, 1),
    audio(6, "DVI4", 16_000, 1),
    audio(7, "LPC", 8000, 1),
    audio(8, "PCMA", 8000, 1),
    StaticPayload { audio_rate: 16_000, ..audio(9, "G722", 8000, 1) },
    audio(10, "L16", 44_100, 2),
    audio(11, "L16", 44_100, 1),
    audio(12, "QCELP", 8000, 1),
    audio(13, "CN", 8000, 1),
    StaticPayload { audio_rate: 0, ..audio(14, "MPA", 90_000, 0) },
    audio(15, "G728", 8000, 1),
    audio(16, "DVI4", 11_025, 1),
    audio(17, "DVI4", 22_050, 1),
    audio(18, "G729", 8000, 1),
    video(25, "CelB"),
    video(26, "JPEG"),
    video(28, "nv"),
    video(31, "H261"),
    video(32, "MPV"),
    StaticPayload { kind: MediaKind::AudioVideo, ..video(33, "MP2T") },
    video(34, "H263"),
];

impl StaticPayload {
    pub fn table() -> &'static [StaticPayload] {
        &TABLE
    }

    pub fn get(payload_type: u8) -> Result<&'static StaticPayload, PayloadError> {
        match TABLE.binary_search_by_key(&payload_type, |row| row.payload_type) {
            Ok(i) => Ok(&TABLE[i]),
            Err(_) => Err(match payload_type {
                96..=127 => PayloadError::Dynamic(payload_type),
                72..=76 => PayloadError::Reserved(payload_type),
                128.. => PayloadError::Range(payload_type),
                _ => PayloadError::Unassigned(payload_type),
            }),
        }
    }

    pub fn by_name(name: &str, clock_rate: u32, channels: u8) -> Option<&'static StaticPayload> {
        TABLE.iter().find(|row| {
            row.name.eq_ignore_ascii_case(name)
                && (clock_rate == 0 || row.clock_rate == clock_rate)
                && (channels == 0 || row.channels == channels)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g722_ticks_at_8000_and_samples_at_16000() {
        let row = StaticPayload::get(9).expect("G722 is static");
        assert_eq!((row.clock_rate, row.audio_rate), (8000, 16_000));
        assert_eq!(PayloadFormat::by_name("g722", 8000, 1).map(|f| f.audio_rate()), Some(16_000));
    }

    #[test]
    fn l16_stereo_is_ten_and_mono_eleven() {
        assert_eq!(PayloadFormat::by_name("L16", 44_100, 2).map(|f| f.payload_type), Some(10));
        assert_eq!(PayloadFormat::by_name("L16", 44_100, 1).map(|f| f.payload_type), Some(11));
    }

    #[test]
    fn dynamic_types_are_refused_with_their_own_error() {
        for pt in 0..=255u8 {
            match StaticPayload::get(pt) {
                Ok(row) => assert_eq!(row.payload_type, pt),
                Err(PayloadError::Dynamic(p)) => assert!((96..=127).contains(&p) && p == pt),
                Err(PayloadError::Reserved(p)) => assert!((72..=76).contains(&p)),
                Err(PayloadError::Range(p)) => assert!(p > 127),
                Err(PayloadError::Unassigned(p)) => assert!(p < 96),
            }
        }
        assert!(matches!(StaticPayload::get(96), Err(PayloadError::Dynamic(96))));
    }
}
