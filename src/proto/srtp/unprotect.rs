//! The receiver's side.

use super::cipher::Transform;
use super::keys::MasterKey;
use super::protect::rtcp_ssrc;
use super::stream::Streams;
use super::SrtpError;
use crate::proto::rtp::RtpPacket;
use subtle::ConstantTimeEq;

/// Takes the protection off what arrives under one master key, or one of several that their identifiers tell apart. A
/// packet that fails changes nothing.
pub struct Unprotector {
    first: Keys,
    others: Box<[Keys]>,
    encrypted_rtp: bool,
    streams: Streams,
}

/// What one master key gives.
struct Keys {
    rtp: Transform,
    rtcp: Transform,
    mki: Box<[u8]>,
}

impl Keys {
    fn new(master: &MasterKey) -> Result<Keys, SrtpError> {
        let profile = master.profile();
        Ok(Keys {
            rtp: Transform::new(profile, &master.rtp_keys()?, profile.rtp_tag_bytes())?,
            rtcp: Transform::new(profile, &master.rtcp_keys()?, profile.rtcp_tag_bytes())?,
            mki: master.mki().into(),
        })
    }
}

impl Unprotector {
    pub fn new(master: &MasterKey) -> Result<Unprotector, SrtpError> {
        Unprotector::with_keys(core::slice::from_ref(master))
    }

    /// Keys of one profile; several of them have identifiers of one length, each another (RFC 4568 section 6.1). The sender
    /// goes from one to another as it likes: roll-over counters and windows stay (RFC 3711 section 8.1).
    pub fn with_keys(masters: &[MasterKey]) -> Result<Unprotector, SrtpError> {
        let (first, others) = masters.split_first().ok_or(SrtpError::Key)?;
        let fits = |i: usize, other: &MasterKey| {
            let mut before = masters.iter().take(i + 1);
            !other.mki().is_empty()
                && other.mki().len() == first.mki().len()
                && other.profile() == first.profile()
                && before.all(|b| b.mki() != other.mki())
        };
        if !others.iter().enumerate().all(|(i, other)| fits(i, other)) {
            return Err(SrtpError::Mki);
        }
        Ok(Unprotector {
            first: Keys::new(first)?,
            others: others.iter().map(Keys::new).collect::<Result<_, _>>()?,
            encrypted_rtp: true,
            streams: Streams::default(),
        })
    }

    /// SDES `UNENCRYPTED_SRTP` was agreed. (SRTCP says it by itself in its E bit.)
    pub fn set_encryption(&mut self, rtp: bool) {
        self.encrypted_rtp = rtp;
    }

    /// The roll-over counter that the first packet of a source has.
    pub fn set_roc(&mut self, ssrc: u32, roc: u32) -> Result<(), SrtpError> {
        self.streams.entry(ssrc)?.first_roc = roc;
        Ok(())
    }
    pub fn roc(&self, ssrc: u32) -> Option<u32> {
        let stream = self.streams.find(ssrc)?;
        Some(stream.rtp.highest().map_or(stream.first_roc, |i| (i >> 16) as u32))
    }

    /// Unprotects the SRTP packet in `buf` in place and gives the length of the RTP packet.
    pub fn unprotect_rtp(&mut self, buf: &mut [u8]) -> Result<usize, SrtpError> {
        let (tag_bytes, mki_bytes) = (self.first.rtp.tag_bytes(), self.first.mki.len());
        // The padding bit's count is still encrypted: only the header may be parsed.
        let header = RtpPacket::header_len_of(buf).map_err(|_| SrtpError::Packet)?;
        let sealed_end = buf.len().checked_sub(tag_bytes + mki_bytes).ok_or(SrtpError::Packet)?;
        if sealed_end < header {
            return Err(SrtpError::Packet);
        }
        let sequence = u16::from_be_bytes([buf[2], buf[3]]);
        let ssrc = u32::from_be_bytes([buf[8], buf[9], buf[10], buf[11]]);
        let index = match self.streams.find(ssrc) {
            Some(stream) => {
                let index = stream.index_of(sequence);
                if !stream.rtp.is_new(index) {
                    return Err(SrtpError::Replay);
                }
                index
            }
            // The first packet of a source: roll-over counter 0, unless it was set.
            None => u64::from(sequence),
        };
        let (packet, tail) = buf.split_at_mut(sealed_end);
        if self.first.rtp.is_aead() {
            let (tag, mki) = tail.split_at(tag_bytes);
            let keys = self.keys_of(mki)?;
            let tag: &[u8; 16] = tag.try_into().map_err(|_| SrtpError::Packet)?;
            let plain_to = if self.encrypted_rtp { header } else { sealed_end };
            let (aad, data) = packet.split_at_mut(plain_to);
            keys.rtp.open(ssrc, index, aad, data, tag)?;
        } else {
            let (mki, tag) = tail.split_at(mki_bytes);
            let keys = self.keys_of(mki)?;
            if !keys.rtp.mac_fits([packet, &((index >> 16) as u32).to_be_bytes()], tag) {
                return Err(SrtpError::Auth);
            }
            if self.encrypted_rtp {
                keys.rtp.apply_keystream(ssrc, index, &mut packet[header..]);
            }
        }
        self.streams.entry(ssrc)?.rtp.take(index);
        Ok(sealed_end)
    }

