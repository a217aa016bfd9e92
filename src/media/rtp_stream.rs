//! One RTP stream with its RTCP, by itself: the session that calls use, a reporter beside it, and what decides where
//! RTCP goes (RFC 3550, RFC 5761 where both share a port).
//!
//! Sans-I/O: whoever drives it hands in datagrams of both ports, calls `handle_deadline` when `next_deadline` has come,
//! and sends what the closure is given.

use super::host_ring::HostAudio;
use super::params::{MediaError, MediaEvent, MediaStats, SessionConfig, StreamParams, Wake};
use super::reporter::{Reporter, ReporterConfig, RtcpStats, SyncPoint, MAX_REPORT};
use super::session::Session;
use crate::proto::rtcp::NtpTime;
use crate::proto::rtp::{classify, PacketKind, RtpHeader};
use crate::util::{Duration, Rng, Time};
use core::net::SocketAddr;

/// Which port a datagram leaves from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    Rtp,
    Rtcp,
}

#[derive(Clone, Debug)]
pub struct RtpStreamConfig {
    pub session: SessionConfig,
    pub params: StreamParams,
    /// What begins at random otherwise.
    pub ssrc: Option<u32>,
    pub first_sequence: Option<u16>,
    pub first_timestamp: Option<u32>,
    /// RTCP on the port of RTP.
    pub rtcp_mux: bool,
    /// None: the port above the one that RTP goes to.
    pub remote_rtcp: Option<SocketAddr>,
    /// None: no RTCP is sent; what comes is read all the same.
    pub report_interval: Option<Duration>,
    /// Empty: at random.
    pub cname: Box<str>,
}

pub struct RtpStream {
    session: Session,
    reporter: Reporter,
    reports: bool,
    started: bool,
    params: StreamParams,
    rtcp_mux: bool,
    remote_rtcp: Option<SocketAddr>,
    /// Where the peer's RTCP comes from.
    heard_rtcp: Option<SocketAddr>,
    rng: Box<dyn Rng>,
    /// RTCP from elsewhere.
    rtcp_strangers: u64,
}

impl RtpStream {
    /// Waits for `start`. The session's audio carries its RTP timestamps.
    pub fn new(
        now: Time,
        config: RtpStreamConfig,
        mut rng: Box<dyn Rng>,
    ) -> Result<(RtpStream, HostAudio), MediaError> {
        let (mut session, mut audio) = Session::new(config.session, &mut *rng, now);
        session.set_start(config.ssrc, config.first_sequence, config.first_timestamp);
        session.stamp_audio(&mut audio.reader);
        check(&config.params)?;
        // RFC 7022 section 4.2: 96 random bits do where no name is wanted.
        let cname = if config.cname.is_empty() { rng.token(20).into() } else { config.cname };
        let minimum = config.report_interval.unwrap_or(Duration::from_secs(5));
        let bandwidth = bandwidth(&config.params);
        let reporting = ReporterConfig { ssrc: session.stats().local_ssrc, cname, bandwidth, minimum };
        let reporter = Reporter::new(now, reporting, &mut *rng);
        let stream = RtpStream {
            session,
            reporter,
            reports: config.report_interval.is_some(),
            started: false,
            params: config.params,
            rtcp_mux: config.rtcp_mux,
            remote_rtcp: config.remote_rtcp,
            heard_rtcp: None,
            rng,
            rtcp_strangers: 0,
        };
        Ok((stream, audio))
    }

    /// Runs from now on.
    pub fn start(&mut self, now: Time) -> Result<(), MediaError> {
        self.session.configure(now, &self.params)?;
        self.reporter.restart(now, &mut *self.rng);
        self.started = true;
        Ok(())
    }
    fn configure(&mut self, now: Time) -> Result<(), MediaError> {
        if self.started {
            self.session.configure(now, &self.params)?;
        }
        Ok(())
    }

