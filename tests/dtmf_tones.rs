//! Keys as tones: against the shared cases of Q.24, over all rates and limits, and against speech.

mod support;

use std::f64::consts::TAU;
use support::{cases, vectors};
use voip::media::dtmf::detector::{ToneDetector, ToneKey, ToneLimits};
use voip::media::dtmf::tones::{frequencies, KeyTone};
use voip::media::wav;

fn events(pcm: &[i16], rate: u32) -> Vec<ToneKey> {
    let mut found = Vec::new();
    let mut detector = ToneDetector::new(rate, ToneLimits::default());
    for piece in pcm.chunks(160) {
        detector.process(piece, &mut |key| found.push(key));
    }
    detector.finish(&mut |key| found.push(key));
    found
}

fn keys(pcm: &[i16], rate: u32) -> String {
    events(pcm, rate).iter().filter(|k| !k.end).map(|k| k.key).collect()
}

/// A pair of tones between silences, with noise.
struct Pair {
    hz: (f64, f64),
    peaks: (f64, f64),
    ms: f64,
    noise: f64,
}

impl Pair {
    fn of(key: char) -> Pair {
        Pair { hz: frequencies(key).expect("a key"), peaks: (6000.0, 6000.0), ms: 60.0, noise: 0.0 }
    }
    fn off(self, factor: f64) -> Pair {
        Pair { hz: (self.hz.0 * factor, self.hz.1 * factor), ..self }
    }
    fn sound(&self, rate: u32, before: usize) -> Vec<i16> {
        let (rate, mut random) = (f64::from(rate), 7u32);
        let tone = (self.ms * rate / 1000.0) as usize;
        let mut noise = || {
            // The sum of twelve is nearly normal, with variance 1.
            let mut sum = -6.0;
            for _ in 0..12 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                sum += f64::from(random >> 8) / 16_777_216.0;
            }
            sum
        };
        (0..before + tone + (rate / 10.0) as usize)
            .map(|i| {
                let t = (i as f64 - before as f64) / rate;
                let on = i >= before && i < before + tone;
                let wave = (t * TAU * self.hz.0 + 1.0).sin() * self.peaks.0
                    + (t * TAU * self.hz.1).sin() * self.peaks.1;
                ((if on { wave } else { 0.0 }) + noise() * self.noise).round() as i16
            })
            .collect()
    }
}

#[test]
fn the_shared_cases_are_taken_and_refused_as_q_24_says() {
    let Some(folder) = vectors().map(|v| v.join("08_dtmf")).filter(|f| f.is_dir()) else {
        return println!("no vectors: 0 cases");
    };
    let mut ran = 0;
    for case in cases(&folder).iter().filter(|c| c.get("kind").text() == Some("inband")) {
        let pcm: Vec<i16> =
            case.file(&folder).chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
        let want: String = case.get("expect").list().iter().filter_map(|k| k.text()).collect();
        let rate = case.get("rate").number().expect("a rate") as u32;
        assert_eq!(keys(&pcm, rate), want, "{}", case.id());
        ran += 1;
    }
    println!("08_dtmf: {ran} cases of tones");
    assert!(ran > 0);
}

#[test]
fn every_key_is_found_once_at_every_rate_with_its_length() {
    for rate in [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000] {
        for key in "0123456789*#ABCD".chars() {
            let mut pcm = vec![0; rate as usize / 4];
            let mut tone = KeyTone::new(key, 5000, rate, u64::from(rate) / 10).expect("a key");
            assert_eq!(tone.fill(&mut pcm[rate as usize / 20..]), rate as usize / 10);
            let found = events(&pcm, rate);
            assert_eq!(found.iter().map(|k| (k.key, k.end)).collect::<Vec<_>>(), [(key, false), (key, true)]);
            let ms = |frames: u64| frames * 1000 / u64::from(rate);
            let (began, lasted) = (ms(found[1].began), ms(found[1].ended - found[1].began));
            assert!(
                (42..=58).contains(&began) && (90..=110).contains(&lasted),
                "{key} at {rate}: {began} {lasted}"
            );
        }
    }
}

