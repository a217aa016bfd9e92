//! The playback of a session as one queue: marks in it, clearing it, its position. Virtual time.

use std::net::SocketAddr;
use voip::media::{HostAudio, MediaEvent, PlaySource, Session, SessionConfig, StreamParams};
use voip::proto::rtp::{PayloadFormat, RtpPacket};
use voip::util::{SeededRng, Time};

struct World {
    session: Session,
    host: HostAudio,
    now: Time,
    events: Vec<(Time, MediaEvent)>,
    /// When packets went, and whether they were loud.
    sent: Vec<(Time, bool)>,
}

impl World {
    fn new(rate: u32) -> World {
        let ring = rate as usize * 4;
        let config = SessionConfig {
            host_rate: rate,
            read_ring_frames: ring,
            write_ring_frames: ring,
            ..SessionConfig::default()
        };
        let now = Time::from_secs(5);
        let (mut session, host) = Session::new(config, &mut SeededRng::new(3), now);
        let pcmu = PayloadFormat::static_format(0).expect("static");
        let params = StreamParams {
            remote: Some(SocketAddr::from(([192, 0, 2, 1], 4000))),
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
        session.configure(now, &params).expect("G.711");
        World { session, host, now, events: Vec::new(), sent: Vec::new() }
    }

    fn run(&mut self, ms: u64) {
        let until = self.now + voip::util::Duration::from_millis(ms);
        while let Some(at) = self.session.next_deadline().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            let (now, sent) = (self.now, &mut self.sent);
            self.session.handle_deadline(now, &mut |_, bytes| {
                let packet = RtpPacket::parse(bytes).expect("RTP");
                // µ-law: 0xff and 0x7f are zero.
                sent.push((now, packet.payload().iter().any(|b| b & 0x7f < 0x60)));
            });
            self.take_events();
        }
        self.now = until;
    }

    fn take_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.events.push((self.now, event));
        }
    }

    fn loud_after(&self, at: Time) -> usize {
        self.sent.iter().filter(|(t, loud)| *t > at && *loud).count()
    }

    fn marks(&self) -> Vec<(u64, bool)> {
        let mark = |event: &MediaEvent| match event {
            MediaEvent::PlayMark { mark, reached } => Some((*mark, *reached)),
            _ => None,
        };
        self.events.iter().filter_map(|(_, event)| mark(event)).collect()
    }

    fn write(&mut self, ms: usize) {
        let frames = ms * self.session.host_rate() as usize / 1000;
        assert_eq!(self.host.writer.write(&vec![9000; frames]), frames);
    }
    fn mark(&mut self, id: u64) {
        self.session.mark(id, self.host.writer.written());
        self.take_events();
    }
    fn play(&mut self, ms: usize, id: u64) {
        let source = PlaySource::pcm(vec![9000; ms * 8].into(), 8000);
        self.session.play(source, id).expect("room");
    }
    /// As the call does it for the host.
    fn clear(&mut self) {
        self.host.writer.flush();
        self.session.clear_playback();
        self.take_events();
    }
}

#[test]
fn a_mark_is_told_when_what_was_written_before_it_was_sent() {
    for rate in [8000, 48_000, 44_100] {
        let mut w = World::new(rate);
        let start = w.now;
        w.mark(1);
        assert_eq!(w.marks(), [(1, true)], "nothing is before it");
        w.write(300);
        w.mark(2);
        w.write(500);
        w.mark(3);
        w.mark(4);
        w.run(2000);
        assert_eq!(w.marks(), [(1, true), (2, true), (3, true), (4, true)]);
        let at = |id: u64| {
            let is = |e: &MediaEvent| *e == MediaEvent::PlayMark { mark: id, reached: true };
            w.events.iter().find(|(_, e)| is(e)).expect("told").0.since(start).as_millis() as i64
        };
        assert!(
            (at(2) - 290).abs() <= 20 && (at(3) - 790).abs() <= 20 && at(3) == at(4),
            "{rate}: {:?}",
            w.events
        );
    }
}

