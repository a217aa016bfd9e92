//! The sending half: the grid of send ticks, keys, what the host wrote, what is played.

use super::filter::Filtered;
use super::protection::{SendSrtp, ROOM};
use super::receive::Receive;
use super::{Events, HostSide, SendStart};
use crate::media::codec::{Codec, Encoder};
use crate::media::dtmf::{KeySender, KeyStep};
use crate::media::meter::Level;
use crate::media::params::{MediaError, MediaEvent, MediaStats, StreamParams};
use crate::media::resample::Resampler;
use crate::proto::rtp::{PayloadFormat, RtpHeader, SequenceNumber, Timestamp};
use crate::util::{Duration, Time};
use core::net::SocketAddr;

/// The send tick comes so long after the playout tick: time for the host to read and to write back.
pub const TURNAROUND: Duration = Duration::from_millis(6);
/// A send tick that is at most so far away is taken together with a playout tick, where that is wanted.
const TOGETHER_NS: u64 = 1_500_000;
/// The grid is moved by one sample of 8000 Hz a packet at most, so that the peer sees no jitter.
const ALIGN_STEP_NS: u64 = 125_000;
/// In the long run the grid follows a peer's clock that is off by 200 parts in a million, and no more: two
/// ends that follow each other must not chase each other.
const ALIGN_DRIFT_NS: u64 = 4_000;
/// Nearer than this is near enough.
const ALIGN_NEAR_NS: u64 = 500_000;
/// Packets behind which time is left out instead of sent in a burst.
const CATCH_UP: u64 = 3;
/// A payload stays within a path MTU of 1500 with IPv6, UDP, RTP and what SRTP adds.
const MAX_PAYLOAD: usize = 1400;
/// Samples of a packet: the common case, others, and the most there can be.
const USUAL: usize = 160;
const SMALL: usize = 480;
const LARGE: usize = 2880;
/// Samples of the codec that are made from the host's at a time.
const BLOCK: usize = 160;
const HOST_BLOCK: usize = BLOCK * 6 + 32;

pub fn codec_of(format: &PayloadFormat) -> Result<Codec, MediaError> {
    Codec::from_format(format).ok_or_else(|| MediaError::Codec(format.name.clone()))
}

#[repr(C)]
pub struct Send {
    // What every packet needs comes first. Spans are in nanoseconds.
    next: Time,
    /// A packet's duration: whole nanoseconds, and the rest in 1/audio_rate of them.
    frame_ns: u64,
    turnaround_ns: u64,
    /// How far the grid may still be moved.
    align_left_ns: u64,
    frame_samples: usize,
    frame_ticks: u32,
    ssrc: u32,
    timestamp: Timestamp,
    sequence: SequenceNumber,
    payload_type: u8,
    event_type: Option<u8>,
    sending: bool,
    /// The grid is to be laid on the playout ticks in one step.
    join: bool,
    /// The next audio packet is the first after a gap.
    marker: bool,
    encoder: Encoder,
    srtp: Option<Box<SendSrtp>>,
    from_host: Option<Box<Resampler>>,
    keys: Option<Box<KeySender>>,
    rest: u64,
    rest_sum: u64,
    codec: Codec,
    ssrc_step: u32,
    host_rate: u32,
}

impl Send {
    /// So much, from its beginning, every packet needs.
    pub const HOT_BYTES: usize = core::mem::offset_of!(Send, codec);

    pub fn new(
        now: Time,
        start: SendStart,
        host_rate: u32,
        params: &StreamParams,
        codec: Codec,
        ptime_ms: u32,
    ) -> Send {
        let mut this = Send {
            codec,
            encoder: Encoder::new(&codec),
            payload_type: params.codec.payload_type,
            event_type: None,
            sending: false,
            join: false,
            marker: true,
            frame_samples: 0,
            frame_ticks: 0,
            frame_ns: 0,
            rest: 0,
            rest_sum: 0,
            next: now,
            turnaround_ns: TURNAROUND.as_nanos() as u64,
            align_left_ns: 0,
            ssrc: start.ssrc,
            sequence: SequenceNumber(start.sequence),
            timestamp: Timestamp(start.timestamp),
            srtp: None,
            from_host: resampler(host_rate, &codec),
            keys: None,
            ssrc_step: start.step,
            host_rate,
        };
        this.set(params, ptime_ms);
        this.align_again();
        this
    }

