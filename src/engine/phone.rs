//! A phone: what the host asks of it. Any thread. How it starts and ends is in `phone_life`, its accounts in
//! `phone_accounts`.

use super::call::{lock, timed_out, Call, Timeout};
use super::clock;
use super::config::{AudioFormat, PhoneConfig};
use super::control_calls::session_config;
use super::error::{Error, ErrorKind, Result};
use super::event::{Event, EventKind};
use super::link::{not_running, Dial, Link, ToControl};
use super::pages;
use super::phone_accounts::Accounts;
use super::phone_life::Threads;
use super::ports::{PortLease, PortPool};
use super::queue::Dispatcher;
use super::signal::Signal;
use super::thread;
use crate::media::codec::CodecInfo;
use crate::media::Session;
use crate::proto::rtp::PayloadFormat;
use crate::ua::{self, parse_target, AccountId, AccountStatus, AgentStats, CallId, DialOptions};
use crate::ua::{EndCause, EndInfo, EndedBy};
use crate::util::IdMap;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Clones are the same phone. It runs until `stop` or `shutdown`, also when all clones are gone.
#[derive(Clone)]
pub struct Phone(Arc<PhoneShared>);

pub struct PhoneShared {
    pub(super) config: PhoneConfig,
    pub(super) codecs: Vec<PayloadFormat>,
    pub(super) link: Arc<Link>,
    pub(super) ports: Arc<PortPool>,
    pub(super) accounts: Mutex<Accounts>,
    pub(super) threads: Mutex<Threads>,
    pub(super) closing: AtomicBool,
    pub(super) gone: AtomicBool,
    pub(super) local: Mutex<Option<SocketAddr>>,
    /// As configured, or as the host has set it since.
    public: Mutex<Option<IpAddr>>,
    /// Notified when the status, an account or the queue of incoming calls changes.
    pub(super) signal: Signal,
    status: AtomicI32,
    registry: Mutex<Registry>,
    accept: AtomicBool,
    accept_messages: AtomicBool,
    reserved: Mutex<HashMap<u16, PortLease>>,
    agent_stats: Mutex<AgentStats>,
    user_data: AtomicUsize,
}

