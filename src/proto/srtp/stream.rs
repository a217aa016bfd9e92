//! State per synchronisation source: roll-over counter, windows, SRTCP index.

use super::replay::ReplayWindow;
use super::{SrtpError, MAX_STREAMS};

#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    pub ssrc: u32,
    pub rtp: ReplayWindow,
    /// Set from outside: the roll-over counter that the first packet has.
    pub first_roc: u32,
    pub rtcp: ReplayWindow,
    /// Next SRTCP index to send.
    pub rtcp_next: u32,
}

impl Stream {
    /// The 48-bit index of a sequence number: the one nearest to the highest seen (RFC 3711 appendix A).
    pub fn index_of(&self, sequence: u16) -> u64 {
        let Some(highest) = self.rtp.highest() else {
            return u64::from(self.first_roc) << 16 | u64::from(sequence);
        };
        let (roc, last) = (highest >> 16, highest as u16);
        let seq = u64::from(sequence);
        if last < 0x8000 {
            // A sequence number far ahead belongs to the roll-over before.
            if i32::from(sequence) - i32::from(last) > 0x8000 && roc > 0 {
                return (roc - 1) << 16 | seq;
            }
        } else if i32::from(last) - 0x8000 > i32::from(sequence) {
            return (roc + 1) << 16 | seq;
        }
        roc << 16 | seq
    }
}

/// The sources of one context: few, found by scanning.
#[derive(Debug, Default)]
pub(super) struct Streams(Vec<Stream>);

impl Streams {
    pub fn find(&self, ssrc: u32) -> Option<&Stream> {
        self.0.iter().find(|s| s.ssrc == ssrc)
    }

    /// The source's state, made on first need.
    pub fn entry(&mut self, ssrc: u32) -> Result<&mut Stream, SrtpError> {
        let at = match self.0.iter().position(|s| s.ssrc == ssrc) {
            Some(at) => at,
            None if self.0.len() >= MAX_STREAMS => return Err(SrtpError::Streams),
            None => {
                self.0.push(Stream { ssrc, ..Stream::default() });
                self.0.len() - 1
            }
        };
        // invariant: `at` is a position in the list
        Ok(&mut self.0[at])
    }
}