    pub fn reconfigure(&mut self, params: &StreamParams, codec: Codec, ptime_ms: u32) {
        if codec != self.codec || params.codec.payload_type != self.payload_type {
            self.codec = codec;
            self.encoder = Encoder::new(&codec);
            self.from_host = resampler(self.host_rate, &codec);
        }
        self.set(params, ptime_ms);
    }

    /// From now on under this key, or plain.
    pub fn protect(&mut self, srtp: Option<Box<SendSrtp>>, stats: &mut MediaStats) {
        if SendSrtp::replace(&mut self.srtp, srtp, self.ssrc) {
            self.ssrc = self.ssrc.wrapping_add(self.ssrc_step);
            stats.local_ssrc = self.ssrc;
            self.marker = true;
        }
    }

    fn set(&mut self, params: &StreamParams, ptime_ms: u32) {
        self.payload_type = params.codec.payload_type;
        self.event_type = params.telephone_event;
        self.marker |= params.sending && !self.sending;
        self.sending = params.sending;
        let rate = self.codec.audio_rate as usize;
        let mut samples = rate * ptime_ms as usize / 1000;
        while self.codec.payload_bytes(samples) > MAX_PAYLOAD || samples > LARGE {
            samples /= 2;
        }
        self.frame_samples = self.codec.whole_samples(samples);
        self.frame_ticks = self.codec.samples_to_ticks(self.frame_samples);
        let ns = self.frame_samples as u64 * 1_000_000_000;
        self.frame_ns = ns / rate as u64;
        self.rest = ns % rate as u64;
        self.rest_sum = 0;
    }

    pub fn next(&self) -> Time {
        self.next
    }
    /// What the stream's clock shows at `now`: the instant of a send tick has the timestamp of its packet.
    pub fn timestamp_at(&self, now: Time) -> u32 {
        let ticks = |d: Duration| (d.as_nanos() * u128::from(self.codec.clock_rate) / 1_000_000_000) as u32;
        let ahead = ticks(now.since(self.next));
        self.timestamp.0.wrapping_add(ahead).wrapping_sub(ticks(self.next.since(now)))
    }
    pub fn audio_rate(&self) -> u32 {
        self.codec.audio_rate
    }
    pub fn frame_samples(&self) -> usize {
        self.frame_samples
    }
    pub fn packet_bytes(&self) -> usize {
        RtpHeader::LEN + self.codec.payload_bytes(self.frame_samples)
    }
    pub fn keys_idle(&self) -> bool {
        self.keys.as_ref().is_none_or(|k| k.is_idle())
    }
    pub fn heap_bytes(&self) -> usize {
        self.from_host.as_ref().map_or(0, |r| r.heap_bytes())
    }

    pub fn set_host_rate(&mut self, rate: u32) {
        self.host_rate = rate;
        self.from_host = resampler(rate, &self.codec);
    }

    /// Time from a playout tick to the send tick; zero takes both together. A grid that runs already moves there in steps.
    pub fn set_turnaround(&mut self, turnaround: Duration) {
        let turnaround_ns = u64::try_from(turnaround.as_nanos()).unwrap_or(u64::MAX);
        if turnaround_ns != self.turnaround_ns {
            self.turnaround_ns = turnaround_ns;
            self.align_left_ns = self.frame_ns;
        }
    }
    /// How much too early a send tick may be taken.
    fn horizon(&self, now: Time) -> Time {
        let early = if self.turnaround_ns == 0 { TOGETHER_NS } else { 0 };
        Time::from_nanos(now.as_nanos().saturating_add(early))
    }
    pub fn is_due(&self, now: Time) -> bool {
        self.next <= self.horizon(now)
    }

