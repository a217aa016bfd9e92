//! The receiving half: source, sequence, events, jitter buffer, playout.

use super::protection::ReceiveSrtp;
use super::{Events, Session};
use crate::media::codec::{cn, Codec, Decoder};
use crate::media::conceal::Concealer;
use crate::media::dtmf::receiver::KeyEvents;
use crate::media::dtmf::{EventReceiver, KeyEvent};
use crate::media::jitter::{Inserted, JitterBuffer, Next, MAX_PAYLOAD};
use crate::media::latch::{Judged, Latch};
use crate::media::meter::Level;
use crate::media::params::{MediaError, MediaEvent, MediaStats, SessionConfig, StreamParams};
use crate::media::playout::Playout;
use crate::media::reporter::Heard;
use crate::media::resample::Resampler;
use crate::proto::rtp::{
    classify, ExtendedSequence, PacketKind, RtpPacket, SequenceNumber, SequenceTracker, TelephoneEvent,
    Timestamp, Verdict,
};
use crate::proto::srtp::SrtpError;
use crate::util::{Duration, Time};
use core::net::SocketAddr;

/// Frames made up in a row before the stream counts as silent.
const MAX_MADE_UP: u32 = 3;
/// Ticks that one wake-up runs at most.
const MAX_TICKS: usize = 4;
/// Samples of one decoded packet: the common case, others, and all that a datagram can hold.
const USUAL: usize = 160;
const SMALL: usize = 480;
const LARGE: usize = 2 * MAX_PAYLOAD;
/// Packets that are looked at for what was heard before a loss.
const REMEMBERED: usize = 16;
/// Frames of the host's rate that leave the resampler at a time.
const HOST_BLOCK: usize = 1024;

/// What a payload type carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Audio(Codec),
    Event {
        clock_rate: u32,
    },
    /// Comfort noise (RFC 3389): says that the sender is silent, and what its silence sounds like.
    Noise,
}

/// By payload type. An unknown codec among those that we announced would be our own fault: refused.
pub fn formats_of(params: &StreamParams) -> Result<Vec<(u8, Format)>, MediaError> {
    let mut formats = Vec::with_capacity(params.receive.len() + 2);
    for f in &params.receive {
        let format = if f.is("telephone-event") {
            Format::Event { clock_rate: f.clock_rate }
        } else if f.is("CN") {
            Format::Noise
        } else {
            let codec = Codec::from_format(f).ok_or_else(|| MediaError::Codec(f.name.clone()))?;
            Format::Audio(codec)
        };
        formats.push((f.payload_type, format));
    }
    if let Some(pt) = params.telephone_event_receive {
        if !formats.iter().any(|(p, _)| *p == pt) {
            formats.push((pt, Format::Event { clock_rate: params.codec.clock_rate }));
        }
    }
    // Peers send it without having said so: it has a number of its own (RFC 3551 section 6).
    if !formats.iter().any(|(p, _)| *p == COMFORT_NOISE) {
        formats.push((COMFORT_NOISE, Format::Noise));
    }
    Ok(formats)
}

const COMFORT_NOISE: u8 = 13;

#[repr(C)]
pub struct Receive {
    // What every packet needs comes first.
    srtp: Option<Box<ReceiveSrtp>>,
    /// The one of `formats` that came last.
    usual: Option<(u8, Format)>,
    listening: bool,
    peer_is_silent: bool,
    timed_out: bool,
    /// An SSRC that was seen once and would be next.
    rival: Option<(u32, SequenceNumber)>,
    latch: Latch,
    jitter: JitterBuffer,
    pub playout: Playout,
    source: Option<Source>,
    keys: EventReceiver,
    decoding: Option<Decoding>,
    timeout: Duration,
    last_packet: Time,
    /// Duration of the last packet played, in ticks of its clock and as time.
    frame_ticks: u32,
    frame: Duration,
    made_up: u32,
    /// What the peer's silence sounds like, once it has said so; is it silent now?
    noise: Option<Box<cn::Generator>>,
    formats: Vec<(u8, Format)>,
    host_rate: u32,
    /// Lost packets of the sources before this one.
    lost_before: u64,
}

/// One SSRC.
struct Source {
    ssrc: u32,
    tracker: SequenceTracker,
    highest: u64,
    /// RFC 3550 A.8: transit in ticks, jitter in 1/16 ticks.
    transit: Option<u32>,
    jitter_q4: u32,
    clock_rate: u32,
}

