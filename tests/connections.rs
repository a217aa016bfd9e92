//! SIP over TCP on 127.0.0.1: real phones, and peers made of plain sockets.

mod engine_support;

use engine_support::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use voip::engine::{Call, PhoneConfig};
use voip::proto::sip::Transport;
use voip::ua::{CallState, DialOptions, EndCause, EndedBy};

fn tcp() -> PhoneConfig {
    PhoneConfig { transport: Transport::Tcp, ..config() }
}

fn talk(out: &Call, inc: &Call) {
    inc.answer().unwrap();
    out.wait_state(CallState::Answered, soon()).unwrap();
    inc.wait_state(CallState::Answered, soon()).unwrap();
    out.play_tone(440, 0).unwrap();
    inc.play_tone(1000, 0).unwrap();
    hear_tone(inc, 440.0);
    hear_tone(out, 1000.0);
}

fn via_of(call: &Call) -> String {
    call.header("Via", 0).unwrap_or_default()
}

#[test]
fn two_phones_talk_over_tcp_and_either_can_hang_up() {
    for callee_ends in [false, true] {
        let (a, b) = (Party::start(tcp()), Party::listening(config()));
        let (out, inc) = ringing(&a, &b);
        assert!(via_of(&inc).contains("SIP/2.0/TCP"), "{}", via_of(&inc));
        talk(&out, &inc);
        if callee_ends { &inc } else { &out }.hangup().unwrap();
        let by = if callee_ends { EndedBy::Remote } else { EndedBy::Local };
        assert_eq!((a.ended(&out).cause, a.ended(&out).by), (EndCause::Hangup, by));
        assert_eq!(b.ended(&inc).cause, EndCause::Hangup);
    }
}

#[test]
fn a_target_says_its_transport() {
    let (a, b) = pair();
    let out = a.dial(&format!("{};transport=tcp", b.target()));
    let inc = b.phone.wait_call(soon()).unwrap();
    assert!(via_of(&inc).contains("SIP/2.0/TCP"));
    talk(&out, &inc);
    let (a, b) = (Party::start(tcp()), Party::listening(config()));
    let _out = a.dial(&format!("{};transport=udp", b.target()));
    let inc = b.phone.wait_call(soon()).unwrap();
    assert!(via_of(&inc).contains("SIP/2.0/UDP"));
}

fn large() -> DialOptions {
    DialOptions { headers: vec![("X-Large".into(), "x".repeat(1500))], ..DialOptions::default() }
}

#[test]
fn a_large_request_goes_over_tcp_and_its_call_is_like_any_other() {
    let (a, b) = pair();
    let out = a.phone.dial(None, &b.target(), large(), &mut |_| ()).unwrap();
    let inc = b.phone.wait_call(soon()).unwrap();
    assert!(via_of(&inc).contains("SIP/2.0/TCP"));
    talk(&out, &inc);
    inc.hangup().unwrap();
    assert_eq!(a.ended(&out).by, EndedBy::Remote);
}

#[test]
fn a_large_request_falls_back_to_udp_where_nobody_listens_for_tcp() {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(soon()).unwrap();
    let a = Party::start(config());
    let target = format!("sip:bob@{}", peer.local_addr().unwrap());
    let _out = a.phone.dial(None, &target, large(), &mut |_| ()).unwrap();
    let mut bytes = [0; 4096];
    let (n, _) = peer.recv_from(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes[..n]);
    assert!(text.starts_with("INVITE ") && text.contains("\r\nVia: SIP/2.0/UDP "), "{text}");
}

#[test]
fn a_call_to_a_port_that_refuses_connections_is_unreachable_at_once() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let a = Party::start(config());
    let began = Instant::now();
    let out = a.dial(&format!("sip:{gone};transport=tcp"));
    assert_eq!(a.ended(&out).cause, EndCause::Unreachable);
    assert!(began.elapsed() < Duration::from_secs(5));
}

fn connect(party: &Party) -> TcpStream {
    let stream = TcpStream::connect(party.phone.local_address().unwrap()).unwrap();
    stream.set_read_timeout(soon()).unwrap();
    stream
}

