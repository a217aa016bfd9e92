//! One RTP stream with its RTCP by itself, as the host holds it. Any thread.

use super::call::{lock, Timeout};
use super::call_audio::AudioEnds;
use super::call_keys::check_keys;
use super::clock::{self, OsRng};
use super::config::AudioFormat;
use super::error::{Error, ErrorKind, Result};
use super::rtp_config::RtpSessionConfig;
use super::rtp_driver::{Command, Opening, Routes, Sockets};
use super::rtp_mux::MuxShared;
use super::rtp_pump::{Parked, Pump};
use super::rtp_shared::{over, KeySink, RtpSessionStats, SessionShared};
use super::udp;
use crate::media::RtpStream;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a socket of one stream buffers.
const SOCKET_BYTES: usize = 1 << 18;
/// How often a pair of free ports is looked for.
const PORT_TRIES: usize = 64;

pub struct RtpSession {
    config: RtpSessionConfig,
    shared: Arc<SessionShared>,
    phase: Mutex<Phase>,
}

enum Phase {
    New(Box<RtpStream>),
    /// The sockets are open.
    Bound {
        stream: Box<RtpStream>,
        parked: Parked,
        local: Local,
    },
    /// On a mux, and waits for its start.
    Registered {
        stream: Box<RtpStream>,
        mux: Arc<MuxShared>,
        id: u64,
        remote: Option<SocketAddr>,
    },
    Running {
        id: u64,
        pump: Arc<Pump>,
        mux: Option<Arc<MuxShared>>,
        local: Local,
    },
    Over,
}

/// The local addresses; RTCP's port may be RTP's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Local {
    pub rtp: SocketAddr,
    pub rtcp_port: u16,
}

impl RtpSession {
    /// Opens nothing yet. Audio may be written already: it is sent after the start.
    pub fn new(config: RtpSessionConfig, on_key: Option<KeySink>) -> Result<RtpSession> {
        let (stream, audio) = RtpStream::new(clock::now(), config.stream()?, Box::new(OsRng::new()))?;
        let shared = SessionShared::new(AudioEnds::new(config.audio, audio), on_key);
        Ok(RtpSession { config, shared: Arc::new(shared), phase: Mutex::new(Phase::New(Box::new(stream))) })
    }

    pub fn audio_format(&self) -> AudioFormat {
        self.config.audio
    }

    /// Opens the sockets, so that the ports are known before the start.
    pub fn bind(&self) -> Result<()> {
        self.change(|phase| match phase {
            Phase::New(stream) => match open_sockets(&self.config) {
                Ok((sockets, local)) => match Parked::new(sockets, Routes::Sole) {
                    Ok(parked) => (Phase::Bound { stream, parked, local }, Ok(())),
                    Err(error) => (Phase::New(stream), Err(error)),
                },
                Err(error) => (Phase::New(stream), Err(error)),
            },
            Phase::Over => (Phase::Over, Err(over())),
            other => (other, Ok(())),
        })
    }

    /// Sends and receives from now on.
    pub fn start(&self) -> Result<()> {
        let started = self.launch();
        // A mux that ended at this moment has perhaps not seen the session.
        if matches!(&*lock(&self.phase), Phase::Running { pump, .. } if pump.is_over()) {
            self.shared.end();
        }
        started
    }

    fn launch(&self) -> Result<()> {
        if matches!(*lock(&self.phase), Phase::New(_)) {
            self.bind()?;
        }
        self.change(|phase| match phase {
            Phase::Bound { stream, parked, local } => match parked.launch(self.config.driven) {
                Ok(pump) => {
                    let posted = pump.post(self.opening(0, *stream, self.config.remote));
                    (Phase::Running { id: 0, pump, mux: None, local }, posted)
                }
                Err(error) => (Phase::Over, Err(error)),
            },
            Phase::Registered { stream, mux, id, remote } => {
                let posted = mux.pump.post(self.opening(id, *stream, remote));
                let (pump, local) = (mux.pump.clone(), mux.local);
                (Phase::Running { id, pump, mux: Some(mux), local }, posted)
            }
            Phase::Over => (Phase::Over, Err(over())),
            other => (other, Err(Error::new(ErrorKind::State, "the session was started already"))),
        })
    }

    fn opening(&self, id: u64, stream: RtpStream, remote: Option<SocketAddr>) -> Command {
        let (shared, remote_ssrc) = (self.shared.clone(), self.config.remote_ssrc);
        Command::Open(Box::new(Opening { id, stream, shared, remote, remote_ssrc }))
    }

