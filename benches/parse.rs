//! How long it takes to parse an INVITE with SDP, and to look up what a user agent asks for.
//! The figure of comparison is a bare scan of the same bytes for line ends, measured in the same run.

use std::hint::black_box;
use std::time::{Duration, Instant};
use voip::proto::sip::message::{HeaderName, Message};

const INVITE: &[u8] = include_bytes!("data/invite.sip");
const RUNS: usize = 9;

fn main() {
    let bytes = with_crlf(INVITE);
    let floor = median(|| black_box(&bytes).iter().filter(|&&b| b == b'\n').count());
    let parse = median(|| Message::parse(black_box(&bytes)).is_ok());
    let look_up = median(|| match Message::parse(black_box(&bytes)) {
        Ok(message) => message.header(HeaderName::CallId).map_or(0, str::len) + message.body().len(),
        Err(_) => 0,
    });
    assert!(Message::parse(&bytes).is_ok(), "the INVITE must parse");
    println!("{} bytes of INVITE with SDP, median of {RUNS} runs", bytes.len());
    for (what, ns) in
        [("scan for line ends (floor)", floor), ("parse", parse), ("parse and look up", look_up)]
    {
        println!("{what:28} {ns:9.0} ns  {:6.1} x floor", ns / floor);
    }
}

/// The file may have been stored with bare line feeds; the wire has CRLF.
fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    for (i, &b) in text.iter().enumerate() {
        if b == b'\n' && (i == 0 || text[i - 1] != b'\r') {
            out.push(b'\r');
        }
        out.push(b);
    }
    out
}

/// Nanoseconds of one `work`, the median of several runs of about 30 ms each.
fn median<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut runs = [0.0; RUNS];
    for run in &mut runs {
        let (start, mut count) = (Instant::now(), 0u32);
        while start.elapsed() < Duration::from_millis(30) {
            for _ in 0..100 {
                black_box(work());
            }
            count += 100;
        }
        *run = start.elapsed().as_nanos() as f64 / f64::from(count);
    }
    runs.sort_by(f64::total_cmp);
    runs[RUNS / 2]
}
