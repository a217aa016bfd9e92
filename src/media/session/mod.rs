//! One audio stream: packets in, PCM out; PCM in, packets out. Driven by a media worker.
//!
//! The worker calls `handle_packet` for every datagram of the stream's socket, `handle_deadline` when
//! `next_deadline` has come, and after either drains `poll_event` and looks at `take_wake`. Commands may
//! come in between at any time. The host's threads touch nothing of this but their ends of the rings.
//!
//! Two ticks a packet interval: the playout tick follows the peer's arrivals ([`super::playout`]), the send
//! tick is a grid of its own that is laid a few milliseconds behind the playout tick, so that a host that
//! reads and writes back at once adds no packet interval of delay. RFC 3550, RFC 3551, RFC 4733, RFC 4961.

mod decoding;
mod early;
mod filter;
mod gain;
mod marks;
mod orders;
mod protection;
mod receive;
mod record;
mod reports;
mod send;
mod source;
mod tap;
#[cfg(test)]
mod tests;
mod voice;

use super::host_ring::{add_stamps, host_rings, AudioReader, HostAudio, SessionAudio};
use super::params::{Levels, MediaError, MediaEvent, MediaStats, SessionConfig, StreamParams, Wake};
use super::player::Player;
use super::reporter::{Heard, Said};
use super::resample::RATES;
use crate::proto::rtp::{classify, PacketKind, RtpHeader};
use crate::util::{prefetch_bytes, prefetch_line, Duration, Rng, Time};
use core::mem::offset_of;
use core::net::SocketAddr;
use early::Early;
use filter::{Filter, Filtered, Outbox};
use gain::Gain;
use marks::Marks;
use protection::{Contexts, ROOM};
use receive::Receive;
use record::Recording;
use reports::Reports;
use send::Send;
use std::collections::VecDeque;
use tap::Tap;
use voice::Voice;

pub use filter::{FilterFn, FILTER_ROOM};
pub use send::TURNAROUND;
pub use tap::TapFn;

/// Events that wait to be polled; the worker polls after every call.
const MAX_EVENTS: usize = 64;
/// Room for these is made beforehand.
const USUAL_EVENTS: usize = 6;
/// Of these, the last are kept for what ends something.
const RESERVED_EVENTS: usize = 48;
/// With so much delay in the receive buffer a packet of 20 ms may be taken up to a send tick later.
const PATIENT: Duration = Duration::from_millis(30);
const PTIME_MIN: u32 = 10;
const PTIME_MAX: u32 = 60;

/// The parts lie behind each other, so that one stretch of memory holds what a tick looks at.
#[repr(C)]
pub struct Session {
    side: HostSide,
    /// None before the first `configure`.
    stream: Option<Stream>,
    /// What came before the stream.
    early: Option<Box<Early>>,
    /// First RTP timestamp, sequence number and SSRC (RFC 3550 section 5.1: random).
    start: SendStart,
    turnaround: Duration,
    send_phase: Duration,
}

/// What lies between the stream and its host: rings, taps, counters.
#[repr(C, align(64))]
struct HostSide {
    // What every tick looks at comes first, see `HOT_BYTES`.
    audio: SessionAudio,
    /// Plays that were asked for before there was a stream keep waiting in it.
    player: Option<Box<Player>>,
    recording: Option<Box<Recording>>,
    tap: Option<Box<Tap>>,
    filter: Option<Box<Filter>>,
    voice: Option<Box<Voice>>,
    outbox: Option<Box<Outbox>>,
    marks: Option<Box<Marks>>,
    events: Events,
    wake: Wake,
    drained: bool,
    muted: bool,
    receive_gain: Gain,
    send_gain: Gain,
    levels: Levels,
    /// The receive buffer's delay is large enough for packets to be taken late, see `PATIENT`.
    patient: bool,
    /// When the stream's reports have something to do; `Time::MAX` without them.
    report_at: Time,
    stats: MediaStats,
    config: SessionConfig,
}

/// What begins at random.
#[derive(Clone, Copy, Debug)]
struct SendStart {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// From one SSRC of ours to the next.
    step: u32,
}

