//! A phone: its threads, its calls, its events. Any thread.

use super::call::{Call, Timeout};
use super::config::PhoneConfig;
use super::error::Result;
use super::event::Event;
use crate::ua::{AccountConfig, AccountId, AccountStatus, DialOptions};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone)]
pub struct Phone(Arc<PhoneShared>);

pub struct PhoneShared {
    _private: (),
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
    pub agent: crate::ua::AgentStats,
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
    pub fn new(_config: PhoneConfig) -> Result<Phone> {
        todo!()
    }
    /// Where events go. Before `start`, or while running (takes effect between two events). The old sink is
    /// dropped when no callback runs in it any more.
    pub fn set_event_sink(&self, _sink: EventSink) -> Result<()> {
        todo!()
    }
    /// Somebody listens for incoming calls (a callback is set, or wait_call is used).
    pub fn accept_calls(&self, _yes: bool) {
        todo!()
    }
    /// Opens the sockets, starts the threads, registers. Errors are immediate (AddressInUse, Range …).
    pub fn start(&self) -> Result<()> {
        todo!()
    }
    /// Begins to end: calls, registrations, threads. Does not wait.
    pub fn stop(&self, _deadline: Duration) -> Result<()> {
        todo!()
    }
    pub fn wait_stopped(&self, _timeout: Timeout) -> Result<()> {
        todo!()
    }
    /// Default account registered: Ok; failed: its error; not in time: Err(Timeout).
    pub fn wait_registered(&self, _timeout: Timeout) -> Result<()> {
        todo!()
    }
    /// The next incoming call; switches `accept_calls` on.
    pub fn wait_call(&self, _timeout: Timeout) -> Result<Call> {
        todo!()
    }
    /// Stops at once if running (deadline `Duration::ZERO` after un-REGISTER was sent), joins all threads.
    /// After it returns no event is delivered. Err(InCallback) when called from a callback of this phone.
    pub fn shutdown(&self) -> Result<()> {
        todo!()
    }

    /// Creates the call object first, calls `prepare` with it (attach handle and user data), then posts the INVITE.
    pub fn dial(
        &self,
        _account: Option<AccountId>,
        _target: &str,
        _options: DialOptions,
        _prepare: &mut dyn FnMut(&Call),
    ) -> Result<Call> {
        todo!()
    }
    pub fn status(&self) -> PhoneStatus {
        todo!()
    }
    pub fn local_address(&self) -> Option<SocketAddr> {
        todo!()
    }
    pub fn calls(&self) -> Vec<Call> {
        todo!()
    }
    pub fn stats(&self) -> PhoneStats {
        todo!()
    }
    /// Readable while events wait (host mode).
    pub fn event_fd(&self) -> i32 {
        todo!()
    }
    /// Delivers up to `max` events on this thread; waits for the first up to the time-out.
    pub fn process_events(&self, _max: usize, _timeout: Timeout) -> Result<usize> {
        todo!()
    }
    /// True on a thread that is delivering an event of this phone right now.
    pub fn in_callback(&self) -> bool {
        todo!()
    }
    pub fn reserve_port(&self) -> Result<u16> {
        todo!()
    }
    pub fn release_port(&self, _port: u16) -> Result<()> {
        todo!()
    }
    pub fn ports_in_use(&self) -> usize {
        todo!()
    }
    /// The binding's handle of this phone; 0 until set.
    pub fn set_handle(&self, _handle: u64) {
        todo!()
    }
    pub fn handle(&self) -> u64 {
        todo!()
    }
    pub fn user_data(&self) -> usize {
        todo!()
    }
    pub fn set_user_data(&self, _value: usize) {
        todo!()
    }
    pub fn config(&self) -> &PhoneConfig {
        todo!()
    }

    pub fn default_account(&self) -> Option<AccountId> {
        todo!()
    }
    pub fn add_account(&self, _config: AccountConfig) -> Result<AccountId> {
        todo!()
    }
    pub fn remove_account(&self, _account: AccountId) -> Result<()> {
        todo!()
    }
    pub fn register(&self, _account: AccountId) -> Result<()> {
        todo!()
    }
    pub fn unregister(&self, _account: AccountId) -> Result<()> {
        todo!()
    }
    pub fn account_info(&self, _account: AccountId) -> Result<AccountInfo> {
        todo!()
    }
    pub fn wait_account(&self, _account: AccountId, _timeout: Timeout) -> Result<AccountStatus> {
        todo!()
    }
}

impl Phone {
    #[doc(hidden)]
    pub fn shared(&self) -> &Arc<PhoneShared> {
        &self.0
    }
}
