//! Real calls over 127.0.0.1: two phones in one process, by events and deadlines, without sleeping.

mod engine_support;

use engine_support::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use voip::engine::error::ErrorKind;
use voip::engine::{EventKind, EventMode, Phone, PhoneConfig, PhoneStatus};
use voip::media::MediaEvent;
use voip::ua::{self, CallState, DialOptions, EndCause, EndedBy};

/// Ports of so many calls, and what stays of them after the calls: shared sockets do.
fn ports(calls: usize) -> usize {
    match media_sockets() {
        0 => calls,
        shared => calls.min(shared),
    }
}
fn after(calls: usize) -> usize {
    match media_sockets() {
        0 => 0,
        shared => calls.min(shared),
    }
}

#[test]
fn two_phones_talk_both_ways_and_each_hears_the_others_tone() {
    let (a, b) = pair();
    let (out, inc) = answered(&a, &b);
    out.play_tone(440, 0).unwrap();
    inc.play_tone(1000, 0).unwrap();
    hear_tone(&inc, 440.0);
    hear_tone(&out, 1000.0);
    out.hangup().unwrap();
    let (mine, yours) = (a.ended(&out), b.ended(&inc));
    assert_eq!((mine.cause, mine.by), (EndCause::Hangup, EndedBy::Local));
    assert_eq!((yours.cause, yours.by), (EndCause::Hangup, EndedBy::Remote));
    assert_eq!((ends_of(&a.log, out.id()), ends_of(&b.log, inc.id())), (1, 1));
    assert_eq!((a.phone.ports_in_use(), b.phone.ports_in_use()), (after(1), after(1)));
}

#[test]
fn the_phone_that_listened_can_call_back() {
    let (a, b) = pair();
    a.phone.accept_calls(true);
    let (out, inc) = answered(&b, &a);
    inc.hangup().unwrap();
    assert_eq!(b.ended(&out).by, EndedBy::Remote);
    assert!(out.wait_state(CallState::Ended, soon()).is_ok());
    assert_eq!(out.hangup().unwrap_err().kind, ErrorKind::CallEnded);
}

#[test]
fn written_audio_is_what_the_other_side_reads() {
    let (a, b) = pair();
    let (out, inc) = answered(&a, &b);
    let pcm = tone(700.0, 1000);
    let mut written = 0;
    while written < pcm.len() {
        written += 2 * out.write_audio(&pcm[written..], soon()).unwrap();
    }
    hear_tone(&inc, 700.0);
    out.drain_audio(soon()).unwrap();
    assert_eq!(out.write_audio(&[0; 3], soon()).unwrap_err().kind, ErrorKind::Argument);
}

#[test]
fn keys_go_both_ways_by_rfc_4733_and_by_info() {
    let (a, b) = pair();
    let (out, inc) = answered(&a, &b);
    out.send_dtmf("15#", 60, 40, false).unwrap();
    assert_eq!(read_keys(&inc, 3), "15#");
    inc.send_dtmf("*A", 60, 40, false).unwrap();
    assert_eq!(read_keys(&out, 2), "*A");
    let id = out.send_dtmf("90", 60, 40, true).unwrap();
    assert_eq!(read_keys(&inc, 2), "90");
    a.log.expect("sent keys", |e| match &e.kind {
        EventKind::Media(MediaEvent::DtmfSent { id: sent }) if *sent == id => Some(()),
        _ => None,
    });
    assert_eq!(inc.pending_dtmf(), 0);
    let none = inc.read_dtmf(&mut [0; 4], Some(Duration::ZERO)).unwrap_err();
    assert_eq!(none.kind, ErrorKind::Timeout);
}

fn read_keys(call: &voip::engine::Call, count: usize) -> String {
    let mut keys = Vec::new();
    while keys.len() < count {
        let mut buf = [0; 1];
        let n = call.read_dtmf(&mut buf, soon()).unwrap();
        keys.extend_from_slice(&buf[..n]);
    }
    String::from_utf8(keys).unwrap()
}

#[test]
fn a_held_call_says_so_to_both_sides_and_comes_back() {
    let (a, b) = pair();
    let (out, inc) = answered(&a, &b);
    out.hold().unwrap();
    expect_media(&b, true, |m| m.0);
    expect_media(&a, true, |m| m.1);
    assert!(inc.media_info().held_by_peer && out.media_info().held_by_us);
    out.resume().unwrap();
    // The third one: set up, held, back again.
    b.log.expect_nth("resumption", 3, |e| is_media(&e.kind).then_some(()));
    a.log.expect_nth("resumption", 3, |e| is_media(&e.kind).then_some(()));
    assert!(!inc.media_info().held_by_peer && !out.media_info().held_by_us);
    inc.play_tone(900, 0).unwrap();
    hear_tone(&out, 900.0);
}

