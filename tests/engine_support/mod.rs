//! Two ends of real calls over 127.0.0.1, and waiting for events with deadlines.
#![allow(dead_code)]

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::FromRawFd;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use voip::engine::call::Call;
use voip::engine::{AudioFormat, Event, EventKind, Phone, PhoneConfig};
use voip::ua::{self, CallId, CallState, DialOptions, EndInfo};

/// Far beyond anything that works; only a failure waits so long.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn soon() -> Option<Duration> {
    Some(PATIENCE)
}

#[derive(Default)]
pub struct Log {
    events: Mutex<Vec<Event>>,
    more: Condvar,
}

impl Log {
    pub fn push(&self, event: Event) {
        self.events.lock().unwrap().push(event);
        self.more.notify_all();
    }
    pub fn all(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }
    /// The first answer of `find` to any event, those that were there before included.
    pub fn expect<T>(&self, what: &str, find: impl Fn(&Event) -> Option<T>) -> T {
        self.expect_nth(what, 1, find)
    }
    /// As `expect`, but the answer to the `nth` event that `find` knows. `find` must not ask the log.
    pub fn expect_nth<T>(&self, what: &str, mut nth: usize, find: impl Fn(&Event) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut events = self.events.lock().unwrap();
        let mut seen = 0;
        loop {
            while let Some(event) = events.get(seen) {
                if let Some(found) = find(event) {
                    nth -= 1;
                    if nth == 0 {
                        return found;
                    }
                }
                seen += 1;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} among {:?}", kinds(&events));
            events = self.more.wait_timeout(events, left).unwrap().0;
        }
    }
}

pub fn kinds(events: &[Event]) -> Vec<&EventKind> {
    events.iter().map(|e| &e.kind).collect()
}

pub struct Party {
    pub phone: Phone,
    pub log: Arc<Log>,
}

/// Two shared sockets in the tests whose crate is named so, else one socket a call.
pub fn media_sockets() -> usize {
    if env!("CARGO_CRATE_NAME").ends_with("_shared") {
        2
    } else {
        0
    }
}

pub fn config() -> PhoneConfig {
    let bind = "127.0.0.1:0".parse().unwrap();
    PhoneConfig { bind, media_sockets: media_sockets(), ..PhoneConfig::default() }
}

impl Party {
    pub fn new(config: PhoneConfig) -> Party {
        let phone = Phone::new(config).unwrap();
        let log = Arc::new(Log::default());
        let sink = log.clone();
        phone.set_event_sink(Box::new(move |event| sink.push(event.clone()))).unwrap();
        Party { phone, log }
    }
    pub fn start(config: PhoneConfig) -> Party {
        let party = Party::new(config);
        party.phone.start().unwrap();
        party
    }
    pub fn listening(config: PhoneConfig) -> Party {
        let party = Party::new(config);
        party.phone.accept_calls(true);
        party.phone.start().unwrap();
        party
    }
    pub fn target(&self) -> String {
        format!("sip:bob@{}", self.phone.local_address().unwrap())
    }
    pub fn dial(&self, target: &str) -> Call {
        self.phone.dial(None, target, DialOptions::default(), &mut |_| ()).unwrap()
    }
    pub fn ended(&self, call: &Call) -> EndInfo {
        let id = call.id();
        self.log.expect("end", |e| match &e.kind {
            EventKind::Ua(ua::Event::CallEnded { call, end }) if *call == id => Some(end.clone()),
            _ => None,
        })
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        let _ = self.phone.shutdown();
    }
}

/// One call from `from` to `to`, ringing at `to`.
pub fn ringing(from: &Party, to: &Party) -> (Call, Call) {
    let out = from.dial(&to.target());
    let inc = to.phone.wait_call(soon()).unwrap();
    (out, inc)
}

/// One answered call.
pub fn answered(from: &Party, to: &Party) -> (Call, Call) {
    let (out, inc) = ringing(from, to);
    inc.answer().unwrap();
    out.wait_state(CallState::Answered, soon()).unwrap();
    inc.wait_state(CallState::Answered, soon()).unwrap();
    (out, inc)
}

pub fn pair() -> (Party, Party) {
    (Party::start(config()), Party::listening(config()))
}

/// 16 bit samples of `ms` of real audio.
pub fn hear(call: &Call, ms: usize) -> Vec<i16> {
    let format: AudioFormat = call.audio_format();
    let mut pcm = vec![0; ms * format.rate as usize / 1000 * 2];
    let frames = call.read_audio(&mut pcm, soon()).unwrap();
    pcm[..frames * 2].chunks_exact(2).map(|b| i16::from_ne_bytes([b[0], b[1]])).collect()
}

pub fn tone(hz: f64, ms: usize) -> Vec<u8> {
    (0..ms * 8)
        .flat_map(|i| {
            let t = i as f64 / 8000.0;
            let sample = ((t * hz * std::f64::consts::TAU).sin() * 8000.0) as i16;
            sample.to_ne_bytes()
        })
        .collect()
}

/// The share of the energy that is at one frequency (Goertzel), 0 to 1.
pub fn share_at(samples: &[i16], hz: f64) -> f64 {
    let w = std::f64::consts::TAU * hz / 8000.0;
    let (mut s1, mut s2, mut energy) = (0.0, 0.0, 0.0);
    for &x in samples {
        let x = f64::from(x);
        let s0 = x + 2.0 * w.cos() * s1 - s2;
        (s2, s1) = (s1, s0);
        energy += x * x;
    }
    if energy == 0.0 {
        return 0.0;
    }
    let power = s1 * s1 + s2 * s2 - 2.0 * w.cos() * s1 * s2;
    2.0 * power / (samples.len() as f64 * energy)
}

/// Listens until `hz` is what is heard.
pub fn hear_tone(call: &Call, hz: f64) {
    let deadline = Instant::now() + PATIENCE;
    let mut best: f64 = 0.0;
    while Instant::now() < deadline {
        let share = share_at(&hear(call, 200), hz);
        best = best.max(share);
        if share > 0.9 {
            return;
        }
    }
    panic!("{hz} Hz was never more than {best:.2} of what was heard");
}

pub fn ends_of(log: &Log, id: CallId) -> usize {
    let is_end =
        |e: &&Event| matches!(&e.kind, EventKind::Ua(ua::Event::CallEnded { call, .. }) if *call == id);
    log.all().iter().filter(is_end).count()
}

/// The socket of a phone of this process that is bound there: what is sent on it comes from the phone's own address.
pub fn socket_bound_to(local: SocketAddr) -> UdpSocket {
    let fds = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let numbers = fds.filter_map(|fd| fd.file_name().to_str()?.parse::<i32>().ok());
    let sockets = numbers.filter_map(|fd| {
        // SAFETY: `dup` takes any number, and what it gives belongs to nobody else.
        unsafe {
            let own = libc::dup(fd);
            (own >= 0).then(|| UdpSocket::from_raw_fd(own))
        }
    });
    let is_it = |socket: &UdpSocket| socket.local_addr().is_ok_and(|address| address == local);
    sockets.into_iter().find(is_it).expect("a socket of the phone")
}