impl Source {
    fn new(ssrc: u32, clock_rate: u32) -> Source {
        let tracker = SequenceTracker::new(1);
        Source { ssrc, tracker, highest: 0, transit: None, jitter_q4: 0, clock_rate }
    }

    fn measure(&mut self, now: Time, timestamp: Timestamp) {
        let arrival = (u128::from(now.as_nanos()) * u128::from(self.clock_rate) / 1_000_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp.0);
        if let Some(before) = self.transit.replace(transit) {
            let d = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // A jump of the sender's clock is no jitter.
            if d < self.clock_rate {
                self.jitter_q4 = self.jitter_q4 + d - ((self.jitter_q4 + 8) >> 4);
            }
        }
    }

    fn jitter(&self) -> Duration {
        let ns = u64::from(self.jitter_q4 >> 4) * 1_000_000_000 / u64::from(self.clock_rate.max(1));
        Duration::from_nanos(ns)
    }
}

/// What belongs to the codec that is heard.
struct Decoding {
    payload_type: u8,
    codec: Codec,
    decoder: Decoder,
    concealer: Concealer,
    to_host: Option<Box<Resampler>>,
}

impl Decoding {
    fn new(payload_type: u8, codec: Codec, host_rate: u32) -> Decoding {
        let to_host = Resampler::between(codec.audio_rate, host_rate);
        Decoding {
            payload_type,
            codec,
            decoder: Decoder::new(&codec),
            concealer: Concealer::new(codec.audio_rate),
            to_host: to_host.map(Box::new),
        }
    }

    /// Before a loss is made up: what was heard last. Packets that can be decoded once more still lie in the buffer.
    fn remember(&mut self, jitter: &JitterBuffer) {
        if !self.decoder.is_stateless() || self.concealer.is_concealing() {
            return;
        }
        let (mut last, mut count, mut samples) = ([0; REMEMBERED], 0, 0);
        for slot in (1..=REMEMBERED as u64).filter_map(|n| jitter.played(n)) {
            if samples >= self.concealer.memory() || jitter.payload_type(slot) != self.payload_type {
                break;
            }
            last[count] = slot;
            count += 1;
            samples += self.codec.samples_in(jitter.payload(slot).len());
        }
        self.concealer.reset();
        for &slot in last[..count].iter().rev() {
            let mut pcm = [0; LARGE];
            let n = self.decoder.decode(jitter.payload(slot), &mut pcm);
            self.concealer.heard(&pcm[..n]);
        }
    }
}

impl Receive {
    pub fn new(
        now: Time,
        config: &SessionConfig,
        params: &StreamParams,
        formats: Vec<(u8, Format)>,
        ptime_ms: u32,
    ) -> Receive {
        let clock_rate = params.codec.clock_rate;
        let frame_ticks = clock_rate * ptime_ms / 1000;
        let frame = Duration::from_millis(u64::from(ptime_ms));
        let slots = config.jitter_max.as_millis() as usize / ptime_ms as usize + 4;
        let bytes = formats
            .iter()
            .filter_map(|(_, f)| match f {
                Format::Audio(c) => Some(c.payload_bytes((c.audio_rate * ptime_ms / 1000) as usize)),
                _ => None,
            })
            .max();
        let max_hold = (config.jitter_max.as_millis() as u32).max(ptime_ms) * (clock_rate / 1000);
        let mut latch = Latch::default();
        latch.announce(params.remote);
        Receive {
            keys: EventReceiver::new(event_clock(&formats)),
            formats,
            usual: None,
            srtp: None,
            latch,
            host_rate: config.host_rate,
            listening: params.receiving,
            jitter: JitterBuffer::new(slots, bytes.unwrap_or(0), max_hold),
            playout: Playout::new(config.jitter_min, config.jitter_max),
            source: None,
            rival: None,
            lost_before: 0,
            decoding: None,
            frame_ticks,
            frame,
            made_up: 0,
            noise: None,
            peer_is_silent: false,
            timeout: config.rtp_timeout,
            last_packet: now,
            timed_out: false,
        }
    }

    pub fn reconfigure(
        &mut self,
        now: Time,
        params: &StreamParams,
        formats: Vec<(u8, Format)>,
        stats: &mut MediaStats,
    ) {
        self.latch.announce(params.remote);
        if formats != self.formats {
            // Payload types may mean something else now: what waits can't be trusted.
            self.formats = formats;
            self.usual = None;
            self.decoding = None;
            self.forget(stats);
        }
        if params.receiving != self.listening {
            self.listening = params.receiving;
            self.peer_is_silent = false;
            self.flush();
        }
        self.last_packet = now;
        self.timed_out = false;
    }

