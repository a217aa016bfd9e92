//! The SIP connections of a phone: the listener, those that were made and accepted, their limits and their idle time.
//!
//! Owned by the control thread. One connection for each [`Peer`] (address, transport and, for TLS, the name that was
//! proved); a response goes back on the connection of its request. What happens comes out of [`Connections::take`].

use super::connection::{Connection, Due};
use super::tls::Context;
use crate::proto::sip::{Flow, Peer, Transport};
use crate::util::Time;
use mio::event::Event;
use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Tokens from here on are ours: the listener, then the connections.
pub const FIRST_TOKEN: usize = 16;
const LISTENER: Token = Token(FIRST_TOKEN);
const FIRST_SLOT: usize = FIRST_TOKEN + 1;
/// Connections that one turn accepts, and connections that one turn reads from.
const ACCEPTS: usize = 64;
const READS: usize = 256;
const READ_BYTES: usize = 32 << 10;
/// After the process ran out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What happened.
#[derive(Debug)]
pub enum News {
    Message(Peer, Vec<u8>),
    /// No connection could be made.
    Failed(Peer),
    /// A connection that was there is gone.
    Lost(Peer),
}

#[derive(Clone, Copy)]
pub struct Limits {
    pub connections: usize,
    pub idle: Duration,
}

pub struct Connections {
    registry: Registry,
    listener: Option<TcpListener>,
    /// Our address, if we are bound to one.
    bind: Option<IpAddr>,
    limits: Limits,
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
    by_peer: HashMap<Peer, usize>,
    accepted: usize,
    checks: BTreeSet<(Time, usize)>,
    ready: VecDeque<usize>,
    dirty: Vec<usize>,
    accept_more: bool,
    accept_at: Option<Time>,
    news: VecDeque<News>,
    buffer: Vec<u8>,
    tls: Context,
}

