//! Codecs against the reference vectors: G.711's sweep, the ITU-T's G.722 sequences, IMA ADPCM.

mod support;

use std::path::{Path, PathBuf};
use support::{cases, vectors, Json};
use voip::media::codec::{dvi4, g711, g722, gsm};

fn folder(family: &str) -> Option<PathBuf> {
    let folder = vectors()?.join("07_codecs").join(family);
    folder.is_dir().then_some(folder)
}

fn words(path: &Path) -> Vec<u16> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    bytes.chunks_exact(2).map(|w| u16::from_le_bytes([w[0], w[1]])).collect()
}

fn samples(path: &Path) -> Vec<i16> {
    words(path).into_iter().map(|w| w as i16).collect()
}

fn text<'a>(case: &'a Json, key: &str) -> Option<&'a str> {
    case.get(key).text()
}

#[test]
fn g711_is_exact_over_all_values_both_ways() {
    let Some(folder) = folder("g711") else { return println!("no vectors: 0 cases") };
    let source = samples(&folder.join("sweep.src"));
    type Law = (&'static str, &'static str, fn(i16) -> u8, fn(u8) -> i16);
    let laws: [Law; 2] = [
        ("sweep-r.a", "sweep-r.rea", g711::alaw_encode_sample, g711::alaw_decode_sample),
        ("sweep-r.u", "sweep-r.reu", g711::ulaw_encode_sample, g711::ulaw_decode_sample),
    ];
    for (coded, decoded, encode, decode) in laws {
        let (coded, decoded) = (words(&folder.join(coded)), samples(&folder.join(decoded)));
        assert_eq!((source.len(), coded.len(), decoded.len()), (65_536, 65_536, 65_536));
        for ((&sample, &code), &back) in source.iter().zip(&coded).zip(&decoded) {
            assert_eq!(u16::from(encode(sample)), code, "{sample}");
            assert_eq!(decode(code as u8), back, "{code:#x}");
        }
    }
    println!("g711: 2 laws of 65536 values each, both ways");
}

/// A word of the ITU-T's sequences says with its lowest bit that the codec is held in reset.
fn in_reset(word: u16) -> bool {
    word & 1 == 1
}

fn itu_encode(folder: &Path, input: &str, want: &str) {
    let (input, want) = (words(&folder.join(input)), words(&folder.join(want)));
    assert_eq!(input.len(), want.len());
    let mut encoder = g722::Encoder::default();
    for (i, (&word, &want)) in input.iter().zip(&want).enumerate() {
        if in_reset(word) {
            encoder = g722::Encoder::default();
            assert!(in_reset(want));
            continue;
        }
        let sample = word as i16 >> 1;
        assert_eq!(u16::from(encoder.encode_bands(sample, sample)) << 8, want, "word {i}");
    }
}

fn itu_decode(folder: &Path, case: &Json, mode: g722::Mode) {
    let read = |key| words(&folder.join(text(case, key).expect("a file name")));
    let (input, low, high) = (read("input"), read("expect_low_band"), read("expect_high_band"));
    assert_eq!((input.len(), input.len()), (low.len(), high.len()));
    let mut decoder = g722::Decoder::new(mode);
    for (i, &word) in input.iter().enumerate() {
        if in_reset(word) {
            decoder = g722::Decoder::new(mode);
            continue;
        }
        let got = decoder.decode_bands((word >> 8) as u8);
        assert_eq!(got, (low[i] as i16 >> 1, high[i] as i16 >> 1), "word {i}");
    }
}

#[test]
fn g722_is_bit_exact_to_the_itu_sequences_in_all_modes() {
    let Some(folder) = folder("g722") else { return println!("no vectors: 0 cases") };
    let mut ran = 0;
    for case in cases(&folder) {
        let input = text(&case, "input").unwrap_or_default();
        let mode = match case.get("mode") {
            Json::Number(2.0) => g722::Mode::Kbit56,
            Json::Number(3.0) => g722::Mode::Kbit48,
            _ => g722::Mode::Kbit64,
        };
        match (text(&case, "qmf"), text(&case, "op")) {
            (Some("bypassed"), Some("encode")) => {
                itu_encode(&folder, input, text(&case, "expect_bit_exact").expect("a file name"));
            }
            (Some("bypassed"), _) => itu_decode(&folder, &case, mode),
            (_, Some("encode")) => speech_encode(&folder, input, &case),
            (Some(_), _) => speech_decode(&folder, input, &case),
            _ => beep(&folder),
        }
        ran += 1;
    }
    println!("g722: {ran} cases");
    assert_eq!(ran, 11);
}