    /// Unprotects the SRTCP packet in `buf` in place and gives the length of the RTCP packet.
    pub fn unprotect_rtcp(&mut self, buf: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(buf)?;
        let trailer = self.first.rtcp.tag_bytes() + 4 + self.first.mki.len();
        let end = buf.len().checked_sub(trailer).filter(|end| *end >= 8).ok_or(SrtpError::Packet)?;
        if self.first.rtcp.is_aead() {
            self.open_rtcp(buf, ssrc, end)?;
        } else {
            self.check_rtcp(buf, ssrc, end)?;
        }
        Ok(end)
    }

    /// `packet | tag | E+index | MKI` (RFC 7714 section 9).
    fn open_rtcp(&mut self, buf: &mut [u8], ssrc: u32, end: usize) -> Result<(), SrtpError> {
        let (packet, tail) = buf.split_at_mut(end);
        let (tag, tail) = tail.split_at(16);
        let (word, mki) = tail.split_at(4);
        let keys = self.keys_of(mki)?;
        let (index, encrypted) = self.rtcp_index(ssrc, word)?;
        let tag: &[u8; 16] = tag.try_into().map_err(|_| SrtpError::Packet)?;
        let mut aad = [0; 12];
        if encrypted {
            aad[..8].copy_from_slice(&packet[..8]);
            aad[8..].copy_from_slice(word);
            keys.rtcp.open(ssrc, index, &aad, &mut packet[8..], tag)?;
        } else {
            // The associated data is packet and index word in one piece: word takes the tag's place.
            let (tag, word) = (*tag, [word[0], word[1], word[2], word[3]]);
            buf[end..end + 4].copy_from_slice(&word);
            let opened = keys.rtcp.open(ssrc, index, &buf[..end + 4], &mut [], &tag);
            buf[end..end + 4].copy_from_slice(&tag[..4]);
            opened?;
        }
        self.streams.entry(ssrc)?.rtcp.take(index);
        Ok(())
    }

    /// `packet | E+index | MKI | tag` (RFC 3711 section 3.4).
    fn check_rtcp(&mut self, buf: &mut [u8], ssrc: u32, end: usize) -> Result<(), SrtpError> {
        let (sealed, tail) = buf.split_at_mut(end + 4);
        let (mki, tag) = tail.split_at(self.first.mki.len());
        let keys = self.keys_of(mki)?;
        let (index, encrypted) = self.rtcp_index(ssrc, &sealed[end..])?;
        if !keys.rtcp.mac_fits([sealed, &[]], tag) {
            return Err(SrtpError::Auth);
        }
        if encrypted {
            keys.rtcp.apply_keystream(ssrc, index, &mut sealed[8..end]);
        }
        self.streams.entry(ssrc)?.rtcp.take(index);
        Ok(())
    }

    /// The index word; refused when it was seen before.
    fn rtcp_index(&self, ssrc: u32, word: &[u8]) -> Result<(u64, bool), SrtpError> {
        let [a, b, c, d] = *word else { return Err(SrtpError::Packet) };
        let word = u32::from_be_bytes([a, b, c, d]);
        let index = u64::from(word & 0x7fff_ffff);
        match self.streams.find(ssrc) {
            Some(stream) if !stream.rtcp.is_new(index) => Err(SrtpError::Replay),
            _ => Ok((index, word >> 31 == 1)),
        }
    }

    /// The keys that a packet names.
    fn keys_of(&self, mki: &[u8]) -> Result<&Keys, SrtpError> {
        if bool::from(mki.ct_eq(&self.first.mki)) {
            return Ok(&self.first);
        }
        self.others.iter().find(|keys| *keys.mki == *mki).ok_or(SrtpError::Auth)
    }
}