    /// A datagram of either port. Some: it is neither RTP nor RTCP, and was not looked into.
    pub fn handle_datagram(
        &mut self,
        now: Time,
        wall: NtpTime,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Option<PacketKind> {
        match classify(datagram) {
            PacketKind::Rtp => self.session.handle_packet(now, from, datagram),
            PacketKind::Rtcp => self.handle_rtcp(now, wall, from, datagram),
            other => return Some(other),
        }
        None
    }

    /// Who may tell about the stream: the host that it goes to.
    fn handle_rtcp(&mut self, now: Time, wall: NtpTime, from: SocketAddr, datagram: &[u8]) {
        let peer = self.session.destination();
        let known = |to: Option<SocketAddr>| to.is_none_or(|to| to.ip() == from.ip());
        if !known(peer) && (self.remote_rtcp.is_none() || !known(self.remote_rtcp)) {
            self.rtcp_strangers += 1;
            return;
        }
        if self.reporter.handle_packet(now, wall, datagram, &mut *self.rng) && peer.is_some() {
            self.heard_rtcp = Some(from);
        }
    }

    /// RFC 3550 section 11: the port above RTP's, unless told or heard otherwise.
    fn rtcp_destination(&self) -> Option<SocketAddr> {
        let peer = self.session.destination();
        if self.rtcp_mux {
            return peer;
        }
        let above = || {
            let peer = peer?;
            Some(SocketAddr::new(peer.ip(), peer.port().checked_add(1)?))
        };
        self.heard_rtcp.or(self.remote_rtcp).or_else(above)
    }

    fn rtcp_channel(&self) -> Channel {
        if self.rtcp_mux {
            Channel::Rtp
        } else {
            Channel::Rtcp
        }
    }

    pub fn next_deadline(&self) -> Option<Time> {
        let report = (self.reports && self.started).then(|| self.reporter.next_deadline());
        [self.session.next_deadline(), report].into_iter().flatten().min()
    }

    /// Plays, sends and reports what is due.
    pub fn handle_deadline(
        &mut self,
        now: Time,
        wall: NtpTime,
        send: &mut dyn FnMut(Channel, SocketAddr, &[u8]),
    ) {
        self.session.handle_deadline(now, &mut |to, packet| send(Channel::Rtp, to, packet));
        if !self.reports || !self.started || self.reporter.next_deadline() > now {
            return;
        }
        let (said, heard) = (self.session.said(now), self.session.heard());
        let mut out = [0; MAX_REPORT];
        let reporter = &mut self.reporter;
        let written = reporter.handle_deadline(now, wall, said, heard, &mut *self.rng, &mut out);
        self.send_rtcp(written, &out, send);
    }

    fn send_rtcp(
        &self,
        written: Option<usize>,
        out: &[u8],
        send: &mut dyn FnMut(Channel, SocketAddr, &[u8]),
    ) {
        let report = written.and_then(|n| out.get(..n));
        if let (Some(report), Some(to)) = (report, self.rtcp_destination()) {
            send(self.rtcp_channel(), to, report);
        }
    }

    /// The stream is over: what waits is finished, and the peer is told.
    pub fn close(&mut self, now: Time, wall: NtpTime, send: &mut dyn FnMut(Channel, SocketAddr, &[u8])) {
        let (said, heard) = (self.session.said(now), self.session.heard());
        let mut out = [0; MAX_REPORT];
        if self.reports {
            let written = self.reporter.bye(now, wall, said, heard, None, &mut out);
            self.send_rtcp(written, &out, send);
        }
        self.session.close();
    }

    /// None: nowhere, until somebody sends.
    pub fn set_remote(
        &mut self,
        now: Time,
        remote: Option<SocketAddr>,
        rtcp: Option<SocketAddr>,
    ) -> Result<(), MediaError> {
        self.params.remote = remote;
        self.remote_rtcp = rtcp;
        self.heard_rtcp = None;
        self.configure(now)
    }

    /// RTCP goes to the port of RTP from now on, or to one of its own.
    pub fn set_rtcp_mux(&mut self, mux: bool) {
        self.rtcp_mux = mux;
    }

    pub fn set_direction(&mut self, now: Time, sending: bool, receiving: bool) -> Result<(), MediaError> {
        (self.params.sending, self.params.receiving) = (sending, receiving);
        self.configure(now)
    }

    pub fn send_dtmf(&mut self, digits: &str, duration: Duration, gap: Duration) -> Result<(), MediaError> {
        self.session.send_dtmf(digits, duration, gap, 0)
    }

    pub fn flush(&mut self) {
        self.session.flush();
    }
    pub fn count_send_error(&mut self) {
        self.session.count_send_error();
    }
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.session.poll_event()
    }
    pub fn take_wake(&mut self) -> Wake {
        self.session.take_wake()
    }
    pub fn is_drained(&mut self) -> bool {
        self.session.is_drained()
    }

    pub fn destination(&self) -> Option<SocketAddr> {
        self.session.destination()
    }
    pub fn stats(&self) -> (MediaStats, RtcpStats) {
        let mut rtcp = *self.reporter.stats();
        rtcp.discarded += self.rtcp_strangers;
        (self.session.stats(), rtcp)
    }
    /// The clock of the stream that is heard, in ticks a second.
    pub fn heard_clock_rate(&self) -> u32 {
        self.session.heard().map_or(self.params.codec.clock_rate, |h| h.clock_rate)
    }
    /// Of the source that is heard, once it is.
    pub fn sync(&self) -> Option<SyncPoint> {
        let heard = self.session.heard().map(|h| h.ssrc);
        self.reporter.sync(heard)
    }
}

/// What a session would refuse at its start.
fn check(params: &StreamParams) -> Result<(), MediaError> {
    let formats = core::iter::once(&params.codec).chain(&params.receive);
    for format in formats.filter(|f| !f.is("telephone-event") && !f.is("CN")) {
        if super::codec::Codec::from_format(format).is_none() {
            return Err(MediaError::Codec(format.name.clone()));
        }
    }
    Ok(())
}

/// Both ways, in bits a second: RTP, UDP and IP headers count.
fn bandwidth(params: &StreamParams) -> u32 {
    let codec = super::codec::Codec::from_format(&params.codec);
    let ptime = params.ptime_ms.clamp(10, 60);
    let payload = codec.map_or(160, |c| c.payload_bytes(c.frame_samples(ptime)));
    let packet = (payload + RtpHeader::LEN + 28) as u32;
    2 * packet * 8 * 1000 / ptime
}