fn is_media(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Ua(ua::Event::CallMedia { .. }))
}

fn expect_media(party: &Party, value: bool, read: impl Fn((bool, bool)) -> bool) {
    party.log.expect("media change", |e| match &e.kind {
        EventKind::Ua(ua::Event::CallMedia { held_by_peer, held_by_us, .. }) => {
            (read((*held_by_peer, *held_by_us)) == value).then_some(())
        }
        _ => None,
    });
}

#[test]
fn early_media_is_heard_before_the_answer() {
    let (a, b) = pair();
    let (out, inc) = ringing(&a, &b);
    inc.progress().unwrap();
    inc.play_tone(425, 0).unwrap();
    out.wait_state(CallState::Progress, soon()).unwrap();
    hear_tone(&out, 425.0);
    assert_eq!(out.state(), CallState::Progress);
    inc.reject(480, None).unwrap();
    assert_eq!(a.ended(&out).sip_code, 480);
}

#[test]
fn a_call_that_is_refused_never_reaches_a_media_worker() {
    let (a, b) = pair();
    let (out, inc) = ringing(&a, &b);
    inc.reject(480, None).unwrap();
    assert_eq!(a.ended(&out).sip_code, 480);
    b.ended(&inc);
    // It hears of shared sockets alone.
    let sockets = b.phone.config().media_sockets as u64;
    assert!(b.phone.stats().media_wakeups <= sockets);
}

#[test]
fn without_a_listener_a_call_is_busy() {
    let (a, b) = (Party::start(config()), Party::start(config()));
    let out = a.dial(&b.target());
    let end = a.ended(&out);
    assert_eq!((end.cause, end.sip_code), (EndCause::Busy, 486));
    assert!(b.phone.calls().is_empty());
}

