//! Payload formats of an RTP stream: static payload types, `a=rtpmap`, `a=fmtp` (RFC 8866 section 6.6).

use super::session::{Attribute, Media};
use crate::proto::rtp::PayloadFormat;
use crate::proto::sip::ParseError;

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

/// What most phones give Opus, whose type is dynamic.
const OPUS: u8 = 111;

/// A list as people write it: `PCMU,PCMA,L16/44100/2,opus/48000/2,telephone-event`. Names of RFC 3551 get their static
/// payload types, telephone-event gets 101 and Opus 111, others the free ones from 96 on.
pub fn formats_of_list(list: &str) -> Result<Vec<PayloadFormat>, ParseError> {
    let mut found: Vec<PayloadFormat> = Vec::new();
    let mut offset = 0;
    for item in list.split(',') {
        let place = offset;
        offset += item.len() + 1;
        let error = |expected| ParseError { offset: place, expected };
        let mut parts = item.trim().split('/');
        let name = parts.next().filter(|n| !n.is_empty()).ok_or(error("a name of a codec"))?;
        let mut number = |expected| match parts.next() {
            Some(text) => text.parse::<u32>().ok().filter(|n| *n > 0).map(Some).ok_or(error(expected)),
            None => Ok(None),
        };
        let rate = number("a clock rate")?;
        let channels = number("a number of channels")?.unwrap_or(0);
        let channels = u8::try_from(channels).map_err(|_| error("at most 255 channels"))?;
        if parts.next().is_some() {
            return Err(error("name/rate/channels"));
        }
        let taken = |pt: u8| found.iter().any(|f| f.payload_type == pt);
        let format = match PayloadFormat::by_name(name, rate.unwrap_or(0), channels) {
            Some(format) => format,
            None if name.eq_ignore_ascii_case("telephone-event") && !taken(101) => {
                PayloadFormat::telephone_event(101, rate.unwrap_or(8000))
            }
            // RFC 7587 section 7: it is always announced like that.
            None if name.eq_ignore_ascii_case("opus") && !taken(OPUS) => PayloadFormat::new(
                OPUS,
                name,
                rate.unwrap_or(48_000),
                if channels == 0 { 2 } else { channels },
            ),
            None => {
                let rate = rate.ok_or(error("a clock rate: the payload type is dynamic"))?;
                let free = (96..=127).find(|pt| *pt != 101 && *pt != OPUS && !taken(*pt));
                let pt = free.ok_or(error("at most 30 dynamic payload types"))?;
                PayloadFormat::new(pt, name, rate, channels.max(1))
            }
        };
        if !found.iter().any(|f| same_format(f, &format)) {
            found.push(format);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod list_tests {
    use super::*;

    #[test]
    fn static_names_keep_their_types_and_others_get_free_ones() {
        let list =
            formats_of_list("pcma, L16/44100/2,opus/48000/2,telephone-event,speex/8000").expect("a list");
        let types: Vec<u8> = list.iter().map(|f| f.payload_type).collect();
        assert_eq!(types, [8, 10, 111, 101, 96]);
        assert_eq!(formats_of_list("PCMU,,x").map_err(|e| e.offset), Err(5));
        let opus = formats_of_list("opus").expect("Opus needs no rate");
        assert_eq!(opus, [PayloadFormat::new(111, "opus", 48_000, 2)]);
        assert!(formats_of_list("speex").is_err() && formats_of_list("PCMU/0").is_err());
    }
}
