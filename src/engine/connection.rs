//! One SIP connection over TCP, with TLS in it or not: what came cut into messages, what goes out in a bounded queue.
//!
//! Owned by `connections`, which says when it is readable, writable or due. Never blocks: connecting and the handshake
//! go on when the descriptor is ready.

use super::tls::Session;
use crate::proto::sip::stream::{Frame, Framer};
use crate::proto::sip::{Flow, Peer, Transport};
use crate::util::Time;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Bytes that may wait for a slow reader; then the connection is given up.
pub const MAX_QUEUED_BYTES: usize = 1 << 20;
/// Bytes that one turn takes from one connection.
const TURN_BYTES: usize = 64 << 10;
/// Connecting, with the handshake; half a message; data without acknowledgement; a queue that doesn't move.
const PATIENCE: Duration = Duration::from_secs(20);
/// An accepted connection that never said anything.
const SILENCE: Duration = Duration::from_secs(32);
/// The first byte of a TLS record with a handshake (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;
/// RFC 5626 section 4.4.1.
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

enum Stage {
    /// Until the first time that it can be written to.
    Connecting,
    /// Accepted: the first byte tells TLS from plain SIP.
    Sniffing,
    Open,
}

pub struct Connection {
    stream: TcpStream,
    stage: Stage,
    tls: Option<Session>,
    pub peer: Peer,
    framer: Framer,
    out: VecDeque<Arc<[u8]>>,
    /// Of the first one in `out`.
    written: usize,
    queued: usize,
    opened: Time,
    /// When something last came or left.
    pub moved: Time,
    /// The message that has begun.
    partial_since: Option<Time>,
    /// A whole message came.
    pub spoke: bool,
    /// When its deadlines are looked at next.
    pub check: Time,
    /// In the list of those to be read, to be written.
    pub in_ready: bool,
    pub in_dirty: bool,
}

/// What a look at its deadlines says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Nothing to be done before that.
    Wait(Time),
    GiveUp(&'static str),
    /// Nothing has moved for so long that somebody has to say whether it is needed.
    Idle,
}

impl Connection {
    /// Begins to connect; `bind` is our address, if we are bound to one.
    pub fn connect(
        now: Time,
        peer: Peer,
        bind: Option<IpAddr>,
        tls: Option<Session>,
    ) -> io::Result<Connection> {
        let socket = Socket::new(Domain::for_address(peer.address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if let Some(ip) = bind.filter(|ip| ip.is_ipv4() == peer.address.is_ipv4()) {
            socket.bind(&SocketAddr::new(ip, 0).into())?;
        }
        match socket.connect(&peer.address.into()) {
            Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => return Err(e),
            _ => {}
        }
        let stream = TcpStream::from_std(socket.into());
        Ok(Connection::new(now, stream, Stage::Connecting, peer, tls))
    }
    pub fn accepted(now: Time, stream: TcpStream, address: SocketAddr) -> Connection {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let peer = Peer { flow: Flow::Accepted, ..Peer::new(Transport::Tcp, address) };
        Connection::new(now, stream, Stage::Sniffing, peer, None)
    }
    fn new(now: Time, stream: TcpStream, stage: Stage, peer: Peer, tls: Option<Session>) -> Connection {
        tune(&stream);
        Connection {
            stream,
            stage,
            tls,
            peer,
            framer: Framer::default(),
            out: VecDeque::new(),
            written: 0,
            queued: 0,
            opened: now,
            moved: now,
            partial_since: None,
            spoke: false,
            check: now,
            in_ready: false,
            in_dirty: false,
        }
    }
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
    pub fn local(&self) -> Option<SocketAddr> {
        let local = self.stream.local_addr().ok()?;
        Some(SocketAddr::new(local.ip().to_canonical(), local.port()))
    }
    pub fn is_accepted(&self) -> bool {
        self.peer.flow == Flow::Accepted
    }
    /// Connected, and the handshake is over.
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open) && !self.tls.as_ref().is_some_and(Session::is_handshaking)
    }

    /// False: more waits than may wait.
    pub fn queue(&mut self, bytes: Arc<[u8]>) -> bool {
        self.queued += bytes.len();
        self.out.push_back(bytes);
        self.queued <= MAX_QUEUED_BYTES
    }
    pub fn ping(&mut self) {
        if self.out.is_empty() {
            self.queue(PING.into());
        }
    }