#[test]
fn a_call_to_nobody_ends_as_unreachable_by_icmp_and_not_after_half_a_minute() {
    let a = Party::start(config());
    let gone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let began = Instant::now();
    let out = a.dial(&format!("sip:{gone}"));
    assert_eq!(a.ended(&out).cause, EndCause::Unreachable);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_is_no_target_is_refused_at_once_and_no_event_follows() {
    let a = Party::start(config());
    for target in ["", "sip:", "bob", "sip:a\r\nb@c"] {
        let refused = a.phone.dial(None, target, DialOptions::default(), &mut |_| ());
        assert_eq!(refused.map(|_| ()).unwrap_err().kind, ErrorKind::Argument, "{target:?}");
    }
    assert!(a.phone.calls().is_empty());
}

#[test]
fn the_limit_of_calls_holds_at_once() {
    let a = Party::start(PhoneConfig { max_calls: 1, ..config() });
    let b = Party::listening(config());
    let (out, _inc) = ringing(&a, &b);
    let second = a.phone.dial(None, &b.target(), DialOptions::default(), &mut |_| ());
    assert_eq!(second.map(|_| ()).unwrap_err().kind, ErrorKind::Limit);
    out.hangup().unwrap();
    a.ended(&out);
    let again = a.dial(&b.target());
    again.hangup().unwrap();
}

#[test]
fn a_phone_in_host_mode_delivers_only_where_it_is_pumped() {
    let a = Party::start(config());
    let b = Party::listening(PhoneConfig { event_mode: EventMode::Host, ..config() });
    let out = a.dial(&b.target());
    let me = std::thread::current().id();
    let inc = b.phone.wait_call(soon()).unwrap();
    assert!(b.log.all().is_empty());
    let mut poll = libc::pollfd { fd: b.phone.event_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd.
    assert_eq!(unsafe { libc::poll(&mut poll, 1, 20_000) }, 1);
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let threads = seen.clone();
    b.phone
        .set_event_sink(Box::new(move |_| threads.lock().unwrap().push(std::thread::current().id())))
        .unwrap();
    assert!(b.phone.process_events(100, soon()).unwrap() > 0);
    inc.answer().unwrap();
    out.wait_state(CallState::Answered, soon()).unwrap();
    while b.phone.process_events(100, Some(Duration::ZERO)).unwrap() > 0 {}
    assert!(seen.lock().unwrap().iter().all(|t| *t == me));
    out.hangup().unwrap();
    inc.wait_state(CallState::Ended, soon()).unwrap();
}

#[test]
fn a_range_without_free_ports_is_503_for_the_caller_and_an_error_for_us() {
    let a = Party::start(config());
    let b = Party::listening(config());
    // One port: the first call takes it.
    let port = b.phone.reserve_port().unwrap();
    b.phone.release_port(port).unwrap();
    let c = Party::listening(PhoneConfig { rtp_ports: (port, port + 1), media_sockets: 0, ..config() });
    let (_one, _inc) = ringing(&a, &c);
    let two = a.dial(&c.target());
    assert_eq!(a.ended(&two).sip_code, 503);
    let three = c.dial(&b.target());
    let end = c.ended(&three);
    assert_eq!(end.cause, EndCause::LocalError);
    assert_eq!(c.phone.reserve_port().unwrap_err().kind, ErrorKind::NoPorts);
    assert!(c.phone.stats().no_ports >= 2);
}

#[test]
fn of_eight_threads_that_answer_and_reject_one_wins_and_nothing_breaks() {
    let (a, b) = pair();
    let (out, inc) = ringing(&a, &b);
    let wins = Arc::new(AtomicUsize::new(0));
    let start = Arc::new(std::sync::Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|i| {
            let (call, wins, start) = (inc.clone(), wins.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                let done = if i % 2 == 0 { call.answer() } else { call.reject(603, Some("no")) };
                wins.fetch_add(usize::from(done.is_ok()), Ordering::SeqCst);
                for _ in 0..200 {
                    let mut pcm = [0; 320];
                    let _ = call.read_audio(&mut pcm, Some(Duration::ZERO));
                    let _ = call.write_audio(&pcm, Some(Duration::ZERO));
                    let _ = call.read_audio_padded(&mut pcm);
                    let _ = (call.state(), call.stats(), call.durations(), call.remote_uri());
                    let _ = call.send_dtmf("1", 40, 20, false);
                    let _ = (call.flush_audio(), call.mute(i % 3 == 0), call.set_gain(100, 90));
                }
                let _ = call.hangup();
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(wins.load(Ordering::SeqCst), 1);
    a.ended(&out);
    b.ended(&inc);
    assert_eq!((ends_of(&a.log, out.id()), ends_of(&b.log, inc.id())), (1, 1));
}

#[test]
fn two_hundred_calls_at_once_are_answered_and_leave_nothing_behind() {
    let many = || PhoneConfig { max_calls: 250, read_buffer_ms: 100, write_buffer_ms: 100, ..config() };
    let (a, b) = (Party::start(many()), Party::listening(many()));
    let target = b.target();
    b.phone.accept_calls(true);
    let answering = {
        let phone = b.phone.clone();
        std::thread::spawn(move || {
            (0..200)
                .map(|_| {
                    let call = phone.wait_call(soon()).unwrap();
                    call.answer().unwrap();
                    call
                })
                .collect::<Vec<_>>()
        })
    };
    let out: Vec<_> = (0..200).map(|_| a.dial(&target)).collect();
    let inc = answering.join().unwrap();
    for call in &out {
        call.wait_state(CallState::Answered, soon()).unwrap();
    }
    assert_eq!((a.phone.ports_in_use(), b.phone.ports_in_use()), (ports(200), ports(200)));
    for call in &out {
        call.hangup().unwrap();
    }
    for call in out.iter().chain(&inc) {
        call.wait_state(CallState::Ended, soon()).unwrap();
    }
    assert_eq!((a.phone.ports_in_use(), b.phone.ports_in_use()), (after(200), after(200)));
    assert!(a.phone.calls().is_empty() && b.phone.calls().is_empty());
    // The state is known before the event about it was delivered.
    for call in &out {
        a.ended(call);
    }
    assert!(out.iter().all(|c| ends_of(&a.log, c.id()) == 1));
}

#[test]
fn a_worker_with_many_calls_wakes_up_by_slots() {
    let many = || PhoneConfig { max_calls: 64, ..config() };
    let (a, b) = (Party::start(many()), Party::listening(many()));
    let target = b.target();
    b.phone.accept_calls(true);
    let mut calls = Vec::new();
    for _ in 0..40 {
        let out = a.dial(&target);
        let inc = b.phone.wait_call(soon()).unwrap();
        inc.answer().unwrap();
        out.wait_state(CallState::Answered, soon()).unwrap();
        calls.push((out, inc));
    }
    let (before, began) = (a.phone.stats().media_wakeups, Instant::now());
    let mut second = [0; 16_000];
    let heard = calls[39].0.read_audio(&mut second, soon()).unwrap();
    let (wakeups, took) = (a.phone.stats().media_wakeups - before, began.elapsed());
    assert_eq!(heard, 8000);
    // A slot is half a millisecond; a worker that spins wakes up a hundred times as often.
    let slots = took.as_micros() as u64 / 500;
    assert!(wakeups <= slots * 3, "{wakeups} wake-ups in {slots} slots");
    for (out, _) in &calls {
        out.hangup().unwrap();
    }
}

#[test]
fn an_ended_call_is_the_last_thing_that_is_heard_of_it() {
    let (a, b) = pair();
    let (out, inc) = answered(&a, &b);
    let file = std::env::temp_dir().join(format!("libvoip-last-{}.wav", std::process::id()));
    out.record_start(file.to_str().unwrap(), 2).unwrap();
    out.play_tone(500, 0).unwrap();
    hear_tone(&inc, 500.0);
    inc.hangup().unwrap();
    a.ended(&out);
    a.phone.shutdown().unwrap();
    let about: Vec<_> = a.log.all().into_iter().filter(|e| e.call.is_some()).collect();
    let last = &about.last().unwrap().kind;
    assert!(matches!(last, EventKind::Ua(ua::Event::CallEnded { .. })), "{last:?}");
    let recorded = about.iter().find_map(|e| match e.kind {
        EventKind::Media(MediaEvent::RecordFinished { frames, ok, .. }) => Some((frames, ok)),
        _ => None,
    });
    let (frames, ok) = recorded.expect("a finished recording before the end");
    assert!(ok && frames > 800, "{frames} frames");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(bytes.len() as u64, 44 + frames * 4);
}

#[test]
fn shutdown_from_another_thread_ends_a_call_and_wakes_a_blocked_reader() {
    let (a, b) = pair();
    let (out, _inc) = answered(&a, &b);
    let reader = std::thread::spawn(move || {
        let mut pcm = [0; 320];
        loop {
            if let Err(error) = out.read_audio(&mut pcm, None) {
                return error.kind;
            }
        }
    });
    let began = Instant::now();
    let phones: Vec<_> = (0..3)
        .map(|_| {
            let phone: Phone = a.phone.clone();
            std::thread::spawn(move || phone.shutdown())
        })
        .collect();
    for phone in phones {
        phone.join().unwrap().unwrap();
    }
    let after = a.log.all().len();
    assert_eq!(reader.join().unwrap(), ErrorKind::CallEnded);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(a.phone.status(), PhoneStatus::Stopped);
    assert_eq!(a.log.all().len(), after);
}

#[test]
fn inside_a_callback_shutdown_says_so_and_another_call_may_be_made() {
    let (a, b) = pair();
    let (send, receive) = std::sync::mpsc::channel();
    let (phone, target) = (a.phone.clone(), b.target());
    a.phone
        .set_event_sink(Box::new(move |event| {
            if matches!(event.kind, EventKind::Ua(ua::Event::CallEnded { .. })) {
                let refused = phone.shutdown().unwrap_err().kind;
                let dialled = phone.dial(None, &target, DialOptions::default(), &mut |_| ()).is_ok();
                let _ = send.send((refused, dialled, phone.wait_call(None).map(|_| ()).unwrap_err().kind));
            }
        }))
        .unwrap();
    let (out, _inc) = ringing(&a, &b);
    out.hangup().unwrap();
    let seen = receive.recv_timeout(PATIENCE).unwrap();
    assert_eq!(seen, (ErrorKind::InCallback, true, ErrorKind::InCallback));
    // The sink holds the phone: let go of it.
    a.phone.set_event_sink(Box::new(|_| ())).unwrap();
}

#[test]
fn a_bound_address_in_use_is_an_error_of_start() {
    let a = Party::start(config());
    let taken = PhoneConfig { bind: a.phone.local_address().unwrap(), ..config() };
    let b = Party::new(taken);
    assert_eq!(b.phone.start().unwrap_err().kind, ErrorKind::AddressInUse);
    assert_eq!(b.phone.status(), PhoneStatus::Failed);
}

#[test]
fn ipv6_carries_a_call_too() {
    let v6 = || PhoneConfig { bind: "[::1]:0".parse().unwrap(), ..config() };
    let a = Party::new(v6());
    if let Err(error) = a.phone.start() {
        println!("no IPv6 here: {error}");
        return;
    }
    let b = Party::listening(v6());
    let (out, inc) = answered(&a, &b);
    inc.play_tone(600, 0).unwrap();
    hear_tone(&out, 600.0);
}
