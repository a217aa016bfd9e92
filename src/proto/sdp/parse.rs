//! The parser of session descriptions: total, bounded, liberal where peers are.
//!
//! Lines end with CRLF, LF or CR; blank lines are skipped; the first line is `v=0`; after it the
//! session's lines may stand in any order. `o=`, `s=` and `t=` may be missing (some gateways leave
//! them out). Text that isn't UTF-8 is taken with replacement characters.

use super::session::{Attribute, Connection, Media, Origin, SessionDescription};
use crate::proto::sip::ParseError;
use crate::util::{find_byte, find_line_end, ShortText};
use std::borrow::Cow;

/// Longest description.
pub const MAX_BYTES: usize = 65_535;
/// Most `m=` lines.
pub const MAX_MEDIA: usize = 64;
/// Most `a=` lines of the whole description.
pub const MAX_ATTRIBUTES: usize = 1024;
/// Most formats of one `m=` line.
pub const MAX_FORMATS: usize = 128;
/// Most `t=` and `r=` lines.
pub const MAX_TIMES: usize = 64;
/// Most lines of other kinds.
pub const MAX_OTHER_LINES: usize = 256;

pub(super) fn parse(bytes: &[u8]) -> Result<SessionDescription, ParseError> {
    if bytes.len() > MAX_BYTES {
        return Err(ParseError { offset: MAX_BYTES, expected: "at most 65535 bytes" });
    }
    let mut parser = Parser::default();
    let mut seen_version = false;
    // As a rule all of it is text, and that is seen at once.
    let text = core::str::from_utf8(bytes).ok().filter(|_| memchr::memchr(0, bytes).is_none());
    for (offset, line) in lines(bytes) {
        let (letter, value) = split_line(offset, line, text)?;
        if !seen_version {
            if letter != 'v' || value.trim_ascii() != "0" {
                return Err(ParseError { offset, expected: "v=0" });
            }
            seen_version = true;
            continue;
        }
        parser.take(offset, letter, &value)?;
    }
    if !seen_version {
        return Err(ParseError { offset: bytes.len(), expected: "v=0" });
    }
    Ok(parser.finish())
}

/// Lines that hold anything, with their offsets.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut offset = 0;
    core::iter::from_fn(move || loop {
        let rest = bytes.get(offset..).filter(|rest| !rest.is_empty())?;
        let at = offset;
        let len = find_line_end(rest).unwrap_or(rest.len());
        offset += len + 1;
        let line = rest.get(..len).unwrap_or_default();
        if !line.iter().all(u8::is_ascii_whitespace) {
            return Some((at, line));
        }
    })
}

/// `text` is the whole description if it is UTF-8 without NUL.
fn split_line<'a>(
    offset: usize,
    line: &'a [u8],
    text: Option<&'a str>,
) -> Result<(char, Cow<'a, str>), ParseError> {
    let (letter, value) = match line {
        [letter, b'=', value @ ..] if letter.is_ascii_alphabetic() => (*letter, value),
        _ => return Err(ParseError { offset, expected: "a letter and an equals sign" }),
    };
    let value = match text.and_then(|text| text.get(offset + 2..offset + line.len())) {
        Some(text) => Cow::Borrowed(text),
        None => match memchr::memchr(0, value) {
            Some(at) => return Err(ParseError { offset: offset + 2 + at, expected: "text without nul" }),
            None => String::from_utf8_lossy(value),
        },
    };
    Ok((char::from(letter), value))
}

#[derive(Default)]
struct Parser {
    origin: Option<Origin>,
    name: Option<ShortText>,
    connection: Option<Connection>,
    times: Vec<ShortText>,
    attributes: Vec<Attribute>,
    media: Vec<Media>,
    other_lines: Vec<ShortText>,
    attribute_count: usize,
    other_count: usize,
}

impl Parser {
    fn take(&mut self, offset: usize, letter: char, value: &str) -> Result<(), ParseError> {
        match letter {
            'v' => Err(ParseError { offset, expected: "one v= line" }),
            'o' => self.take_origin(offset, value),
            's' => {
                // RFC 8866 section 5.3: no name is written as a dash.
                let name = if value.trim_ascii().is_empty() { "-" } else { value };
                self.name.get_or_insert_with(|| name.into());
                Ok(())
            }
            't' | 'r' => self.take_time(offset, letter, value),
            'c' => self.take_connection(offset, value),
            'a' => self.take_attribute(offset, value),
            'm' => self.take_media(offset, value),
            _ => self.keep(offset, letter, value),
        }
    }

