//! Two sides that negotiate, each with wishes of its own, and what a peer may put between them: an answer of ours is taken
//! by who offered, both sides mean the same by it, and a later offer keeps the meaning of payload types.

use super::bytes::Bytes;
use voip::proto::rtp::PayloadFormat;
use voip::proto::sdp::formats::{payload_formats, same_format};
use voip::proto::sdp::{
    accept_answer, answer, offer, Direction, Keying, LocalMedia, Negotiated, SessionDescription, SrtpMode,
};
use voip::proto::srtp::Profile;
use voip::util::SeededRng;

/// True if two sides came to an agreement.
pub fn run(input: &[u8]) -> bool {
    let mut input = Bytes(input);
    let (mut alice, bob) = (wishes(&mut input, 1), wishes(&mut input, 2));
    let offered = offer(&alice, None);
    let agreed = talk(&alice, &bob, &offered);
    // What a peer makes of it on the way.
    let touched = |input: &mut Bytes<'_>, described: &SessionDescription| {
        let mut text = described.write().into_bytes();
        input.patch(&mut text);
        SessionDescription::parse(&text).ok()
    };
    if let Some(strange) = touched(&mut input, &offered) {
        if let Ok((ours, outcome)) = answer(&bob, &strange) {
            assert_eq!(ours.media.len(), strange.media.len());
            check(&bob, &outcome);
            SessionDescription::parse(ours.write().as_bytes()).expect("our own answer");
            if let Some(answered) = touched(&mut input, &ours) {
                accept_answer(&alice, &offered, &answered).into_iter().for_each(|o| check(&alice, &o));
            }
        }
        again(&bob, &strange);
    }
    // A new wish in the middle of the call.
    let before = offered;
    let kept = wishes(&mut input, 3);
    (alice.codecs, alice.direction, alice.version) = (kept.codecs, kept.direction, 2);
    let offered = again(&alice, &before);
    if agreed {
        talk(&alice, &bob, &offered);
    }
    agreed
}

fn wishes(input: &mut Bytes<'_>, seed: u64) -> LocalMedia {
    let (codecs, dynamic, other, keys) = (input.byte(), input.byte(), input.byte(), input.byte());
    let number = |n: u8| 96 + dynamic.wrapping_add(n) % 32;
    let all = [
        PayloadFormat::new(0, "PCMU", 8000, 1),
        PayloadFormat::new(8, "PCMA", 8000, 1),
        PayloadFormat::new(9, "G722", 8000, 1),
        PayloadFormat::new(number(0), "L16", 16_000, 1),
        PayloadFormat::new(13, "CN", 8000, 1),
        PayloadFormat::telephone_event(number(1), 8000),
        PayloadFormat::telephone_event(number(2), 16_000),
        PayloadFormat::new(3, "GSM", 8000, 1),
    ];
    let wanted = all.into_iter().enumerate().filter(|(i, _)| codecs & 1 << i != 0 || codecs == 0);
    let mut codecs: Vec<PayloadFormat> = wanted.map(|(_, format)| format).collect();
    let turn = usize::from(other) % codecs.len();
    codecs.rotate_left(turn);
    let suites = &Profile::ALL[usize::from(keys) % Profile::ALL.len()..];
    let mode = [SrtpMode::Off, SrtpMode::Optional, SrtpMode::Mandatory][usize::from(keys / 16) % 3];
    LocalMedia {
        address: ([192, 0, 2, seed as u8], 40_000).into(),
        codecs: codecs.into(),
        ptime_ms: u32::from(other) % 120 + 1,
        direction: Direction::new(other & 64 == 0, other & 128 == 0),
        session_id: seed,
        version: 1,
        keying: Keying::generate(mode, suites, &mut SeededRng::new(seed)),
        rtcp_mux: keys & 64 != 0,
        ssrc: (keys & 128 != 0).then_some(seed as u32),
    }
}

/// Offer, answer, and what each side understood.
fn talk(alice: &LocalMedia, bob: &LocalMedia, offered: &SessionDescription) -> bool {
    let offered = SessionDescription::parse(offered.write().as_bytes()).expect("our own offer");
    let Ok((answered, bobs)) = answer(bob, &offered) else { return false };
    let answered = SessionDescription::parse(answered.write().as_bytes()).expect("our own answer");
    let alices = accept_answer(alice, &offered, &answered).expect("our own answer fits our own offer");
    check(alice, &alices);
    check(bob, &bobs);
    assert_eq!(alices.media_index, bobs.media_index);
    assert_eq!((alices.remote, bobs.remote), (Some(bob.address), Some(alice.address)));
    assert_eq!((alices.remote_ssrc, bobs.remote_ssrc), (bob.ssrc, alice.ssrc));
    assert_eq!(alices.direction, bobs.direction.reversed());
    // What one sends the other takes for the same.
    assert!(takes(&alices, &bobs) && takes(&bobs, &alices));
    assert_eq!(alices.telephone_event, bobs.telephone_event_receive);
    assert_eq!(bobs.telephone_event, alices.telephone_event_receive);
    assert_eq!(alices.rtcp_mux, bobs.rtcp_mux);
    match (&alices.keys, &bobs.keys) {
        (Some(a), Some(b)) => assert!(a.send == b.receive && b.send == a.receive, "keys"),
        (a, b) => assert!(a.is_none() && b.is_none(), "only one side has keys"),
    }
    true
}

fn takes(sender: &Negotiated, receiver: &Negotiated) -> bool {
    let known = |sent: &PayloadFormat| {
        receiver.receive.iter().any(|r| r.payload_type == sent.payload_type && same_format(r, sent))
    };
    sender.codecs.iter().all(known)
}

fn check(local: &LocalMedia, outcome: &Negotiated) {
    assert!(!outcome.codecs.is_empty() && outcome.codecs.len() <= outcome.receive.len());
    assert!((5..=120).contains(&outcome.ptime_ms));
    assert!(local.direction.sends() || !outcome.direction.sends());
    assert!(local.keying.mode != SrtpMode::Off || outcome.keys.is_none());
    assert!(local.keying.mode != SrtpMode::Mandatory || outcome.keys.is_some());
}

/// An offer after another one: no payload type changes its meaning (RFC 3264 section 8.3.2).
fn again(local: &LocalMedia, previous: &SessionDescription) -> SessionDescription {
    let next = offer(local, Some(previous));
    assert!(next.media.len() >= previous.media.len());
    let live = |d: &SessionDescription| d.media.iter().position(|m| m.is_audio() && m.port != 0);
    if let Some(at) = live(previous) {
        let (before, after) = (payload_formats(&previous.media[at]), payload_formats(&next.media[at]));
        for format in after {
            let same = before.iter().find(|f| f.payload_type == format.payload_type);
            assert!(same.is_none_or(|f| same_format(f, &format)), "{format:?} was {same:?}");
        }
    }
    SessionDescription::parse(next.write().as_bytes()).expect("our own offer");
    next
}
