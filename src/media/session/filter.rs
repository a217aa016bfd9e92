//! The host's hands on a stream's packets: a filter that sees, changes and drops what passes, and packets of its own.
//!
//! Both deal in plain RTP, as it is before it is protected and after it was unprotected. The filter runs inside the
//! session, so it must not block; dropping it is the sign that it won't run any more.

use super::protection::ROOM;
use crate::proto::rtp::{classify, PacketKind, RtpPacket};
use crate::util::Time;
use std::collections::VecDeque;

/// Gets a packet (true: sent) in the first bytes of its room, and its length; says how long it is now. None: drop it.
pub type FilterFn = Box<dyn FnMut(bool, &mut [u8], usize) -> Option<usize> + Send>;

/// Room that a filter has for a packet to grow into.
pub const FILTER_ROOM: usize = 2048;
/// Packets of the host that wait for the worker.
const MAX_WAITING: usize = 64;

pub struct Filter {
    sink: FilterFn,
    room: Box<[u8; FILTER_ROOM + ROOM]>,
}

/// What a filter made of a packet.
pub enum Filtered {
    /// It is not the filter's business.
    Unseen,
    /// So long is what stands in the filter's room now.
    Pass(usize),
    Dropped,
    /// It is no RTP packet any more.
    Spoiled,
}

impl Filter {
    pub fn new(sink: FilterFn) -> Filter {
        Filter { sink, room: Box::new([0; FILTER_ROOM + ROOM]) }
    }

    /// What is not RTP passes unseen.
    pub fn pass(&mut self, sent: bool, packet: &[u8]) -> Filtered {
        let room = &mut self.room[..FILTER_ROOM];
        let Some(place) = room.get_mut(..packet.len()) else { return Filtered::Unseen };
        if classify(packet) != PacketKind::Rtp {
            return Filtered::Unseen;
        }
        place.copy_from_slice(packet);
        let Some(len) = (self.sink)(sent, room, packet.len()) else { return Filtered::Dropped };
        match room.get(..len) {
            Some(packet) if RtpPacket::parse(packet).is_ok() => Filtered::Pass(len),
            _ => Filtered::Spoiled,
        }
    }
    /// The packet, and room for its protection behind it.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.room[..]
    }
}

/// Packets of the host on their way out.
#[derive(Default)]
pub struct Outbox {
    waiting: VecDeque<Box<[u8]>>,
    since: Option<Time>,
}

impl Outbox {
    /// False: there is no room.
    pub fn put(&mut self, now: Time, packet: Box<[u8]>) -> bool {
        let room = self.waiting.len() < MAX_WAITING;
        if room {
            self.since.get_or_insert(now);
            self.waiting.push_back(packet);
        }
        room
    }
    pub fn take(&mut self) -> Option<Box<[u8]>> {
        let packet = self.waiting.pop_front();
        if packet.is_none() {
            self.since = None;
        }
        packet
    }
    /// When there is something to take.
    pub fn deadline(&self) -> Option<Time> {
        self.since
    }
}