impl SendStart {
    /// For what is only spread, and not secret.
    fn seed(&self) -> u64 {
        u64::from(self.step) << 32 | u64::from(self.timestamp)
    }
}

/// Both directions of a configured stream.
#[repr(C)]
struct Stream {
    receive: Receive,
    send: Send,
    reports: Option<Box<Reports>>,
}

impl Stream {
    fn hear_report(&mut self, now: Time, source: SocketAddr, datagram: &[u8]) {
        let Some(reports) = &mut self.reports else { return };
        reports.take(now, source, self.receive.destination(), datagram);
    }
    /// `Time::MAX`: never.
    fn report_at(&self) -> Time {
        self.reports.as_ref().map_or(Time::MAX, |reports| reports.next_deadline())
    }

    /// RTCP begins, goes on, or is over.
    fn report(&mut self, now: Time, config: &SessionConfig, seed: u64, wanted: bool) {
        let ssrc = self.send.ssrc();
        if !wanted {
            self.reports = None;
        } else if self.reports.as_ref().is_none_or(|r| r.ssrc() != ssrc) {
            self.reports = Some(Box::new(Reports::new(now, config, seed, ssrc)));
        }
    }
}

/// A bounded queue; what ends something always finds room before what only informs.
struct Events {
    queue: VecDeque<MediaEvent>,
}

impl Events {
    fn push(&mut self, event: MediaEvent) {
        let informs = matches!(event, MediaEvent::Dtmf { .. } | MediaEvent::SourceChanged { .. });
        let limit = if informs { MAX_EVENTS - RESERVED_EVENTS } else { MAX_EVENTS };
        if self.queue.len() < limit {
            self.queue.push_back(event);
        }
    }
}

impl Session {
    /// A session that waits for `configure`. Audio that the host writes meanwhile is kept in the ring.
    pub fn new(config: SessionConfig, rng: &mut dyn Rng, _now: Time) -> (Session, HostAudio) {
        let (audio, host) = host_rings(config.host_rate, config.read_ring_frames, config.write_ring_frames);
        let start = SendStart {
            ssrc: rng.next_u32(),
            sequence: rng.next_u32() as u16,
            timestamp: rng.next_u32(),
            step: rng.next_u32() | 1,
        };
        let host_rate = if RATES.contains(&config.host_rate) { config.host_rate } else { 8000 };
        let side = HostSide {
            stats: MediaStats { local_ssrc: start.ssrc, ..MediaStats::default() },
            config: SessionConfig { host_rate, ..config },
            audio,
            events: Events { queue: VecDeque::new() },
            wake: Wake::default(),
            levels: Levels::default(),
            patient: config.jitter_min >= PATIENT,
            report_at: Time::MAX,
            receive_gain: Gain::default(),
            send_gain: Gain::default(),
            drained: true,
            muted: false,
            player: None,
            recording: None,
            tap: None,
            filter: None,
            outbox: None,
            marks: None,
            voice: None,
        };
        let (turnaround, send_phase) = (send::TURNAROUND, Duration::ZERO);
        let session = Session { side, stream: None, early: None, start, turnaround, send_phase };
        (session, host)
    }

    /// Sets what begins at random otherwise; before `configure`.
    pub fn set_start(&mut self, ssrc: Option<u32>, sequence: Option<u16>, timestamp: Option<u32>) {
        self.start.ssrc = ssrc.unwrap_or(self.start.ssrc);
        self.start.sequence = sequence.unwrap_or(self.start.sequence);
        self.start.timestamp = timestamp.unwrap_or(self.start.timestamp);
        self.side.stats.local_ssrc = self.start.ssrc;
    }

    /// Has what `reader` (this session's) reads carry RTP timestamps.
    pub fn stamp_audio(&mut self, reader: &mut AudioReader) {
        add_stamps(&mut self.side.audio, reader, self.side.config.host_rate);
    }