    /// Writes what the socket takes.
    pub fn write(&mut self, now: Time) -> io::Result<()> {
        if !self.is_ready()? {
            return Ok(());
        }
        loop {
            let wrote = match (self.out.front(), &mut self.tls) {
                (None, None) => return Ok(()),
                (None, Some(tls)) => return quiet(tls.flush(&mut self.stream)),
                (Some(bytes), None) => self.stream.write(bytes.get(self.written..).unwrap_or(&[])),
                (Some(bytes), Some(tls)) => {
                    tls.write(&mut self.stream, bytes.get(self.written..).unwrap_or(&[]))
                }
            };
            match wrote {
                Ok(0) => return Ok(()),
                Ok(n) => self.wrote(now, n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return quiet(Err(e)),
            }
        }
    }
    fn wrote(&mut self, now: Time, bytes: usize) {
        self.moved = now;
        self.written += bytes;
        self.queued = self.queued.saturating_sub(bytes);
        if self.out.front().is_some_and(|first| self.written >= first.len()) {
            self.out.pop_front();
            self.written = 0;
        }
    }
    /// Is the connection made? Looked at when the socket says that it can be written to.
    fn is_ready(&mut self) -> io::Result<bool> {
        match self.stage {
            Stage::Open => Ok(true),
            Stage::Sniffing => Ok(false),
            Stage::Connecting => {
                if let Some(error) = self.stream.take_error()? {
                    return Err(error);
                }
                match self.stream.peer_addr() {
                    Ok(_) => {
                        self.stage = Stage::Open;
                        Ok(true)
                    }
                    Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
                    Err(e) => Err(e),
                }
            }
        }
    }

    /// Reads what is there, up to a turn's worth. True: there may be more. An error, also an end, closes.
    pub fn read(
        &mut self,
        now: Time,
        buffer: &mut [u8],
        server: &mut dyn FnMut() -> Option<Session>,
        found: &mut Vec<Vec<u8>>,
    ) -> io::Result<bool> {
        if matches!(self.stage, Stage::Sniffing) && !self.sniff(server)? {
            return Ok(false);
        }
        if !self.is_ready()? {
            return Ok(false);
        }
        let mut total = 0;
        while total < TURN_BYTES {
            let n = match &mut self.tls {
                Some(tls) => tls.read(&mut self.stream, buffer),
                None => self.stream.read(buffer),
            };
            let n = match n {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
            };
            total += n;
            self.moved = now;
            self.framer.push(buffer.get(..n).unwrap_or(&[]));
            self.take_frames(now, found)?;
        }
        Ok(true)
    }
    fn take_frames(&mut self, now: Time, found: &mut Vec<Vec<u8>>) -> io::Result<()> {
        loop {
            match self.framer.next_frame() {
                Ok(Some(Frame::Message(bytes))) => {
                    self.spoke = true;
                    self.partial_since = None;
                    found.push(bytes);
                }
                // Only clients ping (RFC 5626 section 3.5.1); on our own connections these are answers.
                Ok(Some(Frame::Ping)) if self.is_accepted() => {
                    self.queue(PONG.into());
                }
                Ok(Some(Frame::Ping)) => {}
                Ok(None) => break,
                Err(error) => {
                    let text = format!("{error:?}");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
            }
        }
        if !self.framer.is_partial() {
            self.partial_since = None;
        } else if self.partial_since.is_none() {
            self.partial_since = Some(now);
        }
        Ok(())
    }
    /// False: nothing is there yet.
    fn sniff(&mut self, server: &mut dyn FnMut() -> Option<Session>) -> io::Result<bool> {
        let mut first = [0];
        match self.stream.peek(&mut first) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) => return Err(e),
        }
        if first == [HANDSHAKE] {
            let session = server();
            let refused = || io::Error::new(io::ErrorKind::InvalidData, "TLS without a certificate of ours");
            self.tls = Some(session.ok_or_else(refused)?);
            self.peer.transport = Transport::Tls;
        }
        self.stage = Stage::Open;
        Ok(true)
    }

    pub fn due(&self, now: Time, idle: Duration) -> Due {
        let since = |at: Time| now.since(at);
        let waits = matches!(self.stage, Stage::Sniffing) && self.is_accepted();
        if !self.is_open() && !waits {
            return match since(self.opened) >= PATIENCE {
                true => Due::GiveUp("no connection in time"),
                false => Due::Wait(self.opened + PATIENCE),
            };
        }
        if self.is_accepted() && !self.spoke {
            return match since(self.opened) >= SILENCE {
                true => Due::GiveUp("nothing was said"),
                // It may speak meanwhile.
                false => Due::Wait((self.opened + SILENCE).min(now + idle)),
            };
        }
        if let Some(begun) = self.partial_since {
            if since(begun) >= PATIENCE {
                return Due::GiveUp("half a message");
            }
        }
        if !self.out.is_empty() && since(self.moved) >= PATIENCE {
            return Due::GiveUp("nothing is read there");
        }
        if since(self.moved) >= idle {
            return Due::Idle;
        }
        let half = self.partial_since.map(|begun| begun + PATIENCE);
        let stuck = (!self.out.is_empty()).then(|| self.moved + PATIENCE);
        Due::Wait([half, stuck].into_iter().flatten().fold(self.moved + idle, Time::min))
    }

    /// Says goodbye where TLS wants that.
    pub fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close(&mut self.stream);
        }
    }
}

/// Full buffers are no errors.
fn quiet(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
        other => other,
    }
}

/// Small messages at once; a peer that is gone is noticed by what it doesn't acknowledge.
fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    // A system without one of these works without it.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(PATIENCE));
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(90)).with_interval(Duration::from_secs(15));
    let _ = socket.set_tcp_keepalive(&keepalive.with_retries(4));
}
