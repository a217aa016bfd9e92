//! The streams that are due, a group at a time and in three passes: all of the group are read, then all play, then all
//! send. So each pass finds its code, and the kernel's, at hand; one stream after the other would find neither.

use super::clock::Stamps;
use super::receiver::Receiver;
use super::send_batch::Flushed;
use super::worker_loop::{Worker, BATCH, DATAGRAM_BYTES};
use crate::util::{Key, Time, Wheel};
use std::net::SocketAddr;
use std::ops::Range;

/// Streams of a group. Their packets and what is touched of them stay in the cache from one pass to the next.
const GROUP: usize = 16;
/// Datagrams that a group reads: one each, more where more may wait.
const ROOM: usize = 2 * GROUP + BATCH;

/// What a group passes from pass to pass; empty between turns. The default has no room: it stands in while the real one is
/// lent out.
#[derive(Default)]
pub(super) struct Crew {
    due: Vec<(Time, Key)>,
    /// Who plays, and which datagrams are whose.
    members: Vec<(Key, Range<usize>)>,
    receiver: Receiver,
    letters: Vec<Letter>,
    /// The packets of `letters`, one behind the other.
    bytes: Vec<u8>,
}

struct Letter {
    key: Key,
    to: SocketAddr,
    which: Range<usize>,
}

impl Crew {
    pub fn new() -> Crew {
        Crew {
            members: Vec::with_capacity(GROUP),
            receiver: Receiver::new(ROOM, DATAGRAM_BYTES),
            letters: Vec::with_capacity(GROUP),
            bytes: Vec::with_capacity(GROUP * 256),
            ..Crew::default()
        }
    }
}

impl Worker {
    pub(super) fn run_due(&mut self) {
        let mut due = std::mem::take(&mut self.crew.due);
        self.stamps = Stamps::take();
        self.wheel.due(self.stamps.now(), &mut due);
        for begin in (0..due.len()).step_by(GROUP) {
            if begin > 0 {
                self.stamps = Stamps::take();
            }
            self.gather(&due, begin..(begin + GROUP).min(due.len()));
            self.play();
            self.post();
        }
        due.clear();
        self.crew.due = due;
    }

    /// The first pass: who is really due, and what has come for them.
    fn gather(&mut self, due: &[(Time, Key)], group: Range<usize>) {
        self.crew.members.clear();
        self.crew.receiver.clear();
        let now = self.stamps.now();
        for n in group {
            let Some((at, key)) = due.get(n).copied() else { break };
            self.prefetch(due, n);
            let Some(stream) = self.streams.get_mut(key).filter(|s| s.due == Some(at)) else { continue };
            stream.due = None;
            let (wanted, fd) = (stream.packets_wanted(now), stream.own_socket());
            self.counters().media_late.note(now.since(Wheel::fires_at(at)).as_micros() as u64);
            let first = self.crew.receiver.len();
            if let (Some(all), Some(fd)) = (wanted, fd) {
                let most = if all { BATCH } else { 1 };
                let count = self.crew.receiver.receive_more(fd, most).unwrap_or(0);
                if count == BATCH {
                    self.more.push(key);
                }
            }
            if fd.is_none() {
                self.pending.prefetch(key);
            }
            self.crew.members.push((key, first..self.crew.receiver.len()));
        }
    }

    /// The second pass: each hears, plays, and writes what it sends.
    fn play(&mut self) {
        let mut crew = std::mem::take(&mut self.crew);
        let (mut shared, stamps) = (std::mem::take(&mut self.shared), self.stamps);
        let Crew { members, receiver, letters, bytes, .. } = &mut crew;
        for (key, which) in members.iter().cloned() {
            let mut flushed = Flushed::default();
            let count = which.len();
            let mut pending = std::mem::take(&mut self.pending);
            let done = self.guarded(key, |stream| {
                let heard = stream.hear(receiver, which, stamps);
                let index = stream.shared_socket();
                if index.is_some() {
                    pending.take(key, |at, from, bytes| stream.arrived(at, from, bytes));
                }
                stream.tick(stamps.now(), &mut |to, packet| match index {
                    None => {
                        let start = bytes.len();
                        bytes.extend_from_slice(packet);
                        letters.push(Letter { key, to, which: start..bytes.len() });
                    }
                    Some(index) => {
                        if let Some(socket) = shared.get_mut(index) {
                            flushed.add(socket.send(to, packet));
                        }
                    }
                });
                (heard, stream.stats_report(stamps.now()))
            });
            self.pending = pending;
            self.tally.sent.count(flushed);
            self.settle_stream(key, true);
            let Some((heard, stats)) = done else { continue };
            if count > 0 {
                self.tally.received(count, heard);
            }
            if let Some(report) = stats {
                self.report(report);
            }
        }
        (self.shared, self.crew) = (shared, crew);
    }

    /// The third pass. A stream that has failed meanwhile sends nothing any more: its descriptor may be another's.
    fn post(&mut self) {
        let Crew { letters, bytes, .. } = &mut self.crew;
        for Letter { key, to, which } in letters.drain(..) {
            if let (Some(stream), Some(packet)) = (self.streams.get_mut(key), bytes.get(which)) {
                stream.send(to, packet, &mut self.tally.sent);
            }
        }
        bytes.clear();
    }

    /// The streams whose turn comes after the `n`th are got ready, each in three steps.
    fn prefetch(&self, due: &[(Time, Key)], n: usize) {
        let later = |ahead: usize| due.get(n + ahead).and_then(|(_, key)| self.streams.get(*key));
        for (step, ahead) in [(0, 6), (1, 4), (2, 2)] {
            if let Some(stream) = later(ahead) {
                stream.prefetch(step);
            }
        }
    }
}