    /// First description, or a new one. On error everything stays as it was.
    pub fn configure(&mut self, now: Time, params: &StreamParams) -> Result<(), MediaError> {
        let ptime = params.ptime_ms.clamp(PTIME_MIN, PTIME_MAX);
        let codec = send::codec_of(&params.codec)?;
        let formats = receive::formats_of(params)?;
        let contexts = Contexts::new(params.srtp.as_deref())?;
        if self.side.events.queue.capacity() < USUAL_EVENTS {
            self.side.events.queue.reserve_exact(USUAL_EVENTS);
        }
        match &mut self.stream {
            None => {
                let mut receive = Receive::new(now, &self.side.config, params, formats, ptime);
                receive.protect(contexts.receive);
                let mut send = Send::new(
                    now + self.send_phase,
                    self.start,
                    self.side.config.host_rate,
                    params,
                    codec,
                    ptime,
                );
                send.set_turnaround(self.turnaround);
                send.align_again();
                send.protect(contexts.send, &mut self.side.stats);
                let mut stream = Stream { receive, send, reports: None };
                stream.report(now, &self.side.config, self.start.seed(), params.rtcp_mux);
                self.stream = Some(stream);
            }
            Some(stream) => {
                stream.receive.reconfigure(now, params, formats, &mut self.side.stats);
                stream.receive.protect(contexts.receive);
                stream.send.reconfigure(params, codec, ptime);
                stream.send.protect(contexts.send, &mut self.side.stats);
                stream.report(now, &self.side.config, self.start.seed(), params.rtcp_mux);
            }
        }
        self.side.report_at = self.stream.as_ref().map_or(Time::MAX, Stream::report_at);
        self.hear_early(now);
        if let Some(player) = &mut self.side.player {
            player.set_rate(codec.audio_rate);
        }
        if let Some(recording) = &mut self.side.recording {
            recording.set_codec_rate(codec.audio_rate);
        }
        if let Some(tap) = &mut self.side.tap {
            tap.set_codec_rate(codec.audio_rate);
        }
        Ok(())
    }

    /// One datagram from the stream's socket. Anything may come; it is changed in place (SRTP).
    pub fn handle_packet(&mut self, now: Time, source: SocketAddr, datagram: &mut [u8]) {
        let Some(stream) = &mut self.stream else {
            self.side.stats.rx_discarded += self.early.get_or_insert_default().keep(now, source, datagram);
            return;
        };
        let Some(datagram) = stream.receive.unprotected(datagram, &mut self.side.stats) else { return };
        // As long as there are reports, the next one has its time.
        if self.side.report_at != Time::MAX && classify(datagram) == PacketKind::Rtcp {
            stream.hear_report(now, source, datagram);
            self.side.report_at = stream.report_at();
            return;
        }
        let datagram = match &mut self.side.filter {
            None => datagram,
            Some(filter) => match filter.pass(false, datagram) {
                Filtered::Unseen => datagram,
                Filtered::Pass(len) => &filter.room()[..len],
                Filtered::Dropped => return,
                Filtered::Spoiled => return self.side.stats.rx_discarded += 1,
            },
        };
        let moved = stream.receive.packet(now, source, datagram, &mut self.side.stats, &mut self.side.events);
        if moved {
            stream.send.align_again();
        }
    }
    /// Takes up what came before the description.
    fn hear_early(&mut self, now: Time) {
        let Some(early) = self.early.take() else { return };
        let (packets, stale) = early.take(now);
        self.side.stats.rx_discarded += stale;
        for (source, mut datagram) in packets {
            self.handle_packet(now, source, &mut datagram);
        }
    }

    /// When to call `handle_deadline`; None while there is nothing to do.
    pub fn next_deadline(&self) -> Option<Time> {
        let stream = self.stream.as_ref()?;
        let next = stream.receive.next_deadline().min(stream.send.next());
        let outbox = self.side.outbox.as_ref().and_then(|o| o.deadline());
        Some(outbox.map_or(next, |outbox| outbox.min(next)))
    }

