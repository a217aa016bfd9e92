//! The receiving half: source, sequence, events, jitter buffer, playout.

use super::decoding::Decoding;
use super::protection::ReceiveSrtp;
use super::source::{jitter_of, Source};
use super::{Events, HostSide};
use crate::media::codec::{cn, Codec};
use crate::media::dtmf::receiver::KeyEvents;
use crate::media::dtmf::{EventReceiver, KeyEvent};
use crate::media::jitter::{Inserted, JitterBuffer, Next, MAX_PAYLOAD};
use crate::media::latch::{Judged, Latch};
use crate::media::meter::Level;
use crate::media::params::{MediaError, MediaEvent, MediaStats, SessionConfig, StreamParams};
use crate::media::playout::Playout;
use crate::media::reporter::Heard;
use crate::proto::rtp::{
    classify, ExtendedSequence, PacketKind, RtpHeader, RtpPacket, SequenceNumber, TelephoneEvent, Timestamp,
    Verdict,
};
use crate::proto::srtp::SrtpError;
use crate::util::Time;
use core::mem::offset_of;
use core::net::SocketAddr;

/// Frames made up in a row before the stream counts as silent.
const MAX_MADE_UP: u32 = 3;
/// Ticks that one wake-up runs at most.
const MAX_TICKS: usize = 4;
/// Samples of one decoded packet: the common case, others, and all that a datagram can hold.
const USUAL: usize = 160;
const SMALL: usize = 480;
pub const LARGE: usize = 2 * MAX_PAYLOAD;
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

pub type Formats = Box<[(u8, Format)]>;

/// By payload type. An unknown codec among those that we announced would be our own fault: refused.
pub fn formats_of(params: &StreamParams) -> Result<Formats, MediaError> {
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
    Ok(formats.into())
}

const COMFORT_NOISE: u8 = 13;

#[repr(C, align(64))]
pub struct Receive {
    // What every packet needs lies in six cache lines, see `prefetch`; some of these begin or end with what is seldom needed,
    // so that the others are whole.
    srtp: Option<Box<ReceiveSrtp>>,
    last_packet: Time,
    /// Zero: never.
    timeout_ns: u64,
    /// Duration of the last packet played, as time and in ticks of its clock.
    frame_ns: u64,
    frame_ticks: u32,
    made_up: u32,
    listening: bool,
    peer_is_silent: bool,
    timed_out: bool,
    /// An SSRC that was seen once and would be next.
    rival: Option<(u32, SequenceNumber)>,
    /// Lost packets of the sources before this one.
    lost_before: u64,
    pub playout: Playout,
    jitter: JitterBuffer,
    source: Option<Source>,
    /// What the peer's silence sounds like, once it has said so.
    noise: Option<Box<cn::Generator>>,
    /// The one of `formats` that came last.
    usual: Option<(u8, Format)>,
    latch: Latch,
    host_rate: u32,
    decoding: Option<Decoding>,
    keys: EventReceiver,
    formats: Formats,
    #[cfg(test)]
    pub way: super::tests::Way,
}

