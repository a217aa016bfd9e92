//! All codecs by the same measures: sizes, quality, and that nothing a stranger sends breaks them.

use super::*;
use core::f64::consts::TAU;
use proptest::prelude::*;

fn tone(codec: &Codec, hz: f64, frames: usize) -> Vec<i16> {
    let of = |i: usize| (12_000.0 * (TAU * hz * i as f64 / f64::from(codec.audio_rate)).sin()) as i16;
    (0..frames).flat_map(|i| std::iter::repeat_n(of(i), usize::from(codec.channels))).collect()
}

/// Coded and decoded packet by packet.
fn through(codec: &Codec, pcm: &[i16], ptime_ms: u32) -> Vec<i16> {
    let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
    let mut heard = Vec::new();
    let per_channel = codec.frame_samples(ptime_ms);
    for packet in pcm.chunks_exact(per_channel * usize::from(codec.channels)) {
        let mut wire = vec![0; codec.payload_bytes(per_channel)];
        assert_eq!(encoder.encode(packet, &mut wire), wire.len());
        assert_eq!(codec.samples_in(wire.len()), per_channel);
        let mut out = vec![0; packet.len()];
        assert_eq!(decoder.decode(&wire, &mut out), packet.len());
        heard.extend_from_slice(&out);
    }
    heard
}

fn snr_db(clean: &[i16], coded: &[i16], delay: usize) -> f64 {
    let pairs = || clean.iter().zip(&coded[delay..]).skip(400).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let signal: f64 = pairs().map(|(a, _)| a * a).sum();
    let noise: f64 = pairs().map(|(a, b)| (a - b) * (a - b)).sum();
    10.0 * (signal / noise.max(1e-9)).log10()
}

#[test]
fn a_tone_keeps_the_quality_that_its_codec_has() {
    for info in codec_list().iter().filter(|info| info.kind != CodecKind::Cn) {
        let codec = info.codec();
        let (delay, least_db) = match info.kind {
            CodecKind::Pcmu | CodecKind::Pcma => (0, 34.0),
            CodecKind::G722 => (22, 25.0),
            CodecKind::L16 => (0, 100.0),
            CodecKind::Dvi4 | CodecKind::Cn => (0, 18.0),
            CodecKind::Gsm => (0, 12.0),
        };
        let pcm = tone(&codec, 437.0, codec.audio_rate as usize / 2);
        for ptime_ms in [10, 20, 30] {
            let snr = snr_db(&pcm, &through(&codec, &pcm, ptime_ms), delay);
            println!("{} {} {}: {snr:.1} dB", info.name, info.clock_rate, info.channels);
            assert!(snr > least_db, "{info:?}: {snr} dB");
        }
    }
}

#[test]
fn sizes_of_20_ms_are_what_rfc_3551_says() {
    let size = |name, rate, channels| {
        let codec = CodecInfo::find(name, rate, channels).expect(name).codec();
        (codec.payload_bytes(codec.frame_samples(20)), codec.samples_to_ticks(codec.frame_samples(20)))
    };
    assert_eq!(size("pcmu", 0, 0), (160, 160));
    assert_eq!(size("G722", 8000, 1), (160, 160));
    assert_eq!(size("L16", 44_100, 2), (3528, 882));
    assert_eq!(size("DVI4", 8000, 1), (84, 160));
    assert_eq!(size("DVI4", 22_050, 1), (224, 440));
    assert_eq!(size("GSM", 8000, 1), (33, 160));
}

#[test]
fn static_payload_types_are_those_of_the_table() {
    for info in codec_list() {
        let row = crate::proto::rtp::PayloadFormat::by_name(info.name, info.clock_rate, info.channels);
        assert_eq!(row.map(|r| r.payload_type), info.payload_type, "{info:?}");
    }
}

#[test]
fn calls_take_mono_audio_only() {
    let of = |name, rate, channels| Codec::from_format(&PayloadFormat::new(100, name, rate, channels));
    assert_eq!(of("g722", 8000, 1).map(|c| (c.kind, c.audio_rate)), Some((CodecKind::G722, 16_000)));
    assert_eq!(of("G722", 16_000, 1), None);
    assert_eq!(of("L16", 16_000, 1).map(|c| c.kind), Some(CodecKind::L16));
    assert_eq!(of("L16", 44_100, 2), None);
    assert_eq!(of("CN", 8000, 1), None);
    assert_eq!(of("PCMU", 16_000, 1), None);
}

#[test]
fn a_codec_list_names_rates_where_there_are_several() {
    let found = |text| CodecInfo::for_calls(text).map(|i| (i.name, i.clock_rate, i.payload_type));
    assert_eq!(found("g722"), Some(("G722", 8000, Some(9))));
    assert_eq!(found("L16"), Some(("L16", 44_100, Some(11))));
    assert_eq!(found("l16/16000"), Some(("L16", 16_000, None)));
    assert_eq!(found("DVI4/22050"), Some(("DVI4", 22_050, Some(17))));
    assert_eq!(found("gsm"), Some(("GSM", 8000, Some(3))));
    for unknown in ["", "CN", "L16/0", "L16/", "PCMU/16000", "G722/x", "opus", "GSM/16000"] {
        assert_eq!(found(unknown), None, "{unknown}");
    }
}

