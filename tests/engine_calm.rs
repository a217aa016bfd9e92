//! In a crowd the sockets of calm streams are connected to their peers, which must not be noticed: not by a peer that
//! moves to another port in the middle of a call either. Alone in its process, so that sockets can be told by their ports.

mod engine_support;

use engine_support::*;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use voip::engine::PhoneConfig;

/// Calls of a crowd, of which the test's peer is one more.
const CROWD: usize = 24;
/// Packets of 20 ms until a peer that has moved is heard and spoken to, on a machine that is busy with other tests.
const SOON: u16 = 25;

/// A phone made by hand: one call, whose packets leave when one has come.
struct Peer {
    media: UdpSocket,
    to: SocketAddr,
    sequence: u16,
}

impl Peer {
    /// Calls the phone and is answered by `answer`.
    fn calls(phone: SocketAddr, answer: impl FnOnce()) -> Peer {
        let ip = phone.ip();
        let sip = socket(ip);
        let media = socket(ip);
        let (from, port) = (sip.local_addr().unwrap(), media.local_addr().unwrap().port());
        let family = if ip.is_ipv6() { "IP6" } else { "IP4" };
        let sdp = format!(
            "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
        );
        let request = |method: &str, tag: &str, body: &str| {
            format!(
                "{method} sip:bob@{phone} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{method}\r\n\
                 From: <sip:hand@{from}>;tag=a\r\nTo: <sip:bob@{phone}>{tag}\r\nCall-ID: by-hand\r\n\
                 CSeq: 1 {method}\r\nMax-Forwards: 70\r\nContact: <sip:hand@{from}>\r\n\
                 Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        sip.send_to(request("INVITE", "", &sdp).as_bytes(), phone).unwrap();
        answer();
        let accepted = loop {
            let mut room = [0; 4096];
            let len = sip.recv(&mut room).expect("an answer");
            let text = String::from_utf8_lossy(&room[..len]).into_owned();
            if text.starts_with("SIP/2.0 200") {
                break text;
            }
        };
        let line = |begin: &str| accepted.lines().find(|l| l.starts_with(begin)).unwrap().to_owned();
        let tag = line("To:").split_once(";tag=").unwrap().1.to_owned();
        let port = line("m=audio ").split(' ').nth(1).unwrap().parse().unwrap();
        sip.send_to(request("ACK", &format!(";tag={tag}"), "").as_bytes(), phone).unwrap();
        Peer { media, to: SocketAddr::new(ip, port), sequence: 0 }
    }

    /// The next packet, of 20 ms of silence.
    fn says(&mut self, from: &UdpSocket) {
        let mut packet = [0xff; 172];
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(b"hand");
        self.sequence += 1;
        from.send_to(&packet, self.to).unwrap();
    }

    /// Answers each packet with one until `done`.
    fn talks_until(&mut self, done: impl Fn() -> bool) {
        let (media, deadline) = (self.media.try_clone().unwrap(), Instant::now() + PATIENCE);
        while !done() {
            assert!(Instant::now() < deadline, "after {} packets", self.sequence);
            self.says(&media);
            media.recv(&mut [0; 512]).expect("a packet");
        }
    }

    /// Goes on at another port, at the pace of what still comes at the old one, until the phone sends to the new one.
    fn moves(&mut self) -> u16 {
        let new = socket(self.to.ip());
        new.set_nonblocking(true).unwrap();
        let (old, began) = (std::mem::replace(&mut self.media, new.try_clone().unwrap()), self.sequence);
        old.set_read_timeout(Some(Duration::from_millis(40))).unwrap();
        while new.recv(&mut [0; 512]).is_err() {
            assert!(self.sequence - began < 500, "the phone never found the new port");
            self.says(&new);
            let _ = old.recv(&mut [0; 512]);
        }
        new.set_nonblocking(false).unwrap();
        self.sequence - began
    }
}

fn socket(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn is_heard_after_it_moved(bind: &str) {
    let many = || PhoneConfig { max_calls: 64, bind: bind.parse().unwrap(), ..config() };
    let (a, b) = (Party::start(many()), Party::listening(many()));
    let crowd: Vec<_> = (0..CROWD).map(|_| answered(&a, &b)).collect();
    let mut call = None;
    let mut peer = Peer::calls(b.phone.local_address().unwrap(), || {
        let inc = b.phone.wait_call(soon()).unwrap();
        inc.answer().unwrap();
        call = Some(inc);
    });
    let (call, socket) = (call.unwrap(), socket_bound_to(peer.to));
    for _ in 0..2 {
        let at = peer.media.local_addr().unwrap();
        peer.talks_until(|| socket.peer_addr().is_ok());
        assert_eq!(socket.peer_addr().unwrap(), at);
        let missed = peer.moves();
        assert!(missed <= SOON, "heard again after {missed} packets");
        // It is heard by the host, too.
        call.flush_audio().unwrap();
        peer.talks_until(|| call.read_available().unwrap() > 0);
    }
    assert_eq!(call.media_info().local.map(|at| at.port()), Some(peer.to.port()));
    drop(crowd);
}

#[test]
fn a_peer_that_moves_to_another_port_is_heard_again_though_its_stream_was_connected() {
    is_heard_after_it_moved("127.0.0.1:0");
}

#[test]
fn a_peer_that_moves_is_heard_again_over_ipv6_too() {
    if UdpSocket::bind("[::1]:0").is_ok() {
        is_heard_after_it_moved("[::1]:0");
    }
}
