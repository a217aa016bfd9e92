//! Offer and answer (RFC 3264) for one audio stream; other media are refused with port 0.
//!
//! Choices that the RFC leaves open: an answer lists all common codecs in the order of the *offer*,
//! with the offer's payload types; the first acceptable audio stream is taken and further ones are
//! refused; RTP/AVP, RTP/AVPF and, with keys, their secure forms are accepted and answered with the
//! profile of the offer. Who takes secure and plain streams takes the first secure one.

use core::net::{IpAddr, SocketAddr};

use super::formats::{attributes_of, is_auxiliary, is_telephone_event, payload_formats, same_format};
use super::keying::{is_plain, is_secure, Keying, Protection};
use super::session::address_type;
use super::{Attribute, Connection, Direction, Media, Origin, SessionDescription};
use crate::proto::rtp::PayloadFormat;
use crate::proto::srtp::StreamKeys;
use crate::util::ShortText;
use std::sync::Arc;

/// Packet times that we send: shorter ones waste the wire, longer ones don't fit a datagram.
const PTIME_RANGE_MS: core::ops::RangeInclusive<u32> = 5..=120;
/// Dynamic payload types (RFC 3551 section 6).
const DYNAMIC: core::ops::RangeInclusive<u8> = 96..=127;

const RTCP_MUX: &str = "rtcp-mux";