#[test]
fn a_mark_waits_for_what_is_played_and_for_what_is_written_whichever_is_later() {
    let mut w = World::new(8000);
    w.play(100, 7);
    w.play(200, 8);
    w.write(60);
    w.mark(1);
    w.play(100, 9);
    w.mark(2);
    w.write(1000);
    w.mark(3);
    w.run(2000);
    let told: Vec<_> = w.events.iter().map(|(_, e)| e.clone()).collect();
    let over = |id| MediaEvent::PlayFinished { id, completed: true };
    let mark = |mark| MediaEvent::PlayMark { mark, reached: true };
    assert_eq!(told, [over(7), over(8), mark(1), over(9), mark(2), mark(3)]);
}

#[test]
fn after_a_clear_not_more_than_one_frame_is_heard_and_what_comes_later_is() {
    for rate in [8000, 16_000] {
        let mut w = World::new(rate);
        w.play(3000, 7);
        w.play(3000, 8);
        w.write(2000);
        w.mark(1);
        w.write(500);
        w.mark(2);
        w.run(500);
        assert!(w.loud_after(Time::ZERO) >= 24);
        w.clear();
        let cleared = w.now;
        let stopped = |id| MediaEvent::PlayFinished { id, completed: false };
        let told: Vec<_> = w.events.iter().map(|(_, e)| e.clone()).collect();
        assert!(told.contains(&stopped(7)) && told.contains(&stopped(8)), "{told:?}");
        assert_eq!(w.marks(), [(1, false), (2, false)]);
        w.run(1000);
        assert!(w.loud_after(cleared) <= 1, "{}", w.loud_after(cleared));
        assert!(w.session.is_drained());
        w.write(200);
        w.mark(3);
        w.run(400);
        assert!((10..=12).contains(&w.loud_after(cleared)), "{}", w.loud_after(cleared));
        assert_eq!(w.marks()[2..], [(3, true)]);
    }
}

#[test]
fn a_flush_that_the_next_packet_sees_first_loses_its_marks_as_well() {
    let mut w = World::new(8000);
    w.write(200);
    w.mark(1);
    w.write(200);
    w.mark(2);
    w.run(210);
    w.host.writer.flush();
    w.write(100);
    w.mark(3);
    w.run(300);
    assert_eq!(w.marks(), [(1, true), (2, false), (3, true)]);
}

#[test]
fn the_position_counts_what_was_sent_and_not_what_was_cleared() {
    let mut w = World::new(16_000);
    w.play(400, 7);
    w.play(400, 8);
    w.write(1000);
    w.run(205);
    let s = w.session.stats();
    assert!((180..=220).contains(&s.play_ms) && s.play_id == 7 && s.play_waiting == 1, "{s:?}");
    assert!((2800..=3600).contains(&s.tx_written_frames), "{s:?}");
    w.clear();
    w.run(500);
    let after = w.session.stats();
    assert_eq!((after.play_id, after.play_ms, after.play_waiting), (0, 0, 0));
    assert_eq!(after.tx_written_frames, s.tx_written_frames);
}

#[test]
fn marks_are_bounded_and_each_is_told_by_the_end() {
    let mut w = World::new(8000);
    w.write(1000);
    for id in 0..70 {
        w.mark(id);
    }
    assert_eq!(w.marks(), (64..70).map(|id| (id, false)).collect::<Vec<_>>());
    w.session.close();
    w.take_events();
    // The queue of events is drained after every step, and has room for 64.
    assert_eq!(w.marks().len(), 70);
}

#[test]
fn another_rate_for_the_host_holds_from_then_on_also_in_a_call() {
    let mut w = World::new(8000);
    w.write(300);
    w.run(400);
    let (session, host) = voip::media::host_ring::host_rings(16_000, 48_000, 48_000);
    w.session.set_host(16_000, session);
    w.host = host;
    assert_eq!(w.session.host_rate(), 16_000);
    let from = w.now;
    w.write(400);
    w.mark(1);
    w.run(1000);
    // 400 ms of the new rate are 20 packets, give or take the filters' ends.
    assert!((19..=22).contains(&w.loud_after(from)), "{}", w.loud_after(from));
    assert_eq!(w.marks(), [(1, true)]);
    assert_eq!(w.session.stats().tx_written_frames, 6400);
}
