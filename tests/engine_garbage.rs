//! Any bytes on the SIP and RTP ports of a running phone: no crash, no growth, a counter, and the call goes on. Alone in
//! its process, so that its memory can be measured. `LIBVOIP_SEED` sets where the bytes begin.

mod engine_support;

use engine_support::*;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;
use voip::engine::call::Call;
use voip::ua::CallState;
use voip::util::{Rng, SeededRng};

const DATAGRAMS: usize = 4000;
/// Few enough at a time that no socket buffer overflows: what was sent has also arrived.
const BURST: usize = 50;
/// Pools and buffers may settle; 4000 datagrams of up to 1400 bytes that stay would be 3 MB and more.
const MAX_GROWTH_KB: u64 = 1500;

fn seed() -> u64 {
    std::env::var("LIBVOIP_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn noise(rng: &mut SeededRng) -> Vec<u8> {
    (0..rng.below(1400)).map(|_| rng.next_u32() as u8).collect()
}

/// A message in good order, with a few of its bytes changed.
fn nearly_sip(rng: &mut SeededRng, to: SocketAddr, n: usize) -> Vec<u8> {
    let method = ["INVITE", "BYE", "OPTIONS", "CANCEL", "ACK", "REGISTER", "FOO"][rng.below(7) as usize];
    let lines = [
        format!("{method} sip:bob@{to} SIP/2.0"),
        // Always wrong, and never changed: nothing of this may become a call.
        "Content-Length: 999".into(),
        format!("Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{n};rport"),
        format!("From: <sip:x@127.0.0.1>;tag={n}"),
        format!("To: <sip:bob@{to}>"),
        format!("Call-ID: garbage{n}"),
        format!("CSeq: 1 {method}"),
        "Max-Forwards: 70".into(),
        "Contact: <sip:x@127.0.0.1:9>".into(),
    ];
    let mut bytes = (lines.join("\r\n") + "\r\n\r\nv=0\r\n").into_bytes();
    let changeable = lines[0].len() + 2 + lines[1].len() + 2;
    for _ in 0..=rng.below(4) {
        let at = changeable + rng.below((bytes.len() - changeable) as u64) as usize;
        bytes[at] = rng.next_u32() as u8;
    }
    bytes
}

/// An RTP packet of another source, with garbage behind its header or in it.
fn nearly_rtp(rng: &mut SeededRng) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..12 + rng.below(200)).map(|_| rng.next_u32() as u8).collect();
    bytes[0] = [0x80, 0x8f, 0x90, 0xa0, 0xbf, 0x00, 0x16][rng.below(7) as usize];
    bytes[1] = [0, 8, 101, 200, 77][rng.below(5) as usize] | (rng.below(2) as u8) << 7;
    bytes
}

/// Sends all of it to `to`, and after each burst waits until `arrived` says that the phone has read it.
fn send(
    rng: &mut SeededRng,
    from: &UdpSocket,
    to: SocketAddr,
    make: &mut dyn FnMut(&mut SeededRng, usize) -> Vec<u8>,
    arrived: &dyn Fn() -> u64,
) {
    let before = arrived();
    for n in 1..=DATAGRAMS {
        let bytes = make(rng, n);
        from.send_to(&bytes, to).unwrap();
        if n % BURST == 0 {
            let deadline = Instant::now() + PATIENCE;
            while arrived() < before + n as u64 {
                assert!(Instant::now() < deadline, "{} of {n} arrived, seed {}", arrived() - before, seed());
                std::thread::yield_now();
            }
        }
    }
}

fn still_talks(out: &Call, inc: &Call) {
    for (call, hz) in [(inc, 440.0), (out, 1000.0)] {
        call.flush_audio().unwrap();
        hear_tone(call, hz);
        assert_eq!(call.state(), CallState::Answered);
    }
}

/// The call's counter, once it is at least so much: it is published now and then.
fn discarded(call: &Call, least: u64) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    while call.stats().rx_discarded < least {
        assert!(Instant::now() < deadline, "{:?}", call.stats());
        hear(call, 20);
    }
    call.stats().rx_discarded
}

#[test]
fn garbage_on_both_ports_is_counted_and_harms_neither_the_call_nor_the_memory() {
    let (a, b) = pair();
    let (out, inc) = answered(&a, &b);
    out.play_tone(440, 0).unwrap();
    inc.play_tone(1000, 0).unwrap();
    still_talks(&out, &inc);
    let mut rng = SeededRng::new(seed());
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let peer = socket_bound_to(out.media_info().local.expect("the peer's media port"));
    let sip = b.phone.local_address().unwrap();
    let rtp = inc.media_info().local.expect("a media port");
    let (sip_in, rtp_in) = (|| b.phone.stats().sip_datagrams_in, || b.phone.stats().media_packets_in);

    // One round to warm up what is allocated once, then the one that is measured.
    for round in 0..2 {
        let (stats, media, memory) = (b.phone.stats(), inc.stats(), resident_kb());
        send(&mut rng, &stranger, sip, &mut |rng, _| noise(rng), &sip_in);
        send(&mut rng, &stranger, sip, &mut |rng, n| nearly_sip(rng, sip, n), &sip_in);
        let unparsable = b.phone.stats().agent.unparsable - stats.agent.unparsable;
        assert!(unparsable as usize > DATAGRAMS, "{unparsable} counted on the SIP port");
        // RTCP is no alarm, and may be a quarter of what looks like RTP; the rest is counted.
        let (mut counted, each) = (media.rx_discarded, DATAGRAMS as u64 / 2);
        for from in [&stranger, &peer] {
            send(&mut rng, from, rtp, &mut |rng, _| noise(rng), &rtp_in);
            counted = discarded(&inc, counted + each);
            send(&mut rng, from, rtp, &mut |rng, _| nearly_rtp(rng), &rtp_in);
            counted = discarded(&inc, counted + each);
        }
        let grown = resident_kb().saturating_sub(memory);
        println!("round {round}: {unparsable} unparsable, {counted} discarded so far, {grown} kB more");
        assert!(round == 0 || grown < MAX_GROWTH_KB, "{grown} kB more, seed {}", seed());
        still_talks(&out, &inc);
    }

    let after = b.phone.stats();
    assert_eq!((after.panics, after.calls, after.agent.calls, after.ports_in_use), (0, 1, 1, 1));
    assert_eq!(after.agent.client_transactions, 0);
    out.hangup().unwrap();
    a.ended(&out);
    b.ended(&inc);
    assert_eq!((ends_of(&a.log, out.id()), ends_of(&b.log, inc.id())), (1, 1));
    assert_eq!(b.phone.ports_in_use(), 0);
}
