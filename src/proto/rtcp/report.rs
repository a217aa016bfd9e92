//! Sender and receiver reports (RFC 3550 section 6.4).

use super::time::NtpTime;
use super::u32_at;

const BLOCK_BYTES: usize = 24;
/// The count of blocks has five bits.
pub const MAX_BLOCKS: usize = 31;

/// What one receiver says about one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReportBlock {
    pub ssrc: u32,
    /// Lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Lost since the beginning; negative when there were more duplicates than losses. 24 bits on the
    /// wire: what is beyond is written as the limit.
    pub cumulative_lost: i32,
    /// Cycles and highest sequence number.
    pub highest_sequence: u32,
    /// In RTP timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time; 0 for none.
    pub last_sr: u32,
    /// Since that report, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    fn decode(bytes: &[u8]) -> Option<ReportBlock> {
        let losses = u32_at(bytes, 4)?;
        Some(ReportBlock {
            ssrc: u32_at(bytes, 0)?,
            fraction_lost: (losses >> 24) as u8,
            // Up and down again: the sign of 24 bits.
            cumulative_lost: ((losses << 8) as i32) >> 8,
            highest_sequence: u32_at(bytes, 8)?,
            jitter: u32_at(bytes, 12)?,
            last_sr: u32_at(bytes, 16)?,
            delay_since_last_sr: u32_at(bytes, 20)?,
        })
    }

    pub(super) fn encode(&self) -> [u8; BLOCK_BYTES] {
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        let words = [
            self.ssrc,
            u32::from(self.fraction_lost) << 24 | lost,
            self.highest_sequence,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        ];
        let mut bytes = [0; BLOCK_BYTES];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}

/// The sender's part of a sender report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SenderInfo {
    pub ssrc: u32,
    /// When this was sent …
    pub ntp: NtpTime,
    /// … and the same instant on the clock of the stream.
    pub rtp_timestamp: u32,
    pub packets: u32,
    /// Of payload.
    pub octets: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderReport<'a> {
    pub sender: SenderInfo,
    blocks: &'a [u8],
    /// Profile-specific words behind the blocks.
    pub extension: &'a [u8],
}

impl<'a> SenderReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<SenderReport<'a>, &'static str> {
        let sender = decode_sender(body).ok_or("the sender's part of a report")?;
        let (blocks, extension) = split(count, body, 24)?;
        Ok(SenderReport { sender, blocks, extension })
    }
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.blocks.chunks_exact(BLOCK_BYTES).filter_map(ReportBlock::decode)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiverReport<'a> {
    pub ssrc: u32,
    blocks: &'a [u8],
    /// Profile-specific words behind the blocks.
    pub extension: &'a [u8],
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<ReceiverReport<'a>, &'static str> {
        let ssrc = u32_at(body, 0).ok_or("the source of a report")?;
        let (blocks, extension) = split(count, body, 4)?;
        Ok(ReceiverReport { ssrc, blocks, extension })
    }
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.blocks.chunks_exact(BLOCK_BYTES).filter_map(ReportBlock::decode)
    }
}

fn decode_sender(body: &[u8]) -> Option<SenderInfo> {
    Some(SenderInfo {
        ssrc: u32_at(body, 0)?,
        ntp: NtpTime::from_parts(u32_at(body, 4)?, u32_at(body, 8)?),
        rtp_timestamp: u32_at(body, 12)?,
        packets: u32_at(body, 16)?,
        octets: u32_at(body, 20)?,
    })
}

/// Blocks and extension behind a part of fixed length.
fn split(count: u8, body: &[u8], fixed: usize) -> Result<(&[u8], &[u8]), &'static str> {
    let rest = body.get(fixed..).unwrap_or(&[]);
    let length = usize::from(count) * BLOCK_BYTES;
    let blocks = rest.get(..length).ok_or("as many report blocks as counted")?;
    Ok((blocks, rest.get(length..).unwrap_or(&[])))
}
