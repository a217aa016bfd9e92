//! Extended reports (RFC 3611): receiver reference time, DLRR, VoIP metrics; other blocks as they come.

use super::time::NtpTime;
use super::{u16_at, u32_at};

/// Types of blocks (RFC 3611 section 4).
pub mod block {
    pub const RECEIVER_REFERENCE_TIME: u8 = 4;
    pub const DLRR: u8 = 5;
    pub const VOIP_METRICS: u8 = 7;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Xr<'a> {
    pub ssrc: u32,
    blocks: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XrBlock<'a> {
    ReceiverReferenceTime(NtpTime),
    Dlrr(Dlrr<'a>),
    VoipMetrics(VoipMetrics),
    Unknown { kind: u8, specific: u8, body: &'a [u8] },
}

impl<'a> Xr<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Xr<'a>, &'static str> {
        let ssrc = u32_at(body, 0).ok_or("the source of an extended report")?;
        let blocks = body.get(4..).unwrap_or(&[]);
        let mut rest = blocks;
        while !rest.is_empty() {
            let (_, behind) = next_block(rest).ok_or("a whole block in the extended report")?;
            rest = behind;
        }
        Ok(Xr { ssrc, blocks })
    }
    pub fn blocks(&self) -> impl Iterator<Item = XrBlock<'a>> + use<'a> {
        let mut rest = self.blocks;
        core::iter::from_fn(move || {
            let (block, behind) = next_block(rest)?;
            rest = behind;
            Some(block)
        })
    }
}

fn next_block(bytes: &[u8]) -> Option<(XrBlock<'_>, &[u8])> {
    let &[kind, specific, ..] = bytes else { return None };
    let end = 4 * (usize::from(u16_at(bytes, 2)?) + 1);
    let body = bytes.get(4..end)?;
    let block = match (kind, body.len()) {
        (block::RECEIVER_REFERENCE_TIME, 8) => {
            XrBlock::ReceiverReferenceTime(NtpTime::from_parts(u32_at(body, 0)?, u32_at(body, 4)?))
        }
        (block::DLRR, length) if length % DlrrItem::BYTES == 0 => XrBlock::Dlrr(Dlrr { items: body }),
        (block::VOIP_METRICS, VoipMetrics::BYTES) => XrBlock::VoipMetrics(VoipMetrics::decode(body)?),
        // A block of a known kind and a wrong length is skipped like an unknown one (section 3).
        _ => XrBlock::Unknown { kind, specific, body },
    };
    Some((block, bytes.get(end..)?))
}

/// Delay since the last receiver reference time, for one receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DlrrItem {
    pub ssrc: u32,
    /// Middle 32 bits of the reference time; 0 for none.
    pub last_rr: u32,
    /// Since then, in 1/65536 s.
    pub delay: u32,
}

impl DlrrItem {
    const BYTES: usize = 12;

    pub(super) fn encode(&self) -> [u8; DlrrItem::BYTES] {
        let mut bytes = [0; DlrrItem::BYTES];
        for (place, word) in bytes.chunks_exact_mut(4).zip([self.ssrc, self.last_rr, self.delay]) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}

/// A DLRR block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dlrr<'a> {
    items: &'a [u8],
}

impl<'a> Dlrr<'a> {
    pub fn items(&self) -> impl Iterator<Item = DlrrItem> + use<'a> {
        self.items.chunks_exact(DlrrItem::BYTES).filter_map(|item| {
            Some(DlrrItem { ssrc: u32_at(item, 0)?, last_rr: u32_at(item, 4)?, delay: u32_at(item, 8)? })
        })
    }
}

/// How good a call sounds (RFC 3611 section 4.7). 127 means unknown for levels, factors and scores.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VoipMetrics {
    pub ssrc: u32,
    /// Lost, in 256ths.
    pub loss_rate: u8,
    /// Thrown away by the jitter buffer, in 256ths.
    pub discard_rate: u8,
    pub burst_density: u8,
    pub gap_density: u8,
    pub burst_duration_ms: u16,
    pub gap_duration_ms: u16,
    pub round_trip_delay_ms: u16,
    pub end_system_delay_ms: u16,
    /// dBm0.
    pub signal_level: i8,
    pub noise_level: i8,
    /// Residual echo return loss, dB.
    pub residual_echo_return_loss: u8,
    pub gmin: u8,
    pub r_factor: u8,
    pub external_r_factor: u8,
    /// Listening and conversational quality, in tenths.
    pub mos_lq: u8,
    pub mos_cq: u8,
    /// Kind of concealment and of jitter buffer.
    pub receiver_config: u8,
    pub jitter_buffer_nominal_ms: u16,
    pub jitter_buffer_maximum_ms: u16,
    pub jitter_buffer_absolute_maximum_ms: u16,
}

impl VoipMetrics {
    pub(super) const BYTES: usize = 32;

    fn decode(b: &[u8]) -> Option<VoipMetrics> {
        let byte = |at: usize| b.get(at).copied();
        Some(VoipMetrics {
            ssrc: u32_at(b, 0)?,
            loss_rate: byte(4)?,
            discard_rate: byte(5)?,
            burst_density: byte(6)?,
            gap_density: byte(7)?,
            burst_duration_ms: u16_at(b, 8)?,
            gap_duration_ms: u16_at(b, 10)?,
            round_trip_delay_ms: u16_at(b, 12)?,
            end_system_delay_ms: u16_at(b, 14)?,
            signal_level: byte(16)? as i8,
            noise_level: byte(17)? as i8,
            residual_echo_return_loss: byte(18)?,
            gmin: byte(19)?,
            r_factor: byte(20)?,
            external_r_factor: byte(21)?,
            mos_lq: byte(22)?,
            mos_cq: byte(23)?,
            receiver_config: byte(24)?,
            jitter_buffer_nominal_ms: u16_at(b, 26)?,
            jitter_buffer_maximum_ms: u16_at(b, 28)?,
            jitter_buffer_absolute_maximum_ms: u16_at(b, 30)?,
        })
    }

    pub(super) fn encode(&self) -> [u8; VoipMetrics::BYTES] {
        let mut b = [0; VoipMetrics::BYTES];
        b[..4].copy_from_slice(&self.ssrc.to_be_bytes());
        let rates = [self.loss_rate, self.discard_rate, self.burst_density, self.gap_density];
        b[4..8].copy_from_slice(&rates);
        let times = [
            (8, self.burst_duration_ms),
            (10, self.gap_duration_ms),
            (12, self.round_trip_delay_ms),
            (14, self.end_system_delay_ms),
            (26, self.jitter_buffer_nominal_ms),
            (28, self.jitter_buffer_maximum_ms),
            (30, self.jitter_buffer_absolute_maximum_ms),
        ];
        for (at, value) in times {
            b[at..at + 2].copy_from_slice(&value.to_be_bytes());
        }
        let levels = [self.signal_level as u8, self.noise_level as u8];
        b[16..18].copy_from_slice(&levels);
        let scores = [
            self.residual_echo_return_loss,
            self.gmin,
            self.r_factor,
            self.external_r_factor,
            self.mos_lq,
            self.mos_cq,
            self.receiver_config,
        ];
        b[18..25].copy_from_slice(&scores);
        b
    }
}
