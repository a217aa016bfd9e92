//! The seeds' defects in media, each a test by its number.

use std::net::SocketAddr;
use voip::media::{HostAudio, MediaEvent, Session, SessionConfig, StreamParams};
use voip::proto::rtp::{PayloadFormat, RtpBuilder, RtpHeader, RtpPacket, TelephoneEvent};
use voip::util::{Duration, SeededRng, Time};

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000))
}

fn params() -> StreamParams {
    let pcmu = PayloadFormat::static_format(0).expect("static");
    StreamParams {
        remote: Some(peer()),
        codec: pcmu.clone(),
        receive: vec![pcmu, PayloadFormat::telephone_event(101, 8000)],
        telephone_event: Some(101),
        telephone_event_receive: Some(101),
        ptime_ms: 20,
        sending: true,
        receiving: true,
        srtp: None,
        rtcp_mux: false,
    }
}

/// A session and the packets of a peer.
struct Bench {
    session: Session,
    host: HostAudio,
    now: Time,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    from: SocketAddr,
    sent: Vec<(Time, SocketAddr, Vec<u8>)>,
    events: Vec<MediaEvent>,
}

impl Bench {
    fn new() -> Bench {
        let mut b = Bench::unconfigured();
        b.session.configure(b.now, &params()).expect("G.711");
        b
    }
    fn unconfigured() -> Bench {
        let mut rng = SeededRng::new(5);
        let now = Time::from_secs(1);
        let (session, host) = Session::new(SessionConfig::default(), &mut rng, now);
        Bench {
            session,
            host,
            now,
            sequence: 65_500,
            timestamp: u32::MAX - 3_000,
            ssrc: 0x0102_0304,
            from: peer(),
            sent: Vec::new(),
            events: Vec::new(),
        }
    }

    fn packet(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8]) {
        let header = RtpHeader { payload_type, marker, sequence: self.sequence, timestamp, ssrc: self.ssrc };
        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = [0; 400];
        let n = RtpBuilder::new(header, payload).write(&mut bytes).expect("room");
        self.session.handle_packet(self.now, self.from, &mut bytes[..n]);
    }
    fn audio(&mut self, code: u8) {
        self.packet(0, false, self.timestamp, &[code; 160]);
        self.timestamp = self.timestamp.wrapping_add(160);
    }
    fn event(&mut self, event: u8, end: bool, duration: u16) {
        let e = TelephoneEvent { event, end, volume: 10, duration };
        self.packet(101, false, self.timestamp, &e.to_bytes());
    }

    /// Passes time, running every deadline at its instant.
    fn pass(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(at) = self.session.next_deadline().filter(|t| *t <= until) {
            self.now = self.now.max(at);
            let (now, sent) = (self.now, &mut self.sent);
            self.session.handle_deadline(now, &mut |to, b| sent.push((now, to, b.to_vec())));
        }
        self.now = until;
        while let Some(e) = self.session.poll_event() {
            self.events.push(e);
        }
    }
    fn read(&mut self) -> Vec<i16> {
        let mut out = vec![0; 4000];
        let n = self.host.reader.read(&mut out);
        out.truncate(n);
        out
    }
    fn keys(&self) -> Vec<(char, u32, bool)> {
        let key = |e: &MediaEvent| match e {
            MediaEvent::Dtmf { digit, duration_ms, end } => Some((*digit, *duration_ms, *end)),
            _ => None,
        };
        self.events.iter().filter_map(key).collect()
    }
}

#[test]
fn defect_05_keys_need_no_marker_have_a_duration_and_any_event_is_tolerated() {
    let mut b = Bench::new();
    for event in 0..=255u8 {
        b.event(event, false, 160);
        b.pass(20);
        b.event(event, true, 800);
        b.event(event, true, 800);
        b.timestamp = b.timestamp.wrapping_add(2000);
        b.pass(20);
    }
    let want: Vec<_> = "0123456789*#ABCD!".chars().flat_map(|k| [(k, 20, false), (k, 100, true)]).collect();
    assert_eq!(b.keys(), want);
    b.packet(101, true, b.timestamp, &[1, 2]);
    b.event(9, false, 160);
    b.pass(1000);
    // The end was lost: time ends it.
    assert_eq!(b.keys()[want.len()..], [('9', 20, false), ('9', 20, true)]);
}

#[test]
fn defect_06_silence_is_audio_and_nothing_is_nothing() {
    let mut b = Bench::new();
    assert_eq!(b.read(), []);
    for _ in 0..5 {
        b.audio(0xff);
        b.pass(20);
    }
    assert_eq!(b.read(), [0; 800]);
    assert_eq!(b.read(), []);
}

#[test]
fn defect_07_nothing_grows_with_the_length_of_a_call() {
    let mut b = Bench::new();
    let mut after_a_second = 0;
    for n in 0..100_000 {
        b.audio(n as u8);
        b.pass(20);
        b.sent.clear();
        b.events.clear();
        if n == 50 {
            after_a_second = b.session.memory();
        }
    }
    assert_eq!(b.session.memory(), after_a_second);
    // Nobody read: what there was no room for is counted, not kept.
    assert!(b.host.reader.capacity() == 1600 && b.session.stats().rx_overrun_frames > 15_000_000);
}