/// The live calls. Closed before the start and after the end, so that no call can begin there.
#[derive(Default)]
struct Registry {
    open: bool,
    calls: IdMap<CallId, Call>,
    /// Calls for `wait_call`, from its first use on.
    incoming: Option<VecDeque<Call>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum PhoneStatus {
    Inactive = 0,
    Starting = 1,
    Running = 2,
    Stopping = 3,
    Stopped = 4,
    Failed = 5,
}

impl PhoneStatus {
    fn from_number(number: i32) -> PhoneStatus {
        match number {
            0 => PhoneStatus::Inactive,
            1 => PhoneStatus::Starting,
            2 => PhoneStatus::Running,
            3 => PhoneStatus::Stopping,
            4 => PhoneStatus::Stopped,
            _ => PhoneStatus::Failed,
        }
    }
    /// No threads of it do SIP or media.
    pub(super) fn is_at_rest(self) -> bool {
        matches!(self, PhoneStatus::Inactive | PhoneStatus::Stopped | PhoneStatus::Failed)
    }
}

#[derive(Clone, Debug)]
pub struct AccountInfo {
    pub status: AccountStatus,
    pub last_sip_code: u16,
    pub reason: String,
    pub uri: String,
    /// Seconds until the binding runs out; 0 if there is none.
    pub expires_in: u32,
}

#[derive(Clone, Copy, Default, Debug)]
pub struct PhoneStats {
    pub agent: AgentStats,
    pub events_dropped: u64,
    /// Waiting in the event queue.
    pub events_waiting: usize,
    pub media_packets_in: u64,
    pub media_packets_out: u64,
    pub media_bytes_in: u64,
    pub media_bytes_out: u64,
    pub media_send_errors: u64,
    /// Reports of the media workers that found their queue full.
    pub media_reports_dropped: u64,
    /// Wake-ups of the control thread and of all media workers.
    pub control_wakeups: u64,
    pub media_wakeups: u64,
    /// Most datagrams that one wake-up read.
    pub control_batch_max: u64,
    pub media_batch_max: u64,
    /// Reads of media sockets, each of one batch.
    pub media_batches: u64,
    /// Datagrams of shared sockets that were nobody's.
    pub media_unrouted: u64,
    /// Commands that wait for the control thread.
    pub commands_waiting: usize,
    /// How late sessions were run, in microseconds: half of them, 99 of 100, worst.
    pub media_late_p50_us: u32,
    pub media_late_p99_us: u32,
    pub media_late_max_us: u32,
    pub sip_datagrams_in: u64,
    pub sip_datagrams_out: u64,
    pub sip_send_errors: u64,
    /// Commands of the host that found the queue full.
    pub commands_refused: u64,
    /// Calls that found no RTP port.
    pub no_ports: u64,
    pub calls: usize,
    pub ports_in_use: usize,
    /// Panics caught in engine threads and callbacks.
    pub panics: u64,
}

/// Delivers one event to the host. Called on the dispatcher thread or in `process_events`, never under a lock.
pub type EventSink = Box<dyn FnMut(&Event) + Send>;

impl Phone {
    /// Checks the configuration. No socket and no thread yet.
    pub fn new(config: PhoneConfig) -> Result<Phone> {
        config.check()?;
        pages::use_chunks();
        let codecs = find_codecs(&config.codecs)?;
        let ports = PortPool::new(config.rtp_ports.0, config.rtp_ports.1)?;
        let host_pumps = config.event_mode == super::config::EventMode::Host;
        let dispatcher = Dispatcher::new(config.max_events.max(config.max_calls * 4), host_pumps)?;
        let link = Arc::new(Link::new(4096 + config.max_calls * 4, dispatcher, &config)?);
        Ok(Phone(Arc::new(PhoneShared {
            codecs,
            link,
            ports,
            accounts: Mutex::default(),
            threads: Mutex::default(),
            closing: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            local: Mutex::new(None),
            public: Mutex::new(config.public_address),
            signal: Signal::new(),
            status: AtomicI32::new(PhoneStatus::Inactive as i32),
            registry: Mutex::default(),
            accept: AtomicBool::new(false),
            accept_messages: AtomicBool::new(false),
            reserved: Mutex::default(),
            agent_stats: Mutex::default(),
            user_data: AtomicUsize::new(0),
            config,
        })))
    }

    #[doc(hidden)]
    pub fn shared(&self) -> &Arc<PhoneShared> {
        &self.0
    }
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.0.link
    }

    /// Where events go. Before `start`, or while running (takes effect between two events). The old sink is
    /// dropped when no callback runs in it any more.
    pub fn set_event_sink(&self, sink: EventSink) -> Result<()> {
        if self.0.closing.load(Ordering::Acquire) {
            return Err(not_running());
        }
        self.link().dispatcher.set_sink(sink);
        Ok(())
    }
    /// Somebody listens for incoming calls (a callback is set, or wait_call is used).
    pub fn accept_calls(&self, yes: bool) {
        if self.0.accept.swap(yes, Ordering::AcqRel) != yes {
            let _ = self.link().post(ToControl::Look);
        }
    }

    /// Somebody listens for messages.
    pub fn accept_messages(&self, yes: bool) {
        if self.0.accept_messages.swap(yes, Ordering::AcqRel) != yes {
            let _ = self.link().post(ToControl::Look);
        }
    }

    /// The next incoming call; switches `accept_calls` on.
    pub fn wait_call(&self, timeout: Timeout) -> Result<Call> {
        self.link().dispatcher.refuse_in_callback()?;
        let shared = &self.0;
        shared.begin_to_wait();
        self.accept_calls(true);
        let next = || {
            while let Some(call) = shared.next_incoming() {
                if !call.has_ended() {
                    return Some(Ok(call));
                }
            }
            shared.status().is_at_rest().then(|| Err(not_running()))
        };
        shared.signal.wait_for(timeout, next).unwrap_or_else(|| Err(timed_out()))
    }

