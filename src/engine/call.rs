//! A call as the host holds it: shared state, audio, DTMF, commands. Any thread.
//!
//! The control thread writes what it learns here before the event about it is queued; a media worker owns the other
//! ends of the audio rings. Locks are held for plain moves of data only.

use super::call_audio::AudioEnds;
use super::clock;
use super::config::AudioFormat;
use super::error::{Error, ErrorKind, Result};
use super::link::{Link, ToControl};
use super::signal::Signal;
use crate::media::{HostAudio, Levels, MediaStats};
use crate::proto::rtp::PayloadFormat;
use crate::proto::sdp::Direction;
use crate::proto::sip::Message;
use crate::proto::srtp::Profile;
use crate::ua::{AccountId, CallDirection, CallId, CallInfo, CallState, Command, EndInfo};
use crate::util::pool::Counted;
use crate::util::{prefetch, Time};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Shared by the host, the control thread and a media worker.
#[derive(Clone)]
pub struct Call(Counted<CallShared>);

pub struct CallShared {
    id: CallId,
    direction: CallDirection,
    pub(super) link: Arc<Link>,
    state: AtomicI32,
    /// The furthest of the states up to Answered.
    reached: AtomicI32,
    /// Who decided about an incoming call: one of the `CLAIM_`s. The first wins.
    claim: AtomicU8,
    ending: AtomicBool,
    muted: AtomicBool,
    sip_code: AtomicU32,
    handle: AtomicU64,
    handle_lock: Mutex<()>,
    user_data: AtomicUsize,
    created: Time,
    /// Nanoseconds of `Time`, 0: not yet.
    answered_at: AtomicU64,
    ended_at: AtomicU64,
    facts: Mutex<Facts>,
    /// Received keys that nobody has read.
    pub(super) keys: Mutex<VecDeque<u8>>,
    pub(super) audio: AudioEnds,
    /// The peer takes keys by RFC 4733.
    pub(super) keys_negotiated: AtomicBool,
    /// Plays and keys posted and not over.
    jobs: AtomicUsize,
    published: Mutex<MediaStats>,
    hot: Hot,
}

/// What the worker writes at every tick, in one cache line of its own.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Hot {
    drained: AtomicBool,
    /// `Levels` in one word.
    levels: AtomicU64,
    /// Notified at every change that a host may wait for.
    signal: Signal,
}

#[derive(Default)]
struct Facts {
    info: Option<CallInfo>,
    end: Option<EndInfo>,
    media: CallMediaInfo,
    remote_sdp: Option<Arc<[u8]>>,
    local_sdp: Option<Arc<[u8]>>,
    /// What the payload types of this call mean: those that may come, then those that go.
    payloads: Vec<PayloadFormat>,
}

const CLAIM_NONE: u8 = 0;
const CLAIM_ANSWERED: u8 = 1;
const CLAIM_REFUSED: u8 = 2;

/// What was negotiated last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallMediaInfo {
    /// Seen from us.
    pub direction: Direction,
    pub held_by_peer: bool,
    pub held_by_us: bool,
    /// Empty before the first negotiation.
    pub codec: Box<str>,
    /// The suite of both directions; None: plain RTP.
    pub srtp: Option<Profile>,
    pub remote: Option<SocketAddr>,
    /// Our RTP address as bound.
    pub local: Option<SocketAddr>,
}

/// None waits for ever, zero never blocks.
pub type Timeout = Option<Duration>;

pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn call_ended() -> Error {
    Error::new(ErrorKind::CallEnded, "the call has ended")
}

pub(super) fn timed_out() -> Error {
    Error::new(ErrorKind::Timeout, "the time is over")
}

fn wrong_state(what: &str, state: CallState) -> Error {
    Error::new(ErrorKind::State, format!("{what}: the call is {state:?}"))
}

fn state_from(number: i32) -> CallState {
    match number {
        1 => CallState::Dialing,
        2 => CallState::Ringing,
        3 => CallState::Progress,
        4 => CallState::Answered,
        5 => CallState::Terminating,
        _ => CallState::Ended,
    }
}

