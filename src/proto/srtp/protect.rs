//! The sender's side.

use super::cipher::Transform;
use super::keys::MasterKey;
use super::stream::Streams;
use super::SrtpError;
use crate::proto::rtp::RtpPacket;

const RTCP_INDEX_MAX: u32 = 0x7fff_ffff;
const RTP_INDEX_MAX: u64 = (1 << 48) - 1;
const E_BIT: u32 = 0x8000_0000;

/// Protects what we send with one master key.
pub struct Protector {
    rtp: Transform,
    rtcp: Transform,
    mki: Box<[u8]>,
    encrypt_rtcp: bool,
    encrypt_rtp: bool,
    streams: Streams,
}

impl Protector {
    pub fn new(master: &MasterKey) -> Result<Protector, SrtpError> {
        let profile = master.profile();
        Ok(Protector {
            rtp: Transform::new(profile, &master.rtp_keys()?, profile.rtp_tag_bytes())?,
            rtcp: Transform::new(profile, &master.rtcp_keys()?, profile.rtcp_tag_bytes())?,
            mki: master.mki().into(),
            encrypt_rtcp: true,
            encrypt_rtp: true,
            streams: Streams::default(),
        })
    }

    /// SDES `UNENCRYPTED_SRTP` and `UNENCRYPTED_SRTCP`: authenticated only.
    pub fn set_encryption(&mut self, rtp: bool, rtcp: bool) {
        self.encrypt_rtp = rtp;
        self.encrypt_rtcp = rtcp;
    }

    /// The roll-over counter that the next first packet of a source has (late joiners, hand-over).
    pub fn set_roc(&mut self, ssrc: u32, roc: u32) -> Result<(), SrtpError> {
        self.streams.entry(ssrc)?.first_roc = roc;
        Ok(())
    }
    /// The roll-over counter of a source.
    pub fn roc(&self, ssrc: u32) -> Option<u32> {
        let stream = self.streams.find(ssrc)?;
        Some(stream.rtp.highest().map_or(stream.first_roc, |i| (i >> 16) as u32))
    }

    pub fn rtp_overhead(&self) -> usize {
        self.rtp.tag_bytes() + self.mki.len()
    }
    pub fn rtcp_overhead(&self) -> usize {
        self.rtcp.tag_bytes() + 4 + self.mki.len()
    }

    /// Protects the RTP packet in `buf[..len]`; `buf` has room for `rtp_overhead` more. Gives the new length.
    /// A sequence number that was sent before is refused: its key stream is used up.
    pub fn protect_rtp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let total = len + self.rtp_overhead();
        let packet = buf.get(..len).ok_or(SrtpError::Buffer)?;
        let packet = RtpPacket::parse(packet).map_err(|_| SrtpError::Packet)?;
        let (ssrc, sequence, header) = (packet.ssrc(), packet.sequence().0, packet.header_len());
        let buf = buf.get_mut(..total).ok_or(SrtpError::Buffer)?;
        let stream = self.streams.entry(ssrc)?;
        let index = stream.index_of(sequence);
        if !stream.rtp.is_new(index) {
            return Err(SrtpError::Replay);
        }
        if index > RTP_INDEX_MAX {
            return Err(SrtpError::KeyExhausted);
        }
        if self.rtp.is_aead() {
            // What is not encrypted is associated data (RFC 7714 section 8).
            let plain_to = if self.encrypt_rtp { header } else { len };
            let (aad, rest) = buf.split_at_mut(plain_to);
            let (data, tail) = rest.split_at_mut(len - plain_to);
            let tag = self.rtp.seal(ssrc, index, aad, data)?;
            put(tail, [&tag, &self.mki]);
        } else {
            if self.encrypt_rtp {
                self.rtp.apply_keystream(ssrc, index, &mut buf[header..len]);
            }
            let (data, tail) = buf.split_at_mut(len);
            let tag = self.rtp.mac([data, &((index >> 16) as u32).to_be_bytes()]);
            put(tail, [&self.mki, &tag[..self.rtp.tag_bytes()]]);
        }
        stream.rtp.take(index);
        Ok(total)
    }

    /// The same for a compound RTCP packet, with room for `rtcp_overhead`.
    pub fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let total = len + self.rtcp_overhead();
        let ssrc = rtcp_ssrc(buf.get(..len).ok_or(SrtpError::Buffer)?)?;
        let buf = buf.get_mut(..total).ok_or(SrtpError::Buffer)?;
        let stream = self.streams.entry(ssrc)?;
        // The first SRTCP packet has index 1, like libsrtp's: 0 is only where RFC 3711 starts counting.
        let index = stream.rtcp_next + 1;
        if index > RTCP_INDEX_MAX {
            return Err(SrtpError::KeyExhausted);
        }
        let word = (index | if self.encrypt_rtcp { E_BIT } else { 0 }).to_be_bytes();
        if self.rtcp.is_aead() {
            let tag = seal_rtcp(&self.rtcp, buf, len, ssrc, index, &word, self.encrypt_rtcp)?;
            let at = len + tag.len();
            buf[len..at].copy_from_slice(&tag);
            put(&mut buf[at..], [&word, &self.mki]);
        } else {
            if self.encrypt_rtcp {
                self.rtcp.apply_keystream(ssrc, u64::from(index), &mut buf[8..len]);
            }
            buf[len..len + 4].copy_from_slice(&word);
            let (data, tail) = buf.split_at_mut(len + 4);
            let tag = self.rtcp.mac([data, &[]]);
            put(tail, [&self.mki, &tag[..self.rtcp.tag_bytes()]]);
        }
        stream.rtcp_next = index;
        Ok(total)
    }
}

/// GCM over an RTCP packet (RFC 7714 section 9): the header and the index word are associated data, without
/// encryption the whole packet is.
fn seal_rtcp(
    rtcp: &Transform,
    buf: &mut [u8],
    len: usize,
    ssrc: u32,
    index: u32,
    word: &[u8; 4],
    encrypt: bool,
) -> Result<[u8; 16], SrtpError> {
    if encrypt {
        let mut aad = [0; 12];
        aad[..8].copy_from_slice(&buf[..8]);
        aad[8..].copy_from_slice(word);
        return rtcp.seal(ssrc, u64::from(index), &aad, &mut buf[8..len]);
    }
    // The index word stands right behind the packet for the time of this computation.
    buf[len..len + 4].copy_from_slice(word);
    rtcp.seal(ssrc, u64::from(index), &buf[..len + 4], &mut [])
}

/// The SSRC of the sender of a compound packet, which has at least header and SSRC.
pub(super) fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    match *packet {
        [first, _, _, _, a, b, c, d, ..] if first >> 6 == 2 => Ok(u32::from_be_bytes([a, b, c, d])),
        _ => Err(SrtpError::Packet),
    }
}

fn put(tail: &mut [u8], parts: [&[u8]; 2]) {
    let mut at = 0;
    for part in parts {
        let to = &mut tail[at..at + part.len()];
        at += part.len();
        match (<&mut [u8; 10]>::try_from(&mut *to), <&[u8; 10]>::try_from(part)) {
            // The usual tag.
            (Ok(to), Ok(tag)) => *to = *tag,
            _ if part.is_empty() => {}
            _ => to.copy_from_slice(part),
        }
    }
}
