//! Many RTP sessions on one UDP socket.

use super::call::Timeout;
use super::clock::OsRng;
use super::error::{Error, ErrorKind, Result};
use super::rtp_driver::{MuxCounters, OtherSink, Routes, Sockets};
use super::rtp_pump::{Parked, Pump};
use super::rtp_session::{Local, RtpSession};
use super::udp;
use crate::proto::rtp::Demux;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;

/// What the socket of many streams buffers.
const SOCKET_BYTES: usize = 1 << 21;

pub struct RtpMux {
    shared: Arc<MuxShared>,
}

pub(super) struct MuxShared {
    pub pump: Arc<Pump>,
    pub local: Local,
    limit: usize,
    sessions: AtomicUsize,
    next_id: AtomicU64,
    counters: Arc<MuxCounters>,
}

/// Datagrams since the start, by what became of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RtpMuxStats {
    pub sessions: usize,
    pub routed: u64,
    pub learned: u64,
    pub unrouted: u64,
    pub stun: u64,
    pub dtls: u64,
    pub other: u64,
}

impl MuxShared {
    /// A number for one more session.
    pub fn admit(&self) -> Result<u64> {
        let more = |n: usize| (n < self.limit).then_some(n + 1);
        if self.sessions.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_err() {
            let message = format!("the mux has its {} sessions", self.limit);
            return Err(Error::new(ErrorKind::Limit, message));
        }
        Ok(self.next_id.fetch_add(1, Ordering::Relaxed))
    }
    pub fn leave(&self) {
        self.sessions.fetch_sub(1, Ordering::AcqRel);
    }
}

impl RtpMux {
    /// Opens the socket and runs: on a thread of its own, or when the host polls (`driven`).
    pub fn new(bind: SocketAddr, limit: usize, driven: bool, other: Option<OtherSink>) -> Result<RtpMux> {
        let failed = |e: std::io::Error| Error::system("opening an rtp port", &e);
        let socket = udp::open(bind, SOCKET_BYTES).map_err(failed)?;
        let port = socket.local_addr().map_err(failed)?.port();
        let local = Local { rtp: SocketAddr::new(bind.ip(), port), rtcp_port: port };
        let sockets = Sockets { rtp: socket, rtcp: None, ipv6: bind.is_ipv6() };
        let counters = Arc::new(MuxCounters::default());
        let table = Box::new(Demux::new(limit, &mut OsRng::new()));
        let routes = Routes::Many { table, counters: counters.clone(), other };
        let pump = Parked::new(sockets, routes)?.launch(driven)?;
        let (sessions, next_id) = (AtomicUsize::new(0), AtomicU64::new(1));
        Ok(RtpMux { shared: Arc::new(MuxShared { pump, local, limit, sessions, next_id, counters }) })
    }

    pub fn local(&self) -> SocketAddr {
        self.shared.local.rtp
    }

    /// The session's datagrams are told by `remote` (None: the session's own, or who comes first) and SSRC.
    pub fn register(&self, session: &RtpSession, remote: Option<SocketAddr>) -> Result<()> {
        session.register(&self.shared, remote)
    }

    /// Ends a session that is on this mux.
    pub fn unregister(&self, session: &RtpSession) -> Result<()> {
        if !session.is_on(&self.shared) {
            return Err(Error::new(ErrorKind::State, "the session is not on this mux"));
        }
        session.stop();
        Ok(())
    }

    pub fn stats(&self) -> RtpMuxStats {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RtpMuxStats {
            sessions: self.shared.sessions.load(Ordering::Acquire),
            routed: read(&counters.routed),
            learned: read(&counters.learned),
            unrouted: read(&counters.unrouted),
            stun: read(&counters.stun),
            dtls: read(&counters.dtls),
            other: read(&counters.other),
        }
    }

    pub fn poll(&self, timeout: Timeout) -> Result<()> {
        self.shared.pump.poll(timeout)
    }
    pub fn descriptor(&self) -> Result<RawFd> {
        self.shared.pump.descriptor()
    }
    pub fn due_in(&self) -> Result<Timeout> {
        self.shared.pump.due_in()
    }
    /// Its sessions end. When this returns no callback runs any more.
    pub fn close(&self) {
        self.shared.pump.close();
    }
}

impl Drop for RtpMux {
    fn drop(&mut self) {
        self.close();
    }
}