impl Connections {
    /// Listens at the same address and port as UDP does (RFC 3261 section 18.2.1). Without that, connections can still
    /// be made.
    pub fn open(registry: Registry, bind: SocketAddr, limits: Limits, tls: Context) -> Connections {
        let listener = match listen(bind) {
            Ok(mut listener) => {
                registry.register(&mut listener, LISTENER, Interest::READABLE).map(|()| listener)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &listener {
            log::info!(target: "voip::engine", "no connections are accepted at {bind}: {error}");
        }
        Connections {
            registry,
            listener: listener.ok(),
            bind: Some(bind.ip().to_canonical()).filter(|ip| !ip.is_unspecified()),
            limits,
            slots: Vec::new(),
            free: Vec::new(),
            by_peer: HashMap::new(),
            accepted: 0,
            checks: BTreeSet::new(),
            ready: VecDeque::new(),
            dirty: Vec::new(),
            accept_more: false,
            accept_at: None,
            news: VecDeque::new(),
            buffer: Vec::new(),
            tls,
        }
    }

    pub fn on_event(&mut self, event: &Event) {
        if event.token() == LISTENER {
            self.accept_more = true;
            return;
        }
        let Some(slot) = event.token().0.checked_sub(FIRST_SLOT) else { return };
        if event.is_writable() {
            self.mark_dirty(slot);
        }
        if event.is_readable() || event.is_error() || event.is_read_closed() {
            self.mark_ready(slot);
        }
    }
    /// Is there something for `take` or `flush` at once?
    pub fn has_more(&self) -> bool {
        self.accept_more || !self.ready.is_empty() || !self.news.is_empty() || !self.dirty.is_empty()
    }

    /// Sends on the connection to that peer, which is made if there is none; `name` is what a TLS server has to prove.
    pub fn send(&mut self, now: Time, to: Peer, name: Option<&str>, bytes: Arc<[u8]>) {
        let slot = match self.by_peer.get(&to).copied() {
            Some(slot) => Some(slot),
            None => self.connect(now, to, name),
        };
        let Some((slot, connection)) = slot.and_then(|slot| Some((slot, self.connection(slot)?))) else {
            return self.news.push_back(News::Failed(to));
        };
        if connection.queue(bytes) {
            self.mark_dirty(slot);
        } else {
            self.give_up(slot, "its reader is too slow");
        }
    }
    fn connect(&mut self, now: Time, to: Peer, name: Option<&str>) -> Option<usize> {
        // A connection of the peer's can't be made from here.
        if to.flow == Flow::Accepted || self.by_peer.len() >= self.limits.connections {
            return None;
        }
        let opened = match to.transport {
            Transport::Tcp => Ok(None),
            Transport::Tls => self.tls.client(to.address.ip(), name).map(Some),
            _ => return None,
        };
        let opened = opened.and_then(|tls| {
            let connection = Connection::connect(now, to, self.bind, tls);
            connection.map_err(|error| error.to_string())
        });
        match opened {
            Ok(connection) => self.insert(now, connection),
            Err(error) => {
                log::warn!(target: "voip::sip", "connecting to {} by {}: {error}", to.address, to.transport.as_str());
                None
            }
        }
    }

    /// Our end of the connection to that peer.
    pub fn local_of(&self, peer: Peer) -> Option<SocketAddr> {
        let slot = self.by_peer.get(&peer)?;
        self.slots.get(*slot)?.as_ref()?.local()
    }

    /// The next thing that happened; accepts and reads as it goes, a turn's worth.
    pub fn take(&mut self, now: Time, turn: &mut Turn) -> Option<News> {
        loop {
            if let Some(news) = self.news.pop_front() {
                return Some(news);
            }
            if core::mem::take(&mut self.accept_more) {
                self.accept(now);
            }
            if turn.reads >= READS {
                return None;
            }
            let slot = self.ready.pop_front()?;
            turn.reads += 1;
            self.read(now, slot);
        }
    }
    fn read(&mut self, now: Time, slot: usize) {
        let mut buffer = core::mem::take(&mut self.buffer);
        buffer.resize(READ_BYTES, 0);
        let mut found = Vec::new();
        let Some(Some(connection)) = self.slots.get_mut(slot) else {
            self.buffer = buffer;
            return;
        };
        connection.in_ready = false;
        let before = connection.peer;
        let tls = &mut self.tls;
        let result = connection.read(now, &mut buffer, &mut || tls.server(), &mut found);
        let (peer, failed) = (connection.peer, result.is_err());
        self.buffer = buffer;
        if before != peer {
            // It turned out to speak TLS.
            self.by_peer.remove(&before);
            self.by_peer.insert(peer, slot);
        }
        self.news.extend(found.into_iter().map(|bytes| News::Message(peer, bytes)));
        match result {
            Ok(true) => self.mark_ready(slot),
            Ok(false) => {}
            Err(error) => self.on_error(slot, &error),
        }
        // The handshake, a pong.
        if !failed {
            self.mark_dirty(slot);
        }
    }

    /// Writes what is queued.
    pub fn flush(&mut self, now: Time) {
        for slot in core::mem::take(&mut self.dirty) {
            let Some(connection) = self.connection(slot) else { continue };
            connection.in_dirty = false;
            if let Err(error) = connection.write(now) {
                self.on_error(slot, &error);
            }
        }
    }
    fn on_error(&mut self, slot: usize, error: &io::Error) {
        let Some(connection) = self.connection(slot) else { return };
        let (peer, open) = (connection.peer, connection.is_open());
        if error.kind() == io::ErrorKind::UnexpectedEof && open {
            log::debug!(target: "voip::sip", "{} closed its connection", peer.address);
        } else {
            log::warn!(target: "voip::sip", "connection with {} by {}: {error}", peer.address, peer.transport.as_str());
        }
        self.remove(slot);
    }
    fn give_up(&mut self, slot: usize, why: &str) {
        if let Some(connection) = self.connection(slot) {
            let peer = connection.peer;
            log::info!(target: "voip::sip", "the connection with {} is closed: {why}", peer.address);
            self.remove(slot);
        }
    }

    pub fn next_deadline(&self) -> Option<Time> {
        self.checks.first().map(|(at, _)| *at).into_iter().chain(self.accept_at).min()
    }
    /// Ends what waits in vain, keeps alive what is used, closes what isn't.
    pub fn on_time(&mut self, now: Time, mut is_used: impl FnMut(Peer) -> bool) {
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept_at = None;
            self.accept_more = true;
        }
        while let Some(&(at, slot)) = self.checks.first().filter(|(at, _)| *at <= now) {
            self.checks.remove(&(at, slot));
            let Some(Some(connection)) = self.slots.get_mut(slot) else { continue };
            match connection.due(now, spread(self.limits.idle, slot)) {
                Due::Wait(until) => self.check(slot, until.max(now + Duration::from_millis(10))),
                Due::GiveUp(why) => self.give_up(slot, why),
                Due::Idle if !is_used(connection.peer) => self.give_up(slot, "it is not used"),
                Due::Idle => {
                    let again = now + self.limits.idle;
                    if !connection.is_accepted() {
                        connection.ping();
                    }
                    connection.moved = now;
                    self.mark_dirty(slot);
                    self.check(slot, again);
                }
            }
        }
    }

    fn accept(&mut self, now: Time) {
        for _ in 0..ACCEPTS {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok((stream, from)) => {
                    // Others may not take all the room.
                    if self.accepted < self.limits.connections - self.limits.connections / 4 || self.evict() {
                        let slot = self.insert(now, Connection::accepted(now, stream, from));
                        if let Some(slot) = slot {
                            self.mark_ready(slot);
                        }
                    } else {
                        log::warn!(target: "voip::sip", "no room for a connection from {from}");
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) => {
                    log::error!(target: "voip::engine", "accepting a connection: {e}");
                    self.accept_at = Some(now + ACCEPT_PAUSE);
                    return;
                }
                Err(_) => {}
            }
        }
        self.accept_more = true;
    }
    /// Makes room: whoever has been silent longest since it came has to go.
    fn evict(&mut self) -> bool {
        let silent = self.slots.iter().enumerate().filter_map(|(slot, c)| Some((slot, c.as_ref()?)));
        let silent = silent.filter(|(_, c)| c.is_accepted() && !c.spoke).min_by_key(|(_, c)| c.moved);
        match silent.map(|(slot, _)| slot) {
            Some(slot) => {
                self.give_up(slot, "others want its place");
                true
            }
            None => false,
        }
    }

    fn insert(&mut self, now: Time, mut connection: Connection) -> Option<usize> {
        let slot = self.free.pop().unwrap_or(self.slots.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.registry.register(connection.stream(), Token(FIRST_SLOT + slot), interest) {
            log::error!(target: "voip::engine", "epoll: {error}");
            self.free.push(slot);
            return None;
        }
        let first_check = match connection.due(now, self.limits.idle) {
            Due::Wait(until) => until,
            _ => now,
        };
        self.accepted += usize::from(connection.is_accepted());
        self.by_peer.insert(connection.peer, slot);
        match self.slots.get_mut(slot) {
            Some(place) => *place = Some(connection),
            None => self.slots.push(Some(connection)),
        }
        self.check(slot, first_check);
        Some(slot)
    }
    fn remove(&mut self, slot: usize) {
        let Some(mut connection) = self.slots.get_mut(slot).and_then(Option::take) else { return };
        let peer = connection.peer;
        let open = connection.is_open();
        connection.close();
        let _ = self.registry.deregister(connection.stream());
        self.checks.remove(&(connection.check, slot));
        self.ready.retain(|s| *s != slot);
        self.dirty.retain(|s| *s != slot);
        self.by_peer.remove(&peer);
        self.accepted -= usize::from(connection.is_accepted());
        self.free.push(slot);
        if connection.is_accepted() && !connection.spoke {
            return;
        }
        self.news.push_back(if open { News::Lost(peer) } else { News::Failed(peer) });
    }

    fn check(&mut self, slot: usize, at: Time) {
        if let Some(Some(connection)) = self.slots.get_mut(slot) {
            connection.check = at;
            self.checks.insert((at, slot));
        }
    }
    fn connection(&mut self, slot: usize) -> Option<&mut Connection> {
        self.slots.get_mut(slot)?.as_mut()
    }
    fn mark_ready(&mut self, slot: usize) {
        if let Some(Some(connection)) = self.slots.get_mut(slot) {
            if !core::mem::replace(&mut connection.in_ready, true) {
                self.ready.push_back(slot);
            }
        }
    }
    fn mark_dirty(&mut self, slot: usize) {
        if let Some(Some(connection)) = self.slots.get_mut(slot) {
            if !core::mem::replace(&mut connection.in_dirty, true) {
                self.dirty.push(slot);
            }
        }
    }
}

/// What one turn has done so far.
#[derive(Default)]
pub struct Turn {
    reads: usize,
}

/// Four fifths to all of it (RFC 5626 section 4.4.1), so that connections don't ping together.
fn spread(idle: Duration, slot: usize) -> Duration {
    let fifths = 5 * 16;
    idle / fifths * (4 * 16 + u32::try_from(slot % 17).unwrap_or(0))
}

fn listen(bind: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(bind), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if let SocketAddr::V6(v6) = bind {
        // A system without IPv4 may refuse; IPv6 alone is what remains then.
        let _ = socket.set_only_v6(!v6.ip().is_unspecified());
    }
    socket.bind(&bind.into())?;
    socket.listen(128)?;
    Ok(TcpListener::from_std(socket.into()))
}