#[test]
fn dvi4_recovers_with_the_packet_after_a_lost_one() {
    let codec = CodecInfo::find("DVI4", 8000, 1).expect("DVI4").codec();
    let pcm = tone(&codec, 300.0, 480);
    let (mut encoder, mut whole, mut lossy) =
        (dvi4::State::default(), dvi4::State::default(), dvi4::State::default());
    for (i, packet) in pcm.chunks(160).enumerate() {
        let (mut wire, mut a, mut b) = ([0; 84], [0; 160], [1; 160]);
        encoder.encode(packet, &mut wire);
        whole.decode(&wire, &mut a);
        if i != 1 {
            lossy.decode(&wire, &mut b);
            assert_eq!(a, b);
        }
    }
    assert_eq!(lossy, encoder);
}

#[test]
fn dvi4_says_the_last_of_an_odd_number_of_samples_twice() {
    let mut wire = [0; 6];
    assert_eq!(dvi4::State::default().encode(&[100, 200, 300], &mut wire), 6);
    let mut pcm = [0; 3];
    assert_eq!(dvi4::State::default().decode(&wire, &mut pcm), 3);
    assert_eq!(dvi4::State::default().decode(&wire[..3], &mut pcm), 0);
    assert_eq!(dvi4::State::new(5, 200).index(), 88);
}

#[test]
fn gsm_packets_hold_whole_frames_whatever_their_duration_is() {
    let codec = CodecInfo::find("GSM", 8000, 1).expect("GSM").codec();
    assert_eq!([10, 20, 30, 40, 60].map(|ms| codec.frame_samples(ms)), [160, 160, 160, 320, 480]);
    assert_eq!((codec.payload_bytes(161), codec.samples_in(98)), (66, 320));
    let (mut wire, mut pcm) = ([0; 99], [1; 480]);
    assert_eq!(gsm::Encoder::default().encode(&[500; 200], &mut wire), 66);
    assert_eq!(gsm::Decoder::default().decode(&wire, &mut pcm), 320, "the third has no signature");
    assert_eq!(gsm::Decoder::default().decode(&wire[..66], &mut pcm[..319]), 160);
}

#[test]
fn noise_has_the_level_and_the_colour_that_were_measured() {
    for level_db in [30, 45, 60] {
        for codes in [&[][..], &[90][..], &[200, 150, 120][..]] {
            let mut payload = vec![level_db];
            payload.extend_from_slice(codes);
            let described = cn::Noise::parse(&payload).expect("a level");
            let mut generator = cn::Generator::new(7);
            generator.set(&described);
            let mut pcm = vec![0; 16_000];
            generator.fill(&mut pcm);
            let measured = cn::Noise::measure(&pcm[800..], codes.len());
            assert!(measured.level_db().abs_diff(level_db) <= 1, "{measured:?} for {payload:?}");
            for (got, want) in measured.codes().iter().zip(codes) {
                assert!(got.abs_diff(*want) <= 8, "{measured:?} for {payload:?}");
            }
        }
    }
}

#[test]
fn a_noise_payload_reads_as_it_was_written() {
    let noise = cn::Noise::parse(&[0x80 | 50, 10, 254, 127]).expect("a level");
    assert_eq!((noise.level_db(), noise.order(), noise.codes()), (50, 3, &[10, 254, 127][..]));
    assert!(noise.reflection(1) < 1.0 && noise.reflection(0) < -0.9 && noise.reflection(2) == 0.0);
    let mut out = [0; cn::MAX_PAYLOAD];
    assert_eq!(noise.write(&mut out), 4);
    assert_eq!(out[..4], [50, 10, 254, 127]);
    assert_eq!(cn::Noise::parse(&[]), None);
    assert_eq!(cn::Noise::parse(&[1, 127, 255, 127]).map(|n| n.order()), Some(1));
    assert_eq!(cn::Noise::measure(&[0; 160], 4).level_db(), 127);
    assert_eq!(cn::Noise::measure(&[i16::MIN; 160], 0).level_db(), 0);
}

proptest! {
    #[test]
    fn any_bytes_decode_within_bounds(
        row in 0..CODECS.len(),
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 1..6),
        room in 0usize..900,
    ) {
        let codec = CODECS[row].codec();
        let mut decoder = Decoder::new(&codec);
        for packet in packets {
            let mut out = vec![0; room];
            let n = decoder.decode(&packet, &mut out);
            let most = codec.samples_in(packet.len()) * usize::from(codec.channels);
            prop_assert!(n <= room && (n <= most + 1 || codec.kind == CodecKind::Cn));
        }
    }

    #[test]
    fn any_samples_encode_within_bounds(
        row in 0..CODECS.len(),
        pcm in proptest::collection::vec(any::<i16>(), 0..900),
        room in 0usize..400,
    ) {
        let codec = CODECS[row].codec();
        let mut out = vec![0; room];
        let n = Encoder::new(&codec).encode(&pcm, &mut out);
        prop_assert!(n <= room && n <= codec.payload_bytes(pcm.len()));
    }
}
