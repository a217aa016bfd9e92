//! RTCP of calls on the port of RTP, in virtual time: when reports go out, what they tell, how they are protected.

use std::net::SocketAddr;
use voip::media::{Session, SessionConfig, StreamParams};
use voip::proto::rtcp::{Compound, NtpTime, Packet, Rule};
use voip::proto::rtp::{classify, PacketKind, PayloadFormat};
use voip::proto::srtp::{MasterKey, Profile, StreamKeys};
use voip::util::{Duration, SeededRng, Time};

struct Line {
    now: Time,
    ends: [Session; 2],
    delay: Duration,
    /// Every so many packets of audio from the first end is lost.
    lose: Option<usize>,
    audio: usize,
    under_way: Vec<(Time, usize, Vec<u8>)>,
    /// RTCP as it was on the wire: when, by whom.
    reports: Vec<(Time, usize, Vec<u8>)>,
}

fn addr(end: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1 + end as u8], 4000))
}

fn params(end: usize, mux: bool, srtp: Option<Box<StreamKeys>>) -> StreamParams {
    let pcmu = PayloadFormat::static_format(0).expect("static");
    StreamParams {
        remote: Some(addr(1 - end)),
        codec: pcmu.clone(),
        receive: vec![pcmu],
        telephone_event: None,
        telephone_event_receive: None,
        ptime_ms: 20,
        sending: true,
        receiving: true,
        srtp,
        rtcp_mux: mux,
    }
}

impl Line {
    fn new(mux: bool, keys: [Option<Box<StreamKeys>>; 2]) -> Line {
        let mut rng = SeededRng::new(3);
        let mut end = |number: u32| {
            // Two hosts whose wall clocks are a day apart.
            let epoch = NtpTime::from_parts(3_900_000_000 + 86_400 * number, 0);
            Session::new(SessionConfig { epoch, ..SessionConfig::default() }, &mut rng, Time::ZERO).0
        };
        let mut line = Line {
            now: Time::from_secs(50),
            ends: [end(0), end(1)],
            delay: Duration::from_millis(30),
            lose: None,
            audio: 0,
            under_way: Vec::new(),
            reports: Vec::new(),
        };
        for (end, keys) in keys.into_iter().enumerate() {
            line.ends[end].configure(line.now, &params(end, mux, keys)).expect("G.711");
        }
        line
    }
    fn run(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while self.now < until {
            self.now += Duration::from_millis(1);
            let now = self.now;
            for end in 0..2 {
                let mut sent = Vec::new();
                self.ends[end].handle_deadline(now, &mut |to, bytes| sent.push((to, bytes.to_vec())));
                for (to, bytes) in sent {
                    assert_eq!(to, addr(1 - end));
                    self.transmit(end, bytes);
                }
            }
            while let Some(at) = self.under_way.iter().position(|(at, ..)| *at <= now) {
                let (_, from, mut bytes) = self.under_way.remove(at);
                self.ends[1 - from].handle_packet(now, addr(from), &mut bytes);
            }
        }
    }
    fn transmit(&mut self, end: usize, bytes: Vec<u8>) {
        if classify(&bytes) == PacketKind::Rtcp {
            self.reports.push((self.now, end, bytes.clone()));
        } else if end == 0 {
            self.audio += 1;
            if self.lose.is_some_and(|every| self.audio % every == 0) {
                return;
            }
        }
        self.under_way.push((self.now + self.delay, end, bytes));
    }
}

#[test]
fn reports_go_out_every_few_seconds_and_tell_round_trip_loss_and_jitter() {
    let mut line = Line::new(true, [None, None]);
    line.lose = Some(10);
    line.run(60);
    for end in 0..2 {
        let stats = line.ends[end].stats();
        assert!((9..=30).contains(&stats.rtcp_sent), "{} reports in a minute", stats.rtcp_sent);
        assert!(stats.rtcp_received >= 9 && stats.rx_discarded == 0);
        // 60 ms of line, and up to a packet interval until the report that is due goes out is no part of it.
        assert!((58_000..=64_000).contains(&stats.rtt_us), "round trip of {} us", stats.rtt_us);
    }
    let (loser, other) = (line.ends[0].stats(), line.ends[1].stats());
    assert!((200..=300).contains(&loser.remote_lost), "{} lost of 3000", loser.remote_lost);
    assert!((80..=120).contains(&loser.remote_loss_permille), "{} of 1000", loser.remote_loss_permille);
    assert_eq!((other.remote_lost, other.remote_loss_permille), (0, 0));
    assert!(loser.remote_jitter_us < 3000);
}