#[test]
fn frequencies_count_up_to_one_and_a_half_percent_and_not_from_three_and_a_half_on() {
    let mut ran = 0;
    for key in "0123456789*#ABCD".chars() {
        for noise in [0.0, 600.0] {
            for factor in [0.985, 0.99, 1.0, 1.01, 1.015] {
                let pcm = Pair { noise, ..Pair::of(key).off(factor) }.sound(8000, 400 + ran % 26);
                assert_eq!(keys(&pcm, 8000), key.to_string(), "{key} at {factor}, noise {noise}");
                ran += 1;
            }
            for factor in [0.95, 0.96, 0.965, 1.035, 1.04, 1.05] {
                let pcm = Pair { noise, ms: 100.0, ..Pair::of(key).off(factor) }.sound(8000, 400 + ran % 26);
                assert_eq!(keys(&pcm, 8000), "", "{key} at {factor}, noise {noise}");
                ran += 1;
            }
        }
    }
    println!("{ran} tones");
}

#[test]
fn tones_count_from_40_ms_on_and_not_up_to_24_wherever_they_begin() {
    for begin in 0..52 {
        for key in ['1', '5', 'D'] {
            let of = |ms: f64, noise: f64| Pair { ms, noise, ..Pair::of(key) }.sound(8000, 400 + begin);
            assert_eq!(keys(&of(40.0, 0.0), 8000), key.to_string(), "begins at {begin}");
            assert_eq!(keys(&of(42.0, 600.0), 8000), key.to_string(), "begins at {begin}, with noise");
            assert_eq!(keys(&of(24.0, 0.0), 8000), "", "begins at {begin}");
        }
    }
}

#[test]
fn a_break_of_10_ms_is_one_key_and_a_pause_of_30_ms_is_two() {
    for begin in 0..52 {
        let tone = Pair::of('8').sound(8000, 400 + begin);
        let mut broken = tone.clone();
        broken.truncate(400 + begin + 480);
        let mut twice = broken.clone();
        let again = &tone[400 + begin..400 + begin + 480];
        broken.extend(std::iter::repeat_n(0, 80).chain(again.iter().copied()).chain([0; 800]));
        twice.extend(std::iter::repeat_n(0, 240).chain(again.iter().copied()).chain([0; 800]));
        assert_eq!(keys(&broken, 8000), "8", "begins at {begin}");
        assert_eq!(keys(&twice, 8000), "88", "begins at {begin}");
    }
}

#[test]
fn twist_counts_within_its_limits_and_one_tone_or_three_are_none() {
    let with = |low: f64, high: f64| Pair { peaks: (low, high), ..Pair::of('5') }.sound(8000, 400);
    let db = |db: f64| 10f64.powf(db / 20.0);
    assert_eq!(keys(&with(4000.0, 4000.0 * db(5.0)), 8000), "5");
    assert_eq!(keys(&with(4000.0 * db(7.0), 4000.0), 8000), "5");
    assert_eq!(keys(&with(4000.0, 4000.0 * db(7.0)), 8000), "");
    assert_eq!(keys(&with(4000.0 * db(9.0), 4000.0), 8000), "");
    assert_eq!(keys(&with(9000.0, 0.0), 8000), "");
    let third = Pair { peaks: (0.0, 5000.0), ..Pair::of('A') }.sound(8000, 400);
    let three: Vec<i16> = with(5000.0, 5000.0).iter().zip(third).map(|(a, b)| a + b).collect();
    assert_eq!(keys(&three, 8000), "");
}

#[test]
fn speech_is_no_key() {
    let Some(folder) = vectors().map(|v| v.join("11_speech")).filter(|f| f.is_dir()) else {
        return println!("no vectors: 0 recordings");
    };
    let (mut ran, mut seconds) = (0, 0.0);
    for entry in std::fs::read_dir(&folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|e| e != "wav") {
            continue;
        }
        let bytes = std::fs::read(&path).expect("a recording");
        let sound = wav::decode(&bytes).expect("a WAV file");
        assert_eq!(keys(&sound.samples, sound.rate), "", "{}", path.display());
        seconds += sound.samples.len() as f64 / f64::from(sound.rate);
        ran += 1;
    }
    println!("{ran} recordings, {seconds:.0} s");
    assert!(ran > 0);
}