impl Call {
    pub(super) fn new(id: CallId, link: Arc<Link>, format: AudioFormat, audio: HostAudio) -> Call {
        let (direction, state) = if id.is_outgoing() {
            (CallDirection::Outgoing, CallState::Dialing)
        } else {
            (CallDirection::Incoming, CallState::Ringing)
        };
        Call(Counted::new(CallShared {
            id,
            direction,
            state: AtomicI32::new(state as i32),
            reached: AtomicI32::new(state as i32),
            claim: AtomicU8::new(CLAIM_NONE),
            ending: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            sip_code: AtomicU32::new(0),
            handle: AtomicU64::new(0),
            handle_lock: Mutex::new(()),
            user_data: AtomicUsize::new(0),
            created: clock::now(),
            answered_at: AtomicU64::new(0),
            ended_at: AtomicU64::new(0),
            facts: Mutex::new(Facts::default()),
            keys: Mutex::new(VecDeque::new()),
            audio: AudioEnds::new(format, audio),
            keys_negotiated: AtomicBool::new(false),
            jobs: AtomicUsize::new(0),
            published: Mutex::new(MediaStats::default()),
            hot: Hot { drained: AtomicBool::new(true), ..Hot::default() },
            link,
        }))
    }

    pub(super) fn shared(&self) -> &CallShared {
        &self.0
    }
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.0.link
    }

    pub fn id(&self) -> CallId {
        self.0.id
    }
    pub fn state(&self) -> CallState {
        state_from(self.0.state.load(Ordering::Acquire))
    }
    pub fn direction(&self) -> CallDirection {
        self.0.direction
    }
    pub fn has_ended(&self) -> bool {
        self.state() == CallState::Ended
    }

    /// Waits until the state is `state` or later in life; Err(CallEnded) when it ended without getting there.
    pub fn wait_state(&self, state: CallState, timeout: Timeout) -> Result<()> {
        if timeout != Some(Duration::ZERO) {
            self.link().dispatcher.refuse_in_callback()?;
        }
        let arrived = || {
            let (now, reached) = (self.state(), self.0.reached.load(Ordering::Acquire));
            if now >= state && state > CallState::Answered || reached >= state as i32 {
                return Some(Ok(()));
            }
            (now == CallState::Ended).then(|| Err(call_ended()))
        };
        self.0.hot.signal.wait_for(timeout, arrived).unwrap_or_else(|| Err(timed_out()))
    }

    pub fn end_info(&self) -> Option<EndInfo> {
        lock(&self.0.facts).end.clone()
    }

    /// 180.
    pub fn ring(&self) -> Result<()> {
        self.require_undecided("ring")?;
        self.command(Command::Ring { call: self.id() })
    }
    /// 183 with early media.
    pub fn progress(&self) -> Result<()> {
        self.require_undecided("progress")?;
        self.command(Command::Progress { call: self.id() })
    }
    /// Only an incoming call that nobody decided about: of two threads one wins.
    pub fn answer(&self) -> Result<()> {
        self.decide("answer", CLAIM_ANSWERED, Command::Answer { call: self.id() })
    }
    pub fn reject(&self, code: u16, reason: Option<&str>) -> Result<()> {
        if !(300..=699).contains(&code) {
            return Err(Error::new(ErrorKind::Range, format!("code {code} is not within 300 to 699")));
        }
        check_text("reason", reason.unwrap_or_default())?;
        let reason = reason.map(str::to_owned);
        self.decide("reject", CLAIM_REFUSED, Command::Reject { call: self.id(), code, reason })
    }
    pub fn redirect(&self, target: &str) -> Result<()> {
        check_text("target", target)?;
        let target = target.to_owned();
        self.decide("redirect", CLAIM_REFUSED, Command::Redirect { call: self.id(), target })
    }

    /// In every live state: CANCEL, 603 or BYE. Err(State) if somebody has hung up already.
    pub fn hangup(&self) -> Result<()> {
        if self.has_ended() {
            return Err(call_ended());
        }
        let refused = self.0.claim.load(Ordering::Acquire) == CLAIM_REFUSED;
        if refused || self.0.ending.swap(true, Ordering::AcqRel) {
            return Err(Error::new(ErrorKind::State, "hangup: the call is being ended already"));
        }
        let posted = self.command(Command::Hangup { call: self.id() });
        if posted.is_err() {
            self.0.ending.store(false, Ordering::Release);
        }
        posted
    }

    pub fn hold(&self) -> Result<()> {
        self.require_answered("hold")?;
        self.command(Command::Hold { call: self.id() })
    }
    pub fn resume(&self) -> Result<()> {
        self.require_answered("resume")?;
        self.command(Command::Resume { call: self.id() })
    }
    pub fn set_media_direction(&self, direction: Direction) -> Result<()> {
        self.require_answered("set the direction")?;
        self.command(Command::SetDirection { call: self.id(), direction })
    }
    pub fn transfer(&self, target: &str) -> Result<()> {
        self.require_answered("transfer")?;
        check_text("target", target)?;
        self.command(Command::Transfer { call: self.id(), target: target.to_owned() })
    }
    /// Connects the peers of two answered calls of one phone.
    pub fn transfer_to(&self, other: &Call) -> Result<()> {
        self.require_answered("transfer")?;
        if !Arc::ptr_eq(&self.0.link, &other.0.link) {
            return Err(Error::new(ErrorKind::Argument, "the other call is another phone's"));
        }
        if self.id() == other.id() {
            return Err(Error::new(ErrorKind::Argument, "a call can't be transferred to itself"));
        }
        other.require_answered("transfer to the other call")?;
        self.command(Command::TransferTo { call: self.id(), other: other.id() })
    }

    pub(super) fn command(&self, command: Command) -> Result<()> {
        self.link().post(ToControl::Command(command))
    }

    /// Err(CallEnded), or Err(State) when the call is being ended.
    pub(super) fn require_live(&self) -> Result<()> {
        match self.state() {
            CallState::Ended => Err(call_ended()),
            _ => Ok(()),
        }
    }
    fn require_answered(&self, what: &str) -> Result<()> {
        match self.state() {
            CallState::Ended => Err(call_ended()),
            CallState::Answered if !self.0.ending.load(Ordering::Acquire) => Ok(()),
            state => Err(wrong_state(what, state)),
        }
    }
    fn require_undecided(&self, what: &str) -> Result<()> {
        match self.state() {
            CallState::Ended => Err(call_ended()),
            _ if self.is_undecided() => Ok(()),
            state => Err(wrong_state(what, state)),
        }
    }
    /// It rings here, and nobody has answered, refused or ended it.
    pub(super) fn is_undecided(&self) -> bool {
        self.0.direction == CallDirection::Incoming
            && self.0.claim.load(Ordering::Acquire) == CLAIM_NONE
            && !self.0.ending.load(Ordering::Acquire)
            && matches!(self.state(), CallState::Ringing | CallState::Progress)
    }
    fn decide(&self, what: &str, claim: u8, command: Command) -> Result<()> {
        self.require_undecided(what)?;
        let (none, order) = (CLAIM_NONE, Ordering::AcqRel);
        if self.0.claim.compare_exchange(none, claim, order, Ordering::Acquire).is_err() {
            return Err(Error::new(ErrorKind::State, format!("{what}: the call was decided about already")));
        }
        let posted = self.command(command);
        if posted.is_err() {
            self.0.claim.store(CLAIM_NONE, Ordering::Release);
        }
        posted
    }

    // What is known.
    fn info<T>(&self, read: impl FnOnce(&CallInfo) -> T) -> Option<T> {
        lock(&self.0.facts).info.as_ref().map(read)
    }
    pub fn remote_uri(&self) -> String {
        self.info(|i| i.remote_uri.to_string()).unwrap_or_default()
    }
    pub fn remote_name(&self) -> String {
        self.info(|i| i.remote_name.to_string()).unwrap_or_default()
    }
    pub fn local_uri(&self) -> String {
        self.info(|i| i.local_uri.to_string()).unwrap_or_default()
    }
    pub fn sip_call_id(&self) -> String {
        self.info(|i| i.sip_call_id.to_string()).unwrap_or_default()
    }
    pub(super) fn has_sip_id(&self, id: &str) -> bool {
        self.info(|i| &*i.sip_call_id == id).unwrap_or(false)
    }
    /// As it was received or first sent; None before that.
    pub(super) fn invite(&self) -> Option<Arc<[u8]>> {
        self.info(|i| i.invite.clone())
    }
    /// A header of the INVITE, by name without case.
    pub fn header(&self, name: &str, index: usize) -> Option<String> {
        let invite = self.info(|i| i.invite.clone())?;
        let message = Message::parse(&invite).ok()?;
        message.header_named(name, index).map(str::to_owned)
    }
    /// The peer's last SDP.
    pub fn remote_sdp(&self) -> Option<Vec<u8>> {
        let sdp = lock(&self.0.facts).remote_sdp.clone();
        sdp.map(|s| s.to_vec())
    }
    /// What we said last.
    pub fn local_sdp(&self) -> Option<Vec<u8>> {
        let sdp = lock(&self.0.facts).local_sdp.clone();
        sdp.map(|s| s.to_vec())
    }
    /// Account that the call belongs to.
    pub fn account(&self) -> Option<AccountId> {
        self.info(|i| i.account).flatten()
    }
    pub fn media_info(&self) -> CallMediaInfo {
        lock(&self.0.facts).media.clone()
    }
    /// What a payload type of this call means.
    pub fn payload(&self, payload_type: u8) -> Option<PayloadFormat> {
        lock(&self.0.facts).payloads.iter().find(|f| f.payload_type == payload_type).cloned()
    }
    /// Last SIP status of the call's INVITE, 0 before any.
    pub fn last_sip_code(&self) -> u16 {
        self.0.sip_code.load(Ordering::Acquire) as u16
    }
    /// (since the call was created, since it was answered), both stop at the end.
    pub fn durations(&self) -> (Duration, Option<Duration>) {
        let (answered, ended) = (&self.0.answered_at, &self.0.ended_at);
        let end = match ended.load(Ordering::Acquire) {
            0 => clock::now(),
            ns => Time::from_nanos(ns),
        };
        let answered = answered.load(Ordering::Acquire);
        let talk = (answered != 0).then(|| end.since(Time::from_nanos(answered)));
        (end.since(self.0.created), talk)
    }
    pub fn audio_format(&self) -> AudioFormat {
        self.0.audio.format()
    }
    pub fn is_muted(&self) -> bool {
        self.0.muted.load(Ordering::Acquire)
    }
    pub(super) fn remember_muted(&self, muted: bool) {
        self.0.muted.store(muted, Ordering::Release);
    }

    /// The binding's handle of this call. `make` runs at most once, even if threads race; 0 is never stored.
    pub fn handle_or_init(&self, make: impl FnOnce() -> u64) -> u64 {
        if self.handle() == 0 {
            let _one_at_a_time = lock(&self.0.handle_lock);
            if self.handle() == 0 {
                self.0.handle.store(make(), Ordering::Release);
            }
        }
        self.handle()
    }
    /// 0 if none was attached (yet).
    pub fn handle(&self) -> u64 {
        self.0.handle.load(Ordering::Acquire)
    }
    /// What the binding attached to the phone with `Phone::set_handle`.
    pub fn phone_handle(&self) -> u64 {
        self.link().phone_handle.load(Ordering::Acquire)
    }
    /// True on a thread that is delivering an event of this call's phone right now.
    pub fn in_callback(&self) -> bool {
        self.link().dispatcher.in_callback()
    }
    pub fn user_data(&self) -> usize {
        self.0.user_data.load(Ordering::Acquire)
    }
    pub fn set_user_data(&self, value: usize) {
        self.0.user_data.store(value, Ordering::Release);
    }
    pub fn stats(&self) -> MediaStats {
        *lock(&self.0.published)
    }
    pub(super) fn levels(&self) -> Levels {
        Levels::from_u64(self.0.hot.levels.load(Ordering::Relaxed))
    }
}