#[test]
fn each_report_is_a_compound_with_the_senders_account_and_a_name_that_says_nothing() {
    let mut line = Line::new(true, [None, None]);
    line.run(30);
    assert!(line.reports.len() > 6);
    let mut names = Vec::new();
    for (at, end, bytes) in &line.reports {
        let compound = Compound::parse(bytes, Rule::Compound).expect("a whole compound");
        let mut packets = compound.packets();
        let Some(Packet::SenderReport(report)) = packets.next() else { panic!("a sender report first") };
        assert_eq!(report.sender.ssrc, line.ends[*end].stats().local_ssrc);
        assert_eq!(report.sender.octets, report.sender.packets * 160);
        let wall = 3_900_000_000 + 86_400 * *end as u64 + at.as_nanos() / 1_000_000_000;
        assert_eq!(u64::from(report.sender.ntp.seconds()), wall);
        assert_eq!(report.blocks().next().expect("a block").ssrc, line.ends[1 - end].stats().local_ssrc);
        let Some(Packet::Sdes(sdes)) = packets.next() else { panic!("a name second") };
        names.push((*end, sdes.chunks().next().and_then(|c| c.item(1)).expect("a CNAME").to_vec()));
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 2, "one name an end");
    assert_ne!(names[0].1, names[1].1);
}

#[test]
fn without_mux_no_rtcp_is_sent_and_what_comes_does_no_harm() {
    let mut line = Line::new(false, [None, None]);
    line.run(20);
    assert!(line.reports.is_empty());
    let mut report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    line.ends[0].handle_packet(line.now, addr(1), &mut report);
    let stats = line.ends[0].stats();
    assert_eq!((stats.rtcp_received, stats.rx_discarded, stats.rtt_us), (0, 0, 0));
}

#[test]
fn a_stranger_tells_nothing_and_garbage_is_counted() {
    let mut line = Line::new(true, [None, None]);
    line.run(12);
    let before = line.ends[0].stats();
    let stranger = SocketAddr::from(([198, 51, 100, 7], 4000));
    let report = line.reports.iter().find(|r| r.1 == 1).expect("a report").2.clone();
    line.ends[0].handle_packet(line.now, stranger, &mut report.clone());
    line.ends[0].handle_packet(line.now, addr(1), &mut [0x80, 200, 0, 99, 0, 0, 0, 1]);
    let stats = line.ends[0].stats();
    assert_eq!(stats.rtcp_received, before.rtcp_received);
    assert_eq!(stats.rx_discarded, before.rx_discarded + 2);
}

#[test]
fn under_srtp_reports_are_srtcp() {
    for profile in [Profile::AesCm128HmacSha1_80, Profile::AeadAes256Gcm] {
        let key = |seed| MasterKey::generate(profile, &mut SeededRng::new(seed));
        let keys = |a, b| Some(Box::new(StreamKeys { send: key(a), receive: key(b) }));
        let mut line = Line::new(true, [keys(1, 2), keys(2, 1)]);
        line.run(30);
        for end in 0..2 {
            let stats = line.ends[end].stats();
            assert!(stats.rtcp_received > 3 && stats.rtt_us > 50_000, "{profile:?}: {stats:?}");
            assert_eq!((stats.rx_srtp_auth, stats.rx_srtp_replay), (0, 0));
        }
        for (_, _, bytes) in &line.reports {
            let readable = Compound::parse(bytes, Rule::Compound).is_ok();
            assert!(!readable, "{profile:?}: a report is plain on the wire");
        }
        let mut forged = line.reports.iter().find(|r| r.1 == 1).expect("a report").2.clone();
        let last = forged.len() - 5;
        forged[last] ^= 1;
        line.ends[0].handle_packet(line.now, addr(1), &mut forged);
        assert_eq!(line.ends[0].stats().rx_srtp_auth + line.ends[0].stats().rx_srtp_replay, 1);
    }
}
