//! Defects of the seed that the engine must not repeat (SEEDS part 6), by number.

mod engine_support;

use engine_support::*;
use std::time::{Duration, Instant};
use voip::engine::error::ErrorKind;
use voip::engine::{EventKind, PhoneConfig, PhoneStatus};
use voip::media::MediaEvent;
use voip::ua::{CallState, EndCause, EndedBy};

#[test]
fn seed_07_received_audio_that_nobody_reads_does_not_grow() {
    let a = Party::start(PhoneConfig { read_buffer_ms: 100, ..config() });
    let b = Party::listening(config());
    let (out, inc) = answered(&a, &b);
    inc.play_tone(300, 0).unwrap();
    out.set_stats_interval(Duration::from_millis(20)).unwrap();
    a.log.expect("an overrun", |e| match &e.kind {
        EventKind::CallStats(stats) if stats.rx_overrun_frames > 0 => Some(()),
        _ => None,
    });
    assert!(out.read_available().unwrap() <= 800);
}

#[test]
fn seed_09_packets_leave_by_deadlines_and_not_by_slept_frames() {
    let (a, b) = pair();
    let (out, inc) = answered(&a, &b);
    out.play_tone(300, 0).unwrap();
    let began = Instant::now();
    let first = inc.stats().rx_packets;
    // Two seconds of what really came.
    for _ in 0..10 {
        hear(&inc, 200);
    }
    let (elapsed, packets) = (began.elapsed().as_secs_f64(), inc.stats().rx_packets - first);
    let expected = elapsed * 50.0;
    assert!((packets as f64 - expected).abs() < 10.0, "{packets} packets in {elapsed:.2} s");
}

#[test]
fn seed_10_the_first_packet_leaves_right_after_the_answer() {
    let (a, b) = pair();
    let (out, inc) = ringing(&a, &b);
    inc.answer().unwrap();
    let began = Instant::now();
    a.log.expect("first packet", |e| match &e.kind {
        EventKind::Media(MediaEvent::Started { .. }) => Some(()),
        _ => None,
    });
    // The seed waited a second before it sent anything.
    assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
    drop(out);
}

#[test]
fn seed_12_ports_are_asked_for_with_errors_and_not_with_an_index_error() {
    let wrong = PhoneConfig { rtp_ports: (20_000, 10_000), ..config() };
    let error = voip::engine::Phone::new(wrong).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Range);
    assert!(error.message.contains("20000"), "{error}");
    let a = Party::start(config());
    let port = a.phone.reserve_port().unwrap();
    assert_eq!(port % 2, 0);
    let one = Party::new(PhoneConfig { rtp_ports: (port, port + 1), ..config() });
    let held = std::net::UdpSocket::bind(("127.0.0.1", port)).unwrap();
    assert_eq!(one.phone.start().unwrap_err().kind, ErrorKind::NoPorts);
    drop(held);
    one.phone.start().unwrap();
}

#[test]
fn seed_13_audio_written_before_the_answer_is_heard_after_it() {
    let (a, b) = pair();
    let (out, inc) = ringing(&a, &b);
    let pcm = tone(800.0, 600);
    assert_eq!(inc.write_audio(&pcm, Some(Duration::ZERO)).unwrap(), 4800);
    inc.answer().unwrap();
    hear_tone(&out, 800.0);
}

#[test]
fn seed_15_and_16_a_call_can_be_cancelled_and_both_sides_know() {
    let (a, b) = pair();
    let (out, inc) = ringing(&a, &b);
    out.hangup().unwrap();
    let (mine, yours) = (a.ended(&out), b.ended(&inc));
    assert_eq!((mine.cause, mine.by), (EndCause::Cancelled, EndedBy::Local));
    assert_eq!((yours.cause, yours.by), (EndCause::Cancelled, EndedBy::Remote));
    assert_eq!(inc.answer().unwrap_err().kind, ErrorKind::CallEnded);
}

#[test]
fn seed_24_stop_ends_during_a_call_and_the_phone_starts_again() {
    let (a, b) = pair();
    for _ in 0..3 {
        let (out, inc) = answered(&a, &b);
        let began = Instant::now();
        a.phone.stop(Duration::from_secs(2)).unwrap();
        a.phone.wait_stopped(soon()).unwrap();
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert_eq!((out.state(), a.phone.status()), (CallState::Ended, PhoneStatus::Stopped));
        assert_eq!(a.ended(&out).cause, EndCause::Shutdown);
        assert_eq!(b.ended(&inc).by, EndedBy::Remote);
        assert_eq!(out.hangup().unwrap_err().kind, ErrorKind::CallEnded);
        a.phone.start().unwrap();
    }
    a.phone.shutdown().unwrap();
    assert_eq!(a.phone.stop(Duration::ZERO).unwrap_err().kind, ErrorKind::State);
}

#[test]
fn seed_24_stop_without_anything_to_stop_is_quick_as_well() {
    for _ in 0..10 {
        let began = Instant::now();
        let a = Party::start(config());
        a.phone.shutdown().unwrap();
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}