    /// Creates the call object first, calls `prepare` with it (attach handle and user data), then posts the INVITE.
    /// `prepare` may have run although an error comes back; the call is nothing then.
    pub fn dial(
        &self,
        account: Option<AccountId>,
        target: &str,
        options: DialOptions,
        prepare: &mut dyn FnMut(&Call),
    ) -> Result<Call> {
        self.dial_in(self.0.config.audio, account, target, options, prepare)
    }
    /// As `dial`, with a format of the host's audio for this call.
    pub fn dial_in(
        &self,
        format: AudioFormat,
        account: Option<AccountId>,
        target: &str,
        options: DialOptions,
        prepare: &mut dyn FnMut(&Call),
    ) -> Result<Call> {
        format.check()?;
        let shared = &self.0;
        let target = self.complete_target(account, target)?;
        check_headers(&options)?;
        shared.room_for_a_call()?;
        let id = CallId(CallId::OUTGOING | self.link().next_id());
        let config = session_config(&shared.config, format.rate);
        let (session, audio) = Session::new(config, &mut clock::OsRng::new(), clock::now());
        let call = Call::new(id, self.link().clone(), format, audio);
        prepare(&call);
        shared.register(&call)?;
        let dial = Dial { call: call.clone(), session, account, target, options };
        if let Err(error) = self.link().post(ToControl::Dial(Box::new(dial))) {
            shared.unregister(id);
            return Err(error);
        }
        Ok(call)
    }

    pub(super) fn complete_target(&self, account: Option<AccountId>, target: &str) -> Result<String> {
        let domain = match account {
            Some(account) => Some(self.account_domain(account)?),
            None => None,
        };
        parse_target(target, domain.as_deref()).map_err(|error| {
            let known = Error::from(error);
            Error::new(known.kind, format!("{target:?}: {}", known.message))
        })
    }

    pub fn status(&self) -> PhoneStatus {
        self.0.status()
    }
    /// What others are told from now on, in calls to come and in bindings.
    pub fn set_public_address(&self, address: Option<IpAddr>) -> Result<()> {
        *lock(&self.0.public) = address;
        match self.status() {
            PhoneStatus::Running => {
                self.link().post(ToControl::Command(ua::Command::SetPublicAddress(address)))
            }
            // A start takes it up.
            _ => Ok(()),
        }
    }
    /// What calls read and write that say nothing else.
    pub fn audio_format(&self) -> AudioFormat {
        self.0.config.audio
    }
    pub fn local_address(&self) -> Option<SocketAddr> {
        *lock(&self.0.local)
    }
    pub fn calls(&self) -> Vec<Call> {
        let mut calls: Vec<Call> = lock(&self.0.registry).calls.values().cloned().collect();
        calls.sort_by_key(|c| c.id());
        calls
    }

    pub fn stats(&self) -> PhoneStats {
        let (link, shared) = (self.link(), &self.0);
        let counters = &link.counters;
        PhoneStats {
            // What the host added counts at once; the agent's own figures are those of its last round.
            agent: AgentStats { accounts: lock(&shared.accounts).len(), ..*lock(&shared.agent_stats) },
            events_dropped: link.dispatcher.dropped(),
            events_waiting: link.dispatcher.waiting(),
            media_packets_in: counters.media_packets_in.get(),
            media_packets_out: counters.media_packets_out.get(),
            media_bytes_in: counters.media_bytes_in.get(),
            media_bytes_out: counters.media_bytes_out.get(),
            media_send_errors: counters.media_send_errors.get(),
            media_reports_dropped: counters.media_reports_dropped.get(),
            control_wakeups: counters.control_wakeups.get(),
            media_wakeups: counters.media_wakeups.get(),
            control_batch_max: counters.control_batch_max.get(),
            media_batch_max: counters.media_batch_max.get(),
            media_batches: counters.media_batches.get(),
            media_unrouted: counters.media_unrouted.get(),
            commands_waiting: link.receiver.len(),
            media_late_p50_us: counters.media_late.quantile(50),
            media_late_p99_us: counters.media_late.quantile(99),
            media_late_max_us: counters.media_late.worst(),
            sip_datagrams_in: counters.sip_in.get(),
            sip_datagrams_out: counters.sip_out.get(),
            sip_send_errors: counters.sip_send_errors.get(),
            commands_refused: counters.commands_refused.get(),
            no_ports: counters.no_ports.get(),
            calls: lock(&shared.registry).calls.len(),
            ports_in_use: shared.ports.in_use(),
            panics: thread::panics(),
        }
    }

