//! A packet comes: whose it is, what it carries, and where that goes.

use super::super::decoding::Decoding;
use super::super::source::{jitter_of, Source};
use super::super::Events;
use super::formats::Format;
use super::{push_key, Receive};
use crate::media::codec::{cn, Codec};
use crate::media::dtmf::receiver::KeyEvents;
use crate::media::jitter::Inserted;
use crate::media::latch::Judged;
use crate::media::params::{MediaEvent, MediaStats};
use crate::proto::rtp::{
    classify, ExtendedSequence, PacketKind, RtpHeader, RtpPacket, TelephoneEvent, Timestamp, Verdict,
};
use crate::proto::srtp::SrtpError;
use crate::util::Time;
use core::net::SocketAddr;

impl Receive {
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
}

fn push_keys(events: &mut Events, keys: KeyEvents) {
    for key in keys {
        push_key(events, key);
    }
}