#[test]
fn defect_08_the_wrap_of_the_timestamp_does_not_disturb_the_audio() {
    let mut b = Bench::new();
    let mut heard = Vec::new();
    for n in 0..100u8 {
        b.audio(n);
        b.pass(20);
        heard.extend(b.read());
    }
    let codes: Vec<u8> = (0..100u8).flat_map(|n| [n; 160]).collect();
    let mut want = vec![0; codes.len()];
    voip::media::codec::g711::ulaw_decode(&codes, &mut want);
    assert_eq!(heard, want);
    assert!(b.sequence < 65_500 && b.timestamp < 100_000, "both have wrapped");
}

#[test]
fn defect_09_packets_leave_on_a_grid_however_late_the_wake_ups_are() {
    let mut b = Bench::new();
    let start = b.now;
    let mut count = 0;
    for n in 0..3000u64 {
        // The worker is up to 7 ms late.
        let at = start + Duration::from_millis(n * 20) + Duration::from_micros(n * 1_237 % 7_000);
        b.session.handle_deadline(at, &mut |_, _| count += 1);
        assert_eq!(b.session.next_deadline(), Some(start + Duration::from_millis((n + 1) * 20)));
    }
    assert_eq!(count, 3000);
    let late = b.session.stats().tx_late_max_us;
    assert!((6_900..7_000).contains(&late), "{late}");
}

#[test]
fn defect_10_the_first_packet_leaves_at_once() {
    let mut b = Bench::new();
    let start = b.now;
    b.pass(0);
    assert_eq!(b.sent.first().map(|s| s.0), Some(start));
}

#[test]
fn defect_11_audio_goes_back_to_where_it_comes_from() {
    let mut b = Bench::new();
    b.pass(40);
    assert!(b.sent.iter().all(|s| s.1 == peer()));
    let nat = SocketAddr::from(([198, 51, 100, 7], 61_000));
    b.from = nat;
    b.audio(1);
    b.sent.clear();
    b.pass(40);
    assert!(b.sent.len() >= 2 && b.sent.iter().all(|s| s.1 == nat));
    assert!(b.events.contains(&MediaEvent::Started { from: nat }));
    // A stranger can't take it away.
    b.from = SocketAddr::from(([203, 0, 113, 9], 5));
    b.ssrc = 99;
    for _ in 0..4 {
        b.audio(2);
    }
    b.sent.clear();
    b.pass(40);
    assert!(b.sent.iter().all(|s| s.1 == nat));
    assert_eq!(b.session.stats().rx_discarded, 4);
}

#[test]
fn defect_13_audio_written_before_the_answer_is_sent_after_it() {
    let mut b = Bench::unconfigured();
    let pcm: Vec<i16> = (0..800).map(|i| i * 20).collect();
    assert_eq!(b.host.writer.write(&pcm), 800);
    b.pass(5_000);
    assert_eq!(b.host.writer.pending(), 800);
    // An early answer without an address changes nothing.
    let nowhere = StreamParams { remote: None, ..params() };
    b.session.configure(b.now, &nowhere).expect("G.711");
    b.pass(1_000);
    assert_eq!(b.host.writer.pending(), 800);
    b.session.configure(b.now, &params()).expect("G.711");
    b.pass(101);
    let payloads: Vec<u8> =
        b.sent.iter().flat_map(|s| RtpPacket::parse(&s.2).expect("RTP").payload().to_vec()).collect();
    let mut want = vec![0; 800];
    voip::media::codec::g711::ulaw_encode(&pcm, &mut want);
    assert_eq!(payloads[..800], want[..]);
    assert!(b.session.is_drained());
}

#[test]
fn defect_17_a_second_stream_is_never_mixed_into_the_first() {
    let mut b = Bench::new();
    for _ in 0..200 {
        b.audio(0x40);
        let (sequence, timestamp) = (b.sequence, b.timestamp);
        // From elsewhere, and from the same address with another SSRC.
        for (from, ssrc) in [(SocketAddr::from(([203, 0, 113, 9], 5)), 99), (peer(), 77)] {
            (b.from, b.ssrc) = (from, ssrc);
            b.packet(0, false, timestamp, &[0x90; 160]);
        }
        (b.from, b.ssrc, b.sequence) = (peer(), 0x0102_0304, sequence);
        b.pass(20);
        let level = voip::media::codec::g711::ulaw_decode_sample(0x40);
        assert!(b.read().iter().all(|s| *s == level));
    }
    assert_eq!(b.session.stats().rx_discarded, 400);
    assert_eq!(b.session.stats().rx_packets, 200);
}

#[test]
fn defect_27_after_a_pause_the_host_hears_what_is_said_now() {
    let mut b = Bench::new();
    for _ in 0..500 {
        b.audio(0x10);
        b.pass(20);
    }
    assert_eq!(b.read(), [], "ten seconds nobody read: all of it is old");
    let level = voip::media::codec::g711::ulaw_decode_sample(0x30);
    for _ in 0..5 {
        b.audio(0x30);
        b.pass(20);
    }
    let heard = b.read();
    assert!(heard.len() >= 640 && heard.iter().all(|s| *s == level), "{}", heard.len());
    // The same when the peer paused: nothing of before is left over.
    b.pass(10_000);
    b.read();
    b.timestamp = b.timestamp.wrapping_add(80_000);
    b.audio(0x20);
    b.pass(20);
    let level = voip::media::codec::g711::ulaw_decode_sample(0x20);
    assert_eq!(b.read().last(), Some(&level));
}