    pub(super) fn register(&self, mux: &Arc<MuxShared>, remote: Option<SocketAddr>) -> Result<()> {
        let remote = remote.or(self.config.remote);
        self.change(|phase| match phase {
            Phase::New(mut stream) => match mux.admit() {
                Ok(id) => {
                    // RFC 5761: one port for both.
                    stream.set_rtcp_mux(true);
                    let set = stream.set_remote(clock::now(), remote, None).map_err(Error::from);
                    (Phase::Registered { stream, mux: mux.clone(), id, remote }, set)
                }
                Err(error) => (Phase::New(stream), Err(error)),
            },
            Phase::Over => (Phase::Over, Err(over())),
            other => {
                let message = "only a session that has no socket yet can be registered";
                (other, Err(Error::new(ErrorKind::State, message)))
            }
        })
    }

    pub(super) fn is_on(&self, mux: &Arc<MuxShared>) -> bool {
        match &*lock(&self.phase) {
            Phase::Registered { mux: m, .. } | Phase::Running { mux: Some(m), .. } => Arc::ptr_eq(m, mux),
            _ => false,
        }
    }

    /// Says goodbye to the peer. What was heard can still be read; no callback runs when this has returned.
    pub fn stop(&self) {
        let phase = std::mem::replace(&mut *lock(&self.phase), Phase::Over);
        match phase {
            Phase::Running { pump, mux: None, .. } => pump.close(),
            Phase::Running { id, pump, mux: Some(mux), .. } => {
                if pump.post(Command::Close { id }).is_ok() {
                    pump.settle();
                    // Whoever drives it says when it is done; the mux may end first.
                    self.shared.signal.wait(None, || self.shared.is_over().then_some(()));
                }
                mux.leave();
            }
            Phase::Registered { mux, .. } => mux.leave(),
            Phase::New(_) | Phase::Bound { .. } | Phase::Over => {}
        }
        self.shared.end();
    }

    /// What stands between the lock and a phase is never a wait for a driver.
    fn change(&self, step: impl FnOnce(Phase) -> (Phase, Result<()>)) -> Result<()> {
        let mut place = lock(&self.phase);
        let (phase, done) = step(std::mem::replace(&mut *place, Phase::Over));
        *place = phase;
        done
    }

    /// What can be done before the start, too.
    fn tell(
        &self,
        before: impl FnOnce(&mut RtpStream) -> Result<()>,
        command: impl FnOnce(u64) -> Command,
    ) -> Result<()> {
        let (pump, id) = match &mut *lock(&self.phase) {
            Phase::New(stream) | Phase::Bound { stream, .. } | Phase::Registered { stream, .. } => {
                return before(stream)
            }
            Phase::Running { pump, id, .. } => (pump.clone(), *id),
            Phase::Over => return Err(over()),
        };
        pump.post(command(id))
    }

    /// None: nowhere, until somebody sends to us. `rtcp` None: the port above.
    pub fn set_remote(&self, remote: Option<SocketAddr>, rtcp: Option<SocketAddr>) -> Result<()> {
        if let Phase::Registered { remote: known, .. } = &mut *lock(&self.phase) {
            *known = remote;
        }
        let before = |s: &mut RtpStream| Ok(s.set_remote(clock::now(), remote, rtcp)?);
        self.tell(before, |id| Command::Remote { id, remote, rtcp })
    }

    pub fn set_direction(&self, sending: bool, receiving: bool) -> Result<()> {
        let before = |s: &mut RtpStream| Ok(s.set_direction(clock::now(), sending, receiving)?);
        self.tell(before, |id| Command::Direction { id, sending, receiving })
    }

    /// Digits 0-9 * # A-D, `w` waits half a second, `,` two seconds.
    pub fn send_dtmf(&self, digits: &str, duration_ms: u32, gap_ms: u32) -> Result<()> {
        check_keys(digits, duration_ms, gap_ms)?;
        if self.config.telephone_event().is_none() {
            return Err(Error::new(ErrorKind::NotSupported, "the payload map has no telephone-event"));
        }
        let (duration, gap) =
            (Duration::from_millis(duration_ms.into()), Duration::from_millis(gap_ms.into()));
        let digits: Box<str> = digits.to_ascii_uppercase().replace('W', "w").into();
        let early = |_: &mut RtpStream| Err(Error::new(ErrorKind::State, "the session was not started"));
        self.shared.keys_queued();
        self.tell(early, |id| Command::Keys { id, digits, duration, gap })
    }

