//! The load side: prepared messages over one UDP socket, as little work as possible for each.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(500);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
    socket
}

/// Waits for one datagram.
fn receive<'a>(socket: &UdpSocket, buffer: &'a mut [u8]) -> Option<(&'a str, SocketAddr)> {
    let (len, from) = socket.recv_from(buffer).ok()?;
    Some((std::str::from_utf8(&buffer[..len]).expect("text"), from))
}

/// The line of a header, with its name.
fn line<'a>(message: &'a str, name: &str) -> &'a str {
    let at = message.find(name).map_or(message.len(), |at| at + 2);
    message[at..].split("\r\n").next().unwrap_or_default()
}

/// The number of the call, at the start of our Call-IDs.
fn number(message: &str) -> Option<usize> {
    line(message, "\r\nCall-ID: ").strip_prefix("Call-ID: ")?.get(..8)?.parse().ok()
}

fn sdp(port: u16) -> String {
    format!(
        "v=0\r\no=- 7 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
         a=ptime:20\r\na=sendrecv\r\n"
    )
}

/// Calls the phone: INVITE, ACK to its 200, BYE.
pub struct Caller {
    socket: UdpSocket,
    to: SocketAddr,
    us: SocketAddr,
    sdp: String,
    window: usize,
    next: usize,
    pub again: usize,
    _rtp: UdpSocket,
}

/// A call under way: what would be sent again.
struct Pending {
    bytes: Vec<u8>,
    since: Instant,
    leaving: bool,
}

impl Caller {
    pub fn new(port: u16, window: usize) -> Caller {
        let (socket, rtp) = (socket(), UdpSocket::bind("127.0.0.1:0").expect("a port"));
        let us = socket.local_addr().expect("an address");
        let sdp = sdp(rtp.local_addr().expect("an address").port());
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        Caller { socket, to, us, sdp, window, next: 0, again: 0, _rtp: rtp }
    }

    /// Calls a second.
    pub fn run(&mut self, count: usize) -> f64 {
        let begun = Instant::now();
        let end = self.next + count;
        let mut pending = std::collections::BTreeMap::new();
        let mut buffer = [0u8; 4096];
        while self.next < end || !pending.is_empty() {
            assert!(begun.elapsed() < PATIENCE * 3, "{} calls hang", pending.len());
            while pending.len() < self.window && self.next < end {
                let n = self.next;
                self.next += 1;
                let bytes = self.request("INVITE", n, "", &self.sdp);
                self.send(&bytes);
                pending.insert(n, Pending { bytes, since: Instant::now(), leaving: false });
            }
            match receive(&self.socket, &mut buffer) {
                Some((message, _)) => self.answer(message, &mut pending),
                None => self.repeat(&mut pending),
            }
        }
        count as f64 / begun.elapsed().as_secs_f64()
    }

    fn answer(&mut self, message: &str, pending: &mut std::collections::BTreeMap<usize, Pending>) {
        let Some(n) = number(message).filter(|_| message.starts_with("SIP/2.0 200")) else { return };
        let Some(call) = pending.get_mut(&n) else { return };
        if line(message, "\r\nCSeq: ").ends_with("BYE") {
            pending.remove(&n);
        } else if !call.leaving {
            let tag = line(message, "\r\nTo: ").split(";tag=").nth(1).unwrap_or_default();
            let tag = format!(";tag={tag}");
            let ack = self.request("ACK", n, &tag, "");
            self.send(&ack);
            let bytes = self.request("BYE", n, &tag, "");
            self.send(&bytes);
            *call = Pending { bytes, since: Instant::now(), leaving: true };
        }
    }

    fn repeat(&mut self, pending: &mut std::collections::BTreeMap<usize, Pending>) {
        for call in pending.values_mut().filter(|call| call.since.elapsed() > AGAIN) {
            self.again += 1;
            call.since = Instant::now();
            self.socket.send_to(&call.bytes, self.to).expect("it is sent");
        }
    }

    fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.to).expect("it is sent");
    }

    fn request(&self, method: &str, n: usize, tag: &str, body: &str) -> Vec<u8> {
        let (us, to) = (self.us, self.to);
        let cseq = if method == "BYE" { 2 } else { 1 };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:bob@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{method}{n:08};rport\r\n\
             Max-Forwards: 70\r\nFrom: \"Alice Q\" <sip:alice@{us}>;tag=alice{n:08}\r\nTo: <sip:bob@{to}>{tag}\r\n\
             Call-ID: {n:08}a84b4c76e66710@127.0.0.1\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@{us}>\r\n\
             Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, UPDATE\r\n\
             Supported: replaces, timer\r\nUser-Agent: load/1.0\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// The answer to a request: its Via, From, To, Call-ID and CSeq, and what is added.
fn response(request: &str, status: &str, tag: &str, more: &str, body: &str) -> String {
    let [via, from, to, id, cseq] =
        ["\r\nVia: ", "\r\nFrom: ", "\r\nTo: ", "\r\nCall-ID: ", "\r\nCSeq: "].map(|n| line(request, n));
    let tag = if to.contains(";tag=") { "" } else { tag };
    let len = body.len();
    format!("SIP/2.0 {status}\r\n{via}\r\n{from}\r\n{to}{tag}\r\n{id}\r\n{cseq}\r\n{more}Content-Length: {len}\r\n\r\n{body}")
}

/// Takes every call: 180, 200, then 200 to the BYE.
pub struct Callee {
    socket: UdpSocket,
    sdp: String,
    _rtp: UdpSocket,
}

impl Callee {
    pub fn new() -> Callee {
        let rtp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        Callee { socket: socket(), sdp: sdp(rtp.local_addr().expect("an address").port()), _rtp: rtp }
    }
    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("an address").port()
    }
    /// Until so many BYEs were seen.
    pub fn serve(&mut self, count: usize) {
        let contact = format!("Contact: <sip:bob@127.0.0.1:{}>\r\n", self.port());
        let with_body = format!("{contact}Content-Type: application/sdp\r\n");
        let (mut buffer, begun, mut seen) = ([0u8; 4096], Instant::now(), std::collections::HashSet::new());
        while seen.len() < count {
            assert!(begun.elapsed() < PATIENCE * 3, "{} of {count} calls", seen.len());
            let Some((message, from)) = receive(&self.socket, &mut buffer) else { continue };
            let send = |text: String| {
                self.socket.send_to(text.as_bytes(), from).expect("it is sent");
            };
            if message.starts_with("INVITE") {
                send(response(message, "180 Ringing", ";tag=theirs", &contact, ""));
                send(response(message, "200 OK", ";tag=theirs", &with_body, &self.sdp));
            } else if message.starts_with("BYE") {
                send(response(message, "200 OK", "", "", ""));
                seen.insert(line(message, "\r\nCall-ID: ").to_owned());
            }
        }
    }
}

/// Challenges each REGISTER once and grants a minute.
pub struct Registrar {
    socket: UdpSocket,
    granted: usize,
    users: std::collections::HashSet<String>,
    begun: Instant,
    /// Grants in each tenth of a second.
    tenths: std::collections::BTreeMap<u128, usize>,
}

impl Registrar {
    pub fn new() -> Registrar {
        let (users, tenths) = Default::default();
        Registrar { socket: socket(), granted: 0, users, begun: Instant::now(), tenths }
    }
    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("an address").port()
    }
    /// Until so many users are registered and so many grants were given.
    pub fn serve_until(&mut self, users: usize, grants: usize) {
        let (mut buffer, begun) = ([0u8; 4096], Instant::now());
        self.tenths.clear();
        while self.users.len() < users || self.granted < grants {
            assert!(begun.elapsed() < PATIENCE * 3, "{} users, {} grants", self.users.len(), self.granted);
            let Some((message, from)) = receive(&self.socket, &mut buffer) else { continue };
            let text = self.answer(message);
            self.socket.send_to(text.as_bytes(), from).expect("it is sent");
        }
    }
    fn answer(&mut self, message: &str) -> String {
        if !message.contains("\r\nAuthorization: ") {
            let challenge =
                "WWW-Authenticate: Digest realm=\"bench\", nonce=\"5f6fbd3c0a1e9f31\", algorithm=MD5, \
                 qop=\"auth\"\r\n";
            return response(message, "401 Unauthorized", ";tag=r", challenge, "");
        }
        self.granted += 1;
        *self.tenths.entry(self.begun.elapsed().as_millis() / 100).or_default() += 1;
        self.users.insert(line(message, "\r\nTo: ").to_owned());
        let contact = format!("{};expires=60\r\n", line(message, "\r\nContact: "));
        response(message, "200 OK", ";tag=r", &contact, "")
    }
    /// The most grants of any tenth of a second of the last `serve_until`.
    pub fn most_in_100_ms(&self) -> usize {
        self.tenths.values().copied().max().unwrap_or(0)
    }
}
