//! RTP packets: other implementations' packets, round trips, and the seeds' defects 1, 2, 3, 4 and 8.

mod support;

use proptest::prelude::*;
use support::Json;
use voip::media::{Session, SessionConfig};
use voip::proto::rtp::{
    ExtendedSequence, PacketError, RtpBuilder, RtpHeader, RtpPacket, SequenceNumber, SequenceTracker,
    TelephoneEvent, Verdict,
};
use voip::util::{SeededRng, Time};

fn header(payload_type: u8, sequence: u16, timestamp: u32) -> RtpHeader {
    RtpHeader { payload_type, marker: true, sequence, timestamp, ssrc: 0x89ab_cdef }
}

#[test]
fn packets_of_other_implementations_are_read_as_they_are_described() {
    let Some(folder) = support::vectors().map(|v| v.join("04_rtp/packets")) else { return };
    let (mut read, mut refused) = (0, 0);
    for case in support::cases(&folder) {
        let bytes = case.file(&folder);
        let parsed = RtpPacket::parse(&bytes);
        let d = case.get("described");
        match d.get("valid") {
            Json::Bool(true) => match parsed {
                Ok(p) => {
                    matches_description(&p, d, case.id());
                    read += 1;
                }
                // The fuzzers' packets are described by their fixed header, even where they end inside an
                // extension.
                Err(e) => {
                    assert_eq!(case.get("verdict").text(), Some("no crash"), "{}: {e}", case.id());
                    refused += 1;
                }
            },
            Json::Bool(false) => {
                assert!(parsed.is_err(), "{}", case.id());
                refused += 1;
            }
            // RTCP: only that nothing breaks.
            _ => {}
        }
    }
    println!("{read} packets read, {refused} refused");
    assert!(read >= 20 && refused >= 1);
}

fn matches_description(p: &RtpPacket<'_>, d: &Json, id: &str) {
    let number = |name: &str| d.get(name).number().map(|n| n as u64);
    let flag = |name: &str| *d.get(name) == Json::Bool(true);
    let hex = |name: &str| d.get(name).text().and_then(|t| u64::from_str_radix(&t[2..], 16).ok());
    assert_eq!(number("version"), Some(u64::from(p.version())), "{id}");
    assert_eq!((flag("padding"), flag("extension")), (p.has_padding(), p.has_extension()), "{id}");
    assert_eq!(number("cc"), Some(p.csrc_count() as u64), "{id}");
    assert_eq!(flag("marker"), p.marker(), "{id}");
    assert_eq!(number("pt"), Some(u64::from(p.payload_type())), "{id}");
    assert_eq!(number("seq"), Some(u64::from(p.sequence().0)), "{id}");
    assert_eq!(number("ts"), Some(u64::from(p.timestamp().0)), "{id}");
    assert_eq!(hex("ssrc"), Some(u64::from(p.ssrc())), "{id}");
    assert_eq!(number("payload_len"), Some(p.payload().len() as u64), "{id}");
    if let Some((profile, body)) = p.extension() {
        assert_eq!(hex("ext_profile"), Some(u64::from(profile)), "{id}");
        assert_eq!(number("ext_words"), Some(body.len() as u64 / 4), "{id}");
        assert!(p.extension_elements().count() <= body.len(), "{id}");
    }
    let event = d.get("as_telephone_event");
    if let Some(code) = event.get("event").number() {
        let e = TelephoneEvent::parse(p.payload()).expect("an event");
        assert_eq!(code as u8, e.event, "{id}");
        assert_eq!(*event.get("end"), Json::Bool(e.end), "{id}");
        assert_eq!(event.get("volume").number(), Some(f64::from(e.volume)), "{id}");
        assert_eq!(event.get("duration").number(), Some(f64::from(e.duration)), "{id}");
    }
}

fn rebuild(p: &RtpPacket<'_>) -> Vec<u8> {
    let csrcs: Vec<u32> = p.csrcs().collect();
    let builder = RtpBuilder {
        csrcs: &csrcs,
        extension: p.extension(),
        padding: p.padding_len() as u8,
        ..RtpBuilder::new(p.header(), p.payload())
    };
    let mut out = vec![0; builder.len()];
    let n = builder.write(&mut out).expect("room");
    out.truncate(n);
    out
}

