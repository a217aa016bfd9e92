//! Payload formats of an RTP stream: static payload types, `a=rtpmap`, `a=fmtp` (RFC 8866 section 6.6).

use super::session::{Attribute, Media};
use crate::proto::rtp::PayloadFormat;

/// Name, clock rate and channels of the static audio payload types (RFC 3551 table 4).
const STATIC_AUDIO: [(u8, &str, u32, u8); 17] = [
    (0, "PCMU", 8000, 1),
    (3, "GSM", 8000, 1),
    (4, "G723", 8000, 1),
    (5, "DVI4", 8000, 1),
    (6, "DVI4", 16_000, 1),
    (7, "LPC", 8000, 1),
    (8, "PCMA", 8000, 1),
    (9, "G722", 8000, 1),
    (10, "L16", 44_100, 2),
    (11, "L16", 44_100, 1),
    (12, "QCELP", 8000, 1),
    (13, "CN", 8000, 1),
    (14, "MPA", 90_000, 1),
    (15, "G728", 8000, 1),
    (16, "DVI4", 11_025, 1),
    (17, "DVI4", 22_050, 1),
    (18, "G729", 8000, 1),
];

/// The formats of a stream in its order. An rtpmap overrides the static table; a format that neither
/// names (an unknown dynamic type, text that is no payload type) is left out.
pub fn payload_formats(media: &Media) -> Vec<PayloadFormat> {
    let mut found: Vec<PayloadFormat> = Vec::new();
    for format in &media.formats {
        let Ok(payload_type) = format.parse::<u8>() else { continue };
        if payload_type > 127 || found.iter().any(|f| f.payload_type == payload_type) {
            continue;
        }
        if let Some(format) = payload_format(media, payload_type) {
            found.push(format);
        }
    }
    found
}

/// The format that stands behind one payload type of a stream.
pub fn payload_format(media: &Media, payload_type: u8) -> Option<PayloadFormat> {
    let (name, clock_rate, channels) = media
        .attribute_values("rtpmap")
        .find_map(|value| rtpmap(value, payload_type))
        .or_else(|| static_audio(payload_type))?;
    let fmtp = media.attribute_values("fmtp").find_map(|value| for_type(value, payload_type));
    Some(PayloadFormat { payload_type, name: name.into(), clock_rate, channels, fmtp: fmtp.map(Box::from) })
}

/// The same codec, whatever the payload type: name without case, clock rate, channels.
pub fn same_format(a: &PayloadFormat, b: &PayloadFormat) -> bool {
    a.name.eq_ignore_ascii_case(&b.name)
        && a.clock_rate == b.clock_rate
        && a.channels.max(1) == b.channels.max(1)
}

/// `telephone-event` (RFC 4733).
pub fn is_telephone_event(format: &PayloadFormat) -> bool {
    format.name.eq_ignore_ascii_case("telephone-event")
}

/// A format that carries no speech of its own: events, comfort noise, redundancy.
pub fn is_auxiliary(format: &PayloadFormat) -> bool {
    ["telephone-event", "tone", "CN", "red", "ulpfec", "flexfec", "rtx"]
        .iter()
        .any(|name| format.name.eq_ignore_ascii_case(name))
}

/// The `rtpmap` and `fmtp` attributes that announce a format.
pub fn attributes_of(format: &PayloadFormat) -> Vec<Attribute> {
    let PayloadFormat { payload_type, name, clock_rate, channels, fmtp } = format;
    let map = match channels {
        0 | 1 => format!("{payload_type} {name}/{clock_rate}"),
        n => format!("{payload_type} {name}/{clock_rate}/{n}"),
    };
    let mut attributes = vec![Attribute::new("rtpmap", &map)];
    if let Some(fmtp) = fmtp {
        attributes.push(Attribute::new("fmtp", &format!("{payload_type} {fmtp}")));
    }
    attributes
}

fn static_audio(payload_type: u8) -> Option<(&'static str, u32, u8)> {
    let row = STATIC_AUDIO.iter().find(|row| row.0 == payload_type)?;
    Some((row.1, row.2, row.3))
}

/// The rest of `101 0-15` when it speaks of that payload type.
fn for_type(value: &str, payload_type: u8) -> Option<&str> {
    let (number, rest) = value.split_once(|c: char| c.is_ascii_whitespace())?;
    (number.parse() == Ok(payload_type)).then(|| rest.trim())
}

/// `96 L16/16000/2` when it speaks of that payload type.
fn rtpmap(value: &str, payload_type: u8) -> Option<(&str, u32, u8)> {
    let mut parts = for_type(value, payload_type)?.split('/');
    let name = parts.next().filter(|name| !name.is_empty())?;
    let clock_rate = parts.next()?.trim().parse().ok().filter(|&rate| rate > 0)?;
    let channels = match parts.next() {
        // Parameters other than a count of channels exist in theory only; they mean one channel.
        Some(text) => text.trim().parse().unwrap_or(1).max(1),
        None => 1,
    };
    Some((name.trim(), clock_rate, channels))
}
