//! Voice activity on recorded speech, in simulated noise.

mod support;

use voip::media::vad::{Vad, VadConfig, VoiceChange};
use voip::media::wav::WavView;
use voip::util::{Rng, SeededRng};

const RATE: usize = 8000;
const WINDOW: usize = 80;

/// Gaussian enough: the sum of three, at an RMS.
fn noise(rng: &mut SeededRng, rms: f64, frames: usize) -> Vec<f64> {
    let part = |bits: u32| f64::from(bits & 0x3ff) / 1023.0 - 0.5;
    let one = |bits: u32| (part(bits) + part(bits >> 10) + part(bits >> 20)) * 2.0;
    (0..frames).map(|_| one(rng.next_u32()) * rms).collect()
}

fn rms(frames: &[i16]) -> f64 {
    (frames.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / frames.len().max(1) as f64).sqrt()
}

fn run(config: VadConfig, pcm: &[i16]) -> Vec<(usize, VoiceChange)> {
    let mut vad = Vad::new(config, RATE as u32);
    let mut changes = Vec::new();
    for (n, frame) in pcm.chunks(160).enumerate() {
        vad.heard(frame, &mut |change| changes.push((n * 20, change)));
    }
    changes
}

/// Speech of 8000 Hz with two seconds of nothing before and after it, and from which to which ms somebody speaks.
fn utterances() -> Vec<(String, Vec<i16>, usize, usize)> {
    let Some(folder) = support::vectors().map(|v| v.join("11_speech")) else { return Vec::new() };
    let mut found = Vec::new();
    for case in support::cases(&folder) {
        let path = case.get("files").list()[0].get("path").text().expect("a path").to_owned();
        let bytes = std::fs::read(folder.join(&path)).expect("a vector file");
        let wav = WavView::parse(&bytes).expect("WAV");
        if wav.format.rate != RATE as u32 {
            continue;
        }
        let pcm = [vec![0; 2 * RATE], wav.to_mono(), vec![0; 2 * RATE]].concat();
        let loud = |w: &[i16]| rms(w) > 400.0;
        let windows: Vec<bool> = pcm.chunks(WINDOW).map(loud).collect();
        let first = windows.iter().position(|&l| l).expect("speech") * 10;
        let last = windows.iter().rposition(|&l| l).expect("speech") * 10;
        found.push((path, pcm, first, last));
    }
    found
}

fn mixed(pcm: &[i16], noise: &[f64]) -> Vec<i16> {
    pcm.iter().zip(noise).map(|(&s, n)| (f64::from(s) + n).clamp(-32768.0, 32767.0) as i16).collect()
}

#[test]
fn speech_is_found_within_a_fifth_of_a_second_in_silence_and_in_noise() {
    let all = utterances();
    for level in [0.0, 20.0, 100.0, 300.0] {
        for (n, (name, pcm, first, last)) in all.iter().enumerate() {
            let mut rng = SeededRng::new(n as u64 + 1);
            let line = mixed(pcm, &noise(&mut rng, level, pcm.len()));
            let changes = run(VadConfig::default(), &line);
            let at = format!("{name} in noise of {level}: speech {first} to {last} ms, {changes:?}");
            let (begin, end) = (changes.first().expect(&at), changes.last().expect(&at));
            assert!(begin.1.speaking && !end.1.speaking, "{at}");
            assert!(begin.0 + 200 >= *first && begin.0 <= first + 200, "{at}");
            assert!(end.0 >= last + 100 && end.0 <= last + 620, "{at}");
            assert!(changes.windows(2).all(|w| w[0].1.speaking != w[1].1.speaking), "{at}");
            assert!(begin.1.level > begin.1.floor * 2, "{at}");
            let voice: u32 = changes.iter().map(|(_, c)| c.voice_ms).sum();
            assert!(f64::from(voice) > 0.6 * (last - first) as f64, "{at}");
        }
    }
    println!("{} recordings in four noises", all.len());
}

#[test]
fn noise_alone_is_no_voice_however_loud_the_line_is() {
    for level in [0.0, 5.0, 30.0, 100.0, 300.0, 900.0] {
        for seed in 0..2 {
            let mut rng = SeededRng::new(seed);
            let line = mixed(&vec![0; 20 * RATE], &noise(&mut rng, level, 20 * RATE));
            assert_eq!(run(VadConfig::default(), &line), [], "noise of {level}, seed {seed}");
        }
    }
}

#[test]
fn noise_that_begins_during_the_call_is_taken_for_noise_soon() {
    let mut rng = SeededRng::new(4);
    let quiet = noise(&mut rng, 20.0, 5 * RATE);
    let fan = noise(&mut rng, 600.0, 20 * RATE);
    let line = mixed(&vec![0; 25 * RATE], &[quiet, fan].concat());
    let changes = run(VadConfig::default(), &line);
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(changes[1].0 < 5000 + 2500 && changes[1].1.floor > 500, "{changes:?}");
}

#[test]
fn a_click_and_a_knock_are_no_voice() {
    let mut line = vec![0i16; 10 * RATE];
    for at in [RATE, 3 * RATE, 3 * RATE + 2000, 6 * RATE] {
        line[at..at + 150].fill(20_000);
    }
    assert_eq!(run(VadConfig::default(), &line), []);
}

#[test]
fn a_fixed_threshold_decides_alone() {
    let tone = |level: f64| -> Vec<i16> {
        (0..RATE).map(|n| (level * (n as f64 * 0.5).sin() * std::f64::consts::SQRT_2) as i16).collect()
    };
    let line = [tone(400.0), tone(600.0), tone(400.0)].concat();
    let config = VadConfig { threshold: 500, hangover_ms: 200, ..VadConfig::default() };
    let changes = run(config, &line);
    assert_eq!(
        changes.iter().map(|(at, c)| (*at, c.speaking)).collect::<Vec<_>>(),
        [(1040, true), (2180, false)]
    );
    assert_eq!(changes[1].1.voice_ms, 1000);
    assert!(changes[1].1.level.abs_diff(600) < 20, "{changes:?}");
}

#[test]
fn what_does_not_come_any_more_is_silence() {
    let mut vad = Vad::new(VadConfig::default(), 8000);
    let mut changes = Vec::new();
    vad.heard(&[0; 4000], &mut |c| changes.push(c.speaking));
    let loud: Vec<i16> = (0..1600).map(|n| if n % 7 < 3 { 5000 } else { -5000 }).collect();
    vad.heard(&loud, &mut |c| changes.push(c.speaking));
    assert_eq!(changes, [true]);
    vad.silence(300, &mut |c| changes.push(c.speaking));
    assert_eq!(changes, [true]);
    vad.silence(110, &mut |c| changes.push(c.speaking));
    assert_eq!(changes, [true, false]);
    vad.heard(&loud, &mut |c| changes.push(c.speaking));
    vad.finish(&mut |c| changes.push(c.speaking));
    assert_eq!(changes, [true, false, true, false]);
}
