//! Sessions under SRTP on a simulated line, in virtual time: what is on the wire, what is heard, what is counted.

use std::net::SocketAddr;
use voip::media::{HostAudio, MediaEvent, PlaySource, Session, SessionConfig, StreamParams};
use voip::proto::rtp::{PayloadFormat, RtpPacket};
use voip::proto::srtp::{MasterKey, Profile, Protector, StreamKeys, Unprotector};
use voip::util::{Duration, Rng, SeededRng, Time};

type Packet = (usize, Vec<u8>);

struct Line {
    now: Time,
    ends: [(Session, HostAudio); 2],
    /// All that was sent, by whom.
    wire: Vec<Packet>,
    /// Frames that were heard and not silent.
    heard: [usize; 2],
    events: [Vec<MediaEvent>; 2],
}

/// Sequence numbers that roll over after two and a half seconds; the rest is random.
struct NearTheWrap(SeededRng, u32);

impl Rng for NearTheWrap {
    fn fill(&mut self, buf: &mut [u8]) {
        self.0.fill(buf);
        self.1 += 1;
        // A session draws SSRC, sequence number, timestamp, step.
        if self.1 % 4 == 2 {
            buf.copy_from_slice(&0xff80_u32.to_le_bytes());
        }
    }
}

const BEYOND_THE_WRAP: u64 = 4;

fn addr(end: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1 + end as u8], 4000))
}

fn key(profile: Profile, seed: u64) -> MasterKey {
    MasterKey::generate(profile, &mut SeededRng::new(seed))
}

/// Keys 1 and 2 for the ends 0 and 1.
fn keys(profile: Profile) -> [Option<Box<StreamKeys>>; 2] {
    let (a, b) = (key(profile, 1), key(profile, 2));
    let both = |send: &MasterKey, receive: &MasterKey| {
        Some(Box::new(StreamKeys { send: send.clone(), receive: receive.clone() }))
    };
    [both(&a, &b), both(&b, &a)]
}

fn params(end: usize, srtp: Option<Box<StreamKeys>>) -> StreamParams {
    let pcmu = PayloadFormat::static_format(0).expect("static");
    StreamParams {
        remote: Some(addr(1 - end)),
        codec: pcmu.clone(),
        receive: vec![pcmu, PayloadFormat::telephone_event(101, 8000)],
        telephone_event: Some(101),
        telephone_event_receive: Some(101),
        ptime_ms: 20,
        sending: true,
        receiving: true,
        srtp,
        rtcp_mux: false,
    }
}

impl Line {
    fn new(keys: [Option<Box<StreamKeys>>; 2]) -> Line {
        let mut rng = NearTheWrap(SeededRng::new(9), 0);
        let mut end = || Session::new(SessionConfig::default(), &mut rng, Time::ZERO);
        let mut line = Line {
            now: Time::from_secs(5),
            ends: [end(), end()],
            wire: Vec::new(),
            heard: [0; 2],
            events: Default::default(),
        };
        for (end, keys) in keys.into_iter().enumerate() {
            line.configure(end, keys);
            let tone = PlaySource::Tone { hz: 440 + 500 * end as u32, level: 8000, frames: u64::MAX };
            line.ends[end].0.play(tone, 1).expect("room");
        }
        line
    }
    fn configure(&mut self, end: usize, keys: Option<Box<StreamKeys>>) {
        self.ends[end].0.configure(self.now, &params(end, keys)).expect("good keys");
    }
    /// `between` may change or swallow what an end sent.
    fn run(&mut self, time: Duration, between: &mut dyn FnMut(usize, &mut Vec<u8>)) {
        let end_time = self.now + time;
        while self.now < end_time {
            self.now += Duration::from_millis(1);
            for end in 0..2 {
                let mut sent: Vec<Vec<u8>> = Vec::new();
                self.ends[end].0.handle_deadline(self.now, &mut |_, bytes| sent.push(bytes.to_vec()));
                for mut bytes in sent {
                    between(end, &mut bytes);
                    self.wire.push((end, bytes.clone()));
                    self.ends[1 - end].0.handle_packet(self.now, addr(end), &mut bytes);
                }
                while let Some(event) = self.ends[end].0.poll_event() {
                    self.events[end].push(event);
                }
                let mut pcm = [0; 480];
                let n = self.ends[end].1.reader.read(&mut pcm);
                self.heard[end] += pcm[..n].iter().filter(|s| s.unsigned_abs() > 500).count();
            }
        }
    }
    fn seconds(&mut self, n: u64) {
        self.run(Duration::from_secs(n), &mut |_, _| {});
    }
}