    /// From now on what is under this key is heard and nothing else, or what is plain.
    pub fn protect(&mut self, srtp: Option<Box<ReceiveSrtp>>) {
        ReceiveSrtp::replace(&mut self.srtp, srtp);
    }

    /// Decoding begins anew, with another resampler behind it.
    pub fn set_host_rate(&mut self, rate: u32) {
        self.host_rate = rate;
        self.decoding = None;
    }

    /// Forgets the source and what it sent.
    fn forget(&mut self, stats: &mut MediaStats) {
        if let Some(source) = self.source.take() {
            self.lost_before += source.tracker.lost();
        }
        stats.remote_ssrc = 0;
        self.rival = None;
        self.peer_is_silent = false;
        self.jitter.reset();
        self.playout.stop();
    }

    pub fn flush(&mut self) {
        self.jitter.pause();
        self.playout.stop();
    }

    pub fn prefetch(&self) {
        self.jitter.prefetch(self.jitter.waiting() as u64);
        if let Some(decoding) = self.decoding.as_ref().filter(|d| !d.decoder.is_stateless()) {
            decoding.concealer.prefetch();
        }
    }
    pub fn has_next(&self) -> bool {
        self.jitter.has_next()
    }
    pub fn destination(&self) -> Option<SocketAddr> {
        self.latch.destination()
    }
    pub fn heap_bytes(&self) -> usize {
        let decoding = self
            .decoding
            .as_ref()
            .map_or(0, |d| d.concealer.heap_bytes() + d.to_host.as_ref().map_or(0, |r| r.heap_bytes()));
        self.jitter.heap_bytes() + decoding + self.formats.capacity() * size_of::<(u8, Format)>()
    }

    /// True when the stream's source is a new one.
    pub fn packet(
        &mut self,
        now: Time,
        from: SocketAddr,
        datagram: &[u8],
        stats: &mut MediaStats,
        events: &mut Events,
    ) -> bool {
        match classify(datagram) {
            PacketKind::Rtp => {}
            // RTCP has its own reader; without one it is no reason for alarm.
            PacketKind::Rtcp => return false,
            _ => {
                stats.rx_discarded += 1;
                return false;
            }
        }
        let Some((packet, format)) =
            RtpPacket::parse(datagram).ok().and_then(|p| Some((p, self.format(p.payload_type())?)))
        else {
            stats.rx_discarded += 1;
            return false;
        };
        let known = self.source.as_ref().map(|s| s.ssrc);
        let judged = self.latch.judge(from, packet.ssrc(), packet.sequence(), known);
        if judged == Judged::Stranger || !self.is_stream(&packet, judged, stats, events) {
            stats.rx_discarded += 1;
            return false;
        }
        match judged {
            Judged::First => events.push(MediaEvent::Started { from }),
            Judged::Moved => events.push(MediaEvent::SourceChanged { from }),
            _ => {}
        }
        self.accept(now, &packet, format, datagram.len(), stats, events);
        judged != Judged::Known
    }

    fn format(&mut self, payload_type: u8) -> Option<Format> {
        if self.usual.is_none_or(|(usual, _)| usual != payload_type) {
            self.usual = Some(*self.formats.iter().find(|(p, _)| *p == payload_type)?);
        }
        self.usual.map(|(_, format)| format)
    }