/// What we bring to the table.
#[derive(Clone, Debug)]
pub struct LocalMedia {
    /// Address and RTP port that the peer shall send to.
    pub address: SocketAddr,
    /// By preference, telephone-event among them. Dynamic payload types are ours as offerer.
    pub codecs: Arc<[PayloadFormat]>,
    pub ptime_ms: u32,
    pub direction: Direction,
    /// `o=` line: the id stays for the whole call, the version counts changes (RFC 3264 section 8).
    pub session_id: u64,
    pub version: u64,
    pub keying: Keying,
    /// The SSRC that we send with, where many streams share a socket and nothing else tells them apart (RFC 5576).
    pub ssrc: Option<u32>,
    /// We can take RTCP on the port of RTP (RFC 5761).
    pub rtcp_mux: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NegotiateError {
    /// 488.
    NoCommonCodec,
    /// The description has no acceptable audio stream.
    NoAudio,
    /// The answer doesn't fit the offer.
    BadAnswer,
    /// Audio, but not as secure as one side insists on, or under no suite that both have.
    NoSecurity,
}

/// The outcome for our audio stream.
#[derive(Clone, Debug)]
pub struct Negotiated {
    /// Index of the m= line.
    pub media_index: usize,
    /// Where to send RTP; None while the peer holds with 0.0.0.0 or port 0, and for a host name in `c=`.
    pub remote: Option<SocketAddr>,
    /// RTCP if announced apart (RFC 3605), otherwise port + 1.
    pub remote_rtcp: Option<SocketAddr>,
    /// First is what we send; all of them may arrive. With the payload types to *send* with.
    pub codecs: Vec<PayloadFormat>,
    /// Payload types under which the peer sends to us (may differ from `codecs` if both chose dynamic types).
    pub receive: Vec<PayloadFormat>,
    /// Payload type for telephone-event that we send with, if agreed.
    pub telephone_event: Option<u8>,
    /// Payload types under which events may arrive.
    pub telephone_event_receive: Option<u8>,
    /// What we send in a packet, after the peer's ptime and maxptime.
    pub ptime_ms: u32,
    /// Seen from us.
    pub direction: Direction,
    /// The stream is SRTP with these.
    pub keys: Option<Box<StreamKeys>>,
    /// The SSRC that the peer announced (RFC 5576).
    pub remote_ssrc: Option<u32>,
    /// Both sides take RTCP on the port of RTP.
    pub rtcp_mux: bool,
}

/// Writes an offer. `previous` is our own last description of the session, offer or answer: its m= lines
/// stay in place, its payload types keep their meaning (RFC 3264 section 8.3.2), and the version is
/// one more than its if anything changed.
pub fn offer(local: &LocalMedia, previous: Option<&SessionDescription>) -> SessionDescription {
    let place = previous.and_then(|p| audio_place(p).map(|index| (p, index)));
    let before = place.and_then(|(p, index)| p.media.get(index));
    let codecs = match before {
        Some(before) => keep_payload_types(&local.codecs, &payload_formats(before)),
        None => local.codecs.to_vec(),
    };
    let mut audio = audio_media(local, &codecs, local.direction, local.ptime_ms);
    local.keying.offer(&mut audio, before.filter(|b| b.port != 0));
    let mut media: Vec<Media> =
        previous.map(|p| p.media.iter().map(Media::refused).collect()).unwrap_or_default();
    match place.and_then(|(_, index)| media.get_mut(index)) {
        Some(slot) => *slot = audio,
        None => media.push(audio),
    }
    let mut offer = describe(local, media, vec!["0 0".into()]);
    if let Some(previous) = previous {
        offer.times = previous.times.clone();
        offer.follow_version(previous);
    }
    offer
}

/// Answers an offer: as many m= lines as it has, in their order, the unknown ones with port 0.
/// The version is `local.version`; [`SessionDescription::follow_version`] counts it on.
pub fn answer(
    local: &LocalMedia,
    offer: &SessionDescription,
) -> Result<(SessionDescription, Negotiated), NegotiateError> {
    let Chosen { index, common, protection } = choose(local, offer)?;
    let media = offer.media.get(index).ok_or(NegotiateError::NoAudio)?;
    let theirs = Side::of(offer, index);
    let attribute_direction = meet(local.direction, theirs.direction);
    let ptime_ms = packet_time(local, media);
    let ours: Vec<PayloadFormat> = common.iter().map(|pair| pair.receive.clone()).collect();
    let mut audio = audio_media(local, &ours, attribute_direction, ptime_ms);
    audio.protocol = media.protocol.clone();
    audio.kind = media.kind.clone();
    protection.answer(&mut audio);
    let rtcp_mux = local.rtcp_mux && muxes(media);
    if !rtcp_mux {
        audio.attributes.retain(|a| !a.name.eq_ignore_ascii_case(RTCP_MUX));
    }

    let mut lines: Vec<Media> = offer.media.iter().map(Media::refused).collect();
    if let Some(slot) = lines.get_mut(index) {
        *slot = audio;
    }
    // RFC 3264 section 6: the t= line of an answer equals that of the offer.
    let times = if offer.times.is_empty() { vec!["0 0".into()] } else { offer.times.clone() };
    let mut outcome = outcome(index, &theirs, common, ptime_ms, local.direction);
    outcome.keys = protection.keys();
    outcome.rtcp_mux = rtcp_mux;
    Ok((describe(local, lines, times), outcome))
}

struct Chosen {
    index: usize,
    common: Vec<Pair>,
    protection: Protection,
}

/// The first secure stream that we can take, else the first one.
fn choose(local: &LocalMedia, offer: &SessionDescription) -> Result<Chosen, NegotiateError> {
    let mut found = Err(NegotiateError::NoAudio);
    for (index, media) in offer.media.iter().enumerate().filter(|(_, m)| is_acceptable(m)) {
        let common = common_codecs(local, media);
        let candidate = match local.keying.choose(media) {
            None => Err(NegotiateError::NoSecurity),
            Some(_) if common.is_empty() => Err(NegotiateError::NoCommonCodec),
            Some(protection) => Ok(Chosen { index, common, protection }),
        };
        match candidate {
            Ok(chosen) if matches!(chosen.protection, Protection::Keys(_)) => return Ok(chosen),
            Ok(chosen) if found.is_err() => found = Ok(chosen),
            Err(error) if found.is_err() => found = Err(error),
            _ => {}
        }
    }
    found
}

/// Would [`answer`] find a stream? Where it would send to.
pub fn check_offer(
    local: &LocalMedia,
    offer: &SessionDescription,
) -> Result<Option<SocketAddr>, NegotiateError> {
    Ok(Side::of(offer, choose(local, offer)?.index).remote)
}

/// Takes the peer's answer to our offer.
pub fn accept_answer(
    local: &LocalMedia,
    offer: &SessionDescription,
    answer: &SessionDescription,
) -> Result<Negotiated, NegotiateError> {
    if offer.media.len() != answer.media.len() {
        return Err(NegotiateError::BadAnswer);
    }
    let index = audio_place(offer).ok_or(NegotiateError::BadAnswer)?;
    let (Some(ours), Some(theirs)) = (offer.media.get(index), answer.media.get(index)) else {
        return Err(NegotiateError::BadAnswer);
    };
    if !theirs.is_audio() {
        return Err(NegotiateError::BadAnswer);
    }
    if theirs.port == 0 {
        return Err(NegotiateError::NoAudio);
    }
    let protection = local.keying.accept(ours, theirs)?;
    let pairs = answered_codecs(ours, theirs);
    if pairs.is_empty() {
        return Err(NegotiateError::NoCommonCodec);
    }
    let ptime_ms = packet_time(local, theirs);
    let own_numbers = numbers_of_the_answer(&pairs, ours);
    let mut outcome = outcome(index, &Side::of(answer, index), pairs, ptime_ms, offer.direction(index));
    outcome.receive.extend(own_numbers);
    outcome.keys = protection.keys();
    outcome.rtcp_mux = muxes(ours) && muxes(theirs);
    Ok(outcome)
}

/// Peers that answer with other payload types than we offered often send with their own numbers, too.
/// Those are taken as long as our offer gave them no other meaning.
fn numbers_of_the_answer(pairs: &[Pair], ours: &Media) -> Vec<PayloadFormat> {
    let offered = payload_formats(ours);
    let free = |f: &PayloadFormat| offered.iter().all(|o| o.payload_type != f.payload_type);
    let theirs = pairs.iter().map(|pair| &pair.send).filter(|f| !is_telephone_event(f) && free(f));
    theirs.cloned().collect()
}

/// Address family of our `c=` line follows this.
pub fn is_unspecified(ip: IpAddr) -> bool {
    ip.is_unspecified()
}

/// One format that both sides know, with the payload type of each way.
#[derive(Clone, Debug)]
struct Pair {
    send: PayloadFormat,
    receive: PayloadFormat,
}

/// What a peer's description says about one stream.
struct Side {
    direction: Direction,
    /// Held in the old way, by the unspecified address.
    held: bool,
    remote: Option<SocketAddr>,
    remote_rtcp: Option<SocketAddr>,
    ssrc: Option<u32>,
}

impl Side {
    fn of(description: &SessionDescription, index: usize) -> Side {
        let connection = description.connection_of(index);
        let held = connection.is_some_and(Connection::is_unspecified);
        let port = description.media.get(index).map_or(0, |m| m.port);
        let ip = connection.and_then(Connection::ip).filter(|ip| !ip.is_unspecified());
        let remote = ip.filter(|_| port != 0).map(|ip| SocketAddr::new(ip, port));
        let media = description.media.get(index);
        let announced = media.and_then(|m| m.attribute("rtcp"));
        Side {
            direction: description.direction(index),
            held,
            remote,
            remote_rtcp: remote.and_then(|remote| rtcp_address(remote, announced)),
            ssrc: media.and_then(|m| m.attribute("ssrc")).and_then(announced_ssrc),
        }
    }
}

/// `a=ssrc:314159 cname:user@example.com` (RFC 5576 section 4.1).
fn announced_ssrc(value: &str) -> Option<u32> {
    value.split_ascii_whitespace().next()?.parse().ok()
}

/// `a=rtcp:53020 IN IP4 126.16.64.4` (RFC 3605), otherwise the next port (RFC 3550 section 11).
fn rtcp_address(remote: SocketAddr, announced: Option<&str>) -> Option<SocketAddr> {
    let next = remote.port().checked_add(1).map(|port| SocketAddr::new(remote.ip(), port));
    let Some(announced) = announced else { return next };
    let mut fields = announced.split_ascii_whitespace();
    let port: Option<u16> = fields.next().and_then(|p| p.parse().ok()).filter(|&p| p != 0);
    let Some(port) = port else { return next };
    let ip = fields.nth(2).and_then(|ip| ip.parse().ok()).unwrap_or(remote.ip());
    Some(SocketAddr::new(ip, port))
}

/// RFC 5761 section 5.1.1.
fn muxes(media: &Media) -> bool {
    media.attribute(RTCP_MUX).is_some()
}

/// What both want, seen from us.
fn meet(ours: Direction, theirs: Direction) -> Direction {
    Direction::new(ours.sends() && theirs.receives(), ours.receives() && theirs.sends())
}

fn outcome(
    media_index: usize,
    theirs: &Side,
    pairs: Vec<Pair>,
    ptime_ms: u32,
    ours: Direction,
) -> Negotiated {
    let agreed = meet(ours, theirs.direction);
    let event = pairs.iter().find(|p| is_telephone_event(&p.send)).cloned();
    let (codecs, receive) = pairs
        .into_iter()
        .filter(|pair| !is_telephone_event(&pair.send))
        .map(|pair| (pair.send, pair.receive))
        .unzip();
    Negotiated {
        media_index,
        remote: theirs.remote,
        remote_rtcp: theirs.remote_rtcp,
        codecs,
        receive,
        telephone_event: event.as_ref().map(|e| e.send.payload_type),
        telephone_event_receive: event.as_ref().map(|e| e.receive.payload_type),
        ptime_ms,
        direction: Direction::new(agreed.sends() && !theirs.held, agreed.receives()),
        keys: None,
        remote_ssrc: theirs.ssrc,
        rtcp_mux: false,
    }
}

fn is_acceptable(media: &Media) -> bool {
    media.is_audio() && media.port != 0 && (is_plain(&media.protocol) || is_secure(&media.protocol))
}

/// Which m= line of our own description is the stream: the live audio line, else the first audio line.
fn audio_place(description: &SessionDescription) -> Option<usize> {
    let live = description.media.iter().position(|m| m.is_audio() && m.port != 0);
    live.or_else(|| description.media.iter().position(Media::is_audio))
}

/// Formats of an offered stream that we have too: speech codecs, then comfort noise and events of the
/// clock of the first codec. Empty without a speech codec.
fn common_codecs(local: &LocalMedia, media: &Media) -> Vec<Pair> {
    let theirs = payload_formats(media);
    let ours = |format: &PayloadFormat| local.codecs.iter().find(|o| same_format(o, format));
    let pair = |theirs: &PayloadFormat, ours: &PayloadFormat| Pair {
        send: theirs.clone(),
        receive: PayloadFormat { payload_type: theirs.payload_type, ..ours.clone() },
    };
    let speech = theirs.iter().filter(|f| !is_auxiliary(f));
    let mut pairs: Vec<Pair> = speech.filter_map(|f| Some(pair(f, ours(f)?))).collect();
    let Some(clock_rate) = pairs.first().map(|p| p.send.clock_rate) else { return pairs };
    let mut auxiliary: Vec<Pair> = Vec::new();
    for format in theirs.iter().filter(|f| is_auxiliary(f) && f.clock_rate == clock_rate) {
        let own = match is_telephone_event(format) {
            true => local_event(local, clock_rate),
            false => ours(format).cloned(),
        };
        let known = auxiliary.iter().any(|p| same_format(&p.send, format));
        if let Some(own) = own.filter(|_| !known) {
            auxiliary.push(pair(format, &own));
        }
    }
    pairs.append(&mut auxiliary);
    pairs
}

/// Our telephone-event at a clock rate: whoever takes events takes them at the rate of the codec.
fn local_event(local: &LocalMedia, clock_rate: u32) -> Option<PayloadFormat> {
    let events = || local.codecs.iter().filter(|f| is_telephone_event(f));
    let own = events().find(|f| f.clock_rate == clock_rate).or_else(|| events().next())?;
    Some(PayloadFormat { clock_rate, ..with_event_range(own) })
}

/// DTMF is 0 to 15 (RFC 4733 section 3.2); said even where the host left it out.
fn with_event_range(format: &PayloadFormat) -> PayloadFormat {
    let mut format = format.clone();
    if is_telephone_event(&format) && format.fmtp.is_none() {
        format.fmtp = Some("0-15".into());
    }
    format
}

/// Formats of an answer that we offered. The payload type to send with is the answer's, that to receive
/// is the offer's (RFC 3264 section 6.1).
fn answered_codecs(ours: &Media, theirs: &Media) -> Vec<Pair> {
    let offered = payload_formats(ours);
    let mut answered = payload_formats(theirs);
    // Some answerers leave the rtpmap out: the number then means what the offer said.
    for text in &theirs.formats {
        let number = text.parse::<u8>().ok();
        let known = answered.iter().any(|f| Some(f.payload_type) == number);
        let own = offered.iter().find(|f| Some(f.payload_type) == number);
        if let Some(own) = own.filter(|_| !known) {
            answered.push(own.clone());
        }
    }
    let pair = |theirs: &PayloadFormat| {
        let own = offered.iter().find(|o| same_format(o, theirs))?;
        Some(Pair { send: theirs.clone(), receive: own.clone() })
    };
    let mut pairs: Vec<Pair> = answered.iter().filter_map(pair).collect();
    let Some(first) = pairs.iter().find(|p| !is_auxiliary(&p.send)) else { return Vec::new() };
    let clock_rate = first.send.clock_rate;
    pairs.retain(|p| !is_auxiliary(&p.send) || p.send.clock_rate == clock_rate);
    pairs.sort_by_key(|p| is_auxiliary(&p.send));
    pairs
}

/// The peer's ptime where it says one, ours otherwise, never above its maxptime.
fn packet_time(local: &LocalMedia, theirs: &Media) -> u32 {
    let number = |name: &str| -> Option<u32> {
        let text = theirs.attribute(name)?.trim();
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse().ok().filter(|&ms| ms > 0)
    };
    let wanted = number("ptime").unwrap_or(local.ptime_ms);
    let wanted = number("maxptime").map_or(wanted, |max| wanted.min(max));
    wanted.clamp(*PTIME_RANGE_MS.start(), *PTIME_RANGE_MS.end())
}

/// Our formats under the payload types that they already have in the session; a new dynamic format
/// gets a number that nothing else has had.
fn keep_payload_types(codecs: &[PayloadFormat], before: &[PayloadFormat]) -> Vec<PayloadFormat> {
    let mut kept: Vec<PayloadFormat> = Vec::new();
    for codec in codecs {
        let mut codec = codec.clone();
        let taken = |payload_type: u8, kept: &[PayloadFormat]| {
            before.iter().chain(kept).any(|f| f.payload_type == payload_type)
        };
        match before.iter().find(|f| same_format(f, &codec)) {
            Some(known) => codec.payload_type = known.payload_type,
            None if taken(codec.payload_type, &kept) => {
                let wanted = |pt: &u8| !taken(*pt, &kept) && !codecs.iter().any(|c| c.payload_type == *pt);
                let Some(free) = DYNAMIC.rev().find(wanted) else { continue };
                codec.payload_type = free;
            }
            None => {}
        }
        kept.push(codec);
    }
    kept
}

fn audio_media(local: &LocalMedia, codecs: &[PayloadFormat], direction: Direction, ptime_ms: u32) -> Media {
    let codecs: Vec<PayloadFormat> = codecs.iter().map(with_event_range).collect();
    let mut attributes: Vec<Attribute> = codecs.iter().flat_map(attributes_of).collect();
    attributes.push(Attribute::new("ptime", &ptime_ms.to_string()));
    attributes.push(Attribute::flag(direction.as_str()));
    if let Some(ssrc) = local.ssrc {
        // The CNAME lasts as long as the session and says nothing about us (RFC 7022).
        attributes.push(Attribute::new("ssrc", &format!("{ssrc} cname:{:x}", local.session_id)));
    }
    if local.rtcp_mux {
        attributes.push(Attribute::flag(RTCP_MUX));
    }
    Media {
        kind: "audio".into(),
        port: local.address.port(),
        port_count: 1,
        protocol: "RTP/AVP".into(),
        formats: codecs.iter().map(|f| f.payload_type.to_string().into()).collect(),
        connection: None,
        attributes,
        other_lines: Vec::new(),
    }
}

fn describe(local: &LocalMedia, media: Vec<Media>, times: Vec<ShortText>) -> SessionDescription {
    let ip = local.address.ip();
    SessionDescription {
        origin: Origin {
            username: "-".into(),
            session_id: local.session_id.to_string().into(),
            version: local.version,
            address_type: address_type(ip).into(),
            address: ip.to_string().into(),
        },
        name: "-".into(),
        connection: Some(Connection::new(ip)),
        times,
        attributes: Vec::new(),
        media,
        other_lines: Vec::new(),
    }
}