#[test]
fn both_ends_hear_each_other_and_nothing_plain_is_on_the_wire() {
    for profile in Profile::ALL.into_iter().filter(|p| p.encrypts()) {
        let mut line = Line::new(keys(profile));
        line.seconds(2);
        assert!(line.heard.iter().all(|n| *n > 10_000), "{profile:?}: {:?}", line.heard);
        let (mut decoded, mut plain) = (0, Line::new([None, None]));
        plain.seconds(2);
        let mut reader = Unprotector::new(&key(profile, 1)).unwrap();
        let clear: Vec<_> = plain.wire.iter().filter(|p| p.0 == 0).collect();
        for ((_, bytes), (_, clear)) in line.wire.iter().filter(|p| p.0 == 0).zip(clear) {
            assert_eq!(bytes.len(), clear.len() + profile.rtp_tag_bytes());
            let packet = RtpPacket::parse(bytes).expect("the header is readable");
            assert_ne!(packet.payload()[..160], clear[12..172], "{profile:?}");
            let mut copy = bytes.clone();
            let n = reader.unprotect_rtp(&mut copy).expect("authentic");
            assert_eq!(copy[..n], clear[..], "{profile:?}");
            decoded += 1;
        }
        assert!(decoded > 90);
        for (session, _) in &line.ends {
            let stats = session.stats();
            assert_eq!((stats.rx_srtp_auth, stats.rx_srtp_replay, stats.rx_discarded), (0, 0, 0));
        }
    }
}

#[test]
fn keys_pressed_arrive_under_srtp() {
    let mut line = Line::new(keys(Profile::AesCm128HmacSha1_32));
    let (ms80, ms60) = (Duration::from_millis(80), Duration::from_millis(60));
    line.ends[0].0.send_dtmf("7#", ms80, ms60, 5).expect("negotiated");
    line.seconds(1);
    let digit = |e: &MediaEvent| match e {
        MediaEvent::Dtmf { digit, end: true, .. } => Some(*digit),
        _ => None,
    };
    assert_eq!(line.events[1].iter().filter_map(digit).collect::<String>(), "7#");
}

#[test]
fn forged_and_plain_packets_are_counted_and_never_heard() {
    let mut line = Line::new(keys(Profile::AesCm128HmacSha1_80));
    line.run(Duration::from_secs(2), &mut |end, bytes| {
        if end == 0 {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        }
    });
    let stats = line.ends[1].0.stats();
    assert_eq!((line.heard[1], stats.rx_packets), (0, 0));
    assert!(stats.rx_srtp_auth > 90);
    assert!(line.heard[0] > 10_000, "the other way is untouched");
    assert_eq!(line.events[1], [], "a forger does not start a stream");

    // A plain stream into a protected one, and the other way round.
    let [a, _] = keys(Profile::AesCm128HmacSha1_80);
    let mut mixed = Line::new([a, None]);
    mixed.seconds(2);
    assert_eq!(mixed.heard[0], 0, "plain audio is not heard in a protected stream");
    assert!(mixed.ends[0].0.stats().rx_srtp_auth > 90);
}

#[test]
fn a_replayed_packet_is_counted_and_dropped() {
    let mut line = Line::new(keys(Profile::AeadAes128Gcm));
    line.seconds(1);
    let (heard, before) = (line.ends[1].0.stats().rx_packets, line.wire.clone());
    let now = line.now;
    let mut replayed = 0;
    for (_, mut bytes) in before.into_iter().filter(|p| p.0 == 0) {
        line.ends[1].0.handle_packet(now, addr(0), &mut bytes);
        replayed += 1;
    }
    let stats = line.ends[1].0.stats();
    assert_eq!((stats.rx_packets, stats.rx_srtp_replay), (heard, replayed));
}

