//! What the payload types of a stream carry.

use crate::media::codec::Codec;
use crate::media::params::{MediaError, StreamParams};

const COMFORT_NOISE: u8 = 13;

/// What a payload type carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Audio(Codec),
    Event {
        clock_rate: u32,
    },
    /// Comfort noise (RFC 3389): says that the sender is silent, and what its silence sounds like.
    Noise,
}

pub type Formats = Box<[(u8, Format)]>;

/// By payload type. An unknown codec among those that we announced would be our own fault: refused.
pub fn formats_of(params: &StreamParams) -> Result<Formats, MediaError> {
    let mut formats = Vec::with_capacity(params.receive.len() + 2);
    for f in &params.receive {
        let format = if f.is("telephone-event") {
            Format::Event { clock_rate: f.clock_rate }
        } else if f.is("CN") {
            Format::Noise
        } else {
            let codec = Codec::from_format(f).ok_or_else(|| MediaError::Codec(f.name.clone()))?;
            Format::Audio(codec)
        };
        formats.push((f.payload_type, format));
    }
    if let Some(pt) = params.telephone_event_receive {
        if !formats.iter().any(|(p, _)| *p == pt) {
            formats.push((pt, Format::Event { clock_rate: params.codec.clock_rate }));
        }
    }
    // Peers send it without having said so: it has a number of its own (RFC 3551 section 6).
    if !formats.iter().any(|(p, _)| *p == COMFORT_NOISE) {
        formats.push((COMFORT_NOISE, Format::Noise));
    }
    Ok(formats.into())
}

pub fn event_clock(formats: &[(u8, Format)]) -> u32 {
    let clock = |f: &Format| match f {
        Format::Event { clock_rate } => Some(*clock_rate),
        _ => None,
    };
    formats.iter().find_map(|(_, f)| clock(f)).unwrap_or(8000)
}
