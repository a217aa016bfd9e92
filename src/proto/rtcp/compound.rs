//! A datagram of RTCP packets: checked as a whole, then walked.

use super::report::{ReceiverReport, SenderReport};
use super::sdes::Sdes;
use super::xr::Xr;
use super::{packet_type, u16_at, u32_at, ParseError};

/// What a datagram may begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// RFC 3550 section 6.1: a report goes first.
    Compound,
    /// RFC 5506: any packet may go first.
    ReducedSize,
}

/// One or more packets whose framing and contents were checked.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    bytes: &'a [u8],
}

impl<'a> Compound<'a> {
    pub fn parse(bytes: &'a [u8], rule: Rule) -> Result<Compound<'a>, ParseError> {
        let mut offset = 0;
        if bytes.is_empty() {
            return Err(ParseError { offset, expected: "a packet" });
        }
        while offset < bytes.len() {
            let frame = Frame::at(bytes, offset)?;
            let is_report =
                matches!(frame.packet_type, packet_type::SENDER_REPORT | packet_type::RECEIVER_REPORT);
            if offset == 0 && rule == Rule::Compound && !is_report {
                return Err(ParseError { offset, expected: "a report as the first packet" });
            }
            let end = offset + frame.length;
            // RFC 3550 section 6.4.1: only the last packet of a compound is padded.
            if frame.padding != 0 && end != bytes.len() {
                return Err(ParseError { offset, expected: "padding in the last packet only" });
            }
            frame.packet().map_err(|expected| ParseError { offset, expected })?;
            offset = end;
        }
        Ok(Compound { bytes })
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
    /// The packets in order.
    pub fn packets(&self) -> impl Iterator<Item = Packet<'a>> + Clone + use<'a> {
        let bytes = self.bytes;
        let mut offset = 0;
        core::iter::from_fn(move || {
            let frame = Frame::at(bytes, offset).ok()?;
            offset += frame.length;
            frame.packet().ok()
        })
    }
    /// Padding of the last packet, in bytes.
    pub fn padding(&self) -> usize {
        let mut offset = 0;
        let mut padding = 0;
        while let Ok(frame) = Frame::at(self.bytes, offset) {
            offset += frame.length;
            padding = frame.padding;
        }
        padding
    }
}

/// One packet of the datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    SenderReport(SenderReport<'a>),
    ReceiverReport(ReceiverReport<'a>),
    Sdes(Sdes<'a>),
    Bye(Bye<'a>),
    App(App<'a>),
    Feedback(Feedback<'a>),
    Xr(Xr<'a>),
    /// A type that nothing here knows; its body without the first four bytes.
    Unknown {
        packet_type: u8,
        count: u8,
        body: &'a [u8],
    },
}

/// The first word of a packet, and the body without padding.
struct Frame<'a> {
    count: u8,
    packet_type: u8,
    /// With header and padding.
    length: usize,
    padding: usize,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    fn at(bytes: &'a [u8], offset: usize) -> Result<Frame<'a>, ParseError> {
        let error = |expected| Err(ParseError { offset, expected });
        let rest = bytes.get(offset..).unwrap_or(&[]);
        let [first, packet_type, ..] = *rest else { return error("four bytes of header") };
        let Some(words) = u16_at(rest, 2) else { return error("four bytes of header") };
        if first >> 6 != 2 {
            return error("version 2");
        }
        let length = 4 * (usize::from(words) + 1);
        let Some(body) = rest.get(4..length) else { return error("a packet within the datagram") };
        let mut frame = Frame { count: first & 0x1f, packet_type, length, padding: 0, body };
        if first & 0x20 != 0 {
            let padding = usize::from(body.last().copied().unwrap_or(0));
            if padding == 0 || padding % 4 != 0 || padding > body.len() {
                return error("padding of a multiple of four within the packet");
            }
            frame.padding = padding;
            frame.body = body.get(..body.len() - padding).unwrap_or(&[]);
        }
        Ok(frame)
    }

    fn packet(&self) -> Result<Packet<'a>, &'static str> {
        let Frame { count, packet_type, body, .. } = *self;
        Ok(match packet_type {
            packet_type::SENDER_REPORT => Packet::SenderReport(SenderReport::parse(count, body)?),
            packet_type::RECEIVER_REPORT => Packet::ReceiverReport(ReceiverReport::parse(count, body)?),
            packet_type::SDES => Packet::Sdes(Sdes::parse(count, body)?),
            packet_type::BYE => Packet::Bye(Bye::parse(count, body)?),
            packet_type::APP => Packet::App(App::parse(count, body)?),
            packet_type::TRANSPORT_FEEDBACK | packet_type::PAYLOAD_FEEDBACK => {
                Packet::Feedback(Feedback::parse(packet_type, count, body)?)
            }
            packet_type::XR => Packet::Xr(Xr::parse(body)?),
            _ => Packet::Unknown { packet_type, count, body },
        })
    }
}

/// BYE: sources that leave, and perhaps why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bye<'a> {
    sources: &'a [u8],
    /// As it stands: UTF-8 as a rule.
    pub reason: Option<&'a [u8]>,
}

impl<'a> Bye<'a> {
    fn parse(count: u8, body: &'a [u8]) -> Result<Bye<'a>, &'static str> {
        let sources = body.get(..4 * usize::from(count)).ok_or("the sources of a BYE")?;
        let rest = body.get(sources.len()..).unwrap_or(&[]);
        let reason = match rest.split_first() {
            Some((&length, text)) => {
                Some(text.get(..usize::from(length)).ok_or("the reason within the BYE")?)
            }
            None => None,
        };
        Ok(Bye { sources, reason })
    }
    pub fn sources(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.sources.chunks_exact(4).filter_map(|four| u32_at(four, 0))
    }
}

/// APP: whatever an application wants to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct App<'a> {
    pub subtype: u8,
    pub ssrc: u32,
    pub name: [u8; 4],
    pub data: &'a [u8],
}

impl<'a> App<'a> {
    fn parse(subtype: u8, body: &'a [u8]) -> Result<App<'a>, &'static str> {
        const SHORT: &str = "source and name of an APP";
        let ssrc = u32_at(body, 0).ok_or(SHORT)?;
        let name = u32_at(body, 4).ok_or(SHORT)?.to_be_bytes();
        Ok(App { subtype, ssrc, name, data: body.get(8..).unwrap_or(&[]) })
    }
}

/// RTPFB and PSFB (RFC 4585 section 6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feedback<'a> {
    /// 205: transport layer, 206: payload.
    pub packet_type: u8,
    /// FMT.
    pub format: u8,
    pub sender_ssrc: u32,
    pub media_ssrc: u32,
    /// Feedback control information.
    pub information: &'a [u8],
}

impl<'a> Feedback<'a> {
    fn parse(packet_type: u8, format: u8, body: &'a [u8]) -> Result<Feedback<'a>, &'static str> {
        const SHORT: &str = "two sources of a feedback packet";
        let sender_ssrc = u32_at(body, 0).ok_or(SHORT)?;
        let media_ssrc = u32_at(body, 4).ok_or(SHORT)?;
        let information = body.get(8..).unwrap_or(&[]);
        Ok(Feedback { packet_type, format, sender_ssrc, media_ssrc, information })
    }
}
