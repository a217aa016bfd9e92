//! Any bytes as a description: what is read survives writing, and is answered line by line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voip::proto::rtp::PayloadFormat;
use voip::proto::sdp::{accept_answer, answer, offer, Direction, Keying, LocalMedia, SessionDescription, SrtpMode};
use voip::proto::srtp::Profile;
use voip::util::SeededRng;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = SessionDescription::parse(bytes) else { return };
    let text = read.write();
    let again = SessionDescription::parse(text.as_bytes()).expect("our own text");
    assert_eq!(again.write(), text);
    read.check().expect("what was parsed holds no line ends");
    let local = LocalMedia {
        address: ([192, 0, 2, 7], 40_000).into(),
        codecs: [
            PayloadFormat::new(0, "PCMU", 8000, 1),
            PayloadFormat::new(8, "PCMA", 8000, 1),
            PayloadFormat::telephone_event(101, 8000),
        ]
        .into(),
        ptime_ms: 20,
        direction: Direction::SendRecv,
        session_id: 1,
        version: 1,
        keying: Keying::generate(SrtpMode::Optional, &Profile::ALL, &mut SeededRng::new(3)),
        ssrc: None,
        rtcp_mux: false,
    };
    if let Ok((ours, outcome)) = answer(&local, &read) {
        assert_eq!(ours.media.len(), read.media.len());
        assert!(!outcome.codecs.is_empty() && outcome.ptime_ms > 0);
        SessionDescription::parse(ours.write().as_bytes()).expect("our own answer");
        // Who offered that can take our answer.
        accept_answer(&local, &read, &ours).map(drop).unwrap_or_default();
    }
    let _ = accept_answer(&local, &offer(&local, None), &read);
    let _ = offer(&local, Some(&read)).write();
});