    /// The playout clock runs and waits for no packet: a packet that is read only at its ticks comes in time.
    pub fn is_playing(&self) -> bool {
        self.stream.as_ref().is_some_and(|s| s.receive.playout.is_steady())
    }
    /// For a session whose turn is soon: has its memory at hand. Each step needs what the ones before have fetched: what
    /// points elsewhere; there the first of each page; the rest of this page, with what `wants_packets` looks at; the audio.
    #[inline]
    pub fn prefetch(&self, step: u8) {
        // By the place of the stream: whether there is one would have to be read.
        let stream = (&raw const self.stream).cast::<u8>();
        let receive = stream.wrapping_add(offset_of!(Stream, receive));
        match step {
            0 => {
                prefetch_line(&self.side);
                prefetch_bytes(receive.wrapping_add(Receive::BUFFER), 1);
                prefetch_bytes(receive.wrapping_add(Receive::KEYS), 1);
            }
            2 => {
                prefetch_bytes((&raw const self.side).cast(), offset_of!(HostSide, stats) + 1);
                prefetch_bytes(receive, Receive::BUFFER);
                prefetch_bytes(receive.wrapping_add(Receive::SOURCE), Receive::SOURCE_BYTES);
                prefetch_bytes(stream.wrapping_add(offset_of!(Stream, send)), Send::HOT_BYTES);
            }
            1 => {
                self.side.audio.prefetch_words();
                if let Some(stream) = &self.stream {
                    stream.receive.prefetch();
                }
            }
            _ => {
                if let Some(stream) = &self.stream {
                    self.side.audio.prefetch(stream.send.frame_samples());
                }
            }
        }
    }

    /// Before `handle_deadline` what has come should be handed in. Where packets wait long enough that is best at the
    /// send ticks, where the socket is at hand anyway; at a playout tick only what is missing is looked for.
    pub fn wants_packets(&self, now: Time) -> bool {
        let Some(stream) = &self.stream else { return false };
        let plays = stream.receive.playout.deadline() <= now;
        if !self.side.patient {
            return plays;
        }
        stream.send.is_due(now) || plays && !stream.receive.has_next()
    }
    /// The packet that is played next is there already.
    pub fn has_next_packet(&self) -> bool {
        self.stream.as_ref().is_some_and(|s| s.receive.has_next())
    }
    /// Something is played, so that the host may follow its position.
    pub fn is_player_busy(&self) -> bool {
        self.side.player.is_some()
    }
    /// Size of the audio packets that are sent; None before the first description.
    pub fn packet_bytes(&self) -> Option<usize> {
        self.stream.as_ref().map(|s| s.send.packet_bytes())
    }

    /// Plays and sends what is due. `send` is called for each packet, with its destination.
    pub fn handle_deadline(&mut self, now: Time, send: &mut dyn FnMut(SocketAddr, &[u8])) {
        let (side, Some(stream)) = (&mut self.side, &mut self.stream) else { return };
        if side.outbox.is_some() {
            side.send_outbox(stream, send);
        }
        stream.receive.run(side, now);
        stream.send.run(side, &stream.receive, now, send);
        if side.report_at <= now {
            if let Some(mut reports) = stream.reports.take() {
                reports.run(side, stream, now, send);
                side.report_at = reports.next_deadline();
                stream.reports = Some(reports);
            }
        }
        if let Some(voice) = &mut side.voice {
            voice.look(now, &mut side.events);
        }
        self.look_at_marks();
        self.look_whether_drained();
    }

    fn look_whether_drained(&mut self) {
        let drained = self.is_drained();
        self.side.wake.drained |= drained && !self.side.drained;
        self.side.drained = drained;
    }