    /// The peer's phase is a new one: the grid may be moved by a packet's duration in all.
    pub fn align_again(&mut self) {
        self.align_left_ns = self.frame_ns;
        self.join = self.turnaround_ns == 0;
    }

    pub fn queue_keys(
        &mut self,
        digits: &str,
        duration: Duration,
        gap: Duration,
        id: u64,
    ) -> Result<(), MediaError> {
        if self.event_type.is_none() {
            return Err(MediaError::NotNegotiated);
        }
        let ms = |d: Duration| u32::try_from(d.as_millis()).map_err(|_| MediaError::Range);
        let (duration, gap) = (ms(duration)?, ms(gap)?);
        let clock_rate = self.codec.clock_rate;
        let keys = self.keys.get_or_insert_with(|| Box::new(KeySender::new(clock_rate)));
        keys.queue(digits, duration, gap, id)
    }

    /// All send ticks that are due.
    pub fn run(
        &mut self,
        side: &mut HostSide,
        receive: &Receive,
        now: Time,
        out: &mut dyn FnMut(SocketAddr, &[u8]),
    ) {
        let horizon = self.horizon(now);
        if self.next > horizon {
            return;
        }
        let late_ns = now.as_nanos().saturating_sub(self.next.as_nanos());
        let late_us = u32::try_from(late_ns / 1000).unwrap_or(u32::MAX);
        side.stats.tx_late_max_us = side.stats.tx_late_max_us.max(late_us);
        if late_ns > self.frame_ns * CATCH_UP {
            self.leave_out(late_ns);
        }
        while self.next <= horizon {
            match self.frame_samples {
                n if n <= USUAL => self.tick::<USUAL, { 336 + ROOM }>(side, receive.destination(), out),
                n if n <= SMALL => self.tick::<SMALL, { 976 + ROOM }>(side, receive.destination(), out),
                _ => self.tick::<LARGE, { RtpHeader::LEN + MAX_PAYLOAD + ROOM }>(
                    side,
                    receive.destination(),
                    out,
                ),
            }
            self.advance(receive.playout.deadline());
        }
    }

    /// A long stall: the time that nobody can hear any more is left out, and the timestamps tell so.
    fn leave_out(&mut self, late_ns: u64) {
        let frames = (late_ns / self.frame_ns.max(1)) as u32;
        self.move_on(self.frame_ns * u64::from(frames));
        self.timestamp = self.timestamp.add(frames.wrapping_mul(self.frame_ticks));
        self.marker = true;
    }
    fn move_on(&mut self, ns: u64) {
        self.next = Time::from_nanos(self.next.as_nanos().saturating_add(ns));
    }

    fn advance(&mut self, playout: Time) {
        if self.rest != 0 {
            self.rest_sum += self.rest;
            let rate = u64::from(self.codec.audio_rate);
            self.move_on(self.rest_sum / rate);
            self.rest_sum %= rate;
        }
        self.move_on(self.frame_ns);
        self.align_left_ns = (self.align_left_ns + ALIGN_DRIFT_NS).min(self.frame_ns);
        if playout != Time::MAX {
            self.align(playout);
        }
    }

    /// Moves the grid a step towards its place behind the playout tick. It never crosses that tick: a
    /// host that writes back what it reads would be left with a frame more, and with its delay, for good. Where both are taken
    /// at once such a host has that frame already, and the grid goes the shorter way.
    fn align(&mut self, playout: Time) {
        let frame = self.frame_ns as i64;
        let behind = self.next.as_nanos().wrapping_sub(playout.as_nanos()) as i64;
        let wanted = self.turnaround_ns.max(TOGETHER_NS / 2).min(self.frame_ns / 2) as i64;
        if core::mem::take(&mut self.join) {
            // Later, never earlier: what is sent is in time for somebody's clock already.
            self.move_on((wanted - behind).rem_euclid(frame) as u64);
            return;
        }
        // Mostly it is within the frame, and a division is spared.
        let into = if (0..frame).contains(&behind) { behind } else { behind.rem_euclid(frame) };
        let excess = match into - wanted {
            excess if self.turnaround_ns == 0 && excess > frame / 2 => excess - frame,
            excess => excess,
        };
        if excess.unsigned_abs() < ALIGN_NEAR_NS || self.align_left_ns < ALIGN_STEP_NS {
            return;
        }
        self.align_left_ns -= ALIGN_STEP_NS;
        let next = self.next.as_nanos();
        let moved = if excess > 0 { next.saturating_sub(ALIGN_STEP_NS) } else { next + ALIGN_STEP_NS };
        self.next = Time::from_nanos(moved);
    }