    pub fn read_dtmf(&self, buf: &mut [u8], timeout: Timeout) -> Result<usize> {
        self.shared.read_keys(buf, timeout)
    }
    pub fn read(&self, pcm: &mut [u8], timeout: Timeout) -> Result<usize> {
        self.shared.read(pcm, timeout)
    }
    pub fn read_padded(&self, pcm: &mut [u8]) -> Result<usize> {
        self.shared.read_padded(pcm)
    }
    /// Frames, and the RTP timestamp of the first one.
    pub fn read_timed(&self, pcm: &mut [u8], timeout: Timeout) -> Result<(usize, u32)> {
        self.shared.read_timed(pcm, timeout)
    }
    pub fn write(&self, pcm: &[u8], timeout: Timeout) -> Result<usize> {
        self.shared.write(pcm, timeout)
    }
    pub fn drain(&self, timeout: Timeout) -> Result<()> {
        self.shared.drain(timeout)
    }
    /// Forgets what was heard and not read, and what was written and not sent.
    pub fn flush(&self) -> Result<()> {
        self.shared.audio.reader.lock().clear();
        self.shared.audio.writer.lock().flush();
        self.tell(|_| Ok(()), |id| Command::Flush { id })
    }
    pub fn stats(&self) -> RtpSessionStats {
        self.shared.stats()
    }

    pub fn local(&self) -> Result<Local> {
        match &*lock(&self.phase) {
            Phase::Bound { local, .. } | Phase::Running { local, .. } => Ok(*local),
            Phase::Registered { mux, .. } => Ok(mux.local),
            Phase::New(_) => Err(Error::new(ErrorKind::State, "the session has no socket yet")),
            Phase::Over => Err(over()),
        }
    }

    fn pump(&self) -> Result<Arc<Pump>> {
        match &*lock(&self.phase) {
            Phase::Running { pump, mux: None, .. } => Ok(pump.clone()),
            Phase::Running { .. } | Phase::Registered { .. } => {
                Err(Error::new(ErrorKind::State, "the session is on a mux: that is what is polled"))
            }
            Phase::Over => Err(over()),
            _ => Err(Error::new(ErrorKind::State, "the session was not started")),
        }
    }
    pub fn poll(&self, timeout: Timeout) -> Result<()> {
        self.pump()?.poll(timeout)
    }
    pub fn descriptor(&self) -> Result<RawFd> {
        self.pump()?.descriptor()
    }
    pub fn due_in(&self) -> Result<Timeout> {
        self.pump()?.due_in()
    }
}

impl Drop for RtpSession {
    fn drop(&mut self) {
        self.stop();
    }
}

/// RTP on an even port with RTCP above it (RFC 3550 section 11), unless the host names ports or shares one.
fn open_sockets(config: &RtpSessionConfig) -> Result<(Sockets, Local)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    let tries = if config.rtp_port == 0 && !config.rtcp_mux { PORT_TRIES } else { 1 };
    for _ in 0..tries {
        match open_pair(config) {
            Ok(Some(opened)) => return Ok(opened),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(Error::system("opening an rtp port", &error)),
        }
    }
    Err(Error::system("opening an rtp port", &last))
}

/// None: the port that the system gave is odd.
fn open_pair(config: &RtpSessionConfig) -> io::Result<Option<(Sockets, Local)>> {
    let open = |ip: IpAddr, port: u16| -> io::Result<(UdpSocket, u16)> {
        let socket = udp::open(SocketAddr::new(ip, port), SOCKET_BYTES)?;
        let port = socket.local_addr()?.port();
        Ok((socket, port))
    };
    let (rtp, rtp_port) = open(config.local, config.rtp_port)?;
    let ipv6 = config.local.is_ipv6();
    let address = SocketAddr::new(config.local, rtp_port);
    if config.rtcp_mux {
        return Ok(Some((Sockets { rtp, rtcp: None, ipv6 }, Local { rtp: address, rtcp_port: rtp_port })));
    }
    let wanted = match config.rtcp_port {
        0 if config.rtp_port == 0 && rtp_port % 2 == 1 => return Ok(None),
        0 => rtp_port.checked_add(1).ok_or(io::ErrorKind::AddrInUse)?,
        port => port,
    };
    let (rtcp, rtcp_port) = open(config.local, wanted)?;
    Ok(Some((Sockets { rtp, rtcp: Some(rtcp), ipv6 }, Local { rtp: address, rtcp_port })))
}
