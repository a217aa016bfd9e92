//! SIP over TLS on 127.0.0.1: calls, certificates good and bad, and that nothing leaves in the clear.
//! The certificates are made by `tests/data/tls/make.sh`.
#![cfg(feature = "tls")]

mod engine_support;

use engine_support::*;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use voip::engine::error::ErrorKind;
use voip::engine::{Call, PhoneConfig, TlsSettings};
use voip::proto::sip::Transport;
use voip::ua::{CallState, EndCause, EndedBy};

fn file(name: &str) -> String {
    format!("{}/tests/data/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn serving(certificate: &str) -> PhoneConfig {
    let mut tls = TlsSettings::default();
    tls.set_certificate(&file(certificate), &file("server.key"), None).unwrap();
    PhoneConfig { tls, ..config() }
}

fn calling(change: impl FnOnce(&mut TlsSettings)) -> PhoneConfig {
    let mut tls = TlsSettings::default();
    change(&mut tls);
    PhoneConfig { tls, transport: Transport::Tls, ..config() }
}

fn trusting() -> PhoneConfig {
    calling(|tls| tls.trust_file(&file("ca.pem")).unwrap())
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

#[test]
fn two_phones_talk_over_tls_and_the_callee_hangs_up() {
    let (a, b) = (Party::start(trusting()), Party::listening(serving("server.pem")));
    let (out, inc) = ringing(&a, &b);
    assert!(inc.header("Via", 0).unwrap().starts_with("SIP/2.0/TLS "));
    talk(&out, &inc);
    inc.hangup().unwrap();
    assert_eq!((a.ended(&out).cause, a.ended(&out).by), (EndCause::Hangup, EndedBy::Remote));
    b.ended(&inc);
}

#[test]
fn a_name_is_proved_by_the_certificate_and_sips_is_answered_with_sips() {
    let (a, b) = (Party::start(trusting()), Party::listening(serving("server.pem")));
    let port = b.phone.local_address().unwrap().port();
    let out = a.dial(&format!("sips:bob@localhost:{port}"));
    let inc = b.phone.wait_call(soon()).unwrap();
    assert!(inc.header("Contact", 0).unwrap().starts_with("<sips:"));
    inc.answer().unwrap();
    out.wait_state(CallState::Answered, soon()).unwrap();
    out.hangup().unwrap();
    b.ended(&inc);
}

/// Does a call come through?
fn reaches(caller: PhoneConfig, callee: PhoneConfig) -> bool {
    let (a, b) = (Party::start(caller), Party::listening(callee));
    let out = a.dial(&b.target());
    match out.wait_state(CallState::Ringing, soon()) {
        Ok(()) => true,
        Err(_) => {
            assert_eq!(a.ended(&out).cause, EndCause::Unreachable);
            assert!(b.phone.calls().is_empty());
            false
        }
    }
}

#[test]
fn only_certificates_that_prove_something_are_believed() {
    let nobody = calling(|tls| tls.trust_file(&file("wrong.pem")).unwrap());
    assert!(!reaches(nobody, serving("server.pem")), "another authority");
    assert!(!reaches(trusting(), serving("wrong.pem")), "another name");
    assert!(!reaches(trusting(), config()), "no certificate at all");
}

#[test]
fn each_check_can_be_switched_off_by_itself_and_a_certificate_can_be_pinned() {
    let any_name = |tls: &mut TlsSettings| {
        tls.trust_file(&file("ca.pem")).unwrap();
        tls.set_verify(true, false);
    };
    assert!(reaches(calling(any_name), serving("wrong.pem")));
    assert!(reaches(calling(|tls| tls.set_verify(false, true)), serving("server.pem")));
    let own = |tls: &mut TlsSettings| tls.trust_file(&file("server.pem")).unwrap();
    assert!(reaches(calling(own), serving("server.pem")));
    assert!(!reaches(calling(|tls| tls.trust_file(&file("wrong.pem")).unwrap()), serving("wrong.pem")));
}

#[test]
fn nothing_but_a_handshake_reaches_a_server_that_speaks_no_tls() {
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = peer.local_addr().unwrap();
    let udp = UdpSocket::bind(address).unwrap();
    let a = Party::start(trusting());
    let out = a.dial(&format!("sip:bob@{address}"));
    let (mut stream, _) = peer.accept().unwrap();
    stream.set_read_timeout(soon()).unwrap();
    let mut bytes = vec![0; 4096];
    let n = stream.read(&mut bytes).unwrap();
    assert_eq!(bytes[0], 22, "a TLS handshake");
    assert!(!bytes[..n].windows(6).any(|w| w == b"INVITE"));
    std::io::Write::write_all(&mut stream, b"SIP/2.0 400 Speak plainly\r\n\r\n").unwrap();
    assert_eq!(a.ended(&out).cause, EndCause::Unreachable);
    peer.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    assert!(peer.accept().is_err() && udp.recv(&mut bytes).is_err(), "it tried something else");
}

#[test]
fn a_server_that_never_answers_the_handshake_keeps_nobody_waiting() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (a, b) = (Party::start(trusting()), Party::listening(serving("server.pem")));
    let stuck = a.dial(&format!("sip:bob@{}", silent.local_addr().unwrap()));
    let (out, inc) = ringing(&a, &b);
    talk(&out, &inc);
    assert_eq!(stuck.state(), CallState::Dialing);
    stuck.hangup().unwrap();
}

#[test]
fn a_key_under_a_password_is_opened_with_it_and_only_with_it() {
    let mut tls = TlsSettings::default();
    let (cert, key) = (file("server.pem"), file("server-encrypted.key"));
    tls.set_certificate(&cert, &key, Some("secret")).unwrap();
    let kind = |password| TlsSettings::default().set_certificate(&cert, &key, password).unwrap_err().kind;
    assert_eq!(kind(None), ErrorKind::Auth);
    assert_eq!(kind(Some("wrong")), ErrorKind::Auth);
    assert!(reaches(trusting(), PhoneConfig { tls, ..config() }));
}

#[test]
fn what_is_no_certificate_or_not_its_key_is_said_at_once() {
    let mut tls = TlsSettings::default();
    assert_eq!(tls.trust(b"hello").unwrap_err().kind, ErrorKind::Parse);
    assert_eq!(tls.trust_file(&file("server.key")).unwrap_err().kind, ErrorKind::Parse);
    assert_eq!(tls.trust_file("/nowhere").unwrap_err().kind, ErrorKind::System(libc::ENOENT));
    let (cert, authority) = (file("server.pem"), file("ca.pem"));
    assert_eq!(tls.set_certificate(&cert, &cert, None).unwrap_err().kind, ErrorKind::Parse);
    let other = tls.set_certificate(&authority, &file("server.key"), None).unwrap_err();
    assert_eq!(other.kind, ErrorKind::Parse, "{}", other.message);
}