    /// Readable while events wait (host mode); -1 in thread mode.
    pub fn event_fd(&self) -> i32 {
        self.link().dispatcher.fd()
    }
    /// Delivers up to `max` events on this thread; waits for the first up to the time-out.
    pub fn process_events(&self, max: usize, timeout: Timeout) -> Result<usize> {
        self.link().dispatcher.process(max, timeout)
    }
    /// True on a thread that is delivering an event of this phone right now.
    pub fn in_callback(&self) -> bool {
        self.link().dispatcher.in_callback()
    }

    /// An even RTP port of the range that no call will use until it is released.
    pub fn reserve_port(&self) -> Result<u16> {
        let ip = self.0.config.bind.ip();
        let mut rng = clock::OsRng::new();
        let (_, lease) = self.0.ports.open(&mut rng, |port| std::net::UdpSocket::bind((ip, port)))?;
        let port = lease.port();
        lock(&self.0.reserved).insert(port, lease);
        Ok(port)
    }
    pub fn release_port(&self, port: u16) -> Result<()> {
        let lease = lock(&self.0.reserved).remove(&port);
        match lease {
            Some(_) => Ok(()),
            None => Err(Error::new(ErrorKind::Argument, format!("port {port} was not reserved"))),
        }
    }
    pub fn ports_in_use(&self) -> usize {
        self.0.ports.in_use()
    }

    /// The binding's handle of this phone; 0 until set.
    pub fn set_handle(&self, handle: u64) {
        self.link().phone_handle.store(handle, Ordering::Release);
    }
    pub fn handle(&self) -> u64 {
        self.link().phone_handle.load(Ordering::Acquire)
    }
    pub fn user_data(&self) -> usize {
        self.0.user_data.load(Ordering::Acquire)
    }
    pub fn set_user_data(&self, value: usize) {
        self.0.user_data.store(value, Ordering::Release);
    }
    pub fn config(&self) -> &PhoneConfig {
        &self.0.config
    }
}

/// Used by the control thread too.
impl PhoneShared {
    pub(super) fn status(&self) -> PhoneStatus {
        PhoneStatus::from_number(self.status.load(Ordering::Acquire))
    }
    pub(super) fn set_status(&self, status: PhoneStatus) {
        self.status.store(status as i32, Ordering::Release);
        self.signal.notify();
    }
    /// Of threads that race, one changes it.
    pub(super) fn change_status(&self, from: PhoneStatus, to: PhoneStatus) -> bool {
        let order = (Ordering::AcqRel, Ordering::Acquire);
        let changed = self.status.compare_exchange(from as i32, to as i32, order.0, order.1).is_ok();
        self.signal.notify();
        changed
    }
    pub(super) fn accepts(&self) -> bool {
        self.accept.load(Ordering::Acquire)
    }
    pub(super) fn public_address(&self) -> Option<IpAddr> {
        *lock(&self.public)
    }
    pub(super) fn accepts_messages(&self) -> bool {
        self.accept_messages.load(Ordering::Acquire)
    }
    pub(super) fn publish_agent_stats(&self, stats: AgentStats) {
        *lock(&self.agent_stats) = stats;
    }

    /// Gives back the room that many calls needed.
    pub(super) fn shrink(&self) {
        lock(&self.registry).calls.shrink_to_fit();
        self.link.dispatcher.shrink();
    }
    pub(super) fn open_registry(&self) {
        lock(&self.registry).open = true;
    }
    /// The control thread is gone without having ended anything: nobody shall wait for it.
    pub(super) fn fail(&self) {
        for call in self.close_registry() {
            let (cause, by, reason) = (EndCause::LocalError, EndedBy::Engine, "internal error".into());
            let end = EndInfo { cause, by, sip_code: 0, reason, reason_header: None };
            call.shared().set_ended(end.clone());
            let kind = EventKind::Ua(ua::Event::CallEnded { call: call.id(), end });
            self.link.dispatcher.push(Event { call: Some(call), kind });
        }
        self.accounts_stopped();
        self.link.dispatcher.push(Event { call: None, kind: EventKind::Phone(PhoneStatus::Failed) });
        self.set_status(PhoneStatus::Failed);
    }

