//! The streams that are due, a group at a time and in three passes: all of the group are read, then all play, then all
//! send. So each pass finds its code, and the kernel's, at hand; one stream after the other would find neither.

use super::clock::Stamps;
use super::counters::Counters;
use super::receiver::Receiver;
use super::spread::{slots_a_turn, CROWD};
use super::stream::Stream;
use super::thread;
use super::udp;
use super::worker_loop::{Worker, BATCH, DATAGRAM_BYTES};
use crate::util::pool::Pooled;
use crate::util::{Key, Slab, Time, Wheel};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::RawFd;

/// Streams of a group. Their packets and what is touched of them stay in the cache from one pass to the next.
const GROUP: usize = 16;
/// While a stream plays, the memory of so much later ones is fetched: step, streams later.
const AHEAD: &[(u8, usize)] = &[(0, GROUP), (1, GROUP - 3)];
/// Between those that share sockets there is no system call for which memory would have time: each is looked at in all steps
/// while others play.
const AHEAD_SHARED: &[(u8, usize)] = &[(0, 14), (1, 11), (2, 8), (3, 4)];
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
    /// Of whom there is more to be told than that they have played.
    restless: Vec<Key>,
    failed: Vec<(Key, String)>,
}

struct Letter {
    fd: RawFd,
    key: Key,
    /// None: the peer that the socket is connected to.
    to: Option<SocketAddr>,
    which: Range<usize>,
}

impl Crew {
    pub fn new() -> Crew {
        Crew {
            members: Vec::with_capacity(GROUP),
            receiver: Receiver::new(ROOM, DATAGRAM_BYTES),
            letters: Vec::with_capacity(GROUP),
            bytes: Vec::with_capacity(GROUP * 256),
            restless: Vec::with_capacity(GROUP),
            ..Crew::default()
        }
    }
    /// Gives back what large groups needed.
    pub fn shrink(&mut self) {
        self.due = Vec::new();
        self.receiver.shrink();
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
            self.play(&due, begin);
            self.post();
        }
        due.clear();
        self.crew.due = due;
    }

    /// The first pass: who is really due, and what has come for them.
    fn gather(&mut self, due: &[(Time, Key)], group: Range<usize>) {
        self.crew.members.clear();
        self.crew.receiver.clear();
        let (now, crowd) = (self.stamps.now(), self.streams.len() >= CROWD);
        // Later groups that share sockets were looked at by the ones before.
        let looks_ahead = self.shared.is_empty() || group.start == 0;
        let mut late = Late { together: slots_a_turn(self.streams.len()), ..Late::default() };
        for n in group {
            let Some((at, key)) = due.get(n).copied() else { break };
            if looks_ahead {
                self.prefetch(due, n);
            }
            let Some(stream) = self.streams.get_mut(key).filter(|s| s.due == Some(at)) else { continue };
            stream.due = None;
            late.note(now, at, &self.link.counters);
            let first = self.crew.receiver.len();
            match stream.own_socket() {
                None => self.pending.prefetch(key),
                Some(fd) => {
                    if let Some(all) = stream.packets_wanted(now) {
                        if crowd {
                            stream.calm_down(now);
                        }
                        let most = if all { BATCH } else { 1 };
                        match self.crew.receiver.receive_more(fd, most) {
                            Ok(count) if count == BATCH => self.more.push(key),
                            Ok(_) => {}
                            Err(error) => stream.heard_nothing(now, &error),
                        }
                    }
                }
            }
            self.crew.members.push((key, first..self.crew.receiver.len()));
        }
        late.tell(&self.link.counters);
    }

    /// The second pass: each hears, plays, and writes what it sends.
    fn play(&mut self, due: &[(Time, Key)], begin: usize) {
        let (stamps, now) = (self.stamps, self.stamps.now());
        let looks_ahead = self.shared.is_empty() || begin == 0;
        let ahead = if self.shared.is_empty() { AHEAD } else { AHEAD_SHARED };
        let Worker { streams, crew, shared, pending, wheel, tally, .. } = self;
        let Crew { members, receiver, letters, bytes, restless, failed, .. } = crew;
        for n in 0..members.len() {
            for (step, ahead) in ahead {
                // In this turn or the next one.
                let n = begin + n + ahead;
                let key = match due.get(n) {
                    Some((_, key)) => Some(*key),
                    None => wheel.upcoming(n - due.len()),
                };
                if let Some(stream) = key.and_then(|key| streams.get(key)) {
                    stream.prefetch(*step);
                }
            }
            if looks_ahead {
                prefetch(streams, members, if n == 0 { 0 } else { n + 2 }, n + 3);
            }
            let Some((key, which)) = members.get(n).cloned() else { break };
            let Some(stream) = streams.get_mut(key) else { continue };
            let count = which.len();
            let done = thread::caught(|| {
                let heard = stream.hear(receiver, which, stamps);
                let played = match stream.shared_socket() {
                    None => {
                        let (fd, ipv6, peer) = (stream.own_socket(), stream.is_ipv6(), stream.calm.peer());
                        stream.tick(now, &mut |to, packet| {
                            let (Some(fd), start) = (fd, bytes.len()) else { return };
                            bytes.extend_from_slice(packet);
                            let to = (peer != Some(to)).then(|| udp::for_family(to, ipv6));
                            letters.push(Letter { fd, key, to, which: start..bytes.len() });
                        })
                    }
                    Some(index) => {
                        pending.take(key, |at, from, bytes| stream.arrived(at, from, bytes));
                        stream.tick(now, &mut |to, packet| {
                            if let Some(socket) = shared.get_mut(index) {
                                tally.sent.count(socket.send(to, packet));
                            }
                        })
                    }
                };
                (heard, played && stream.rest(now))
            });
            match done {
                Ok((heard, rests)) => {
                    if count > 0 {
                        tally.received(count, heard);
                    }
                    match stream.due.filter(|_| rests) {
                        Some(at) => wheel.insert(at, key),
                        None => restless.push(key),
                    }
                }
                Err(text) => failed.push((key, text)),
            }
        }
        if !crew.restless.is_empty() || !crew.failed.is_empty() {
            self.settle_crew();
        }
    }

    /// Who has failed ends, and sends nothing any more: its descriptor may soon be another's. Of the others is told what there is.
    fn settle_crew(&mut self) {
        for (key, text) in std::mem::take(&mut self.crew.failed) {
            self.crew.letters.retain(|letter| letter.key != key);
            self.failed(key, &text);
        }
        let mut restless = std::mem::take(&mut self.crew.restless);
        for key in restless.drain(..) {
            let now = self.stamps.now();
            let stats = self.streams.get_mut(key).and_then(|stream| stream.stats_report(now));
            self.settle_stream(key, true);
            if let Some(report) = stats {
                self.report(report);
            }
        }
        self.crew.restless = restless;
    }

    /// The third pass.
    fn post(&mut self) {
        let Worker { crew, streams, tally, .. } = self;
        let Crew { letters, bytes, .. } = crew;
        for Letter { fd, key, to, which } in letters.drain(..) {
            let Some(packet) = bytes.get(which) else { continue };
            let sent = match to {
                None => udp::send(fd, packet).or_else(|_| resend(streams, key, packet)),
                Some(to) => udp::send_to(fd, to, packet),
            };
            if sent.is_ok() {
                tally.sent.packets += 1;
                tally.sent.bytes += packet.len() as u64;
            } else {
                tally.sent.errors += 1;
                if let Some(stream) = streams.get_mut(key) {
                    stream.session.count_send_error();
                }
            }
        }
        bytes.clear();
    }

    /// The streams whose turn comes after the `n`th are got ready, as far as the first pass goes.
    fn prefetch(&self, due: &[(Time, Key)], n: usize) {
        if let Some((_, key)) = due.get(n + 9) {
            self.streams.prefetch(*key);
        }
        for (step, ahead) in [(0, 6), (1, 3), (2, 1)] {
            if let Some(stream) = due.get(n + ahead).and_then(|(_, key)| self.streams.get(*key)) {
                stream.prefetch(step);
            }
        }
    }
}