    /// The plain packet. None: it is none of ours, and counted.
    pub fn unprotected<'d>(&mut self, datagram: &'d mut [u8], stats: &mut MediaStats) -> Option<&'d [u8]> {
        let Some(srtp) = &mut self.srtp else { return Some(datagram) };
        let opened = match classify(datagram) {
            PacketKind::Rtp => srtp.unprotect(datagram),
            PacketKind::Rtcp => srtp.unprotect_rtcp(datagram),
            _ => return Some(datagram),
        };
        match opened {
            Ok(len) => return datagram.get(..len),
            Err(SrtpError::Auth) => stats.rx_srtp_auth += 1,
            Err(SrtpError::Replay) => stats.rx_srtp_replay += 1,
            Err(_) => stats.rx_discarded += 1,
        }
        None
    }

    /// Is this SSRC the stream? Another one has to send twice in a row with none of ours in between.
    fn is_stream(
        &mut self,
        packet: &RtpPacket<'_>,
        judged: Judged,
        stats: &mut MediaStats,
        events: &mut Events,
    ) -> bool {
        let ssrc = packet.ssrc();
        if let Some(source) = &self.source {
            if source.ssrc == ssrc {
                self.rival = None;
                return true;
            }
            let expected = self.rival.replace((ssrc, packet.sequence().next()));
            if judged == Judged::Known && expected != Some((ssrc, packet.sequence())) {
                return false;
            }
            self.forget(stats);
            push_key(events, self.keys.reset());
        }
        let clock_rate = self.decoding.as_ref().map_or(8000, |d| d.codec.clock_rate);
        self.source = Some(Source::new(ssrc, clock_rate));
        stats.remote_ssrc = ssrc;
        true
    }

    fn accept(
        &mut self,
        now: Time,
        packet: &RtpPacket<'_>,
        format: Format,
        bytes: usize,
        stats: &mut MediaStats,
        events: &mut Events,
    ) {
        stats.rx_packets += 1;
        stats.rx_bytes += bytes as u64;
        self.last_packet = now;
        if core::mem::take(&mut self.timed_out) {
            events.push(MediaEvent::Resumed);
        }
        let Some(source) = &mut self.source else { return };
        let sequence = match source.tracker.update(packet.sequence()) {
            Verdict::Valid(sequence) => sequence,
            Verdict::Restart(sequence) => {
                self.jitter.reset();
                self.playout.stop();
                push_key(events, self.keys.reset());
                sequence
            }
            Verdict::Jump | Verdict::Probation => {
                stats.rx_discarded += 1;
                return;
            }
        };
        let reordered = sequence.0 < source.highest;
        source.highest = source.highest.max(sequence.0);
        match format {
            Format::Audio(codec) => {
                source.clock_rate = codec.clock_rate;
                source.measure(now, packet.timestamp());
                push_key(events, self.keys.audio(packet.timestamp()));
                self.store(now, packet, codec, sequence, reordered, stats);
            }
            Format::Event { .. } => {
                self.jitter.skip(sequence);
                if let Some(event) = TelephoneEvent::parse(packet.payload()) {
                    push_keys(events, self.keys.packet(now, packet.timestamp(), event));
                }
            }
            Format::Noise => {
                self.jitter.skip(sequence);
                if !reordered && self.listening {
                    self.be_silent(now, packet);
                }
            }
        }
    }

    fn store(
        &mut self,
        now: Time,
        packet: &RtpPacket<'_>,
        codec: Codec,
        sequence: ExtendedSequence,
        reordered: bool,
        stats: &mut MediaStats,
    ) {
        let payload = packet.payload();
        if !self.listening || codec.samples_in(payload.len()) == 0 {
            return;
        }
        if self.peer_is_silent && !reordered {
            // A new talkspurt: its clock begins with it.
            self.peer_is_silent = false;
            if self.jitter.waiting() == 0 {
                self.flush();
            }
        }
        let (pt, ts) = (packet.payload_type(), packet.timestamp());
        match self.jitter.insert(sequence, ts, pt, payload, now) {
            Inserted::Stored => {
                stats.rx_reordered += u64::from(reordered);
                self.playout.arrived(now, self.jitter_now());
            }
            Inserted::Duplicate => stats.rx_duplicate += 1,
            Inserted::Late => stats.rx_late += 1,
        }
    }

    /// The peer says that it is silent now, and how that sounds. RFC 3389 section 4.
    fn be_silent(&mut self, now: Time, packet: &RtpPacket<'_>) {
        let Some(noise) = cn::Noise::parse(packet.payload()) else { return };
        let seed = packet.ssrc();
        self.noise.get_or_insert_with(|| Box::new(cn::Generator::new(seed))).set(&noise);
        self.peer_is_silent = true;
        if self.decoding.is_none() {
            let audio = |(pt, format): &(u8, Format)| match format {
                Format::Audio(codec) => Some(Decoding::new(*pt, *codec, self.host_rate)),
                _ => None,
            };
            self.decoding = self.formats.iter().find_map(audio);
        }
        self.playout.arrived(now, self.jitter_now());
    }

    fn jitter_now(&self) -> Duration {
        self.source.as_ref().map_or(Duration::ZERO, Source::jitter)
    }

    fn timeout_at(&self) -> Option<Time> {
        let watching = self.listening && !self.timed_out && !self.timeout.is_zero();
        watching.then(|| self.last_packet + self.timeout)
    }

    pub fn next_deadline(&self) -> Option<Time> {
        [self.playout.next(), self.keys.deadline(), self.timeout_at()].into_iter().flatten().min()
    }

    /// All that is due.
    pub fn run(&mut self, session: &mut Session, now: Time) {
        push_key(&mut session.events, self.keys.timeout(now));
        if self.timeout_at().is_some_and(|t| t <= now) {
            self.timed_out = true;
            self.peer_is_silent = false;
            session.events.push(MediaEvent::Timeout);
        }
        for _ in 0..MAX_TICKS {
            let Some(tick) = self.playout.due(now, self.frame) else { return };
            self.tick(session, tick);
        }
    }

    fn tick(&mut self, session: &mut Session, tick: Time) {
        self.hold_to_the_bound();
        if self.jitter.waiting() == 0 {
            return self.starve(session, tick);
        }
        match self.jitter.next(self.frame_ticks) {
            Next::Packet(slot) => self.play(session, tick, slot),
            Next::Lost => {
                self.make_up(session);
                self.playout.advance(self.frame);
            }
            Next::Hold | Next::Empty => self.playout.advance(self.frame),
        }
    }

    /// More than the largest delay waits, or the clock has found a frame too many: the oldest goes.
    fn hold_to_the_bound(&mut self) {
        let bound = self.playout.max() + self.frame;
        while self.frame * (self.jitter.waiting() as u32) > bound && self.jitter.waiting() > 1 {
            self.jitter.drop_next(self.frame_ticks);
        }
        if self.playout.take_leave_out() && self.jitter.waiting() > 1 {
            self.jitter.drop_next(self.frame_ticks);
        }
    }

    fn starve(&mut self, session: &mut Session, tick: Time) {
        if self.peer_is_silent {
            return self.comfort(session);
        }
        // A peer that sends a key sends no audio: nothing is missing.
        if self.keys.deadline().is_some() || self.made_up >= MAX_MADE_UP {
            self.made_up = 0;
            return self.flush();
        }
        if self.playout.wait(tick, self.frame) {
            return;
        }
        self.jitter.next(self.frame_ticks);
        self.make_up(session);
        self.playout.advance(self.frame);
    }

    fn play(&mut self, session: &mut Session, tick: Time, slot: usize) {
        let pt = self.jitter.payload_type(slot);
        let len = self.jitter.payload(slot).len();
        if self.decoding.as_ref().is_none_or(|d| d.payload_type != pt) {
            let Some((_, Format::Audio(codec))) = self.formats.iter().find(|(p, _)| *p == pt) else {
                self.jitter.release(slot, self.frame_ticks);
                return;
            };
            self.decoding = Some(Decoding::new(pt, *codec, self.host_rate));
        }
        let Some(decoding) = &self.decoding else { return };
        let codec = decoding.codec;
        let samples = codec.samples_in(len).max(1);
        session.audio.stamp(self.stamp_of(slot), codec.clock_rate);
        match samples {
            n if n <= USUAL => self.decode::<USUAL>(session, slot),
            n if n <= SMALL => self.decode::<SMALL>(session, slot),
            _ => self.decode::<LARGE>(session, slot),
        }
        self.frame_ticks = codec.samples_to_ticks(samples).max(1);
        self.frame =
            Duration::from_nanos(samples as u64 * 1_000_000_000 / u64::from(codec.audio_rate.max(1)));
        let jitter = self.jitter_now();
        self.playout.played(tick, self.jitter.arrival(slot), jitter, self.frame);
        self.jitter.release(slot, self.frame_ticks);
        self.playout.advance(self.frame);
        self.made_up = 0;
    }

    /// The RTP timestamp of the first frame that the host gets of this packet: the resampler holds some back.
    fn stamp_of(&self, slot: usize) -> u32 {
        let delay = self.decoding.as_ref().map_or(0, |d| {
            let frames = d.to_host.as_ref().map_or(0, |r| r.delay());
            d.codec.samples_to_ticks(frames)
        });
        self.jitter.timestamp(slot).0.wrapping_sub(delay)
    }

    fn decode<const N: usize>(&mut self, session: &mut Session, slot: usize) {
        let Some(d) = &mut self.decoding else { return };
        let mut pcm = [0i16; N];
        let n = d.decoder.decode(self.jitter.payload(slot), &mut pcm);
        let pcm = &mut pcm[..n];
        d.concealer.smooth(pcm);
        match d.decoder.is_stateless() {
            true => d.concealer.recovered(),
            false => d.concealer.heard(pcm),
        }
        deliver(session, d, pcm);
    }

    /// A frame of what the peer's silence sounds like.
    fn comfort(&mut self, session: &mut Session) {
        self.made_up = 0;
        self.playout.advance(self.frame);
        let (Some(noise), Some(d)) = (&mut self.noise, &mut self.decoding) else { return };
        let mut left = d.codec.ticks_to_samples(self.frame_ticks) as usize;
        while left > 0 {
            let mut pcm = [0i16; SMALL];
            let n = left.min(SMALL);
            noise.fill(&mut pcm[..n]);
            deliver(session, d, &mut pcm[..n]);
            left -= n;
        }
    }

    fn make_up(&mut self, session: &mut Session) {
        let Some(d) = &mut self.decoding else { return };
        d.remember(&self.jitter);
        self.made_up += 1;
        let mut left = d.codec.ticks_to_samples(self.frame_ticks) as usize;
        while left > 0 {
            let mut pcm = [0i16; SMALL];
            let n = left.min(SMALL);
            d.concealer.conceal(&mut pcm[..n]);
            let frames = deliver(session, d, &mut pcm[..n]);
            session.stats.rx_concealed_frames += frames as u64;
            left -= n;
        }
    }

    pub fn fill_stats(&self, stats: &mut MediaStats) {
        let frame_ms = self.frame.as_millis() as u32;
        stats.rx_buffer_ms = self.jitter.waiting() as u32 * frame_ms;
        stats.rx_lost = self.lost_before;
        stats.rx_late += self.jitter.given_up();
        if let Some(source) = &self.source {
            stats.rx_lost += source.tracker.lost();
            stats.rx_jitter_us = source.jitter().as_micros() as u32;
        }
    }

    /// What a report says about the source; None before its first valid packet.
    pub fn heard(&self) -> Option<Heard> {
        let source = self.source.as_ref().filter(|s| s.tracker.expected() > 0)?;
        Some(Heard {
            ssrc: source.ssrc,
            highest: source.tracker.highest(),
            expected: source.tracker.expected(),
            received: source.tracker.received(),
            jitter: source.jitter_q4 >> 4,
            clock_rate: source.clock_rate,
        })
    }

    pub fn finish(&mut self, stats: &mut MediaStats, events: &mut Events) {
        push_key(events, self.keys.reset());
        self.fill_stats(stats);
    }
}