proptest! {
    #[test]
    fn what_is_built_is_parsed_again_and_what_is_parsed_is_built_again(
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        csrcs in proptest::collection::vec(any::<u32>(), 0..=15),
        words in proptest::option::of(proptest::collection::vec(any::<[u8; 4]>(), 0..20)),
        profile in any::<u16>(),
        padding in any::<u8>(),
        fields in (0u8..128, any::<bool>(), any::<u16>(), any::<u32>(), any::<u32>()),
    ) {
        let (payload_type, marker, sequence, timestamp, ssrc) = fields;
        let body = words.map(|w| w.concat());
        let builder = RtpBuilder {
            header: RtpHeader { payload_type, marker, sequence, timestamp, ssrc },
            csrcs: &csrcs,
            extension: body.as_deref().map(|b| (profile, b)),
            payload: &payload,
            padding,
        };
        let mut bytes = vec![0xaa; builder.len()];
        prop_assert_eq!(builder.write(&mut bytes), Ok(bytes.len()));
        let p = RtpPacket::parse(&bytes).expect("what was built is a packet");
        prop_assert_eq!(p.header(), builder.header);
        prop_assert_eq!(p.csrcs().collect::<Vec<_>>(), csrcs.clone());
        prop_assert_eq!(p.extension(), builder.extension);
        prop_assert_eq!(p.payload(), &payload[..]);
        prop_assert_eq!(p.padding_len(), usize::from(padding));
        prop_assert_eq!(rebuild(&p), bytes);
    }

    #[test]
    fn any_bytes_are_a_packet_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(p) = RtpPacket::parse(&bytes) {
            prop_assert_eq!(p.version(), 2);
            let _ = (p.csrcs().count(), p.extension_elements().count(), p.to_string());
            prop_assert!(p.payload().len() + p.padding_len() + 12 <= bytes.len());
        }
    }
}

#[test]
fn a_field_that_does_not_fit_is_refused_and_nothing_is_written() {
    let mut out = [7; 20];
    let long = RtpBuilder::new(header(0, 1, 1), &[0; 9]);
    assert_eq!(long.write(&mut out), Err(PacketError::Buffer));
    assert_eq!(RtpBuilder::new(header(128, 1, 1), &[]).write(&mut out), Err(PacketError::Field));
    let odd = RtpBuilder { extension: Some((1, &[1, 2, 3])), ..RtpBuilder::new(header(0, 1, 1), &[]) };
    assert_eq!(odd.write(&mut out), Err(PacketError::Field));
    let many = RtpBuilder { csrcs: &[1; 16], ..RtpBuilder::new(header(0, 1, 1), &[]) };
    assert_eq!(many.write(&mut out), Err(PacketError::Field));
    assert_eq!(out, [7; 20]);
}

#[test]
fn defect_01_a_marked_payload_type_is_one_byte() {
    for pt in 0..128 {
        let bytes = header(pt, 1, 1).to_bytes();
        assert_eq!(bytes.len(), 12);
        assert_eq!(bytes[1], 0x80 | pt);
        assert_eq!(RtpPacket::parse(&bytes).map(|p| (p.payload_type(), p.marker())), Ok((pt, true)));
    }
}

#[test]
fn defect_02_sequence_and_timestamp_wrap_without_changing_the_length() {
    let mut sequence = SequenceNumber(u16::MAX - 1);
    for n in 0..4u32 {
        let bytes = header(0, sequence.0, u32::MAX.wrapping_add(n * 160)).to_bytes();
        assert_eq!(bytes.len(), 12);
        assert_eq!(RtpPacket::parse(&bytes).map(|p| p.sequence()), Ok(sequence));
        sequence = sequence.next();
    }
    assert_eq!(sequence, SequenceNumber(2));
}

#[test]
fn defect_03_ssrc_sequence_and_timestamp_begin_anywhere_in_their_range() {
    let mut ssrcs = Vec::new();
    for seed in 0..64 {
        let mut rng = SeededRng::new(seed);
        let (session, _host) = Session::new(SessionConfig::default(), &mut rng, Time::ZERO);
        ssrcs.push(session.stats().local_ssrc);
    }
    let above_16_bits = ssrcs.iter().filter(|s| **s > 0xffff).count();
    assert!(above_16_bits > 60);
    ssrcs.sort_unstable();
    ssrcs.dedup();
    assert_eq!(ssrcs.len(), 64);
}

#[test]
fn defect_04_extension_padding_and_csrcs_are_no_payload() {
    let builder = RtpBuilder {
        csrcs: &[1, 2],
        extension: Some((0xbede, &[0x10, 5, 0, 0])),
        padding: 4,
        ..RtpBuilder::new(header(0, 1, 1), b"voice")
    };
    let mut bytes = [0; 64];
    let n = builder.write(&mut bytes).expect("room");
    let p = RtpPacket::parse(&bytes[..n]).expect("a packet");
    assert_eq!(p.payload(), b"voice");
    assert_eq!(p.extension_elements().next().map(|e| (e.id, e.data.to_vec())), Some((1, vec![5])));
    for count in [0, 6 + 4, 255] {
        bytes[n - 1] = count;
        let parsed = RtpPacket::parse(&bytes[..n]).map(|p| p.payload().len());
        assert_eq!(parsed, Err(PacketError::Padding), "a padding count of {count}");
    }
}

#[test]
fn defect_08_the_wrap_of_the_timestamp_and_the_sequence_is_nothing_special() {
    let mut t = SequenceTracker::new(1);
    let mut last = None;
    for n in 0..200_000u64 {
        let Verdict::Valid(e) = t.update(SequenceNumber(n as u16)) else { panic!("at {n}") };
        assert!(last < Some(e));
        last = Some(e);
    }
    assert_eq!((t.expected(), t.lost()), (200_000, 0));
    assert_eq!(last, Some(ExtendedSequence(65_536 + 199_999)));
}