    pub fn has_events(&self) -> bool {
        !self.side.events.queue.is_empty()
    }
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.side.events.queue.pop_front()
    }
    /// What changed for waiting host threads since the last call.
    pub fn take_wake(&mut self) -> Wake {
        core::mem::take(&mut self.side.wake)
    }
    /// `send` failed (the socket said no).
    pub fn count_send_error(&mut self) {
        self.side.stats.send_errors += 1;
    }

    /// The next playout tick.
    pub fn plays_next(&self) -> Option<Time> {
        self.stream.as_ref().and_then(|s| s.receive.playout.next())
    }

    /// Nothing written, played or keyed is waiting to be sent.
    pub fn is_drained(&mut self) -> bool {
        self.side.audio.pending() == 0
            && self.side.player.as_ref().is_none_or(|p| p.is_idle())
            && self.stream.as_ref().is_none_or(|s| s.send.keys_idle())
    }

    /// As `is_drained`, at the last `handle_deadline`.
    pub fn was_drained(&self) -> bool {
        self.side.drained
    }

    pub fn levels(&self) -> Levels {
        self.side.levels
    }
    pub fn stats(&self) -> MediaStats {
        let mut stats = self.side.stats;
        if let Some(stream) = &self.stream {
            stream.receive.fill_stats(&mut stats);
            if let Some(reports) = &stream.reports {
                reports.fill_stats(&mut stats, stream.send.clock_rate());
            }
        }
        stats.tx_written_frames = self.side.audio.sent();
        if let Some((id, ms, waiting)) = self.side.player.as_ref().and_then(|p| p.position()) {
            (stats.play_id, stats.play_ms, stats.play_waiting) = (id, ms, waiting as u32);
        }
        stats
    }
    pub fn host_rate(&self) -> u32 {
        self.side.config.host_rate
    }
    /// Where packets go; None: nowhere yet.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.stream.as_ref().and_then(|s| s.receive.destination())
    }
    /// For a sender report at `now`; None before anything was sent.
    pub fn said(&self, now: Time) -> Option<Said> {
        self.side.said_by(self.stream.as_ref()?, now)
    }
    /// RTCP comes and goes beside the packets.
    pub fn has_reports(&self) -> bool {
        self.side.report_at != Time::MAX
    }
    /// For a report block about the peer.
    pub fn heard(&self) -> Option<Heard> {
        self.stream.as_ref().and_then(|s| s.receive.heard())
    }

    /// Bytes that this session holds on the heap beside its rings, and itself.
    pub fn memory(&self) -> usize {
        let stream = self.stream.as_ref().map_or(0, |s| s.receive.heap_bytes() + s.send.heap_bytes());
        let rings = 2 * (self.side.config.read_ring_frames + self.side.config.write_ring_frames);
        let events = self.side.events.queue.capacity() * core::mem::size_of::<MediaEvent>();
        core::mem::size_of::<Session>() + stream + rings + events
    }

    /// The stream is over: finishes keys, plays and recordings (their events can be polled afterwards).
    pub fn close(&mut self) {
        self.play_stop();
        self.record_stop();
        if let Some(mut stream) = self.stream.take() {
            stream.receive.finish(&mut self.side.stats, &mut self.side.events);
            stream.send.finish(&mut self.side.events);
            if let Some(reports) = &stream.reports {
                reports.fill_stats(&mut self.side.stats, stream.send.clock_rate());
            }
        }
        self.set_vad(None);
        self.lose_marks();
        self.side.tap = None;
        self.side.filter = None;
    }
}

impl HostSide {
    /// What is heard goes to the host as it is decoded.
    fn hears_plainly(&self) -> bool {
        self.voice.is_none() && self.receive_gain.is_one()
    }

    fn send_outbox(&mut self, stream: &mut Stream, send: &mut dyn FnMut(SocketAddr, &[u8])) {
        while let Some(packet) = self.outbox.as_mut().and_then(|o| o.take()) {
            let mut room = [0; FILTER_ROOM + ROOM];
            let place = room.get_mut(..packet.len());
            if let Some(place) = place {
                place.copy_from_slice(&packet);
            }
            let protected = stream.send.protected(&mut room, packet.len());
            let (Some(to), Some(bytes)) = (stream.receive.destination(), protected) else {
                self.stats.send_errors += 1;
                continue;
            };
            self.stats.tx_packets += 1;
            self.stats.tx_bytes += packet.len() as u64;
            send(to, bytes);
        }
    }

    fn said_by(&self, stream: &Stream, now: Time) -> Option<Said> {
        if self.stats.tx_packets == 0 {
            return None;
        }
        let headers = self.stats.tx_packets * RtpHeader::LEN as u64;
        Some(Said {
            packets: self.stats.tx_packets as u32,
            octets: self.stats.tx_bytes.saturating_sub(headers) as u32,
            rtp_timestamp: stream.send.timestamp_at(now),
        })
    }
}