/// From the codec's rate to the host's ear; how many frames of the host's rate.
fn deliver(session: &mut Session, d: &mut Decoding, pcm: &mut [i16]) -> usize {
    if let Some(voice) = &mut session.voice {
        voice.heard(pcm, d.codec.audio_rate, &mut session.events);
    }
    session.receive_gain.apply(pcm);
    session.levels.received = Level::of(pcm);
    let Some(to_host) = &mut d.to_host else {
        hand_over(session, pcm);
        return pcm.len();
    };
    let mut total = 0;
    let piece = (HOST_BLOCK - 8) * d.codec.audio_rate as usize / session.config.host_rate as usize;
    for part in pcm.chunks(piece.max(1)) {
        let mut out = [0; HOST_BLOCK];
        let n = to_host.process(part, &mut out);
        hand_over(session, &out[..n]);
        total += n;
    }
    total
}

fn hand_over(session: &mut Session, frames: &[i16]) {
    if let Some(recording) = &mut session.recording {
        recording.heard(frames);
    }
    if let Some(tap) = &mut session.tap {
        tap.heard(frames);
    }
    session.stats.rx_overrun_frames += session.audio.deliver(frames) as u64;
    session.wake.readable = true;
}

fn event_clock(formats: &[(u8, Format)]) -> u32 {
    let clock = |f: &Format| match f {
        Format::Event { clock_rate } => Some(*clock_rate),
        _ => None,
    };
    formats.iter().find_map(|(_, f)| clock(f)).unwrap_or(8000)
}

fn push_keys(events: &mut Events, keys: KeyEvents) {
    for key in keys {
        push_key(events, key);
    }
}

fn push_key(events: &mut Events, key: Option<KeyEvent>) {
    if let Some(KeyEvent { key, duration_ms, end }) = key {
        events.push(MediaEvent::Dtmf { digit: key, duration_ms, end });
    }
}