    fn take_origin(&mut self, offset: usize, value: &str) -> Result<(), ParseError> {
        if self.origin.is_some() {
            return Err(ParseError { offset, expected: "one o= line" });
        }
        let mut fields = value.split_ascii_whitespace();
        let six = [(); 6].map(|()| fields.next());
        let (
            [Some(username), Some(session_id), Some(version), Some(network), Some(kind), Some(address)],
            None,
        ) = (six, fields.next())
        else {
            return Err(ParseError { offset, expected: "six fields in the o= line" });
        };
        self.origin = Some(Origin {
            username: username.into(),
            session_id: session_id.into(),
            version: number_saturating(version)
                .ok_or(ParseError { offset, expected: "a number as version in the o= line" })?,
            address_type: network_and_type(network, kind),
            address: address.into(),
        });
        Ok(())
    }

    fn take_time(&mut self, offset: usize, letter: char, value: &str) -> Result<(), ParseError> {
        if self.times.len() >= MAX_TIMES {
            return Err(ParseError { offset, expected: "at most 64 times" });
        }
        self.times.push(match letter {
            'r' => format!("r={value}").into(),
            _ => value.trim_ascii().into(),
        });
        Ok(())
    }

    fn take_connection(&mut self, offset: usize, value: &str) -> Result<(), ParseError> {
        let mut fields = value.split_ascii_whitespace();
        let (Some(network), Some(kind), Some(address)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(ParseError { offset, expected: "three fields in the c= line" });
        };
        let place = match self.media.last_mut() {
            Some(media) => &mut media.connection,
            None => &mut self.connection,
        };
        if place.is_some() {
            // Layered multicast may name several addresses (RFC 8866 section 5.7).
            return self.keep(offset, 'c', value);
        }
        *place = Some(Connection { address: address.into(), address_type: network_and_type(network, kind) });
        Ok(())
    }

    fn take_attribute(&mut self, offset: usize, value: &str) -> Result<(), ParseError> {
        self.attribute_count += 1;
        if self.attribute_count > MAX_ATTRIBUTES {
            return Err(ParseError { offset, expected: "at most 1024 attributes" });
        }
        let attribute = match find_byte(value.as_bytes(), b':') {
            Some(colon) => Attribute::new(value[..colon].trim_ascii(), value[colon + 1..].trim_ascii()),
            None => Attribute::flag(value.trim_ascii()),
        };
        match self.media.last_mut() {
            Some(media) => media.attributes.push(attribute),
            None => self.attributes.push(attribute),
        }
        Ok(())
    }

    fn take_media(&mut self, offset: usize, value: &str) -> Result<(), ParseError> {
        if self.media.len() >= MAX_MEDIA {
            return Err(ParseError { offset, expected: "at most 64 media" });
        }
        let mut fields = value.split_ascii_whitespace();
        let (Some(kind), Some(port), Some(protocol)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(ParseError { offset, expected: "media, port and protocol" });
        };
        let (port, port_count) = match port.split_once('/') {
            Some((port, count)) => (port_number(port), port_number(count)),
            None => (port_number(port), Some(1)),
        };
        let (Some(port), Some(port_count)) = (port, port_count) else {
            return Err(ParseError { offset, expected: "a port of 0 to 65535" });
        };
        let mut formats: Vec<ShortText> = Vec::with_capacity(8);
        formats.extend(fields.take(MAX_FORMATS + 1).map(ShortText::from));
        if formats.len() > MAX_FORMATS {
            return Err(ParseError { offset, expected: "at most 128 formats" });
        }
        self.media.push(Media {
            kind: kind.into(),
            port,
            port_count,
            protocol: protocol.into(),
            formats,
            connection: None,
            // As many as most have.
            attributes: Vec::with_capacity(8),
            other_lines: Vec::new(),
        });
        Ok(())
    }

    fn keep(&mut self, offset: usize, letter: char, value: &str) -> Result<(), ParseError> {
        self.other_count += 1;
        if self.other_count > MAX_OTHER_LINES {
            return Err(ParseError { offset, expected: "at most 256 other lines" });
        }
        let line = format!("{letter}={value}").into();
        match self.media.last_mut() {
            Some(media) => media.other_lines.push(line),
            None => self.other_lines.push(line),
        }
        Ok(())
    }

    fn finish(self) -> SessionDescription {
        SessionDescription {
            origin: self.origin.unwrap_or_default(),
            name: self.name.unwrap_or_else(|| "-".into()),
            connection: self.connection,
            times: if self.times.is_empty() { vec!["0 0".into()] } else { self.times },
            attributes: self.attributes,
            media: self.media,
            other_lines: self.other_lines,
        }
    }
}

/// `IP4` for the Internet, `TN RFC2543` and the like for other networks.
fn network_and_type(network: &str, kind: &str) -> ShortText {
    if network.eq_ignore_ascii_case("IN") {
        kind.into()
    } else {
        format!("{network} {kind}").into()
    }
}

/// Digits only; what is too large for us is the largest (it is compared, never counted on).
fn number_saturating(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn port_number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