/// Written by the control thread.
impl CallShared {
    pub(super) fn signal(&self) -> &Signal {
        &self.hot.signal
    }
    pub(super) fn set_info(&self, info: CallInfo) {
        lock(&self.facts).info = Some(info);
    }
    pub(super) fn set_media(&self, change: impl FnOnce(&mut CallMediaInfo)) {
        change(&mut lock(&self.facts).media);
    }
    pub(super) fn set_payloads(&self, payloads: Vec<PayloadFormat>) {
        lock(&self.facts).payloads = payloads;
    }
    pub(super) fn set_local_sdp(&self, sdp: Arc<[u8]>) {
        if !sdp.is_empty() {
            lock(&self.facts).local_sdp = Some(sdp);
        }
    }
    pub(super) fn set_remote_sdp(&self, sdp: Arc<[u8]>) {
        if !sdp.is_empty() {
            lock(&self.facts).remote_sdp = Some(sdp);
        }
    }
    pub(super) fn set_state(&self, state: CallState, sip_code: u16) {
        if sip_code != 0 {
            self.sip_code.store(u32::from(sip_code), Ordering::Release);
        }
        if state == CallState::Answered {
            let now = clock::now().as_nanos();
            let _ = self.answered_at.compare_exchange(0, now, Ordering::AcqRel, Ordering::Relaxed);
        }
        if state <= CallState::Answered {
            self.reached.fetch_max(state as i32, Ordering::AcqRel);
        }
        self.state.store(state as i32, Ordering::Release);
        self.hot.signal.notify();
    }
    pub(super) fn set_ended(&self, end: EndInfo) {
        let code = end.sip_code;
        lock(&self.facts).end = Some(end);
        self.ended_at.store(clock::now().as_nanos(), Ordering::Release);
        self.audio.end();
        self.set_state(CallState::Ended, code);
    }