/// In pieces of changing length: the state must not depend on where packets are cut.
fn speech_encode(folder: &Path, input: &str, case: &Json) {
    let pcm = samples(&folder.join(input));
    let want = words(&folder.join(text(case, "expect_bit_exact").expect("a file name")));
    let mut encoder = g722::Encoder::default();
    let (mut at, mut piece) = (0, 2);
    while at < pcm.len() {
        let end = pcm.len().min(at + piece);
        let mut out = vec![0; (end - at) / 2];
        assert_eq!(encoder.encode(&pcm[at..end], &mut out), out.len());
        for (i, &code) in out.iter().enumerate() {
            assert_eq!(u16::from(code), want[at / 2 + i] & 0xff, "octet {}", at / 2 + i);
        }
        (at, piece) = (end, (piece + 14) % 700 + 2);
    }
}

fn speech_decode(folder: &Path, input: &str, case: &Json) {
    let codes: Vec<u8> = words(&folder.join(input)).into_iter().map(|w| w as u8).collect();
    let want = samples(&folder.join(text(case, "expect_bit_exact").expect("a file name")));
    let mut decoder = g722::Decoder::default();
    let (mut at, mut piece) = (0, 1);
    while at < codes.len() {
        let end = codes.len().min(at + piece);
        let mut out = vec![0; 2 * (end - at)];
        assert_eq!(decoder.decode(&codes[at..end], &mut out), out.len());
        assert_eq!(out, want[2 * at..2 * end], "octets from {at}");
        (at, piece) = (end, (piece + 7) % 350 + 1);
    }
}

fn beep(folder: &Path) {
    let codes = std::fs::read(folder.join("sipp_beep_1sec.g722")).expect("the beep");
    let mut pcm = vec![0i16; 2 * codes.len()];
    assert_eq!(g722::Decoder::default().decode(&codes, &mut pcm), 16_000);
    let peak = pcm.iter().map(|s| s.unsigned_abs()).max();
    assert!(peak > Some(1000), "a beep is to be heard, not {peak:?}");
}

#[test]
fn g722_speech_survives_another_coding() {
    let Some(folder) = folder("g722_speech") else { return println!("no vectors: 0 cases") };
    let mut ran = 0;
    for name in ["demo-echotest.g722", "vm-review.g722"] {
        let codes = std::fs::read(folder.join(name)).expect(name);
        let mut pcm = vec![0i16; 2 * codes.len()];
        g722::Decoder::default().decode(&codes, &mut pcm);
        let mut again = vec![0; codes.len()];
        g722::Encoder::default().encode(&pcm, &mut again);
        let mut back = vec![0i16; pcm.len()];
        g722::Decoder::default().decode(&again, &mut back);
        let (delay, snr) = best_snr(&pcm, &back);
        println!("{name}: {} samples, delay {delay}, {snr:.1} dB after a second coding", pcm.len());
        assert!(snr > 15.0 && delay == 22);
        ran += 1;
    }
    println!("g722_speech: {ran} cases");
}

/// The delay (up to 40 samples) with the best ratio of signal to difference, and that ratio in dB.
fn best_snr(clean: &[i16], coded: &[i16]) -> (usize, f64) {
    let snr = |delay: usize| {
        let square = |x: f64| x * x;
        let pairs = || clean.iter().zip(&coded[delay..]);
        let signal: f64 = pairs().map(|(&a, _)| square(f64::from(a))).sum();
        let noise: f64 = pairs().map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
        10.0 * (signal / noise.max(1.0)).log10()
    };
    (0..40).map(|d| (d, snr(d))).max_by(|a, b| a.1.total_cmp(&b.1)).expect("40 delays")
}

