//! The receiving half: source, sequence, events, jitter buffer, playout.

mod arrival;
mod formats;
mod play;

use super::decoding::Decoding;
use super::protection::ReceiveSrtp;
use super::source::Source;
use super::Events;
use crate::media::codec::cn;
use crate::media::dtmf::{EventReceiver, KeyEvent};
use crate::media::jitter::{JitterBuffer, MAX_PAYLOAD};
use crate::media::latch::Latch;
use crate::media::params::{MediaEvent, MediaStats, SessionConfig, StreamParams};
use crate::media::playout::Playout;
use crate::media::reporter::Heard;
use crate::proto::rtp::SequenceNumber;
use crate::util::Time;
use core::mem::offset_of;
use core::net::SocketAddr;

pub use formats::{formats_of, Format, Formats};

/// Samples of one decoded packet, all that a datagram can hold.
pub const LARGE: usize = 2 * MAX_PAYLOAD;

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
            keys: EventReceiver::new(formats::event_clock(&formats)),
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

fn push_key(events: &mut Events, key: Option<KeyEvent>) {
    if let Some(KeyEvent { key, duration_ms, end }) = key {
        events.push(MediaEvent::Dtmf { digit: key, duration_ms, end });
    }
}