    /// For a worker that will publish soon.
    pub(super) fn prefetch(&self) {
        prefetch(&self.hot);
    }
    /// Written by the media worker. True if a host may have waited for it.
    pub(super) fn publish(&self, drained: bool, levels: Levels) -> bool {
        self.hot.levels.store(levels.to_u64(), Ordering::Relaxed);
        // Nobody else writes it before the end.
        self.hot.drained.load(Ordering::Relaxed) != drained
            && self.hot.drained.swap(drained, Ordering::AcqRel) != drained
    }
    /// False: a host reads the counters right now. The worker never waits for it.
    pub(super) fn publish_stats(&self, read: impl FnOnce() -> MediaStats) -> bool {
        let Ok(mut published) = self.published.try_lock() else { return false };
        *published = read();
        true
    }
    pub(super) fn publish_final(&self, stats: MediaStats) {
        *lock(&self.published) = stats;
    }
    pub(super) fn media_closed(&self) {
        self.audio.end();
        self.hot.drained.store(true, Ordering::Release);
        self.hot.signal.notify();
    }

    pub(super) fn media_is_over(&self) -> bool {
        self.audio.is_over()
    }
    pub(super) fn job_begun(&self) {
        self.jobs.fetch_add(1, Ordering::AcqRel);
    }
    pub(super) fn job_done(&self) {
        let _ = self.jobs.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
        self.hot.signal.notify();
    }
    pub(super) fn is_idle(&self) -> bool {
        self.jobs.load(Ordering::Acquire) == 0 && self.hot.drained.load(Ordering::Acquire)
    }
}

/// What goes into a header must not be able to add another one.
pub(super) fn check_text(what: &str, text: &str) -> Result<()> {
    if text.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        return Err(Error::new(ErrorKind::Argument, format!("{what} has a line break or a zero in it")));
    }
    Ok(())
}