    /// `N` samples are enough, and so are `BYTES` of packet.
    fn tick<const N: usize, const BYTES: usize>(
        &mut self,
        side: &mut HostSide,
        destination: Option<SocketAddr>,
        out: &mut dyn FnMut(SocketAddr, &[u8]),
    ) {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.add(self.frame_ticks);
        let mut pcm = [0i16; N];
        let pcm = &mut pcm[..self.frame_samples.min(N)];
        // Nowhere to send to yet: what is written stays written.
        let Some(to) = destination else { return self.tap(side, pcm) };
        let step = self.key_step(side, timestamp);
        if self.sending {
            self.fill(side, pcm, step);
        } else {
            // On hold the host's clock goes on; what it says is not for the peer.
            side.audio_discard(self.host_frames());
        }
        self.tap(side, pcm);
        match step {
            KeyStep::Event { timestamp, marker, event } => {
                side.levels.sent = Level::of(pcm);
                if let Some(pt) = self.event_type {
                    const LEN: usize = RtpHeader::LEN + TELEPHONE_EVENT_BYTES;
                    let mut packet = [0; LEN + ROOM];
                    packet[RtpHeader::LEN..LEN].copy_from_slice(&event.to_bytes());
                    self.put(side, (&mut packet, LEN), pt, marker, timestamp, to, out);
                    self.marker = true;
                }
            }
            _ if self.sending => {
                let mut packet = [0; BYTES];
                let room = &mut packet[RtpHeader::LEN..BYTES - ROOM];
                let (n, level) = self.encoder.encode_metered(pcm, room);
                side.levels.sent = level;
                let marker = core::mem::take(&mut self.marker);
                let packet = (&mut packet[..], RtpHeader::LEN + n);
                self.put(side, packet, self.payload_type, marker, timestamp, to, out);
            }
            _ => side.levels.sent = Level::of(pcm),
        }
    }

    fn tap(&self, side: &mut HostSide, pcm: &[i16]) {
        if let Some(recording) = &mut side.recording {
            recording.said(pcm);
        }
        if let Some(tap) = &mut side.tap {
            tap.said(pcm);
        }
    }

    fn key_step(&mut self, side: &mut HostSide, timestamp: Timestamp) -> KeyStep {
        let Some(keys) = &mut self.keys else { return KeyStep::Audio };
        let events = &mut side.events;
        let step = keys.step(timestamp, self.frame_ticks, &mut |id| events.push(MediaEvent::DtmfSent { id }));
        if keys.is_idle() {
            self.keys = None;
        }
        step
    }

    /// Host frames of one packet, for those that are only thrown away.
    fn host_frames(&self) -> usize {
        self.frame_samples * self.host_rate as usize / self.codec.audio_rate as usize
    }

    /// What goes out in this interval: host and player mixed, or silence.
    fn fill(&mut self, side: &mut HostSide, pcm: &mut [i16], step: KeyStep) {
        if step != KeyStep::Audio {
            // The host speaks in real time: what it says during a key is not heard, and not kept. A file
            // waits.
            side.audio_discard(self.host_frames());
            return;
        }
        let playing = side.player.as_ref().is_some_and(|p| !p.is_idle());
        let missing = self.take_written(side, pcm);
        if missing > 0 && !playing {
            side.stats.tx_underrun_frames += missing as u64;
        }
        if let Some(player) = &mut side.player {
            let events = &mut side.events;
            let over = &mut side.marks.get_or_insert_default().over;
            player.mix(pcm, &mut |id| {
                *over += 1;
                events.push(MediaEvent::PlayFinished { id, completed: true });
            });
            if player.is_idle() {
                side.player = None;
            }
        }
        if side.muted {
            pcm.fill(0);
        }
        side.send_gain.apply(pcm);
    }