#[test]
fn dvi4_is_bit_exact_to_the_ima_reference() {
    let Some(folder) = folder("ima_adpcm") else { return println!("no vectors: 0 cases") };
    let mut ran = 0;
    for name in ["square", "ramp", "impulse"] {
        let pcm = samples(&folder.join(format!("{name}.pcm")));
        let coded = std::fs::read(folder.join(format!("{name}.adpcm"))).expect("the nibbles");
        let decoded = samples(&folder.join(format!("{name}.decoded.pcm")));
        let mut packet = vec![0xaa; dvi4::HEADER_BYTES + pcm.len() / 2];
        assert_eq!(dvi4::State::default().encode(&pcm, &mut packet), packet.len());
        assert_eq!(packet[..dvi4::HEADER_BYTES], [0; 4]);
        assert_eq!(packet[dvi4::HEADER_BYTES..], coded[..], "{name}");
        let mut back = vec![0; pcm.len()];
        assert_eq!(dvi4::State::default().decode(&packet, &mut back), pcm.len());
        assert_eq!(back, decoded, "{name}");
        ran += 1;
    }
    println!("ima_adpcm: {ran} cases");
}

#[test]
fn gsm_is_decoded_bit_exactly_and_survives_another_coding() {
    let Some(folder) = folder("gsm") else { return println!("no vectors: 0 cases") };
    let mut ran = 0;
    for case in cases(&folder) {
        let id = text(&case, "id").expect("an id");
        let coded = std::fs::read(folder.join(format!("{id}.gsm"))).expect("the frames");
        let want = samples(&folder.join(format!("{id}.decoded.s16le")));
        let mut decoder = gsm::Decoder::default();
        let mut heard = vec![0; want.len()];
        let pieces = coded.chunks(3 * gsm::BYTES).zip(heard.chunks_mut(3 * gsm::SAMPLES));
        for (i, (frames, out)) in pieces.enumerate() {
            assert_eq!(decoder.decode(frames, out), out.len(), "{id}: frames from {}", 3 * i);
        }
        assert!(heard == want, "{id}: sample {:?}", heard.iter().zip(&want).position(|(a, b)| a != b));
        let mut again = vec![0; coded.len()];
        assert_eq!(gsm::Encoder::default().encode(&want, &mut again), coded.len());
        assert_eq!(gsm::Decoder::default().decode(&again, &mut heard), want.len());
        let (delay, snr) = best_snr(&want, &heard);
        println!("{id}: delay {delay}, {snr:.1} dB after a second coding");
        assert!(snr > 8.0 && delay == 0);
        ran += 1;
    }
    println!("gsm: {ran} cases");
}

/// Speech, and what speech never is.
fn hard_inputs() -> Vec<Vec<i16>> {
    let mut inputs: Vec<Vec<i16>> = ["vm-opts", "queue-youarenext"]
        .iter()
        .filter_map(|name| Some(samples(&folder("gsm")?.join(format!("{name}.decoded.s16le")))))
        .collect();
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as i16
    };
    inputs.push((0..32_000).map(|_| noise()).collect());
    inputs.push((0..32_000).map(|_| noise() / 300).collect());
    inputs.push((0..32_000).map(|i| if i / 37 % 2 == 0 { i16::MAX } else { i16::MIN }).collect());
    inputs.push((0..32_000).map(|i| if i % 5000 < 40 { i16::MIN } else { 0 }).collect());
    inputs
}

#[test]
fn gsm_is_encoded_bit_for_bit_as_the_reference_does_where_it_is_installed() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut ran = 0;
    for (i, pcm) in hard_inputs().iter().enumerate() {
        let toast =
            Command::new("toast").args(["-l", "-c"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut toast) = toast else { break };
        let mut input = toast.stdin.take().expect("a pipe");
        let bytes: Vec<u8> = pcm.iter().flat_map(|s| s.to_ne_bytes()).collect();
        let writer = std::thread::spawn(move || input.write_all(&bytes));
        let want = toast.wait_with_output().expect("its output").stdout;
        writer.join().expect("a thread").expect("all was read");
        let mut coded = vec![0; want.len()];
        assert_eq!(gsm::Encoder::default().encode(pcm, &mut coded), want.len());
        let differs = coded.chunks(gsm::BYTES).zip(want.chunks(gsm::BYTES)).position(|(a, b)| a != b);
        assert_eq!(differs, None, "input {i}: the frame that differs");
        ran += 1;
    }
    println!("gsm: {ran} inputs against toast");
}