fn options(branch: &str) -> String {
    format!(
        "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{branch}\r\nMax-Forwards: 5\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:x>\r\nCall-ID: {branch}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Reads until the text ends like that.
fn read_until(stream: &mut TcpStream, count: usize, what: &str) -> String {
    let mut text = String::new();
    while text.matches(what).count() < count {
        let mut bytes = [0; 2048];
        let n = stream.read(&mut bytes).unwrap();
        assert!(n > 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&bytes[..n]));
    }
    text
}

#[test]
fn what_comes_in_pieces_or_in_one_piece_is_answered_on_its_connection() {
    let party = Party::listening(config());
    let mut stream = connect(&party);
    stream.set_nodelay(true).unwrap();
    for byte in options("pieces").bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(read_until(&mut stream, 1, "\r\n\r\n").matches("SIP/2.0 200").count(), 1);
    let together: String = (0..100).map(|n| options(&format!("n{n}"))).collect();
    stream.write_all(together.as_bytes()).unwrap();
    assert_eq!(read_until(&mut stream, 100, "\r\n\r\n").matches("SIP/2.0 200").count(), 100);
}

#[test]
fn a_ping_gets_its_pong() {
    let party = Party::listening(config());
    let mut stream = connect(&party);
    stream.write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
}

#[test]
fn what_has_no_end_closes_the_connection_and_nothing_else() {
    let party = Party::listening(config());
    let mut other = connect(&party);
    let mut stream = connect(&party);
    stream.write_all(b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 99999999\r\n\r\n").unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0);
    other.write_all(options("alive").as_bytes()).unwrap();
    read_until(&mut other, 1, "SIP/2.0 200");
}

#[test]
fn a_reader_that_never_reads_is_dropped_and_others_are_served() {
    let party = Party::listening(config());
    let mut slow = connect(&party);
    slow.set_write_timeout(soon()).unwrap();
    let mut n = 0;
    // Ends when the phone gives up on us, and well before that much memory could be needed.
    while n < 200_000 && slow.write_all(options(&format!("s{n}")).as_bytes()).is_ok() {
        n += 1;
    }
    assert!(n < 200_000, "nobody stopped us");
    let mut other = connect(&party);
    other.write_all(options("other").as_bytes()).unwrap();
    read_until(&mut other, 1, "SIP/2.0 200");
}

#[test]
fn others_can_not_take_the_last_connection() {
    let party = Party::listening(PhoneConfig { max_connections: 4, ..config() });
    let silent: Vec<_> = (0..10).map(|_| connect(&party)).collect();
    let mut one = connect(&party);
    one.write_all(options("one").as_bytes()).unwrap();
    read_until(&mut one, 1, "SIP/2.0 200");
    let b = Party::listening(config());
    let _out = party.dial(&format!("{};transport=tcp", b.target()));
    let _inc = b.phone.wait_call(soon()).unwrap();
    drop(silent);
}

#[test]
fn a_request_whose_connection_breaks_comes_once_more_over_a_new_one() {
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let a = Party::start(config());
    let out = a.dial(&format!("sip:bob@{};transport=tcp", peer.local_addr().unwrap()));
    let read = || {
        let (mut stream, _) = peer.accept().unwrap();
        stream.set_read_timeout(soon()).unwrap();
        read_until(&mut stream, 1, "\r\n\r\n")
    };
    let branch =
        |text: &str| text.split("branch=").nth(1).and_then(|t| t.split(';').next()).map(str::to_owned);
    let (first, second) = (read(), read());
    assert!(first.starts_with("INVITE ") && branch(&first).is_some(), "{first}");
    assert_eq!(branch(&first), branch(&second));
    assert_eq!(a.ended(&out).cause, EndCause::Unreachable);
}

#[test]
fn a_connection_that_nobody_needs_is_closed() {
    let idle = Duration::from_millis(300);
    let party = Party::listening(PhoneConfig { connection_idle: idle, ..config() });
    let mut stream = connect(&party);
    stream.write_all(options("last").as_bytes()).unwrap();
    read_until(&mut stream, 1, "\r\n\r\n");
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0);
}