    /// What the host wrote, at the codec's rate; how many host frames were missing.
    fn take_written(&mut self, side: &mut HostSide, pcm: &mut [i16]) -> usize {
        let Some(resampler) = &mut self.from_host else {
            let n = side.audio.take(pcm);
            side.wake.writable |= n > 0;
            return pcm.len() - n;
        };
        let mut missing = 0;
        for block in pcm.chunks_mut(BLOCK) {
            let mut host = [0; HOST_BLOCK];
            let needed = resampler.input_for(block.len()).min(HOST_BLOCK);
            let n = side.audio.take(&mut host[..needed]);
            side.wake.writable |= n > 0;
            missing += needed - n;
            resampler.process(&host[..needed], block);
        }
        missing
    }

    /// Sends a packet: a buffer with room for its header and behind it, and the packet's length.
    #[allow(clippy::too_many_arguments)]
    fn put(
        &mut self,
        side: &mut HostSide,
        (buf, len): (&mut [u8], usize),
        payload_type: u8,
        marker: bool,
        timestamp: Timestamp,
        to: SocketAddr,
        out: &mut dyn FnMut(SocketAddr, &[u8]),
    ) {
        let header = RtpHeader {
            payload_type,
            marker,
            sequence: self.sequence.0,
            timestamp: timestamp.0,
            ssrc: self.ssrc,
        };
        buf[..RtpHeader::LEN].copy_from_slice(&header.to_bytes());
        self.sequence = self.sequence.next();
        let (buf, len) = match &mut side.filter {
            None => (buf, len),
            Some(filter) => match filter.pass(true, &buf[..len]) {
                Filtered::Unseen => (buf, len),
                Filtered::Pass(len) => (filter.room(), len),
                Filtered::Dropped => return,
                Filtered::Spoiled => return side.stats.send_errors += 1,
            },
        };
        let Some(packet) = self.protected(buf, len) else { return side.stats.send_errors += 1 };
        side.stats.tx_packets += 1;
        side.stats.tx_bytes += len as u64;
        out(to, packet);
    }

    /// What goes on the wire for the packet in `buf[..len]`. None: the key is used up, or the packet's number was; nothing
    /// leaves rather than something plain.
    pub fn protected<'b>(&mut self, buf: &'b mut [u8], len: usize) -> Option<&'b [u8]> {
        let len = match &mut self.srtp {
            None => len,
            Some(srtp) => srtp.protect(buf, len).ok()?,
        };
        buf.get(..len)
    }
    /// The same for a compound of RTCP.
    pub fn protected_rtcp<'b>(&mut self, buf: &'b mut [u8], len: usize) -> Option<&'b [u8]> {
        let len = match &mut self.srtp {
            None => len,
            Some(srtp) => srtp.protect_rtcp(buf, len).ok()?,
        };
        buf.get(..len)
    }
    pub fn clock_rate(&self) -> u32 {
        self.codec.clock_rate
    }
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub fn finish(&mut self, events: &mut Events) {
        if let Some(mut keys) = self.keys.take() {
            keys.clear(&mut |id| events.push(MediaEvent::DtmfSent { id }));
        }
    }
}

const TELEPHONE_EVENT_BYTES: usize = crate::proto::rtp::TelephoneEvent::LEN;

fn resampler(host_rate: u32, codec: &Codec) -> Option<Box<Resampler>> {
    Resampler::between(host_rate, codec.audio_rate).map(Box::new)
}

impl HostSide {
    fn audio_discard(&mut self, frames: usize) {
        let mut left = frames;
        while left > 0 {
            let mut dump = [0; 480];
            let n = self.audio.take(&mut dump[..left.min(480)]);
            self.wake.writable |= n > 0;
            if n == 0 {
                return;
            }
            left -= n;
        }
    }
}
