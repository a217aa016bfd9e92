//! The host's filter and packets in a session, in virtual time.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use voip::media::{FilterFn, HostAudio, Session, SessionConfig, StreamParams};
use voip::proto::rtp::{PayloadFormat, RtpBuilder, RtpHeader, RtpPacket};
use voip::util::{Duration, SeededRng, Time};

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000))
}

fn session() -> (Session, HostAudio) {
    let (mut session, host) = Session::new(SessionConfig::default(), &mut SeededRng::new(3), Time::ZERO);
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
    (session, host)
}

fn packet(n: u16, payload_type: u8) -> Vec<u8> {
    let timestamp = u32::from(n) * 160;
    let header = RtpHeader { payload_type, marker: false, sequence: n, timestamp, ssrc: 7 };
    let mut packet = vec![0; 172];
    RtpBuilder::new(header, &[0x20; 160]).write(&mut packet).expect("room");
    packet
}

/// A second of packets of one payload type in both directions; what was sent.
fn second(session: &mut Session, payload_type: u8, filter: Option<FilterFn>) -> Vec<Vec<u8>> {
    session.set_filter(filter);
    let mut sent = Vec::new();
    for n in 0..50 {
        let now = Time::from_millis(u64::from(n) * 20);
        session.handle_packet(now, peer(), &mut packet(n, payload_type));
        for ms in [2, 10, 18] {
            let at = now + Duration::from_millis(ms);
            session.handle_deadline(at, &mut |_, bytes| sent.push(bytes.to_vec()));
        }
    }
    sent
}

#[test]
fn a_filter_that_only_looks_sees_both_directions_and_changes_nothing() {
    let seen = Arc::new(Mutex::new([0; 2]));
    let counts = seen.clone();
    let (mut with, _host) = session();
    let (mut without, _host2) = session();
    let look: FilterFn = Box::new(move |sent, room, len| {
        RtpPacket::parse(&room[..len]).expect("RTP");
        counts.lock().expect("lock")[usize::from(sent)] += 1;
        Some(len)
    });
    assert_eq!(second(&mut with, 0, Some(look)), second(&mut without, 0, None));
    assert_eq!(*seen.lock().expect("lock"), [50, with.stats().tx_packets]);
    assert_eq!(with.stats().rx_packets, without.stats().rx_packets);
}

#[test]
fn what_the_filter_makes_of_a_packet_is_what_is_heard_and_sent() {
    let (mut session, _host) = session();
    let change: FilterFn = Box::new(|sent, room, len| {
        room[1] = if sent { 0x60 } else { 0 };
        room[len..len + 4].copy_from_slice(&[9; 4]);
        Some(if sent { len + 4 } else { len })
    });
    // 77 is no type of this stream until the filter makes it PCMU.
    let sent = second(&mut session, 77, Some(change));
    assert!(sent.iter().all(|p| p[1] == 0x60 && p.len() == 176 && p.ends_with(&[9; 4])), "{}", sent.len());
    assert_eq!((session.stats().rx_packets, session.stats().rx_discarded), (50, 0));
    assert_ne!(session.levels().received.rms, 0);
}

#[test]
fn dropped_packets_are_neither_heard_nor_sent_and_spoiled_ones_are_counted() {
    let (mut first, mut host) = session();
    assert_eq!(second(&mut first, 0, Some(Box::new(|_, _, _| None))).len(), 0);
    let stats = first.stats();
    assert_eq!((stats.rx_packets, stats.rx_discarded, stats.tx_packets, stats.send_errors), (0, 0, 0, 0));
    assert_eq!(host.reader.read(&mut [0; 160]), 0);
    let (mut second_one, _host) = session();
    let mut turn = 0;
    let spoil: FilterFn = Box::new(move |_, room, _| {
        turn += 1;
        room[0] = 0;
        Some([3, 172, usize::MAX][turn % 3])
    });
    assert_eq!(second(&mut second_one, 0, Some(spoil)).len(), 0);
    let stats = second_one.stats();
    assert_eq!((stats.rx_packets, stats.rx_discarded), (0, 50));
    assert!(stats.send_errors >= 49, "{}", stats.send_errors);
}

#[test]
fn the_hosts_packets_leave_at_once_and_their_queue_is_bounded() {
    let (mut session, _host) = session();
    let mut ignore = |_: SocketAddr, _: &[u8]| {};
    session.handle_deadline(Time::from_millis(1), &mut ignore);
    let now = Time::from_millis(5);
    for n in 0..70 {
        session.send_packet(now, packet(n, 96).into());
    }
    assert_eq!(session.next_deadline(), Some(now));
    let mut sent = Vec::new();
    session.handle_deadline(now, &mut |to, bytes| sent.push((to, bytes.to_vec())));
    let own: Vec<_> = sent.iter().filter(|(_, bytes)| bytes[1] == 96).collect();
    assert_eq!(own.len(), 64);
    assert!(own.iter().enumerate().all(|(n, (to, bytes))| *to == peer() && *bytes == packet(n as u16, 96)));
    assert_eq!(session.stats().send_errors, 6);
    assert!(session.next_deadline() > Some(now));
}