    /// From here on no call can begin. Those that were in it come back.
    pub(super) fn close_registry(&self) -> Vec<Call> {
        self.link.set_running(false);
        let (calls, waiting) = {
            let mut registry = lock(&self.registry);
            registry.open = false;
            (std::mem::take(&mut registry.calls), registry.incoming.as_mut().map(std::mem::take))
        };
        drop(waiting);
        calls.into_values().collect()
    }
    fn room_for_a_call(&self) -> Result<()> {
        let registry = lock(&self.registry);
        if !registry.open || self.status() != PhoneStatus::Running {
            return Err(not_running());
        }
        self.check_limit(registry.calls.len())
    }
    fn check_limit(&self, calls: usize) -> Result<()> {
        if calls >= self.config.max_calls {
            let message = format!("{calls} calls are all that the phone may have");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        Ok(())
    }
    /// Counted and inserted at once, so that the limit holds.
    fn register(&self, call: &Call) -> Result<()> {
        let mut registry = lock(&self.registry);
        if !registry.open {
            return Err(not_running());
        }
        self.check_limit(registry.calls.len())?;
        registry.calls.insert(call.id(), call.clone());
        Ok(())
    }
    pub(super) fn register_incoming(&self, call: &Call) {
        {
            let mut registry = lock(&self.registry);
            registry.calls.insert(call.id(), call.clone());
            if let Some(incoming) = &mut registry.incoming {
                // As many as there can be live calls: older ones that ended unseen make room.
                if incoming.len() >= self.config.max_calls {
                    incoming.retain(|c| !c.has_ended());
                }
                incoming.push_back(call.clone());
            }
        }
        self.signal.notify();
    }
    /// The first `wait_call` also gets those that ring already.
    fn begin_to_wait(&self) {
        let mut registry = lock(&self.registry);
        if registry.incoming.is_none() {
            let mut ringing: Vec<Call> =
                registry.calls.values().filter(|c| c.is_undecided()).cloned().collect();
            ringing.sort_by_key(|c| c.id());
            registry.incoming = Some(ringing.into());
        }
    }
    fn next_incoming(&self) -> Option<Call> {
        lock(&self.registry).incoming.as_mut()?.pop_front()
    }
    pub(super) fn unregister(&self, id: CallId) {
        let call = lock(&self.registry).calls.remove(&id);
        drop(call);
    }
}

/// By names: `G722`, or with a rate where there are several: `L16/16000`, `DVI4/22050`.
fn find_codecs(names: &[String]) -> Result<Vec<PayloadFormat>> {
    let mut found: Vec<PayloadFormat> = Vec::new();
    for name in names {
        let comfort = name.trim().eq_ignore_ascii_case(CodecInfo::COMFORT_NOISE);
        let format = if comfort {
            PayloadFormat::static_format(13).ok()
        } else {
            find_codec(name.trim(), found.len())
        };
        let Some(format) = format else {
            return Err(Error::new(ErrorKind::NoCodec, format!("no codec named {name:?}")));
        };
        if !found.iter().any(|f| f.same_encoding(&format)) {
            found.push(format);
        }
    }
    if found.iter().all(|f| f.is(CodecInfo::COMFORT_NOISE)) {
        return Err(Error::new(ErrorKind::NoCodec, "a phone needs a codec at least"));
    }
    Ok(found)
}

/// A format without a static payload type takes one that nothing else of ours has.
fn find_codec(name: &str, found: usize) -> Option<PayloadFormat> {
    let info = CodecInfo::for_calls(name)?;
    let dynamic = FIRST_DYNAMIC.saturating_add(u8::try_from(found).ok()?);
    let payload_type = info.payload_type.unwrap_or(dynamic);
    (payload_type <= 127).then(|| PayloadFormat::new(payload_type, info.name, info.clock_rate, info.channels))
}

/// Above 101, which everyone uses for telephone-event.
const FIRST_DYNAMIC: u8 = 102;

fn check_headers(options: &DialOptions) -> Result<()> {
    for (name, value) in &options.headers {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(Error::new(ErrorKind::Argument, format!("{name:?} is no header name")));
        }
        super::call::check_text("a header", value)?;
    }
    super::call::check_text("the display name", options.display_name.as_deref().unwrap_or_default())
}

/// How long `shutdown` waits for the control thread beyond a stop without a deadline.
pub(super) const STOP_BOUND: Duration = Duration::from_secs(10);
