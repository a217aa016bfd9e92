//! Any bytes as one packet on a media port. Shared by the fuzz target `rtp` and by `tests/mutations.rs`.

use voip::proto::rtp::{classify, PacketKind, RtpBuilder, RtpPacket, TelephoneEvent, MAX_CSRCS};

/// True if it is RTP.
pub fn run(bytes: &[u8]) -> bool {
    let kind = classify(bytes);
    if let Some(event) = TelephoneEvent::parse(bytes) {
        let again = TelephoneEvent::parse(&event.to_bytes()).expect("our own event");
        assert_eq!(again, event);
        assert!(
            TelephoneEvent::key(event.event).is_none_or(|k| TelephoneEvent::from_key(k) == Some(event.event))
        );
    }
    let Ok(packet) = RtpPacket::parse(bytes) else { return false };
    assert_ne!(kind, PacketKind::Stun, "version 2 is no STUN");
    assert!(packet.csrc_count() <= MAX_CSRCS && packet.csrcs().count() == packet.csrc_count());
    assert!((0..packet.csrc_count()).all(|i| packet.csrc(i).is_some()));
    let range = packet.payload_range();
    assert_eq!(&bytes[range.clone()], packet.payload());
    assert_eq!(range.end + packet.padding_len(), bytes.len());
    assert_eq!(RtpPacket::header_len_of(bytes), Ok(packet.header_len()));
    let mut held = 0;
    for element in packet.extension_elements() {
        held += 1 + element.data.len();
    }
    let body = packet.extension().map_or(0, |(_, body)| body.len());
    assert!(held <= body, "{held} bytes of elements in {body}");
    written_and_read_again(&packet);
    true
}

fn written_and_read_again(packet: &RtpPacket<'_>) {
    let csrcs: Vec<u32> = packet.csrcs().collect();
    let mut builder = RtpBuilder::new(packet.header(), packet.payload());
    builder.csrcs = &csrcs;
    builder.extension = packet.extension();
    builder.padding = packet.padding_len() as u8;
    let mut out = vec![0; builder.len()];
    assert_eq!(builder.write(&mut out), Ok(out.len()));
    let again = RtpPacket::parse(&out).expect("our own packet");
    assert_eq!((again.header(), again.payload()), (packet.header(), packet.payload()));
    assert_eq!((again.extension(), again.padding_len()), (packet.extension(), packet.padding_len()));
}