#[test]
fn a_description_with_the_same_keys_lets_counters_and_windows_go_on() {
    let mut line = Line::new(keys(Profile::AesCm128HmacSha1_80));
    line.seconds(BEYOND_THE_WRAP);
    let both = keys(Profile::AesCm128HmacSha1_80);
    for (end, keys) in both.into_iter().enumerate() {
        line.configure(end, keys);
    }
    let heard = line.heard;
    line.seconds(2);
    assert!(line.heard[0] > heard[0] + 10_000 && line.heard[1] > heard[1] + 10_000);
    for (end, (session, _)) in line.ends.iter().enumerate() {
        let stats = session.stats();
        assert_eq!((stats.rx_srtp_auth, stats.rx_srtp_replay), (0, 0));
        let (_, last) = line.wire.iter().rev().find(|p| p.0 == end).expect("packets");
        assert!(RtpPacket::parse(last).expect("a packet").sequence().0 < 1000, "it rolled over");
    }
}

#[test]
fn a_peer_with_a_new_key_is_heard_whether_it_keeps_its_counter_or_not() {
    for keeps in [false, true] {
        let mut line = Line::new(keys(Profile::AesCm128HmacSha1_80));
        line.seconds(BEYOND_THE_WRAP);
        let ssrc = line.ends[0].0.stats().local_ssrc;
        let last = line.wire.iter().rev().find(|p| p.0 == 0).map(|p| p.1.clone()).unwrap();
        let sequence = RtpPacket::parse(&last).unwrap().sequence().0;
        let new = key(Profile::AesCm128HmacSha1_80, 77);
        let [_, mine] = keys(Profile::AesCm128HmacSha1_80);
        let mine = StreamKeys { receive: new.clone(), ..*mine.unwrap() };
        line.configure(1, Some(Box::new(mine)));
        let before = line.ends[1].0.stats();

        // What is still under way under the old key is heard as well.
        let mut old = Protector::new(&key(Profile::AesCm128HmacSha1_80, 1)).unwrap();
        old.set_roc(ssrc, 1).unwrap();
        let mut new = Protector::new(&new).unwrap();
        if keeps {
            new.set_roc(ssrc, 1).unwrap();
        }
        for n in 1..=40u16 {
            let mut packet = vec![0x80, 0];
            packet.extend(sequence.wrapping_add(n).to_be_bytes());
            packet.extend((u32::from(n) * 160).to_be_bytes());
            packet.extend(ssrc.to_be_bytes());
            packet.extend([0x55; 160]);
            packet.resize(172 + 10, 0);
            let protector = if n <= 3 { &mut old } else { &mut new };
            protector.protect_rtp(&mut packet, 172).unwrap();
            line.ends[1].0.handle_packet(line.now, addr(0), &mut packet);
        }
        let stats = line.ends[1].0.stats();
        assert_eq!(stats.rx_packets, before.rx_packets + 40, "keeps: {keeps}");
        assert_eq!(stats.rx_srtp_auth, before.rx_srtp_auth);
    }
}

#[test]
fn our_new_key_after_a_roll_over_comes_with_a_new_source() {
    let mut line = Line::new(keys(Profile::AesCm128HmacSha1_80));
    line.seconds(BEYOND_THE_WRAP);
    let before = line.ends[0].0.stats().local_ssrc;
    let [a, b] = keys(Profile::AesCm256HmacSha1_80);
    line.configure(0, a);
    line.configure(1, b);
    let heard = line.heard[1];
    line.seconds(2);
    assert_ne!(line.ends[0].0.stats().local_ssrc, before);
    assert!(line.heard[1] > heard + 10_000);
    assert_eq!(line.ends[1].0.stats().rx_srtp_auth, 0);
}

#[test]
fn a_stream_that_becomes_plain_or_protected_is_wholly_one_or_the_other() {
    let mut line = Line::new([None, None]);
    line.seconds(1);
    for (end, keys) in keys(Profile::AesCm128HmacSha1_80).into_iter().enumerate() {
        line.configure(end, keys);
    }
    line.wire.clear();
    line.seconds(1);
    assert!(line.wire.iter().all(|p| p.1.len() == 182));
    line.configure(0, None);
    line.configure(1, None);
    let heard = line.heard;
    line.wire.clear();
    line.seconds(1);
    assert!(line.wire.iter().all(|p| p.1.len() == 172));
    assert!(line.heard[0] > heard[0] + 4000 && line.heard[1] > heard[1] + 4000);
}
