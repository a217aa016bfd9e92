//! In steady state a session allocates nothing: counted by the allocator itself.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use voip::media::{PlaySource, RtpStream, RtpStreamConfig, Session, SessionConfig, StreamParams, VadConfig};
use voip::proto::rtcp::NtpTime;
use voip::proto::rtp::{sender_ssrc, Demux, PayloadFormat, Route, RtpBuilder, RtpHeader, TelephoneEvent};
use voip::proto::srtp::{MasterKey, Profile, Protector, StreamKeys};
use voip::util::{Duration, SeededRng, Time};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        System.dealloc(p, layout);
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> u64 {
    COUNT.with(Cell::get)
}

fn steady_state(host_rate: u32, profile: Option<Profile>) -> u64 {
    let peer = SocketAddr::from(([192, 0, 2, 1], 4000));
    let config = SessionConfig {
        host_rate,
        read_ring_frames: host_rate as usize / 5,
        write_ring_frames: host_rate as usize / 5,
        ..SessionConfig::default()
    };
    let mut rng = SeededRng::new(1);
    let (mut session, mut host) = Session::new(config, &mut rng, Time::ZERO);
    let pcmu = PayloadFormat::static_format(0).expect("static");
    // Both ends with one key: what comes back is good for the test, and bad for a phone.
    let key = profile.map(|profile| MasterKey::generate(profile, &mut rng));
    let mut peer_side = key.as_ref().map(|key| Protector::new(key).expect("a good key"));
    let params = StreamParams {
        remote: Some(peer),
        codec: pcmu.clone(),
        receive: vec![pcmu, PayloadFormat::telephone_event(101, 8000)],
        telephone_event: Some(101),
        telephone_event_receive: Some(101),
        ptime_ms: 20,
        sending: true,
        receiving: true,
        srtp: key.map(|key| Box::new(StreamKeys { send: key.clone(), receive: key })),
        rtcp_mux: true,
    };
    session.configure(Time::ZERO, &params).expect("G.711");
    session.set_vad(Some(VadConfig::default()));
    session.set_filter(Some(Box::new(|_, _, len| Some(len))));
    session.play(PlaySource::Tone { hz: 440, level: 3000, frames: u64::MAX }, 1).expect("room");
    let frames = host_rate as usize / 50;
    let mut pcm = vec![0i16; frames * 2];
    let mut before = 0;
    let mut sent = 0;
    for n in 0..3000u32 {
        if n == 200 {
            before = allocations();
        }
        let now = Time::from_millis(u64::from(n) * 20);
        let header = RtpHeader {
            payload_type: if n % 100 < 6 {
                101
            } else if n % 100 > 90 {
                13
            } else {
                0
            },
            marker: false,
            sequence: n as u16,
            timestamp: n * 160,
            ssrc: 7,
        };
        let event = TelephoneEvent { event: 5, end: n % 100 == 5, volume: 10, duration: 160 }.to_bytes();
        let payload: &[u8] = if n % 100 < 6 { &event } else { &[0x55; 160] };
        let mut packet = [0; 200];
        let mut len = RtpBuilder::new(header, payload).write(&mut packet).expect("room");
        if let Some(protector) = &mut peer_side {
            len = protector.protect_rtp(&mut packet, len).expect("room");
        }
        // Every thirtieth is lost, the first one while it is counted.
        if n < 200 || n % 30 != 17 {
            session.handle_packet(now, peer, &mut packet[..len]);
        }
        for at in [2, 7, 12, 19] {
            let at = now + Duration::from_millis(at);
            session.handle_deadline(at, &mut |_, _| sent += 1);
        }
        session.mark(u64::from(n), host.writer.written());
        while session.poll_event().is_some() {}
        session.take_wake();
        let got = host.reader.read(&mut pcm);
        host.writer.write(&pcm[..got]);
    }
    assert!(sent > 2900, "{sent}");
    assert!(session.stats().rx_concealed_frames > 0);
    assert_eq!((session.stats().rx_srtp_auth, session.stats().rx_srtp_replay), (0, 0));
    allocations() - before
}

#[test]
fn a_minute_of_packets_losses_and_keys_allocates_nothing() {
    for rate in [8000, 48_000, 44_100] {
        assert_eq!(steady_state(rate, None), 0, "host at {rate} Hz");
    }
}

#[test]
fn a_minute_under_srtp_allocates_nothing_either() {
    for profile in [Profile::AesCm128HmacSha1_80, Profile::AeadAes256Gcm] {
        assert_eq!(steady_state(8000, Some(profile)), 0, "{profile:?}");
    }
}

fn stream(remote: SocketAddr, ssrc: u32) -> RtpStreamConfig {
    let pcmu = PayloadFormat::static_format(0).expect("static");
    RtpStreamConfig {
        session: SessionConfig::default(),
        params: StreamParams {
            remote: Some(remote),
            codec: pcmu.clone(),
            receive: vec![pcmu],
            telephone_event: None,
            telephone_event_receive: None,
            ptime_ms: 20,
            sending: true,
            receiving: true,
            srtp: None,
            rtcp_mux: false,
        },
        ssrc: Some(ssrc),
        first_sequence: None,
        first_timestamp: None,
        rtcp_mux: true,
        remote_rtcp: None,
        report_interval: Some(Duration::from_millis(500)),
        cname: "a".into(),
    }
}

#[test]
fn a_minute_of_routed_packets_reports_and_timed_reads_allocates_nothing() {
    let here = SocketAddr::from(([192, 0, 2, 1], 4000));
    let there = SocketAddr::from(([192, 0, 2, 2], 5000));
    let rng = || Box::new(SeededRng::new(3));
    let mut table = Demux::new(64, &mut *rng());
    for key in 0..64 {
        let remote = SocketAddr::from(([192, 0, 2, 2], 5000 + key as u16));
        assert!(table.insert(key, Some(remote), None));
    }
    let (mut a, mut host) = RtpStream::new(Time::ZERO, stream(there, 1), rng()).expect("G.711");
    let (mut b, _other) = RtpStream::new(Time::ZERO, stream(here, 2), rng()).expect("G.711");
    a.start(Time::ZERO).expect("G.711");
    b.start(Time::ZERO).expect("G.711");
    let (mut before, mut routed, mut pcm) = (0, 0, [0; 320]);
    for n in 0..12_000u64 {
        if n == 600 {
            before = allocations();
        }
        let now = Time::from_millis(n * 5);
        let wall = NtpTime((3_900_000_000 << 32) + (n << 32) / 200);
        b.handle_deadline(now, wall, &mut |_, _, bytes| {
            let mut copy = [0; 1500];
            copy[..bytes.len()].copy_from_slice(bytes);
            if let Route::Known(0) = table.route(there, sender_ssrc(bytes)) {
                routed += 1;
            }
            a.handle_datagram(now, wall, there, &mut copy[..bytes.len()]);
        });
        a.handle_deadline(now, wall, &mut |_, _, bytes| {
            let mut copy = [0; 1500];
            copy[..bytes.len()].copy_from_slice(bytes);
            b.handle_datagram(now, wall, here, &mut copy[..bytes.len()]);
        });
        while a.poll_event().is_some() || b.poll_event().is_some() {}
        host.reader.read_timed(&mut pcm);
    }
    let after = allocations();
    assert!(routed > 3000 && a.stats().1.round_trip.is_some() && a.sync().is_some());
    assert_eq!(after - before, 0);
}

#[test]
fn the_counter_counts() {
    let before = allocations();
    std::hint::black_box(vec![1u8; 10]);
    assert_eq!(allocations(), before + 1);
}