/// What went wrong may be about an earlier packet, and about the peer only.
#[cold]
fn resend(streams: &mut Slab<Pooled<Stream>>, key: Key, packet: &[u8]) -> io::Result<()> {
    let gone = || io::Error::from(io::ErrorKind::NotConnected);
    let stream = streams.get_mut(key).ok_or_else(gone)?;
    stream.look_around();
    let (Some(fd), Some(to)) = (stream.own_socket(), stream.session.destination()) else {
        return Err(gone());
    };
    udp::send_to(fd, udp::for_family(to, stream.is_ipv6()), packet)
}

/// As `Worker::prefetch`, for the second pass: of those from `from` to before `to`.
fn prefetch(streams: &Slab<Pooled<Stream>>, members: &[(Key, Range<usize>)], from: usize, to: usize) {
    for (key, _) in members.iter().take(to).skip(from) {
        if let Some(stream) = streams.get(*key) {
            stream.prefetch(3);
        }
    }
}

/// How late streams were run. Those of a slot are equally late, and counted together.
#[derive(Default)]
struct Late {
    /// Slots that are taken together.
    together: u32,
    us: u64,
    streams: u64,
}

impl Late {
    fn note(&mut self, now: Time, at: Time, counters: &Counters) {
        let us = now.as_nanos().saturating_sub(Wheel::fires_at(at, self.together).as_nanos()) / 1000;
        if us != self.us {
            self.tell(counters);
            self.us = us;
        }
        self.streams += 1;
    }
    fn tell(&mut self, counters: &Counters) {
        let streams = std::mem::take(&mut self.streams);
        if streams > 0 {
            counters.media_late.note(self.us, streams);
        }
    }
}
