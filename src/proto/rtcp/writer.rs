//! Writes RTCP packets into the caller's buffer. What fails leaves the packets before it as they were.

use super::packet_type;
use super::report::{ReportBlock, SenderInfo, MAX_BLOCKS};
use super::sdes::SdesItem;
use super::time::NtpTime;
use super::xr::{block, DlrrItem, VoipMetrics};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteError {
    /// The buffer is too small.
    Space,
    /// Too many of something, or a value that has no place in its field.
    Range,
}

/// A datagram in the making.
#[derive(Debug)]
pub struct RtcpWriter<'a> {
    buffer: &'a mut [u8],
    length: usize,
    /// Where the last packet begins.
    last: usize,
}

impl<'a> RtcpWriter<'a> {
    pub fn new(buffer: &'a mut [u8]) -> RtcpWriter<'a> {
        RtcpWriter { buffer, length: 0, last: 0 }
    }
    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.length
    }
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or(&[])
    }

    pub fn sender_report(&mut self, sender: &SenderInfo, blocks: &[ReportBlock]) -> Result<(), WriteError> {
        self.packet(packet_type::SENDER_REPORT, count(blocks.len())?, |w| {
            w.word(sender.ssrc)?;
            w.word(sender.ntp.seconds())?;
            w.word(sender.ntp.fraction())?;
            w.word(sender.rtp_timestamp)?;
            w.word(sender.packets)?;
            w.word(sender.octets)?;
            blocks.iter().try_for_each(|b| w.put(&b.encode()))
        })
    }

    pub fn receiver_report(&mut self, ssrc: u32, blocks: &[ReportBlock]) -> Result<(), WriteError> {
        self.packet(packet_type::RECEIVER_REPORT, count(blocks.len())?, |w| {
            w.word(ssrc)?;
            blocks.iter().try_for_each(|b| w.put(&b.encode()))
        })
    }

    /// One chunk per source. Items of kind 0 and values above 255 bytes are refused.
    pub fn sdes(&mut self, chunks: &[(u32, &[SdesItem])]) -> Result<(), WriteError> {
        self.packet(packet_type::SDES, count(chunks.len())?, |w| {
            for (ssrc, items) in chunks {
                w.word(*ssrc)?;
                for item in *items {
                    let length = u8::try_from(item.value.len()).map_err(|_| WriteError::Range)?;
                    if item.kind == 0 {
                        return Err(WriteError::Range);
                    }
                    w.put(&[item.kind, length])?;
                    w.put(item.value)?;
                }
                // RFC 3550 section 6.5: at least one zero, then up to the next word.
                w.put(&[0])?;
                w.align()?;
            }
            Ok(())
        })
    }

    /// The description that each compound packet carries.
    pub fn cname(&mut self, ssrc: u32, cname: &[u8]) -> Result<(), WriteError> {
        let item = SdesItem { kind: super::sdes::item::CNAME, value: cname };
        self.sdes(&[(ssrc, &[item])])
    }

    pub fn bye(&mut self, sources: &[u32], reason: Option<&[u8]>) -> Result<(), WriteError> {
        self.packet(packet_type::BYE, count(sources.len())?, |w| {
            sources.iter().try_for_each(|s| w.word(*s))?;
            if let Some(reason) = reason {
                w.put(&[u8::try_from(reason.len()).map_err(|_| WriteError::Range)?])?;
                w.put(reason)?;
            }
            w.align()
        })
    }

    /// The data of an APP are whole words.
    pub fn app(&mut self, subtype: u8, ssrc: u32, name: [u8; 4], data: &[u8]) -> Result<(), WriteError> {
        self.packet(packet_type::APP, count(usize::from(subtype))?, |w| {
            w.word(ssrc)?;
            w.put(&name)?;
            w.words(data)
        })
    }

    /// RTPFB (205) or PSFB (206) with its control information in whole words.
    pub fn feedback(
        &mut self,
        packet_type: u8,
        format: u8,
        sender_ssrc: u32,
        media_ssrc: u32,
        information: &[u8],
    ) -> Result<(), WriteError> {
        let known = [packet_type::TRANSPORT_FEEDBACK, packet_type::PAYLOAD_FEEDBACK];
        if !known.contains(&packet_type) {
            return Err(WriteError::Range);
        }
        self.packet(packet_type, count(usize::from(format))?, |w| {
            w.word(sender_ssrc)?;
            w.word(media_ssrc)?;
            w.words(information)
        })
    }

    /// An extended report; `blocks` writes what is in it.
    pub fn xr(
        &mut self,
        ssrc: u32,
        blocks: impl FnOnce(&mut XrWriter) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        self.packet(packet_type::XR, 0, |w| {
            w.word(ssrc)?;
            blocks(&mut XrWriter { cursor: w })
        })
    }

    /// Pads the last packet: a multiple of four, at most 252. Nothing can follow.
    pub fn pad(&mut self, padding: u8) -> Result<(), WriteError> {
        if padding == 0 || padding % 4 != 0 || self.is_empty() {
            return Err(WriteError::Range);
        }
        let end = self.length + usize::from(padding);
        let first = self.buffer.get(self.last).copied().unwrap_or(0);
        if first & 0x20 != 0 {
            return Err(WriteError::Range);
        }
        let words = words_before(end - self.last)?;
        let place = self.buffer.get_mut(self.length..end).ok_or(WriteError::Space)?;
        place.fill(0);
        if let Some(count) = place.last_mut() {
            *count = padding;
        }
        self.head(self.last, first | 0x20, None, words);
        self.length = end;
        Ok(())
    }

    fn packet(
        &mut self,
        packet_type: u8,
        count: u8,
        body: impl FnOnce(&mut Cursor) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        // RFC 3550 section 6.4.1: nothing stands behind padding.
        let padded = !self.is_empty() && self.buffer.get(self.last).is_some_and(|b| b & 0x20 != 0);
        if padded {
            return Err(WriteError::Range);
        }
        let start = self.length;
        let mut cursor = Cursor { buffer: self.buffer, at: start };
        cursor.word(0)?;
        body(&mut cursor)?;
        let end = cursor.at;
        let words = words_before(end - start)?;
        self.head(start, 0x80 | count, Some(packet_type), words);
        self.last = start;
        self.length = end;
        Ok(())
    }

    fn head(&mut self, start: usize, first: u8, packet_type: Option<u8>, words: u16) {
        let Some([b0, b1, b2, b3]) = self.buffer.get_mut(start..start + 4) else { return };
        *b0 = first;
        *b1 = packet_type.unwrap_or(*b1);
        [*b2, *b3] = words.to_be_bytes();
    }
}