impl Receive {
    pub fn new(
        now: Time,
        config: &SessionConfig,
        params: &StreamParams,
        formats: Formats,
        ptime_ms: u32,
    ) -> Receive {
        let clock_rate = params.codec.clock_rate;
        let frame_ticks = clock_rate * ptime_ms / 1000;
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
            frame_ns: u64::from(ptime_ms) * 1_000_000,
            made_up: 0,
            noise: None,
            peer_is_silent: false,
            timeout_ns: u64::try_from(config.rtp_timeout.as_nanos()).unwrap_or(u64::MAX),
            last_packet: now,
            timed_out: false,
            #[cfg(test)]
            way: super::tests::Way::default(),
        }
    }

    #[cfg(test)]
    fn goes_the_long_way(&self) -> bool {
        self.way.goes_the_long_one()
    }
    #[cfg(not(test))]
    fn goes_the_long_way(&self) -> bool {
        false
    }

    pub fn reconfigure(
        &mut self,
        now: Time,
        params: &StreamParams,
        formats: Formats,
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

    /// What every packet needs lies before and after what the buffer begins with, and there.
    pub const BUFFER: usize = offset_of!(Receive, jitter);
    /// Here is also seen whether there is a stream at all.
    pub const KEYS: usize = offset_of!(Receive, keys);
    pub const SOURCE: usize = offset_of!(Receive, noise);
    pub const SOURCE_BYTES: usize = offset_of!(Receive, decoding) + 64 - Receive::SOURCE;

    /// Has the packet that is next at hand, and the room of what comes.
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
        self.jitter.heap_bytes() + decoding + size_of_val(&*self.formats)
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
        if self.ordinary(now, from, datagram, stats) {
            return false;
        }
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

    /// The packet of nearly every interval: the next one of the known source, of the usual kind, with nothing to be done but
    /// to keep it. False: it is another one, and nothing was done. Whatever this takes the long way would take alike.
    fn ordinary(&mut self, now: Time, from: SocketAddr, datagram: &[u8], stats: &mut MediaStats) -> bool {
        if self.goes_the_long_way() {
            return false;
        }
        let (Some(source), Some((usual, Format::Audio(codec)))) = (&mut self.source, self.usual) else {
            return false;
        };
        let Some((head, payload)) = datagram.split_first_chunk::<{ RtpHeader::LEN }>() else { return false };
        let Some(sequence) = source.tracker.upcoming() else { return false };
        let [a, b, c, d, t0, t1, t2, t3, ssrc @ ..] = *head;
        // Version 2 and no flag, the type without a marker (so that it is no RTCP), the number.
        let expected = [0x80, usual & 0x7f, (sequence.0 >> 8) as u8, sequence.0 as u8];
        let unexpected = [a, b, c, d] != expected || u32::from_be_bytes(ssrc) != source.ssrc;
        let unsettled = self.rival.is_some() || !self.latch.is_settled_on(from) || !self.keys.is_idle();
        let idle = !self.listening || self.peer_is_silent || self.timed_out || !self.playout.is_steady();
        if unexpected || unsettled || idle || codec.samples_in(payload.len()) == 0 {
            return false;
        }
        let timestamp = Timestamp(u32::from_be_bytes([t0, t1, t2, t3]));
        if !self.jitter.append(sequence, timestamp, usual, payload, now) {
            return false;
        }
        stats.rx_packets += 1;
        stats.rx_bytes += datagram.len() as u64;
        self.last_packet = now;
        source.tracker.update(sequence.sequence());
        source.highest = sequence.0;
        source.clock_rate = codec.clock_rate;
        source.measure(now, timestamp);
        true
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
                self.playout.arrived(now, || jitter_of(&self.source));
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
        self.playout.arrived(now, || jitter_of(&self.source));
    }

    /// `Time::MAX`: never.
    fn timeout_at(&self) -> Time {
        if self.listening && !self.timed_out && self.timeout_ns != 0 {
            return Time::from_nanos(self.last_packet.as_nanos().saturating_add(self.timeout_ns));
        }
        Time::MAX
    }

    /// `Time::MAX`: never.
    pub fn next_deadline(&self) -> Time {
        let soonest = self.playout.deadline().min(self.timeout_at());
        self.keys.deadline().map_or(soonest, |keys| keys.min(soonest))
    }

    /// All that is due.
    pub fn run(&mut self, side: &mut HostSide, now: Time) {
        push_key(&mut side.events, self.keys.timeout(now));
        if self.timeout_at() <= now {
            self.timed_out = true;
            self.peer_is_silent = false;
            side.events.push(MediaEvent::Timeout);
        }
        for _ in 0..MAX_TICKS {
            let Some(tick) = self.playout.due(now, self.frame_ns) else { return };
            self.tick(side, tick);
        }
    }

    fn tick(&mut self, side: &mut HostSide, tick: Time) {
        self.hold_to_the_bound();
        if self.jitter.waiting() == 0 {
            return self.starve(side, tick);
        }
        match self.jitter.next(self.frame_ticks) {
            Next::Packet(slot) => self.play(side, tick, slot),
            Next::Lost => {
                self.make_up(side);
                self.playout.advance(self.frame_ns);
            }
            Next::Hold | Next::Empty => self.playout.advance(self.frame_ns),
        }
    }

    /// More than the largest delay waits, or the clock has found a frame too many: the oldest goes.
    fn hold_to_the_bound(&mut self) {
        let bound = self.playout.max_ns() + self.frame_ns;
        while self.frame_ns * self.jitter.waiting() as u64 > bound && self.jitter.waiting() > 1 {
            self.jitter.drop_next(self.frame_ticks);
        }
        if self.playout.take_leave_out() && self.jitter.waiting() > 1 {
            self.jitter.drop_next(self.frame_ticks);
        }
    }

    fn starve(&mut self, side: &mut HostSide, tick: Time) {
        if self.peer_is_silent {
            return self.comfort(side);
        }
        // A peer that sends a key sends no audio: nothing is missing.
        if self.keys.deadline().is_some() || self.made_up >= MAX_MADE_UP {
            self.made_up = 0;
            return self.flush();
        }
        if self.playout.wait(tick, self.frame_ns) {
            return;
        }
        self.jitter.next(self.frame_ticks);
        self.make_up(side);
        self.playout.advance(self.frame_ns);
    }

    fn play(&mut self, side: &mut HostSide, tick: Time, slot: usize) {
        let pt = self.jitter.payload_type(slot);
        let len = self.jitter.payload(slot).len();
        if self.decoding.as_ref().is_none_or(|d| d.payload_type != pt) {
            let Some((_, Format::Audio(codec))) = self.formats.iter().find(|(p, _)| *p == pt) else {
                self.jitter.release(slot, self.frame_ticks);
                return;
            };
            self.decoding = Some(Decoding::new(pt, *codec, self.host_rate));
        }
        let Some(decoding) = &mut self.decoding else { return };
        let codec = decoding.codec;
        let samples = match decoding.measured {
            (bytes, samples) if usize::from(bytes) == len => usize::from(samples),
            _ => {
                let samples = codec.samples_in(len).max(1);
                // invariant: a payload has 1500 bytes at most.
                decoding.measured = (len as u16, samples as u16);
                self.frame_ticks = codec.samples_to_ticks(samples).max(1);
                self.frame_ns = samples as u64 * 1_000_000_000 / u64::from(codec.audio_rate.max(1));
                samples
            }
        };
        if side.audio.is_stamped() {
            side.audio.stamp(self.stamp_of(slot), codec.clock_rate);
        }
        match samples {
            n if n <= USUAL => self.decode::<USUAL>(side, slot),
            n if n <= SMALL => self.decode::<SMALL>(side, slot),
            _ => self.decode::<LARGE>(side, slot),
        }
        let arrival = self.jitter.arrival(slot);
        self.playout.played(tick, arrival, || jitter_of(&self.source), self.frame_ns);
        self.jitter.release(slot, self.frame_ticks);
        self.playout.advance(self.frame_ns);
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

    fn decode<const N: usize>(&mut self, side: &mut HostSide, slot: usize) {
        let plain = side.hears_plainly() && !self.goes_the_long_way();
        let Some(d) = &mut self.decoding else { return };
        let mut pcm = [0i16; N];
        let payload = self.jitter.payload(slot);
        if let Some(law) = d.law().filter(|_| plain) {
            // The level is known on the way.
            let (n, level) = law.decode(payload, &mut pcm);
            side.levels.received = level;
            return hand_over(side, &pcm[..n]);
        }
        let n = d.decoder.decode(payload, &mut pcm);
        let pcm = &mut pcm[..n];
        d.concealer.smooth(pcm);
        match d.decoder.is_stateless() {
            true => d.concealer.recovered(),
            false => d.concealer.heard(pcm),
        }
        deliver(side, d, pcm);
    }

    /// A frame of what the peer's silence sounds like.
    fn comfort(&mut self, side: &mut HostSide) {
        self.made_up = 0;
        self.playout.advance(self.frame_ns);
        let (Some(noise), Some(d)) = (&mut self.noise, &mut self.decoding) else { return };
        let mut left = d.codec.ticks_to_samples(self.frame_ticks) as usize;
        while left > 0 {
            let mut pcm = [0i16; SMALL];
            let n = left.min(SMALL);
            noise.fill(&mut pcm[..n]);
            deliver(side, d, &mut pcm[..n]);
            left -= n;
        }
    }

    fn make_up(&mut self, side: &mut HostSide) {
        let Some(d) = &mut self.decoding else { return };
        d.remember(&self.jitter);
        self.made_up += 1;
        let mut left = d.codec.ticks_to_samples(self.frame_ticks) as usize;
        while left > 0 {
            let mut pcm = [0i16; SMALL];
            let n = left.min(SMALL);
            d.concealer.conceal(&mut pcm[..n]);
            let frames = deliver(side, d, &mut pcm[..n]);
            side.stats.rx_concealed_frames += frames as u64;
            left -= n;
        }
    }

    pub fn fill_stats(&self, stats: &mut MediaStats) {
        let frame_ms = (self.frame_ns / 1_000_000) as u32;
        stats.rx_buffer_ms = self.jitter.waiting() as u32 * frame_ms;
        stats.rx_lost = self.lost_before;
        stats.rx_late += self.jitter.given_up();
        if let Some(source) = &self.source {
            stats.rx_lost += source.tracker.lost();
            stats.rx_jitter_us = (source.jitter_ns() / 1000) as u32;
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
fn deliver(side: &mut HostSide, d: &mut Decoding, pcm: &mut [i16]) -> usize {
    if let Some(voice) = &mut side.voice {
        voice.heard(pcm, d.codec.audio_rate, &mut side.events);
    }
    side.receive_gain.apply(pcm);
    side.levels.received = Level::of(pcm);
    let Some(to_host) = &mut d.to_host else {
        hand_over(side, pcm);
        return pcm.len();
    };
    let mut total = 0;
    let piece = (HOST_BLOCK - 8) * d.codec.audio_rate as usize / side.config.host_rate as usize;
    for part in pcm.chunks(piece.max(1)) {
        let mut out = [0; HOST_BLOCK];
        let n = to_host.process(part, &mut out);
        hand_over(side, &out[..n]);
        total += n;
    }
    total
}

fn hand_over(side: &mut HostSide, frames: &[i16]) {
    if let Some(recording) = &mut side.recording {
        recording.heard(frames);
    }
    if let Some(tap) = &mut side.tap {
        tap.heard(frames);
    }
    // What is seldom counted lies in another cache line.
    let lost = side.audio.deliver(frames);
    if lost > 0 {
        side.stats.rx_overrun_frames += lost as u64;
    }
    side.wake.readable = true;
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
