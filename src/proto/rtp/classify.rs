//! What a datagram on a media port is, by its first two bytes (RFC 7983 section 7, RFC 5761 section 4).

/// The protocol a datagram belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketKind {
    Stun,
    Zrtp,
    Dtls,
    TurnChannel,
    Rtp,
    Rtcp,
    /// Empty, or a first byte that no protocol owns.
    Unknown,
}

/// RTP and RTCP share 128..=191; RFC 5761 tells them apart by the second byte, where RTCP's packet types
/// 192..=223 are the payload types 64..=95 with the marker bit set.
pub fn classify(bytes: &[u8]) -> PacketKind {
    let Some(&first) = bytes.first() else { return PacketKind::Unknown };
    match first {
        0..=3 => PacketKind::Stun,
        16..=19 => PacketKind::Zrtp,
        20..=63 => PacketKind::Dtls,
        64..=79 => PacketKind::TurnChannel,
        128..=191 => match bytes.get(1) {
            Some(192..=223) => PacketKind::Rtcp,
            Some(_) => PacketKind::Rtp,
            None => PacketKind::Unknown,
        },
        _ => PacketKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_byte_has_the_owner_that_rfc_7983_gives_it() {
        for b in 0..=255u8 {
            let want = match b {
                0..=3 => PacketKind::Stun,
                16..=19 => PacketKind::Zrtp,
                20..=63 => PacketKind::Dtls,
                64..=79 => PacketKind::TurnChannel,
                128..=191 => PacketKind::Rtp,
                _ => PacketKind::Unknown,
            };
            assert_eq!(classify(&[b, 0]), want, "first byte {b}");
        }
        assert_eq!(classify(&[]), PacketKind::Unknown);
    }

    #[test]
    fn sender_reports_are_rtcp_and_marked_g711_is_rtp() {
        assert_eq!(classify(&[0x80, 200]), PacketKind::Rtcp);
        assert_eq!(classify(&[0x81, 201]), PacketKind::Rtcp);
        assert_eq!(classify(&[0x80, 0x80]), PacketKind::Rtp);
        assert_eq!(classify(&[0x80, 0x80 | 101]), PacketKind::Rtp);
    }
}
