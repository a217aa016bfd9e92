//! Comfort noise that a peer sends in a call (RFC 3389), in virtual time.

use std::net::SocketAddr;
use voip::media::{HostAudio, Session, SessionConfig, StreamParams};
use voip::proto::rtp::{PayloadFormat, RtpBuilder, RtpHeader};
use voip::util::{Duration, SeededRng, Time};

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000))
}

struct World {
    session: Session,
    host: HostAudio,
    now: Time,
    sequence: u16,
    timestamp: u32,
    heard: Vec<i16>,
}

impl World {
    fn new(rate: u32) -> World {
        let ring = rate as usize;
        let config = SessionConfig {
            host_rate: rate,
            read_ring_frames: ring,
            write_ring_frames: ring,
            rtp_timeout: Duration::from_secs(3),
            ..SessionConfig::default()
        };
        let (mut session, host) = Session::new(config, &mut SeededRng::new(3), Time::ZERO);
        let pcmu = PayloadFormat::static_format(0).expect("static");
        let params = StreamParams {
            remote: Some(peer()),
            codec: pcmu.clone(),
            receive: vec![pcmu],
            telephone_event: None,
            telephone_event_receive: None,
            ptime_ms: 20,
            sending: true,
            receiving: true,
            srtp: None,
            rtcp_mux: false,
        };
        session.configure(Time::ZERO, &params).expect("G.711");
        World { session, host, now: Time::from_millis(1000), sequence: 9, timestamp: 0, heard: Vec::new() }
    }

    fn packet(&mut self, payload_type: u8, payload: &[u8]) {
        let (sequence, timestamp) = (self.sequence, self.timestamp);
        let header = RtpHeader { payload_type, marker: false, sequence, timestamp, ssrc: 7 };
        self.sequence = sequence.wrapping_add(1);
        let mut packet = vec![0; 12 + payload.len()];
        RtpBuilder::new(header, payload).write(&mut packet).expect("room");
        self.session.handle_packet(self.now, peer(), &mut packet);
    }

    /// Milliseconds go by, and the host listens.
    fn pass(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        self.timestamp = self.timestamp.wrapping_add(ms as u32 * 8);
        while let Some(at) = self.session.next_deadline().filter(|at| *at <= until) {
            self.session.handle_deadline(at, &mut |_, _| {});
            while self.session.poll_event().is_some() {}
            let mut pcm = [0; 4800];
            let n = self.host.reader.read(&mut pcm);
            self.heard.extend(&pcm[..n]);
        }
        self.now = until;
    }

    fn talk(&mut self, packets: u32) {
        for _ in 0..packets {
            // µ-law of some 3900.
            self.packet(0, &[0x90; 160]);
            self.pass(20);
        }
    }
}

fn rms(pcm: &[i16]) -> f64 {
    (pcm.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / pcm.len().max(1) as f64).sqrt()
}

#[test]
fn the_silence_that_a_peer_describes_is_heard_until_it_speaks_again() {
    for rate in [8000, 16_000] {
        let mut w = World::new(rate);
        w.talk(50);
        w.heard.clear();
        w.packet(13, &[50]);
        w.pass(1000);
        let second = rate as usize;
        assert!(w.heard.len().abs_diff(second) < second / 10, "{rate}: {} frames", w.heard.len());
        // -50 dBov.
        let level = rms(&w.heard[second / 4..]);
        assert!((80.0..130.0).contains(&level), "{rate}: {level}");
        // Softer now.
        w.packet(13, &[60]);
        w.pass(500);
        w.heard.clear();
        w.pass(500);
        assert!((25.0..45.0).contains(&rms(&w.heard)), "{rate}: {}", rms(&w.heard));
        assert_eq!(w.session.stats().rx_concealed_frames, 0);
        w.heard.clear();
        w.talk(50);
        let loud = w.heard.iter().filter(|s| s.unsigned_abs() > 3000).count();
        assert!(loud > second * 9 / 10, "{rate}: {loud} loud frames");
        let stats = w.session.stats();
        assert_eq!((stats.rx_lost, stats.rx_late, stats.rx_discarded), (0, 0, 0));
    }
}

#[test]
fn a_peer_may_begin_with_silence_and_may_go_away_in_it() {
    let mut w = World::new(8000);
    w.packet(13, &[40, 120]);
    w.pass(500);
    assert!(w.heard.len() > 3600 && rms(&w.heard[800..]) > 100.0, "{} frames", w.heard.len());
    // No packet for three seconds: it is not silent, it is gone.
    w.pass(4000);
    w.heard.clear();
    w.pass(1000);
    assert_eq!(w.heard.len(), 0);
    w.talk(10);
    assert!(rms(&w.heard) > 3000.0);
}

#[test]
fn what_was_still_on_its_way_when_silence_began_is_heard_first() {
    let mut w = World::new(8000);
    w.talk(50);
    w.heard.clear();
    // Three packets and the silence behind them come at once.
    for _ in 0..3 {
        w.packet(0, &[0x90; 160]);
        w.timestamp += 160;
    }
    w.packet(13, &[70]);
    w.pass(400);
    let loud = w.heard.iter().filter(|s| s.unsigned_abs() > 3000).count();
    assert!(loud >= 480, "{loud}");
    assert!(rms(&w.heard[w.heard.len() - 800..]) < 40.0);
    w.packet(13, &[]);
    w.pass(100);
    assert!(w.session.stats().rx_discarded == 0);
}