/// Blocks of an extended report.
#[derive(Debug)]
pub struct XrWriter<'c, 'b> {
    cursor: &'c mut Cursor<'b>,
}

impl XrWriter<'_, '_> {
    pub fn receiver_reference_time(&mut self, ntp: NtpTime) -> Result<(), WriteError> {
        self.raw(block::RECEIVER_REFERENCE_TIME, 0, &ntp.0.to_be_bytes())
    }
    pub fn dlrr(&mut self, items: &[DlrrItem]) -> Result<(), WriteError> {
        self.head(block::DLRR, 0, items.len() * 12)?;
        items.iter().try_for_each(|item| self.cursor.put(&item.encode()))
    }
    pub fn voip_metrics(&mut self, metrics: &VoipMetrics) -> Result<(), WriteError> {
        self.raw(block::VOIP_METRICS, 0, &metrics.encode())
    }
    /// A block of any type; its body is whole words.
    pub fn raw(&mut self, kind: u8, specific: u8, body: &[u8]) -> Result<(), WriteError> {
        self.head(kind, specific, body.len())?;
        self.cursor.words(body)
    }
    fn head(&mut self, kind: u8, specific: u8, body_bytes: usize) -> Result<(), WriteError> {
        let words = u16::try_from(body_bytes / 4).map_err(|_| WriteError::Range)?.to_be_bytes();
        self.cursor.put(&[kind, specific, words[0], words[1]])
    }
}

#[derive(Debug)]
struct Cursor<'a> {
    buffer: &'a mut [u8],
    at: usize,
}

impl Cursor<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let end = self.at + bytes.len();
        let place = self.buffer.get_mut(self.at..end).ok_or(WriteError::Space)?;
        place.copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }
    fn word(&mut self, value: u32) -> Result<(), WriteError> {
        self.put(&value.to_be_bytes())
    }
    fn words(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        match bytes.len() % 4 {
            0 => self.put(bytes),
            _ => Err(WriteError::Range),
        }
    }
    /// Zeros up to the next word: packets begin on words, so the place in the buffer tells.
    fn align(&mut self) -> Result<(), WriteError> {
        while self.at % 4 != 0 {
            self.put(&[0])?;
        }
        Ok(())
    }
}

fn count(n: usize) -> Result<u8, WriteError> {
    u8::try_from(n).ok().filter(|_| n <= MAX_BLOCKS).ok_or(WriteError::Range)
}

/// The length field: words less one.
fn words_before(bytes: usize) -> Result<u16, WriteError> {
    u16::try_from(bytes / 4 - 1).map_err(|_| WriteError::Range)
}
