//! Payload formats of an RTP stream: static payload types, `a=rtpmap`, `a=fmtp` (RFC 8866 section 6.6).

use super::session::{Attribute, Media};
use crate::proto::rtp::PayloadFormat;

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
    let mapped = media.attribute_values("rtpmap").find_map(|value| rtpmap(value, payload_type));
    let mut format = match mapped {
        Some((name, clock_rate, channels)) => PayloadFormat::new(payload_type, name, clock_rate, channels),
        None => PayloadFormat::static_format(payload_type).ok()?,
    };
    let fmtp = media.attribute_values("fmtp").find_map(|value| for_type(value, payload_type));
    format.fmtp = fmtp.map(Box::from);
    Some(format)
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
