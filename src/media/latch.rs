//! Where a stream comes from and goes to: symmetric RTP (RFC 4961) with a lock against strangers.
//!
//! The peer's SDP names an address; behind a NAT the packets come from another one. The first valid packet
//! decides. Afterwards the source moves only to the announced address, to somebody who sends with the same
//! SSRC, or to somebody who sends several packets in a row while the old source is silent.

use crate::proto::rtp::SequenceNumber;
use core::net::SocketAddr;

/// Packets in order from a new source before it is believed, with none from the old one in between.
const MOVE_AFTER: u8 = 5;

/// What the latch says to one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judged {
    /// The known source.
    Known,
    /// The first one of the stream.
    First,
    /// From now on the stream comes from here.
    Moved,
    Stranger,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    next: SequenceNumber,
    seen: u8,
}

#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Latch {
    // Every packet is compared with this one.
    current: Option<SocketAddr>,
    candidate: Option<Candidate>,
    announced: Option<SocketAddr>,
}

impl Latch {
    /// Signalling named an address. A new one opens the latch again.
    pub fn announce(&mut self, remote: Option<SocketAddr>) {
        let remote = remote.filter(|a| a.port() != 0);
        if remote != self.announced {
            self.announced = remote;
            self.current = None;
            self.candidate = None;
        }
    }

    /// Where to send: where it really comes from, else where signalling says.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.current.or(self.announced)
    }

    /// A packet from there changes nothing: it is the known source, and nobody is about to take its place.
    pub fn is_settled_on(&self, from: SocketAddr) -> bool {
        self.candidate.is_none() && self.current == Some(from)
    }

    /// A packet that is valid RTP. `stream_ssrc`: that of the stream so far.
    pub fn judge(
        &mut self,
        from: SocketAddr,
        ssrc: u32,
        sequence: SequenceNumber,
        stream_ssrc: Option<u32>,
    ) -> Judged {
        let Some(current) = self.current else {
            self.current = Some(from);
            return Judged::First;
        };
        if from == current {
            self.candidate = None;
            return Judged::Known;
        }
        let proven = Some(from) == self.announced || Some(ssrc) == stream_ssrc;
        if !proven && !self.insists(from, ssrc, sequence) {
            return Judged::Stranger;
        }
        self.current = Some(from);
        self.candidate = None;
        Judged::Moved
    }

    fn insists(&mut self, from: SocketAddr, ssrc: u32, sequence: SequenceNumber) -> bool {
        let seen = match self.candidate {
            Some(c) if c.from == from && c.ssrc == ssrc && c.next == sequence => c.seen + 1,
            _ => 1,
        };
        self.candidate = Some(Candidate { from, ssrc, next: sequence.next(), seen });
        seen >= MOVE_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }
    fn seq(n: u16) -> SequenceNumber {
        SequenceNumber(n)
    }

    #[test]
    fn the_first_packet_decides_and_audio_goes_back_to_where_it_came_from() {
        let mut l = Latch::default();
        l.announce(Some(at(4000)));
        assert_eq!(l.destination(), Some(at(4000)));
        assert_eq!(l.judge(at(5000), 1, seq(1), None), Judged::First);
        assert_eq!(l.destination(), Some(at(5000)));
    }

    #[test]
    fn a_stranger_beside_a_living_source_never_wins() {
        let mut l = Latch::default();
        l.announce(Some(at(4000)));
        l.judge(at(4000), 1, seq(1), None);
        for n in 0..100 {
            assert_eq!(l.judge(at(6000), 2, seq(n), Some(1)), Judged::Stranger);
            if n % 4 == 3 {
                assert_eq!(l.judge(at(4000), 1, seq(n), Some(1)), Judged::Known);
            }
        }
        assert_eq!(l.destination(), Some(at(4000)));
    }

    #[test]
    fn five_in_a_row_while_the_old_source_is_silent_move_the_stream() {
        let mut l = Latch::default();
        l.judge(at(4000), 1, seq(1), None);
        for n in 0..4 {
            assert_eq!(l.judge(at(6000), 2, seq(n), Some(1)), Judged::Stranger);
        }
        assert_eq!(l.judge(at(6000), 2, seq(4), Some(1)), Judged::Moved);
        assert_eq!(l.destination(), Some(at(6000)));
    }

    #[test]
    fn the_same_ssrc_and_the_announced_address_move_it_at_once() {
        let mut l = Latch::default();
        l.announce(Some(at(4000)));
        l.judge(at(5000), 1, seq(1), None);
        assert_eq!(l.judge(at(5002), 1, seq(2), Some(1)), Judged::Moved);
        assert_eq!(l.judge(at(4000), 9, seq(2), Some(1)), Judged::Moved);
    }

    #[test]
    fn a_new_address_from_signalling_opens_the_latch_and_the_same_one_does_not() {
        let mut l = Latch::default();
        l.announce(Some(at(4000)));
        l.judge(at(5000), 1, seq(1), None);
        l.announce(Some(at(4000)));
        assert_eq!(l.destination(), Some(at(5000)));
        l.announce(Some(at(4100)));
        assert_eq!(l.destination(), Some(at(4100)));
        l.announce(Some(at(0)));
        assert_eq!(l.destination(), None);
    }
}
