//! Any packets, sender reports and names of several streams on one clock: the clock never goes back, no frame is counted
//! twice, tables stay within their bounds.

use super::bytes::Bytes;
use voip::media::sync::{StreamId, StreamOptions, SyncError, SyncGroup, SyncOptions};
use voip::proto::rtcp::NtpTime;
use voip::proto::rtp::Timestamp;
use voip::util::{Duration, Time};

const MOST: usize = 4;
const NAMES: [&str; 3] = ["", "alice@example.org", "bob@example.org"];

pub fn run(input: &[u8]) {
    let mut world = World::new(input);
    for _ in 0..400 {
        if world.input.is_empty() {
            break;
        }
        world.step();
        world.check();
    }
}

struct Stream {
    id: StreamId,
    timestamp: Timestamp,
    channels: usize,
    given: u64,
}

struct World<'a> {
    input: Bytes<'a>,
    group: SyncGroup,
    streams: Vec<Stream>,
    local: Time,
    played: Time,
    ntp: u64,
}

impl<'a> World<'a> {
    fn new(input: &'a [u8]) -> World<'a> {
        let mut input = Bytes(input);
        let options = SyncOptions {
            max_delay: Duration::from_millis(u64::from(input.word()) / 4),
            max_streams: MOST,
            take_others: input.byte() % 2 == 0,
        };
        let group = SyncGroup::new(options);
        let ntp = 0xee00_0000_0000_0000;
        World { input, group, streams: Vec::new(), local: Time::from_secs(1), played: Time::ZERO, ntp }
    }

    fn step(&mut self) {
        match self.input.byte() % 12 {
            0 => self.add(),
            1 => self.rename_or_remove(),
            2 | 3 => self.report(),
            4..=6 => self.packet(),
            7 | 8 => self.read(),
            9 => {
                let nanos = u64::from(self.input.word()) << (self.input.byte() % 24);
                self.local += Duration::from_nanos(nanos);
                // The senders' clock goes on as well, nearly.
                self.ntp = self.ntp.wrapping_add((nanos << 2).wrapping_add(nanos / 3));
            }
            10 => self.ntp = self.ntp.wrapping_add_signed((self.input.word() as i16 as i64) << 30),
            _ => {
                let now = self.group.now(self.local);
                assert!(now >= self.played, "the clock goes back");
                self.played = now;
                let _ = self.group.local_of(now);
            }
        }
    }

    fn add(&mut self) {
        let (rate, sound, name) = (self.input.byte(), self.input.byte(), self.input.byte());
        let clock_rate = [8000, 16_000, 48_000, 90_000, 1000, 999][usize::from(rate) % 6];
        let audio_rate = [clock_rate, 16_000, 0][usize::from(sound) % 3];
        let channels = sound / 3 % 3 + u8::from(sound % 3 != 2);
        let cname = NAMES[usize::from(name) % 3];
        let full = self.streams.len() == MOST;
        match self.group.add(&StreamOptions { clock_rate, audio_rate, channels, cname }) {
            Ok(id) => {
                assert!(!full && self.streams.iter().all(|s| s.id != id));
                let channels = self.group.channels(id).expect("a stream").max(1);
                let timestamp = Timestamp(u32::from(name) << 24);
                self.streams.push(Stream { id, timestamp, channels, given: 0 });
            }
            Err(error) => assert_eq!(matches!(error, SyncError::Full(_)), full, "{error:?}"),
        }
    }

    /// Which stream, if there are any.
    fn one(&mut self) -> Option<usize> {
        let at = usize::from(self.input.byte());
        (!self.streams.is_empty()).then(|| at % self.streams.len())
    }

    fn rename_or_remove(&mut self) {
        let Some(at) = self.one() else { return };
        let id = self.streams[at].id;
        match usize::from(self.input.byte()) % 4 {
            3 => {
                self.streams.remove(at);
                assert_eq!(self.group.remove(id), Ok(()));
                assert_eq!(self.group.remove(id), Err(SyncError::Unknown(id)));
            }
            name => drop(self.group.set_cname(id, NAMES[name])),
        }
    }

    fn report(&mut self) {
        let Some(at) = self.one() else { return };
        let (id, timestamp) = (self.streams[at].id, self.streams[at].timestamp);
        let ntp = match self.input.byte() {
            0 => 0,
            off => self.ntp.wrapping_add_signed(i64::from(off as i8) << (off / 6)),
        };
        let told = self.group.report(id, NtpTime(ntp), timestamp, self.local);
        assert!(ntp != 0 || told == Err(SyncError::NoClock));
    }

    fn packet(&mut self) {
        let Some(at) = self.one() else { return };
        let (step, shift) = (self.input.word() as i16, self.input.byte() % 32);
        let stream = &mut self.streams[at];
        let step = i32::from(step) << shift.saturating_sub(24);
        stream.timestamp = Timestamp(stream.timestamp.0.wrapping_add_signed(step));
        let frames = usize::from(shift) * 8;
        let pcm = vec![1; frames * stream.channels];
        let (id, timestamp) = (stream.id, stream.timestamp);
        match self.group.write(id, timestamp, &pcm, self.local) {
            Ok(placed) => {
                assert!(placed.taken + placed.late <= frames as u64, "{placed:?} of {frames}");
                stream.given += placed.taken;
            }
            Err(error) => {
                assert_eq!(error, SyncError::Silent);
                self.group.packet(id, timestamp, self.local).expect("a stream");
            }
        }
    }

    fn read(&mut self) {
        let Some(at) = self.one() else { return };
        let frames = usize::from(self.input.byte()) * 8;
        let back = Duration::from_millis(u64::from(self.input.byte()));
        let stream = &mut self.streams[at];
        let mut out = vec![7; frames * stream.channels];
        let Ok(real) = self.group.read(stream.id, self.played - back, &mut out) else { return };
        assert!(real <= frames, "{real} of {frames}");
        assert!(out.iter().all(|&s| s == 0 || s == 1), "neither sound nor silence");
    }

    fn check(&self) {
        assert_eq!(self.group.len(), self.streams.len());
        for stream in &self.streams {
            let state = self.group.state(stream.id).expect("a stream");
            assert!(state.drift_ppm.is_finite());
            self.group.skew(stream.id).expect("a stream");
            let time = self.group.time_of(stream.id, stream.timestamp).expect("a stream");
            if let Some(time) = time {
                assert!(self.group.timestamp_at(stream.id, time).expect("a stream").is_some());
            }
        }
    }
}
