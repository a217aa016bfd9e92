//! Calls under SRTP over 127.0.0.1: two phones, and a phone against a peer of a few lines that reads the wire.

mod engine_support;

use engine_support::*;
use std::net::UdpSocket;
use voip::engine::PhoneConfig;
use voip::proto::rtp::RtpPacket;
use voip::proto::sdp::{SessionDescription, SrtpMode};
use voip::proto::sip::{HeaderName, Message, Method, ResponseBuilder};
use voip::proto::srtp::{Crypto, MasterKey, Profile, Protector, Unprotector};
use voip::ua::{CallState, EndCause};
use voip::util::SeededRng;

fn secure(mode: SrtpMode) -> PhoneConfig {
    PhoneConfig { srtp: mode, ..config() }
}

#[test]
fn two_phones_talk_under_srtp_hold_and_talk_again() {
    let (a, b) = (Party::start(secure(SrtpMode::Mandatory)), Party::listening(secure(SrtpMode::Optional)));
    let (out, inc) = answered(&a, &b);
    out.play_tone(440, 0).unwrap();
    inc.play_tone(1000, 0).unwrap();
    hear_tone(&inc, 440.0);
    hear_tone(&out, 1000.0);
    for call in [&out, &inc] {
        assert_eq!(call.media_info().srtp, Some(Profile::AesCm128HmacSha1_80));
    }
    out.hold().unwrap();
    wait_until(|| inc.media_info().held_by_peer);
    out.resume().unwrap();
    wait_until(|| !inc.media_info().held_by_peer && !out.media_info().held_by_us);
    inc.play_stop().unwrap();
    inc.play_tone(700, 0).unwrap();
    hear_tone(&out, 700.0);
    for call in [&out, &inc] {
        let stats = call.stats();
        assert_eq!((stats.rx_srtp_auth, stats.rx_srtp_replay), (0, 0));
    }
}

/// Media changes are told in order, so the log could be asked; here only the last one counts.
fn wait_until(there: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !there() {
        assert!(std::time::Instant::now() < deadline, "it never came to be");
        std::thread::yield_now();
    }
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, std::net::SocketAddr) {
    let mut buf = [0; 4096];
    let (n, from) = socket.recv_from(&mut buf).expect("a datagram in time");
    (buf[..n].to_vec(), from)
}

fn open() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[test]
fn what_a_phone_sends_is_srtp_and_what_it_hears_is_too() {
    let (sip, rtp) = (open(), open());
    let a = Party::start(secure(SrtpMode::Mandatory));
    let out = a.dial(&format!("sip:bob@{}", sip.local_addr().unwrap()));
    let (bytes, from) = receive(&sip);
    let invite = Message::parse(&bytes).unwrap();
    assert_eq!(*invite.method(), Method::Invite);
    let offer = SessionDescription::parse(invite.body()).unwrap();
    assert_eq!(&*offer.media[0].protocol, "RTP/SAVP");
    let lines: Vec<_> =
        offer.media[0].attribute_values("crypto").map(|line| Crypto::parse(line).unwrap()).collect();
    let chosen = lines.iter().find(|l| l.profile() == Some(Profile::AesCm128HmacSha1_32)).unwrap();
    let key = MasterKey::generate(Profile::AesCm128HmacSha1_32, &mut SeededRng::new(4));
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/SAVP 0\r\n\
         a=crypto:{}\r\n",
        rtp.local_addr().unwrap().port(),
        *Crypto::of(chosen.tag, &key).write()
    );
    let ok = ResponseBuilder::new(&invite, 200, None, from)
        .to_tag("their")
        .header(HeaderName::Contact, &format!("<sip:bob@{}>", sip.local_addr().unwrap()))
        .body("application/sdp", sdp.as_bytes())
        .build()
        .unwrap();
    sip.send_to(&ok, from).unwrap();
    out.wait_state(CallState::Answered, soon()).unwrap();
    out.play_tone(440, 0).unwrap();

    let mut theirs = Unprotector::new(&chosen.master_key().unwrap()).unwrap();
    let mut ours = Protector::new(&key).unwrap();
    let mut said: Vec<i16> = Vec::new();
    let source = tone(1000.0, 2000);
    let mut frames = source.chunks_exact(2).map(|b| i16::from_ne_bytes([b[0], b[1]]));
    for n in 0..100u16 {
        let (mut packet, from) = receive(&rtp);
        assert_eq!(packet.len(), 12 + 160 + 4);
        let wire = packet.clone();
        let len = theirs.unprotect_rtp(&mut packet).expect("authentic");
        let plain = RtpPacket::parse(&packet[..len]).unwrap();
        assert_ne!(&wire[12..172], plain.payload(), "the payload is not plain on the wire");
        said.extend(plain.payload().iter().map(|b| voip::media::codec::g711::ulaw_decode_sample(*b)));

        let mut answer = vec![0x80, 0];
        answer.extend(n.to_be_bytes());
        answer.extend((u32::from(n) * 160).to_be_bytes());
        answer.extend(7u32.to_be_bytes());
        answer.extend(frames.by_ref().take(160).map(voip::media::codec::g711::ulaw_encode_sample));
        answer.resize(12 + 160 + 4, 0);
        ours.protect_rtp(&mut answer, 172).unwrap();
        rtp.send_to(&answer, from).unwrap();
    }
    assert!(share_at(&said[said.len() - 4000..], 440.0) > 0.9, "what the phone says is its tone");
    // On a busy machine the peer's packets come in lumps: what matters is that it is its tone that is heard.
    let best = (0..5).map(|_| share_at(&hear(&out, 200), 1000.0)).fold(0.0, f64::max);
    assert!(best > 0.5, "1000 Hz was never more than {best:.2} of what was heard");
    assert_eq!(out.stats().rx_srtp_auth, 0);
}

#[test]
fn a_phone_that_insists_refuses_one_that_has_none() {
    let (a, b) = (Party::start(config()), Party::listening(secure(SrtpMode::Mandatory)));
    let out = a.dial(&b.target());
    let end = a.ended(&out);
    assert_eq!((end.cause, end.sip_code), (EndCause::NoCodec, 488));
}
